use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{MODEL_BYTES_MAX, Operation, PRICE_NAME_BYTES_MAX, Price, PriceError};
use crate::{id::Route, routing::Switch};

/// Most prices in a list.
pub const PRICES_MAX: usize = 10_000;

/// The newest version of every price: one for each route, model (or any) and operation.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Vec<Price>", into = "Vec<Price>")]
pub struct PriceList {
    prices: BTreeMap<PriceKey, Price>,
}

type PriceKey = (Route, Operation, Option<String>);

impl PriceList {
    /// Puts a price in the list; the answer is the one that it replaces.
    ///
    /// # Errors
    /// When its version is not newer than the one it would replace, its name or model is empty, too long or not
    /// one clean line, or the list is full.
    pub fn set(&mut self, price: Price) -> Result<Option<Price>, PriceError> {
        check_name("price name", &price.name, PRICE_NAME_BYTES_MAX)?;
        if let Some(model) = &price.model {
            check_name("model", model, MODEL_BYTES_MAX)?;
        }
        let key = (price.route.clone(), price.operation, price.model.clone());
        match self.prices.get(&key) {
            Some(newest) if price.version <= newest.version => {
                return Err(PriceError::Stale { given: price.version, newest: newest.version });
            }
            None if self.prices.len() >= PRICES_MAX => return Err(PriceError::Full { max: PRICES_MAX }),
            Some(_) | None => {}
        }
        Ok(self.prices.insert(key, price))
    }

    /// Takes a price out of the list; the answer is that price, if there was one. `model` none is the price for any
    /// model.
    pub fn remove(&mut self, route: &Route, model: Option<&str>, operation: Operation) -> Option<Price> {
        self.prices.remove(&(route.clone(), operation, model.map(str::to_owned)))
    }

    /// The price of an operation: the model's own, else the one for any model. A model whose own price is switched
    /// off is not sold, rather than sold at another price.
    ///
    /// # Errors
    /// When there is no such price, or it is switched off.
    pub fn find(
        &self,
        route: &Route,
        model: Option<&str>,
        operation: Operation,
    ) -> Result<&Price, PriceError> {
        let of_model = |model| self.prices.get(&(route.clone(), operation, model));
        let own = model.and_then(|model| of_model(Some(model.to_owned())));
        own.or_else(|| of_model(None)).filter(|price| price.switch == Switch::On).ok_or_else(|| {
            PriceError::NotFound { route: route.clone(), model: model.map(str::to_owned), operation }
        })
    }

    /// All prices, by route, operation and model.
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

fn check_name(what: &'static str, text: &str, bytes_max: usize) -> Result<(), PriceError> {
    let clean = text.trim() == text && !text.chars().any(char::is_control);
    match (1..=bytes_max).contains(&text.len()) && clean {
        true => Ok(()),
        false => Err(PriceError::BadName { what, value: text.chars().take(64).collect(), bytes_max }),
    }
}
