//! `fill/makespan`: how fast a pile of work goes through pools whose keys are all at their limits.
//!
//! 10,000 tasks, 100 keys in two pools, each key at most 30 calls in flight and 10 starts in any 60 seconds, on
//! virtual time with the engine, the in-memory store and an upstream that counts the limits by itself. The tasks
//! are dealt out 70 to 30 and the keys lie 50 to 50, so AI33 is the slower pool. The least that its limits allow:
//! one start of each key's ten at once every 60 seconds, and the last call's own time.

use std::{sync::Arc, time::Duration};

use anyhow::{Context, Result, ensure};
use kingcong_core::{KingCong, Request, clock::Clock, keys::PollsCount, store::MemoryStore};

use crate::{
    figure::{Figure, Unit},
    stage::{self, InProcess, Upstream, VirtualClock},
};

const TASKS: usize = 10_000;
const JOBS: usize = 10;
const KEYS_OF_A_SERVER: usize = 50;
const IN_FLIGHT_MAX: u32 = 30;
const PER_MINUTE: u32 = 10;
const CALL: Duration = Duration::from_secs(20);

pub(crate) fn measure() -> Result<Vec<Figure>> {
    stage::in_virtual_time(async {
        let clock: Arc<dyn Clock> = Arc::new(VirtualClock::new());
        let limits = stage::limits(IN_FLIGHT_MAX, PER_MINUTE);
        let upstream = |protocol| Upstream::new(protocol, Arc::clone(&clock), (CALL, CALL), limits);
        let mut preset = stage::preset(70, 30)?;
        // Its calls answer with the result.
        preset.configuration().system.servers.values_mut().for_each(|server| server.polls = PollsCount::Free);
        let (ai33, ai84) = (upstream("ai33")?, upstream("ai84")?);
        let kc = KingCong::builder()
            .store(MemoryStore::with_clock(Arc::clone(&clock)))
            .clock(Arc::clone(&clock))
            .preset(preset)
            .master_key(stage::master_key())
            .provider(InProcess(Arc::clone(&ai33)))
            .provider(InProcess(Arc::clone(&ai84)))
            .start()
            .await?;
        for server in ["ai33", "ai84"] {
            stage::add_keys(&kc, server, KEYS_OF_A_SERVER, limits).await?;
        }
        let text = stage::text(10 * TASKS / JOBS);
        for job in 0..JOBS {
            stage::make_rich(&kc, &format!("user-{job}")).await?;
        }
        let started = clock.elapsed();
        let mut jobs = Vec::new();
        for job in 0..JOBS {
            let pieces = u16::try_from(TASKS / JOBS).ok().and_then(std::num::NonZeroU16::new);
            let request = Request::speech(format!("user-{job}"), text.clone())
                .service(stage::SERVICE)
                .voice(stage::VOICE)
                .pieces(pieces.context("a job has tasks")?);
            jobs.push(kc.submit(request).await?);
        }
        let mut slower_pool = 0;
        for job in jobs {
            let report = job.wait().await?;
            ensure!(report.job.failed_tasks == 0, "{} tasks failed", report.job.failed_tasks);
            slower_pool += report.tasks.iter().filter(|task| task.route.server.as_str() == "ai33").count();
        }
        let makespan = clock.elapsed() - started;
        kc.close().await;

        let at_once = KEYS_OF_A_SERVER * PER_MINUTE as usize;
        let rounds = u32::try_from(slower_pool.div_ceil(at_once))?;
        let least = Duration::from_secs(60) * (rounds - 1) + CALL;
        let violations = ai33.violations() + ai84.violations();
        Ok(vec![
            Figure::new(
                "fill/makespan",
                makespan.as_secs_f64() * 1e9,
                Unit::Ns,
                "the least that the slower pool's limits allow",
                least.as_secs_f64() * 1e9,
            ),
            Figure::new(
                "fill/violations",
                violations as f64,
                Unit::Violations,
                "as the upstream counts; none allowed",
                0.0,
            ),
        ])
    })
}
