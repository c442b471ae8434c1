//! The starts of the last window of one limit, small enough to live in the limit's row.

use std::{collections::VecDeque, fmt, str::FromStr, time::Duration};

use crate::clock::Timestamp;

/// Above so many starts a window, starts are counted in buckets of [`BUCKET_MICROS`].
pub const EXACT_STARTS_MAX: u32 = 256;
/// A bucket's width in microseconds. A start counts as if it came at its bucket's end, so rounding only delays.
pub const BUCKET_MICROS: i64 = 50_000;

/// When the calls of the last window were made: instants, oldest first, with how many were made at each.
///
/// A call starts work, or asks for its result where the upstream counts that too. Both count alike against the
/// limit; they are told apart because calls that ask keep their room from one window to the next.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Window {
    made: VecDeque<Made>,
    starts: u32,
    polls: u32,
}

/// What a call that counts is made for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counted {
    /// It starts work.
    Start,
    /// It asks for results, or something else.
    Poll,
}

/// The calls of one instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Made {
    at: Timestamp,
    starts: u32,
    polls: u32,
}

impl Made {
    const fn of(&self, call: Counted) -> u32 {
        match call {
            Counted::Start => self.starts,
            Counted::Poll => self.polls,
        }
    }

    const fn of_mut(&mut self, call: Counted) -> &mut u32 {
        match call {
            Counted::Start => &mut self.starts,
            Counted::Poll => &mut self.polls,
        }
    }

    const fn is_empty(&self) -> bool {
        self.starts == 0 && self.polls == 0
    }
}

impl Window {
    /// How many calls are remembered.
    #[must_use]
    pub const fn count(&self) -> u32 {
        self.starts.saturating_add(self.polls)
    }

    /// How many of them asked for results.
    #[must_use]
    pub const fn polls(&self) -> u32 {
        self.polls
    }

    /// The newest call, which no later decision may precede.
    #[must_use]
    pub fn newest(&self) -> Option<Timestamp> {
        self.made.back().map(|made| made.at)
    }

    /// Forgets calls that are `span` old or older.
    pub fn forget(&mut self, now: Timestamp, span: Duration) {
        let horizon = now.minus(span);
        while let Some(&oldest) = self.made.front() {
            if oldest.at > horizon {
                break;
            }
            self.made.pop_front();
            self.starts -= oldest.starts;
            self.polls -= oldest.polls;
        }
    }

    /// Remembers a call. When the clock was set back it counts as if it came with the newest call.
    pub fn count_call(&mut self, call: Counted, now: Timestamp, per_window: u32) {
        let at = self.newest().unwrap_or(now).max(now);
        self.remember(call, at, per_window);
    }

    /// Forgets one call of that instant, because it never left. Nothing happens when it may be forgotten already,
    /// for then a later call would be taken out in its place.
    pub fn take_back(&mut self, call: Counted, counted_at: Timestamp, now: Timestamp, span: Duration) {
        let forgotten = self.newest().unwrap_or(now).max(now).minus(span);
        if counted_at <= forgotten {
            return;
        }
        // The first one that is not earlier is this one, or one that is as well forgotten before it.
        let Some(place) = self.made.iter().position(|made| made.at >= counted_at && made.of(call) > 0) else {
            return;
        };
        *self.made[place].of_mut(call) -= 1;
        if self.made[place].is_empty() {
            self.made.remove(place);
        }
        match call {
            Counted::Start => self.starts -= 1,
            Counted::Poll => self.polls -= 1,
        }
    }

    /// Counts a call of one instant as one of a later one, at which the upstream may have counted it. What is forgotten
    /// already counts again.
    pub fn put_off(
        &mut self,
        call: Counted,
        (counted_at, until): (Timestamp, Timestamp),
        now: Timestamp,
        span: Duration,
        per_window: u32,
    ) {
        self.take_back(call, counted_at, now, span);
        self.remember(call, until, per_window);
    }

    fn remember(&mut self, call: Counted, at: Timestamp, per_window: u32) {
        let at = remembered_as(at, per_window);
        let place = self.made.partition_point(|made| made.at < at);
        if self.made.get(place).is_none_or(|made| made.at != at) {
            self.made.insert(place, Made { at, starts: 0, polls: 0 });
        }
        *self.made[place].of_mut(call) += 1;
        match call {
            Counted::Start => self.starts += 1,
            Counted::Poll => self.polls += 1,
        }
    }

    /// When one call more fits in the window of length `span`, beside `kept` calls for polls of which those that were
    /// made are a part; now or earlier if it does already, [`Timestamp::FAR`] if it never does.
    #[must_use]
    pub fn opens_at(&self, per_window: u32, kept: u32, span: Duration) -> Timestamp {
        let (mut starts, mut polls) = (self.starts, self.polls);
        let mut opens = Timestamp::EPOCH;
        let mut made = self.made.iter();
        while starts.saturating_add(polls.max(kept)) >= per_window {
            let Some(oldest) = made.next() else { return Timestamp::FAR };
            starts -= oldest.starts;
            polls -= oldest.polls;
            opens = oldest.at.plus(span);
        }
        opens
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
    /// `first,starts,polls;gap,starts,polls;…` in microseconds. What is left out at the end is one start, and no poll.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut before = 0;
        for (place, made) in self.made.iter().enumerate() {
            let separator = if place == 0 { "" } else { ";" };
            write!(f, "{separator}{}", made.at.as_micros() - before)?;
            if (made.starts, made.polls) != (1, 0) {
                write!(f, ",{}", made.starts)?;
            }
            if made.polls != 0 {
                write!(f, ",{}", made.polls)?;
            }
            before = made.at.as_micros();
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
            let mut figures = item.split(',');
            let gap: i64 = figures.next().and_then(|gap| gap.parse().ok()).ok_or_else(invalid)?;
            let mut calls = |left_out| figures.next().map_or(Ok(left_out), |calls| calls.parse::<u32>());
            let (starts, polls) = (calls(1).map_err(|_| invalid())?, calls(0).map_err(|_| invalid())?);
            if figures.next().is_some() {
                return Err(invalid());
            }
            before = before.checked_add(gap).ok_or_else(invalid)?;
            window.made.push_back(Made { at: Timestamp::from_micros(before), starts, polls });
            window.starts = window.starts.checked_add(starts).ok_or_else(invalid)?;
            window.polls = window.polls.checked_add(polls).ok_or_else(invalid)?;
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
            calls in proptest::collection::vec((0_i64..100_000, 0..5), 0..300),
            per in 1_u32..1000,
        ) {
            let mut window = Window::default();
            let mut now = Timestamp::from_micros(1_700_000_000_000_000);
            for (gap, kind) in calls {
                now = Timestamp::from_micros(now.as_micros() + gap);
                window.count_call(if kind == 0 { Counted::Poll } else { Counted::Start }, now, per);
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
                    window.count_call(Counted::Start, now, per);
                    starts.push(now);
                } else {
                    prop_assert!(window.opens_at(per, 0, SPAN) > now);
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
                window.count_call(Counted::Start, now, per);
            }
            let opens = window.opens_at(per, 0, SPAN);
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
            window.count_call(Counted::Start, now, per);
            window.count_call(Counted::Start, now.plus(Duration::from_secs(1)), per);
            let with_one = {
                let mut other = Window::default();
                other.count_call(Counted::Start, now.plus(Duration::from_secs(1)), per);
                other
            };
            window.take_back(Counted::Start, now, now.plus(Duration::from_secs(2)), SPAN);
            assert_eq!(window, with_one);
        }
    }

    #[test]
    fn a_start_that_is_forgotten_takes_no_other_out_with_it() {
        for per in [5, 1000] {
            let mut window = Window::default();
            let first = Timestamp::from_micros(1_700_000_000_000_001);
            let second = first.plus(SPAN);
            window.count_call(Counted::Start, first, per);
            window.forget(second, SPAN);
            window.count_call(Counted::Start, second, per);
            let before = window.clone();
            // Even if the clock was set back in between.
            for now in [second.plus(Duration::from_secs(5)), first.plus(Duration::from_secs(5))] {
                window.take_back(Counted::Start, first, now, SPAN);
                assert_eq!(window, before);
            }
        }
    }

    #[test]
    fn a_call_that_arrived_later_counts_from_then_on() {
        let first = Timestamp::from_micros(1_700_000_000_000_000);
        let seconds = |seconds| first.plus(Duration::from_secs(seconds));
        for call in [Counted::Start, Counted::Poll] {
            // In time, and when it is forgotten already.
            for now in [seconds(5), seconds(100)] {
                let mut window = Window::default();
                for at in [0, 1, 4] {
                    window.count_call(call, seconds(at), 3);
                }
                window.forget(now, SPAN);
                window.put_off(call, (first, seconds(2)), now, SPAN, 3);
                window.forget(seconds(61), SPAN);
                assert_eq!(window.opens_at(window.count(), 0, SPAN), seconds(62), "{call:?} {now:?}");
            }
        }
    }

    #[test]
    fn a_damaged_window_is_refused() {
        for text in ["x", "1;y", "1,z", "9223372036854775807;1", "1,-1", "1,2,x", "1,1,1,1"] {
            assert!(text.parse::<Window>().is_err(), "{text}");
        }
    }
}
