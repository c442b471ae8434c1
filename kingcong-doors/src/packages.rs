//! Packages of credits.

use kingcong_core::{id::PackageId, money::Unit, pricing::Package, switch::Switch};
use serde::{Deserialize, Serialize};

use crate::{
    answer::{Units, Word, all},
    asked::{AskedAmount, credits, dollars, on},
    door::{At, Door, Group, Listed},
    problem::Problem,
};

pub(crate) const GROUP: Group = Group {
    name: "Packages",
    docs: "Packages of credits.",
    doors: &[Listed::of::<List>(), Listed::of::<Set>(), Listed::of::<Remove>()],
};

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

/// Credits that are sold together: `credits` of `unit` for `price` in `currency`.
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "description", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
struct AskedPackage {
    id: String,
    label: String,
    credits: AskedAmount,
    price: AskedAmount,
    #[serde(default = "credits")]
    unit: Word<Unit>,
    #[serde(default = "dollars")]
    currency: Word<Unit>,
    #[serde(default = "on")]
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
///
/// ```python
/// >>> from kingcong import KingCong
/// >>> with KingCong.open("memory:", preset="kingcong") as kc:
/// ...     [(package.id, package.price) for package in kc.packages.list()][:2]
/// [('package-1', Decimal('5')), ('package-2', Decimal('10'))]
/// ```
///
/// ```ts
/// import { KingCong } from 'kingcong';
///
/// await using kc = await KingCong.open('memory:', { preset: 'kingcong' });
/// const [first] = await kc.packages.list();
/// console.log(first?.id, first?.credits, first?.price); // package-1 1000000 5
/// ```
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
///
/// ```python
/// >>> from decimal import Decimal
/// >>> from kingcong import KingCong, Package, Role
/// >>> with KingCong.open("memory:", preset="kingcong") as kc:
/// ...     kc.acting("admin-7", Role.OPERATOR).packages.set(Package("mini", "Mini", Decimal(100), Decimal("0.99")))
/// ...     kc.wallets.purchase("user-1", "mini", "order-1").amount
/// Decimal('100')
/// ```
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "description", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
struct Set {
    package: AskedPackage,
}

impl Door for Set {
    const NAME: &'static str = "packages.set";
    const BY_PLACE: usize = 1;
    type Answer = ();

    async fn knock(self, at: &mut At<'_>) -> Result<(), Problem> {
        Ok(at.kc.packages().set(self.package.package()?).await?)
    }
}

/// Takes a package away for good; to keep it for later, set it with its switch off.
///
/// ```python
/// >>> from kingcong import KingCong, Role
/// >>> with KingCong.open("memory:", preset="kingcong") as kc:
/// ...     kc.acting("admin-7", Role.OPERATOR).packages.remove("package-8")
/// ...     len(kc.packages.list())
/// 7
/// ```
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "description", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
struct Remove {
    package: String,
}

impl Door for Remove {
    const NAME: &'static str = "packages.remove";
    const BY_PLACE: usize = 1;
    type Answer = ();

    async fn knock(self, at: &mut At<'_>) -> Result<(), Problem> {
        Ok(at.kc.packages().remove(&self.package).await?)
    }
}
