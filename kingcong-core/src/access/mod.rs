//! Who may do what, and whose rows may be seen.
//!
//! An [`Access`] says who acts and in which [`Role`]. The matrix of roles and [`Door`]s says how far the role reaches
//! there ([`Role::reach`]). From both follows the [`Scope`], an argument of every read and command of rows that belong
//! to somebody: what lies outside of it is not found, in the same words and by the same statements as what does not
//! exist. The host authenticates, and the library authorises.

mod door;
mod matrix;
mod refusals;
mod role;
mod target;

pub use door::Door;
pub use matrix::Reach;
pub use refusals::{Recorded, Refusals};
pub use role::{InvalidRole, Role, RoleName};
pub use target::Target;

use crate::{
    clock::Timestamp,
    id::{Actor, InvalidId, TenantId, UserId},
    ledger::{Owner, WalletKey},
};

/// Who acts, and in which role. The host knows who is there; the library believes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Access {
    /// Who, for the audit: a person or a part of the host.
    pub actor: Actor,
    /// In which role.
    pub role: Role,
    /// Until when, by the store's time; for ever when absent.
    pub until: Option<Timestamp>,
}

/// Why somebody is not let through a door.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Denied {
    /// The access has ended.
    Expired {
        /// When.
        until: Timestamp,
    },
    /// The role may not use the door.
    Role,
    /// The role does not reach these rows: they are not found.
    Elsewhere,
}

impl Access {
    /// What a handle acts by where nothing is said.
    #[must_use]
    pub fn system() -> Self {
        Self { actor: Actor::system(), role: Role::Operator, until: None }
    }

    /// This actor in this role, for ever.
    ///
    /// ```
    /// use kingcong_core::access::{Access, Role};
    ///
    /// let access = Access::new("an", Role::member("acme", "an")?)?;
    /// # Ok::<(), kingcong_core::id::InvalidId>(())
    /// ```
    ///
    /// # Errors
    /// A name that cannot be an actor's.
    pub fn new(actor: impl AsRef<str>, role: Role) -> Result<Self, InvalidId> {
        Ok(Self { actor: Actor::new(actor)?, role, until: None })
    }

    /// The same, until an instant of the store's time.
    #[must_use]
    pub fn until(self, until: Timestamp) -> Self {
        Self { until: Some(until), ..self }
    }

    /// The rows that it reaches at a door at the instant `now`, among those that were `chosen`.
    ///
    /// # Errors
    /// Why it is not let through.
    pub fn scope_at(&self, door: Door, chosen: &Scope, now: Timestamp) -> Result<Scope, Denied> {
        if let Some(until) = self.until.filter(|until| *until <= now) {
            return Err(Denied::Expired { until });
        }
        if self.role.reach(door) == Reach::Nothing {
            return Err(Denied::Role);
        }
        let own = match &self.role {
            Role::Operator | Role::OperatorBilling | Role::Support | Role::Auditor => {
                return Ok(chosen.clone());
            }
            Role::TenantAdmin { tenant } | Role::TenantBilling { tenant } => Scope::Tenant(tenant.clone()),
            Role::Member { tenant, user } => Scope::User(tenant.clone(), user.clone()),
        };
        if chosen.tenant() == self.role.tenant() { Ok(own) } else { Err(Denied::Elsewhere) }
    }
}

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
    /// The one tenant that it is of.
    #[must_use]
    pub const fn tenant(&self) -> Option<&TenantId> {
        match self {
            Self::All => None,
            Self::Tenant(tenant) | Self::User(tenant, _) => Some(tenant),
        }
    }

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

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn roles() -> [Role; 7] {
        [
            Role::Operator,
            Role::OperatorBilling,
            Role::Support,
            Role::Auditor,
            Role::tenant_admin("acme").unwrap(),
            Role::tenant_billing("acme").unwrap(),
            Role::member("acme", "an").unwrap(),
        ]
    }

    #[test]
    fn every_door_has_a_name_of_its_own_and_is_the_operators() {
        let names: BTreeSet<&str> = Door::ALL.iter().map(|door| door.name()).collect();
        assert_eq!(names.len(), Door::ALL.len());
        for door in Door::ALL {
            assert_eq!(Role::Operator.reach(*door), Reach::All);
            assert_eq!(door.roles().next(), Some(RoleName::Operator));
        }
    }

    #[test]
    fn every_role_is_named_by_its_words() {
        let named = roles().map(|role| {
            let user = match &role {
                Role::Member { user, .. } => Some(user.as_str()),
                _ => None,
            };
            Role::named(role.name().as_str(), role.tenant().map(TenantId::as_str), user).unwrap()
        });
        assert_eq!(named, roles());
        assert_eq!(roles().map(|role| role.name()), RoleName::ALL);
    }

    #[test]
    fn words_that_make_no_role_are_refused() {
        for (role, tenant, user, told) in [
            (
                "admin",
                None,
                None,
                "there is no role \"admin\": name one of operator, operator_billing, support",
            ),
            (
                "operator",
                Some("acme"),
                None,
                "role operator is not of one tenant, and tenant \"acme\" is named",
            ),
            ("auditor", None, Some("an"), "role auditor is not of one user"),
            ("tenant_admin", None, None, "role tenant_admin has no tenant: name the tenant that it is for"),
            ("tenant_billing", Some("acme"), Some("an"), "role tenant_billing is not of one user"),
            ("tenant_admin", Some(""), None, "TenantId \"\" must be 1 to 190 bytes"),
            ("member", None, Some("an"), "role member has no tenant"),
            ("member", Some("acme"), None, "role member has no user"),
            ("member", Some("acme"), Some(" "), "UserId \" \" must be"),
        ] {
            let refused = Role::named(role, tenant, user).unwrap_err().to_string();
            assert!(refused.starts_with(told), "{refused}");
        }
    }

    /// No role reaches rows beyond its own tenant or user, whatever is chosen.
    #[test]
    fn a_scope_is_never_wider_than_the_role() {
        let [acme, umbra] = ["acme", "umbra"].map(|name| TenantId::new(name).unwrap());
        let chosen = [Scope::All, Scope::Tenant(acme.clone()), Scope::Tenant(umbra.clone())];
        for role in roles() {
            let access = Access::new("somebody", role).unwrap();
            for door in Door::ALL {
                for chosen in &chosen {
                    let scope = access.scope_at(*door, chosen, Timestamp::EPOCH);
                    let expected = match (access.role.reach(*door), chosen) {
                        (Reach::Nothing, _) => Err(Denied::Role),
                        (Reach::All, chosen) => Ok(chosen.clone()),
                        (Reach::OwnTenant, Scope::Tenant(tenant)) if *tenant == acme => Ok(chosen.clone()),
                        (Reach::OwnUser, Scope::Tenant(tenant)) if *tenant == acme => {
                            Ok(Scope::User(acme.clone(), UserId::new("an").unwrap()))
                        }
                        _ => Err(Denied::Elsewhere),
                    };
                    assert_eq!(scope, expected, "{:?} at {door} of {chosen:?}", access.role);
                }
            }
        }
    }

    #[test]
    fn an_access_ends_at_its_instant() {
        let until = Timestamp::from_micros(7);
        let access = Access::new("an", Role::Operator).unwrap().until(until);
        let at = |now| access.scope_at(Door::Status, &Scope::All, Timestamp::from_micros(now));
        assert_eq!((at(6), at(7)), (Ok(Scope::All), Err(Denied::Expired { until })));
    }
}
