//! Claiming: the next tasks of a pool in fair order, each with a key whose limits all let it pass.

use std::{sync::Arc, time::Duration};

use crate::{
    clock::Timestamp,
    id::{AttemptId, KeyId, LimitId, TaskId},
    keys::{Level, Limit, Passage, PoolId, Rules},
    measure::Measured,
    money::Amount,
    pricing::Checked,
    store::{
        Batch, Claim, ClaimNeeds, Claimed, CountLate, EgressLimit, Lease, Poll, PollRefused, Tables, Then,
    },
    work::{Attempt, AttemptState, TaskState, Work},
};

/// When a claim comes again that found others at work on every task that waits.
const HIDING_PAUSE: Duration = Duration::from_millis(10);

pub(super) fn claim(tables: &mut Tables, claim: &Claim, batch: &Batch, now: Timestamp) -> Claimed {
    let nothing = |then| Claimed { leases: Vec::new(), then };
    if claim.configuration_version != tables.configuration.version {
        return nothing(Then::Stale);
    }
    let Some(pool) = tables.pools.get(&claim.pool) else { return nothing(Then::Empty) };
    if pool.waiting == 0 {
        return nothing(Then::Empty);
    }
    if !tables.configuration.system.serves(&pool.route) {
        return nothing(Then::Paused);
    }
    let passage = pool.health.passage(now);
    let leases_max = match passage {
        Passage::Open => claim.leases_max as usize,
        Passage::Probe => 1,
        Passage::Closed(until) => return nothing(Then::At(until)),
    };
    let waiting = usize::try_from(pool.waiting).unwrap_or(0);
    if let Some(egress) = &claim.egress {
        adjust_egress(tables, egress);
    }

    let mut claimed = Claimed { leases: Vec::with_capacity(leases_max.min(waiting)), then: Then::default() };
    let mut served = None;
    let mut skipped = None;
    let mut not_loaded = false;
    let mut passed_over = Vec::new();
    let last = turn_of(now, TURNS_MAX);
    while claimed.leases.len() < leases_max
        && egress_closed_until(tables, claim, &batch.rules, now).is_none()
        && let Some((tag, task)) = tables.next_ready(claim.pool, skipped)
    {
        let Some(work) = tables.inputs.get(&task).map(|input| Arc::clone(&input.work)) else {
            // It was queued by this very batch, so what it is to do was not loaded: the next claim has it.
            skipped = Some((tag, task));
            not_loaded = true;
            continue;
        };
        let turns = Turns { now, next: turn_of(now, claimed.leases.len()), last };
        match lease_key(tables, claim, task, &batch.rules, turns, &mut passed_over) {
            Found::Key(key) => {
                let attempt = claim.first_attempt.nth(claimed.leases.len()).at(now);
                claimed.leases.push(start(tables, claim, batch, attempt, task, work, key));
                served = Some(tag);
            }
            Found::NoneForThisTask => skipped = Some((tag, task)),
            Found::None => break,
        }
    }
    claimed.then = if tables.next_ready(claim.pool, None).is_none() {
        match (tables.is_hiding(claim.pool), claimed.leases.is_empty()) {
            (false, _) => Then::Empty,
            (true, false) => Then::Again,
            (true, true) => Then::At(now.plus(HIDING_PAUSE)),
        }
    } else if let Some(until) = egress_closed_until(tables, claim, &batch.rules, now) {
        Then::At(until)
    } else if passage == Passage::Open
        && (not_loaded
            || claimed.leases.len() == leases_max
            // Every key that was looked at is used or waits: there may be more.
            || claimed.leases.len() + passed_over.len() >= ClaimNeeds::new(claim.pool, claim.leases_max).keys as usize)
    {
        Then::Again
    } else {
        let waits = |(turn, id): &(Timestamp, LimitId)| *turn > last || passed_over.contains(id);
        let next = key_turns(tables, claim.pool).find(waits);
        Then::At(next.map_or(Timestamp::FAR, |(turn, _)| turn))
    };
    note_served(tables, claim.pool, served, &claimed, passage);
    claimed
}

/// Writes down how far the pool's virtual time is, last of all: every claim of the pool meets in this row.
fn note_served(tables: &mut Tables, pool: PoolId, served: Option<i64>, claimed: &Claimed, passage: Passage) {
    if claimed.leases.is_empty() {
        return;
    }
    let pool = tables.pools.get_mut(&pool).expect("the claim found it");
    pool.waiting -= claimed.leases.len() as i64;
    pool.virtual_time = pool.virtual_time.max(served.unwrap_or(0));
    if passage == Passage::Probe {
        pool.health.probe();
    }
}

/// Counts a poll. A key whose limit is not there any more may not be used either.
pub(super) fn poll(
    tables: &mut Tables,
    poll: Poll,
    batch: &Batch,
    now: Timestamp,
) -> Result<Timestamp, PollRefused> {
    let key = Limit::id_of_key(poll.key);
    let counted = tables.change_limits(key, poll.account_limit, poll.egress_limit, |mut chain| {
        chain.poll(now, &batch.rules, poll.need)
    });
    counted.unwrap_or(Err(Timestamp::FAR)).map_err(|until| PollRefused { until })
}

/// Counts a call as one of the instant at which its answer came.
pub(super) fn count_late(tables: &mut Tables, late: &CountLate, batch: &Batch, now: Timestamp) {
    let key = Limit::id_of_key(late.key);
    tables.change_limits(key, late.account_limit, late.egress_limit, |mut chain| {
        chain.answered_late(late.call, late.counted_at, late.took, now, &batch.rules);
    });
}

/// Makes the egress limit at its first use, and keeps its bounds as they are configured.
fn adjust_egress(tables: &mut Tables, egress: &EgressLimit) {
    match tables.egress_limits.get(&egress.id) {
        None => {
            tables.insert_limit(Limit::new(
                egress.id,
                Level::Egress,
                egress.max_in_flight,
                egress.per_window,
            ));
        }
        Some(limit)
            if (limit.max_in_flight, limit.per_window) != (egress.max_in_flight, egress.per_window) =>
        {
            if let Some(limit) = tables.egress_limits.get_mut(&egress.id) {
                (limit.max_in_flight, limit.per_window) = (egress.max_in_flight, egress.per_window);
            }
        }
        Some(_) => {}
    }
}

/// Until when nothing may leave from the claimer's address. The keys' turns are not moved by that: from another
/// address they may be free.
fn egress_closed_until(tables: &Tables, claim: &Claim, rules: &Rules, now: Timestamp) -> Option<Timestamp> {
    let limit = tables.egress_limits.get(&claim.egress?.id)?;
    let until = limit.closed_until(now, rules, claim.polls)?;
    Some(if until == Timestamp::FAR { now.plus(Rules::PARENT_FULL_PAUSE) } else { until })
}

/// A leased key: its limit, its account's, and when.
struct LeasedKey {
    limit: LimitId,
    account: Option<LimitId>,
    at: Timestamp,
}

/// The instant of a claim, and the turns that its leases give their keys: a microsecond later for each, so that the
/// leases of one claim go round the free keys as those of many do.
#[derive(Clone, Copy)]
struct Turns {
    now: Timestamp,
    next: Timestamp,
    last: Timestamp,
}

/// More than a claim has leases: keys whose turn is at most so many microseconds ahead are free, or found not to be.
const TURNS_MAX: usize = 1_000;

fn turn_of(now: Timestamp, leases: usize) -> Timestamp {
    now.plus(Duration::from_micros(leases as u64))
}

enum Found {
    Key(LeasedKey),
    /// Keys are free, and this task tried them all while others of its pool are not free yet.
    NoneForThisTask,
    None,
}

/// The keys of a pool in the order of their turns; a pool of one key has that one.
fn key_turns(tables: &Tables, pool: PoolId) -> impl Iterator<Item = (Timestamp, LimitId)> {
    let only = tables.pools.get(&pool).and_then(|pool| pool.key).map(Limit::id_of_key);
    let only = only.and_then(|id| tables.key_limits().get(&id)).filter(|limit| limit.pool.is_some());
    only.map(|limit| (limit.turn, limit.id)).into_iter().chain(tables.turns(pool))
}

/// Leases the least recently used free key, one that the task has not tried while there is one. Counts the keys that
/// turn out not to be free.
fn lease_key(
    tables: &mut Tables,
    claim: &Claim,
    task: TaskId,
    rules: &Rules,
    turns: Turns,
    passed_over: &mut Vec<LimitId>,
) -> Found {
    loop {
        let (choice, account) = match choose_key(tables, claim.pool, task, turns.last, passed_over) {
            Ok(limit) => (limit.id, limit.account),
            Err(none) => return none,
        };
        let egress = claim.egress.map(|egress| egress.id);
        let leased = tables.change_limits(choice, account, egress, |mut chain| {
            chain.lease(turns.now, rules, claim.polls)?;
            if chain.key.turn == turns.now {
                chain.key.turn = turns.next;
            }
            Ok::<_, Timestamp>(())
        });
        match leased {
            Some(Ok(())) => return Found::Key(LeasedKey { limit: choice, account, at: turns.now }),
            // Its turn is later now: look at the next.
            Some(Err(_)) => passed_over.push(choice),
            None => return Found::None,
        }
    }
}

/// The first key whose turn has come, of those that the task has not tried; any when it has tried all of them.
fn choose_key<'a>(
    tables: &'a Tables,
    pool: PoolId,
    task: TaskId,
    now: Timestamp,
    passed_over: &[LimitId],
) -> Result<&'a Limit, Found> {
    let tried = tables.tasks().get(&task).map_or(&[][..], |task| &task.tried);
    let is_tried = |id: LimitId| tried.contains(&KeyId::from_uuid(id.as_uuid()));
    let mut due = key_turns(tables, pool)
        .filter_map(|(_, id)| tables.key_limits().get(&id))
        .take_while(|limit| limit.turn <= limit.time(now))
        .filter(|limit| !passed_over.contains(&limit.id));
    let first = due.next().ok_or(Found::None)?;
    if !is_tried(first.id) {
        return Ok(first);
    }
    match due.find(|limit| !is_tried(limit.id)) {
        Some(limit) => Ok(limit),
        None if key_turns(tables, pool).all(|(_, id)| is_tried(id)) => Ok(first),
        None => Err(Found::NoneForThisTask),
    }
}

fn start(
    tables: &mut Tables,
    claim: &Claim,
    batch: &Batch,
    attempt: AttemptId,
    task: TaskId,
    work: Arc<Work>,
    key: LeasedKey,
) -> Lease {
    let started = tables.change_task(task, |task| {
        task.attempts = task.attempts.saturating_add(1);
        task.state = TaskState::Running { attempt };
        task.clone()
    });
    let task = started.expect("it was next in the pool");
    let attempt = Attempt {
        id: attempt,
        task: task.id,
        job: task.job,
        tenant: task.tenant.clone(),
        user: task.user.clone(),
        operation: work.operation(),
        model: work.model().map(str::to_owned),
        unit: task.planned_route().card.unit(),
        lane: task.planned_route().lane,
        cause: task.cause,
        route: task.planned_route().route().clone(),
        key: KeyId::from_uuid(key.limit.as_uuid()),
        account_limit: key.account,
        egress_limit: claim.egress.map(|egress| egress.id),
        worker: Some(batch.worker),
        state: AttemptState::Leased,
        leased_at: key.at,
        ended_at: None,
        cost: None,
        charged: Amount::ZERO,
        measured: Measured::NOTHING,
        check: Checked::Within,
        over_hold: Amount::ZERO,
        possible_double: task.doubt,
    };
    tables.insert_attempt(attempt.clone());
    Lease { attempt, task, work }
}
