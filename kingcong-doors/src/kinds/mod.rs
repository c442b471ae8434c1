//! The kinds of work as faces ask for them, each in a file of its own.

mod clone_voice;
mod speech;

use bytes::Bytes;
use kingcong_core::Request;
use serde::Deserialize;

use crate::problem::Problem;

/// What is asked for.
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "description", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub(crate) enum AskedSubject {
    Speech(Box<speech::AskedSpeech>),
    CloneVoice(clone_voice::AskedVoice),
}

impl AskedSubject {
    /// The request of a user; `sample` is the recording that came beside it.
    pub(crate) fn request(self, user: &str, sample: Option<Bytes>) -> Result<Request, Problem> {
        Ok(match self {
            Self::Speech(speech) => speech.request(user)?.into(),
            Self::CloneVoice(voice) => voice.request(user, sample.unwrap_or_default()).into(),
        })
    }
}
