//! An attempt: one try of one task with one key. Its row is the lease, the record for recovery after a crash and
//! the usage record.

use serde::{Deserialize, Serialize};

use crate::{
    clock::Timestamp,
    failure::FailureKind,
    id::{AttemptId, JobId, KeyId, LimitId, Route, TaskId, TenantId, UserId, WorkerId},
    lane::Lane,
    measure::Measured,
    money::{Amount, Unit},
    operation::Operation,
    pricing::Checked,
    upstream::{UpstreamCredits, UpstreamId},
};

use super::RouteCause;

/// One try of one task with one key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// Its id; it begins with the milliseconds of `leased_at`, so attempts in the order of their ids are in the order
    /// of their leases.
    pub id: AttemptId,
    /// Its task.
    pub task: TaskId,
    /// The task's job.
    pub job: JobId,
    /// The user's tenant.
    pub tenant: TenantId,
    /// Who asked.
    pub user: UserId,
    /// What is done.
    pub operation: Operation,
    /// The upstream's model that was asked for; none: the upstream's default.
    pub model: Option<String>,
    /// What `charged` and `over_hold` are paid in.
    pub unit: Unit,
    /// Whose keys it was made with.
    pub lane: Lane,
    /// Why the task was on the route.
    pub cause: RouteCause,
    /// The route.
    pub route: Route,
    /// The key.
    pub key: KeyId,
    /// The account's limit that it passed beside its key's.
    pub account_limit: Option<LimitId>,
    /// The limit of its server seen from our address that it passed.
    pub egress_limit: Option<LimitId>,
    /// Who works on it; `None` when it has ended.
    pub worker: Option<WorkerId>,
    /// Where it is.
    pub state: AttemptState,
    /// When it was leased, in the store's time.
    pub leased_at: Timestamp,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
    /// What the upstream says it cost.
    pub cost: Option<UpstreamCredits>,
    /// What the user was charged.
    pub charged: Amount,
    /// What of its price the user was not charged because the job's hold was used up, rounded up: the operator's cost.
    pub over_hold: Amount,
    /// What the upstream measured.
    pub measured: Measured,
    /// What is to be said of that.
    pub check: Checked,
    /// Whether an earlier attempt of the task may have been done and charged upstream too.
    pub possible_double: Doubt,
}

/// Whether an upstream may have done a task twice.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Doubt {
    /// It did not.
    #[default]
    None,
    /// An earlier attempt was sent and its answer lost.
    PossibleDouble,
}

/// Where an attempt is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AttemptState {
    /// Leased: sent within the send slack, or given back.
    Leased,
    /// The upstream took it; poll for it under this id.
    Accepted {
        /// The upstream's id.
        upstream_id: UpstreamId,
    },
    /// Sent, and no answer that tells what became of it; its slots stay taken until the upstream must have ended.
    Unknown {
        /// When that is.
        until: Timestamp,
    },
    /// Over.
    Ended(Ending),
}

/// How an attempt ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ending {
    /// With a result.
    Done,
    /// It never left.
    NotSent,
    /// The upstream failed it.
    Failed {
        /// What kind of failure.
        kind: FailureKind,
        /// The upstream's code.
        code: Option<String>,
        /// The upstream's words, scrubbed.
        message: String,
    },
    /// Its answer was lost for good.
    Lost,
}

impl Attempt {
    /// Whether it still takes up its slots.
    #[must_use]
    pub const fn is_open(&self) -> bool {
        !matches!(self.state, AttemptState::Ended(_))
    }

    /// The tenant that the key belongs to; none: the operator.
    #[must_use]
    pub const fn key_tenant(&self) -> Option<&TenantId> {
        match self.lane {
            Lane::Shared => None,
        }
    }

    /// The upstream's id, once the upstream took it.
    #[must_use]
    pub const fn upstream_id(&self) -> Option<&UpstreamId> {
        match &self.state {
            AttemptState::Accepted { upstream_id } => Some(upstream_id),
            _ => None,
        }
    }
}
