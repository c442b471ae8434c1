//! Chance from a seed: everything that a simulation or a run of chaos leaves open is decided by its dice.

use kingcong_core::id::Entropy;
use parking_lot::Mutex;

/// Seeded chance (SplitMix64). The same seed gives the same throws for ever, on every machine.
#[derive(Debug)]
pub(crate) struct Dice(Mutex<u64>);

impl Dice {
    pub(crate) const fn new(seed: u64) -> Self {
        Self(Mutex::new(seed))
    }

    pub(crate) fn throw(&self) -> u64 {
        let mut state = self.0.lock();
        *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = *state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Dice of their own, so that one part's throws do not depend on how often another part throws.
    pub(crate) fn fork(&self) -> Self {
        Self::new(self.throw())
    }

    /// From `from` to `to`, both included.
    pub(crate) fn between(&self, from: u64, to: u64) -> u64 {
        from + self.throw() % (to - from + 1)
    }

    /// True in so many of a hundred throws.
    pub(crate) fn percent(&self, percent: u64) -> bool {
        percent > 0 && self.throw() % 100 < percent
    }

    pub(crate) fn pick<T: Clone>(&self, of: &[T]) -> T {
        let last = u64::try_from(of.len()).unwrap_or(u64::MAX) - 1;
        of[usize::try_from(self.between(0, last)).unwrap_or(0)].clone()
    }
}

/// Randomness for a process: its ids and keys follow from the seed.
#[derive(Debug)]
pub(crate) struct SeededEntropy(Dice);

impl SeededEntropy {
    pub(crate) const fn new(dice: Dice) -> Self {
        Self(dice)
    }
}

impl Entropy for SeededEntropy {
    fn fill(&self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(8) {
            chunk.copy_from_slice(&self.0.throw().to_le_bytes()[..chunk.len()]);
        }
    }
}
