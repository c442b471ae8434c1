//! Laws of scheduled work: jobs that may not start before an instant.

use std::time::Duration;

use super::fixtures::{NewKey, Order, Scene, TestClock, TestWorker, done, pool, user};
use crate::{
    clock::{Clock, Timestamp},
    store::{StopWhy, Store, Then},
    work::{JobState, TaskState},
};

const HOUR: Duration = Duration::from_secs(3600);

async fn with_money<'a>(scene: &'a Scene<'_>, users: &[&str]) -> TestWorker<'a> {
    let worker = scene.worker().await;
    worker.add_key(&NewKey::new("ai33", 1000, 1000)).await;
    for name in users {
        worker.buy(name, 1_000_000).await;
    }
    worker
}

fn at(start: Timestamp, order: Order) -> Order {
    Order { start_at: Some(start), ..order }
}

/// Its money is held at once; its deadline counts from its instant, and so does its place in the queue.
pub(super) async fn a_scheduled_job_is_held_for_and_waits_for_its_instant(
    store: &dyn Store,
    clock: &TestClock,
) {
    let scene = Scene::configured(store, clock).await;
    let worker = with_money(&scene, &["user-1"]).await;
    let start = clock.now().plus(HOUR);
    let order = at(start, Order { deadline: HOUR, ..Order::new("user-1", 3) });
    let admitted = worker.admit(&order).await.expect("it can be paid");
    assert_eq!(admitted.pools, [], "there is nothing to claim");
    let job = scene.job(admitted.job).await;
    assert_eq!((job.job.state, job.job.deadline), (JobState::Open, start.plus(HOUR)));
    assert!(
        job.tasks.iter().all(|task| task.state == TaskState::Delayed { pool: pool("ai33"), until: start })
    );
    assert_eq!(scene.wallet("user-1").await.held.get(), 30);
    assert_eq!(scene.pool(pool("ai33")).await.waiting, 3);
    assert_eq!(store.pulse().await.expect("the store can be read").first_delayed, Some(start));

    clock.set(start.minus(Duration::from_micros(1)));
    assert_eq!(worker.promote(10).await, []);
    let claimed = worker.claim(pool("ai33"), 3).await;
    assert_eq!((claimed.leases, claimed.then), (Vec::new(), Then::Empty));

    clock.set(start);
    assert_eq!(worker.promote(2).await, [pool("ai33")], "as many as asked for");
    assert_eq!(worker.claim(pool("ai33"), 3).await.leases.len(), 2);
    assert_eq!(worker.promote(2).await, [pool("ai33")]);
    let leases = worker.claim(pool("ai33"), 3).await.leases;
    assert_eq!(leases.len(), 1);
    worker.settled(&leases[0], done()).await;
    assert_eq!(store.pulse().await.expect("the store can be read").first_delayed, None);
}

/// A late request is no wrong one.
pub(super) async fn an_instant_that_has_passed_is_now(store: &dyn Store, clock: &TestClock) {
    let scene = Scene::configured(store, clock).await;
    let worker = with_money(&scene, &["user-1"]).await;
    for passed in [Timestamp::EPOCH, clock.now()] {
        let order = at(passed, Order { deadline: HOUR, ..Order::new("user-1", 1) });
        let admitted = worker.admit(&order).await.expect("it can be paid");
        assert_eq!(admitted.pools, [pool("ai33")]);
        assert_eq!(scene.job(admitted.job).await.job.deadline, clock.now().plus(HOUR));
        assert_eq!(worker.claim(pool("ai33"), 2).await.leases.len(), 1);
    }
}

/// Whoever scheduled much stands before nobody when the instant has come, and behind nobody who came later.
pub(super) async fn scheduled_tasks_wait_their_turn(store: &dyn Store, clock: &TestClock) {
    let scene = Scene::configured(store, clock).await;
    let worker = with_money(&scene, &["user-1", "user-2", "user-3"]).await;
    let start = clock.now().plus(HOUR);
    worker.admit(&at(start, Order::new("user-1", 50))).await.expect("it can be paid");
    worker.admit(&Order::new("user-2", 20)).await.expect("it can be paid");
    assert_eq!(worker.claim(pool("ai33"), 10).await.leases.len(), 10);
    clock.set(start);
    worker.promote(100).await;
    worker.admit(&Order::new("user-3", 3)).await.expect("it can be paid");

    // The one whose work went on when the instant came has one task more behind it.
    let leases = worker.claim(pool("ai33"), 8).await.leases;
    for (name, turns) in [("user-1", 3), ("user-2", 2), ("user-3", 3)] {
        let served = leases.iter().filter(|lease| lease.task.user == user(name)).count();
        assert_eq!(served, turns, "of {name}");
    }
}

/// Before its instant nothing of it was sent, and everything comes back.
pub(super) async fn a_scheduled_job_is_cancelled_as_a_whole(store: &dyn Store, clock: &TestClock) {
    let scene = Scene::configured(store, clock).await;
    let worker = with_money(&scene, &["user-1"]).await;
    let start = clock.now().plus(HOUR);
    let job = worker.admit(&at(start, Order::new("user-1", 4))).await.expect("it can be paid").job;
    clock.advance(HOUR / 2);
    let stopped = worker.stop(job, StopWhy::Cancelled).await.expect("there is the job");
    assert_eq!((stopped.ended, stopped.released.get()), (4, 40));
    assert_eq!(stopped.job.state, JobState::Cancelled);
    let wallet = scene.wallet("user-1").await;
    assert_eq!((wallet.balance.get(), wallet.held.get()), (1_000_000, 0));
    assert_eq!(scene.pool(pool("ai33")).await.waiting, 0);

    clock.set(start);
    assert_eq!(worker.promote(10).await, []);
    assert_eq!(worker.claim(pool("ai33"), 4).await.leases, []);
}
