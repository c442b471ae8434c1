//! The kinds of work as faces ask for them and as hosts do them, each in a file of its own. The enums over all kinds
//! stand here.

mod clone_voice;
mod speech;

use bytes::Bytes;
use kingcong_core::{
    Request,
    failure::Failure,
    work::{Body, JobResult, Made, Output, StoredOutput, Work},
};
use serde::{Deserialize, Serialize};

use crate::{
    answer::Milliseconds,
    host::{AcceptedAs, HostFailure, Percent},
    problem::Problem,
};

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

/// What a host is told that it is to do.
#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum WorkView<'a> {
    Speech(&'a kingcong_core::work::Speech),
    CloneVoice(clone_voice::CloneVoiceView<'a>),
}

impl<'a> WorkView<'a> {
    /// The view of work, and the recording that is told beside it; none of a kind that faces do not know.
    pub(crate) fn of(work: &'a Work) -> Option<(Self, Option<Bytes>)> {
        match work {
            Work::Speech(speech) => Some((Self::Speech(speech), None)),
            Work::CloneVoice(clone) => Some((Self::CloneVoice(clone.into()), Some(clone.sample.clone()))),
            _ => None,
        }
    }
}

/// What a host's call gave: a result, or where its work is.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum HostResult {
    Audio(speech::GivenAudio),
    Voice(clone_voice::GivenVoice),
    /// The upstream took the work, under this id.
    Accepted {
        upstream_id: AcceptedAs,
    },
    /// The upstream still works on what it took.
    Running {
        percent: Option<Percent>,
    },
    /// The upstream ended what it took without a result.
    Failed(HostFailure),
}

impl HostResult {
    /// The result of this work. A `body` is kept where the result is one that has bytes. With a result of another
    /// kind nobody knows what the upstream did.
    pub(crate) async fn output(
        self,
        work: &Work,
        body: impl Future<Output = Result<Body, Failure>> + Send,
    ) -> Result<Output, Failure> {
        let asked = match (self, work) {
            (Self::Audio(audio), Work::Speech(_)) => return Ok(audio.output(body.await?)),
            (Self::Voice(voice), Work::CloneVoice(_)) => return Ok(voice.output()),
            (_, Work::Speech(_)) => "audio",
            (_, Work::CloneVoice(_)) => "a voice",
            _ => "that of its work",
        };
        Err(HostFailure::unknown(format!("the provider answered with another result than {asked}")).into())
    }
}

/// A result; the bytes come beside it.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "description", derive(schemars::JsonSchema))]
#[serde(tag = "kind", rename_all = "snake_case")]
pub(crate) enum JobResultView {
    Speech { content_type: String, duration_ms: Milliseconds, srt: Option<String> },
    Voice { voice: String },
}

impl JobResultView {
    /// The view of a job's result, and its bytes; none of a kind that faces do not know.
    pub(crate) fn of_job(result: JobResult) -> Option<(Self, Option<Bytes>)> {
        match result {
            JobResult::Speech { audio, content_type, duration_ms, srt } => {
                let duration_ms = Milliseconds(duration_ms);
                Some((Self::Speech { content_type, duration_ms, srt }, Some(audio)))
            }
            JobResult::Voice { voice } => Some((Self::Voice { voice: voice.to_string() }, None)),
            _ => None,
        }
    }

    /// The view of one task's result, and where its bytes are.
    pub(crate) fn of_task(output: StoredOutput) -> Option<(Self, Option<Body>)> {
        let view = match output.made {
            Made::Audio(sound) => Self::Speech {
                content_type: sound.layout.coding.content_type().to_owned(),
                duration_ms: Milliseconds(sound.duration_ms()),
                srt: output.text,
            },
            Made::Voice(voice) => Self::Voice { voice: voice.id.to_string() },
            _ => return None,
        };
        Some((view, output.body))
    }
}
