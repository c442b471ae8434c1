//! Worker processes killed at random moments, and what must be true after it: every request ended, every credit
//! accounted for, nothing done twice without a record, no limit exceeded.

use std::{
    collections::BTreeMap,
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

use kingcong_core::{
    KingCong,
    engine::{JobResult, TaskReport},
    id::{JobId, SystemEntropy, TaskId},
    store::{AttemptFilter, PAGE_MAX},
    vault::StaticMasterKey,
    work::{Doubt, JobState, TaskError, TaskState},
};
use kingcong_tests::{
    upstreams::{
        Latency, Limit, Limits, Outcome, Pace, ServerSettings, Upstreams,
        audio::{digest, texts_in_mp3},
    },
    workers::{self, Orders, ServerOrders, USER},
};

/// How often a worker is killed, unless `KINGCONG_CRASH_KILLS` says otherwise.
const KILLS: u32 = 50;
/// The seed of the moments, unless `KINGCONG_CRASH_SEED` says otherwise.
const SEED: u64 = 1;
/// Workers at the same time, on one database.
const WORKERS: usize = 2;
/// Requests more after every kill.
const REQUESTS_PER_KILL: u32 = 3;
/// Longest time between two kills: some workers live long enough to bury another and take its work over, some do not
/// even open.
const PAUSE_MS_MAX: u64 = 1_500;
/// Longest time until everything has ended, once nobody is killed any more.
const END_MAX: Duration = Duration::from_secs(120);

fn setting<T: std::str::FromStr>(variable: &str, default: T) -> T {
    std::env::var(variable).ok().and_then(|value| value.parse().ok()).unwrap_or(default)
}

/// Numbers that look random (splitmix64).
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % bound
    }
}

/// A worker process; killed when it is dropped.
struct Worker(Child);

impl Worker {
    fn start(orders: &Orders) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_worker"));
        command.arg(serde_json::to_string(orders).unwrap()).stdin(Stdio::piped()).stdout(Stdio::null());
        Self(command.spawn().unwrap())
    }

    /// `kill -9`.
    fn kill(&mut self) {
        assert_eq!(self.0.try_wait().unwrap(), None, "a worker ended by itself");
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The servers, counting by a shorter window and the limits that the library is told.
async fn servers(upstreams: &Upstreams) -> BTreeMap<String, ServerOrders> {
    let mut orders = BTreeMap::new();
    for (name, settings) in
        [("ai33", ServerSettings::ai33().with_keys(6)), ("ai84", ServerSettings::ai84().with_keys(6))]
    {
        let limits = workers::key_limits(name);
        let settings = ServerSettings {
            window: workers::WINDOW,
            limits: Limits {
                key_in_flight: Some(Limit::recorded(limits.max_in_flight.get().into())),
                key_starts: Some(Limit::recorded(limits.per_minute.get().into())),
                ..Limits::none()
            },
            pace: Pace::Timed(Latency {
                queue: Duration::from_millis(50),
                processing: Duration::from_millis(200),
                jitter: Duration::from_millis(1_000),
            }),
            ..settings
        };
        let server = upstreams.add(name, settings).await.unwrap();
        orders.insert(name.to_owned(), ServerOrders { url: server.url().to_owned(), keys: server.secrets() });
    }
    orders
}

async fn orders(upstreams: &Upstreams, folder: &Path) -> Orders {
    let master_key = folder.join("master-key");
    StaticMasterKey::from_file_or_create(&master_key, &SystemEntropy).unwrap();
    let database = format!("sqlite://{}", folder.join("kingcong.db").display());
    Orders { database, master_key, servers: servers(upstreams).await, requests: REQUESTS_PER_KILL }
}

#[tokio::test(flavor = "multi_thread")]
async fn workers_killed_at_any_moment_lose_nothing_charge_nothing_twice_and_exceed_no_limit() {
    let (kills, seed) = (setting("KINGCONG_CRASH_KILLS", KILLS), setting("KINGCONG_CRASH_SEED", SEED));
    let upstreams = Upstreams::empty().await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let mut orders = orders(&upstreams, folder.path()).await;
    let mut random = Random(seed);

    let mut workers: Vec<Worker> = (0..WORKERS).map(|_| Worker::start(&orders)).collect();
    for _ in 0..kills {
        // The moment is the random part: nothing is waited for.
        let pause = random.below(PAUSE_MS_MAX);
        tokio::time::sleep(Duration::from_millis(pause)).await;
        let killed = &mut workers[usize::try_from(random.below(WORKERS as u64)).unwrap()];
        killed.kill();
        orders.requests += REQUESTS_PER_KILL;
        *killed = Worker::start(&orders);
    }
    drop(workers);

    let end = tokio::time::timeout(END_MAX, check_end(&orders, &upstreams, seed)).await;
    end.unwrap_or_else(|_| panic!("seed {seed}: not everything ended within {END_MAX:?}"));
}

/// What the library recorded of a task.
struct Recorded {
    is_done: bool,
    /// Attempts before which another may have been made and charged upstream.
    possible_doubles: usize,
}

/// Opens the library once more, waits until everything has ended, and checks it.
async fn check_end(orders: &Orders, upstreams: &Upstreams, seed: u64) {
    let (kc, _store) = workers::open(orders).await.unwrap();
    kc.wallets().purchase(USER, "package-1", "order-1").await.unwrap();
    let mut charged = 0;
    let mut recorded = BTreeMap::new();
    for number in 0..orders.requests {
        let job = kc.submit(workers::request(number)).await.unwrap();
        let report = job.wait().await.unwrap();
        let total = report.job.total.charged();
        assert_eq!(report.job.held, total.plus(report.released).unwrap(), "seed {seed}: {:?}", report.job);
        charged += total.get();

        let doubles = possible_doubles(&kc, job.id()).await;
        let texts: Vec<u64> = workers::task_texts(number).iter().map(|text| digest(text)).collect();
        assert_eq!(texts.len(), report.tasks.len());
        for (TaskReport { task, .. }, text) in report.tasks.iter().zip(&texts) {
            let (is_done, sold) = match &task.state {
                TaskState::Done => (true, task.characters.into()),
                // Its answer was lost twice: possible, and refunded.
                TaskState::Failed { error: TaskError::AnswerLost } => (false, 0),
                state => panic!("seed {seed}: task {} of request {number}: {state:?}", task.place),
            };
            assert_eq!(task.charged.get(), sold, "seed {seed}: one credit a character, none for a failure");
            let possible_doubles = doubles.get(&task.id).copied().unwrap_or_default();
            recorded.insert(*text, Recorded { is_done, possible_doubles });
        }
        if report.job.state == JobState::Completed {
            let JobResult::Speech { audio, .. } = job.result().await.unwrap() else { panic!("no speech") };
            let mut heard = texts_in_mp3(&audio);
            heard.dedup();
            assert_eq!(heard, texts, "seed {seed}: the results of request {number}, in order");
        }
    }

    check_upstreams(upstreams, &recorded, seed);
    let wallet = kc.wallets().get(USER).await.unwrap();
    assert_eq!(wallet.total_purchased.get(), 1_000_000, "seed {seed}: one order, bought once");
    assert_eq!(
        (wallet.held.get(), wallet.debt.get(), wallet.total_spent.get()),
        (0, 0, charged),
        "seed {seed}"
    );
    assert_eq!(wallet.balance.get(), 1_000_000 - charged, "seed {seed}");
    let verification = kc.verify().await.unwrap();
    assert!(verification.is_sound(), "seed {seed}: {:?}", verification.discrepancies);
    assert_eq!(verification.jobs, u64::from(orders.requests), "seed {seed}: every request is one job");
    kc.close().await;
}

/// Attempts of a job that are recorded as possible doubles, by task.
async fn possible_doubles(kc: &KingCong, job: JobId) -> BTreeMap<TaskId, usize> {
    let filter = AttemptFilter { job: Some(job), limit: PAGE_MAX, ..AttemptFilter::default() };
    let mut doubles = BTreeMap::new();
    for record in kc.reports().usage(&filter).await.unwrap() {
        *doubles.entry(record.task).or_default() +=
            usize::from(record.possible_double == Doubt::PossibleDouble);
    }
    doubles
}

/// Checks what the servers saw against what the library recorded, by text.
fn check_upstreams(upstreams: &Upstreams, recorded: &BTreeMap<u64, Recorded>, seed: u64) {
    assert_eq!(upstreams.violations(), [], "seed {seed}");
    let mut made: BTreeMap<u64, usize> = BTreeMap::new();
    for submit in upstreams.servers().iter().flat_map(|server| server.log()) {
        assert!(matches!(submit.outcome, Outcome::Accepted { .. }), "seed {seed}: no faults, yet {submit:?}");
        *made.entry(submit.digest).or_default() += 1;
    }
    assert!(made.keys().all(|text| recorded.contains_key(text)), "seed {seed}: nobody asked for that");
    for (text, Recorded { is_done, possible_doubles }) in recorded {
        let times = made.get(text).copied().unwrap_or_default();
        assert!(times >= usize::from(*is_done), "seed {seed}: done, and no server did it");
        assert!(
            times <= 1 + possible_doubles,
            "seed {seed}: made {times} times, {possible_doubles} recorded"
        );
    }
}
