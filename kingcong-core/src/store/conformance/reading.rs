//! Laws of reads: what was written is read as it was, found by what was asked for, and in pages.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;

use super::fixtures::{
    NewKey, Order, Scene, TestClock, TestWorker, audit, cloning, done, failed, failed_with, idempotency,
    line, pool, route, user, wallet_of,
};
use crate::{
    access::Scope,
    clock::{Clock, Timestamp},
    failure::{Failure, FailureKind, Reached},
    id::{AttemptId, AuditId, JobId, KeyId, TaskId, TenantId, VoiceId},
    keys::{Key, KeyStatus, KeyWithLimits, PoolId},
    ledger::{Cause, Owner, WalletKey},
    measure::{Circumstance, Circumstances, Counts, Measure, Measured, Source},
    money::{Amount, Unit},
    pricing::Checked,
    store::{
        Accept, AddKey, Admit, AttemptFilter, AttemptKind, AttemptResult, AuditOf, ChangedKeys, Command,
        Credit, JobFilter, Kept, LateAnswer, Movement, NewAudit, NotRetried, Outcome, OutputHead, PAGE_MAX,
        Retry, Standing, Stop, StopWhy, Store, WalletFilter,
    },
    switch::Switch,
    upstream::{UpstreamCredits, UpstreamId},
    vault::SecretVersion,
    work::{AttemptState, Body, Ending, JobState, Made, MadeVoice, Pace, Sound},
};

/// Text that breaks what quotes, folds, trims, pads or counts it wrongly.
const ODD_TEXT: &str =
    "Xin chào 🎉 e\u{301} '\"`;-- \\ % _ ?1 $1 :a\t{}[] \u{FFFD}\u{10FFFF}\u{200B}\r\n ñ Ñ ß ﬁ ";

async fn with_keys<'a>(scene: &'a Scene<'_>, keys: &[NewKey]) -> (TestWorker<'a>, Vec<KeyId>) {
    let worker = scene.worker().await;
    let mut ids = Vec::new();
    for key in keys {
        ids.push(worker.add_key(key).await);
    }
    worker.buy("user-1", 1_000_000).await;
    (worker, ids)
}

/// Odd texts and extreme numbers come back to the last byte and step.
pub(super) async fn rows_read_back_as_they_were_written(store: &dyn Store, clock: &TestClock) {
    let scene = Scene::configured(store, clock).await;
    let worker = scene.worker().await;

    let add = NewKey::new("ai33", u32::MAX, u32::MAX).add(&scene.ids);
    let key = Key {
        label: ODD_TEXT.into(),
        mask: "sk-…é".into(),
        account: Some(ODD_TEXT.into()),
        tenant: TenantId::new("người thuê").expect("the id is legal"),
        secret_version: SecretVersion::LAST,
        switch: Switch::Off,
        status: KeyStatus::Dead { reason: ODD_TEXT.into() },
        balance: Some(UpstreamCredits::from_thousandths(i64::MIN)),
        checked_at: Some(Timestamp::from_micros(1)),
        last_used: Some(Timestamp::from_micros(2)),
        ..add.key.clone()
    };
    worker.administer("keys.add", AddKey { key: key.clone(), ..add.clone() }).await.expect("the key is new");
    let limits = add.limit.limits();
    assert_eq!(store.keys().await.expect("the store can be read"), [KeyWithLimits { key, limits }]);

    // Names that differ in case, accent or trailing bytes are different users.
    let names = ["Người Dùng", "người dùng", "nguoi dung", "người dùng\u{301}", "'; drop table x --"];
    for (amount, name) in (1..).zip(names) {
        let reference = Some(ODD_TEXT.to_owned());
        let cause = Cause { reference: reference.clone(), ..Cause::default() };
        let movement = Movement::Adjust { change: Amount::new(i64::MAX - amount), cause };
        let detail = serde_json::json!({ "text": ODD_TEXT }).to_string();
        let audit = NewAudit { detail: detail.clone(), ..audit(&scene.ids, "wallets.move") };
        let credit = worker.credit_command(name, movement);
        worker.administer_as(audit.clone(), credit).await.expect("it is legal");
        let wallet = scene.wallet(name).await;
        assert_eq!((wallet.balance.get(), wallet.key), (i64::MAX - amount, wallet_of(name)));
        let entry = store.entries(wallet.id, None, 1).await.expect("the store can be read").remove(0);
        assert_eq!(entry.cause.reference, reference);
        let rows = store.audit(&AuditOf::ALL, None, 100).await.expect("the store can be read");
        let row = rows.iter().find(|row| row.id == audit.id).expect("it is there");
        assert_eq!((&row.detail, &row.actor), (&detail, &audit.actor));
    }

    // An exact sum that needs more than 64 bits, of a task whose text and words are odd.
    let name = names[4];
    let line = line(Measure::Character, u64::MAX, 997);
    let text: Arc<str> = ODD_TEXT.repeat(3).into();
    let order = Order { texts: vec![Arc::clone(&text); 3], line: Some(line), ..Order::new(name, 0) };
    let serving = worker.add_key(&NewKey::new("ai33", 9, u32::MAX)).await;
    let job = worker.admitted(&order.under(idempotency(ODD_TEXT, ODD_TEXT))).await;
    let leases = worker.claim(pool("ai33"), 3).await.leases;
    assert!(leases.iter().all(|lease| *lease.work == super::fixtures::speech(&text)));
    let upstream_id = UpstreamId(ODD_TEXT.into());
    let least = UpstreamCredits::from_thousandths(i64::MIN);
    let accept =
        Accept { attempt: leases[0].attempt.id, upstream_id: upstream_id.clone(), cost: Some(least) };
    assert_eq!(worker.execute(Command::Accept(accept)).await, Outcome::Accept(Ok(())));
    let read = attempt(store, leases[0].attempt.id).await;
    assert_eq!((read.state, read.cost), (AttemptState::Accepted { upstream_id }, Some(least)));

    let most = i64::MAX.unsigned_abs();
    let varied = Sound {
        spans: vec![0..1, 2..most, most..u64::MAX],
        samples: u64::MAX,
        pace: Pace::Varying { stride: most, places: vec![0, 1, u64::MAX] },
        ..super::fixtures::sound(44_100)
    };
    let body = Body::Memory(Bytes::from((0..=255).cycle().take(70_000).collect::<Vec<u8>>()));
    let output = varied.clone().stored(body, Some(ODD_TEXT.repeat(100)));
    let counts = Counts::of([(Measure::AudioMs, Some(most)), (Measure::Character, Some(0))]);
    let served = Circumstances::NONE.with(Circumstance::Tier, "priority").expect("a clean word");
    let measured = Measured { counts, served, source: Source::Estimated };
    let cost = Some(UpstreamCredits::from_thousandths(i64::MAX));
    let settled = worker
        .settled(&leases[0], AttemptResult::Done { output: output.clone(), cost, measured: measured.clone() })
        .await;
    assert!(settled.job.total.sum() > i128::from(i64::MAX), "{:?}", settled.job.total);
    assert_eq!(scene.job(job.job.id).await.job, settled.job);
    let row = store.output(settled.task.id).await.expect("the store can be read").expect("it is stored");
    assert_eq!(row.output, output);
    let read = attempt(store, leases[0].attempt.id).await;
    assert_eq!((read.measured, read.cost, read.charged), (measured, cost, settled.charged));
    assert_eq!(read.check, Checked::Within, "nothing that was reported has a price");

    let file = Body::File { path: "/ổ đĩa/kết quả 1.mp3".into(), bytes: most };
    let output = varied.stored(file, None);
    let result = AttemptResult::Done { output: output.clone(), cost: None, measured: Measured::NOTHING };
    let settled = worker.settled(&leases[1], result).await;
    let row = store.output(settled.task.id).await.expect("the store can be read").expect("it is stored");
    assert_eq!(row.output, output);

    let failure = Failure::new(FailureKind::Policy, Reached::Yes, ODD_TEXT).with_code(ODD_TEXT);
    let ending =
        Ending::Failed { kind: failure.kind, code: failure.code.clone(), message: failure.message.clone() };
    let settled = worker.settled(&leases[2], failed_with(failure)).await;
    assert_eq!(attempt(store, leases[2].attempt.id).await.state, AttemptState::Ended(ending));
    assert_eq!(scene.task(settled.task.id).await, settled.task);
    assert_eq!(leases[0].attempt.key, serving);
}

async fn attempt(store: &dyn Store, id: AttemptId) -> crate::work::Attempt {
    let filter = AttemptFilter { limit: PAGE_MAX, ..Default::default() };
    let attempts = store.attempts(&Scope::All, &filter).await.expect("the store can be read");
    attempts.into_iter().find(|attempt| attempt.id == id).expect("it was leased")
}

/// What a job's tasks gave is told in their order without its bytes, and of these as many are read as are asked for.
pub(super) async fn results_are_read_in_parts(store: &dyn Store, clock: &TestClock) {
    let scene = Scene::configured(store, clock).await;
    let (worker, _) = with_keys(&scene, &[NewKey::new("ai33", 9, 9)]).await;
    let order = Order::new("user-1", 4).on(&[("ai33", 1)]);
    let job = worker.admitted(&order).await.job.id;
    let mut leases = worker.claim(pool("ai33"), 4).await.leases;
    leases.sort_by_key(|lease| lease.attempt.task);
    let sound = super::fixtures::sound(44_100);
    let bytes: Vec<u8> = (0..=255).cycle().take(70_000).collect();
    let file = Body::File { path: "/kết quả.mp3".into(), bytes: 9_000_000_000 };
    // Every body and subtitle at another task.
    let bodies =
        [Body::Memory(bytes.clone().into()), file.clone(), Body::Memory(Bytes::from_static(&[7; 16]))];
    let srts = [None, Some(ODD_TEXT.to_owned()), Some(String::new())];
    let mut tasks = Vec::new();
    for ((lease, body), srt) in leases.iter().zip(bodies).zip(&srts) {
        let output = sound.clone().stored(body, srt.clone());
        let result = AttemptResult::Done { output, cost: None, measured: Measured::NOTHING };
        tasks.push(worker.settled(lease, result).await.task);
    }
    let heads = store.output_heads(job).await.expect("the store can be read");
    let subtitles = store.output_texts(job).await.expect("the store can be read");
    assert_eq!((heads.len(), subtitles.len()), (4, 4));
    for (task, srt) in tasks.iter().zip(srts) {
        assert_eq!(subtitles[task.place as usize], srt);
        let kept = match task.id {
            id if id == tasks[0].id => Kept::Store { bytes: 70_000 },
            id if id == tasks[1].id => Kept::File { path: "/kết quả.mp3".into(), bytes: 9_000_000_000 },
            _ => Kept::Store { bytes: 16 },
        };
        let head = OutputHead { task: task.id, made: Made::Audio(sound.clone()), kept: Some(kept) };
        assert_eq!(heads[task.place as usize], Some(head));
    }
    let place = |lease: &crate::store::Lease| lease.attempt.task;
    let open = scene.task(place(&leases[3])).await.place as usize;
    assert_eq!((&heads[open], &subtitles[open]), (&None, &None));

    for (start, end) in [(0, 0), (0, 1), (0, 70_000), (65_535, 65_552), (69_999, 70_001), (70_000, 70_001)] {
        let read = store.output_bytes(tasks[0].id, start..end).await.expect("the store can be read");
        let there = start as usize..(end as usize).min(bytes.len());
        assert_eq!(read.expect("it is there"), bytes[there], "{start}..{end}");
    }
    let far = store.output_bytes(tasks[0].id, u64::MAX - 1..u64::MAX).await.expect("the store can be read");
    assert_eq!(far.as_deref(), Some(&[][..]));
    let small = store.output_bytes(tasks[2].id, 0..16).await.expect("the store can be read");
    assert_eq!(small.as_deref(), Some(&[7; 16][..]));
    for task in [tasks[1].id, place(&leases[3]), TaskId::from_uuid(scene.ids.uuid())] {
        assert_eq!(store.output_bytes(task, 0..1).await.expect("the store can be read"), None);
    }
    let unknown = JobId::from_uuid(scene.ids.uuid());
    assert_eq!(store.output_heads(unknown).await.expect("the store can be read"), []);
    assert_eq!(
        store.output_texts(unknown).await.expect("the store can be read"),
        Vec::<Option<String>>::new()
    );
}

/// Filters of jobs add up; the newest come first.
pub(super) async fn jobs_are_found_by_user_and_state(store: &dyn Store, clock: &TestClock) {
    let scene = Scene::configured(store, clock).await;
    let (worker, _) = with_keys(&scene, &[NewKey::new("ai33", 9, 9)]).await;
    worker.buy("user-2", 1000).await;
    let mut jobs = Vec::new();
    for name in ["user-1", "user-2", "user-1", "user-1"] {
        jobs.push(worker.admitted(&Order::new(name, 1)).await.job.id);
    }
    let lease = worker.lease(pool("ai33")).await;
    worker.settled(&lease, done()).await;
    let found = |filter: JobFilter| async move {
        let jobs =
            store.jobs(&Scope::All, &JobFilter { limit: 10, ..filter }).await.expect("the store can be read");
        jobs.into_iter().map(|job| job.id).collect::<Vec<_>>()
    };
    let of = |name| Some(user(name));
    let pick = |places: &[usize]| places.iter().map(|&place| jobs[place]).collect::<Vec<_>>();
    assert_eq!(found(JobFilter::default()).await, pick(&[3, 2, 1, 0]));
    assert_eq!(found(JobFilter { user: of("user-1"), ..Default::default() }).await, pick(&[3, 2, 0]));
    let open = Some(JobState::Open);
    let filter = JobFilter { user: of("user-1"), state: open, ..Default::default() };
    assert_eq!(found(filter.clone()).await, pick(&[3, 2]));
    assert_eq!(found(JobFilter { before: Some(jobs[3]), ..filter }).await, pick(&[2]));
    let completed = JobFilter { state: Some(JobState::Completed), ..Default::default() };
    assert_eq!(found(completed).await, pick(&[0]));
    assert_eq!(found(JobFilter { user: of("USER-1"), ..Default::default() }).await, []);

    let unknown = JobId::from_uuid(scene.ids.uuid());
    let states =
        store.job_states(&Scope::All, &[jobs[0], unknown, jobs[3]]).await.expect("the store can be read");
    let states: BTreeSet<_> = states.into_iter().collect();
    assert_eq!(states, [(jobs[0], JobState::Completed), (jobs[3], JobState::Open)].into());
    assert_eq!(store.job_states(&Scope::All, &[]).await.expect("the store can be read"), []);
}

/// Every read and every command of a job or a voice finds in its scope what is there, and outside of it nothing, of a
/// user of the same name in another tenant too.
pub(super) async fn what_lies_outside_of_a_scope_is_not_found(store: &dyn Store, clock: &TestClock) {
    let scene = Scene::configured(store, clock).await;
    let (worker, _) = with_keys(&scene, &[NewKey::new("ai33", 9, 9)]).await;
    let (main, other) = (TenantId::main(), TenantId::new("người thuê").expect("the id is legal"));
    let mut owned = Vec::new();
    for (tenant, name) in [(&main, "user-1"), (&other, "user-1"), (&main, "user-2")] {
        let wallet = WalletKey { tenant: tenant.clone(), ..wallet_of(name) };
        let gift = Movement::Adjust { change: Amount::new(1000), cause: Cause::default() };
        let credit = Credit { wallet: wallet.clone(), ..worker.credit_command(name, gift) };
        worker.credit(credit).await.expect("credits can be given");
        let clone =
            Admit { tenant: tenant.clone(), wallet, ..cloning(Order::new(name, 1).admit(&scene.ids)) };
        let job = clone.job;
        worker.execute(Command::Admit(Box::new(clone))).await;
        let lease = worker.lease(pool("ai33")).await;
        let voice = VoiceId::from_uuid(scene.ids.uuid());
        let output = MadeVoice { id: voice, upstream_voice: "up".to_owned(), name: "An".to_owned() }.stored();
        let result = AttemptResult::Done { output, cost: None, measured: Measured::NOTHING };
        worker.settled(&lease, result).await;
        owned.push((Scope::User(tenant.clone(), user(name)), job, voice));
    }
    let read = "the store can be read";
    let (owned, worker) = (&owned, &worker);
    let seen = |scope: Scope| async move {
        let (mut jobs, mut voices) = (Vec::new(), Vec::new());
        for (place, &(_, job, voice)) in owned.iter().enumerate() {
            let found = store.job(&scope, job).await.expect(read);
            let state = store.job_states(&scope, &[job]).await.expect(read);
            let stopped = worker
                .execute(Command::Stop(Stop { scope: scope.clone(), job, why: StopWhy::Cancelled }))
                .await;
            assert!(matches!(stopped, Outcome::Stop(stopped) if stopped.is_some() == found.is_some()));
            let retry =
                Retry { scope: scope.clone(), ..worker.retry_command(job, &format!("retry {place}")) };
            let refusal = match found {
                Some(_) => NotRetried::State(JobState::Completed),
                None => NotRetried::UnknownJob,
            };
            assert_eq!(worker.retry_as(retry).await, Err(refusal));
            assert_eq!(state.len(), usize::from(found.is_some()));
            jobs.extend(found.map(|_| place));
            voices.extend(store.voice(&scope, voice).await.expect(read).map(|_| place));
        }
        let filter = JobFilter { limit: 10, ..JobFilter::default() };
        let listed: BTreeSet<JobId> =
            store.jobs(&scope, &filter).await.expect(read).into_iter().map(|job| job.id).collect();
        let cloned: BTreeSet<VoiceId> =
            store.voices(&scope).await.expect(read).into_iter().map(|voice| voice.id).collect();
        (jobs, voices, listed, cloned)
    };
    let all = [0, 1, 2];
    for (scope, expected) in [
        (Scope::All, &all[..]),
        (Scope::Tenant(main.clone()), &[0, 2]),
        (Scope::Tenant(other.clone()), &[1]),
        (Scope::Tenant(TenantId::new("MAIN").expect("the id is legal")), &[]),
        (Scope::User(main.clone(), user("user-1")), &[0]),
        (Scope::User(other, user("user-2")), &[]),
    ] {
        let listed = expected.iter().map(|&place| owned[place].1).collect();
        let cloned = expected.iter().map(|&place| owned[place].2).collect();
        assert_eq!(
            seen(scope.clone()).await,
            (expected.to_vec(), expected.to_vec(), listed, cloned),
            "{scope:?}"
        );
    }
}

/// Wallets are listed in the order of their ids, in pages: those of a scope, in a unit, in debt.
pub(super) async fn wallets_are_listed_by_scope_unit_and_debt(store: &dyn Store, clock: &TestClock) {
    let scene = Scene::configured(store, clock).await;
    let worker = scene.worker().await;
    let acme = TenantId::new("acme").expect("the id is legal");
    let own = |tenant: &TenantId, unit| WalletKey { tenant: tenant.clone(), owner: Owner::Tenant, unit };
    let users = WalletKey { tenant: acme.clone(), ..wallet_of("user-1") };
    let keys = [
        (wallet_of("user-1"), 5),
        (wallet_of("user-2"), -5),
        (own(&acme, Unit::CREDIT), 7),
        (own(&acme, Unit::USD), -7),
        (users, 9),
    ];
    for (wallet, change) in &keys {
        let change = Movement::Adjust { change: Amount::new(*change), cause: Cause::default() };
        let credit = Credit { wallet: wallet.clone(), ..worker.credit_command("user-1", change) };
        worker.credit(credit).await.expect("a balance can be corrected");
    }
    let found = |scope: Scope, unit, standing| async move {
        let mut filter = WalletFilter { unit, standing, after: None, limit: 2 };
        let mut found: Vec<WalletKey> = Vec::new();
        loop {
            let page = store.wallets(&scope, &filter).await.expect("the store can be read");
            assert!(page.is_sorted_by_key(|wallet| wallet.id));
            let Some(last) = page.last() else { break };
            assert!(filter.after < Some(last.id));
            filter.after = Some(last.id);
            found.extend(page.into_iter().map(|wallet| wallet.key));
        }
        found.sort();
        found
    };
    let pick = |places: &[usize]| {
        let mut picked: Vec<_> = places.iter().map(|&place| keys[place].0.clone()).collect();
        picked.sort();
        picked
    };
    let (all, debt) = (Standing::All, Standing::InDebt);
    for (scope, unit, standing, expected) in [
        (Scope::All, None, all, &[0, 1, 2, 3, 4][..]),
        (Scope::All, None, debt, &[1, 3]),
        (Scope::Tenant(TenantId::main()), None, all, &[0, 1]),
        (Scope::Tenant(acme.clone()), None, all, &[2, 3, 4]),
        (Scope::Tenant(acme.clone()), Some(Unit::CREDIT), all, &[2, 4]),
        (Scope::Tenant(acme.clone()), Some(Unit::USD), debt, &[3]),
        (Scope::User(acme.clone(), user("user-1")), None, all, &[4]),
        (Scope::User(acme, user("user-2")), None, all, &[]),
    ] {
        assert_eq!(
            found(scope.clone(), unit, standing).await,
            pick(expected),
            "{scope:?} {unit:?} {standing:?}"
        );
    }
}

/// Filters of attempts add up; those without a result are the error log.
pub(super) async fn attempts_are_found_by_job_key_route_and_failure(store: &dyn Store, clock: &TestClock) {
    let scene = Scene::configured(store, clock).await;
    let keys = [NewKey::new("ai33", 9, 9), NewKey::new("ai84", 9, 9)];
    let (worker, keys) = with_keys(&scene, &keys).await;
    let first = worker.admitted(&Order::new("user-1", 3)).await.job.id;
    let second = worker.admitted(&Order::new("user-1", 1).on(&[("ai84", 1)])).await.job.id;
    let leases = worker.claim(pool("ai33"), 3).await.leases;
    let other = worker.lease(pool("ai84")).await;
    worker.settled(&leases[0], failed(FailureKind::Policy, Reached::Yes)).await;
    worker.settled(&leases[1], AttemptResult::NotSent).await;
    worker.settled(&other, super::fixtures::lost(crate::store::UnknownPolicy::Fail)).await;
    let found = |filter: AttemptFilter| async move {
        let filter = AttemptFilter { limit: 10, ..filter };
        let attempts = store.attempts(&Scope::All, &filter).await.expect("the store can be read");
        attempts.into_iter().map(|attempt| attempt.id).collect::<Vec<_>>()
    };
    let ids: Vec<_> = leases.iter().chain([&other]).map(|lease| lease.attempt.id).collect();
    let pick = |places: &[usize]| places.iter().map(|&place| ids[place]).collect::<Vec<_>>();
    assert_eq!(found(AttemptFilter::default()).await, pick(&[3, 2, 1, 0]));
    assert_eq!(found(AttemptFilter { job: Some(first), ..Default::default() }).await, pick(&[2, 1, 0]));
    assert_eq!(found(AttemptFilter { key: Some(keys[1]), ..Default::default() }).await, pick(&[3]));
    let on_ai33 = AttemptFilter { route: Some(route("ai33")), ..Default::default() };
    assert_eq!(found(on_ai33.clone()).await, pick(&[2, 1, 0]));
    let only = AttemptKind::Errors;
    assert_eq!(found(AttemptFilter { only, ..Default::default() }).await, pick(&[3, 0]));
    assert_eq!(found(AttemptFilter { only, ..on_ai33 }).await, pick(&[0]));
    assert_eq!(found(AttemptFilter { before: Some(ids[2]), ..Default::default() }).await, pick(&[1, 0]));
    assert_eq!(
        found(AttemptFilter { job: Some(second), key: Some(keys[0]), ..Default::default() }).await,
        []
    );
    let (main, acme) = (TenantId::main(), TenantId::new("acme").expect("the name is legal"));
    for (scope, expected) in [
        (Scope::Tenant(main.clone()), 4),
        (Scope::User(main.clone(), user("user-1")), 4),
        (Scope::User(main, user("user-2")), 0),
        (Scope::Tenant(acme.clone()), 0),
        (Scope::User(acme, user("user-1")), 0),
    ] {
        let filter = AttemptFilter { limit: 10, ..AttemptFilter::default() };
        let seen = store.attempts(&scope, &filter).await.expect("the store can be read");
        assert_eq!(seen.len(), expected, "{scope:?}");
    }
}

/// Usage is read of one tenant or user and of a time, from its first instant up to but not including its last one,
/// newest first, and in pages.
pub(super) async fn attempts_are_found_by_scope_and_time(store: &dyn Store, clock: &TestClock) {
    let scene = Scene::configured(store, clock).await;
    let (worker, _) = with_keys(&scene, &[NewKey::new("ai33", 99, 99)]).await;
    let (main, other) = (TenantId::main(), TenantId::new("người thuê").expect("the id is legal"));
    let start = clock.now();
    let at = |micros: u64| start.plus(Duration::from_micros(micros));
    let mut ids = Vec::new();
    // Two of them in one millisecond, and the clock is set back before the last one.
    for (tenant, name, micros) in [
        (&main, "user-1", 0),
        (&other, "user-1", 1_000),
        (&main, "user-2", 1_001),
        (&other, "user-1", 5_000_000),
        (&main, "user-1", 4_000_000),
    ] {
        let wallet = WalletKey { tenant: tenant.clone(), ..wallet_of(name) };
        let gift = Movement::Adjust { change: Amount::new(1000), cause: Cause::default() };
        let credit = Credit { wallet: wallet.clone(), ..worker.credit_command(name, gift) };
        worker.credit(credit).await.expect("credits can be given");
        let order = Admit { tenant: tenant.clone(), wallet, ..Order::new(name, 1).admit(&scene.ids) };
        worker.execute(Command::Admit(Box::new(order))).await;
        clock.set(at(micros));
        let lease = worker.lease(pool("ai33")).await;
        assert_eq!((&lease.attempt.tenant, &lease.attempt.user), (tenant, &user(name)));
        assert_eq!(lease.attempt.leased_at, at(micros));
        ids.push(lease.attempt.id);
    }
    let found = |scope: Scope, since: Option<u64>, until: Option<u64>| async move {
        let (since, until) = (since.map(at), until.map(at));
        let mut filter = AttemptFilter { since, until, limit: 2, ..Default::default() };
        let mut found = Vec::new();
        loop {
            let page = store.attempts(&scope, &filter).await.expect("the store can be read");
            let Some(last) = page.last() else { return found };
            filter.before = Some(last.id);
            found.extend(page.into_iter().map(|attempt| attempt.id));
        }
    };
    let of_main = Scope::Tenant(main.clone());
    for (scope, since, until, expected) in [
        (Scope::All, None, None, &[3, 4, 2, 1, 0][..]),
        (Scope::All, Some(1_000), Some(1_001), &[1]),
        (Scope::All, Some(1_001), None, &[3, 4, 2]),
        (Scope::All, None, Some(1_001), &[1, 0]),
        (Scope::All, Some(1_001), Some(1_000), &[]),
        (of_main.clone(), None, None, &[4, 2, 0]),
        (of_main.clone(), Some(0), Some(4_000_000), &[2, 0]),
        (of_main, Some(1), Some(4_000_001), &[4, 2]),
        (Scope::Tenant(other.clone()), Some(0), Some(5_000_001), &[3, 1]),
        (Scope::Tenant(TenantId::new("MAIN").expect("the id is legal")), None, None, &[]),
        (Scope::User(main, user("user-1")), None, Some(4_000_001), &[4, 0]),
        (Scope::User(other, user("user-2")), None, None, &[]),
    ] {
        let expected: Vec<_> = expected.iter().map(|&place: &usize| ids[place]).collect();
        assert_eq!(found(scope.clone(), since, until).await, expected, "{scope:?} {since:?} {until:?}");
    }
    let all_time = AttemptFilter {
        since: Some(Timestamp::EPOCH),
        until: Some(Timestamp::FAR),
        limit: 9,
        ..Default::default()
    };
    assert_eq!(store.attempts(&Scope::All, &all_time).await.expect("the store can be read").len(), 5);
    let foreign = Scope::Tenant(TenantId::new("nobody").expect("the id is legal"));
    let job = store.attempts(&Scope::All, &all_time).await.expect("the store can be read")[0].job;
    let of_job = AttemptFilter { job: Some(job), limit: 9, ..Default::default() };
    assert_eq!(store.attempts(&foreign, &of_job).await.expect("the store can be read"), []);
}

/// A page begins where the one before it ended; a limit of zero asks for nothing.
pub(super) async fn long_lists_are_read_in_pages(store: &dyn Store, clock: &TestClock) {
    let scene = Scene::configured(store, clock).await;
    let (worker, _) = with_keys(&scene, &[NewKey::new("ai33", 99, 99)]).await;
    for name in ["user-2", "user-3", "user-4"] {
        worker.buy(name, 100).await;
    }
    let mut expected = Vec::new();
    for name in ["user-1", "user-2", "user-1", "user-3", "user-4"] {
        clock.advance(Duration::from_secs(1));
        expected.push(worker.admitted(&Order::new(name, 1)).await.job.id);
    }
    worker.claim(pool("ai33"), 5).await;

    let (mut jobs, mut before) = (Vec::new(), None);
    loop {
        let filter = JobFilter { before, limit: 2, ..Default::default() };
        let page = store.jobs(&Scope::All, &filter).await.expect("the store can be read");
        assert!(page.len() <= 2);
        let Some(last) = page.last() else { break };
        before = Some(last.id);
        jobs.extend(page.into_iter().map(|job| job.id));
    }
    jobs.reverse();
    assert_eq!(jobs, expected);

    let (mut attempts, mut before) = (0, None);
    loop {
        let filter = AttemptFilter { before, limit: 2, ..Default::default() };
        let page = store.attempts(&Scope::All, &filter).await.expect("the store can be read");
        let Some(last) = page.last() else { break };
        assert!(before.is_none_or(|before| last.id < before));
        before = Some(last.id);
        attempts += page.len();
    }
    assert_eq!(attempts, 5);

    for _ in 0..6 {
        worker.adjust("user-1", 1).await.expect("it is legal");
    }
    let id = wallet_of("user-1").id();
    let (mut numbers, mut before) = (Vec::new(), None);
    loop {
        let page = store.entries(id, before, 3).await.expect("the store can be read");
        let Some(last) = page.last() else { break };
        before = Some(last.number);
        numbers.extend(page.iter().map(|entry| entry.number));
    }
    assert_eq!(numbers, [7, 6, 5, 4, 3, 2, 1]);
    assert_eq!(store.entries(id, Some(1), 3).await.expect("the store can be read"), []);
    assert_eq!(store.entries(id, None, 0).await.expect("the store can be read"), []);
    assert_eq!(store.entries(id, None, u32::MAX).await.expect("the store can be read").len(), 7);

    let (mut wallets, mut after) = (BTreeSet::new(), None);
    loop {
        let page = store.wallet_books(after, 3).await.expect("the store can be read");
        assert!(page.len() <= 3);
        let Some(last) = page.last() else { break };
        after = Some(last.wallet.id);
        for book in &page {
            let holds = if book.wallet.key == wallet_of("user-1") { 2 } else { 1 };
            assert_eq!(book.holds.len(), holds);
            wallets.insert(book.wallet.id);
        }
    }
    assert_eq!(wallets.len(), 4);

    let (mut books, mut after) = (Vec::new(), None);
    loop {
        let page = store.job_books(after, 2).await.expect("the store can be read");
        let Some(last) = page.last() else { break };
        after = Some(last.job.id);
        books.extend(page.into_iter().map(|book| book.job.id));
    }
    assert_eq!(books, expected);

    // Rows of one instant, of one batch, and after the clock was set back: each has its place.
    let adjust = |_| {
        let movement = Movement::Adjust { change: Amount::new(1), cause: Cause::default() };
        worker.act("wallets.adjust", worker.credit_command("user-1", movement))
    };
    worker.write((1..=4).map(adjust).collect()).await;
    clock.set(Timestamp::EPOCH);
    worker.adjust("user-1", 1).await.expect("it is legal");
    let whole = store.audit(&AuditOf::ALL, None, 100).await.expect("the store can be read");
    assert!(whole.is_sorted_by(|a, b| a.id > b.id), "newest first");
    let (mut rows, mut before) = (Vec::new(), None);
    loop {
        let page = store.audit(&AuditOf::ALL, before, 3).await.expect("the store can be read");
        assert!(page.len() <= 3);
        let Some(last) = page.last() else { break };
        before = Some(last.id);
        rows.extend(page);
    }
    assert_eq!(rows, whole);
    let unknown = AuditId::from_uuid(scene.ids.uuid());
    assert_eq!(store.audit(&AuditOf::ALL, Some(unknown), 3).await.expect("the store can be read"), []);
}

/// Asking for what there is not is no error.
pub(super) async fn what_is_not_there_is_not_found(store: &dyn Store, clock: &TestClock) {
    let scene = Scene::empty(store, clock);
    let uuid = || scene.ids.uuid();
    let read = "the store can be read";
    assert_eq!(store.job(&Scope::All, JobId::from_uuid(uuid())).await.expect(read), None);
    assert_eq!(store.task(TaskId::from_uuid(uuid())).await.expect(read), None);
    assert_eq!(store.output(TaskId::from_uuid(uuid())).await.expect(read), None);
    assert_eq!(store.voice(&Scope::All, VoiceId::from_uuid(uuid())).await.expect(read), None);
    assert_eq!(store.wallet(&wallet_of("nobody")).await.expect(read), None);
    assert_eq!(store.idempotency(&[0; 32]).await.expect(read), None);
    assert_eq!(store.entries(wallet_of("nobody").id(), None, 10).await.expect(read), []);
    assert_eq!(store.voices(&Scope::User(TenantId::main(), user("nobody"))).await.expect(read), []);
    assert_eq!(store.keys().await.expect(read), []);
    assert_eq!(store.limits().await.expect(read), []);
    assert_eq!(store.audit(&AuditOf::ALL, None, 10).await.expect(read), []);
    assert_eq!(store.wallet_books(None, 10).await.expect(read), []);
    assert_eq!(store.job_books(None, 10).await.expect(read), []);
    let pulse = store.pulse().await.expect(read);
    assert_eq!((pulse.now, pulse.configuration_version, pulse.first_delayed), (clock.now(), 0, None));
    assert!(pulse.waiting.is_empty() && pulse.overdue.is_empty() && pulse.workers.is_empty());
    assert_eq!((pulse.key_revision, store.changed_keys(0).await.expect(read)), (0, ChangedKeys::default()));
    assert_eq!(store.key(KeyId::from_uuid(uuid())).await.expect(read), None);
    assert_eq!(store.pools(&[pool("ai33")].into()).await.expect(read), []);
    let worker = scene.worker().await;
    let late = LateAnswer { attempt: AttemptId::from_uuid(uuid()), upstream_id: None, cost: None };
    assert_eq!(worker.execute(Command::RecordLate(late)).await, Outcome::Done);
}

/// The pulse shows the pools that tasks wait in, the workers that live, and what is due.
pub(super) async fn the_pulse_tells_what_waits(store: &dyn Store, clock: &TestClock) {
    let scene = Scene::configured(store, clock).await;
    let keys = [NewKey::new("ai33", 9, 9), NewKey::new("ai33", 9, 9), NewKey::new("ai84", 9, 9)];
    let (worker, keys) = with_keys(&scene, &keys).await;
    let order = Order { deadline: Duration::from_secs(60), ..Order::new("user-1", 4) };
    let mut jobs = Vec::new();
    for _ in 0..20 {
        clock.advance(Duration::from_millis(1));
        jobs.push(worker.admitted(&order).await.job.id);
    }
    let bound = Order { only_key: Some(keys[0]), ..Order::new("user-1", 3) };
    worker.admit(&bound).await.expect("it can be paid");
    worker.claim(pool("ai33"), 5).await;
    let pulse = store.pulse().await.expect("the store can be read");
    let seen: BTreeMap<_, _> = pulse.waiting.iter().map(|pool| (pool.id, pool.waiting)).collect();
    assert_eq!(seen, [(pool("ai33"), 75), (PoolId::of_key(keys[0]), 3)].into());
    assert_eq!(pulse.key_revision, 3);
    worker.claim(PoolId::of_key(keys[0]), 5).await;
    let idle = store.pulse().await.expect("the store can be read").waiting;
    assert_eq!(
        idle.iter().map(|pool| pool.id).collect::<Vec<_>>(),
        [pool("ai33")],
        "nothing waits in the other"
    );
    let row = scene.pool(PoolId::of_key(keys[0])).await;
    assert_eq!((row.waiting, row.key), (0, Some(keys[0])), "which is read by its id");
    assert_eq!(pulse.overdue, []);
    clock.advance(Duration::from_secs(61));
    let pulse = store.pulse().await.expect("the store can be read");
    assert_eq!(pulse.overdue.len(), crate::store::PULSE_OVERDUE_MAX, "some of them");
    assert_eq!(pulse.overdue, jobs[..crate::store::PULSE_OVERDUE_MAX], "the longest overdue first");
    assert_eq!(pulse.now, clock.now());
    let ids: Vec<_> = pulse.workers.iter().map(|worker| worker.id).collect();
    assert!(ids.contains(&worker.id));
}
