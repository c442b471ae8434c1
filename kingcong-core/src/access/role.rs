//! Roles: what somebody is to the library.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::id::{InvalidId, TenantId, UserId};

/// What somebody is to the library, with the tenant and the user where the role is of one. The host gives roles to its
/// people; the library knows which doors a role may use ([`Role::reach`]).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Role {
    /// Runs the library: every door, of every tenant.
    Operator,
    /// Keeps the operator's books: prices, packages and money, of every tenant.
    OperatorBilling,
    /// Helps users: reads their jobs, wallets and reports, and refunds; of every tenant.
    Support,
    /// Reads reports and the audit, of every tenant.
    Auditor,
    /// Runs one tenant.
    TenantAdmin {
        /// The tenant.
        tenant: TenantId,
    },
    /// Keeps one tenant's books: buys credits, and reads its jobs, wallets and reports.
    TenantBilling {
        /// The tenant.
        tenant: TenantId,
    },
    /// One user of a tenant, with what is the user's own.
    Member {
        /// The tenant.
        tenant: TenantId,
        /// The user.
        user: UserId,
    },
}

/// The name of a role, as it stands in the audit and in other languages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RoleName {
    /// [`Role::Operator`].
    Operator,
    /// [`Role::OperatorBilling`].
    OperatorBilling,
    /// [`Role::Support`].
    Support,
    /// [`Role::Auditor`].
    Auditor,
    /// [`Role::TenantAdmin`].
    TenantAdmin,
    /// [`Role::TenantBilling`].
    TenantBilling,
    /// [`Role::Member`].
    Member,
}

/// Why words make no role.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidRole {
    /// There is no role of that name.
    #[error("there is no role {name:?}: name one of {}", names(RoleName::ALL))]
    Unknown {
        /// What was given, cut to 64 characters.
        name: String,
    },
    /// The role is of a tenant or a user, and none is named.
    #[error("role {role} has no {what}: name the {what} that it is for")]
    Incomplete {
        /// The role.
        role: RoleName,
        /// What is missing.
        what: &'static str,
    },
    /// The role is of no tenant, or of no one user, and one is named.
    #[error(
        "role {role} is not of one {what}, and {what} {name:?} is named: leave it out, or name another role"
    )]
    TooNarrow {
        /// The role.
        role: RoleName,
        /// What is too much.
        what: &'static str,
        /// What was given, cut to 64 characters.
        name: String,
    },
    /// A tenant's or a user's name cannot be one.
    #[error(transparent)]
    Id(#[from] InvalidId),
}

/// Names in one list.
fn names(roles: &[RoleName]) -> String {
    roles.iter().map(|role| role.as_str()).collect::<Vec<_>>().join(", ")
}

fn cut(text: &str) -> String {
    text.chars().take(64).collect()
}

impl Role {
    /// The role that these words name, as faces and hosts have them: its name, and the tenant and user where the role
    /// is of one.
    ///
    /// ```
    /// use kingcong_core::access::Role;
    ///
    /// assert_eq!(Role::named("member", Some("acme"), Some("an"))?, Role::member("acme", "an")?);
    /// let refused = Role::named("member", Some("acme"), None).unwrap_err();
    /// assert_eq!(refused.to_string(), "role member has no user: name the user that it is for");
    /// # Ok::<(), kingcong_core::access::InvalidRole>(())
    /// ```
    ///
    /// # Errors
    /// A name of no role, a tenant or user that is missing, too much, or cannot be one.
    pub fn named(name: &str, tenant: Option<&str>, user: Option<&str>) -> Result<Self, InvalidRole> {
        let role: RoleName = name.parse()?;
        let none = |what, given: Option<&str>| match given {
            None => Ok(()),
            Some(name) => Err(InvalidRole::TooNarrow { role, what, name: cut(name) }),
        };
        let some = |what, given: Option<&'_ str>| match given {
            None => Err(InvalidRole::Incomplete { role, what }),
            Some(name) => Ok(name.to_owned()),
        };
        let of_none = |role| none("tenant", tenant).and(none("user", user)).map(|()| role);
        let of_tenant = || -> Result<TenantId, InvalidRole> {
            none("user", user)?;
            Ok(TenantId::new(some("tenant", tenant)?)?)
        };
        match role {
            RoleName::Operator => of_none(Self::Operator),
            RoleName::OperatorBilling => of_none(Self::OperatorBilling),
            RoleName::Support => of_none(Self::Support),
            RoleName::Auditor => of_none(Self::Auditor),
            RoleName::TenantAdmin => Ok(Self::TenantAdmin { tenant: of_tenant()? }),
            RoleName::TenantBilling => Ok(Self::TenantBilling { tenant: of_tenant()? }),
            RoleName::Member => Ok(Self::member(some("tenant", tenant)?, some("user", user)?)?),
        }
    }

    /// Runs this tenant.
    ///
    /// # Errors
    /// A name that cannot be a tenant's.
    pub fn tenant_admin(tenant: impl AsRef<str>) -> Result<Self, InvalidId> {
        Ok(Self::TenantAdmin { tenant: TenantId::new(tenant)? })
    }

    /// Keeps this tenant's books.
    ///
    /// # Errors
    /// A name that cannot be a tenant's.
    pub fn tenant_billing(tenant: impl AsRef<str>) -> Result<Self, InvalidId> {
        Ok(Self::TenantBilling { tenant: TenantId::new(tenant)? })
    }

    /// This user of this tenant.
    ///
    /// # Errors
    /// A name that cannot be a tenant's or a user's.
    pub fn member(tenant: impl AsRef<str>, user: impl AsRef<str>) -> Result<Self, InvalidId> {
        Ok(Self::Member { tenant: TenantId::new(tenant)?, user: UserId::new(user)? })
    }

    /// Its name.
    #[must_use]
    pub const fn name(&self) -> RoleName {
        match self {
            Self::Operator => RoleName::Operator,
            Self::OperatorBilling => RoleName::OperatorBilling,
            Self::Support => RoleName::Support,
            Self::Auditor => RoleName::Auditor,
            Self::TenantAdmin { .. } => RoleName::TenantAdmin,
            Self::TenantBilling { .. } => RoleName::TenantBilling,
            Self::Member { .. } => RoleName::Member,
        }
    }

    /// The one tenant that it is of.
    #[must_use]
    pub const fn tenant(&self) -> Option<&TenantId> {
        match self {
            Self::Operator | Self::OperatorBilling | Self::Support | Self::Auditor => None,
            Self::TenantAdmin { tenant } | Self::TenantBilling { tenant } | Self::Member { tenant, .. } => {
                Some(tenant)
            }
        }
    }
}

impl RoleName {
    /// Every role's.
    pub const ALL: &[Self] = &[
        Self::Operator,
        Self::OperatorBilling,
        Self::Support,
        Self::Auditor,
        Self::TenantAdmin,
        Self::TenantBilling,
        Self::Member,
    ];

    /// The name as text, such as `tenant_admin`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Operator => "operator",
            Self::OperatorBilling => "operator_billing",
            Self::Support => "support",
            Self::Auditor => "auditor",
            Self::TenantAdmin => "tenant_admin",
            Self::TenantBilling => "tenant_billing",
            Self::Member => "member",
        }
    }
}

impl fmt::Display for RoleName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for RoleName {
    type Err = InvalidRole;

    fn from_str(text: &str) -> Result<Self, InvalidRole> {
        let known = Self::ALL.iter().find(|role| role.as_str() == text);
        known.copied().ok_or_else(|| InvalidRole::Unknown { name: cut(text) })
    }
}
