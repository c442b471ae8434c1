//! Chaos on every database: a hundred kills of worker processes and database servers, and everything else that goes
//! wrong in a run of `kingcong_tests::chaos`.

use std::path::Path;

use kingcong_tests::chaos::{Chaos, Target};
use tokio::sync::Mutex;

/// How often something is killed.
const KILLS: u32 = 100;
/// Which run it is, unless `KINGCONG_CHAOS_SEED` says otherwise.
const SEED: u64 = 1;

/// Three runs at once would be a test of the machine.
static ALONE: Mutex<()> = Mutex::const_new(());

async fn nothing_is_lost_doubled_or_stuck_on(database: Target) {
    let _alone = ALONE.lock().await;
    let seed = std::env::var("KINGCONG_CHAOS_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(SEED);
    let worker = Path::new(env!("CARGO_BIN_EXE_worker")).to_owned();
    let chaos = Chaos { database, kills: KILLS, seed, worker };
    let started = chaos.start().await.unwrap();
    let mut said = Vec::new();
    let summary =
        started.run(|line| said.push(line)).await.unwrap_or_else(|error| panic!("{error:#}: {said:?}"));
    assert!(summary.broken.is_empty(), "{summary}{said:?}");
    let figures = &summary.figures;
    assert_eq!(figures.worker_kills + figures.server_kills, KILLS, "{summary}");
    assert!(figures.tasks > 2 * figures.failed_tasks, "most is done all the same: {summary}");
}

#[tokio::test(flavor = "multi_thread")]
async fn chaos_on_sqlite_loses_nothing_doubles_nothing_unrecorded_and_leaves_nothing_stuck() {
    nothing_is_lost_doubled_or_stuck_on(Target::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn chaos_on_postgres_loses_nothing_doubles_nothing_unrecorded_and_leaves_nothing_stuck() {
    nothing_is_lost_doubled_or_stuck_on(Target::Postgres).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn chaos_on_mariadb_loses_nothing_doubles_nothing_unrecorded_and_leaves_nothing_stuck() {
    nothing_is_lost_doubled_or_stuck_on(Target::MariaDb).await;
}
