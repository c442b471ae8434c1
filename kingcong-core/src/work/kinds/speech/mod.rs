//! Speech: a text, cut where a speaker would pause, spoken piece by piece, and joined.

mod abbreviations;
mod audio;
mod cut;
mod join;
mod length;
mod mp3;
mod pause;
mod sound;
mod steps;
mod subtitles;
mod text;
mod wav;
mod work;

use std::{
    collections::{BTreeMap, BTreeSet},
    num::NonZeroU16,
};

use serde::Serialize;

pub use self::{
    abbreviations::{AbbreviationError, Abbreviations},
    audio::AudioReader,
    cut::{Cut, CutError, TASKS_MAX},
    join::{JOINED_BYTES_MAX, JoinError, Joined, Part, RangeError},
    length::{AUDIO_MS_PER_CHARACTER_MAX, AUDIO_MS_PER_TASK_MAX, audio_ms_bound, quantities},
    sound::{AudioError, Coding, Layout, Pace, Sound, WavSamples},
    subtitles::join_srt,
    text::{TEXT_CHARACTERS_MAX, Text, TextError},
    work::{Audio, AudioFormat, Speech, Subtitles, VoiceSettings},
};
use super::{
    super::{
        Request, RequestError,
        request::{check_field, out_of_bounds},
    },
    Ask, Cutting, Uncut,
};
use crate::{
    id::{ServerId, VoiceId},
    measure::Quantities,
    routing::SERVERS_MAX,
    work::{Ability, Work},
};

pub(crate) use wav::header as wav_header;

/// A text to be spoken, as it is asked for.
#[derive(Clone, Debug, Serialize)]
pub struct AskedSpeech {
    text: String,
    voice: Option<VoiceChoice>,
    model: Option<String>,
    language: Option<String>,
    format: AudioFormat,
    subtitles: Subtitles,
    settings: VoiceSettings,
    pieces: Option<NonZeroU16>,
}

/// A text to be spoken, checked.
#[derive(Clone, Debug)]
pub struct CheckedSpeech {
    /// The text.
    pub text: Text,
    /// Which voice speaks.
    pub voice: VoiceChoice,
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

impl From<Request<AskedSpeech>> for Request {
    fn from(request: Request<AskedSpeech>) -> Self {
        request.of_any_kind(Ask::Speech)
    }
}

impl Request<AskedSpeech> {
    /// Asks for `text` to be spoken.
    #[must_use]
    pub fn speech(user: impl AsRef<str>, text: impl Into<String>) -> Self {
        let ask = AskedSpeech {
            text: text.into(),
            voice: None,
            model: None,
            language: None,
            format: AudioFormat::default(),
            subtitles: Subtitles::default(),
            settings: VoiceSettings::default(),
            pieces: None,
        };
        Self::new(user.as_ref(), ask)
    }

    /// Asks for `text`, given as bytes, to be spoken.
    ///
    /// # Errors
    /// When the bytes are not UTF-8.
    pub fn speech_from_bytes(user: impl AsRef<str>, text: &[u8]) -> Result<Self, RequestError> {
        Ok(Self::speech(user, Text::from_bytes(text)?.as_str()))
    }

    /// In the voice with this upstream id, the same on every server.
    #[must_use]
    pub fn voice(mut self, voice: impl Into<String>) -> Self {
        self.ask.voice = Some(VoiceChoice::Upstream(voice.into()));
        self
    }

    /// In a voice that each server knows under its own id.
    #[must_use]
    pub fn voice_per_server(mut self, voices: BTreeMap<ServerId, String>) -> Self {
        self.ask.voice = Some(VoiceChoice::PerServer(voices));
        self
    }

    /// In a voice that the user cloned.
    #[must_use]
    pub fn cloned_voice(mut self, voice: VoiceId) -> Self {
        self.ask.voice = Some(VoiceChoice::Cloned(voice));
        self
    }

    /// With this model of the upstream.
    #[must_use]
    pub fn model(mut self, model: impl Into<String>) -> Self {
        self.ask.model = Some(model.into());
        self
    }

    /// In this language (ISO 639-1).
    #[must_use]
    pub fn language(mut self, language: impl Into<String>) -> Self {
        self.ask.language = Some(language.into());
        self
    }

    /// As this audio format.
    #[must_use]
    pub fn format(mut self, format: AudioFormat) -> Self {
        self.ask.format = format;
        self
    }

    /// With subtitles, where the upstream gives them.
    #[must_use]
    pub fn subtitles(mut self, subtitles: Subtitles) -> Self {
        self.ask.subtitles = subtitles;
        self
    }

    /// With these voice settings.
    #[must_use]
    pub fn settings(mut self, settings: VoiceSettings) -> Self {
        self.ask.settings = settings;
        self
    }

    /// Cut into exactly so many tasks, as far as the text allows, instead of as few as possible.
    #[must_use]
    pub fn pieces(mut self, pieces: NonZeroU16) -> Self {
        self.ask.pieces = Some(pieces);
        self
    }
}

impl AskedSpeech {
    pub(super) fn bytes(&self) -> usize {
        self.text.len()
    }

    pub(super) fn check(&self) -> Result<CheckedSpeech, RequestError> {
        let voice = self
            .voice
            .as_ref()
            .ok_or(RequestError::Missing("voice", "name one, such as \"21m00Tcm4TlvDq8ikWAM\""))?;
        voice.check()?;
        for (what, field) in [("model", &self.model), ("language", &self.language)] {
            if let Some(value) = field {
                check_field(what, value)?;
            }
        }
        check_settings(self.settings)?;
        Ok(CheckedSpeech {
            text: Text::new(self.text.as_str())?,
            voice: voice.clone(),
            model: self.model.clone(),
            language: self.language.clone(),
            format: self.format,
            subtitles: self.subtitles,
            settings: self.settings,
            pieces: self.pieces,
        })
    }
}

impl VoiceChoice {
    fn check(&self) -> Result<(), RequestError> {
        match self {
            Self::Upstream(voice) => check_field("voice", voice),
            Self::PerServer(voices) if voices.is_empty() => {
                Err(RequestError::Missing("voice", "name it for at least one server"))
            }
            Self::PerServer(voices) if voices.len() > SERVERS_MAX => {
                let bounds = format!("1 to {SERVERS_MAX} servers, for there are no more");
                Err(out_of_bounds("voice on", format!("{} servers", voices.len()), bounds))
            }
            Self::PerServer(voices) => voices.values().try_for_each(|voice| check_field("voice", voice)),
            Self::Cloned(_) => Ok(()),
        }
    }
}

fn check_settings(settings: VoiceSettings) -> Result<(), RequestError> {
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

impl CheckedSpeech {
    pub(super) fn asks_for(&self) -> BTreeSet<Ability> {
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

    /// MP3s of two layouts cannot be joined, and what is joined otherwise is converted.
    pub(super) const fn wants_one_layout(&self) -> bool {
        match self.format {
            AudioFormat::Mp3 => true,
            AudioFormat::Wav => false,
        }
    }

    pub(super) fn works(&self, cutting: Cutting<'_>) -> Result<Vec<(Work, Quantities)>, Uncut> {
        let at_most = cutting.task_characters_max;
        let cut = self.pieces.map_or(Cut::AtMost(at_most), |count| Cut::Pieces { count, at_most });
        let speed = self.settings.speed.unwrap_or(100);
        let speak = |piece: Text| {
            let quantities = quantities(u64::from(piece.characters()), speed)?;
            let speech = Speech {
                text: piece.into_shared(),
                voice: String::new(),
                model: self.model.clone(),
                format: self.format,
                subtitles: self.subtitles,
                settings: self.settings,
                language: self.language.clone(),
            };
            Ok((Work::Speech(speech), quantities))
        };
        self.text.cut(cut, cutting.abbreviations)?.into_iter().map(speak).collect()
    }
}
