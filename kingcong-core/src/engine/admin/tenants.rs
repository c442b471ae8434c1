//! Tenant doors.

use serde::Serialize;

use super::KingCong;
use crate::{
    access::{Door, Target},
    error::Error,
    id::{TenantId, TenantName},
    store::SetTenant,
    tenants::{Tenant, TenantState},
};

/// What an operator says of tenants. They are the operator's doors, whichever tenant the handle asks for. A tenant
/// needs no row: one of which nothing was ever said is active.
#[derive(Clone, Debug)]
pub struct TenantDoors {
    pub(super) kc: KingCong,
}

/// What the audit tells of what was said of a tenant.
#[derive(Serialize)]
struct TenantDetail<'a> {
    name: &'a TenantName,
    state: TenantState,
}

impl TenantDoors {
    /// Says what a tenant is called and whether it may order. A suspended tenant submits, retries and purchases
    /// nothing, from this moment on and in every process; what is under way goes on, and everything can be read.
    ///
    /// ```
    /// # use kingcong_core::{Error, KingCong, tenants::TenantState};
    /// # async fn example(kc: KingCong) -> Result<(), Error> {
    /// kc.tenants().set("acme", "Acme Ltd.", TenantState::Suspended).await?;
    /// let refused = kc.of("acme").wallets().purchase("user-1", "package-1", "order-17").await;
    /// assert!(matches!(refused, Err(Error::TenantSuspended { .. })));
    /// kc.tenants().set("acme", "Acme Ltd.", TenantState::Active).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// An id or a name that cannot be one, or a store that fails.
    pub async fn set(
        &self,
        id: impl AsRef<str>,
        name: impl AsRef<str>,
        state: TenantState,
    ) -> Result<Tenant, Error> {
        let inner = self.inner();
        inner.check_open()?;
        let entered = self.enter(Door::TenantsSet).await?;
        let (tenant, name) = (TenantId::new(id)?, TenantName::new(name)?);
        let audit =
            inner.audit(&entered, &Target::Tenant(tenant.clone()), &TenantDetail { name: &name, state });
        inner.administer(audit, SetTenant { tenant, name, state }).await
    }

    /// What is said of a tenant; `None` where nothing ever was: it is active then.
    ///
    /// # Errors
    /// An id that cannot be one, or a store that fails.
    pub async fn get(&self, id: impl AsRef<str>) -> Result<Option<Tenant>, Error> {
        self.enter(Door::TenantsGet).await?;
        Ok(self.inner().store.tenant(&TenantId::new(id)?).await?)
    }

    /// Tenants of which something is said, in the order of their ids, behind `after`; at most 1,000 at once.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn list(&self, after: Option<&TenantId>, limit: u32) -> Result<Vec<Tenant>, Error> {
        self.enter(Door::TenantsList).await?;
        Ok(self.inner().store.tenants(after, limit).await?)
    }
}
