//! Quotes: what a task costs on one route, frozen, and what it cost in the end.

use serde::{Deserialize, Serialize};

use super::{
    Overrun, PriceError, PriceLine,
    conditions::{Reach, Serving},
};
use crate::{
    clock::Timestamp,
    id::Route,
    measure::{Circumstances, Measure, Measured, Quantity, Source, TokenSide},
    money::{Amount, DENOMINATOR_MAX, Fraction, RunningTotal, Unit, lcm},
};

/// At a price whose [`Overrun`] is the payer's, usage of more than so many times its bound is not believed.
pub const OVERRUN_FACTOR_MAX: u64 = 10;

/// The largest hold: a job costs at most [`OVERRUN_FACTOR_MAX`] times as much, and so always fits an amount.
pub const HOLD_MAX: Amount = Amount::new(Amount::MAX.get() / OVERRUN_FACTOR_MAX as i64);

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
    #[serde(skip_serializing_if = "Overrun::is_operators")]
    pub(super) overrun: Overrun,
    pub(super) counted: Fraction,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) reported: Vec<ReportedPrice>,
    /// What was known before of how it would be served.
    #[serde(skip_serializing_if = "Circumstances::is_empty")]
    pub(super) asked: Circumstances,
    /// The most tokens that its prompt was to have.
    #[serde(skip_serializing_if = "is_zero")]
    pub(super) prompt: u64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands it over so")]
const fn is_zero(tokens: &u64) -> bool {
    *tokens == 0
}

/// Measures whose price is known only when the work was served: because their quantity is reported then, or because it
/// depends on how the work is served.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReportedPrice {
    /// The measures: one, or several of which only the upstream tells how much each has.
    pub of: Vec<Measure>,
    /// The lines that may apply to them.
    pub lines: Vec<PriceLine>,
    /// So much of all of them together.
    pub quantity: Quantity,
}

/// What a task cost in the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Actual {
    /// The exact price; usage that no amount holds comes to the largest.
    pub exact: Fraction,
    /// What is to be said of the reported usage: the gravest, where several were reported.
    pub check: Checked,
}

/// How reported usage compares with its bound; later is graver.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Checked {
    /// Within the bound, or nothing had to be reported: charged as it is.
    #[default]
    Within,
    /// Not reported, and counted from what was received: charged as counted.
    Estimated,
    /// Reported so that it does not add up to its own sum: charged as it is.
    Contradictory,
    /// Above the bound: charged as it is, as far as the job's hold or the price's [`Overrun`] goes.
    OverBound,
    /// Tokens of a kind, or served in a way, that the price did not foresee: charged as the prompt's or the answer's
    /// text, or at the dearest line of the measure.
    Unforeseen,
    /// Not reported: charged at the bound.
    Missing,
    /// More than [`OVERRUN_FACTOR_MAX`] times the bound, at a price whose overrun is the payer's: charged at the bound.
    Absurd,
}

impl Checked {
    const fn of(source: Source) -> Self {
        match source {
            Source::Reported => Self::Within,
            Source::Estimated => Self::Estimated,
            Source::Contradictory => Self::Contradictory,
        }
    }
}

impl RoutePrice {
    /// This price, if any usage that is believed can be settled.
    pub(super) fn checked(self) -> Result<Self, PriceError> {
        // With every quantity at its largest, each sum that `total` makes is at its largest too; over a
        // denominator up to `DENOMINATOR_MAX` what fits an amount fits 128 bits.
        self.checked_den()?;
        let mut largest = self.counted;
        for part in &self.reported {
            let most = part.quantity.most().saturating_mul(OVERRUN_FACTOR_MAX);
            let part = part.dearest(most, &self.route)?;
            largest = largest.checked_add(&part).map_err(|_| PriceError::WorkTooLarge)?;
        }
        largest.ceil().map_err(|_| PriceError::WorkTooLarge)?;
        Ok(self)
    }

    fn checked_den(&self) -> Result<i64, PriceError> {
        let mut lines = self.reported.iter().flat_map(|part| &part.lines).map(|line| line.unit_price().den());
        lines.try_fold(narrow(Some(self.counted.den()))?, |den, line| narrow(lcm(den.into(), line)))
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

    /// Who bears what it costs beyond its job's hold.
    #[must_use]
    pub const fn overrun(&self) -> Overrun {
        self.overrun
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

    /// The exact price with every reported quantity at its bound, and served as dearly as it may be: what has to be
    /// held for it.
    #[must_use]
    pub fn worst(&self) -> Fraction {
        let worst = |part: &ReportedPrice| part.worst(&self.asked, self.prompt, &self.route);
        self.total(self.reported.iter().map(worst))
    }

    /// The exact price, now that the upstream has measured the work that was sent at an instant.
    #[must_use]
    pub fn actual(&self, measured: &Measured, at: Timestamp) -> Actual {
        let prompt = measured.counts.tokens(TokenSide::Prompt);
        let serving = Serving { served: &measured.served, asked: &self.asked, prompt, at };
        let mut check = Checked::Within;
        let parts = self.reported.iter().map(|part| {
            let (exact, of_part) = self.charge(part, measured, &serving);
            check = check.max(of_part);
            exact
        });
        Actual { exact: self.total(parts), check }
    }

    /// What a part costs, and what is to be said of it; nothing where no amount holds it.
    fn charge(
        &self,
        part: &ReportedPrice,
        measured: &Measured,
        serving: &Serving<'_>,
    ) -> (Option<Fraction>, Checked) {
        let at_bound = || part.worst(&self.asked, self.prompt, &self.route);
        let most = match part.quantity {
            Quantity::AtMost(most) => most,
            Quantity::Exact(quantity) => {
                let counts = part.of.iter().map(|measure| (*measure, quantity));
                return part.exact(counts, serving, &self.route);
            }
        };
        let counts: Vec<(Measure, u64)> =
            measured.counts.iter().filter(|(measure, _)| self.is_of(part, *measure)).collect();
        let sum: u128 = counts.iter().map(|(_, count)| u128::from(*count)).sum();
        let is_absurd = || sum > u128::from(most) * u128::from(OVERRUN_FACTOR_MAX);
        let told = match self.overrun {
            _ if counts.is_empty() && most > 0 => return (at_bound(), Checked::Missing),
            _ if sum <= most.into() => Checked::of(measured.source),
            Overrun::Payer if is_absurd() => return (at_bound(), Checked::Absurd),
            Overrun::Operator | Overrun::Payer => Checked::OverBound,
        };
        let (exact, foreseen) = part.exact(counts.into_iter(), serving, &self.route);
        (exact, foreseen.max(told))
    }

    /// Whether a measure is charged with a part: one of its own, or tokens of its side that no part foresaw.
    fn is_of(&self, part: &ReportedPrice, measure: Measure) -> bool {
        let foreseen = || self.reported.iter().any(|part| part.of.contains(&measure));
        part.of.contains(&measure) || (part.has_side_of(measure) && !foreseen())
    }

    /// What was counted with these parts; the largest amount where it would be more.
    fn total(&self, mut parts: impl Iterator<Item = Option<Fraction>>) -> Fraction {
        let sum = parts.try_fold(self.counted, |sum, part| {
            sum.checked_add(&part?).ok().filter(|sum| sum.ceil().is_ok())
        });
        sum.unwrap_or(Amount::MAX.into())
    }
}

impl ReportedPrice {
    /// Of these lines those that may apply to one of the measures: its own, and those that it has the price of where
    /// none of its own applies.
    pub(super) fn new(lines: &[PriceLine], of: Vec<Measure>, quantity: Quantity) -> Self {
        let mut kept: Vec<PriceLine> = Vec::new();
        for measure in of.iter().flat_map(|measure| measure.priced_as()) {
            if !kept.iter().any(|line| line.measure == measure) {
                kept.extend(lines.iter().filter(|line| line.measure == measure).cloned());
            }
        }
        Self { of, lines: kept, quantity }
    }

    /// The lines that a measure may have the price of, link by link.
    fn links(&self, measure: Measure) -> impl Iterator<Item = impl Iterator<Item = &PriceLine>> {
        measure.priced_as().map(|link| self.lines.iter().filter(move |line| line.measure == link))
    }

    fn has_side_of(&self, measure: Measure) -> bool {
        let side = measure.token_side();
        side.is_some() && self.of.iter().any(|own| own.token_side() == side)
    }

    /// Whether one line applies to the measure however it is served.
    pub(super) fn is_priced_always(&self, measure: Measure, asked: &Circumstances, prompt: u64) -> bool {
        self.links(measure).flatten().any(|line| line.when.reach(asked, prompt) == Reach::Always)
    }

    /// The line that applies to a measure.
    fn line(&self, measure: Measure, serving: &Serving<'_>) -> Option<&PriceLine> {
        self.links(measure).find_map(|link| {
            link.filter(|line| line.when.are_fulfilled(serving)).max_by_key(|line| line.when.rank())
        })
    }

    /// What these counts cost, and whether each had a line.
    fn exact(
        &self,
        counts: impl Iterator<Item = (Measure, u64)>,
        serving: &Serving<'_>,
        route: &Route,
    ) -> (Option<Fraction>, Checked) {
        let (mut exact, mut check) = (Some(Fraction::ZERO), Checked::Within);
        for (measure, count) in counts.filter(|(_, count)| *count > 0) {
            let line = self.line(measure, serving);
            if line.is_none() || !self.of.contains(&measure) {
                check = Checked::Unforeseen;
            }
            let part = match line {
                Some(line) => line.exact(count, route),
                None => dearest(self.links(measure).flatten(), count, route),
            };
            let part = part.ok();
            exact = exact.zip(part).and_then(|(sum, part)| sum.checked_add(&part).ok());
        }
        (exact, check)
    }

    /// What the whole quantity costs at the dearest line within reach.
    fn worst(&self, asked: &Circumstances, prompt: u64, route: &Route) -> Option<Fraction> {
        let within_reach = self.of.iter().flat_map(|measure| {
            let mut links = self.links(*measure);
            let mut lines = Vec::new();
            // What applies for certain keeps the price of another measure out.
            while !lines.iter().any(|(_, reach)| *reach == Reach::Always)
                && let Some(link) = links.next()
            {
                let reach = link.map(|line| (line, line.when.reach(asked, prompt)));
                lines.extend(reach.filter(|(_, reach)| *reach != Reach::Never));
            }
            lines.into_iter().map(|(line, _)| line)
        });
        dearest(within_reach, self.quantity.most(), route).ok()
    }

    /// What a quantity costs at the dearest line of all.
    fn dearest(&self, quantity: u64, route: &Route) -> Result<Fraction, PriceError> {
        dearest(self.lines.iter(), quantity, route)
    }
}

/// What a quantity costs at the dearest of these lines; nothing where there is none.
fn dearest<'a>(
    mut lines: impl Iterator<Item = &'a PriceLine>,
    quantity: u64,
    route: &Route,
) -> Result<Fraction, PriceError> {
    lines.try_fold(Fraction::ZERO, |dearest, line| Ok(dearest.max(line.exact(quantity, route)?)))
}

/// A [`RoutePrice`] as it is read back, not yet checked.
#[derive(Deserialize)]
struct StoredRoutePrice {
    route: Route,
    model: Option<String>,
    version: u32,
    unit: Unit,
    #[serde(default)]
    overrun: Overrun,
    counted: Fraction,
    #[serde(default)]
    reported: Vec<ReportedPrice>,
    #[serde(default)]
    asked: Circumstances,
    #[serde(default)]
    prompt: u64,
}

impl TryFrom<StoredRoutePrice> for RoutePrice {
    type Error = PriceError;

    fn try_from(stored: StoredRoutePrice) -> Result<Self, PriceError> {
        let StoredRoutePrice { route, model, version, unit, overrun, counted, reported, asked, prompt } =
            stored;
        Self { route, model, version, unit, overrun, counted, reported, asked, prompt }.checked()
    }
}

/// The denominator that the exact price of any outcome of a job with these prices can be written over: what its
/// [`RunningTotal`] starts with.
///
/// # Errors
/// When it is larger than [`DENOMINATOR_MAX`], or the prices are in different units.
pub fn common_denominator(prices: &[&RoutePrice]) -> Result<i64, PriceError> {
    denominator_of(prices.iter().copied())
}

fn denominator_of<'a>(prices: impl IntoIterator<Item = &'a RoutePrice>) -> Result<i64, PriceError> {
    let mut first = None;
    prices.into_iter().try_fold(1, |den, price| {
        let first = *first.get_or_insert(price.unit);
        if price.unit != first {
            return Err(PriceError::MixedUnits { first, second: price.unit });
        }
        narrow(lcm(den.into(), price.checked_den()?.into()))
    })
}

/// A denominator, if it is one that is allowed.
fn narrow(den: Option<i128>) -> Result<i64, PriceError> {
    den.and_then(|den| i64::try_from(den).ok())
        .filter(|den| *den <= DENOMINATOR_MAX)
        .ok_or(PriceError::DenominatorTooLarge)
}

/// What to hold for a job whose tasks may each go to one of these routes: the dearest of each task, summed exactly
/// and rounded up once. No outcome costs more, but where a price's [`Overrun`] is the payer's.
///
/// # Errors
/// When a task has no route, the prices have no [`common_denominator`], or the sum is more than [`HOLD_MAX`].
pub fn hold_amount<'a, T>(tasks: impl IntoIterator<Item = T> + Clone) -> Result<Amount, PriceError>
where
    T: IntoIterator<Item = &'a RoutePrice>,
{
    let den = denominator_of(tasks.clone().into_iter().flatten())?;
    let mut total = RunningTotal::new(den).map_err(|_| PriceError::DenominatorTooLarge)?;
    for (task, routes) in tasks.into_iter().enumerate() {
        let dearest = routes.into_iter().map(RoutePrice::worst).max().ok_or(PriceError::NoRoute { task })?;
        // More than the largest amount is left at that, which is refused below.
        total.add(&dearest, Amount::MAX).map_err(|_| PriceError::WorkTooLarge)?;
    }
    match total.charged() {
        hold if hold <= HOLD_MAX => Ok(hold),
        _ => Err(PriceError::WorkTooLarge),
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use proptest::{collection, option, prelude::*, sample};

    use super::*;
    use crate::{
        clock::Timestamp,
        id::{ServerId, ServiceId},
        lane::Lane,
        measure::{Counts, Quantities},
        money::Money,
        operation::Operation,
        pricing::{Charge, Price},
        switch::Switch,
        work::speech_quantities,
    };

    fn line(measure: Measure, price: &str, per: u32, unit: Unit) -> PriceLine {
        PriceLine::from_decimal(measure, price.parse().unwrap(), NonZeroU32::new(per).unwrap(), unit).unwrap()
    }

    fn price(unit: Unit, charge: Charge) -> Price {
        Price {
            route: Route::new(ServerId::new("ai33").unwrap(), ServiceId::new("elevenlabs").unwrap()),
            model: None,
            operation: Operation::Speech,
            lane: Lane::Shared,
            unit,
            name: "speech".into(),
            charge,
            overrun: Overrun::Operator,
            switch: Switch::On,
            version: 1,
            since: Timestamp::EPOCH,
        }
    }

    fn per(measure: Measure, price_text: &str, per: u32, unit: Unit) -> Price {
        price(unit, Charge::lines([line(measure, price_text, per, unit)]).unwrap())
    }

    fn audio(audio_ms: impl Into<Option<u64>>) -> Measured {
        Counts::of([(Measure::AudioMs, audio_ms.into())]).into()
    }

    /// What a task cost at an instant on which no line depends.
    fn actual(price: &RoutePrice, measured: &Measured) -> Actual {
        price.actual(measured, Timestamp::EPOCH)
    }

    fn at_most(measure: Measure, bound: u64) -> Quantities {
        Quantities::one_request().with(measure, Quantity::AtMost(bound))
    }

    fn exactly(measure: Measure, quantity: u64) -> Quantities {
        Quantities::one_request().with(measure, Quantity::Exact(quantity))
    }

    fn steps(fraction: Fraction) -> String {
        fraction.to_string()
    }

    /// Any number, of any number of digits alike.
    fn any_size() -> impl Strategy<Value = u64> {
        (any::<u64>(), 0..64_u32).prop_map(|(number, shift)| number >> shift)
    }

    fn any_measure() -> impl Strategy<Value = Measure> {
        sample::select(STATED.to_vec())
    }

    /// The measures that the quantities of a property state.
    const STATED: [Measure; 5] =
        [Measure::Character, Measure::Request, Measure::AudioMs, Measure::Token, Measure::Image];

    fn any_per() -> impl Strategy<Value = NonZeroU32> {
        let usual = sample::select(vec![1, 300, 1000, 60_000, 1_000_000]);
        prop_oneof![4 => usual.prop_map(|per| NonZeroU32::new(per).unwrap()), 1 => any::<NonZeroU32>()]
    }

    fn any_overrun() -> impl Strategy<Value = Overrun> {
        prop_oneof![3 => Just(Overrun::Operator), 1 => Just(Overrun::Payer)]
    }

    /// A price of up to three lines, in credits with up to four digits after the point.
    fn any_price() -> impl Strategy<Value = Price> {
        let num = (1..50_000_u64).prop_map(|ten_thousandths| ten_thousandths * 100);
        let per = sample::select(vec![1, 7, 300, 1000, 60_000, 1_000_000]);
        let line = (num, per.prop_map(|per| NonZeroU32::new(per).unwrap()));
        let measures = vec![Measure::Character, Measure::Request, Measure::AudioMs];
        let measures = sample::subsequence(measures, 1..=3);
        (measures, collection::vec(line, 3), any_overrun()).prop_map(|(measures, lines, overrun)| {
            let lines = measures.into_iter().zip(lines);
            let lines = lines.map(|(measure, (num, per))| PriceLine::new(measure, num, per));
            Price { overrun, ..price(Unit::CREDIT, Charge::lines(lines).unwrap()) }
        })
    }

    /// A job: each task's price on each of its routes.
    fn any_job() -> impl Strategy<Value = Vec<Vec<RoutePrice>>> {
        let tasks = collection::vec((1..20_000_u64, 50..=200_u16), 1..8);
        (collection::vec(any_price(), 1..4), tasks).prop_map(|(prices, tasks)| {
            let quantities =
                tasks.into_iter().map(|(characters, speed)| speech_quantities(characters, speed));
            let quote = |quantities| prices.iter().map(|price| price.quote(&quantities).unwrap()).collect();
            quantities.map(|quantities| quote(quantities.unwrap())).collect()
        })
    }

    /// How one task ended, after any tries: on which of its routes, and with how much audio reported, in thousandths
    /// of its bound.
    #[derive(Clone, Debug)]
    struct Went {
        route: usize,
        end: End,
        audio: Option<u64>,
    }

    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    enum End {
        Succeeded,
        Failed,
    }

    /// A job, how its tasks went, and the order in which they ended. Audio is reported up to so many thousandths of
    /// its bound.
    fn any_run(audio_max: u64) -> impl Strategy<Value = (Vec<Vec<RoutePrice>>, Vec<Went>, Vec<usize>)> {
        any_job().prop_flat_map(move |job| {
            let route = 0..job[0].len();
            let end = prop_oneof![3 => Just(End::Succeeded), 1 => Just(End::Failed)];
            let went = (route, end, option::weighted(0.9, 0..=audio_max))
                .prop_map(|(route, end, audio)| Went { route, end, audio });
            let went = collection::vec(went, job.len());
            let order = Just((0..job.len()).collect::<Vec<_>>()).prop_shuffle();
            (Just(job), went, order)
        })
    }

    /// Settles a job's tasks in this order: the parts and the total.
    fn settle(
        job: &[Vec<RoutePrice>],
        went: &[Went],
        order: impl IntoIterator<Item = usize>,
    ) -> (Vec<Amount>, RunningTotal) {
        let all: Vec<&RoutePrice> = job.iter().flatten().collect();
        let mut total = RunningTotal::new(common_denominator(&all).unwrap()).unwrap();
        let hold = hold_amount(job).unwrap();
        let succeeded = order.into_iter().filter(|&task| went[task].end == End::Succeeded);
        let parts = succeeded.map(|task| {
            let exact = exact(&job[task], &went[task]);
            match job[task][went[task].route].overrun() {
                Overrun::Operator => total.add(&exact, hold).unwrap().part,
                Overrun::Payer => total.add_overrun(&exact, hold).unwrap().part,
            }
        });
        let parts = parts.collect();
        (parts, total)
    }

    /// What the tasks that succeeded cost, of prices with one of these overruns.
    fn sum(job: &[Vec<RoutePrice>], went: &[Went], overruns: &[Overrun]) -> Fraction {
        let succeeded = job.iter().zip(went).filter(|(routes, went)| {
            went.end == End::Succeeded && overruns.contains(&routes[went.route].overrun())
        });
        succeeded.fold(Fraction::ZERO, |sum, (routes, went)| sum.checked_add(&exact(routes, went)).unwrap())
    }

    /// What a task that succeeded costs: the price of the route that did it.
    fn exact(routes: &[RoutePrice], went: &Went) -> Fraction {
        let route = &routes[went.route];
        let bound = route.reported().first().map_or(0, |reported| reported.quantity.most());
        actual(route, &audio(went.audio.map(|thousandths| bound * thousandths / 1000))).exact
    }

    #[test]
    fn known_prices_come_out_exactly() {
        let of = |price: Price, quantities: Quantities| vec![price.quote(&quantities).unwrap()];
        let tokens = |tokens| at_most(Measure::Token, tokens);
        let five_minutes = at_most(Measure::AudioMs, 300_000);
        let subtitles = exactly(Measure::Character, 1800);
        let whisper = of(per(Measure::AudioMs, "0.006", 60_000, Unit::USD), five_minutes);
        let gemini = of(per(Measure::Token, "0.075", 1_000_000, Unit::USD), tokens(1500));
        let wavenet = of(per(Measure::Character, "16", 1_000_000, Unit::USD), subtitles);
        let gpt = of(per(Measure::Token, "1", 1000, Unit::NEXTFLOW), tokens(300));
        for (tasks, unit, text) in [
            (vec![whisper.clone()], Unit::USD, "0.03 usd"),
            (vec![gemini.clone()], Unit::USD, "0.0001125 usd"),
            (vec![wavenet.clone()], Unit::USD, "0.0288 usd"),
            (vec![whisper, gemini, wavenet], Unit::USD, "0.0589125 usd"),
            (vec![gpt], Unit::NEXTFLOW, "0.3 nextflow"),
        ] {
            assert_eq!(Money::new(hold_amount(&tasks).unwrap(), unit).to_string(), text);
        }
    }

    #[test]
    fn three_tasks_of_two_thirds_cost_two() {
        let task = vec![
            per(Measure::Character, "1", 300, Unit::CREDIT)
                .quote(&speech_quantities(200, 100).unwrap())
                .unwrap(),
        ];
        let job = vec![task; 3];
        let went = vec![Went { route: 0, end: End::Succeeded, audio: None }; 3];
        let (parts, total) = settle(&job, &went, 0..3);
        assert_eq!(parts.iter().map(|part| part.get()).collect::<Vec<_>>(), [1, 1, 0]);
        assert_eq!(total.charged(), hold_amount(&job).unwrap());
        assert_eq!(total.charged().get(), 2);
    }

    #[test]
    fn lines_of_a_price_add_up() {
        let lines = [
            line(Measure::Character, "0.7", 1, Unit::CREDIT),
            line(Measure::AudioMs, "0.5", 1000, Unit::CREDIT),
            line(Measure::Request, "3", 1, Unit::CREDIT),
        ];
        let quoted = price(Unit::CREDIT, Charge::lines(lines).unwrap())
            .quote(&speech_quantities(100, 200).unwrap())
            .unwrap();
        assert_eq!(steps(quoted.counted()), "73/1");
        assert_eq!(steps(quoted.worst()), "153/2", "7 s of audio at 0.5");
        assert_eq!(quoted.den(), 2000, "whatever number of milliseconds is reported");
    }

    #[test]
    fn reported_usage_is_checked_against_its_bound() {
        let quantities = at_most(Measure::AudioMs, 1000);
        let price = per(Measure::AudioMs, "1", 1, Unit::CREDIT);
        let operators = price.quote(&quantities).unwrap();
        let payers = Price { overrun: Overrun::Payer, ..price }.quote(&quantities).unwrap();
        let over = Checked::OverBound;
        for (reported, operator, payer) in [
            (Some(0), (0, Checked::Within), (0, Checked::Within)),
            (Some(999), (999, Checked::Within), (999, Checked::Within)),
            (Some(1000), (1000, Checked::Within), (1000, Checked::Within)),
            (Some(1001), (1001, over), (1001, over)),
            (Some(10_000), (10_000, over), (10_000, over)),
            (Some(10_001), (10_001, over), (1000, Checked::Absurd)),
            (Some(u64::MAX), (i64::MAX, over), (1000, Checked::Absurd)),
            (None, (1000, Checked::Missing), (1000, Checked::Missing)),
        ] {
            for (quoted, expected) in [(&operators, operator), (&payers, payer)] {
                let actual = actual(quoted, &audio(reported));
                let got = (actual.exact.ceil().unwrap().get(), actual.check);
                assert_eq!(got, expected, "{reported:?}, overrun is the {:?}'s", quoted.overrun());
            }
        }
    }

    #[test]
    fn what_the_upstream_counts_is_no_price() {
        let quoted = per(Measure::Character, "1", 1, Unit::CREDIT)
            .quote(&speech_quantities(100, 100).unwrap())
            .unwrap();
        let counts = Counts::NONE.with(Measure::AudioMs, u64::MAX).with(Measure::Character, 200);
        assert_eq!(
            actual(&quoted, &counts.into()),
            Actual { exact: Fraction::new(100, 1).unwrap(), check: Checked::Within }
        );
    }

    #[test]
    fn free_costs_nothing_and_anything_else_finds_something_to_charge() {
        let free = price(Unit::CREDIT, Charge::Free).quote(&Quantities::one_request()).unwrap();
        assert_eq!(hold_amount(&[vec![free.clone()]]), Ok(Amount::ZERO));
        assert_eq!(actual(&free, &audio(5)), Actual { exact: Fraction::ZERO, check: Checked::Within });
        let by_character = per(Measure::Character, "1", 1, Unit::CREDIT);
        let error = by_character.quote(&Quantities::one_request()).unwrap_err();
        assert!(matches!(error, PriceError::NothingToCharge { .. }), "{error}");
    }

    #[test]
    fn a_measure_without_a_bound_is_refused() {
        let by_second = per(Measure::AudioMs, "1", 1000, Unit::CREDIT);
        let error = by_second.quote(&Quantities::one_request()).unwrap_err();
        assert!(matches!(error, PriceError::NoBound { measure: Measure::AudioMs, .. }), "{error}");
        let zero =
            [line(Measure::AudioMs, "0", 1000, Unit::CREDIT), line(Measure::Request, "1", 1, Unit::CREDIT)];
        let flat = price(Unit::CREDIT, Charge::lines(zero).unwrap());
        assert!(flat.quote(&Quantities::one_request()).is_ok(), "a line of zero needs no bound");
    }

    #[test]
    fn units_never_meet_in_one_job() {
        let quote = |unit| {
            let quantities = speech_quantities(1, 100).unwrap();
            per(Measure::Character, "1", 1, unit).quote(&quantities).unwrap()
        };
        let (credit, usd) = (quote(Unit::CREDIT), quote(Unit::USD));
        let mixed = PriceError::MixedUnits { first: Unit::CREDIT, second: Unit::USD };
        assert_eq!(hold_amount(&[vec![credit.clone(), usd.clone()]]), Err(mixed.clone()));
        assert_eq!(hold_amount(&[vec![credit.clone()], vec![usd]]), Err(mixed));
        assert_eq!(hold_amount(&[vec![credit], vec![]]), Err(PriceError::NoRoute { task: 1 }));
        assert_eq!(hold_amount(&Vec::<Vec<RoutePrice>>::new()), Ok(Amount::ZERO));
        assert_eq!(common_denominator(&[]), Ok(1));
    }

    #[test]
    fn a_damaged_route_price_is_not_read() {
        let quantities = speech_quantities(3, 100).unwrap();
        let lines =
            [line(Measure::Character, "0.5", 1, Unit::CREDIT), line(Measure::AudioMs, "9", 7, Unit::CREDIT)];
        let quoted = price(Unit::CREDIT, Charge::lines(lines).unwrap()).quote(&quantities).unwrap();
        let json = serde_json::to_string(&quoted).unwrap();
        for (part, damaged) in [
            (r#""counted":"3/2""#, r#""counted":"-3/2""#),
            (r#""counted":"3/2""#, r#""counted":"9223372036854775807/1""#),
            (r#""counted":"3/2""#, r#""counted":"3/1000000000000000001""#),
            (r#""at_most":2360"#, r#""at_most":18446744073709551615"#),
            (r#""unit":"credit""#, r#""unit":"vnd""#),
            (r#""per":7"#, r#""per":0"#),
        ] {
            assert!(json.contains(part), "{json}");
            assert!(serde_json::from_str::<RoutePrice>(&json.replace(part, damaged)).is_err(), "{damaged}");
        }
    }

    proptest! {
        #[test]
        fn the_total_is_what_succeeded_within_the_hold_rounded_up_once_in_any_order(
            (job, went, order) in any_run(20_000)
        ) {
            let hold = hold_amount(&job).unwrap();
            let all = sum(&job, &went, &[Overrun::Operator, Overrun::Payer]);
            let right = all.min(hold.into()).max(sum(&job, &went, &[Overrun::Payer]));
            prop_assert_eq!(settle(&job, &went, order).1.charged(), right.ceil().unwrap());
        }

        #[test]
        fn parts_add_up_and_none_is_negative((job, went, order) in any_run(20_000)) {
            let (parts, total) = settle(&job, &went, order);
            prop_assert!(parts.iter().all(|part| *part >= Amount::ZERO));
            prop_assert_eq!(parts.iter().map(|part| part.get()).sum::<i64>(), total.charged().get());
        }

        #[test]
        fn a_hold_covers_every_outcome_within_the_bounds((job, went, order) in any_run(1000)) {
            let all = sum(&job, &went, &[Overrun::Operator, Overrun::Payer]);
            prop_assert!(all.ceil().unwrap() <= hold_amount(&job).unwrap());
            prop_assert_eq!(settle(&job, &went, order).1.charged(), all.ceil().unwrap());
        }

        #[test]
        fn no_report_makes_a_job_dearer_than_its_hold_or_ten_with_an_overrun((job, went, order) in any_run(50_000)) {
            let succeeded = job.iter().zip(&went).filter(|(_, went)| went.end == End::Succeeded);
            let holds = match succeeded.map(|(routes, went)| routes[went.route].overrun()).collect::<Vec<_>>() {
                overruns if overruns.contains(&Overrun::Payer) => 10,
                _ => 1,
            };
            let hold = hold_amount(&job).unwrap().get();
            prop_assert!(settle(&job, &went, order).1.charged().get() <= holds * hold);
        }

        #[test]
        fn a_hold_is_the_dearest_of_each_task_rounded_up_once(job in any_job()) {
            let dearest = job.iter().map(|routes| routes.iter().map(RoutePrice::worst).max().unwrap());
            let sum = dearest.fold(Fraction::ZERO, |sum, worst| sum.checked_add(&worst).unwrap());
            prop_assert_eq!(hold_amount(&job), Ok(sum.ceil().unwrap()));
        }

        #[test]
        fn cutting_a_text_never_changes_its_price(
            ten_thousandths in 1..50_000_u64,
            pieces in collection::vec(1..5000_u64, 1..12),
        ) {
            let line = PriceLine::new(Measure::Character, ten_thousandths * 100, NonZeroU32::MIN);
            let price = price(Unit::CREDIT, Charge::lines([line]).unwrap());
            let task = |characters| {
                vec![price.quote(&exactly(Measure::Character, characters)).unwrap()]
            };
            let cut: Vec<_> = pieces.iter().copied().map(task).collect();
            prop_assert_eq!(hold_amount(&cut), hold_amount(&[task(pieces.iter().sum())]));
        }

        #[test]
        fn every_quote_can_be_settled_and_survives_storage(
            lines in collection::btree_map(any_measure(), (any_size(), any_per()), 1..6),
            quantities in collection::vec(any_size(), 5),
            reported in option::of(any_size()),
            overrun in any_overrun(),
        ) {
            let lines = lines.into_iter();
            let lines = lines.map(|(measure, (num, per))| PriceLine::new(measure, num.max(1), per));
            let quantities = Quantities::one_request()
                .with(Measure::Character, Quantity::Exact(quantities[0]))
                .with(Measure::Request, Quantity::Exact(quantities[1]))
                .with(Measure::Image, Quantity::Exact(quantities[2]))
                .with(Measure::AudioMs, Quantity::AtMost(quantities[3]))
                .with(Measure::Token, Quantity::AtMost(quantities[4]));
            let price = Price { overrun, ..price(Unit::USD, Charge::lines(lines).unwrap()) };
            if let Ok(quoted) = price.quote(&quantities) {
                let hold = hold_amount(&[vec![quoted.clone()]]).unwrap_or(HOLD_MAX);
                for exact in [actual(&quoted, &audio(reported)).exact, quoted.worst()] {
                    prop_assert!(RunningTotal::new(quoted.den()).unwrap().add(&exact, hold).is_ok());
                    prop_assert!(RunningTotal::new(quoted.den()).unwrap().add_overrun(&exact, hold).is_ok());
                }
                let json = serde_json::to_string(&quoted).unwrap();
                prop_assert_eq!(serde_json::from_str::<RoutePrice>(&json).unwrap(), quoted);
            }
        }
    }
}
