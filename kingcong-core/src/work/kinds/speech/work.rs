//! What an upstream is asked to speak, and what it gives.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::sound::Sound;
use crate::{
    measure::{Counts, Measure},
    work::{Body, Made, StoredOutput},
};

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

impl Sound {
    /// Speech in which it was found, as it is stored.
    #[must_use]
    pub const fn stored(self, body: Body, srt: Option<String>) -> StoredOutput {
        StoredOutput { made: Made::Audio(self), body: Some(body), text: srt }
    }

    /// What was measured of it: its length is its own, and not what the upstream says.
    pub(in crate::work::kinds) fn measured(&self, said: Counts) -> Counts {
        said.with(Measure::AudioMs, self.duration_ms())
    }
}
