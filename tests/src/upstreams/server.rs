//! One fake server: what tests turn (keys, credits, faults) and what they read (log, counters, violations), and the two
//! ways in which the protocols work with its book, [`Server::submit`] and [`Server::speak`].

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use axum::{
    http::HeaderMap,
    response::{IntoResponse, Response},
};
use parking_lot::Mutex;
use tokio::{runtime::Handle, time::Instant};

use super::{
    ai33, ai84,
    book::{Book, Listed, Seen, Verdict},
    elevenlabs,
    faults::{Broken, DownloadFault, Faults, PollFault, Refusal, SubmitFault, TaskFault, mix},
    http,
    journal::made_a_task,
    minimax,
    report::{AccountReport, Counters, KeyReport, Life, Submit, Violation},
    settings::{Account, Dialect, Edge, Limits, Pace, Protocol, ServerSettings, Urls},
    task::{Caller, Order, Service, State, Task},
};

/// The simulator's time: the machine's, plus what tests have skipped.
#[derive(Debug)]
pub(super) struct Clock {
    started: Instant,
    /// The same moment, since 1970.
    started_at: Duration,
    skipped: Mutex<Duration>,
}

impl Clock {
    pub(super) fn start() -> Self {
        let started_at = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self { started: Instant::now(), started_at, skipped: Mutex::new(Duration::ZERO) }
    }

    /// Time since the simulator started.
    pub(super) fn now(&self) -> Duration {
        self.started.elapsed() + *self.skipped.lock()
    }

    pub(super) fn skip(&self, time: Duration) {
        *self.skipped.lock() += time;
    }
}

/// A fake server, running. Its methods may be called from anywhere at any time.
pub struct Server {
    name: Arc<str>,
    protocol: Protocol,
    url: String,
    cdn_url: String,
    clock: Arc<Clock>,
    runtime: Handle,
    book: Mutex<Book>,
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server")
            .field("name", &self.name)
            .field("protocol", &self.protocol)
            .field("url", &self.url)
            .finish_non_exhaustive()
    }
}

impl Server {
    pub(super) fn new(
        name: &str,
        url: String,
        cdn_url: String,
        clock: Arc<Clock>,
        settings: ServerSettings,
    ) -> Self {
        let name: Arc<str> = name.into();
        Self {
            protocol: settings.protocol,
            book: Mutex::new(Book::new(Arc::clone(&name), settings)),
            name,
            url,
            cdn_url,
            clock,
            runtime: Handle::current(),
        }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its base URL, without a trailing slash.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The format it speaks.
    pub fn protocol(&self) -> Protocol {
        self.protocol
    }

    /// The secrets of its keys, in the order they were added.
    pub fn secrets(&self) -> Vec<String> {
        self.with(|book, _| book.keys.iter().map(|key| key.secret.clone()).collect())
    }

    // What tests turn. Keys are named by `account/key` or by their secret; a wrong name panics.

    /// Adds an account with its keys.
    pub fn add_account(&self, account: Account) {
        self.with(|book, _| book.add_account(account));
    }

    /// Revokes a key: every call with it is refused from now on.
    pub fn kill_key(&self, key: &str) {
        self.with(|book, _| book.set_life(key, Life::Dead));
    }

    /// Makes a dead key work again.
    pub fn revive_key(&self, key: &str) {
        self.with(|book, _| book.set_life(key, Life::Alive));
    }

    /// Sets an account's balance.
    pub fn set_credits(&self, account: &str, credits: i64) {
        self.with(|book, _| book.account_named(account).credits = credits);
    }

    /// Changes what goes wrong by chance.
    pub fn set_faults(&self, faults: Faults) {
        self.with(|book, _| book.settings.faults = faults);
    }

    /// Changes what is counted and refused. What was counted stays.
    pub fn set_limits(&self, limits: Limits) {
        self.with(|book, _| book.settings.limits = limits);
    }

    /// Changes the dialect.
    pub fn set_dialect(&self, dialect: Dialect) {
        self.with(|book, _| book.settings.dialect = dialect);
    }

    /// Changes how long new tasks take.
    pub fn set_pace(&self, pace: Pace) {
        self.with(|book, _| book.settings.pace = pace);
    }

    /// Changes what stands before the server.
    pub fn set_edge(&self, edge: Edge) {
        self.with(|book, _| book.settings.edge = edge);
    }

    /// The next submit that no limit stops meets this fault; several form a line.
    pub fn next_submit(&self, fault: SubmitFault) {
        self.with(|book, _| book.next.submit.push_back(fault));
    }

    /// The next accepted task meets this fault; several form a line.
    pub fn next_task(&self, fault: TaskFault) {
        self.with(|book, _| book.next.task.push_back(fault));
    }

    /// The next accepted task has these bytes for its audio, under an audio's type; several form a line.
    pub fn next_audio(&self, bytes: impl Into<Arc<[u8]>>) {
        let bytes = bytes.into();
        self.with(|book, _| book.next.audio.push_back(bytes));
    }

    /// The next poll of a known task meets this fault; several form a line.
    pub fn next_poll(&self, fault: PollFault) {
        self.with(|book, _| book.next.poll.push_back(fault));
    }

    /// The next download meets this fault; several form a line.
    pub fn next_download(&self, fault: DownloadFault) {
        self.with(|book, _| book.next.download.push_back(fault));
    }

    /// Every call breaks like this, until [`Server::end_outage`].
    pub fn begin_outage(&self, broken: Broken) {
        self.with(|book, _| book.outage = Some(broken));
    }

    /// Calls are answered again.
    pub fn end_outage(&self) {
        self.with(|book, _| book.outage = None);
    }

    /// A voice that this server does not know. Every other voice is known to it.
    pub fn forget_voice(&self, voice: &str) {
        self.with(|book, _| book.missing_voices.insert(voice.to_owned()));
    }

    /// Changes how a service's health is told.
    pub fn set_health(&self, service: Service, health: Health) {
        self.with(|book, _| match service {
            Service::ElevenLabs => book.health.elevenlabs = health,
            Service::MiniMax => book.health.minimax = health,
        });
    }

    // What tests read.

    /// Every limit that was exceeded, oldest first.
    pub fn violations(&self) -> Vec<Violation> {
        self.with(|book, _| book.violations.clone())
    }

    /// The latest submits, oldest first.
    pub fn log(&self) -> Vec<Submit> {
        self.with(|book, _| book.journal.submits().cloned().collect())
    }

    /// Submits by which a text was accepted that had been accepted before, as far back as the log goes.
    pub fn resubmitted(&self) -> Vec<Submit> {
        let mut accepted = BTreeSet::new();
        self.log()
            .into_iter()
            .filter(|submit| made_a_task(submit) && !accepted.insert(submit.digest))
            .collect()
    }

    /// How often each text was made, by its [`digest`](super::audio::digest): tasks that were accepted and did not
    /// fail, nor were deleted while they ran.
    pub fn made(&self) -> BTreeMap<u64, u64> {
        self.with(|book, _| book.made())
    }

    /// Totals since the start.
    pub fn counters(&self) -> Counters {
        self.with(|book, _| book.counters)
    }

    /// Its accounts as they stand.
    pub fn accounts(&self) -> Vec<AccountReport> {
        self.with(|book, _| book.account_reports())
    }

    /// Its keys as they stand.
    pub fn keys(&self) -> Vec<KeyReport> {
        self.with(|book, _| book.key_reports())
    }

    /// Tasks that have not ended.
    pub fn open_tasks(&self) -> u64 {
        self.with(|book, _| book.open_tasks())
    }

    // What the protocols need.

    /// The only way to the book: ends what is due, then acts on it, then sees to the webhooks.
    pub(super) fn with<T>(&self, act: impl FnOnce(&mut Book, Duration) -> T) -> T {
        let (result, ended) = {
            let mut book = self.book.lock();
            let now = self.clock.now();
            book.settle(now);
            (act(&mut book, now), std::mem::take(&mut book.webhooks))
        };
        for task in ended {
            let Some(url) = task.receive_url.clone() else { continue };
            let body = ai33::task_json(self, &task).to_string();
            self.runtime.spawn(async move {
                // A webhook that nobody takes is lost, as it would be upstream.
                drop(http::post_json(&url, body).await);
            });
        }
        result
    }

    pub(super) fn dialect(&self) -> Dialect {
        self.with(|book, _| book.settings.dialect)
    }

    /// When the simulator started, since 1970.
    pub(super) fn started_at(&self) -> Duration {
        self.clock.started_at
    }

    pub(super) fn answer_delay(&self) -> Duration {
        self.book.lock().settings.answer_delay
    }

    /// What stops a call before it is read.
    pub(super) fn stopped_at_the_edge(&self, headers: &HeaderMap) -> Option<Broken> {
        let book = self.book.lock();
        match (book.outage, book.settings.edge) {
            (Some(broken), _) => Some(broken),
            (None, Edge::BlocksLibraryAgents) if http::is_library_agent(headers) => {
                Some(Broken::Cloudflare1010)
            }
            (None, Edge::BlocksLibraryAgents | Edge::Open) => None,
        }
    }

    /// A no in the server's own words.
    pub(super) fn refuse(&self, refusal: Refusal) -> Response {
        if let Refusal::Verbatim { status, body, retry_after_s } = refusal {
            return http::with_retry_after(http::json(status, body), retry_after_s);
        }
        match self.protocol {
            Protocol::Ai33 => ai33::refuse(self.dialect(), refusal),
            Protocol::Ai84 => ai84::refuse(self.dialect(), refusal),
            Protocol::ElevenLabs => elevenlabs::refuse(self.dialect(), refusal),
            Protocol::MiniMax => minimax::refuse(refusal),
        }
    }

    /// Makes a task that is polled. `accepted` writes the answer from the task and the account's balance.
    pub(super) async fn submit(
        self: &Arc<Self>,
        order: Order,
        accepted: impl FnOnce(&Task, i64) -> Response,
    ) -> Response {
        let caller = order.caller;
        let (verdict, balance) =
            self.with(|book, now| (book.submit(now, order), book.account_of(caller).credits));
        match verdict {
            Verdict::Refused(refusal) => self.refuse(refusal),
            Verdict::Broken(broken) => broken.spoil(self.refuse(Refusal::Busy)).await,
            Verdict::Accepted(task, broken) | Verdict::Joined(task, broken) => {
                self.call_back(&task);
                let response = accepted(&task, balance);
                match broken {
                    Some(broken) => broken.spoil(response).await,
                    None => response,
                }
            }
        }
    }

    /// Sees to it that the webhook of a timed task goes out in time, though nobody asks for the task.
    fn call_back(self: &Arc<Self>, task: &Task) {
        if task.receive_url.is_none() {
            return;
        }
        if let Some(end) = task.ends_by_clock() {
            let server = Arc::clone(self);
            self.runtime.spawn(async move {
                tokio::time::sleep(end.saturating_sub(server.clock.now())).await;
                server.with(|_, _| ());
            });
        }
    }

    /// Makes a task whose answer is its result; returns when it has ended. `done` writes the answer.
    pub(super) async fn speak(&self, order: Order, done: impl FnOnce(&Task) -> Response) -> Response {
        let (task, broken) = match self.with(|book, now| book.submit(now, order)) {
            Verdict::Refused(refusal) => return self.refuse(refusal),
            Verdict::Broken(broken) => return broken.spoil(self.refuse(Refusal::Busy)).await,
            Verdict::Accepted(task, broken) | Verdict::Joined(task, broken) => (task, broken),
        };
        let running = Running { server: self, task: task.number };
        match task.ends_at() {
            Some(end) => {
                let rest = end.saturating_sub(self.clock.now());
                if !rest.is_zero() {
                    tokio::time::sleep(rest).await;
                }
            }
            None => std::future::pending().await,
        }
        drop(running);
        let response = match task.fault {
            None => done(&task),
            Some(fault) => self.refuse(self.failure(fault)),
        };
        match broken {
            Some(broken) => broken.spoil(response).await,
            None => response,
        }
    }

    /// How a call that was accepted fails before its answer.
    fn failure(&self, fault: TaskFault) -> Refusal {
        match fault {
            TaskFault::VoiceNotFound(_) => Refusal::VoiceNotFound,
            TaskFault::Moderated(_) if self.protocol == Protocol::MiniMax => minimax::minimax_status(1027),
            TaskFault::Moderated(_) => Refusal::Moderated,
            TaskFault::UserError(_) => Refusal::BadRequest("invalid parameter".to_owned()),
            TaskFault::ServerError(_) | TaskFault::Stuck => Refusal::Status(500),
        }
    }

    /// Looks at a task; `found` writes the answer.
    pub(super) async fn poll(
        &self,
        caller: Caller,
        id: &str,
        found: impl FnOnce(&Task) -> Response,
    ) -> Response {
        match self.with(|book, now| book.poll(now, caller, id)) {
            Seen::Task(task) => found(&task),
            Seen::Unknown => self.refuse(Refusal::NotFound),
            Seen::Refused(refusal) => self.refuse(refusal),
            Seen::Broken(broken) => broken.spoil(().into_response()).await,
        }
    }

    /// Looks at a page of tasks; `found` writes the answer from them and the number of all.
    pub(super) async fn list(
        &self,
        caller: Caller,
        skip: usize,
        take: usize,
        found: impl FnOnce(&[Task], usize) -> Response,
    ) -> Response {
        match self.with(|book, now| book.list(now, caller, skip, take)) {
            Listed::Tasks(tasks, total) => found(&tasks, total),
            Listed::Refused(refusal) => self.refuse(refusal),
            Listed::Broken(broken) => broken.spoil(().into_response()).await,
        }
    }

    /// A signed URL of a task's result, or of what belongs to it.
    pub(super) fn result_url(&self, task: &Task, extension: &str) -> String {
        let (expires, urls, seed) = self.with(|book, now| {
            let settings = &book.settings;
            ((now + settings.url_lifetime).as_millis() as u64, settings.dialect.urls, settings.seed)
        });
        let base = match urls {
            Urls::Absolute => self.cdn_url.as_str(),
            Urls::Relative => "",
        };
        let token = signature(seed, task.number, extension, expires);
        format!("{base}/cdn/{}/{}.{extension}?expires={expires}&token={token}", self.name, task.id)
    }
}

/// Proves that a URL was given out.
pub(super) fn signature(seed: u64, task: u64, extension: &str, expires: u64) -> String {
    format!("{:016x}", mix(&[seed, task, super::audio::digest(extension), expires]))
}

/// A call in progress: it ends when it is answered, and also when the client gives up.
struct Running<'a> {
    server: &'a Server,
    task: u64,
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.server.with(|book, _| book.answer(self.task));
    }
}

/// How well a service does, as AI33's `health-check` tells it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Health {
    /// `good`
    #[default]
    Good,
    /// `degraded`
    Degraded,
    /// `overloaded`
    Overloaded,
}

impl Health {
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Degraded => "degraded",
            Self::Overloaded => "overloaded",
        }
    }
}

impl State {
    /// Progress in per cent.
    pub(super) fn percent(self) -> u64 {
        match self {
            Self::Queued { .. } => 0,
            Self::Processing { percent } => percent,
            Self::Done | Self::Failed(_) => 100,
        }
    }
}
