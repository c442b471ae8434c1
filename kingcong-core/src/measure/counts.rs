//! How much of each measure: what a task has, and what was counted of it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Measure, MeasureKind};
use crate::upstream::UpstreamCredits;

/// How much of a measure a task has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Quantity {
    /// So much, known before the work begins: charged as it is.
    Exact(u64),
    /// So much at most: held, and charged as it is counted afterwards.
    AtMost(u64),
}

/// How much of each measure one task has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Quantities(BTreeMap<Measure, Quantity>);

impl Quantities {
    /// Those of one request, and of nothing else so far.
    #[must_use]
    pub fn one_request() -> Self {
        Self(BTreeMap::from([(Measure::Request, Quantity::Exact(1))]))
    }

    /// With so much of a measure.
    #[must_use]
    pub fn with(mut self, measure: Measure, quantity: Quantity) -> Self {
        self.0.insert(measure, quantity);
        self
    }

    /// How much of a measure the task has. Of what is not stated it has nothing where we count, and an unknown quantity
    /// (none) where the upstream does.
    #[must_use]
    pub fn of(&self, measure: Measure) -> Option<Quantity> {
        self.0.get(&measure).copied().or(match measure.kind() {
            MeasureKind::Counted => Some(Quantity::Exact(0)),
            MeasureKind::Reported => None,
        })
    }

    /// How much of a measure the task has at most; 0 where it states nothing.
    #[must_use]
    pub fn most_of(&self, measure: Measure) -> u64 {
        match self.of(measure) {
            Some(Quantity::Exact(quantity) | Quantity::AtMost(quantity)) => quantity,
            None => 0,
        }
    }
}

impl Quantities {
    /// The largest quantity that is known before the work begins: how large the work is, beside others of its kind.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.exact().map(|(_, quantity)| quantity).max().unwrap_or(0)
    }

    /// The upstream credits that a call needs, about, and a key that had none must have before it is asked with again.
    ///
    /// The rule for every kind of work: of what is known before the work begins, the measure that takes most, at one
    /// credit for a thing and one for a second; at least one credit. No upstream tells the figure, and none sells
    /// these dearer than so by much. With too few credits one call is refused and the key rests again; with too many a
    /// key would rest that could serve, so bounds, which are seldom reached, do not count.
    #[must_use]
    pub fn upstream_credits(&self) -> UpstreamCredits {
        let credits = self.exact().map(|(measure, quantity)| measure.upstream_credits(quantity)).max();
        UpstreamCredits::whole(i64::try_from(credits.unwrap_or(0).max(1)).unwrap_or(i64::MAX))
    }

    fn exact(&self) -> impl Iterator<Item = (Measure, u64)> {
        self.0.iter().filter_map(|(measure, quantity)| match quantity {
            Quantity::Exact(quantity) => Some((*measure, *quantity)),
            Quantity::AtMost(_) => None,
        })
    }
}

/// How much of each measure was counted; what nobody counted is absent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Counts(BTreeMap<Measure, u64>);

impl Counts {
    /// Nothing was counted.
    pub const NONE: Self = Self(BTreeMap::new());

    /// These counts; what is none was not counted.
    #[must_use]
    pub fn of(counts: impl IntoIterator<Item = (Measure, Option<u64>)>) -> Self {
        Self(counts.into_iter().filter_map(|(measure, count)| Some((measure, count?))).collect())
    }

    /// With so much of a measure, in place of what was counted of it before.
    #[must_use]
    pub fn with(mut self, measure: Measure, count: u64) -> Self {
        self.0.insert(measure, count);
        self
    }

    /// How much of a measure was counted.
    #[must_use]
    pub fn get(&self, measure: Measure) -> Option<u64> {
        self.0.get(&measure).copied()
    }

    /// Whether nothing was counted.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_stated_is_nothing_where_we_count_and_unknown_where_the_upstream_does() {
        let quantities = Quantities::one_request().with(Measure::AudioMs, Quantity::AtMost(5));
        for (measure, expected) in [
            (Measure::Request, Some(Quantity::Exact(1))),
            (Measure::AudioMs, Some(Quantity::AtMost(5))),
            (Measure::Character, Some(Quantity::Exact(0))),
            (Measure::Image, Some(Quantity::Exact(0))),
            (Measure::Token, None),
        ] {
            assert_eq!(quantities.of(measure), expected, "{measure}");
        }
        assert_eq!([Measure::AudioMs, Measure::Token].map(|measure| quantities.most_of(measure)), [5, 0]);
    }

    #[test]
    fn a_key_needs_a_credit_for_each_thing_or_second_that_is_known_beforehand() {
        let request = Quantities::one_request;
        for (quantities, credits) in [
            (request(), 1),
            (request().with(Measure::Character, Quantity::Exact(900)), 900),
            // Bounds do not count, and the measure that takes most does.
            (request().with(Measure::AudioMs, Quantity::AtMost(900_000)), 1),
            (request().with(Measure::Image, Quantity::Exact(4)).with(Measure::Token, Quantity::AtMost(9)), 4),
            (request().with(Measure::AudioMs, Quantity::Exact(8_001)), 9),
            (request().with(Measure::Character, Quantity::Exact(0)), 1),
        ] {
            assert_eq!(quantities.upstream_credits(), UpstreamCredits::whole(credits), "{quantities:?}");
        }
        let most = request().with(Measure::Character, Quantity::Exact(u64::MAX)).upstream_credits();
        assert!(most > UpstreamCredits::whole(i64::from(u32::MAX)), "{most:?}");
    }

    #[test]
    fn counts_are_stored_by_the_names_of_their_measures() {
        let counts = Counts::NONE.with(Measure::Token, 7).with(Measure::Character, 0);
        let json = serde_json::to_string(&counts).unwrap();
        assert_eq!(json, r#"{"character":0,"token":7}"#);
        assert_eq!(serde_json::from_str::<Counts>(&json).unwrap(), counts);
        for damaged in [r#"{"second":1}"#, r#"{"token":-1}"#, "[]"] {
            assert!(serde_json::from_str::<Counts>(damaged).is_err(), "{damaged}");
        }
    }
}
