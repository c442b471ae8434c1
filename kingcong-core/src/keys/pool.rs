//! A pool: the keys of one route, the queue of tasks that wait for them, and whether the route works.
//!
//! The queue is start-time fair queueing with stored tags. A task's tag is its start in virtual time; each task
//! moves its user's finish by [`TAG_STEP`] over the user's weight. Two users with work waiting are served alike,
//! whatever the size of their orders, and the pool's virtual time is the highest tag that was served.

use std::{fmt, time::Duration};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{
    clock::Timestamp,
    id::{KeyId, Route, TenantId, UserId, derived_uuid},
};

/// By how much one task of weight 1 moves its user's virtual finish.
pub const TAG_STEP: i64 = 1 << 20;

/// A pool's id; a function of what it serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PoolId(Uuid);

impl PoolId {
    /// The pool of a route's shared keys.
    #[must_use]
    pub fn shared(route: &Route) -> Self {
        Self(derived_uuid("pool", &[route.server.as_str(), route.service.as_str()]))
    }

    /// The queue for one key alone: work that only the account which has the voice can do.
    #[must_use]
    pub fn of_key(key: KeyId) -> Self {
        Self(derived_uuid("key-pool", &[&key.to_string()]))
    }

    /// The id with these bytes.
    #[must_use]
    pub const fn from_uuid(uuid: Uuid) -> Self {
        Self(uuid)
    }

    /// The id's UUID.
    #[must_use]
    pub const fn as_uuid(self) -> Uuid {
        self.0
    }
}

impl fmt::Display for PoolId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A pool's state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pool {
    /// Its id.
    pub id: PoolId,
    /// The route that it serves.
    pub route: Route,
    /// The one key that may serve it; any shared key of the route when absent.
    pub key: Option<KeyId>,
    /// Virtual time: the highest tag served.
    pub virtual_time: i64,
    /// Grows whenever work is added: how other processes notice.
    pub sequence: i64,
    /// How many tasks wait in it.
    pub waiting: i64,
    /// Whether its upstream works.
    pub health: RouteHealth,
}

impl Pool {
    /// A new pool.
    #[must_use]
    pub fn new(route: Route, key: Option<KeyId>) -> Self {
        let id = key.map_or_else(|| PoolId::shared(&route), PoolId::of_key);
        Self { id, route, key, virtual_time: 0, sequence: 0, waiting: 0, health: RouteHealth::default() }
    }
}

/// How far one user's orders reach in a pool's virtual time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flow {
    /// The pool.
    pub pool: PoolId,
    /// The user's tenant.
    pub tenant: TenantId,
    /// The user.
    pub user: UserId,
    /// The virtual finish of the user's last task.
    pub finish: i64,
}

/// The place of a waiting task in its user's flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Where it starts in virtual time.
    pub tag: i64,
    /// How far it reaches.
    pub step: i64,
}

impl Place {
    const fn end(&self) -> i64 {
        self.tag.saturating_add(self.step)
    }
}

impl Flow {
    /// By how much one task of that weight moves its user's virtual finish; at least 1, so that no weight is endless.
    #[must_use]
    pub fn step(weight: u32) -> i64 {
        (TAG_STEP / i64::from(weight.max(1))).max(1)
    }

    /// Closes the gaps of tasks that leave the queue unserved: those of the user that wait behind them move up, and so
    /// does what the user orders next. Both lists are of waiting tasks that have a place in the flow, in the order of
    /// their tags. The new tags of those that stay.
    ///
    /// The finish stays if the user's last task is in neither list: what is not known keeps its tag.
    pub fn close_gaps(&mut self, leaving: &[Place], staying: &[Place], virtual_time: i64) -> Vec<i64> {
        let mut gaps = leaving.iter().peekable();
        let mut by = 0_i64;
        let moved: Vec<i64> = staying
            .iter()
            .map(|place| {
                while let Some(gap) = gaps.next_if(|gap| gap.tag < place.tag) {
                    by = by.saturating_add(gap.step);
                }
                place.tag.saturating_sub(by)
            })
            .collect();
        let is_known =
            [leaving.last(), staying.last()].iter().flatten().any(|last| last.end() == self.finish);
        let end = match (moved.last(), staying.last()) {
            (Some(tag), Some(last)) => Some(tag.saturating_add(last.step)),
            _ => leaving.first().map(|first| first.tag),
        };
        if let Some(end) = end.filter(|_| is_known) {
            self.finish = end.max(virtual_time);
        }
        moved
    }

    /// The tags of `count` more tasks of weight `weight`; moves the finish past them.
    pub fn tags(
        &mut self,
        virtual_time: i64,
        count: usize,
        weight: u32,
    ) -> impl Iterator<Item = i64> + use<> {
        let step = Self::step(weight);
        let start = self.finish.max(virtual_time);
        let count = i64::try_from(count).unwrap_or(i64::MAX);
        self.finish = start.saturating_add(count.saturating_mul(step));
        (0..count).map(move |place| start.saturating_add(place.saturating_mul(step)))
    }
}

/// Whether calls through a route work, from the last calls' ends.
///
/// A single failure of a route with a hundred keys stops nothing: it cools when several of its last calls found
/// it busy, for 1 s at first, doubling to a minute, and then lets one call through to see.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RouteHealth {
    /// The last calls' ends, newest in the lowest bit; a set bit was busy.
    recent: u32,
    /// How many ends `recent` holds.
    known: u8,
    /// No call before this instant.
    cooling_until: Timestamp,
    /// How often it cooled in a row; 0 while it works.
    cooled: u8,
    /// Whether the one call that is to find out is under way.
    probing: bool,
}

/// What a route's health lets pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Passage {
    /// Everything.
    Open,
    /// One call, to see whether it works again.
    Probe,
    /// Nothing before that instant; [`Timestamp::FAR`] while the probe is under way.
    Closed(Timestamp),
}

impl RouteHealth {
    /// How many ends are remembered.
    const RECENT_MAX: u8 = 20;
    /// So many of them must have been busy, at least.
    const BUSY_MIN: u32 = 5;
    /// The first cooling.
    const COOL_FIRST: Duration = Duration::from_secs(1);
    /// The longest cooling.
    const COOL_MAX: Duration = Duration::from_secs(60);

    /// What may pass at `now`.
    #[must_use]
    pub fn passage(&self, now: Timestamp) -> Passage {
        match self {
            Self { cooled: 0, .. } => Passage::Open,
            Self { cooling_until, .. } if *cooling_until > now => Passage::Closed(*cooling_until),
            Self { probing: true, .. } => Passage::Closed(Timestamp::FAR),
            _ => Passage::Probe,
        }
    }

    /// How long from `now` until it lets something pass, as far as known.
    #[must_use]
    pub fn closed_for(&self, now: Timestamp) -> Duration {
        self.cooling_until.since(now)
    }

    /// The one call that is to find out was leased.
    pub fn probe(&mut self) {
        self.probing = true;
    }

    /// A call ended well.
    pub fn succeeded(&mut self) {
        self.remember(false);
        if self.cooled > 0 {
            *self = Self::default();
        }
    }

    /// Nothing passes before `until`, since the upstream asked for that; then one call, to see.
    pub fn rest(&mut self, until: Timestamp) {
        self.cooling_until = self.cooling_until.max(until);
        self.cooled = self.cooled.max(1);
        self.probing = false;
    }

    /// A call found the upstream busy.
    pub fn busy(&mut self, now: Timestamp) {
        self.remember(true);
        let busy = self.recent.count_ones();
        let failing = busy >= Self::BUSY_MIN && busy * 2 >= u32::from(self.known);
        if (self.cooled > 0 && self.probing) || (self.cooled == 0 && failing) {
            let cool_for = Self::COOL_FIRST.saturating_mul(1 << self.cooled.min(6)).min(Self::COOL_MAX);
            self.cooled = self.cooled.saturating_add(1);
            self.cooling_until = now.plus(cool_for);
            self.probing = false;
        }
    }

    /// A call ended in a way that says nothing about the upstream: another may probe.
    pub fn inconclusive(&mut self) {
        self.probing = false;
    }

    fn remember(&mut self, busy: bool) {
        self.recent = (self.recent << 1 | u32::from(busy)) & ((1 << Self::RECENT_MAX) - 1);
        self.known = (self.known + 1).min(Self::RECENT_MAX);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_micros(1_700_000_000_000_000);

    #[test]
    fn one_busy_answer_stops_nothing_and_many_cool_the_route_doubling() {
        let mut health = RouteHealth::default();
        for _ in 0..4 {
            health.busy(NOW);
            assert_eq!(health.passage(NOW), Passage::Open);
        }
        health.busy(NOW);
        let mut now = NOW;
        for seconds in [1, 2, 4, 8, 16, 32, 60, 60] {
            let until = now.plus(Duration::from_secs(seconds));
            assert_eq!(health.passage(now), Passage::Closed(until));
            assert_eq!(health.passage(until), Passage::Probe);
            health.probe();
            assert_eq!(health.passage(until), Passage::Closed(Timestamp::FAR));
            health.busy(until);
            now = until;
        }
        let until = now.plus(Duration::from_secs(60));
        health.probe();
        health.succeeded();
        assert_eq!(health.passage(until), Passage::Open);
    }

    #[test]
    fn busy_answers_among_many_good_ones_do_not_cool() {
        let mut health = RouteHealth::default();
        for _ in 0..50 {
            health.busy(NOW);
            health.succeeded();
            health.succeeded();
        }
        assert_eq!(health.passage(NOW), Passage::Open);
    }
}
