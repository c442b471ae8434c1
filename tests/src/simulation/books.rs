//! The books: an independent account of what the store was told, kept at the instant of each commit and compared with
//! what the library says in the end.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use kingcong_core::{
    access::Scope,
    id::{AttemptId, Egress, JobId, KeyId, LimitId, Route, ServerId, TaskId, UserId, WalletId},
    keys::{Limit, Limits, PollsCount, PoolId, Rules},
    measure::{Measure, Quantities},
    pricing::{Charge, Overrun, Price, PriceLine},
    store::{
        AdminAct, AdminAnswer, Admit, AttemptFilter, Batch, BookReads, Claimed, Command, Configuration,
        Credit, Credited, JobReads, KeyChange, KeyReads, MemoryStore, Movement, NewTask, Outcome, PAGE_MAX,
        ResultReads, Retried, Retry, Store, StoredOutput, verify_rows,
    },
    work::{Attempt, AttemptState, Body, Doubt, Ending, Job, Made, Task, TaskState},
};
use parking_lot::Mutex;

use super::{
    plan::Plan,
    stage::Stage,
    store::now,
    upstream::{World, egress_meter, key_meter, voice_of},
};

/// The addresses that processes call from.
pub(super) const EGRESSES: [&str; 2] = ["home-0", "home-1"];
/// How many of a hundred commits are followed by a recount of everything.
const RECOUNTS_PERCENT: u64 = 2;

#[derive(Debug)]
pub(super) struct Books {
    stage: Arc<Stage>,
    world: Arc<World>,
    pages: Mutex<Pages>,
}

#[derive(Debug, Default)]
struct Pages {
    configurations: BTreeMap<i64, Configuration>,
    jobs: BTreeMap<JobId, Arc<Admit>>,
    /// What each wallet was credited with, apart from debt payments: purchases, refunds and corrections.
    credited: BTreeMap<WalletId, i128>,
    orders: BTreeMap<[u8; 32], u32>,
    /// The retries of each job, in their order.
    retries: BTreeMap<JobId, Vec<Again>>,
    names: BTreeMap<KeyId, String>,
    /// Planned tasks per service and shares, by server.
    splits: BTreeMap<String, BTreeMap<ServerId, u64>>,
    blurred: BTreeSet<String>,
    mice: BTreeMap<TaskId, Mouse>,
    idle_since: BTreeMap<PoolId, u64>,
    leased: BTreeSet<AttemptId>,
    served: BTreeSet<TaskId>,
}

/// A retry of a job.
#[derive(Debug)]
struct Again {
    key: [u8; 32],
    /// What the job might cost in all from then on.
    held: i128,
    /// The tasks that were done before.
    done: BTreeSet<TaskId>,
}

/// The only task of its user in a pool where others wait.
#[derive(Debug)]
struct Mouse {
    pool: PoolId,
    user: UserId,
    /// The tasks of others that were served before it, by user.
    overtaken_by: BTreeMap<UserId, u64>,
}

impl Books {
    pub(super) fn new(stage: &Arc<Stage>, world: &Arc<World>) -> Self {
        Self { stage: Arc::clone(stage), world: Arc::clone(world), pages: Mutex::default() }
    }

    /// A batch was committed just now.
    pub(super) fn committed(&self, memory: &MemoryStore, batch: &Batch, outcomes: &[Outcome]) {
        if batch.commands.len() != outcomes.len() {
            self.stage.fail(format!("{} commands, {} outcomes", batch.commands.len(), outcomes.len()));
        }
        self.stage.note(|| {
            let commands: Vec<String> = batch
                .commands
                .iter()
                .zip(outcomes)
                .filter_map(|(command, outcome)| said(command, outcome))
                .collect();
            format!("{} commits {}: {}", batch.worker, batch.number, commands.join(", "))
        });
        for (command, outcome) in batch.commands.iter().zip(outcomes) {
            match (command, outcome) {
                (Command::Admit(admit), Outcome::Admit(Ok(admitted))) if admitted.job == admit.job => {
                    let moved = batch.commands.iter().any(|other| matches!(other, Command::Replan(_)));
                    self.admitted(memory, admit, moved);
                }
                (Command::Retry(retry), Outcome::Retry(Ok(retried))) if !retried.pools.is_empty() => {
                    self.retried(memory, retry, retried);
                }
                (Command::Claim(_), Outcome::Claim(claimed)) => self.claimed(claimed),
                // Whoever left a pool and comes back queues there anew.
                (Command::Replan(replan), _) => {
                    self.pages.lock().mice.retain(|_, mouse| mouse.pool != replan.pool);
                }
                (Command::Stop(_), Outcome::Stop(Some(stopped))) => {
                    let (mut pages, user) = (self.pages.lock(), &stopped.job.user);
                    self.watch_lone_tasks(&mut pages, memory, user, |_| true);
                }
                (Command::Admin(admin), Outcome::Admin(answer)) => {
                    self.administered(memory, &admin.act, answer)
                }
                _ => {}
            }
        }
        if self.stage.dice.percent(RECOUNTS_PERCENT) {
            self.recount(memory);
        }
    }

    fn administered(&self, memory: &MemoryStore, act: &AdminAct, answer: &AdminAnswer) {
        match (act, answer) {
            (AdminAct::Credit(credit), AdminAnswer::Credit(Ok(credited))) => self.credited(credit, credited),
            (AdminAct::Configure(_), AdminAnswer::Configure(Ok(_))) => self.configured(memory),
            (AdminAct::AddKey(add), AdminAnswer::AddKey(Ok(_))) => {
                let name = add.key.label.clone();
                let limit = &add.limit;
                self.world.bound(key_meter(&name), limit.max_in_flight.get(), limit.per_window.get());
                self.pages.lock().names.insert(add.key.id, name);
            }
            (AdminAct::ChangeKey(change), AdminAnswer::ChangeKey(Ok(key))) => {
                if let KeyChange::SetLimits(_) = change.change
                    && let Some(name) = self.pages.lock().names.get(&change.key)
                {
                    let Limits { max_in_flight, per_minute } = key.limits;
                    self.world.bound(key_meter(name), max_in_flight.get(), per_minute.get());
                }
            }
            _ => {}
        }
    }

    fn configured(&self, memory: &MemoryStore) {
        let configuration = now(memory.configuration(None));
        let Ok(Some(configuration)) = configuration else {
            return self.stage.fail("the configuration cannot be read");
        };
        self.world.configure(&Arc::new(configuration.system.clone()));
        let counts_addresses = ServerId::new("ai84").expect("a slug");
        let egress = configuration.system.servers.get(&counts_addresses).and_then(|server| server.egress);
        if let Some(limits) = egress {
            for egress in EGRESSES {
                let (in_flight, per_window) = (limits.max_in_flight.get(), limits.per_minute.get());
                self.world.bound(egress_meter(egress), in_flight, per_window);
            }
        }
        self.pages.lock().configurations.insert(configuration.version, configuration);
    }

    fn admitted(&self, memory: &MemoryStore, admit: &Admit, moved: bool) {
        let Ok(Some(row)) = now(memory.job(&Scope::All, admit.job)) else {
            return self.stage.fail(format!("job {} was admitted and is not there", admit.job));
        };
        let mut pages = self.pages.lock();
        if pages.jobs.insert(admit.job, Arc::new(admit.clone())).is_some() {
            self.stage.fail(format!("job {} was admitted twice", admit.job));
        }
        let held = self.held(&pages, admit);
        if held != Some(admit.held.get().into()) {
            self.stage.fail(format!("job {}: {:?} held, {held:?} is right", admit.job, admit.held));
        }

        // The split: after every task each server is within one task of its share. Where tasks were moved in the same
        // batch, their plan is not to be seen any more.
        let sequence = format!("{} {:?}", admit.service, admit.shares);
        if moved {
            pages.blurred.insert(sequence.clone());
        }
        let is_clear = !pages.blurred.contains(&sequence);
        let split = pages.splits.entry(sequence).or_default();
        let all_zero = admit.shares.values().all(|weight| *weight == 0);
        let weight = |server| if all_zero { 1 } else { u64::from(admit.shares[server]) };
        let total: u64 = admit.shares.keys().map(weight).sum();
        for task in row.tasks.iter().filter(|_| is_clear) {
            *split.entry(task.planned_route().route().server.clone()).or_default() += 1;
            let planned: u64 = split.values().sum();
            for server in admit.shares.keys() {
                let got = split.get(server).copied().unwrap_or(0);
                if (got * total).abs_diff(planned * weight(server)) >= total {
                    let shares = &admit.shares;
                    self.stage.fail(format!("split: {got} of {planned} tasks on {server} of {shares:?}"));
                }
            }
        }

        self.watch_lone_tasks(&mut pages, memory, &admit.user, |task| task.job == admit.job);
    }

    /// Fairness: who is served before a user's only task in a pool counts from when it is that: when it is ordered, or
    /// when the others leave.
    fn watch_lone_tasks(
        &self,
        pages: &mut Pages,
        memory: &MemoryStore,
        user: &UserId,
        is_new: impl Fn(&Task) -> bool,
    ) {
        let books = now(memory.job_books(None, PAGE_MAX)).unwrap_or_default();
        let of_user = books.iter().filter(|book| book.job.user == *user).flat_map(|book| &book.tasks);
        let mut waiting: BTreeMap<PoolId, Vec<&Task>> = BTreeMap::new();
        for (task, pool) in of_user.filter_map(|task| Some((task, task.state_pool()?))) {
            waiting.entry(pool).or_default().push(task);
        }
        for (pool, tasks) in waiting {
            if let [task] = tasks[..]
                && task.is_ready()
                && is_new(task)
            {
                let mouse = || Mouse { pool, user: user.clone(), overtaken_by: BTreeMap::new() };
                pages.mice.entry(task.id).or_insert_with(mouse);
            }
        }
    }

    /// What failed is held for anew, on top of what was charged; nothing is retried twice under one key.
    fn retried(&self, memory: &MemoryStore, retry: &Retry, retried: &Retried) {
        let Ok(Some(row)) = now(memory.job(&Scope::All, retry.job)) else {
            return self.stage.fail(format!("job {} was retried and is not there", retry.job));
        };
        let mut pages = self.pages.lock();
        let Some(admit) = pages.jobs.get(&retry.job).map(Arc::clone) else {
            return self.stage.fail(format!("job {} was retried and never admitted", retry.job));
        };
        let done: BTreeSet<TaskId> =
            row.tasks.iter().filter(|task| task.state == TaskState::Done).map(|task| task.id).collect();
        let again = admit.tasks.iter().filter(|task| !done.contains(&task.id));
        // What failed while it waited queues anew.
        pages.mice.retain(|task, _| !again.clone().any(|tried| tried.id == *task));
        if again.clone().count() != retried.tasks as usize {
            self.stage.fail(format!("job {}: {} tasks are not all that failed", retry.job, retried.tasks));
        }
        let charged = i128::from(row.job.total.charged().get());
        let bound = self.bound(&pages, &admit, again);
        let held = i128::from(row.job.held.get());
        if bound.map(|bound| charged + bound) != Some(held) {
            self.stage.fail(format!("job {}: {held} held, {charged} and {bound:?} is right", retry.job));
        }
        let retries = pages.retries.entry(retry.job).or_default();
        let key = retry.idempotency.key;
        if retries.iter().any(|before| before.key == key) {
            self.stage.fail(format!("job {} was retried twice under one key", retry.job));
        }
        retries.push(Again { key, held, done });
    }

    fn claimed(&self, claimed: &Claimed) {
        let mut pages = self.pages.lock();
        for lease in &claimed.leases {
            let attempt = &lease.attempt;
            if !pages.leased.insert(attempt.id) {
                self.stage.fail(format!("attempt {} was leased twice", attempt.id));
            }
            if !pages.served.insert(attempt.task) {
                continue;
            }
            let pool = lease.task.pool_of(&attempt.route);
            let user = &lease.task.user;
            if let Some(mouse) = pages.mice.remove(&lease.task.id).filter(|mouse| mouse.pool == pool) {
                self.check_mouse(&mouse, lease.task.id);
            }
            for mouse in pages.mice.values_mut().filter(|mouse| mouse.pool == pool && mouse.user != *user) {
                *mouse.overtaken_by.entry(user.clone()).or_default() += 1;
            }
        }
    }

    /// A lone task lets each other user's tasks go first once or twice, however many wait. Weights are at most 2.
    fn check_mouse(&self, mouse: &Mouse, task: TaskId) {
        for (user, tasks) in &mouse.overtaken_by {
            if *tasks > 2 * Scale::WEIGHT_MAX + 1 {
                self.stage.fail(format!("fairness: {tasks} tasks of {user} before the lone task {task}"));
            }
        }
    }

    fn credited(&self, credit: &Credit, credited: &Credited) {
        if credited.entries.is_empty() {
            return;
        }
        let mut pages = self.pages.lock();
        let moved = credited.moved;
        let net = i128::from(moved.amount.get()) - i128::from(moved.became_debt.get());
        *pages.credited.entry(credit.wallet.id()).or_default() += net;
        if let Some(key) = credit.idempotency {
            let times = pages.orders.entry(key.key).or_default();
            *times += 1;
            if *times > 1 {
                self.stage.fail(format!("credited {times} times under one key: {:?}", credit.movement));
            }
        }
        if let Movement::Purchase { amount, .. } = &credit.movement
            && *amount != moved.amount
        {
            self.stage.fail(format!("bought {amount:?}, credited {:?}", moved.amount));
        }
    }

    /// What is to be held for a job: its tasks' dearest routes at the prices of the configuration that it was
    /// planned with.
    fn held(&self, pages: &Pages, admit: &Admit) -> Option<i128> {
        self.bound(pages, admit, admit.tasks.iter())
    }

    /// The same of some of its tasks.
    fn bound<'a>(
        &self,
        pages: &Pages,
        admit: &Admit,
        tasks: impl Iterator<Item = &'a NewTask>,
    ) -> Option<i128> {
        let configuration = pages.configurations.get(&admit.configuration_version)?;
        let mut sum = Exact::default();
        for task in tasks {
            let characters = characters_of(&task.quantities);
            let bound = audio_ms_bound(characters);
            let prices = task.routes.iter().map(|route| {
                let price = price(configuration, route.route(), admit)?;
                Some(Exact::of(lines(price), characters, bound))
            });
            let prices: Option<Vec<Exact>> = prices.collect();
            sum = sum.plus(prices?.into_iter().max_by(|a, b| a.compare(b))?);
        }
        Some(sum.ceil())
    }

    /// Recounts everything that is kept beside what it sums up.
    pub(super) fn recount(&self, memory: &MemoryStore) {
        match now(verify_rows(memory)) {
            Ok(found) => {
                for discrepancy in found.discrepancies {
                    self.stage.fail(format!("recount: {discrepancy}"));
                }
            }
            Err(error) => self.stage.fail(format!("recount: {error}")),
        }
    }

    /// Nothing waits for long while a key is free for it: every wake-up reaches somebody.
    pub(super) fn check_idle(&self, memory: &MemoryStore) {
        let (Ok(pulse), Ok(limits)) = (now(memory.pulse()), now(memory.limits())) else {
            return self.stage.fail("no pulse");
        };
        let limits: BTreeMap<LimitId, Limit> =
            limits.into_iter().map(|count| (count.limit.id, count.limit)).collect();
        let span = Duration::from_millis(Plan::WINDOW_MS) + Rules::GUARD;
        let is_free = |limit: &Limit, polls: PollsCount| {
            limit.in_flight < limit.max_in_flight.get()
                && limit.cooling_until <= pulse.now
                && limit.window.opens_at(limit.per_window.get(), limit.kept(polls), span) <= pulse.now
        };
        let now_ms = self.stage.ms();
        let mut pages = self.pages.lock();
        pages.idle_since.retain(|id, _| pulse.waiting.iter().any(|pool| pool.id == *id));
        for pool in &pulse.waiting {
            let polls =
                if pool.route.server.as_str() == "ai33" { PollsCount::Counted } else { PollsCount::Free };
            let serves = |limit: &&Limit| match pool.key {
                Some(key) => limit.pool.is_some() && limit.id == Limit::id_of_key(key),
                None => limit.pool == Some(pool.id),
            };
            let addresses = EGRESSES.map(|egress| {
                let egress = Egress::new(egress).expect("a slug");
                Limit::id_of_egress(&pool.route.server, &egress)
            });
            let mut of_addresses = addresses.iter().filter_map(|id| limits.get(id)).peekable();
            let an_address_is_free =
                of_addresses.peek().is_none() || of_addresses.any(|limit| is_free(limit, polls));
            let a_key_is_free = limits.values().filter(serves).any(|key| {
                let account = key.account.and_then(|account| limits.get(&account));
                let of_key = if account.is_some() { PollsCount::Free } else { polls };
                is_free(key, of_key) && account.is_none_or(|account| is_free(account, polls))
            });
            let books = match a_key_is_free && an_address_is_free {
                true => now(memory.job_books(None, PAGE_MAX)).unwrap_or_default(),
                false => Vec::new(),
            };
            let ready = books.iter().flat_map(|book| &book.tasks).filter(|task| task.is_ready());
            let ready = ready.filter(|task| task.state_pool() == Some(pool.id)).count();
            if ready == 0 {
                pages.idle_since.remove(&pool.id);
                continue;
            }
            let since = *pages.idle_since.entry(pool.id).or_insert(now_ms);
            if now_ms - since > Scale::IDLE_MAX_MS {
                let route = &pool.route;
                self.stage.fail(format!("{ready} tasks wait for {route} though a key is free since {since}"));
            }
        }
    }

    /// Compares everything with what the library says, now that every job has ended.
    pub(super) fn close(&self, memory: &MemoryStore) {
        self.recount(memory);
        let attempts = attempts(memory);
        for attempt in attempts.values().filter(|attempt| attempt.is_open()) {
            self.stage.fail(format!("attempt {} is open though every job has ended", attempt.id));
        }
        for count in now(memory.limits()).unwrap_or_default() {
            if count.limit.in_flight != 0 {
                self.stage.fail(format!("limit {} has calls in flight though nothing runs", count.limit.id));
            }
        }
        self.close_jobs(memory, &attempts);
        self.close_doubles(&attempts);
    }

    fn close_jobs(&self, memory: &MemoryStore, attempts: &BTreeMap<AttemptId, Attempt>) {
        let pages = self.pages.lock();
        let mut charged: BTreeMap<WalletId, i128> = BTreeMap::new();
        let done: BTreeMap<TaskId, &Attempt> = attempts
            .values()
            .filter(|attempt| attempt.state == AttemptState::Ended(Ending::Done))
            .map(|attempt| (attempt.task, attempt))
            .collect();
        for book in now(memory.job_books(None, PAGE_MAX)).unwrap_or_default() {
            let Some(admit) = pages.jobs.get(&book.job.id) else {
                self.stage.fail(format!("job {} was never admitted", book.job.id));
                continue;
            };
            if !admit.prices_during.contains(&book.job.created_at) {
                self.stage.fail(format!("job {} was admitted at prices of another time", book.job.id));
            }
            let retries = pages.retries.get(&book.job.id).map_or(&[][..], Vec::as_slice);
            let mut costs = vec![Costs::default(); retries.len() + 1];
            for task in &book.tasks {
                match (&task.state, done.get(&task.id)) {
                    (TaskState::Done, Some(attempt)) => {
                        let (price, of) = self.price(&pages, admit, attempt).unwrap_or_default();
                        let round = retries.iter().filter(|again| !again.done.contains(&task.id)).count();
                        let round = &mut costs[round];
                        round.sum = round.sum.plus(price);
                        match of {
                            Overrun::Operator => {}
                            Overrun::Payer => round.overrun = round.overrun.plus(price),
                        }
                        self.check_output(memory, task, attempt);
                    }
                    (TaskState::Done, None) => self.stage.fail(format!("task {} done by nobody", task.id)),
                    (_, Some(attempt)) => {
                        self.stage.fail(format!("task {} is not done, attempt {} is", task.id, attempt.id));
                    }
                    (_, None) if task.charged.get() != 0 => {
                        self.stage.fail(format!("task {} failed and was charged", task.id));
                    }
                    (_, None) => {}
                }
            }
            let held_first = self.held(&pages, admit).unwrap_or_default();
            let holds = std::iter::once(held_first).chain(retries.iter().map(|again| again.held));
            let right = charge(holds.zip(costs));
            self.check_charge(&book.job, right);
            *charged.entry(book.job.wallet).or_default() += right;
        }
        for book in now(memory.wallet_books(None, PAGE_MAX)).unwrap_or_default() {
            let wallet = &book.wallet;
            let credited = pages.credited.get(&wallet.id).copied().unwrap_or(0);
            let right = credited - charged.get(&wallet.id).copied().unwrap_or(0);
            let has = i128::from(wallet.balance.get()) - i128::from(wallet.debt.get());
            if has != right {
                self.stage.fail(format!(
                    "wallet of {:?}: balance less debt is {has}, {right} is right",
                    wallet.key
                ));
            }
            if wallet.held.get() != 0 {
                self.stage.fail(format!("wallet of {:?}: {:?} is held for nothing", wallet.key, wallet.held));
            }
        }
    }

    fn check_charge(&self, job: &Job, right: i128) {
        let charged = i128::from(job.total.charged().get());
        if charged != right {
            self.stage.fail(format!("job {}: charged {charged}, {right} is right", job.id));
        }
    }

    /// What a finished attempt costs, by the price that its job was planned with.
    fn price(&self, pages: &Pages, admit: &Admit, attempt: &Attempt) -> Option<(Exact, Overrun)> {
        let configuration = pages.configurations.get(&admit.configuration_version)?;
        let price = price(configuration, &attempt.route, admit)?;
        let text = self.world.text_of(attempt.id)?;
        let characters = u64::try_from(text.chars().count()).ok()?;
        let bound = audio_ms_bound(characters);
        let audio_ms = self.world.measured_of(attempt.id).get(Measure::AudioMs);
        let is_believed = |said: &u64| match price.overrun {
            Overrun::Operator => true,
            Overrun::Payer => *said <= 10 * bound,
        };
        let audio_ms = audio_ms.filter(is_believed).unwrap_or(bound);
        Some((Exact::of(lines(price), characters, audio_ms), price.overrun))
    }

    /// A result is what the upstream made of this very task's text.
    fn check_output(&self, memory: &MemoryStore, task: &Task, attempt: &Attempt) {
        let stored = now(memory.output(task.id)).ok().flatten().map(|row| row.output);
        let text = self.world.text_of(attempt.id);
        let same = match (&stored, &text) {
            (Some(StoredOutput { body: Some(Body::Memory(bytes)), .. }), Some(text)) => {
                let ms = self.world.measured_of(attempt.id).get(Measure::AudioMs).unwrap_or_default();
                bytes.as_ref() == super::upstream::audio_of(text, ms)
            }
            (Some(StoredOutput { made: Made::Voice(voice), .. }), _) => {
                voice.upstream_voice == voice_of(attempt.id)
            }
            _ => false,
        };
        if !same {
            self.stage.fail(format!("task {}: its result is not of its text", task.id));
        }
    }

    /// Work that was begun again while an earlier beginning may have to be paid is recorded as a possible double.
    fn close_doubles(&self, attempts: &BTreeMap<AttemptId, Attempt>) {
        let mut begun: BTreeMap<TaskId, Vec<(Option<u64>, AttemptId)>> = BTreeMap::new();
        for work in self.world.begun() {
            let Some(attempt) = attempts.get(&work.attempt) else {
                self.stage.fail(format!("attempt {} was sent and is not in the store", work.attempt));
                continue;
            };
            let of_task = begun.entry(attempt.task).or_default();
            let in_doubt = of_task.iter().any(|(undone, _)| undone.is_none_or(|undone| undone > work.at_ms));
            if in_doubt && attempt.possible_double != Doubt::PossibleDouble {
                let earlier: Vec<String> = of_task.iter().map(|(_, id)| id.to_string()).collect();
                self.stage.fail(format!(
                    "task {} was begun again by {} unrecorded, after {}",
                    attempt.task,
                    attempt.id,
                    earlier.join(", ")
                ));
            }
            of_task.push((work.undone_ms, work.attempt));
        }
    }

    /// Nothing of a process that closed is under way, but for answers that are lost, what it took over while nobody
    /// could be asked because the server or the key was removed and, when it gave up waiting, what the upstreams still
    /// work on.
    pub(super) fn check_closed(
        &self,
        memory: &MemoryStore,
        workers: &[kingcong_core::id::WorkerId],
        took_ms: u64,
    ) {
        for attempt in attempts(memory).values().filter(|attempt| attempt.is_open()) {
            if attempt.worker.is_none_or(|worker| !workers.contains(&worker)) {
                continue;
            }
            let was_removed = |configuration: &Configuration| {
                !configuration.system.servers.contains_key(&attempt.route.server)
            };
            let keys = now(memory.keys()).unwrap_or_default();
            let may_be_left = matches!(attempt.state, AttemptState::Unknown { .. })
                || took_ms >= Scale::DRAIN_MS
                || keys.iter().all(|known| known.key.id != attempt.key)
                || self.pages.lock().configurations.values().any(was_removed);
            if !may_be_left {
                self.stage.fail(format!("closed with {} {:?}", attempt.id, attempt.state));
            }
        }
    }

    /// How many jobs were admitted.
    pub(super) fn jobs(&self) -> u64 {
        u64::try_from(self.pages.lock().jobs.len()).unwrap_or(u64::MAX)
    }
}

/// Figures of the scenario that the books need too.
pub(super) struct Scale;

impl Scale {
    /// The largest weight of a job in the queue.
    pub(super) const WEIGHT_MAX: u64 = 2;
    /// How long closing waits for what is under way.
    pub(super) const DRAIN_MS: u64 = 12_000;
    /// How long work may wait though a key is free: a process looks again within a second.
    pub(super) const IDLE_MAX_MS: u64 = 2_000;
    /// How long everything may take to end once nothing goes wrong any more, and for each task that is still open: a
    /// key that is left with one call in flight does about one task in a window.
    pub(super) const END_MS: u64 = 20 * Plan::CALL_MAX_MS;
    pub(super) const END_OF_TASK_MS: u64 = Plan::WINDOW_MS;
}

/// What the tasks cost that were done between two retries of a job.
#[derive(Clone, Copy, Debug, Default)]
struct Costs {
    sum: Exact,
    /// Of prices with an overrun.
    overrun: Exact,
}

/// What a job costs whose tasks cost so much under these holds, one after the other: at most the hold, or what tasks
/// with an overrun cost.
fn charge(rounds: impl Iterator<Item = (i128, Costs)>) -> i128 {
    let (mut sum, mut overrun) = (Exact::default(), Exact::default());
    for (held, costs) in rounds {
        let least = |a: Exact, b: Exact| if a.compare(&b).is_lt() { a } else { b };
        let most = |a: Exact, b: Exact| if a.compare(&b).is_lt() { b } else { a };
        overrun = overrun.plus(costs.overrun);
        sum = most(least(sum.plus(costs.sum), Exact { num: held, den: 1 }), overrun);
    }
    sum.ceil()
}

/// Every attempt.
fn attempts(memory: &MemoryStore) -> BTreeMap<AttemptId, Attempt> {
    let mut all = BTreeMap::new();
    let mut filter = AttemptFilter { limit: PAGE_MAX, ..AttemptFilter::default() };
    loop {
        let page = now(memory.attempts(&Scope::All, &filter)).unwrap_or_default();
        filter.before = page.last().map(|attempt| attempt.id);
        if page.is_empty() {
            return all;
        }
        all.extend(page.into_iter().map(|attempt| (attempt.id, attempt)));
    }
}

/// The price for a job's work on a route, when it was admitted.
fn price<'a>(configuration: &'a Configuration, route: &Route, admit: &Admit) -> Option<&'a Price> {
    let at = admit.prices_during.start;
    let is_meant = |price: &&Price| {
        price.route == *route
            && price.operation == admit.operation
            && price.model.is_none()
            && price.since <= at
    };
    configuration.prices.iter().filter(is_meant).max_by_key(|price| price.since)
}

fn lines(price: &Price) -> &[PriceLine] {
    match &price.charge {
        Charge::Free => &[],
        Charge::Lines(lines) => lines.as_slice(),
    }
}

fn characters_of(quantities: &Quantities) -> u64 {
    quantities.most_of(Measure::Character)
}

/// The longest audio that a task at speed 1 is held for, in milliseconds.
fn audio_ms_bound(characters: u64) -> u64 {
    2_000 + characters * 120
}

/// An exact sum of prices in smallest steps, by plain fractions: on purpose not the library's own.
#[derive(Clone, Copy, Debug)]
struct Exact {
    num: i128,
    den: i128,
}

impl Default for Exact {
    fn default() -> Self {
        Self { num: 0, den: 1 }
    }
}

impl Exact {
    fn of(lines: &[PriceLine], characters: u64, audio_ms: u64) -> Self {
        lines.iter().fold(Self::default(), |sum, line| {
            let quantity = match line.measure {
                Measure::Character => i128::from(characters),
                Measure::AudioMs => i128::from(audio_ms),
                Measure::Request => 1,
                _ => 0,
            };
            let num = i128::from(line.num) * quantity;
            sum.plus(Self { num, den: i128::from(line.per.get()) * 1_000_000 })
        })
    }

    fn plus(self, other: Self) -> Self {
        let (num, den) = (self.num * other.den + other.num * self.den, self.den * other.den);
        let mut divisor = (num, den);
        while divisor.1 != 0 {
            divisor = (divisor.1, divisor.0 % divisor.1);
        }
        Self { num: num / divisor.0, den: den / divisor.0 }
    }

    fn compare(&self, other: &Self) -> std::cmp::Ordering {
        (self.num * other.den).cmp(&(other.num * self.den))
    }

    fn ceil(&self) -> i128 {
        self.num / self.den + i128::from(self.num % self.den != 0)
    }
}

/// Where a task waits.
trait StatePool {
    fn state_pool(&self) -> Option<PoolId>;

    /// Whether it waits for a key alone, and for no instant.
    fn is_ready(&self) -> bool;
}

impl StatePool for Task {
    fn is_ready(&self) -> bool {
        matches!(self.state, TaskState::Ready { .. })
    }

    fn state_pool(&self) -> Option<PoolId> {
        match self.state {
            TaskState::Ready { pool, .. } | TaskState::Delayed { pool, .. } => Some(pool),
            TaskState::Running { .. } | TaskState::Done | TaskState::Failed { .. } | TaskState::Cancelled => {
                None
            }
        }
    }
}

/// A command and its outcome in a few words; nothing for a heartbeat.
fn said(command: &Command, outcome: &Outcome) -> Option<String> {
    Some(match (command, outcome) {
        (Command::Beat, _) => return None,
        (Command::Admit(admit), Outcome::Admit(result)) => {
            let result = result.as_ref().map(|admitted| admitted.held.get());
            format!("admit {} of {} ({} tasks): {result:?}", admit.job, admit.user, admit.tasks.len())
        }
        (Command::Claim(_), Outcome::Claim(claimed)) => {
            let leases: Vec<String> = claimed
                .leases
                .iter()
                .map(|lease| format!("{} for {} of {}", lease.attempt.id, lease.task.id, lease.task.user))
                .collect();
            format!("claim [{}] then {:?}", leases.join(", "), claimed.then)
        }
        (Command::Accept(accept), outcome) => {
            format!("accept {} as {}: {outcome:?}", accept.attempt, accept.upstream_id.0)
        }
        (Command::Settle(settle), Outcome::Settle(Ok(settled))) => {
            let result = match &settle.result {
                kingcong_core::store::AttemptResult::Done { .. } => "done".to_owned(),
                result => format!("{result:?}"),
            };
            let (state, job) = (&settled.task.state, settled.job.state);
            format!("settle {} {result}: {state:?}, job {} {job:?}", settle.attempt, settle.job)
        }
        (Command::Settle(settle), _) => format!("settle {}: not mine", settle.attempt),
        (Command::Stop(stop), Outcome::Stop(Some(stopped))) => {
            format!("stop {} {:?}: {:?}, {} ended", stop.job, stop.why, stopped.job.state, stopped.ended)
        }
        (Command::Retry(retry), Outcome::Retry(result)) => {
            let result = result.as_ref().map(|retried| retried.tasks);
            format!("retry {}: {result:?}", retry.job)
        }
        (Command::Adopt(adopt), Outcome::Adopt(adopted)) => {
            let ids: Vec<String> = adopted.leases.iter().map(|lease| lease.attempt.id.to_string()).collect();
            format!("adopt of {}: [{}]", adopt.worker, ids.join(", "))
        }
        (Command::Admin(admin), Outcome::Admin(answer)) => match (&admin.act, answer) {
            (AdminAct::Credit(credit), AdminAnswer::Credit(result)) => {
                format!("credit {:?}: {:?}", credit.movement, result.as_ref().map(|credited| credited.moved))
            }
            (AdminAct::AddKey(add), _) => format!("add key {}", add.key.label),
            (AdminAct::ChangeKey(change), _) => format!("key {} {:?}", change.key, change.change),
            (_, answer) => format!("{:?}: {answer:?}", admin.audit.door),
        },
        (Command::CheckKey { key, verdict }, _) => format!("key {key} is {verdict:?}"),
        (Command::Replan(_), outcome) => format!("replan {outcome:?}"),
        (Command::Promote(_), outcome) => format!("promote {outcome:?}"),
        (Command::CountLate(late), _) => {
            format!("{:?} of key {} came {:?} late", late.call, late.key, late.took)
        }
        (Command::RecordLate(late), _) => format!("late {}", late.attempt),
        (Command::TakeDuty(_), outcome) => format!("{outcome:?}"),
        (Command::AddDataKey(_), _) => "add data key".to_owned(),
        _ => "something else".to_owned(),
    })
}
