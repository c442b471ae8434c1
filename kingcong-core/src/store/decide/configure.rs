//! Changing the configuration: compare-and-swap on its version. A server that moves elsewhere does not take
//! along the secrets that were given for where it was.

use std::sync::Arc;

use crate::{
    clock::Timestamp,
    keys::KeyStatus,
    pricing::{Price, PriceStart},
    routing::System,
    store::{Change, ConfigurationChange, Configure, NotConfigured, Tables},
};

pub(super) fn configure(
    tables: &mut Tables,
    configure: &Configure,
    now: Timestamp,
) -> Result<i64, NotConfigured> {
    let version = tables.configuration.version;
    if version != configure.expected_version {
        return Err(NotConfigured::Stale { version });
    }
    let mut configuration = (*tables.configuration).clone();
    match &configure.change {
        ConfigurationChange::Preset(_) if version > 0 => return Err(NotConfigured::Stale { version }),
        ConfigurationChange::Preset(preset) => configuration = (**preset).clone(),
        ConfigurationChange::System(command) => {
            configuration.system = configuration.system.apply(command).map_err(NotConfigured::Refused)?;
        }
        ConfigurationChange::SetPrice { price, start } => {
            configuration.system.known_route(&price.route).map_err(NotConfigured::Refused)?;
            let since = match start {
                PriceStart::Now => now,
                PriceStart::At(since) => *since,
            };
            let price = Price { since, ..(**price).clone() };
            configuration.prices.set(price, now).map_err(NotConfigured::Price)?;
        }
        ConfigurationChange::WithdrawPrice { route, model, operation, since } => {
            let withdrawn = configuration.prices.withdraw(route, model.as_deref(), *operation, *since, now);
            withdrawn.map_err(NotConfigured::Price)?.ok_or(NotConfigured::NotFound)?;
        }
        ConfigurationChange::RemovePrice { route, model, operation } => {
            if configuration.prices.remove(route, model.as_deref(), *operation) == 0 {
                return Err(NotConfigured::NotFound);
            }
        }
        ConfigurationChange::SetPackage(package) => {
            configuration.packages.set((**package).clone()).map_err(NotConfigured::Package)?;
        }
        ConfigurationChange::RemovePackage(id) => {
            configuration.packages.remove(id).ok_or(NotConfigured::NotFound)?;
        }
    }
    suspend_moved(tables, &configuration.system);
    configuration.version = version + 1;
    tables.configuration = Arc::new(configuration);
    // What an earlier command of the batch made is still to be inserted.
    let change = if version == 0 { Change::New } else { Change::Updated };
    tables.configuration_change.get_or_insert(change);
    Ok(version + 1)
}

/// Takes the keys of servers that are not where they were out of their pools, until each is registered again.
fn suspend_moved(tables: &mut Tables, next: &System) {
    for (server, registered_for) in tables.configuration.system.moved(next) {
        let keys = tables.keys().iter().filter(|(_, key)| key.route.server == server);
        let ids: Vec<_> = keys.map(|(id, _)| *id).collect();
        for id in ids {
            let Some(key) = tables.keys().get(&id) else { continue };
            if matches!(key.status, KeyStatus::Removed | KeyStatus::Suspended { .. }) {
                continue;
            }
            let status = KeyStatus::Suspended { registered_for: registered_for.clone() };
            super::keys::set_status(tables, id, status);
        }
    }
}
