//! The split: deals tasks out to servers in the ratio of their weights.
//!
//! Each server is owed its quota, `k × weight / total` of the first `k` tasks. What it is owed and has not got is
//! its carry. The next task goes, of the servers that are owed something, to the one whose share of a task falls
//! due first. So after every task each server is less than one task away from its quota, for any number of
//! servers and any weights; merely choosing the largest carry breaks that from five servers on.

use std::{collections::BTreeMap, fmt, sync::Arc};

use serde::{Deserialize, Serialize};

use crate::id::{ServerId, ServiceId, derived_uuid};

/// Deals tasks out to servers in the ratio of their weights.
///
/// There is one sequence per service and set of eligible servers with their weights, so an outage or a new ratio
/// starts another sequence and leaves this one as it was. Between uses a sequence is kept as its
/// [`carry`](Self::carry) under its [`id`](Self::id).
///
/// ```
/// use std::collections::BTreeMap;
/// use kingcong_core::{id::ServerId, routing::Split};
///
/// let weights = BTreeMap::from([(ServerId::new("ai33")?, 70), (ServerId::new("ai84")?, 30)]);
/// let mut split = Split::new(&weights).expect("there are servers");
/// let ai33 = (0..10).filter(|_| split.pick().as_str() == "ai33").count();
/// assert_eq!(ai33, 7);
/// # Ok::<(), kingcong_core::id::InvalidId>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Split {
    /// The servers that get something, in the order of their ids.
    shares: Arc<[(ServerId, u32)]>,
    /// The sum of the weights; positive.
    total: i64,
    /// What each server is owed, in tasks times `total`. They add up to 0, and each is nearer to 0 than `total`.
    carry: Vec<i64>,
}

impl Split {
    /// A new sequence over these servers with their weights, or none when there is no server.
    ///
    /// A server of weight 0 gets nothing while another has more; when all have 0 they share evenly.
    #[must_use]
    pub fn new(weights: &BTreeMap<ServerId, u32>) -> Option<Self> {
        let all_zero = weights.values().all(|&weight| weight == 0);
        let shares: Arc<[_]> = weights
            .iter()
            .map(|(server, &weight)| (server.clone(), if all_zero { 1 } else { weight }))
            .filter(|&(_, weight)| weight > 0)
            .collect();
        let total = shares.iter().map(|&(_, weight)| i64::from(weight)).sum();
        let carry = vec![0; shares.len()];
        (!shares.is_empty()).then_some(Self { shares, total, carry })
    }

    /// The sequence continued from a carry that it had before.
    ///
    /// # Errors
    /// When no sequence over these servers can have had this carry.
    pub fn resume(self, carry: Vec<i64>) -> Result<Self, InvalidCarry> {
        let in_bounds = carry.iter().all(|c| (1 - self.total..self.total).contains(c));
        if carry.len() == self.shares.len() && in_bounds && carry.iter().sum::<i64>() == 0 {
            Ok(Self { carry, ..self })
        } else {
            Err(InvalidCarry { carry, servers: self.shares.len(), total: self.total })
        }
    }

    /// The servers that get something and their weights, in the order of their ids.
    #[must_use]
    pub fn shares(&self) -> &[(ServerId, u32)] {
        &self.shares
    }

    /// What each of the [`shares`](Self::shares) is owed, in tasks times the sum of the weights: what to keep in
    /// order to [`resume`](Self::resume).
    #[must_use]
    pub fn carry(&self) -> &[i64] {
        &self.carry
    }

    /// The id of this sequence: a function of the service, the servers and their weights.
    #[must_use]
    pub fn id(&self, service: &ServiceId) -> SplitId {
        let weights: Vec<String> = self.shares.iter().map(|(_, weight)| weight.to_string()).collect();
        let shares = self.shares.iter().zip(&weights).flat_map(|((server, _), w)| [server.as_str(), w]);
        let parts: Vec<&str> = std::iter::once(service.as_str()).chain(shares).collect();
        SplitId(derived_uuid("split", &parts).into_bytes())
    }

    /// Deals out the next task: the server that it is planned for.
    pub fn pick(&mut self) -> &ServerId {
        let mut picked = None;
        for (i, (_, weight)) in self.shares.iter().enumerate() {
            self.carry[i] += i64::from(*weight);
            if self.carry[i] > 0 && picked.is_none_or(|best| self.due_before(i, best)) {
                picked = Some(i);
            }
        }
        let picked = picked.expect("the carries add up to the total, so one of them is positive");
        self.carry[picked] -= self.total;
        &self.shares[picked].0
    }

    /// Whether `a` will be owed a whole task before `b`: compares `(total − carry) / weight`.
    fn due_before(&self, a: usize, b: usize) -> bool {
        let missing = |i: usize| i128::from(self.total - self.carry[i]);
        let weight = |i: usize| i128::from(self.shares[i].1);
        missing(a) * weight(b) < missing(b) * weight(a)
    }
}

/// The id that a sequence is kept under; the same in every process and version.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SplitId([u8; 16]);

impl SplitId {
    /// The id with these bytes.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// The id's bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl fmt::Debug for SplitId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SplitId({:032x})", u128::from_be_bytes(self.0))
    }
}

/// A carry that does not belong to a split.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "carry {carry:?} does not belong to this split: it needs {servers} numbers that add up to 0, each nearer to 0 \
     than {total}; delete the stored row to start the sequence anew"
)]
pub struct InvalidCarry {
    /// What was given.
    pub carry: Vec<i64>,
    /// How many servers share.
    pub servers: usize,
    /// The sum of their weights.
    pub total: i64,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn weights(weights: &[u32]) -> BTreeMap<ServerId, u32> {
        weights.iter().enumerate().map(|(i, &w)| (ServerId::new(format!("s{i:02}")).unwrap(), w)).collect()
    }

    fn split(of: &[u32]) -> Split {
        Split::new(&weights(of)).unwrap()
    }

    fn index(server: &ServerId) -> usize {
        server.as_str()[1..].parse().unwrap()
    }

    /// The largest distance from a quota within the first `picks`, in tasks times the sum of the weights.
    fn worst_error(weights: &[u32], picks: i128, mut pick: impl FnMut() -> usize) -> i128 {
        let total: i128 = weights.iter().map(|&w| i128::from(w)).sum();
        let mut dealt = vec![0_i128; weights.len()];
        let mut worst = 0;
        for k in 1..=picks {
            dealt[pick()] += 1;
            for (&w, &got) in weights.iter().zip(&dealt) {
                worst = worst.max((k * i128::from(w) - got * total).abs());
            }
        }
        worst
    }

    fn total(weights: &[u32]) -> i128 {
        weights.iter().map(|&w| i128::from(w)).sum()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn every_share_is_always_within_one_task_of_its_quota(
            weights in prop_oneof![
                prop::collection::vec(1..=100_u32, 1..=14),
                prop::collection::vec(1..=1_000_000_u32, 1..=14),
                prop::collection::vec(prop_oneof![Just(1), Just(2), 30..=60_u32], 5..=14),
                prop::collection::vec(prop_oneof![Just(1), Just(u32::MAX), Just(u32::MAX - 1)], 2..=14),
            ],
        ) {
            let mut split = split(&weights);
            let worst = worst_error(&weights, 10_000, || index(split.pick()));
            prop_assert!(worst < total(&weights), "{worst} of {}", total(&weights));
        }

        #[test]
        fn a_sequence_resumed_from_its_carry_goes_on_as_if_never_stopped(
            weights in prop::collection::vec(0..=100_u32, 1..=8),
            cuts in prop::collection::vec(any::<bool>(), 100),
        ) {
            let mut whole = split(&weights);
            let mut cut = split(&weights);
            for stop in cuts {
                if stop {
                    let stored = serde_json::to_string(cut.carry()).unwrap();
                    cut = split(&weights).resume(serde_json::from_str(&stored).unwrap()).unwrap();
                }
                prop_assert_eq!(whole.pick(), cut.pick());
            }
        }
    }

    #[test]
    fn choosing_the_largest_carry_breaks_the_bound_that_the_split_keeps() {
        let weights = [1, 1, 1, 36, 36];
        let mut carry = [0_i128; 5];
        let largest_carry = || {
            for (c, &w) in carry.iter_mut().zip(&weights) {
                *c += i128::from(w);
            }
            let picked = (0..5).rev().max_by_key(|&i| carry[i]).unwrap();
            carry[picked] -= total(&weights);
            picked
        };
        assert!(worst_error(&weights, 75, largest_carry) > total(&weights));

        let mut split = split(&weights);
        assert!(worst_error(&weights, 75, || index(split.pick())) < total(&weights));
    }

    #[test]
    fn seventy_to_thirty_gives_seven_and_three_of_every_ten() {
        let mut split = split(&[70, 30]);
        for _ in 0..100 {
            let first = (0..10).filter(|_| index(split.pick()) == 0).count();
            assert_eq!(first, 7);
        }
    }

    #[test]
    fn requests_of_one_task_each_still_reach_every_server() {
        let mut carry = vec![0, 0];
        let mut dealt = [0, 0];
        for _ in 0..10 {
            let mut request = split(&[70, 30]).resume(carry).unwrap();
            dealt[index(request.pick())] += 1;
            carry = request.carry().to_vec();
        }
        assert_eq!(dealt, [7, 3]);
    }

    #[test]
    fn a_server_of_weight_zero_gets_nothing_while_another_has_more() {
        let mut standby = split(&[0, 1, 0]);
        assert!((0..10).all(|_| index(standby.pick()) == 1));

        let mut even = split(&[0, 0]);
        assert_eq!((0..10).filter(|_| index(even.pick()) == 0).count(), 5);
        assert_eq!(Split::new(&BTreeMap::new()), None);
    }

    #[test]
    fn the_largest_weights_of_many_servers_do_not_overflow() {
        let weights = [u32::MAX; 64];
        let mut split = split(&weights);
        assert!(worst_error(&weights, 1000, || index(split.pick())) < total(&weights));
    }

    #[test]
    fn an_id_names_the_service_the_servers_and_their_weights() {
        let service = |id: &str| ServiceId::new(id).unwrap();
        let id = split(&[70, 30]).id(&service("elevenlabs"));
        assert_ne!(id, split(&[70, 30]).id(&service("minimax")));
        assert_ne!(id, split(&[60, 40]).id(&service("elevenlabs")));
        assert_ne!(id, split(&[70]).id(&service("elevenlabs")));
        // A standby gets nothing, so it does not start another sequence.
        assert_eq!(id, split(&[70, 30, 0]).id(&service("elevenlabs")));
        // Rows are stored under this id: it must never change.
        assert_eq!(format!("{id:?}"), "SplitId(561864ab8eac8779b72c917b68067b75)");
    }

    #[test]
    fn a_carry_of_another_split_is_refused() {
        for bad in [vec![], vec![0], vec![1, 0], vec![100, -100], vec![0, 0, 0], vec![i64::MIN, i64::MAX]] {
            assert!(split(&[70, 30]).resume(bad.clone()).is_err(), "{bad:?}");
        }
        assert!(split(&[70, 30]).resume(vec![30, -30]).is_ok());
    }
}
