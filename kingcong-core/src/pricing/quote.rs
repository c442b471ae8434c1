use serde::{Deserialize, Serialize};

use super::{Measure, PriceError, PriceLine};
use crate::{
    id::Route,
    money::{Amount, DENOMINATOR_MAX, Fraction, RunningTotal, Unit, lcm},
    provider::Measured,
};

/// Usage of more than so many times its bound is not believed.
pub const ABSURD_FACTOR: u64 = 10;

/// The largest hold: a job's outcome is at most [`ABSURD_FACTOR`] times as much, and so always fits an amount.
pub const HOLD_MAX: Amount = Amount::new(Amount::MAX.get() / ABSURD_FACTOR as i64);

/// What one task costs on one route, frozen when its job is admitted.
///
/// It is made by [`super::Price::quote`] only, and checked again when it is read back: whatever usage is reported,
/// settling it cannot fail.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "StoredRoutePrice")]
pub struct RoutePrice {
    pub(super) route: Route,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) model: Option<String>,
    pub(super) version: u32,
    pub(super) unit: Unit,
    pub(super) counted: Fraction,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) reported: Vec<ReportedPrice>,
}

/// A line of a price whose quantity is reported afterwards.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReportedPrice {
    /// The line.
    pub line: PriceLine,
    /// The quantity that is expected at most.
    pub bound: u64,
}

/// What a task cost in the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Actual {
    /// The exact price.
    pub exact: Fraction,
    /// What is to be said of the reported usage: the gravest, where several were reported.
    pub check: Checked,
}

/// How reported usage compares with its bound; later is graver.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Checked {
    /// Within the bound, or nothing had to be reported: charged as it is.
    Within,
    /// Above the bound, but to be believed: charged as it is.
    OverBound,
    /// Not reported: charged at the bound.
    Missing,
    /// More than [`ABSURD_FACTOR`] times the bound: charged at the bound.
    Absurd,
}

impl RoutePrice {
    /// This price, if any usage that is believed can be settled.
    pub(super) fn checked(self) -> Result<Self, PriceError> {
        // With every quantity at its largest, each sum that `total` makes is at its largest too; over a
        // denominator up to `DENOMINATOR_MAX` what fits an amount fits 128 bits.
        self.checked_den()?;
        let mut largest = self.counted;
        for reported in &self.reported {
            let quantity = reported.bound.saturating_mul(ABSURD_FACTOR);
            let part = reported.line.exact(quantity, &self.route)?;
            largest = largest.checked_add(&part).map_err(|_| PriceError::WorkTooLarge)?;
        }
        largest.ceil().map_err(|_| PriceError::WorkTooLarge)?;
        Ok(self)
    }

    fn checked_den(&self) -> Result<i64, PriceError> {
        let lines = self.reported.iter().map(|reported| reported.line.unit_price().den());
        lines.fold(narrow(Some(self.counted.den())), |den, line| narrow(lcm(den?.into(), line)))
    }

    /// Where the task may go.
    #[must_use]
    pub const fn route(&self) -> &Route {
        &self.route
    }

    /// The model of the price that was applied; none when it was the price for any model.
    #[must_use]
    pub fn model(&self) -> Option<&str> {
        self.model.as_deref()
    }

    /// The version of the price that was applied.
    #[must_use]
    pub const fn version(&self) -> u32 {
        self.version
    }

    /// What it is paid in.
    #[must_use]
    pub const fn unit(&self) -> Unit {
        self.unit
    }

    /// The exact price of what we counted.
    #[must_use]
    pub const fn counted(&self) -> Fraction {
        self.counted
    }

    /// The lines whose quantity the upstream reports.
    #[must_use]
    pub fn reported(&self) -> &[ReportedPrice] {
        &self.reported
    }

    /// The denominator that every outcome's exact price can be written over.
    #[must_use]
    pub fn den(&self) -> i64 {
        self.checked_den().expect("checked when it was made")
    }

    /// The exact price with every reported quantity at its bound: what has to be held for it.
    #[must_use]
    pub fn worst(&self) -> Fraction {
        self.total(|reported| reported.bound)
    }

    /// The exact price, now that the upstream has measured the work.
    #[must_use]
    pub fn actual(&self, measured: &Measured) -> Actual {
        let believed = |reported: &ReportedPrice| reported.believe(measured);
        Actual {
            exact: self.total(|reported| believed(reported).0),
            check: self.reported.iter().map(|reported| believed(reported).1).max().unwrap_or(Checked::Within),
        }
    }

    /// The exact price with these quantities, each at most [`ABSURD_FACTOR`] times its bound.
    fn total(&self, quantity: impl Fn(&ReportedPrice) -> u64) -> Fraction {
        self.reported.iter().fold(self.counted, |sum, reported| {
            let part = reported.line.exact(quantity(reported), &self.route);
            sum.checked_add(&part.expect("checked when it was made")).expect("checked when it was made")
        })
    }
}

impl ReportedPrice {
    /// The quantity to charge, and what is to be said of it.
    fn believe(&self, measured: &Measured) -> (u64, Checked) {
        let usage = match self.line.measure {
            Measure::AudioMs => measured.audio_ms,
            Measure::Character | Measure::Request | Measure::Token | Measure::Image => None,
        };
        match usage {
            None => (self.bound, Checked::Missing),
            Some(usage) if usage <= self.bound => (usage, Checked::Within),
            Some(usage) if usage <= self.bound.saturating_mul(ABSURD_FACTOR) => (usage, Checked::OverBound),
            Some(_) => (self.bound, Checked::Absurd),
        }
    }
}

/// A [`RoutePrice`] as it is read back, not yet checked.
#[derive(Deserialize)]
struct StoredRoutePrice {
    route: Route,
    model: Option<String>,
    version: u32,
    unit: Unit,
    counted: Fraction,
    #[serde(default)]
    reported: Vec<ReportedPrice>,
}

impl TryFrom<StoredRoutePrice> for RoutePrice {
    type Error = PriceError;

    fn try_from(stored: StoredRoutePrice) -> Result<Self, PriceError> {
        let StoredRoutePrice { route, model, version, unit, counted, reported } = stored;
        Self { route, model, version, unit, counted, reported }.checked()
    }
}

/// The denominator that the exact price of any outcome of a job with these prices can be written over: what its
/// [`RunningTotal`] starts with.
///
/// # Errors
/// When it is larger than [`DENOMINATOR_MAX`], or the prices are in different units.
pub fn common_denominator(prices: &[&RoutePrice]) -> Result<i64, PriceError> {
    if let Some(pair) = prices.windows(2).find(|pair| pair[0].unit != pair[1].unit) {
        return Err(PriceError::MixedUnits { first: pair[0].unit, second: pair[1].unit });
    }
    prices.iter().try_fold(1, |den, price| narrow(lcm(den.into(), price.checked_den()?.into())))
}

/// A denominator, if it is one that is allowed.
fn narrow(den: Option<i128>) -> Result<i64, PriceError> {
    den.and_then(|den| i64::try_from(den).ok())
        .filter(|den| *den <= DENOMINATOR_MAX)
        .ok_or(PriceError::DenominatorTooLarge)
}

/// What to hold for a job whose tasks may each go to one of these routes: the dearest of each task, summed exactly
/// and rounded up once. While usage stays within its bounds, no outcome costs more.
///
/// # Errors
/// When a task has no route, the prices have no [`common_denominator`], or the sum is more than [`HOLD_MAX`].
pub fn hold_amount(tasks: &[Vec<RoutePrice>]) -> Result<Amount, PriceError> {
    let all: Vec<&RoutePrice> = tasks.iter().flatten().collect();
    let den = common_denominator(&all)?;
    let mut total = RunningTotal::new(den).map_err(|_| PriceError::DenominatorTooLarge)?;
    for (task, routes) in tasks.iter().enumerate() {
        let dearest = routes.iter().map(RoutePrice::worst).max().ok_or(PriceError::NoRoute { task })?;
        total.add(&dearest).map_err(|_| PriceError::WorkTooLarge)?;
    }
    match total.charged() {
        hold if hold <= HOLD_MAX => Ok(hold),
        _ => Err(PriceError::WorkTooLarge),
    }
}
