//! Packages of credits.

use kingcong_core::{id::PackageId, money::Unit, pricing::Package, routing::Switch};
use serde::{Deserialize, Serialize};

use crate::{
    answer::{Units, Word, all},
    asked::AskedAmount,
    door::{At, Door, Listed},
    problem::Problem,
};

pub(crate) const DOORS: &[Listed] = &[Listed::of::<List>(), Listed::of::<Set>(), Listed::of::<Remove>()];

/// Credits that are sold together: `credits` of `unit` for `price` in `currency`.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "description", derive(schemars::JsonSchema))]
pub(crate) struct PackageView {
    id: String,
    label: String,
    credits: Units,
    unit: Word<Unit>,
    price: Units,
    currency: Word<Unit>,
    switch: Word<Switch>,
}

impl From<&Package> for PackageView {
    fn from(package: &Package) -> Self {
        Self {
            id: package.id.to_string(),
            label: package.label.clone(),
            credits: Units::new(package.credits, package.unit),
            unit: Word(package.unit),
            price: Units(package.price),
            currency: Word(package.price.unit),
            switch: Word(package.switch),
        }
    }
}

/// A package to set.
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "description", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
struct AskedPackage {
    id: String,
    label: String,
    credits: AskedAmount,
    unit: Word<Unit>,
    price: AskedAmount,
    currency: Word<Unit>,
    switch: Word<Switch>,
}

impl AskedPackage {
    fn package(self) -> Result<Package, Problem> {
        Ok(Package {
            id: PackageId::new(self.id)?,
            credits: self.credits.money(self.unit.0)?.amount,
            unit: self.unit.0,
            price: self.price.money(self.currency.0)?,
            label: self.label,
            switch: self.switch.0,
        })
    }
}

/// The packages, on sale or not.
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "description", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
struct List {}

impl Door for List {
    const NAME: &'static str = "packages.list";
    type Answer = Vec<PackageView>;

    async fn knock(self, at: &mut At<'_>) -> Result<Self::Answer, Problem> {
        Ok(all(&at.kc.packages().list().await?))
    }
}

/// Sets a package; it replaces the one of the same id.
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "description", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
struct Set {
    package: AskedPackage,
}

impl Door for Set {
    const NAME: &'static str = "packages.set";
    type Answer = ();

    async fn knock(self, at: &mut At<'_>) -> Result<(), Problem> {
        Ok(at.kc.packages().set(self.package.package()?).await?)
    }
}

/// Takes a package away for good; to keep it for later, set it with its switch off.
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "description", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
struct Remove {
    package: String,
}

impl Door for Remove {
    const NAME: &'static str = "packages.remove";
    type Answer = ();

    async fn knock(self, at: &mut At<'_>) -> Result<(), Problem> {
        Ok(at.kc.packages().remove(&self.package).await?)
    }
}
