//! Settling: an attempt ended. Its slots are given back, and its task is charged, queued again or failed; the last
//! task of a job closes the hold.

use std::time::Duration;

use crate::{
    clock::Timestamp,
    failure::{Failure, FailureKind, Reached},
    id::{KeyId, Route, TaskId, WorkerId},
    keys::{KeyStatus, Limit, Passage, PoolId, Rules},
    ledger::Cause,
    measure::Measured,
    money::Amount,
    pricing::{Actual, Checked, Overrun},
    store::{
        Accept, AttemptResult, Batch, NotMine, OutputRow, Settle, Settled, StoredOutput, Tables,
        UnknownPolicy, Unsettled, VoiceRow, Waited,
    },
    switch::Switch,
    upstream::UpstreamCredits,
    work::{
        AttemptState, Doubt, Ending, JobState, Layout, MadeVoice, Next, Task, TaskError, TaskResult,
        TaskState,
    },
};

/// How long a limit cools when the upstream does not say.
const COOL_DEFAULT: Duration = Duration::from_secs(15);

pub(super) fn accept(tables: &mut Tables, accept: &Accept, worker: WorkerId) -> Result<(), NotMine> {
    let attempt = tables.attempts().get(&accept.attempt).ok_or(NotMine)?;
    if attempt.worker != Some(worker) || attempt.state != AttemptState::Leased {
        return Err(NotMine);
    }
    tables.change_attempt(accept.attempt, |attempt| {
        attempt.state = AttemptState::Accepted { upstream_id: accept.upstream_id.clone() };
        attempt.cost = accept.cost;
    });
    Ok(())
}

pub(super) fn settle(
    tables: &mut Tables,
    settle: &Settle,
    batch: &Batch,
    now: Timestamp,
) -> Result<Settled, Unsettled> {
    let attempt = tables.attempts().get(&settle.attempt).ok_or(Unsettled::NotMine)?;
    let running = TaskState::Running { attempt: settle.attempt };
    let task =
        tables.tasks().get(&settle.task).filter(|task| task.state == running).ok_or(Unsettled::NotMine)?;
    if attempt.worker != Some(batch.worker) || !attempt.is_open() || task.job != settle.job {
        return Err(Unsettled::NotMine);
    }
    let (leased_at, tried_before) = (attempt.leased_at, task.tried.contains(&settle.key));
    if let AttemptResult::Done { output, .. } = &settle.result
        && let Some(layout) = output.made.layout()
    {
        fix_layout(tables, settle, layout)?;
    }
    let doubts = doubts_of(tables, settle.key);
    let mut done = Money::default();
    let mut requeued = None;
    match &settle.result {
        AttemptResult::Done { output, cost, measured } => {
            done = finish(tables, settle, output, *cost, measured, &batch.rules, now);
        }
        AttemptResult::NotSent => {
            give_back(tables, settle, &batch.rules, now);
            requeued = queue_or_end(tables, settle, Next::Again, Moving::Stay, now);
        }
        AttemptResult::Unreadable { reason } => {
            give_back(tables, settle, &batch.rules, now);
            set_key_status(tables, settle, KeyStatus::Unreadable { reason: reason.clone() });
            requeued = queue_or_end(tables, settle, Next::Again, Moving::Stay, now);
        }
        AttemptResult::Failed { failure, policy } => {
            end(tables, settle, Ending::from(failure), None, &batch.rules, now);
            blame(tables, settle, failure, leased_at, now);
            let next = failed(tables, settle.task, failure, *policy);
            let moving = match failure.kind {
                FailureKind::Busy | FailureKind::Unknown | FailureKind::Undeliverable => Moving::IfPossible,
                FailureKind::NotAllowed if tried_before || has_asked_enough_keys(tables, settle.task) => {
                    Moving::OrFail(TaskError::of(failure))
                }
                FailureKind::Unsupported => Moving::OrFail(TaskError::NoRoute),
                _ => Moving::Stay,
            };
            if matches!(moving, Moving::OrFail(_)) {
                tables.change_task(settle.task, Task::note_unfit);
            }
            requeued = queue_or_end(tables, settle, next, moving, now);
        }
        AttemptResult::Unknown { waited: Waited::NotYet { retry_after }, .. } => {
            let call_max = batch.rules.call_max;
            tables.change_attempt(settle.attempt, |attempt| {
                // What has an upstream's id can be polled.
                if attempt.state == AttemptState::Leased {
                    attempt.state = AttemptState::Unknown { until: attempt.leased_at.plus(call_max) };
                }
            });
            note_health(tables, settle, |health, _| health.inconclusive(), now);
            let wait = retry_after.filter(|wait| !wait.is_zero()).map(|wait| wait.min(Failure::WAIT_MAX));
            leave_alone(tables, settle, wait, now);
        }
        AttemptResult::Unknown { waited: Waited::Enough, policy } => {
            end(tables, settle, Ending::Lost, None, &batch.rules, now);
            note_health(tables, settle, |health, _| health.inconclusive(), now);
            let lost = Failure::new(FailureKind::Unknown, Reached::Maybe, "");
            let next = failed(tables, settle.task, &lost, *policy);
            requeued = queue_or_end(tables, settle, next, Moving::IfPossible, now);
        }
    }
    let released = super::close_hold_if_ended(tables, settle.job, now);
    let task = tables.tasks().get(&settle.task).expect("found above").clone();
    let job = tables.jobs.get(&settle.job).expect("a task's job is loaded with it").clone();
    let is_in_new_doubt = doubts_of(tables, settle.key) > doubts;
    let check_key =
        tables.keys().get(&settle.key).filter(|_| is_in_new_doubt).and_then(|key| match key.status {
            KeyStatus::Doubtful | KeyStatus::OutOfCredit { .. } => Some(key.id),
            KeyStatus::Active
            | KeyStatus::Dead { .. }
            | KeyStatus::Unreadable { .. }
            | KeyStatus::Suspended { .. }
            | KeyStatus::Removed => None,
        });
    let Money { charged, debt, over_hold, .. } = done;
    Ok(Settled { task, job, charged, debt, over_hold, released, check_key, requeued })
}

/// How often in a row a key was in doubt.
fn doubts_of(tables: &Tables, key: KeyId) -> u8 {
    tables.key_limits().get(&Limit::id_of_key(key)).map_or(0, |limit| limit.doubts)
}

/// The first part that is settled fixes the layout of its job's audio: parts of two cannot be joined.
fn fix_layout(tables: &mut Tables, settle: &Settle, layout: Layout) -> Result<(), Unsettled> {
    let job = tables.jobs.get(&settle.job).expect("a task's job is loaded with it");
    match job.layout {
        Some(wanted) if wanted != layout => return Err(Unsettled::OtherLayout { wanted }),
        Some(_) => {}
        None => {
            let job = tables.jobs.get_mut(&settle.job).expect("a task's job is loaded with it");
            job.layout = Some(layout);
        }
    }
    Ok(())
}

#[derive(Default)]
struct Money {
    charged: Amount,
    debt: Amount,
    over_hold: Amount,
    check: Checked,
}

impl From<&Failure> for Ending {
    fn from(failure: &Failure) -> Self {
        Self::Failed { kind: failure.kind, code: failure.code.clone(), message: failure.message.clone() }
    }
}

/// Ends the attempt and gives its slots back.
fn end(
    tables: &mut Tables,
    settle: &Settle,
    ending: Ending,
    cost: Option<UpstreamCredits>,
    rules: &Rules,
    now: Timestamp,
) {
    tables.change_attempt(settle.attempt, |attempt| {
        attempt.state = AttemptState::Ended(ending);
        attempt.worker = None;
        attempt.ended_at = Some(now);
        attempt.cost = cost.or(attempt.cost);
    });
    tables.change_task(settle.task, |task| task.note_tried(settle.key));
    let key = Limit::id_of_key(settle.key);
    tables
        .change_limits(key, settle.account_limit, settle.egress_limit, |mut chain| chain.release(now, rules));
}

/// Ends an attempt that never left, as if it had not been leased.
fn give_back(tables: &mut Tables, settle: &Settle, rules: &Rules, now: Timestamp) {
    let leased_at = tables.change_attempt(settle.attempt, |attempt| {
        attempt.state = AttemptState::Ended(Ending::NotSent);
        attempt.worker = None;
        attempt.ended_at = Some(now);
        attempt.leased_at
    });
    let key = Limit::id_of_key(settle.key);
    tables.change_limits(key, settle.account_limit, settle.egress_limit, |mut chain| {
        chain.give_back(leased_at.unwrap_or(now), now, rules);
    });
    tables.change_task(settle.task, |task| task.attempts = task.attempts.saturating_sub(1));
    note_health(tables, settle, |health, _| health.inconclusive(), now);
}

/// Stores the result and charges for it.
fn finish(
    tables: &mut Tables,
    settle: &Settle,
    output: &StoredOutput,
    cost: Option<UpstreamCredits>,
    measured: &Measured,
    rules: &Rules,
    now: Timestamp,
) -> Money {
    end(tables, settle, Ending::Done, cost, rules, now);
    note_health(tables, settle, |health, _| health.succeeded(), now);
    trust(tables, settle);
    let money = charge(tables, settle, measured, now);
    tables.change_attempt(settle.attempt, |attempt| {
        attempt.charged = money.charged;
        attempt.over_hold = money.over_hold;
        attempt.measured = measured.clone();
        attempt.check = money.check;
    });
    tables.change_task(settle.task, |task| {
        task.count_reached(Reached::Yes);
        task.state = TaskState::Done;
        task.charged = money.charged;
        task.finished_at = Some(now);
    });
    tables.outputs.insert(settle.task, OutputRow { task: settle.task, output: output.clone() });
    if let Some(MadeVoice { id, upstream_voice, name }) = output.made.voice() {
        let task = tables.tasks().get(&settle.task).expect("settle found it");
        let voice = VoiceRow {
            id: *id,
            tenant: task.tenant.clone(),
            user: task.user.clone(),
            key: settle.key,
            route: task.planned_route().route().clone(),
            upstream_voice: upstream_voice.clone(),
            name: name.clone(),
            created_at: now,
        };
        tables.voices.insert(voice.id, voice);
    }
    job_task_ended(tables, settle, TaskResult::Done, now);
    money
}

/// Adds the task's exact price to the job's sum, as far as its hold or the price's overrun goes, and captures what
/// that adds to the rounded total.
fn charge(tables: &mut Tables, settle: &Settle, measured: &Measured, now: Timestamp) -> Money {
    let task = tables.tasks().get(&settle.task).expect("settle found it");
    let route = task.planned_route().route().clone();
    let price = task.planned_route().card.clone();
    let sent_at = tables.attempts().get(&settle.attempt).expect("settle found it").leased_at;
    let job = tables.jobs.get_mut(&settle.job).expect("a task's job is loaded with it");
    let (hold, wallet) = (job.hold, job.wallet);
    let hold = tables.holds.get_mut(&hold).expect("a job's hold is loaded with it");
    let Actual { exact, check } = price.actual(measured, sent_at);
    let mut total = job.total;
    let added = match price.overrun() {
        Overrun::Operator => total.add(&exact, hold.amount),
        Overrun::Payer => total.add_overrun(&exact, hold.amount),
    };
    // The quote proved that the worst price fits; a measured one that does not is charged as the worst.
    let added = added.or_else(|_| total.add(&price.worst(), hold.amount)).unwrap_or_default();
    let wallet = tables.wallets.get_mut(&wallet).expect("a hold's wallet is loaded with it");
    let cause = Cause { route: Some(route), task: Some(settle.task), ..Cause::default() };
    // Only the figures of a wallet that spent, or owes, 2^63 steps do not fit: what cannot be booked is not charged.
    let Ok(captured) = wallet.capture(hold, added.part, cause, now) else {
        return Money { check, ..Money::default() };
    };
    job.total = total;
    if let Some(entry) = captured.entry {
        tables.entries.insert((entry.wallet, entry.number), entry);
    }
    Money { charged: added.part, debt: captured.debt, over_hold: added.over_hold, check }
}

/// What follows a failure. What may have been done and charged all the same is tried once more, recorded as a possible
/// double, or not at all.
fn failed(tables: &mut Tables, task: TaskId, failure: &Failure, policy: UnknownPolicy) -> Next {
    let reached = match (failure.kind, failure.reached) {
        (FailureKind::Unknown, Reached::Yes) => Reached::Maybe,
        (_, reached) => reached,
    };
    let next = tables.change_task(task, |task| {
        let first_time = task.doubt == Doubt::None;
        task.count_reached(reached);
        match (task.after_failure(failure), reached, policy) {
            (next, Reached::No | Reached::Yes, _) => next,
            (next, Reached::Maybe, UnknownPolicy::Retry) if first_time => next,
            (_, Reached::Maybe, UnknownPolicy::Retry | UnknownPolicy::Fail) => {
                Next::Fail(TaskError::of(failure))
            }
        }
    });
    next.expect("settle found it")
}

/// Whether a task asked as many keys of its route as are asked for what their plans may not allow.
fn has_asked_enough_keys(tables: &Tables, task: TaskId) -> bool {
    tables.tasks().get(&task).is_none_or(|task| {
        let keys = Task::NOT_ALLOWED_KEYS_MAX * (task.unfit_routes.count_ones() + 1);
        task.only_key.is_some() || task.tried.len() >= keys as usize
    })
}

/// Lets a failure's scope bear its consequence: the request, the key, a limit, or the route.
fn blame(tables: &mut Tables, settle: &Settle, failure: &Failure, leased_at: Timestamp, now: Timestamp) {
    let key = Limit::id_of_key(settle.key);
    let wait = failure.wait();
    let until = now.plus(wait.unwrap_or(COOL_DEFAULT));
    match failure.kind {
        FailureKind::BadRequest
        | FailureKind::Policy
        | FailureKind::NotAllowed
        | FailureKind::TooLarge
        | FailureKind::Undeliverable
        | FailureKind::Unsupported => {}
        FailureKind::KeyDead => {
            set_key_status(tables, settle, KeyStatus::Dead { reason: failure.message.clone() });
            tables.change_limits(key, None, None, |chain| chain.key.doubt(leased_at, now));
        }
        FailureKind::KeyDoubtful => {
            set_key_status(tables, settle, KeyStatus::Doubtful);
            tables.change_limits(key, None, None, |chain| chain.key.doubt(leased_at, now));
        }
        FailureKind::OutOfCredit => {
            let task = tables.tasks().get(&settle.task).expect("settle found it");
            let needed = task.quantities.upstream_credits();
            set_key_status(tables, settle, KeyStatus::OutOfCredit { needed });
            tables.change_limits(key, None, None, |chain| chain.key.doubt(leased_at, now));
        }
        FailureKind::KeyRateLimited => {
            tables.change_limits(key, None, None, |chain| chain.key.cool(until));
        }
        FailureKind::AccountRateLimited => {
            tables.change_limits(key, settle.account_limit, None, |chain| match chain.account {
                Some(account) => account.cool(until),
                None => chain.key.cool(until),
            });
        }
        FailureKind::EgressRateLimited => {
            tables.change_limits(key, None, settle.egress_limit, |chain| match chain.egress {
                Some(egress) => egress.cool(until),
                None => chain.key.cool(until),
            });
        }
        FailureKind::Busy | FailureKind::Unknown => {}
    }
    let busy = failure.kind == FailureKind::Busy;
    note_health(
        tables,
        settle,
        |health, now| if busy { health.busy(now) } else { health.inconclusive() },
        now,
    );
    match failure.kind {
        FailureKind::KeyRateLimited | FailureKind::AccountRateLimited | FailureKind::EgressRateLimited => {}
        FailureKind::Busy | FailureKind::Unknown => leave_alone(tables, settle, wait, now),
        _ => {
            if wait.is_some() {
                tables.change_limits(key, None, None, |chain| chain.key.cool(until));
            }
        }
    }
}

/// Nothing of the route is asked before the upstream's wait is over, by whichever key or process.
fn leave_alone(tables: &mut Tables, settle: &Settle, wait: Option<Duration>, now: Timestamp) {
    let Some(wait) = wait else { return };
    let until = now.plus(wait);
    // The key serves in the queue of its cloned voices too.
    tables.change_limits(Limit::id_of_key(settle.key), None, None, |chain| chain.key.cool(until));
    let Some(task) = tables.tasks().get(&settle.task) else { return };
    let route = task.planned_route().route().clone();
    let pools = [task.pool_of(&route), PoolId::shared(&route)];
    for pool in pools {
        if let Some(pool) = tables.pools.get_mut(&pool) {
            pool.health.rest(until);
        }
    }
}

/// A call through the key succeeded: whatever cast doubt on it is over.
fn trust(tables: &mut Tables, settle: &Settle) {
    let limit = Limit::id_of_key(settle.key);
    if tables.key_limits().get(&limit).is_some_and(|limit| limit.doubts > 0) {
        tables.change_limits(limit, None, None, |chain| chain.key.trust());
    }
    if tables.keys().get(&settle.key).is_some_and(|key| key.status == KeyStatus::Doubtful) {
        tables.change_key(settle.key, |key| key.status = KeyStatus::Active);
    }
}

/// Writes down what is known of a key now; one that is not usable leaves its pool until a check finds it well. The
/// administrator's switch stays as it is.
fn set_key_status(tables: &mut Tables, settle: &Settle, status: KeyStatus) {
    let Some(key) = tables.keys().get(&settle.key) else { return };
    match (&key.status, &status) {
        (KeyStatus::Removed | KeyStatus::Suspended { .. }, _)
        // A call that was under way says less than what is known meanwhile.
        | (
            KeyStatus::Dead { .. } | KeyStatus::OutOfCredit { .. } | KeyStatus::Unreadable { .. },
            KeyStatus::Doubtful,
        ) => {}
        _ => super::keys::set_status(tables, settle.key, status),
    }
}

fn note_health(
    tables: &mut Tables,
    settle: &Settle,
    note: impl FnOnce(&mut crate::keys::RouteHealth, Timestamp),
    now: Timestamp,
) {
    let Some(task) = tables.tasks().get(&settle.task) else { return };
    let pool = task.pool_of(task.planned_route().route());
    let Some(before) = tables.pools.get(&pool).map(|pool| pool.health) else { return };
    let mut after = before;
    note(&mut after, now);
    if after != before
        && let Some(pool) = tables.pools.get_mut(&pool)
    {
        pool.health = after;
    }
}

/// Whether a task that is queued again stays on its route.
#[derive(Clone, PartialEq, Eq)]
enum Moving {
    /// Other keys of it may do.
    Stay,
    /// To its next route, if one works.
    IfPossible,
    /// To another route, or it fails like this: this one cannot do it.
    OrFail(TaskError),
}

/// Queues the task again, or ends it: because nothing more may be tried, or because its job was stopped.
fn queue_or_end(
    tables: &mut Tables,
    settle: &Settle,
    next: Next,
    moving: Moving,
    now: Timestamp,
) -> Option<PoolId> {
    let state = tables.jobs.get(&settle.job).map(|job| job.state);
    let next = match (state, next) {
        (Some(JobState::Cancelling), _) => {
            end_task(tables, settle, TaskState::Cancelled, TaskResult::Cancelled, now);
            return None;
        }
        (Some(JobState::Expiring), Next::Again | Next::After(_)) => Next::Fail(TaskError::DeadlinePassed),
        (_, next) => next,
    };
    let not_before = match next {
        Next::Again => None,
        Next::After(pause) => Some(now.plus(pause)),
        Next::Fail(error) => {
            end_task(tables, settle, TaskState::Failed { error }, TaskResult::Failed, now);
            return None;
        }
    };
    let other = match &moving {
        Moving::Stay => None,
        Moving::IfPossible => next_route(tables, settle.task, |tables, route| works(tables, route, now)),
        Moving::OrFail(_) => next_route(tables, settle.task, |tables, route| works(tables, route, now))
            .or_else(|| next_route(tables, settle.task, is_on)),
    };
    if let (Moving::OrFail(error), None) = (moving, other) {
        end_task(tables, settle, TaskState::Failed { error }, TaskResult::Failed, now);
        return None;
    }
    let task = tables.tasks().get(&settle.task).expect("settle found it");
    let planned = other.unwrap_or(task.planned);
    // A route that was not tried is not known to be busy: no pause. Later it may be as busy as it was.
    let may_be_new = other.is_some() && usize::from(task.attempts_now()) < task.routes.len();
    let pool = task.pool_of(task.routes[usize::from(planned)].route());
    let route = task.routes[usize::from(planned)].route().clone();
    let row = super::queue::pool_row(tables, pool, &route, settle_key(tables, settle.task));
    row.waiting += 1;
    row.sequence += 1;
    let tag = row.virtual_time;
    tables.change_task(settle.task, |task| {
        task.go_to(planned);
        task.state = match not_before {
            Some(until) if !may_be_new => TaskState::Delayed { pool, until },
            Some(_) | None => TaskState::Ready { pool, tag },
        };
    });
    Some(pool)
}

fn settle_key(tables: &Tables, task: TaskId) -> Option<KeyId> {
    tables.tasks().get(&task).and_then(|task| task.only_key)
}

/// Whether a route serves now: it is on, not in maintenance, and not cooling.
pub(super) fn works(tables: &Tables, route: &Route, now: Timestamp) -> bool {
    let pool = tables.pools.get(&PoolId::shared(route));
    tables.configuration.system.serves(route)
        && pool.is_none_or(|pool| pool.health.passage(now) == Passage::Open)
}

/// Whether a route will serve again without anybody's doing, if it does not now.
fn is_on(tables: &Tables, route: &Route) -> bool {
    tables.configuration.system.routes.get(route) == Some(&Switch::On)
}

/// The next of the routes that the task was admitted for, of those that will do; where it is now comes last, and is
/// none.
pub(super) fn next_route(
    tables: &Tables,
    task: TaskId,
    will_do: impl Fn(&Tables, &Route) -> bool,
) -> Option<u8> {
    let task = tables.tasks().get(&task)?;
    if task.only_key.is_some() {
        return None;
    }
    let count = task.routes.len();
    let mut others = (1..count).map(|step| (usize::from(task.planned) + step) % count);
    let next = others.find(|place| task.is_fit(*place) && will_do(tables, task.routes[*place].route()))?;
    u8::try_from(next).ok()
}

fn end_task(tables: &mut Tables, settle: &Settle, state: TaskState, result: TaskResult, now: Timestamp) {
    tables.change_task(settle.task, |task| {
        task.state = state;
        task.finished_at = Some(now);
    });
    job_task_ended(tables, settle, result, now);
}

fn job_task_ended(tables: &mut Tables, settle: &Settle, result: TaskResult, now: Timestamp) {
    let job = tables.jobs.get_mut(&settle.job).expect("a task's job is loaded with it");
    job.task_ended(result, now);
    if job.state.is_final() {
        let deadline = job.deadline;
        tables.index_deadline(settle.job, Some(deadline), None);
    }
}
