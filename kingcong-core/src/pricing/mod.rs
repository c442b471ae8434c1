//! What work costs.
//!
//! A [`PriceList`] holds the [`Price`] of each route, model and operation that is in force, and those to come. A price
//! is a sum of lines, each "so much per so many characters" (or requests, milliseconds, …), kept as integers so that
//! nothing is lost.
//! [`Price::quote`] applies it to a task's [`Quantities`] and gives a [`RoutePrice`], which is frozen into the
//! task: a later change of the list never touches admitted work. A task has one for each route it may go to, and
//! [`hold_amount`] sets the dearest aside. When the task has succeeded, [`RoutePrice::actual`] says what it costs
//! on the route that did it; the job's [`crate::money::RunningTotal`] rounds.
//!
//! What we sell is counted by us, so it is exact when work is admitted: what the upstream counts is its own
//! affair and our cost, never a price. Only what nobody can know before (seconds of audio, tokens) is measured by
//! the upstream; such lines are held at a stated bound. What a line costs may depend on how the work is served: on the
//! tier, the size of the prompt, the hour ([`Conditions`]). The quote freezes all lines that may apply, the hold is at
//! the dearest within reach, and the answer decides. What was measured is checked ([`Checked`]), never believed
//! blindly. A job is charged at most its hold, whatever is measured, unless the operator sells at a price whose
//! [`Overrun`] is the payer's.
//!
//! [`Quantities`]: crate::measure::Quantities
//!
//! ```
//! use std::num::NonZeroU32;
//!
//! use kingcong_core::{
//!     clock::Timestamp,
//!     id::{Route, ServerId, ServiceId},
//!     lane::Lane,
//!     measure::{Counts, Measure, count_characters},
//!     money::{RunningTotal, Unit},
//!     operation::Operation,
//!     pricing::*,
//!     switch::Switch,
//!     work::speech_quantities,
//! };
//!
//! let route = Route::new(ServerId::new("ai33")?, ServiceId::new("elevenlabs")?);
//! let mut list = PriceList::default();
//! list.set(Price {
//!     route: route.clone(),
//!     model: None,
//!     operation: Operation::Speech,
//!     lane: Lane::Shared,
//!     unit: Unit::CREDIT,
//!     name: "speech".into(),
//!     charge: Charge::lines([
//!         PriceLine::from_decimal(Measure::Character, "0.7".parse()?, NonZeroU32::MIN, Unit::CREDIT)?,
//!         PriceLine::from_decimal(Measure::AudioMs, "0.5".parse()?, MS_PER_SECOND, Unit::CREDIT)?,
//!     ])?,
//!     overrun: Overrun::Operator,
//!     switch: Switch::On,
//!     version: 1,
//!     since: Timestamp::EPOCH,
//! }, Timestamp::EPOCH)?;
//!
//! let price = list.find(&route, Some("eleven_v3"), Operation::Speech, Lane::Shared, Timestamp::EPOCH)?;
//! let quoted = price.quote(&speech_quantities(count_characters("Xin chào"), 100)?)?;
//! let tasks = [vec![quoted.clone()]];
//! let hold = hold_amount(&tasks)?;
//! assert_eq!(hold.get(), 8); // 8 × 0.7 + 2.96 × 0.5 = 7.08
//!
//! let mut total = RunningTotal::new(common_denominator(&[&quoted])?)?;
//! let measured = Counts::NONE.with(Measure::AudioMs, 700).into();
//! let actual = quoted.actual(&measured, Timestamp::EPOCH);
//! assert_eq!(actual.exact.to_string(), "119/20"); // 8 × 0.7 + 0.7 × 0.5 = 5.95
//! assert_eq!(actual.check, Checked::Within);
//! assert_eq!(total.add(&actual.exact, hold)?.part.get(), 6);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod conditions;
mod error;
mod list;
mod package;
mod price;
mod quote;

pub use self::{
    conditions::{ConditionError, Conditions, PromptTokens, SPANS_MAX, Span, Weekday},
    error::PriceError,
    list::{PRICE_AHEAD_MAX, PRICES_AHEAD_MAX, PRICES_MAX, PriceList, PriceStart},
    package::{Catalogue, LABEL_BYTES_MAX, Ordered, PACKAGES_MAX, Package, PackageError},
    price::{
        Charge, LINES_MAX, MODEL_BYTES_MAX, MS_PER_SECOND, Overrun, PRICE_NAME_BYTES_MAX, Price, PriceLine,
        PriceLines,
    },
    quote::{
        Actual, Checked, HOLD_MAX, OVERRUN_FACTOR_MAX, ReportedPrice, RoutePrice, common_denominator,
        hold_amount,
    },
};
