//! Recounting a whole store after a law.

use std::collections::BTreeMap;

use crate::{
    keys::PoolId,
    store::{Discrepancy, PAGE_MAX, Store, verify_job, verify_limit, verify_wallet},
    work::TaskState,
};

/// Recounts everything in a store: wallets, jobs, limits, and how many tasks wait in each pool.
///
/// # Panics
/// When a figure is not what it should be, or the store cannot be read.
pub async fn recount(store: &dyn Store) {
    let mut found: Vec<Discrepancy> = Vec::new();
    let mut after = None;
    loop {
        let books = store.wallet_books(after, PAGE_MAX).await.expect("the store can be read");
        let Some(last) = books.last() else { break };
        after = Some(last.wallet.id);
        found.extend(books.iter().flat_map(verify_wallet));
    }
    let mut waiting: BTreeMap<PoolId, i64> = BTreeMap::new();
    let mut after = None;
    loop {
        let books = store.job_books(after, PAGE_MAX).await.expect("the store can be read");
        let Some(last) = books.last() else { break };
        after = Some(last.job.id);
        found.extend(books.iter().flat_map(verify_job));
        for task in books.iter().flat_map(|book| &book.tasks) {
            match task.state {
                TaskState::Ready { pool, .. } | TaskState::Delayed { pool, .. } => {
                    *waiting.entry(pool).or_default() += 1;
                }
                TaskState::Running { .. }
                | TaskState::Done
                | TaskState::Failed { .. }
                | TaskState::Cancelled => {}
            }
        }
    }
    let limits = store.limits().await.expect("the store can be read");
    found.extend(limits.iter().flat_map(verify_limit));
    let words: Vec<String> = found.iter().map(ToString::to_string).collect();
    assert!(words.is_empty(), "figures are wrong:\n{}", words.join("\n"));

    for pulse in store.pulse().await.expect("the store can be read").pools {
        let recounted = waiting.get(&pulse.pool.id).copied().unwrap_or(0);
        assert_eq!(pulse.pool.waiting, recounted, "tasks that wait in pool {}", pulse.pool.id);
    }
}
