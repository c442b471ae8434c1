//! Admitting a job: idempotency, configuration version, queue limits, money, then tasks in fair order.

use std::sync::Arc;

use crate::{
    clock::Timestamp,
    id::{KeyId, Route},
    keys::PoolId,
    ledger::{Hold, Wallet},
    money::{Amount, RunningTotal},
    routing::Split,
    store::{Admit, Admitted, InputRow, NotAdmitted, Remembered, SplitRow, Tables},
    tenants::TenantState,
    work::{Doubt, Job, JobState, RouteCause, Task, TaskRoute, TaskState},
};

use super::replay::{refuse, remember, replay};

pub(super) fn admit(tables: &mut Tables, admit: &Admit, now: Timestamp) -> Result<Admitted, NotAdmitted> {
    if let Some(answer) = replay(tables, admit.idempotency.as_ref())? {
        return Ok(answer);
    }
    // The price of a job is that of the instant of its admission, even where it was planned a moment before.
    if admit.configuration_version != tables.configuration.version || !admit.prices_during.contains(&now) {
        return Err(NotAdmitted::Stale);
    }
    let tenant = tables.standing(&admit.tenant);
    match tenant.state {
        _ if tenant.version != admit.tenant_version => return Err(NotAdmitted::Stale),
        TenantState::Suspended => return Err(NotAdmitted::Suspended),
        TenantState::Active => {}
    }
    let mut split = resumed_split(tables, admit).ok_or(NotAdmitted::Stale)?;
    let queues = queues(admit.tasks.iter().map(|task| &*task.routes), admit.only_key, &mut split.split);
    if let Some((route, waiting)) = full_queue(tables, &queues, admit.queue_max) {
        return Err(NotAdmitted::QueueFull { route, waiting });
    }

    let hold = hold(tables, admit, now)?;
    let answer = Remembered::Job { job: admit.job, held: admit.held };
    remember(tables, admit.idempotency.as_ref(), answer, now);
    tables.splits.insert(split.id, split);
    insert_job(tables, admit, &hold, now);
    tables.holds.insert(hold.id, hold);
    let start = match admit.start_at {
        Some(at) if at > now => Start::At(at),
        Some(_) | None => Start::Now,
    };
    for queue in &queues {
        insert_tasks(tables, admit, queue, start, now);
    }
    let pools = match start {
        Start::Now => queues.into_iter().map(|queue| queue.pool).collect(),
        Start::At(_) => Vec::new(),
    };
    Ok(Admitted { job: admit.job, held: admit.held, pools })
}

/// When a job's tasks queue.
#[derive(Clone, Copy)]
enum Start {
    Now,
    At(Timestamp),
}

/// The tasks of a job that are to wait in one pool.
pub(super) struct Queue<'a> {
    pub(super) pool: PoolId,
    pub(super) route: &'a Route,
    /// Their places among those that were dealt out, and the place of the route among each one's routes.
    pub(super) tasks: Vec<(usize, u8)>,
}

/// Deals a job's tasks, each with its routes, out to pools, which stand in the order of their ids.
pub(super) fn queues<'a>(
    tasks: impl Iterator<Item = &'a [TaskRoute]>,
    only_key: Option<KeyId>,
    split: &mut Split,
) -> Vec<Queue<'a>> {
    let mut queues: Vec<Queue<'a>> = Vec::new();
    for (place, routes) in tasks.enumerate() {
        let planned = planned_route(split, routes);
        let route = routes[usize::from(planned)].route();
        // A pool's id is a hash: it is made once for each route, not for each task.
        let known = queues.iter_mut().find(|queue| only_key.is_some() || queue.route == route);
        match known {
            Some(queue) => queue.tasks.push((place, planned)),
            None => {
                let pool = only_key.map_or_else(|| PoolId::shared(route), PoolId::of_key);
                queues.push(Queue { pool, route, tasks: vec![(place, planned)] });
            }
        }
    }
    queues.sort_by_key(|queue| queue.pool);
    queues
}

/// The first route whose queue has no room for its tasks, and how many wait there.
pub(super) fn full_queue(tables: &Tables, queues: &[Queue<'_>], queue_max: i64) -> Option<(Route, i64)> {
    queues.iter().find_map(|queue| {
        let waiting = tables.pools.get(&queue.pool).map_or(0, |pool| pool.waiting);
        let is_full = waiting.saturating_add(queue.tasks.len() as i64) > queue_max;
        is_full.then(|| (queue.route.clone(), waiting))
    })
}

fn resumed_split(tables: &Tables, admit: &Admit) -> Option<SplitRow> {
    let split = Split::new(&admit.shares)?;
    let id = split.id(&admit.service);
    let stored = tables.splits.get(&id).cloned();
    Some(stored.unwrap_or_else(|| SplitRow { id, service: admit.service.clone(), split }))
}

/// The place of the split's next server among a task's routes.
fn planned_route(split: &mut Split, routes: &[TaskRoute]) -> u8 {
    let server = split.pick();
    let place = routes.iter().position(|route| route.route().server == *server).unwrap_or(0);
    u8::try_from(place).unwrap_or(0)
}

/// Holds the job's money.
fn hold(tables: &mut Tables, admit: &Admit, now: Timestamp) -> Result<Hold, NotAdmitted> {
    let id = admit.wallet.id();
    let mut wallet =
        tables.wallets.get(&id).cloned().unwrap_or_else(|| Wallet::open(admit.wallet.clone(), now));
    match wallet.hold(admit.hold, admit.job, admit.held, now) {
        Ok(hold) => {
            tables.wallets.insert(id, wallet);
            Ok(hold)
        }
        Err(refusal) => Err(refuse(tables, admit.idempotency.as_ref(), refusal, now).into()),
    }
}

fn insert_job(tables: &mut Tables, admit: &Admit, hold: &Hold, now: Timestamp) {
    let tasks = u32::try_from(admit.tasks.len()).unwrap_or(u32::MAX);
    let job = Job {
        id: admit.job,
        tenant: admit.tenant.clone(),
        user: admit.user.clone(),
        operation: admit.operation,
        service: admit.service.clone(),
        model: admit.tasks.first().and_then(|task| task.work.model()).map(str::to_owned),
        unit: admit.wallet.unit,
        wallet: hold.wallet,
        hold: hold.id,
        held: hold.amount,
        idempotency: admit.idempotency.map(|idempotency| idempotency.key),
        retries: 0,
        retried_under: None,
        tasks,
        open_tasks: tasks,
        failed_tasks: 0,
        layout: None,
        total: RunningTotal::new(admit.denominator).expect("the quote gave a legal denominator"),
        state: JobState::Open,
        deadline: admit.start_at.map_or(now, |at| at.max(now)).plus(admit.deadline),
        created_at: now,
        finished_at: None,
        archived_attempts: 0,
    };
    tables.index_deadline(job.id, None, Some(job.deadline));
    tables.jobs.insert(job.id, job);
}

/// Queues a job's tasks of one pool behind what their user has there already; scheduled ones get their places when
/// their instant has come, or they would stand before everybody then.
fn insert_tasks(tables: &mut Tables, admit: &Admit, queue: &Queue<'_>, start: Start, now: Timestamp) {
    let pool = queue.pool;
    let row = super::queue::pool_row(tables, pool, queue.route, admit.only_key);
    row.waiting += queue.tasks.len() as i64;
    let states: Vec<TaskState> = match start {
        Start::At(until) => vec![TaskState::Delayed { pool, until }; queue.tasks.len()],
        Start::Now => {
            let flow = (pool, admit.tenant.clone(), admit.user.clone());
            super::queue::ready_states(tables, flow, queue.tasks.len(), admit.weight.get())
        }
    };

    for (&(place, planned), state) in queue.tasks.iter().zip(states) {
        let new = &admit.tasks[place];
        tables.inputs.insert(new.id, InputRow { task: new.id, work: Arc::clone(&new.work) });
        tables.insert_task(Task {
            id: new.id,
            job: admit.job,
            tenant: admit.tenant.clone(),
            user: admit.user.clone(),
            place: u32::try_from(place).unwrap_or(u32::MAX),
            state,
            routes: Arc::clone(&new.routes),
            planned,
            cause: RouteCause::Planned,
            only_key: admit.only_key,
            quantities: new.quantities.clone(),
            weight: admit.weight.get(),
            reached: 0,
            attempts: 0,
            reached_before: 0,
            attempts_before: 0,
            tried: Vec::new(),
            unfit_routes: 0,
            doubt: Doubt::None,
            charged: Amount::ZERO,
            refunded: Amount::ZERO,
            created_at: now,
            finished_at: None,
        });
    }
}
