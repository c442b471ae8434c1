//! Results as they are kept, whatever their kind: what is known of them, their bytes, and a text beside these.

use std::{fmt, path::PathBuf};

use bytes::Bytes;

use super::Made;
use crate::id::TaskId;

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

impl Body {
    /// Where the bytes are kept.
    #[must_use]
    pub fn kept(&self) -> Kept {
        match self {
            Self::Memory(bytes) => Kept::Store { bytes: bytes.len() as u64 },
            Self::File { path, bytes } => Kept::File { path: path.clone(), bytes: *bytes },
        }
    }
}

/// A result as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredOutput {
    /// What is known of it, by its kind.
    pub made: Made,
    /// Its bytes; none where [its kind has none](Made::has_bytes).
    pub body: Option<Body>,
    /// A text beside the bytes, such as subtitles as SubRip.
    pub text: Option<String>,
}

impl StoredOutput {
    /// A result of these parts; none where its kind has others.
    #[must_use]
    pub fn of(made: Made, body: Option<Body>, text: Option<String>) -> Option<Self> {
        let is_whole = made.has_bytes() == body.is_some() && (body.is_some() || text.is_none());
        is_whole.then_some(Self { made, body, text })
    }

    /// The same without its bytes and text.
    #[must_use]
    pub fn head(&self, task: TaskId) -> OutputHead {
        OutputHead { task, made: self.made.clone(), kept: self.body.as_ref().map(Body::kept) }
    }
}

/// A task's result without its bytes and text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutputHead {
    /// The task.
    pub task: TaskId,
    /// What is known of it.
    pub made: Made,
    /// Where its bytes are; none where its kind has none.
    pub kept: Option<Kept>,
}

/// Where the bytes of a result are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kept {
    /// In the store.
    Store {
        /// How many there are.
        bytes: u64,
    },
    /// In a file.
    File {
        /// The file.
        path: PathBuf,
        /// Its length in bytes, as it was when the result was settled.
        bytes: u64,
    },
}

impl Kept {
    /// How many bytes there are.
    #[must_use]
    pub const fn bytes(&self) -> u64 {
        match self {
            Self::Store { bytes } | Self::File { bytes, .. } => *bytes,
        }
    }
}

impl fmt::Display for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Store { .. } => f.write_str("the store"),
            Self::File { path, .. } => write!(f, "the file {path:?}"),
        }
    }
}
