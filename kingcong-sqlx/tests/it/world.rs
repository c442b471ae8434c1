//! A small world to write batches about: two servers, one service, keys, users.

use std::{
    collections::BTreeMap,
    num::NonZeroU32,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use kingcong_core::{
    access::{RoleName, Scope},
    clock::{Clock, Timestamp},
    id::{
        Actor, AttemptId, AuditId, HoldId, JobId, KeyId, PackageId, Route, ServerId, ServiceId, TaskId,
        TenantId, UserId, WorkerId,
    },
    keys::{Key, KeyStatus, Level, Limit, Limits, PollsCount, PoolId, Rules},
    lane::Lane,
    ledger::{Cause, Owner, WalletKey},
    measure::{Counts, Measure, count_characters},
    money::{Amount, Unit},
    operation::Operation,
    preset::kingcong,
    pricing::{Charge, Overrun, Price, PriceLine, RoutePrice, common_denominator, hold_amount},
    store::{
        AddKey, Admit, AttemptResult, AuditOutcome, Batch, Claim, Claimed, Command, Configuration,
        ConfigurationChange, Configure, Credit, DEAD_AFTER_MIN, EgressLimit, Lease, Movement, NewAudit,
        NewTask, Outcome, Retry, Settle, Store, UnknownPolicy, Written,
    },
    switch::Switch,
    upstream::UpstreamCredits,
    vault::{Envelope, Fingerprint, SecretVersion},
    work::{
        AudioFormat, Body, Coding, IdempotencyKey, Layout, Pace, Sound, Speech, Subtitles, TaskRoute,
        VoiceSettings, Work, speech_quantities,
    },
};
use uuid::Uuid;

/// A clock that stands until it is moved.
#[derive(Debug)]
pub(crate) struct StandingClock(AtomicI64);

impl StandingClock {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self(AtomicI64::new(1_700_000_000_000_000)))
    }

    pub(crate) fn advance(&self, by: Duration) {
        self.0.fetch_add(i64::try_from(by.as_micros()).unwrap(), Ordering::SeqCst);
    }
}

#[async_trait]
impl Clock for StandingClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(self.0.load(Ordering::SeqCst))
    }

    fn elapsed(&self) -> Duration {
        Duration::ZERO
    }

    async fn sleep(&self, _: Duration) {}
}

/// Numbers ids, so that two stores can be told the same story.
#[derive(Debug, Default)]
pub(crate) struct Ids(u128);

impl Ids {
    /// Those of one of several processes.
    pub(crate) fn of_process(number: u32) -> Self {
        Self(u128::from(number) << 48)
    }

    /// The next one, with room behind it for the attempts of a claim.
    pub(crate) fn next(&mut self) -> Uuid {
        self.0 += 1 << 16;
        Uuid::from_u128(0x0193_2c07_0000_7000_8000_0000_0000_0000 + self.0)
    }
}

/// Random numbers that are the same in every run.
#[derive(Debug)]
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// A number below `sides`: by SplitMix64.
    pub(crate) fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % sides
    }
}

pub(crate) fn server(name: &str) -> ServerId {
    ServerId::new(name).unwrap()
}

pub(crate) fn service() -> ServiceId {
    ServiceId::new("elevenlabs").unwrap()
}

pub(crate) fn route(server_name: &str) -> Route {
    Route::new(server(server_name), service())
}

pub(crate) fn user(number: u32) -> UserId {
    UserId::new(format!("người-dùng-{number}")).unwrap()
}

pub(crate) fn wallet(number: u32) -> WalletKey {
    WalletKey { tenant: TenantId::main(), owner: Owner::User(user(number)), unit: Unit::CREDIT }
}

pub(crate) fn price(of: &Route) -> Price {
    Price {
        route: of.clone(),
        model: None,
        operation: Operation::Speech,
        lane: Lane::Shared,
        unit: Unit::CREDIT,
        name: "speech".into(),
        charge: Charge::lines([PriceLine::from_decimal(
            Measure::Character,
            "0.7".parse().unwrap(),
            NonZeroU32::MIN,
            Unit::CREDIT,
        )
        .unwrap()])
        .unwrap(),
        overrun: Overrun::Operator,
        switch: Switch::On,
        version: 1,
        since: Timestamp::EPOCH,
    }
}

pub(crate) fn preset() -> Configuration {
    let mut prices = kingcong_core::pricing::PriceList::default();
    for server in ["ai33", "ai84"] {
        prices.set(price(&route(server)), Timestamp::EPOCH).unwrap();
    }
    Configuration { version: 0, system: kingcong::system(), prices, packages: kingcong::packages() }
}

pub(crate) fn audit(ids: &mut Ids) -> NewAudit {
    NewAudit {
        tenant: None,
        role: RoleName::Operator,
        target: Some("a test".to_owned()),
        outcome: AuditOutcome::Done,
        id: AuditId::from_uuid(ids.next()),
        actor: Actor::new("an admin").unwrap(),
        door: "tests.door",
        detail: r#"{"why":"a test"}"#.into(),
    }
}

pub(crate) fn configure(ids: &mut Ids) -> Command {
    let change = ConfigurationChange::Preset(Box::new(preset()));
    Command::admin(audit(ids), Configure { expected_version: 0, change })
}

pub(crate) fn purchase(ids: &mut Ids, who: u32, amount: i64, order: Option<&str>) -> Command {
    let key = wallet(who);
    let idempotency = order.map(|order| {
        IdempotencyKey::new("wallets.purchase", &key.tenant, user(who).as_str(), order, &amount).unwrap()
    });
    let movement = Movement::Purchase {
        configuration_version: 1,
        package: PackageId::new("package-1").unwrap(),
        amount: Amount::new(amount),
        cause: Cause { reference: Some("order 1".into()), ..Cause::default() },
    };
    Command::admin(audit(ids), Credit { idempotency, wallet: key, movement })
}

pub(crate) fn envelope() -> Envelope {
    let mut bytes = b"KCv1\x01\x01\x00\x00\x00\x01".to_vec();
    bytes.extend([7; 32 + 12 + 20 + 16]);
    Envelope::from_bytes(bytes)
}

pub(crate) fn key(ids: &mut Ids, of: &Route, at: Timestamp) -> Key {
    let id = ids.next();
    let mut fingerprint = [0; 32];
    fingerprint[..16].copy_from_slice(id.as_bytes());
    Key {
        id: KeyId::from_uuid(id),
        route: of.clone(),
        tenant: TenantId::main(),
        label: "a key".into(),
        mask: "sk-a…z".into(),
        fingerprint: Fingerprint::from_bytes(fingerprint),
        secret_version: SecretVersion::FIRST,
        envelope: Some(envelope()),
        account: None,
        switch: Switch::On,
        status: KeyStatus::Active,
        balance: Some(UpstreamCredits::whole(1000)),
        checked_at: None,
        last_used: None,
        created_at: at,
    }
}

pub(crate) fn add_key(
    ids: &mut Ids,
    of: &Route,
    in_flight: u32,
    per_minute: u32,
    account: Option<&str>,
) -> AddKey {
    let mut key = key(ids, of, Timestamp::EPOCH);
    key.account = account.map(str::to_owned);
    let number = |number| NonZeroU32::new(number).unwrap();
    let account_limits = account.and_then(|_| Limits::new(in_flight * 2, per_minute * 2));
    let mut limit = Limit::new(Limit::id_of_key(key.id), Level::Key, number(in_flight), number(per_minute));
    limit.account = account.map(|account| Limit::id_of_account(&of.server, account));
    let origin = kingcong::system().servers[&of.server].base_url.origin();
    AddKey { key, origin, limit, account_limits }
}

pub(crate) fn work(text: &str) -> Work {
    Work::Speech(Speech {
        text: text.into(),
        voice: "voice-1".into(),
        model: None,
        format: AudioFormat::Mp3,
        subtitles: Subtitles::Srt,
        settings: VoiceSettings::default(),
        language: Some("vi".into()),
    })
}

pub(crate) fn admit(ids: &mut Ids, who: u32, texts: &[&str], key: Option<&str>) -> Admit {
    let quote = |of: &Route, text: &str| -> RoutePrice {
        price(of).quote(&speech_quantities(count_characters(text), 100).unwrap()).unwrap()
    };
    let priced: Vec<Vec<RoutePrice>> = texts
        .iter()
        .map(|text| ["ai33", "ai84"].map(|server| quote(&route(server), text)).to_vec())
        .collect();
    let all: Vec<&RoutePrice> = priced.iter().flatten().collect();
    let tasks = texts.iter().zip(&priced).map(|(text, prices)| NewTask {
        id: TaskId::from_uuid(ids.next()),
        work: Arc::new(work(text)),
        quantities: speech_quantities(count_characters(text), 100).unwrap(),
        routes: prices
            .iter()
            .map(|price| TaskRoute { card: price.clone(), lane: Lane::Shared, known_as: "voice-1".into() })
            .collect(),
    });
    let idempotency = key.map(|key| {
        IdempotencyKey::new("submit", &TenantId::main(), user(who).as_str(), key, &texts).unwrap()
    });
    Admit {
        idempotency,
        configuration_version: 1,
        tenant_version: 0,
        prices_during: Timestamp::from_micros(i64::MIN)..Timestamp::from_micros(i64::MAX),
        tasks: tasks.collect(),
        job: JobId::from_uuid(ids.next()),
        hold: HoldId::from_uuid(ids.next()),
        tenant: TenantId::main(),
        user: user(who),
        wallet: wallet(who),
        operation: Operation::Speech,
        service: service(),
        held: hold_amount(&priced).unwrap(),
        denominator: common_denominator(&all).unwrap(),
        deadline: Duration::from_secs(3600),
        start_at: None,
        weight: NonZeroU32::MIN,
        shares: BTreeMap::from([(server("ai33"), 70), (server("ai84"), 30)]),
        only_key: None,
        queue_max: 1_000_000,
    }
}

pub(crate) fn retry(ids: &mut Ids, who: u32, job: JobId, key: &str) -> Command {
    let (tenant, user) = (TenantId::main(), user(who));
    let idempotency = IdempotencyKey::new("submit", &tenant, user.as_str(), key, &("retry", job)).unwrap();
    Command::Retry(Box::new(Retry {
        idempotency,
        scope: Scope::All,
        job,
        keyed: ["ai33", "ai84"].map(route).into(),
        deadline: Duration::from_secs(3600),
        unknown: UnknownPolicy::Retry,
        queue_max: 1_000_000,
        audit: audit(ids),
    }))
}

pub(crate) fn claim(ids: &mut Ids, of: &Route, leases_max: u32) -> Command {
    let number = |number| NonZeroU32::new(number).unwrap();
    Command::Claim(Claim {
        pool: PoolId::shared(of),
        configuration_version: 1,
        polls: PollsCount::Free,
        leases_max,
        first_attempt: AttemptId::from_uuid(ids.next()),
        egress: Some(EgressLimit {
            id: Limit::id_of_egress(&of.server, &kingcong_core::id::Egress::main()),
            max_in_flight: number(u32::MAX),
            per_window: number(600_000),
        }),
    })
}

pub(crate) fn done(bytes: usize) -> AttemptResult {
    AttemptResult::Done {
        output: Sound {
            layout: Layout { coding: Coding::Mp3, sample_rate: 44_100, channels: 1 },
            samples: 1152,
            spans: std::iter::once(0..1).collect(),
            pace: Pace::Constant { bytes_a_second: 16_000 },
        }
        .stored(Body::Memory(vec![1; bytes].into()), None),
        cost: Some(UpstreamCredits::whole(12)),
        measured: Counts::NONE.with(Measure::AudioMs, 1234).into(),
    }
}

pub(crate) fn settle(lease: &Lease, result: AttemptResult) -> Command {
    Command::Settle(Box::new(Settle::of(&lease.attempt, result)))
}

/// A worker that numbers its batches.
#[derive(Debug)]
pub(crate) struct Writer {
    pub(crate) worker: WorkerId,
    pub(crate) number: i64,
}

impl Writer {
    pub(crate) async fn register(store: &dyn Store, ids: &mut Ids) -> Self {
        let worker = WorkerId::from_uuid(ids.next());
        store.register_worker(worker, DEAD_AFTER_MIN).await.unwrap();
        Self { worker, number: 0 }
    }

    pub(crate) fn batch(&mut self, commands: Vec<Command>) -> Batch {
        self.number += 1;
        Batch { worker: self.worker, number: self.number, rules: Rules::default(), commands }
    }

    pub(crate) async fn write(&mut self, store: &dyn Store, commands: Vec<Command>) -> Vec<Outcome> {
        match store.write(&self.batch(commands)).await.unwrap() {
            Written::Now { outcomes, .. } => outcomes,
            other => panic!("{other:?}"),
        }
    }
}

pub(crate) fn claimed(outcomes: Vec<Outcome>) -> Claimed {
    match outcomes.into_iter().next() {
        Some(Outcome::Claim(claimed)) => claimed,
        other => panic!("{other:?}"),
    }
}

/// A store with the preset, `keys` keys on each route and `users` rich users.
pub(crate) async fn furnish(store: &dyn Store, ids: &mut Ids, keys: usize, users: u32) -> Writer {
    let mut writer = Writer::register(store, ids).await;
    writer.write(store, vec![configure(ids)]).await;
    let mut commands = Vec::new();
    for server in ["ai33", "ai84"] {
        for _ in 0..keys {
            let add = add_key(ids, &route(server), 1000, 100_000, None);
            commands.push(Command::admin(audit(ids), add));
        }
    }
    for who in 0..users {
        commands.push(purchase(ids, who, 1_000_000_000, None));
    }
    for chunk in commands.chunks(200) {
        writer.write(store, chunk.to_vec()).await;
    }
    writer
}
