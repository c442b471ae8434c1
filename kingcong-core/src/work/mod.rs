//! Work: a request becomes a job of tasks, a task is tried in attempts.
//!
//! Their states are enums with data, and they change only through the functions here.

mod attempt;
mod capability;
mod idempotency;
mod job;
mod kinds;
mod output;
mod plan;
mod polling;
mod request;
mod task;

pub(crate) use kinds::{BodyReader, Came, JobMade, speech::wav_header};

pub use attempt::{Attempt, AttemptState, Doubt, Ending};
pub use capability::{Ability, Capabilities, InvalidMp3Layout, Mp3Layout};
pub use idempotency::{IdempotencyKey, InvalidIdempotencyKey};
pub use job::{Job, JobState, TaskResult};
pub use kinds::{
    Ask, AskedSpeech, AskedVoice, Audio, AudioFormat, CheckedAsk, CheckedSpeech, CloneVoice, ClonedVoice,
    JobResult, Made, MadeVoice, Output, Speech, Subtitles, VoiceChoice, VoiceSettings, Work,
    speech::{
        AUDIO_MS_PER_CHARACTER_MAX, AUDIO_MS_PER_TASK_MAX, AbbreviationError, Abbreviations, AudioError,
        AudioReader, Coding, Cut, CutError, JOINED_BYTES_MAX, JoinError, Joined, Layout, Pace, Part,
        RangeError, Sound, TASKS_MAX, TEXT_CHARACTERS_MAX, Text, TextError, WavSamples, audio_ms_bound,
        join_srt, quantities as speech_quantities,
    },
};
pub use output::{Body, Kept, OutputHead, StoredOutput};
pub use plan::{FrozenQuote, KnownVoice, Plan, PlanBasis, PlanError, PlannedTask};
pub use polling::{Awaited, Experience, WAIT_HALF, WAIT_MAX, due_at};
pub use request::{CheckedRequest, Payer, Request, RequestError};
pub use task::{Next, RouteCause, Task, TaskError, TaskRoute, TaskState};
