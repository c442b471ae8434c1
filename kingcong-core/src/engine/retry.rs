//! Retrying a job: what of it failed is tried again, and nothing that succeeded is bought again.

use std::{collections::BTreeSet, time::Duration};

use super::{Inner, JobHandle, JobReport, audio::check_pieces, events::JobEvent, tenants::suspended};
use serde::Serialize;

use crate::{
    access::{Door, Target},
    error::{Error, RetryError},
    store::{Command, JobWithTasks, NotRetried, Outcome, OutputHead, Retried, Retry},
    work::{IdempotencyKey, Job, PlanError, Request, TaskState},
};

impl JobHandle {
    /// Tries the failed tasks of a job again that has ended with such, at the prices of its quote. What they may cost
    /// is held anew, in the same wallet; tasks that are done stay as they are, with their results and charges.
    ///
    /// The same idempotency key gives the same answer, for ever: the job is retried once. Refusals for money are
    /// remembered too, so use a new key after topping up. It is one of the job's user, like those of submits: one that
    /// was used for a submit or for another retry is a conflict.
    ///
    /// `deadline` is how long the job may take from now on, 1 s to 7 days; [`super::Settings::deadline`] where nothing
    /// is said, as for a submit.
    ///
    /// # Errors
    /// [`Error::Retry`] for a job that has not ended with failed tasks, was cancelled, was retried
    /// [`Job::RETRIES_MAX`] times, or has a task that may have been done upstream where
    /// [`super::Settings::unknown`] does not let it be sent again; [`Error::Output`] when the result of a task is gone,
    /// so that the job could never be completed; else as [`super::KingCong::submit`]. Nothing is written then, except a
    /// remembered refusal.
    ///
    /// # Cancellation safety
    /// Dropping the future stops the waiting: the job may have been retried. Ask again with the same idempotency key
    /// to know.
    pub async fn retry(&self, idempotency_key: &str, deadline: Option<Duration>) -> Result<JobReport, Error> {
        let inner = self.inner();
        inner.check_open()?;
        let entered = self.entered(Door::JobRetry).await?;
        deadline.map_or(Ok(()), Request::check_deadline)?;
        let row = inner.job_row(entered.scope(), self.id()).await?;
        let JobWithTasks { job, .. } = &row;
        if let Some(payer) = job.payer() {
            entered.check_wallet(&payer)?;
        }
        let payload = ("retry", job.id, deadline);
        let (user, key) = (job.user.as_str(), idempotency_key);
        let idempotency = IdempotencyKey::new(Request::DOOR, &job.tenant, user, key, &payload)?;
        if inner.store.idempotency(&idempotency.key).await?.is_none() {
            inner.check_results(&row).await?;
        }
        let retry = Retry {
            idempotency,
            scope: entered.scope().clone(),
            job: job.id,
            keyed: BTreeSet::new(),
            deadline: deadline.unwrap_or(inner.settings.deadline),
            unknown: inner.settings.unknown,
            queue_max: i64::from(inner.settings.queue_max),
            audit: inner.audit(
                &entered,
                &Target::Job { tenant: job.tenant.clone(), job: job.id },
                &RetryDetail { deadline_ms: deadline.map(|deadline| deadline.as_millis()) },
            ),
        };
        let retried = match inner.retry(job, retry.clone()).await {
            // Another process may just have added a key.
            Err(Error::NoPlan { error: PlanError::NoKey { .. }, .. }) => {
                inner.refresh().await?;
                inner.retry(job, retry).await?
            }
            retried => retried?,
        };
        for (pool, route) in &retried.pools {
            inner.wake(*pool, route);
        }
        if !retried.pools.is_empty() {
            inner.events.tell(job.id, || JobEvent::Retried { tasks: retried.tasks });
        }
        inner.report(entered.scope(), job.id).await
    }
}

/// What the audit says of a retry.
#[derive(Serialize)]
struct RetryDetail {
    deadline_ms: Option<u128>,
}

impl Inner {
    /// Retries a job with the keys that this process knows.
    async fn retry(&self, job: &Job, retry: Retry) -> Result<Retried, Error> {
        let snapshot = self.snapshot();
        let retry = Retry { keyed: snapshot.keyed.clone(), ..retry };
        let reason = match self.execute(Command::Retry(Box::new(retry))).await? {
            Outcome::Retry(Ok(retried)) => return Ok(retried),
            Outcome::Retry(Err(reason)) => reason,
            other => unreachable!("retrying answers with what is retried, not {other:?}"),
        };
        let refused = |reason| Error::Retry { job: job.id, reason };
        Err(match reason {
            NotRetried::UnknownJob => Error::NotFound { what: "job", name: job.id.to_string() },
            NotRetried::Suspended => suspended(&job.tenant),
            NotRetried::State(state) => refused(RetryError::State { state }),
            NotRetried::TooOften => refused(RetryError::TooOften),
            NotRetried::InDoubt { place } => refused(RetryError::InDoubt { place }),
            NotRetried::NoPlan(error) => {
                let message = Box::new(error.message(&snapshot.configuration.system));
                Error::NoPlan { error, message }
            }
            NotRetried::Refused(refusal) => refusal.into(),
            NotRetried::Conflict => Error::IdempotencyConflict,
            NotRetried::QueueFull { route, waiting } => Error::QueueFull { route, waiting },
        })
    }

    /// Whether the results of the tasks that are done are still there: without one the job cannot be completed.
    async fn check_results(&self, row: &JobWithTasks) -> Result<(), Error> {
        let heads: Vec<Option<OutputHead>> = self.store.output_heads(row.job.id).await?;
        let done = row.tasks.iter().zip(heads).enumerate();
        let done = done.filter(|(_, (task, _))| task.state == TaskState::Done);
        check_pieces(row.job.id, done.map(|(place, (_, head))| (place, head)).collect()).await
    }
}
