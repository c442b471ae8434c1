//! Exact fractions of an amount: what prices come to before they are rounded.

use std::{cmp::Ordering, fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use super::{Amount, AmountOverflow};

/// An exact amount that is not negative: a fraction, in lowest terms, of a unit's smallest steps.
///
/// As text, and so in storage, it is `numerator/denominator`.
///
/// ```
/// use kingcong_core::money::Fraction;
///
/// let third: Fraction = "200/300".parse()?;
/// assert_eq!(third.to_string(), "2/3");
/// let sum = third.checked_add(&third)?.checked_add(&third)?;
/// assert_eq!(sum.ceil()?.get(), 2);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Fraction {
    /// At least 0.
    num: i128,
    /// At least 1; has no divisor in common with `num`.
    den: i128,
}

impl Fraction {
    /// Nothing.
    pub const ZERO: Self = Self { num: 0, den: 1 };

    /// `num / den` smallest steps.
    ///
    /// # Errors
    /// When `num` is negative or `den` is not positive.
    pub fn new(num: i128, den: i128) -> Result<Self, FractionError> {
        if num < 0 || den <= 0 {
            return Err(FractionError::NotPositive { num, den });
        }
        let divisor = gcd(num, den);
        Ok(Self { num: num / divisor, den: den / divisor })
    }

    /// The numerator, in lowest terms.
    #[must_use]
    pub const fn num(&self) -> i128 {
        self.num
    }

    /// The denominator, in lowest terms.
    #[must_use]
    pub const fn den(&self) -> i128 {
        self.den
    }

    /// The sum.
    ///
    /// # Errors
    /// When it does not fit 128 bits over 128 bits.
    pub fn checked_add(&self, other: &Self) -> Result<Self, FractionError> {
        if self.num == 0 {
            return Ok(*other);
        }
        let sum = || {
            let den = lcm(self.den, other.den)?;
            let ours = self.num.checked_mul(den / self.den)?;
            let theirs = other.num.checked_mul(den / other.den)?;
            Some((ours.checked_add(theirs)?, den))
        };
        let (num, den) = sum().ok_or(FractionError::TooLarge)?;
        Self::new(num, den)
    }

    /// The smallest whole number of steps that is not less: the one rounding of prices.
    ///
    /// # Errors
    /// When it does not fit 64 bits.
    pub fn ceil(&self) -> Result<Amount, AmountOverflow> {
        let rest = i128::from(self.num % self.den != 0);
        i64::try_from(self.num / self.den + rest).map(Amount::new).map_err(|_| AmountOverflow)
    }
}

impl From<Amount> for Fraction {
    /// So many whole steps; none for an amount below zero.
    fn from(amount: Amount) -> Self {
        Self { num: amount.get().max(0).into(), den: 1 }
    }
}

impl Default for Fraction {
    fn default() -> Self {
        Self::ZERO
    }
}

impl Ord for Fraction {
    /// Compares whole parts, then the inverses of the rests: multiplying across could overflow.
    fn cmp(&self, other: &Self) -> Ordering {
        let (mut a, mut b) = (*self, *other);
        loop {
            let whole = (a.num / a.den).cmp(&(b.num / b.den));
            if whole.is_ne() {
                return whole;
            }
            match (a.num % a.den, b.num % b.den) {
                (0, 0) => return Ordering::Equal,
                (0, _) => return Ordering::Less,
                (_, 0) => return Ordering::Greater,
                (rest_a, rest_b) => {
                    (a, b) = (Self { num: b.den, den: rest_b }, Self { num: a.den, den: rest_a });
                }
            }
        }
    }
}

impl PartialOrd for Fraction {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Display for Fraction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.num, self.den)
    }
}

impl fmt::Debug for Fraction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Fraction({self})")
    }
}

impl FromStr for Fraction {
    type Err = FractionError;

    fn from_str(text: &str) -> Result<Self, FractionError> {
        let malformed = || FractionError::Malformed { text: text.chars().take(96).collect() };
        let (num, den) = text.split_once('/').ok_or_else(malformed)?;
        Self::new(num.parse().map_err(|_| malformed())?, den.parse().map_err(|_| malformed())?)
    }
}

impl TryFrom<String> for Fraction {
    type Error = FractionError;

    fn try_from(text: String) -> Result<Self, FractionError> {
        text.parse()
    }
}

impl From<Fraction> for String {
    fn from(fraction: Fraction) -> Self {
        fraction.to_string()
    }
}

/// What cannot be a [`Fraction`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FractionError {
    /// The numerator is negative, or the denominator is not positive.
    #[error("{num}/{den} is no exact amount: the numerator must be at least 0, the denominator at least 1")]
    NotPositive {
        /// The numerator.
        num: i128,
        /// The denominator.
        den: i128,
    },
    /// Not `numerator/denominator`.
    #[error("{text:?} is no exact amount: write it as numerator/denominator, such as 2/3")]
    Malformed {
        /// What was given, cut to 96 characters.
        text: String,
    },
    /// Does not fit.
    #[error("the exact sum does not fit 128 bits over 128 bits: add fewer or smaller amounts")]
    TooLarge,
}

/// The greatest common divisor of `a >= 0` and `b >= 1`; at least 1.
fn gcd(mut a: i128, mut b: i128) -> i128 {
    // Most fit 64 bits, where dividing is many times cheaper.
    if let (Ok(mut a), Ok(mut b)) = (u64::try_from(a), u64::try_from(b)) {
        while a != 0 {
            (a, b) = (b % a, a);
        }
        return b.into();
    }
    while a != 0 {
        (a, b) = (b % a, a);
    }
    b
}

/// The least common multiple of two numbers from 1; none when it does not fit.
pub(crate) fn lcm(a: i128, b: i128) -> Option<i128> {
    (a / gcd(a, b)).checked_mul(b)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn fraction(num: i128, den: i128) -> Fraction {
        Fraction::new(num, den).unwrap()
    }

    fn any_fraction() -> impl Strategy<Value = Fraction> {
        prop_oneof![
            (0..1000_i128, 1..1000_i128),
            (0..=i128::from(i64::MAX), 1..=i128::from(i64::MAX)),
            (0..=i128::MAX, 1..=i128::MAX),
            (i128::MAX - 9..=i128::MAX, i128::MAX - 9..=i128::MAX),
        ]
        .prop_map(|(num, den)| fraction(num, den))
    }

    #[test]
    fn a_fraction_is_never_negative_and_never_over_zero() {
        for (num, den) in [(-1, 1), (1, 0), (1, -1), (0, 0), (i128::MIN, i128::MIN)] {
            assert_eq!(Fraction::new(num, den), Err(FractionError::NotPositive { num, den }));
        }
    }

    #[test]
    fn malformed_text_is_named() {
        for text in ["", "1", "1/", "/1", "1/2/3", "a/2", "1.5/2", " 1/2", "1/2 "] {
            assert_eq!(text.parse::<Fraction>(), Err(FractionError::Malformed { text: text.into() }));
        }
        let error = serde_json::from_str::<Fraction>("\"-1/2\"").unwrap_err();
        assert!(error.to_string().contains("-1/2"), "{error}");
    }

    #[test]
    fn the_order_holds_where_multiplying_across_would_overflow() {
        let max = i128::MAX;
        let ascending = [
            Fraction::ZERO,
            fraction(1, max),
            fraction(1, max - 1),
            fraction(max - 2, max - 1),
            fraction(max - 1, max),
            fraction(1, 1),
            fraction(max, max - 1),
            fraction(max - 1, max - 2),
            fraction(max - 1, 1),
            fraction(max, 1),
        ];
        assert!(ascending.is_sorted_by(|a, b| a < b));
    }

    #[test]
    fn a_ceiling_that_does_not_fit_is_refused() {
        let max = i128::from(i64::MAX);
        assert_eq!(fraction(max, 1).ceil(), Ok(Amount::MAX));
        assert_eq!(fraction(max * 2 - 1, 2).ceil(), Ok(Amount::MAX));
        assert_eq!(fraction(max * 2 + 1, 2).ceil(), Err(AmountOverflow));
        assert_eq!(fraction(i128::MAX, 1).ceil(), Err(AmountOverflow));
    }

    proptest! {
        #[test]
        fn text_and_storage_keep_a_fraction(a in any_fraction()) {
            prop_assert_eq!(a.to_string().parse::<Fraction>(), Ok(a));
            let json = serde_json::to_string(&a).unwrap();
            prop_assert_eq!(serde_json::from_str::<Fraction>(&json).unwrap(), a);
        }

        #[test]
        fn equal_values_are_one_fraction(num in 0..1_000_000_i128, den in 1..1_000_000_i128, by in 1..1000_i128) {
            prop_assert_eq!(fraction(num, den), fraction(num * by, den * by));
        }

        #[test]
        fn fractions_compare_as_their_values(
            (a, b) in (0..=u64::MAX, 1..=u64::MAX),
            (c, d) in (0..=u64::MAX, 1..=u64::MAX),
        ) {
            let by_value = (u128::from(a) * u128::from(d)).cmp(&(u128::from(c) * u128::from(b)));
            prop_assert_eq!(fraction(a.into(), b.into()).cmp(&fraction(c.into(), d.into())), by_value);
        }

        #[test]
        fn the_order_is_one(a in any_fraction(), b in any_fraction(), c in any_fraction()) {
            prop_assert_eq!(a.cmp(&b), b.cmp(&a).reverse());
            prop_assert_eq!(a.cmp(&b).is_eq(), a == b);
            let mut sorted = [a, b, c];
            sorted.sort_unstable();
            prop_assert!(sorted[0] <= sorted[2]);
        }

        #[test]
        fn a_sum_is_exact_or_refused(a in any_fraction(), b in any_fraction()) {
            let sum = a.checked_add(&b);
            prop_assert_eq!(&sum, &b.checked_add(&a));
            match sum {
                Ok(sum) => prop_assert!(sum >= a && sum >= b),
                Err(error) => prop_assert_eq!(error, FractionError::TooLarge),
            }
        }

        #[test]
        fn small_sums_are_exact((a, b) in (0..9999_i128, 1..9999_i128), (c, d) in (0..9999_i128, 1..9999_i128)) {
            prop_assert_eq!(fraction(a, b).checked_add(&fraction(c, d)), Fraction::new(a * d + c * b, b * d));
        }

        #[test]
        fn a_ceiling_is_the_smallest_whole_amount_not_less(num in 0..=i128::from(i64::MAX), den in 1..99_i128) {
            let ceiling = i128::from(fraction(num, den).ceil().unwrap().get());
            prop_assert!(ceiling * den >= num && (ceiling - 1) * den < num);
        }
    }
}
