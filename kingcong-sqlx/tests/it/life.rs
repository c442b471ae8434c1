//! A job's whole life, on a file and in memory.

use std::{sync::Arc, time::Duration};

use kingcong_core::{
    access::Scope,
    clock::Clock as _,
    id::WorkerId,
    money::Amount,
    store::{BookReads, Command, DEAD_AFTER_MIN, JobReads, Outcome, ResultReads, Store, WalletReads},
};
use kingcong_sqlx::{Options, SqlStore};

use crate::world::{Ids, StandingClock, admit, claim, claimed, done, furnish, route, settle, user, wallet};

pub(crate) async fn live_through_a_job(store: &SqlStore) {
    let mut ids = Ids::default();
    let mut writer = furnish(store, &mut ids, 2, 2).await;
    let order = admit(&mut ids, 1, &["Xin chào", "你好", "hello 🎉"], Some("order-1"));
    let job = order.job;
    let outcomes = writer.write(store, vec![Command::Admit(Box::new(order.clone()))]).await;
    assert!(matches!(&outcomes[..], [Outcome::Admit(Ok(_))]), "{outcomes:?}");

    let mut leases = Vec::new();
    for server in ["ai33", "ai84"] {
        let outcomes = writer.write(store, vec![claim(&mut ids, &route(server), 8)]).await;
        leases.extend(claimed(outcomes).leases);
    }
    assert_eq!(leases.len(), 3);
    let outcomes = writer.write(store, leases.iter().map(|lease| settle(lease, done(10))).collect()).await;
    assert!(outcomes.iter().all(|outcome| matches!(outcome, Outcome::Settle(Ok(_)))), "{outcomes:?}");

    let found = store.job(&Scope::All, job).await.unwrap().unwrap();
    assert!(found.job.state.is_final());
    assert_eq!(found.tasks.len(), 3);
    // 17 characters at 0.7 are 11.9.
    let charged = found.job.total.charged();
    assert_eq!(charged, Amount::new(12));
    let purse = store.wallet(&wallet(1)).await.unwrap().unwrap();
    assert_eq!((purse.balance, purse.held), (Amount::new(1_000_000_000 - 12), Amount::ZERO));
    let entries = store.entries(purse.id, None, 100).await.unwrap();
    assert_eq!(entries.iter().map(|entry| entry.amount.get()).sum::<i64>(), purse.balance.get());
    assert_eq!(entries.len(), 4);
    assert!(store.output(found.tasks[0].id).await.unwrap().is_some());

    let replayed = writer.write(store, vec![Command::Admit(Box::new(order))]).await;
    assert!(matches!(&replayed[..], [Outcome::Admit(Ok(admitted))] if admitted.job == job), "{replayed:?}");
    let filter = kingcong_core::store::JobFilter { user: Some(user(1)), limit: 10, ..Default::default() };
    assert_eq!(store.jobs(&Scope::All, &filter).await.unwrap(), [found.job]);
    let counts = store.limits().await.unwrap();
    assert!(counts.iter().all(|count| count.limit.in_flight == 0 && count.open_attempts == 0));
    assert_eq!(counts.len(), 6);
    store.close().await;
}

#[tokio::test]
async fn a_job_lives_through_in_memory() {
    live_through_a_job(&SqlStore::connect("sqlite::memory:").await.unwrap()).await;
}

#[tokio::test]
async fn a_job_lives_through_in_a_file() {
    let directory = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}", directory.path().join("kingcong.db").display());
    live_through_a_job(&SqlStore::connect(&url).await.unwrap()).await;
}

#[tokio::test]
async fn the_stores_time_is_that_of_the_clock_that_was_handed_in() {
    let clock = StandingClock::new();
    let mut options = Options::default();
    options.clock = Some(Arc::<StandingClock>::clone(&clock));
    let store = SqlStore::connect_with("sqlite::memory:", options).await.unwrap();
    let started = clock.now();
    let mut ids = Ids::default();
    assert_eq!(
        store.register_worker(WorkerId::from_uuid(ids.next()), DEAD_AFTER_MIN).await.unwrap(),
        started
    );
    clock.advance(Duration::from_secs(1));
    assert_eq!(store.pulse().await.unwrap().now, started.plus(Duration::from_secs(1)));
}
