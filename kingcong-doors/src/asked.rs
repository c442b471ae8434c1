//! What requests look like, as they come from a face.

use std::{fmt, num::NonZeroU32, time::Duration};

use bytes::Bytes;
use kingcong_core::{
    Request,
    clock::Timestamp,
    id::{Route, ServerId, ServiceId},
    keys::{Limits, PollsCount},
    measure::Measure,
    money::{Decimal, Money, Unit},
    operation::Operation,
    pricing::{Charge, Ordered, Overrun, Package, Price, PriceLine},
    routing::{BaseUrl, EgressChange, Server, ServerChange},
    switch::Switch,
    work::Payer,
};
use serde::{
    Deserialize, Deserializer,
    de::{self, Visitor},
};

use crate::{kinds::AskedSubject, problem::Problem, reading::Within};

/// A request: what is asked for, and how it is to be done.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AskedRequest {
    user: String,
    service: String,
    subject: AskedSubject,
    weight: Option<Within<u32, 1, { Request::WEIGHT_MAX }>>,
    deadline_ms: Option<u64>,
    start_at: Option<Timestamp>,
    payer: Option<AskedPayer>,
    idempotency_key: Option<String>,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
enum AskedPayer {
    User,
    Tenant,
}

impl AskedRequest {
    /// The request; `sample` is the recording that came beside it.
    pub(crate) fn request(self, sample: Option<Bytes>) -> Result<Request, Problem> {
        let mut request = self.subject.request(&self.user, sample)?.service(&self.service);
        if let Some(weight) = self.weight.and_then(|within| NonZeroU32::new(within.0)) {
            request = request.weight(weight);
        }
        if let Some(deadline) = self.deadline_ms {
            request = request.deadline(Duration::from_millis(deadline));
        }
        if let Some(at) = self.start_at {
            request = request.start_at(at);
        }
        if let Some(key) = self.idempotency_key {
            request = request.idempotency_key(key);
        }
        Ok(match self.payer {
            None | Some(AskedPayer::User) => request.payer(Payer::User),
            Some(AskedPayer::Tenant) => request.payer(Payer::Tenant),
        })
    }
}

/// An amount in whole units, as a decimal text or a whole number: never a float.
#[derive(Clone, Copy, Debug)]
pub struct AskedAmount(Decimal);

impl<'de> Deserialize<'de> for AskedAmount {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AmountVisitor)
    }
}

struct AmountVisitor;

impl Visitor<'_> for AmountVisitor {
    type Value = AskedAmount;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a decimal number as a text, or a whole number")
    }

    fn visit_i64<E: de::Error>(self, whole: i64) -> Result<AskedAmount, E> {
        Ok(AskedAmount(Decimal::from(whole)))
    }

    fn visit_u64<E: de::Error>(self, whole: u64) -> Result<AskedAmount, E> {
        Ok(AskedAmount(Decimal::from(whole)))
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<AskedAmount, E> {
        let shown: String = text.chars().take(64).collect();
        Decimal::from_str_exact(text)
            .map(AskedAmount)
            .map_err(|_| E::custom(format!("{shown:?} is not a decimal number of at most 28 digits")))
    }
}

impl AskedAmount {
    pub(crate) fn decimal(self) -> Decimal {
        self.0
    }

    pub(crate) fn money(self, unit: Unit) -> Result<Money, Problem> {
        Money::from_decimal(self.decimal(), unit).map_err(|error| Problem::invalid(&error))
    }
}

/// A price to set.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AskedPrice {
    server: ServerId,
    service: ServiceId,
    operation: Operation,
    model: Option<String>,
    unit: Unit,
    name: Option<String>,
    /// Empty when it is free.
    lines: Vec<AskedLine>,
    /// Whether the payer bears what is beyond the hold; the operator does when left out.
    #[serde(default)]
    overrun: bool,
    switch: Switch,
    /// The version that it is to have; the next when left out.
    version: Option<u32>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct AskedLine {
    measure: Measure,
    price: AskedAmount,
    per: NonZeroU32,
}

impl AskedPrice {
    /// The price, and the version that it is to have.
    pub(crate) fn price(self) -> Result<(Price, Option<u32>), Problem> {
        let lines: Vec<PriceLine> = self
            .lines
            .into_iter()
            .map(|line| PriceLine::from_decimal(line.measure, line.price.decimal(), line.per, self.unit))
            .collect::<Result<_, _>>()?;
        let route = Route::new(self.server, self.service);
        let price = Price {
            name: self.name.unwrap_or_else(|| format!("{route} {}", self.operation)),
            route,
            model: self.model,
            operation: self.operation,
            unit: self.unit,
            charge: if lines.is_empty() { Charge::Free } else { Charge::lines(lines)? },
            overrun: if self.overrun { Overrun::Payer } else { Overrun::Operator },
            switch: self.switch,
            version: 0,
            since: Timestamp::EPOCH,
        };
        Ok((price, self.version))
    }
}

/// A package to set.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AskedPackage {
    id: String,
    label: String,
    credits: AskedAmount,
    unit: Unit,
    price: AskedAmount,
    currency: Unit,
    switch: Switch,
}

impl AskedPackage {
    pub(crate) fn package(self) -> Result<Package, Problem> {
        Ok(Package {
            id: kingcong_core::id::PackageId::new(self.id)?,
            credits: self.credits.money(self.unit)?.amount,
            unit: self.unit,
            price: self.price.money(self.currency)?,
            label: self.label,
            switch: self.switch,
        })
    }
}

/// What was ordered of a package.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AskedOrder {
    credits: AskedAmount,
    unit: Unit,
    price: AskedAmount,
    currency: Unit,
}

impl AskedOrder {
    pub(crate) fn ordered(self) -> Result<Ordered, Problem> {
        Ok(Ordered { credits: self.credits.money(self.unit)?, price: self.price.money(self.currency)? })
    }
}

/// A server to add.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AskedServer {
    protocol: String,
    base_url: String,
    weight: u32,
    polls: PollsCount,
    limits: Limits,
    egress: Option<Limits>,
}

impl AskedServer {
    pub(crate) fn server(self) -> Result<Server, Problem> {
        Ok(Server {
            protocol: kingcong_core::id::ProtocolId::new(self.protocol)?,
            base_url: base_url(&self.base_url)?,
            weight: self.weight,
            polls: self.polls,
            defaults: self.limits,
            egress: self.egress,
        })
    }
}

/// What of a server changes; what is left out stays.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AskedServerChange {
    base_url: Option<String>,
    weight: Option<u32>,
    polls: Option<PollsCount>,
    limits: Option<Limits>,
    egress: Option<EgressChange>,
}

impl AskedServerChange {
    pub(crate) fn change(self) -> Result<ServerChange, Problem> {
        Ok(ServerChange {
            base_url: self.base_url.as_deref().map(base_url).transpose()?,
            weight: self.weight,
            polls: self.polls,
            defaults: self.limits,
            egress: self.egress,
        })
    }
}

fn base_url(text: &str) -> Result<BaseUrl, Problem> {
    BaseUrl::new(text).map_err(|error| Problem::invalid(&error))
}
