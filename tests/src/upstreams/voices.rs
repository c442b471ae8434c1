//! Voices: the few that every fake server lists, those that clients have cloned, and the recordings they uploaded.

use std::{collections::BTreeMap, time::Duration};

/// Uploaded files that a server remembers.
const FILES_KEPT_MAX: usize = 1_000;

/// A listed voice.
#[derive(Clone, Copy, Debug)]
pub(super) struct Voice {
    pub(super) id: &'static str,
    pub(super) name: &'static str,
    pub(super) gender: &'static str,
    pub(super) language: &'static str,
}

/// ElevenLabs' own ids, as AI33, AI84 and ElevenLabs use them.
pub(super) const ELEVENLABS: [Voice; 4] = [
    Voice { id: "21m00Tcm4TlvDq8ikWAM", name: "Rachel", gender: "female", language: "en" },
    Voice { id: "pNInz6obpgDQGcFmaJgB", name: "Adam", gender: "male", language: "en" },
    Voice { id: "EXAVITQu4vr4xnSDxMaL", name: "Sarah", gender: "female", language: "en" },
    Voice { id: "JBFqnCBsd6RMkjVDRZzb", name: "George", gender: "male", language: "en" },
];

/// MiniMax voices under the numbers that AI33 gives them.
pub(super) const AI33_MINIMAX: [Voice; 3] = [
    Voice { id: "209533299589184", name: "Calm Woman", gender: "female", language: "English" },
    Voice { id: "209533299589185", name: "Deep Man", gender: "male", language: "English" },
    Voice { id: "226893671006276", name: "Lan", gender: "female", language: "Vietnamese" },
];

/// MiniMax's own ids, as MiniMax and AI84 use them.
pub(super) const MINIMAX: [Voice; 3] = [
    Voice {
        id: "English_expressive_narrator",
        name: "Expressive Narrator",
        gender: "male",
        language: "English",
    },
    Voice {
        id: "Vietnamese_kindhearted_girl",
        name: "Kind-hearted Girl",
        gender: "female",
        language: "Vietnamese",
    },
    Voice { id: "Chinese_gentle_lady", name: "Gentle Lady", gender: "female", language: "Chinese" },
];

/// A voice that a client made.
#[derive(Clone, Debug)]
pub(super) struct ClonedVoice {
    pub(super) account: usize,
    pub(super) id: String,
    pub(super) name: String,
    pub(super) made: Duration,
    pub(super) usage: Use,
}

/// Whether a cloned voice has spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Use {
    /// Not yet: unpaid and, at MiniMax, not listed.
    Unused,
    /// It has: paid, and listed.
    Used,
}

/// An uploaded recording or text; only its size is kept.
#[derive(Clone, Debug)]
pub(super) struct UploadedFile {
    pub(super) account: usize,
    pub(super) name: String,
    pub(super) purpose: String,
    pub(super) bytes: u64,
    pub(super) made: Duration,
    /// The content, where it is a text to speak.
    pub(super) text: Option<String>,
}

/// What clients have brought.
#[derive(Debug, Default)]
pub(super) struct VoiceLibrary {
    pub(super) clones: Vec<ClonedVoice>,
    pub(super) files: BTreeMap<u64, UploadedFile>,
    made: u64,
}

impl VoiceLibrary {
    /// A number that was not given before.
    pub(super) fn number(&mut self) -> u64 {
        self.made += 1;
        self.made
    }

    pub(super) fn of(&self, account: usize) -> impl Iterator<Item = &ClonedVoice> {
        self.clones.iter().filter(move |voice| voice.account == account)
    }

    /// Keeps a file; the oldest is forgotten when there are too many.
    pub(super) fn keep(&mut self, id: u64, file: UploadedFile) {
        self.files.insert(id, file);
        if self.files.len() > FILES_KEPT_MAX {
            self.files.pop_first();
        }
    }

    /// Removes an account's voice.
    pub(super) fn remove(&mut self, account: usize, id: &str) -> Option<ClonedVoice> {
        let at = self.clones.iter().position(|voice| voice.account == account && voice.id == id)?;
        Some(self.clones.remove(at))
    }
}
