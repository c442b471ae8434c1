//! `memory/queued`: what a waiting task takes of memory.
//!
//! 100,000 tasks of 1,000 users wait in the in-memory store, each a job of its own, which is the dearest way
//! (`memory/queued`), or in jobs of 1,000 tasks (`memory/queued/bulk`). Counted are the resident bytes that came
//! with them, less the texts themselves, divided by the tasks; nothing of it is shared with a database. Compared
//! with a queue by hand: id, user, tag and text in a `BTreeMap`.

use std::{collections::BTreeMap, hint::black_box, sync::Arc};

use anyhow::{Context, Result, ensure};
use futures_util::future::try_join_all;
use kingcong_core::{KingCong, Request};
use uuid::Uuid;

use crate::{
    figure::{Figure, Unit},
    stage::{self, Ids},
};

const TASKS: usize = 100_000;
const USERS: usize = 1_000;
const TEXT_BYTES: usize = 200;
const BULK_TASKS: u16 = 1_000;
const AT_ONCE: usize = 1_000;

pub(crate) fn measure() -> Result<Vec<Figure>> {
    // Each in turn keeps what it made, so that none reuses another's memory.
    let by_hand = by_hand()?;
    let (bulk, _kept) = stage::on_all_cores(queued(BULK_TASKS))?;
    let (single, _kept_too) = stage::on_all_cores(queued(1))?;
    let against = "id, user, tag and text in a BTreeMap";
    Ok(vec![
        Figure::new("memory/queued", single, Unit::Bytes, against, by_hand),
        Figure::new("memory/queued/bulk", bulk, Unit::Bytes, against, by_hand),
    ])
}

/// Bytes per task.
async fn queued(tasks_of_a_job: u16) -> Result<(f64, KingCong)> {
    // No provider is registered, so nothing is claimed: everything waits.
    let kc =
        KingCong::builder().preset(stage::preset(70, 30)?).master_key(stage::master_key()).start().await?;
    let limits = stage::limits(30, 10);
    for server in ["ai33", "ai84"] {
        stage::add_keys(&kc, server, 50, limits).await?;
    }
    let users: Vec<String> = (0..USERS).map(|user| format!("user-{user:06}")).collect();
    for user in &users {
        stage::make_rich(&kc, user).await?;
    }
    let pieces = std::num::NonZeroU16::new(tasks_of_a_job).context("a job has tasks")?;
    let text = stage::text(TEXT_BYTES * usize::from(tasks_of_a_job));
    let before = resident_bytes()?;
    let submit = |user: &String| {
        let request = Request::speech(user, text.clone()).service(stage::SERVICE).voice(stage::VOICE);
        kc.submit(request.pieces(pieces))
    };
    let jobs = TASKS / usize::from(tasks_of_a_job);
    let mut users = users.iter().cycle();
    for from in (0..jobs).step_by(AT_ONCE) {
        try_join_all(users.by_ref().take(AT_ONCE.min(jobs - from)).map(submit)).await?;
    }
    let after = resident_bytes()?;
    let waiting: i64 = kc.status().await?.routes.iter().map(|route| route.waiting).sum();
    ensure!(waiting == TASKS as i64, "{waiting} tasks wait");
    Ok((each(before, after), kc))
}

fn by_hand() -> Result<f64> {
    let users: Vec<Arc<str>> = (0..USERS).map(|user| format!("user-{user:06}").into()).collect();
    let text = stage::text(TEXT_BYTES);
    let before = resident_bytes()?;
    let mut ids = Ids::default();
    let row =
        |tag: usize| ((tag as u64, ids.next()), (Arc::clone(&users[tag % USERS]), Arc::from(text.as_str())));
    let queue: BTreeMap<(u64, Uuid), (Arc<str>, Arc<str>)> = (0..TASKS).map(row).collect();
    let after = resident_bytes()?;
    std::mem::forget(black_box(queue));
    Ok(each(before, after))
}

/// Bytes per task, without its text.
fn each(before: u64, after: u64) -> f64 {
    after.saturating_sub(before) as f64 / TASKS as f64 - TEXT_BYTES as f64
}

/// What this process has in memory, as Linux counts it.
fn resident_bytes() -> Result<u64> {
    let status = std::fs::read_to_string("/proc/self/status").context("needs Linux's /proc")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS")?;
    let kib: u64 = line.trim().trim_end_matches(" kB").parse()?;
    Ok(kib * 1024)
}
