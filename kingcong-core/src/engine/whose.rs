//! Whose rows a handle asks for.

use super::KingCong;
use crate::{
    access::Scope,
    error::Error,
    id::{InvalidId, TenantId},
};

/// Whose rows a handle asks for.
#[derive(Clone, Debug)]
pub(super) enum Whose {
    /// Those of every tenant.
    All,
    /// One tenant's, if its name can be one.
    Tenant(Result<TenantId, InvalidId>),
}

impl Whose {
    /// What a handle asks for that nobody said anything of.
    pub(super) fn main() -> Self {
        Self::Tenant(Ok(TenantId::main()))
    }
}

impl KingCong {
    /// A handle that asks for this tenant: its jobs, wallets and voices. What belongs to another is not found, and what
    /// is submitted or booked is this tenant's. A name that cannot be one is told at the first door.
    ///
    /// ```
    /// # use kingcong_core::{Error, KingCong, ledger::Owner};
    /// # async fn example(kc: KingCong) -> Result<(), Error> {
    /// let acme = kc.of("acme");
    /// acme.wallets().purchase(Owner::Tenant, "package-1", "order-17").await?;
    /// assert_eq!(acme.wallets().get(Owner::Tenant).await?.balance.get(), 1_000_000);
    /// assert_eq!(kc.wallets().get(Owner::Tenant).await?.balance.get(), 0);
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn of(&self, tenant: impl AsRef<str>) -> Self {
        Self { whose: Whose::Tenant(TenantId::new(tenant)), ..self.clone() }
    }

    /// A handle that asks for every tenant, for operators. It finds every job, and lists every wallet; what is
    /// submitted or booked, and whatever names a user, is one tenant's and refused.
    #[must_use]
    pub fn of_all(&self) -> Self {
        Self { whose: Whose::All, ..self.clone() }
    }

    /// Whose rows it sees.
    ///
    /// # Errors
    /// A tenant whose name cannot be one.
    pub fn scope(&self) -> Result<Scope, Error> {
        match &self.whose {
            Whose::All => Ok(Scope::All),
            Whose::Tenant(tenant) => Ok(Scope::Tenant(tenant.clone()?)),
        }
    }

    /// The one tenant that it asks for.
    pub(super) fn tenant(&self) -> Result<TenantId, Error> {
        match &self.whose {
            Whose::Tenant(tenant) => Ok(tenant.clone()?),
            Whose::All => {
                let (value, bounds) = ("every one".to_owned(), "one tenant: choose it with `of`");
                Err(Error::Setting { setting: "tenant", value, bounds })
            }
        }
    }
}
