//! Voices that are made from a recording.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::{
    super::{Request, RequestError, StoredOutput, request::out_of_bounds},
    Ask, Made, Work,
    speech::Text,
};
use crate::{id::VoiceId, label::Label};

/// A voice to be made from a recording, as it is asked for.
#[derive(Clone, Debug, Serialize)]
pub struct AskedVoice {
    /// What the voice is to be called.
    name: String,
    sample: Bytes,
    content_type: String,
    preview_text: Option<String>,
}

impl From<Request<AskedVoice>> for Request {
    fn from(request: Request<AskedVoice>) -> Self {
        request.of_any_kind(Ask::CloneVoice)
    }
}

impl Request<AskedVoice> {
    /// Largest recording in bytes: MiniMax takes 20 MB.
    pub const SAMPLE_BYTES_MAX: usize = 20 * 1024 * 1024;

    /// Asks for a voice to be made from a recording of this media type.
    #[must_use]
    pub fn clone_voice(
        user: impl AsRef<str>,
        name: impl Into<String>,
        sample: impl Into<Bytes>,
        content_type: impl Into<String>,
    ) -> Self {
        let (name, sample, content_type) = (name.into(), sample.into(), content_type.into());
        Self::new(user.as_ref(), AskedVoice { name, sample, content_type, preview_text: None })
    }

    /// With this text for a preview, where the upstream makes one.
    #[must_use]
    pub fn preview_text(mut self, text: impl Into<String>) -> Self {
        self.ask.preview_text = Some(text.into());
        self
    }
}

impl AskedVoice {
    pub(super) fn bytes(&self) -> usize {
        self.sample.len() + self.preview_text.as_ref().map_or(0, String::len)
    }

    pub(super) fn check(&self) -> Result<CloneVoice, RequestError> {
        let Self { name, sample, content_type, preview_text } = self;
        let name = Label::<{ Request::FIELD_BYTES_MAX }>::new("voice name", name.as_str())?;
        if sample.is_empty() || sample.len() > Request::SAMPLE_BYTES_MAX {
            let bounds = format!("1 to {} bytes", Request::SAMPLE_BYTES_MAX);
            return Err(out_of_bounds("sample of", format!("{} bytes", sample.len()), bounds));
        }
        if !content_type.starts_with("audio/") || content_type.len() > Request::FIELD_BYTES_MAX {
            return Err(out_of_bounds("content type", format!("{content_type:?}"), "of audio/…".into()));
        }
        if let Some(text) = preview_text {
            Text::new(text.as_str())?;
        }
        Ok(CloneVoice {
            name: name.into(),
            sample: sample.clone(),
            content_type: content_type.clone(),
            preview_text: preview_text.clone(),
        })
    }
}

/// A voice to make from a recording.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CloneVoice {
    /// What the voice is to be called.
    pub name: String,
    /// The recording; as text in base64.
    #[serde(with = "as_base64")]
    pub sample: Bytes,
    /// The recording's media type, such as `audio/mpeg`.
    pub content_type: String,
    /// A text for the upstream's preview, where it makes one.
    pub preview_text: Option<String>,
}

/// Bytes as base64, a third larger than they are; as a list of numbers they would be four times as large.
mod as_base64 {
    use base64ct::{Base64, Encoding};
    use bytes::Bytes;
    use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

    pub(super) fn serialize<S: Serializer>(bytes: &Bytes, serializer: S) -> Result<S::Ok, S::Error> {
        Base64::encode_string(bytes).serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Bytes, D::Error> {
        let text = String::deserialize(deserializer)?;
        Base64::decode_vec(&text).map(Bytes::from).map_err(|_| D::Error::custom("a recording is not base64"))
    }
}

/// A cloned voice, as an upstream gives it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClonedVoice {
    /// The upstream's id of it; lives on the account that made it.
    pub voice: String,
}

impl ClonedVoice {
    /// The voice under the library's id, with the name that the work asked for.
    pub(super) fn named_by(self, work: &Work, id: VoiceId) -> MadeVoice {
        let name = match work {
            Work::CloneVoice(clone) => clone.name.clone(),
            _ => String::new(),
        };
        MadeVoice { id, upstream_voice: self.voice, name }
    }
}

/// A cloned voice as it is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MadeVoice {
    /// The library's id for it.
    pub id: VoiceId,
    /// The upstream's id, on the account of the key that made it.
    pub upstream_voice: String,
    /// What the user called it.
    pub name: String,
}

impl MadeVoice {
    /// The voice as a result that is stored.
    #[must_use]
    pub const fn stored(self) -> StoredOutput {
        StoredOutput { made: Made::Voice(self), body: None, text: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_recording_is_written_as_base64_and_reads_back() {
        let (sample, content_type) = (Bytes::from_static(&[0, 255, 7]), "audio/mpeg".to_owned());
        let clone = CloneVoice { name: "An".into(), sample, content_type, preview_text: None };
        let text = serde_json::to_string(&clone).unwrap();
        assert!(text.contains("\"AP8H\""), "{text}");
        assert_eq!(serde_json::from_str::<CloneVoice>(&text).unwrap(), clone);
    }
}
