//! Money: amounts are integers of a unit's smallest step. No floats, no rounding but the named one.

use std::fmt;

use serde::{Deserialize, Serialize};

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
