//! Packages of credits, and the catalogue of those on sale.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{
    id::PackageId,
    label::{InvalidLabel, Label},
    money::{Amount, Money, Unit},
    switch::Switch,
};

/// Most packages in a catalogue.
pub const PACKAGES_MAX: usize = 1000;
/// Longest label of a package in bytes.
pub const LABEL_BYTES_MAX: usize = 190;

/// Credits that are sold together.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Package {
    /// Its id.
    pub id: PackageId,
    /// What the buyer's wallet gets, in the smallest step of `unit`.
    pub credits: Amount,
    /// What the credits are.
    pub unit: Unit,
    /// What the buyer pays.
    pub price: Money,
    /// Its name for people.
    pub label: String,
    /// Whether it is on sale.
    pub switch: Switch,
}

/// The packages that there are.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Vec<Package>", into = "Vec<Package>")]
pub struct Catalogue {
    packages: BTreeMap<PackageId, Package>,
}

impl Catalogue {
    /// Puts a package in the catalogue; the answer is the one that it replaces.
    ///
    /// # Errors
    /// When its credits or price are not above zero, its label is empty, too long or not one clean line, or the
    /// catalogue is full.
    pub fn set(&mut self, package: Package) -> Result<Option<Package>, PackageError> {
        if package.credits <= Amount::ZERO || package.price.amount <= Amount::ZERO {
            let credits = Money::new(package.credits, package.unit);
            return Err(PackageError::NotPositive { id: package.id, credits, price: package.price });
        }
        if let Err(error) = Label::<LABEL_BYTES_MAX>::new("label", package.label.as_str()) {
            return Err(PackageError::BadLabel { id: package.id, error });
        }
        if self.packages.len() >= PACKAGES_MAX && !self.packages.contains_key(&package.id) {
            return Err(PackageError::Full { max: PACKAGES_MAX });
        }
        Ok(self.packages.insert(package.id.clone(), package))
    }

    /// Takes a package out of the catalogue; the answer is that package, if there was one.
    pub fn remove(&mut self, id: &PackageId) -> Option<Package> {
        self.packages.remove(id)
    }

    /// The package with this id.
    ///
    /// # Errors
    /// When there is none, or it is switched off.
    pub fn find(&self, id: &PackageId) -> Result<&Package, PackageError> {
        self.packages
            .get(id)
            .filter(|package| package.switch == Switch::On)
            .ok_or_else(|| PackageError::NotFound { id: id.clone() })
    }

    /// All packages by their ids, on or off.
    pub fn iter(&self) -> impl Iterator<Item = &Package> {
        self.packages.values()
    }
}

impl TryFrom<Vec<Package>> for Catalogue {
    type Error = PackageError;

    fn try_from(packages: Vec<Package>) -> Result<Self, PackageError> {
        let mut catalogue = Self::default();
        for package in packages {
            if let Some(twice) = catalogue.set(package)? {
                return Err(PackageError::Twice { id: twice.id });
            }
        }
        Ok(catalogue)
    }
}

impl From<Catalogue> for Vec<Package> {
    fn from(catalogue: Catalogue) -> Self {
        catalogue.packages.into_values().collect()
    }
}

/// What an order says of its package: what the buyer was shown and pays.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ordered {
    /// What the buyer gets.
    pub credits: Money,
    /// What the buyer pays.
    pub price: Money,
}

impl Package {
    /// Whether it still is what was ordered.
    ///
    /// # Errors
    /// [`PackageError::NotAsOrdered`] when it sells something else, or for something else.
    pub fn check_order(&self, ordered: Ordered) -> Result<(), PackageError> {
        let now = Ordered { credits: Money::new(self.credits, self.unit), price: self.price };
        if ordered == now {
            Ok(())
        } else {
            let (ordered, now) = (Box::new(ordered), Box::new(now));
            Err(PackageError::NotAsOrdered { id: self.id.clone(), ordered, now })
        }
    }
}

/// What a [`Catalogue`] refuses.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PackageError {
    /// No such package, or it is switched off.
    #[error("package {id} is not on sale: choose one of the catalogue")]
    NotFound {
        /// The package.
        id: PackageId,
    },
    /// The package is not what was ordered.
    #[error(
        "package {id} is {} for {} now, and {} for {} was ordered: nothing was booked; give the money back, or order \
         anew",
        .now.credits, .now.price, .ordered.credits, .ordered.price
    )]
    NotAsOrdered {
        /// The package.
        id: PackageId,
        /// What was ordered.
        ordered: Box<Ordered>,
        /// What it is now.
        now: Box<Ordered>,
    },
    /// Nothing is sold, or nothing is paid.
    #[error("package {id} sells {credits} for {price}: both must be above zero")]
    NotPositive {
        /// The package.
        id: PackageId,
        /// What the buyer gets.
        credits: Money,
        /// What the buyer pays.
        price: Money,
    },
    /// A label that breaks its rule.
    #[error("package {id}: the {error}")]
    BadLabel {
        /// The package.
        id: PackageId,
        /// What is wrong with it.
        error: InvalidLabel,
    },
    /// A stored catalogue has a package twice.
    #[error("package {id} is twice in the catalogue: remove one")]
    Twice {
        /// The package.
        id: PackageId,
    },
    /// The catalogue is full.
    #[error("the catalogue already has {max} packages: remove some first")]
    Full {
        /// Most packages.
        max: usize,
    },
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::preset::kingcong;

    fn package(id: &str) -> Package {
        Package {
            id: PackageId::new(id).unwrap(),
            credits: Amount::new(1),
            unit: Unit::CREDIT,
            price: Money::new(Amount::new(1), Unit::USD),
            label: "one".into(),
            switch: Switch::On,
        }
    }

    #[test]
    fn each_of_the_eight_packages_adds_five_dollars_and_five_percent() {
        let packages = kingcong::packages();
        assert_eq!(packages.iter().count(), 8);
        for (step, package) in (1..).zip(packages.iter()) {
            assert_eq!(package.id.as_str(), format!("package-{step}"));
            assert_eq!(package.price.to_string(), format!("{} usd", 5 * step));
            assert_eq!(package.unit, Unit::CREDIT);
            assert_eq!(package.credits.get(), 200_000 * 5 * step * (100 + 5 * (step - 1)) / 100);
        }
    }

    #[test]
    fn the_eight_packages_keep_the_catalogue_s_own_rules() {
        let json = serde_json::to_string(&kingcong::packages()).unwrap();
        assert_eq!(serde_json::from_str::<Catalogue>(&json).unwrap(), kingcong::packages());
    }

    #[test]
    fn a_package_that_is_missing_or_off_is_not_on_sale() {
        let mut catalogue = Catalogue::default();
        catalogue.set(Package { switch: Switch::Off, ..package("off") }).unwrap();
        catalogue.set(package("on")).unwrap();
        assert!(catalogue.find(&PackageId::new("on").unwrap()).is_ok());
        for id in ["off", "missing"] {
            let id = PackageId::new(id).unwrap();
            assert_eq!(catalogue.find(&id), Err(PackageError::NotFound { id }));
        }
        assert_eq!(catalogue.remove(&PackageId::new("on").unwrap()), Some(package("on")));
        assert!(catalogue.find(&PackageId::new("on").unwrap()).is_err());
    }

    #[test]
    fn a_package_sells_something_for_something() {
        for steps in [0, -1, i64::MIN] {
            let amount = Amount::new(steps);
            let price = Money::new(amount, Unit::USD);
            for bad in [Package { credits: amount, ..package("p") }, Package { price, ..package("p") }] {
                let error = Catalogue::default().set(bad).unwrap_err();
                assert!(matches!(error, PackageError::NotPositive { .. }), "{error}");
            }
        }
    }

    #[test]
    fn a_catalogue_refuses_bad_labels_doubles_and_too_much() {
        for label in ["", " one", "one\n", &"l".repeat(LABEL_BYTES_MAX + 1)] {
            let error = Catalogue::default().set(Package { label: label.into(), ..package("p") });
            assert!(matches!(error, Err(PackageError::BadLabel { .. })), "{label:?}");
        }
        let twice = Catalogue::try_from(vec![package("p"), package("p")]);
        assert_eq!(twice, Err(PackageError::Twice { id: PackageId::new("p").unwrap() }));
        let packages = (0..PACKAGES_MAX).map(|number| package(&format!("p-{number}")));
        let mut full = Catalogue::try_from(packages.collect::<Vec<_>>()).unwrap();
        assert_eq!(full.set(package("more")), Err(PackageError::Full { max: PACKAGES_MAX }));
        assert_eq!(full.set(package("p-0")), Ok(Some(package("p-0"))));
    }
}
