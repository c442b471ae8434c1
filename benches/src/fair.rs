//! `fair/wait`: whether somebody's small request waits behind somebody's 10,000 tasks.
//!
//! Users with one task each come every half second, while another user has 10,000 tasks queued; then again,
//! alone. Compared is the 99th percentile of the time from submitting to the result, on virtual time, with 10 keys
//! of 30 calls in flight and calls of 10 to 20 seconds. First without limits per minute, so that calls end, and
//! keys get free, all the time. Then (`fair/wait/windows`) with 10 starts a minute per key: here a newcomer comes
//! when all keys may be used up for the minute, and waits for the next start that the upstream allows anybody; so
//! it is compared with that window and the call.

use std::{sync::Arc, time::Duration};

use anyhow::{Context, Result};
use kingcong_core::{
    KingCong, Request,
    clock::Clock,
    keys::{Limits, Rules},
    store::MemoryStore,
};

use crate::{
    figure::{Figure, Unit, percentile},
    stage::{self, InProcess, Upstream, VirtualClock},
};

const KEYS: usize = 10;
const IN_FLIGHT_MAX: u32 = 30;
const PER_MINUTE: u32 = 10;
const UNLIMITED_PER_MINUTE: u32 = 1_000_000;
const CALL: (Duration, Duration) = (Duration::from_secs(10), Duration::from_secs(20));
const SMALL_REQUESTS: usize = 200;
const SMALL_EVERY: Duration = Duration::from_millis(500);
const LARGE_TASKS: u16 = 10_000;

pub(crate) fn measure() -> Result<Vec<Figure>> {
    let free = stage::limits(IN_FLIGHT_MAX, UNLIMITED_PER_MINUTE);
    let together = waits(free, Crowd::BesideALargeOrder)?;
    let alone = waits(free, Crowd::Alone)?;
    let windows = waits(stage::limits(IN_FLIGHT_MAX, PER_MINUTE), Crowd::BesideALargeOrder)?;
    let least = Rules::WINDOW + CALL.1;
    Ok(vec![
        Figure::new(
            "fair/wait",
            percentile(together, 99),
            Unit::Ns,
            "the same user alone",
            percentile(alone, 99),
        ),
        Figure::new(
            "fair/wait/windows",
            percentile(windows, 99),
            Unit::Ns,
            "one window and the longest call",
            least.as_secs_f64() * 1e9,
        ),
    ])
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Crowd {
    Alone,
    BesideALargeOrder,
}

/// Nanoseconds from submitting to the result, of each small request.
fn waits(limits: Limits, crowd: Crowd) -> Result<Vec<f64>> {
    stage::in_virtual_time(async {
        let clock: Arc<dyn Clock> = Arc::new(VirtualClock::new());
        let upstream = Upstream::new("ai33", Arc::clone(&clock), CALL, limits)?;
        let kc = KingCong::builder()
            .store(MemoryStore::with_clock(Arc::clone(&clock)))
            .clock(Arc::clone(&clock))
            .preset(stage::preset(100, 0)?)
            .master_key(stage::master_key())
            .provider(InProcess(upstream))
            .start()
            .await?;
        stage::add_keys(&kc, "ai33", KEYS, limits).await?;
        let of = |user: &str, text: String| {
            Request::speech(user, text).service(stage::SERVICE).voice(stage::VOICE)
        };
        if crowd == Crowd::BesideALargeOrder {
            stage::make_rich(&kc, "large").await?;
            let pieces = std::num::NonZeroU16::new(LARGE_TASKS).context("it has tasks")?;
            kc.submit(of("large", stage::text(10 * usize::from(LARGE_TASKS))).pieces(pieces)).await?;
        }
        let mut waiting = Vec::new();
        for small in 0..SMALL_REQUESTS {
            let user = format!("small-{small}");
            stage::make_rich(&kc, &user).await?;
            clock.sleep(SMALL_EVERY).await;
            let started = clock.elapsed();
            let job = kc.submit(of(&user, stage::text(20))).await?;
            let clock = Arc::clone(&clock);
            waiting.push(tokio::spawn(async move { job.wait().await.map(|_| clock.elapsed() - started) }));
        }
        let mut waits = Vec::new();
        for wait in waiting {
            waits.push(wait.await??.as_secs_f64() * 1e9);
        }
        Ok(waits)
    })
}
