//! Prices.

use std::num::NonZeroU32;

use kingcong_core::{
    clock::Timestamp,
    id::{Route, ServerId, ServiceId},
    lane::Lane,
    measure::Measure,
    money::{Decimal, Unit},
    operation::Operation,
    pricing::{Charge, Overrun, Price, PriceLine, PriceStart},
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
    doors: &[Listed::of::<List>(), Listed::of::<Set>(), Listed::of::<Remove>()],
};

/// So much, in whole units, per so many of a measure.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "description", derive(schemars::JsonSchema))]
struct PriceLineView {
    measure: Word<Measure>,
    price: DecimalText<Decimal>,
    per: u32,
}

/// A price in force; `version` counts how often it was set, `since` is when.
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
    /// When a price that was read was set. The library says it itself, so it changes nothing here.
    #[serde(rename = "since")]
    _since: Option<Instant>,
}

/// So much, in whole units, per so many of a measure: 0.075 for each 1,000,000 of `token`.
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "description", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
struct AskedPriceLine {
    measure: Word<Measure>,
    price: AskedAmount,
    #[serde(default = "each")]
    per: NonZeroU32,
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
        let lines: Vec<PriceLine> = self
            .lines
            .into_iter()
            .map(|line| PriceLine::from_decimal(line.measure.0, line.price.decimal(), line.per, unit))
            .collect::<Result<_, _>>()?;
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

/// The prices in force.
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

/// Sets a price; it replaces the one for the same route, model and operation.
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
}

impl Door for Set {
    const NAME: &'static str = "prices.set";
    const BY_PLACE: usize = 1;
    type Answer = ();

    async fn knock(self, at: &mut At<'_>) -> Result<(), Problem> {
        let (price, version) = self.price.price()?;
        Ok(at.kc.prices().set(price, PriceStart::Now, version).await?)
    }
}

/// Takes a price away: requests that need it are refused from now on.
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
