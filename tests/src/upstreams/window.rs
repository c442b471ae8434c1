//! A sliding window that is exact: it remembers the instant of every call in it.

use std::{collections::VecDeque, time::Duration};

/// The calls of the last window, each with its weight (1, or characters).
#[derive(Debug, Default)]
pub(super) struct Window {
    calls: VecDeque<(Duration, u64)>,
    sum: u64,
}

impl Window {
    /// The weight of the calls after `now - length`, up to `now`. A call exactly one length ago is out.
    pub(super) fn sum(&mut self, now: Duration, length: Duration) -> u64 {
        while let Some(&(at, weight)) = self.calls.front()
            && at + length <= now
        {
            self.calls.pop_front();
            self.sum -= weight;
        }
        self.sum
    }

    pub(super) fn push(&mut self, now: Duration, weight: u64) {
        self.calls.push_back((now, weight));
        self.sum += weight;
    }

    /// Whole seconds, at least one, until the oldest call leaves the window.
    pub(super) fn wait_s(&self, now: Duration, length: Duration) -> u64 {
        let wait = self.calls.front().map_or(Duration::ZERO, |&(at, _)| (at + length).saturating_sub(now));
        (wait.as_secs() + u64::from(wait.subsec_nanos() > 0)).max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_leaves_the_window_exactly_one_length_later() {
        let (length, ns) = (Duration::from_secs(60), Duration::from_nanos(1));
        let mut window = Window::default();
        window.push(Duration::from_secs(1), 1);
        window.push(Duration::from_secs(2), 5);
        assert_eq!(window.sum(Duration::from_secs(61) - ns, length), 6);
        assert_eq!(window.wait_s(Duration::from_secs(61) - ns, length), 1);
        assert_eq!(window.wait_s(Duration::from_secs(2) - ns, length), 60);
        assert_eq!(window.sum(Duration::from_secs(61), length), 5);
        assert_eq!(window.sum(Duration::from_secs(62), length), 0);
    }
}
