//! What a seed plays: how large, for how long, and what goes wrong. Each seed has a few kinds of trouble and not the
//! others, because some faults hide others; one in four has none at all and is held to stricter rules.

use crate::dice::Dice;

/// How often things go wrong, in percent of the occasions.
#[derive(Clone, Debug, Default)]
pub(super) struct Faults {
    pub(super) write_fails: u64,
    pub(super) commit_unknown: u64,
    pub(super) read_fails: u64,
    pub(super) store_slow: u64,
    pub(super) answer_lost: u64,
    pub(super) busy: u64,
    pub(super) rate_limited: u64,
    pub(super) doubtful: u64,
    pub(super) unconnected: u64,
    pub(super) upstream_fails: u64,
    pub(super) stuck: u64,
    pub(super) poll_fails: u64,
    pub(super) too_large: u64,
}

/// What happens from outside.
#[derive(Clone, Debug, Default)]
pub(super) struct Disasters {
    pub(super) kill: bool,
    pub(super) pause: bool,
    pub(super) close: bool,
    pub(super) outage: bool,
    pub(super) keys_die: bool,
    pub(super) credit_ends: bool,
    pub(super) clocks_step: bool,
    pub(super) callers_leave: bool,
    pub(super) admin: bool,
}

/// What a seed plays.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    calm: bool,
    pub(super) processes: u64,
    pub(super) users: u64,
    pub(super) callers: u64,
    pub(super) keys_per_route: u64,
    pub(super) load_ms: u64,
    pub(super) bulk_tasks: u64,
    pub(super) dead_after_ms: u64,
    pub(super) bad_texts: u64,
    pub(super) clones: bool,
    pub(super) clients: bool,
    pub(super) retries_lost: bool,
    pub(super) queue_max: u32,
    pub(super) calls_max: u32,
    pub(super) faults: Faults,
    pub(super) disasters: Disasters,
}

impl Plan {
    /// The windows of upstreams and limits: shorter than in life, so that more of them pass.
    pub(super) const WINDOW_MS: u64 = 10_000;
    /// The longest that a call runs upstream.
    pub(super) const CALL_MAX_MS: u64 = 45_000;
    /// What a call takes on its way to the upstream at most: less than what the guard leaves for it.
    pub(super) const WAY_MS: u64 = 249;
    /// A lease is sent within this.
    pub(super) const SEND_SLACK_MS: u64 = 250;

    pub(super) fn of(seed: u64) -> Self {
        let dice = Dice::new(seed ^ 0x51_4d);
        let calm = seed.is_multiple_of(4);
        let often = |percent: u64| if !calm && dice.percent(40) { dice.between(1, percent) } else { 0 };
        let faults = Faults {
            write_fails: often(15),
            commit_unknown: often(15),
            read_fails: often(15),
            store_slow: often(30),
            answer_lost: often(10),
            busy: often(40),
            rate_limited: often(15),
            doubtful: often(10),
            unconnected: often(15),
            upstream_fails: often(15),
            stuck: often(8),
            poll_fails: often(30),
            too_large: often(5),
        };
        let happens = || !calm && dice.percent(35);
        let disasters = Disasters {
            kill: happens(),
            pause: happens(),
            close: happens(),
            outage: happens(),
            keys_die: happens(),
            credit_ends: happens(),
            clocks_step: happens(),
            callers_leave: happens(),
            admin: happens(),
        };
        Self {
            calm,
            processes: dice.between(1, 3),
            users: dice.between(2, 5),
            callers: dice.between(1, 4),
            keys_per_route: dice.between(1, 4),
            load_ms: dice.between(10_000, 60_000),
            bulk_tasks: if dice.percent(40) { dice.between(50, 300) } else { 0 },
            dead_after_ms: dice.between(2_000, 5_000),
            clones: dice.percent(40),
            clients: !calm && dice.percent(20),
            retries_lost: dice.percent(80),
            queue_max: if !calm && dice.percent(10) { 40 } else { 100_000 },
            calls_max: if dice.percent(15) { 12 } else { 1_000 },
            bad_texts: if calm { 0 } else { dice.between(0, 10) },
            faults,
            disasters,
        }
    }

    /// Whether nothing goes wrong.
    pub(super) const fn is_calm(&self) -> bool {
        self.calm
    }
}
