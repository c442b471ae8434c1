//! Admitting a job: idempotency, configuration version, queue limits, money, then tasks in fair order.

use std::collections::BTreeMap;

use crate::{
    clock::Timestamp,
    keys::PoolId,
    ledger::{Hold, Wallet},
    money::{Amount, RunningTotal},
    routing::Split,
    store::{Admit, Admitted, IdempotencyRow, NotAdmitted, Remembered, SplitRow, Tables},
    work::{Doubt, Job, JobState, Task, TaskState},
};

pub(super) fn admit(tables: &mut Tables, admit: &Admit, now: Timestamp) -> Result<Admitted, NotAdmitted> {
    if let Some(answer) = replay(tables, admit)? {
        return Ok(answer);
    }
    if admit.configuration_version != tables.configuration.version {
        return Err(NotAdmitted::Stale);
    }
    let mut split = resumed_split(tables, admit).ok_or(NotAdmitted::Stale)?;
    let planned: Vec<u8> =
        admit.tasks.iter().map(|task| planned_route(&mut split.split, &task.routes)).collect();
    let mut pools: BTreeMap<PoolId, Vec<usize>> = BTreeMap::new();
    for (place, task) in admit.tasks.iter().enumerate() {
        let route = &task.routes[usize::from(planned[place])].route();
        pools
            .entry(admit.only_key.map_or_else(|| PoolId::shared(route), PoolId::of_key))
            .or_default()
            .push(place);
    }
    for (pool, places) in &pools {
        let waiting = tables.pools.get(pool).map_or(0, |pool| pool.waiting);
        if waiting.saturating_add(places.len() as i64) > admit.queue_max {
            let task = places[0];
            let route = admit.tasks[task].routes[usize::from(planned[task])].route().clone();
            return Err(NotAdmitted::QueueFull { route, waiting });
        }
    }

    let hold = hold(tables, admit, now)?;
    remember(tables, admit, Remembered::Job { job: admit.job, held: admit.held }, now);
    tables.splits.insert(split.id, split);
    insert_job(tables, admit, hold.amount, now);
    tables.holds.insert(hold.id, hold);
    for (&pool, places) in &pools {
        queue(tables, admit, pool, places, &planned, now);
    }
    Ok(Admitted { job: admit.job, held: admit.held, pools: pools.into_keys().collect() })
}

/// The answer that the idempotency key was given before, if any.
fn replay(tables: &Tables, admit: &Admit) -> Result<Option<Admitted>, NotAdmitted> {
    let Some(idempotency) = &admit.idempotency else { return Ok(None) };
    let Some(row) = tables.idempotency.get(&idempotency.key) else { return Ok(None) };
    if row.payload != idempotency.payload {
        return Err(NotAdmitted::Conflict);
    }
    match &row.answer {
        Remembered::Job { job, held } => Ok(Some(Admitted { job: *job, held: *held, pools: Vec::new() })),
        Remembered::Refused(refusal) => Err(NotAdmitted::Refused(refusal.clone())),
        Remembered::Credited { .. } => Err(NotAdmitted::Conflict),
    }
}

fn remember(tables: &mut Tables, admit: &Admit, answer: Remembered, at: Timestamp) {
    if let Some(idempotency) = admit.idempotency {
        let row = IdempotencyRow { key: idempotency.key, payload: idempotency.payload, answer, at };
        tables.idempotency.insert(idempotency.key, row);
    }
}

fn resumed_split(tables: &Tables, admit: &Admit) -> Option<SplitRow> {
    let split = Split::new(&admit.shares)?;
    let id = split.id(&admit.service);
    let stored = tables.splits.get(&id).cloned();
    Some(stored.unwrap_or_else(|| SplitRow { id, service: admit.service.clone(), split }))
}

/// The place of the split's next server among a task's routes.
fn planned_route(split: &mut Split, routes: &[crate::work::TaskRoute]) -> u8 {
    let server = split.pick();
    let place = routes.iter().position(|route| route.route().server == *server).unwrap_or(0);
    u8::try_from(place).unwrap_or(0)
}

/// Holds the job's money; a refusal is remembered, because a retry must not flip it.
fn hold(tables: &mut Tables, admit: &Admit, now: Timestamp) -> Result<Hold, NotAdmitted> {
    let id = admit.wallet.id();
    let mut wallet =
        tables.wallets.get(&id).cloned().unwrap_or_else(|| Wallet::open(admit.wallet.clone(), now));
    match wallet.hold(admit.hold, admit.job, admit.held, now) {
        Ok(hold) => {
            tables.wallets.insert(id, wallet);
            Ok(hold)
        }
        Err(refusal) => {
            remember(tables, admit, Remembered::Refused(refusal.clone()), now);
            Err(NotAdmitted::Refused(refusal))
        }
    }
}

fn insert_job(tables: &mut Tables, admit: &Admit, held: Amount, now: Timestamp) {
    let tasks = u32::try_from(admit.tasks.len()).unwrap_or(u32::MAX);
    let job = Job {
        id: admit.job,
        tenant: admit.tenant.clone(),
        user: admit.user.clone(),
        operation: admit.operation,
        service: admit.service.clone(),
        wallet: admit.wallet.id(),
        hold: admit.hold,
        held,
        tasks,
        open_tasks: tasks,
        failed_tasks: 0,
        total: RunningTotal::new(admit.denominator).expect("the quote gave a legal denominator"),
        state: JobState::Open,
        deadline: now.plus(admit.deadline),
        created_at: now,
        finished_at: None,
    };
    tables.index_deadline(job.id, None, Some(job.deadline));
    tables.jobs.insert(job.id, job);
}

/// Queues a job's tasks of one pool behind what their user has there already.
fn queue(tables: &mut Tables, admit: &Admit, pool: PoolId, places: &[usize], planned: &[u8], now: Timestamp) {
    let first = places[0];
    let route = admit.tasks[first].routes[usize::from(planned[first])].route();
    let row = super::queue::pool_row(tables, pool, route, admit.only_key);
    row.sequence += 1;
    row.waiting += places.len() as i64;
    let virtual_time = row.virtual_time;

    let flow_id = (pool, admit.tenant.clone(), admit.user.clone());
    let flow = super::queue::flow_row(tables, &flow_id);
    let tags = flow.tags(virtual_time, places.len(), admit.weight.get());

    for (&place, tag) in places.iter().zip(tags) {
        let new = &admit.tasks[place];
        tables.inputs.insert(new.id, std::sync::Arc::clone(&new.work));
        tables.insert_task(Task {
            id: new.id,
            job: admit.job,
            tenant: admit.tenant.clone(),
            user: admit.user.clone(),
            place: u32::try_from(place).unwrap_or(u32::MAX),
            state: TaskState::Ready { pool, tag },
            routes: std::sync::Arc::clone(&new.routes),
            planned: planned[place],
            only_key: admit.only_key,
            characters: new.characters,
            weight: admit.weight.get(),
            reached: 0,
            attempts: 0,
            tried: Vec::new(),
            tried_routes: 0,
            doubt: Doubt::None,
            charged: Amount::ZERO,
            refunded: Amount::ZERO,
            created_at: now,
            finished_at: None,
        });
    }
}
