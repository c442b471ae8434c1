//! Price and package doors.

use super::{CHANGES_MAX, Entered, KingCong};
use crate::{
    access::Door,
    error::Error,
    id::{PackageId, Route, ServerId, ServiceId},
    operation::Operation,
    pricing::{Package, Price, PriceError},
    store::ConfigurationChange,
};

/// Prices. A job keeps the prices that it was admitted with.
#[derive(Clone, Debug)]
pub struct PriceDoors {
    pub(super) kc: KingCong,
}

/// Packages of credits.
#[derive(Clone, Debug)]
pub struct PackageDoors {
    pub(super) kc: KingCong,
}

impl PriceDoors {
    /// The prices in force.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn list(&self) -> Result<Vec<Price>, Error> {
        self.enter(Door::PricesList).await?;
        self.kept().await
    }

    async fn kept(&self) -> Result<Vec<Price>, Error> {
        Ok(self.inner().refresh().await?.configuration.prices.iter().cloned().collect())
    }

    /// Sets a price; it replaces the one for the same route, model and operation.
    ///
    /// # Errors
    /// A price that is not legal or for a server or service that is not there, or a store that fails.
    pub async fn set(&self, price: Price) -> Result<(), Error> {
        let entered = self.enter(Door::PricesSet).await?;
        self.replace(&entered, price).await
    }

    async fn replace(&self, entered: &Entered, price: Price) -> Result<(), Error> {
        let change = ConfigurationChange::SetPrice(Box::new(price));
        self.inner().configure(entered, change).await.map(drop)
    }

    /// Sets a price that is in effect from now on, whatever instant and version it says: the version that it is to have
    /// is `version`, and the next after the one that it replaces when left out.
    ///
    /// # Errors
    /// As [`PriceDoors::set`].
    pub async fn set_now(&self, price: Price, version: Option<u32>) -> Result<(), Error> {
        let entered = self.enter(Door::PricesSet).await?;
        let is_same = |kept: &&Price| {
            kept.route == price.route && kept.operation == price.operation && kept.model == price.model
        };
        let mut tries_left = if version.is_none() { CHANGES_MAX } else { 0 };
        loop {
            let version = match version {
                Some(version) => version,
                None => {
                    self.kept().await?.iter().find(is_same).map_or(1, |kept| kept.version.saturating_add(1))
                }
            };
            let since = self.inner().store_now();
            match self.replace(&entered, Price { version, since, ..price.clone() }).await {
                // Somebody else was faster.
                Err(Error::Price(PriceError::Stale { .. })) if tries_left > 0 => tries_left -= 1,
                set => return set,
            }
        }
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
        let entered = self.enter(Door::PricesRemove).await?;
        let route = Route::new(ServerId::new(server)?, ServiceId::new(service)?);
        let change = ConfigurationChange::RemovePrice { route, model: model.map(str::to_owned), operation };
        self.inner().configure(&entered, change).await.map(drop)
    }
}

impl PackageDoors {
    /// The packages, on sale or switched off.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn list(&self) -> Result<Vec<Package>, Error> {
        self.enter(Door::PackagesList).await?;
        Ok(self.inner().refresh().await?.configuration.packages.iter().cloned().collect())
    }

    /// Sets a package; it replaces the one of the same id.
    ///
    /// # Errors
    /// A package that is not legal, or a store that fails.
    pub async fn set(&self, package: Package) -> Result<(), Error> {
        let entered = self.enter(Door::PackagesSet).await?;
        let change = ConfigurationChange::SetPackage(Box::new(package));
        self.inner().configure(&entered, change).await.map(drop)
    }

    /// Takes a package away for good; to keep it for later, set it with its switch off.
    ///
    /// # Errors
    /// When there is none, or the store fails.
    pub async fn remove(&self, id: &str) -> Result<(), Error> {
        let entered = self.enter(Door::PackagesRemove).await?;
        let change = ConfigurationChange::RemovePackage(PackageId::new(id)?);
        self.inner().configure(&entered, change).await.map(drop)
    }
}
