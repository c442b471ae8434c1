//! What requests look like, as they come from a face.

use std::{
    collections::BTreeMap,
    fmt,
    num::{NonZeroU16, NonZeroU32},
    time::Duration,
};

use bytes::Bytes;
use kingcong_core::{
    Request,
    clock::Timestamp,
    id::{Route, ServerId, ServiceId, VoiceId},
    money::{Decimal, Money, Unit},
    pricing::{Charge, Measure, Operation, Ordered, Overrun, Package, Price, PriceLine},
    provider::{AudioFormat, Subtitles, VoiceSettings},
    routing::{BaseUrl, EgressChange, Limits, PollsCount, Server, ServerChange, Switch},
    work::{Payer, TASKS_MAX},
};
use serde::{
    Deserialize, Deserializer,
    de::{self, Visitor},
};

use crate::{problem::Problem, reading::Within};

/// A request, with what both kinds of it have.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AskedRequest {
    user: String,
    service: String,
    subject: AskedSubject,
    voice: Option<AskedVoice>,
    model: Option<String>,
    language: Option<String>,
    format: Option<AudioFormat>,
    subtitles: Option<Subtitles>,
    settings: Option<AskedSettings>,
    pieces: Option<Within<u16, 1, { TASKS_MAX as u32 }>>,
    weight: Option<Within<u32, 1, { Request::WEIGHT_MAX }>>,
    deadline_ms: Option<u64>,
    start_at: Option<Timestamp>,
    payer: Option<AskedPayer>,
    idempotency_key: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum AskedSubject {
    Speech {
        text: String,
    },
    /// The recording comes beside the JSON.
    CloneVoice {
        name: String,
        content_type: String,
        preview_text: Option<String>,
    },
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
enum AskedVoice {
    Upstream(String),
    PerServer(BTreeMap<ServerId, String>),
    Cloned(String),
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
enum AskedPayer {
    User,
    Tenant,
}

/// Settings of a voice in hundredths.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct AskedSettings {
    stability: Option<Within<u8, 0, 100>>,
    similarity: Option<Within<u8, 0, 100>>,
    style: Option<Within<u8, 0, 100>>,
    speed: Option<Within<u16, 50, 200>>,
}

impl AskedSettings {
    fn settings(self) -> VoiceSettings {
        VoiceSettings {
            stability: self.stability.map(|within| within.0),
            similarity: self.similarity.map(|within| within.0),
            style: self.style.map(|within| within.0),
            speed: self.speed.map(|within| within.0),
        }
    }
}

impl AskedRequest {
    /// The request; `sample` is the recording that came beside it.
    pub(crate) fn request(self, sample: Option<Bytes>) -> Result<Request, Problem> {
        let mut request = match self.subject {
            AskedSubject::Speech { text } => Request::speech(&self.user, text),
            AskedSubject::CloneVoice { name, content_type, preview_text } => {
                let request =
                    Request::clone_voice(&self.user, name, sample.unwrap_or_default(), content_type);
                match preview_text {
                    Some(text) => request.preview_text(text),
                    None => request,
                }
            }
        };
        request = request.service(&self.service);
        match self.voice {
            None => {}
            Some(AskedVoice::Upstream(voice)) => request = request.voice(voice),
            Some(AskedVoice::PerServer(voices)) => request = request.voice_per_server(voices),
            Some(AskedVoice::Cloned(id)) => request = request.cloned_voice(id.parse::<VoiceId>()?),
        }
        if let Some(model) = self.model {
            request = request.model(model);
        }
        if let Some(language) = self.language {
            request = request.language(language);
        }
        if let Some(pieces) = self.pieces.and_then(|within| NonZeroU16::new(within.0)) {
            request = request.pieces(pieces);
        }
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
        request = match self.payer {
            None | Some(AskedPayer::User) => request.payer(Payer::User),
            Some(AskedPayer::Tenant) => request.payer(Payer::Tenant),
        };
        Ok(request
            .format(self.format.unwrap_or_default())
            .subtitles(self.subtitles.unwrap_or_default())
            .settings(self.settings.unwrap_or_default().settings()))
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
