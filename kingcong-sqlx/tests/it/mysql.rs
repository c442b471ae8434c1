//! The store on a real MariaDB server of its own.

use std::sync::Arc;

use futures_util::future::join_all;
use kingcong_core::{
    clock::Clock,
    money::Amount,
    provider::{CloneVoice, Work},
    store::{Command, Outcome, Store, StoreErrorKind, Written, conformance},
};
use kingcong_servers::Server;
use kingcong_sqlx::{ConnectError, Options, SqlStore};
use sqlx::{Connection as _, Executor as _, MySqlConnection, Row as _};

use crate::{
    life::live_through_a_job,
    several::Several,
    world::{Ids, admit, furnish, purchase, wallet},
};

/// How many processes the laws are checked with.
const PROCESSES: usize = 4;

/// A server with a database whose tables are made, to copy for each test.
struct Furnished {
    server: Server,
    made: String,
}

impl Furnished {
    async fn start() -> Self {
        let server = Server::mariadb().unwrap();
        let made = server.fresh_database().unwrap();
        SqlStore::connect(&made).await.unwrap().close().await;
        Self { server, made }
    }

    fn database(&self) -> String {
        self.server.copied_database(&self.made).unwrap()
    }
}

async fn open(url: &str, clock: Arc<dyn Clock>) -> Arc<dyn Store> {
    let mut options = Options::default();
    options.clock = Some(clock);
    Arc::new(SqlStore::connect_with(url, options).await.unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn every_law_is_kept_by_several_processes_on_one_database() {
    let furnished = Furnished::start().await;
    conformance::all(|clock| {
        let url = furnished.database();
        async move {
            let mut stores = Vec::new();
            for _ in 0..PROCESSES {
                stores.push(open(&url, Arc::clone(&clock)).await);
            }
            Arc::new(Several(stores)) as Arc<dyn Store>
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_lives_through_on_the_servers_own_time() {
    let furnished = Furnished::start().await;
    live_through_a_job(&SqlStore::connect(&furnished.database()).await.unwrap()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_that_start_at_once_one_makes_the_tables() {
    let server = Server::mariadb().unwrap();
    let url = server.fresh_database().unwrap();
    for opened in join_all((0..10).map(|_| SqlStore::connect(&url))).await {
        let store = opened.unwrap();
        assert_eq!(store.pulse().await.unwrap().configuration_version, 0);
        store.close().await;
    }

    let mut connection = MySqlConnection::connect(&url).await.unwrap();
    connection.execute("UPDATE kingcong_schema SET version = version + 98").await.unwrap();
    let found: i64 = connection.fetch_one("SELECT version FROM kingcong_schema").await.unwrap().get(0);
    let refused = SqlStore::connect(&url).await.unwrap_err();
    assert!(matches!(refused, ConnectError::NewerTables { found: newer, .. } if newer == found), "{refused}");
}

#[tokio::test]
async fn a_url_without_a_database_is_refused() {
    let refused = SqlStore::connect("mysql://root@127.0.0.1:3306").await;
    assert!(matches!(refused, Err(ConnectError::NoDatabase)), "{refused:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_killed_loses_and_doubles_no_purchase() {
    const PURCHASES: u32 = 200;
    let mut furnished = Furnished::start().await;
    let store = SqlStore::connect(&furnished.database()).await.unwrap();
    let mut ids = Ids::default();
    let mut writer = furnish(&store, &mut ids, 1, 0).await;
    let buying = tokio::spawn({
        let store = store.clone();
        async move {
            let mut failures = 0;
            for _ in 0..PURCHASES {
                let batch = writer.batch(vec![purchase(&mut ids, 1, 10, None)]);
                loop {
                    match store.write(&batch).await {
                        Ok(Written::Now { outcomes, .. }) => {
                            assert!(matches!(outcomes[..], [Outcome::Credit(Ok(_))]), "{outcomes:?}");
                            break;
                        }
                        Ok(Written::Before) => break,
                        Ok(Written::Fenced) => panic!("nobody buries it"),
                        Err(error) => {
                            assert!(error.is_retryable(), "{error:?}");
                            failures += 1;
                            tokio::task::yield_now().await;
                        }
                    }
                }
            }
            failures
        }
    });
    while store.wallet(&wallet(1)).await.ok().flatten().is_none_or(|it| it.last_entry < 20) {
        tokio::task::yield_now().await;
    }
    furnished.server.kill().unwrap();
    furnished.server.restart().unwrap();
    assert!(buying.await.unwrap() > 0, "the kill was not noticed");
    let purse = store.wallet(&wallet(1)).await.unwrap().unwrap();
    assert_eq!(purse.balance, Amount::new(i64::from(PURCHASES) * 10));
    assert_eq!(purse.last_entry, u64::from(PURCHASES));
    conformance::recount(&store).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_too_large_for_the_server_is_one_commands_fault() {
    let server = Server::mariadb().unwrap();
    let url = server.fresh_database().unwrap();
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
    let mut connection = MySqlConnection::connect(&url).await.unwrap();
    connection.execute("SET GLOBAL max_allowed_packet = 64 * 1024 * 1024").await.unwrap();
    let store = SqlStore::connect(&url).await.unwrap();
    let outcomes = writer.write(&store, vec![order]).await;
    assert!(matches!(outcomes[..], [Outcome::Admit(Ok(_))]), "{outcomes:?}");

    connection.execute("SET GLOBAL max_allowed_packet = 8 * 1024 * 1024").await.unwrap();
    let refused = SqlStore::connect(&url).await.unwrap_err();
    assert!(matches!(refused, ConnectError::SmallPackets { found: 8_388_608, .. }), "{refused:?}");
    assert!(refused.to_string().contains("max_allowed_packet"), "{refused}");
}
