//! Stopping a job: what has not been sent ends now, what was sent runs to its end.

use crate::{
    clock::Timestamp,
    id::TaskId,
    keys::{PoolId, TAG_STEP},
    money::Amount,
    store::{Stop, StopWhy, Stopped, Tables},
    work::{JobState, TaskError, TaskResult, TaskState},
};

pub(super) fn stop(tables: &mut Tables, stop: &Stop, now: Timestamp) -> Option<Stopped> {
    let job = tables.jobs.get(&stop.job)?;
    if job.state.is_final() {
        return Some(Stopped { job: job.clone(), ended: 0, released: Amount::ZERO });
    }
    let state = match stop.why {
        StopWhy::Cancelled => JobState::Cancelling,
        StopWhy::Deadline if now < job.deadline => {
            return Some(Stopped { job: job.clone(), ended: 0, released: Amount::ZERO });
        }
        StopWhy::Deadline if tables.configuration.system.is_in_maintenance(&job.service) => {
            let (before, after) = (job.deadline, now.plus(Stop::GRACE));
            tables.index_deadline(stop.job, Some(before), Some(after));
            let job = tables.jobs.get_mut(&stop.job)?;
            job.deadline = after;
            return Some(Stopped { job: job.clone(), ended: 0, released: Amount::ZERO });
        }
        StopWhy::Deadline if job.state == JobState::Cancelling => JobState::Cancelling,
        StopWhy::Deadline => JobState::Expiring,
    };
    let deadline = job.deadline;
    let waiting: Vec<(TaskId, PoolId)> = tables
        .tasks_of(stop.job)
        .iter()
        .filter_map(|id| tables.tasks().get(id))
        .filter_map(|task| match task.state {
            TaskState::Ready { pool, .. } | TaskState::Delayed { pool, .. } => Some((task.id, pool)),
            TaskState::Running { .. } | TaskState::Done | TaskState::Failed { .. } | TaskState::Cancelled => {
                None
            }
        })
        .collect();
    tables.index_deadline(stop.job, Some(deadline), None);
    tables.jobs.get_mut(&stop.job)?.state = state;
    let result = match state {
        JobState::Cancelling => TaskResult::Cancelled,
        _ => TaskResult::Failed,
    };
    for &(id, pool) in &waiting {
        leave_queue(tables, id, pool);
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
    Some(Stopped { job, ended: u32::try_from(waiting.len()).unwrap_or(u32::MAX), released })
}

/// Takes a task out of its pool's count and its user's reach, so that cancelling costs the user no turn.
fn leave_queue(tables: &mut Tables, id: TaskId, pool: PoolId) {
    let Some(row) = tables.pools.get_mut(&pool) else { return };
    row.waiting -= 1;
    let virtual_time = row.virtual_time;
    let Some(task) = tables.tasks().get(&id) else { return };
    let (weight, flow) = (task.weight, (pool, task.tenant.clone(), task.user.clone()));
    if let Some(flow) = tables.flows.get_mut(&flow) {
        flow.finish = (flow.finish - TAG_STEP / i64::from(weight.max(1))).max(virtual_time);
    }
}
