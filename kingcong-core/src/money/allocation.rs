//! Fair allocation: a rounded total split over weighted parts that add up to it.

use super::Amount;

/// Splits a rounded total over parts as their weights ask: each part gets its share rounded down or up, the parts
/// add up to the total, and the steps left over go to the largest remainders, the earlier part first among equals.
/// A negative total is split like the positive one.
///
/// ```
/// use kingcong_core::money::{Amount, allocate};
///
/// let parts = allocate(Amount::new(100), &[1, 1, 1])?;
/// assert_eq!(parts, [34, 33, 33].map(Amount::new));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// When all weights are zero, or there are none, while the total is not zero.
pub fn allocate(total: Amount, weights: &[u64]) -> Result<Vec<Amount>, AllocationError> {
    let sum: u128 = weights.iter().copied().map(u128::from).sum();
    if sum == 0 {
        return match total {
            Amount::ZERO => Ok(vec![Amount::ZERO; weights.len()]),
            _ => Err(AllocationError { total: total.get(), parts: weights.len() }),
        };
    }
    let steps = u128::from(total.get().unsigned_abs());
    // 64 bits times 64 bits fit 128.
    let shares = weights.iter().map(|&weight| steps * u128::from(weight));
    let (mut parts, mut remainders) = (Vec::new(), Vec::new());
    for (index, share) in shares.enumerate() {
        parts.push(share / sum);
        remainders.push((std::cmp::Reverse(share % sum), index));
    }
    let left_over = steps - parts.iter().sum::<u128>();
    remainders.sort_unstable();
    for (_, (_, index)) in (0..left_over).zip(remainders) {
        parts[index] += 1;
    }
    let signed = |part| i128::try_from(part).ok().map(|part| part * i128::from(total.get().signum()));
    let amount = |part| signed(part).and_then(|part| i64::try_from(part).ok()).map(Amount::new);
    Ok(parts.into_iter().map(|part| amount(part).expect("a part is no larger than the total")).collect())
}

/// A total that has no part to go to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{total} smallest steps cannot be split over {parts} parts: give at least one a weight")]
pub struct AllocationError {
    /// The total, in smallest steps.
    pub total: i64,
    /// How many parts there are.
    pub parts: usize,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn split(total: i64, weights: &[u64]) -> Vec<i64> {
        allocate(Amount::new(total), weights).unwrap().into_iter().map(Amount::get).collect()
    }

    fn weights() -> impl Strategy<Value = Vec<u64>> {
        proptest::collection::vec(prop_oneof![0..10_u64, any::<u64>()], 1..20)
            .prop_filter("some weight", |weights| weights.iter().any(|&weight| weight > 0))
    }

    #[test]
    fn steps_left_over_go_to_the_largest_remainders() {
        for (total, weights, parts) in [
            (10, vec![1, 1, 1], vec![4, 3, 3]),
            (10, vec![15, 25, 60], vec![2, 2, 6]),
            (1, vec![1, 2, 2], vec![0, 1, 0]),
            (-10, vec![1, 1, 1], vec![-4, -3, -3]),
            (7, vec![0, 1, 0], vec![0, 7, 0]),
            (0, vec![3, 4], vec![0, 0]),
            (0, vec![], vec![]),
            (0, vec![0, 0], vec![0, 0]),
            (i64::MAX, vec![u64::MAX], vec![i64::MAX]),
            (i64::MIN, vec![u64::MAX], vec![i64::MIN]),
        ] {
            assert_eq!(split(total, &weights), parts, "{total} over {weights:?}");
        }
    }

    #[test]
    fn a_total_without_any_weight_is_refused() {
        for weights in [&[][..], &[0, 0]] {
            let error = AllocationError { total: 5, parts: weights.len() };
            assert_eq!(allocate(Amount::new(5), weights), Err(error));
        }
    }

    proptest! {
        #[test]
        fn parts_add_up_and_each_is_within_one_of_its_share(total: i64, weights in weights()) {
            let parts = split(total, &weights);
            let sum: i128 = weights.iter().copied().map(i128::from).sum();
            prop_assert_eq!(parts.iter().copied().map(i128::from).sum::<i128>(), i128::from(total));
            for (&part, &weight) in parts.iter().zip(&weights) {
                let share = i128::from(total) * i128::from(weight);
                let (down, up) = (share.div_euclid(sum), share.div_euclid(sum) + i128::from(share % sum != 0));
                prop_assert!((down..=up).contains(&part.into()));
            }
        }

        #[test]
        fn more_weight_never_gets_less(total in 0..i64::MAX, weights in weights()) {
            let mut by_weight: Vec<_> = weights.iter().copied().zip(split(total, &weights)).collect();
            by_weight.sort_unstable();
            prop_assert!(by_weight.is_sorted_by_key(|(_, part)| *part));
        }
    }
}
