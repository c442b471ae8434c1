//! Usage: what an ended attempt says about what was bought and what was sold. The attempt's row is the record; this
//! is how it is read.

use std::time::Duration;

use serde::Serialize;

use crate::{
    clock::Timestamp,
    id::{AttemptId, JobId, KeyId, Route, TaskId, TenantId, UserId},
    lane::Lane,
    measure::Measured,
    money::{Amount, Unit},
    operation::Operation,
    pricing::Checked,
    upstream::UpstreamCredits,
    work::{Attempt, AttemptState, Doubt, Ending, RouteCause},
};

/// What one ended attempt bought and sold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct UsageRecord {
    /// The attempt.
    pub attempt: AttemptId,
    /// Its task.
    pub task: TaskId,
    /// The task's job.
    pub job: JobId,
    /// The user's tenant.
    pub tenant: TenantId,
    /// Who asked.
    pub user: UserId,
    /// What was done.
    pub operation: Operation,
    /// The upstream's model that was asked for; none: the upstream's default.
    pub model: Option<String>,
    /// The route.
    pub route: Route,
    /// Why the task was on the route.
    pub cause: RouteCause,
    /// Which key was used.
    pub key: KeyId,
    /// Whose keys those of its lane are.
    pub lane: Lane,
    /// The tenant that the key belongs to; none: the operator.
    pub key_tenant: Option<TenantId>,
    /// What the upstream says it cost: what was bought.
    pub cost: Option<UpstreamCredits>,
    /// What `charged` and `over_hold` are paid in.
    pub unit: Unit,
    /// What the user was charged: what was sold.
    pub charged: Amount,
    /// What of its price the user was not charged because the job's hold was used up, rounded up: the operator's cost.
    pub over_hold: Amount,
    /// What the upstream measured.
    pub measured: Measured,
    /// What is to be said of that.
    pub check: Checked,
    /// From the lease to the end.
    pub took: Duration,
    /// When it ended.
    pub ended_at: Timestamp,
    /// How it ended.
    pub ending: Ending,
    /// Whether an earlier attempt of the task may have been done and charged upstream too.
    pub possible_double: Doubt,
}

impl UsageRecord {
    /// The record of an attempt; none while it runs, and none of one that never left.
    #[must_use]
    pub fn of(attempt: &Attempt) -> Option<Self> {
        let AttemptState::Ended(ending) = &attempt.state else { return None };
        if *ending == Ending::NotSent {
            return None;
        }
        let ended_at = attempt.ended_at?;
        Some(Self {
            attempt: attempt.id,
            task: attempt.task,
            job: attempt.job,
            tenant: attempt.tenant.clone(),
            user: attempt.user.clone(),
            operation: attempt.operation,
            model: attempt.model.clone(),
            route: attempt.route.clone(),
            cause: attempt.cause,
            key: attempt.key,
            lane: attempt.lane,
            key_tenant: attempt.key_tenant().cloned(),
            cost: attempt.cost,
            unit: attempt.unit,
            charged: attempt.charged,
            over_hold: attempt.over_hold,
            measured: attempt.measured.clone(),
            check: attempt.check,
            took: ended_at.since(attempt.leased_at),
            ended_at,
            ending: ending.clone(),
            possible_double: attempt.possible_double,
        })
    }

    /// Whether it gave a result.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.ending == Ending::Done
    }
}
