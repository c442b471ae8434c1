//! Port: an upstream protocol. A [`Provider`] turns a [`Call`] into HTTP (or anything else) and the answer into
//! an outcome. It does not retry, choose keys, count limits or price: the engine does, from what the provider
//! says in [`Sent`], [`Progress`] and [`Failure`].
//!
//! A server's base URL is data, so one provider serves every server that speaks its protocol.

mod capability;

use std::{fmt, path::PathBuf, sync::Arc, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use serde::{Deserialize, Serialize};

pub use capability::{Ability, Capabilities, InvalidMp3Layout, Mp3Layout};

use crate::{
    id::{AttemptId, ProtocolId, Route, ServiceId},
    measure::Counts,
    money::Decimal,
    operation::Operation,
    vault::Secret,
};

/// Longest failure message kept, in bytes: upstreams answer with whole HTML pages.
pub const FAILURE_MESSAGE_BYTES_MAX: usize = 500;

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

/// What an upstream is asked to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Work {
    /// Speak a text.
    Speech(Speech),
    /// Make a voice from a recording.
    CloneVoice(CloneVoice),
}

impl Work {
    /// What is done.
    #[must_use]
    pub const fn operation(&self) -> Operation {
        match self {
            Self::Speech(_) => Operation::Speech,
            Self::CloneVoice(_) => Operation::CloneVoice,
        }
    }

    /// The upstream's model that is asked for.
    #[must_use]
    pub fn model(&self) -> Option<&str> {
        match self {
            Self::Speech(speech) => speech.model.as_deref(),
            Self::CloneVoice(_) => None,
        }
    }
}

/// A text to speak, already cut to what one call may carry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Speech {
    /// The text.
    pub text: Arc<str>,
    /// The upstream's own id of the voice.
    pub voice: String,
    /// The upstream's model; its default when absent.
    pub model: Option<String>,
    /// Audio container and coding.
    pub format: AudioFormat,
    /// Whether the upstream should return subtitles.
    pub subtitles: Subtitles,
    /// Voice settings; the upstream's defaults where absent.
    #[serde(default)]
    pub settings: VoiceSettings,
    /// ISO 639-1 language; found by the upstream when absent.
    pub language: Option<String>,
}

/// Whether subtitles are wanted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Subtitles {
    /// None.
    #[default]
    No,
    /// SubRip (SRT), where the upstream gives them.
    Srt,
}

/// The audio formats that can be asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum AudioFormat {
    /// MP3, 44.1 kHz, 128 kbit/s.
    #[default]
    Mp3,
    /// WAV, 16-bit PCM.
    Wav,
}

/// Settings of a voice in hundredths: 50 is 0.5.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct VoiceSettings {
    /// 0 to 100.
    pub stability: Option<u8>,
    /// 0 to 100.
    pub similarity: Option<u8>,
    /// 0 to 100.
    pub style: Option<u8>,
    /// 50 to 200; 100 is the voice's own speed.
    pub speed: Option<u16>,
}

/// A voice to make from a recording.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CloneVoice {
    /// What the voice is to be called.
    pub name: String,
    /// The recording; as text in base64.
    #[serde(with = "as_base64")]
    pub sample: Bytes,
    /// The recording's media type, such as `audio/mpeg`.
    pub content_type: String,
    /// A text for the upstream's preview, where it makes one.
    pub preview_text: Option<String>,
}

/// Bytes as base64, a third larger than they are; as a list of numbers they would be four times as large.
mod as_base64 {
    use base64ct::{Base64, Encoding};
    use bytes::Bytes;
    use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

    pub(super) fn serialize<S: Serializer>(bytes: &Bytes, serializer: S) -> Result<S::Ok, S::Error> {
        Base64::encode_string(bytes).serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Bytes, D::Error> {
        let text = String::deserialize(deserializer)?;
        Base64::decode_vec(&text).map(Bytes::from).map_err(|_| D::Error::custom("a recording is not base64"))
    }
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

/// An upstream's own id of work that it accepted.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct UpstreamId(pub String);

/// An amount of an upstream's own credits, in thousandths: what we buy with, never what we sell.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct UpstreamCredits(i64);

impl UpstreamCredits {
    /// That many whole credits; stays at the largest amount instead of overflowing.
    #[must_use]
    pub const fn whole(credits: i64) -> Self {
        Self(credits.saturating_mul(1000))
    }

    /// That many thousandths.
    #[must_use]
    pub const fn from_thousandths(thousandths: i64) -> Self {
        Self(thousandths)
    }

    /// That many whole credits; smaller parts than thousandths are cut off. None when it does not fit 64 bits of them.
    #[must_use]
    pub fn from_decimal(credits: Decimal) -> Option<Self> {
        let thousandths = credits.checked_mul(Decimal::ONE_THOUSAND)?.trunc();
        i64::try_from(thousandths).ok().map(Self)
    }

    /// The amount in thousandths.
    #[must_use]
    pub const fn thousandths(self) -> i64 {
        self.0
    }
}

impl fmt::Display for UpstreamCredits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, rest) = (self.0 / 1000, self.0 % 1000);
        match rest {
            0 => write!(f, "{whole}"),
            _ => {
                let digits = format!("{:03}", rest.abs());
                let sign = if self.0 < 0 && whole == 0 { "-" } else { "" };
                write!(f, "{sign}{whole}.{}", digits.trim_end_matches('0'))
            }
        }
    }
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

/// Where an upstream laid finished speech.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Laid {
    /// The audio's address; it may expire.
    pub audio_url: String,
    /// That of the subtitles, if there are any.
    pub srt_url: Option<String>,
    /// What the upstream says it cost.
    pub cost: Option<UpstreamCredits>,
}

impl Laid {
    /// The host of the audio's address; the rest of it may be signed. None where it lies with the server itself.
    #[must_use]
    pub fn host(&self) -> Option<&str> {
        let (_, rest) = self.audio_url.split_once("://")?;
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
    pub measured: Counts,
}

/// A result.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Output {
    /// Speech.
    Audio(Audio),
    /// A cloned voice.
    Voice(ClonedVoice),
}

/// Speech.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Audio {
    /// The audio, MP3 or WAV. The engine reads it before it is settled.
    pub body: Body,
    /// Its media type, such as `audio/mpeg`, as the upstream says; the bytes decide.
    pub content_type: String,
    /// Subtitles as SubRip, where asked for and given.
    pub srt: Option<String>,
}

/// The bytes of a result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body {
    /// In memory.
    Memory(Bytes),
    /// In a file, which was written as a whole.
    File {
        /// The file.
        path: PathBuf,
        /// Its length in bytes.
        bytes: u64,
    },
}

/// A cloned voice.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClonedVoice {
    /// The upstream's id of it; lives on the account that made it.
    pub voice: String,
}

/// Why a call did not give a result.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{kind:?} from upstream ({code}): {message}", code = code.as_deref().unwrap_or("no code"))]
pub struct Failure {
    /// What the engine concludes from it.
    pub kind: FailureKind,
    /// Whether the upstream may have begun to work, or to charge.
    pub reached: Reached,
    /// The upstream's status or code, such as `429`, `server_busy`, `1008`.
    pub code: Option<String>,
    /// The upstream's words: one line, cut to [`FAILURE_MESSAGE_BYTES_MAX`], without any secret.
    pub message: String,
    /// How long the upstream asks to wait.
    pub retry_after: Option<Duration>,
}

impl Failure {
    /// The longest that an upstream is left alone because it says so.
    pub const WAIT_MAX: Duration = Duration::from_secs(15 * 60);

    /// A failure with a message made fit to keep: one line, cut at a character boundary.
    #[must_use]
    pub fn new(kind: FailureKind, reached: Reached, message: impl AsRef<str>) -> Self {
        let mut line = String::new();
        for word in message.as_ref().split_whitespace() {
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
            if line.len() > FAILURE_MESSAGE_BYTES_MAX {
                line.truncate(line.floor_char_boundary(FAILURE_MESSAGE_BYTES_MAX - '…'.len_utf8()));
                line.push('…');
                break;
            }
        }
        Self { kind, reached, code: None, message: line, retry_after: None }
    }

    /// With the upstream's code.
    #[must_use]
    pub fn with_code(mut self, code: impl Into<String>) -> Self {
        self.code = Some(code.into());
        self
    }

    /// How long the upstream is not to be asked again; none where it does not say. Longer than
    /// [`WAIT_MAX`](Self::WAIT_MAX) nobody is believed.
    #[must_use]
    pub fn wait(&self) -> Option<Duration> {
        self.retry_after.filter(|wait| !wait.is_zero()).map(|wait| wait.min(Self::WAIT_MAX))
    }

    /// With the wait that the upstream asks for.
    #[must_use]
    pub fn with_retry_after(mut self, wait: Option<Duration>) -> Self {
        self.retry_after = wait;
        self
    }
}

/// What a failure means, and so whom it concerns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum FailureKind {
    /// The request itself is wrong: failing it anywhere else is pointless.
    BadRequest,
    /// The upstream refuses the content.
    Policy,
    /// The key may not do this: its plan, permissions, region or voices do not allow it. Another key may, and this one
    /// is not marked for it.
    NotAllowed,
    /// The upstream does not know the key.
    KeyDead,
    /// The upstream's 401 may mean several things: the key rests, each time for twice as long, and a free check may
    /// find it dead.
    KeyDoubtful,
    /// The key's account has not enough credit for this call.
    OutOfCredit,
    /// Too many calls of this key.
    KeyRateLimited,
    /// Too many calls of the account that this key belongs to.
    AccountRateLimited,
    /// Too many calls from our address.
    EgressRateLimited,
    /// The upstream is overloaded or broken for now.
    Busy,
    /// Sent, and no answer that tells what became of it.
    Unknown,
    /// The result is larger than the [`Sink`] takes.
    TooLarge,
    /// The result cannot be delivered: it is no MP3 or WAV, has no sound, is torn, or is of another layout than the
    /// job's other parts. The engine finds it by reading what came; it costs the user nothing and is made again.
    Undeliverable,
    /// The provider cannot do this work on this route.
    Unsupported,
}

/// Whether the upstream may have begun to work, or to charge.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reached {
    /// It proved that it did not: a refusal, or no connection was made.
    No,
    /// It may have.
    Maybe,
    /// It did, and says that it ended.
    Yes,
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
        let message = format!("{} has nothing to fetch at {}", call.access.route, laid.audio_url);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_message_is_one_bounded_line() {
        let failure = Failure::new(FailureKind::Busy, Reached::No, "<html>\n <b>Lỗi</b>\r\n".repeat(100));
        assert!(failure.message.len() <= FAILURE_MESSAGE_BYTES_MAX, "{}", failure.message.len());
        assert!(!failure.message.contains('\n'));
        assert!(failure.message.starts_with("<html> <b>Lỗi</b> <html>"));
        let one_word = Failure::new(FailureKind::Busy, Reached::No, "ố".repeat(1000));
        assert!(one_word.message.len() <= FAILURE_MESSAGE_BYTES_MAX);
        assert!(one_word.message.len() > FAILURE_MESSAGE_BYTES_MAX / 2);
    }

    #[test]
    fn a_recording_is_written_as_base64_and_reads_back() {
        let (sample, content_type) = (Bytes::from_static(&[0, 255, 7]), "audio/mpeg".to_owned());
        let clone = CloneVoice { name: "An".into(), sample, content_type, preview_text: None };
        let text = serde_json::to_string(&clone).unwrap();
        assert!(text.contains("\"AP8H\""), "{text}");
        assert_eq!(serde_json::from_str::<CloneVoice>(&text).unwrap(), clone);
    }

    #[test]
    fn upstream_credits_print_without_needless_zeros() {
        for (thousandths, text) in
            [(0, "0"), (1500, "1.5"), (-250, "-0.25"), (12_000, "12"), (-1001, "-1.001")]
        {
            assert_eq!(UpstreamCredits::from_thousandths(thousandths).to_string(), text);
        }
    }

    #[test]
    fn upstream_credits_of_a_decimal_keep_thousandths() {
        for (decimal, thousandths) in [
            ("0", Some(0)),
            ("1.5", Some(1500)),
            ("0.0009", Some(0)),
            ("-2.0019", Some(-2001)),
            ("10000000000000000", None),
        ] {
            let credits = UpstreamCredits::from_decimal(decimal.parse().unwrap());
            assert_eq!(credits.map(UpstreamCredits::thousandths), thousandths, "{decimal}");
        }
    }
}
