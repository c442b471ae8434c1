//! A job's running total: exact sum inside, rounded once, handed out in parts that add up.

use super::{Amount, AmountOverflow, Fraction};

/// Largest common denominator of a job's exact prices: 10<sup>12</sup> for how much they buy (the `per` of the
/// prices), times 10<sup>6</sup> for their precision below a smallest step. Every amount fits 128 bits over it.
pub const DENOMINATOR_MAX: i64 = 1_000_000_000_000_000_000;

/// The exact sum of what a job's finished tasks cost, and what was charged for them so far.
///
/// Each task adds its exact price and is charged the part that brings the charge to the sum, rounded up. So the
/// total is rounded once, whatever the order of the tasks, and the parts always add up to it. Only the parts
/// depend on the order, by less than one smallest step each.
///
/// ```
/// use kingcong_core::money::{Fraction, RunningTotal};
///
/// let mut total = RunningTotal::new(3)?;
/// let two_thirds = Fraction::new(200, 300)?;
/// let parts = [total.add(&two_thirds)?, total.add(&two_thirds)?, total.add(&two_thirds)?];
/// assert_eq!(parts.map(|part| part.get()), [1, 1, 0]);
/// assert_eq!(total.charged().get(), 2);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RunningTotal {
    /// From 1 to [`DENOMINATOR_MAX`].
    den: i64,
    /// At least 0; in `1/den` of a smallest step.
    sum: i128,
    /// The sum, rounded up.
    charged: Amount,
}

impl RunningTotal {
    /// Nothing yet; `den` must be a multiple of every denominator that will be added.
    ///
    /// # Errors
    /// When `den` is not from 1 to [`DENOMINATOR_MAX`].
    pub fn new(den: i64) -> Result<Self, RunningTotalError> {
        Self::from_parts(den, 0, Amount::ZERO)
    }

    /// The total with these stored parts.
    ///
    /// # Errors
    /// When no sequence of [`RunningTotal::add`] gives them.
    pub fn from_parts(den: i64, sum: i128, charged: Amount) -> Result<Self, RunningTotalError> {
        if !(1..=DENOMINATOR_MAX).contains(&den) {
            return Err(RunningTotalError::Denominator { den: den.into() });
        }
        let exact = Fraction::new(sum, den.into()).ok().and_then(|sum| sum.ceil().ok());
        if exact != Some(charged) {
            return Err(RunningTotalError::Parts { den, sum, charged: charged.get() });
        }
        Ok(Self { den, sum, charged })
    }

    /// Adds an exact price; the answer is the part to charge for it, which may be zero.
    ///
    /// # Errors
    /// When the price's denominator does not divide this total's, or the total would not fit 64 bits; the total
    /// is then as it was.
    pub fn add(&mut self, exact: &Fraction) -> Result<Amount, RunningTotalError> {
        let den = i128::from(self.den);
        if den % exact.den() != 0 {
            return Err(RunningTotalError::Indivisible { exact: *exact, den: self.den });
        }
        let sum = exact
            .num()
            .checked_mul(den / exact.den())
            .and_then(|added| self.sum.checked_add(added))
            .ok_or(AmountOverflow)?;
        let whole = sum / den + i128::from(sum % den != 0);
        let charged = i64::try_from(whole).map(Amount::new).map_err(|_| AmountOverflow)?;
        let part = charged.minus(self.charged)?;
        *self = Self { den: self.den, sum, charged };
        Ok(part)
    }

    /// The common denominator.
    #[must_use]
    pub const fn den(&self) -> i64 {
        self.den
    }

    /// The exact sum, in `1/den` of a smallest step.
    #[must_use]
    pub const fn sum(&self) -> i128 {
        self.sum
    }

    /// What was charged so far: the exact sum, rounded up.
    #[must_use]
    pub const fn charged(&self) -> Amount {
        self.charged
    }
}

/// What a [`RunningTotal`] refuses.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RunningTotalError {
    /// The common denominator is out of range.
    #[error(
        "the exact prices of one job have the common denominator {den}, which must be from 1 to \
         {DENOMINATOR_MAX}: price its routes per like numbers of units"
    )]
    Denominator {
        /// The denominator.
        den: i128,
    },
    /// Stored parts that contradict each other.
    #[error("the stored total is damaged: {charged} is not {sum}/{den} rounded up")]
    Parts {
        /// The denominator.
        den: i64,
        /// The sum.
        sum: i128,
        /// The charge, in smallest steps.
        charged: i64,
    },
    /// A price that the common denominator was not made for.
    #[error("the exact price {exact} does not fit the job's common denominator {den}")]
    Indivisible {
        /// The price.
        exact: Fraction,
        /// The denominator.
        den: i64,
    },
    /// The total does not fit.
    #[error(transparent)]
    Overflow(#[from] AmountOverflow),
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const DEN: i64 = 3_600;

    fn fraction(num: i128, den: i128) -> Fraction {
        Fraction::new(num, den).unwrap()
    }

    fn add_all(prices: &[Fraction]) -> (Vec<i64>, RunningTotal) {
        let mut total = RunningTotal::new(DEN).unwrap();
        let parts = prices.iter().map(|price| total.add(price).unwrap().get()).collect();
        (parts, total)
    }

    fn divisible_prices() -> impl Strategy<Value = Vec<Fraction>> {
        let divisors: Vec<i128> = (1..=DEN.into()).filter(|den| i128::from(DEN) % den == 0).collect();
        let price = (0..1_000_000_i128, proptest::sample::select(divisors));
        proptest::collection::vec(price.prop_map(|(num, den)| fraction(num, den)), 0..20)
    }

    #[test]
    fn three_times_two_thirds_are_two() {
        let price = fraction(200, 300);
        let (parts, total) = add_all(&[price, price, price]);
        assert_eq!((parts, total.charged().get()), (vec![1, 1, 0], 2));
        assert_eq!((total.sum(), total.den()), (2 * i128::from(DEN), DEN));
    }

    #[test]
    fn a_denominator_out_of_range_is_refused() {
        for den in [0, -1, i64::MIN, DENOMINATOR_MAX + 1, i64::MAX] {
            assert_eq!(RunningTotal::new(den), Err(RunningTotalError::Denominator { den: den.into() }));
        }
        assert!(RunningTotal::new(DENOMINATOR_MAX).is_ok());
    }

    #[test]
    fn stored_parts_that_contradict_each_other_are_refused() {
        for (sum, charged) in [(7, 1), (7, 3), (-1, 0), (0, 1), (0, -1), (i128::MAX, 0)] {
            let read = RunningTotal::from_parts(5, sum, Amount::new(charged));
            assert_eq!(read, Err(RunningTotalError::Parts { den: 5, sum, charged }));
        }
        assert!(RunningTotal::from_parts(5, 7, Amount::new(2)).is_ok());
    }

    #[test]
    fn a_refused_price_changes_nothing() {
        let mut total = RunningTotal::new(10).unwrap();
        total.add(&fraction(1, 2)).unwrap();
        let before = total;
        let foreign = fraction(1, 3);
        assert_eq!(total.add(&foreign), Err(RunningTotalError::Indivisible { exact: foreign, den: 10 }));
        for too_large in [i128::from(i64::MAX), i128::MAX] {
            let error = total.add(&fraction(too_large, 1)).unwrap_err();
            assert_eq!(error, RunningTotalError::Overflow(AmountOverflow));
        }
        assert_eq!(total, before);
    }

    #[test]
    fn the_largest_amount_fits_over_the_largest_denominator() {
        let mut total = RunningTotal::new(DENOMINATOR_MAX).unwrap();
        assert_eq!(total.add(&fraction(i64::MAX.into(), 1)), Ok(Amount::MAX));
    }

    proptest! {
        #[test]
        fn the_order_never_changes_the_total(
            (prices, shuffled) in divisible_prices().prop_flat_map(|prices| {
                (Just(prices.clone()), Just(prices).prop_shuffle())
            })
        ) {
            prop_assert_eq!(add_all(&prices).1, add_all(&shuffled).1);
        }

        #[test]
        fn parts_add_up_to_the_exact_sum_rounded_up_once(prices in divisible_prices()) {
            let (parts, total) = add_all(&prices);
            let exact = prices.iter().fold(Fraction::ZERO, |sum, price| sum.checked_add(price).unwrap());
            prop_assert_eq!(total.charged(), exact.ceil().unwrap());
            prop_assert_eq!(parts.iter().sum::<i64>(), total.charged().get());
        }

        #[test]
        fn a_part_is_its_price_rounded_up_or_down(prices in divisible_prices()) {
            for (part, price) in add_all(&prices).0.into_iter().zip(prices) {
                let up = price.ceil().unwrap().get();
                prop_assert!((up - 1..=up).contains(&part) && part >= 0, "{part} for {price}");
            }
        }

        #[test]
        fn a_stored_total_goes_on_as_if_never_stored(prices in divisible_prices()) {
            let mut stored = RunningTotal::new(DEN).unwrap();
            for price in &prices {
                stored.add(price).unwrap();
                stored = RunningTotal::from_parts(stored.den(), stored.sum(), stored.charged()).unwrap();
            }
            prop_assert_eq!(stored, add_all(&prices).1);
        }
    }
}
