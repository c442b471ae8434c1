//! A price: so much per so many of each measure, as integers.

use std::num::NonZeroU32;

use serde::{Deserialize, Serialize};

use super::{Conditions, PriceError, ReportedPrice, RoutePrice};
use crate::{
    clock::Timestamp,
    id::Route,
    lane::Lane,
    measure::{Circumstances, Measure, Quantities, Quantity, TokenSide},
    money::{Decimal, Fraction, Unit},
    operation::Operation,
    switch::Switch,
};

/// Milliseconds in a second: what a price per second of audio is [`PriceLine::per`].
pub const MS_PER_SECOND: NonZeroU32 = NonZeroU32::new(1000).expect("1000 is not zero");
/// Longest model name in bytes.
pub const MODEL_BYTES_MAX: usize = 190;
/// Longest name of a price in bytes.
pub const PRICE_NAME_BYTES_MAX: usize = 190;

/// Digits of a price below its unit's smallest step: `num` counts 10^-6 of a step.
const DIGITS_BELOW_STEP: u32 = 6;
/// How many of a line's `num` make one smallest step.
const NUM_PER_STEP: i128 = 1_000_000;

/// One version of a price: what an operation costs on a route.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Price {
    /// Where it is bought.
    pub route: Route,
    /// The only model it is for; none is any model without a price of its own.
    pub model: Option<String>,
    /// What is done.
    pub operation: Operation,
    /// Whose keys it is done with.
    pub lane: Lane,
    /// What it is paid in.
    pub unit: Unit,
    /// Its name for people.
    pub name: String,
    /// How much.
    pub charge: Charge,
    /// Who bears what work costs beyond what was held for it.
    #[serde(default)]
    pub overrun: Overrun,
    /// Whether work may be sold at it.
    pub switch: Switch,
    /// How often this price was set: larger is newer.
    pub version: u32,
    /// Since when this version is in force; it may be to come.
    pub since: Timestamp,
}

/// Who bears what work costs beyond its job's hold: more audio came back than was expected at most.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Overrun {
    /// The operator: a job is charged at most its hold. What it would have cost beyond is told in its usage records.
    #[default]
    Operator,
    /// The payer: it is taken from what the wallet has available, and the rest becomes debt.
    Payer,
}

impl Overrun {
    pub(super) const fn is_operators(&self) -> bool {
        matches!(self, Self::Operator)
    }
}

/// How much something costs. Zero has to be said: only [`Charge::Free`] costs nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Charge {
    /// Nothing.
    Free,
    /// The sum of these lines.
    Lines(PriceLines),
}

impl Charge {
    /// The sum of these lines.
    ///
    /// # Errors
    /// When no line is above zero, or two have the same measure.
    pub fn lines(lines: impl IntoIterator<Item = PriceLine>) -> Result<Self, PriceError> {
        lines.into_iter().collect::<Vec<_>>().try_into().map(Self::Lines)
    }
}

/// Most lines of one price.
pub const LINES_MAX: usize = 200;

/// Lines of one price: at least one is above zero, and whatever the circumstances, one line alone is meant for each
/// measure.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Vec<PriceLine>", into = "Vec<PriceLine>")]
pub struct PriceLines(Vec<PriceLine>);

impl PriceLines {
    /// The lines.
    #[must_use]
    pub fn as_slice(&self) -> &[PriceLine] {
        &self.0
    }
}

impl TryFrom<Vec<PriceLine>> for PriceLines {
    type Error = PriceError;

    fn try_from(lines: Vec<PriceLine>) -> Result<Self, PriceError> {
        if lines.len() > LINES_MAX {
            return Err(PriceError::TooManyLines { given: lines.len(), max: LINES_MAX });
        }
        if lines.iter().all(|line| line.num == 0) {
            return Err(PriceError::AllZero);
        }
        lines.iter().try_for_each(PriceLine::check)?;
        let any = |is: fn(&PriceLine) -> bool| lines.iter().any(is);
        if any(|line| line.measure == Measure::Token) && any(|line| line.measure.token_side().is_some()) {
            return Err(PriceError::TokenTwice);
        }
        for (place, line) in lines.iter().enumerate() {
            let of_measure = || lines.iter().filter(|other| other.measure == line.measure);
            for other in lines[..place].iter().filter(|other| other.measure == line.measure) {
                if other.when == line.when {
                    return Err(PriceError::DuplicateMeasure { measure: line.measure });
                }
                let is_decided = || of_measure().any(|third| third.when.cover(&line.when, &other.when));
                if line.when.ties_with(&other.when) && !is_decided() {
                    return Err(PriceError::Tie { measure: line.measure });
                }
            }
        }
        Ok(Self(lines))
    }
}

impl From<PriceLines> for Vec<PriceLine> {
    fn from(lines: PriceLines) -> Self {
        lines.0
    }
}

/// So much per so many of a measure, as integers: $0.075 per 1,000,000 tokens and 1 credit per 300 tokens are kept
/// without loss.
///
/// ```
/// use std::num::NonZeroU32;
///
/// use kingcong_core::{
///     measure::Measure,
///     money::Unit,
///     pricing::{Conditions, PriceLine, PromptTokens},
/// };
///
/// let million = NonZeroU32::new(1_000_000).expect("not zero");
/// let line = PriceLine::from_decimal(Measure::InputToken, "4".parse()?, million, Unit::USD)?;
/// let long = PriceLine::from_decimal(Measure::InputToken, "8".parse()?, million, Unit::USD)?
///     .when(Conditions { prompt: Some(PromptTokens::Above(272_000)), ..Conditions::NONE });
/// assert!(line.when.is_empty() && !long.when.is_empty());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PriceLine {
    /// What is counted.
    pub measure: Measure,
    /// How much, in 10<sup>-6</sup> of the unit's smallest step.
    pub num: u64,
    /// Per how many of the measure's smallest unit (a character, a millisecond, a token …).
    pub per: NonZeroU32,
    /// When it applies. Of several lines of one measure that apply, the one with the most conditions is meant, and of
    /// bounds of the prompt the highest.
    #[serde(default, skip_serializing_if = "Conditions::is_empty")]
    pub when: Conditions,
    /// So many of a task's are free.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub free: u64,
    /// A task that has any is charged so many at least.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub at_least: u64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands it over so")]
const fn is_zero(quantity: &u64) -> bool {
    *quantity == 0
}

impl PriceLine {
    /// `num` millionths of the unit's smallest step per `per` of the measure's smallest unit, always.
    #[must_use]
    pub const fn new(measure: Measure, num: u64, per: NonZeroU32) -> Self {
        Self { measure, num, per, when: Conditions::NONE, free: 0, at_least: 0 }
    }

    /// `price` whole units per `per` of the measure's smallest unit; nothing is rounded.
    ///
    /// ```
    /// use std::num::NonZeroU32;
    ///
    /// use kingcong_core::{
    ///     measure::Measure,
    ///     money::Unit,
    ///     pricing::PriceLine,
    /// };
    ///
    /// let million = NonZeroU32::new(1_000_000).expect("not zero");
    /// let line = PriceLine::from_decimal(Measure::Token, "0.075".parse()?, million, Unit::USD)?;
    /// assert_eq!(line.num, 75_000_000_000_000);
    /// assert_eq!(line.price(Unit::USD).to_string(), "0.075");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// When the price is negative, has more than 6 digits below the unit's smallest step, or is too large.
    pub fn from_decimal(
        measure: Measure,
        price: Decimal,
        per: NonZeroU32,
        unit: Unit,
    ) -> Result<Self, PriceError> {
        let exact = price.normalize();
        if exact < Decimal::ZERO {
            return Err(PriceError::Negative { price });
        }
        let digits_max = digits_max(unit);
        let missing = digits_max.checked_sub(exact.scale()).ok_or(PriceError::TooManyDigits {
            price,
            unit,
            digits_max,
        })?;
        10_i128
            .checked_pow(missing)
            .and_then(|factor| exact.mantissa().checked_mul(factor))
            .and_then(|num| u64::try_from(num).ok())
            .map(|num| Self::new(measure, num, per))
            .ok_or(PriceError::TooLarge { price, unit })
    }

    /// The price of [`PriceLine::per`], in whole units.
    #[must_use]
    pub fn price(&self, unit: Unit) -> Decimal {
        Decimal::from_i128_with_scale(self.num.into(), digits_max(unit)).normalize()
    }

    /// The same, applying only then.
    #[must_use]
    pub fn when(mut self, conditions: Conditions) -> Self {
        self.when = conditions;
        self
    }

    fn check(&self) -> Result<(), PriceError> {
        self.when.check()?;
        match self.at_least {
            // Tokens of one side are counted as several measures: a least number of each would add up.
            1.. if self.measure.token_side().is_some() => {
                Err(PriceError::LeastOfTokens { measure: self.measure })
            }
            _ => Ok(()),
        }
    }

    /// The exact price of a task's quantity of the measure, if it fits an amount.
    pub(super) fn exact(&self, quantity: u64, route: &Route) -> Result<Fraction, PriceError> {
        let charged = match quantity {
            0 => 0,
            _ => quantity.max(self.at_least).saturating_sub(self.free),
        };
        i128::from(self.num)
            .checked_mul(charged.into())
            .and_then(|num| Fraction::new(num, self.den()).ok())
            .filter(|price| price.ceil().is_ok())
            .ok_or_else(|| PriceError::QuantityTooLarge {
                route: route.clone(),
                measure: self.measure,
                quantity,
            })
    }

    /// The exact price of one of the measure's smallest unit.
    pub(super) fn unit_price(&self) -> Fraction {
        Fraction::new(self.num.into(), self.den()).expect("a price is not negative, and per not zero")
    }

    /// What `num` counts in parts of a smallest step, per one of the measure's smallest unit.
    fn den(&self) -> i128 {
        i128::from(self.per.get()) * NUM_PER_STEP
    }
}

/// Digits after the point that a price in this unit may have.
fn digits_max(unit: Unit) -> u32 {
    u32::from(unit.scale()) + DIGITS_BELOW_STEP
}

impl Price {
    /// What a task of these quantities costs: exact where they are known, held at a bound where they are reported
    /// later. All lines are kept that may apply: which of them does is known when the work was served.
    ///
    /// # Errors
    /// When the work states no bound for a measure that is priced, when tokens that it may have are priced in part
    /// only, when nothing of the work is priced though the price is not free, or when the cost is too large to be
    /// settled.
    pub fn quote(&self, quantities: &Quantities) -> Result<RoutePrice, PriceError> {
        let lines = match &self.charge {
            Charge::Free => &[],
            Charge::Lines(lines) => lines.as_slice(),
        };
        self.check_bounds(lines, quantities)?;
        let has_tokens = lines.iter().any(|line| line.measure.priced_as().last() == Some(Measure::Token));
        let prompt = quantities.most_tokens(TokenSide::Prompt);
        let (mut counted, mut reported) = (Fraction::ZERO, Vec::new());
        for (measures, quantity) in quantities.stated() {
            let part = ReportedPrice::new(lines, measures, quantity);
            if has_tokens {
                self.check_tokens(&part, quantities.asked(), prompt)?;
            }
            match (part.lines.as_slice(), quantity) {
                (lines, _) if lines.iter().all(|line| line.num == 0) => {}
                ([line], Quantity::Exact(quantity)) if line.when.is_empty() => {
                    let part = line.exact(quantity, &self.route)?;
                    // Amounts that fit add up in 128 bits unless their denominators are out of bounds.
                    counted = counted.checked_add(&part).map_err(|_| PriceError::DenominatorTooLarge)?;
                }
                _ => reported.push(part),
            }
        }
        let quoted = RoutePrice {
            route: self.route.clone(),
            model: self.model.clone(),
            version: self.version,
            unit: self.unit,
            overrun: self.overrun,
            counted,
            reported,
            asked: quantities.asked().clone(),
            prompt,
        }
        .checked()?;
        match self.charge {
            Charge::Lines(_) if quoted.worst() == Fraction::ZERO => {
                Err(PriceError::NothingToCharge { route: self.route.clone(), operation: self.operation })
            }
            Charge::Lines(_) | Charge::Free => Ok(quoted),
        }
    }

    /// Whether the work states how much it has at most of everything that is priced.
    fn check_bounds(&self, lines: &[PriceLine], quantities: &Quantities) -> Result<(), PriceError> {
        let priced = |line: &&PriceLine| line.num > 0 && quantities.of(line.measure).is_none();
        let stated = |measure| {
            quantities
                .stated()
                .any(|(measures, _)| measures.iter().any(|of| of.priced_as().any(|priced| priced == measure)))
        };
        match lines.iter().filter(priced).find(|line| !stated(line.measure)) {
            Some(line) => Err(PriceError::NoBound {
                route: self.route.clone(),
                operation: self.operation,
                measure: line.measure,
            }),
            None => Ok(()),
        }
    }

    /// Whether tokens have a price, however they are served: those that have none would be given away.
    fn check_tokens(
        &self,
        part: &ReportedPrice,
        asked: &Circumstances,
        prompt: u64,
    ) -> Result<(), PriceError> {
        let tokens =
            part.of.iter().filter(|measure| measure.token_side().is_some() && part.quantity.most() > 0);
        match tokens.copied().find(|measure| !part.is_priced_always(*measure, asked, prompt)) {
            Some(measure) => {
                Err(PriceError::Unpriced { route: self.route.clone(), operation: self.operation, measure })
            }
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn line(measure: Measure, num: u64) -> PriceLine {
        PriceLine::new(measure, num, NonZeroU32::MIN)
    }

    #[test]
    fn a_refused_price_is_named() {
        for (text, unit, message) in [
            ("-1", Unit::CREDIT, "the price -1 is negative"),
            ("0.0000001", Unit::CREDIT, "the price 0.0000001 credit has more than 6 digits"),
            ("18446.744073709551616", Unit::USD, "the price 18446.744073709551616 usd is too large"),
        ] {
            let price = text.parse().unwrap();
            let error =
                PriceLine::from_decimal(Measure::Character, price, NonZeroU32::MIN, unit).unwrap_err();
            assert!(error.to_string().starts_with(message), "{error}");
        }
    }

    #[test]
    fn zero_is_legal_only_as_free() {
        let zero = line(Measure::Character, 0);
        assert_eq!(Charge::lines([]), Err(PriceError::AllZero));
        assert_eq!(Charge::lines([zero.clone(), line(Measure::Request, 0)]), Err(PriceError::AllZero));
        assert!(Charge::lines([zero, line(Measure::Request, 1)]).is_ok());
        for stored in [
            r#"{"lines":[]}"#,
            r#"{"lines":[{"measure":"character","num":0,"per":1}]}"#,
            r#"{"lines":[{"measure":"character","num":1,"per":0}]}"#,
            r#"{"lines":[{"measure":"character","num":-1,"per":1}]}"#,
        ] {
            assert!(serde_json::from_str::<Charge>(stored).is_err(), "{stored}");
        }
    }

    #[test]
    fn a_price_has_one_line_per_measure() {
        let twice = [line(Measure::Token, 1), line(Measure::Request, 1), line(Measure::Token, 2)];
        assert_eq!(Charge::lines(twice), Err(PriceError::DuplicateMeasure { measure: Measure::Token }));
    }

    #[test]
    fn a_charge_survives_storage() {
        for charge in [Charge::Free, Charge::lines([line(Measure::AudioMs, u64::MAX)]).unwrap()] {
            let json = serde_json::to_string(&charge).unwrap();
            assert_eq!(serde_json::from_str::<Charge>(&json).unwrap(), charge, "{json}");
        }
    }

    proptest! {
        #[test]
        fn every_line_is_its_decimal(num: u64, unit in proptest::sample::select(Unit::ALL.to_vec())) {
            let line = line(Measure::Character, num);
            let read = PriceLine::from_decimal(line.measure, line.price(unit), line.per, unit);
            prop_assert_eq!(read, Ok(line));
        }
    }
}
