//! The prices in force, found by route, model and operation.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{MODEL_BYTES_MAX, PRICE_NAME_BYTES_MAX, Price, PriceError};
use crate::{id::Route, label::Label, lane::Lane, operation::Operation, switch::Switch};

/// Most prices in a list.
pub const PRICES_MAX: usize = 10_000;

/// The newest version of every price: one for each route, operation, lane and model (or any).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Vec<Price>", into = "Vec<Price>")]
pub struct PriceList {
    prices: BTreeMap<PriceKey, Price>,
}

type PriceKey = (Route, Operation, Lane, Option<String>);

impl PriceList {
    /// Puts a price in the list; the answer is the one that it replaces.
    ///
    /// # Errors
    /// When its version is not newer than the one it would replace, its name or model is empty, too long or not
    /// one clean line, or the list is full.
    pub fn set(&mut self, price: Price) -> Result<Option<Price>, PriceError> {
        Label::<PRICE_NAME_BYTES_MAX>::new("price name", price.name.as_str())?;
        if let Some(model) = &price.model {
            Label::<MODEL_BYTES_MAX>::new("model", model.as_str())?;
        }
        let key = (price.route.clone(), price.operation, price.lane, price.model.clone());
        match self.prices.get(&key) {
            Some(newest) if price.version <= newest.version => {
                return Err(PriceError::Stale { given: price.version, newest: newest.version });
            }
            None if self.prices.len() >= PRICES_MAX => return Err(PriceError::Full { max: PRICES_MAX }),
            Some(_) | None => {}
        }
        Ok(self.prices.insert(key, price))
    }

    /// Takes a price of work with shared keys out of the list; the answer is that price, if there was one. `model` none
    /// is the price for any model.
    pub fn remove(&mut self, route: &Route, model: Option<&str>, operation: Operation) -> Option<Price> {
        self.prices.remove(&(route.clone(), operation, Lane::Shared, model.map(str::to_owned)))
    }

    /// The price of an operation with a lane's keys: the model's own, else the one for any model. A model whose own
    /// price is switched off is not sold, rather than sold at another price.
    ///
    /// # Errors
    /// When there is no such price, or it is switched off.
    pub fn find(
        &self,
        route: &Route,
        model: Option<&str>,
        operation: Operation,
        lane: Lane,
    ) -> Result<&Price, PriceError> {
        let of_model = |model| self.prices.get(&(route.clone(), operation, lane, model));
        let own = model.and_then(|model| of_model(Some(model.to_owned())));
        own.or_else(|| of_model(None)).filter(|price| price.switch == Switch::On).ok_or_else(|| {
            PriceError::NotFound { route: route.clone(), model: model.map(str::to_owned), operation }
        })
    }

    /// All prices, by route, operation, lane and model.
    pub fn iter(&self) -> impl Iterator<Item = &Price> {
        self.prices.values()
    }
}

impl TryFrom<Vec<Price>> for PriceList {
    type Error = PriceError;

    fn try_from(prices: Vec<Price>) -> Result<Self, PriceError> {
        let mut list = Self::default();
        for price in prices {
            list.set(price)?;
        }
        Ok(list)
    }
}

impl From<PriceList> for Vec<Price> {
    fn from(list: PriceList) -> Self {
        list.prices.into_values().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        clock::Timestamp,
        id::{ServerId, ServiceId},
        money::Unit,
        pricing::{Charge, Overrun},
    };

    fn route(server: &str) -> Route {
        Route::new(ServerId::new(server).unwrap(), ServiceId::new("elevenlabs").unwrap())
    }

    fn price(server: &str, model: Option<&str>, version: u32) -> Price {
        Price {
            route: route(server),
            model: model.map(str::to_owned),
            operation: Operation::Speech,
            lane: Lane::Shared,
            unit: Unit::CREDIT,
            name: "speech".into(),
            charge: Charge::Free,
            overrun: Overrun::Operator,
            switch: Switch::On,
            version,
            since: Timestamp::EPOCH,
        }
    }

    fn list(prices: impl IntoIterator<Item = Price>) -> PriceList {
        prices.into_iter().collect::<Vec<_>>().try_into().unwrap()
    }

    #[test]
    fn a_model_s_own_price_goes_before_the_one_for_any_model() {
        let list = list([price("ai33", None, 1), price("ai33", Some("v3"), 7), price("ai84", None, 3)]);
        let version = |server, model| {
            list.find(&route(server), model, Operation::Speech, Lane::Shared).map(|price| price.version)
        };
        for (server, model, found) in [
            ("ai33", None, 1),
            ("ai33", Some("v3"), 7),
            ("ai33", Some("v2"), 1),
            ("ai84", Some("v3"), 3),
            ("ai84", None, 3),
        ] {
            assert_eq!(version(server, model), Ok(found), "{server} {model:?}");
        }
    }

    #[test]
    fn a_missing_price_is_refused_and_named() {
        let list = list([price("ai33", Some("v3"), 1)]);
        for (server, model, operation) in [
            ("ai84", Some("v3"), Operation::Speech),
            ("ai33", Some("v2"), Operation::Speech),
            ("ai33", None, Operation::Speech),
            ("ai33", Some("v3"), Operation::CloneVoice),
        ] {
            let error = list.find(&route(server), model, operation, Lane::Shared).unwrap_err();
            let missing =
                PriceError::NotFound { route: route(server), model: model.map(str::to_owned), operation };
            assert_eq!(error, missing);
        }
    }

    #[test]
    fn a_price_that_is_switched_off_sells_nothing() {
        let off = |price| Price { switch: Switch::Off, ..price };
        let list = list([
            price("ai33", None, 1),
            off(price("ai33", Some("v3"), 1)),
            off(price("ai84", None, 1)),
            price("ai84", Some("v3"), 1),
        ]);
        let sold = |server, model| list.find(&route(server), model, Operation::Speech, Lane::Shared).is_ok();
        assert!(!sold("ai33", Some("v3")), "the model is off, whatever any model costs");
        assert!(sold("ai33", Some("v2")));
        assert!(!sold("ai84", Some("v2")) && !sold("ai84", None));
        assert!(sold("ai84", Some("v3")), "the model's own price is on");
    }

    #[test]
    fn only_a_newer_version_replaces_a_price() {
        let mut list = list([price("ai33", None, 2)]);
        for given in [0, 1, 2] {
            let stale = PriceError::Stale { given, newest: 2 };
            assert_eq!(list.set(price("ai33", None, given)), Err(stale));
        }
        assert_eq!(list.set(price("ai33", None, 3)), Ok(Some(price("ai33", None, 2))));
        assert_eq!(list.set(price("ai33", Some("v3"), 1)), Ok(None));
        assert_eq!(list.iter().map(|price| price.version).collect::<Vec<_>>(), [3, 1]);
    }

    #[test]
    fn a_removed_price_is_gone_and_the_others_stay() {
        let mut list = list([price("ai33", None, 1), price("ai33", Some("v3"), 2)]);
        let removed = list.remove(&route("ai33"), None, Operation::Speech);
        assert_eq!(removed, Some(price("ai33", None, 1)));
        assert_eq!(list.remove(&route("ai33"), None, Operation::Speech), None);
        assert!(list.find(&route("ai33"), None, Operation::Speech, Lane::Shared).is_err());
        assert!(list.find(&route("ai33"), Some("v3"), Operation::Speech, Lane::Shared).is_ok());
    }

    #[test]
    fn a_name_or_model_that_is_no_clean_line_is_refused() {
        for text in ["", " v3", "v3\n", "a\0b", &"m".repeat(191)] {
            let named = Price { name: text.into(), ..price("ai33", None, 1) };
            for bad in [named, price("ai33", Some(text), 1)] {
                let error = PriceList::default().set(bad).unwrap_err();
                let is_named = matches!(&error, PriceError::BadName(label) if label.bytes_max == 190);
                assert!(is_named, "{text:?}: {error}");
            }
        }
    }

    #[test]
    fn a_full_list_takes_new_versions_but_no_new_prices() {
        let model = |number: usize| format!("model-{number}");
        let mut list = list((0..PRICES_MAX).map(|number| price("ai33", Some(&model(number)), 1)));
        assert_eq!(list.set(price("ai33", None, 1)), Err(PriceError::Full { max: PRICES_MAX }));
        assert!(list.set(price("ai33", Some(&model(0)), 2)).is_ok());
    }

    #[test]
    fn a_list_survives_storage() {
        let list = list([price("ai33", None, 1), price("ai33", Some("v3"), 2), price("ai84", None, 3)]);
        let json = serde_json::to_string(&list).unwrap();
        assert_eq!(serde_json::from_str::<PriceList>(&json).unwrap(), list);
        let twice = serde_json::to_string(&[price("ai33", None, 1), price("ai33", None, 1)]).unwrap();
        assert!(serde_json::from_str::<PriceList>(&twice).is_err());
    }
}
