//! Circumstances: what a price may depend on beside how much was counted.

use std::{collections::BTreeMap, fmt};

use serde::{Deserialize, Serialize};

/// Longest word of a circumstance in bytes.
pub const WORD_BYTES_MAX: usize = 64;

/// Something about how work was served, in the upstream's own words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Circumstance {
    /// How it was queued: `standard`, `batch`, `flex`, `priority`, …; the one that served it, which may be another than
    /// was asked for.
    Tier,
    /// An image's size, such as `1024x1024`.
    Size,
    /// An image's quality, such as `high`.
    Quality,
    /// A video's resolution, such as `1080p`.
    Resolution,
    /// How much was searched: `low`, `medium`, `high`.
    Context,
    /// Where it was served, such as `us`.
    Region,
    /// How fast, such as `fast`.
    Speed,
    /// The model that served it, where the price is for more than one.
    Model,
}

impl Circumstance {
    /// Every circumstance.
    pub const ALL: [Self; 8] = [
        Self::Tier,
        Self::Size,
        Self::Quality,
        Self::Resolution,
        Self::Context,
        Self::Region,
        Self::Speed,
        Self::Model,
    ];

    /// Its name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Tier => "tier",
            Self::Size => "size",
            Self::Quality => "quality",
            Self::Resolution => "resolution",
            Self::Context => "context",
            Self::Region => "region",
            Self::Speed => "speed",
            Self::Model => "model",
        }
    }
}

impl fmt::Display for Circumstance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The circumstances that are known of work, each with its word; what is not known is absent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "BTreeMap<Circumstance, String>", into = "BTreeMap<Circumstance, String>")]
pub struct Circumstances(BTreeMap<Circumstance, String>);

/// A word that no circumstance can have.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the {circumstance} {word:?} must be 1 to {WORD_BYTES_MAX} bytes without spaces or control characters"
)]
pub struct InvalidWord {
    /// Of which circumstance.
    pub circumstance: Circumstance,
    /// What was given, cut to 64 characters.
    pub word: String,
}

impl Circumstances {
    /// None is known.
    pub const NONE: Self = Self(BTreeMap::new());

    /// With this one, in place of what was known of it.
    ///
    /// # Errors
    /// A word that is empty, too long, or has spaces or control characters.
    pub fn with(mut self, circumstance: Circumstance, word: impl Into<String>) -> Result<Self, InvalidWord> {
        let word = word.into();
        check(circumstance, &word)?;
        self.0.insert(circumstance, word);
        Ok(self)
    }

    /// The word of a circumstance; none where it is not known.
    #[must_use]
    pub fn get(&self, circumstance: Circumstance) -> Option<&str> {
        self.0.get(&circumstance).map(String::as_str)
    }

    /// How many are known.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether none is known.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Those that are known.
    pub fn iter(&self) -> impl Iterator<Item = (Circumstance, &str)> {
        self.0.iter().map(|(circumstance, word)| (*circumstance, word.as_str()))
    }
}

impl TryFrom<BTreeMap<Circumstance, String>> for Circumstances {
    type Error = InvalidWord;

    fn try_from(words: BTreeMap<Circumstance, String>) -> Result<Self, InvalidWord> {
        words.iter().try_for_each(|(circumstance, word)| check(*circumstance, word))?;
        Ok(Self(words))
    }
}

impl From<Circumstances> for BTreeMap<Circumstance, String> {
    fn from(circumstances: Circumstances) -> Self {
        circumstances.0
    }
}

fn check(circumstance: Circumstance, word: &str) -> Result<(), InvalidWord> {
    let clean = !word.chars().any(|c| c.is_control() || c.is_whitespace());
    match (1..=WORD_BYTES_MAX).contains(&word.len()) && clean {
        true => Ok(()),
        false => Err(InvalidWord { circumstance, word: word.chars().take(64).collect() }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_stored_as_they_are_written() {
        for circumstance in Circumstance::ALL {
            assert_eq!(serde_json::to_string(&circumstance).unwrap(), format!("\"{circumstance}\""));
        }
    }

    #[test]
    fn only_clean_words_are_known() {
        for word in ["", " ", "two words", "a\0b", "a\n", &"w".repeat(WORD_BYTES_MAX + 1)] {
            assert!(Circumstances::NONE.with(Circumstance::Tier, word).is_err(), "{word:?}");
            let stored = serde_json::to_string(&BTreeMap::from([(Circumstance::Tier, word)])).unwrap();
            assert!(serde_json::from_str::<Circumstances>(&stored).is_err(), "{stored}");
        }
        let known = Circumstances::NONE.with(Circumstance::Tier, "flex").unwrap();
        let known = known.with(Circumstance::Tier, "priority").unwrap();
        assert_eq!(serde_json::to_string(&known).unwrap(), r#"{"tier":"priority"}"#);
    }
}
