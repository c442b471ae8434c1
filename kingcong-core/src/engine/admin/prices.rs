//! Price and package doors.

use super::{CHANGES_MAX, KingCong};
use crate::{
    access::Door,
    clock::Timestamp,
    error::Error,
    id::{PackageId, Route, ServerId, ServiceId},
    operation::Operation,
    pricing::{Package, Price, PriceError, PriceStart},
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
    /// The prices in force, and those to come.
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

    /// Sets a price, from now or from an instant to come on; it replaces the one for the same route, model and
    /// operation. Its own `version` and `since` do not matter: the version is `version`, and the next one when left
    /// out.
    ///
    /// # Errors
    /// A price that is not legal, for a server or service that is not there, or since an instant that has passed, or a
    /// store that fails.
    pub async fn set(&self, price: Price, start: PriceStart, version: Option<u32>) -> Result<(), Error> {
        let entered = self.enter(Door::PricesSet).await?;
        let is_same = |kept: &&Price| {
            kept.route == price.route
                && kept.operation == price.operation
                && kept.lane == price.lane
                && kept.model == price.model
        };
        let mut tries_left = if version.is_none() { CHANGES_MAX } else { 0 };
        loop {
            let version = match version {
                Some(version) => version,
                None => {
                    let kept = self.kept().await?;
                    let newest = kept.iter().filter(is_same).map(|kept| kept.version).max();
                    newest.map_or(1, |newest| newest.saturating_add(1))
                }
            };
            // What the audit tells; the store says it exactly.
            let since = match start {
                PriceStart::Now => self.inner().store_now(),
                PriceStart::At(since) => since,
            };
            let price = Box::new(Price { version, since, ..price.clone() });
            match self.inner().configure(&entered, ConfigurationChange::SetPrice { price, start }).await {
                // Somebody else was faster.
                Err(Error::Price(PriceError::Stale { .. })) if tries_left > 0 => tries_left -= 1,
                set => return set.map(drop),
            }
        }
    }

    /// Takes a price away, with its versions that are to come: requests that need it are refused from now on.
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

    /// Withdraws the version of a price that is to be in force since an instant to come.
    ///
    /// # Errors
    /// When there is none, it is in force already, or the store fails.
    pub async fn withdraw(
        &self,
        server: &str,
        service: &str,
        model: Option<&str>,
        operation: Operation,
        since: Timestamp,
    ) -> Result<(), Error> {
        let entered = self.enter(Door::PricesWithdraw).await?;
        let route = Route::new(ServerId::new(server)?, ServiceId::new(service)?);
        let model = model.map(str::to_owned);
        let change = ConfigurationChange::WithdrawPrice { route, model, operation, since };
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
