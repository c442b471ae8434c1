//! Stopping a job: what has not been sent ends now, what was sent runs to its end.

use std::collections::BTreeMap;

use crate::{
    clock::Timestamp,
    id::{JobId, TaskId},
    keys::PoolId,
    money::Amount,
    store::{Stop, StopWhy, Stopped, Tables},
    work::{JobState, TaskError, TaskResult, TaskState},
};

pub(super) fn stop(tables: &mut Tables, stop: &Stop, now: Timestamp) -> Option<Stopped> {
    let job = tables.jobs.get(&stop.job).filter(|job| stop.scope.covers(&job.tenant, &job.user))?;
    if job.state.is_final() {
        return Some(Stopped { job: job.clone(), ended: 0, released: Amount::ZERO });
    }
    let state = match stop.why {
        StopWhy::Cancelled => JobState::Cancelling,
        // Of a job that is being stopped nothing waits any more.
        StopWhy::Deadline if now < job.deadline || job.state != JobState::Open => {
            return Some(Stopped { job: job.clone(), ended: 0, released: Amount::ZERO });
        }
        StopWhy::Deadline if tables.configuration.system.is_in_maintenance(&job.service) => {
            let (before, after) = (job.deadline, now.plus(Stop::GRACE));
            tables.index_deadline(stop.job, Some(before), Some(after));
            let job = tables.jobs.get_mut(&stop.job)?;
            job.deadline = after;
            return Some(Stopped { job: job.clone(), ended: 0, released: Amount::ZERO });
        }
        StopWhy::Deadline => JobState::Expiring,
    };
    let deadline = job.deadline;
    let mut waiting: BTreeMap<PoolId, Vec<TaskId>> = BTreeMap::new();
    for task in tables.tasks_of(stop.job) {
        match task.state {
            TaskState::Ready { pool, .. } | TaskState::Delayed { pool, .. } => {
                waiting.entry(pool).or_default().push(task.id);
            }
            TaskState::Running { .. } | TaskState::Done | TaskState::Failed { .. } | TaskState::Cancelled => {
            }
        }
    }
    tables.index_deadline(stop.job, Some(deadline), None);
    tables.jobs.get_mut(&stop.job)?.state = state;
    let result = match state {
        JobState::Cancelling => TaskResult::Cancelled,
        _ => TaskResult::Failed,
    };
    for (&pool, tasks) in &waiting {
        let followers = followers(tables, stop.job, pool);
        super::queue::leave(tables, pool, tasks, &followers);
    }
    let ended: Vec<TaskId> = waiting.into_values().flatten().collect();
    for &id in &ended {
        tables.change_task(id, |task| {
            task.finished_at = Some(now);
            task.state = match result {
                TaskResult::Cancelled => TaskState::Cancelled,
                TaskResult::Done | TaskResult::Failed => {
                    TaskState::Failed { error: TaskError::DeadlinePassed }
                }
            };
        });
        tables.jobs.get_mut(&stop.job)?.task_ended(result, now);
    }
    let job = tables.jobs.get(&stop.job)?.clone();
    let released = super::close_hold_if_ended(tables, stop.job, now);
    Some(Stopped { job, ended: u32::try_from(ended.len()).unwrap_or(u32::MAX), released })
}

/// What waits in a pool for the user of a job, and belongs to other jobs.
fn followers(tables: &Tables, job: JobId, pool: PoolId) -> Vec<TaskId> {
    let Some(of) = tables.jobs.get(&job) else { return Vec::new() };
    tables
        .ready_in(pool)
        .filter_map(|(_, id)| tables.tasks().get(&id))
        .filter(|task| task.job != job && task.tenant == of.tenant && task.user == of.user)
        .map(|task| task.id)
        .take(Stop::FOLLOWERS_MAX as usize)
        .collect()
}
