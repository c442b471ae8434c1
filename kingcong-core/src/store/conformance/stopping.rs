//! Laws of stopping jobs: cancelled by their users, or past their deadlines.

use std::time::Duration;

use super::fixtures::{NewKey, Order, Scene, TestClock, TestWorker, done, failed, lost, pool};
use crate::{
    clock::Clock,
    failure::{FailureKind, Reached},
    id::JobId,
    ledger::HoldState,
    routing::{Maintenance, SystemCommand},
    store::{AttemptResult, ConfigurationChange, Stop, StopWhy, Stopped, Store, UnknownPolicy},
    work::{JobState, TaskError, TaskState},
};

async fn with_key<'a>(scene: &'a Scene<'_>) -> TestWorker<'a> {
    let worker = scene.worker().await;
    worker.add_key(&NewKey::new("ai33", 1000, 1000)).await;
    worker.buy("user-1", 1_000_000).await;
    worker
}

async fn overdue(store: &dyn Store) -> Vec<JobId> {
    store.pulse().await.expect("the store can be read").overdue
}

/// What was not sent ends at once and costs nothing; what was sent runs to its end and is charged.
pub(super) async fn a_cancelled_job_ends_what_waits_and_charges_what_ran(
    store: &dyn Store,
    clock: &TestClock,
) {
    let scene = Scene::configured(store, clock).await;
    let worker = with_key(&scene).await;
    let job = worker.admitted(&Order::new("user-1", 5)).await;
    let leases = worker.claim(pool("ai33"), 3).await.leases;
    worker.settled(&leases[0], done()).await;
    worker.settled(&leases[1], failed(FailureKind::Busy, Reached::No)).await;
    clock.advance(Duration::from_secs(1));

    // Two are ready, one is delayed, one runs, one is done.
    let stopped = worker.stop(job.job.id, StopWhy::Cancelled).await.expect("there is the job");
    assert_eq!((stopped.ended, stopped.released.get()), (3, 0));
    assert_eq!((stopped.job.state, stopped.job.open_tasks), (JobState::Cancelling, 1));
    assert_eq!(scene.pool(pool("ai33")).await.waiting, 0);
    let again = worker.stop(job.job.id, StopWhy::Cancelled).await.expect("there is the job");
    assert_eq!((again.ended, again.job.state), (0, JobState::Cancelling));

    let last = worker.settled(&leases[2], done()).await;
    assert_eq!((last.charged.get(), last.released.get()), (10, 30));
    assert_eq!((last.job.state, last.job.finished_at), (JobState::Cancelled, Some(clock.now())));
    let book = scene.job(job.job.id).await;
    let cancelled = book.tasks.iter().filter(|task| task.state == TaskState::Cancelled).count();
    assert_eq!((cancelled, book.job.failed_tasks, book.hold.captured.get()), (3, 3, 20));
    assert_eq!(scene.wallet("user-1").await.balance.get(), 999_980);

    let waiting = worker.admitted(&Order::new("user-1", 3)).await;
    let stopped = worker.stop(waiting.job.id, StopWhy::Cancelled).await.expect("there is the job");
    assert_eq!((stopped.ended, stopped.released.get()), (3, 30));
    assert_eq!(stopped.job.state, JobState::Cancelled);
    assert_eq!(worker.stop(JobId::from_uuid(scene.ids.uuid()), StopWhy::Cancelled).await, None);
}

/// Whatever would try a task again ends it instead, once its job was cancelled.
pub(super) async fn a_task_of_a_cancelled_job_is_not_queued_again(store: &dyn Store, clock: &TestClock) {
    let scene = Scene::configured(store, clock).await;
    let worker = with_key(&scene).await;
    let ends: [fn() -> AttemptResult; 4] = [
        || AttemptResult::NotSent,
        || failed(FailureKind::Busy, Reached::No),
        || failed(FailureKind::BadRequest, Reached::Yes),
        || lost(UnknownPolicy::Retry),
    ];
    for end in ends {
        let job = worker.admitted(&Order::new("user-1", 1)).await;
        let lease = worker.lease(pool("ai33")).await;
        worker.stop(job.job.id, StopWhy::Cancelled).await;
        let settled = worker.settled(&lease, end()).await;
        assert_eq!((settled.task.state, settled.requeued), (TaskState::Cancelled, None));
        assert_eq!((settled.job.state, settled.released.get()), (JobState::Cancelled, 10));
    }
}

/// Not before its deadline; then what waits fails, and what runs may still end well.
pub(super) async fn a_job_past_its_deadline_fails_what_waits(store: &dyn Store, clock: &TestClock) {
    let scene = Scene::configured(store, clock).await;
    let worker = with_key(&scene).await;
    let order = Order { deadline: Duration::from_secs(600), ..Order::new("user-1", 4) };
    let job = worker.admitted(&order).await;
    let leases = worker.claim(pool("ai33"), 2).await.leases;
    clock.advance(Duration::from_secs(600) - Duration::from_micros(1));
    assert_eq!(overdue(store).await, []);
    let early = worker.stop(job.job.id, StopWhy::Deadline).await.expect("there is the job");
    assert_eq!((early.ended, early.job.state), (0, JobState::Open));
    clock.advance(Duration::from_micros(1));
    assert_eq!(overdue(store).await, [job.job.id]);
    let stopped = worker.stop(job.job.id, StopWhy::Deadline).await.expect("there is the job");
    assert_eq!((stopped.ended, stopped.job.state), (2, JobState::Expiring));
    assert_eq!(overdue(store).await, []);
    let again = worker.stop(job.job.id, StopWhy::Deadline).await.expect("there is the job");
    assert_eq!((again.ended, again.job.state), (0, JobState::Expiring));

    worker.settled(&leases[0], done()).await;
    let last = worker.settled(&leases[1], failed(FailureKind::Busy, Reached::No)).await;
    let passed = TaskState::Failed { error: TaskError::DeadlinePassed };
    assert_eq!((&last.task.state, last.job.state), (&passed, JobState::CompletedWithFailures));
    let book = scene.job(job.job.id).await;
    let failed = book.tasks.iter().filter(|task| task.state == passed).count();
    assert_eq!((failed, book.hold.captured.get()), (3, 10));
    assert!(matches!(book.hold.state, HoldState::Closed { .. }));
}

/// Nobody can work in maintenance: a deadline that passes then is put off.
pub(super) async fn maintenance_gives_a_job_more_time(store: &dyn Store, clock: &TestClock) {
    let scene = Scene::configured(store, clock).await;
    let worker = with_key(&scene).await;
    let order = Order { deadline: Duration::from_secs(600), ..Order::new("user-1", 2) };
    let job = worker.admitted(&order).await;
    let set = |what| ConfigurationChange::System(SystemCommand::SetMaintenance(what));
    worker.configure(set(Maintenance::Full)).await.expect("it is legal");
    clock.advance(Duration::from_secs(700));
    let stopped = worker.stop(job.job.id, StopWhy::Deadline).await.expect("there is the job");
    assert_eq!((stopped.ended, stopped.job.state), (0, JobState::Open));
    assert_eq!(stopped.job.deadline, clock.now().plus(Stop::GRACE));
    assert_eq!(overdue(store).await, []);
    worker.configure(set(Maintenance::None)).await.expect("it is legal");
    assert_eq!(worker.claim(pool("ai33"), 1).await.leases.len(), 1);
    clock.advance(Stop::GRACE);
    assert_eq!(overdue(store).await, [job.job.id]);
    let stopped = worker.stop(job.job.id, StopWhy::Deadline).await.expect("there is the job");
    assert_eq!((stopped.ended, stopped.job.state), (1, JobState::Expiring));

    let cancelled = worker.admitted(&Order { configuration_version: 3, ..order }).await;
    worker.claim(pool("ai33"), 1).await;
    worker.stop(cancelled.job.id, StopWhy::Cancelled).await;
    worker.configure(set(Maintenance::Full)).await.expect("it is legal");
    clock.advance(Duration::from_secs(700));
    let stopped = worker.stop(cancelled.job.id, StopWhy::Deadline).await.expect("there is the job");
    assert_eq!((stopped.job.state, stopped.job.deadline), (JobState::Cancelling, cancelled.job.deadline));
    assert_eq!(overdue(store).await, []);
}

/// Stopping a job that is over tells its end, and does nothing.
pub(super) async fn a_job_that_is_over_stays_as_it_is(store: &dyn Store, clock: &TestClock) {
    let scene = Scene::configured(store, clock).await;
    let worker = with_key(&scene).await;
    worker.admit(&Order::new("user-1", 1)).await.expect("it can be paid");
    let settled = worker.settled(&worker.lease(pool("ai33")).await, done()).await;
    clock.advance(Duration::from_secs(48 * 3600));
    assert_eq!(overdue(store).await, []);
    for why in [StopWhy::Cancelled, StopWhy::Deadline] {
        let stopped = worker.stop(settled.job.id, why).await.expect("there is the job");
        let nothing = Stopped { job: settled.job.clone(), ended: 0, released: settled.released };
        assert_eq!(stopped, nothing);
    }
    assert_eq!(scene.wallet("user-1").await.balance.get(), 999_990);
}

/// Who cancels a large order is not behind everybody afterwards.
pub(super) async fn cancelling_costs_no_turn(store: &dyn Store, clock: &TestClock) {
    let scene = Scene::configured(store, clock).await;
    let worker = with_key(&scene).await;
    worker.buy("user-2", 1000).await;
    let large = worker.admitted(&Order::new("user-1", 500)).await;
    worker.claim(pool("ai33"), 10).await;
    worker.stop(large.job.id, StopWhy::Cancelled).await;
    for name in ["user-2", "user-1"] {
        worker.admit(&Order::new(name, 10)).await.expect("it can be paid");
    }
    let leases = worker.claim(pool("ai33"), 10).await.leases;
    let mine = leases.iter().filter(|lease| lease.task.user.as_str() == "user-1").count();
    assert!((4..=6).contains(&mine), "{mine} of 10");
}

/// What was ordered behind a large order waits for none of it any more once that is cancelled, and neither does what is
/// ordered afterwards.
pub(super) async fn what_waits_behind_a_cancelled_order_moves_up(store: &dyn Store, clock: &TestClock) {
    let scene = Scene::configured(store, clock).await;
    let worker = with_key(&scene).await;
    worker.buy("user-2", 1000).await;
    let large = worker.admitted(&Order::new("user-1", 50)).await;
    let small = worker.admitted(&Order::new("user-1", 2)).await;
    let other = worker.admitted(&Order::new("user-1", 20)).await;
    let last = worker.admitted(&Order::new("user-1", 1)).await;
    worker.admit(&Order::new("user-2", 50)).await.expect("it can be paid");
    for job in [&large, &other] {
        worker.stop(job.job.id, StopWhy::Cancelled).await;
    }
    let next = worker.admitted(&Order::new("user-1", 3)).await;
    let leases = worker.claim(pool("ai33"), 12).await.leases;
    let mine: Vec<JobId> = leases
        .iter()
        .filter(|lease| lease.task.user.as_str() == "user-1")
        .map(|lease| lease.task.job)
        .collect();
    let [small, last, next] = [small, last, next].map(|job| job.job.id);
    assert_eq!(mine, [small, small, last, next, next, next], "in their order, by turns with the other user");
}

/// A scheduled job's tasks queue when their instant has come, so what was ordered later may stand before them.
pub(super) async fn what_was_promoted_behind_a_later_order_moves_up_when_that_is_cancelled(
    store: &dyn Store,
    clock: &TestClock,
) {
    let scene = Scene::configured(store, clock).await;
    let worker = with_key(&scene).await;
    worker.buy("user-2", 1000).await;
    let start = clock.now().plus(Duration::from_secs(60));
    let scheduled = worker.admitted(&Order { start_at: Some(start), ..Order::new("user-1", 1) }).await.job.id;
    let large = worker.admitted(&Order::new("user-1", 20)).await.job.id;
    worker.admit(&Order::new("user-2", 20)).await.expect("it can be paid");
    clock.set(start);
    assert_eq!(worker.promote(10).await, [pool("ai33")]);
    worker.stop(large, StopWhy::Cancelled).await;
    let leases = worker.claim(pool("ai33"), 2).await.leases;
    assert!(leases.iter().any(|lease| lease.task.job == scheduled), "it is served within two tasks");
}

/// Tasks that were tried and then moved to another pool queue there like new ones, and leave like new ones.
pub(super) async fn what_was_tried_elsewhere_leaves_no_gap_when_it_is_cancelled(
    store: &dyn Store,
    clock: &TestClock,
) {
    let scene = Scene::configured(store, clock).await;
    let worker = with_key(&scene).await;
    worker.add_key(&NewKey::new("ai84", 1000, 1000)).await;
    worker.buy("user-2", 1000).await;
    let large = worker.admitted(&Order::new("user-1", 20).on(&[("ai33", 1), ("ai84", 0)])).await.job.id;
    for lease in worker.claim(pool("ai33"), 20).await.leases {
        worker.settled(&lease, failed(FailureKind::KeyRateLimited, Reached::No)).await;
    }
    assert_eq!(worker.replan(pool("ai33"), &[("ai84", 1)], 100).await, [pool("ai84")]);
    let behind = worker.admitted(&Order::new("user-1", 1).on(&[("ai84", 1)])).await.job.id;
    worker.admit(&Order::new("user-2", 20).on(&[("ai84", 1)])).await.expect("it can be paid");
    worker.stop(large, StopWhy::Cancelled).await;
    let leases = worker.claim(pool("ai84"), 2).await.leases;
    assert!(leases.iter().any(|lease| lease.task.job == behind), "it is served within two tasks");
}

/// Cancelling an order lets none of the user's later ones run at double speed.
pub(super) async fn cancelling_wins_no_turn(store: &dyn Store, clock: &TestClock) {
    let scene = Scene::configured(store, clock).await;
    let worker = with_key(&scene).await;
    worker.buy("user-2", 10_000).await;
    let order = Order::new("user-1", 20);
    let first = worker.admitted(&order).await;
    let second = worker.admitted(&order).await;
    worker.admit(&Order::new("user-2", 200)).await.expect("it can be paid");
    worker.stop(first.job.id, StopWhy::Cancelled).await;
    for _ in 0..3 {
        worker.admit(&order).await.expect("it can be paid");
    }
    // What the second order must wait for is what it would have waited for anyway.
    while !matches!(scene.task(second.tasks[0].id).await.state, TaskState::Running { .. }) {
        worker.lease(pool("ai33")).await;
    }
    let leases = worker.claim(pool("ai33"), 60).await.leases;
    let mine = leases.iter().filter(|lease| lease.task.user.as_str() == "user-1").count();
    assert!((29..=31).contains(&mine), "{mine} of 60");
}
