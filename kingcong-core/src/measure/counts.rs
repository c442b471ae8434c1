//! How much of each measure: what a task has, and what was counted of it.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::{Circumstances, Measure, MeasureKind, TokenSide};
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

impl Quantity {
    /// So much at most.
    #[must_use]
    pub const fn most(self) -> u64 {
        match self {
            Self::Exact(quantity) | Self::AtMost(quantity) => quantity,
        }
    }
}

/// How much of each measure one task has, and what is known before of how it will be served.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quantities {
    each: BTreeMap<Measure, Quantity>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    together: Vec<Together>,
    #[serde(default, skip_serializing_if = "Circumstances::is_empty")]
    asked: Circumstances,
}

/// So much of several measures together at most: of which of them, only the upstream tells.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Together {
    /// The measures, in order.
    pub measures: Vec<Measure>,
    /// At most so much of all of them.
    pub at_most: u64,
}

impl Quantities {
    /// Those of one request, and of nothing else so far.
    #[must_use]
    pub fn one_request() -> Self {
        let each = BTreeMap::from([(Measure::Request, Quantity::Exact(1))]);
        Self { each, together: Vec::new(), asked: Circumstances::NONE }
    }

    /// With so much of a measure.
    #[must_use]
    pub fn with(mut self, measure: Measure, quantity: Quantity) -> Self {
        self.each.insert(measure, quantity);
        self
    }

    /// With so much at most of these measures together: tokens of a prompt that may come out of a cache, or be written
    /// to it. None of them is stated otherwise.
    #[must_use]
    pub fn with_together(mut self, measures: impl IntoIterator<Item = Measure>, at_most: u64) -> Self {
        let measures: BTreeSet<Measure> = measures.into_iter().collect();
        self.together.push(Together { measures: measures.into_iter().collect(), at_most });
        self
    }

    /// To be served so: what the request itself fixes.
    #[must_use]
    pub fn as_asked(mut self, asked: Circumstances) -> Self {
        self.asked = asked;
        self
    }

    /// How much of a measure the task has. Of what is not stated it has nothing where we count, and an unknown quantity
    /// (none) where the upstream does.
    #[must_use]
    pub fn of(&self, measure: Measure) -> Option<Quantity> {
        let together = || self.together.iter().find(|together| together.measures.contains(&measure));
        self.each.get(&measure).copied().or_else(|| Some(Quantity::AtMost(together()?.at_most))).or(
            match measure.kind() {
                MeasureKind::Counted => Some(Quantity::Exact(0)),
                MeasureKind::Reported => None,
            },
        )
    }

    /// How much of a measure the task has at most; 0 where it states nothing.
    #[must_use]
    pub fn most_of(&self, measure: Measure) -> u64 {
        self.of(measure).map_or(0, Quantity::most)
    }

    /// Everything that is stated: measures that are so much together.
    pub fn stated(&self) -> impl Iterator<Item = (Vec<Measure>, Quantity)> {
        let each = self.each.iter().map(|(measure, quantity)| (vec![*measure], *quantity));
        let together = self.together.iter();
        each.chain(together.map(|many| (many.measures.clone(), Quantity::AtMost(many.at_most))))
    }

    /// What is known before of how it will be served.
    #[must_use]
    pub const fn asked(&self) -> &Circumstances {
        &self.asked
    }

    /// How many tokens of one side it has at most.
    #[must_use]
    pub fn most_tokens(&self, side: TokenSide) -> u64 {
        let of_side =
            |measures: &[Measure]| measures.iter().any(|measure| measure.token_side() == Some(side));
        let stated = self.stated().filter(|(measures, _)| of_side(measures));
        stated.fold(0, |sum, (_, quantity)| sum.saturating_add(quantity.most()))
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
        self.each.iter().filter_map(|(measure, quantity)| match quantity {
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

    /// How many tokens of one side were counted.
    #[must_use]
    pub fn tokens(&self, side: TokenSide) -> u64 {
        let of_side = self.iter().filter(|(measure, _)| measure.token_side() == Some(side));
        of_side.fold(0, |sum, (_, count)| sum.saturating_add(count))
    }

    /// Everything that was counted.
    pub fn iter(&self) -> impl Iterator<Item = (Measure, u64)> {
        self.0.iter().map(|(measure, count)| (*measure, *count))
    }

    /// Whether nothing was counted.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// What was measured of work that was done.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Measured {
    /// How much of each measure.
    pub counts: Counts,
    /// How it was served, as far as the upstream told.
    #[serde(default, skip_serializing_if = "Circumstances::is_empty")]
    pub served: Circumstances,
    /// Where the counts come from.
    #[serde(default, skip_serializing_if = "Source::is_reported")]
    pub source: Source,
}

/// Where counts come from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// The upstream reported them, or they were read off the result.
    #[default]
    Reported,
    /// The upstream reported some that do not add up to what it says is their sum.
    Contradictory,
    /// The upstream reported none: they were counted from what was received.
    Estimated,
}

impl Source {
    const fn is_reported(&self) -> bool {
        matches!(self, Self::Reported)
    }
}

impl Measured {
    /// Nothing was measured.
    pub const NOTHING: Self =
        Self { counts: Counts::NONE, served: Circumstances::NONE, source: Source::Reported };
}

impl From<Counts> for Measured {
    fn from(counts: Counts) -> Self {
        Self { counts, ..Self::NOTHING }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::Circumstance;

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
    fn tokens_of_one_side_are_stated_together() {
        let prompt = [Measure::CacheReadToken, Measure::InputToken];
        let quantities = Quantities::one_request()
            .with_together(prompt, 9)
            .with(Measure::InputAudioToken, Quantity::AtMost(2))
            .with_together([Measure::OutputToken, Measure::ReasoningToken], u64::MAX);
        for measure in prompt {
            assert_eq!(quantities.of(measure), Some(Quantity::AtMost(9)), "{measure}");
        }
        assert_eq!(
            [TokenSide::Prompt, TokenSide::Answer].map(|side| quantities.most_tokens(side)),
            [11, u64::MAX]
        );
        let counts = Counts::NONE.with(Measure::CacheReadToken, 4).with(Measure::InputAudioToken, 1);
        assert_eq!([TokenSide::Prompt, TokenSide::Answer].map(|side| counts.tokens(side)), [5, 0]);
    }

    #[test]
    fn what_was_measured_survives_storage() {
        let served = Circumstances::NONE.with(Circumstance::Tier, "flex").unwrap();
        for (measured, stored) in [
            (Measured::NOTHING, r#"{"counts":{}}"#),
            (
                Measured {
                    served,
                    source: Source::Estimated,
                    ..Counts::NONE.with(Measure::Search, 2).into()
                },
                r#"{"counts":{"search":2},"served":{"tier":"flex"},"source":"estimated"}"#,
            ),
        ] {
            assert_eq!(serde_json::to_string(&measured).unwrap(), stored);
            assert_eq!(serde_json::from_str::<Measured>(stored).unwrap(), measured);
        }
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
