//! What laws and tests are set up with: a clock that is told the time, a configuration with prices, orders, keys, and
//! workers that write batches to a store.

use std::{
    collections::{BTreeMap, BTreeSet},
    num::NonZeroU32,
    sync::{
        Arc,
        atomic::{AtomicI64, AtomicU64, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use parking_lot::Mutex;
use uuid::Uuid;

use crate::{
    access::{RoleName, Scope},
    clock::{Clock, Timestamp},
    failure::{Failure, FailureKind, Reached},
    id::{
        Actor, AttemptId, AuditId, Egress, HoldId, JobId, KeyId, PackageId, Route, ServerId, ServiceId,
        TaskId, TenantId, TenantName, UserId, WorkerId,
    },
    keys::{
        Key, KeyStatus, KeyWithLimits, Level, Limit, Limits, LimitsChange, PollNeed, PollsCount, Pool,
        PoolId, Rules, Verdict,
    },
    lane::Lane,
    ledger::{Cause, Owner, Wallet, WalletKey},
    measure::{Counts, Measure, Quantities, count_characters},
    money::{Amount, Money, Unit},
    operation::Operation,
    preset::kingcong,
    pricing::{
        Catalogue, Charge, Overrun, Package, Price, PriceLine, PriceList, RoutePrice, common_denominator,
        hold_amount,
    },
    routing::{BaseUrl, Origin},
    store::{
        Accept, Act, AddKey, AdminAct, Admit, Admitted, Adopt, Adopted, AttemptResult, AuditOutcome, Batch,
        ChangeAccount, ChangeKey, Claim, Claimed, Command, Configuration, ConfigurationChange, Configure,
        Credit, Credited, Duty, EgressLimit, JobWithTasks, KeyChange, Lease, Movement, NewAudit, NewTask,
        NotAdmitted, NotChanged, NotConfigured, NotCredited, NotMine, NotRetried, Outcome, Poll, PollRefused,
        Promote, Replan, Retried, Retry, SetTenant, Settle, Settled, Stop, StopWhy, Stopped, Store,
        StoreError, TakeDuty, UnknownPolicy, Unsettled, Waited, Written,
    },
    switch::Switch,
    tenants::{Tenant, TenantState},
    upstream::UpstreamId,
    vault::{ENVELOPE_BYTES_MIN, Envelope, Fingerprint, SecretVersion},
    work::{
        Attempt, AudioFormat, Body, CloneVoice, Coding, IdempotencyKey, Layout, Pace, Sound, Speech,
        Subtitles, Task, TaskRoute, VoiceSettings, Work, speech_quantities,
    },
};

/// When every [`TestClock`] starts.
pub const START: Timestamp = Timestamp::from_micros(1_700_000_000_000_000);
/// How often a [`TestWorker`] tries a batch that a store asks it to try again.
/// How long a worker may be silent.
pub const DEAD_AFTER: Duration = Duration::from_secs(30);
const TRIES_MAX: u32 = 100;

/// A clock that stands still until it is told to move.
#[derive(Debug)]
pub struct TestClock {
    /// The wall clock, and the monotonic one.
    time: Mutex<(Timestamp, Duration)>,
}

impl Default for TestClock {
    fn default() -> Self {
        Self { time: Mutex::new((START, Duration::ZERO)) }
    }
}

impl TestClock {
    /// Time passes.
    pub fn advance(&self, by: Duration) {
        let mut time = self.time.lock();
        *time = (time.0.plus(by), time.1 + by);
    }

    /// The wall clock is set, while no time passes.
    pub fn set(&self, now: Timestamp) {
        self.time.lock().0 = now;
    }
}

#[async_trait]
impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        self.time.lock().0
    }

    fn elapsed(&self) -> Duration {
        self.time.lock().1
    }

    async fn sleep(&self, duration: Duration) {
        self.advance(duration);
        tokio::task::yield_now().await;
    }
}

/// A server of that name.
///
/// # Panics
/// When no server can have the name.
#[must_use]
pub fn server(name: &str) -> ServerId {
    ServerId::new(name).expect("tests name servers legally")
}

/// A service of that name.
///
/// # Panics
/// When no service can have the name.
#[must_use]
pub fn service(name: &str) -> ServiceId {
    ServiceId::new(name).expect("tests name services legally")
}

/// The route to ElevenLabs on that server.
#[must_use]
pub fn route(server_name: &str) -> Route {
    Route::new(server(server_name), service("elevenlabs"))
}

/// The pool of shared keys of [`route`].
#[must_use]
pub fn pool(server_name: &str) -> PoolId {
    PoolId::shared(&route(server_name))
}

/// A user of that name.
///
/// # Panics
/// When no user can have the name.
#[must_use]
pub fn user(name: &str) -> UserId {
    UserId::new(name).expect("tests name users legally")
}

/// The credits of that user of the main tenant.
#[must_use]
pub fn wallet_of(name: &str) -> WalletKey {
    WalletKey { tenant: TenantId::main(), owner: Owner::User(user(name)), unit: Unit::CREDIT }
}

/// An idempotency key of that text, for this payload.
///
/// # Panics
/// When the text cannot be one.
#[must_use]
pub fn idempotency(text: &str, payload: &str) -> IdempotencyKey {
    IdempotencyKey::new("test", &TenantId::main(), "user-1", text, &payload)
        .expect("tests make legal idempotency keys")
}

/// So much for every `per` of a measure, in 10<sup>-6</sup> credits.
///
/// # Panics
/// When `per` is zero.
#[must_use]
pub fn line(measure: Measure, num: u64, per: u32) -> PriceLine {
    PriceLine::new(measure, num, NonZeroU32::new(per).expect("tests price per more than nothing"))
}

/// What every character of text, and every second of MiniMax's audio, costs on a server: 1 credit on AI33, 2 on AI84.
#[must_use]
pub fn credits_on(server_name: &str) -> u64 {
    if server_name == "ai84" { 2 } else { 1 }
}

fn price(route: Route, operation: Operation, price_line: PriceLine) -> Price {
    Price {
        name: format!("{operation} on {route}"),
        route,
        model: None,
        operation,
        lane: Lane::Shared,
        unit: Unit::CREDIT,
        charge: Charge::lines([price_line]).expect("tests charge for something"),
        overrun: Overrun::Operator,
        switch: Switch::On,
        version: 1,
        since: START,
    }
}

/// How a text is priced on a route: ElevenLabs by the character, MiniMax by the second of audio, which its upstream
/// reports.
fn speech_line(route: &Route) -> PriceLine {
    let credits = credits_on(route.server.as_str());
    match route.service.as_str() {
        "minimax" => line(Measure::AudioMs, credits * 1_000_000, 1000),
        _ => line(Measure::Character, credits * 1_000_000, 1),
    }
}

/// KingCong's servers and services with a price for everything and one package of 1000 credits.
///
/// # Panics
/// Never: what it is made of is legal.
#[must_use]
pub fn configuration() -> Configuration {
    let system = kingcong::system();
    let mut prices = PriceList::default();
    for route in system.routes.keys() {
        let clone = line(Measure::Request, 50_000_000, 1);
        for (operation, line) in [(Operation::Speech, speech_line(route)), (Operation::CloneVoice, clone)] {
            let price = price(route.clone(), operation, line);
            let since = price.since;
            prices.set(price, since).expect("the price is legal");
        }
    }
    let mut packages = Catalogue::default();
    packages.set(package("package-1", 1000)).expect("the package is legal");
    Configuration { version: 0, system, prices, packages }
}

/// A package of so many credits for one dollar.
///
/// # Panics
/// When no package can have the id.
#[must_use]
pub fn package(id: &str, credits: i64) -> Package {
    Package {
        id: PackageId::new(id).expect("tests name packages legally"),
        credits: Amount::new(credits),
        unit: Unit::CREDIT,
        price: Money::new(Amount::new(1_000_000_000), Unit::USD),
        label: id.to_owned(),
        switch: Switch::On,
    }
}

/// A job to admit, planned and quoted with [`configuration`].
#[derive(Clone, Debug)]
pub struct Order {
    /// Who asks and pays, of the main tenant.
    pub user: UserId,
    /// What is spoken, task by task.
    pub texts: Vec<Arc<str>>,
    /// On which service.
    pub service: ServiceId,
    /// The eligible servers with their weights.
    pub shares: BTreeMap<ServerId, u32>,
    /// A price in place of the configuration's.
    pub line: Option<PriceLine>,
    /// Who bears what is beyond the hold, by server; the operator where nothing is said.
    pub overruns: BTreeMap<ServerId, Overrun>,
    /// The one key that can do it.
    pub only_key: Option<KeyId>,
    /// Its weight in the queue.
    pub weight: NonZeroU32,
    /// How long it may take.
    pub deadline: Duration,
    /// Not before then.
    pub start_at: Option<Timestamp>,
    /// Against admitting it twice.
    pub idempotency: Option<IdempotencyKey>,
    /// The configuration that it was planned with.
    pub configuration_version: i64,
    /// The version of the tenant's row that it was planned with.
    pub tenant_version: i64,
    /// Most tasks that may wait in a pool.
    pub queue_max: i64,
}

/// So many credits.
#[must_use]
pub fn credits(amount: i64) -> Money {
    Money::new(Amount::new(amount), Unit::CREDIT)
}

/// How many characters a task of [`Order::new`] has: what it costs on AI33.
pub const TASK_CHARACTERS: i64 = 10;

impl Order {
    /// So many tasks of [`TASK_CHARACTERS`] each on ElevenLabs, by AI33 alone.
    #[must_use]
    pub fn new(user_name: &str, tasks: usize) -> Self {
        Self {
            user: user(user_name),
            texts: vec!["0123456789".into(); tasks],
            service: service("elevenlabs"),
            shares: BTreeMap::from([(server("ai33"), 1)]),
            line: None,
            overruns: BTreeMap::new(),
            only_key: None,
            weight: NonZeroU32::MIN,
            deadline: Duration::from_secs(24 * 3600),
            start_at: None,
            idempotency: None,
            configuration_version: 1,
            tenant_version: 0,
            queue_max: 100_000,
        }
    }

    /// The order on these servers with these weights.
    #[must_use]
    pub fn on(mut self, shares: &[(&str, u32)]) -> Self {
        self.shares = shares.iter().map(|&(name, weight)| (server(name), weight)).collect();
        self
    }

    /// The order under that idempotency key.
    #[must_use]
    pub fn under(mut self, idempotency: IdempotencyKey) -> Self {
        self.idempotency = Some(idempotency);
        self
    }

    /// Where a task that has so much of each measure may be done, at which price.
    fn routes(&self, quantities: &Quantities) -> Vec<TaskRoute> {
        let quote = |server: &ServerId| {
            let route = Route::new(server.clone(), self.service.clone());
            let line = self.line.clone().unwrap_or_else(|| speech_line(&route));
            let known_as = format!("voice on {server}").into();
            let overrun = self.overruns.get(server).copied().unwrap_or_default();
            let price = Price { overrun, ..price(route, Operation::Speech, line) }.quote(quantities);
            TaskRoute { card: price.expect("tests order what can be quoted"), lane: Lane::Shared, known_as }
        };
        self.shares.keys().map(quote).collect()
    }

    /// The command that admits it, with ids from `ids`.
    ///
    /// # Panics
    /// When it cannot be quoted.
    #[must_use]
    pub fn admit(&self, ids: &Ids) -> Admit {
        let tasks: Vec<NewTask> = self
            .texts
            .iter()
            .map(|text| {
                let quantities =
                    speech_quantities(count_characters(text), 100).expect("tests speak short texts");
                let routes = self.routes(&quantities);
                NewTask {
                    id: TaskId::from_uuid(ids.uuid()),
                    work: Arc::new(speech(text)),
                    quantities,
                    routes: routes.into(),
                }
            })
            .collect();
        let quoted: Vec<Vec<RoutePrice>> =
            tasks.iter().map(|task| task.routes.iter().map(|route| route.card.clone()).collect()).collect();
        let all: Vec<&RoutePrice> = quoted.iter().flatten().collect();
        Admit {
            idempotency: self.idempotency,
            configuration_version: self.configuration_version,
            tenant_version: self.tenant_version,
            prices_during: Timestamp::from_micros(i64::MIN)..Timestamp::from_micros(i64::MAX),
            job: JobId::from_uuid(ids.uuid()),
            hold: HoldId::from_uuid(ids.uuid()),
            tenant: TenantId::main(),
            user: self.user.clone(),
            wallet: wallet_of(self.user.as_str()),
            operation: Operation::Speech,
            service: self.service.clone(),
            held: hold_amount(&quoted).expect("tests order what can be held"),
            denominator: common_denominator(&all).expect("tests order what has a denominator"),
            deadline: self.deadline,
            start_at: self.start_at,
            weight: self.weight,
            shares: self.shares.clone(),
            only_key: self.only_key,
            tasks,
            queue_max: self.queue_max,
        }
    }
}

/// A command to admit that asks for voices made from recordings, in place of texts spoken.
#[must_use]
pub fn cloning(mut admit: Admit) -> Admit {
    admit.operation = Operation::CloneVoice;
    for task in &mut admit.tasks {
        task.work = Arc::new(Work::CloneVoice(CloneVoice {
            name: "my voice".into(),
            sample: Bytes::from_static(b"a recording"),
            content_type: "audio/mpeg".into(),
            preview_text: None,
        }));
    }
    admit
}

/// The work of speaking a text.
#[must_use]
pub fn speech(text: &str) -> Work {
    Work::Speech(Speech {
        text: text.into(),
        voice: "voice".into(),
        model: None,
        format: AudioFormat::Mp3,
        subtitles: Subtitles::No,
        settings: VoiceSettings::default(),
        language: None,
    })
}

/// Ids in growing order.
#[derive(Debug, Default)]
pub struct Ids(AtomicU64);

impl Ids {
    /// The next one, shaped as a UUIDv7, with room behind it for the attempts of a claim.
    pub fn uuid(&self) -> Uuid {
        let number = self.0.fetch_add(1 << 16, Ordering::Relaxed);
        Uuid::from_u128(0x018b_cfe5_6800_7000_8000_0000_0000_0000 | u128::from(number))
    }
}

/// A key to register.
#[derive(Clone, Debug)]
pub struct NewKey {
    /// Its route.
    pub route: Route,
    /// Most calls in flight.
    pub max_in_flight: u32,
    /// Most starts per window.
    pub per_window: u32,
    /// The account that it belongs to.
    pub account: Option<&'static str>,
    /// The account's limits: calls in flight, starts per window.
    pub account_limits: Option<(u32, u32)>,
    /// Its secret's fingerprint; a new one when absent.
    pub fingerprint: Option<Fingerprint>,
}

impl NewKey {
    /// A key of [`route`] with these limits.
    #[must_use]
    pub fn new(server_name: &str, max_in_flight: u32, per_window: u32) -> Self {
        Self {
            route: route(server_name),
            max_in_flight,
            per_window,
            account: None,
            account_limits: None,
            fingerprint: None,
        }
    }

    /// The key as one of that account, which allows so many calls in flight and so many starts per window.
    #[must_use]
    pub fn of_account(mut self, name: &'static str, max_in_flight: u32, per_window: u32) -> Self {
        self.account = Some(name);
        self.account_limits = Some((max_in_flight, per_window));
        self
    }

    /// The key as one of that account, which is known and keeps its limits.
    #[must_use]
    pub fn of_known_account(mut self, name: &'static str) -> Self {
        self.account = Some(name);
        self.account_limits = None;
        self
    }

    /// The command that registers it.
    ///
    /// # Panics
    /// When a limit is zero.
    #[must_use]
    pub fn add(&self, ids: &Ids) -> AddKey {
        let id = KeyId::from_uuid(ids.uuid());
        let limits = |(in_flight, per_window)| {
            Limits::new(in_flight, per_window).expect("tests allow at least one call")
        };
        let own = limits((self.max_in_flight, self.per_window));
        let mut limit = Limit::new(Limit::id_of_key(id), Level::Key, own.max_in_flight, own.per_minute);
        limit.account = self.account.map(|name| Limit::id_of_account(&self.route.server, name));
        let key = Key {
            id,
            route: self.route.clone(),
            tenant: TenantId::main(),
            label: format!("key {id}"),
            mask: "abcd…wxyz".into(),
            fingerprint: self.fingerprint.unwrap_or_else(|| fingerprint(ids)),
            secret_version: SecretVersion::FIRST,
            envelope: Some(envelope()),
            account: self.account.map(str::to_owned),
            switch: Switch::On,
            status: KeyStatus::Active,
            balance: None,
            checked_at: None,
            last_used: None,
            created_at: START,
        };
        let origin = origin(self.route.server.as_str());
        let account_limits = self.account_limits.map(limits);
        AddKey { key, origin, limit, account_limits }
    }
}

/// Where a server of [`configuration`] is; another is nowhere.
///
/// # Panics
/// When no server can have the name.
#[must_use]
pub fn origin(server_name: &str) -> Origin {
    let known =
        configuration().system.servers.get(&server(server_name)).map(|server| server.base_url.origin());
    known.unwrap_or_else(|| BaseUrl::new("https://nowhere.example").expect("the URL is legal").origin())
}

/// A fingerprint that no other secret has.
#[must_use]
pub fn fingerprint(ids: &Ids) -> Fingerprint {
    let mut bytes = [7; 32];
    bytes[..16].copy_from_slice(ids.uuid().as_bytes());
    Fingerprint::from_bytes(bytes)
}

/// Bytes that have the shape of a sealed secret.
///
/// # Panics
/// Never: its bytes have the shape.
#[must_use]
pub fn envelope() -> Envelope {
    let mut bytes = vec![0xA5; ENVELOPE_BYTES_MIN + 9];
    bytes[..10].copy_from_slice(b"KCv1\x01\x01\x00\x00\x00\x01");
    Envelope::from_bytes(bytes)
}

/// An audit row to write.
///
/// # Panics
/// Never: the actor's name is legal.
#[must_use]
pub fn audit(ids: &Ids, door: &'static str) -> NewAudit {
    NewAudit {
        tenant: None,
        role: RoleName::Operator,
        target: Some("a test".to_owned()),
        outcome: AuditOutcome::Done,
        id: AuditId::from_uuid(ids.uuid()),
        actor: Actor::new("admin").expect("the name is legal"),
        door,
        detail: r#"{"why":"test"}"#.into(),
    }
}

/// A limit of AI84 seen from our address.
///
/// # Panics
/// When a limit is zero.
#[must_use]
pub fn egress(max_in_flight: u32, per_window: u32) -> EgressLimit {
    let bound = |limit| NonZeroU32::new(limit).expect("tests allow at least one call");
    EgressLimit {
        id: Limit::id_of_egress(&server("ai84"), &Egress::main()),
        max_in_flight: bound(max_in_flight),
        per_window: bound(per_window),
    }
}

/// Three bytes of MP3 at that sample rate, as they may have been found.
#[must_use]
pub fn sound(sample_rate: u32) -> Sound {
    Sound {
        layout: Layout { coding: Coding::Mp3, sample_rate, channels: 1 },
        samples: 1152,
        spans: std::iter::once(0..3).collect(),
        pace: Pace::Constant { bytes_a_second: 16_000 },
    }
}

/// An attempt that gave three bytes of audio.
#[must_use]
pub fn done() -> AttemptResult {
    done_in(None)
}

/// An attempt that gave audio as long as that, as its upstream says.
#[must_use]
pub fn done_in(audio_ms: Option<u64>) -> AttemptResult {
    AttemptResult::Done {
        output: sound(44_100).stored(Body::Memory(Bytes::from_static(b"mp3")), None),
        cost: None,
        measured: Counts::of([(Measure::AudioMs, audio_ms)]).into(),
    }
}

/// An attempt that failed.
#[must_use]
pub fn failed(kind: FailureKind, reached: Reached) -> AttemptResult {
    failed_with(Failure::new(kind, reached, "the upstream's words"))
}

/// An attempt that failed so.
#[must_use]
pub fn failed_with(failure: Failure) -> AttemptResult {
    AttemptResult::Failed { failure, policy: UnknownPolicy::Retry }
}

/// An attempt whose answer was lost and whose upstream may still work.
#[must_use]
pub fn unanswered() -> AttemptResult {
    AttemptResult::Unknown { waited: Waited::NotYet { retry_after: None }, policy: UnknownPolicy::Retry }
}

/// An attempt whose answer was lost for good.
#[must_use]
pub fn lost(policy: UnknownPolicy) -> AttemptResult {
    AttemptResult::Unknown { waited: Waited::Enough, policy }
}

/// The command that settles a lease.
#[must_use]
pub fn settle(lease: &Lease, result: AttemptResult) -> Command {
    Command::Settle(Box::new(Settle::of(&lease.attempt, result)))
}

/// A store that a law is checked on, its clock, and ids.
#[derive(Debug)]
pub struct Scene<'a> {
    /// The store.
    pub store: &'a dyn Store,
    /// Its clock.
    pub clock: &'a TestClock,
    /// Ids for everything that is made in it.
    pub ids: Ids,
}

impl<'a> Scene<'a> {
    /// An empty store.
    #[must_use]
    pub fn empty(store: &'a dyn Store, clock: &'a TestClock) -> Self {
        Self { store, clock, ids: Ids::default() }
    }

    /// A store that is configured with [`configuration`], in version 1.
    ///
    /// # Panics
    /// When the store does not take it.
    pub async fn configured(store: &'a dyn Store, clock: &'a TestClock) -> Self {
        let scene = Self::empty(store, clock);
        let preset = ConfigurationChange::Preset(Box::new(configuration()));
        assert_eq!(scene.worker().await.configure_from(0, preset).await, Ok(1));
        scene
    }

    /// A new worker.
    ///
    /// # Panics
    /// When the store does not register it.
    pub async fn worker(&self) -> TestWorker<'_> {
        let id = WorkerId::from_uuid(self.ids.uuid());
        self.store.register_worker(id, DEAD_AFTER).await.expect("a worker can be registered");
        TestWorker { scene: self, id, number: AtomicI64::new(0) }
    }

    /// The configuration's version.
    ///
    /// # Panics
    /// When the store cannot be read.
    pub async fn version(&self) -> i64 {
        self.store.pulse().await.expect("the store can be read").configuration_version
    }

    /// The wallet of a user.
    ///
    /// # Panics
    /// When the store cannot be read, or there is none.
    pub async fn wallet(&self, user_name: &str) -> Wallet {
        let wallet = self.store.wallet(&wallet_of(user_name)).await.expect("the store can be read");
        wallet.expect("the wallet was opened")
    }

    /// A job with its tasks.
    ///
    /// # Panics
    /// When the store cannot be read, or there is none.
    pub async fn job(&self, id: JobId) -> JobWithTasks {
        self.store.job(&Scope::All, id).await.expect("the store can be read").expect("the job was admitted")
    }

    /// A task.
    ///
    /// # Panics
    /// When the store cannot be read, or there is none.
    pub async fn task(&self, id: TaskId) -> Task {
        self.store.task(id).await.expect("the store can be read").expect("the task was admitted")
    }

    /// A pool.
    ///
    /// # Panics
    /// When the store cannot be read, or there is none.
    pub async fn pool(&self, id: PoolId) -> Pool {
        let pools = self.store.pools(&[id].into()).await.expect("the store can be read");
        pools.into_iter().next().expect("the pool was used")
    }

    /// How many keys serve a pool.
    ///
    /// # Panics
    /// When the store cannot be read.
    pub async fn serving(&self, pool: PoolId) -> usize {
        let limits = self.store.limits().await.expect("the store can be read");
        limits.iter().filter(|count| count.limit.pool == Some(pool)).count()
    }

    /// A key.
    ///
    /// # Panics
    /// When the store cannot be read, or there is none.
    pub async fn key(&self, id: KeyId) -> KeyWithLimits {
        let keys = self.store.keys().await.expect("the store can be read");
        keys.into_iter().find(|key| key.id == id).expect("the key was registered")
    }

    /// The limit of a key.
    ///
    /// # Panics
    /// When the store cannot be read, or there is none.
    pub async fn limit(&self, id: crate::id::LimitId) -> Limit {
        let limits = self.store.limits().await.expect("the store can be read");
        limits.into_iter().map(|count| count.limit).find(|limit| limit.id == id).expect("it was made")
    }
}

/// A worker that writes batches, numbering them.
#[derive(Debug)]
pub struct TestWorker<'a> {
    scene: &'a Scene<'a>,
    /// Its id.
    pub id: WorkerId,
    number: AtomicI64,
}

/// Takes the outcome of one kind of command.
macro_rules! outcome_of {
    ($outcome:expr, $kind:ident) => {
        match $outcome {
            Outcome::$kind(outcome) => outcome,
            other => panic!("a command {} came out as {other:?}", stringify!($kind)),
        }
    };
}

impl TestWorker<'_> {
    /// The number of its last batch.
    pub fn last_number(&self) -> i64 {
        self.number.load(Ordering::Relaxed)
    }

    /// A batch of that number.
    #[must_use]
    pub fn batch(&self, number: i64, commands: Vec<Command>) -> Batch {
        Batch { worker: self.id, number, rules: Rules::default(), commands }
    }

    /// Writes its next batch; its outcomes, whatever hiccups the store has.
    ///
    /// # Panics
    /// When the worker was buried, or the store fails for good.
    pub async fn write(&self, commands: Vec<Command>) -> Vec<Outcome> {
        let number = self.number.fetch_add(1, Ordering::Relaxed) + 1;
        let batch = self.batch(number, commands);
        let mut unknown = None;
        for _ in 0..TRIES_MAX {
            match self.scene.store.write(&batch).await {
                Ok(Written::Now { outcomes, .. }) => return outcomes,
                Ok(Written::Before) => return unknown.expect("its outcomes came with the lost commit"),
                Ok(Written::Fenced) => panic!("worker {} was buried", self.id),
                Err(error) if error.is_retryable() => {
                    unknown = error.outcomes.map(|(_, outcomes)| outcomes).or(unknown);
                    tokio::task::yield_now().await;
                }
                Err(error) => panic!("batch {number} failed: {error:?}"),
            }
        }
        panic!("batch {number} was not executed in {TRIES_MAX} tries")
    }

    /// Writes a batch of that number, as it comes.
    ///
    /// # Errors
    /// What the store says.
    pub async fn write_numbered(&self, number: i64, commands: Vec<Command>) -> Result<Written, StoreError> {
        self.scene.store.write(&self.batch(number, commands)).await
    }

    /// Writes a batch of one command.
    ///
    /// # Panics
    /// As [`TestWorker::write`].
    pub async fn execute(&self, command: Command) -> Outcome {
        let mut outcomes = self.write(vec![command]).await;
        assert_eq!(outcomes.len(), 1, "one outcome for each command");
        outcomes.remove(0)
    }

    /// The command of an administrator's act at a door.
    pub fn act(&self, door: &'static str, act: impl Into<AdminAct>) -> Command {
        Command::admin(audit(&self.scene.ids, door), act)
    }

    /// Does what an administrator does at a door; its answer.
    ///
    /// # Panics
    /// When the store answers with another act's answer.
    pub async fn administer<A: Act>(&self, door: &'static str, act: A) -> A::Answer {
        self.administer_as(audit(&self.scene.ids, door), act).await
    }

    /// Does what an administrator does, with this audit row; its answer.
    ///
    /// # Panics
    /// When the store answers with another act's answer.
    pub async fn administer_as<A: Act>(&self, audit: NewAudit, act: A) -> A::Answer {
        let answer = outcome_of!(self.execute(Command::admin(audit, act)).await, Admin);
        A::answer(answer).expect("an act gets the answer of its kind")
    }

    /// Admits an order.
    ///
    /// # Errors
    /// What the store says.
    pub async fn admit(&self, order: &Order) -> Result<Admitted, NotAdmitted> {
        let admit = order.admit(&self.scene.ids);
        outcome_of!(self.execute(Command::Admit(Box::new(admit))).await, Admit)
    }

    /// Says whether a tenant may order.
    ///
    /// # Panics
    /// When its id with a word behind it is no legal name.
    pub async fn set_tenant(&self, tenant: &TenantId, state: TenantState) -> Tenant {
        let name = TenantName::new(format!("{tenant} Ltd.")).expect("the name is legal");
        self.administer("tenants.set", SetTenant { tenant: tenant.clone(), name, state }).await
    }

    /// Admits an order that the user can pay.
    ///
    /// # Panics
    /// When it is refused.
    pub async fn admitted(&self, order: &Order) -> JobWithTasks {
        let job = self.admit(order).await.expect("the user can pay").job;
        self.scene.job(job).await
    }

    /// The command that claims so many tasks of a pool.
    pub fn claim_command(&self, pool: PoolId, leases_max: u32, configuration_version: i64) -> Claim {
        let first_attempt = AttemptId::from_uuid(self.scene.ids.uuid());
        let polls = PollsCount::Free;
        Claim { pool, configuration_version, polls, leases_max, first_attempt, egress: None }
    }

    /// Claims so many tasks of a pool.
    pub async fn claim(&self, pool: PoolId, leases_max: u32) -> Claimed {
        let version = self.scene.version().await;
        let claim = self.claim_command(pool, leases_max, version);
        outcome_of!(self.execute(Command::Claim(claim)).await, Claim)
    }

    /// Claims so many tasks of a pool, seen from an address.
    pub async fn claim_through(&self, egress: EgressLimit, pool: PoolId, leases_max: u32) -> Claimed {
        let version = self.scene.version().await;
        let claim = Claim { egress: Some(egress), ..self.claim_command(pool, leases_max, version) };
        outcome_of!(self.execute(Command::Claim(claim)).await, Claim)
    }

    /// Claims so many tasks of a pool whose server counts polls.
    pub async fn claim_beside_polls(&self, pool: PoolId, leases_max: u32) -> Claimed {
        let version = self.scene.version().await;
        let claim = Claim { polls: PollsCount::Counted, ..self.claim_command(pool, leases_max, version) };
        outcome_of!(self.execute(Command::Claim(claim)).await, Claim)
    }

    /// Counts a poll for a lease.
    pub async fn poll(&self, lease: &Lease, need: PollNeed) -> Result<Timestamp, PollRefused> {
        let Attempt { key, account_limit, egress_limit, .. } = lease.attempt;
        let poll = Poll { key, account_limit, egress_limit, need };
        outcome_of!(self.execute(Command::Poll(poll)).await, Poll)
    }

    /// Claims one task of a pool.
    ///
    /// # Panics
    /// When there is none, or no key is free.
    pub async fn lease(&self, pool: PoolId) -> Lease {
        let mut leases = self.claim(pool, 1).await.leases;
        assert_eq!(leases.len(), 1, "a task waits and a key is free");
        leases.remove(0)
    }

    /// Tells that an upstream took an attempt.
    ///
    /// # Errors
    /// When it is not this worker's.
    pub async fn accept(&self, lease: &Lease, upstream_id: &str) -> Result<(), NotMine> {
        let upstream_id = UpstreamId(upstream_id.to_owned());
        let accept = Accept { attempt: lease.attempt.id, upstream_id, cost: None };
        outcome_of!(self.execute(Command::Accept(accept)).await, Accept)
    }

    /// Settles a lease.
    ///
    /// # Errors
    /// When it is not this worker's.
    pub async fn settle(&self, lease: &Lease, result: AttemptResult) -> Result<Settled, Unsettled> {
        outcome_of!(self.execute(settle(lease, result)).await, Settle).map(|settled| *settled)
    }

    /// Settles a lease of this worker.
    ///
    /// # Panics
    /// When it is not this worker's.
    pub async fn settled(&self, lease: &Lease, result: AttemptResult) -> Settled {
        self.settle(lease, result).await.expect("the attempt is this worker's")
    }

    /// Stops a job.
    pub async fn stop(&self, job: JobId, why: StopWhy) -> Option<Stopped> {
        outcome_of!(self.execute(Command::Stop(Stop { scope: Scope::All, job, why })).await, Stop)
    }

    /// The command that retries a job under the idempotency key of that text, where AI33 and AI84 have keys.
    pub fn retry_command(&self, job: JobId, key: &str) -> Retry {
        Retry {
            idempotency: idempotency(key, &job.to_string()),
            scope: Scope::All,
            job,
            keyed: BTreeSet::from(["ai33", "ai84"].map(route)),
            deadline: Duration::from_secs(24 * 3600),
            unknown: UnknownPolicy::Retry,
            queue_max: 100_000,
            audit: audit(&self.scene.ids, "job.retry"),
        }
    }

    /// Retries a job as a command says.
    ///
    /// # Errors
    /// What the store says.
    pub async fn retry_as(&self, retry: Retry) -> Result<Retried, NotRetried> {
        outcome_of!(self.execute(Command::Retry(Box::new(retry))).await, Retry)
    }

    /// Retries a job under the idempotency key of that text.
    ///
    /// # Errors
    /// What the store says.
    pub async fn retry(&self, job: JobId, key: &str) -> Result<Retried, NotRetried> {
        self.retry_as(self.retry_command(job, key)).await
    }

    /// Queues delayed tasks.
    pub async fn promote(&self, tasks_max: u32) -> Vec<PoolId> {
        outcome_of!(self.execute(Command::Promote(Promote { tasks_max })).await, Moved)
    }

    /// Moves tasks off a pool.
    pub async fn replan(&self, pool: PoolId, shares: &[(&str, u32)], tasks_max: u32) -> Vec<PoolId> {
        let shares = shares.iter().map(|&(name, weight)| (server(name), weight)).collect();
        outcome_of!(self.execute(Command::Replan(Replan { pool, shares, tasks_max })).await, Moved)
    }

    /// Takes over from a worker.
    pub async fn adopt(&self, worker: WorkerId, dead_after: Duration, attempts_max: u32) -> Adopted {
        let adopt = Adopt { worker, dead_after, attempts_max };
        outcome_of!(self.execute(Command::Adopt(adopt)).await, Adopt)
    }

    /// Takes a duty.
    pub async fn take_duty(&self, name: &'static str, every: Duration) -> Duty {
        outcome_of!(self.execute(Command::TakeDuty(TakeDuty { name, every })).await, TakeDuty)
    }

    /// Beats, and does nothing else.
    pub async fn beat(&self) {
        assert_eq!(self.execute(Command::Beat).await, Outcome::Done);
    }

    /// The command that moves money.
    pub fn credit_command(&self, user_name: &str, movement: Movement) -> Credit {
        Credit { idempotency: None, wallet: wallet_of(user_name), movement }
    }

    /// Moves money.
    ///
    /// # Errors
    /// What the store says.
    pub async fn credit(&self, credit: Credit) -> Result<Credited, NotCredited> {
        self.administer("wallets.move", credit).await
    }

    /// Buys so many credits.
    ///
    /// # Panics
    /// When the store refuses.
    pub async fn buy(&self, user_name: &str, credits: i64) -> Credited {
        let movement = Movement::Purchase {
            configuration_version: self.scene.version().await,
            package: PackageId::new("package-1").expect("the id is legal"),
            amount: Amount::new(credits),
            cause: Cause::default(),
        };
        self.credit(self.credit_command(user_name, movement)).await.expect("credits can be bought")
    }

    /// Corrects a balance.
    ///
    /// # Errors
    /// What the store says.
    pub async fn adjust(&self, user_name: &str, change: i64) -> Result<Credited, NotCredited> {
        let movement = Movement::Adjust { change: Amount::new(change), cause: Cause::default() };
        self.credit(self.credit_command(user_name, movement)).await
    }

    /// Gives back what a task was charged, all of it when `amount` is absent.
    ///
    /// # Errors
    /// What the store says.
    pub async fn refund(
        &self,
        user_name: &str,
        task: TaskId,
        amount: Option<i64>,
    ) -> Result<Credited, NotCredited> {
        let amount = amount.map(Amount::new);
        let movement = Movement::Refund { task, amount, cause: Cause::default() };
        self.credit(self.credit_command(user_name, movement)).await
    }

    /// Changes the configuration as it is now.
    ///
    /// # Errors
    /// What the store says.
    pub async fn configure(&self, change: ConfigurationChange) -> Result<i64, NotConfigured> {
        self.configure_from(self.scene.version().await, change).await
    }

    /// Changes the configuration if it has that version.
    ///
    /// # Errors
    /// What the store says.
    pub async fn configure_from(
        &self,
        expected_version: i64,
        change: ConfigurationChange,
    ) -> Result<i64, NotConfigured> {
        self.administer("config.change", Configure { expected_version, change }).await
    }

    /// Registers a key.
    ///
    /// # Errors
    /// What the store says.
    pub async fn try_add_key(&self, key: &NewKey) -> Result<KeyWithLimits, NotChanged> {
        self.administer("keys.add", key.add(&self.scene.ids)).await
    }

    /// Registers a key.
    ///
    /// # Panics
    /// When the store refuses.
    pub async fn add_key(&self, key: &NewKey) -> KeyId {
        self.try_add_key(key).await.expect("the key is new").id
    }

    /// Changes a key.
    ///
    /// # Errors
    /// What the store says.
    pub async fn change_key(&self, key: KeyId, change: KeyChange) -> Result<KeyWithLimits, NotChanged> {
        self.administer("keys.change", ChangeKey { key, change }).await
    }

    /// Changes an account's limits; what they are afterwards.
    pub async fn change_account(
        &self,
        server_name: &str,
        account: &str,
        change: LimitsChange,
    ) -> Option<Limits> {
        let (server, account) = (server(server_name), account.to_owned());
        self.administer("accounts.set_limits", ChangeAccount { server, account, change }).await
    }

    /// Tells what a check of a key found.
    ///
    /// # Errors
    /// What the store says.
    pub async fn check_key(&self, key: KeyId, verdict: Verdict) -> Result<KeyWithLimits, NotChanged> {
        outcome_of!(self.execute(Command::CheckKey { key, verdict }).await, Key)
    }
}
