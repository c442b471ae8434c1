//! Laws of adoption: what a dead worker left is taken over once, and a slow one is kept from writing.

use std::time::Duration;

use super::fixtures::{
    DEAD_AFTER, NewKey, Order, Scene, TestClock, TestWorker, done, failed, lost, pool, speech,
};
use crate::{
    clock::{Clock, Timestamp},
    failure::{FailureKind, Reached},
    id::WorkerId,
    keys::{Limit, Passage},
    store::{Adopt, Adopted, Command, Lease, More, Outcome, Store, UnknownPolicy, Written},
    upstream::UpstreamId,
    work::{AttemptState, Doubt, TaskState},
};

/// Two workers and so many calls of the first in flight.
async fn with_calls<'a>(scene: &'a Scene<'_>, calls: usize) -> (TestWorker<'a>, TestWorker<'a>, Vec<Lease>) {
    let worker = scene.worker().await;
    worker.add_key(&NewKey::new("ai33", 100, 100)).await;
    worker.buy("user-1", 10_000).await;
    worker.admit(&Order::new("user-1", calls)).await.expect("it can be paid");
    let leases = worker.claim(pool("ai33"), u32::try_from(calls).expect("a few")).await.leases;
    assert_eq!(leases.len(), calls);
    (worker, scene.worker().await, leases)
}

/// Whether the pulse shows a worker: it lives, or somebody has yet to take over what it left.
async fn is_known(store: &dyn Store, id: WorkerId) -> bool {
    let workers = store.pulse().await.expect("the store can be read").workers;
    workers.iter().any(|worker| worker.id == id)
}

/// A heartbeat that is young enough keeps a worker's attempts its own, as does being the one who asks.
pub(super) async fn a_worker_that_beats_is_not_adopted_from(store: &dyn Store, clock: &TestClock) {
    let scene = Scene::configured(store, clock).await;
    let (worker, other, leases) = with_calls(&scene, 2).await;
    clock.advance(DEAD_AFTER - Duration::from_micros(1));
    assert_eq!(other.adopt(worker.id, DEAD_AFTER, 10).await, Adopted::default());
    worker.beat().await;
    clock.advance(DEAD_AFTER - Duration::from_micros(1));
    assert_eq!(other.adopt(worker.id, DEAD_AFTER, 10).await, Adopted::default());
    clock.advance(DEAD_AFTER * 10);
    assert_eq!(worker.adopt(worker.id, DEAD_AFTER, 10).await, Adopted::default());
    let nobody = WorkerId::from_uuid(scene.ids.uuid());
    assert_eq!(other.adopt(nobody, DEAD_AFTER, 10).await, Adopted::default());
    assert!(worker.settle(&leases[0], done()).await.is_ok());
}

/// The adopter polls what has an upstream's id and treats the rest as unknown; the dead one can settle nothing.
pub(super) async fn a_dead_workers_attempts_are_taken_over(store: &dyn Store, clock: &TestClock) {
    let scene = Scene::configured(store, clock).await;
    let (dead, other, leases) = with_calls(&scene, 3).await;
    let leased_at = leases[0].attempt.leased_at;
    dead.accept(&leases[0], "upstream-1").await.expect("it is the worker's");
    dead.settled(&leases[2], done()).await;
    clock.advance(DEAD_AFTER * 2);
    let adopted = other.adopt(dead.id, DEAD_AFTER, 10).await;
    assert_eq!((adopted.leases.len(), adopted.more), (2, More::No));
    let until = leased_at.plus(Duration::from_secs(15 * 60));
    let states = [
        AttemptState::Accepted { upstream_id: UpstreamId("upstream-1".into()) },
        AttemptState::Unknown { until },
    ];
    for ((lease, before), state) in adopted.leases.iter().zip(&leases).zip(states) {
        assert_eq!((lease.attempt.id, lease.attempt.worker), (before.attempt.id, Some(other.id)));
        assert_eq!(lease.attempt.state, state);
        assert_eq!(lease.task.state, TaskState::Running { attempt: before.attempt.id });
        assert_eq!(*lease.work, speech("0123456789"));
    }
    let key = Limit::id_of_key(leases[0].attempt.key);
    assert_eq!(scene.limit(key).await.in_flight, 2, "the slots are kept");

    let late = dead.write_numbered(dead.last_number() + 1, vec![super::fixtures::settle(&leases[0], done())]);
    assert!(matches!(late.await, Ok(Written::Fenced)));
    let polled = other.settled(&adopted.leases[0], done()).await;
    assert_eq!(polled.task.state, TaskState::Done);
    clock.set(until);
    let retried = other.settled(&adopted.leases[1], lost(UnknownPolicy::Retry)).await;
    assert_eq!((retried.task.doubt, retried.requeued), (Doubt::PossibleDouble, Some(pool("ai33"))));
    assert_eq!(scene.limit(key).await.in_flight, 0);
}

/// Many attempts are taken over in several commands, each once.
pub(super) async fn attempts_are_taken_over_in_parts(store: &dyn Store, clock: &TestClock) {
    let scene = Scene::configured(store, clock).await;
    let (dead, other, leases) = with_calls(&scene, 5).await;
    clock.advance(DEAD_AFTER * 2);
    let mut taken = Vec::new();
    loop {
        assert!(is_known(store, dead.id).await, "there is something left of it");
        let adopted = other.adopt(dead.id, DEAD_AFTER, 2).await;
        assert!(adopted.leases.len() <= 2);
        taken.extend(adopted.leases.iter().map(|lease| lease.attempt.id));
        if adopted.more == More::No {
            break;
        }
    }
    assert!(!is_known(store, dead.id).await, "nothing is left of it");
    taken.sort_unstable();
    assert_eq!(taken, leases.iter().map(|lease| lease.attempt.id).collect::<Vec<_>>());
    assert_eq!(other.adopt(dead.id, DEAD_AFTER, 2).await, Adopted::default());
}

/// Two adoptions in one batch are as two batches: the second does not take what it was not asked for as gone.
pub(super) async fn adoptions_of_one_batch_forget_nothing(store: &dyn Store, clock: &TestClock) {
    let scene = Scene::configured(store, clock).await;
    let (dead, other, leases) = with_calls(&scene, 5).await;
    clock.advance(DEAD_AFTER * 2);
    let adopt = || Command::Adopt(Adopt { worker: dead.id, dead_after: DEAD_AFTER, attempts_max: 2 });
    let mut taken = 0;
    for _ in 0..2 {
        assert!(is_known(store, dead.id).await, "there is something left of it");
        for outcome in other.write(vec![adopt(), adopt()]).await {
            let Outcome::Adopt(adopted) = outcome else { panic!("not an adoption's outcome: {outcome:?}") };
            taken += adopted.leases.len();
        }
    }
    assert_eq!(taken, leases.len());
    assert!(!is_known(store, dead.id).await, "nothing is left of it");
}

/// What one adopter took, the next finds nothing of; when that one dies too, it is taken over again.
pub(super) async fn an_attempt_is_taken_over_by_one(store: &dyn Store, clock: &TestClock) {
    let scene = Scene::configured(store, clock).await;
    let (dead, second, _) = with_calls(&scene, 2).await;
    let third = scene.worker().await;
    clock.advance(DEAD_AFTER * 2);
    let adopted = second.adopt(dead.id, DEAD_AFTER, 10).await;
    assert_eq!(adopted.leases.len(), 2);
    assert_eq!(third.adopt(dead.id, DEAD_AFTER, 10).await.leases, []);
    clock.advance(DEAD_AFTER * 2);
    let again = third.adopt(second.id, DEAD_AFTER, 10).await.leases;
    assert_eq!(again.len(), 2);
    assert_eq!(again[0].attempt.state, adopted.leases[0].attempt.state, "its wait is not prolonged");
    assert!(third.settle(&again[0], done()).await.is_ok());
}

/// The one call that was to see whether a route works died with its worker: another may see.
pub(super) async fn a_probe_of_a_dead_worker_does_not_close_its_route(store: &dyn Store, clock: &TestClock) {
    let scene = Scene::configured(store, clock).await;
    let (dead, other, leases) = with_calls(&scene, 5).await;
    dead.admit(&Order::new("user-1", 3)).await.expect("it can be paid");
    for lease in &leases {
        dead.settled(lease, failed(FailureKind::Busy, Reached::No)).await;
    }
    clock.advance(Duration::from_secs(1));
    dead.lease(pool("ai33")).await;
    clock.advance(DEAD_AFTER * 2);
    let health = scene.pool(pool("ai33")).await.health;
    assert_eq!(health.passage(clock.now()), Passage::Closed(Timestamp::FAR));
    assert_eq!(other.adopt(dead.id, DEAD_AFTER, 10).await.leases.len(), 1);
    let health = scene.pool(pool("ai33")).await.health;
    assert_eq!(health.passage(clock.now()), Passage::Probe);
    assert_eq!(other.claim(pool("ai33"), 5).await.leases.len(), 1);
}
