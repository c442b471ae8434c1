//! What everything in one simulation shares: virtual time, the dice, the trace, and whether things go wrong now.

use std::{
    io::Write as _,
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use parking_lot::Mutex;
use tokio::time::Instant;

use super::plan::Plan;
use crate::dice::Dice;

/// Events at one instant after which a simulation is taken to go round in circles.
const EVENTS_AT_ONE_INSTANT_MAX: u32 = 50_000;

#[derive(Debug)]
pub(super) struct Stage {
    pub(super) plan: Plan,
    pub(super) dice: Dice,
    start: Instant,
    healed: AtomicBool,
    trace: Mutex<Trace>,
}

/// Whether the events of a run are kept, or only their hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Narration {
    /// Only their hash.
    Hashed,
    /// Printed as they happen.
    Printed,
}

#[derive(Debug)]
struct Trace {
    narration: Narration,
    hash: u64,
    events: u64,
    instant: u64,
    at_this_instant: u32,
    failures: Vec<String>,
}

/// The hash of the empty trace (FNV-1a).
const HASH_START: u64 = 0xcbf2_9ce4_8422_2325;
const HASH_PRIME: u64 = 0x0000_0100_0000_01b3;
/// Failures that are kept: the first is what matters, the others follow from it.
const FAILURES_MAX: usize = 20;

impl Stage {
    pub(super) fn new(plan: Plan, dice: Dice, narration: Narration) -> Self {
        let trace = Trace {
            narration,
            hash: HASH_START,
            events: 0,
            instant: 0,
            at_this_instant: 0,
            failures: Vec::new(),
        };
        Self { plan, dice, start: Instant::now(), healed: AtomicBool::new(false), trace: Mutex::new(trace) }
    }

    /// Virtual time since the start, in milliseconds.
    pub(super) fn ms(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// Writes an event down.
    pub(super) fn note(&self, event: impl FnOnce() -> String) {
        let now = self.ms();
        let line = format!("{now:>8} {}\n", event());
        let mut trace = self.trace.lock();
        trace.events += 1;
        for byte in line.bytes() {
            trace.hash = (trace.hash ^ u64::from(byte)).wrapping_mul(HASH_PRIME);
        }
        if trace.narration == Narration::Printed {
            print(&line);
        }
        if trace.instant != now {
            (trace.instant, trace.at_this_instant) = (now, 0);
        }
        trace.at_this_instant += 1;
        if trace.at_this_instant == EVENTS_AT_ONE_INSTANT_MAX {
            trace.fail(format!("at {now} ms: time does not go on; the last event is {line}"));
        }
    }

    /// Writes down that a rule was broken.
    pub(super) fn fail(&self, what: impl Into<String>) {
        let what = what.into();
        self.note(|| format!("BROKEN {what}"));
        let now = self.ms();
        self.trace.lock().fail(format!("at {now} ms: {what}"));
    }

    pub(super) fn has_failed(&self) -> bool {
        !self.trace.lock().failures.is_empty()
    }

    pub(super) fn failures(&self) -> Vec<String> {
        self.trace.lock().failures.clone()
    }

    pub(super) fn hash(&self) -> u64 {
        self.trace.lock().hash
    }

    pub(super) fn events(&self) -> u64 {
        self.trace.lock().events
    }

    /// From now on nothing goes wrong any more.
    pub(super) fn heal(&self) {
        self.healed.store(true, Ordering::Relaxed);
    }

    pub(super) fn is_healed(&self) -> bool {
        self.healed.load(Ordering::Relaxed)
    }

    /// Whether something goes wrong that goes wrong so often.
    pub(super) fn goes_wrong(&self, percent: u64) -> bool {
        !self.is_healed() && self.dice.percent(percent)
    }

    pub(super) async fn sleep(&self, ms: u64) {
        tokio::time::sleep(Duration::from_millis(ms)).await;
    }

    /// Waits between `from` and `to` milliseconds.
    pub(super) async fn linger(&self, from: u64, to: u64) {
        self.sleep(self.dice.between(from, to)).await;
    }
}

impl Trace {
    fn fail(&mut self, what: String) {
        if self.failures.len() < FAILURES_MAX {
            self.failures.push(what);
        }
    }
}

/// A reader that went away does not change the run.
fn print(line: &str) {
    drop(std::io::stdout().write_all(line.as_bytes()));
}
