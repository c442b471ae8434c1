//! Prices.

use std::num::NonZeroU32;

use kingcong_core::{
    Error,
    clock::Timestamp,
    id::{Route, ServerId, ServiceId},
    lane::Lane,
    measure::{Circumstance, Circumstances, Measure},
    money::{Decimal, Unit},
    operation::Operation,
    pricing::{Charge, Conditions, Overrun, Price, PriceLine, PriceStart, PromptTokens, Span, Weekday},
    switch::Switch,
};
use serde::{Deserialize, Serialize};

use crate::{
    answer::{AsText, DecimalText, Instant, Word, all},
    asked::{AskedAmount, credits, on},
    door::{At, Door, Group, Listed},
    problem::Problem,
};

pub(crate) const GROUP: Group = Group {
    name: "Prices",
    docs: "Prices. A job keeps the prices that it was admitted with.",
    doors: &[Listed::of::<List>(), Listed::of::<Set>(), Listed::of::<Withdraw>(), Listed::of::<Remove>()],
};

/// How work is served, in the upstream's own words: its tier (`standard`, `batch`, `flex`, `priority`, …), an image's
/// size and quality, a video's resolution, how much was searched, where and how fast, and by which model.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "description", derive(schemars::JsonSchema))]
pub(crate) struct ServedView {
    tier: Option<String>,
    size: Option<String>,
    quality: Option<String>,
    resolution: Option<String>,
    context: Option<String>,
    region: Option<String>,
    speed: Option<String>,
    model: Option<String>,
}

impl ServedView {
    /// How work was served; none where nothing is known of it.
    pub(crate) fn of(served: &Circumstances) -> Option<Self> {
        let word = |circumstance| served.get(circumstance).map(str::to_owned);
        (!served.is_empty()).then(|| Self {
            tier: word(Circumstance::Tier),
            size: word(Circumstance::Size),
            quality: word(Circumstance::Quality),
            resolution: word(Circumstance::Resolution),
            context: word(Circumstance::Context),
            region: word(Circumstance::Region),
            speed: word(Circumstance::Speed),
            model: word(Circumstance::Model),
        })
    }
}

/// A span of every week, in UTC: on these days from one minute of the day up to another, which is not part of it. One
/// that ends before it starts goes on into the next day.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "description", derive(schemars::JsonSchema))]
struct WeekSpanView {
    days: Vec<Word<Weekday>>,
    start: u16,
    end: u16,
}

impl From<&Span> for WeekSpanView {
    fn from(span: &Span) -> Self {
        let days = span.days().iter().copied().map(Word).collect();
        Self { days, start: span.from(), end: span.until() }
    }
}

/// When a line of a price applies: when all of these are so. `prompt_above` and `prompt_from` are tokens of the whole
/// prompt: more than so many, or so many and more.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "description", derive(schemars::JsonSchema))]
struct PriceConditionsView {
    served: Option<ServedView>,
    prompt_above: Option<u64>,
    prompt_from: Option<u64>,
    during: Vec<WeekSpanView>,
}

impl From<&Conditions> for PriceConditionsView {
    fn from(when: &Conditions) -> Self {
        Self {
            served: ServedView::of(&when.served),
            prompt_above: match when.prompt {
                Some(PromptTokens::Above(tokens)) => Some(tokens),
                Some(PromptTokens::From(_)) | None => None,
            },
            prompt_from: match when.prompt {
                Some(PromptTokens::From(tokens)) => Some(tokens),
                Some(PromptTokens::Above(_)) | None => None,
            },
            during: all(&when.during),
        }
    }
}

/// So much, in whole units, per so many of a measure.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "description", derive(schemars::JsonSchema))]
struct PriceLineView {
    measure: Word<Measure>,
    price: DecimalText<Decimal>,
    per: u32,
    when: Option<PriceConditionsView>,
    free: u64,
    at_least: u64,
}

/// A price in force since `since`, or to come then; `version` counts how often it was set.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "description", derive(schemars::JsonSchema))]
pub(crate) struct PriceView {
    server: String,
    service: String,
    operation: Word<Operation>,
    lane: Word<Lane>,
    model: Option<String>,
    unit: Word<Unit>,
    name: String,
    lines: Vec<PriceLineView>,
    overrun: bool,
    switch: Word<Switch>,
    version: u32,
    since: Instant,
}

impl From<&Price> for PriceView {
    fn from(price: &Price) -> Self {
        let lines = match &price.charge {
            Charge::Free => &[],
            Charge::Lines(lines) => lines.as_slice(),
        };
        let line = |line: &PriceLine| PriceLineView {
            measure: Word(line.measure),
            price: DecimalText(line.price(price.unit)),
            per: line.per.get(),
            when: (!line.when.is_empty()).then(|| (&line.when).into()),
            free: line.free,
            at_least: line.at_least,
        };
        Self {
            server: price.route.server.to_string(),
            service: price.route.service.to_string(),
            operation: Word(price.operation),
            lane: Word(price.lane),
            model: price.model.clone(),
            unit: Word(price.unit),
            name: price.name.clone(),
            lines: lines.iter().map(line).collect(),
            overrun: price.overrun == Overrun::Payer,
            switch: Word(price.switch),
            version: price.version,
            since: Instant(price.since),
        }
    }
}

/// What an operation costs on a route; no lines mean that it is free.
///
/// A job is charged at most its hold, however much audio came back. With `overrun` it is charged for what came back:
/// what the hold does not cover is taken from what the wallet has available, and the rest becomes debt.
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "description", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
struct AskedPrice {
    server: AsText<ServerId>,
    service: AsText<ServiceId>,
    operation: Word<Operation>,
    lines: Vec<AskedPriceLine>,
    #[serde(default = "credits")]
    unit: Word<Unit>,
    model: Option<String>,
    /// What it is called; its route and operation when left out.
    name: Option<String>,
    /// Whether the payer bears what is beyond the hold, and not the operator.
    #[serde(default)]
    overrun: bool,
    #[serde(default = "on")]
    switch: Word<Switch>,
    /// Whose keys it is for.
    #[serde(default = "shared")]
    lane: Word<Lane>,
    /// How often it was set. Leave it out for the next one, or give the one after the version that you read, and
    /// somebody else's change in between is refused.
    version: Option<u32>,
    /// Since when a price that was read is in force. It changes nothing here: `since` stands beside the price.
    #[serde(rename = "since")]
    _since: Option<Instant>,
}

/// So much, in whole units, per so many of a measure: 0.075 for each 1,000,000 of `token`.
///
/// Of several lines of one measure that apply, the one with the most conditions is meant, and of bounds of the prompt
/// the highest. A kind of tokens without a line has the price of the next: caches that of the prompt, reasoning that of
/// the answer, media that of text.
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "description", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
struct AskedPriceLine {
    measure: Word<Measure>,
    price: AskedAmount,
    #[serde(default = "each")]
    per: NonZeroU32,
    /// When it applies; always when left out.
    when: Option<AskedPriceConditions>,
    /// So many of a task's are free.
    #[serde(default)]
    free: u64,
    /// A task that has any is charged so many at least; not for tokens.
    #[serde(default)]
    at_least: u64,
}

/// When a line of a price applies: when all of these are so. `prompt_above` and `prompt_from` are tokens of the whole
/// prompt: more than so many, or so many and more; at most one of them.
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "description", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
struct AskedPriceConditions {
    served: Option<AskedServed>,
    prompt_above: Option<u64>,
    prompt_from: Option<u64>,
    /// Spans of the week in which the call is made; at any time when left out.
    during: Option<Vec<AskedWeekSpan>>,
}

/// How work is served, in the upstream's own words: its tier (`standard`, `batch`, `flex`, `priority`, …), an image's
/// size and quality, a video's resolution, how much was searched, where and how fast, and by which model.
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "description", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
struct AskedServed {
    tier: Option<String>,
    size: Option<String>,
    quality: Option<String>,
    resolution: Option<String>,
    context: Option<String>,
    region: Option<String>,
    speed: Option<String>,
    model: Option<String>,
}

impl AskedServed {
    fn served(self) -> Result<Circumstances, Problem> {
        let words = [
            (Circumstance::Tier, self.tier),
            (Circumstance::Size, self.size),
            (Circumstance::Quality, self.quality),
            (Circumstance::Resolution, self.resolution),
            (Circumstance::Context, self.context),
            (Circumstance::Region, self.region),
            (Circumstance::Speed, self.speed),
            (Circumstance::Model, self.model),
        ];
        let mut said = words.into_iter().filter_map(|(circumstance, word)| Some((circumstance, word?)));
        said.try_fold(Circumstances::NONE, |served, (circumstance, word)| served.with(circumstance, word))
            .map_err(|error| Problem::invalid(&error))
    }
}

/// A span of every week, in UTC: on these days from one minute of the day up to another, which is not part of it. One
/// that ends before it starts goes on into the next day.
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "description", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
struct AskedWeekSpan {
    days: Vec<Word<Weekday>>,
    start: u16,
    end: u16,
}

impl AskedPriceConditions {
    fn conditions(self) -> Result<Conditions, Problem> {
        let prompt = match (self.prompt_above, self.prompt_from) {
            (Some(above), Some(from)) => {
                let (value, bounds) =
                    (format!("above {above} and from {from}"), "one of prompt_above and prompt_from");
                return Err(Error::Argument { argument: "prompt", value, bounds }.into());
            }
            (Some(tokens), None) => Some(PromptTokens::Above(tokens)),
            (None, tokens) => tokens.map(PromptTokens::From),
        };
        let span = |span: AskedWeekSpan| {
            let days = span.days.into_iter().map(|day| day.0);
            Span::new(days, span.start, span.end).map_err(|error| Problem::invalid(&error))
        };
        let during = self.during.into_iter().flatten().map(span).collect::<Result<_, _>>()?;
        let served = self.served.map(AskedServed::served).transpose()?.unwrap_or_default();
        Ok(Conditions { served, prompt, during })
    }
}

impl AskedPriceLine {
    fn line(self, unit: Unit) -> Result<PriceLine, Problem> {
        let line = PriceLine::from_decimal(self.measure.0, self.price.decimal(), self.per, unit)?;
        let when = self.when.map(AskedPriceConditions::conditions).transpose()?.unwrap_or_default();
        Ok(PriceLine { when, free: self.free, at_least: self.at_least, ..line })
    }
}

fn shared() -> Word<Lane> {
    Word(Lane::Shared)
}

fn each() -> NonZeroU32 {
    NonZeroU32::MIN
}

impl AskedPrice {
    /// The price, and the version that it is to have.
    fn price(self) -> Result<(Price, Option<u32>), Problem> {
        let (operation, unit) = (self.operation.0, self.unit.0);
        let lines = self.lines.into_iter().map(|line| line.line(unit)).collect::<Result<Vec<_>, _>>()?;
        let route = Route::new(self.server.0, self.service.0);
        let price = Price {
            name: self.name.unwrap_or_else(|| format!("{route} {operation}")),
            route,
            model: self.model,
            operation,
            lane: self.lane.0,
            unit,
            charge: if lines.is_empty() { Charge::Free } else { Charge::lines(lines)? },
            overrun: if self.overrun { Overrun::Payer } else { Overrun::Operator },
            switch: self.switch.0,
            version: 0,
            since: Timestamp::EPOCH,
        };
        Ok((price, self.version))
    }
}

/// The prices in force, and those to come.
///
/// ```python
/// >>> from kingcong import KingCong
/// >>> with KingCong.open("memory:", preset="kingcong") as kc:
/// ...     price = kc.prices.list()[0]
/// ...     price.server, price.operation.value, price.lines[0].price
/// ('ai33', 'speech', Decimal('1'))
/// ```
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "description", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
struct List {}

impl Door for List {
    const NAME: &'static str = "prices.list";
    type Answer = Vec<PriceView>;

    async fn knock(self, at: &mut At<'_>) -> Result<Self::Answer, Problem> {
        Ok(all(&at.kc.prices().list().await?))
    }
}

/// Sets a price, from now on or from `since` on, which has not passed; it replaces the one for the same route, model
/// and operation. At most eight versions of one price may be to come.
///
/// ```python
/// >>> from decimal import Decimal
/// >>> from kingcong import KingCong, Measure, Operation, Price, PriceLine, Role
/// >>> price = Price("ai33", "minimax", Operation.SPEECH, (PriceLine(Measure.CHARACTER, Decimal("0.5")),))
/// >>> with KingCong.open("memory:", preset="kingcong") as kc:
/// ...     kc.acting("admin-7", Role.OPERATOR).prices.set(price)
/// ```
///
/// ```ts
/// import { KingCong } from 'kingcong';
///
/// await using kc = await KingCong.open('memory:', { preset: 'kingcong' });
/// await kc.acting({ actor: 'admin-7', role: 'operator' }).prices.set({
///   server: 'ai33',
///   service: 'minimax',
///   operation: 'speech',
///   lines: [{ measure: 'character', price: '0.5' }],
/// });
/// ```
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "description", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
struct Set {
    price: AskedPrice,
    since: Option<Instant>,
}

impl Door for Set {
    const NAME: &'static str = "prices.set";
    const BY_PLACE: usize = 1;
    type Answer = ();

    async fn knock(self, at: &mut At<'_>) -> Result<(), Problem> {
        let (price, version) = self.price.price()?;
        let start = self.since.map_or(PriceStart::Now, |Instant(since)| PriceStart::At(since));
        Ok(at.kc.prices().set(price, start, version).await?)
    }
}

/// Withdraws the version of a price that is to be in force since an instant to come.
///
/// ```python
/// >>> from datetime import datetime, timedelta, timezone
/// >>> from decimal import Decimal
/// >>> from kingcong import KingCong, Measure, Operation, Price, PriceLine, Role
/// >>> price = Price("ai33", "minimax", Operation.SPEECH, (PriceLine(Measure.CHARACTER, Decimal("0.5")),))
/// >>> soon = datetime.now(timezone.utc) + timedelta(days=30)
/// >>> with KingCong.open("memory:", preset="kingcong") as kc:
/// ...     admin = kc.acting("admin-7", Role.OPERATOR)
/// ...     admin.prices.set(price, since=soon)
/// ...     admin.prices.withdraw("ai33", "minimax", Operation.SPEECH, soon)
/// ```
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "description", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
struct Withdraw {
    server: String,
    service: String,
    operation: Word<Operation>,
    since: Instant,
    model: Option<String>,
}

impl Door for Withdraw {
    const NAME: &'static str = "prices.withdraw";
    const BY_PLACE: usize = 4;
    type Answer = ();

    async fn knock(self, at: &mut At<'_>) -> Result<(), Problem> {
        let Self { server, service, operation, since, model } = self;
        let prices = at.kc.prices();
        Ok(prices.withdraw(&server, &service, model.as_deref(), operation.0, since.0).await?)
    }
}

/// Takes a price away, with its versions that are to come: requests that need it are refused from now on.
///
/// ```python
/// >>> from kingcong import KingCong, Operation, Role
/// >>> with KingCong.open("memory:", preset="kingcong") as kc:
/// ...     kc.acting("admin-7", Role.OPERATOR).prices.remove("ai84", "minimax", Operation.SPEECH)
/// ...     len(kc.prices.list())
/// 5
/// ```
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "description", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
struct Remove {
    server: String,
    service: String,
    operation: Word<Operation>,
    model: Option<String>,
}

impl Door for Remove {
    const NAME: &'static str = "prices.remove";
    const BY_PLACE: usize = 3;
    type Answer = ();

    async fn knock(self, at: &mut At<'_>) -> Result<(), Problem> {
        let Self { server, service, operation, model } = self;
        Ok(at.kc.prices().remove(&server, &service, model.as_deref(), operation.0).await?)
    }
}
