//! Why something has no price, or a price is refused.

use super::ConditionError;
use crate::{
    clock::Timestamp,
    id::Route,
    label::InvalidLabel,
    measure::Measure,
    money::{DENOMINATOR_MAX, Decimal, Unit},
    operation::Operation,
};

/// Why something has no price, or a price is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PriceError {
    /// The list has no price for this, or it is switched off.
    #[error(
        "{operation} on {route} (model {model}) has no price that is on: set one, or mark it free",
        model = .model.as_deref().unwrap_or("any")
    )]
    NotFound {
        /// Where it is bought.
        route: Route,
        /// The model that was asked for.
        model: Option<String>,
        /// What is done.
        operation: Operation,
    },
    /// A price below zero.
    #[error("the price {price} is negative: give a price above zero")]
    Negative {
        /// What was given.
        price: Decimal,
    },
    /// More digits after the point than a price can hold.
    #[error(
        "the price {price} {unit} has more than {digits_max} digits after the point: price a larger \
         number of units"
    )]
    TooManyDigits {
        /// What was given.
        price: Decimal,
        /// Of what.
        unit: Unit,
        /// Most digits after the point.
        digits_max: u32,
    },
    /// A price that does not fit.
    #[error("the price {price} {unit} is too large: price a smaller number of units")]
    TooLarge {
        /// What was given.
        price: Decimal,
        /// Of what.
        unit: Unit,
    },
    /// No line, or only lines of zero.
    #[error("every line of the price is zero: mark it free instead")]
    AllZero,
    /// Two lines of one measure under the same conditions.
    #[error("the price has two lines per {measure} under the same conditions: add them up to one")]
    DuplicateMeasure {
        /// The measure.
        measure: Measure,
    },
    /// Two lines of one measure, of which neither is more particular, may apply at once.
    #[error(
        "two lines per {measure} may apply at once, and neither has more conditions: add a line under the conditions \
         of both"
    )]
    Tie {
        /// The measure.
        measure: Measure,
    },
    /// Lines per token, and lines per what is a token too.
    #[error("the price has lines per token and per kinds of tokens: price either any token or each kind")]
    TokenTwice,
    /// At least so many of a kind of tokens.
    #[error(
        "{measure}s are counted beside other kinds of tokens, so a least number of them cannot be charged"
    )]
    LeastOfTokens {
        /// The measure.
        measure: Measure,
    },
    /// More lines than a price may have.
    #[error("the price has {given} lines: at most {max} are possible")]
    TooManyLines {
        /// How many there are.
        given: usize,
        /// Most lines.
        max: usize,
    },
    /// A condition that none can be.
    #[error(transparent)]
    Condition(#[from] ConditionError),
    /// The work may have tokens that the price says nothing of, though it prices others.
    #[error(
        "{operation} on {route} may have {measure}s, and the price has no line that applies to them for certain: add \
         one, of zero if they are to cost nothing"
    )]
    Unpriced {
        /// Where it is bought.
        route: Route,
        /// What is done.
        operation: Operation,
        /// The measure.
        measure: Measure,
    },
    /// A price's name or model breaks its rule.
    #[error(transparent)]
    BadName(#[from] InvalidLabel),
    /// The list already has this version or a newer one.
    #[error("version {given} of the price is not newer than version {newest} in the list: read it again")]
    Stale {
        /// What was given.
        given: u32,
        /// What the list has.
        newest: u32,
    },
    /// A price that is to be in force since before it is set.
    #[error(
        "the price is to be in force since {since}, which has passed: leave the instant out, or name one after {now}"
    )]
    Past {
        /// Since when it was to be in force.
        since: Timestamp,
        /// The store's time.
        now: Timestamp,
    },
    /// A price that is to be in force only long after it is set.
    #[error("the price is to be in force since {since}: name an instant at most ten years ahead")]
    TooFar {
        /// Since when it was to be in force.
        since: Timestamp,
    },
    /// A version that cannot be withdrawn.
    #[error(
        "the price is in force since {since}: only what is to come can be withdrawn; set another price, or remove it"
    )]
    InForce {
        /// Since when.
        since: Timestamp,
    },
    /// Too many versions of one price are to come.
    #[error("{max} versions of the price are to come already: withdraw one first")]
    TooManyAhead {
        /// Most versions.
        max: usize,
    },
    /// The list is full.
    #[error("the list already has {max} prices: remove some first")]
    Full {
        /// Most prices.
        max: usize,
    },
    /// The work's amount of a measure is not known, not even as a bound.
    #[error(
        "{operation} on {route} is priced per {measure}, of which the work states no bound: state one, \
         or price another measure"
    )]
    NoBound {
        /// Where it is bought.
        route: Route,
        /// What is done.
        operation: Operation,
        /// The measure.
        measure: Measure,
    },
    /// A price that is not free finds nothing in the work to charge for.
    #[error(
        "the price of {operation} on {route} measures nothing of this work: price a measure that \
         it has, or mark it free"
    )]
    NothingToCharge {
        /// Where it is bought.
        route: Route,
        /// What is done.
        operation: Operation,
    },
    /// A quantity is too large to be priced.
    #[error("{quantity} {measure} units on {route} cost more than an amount can hold: send less at once")]
    QuantityTooLarge {
        /// Where it is bought.
        route: Route,
        /// The measure.
        measure: Measure,
        /// How many of its smallest units.
        quantity: u64,
    },
    /// A task or a job costs more than can be settled.
    #[error("the work costs more than an amount can hold: send less at once")]
    WorkTooLarge,
    /// The exact prices that meet in one job have no small enough common denominator.
    #[error(
        "the prices of the job's routes have no common denominator up to {DENOMINATOR_MAX}: price them per like \
         numbers of units"
    )]
    DenominatorTooLarge,
    /// Prices of one job in different units.
    #[error("{first} and {second} prices meet in one job: price all its routes in one unit")]
    MixedUnits {
        /// One unit.
        first: Unit,
        /// Another.
        second: Unit,
    },
    /// A task without any route.
    #[error("task {task} of the job has no priced route")]
    NoRoute {
        /// Which task, counted from 0.
        task: usize,
    },
    /// A speed that nothing can be spoken at.
    #[error("a speed of {speed_percent} % speaks nothing: give at least 1")]
    Speed {
        /// What was given.
        speed_percent: u16,
    },
    /// A text too long for a bound.
    #[error("{characters} characters are too many to bound their audio: send less at once")]
    TooManyCharacters {
        /// What was given.
        characters: u64,
    },
}
