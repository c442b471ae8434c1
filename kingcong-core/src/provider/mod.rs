//! Port: an upstream protocol. A [`Provider`] turns a [`Call`] into HTTP (or anything else) and the answer into
//! an outcome. It does not retry, choose keys, count limits or price: the engine does, from what the provider
//! says in [`Sent`], [`Progress`] and [`Failure`].
//!
//! A server's base URL is data, so one provider serves every server that speaks its protocol.

use std::{fmt, path::PathBuf, sync::Arc};

use async_trait::async_trait;
use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::{
    failure::{Failure, FailureKind, Reached},
    id::{AttemptId, ProtocolId, Route, ServiceId},
    measure::Measured,
    upstream::{UpstreamCredits, UpstreamId},
    vault::Secret,
    work::{Capabilities, Output, Work},
};

/// Where and as whom to talk to an upstream.
#[derive(Clone, Debug)]
pub struct Access {
    /// The route that is served; a protocol with several services tells them apart by it.
    pub route: Route,
    /// The server's base URL, without a trailing slash.
    pub base_url: Arc<str>,
    /// The key's secret.
    pub secret: Arc<Secret>,
}

/// One task to send.
#[derive(Clone, Debug)]
pub struct Call {
    /// The attempt: unique for each sending, for upstreams that take an identifier of the caller.
    pub attempt: AttemptId,
    /// Where and as whom.
    pub access: Access,
    /// What to do.
    pub work: Arc<Work>,
    /// Where the result's bytes go.
    pub sink: Sink,
    /// Who wants its pieces while they are made; none where nobody does.
    pub pieces: Option<Arc<dyn PieceSink>>,
}

/// A piece of a result, which follows those before it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Piece {
    /// Bytes of audio, in the container that was asked for.
    Audio(Bytes),
}

/// Port: takes the pieces of a result while an upstream makes it. What is settled and charged is the [`Reply`]: pieces
/// may be left out, and a task that is tried again gives them again from the start.
#[async_trait]
pub trait PieceSink: Send + Sync + fmt::Debug {
    /// Takes the next piece, and returns when there is room for another one. A provider that waits for that makes its
    /// upstream wait too, so what is kept is bounded by the sink.
    async fn take(&self, piece: Piece);
}

/// Where a result's bytes go, and how many there may be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sink {
    /// Into memory.
    Memory {
        /// Largest result in bytes; a larger one is [`FailureKind::TooLarge`].
        max_bytes: u64,
    },
    /// Into a new file in this directory, named by the attempt. The engine puts it on the disk before it is settled.
    Directory {
        /// The directory; it exists.
        path: PathBuf,
        /// Largest result in bytes; a larger one is [`FailureKind::TooLarge`] and its file is removed.
        max_bytes: u64,
    },
}

/// What became of a call that reached the upstream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sent {
    /// The upstream took it and works on it; poll for it.
    Accepted(Accepted),
    /// The upstream answered with the result.
    Done(Reply),
}

/// Work that an upstream took.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Accepted {
    /// The upstream's id of it.
    pub upstream_id: UpstreamId,
    /// What the upstream says it costs.
    pub cost: Option<UpstreamCredits>,
    /// The upstream account's balance after it.
    pub balance: Option<UpstreamCredits>,
}

/// How far accepted work is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Progress {
    /// Queued or being worked on.
    Running {
        /// 0 to 100, where the upstream says.
        percent: Option<u8>,
    },
    /// Finished; the result is in hand.
    Done(Reply),
    /// Finished; the result is to be [fetched](Provider::fetch).
    Ready(Laid),
    /// The upstream says that it failed.
    Failed(Failure),
    /// This page of a list does not name it: an older one may.
    OnNoPageSoFar,
    /// No list tells of it: it is to be asked about alone.
    OnlyAlone,
}

/// Where an upstream laid a finished result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Laid {
    /// The address of its bytes; it may expire.
    pub url: String,
    /// That of the text beside them, such as subtitles, if there is one.
    pub text_url: Option<String>,
    /// What the upstream says it cost.
    pub cost: Option<UpstreamCredits>,
}

impl Laid {
    /// The host of the address of its bytes; the rest of it may be signed. None where it lies with the server itself.
    #[must_use]
    pub fn host(&self) -> Option<&str> {
        let (_, rest) = self.url.split_once("://")?;
        let authority = rest.split(['/', '?', '#']).next()?;
        authority.rsplit('@').next().filter(|host| !host.is_empty())
    }
}

/// A finished call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// The result.
    pub output: Output,
    /// What the upstream says it cost.
    pub cost: Option<UpstreamCredits>,
    /// What the upstream measured: of audio at hand, its own length is taken instead.
    pub measured: Measured,
}

/// What became of asking an upstream to drop accepted work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dropped {
    /// Dropped, and refunded by the upstream.
    Refunded,
    /// It goes on: too late, or the upstream cannot drop work.
    No,
}

/// A service's health as its server tells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Health {
    /// Works.
    Good,
    /// Works slowly or in part.
    Degraded,
    /// Takes no more work for now.
    Overloaded,
}

/// A voice that an upstream offers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Voice {
    /// The upstream's id of it.
    pub voice: String,
    /// Its name.
    pub name: String,
    /// Language, as the upstream writes it.
    pub language: Option<String>,
    /// Gender, as the upstream writes it.
    pub gender: Option<String>,
    /// Where a preview can be heard.
    pub preview_url: Option<String>,
    /// Whether this account made it.
    pub origin: VoiceOrigin,
}

/// Where a voice comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum VoiceOrigin {
    /// The upstream's library.
    Library,
    /// Cloned on this account.
    Cloned,
}

/// One page of voices.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct VoicePage {
    /// The voices.
    pub voices: Vec<Voice>,
    /// What to ask for next; none on the last page.
    pub next: Option<String>,
}

/// Port: an upstream protocol.
///
/// # Behavior
/// * Every method makes as few calls as it can and never repeats one that may have had an effect.
/// * A secret appears in no message, error, trace or `Debug` output.
/// * Every answer's size, every wait and every text kept from it is bounded.
/// * `send` is [`Reached::No`] only where the upstream proved that it did nothing.
/// * Dropping a future stops the waiting; it does not undo what was sent.
#[async_trait]
pub trait Provider: Send + Sync + fmt::Debug + 'static {
    /// The protocol that this provider speaks.
    fn protocol(&self) -> &ProtocolId;

    /// What upstreams of this protocol can do for a service. A request that asks for what none of its servers can do is
    /// refused, and others go to those that can. Everything, unless said otherwise.
    ///
    /// A job of several MP3s goes to servers whose known layouts are one ([`Capabilities::with_mp3`]).
    fn capabilities(&self, _service: &ServiceId) -> Capabilities {
        Capabilities::all()
    }

    /// Sends work.
    async fn send(&self, call: &Call) -> Result<Sent, Failure>;

    /// How many tasks of one account [`Provider::poll`] asks about in one call to the upstream; at least 1.
    fn poll_batch_max(&self) -> usize {
        1
    }

    /// Asks how far accepted work is, in one call to the upstream: it may count against a limit. The answers stand in
    /// the order of `calls`. An error of one of them, or of the whole, says nothing about the work: it still runs.
    /// What takes long to download is not downloaded here, which would hold up the other answers, but
    /// [`Ready`](Progress::Ready).
    ///
    /// One task is asked about alone, which is answered for certain. Several are looked for in a list, on `page`, with
    /// 0 for the newest. Those that are not there are [`OnNoPageSoFar`](Progress::OnNoPageSoFar), and, where there is
    /// no older page, [`OnlyAlone`](Progress::OnlyAlone).
    ///
    /// Not called where `send` never answers [`Sent::Accepted`].
    async fn poll(&self, calls: &[(Call, UpstreamId)], _page: u32) -> Vec<Result<Progress, Failure>> {
        let unknown = |id: &UpstreamId| {
            let message = format!("{} does not poll, so it cannot know {id:?}", self.protocol());
            Failure::new(FailureKind::Unsupported, Reached::Maybe, message)
        };
        calls.iter().map(|(_, id)| Err(unknown(id))).collect()
    }

    /// Downloads a result that a poll found [`Ready`](Progress::Ready) into the call's sink. After an error the work is
    /// polled for and its result fetched again, some times; an error of kind [`FailureKind::TooLarge`] is final.
    ///
    /// Not called where `poll` never answers so.
    async fn fetch(&self, call: &Call, laid: &Laid) -> Result<Reply, Failure> {
        let message = format!("{} has nothing to fetch at {}", call.access.route, laid.url);
        Err(Failure::new(FailureKind::Unsupported, Reached::Maybe, message))
    }

    /// Asks the upstream to drop accepted work; not possible unless said otherwise.
    async fn drop_work(&self, _access: &Access, _upstream_id: &UpstreamId) -> Result<Dropped, Failure> {
        Ok(Dropped::No)
    }

    /// The account's balance, by a call that costs nothing; `None` where the upstream does not tell. An error of
    /// kind [`FailureKind::KeyDead`] means that the key is really dead.
    async fn balance(&self, _access: &Access) -> Result<Option<UpstreamCredits>, Failure> {
        Ok(None)
    }

    /// The health of the server's services, by a call that costs nothing; empty where the upstream does not tell.
    async fn health(&self, _access: &Access) -> Result<Vec<(ServiceId, Health)>, Failure> {
        Ok(Vec::new())
    }

    /// Voices of the route, page by page; `page` is `None` first, then the last answer's `next`. None where the
    /// upstream does not list any.
    async fn voices(&self, _access: &Access, _page: Option<&str>) -> Result<VoicePage, Failure> {
        Ok(VoicePage::default())
    }
}

const _: fn(&dyn Provider) = |_| {};
