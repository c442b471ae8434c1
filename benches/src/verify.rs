//! `verify/rows`: how many rows a second are verified on each database, beside how many were written, and how long a
//! million attempts take on SQLite.
//!
//! A store with jobs of one task that were done and charged, each of six rows: job, task, attempt, hold, entry, result.
//! Each row is read three times or so: by itself, from both ends of its relations, and in the book that it belongs to.

use std::time::Instant;

use anyhow::{Result, ensure};

use crate::{
    figure::{Figure, Unit},
    ledger::{self, BATCH_COMMANDS},
    sql::Place,
    stage,
};

/// Job, task, attempt, hold, entry, result.
const ROWS_OF_A_JOB: usize = 6;
const JOBS: usize = 4_096;
const MILLION: usize = 1_000_000;

/// Rows per second on one kind of database.
pub(crate) fn measure(place: &Place) -> Result<Vec<Figure>> {
    measured(place, JOBS, format!("verify/rows/{}", place.as_str()))
}

/// The same with a million attempts.
pub(crate) fn million() -> Result<Vec<Figure>> {
    measured(&Place::Files, MILLION, format!("verify/rows/sqlite/attempts={MILLION}"))
}

fn measured(place: &Place, jobs: usize, name: String) -> Result<Vec<Figure>> {
    stage::on_all_cores(async {
        let database = place.fresh()?;
        let (store, kc) = ledger::opened(&database).await?;
        let (jobs, writing) = ledger::fill(store, jobs.div_ceil(BATCH_COMMANDS)).await?;
        let started = Instant::now();
        let found = kc.verify().await?;
        let reading = started.elapsed();
        ensure!(found.is_sound() && found.jobs == jobs as u64, "{found:?}");
        kc.close().await;
        let rows = (jobs * ROWS_OF_A_JOB) as f64;
        let (against, written) =
            ("the same rows written by batches of 256 jobs", rows / writing.as_secs_f64());
        Ok(vec![Figure::new(name, rows / reading.as_secs_f64(), Unit::PerSecond, against, written)])
    })
}
