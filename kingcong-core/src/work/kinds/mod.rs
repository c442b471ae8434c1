//! The kinds of work. Each has a file or a room of its own, which states how it is asked for, what makes it legal, what
//! it needs of an upstream, into which tasks it is cut, how much of each measure they have, and what of its result is
//! read and kept. The enums and matches over all kinds stand here.

mod clone_voice;
pub(super) mod speech;

use std::{collections::BTreeSet, sync::Arc};

use bytes::Bytes;
use serde::{Deserialize, Serialize};

pub use self::clone_voice::{AskedVoice, CloneVoice, ClonedVoice, MadeVoice};
pub use self::speech::{
    AskedSpeech, Audio, AudioFormat, CheckedSpeech, Speech, Subtitles, VoiceChoice, VoiceSettings,
};
use super::{Body, Kept, OutputHead, RequestError};
use crate::{
    id::{TaskId, VoiceId},
    measure::{Counts, Quantities},
    operation::Operation,
    pricing::PriceError,
    work::Ability,
};
use speech::{Abbreviations, AudioReader, CutError, Layout, Sound};

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

    /// The same where what it names is known as that.
    pub(crate) fn naming(self: &Arc<Self>, known_as: &str) -> Arc<Self> {
        match &**self {
            Self::Speech(speech) => {
                Arc::new(Self::Speech(Speech { voice: known_as.to_owned(), ..speech.clone() }))
            }
            Self::CloneVoice(_) => Arc::clone(self),
        }
    }
}

/// A result, as an upstream gives it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Output {
    /// Speech.
    Audio(Audio),
    /// A cloned voice.
    Voice(ClonedVoice),
}

/// What is known of a result without its bytes: it is kept beside them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Made {
    /// Speech, with what was found in it.
    Audio(Sound),
    /// A cloned voice.
    Voice(MadeVoice),
}

/// What a completed job gave, its tasks' results joined in their order.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum JobResult {
    /// Speech, joined in order.
    Speech {
        /// The audio.
        audio: Bytes,
        /// Its media type.
        content_type: String,
        /// Its length in milliseconds.
        duration_ms: u64,
        /// Subtitles as SubRip, where they were asked for and given.
        srt: Option<String>,
    },
    /// A cloned voice, to be named in [`crate::work::Request::cloned_voice`].
    Voice {
        /// Its id.
        voice: VoiceId,
    },
}

/// What a completed job gave, without the bytes of its tasks' results.
pub(crate) enum JobMade {
    /// Audio to be joined, each piece with its task and where it is.
    Speech(Vec<(TaskId, Sound, Kept)>),
    /// A voice.
    Voice(VoiceId),
}

impl JobMade {
    /// Of the results of its tasks, in their order.
    ///
    /// # Errors
    /// The place of one that should have bytes and has none.
    pub(crate) fn of(heads: Vec<OutputHead>) -> Result<Self, usize> {
        let mut pieces = Vec::with_capacity(heads.len());
        for (place, OutputHead { task, made, kept }) in heads.into_iter().enumerate() {
            match made {
                Made::Voice(voice) => return Ok(Self::Voice(voice.id)),
                Made::Audio(sound) => pieces.push((task, sound, kept.ok_or(place)?)),
            }
        }
        Ok(Self::Speech(pieces))
    }

    /// The pieces of what it says; none of work that gives no speech.
    pub(crate) fn speech(self) -> Option<Vec<(TaskId, Sound, Kept)>> {
        match self {
            Self::Speech(pieces) => Some(pieces),
            Self::Voice(_) => None,
        }
    }
}

/// A result that came and is to be settled.
pub(crate) enum Came {
    /// Its bytes are to be read first: they decide what it is, and whether it can be delivered.
    ToRead {
        /// The bytes.
        body: Body,
        /// A text beside them.
        text: Option<String>,
        /// The media type that the upstream says.
        content_type: String,
        /// What reads them.
        reader: BodyReader,
    },
    /// It has no bytes.
    Known(Made),
}

impl Output {
    /// The result of this work, which came; a voice gets the id `voice`.
    pub(crate) fn came(self, work: &Work, voice: impl FnOnce() -> VoiceId) -> Came {
        match self {
            Self::Audio(Audio { body, content_type, srt }) => {
                let reader = BodyReader::Audio(Box::default());
                Came::ToRead { body, text: srt, content_type, reader }
            }
            Self::Voice(made) => Came::Known(Made::Voice(made.named_by(work, voice()))),
        }
    }
}

/// Reads the bytes of a result, each kind those of its own.
pub(crate) enum BodyReader {
    /// Those of speech.
    Audio(Box<AudioReader>),
}

impl BodyReader {
    /// Reads bytes that are at hand as a whole.
    ///
    /// # Errors
    /// Why they cannot be delivered.
    pub(crate) fn read_whole(self, bytes: &[u8]) -> Result<Made, String> {
        match self {
            Self::Audio(_) => Sound::read(bytes).map(Made::Audio).map_err(|error| error.to_string()),
        }
    }

    /// Reads the bytes that follow those before.
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        match self {
            Self::Audio(reader) => reader.push(bytes),
        }
    }

    /// What was found, after the last bytes.
    ///
    /// # Errors
    /// Why they cannot be delivered.
    pub(crate) fn finish(self) -> Result<Made, String> {
        match self {
            Self::Audio(reader) => reader.finish().map(Made::Audio).map_err(|error| error.to_string()),
        }
    }
}

impl Made {
    /// What was done.
    #[must_use]
    pub const fn operation(&self) -> Operation {
        match self {
            Self::Audio(_) => Operation::Speech,
            Self::Voice(_) => Operation::CloneVoice,
        }
    }

    /// Whether results of its kind have bytes.
    #[must_use]
    pub const fn has_bytes(&self) -> bool {
        match self {
            Self::Audio(_) => true,
            Self::Voice(_) => false,
        }
    }

    /// What was found in audio.
    #[must_use]
    pub const fn sound(&self) -> Option<&Sound> {
        match self {
            Self::Audio(sound) => Some(sound),
            Self::Voice(_) => None,
        }
    }

    /// The layout that all results of a job must have to be joined.
    #[must_use]
    pub fn layout(&self) -> Option<Layout> {
        self.sound().map(|sound| sound.layout)
    }

    /// A voice that was made.
    #[must_use]
    pub const fn voice(&self) -> Option<&MadeVoice> {
        match self {
            Self::Audio(_) => None,
            Self::Voice(voice) => Some(voice),
        }
    }

    /// What was measured: what the upstream said of it, but for what its bytes tell.
    #[must_use]
    pub fn measured(&self, said: Counts) -> Counts {
        match self {
            Self::Audio(sound) => sound.measured(said),
            Self::Voice(_) => said,
        }
    }
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
        let mut asked = match self {
            Self::Speech(speech) => speech.asks_for(),
            Self::CloneVoice(_) => BTreeSet::new(),
        };
        asked.insert(Ability::Do(self.operation()));
        asked
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
