//! A task: one call's worth of a job.

use std::{sync::Arc, time::Duration};

use serde::{Deserialize, Serialize};

use super::{Doubt, Job};
use crate::{
    clock::Timestamp,
    failure::{Failure, FailureKind, Reached},
    id::{AttemptId, JobId, KeyId, Route, TaskId, TenantId, UserId},
    keys::PoolId,
    lane::Lane,
    measure::Quantities,
    message::Message,
    money::Amount,
    pricing::RoutePrice,
};

/// One call's worth of a job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Task {
    /// Its id.
    pub id: TaskId,
    /// Its job.
    pub job: JobId,
    /// The user's tenant.
    pub tenant: TenantId,
    /// Who asked.
    pub user: UserId,
    /// Its place among the job's tasks, from 0; results are joined in this order.
    pub place: u32,
    /// Where it is.
    pub state: TaskState,
    /// The routes that may do it, with the prices frozen when it was admitted.
    pub routes: Arc<[TaskRoute]>,
    /// Which of `routes` it is planned on, or was done on.
    pub planned: u8,
    /// Why it is planned there.
    pub cause: RouteCause,
    /// The one key that can do it, for voices that live on one account.
    pub only_key: Option<KeyId>,
    /// How much of each measure it has.
    pub quantities: Quantities,
    /// How heavy the user's orders weigh in the queue.
    pub weight: u32,
    /// Attempts that may have reached an upstream.
    pub reached: u8,
    /// Attempts in all.
    pub attempts: u8,
    /// How many of `reached` were before the last retry of its job that it was part of.
    pub reached_before: u8,
    /// How many of `attempts` were before that.
    pub attempts_before: u8,
    /// Keys that were tried.
    pub tried: Vec<KeyId>,
    /// Which of `routes` cannot do it, a bit each.
    pub unfit_routes: u64,
    /// Whether an upstream may have done it already, and the answer was lost.
    pub doubt: Doubt,
    /// What was charged for it.
    pub charged: Amount,
    /// What of that was refunded.
    pub refunded: Amount,
    /// When it was admitted.
    pub created_at: Timestamp,
    /// When it ended.
    pub finished_at: Option<Timestamp>,
}

/// Why a task is on its route.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RouteCause {
    /// The split chose it when the task was queued by a command: by its submit, or by a retry of its job.
    Planned,
    /// The route before it failed the task, or did not serve.
    Moved,
}

impl RouteCause {
    /// Every cause.
    pub const ALL: [Self; 2] = [Self::Planned, Self::Moved];

    /// The cause's name in tables.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Planned => "planned",
            Self::Moved => "moved",
        }
    }
}

/// A route that may do a task.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskRoute {
    /// The route and what the task costs there.
    pub card: RoutePrice,
    /// Whose keys do it there.
    pub lane: Lane,
    /// What the task names is known as there: the upstream's id of the voice. Empty for work that names nothing.
    pub known_as: Arc<str>,
}

impl TaskRoute {
    /// The route.
    #[must_use]
    pub const fn route(&self) -> &Route {
        self.card.route()
    }
}

/// Where a task is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TaskState {
    /// Waits in a pool for a key.
    Ready {
        /// The pool.
        pool: PoolId,
        /// Its place in the pool's virtual time.
        tag: i64,
    },
    /// Waits for an instant, then for a key.
    Delayed {
        /// The pool that it will wait in.
        pool: PoolId,
        /// Not before then.
        until: Timestamp,
    },
    /// Is being tried.
    Running {
        /// By which attempt.
        attempt: AttemptId,
    },
    /// Has its result.
    Done,
    /// Ended without.
    Failed {
        /// Why.
        error: TaskError,
    },
    /// Ended before it was tried to the end, because its job was cancelled.
    Cancelled,
}

/// Why a task failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum TaskError {
    /// An upstream refused it, or the last attempt failed.
    #[error("upstream failed it ({kind:?}): {message}")]
    Upstream {
        /// What kind of failure.
        kind: FailureKind,
        /// The upstream's words, scrubbed.
        message: String,
    },
    /// Its job's deadline passed before it could run.
    #[error("not done before the job's deadline")]
    DeadlinePassed,
    /// It may have been done and charged upstream, and the answer is lost.
    #[error("sent, and the answer is lost; it is not sent again")]
    AnswerLost,
    /// No route that it was admitted for is left.
    #[error("no route that it was admitted for is left")]
    NoRoute,
}

impl TaskError {
    /// The end that this failure is, when nothing more is tried.
    #[must_use]
    pub fn of(failure: &Failure) -> Self {
        match failure.kind {
            FailureKind::Unknown => Self::AnswerLost,
            kind => Self::Upstream { kind, message: failure.message.clone() },
        }
    }

    /// What the user may be told.
    #[must_use]
    pub fn message(&self) -> Message {
        match self {
            Self::DeadlinePassed => Message::DeadlinePassed,
            Self::Upstream { kind: FailureKind::BadRequest | FailureKind::NotAllowed, .. } => {
                Message::BadRequest
            }
            Self::Upstream { kind: FailureKind::Policy, .. } => Message::ContentRefused,
            Self::Upstream { kind: FailureKind::TooLarge, .. } => Message::ResultTooLarge,
            Self::Upstream { .. } | Self::AnswerLost | Self::NoRoute => Message::UpstreamFailed,
        }
    }
}

/// What happens to a task after an attempt without a result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// Another key, as soon as one is free.
    Again,
    /// Another key, after a pause.
    After(Duration),
    /// Nothing more.
    Fail(TaskError),
}

// The attempts of every round of a job are counted in one byte.
const _: () = assert!(Task::ATTEMPTS_MAX as u32 * (Job::RETRIES_MAX + 1) <= u8::MAX as u32);

impl Task {
    /// Most attempts that may have reached an upstream, anew after each retry of its job.
    pub const REACHED_MAX: u8 = 3;
    /// So many keys of a route at most are asked for what their plan or permissions may not allow.
    pub const NOT_ALLOWED_KEYS_MAX: u32 = 3;
    /// Most attempts, anew after each retry of its job: refusals that prove that nothing was done do not count against
    /// the three.
    pub const ATTEMPTS_MAX: u8 = 20;
    /// The pause before the second try after a busy upstream; doubles with each.
    pub const BUSY_PAUSE: Duration = Duration::from_secs(1);
    /// The longest such pause: the source's 60 s between retries.
    pub const BUSY_PAUSE_MAX: Duration = Duration::from_secs(60);

    /// The route that it is planned on, or was done on.
    #[must_use]
    pub fn planned_route(&self) -> &TaskRoute {
        &self.routes[usize::from(self.planned)]
    }

    /// The pool that it queues in when it is planned on that route.
    #[must_use]
    pub fn pool_of(&self, route: &Route) -> PoolId {
        self.only_key.map_or_else(|| PoolId::shared(route), PoolId::of_key)
    }

    /// Whether it has ended.
    #[must_use]
    pub const fn is_ended(&self) -> bool {
        matches!(self.state, TaskState::Done | TaskState::Failed { .. } | TaskState::Cancelled)
    }

    /// Attempts since it was queued by a command: by its submit, or by the last retry that it was part of.
    #[must_use]
    pub const fn attempts_now(&self) -> u8 {
        self.attempts.saturating_sub(self.attempts_before)
    }

    /// Whether an upstream may have made it already, and charged for it: an answer was lost, or what it made could not
    /// be used.
    #[must_use]
    pub fn may_have_been_made(&self) -> bool {
        let was_unusable = matches!(
            &self.state,
            TaskState::Failed {
                error: TaskError::Upstream { kind: FailureKind::TooLarge | FailureKind::Undeliverable, .. }
            }
        );
        was_unusable || self.doubt == Doubt::PossibleDouble
    }

    /// Queues a failed task again, as if it were new: every route may be able to do it, and it has all its attempts.
    /// What is known of earlier ones stays: their numbers, the keys that were tried, and the doubt.
    pub fn retry(&mut self, planned: u8, state: TaskState) {
        if self.may_have_been_made() {
            self.doubt = Doubt::PossibleDouble;
        }
        self.state = state;
        (self.planned, self.cause) = (planned, RouteCause::Planned);
        self.unfit_routes = 0;
        (self.reached_before, self.attempts_before) = (self.reached, self.attempts);
        self.finished_at = None;
    }

    /// Plans it on that one of its routes; another one than before is a move.
    pub const fn go_to(&mut self, place: u8) {
        if self.planned != place {
            (self.planned, self.cause) = (place, RouteCause::Moved);
        }
    }

    /// What follows a failed attempt, which is counted already.
    #[must_use]
    pub fn after_failure(&self, failure: &Failure) -> Next {
        let fail = || Next::Fail(TaskError::of(failure));
        let reached = self.reached.saturating_sub(self.reached_before);
        if reached >= Self::REACHED_MAX || self.attempts_now() >= Self::ATTEMPTS_MAX {
            return fail();
        }
        match failure.kind {
            FailureKind::BadRequest | FailureKind::Policy | FailureKind::TooLarge => fail(),
            // One key in doubt is no outage. When the next one is in doubt too, its attempts would be spent in vain.
            FailureKind::KeyDoubtful if self.attempts_now() > 1 => self.after_pause(failure),
            // Another key or route may be able to; the caller fails it when there is none.
            FailureKind::NotAllowed
            | FailureKind::Unsupported
            | FailureKind::KeyDead
            | FailureKind::KeyDoubtful
            | FailureKind::OutOfCredit
            | FailureKind::KeyRateLimited
            | FailureKind::AccountRateLimited
            | FailureKind::EgressRateLimited
            | FailureKind::Undeliverable
            | FailureKind::Unknown => Next::Again,
            FailureKind::Busy => self.after_pause(failure),
        }
    }

    /// Again, after a pause that doubles with each attempt, and never before the upstream wants to be asked.
    fn after_pause(&self, failure: &Failure) -> Next {
        let doublings = u32::from(self.attempts_now().saturating_sub(1)).min(6);
        let pause = Self::BUSY_PAUSE.saturating_mul(1 << doublings).min(Self::BUSY_PAUSE_MAX);
        Next::After(pause.max(failure.wait().unwrap_or_default()))
    }

    /// Remembers that the planned route cannot do it.
    pub fn note_unfit(&mut self) {
        self.unfit_routes |= 1 << self.planned;
    }

    /// Whether one of its routes, by its place, may be able to do it.
    #[must_use]
    pub fn is_fit(&self, place: usize) -> bool {
        self.unfit_routes & (1 << place) == 0
    }

    /// Remembers that `key` was tried.
    pub fn note_tried(&mut self, key: KeyId) {
        if !self.tried.contains(&key) {
            self.tried.push(key);
        }
    }

    /// Counts an attempt that ended without a result, by whether it may have reached the upstream. What may still be
    /// done and charged there puts every later attempt in doubt.
    pub fn count_reached(&mut self, reached: Reached) {
        match reached {
            Reached::No => {}
            Reached::Maybe => {
                self.reached = self.reached.saturating_add(1);
                self.doubt = Doubt::PossibleDouble;
            }
            Reached::Yes => self.reached = self.reached.saturating_add(1),
        }
    }
}
