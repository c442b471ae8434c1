//! The admin doors, in groups. Each asks first whether the handle's caller may use it, and each change leaves an audit
//! row in the caller's name.

mod accounts;
mod config;
mod keys;
mod prices;
mod reports;
mod tenants;
mod voices;
mod wallets;

pub use accounts::{AccountDoors, AccountReport};
pub use config::ConfigDoors;
pub use keys::{KeyDoors, NewKey};
pub use prices::{PackageDoors, PriceDoors};
pub use reports::{ReportDoors, SplitShare};
pub use tenants::TenantDoors;
pub use voices::VoiceDoors;
pub use wallets::{Purchase, WalletDoors};

use super::{Inner, KingCong, whose::Entered};
use crate::{
    access::{Door, Target},
    error::Error,
    money::Unit,
    routing::SystemCommand,
    store::{Act, Command, ConfigurationChange, Configure, NewAudit, NotConfigured, Outcome},
};

/// How often a change is made again because somebody else changed the configuration meanwhile.
const CHANGES_MAX: u32 = 5;

macro_rules! door_groups {
    ($($(#[$doc:meta])* $method:ident: $group:ident $({ $field:ident: $value:expr })?),* $(,)?) => {
        impl KingCong {
            $($(#[$doc])*
            #[must_use]
            pub fn $method(&self) -> $group {
                $group { kc: self.clone() $(, $field: $value)? }
            })*
        }

        $(impl $group {
            async fn enter(&self, door: Door) -> Result<Entered, Error> {
                self.kc.entered(door).await
            }

            fn inner(&self) -> &std::sync::Arc<Inner> {
                &self.kc.inner
            }
        })*
    };
}

door_groups! {
    /// Upstream accounts that several keys share.
    accounts: AccountDoors,
    /// Servers, services, routes, weights, maintenance.
    config: ConfigDoors,
    /// Upstream keys.
    keys: KeyDoors,
    /// Packages of credits.
    packages: PackageDoors,
    /// Prices.
    prices: PriceDoors,
    /// What happened.
    reports: ReportDoors,
    /// Tenants: their names, and who is suspended.
    tenants: TenantDoors,
    /// Voices, the upstreams' and the cloned ones.
    voices: VoiceDoors,
    /// Wallets and their ledger, in KingCong credits unless [`WalletDoors::unit`] says otherwise.
    wallets: WalletDoors { unit: Unit::CREDIT },
}

impl Inner {
    /// Changes the configuration that stands; made again on the newer one when somebody else was faster.
    async fn configure(
        self: &std::sync::Arc<Self>,
        entered: &Entered,
        change: ConfigurationChange,
    ) -> Result<i64, Error> {
        self.check_open()?;
        for _ in 0..CHANGES_MAX {
            let version = self.refresh().await?.configuration.version;
            let audit = self.audit(entered, &target(&change), &change);
            match self.configure_at(version, change.clone(), audit).await {
                Err(Error::Contended) => {}
                Ok(version) => {
                    self.refresh().await?;
                    return Ok(version);
                }
                Err(error) => return Err(error),
            }
        }
        Err(Error::Contended)
    }

    /// Changes the configuration if it still has that version; [`Error::Contended`] when it has not.
    pub(super) async fn configure_at(
        &self,
        expected_version: i64,
        change: ConfigurationChange,
        audit: NewAudit,
    ) -> Result<i64, Error> {
        let wanted = wanted(&change);
        match self.administer(audit, Configure { expected_version, change }).await? {
            Ok(version) => Ok(version),
            Err(NotConfigured::Stale { .. }) => Err(Error::Contended),
            Err(NotConfigured::Refused(error)) => Err(error.into()),
            Err(NotConfigured::Price(error)) => Err(error.into()),
            Err(NotConfigured::Package(error)) => Err(error.into()),
            Err(NotConfigured::NotFound) => Err(Error::NotFound { what: "price or package", name: wanted }),
        }
    }

    /// Does what an administrator asks for, with its audit row.
    async fn administer<A: Act>(&self, audit: NewAudit, act: A) -> Result<A::Answer, Error> {
        match self.execute(Command::admin(audit, act)).await? {
            Outcome::Admin(answer) => Ok(A::answer(answer).expect("an act gets the answer of its kind")),
            other => unreachable!("an administrator's act gets an answer, not {other:?}"),
        }
    }
}

/// What a change is made to.
fn target(change: &ConfigurationChange) -> Target {
    match change {
        ConfigurationChange::Preset(_) => Target::Configuration,
        ConfigurationChange::System(command) => match command {
            SystemCommand::SetRoute { route, .. } => Target::Route(route.clone()),
            SystemCommand::SetMaintenance(_) | SystemCommand::SetWeights(_) => Target::Configuration,
            SystemCommand::AddServer { id, .. }
            | SystemCommand::RemoveServer(id)
            | SystemCommand::UpdateServer { id, .. } => Target::Server(id.clone()),
            SystemCommand::AddService { id, .. } => Target::Service(id.clone()),
        },
        ConfigurationChange::SetPrice { price, .. } => Target::Price(price.route.clone()),
        ConfigurationChange::WithdrawPrice { route, .. } | ConfigurationChange::RemovePrice { route, .. } => {
            Target::Price(route.clone())
        }
        ConfigurationChange::SetPackage(package) => Target::Package(package.id.clone()),
        ConfigurationChange::RemovePackage(id) => Target::Package(id.clone()),
    }
}

/// What a change needs to be there.
fn wanted(change: &ConfigurationChange) -> String {
    match change {
        ConfigurationChange::WithdrawPrice { route, model, operation, since } => {
            format!("{operation} on {route} (model {}) since {since}", model.as_deref().unwrap_or("any"))
        }
        ConfigurationChange::RemovePrice { route, model, operation } => {
            format!("{operation} on {route} (model {})", model.as_deref().unwrap_or("any"))
        }
        ConfigurationChange::RemovePackage(id) => id.to_string(),
        ConfigurationChange::Preset(_)
        | ConfigurationChange::System(_)
        | ConfigurationChange::SetPrice { .. }
        | ConfigurationChange::SetPackage(_) => String::new(),
    }
}
