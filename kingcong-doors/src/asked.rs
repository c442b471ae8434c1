//! What several doors are asked with: requests and amounts.

use std::{fmt, num::NonZeroU32, time::Duration};

use bytes::Bytes;
use kingcong_core::{
    Request,
    money::{Decimal, Money, Unit},
    switch::Switch,
    work::Payer,
};
use serde::{
    Deserialize, Deserializer,
    de::{self, Visitor},
};

use crate::{
    answer::{Instant, Milliseconds, Word},
    kinds::AskedSubject,
    problem::Problem,
    reading::Within,
};

/// A request: what is asked for, and how it is to be done.
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "description", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(crate) struct AskedRequest {
    user: String,
    service: String,
    subject: AskedSubject,
    weight: Option<Within<u32, 1, { Request::WEIGHT_MAX }>>,
    deadline_ms: Option<Milliseconds>,
    start_at: Option<Instant>,
    payer: Option<AskedPayer>,
    idempotency_key: Option<String>,
}

/// Whose wallet pays.
#[derive(Clone, Copy, Debug, Deserialize)]
#[cfg_attr(feature = "description", derive(schemars::JsonSchema), schemars(rename = "Payer"))]
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
            request = request.deadline(Duration::from_millis(deadline.0));
        }
        if let Some(at) = self.start_at {
            request = request.start_at(at.0);
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

/// How many rows a door answers that is not told how many.
pub(crate) fn rows() -> u32 {
    100
}

/// The unit of a wallet, a price or a package when none is named.
pub(crate) fn credits() -> Word<Unit> {
    Word(Unit::CREDIT)
}

/// The currency of a package when none is named.
pub(crate) fn dollars() -> Word<Unit> {
    Word(Unit::USD)
}

/// The switch of what is set, when it is not said.
pub(crate) fn on() -> Word<Switch> {
    Word(Switch::On)
}

/// An amount in whole units, as a decimal text or a whole number: never a float.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AskedAmount(Decimal);

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
