//! Laws of retrying jobs: failed tasks are tried again, and nothing is bought or held twice.

use std::time::Duration;

use super::fixtures::{
    NewKey, Order, Scene, TestClock, TestWorker, credits, done, done_in, failed, idempotency, line, lost,
    pool, route, server, service, settle, user,
};
use crate::{
    access::Scope,
    clock::Clock,
    failure::{FailureKind, Reached},
    id::{JobId, Route, TenantId},
    keys::PoolId,
    lane::Lane,
    ledger::{HoldState, Refusal},
    measure::Measure,
    money::Amount,
    operation::Operation,
    pricing::{Charge, Overrun, PriceError, PriceStart},
    routing::{Maintenance, SystemCommand, Unavailable},
    store::{
        AttemptFilter, AttemptResult, AuditOf, Command, ConfigurationChange, JobWithTasks, NotAdmitted,
        NotRetried, Outcome, Retried, Retry, Settled, StopWhy, Store, UnknownPolicy,
    },
    switch::Switch,
    work::{Doubt, Job, JobState, PlanError, Task, TaskError, TaskState},
};

async fn with_keys<'a>(scene: &'a Scene<'_>, servers: &[&str]) -> TestWorker<'a> {
    let worker = scene.worker().await;
    for server in servers {
        worker.add_key(&NewKey::new(server, 100, 100)).await;
    }
    worker.buy("user-1", 1_000_000).await;
    worker
}

/// A failure that ends a task at once.
fn refused() -> AttemptResult {
    failed(FailureKind::BadRequest, Reached::No)
}

/// An order of which all tasks are done but the last, which fails.
async fn partly_failed(scene: &Scene<'_>, worker: &TestWorker<'_>, order: &Order) -> JobWithTasks {
    let job = worker.admitted(order).await;
    let leases = worker.claim(pool("ai33"), 50).await.leases;
    let (last, others) = leases.split_last().expect("a task waits and a key is free");
    for lease in others {
        worker.settled(lease, done()).await;
    }
    worker.settled(last, refused()).await;
    scene.job(job.job.id).await
}

/// Leases the next task and ends it.
async fn end_next(worker: &TestWorker<'_>, result: AttemptResult) -> Settled {
    worker.settled(&worker.lease(pool("ai33")).await, result).await
}

/// What failed is held for anew, tried again under the same task, and charged once; what is done stays as it is.
pub(super) async fn failed_tasks_are_tried_again_and_the_others_are_not(
    store: &dyn Store,
    clock: &TestClock,
) {
    let scene = Scene::configured(store, clock).await;
    let worker = with_keys(&scene, &["ai33"]).await;
    let before = partly_failed(&scene, &worker, &Order::new("user-1", 3)).await;
    assert_eq!((before.job.state, before.hold.captured.get()), (JobState::CompletedWithFailures, 20));
    clock.advance(Duration::from_secs(60));

    let retried = worker.retry(before.job.id, "again").await;
    assert_eq!(retried, Ok(Retried { pools: vec![(pool("ai33"), route("ai33"))], tasks: 1 }));
    let book = scene.job(before.job.id).await;
    assert_eq!(book.tasks[..2], before.tasks[..2]);
    let task = &book.tasks[2];
    assert!(matches!(task.state, TaskState::Ready { pool: waits_in, .. } if waits_in == pool("ai33")));
    assert_eq!((task.id, task.finished_at), (before.tasks[2].id, None));
    assert_eq!((book.job.state, book.job.open_tasks, book.job.failed_tasks), (JobState::Open, 1, 0));
    assert_eq!((book.job.held.get(), book.job.finished_at, book.job.retries), (30, None, 1));
    assert_eq!(book.job.deadline, clock.now().plus(Duration::from_secs(24 * 3600)));
    assert_eq!((book.hold.id, book.hold.amount.get(), book.hold.captured.get()), (before.hold.id, 30, 20));
    assert_eq!((book.hold.state, book.hold.opened_at), (HoldState::Open, clock.now()));
    let wallet = scene.wallet("user-1").await;
    assert_eq!((wallet.balance.get(), wallet.held.get()), (999_980, 10));
    assert_eq!(scene.pool(pool("ai33")).await.waiting, 1);

    let lease = worker.lease(pool("ai33")).await;
    assert_eq!((lease.task.id, lease.task.attempts), (before.tasks[2].id, 2));
    let settled = worker.settled(&lease, done()).await;
    assert_eq!((settled.charged.get(), settled.released.get()), (10, 0));
    assert_eq!((settled.job.state, settled.job.total.charged().get()), (JobState::Completed, 30));
    let wallet = scene.wallet("user-1").await;
    assert_eq!((wallet.balance.get(), wallet.held.get()), (999_970, 0));
    let filter = AttemptFilter { job: Some(before.job.id), limit: 100, ..Default::default() };
    assert_eq!(store.attempts(&Scope::All, &filter).await.expect("the store can be read").len(), 4);
    let audit = store.audit(&AuditOf::ALL, None, 1).await.expect("the store can be read").remove(0);
    assert_eq!(audit.door, "job.retry");
}

/// The same key gives the same answer for ever; for anything else it is a conflict.
pub(super) async fn a_retry_is_made_once(store: &dyn Store, clock: &TestClock) {
    let scene = Scene::configured(store, clock).await;
    let worker = with_keys(&scene, &["ai33"]).await;
    let order = Order::new("user-1", 1).under(idempotency("order", "payload"));
    let job = partly_failed(&scene, &worker, &order).await.job.id;
    let other = partly_failed(&scene, &worker, &Order::new("user-1", 1)).await.job.id;

    let commands = [(); 2].map(|()| Command::Retry(Box::new(worker.retry_command(job, "again"))));
    let outcomes = worker.write(commands.to_vec()).await;
    let again = Retried { pools: Vec::new(), tasks: 1 };
    assert!(matches!(&outcomes[0], Outcome::Retry(Ok(retried)) if retried.pools.len() == 1));
    assert_eq!(outcomes[1], Outcome::Retry(Ok(again.clone())));
    assert_eq!(worker.retry(job, "again").await, Ok(again.clone()));
    assert_eq!(worker.retry(other, "again").await, Err(NotRetried::Conflict));
    for scope in [
        Scope::Tenant(TenantId::new("acme").expect("the id is legal")),
        Scope::User(TenantId::main(), user("user-2")),
    ] {
        let foreign = Retry { scope, ..worker.retry_command(job, "again") };
        assert_eq!(worker.retry_as(foreign).await, Err(NotRetried::UnknownJob), "nor what was answered");
    }
    assert_eq!(worker.retry(job, "order").await, Err(NotRetried::Conflict));
    let used = Order::new("user-1", 1).under(idempotency("again", "payload"));
    assert_eq!(worker.admit(&used).await, Err(NotAdmitted::Conflict));

    end_next(&worker, refused()).await;
    assert_eq!(worker.retry(job, "again").await, Ok(again.clone()));
    assert_eq!(scene.job(job).await.job.state, JobState::Failed);
    assert_eq!(worker.retry(job, "once more").await.map(|retried| retried.tasks), Ok(1));
    assert_eq!(worker.retry(job, "again").await, Ok(again));
    assert_eq!(end_next(&worker, done()).await.job.state, JobState::Completed);
}

/// What is open, was cancelled, or has nothing that failed stays as it is, and the answer says what it is.
pub(super) async fn only_a_job_that_ended_with_failed_tasks_is_retried(store: &dyn Store, clock: &TestClock) {
    let scene = Scene::configured(store, clock).await;
    let worker = with_keys(&scene, &["ai33"]).await;
    let refuse = async |job: JobId, state: JobState| {
        let before = scene.job(job).await;
        assert_eq!(before.job.state, state);
        assert_eq!(worker.retry(job, &format!("{job} {state:?}")).await, Err(NotRetried::State(state)));
        assert_eq!(scene.job(job).await.tasks, before.tasks);
    };
    let open = worker.admitted(&Order::new("user-1", 2)).await.job.id;
    let leases = worker.claim(pool("ai33"), 2).await.leases;
    worker.settled(&leases[0], refused()).await;
    refuse(open, JobState::Open).await;
    worker.stop(open, StopWhy::Cancelled).await;
    refuse(open, JobState::Cancelling).await;
    worker.settled(&leases[1], refused()).await;
    refuse(open, JobState::Cancelled).await;
    let completed = worker.admitted(&Order::new("user-1", 1)).await.job.id;
    end_next(&worker, done()).await;
    refuse(completed, JobState::Completed).await;
    let nobody = JobId::from_uuid(scene.ids.uuid());
    assert_eq!(worker.retry(nobody, "nobody's").await, Err(NotRetried::UnknownJob));
    assert_eq!(scene.wallet("user-1").await.held, Amount::ZERO);
}

/// A retry that the wallet cannot pay is refused with what it needs; the refusal is remembered under its key.
pub(super) async fn a_retry_never_holds_what_is_not_there(store: &dyn Store, clock: &TestClock) {
    let scene = Scene::configured(store, clock).await;
    let worker = scene.worker().await;
    worker.add_key(&NewKey::new("ai33", 100, 100)).await;
    worker.buy("user-1", 30).await;
    let job = worker.admitted(&Order::new("user-1", 3)).await.job.id;
    for result in [done(), refused(), refused()] {
        end_next(&worker, result).await;
    }
    worker.adjust("user-1", -1).await.expect("it is there");
    let before = scene.job(job).await;
    let refusal = Refusal::InsufficientCredits { needed: credits(20), available: credits(19) };
    assert_eq!(worker.retry(job, "poor").await, Err(NotRetried::Refused(refusal.clone())));
    assert_eq!(scene.job(job).await.tasks, before.tasks);
    assert_eq!(scene.job(job).await.hold, before.hold);

    worker.adjust("user-1", -29).await.expect("the rest is debt");
    let debt = credits(10);
    assert_eq!(worker.retry(job, "in debt").await, Err(NotRetried::Refused(Refusal::InDebt { debt })));
    worker.buy("user-1", 30).await;
    assert_eq!(worker.retry(job, "poor").await, Err(NotRetried::Refused(refusal)), "for ever");
    assert_eq!(worker.retry(job, "rich").await.map(|retried| retried.tasks), Ok(2));
    assert_eq!(scene.wallet("user-1").await.available(), Amount::ZERO);
    for _ in 0..2 {
        end_next(&worker, done()).await;
    }
    let wallet = scene.wallet("user-1").await;
    assert_eq!((wallet.balance.get(), wallet.held.get(), wallet.total_spent.get()), (0, 0, 30));
}

/// A retry is refused as a new order would be: in maintenance, without a route of its quote, without a key, without a
/// price. One that is made costs what was quoted, and goes where a key is.
pub(super) async fn a_retry_needs_a_route_a_key_and_a_price_and_costs_what_was_quoted(
    store: &dyn Store,
    clock: &TestClock,
) {
    let scene = Scene::configured(store, clock).await;
    let worker = with_keys(&scene, &["ai33", "ai84"]).await;
    let order = Order::new("user-1", 1).on(&[("ai33", 1), ("ai84", 0)]);
    let job = partly_failed(&scene, &worker, &order).await.job.id;
    let on_ai33 = partly_failed(&scene, &worker, &Order::new("user-1", 1)).await.job.id;
    let set =
        async |command| worker.configure(ConfigurationChange::System(command)).await.expect("it is legal");
    let switch = |name: &str, switch| SystemCommand::SetRoute { route: route(name), switch };
    let retry = async |job: JobId, key: &str| worker.retry(job, key).await;
    let no_plan = |error: PlanError| Err(NotRetried::NoPlan(error));

    set(SystemCommand::SetMaintenance(Maintenance::Full)).await;
    assert_eq!(retry(job, "1").await, no_plan(Unavailable::FullMaintenance.into()));
    set(SystemCommand::SetMaintenance(Maintenance::None)).await;
    let keyless = crate::store::Retry { keyed: [].into(), ..worker.retry_command(job, "1") };
    let routes = ["ai33", "ai84"].map(route).to_vec();
    assert_eq!(worker.retry_as(keyless).await, no_plan(PlanError::NoKey { routes }));
    set(switch("ai33", Switch::Off)).await;
    let no_route = Unavailable::NoRoute(service("elevenlabs"));
    assert_eq!(retry(on_ai33, "2").await, no_plan(no_route.into()));

    // The other route of the quote is on, at what it cost then; the price of the first is not asked for.
    let remove = |name: &str| ConfigurationChange::RemovePrice {
        route: route(name),
        model: None,
        operation: Operation::Speech,
    };
    worker.configure(remove("ai33")).await.expect("there is the price");
    worker.configure(remove("ai84")).await.expect("there is the price");
    let (route_of, operation) = (route("ai84"), Operation::Speech);
    let unsold = PriceError::NotFound { route: route_of, model: None, operation };
    assert_eq!(retry(job, "3").await, no_plan(unsold.into()));
    let mut dearer = super::fixtures::configuration()
        .prices
        .find(&route("ai84"), None, operation, Lane::Shared, clock.now())
        .cloned();
    if let Ok(price) = &mut dearer {
        price.charge =
            Charge::lines([line(Measure::Character, 9_000_000, 1)]).expect("tests charge for something");
    }
    let dearer = Box::new(dearer.expect("it has a price"));
    worker
        .configure(ConfigurationChange::SetPrice { price: dearer, start: PriceStart::Now })
        .await
        .expect("it is legal");
    assert_eq!(retry(job, "3").await.map(|retried| retried.pools), Ok(vec![(pool("ai84"), route("ai84"))]));
    assert_eq!(scene.job(job).await.job.held.get(), 20);
    let settled = worker.settled(&worker.lease(pool("ai84")).await, done()).await;
    assert_eq!((settled.charged.get(), settled.job.state), (20, JobState::Completed));
}

/// A job can be retried after each failure, up to a bound.
pub(super) async fn a_job_is_retried_only_so_often(store: &dyn Store, clock: &TestClock) {
    let scene = Scene::configured(store, clock).await;
    let worker = with_keys(&scene, &["ai33"]).await;
    let job = partly_failed(&scene, &worker, &Order::new("user-1", 2)).await.job.id;
    for retry in 1..=Job::RETRIES_MAX {
        assert!(worker.retry(job, &retry.to_string()).await.is_ok());
        let settled = end_next(&worker, refused()).await;
        assert_eq!((settled.job.state, settled.released.get()), (JobState::CompletedWithFailures, 10));
        assert_eq!(settled.job.retries, retry);
    }
    assert_eq!(worker.retry(job, "once more").await, Err(NotRetried::TooOften));
    let wallet = scene.wallet("user-1").await;
    assert_eq!((wallet.balance.get(), wallet.held.get()), (999_990, 0));
}

/// A task that may have been done and charged upstream is sent again only where the setting allows that, and what is
/// sent is recorded as a possible double.
pub(super) async fn what_may_have_been_done_is_retried_by_setting(store: &dyn Store, clock: &TestClock) {
    let scene = Scene::configured(store, clock).await;
    let worker = with_keys(&scene, &["ai33"]).await;
    let job = worker.admitted(&Order::new("user-1", 2)).await.job.id;
    for result in [refused(), lost(UnknownPolicy::Fail)] {
        end_next(&worker, result).await;
    }
    let careful = crate::store::Retry { unknown: UnknownPolicy::Fail, ..worker.retry_command(job, "again") };
    assert_eq!(worker.retry_as(careful).await, Err(NotRetried::InDoubt { place: 1 }));
    assert_eq!(scene.wallet("user-1").await.held, Amount::ZERO);

    assert_eq!(worker.retry(job, "again").await.map(|retried| retried.tasks), Ok(2));
    let leases = worker.claim(pool("ai33"), 2).await.leases;
    let doubts: Vec<Doubt> = leases.iter().map(|lease| lease.attempt.possible_double).collect();
    assert_eq!(doubts, [Doubt::None, Doubt::PossibleDouble]);
    // What is lost once more is not sent a third time by itself.
    let settled = worker.settled(&leases[1], lost(UnknownPolicy::Retry)).await;
    assert_eq!(settled.task.state, TaskState::Failed { error: TaskError::AnswerLost });
}

/// Every route may be able to do a retried task, it has all its attempts, and those before are still counted.
pub(super) async fn a_retried_task_has_every_route_and_all_its_attempts_again(
    store: &dyn Store,
    clock: &TestClock,
) {
    let scene = Scene::configured(store, clock).await;
    let worker = with_keys(&scene, &["ai33", "ai84"]).await;
    let order = Order::new("user-1", 1).on(&[("ai33", 1), ("ai84", 0)]);
    let job = worker.admitted(&order).await.job.id;
    let unsupported = || failed(FailureKind::Unsupported, Reached::No);
    for server in ["ai33", "ai84"] {
        worker.settled(&worker.lease(pool(server)).await, unsupported()).await;
    }
    let task = scene.job(job).await.tasks.remove(0);
    assert_eq!((task.state, task.unfit_routes), (TaskState::Failed { error: TaskError::NoRoute }, 0b11));

    for round in 1..=2 {
        assert!(worker.retry(job, &round.to_string()).await.is_ok());
        for reached in 1..=Task::REACHED_MAX {
            let settled = end_next(&worker, failed(FailureKind::KeyRateLimited, Reached::Yes)).await;
            assert_eq!(settled.requeued.is_some(), reached < Task::REACHED_MAX, "{round}: {reached}");
            clock.advance(Duration::from_secs(120));
        }
    }
    let task = scene.job(job).await.tasks.remove(0);
    assert_eq!((task.attempts, task.reached, task.unfit_routes), (8, 6, 0));
    assert_eq!((task.attempts_before, task.reached_before), (5, 3));
    assert!(matches!(task.state, TaskState::Failed { .. }));
}

/// A retry takes its place in a queue as an order does, where there is room.
pub(super) async fn a_full_queue_retries_nothing(store: &dyn Store, clock: &TestClock) {
    let scene = Scene::configured(store, clock).await;
    let worker = with_keys(&scene, &["ai33"]).await;
    let job = partly_failed(&scene, &worker, &Order::new("user-1", 1)).await.job.id;
    worker.admit(&Order::new("user-1", 2)).await.expect("it can be paid");
    let full = crate::store::Retry { queue_max: 2, ..worker.retry_command(job, "again") };
    let refused = Err(NotRetried::QueueFull { route: route("ai33"), waiting: 2 });
    assert_eq!(worker.retry_as(full).await, refused);
    assert_eq!(worker.retry(job, "again").await.map(|retried| retried.tasks), Ok(1));
    let last = worker.claim(pool("ai33"), 3).await.leases.remove(2);
    assert_eq!(last.task.job, job, "behind what its user has there already");
}

/// A job that was retried can be cancelled, and its deadline passes.
pub(super) async fn a_retried_job_ends_like_any_other(store: &dyn Store, clock: &TestClock) {
    let scene = Scene::configured(store, clock).await;
    let worker = with_keys(&scene, &["ai33"]).await;
    let job = partly_failed(&scene, &worker, &Order::new("user-1", 2)).await.job.id;
    let deadline = Duration::from_secs(600);
    let retry = crate::store::Retry { deadline, ..worker.retry_command(job, "again") };
    assert!(worker.retry_as(retry).await.is_ok());
    clock.advance(deadline);
    assert_eq!(store.pulse().await.expect("the store can be read").overdue, [job]);
    let stopped = worker.stop(job, StopWhy::Deadline).await.expect("there is the job");
    assert_eq!((stopped.job.state, stopped.released.get()), (JobState::CompletedWithFailures, 10));
    assert_eq!(store.pulse().await.expect("the store can be read").overdue, []);

    assert!(worker.retry(job, "once more").await.is_ok());
    let stopped = worker.stop(job, StopWhy::Cancelled).await.expect("there is the job");
    assert_eq!((stopped.job.state, stopped.ended, stopped.released.get()), (JobState::Cancelled, 1, 10));
    assert_eq!(worker.retry(job, "and again").await, Err(NotRetried::State(JobState::Cancelled)));
    assert_eq!(scene.wallet("user-1").await.balance.get(), 999_990);
}

/// What was charged beyond a job's hold is paid; a retry holds what the failed tasks may cost, and charges that.
pub(super) async fn what_was_charged_beyond_the_hold_is_not_held_again(store: &dyn Store, clock: &TestClock) {
    let scene = Scene::configured(store, clock).await;
    let worker = scene.worker().await;
    let second = Route::new(server("ai33"), service("minimax"));
    let pool = PoolId::shared(&second);
    worker.add_key(&NewKey { route: second.clone(), ..NewKey::new("ai33", 100, 100) }).await;
    worker.buy("user-1", 10_000).await;
    for overrun in [Overrun::Payer, Overrun::Operator] {
        let mut order = Order { service: service("minimax"), ..Order::new("user-1", 2) };
        order.overruns.insert(server("ai33"), overrun);
        let job = worker.admitted(&order).await;
        let bound = job.hold.amount.get() / 2;
        let long = done_in(Some(3_000 * bound.unsigned_abs()));
        let charged = worker.settled(&worker.lease(pool).await, long).await.charged.get();
        worker.settled(&worker.lease(pool).await, refused()).await;
        let before = scene.wallet("user-1").await;
        assert_eq!(before.held, Amount::ZERO);

        let keyed = [second.clone()].into();
        let again =
            crate::store::Retry { keyed, ..worker.retry_command(job.job.id, &format!("{overrun:?}")) };
        assert!(worker.retry_as(again).await.is_ok());
        let book = scene.job(job.job.id).await;
        let set_aside = scene.wallet("user-1").await.held.get();
        assert_eq!(book.job.held.get(), charged + set_aside);
        assert!((bound..=bound + 1).contains(&set_aside), "{set_aside} for a task of {bound}");
        let settled = worker.settled(&worker.lease(pool).await, done_in(Some(1000))).await;
        assert_eq!((settled.charged.get(), settled.over_hold), (1, Amount::ZERO));
        assert_eq!(scene.wallet("user-1").await.balance.get(), before.balance.get() - 1);
    }
}

/// Whatever a batch does to a job before it retries it, the retry sees.
pub(super) async fn a_task_is_retried_in_the_batch_that_fails_it(store: &dyn Store, clock: &TestClock) {
    let scene = Scene::configured(store, clock).await;
    let worker = with_keys(&scene, &["ai33"]).await;
    let job = worker.admitted(&Order::new("user-1", 1)).await.job.id;
    let lease = worker.lease(pool("ai33")).await;
    let retry = Command::Retry(Box::new(worker.retry_command(job, "again")));
    let outcomes = worker.write(vec![settle(&lease, refused()), retry]).await;
    assert!(matches!(&outcomes[1], Outcome::Retry(Ok(retried)) if retried.tasks == 1), "{outcomes:?}");
    assert_eq!(end_next(&worker, done()).await.job.state, JobState::Completed);
}

/// What is tried again queues like what is new, and leaves like it.
pub(super) async fn a_retried_task_that_is_cancelled_costs_no_turn(store: &dyn Store, clock: &TestClock) {
    let scene = Scene::configured(store, clock).await;
    let worker = with_keys(&scene, &["ai33"]).await;
    for user in ["user-2", "user-3"] {
        worker.buy(user, 1_000).await;
    }
    let job = worker.admitted(&Order::new("user-1", 1)).await.job.id;
    worker.settled(&worker.lease(pool("ai33")).await, refused()).await;
    // The queue goes on beyond the user's last place.
    worker.admit(&Order::new("user-2", 3)).await.expect("it can be paid");
    worker.claim(pool("ai33"), 3).await;
    worker.retry(job, "again").await.expect("it failed");
    worker.admit(&Order::new("user-3", 20)).await.expect("it can be paid");
    worker.stop(job, StopWhy::Cancelled).await;
    let next = worker.admitted(&Order::new("user-1", 1)).await.job.id;
    let leases = worker.claim(pool("ai33"), 2).await.leases;
    assert!(leases.iter().any(|lease| lease.task.job == next), "it is served within two tasks");
}
