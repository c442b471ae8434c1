//! What a user asks for.

use std::{
    collections::{BTreeMap, BTreeSet},
    num::{NonZeroU16, NonZeroU32},
    time::Duration,
};

use bytes::Bytes;
use serde::Serialize;

use super::{IdempotencyKey, InvalidIdempotencyKey, Text, TextError};
use crate::{
    clock::Timestamp,
    id::{InvalidId, ServerId, ServiceId, TenantId, UserId, VoiceId},
    pricing::Operation,
    provider::{Ability, AudioFormat, CloneVoice, Subtitles, VoiceSettings},
};

/// What a user asks for. Built by [`Request::speech`] or [`Request::clone_voice`]; checked when it is submitted.
///
/// ```
/// use kingcong_core::{id::TenantId, work::Request};
///
/// let request = Request::speech("user-1", "Xin chào các bạn.")
///     .service("elevenlabs")
///     .voice("21m00Tcm4TlvDq8ikWAM")
///     .idempotency_key("order-991");
/// assert!(request.check(TenantId::main()).is_ok());
/// ```
#[derive(Clone, Debug)]
pub struct Request {
    user: Result<UserId, InvalidId>,
    service: Option<Result<ServiceId, InvalidId>>,
    parts: Parts,
    idempotency_key: Option<String>,
}

/// The parts that decide what is done; with the user and the service they are the request's payload.
#[derive(Clone, Debug, Serialize)]
struct Parts {
    subject: Subject,
    voice: Option<VoiceChoice>,
    model: Option<String>,
    language: Option<String>,
    format: AudioFormat,
    subtitles: Subtitles,
    settings: VoiceSettings,
    pieces: Option<NonZeroU16>,
    weight: NonZeroU32,
    deadline: Option<Duration>,
    payer: Payer,
    // Left out when absent: what requests without it hash to is the same for ever.
    #[serde(skip_serializing_if = "Option::is_none")]
    start_at: Option<Timestamp>,
}

/// What is to be done, and with what.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub enum Subject {
    /// Speak this text.
    Speech {
        /// The text.
        text: String,
    },
    /// Make a voice from this recording.
    CloneVoice {
        /// What the voice is to be called.
        name: String,
        /// The recording.
        sample: Bytes,
        /// Its media type.
        content_type: String,
        /// A text for a preview.
        preview_text: Option<String>,
    },
}

/// What is to be done, checked.
#[derive(Clone, Debug)]
pub enum Order {
    /// Speak this text.
    Speech(Text),
    /// Make a voice.
    CloneVoice(CloneVoice),
}

/// Which voice speaks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub enum VoiceChoice {
    /// The voice with this upstream id, the same on every server.
    Upstream(String),
    /// A voice that each server knows under its own id; servers not named cannot serve the request.
    PerServer(BTreeMap<ServerId, String>),
    /// A voice that the user cloned; only the key that made it can use it.
    Cloned(VoiceId),
}

/// Whose wallet pays.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub enum Payer {
    /// The user's own.
    #[default]
    User,
    /// The tenant's.
    Tenant,
}

/// A request that cannot be admitted as it stands.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RequestError {
    /// A name breaks its rule.
    #[error(transparent)]
    Id(#[from] InvalidId),
    /// The text cannot be spoken.
    #[error(transparent)]
    Text(#[from] TextError),
    /// The idempotency key cannot be one.
    #[error(transparent)]
    Idempotency(#[from] InvalidIdempotencyKey),
    /// Something that the request needs is absent.
    #[error("{0} is missing; {1}")]
    Missing(&'static str, &'static str),
    /// A value is outside of its bounds.
    #[error("{what} {value} must be {bounds}")]
    OutOfBounds {
        /// Which value.
        what: &'static str,
        /// What was given.
        value: String,
        /// What it must be.
        bounds: String,
    },
}

/// A request whose parts are checked.
#[derive(Clone, Debug)]
pub struct CheckedRequest {
    /// The user's tenant.
    pub tenant: TenantId,
    /// Who asks.
    pub user: UserId,
    /// On which service.
    pub service: ServiceId,
    /// What is to be done.
    pub order: Order,
    /// Which voice; always there for speech.
    pub voice: Option<VoiceChoice>,
    /// The upstream's model.
    pub model: Option<String>,
    /// ISO 639-1 language.
    pub language: Option<String>,
    /// Audio format.
    pub format: AudioFormat,
    /// Whether subtitles are wanted.
    pub subtitles: Subtitles,
    /// Voice settings.
    pub settings: VoiceSettings,
    /// Into how many tasks the text is cut; as few as possible when absent.
    pub pieces: Option<NonZeroU16>,
    /// How heavy the user's orders weigh in the queue.
    pub weight: NonZeroU32,
    /// How long it may take.
    pub deadline: Option<Duration>,
    /// Not before then.
    pub start_at: Option<Timestamp>,
    /// Whose wallet pays.
    pub payer: Payer,
    /// The caller's key against doing it twice, with the hash of what it asked for.
    pub idempotency: Option<IdempotencyKey>,
}

impl CheckedRequest {
    /// What it asks of the upstream that does it.
    #[must_use]
    pub fn asks_for(&self) -> BTreeSet<Ability> {
        match &self.order {
            Order::CloneVoice(_) => BTreeSet::from([Ability::CloneVoice]),
            Order::Speech(_) => {
                let format = match self.format {
                    AudioFormat::Mp3 => Ability::Mp3,
                    AudioFormat::Wav => Ability::Wav,
                };
                let VoiceSettings { stability, similarity, style, speed } = self.settings;
                let asked = [
                    Some(format),
                    (self.subtitles == Subtitles::Srt).then_some(Ability::Subtitles),
                    stability.map(|_| Ability::Stability),
                    similarity.map(|_| Ability::Similarity),
                    style.map(|_| Ability::Style),
                    speed.map(|_| Ability::Speed),
                ];
                asked.into_iter().flatten().collect()
            }
        }
    }
}

impl Request {
    /// Longest model, language or voice id in bytes.
    pub const FIELD_BYTES_MAX: usize = 200;
    /// Largest weight in the queue.
    pub const WEIGHT_MAX: u32 = 1000;
    /// Largest recording in bytes: MiniMax takes 20 MB.
    pub const SAMPLE_BYTES_MAX: usize = 20 * 1024 * 1024;
    /// Longest deadline: a week.
    pub const DEADLINE_MAX: Duration = Duration::from_secs(7 * 24 * 3600);
    /// How far ahead it may be scheduled: 366 days.
    pub const AHEAD_MAX: Duration = Duration::from_secs(366 * 24 * 3600);

    /// What the idempotency keys of requests are told from others by; retries of what was requested share it.
    pub(crate) const DOOR: &'static str = "submit";

    /// Asks for `text` to be spoken.
    #[must_use]
    pub fn speech(user: impl AsRef<str>, text: impl Into<String>) -> Self {
        Self::new(user.as_ref(), Subject::Speech { text: text.into() })
    }

    /// Asks for `text`, given as bytes, to be spoken.
    ///
    /// # Errors
    /// When the bytes are not UTF-8.
    pub fn speech_from_bytes(user: impl AsRef<str>, text: &[u8]) -> Result<Self, RequestError> {
        Ok(Self::speech(user, Text::from_bytes(text)?.as_str()))
    }

    /// Asks for a voice to be made from a recording.
    #[must_use]
    pub fn clone_voice(
        user: impl AsRef<str>,
        name: impl Into<String>,
        sample: impl Into<Bytes>,
        content_type: impl Into<String>,
    ) -> Self {
        let subject = Subject::CloneVoice {
            name: name.into(),
            sample: sample.into(),
            content_type: content_type.into(),
            preview_text: None,
        };
        Self::new(user.as_ref(), subject)
    }

    fn new(user: &str, subject: Subject) -> Self {
        Self {
            user: UserId::new(user),
            service: None,
            parts: Parts {
                subject,
                voice: None,
                model: None,
                language: None,
                format: AudioFormat::default(),
                subtitles: Subtitles::default(),
                settings: VoiceSettings::default(),
                pieces: None,
                weight: NonZeroU32::MIN,
                deadline: None,
                payer: Payer::default(),
                start_at: None,
            },
            idempotency_key: None,
        }
    }

    /// With this text for a preview of the voice to make, where the upstream makes one; speech has none.
    #[must_use]
    pub fn preview_text(mut self, text: impl Into<String>) -> Self {
        if let Subject::CloneVoice { preview_text, .. } = &mut self.parts.subject {
            *preview_text = Some(text.into());
        }
        self
    }

    /// On this service. Needed.
    #[must_use]
    pub fn service(mut self, service: impl AsRef<str>) -> Self {
        self.service = Some(ServiceId::new(service));
        self
    }

    /// In the voice with this upstream id, the same on every server.
    #[must_use]
    pub fn voice(mut self, voice: impl Into<String>) -> Self {
        self.parts.voice = Some(VoiceChoice::Upstream(voice.into()));
        self
    }

    /// In a voice that each server knows under its own id.
    #[must_use]
    pub fn voice_per_server(mut self, voices: BTreeMap<ServerId, String>) -> Self {
        self.parts.voice = Some(VoiceChoice::PerServer(voices));
        self
    }

    /// In a voice that the user cloned.
    #[must_use]
    pub fn cloned_voice(mut self, voice: VoiceId) -> Self {
        self.parts.voice = Some(VoiceChoice::Cloned(voice));
        self
    }

    /// With this model of the upstream.
    #[must_use]
    pub fn model(mut self, model: impl Into<String>) -> Self {
        self.parts.model = Some(model.into());
        self
    }

    /// In this language (ISO 639-1).
    #[must_use]
    pub fn language(mut self, language: impl Into<String>) -> Self {
        self.parts.language = Some(language.into());
        self
    }

    /// As this audio format.
    #[must_use]
    pub fn format(mut self, format: AudioFormat) -> Self {
        self.parts.format = format;
        self
    }

    /// With subtitles, where the upstream gives them.
    #[must_use]
    pub fn subtitles(mut self, subtitles: Subtitles) -> Self {
        self.parts.subtitles = subtitles;
        self
    }

    /// With these voice settings.
    #[must_use]
    pub fn settings(mut self, settings: VoiceSettings) -> Self {
        self.parts.settings = settings;
        self
    }

    /// Cut into exactly so many tasks, as far as the text allows, instead of as few as possible.
    #[must_use]
    pub fn pieces(mut self, pieces: NonZeroU16) -> Self {
        self.parts.pieces = Some(pieces);
        self
    }

    /// Weighing so much in the queue; 1 is usual, 2 is served twice as often.
    #[must_use]
    pub fn weight(mut self, weight: NonZeroU32) -> Self {
        self.parts.weight = weight;
        self
    }

    /// To be done within this time, 24 hours when not said, from when it may start; tasks that have not started by then
    /// fail uncharged.
    #[must_use]
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.parts.deadline = Some(deadline);
        self
    }

    /// Not before this instant, at most [`Request::AHEAD_MAX`] ahead; one that has passed is now. The prices are those
    /// of today and the money is held from now on; until then the job can be cancelled as a whole.
    #[must_use]
    pub fn start_at(mut self, at: Timestamp) -> Self {
        self.parts.start_at = Some(at);
        self
    }

    /// Paid from this wallet.
    #[must_use]
    pub fn payer(mut self, payer: Payer) -> Self {
        self.parts.payer = payer;
        self
    }

    /// With a key against doing it twice: the same key and request give the same job, for ever.
    #[must_use]
    pub fn idempotency_key(mut self, key: impl Into<String>) -> Self {
        self.idempotency_key = Some(key.into());
        self
    }

    /// What is done.
    #[must_use]
    pub const fn operation(&self) -> Operation {
        match self.parts.subject {
            Subject::Speech { .. } => Operation::Speech,
            Subject::CloneVoice { .. } => Operation::CloneVoice,
        }
    }

    /// How many bytes its text or its recording has, in which checking it takes time.
    #[must_use]
    pub fn bytes(&self) -> usize {
        match &self.parts.subject {
            Subject::Speech { text } => text.len(),
            Subject::CloneVoice { sample, preview_text, .. } => {
                sample.len() + preview_text.as_ref().map_or(0, String::len)
            }
        }
    }

    pub(crate) fn check_deadline(deadline: Duration) -> Result<(), RequestError> {
        if deadline < Duration::from_secs(1) || deadline > Self::DEADLINE_MAX {
            return Err(out_of_bounds("deadline", format!("{deadline:?}"), "1 s to 7 days".into()));
        }
        Ok(())
    }

    /// Checks everything that can be checked without configuration or store, as a request of this tenant's user.
    ///
    /// # Errors
    /// The first thing that is wrong, with its value and what it must be.
    pub fn check(self, tenant: TenantId) -> Result<CheckedRequest, RequestError> {
        let Self { user, service, parts, idempotency_key } = self;
        let user = user?;
        let service =
            service.ok_or(RequestError::Missing("service", "name one, such as \"elevenlabs\""))??;
        check_voice(&parts)?;
        for (what, field) in [("model", &parts.model), ("language", &parts.language)] {
            if let Some(value) = field {
                check_field(what, value)?;
            }
        }
        check_settings(&parts.settings)?;
        if parts.weight.get() > Self::WEIGHT_MAX {
            return Err(out_of_bounds("weight", parts.weight, format!("1 to {}", Self::WEIGHT_MAX)));
        }
        parts.deadline.map_or(Ok(()), Self::check_deadline)?;
        // Before its hash: what is too long is refused before any work.
        let order = parts.subject.check()?;
        let idempotency = idempotency_key
            .map(|key| IdempotencyKey::new(Self::DOOR, &tenant, user.as_str(), &key, &(&service, &parts)))
            .transpose()?;
        let Parts {
            voice,
            model,
            language,
            format,
            subtitles,
            settings,
            pieces,
            weight,
            deadline,
            payer,
            start_at,
            ..
        } = parts;
        Ok(CheckedRequest {
            tenant,
            user,
            service,
            order,
            voice,
            model,
            language,
            format,
            subtitles,
            settings,
            pieces,
            weight,
            deadline,
            start_at,
            payer,
            idempotency,
        })
    }
}

fn out_of_bounds(what: &'static str, value: impl ToString, bounds: String) -> RequestError {
    RequestError::OutOfBounds { what, value: value.to_string(), bounds }
}

fn check_field(what: &'static str, value: &str) -> Result<(), RequestError> {
    let fits = (1..=Request::FIELD_BYTES_MAX).contains(&value.len());
    if fits && !value.chars().any(|c| c.is_control() || c.is_whitespace() || c == '/' || c == '?') {
        return Ok(());
    }
    let shown: String = value.chars().take(64).collect();
    let bounds = format!("1 to {} bytes without spaces, controls, '/' or '?'", Request::FIELD_BYTES_MAX);
    Err(out_of_bounds(what, format!("{shown:?}"), bounds))
}

impl Subject {
    fn check(&self) -> Result<Order, RequestError> {
        match self {
            Self::Speech { text } => Ok(Order::Speech(Text::new(text.as_str())?)),
            Self::CloneVoice { name, sample, content_type, preview_text } => {
                let too_long = name.len() > Request::FIELD_BYTES_MAX;
                if name.trim().is_empty() || too_long || name.chars().any(char::is_control) {
                    let bounds = format!("1 to {} bytes without controls", Request::FIELD_BYTES_MAX);
                    return Err(out_of_bounds("voice name", format!("{name:?}"), bounds));
                }
                if sample.is_empty() || sample.len() > Request::SAMPLE_BYTES_MAX {
                    let bounds = format!("1 to {} bytes", Request::SAMPLE_BYTES_MAX);
                    return Err(out_of_bounds("sample of", format!("{} bytes", sample.len()), bounds));
                }
                if !content_type.starts_with("audio/") || content_type.len() > Request::FIELD_BYTES_MAX {
                    return Err(out_of_bounds(
                        "content type",
                        format!("{content_type:?}"),
                        "of audio/…".into(),
                    ));
                }
                if let Some(text) = preview_text {
                    Text::new(text.as_str())?;
                }
                Ok(Order::CloneVoice(CloneVoice {
                    name: name.clone(),
                    sample: sample.clone(),
                    content_type: content_type.clone(),
                    preview_text: preview_text.clone(),
                }))
            }
        }
    }
}

fn check_voice(parts: &Parts) -> Result<(), RequestError> {
    match (&parts.subject, &parts.voice) {
        (Subject::Speech { .. }, None) => {
            Err(RequestError::Missing("voice", "name one, such as \"21m00Tcm4TlvDq8ikWAM\""))
        }
        (_, Some(VoiceChoice::Upstream(voice))) => check_field("voice", voice),
        (_, Some(VoiceChoice::PerServer(voices))) => {
            if voices.is_empty() {
                return Err(RequestError::Missing("voice", "name it for at least one server"));
            }
            voices.values().try_for_each(|voice| check_field("voice", voice))
        }
        (_, Some(VoiceChoice::Cloned(_)) | None) => Ok(()),
    }
}

fn check_settings(settings: &VoiceSettings) -> Result<(), RequestError> {
    let hundredths =
        [("stability", settings.stability), ("similarity", settings.similarity), ("style", settings.style)];
    for (what, value) in hundredths {
        if let Some(value) = value.filter(|&value| value > 100) {
            return Err(out_of_bounds(what, value, "0 to 100 hundredths".into()));
        }
    }
    match settings.speed.filter(|speed| !(50..=200).contains(speed)) {
        Some(speed) => Err(out_of_bounds("speed", speed, "50 to 200 hundredths".into())),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_is_said_with_the_value_in_words_of_no_language() {
        let speech = || Request::speech("user-1", "Xin chào!");
        let whole = || speech().service("elevenlabs").voice("anna");
        for (request, words) in [
            (speech().voice("anna"), "service is missing; name one, such as \"elevenlabs\""),
            (speech().service("elevenlabs"), "voice is missing; name one, such as \"21m00Tcm4TlvDq8ikWAM\""),
            (whole().deadline(Duration::from_millis(500)), "deadline 500ms must be 1 s to 7 days"),
            (whole().deadline(Duration::from_secs(604_801)), "deadline 604801s must be 1 s to 7 days"),
        ] {
            assert_eq!(request.check(TenantId::main()).unwrap_err().to_string(), words);
        }
    }
}
