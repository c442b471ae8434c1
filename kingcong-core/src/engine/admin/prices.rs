//! Price and package doors.

use super::KingCong;
use crate::{
    error::Error,
    id::{Actor, InvalidId, PackageId, Route, ServerId, ServiceId},
    pricing::{Operation, Package, Price},
    store::ConfigurationChange,
};

/// Prices. A job keeps the prices that it was admitted with.
#[derive(Clone, Debug)]
pub struct PriceDoors {
    pub(super) kc: KingCong,
    pub(super) actor: Result<Actor, InvalidId>,
}

/// Packages of credits.
#[derive(Clone, Debug)]
pub struct PackageDoors {
    pub(super) kc: KingCong,
    pub(super) actor: Result<Actor, InvalidId>,
}

impl PriceDoors {
    /// The prices in force.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn list(&self) -> Result<Vec<Price>, Error> {
        Ok(self.inner().refresh().await?.configuration.prices.iter().cloned().collect())
    }

    /// Sets a price; it replaces the one for the same route, model and operation.
    ///
    /// # Errors
    /// A price that is not legal or for a server or service that is not there, or a store that fails.
    pub async fn set(&self, price: Price) -> Result<(), Error> {
        let change = ConfigurationChange::SetPrice(Box::new(price));
        self.inner().configure(&self.actor, "prices.set", change).await.map(drop)
    }

    /// Takes a price away: requests that need it are refused from now on.
    ///
    /// # Errors
    /// When there is none, or the store fails.
    pub async fn remove(
        &self,
        server: &str,
        service: &str,
        model: Option<&str>,
        operation: Operation,
    ) -> Result<(), Error> {
        let route = Route::new(ServerId::new(server)?, ServiceId::new(service)?);
        let change = ConfigurationChange::RemovePrice { route, model: model.map(str::to_owned), operation };
        self.inner().configure(&self.actor, "prices.remove", change).await.map(drop)
    }
}

impl PackageDoors {
    /// The packages, on sale or switched off.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn list(&self) -> Result<Vec<Package>, Error> {
        Ok(self.inner().refresh().await?.configuration.packages.iter().cloned().collect())
    }

    /// Sets a package; it replaces the one of the same id.
    ///
    /// # Errors
    /// A package that is not legal, or a store that fails.
    pub async fn set(&self, package: Package) -> Result<(), Error> {
        let change = ConfigurationChange::SetPackage(Box::new(package));
        self.inner().configure(&self.actor, "packages.set", change).await.map(drop)
    }

    /// Takes a package away for good; to keep it for later, set it with its switch off.
    ///
    /// # Errors
    /// When there is none, or the store fails.
    pub async fn remove(&self, id: &str) -> Result<(), Error> {
        let change = ConfigurationChange::RemovePackage(PackageId::new(id)?);
        self.inner().configure(&self.actor, "packages.remove", change).await.map(drop)
    }
}
