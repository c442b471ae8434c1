//! Work: a request becomes a job of tasks, a task is tried in attempts.
//!
//! Their states are enums with data, and they change only through the functions here.

mod abbreviations;
mod attempt;
mod audio;
mod cut;
mod idempotency;
mod job;
mod join;
mod mp3;
mod pause;
mod plan;
mod polling;
mod request;
mod subtitles;
mod task;
mod text;
mod wav;

pub(crate) use wav::header as wav_header;

pub use abbreviations::{AbbreviationError, Abbreviations};
pub use attempt::{Attempt, AttemptState, Doubt, Ending, Lane};
pub use audio::{AudioError, AudioReader, Coding, Layout, Pace, Sound, WavSamples};
pub use cut::{Cut, CutError};
pub use idempotency::{IdempotencyKey, InvalidIdempotencyKey};
pub use job::{Job, JobState, TaskResult};
pub use join::{JOINED_BYTES_MAX, JoinError, Joined, Part, RangeError};
pub use plan::{FrozenQuote, KnownVoice, Plan, PlanBasis, PlanError, PlannedTask};
pub use polling::{Awaited, Experience, WAIT_HALF, WAIT_MAX, due_at};
pub use request::{CheckedRequest, Order, Payer, Request, RequestError, Subject, VoiceChoice};
pub use subtitles::join_srt;
pub use task::{Next, RouteCause, Task, TaskError, TaskRoute, TaskState};
pub use text::{TASKS_MAX, TEXT_CHARACTERS_MAX, Text, TextError};
