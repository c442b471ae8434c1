//! Whose rows may be seen. A [`Scope`] is an argument of every read and command of rows that belong to somebody: what
//! lies outside of it is not found, in the same words and by the same statements as what does not exist.

use crate::{
    id::{TenantId, UserId},
    ledger::{Owner, WalletKey},
};

/// Whose rows may be seen.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scope {
    /// Those of every tenant.
    All,
    /// One tenant's: its own and those of its users.
    Tenant(TenantId),
    /// One user's.
    User(TenantId, UserId),
}

impl Scope {
    /// Whether a user's rows, such as jobs, may be seen.
    #[must_use]
    pub fn covers(&self, tenant: &TenantId, user: &UserId) -> bool {
        match self {
            Self::All => true,
            Self::Tenant(own) => own == tenant,
            Self::User(own, name) => own == tenant && name == user,
        }
    }

    /// Whether a wallet may be seen.
    #[must_use]
    pub fn covers_wallet(&self, wallet: &WalletKey) -> bool {
        match &wallet.owner {
            Owner::User(user) => self.covers(&wallet.tenant, user),
            Owner::Tenant => match self {
                Self::All => true,
                Self::Tenant(own) => *own == wallet.tenant,
                Self::User(..) => false,
            },
        }
    }
}
