//! Voices that are made from a recording.

use bytes::Bytes;
use kingcong_core::{Request, work};
use serde::Deserialize;

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
