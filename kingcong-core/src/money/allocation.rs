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
