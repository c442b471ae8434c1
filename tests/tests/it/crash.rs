//! Chaos on every database: a hundred kills of worker processes and database servers, and everything else that goes
//! wrong in a run of `kingcong_tests::chaos`.

use std::{
    path::Path,
    time::{SystemTime, UNIX_EPOCH},
};

use kingcong_tests::chaos::{Chaos, Target};
use tokio::sync::Mutex;

/// How often something is killed.
const KILLS: u32 = 100;

/// Three runs at once would be a test of the machine.
static ALONE: Mutex<()> = Mutex::const_new(());

/// Another run each time: what fails names the command that repeats it.
#[expect(clippy::print_stdout, reason = "how much was played is told when all went well, too")]
async fn nothing_is_lost_doubled_or_stuck_on(database: Target) {
    let _alone = ALONE.lock().await;
    let seed = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let worker = Path::new(env!("CARGO_BIN_EXE_worker")).to_owned();
    let chaos = Chaos { database, kills: KILLS, seed, worker };
    let (repeat, counted) = (format!("{chaos}"), format!("{KILLS} kills on {}, seed {seed}", chaos.database));
    let started = chaos.start().await.unwrap_or_else(|error| panic!("{error:#}; repeat it: {repeat}"));
    let mut said = Vec::new();
    let ended = started.run(|line| said.push(line)).await;
    let summary = ended.unwrap_or_else(|error| panic!("{error:#}: {said:?}; repeat it: {repeat}"));
    assert!(summary.broken.is_empty(), "{summary}{said:?}");
    let figures = &summary.figures;
    assert_eq!(figures.worker_kills + figures.server_kills, KILLS, "{summary}");
    assert!(figures.tasks > 2 * figures.failed_tasks, "most is done all the same: {summary}");
    println!("counted: {counted}");
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
