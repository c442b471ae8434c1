//! Configuration doors.

use std::collections::{BTreeMap, BTreeSet};

use super::{Entered, KingCong};
use crate::{
    access::Door,
    error::Error,
    id::{InvalidId, Route, ServerId, ServiceId},
    routing::{Explanation, Maintenance, Server, ServerChange, Service, System, SystemCommand},
    store::{AuditEntry, AuditOf, ConfigurationChange},
    switch::Switch,
};

/// Servers, services, routes, weights, maintenance. Each change is acknowledged when it is durable; nothing starts
/// against it after that, in any process.
#[derive(Clone, Debug)]
pub struct ConfigDoors {
    pub(super) kc: KingCong,
}

impl ConfigDoors {
    /// The configuration as it stands.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn get(&self) -> Result<System, Error> {
        self.enter(Door::ConfigGet).await?;
        Ok(self.inner().refresh().await?.configuration.system.clone())
    }

    /// The classification of the whole and, per service, where it is served or what the user is told.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn explain(&self) -> Result<Explanation, Error> {
        self.enter(Door::ConfigExplain).await?;
        Ok(self.inner().refresh().await?.configuration.system.explain())
    }

    /// Switches a route on or off.
    ///
    /// # Errors
    /// An unknown server or service, or a store that fails.
    pub async fn set_route(&self, server: &str, service: &str, switch: Switch) -> Result<(), Error> {
        let entered = self.enter(Door::ConfigSetRoute).await?;
        let route = Route::new(ServerId::new(server)?, ServiceId::new(service)?);
        self.change(&entered, SystemCommand::SetRoute { route, switch }).await
    }

    /// Puts services under maintenance, or the whole, or nothing any more. Running calls finish, queued tasks wait,
    /// and go on when it is lifted.
    ///
    /// # Errors
    /// An unknown service, or a store that fails.
    pub async fn set_maintenance(&self, maintenance: Maintenance) -> Result<(), Error> {
        let entered = self.enter(Door::ConfigSetMaintenance).await?;
        self.change(&entered, SystemCommand::SetMaintenance(maintenance)).await
    }

    /// Puts these services under maintenance, and no other.
    ///
    /// # Errors
    /// An unknown service, or a store that fails.
    pub async fn set_service_maintenance(&self, services: &[&str]) -> Result<(), Error> {
        let entered = self.enter(Door::ConfigSetMaintenance).await?;
        let services: BTreeSet<ServiceId> =
            services.iter().map(ServiceId::new).collect::<Result<_, InvalidId>>()?;
        let none = services.is_empty();
        let maintenance = if none { Maintenance::None } else { Maintenance::Services(services) };
        self.change(&entered, SystemCommand::SetMaintenance(maintenance)).await
    }

    /// Sets the weights that tasks are split by; the next task follows them.
    ///
    /// # Errors
    /// An unknown server, weights that are all zero or too large, or a store that fails.
    pub async fn set_weights(&self, weights: &[(&str, u32)]) -> Result<(), Error> {
        let entered = self.enter(Door::ConfigSetWeights).await?;
        let weights: BTreeMap<ServerId, u32> = weights
            .iter()
            .map(|(server, weight)| Ok((ServerId::new(server)?, *weight)))
            .collect::<Result<_, InvalidId>>()?;
        self.change(&entered, SystemCommand::SetWeights(weights)).await
    }

    /// Adds a server with the services that it sells. No code is needed when it speaks a known protocol.
    ///
    /// # Errors
    /// A server of that name, an unknown service, a protocol that this process does not speak, or a store that fails.
    pub async fn add_server(
        &self,
        id: &str,
        server: Server,
        services: &[(&str, Switch)],
    ) -> Result<(), Error> {
        let entered = self.enter(Door::ConfigAddServer).await?;
        let id = ServerId::new(id)?;
        if !self.inner().providers.is_empty() && !self.inner().providers.contains_key(&server.protocol) {
            let protocol = server.protocol.to_string();
            return Err(Error::NoProvider { server: id.to_string(), protocol });
        }
        let services: BTreeMap<ServiceId, Switch> = services
            .iter()
            .map(|(service, switch)| Ok((ServiceId::new(service)?, *switch)))
            .collect::<Result<_, InvalidId>>()?;
        self.change(&entered, SystemCommand::AddServer { id, server, services }).await
    }

    /// Removes a server; tasks planned on it move to others that they were admitted for. Its keys are suspended: a
    /// server that is added under the same name later may be another.
    ///
    /// # Errors
    /// An unknown server, or a store that fails.
    pub async fn remove_server(&self, id: &str) -> Result<(), Error> {
        let entered = self.enter(Door::ConfigRemoveServer).await?;
        self.change(&entered, SystemCommand::RemoveServer(ServerId::new(id)?)).await
    }

    /// Changes a server; what is not named stays, its protocol in any case.
    ///
    /// A base URL with another scheme, host or port suspends the server's keys in the same batch
    /// ([`KeyStatus::Suspended`](crate::keys::KeyStatus::Suspended)): a secret goes to nobody but whom it was
    /// registered for. Each is used again once it is registered again.
    ///
    /// # Errors
    /// An unknown server, weights that are all zero or too large, or a store that fails.
    pub async fn update_server(&self, id: &str, change: ServerChange) -> Result<(), Error> {
        let entered = self.enter(Door::ConfigUpdateServer).await?;
        let id = ServerId::new(id)?;
        self.change(&entered, SystemCommand::UpdateServer { id, change }).await
    }

    /// Adds a service, to be sold on routes.
    ///
    /// # Errors
    /// A service of that name, or a store that fails.
    pub async fn add_service(&self, id: &str, name: &str) -> Result<(), Error> {
        let entered = self.enter(Door::ConfigAddService).await?;
        let (id, service) = (ServiceId::new(id)?, Service { name: name.to_owned() });
        self.change(&entered, SystemCommand::AddService { id, service }).await
    }

    /// What was changed of all that tenants share (servers, prices, packages, shared keys and their accounts), newest
    /// first; at most 1,000 at once. It is the part of [`ReportDoors::audit`](super::ReportDoors::audit) that is of no
    /// tenant.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn history(&self, limit: u32) -> Result<Vec<AuditEntry>, Error> {
        self.enter(Door::ConfigHistory).await?;
        Ok(self.inner().store.audit(&AuditOf::Shared, None, limit).await?)
    }

    async fn change(&self, entered: &Entered, command: SystemCommand) -> Result<(), Error> {
        self.inner().configure(entered, ConfigurationChange::System(command)).await.map(drop)
    }
}
