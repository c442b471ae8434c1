//! Releases follow one another on one database: processes of this release go on while one of the next upgrades its
//! tables.

use kingcong_core::store::{Command, Outcome, conformance};
use kingcong_sqlx::{ConnectError, SqlStore};

use crate::{
    databases::{on_every_database, run_beside},
    world::{Ids, admit, claim, furnish, route},
};

#[tokio::test(flavor = "multi_thread")]
async fn a_process_goes_on_while_the_next_release_adds_to_its_tables() {
    on_every_database(async |url| {
        let store = SqlStore::connect(url).await.unwrap();
        let mut ids = Ids::default();
        let mut writer = furnish(&store, &mut ids, 1, 2).await;
        run_beside(
            url,
            &[
                "ALTER TABLE kingcong_credits ADD COLUMN note INTEGER DEFAULT 1",
                "ALTER TABLE kingcong_jobs ADD COLUMN note INTEGER",
                "ALTER TABLE kingcong_tasks ADD COLUMN note INTEGER NOT NULL DEFAULT 1",
                "ALTER TABLE kingcong_workers ADD COLUMN note INTEGER",
                "CREATE TABLE kingcong_news (id INTEGER NOT NULL PRIMARY KEY)",
                "UPDATE kingcong_schema SET version = version + 1",
            ],
        )
        .await;
        let order = admit(&mut ids, 1, &["Xin chào", "你好"], None);
        let outcomes = writer.write(&store, vec![Command::Admit(Box::new(order))]).await;
        assert!(matches!(&outcomes[..], [Outcome::Admit(Ok(_))]), "{outcomes:?}");
        let outcomes = writer.write(&store, vec![claim(&mut ids, &route("ai33"), 8)]).await;
        assert!(
            matches!(&outcomes[..], [Outcome::Claim(claimed)] if !claimed.leases.is_empty()),
            "{outcomes:?}"
        );
        conformance::recount(&store).await;

        let refused = SqlStore::connect(url).await.unwrap_err();
        assert!(matches!(refused, ConnectError::NewerTables { .. }), "{refused}");
    })
    .await;
}
