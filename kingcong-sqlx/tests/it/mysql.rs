//! What MySQL and MariaDB do in their own way.

use std::sync::Arc;

use kingcong_core::{
    store::{Command, Outcome, Store, StoreErrorKind},
    work::{CloneVoice, Work},
};
use kingcong_servers::Server;
use kingcong_sqlx::{ConnectError, SqlStore};
use sqlx::{Connection as _, Executor as _, MySqlConnection};

use crate::world::{Ids, admit, furnish, purchase};

#[tokio::test]
async fn a_url_without_a_database_is_refused() {
    let refused = SqlStore::connect("mysql://root@127.0.0.1:3306").await;
    assert!(matches!(refused, Err(ConnectError::NoDatabase)), "{refused:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_too_large_for_the_server_is_one_commands_fault() {
    let server = Server::mariadb().unwrap();
    let url = server.fresh_database().unwrap();
    let mut connection = MySqlConnection::connect(&url).await.unwrap();
    // What MariaDB takes by default; MySQL takes more.
    connection.execute("SET GLOBAL max_allowed_packet = 16 * 1024 * 1024").await.unwrap();
    let store = SqlStore::connect(&url).await.unwrap();
    let mut ids = Ids::default();
    let mut writer = furnish(&store, &mut ids, 1, 1).await;
    let mut order = admit(&mut ids, 0, &["a voice"], None);
    order.tasks[0].work = Arc::new(Work::CloneVoice(CloneVoice {
        name: "An".into(),
        // As text, 17.3 MiB; the server takes 16.
        sample: vec![7; 13 * 1024 * 1024].into(),
        content_type: "audio/mpeg".into(),
        preview_text: None,
    }));
    let order = Command::Admit(Box::new(order));
    let batch = writer.batch(vec![purchase(&mut ids, 0, 10, None), order.clone()]);
    let refused = store.write(&batch).await.unwrap_err();
    assert_eq!(refused.kind, StoreErrorKind::Command, "{refused:?}");
    assert!(refused.message.contains("max_allowed_packet"), "{refused}");

    writer.number -= 1;
    writer.write(&store, vec![purchase(&mut ids, 0, 10, None)]).await;
    connection.execute("SET GLOBAL max_allowed_packet = 64 * 1024 * 1024").await.unwrap();
    let store = SqlStore::connect(&url).await.unwrap();
    let outcomes = writer.write(&store, vec![order]).await;
    assert!(matches!(outcomes[..], [Outcome::Admit(Ok(_))]), "{outcomes:?}");

    connection.execute("SET GLOBAL max_allowed_packet = 8 * 1024 * 1024").await.unwrap();
    let refused = SqlStore::connect(&url).await.unwrap_err();
    assert!(matches!(refused, ConnectError::SmallPackets { found: 8_388_608, .. }), "{refused:?}");
    assert!(refused.to_string().contains("max_allowed_packet"), "{refused}");
}
