//! The host's own functions as a provider or as the master key: what they are told, and what they answer.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt, fs, io,
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use kingcong_core::{
    failure::{Failure, FailureKind, Reached},
    id::{AttemptId, ProtocolId, ServiceId},
    measure::{Counts, Measure},
    money::Decimal,
    provider::{Accepted, Call, Progress, Provider, Reply, Sent, Sink},
    upstream::{UpstreamCredits, UpstreamId},
    vault::{DataKeyContext, KeyBytes, MasterKey, MasterKeyError, MasterKeyId, Secret, Wrapped, scrub},
    work::{Ability, Body, Capabilities, InvalidMp3Layout, Mp3Layout},
};
use serde::{Deserialize, Serialize};
use tempfile::TempPath;

use crate::{
    kinds::{HostResult, WorkView},
    problem::Problem,
};

/// Longest id of accepted work that is kept, in bytes.
const UPSTREAM_ID_BYTES_MAX: usize = 256;

/// What a host says of a provider of its own.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HostOffer {
    protocol: ProtocolId,
    #[serde(default)]
    capabilities: BTreeMap<ServiceId, HostCapabilities>,
}

impl HostOffer {
    /// The protocol that the provider speaks.
    #[must_use]
    pub const fn protocol(&self) -> &ProtocolId {
        &self.protocol
    }
}

/// What the provider can do for a service: everything that is not said to be lacking.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct HostCapabilities {
    #[serde(default)]
    lacking: BTreeSet<Ability>,
    mp3: Option<HostMp3>,
}

/// The layout of every MP3 of the service.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(try_from = "AskedMp3")]
struct HostMp3(Mp3Layout);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AskedMp3 {
    sample_rate: u32,
    channels: u16,
}

impl TryFrom<AskedMp3> for HostMp3 {
    type Error = InvalidMp3Layout;

    fn try_from(asked: AskedMp3) -> Result<Self, InvalidMp3Layout> {
        Mp3Layout::new(asked.sample_rate, asked.channels).map(Self)
    }
}

/// One call that the host is to make.
#[derive(Clone, Debug)]
pub struct HostCall {
    /// What to do and where, as JSON.
    pub json: String,
    /// The key's secret.
    pub secret: Arc<Secret>,
    /// The recording that a voice is to be made from.
    pub sample: Option<Bytes>,
}

/// What a host's call gave, as it comes from a face; audio comes beside it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HostReply {
    result: HostResult,
    cost: Option<HostCost>,
    audio_ms: Option<u64>,
    characters: Option<u64>,
}

/// What the upstream says a call cost, in its own credits; smaller parts than thousandths are cut off.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(try_from = "AskedCost")]
struct HostCost(UpstreamCredits);

#[derive(Deserialize)]
#[serde(untagged)]
enum AskedCost {
    Whole(i64),
    Decimal(String),
}

impl TryFrom<AskedCost> for HostCost {
    type Error = String;

    fn try_from(asked: AskedCost) -> Result<Self, String> {
        let cost = match asked {
            AskedCost::Whole(whole) => Decimal::from(whole),
            AskedCost::Decimal(text) => {
                text.parse().map_err(|_| format!("cost is no decimal number: {text:?}"))?
            }
        };
        if cost < Decimal::ZERO {
            return Err(format!("cost must not be negative, and is {cost}"));
        }
        UpstreamCredits::from_decimal(cost).map(Self).ok_or_else(|| format!("cost is too large: {cost}"))
    }
}

/// An upstream's id of work that it took: 1 to [`UPSTREAM_ID_BYTES_MAX`] bytes.
#[derive(Clone, Debug, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct AcceptedAs(UpstreamId);

impl TryFrom<String> for AcceptedAs {
    type Error = String;

    fn try_from(id: String) -> Result<Self, String> {
        match id.len() {
            1..=UPSTREAM_ID_BYTES_MAX => Ok(Self(UpstreamId(id))),
            bytes => Err(format!("upstream_id must be 1 to {UPSTREAM_ID_BYTES_MAX} bytes, and has {bytes}")),
        }
    }
}

/// How far work is, from 0 to 100.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(try_from = "u64")]
pub(crate) struct Percent(u8);

impl TryFrom<u64> for Percent {
    type Error = String;

    fn try_from(percent: u64) -> Result<Self, String> {
        u8::try_from(percent)
            .ok()
            .filter(|percent| *percent <= 100)
            .map(Self)
            .ok_or_else(|| format!("percent must be 0 to 100, and is {percent}"))
    }
}

/// Why a host's call gave nothing.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HostFailure {
    kind: FailureKind,
    reached: Reached,
    code: Option<String>,
    message: String,
    retry_after_ms: Option<u64>,
}

impl HostFailure {
    /// A failure of which nobody knows what the upstream did.
    #[must_use]
    pub fn unknown(message: impl Into<String>) -> Self {
        let (kind, reached) = (FailureKind::Unknown, Reached::Maybe);
        Self { kind, reached, code: None, message: message.into(), retry_after_ms: None }
    }

    /// A call that was never made.
    #[must_use]
    pub fn not_called(message: impl Into<String>) -> Self {
        let (kind, reached) = (FailureKind::Busy, Reached::No);
        Self { kind, reached, code: None, message: message.into(), retry_after_ms: None }
    }
}

impl From<HostFailure> for Failure {
    fn from(failure: HostFailure) -> Self {
        let HostFailure { kind, reached, code, message, retry_after_ms } = failure;
        let made = Self::new(kind, reached, message);
        let made = made.with_retry_after(retry_after_ms.map(Duration::from_millis));
        match code {
            Some(code) => made.with_code(code),
            None => made,
        }
    }
}

/// A host's own words about a call, such as a traceback that it logs, without the call's secret.
#[must_use]
pub fn scrubbed(words: &str, secret: &str) -> String {
    Secret::parse(secret).map_or_else(|_| words.to_owned(), |secret| scrub(words, &[&secret]))
}

/// What a host does for one call.
#[async_trait]
pub trait HostCalls: Send + Sync + fmt::Debug + 'static {
    /// Makes the call. Dropping the future tells the host that nobody waits any more.
    async fn call(&self, call: HostCall) -> Result<(HostReply, Bytes), HostFailure>;
}

/// A host's functions as a provider: one that does the work, or has an upstream accept it, and one that asks how far
/// accepted work is.
#[derive(Debug)]
pub struct HostProvider {
    offer: HostOffer,
    calls: Arc<dyn HostCalls>,
}

impl HostProvider {
    /// A provider that does what is offered by these calls.
    #[must_use]
    pub fn new(offer: HostOffer, calls: Arc<dyn HostCalls>) -> Self {
        Self { offer, calls }
    }
}

/// What a host's call is told.
#[derive(Serialize)]
struct CallView<'a> {
    attempt: String,
    /// The upstream's id of the work that it took: how far it is is asked.
    upstream_id: Option<&'a str>,
    server: &'a str,
    service: &'a str,
    base_url: &'a str,
    max_bytes: u64,
    work: WorkView<'a>,
}

#[async_trait]
impl Provider for HostProvider {
    fn protocol(&self) -> &ProtocolId {
        &self.offer.protocol
    }

    fn capabilities(&self, service: &ServiceId) -> Capabilities {
        let Some(HostCapabilities { lacking, mp3 }) = self.offer.capabilities.get(service) else {
            return Capabilities::all();
        };
        let able = lacking.iter().copied().fold(Capabilities::all(), Capabilities::without);
        mp3.iter().fold(able, |able, HostMp3(layout)| able.with_mp3(*layout))
    }

    async fn send(&self, call: &Call) -> Result<Sent, Failure> {
        let (reply, body) = self.calls.call(told(call, None)?).await?;
        match reply.result {
            HostResult::Accepted { upstream_id: AcceptedAs(upstream_id) } => {
                let cost = reply.cost.map(|HostCost(cost)| cost);
                Ok(Sent::Accepted(Accepted { upstream_id, cost, balance: None }))
            }
            _ => Ok(Sent::Done(finished(call, reply, body).await?)),
        }
    }

    async fn poll(&self, calls: &[(Call, UpstreamId)], _page: u32) -> Vec<Result<Progress, Failure>> {
        let mut answers = Vec::new();
        for (call, upstream_id) in calls {
            answers.push(self.poll_one(call, upstream_id).await);
        }
        answers
    }
}

impl HostProvider {
    async fn poll_one(&self, call: &Call, upstream_id: &UpstreamId) -> Result<Progress, Failure> {
        let (reply, body) = self.calls.call(told(call, Some(upstream_id))?).await?;
        match reply.result {
            HostResult::Running { percent } => {
                Ok(Progress::Running { percent: percent.map(|Percent(percent)| percent) })
            }
            HostResult::Failed(failure) => Ok(Progress::Failed(failure.into())),
            _ => Ok(Progress::Done(finished(call, reply, body).await?)),
        }
    }
}

/// What the host is told: to do the work, or to ask how far the work is that an upstream took.
fn told(call: &Call, upstream_id: Option<&UpstreamId>) -> Result<HostCall, Failure> {
    let (work, sample) = WorkView::of(&call.work).ok_or_else(|| {
        let message = format!("work of a kind that faces do not know: {}", call.work.operation());
        Failure::new(FailureKind::Unsupported, Reached::No, message)
    })?;
    let view = CallView {
        attempt: call.attempt.to_string(),
        upstream_id: upstream_id.map(|id| id.0.as_str()),
        server: call.access.route.server.as_str(),
        service: call.access.route.service.as_str(),
        base_url: &call.access.base_url,
        max_bytes: max_bytes(&call.sink),
        work,
    };
    let json = serde_json::to_string(&view).expect("texts and numbers have a JSON form");
    Ok(HostCall { json, secret: Arc::clone(&call.access.secret), sample })
}

/// A result of the kind that was asked for.
async fn finished(call: &Call, reply: HostReply, body: Bytes) -> Result<Reply, Failure> {
    let HostReply { result, cost, audio_ms, characters } = reply;
    let output = result.output(&call.work, keep(&call.sink, call.attempt, body)).await?;
    let measured = Counts::of([(Measure::AudioMs, audio_ms), (Measure::Character, characters)]);
    Ok(Reply { output, cost: cost.map(|HostCost(cost)| cost), measured: measured.into() })
}

const fn max_bytes(sink: &Sink) -> u64 {
    match sink {
        Sink::Memory { max_bytes } | Sink::Directory { max_bytes, .. } => *max_bytes,
    }
}

/// Puts a result where its call wants it.
async fn keep(sink: &Sink, attempt: AttemptId, body: Bytes) -> Result<Body, Failure> {
    let (bytes, max) = (body.len() as u64, max_bytes(sink));
    if bytes > max {
        let message = format!("the result has {bytes} bytes, and at most {max} are kept");
        return Err(Failure::new(FailureKind::TooLarge, Reached::Yes, message));
    }
    match sink {
        Sink::Memory { .. } => Ok(Body::Memory(body)),
        Sink::Directory { path, .. } => {
            let path = path.join(attempt.to_string());
            let written = write_file(path.clone(), body).await;
            written.map_err(|error| {
                let message = format!("the result could not be written: {error}");
                Failure::new(FailureKind::Unknown, Reached::Yes, message)
            })?;
            Ok(Body::File { path, bytes })
        }
    }
}

/// Writes a whole file on a thread that may block; it gets its name when it is whole, and nothing is left of it before.
async fn write_file(path: PathBuf, body: Bytes) -> io::Result<()> {
    let write = move || {
        let partial = TempPath::try_from_path(path.with_added_extension("part"))?;
        fs::write(&partial, body)?;
        partial.persist(path).map_err(|error| error.error)
    };
    tokio::task::spawn_blocking(write).await.map_err(io::Error::other)?
}

/// What a host's master key is asked to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyStep {
    /// Encrypt a data key.
    Wrap,
    /// Decrypt one.
    Unwrap,
}

/// A host's key service, such as a KMS.
#[async_trait]
pub trait HostKeys: Send + Sync + fmt::Debug + 'static {
    /// Encrypts or decrypts `bytes`, bound to `context`. An error is what the host says.
    async fn step(&self, step: KeyStep, bytes: &[u8], context: &[u8]) -> Result<Vec<u8>, String>;
}

/// A host's key service as the master key.
#[derive(Debug)]
pub struct HostMasterKey {
    id: MasterKeyId,
    keys: Arc<dyn HostKeys>,
}

impl HostMasterKey {
    /// The master key that the service knows by this id.
    ///
    /// # Errors
    /// When the id breaks its rule.
    pub fn new(id: &str, keys: Arc<dyn HostKeys>) -> Result<Self, Problem> {
        Ok(Self { id: MasterKeyId::new(id)?, keys })
    }
}

#[async_trait]
impl MasterKey for HostMasterKey {
    fn id(&self) -> MasterKeyId {
        self.id.clone()
    }

    async fn wrap(&self, plain: &KeyBytes, context: &DataKeyContext) -> Result<Wrapped, MasterKeyError> {
        let bytes = self.keys.step(KeyStep::Wrap, plain.expose(), &context.associated_data()).await;
        Wrapped::new(self.id(), bytes.map_err(unavailable)?)
    }

    async fn unwrap(&self, wrapped: &Wrapped, context: &DataKeyContext) -> Result<KeyBytes, MasterKeyError> {
        if *wrapped.master_key() != self.id {
            return Err(MasterKeyError::WrongMasterKey {
                context: context.clone(),
                wrapped_by: wrapped.master_key().clone(),
                this: self.id(),
            });
        }
        let bytes = self.keys.step(KeyStep::Unwrap, wrapped.as_bytes(), &context.associated_data()).await;
        let plain: [u8; 32] = bytes
            .map_err(unavailable)?
            .try_into()
            .map_err(|_| MasterKeyError::Damaged { context: context.clone() })?;
        Ok(KeyBytes::new(&plain))
    }
}

fn unavailable(said: String) -> MasterKeyError {
    MasterKeyError::Unavailable { source: said.into() }
}
