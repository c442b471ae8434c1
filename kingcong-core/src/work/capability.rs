//! What an upstream can do: data that admission reads, so that what nobody can do is refused before it is paid for.

use std::{collections::BTreeSet, fmt};

use serde::{Deserialize, Serialize};

/// Something that a request asks of the upstream that does it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Ability {
    /// Speech as MP3.
    Mp3,
    /// Speech as WAV.
    Wav,
    /// Subtitles beside the speech.
    Subtitles,
    /// A voice's stability.
    Stability,
    /// A voice's likeness to its model.
    Similarity,
    /// A voice's style.
    Style,
    /// A voice's speed.
    Speed,
    /// A voice made from a recording.
    CloneVoice,
}

impl fmt::Display for Ability {
    /// As requests name it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Mp3 => "format mp3",
            Self::Wav => "format wav",
            Self::Subtitles => "subtitles srt",
            Self::Stability => "settings.stability",
            Self::Similarity => "settings.similarity",
            Self::Style => "settings.style",
            Self::Speed => "settings.speed",
            Self::CloneVoice => "voice cloning",
        })
    }
}

/// How an upstream lays out its MP3s. Those of two layouts cannot be joined without decoding them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mp3Layout {
    sample_rate: u32,
    channels: u16,
}

/// A layout that no MP3 has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "no MP3 has {channels} channels at {sample_rate} Hz: name 1 or 2 channels, and one of the rates {:?}",
    Mp3Layout::SAMPLE_RATES
)]
pub struct InvalidMp3Layout {
    /// Samples per second of one channel.
    pub sample_rate: u32,
    /// How many channels.
    pub channels: u16,
}

impl Mp3Layout {
    /// The samples per second of one channel that MP3s may have.
    pub const SAMPLE_RATES: [u32; 9] =
        [8_000, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000];
    /// Most channels of an MP3.
    pub const CHANNELS_MAX: u16 = 2;

    /// So many samples per second of one channel, and 1 channel (mono) or 2 (stereo).
    ///
    /// # Errors
    /// When no MP3 is laid out so.
    pub fn new(sample_rate: u32, channels: u16) -> Result<Self, InvalidMp3Layout> {
        let is_legal =
            Self::SAMPLE_RATES.contains(&sample_rate) && (1..=Self::CHANNELS_MAX).contains(&channels);
        is_legal.then_some(Self { sample_rate, channels }).ok_or(InvalidMp3Layout { sample_rate, channels })
    }
}

/// What an upstream can do for a service: everything that it is sold for, except for what is said to be impossible.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Capabilities {
    lacking: BTreeSet<Ability>,
    mp3: Option<Mp3Layout>,
}

impl Capabilities {
    /// Everything.
    #[must_use]
    pub const fn all() -> Self {
        Self { lacking: BTreeSet::new(), mp3: None }
    }

    /// All of these but that.
    #[must_use]
    pub fn without(mut self, ability: Ability) -> Self {
        self.lacking.insert(ability);
        self
    }

    /// The same, with the layout of every MP3 of the service.
    #[must_use]
    pub const fn with_mp3(mut self, layout: Mp3Layout) -> Self {
        self.mp3 = Some(layout);
        self
    }

    /// The layout of every MP3 of the service, where it is known.
    #[must_use]
    pub const fn mp3(&self) -> Option<Mp3Layout> {
        self.mp3
    }

    /// Whether that can be done.
    #[must_use]
    pub fn has(&self, ability: Ability) -> bool {
        !self.lacking.contains(&ability)
    }
}
