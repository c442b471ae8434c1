//! The kinds of work. Each has a file or a room of its own, which states how it is asked for, what makes it legal, what
//! it needs of an upstream, into which tasks it is cut and how much of each measure they have.

mod clone_voice;
pub(super) mod speech;

use std::{collections::BTreeSet, path::PathBuf};

use bytes::Bytes;

use serde::{Deserialize, Serialize};

pub use self::clone_voice::{AskedVoice, CloneVoice, ClonedVoice};
pub use self::speech::{
    AskedSpeech, Audio, AudioFormat, CheckedSpeech, Speech, Subtitles, VoiceChoice, VoiceSettings,
};
use super::RequestError;
use crate::{measure::Quantities, operation::Operation, pricing::PriceError, work::Ability};
use speech::{Abbreviations, CutError};

/// What is asked for.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Ask {
    /// A text to be spoken.
    Speech(AskedSpeech),
    /// A voice to be made from a recording.
    CloneVoice(AskedVoice),
}

/// What is asked for, checked.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum CheckedAsk {
    /// A text to be spoken.
    Speech(CheckedSpeech),
    /// A voice to be made from a recording.
    CloneVoice(CloneVoice),
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

/// A result.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Output {
    /// Speech.
    Audio(Audio),
    /// A cloned voice.
    Voice(ClonedVoice),
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

/// What the tasks of a request are made with.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cutting<'a> {
    /// Most characters in one task.
    pub(super) task_characters_max: std::num::NonZeroU32,
    /// Words whose full stop ends no sentence, besides those that the library knows.
    pub(super) abbreviations: &'a Abbreviations,
}

/// Why the tasks of a request cannot be made.
#[derive(Debug)]
pub(super) enum Uncut {
    /// The text cannot be cut as asked.
    Cut(CutError),
    /// A task has more of a measure than can be priced.
    Price(PriceError),
}

impl From<CutError> for Uncut {
    fn from(error: CutError) -> Self {
        Self::Cut(error)
    }
}

impl From<PriceError> for Uncut {
    fn from(error: PriceError) -> Self {
        Self::Price(error)
    }
}

impl Ask {
    /// How many bytes its text or its recording has, in which checking it takes time.
    #[must_use]
    pub fn bytes(&self) -> usize {
        match self {
            Self::Speech(speech) => speech.bytes(),
            Self::CloneVoice(voice) => voice.bytes(),
        }
    }

    pub(super) fn check(&self) -> Result<CheckedAsk, RequestError> {
        Ok(match self {
            Self::Speech(speech) => CheckedAsk::Speech(speech.check()?),
            Self::CloneVoice(voice) => CheckedAsk::CloneVoice(voice.check()?),
        })
    }
}

impl CheckedAsk {
    /// What is done.
    #[must_use]
    pub const fn operation(&self) -> Operation {
        match self {
            Self::Speech(_) => Operation::Speech,
            Self::CloneVoice(_) => Operation::CloneVoice,
        }
    }

    /// What it asks of the upstream that does it.
    #[must_use]
    pub fn asks_for(&self) -> BTreeSet<Ability> {
        match self {
            Self::Speech(speech) => speech.asks_for(),
            Self::CloneVoice(_) => BTreeSet::from([Ability::CloneVoice]),
        }
    }

    /// The voice that it names.
    #[must_use]
    pub const fn voice(&self) -> Option<&VoiceChoice> {
        match self {
            Self::Speech(speech) => Some(&speech.voice),
            Self::CloneVoice(_) => None,
        }
    }

    /// The upstream's model that it names.
    #[must_use]
    pub fn model(&self) -> Option<&str> {
        match self {
            Self::Speech(speech) => speech.model.as_deref(),
            Self::CloneVoice(_) => None,
        }
    }

    /// The bytes that are read to cut it into tasks.
    #[must_use]
    pub fn bytes_to_cut(&self) -> usize {
        match self {
            Self::Speech(speech) => speech.text.as_str().len(),
            Self::CloneVoice(_) => 0,
        }
    }

    /// Whether the results of its tasks are joined, and can be only where they have one layout.
    pub(super) const fn wants_one_layout(&self) -> bool {
        match self {
            Self::Speech(speech) => speech.wants_one_layout(),
            Self::CloneVoice(_) => false,
        }
    }

    /// What each task is to do, and how much of each measure it has.
    pub(super) fn works(&self, cutting: Cutting<'_>) -> Result<Vec<(Work, Quantities)>, Uncut> {
        match self {
            Self::Speech(speech) => speech.works(cutting),
            Self::CloneVoice(clone) => Ok(vec![(Work::CloneVoice(clone.clone()), Quantities::one_request())]),
        }
    }
}
