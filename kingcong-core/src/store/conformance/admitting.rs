//! Laws of admission: a job is held for and queued as a whole, or nothing happened.

use std::{collections::BTreeMap, time::Duration};

use super::fixtures::{
    NewKey, Order, Scene, TASK_CHARACTERS, TestClock, credits, idempotency, line, pool, route, wallet_of,
};
use crate::{
    access::Scope,
    clock::Clock,
    id::TenantId,
    ledger::{HoldState, Refusal},
    measure::Measure,
    money::Amount,
    operation::Operation,
    routing::SystemCommand,
    store::{Admitted, Command, ConfigurationChange, NotAdmitted, Outcome, Remembered, StopWhy, Store},
    work::{Doubt, JobState, TaskState},
};

/// The job, its tasks, its hold and its place in the queue are there, and the wallet says what is held.
pub(super) async fn an_admitted_job_is_held_for_and_queued(store: &dyn Store, clock: &TestClock) {
    let scene = Scene::configured(store, clock).await;
    let worker = scene.worker().await;
    worker.buy("user-1", 100).await;
    clock.advance(Duration::from_secs(1));
    let order = Order::new("user-1", 3).on(&[("ai33", 70), ("ai84", 30)]);
    let admit = order.admit(&scene.ids);
    let (job_id, hold_id) = (admit.job, admit.hold);
    let tasks: Vec<_> = admit.tasks.iter().map(|task| task.id).collect();
    let outcome = worker.execute(Command::Admit(Box::new(admit))).await;
    // Three tasks of ten characters, at most 2 credits each: the dearest route is held for.
    let held = Amount::new(60);
    assert_eq!(
        outcome,
        Outcome::Admit(Ok(Admitted { job: job_id, held, pools: sorted([pool("ai33"), pool("ai84")]) }))
    );

    let book = scene.job(job_id).await;
    assert_eq!(book.hold.id, hold_id);
    assert_eq!(
        (book.hold.amount, book.hold.captured, book.hold.state),
        (held, Amount::ZERO, HoldState::Open)
    );
    assert_eq!((book.hold.job, book.hold.wallet), (job_id, wallet_of("user-1").id()));
    let job = &book.job;
    assert_eq!((job.state, job.tasks, job.open_tasks, job.failed_tasks), (JobState::Open, 3, 3, 0));
    assert_eq!((&job.tenant, &job.user), (&TenantId::main(), &order.user));
    assert_eq!((job.operation, &job.service), (Operation::Speech, &order.service));
    assert_eq!((job.created_at, job.deadline), (clock.now(), clock.now().plus(order.deadline)));
    assert_eq!((job.held, job.total.charged(), job.finished_at), (held, Amount::ZERO, None));

    let read: Vec<_> = book.tasks.iter().map(|task| task.id).collect();
    assert_eq!(read, tasks, "tasks are read in order");
    for task in &book.tasks {
        let TaskState::Ready { pool, .. } = task.state else { panic!("not ready: {:?}", task.state) };
        assert_eq!(pool, task.pool_of(task.planned_route().route()));
        assert_eq!(task.quantities.most_of(Measure::Character), 10);
        assert_eq!((task.attempts, task.reached, task.doubt), (0, 0, Doubt::None));
        assert_eq!(task.routes.len(), 2);
        assert_eq!(task.routes[1].route(), &route("ai84"));
        assert_eq!(&*task.routes[1].known_as, "voice on ai84");
    }
    let wallet = scene.wallet("user-1").await;
    assert_eq!((wallet.balance.get(), wallet.held, wallet.last_entry), (100, held, 1));
    assert_eq!(scene.pool(pool("ai33")).await.waiting, 2);
    assert_eq!(scene.pool(pool("ai84")).await.waiting, 1);
    assert_eq!(scene.pool(pool("ai84")).await.route, route("ai84"));
}

fn sorted<T: Ord>(items: impl Into<Vec<T>>) -> Vec<T> {
    let mut items = items.into();
    items.sort();
    items
}

/// A refusal for money leaves the answer under the idempotency key, and nothing else.
pub(super) async fn a_refused_job_leaves_nothing_but_the_refusal(store: &dyn Store, clock: &TestClock) {
    let scene = Scene::configured(store, clock).await;
    let worker = scene.worker().await;
    worker.buy("user-1", 19).await;
    let key = idempotency("order-1", "two tasks");
    let order = Order::new("user-1", 2).under(key).admit(&scene.ids);
    let (job, task) = (order.job, order.tasks[0].id);
    let refusal = Refusal::InsufficientCredits { needed: credits(20), available: credits(19) };
    let outcome = worker.execute(Command::Admit(Box::new(order))).await;
    assert_eq!(outcome, Outcome::Admit(Err(NotAdmitted::Refused(refusal.clone()))));

    assert_eq!(store.job(&Scope::All, job).await.expect("the store can be read"), None);
    assert_eq!(store.task(task).await.expect("the store can be read"), None);
    let wallet = scene.wallet("user-1").await;
    assert_eq!((wallet.balance.get(), wallet.held), (19, Amount::ZERO));
    assert_eq!(store.pulse().await.expect("the store can be read").waiting, []);
    let row = store.idempotency(&key.key).await.expect("the store can be read").expect("it is remembered");
    assert_eq!((row.payload, row.answer), (key.payload, Remembered::Refused(refusal)));

    let nobody = worker.admit(&Order::new("nobody", 1)).await;
    assert!(matches!(nobody, Err(NotAdmitted::Refused(Refusal::InsufficientCredits { .. }))));
    let wallet = store.wallet(&wallet_of("nobody")).await.expect("the store can be read");
    assert_eq!(wallet, None, "a refusal opens no wallet");
}

/// The first answer is the answer: after the money is gone, the configuration changed, the job ended, and for refusals
/// after the money came.
pub(super) async fn an_idempotency_key_gives_the_same_answer_for_ever(store: &dyn Store, clock: &TestClock) {
    let scene = Scene::configured(store, clock).await;
    let (worker, other) = (scene.worker().await, scene.worker().await);
    let refused = Order::new("user-1", 1).under(idempotency("refused", "x"));
    let refusal = worker.admit(&refused).await.expect_err("nothing is available");
    worker.buy("user-1", 20).await;
    let accepted = Order::new("user-1", 2).under(idempotency("accepted", "x"));
    let first = worker.admit(&accepted).await.expect("it can be paid");
    let row = store.idempotency(&idempotency("accepted", "x").key).await.expect("the store can be read");
    let row = row.expect("it is remembered");
    assert_eq!(row.answer, Remembered::Job { job: first.job, held: Amount::new(20) });
    assert_eq!(row.at, clock.now());

    let replayed = Admitted { pools: Vec::new(), ..first.clone() };
    assert_eq!(worker.admit(&accepted).await, Ok(replayed.clone()));
    worker
        .configure(ConfigurationChange::System(SystemCommand::SetMaintenance(
            crate::routing::Maintenance::Full,
        )))
        .await
        .expect("it is legal");
    assert_eq!(other.admit(&accepted).await, Ok(replayed.clone()), "in maintenance, by an outdated plan");
    worker.stop(first.job, StopWhy::Cancelled).await;
    assert_eq!(other.admit(&accepted).await, Ok(replayed), "after the end");
    assert_eq!(other.admit(&refused).await, Err(refusal), "a refusal, though there is money now");
    let jobs = store.jobs(&Scope::All, &crate::store::JobFilter { limit: 10, ..Default::default() }).await;
    assert_eq!(jobs.expect("the store can be read").len(), 1);
}

/// Another payload under a known key is an error, not another job.
pub(super) async fn an_idempotency_key_of_another_payload_is_a_conflict(
    store: &dyn Store,
    clock: &TestClock,
) {
    let scene = Scene::configured(store, clock).await;
    let worker = scene.worker().await;
    worker.buy("user-1", 100).await;
    worker.admit(&Order::new("user-1", 1).under(idempotency("order-1", "a"))).await.expect("it can be paid");
    let other = worker.admit(&Order::new("user-1", 1).under(idempotency("order-1", "b"))).await;
    assert_eq!(other, Err(NotAdmitted::Conflict));
    assert_eq!(scene.wallet("user-1").await.held.get(), 10);
}

/// Group commit changes nothing: the second of two commands under one key is a replay.
pub(super) async fn two_commands_of_one_batch_under_one_key_are_one(store: &dyn Store, clock: &TestClock) {
    let scene = Scene::configured(store, clock).await;
    let worker = scene.worker().await;
    worker.buy("user-1", 100).await;
    let order = Order::new("user-1", 1).under(idempotency("order-1", "a"));
    let conflict = Order::new("user-1", 1).under(idempotency("order-1", "b"));
    let orders = [&order, &order, &conflict];
    let commands = orders.map(|order| Command::Admit(Box::new(order.admit(&scene.ids)))).to_vec();
    let outcomes = worker.write(commands).await;
    let [Outcome::Admit(Ok(one)), Outcome::Admit(Ok(two)), Outcome::Admit(Err(three))] = &outcomes[..] else {
        panic!("unexpected outcomes: {outcomes:?}");
    };
    assert_eq!((one.job, three), (two.job, &NotAdmitted::Conflict));
    assert_eq!(scene.wallet("user-1").await.held.get(), 10);
}

/// What was planned with another configuration is planned again, and the key stays free for that.
pub(super) async fn a_plan_of_an_older_configuration_admits_nothing(store: &dyn Store, clock: &TestClock) {
    let scene = Scene::configured(store, clock).await;
    let worker = scene.worker().await;
    worker.buy("user-1", 100).await;
    let package = Box::new(super::fixtures::package("package-2", 7));
    assert_eq!(worker.configure(ConfigurationChange::SetPackage(package)).await, Ok(2));
    let mut order = Order::new("user-1", 1).under(idempotency("order-1", "a"));
    assert_eq!(worker.admit(&order).await, Err(NotAdmitted::Stale));
    order.configuration_version = 3;
    assert_eq!(worker.admit(&order).await, Err(NotAdmitted::Stale));
    assert_eq!(scene.wallet("user-1").await.held, Amount::ZERO);
    order.configuration_version = 2;
    assert!(worker.admit(&order).await.is_ok());
}

/// A pool's queue is bounded; what does not fit holds nothing, and its key stays free.
pub(super) async fn a_full_queue_admits_nothing(store: &dyn Store, clock: &TestClock) {
    let scene = Scene::configured(store, clock).await;
    let worker = scene.worker().await;
    worker.buy("user-1", 1000).await;
    let order = |tasks| Order { queue_max: 5, ..Order::new("user-1", tasks) };
    worker.admit(&order(3)).await.expect("it fits");
    let late = order(3).under(idempotency("order-1", "a"));
    let full = NotAdmitted::QueueFull { route: route("ai33"), waiting: 3 };
    assert_eq!(worker.admit(&late).await, Err(full));
    assert_eq!(scene.wallet("user-1").await.held.get(), 30);
    worker.add_key(&NewKey::new("ai33", 10, 10)).await;
    worker.claim(pool("ai33"), 1).await;
    assert!(worker.admit(&late).await.is_ok(), "what runs does not wait");
}

/// Holds of a wallet never add up to more than it has.
pub(super) async fn a_hold_never_takes_what_is_not_there(store: &dyn Store, clock: &TestClock) {
    let scene = Scene::configured(store, clock).await;
    let worker = scene.worker().await;
    worker.buy("user-1", 35).await;
    let order = Order::new("user-1", 1);
    let commands = (0..5).map(|_| Command::Admit(Box::new(order.admit(&scene.ids)))).collect();
    let outcomes = worker.write(commands).await;
    let admitted = outcomes.iter().filter(|outcome| matches!(outcome, Outcome::Admit(Ok(_)))).count();
    assert_eq!(admitted, 3);
    let wallet = scene.wallet("user-1").await;
    assert_eq!((wallet.held.get(), wallet.available().get()), (30, 5));
}

/// Debt is paid before anything new starts, even what is free.
pub(super) async fn a_wallet_in_debt_takes_no_hold(store: &dyn Store, clock: &TestClock) {
    let scene = Scene::configured(store, clock).await;
    let worker = scene.worker().await;
    worker.adjust("user-1", -5).await.expect("a correction may make debt");
    let refused = NotAdmitted::Refused(Refusal::InDebt { debt: credits(5) });
    assert_eq!(worker.admit(&Order::new("user-1", 1)).await, Err(refused));
    worker.buy("user-1", 15).await;
    assert!(worker.admit(&Order::new("user-1", 1)).await.is_ok());
}

/// Weights of 70 and 30 hold for jobs of one task each as they do for the tasks of one job.
pub(super) async fn jobs_of_one_task_keep_the_ratio(store: &dyn Store, clock: &TestClock) {
    let scene = Scene::configured(store, clock).await;
    let (one, two) = (scene.worker().await, scene.worker().await);
    one.buy("user-1", 100_000).await;
    let order = Order::new("user-1", 1).on(&[("ai33", 70), ("ai84", 30)]);
    let mut on_ai33 = 0_i64;
    for k in 1..=100 {
        let worker = if k % 2 == 0 { &one } else { &two };
        let job = worker.admitted(&order).await;
        on_ai33 += i64::from(job.tasks[0].planned_route().route() == &route("ai33"));
        assert!((on_ai33 * 100 - k * 70).abs() < 100, "{on_ai33} of {k}");
    }
    assert_eq!(on_ai33, 70);
    let refused = one.admit(&Order { queue_max: 1, ..order.clone() }).await;
    assert!(matches!(refused, Err(NotAdmitted::QueueFull { .. })), "{refused:?}");
    let job = one.admitted(&Order { texts: vec!["0123456789".into(); 10], ..order }).await;
    let on_ai33 = job.tasks.iter().filter(|task| task.planned_route().route() == &route("ai33")).count();
    assert_eq!(on_ai33, 7, "what was refused moved no share");
}

/// A ratio that is new starts anew, one that was interrupted goes on.
pub(super) async fn each_set_of_shares_has_its_own_sequence(store: &dyn Store, clock: &TestClock) {
    let scene = Scene::configured(store, clock).await;
    let worker = scene.worker().await;
    worker.buy("user-1", 100_000).await;
    let shares: [&[(&str, u32)]; 3] =
        [&[("ai33", 70), ("ai84", 30)], &[("ai33", 1), ("ai84", 1)], &[("ai33", 1)]];
    let mut dealt: BTreeMap<usize, Vec<bool>> = BTreeMap::new();
    for round in 0..30 {
        let sequence = round % 3;
        let job = worker.admitted(&Order::new("user-1", 1).on(shares[sequence])).await;
        let on_ai33 = job.tasks[0].planned_route().route() == &route("ai33");
        dealt.entry(sequence).or_default().push(on_ai33);
    }
    let on_ai33 = |sequence: usize| dealt[&sequence].iter().filter(|on_ai33| **on_ai33).count();
    assert_eq!([on_ai33(0), on_ai33(1), on_ai33(2)], [7, 5, 10]);
}

/// Ten thousand tasks are admitted at once, read in order, claimed and cancelled.
pub(super) async fn a_job_of_ten_thousand_tasks_is_like_any_other(store: &dyn Store, clock: &TestClock) {
    const TASKS: usize = 10_000;
    let scene = Scene::configured(store, clock).await;
    let worker = scene.worker().await;
    worker.add_key(&NewKey::new("ai33", 100, 100)).await;
    worker.buy("user-1", 1_000_000).await;
    let third = line(Measure::Character, 1_000_000, 3);
    let order = Order { line: Some(third), ..Order::new("user-1", TASKS) };
    let book = worker.admitted(&order).await;
    assert_eq!(book.job.tasks as usize, TASKS);
    assert_eq!(book.tasks.len(), TASKS);
    assert!(book.tasks.iter().zip(0..).all(|(task, place)| task.place == place));
    assert_eq!(book.hold.amount.get(), (TASKS as i64 * TASK_CHARACTERS).div_euclid(3) + 1);
    assert_eq!(scene.pool(pool("ai33")).await.waiting, TASKS as i64);

    let leases = worker.claim(pool("ai33"), 100).await.leases;
    let places: Vec<u32> = leases.iter().map(|lease| lease.task.place).collect();
    assert_eq!(places, (0..100).collect::<Vec<_>>());
    let commands = leases.iter().map(|lease| super::fixtures::settle(lease, super::fixtures::done()));
    worker.write(commands.collect()).await;

    let stopped = worker.stop(book.job.id, StopWhy::Cancelled).await.expect("there is the job");
    assert_eq!(stopped.ended as usize, TASKS - 100);
    assert_eq!(stopped.job.state, JobState::Cancelled);
    assert_eq!(stopped.job.total.charged().get(), 334, "a hundred times ten thirds, rounded up once");
    assert_eq!(stopped.released.get(), book.hold.amount.get() - 334);
    assert_eq!(scene.pool(pool("ai33")).await.waiting, 0);
}
