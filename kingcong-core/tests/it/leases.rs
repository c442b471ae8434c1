//! Leases against a record that keeps every start and end and recounts them all: two accounts of two keys each behind
//! one address, with cooling, give-backs, and a clock that is set back and ahead.
//!
//! While the clock runs evenly a call starts exactly when the record allows it. While it is never set ahead no window
//! breaks a limit in real time, as an upstream counts it. Calls in flight are exact whatever happens.

use std::{num::NonZeroU32, time::Duration};

use kingcong_core::{
    clock::Timestamp,
    id::LimitId,
    keys::{Chain, Level, Limit, PollsCount, Rules, Window},
    store::conformance::fixtures::START,
};
use proptest::{prelude::*, sample::Index};
use uuid::Uuid;

const KEYS: usize = 4;
const ACCOUNTS: usize = 2;
const LIMITS: usize = KEYS + ACCOUNTS + 1;
const WINDOW_MICROS: i64 = 60_000_000;
const SPAN_MICROS: i64 = 60_500_000;

/// The limits that a call with a key passes, by their places: keys first, then accounts, then the address.
fn chain_of(key: usize) -> [usize; 3] {
    [key, KEYS + key % ACCOUNTS, KEYS + ACCOUNTS]
}

/// What is done. Calls are named by their place among those that run.
#[derive(Clone, Debug)]
enum Step {
    Lease { key: usize },
    End { call: Index },
    GiveBack { call: Index },
    Cool { key: usize, level: usize, millis: u64 },
    Pass { millis: i64 },
    SetClock { millis: i64 },
}

fn step() -> impl Strategy<Value = Step> {
    let key = 0..KEYS;
    let pass = prop_oneof![3 => 0..2_000_i64, 3 => 0..30_000_i64, 1 => 59_000..62_000_i64];
    let set = prop_oneof![4 => -90_000..0_i64, 1 => -4_000_000..0_i64, 1 => 0..90_000_i64];
    prop_oneof![
        24 => key.clone().prop_map(|key| Step::Lease { key }),
        10 => any::<Index>().prop_map(|call| Step::End { call }),
        6 => any::<Index>().prop_map(|call| Step::GiveBack { call }),
        2 => (key, 0..3_usize, 0..40_000_u64)
            .prop_map(|(key, level, millis)| Step::Cool { key, level, millis }),
        12 => pass.prop_map(|millis| Step::Pass { millis }),
        1 => set.prop_map(|millis| Step::SetClock { millis }),
    ]
}

/// Most in flight and most starts a window, limit by limit.
fn bounds() -> impl Strategy<Value = [(u32, u32); LIMITS]> {
    let up_to = |most: u32| (1..=most, 1..=most);
    (std::array::from_fn::<_, KEYS, _>(|_| up_to(4)), [up_to(6), up_to(6)], up_to(9))
        .prop_map(|([a, b, c, d], [e, f], g)| [a, b, c, d, e, f, g])
}

/// A call that started.
#[derive(Clone, Debug)]
struct Call {
    key: usize,
    /// When it really was.
    real: i64,
    leased_at: Timestamp,
    life: Life,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Life {
    Runs,
    Ended,
    NeverLeft,
}

/// The limits' rows, the clocks, and the record.
#[derive(Debug)]
struct World {
    rows: Vec<Limit>,
    real: i64,
    clock: i64,
    calls: Vec<Call>,
    cooling: [i64; LIMITS],
    clock_was_set: bool,
    clock_was_ahead: bool,
}

impl World {
    fn new(bounds: [(u32, u32); LIMITS]) -> Self {
        let rows = bounds.iter().zip(1..).map(|(&(in_flight, per_window), number)| {
            let bound = |most| NonZeroU32::new(most).unwrap();
            let id = LimitId::from_uuid(Uuid::from_u128(number));
            Limit::new(id, Level::Key, bound(in_flight), bound(per_window))
        });
        Self {
            rows: rows.collect(),
            real: START.as_micros(),
            clock: START.as_micros(),
            calls: Vec::new(),
            cooling: [0; LIMITS],
            clock_was_set: false,
            clock_was_ahead: false,
        }
    }

    /// The calls that passed a limit and left.
    fn passed(&self, limit: usize) -> impl Iterator<Item = &Call> {
        let left = self.calls.iter().filter(|call| call.life != Life::NeverLeft);
        left.filter(move |call| chain_of(call.key).contains(&limit))
    }

    fn in_flight(&self, limit: usize) -> usize {
        self.passed(limit).filter(|call| call.life == Life::Runs).count()
    }

    fn may_start(&self, key: usize) -> bool {
        chain_of(key).into_iter().all(|limit| {
            let row = &self.rows[limit];
            let recent = self.passed(limit).filter(|call| call.real > self.real - SPAN_MICROS);
            self.in_flight(limit) < row.max_in_flight.get() as usize
                && self.cooling[limit] <= self.clock
                && recent.count() < row.per_window.get() as usize
        })
    }

    fn change<R>(&mut self, key: usize, change: impl FnOnce(Chain<'_>) -> R) -> R {
        let [key, account, egress] =
            self.rows.get_disjoint_mut(chain_of(key)).expect("three different limits");
        change(Chain { key, account: Some(account), egress: Some(egress) })
    }

    fn lease(&mut self, key: usize) -> Result<(), TestCaseError> {
        let now = Timestamp::from_micros(self.clock);
        let (at, may_start) = (self.rows[key].time(now), self.may_start(key));
        match self.change(key, |mut chain| chain.lease(now, &Rules::default(), PollsCount::Free)) {
            Ok(()) => {
                prop_assert!(self.clock_was_set || may_start, "a call started that may not");
                let real = self.real;
                self.calls.push(Call { key, real, leased_at: now, life: Life::Runs });
            }
            Err(again) => {
                prop_assert!(again > at, "a key that is not free waits for a later instant");
                prop_assert_eq!(self.rows[key].turn, again);
                prop_assert!(self.clock_was_set || !may_start, "a call that may start did not");
            }
        }
        Ok(())
    }

    fn end(&mut self, call: Index, life: Life) {
        let running: Vec<usize> =
            (0..self.calls.len()).filter(|&call| self.calls[call].life == Life::Runs).collect();
        if running.is_empty() {
            return;
        }
        let call = *call.get(&running);
        self.calls[call].life = life;
        let (key, leased_at) = (self.calls[call].key, self.calls[call].leased_at);
        let now = Timestamp::from_micros(self.clock);
        self.change(key, |mut chain| match life {
            Life::NeverLeft => chain.give_back(leased_at, now, &Rules::default()),
            Life::Ended | Life::Runs => chain.release(now, &Rules::default()),
        });
    }

    fn step(&mut self, step: Step) -> Result<(), TestCaseError> {
        match step {
            Step::Lease { key } => self.lease(key)?,
            Step::End { call } => self.end(call, Life::Ended),
            Step::GiveBack { call } => self.end(call, Life::NeverLeft),
            Step::Cool { key, level, millis } => {
                let limit = chain_of(key)[level];
                let until = Timestamp::from_micros(self.clock).plus(Duration::from_millis(millis));
                self.rows[limit].cool(until);
                self.cooling[limit] = self.cooling[limit].max(until.as_micros());
            }
            Step::Pass { millis } => {
                self.real += millis * 1000;
                self.clock += millis * 1000;
            }
            Step::SetClock { millis } => {
                self.clock += millis * 1000;
                self.clock_was_set = true;
                self.clock_was_ahead |= millis > 0;
            }
        }
        Ok(())
    }

    fn check(&self) -> Result<(), TestCaseError> {
        for (place, limit) in self.rows.iter().enumerate() {
            prop_assert_eq!(limit.in_flight as usize, self.in_flight(place), "limit {}", place);
            prop_assert!(limit.in_flight <= limit.max_in_flight.get());
            let real = self.passed(place).map(|call| call.real);
            let kept = keeps_every_window(real, limit.per_window.get());
            prop_assert!(self.clock_was_ahead || kept, "limit {} in real time", place);
            let read = limit.window.to_string().parse::<Window>();
            prop_assert_eq!(read.as_ref(), Ok(&limit.window), "it survives being stored");
        }
        Ok(())
    }
}

/// Whether no window that ends with one of `starts` has more than `most` of them.
fn keeps_every_window(starts: impl Iterator<Item = i64>, most: u32) -> bool {
    let starts: Vec<i64> = starts.collect();
    starts.iter().all(|end| {
        let in_window = starts.iter().filter(|start| **start > end - WINDOW_MICROS && *start <= end);
        in_window.count() <= most as usize
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn every_limit_is_kept_whatever_happens(
        bounds in bounds(),
        steps in prop::collection::vec(step(), 1..120),
    ) {
        let mut world = World::new(bounds);
        for step in steps {
            world.step(step)?;
            world.check()?;
        }
    }
}
