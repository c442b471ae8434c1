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

/// What an upstream can do for a service: everything that it is sold for, except for what is said to be impossible.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Capabilities {
    lacking: BTreeSet<Ability>,
}

impl Capabilities {
    /// Everything.
    #[must_use]
    pub const fn all() -> Self {
        Self { lacking: BTreeSet::new() }
    }

    /// All of these but that.
    #[must_use]
    pub fn without(mut self, ability: Ability) -> Self {
        self.lacking.insert(ability);
        self
    }

    /// Whether that can be done.
    #[must_use]
    pub fn has(&self, ability: Ability) -> bool {
        !self.lacking.contains(&ability)
    }
}
