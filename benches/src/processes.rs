//! Several processes on one PostgreSQL server: whether more of them do more, and keep the limits that they share.
//!
//! `task/postgres/processes=4`: whole task lives a second, as in `task/postgres`, by four processes that submit and
//! work, and by one. They share the machine with each other and with the server.
//!
//! `fill/processes=4`: 3,500 tasks, 100 keys in two pools, each key at most 30 calls in flight and 10 starts in any
//! window, worked off by four processes in real time. The window is 15 s instead of 60. The tasks are dealt out 70 to
//! 30 and the keys lie 50 to 50, so AI33 is the slower pool: the least that its limits allow is one start of each key's
//! ten at once in every window, and the last call's own time. Limits are counted by what the processes tell of the
//! calls at their upstreams.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use kingcong_core::{KingCong, Request, Settings, engine::Mode};

use crate::{
    figure::{Figure, Unit, median},
    process::{Calls, Orders, Process, violations},
    sql::{Database, Place},
    stage, task,
};

const PROCESSES: usize = 4;
const REPEATS: usize = 3;
const JOBS: usize = 4_000;

pub(crate) fn lives() -> Result<Vec<Figure>> {
    let place = Place::postgres()?;
    stage::on_all_cores(async {
        let (mut several, mut one) = (Vec::new(), Vec::new());
        for _ in 0..REPEATS {
            one.push(lives_by(1, &place.fresh()?).await?);
            several.push(lives_by(PROCESSES, &place.fresh()?).await?);
        }
        let name = format!("task/postgres/processes={PROCESSES}");
        Ok(vec![Figure::new(name, median(several), Unit::PerSecond, "one process", median(one))])
    })
}

/// A library that submits and looks, and calls nobody.
async fn client(database: &Database, settings: Settings) -> Result<KingCong> {
    Ok(KingCong::builder()
        .store(database.store().await?)
        .preset(stage::preset(70, 30)?)
        .master_key(stage::master_key())
        .settings(Settings { mode: Mode::Client, ..settings })
        .start()
        .await?)
}

/// Whole lives per second.
async fn lives_by(processes: usize, database: &Database) -> Result<f64> {
    let kc = client(database, Settings::default()).await?;
    task::furnish(&kc).await?;
    let orders = Orders { jobs: JOBS / processes, ..Orders::new(&database.url) };
    let mut processes = Process::start(processes, &orders)?;
    let started = Instant::now();
    for process in &mut processes {
        process.go()?;
    }
    task::charged(&kc, JOBS).await?;
    let time = started.elapsed();
    for process in processes {
        process.end()?;
    }
    ensure!(kc.verify().await?.is_sound(), "the books do not add up");
    kc.close().await;
    Ok(JOBS as f64 / time.as_secs_f64())
}

const TASKS: usize = 3_500;
const FILL_JOBS: usize = 10;
const KEYS_OF_A_SERVER: usize = 50;
const IN_FLIGHT_MAX: u32 = 30;
const STARTS_MAX: u32 = 10;
const CALL: Duration = Duration::from_secs(1);
const WINDOW: Duration = Duration::from_secs(15);
const GUARD: Duration = Settings::SEND_SLACK;

pub(crate) fn fill() -> Result<Vec<Figure>> {
    let place = Place::postgres()?;
    stage::on_all_cores(async {
        let database = place.fresh()?;
        let settings = Settings { window: Some(WINDOW), guard: Some(GUARD), ..Settings::default() };
        let kc = client(&database, settings).await?;
        for server in ["ai33", "ai84"] {
            stage::add_keys(&kc, server, KEYS_OF_A_SERVER, stage::limits(IN_FLIGHT_MAX, STARTS_MAX)).await?;
        }
        for job in 0..FILL_JOBS {
            stage::make_rich(&kc, &format!("user-{job}")).await?;
        }
        let (window, guard, calls) = (WINDOW, GUARD, Calls::Told);
        let orders = Orders { call: CALL, window, guard, calls, ..Orders::new(&database.url) };
        let processes = Process::start(PROCESSES, &orders)?;
        let text = stage::text(10 * TASKS / FILL_JOBS);
        let started = Instant::now();
        let mut jobs = Vec::new();
        for job in 0..FILL_JOBS {
            let pieces = u16::try_from(TASKS / FILL_JOBS).ok().and_then(std::num::NonZeroU16::new);
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
        let makespan = started.elapsed();
        let mut calls = Vec::new();
        for process in processes {
            calls.extend(process.end()?);
        }
        kc.close().await;
        ensure!(calls.len() == TASKS, "{} calls", calls.len());

        let at_once = KEYS_OF_A_SERVER * STARTS_MAX as usize;
        let rounds = u32::try_from(slower_pool.div_ceil(at_once))?;
        let least = WINDOW * (rounds - 1) + CALL;
        let exceeded = violations(&calls, IN_FLIGHT_MAX as usize, STARTS_MAX as usize, WINDOW);
        let name = format!("fill/processes={PROCESSES}");
        let against = "the least that the slower pool's limits allow";
        Ok(vec![
            Figure::new(&name, makespan.as_secs_f64() * 1e9, Unit::Ns, against, least.as_secs_f64() * 1e9),
            Figure::new(
                format!("{name}/violations"),
                exceeded as f64,
                Unit::Violations,
                "as the upstreams saw the calls; none allowed",
                0.0,
            ),
        ])
    })
}
