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
    while a != 0 {
        (a, b) = (b % a, a);
    }
    b
}

/// The least common multiple of two numbers from 1; none when it does not fit.
pub(crate) fn lcm(a: i128, b: i128) -> Option<i128> {
    (a / gcd(a, b)).checked_mul(b)
}
