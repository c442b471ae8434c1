//! One simulation from its start to its end: processes open, users order and change their minds, administrators change
//! things, disasters happen; then all of that stops, everything must come to its end, and the books are closed.

use std::{num::NonZeroU16, num::NonZeroU32, sync::Arc, time::Duration};

use kingcong_core::{
    Error, KingCong, NewKey, Preset, Request, Settings,
    access::Scope,
    clock::{Clock, Timestamp},
    engine::{JobResult, Mode},
    failure::{Failure, FailureKind, Reached},
    id::{Egress, JobId, KeyId, ProtocolId, Route, ServerId, ServiceId, VoiceId},
    keys::{KeyStatus, Limits, LimitsChange, PollsCount},
    lane::Lane,
    ledger::Refusal,
    measure::Measure,
    money::{Amount, Unit},
    operation::Operation,
    pricing::{Charge, Overrun, Price, PriceError, PriceLine, PriceStart},
    provider::Provider,
    routing::{BaseUrl, EgressChange, Maintenance, Server, ServerChange},
    store::{BookReads, JobFilter, JobReads, KeyReads, MemoryStore, PAGE_MAX, UnknownPolicy},
    switch::Switch,
    vault::{KeyBytes, StaticMasterKey},
    work::{JobState, Task, TaskState},
};
use parking_lot::Mutex;

use crate::dice::{Dice, SeededEntropy};

use super::{
    books::{Books, EGRESSES, Scale},
    plan::Plan,
    process::{Life, VirtualClock},
    stage::Stage,
    store::{Connection, Database, POISON, now},
    upstream::{BAD_TEXT, FORBIDDEN_TEXT, Line, World, account_of},
};

const SERVERS: [&str; 3] = ["ai33", "ai84", "direct"];
/// Servers that administrators add and remove.
const REMOVABLE: [&str; 2] = ["ai84", "extra"];
const SERVICES: [&str; 2] = ["elevenlabs", "minimax"];
/// Most simultaneous calls and starts per window of an account.
const ACCOUNT_LIMITS: (u32, u32) = (8, 40);
/// The same of an address at `ai84`.
const EGRESS_LIMITS: (u32, u32) = (20, 18);

/// Everything of one simulation.
#[derive(Debug)]
pub(super) struct Scenario {
    stage: Arc<Stage>,
    world: Arc<World>,
    books: Arc<Books>,
    database: Arc<Database>,
    truth: VirtualClock,
    processes: Mutex<Vec<Process>>,
    asked: Mutex<Vec<Asked>>,
    voices: Mutex<Vec<Voice>>,
    retries: Mutex<Vec<Again>>,
    done: Mutex<Counters>,
}

/// An opened process.
#[derive(Clone, Debug)]
struct Process {
    number: u64,
    kc: KingCong,
    life: Arc<Life>,
    connection: Connection,
    clock: Arc<VirtualClock>,
}

/// A request that was made under an idempotency key, with the answer when it is known.
#[derive(Clone, Debug)]
struct Asked {
    order: Order,
    answer: Option<Answer>,
}

/// A retry that was asked for under an idempotency key, with the answer when it is known.
#[derive(Clone, Debug)]
struct Again {
    job: JobId,
    key: String,
    deadline: Option<Duration>,
    /// The wallet's refusal, or none when it was made.
    answer: Option<Result<(), Refusal>>,
}

/// A voice that a user cloned.
#[derive(Clone, Debug)]
struct Voice {
    id: VoiceId,
    user: String,
    service: &'static str,
}

/// What is asked for.
#[derive(Clone, Debug)]
struct Order {
    user: String,
    service: &'static str,
    what: What,
    text: String,
    pieces: u16,
    weight: u32,
    deadline: Option<Duration>,
    start_at: Option<Timestamp>,
    key: String,
}

#[derive(Clone, Debug)]
enum What {
    Speak,
    SpeakAs(VoiceId),
    CloneVoice,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Answer {
    Job(JobId),
    Refused(Refusal),
}

#[derive(Debug, Default)]
struct Counters {
    opened: u64,
    named: u64,
}

impl Order {
    fn request(&self) -> Request {
        let weight = NonZeroU32::new(self.weight).unwrap_or(NonZeroU32::MIN);
        let pieces = NonZeroU16::new(self.pieces).unwrap_or(NonZeroU16::MIN);
        let speech = || Request::speech(&self.user, &self.text).pieces(pieces);
        let request: Request = match self.what {
            What::Speak => speech().voice("anna").into(),
            What::SpeakAs(voice) => speech().cloned_voice(voice).into(),
            What::CloneVoice => {
                Request::clone_voice(&self.user, &self.text, vec![1_u8; 1_000], "audio/mpeg").into()
            }
        };
        let request = request.service(self.service).weight(weight).idempotency_key(&self.key);
        let request = match self.deadline {
            Some(deadline) => request.deadline(deadline),
            None => request,
        };
        match self.start_at {
            Some(at) => request.start_at(at),
            None => request,
        }
    }
}

impl Scenario {
    pub(super) fn new(stage: &Arc<Stage>) -> Arc<Self> {
        let world = Arc::new(World::new(stage));
        let books = Arc::new(Books::new(stage, &world));
        let memory = Arc::new(MemoryStore::with_clock(Arc::new(VirtualClock::truth())));
        Arc::new(Self {
            stage: Arc::clone(stage),
            database: Arc::new(Database::new(memory, Arc::clone(&books), Arc::clone(stage))),
            world,
            books,
            truth: VirtualClock::truth(),
            processes: Mutex::default(),
            asked: Mutex::default(),
            voices: Mutex::default(),
            retries: Mutex::default(),
            done: Mutex::default(),
        })
    }

    /// Plays everything; what was broken is in the stage.
    pub(super) async fn play(self: &Arc<Self>) {
        let plan = self.stage.plan.clone();
        for _ in 0..plan.processes {
            self.open().await;
        }
        self.furnish().await;
        // Every process has seen the keys by then.
        self.stage.sleep(2_000).await;
        let mut parts = tokio::task::JoinSet::new();
        for _ in 0..plan.callers {
            parts.spawn(Arc::clone(self).call_again_and_again(plan.load_ms));
        }
        if plan.bulk_tasks > 0 {
            parts.spawn(Arc::clone(self).order_in_bulk());
        }
        if plan.disasters.admin {
            parts.spawn(Arc::clone(self).administrate(plan.load_ms));
        }
        if plan.is_calm() && plan.calls_max >= 1_000 {
            tokio::spawn(Arc::clone(self).watch_for_idleness());
        }
        parts.spawn(Arc::clone(self).bring_disasters(plan.load_ms));
        while parts.join_next().await.is_some() {}

        self.heal().await;
        self.wait_for_the_end().await;
        if self.stage.has_failed() {
            return;
        }
        self.books.close(&self.database.memory);
        let open: Vec<Process> = self.processes.lock().clone();
        for process in open {
            self.close(&process).await;
        }
        self.books.recount(&self.database.memory);
        self.stage.note(|| format!("{} jobs, {} calls", self.books.jobs(), self.world.calls()));
    }

    // Processes.

    async fn open(self: &Arc<Self>) {
        loop {
            match self.try_open().await {
                Ok(process) => {
                    self.processes.lock().push(process);
                    return;
                }
                Err(error) => {
                    self.stage.note(|| format!("opening failed: {error}"));
                    self.stage.sleep(500).await;
                }
            }
        }
    }

    async fn try_open(self: &Arc<Self>) -> Result<Process, Error> {
        let stage = &self.stage;
        let number = {
            let mut done = self.done.lock();
            done.opened += 1;
            done.opened
        };
        let life = Arc::new(Life::default());
        let connection = Connection::new(&self.database, &life, number);
        let wrong_by = i64::try_from(stage.dice.between(0, 4_000)).unwrap_or(0) - 2_000;
        let clock = Arc::new(VirtualClock::of(&self.truth, &life, wrong_by));
        let egress = EGRESSES[usize::from(number % 2 == 1)];
        let lines = ["ai33", "ai84", "direct"].map(|protocol| {
            Arc::new(Line::new(protocol, &self.world, &life, number, egress)) as Arc<dyn Provider>
        });
        let settings = Settings {
            window: Some(Duration::from_millis(Plan::WINDOW_MS)),
            call_max: Some(Duration::from_millis(Plan::CALL_MAX_MS)),
            // Not the same for all of them.
            dead_after: Duration::from_millis(stage.plan.dead_after_ms + number % 2 * 1_000),
            unknown: if stage.plan.retries_lost { UnknownPolicy::Retry } else { UnknownPolicy::Fail },
            mode: if stage.plan.clients && number % 3 == 2 { Mode::Client } else { Mode::Both },
            queue_max: stage.plan.queue_max,
            calls_max: stage.plan.calls_max,
            poll_interval: Duration::from_secs(2),
            monitor_interval: Duration::from_secs(10),
            move_after: Duration::from_secs(5),
            drain: Duration::from_millis(Scale::DRAIN_MS),
            egress: Egress::new(egress)?,
            ..Settings::default()
        };
        let kc = KingCong::builder()
            .shared_store(Arc::new(connection.clone()))
            .providers(lines)
            .preset(preset(&stage.dice)?)
            .master_key(StaticMasterKey::new(KeyBytes::new(&[7; 32])))
            .settings(settings)
            .clock(Arc::clone(&clock) as Arc<dyn kingcong_core::clock::Clock>)
            .entropy(Arc::new(SeededEntropy::new(stage.dice.fork())))
            .start()
            .await?;
        stage.note(|| format!("p{number} opened"));
        Ok(Process { number, kc, life, connection, clock })
    }

    /// Any process that runs.
    fn any(&self) -> Option<Process> {
        let processes = self.processes.lock();
        let running: Vec<&Process> = processes.iter().filter(|process| process.life.is_running()).collect();
        if running.is_empty() { None } else { Some(self.stage.dice.pick(&running).clone()) }
    }

    /// Takes any process out of those that are called.
    fn take(&self) -> Option<Process> {
        let process = self.any()?;
        self.processes.lock().retain(|other| other.number != process.number);
        Some(process)
    }

    async fn close(self: &Arc<Self>, process: &Process) {
        let started = self.stage.ms();
        self.stage.note(|| format!("p{} closes", process.number));
        if process.life.of(process.kc.close()).await.is_none() {
            return;
        }
        self.stage.note(|| format!("p{} closed", process.number));
        let workers = self.database.workers_of(process.number);
        self.books.check_closed(&self.database.memory, &workers, self.stage.ms() - started);
    }

    /// Keys on every route, and money.
    async fn furnish(self: &Arc<Self>) {
        for server in SERVERS {
            for service in SERVICES {
                for _ in 0..self.stage.plan.keys_per_route {
                    self.add_key(server, service).await;
                }
            }
        }
        for user in 1..=self.stage.plan.users {
            let user = format!("user-{user}");
            if self.stage.dice.percent(70) {
                self.buy(&user, "package-1", "order-0").await;
            } else {
                let change = Amount::new(i64::try_from(self.stage.dice.between(100, 5_000)).unwrap_or(0));
                self.adjust(&user, change).await;
            }
        }
    }

    /// Does something on any running process, again until it is done.
    async fn insist<T, F: Future<Output = Result<T, Error>>>(
        &self,
        what: &str,
        of: impl Fn(KingCong) -> F,
    ) -> Option<T> {
        loop {
            let Some(process) = self.any() else {
                self.stage.sleep(300).await;
                continue;
            };
            match process.life.of(of(process.kc.clone())).await {
                Some(Ok(done)) => return Some(done),
                Some(Err(error @ (Error::Store(_) | Error::Contended | Error::Closed))) => {
                    self.stage.note(|| format!("{what}: {error}"));
                }
                Some(Err(error)) => {
                    self.stage.note(|| format!("{what}: {error}"));
                    return None;
                }
                None => {}
            }
            self.stage.sleep(200).await;
        }
    }

    async fn add_key(self: &Arc<Self>, server: &'static str, service: &'static str) {
        let number = {
            let mut done = self.done.lock();
            done.named += 1;
            done.named
        };
        let (name, dice) = (format!("k{number}"), &self.stage.dice);
        let route =
            Route::new(ServerId::new(server).expect("a slug"), ServiceId::new(service).expect("a slug"));
        let account = account_of(&route, number);
        let secret = self.world.open_key(&name, &account, ACCOUNT_LIMITS);
        let in_flight = u32::try_from(dice.between(1, 6)).unwrap_or(1);
        let per_window = u32::try_from(dice.between(3, 10)).unwrap_or(1);
        let limits = Limits::new(in_flight, per_window).expect("not zero");
        let of_account = Limits::new(ACCOUNT_LIMITS.0, ACCOUNT_LIMITS.1).expect("not zero");
        let key = NewKey::shared(server, service, &secret)
            .label(&name)
            .limits(limits)
            .account(&account, of_account);
        self.insist("add key", |kc| {
            let key = key.clone();
            async move { kc.keys().add(key).await }
        })
        .await;
    }

    // Users.

    fn user(&self) -> String {
        format!("user-{}", self.stage.dice.between(1, self.stage.plan.users))
    }

    fn name(&self, what: &str) -> String {
        let mut done = self.done.lock();
        done.named += 1;
        format!("{what}-{}", done.named)
    }

    async fn call_again_and_again(self: Arc<Self>, for_ms: u64) {
        let stage = &self.stage;
        while stage.ms() < for_ms && !stage.has_failed() {
            stage.linger(20, 2_000).await;
            match stage.dice.between(0, 99) {
                0..=49 => self.order_something().await,
                50..=54 if stage.plan.clones => self.clone_something().await,
                50..=54 => self.order_something().await,
                55..=64 => self.ask_again().await,
                65..=69 => self.order_twice_at_once().await,
                70..=79 => self.buy_at_once().await,
                80..=87 => self.refund_something().await,
                88..=90 => self.cancel_something().await,
                91..=93 => self.retry_something().await,
                94..=95 => self.read_something().await,
                96 if !stage.plan.is_calm() => self.order_poison().await,
                _ => {
                    let change = i64::try_from(stage.dice.between(1, 3_000)).unwrap_or(0) - 500;
                    if change != 0 {
                        self.adjust(&self.user(), Amount::new(change)).await;
                    }
                }
            }
        }
    }

    fn new_order(&self, pieces: u64) -> Order {
        let stage = &self.stage;
        let key = self.name("job");
        let mut text = String::new();
        for piece in 0..pieces {
            text.push_str(&format!("{key} says sentence {piece} of its story"));
            for _ in 0..stage.dice.between(0, 4) {
                text.push_str(" and more");
            }
            if stage.dice.percent(stage.plan.bad_texts) {
                text.push(' ');
                text.push_str(stage.dice.pick(&[BAD_TEXT, FORBIDDEN_TEXT]));
            }
            text.push_str(". ");
        }
        let deadline = (!stage.plan.is_calm() && stage.dice.percent(10))
            .then(|| Duration::from_millis(stage.dice.between(1_000, 40_000)));
        let start_at = stage
            .dice
            .percent(8)
            .then(|| self.truth.now().plus(Duration::from_millis(stage.dice.between(0, 60_000))));
        Order {
            user: self.user(),
            service: stage.dice.pick(&SERVICES),
            what: What::Speak,
            text: text.trim_end().to_owned(),
            pieces: u16::try_from(pieces).unwrap_or(u16::MAX),
            weight: if stage.dice.percent(10) { 2 } else { 1 },
            deadline,
            start_at,
            key,
        }
    }

    /// Submits, and sees whether the answer fits what was answered before.
    async fn submit(&self, order: &Order) -> Option<JobId> {
        let process = self.any()?;
        let stage = &self.stage;
        let submit = process.kc.submit(order.request());
        let leaves = stage.goes_wrong(if stage.plan.disasters.callers_leave { 30 } else { 0 });
        let answer = if leaves {
            let polls = stage.dice.between(1, 6);
            process.life.of(leave_after(polls, submit)).await.flatten()
        } else {
            process.life.of(submit).await
        };
        let answer = match answer {
            None => {
                stage.note(|| format!("{} left", order.key));
                return None;
            }
            Some(Ok(job)) => Answer::Job(job.id()),
            Some(Err(Error::Refused(refusal))) => Answer::Refused(refusal),
            Some(Err(error)) => {
                stage.note(|| format!("{}: {error}", order.key));
                let known = self.answer_of(&order.key);
                let fits = match &error {
                    Error::Store(_) | Error::Contended | Error::Closed => true,
                    Error::NoPlan { .. } | Error::QueueFull { .. } => {
                        known.is_none() && !stage.plan.is_calm()
                    }
                    _ => false,
                };
                if !fits {
                    stage.fail(format!("submit {}: {error}, known is {known:?}", order.key));
                }
                return None;
            }
        };
        stage.note(|| format!("{} answered {answer:?}", order.key));
        self.learn(order, &answer);
        match answer {
            Answer::Job(job) => Some(job),
            Answer::Refused(_) => None,
        }
    }

    fn answer_of(&self, key: &str) -> Option<Answer> {
        let asked = self.asked.lock();
        asked.iter().find(|asked| asked.order.key == key).and_then(|asked| asked.answer.clone())
    }

    fn learn(&self, order: &Order, answer: &Answer) {
        let mut asked = self.asked.lock();
        let Some(known) = asked.iter_mut().find(|asked| asked.order.key == order.key) else { return };
        match &known.answer {
            Some(before) if before != answer => {
                self.stage.fail(format!("{}: answered {answer:?}, before {before:?}", order.key));
            }
            _ => known.answer = Some(answer.clone()),
        }
    }

    fn remember(&self, order: &Order) {
        self.asked.lock().push(Asked { order: order.clone(), answer: None });
    }

    async fn order_something(&self) {
        let order = self.new_order(self.stage.dice.between(1, 12));
        self.remember(&order);
        let Some(job) = self.submit(&order).await else { return };
        if self.stage.dice.percent(40) {
            self.wait_for(job).await;
        }
    }

    async fn order_in_bulk(self: Arc<Self>) {
        let mut order = self.new_order(self.stage.plan.bulk_tasks);
        order.user = "bulk".to_owned();
        (order.deadline, order.start_at) = (None, None);
        self.buy("bulk", "package-8", "order-0").await;
        self.remember(&order);
        for _ in 0..3 {
            if self.submit(&order).await.is_some() {
                return;
            }
            self.stage.sleep(500).await;
        }
    }

    /// Clones a voice, or speaks with one that was cloned.
    async fn clone_something(&self) {
        let stage = &self.stage;
        let mut order = self.new_order(stage.dice.between(1, 3));
        let voices = self.voices.lock().clone();
        if voices.is_empty() || stage.dice.percent(30) {
            (order.what, order.text) = (What::CloneVoice, format!("voice of {}", order.key));
        } else {
            let voice = stage.dice.pick(&voices);
            (order.what, order.user, order.service) = (What::SpeakAs(voice.id), voice.user, voice.service);
            // Its key may never come back.
            order.deadline = Some(Duration::from_secs(30));
        }
        self.remember(&order);
        let Some(job) = self.submit(&order).await else { return };
        self.wait_for(job).await;
        let (What::CloneVoice, Some(process)) = (&order.what, self.any()) else { return };
        if let Some(Ok(JobResult::Voice { voice })) = process.life.of(process.kc.job(job).result()).await {
            self.voices.lock().push(Voice { id: voice, user: order.user, service: order.service });
        }
    }

    /// Asks for what no store can write.
    async fn order_poison(&self) {
        let mut order = self.new_order(1);
        order.text = format!("{} is {POISON}.", order.key);
        self.remember(&order);
        if let Some(job) = self.submit(&order).await {
            self.stage.fail(format!("{} was admitted as {job}, which cannot be", order.key));
        }
    }

    /// Asks again under a known key: the same, or something else.
    async fn ask_again(&self) {
        let asked = {
            let asked = self.asked.lock();
            if asked.is_empty() {
                return;
            }
            self.stage.dice.pick(&asked)
        };
        if asked.answer.is_none() || self.stage.dice.percent(60) {
            self.submit(&asked.order).await;
            return;
        }
        let mut other = asked.order;
        other.text.push_str(" but not the same");
        let Some(process) = self.any() else { return };
        match process.life.of(process.kc.submit(other.request())).await {
            None | Some(Err(Error::IdempotencyConflict | Error::Store(_) | Error::Closed)) => {}
            Some(Err(error)) => self.stage.fail(format!("{} with another text: {error}", other.key)),
            Some(Ok(job)) => self.stage.fail(format!("{} with another text: job {}", other.key, job.id())),
        }
    }

    async fn order_twice_at_once(&self) {
        let order = self.new_order(self.stage.dice.between(1, 4));
        self.remember(&order);
        futures_util::future::join(self.submit(&order), self.submit(&order)).await;
    }

    /// Waits for a job on any process, for a while.
    async fn wait_for(&self, job: JobId) {
        let Some(process) = self.any() else { return };
        let stage = &self.stage;
        let patience = stage.linger(1_000, 60_000);
        let handle = process.kc.job(job);
        let waited = async {
            tokio::select! {
                biased;
                waited = handle.wait() => Some(waited),
                () = patience => None,
            }
        };
        match process.life.of(waited).await.flatten() {
            None | Some(Err(Error::Store(_) | Error::Closed)) => {}
            Some(Err(error)) => stage.fail(format!("waiting for {job}: {error}")),
            Some(Ok(report)) => {
                let state = report.job.state;
                stage.note(|| format!("{job} is {state:?}, charged {}", report.job.total.charged().get()));
                if !state.is_final() {
                    stage.fail(format!("{job} was waited for, and is {state:?}"));
                }
            }
        }
    }

    async fn buy(&self, user: &str, package: &str, order: &str) {
        self.insist("buy", |kc| {
            let (user, package, order) = (user.to_owned(), package.to_owned(), order.to_owned());
            async move { kc.wallets().purchase(&user, &package, &order).await }
        })
        .await;
    }

    /// Several processes are told of the same order at once.
    async fn buy_at_once(&self) {
        let (user, order) = (self.user(), self.name("order"));
        let buy = || self.buy(&user, "package-1", &order);
        if self.stage.dice.percent(50) {
            futures_util::future::join3(buy(), buy(), buy()).await;
        } else {
            buy().await;
        }
    }

    async fn adjust(&self, user: &str, change: Amount) {
        let key = self.name("correction");
        self.insist("adjust", |kc| {
            let (user, key) = (user.to_owned(), key.clone());
            async move { kc.wallets().adjust(&user, change, "correction", &key).await }
        })
        .await;
    }

    fn known_job(&self) -> Option<(JobId, String)> {
        let asked = self.asked.lock();
        let jobs: Vec<(JobId, String)> = asked
            .iter()
            .filter_map(|asked| match asked.answer {
                Some(Answer::Job(job)) => Some((job, asked.order.user.clone())),
                _ => None,
            })
            .collect();
        if jobs.is_empty() { None } else { Some(self.stage.dice.pick(&jobs)) }
    }

    async fn refund_something(&self) {
        let Some((job, user)) = self.known_job() else { return };
        let Ok(Some(row)) = now(self.database.memory.job(&Scope::All, job)) else { return };
        let Some(task) = row.tasks.iter().find(|task| task.state == TaskState::Done) else { return };
        let (task, charged, key) = (task.id, task.charged.get().max(1), self.name("refund"));
        let part = i64::try_from(self.stage.dice.between(1, 200)).unwrap_or(1).min(charged + 1);
        let amount = self.stage.dice.percent(60).then_some(Amount::new(part));
        let refund = || {
            self.insist("refund", |kc| {
                let (user, key) = (user.clone(), key.clone());
                async move { kc.wallets().refund(&user, task, amount, "sorry", &key).await }
            })
        };
        futures_util::future::join(refund(), refund()).await;
    }

    async fn cancel_something(&self) {
        let (Some((job, _)), Some(process)) = (self.known_job(), self.any()) else { return };
        match process.life.of(process.kc.job(job).cancel()).await {
            None | Some(Ok(_) | Err(Error::Store(_) | Error::Closed)) => {}
            Some(Err(error)) => self.stage.fail(format!("cancelling {job}: {error}")),
        }
    }

    /// Retries a job that ended with failed tasks, or some other; under a new key, or one that was used before; once,
    /// or twice at once.
    async fn retry_something(&self) {
        let stage = &self.stage;
        let known = self.retries.lock().clone();
        let again = if !known.is_empty() && stage.dice.percent(25) {
            stage.dice.pick(&known)
        } else {
            let state = stage.dice.pick(&[JobState::CompletedWithFailures, JobState::Failed]);
            let failed = JobFilter { state: Some(state), limit: PAGE_MAX, ..JobFilter::default() };
            let failed = now(self.database.memory.jobs(&Scope::All, &failed)).unwrap_or_default();
            let job = match self.known_job() {
                _ if !failed.is_empty() && stage.dice.percent(90) => stage.dice.pick(&failed).id,
                Some((job, _)) => job,
                None => return,
            };
            let deadline =
                stage.dice.percent(20).then(|| Duration::from_millis(stage.dice.between(1_000, 40_000)));
            let again = Again { job, key: self.name("retry"), deadline, answer: None };
            self.retries.lock().push(again.clone());
            again
        };
        if stage.dice.percent(30) {
            futures_util::future::join(self.retry(&again), self.retry(&again)).await;
        } else {
            self.retry(&again).await;
        }
        if stage.dice.percent(40) {
            self.wait_for(again.job).await;
        }
    }

    /// Retries a job, and sees whether the answer fits what was answered before.
    async fn retry(&self, again: &Again) {
        let (Some(process), stage) = (self.any(), &self.stage) else { return };
        let is_answered = |known: &Again| known.key == again.key && known.answer.is_some();
        let was_answered = self.retries.lock().iter().any(is_answered);
        let handle = process.kc.job(again.job);
        let retry = handle.retry(&again.key, again.deadline);
        let answer = match process.life.of(retry).await {
            None => return,
            Some(Ok(_)) => Ok(()),
            Some(Err(Error::Refused(refusal))) => Err(refusal),
            Some(Err(error)) => {
                stage.note(|| format!("{}: {error}", again.key));
                let is_passing = matches!(error, Error::Store(_) | Error::Closed);
                let is_about_now =
                    matches!(error, Error::Retry { .. } | Error::NoPlan { .. } | Error::QueueFull { .. });
                if !is_passing && (!is_about_now || was_answered) {
                    stage.fail(format!("retry {}: {error}", again.key));
                }
                return;
            }
        };
        stage.note(|| format!("{} answered {answer:?}", again.key));
        let mut retries = self.retries.lock();
        let Some(known) = retries.iter_mut().find(|known| known.key == again.key) else { return };
        match &known.answer {
            Some(before) if *before != answer => {
                stage.fail(format!("{}: answered {answer:?}, before {before:?}", again.key));
            }
            _ => known.answer = Some(answer),
        }
    }

    async fn read_something(&self) {
        let Some(process) = self.any() else { return };
        let kc = &process.kc;
        let order = self.new_order(2);
        let read = async {
            kc.estimate(order.request()).await.map(drop)?;
            kc.status().await.map(drop)?;
            let verification = kc.verify().await?;
            if !verification.is_sound() {
                self.stage.fail(format!("verify: {:?}", verification.discrepancies));
            }
            Ok::<(), Error>(())
        };
        match process.life.of(read).await {
            None | Some(Ok(()) | Err(Error::Store(_) | Error::Closed)) => {}
            Some(Err(Error::NoPlan { .. })) if !self.stage.plan.is_calm() => {}
            Some(Err(error)) => self.stage.fail(format!("reading: {error}")),
        }
    }

    // Administrators.

    async fn administrate(self: Arc<Self>, for_ms: u64) {
        let stage = &self.stage;
        while stage.ms() < for_ms && !stage.has_failed() {
            stage.linger(500, 6_000).await;
            let (server, service) = (stage.dice.pick(&SERVERS), stage.dice.pick(&SERVICES));
            let Some(process) = self.any() else { continue };
            let kc = process.kc.clone();
            let done = match stage.dice.between(0, 12) {
                0 => process.life.of(self.maintain(&kc, service)).await,
                1 | 2 => {
                    let switch = stage.dice.pick(&[Switch::On, Switch::Off]);
                    process.life.of(kc.config().set_route(server, service, switch)).await
                }
                3 => {
                    let weight = |_| u32::try_from(stage.dice.between(0, 100)).unwrap_or(1);
                    let weights =
                        [(SERVERS[0], weight(0) + 1), (SERVERS[1], weight(1)), (SERVERS[2], weight(2))];
                    process.life.of(kc.config().set_weights(&weights)).await
                }
                4 => process.life.of(self.change_price(&kc, server, service)).await,
                5 => {
                    let prices = kc.prices();
                    process.life.of(prices.remove(server, service, None, Operation::Speech)).await
                }
                6 => {
                    self.add_key(server, service).await;
                    Some(Ok(()))
                }
                7 => process.life.of(kc.monitor()).await,
                8 => process.life.of(self.change_servers(&kc)).await,
                _ => process.life.of(self.change_key(&kc)).await,
            };
            match done {
                None | Some(Ok(())) => {}
                Some(Err(
                    error @ (Error::Store(_)
                    | Error::Closed
                    | Error::Contended
                    | Error::NotFound { .. }
                    | Error::KeyRemoved(_)
                    | Error::KeySuspended { .. }
                    // A question that the key's limit leaves no call for.
                    | Error::Upstream(Failure { kind: FailureKind::Busy, reached: Reached::No, .. })
                    | Error::UnknownRoute(_)
                    | Error::Configuration(_)
                    | Error::Price(_)),
                )) => stage.note(|| format!("admin: {error}")),
                Some(Err(error)) => stage.fail(format!("admin: {error}")),
            }
        }
    }

    async fn maintain(&self, kc: &KingCong, service: &str) -> Result<(), Error> {
        match self.stage.dice.between(0, 3) {
            0 => kc.config().set_maintenance(Maintenance::Full).await,
            1 => kc.config().set_service_maintenance(&[service]).await,
            _ => kc.config().set_maintenance(Maintenance::None).await,
        }
    }

    /// Adds a server, takes one away, or changes what an address may do.
    async fn change_servers(&self, kc: &KingCong) -> Result<(), Error> {
        let dice = &self.stage.dice;
        let (id, services) = (dice.pick(&REMOVABLE), SERVICES.map(|service| (service, Switch::On)));
        match dice.between(0, 3) {
            0 => kc.config().remove_server(id).await,
            1 | 2 => kc.config().add_server(id, server(dice, id)?, &services).await,
            _ => {
                let few = |to| u32::try_from(dice.between(4, to)).unwrap_or(4);
                let egress = Limits::new(few(EGRESS_LIMITS.0.into()), few(EGRESS_LIMITS.1.into()));
                let egress = Some(egress.map_or(EgressChange::Lifted, EgressChange::To));
                kc.config().update_server("ai84", ServerChange { egress, ..ServerChange::default() }).await
            }
        }
    }

    async fn change_price(&self, kc: &KingCong, server: &str, service: &str) -> Result<(), Error> {
        let route = Route::new(ServerId::new(server)?, ServiceId::new(service)?);
        let dice = &self.stage.dice;
        let start = match dice.between(0, 2) {
            0 => PriceStart::At(self.truth.now().plus(Duration::from_millis(dice.between(1_000, 60_000)))),
            _ => PriceStart::Now,
        };
        match kc.prices().set(price(dice, route, 0)?, start, None).await {
            // The clock of the process that decides may be ahead.
            Err(Error::Price(PriceError::Past { .. } | PriceError::TooManyAhead { .. })) => Ok(()),
            set => set,
        }
    }

    async fn change_key(&self, kc: &KingCong) -> Result<(), Error> {
        let keys = kc.keys().list().await?;
        if keys.is_empty() {
            return Ok(());
        }
        let dice = &self.stage.dice;
        let key = dice.pick(&keys).id;
        match dice.between(0, 9) {
            0 => kc.keys().remove(key).await,
            1..=3 => kc.keys().disable(key).await,
            4 | 5 => kc.keys().enable(key).await,
            6 => kc.keys().check(key).await,
            _ => {
                let few = |to| NonZeroU32::new(u32::try_from(dice.between(1, to)).unwrap_or(1));
                let kept = dice.between(0, 2);
                let change = LimitsChange {
                    max_in_flight: if kept == 0 { None } else { few(6) },
                    per_minute: if kept == 1 { None } else { few(12) },
                };
                kc.keys().set_limits(key, change).await
            }
        }
        .map(drop)
    }

    // Disasters.

    async fn bring_disasters(self: Arc<Self>, for_ms: u64) {
        let stage = &self.stage;
        let disasters = &stage.plan.disasters;
        while stage.ms() < for_ms && !stage.has_failed() {
            stage.linger(500, 8_000).await;
            match stage.dice.between(0, 7) {
                0 if disasters.kill => {
                    if let Some(process) = self.take() {
                        stage.note(|| format!("p{} killed", process.number));
                        process.life.kill();
                        stage.linger(0, 8_000).await;
                        self.open().await;
                    }
                }
                1 if disasters.pause => {
                    if let Some(process) = self.any() {
                        tokio::spawn(Arc::clone(&self).pause(process));
                    }
                }
                2 if disasters.close => {
                    if let Some(process) = self.take() {
                        self.close(&process).await;
                        stage.linger(0, 3_000).await;
                        self.open().await;
                    }
                }
                3 if disasters.outage => {
                    let for_ms = stage.dice.between(100, 12_000);
                    if stage.dice.percent(50) {
                        self.database.go_down(for_ms);
                    } else if let Some(process) = self.any() {
                        process.connection.cut(for_ms);
                    }
                }
                4 if disasters.keys_die => {
                    let secret = stage.dice.pick(&self.world.secrets());
                    self.world.set_dead(&secret, stage.dice.percent(60));
                }
                5 if disasters.credit_ends => {
                    let secret = stage.dice.pick(&self.world.secrets());
                    let credit = stage.dice.pick(&[0, 30, 200, 100_000]);
                    self.world.set_credit(&secret, credit);
                }
                6 if disasters.clocks_step => {
                    if let Some(process) = self.any() {
                        let by = i64::try_from(stage.dice.between(0, 120_000)).unwrap_or(0) - 60_000;
                        stage.note(|| format!("p{} clock steps by {by}", process.number));
                        process.clock.step(by);
                    }
                }
                _ => {}
            }
        }
    }

    async fn pause(self: Arc<Self>, process: Process) {
        let stage = &self.stage;
        let for_ms = match stage.dice.between(0, 2) {
            0 => stage.dice.between(10, 1_000),
            _ => stage.dice.between(1_000, 5 * stage.plan.dead_after_ms),
        };
        stage.note(|| format!("p{} pauses for {for_ms} ms", process.number));
        process.life.pause();
        stage.sleep(for_ms).await;
        stage.note(|| format!("p{} goes on", process.number));
        process.life.go_on();
    }

    async fn watch_for_idleness(self: Arc<Self>) {
        while !self.stage.has_failed() {
            self.stage.sleep(200).await;
            self.books.check_idle(&self.database.memory);
        }
    }

    // The end.

    /// From now on everything works and everything is switched on.
    async fn heal(self: &Arc<Self>) {
        self.stage.heal();
        self.stage.note(|| "healed".to_owned());
        self.world.heal();
        for process in self.processes.lock().iter() {
            process.life.go_on();
        }
        // Those that are left may be clients.
        self.open().await;
        for id in REMOVABLE {
            let server = server(&self.stage.dice, id).expect("a legal server");
            self.insist("heal", |kc| {
                let (server, services) = (server.clone(), SERVICES.map(|service| (service, Switch::On)));
                async move { kc.config().add_server(id, server, &services).await }
            })
            .await;
        }
        self.insist("heal", |kc| async move { kc.config().set_maintenance(Maintenance::None).await }).await;
        for server in SERVERS {
            for service in SERVICES {
                self.insist(
                    "heal",
                    |kc| async move { kc.config().set_route(server, service, Switch::On).await },
                )
                .await;
                self.add_key(server, service).await;
            }
        }
        self.insist("heal", |kc| async move {
            for key in kc.keys().list().await?.iter().filter(|key| key.switch == Switch::Off) {
                kc.keys().enable(key.id).await?;
            }
            Ok(())
        })
        .await;
        // What a key alone can do that was removed, or suspended with its server, waits for its deadline, which
        // maintenance may have put off for long.
        let memory = &self.database.memory;
        let keys = now(memory.keys()).unwrap_or_default();
        let may_serve = |key: KeyId| {
            let mut known = keys.iter().filter(|known| known.key.id == key);
            known.any(|known| !matches!(known.key.status, KeyStatus::Suspended { .. }))
        };
        for book in now(memory.job_books(None, PAGE_MAX)).unwrap_or_default() {
            let waits_in_vain =
                |task: &Task| !task.is_ended() && task.only_key.is_some_and(|key| !may_serve(key));
            if book.tasks.iter().any(waits_in_vain) {
                let id = book.job.id;
                self.insist("heal", |kc| async move { kc.job(id).cancel().await }).await;
            }
        }
    }

    async fn wait_for_the_end(&self) {
        let memory = &self.database.memory;
        let books = now(memory.job_books(None, PAGE_MAX)).unwrap_or_default();
        let tasks = books.iter().flat_map(|book| &book.tasks).filter(|task| !task.is_ended()).count() as u64;
        let until = self.stage.ms() + Scale::END_MS + tasks * Scale::END_OF_TASK_MS;
        loop {
            let books = now(memory.job_books(None, PAGE_MAX)).unwrap_or_default();
            let open: Vec<_> = books.iter().filter(|book| !book.job.state.is_final()).collect();
            if open.is_empty() || self.stage.has_failed() {
                return;
            }
            if self.stage.ms() > until {
                for book in open {
                    let stuck: Vec<String> = book
                        .tasks
                        .iter()
                        .filter(|task| !task.is_ended())
                        .map(|task| {
                            let (route, only) = (task.planned_route().route(), task.only_key);
                            format!("{} on {route}, by {only:?} alone: {:?}", task.id, task.state)
                        })
                        .collect();
                    self.stage.fail(format!("job {} is stuck: {}", book.job.id, stuck.join(", ")));
                }
                return;
            }
            self.stage.sleep(500).await;
        }
    }
}

/// Drops the future after it was polled so often, as a caller does who goes away.
async fn leave_after<T>(polls: u64, future: impl Future<Output = T>) -> Option<T> {
    let mut future = std::pin::pin!(future);
    let mut left = polls;
    std::future::poll_fn(|context| match future.as_mut().poll(context) {
        std::task::Poll::Ready(result) => std::task::Poll::Ready(Some(result)),
        std::task::Poll::Pending => {
            left -= 1;
            if left == 0 { std::task::Poll::Ready(None) } else { std::task::Poll::Pending }
        }
    })
    .await
}

/// A server by its name.
fn server(dice: &Dice, id: &str) -> Result<Server, Error> {
    let egress = Limits::new(EGRESS_LIMITS.0, EGRESS_LIMITS.1);
    Ok(Server {
        protocol: ProtocolId::new(if id == "extra" { "direct" } else { id })?,
        base_url: BaseUrl::new(format!("https://{id}.example"))?,
        weight: u32::try_from(dice.between(1, 60)).unwrap_or(1),
        polls: if id == "ai33" { PollsCount::Counted } else { PollsCount::Free },
        defaults: Limits::new(4, 8).expect("not zero"),
        egress: egress.filter(|_| id == "ai84"),
    })
}

/// Three servers that sell two services at odd prices; a fourth that may come has prices already.
fn preset(dice: &Dice) -> Result<Preset, Error> {
    let mut preset = Preset::kingcong()?;
    let configuration = preset.configuration();
    let system = &mut configuration.system;
    for id in SERVERS {
        system.servers.insert(ServerId::new(id)?, server(dice, id)?);
    }
    for service in SERVICES {
        let service = ServiceId::new(service)?;
        system.routes.insert(Route::new(ServerId::new("direct")?, service.clone()), Switch::On);
        for id in ["ai33", "ai84", "direct", "extra"] {
            let route = Route::new(ServerId::new(id)?, service.clone());
            let mut clone = price(dice, route.clone(), 2)?;
            clone.operation = Operation::CloneVoice;
            let line = PriceLine::new(Measure::Request, 70_000_000, NonZeroU32::MIN);
            clone.charge = Charge::lines([line])?;
            configuration.prices.set(clone, Timestamp::EPOCH)?;
            configuration.prices.set(price(dice, route, 2)?, Timestamp::EPOCH)?;
        }
    }
    Ok(preset)
}

/// A price with a fraction that does not come out even, for characters and sometimes for seconds too.
fn price(dice: &Dice, route: Route, version: u32) -> Result<Price, Error> {
    let per = |of: &[u32]| NonZeroU32::new(dice.pick(of)).unwrap_or(NonZeroU32::MIN);
    let num = dice.pick(&[1_000_000, 333_333, 1_250_000, 700_000]);
    let mut lines = vec![PriceLine::new(Measure::Character, num, per(&[1, 3, 7]))];
    if dice.percent(30) {
        lines.push(PriceLine::new(Measure::AudioMs, 1_000_000, per(&[1_000, 300])));
    }
    Ok(Price {
        name: format!("{route} speech"),
        route,
        model: None,
        operation: Operation::Speech,
        lane: Lane::Shared,
        unit: Unit::CREDIT,
        charge: Charge::lines(lines)?,
        overrun: if dice.percent(20) { Overrun::Payer } else { Overrun::Operator },
        switch: Switch::On,
        version,
        since: kingcong_core::clock::Timestamp::EPOCH,
    })
}
