//! Polling: one poller per account (or per key that has none) asks its upstream how far accepted work is, as many
//! tasks in a call as the protocol takes. A failed poll says nothing about the work.
//!
//! Where the upstream does not count such calls, everything is asked about at every interval. Where it does, a call is
//! made when it pays ([`due_at`]), or when starts leave room for it, and only after the store counted it.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use futures_util::{
    future::{BoxFuture, join_all},
    stream::{FuturesUnordered, StreamExt},
};
use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, mpsc};

use super::{
    Inner,
    counting::{CountedCall, UNCOUNTED_PAUSE},
    events::JobEvent,
};
use crate::{
    clock::Timestamp,
    failure::{Failure, FailureKind, Reached},
    id::{LimitId, Route},
    keys::{Limit, PollNeed, PollsCount},
    operation::Operation,
    provider::{Call, Dropped, Laid, Progress, Provider, Reply},
    store::{AttemptResult, Lease, Poll},
    upstream::UpstreamId,
    work::{Awaited, Experience, due_at},
};

/// Most tries to fetch a result.
const FETCHES_MAX: u32 = 8;
/// The pause before the second of them; doubles with each.
const FETCH_PAUSE: Duration = Duration::from_secs(1);
/// The longest such pause.
const FETCH_PAUSE_MAX: Duration = Duration::from_secs(30);
/// Poll calls of one account at the same time.
const AT_ONCE_MAX: usize = 64;
/// Pages of a list that a task is looked for on, one after the other, before it is asked about alone.
const PAGES_WITHOUT_MAX: u32 = 3;
/// The longest pause before work is asked about again whose polls fail, whatever the upstream asks for beside.
const FAILED_PAUSE_MAX: Duration = Duration::from_secs(30);
/// The pause after a call that starts may need was not given.
const NO_SPARE_PAUSE: Duration = Duration::from_secs(2);

/// The pollers of this process.
#[derive(Debug, Default)]
pub(super) struct Pollers {
    by_limit: Mutex<BTreeMap<LimitId, mpsc::UnboundedSender<Polled>>>,
    experience: Mutex<BTreeMap<Kind, Experience>>,
}

/// Work that takes about the same time.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Kind {
    route: Route,
    operation: Operation,
    /// Half the bits of its size: four times as large is another kind.
    size: u32,
}

/// An accepted attempt that is polled for.
#[derive(Debug)]
pub(super) struct Polled {
    lease: Lease,
    /// The one that it was sent with: it is polled for even when its server is removed meanwhile.
    provider: Arc<dyn Provider>,
    call: Call,
    upstream_id: UpstreamId,
    permit: OwnedSemaphorePermit,
    unfetched: Option<Unfetched>,
    kind: Kind,
    awaited: Awaited,
    place: Place,
    /// Polls that failed since one told of it.
    failures: u32,
    /// It is not asked about before this instant.
    not_before: Timestamp,
}

/// Where an upstream tells of a task.
#[derive(Clone, Copy, Debug)]
enum Place {
    /// In a list, on this page as far as is known; newer work only moves it to later ones.
    Page {
        page: u32,
        /// Pages in a row that did not name it.
        without: u32,
    },
    /// Alone.
    Alone,
}

/// A result that could not be fetched yet.
#[derive(Debug)]
struct Unfetched {
    tries: u32,
    /// Where it lies, and what went wrong the last time.
    why: Failure,
}

/// What one call asks about.
struct Unit {
    page: u32,
    tasks: Vec<Polled>,
}

/// Why a call is made now.
#[derive(Clone, Copy, Debug)]
enum Reason {
    /// It is not counted.
    Free,
    Counted(PollNeed),
}

/// What a poll left to do.
#[derive(Default)]
struct Asked {
    still_open: Vec<Polled>,
    ended: Vec<(Polled, End)>,
    refused: Option<(PollNeed, Timestamp)>,
}

/// How polling for a task ends.
enum End {
    Fetch(Laid),
    GiveUp,
}

/// When an account may be asked again.
struct Pace {
    /// The next interval, where polls are not counted.
    tick: Timestamp,
    /// There is no room for a poll before this.
    due_from: Timestamp,
    /// Starts leave no room for one before this.
    spare_from: Timestamp,
}

impl Pace {
    fn note_refused(&mut self, need: PollNeed, until: Timestamp, now: Timestamp) {
        match need {
            PollNeed::Due => self.due_from = until,
            PollNeed::Spare | PollNeed::Asked | PollNeed::Idle => self.spare_from = now.plus(NO_SPARE_PAUSE),
        }
    }
}

impl Kind {
    fn of(lease: &Lease) -> Self {
        let operation = lease.work.operation();
        let size = lease.task.quantities.size().max(1).ilog2() / 2;
        Self { route: lease.attempt.route.clone(), operation, size }
    }
}

impl Polled {
    pub(super) fn new(
        lease: Lease,
        provider: Arc<dyn Provider>,
        call: Call,
        upstream_id: UpstreamId,
        permit: OwnedSemaphorePermit,
    ) -> Self {
        Self {
            kind: Kind::of(&lease),
            awaited: Awaited::since(lease.attempt.leased_at),
            place: Place::Page { page: 0, without: 0 },
            unfetched: None,
            failures: 0,
            not_before: Timestamp::EPOCH,
            lease,
            provider,
            call,
            upstream_id,
            permit,
        }
    }

    /// Its account, or its key where it has none.
    fn limit(&self) -> LimitId {
        let attempt = &self.lease.attempt;
        attempt.account_limit.unwrap_or(Limit::id_of_key(attempt.key))
    }

    /// Its poll failed: the next comes later each time.
    fn note_failed(&mut self, interval: Duration, now: Timestamp) {
        let pause = interval.saturating_mul(2_u32.saturating_pow(self.failures)).min(FAILED_PAUSE_MAX);
        self.failures = self.failures.saturating_add(1);
        self.not_before = now.plus(pause);
    }

    /// The page that it was looked for on does not name it.
    fn note_not_listed(&mut self, page: u32) {
        self.place = match self.place {
            Place::Page { without, .. } if without + 1 < PAGES_WITHOUT_MAX => {
                Place::Page { page: page + 1, without: without + 1 }
            }
            Place::Page { .. } | Place::Alone => Place::Alone,
        };
    }
}

impl Unit {
    /// Deals open work into as few calls as will do.
    fn deal(mut open: Vec<Polled>) -> Vec<Self> {
        let batch_max = open.first().map_or(1, |polled| polled.provider.poll_batch_max().max(1));
        open.sort_by_key(|polled| std::cmp::Reverse(polled.lease.attempt.id));
        let mut units: Vec<Self> = Vec::new();
        let mut pages: BTreeMap<u32, Vec<Polled>> = BTreeMap::new();
        for polled in open {
            match polled.place {
                Place::Page { page, .. } if batch_max > 1 => pages.entry(page).or_default().push(polled),
                Place::Page { .. } | Place::Alone => units.push(Self { page: 0, tasks: vec![polled] }),
            }
        }
        while let Some((page, mut tasks)) = pages.pop_first() {
            // A page names no more than that: what is older is on a later one.
            let older = tasks.split_off(batch_max.min(tasks.len()));
            if !older.is_empty() {
                let next = pages.entry(page + 1).or_default();
                next.splice(0..0, older);
            }
            units.push(Self { page, tasks });
        }
        units
    }
}

impl Inner {
    /// Polls for an accepted attempt until it ends. The permits in flight bound how many there can be.
    pub(super) fn poll(self: &Arc<Self>, polled: Polled) {
        let limit = polled.limit();
        let mut pollers = self.pollers.by_limit.lock();
        let Err(mpsc::error::SendError(polled)) = (match pollers.get(&limit) {
            Some(poller) => poller.send(polled),
            None => Err(mpsc::error::SendError(polled)),
        }) else {
            return;
        };
        let (sender, receiver) = mpsc::unbounded_channel();
        self.running.spawn(Arc::clone(self).run_poller(limit, receiver, polled));
        pollers.insert(limit, sender);
    }

    /// Polls for the attempts of one account; ends when there are none left. A result that is long in coming holds
    /// up nobody but those that were asked about in the same call.
    async fn run_poller(
        self: Arc<Self>,
        limit: LimitId,
        mut more: mpsc::UnboundedReceiver<Polled>,
        first: Polled,
    ) {
        let tick = self.store_now().plus(self.settings.poll_interval);
        let mut pace = Pace { tick, due_from: Timestamp::EPOCH, spare_from: Timestamp::EPOCH };
        let mut open = vec![first];
        let mut asking = FuturesUnordered::new();
        let mut ending = FuturesUnordered::new();
        loop {
            while let Ok(polled) = more.try_recv() {
                open.push(polled);
            }
            if open.is_empty() && asking.is_empty() && ending.is_empty() {
                // Under the lock nobody can hand over another one in between.
                let mut pollers = self.pollers.by_limit.lock();
                match more.try_recv() {
                    Ok(polled) => open.push(polled),
                    Err(_) => {
                        pollers.remove(&limit);
                        return;
                    }
                }
            }
            let now = self.store_now();
            let mut next = Timestamp::FAR;
            for unit in Unit::deal(std::mem::take(&mut open)) {
                match self.reason(&unit, &pace, now) {
                    Ok(reason) if asking.len() < AT_ONCE_MAX => asking.push(self.ask(unit, reason)),
                    Ok(_) => open.extend(unit.tasks),
                    Err(at) => {
                        next = next.min(at);
                        open.extend(unit.tasks);
                    }
                }
            }
            if pace.tick <= now {
                pace.tick = now.plus(self.settings.poll_interval);
            }
            let pause = next.since(now).max(Duration::from_millis(1));
            tokio::select! {
                biased;
                () = self.closed.cancelled() => return,
                Some(Asked { still_open, ended, refused }) = asking.next() => {
                    if let Some((need, until)) = refused {
                        pace.note_refused(need, until, self.store_now());
                    }
                    open.extend(still_open);
                    ending.extend(ended.into_iter().map(|(polled, end)| self.end_polling(polled, end)));
                }
                Some(still_open) = ending.next() => open.extend::<Option<Polled>>(still_open),
                Some(polled) = more.recv() => open.push(polled),
                () = self.pause(pause) => {}
            }
        }
    }

    /// Whether asking servers of this route for results counts.
    pub(super) fn polls_of(&self, route: &Route) -> PollsCount {
        let snapshot = self.snapshot();
        // A server that was removed still works on what it took, and may have counted.
        snapshot
            .configuration
            .system
            .servers
            .get(&route.server)
            .map_or(PollsCount::Counted, |server| server.polls)
    }

    /// Why a call is to be made now, or when it is worth another look.
    fn reason(&self, unit: &Unit, pace: &Pace, now: Timestamp) -> Result<Reason, Timestamp> {
        let Some(first) = unit.tasks.first() else { return Err(Timestamp::FAR) };
        if let Some(until) = self.waits.until(first.limit(), now) {
            return Err(until);
        }
        if self.polls_of(&first.lease.attempt.route) == PollsCount::Free {
            return if pace.tick <= now { Ok(Reason::Free) } else { Err(pace.tick) };
        }
        let experience = self.pollers.experience.lock();
        let nothing = Experience::default();
        let known = |polled: &Polled| experience.get(&polled.kind).unwrap_or(&nothing);
        let not_before = unit.tasks.iter().map(|polled| polled.not_before).max().unwrap_or_default();
        let ready_from = unit.tasks.iter().map(|polled| polled.awaited.may_be_ready_from(known(polled)));
        let due = due_at(ready_from.collect()).max(not_before).max(pace.due_from);
        if due <= now {
            return Ok(Reason::Counted(PollNeed::Due));
        }
        let interval = self.settings.poll_interval;
        let spare = unit
            .tasks
            .iter()
            .map(|polled| polled.awaited.worth_a_spare_call_from(known(polled), interval))
            .min()
            .map_or(due, |spare| spare.max(not_before).max(pace.spare_from));
        if spare <= now { Ok(Reason::Counted(PollNeed::Spare)) } else { Err(due.min(spare)) }
    }

    /// Asks once for each, if that may be done now.
    async fn ask(self: &Arc<Self>, unit: Unit, reason: Reason) -> Asked {
        let counted = match (reason, unit.tasks.first()) {
            (Reason::Counted(need), Some(first)) => match self.count_poll(&first.lease, need).await {
                Ok(counted) => Some(counted),
                Err(until) => {
                    return Asked {
                        still_open: unit.tasks,
                        refused: Some((need, until)),
                        ..Asked::default()
                    };
                }
            },
            (Reason::Counted(_) | Reason::Free, _) => None,
        };
        self.poll_unit(unit, counted).await
    }

    /// Has the store count a call that asks for results.
    ///
    /// # Errors
    /// When it may not be made before that instant.
    async fn count_poll(&self, lease: &Lease, need: PollNeed) -> Result<CountedCall, Timestamp> {
        let attempt = &lease.attempt;
        let (account_limit, egress_limit) = (attempt.account_limit, attempt.egress_limit);
        let poll = Poll { key: attempt.key, account_limit, egress_limit, need };
        self.count_call(poll).await.unwrap_or_else(|error| {
            tracing::warn!(%error, attempt = %attempt.id, "a poll could not be counted: trying again");
            Err(self.store_now().plus(UNCOUNTED_PAUSE))
        })
    }

    async fn poll_unit(self: &Arc<Self>, Unit { page, tasks }: Unit, counted: Option<CountedCall>) -> Asked {
        let mut asked = Asked::default();
        let Some(provider) = tasks.first().map(|polled| Arc::clone(&polled.provider)) else { return asked };
        let calls: Vec<(Call, UpstreamId)> =
            tasks.iter().map(|polled| (polled.call.clone(), polled.upstream_id.clone())).collect();
        // A provider that never answers holds nobody up for longer than a call may run.
        let answered = self.within(self.rules.call_max, provider.poll(&calls, page)).await;
        let mut answers = answered.unwrap_or_default().into_iter();
        if let Some(counted) = &counted {
            self.note_answered(counted).await;
        }
        let mut ended: Vec<BoxFuture<'_, ()>> = Vec::new();
        let (now, interval) = (self.store_now(), self.settings.poll_interval);
        for mut polled in tasks {
            let answer = answers.next();
            if let Some(Ok(Progress::Done(_) | Progress::Ready(_) | Progress::Running { .. })) = answer {
                polled.failures = 0;
                polled.not_before = now.plus(interval);
                if let Place::Page { without, .. } = &mut polled.place {
                    *without = 0;
                }
            }
            match answer {
                Some(Ok(Progress::Done(reply))) => {
                    self.learn(&polled, now);
                    ended.push(Box::pin(self.take(polled, reply)));
                    continue;
                }
                Some(Ok(Progress::Ready(laid))) => {
                    if polled.unfetched.is_none() {
                        self.learn(&polled, now);
                    }
                    asked.ended.push((polled, End::Fetch(laid)));
                    continue;
                }
                Some(Ok(Progress::Failed(failure))) => {
                    ended.push(Box::pin(self.end(polled, self.failed(failure))));
                    continue;
                }
                Some(Ok(Progress::Running { percent })) => {
                    polled.awaited.note_running(now);
                    self.tell_progress(&polled, percent);
                }
                Some(Ok(Progress::OnNoPageSoFar)) => polled.note_not_listed(page),
                Some(Ok(Progress::OnlyAlone)) => polled.place = Place::Alone,
                Some(Err(failure)) => {
                    tracing::debug!(attempt = %polled.lease.attempt.id, %failure, "poll failed; the work still runs");
                    self.waits.note(polled.limit(), &failure, now);
                    polled.note_failed(interval, now);
                }
                None => polled.not_before = now.plus(interval),
            }
            if self.is_late(&polled, now) {
                asked.ended.push((polled, End::GiveUp));
            } else {
                asked.still_open.push(polled);
            }
        }
        join_all(ended).await;
        asked
    }

    fn learn(&self, polled: &Polled, now: Timestamp) {
        self.pollers.experience.lock().entry(polled.kind.clone()).or_default().learn(&polled.awaited, now);
    }

    /// Sees a task through that is not to be asked about any more; returns what is to be polled for again.
    async fn end_polling(self: &Arc<Self>, polled: Polled, end: End) -> Option<Polled> {
        match end {
            End::Fetch(laid) => self.fetch(polled, laid).await,
            End::GiveUp => {
                self.give_up(polled).await;
                None
            }
        }
    }

    /// Fetches a result and settles; returns what is to be polled for again, after a pause: the upstream keeps the
    /// result, and may tell another address for it.
    async fn fetch(self: &Arc<Self>, mut polled: Polled, laid: Laid) -> Option<Polled> {
        let fetched = self.within(self.rules.call_max, polled.provider.fetch(&polled.call, &laid)).await;
        let never_ended = || Failure::new(FailureKind::Busy, Reached::Maybe, "the download did not end");
        match fetched.unwrap_or_else(|| Err(never_ended())) {
            Ok(reply) => {
                self.take(polled, reply).await;
                None
            }
            // It will be as large the next time.
            Err(failure) if failure.kind == FailureKind::TooLarge => {
                self.end(polled, self.failed(failure)).await;
                None
            }
            Err(failure) => {
                tracing::debug!(attempt = %polled.lease.attempt.id, %failure, "result not fetched");
                let tries = polled.unfetched.as_ref().map_or(0, |unfetched| unfetched.tries) + 1;
                let pause = FETCH_PAUSE.saturating_mul(1 << (tries - 1).min(8)).min(FETCH_PAUSE_MAX);
                let pause = pause.max(failure.wait().unwrap_or_default());
                let why = unfetched(&laid, &failure);
                let end = polled.lease.attempt.leased_at.plus(self.rules.call_max);
                let left = end.since(self.store_now());
                if tries >= FETCHES_MAX || left.is_zero() {
                    let result = self.failed(why);
                    self.end(polled, result).await;
                    return None;
                }
                polled.unfetched = Some(Unfetched { tries, why });
                self.clock.sleep(pause.min(left)).await;
                Some(polled)
            }
        }
    }

    /// Whether it has run for longer than anything may.
    fn is_late(&self, polled: &Polled, now: Timestamp) -> bool {
        polled.lease.attempt.leased_at.plus(self.rules.call_max) <= now
    }

    /// Reads what came, and settles.
    async fn take(self: &Arc<Self>, polled: Polled, reply: Reply) {
        let result = self.done(&polled.lease.work, reply).await;
        self.end(polled, result).await;
    }

    async fn end(self: &Arc<Self>, polled: Polled, result: AttemptResult) {
        self.settle(&polled.lease, result, polled.permit).await;
    }

    /// Work that ran for longer than anything may: the upstream is asked to drop it, which most refund.
    async fn give_up(self: &Arc<Self>, mut polled: Polled) {
        // It is done and charged: there is nothing to drop.
        if let Some(unfetched) = polled.unfetched.take() {
            let result = self.failed(unfetched.why);
            return self.end(polled, result).await;
        }
        while let Some(until) = self.waits.until(polled.limit(), self.store_now()) {
            self.wait_until(until).await;
        }
        if self.polls_of(&polled.lease.attempt.route) == PollsCount::Counted {
            while let Err(until) = self.count_poll(&polled.lease, PollNeed::Due).await {
                self.wait_until(until).await;
            }
        }
        let dropped = polled.provider.drop_work(&polled.call.access, &polled.upstream_id).await;
        // What could not be dropped may have been done after all, and charged.
        let (reached, message) = match dropped {
            Ok(Dropped::Refunded) => (Reached::Yes, "ran for too long; dropped and refunded"),
            Ok(Dropped::No) => (Reached::Maybe, "ran for too long; it could not be dropped"),
            Err(_) => (Reached::Maybe, "ran for too long; asking to drop it failed"),
        };
        let failure = Failure::new(FailureKind::Busy, reached, message);
        self.end(polled, self.failed(failure)).await;
    }

    fn tell_progress(&self, polled: &Polled, percent: Option<u8>) {
        if let Some(percent) = percent {
            let task = &polled.lease.task;
            self.events.tell(task.job, || JobEvent::TaskProgress { place: task.place, percent });
        }
    }
}

/// The failure of work that is done, and charged, and whose result cannot be had.
fn unfetched(laid: &Laid, failure: &Failure) -> Failure {
    let place = laid.host().map_or_else(String::new, |host| format!(" at {host}"));
    let message = format!("the result{place} could not be fetched: {}", failure.message);
    Failure { code: failure.code.clone(), ..Failure::new(FailureKind::Busy, Reached::Maybe, message) }
}
