//! A clock that can be set: the machine's, and so much ahead or behind. Only the wall clock steps; elapsed time goes on
//! as on a machine whose clock is set.

use std::{
    sync::atomic::{AtomicI64, Ordering},
    time::Duration,
};

use async_trait::async_trait;
use kingcong_core::clock::{Clock, SystemClock, Timestamp};

/// The machine's clock, which can be set.
#[derive(Debug)]
pub struct SteppedClock {
    machine: SystemClock,
    ahead_s: AtomicI64,
}

impl SteppedClock {
    /// The machine's clock, so many seconds ahead.
    #[must_use]
    pub fn new(ahead_s: i64) -> Self {
        Self { machine: SystemClock::new(), ahead_s: AtomicI64::new(ahead_s) }
    }

    /// Sets it forward by so many seconds, or back.
    pub fn step(&self, seconds: i64) {
        self.ahead_s.fetch_add(seconds, Ordering::Relaxed);
    }
}

#[async_trait]
impl Clock for SteppedClock {
    fn now(&self) -> Timestamp {
        let ahead_s = self.ahead_s.load(Ordering::Relaxed);
        let by = Duration::from_secs(ahead_s.unsigned_abs());
        if ahead_s < 0 { self.machine.now().minus(by) } else { self.machine.now().plus(by) }
    }

    fn elapsed(&self) -> Duration {
        self.machine.elapsed()
    }

    async fn sleep(&self, duration: Duration) {
        self.machine.sleep(duration).await;
    }
}
