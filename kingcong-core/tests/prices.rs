//! Prices, holds and parts against `data/prices.json`, which `data/make_prices.py` worked out on its own, by
//! Python's exact fractions.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking, its helpers too")]

use std::num::NonZeroU32;

use kingcong_core::{
    clock::Timestamp,
    id::{Route, ServerId, ServiceId},
    lane::Lane,
    measure::{Counts, Measure, Quantities, Quantity},
    money::{Added, Amount, Decimal, RunningTotal, Unit},
    operation::Operation,
    pricing::{
        Charge, Checked, Overrun, Price, PriceError, PriceLine, RoutePrice, common_denominator, hold_amount,
    },
    switch::Switch,
};
use serde::Deserialize;

#[derive(Deserialize)]
struct Expected {
    lines: Vec<LineCase>,
    jobs: Vec<JobCase>,
}

#[derive(Debug, Deserialize)]
struct LineCase {
    unit: Unit,
    price: Decimal,
    per: NonZeroU32,
    num: Option<u64>,
    error: Option<String>,
}

#[derive(Debug, Deserialize)]
struct JobCase {
    unit: Unit,
    routes: Vec<Vec<(Measure, Decimal, NonZeroU32)>>,
    /// Who bears what is beyond the hold, by route.
    overruns: Vec<Overrun>,
    tasks: Vec<TaskCase>,
    error: Option<String>,
    #[serde(flatten)]
    outcome: Option<Outcome>,
}

#[derive(Debug, Deserialize)]
struct TaskCase {
    character: u64,
    request: u64,
    image: u64,
    audio_ms: Option<u64>,
    token: Option<u64>,
}

#[derive(Debug, Deserialize)]
struct Outcome {
    den: i64,
    hold: i64,
    settled: Vec<Settled>,
    total: i64,
}

#[derive(Debug, Deserialize)]
struct Settled {
    task: usize,
    route: usize,
    audio_ms: Option<u64>,
    exact: String,
    check: Checked,
    part: i64,
    over_hold: i64,
}

fn expected() -> Expected {
    serde_json::from_str(include_str!("data/prices.json")).unwrap()
}

fn price(number: usize, unit: Unit, lines: &[(Measure, Decimal, NonZeroU32)], overrun: Overrun) -> Price {
    let lines = lines.iter().map(|&(measure, price, per)| PriceLine::from_decimal(measure, price, per, unit));
    let charge = match lines.len() {
        0 => Charge::Free,
        _ => Charge::lines(lines.collect::<Result<Vec<_>, _>>().unwrap()).unwrap(),
    };
    Price {
        route: Route::new(
            ServerId::new(format!("server-{number}")).unwrap(),
            ServiceId::new("elevenlabs").unwrap(),
        ),
        model: None,
        operation: Operation::Speech,
        lane: Lane::Shared,
        unit,
        name: "speech".into(),
        charge,
        overrun,
        switch: Switch::On,
        version: 1,
        since: Timestamp::EPOCH,
    }
}

fn quote(job: &JobCase) -> Result<Vec<Vec<RoutePrice>>, PriceError> {
    let routes = job.routes.iter().zip(&job.overruns).enumerate();
    let prices: Vec<Price> =
        routes.map(|(number, (lines, overrun))| price(number, job.unit, lines, *overrun)).collect();
    let quote_task = |task: &TaskCase| {
        let mut quantities = Quantities::one_request()
            .with(Measure::Character, Quantity::Exact(task.character))
            .with(Measure::Request, Quantity::Exact(task.request))
            .with(Measure::Image, Quantity::Exact(task.image));
        for (measure, bound) in [(Measure::AudioMs, task.audio_ms), (Measure::Token, task.token)] {
            if let Some(bound) = bound {
                quantities = quantities.with(measure, Quantity::AtMost(bound));
            }
        }
        prices.iter().map(|price| price.quote(&quantities)).collect()
    };
    job.tasks.iter().map(quote_task).collect()
}

fn name(error: &PriceError) -> &'static str {
    match error {
        PriceError::Negative { .. } => "negative",
        PriceError::TooManyDigits { .. } => "too_many_digits",
        PriceError::TooLarge { .. } => "too_large",
        PriceError::NoBound { .. } => "no_bound",
        PriceError::NothingToCharge { .. } => "nothing_to_charge",
        PriceError::QuantityTooLarge { .. } => "quantity_too_large",
        PriceError::WorkTooLarge => "work_too_large",
        PriceError::DenominatorTooLarge => "denominator",
        other => panic!("no such error is expected: {other}"),
    }
}

#[test]
fn a_price_is_kept_exactly_or_refused() {
    for case in expected().lines {
        let line = PriceLine::from_decimal(Measure::Character, case.price, case.per, case.unit);
        assert_eq!(line.as_ref().err().map(name), case.error.as_deref(), "{case:?}");
        assert_eq!(line.as_ref().ok().map(|line| line.num), case.num, "{case:?}");
        if let Ok(line) = line {
            assert_eq!((line.price(case.unit), line.per), (case.price, case.per), "{case:?}");
        }
    }
}

#[test]
fn jobs_are_held_and_charged_to_the_step() {
    for job in expected().jobs {
        let held = quote(&job).and_then(|tasks| hold_amount(&tasks).map(|hold| (tasks, hold)));
        assert_eq!(held.as_ref().err().map(name), job.error.as_deref(), "{job:?}");
        let Ok((tasks, hold)) = held else { continue };
        let outcome = job.outcome.as_ref().unwrap_or_else(|| panic!("no outcome: {job:?}"));
        let den = common_denominator(&tasks.iter().flatten().collect::<Vec<_>>()).unwrap();
        assert_eq!((den, hold.get()), (outcome.den, outcome.hold), "{job:?}");

        let mut total = RunningTotal::new(den).unwrap();
        for settled in &outcome.settled {
            let measured = Counts::of([(Measure::AudioMs, settled.audio_ms)]).into();
            let price = &tasks[settled.task][settled.route];
            let actual = price.actual(&measured, Timestamp::EPOCH);
            assert_eq!(actual.exact.to_string(), settled.exact, "{settled:?} of {job:?}");
            assert_eq!(actual.check, settled.check, "{settled:?} of {job:?}");
            let added = match price.overrun() {
                Overrun::Operator => total.add(&actual.exact, hold),
                Overrun::Payer => total.add_overrun(&actual.exact, hold),
            };
            let expected =
                Added { part: Amount::new(settled.part), over_hold: Amount::new(settled.over_hold) };
            assert_eq!(added, Ok(expected), "{settled:?} of {job:?}");
        }
        assert_eq!(total.charged().get(), outcome.total, "{job:?}");
    }
}
