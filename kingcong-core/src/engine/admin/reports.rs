//! Reports: what happened.

use std::collections::BTreeMap;

use super::KingCong;
use crate::{
    access::Scope,
    error::Error,
    id::{Actor, AuditId, InvalidId, Route},
    store::{AttemptFilter, AttemptKind, AuditEntry, PAGE_MAX},
    usage::UsageRecord,
    work::Attempt,
};

/// What happened. Usage and errors are those of the tenant that the handle asks for, or of every one
/// ([`KingCong::of_all`]); the split and the audit tell operators of every tenant, whichever one the handle asks for.
#[derive(Clone, Debug)]
pub struct ReportDoors {
    pub(super) kc: KingCong,
    pub(super) actor: Result<Actor, InvalidId>,
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
        filter.only = AttemptKind::Errors;
        Ok(self.inner().store.attempts(&self.kc.scope()?, &filter).await?)
    }

    /// Usage records, newest first; at most 1,000 at once.
    ///
    /// # Errors
    /// A tenant whose name cannot be one; when the store fails.
    pub async fn usage(&self, filter: &AttemptFilter) -> Result<Vec<UsageRecord>, Error> {
        self.usage_within(&self.kc.scope()?, filter).await
    }

    async fn usage_within(&self, scope: &Scope, filter: &AttemptFilter) -> Result<Vec<UsageRecord>, Error> {
        let attempts = self.inner().store.attempts(scope, filter).await?;
        Ok(attempts.iter().filter_map(UsageRecord::of).collect())
    }

    /// How the last attempts were spread over routes, of those that ended; looks at 1,000.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn split(&self) -> Result<Vec<SplitShare>, Error> {
        let filter = AttemptFilter { limit: PAGE_MAX, ..AttemptFilter::default() };
        let mut shares: BTreeMap<Route, (u64, u64)> = BTreeMap::new();
        for record in self.usage_within(&Scope::All, &filter).await? {
            let share = shares.entry(record.route.clone()).or_default();
            if record.is_done() {
                share.0 += 1;
            } else {
                share.1 += 1;
            }
        }
        Ok(shares.into_iter().map(|(route, (done, failed))| SplitShare { route, done, failed }).collect())
    }

    /// What was done at admin doors, newest first, older than the entry `before`; at most 1,000 at once.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn audit(&self, before: Option<AuditId>, limit: u32) -> Result<Vec<AuditEntry>, Error> {
        Ok(self.inner().store.audit(before, limit).await?)
    }
}
