//! Laws under concurrency: whatever the order that batches of several workers come in, it is an order.

use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use futures_util::future::{join, join_all};

use super::fixtures::{
    NewKey, Order, Scene, TestClock, TestWorker, done, failed, fingerprint, idempotency, pool, route, server,
};
use crate::{
    access::Scope,
    failure::{FailureKind, Reached},
    id::{KeyId, TaskId},
    keys::{Key, Verdict},
    routing::SystemCommand,
    store::{
        AuditOf, ConfigurationChange, Duty, JobFilter, Lease, NotAdmitted, NotConfigured, NotRetried, Store,
    },
    work::JobState,
};

/// How many workers race.
const RACERS: usize = 12;

async fn racers<'a>(scene: &'a Scene<'_>) -> Vec<TestWorker<'a>> {
    let mut workers = Vec::new();
    for _ in 0..RACERS {
        workers.push(scene.worker().await);
    }
    workers
}

/// Of many who want a part of one wallet, exactly as many get one as it has parts.
pub(super) async fn concurrent_jobs_never_overdraw(store: &dyn Store, clock: &TestClock) {
    let scene = Scene::configured(store, clock).await;
    let workers = racers(&scene).await;
    workers[0].buy("user-1", 79).await;
    let order = Order::new("user-1", 1);
    let results = join_all(workers.iter().map(|worker| worker.admit(&order))).await;
    assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 7);
    assert!(results.iter().all(|result| matches!(result, Ok(_) | Err(NotAdmitted::Refused(_)))));
    let wallet = scene.wallet("user-1").await;
    assert_eq!((wallet.held.get(), wallet.available().get()), (70, 9));
}

/// Credits that come at once for a wallet that is not there yet are all booked: one of them makes it.
pub(super) async fn concurrent_first_credits_of_a_wallet_are_all_booked(
    store: &dyn Store,
    clock: &TestClock,
) {
    let scene = Scene::configured(store, clock).await;
    let workers = racers(&scene).await;
    for user in ["user-1", "user-2", "user-3"] {
        join_all(workers.iter().map(|worker| worker.buy(user, 10))).await;
        let wallet = scene.wallet(user).await;
        assert_eq!((wallet.balance.get(), wallet.last_entry), (10 * RACERS as i64, RACERS as u64));
    }
}

/// Orders that come at once where nobody ordered before are all admitted: pools, users' places in their queues and
/// sequences of splits are made by one of them.
pub(super) async fn concurrent_first_orders_are_all_admitted(store: &dyn Store, clock: &TestClock) {
    let scene = Scene::configured(store, clock).await;
    let workers = racers(&scene).await;
    workers[0].buy("user-1", 1000).await;
    let order = Order::new("user-1", 1).on(&[("ai33", 70), ("ai84", 30)]);
    let jobs = join_all(workers.iter().map(|worker| worker.admitted(&order))).await;
    let held: i64 = jobs.iter().map(|job| job.hold.amount.get()).sum();
    assert_eq!((jobs.len(), scene.wallet("user-1").await.held.get()), (RACERS, held));
}

/// Each task is leased once, and no limit on the way is broken.
pub(super) async fn concurrent_claims_keep_every_limit(store: &dyn Store, clock: &TestClock) {
    let scene = Scene::configured(store, clock).await;
    let workers = racers(&scene).await;
    for (account, keys) in [("one", 3), ("two", 2)] {
        for _ in 0..keys {
            workers[0].add_key(&NewKey::new("ai33", 4, 6).of_account(account, 7, 9)).await;
        }
    }
    workers[0].buy("user-1", 10_000).await;
    workers[0].admit(&Order::new("user-1", 100)).await.expect("it can be paid");
    let mut leases: Vec<Lease> = Vec::new();
    for _ in 0..5 {
        let claims = join_all(workers.iter().map(|worker| worker.claim(pool("ai33"), 3))).await;
        leases.extend(claims.iter().flat_map(|claimed| claimed.leases.clone()));
    }
    // Where several claim at once, one may find keys locked that the other then leaves: ask until nothing is free.
    loop {
        let claimed = workers[0].claim(pool("ai33"), 20).await;
        if claimed.leases.is_empty() {
            break;
        }
        leases.extend(claimed.leases);
    }
    assert_eq!(leases.len(), 14, "seven of each account");
    let mut tasks: Vec<TaskId> = leases.iter().map(|lease| lease.task.id).collect();
    tasks.sort_unstable();
    tasks.dedup();
    assert_eq!(tasks.len(), 14);
    for count in store.limits().await.expect("the store can be read") {
        let limit = count.limit;
        assert!(limit.in_flight <= limit.max_in_flight.get(), "{limit:?}");
        assert!(limit.window.count() <= limit.per_window.get(), "{limit:?}");
    }
}

/// Many submits under one key are one job, and everybody is told of it.
pub(super) async fn concurrent_submits_under_one_key_are_one_job(store: &dyn Store, clock: &TestClock) {
    let scene = Scene::configured(store, clock).await;
    let workers = racers(&scene).await;
    workers[0].buy("user-1", 1000).await;
    let order = Order::new("user-1", 1).under(idempotency("order-1", "a"));
    let results = join_all(workers.iter().map(|worker| worker.admit(&order))).await;
    let jobs = store.jobs(&Scope::All, &JobFilter { limit: 10, ..Default::default() }).await;
    let jobs = jobs.expect("the store can be read");
    assert_eq!(jobs.len(), 1);
    assert!(results.iter().all(|result| result.as_ref().is_ok_and(|admitted| admitted.job == jobs[0].id)));
    assert_eq!(scene.wallet("user-1").await.held.get(), 10);
}

/// Of many who retry one job at once under keys of their own, one does; the others are told that it is open.
pub(super) async fn concurrent_retries_of_a_job_are_one(store: &dyn Store, clock: &TestClock) {
    let scene = Scene::configured(store, clock).await;
    let workers = racers(&scene).await;
    workers[0].add_key(&NewKey::new("ai33", 100, 100)).await;
    workers[0].buy("user-1", 1000).await;
    workers[0].admit(&Order::new("user-1", 1)).await.expect("it can be paid");
    let lease = workers[0].lease(pool("ai33")).await;
    let job = workers[0].settled(&lease, failed(FailureKind::BadRequest, Reached::No)).await.job.id;
    let retries =
        workers.iter().enumerate().map(async |(number, worker)| worker.retry(job, &number.to_string()).await);
    let results = join_all(retries).await;
    assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 1);
    assert!(results.iter().all(|result| matches!(result, Ok(_) | Err(NotRetried::State(JobState::Open)))));
    assert_eq!(scene.wallet("user-1").await.held.get(), 10);
    assert_eq!(scene.pool(pool("ai33")).await.waiting, 1);
}

/// The tasks of a job that end at the same time end it exactly once.
pub(super) async fn the_last_two_tasks_end_their_job_once(store: &dyn Store, clock: &TestClock) {
    let scene = Scene::configured(store, clock).await;
    let workers = racers(&scene).await;
    workers[0].add_key(&NewKey::new("ai33", 100, 100)).await;
    workers[0].buy("user-1", 1000).await;
    let tasks = workers.len();
    let job = workers[0].admitted(&Order::new("user-1", tasks)).await;
    let mut leases = Vec::new();
    for worker in &workers {
        leases.push(worker.lease(pool("ai33")).await);
    }
    let ends = workers.iter().zip(&leases).map(|(worker, lease)| worker.settled(lease, done()));
    let settled = join_all(ends).await;
    let ended = settled.iter().filter(|settled| settled.job.state == JobState::Completed).count();
    assert_eq!(ended, 1, "one of them saw the end");
    let book = scene.job(job.job.id).await;
    assert_eq!((book.job.state, book.job.open_tasks), (JobState::Completed, 0));
    let wallet = scene.wallet("user-1").await;
    assert_eq!((wallet.held.get(), wallet.total_spent.get()), (0, 10 * tasks as i64));
}

/// Of many changes against one version, one is made.
pub(super) async fn concurrent_changes_of_the_configuration_are_ordered(
    store: &dyn Store,
    clock: &TestClock,
) {
    let scene = Scene::configured(store, clock).await;
    let workers = racers(&scene).await;
    let changes = workers.iter().zip(1..).map(|(worker, weight)| {
        let weights = SystemCommand::SetWeights([(server("ai33"), weight)].into());
        worker.configure_from(1, ConfigurationChange::System(weights))
    });
    let results = join_all(changes).await;
    assert_eq!(results.iter().filter(|result| **result == Ok(2)).count(), 1);
    let stale = Err(NotConfigured::Stale { version: 2 });
    assert_eq!(results.iter().filter(|result| **result == stale).count(), RACERS - 1);
    assert_eq!(store.audit(&AuditOf::ALL, None, 100).await.expect("the store can be read").len(), 2);
}

/// A secret that many register at once is one key.
pub(super) async fn concurrent_registrations_of_one_secret_are_one_key(store: &dyn Store, clock: &TestClock) {
    let scene = Scene::configured(store, clock).await;
    let workers = racers(&scene).await;
    let key = NewKey { fingerprint: Some(fingerprint(&scene.ids)), ..NewKey::new("ai33", 1, 1) };
    let results = join_all(workers.iter().map(|worker| worker.try_add_key(&key))).await;
    assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 1);
    assert_eq!(store.keys().await.expect("the store can be read").len(), 1);
    assert_eq!(store.limits().await.expect("the store can be read").len(), 1);
}

/// Whoever looks while keys change hears of every change: none becomes visible after one that got a greater revision.
pub(super) async fn concurrent_changes_of_keys_are_all_told(store: &dyn Store, clock: &TestClock) {
    const ROUNDS: usize = 8;
    let scene = Scene::configured(store, clock).await;
    let workers = racers(&scene).await;
    let mut keys = Vec::new();
    for worker in &workers {
        keys.push(worker.add_key(&NewKey::new("ai33", 1, 1)).await);
    }
    let mut known: BTreeMap<KeyId, Key> = BTreeMap::new();
    let mut revision = 0;
    for round in 0..ROUNDS {
        let verdict = match round % 2 {
            0 => Verdict::Dead { reason: "refused".to_owned() },
            _ => Verdict::Alive(None),
        };
        let is_over = AtomicBool::new(false);
        let writing = async {
            let changes =
                workers.iter().zip(&keys).map(|(worker, key)| worker.check_key(*key, verdict.clone()));
            let checked = join_all(changes).await;
            is_over.store(true, Ordering::Release);
            checked
        };
        let looking = async {
            loop {
                // The last look begins when all of them are committed.
                let is_last = is_over.load(Ordering::Acquire);
                let changed = store.changed_keys(revision).await.expect("the store can be read");
                assert!(changed.revision >= revision, "revisions only grow");
                revision = changed.revision;
                known.extend(changed.keys.into_iter().map(|key| (key.id, key)));
                if is_last {
                    return;
                }
                tokio::task::yield_now().await;
            }
        };
        let (checked, ()) = join(writing, looking).await;
        assert!(checked.iter().all(Result::is_ok), "{checked:?}");
        let all = store.changed_keys(0).await.expect("the store can be read");
        assert_eq!(all.revision, revision);
        let all: BTreeMap<KeyId, Key> = all.keys.into_iter().map(|key| (key.id, key)).collect();
        assert_eq!(known, all, "in round {round}");
    }
}

/// The ratio holds whoever admits.
pub(super) async fn concurrent_splits_keep_the_ratio(store: &dyn Store, clock: &TestClock) {
    let scene = Scene::configured(store, clock).await;
    let workers = racers(&scene).await;
    workers[0].buy("user-1", 100_000).await;
    let order = Order::new("user-1", 5).on(&[("ai33", 70), ("ai84", 30)]);
    let jobs = join_all(workers.iter().map(|worker| worker.admitted(&order))).await;
    let tasks = jobs.iter().flat_map(|job| &job.tasks);
    let on_ai33 = tasks.filter(|task| task.planned_route().route() == &route("ai33")).count();
    assert_eq!(on_ai33, RACERS * 5 * 7 / 10);
}

/// A duty that many ask for is one's.
pub(super) async fn a_duty_has_one_taker(store: &dyn Store, clock: &TestClock) {
    let scene = Scene::configured(store, clock).await;
    let workers = racers(&scene).await;
    for _ in 0..3 {
        let every = Duration::from_secs(60);
        let duties = join_all(workers.iter().map(|worker| worker.take_duty("sweep", every))).await;
        assert_eq!(duties.iter().filter(|duty| **duty == Duty::Mine).count(), 1);
        clock.advance(every);
    }
}

/// What a dead worker left is taken over by one, all of it.
pub(super) async fn a_dead_worker_has_one_undertaker(store: &dyn Store, clock: &TestClock) {
    let scene = Scene::configured(store, clock).await;
    let dead = scene.worker().await;
    dead.add_key(&NewKey::new("ai33", 100, 100)).await;
    dead.buy("user-1", 1000).await;
    dead.admit(&Order::new("user-1", 10)).await.expect("it can be paid");
    let leases = dead.claim(pool("ai33"), 10).await.leases;
    clock.advance(Duration::from_secs(60));
    let workers = racers(&scene).await;
    let dead_after = Duration::from_secs(30);
    let adopted = join_all(workers.iter().map(|worker| worker.adopt(dead.id, dead_after, 100))).await;
    let mut taken = 0;
    for (worker, adopted) in workers.iter().zip(&adopted) {
        taken += adopted.leases.len();
        assert!(adopted.leases.iter().all(|lease| lease.attempt.worker == Some(worker.id)));
    }
    assert_eq!(taken, leases.len());
}
