//! Keys, limits and pools.

use super::{Discrepancy, DiscrepancyKind, Findings, RowId};
use crate::{
    keys::{Key, KeyStatus, Level, Limit, Pool, PoolId},
    store::LimitCount,
};

/// A key with its own limit, read at one instant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyBook {
    /// The key, removed or not.
    pub key: Key,
    /// Its own limit.
    pub limit: Limit,
}

/// A pool with what it should count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PoolCount {
    /// The pool.
    pub pool: Pool,
    /// The tasks that wait in it, ready or not before an instant.
    pub waiting_tasks: u64,
}

/// Recounts a limit from the open attempts that passed it.
#[must_use]
pub fn verify_limit(count: &LimitCount) -> Vec<Discrepancy> {
    let Limit { id, in_flight, level, account, pool, .. } = count.limit;
    let mut findings = Findings::default();
    let row = RowId::limit(id);
    findings.exactly(&row, "in_flight", in_flight, count.open_attempts.into());
    if level != Level::Key {
        findings.same(&row, "account", account, None);
        findings.same(&row, "pool", pool, None);
    }
    findings.0
}

/// A key serves its route's pool exactly while it is usable, shares its account's limit, and has a secret unless it was
/// removed.
#[must_use]
pub fn verify_key(book: &KeyBook) -> Vec<Discrepancy> {
    let KeyBook { key, limit } = book;
    let mut findings = Findings::default();
    let (row, of_key) = (RowId::limit(limit.id), RowId::key(key.id));
    findings.same(&row, "level", limit.level, Level::Key);
    findings.same(&row, "pool", limit.pool, key.is_usable().then(|| PoolId::shared(&key.route)));
    let account = key.account.as_ref().map(|account| Limit::id_of_account(&key.route.server, account));
    if limit.account.is_some() {
        findings.same(&row, "account", limit.account, account);
    }
    match (key.status == KeyStatus::Removed, key.envelope.is_some()) {
        (true, true) => {
            findings.add(
                DiscrepancyKind::Wrong,
                &of_key,
                "envelope",
                "a secret",
                "none: the key was removed",
            );
        }
        (false, false) => {
            findings.add(
                DiscrepancyKind::Sealed,
                &of_key,
                "envelope",
                "none",
                "a secret: the key was not removed",
            );
        }
        (true, false) | (false, true) => {}
    }
    findings.0
}

/// Recounts a pool from the tasks that wait in it.
#[must_use]
pub fn verify_pool(count: &PoolCount) -> Vec<Discrepancy> {
    let mut findings = Findings::default();
    let row = RowId::pool(count.pool.id);
    findings.exactly(&row, "waiting", count.pool.waiting, count.waiting_tasks.into());
    let id = count.pool.key.map_or_else(|| PoolId::shared(&count.pool.route), PoolId::of_key);
    findings.same(&row, "id", count.pool.id, id);
    findings.0
}
