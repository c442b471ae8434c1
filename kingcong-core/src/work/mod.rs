//! Work: a request becomes a job of tasks, a task is tried in attempts.
//!
//! Their states are enums with data, and they change only through the functions here.

mod attempt;
mod idempotency;
mod job;
mod plan;
mod request;
mod task;
mod text;

pub use attempt::{Attempt, AttemptState, Doubt, Ending};
pub use idempotency::{IdempotencyKey, InvalidIdempotencyKey};
pub use job::{Job, JobState, TaskResult};
pub use plan::{KnownVoice, Plan, PlanBasis, PlanError, PlannedTask};
pub use request::{CheckedRequest, Order, Payer, Request, RequestError, Subject, VoiceChoice};
pub use task::{Next, Task, TaskError, TaskRoute, TaskState};
pub use text::{Cut, CutError, TASKS_MAX, TEXT_CHARACTERS_MAX, Text, TextError};
