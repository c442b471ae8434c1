//! Laws of tasks that move: from waiting for an instant to the queue, and from one pool to another.

use std::time::Duration;

use super::fixtures::{NewKey, Order, Scene, TestClock, TestWorker, failed, pool};
use crate::{
    clock::Timestamp,
    failure::{FailureKind, Reached},
    keys::PoolId,
    store::{Lease, Store},
    work::TaskState,
};

async fn with_money<'a>(scene: &'a Scene<'_>) -> TestWorker<'a> {
    let worker = scene.worker().await;
    worker.buy("user-1", 1_000_000).await;
    worker
}

async fn first_delayed(store: &dyn Store) -> Option<Timestamp> {
    store.pulse().await.expect("the store can be read").first_delayed
}

async fn waiting(scene: &Scene<'_>, pool: PoolId) -> i64 {
    let pools = scene.store.pulse().await.expect("the store can be read").waiting;
    pools.into_iter().find(|waiting| waiting.id == pool).map_or(0, |pool| pool.waiting)
}

/// A task that waits for an instant is not claimed before somebody promotes it, at that instant or later.
pub(super) async fn a_delayed_task_waits_for_its_instant(store: &dyn Store, clock: &TestClock) {
    let scene = Scene::configured(store, clock).await;
    let worker = with_money(&scene).await;
    worker.add_key(&NewKey::new("ai33", 10, 10)).await;
    worker.admit(&Order::new("user-1", 3)).await.expect("it can be paid");
    assert_eq!(first_delayed(store).await, None);
    let leases = worker.claim(pool("ai33"), 3).await.leases;
    for lease in &leases {
        worker.settled(lease, failed(FailureKind::Busy, Reached::No)).await;
        clock.advance(Duration::from_millis(100));
    }
    let first = leases[0].attempt.leased_at.plus(Duration::from_secs(1));
    assert_eq!(first_delayed(store).await, Some(first));
    clock.set(first.minus(Duration::from_micros(1)));
    assert_eq!(worker.promote(10).await, []);
    assert_eq!(worker.claim(pool("ai33"), 3).await.leases, []);
    clock.set(first.plus(Duration::from_millis(150)));
    let sequence = scene.pool(pool("ai33")).await.sequence;
    assert_eq!(worker.promote(1).await, [pool("ai33")], "as many as asked for");
    assert_eq!(first_delayed(store).await, Some(first.plus(Duration::from_millis(100))));
    assert_eq!(worker.promote(10).await, [pool("ai33")]);
    let row = scene.pool(pool("ai33")).await;
    assert_eq!(row.waiting, 3);
    assert!(row.sequence > sequence, "how others notice new work");
    let ready: Vec<_> = worker.claim(pool("ai33"), 3).await.leases;
    let tasks = |leases: &[Lease]| leases.iter().map(|lease| lease.task.id).collect::<Vec<_>>();
    assert_eq!(tasks(&ready), tasks(&leases[..2]));
}

/// Tasks of a pool that serves nothing go to the others as the weights say, a chunk at a time.
pub(super) async fn tasks_move_off_a_pool_in_the_ratio_of_the_weights(store: &dyn Store, clock: &TestClock) {
    let scene = Scene::configured(store, clock).await;
    let worker = with_money(&scene).await;
    let order = Order::new("user-1", 12).on(&[("ai33", 1), ("ai84", 0), ("ai99", 0)]);
    let job = worker.admitted(&order).await;
    let rest = [("ai84", 2), ("ai99", 1)];
    let moved = worker.replan(pool("ai33"), &rest, 9).await;
    let mut expected = [pool("ai84"), pool("ai99")];
    expected.sort_unstable();
    assert_eq!(moved, expected);
    assert_eq!(waiting(&scene, pool("ai33")).await, 3);
    assert_eq!(waiting(&scene, pool("ai84")).await, 6);
    assert_eq!(waiting(&scene, pool("ai99")).await, 3);
    worker.replan(pool("ai33"), &rest, 9).await;
    assert_eq!(waiting(&scene, pool("ai33")).await, 0);
    for task in scene.job(job.job.id).await.tasks {
        let planned = task.pool_of(task.planned_route().route());
        assert!(matches!(task.state, TaskState::Ready { pool, .. } if pool == planned), "{task:?}");
        assert_ne!(planned, pool("ai33"));
    }
    assert_eq!(worker.replan(pool("ai33"), &rest, 9).await, [], "nothing is left");
}

/// A task goes only where its price was frozen, and one that needs its key stays.
pub(super) async fn tasks_move_only_to_routes_that_they_were_admitted_for(
    store: &dyn Store,
    clock: &TestClock,
) {
    let scene = Scene::configured(store, clock).await;
    let worker = with_money(&scene).await;
    let key = worker.add_key(&NewKey::new("ai33", 10, 10)).await;
    let bound = Order { only_key: Some(key), ..Order::new("user-1", 2) };
    worker.admit(&bound.on(&[("ai33", 1)])).await.expect("it can be paid");
    worker.admit(&Order::new("user-1", 3)).await.expect("it can be paid");
    worker.admit(&Order::new("user-1", 2).on(&[("ai33", 1), ("ai84", 0)])).await.expect("it can be paid");
    assert_eq!(worker.replan(pool("ai33"), &[("ai99", 1)], 100).await, []);
    assert_eq!(worker.replan(pool("ai33"), &[("ai33", 1)], 100).await, []);
    assert_eq!(worker.replan(PoolId::of_key(key), &[("ai84", 1)], 100).await, []);
    assert_eq!(worker.replan(pool("ai33"), &[("ai84", 1), ("ai99", 1)], 100).await, [pool("ai84")]);
    assert_eq!(waiting(&scene, pool("ai33")).await, 3);
    assert_eq!(waiting(&scene, pool("ai84")).await, 2);
    assert_eq!(waiting(&scene, PoolId::of_key(key)).await, 2);
}

/// A large order that moves to another pool does not stand before everybody there, and its user is not behind
/// everybody in the pool that it left.
pub(super) async fn moved_tasks_wait_their_turn(store: &dyn Store, clock: &TestClock) {
    let scene = Scene::configured(store, clock).await;
    let worker = with_money(&scene).await;
    for server in ["ai33", "ai84"] {
        worker.add_key(&NewKey::new(server, 1000, 1000)).await;
    }
    worker.buy("user-2", 10_000).await;
    worker.admit(&Order::new("user-1", 50).on(&[("ai33", 1), ("ai84", 0)])).await.expect("it can be paid");
    worker.admit(&Order::new("user-2", 20).on(&[("ai84", 1)])).await.expect("it can be paid");
    while waiting(&scene, pool("ai33")).await > 0 {
        worker.replan(pool("ai33"), &[("ai84", 1)], 8).await;
    }
    let of_user_1 =
        |leases: &[Lease]| leases.iter().filter(|lease| lease.task.user.as_str() == "user-1").count();
    for _ in 0..4 {
        let mine = of_user_1(&worker.claim(pool("ai84"), 10).await.leases);
        assert!((4..=6).contains(&mine), "{mine} of 10 where they went");
    }
    for name in ["user-2", "user-1"] {
        worker.admit(&Order::new(name, 10)).await.expect("it can be paid");
    }
    let mine = of_user_1(&worker.claim(pool("ai33"), 10).await.leases);
    assert!((4..=6).contains(&mine), "{mine} of 10 where they had been");
}
