//! What PostgreSQL does in its own way: standbys that a commit waits for, and poolers in front of it.

use kingcong_core::store::{Store as _, StoreErrorKind, WalletReads, Written};
use kingcong_servers::{Pooler, Pooling, Server};
use kingcong_sqlx::SqlStore;
use sqlx::{ConnectOptions as _, Executor as _, Row as _, postgres::PgConnectOptions};

use crate::{
    databases::{count_beside, run_beside},
    life::live_through_a_job,
    world::{Ids, furnish, purchase, wallet},
};

/// How many backends wait for a standby to have their commit.
const WAITING: &str = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep'";

/// Sets or resets the standby that every commit waits for.
async fn wait_for_standby(url: &str, change: &str) {
    let change = format!("ALTER SYSTEM {change}");
    run_beside(url, &[&change, "SELECT pg_reload_conf()"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_is_not_acknowledged_before_the_standby_has_it() {
    let server = Server::postgres().unwrap();
    let url = server.fresh_database().unwrap();
    let store = SqlStore::connect(&url).await.unwrap();
    let mut ids = Ids::default();
    let mut writer = furnish(&store, &mut ids, 1, 0).await;
    wait_for_standby(&url, "SET synchronous_standby_names = 'nobody'").await;

    // The server notices the setting in its own time.
    let mut purchases = 0;
    let (batch, waiting) = loop {
        purchases += 1;
        let batch = writer.batch(vec![purchase(&mut ids, 1, 10, None)]);
        let written = tokio::spawn({
            let (store, batch) = (store.clone(), batch.clone());
            async move { store.write(&batch).await }
        });
        while !written.is_finished() && count_beside(&url, WAITING).await == 0 {}
        if !written.is_finished() {
            break (batch, written);
        }
        written.await.unwrap().unwrap();
    };
    run_beside(
        &url,
        &["SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE wait_event = 'SyncRep'"],
    )
    .await;
    let lost = waiting.await.unwrap().unwrap_err();
    assert_eq!(lost.kind, StoreErrorKind::CommitUnknown, "{lost}");

    let again = tokio::spawn({
        let store = store.clone();
        async move { store.write(&batch).await }
    });
    while count_beside(&url, WAITING).await == 0 {
        assert!(!again.is_finished(), "acknowledged, and no standby has it: {:?}", again.await);
    }
    wait_for_standby(&url, "RESET synchronous_standby_names").await;
    let again = again.await.unwrap().unwrap();
    assert!(matches!(again, Written::Before), "{again:?}");
    let purse = store.wallet(&wallet(1)).await.unwrap().unwrap();
    assert_eq!(purse.last_entry, purchases, "it was booked once");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pooler_by_session_serves_as_the_server_itself() {
    let server = Server::postgres().unwrap();
    let url = server.fresh_database().unwrap();
    let pooler = Pooler::start(&server, Pooling::Session, 20).unwrap();
    live_through_a_job(&SqlStore::connect(&pooler.url(&url)).await.unwrap()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pooler_by_transaction_serves_if_it_keeps_prepared_statements_apart_and_else_is_told() {
    let server = Server::postgres().unwrap();
    let url = server.fresh_database().unwrap();
    let pooler = Pooler::start(&server, Pooling::Transaction, 1).unwrap();
    let store = SqlStore::connect(&pooler.url(&url)).await.unwrap();
    if Pooler::version().unwrap() >= Pooler::KEEPS_PREPARED {
        live_through_a_job(&store).await;
        SqlStore::connect(&pooler.url(&url)).await.unwrap().pulse().await.unwrap();
    } else {
        store.pulse().await.unwrap();
        let other = SqlStore::connect(&pooler.url(&url)).await.unwrap();
        let told = other.pulse().await.unwrap_err();
        assert_eq!(told.kind, StoreErrorKind::Unusable, "{told}");
        assert!(told.message.contains("max_prepared_statements"), "{told}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_transaction_sets_does_not_reach_the_next_client_of_its_connection() {
    let server = Server::postgres().unwrap();
    let url = server.fresh_database().unwrap();
    let pooler = Pooler::start(&server, Pooling::Transaction, 1).unwrap();
    let settings = ["enable_seqscan", "jit", "statement_timeout", "lock_timeout", "synchronous_commit"];
    let shown = async || {
        let client: PgConnectOptions = pooler.url(&url).parse().unwrap();
        let mut client = client.extra_float_digits(None).connect().await.unwrap();
        let mut shown = Vec::new();
        for setting in settings {
            let row = client.fetch_one(sqlx::raw_sql(sqlx::AssertSqlSafe(format!("SHOW {setting}")))).await;
            shown.push(row.unwrap().get::<String, _>(0));
        }
        shown
    };
    let before = shown().await;
    let store = SqlStore::connect(&pooler.url(&url)).await.unwrap();
    let mut ids = Ids::default();
    let mut writer = furnish(&store, &mut ids, 1, 0).await;
    writer.write(&store, vec![purchase(&mut ids, 1, 10, None)]).await;
    assert_eq!(shown().await, before);
}
