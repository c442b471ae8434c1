//! When accepted work is worth asking about, where the upstream counts that as a call.
//!
//! One call tells of all work of an account, so what is asked about together costs less. It is asked for when half of
//! what may be ready has waited for [`WAIT_HALF`], or one piece for [`WAIT_MAX`]. How long work takes is learnt from
//! the work before it: each answer says that a piece was not ready at one age, and was at another. A call that comes
//! when all is ready says nothing of when it became so: now and then one comes earlier, to see.

use std::{collections::VecDeque, time::Duration};

use crate::clock::Timestamp;

/// Half of the results are known so soon after they are ready, less a second for the call itself.
pub const WAIT_HALF: Duration = Duration::from_secs(9);
/// Every result is known so soon after it is ready, as far as the limit has room, less what asking may be late by.
pub const WAIT_MAX: Duration = Duration::from_secs(20);
/// How much longer work of unknown length is left alone each time that it was not ready.
const PATIENCE_STEP: Duration = Duration::from_secs(4);
/// The most that this comes to: with [`WAIT_MAX`] it stays below 30 s.
const PATIENCE_MAX: Duration = Duration::from_secs(8);
/// How many pieces of work of one kind are remembered.
const REMEMBERED_MAX: usize = 32;
/// The part of the expected age at which work is asked about to see whether it is ready sooner than known.
const TRIED: (u32, u32) = (7, 8);
/// The part of an age at which work was found ready that is expected of the next: it may have been ready before.
const SOONER: (u32, u32) = (3, 4);
/// Of so many of the remembered pieces one at least was not ready at about the expected age; else it is time to see.
const SEEN_ONE_OF: usize = 8;

/// How long work of one kind took lately.
#[derive(Clone, Debug, Default)]
pub struct Experience {
    pieces: VecDeque<Piece>,
}

/// What was seen of one piece of work.
#[derive(Clone, Copy, Debug)]
struct Piece {
    /// The age from which it may have been ready, as far as is known.
    from: Duration,
    /// The last age at which it was not; zero when it was ready at once.
    running: Duration,
}

impl Experience {
    /// The age from which work may be ready that was not at `age`: three quarters of the like took longer. None where
    /// nothing is known of work as old as that.
    #[must_use]
    pub fn expected(&self, age: Duration) -> Option<Duration> {
        let mut longer: Vec<Duration> =
            self.pieces.iter().map(|piece| piece.from).filter(|known| *known > age).collect();
        longer.sort_unstable();
        longer.get(longer.len() / 4).copied()
    }

    /// Whether too few of the last pieces were seen not to be ready at about the age that is expected.
    fn is_stale(&self, expected: Duration) -> bool {
        let about = expected * SOONER.0 / SOONER.1;
        let seen = self.pieces.iter().filter(|piece| piece.running >= about).count();
        seen * SEEN_ONE_OF < self.pieces.len()
    }

    /// Work was ready at an age.
    pub fn learn(&mut self, awaited: &Awaited, ready_at: Timestamp) {
        let age = ready_at.since(awaited.leased_at);
        let running = awaited.age_when_running();
        let expected = self.expected(Duration::ZERO).unwrap_or_default();
        let from = if age > expected { expected } else { age * SOONER.0 / SOONER.1 };
        if self.pieces.len() == REMEMBERED_MAX {
            self.pieces.pop_front();
        }
        self.pieces.push_back(Piece { from: from.max(running), running });
    }
}

/// Accepted work that is not known to be ready.
#[derive(Clone, Copy, Debug)]
pub struct Awaited {
    leased_at: Timestamp,
    running_at: Option<Timestamp>,
    found_running: u32,
}

impl Awaited {
    /// Work that was leased at an instant.
    #[must_use]
    pub const fn since(leased_at: Timestamp) -> Self {
        Self { leased_at, running_at: None, found_running: 0 }
    }

    /// It was asked about, and was not ready.
    pub fn note_running(&mut self, now: Timestamp) {
        self.running_at = Some(now);
        self.found_running = self.found_running.saturating_add(1);
    }

    fn age_when_running(&self) -> Duration {
        self.running_at.map_or(Duration::ZERO, |at| at.since(self.leased_at))
    }

    /// From when on it may be ready.
    #[must_use]
    pub fn may_be_ready_from(&self, experience: &Experience) -> Timestamp {
        if let Some(age) = experience.expected(self.age_when_running()) {
            let is_first = self.found_running == 0;
            if is_first && experience.is_stale(age) {
                // Asked about at that age, and not when it has waited.
                return self.leased_at.plus((age * TRIED.0 / TRIED.1).saturating_sub(WAIT_HALF));
            }
            return self.leased_at.plus(age);
        }
        let patience = PATIENCE_STEP.saturating_mul(self.found_running.saturating_sub(1)).min(PATIENCE_MAX);
        self.running_at.unwrap_or(self.leased_at).plus(patience)
    }

    /// From when on it is worth a call that nobody else needs: a little after it may be ready, and then less and less
    /// often.
    #[must_use]
    pub fn worth_a_spare_call_from(&self, experience: &Experience, interval: Duration) -> Timestamp {
        let first =
            self.leased_at.plus(experience.expected(Duration::ZERO).unwrap_or_default()).plus(interval);
        let again = self.running_at.map(|at| at.plus(interval.max(self.age_when_running() / 8)));
        again.map_or(first, |again| again.max(first))
    }
}

/// When it is time to ask, by the instants from which the work that one call tells of may be ready.
#[must_use]
pub fn due_at(mut ready_from: Vec<Timestamp>) -> Timestamp {
    ready_from.sort_unstable();
    let Some(first) = ready_from.first() else { return Timestamp::FAR };
    let latest = first.plus(WAIT_MAX);
    let half = ready_from.iter().enumerate().find_map(|(place, &newest)| {
        // Half of those up to this one have waited for long, and the next one is not ready before that.
        let at = ready_from[place / 2].plus(WAIT_HALF).max(newest);
        ready_from.get(place + 1).is_none_or(|&next| at < next).then_some(at)
    });
    half.map_or(latest, |half| half.min(latest))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(millis: u64) -> Timestamp {
        Timestamp::from_micros(1_700_000_000_000_000).plus(Duration::from_millis(millis))
    }

    #[test]
    fn one_call_waits_for_the_whole_burst() {
        assert_eq!(due_at(vec![at(0); 9]), at(9_000));
        assert_eq!(due_at(vec![at(0), at(0), at(5_000), at(5_000)]), at(9_000));
        // One of four that are early does not make the others cost a second call.
        assert_eq!(due_at(vec![at(0), at(8_000), at(8_000), at(8_000)]), at(17_000));
        assert_eq!(due_at(Vec::new()), Timestamp::FAR);
    }

    proptest! {
        #[test]
        fn nothing_that_is_ready_waits_longer_than_the_most(ready in proptest::collection::vec(0_u64..60_000, 1..40)) {
            let ready: Vec<Timestamp> = ready.into_iter().map(at).collect();
            let due = due_at(ready.clone());
            let mut waits: Vec<Duration> =
                ready.iter().filter(|ready| **ready <= due).map(|ready| due.since(*ready)).collect();
            waits.sort_unstable();
            prop_assert!(!waits.is_empty(), "a call that nothing can be ready for");
            prop_assert!(waits[waits.len() - 1] <= WAIT_MAX);
            prop_assert!(waits[(waits.len() - 1) / 2] <= WAIT_HALF, "{waits:?}");
        }

        #[test]
        fn what_takes_the_same_time_is_asked_about_soon_after_it(took in 1_u64..600_000) {
            let mut experience = Experience::default();
            let mut calls = 0;
            for round in 0..40 {
                let mut awaited = Awaited::since(at(0));
                let mut now = due_at(vec![awaited.may_be_ready_from(&experience)]);
                calls = 1;
                while now < at(took) {
                    awaited.note_running(now);
                    now = due_at(vec![awaited.may_be_ready_from(&experience)]);
                    calls += 1;
                }
                experience.learn(&awaited, now);
                let waited = now.since(at(took));
                prop_assert!(waited <= WAIT_HALF + PATIENCE_MAX, "{waited:?} in round {round}");
            }
            prop_assert!(calls <= 2, "{calls} calls");
        }
    }
}
