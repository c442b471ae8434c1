//! A job's running total: exact sum inside, rounded once, handed out in parts that add up.

use super::{Amount, AmountOverflow, Fraction};

/// Largest common denominator of a job's exact prices: 10<sup>12</sup> for how much they buy (the `per` of the
/// prices), times 10<sup>6</sup> for their precision below a smallest step. Every amount fits 128 bits over it.
pub const DENOMINATOR_MAX: i64 = 1_000_000_000_000_000_000;

/// The exact sum of what a job's finished tasks cost, and what was charged for them so far.
///
/// Each task adds its exact price and is charged the part that brings the charge to the sum, rounded up. So the
/// total is rounded once, whatever the order of the tasks, and the parts always add up to it. Only the parts
/// depend on the order, by less than one smallest step each while the job stays within its hold.
///
/// The sum is at most the job's hold, or what its tasks of prices with an overrun cost if that is more. What a task
/// costs beyond that is told and not charged.
///
/// ```
/// use kingcong_core::money::{Amount, Fraction, RunningTotal};
///
/// let mut total = RunningTotal::new(3)?;
/// let (hold, two_thirds) = (Amount::new(2), Fraction::new(200, 300)?);
/// let parts = [0, 1, 2].map(|_| total.add(&two_thirds, hold).map(|added| added.part.get()));
/// assert_eq!(parts, [Ok(1), Ok(1), Ok(0)]);
///
/// let beyond = total.add(&two_thirds, hold)?;
/// assert_eq!((beyond.part.get(), beyond.over_hold.get()), (0, 1));
/// assert_eq!(total.charged().get(), 2);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RunningTotal {
    /// From 1 to [`DENOMINATOR_MAX`].
    den: i64,
    /// At least 0; in `1/den` of a smallest step.
    sum: i128,
    /// What tasks of prices with an overrun cost: at most `sum`, and in the same parts.
    overrun: i128,
    /// The sum, rounded up.
    charged: Amount,
}

/// What became of a price that was added to a [`RunningTotal`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Added {
    /// The part to charge for it, which may be zero.
    pub part: Amount,
    /// What of it is not charged because the job's hold is used up, rounded up.
    pub over_hold: Amount,
}

impl RunningTotal {
    /// Nothing yet; `den` must be a multiple of every denominator that will be added.
    ///
    /// # Errors
    /// When `den` is not from 1 to [`DENOMINATOR_MAX`].
    pub fn new(den: i64) -> Result<Self, RunningTotalError> {
        Self::from_parts(den, 0, 0, Amount::ZERO)
    }

    /// The total with these stored parts.
    ///
    /// # Errors
    /// When no sequence of additions gives them.
    pub fn from_parts(
        den: i64,
        sum: i128,
        overrun: i128,
        charged: Amount,
    ) -> Result<Self, RunningTotalError> {
        if !(1..=DENOMINATOR_MAX).contains(&den) {
            return Err(RunningTotalError::Denominator { den: den.into() });
        }
        let exact = Fraction::new(sum, den.into()).ok().and_then(|sum| sum.ceil().ok());
        if exact != Some(charged) || !(0..=sum).contains(&overrun) {
            return Err(RunningTotalError::Parts { den, sum, overrun, charged: charged.get() });
        }
        Ok(Self { den, sum, overrun, charged })
    }

    /// Adds an exact price as far as the job's hold goes.
    ///
    /// # Errors
    /// When the price's denominator does not divide this total's, or the price does not fit 64 bits; the total is
    /// then as it was.
    pub fn add(&mut self, exact: &Fraction, hold: Amount) -> Result<Added, RunningTotalError> {
        let cost = self.in_parts(exact)?;
        let sum = self.sum.max((self.sum + cost).min(self.in_parts(&hold.into())?));
        self.move_to(sum, self.overrun, cost)
    }

    /// Adds an exact price of a task that may cost more than what the job's hold has left for it.
    ///
    /// # Errors
    /// When the price's denominator does not divide this total's, or the total would not fit 64 bits; the total
    /// is then as it was.
    pub fn add_overrun(&mut self, exact: &Fraction, hold: Amount) -> Result<Added, RunningTotalError> {
        let cost = self.in_parts(exact)?;
        let overrun = self.overrun + cost;
        let sum = overrun.max((self.sum + cost).min(self.in_parts(&hold.into())?));
        self.move_to(sum, overrun, cost)
    }

    /// A price in `1/den` of a smallest step. Sums of a few such fit 128 bits.
    fn in_parts(&self, exact: &Fraction) -> Result<i128, RunningTotalError> {
        let den = i128::from(self.den);
        if den % exact.den() != 0 {
            return Err(RunningTotalError::Indivisible { exact: *exact, den: self.den });
        }
        exact.ceil()?;
        Ok(exact.num() * (den / exact.den()))
    }

    /// Sets the sums after `cost` was added, as far as it could be.
    fn move_to(&mut self, sum: i128, overrun: i128, cost: i128) -> Result<Added, RunningTotalError> {
        let charged = self.rounded_up(sum)?;
        let part = charged.minus(self.charged)?;
        let over_hold = self.rounded_up(cost - (sum - self.sum))?;
        *self = Self { den: self.den, sum, overrun, charged };
        Ok(Added { part, over_hold })
    }

    fn rounded_up(&self, parts: i128) -> Result<Amount, AmountOverflow> {
        let den = i128::from(self.den);
        let whole = parts / den + i128::from(parts % den != 0);
        i64::try_from(whole).map(Amount::new).map_err(|_| AmountOverflow)
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

    /// What tasks of prices with an overrun cost, in `1/den` of a smallest step.
    #[must_use]
    pub const fn overrun(&self) -> i128 {
        self.overrun
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
    #[error(
        "the stored total is damaged: {charged} is not {sum}/{den} rounded up, or the overrun {overrun} is no part \
         of it"
    )]
    Parts {
        /// The denominator.
        den: i64,
        /// The sum.
        sum: i128,
        /// What of it may be beyond the hold.
        overrun: i128,
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
    /// A hold that nothing here reaches.
    const AMPLE: Amount = Amount::MAX;

    fn fraction(num: i128, den: i128) -> Fraction {
        Fraction::new(num, den).unwrap()
    }

    fn add_all(prices: &[Fraction]) -> (Vec<i64>, RunningTotal) {
        let mut total = RunningTotal::new(DEN).unwrap();
        let parts = prices.iter().map(|price| total.add(price, AMPLE).unwrap().part.get()).collect();
        (parts, total)
    }

    fn divisible_price() -> impl Strategy<Value = Fraction> {
        let divisors: Vec<i128> = (1..=DEN.into()).filter(|den| i128::from(DEN) % den == 0).collect();
        let price = (0..1_000_000_i128, proptest::sample::select(divisors));
        price.prop_map(|(num, den)| fraction(num, den))
    }

    fn divisible_prices() -> impl Strategy<Value = Vec<Fraction>> {
        proptest::collection::vec(divisible_price(), 0..20)
    }

    /// Whether a task's price has an overrun.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    enum Kind {
        Held,
        Overrun,
    }

    fn kind() -> impl Strategy<Value = Kind> {
        prop_oneof![Just(Kind::Held), Just(Kind::Overrun)]
    }

    /// Prices of both kinds that may exceed the hold, in two orders.
    #[expect(clippy::type_complexity, reason = "the tuple is taken apart at once")]
    fn any_job() -> impl Strategy<Value = (Vec<(Kind, Fraction)>, Vec<(Kind, Fraction)>, Amount)> {
        let tasks = proptest::collection::vec((kind(), divisible_price()), 0..20);
        (tasks, 0..2_000_000_i64).prop_flat_map(|(tasks, hold)| {
            (Just(tasks.clone()), Just(tasks).prop_shuffle(), Just(Amount::new(hold)))
        })
    }

    fn settle(tasks: &[(Kind, Fraction)], hold: Amount) -> (RunningTotal, Vec<Added>) {
        let mut total = RunningTotal::new(DEN).unwrap();
        let added = tasks.iter().map(|(kind, price)| match kind {
            Kind::Held => total.add(price, hold).unwrap(),
            Kind::Overrun => total.add_overrun(price, hold).unwrap(),
        });
        let added = added.collect();
        (total, added)
    }

    fn sum(tasks: &[(Kind, Fraction)], wanted: &[Kind]) -> Fraction {
        let wanted = tasks.iter().filter(|(kind, _)| wanted.contains(kind));
        wanted.fold(Fraction::ZERO, |sum, (_, price)| sum.checked_add(price).unwrap())
    }

    #[test]
    fn three_times_two_thirds_are_two() {
        let price = fraction(200, 300);
        let (parts, total) = add_all(&[price, price, price]);
        assert_eq!((parts, total.charged().get()), (vec![1, 1, 0], 2));
        assert_eq!((total.sum(), total.den()), (2 * i128::from(DEN), DEN));
    }

    #[test]
    fn what_exceeds_the_hold_is_told_and_only_an_overrun_is_charged() {
        let (held, overrun) = (Kind::Held, Kind::Overrun);
        for (hold, tasks, parts, over, charged) in [
            (10, vec![(held, 17)], vec![10], vec![7], 10),
            (10, vec![(overrun, 17)], vec![17], vec![0], 17),
            (20, vec![(held, 17), (held, 8), (held, 1)], vec![17, 3, 0], vec![0, 5, 1], 20),
            (20, vec![(held, 10), (overrun, 17)], vec![10, 10], vec![0, 7], 20),
            (20, vec![(overrun, 17), (held, 10)], vec![17, 3], vec![0, 7], 20),
            (20, vec![(held, 10), (overrun, 25)], vec![10, 15], vec![0, 10], 25),
            (0, vec![(held, 1), (overrun, 1)], vec![0, 1], vec![1, 0], 1),
        ] {
            let tasks: Vec<_> = tasks.into_iter().map(|(kind, price)| (kind, fraction(price, 1))).collect();
            let (total, added) = settle(&tasks, Amount::new(hold));
            let got: Vec<_> = added.iter().map(|added| (added.part.get(), added.over_hold.get())).collect();
            let expected: Vec<_> = parts.into_iter().zip(over).collect();
            assert_eq!((got, total.charged().get()), (expected, charged), "{tasks:?} of {hold}");
        }
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
        for (sum, overrun, charged) in [
            (7, 0, 1),
            (7, 0, 3),
            (-1, 0, 0),
            (0, 0, 1),
            (0, 0, -1),
            (i128::MAX, 0, 0),
            (7, 8, 2),
            (7, -1, 2),
        ] {
            let read = RunningTotal::from_parts(5, sum, overrun, Amount::new(charged));
            assert_eq!(read, Err(RunningTotalError::Parts { den: 5, sum, overrun, charged }));
        }
        assert!(RunningTotal::from_parts(5, 7, 7, Amount::new(2)).is_ok());
    }

    #[test]
    fn a_refused_price_changes_nothing() {
        let mut total = RunningTotal::new(10).unwrap();
        total.add_overrun(&fraction(1, 2), AMPLE).unwrap();
        let before = total;
        let foreign = fraction(1, 3);
        let indivisible = RunningTotalError::Indivisible { exact: foreign, den: 10 };
        assert_eq!(total.add(&foreign, AMPLE), Err(indivisible));
        let overflow = RunningTotalError::Overflow(AmountOverflow);
        for too_large in [i128::from(i64::MAX) + 1, i128::MAX] {
            assert_eq!(total.add(&fraction(too_large, 1), AMPLE), Err(overflow.clone()));
        }
        assert_eq!(total.add_overrun(&fraction(i64::MAX.into(), 1), AMPLE), Err(overflow));
        assert_eq!(total, before);
    }

    #[test]
    fn the_largest_amount_fits_over_the_largest_denominator() {
        let largest = fraction(i64::MAX.into(), 1);
        for hold in [Amount::ZERO, AMPLE] {
            let mut total = RunningTotal::new(DENOMINATOR_MAX).unwrap();
            assert_eq!(total.add(&largest, hold).unwrap().part, hold);
            assert_eq!(
                total.add(&largest, hold).unwrap(),
                Added { over_hold: Amount::MAX, ..Added::default() }
            );
        }
        let mut total = RunningTotal::new(DENOMINATOR_MAX).unwrap();
        assert_eq!(total.add_overrun(&largest, Amount::ZERO).unwrap().part, Amount::MAX);
    }

    proptest! {
        #[test]
        fn the_order_never_changes_the_total((tasks, shuffled, hold) in any_job()) {
            prop_assert_eq!(settle(&tasks, hold).0, settle(&shuffled, hold).0);
        }

        #[test]
        fn a_job_costs_at_most_its_hold_or_its_overruns((tasks, _, hold) in any_job()) {
            let (total, added) = settle(&tasks, hold);
            let all = sum(&tasks, &[Kind::Held, Kind::Overrun]);
            let right = all.min(hold.into()).max(sum(&tasks, &[Kind::Overrun]));
            prop_assert_eq!(total.charged(), right.ceil().unwrap());
            prop_assert_eq!(added.iter().map(|added| added.part.get()).sum::<i64>(), total.charged().get());
            prop_assert!(added.iter().all(|added| added.part >= Amount::ZERO && added.over_hold >= Amount::ZERO));
            let is_over = added.iter().any(|added| added.over_hold > Amount::ZERO);
            prop_assert_eq!(is_over, right < all, "what is not charged is told");
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
        fn a_stored_total_goes_on_as_if_never_stored((tasks, _, hold) in any_job()) {
            let mut stored = RunningTotal::new(DEN).unwrap();
            for (kind, price) in &tasks {
                match kind {
                    Kind::Held => stored.add(price, hold).unwrap(),
                    Kind::Overrun => stored.add_overrun(price, hold).unwrap(),
                };
                let RunningTotal { den, sum, overrun, charged } = stored;
                stored = RunningTotal::from_parts(den, sum, overrun, charged).unwrap();
            }
            prop_assert_eq!(stored, settle(&tasks, hold).0);
        }
    }
}
