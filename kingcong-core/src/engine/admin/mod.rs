//! The admin doors, in groups. Each names who acts ([`Actor`], `system` unless said by `by`) and leaves an audit row.

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

use super::{Inner, KingCong};
use crate::{
    error::Error,
    id::{Actor, AuditId, InvalidId},
    money::Unit,
    store::{Command, ConfigurationChange, Configure, NewAudit, NotConfigured, Outcome},
};

/// How often a change is made again because somebody else changed the configuration meanwhile.
const CHANGES_MAX: u32 = 5;

/// Who acts when nobody is named.
const SYSTEM: &str = "system";

pub(super) fn system_actor() -> Result<Actor, InvalidId> {
    Actor::new(SYSTEM)
}

macro_rules! door_groups {
    ($($(#[$doc:meta])* $method:ident: $group:ident $({ $field:ident: $value:expr })?),* $(,)?) => {
        impl KingCong {
            $($(#[$doc])*
            #[must_use]
            pub fn $method(&self) -> $group {
                $group { kc: self.clone(), actor: system_actor() $(, $field: $value)? }
            })*
        }

        $(impl $group {
            /// Acts in this name, for the audit.
            #[must_use]
            pub fn by(mut self, actor: impl AsRef<str>) -> Self {
                self.actor = Actor::new(actor);
                self
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
    pub(super) fn audit(&self, actor: &Actor, door: &'static str, detail: &impl std::fmt::Debug) -> NewAudit {
        let detail = serde_json::json!({ "change": format!("{detail:?}") }).to_string();
        NewAudit { id: AuditId::from_uuid(self.ids.uuid()), actor: actor.clone(), door, detail }
    }

    /// Changes the configuration that stands; made again on the newer one when somebody else was faster.
    async fn configure(
        self: &std::sync::Arc<Self>,
        actor: &Result<Actor, InvalidId>,
        door: &'static str,
        change: ConfigurationChange,
    ) -> Result<i64, Error> {
        self.check_open()?;
        let actor = actor.clone()?;
        for _ in 0..CHANGES_MAX {
            let version = self.refresh().await?.configuration.version;
            match self.configure_at(version, change.clone(), &actor, door).await {
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
        actor: &Actor,
        door: &'static str,
    ) -> Result<i64, Error> {
        let audit = match &change {
            ConfigurationChange::Preset(_) => self.audit(actor, door, &"preset"),
            change => self.audit(actor, door, change),
        };
        let wanted = wanted(&change);
        let configure = Configure { expected_version, change, audit };
        match self.execute(Command::Configure(Box::new(configure))).await? {
            Outcome::Configure(Ok(version)) => Ok(version),
            Outcome::Configure(Err(NotConfigured::Stale { .. })) => Err(Error::Contended),
            Outcome::Configure(Err(NotConfigured::Refused(error))) => Err(error.into()),
            Outcome::Configure(Err(NotConfigured::Price(error))) => Err(error.into()),
            Outcome::Configure(Err(NotConfigured::Package(error))) => Err(error.into()),
            Outcome::Configure(Err(NotConfigured::NotFound)) => {
                Err(Error::NotFound { what: "price or package", name: wanted })
            }
            other => unreachable!("configuring answers with a version, not {other:?}"),
        }
    }
}

/// What a change needs to be there.
fn wanted(change: &ConfigurationChange) -> String {
    match change {
        ConfigurationChange::RemovePrice { route, model, operation } => {
            format!("{operation} on {route} (model {})", model.as_deref().unwrap_or("any"))
        }
        ConfigurationChange::RemovePackage(id) => id.to_string(),
        ConfigurationChange::Preset(_)
        | ConfigurationChange::System(_)
        | ConfigurationChange::SetPrice(_)
        | ConfigurationChange::SetPackage(_) => String::new(),
    }
}
