//! What an upstream can do: data that admission reads, so that what nobody can do is refused before it is paid for.

use std::{collections::BTreeSet, fmt, sync::LazyLock};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

use crate::operation::Operation;

/// Something that a request asks of the upstream that does it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
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
    /// Work of this kind at all.
    Do(Operation),
}

/// The names of all abilities, those of the kinds of work last.
static NAMES: LazyLock<Vec<&'static str>> = LazyLock::new(|| Ability::all().map(Ability::as_str).collect());

impl Ability {
    /// Those beside the kinds of work.
    const OF_SPEECH: [Self; 7] =
        [Self::Mp3, Self::Wav, Self::Subtitles, Self::Stability, Self::Similarity, Self::Style, Self::Speed];

    /// Every ability.
    pub fn all() -> impl Iterator<Item = Self> {
        Self::OF_SPEECH.into_iter().chain(Operation::ALL.iter().copied().map(Self::Do))
    }

    /// Its name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Mp3 => "mp3",
            Self::Wav => "wav",
            Self::Subtitles => "subtitles",
            Self::Stability => "stability",
            Self::Similarity => "similarity",
            Self::Style => "style",
            Self::Speed => "speed",
            Self::Do(operation) => operation.as_str(),
        }
    }
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
            Self::Do(operation) => operation.called(),
        })
    }
}

impl Serialize for Ability {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for Ability {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        let named = Self::all().find(|ability| ability.as_str() == name);
        named.ok_or_else(|| D::Error::unknown_variant(&name, &NAMES))
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

    /// Everything that these kinds of work may ask for, and no other kind: what comes with a later release is not sold
    /// where nobody said so.
    #[must_use]
    pub fn of(operations: &[Operation]) -> Self {
        let others = Operation::ALL.iter().filter(|operation| !operations.contains(operation));
        others.fold(Self::all(), |able, other| able.without(Ability::Do(*other)))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ability_is_read_as_it_is_written() {
        for ability in Ability::all() {
            let written = serde_json::to_string(&ability).unwrap();
            assert_eq!(written, format!("\"{}\"", ability.as_str()));
            assert_eq!(serde_json::from_str::<Ability>(&written).unwrap(), ability);
        }
        let unknown = serde_json::from_str::<Ability>("\"flac\"").unwrap_err().to_string();
        assert!(unknown.starts_with("unknown variant `flac`, expected one of `mp3`, `wav`,"), "{unknown}");
    }

    #[test]
    fn what_is_sold_for_one_kind_of_work_does_no_other() {
        let speech = Capabilities::of(&[Operation::Speech]);
        for ability in Ability::all() {
            let is_other = matches!(ability, Ability::Do(operation) if operation != Operation::Speech);
            assert_eq!(speech.has(ability), !is_other, "{ability}");
        }
    }
}
