//! What is counted.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// What a price counts, in the smallest unit that is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Measure {
    /// A character of the text that is sent, as [`super::count_characters`] counts them.
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

    /// The upstream credits that so much of it takes, about: one for a thing, and one for a second.
    pub(super) const fn upstream_credits(self, quantity: u64) -> u64 {
        match self {
            Self::Character | Self::Request | Self::Token | Self::Image => quantity,
            Self::AudioMs => quantity.div_ceil(1000),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_stored_as_they_are_written() {
        for measure in Measure::ALL {
            assert_eq!(measure.as_str().parse(), Ok(measure));
            assert_eq!(serde_json::to_string(&measure).unwrap(), format!("\"{measure}\""));
        }
        assert_eq!("second".parse::<Measure>(), Err(UnknownMeasure { name: "second".into() }));
    }
}
