//! Prices.

use std::num::NonZeroU32;

use kingcong_core::{
    clock::Timestamp,
    id::{Route, ServerId, ServiceId},
    lane::Lane,
    measure::Measure,
    money::{Decimal, Unit},
    operation::Operation,
    pricing::{Charge, Overrun, Price, PriceLine},
    switch::Switch,
};
use serde::{Deserialize, Serialize};

use crate::{
    answer::{AsText, DecimalText, Instant, Word, all},
    asked::AskedAmount,
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
#[cfg_attr(feature = "description", derive(schemars::JsonSchema), schemars(inline))]
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

/// A price to set.
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "description", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
struct AskedPrice {
    server: AsText<ServerId>,
    service: AsText<ServiceId>,
    operation: Word<Operation>,
    /// Whose keys it is for; the operator's when left out.
    lane: Option<Word<Lane>>,
    model: Option<String>,
    unit: Word<Unit>,
    name: Option<String>,
    /// Empty when it is free.
    lines: Vec<AskedLine>,
    /// Whether the payer bears what is beyond the hold; the operator does when left out.
    #[serde(default)]
    overrun: bool,
    switch: Word<Switch>,
    /// The version that it is to have; the next when left out.
    version: Option<u32>,
}

#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "description", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
struct AskedLine {
    measure: Word<Measure>,
    price: AskedAmount,
    per: NonZeroU32,
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
            lane: self.lane.map_or(Lane::Shared, |lane| lane.0),
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
        Ok(at.kc.prices().set_now(price, version).await?)
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
