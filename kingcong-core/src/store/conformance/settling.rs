//! Laws of settling: what is charged, who is blamed, and where a task goes next.

use std::{collections::BTreeSet, time::Duration};

use bytes::Bytes;

use super::fixtures::{
    NewKey, Order, Scene, TASK_CHARACTERS, TestClock, TestWorker, cloning, done, done_in, failed,
    failed_with, line, lost, pool, route, server, service, settle, unanswered,
};
use crate::{
    access::Scope,
    clock::{Clock, Timestamp},
    failure::{Failure, FailureKind, Reached},
    id::VoiceId,
    keys::{KeyStatus, Limit, Passage, PoolId, Verdict},
    ledger::{EntryKind, HoldState},
    measure::{Counts, Measure, Measured},
    money::Amount,
    pricing::{Checked, Overrun},
    routing::SystemCommand,
    store::{
        AttemptFilter, AttemptResult, Command, ConfigurationChange, LateAnswer, Lease, NotMine, Outcome,
        Settled, Store, Then, UnknownPolicy, Unsettled, VoiceRow, Waited,
    },
    switch::Switch,
    upstream::{UpstreamCredits, UpstreamId},
    work::{Attempt, AttemptState, Body, Doubt, Ending, JobState, MadeVoice, Task, TaskError, TaskState},
};

/// A worker with money and these keys.
async fn with_keys<'a>(scene: &'a Scene<'_>, keys: &[NewKey]) -> TestWorker<'a> {
    let worker = scene.worker().await;
    for key in keys {
        worker.add_key(key).await;
    }
    worker.buy("user-1", 1_000_000).await;
    worker
}

fn roomy(server: &str) -> NewKey {
    NewKey::new(server, 100, 100)
}

async fn attempt(store: &dyn Store, lease: &Lease) -> Attempt {
    let filter = AttemptFilter { job: Some(lease.attempt.job), limit: 100, ..Default::default() };
    let attempts = store.attempts(&Scope::All, &filter).await.expect("the store can be read");
    attempts.into_iter().find(|attempt| attempt.id == lease.attempt.id).expect("it was leased")
}

fn ready_in(task: &Task) -> Option<PoolId> {
    match task.state {
        TaskState::Ready { pool, .. } => Some(pool),
        _ => None,
    }
}

fn error_of(task: &Task) -> Option<&TaskError> {
    match &task.state {
        TaskState::Failed { error } => Some(error),
        _ => None,
    }
}

/// The result can be read, the task is done, its price is captured from the hold, and the last one releases the rest.
pub(super) async fn a_result_is_stored_and_charged(store: &dyn Store, clock: &TestClock) {
    let scene = Scene::configured(store, clock).await;
    let worker = with_keys(&scene, &[roomy("ai33")]).await;
    let order = Order::new("user-1", 2).on(&[("ai33", 1), ("ai84", 0)]);
    let job = worker.admitted(&order).await;
    assert_eq!(job.hold.amount.get(), 40, "twenty characters on the dearer route");
    let leases = worker.claim(pool("ai33"), 2).await.leases;
    clock.advance(Duration::from_secs(7));

    let srt = Some("1\n00:00:00,000 --> 00:00:01,000\nXin chào\n".into());
    let output = super::fixtures::sound(44_100).stored(Body::Memory(Bytes::from_static(b"\x00\xffmp3")), srt);
    let (cost, audio_ms) = (UpstreamCredits::from_thousandths(1_250), Some(600));
    let measured = Measured::from(Counts::of([(Measure::AudioMs, audio_ms), (Measure::Character, Some(10))]));
    let result = AttemptResult::Done { output: output.clone(), cost: Some(cost), measured: measured.clone() };
    let first = worker.settled(&leases[0], result).await;
    assert_eq!((first.charged.get(), first.debt, first.released), (10, Amount::ZERO, Amount::ZERO));
    assert_eq!((&first.task.state, first.task.charged.get()), (&TaskState::Done, 10));
    assert_eq!(first.task.finished_at, Some(clock.now()));
    assert_eq!((first.job.state, first.job.open_tasks), (JobState::Open, 1));
    let row = store.output(first.task.id).await.expect("the store can be read").expect("it is stored");
    assert_eq!((row.task, row.output), (first.task.id, output));
    let ended = attempt(store, &leases[0]).await;
    assert_eq!((ended.state, ended.worker), (AttemptState::Ended(Ending::Done), None));
    assert_eq!((ended.ended_at, ended.cost), (Some(clock.now()), Some(cost)));
    assert_eq!((ended.charged.get(), ended.measured), (10, measured));
    let wallet = scene.wallet("user-1").await;
    assert_eq!((wallet.balance.get(), wallet.held.get(), wallet.total_spent.get()), (999_990, 30, 10));
    let entry = store.entries(wallet.id, None, 1).await.expect("the store can be read").remove(0);
    assert_eq!((entry.kind, entry.amount.get()), (EntryKind::Usage, -10));
    assert_eq!((entry.cause.route, entry.cause.task), (Some(route("ai33")), Some(first.task.id)));

    clock.advance(Duration::from_secs(1));
    let last = worker.settled(&leases[1], done()).await;
    assert_eq!((last.job.state, last.job.finished_at), (JobState::Completed, Some(clock.now())));
    assert_eq!((last.charged.get(), last.released.get()), (10, 20));
    let book = scene.job(job.job.id).await;
    let closed = HoldState::Closed { at: clock.now(), released: Amount::new(20) };
    assert_eq!((book.hold.state, book.hold.captured.get()), (closed, 20));
    assert_eq!(book.job, last.job);
    let wallet = scene.wallet("user-1").await;
    assert_eq!((wallet.balance.get(), wallet.held), (999_980, Amount::ZERO));
}

/// A task that moved to another server costs what it costs there.
pub(super) async fn the_route_that_did_it_sets_the_price(store: &dyn Store, clock: &TestClock) {
    let scene = Scene::configured(store, clock).await;
    let worker = with_keys(&scene, &[roomy("ai33"), roomy("ai84")]).await;
    worker.admit(&Order::new("user-1", 1).on(&[("ai33", 1), ("ai84", 0)])).await.expect("it can be paid");
    let lease = worker.lease(pool("ai33")).await;
    let moved = worker.settled(&lease, failed(FailureKind::Busy, Reached::No)).await;
    assert_eq!(moved.requeued, Some(pool("ai84")));
    let lease = worker.lease(pool("ai84")).await;
    assert_eq!(&*lease.task.planned_route().known_as, "voice on ai84");
    let settled = worker.settled(&lease, done()).await;
    assert_eq!((settled.charged.get(), settled.released.get()), (20, 0));
}

/// Three tasks of two thirds of a credit cost two credits, in whatever order they end and whatever fails.
pub(super) async fn a_job_is_rounded_once_whatever_its_parts(store: &dyn Store, clock: &TestClock) {
    let scene = Scene::configured(store, clock).await;
    let worker = with_keys(&scene, &[roomy("ai33")]).await;
    let two_thirds = line(Measure::Character, 1_000_000, 3);
    let order = Order { line: Some(two_thirds), texts: vec!["ab".into(); 4], ..Order::new("user-1", 0) };
    for order_of_ends in [[0, 1, 2, 3], [3, 2, 1, 0], [2, 0, 3, 1]] {
        worker.admit(&order).await.expect("it can be paid");
        let leases = worker.claim(pool("ai33"), 4).await.leases;
        let mut charged = Vec::new();
        let mut last: Option<Settled> = None;
        for place in order_of_ends {
            let fails = failed(FailureKind::Policy, Reached::Yes);
            let settled = worker.settled(&leases[place], if place == 1 { fails } else { done() }).await;
            charged.push(settled.charged.get());
            last = Some(settled);
        }
        let job = last.expect("four ended").job;
        assert_eq!((job.total.charged().get(), job.state), (2, JobState::CompletedWithFailures));
        assert_eq!(charged.iter().sum::<i64>(), 2, "{charged:?}");
    }
}

/// MiniMax on AI33, whose audio costs a credit a second, with a key; and an order for texts of so many characters,
/// which are held for as 120 ms of audio a character and 2 s a text.
async fn by_the_second(worker: &TestWorker<'_>, characters: &[usize]) -> (PoolId, Order) {
    let route = crate::id::Route { service: service("minimax"), ..route("ai33") };
    let pool = PoolId::shared(&route);
    worker.add_key(&NewKey { route, ..roomy("ai33") }).await;
    let texts = characters.iter().map(|count| "a".repeat(*count).into()).collect();
    (pool, Order { service: service("minimax"), texts, ..Order::new("user-1", 0) })
}

fn with_overrun(order: Order, servers: &[&str]) -> Order {
    let overruns = servers.iter().map(|name| (server(name), Overrun::Payer)).collect();
    Order { overruns, ..order }
}

/// Whatever is measured, and whatever the wallet has left, a job takes no more than its hold; the rest is told in the
/// attempt's row.
pub(super) async fn a_job_is_charged_at_most_its_hold(store: &dyn Store, clock: &TestClock) {
    let scene = Scene::configured(store, clock).await;
    let worker = scene.worker().await;
    worker.buy("user-1", 10_000).await;
    let (pool, order) = by_the_second(&worker, &[1000]).await;
    for (audio_ms, charged, over_hold) in [
        (0, 0, 0),
        (60_000, 60, 0),
        (122_000, 122, 0),
        (122_001, 122, 1),
        (199_001, 122, 78),
        (1_220_000, 122, 1098),
        (1_220_001, 122, 1099),
        (i64::MAX.unsigned_abs(), 122, i64::MAX / 1000 + 1 - 122),
    ] {
        let job = worker.admitted(&order).await;
        assert_eq!(job.hold.amount.get(), 122);
        let before = scene.wallet("user-1").await;
        let lease = worker.lease(pool).await;
        let settled = worker.settled(&lease, done_in(Some(audio_ms))).await;
        assert_eq!((settled.charged.get(), settled.debt.get()), (charged, 0), "{audio_ms} ms");
        assert_eq!(settled.over_hold.get(), over_hold, "{audio_ms} ms");
        let row = attempt(store, &lease).await;
        assert_eq!((row.charged.get(), row.over_hold.get()), (charged, over_hold), "{audio_ms} ms");
        let check = if audio_ms > 122_000 { Checked::OverBound } else { Checked::Within };
        assert_eq!(row.check, check, "{audio_ms} ms");
        let wallet = scene.wallet("user-1").await;
        assert_eq!(before.balance.get() - wallet.balance.get(), charged, "{audio_ms} ms");
        assert_eq!((wallet.held.get(), wallet.debt.get()), (0, 0), "{audio_ms} ms");
        assert_eq!(scene.job(job.job.id).await.job.total.charged().get(), charged, "{audio_ms} ms");
    }

    // What one task leaves of the hold is there for another of the job, one that failed too.
    let (_, order) = by_the_second(&worker, &[100, 100, 100]).await;
    let job = worker.admitted(&order).await;
    assert_eq!(job.hold.amount.get(), 42);
    let leases = worker.claim(pool, 3).await.leases;
    let refused = failed(FailureKind::Policy, Reached::Yes);
    for (lease, result, charged, over_hold) in
        [(0, done_in(Some(20_000)), 20, 0), (1, refused, 0, 0), (2, done_in(Some(30_500)), 22, 9)]
    {
        let settled = worker.settled(&leases[lease], result).await;
        assert_eq!((settled.charged.get(), settled.over_hold.get()), (charged, over_hold), "task {lease}");
    }
    let book = scene.job(job.job.id).await;
    assert_eq!((book.hold.captured.get(), book.job.state), (42, JobState::CompletedWithFailures));
}

/// What a price with an overrun costs beyond the hold is taken from what is available, and the rest is owed. What
/// cannot be is charged at the bound.
pub(super) async fn an_overrun_is_taken_from_what_is_available_and_the_rest_is_owed(
    store: &dyn Store,
    clock: &TestClock,
) {
    let scene = Scene::configured(store, clock).await;
    let worker = scene.worker().await;
    worker.buy("user-1", 150).await;
    let (pool, order) = by_the_second(&worker, &[1000]).await;
    let order = with_overrun(order, &["ai33"]);
    let job = worker.admitted(&order).await;
    assert_eq!(job.hold.amount.get(), 122);
    let lease = worker.lease(pool).await;
    let settled = worker.settled(&lease, done_in(Some(199_001))).await;
    assert_eq!((settled.charged.get(), settled.debt.get(), settled.released.get()), (200, 50, 0));
    assert_eq!((settled.over_hold, attempt(store, &lease).await.over_hold), (Amount::ZERO, Amount::ZERO));
    let wallet = scene.wallet("user-1").await;
    assert_eq!((wallet.balance.get(), wallet.held.get(), wallet.debt.get()), (0, 0, 50));
    assert_eq!(wallet.total_spent.get(), 200);
    let entry = store.entries(wallet.id, None, 1).await.expect("the store can be read").remove(0);
    assert_eq!((entry.amount.get(), entry.debt_change.get(), entry.debt_after.get()), (-150, 50, 50));

    worker.buy("user-1", 10_000).await;
    for (audio_ms, charged) in [(1_220_000, 1220), (1_220_001, 122), (i64::MAX.unsigned_abs(), 122)] {
        worker.admit(&order).await.expect("it can be paid");
        let settled = worker.settled(&worker.lease(pool).await, done_in(Some(audio_ms))).await;
        assert_eq!((settled.charged.get(), settled.debt.get()), (charged, 0), "{audio_ms} ms");
    }
}

/// Usage that was not told is charged at the bound that was held.
pub(super) async fn usage_that_was_not_told_is_charged_at_the_bound(store: &dyn Store, clock: &TestClock) {
    let scene = Scene::configured(store, clock).await;
    let worker = scene.worker().await;
    worker.buy("user-1", 1000).await;
    let (pool, order) = by_the_second(&worker, &[1000]).await;
    for order in [order.clone(), with_overrun(order, &["ai33"])] {
        worker.admit(&order).await.expect("it can be paid");
        let settled = worker.settled(&worker.lease(pool).await, done_in(None)).await;
        assert_eq!((settled.charged.get(), settled.over_hold.get()), (122, 0));
        assert_eq!((settled.job.state, settled.released.get()), (JobState::Completed, 0));
    }
}

/// A job of tasks on routes with and without an overrun costs the same whatever ends first.
pub(super) async fn what_a_job_costs_at_most_is_the_same_in_any_order(store: &dyn Store, clock: &TestClock) {
    let scene = Scene::configured(store, clock).await;
    let worker = scene.worker().await;
    worker.buy("user-1", 10_000).await;
    let of = |name: &str| crate::id::Route { service: service("minimax"), ..route(name) };
    let (_, order) = by_the_second(&worker, &[100; 4]).await;
    worker.add_key(&NewKey { route: of("ai84"), ..roomy("ai84") }).await;
    // A second costs 1 on AI33, and 2 on AI84: 4 tasks of 14 s are held for at 2.
    let order = with_overrun(order.on(&[("ai33", 1), ("ai84", 1)]), &["ai84"]);
    for (audio_ms, charged) in [([10_000, 10_000], 60), ([30_000, 16_000], 112), ([60_000, 40_000], 160)] {
        for order_of_ends in [[0, 1, 2, 3], [3, 2, 1, 0], [2, 0, 3, 1]] {
            let job = worker.admitted(&order).await;
            assert_eq!(job.hold.amount.get(), 112);
            let mut leases = worker.claim(PoolId::shared(&of("ai33")), 2).await.leases;
            leases.extend(worker.claim(PoolId::shared(&of("ai84")), 2).await.leases);
            for place in order_of_ends {
                worker.settled(&leases[place], done_in(Some(audio_ms[place / 2]))).await;
            }
            let book = scene.job(job.job.id).await;
            assert_eq!(book.job.total.charged().get(), charged, "{audio_ms:?} in order {order_of_ends:?}");
            assert_eq!(book.hold.captured.get(), charged.min(112));
        }
    }
}

/// A cloned voice is kept with its user and the key whose account has it.
pub(super) async fn a_cloned_voice_belongs_to_its_user(store: &dyn Store, clock: &TestClock) {
    let scene = Scene::configured(store, clock).await;
    let worker = with_keys(&scene, &[roomy("ai33")]).await;
    let clone = cloning(Order::new("user-1", 1).admit(&scene.ids));
    let outcome = worker.execute(Command::Admit(Box::new(clone))).await;
    assert!(matches!(outcome, Outcome::Admit(Ok(_))), "{outcome:?}");
    let lease = worker.lease(pool("ai33")).await;
    let id = VoiceId::from_uuid(scene.ids.uuid());
    let (upstream_voice, name) = ("up-77".to_owned(), "Giọng của tôi".to_owned());
    let output = MadeVoice { id, upstream_voice: upstream_voice.clone(), name: name.clone() }.stored();
    let result = AttemptResult::Done { output, cost: None, measured: Measured::NOTHING };
    let settled = worker.settled(&lease, result).await;
    let voice = VoiceRow {
        id,
        tenant: settled.task.tenant.clone(),
        user: settled.task.user.clone(),
        key: lease.attempt.key,
        route: route("ai33"),
        upstream_voice,
        name,
        created_at: clock.now(),
    };
    assert_eq!(store.voice(&Scope::All, id).await.expect("the store can be read").as_ref(), Some(&voice));
    let voices = store
        .voices(&Scope::User(voice.tenant.clone(), voice.user.clone()))
        .await
        .expect("the store can be read");
    assert_eq!(voices, std::slice::from_ref(&voice));
    let known = async |id| store.voices_known_as(id).await.expect("the store can be read");
    assert_eq!(known("up-77").await, std::slice::from_ref(&voice));
    for unknown in ["up-7", "up-777", "UP-77", ""] {
        assert_eq!(known(unknown).await, [], "{unknown:?}");
    }
    let others = store.voices(&Scope::User(voice.tenant.clone(), super::fixtures::user("user-2"))).await;
    assert_eq!(others.expect("the store can be read"), []);
}

/// An attempt that ended, or that is another worker's, cannot be settled.
pub(super) async fn an_attempt_is_settled_once(store: &dyn Store, clock: &TestClock) {
    let scene = Scene::configured(store, clock).await;
    let (worker, other) = (with_keys(&scene, &[roomy("ai33")]).await, scene.worker().await);
    worker.admit(&Order::new("user-1", 2)).await.expect("it can be paid");
    let lease = worker.lease(pool("ai33")).await;
    assert_eq!(other.settle(&lease, done()).await, Err(Unsettled::NotMine));
    let outcomes = worker.write(vec![settle(&lease, done()), settle(&lease, done())]).await;
    assert!(matches!(outcomes[0], Outcome::Settle(Ok(_))));
    assert_eq!(outcomes[1], Outcome::Settle(Err(Unsettled::NotMine)));
    for result in [done(), failed(FailureKind::Busy, Reached::No), AttemptResult::NotSent, unanswered()] {
        assert_eq!(worker.settle(&lease, result).await, Err(Unsettled::NotMine));
    }
    let mut unknown = lease.clone();
    unknown.attempt.id = crate::id::AttemptId::from_uuid(scene.ids.uuid());
    assert_eq!(worker.settle(&unknown, done()).await, Err(Unsettled::NotMine));
    assert_eq!(scene.wallet("user-1").await.total_spent.get(), TASK_CHARACTERS);
}

/// The upstream's id is written once, by the worker that sent, while the attempt is open.
pub(super) async fn an_attempt_is_accepted_once(store: &dyn Store, clock: &TestClock) {
    let scene = Scene::configured(store, clock).await;
    let (worker, other) = (with_keys(&scene, &[roomy("ai33")]).await, scene.worker().await);
    worker.admit(&Order::new("user-1", 1)).await.expect("it can be paid");
    let lease = worker.lease(pool("ai33")).await;
    assert_eq!(other.accept(&lease, "theirs").await, Err(NotMine));
    assert_eq!(worker.accept(&lease, "upstream-1").await, Ok(()));
    assert_eq!(worker.accept(&lease, "upstream-2").await, Err(NotMine));
    let accepted = AttemptState::Accepted { upstream_id: UpstreamId("upstream-1".into()) };
    assert_eq!(attempt(store, &lease).await.state, accepted);
    worker.settled(&lease, unanswered()).await;
    assert_eq!(attempt(store, &lease).await.state, accepted, "what can be polled is not unknown");
    worker.settled(&lease, done()).await;
    assert_eq!(worker.accept(&lease, "upstream-3").await, Err(NotMine));
}

/// The request's fault fails the task at once: no other key, no other route, nobody cools.
pub(super) async fn a_wrong_request_fails_and_punishes_nobody(store: &dyn Store, clock: &TestClock) {
    let scene = Scene::configured(store, clock).await;
    let worker = with_keys(&scene, &[roomy("ai33"), roomy("ai84")]).await;
    for kind in [FailureKind::BadRequest, FailureKind::Policy, FailureKind::TooLarge] {
        let order = Order::new("user-1", 1).on(&[("ai33", 1), ("ai84", 0)]);
        worker.admit(&order).await.expect("it can be paid");
        let lease = worker.lease(pool("ai33")).await;
        let settled = worker.settled(&lease, failed(kind, Reached::Yes)).await;
        let error = TaskError::Upstream { kind, message: "the upstream's words".into() };
        assert_eq!(error_of(&settled.task), Some(&error));
        assert_eq!((settled.job.state, settled.released.get()), (JobState::Failed, 20));
        assert_eq!((settled.charged, settled.check_key, settled.requeued), (Amount::ZERO, None, None));
        let key = scene.key(lease.attempt.key).await;
        let limit = scene.limit(Limit::id_of_key(key.id)).await;
        assert_eq!((key.key.status, limit.cooling_until), (KeyStatus::Active, Timestamp::EPOCH));
        let ended = attempt(store, &lease).await.state;
        assert!(matches!(ended, AttemptState::Ended(Ending::Failed { kind: k, .. }) if k == kind));
    }
    assert_eq!(scene.wallet("user-1").await.total_spent, Amount::ZERO);
}

/// A key that is dead or out of credit serves nothing until a check finds it well; its task goes on.
pub(super) async fn a_key_that_fails_leaves_its_pool_until_it_is_checked(
    store: &dyn Store,
    clock: &TestClock,
) {
    let scene = Scene::configured(store, clock).await;
    let worker = with_keys(&scene, &[roomy("ai33"), roomy("ai33")]).await;
    let dead = KeyStatus::Dead { reason: "the upstream's words".into() };
    let needed = UpstreamCredits::whole(TASK_CHARACTERS);
    for (kind, status, wants_check) in [
        (FailureKind::KeyDead, dead, false),
        (FailureKind::OutOfCredit, KeyStatus::OutOfCredit { needed }, true),
    ] {
        worker.admit(&Order::new("user-1", 1)).await.expect("it can be paid");
        let lease = worker.lease(pool("ai33")).await;
        let bad = lease.attempt.key;
        let settled = worker.settled(&lease, failed(kind, Reached::No)).await;
        assert_eq!(settled.requeued, Some(pool("ai33")));
        assert_eq!(settled.check_key, wants_check.then_some(bad));
        assert_eq!((scene.key(bad).await.key.status, scene.serving(pool("ai33")).await), (status, 1));
        let again = worker.lease(pool("ai33")).await;
        assert_ne!(again.attempt.key, bad);
        worker.settled(&again, done()).await;

        let unclear = worker.check_key(bad, Verdict::Unclear).await.expect("there is the key");
        assert!(!unclear.is_usable());
        let poor = Verdict::Alive(Some(UpstreamCredits::whole(TASK_CHARACTERS - 1)));
        if kind == FailureKind::OutOfCredit {
            assert!(!worker.check_key(bad, poor).await.expect("there is the key").is_usable());
        }
        let well = Verdict::Alive(Some(needed));
        let checked = worker.check_key(bad, well).await.expect("there is the key");
        assert_eq!((checked.status.clone(), checked.balance), (KeyStatus::Active, Some(needed)));
        assert_eq!(checked.checked_at, Some(clock.now()));
        assert_eq!(scene.serving(pool("ai33")).await, 2);
        clock.advance(Duration::from_secs(3600));
    }
}

/// What a plan or a permission of one key may not allow is asked of a few others. Then it fails in the upstream's
/// words, and no key is marked.
pub(super) async fn what_keys_may_not_do_punishes_none_of_them(store: &dyn Store, clock: &TestClock) {
    let scene = Scene::configured(store, clock).await;
    let worker = with_keys(&scene, &["ai33"; 5].map(roomy)).await;
    let not_allowed = || failed(FailureKind::NotAllowed, Reached::No);
    let error = TaskError::Upstream { kind: FailureKind::NotAllowed, message: "the upstream's words".into() };
    worker.admit(&Order::new("user-1", 1)).await.expect("it can be paid");
    let mut asked = BTreeSet::new();
    for tries in 1..=3 {
        let lease = worker.lease(pool("ai33")).await;
        assert!(asked.insert(lease.attempt.key), "each key is asked once");
        let settled = worker.settled(&lease, not_allowed()).await;
        assert_eq!((error_of(&settled.task), settled.check_key), ((tries == 3).then_some(&error), None));
        let limit = scene.limit(Limit::id_of_key(lease.attempt.key)).await;
        assert_eq!((limit.doubts, limit.cooling_until), (0, Timestamp::EPOCH));
    }
    let keys = store.keys().await.expect("the store can be read");
    assert!(keys.iter().all(|key| key.status == KeyStatus::Active), "{keys:?}");

    // One key alone is not asked for ever, and another route is.
    worker.add_key(&roomy("ai84")).await;
    let order = Order::new("user-1", 1).on(&[("ai84", 1), ("ai33", 0)]);
    worker.admit(&order).await.expect("it can be paid");
    for tries in 1..=2 {
        let settled = worker.settled(&worker.lease(pool("ai84")).await, not_allowed()).await;
        assert_eq!(ready_in(&settled.task), Some(pool(if tries == 1 { "ai84" } else { "ai33" })));
    }
}

/// A key that an upstream casts doubt on rests, each time for twice as long, lets one call through in that time,
/// and is trusted again once one succeeds. What was under way when it began to rest counts for nothing.
pub(super) async fn a_key_in_doubt_rests_longer_each_time_and_is_tried_with_one_call(
    store: &dyn Store,
    clock: &TestClock,
) {
    let scene = Scene::configured(store, clock).await;
    let worker = with_keys(&scene, &[roomy("ai33")]).await;
    worker.admit(&Order::new("user-1", 30)).await.expect("it can be paid");
    let doubtful = || failed(FailureKind::KeyDoubtful, Reached::No);
    let leases = worker.claim(pool("ai33"), 10).await.leases;
    let (key, limit) = (leases[0].attempt.key, Limit::id_of_key(leases[0].attempt.key));
    clock.advance(Duration::from_millis(300));
    let checks: Vec<bool> = {
        let mut checks = Vec::new();
        for lease in &leases {
            checks.push(worker.settled(lease, doubtful()).await.check_key.is_some());
        }
        checks
    };
    assert_eq!(checks.iter().filter(|check| **check).count(), 1, "it is checked once");
    assert_eq!(scene.key(key).await.status, KeyStatus::Doubtful);
    assert!(scene.key(key).await.is_usable(), "orders are taken for it");
    let mut until = clock.now().plus(Duration::from_secs(1));
    for seconds in [2, 4, 8, 16] {
        let claimed = worker.claim(pool("ai33"), 9).await;
        assert_eq!((claimed.leases, claimed.then), (Vec::new(), Then::At(until)));
        // That the free check finds it alive says nothing about the next call.
        let alive = worker.check_key(key, Verdict::Alive(None)).await.expect("there is the key");
        assert_eq!(alive.status, KeyStatus::Active);
        assert_eq!(worker.claim(pool("ai33"), 9).await.leases, []);
        clock.set(until);
        worker.promote(100).await;
        let probe = worker.claim(pool("ai33"), 9).await.leases;
        assert_eq!(probe.len(), 1);
        assert!(worker.settled(&probe[0], doubtful()).await.check_key.is_some());
        until = clock.now().plus(Duration::from_secs(seconds));
        assert_eq!(scene.limit(limit).await.cooling_until, until);
    }
    clock.set(until);
    worker.promote(100).await;
    let probe = worker.lease(pool("ai33")).await;
    worker.settled(&probe, done()).await;
    assert_eq!((scene.key(key).await.key.status, scene.limit(limit).await.doubts), (KeyStatus::Active, 0));
    clock.advance(Duration::from_secs(60));
    worker.promote(100).await;
    assert_eq!(worker.claim(pool("ai33"), 9).await.leases.len(), 9);
}

/// A task whose first key is in doubt goes to the next at once; then it pauses, longer each time.
pub(super) async fn a_task_does_not_spend_its_tries_on_keys_in_doubt(store: &dyn Store, clock: &TestClock) {
    let scene = Scene::configured(store, clock).await;
    let worker = with_keys(&scene, &["ai33"; 6].map(roomy)).await;
    worker.admit(&Order::new("user-1", 1)).await.expect("it can be paid");
    let doubtful = || failed(FailureKind::KeyDoubtful, Reached::No);
    let settled = worker.settled(&worker.lease(pool("ai33")).await, doubtful()).await;
    assert_eq!(ready_in(&settled.task), Some(pool("ai33")));
    for seconds in [2, 4, 8] {
        let settled = worker.settled(&worker.lease(pool("ai33")).await, doubtful()).await;
        let until = clock.now().plus(Duration::from_secs(seconds));
        assert_eq!(settled.task.state, TaskState::Delayed { pool: pool("ai33"), until });
        clock.set(until);
        worker.promote(1).await;
    }
}

/// A route whose upstream asks to be left alone is, whatever kind its failure is of, by all keys and however long
/// the task itself would wait; then one call sees.
pub(super) async fn a_route_is_left_alone_as_long_as_it_asks(store: &dyn Store, clock: &TestClock) {
    let scene = Scene::configured(store, clock).await;
    let worker = with_keys(&scene, &["ai33"; 3].map(roomy)).await;
    let cap = Duration::from_secs(15 * 60);
    for (asked, wait) in [
        (Duration::from_secs(6), Duration::from_secs(6)),
        (Duration::from_secs(90), Duration::from_secs(90)),
        (Duration::MAX, cap),
    ] {
        for answer in 0..2 {
            worker.admit(&Order::new("user-1", 2)).await.expect("it can be paid");
            let lease = worker.lease(pool("ai33")).await;
            let until = clock.now().plus(wait);
            if answer == 0 {
                let busy = Failure::new(FailureKind::Busy, Reached::No, "").with_retry_after(Some(asked));
                let settled = worker.settled(&lease, failed_with(busy)).await;
                assert_eq!(settled.task.state, TaskState::Delayed { pool: pool("ai33"), until });
            } else {
                let waited = Waited::NotYet { retry_after: Some(asked) };
                let unknown = AttemptResult::Unknown { waited, policy: UnknownPolicy::Fail };
                worker.settled(&lease, unknown).await;
            }
            let claimed = worker.claim(pool("ai33"), 9).await;
            assert_eq!((claimed.leases, claimed.then), (Vec::new(), Then::At(until)));
            clock.set(until);
            worker.promote(9).await;
            let probe = worker.claim(pool("ai33"), 9).await.leases;
            assert_eq!(probe.len(), 1, "one call sees");
            worker.settled(&probe[0], done()).await;
            for lease in worker.claim(pool("ai33"), 9).await.leases {
                worker.settled(&lease, done()).await;
            }
            if answer == 1 {
                worker.settled(&lease, lost(UnknownPolicy::Fail)).await;
            }
            clock.advance(Duration::from_secs(61));
        }
    }
}

/// Whatever kind of failure leaves open what the upstream did is tried once more, recorded as a possible double, or
/// not at all where that is the setting.
pub(super) async fn what_may_have_been_done_is_tried_once_more_at_most(store: &dyn Store, clock: &TestClock) {
    let scene = Scene::configured(store, clock).await;
    let worker = with_keys(&scene, &[roomy("ai33")]).await;
    for kind in [FailureKind::Busy, FailureKind::KeyRateLimited, FailureKind::Unknown] {
        for policy in [UnknownPolicy::Retry, UnknownPolicy::Fail] {
            let failure = || AttemptResult::Failed {
                failure: Failure::new(kind, Reached::Maybe, "502 Bad Gateway"),
                policy,
            };
            worker.admit(&Order::new("user-1", 1)).await.expect("it can be paid");
            let lease = worker.lease(pool("ai33")).await;
            let mut settled = worker.settled(&lease, failure()).await;
            assert_eq!(settled.task.doubt, Doubt::PossibleDouble);
            assert_eq!(settled.task.is_ended(), policy == UnknownPolicy::Fail, "{kind:?}");
            clock.advance(Duration::from_secs(60));
            if policy == UnknownPolicy::Retry {
                worker.promote(1).await;
                let lease = worker.lease(pool("ai33")).await;
                assert_eq!(lease.attempt.possible_double, Doubt::PossibleDouble);
                settled = worker.settled(&lease, failure()).await;
            }
            let error = match kind {
                FailureKind::Unknown => TaskError::AnswerLost,
                kind => TaskError::Upstream { kind, message: "502 Bad Gateway".into() },
            };
            assert_eq!(error_of(&settled.task), Some(&error));
            clock.advance(Duration::from_secs(60));
        }
    }
}

/// Too many calls of a key, an account or an address: exactly that limit rests, and the task waits without a loss.
pub(super) async fn a_rate_limit_cools_what_it_is_of(store: &dyn Store, clock: &TestClock) {
    let scene = Scene::configured(store, clock).await;
    let worker = with_keys(&scene, &[roomy("ai33").of_account("us", 100, 100)]).await;
    let address = super::fixtures::egress(100, 100);
    for kind in [FailureKind::KeyRateLimited, FailureKind::AccountRateLimited, FailureKind::EgressRateLimited]
    {
        worker.admit(&Order::new("user-1", 1)).await.expect("it can be paid");
        let lease = worker.claim_through(address, pool("ai33"), 1).await.leases.remove(0);
        let hint =
            Failure::new(kind, Reached::No, "slow down").with_retry_after(Some(Duration::from_secs(20)));
        let settled = worker.settled(&lease, failed_with(hint)).await;
        assert_eq!(settled.requeued, Some(pool("ai33")));
        assert_eq!(settled.task.reached, 0);
        let until = clock.now().plus(Duration::from_secs(20));
        let ids = [
            (FailureKind::KeyRateLimited, Limit::id_of_key(lease.attempt.key)),
            (FailureKind::AccountRateLimited, lease.attempt.account_limit.expect("it has one")),
            (FailureKind::EgressRateLimited, address.id),
        ];
        for (of, id) in ids {
            let cools = scene.limit(id).await.cooling_until == until;
            assert_eq!(cools, of == kind, "{kind:?} and the limit of {of:?}");
        }
        assert_eq!(worker.claim_through(address, pool("ai33"), 1).await.leases, []);
        clock.advance(Duration::from_secs(20));
        let again = worker.claim_through(address, pool("ai33"), 1).await.leases.remove(0);
        worker.settled(&again, done()).await;
        clock.advance(Duration::from_secs(3600));
    }
}

/// A shorter wait that is told later does not shorten a longer one that is known.
pub(super) async fn a_cooling_limit_keeps_its_latest_deadline(store: &dyn Store, clock: &TestClock) {
    let scene = Scene::configured(store, clock).await;
    let worker = with_keys(&scene, &[roomy("ai33")]).await;
    worker.admit(&Order::new("user-1", 3)).await.expect("it can be paid");
    let start = clock.now();
    let leases = worker.claim(pool("ai33"), 3).await.leases;
    for (lease, seconds) in leases.iter().zip([60, 5, 30]) {
        let wait = Some(Duration::from_secs(seconds));
        let failure = Failure::new(FailureKind::KeyRateLimited, Reached::No, "").with_retry_after(wait);
        worker.settled(lease, failed_with(failure)).await;
    }
    let limit = scene.limit(Limit::id_of_key(leases[0].attempt.key)).await;
    assert_eq!(limit.cooling_until, start.plus(Duration::from_secs(60)));
    let claimed = worker.claim(pool("ai33"), 3).await;
    assert_eq!((claimed.leases, claimed.then), (Vec::new(), Then::At(start.plus(Duration::from_secs(60)))));
}

/// An upstream that asks for a day gets a quarter of an hour; one that asks for nothing gets our own wait.
pub(super) async fn a_hint_to_wait_is_capped(store: &dyn Store, clock: &TestClock) {
    let scene = Scene::configured(store, clock).await;
    let worker = with_keys(&scene, &[]).await;
    for (hint, wait) in [
        (Some(Duration::MAX), Duration::from_secs(15 * 60)),
        (Some(Duration::from_secs(90)), Duration::from_secs(90)),
        (Some(Duration::ZERO), Duration::from_secs(15)),
        (None, Duration::from_secs(15)),
    ] {
        let key = worker.add_key(&roomy("ai33")).await;
        let order = Order { only_key: Some(key), ..Order::new("user-1", 1) };
        worker.admit(&order).await.expect("it can be paid");
        let lease = worker.lease(PoolId::of_key(key)).await;
        let failure = Failure::new(FailureKind::KeyRateLimited, Reached::No, "").with_retry_after(hint);
        worker.settled(&lease, failed_with(failure)).await;
        let until = scene.limit(Limit::id_of_key(key)).await.cooling_until;
        assert_eq!(until, clock.now().plus(wait), "{hint:?}");
    }
}

/// A task that found its route busy goes to another that works: at once to one that it did not try, later to one that
/// it did, which may be well again by then. It waits where it is while no other works.
pub(super) async fn a_busy_route_is_left_for_another(store: &dyn Store, clock: &TestClock) {
    let scene = Scene::configured(store, clock).await;
    let worker = with_keys(&scene, &[roomy("ai33"), roomy("ai84")]).await;
    let order = Order::new("user-1", 1).on(&[("ai33", 1), ("ai84", 0)]);
    worker.admit(&order).await.expect("it can be paid");
    let lease = worker.lease(pool("ai33")).await;
    let settled = worker.settled(&lease, failed(FailureKind::Busy, Reached::No)).await;
    assert_eq!(ready_in(&settled.task), Some(pool("ai84")));
    let lease = worker.lease(pool("ai84")).await;
    let settled = worker.settled(&lease, failed(FailureKind::Busy, Reached::No)).await;
    assert!(
        matches!(settled.task.state, TaskState::Delayed { pool: place, .. } if place == pool("ai33")),
        "both were tried: it comes back to the first, {:?}",
        settled.task.state
    );
    clock.advance(Duration::from_secs(2));
    assert_eq!(worker.promote(10).await, [pool("ai33")]);
    let lease = worker.lease(pool("ai33")).await;
    worker.settled(&lease, done()).await;

    let off = SystemCommand::SetRoute { route: route("ai84"), switch: Switch::Off };
    worker.configure(ConfigurationChange::System(off)).await.expect("it is legal");
    let order = Order { configuration_version: 2, ..order };
    worker.admit(&order).await.expect("it can be paid");
    let lease = worker.lease(pool("ai33")).await;
    let settled = worker.settled(&lease, failed(FailureKind::Busy, Reached::No)).await;
    assert!(matches!(settled.task.state, TaskState::Delayed { pool: place, .. } if place == pool("ai33")));
}

/// A task whose pause is over goes where it is served: not to its route while that one rests, or is off, and another
/// that it was admitted for works, whether it was tried or not.
pub(super) async fn a_task_comes_back_to_a_route_that_works(store: &dyn Store, clock: &TestClock) {
    let scene = Scene::configured(store, clock).await;
    let worker = with_keys(&scene, &[roomy("ai33"), roomy("ai84")]).await;
    worker.admit(&Order::new("user-1", 1).on(&[("ai33", 1), ("ai84", 0)])).await.expect("it can be paid");
    let busy = || failed(FailureKind::Busy, Reached::No);
    for name in ["ai33", "ai84"] {
        worker.settled(&worker.lease(pool(name)).await, busy()).await;
    }
    let off = SystemCommand::SetRoute { route: route("ai33"), switch: Switch::Off };
    worker.configure(ConfigurationChange::System(off)).await.expect("it is legal");
    clock.advance(Duration::from_secs(2));
    assert_eq!(worker.promote(10).await, [pool("ai84")]);
    let waiting = [scene.pool(pool("ai33")).await.waiting, scene.pool(pool("ai84")).await.waiting];
    assert_eq!(waiting, [0, 1]);
    let settled = worker.settled(&worker.lease(pool("ai84")).await, done()).await;
    assert_eq!(settled.task.state, TaskState::Done);
}

/// Without another route the task waits, longer each time, and its attempts count once they may have reached.
pub(super) async fn a_busy_route_without_another_is_tried_again_later(store: &dyn Store, clock: &TestClock) {
    let scene = Scene::configured(store, clock).await;
    let worker = with_keys(&scene, &[roomy("ai33")]).await;
    worker.admit(&Order::new("user-1", 1)).await.expect("it can be paid");
    for seconds in [1, 2, 4] {
        let lease = worker.lease(pool("ai33")).await;
        let settled = worker.settled(&lease, failed(FailureKind::Busy, Reached::No)).await;
        let until = clock.now().plus(Duration::from_secs(seconds));
        assert_eq!(settled.task.state, TaskState::Delayed { pool: pool("ai33"), until });
        assert_eq!(settled.requeued, Some(pool("ai33")));
        assert_eq!(scene.pool(pool("ai33")).await.waiting, 1);
        clock.set(until);
        assert_eq!(worker.promote(10).await, [pool("ai33")]);
    }
}

/// One busy answer stops nothing; a route whose last calls mostly failed rests, then lets a single call see.
pub(super) async fn a_route_that_keeps_being_busy_cools_and_lets_one_call_probe(
    store: &dyn Store,
    clock: &TestClock,
) {
    let scene = Scene::configured(store, clock).await;
    let worker = with_keys(&scene, &[roomy("ai33")]).await;
    worker.admit(&Order::new("user-1", 20)).await.expect("it can be paid");
    let leases = worker.claim(pool("ai33"), 6).await.leases;
    let busy = || failed(FailureKind::Busy, Reached::No);
    for lease in &leases[..4] {
        worker.settled(lease, busy()).await;
    }
    assert_eq!(scene.pool(pool("ai33")).await.health.passage(clock.now()), Passage::Open);
    worker.settled(&leases[4], busy()).await;
    let mut until = clock.now().plus(Duration::from_secs(1));
    let rests = |until| (Vec::new(), Then::At(until));
    for next in [2, 4] {
        let claimed = worker.claim(pool("ai33"), 5).await;
        assert_eq!((claimed.leases, claimed.then), rests(until));
        clock.set(until);
        let probe = worker.claim(pool("ai33"), 5).await.leases;
        assert_eq!(probe.len(), 1);
        let claimed = worker.claim(pool("ai33"), 5).await;
        assert_eq!((claimed.leases, claimed.then), rests(Timestamp::FAR));
        worker.settled(&probe[0], busy()).await;
        until = clock.now().plus(Duration::from_secs(next));
    }
    clock.set(until);
    let probe = worker.lease(pool("ai33")).await;
    worker.settled(&probe, AttemptResult::NotSent).await;
    let probe = worker.lease(pool("ai33")).await;
    worker.settled(&probe, done()).await;
    assert_eq!(worker.claim(pool("ai33"), 5).await.leases.len(), 5);
}

/// What an upstream began and failed is done at most three times.
pub(super) async fn three_attempts_that_reached_an_upstream_are_enough(store: &dyn Store, clock: &TestClock) {
    let scene = Scene::configured(store, clock).await;
    let worker = with_keys(&scene, &[roomy("ai33")]).await;
    worker.admit(&Order::new("user-1", 1)).await.expect("it can be paid");
    for tries in 1..=3 {
        let lease = worker.lease(pool("ai33")).await;
        let settled = worker.settled(&lease, failed(FailureKind::KeyRateLimited, Reached::Yes)).await;
        assert_eq!((settled.task.reached, settled.task.is_ended()), (tries, tries == 3));
        clock.advance(Duration::from_secs(60));
    }
}

/// A refusal costs one of twenty tries, not one of three.
pub(super) async fn refusals_that_prove_nothing_was_done_do_not_count(store: &dyn Store, clock: &TestClock) {
    let scene = Scene::configured(store, clock).await;
    let worker = with_keys(&scene, &[roomy("ai33")]).await;
    worker.admit(&Order::new("user-1", 1)).await.expect("it can be paid");
    for tries in 1..=Task::ATTEMPTS_MAX {
        let lease = worker.lease(pool("ai33")).await;
        let settled = worker.settled(&lease, failed(FailureKind::KeyRateLimited, Reached::No)).await;
        assert_eq!((settled.task.attempts, settled.task.reached), (tries, 0));
        assert_eq!(settled.task.is_ended(), tries == Task::ATTEMPTS_MAX);
        clock.advance(Duration::from_secs(60));
    }
    assert_eq!(scene.wallet("user-1").await.held, Amount::ZERO);
}

/// A task waits for a key that it did not try while there is one; after that every key may do.
pub(super) async fn keys_that_were_tried_come_last(store: &dyn Store, clock: &TestClock) {
    let scene = Scene::configured(store, clock).await;
    let worker = with_keys(&scene, &[]).await;
    let (one, two) = (worker.add_key(&roomy("ai33")).await, worker.add_key(&roomy("ai33")).await);
    worker.admit(&Order::new("user-1", 1)).await.expect("it can be paid");
    let refused = || {
        let wait = Some(Duration::from_secs(1));
        let failure = Failure::new(FailureKind::KeyRateLimited, Reached::No, "").with_retry_after(wait);
        failed_with(failure)
    };
    let first = worker.lease(pool("ai33")).await;
    worker.settled(&first, refused()).await;
    clock.advance(Duration::from_secs(2));
    let second = worker.lease(pool("ai33")).await;
    let mut tried = [first.attempt.key, second.attempt.key];
    tried.sort_unstable();
    assert_eq!(tried, [one, two]);
    worker.settled(&second, refused()).await;
    clock.advance(Duration::from_secs(2));
    let third = worker.lease(pool("ai33")).await;
    assert_eq!(third.task.attempts, 3);
    worker.settled(&third, refused()).await;

    // A key that was leased and gave the call back was not tried.
    worker
        .admit(&Order { weight: std::num::NonZeroU32::MIN, ..Order::new("user-1", 1) })
        .await
        .expect("paid");
    clock.advance(Duration::from_secs(2));
    let leases = worker.claim(pool("ai33"), 2).await.leases;
    let fresh = leases.iter().find(|lease| lease.task.attempts == 1).expect("one of them is new");
    let settled = worker.settled(fresh, AttemptResult::NotSent).await;
    assert_eq!(settled.task.tried, []);
}

/// What a route cannot do goes to one that was not tried, even if that one rests now, and fails when there is none.
pub(super) async fn unsupported_work_goes_to_another_route_or_fails(store: &dyn Store, clock: &TestClock) {
    let scene = Scene::configured(store, clock).await;
    let worker = with_keys(&scene, &[roomy("ai33"), roomy("ai84")]).await;
    let unsupported = || failed(FailureKind::Unsupported, Reached::No);
    // AI84 rests: five busy answers.
    worker.admit(&Order::new("user-1", 5).on(&[("ai84", 1)])).await.expect("it can be paid");
    for lease in worker.claim(pool("ai84"), 5).await.leases {
        worker.settled(&lease, failed(FailureKind::Busy, Reached::No)).await;
    }
    let order = Order::new("user-1", 1).on(&[("ai33", 1), ("ai84", 0)]);
    let job = worker.admitted(&order).await;
    let settled = worker.settled(&worker.lease(pool("ai33")).await, unsupported()).await;
    assert_eq!(ready_in(&settled.task), Some(pool("ai84")));
    clock.advance(Duration::from_secs(1));
    let lease = worker.lease(pool("ai84")).await;
    assert_eq!(lease.attempt.job, job.job.id);
    let settled = worker.settled(&lease, unsupported()).await;
    assert_eq!((error_of(&settled.task), settled.job.state), (Some(&TaskError::NoRoute), JobState::Failed));
}

/// The slots of a call without an answer stay taken; its worker may still learn the result.
pub(super) async fn a_lost_answer_keeps_its_slot_until_the_upstream_must_have_ended(
    store: &dyn Store,
    clock: &TestClock,
) {
    let scene = Scene::configured(store, clock).await;
    let worker = with_keys(&scene, &[NewKey::new("ai33", 2, 100)]).await;
    worker.admit(&Order::new("user-1", 4)).await.expect("it can be paid");
    let leases = worker.claim(pool("ai33"), 2).await.leases;
    let until = clock.now().plus(Duration::from_secs(15 * 60));
    for lease in &leases {
        clock.advance(Duration::from_secs(5));
        let settled = worker.settled(lease, unanswered()).await;
        assert_eq!(settled.task.state, TaskState::Running { attempt: lease.attempt.id });
        assert_eq!(attempt(store, lease).await.state, AttemptState::Unknown { until });
    }
    assert_eq!(worker.claim(pool("ai33"), 2).await.leases, []);
    let found = worker.settled(&leases[0], done()).await;
    assert_eq!((&found.task.state, found.charged.get()), (&TaskState::Done, 10));
    assert_eq!(found.task.doubt, Doubt::None);
    assert_eq!(worker.claim(pool("ai33"), 2).await.leases.len(), 1);
    clock.set(until);
    worker.settled(&leases[1], lost(UnknownPolicy::Retry)).await;
    assert_eq!(worker.claim(pool("ai33"), 2).await.leases.len(), 1);
}

/// After a lost answer there is one more try, on another route where there is one, marked as a possible double.
pub(super) async fn a_lost_answer_is_retried_once_and_recorded(store: &dyn Store, clock: &TestClock) {
    let scene = Scene::configured(store, clock).await;
    let worker = with_keys(&scene, &[roomy("ai33"), roomy("ai84")]).await;
    let order = Order::new("user-1", 1).on(&[("ai33", 1), ("ai84", 0)]);
    worker.admit(&order).await.expect("it can be paid");
    let lease = worker.lease(pool("ai33")).await;
    worker.settled(&lease, unanswered()).await;
    let settled = worker.settled(&lease, lost(UnknownPolicy::Retry)).await;
    assert_eq!((settled.task.doubt, settled.task.reached), (Doubt::PossibleDouble, 1));
    assert_eq!(settled.requeued, Some(pool("ai84")));
    assert_eq!(attempt(store, &lease).await.state, AttemptState::Ended(Ending::Lost));
    let second = worker.lease(pool("ai84")).await;
    assert_eq!(second.attempt.possible_double, Doubt::PossibleDouble);
    assert_eq!(attempt(store, &second).await.possible_double, Doubt::PossibleDouble);
    let settled = worker.settled(&second, lost(UnknownPolicy::Retry)).await;
    assert_eq!(error_of(&settled.task), Some(&TaskError::AnswerLost));
    assert_eq!((settled.job.state, settled.released.get()), (JobState::Failed, 20));
}

/// Where sending twice is worse than not at all, a lost answer fails its task.
pub(super) async fn a_lost_answer_fails_by_setting(store: &dyn Store, clock: &TestClock) {
    let scene = Scene::configured(store, clock).await;
    let worker = with_keys(&scene, &[roomy("ai33")]).await;
    worker.admit(&Order::new("user-1", 1)).await.expect("it can be paid");
    let lease = worker.lease(pool("ai33")).await;
    let settled = worker.settled(&lease, lost(UnknownPolicy::Fail)).await;
    assert_eq!(error_of(&settled.task), Some(&TaskError::AnswerLost));
    assert_eq!(scene.wallet("user-1").await.held, Amount::ZERO);
}

/// A failure that tells nothing of what became of the call counts as a lost answer: one retry, recorded.
pub(super) async fn an_unknown_failure_is_no_licence_to_send_again_and_again(
    store: &dyn Store,
    clock: &TestClock,
) {
    let scene = Scene::configured(store, clock).await;
    let worker = with_keys(&scene, &[roomy("ai33")]).await;
    worker.admit(&Order::new("user-1", 1)).await.expect("it can be paid");
    let unknown = || failed(FailureKind::Unknown, Reached::Maybe);
    let settled = worker.settled(&worker.lease(pool("ai33")).await, unknown()).await;
    assert_eq!((settled.task.doubt, settled.task.reached), (Doubt::PossibleDouble, 1));
    assert_eq!(settled.requeued, Some(pool("ai33")));
    let settled = worker.settled(&worker.lease(pool("ai33")).await, unknown()).await;
    assert_eq!(error_of(&settled.task), Some(&TaskError::AnswerLost));
}

/// An answer that comes after its attempt was taken over is recorded once, and changes nothing else.
pub(super) async fn a_late_answer_moves_no_money(store: &dyn Store, clock: &TestClock) {
    let scene = Scene::configured(store, clock).await;
    let worker = with_keys(&scene, &[roomy("ai33")]).await;
    let job = worker.admitted(&Order::new("user-1", 1)).await;
    let lease = worker.lease(pool("ai33")).await;
    let before = (scene.job(job.job.id).await, scene.wallet("user-1").await);
    let late = |upstream_id: Option<&str>| {
        Command::RecordLate(LateAnswer {
            attempt: lease.attempt.id,
            upstream_id: upstream_id.map(|id| UpstreamId(id.to_owned())),
            cost: Some(UpstreamCredits::whole(3)),
        })
    };
    let outcomes = worker.write(vec![late(Some("upstream-1")), late(None)]).await;
    assert_eq!(outcomes, [Outcome::Done, Outcome::Done]);
    assert_eq!(worker.execute(late(Some("upstream-2"))).await, Outcome::Done);
    assert_eq!((scene.job(job.job.id).await, scene.wallet("user-1").await), before);
}
