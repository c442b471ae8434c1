//! What several benchmarks set up alike: the configuration, keys, virtual time, an upstream inside this process, and
//! numbers that are random but the same in every run.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    num::NonZeroU32,
    sync::Arc,
    time::Duration,
};

use anyhow::Result;
use async_trait::async_trait;
use bytes::Bytes;
use kingcong_core::{
    KingCong, NewKey, Preset,
    clock::{Clock, SystemClock, Timestamp},
    failure::Failure,
    id::{AttemptId, HoldId, JobId, ProtocolId, Route, ServerId, ServiceId, TaskId},
    keys::{Limits, PollsCount, PoolId},
    ledger::{Owner, WalletKey},
    measure::Measured,
    money::{Amount, Unit},
    provider::{Call, Provider, Reply, Sent},
    store::{Admit, Claim, Command, Configuration, NewTask},
    vault::{KeyBytes, StaticMasterKey},
    work::{Abbreviations, Audio, Body, CheckedRequest, Output, Plan, PlanBasis, PlannedTask},
};
use parking_lot::Mutex;
use uuid::Uuid;

/// A frame of silent MP3: 26 ms.
const FRAME: [u8; 417] = {
    let mut frame = [0; 417];
    [frame[0], frame[1], frame[2], frame[3]] = [0xff, 0xfb, 0x90, 0xc0];
    frame
};

pub(crate) const SERVICE: &str = "elevenlabs";
pub(crate) const VOICE: &str = "21m00Tcm4TlvDq8ikWAM";

/// The preset, with AI33 and AI84 weighted like this, and without AI84's limit for all calls of one address.
pub(crate) fn preset(ai33: u32, ai84: u32) -> Result<Preset> {
    let mut preset = Preset::kingcong()?;
    let Configuration { system, .. } = preset.configuration();
    for (server, weight) in [("ai33", ai33), ("ai84", ai84)] {
        if let Some(server) = system.servers.get_mut(server) {
            server.egress = None;
            server.weight = weight;
        }
    }
    Ok(preset)
}

/// The machine's clock.
pub(crate) fn clock() -> Arc<dyn Clock> {
    Arc::new(SystemClock::new())
}

pub(crate) fn master_key() -> StaticMasterKey {
    StaticMasterKey::new(KeyBytes::new(&[7; 32]))
}

pub(crate) fn limits(max_in_flight: u32, per_minute: u32) -> Limits {
    Limits { max_in_flight: at_least_one(max_in_flight), per_minute: at_least_one(per_minute) }
}

pub(crate) fn at_least_one(number: u32) -> NonZeroU32 {
    NonZeroU32::new(number).unwrap_or(NonZeroU32::MIN)
}

/// Registers so many keys on a server.
pub(crate) async fn add_keys(kc: &KingCong, server: &str, count: usize, limits: Limits) -> Result<()> {
    for number in 0..count {
        let secret = format!("sk-bench-{server}-{number:06}");
        kc.keys().add(NewKey::shared(server, SERVICE, secret).limits(limits)).await?;
    }
    Ok(())
}

/// More credits than a million jobs of a hundred characters cost.
const RICHES: Amount = Amount::new(1_000_000_000);

/// Gives a user credits enough for everything.
pub(crate) async fn make_rich(kc: &KingCong, user: &str) -> Result<()> {
    kc.wallets().adjust(user, RICHES, "everything is measured", user).await?;
    Ok(())
}

/// A text of exactly so many bytes, in words.
pub(crate) fn text(bytes: usize) -> String {
    "one two three four five six seven eight nine ten ".chars().cycle().take(bytes - 1).chain(['.']).collect()
}

pub(crate) fn route(server: &str) -> Result<Route> {
    Ok(Route::new(ServerId::new(server)?, ServiceId::new(SERVICE)?))
}

/// The wallet that pays for a request.
pub(crate) fn wallet_of(request: &CheckedRequest) -> WalletKey {
    let owner = Owner::User(request.user.clone());
    WalletKey { tenant: request.tenant.clone(), owner, unit: Unit::CREDIT }
}

/// Makes a store's commands as the engine does.
#[derive(Debug)]
pub(crate) struct Planner {
    pub(crate) configuration: Arc<Configuration>,
    /// The routes that have keys.
    pub(crate) routes: BTreeSet<Route>,
    abbreviations: Abbreviations,
}

impl Planner {
    pub(crate) fn new(configuration: Configuration, routes: BTreeSet<Route>) -> Self {
        Self { configuration: Arc::new(configuration), routes, abbreviations: Abbreviations::default() }
    }

    pub(crate) fn pools(&self) -> Vec<PoolId> {
        self.routes.iter().map(PoolId::shared).collect()
    }

    /// Plans and quotes a request.
    pub(crate) fn admission(&self, request: &CheckedRequest, ids: &mut Ids) -> Result<Command> {
        let basis = PlanBasis {
            at: Timestamp::EPOCH,
            system: &self.configuration.system,
            prices: &self.configuration.prices,
            keyed: &self.routes,
            capabilities: &BTreeMap::new(),
            task_characters_max: at_least_one(4_000),
            abbreviations: &self.abbreviations,
        };
        let plan = Plan::new(request, basis, None)?;
        let new_task = |task: PlannedTask| NewTask {
            id: TaskId::from_uuid(ids.next()),
            work: task.work,
            quantities: task.quantities,
            routes: task.routes,
        };
        let tasks = plan.tasks.into_iter().map(new_task).collect();
        Ok(Command::Admit(Box::new(Admit {
            idempotency: request.idempotency,
            configuration_version: self.configuration.version,
            tenant_version: 0,
            prices_during: plan.prices_during,
            job: JobId::from_uuid(ids.next()),
            hold: HoldId::from_uuid(ids.next()),
            tenant: request.tenant.clone(),
            user: request.user.clone(),
            wallet: wallet_of(request),
            operation: plan.operation,
            service: request.service.clone(),
            held: plan.held,
            denominator: plan.denominator,
            deadline: Duration::from_secs(3_600),
            start_at: None,
            weight: request.weight,
            shares: plan.shares,
            only_key: plan.only_key,
            tasks,
            queue_max: 1_000_000,
        })))
    }

    pub(crate) fn claim(&self, pool: PoolId, leases_max: usize, ids: &mut Ids) -> Command {
        Command::Claim(Claim {
            pool,
            configuration_version: self.configuration.version,
            polls: PollsCount::Free,
            leases_max: u32::try_from(leases_max).unwrap_or(u32::MAX),
            first_attempt: AttemptId::from_uuid(ids.next()),
            egress: None,
        })
    }
}

/// Numbers that are random but the same in every run (SplitMix64).
#[derive(Clone, Debug)]
pub(crate) struct Random(u64);

impl Random {
    pub(crate) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Less than `end`.
    pub(crate) const fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % end
    }
}

/// Ids in the order of their making, as UUIDv7 are.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ids(u128);

impl Ids {
    /// Those after this one.
    pub(crate) const fn after(number: u128) -> Self {
        Self(number)
    }

    /// The next one, with room behind it for the attempts of a claim.
    pub(crate) const fn next(&mut self) -> Uuid {
        self.0 += 1 << 16;
        Uuid::from_u128(self.0)
    }
}

/// Tokio's clock as the library's: paused, it jumps to the next timer whenever nothing else is left to do.
#[derive(Debug)]
pub(crate) struct VirtualClock {
    start: tokio::time::Instant,
}

impl VirtualClock {
    /// Where virtual time starts: 2026-11-21T10:00:00Z.
    const START: Timestamp = Timestamp::from_micros(1_795_255_200_000_000);

    pub(crate) fn new() -> Self {
        Self { start: tokio::time::Instant::now() }
    }
}

#[async_trait]
impl Clock for VirtualClock {
    fn now(&self) -> Timestamp {
        Self::START.plus(self.elapsed())
    }

    fn elapsed(&self) -> Duration {
        self.start.elapsed()
    }

    async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }
}

/// Runs a future on one thread in virtual time.
pub(crate) fn in_virtual_time<T>(future: impl Future<Output = Result<T>>) -> Result<T> {
    tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build()?.block_on(future)
}

/// Runs a future on all cores.
pub(crate) fn on_all_cores<T>(future: impl Future<Output = Result<T>>) -> Result<T> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(future)
}

/// An upstream inside this process: it counts its keys' limits by itself, as it sees the calls come and go.
#[derive(Debug)]
pub(crate) struct Upstream {
    protocol: ProtocolId,
    clock: Arc<dyn Clock>,
    /// How long it works on a call: from the first to the second, at random.
    takes: (Duration, Duration),
    allowed: Limits,
    seen: Mutex<Seen>,
}

#[derive(Debug)]
struct Seen {
    keys: BTreeMap<String, KeySeen>,
    random: Random,
    violations: u64,
}

#[derive(Debug, Default)]
struct KeySeen {
    in_flight: u32,
    starts: VecDeque<Duration>,
}

impl Upstream {
    /// The window that it counts starts in.
    const WINDOW: Duration = Duration::from_secs(60);

    pub(crate) fn new(
        protocol: &str,
        clock: Arc<dyn Clock>,
        takes: (Duration, Duration),
        allowed: Limits,
    ) -> Result<Arc<Self>> {
        let seen = Seen { keys: BTreeMap::new(), random: Random::new(1), violations: 0 };
        Ok(Arc::new(Self {
            protocol: ProtocolId::new(protocol)?,
            clock,
            takes,
            allowed,
            seen: Mutex::new(seen),
        }))
    }

    /// How often a limit was exceeded.
    pub(crate) fn violations(&self) -> u64 {
        self.seen.lock().violations
    }

    fn come(&self, call: &Call) -> Duration {
        let now = self.clock.elapsed();
        let mut seen = self.seen.lock();
        let Seen { keys, random, violations } = &mut *seen;
        let key = keys.entry(call.access.secret.expose().to_owned()).or_default();
        while key.starts.front().is_some_and(|start| *start + Self::WINDOW <= now) {
            key.starts.pop_front();
        }
        key.starts.push_back(now);
        key.in_flight += 1;
        let too_many = key.starts.len() > self.allowed.per_minute.get() as usize
            || key.in_flight > self.allowed.max_in_flight.get();
        *violations += u64::from(too_many);
        let (from, to) = self.takes;
        let span = u64::try_from((to - from).as_millis()).unwrap_or(u64::MAX);
        from + Duration::from_millis(random.below(span + 1))
    }

    fn go(&self, call: &Call) {
        if let Some(key) = self.seen.lock().keys.get_mut(call.access.secret.expose()) {
            key.in_flight -= 1;
        }
    }
}

/// A provider that calls [`Upstream`].
#[derive(Clone, Debug)]
pub(crate) struct InProcess(pub(crate) Arc<Upstream>);

#[async_trait]
impl Provider for InProcess {
    fn protocol(&self) -> &ProtocolId {
        &self.0.protocol
    }

    async fn send(&self, call: &Call) -> Result<Sent, Failure> {
        let takes = self.0.come(call);
        if takes > Duration::ZERO {
            self.0.clock.sleep(takes).await;
        }
        self.0.go(call);
        let body = Body::Memory(Bytes::from_static(&FRAME));
        let audio = Audio { body, content_type: "audio/mpeg".into(), srt: None };
        Ok(Sent::Done(Reply { output: Output::Audio(audio), cost: None, measured: Measured::NOTHING }))
    }
}
