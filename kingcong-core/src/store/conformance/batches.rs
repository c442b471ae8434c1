//! Laws of batches: executed once, in order, by living workers.

use std::time::Duration;

use super::fixtures::{DEAD_AFTER, Order, Scene, TestClock, TestWorker, done, pool, settle, wallet_of};
use crate::{
    clock::{Clock, Timestamp},
    id::WorkerId,
    keys::Rules,
    ledger::Cause,
    money::Amount,
    store::{
        AdminAnswer, Batch, Claim, Command, Duty, Life, Movement, NotAdmitted, Outcome, Store,
        StoreErrorKind, Worker, Written,
    },
    work::JobState,
};

fn ten_credits(worker: &TestWorker<'_>) -> Command {
    let movement = Movement::Adjust { change: Amount::new(10), cause: Cause::default() };
    worker.act("wallets.adjust", worker.credit_command("user-1", movement))
}

async fn balance(scene: &Scene<'_>) -> i64 {
    let wallet = scene.store.wallet(&wallet_of("user-1")).await.expect("the store can be read");
    wallet.map_or(0, |wallet| wallet.balance.get())
}

async fn living(store: &dyn Store, id: WorkerId) -> Option<Worker> {
    let workers = store.pulse().await.expect("the store can be read").workers;
    workers.into_iter().find(|worker| worker.id == id)
}

/// The same batch again does nothing, and its sender learns that it had been executed.
pub(super) async fn a_batch_is_executed_once(store: &dyn Store, clock: &TestClock) {
    let scene = Scene::configured(store, clock).await;
    let worker = scene.worker().await;
    let batch = worker.batch(1, vec![ten_credits(&worker)]);
    let first = store.write(&batch).await.expect("it can be written");
    assert!(matches!(first, Written::Now { at, .. } if at == clock.now()), "{first:?}");
    for _ in 0..2 {
        assert!(matches!(store.write(&batch).await, Ok(Written::Before)));
        assert_eq!(balance(&scene).await, 10);
    }
    let next = worker.write_numbered(2, vec![ten_credits(&worker)]).await;
    assert!(matches!(next, Ok(Written::Now { .. })), "{next:?}");
    assert_eq!(balance(&scene).await, 20);
}

/// A number that is neither the next nor the last is a mistake, and nothing is done.
pub(super) async fn a_batch_out_of_turn_is_not_executed(store: &dyn Store, clock: &TestClock) {
    let scene = Scene::configured(store, clock).await;
    let worker = scene.worker().await;
    for number in [1, 2] {
        let written = worker.write_numbered(number, vec![Command::Beat]).await;
        assert!(matches!(written, Ok(Written::Now { .. })), "{written:?}");
    }
    for number in [4, 1, 0, -1, i64::MAX] {
        for command in [ten_credits(&worker), Command::Beat] {
            let error = worker.write_numbered(number, vec![command]).await;
            let kind = error.map_err(|error| error.kind).expect_err("the number is wrong");
            assert_eq!(kind, StoreErrorKind::Unusable, "batch {number} after batch 2");
        }
    }
    assert_eq!(balance(&scene).await, 0);
    let next = worker.write_numbered(3, vec![Command::Beat]).await;
    assert!(matches!(next, Ok(Written::Now { .. })), "{next:?}");
}

/// Who was never registered writes nothing.
pub(super) async fn an_unknown_worker_is_fenced(store: &dyn Store, clock: &TestClock) {
    let scene = Scene::configured(store, clock).await;
    let worker = scene.worker().await;
    let stranger = WorkerId::from_uuid(scene.ids.uuid());
    for command in [ten_credits(&worker), Command::Beat] {
        let batch = Batch { worker: stranger, ..worker.batch(1, vec![command]) };
        assert!(matches!(store.write(&batch).await, Ok(Written::Fenced)));
    }
    assert_eq!(balance(&scene).await, 0);
}

/// A worker that was taken for dead and wakes up writes nothing any more.
pub(super) async fn a_buried_worker_writes_nothing(store: &dyn Store, clock: &TestClock) {
    let scene = Scene::configured(store, clock).await;
    let (slow, other) = (scene.worker().await, scene.worker().await);
    slow.beat().await;
    clock.advance(DEAD_AFTER * 2);
    other.adopt(slow.id, DEAD_AFTER, 10).await;
    assert_eq!(living(store, slow.id).await, None);
    for number in [2, 3] {
        for command in [ten_credits(&slow), Command::Beat] {
            let written = slow.write_numbered(number, vec![command]).await;
            assert!(matches!(written, Ok(Written::Fenced)), "{written:?}");
        }
    }
    assert_eq!(balance(&scene).await, 0);
}

/// What a worker's last batch did before the burial is not undone by it: its sender learns that it happened, and must
/// not do it again under another name.
pub(super) async fn a_batch_that_was_committed_before_its_worker_was_buried_is_known_as_such(
    store: &dyn Store,
    clock: &TestClock,
) {
    let scene = Scene::configured(store, clock).await;
    let (slow, other) = (scene.worker().await, scene.worker().await);
    let batch = slow.batch(1, vec![ten_credits(&slow)]);
    assert!(matches!(store.write(&batch).await, Ok(Written::Now { .. })));
    clock.advance(DEAD_AFTER * 2);
    other.adopt(slow.id, DEAD_AFTER, 10).await;
    assert!(matches!(store.write(&batch).await, Ok(Written::Before)));
    let next = slow.write_numbered(2, vec![ten_credits(&slow)]).await;
    assert!(matches!(next, Ok(Written::Fenced)), "{next:?}");
    assert_eq!(balance(&scene).await, 10);
}

/// A registration whose answer was lost may be repeated; it neither rewinds a worker nor brings a buried one back.
pub(super) async fn registering_a_worker_again_changes_nothing(store: &dyn Store, clock: &TestClock) {
    let scene = Scene::configured(store, clock).await;
    let (slow, other) = (scene.worker().await, scene.worker().await);
    slow.beat().await;
    store.register_worker(slow.id, DEAD_AFTER * 2).await.expect("it can be registered again");
    assert!(matches!(slow.write_numbered(1, vec![Command::Beat]).await, Ok(Written::Before)));
    clock.advance(DEAD_AFTER * 2);
    other.adopt(slow.id, DEAD_AFTER, 10).await;
    store.register_worker(slow.id, DEAD_AFTER * 2).await.expect("it can be registered again");
    assert!(matches!(slow.write_numbered(2, vec![ten_credits(&slow)]).await, Ok(Written::Fenced)));
    assert_eq!(balance(&scene).await, 0);
}

/// What a store was opened with first stands, whatever others bring, and whoever asks.
pub(super) async fn how_windows_are_counted_is_kept_once(store: &dyn Store, _: &TestClock) {
    let first =
        Rules { window: Duration::from_secs(15), guard: Duration::from_millis(250), ..Rules::default() };
    let kept = |rules| async move { store.keep_rules(rules).await.expect("rules can be kept") };
    assert_eq!(kept(first).await, first);
    for other in [Rules::default(), Rules { call_max: Duration::from_micros(1_500_000_001), ..first }, first]
    {
        assert_eq!(kept(other).await, first);
    }
}

/// Every batch, even an empty one, says that its worker lives, by the store's time.
pub(super) async fn every_batch_is_a_heartbeat(store: &dyn Store, clock: &TestClock) {
    let scene = Scene::configured(store, clock).await;
    let id = WorkerId::from_uuid(scene.ids.uuid());
    assert_eq!(store.register_worker(id, DEAD_AFTER).await.ok(), Some(clock.now()));
    let new = Worker { id, dead_after: DEAD_AFTER, batch: 0, beat: clock.now(), life: Life::Alive };
    assert_eq!(living(store, id).await, Some(new));

    let worker = scene.worker().await;
    let beats: [Vec<Command>; 3] = [vec![Command::Beat], vec![], vec![ten_credits(&worker)]];
    for (number, commands) in (1..).zip(beats) {
        clock.advance(Duration::from_secs(1));
        worker.write(commands).await;
        let found = living(store, worker.id).await.map(|worker| (worker.batch, worker.beat));
        assert_eq!(found, Some((number, clock.now())));
    }
}

/// A command finds what the commands before it did: money, a job, its queue, its leases, its end.
pub(super) async fn commands_of_a_batch_see_each_other(store: &dyn Store, clock: &TestClock) {
    let scene = Scene::configured(store, clock).await;
    let worker = scene.worker().await;
    worker.add_key(&super::fixtures::NewKey::new("ai33", 5, 5)).await;

    let order = Order::new("user-1", 1).admit(&scene.ids);
    let job = order.job;
    let claim: Claim = worker.claim_command(pool("ai33"), 2, 1);
    let outcomes = worker
        .write(vec![ten_credits(&worker), Command::Admit(Box::new(order)), Command::Claim(claim)])
        .await;
    assert!(matches!(
        &outcomes[0],
        Outcome::Admin(AdminAnswer::Credit(Ok(credited))) if credited.moved.balance_after.get() == 10
    ));
    assert!(matches!(&outcomes[1], Outcome::Admit(Ok(admitted)) if admitted.job == job));
    let Outcome::Claim(claimed) = &outcomes[2] else { panic!("not a claim's outcome: {:?}", outcomes[2]) };
    assert_eq!(claimed.leases.len(), 1);

    let again = Order::new("user-1", 1).admit(&scene.ids);
    let outcomes =
        worker.write(vec![settle(&claimed.leases[0], done()), Command::Admit(Box::new(again))]).await;
    assert!(matches!(&outcomes[0], Outcome::Settle(Ok(settled)) if settled.job.state == JobState::Completed));
    assert!(matches!(&outcomes[1], Outcome::Admit(Err(NotAdmitted::Refused(_)))), "{:?}", outcomes[1]);
}

/// A refusal is an outcome; the batch's other commands are executed.
pub(super) async fn a_refused_command_does_not_hurt_its_batch(store: &dyn Store, clock: &TestClock) {
    let scene = Scene::configured(store, clock).await;
    let worker = scene.worker().await;
    let poor = Order::new("user-2", 1).admit(&scene.ids);
    let outcomes =
        worker.write(vec![ten_credits(&worker), Command::Admit(Box::new(poor)), ten_credits(&worker)]).await;
    assert!(matches!(&outcomes[1], Outcome::Admit(Err(NotAdmitted::Refused(_)))), "{:?}", outcomes[1]);
    assert_eq!(balance(&scene).await, 20);
}

/// A periodic duty is its first taker's, and nobody's again before it is due.
pub(super) async fn a_duty_is_taken_once_each_time_it_is_due(store: &dyn Store, clock: &TestClock) {
    let scene = Scene::configured(store, clock).await;
    let (one, two) = (scene.worker().await, scene.worker().await);
    let every = Duration::from_secs(60);
    let due: Timestamp = clock.now().plus(every);
    assert_eq!(one.take_duty("sweep", every).await, Duty::Mine);
    assert_eq!(two.take_duty("sweep", every).await, Duty::NotBefore(due));
    assert_eq!(one.take_duty("sweep", every).await, Duty::NotBefore(due));
    assert_eq!(two.take_duty("check-keys", every).await, Duty::Mine);
    clock.advance(every - Duration::from_micros(1));
    assert_eq!(two.take_duty("sweep", every).await, Duty::NotBefore(due));
    clock.advance(Duration::from_micros(1));
    assert_eq!(two.take_duty("sweep", every).await, Duty::Mine);
    assert_eq!(one.take_duty("sweep", every).await, Duty::NotBefore(due.plus(every)));
}

/// After `close` nothing is read or written, and nothing hangs.
pub(super) async fn a_closed_store_does_nothing(store: &dyn Store, clock: &TestClock) {
    let scene = Scene::configured(store, clock).await;
    let worker = scene.worker().await;
    store.close().await;
    store.close().await;
    let error = worker.write_numbered(1, vec![Command::Beat]).await.expect_err("it is closed");
    assert_eq!(error.kind, StoreErrorKind::Unusable);
    let error = store.pulse().await.expect_err("it is closed");
    assert_eq!(error.kind, StoreErrorKind::Unusable);
    let error = store
        .register_worker(WorkerId::from_uuid(scene.ids.uuid()), DEAD_AFTER)
        .await
        .expect_err("it is closed");
    assert_eq!(error.kind, StoreErrorKind::Unusable);
}
