//! The prices in force and those to come, found by route, model, operation, lane and instant.

use std::{
    collections::BTreeMap,
    ops::{Bound, Range},
    time::Duration,
};

use serde::{Deserialize, Serialize};

use super::{MODEL_BYTES_MAX, PRICE_NAME_BYTES_MAX, Price, PriceError};
use crate::{clock::Timestamp, id::Route, label::Label, lane::Lane, operation::Operation, switch::Switch};

/// Most prices in a list, with those to come.
pub const PRICES_MAX: usize = 10_000;
/// Most versions of one price that are to come.
pub const PRICES_AHEAD_MAX: usize = 8;
/// How far ahead a price may begin: ten years, so that every language can tell the instant.
pub const PRICE_AHEAD_MAX: Duration = Duration::from_secs(3_653 * 24 * 3600);

/// The version in force of every price, and those to come: for each route, operation, lane and model (or any).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Vec<Price>", into = "Vec<Price>")]
pub struct PriceList {
    /// By the instant since when each is in force.
    prices: BTreeMap<PriceKey, BTreeMap<Timestamp, Price>>,
    /// How many prices come into force at each instant.
    starts: BTreeMap<Timestamp, usize>,
    len: usize,
}

type PriceKey = (Route, Operation, Lane, Option<String>);

/// From when on a price is in force.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum PriceStart {
    /// From the instant at which it is set.
    Now,
    /// From then on; it has not passed.
    At(Timestamp),
}

impl PriceList {
    /// Puts a price in the list, from its own instant on. It replaces the version of the same instant; versions that
    /// are not in force any more are dropped.
    ///
    /// # Errors
    /// When its instant has passed or is too far ahead, its version is not newer than those it stands beside, its name
    /// or model is empty, too long or not one clean line, the list is full, or too many versions are to come.
    pub fn set(&mut self, price: Price, now: Timestamp) -> Result<(), PriceError> {
        let (since, key) = (price.since, key_of(&price));
        self.check_newest(&key, price.version)?;
        if since < now {
            return Err(PriceError::Past { since, now });
        }
        if since > now.plus(PRICE_AHEAD_MAX) {
            return Err(PriceError::TooFar { since });
        }
        let ahead = self
            .prices
            .get(&key)
            .map_or(0, |versions| versions.range(now..).filter(|(at, _)| **at > now).count());
        if since > now && ahead >= PRICES_AHEAD_MAX {
            return Err(PriceError::TooManyAhead { max: PRICES_AHEAD_MAX });
        }
        self.insert(key.clone(), price)?;
        let versions = self.prices.get(&key).into_iter().flat_map(|versions| versions.range(..=now));
        let passed: Vec<Timestamp> = versions.map(|(since, _)| *since).collect();
        for replaced in passed.iter().rev().skip(1) {
            self.take(&key, *replaced);
        }
        Ok(())
    }

    fn check_newest(&self, key: &PriceKey, given: u32) -> Result<(), PriceError> {
        let versions = self.prices.get(key).into_iter().flat_map(BTreeMap::values);
        match versions.map(|price| price.version).max() {
            Some(newest) if given <= newest => Err(PriceError::Stale { given, newest }),
            Some(_) | None => Ok(()),
        }
    }

    fn insert(&mut self, key: PriceKey, price: Price) -> Result<(), PriceError> {
        Label::<PRICE_NAME_BYTES_MAX>::new("price name", price.name.as_str())?;
        if let Some(model) = &price.model {
            Label::<MODEL_BYTES_MAX>::new("model", model.as_str())?;
        }
        let is_new = self.prices.get(&key).is_none_or(|versions| !versions.contains_key(&price.since));
        if is_new && self.len >= PRICES_MAX {
            return Err(PriceError::Full { max: PRICES_MAX });
        }
        if is_new {
            *self.starts.entry(price.since).or_default() += 1;
            self.len += 1;
        }
        self.prices.entry(key).or_default().insert(price.since, price);
        Ok(())
    }

    fn take(&mut self, key: &PriceKey, since: Timestamp) -> Option<Price> {
        let versions = self.prices.get_mut(key)?;
        let taken = versions.remove(&since)?;
        if versions.is_empty() {
            self.prices.remove(key);
        }
        self.len -= 1;
        let starts = self.starts.get_mut(&since)?;
        *starts -= 1;
        if *starts == 0 {
            self.starts.remove(&since);
        }
        Some(taken)
    }

    /// Takes a price of work with shared keys out of the list, with those of its versions that are to come. `model`
    /// none is the price for any model. The answer is how many versions there were.
    pub fn remove(&mut self, route: &Route, model: Option<&str>, operation: Operation) -> usize {
        let key = (route.clone(), operation, Lane::Shared, model.map(str::to_owned));
        let versions = self.prices.get(&key).into_iter().flat_map(BTreeMap::keys).copied();
        let versions: Vec<Timestamp> = versions.collect();
        versions.into_iter().filter_map(|since| self.take(&key, since)).count()
    }

    /// Takes the version of a price out of the list that was to come at an instant; the answer is that version, if
    /// there was one.
    ///
    /// # Errors
    /// When it is in force already.
    pub fn withdraw(
        &mut self,
        route: &Route,
        model: Option<&str>,
        operation: Operation,
        since: Timestamp,
        now: Timestamp,
    ) -> Result<Option<Price>, PriceError> {
        let key = (route.clone(), operation, Lane::Shared, model.map(str::to_owned));
        match self.prices.get(&key).is_some_and(|versions| versions.contains_key(&since)) {
            true if since <= now => Err(PriceError::InForce { since }),
            true | false => Ok(self.take(&key, since)),
        }
    }

    /// The price of an operation with a lane's keys at an instant: the model's own, else the one for any model. A model
    /// whose own price is switched off is not sold, rather than sold at another price.
    ///
    /// # Errors
    /// When there is no such price, or it is switched off.
    pub fn find(
        &self,
        route: &Route,
        model: Option<&str>,
        operation: Operation,
        lane: Lane,
        at: Timestamp,
    ) -> Result<&Price, PriceError> {
        let of_model = |model| {
            let versions = self.prices.get(&(route.clone(), operation, lane, model))?;
            versions.range(..=at).next_back().map(|(_, price)| price)
        };
        let own = model.and_then(|model| of_model(Some(model.to_owned())));
        own.or_else(|| of_model(None)).filter(|price| price.switch == Switch::On).ok_or_else(|| {
            PriceError::NotFound { route: route.clone(), model: model.map(str::to_owned), operation }
        })
    }

    /// The instants around one at which all prices are those of that one.
    #[must_use]
    pub fn unchanged_around(&self, at: Timestamp) -> Range<Timestamp> {
        let since = self.starts.range(..=at).next_back().map(|(since, _)| *since);
        let later = (Bound::Excluded(at), Bound::Unbounded);
        let until = self.starts.range(later).next().map(|(until, _)| *until);
        since.unwrap_or(Timestamp::from_micros(i64::MIN))..until.unwrap_or(Timestamp::from_micros(i64::MAX))
    }

    /// All prices, by route, operation, lane, model and instant.
    pub fn iter(&self) -> impl Iterator<Item = &Price> {
        self.prices.values().flat_map(BTreeMap::values)
    }
}

fn key_of(price: &Price) -> PriceKey {
    (price.route.clone(), price.operation, price.lane, price.model.clone())
}

impl TryFrom<Vec<Price>> for PriceList {
    type Error = PriceError;

    fn try_from(prices: Vec<Price>) -> Result<Self, PriceError> {
        let mut list = Self::default();
        for price in prices {
            let key = key_of(&price);
            let versions = list.prices.get(&key).into_iter().flat_map(BTreeMap::values);
            let is_known = |known: &Price| known.version == price.version || known.since == price.since;
            if let Some(known) = versions.clone().find(|known| is_known(known)) {
                return Err(PriceError::Stale { given: price.version, newest: known.version });
            }
            list.insert(key, price)?;
        }
        Ok(list)
    }
}

impl From<PriceList> for Vec<Price> {
    fn from(list: PriceList) -> Self {
        list.prices.into_values().flat_map(BTreeMap::into_values).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
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

    /// The price, in force so many microseconds after the beginning of time.
    fn ahead(price: Price, micros: i64) -> Price {
        Price { since: at(micros), ..price }
    }

    const fn at(micros: i64) -> Timestamp {
        Timestamp::from_micros(micros)
    }

    fn is_sold(list: &PriceList, server: &str, model: Option<&str>) -> bool {
        list.find(&route(server), model, Operation::Speech, Lane::Shared, Timestamp::EPOCH).is_ok()
    }

    #[test]
    fn the_price_of_an_instant_is_the_newest_that_had_begun() {
        let mut list = list([price("ai33", None, 1)]);
        for (version, since) in [(2, 20), (3, 10), (4, 30)] {
            list.set(ahead(price("ai33", None, version), since), at(5)).unwrap();
        }
        list.set(ahead(price("ai33", Some("v3"), 1), 25), at(5)).unwrap();
        let found = |model, micros| {
            list.find(&route("ai33"), model, Operation::Speech, Lane::Shared, at(micros)).unwrap().version
        };
        for (micros, any, own, from, until) in [
            (0, 1, 1, 0, 10),
            (9, 1, 1, 0, 10),
            (10, 3, 3, 10, 20),
            (20, 2, 2, 20, 25),
            (25, 2, 1, 25, 30),
            (30, 4, 1, 30, i64::MAX),
            (i64::MAX - 1, 4, 1, 30, i64::MAX),
        ] {
            assert_eq!((found(None, micros), found(Some("v3"), micros)), (any, own), "at {micros}");
            assert_eq!(list.unchanged_around(at(micros)), at(from)..at(until), "around {micros}");
        }
        assert_eq!(PriceList::default().unchanged_around(at(0)), at(i64::MIN)..at(i64::MAX));
    }

    #[test]
    fn what_was_replaced_is_dropped_and_what_is_to_come_stays() {
        let mut list = list([price("ai33", None, 1)]);
        list.set(ahead(price("ai33", None, 2), 10), at(5)).unwrap();
        list.set(ahead(price("ai33", None, 3), 20), at(5)).unwrap();
        let versions = |list: &PriceList| list.iter().map(|price| price.version).collect::<Vec<_>>();
        assert_eq!(versions(&list), [1, 2, 3]);
        list.set(ahead(price("ai33", None, 4), 15), at(15)).unwrap();
        assert_eq!(versions(&list), [4, 3], "2 was in force until now");
        list.set(ahead(price("ai33", None, 5), 20), at(16)).unwrap();
        assert_eq!(versions(&list), [4, 5], "one version for each instant");
    }

    #[test]
    fn no_price_begins_in_the_past_and_only_what_is_to_come_is_withdrawn() {
        let mut list = list([price("ai33", None, 1)]);
        let past = PriceError::Past { since: at(4), now: at(5) };
        assert_eq!(list.set(ahead(price("ai33", None, 2), 4), at(5)), Err(past));
        let last = at(5).plus(PRICE_AHEAD_MAX);
        let far = PriceError::TooFar { since: last.plus(Duration::from_micros(1)) };
        assert_eq!(list.set(ahead(price("ai33", None, 2), last.as_micros() + 1), at(5)), Err(far));
        assert_eq!(list.clone().set(ahead(price("ai33", None, 2), last.as_micros()), at(5)), Ok(()));
        for number in 0..PRICES_AHEAD_MAX {
            let version = 2 + u32::try_from(number).unwrap();
            list.set(ahead(price("ai33", None, version), 100 + i64::from(version)), at(5)).unwrap();
        }
        let full = PriceError::TooManyAhead { max: PRICES_AHEAD_MAX };
        assert_eq!(list.set(ahead(price("ai33", None, 99), 1000), at(5)), Err(full));
        let mut withdraw = |since, now| {
            let withdrawn = list.withdraw(&route("ai33"), None, Operation::Speech, at(since), at(now));
            withdrawn.map(|price| price.map(|price| price.version))
        };
        assert_eq!(withdraw(102, 5), Ok(Some(2)));
        assert_eq!(withdraw(102, 5), Ok(None));
        assert_eq!(withdraw(103, 103), Err(PriceError::InForce { since: at(103) }));
        assert_eq!(withdraw(0, 5), Err(PriceError::InForce { since: at(0) }));
    }

    #[test]
    fn a_model_s_own_price_goes_before_the_one_for_any_model() {
        let list = list([price("ai33", None, 1), price("ai33", Some("v3"), 7), price("ai84", None, 3)]);
        let version = |server, model| {
            let found = list.find(&route(server), model, Operation::Speech, Lane::Shared, Timestamp::EPOCH);
            found.map(|price| price.version)
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
            let error =
                list.find(&route(server), model, operation, Lane::Shared, Timestamp::EPOCH).unwrap_err();
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
        let sold = |server, model| is_sold(&list, server, model);
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
            assert_eq!(list.set(price("ai33", None, given), Timestamp::EPOCH), Err(stale));
        }
        list.set(price("ai33", None, 3), Timestamp::EPOCH).unwrap();
        list.set(price("ai33", Some("v3"), 1), Timestamp::EPOCH).unwrap();
        assert_eq!(list.iter().map(|price| price.version).collect::<Vec<_>>(), [3, 1]);
    }

    #[test]
    fn a_removed_price_is_gone_and_the_others_stay() {
        let mut list = list([price("ai33", None, 1), price("ai33", Some("v3"), 2)]);
        list.set(ahead(price("ai33", None, 2), 9), Timestamp::EPOCH).unwrap();
        assert_eq!(list.remove(&route("ai33"), None, Operation::Speech), 2, "with what was to come");
        assert_eq!(list.remove(&route("ai33"), None, Operation::Speech), 0);
        assert!(!is_sold(&list, "ai33", None));
        assert!(is_sold(&list, "ai33", Some("v3")));
    }

    #[test]
    fn a_name_or_model_that_is_no_clean_line_is_refused() {
        for text in ["", " v3", "v3\n", "a\0b", &"m".repeat(191)] {
            let named = Price { name: text.into(), ..price("ai33", None, 1) };
            for bad in [named, price("ai33", Some(text), 1)] {
                let error = PriceList::default().set(bad, Timestamp::EPOCH).unwrap_err();
                let is_named = matches!(&error, PriceError::BadName(label) if label.bytes_max == 190);
                assert!(is_named, "{text:?}: {error}");
            }
        }
    }

    #[test]
    fn a_full_list_takes_new_versions_but_no_new_prices() {
        let model = |number: usize| format!("model-{number}");
        let mut list = list((0..PRICES_MAX).map(|number| price("ai33", Some(&model(number)), 1)));
        let mut set = |price| list.set(price, Timestamp::EPOCH);
        assert_eq!(set(price("ai33", None, 1)), Err(PriceError::Full { max: PRICES_MAX }));
        assert_eq!(set(price("ai33", Some(&model(0)), 2)), Ok(()));
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
