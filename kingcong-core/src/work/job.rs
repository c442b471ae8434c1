//! A job: what one request became.

use serde::{Deserialize, Serialize};

use super::Layout;
use crate::{
    clock::Timestamp,
    id::{HoldId, JobId, ServiceId, TenantId, UserId, WalletId},
    ledger::{Owner, WalletKey},
    money::{Amount, RunningTotal, Unit},
    operation::Operation,
};

/// One request's tasks, money and state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Job {
    /// Its id.
    pub id: JobId,
    /// The user's tenant.
    pub tenant: TenantId,
    /// Who asked.
    pub user: UserId,
    /// What is done.
    pub operation: Operation,
    /// On which service.
    pub service: ServiceId,
    /// The upstream's model that all its tasks ask for; none: the upstream's default.
    pub model: Option<String>,
    /// What it is paid in.
    pub unit: Unit,
    /// Who pays.
    pub wallet: WalletId,
    /// What was set aside for it.
    pub hold: HoldId,
    /// The most that it may be charged: what was set aside for it. Of a job that was retried, what it had been charged
    /// by then, and what was set aside for its failed tasks.
    pub held: Amount,
    /// The idempotency key that it was admitted under, hashed with its scope.
    pub idempotency: Option<[u8; 32]>,
    /// How often its failed tasks were tried again by a command; at most [`Job::RETRIES_MAX`].
    pub retries: u32,
    /// The idempotency key of the last such command, hashed with its scope.
    pub retried_under: Option<[u8; 32]>,
    /// How many tasks it has.
    pub tasks: u32,
    /// How many of them have not ended.
    pub open_tasks: u32,
    /// How many ended without a result.
    pub failed_tasks: u32,
    /// The layout of its audio, from its first part that was settled on.
    pub layout: Option<Layout>,
    /// The exact price of what succeeded, and what of it was charged.
    pub total: RunningTotal,
    /// Where it is.
    pub state: JobState,
    /// Tasks that have not started by then fail.
    pub deadline: Timestamp,
    /// When it was admitted.
    pub created_at: Timestamp,
    /// When its last task ended; none while tasks are open, also after a retry.
    pub finished_at: Option<Timestamp>,
    /// How many of the attempts that its tasks count were archived.
    pub archived_attempts: u32,
}

/// Where a job is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JobState {
    /// Tasks wait or run.
    Open,
    /// Cancelled; tasks that were sent still run.
    Cancelling,
    /// Past its deadline; tasks that were sent still run.
    Expiring,
    /// Every task has its result.
    Completed,
    /// Some tasks have their result and were charged, others failed and cost nothing.
    CompletedWithFailures,
    /// No task has a result; nothing was charged.
    Failed,
    /// Cancelled, and every task ended; charged for what had finished.
    Cancelled,
}

impl JobState {
    /// Every state.
    pub const ALL: [Self; 7] = [
        Self::Open,
        Self::Cancelling,
        Self::Expiring,
        Self::Completed,
        Self::CompletedWithFailures,
        Self::Failed,
        Self::Cancelled,
    ];

    /// Whether nothing more happens to it.
    #[must_use]
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Completed | Self::CompletedWithFailures | Self::Failed | Self::Cancelled)
    }

    /// The state's name in tables.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Cancelling => "cancelling",
            Self::Expiring => "expiring",
            Self::Completed => "completed",
            Self::CompletedWithFailures => "completed_with_failures",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }
}

impl Job {
    /// How often the failed tasks of one job may be tried again by a command.
    pub const RETRIES_MAX: u32 = 10;

    /// The wallet that pays: the user's or the tenant's; none if it is neither.
    #[must_use]
    pub fn payer(&self) -> Option<WalletKey> {
        let owners = [Owner::User(self.user.clone()), Owner::Tenant];
        let keys = owners.map(|owner| WalletKey { tenant: self.tenant.clone(), owner, unit: self.unit });
        keys.into_iter().find(|key| key.id() == self.wallet)
    }

    /// One task more has ended; the state after the last one is final.
    ///
    /// # Panics
    /// When no task is open.
    pub fn task_ended(&mut self, result: TaskResult, now: Timestamp) {
        assert!(self.open_tasks > 0, "an ended task was open before");
        self.open_tasks -= 1;
        match result {
            TaskResult::Done => {}
            TaskResult::Failed | TaskResult::Cancelled => self.failed_tasks += 1,
        }
        if self.open_tasks > 0 {
            return;
        }
        self.finished_at = Some(now);
        self.state = match self.state {
            _ if self.failed_tasks == 0 => JobState::Completed,
            JobState::Cancelling => JobState::Cancelled,
            _ if self.failed_tasks == self.tasks => JobState::Failed,
            _ => JobState::CompletedWithFailures,
        };
    }
}

/// How a task ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TaskResult {
    /// With its result.
    Done,
    /// Without.
    Failed,
    /// Without, because its job was cancelled.
    Cancelled,
}
