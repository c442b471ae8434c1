//! The starts of the last window of one limit, small enough to live in the limit's row.

use std::{collections::VecDeque, fmt, str::FromStr, time::Duration};

use crate::clock::Timestamp;

/// Above so many starts a window, starts are counted in buckets of [`BUCKET_MICROS`].
pub const EXACT_STARTS_MAX: u32 = 256;
/// A bucket's width in microseconds. A start counts as if it came at its bucket's end, so rounding only delays.
pub const BUCKET_MICROS: i64 = 50_000;

/// When the calls of the last window started: instants, oldest first, with how many started at each.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Window {
    starts: VecDeque<(Timestamp, u32)>,
    count: u32,
}

impl Window {
    /// How many starts are remembered.
    #[must_use]
    pub const fn count(&self) -> u32 {
        self.count
    }

    /// The newest start, which no later decision may precede.
    #[must_use]
    pub fn newest(&self) -> Option<Timestamp> {
        self.starts.back().map(|&(at, _)| at)
    }

    /// Forgets starts that are `span` old or older.
    pub fn forget(&mut self, now: Timestamp, span: Duration) {
        let horizon = now.minus(span);
        while let Some(&(at, starts)) = self.starts.front() {
            if at > horizon {
                break;
            }
            self.starts.pop_front();
            self.count -= starts;
        }
    }

    /// Remembers a start. When the clock was set back it counts as if it came with the newest one.
    pub fn start(&mut self, now: Timestamp, per_window: u32) {
        let at = remembered_as(now, per_window);
        match self.starts.back_mut() {
            Some((newest, starts)) if *newest >= at => *starts += 1,
            _ => self.starts.push_back((at, 1)),
        }
        self.count += 1;
    }

    /// Forgets one start of that instant: the call never left. Nothing happens when it may be forgotten already,
    /// for then a later call's start would be taken out in its place.
    pub fn take_back(&mut self, started: Timestamp, now: Timestamp, span: Duration) {
        let forgotten = self.newest().unwrap_or(now).max(now).minus(span);
        if started <= forgotten {
            return;
        }
        // The first one that is not earlier is this one, or one that is as well forgotten before it.
        let Some(place) = self.starts.iter().position(|&(instant, _)| instant >= started) else { return };
        self.starts[place].1 -= 1;
        self.count -= 1;
        if self.starts[place].1 == 0 {
            self.starts.remove(place);
        }
    }

    /// When fewer than `per_window` starts lie in the window of length `span`; now or earlier if they do already.
    #[must_use]
    pub fn opens_at(&self, per_window: u32, span: Duration) -> Timestamp {
        let mut over = i64::from(self.count) - i64::from(per_window) + 1;
        if over <= 0 {
            return Timestamp::EPOCH;
        }
        for &(at, starts) in &self.starts {
            over -= i64::from(starts);
            if over <= 0 {
                return at.plus(span);
            }
        }
        Timestamp::EPOCH
    }
}

/// The end of the instant's bucket, for limits too large to remember every instant. An end is in its own bucket.
fn remembered_as(at: Timestamp, per_window: u32) -> Timestamp {
    if per_window <= EXACT_STARTS_MAX {
        return at;
    }
    let micros = at.as_micros();
    let into_bucket = micros.rem_euclid(BUCKET_MICROS);
    let rest = if into_bucket == 0 { 0 } else { BUCKET_MICROS - into_bucket };
    Timestamp::from_micros(micros.saturating_add(rest))
}

impl fmt::Display for Window {
    /// `first,count;gap,count;…` in microseconds, a count of one left out.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut before = 0;
        for (place, &(at, starts)) in self.starts.iter().enumerate() {
            let separator = if place == 0 { "" } else { ";" };
            write!(f, "{separator}{}", at.as_micros() - before)?;
            if starts != 1 {
                write!(f, ",{starts}")?;
            }
            before = at.as_micros();
        }
        Ok(())
    }
}

/// A stored window that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("stored window {0:?} is not a list of starts")]
pub struct InvalidWindow(String);

impl FromStr for Window {
    type Err = InvalidWindow;

    fn from_str(text: &str) -> Result<Self, InvalidWindow> {
        let invalid = || InvalidWindow(text.chars().take(80).collect());
        let mut window = Self::default();
        let mut before: i64 = 0;
        for item in text.split(';').filter(|item| !item.is_empty()) {
            let (gap, starts) = match item.split_once(',') {
                Some((gap, starts)) => (gap, starts.parse().map_err(|_| invalid())?),
                None => (item, 1),
            };
            before = before.checked_add(gap.parse().map_err(|_| invalid())?).ok_or_else(invalid)?;
            window.starts.push_back((Timestamp::from_micros(before), starts));
            window.count = window.count.checked_add(starts).ok_or_else(invalid)?;
        }
        Ok(window)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SPAN: Duration = Duration::from_secs(60);

    proptest! {
        #[test]
        fn a_window_reads_back_as_it_was_written(
            gaps in proptest::collection::vec(0_i64..100_000, 0..300),
            per in 1_u32..1000,
        ) {
            let mut window = Window::default();
            let mut now = Timestamp::from_micros(1_700_000_000_000_000);
            for gap in gaps {
                now = Timestamp::from_micros(now.as_micros() + gap);
                window.start(now, per);
            }
            prop_assert_eq!(window.to_string().parse::<Window>().unwrap(), window);
        }

        #[test]
        fn never_more_starts_than_allowed_in_any_window(
            gaps in proptest::collection::vec(0_i64..2_000_000, 1..400),
            per in 1_u32..40,
        ) {
            let mut window = Window::default();
            let mut now = Timestamp::from_micros(1_700_000_000_000_000);
            let mut starts = Vec::new();
            for gap in gaps {
                now = Timestamp::from_micros(now.as_micros() + gap);
                window.forget(now, SPAN);
                if window.count() < per {
                    window.start(now, per);
                    starts.push(now);
                } else {
                    prop_assert!(window.opens_at(per, SPAN) > now);
                }
                let recent = starts.iter().filter(|&&at| at > now.minus(SPAN)).count();
                prop_assert!(recent <= per as usize);
            }
        }

        #[test]
        fn a_window_opens_exactly_when_it_says(
            gaps in proptest::collection::vec(1_i64..500_000, 10..60),
            per in 1_u32..10,
        ) {
            let mut window = Window::default();
            let mut now = Timestamp::from_micros(1_700_000_000_000_000);
            for gap in gaps {
                now = Timestamp::from_micros(now.as_micros() + gap);
                window.start(now, per);
            }
            let opens = window.opens_at(per, SPAN);
            let before = Timestamp::from_micros(opens.as_micros() - 1);
            let mut early = window.clone();
            early.forget(before, SPAN);
            prop_assert!(early.count() >= per);
            window.forget(opens, SPAN);
            prop_assert!(window.count() < per);
        }
    }

    #[test]
    fn a_start_that_never_left_is_taken_out_again() {
        for per in [5, 1000] {
            let mut window = Window::default();
            let now = Timestamp::from_micros(1_700_000_000_000_001);
            window.start(now, per);
            window.start(now.plus(Duration::from_secs(1)), per);
            let with_one = {
                let mut other = Window::default();
                other.start(now.plus(Duration::from_secs(1)), per);
                other
            };
            window.take_back(now, now.plus(Duration::from_secs(2)), SPAN);
            assert_eq!(window, with_one);
        }
    }

    #[test]
    fn a_start_that_is_forgotten_takes_no_other_out_with_it() {
        for per in [5, 1000] {
            let mut window = Window::default();
            let first = Timestamp::from_micros(1_700_000_000_000_001);
            let second = first.plus(SPAN);
            window.start(first, per);
            window.forget(second, SPAN);
            window.start(second, per);
            let before = window.clone();
            // Even if the clock was set back in between.
            for now in [second.plus(Duration::from_secs(5)), first.plus(Duration::from_secs(5))] {
                window.take_back(first, now, SPAN);
                assert_eq!(window, before);
            }
        }
    }

    #[test]
    fn a_damaged_window_is_refused() {
        for text in ["x", "1;y", "1,z", "9223372036854775807;1", "1,-1"] {
            assert!(text.parse::<Window>().is_err(), "{text}");
        }
    }
}
