//! One limit's state, and the decision whether a call may start over a chain of them.

use std::{num::NonZeroU32, time::Duration};

use serde::{Deserialize, Serialize};

use super::{BUCKET_MICROS, Counted, PoolId, Window};
use crate::{
    clock::Timestamp,
    id::{Egress, KeyId, LimitId, ServerId, derived_uuid},
};

/// What a limit belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// One key.
    Key,
    /// An upstream account that several keys belong to.
    Account,
    /// A server, as seen from one of our addresses.
    Egress,
}

/// How many calls are allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Most calls in flight at once.
    pub max_in_flight: NonZeroU32,
    /// Most calls started within any 60 seconds.
    pub per_minute: NonZeroU32,
}

/// What of [`Limits`] changes; what is left out stays.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct LimitsChange {
    /// Most calls in flight at once.
    pub max_in_flight: Option<NonZeroU32>,
    /// Most calls started within any 60 seconds.
    pub per_minute: Option<NonZeroU32>,
}

impl Limits {
    /// These limits, or none when one of them is 0.
    #[must_use]
    pub fn new(max_in_flight: u32, per_minute: u32) -> Option<Self> {
        Some(Self {
            max_in_flight: NonZeroU32::new(max_in_flight)?,
            per_minute: NonZeroU32::new(per_minute)?,
        })
    }

    /// These limits after a change.
    #[must_use]
    pub fn changed(self, change: LimitsChange) -> Self {
        Self {
            max_in_flight: change.max_in_flight.unwrap_or(self.max_in_flight),
            per_minute: change.per_minute.unwrap_or(self.per_minute),
        }
    }
}

/// Whether asking for a result counts as a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PollsCount {
    /// Only sending work counts.
    Free,
    /// Every call counts.
    Counted,
}

/// Most calls in flight and most starts per window, with their present state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limit {
    /// Its id.
    pub id: LimitId,
    /// What it belongs to.
    pub level: Level,
    /// The pool that the key serves; `None` while it serves none, and for shared limits.
    pub pool: Option<PoolId>,
    /// The account's limit, for a key that has one.
    pub account: Option<LimitId>,
    /// Most calls in flight.
    pub max_in_flight: NonZeroU32,
    /// Most starts in any window.
    pub per_window: NonZeroU32,
    /// Calls in flight.
    pub in_flight: u32,
    /// The calls of the last window.
    pub window: Window,
    /// How many calls of a window are kept for polls, where the upstream counts them; see [`Limit::kept`].
    pub polls_kept: u32,
    /// So many are kept until this instant at least.
    pub polls_kept_until: Timestamp,
    /// Not before this instant.
    pub cooling_until: Timestamp,
    /// How often in a row the upstream's answers cast doubt on the key; 0 once a call through it succeeded.
    pub doubts: u8,
    /// Keys are tried in this order: when it was last used while it is free, else when it may be free again.
    pub turn: Timestamp,
}

/// Why a poll that an upstream counts is to be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PollNeed {
    /// Results have probably waited as long as they may: it takes what is kept for it.
    Due,
    /// A result may be ready: it is made only where starts do not need the call.
    Spare,
    /// Somebody waits for the answer to a question, such as an administrator, or a key that is in doubt: it is made
    /// where there is room, and nothing is kept for it.
    Asked,
    /// Nobody waits for the answer, such as the monitor's: it is made only where hardly any call was.
    Idle,
}

/// How long windows are and how much slack they get. Each store keeps its own, so that all its processes count alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rules {
    /// The length of the window that upstreams count in.
    pub window: Duration,
    /// Added to it, because a call reaches the upstream a little after its lease: send slack and jitter.
    pub guard: Duration,
    /// The longest that a call may run upstream; an unknown one keeps its slot so long.
    pub call_max: Duration,
}

impl Rules {
    /// What upstreams count in: 60 s.
    pub const WINDOW: Duration = Duration::from_secs(60);
    /// 250 ms between lease and send, 250 ms of jitter on the way.
    pub const GUARD: Duration = Duration::from_millis(500);
    /// Clients of AI33 give up on a task after 15 minutes; nothing runs longer.
    pub const CALL_MAX: Duration = Duration::from_secs(15 * 60);
    /// A key whose parent is full is looked at again after this.
    pub(crate) const PARENT_FULL_PAUSE: Duration = Duration::from_millis(50);

    fn span(&self) -> Duration {
        self.window + self.guard
    }
}

impl Default for Rules {
    fn default() -> Self {
        Self { window: Self::WINDOW, guard: Self::GUARD, call_max: Self::CALL_MAX }
    }
}

impl Limit {
    /// The shortest time that there is.
    const MOMENT: Duration = Duration::from_micros(1);
    /// The first rest of a key in doubt; doubles with each doubt.
    pub const DOUBT_PAUSE: Duration = Duration::from_secs(1);
    /// The longest rest of a key in doubt.
    pub const DOUBT_PAUSE_MAX: Duration = Duration::from_secs(15 * 60);
    /// Calls kept for polls before anything is known, at most; a fifth of the window's where that is less.
    const POLLS_KEPT_FIRST_MAX: u32 = 3;
    /// For so many windows a call is kept after a poll found no room.
    const POLLS_KEPT_SPANS: u32 = 2;

    /// A limit with nothing in flight.
    #[must_use]
    pub fn new(id: LimitId, level: Level, max_in_flight: NonZeroU32, per_window: NonZeroU32) -> Self {
        Self {
            id,
            level,
            pool: None,
            account: None,
            max_in_flight,
            per_window,
            in_flight: 0,
            window: Window::default(),
            polls_kept: 0,
            polls_kept_until: Timestamp::EPOCH,
            cooling_until: Timestamp::EPOCH,
            doubts: 0,
            turn: Timestamp::EPOCH,
        }
    }

    /// How many calls it allows.
    #[must_use]
    pub const fn limits(&self) -> Limits {
        Limits { max_in_flight: self.max_in_flight, per_minute: self.per_window }
    }

    /// How many calls of the window that ends at `now` were made: starts, and polls where they count.
    #[must_use]
    pub fn used(&self, now: Timestamp, rules: &Rules) -> u32 {
        let mut window = self.window.clone();
        window.forget(self.time(now), rules.span());
        window.count()
    }

    /// Sets how many calls it allows.
    pub fn set_limits(&mut self, limits: Limits) {
        (self.max_in_flight, self.per_window) = (limits.max_in_flight, limits.per_minute);
    }

    /// The id of a key's limit.
    #[must_use]
    pub const fn id_of_key(key: KeyId) -> LimitId {
        LimitId::from_uuid(key.as_uuid())
    }

    /// The id of the limit of an account, as the operator names it.
    #[must_use]
    pub fn id_of_account(server: &ServerId, account: &str) -> LimitId {
        LimitId::from_uuid(derived_uuid("account", &[server.as_str(), account]))
    }

    /// The id of the limit of a server seen from an egress address.
    #[must_use]
    pub fn id_of_egress(server: &ServerId, egress: &Egress) -> LimitId {
        LimitId::from_uuid(derived_uuid("egress", &[server.as_str(), egress.as_str()]))
    }

    /// The instant at which its starts are counted: `now`, unless the clock was set back behind the newest of them.
    /// Time stands still for it then, until the clock has caught up.
    #[must_use]
    pub fn time(&self, now: Timestamp) -> Timestamp {
        // The newest start of a large limit may lie a bucket ahead.
        let ahead = now.plus(Duration::from_micros(BUCKET_MICROS.unsigned_abs()));
        self.window.newest().filter(|newest| *newest > ahead).unwrap_or(now)
    }

    /// Until when it lets no start pass, none if it does at `now`; [`Timestamp::FAR`] while only the end of a call can
    /// free it.
    pub(crate) fn closed_until(&self, now: Timestamp, rules: &Rules, polls: PollsCount) -> Option<Timestamp> {
        if self.in_flight >= self.max_in_flight.get() {
            return Some(Timestamp::FAR);
        }
        self.closed_for_a_call_until(now, rules, self.kept(polls))
    }

    /// Until when its window or the upstream's wish lets no call pass beside those that are kept.
    fn closed_for_a_call_until(&self, now: Timestamp, rules: &Rules, kept: u32) -> Option<Timestamp> {
        let window = self.window.opens_at(self.per_window.get(), kept, rules.span());
        let at = self.time(now);
        let is_closed = self.cooling_until > now || window > at;
        is_closed.then(|| self.cooling_until.max(window).max(at.plus(Self::MOMENT)))
    }

    /// How many calls of every window starts leave to polls, those that were made among them.
    ///
    /// A result must be known soon after it is ready, so a poll may not wait until starts have grown old. What polls
    /// need differs: one call a window where the work of a burst is ready together, more where it is not, or where
    /// several processes work, none where every call answers with its result. So the number follows what is seen: a
    /// poll that found no room raises it, and it falls by one when polls made less use of it for a while. An account of
    /// one call a window starts and polls by turns.
    #[must_use]
    pub fn kept(&self, polls: PollsCount) -> u32 {
        match (polls, self.per_window.get()) {
            (PollsCount::Free, _) => 0,
            (PollsCount::Counted, 1) => self.in_flight.min(1),
            (PollsCount::Counted, per_window) => self.polls_kept.min(per_window / 2),
        }
    }

    /// Keeps as many calls for polls as is usual, when it was not used for a window.
    fn keep_for_polls(&mut self, now: Timestamp, rules: &Rules) {
        let at = self.time(now);
        self.window.forget(at, rules.span());
        if self.window.count() == 0 && self.in_flight == 0 {
            self.polls_kept = (self.per_window.get() / 5).clamp(1, Self::POLLS_KEPT_FIRST_MAX);
            self.polls_kept_until = at.plus(rules.span());
        } else if self.polls_kept_until <= at && self.window.polls() < self.polls_kept {
            self.polls_kept -= 1;
            self.polls_kept_until = at.plus(rules.span());
        }
    }

    /// A poll that was needed found no room: one call more is kept.
    fn keep_one_more_for_polls(&mut self, now: Timestamp, rules: &Rules) {
        self.polls_kept = self.polls_kept.saturating_add(1).clamp(1, (self.per_window.get() / 2).max(1));
        self.polls_kept_until = self.time(now).plus(rules.span() * Self::POLLS_KEPT_SPANS);
    }

    /// Until when no poll may be made.
    fn closed_for_poll_until(&mut self, now: Timestamp, rules: &Rules, need: PollNeed) -> Option<Timestamp> {
        self.window.forget(self.time(now), rules.span());
        let closed = self.closed_for_a_call_until(now, rules, 0);
        match need {
            PollNeed::Spare if closed.is_none() && !self.has_spare_for_poll() => Some(Timestamp::FAR),
            PollNeed::Idle if closed.is_none() && !self.is_idle() => Some(Timestamp::FAR),
            // While it cools nothing passes, however many are kept.
            PollNeed::Due if closed.is_some() && self.cooling_until <= now => {
                self.keep_one_more_for_polls(now, rules);
                closed
            }
            PollNeed::Spare | PollNeed::Asked | PollNeed::Idle | PollNeed::Due => closed,
        }
    }

    /// Whether a poll that is not needed yet leaves enough to starts: half of the window, or all but a twenty-fifth.
    fn has_spare_for_poll(&self) -> bool {
        let per_window = self.per_window.get();
        let has_half = self.window.count().saturating_add(1) <= per_window / 2;
        has_half || self.window.polls().saturating_add(1) <= per_window / 25
    }

    /// Whether one call more is at most a quarter of the window, or the only one.
    fn is_idle(&self) -> bool {
        self.window.count().saturating_add(1) <= (self.per_window.get() / 4).max(1)
    }

    /// Lets nothing pass before `until`; an earlier deadline never shortens a later one.
    pub fn cool(&mut self, until: Timestamp) {
        self.cooling_until = self.cooling_until.max(until);
        if self.turn != Timestamp::FAR {
            self.turn = self.turn.max(self.cooling_until);
        }
    }

    /// An upstream's answer to a call that was leased at `leased_at` may mean that the key does not work: it rests,
    /// twice as long as the last time, and then lets one call pass in as much time until one succeeds. Calls that
    /// were under way when it began to rest say nothing new.
    pub fn doubt(&mut self, leased_at: Timestamp, now: Timestamp) {
        if self.doubts > 0 && leased_at.plus(self.doubt_pause()) < self.cooling_until {
            return;
        }
        self.doubts = self.doubts.saturating_add(1);
        self.cool(now.plus(self.doubt_pause()));
    }

    /// A call through the key succeeded.
    pub fn trust(&mut self) {
        self.doubts = 0;
    }

    /// How long it rests for its doubts.
    fn doubt_pause(&self) -> Duration {
        let doublings = u32::from(self.doubts.saturating_sub(1)).min(31);
        Self::DOUBT_PAUSE.saturating_mul(1 << doublings).min(Self::DOUBT_PAUSE_MAX)
    }

    /// Its place among its pool's keys after a call ended: as it was last used, if it is free.
    fn turn_after_end(&self, now: Timestamp, rules: &Rules) -> Timestamp {
        let last_used = self.window.newest().unwrap_or(Timestamp::EPOCH).min(now);
        self.closed_until(now, rules, PollsCount::Free).unwrap_or(last_used)
    }

    fn start(&mut self, now: Timestamp, rules: &Rules) {
        let at = self.time(now);
        self.window.forget(at, rules.span());
        self.in_flight += 1;
        self.window.count_call(Counted::Start, at, self.per_window.get());
        if self.doubts > 0 {
            self.cooling_until = self.cooling_until.max(now.plus(self.doubt_pause()));
        }
    }
}

/// The limits that one call must pass.
#[derive(Debug)]
pub struct Chain<'a> {
    /// The key's own.
    pub key: &'a mut Limit,
    /// Its account's, if it has one.
    pub account: Option<&'a mut Limit>,
    /// Its server's as seen from our address, if it has one.
    pub egress: Option<&'a mut Limit>,
}

impl Chain<'_> {
    /// Starts a call on every level, or on none and returns when it is worth another look. Where polls count, what
    /// counts them keeps calls for them.
    ///
    /// Either way the key's turn is set to its next place among its pool's keys.
    ///
    /// # Errors
    /// The instant before which this key need not be tried again.
    pub fn lease(&mut self, now: Timestamp, rules: &Rules, polls: PollsCount) -> Result<(), Timestamp> {
        if polls == PollsCount::Counted {
            self.each_that_counts_polls(|limit| limit.keep_for_polls(now, rules));
        }
        if let Some(again) = self.closed_until(now, rules, polls) {
            self.key.turn = again;
            return Err(again);
        }
        self.each(|limit| limit.start(now, rules));
        self.key.turn = self.key.closed_until(now, rules, self.polls_of_key(polls)).unwrap_or(now);
        Ok(())
    }

    /// Counts a call that asks for results: at the account, or at the key where it has none, and at the address. Or
    /// nowhere, and returns when it may be made. Answers the instant at which it is counted.
    ///
    /// # Errors
    /// The instant before which it may not be made; [`Timestamp::FAR`] where it would take what starts may need.
    pub fn poll(&mut self, now: Timestamp, rules: &Rules, need: PollNeed) -> Result<Timestamp, Timestamp> {
        let mut closed = None;
        self.each_that_counts_polls(|limit| {
            closed = closed.max(limit.closed_for_poll_until(now, rules, need))
        });
        if let Some(until) = closed {
            return Err(until);
        }
        let mut counted_at = now;
        self.each_that_counts_polls(|limit| {
            let (at, per_window) = (limit.time(now), limit.per_window.get());
            limit.window.count_call(Counted::Poll, at, per_window);
            counted_at = at;
        });
        Ok(counted_at)
    }

    /// When the key is worth another look, if a call may not start at `now`; later than the key's own time.
    fn closed_until(&self, now: Timestamp, rules: &Rules, polls: PollsCount) -> Option<Timestamp> {
        if let Some(own) = self.key.closed_until(now, rules, self.polls_of_key(polls)) {
            return Some(own);
        }
        let account = self.account.as_deref().and_then(|limit| limit.closed_until(now, rules, polls));
        let egress = self.egress.as_deref().and_then(|limit| limit.closed_until(now, rules, polls));
        let shared = account.max(egress)?;
        let at = self.key.time(now);
        Some(if shared == Timestamp::FAR {
            at.plus(Rules::PARENT_FULL_PAUSE)
        } else {
            shared.max(at.plus(Limit::MOMENT))
        })
    }

    /// Whether polls count at the key itself: not where its account counts them.
    fn polls_of_key(&self, polls: PollsCount) -> PollsCount {
        if self.account.is_some() { PollsCount::Free } else { polls }
    }

    /// Ends a call on every level.
    pub fn release(&mut self, now: Timestamp, rules: &Rules) {
        self.each(|limit| limit.in_flight = limit.in_flight.saturating_sub(1));
        if self.key.turn == Timestamp::FAR {
            self.key.turn = self.key.turn_after_end(now, rules);
        }
    }

    /// Ends a call that never left, and takes its start out of the windows again.
    pub fn give_back(&mut self, leased_at: Timestamp, now: Timestamp, rules: &Rules) {
        self.each(|limit| limit.window.take_back(Counted::Start, leased_at, now, rules.span()));
        self.release(now, rules);
        self.key.turn = self.key.turn_after_end(now, rules);
    }

    /// Counts a call whose answer took longer than the guard as one that arrived with it, for the upstream may have
    /// counted it as late as that. It was counted at `counted_at`, and its answer came `took` later.
    pub fn answered_late(
        &mut self,
        call: Counted,
        counted_at: Timestamp,
        took: Duration,
        now: Timestamp,
        rules: &Rules,
    ) {
        // What follows it arrives at the earliest when it is counted itself, so the guard is not needed twice.
        let until = counted_at.plus(took.saturating_sub(rules.guard)).min(now).max(counted_at);
        let put_off = |limit: &mut Limit| {
            let per_window = limit.per_window.get();
            limit.window.put_off(call, (counted_at, until), now, rules.span(), per_window);
        };
        match call {
            Counted::Start => self.each(put_off),
            Counted::Poll => self.each_that_counts_polls(put_off),
        }
        self.key.turn = self.key.turn_after_end(now, rules);
    }

    fn each_that_counts_polls(&mut self, mut change: impl FnMut(&mut Limit)) {
        match self.account.as_deref_mut() {
            Some(account) => change(account),
            None => change(self.key),
        }
        if let Some(egress) = self.egress.as_deref_mut() {
            change(egress);
        }
    }

    fn each(&mut self, mut change: impl FnMut(&mut Limit)) {
        change(self.key);
        for limit in self.account.as_deref_mut().into_iter().chain(self.egress.as_deref_mut()) {
            change(limit);
        }
    }
}
