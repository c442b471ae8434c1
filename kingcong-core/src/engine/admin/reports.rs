//! Reports: what happened.

use std::collections::BTreeMap;

use super::KingCong;
use crate::{
    access::{Door, Scope},
    error::Error,
    id::{AuditId, Route},
    store::{AttemptFilter, AttemptKind, AuditEntry, AuditOf, PAGE_MAX},
    usage::UsageRecord,
    work::Attempt,
};

/// What happened: usage, errors, the split and the audit, of the tenant that the handle asks for, or of every one
/// ([`KingCong::of_all`]).
#[derive(Clone, Debug)]
pub struct ReportDoors {
    pub(super) kc: KingCong,
}

/// How many of a number of attempts a route had.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SplitShare {
    /// The route.
    pub route: Route,
    /// Its attempts with a result.
    pub done: u64,
    /// Its attempts without.
    pub failed: u64,
}

impl ReportDoors {
    /// The error log: attempts that failed or whose answer was lost, newest first; at most 1,000 at once.
    ///
    /// # Errors
    /// A tenant whose name cannot be one; when the store fails.
    pub async fn errors(&self, mut filter: AttemptFilter) -> Result<Vec<Attempt>, Error> {
        let entered = self.enter(Door::ReportsErrors).await?;
        filter.only = AttemptKind::Errors;
        Ok(self.inner().store.attempts(entered.scope(), &filter).await?)
    }

    /// Usage records, newest first; at most 1,000 at once.
    ///
    /// # Errors
    /// A tenant whose name cannot be one; when the store fails.
    pub async fn usage(&self, filter: &AttemptFilter) -> Result<Vec<UsageRecord>, Error> {
        let entered = self.enter(Door::ReportsUsage).await?;
        self.records(entered.scope(), filter).await
    }

    async fn records(&self, scope: &Scope, filter: &AttemptFilter) -> Result<Vec<UsageRecord>, Error> {
        let attempts = self.inner().store.attempts(scope, filter).await?;
        Ok(attempts.iter().filter_map(UsageRecord::of).collect())
    }

    /// How the last attempts were spread over routes, of those that ended; looks at 1,000.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn split(&self) -> Result<Vec<SplitShare>, Error> {
        let entered = self.enter(Door::ReportsSplit).await?;
        let filter = AttemptFilter { limit: PAGE_MAX, ..AttemptFilter::default() };
        let mut shares: BTreeMap<Route, (u64, u64)> = BTreeMap::new();
        for record in self.records(entered.scope(), &filter).await? {
            let share = shares.entry(record.route.clone()).or_default();
            if record.is_done() {
                share.0 += 1;
            } else {
                share.1 += 1;
            }
        }
        Ok(shares.into_iter().map(|(route, (done, failed))| SplitShare { route, done, failed }).collect())
    }

    /// What was done at admin doors, and who was refused at any, newest first, older than the entry `before`; at most
    /// 1,000 at once. Changes of what all tenants share are told to a handle that asks for every tenant
    /// ([`KingCong::of_all`]); they stand in [`ConfigDoors::history`](super::ConfigDoors::history) too.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn audit(&self, before: Option<AuditId>, limit: u32) -> Result<Vec<AuditEntry>, Error> {
        let entered = self.enter(Door::ReportsAudit).await?;
        let of = AuditOf::Scope(entered.scope().clone());
        Ok(self.inner().store.audit(&of, before, limit).await?)
    }
}
