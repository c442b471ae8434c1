//! What an audited door was used on.

use std::fmt;

use crate::{
    id::{JobId, KeyId, PackageId, Route, ServerId, ServiceId, TenantId},
    ledger::WalletKey,
};

/// What an audited door was used on. The audit keeps it as text, its kind first: `key 01932c07-…`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// The configuration as a whole.
    Configuration,
    /// A server.
    Server(ServerId),
    /// A service.
    Service(ServiceId),
    /// A route.
    Route(Route),
    /// The prices of a route.
    Price(Route),
    /// A package of credits.
    Package(PackageId),
    /// An upstream key.
    Key(KeyId),
    /// An upstream account of a server.
    Account {
        /// The server.
        server: ServerId,
        /// The account.
        account: String,
    },
    /// A tenant.
    Tenant(TenantId),
    /// A wallet.
    Wallet(WalletKey),
    /// A job.
    Job {
        /// Whose.
        tenant: TenantId,
        /// Its id.
        job: JobId,
    },
}

impl Target {
    /// The tenant that it belongs to; none for what all tenants share.
    #[must_use]
    pub const fn tenant(&self) -> Option<&TenantId> {
        match self {
            Self::Tenant(tenant) => Some(tenant),
            Self::Wallet(wallet) => Some(&wallet.tenant),
            Self::Job { tenant, .. } => Some(tenant),
            Self::Configuration
            | Self::Server(_)
            | Self::Service(_)
            | Self::Route(_)
            | Self::Price(_)
            | Self::Package(_)
            | Self::Key(_)
            | Self::Account { .. } => None,
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Configuration => f.write_str("configuration"),
            Self::Server(server) => write!(f, "server {server}"),
            Self::Service(service) => write!(f, "service {service}"),
            Self::Route(route) => write!(f, "route {route}"),
            Self::Price(route) => write!(f, "price {route}"),
            Self::Package(package) => write!(f, "package {package}"),
            Self::Key(key) => write!(f, "key {key}"),
            Self::Account { server, account } => write!(f, "account {account} of {server}"),
            Self::Tenant(tenant) => write!(f, "tenant {tenant}"),
            Self::Wallet(wallet) => write!(f, "wallet of {} in {}", wallet.owner, wallet.unit),
            Self::Job { job, .. } => write!(f, "job {job}"),
        }
    }
}
