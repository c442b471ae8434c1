//! What belongs to an upstream: its id of work that it took, and its own credits.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::money::Decimal;

/// An upstream's own id of work that it accepted.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct UpstreamId(pub String);

/// An amount of an upstream's own credits, in thousandths: what we buy with, never what we sell.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct UpstreamCredits(i64);

impl UpstreamCredits {
    /// That many whole credits; stays at the largest amount instead of overflowing.
    #[must_use]
    pub const fn whole(credits: i64) -> Self {
        Self(credits.saturating_mul(1000))
    }

    /// That many thousandths.
    #[must_use]
    pub const fn from_thousandths(thousandths: i64) -> Self {
        Self(thousandths)
    }

    /// That many whole credits; smaller parts than thousandths are cut off. None when it does not fit 64 bits of them.
    #[must_use]
    pub fn from_decimal(credits: Decimal) -> Option<Self> {
        let thousandths = credits.checked_mul(Decimal::ONE_THOUSAND)?.trunc();
        i64::try_from(thousandths).ok().map(Self)
    }

    /// The amount in thousandths.
    #[must_use]
    pub const fn thousandths(self) -> i64 {
        self.0
    }
}

impl fmt::Display for UpstreamCredits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, rest) = (self.0 / 1000, self.0 % 1000);
        match rest {
            0 => write!(f, "{whole}"),
            _ => {
                let digits = format!("{:03}", rest.abs());
                let sign = if self.0 < 0 && whole == 0 { "-" } else { "" };
                write!(f, "{sign}{whole}.{}", digits.trim_end_matches('0'))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn upstream_credits_print_without_needless_zeros() {
        for (thousandths, text) in
            [(0, "0"), (1500, "1.5"), (-250, "-0.25"), (12_000, "12"), (-1001, "-1.001")]
        {
            assert_eq!(UpstreamCredits::from_thousandths(thousandths).to_string(), text);
        }
    }

    #[test]
    fn upstream_credits_of_a_decimal_keep_thousandths() {
        for (decimal, thousandths) in [
            ("0", Some(0)),
            ("1.5", Some(1500)),
            ("0.0009", Some(0)),
            ("-2.0019", Some(-2001)),
            ("10000000000000000", None),
        ] {
            let credits = UpstreamCredits::from_decimal(decimal.parse().unwrap());
            assert_eq!(credits.map(UpstreamCredits::thousandths), thousandths, "{decimal}");
        }
    }
}
