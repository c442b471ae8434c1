//! What is sold and measured: operations, measures, and how much of each a task has.

use std::{fmt, num::NonZeroU32, str::FromStr};

use serde::{Deserialize, Serialize};

use super::PriceError;

/// Milliseconds in a second: what a price per second of audio is [`super::PriceLine::per`].
pub const MS_PER_SECOND: NonZeroU32 = NonZeroU32::new(1000).expect("1000 is not zero");

/// The longest that a character is taken to be spoken, in milliseconds of audio at speed 1.
pub const AUDIO_MS_PER_CHARACTER_MAX: u64 = 120;

/// The longest silence and slow start that a task's audio is taken to have beside its characters, in milliseconds at
/// speed 1. A short text needs it: 24 characters were heard as 4.2 s.
pub const AUDIO_MS_PER_TASK_MAX: u64 = 2_000;

/// What is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Operation {
    /// A text is spoken.
    #[serde(rename = "text_to_speech")]
    Speech,
    /// A voice is made from a recording.
    #[serde(rename = "voice_cloning")]
    CloneVoice,
}

impl Operation {
    /// Every operation.
    pub const ALL: [Self; 2] = [Self::Speech, Self::CloneVoice];

    /// Its name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Speech => "text_to_speech",
            Self::CloneVoice => "voice_cloning",
        }
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Operation {
    type Err = UnknownOperation;

    fn from_str(name: &str) -> Result<Self, UnknownOperation> {
        Self::ALL
            .into_iter()
            .find(|operation| operation.as_str() == name)
            .ok_or_else(|| UnknownOperation { name: name.chars().take(64).collect() })
    }
}

/// A name that no operation has.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown operation {name:?}: use text_to_speech or voice_cloning")]
pub struct UnknownOperation {
    /// What was given, cut to 64 characters.
    pub name: String,
}

/// What a price counts, in the smallest unit that is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Measure {
    /// A character of the text that is sent, as [`count_characters`] counts them.
    Character,
    /// A task.
    Request,
    /// A millisecond of audio.
    AudioMs,
    /// A token, as the upstream cuts them.
    Token,
    /// An image.
    Image,
}

impl Measure {
    /// Every measure.
    pub const ALL: [Self; 5] = [Self::Character, Self::Request, Self::AudioMs, Self::Token, Self::Image];

    /// Its name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Character => "character",
            Self::Request => "request",
            Self::AudioMs => "audio_ms",
            Self::Token => "token",
            Self::Image => "image",
        }
    }

    /// Who counts it, and when.
    #[must_use]
    pub const fn kind(self) -> MeasureKind {
        match self {
            Self::Character | Self::Request | Self::Image => MeasureKind::Counted,
            Self::AudioMs | Self::Token => MeasureKind::Reported,
        }
    }
}

impl fmt::Display for Measure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Measure {
    type Err = UnknownMeasure;

    fn from_str(name: &str) -> Result<Self, UnknownMeasure> {
        Self::ALL
            .into_iter()
            .find(|measure| measure.as_str() == name)
            .ok_or_else(|| UnknownMeasure { name: name.chars().take(64).collect() })
    }
}

/// A name that no measure has.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown measure {name:?}: use character, request, audio_ms, token or image")]
pub struct UnknownMeasure {
    /// What was given, cut to 64 characters.
    pub name: String,
}

/// Who counts a measure, and when.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum MeasureKind {
    /// We count it in the request; fixed by the quote.
    Counted,
    /// The upstream measures it while it works; held at a bound, charged as reported.
    Reported,
}

/// How much of each measure one task has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quantities {
    /// Characters that are sent.
    pub characters: u64,
    /// Tasks: 1.
    pub requests: u64,
    /// Images that are asked for.
    pub images: u64,
    /// The most audio that is expected, in milliseconds; none where it cannot be said.
    pub audio_ms_bound: Option<u64>,
    /// The most tokens that are expected; none where it cannot be said.
    pub tokens_bound: Option<u64>,
}

impl Quantities {
    /// Those of a text to speak.
    ///
    /// # Errors
    /// As [`audio_ms_bound`].
    pub fn speech(characters: u64, speed_percent: u16) -> Result<Self, PriceError> {
        let audio_ms_bound = Some(audio_ms_bound(characters, speed_percent)?);
        Ok(Self { characters, requests: 1, audio_ms_bound, ..Self::default() })
    }

    /// Those of a voice to make.
    #[must_use]
    pub fn clone_voice() -> Self {
        Self { requests: 1, ..Self::default() }
    }

    /// The count of a counted measure, the bound of a reported one; none where it cannot be said.
    #[must_use]
    pub const fn of(&self, measure: Measure) -> Option<u64> {
        match measure {
            Measure::Character => Some(self.characters),
            Measure::Request => Some(self.requests),
            Measure::Image => Some(self.images),
            Measure::AudioMs => self.audio_ms_bound,
            Measure::Token => self.tokens_bound,
        }
    }
}

/// The most audio, in milliseconds, that speaking so many characters in one task is expected to give:
/// [`AUDIO_MS_PER_TASK_MAX`] and [`AUDIO_MS_PER_CHARACTER_MAX`] for each, divided by the speed (100 is the voice's
/// own), rounded up.
///
/// # Errors
/// When the speed is zero, or the bound does not fit 64 bits.
pub fn audio_ms_bound(characters: u64, speed_percent: u16) -> Result<u64, PriceError> {
    if speed_percent == 0 {
        return Err(PriceError::Speed { speed_percent });
    }
    let spoken = u128::from(characters) * u128::from(AUDIO_MS_PER_CHARACTER_MAX);
    let at_full_speed = spoken + u128::from(AUDIO_MS_PER_TASK_MAX);
    u64::try_from((at_full_speed * 100).div_ceil(speed_percent.into()))
        .map_err(|_| PriceError::TooManyCharacters { characters })
}

/// How many characters a text is sold as: its Unicode scalar values. So a precomposed `ễ` is one, the same letter
/// written with combining marks is three, and an emoji is one for each of its code points; spaces and line ends
/// count like any other.
///
/// ```
/// use kingcong_core::pricing::count_characters;
///
/// assert_eq!(count_characters("Xin chào 你好 👋"), 13);
/// assert_eq!(count_characters("e\u{302}\u{303}"), 3);
/// ```
#[must_use]
pub fn count_characters(text: &str) -> u64 {
    text.chars().map(|_| 1).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_stored_as_they_are_written() {
        for operation in Operation::ALL {
            assert_eq!(operation.as_str().parse(), Ok(operation));
            assert_eq!(serde_json::to_string(&operation).unwrap(), format!("\"{operation}\""));
        }
        for measure in Measure::ALL {
            assert_eq!(measure.as_str().parse(), Ok(measure));
            assert_eq!(serde_json::to_string(&measure).unwrap(), format!("\"{measure}\""));
        }
        assert_eq!("tts".parse::<Operation>(), Err(UnknownOperation { name: "tts".into() }));
        assert_eq!("second".parse::<Measure>(), Err(UnknownMeasure { name: "second".into() }));
    }

    #[test]
    fn characters_are_scalar_values() {
        for (text, characters) in [
            ("", 0),
            ("Tiếng Việt", 10),
            ("Tie\u{302}\u{301}ng", 7),
            ("你好，世界。", 6),
            ("a\r\n b", 5),
            ("👨\u{200d}👩\u{200d}👧", 5),
        ] {
            assert_eq!(count_characters(text), characters, "{text:?}");
        }
    }

    #[test]
    fn the_audio_bound_follows_the_speed_and_rounds_up() {
        for (characters, speed_percent, ms) in [
            (0, 100, 2_000),
            (1, 100, 2_120),
            (24, 100, 4_880),
            (1000, 100, 122_000),
            (1000, 50, 244_000),
            (1000, 200, 61_000),
            (1, 70, 3_029),
            (1, u16::MAX, 4),
            ((u64::MAX - 2_000) / 120, 100, (u64::MAX - 2_000) / 120 * 120 + 2_000),
        ] {
            assert_eq!(
                audio_ms_bound(characters, speed_percent),
                Ok(ms),
                "{characters} at {speed_percent} %"
            );
        }
        assert_eq!(audio_ms_bound(1, 0), Err(PriceError::Speed { speed_percent: 0 }));
        let characters = (u64::MAX - 2_000) / 120 + 1;
        assert_eq!(audio_ms_bound(characters, 100), Err(PriceError::TooManyCharacters { characters }));
        assert!(audio_ms_bound(u64::MAX, 1).is_err());
    }
}
