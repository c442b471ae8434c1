//! What this process knows of tenants: with which version of its row a tenant was active when it was last read. A plan
//! is made with that, and the store says when it is another by now.

use std::collections::BTreeMap;

use parking_lot::Mutex;

use super::Inner;
use crate::{
    error::Error,
    id::TenantId,
    tenants::{Standing, TenantState},
};

/// Most tenants that a process remembers; what it forgets is read again.
const KNOWN_MAX: usize = 10_000;

/// The versions of tenants' rows that are not those of none.
#[derive(Debug, Default)]
pub(super) struct KnownTenants(Mutex<BTreeMap<TenantId, i64>>);

impl KnownTenants {
    /// The version to plan with.
    pub(super) fn version(&self, tenant: &TenantId) -> i64 {
        self.0.lock().get(tenant).copied().unwrap_or(Standing::DEFAULT.version)
    }

    fn keep(&self, tenant: &TenantId, version: i64) {
        let mut known = self.0.lock();
        if version == Standing::DEFAULT.version {
            known.remove(tenant);
            return;
        }
        if known.len() >= KNOWN_MAX && !known.contains_key(tenant) {
            known.clear();
        }
        known.insert(tenant.clone(), version);
    }
}

impl Inner {
    /// Reads how a tenant stands, for plans from now on.
    ///
    /// # Errors
    /// One that is suspended, or a store that fails.
    pub(super) async fn learn_tenant(&self, tenant: &TenantId) -> Result<(), Error> {
        let row = self.store.tenant(tenant).await?;
        let Standing { version, state } = Standing::of(row.as_ref());
        match state {
            TenantState::Active => {
                self.tenants.keep(tenant, version);
                Ok(())
            }
            TenantState::Suspended => Err(suspended(tenant)),
        }
    }
}

/// What a suspended tenant is answered.
pub(super) fn suspended(tenant: &TenantId) -> Error {
    Error::TenantSuspended { tenant: tenant.to_string() }
}
