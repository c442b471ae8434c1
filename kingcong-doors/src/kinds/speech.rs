//! Speech.

use std::{collections::BTreeMap, num::NonZeroU16};

use kingcong_core::{
    Request,
    id::{ServerId, VoiceId},
    work::{self, Audio, AudioFormat, Body, Output, Subtitles, TASKS_MAX, VoiceSettings},
};
use serde::Deserialize;

use crate::{answer::Word, problem::Problem, reading::Within};

/// A text to be spoken.
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "description", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(crate) struct AskedSpeech {
    text: String,
    voice: Option<AskedVoice>,
    model: Option<String>,
    language: Option<String>,
    format: Option<Word<AudioFormat>>,
    subtitles: Option<Word<Subtitles>>,
    settings: Option<AskedSettings>,
    pieces: Option<Within<u16, 1, { TASKS_MAX as u32 }>>,
}

#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "description", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
enum AskedVoice {
    Upstream(String),
    PerServer(
        #[cfg_attr(feature = "description", schemars(with = "BTreeMap<String, String>"))]
        BTreeMap<ServerId, String>,
    ),
    Cloned(String),
}

/// Settings of a voice in hundredths.
#[derive(Debug, Default, Deserialize)]
#[cfg_attr(feature = "description", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
struct AskedSettings {
    stability: Option<Within<u8, 0, 100>>,
    similarity: Option<Within<u8, 0, 100>>,
    style: Option<Within<u8, 0, 100>>,
    speed: Option<Within<u16, 50, 200>>,
}

impl AskedSettings {
    fn settings(self) -> VoiceSettings {
        VoiceSettings {
            stability: self.stability.map(|within| within.0),
            similarity: self.similarity.map(|within| within.0),
            style: self.style.map(|within| within.0),
            speed: self.speed.map(|within| within.0),
        }
    }
}

impl AskedSpeech {
    pub(super) fn request(self, user: &str) -> Result<Request<work::AskedSpeech>, Problem> {
        let mut request = Request::speech(user, self.text);
        match self.voice {
            None => {}
            Some(AskedVoice::Upstream(voice)) => request = request.voice(voice),
            Some(AskedVoice::PerServer(voices)) => request = request.voice_per_server(voices),
            Some(AskedVoice::Cloned(id)) => request = request.cloned_voice(id.parse::<VoiceId>()?),
        }
        if let Some(model) = self.model {
            request = request.model(model);
        }
        if let Some(language) = self.language {
            request = request.language(language);
        }
        if let Some(pieces) = self.pieces.and_then(|within| NonZeroU16::new(within.0)) {
            request = request.pieces(pieces);
        }
        Ok(request
            .format(self.format.map(|format| format.0).unwrap_or_default())
            .subtitles(self.subtitles.map(|subtitles| subtitles.0).unwrap_or_default())
            .settings(self.settings.unwrap_or_default().settings()))
    }
}

/// Audio that a host made; its bytes come beside.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct GivenAudio {
    content_type: String,
    srt: Option<String>,
}

impl GivenAudio {
    pub(super) fn output(self, body: Body) -> Output {
        Output::Audio(Audio { body, content_type: self.content_type, srt: self.srt })
    }
}
