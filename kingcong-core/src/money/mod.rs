//! Money: amounts are integers of a unit's smallest step. No floats, no rounding but the named one.
//!
//! An [`Amount`] is what wallets, holds and entries hold. Doors show it as [`Money`], which converts exactly from
//! and to [`Decimal`]. An exact price is rarely a whole number of steps: it is a [`Fraction`], and a job adds its
//! fractions up in a [`RunningTotal`], which rounds their sum once, upwards. Reports split a rounded total with
//! [`allocate`].

mod allocation;
mod fraction;
mod total;

use std::{fmt, str::FromStr};

pub use rust_decimal::Decimal;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

pub(crate) use self::fraction::lcm;
pub use self::{
    allocation::{AllocationError, allocate},
    fraction::{Fraction, FractionError},
    total::{Added, DENOMINATOR_MAX, RunningTotal, RunningTotalError},
};

/// An amount in the smallest step of some unit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Amount(i64);

impl Amount {
    /// Nothing.
    pub const ZERO: Self = Self(0);
    /// The largest amount.
    pub const MAX: Self = Self(i64::MAX);

    /// That many smallest steps.
    #[must_use]
    pub const fn new(steps: i64) -> Self {
        Self(steps)
    }

    /// The number of smallest steps.
    #[must_use]
    pub const fn get(self) -> i64 {
        self.0
    }

    /// The sum.
    ///
    /// # Errors
    /// When it does not fit 64 bits.
    pub fn plus(self, other: Self) -> Result<Self, AmountOverflow> {
        self.0.checked_add(other.0).map(Self).ok_or(AmountOverflow)
    }

    /// The difference.
    ///
    /// # Errors
    /// When it does not fit 64 bits.
    pub fn minus(self, other: Self) -> Result<Self, AmountOverflow> {
        self.0.checked_sub(other.0).map(Self).ok_or(AmountOverflow)
    }
}

/// An amount that does not fit 64 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("amount does not fit 64 bits of the unit's smallest step")]
pub struct AmountOverflow;

/// A unit of account. The scale, digits after the point of its smallest step, is fixed for ever.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Unit {
    code: &'static str,
    scale: u8,
}

impl Unit {
    /// KingCong credits: whole credits only.
    pub const CREDIT: Self = Self { code: "credit", scale: 0 };
    /// NextFlow credits: thousandths.
    pub const NEXTFLOW: Self = Self { code: "nextflow", scale: 3 };
    /// US dollars: billionths.
    pub const USD: Self = Self { code: "usd", scale: 9 };
    /// Every unit.
    pub const ALL: [Self; 3] = [Self::CREDIT, Self::NEXTFLOW, Self::USD];

    /// The unit of that name.
    ///
    /// # Errors
    /// When there is none.
    pub fn from_code(code: &str) -> Result<Self, UnknownUnit> {
        Self::ALL
            .into_iter()
            .find(|unit| unit.code == code)
            .ok_or_else(|| UnknownUnit { code: code.chars().take(64).collect() })
    }

    /// The unit's name.
    #[must_use]
    pub const fn code(self) -> &'static str {
        self.code
    }

    /// Digits after the point of the smallest step.
    #[must_use]
    pub const fn scale(self) -> u8 {
        self.scale
    }
}

impl fmt::Debug for Unit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Unit({})", self.code)
    }
}

impl fmt::Display for Unit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code)
    }
}

impl FromStr for Unit {
    type Err = UnknownUnit;

    fn from_str(code: &str) -> Result<Self, UnknownUnit> {
        Self::from_code(code)
    }
}

impl Serialize for Unit {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.code)
    }
}

impl<'de> Deserialize<'de> for Unit {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let code = String::deserialize(deserializer)?;
        Self::from_code(&code).map_err(serde::de::Error::custom)
    }
}

/// A unit's name that no unit has.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown unit {code:?}: use credit, nextflow or usd")]
pub struct UnknownUnit {
    /// What was given, cut to 64 characters.
    pub code: String,
}

/// An amount with its unit, as doors take and show it.
///
/// ```
/// use kingcong_core::money::{Decimal, Money, Unit};
///
/// let price: Decimal = "0.0001125".parse()?;
/// let money = Money::from_decimal(price, Unit::USD)?;
/// assert_eq!(money.amount.get(), 112_500);
/// assert_eq!(money.to_decimal(), price);
/// assert_eq!(money.to_string(), "0.0001125 usd");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Money {
    /// How much, in the unit's smallest step.
    pub amount: Amount,
    /// Of what.
    pub unit: Unit,
}

impl Money {
    /// That amount of that unit.
    #[must_use]
    pub const fn new(amount: Amount, unit: Unit) -> Self {
        Self { amount, unit }
    }

    /// Exactly that many whole units; nothing is rounded.
    ///
    /// # Errors
    /// When the value has more digits after the point than the unit, or does not fit 64 bits of its steps.
    pub fn from_decimal(value: Decimal, unit: Unit) -> Result<Self, MoneyError> {
        let exact = value.normalize();
        let missing = u32::from(unit.scale)
            .checked_sub(exact.scale())
            .ok_or(MoneyError::TooManyDigits { value, unit })?;
        10_i128
            .checked_pow(missing)
            .and_then(|factor| exact.mantissa().checked_mul(factor))
            .and_then(|steps| i64::try_from(steps).ok())
            .map(|steps| Self { amount: Amount::new(steps), unit })
            .ok_or(MoneyError::TooLarge { value, unit })
    }

    /// The value in whole units, without needless zeros.
    #[must_use]
    pub fn to_decimal(self) -> Decimal {
        Decimal::new(self.amount.get(), u32::from(self.unit.scale)).normalize()
    }
}

impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.to_decimal(), self.unit)
    }
}

/// A decimal that is not an amount of its unit.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MoneyError {
    /// More digits after the point than the unit has.
    #[error(
        "{value} {unit} has too many digits after the point: {unit} has {}; round the value first",
        .unit.scale()
    )]
    TooManyDigits {
        /// What was given.
        value: Decimal,
        /// Of what.
        unit: Unit,
    },
    /// Does not fit 64 bits of the unit's smallest step.
    #[error("{value} {unit} does not fit 64 bits of the unit's smallest step: give a smaller value")]
    TooLarge {
        /// What was given.
        value: Decimal,
        /// Of what.
        unit: Unit,
    },
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn any_unit() -> impl Strategy<Value = Unit> {
        proptest::sample::select(Unit::ALL.to_vec())
    }

    #[test]
    fn money_prints_without_needless_zeros() {
        for (steps, unit, text) in [
            (1_000_000, Unit::CREDIT, "1000000 credit"),
            (112_500, Unit::USD, "0.0001125 usd"),
            (5_000_000_000, Unit::USD, "5 usd"),
            (300, Unit::NEXTFLOW, "0.3 nextflow"),
            (-1, Unit::NEXTFLOW, "-0.001 nextflow"),
            (0, Unit::USD, "0 usd"),
            (i64::MIN, Unit::USD, "-9223372036.854775808 usd"),
        ] {
            assert_eq!(Money::new(Amount::new(steps), unit).to_string(), text);
        }
    }

    #[test]
    fn a_decimal_that_is_no_amount_of_its_unit_is_named() {
        for (text, unit) in [("0.5", Unit::CREDIT), ("1.0001", Unit::NEXTFLOW), ("-0.0000000001", Unit::USD)]
        {
            let value: Decimal = text.parse().unwrap();
            let error = Money::from_decimal(value, unit).unwrap_err();
            assert_eq!(error, MoneyError::TooManyDigits { value, unit });
            assert!(error.to_string().starts_with(&format!("{text} {unit}")), "{error}");
        }
        for (value, unit) in [
            (Decimal::from(i64::MAX) + Decimal::ONE, Unit::CREDIT),
            (Decimal::from(9_223_372_037_i64), Unit::USD),
            (Decimal::MAX, Unit::USD),
            (Decimal::MIN, Unit::NEXTFLOW),
        ] {
            assert_eq!(Money::from_decimal(value, unit), Err(MoneyError::TooLarge { value, unit }));
        }
    }

    #[test]
    fn zeros_after_the_point_are_no_digits() {
        let credits = Money::from_decimal("2.000".parse().unwrap(), Unit::CREDIT).unwrap();
        assert_eq!(credits.amount.get(), 2);
    }

    #[test]
    fn a_unit_is_stored_as_its_code() {
        for unit in Unit::ALL {
            assert_eq!(Unit::from_code(unit.code()), Ok(unit));
            assert_eq!(unit.code().parse(), Ok(unit));
            let json = serde_json::to_string(&unit).unwrap();
            assert_eq!(json, format!("\"{unit}\""));
            assert_eq!(serde_json::from_str::<Unit>(&json).unwrap(), unit);
        }
        let error = serde_json::from_str::<Unit>("\"VND\"").unwrap_err();
        assert!(error.to_string().contains("unknown unit \"VND\""), "{error}");
    }

    proptest! {
        #[test]
        fn every_amount_survives_its_decimal(steps: i64, unit in any_unit()) {
            let money = Money::new(Amount::new(steps), unit);
            prop_assert_eq!(Money::from_decimal(money.to_decimal(), unit), Ok(money));
            let json = serde_json::to_string(&money).unwrap();
            prop_assert_eq!(serde_json::from_str::<Money>(&json).unwrap(), money);
        }

        #[test]
        fn a_decimal_is_taken_exactly_or_refused(mantissa: i64, scale in 0..=28_u32, unit in any_unit()) {
            let value = Decimal::new(mantissa, scale);
            if let Ok(money) = Money::from_decimal(value, unit) {
                prop_assert_eq!(money.to_decimal(), value);
            }
        }
    }
}
