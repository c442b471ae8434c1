//! What a fake server knows: its accounts, keys and tasks, what it counted and what it saw. The protocols call it under
//! one lock and turn its verdicts into their own words. It takes the time as an argument and answers at once.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    net::IpAddr,
    sync::Arc,
    time::Duration,
};

use serde::Serialize;

use super::{
    audio::{self, Format},
    faults::{Broken, Charge, DownloadFault, PollFault, Refusal, SubmitFault, TaskFault, mix},
    server::Health,
    settings::{Account, ClientIds, Excess, Group, Limit, Pace, Plan, Scope, ServerSettings},
    voices::VoiceLibrary,
    window::Window,
};

/// Submits kept in the log, newest first to stay. Counters go on for ever.
pub const LOG_SUBMITS_MAX: usize = 500_000;

/// Characters of a text that the log keeps.
pub const LOG_TEXT_CHARACTERS_MAX: usize = 100;

/// Violations kept, oldest first to stay.
pub const VIOLATIONS_KEPT_MAX: usize = 100_000;

/// A limit was, or would have been, exceeded by one call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// The server's name.
    pub server: Arc<str>,
    /// Whose limit it is.
    pub who: Who,
    /// What is limited.
    pub limit: LimitKind,
    /// The most that is allowed.
    pub max: u64,
    /// What there was, with this call.
    pub observed: u64,
    /// Whether the call was served all the same.
    pub excess: Excess,
    /// When, since the simulator started.
    pub at: Duration,
}

/// Whose limit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Who {
    /// A key, as `account/key`.
    Key(Arc<str>),
    /// An account.
    Account(Arc<str>),
    /// A client's address.
    Ip(IpAddr),
}

/// What is limited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LimitKind {
    /// Tasks not yet ended.
    InFlight,
    /// Submits per window.
    Starts,
    /// Submits and polls per window.
    Calls,
    /// Characters per window.
    Characters,
}

/// A submit that reached a server with a known key.
#[derive(Clone, Debug)]
pub struct Submit {
    /// When, since the simulator started.
    pub at: Duration,
    /// The key, as `account/key`.
    pub key: Arc<str>,
    /// The client's address.
    pub ip: IpAddr,
    /// The service it asks for.
    pub service: Service,
    /// The first characters of the text, see [`LOG_TEXT_CHARACTERS_MAX`].
    pub text_start: String,
    /// The whole text's [`audio::digest`].
    pub digest: u64,
    /// The whole text's Unicode characters.
    pub characters: u64,
    /// The client's own identifier of the task, if it sent one.
    pub client_id: Option<Arc<str>>,
    /// How many submits of this text there have been, with this one.
    pub nth: u64,
    /// What came of it.
    pub outcome: Outcome,
}

/// What came of a submit.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// A task was made and charged.
    Accepted {
        /// The upstream's id of the task.
        task: String,
        /// The charge.
        credits: i64,
    },
    /// A task was made and charged, but the client cannot know: the answer broke like this.
    AnswerLost {
        /// The upstream's id of the task.
        task: String,
        /// The charge.
        credits: i64,
        /// How the answer broke.
        broken: Broken,
    },
    /// It was refused.
    Refused(Refusal),
    /// Nothing was done and the answer broke.
    Broken(Broken),
}

/// Totals of a server since it started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counters {
    /// Submits with a known key.
    pub submits: u64,
    /// Calls with an unknown or dead key.
    pub unauthorized: u64,
    /// Tasks made.
    pub accepted: u64,
    /// Tasks made whose answer was lost on purpose.
    pub answers_lost: u64,
    /// Submits refused or broken before anything was done.
    pub refused: u64,
    /// Tasks that ended well.
    pub done: u64,
    /// Tasks that failed.
    pub failed: u64,
    /// Tasks deleted while they ran.
    pub cancelled: u64,
    /// Polls.
    pub polls: u64,
    /// Downloads of results.
    pub downloads: u64,
    /// Accepted tasks whose text had been accepted before.
    pub repeated_texts: u64,
    /// Accepted tasks whose client identifier had been accepted before.
    pub repeated_client_ids: u64,
    /// Limits exceeded.
    pub violations: u64,
    /// Calls that carried a key to the address of results, which is a stranger.
    pub keys_leaked: u64,
    /// Credits charged.
    pub charged: i64,
    /// Credits given back.
    pub refunded: i64,
}

/// One account as it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountReport {
    /// Its name.
    pub name: Arc<str>,
    /// Its balance.
    pub credits: i64,
    /// Credits charged so far.
    pub charged: i64,
    /// Credits given back so far.
    pub refunded: i64,
    /// Tasks not yet ended.
    pub in_flight: u64,
}

/// One key as it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyReport {
    /// `account/key`.
    pub name: Arc<str>,
    /// Whether it works.
    pub life: Life,
    /// Submits so far.
    pub starts: u64,
    /// Tasks not yet ended.
    pub in_flight: u64,
    /// Most tasks at once so far.
    pub in_flight_peak: u64,
    /// Most submits in one window so far.
    pub starts_peak: u64,
}

/// Whether a key works.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Life {
    /// It does.
    Alive,
    /// It was revoked: every call with it is refused.
    Dead,
}

/// What is bought at a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Service {
    /// Speech by ElevenLabs.
    ElevenLabs,
    /// Speech by MiniMax.
    MiniMax,
}

/// A request to make a task.
#[derive(Debug)]
pub(super) struct Order {
    pub(super) caller: Caller,
    pub(super) service: Service,
    pub(super) text: String,
    pub(super) voice: String,
    pub(super) model: String,
    /// What it will cost.
    pub(super) credits: i64,
    /// The upstream's own count.
    pub(super) characters: u64,
    pub(super) format: Format,
    pub(super) subtitles: Subtitles,
    pub(super) group: Group,
    pub(super) receive_url: Option<String>,
    pub(super) client_id: Option<String>,
    /// What the upstream finds wrong only after it has accepted the task.
    pub(super) flaw: Option<TaskFault>,
}

/// Who calls.
#[derive(Clone, Copy, Debug)]
pub(super) struct Caller {
    pub(super) key: usize,
    pub(super) ip: IpAddr,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Subtitles {
    None,
    Wanted,
}

/// What the book says to a submit.
#[derive(Debug)]
pub(super) enum Verdict {
    /// The task is made; its answer may have to break.
    Accepted(Task, Option<Broken>),
    Refused(Refusal),
    Broken(Broken),
}

/// What the book says to a poll.
#[derive(Debug)]
pub(super) enum Seen {
    Task(Task),
    Unknown,
    Refused(Refusal),
    Broken(Broken),
}

#[derive(Clone, Debug)]
pub(super) struct Task {
    pub(super) number: u64,
    pub(super) id: String,
    pub(super) key: usize,
    pub(super) service: Service,
    pub(super) voice: Arc<str>,
    pub(super) model: Arc<str>,
    pub(super) digest: u64,
    pub(super) characters: u64,
    pub(super) credits: i64,
    pub(super) format: Format,
    pub(super) ms: u64,
    /// Kept only where subtitles were wanted.
    pub(super) text: Option<Arc<str>>,
    pub(super) receive_url: Option<Arc<str>>,
    pub(super) submitted: Duration,
    queue: Duration,
    end: End,
    pub(super) fault: Option<TaskFault>,
    pub(super) state: State,
    group: Group,
    polls: u64,
    downloads: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    At(Duration),
    AfterPolls(u64),
    Never,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    Queued { position: u64 },
    Processing { percent: u64 },
    Done,
    Failed(TaskFault),
}

impl State {
    pub(super) fn ended(self) -> bool {
        match self {
            Self::Queued { .. } | Self::Processing { .. } => false,
            Self::Done | Self::Failed(_) => true,
        }
    }
}

impl Task {
    /// When it will have ended, if the clock decides that.
    pub(super) fn ends_at(&self) -> Option<Duration> {
        match self.end {
            End::At(at) => Some(at),
            End::AfterPolls(_) => Some(self.submitted),
            End::Never => None,
        }
    }

    /// When the clock alone will have ended it.
    pub(super) fn ends_by_clock(&self) -> Option<Duration> {
        match self.end {
            End::At(at) => Some(at),
            End::AfterPolls(_) | End::Never => None,
        }
    }

    pub(super) fn audio(&self) -> Vec<u8> {
        self.format.bytes(self.digest, self.ms)
    }

    fn observe(&mut self, now: Duration) {
        if self.state.ended() {
            return;
        }
        self.state = match self.end {
            End::At(at) => {
                let waited = now.saturating_sub(self.submitted);
                match waited.checked_sub(self.queue) {
                    None => State::Queued { position: 1 },
                    Some(worked) => {
                        let whole = (at - self.submitted - self.queue).as_nanos().max(1);
                        State::Processing { percent: percent(worked.as_nanos(), whole) }
                    }
                }
            }
            End::AfterPolls(polls) if self.polls <= 1 && polls > 1 => State::Queued { position: 1 },
            End::AfterPolls(polls) => {
                State::Processing { percent: percent(u128::from(self.polls), u128::from(polls + 1)) }
            }
            End::Never => State::Processing { percent: percent(u128::from(self.polls), 100) },
        };
    }
}

fn percent(part: u128, whole: u128) -> u64 {
    u64::try_from((part * 100 / whole).min(99)).expect("at most 99")
}

#[derive(Debug)]
pub(super) struct AccountState {
    pub(super) name: Arc<str>,
    pub(super) credits: i64,
    pub(super) plan: Plan,
    pub(super) charged: i64,
    pub(super) refunded: i64,
    in_flight: u64,
    in_flight_turbo: u64,
    starts: Window,
    calls: Window,
    characters: Window,
}

#[derive(Debug)]
pub(super) struct KeyState {
    pub(super) name: Arc<str>,
    pub(super) secret: String,
    pub(super) account: usize,
    pub(super) scope: Scope,
    credits_max: Option<i64>,
    charged: i64,
    life: Life,
    starts_total: u64,
    starts: Window,
    starts_peak: u64,
    in_flight: u64,
    in_flight_peak: u64,
}

/// The lines of faults that come next, before any chance.
#[derive(Debug, Default)]
pub(super) struct NextFaults {
    pub(super) submit: VecDeque<SubmitFault>,
    pub(super) task: VecDeque<TaskFault>,
    pub(super) poll: VecDeque<PollFault>,
    pub(super) download: VecDeque<DownloadFault>,
}

/// What the server says about its services.
#[derive(Debug, Default)]
pub(super) struct Healths {
    pub(super) elevenlabs: Health,
    pub(super) minimax: Health,
}

#[derive(Debug)]
pub(super) struct Book {
    server: Arc<str>,
    pub(super) settings: ServerSettings,
    pub(super) next: NextFaults,
    pub(super) outage: Option<Broken>,
    pub(super) missing_voices: BTreeSet<String>,
    pub(super) health: Healths,
    pub(super) voices: VoiceLibrary,
    pub(super) accounts: Vec<AccountState>,
    pub(super) keys: Vec<KeyState>,
    by_secret: BTreeMap<String, usize>,
    tasks: BTreeMap<u64, Task>,
    /// Tasks whose end the clock decides, in the order of their ends.
    ends: BTreeSet<(Duration, u64)>,
    /// Ended tasks, oldest first.
    ended: VecDeque<u64>,
    /// Ended tasks whose webhook has not been sent.
    pub(super) webhooks: Vec<Task>,
    last_task: u64,
    by_ip: BTreeMap<IpAddr, Window>,
    seen_texts: BTreeMap<u64, u64>,
    accepted_texts: BTreeSet<u64>,
    accepted_client_ids: BTreeMap<Arc<str>, u64>,
    pub(super) log: VecDeque<Submit>,
    pub(super) violations: Vec<Violation>,
    pub(super) counters: Counters,
}

impl Book {
    pub(super) fn new(server: Arc<str>, settings: ServerSettings) -> Self {
        let mut book = Self {
            server,
            next: NextFaults::default(),
            outage: None,
            missing_voices: BTreeSet::new(),
            health: Healths::default(),
            voices: VoiceLibrary::default(),
            accounts: Vec::new(),
            keys: Vec::new(),
            by_secret: BTreeMap::new(),
            tasks: BTreeMap::new(),
            ends: BTreeSet::new(),
            ended: VecDeque::new(),
            webhooks: Vec::new(),
            last_task: 0,
            by_ip: BTreeMap::new(),
            seen_texts: BTreeMap::new(),
            accepted_texts: BTreeSet::new(),
            accepted_client_ids: BTreeMap::new(),
            log: VecDeque::new(),
            violations: Vec::new(),
            counters: Counters::default(),
            settings,
        };
        for account in book.settings.accounts.clone() {
            book.add_account(account);
        }
        book
    }

    pub(super) fn add_account(&mut self, account: Account) {
        let index = self.accounts.len();
        for key in account.keys {
            self.by_secret.insert(key.secret.clone(), self.keys.len());
            self.keys.push(KeyState {
                name: format!("{}/{}", account.name, key.name).into(),
                secret: key.secret,
                account: index,
                scope: key.scope,
                credits_max: key.credits_max,
                charged: 0,
                life: Life::Alive,
                starts_total: 0,
                starts: Window::default(),
                starts_peak: 0,
                in_flight: 0,
                in_flight_peak: 0,
            });
        }
        self.accounts.push(AccountState {
            name: account.name.into(),
            credits: account.credits,
            plan: account.plan,
            charged: 0,
            refunded: 0,
            in_flight: 0,
            in_flight_turbo: 0,
            starts: Window::default(),
            calls: Window::default(),
            characters: Window::default(),
        });
    }

    /// The key with this secret, if it works.
    pub(super) fn authenticate(&mut self, secret: Option<&str>) -> Result<usize, Refusal> {
        let key = secret.and_then(|secret| self.by_secret.get(secret)).copied();
        match key {
            Some(key) if self.keys[key].life == Life::Alive => Ok(key),
            Some(_) | None => {
                self.counters.unauthorized += 1;
                Err(Refusal::InvalidKey)
            }
        }
    }

    /// Panics where a test names a key or account that does not exist: that is the test's mistake.
    pub(super) fn key_named(&mut self, name: &str) -> &mut KeyState {
        let server = &self.server;
        self.keys
            .iter_mut()
            .find(|key| &*key.name == name || key.secret == name)
            .unwrap_or_else(|| panic!("{server} has no key with this name (`account/key`) or secret"))
    }

    pub(super) fn account_named(&mut self, name: &str) -> &mut AccountState {
        let server = &self.server;
        self.accounts
            .iter_mut()
            .find(|account| &*account.name == name)
            .unwrap_or_else(|| panic!("{server} has no account {name:?}"))
    }

    pub(super) fn set_life(&mut self, key: &str, life: Life) {
        self.key_named(key).life = life;
    }

    pub(super) fn account_of(&self, caller: Caller) -> &AccountState {
        &self.accounts[self.keys[caller.key].account]
    }

    pub(super) fn account_index(&self, caller: Caller) -> usize {
        self.keys[caller.key].account
    }

    /// Ends every task whose time has come.
    pub(super) fn settle(&mut self, now: Duration) {
        while let Some(&(at, number)) = self.ends.first()
            && at <= now
        {
            self.ends.pop_first();
            self.end(number);
        }
    }

    fn end(&mut self, number: u64) {
        let Some(task) = self.tasks.get_mut(&number) else { return };
        task.state = match task.fault {
            None => State::Done,
            Some(fault) => State::Failed(fault),
        };
        let charge = match task.fault {
            None | Some(TaskFault::Stuck) => Charge::Kept,
            Some(
                TaskFault::VoiceNotFound(charge)
                | TaskFault::Moderated(charge)
                | TaskFault::UserError(charge)
                | TaskFault::ServerError(charge),
            ) => charge,
        };
        match task.fault {
            None => self.counters.done += 1,
            Some(_) => self.counters.failed += 1,
        }
        let credits = match charge {
            Charge::Kept => 0,
            Charge::Refunded => std::mem::take(&mut task.credits),
        };
        if task.receive_url.is_some() {
            self.webhooks.push(task.clone());
        }
        let (key, group) = (task.key, task.group);
        self.release(key, group);
        self.refund(key, credits);
        self.ended.push_back(number);
        while self.ended.len() > self.settings.tasks_kept_max {
            if let Some(oldest) = self.ended.pop_front() {
                self.tasks.remove(&oldest);
            }
        }
    }

    fn release(&mut self, key: usize, group: Group) {
        let key = &mut self.keys[key];
        key.in_flight -= 1;
        let account = &mut self.accounts[key.account];
        match group {
            Group::Standard => account.in_flight -= 1,
            Group::Turbo => account.in_flight_turbo -= 1,
        }
    }

    fn refund(&mut self, key: usize, credits: i64) {
        let key = &mut self.keys[key];
        key.charged -= credits;
        let account = &mut self.accounts[key.account];
        account.credits += credits;
        account.refunded += credits;
        self.counters.refunded += credits;
    }

    /// Takes credits at once, for what is no task (a cloned voice). Says whether there were enough.
    pub(super) fn charge(&mut self, caller: Caller, credits: i64) -> Result<(), Refusal> {
        let key = &mut self.keys[caller.key];
        let account = &mut self.accounts[key.account];
        if account.credits < credits || key.credits_max.is_some_and(|max| key.charged + credits > max) {
            return Err(Refusal::OutOfCredit);
        }
        key.charged += credits;
        account.credits -= credits;
        account.charged += credits;
        self.counters.charged += credits;
        Ok(())
    }

    pub(super) fn submit(&mut self, now: Duration, order: Order) -> Verdict {
        let digest = audio::digest(&order.text);
        let nth = self.seen_texts.entry(digest).or_default();
        *nth += 1;
        let nth = *nth;
        self.counters.submits += 1;
        self.keys[order.caller.key].starts_total += 1;

        let mut entry = Submit {
            at: now,
            key: Arc::clone(&self.keys[order.caller.key].name),
            ip: order.caller.ip,
            service: order.service,
            text_start: order.text.chars().take(LOG_TEXT_CHARACTERS_MAX).collect(),
            digest,
            characters: order.text.chars().count() as u64,
            client_id: order.client_id.as_deref().map(Arc::from),
            nth,
            outcome: Outcome::Broken(Broken::Silent),
        };
        let verdict = self.judge(now, order, digest, nth);
        entry.outcome = match &verdict {
            Verdict::Accepted(task, None) => {
                Outcome::Accepted { task: task.id.clone(), credits: task.credits }
            }
            Verdict::Accepted(task, Some(broken)) => {
                Outcome::AnswerLost { task: task.id.clone(), credits: task.credits, broken: *broken }
            }
            Verdict::Refused(refusal) => Outcome::Refused(refusal.clone()),
            Verdict::Broken(broken) => Outcome::Broken(*broken),
        };
        match verdict {
            Verdict::Accepted(_, None) => {}
            Verdict::Accepted(_, Some(_)) => self.counters.answers_lost += 1,
            Verdict::Refused(_) | Verdict::Broken(_) => self.counters.refused += 1,
        }
        if self.log.len() == LOG_SUBMITS_MAX {
            self.log.pop_front();
        }
        self.log.push_back(entry);
        verdict
    }

    fn judge(&mut self, now: Duration, order: Order, digest: u64, nth: u64) -> Verdict {
        if let Err(refusal) = self.pass_limits(now, &order) {
            return Verdict::Refused(refusal);
        }
        let fault = self.next.submit.pop_front().or_else(|| self.settings.faults.submit(digest, nth));
        let broken_after = match fault {
            None => None,
            Some(SubmitFault::BreakAfter(broken)) => Some(broken),
            Some(SubmitFault::BreakBefore(broken)) => return Verdict::Broken(broken),
            Some(SubmitFault::Refuse(refusal)) => return Verdict::Refused(refusal),
            Some(SubmitFault::KillKey) => {
                let alive = self.keys.iter().filter(|key| key.life == Life::Alive).count();
                if alive > 1 {
                    self.keys[order.caller.key].life = Life::Dead;
                    return Verdict::Refused(Refusal::InvalidKey);
                }
                None
            }
        };
        let known = order.client_id.as_deref().and_then(|id| self.accepted_client_ids.get(id));
        if self.settings.dialect.client_ids == ClientIds::Deduplicated
            && let Some(task) = known.and_then(|number| self.tasks.get(number))
        {
            return Verdict::Accepted(task.clone(), broken_after);
        }
        if let Err(refusal) = self.charge(order.caller, order.credits) {
            return Verdict::Refused(refusal);
        }
        Verdict::Accepted(self.accept(now, order, digest, nth), broken_after)
    }

    /// Counts the call at every limit on its chain; refuses it if one of them says so.
    fn pass_limits(&mut self, now: Duration, order: &Order) -> Result<(), Refusal> {
        let limits = self.settings.limits;
        let length = self.settings.window;
        let key = &mut self.keys[order.caller.key];
        let account = &mut self.accounts[key.account];
        let by_ip = self.by_ip.entry(order.caller.ip).or_default();
        let plan =
            limits.plan_in_flight.map(|excess| Limit { max: account.plan.concurrency(order.group), excess });
        let in_group = match order.group {
            Group::Standard => account.in_flight,
            Group::Turbo => account.in_flight_turbo,
        };
        let who_key = Who::Key(Arc::clone(&key.name));
        let who_account = Who::Account(Arc::clone(&account.name));

        let starts = key.starts.sum(now, length) + 1;
        let all_in_flight = account.in_flight + account.in_flight_turbo + 1;
        let rate_refusal = |window: &Window| Refusal::RateLimited {
            retry_after_s: Some(window.wait(now, length).as_nanos().div_ceil(1_000_000_000).max(1) as u64),
        };
        let checks = [
            (
                limits.key_in_flight,
                &who_key,
                LimitKind::InFlight,
                key.in_flight + 1,
                Refusal::TooManyInFlight,
            ),
            (
                limits.account_in_flight,
                &who_account,
                LimitKind::InFlight,
                all_in_flight,
                Refusal::TooManyInFlight,
            ),
            (plan, &who_account, LimitKind::InFlight, in_group + 1, Refusal::TooManyInFlight),
            (limits.key_starts, &who_key, LimitKind::Starts, starts, rate_refusal(&key.starts)),
            (
                limits.account_starts,
                &who_account,
                LimitKind::Starts,
                account.starts.sum(now, length) + 1,
                rate_refusal(&account.starts),
            ),
            (
                limits.account_calls,
                &who_account,
                LimitKind::Calls,
                account.calls.sum(now, length) + 1,
                rate_refusal(&account.calls),
            ),
            (
                limits.account_characters,
                &who_account,
                LimitKind::Characters,
                account.characters.sum(now, length) + order.characters,
                Refusal::TooManyCharacters,
            ),
            (
                limits.ip_starts,
                &Who::Ip(order.caller.ip),
                LimitKind::Starts,
                by_ip.sum(now, length) + 1,
                rate_refusal(by_ip),
            ),
        ];
        let mut refused = None;
        let mut violations = Vec::new();
        for (limit, who, kind, observed, refusal) in checks {
            let Some(Limit { max, excess }) = limit else { continue };
            if observed <= max {
                continue;
            }
            violations.push((who.clone(), kind, max, observed, excess));
            if excess == Excess::Refused {
                refused.get_or_insert(refusal);
            }
        }
        if refused.is_none() {
            key.starts.push(now, 1);
            key.starts_peak = key.starts_peak.max(starts);
            account.starts.push(now, 1);
            account.calls.push(now, 1);
            account.characters.push(now, order.characters);
            by_ip.push(now, 1);
        }
        for (who, limit, max, observed, excess) in violations {
            self.violate(now, who, limit, max, observed, excess);
        }
        refused.map_or(Ok(()), Err)
    }

    fn violate(&mut self, at: Duration, who: Who, limit: LimitKind, max: u64, observed: u64, excess: Excess) {
        self.counters.violations += 1;
        if self.violations.len() < VIOLATIONS_KEPT_MAX {
            let server = Arc::clone(&self.server);
            self.violations.push(Violation { server, who, limit, max, observed, excess, at });
        }
    }

    fn accept(&mut self, now: Duration, order: Order, digest: u64, nth: u64) -> Task {
        self.last_task += 1;
        let number = self.last_task;
        let fault = order
            .flaw
            .or_else(|| self.next.task.pop_front().or_else(|| self.settings.faults.task(digest, nth)));
        let (queue, end) = match (self.settings.pace, fault) {
            (_, Some(TaskFault::Stuck)) => (Duration::ZERO, End::Never),
            (Pace::Polls(polls), _) => (Duration::ZERO, End::AfterPolls(u64::from(polls))),
            (Pace::Timed(latency), _) => {
                let random = mix(&[self.settings.seed, digest, nth]);
                let jitter_ns = latency.jitter.as_nanos() as u64;
                let jitter = Duration::from_nanos(random % jitter_ns.max(1));
                (latency.queue, End::At(now + latency.queue + latency.processing + jitter))
            }
        };
        let length = self.settings.audio;
        let characters = order.text.chars().count() as u64;
        let client_id: Option<Arc<str>> = order.client_id.map(Arc::from);
        let mut task = Task {
            number,
            id: self.id(number),
            key: order.caller.key,
            service: order.service,
            voice: order.voice.into(),
            model: order.model.into(),
            digest,
            characters: order.characters,
            credits: order.credits,
            format: order.format,
            ms: (characters * length.ms_per_character).min(length.ms_max),
            text: match order.subtitles {
                Subtitles::Wanted => Some(order.text.into()),
                Subtitles::None => None,
            },
            receive_url: order.receive_url.map(Arc::from),
            submitted: now,
            queue,
            end,
            fault,
            state: State::Queued { position: 1 },
            group: order.group,
            polls: 0,
            downloads: 0,
        };
        task.observe(now);
        if let End::At(at) = end {
            self.ends.insert((at, number));
        }
        self.tasks.insert(number, task.clone());

        let key = &mut self.keys[order.caller.key];
        key.in_flight += 1;
        key.in_flight_peak = key.in_flight_peak.max(key.in_flight);
        let account = &mut self.accounts[key.account];
        match order.group {
            Group::Standard => account.in_flight += 1,
            Group::Turbo => account.in_flight_turbo += 1,
        }
        self.counters.accepted += 1;
        if !self.accepted_texts.insert(digest) {
            self.counters.repeated_texts += 1;
        }
        if let Some(id) = client_id
            && self.accepted_client_ids.insert(id, number).is_some()
        {
            self.counters.repeated_client_ids += 1;
        }
        task
    }

    /// Looks at a task of the caller's account, as a poll does.
    pub(super) fn poll(&mut self, now: Duration, caller: Caller, id: &str) -> Seen {
        self.counters.polls += 1;
        let length = self.settings.window;
        let account = &mut self.accounts[self.keys[caller.key].account];
        let calls = account.calls.sum(now, length) + 1;
        match self.settings.limits.account_calls {
            Some(Limit { max, excess }) if calls > max => {
                let wait = account.calls.wait(now, length);
                let who = Who::Account(Arc::clone(&account.name));
                if excess == Excess::Served {
                    account.calls.push(now, 1);
                }
                self.violate(now, who, LimitKind::Calls, max, calls, excess);
                if excess == Excess::Refused {
                    let retry_after_s = Some(wait.as_nanos().div_ceil(1_000_000_000).max(1) as u64);
                    return Seen::Refused(Refusal::RateLimited { retry_after_s });
                }
            }
            Some(_) => account.calls.push(now, 1),
            None => {}
        }
        let Some(number) = self.find(caller, id) else { return Seen::Unknown };
        let task = self.tasks.get_mut(&number).expect("just found");
        task.polls += 1;
        let (polls, end, state) = (task.polls, task.end, task.state);
        let fault = self.next.poll.pop_front().or_else(|| self.settings.faults.poll(number, polls));
        match fault {
            // A poll that did not come through is no poll for those who count them.
            Some(fault) => {
                self.tasks.get_mut(&number).expect("just found").polls -= 1;
                match fault {
                    PollFault::Refuse(refusal) => Seen::Refused(refusal),
                    PollFault::Break(broken) => Seen::Broken(broken),
                }
            }
            None => {
                if let End::AfterPolls(most) = end
                    && polls > most
                    && !state.ended()
                {
                    self.end(number);
                }
                let task = self.tasks.get_mut(&number).expect("just found");
                task.observe(now);
                Seen::Task(task.clone())
            }
        }
    }

    /// The number of the caller's task with this id.
    fn find(&self, caller: Caller, id: &str) -> Option<u64> {
        let number = number_of(id)?;
        let task = self.tasks.get(&number)?;
        let same_account = self.keys[task.key].account == self.keys[caller.key].account;
        (task.id == id && same_account).then_some(number)
    }

    /// A task by id, whoever asks, as the CDN needs it.
    pub(super) fn task_with_id(&self, id: &str) -> Option<&Task> {
        self.tasks.get(&number_of(id)?).filter(|task| task.id == id)
    }

    /// Counts a download of a task's result; says what goes wrong with it.
    pub(super) fn download(&mut self, number: u64) -> Option<DownloadFault> {
        self.counters.downloads += 1;
        let task = self.tasks.get_mut(&number)?;
        task.downloads += 1;
        let downloads = task.downloads;
        self.next.download.pop_front().or_else(|| self.settings.faults.download(number, downloads))
    }

    /// The tasks of the caller's account, newest first.
    pub(super) fn tasks_of(
        &mut self,
        now: Duration,
        caller: Caller,
        skip: usize,
        take: usize,
    ) -> (Vec<Task>, usize) {
        let account = self.keys[caller.key].account;
        let mine = || self.tasks.values().rev().filter(|task| self.keys[task.key].account == account);
        let total = mine().count();
        let mut page: Vec<Task> = mine().skip(skip).take(take).cloned().collect();
        for task in &mut page {
            task.observe(now);
        }
        (page, total)
    }

    /// Removes the caller's tasks; running ones are cancelled. Returns the credits given back.
    pub(super) fn delete(&mut self, caller: Caller, ids: &[String]) -> i64 {
        let mut refunded = 0;
        for id in ids {
            let Some(number) = self.find(caller, id) else { continue };
            refunded += self.cancel(number);
            self.tasks.remove(&number);
        }
        refunded
    }

    /// Ends a running task without a result and gives its credits back. Nothing happens to an ended one.
    pub(super) fn cancel(&mut self, number: u64) -> i64 {
        let Some(task) = self.tasks.get_mut(&number) else { return 0 };
        if task.state.ended() {
            return 0;
        }
        let credits = std::mem::take(&mut task.credits);
        let (key, group) = (task.key, task.group);
        if let End::At(at) = task.end {
            self.ends.remove(&(at, number));
        }
        task.state = State::Failed(TaskFault::Stuck);
        self.counters.cancelled += 1;
        self.release(key, group);
        self.refund(key, credits);
        self.ended.push_back(number);
        credits
    }

    /// Ends a task whose answer is its result, now.
    pub(super) fn answer(&mut self, number: u64) {
        let Some(task) = self.tasks.get(&number) else { return };
        if task.state.ended() {
            return;
        }
        if let End::At(at) = task.end {
            self.ends.remove(&(at, number));
        }
        self.end(number);
    }

    /// Calls in flight of the caller's account in this group, and the most its plan allows.
    pub(super) fn concurrency(&self, caller: Caller, group: Group) -> (u64, u64) {
        let account = self.account_of(caller);
        let in_flight = match group {
            Group::Standard => account.in_flight,
            Group::Turbo => account.in_flight_turbo,
        };
        (in_flight, account.plan.concurrency(group))
    }

    pub(super) fn open_tasks(&self) -> u64 {
        self.accounts.iter().map(|account| account.in_flight + account.in_flight_turbo).sum()
    }

    pub(super) fn account_reports(&self) -> Vec<AccountReport> {
        self.accounts
            .iter()
            .map(|account| AccountReport {
                name: Arc::clone(&account.name),
                credits: account.credits,
                charged: account.charged,
                refunded: account.refunded,
                in_flight: account.in_flight + account.in_flight_turbo,
            })
            .collect()
    }

    pub(super) fn key_reports(&self) -> Vec<KeyReport> {
        self.keys
            .iter()
            .map(|key| KeyReport {
                name: Arc::clone(&key.name),
                life: key.life,
                starts: key.starts_total,
                in_flight: key.in_flight,
                in_flight_peak: key.in_flight_peak,
                starts_peak: key.starts_peak,
            })
            .collect()
    }

    /// Ids look like UUIDs and hold the task's number.
    pub(super) fn id(&self, number: u64) -> String {
        let random = mix(&[self.settings.seed, number]);
        format!(
            "{:08x}-{:04x}-4{:03x}-8{:03x}-{:012x}",
            random >> 32,
            random >> 16 & 0xffff,
            random & 0xfff,
            number >> 48,
            number & 0xffff_ffff_ffff
        )
    }
}

fn number_of(id: &str) -> Option<u64> {
    let (_, low) = id.rsplit_once('-')?;
    u64::from_str_radix(low, 16).ok()
}
