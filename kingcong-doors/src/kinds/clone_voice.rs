//! Voices that are made from a recording.

use bytes::Bytes;
use kingcong_core::{
    Request,
    work::{self, CloneVoice, ClonedVoice, Output},
};
use serde::{Deserialize, Serialize};

/// A voice to be made; its recording comes beside the JSON.
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "description", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(crate) struct AskedVoice {
    name: String,
    content_type: String,
    preview_text: Option<String>,
}

impl AskedVoice {
    pub(super) fn request(self, user: &str, sample: Bytes) -> Request<work::AskedVoice> {
        let request = Request::clone_voice(user, self.name, sample, self.content_type);
        match self.preview_text {
            Some(text) => request.preview_text(text),
            None => request,
        }
    }
}

/// A voice that a host is to make; its recording comes beside.
#[derive(Serialize)]
pub(crate) struct CloneVoiceView<'a> {
    name: &'a str,
    content_type: &'a str,
    preview_text: Option<&'a str>,
}

impl<'a> From<&'a CloneVoice> for CloneVoiceView<'a> {
    fn from(clone: &'a CloneVoice) -> Self {
        Self {
            name: &clone.name,
            content_type: &clone.content_type,
            preview_text: clone.preview_text.as_deref(),
        }
    }
}

/// A voice that a host made.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct GivenVoice {
    voice: String,
}

impl GivenVoice {
    pub(super) fn output(self) -> Output {
        Output::Voice(ClonedVoice { voice: self.voice })
    }
}
