//! The matrix of roles and doors: which role may use which door, and on whose rows.

use super::{Door, Role, RoleName};

/// How far a role reaches at a door.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reach {
    /// The role may not use the door.
    Nothing,
    /// The rows of the role's one user.
    OwnUser,
    /// The rows of the role's one tenant and of its users.
    OwnTenant,
    /// The rows of every tenant, and what all tenants share.
    All,
}

/// One cell of the matrix.
#[derive(Clone, Copy, PartialEq, Eq)]
enum May {
    Use,
    Not,
}

use May::{Not, Use};

/// One row of the matrix. The operator, who may use every door, has no cell.
struct Row {
    operator_billing: May,
    support: May,
    auditor: May,
    tenant_admin: May,
    tenant_billing: May,
    member: May,
}

/// The operator alone: servers, shared keys, the process itself, and every door that no other row is for.
const OPERATOR: Row = Row {
    operator_billing: Not,
    support: Not,
    auditor: Not,
    tenant_admin: Not,
    tenant_billing: Not,
    member: Not,
};

/// Prices and packages.
const OFFERS: Row = Row { operator_billing: Use, ..OPERATOR };

/// Corrections of balances.
const CORRECTIONS: Row = Row { operator_billing: Use, ..OPERATOR };

/// Refunds.
const REFUNDS: Row = Row { operator_billing: Use, support: Use, ..OPERATOR };

/// Ordering work, and stopping and retrying it.
const WORK: Row = Row { tenant_admin: Use, member: Use, ..OPERATOR };

/// Reading jobs, results, voices and wallets.
const READING: Row = Row { support: Use, tenant_admin: Use, tenant_billing: Use, member: Use, ..OPERATOR };

/// Buying credits.
const PURCHASES: Row = Row { operator_billing: Use, tenant_admin: Use, tenant_billing: Use, ..OPERATOR };

/// Reports.
const REPORTS: Row = Row {
    operator_billing: Use,
    support: Use,
    auditor: Use,
    tenant_admin: Use,
    tenant_billing: Use,
    member: Use,
};

/// What was done at doors of a tenant.
const AUDIT: Row = Row { auditor: Use, tenant_admin: Use, ..OPERATOR };

/// What was changed of what all tenants share.
const HISTORY: Row = Row { auditor: Use, ..OPERATOR };

impl Door {
    /// Its row of the matrix. The match has no wildcard, so a door without a row does not compile.
    const fn row(self) -> Row {
        match self {
            Self::Status
            | Self::Verify
            | Self::Monitor
            | Self::Pulse
            | Self::Backup
            | Self::Archive
            | Self::ConfigGet
            | Self::ConfigExplain
            | Self::ConfigSetRoute
            | Self::ConfigSetMaintenance
            | Self::ConfigSetWeights
            | Self::ConfigAddServer
            | Self::ConfigUpdateServer
            | Self::ConfigRemoveServer
            | Self::ConfigAddService
            | Self::KeysAdd
            | Self::KeysList
            | Self::KeysGet
            | Self::KeysSetLimits
            | Self::KeysEnable
            | Self::KeysDisable
            | Self::KeysRemove
            | Self::KeysCheck
            | Self::AccountsList
            | Self::AccountsSetLimits
            | Self::TenantsSet
            | Self::TenantsGet
            | Self::TenantsList
            | Self::VoicesOffered => OPERATOR,
            Self::PricesList
            | Self::PricesSet
            | Self::PricesWithdraw
            | Self::PricesRemove
            | Self::PackagesList
            | Self::PackagesSet
            | Self::PackagesRemove => OFFERS,
            Self::WalletsAdjust => CORRECTIONS,
            Self::WalletsRefund => REFUNDS,
            Self::Estimate | Self::Submit | Self::JobCancel | Self::JobRetry => WORK,
            Self::Jobs
            | Self::JobStatus
            | Self::JobWait
            | Self::JobEvents
            | Self::JobResult
            | Self::JobAudio
            | Self::JobSubtitles
            | Self::JobTaskOutput
            | Self::WalletsGet
            | Self::WalletsList
            | Self::WalletsHistory
            | Self::VoicesCloned => READING,
            Self::WalletsPurchase => PURCHASES,
            Self::ReportsErrors | Self::ReportsUsage | Self::ReportsSplit => REPORTS,
            Self::ReportsAudit => AUDIT,
            Self::ConfigHistory => HISTORY,
        }
    }

    /// Whether somebody of a role may use it.
    const fn cell(self, role: RoleName) -> May {
        let row = self.row();
        match role {
            RoleName::Operator => Use,
            RoleName::OperatorBilling => row.operator_billing,
            RoleName::Support => row.support,
            RoleName::Auditor => row.auditor,
            RoleName::TenantAdmin => row.tenant_admin,
            RoleName::TenantBilling => row.tenant_billing,
            RoleName::Member => row.member,
        }
    }

    /// The roles that may use it, the operator first.
    pub fn roles(self) -> impl Iterator<Item = RoleName> {
        RoleName::ALL.iter().copied().filter(move |role| self.cell(*role) == Use)
    }
}

impl Role {
    /// How far it reaches at a door: for the library's own check, and for hosts that show only what may be used.
    ///
    /// ```
    /// use kingcong_core::access::{Door, Reach, Role};
    ///
    /// let an = Role::member("acme", "an")?;
    /// assert_eq!(an.reach(Door::Submit), Reach::OwnUser);
    /// assert_eq!(an.reach(Door::WalletsAdjust), Reach::Nothing);
    /// assert_eq!(Role::Support.reach(Door::WalletsRefund), Reach::All);
    /// # Ok::<(), kingcong_core::id::InvalidId>(())
    /// ```
    #[must_use]
    pub const fn reach(&self, door: Door) -> Reach {
        match (door.cell(self.name()), self) {
            (Not, _) => Reach::Nothing,
            (Use, Self::Operator | Self::OperatorBilling | Self::Support | Self::Auditor) => Reach::All,
            (Use, Self::TenantAdmin { .. } | Self::TenantBilling { .. }) => Reach::OwnTenant,
            (Use, Self::Member { .. }) => Reach::OwnUser,
        }
    }
}
