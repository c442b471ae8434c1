//! What a fake server knows: its accounts, keys and tasks, and what it counted. The protocols call it under one lock
//! and turn its verdicts into their own words. It takes the time as an argument and answers at once.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    net::IpAddr,
    sync::Arc,
    time::Duration,
};

use super::{
    audio,
    faults::{Broken, Charge, DownloadFault, PollFault, Refusal, SubmitFault, TaskFault, mix},
    journal::Journal,
    report::{
        AccountReport, Counters, KeyReport, Life, LimitKind, Outcome, SUBMIT_TEXT_CHARACTERS_MAX, Submit,
        VIOLATIONS_KEPT_MAX, Violation, Who,
    },
    server::Health,
    settings::{Account, ClientIds, Excess, Group, Limit, Pace, Plan, Scope, ServerSettings},
    task::{Caller, End, Order, State, Subtitles, Task},
    voices::VoiceLibrary,
    window::Window,
};

/// What the book says to a submit.
#[derive(Debug)]
pub(super) enum Verdict {
    /// The task is made; its answer may have to break.
    Accepted(Task, Option<Broken>),
    /// The client's identifier is known: this is the task that was made for it.
    Joined(Task, Option<Broken>),
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

/// What the book says to a poll of many tasks.
#[derive(Debug)]
pub(super) enum Listed {
    /// The tasks on the page, and how many there are in all.
    Tasks(Vec<Task>, usize),
    Refused(Refusal),
    Broken(Broken),
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
    /// Numbers of its tasks.
    tasks: BTreeSet<u64>,
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
    pub(super) audio: VecDeque<Arc<[u8]>>,
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
    /// How often a task of a text ended without its result, by the text's digest.
    unmade: BTreeMap<u64, u64>,
    last_task: u64,
    by_ip: BTreeMap<IpAddr, Window>,
    pub(super) journal: Journal,
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
            unmade: BTreeMap::new(),
            last_task: 0,
            by_ip: BTreeMap::new(),
            journal: Journal::default(),
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
            tasks: BTreeSet::new(),
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
            Some(_) => {
                self.counters.failed += 1;
                *self.unmade.entry(task.digest).or_default() += 1;
            }
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
                self.forget(oldest);
            }
        }
    }

    fn forget(&mut self, number: u64) {
        if let Some(task) = self.tasks.remove(&number) {
            let account = self.keys[task.key].account;
            self.accounts[account].tasks.remove(&number);
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
        let nth = self.journal.times_submitted(digest) + 1;
        self.counters.submits += 1;
        self.keys[order.caller.key].starts_total += 1;
        let mut entry = Submit {
            at: now,
            key: Arc::clone(&self.keys[order.caller.key].name),
            ip: order.caller.ip,
            service: order.service,
            text_start: order.text.chars().take(SUBMIT_TEXT_CHARACTERS_MAX).collect(),
            digest,
            characters: order.text.chars().count() as u64,
            client_id: order.client_id.as_deref().map(Arc::from),
            nth,
            outcome: Outcome::Broken(Broken::Silent),
        };
        let verdict = self.judge(now, order, digest, nth);
        let mut made = None;
        entry.outcome = match &verdict {
            Verdict::Accepted(task, broken) => {
                made = Some(task.number);
                let (task, credits) = (task.id.clone(), task.credits);
                match *broken {
                    None => Outcome::Accepted { task, credits },
                    Some(broken) => Outcome::AnswerLost { task, credits, broken },
                }
            }
            Verdict::Joined(task, _) => Outcome::Joined { task: task.id.clone() },
            Verdict::Refused(refusal) => Outcome::Refused(refusal.clone()),
            Verdict::Broken(broken) => Outcome::Broken(*broken),
        };
        match verdict {
            Verdict::Accepted(_, None) | Verdict::Joined(..) => {}
            Verdict::Accepted(_, Some(_)) => self.counters.answers_lost += 1,
            Verdict::Refused(_) | Verdict::Broken(_) => self.counters.refused += 1,
        }
        self.journal.enter(entry, made, &mut self.counters);
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
        let known = order.client_id.as_deref().and_then(|id| self.journal.task_for(id));
        if self.settings.dialect.client_ids == ClientIds::Deduplicated
            && let Some(task) = known.and_then(|number| self.tasks.get(&number))
        {
            return Verdict::Joined(task.clone(), broken_after);
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
        let rate_refusal =
            |window: &Window| Refusal::RateLimited { retry_after_s: Some(window.wait_s(now, length)) };
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
            audio_instead: self.next.audio.pop_front(),
            state: State::Queued { position: 1 },
            group: order.group,
            polls: 0,
            polls_tried: 0,
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
        account.tasks.insert(number);
        match order.group {
            Group::Standard => account.in_flight += 1,
            Group::Turbo => account.in_flight_turbo += 1,
        }
        self.counters.accepted += 1;
        task
    }

    /// Looks at a task of the caller's account, as a poll does.
    pub(super) fn poll(&mut self, now: Duration, caller: Caller, id: &str) -> Seen {
        if let Err(refusal) = self.count_poll(now, caller) {
            return Seen::Refused(refusal);
        }
        let Some(number) = self.find(caller, id) else { return Seen::Unknown };
        match self.poll_fault(number) {
            Some(PollFault::Refuse(refusal)) => Seen::Refused(refusal),
            Some(PollFault::Break(broken)) => Seen::Broken(broken),
            None => self.look(now, number).map_or(Seen::Unknown, Seen::Task),
        }
    }

    /// A page of the tasks of the caller's account, newest first. One poll, which sees each task on the page.
    pub(super) fn list(&mut self, now: Duration, caller: Caller, skip: usize, take: usize) -> Listed {
        if let Err(refusal) = self.count_poll(now, caller) {
            return Listed::Refused(refusal);
        }
        let tasks = &self.accounts[self.keys[caller.key].account].tasks;
        let total = tasks.len();
        let page: Vec<u64> = tasks.iter().rev().skip(skip).take(take).copied().collect();
        match page.first().and_then(|&first| self.poll_fault(first)) {
            Some(PollFault::Refuse(refusal)) => Listed::Refused(refusal),
            Some(PollFault::Break(broken)) => Listed::Broken(broken),
            None => Listed::Tasks(page.iter().filter_map(|&number| self.look(now, number)).collect(), total),
        }
    }

    /// Counts a poll at the account's bucket, where polls count.
    fn count_poll(&mut self, now: Duration, caller: Caller) -> Result<(), Refusal> {
        self.counters.polls += 1;
        let Some(Limit { max, excess }) = self.settings.limits.account_calls else { return Ok(()) };
        let length = self.settings.window;
        let account = &mut self.accounts[self.keys[caller.key].account];
        let calls = account.calls.sum(now, length) + 1;
        let refused = calls > max && excess == Excess::Refused;
        if !refused {
            account.calls.push(now, 1);
        }
        let retry_after_s = Some(account.calls.wait_s(now, length));
        let who = Who::Account(Arc::clone(&account.name));
        if calls > max {
            self.violate(now, who, LimitKind::Calls, max, calls, excess);
        }
        if refused { Err(Refusal::RateLimited { retry_after_s }) } else { Ok(()) }
    }

    fn poll_fault(&mut self, number: u64) -> Option<PollFault> {
        let task = self.tasks.get_mut(&number)?;
        task.polls_tried += 1;
        let nth = task.polls_tried;
        self.next.poll.pop_front().or_else(|| self.settings.faults.poll(number, nth))
    }

    /// A task as it is now. Tasks that are paced by polls move on.
    fn look(&mut self, now: Duration, number: u64) -> Option<Task> {
        let task = self.tasks.get_mut(&number)?;
        task.polls += 1;
        if let End::AfterPolls(most) = task.end
            && task.polls > most
            && !task.state.ended()
        {
            self.end(number);
        }
        let task = self.tasks.get_mut(&number)?;
        task.observe(now);
        Some(task.clone())
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

    /// Removes the caller's tasks; running ones are cancelled. Returns the credits given back.
    pub(super) fn delete(&mut self, caller: Caller, ids: &[String]) -> i64 {
        let mut refunded = 0;
        for id in ids {
            let Some(number) = self.find(caller, id) else { continue };
            refunded += self.cancel(number);
            self.forget(number);
        }
        refunded
    }

    /// Ends a running task without a result and gives its credits back. Nothing happens to an ended one.
    fn cancel(&mut self, number: u64) -> i64 {
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
        *self.unmade.entry(task.digest).or_default() += 1;
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

    /// How often each text was made, by its digest.
    pub(super) fn made(&self) -> BTreeMap<u64, u64> {
        let accepted = self.journal.accepted().map(|(text, times)| {
            let unmade = self.unmade.get(&text).copied().unwrap_or(0);
            (text, times.saturating_sub(unmade))
        });
        accepted.filter(|(_, times)| *times > 0).collect()
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
