//! Laws of claims: fair order, and every limit on the way kept.

use std::{num::NonZeroU32, sync::Arc, time::Duration};

use super::fixtures::{
    NewKey, Order, Scene, TestClock, TestWorker, done, egress, failed, pool, route, server, service,
};
use crate::{
    access::Scope,
    clock::{Clock, Timestamp},
    failure::{FailureKind, Reached},
    id::{AttemptId, TenantId},
    keys::{BUCKET_MICROS, Counted, Level, Limit, PollNeed, PoolId, Rules},
    lane::Lane,
    ledger::{Cause, Owner, WalletKey},
    money::{Amount, Unit},
    operation::Operation,
    routing::{Maintenance, SystemCommand},
    store::{
        Admit, AttemptFilter, AttemptResult, Claimed, Command, ConfigurationChange, CountLate, Credit, Lease,
        Movement, Outcome, Store, Then,
    },
    switch::Switch,
    work::{Attempt, AttemptState, Doubt, RouteCause, TaskState, Work},
};

/// How long a start counts: the window and its guard.
const SPAN: Duration = Duration::from_millis(60_500);
const INSTANT: Duration = Duration::from_micros(1);

/// A worker with money, keys and an order of so many tasks on AI33.
async fn with_work<'a>(scene: &'a Scene<'_>, keys: &[NewKey], tasks: usize) -> TestWorker<'a> {
    let worker = scene.worker().await;
    for key in keys {
        worker.add_key(key).await;
    }
    worker.buy("user-1", 1_000_000).await;
    worker.admit(&Order::new("user-1", tasks)).await.expect("it can be paid");
    worker
}

fn users(claimed: &Claimed) -> Vec<&str> {
    claimed.leases.iter().map(|lease| lease.task.user.as_str()).collect()
}

/// The attempt says everything that recovery and reports need; the task runs; the lease carries the work.
pub(super) async fn a_lease_joins_task_key_and_worker(store: &dyn Store, clock: &TestClock) {
    let scene = Scene::configured(store, clock).await;
    let worker = scene.worker().await;
    let key = worker.add_key(&NewKey::new("ai33", 5, 5).of_account("us", 9, 9)).await;
    worker.buy("user-1", 100).await;
    let job = worker.admitted(&Order::new("user-1", 2)).await;
    clock.advance(Duration::from_secs(3));

    let lease = worker.claim_through(egress(7, 7), pool("ai33"), 1).await.leases.remove(0);
    let Lease { attempt, task, work } = &lease;
    assert_eq!((attempt.task, attempt.job, attempt.key), (job.tasks[0].id, job.job.id, key));
    assert_eq!((&attempt.route, attempt.worker), (&route("ai33"), Some(worker.id)));
    assert_eq!(
        (&attempt.state, attempt.leased_at, attempt.ended_at),
        (&AttemptState::Leased, clock.now(), None)
    );
    assert_eq!(attempt.account_limit, Some(Limit::id_of_account(&server("ai33"), "us")));
    assert_eq!(attempt.egress_limit, Some(egress(7, 7).id));
    assert_eq!((attempt.charged, attempt.cost, attempt.possible_double), (Amount::ZERO, None, Doubt::None));
    assert_eq!((task.attempts, &task.state), (1, &TaskState::Running { attempt: attempt.id }));
    assert_eq!(**work, super::fixtures::speech("0123456789"));
    assert_eq!(&scene.task(task.id).await, task);
    let filter = AttemptFilter { limit: 10, ..Default::default() };
    assert_eq!(
        store.attempts(&Scope::All, &filter).await.expect("the store can be read"),
        std::slice::from_ref(attempt)
    );

    for id in [Limit::id_of_key(key), attempt.account_limit.expect("above"), egress(7, 7).id] {
        let limit = scene.limit(id).await;
        assert_eq!((limit.in_flight, limit.window.newest()), (1, Some(clock.now())));
    }
    assert_eq!(scene.key(key).await.last_used, Some(clock.now()));
    assert_eq!(scene.pool(pool("ai33")).await.waiting, 1);
}

/// Usage is told from the attempt's row alone: whose it is, what is bought in which unit, with whose key, and whether
/// the task was moved to the route. Its id tells when it was leased.
pub(super) async fn an_attempt_tells_whose_it_is_and_what_is_bought(store: &dyn Store, clock: &TestClock) {
    let scene = Scene::configured(store, clock).await;
    let worker = scene.worker().await;
    for server in ["ai33", "ai84"] {
        worker.add_key(&NewKey::new(server, 9, 9)).await;
    }
    let acme = TenantId::new("acme").expect("the id is legal");
    let wallet = WalletKey { tenant: acme.clone(), owner: Owner::Tenant, unit: Unit::CREDIT };
    let gift = Movement::Adjust { change: Amount::new(1000), cause: Cause::default() };
    let credit = Credit { wallet: wallet.clone(), ..worker.credit_command("user-1", gift) };
    worker.credit(credit).await.expect("credits can be given");
    let order = Order::new("user-1", 1).on(&[("ai33", 1), ("ai84", 0)]);
    let mut order = Admit { tenant: acme.clone(), wallet: wallet.clone(), ..order.admit(&scene.ids) };
    let Work::Speech(mut speech) = super::fixtures::speech("0123456789") else { panic!("a text is spoken") };
    speech.model = Some("eleven_v3".into());
    order.tasks[0].work = Arc::new(Work::Speech(speech));
    let job = order.job;
    worker.execute(Command::Admit(Box::new(order))).await;
    let row = scene.job(job).await.job;
    assert_eq!((row.model.as_deref(), row.unit), (Some("eleven_v3"), Unit::CREDIT));
    assert_eq!(row.payer(), Some(wallet));

    let tells = |attempt: &Attempt, cause| {
        assert_eq!((&attempt.tenant, attempt.user.as_str()), (&acme, "user-1"));
        assert_eq!((attempt.operation, attempt.model.as_deref()), (Operation::Speech, Some("eleven_v3")));
        assert_eq!((attempt.unit, attempt.lane, attempt.key_tenant()), (Unit::CREDIT, Lane::Shared, None));
        assert_eq!(attempt.cause, cause);
        let leased_at = attempt.leased_at;
        assert!(attempt.id >= AttemptId::first_at(leased_at));
        assert!(attempt.id < AttemptId::first_at(leased_at.plus(Duration::from_millis(1))));
    };
    let lease = worker.lease(pool("ai33")).await;
    tells(&lease.attempt, RouteCause::Planned);
    worker.settled(&lease, AttemptResult::NotSent).await;
    clock.advance(Duration::from_millis(7));
    let lease = worker.lease(pool("ai33")).await;
    tells(&lease.attempt, RouteCause::Planned);
    worker.settled(&lease, failed(FailureKind::Undeliverable, Reached::Yes)).await;
    clock.advance(Duration::from_micros(3));
    let lease = worker.lease(pool("ai84")).await;
    tells(&lease.attempt, RouteCause::Moved);
    worker.settled(&lease, failed(FailureKind::Policy, Reached::Yes)).await;
    worker.retry(job, "again").await.expect("it failed");
    let again = scene.job(job).await.tasks.remove(0);
    assert_eq!(again.cause, RouteCause::Planned);
    let planned = again.planned_route().route().server.clone();
    let (from, to) = if planned == server("ai33") { ("ai33", "ai84") } else { ("ai84", "ai33") };
    worker.replan(pool(from), &[(to, 1)], 1).await;
    let lease = worker.lease(pool(to)).await;
    tells(&lease.attempt, RouteCause::Moved);
    let settled = worker.settled(&lease, done()).await;
    assert_eq!(settled.task.cause, RouteCause::Moved);
}

/// Two users take turns, whatever the size of their orders and who came first; a newcomer waits for nobody's backlog.
pub(super) async fn users_with_work_waiting_are_served_alike(store: &dyn Store, clock: &TestClock) {
    let scene = Scene::configured(store, clock).await;
    let worker = with_work(&scene, &[NewKey::new("ai33", 1000, 1000)], 40).await;
    let early = worker.claim(pool("ai33"), 5).await;
    assert_eq!(users(&early), ["user-1"; 5]);
    for name in ["user-2", "user-3"] {
        worker.buy(name, 1000).await;
        worker.admit(&Order::new(name, 6)).await.expect("it can be paid");
    }
    let mut served = [0_i64; 3];
    for _ in 0..6 {
        for user in users(&worker.claim(pool("ai33"), 3).await) {
            let place = ["user-1", "user-2", "user-3"].iter().position(|name| *name == user);
            served[place.expect("there are three")] += 1;
        }
        let (least, most) = (served.iter().min(), served.iter().max());
        assert!(most.zip(least).is_some_and(|(most, least)| most - least <= 1), "{served:?}");
    }
    assert_eq!(served, [6, 6, 6]);
    assert_eq!(users(&worker.claim(pool("ai33"), 5).await), ["user-1"; 5]);
}

/// A user of weight 3 is served three tasks for each of a user of weight 1.
pub(super) async fn a_weight_is_a_share_of_the_queue(store: &dyn Store, clock: &TestClock) {
    let scene = Scene::configured(store, clock).await;
    let worker = with_work(&scene, &[NewKey::new("ai33", 1000, 1000)], 40).await;
    worker.buy("user-2", 1000).await;
    let three = NonZeroU32::new(3).expect("it is not zero");
    worker.admit(&Order { weight: three, ..Order::new("user-2", 40) }).await.expect("it can be paid");
    let claimed = worker.claim(pool("ai33"), 40).await;
    let heavy = users(&claimed).iter().filter(|user| **user == "user-2").count();
    assert_eq!(heavy, 30);
}

/// Of the keys that are free, the one that rested longest is used.
pub(super) async fn keys_are_leased_least_recently_used_first(store: &dyn Store, clock: &TestClock) {
    let scene = Scene::configured(store, clock).await;
    let keys = [(); 3].map(|()| NewKey::new("ai33", 10, 10));
    let worker = with_work(&scene, &keys, 9).await;
    let mut used = Vec::new();
    for _ in 0..9 {
        clock.advance(Duration::from_millis(10));
        used.push(worker.lease(pool("ai33")).await.attempt.key);
    }
    clock.advance(Duration::from_secs(3600));
    worker.admit(&Order::new("user-1", 6)).await.expect("it can be paid");
    let at_once = worker.claim(pool("ai33"), 6).await.leases;
    let at_once: Vec<_> = at_once.iter().map(|lease| lease.attempt.key).collect();
    assert_eq!((&at_once[..3], &at_once[3..]), (&used[..3], &used[..3]), "within one claim too");
    let mut first: Vec<_> = used[..3].to_vec();
    assert_eq!((&used[3..6], &used[6..]), (&used[..3], &used[..3]), "they take turns");
    first.sort_unstable();
    first.dedup();
    assert_eq!(first.len(), 3);
}

/// No call starts on a key that has as many in flight as it may; the end of one lets one start.
pub(super) async fn a_key_has_only_so_many_calls_in_flight(store: &dyn Store, clock: &TestClock) {
    let scene = Scene::configured(store, clock).await;
    let worker = with_work(&scene, &[NewKey::new("ai33", 2, 100)], 5).await;
    let claimed = worker.claim(pool("ai33"), 5).await;
    assert_eq!((claimed.leases.len(), claimed.then), (2, Then::At(Timestamp::FAR)));
    clock.advance(Duration::from_secs(3600));
    assert_eq!(worker.claim(pool("ai33"), 5).await.leases, []);
    worker.settled(&claimed.leases[0], done()).await;
    assert_eq!(worker.claim(pool("ai33"), 5).await.leases.len(), 1);
    worker.settled(&claimed.leases[1], failed(FailureKind::BadRequest, Reached::No)).await;
    assert_eq!(worker.claim(pool("ai33"), 5).await.leases.len(), 1);
}

/// No window of the rules' length has more starts of a key than it may, and the next start is possible to the instant.
pub(super) async fn a_key_starts_only_so_many_calls_in_a_window(store: &dyn Store, clock: &TestClock) {
    let scene = Scene::configured(store, clock).await;
    let worker = with_work(&scene, &[NewKey::new("ai33", 100, 3)], 7).await;
    let start = clock.now();
    assert_eq!(worker.claim(pool("ai33"), 1).await.leases.len(), 1);
    clock.advance(Duration::from_secs(1));
    let claimed = worker.claim(pool("ai33"), 5).await;
    assert_eq!((claimed.leases.len(), claimed.then), (2, Then::At(start.plus(SPAN))));
    clock.set(start.plus(SPAN - INSTANT));
    let claimed = worker.claim(pool("ai33"), 5).await;
    assert_eq!((claimed.leases.len(), claimed.then), (0, Then::At(start.plus(SPAN))));
    clock.advance(INSTANT);
    assert_eq!(worker.claim(pool("ai33"), 5).await.leases.len(), 1);
    clock.advance(Duration::from_secs(1));
    assert_eq!(worker.claim(pool("ai33"), 5).await.leases.len(), 2);
}

/// Calls of all keys of an account count together, in flight and per window.
pub(super) async fn keys_of_one_account_share_its_limits(store: &dyn Store, clock: &TestClock) {
    let scene = Scene::configured(store, clock).await;
    let keys = [(); 3].map(|()| NewKey::new("ai33", 10, 10).of_account("us", 4, 5));
    let worker = with_work(&scene, &keys, 20).await;
    let claimed = worker.claim(pool("ai33"), 10).await;
    assert_eq!(claimed.leases.len(), 4, "four in flight");
    for lease in &claimed.leases {
        worker.settled(lease, done()).await;
    }
    clock.advance(Duration::from_secs(1));
    assert_eq!(worker.claim(pool("ai33"), 10).await.leases.len(), 1, "five starts");
    clock.advance(SPAN - Duration::from_secs(1));
    let claimed = worker.claim(pool("ai33"), 10).await;
    assert_eq!(claimed.leases.len(), 3, "one of four is still in flight");
}

/// Forty keys of an account that is full do not keep the one key of another from being found.
pub(super) async fn a_full_account_hides_no_other_key(store: &dyn Store, clock: &TestClock) {
    let scene = Scene::configured(store, clock).await;
    let mut keys = vec![NewKey::new("ai33", 10, 10).of_account("full", 1, 100); 40];
    keys.push(NewKey::new("ai33", 10, 10));
    let worker = with_work(&scene, &keys, 3).await;
    let mut leases = Vec::new();
    for _ in 0..10 {
        let claimed = worker.claim(pool("ai33"), 2).await;
        leases.extend(claimed.leases);
        if claimed.then != Then::Again {
            break;
        }
    }
    assert_eq!(leases.len(), 3);
    let of_the_account = leases.iter().filter(|lease| lease.attempt.account_limit.is_some()).count();
    assert_eq!(of_the_account, 1);
}

/// A server seen from one address has one limit for all keys; it is made at its first use and follows its settings.
pub(super) async fn keys_behind_one_address_share_its_limits(store: &dyn Store, clock: &TestClock) {
    let scene = Scene::configured(store, clock).await;
    let worker = with_work(&scene, &[(); 4].map(|()| NewKey::new("ai33", 10, 10)), 20).await;
    let claimed = worker.claim_through(egress(10, 3), pool("ai33"), 8).await;
    assert_eq!(claimed.leases.len(), 3);
    let limit = scene.limit(egress(10, 3).id).await;
    assert_eq!((limit.level, limit.pool, limit.in_flight), (Level::Egress, None, 3));
    clock.advance(Duration::from_secs(1));
    assert_eq!(worker.claim_through(egress(10, 3), pool("ai33"), 8).await.leases, []);
    clock.advance(SPAN);
    let claimed = worker.claim_through(egress(4, 9), pool("ai33"), 8).await;
    assert_eq!(claimed.leases.len(), 1, "four in flight are allowed now");
    assert_eq!(scene.limit(egress(4, 9).id).await.per_window.get(), 9);
}

/// A call that was given back is as if it had not been leased: slot, window, attempts and key are free again.
pub(super) async fn a_call_that_never_left_takes_up_nothing(store: &dyn Store, clock: &TestClock) {
    let scene = Scene::configured(store, clock).await;
    let keys = [NewKey::new("ai33", 1, 1).of_account("us", 1, 1)];
    let worker = with_work(&scene, &keys, 1).await;
    for round in 0..30 {
        clock.advance(Duration::from_millis(100));
        let claimed = worker.claim_through(egress(1, 1), pool("ai33"), 1).await;
        assert_eq!(claimed.leases.len(), 1, "round {round}");
        let lease = &claimed.leases[0];
        assert_eq!((lease.task.attempts, lease.task.reached), (1, 0));
        let settled = worker.settled(lease, AttemptResult::NotSent).await;
        assert_eq!(settled.requeued, Some(pool("ai33")));
        assert!(matches!(settled.task.state, TaskState::Ready { .. }));
        assert_eq!((settled.task.attempts, &settled.task.tried[..]), (0, &[][..]));
        assert_eq!((settled.task.unfit_routes, settled.job.open_tasks), (0, 1));
    }
}

/// Giving back a start that the window forgot long ago takes back no other one.
pub(super) async fn a_call_given_back_late_opens_no_window(store: &dyn Store, clock: &TestClock) {
    let scene = Scene::configured(store, clock).await;
    let worker = with_work(&scene, &[NewKey::new("ai33", 10, 1)], 4).await;
    let stalled = worker.lease(pool("ai33")).await;
    clock.advance(SPAN);
    let sent = worker.lease(pool("ai33")).await;
    clock.advance(Duration::from_secs(1));
    worker.settled(&stalled, AttemptResult::NotSent).await;
    assert_eq!(worker.claim(pool("ai33"), 1).await.leases, []);
    clock.set(sent.attempt.leased_at.plus(SPAN));
    assert_eq!(worker.claim(pool("ai33"), 5).await.leases.len(), 1);
}

/// When the clock is set back, what was started counts as long as before.
pub(super) async fn a_clock_that_steps_back_opens_no_window(store: &dyn Store, clock: &TestClock) {
    let scene = Scene::configured(store, clock).await;
    let worker = with_work(&scene, &[NewKey::new("ai33", 10, 2)], 9).await;
    let start = clock.now();
    worker.lease(pool("ai33")).await;
    clock.set(start.minus(Duration::from_secs(3600)));
    worker.lease(pool("ai33")).await;
    for back in [3600, 61, 30, 0] {
        clock.set(start.minus(Duration::from_secs(back)));
        assert_eq!(worker.claim(pool("ai33"), 5).await.leases, [], "{back} s before");
    }
    clock.set(start.plus(SPAN - INSTANT));
    assert_eq!(worker.claim(pool("ai33"), 5).await.leases, []);
    clock.advance(INSTANT);
    assert_eq!(worker.claim(pool("ai33"), 5).await.leases.len(), 2);
}

/// When the clock was ahead for a while, what was started then counts for its key alone, and opens nobody's window.
pub(super) async fn a_clock_that_was_ahead_opens_no_window(store: &dyn Store, clock: &TestClock) {
    let scene = Scene::configured(store, clock).await;
    let keys = [NewKey::new("ai33", 1, 1), NewKey::new("ai33", 10, 1)];
    let worker = with_work(&scene, &keys, 9).await;
    let start = clock.now();
    clock.set(start.plus(Duration::from_secs(3600)));
    let ahead = worker.lease(pool("ai33")).await;
    clock.set(start);
    let other = worker.lease(pool("ai33")).await;
    assert_ne!(ahead.attempt.key, other.attempt.key);
    assert_eq!(other.attempt.leased_at, start);
    worker.settled(&ahead, done()).await;
    clock.advance(Duration::from_secs(1));
    assert_eq!(worker.claim(pool("ai33"), 5).await.leases, []);
    clock.set(start.plus(SPAN));
    let again = worker.claim(pool("ai33"), 5).await.leases;
    assert_eq!(again.len(), 1);
    assert_eq!(again[0].attempt.key, other.attempt.key);
}

/// Starts are counted in steps above a size; rounding only ever delays.
pub(super) async fn large_limits_are_kept_too(store: &dyn Store, clock: &TestClock) {
    let scene = Scene::configured(store, clock).await;
    let worker = with_work(&scene, &[NewKey::new("ai33", u32::MAX, 400)], 1000).await;
    let start = clock.now();
    let mut leased = 0;
    for _ in 0..20 {
        leased += worker.claim(pool("ai33"), 50).await.leases.len();
        clock.advance(Duration::from_secs(1));
    }
    assert_eq!(leased, 400);
    clock.set(start.plus(SPAN - INSTANT));
    assert_eq!(worker.claim(pool("ai33"), 500).await.leases.len(), 0);
    clock.set(start.plus(SPAN + Duration::from_micros(BUCKET_MICROS.unsigned_abs())));
    assert_eq!(worker.claim(pool("ai33"), 500).await.leases.len(), 50);
}

/// Work that only one key can do waits for that key alone, within its limits, and nobody else's waits behind it.
pub(super) async fn a_key_with_its_own_queue_serves_it(store: &dyn Store, clock: &TestClock) {
    let scene = Scene::configured(store, clock).await;
    let worker = with_work(&scene, &[NewKey::new("ai33", 10, 10)], 1).await;
    let special = worker.add_key(&NewKey::new("ai33", 2, 10)).await;
    let own = PoolId::of_key(special);
    let job = worker.admitted(&Order { only_key: Some(special), ..Order::new("user-1", 3) }).await;
    assert!(matches!(job.tasks[0].state, TaskState::Ready { pool, .. } if pool == own));
    let row = scene.pool(own).await;
    assert_eq!((row.key, row.waiting), (Some(special), 3));
    assert_eq!(scene.limit(Limit::id_of_key(special)).await.pool, Some(pool("ai33")));

    let claimed = worker.claim(own, 5).await;
    assert_eq!(claimed.leases.len(), 2);
    assert!(claimed.leases.iter().all(|lease| lease.attempt.key == special));
    assert_eq!(claimed.then, Then::At(Timestamp::FAR));
    let settled = worker.settled(&claimed.leases[0], failed(FailureKind::KeyRateLimited, Reached::No)).await;
    assert_eq!(settled.requeued, Some(own));
    assert_eq!(worker.claim(own, 5).await.leases, [], "it cools");
    let shared = worker.claim(pool("ai33"), 5).await;
    assert_eq!(shared.leases.len(), 1);
    assert_ne!(shared.leases[0].attempt.key, special);
    clock.advance(Duration::from_secs(15));
    assert_eq!(worker.claim(own, 5).await.leases.len(), 1);
}

/// A claim made with another configuration leases nothing: nothing starts after a change was acknowledged.
pub(super) async fn an_outdated_configuration_claims_nothing(store: &dyn Store, clock: &TestClock) {
    let scene = Scene::configured(store, clock).await;
    let worker = with_work(&scene, &[NewKey::new("ai33", 10, 10)], 2).await;
    let outdated = worker.claim_command(pool("ai33"), 1, 1);
    let weights = SystemCommand::SetWeights([(server("ai33"), 1)].into());
    assert_eq!(worker.configure(ConfigurationChange::System(weights)).await, Ok(2));
    let Outcome::Claim(claimed) = worker.execute(Command::Claim(outdated)).await else {
        panic!("a claim has a claim's outcome");
    };
    assert_eq!(claimed, Claimed { leases: Vec::new(), then: Then::Stale });
    assert_eq!(worker.claim(pool("ai33"), 1).await.leases.len(), 1);
}

/// Nothing starts on a route that is switched off, or whose service is in maintenance; what waits goes on afterwards.
pub(super) async fn a_route_that_is_off_or_in_maintenance_is_paused(store: &dyn Store, clock: &TestClock) {
    let scene = Scene::configured(store, clock).await;
    let worker = with_work(&scene, &[NewKey::new("ai33", 10, 10)], 4).await;
    let switch = |switch| SystemCommand::SetRoute { route: route("ai33"), switch };
    let maintenance = |what| SystemCommand::SetMaintenance(what);
    let pauses = [
        (switch(Switch::Off), switch(Switch::On)),
        (maintenance(Maintenance::Full), maintenance(Maintenance::None)),
        (
            maintenance(Maintenance::Services([service("elevenlabs")].into())),
            maintenance(Maintenance::Services([service("minimax")].into())),
        ),
    ];
    for (pause, lift) in pauses {
        worker.configure(ConfigurationChange::System(pause)).await.expect("it is legal");
        let paused = Claimed { leases: Vec::new(), then: Then::Paused };
        assert_eq!(worker.claim(pool("ai33"), 4).await, paused);
        worker.configure(ConfigurationChange::System(lift)).await.expect("it is legal");
        assert_eq!(worker.claim(pool("ai33"), 1).await.leases.len(), 1);
    }
}

/// A pool that never was and one whose queue ran out are empty; one with more work than was asked for is not.
pub(super) async fn an_empty_pool_has_nothing_to_claim(store: &dyn Store, clock: &TestClock) {
    let scene = Scene::configured(store, clock).await;
    let empty = Claimed { leases: Vec::new(), then: Then::Empty };
    let worker = scene.worker().await;
    assert_eq!(worker.claim(pool("ai33"), 4).await, empty);
    let worker = with_work(&scene, &[NewKey::new("ai33", 10, 10)], 3).await;
    let sequence = scene.pool(pool("ai33")).await.sequence;
    assert_eq!(worker.claim(pool("ai33"), 2).await.then, Then::Again);
    let last = worker.claim(pool("ai33"), 2).await;
    assert_eq!((last.leases.len(), last.then), (1, Then::Empty));
    assert_eq!(worker.claim(pool("ai33"), 4).await, empty);
    worker.admit(&Order::new("user-1", 1)).await.expect("it can be paid");
    assert!(scene.pool(pool("ai33")).await.sequence > sequence, "how others notice new work");
}

/// A poll that the upstream counts takes a call of the account's window, whoever made it, and no slot; without an
/// account, one of the key's. It is over when it is as old as any start.
pub(super) async fn a_poll_that_counts_takes_a_call_of_the_window(store: &dyn Store, clock: &TestClock) {
    let scene = Scene::configured(store, clock).await;
    scene.worker().await.buy("user-1", 1_000_000).await;
    let shared = [(); 2].map(|()| NewKey::new("ai33", 10, 10).of_account("us", 10, 5));
    let alone = NewKey::new("ai84", 10, 5);
    for (name, keys) in [("ai33", &shared[..]), ("ai84", &[alone][..])] {
        let worker = scene.worker().await;
        let other = scene.worker().await;
        for key in keys {
            worker.add_key(key).await;
        }
        worker.admit(&Order::new("user-1", 20).on(&[(name, 1)])).await.expect("it can be paid");
        let leases = worker.claim(pool(name), 2).await.leases;
        let [first, last] = [&leases[0], &leases[leases.len() - 1]];
        for (worker, lease) in [(&worker, first), (&other, last), (&other, first)] {
            assert!(worker.poll(lease, PollNeed::Due).await.is_ok());
        }
        let full =
            worker.poll(first, PollNeed::Due).await.expect_err("two starts and three polls are five calls");
        assert_eq!(full.until, clock.now().plus(SPAN));
        assert!(worker.claim(pool(name), 5).await.leases.is_empty(), "a start would be the sixth");
        let limit = first.attempt.account_limit.unwrap_or(Limit::id_of_key(first.attempt.key));
        let limit = scene.limit(limit).await;
        assert_eq!((limit.in_flight, limit.window.count(), limit.window.polls()), (2, 5, 3));
        clock.set(full.until);
        assert!(worker.poll(first, PollNeed::Due).await.is_ok(), "as old as a start that is forgotten");
    }
}

/// A start or a poll whose answer took longer than the guard counts, on every level, as if it had been made when the
/// answer came, less the guard. An answer that takes longer than a window makes it count anew.
pub(super) async fn a_call_whose_answer_was_late_counts_from_its_answer(
    store: &dyn Store,
    clock: &TestClock,
) {
    let scene = Scene::configured(store, clock).await;
    let worker = with_work(&scene, &[NewKey::new("ai33", 30, 3).of_account("us", 30, 3)], 200).await;
    for took in [Duration::from_secs(7), SPAN + Duration::from_secs(7)] {
        let lease = worker.lease(pool("ai33")).await;
        let polled_at = worker.poll(&lease, PollNeed::Due).await.expect("nothing else was called");
        let Attempt { key, account_limit, egress_limit, leased_at, .. } = lease.attempt;
        clock.advance(took);
        for (call, counted_at) in [(Counted::Start, leased_at), (Counted::Poll, polled_at)] {
            let late = CountLate { call, key, account_limit, egress_limit, counted_at, took };
            assert_eq!(worker.execute(Command::CountLate(late)).await, Outcome::Done);
        }
        worker.lease(pool("ai33")).await;
        let claimed = worker.claim(pool("ai33"), 1).await;
        assert_eq!((claimed.leases.len(), claimed.then), (0, Then::At(leased_at.plus(took + Rules::WINDOW))));
        clock.set(leased_at.plus(took + Rules::WINDOW));
        assert_eq!(worker.claim(pool("ai33"), 3).await.leases.len(), 2, "{took:?}");
        clock.advance(SPAN);
    }
}

/// Starts leave some calls of a window to polls, as many as polls need: one that found no room has room in the next
/// window, and what polls do not use is given back to starts.
pub(super) async fn starts_leave_room_for_the_polls_that_they_need(store: &dyn Store, clock: &TestClock) {
    let scene = Scene::configured(store, clock).await;
    let worker = with_work(&scene, &[NewKey::new("ai33", 30, 10).of_account("us", 30, 10)], 200).await;
    let mut starts = Vec::new();
    for polls in [1, 1, 1, 3, 3, 3] {
        let leases = worker.claim_beside_polls(pool("ai33"), 30).await.leases;
        starts.push(leases.len());
        for _ in 0..polls {
            clock.advance(Duration::from_secs(9));
            // What is refused waits for the next window.
            let _ = worker.poll(&leases[0], PollNeed::Due).await;
        }
        for lease in &leases {
            worker.settled(lease, done()).await;
        }
        clock.advance(SPAN - Duration::from_secs(9 * polls));
    }
    assert_eq!(starts, [8, 9, 9, 9, 7, 7]);
}

/// A poll for a result that may be ready is made while half of the window is free, a question that nobody waits for
/// while three quarters are, and one that is waited for while a call is: none of them keeps room.
pub(super) async fn a_poll_that_is_not_needed_leaves_the_room_to_starts(
    store: &dyn Store,
    clock: &TestClock,
) {
    let scene = Scene::configured(store, clock).await;
    let worker = with_work(&scene, &[NewKey::new("ai33", 30, 10).of_account("us", 30, 10)], 200).await;
    let lease = worker.claim_beside_polls(pool("ai33"), 1).await.leases.remove(0);
    assert!(worker.poll(&lease, PollNeed::Idle).await.is_ok());
    let refused =
        worker.poll(&lease, PollNeed::Idle).await.expect_err("the third call is more than a quarter");
    assert_eq!(refused.until, Timestamp::FAR);
    for _ in 0..3 {
        assert!(worker.poll(&lease, PollNeed::Spare).await.is_ok());
    }
    let refused = worker.poll(&lease, PollNeed::Spare).await.expect_err("the other half is for starts");
    assert_eq!(refused.until, Timestamp::FAR);
    // Two of the five calls that are left, which starts are not kept from.
    for _ in 0..2 {
        assert!(worker.poll(&lease, PollNeed::Asked).await.is_ok());
    }
    assert_eq!(worker.claim_beside_polls(pool("ai33"), 30).await.leases.len(), 3);
    let refused = worker.poll(&lease, PollNeed::Asked).await.expect_err("every call was made");
    assert!(refused.until < Timestamp::FAR, "{refused:?}");
    clock.advance(Rules::WINDOW + Rules::GUARD);
    let starts = worker.claim_beside_polls(pool("ai33"), 30).await.leases.len();
    assert_eq!(starts, 9, "a call is kept for polls, as if nobody had asked");
}
