//! Retrying a job: its failed tasks are queued again, at the prices of its quote, and what they may cost is held anew.
//! What succeeded stays as it is.

use std::sync::Arc;

use crate::{
    clock::Timestamp,
    id::TaskId,
    ledger::{Hold, Refusal, Wallet},
    pricing::hold_amount,
    routing::Split,
    store::{NotRetried, Remembered, Retried, Retry, Tables, UnknownPolicy},
    tenants::TenantState,
    work::{FrozenQuote, Job, JobState, PlanError, Task, TaskRoute, TaskState},
};

use super::{
    admit::{Queue, full_queue, queues},
    replay::{refuse, remember, replay},
};

pub(super) fn retry(tables: &mut Tables, retry: &Retry, now: Timestamp) -> Result<Retried, NotRetried> {
    let job = tables.jobs.get(&retry.job).filter(|job| retry.scope.covers(&job.tenant, &job.user));
    // Before the replay: what was answered of a foreign job is not told either.
    let job = job.ok_or(NotRetried::UnknownJob)?;
    if let Some(answer) = replay(tables, Some(&retry.idempotency))? {
        return Ok(answer);
    }
    match tables.standing(&job.tenant).state {
        TenantState::Active => {}
        TenantState::Suspended => return Err(NotRetried::Suspended),
    }
    let failed = failed_tasks(tables, job, retry)?;
    let mut split = split(tables, job, &failed, retry, now)?;
    let routes: Vec<Arc<[TaskRoute]>> = failed.iter().map(|task| Arc::clone(&task.routes)).collect();
    let only_key = failed.first().and_then(|task| task.only_key);
    let queues = queues(routes.iter().map(|routes| &**routes), only_key, &mut split);
    if let Some((route, waiting)) = full_queue(tables, &queues, retry.queue_max) {
        return Err(NotRetried::QueueFull { route, waiting });
    }
    let ids: Vec<TaskId> = failed.iter().map(|task| task.id).collect();
    let (hold, wallet) = match hold_again(tables, job, &failed, now)? {
        Ok(held) => held,
        Err(refusal) => return Err(refuse(tables, Some(&retry.idempotency), refusal, now).into()),
    };

    let tasks = u32::try_from(ids.len()).unwrap_or(u32::MAX);
    let number = reopen_job(tables, retry, &hold, tasks, now);
    let answer = Remembered::Retried { job: retry.job, retry: number, tasks, held: hold.amount };
    remember(tables, Some(&retry.idempotency), answer, now);
    super::write_audit(tables, &retry.audit, now);
    tables.holds.insert(hold.id, hold);
    tables.wallets.insert(wallet.id, wallet);
    for queue in &queues {
        queue_again(tables, &ids, queue);
    }
    let pools = queues.iter().map(|queue| (queue.pool, queue.route.clone())).collect();
    Ok(Retried { pools, tasks })
}

/// The tasks to try again: at least one.
fn failed_tasks<'a>(tables: &'a Tables, job: &Job, retry: &Retry) -> Result<Vec<&'a Task>, NotRetried> {
    match job.state {
        JobState::Failed | JobState::CompletedWithFailures => {}
        state @ (JobState::Open
        | JobState::Cancelling
        | JobState::Expiring
        | JobState::Completed
        | JobState::Cancelled) => return Err(NotRetried::State(state)),
    }
    if job.retries >= Job::RETRIES_MAX {
        return Err(NotRetried::TooOften);
    }
    let is_failed = |task: &&Task| matches!(task.state, TaskState::Failed { .. });
    let failed: Vec<&Task> = tables.tasks_of(job.id).filter(is_failed).collect();
    match retry.unknown {
        UnknownPolicy::Retry => {}
        UnknownPolicy::Fail => {
            if let Some(task) = failed.iter().find(|task| task.may_have_been_made()) {
                return Err(NotRetried::InDoubt { place: task.place });
            }
        }
    }
    Ok(failed)
}

/// The split over the servers that the tasks may go to now. It is the command's own: what is tried again does not
/// count in the ratio of new work.
fn split(
    tables: &Tables,
    job: &Job,
    failed: &[&Task],
    retry: &Retry,
    now: Timestamp,
) -> Result<Split, NotRetried> {
    let first = failed.first().ok_or(NotRetried::State(job.state))?;
    let quote = FrozenQuote {
        service: &job.service,
        operation: job.operation,
        model: job.model.as_deref(),
        routes: &first.routes,
        only_key: first.only_key,
    };
    let configuration = &tables.configuration;
    let shares = quote.shares(&configuration.system, &configuration.prices, &retry.keyed, now);
    let shares = shares.map_err(NotRetried::NoPlan)?;
    Ok(Split::new(&shares).expect("a quote that stands has a server"))
}

/// The job's hold and its wallet with what the tasks may cost held again, or the wallet's refusal.
fn hold_again(
    tables: &Tables,
    job: &Job,
    failed: &[&Task],
    now: Timestamp,
) -> Result<Result<(Hold, Wallet), Refusal>, NotRetried> {
    let prices = failed.iter().map(|task| task.routes.iter().map(|route| &route.card));
    let amount = hold_amount(prices).map_err(|error| NotRetried::NoPlan(PlanError::Price(error)))?;
    let mut hold = tables.holds.get(&job.hold).expect("a job's hold is loaded with it").clone();
    let mut wallet = tables.wallets.get(&job.wallet).expect("a hold's wallet is loaded with it").clone();
    let held = wallet.reopen(&mut hold, job.total.charged(), amount, now);
    Ok(held.map(|()| (hold, wallet)))
}

/// Opens the job again; which retry of it this is.
fn reopen_job(tables: &mut Tables, retry: &Retry, hold: &Hold, tasks: u32, now: Timestamp) -> u32 {
    let job = tables.jobs.get_mut(&retry.job).expect("it was found above");
    let deadline = now.plus(retry.deadline);
    job.state = JobState::Open;
    job.held = hold.amount;
    (job.open_tasks, job.failed_tasks) = (tasks, 0);
    (job.deadline, job.finished_at) = (deadline, None);
    job.retries += 1;
    job.retried_under = Some(retry.idempotency.key);
    let number = job.retries;
    tables.index_deadline(retry.job, None, Some(deadline));
    number
}

/// Queues tasks in one pool, behind what their user has there already.
fn queue_again(tables: &mut Tables, ids: &[TaskId], queue: &Queue<'_>) {
    let Some(task) = queue.tasks.first().and_then(|(place, _)| tables.tasks().get(&ids[*place])) else {
        return;
    };
    let (flow, weight) = ((queue.pool, task.tenant.clone(), task.user.clone()), task.weight);
    let only_key = task.only_key;
    let row = super::queue::pool_row(tables, queue.pool, queue.route, only_key);
    row.waiting += queue.tasks.len() as i64;
    let states = super::queue::ready_states(tables, flow, queue.tasks.len(), weight);
    for (&(place, planned), state) in queue.tasks.iter().zip(states) {
        tables.change_task(ids[place], |task| task.retry(planned, state));
    }
}
