//! Tokio's clock, which tests may stop.

use std::time::Duration;

use async_trait::async_trait;
use kingcong_core::clock::{Clock, Timestamp};

/// Tokio's clock since that instant.
#[derive(Debug)]
pub(crate) struct TokioClock(pub(crate) tokio::time::Instant);

#[async_trait]
impl Clock for TokioClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(1_700_000_000_000_000).plus(self.elapsed())
    }

    fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }

    async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }
}
