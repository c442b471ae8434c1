//! Moving waiting tasks: delayed ones whose instant has come, and those of a pool that serves nothing.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    clock::Timestamp,
    id::{KeyId, Route, ServerId, TaskId},
    keys::{Flow, Pool, PoolId, TAG_STEP},
    routing::Split,
    store::{FlowId, Promote, Replan, Tables},
    work::TaskState,
};

/// The pool's row, made when there is none yet.
pub(super) fn pool_row<'a>(
    tables: &'a mut Tables,
    pool: PoolId,
    route: &Route,
    only_key: Option<KeyId>,
) -> &'a mut Pool {
    tables.pools.get_or_insert_with(pool, || Pool::new(route.clone(), only_key))
}

/// Queues delayed tasks whose instant has come: those that were tried before at their pool's present virtual time, on
/// another of their routes if theirs does not work now and that one does; scheduled ones behind what their user has
/// there already, as if they were ordered now.
pub(super) fn promote(tables: &mut Tables, promote: Promote, now: Timestamp) -> Vec<PoolId> {
    let due: Vec<TaskId> = tables.due_tasks(now).take(promote.tasks_max as usize).collect();
    let mut pools = BTreeSet::new();
    for id in due {
        let Some(task) = tables.tasks().get(&id) else { continue };
        let TaskState::Delayed { pool, .. } = task.state else { continue };
        let works = |tables: &Tables, route: &Route| super::settle::works(tables, route, now);
        if task.attempts > 0
            && !works(tables, task.planned_route().route())
            && let Some(place) = super::settle::next_route(tables, id, works)
        {
            leave(tables, pool, &[id]);
            pools.extend(requeue(tables, id, place));
            continue;
        }
        let virtual_time = tables.pools.get(&pool).map_or(0, |pool| pool.virtual_time);
        let tag = if task.attempts == 0 {
            let (flow, weight) = ((pool, task.tenant.clone(), task.user.clone()), task.weight);
            flow_row(tables, flow).tags(virtual_time, 1, weight).next().unwrap_or(virtual_time)
        } else {
            virtual_time
        };
        tables.change_task(id, |task| task.state = TaskState::Ready { pool, tag });
        pools.insert(pool);
    }
    for pool in &pools {
        if let Some(pool) = tables.pools.get_mut(pool) {
            pool.sequence += 1;
        }
    }
    pools.into_iter().collect()
}

/// Takes tasks that wait in a pool out of its count, and out of their users' reach, so that leaving costs no turn.
pub(super) fn leave(tables: &mut Tables, pool: PoolId, leaving: &[TaskId]) {
    let Some(row) = tables.pools.get_mut(&pool) else { return };
    row.waiting -= i64::try_from(leaving.len()).unwrap_or(i64::MAX);
    let (virtual_time, is_empty) = (row.virtual_time, row.waiting == 0);
    let mut tags: Vec<(i64, TaskId)> = leaving
        .iter()
        .filter_map(|id| match tables.tasks().get(id)?.state {
            TaskState::Ready { tag, .. } => Some((tag, *id)),
            _ => None,
        })
        .collect();
    tags.sort_unstable();
    for &(tag, id) in tags.iter().rev() {
        let Some(task) = tables.tasks().get(&id) else { continue };
        let (weight, flow) = (task.weight, (pool, task.tenant.clone(), task.user.clone()));
        if let Some(flow) = tables.flows.get_mut(&flow) {
            flow.take_back(tag, weight, virtual_time);
        }
    }
    if is_empty
        && let Some((last, _)) = tags.last()
        && let Some(row) = tables.pools.get_mut(&pool)
    {
        // Nobody waits, so nobody is ahead of anybody.
        row.virtual_time = row.virtual_time.max(last.saturating_add(TAG_STEP));
    }
}

/// Moves tasks off a pool to routes that they were admitted for, in the ratio of the weights.
pub(super) fn replan(tables: &mut Tables, replan: &Replan) -> Vec<PoolId> {
    let moves = planned_moves(tables, replan);
    let leaving: Vec<TaskId> = moves.iter().map(|(id, _)| *id).collect();
    leave(tables, replan.pool, &leaving);
    let mut pools = BTreeSet::new();
    for (id, place) in moves {
        pools.extend(join(tables, id, place));
    }
    pools.into_iter().collect()
}

/// Queues a task that was tried on another of its routes, at the present virtual time of that pool.
fn requeue(tables: &mut Tables, id: TaskId, place: u8) -> Option<PoolId> {
    let task = tables.tasks().get(&id)?;
    let route = task.routes[usize::from(place)].route().clone();
    let pool = task.pool_of(&route);
    let row = pool_row(tables, pool, &route, None);
    row.waiting += 1;
    let tag = row.virtual_time;
    tables.change_task(id, |task| {
        task.planned = place;
        task.state = TaskState::Ready { pool, tag };
    });
    Some(pool)
}

/// Queues a waiting task behind what its user has in the pool of that one of its routes.
fn join(tables: &mut Tables, id: TaskId, place: u8) -> Option<PoolId> {
    let task = tables.tasks().get(&id)?;
    let route = task.routes[usize::from(place)].route().clone();
    let (pool, weight) = (task.pool_of(&route), task.weight);
    let flow_id = (pool, task.tenant.clone(), task.user.clone());
    let row = pool_row(tables, pool, &route, None);
    row.waiting += 1;
    row.sequence += 1;
    let virtual_time = row.virtual_time;
    let tag = flow_row(tables, flow_id).tags(virtual_time, 1, weight).next()?;
    tables.change_task(id, |task| {
        task.planned = place;
        task.state = TaskState::Ready { pool, tag };
    });
    Some(pool)
}

/// The places of so many new tasks in a pool that there is, behind what their user has there already.
pub(super) fn ready_states(tables: &mut Tables, flow: FlowId, tasks: usize, weight: u32) -> Vec<TaskState> {
    let pool = flow.0;
    let Some(row) = tables.pools.get_mut(&pool) else { return Vec::new() };
    row.sequence += 1;
    let virtual_time = row.virtual_time;
    let tags = flow_row(tables, flow).tags(virtual_time, tasks, weight);
    tags.map(|tag| TaskState::Ready { pool, tag }).collect()
}

/// The flow's row, made when there is none yet.
pub(super) fn flow_row(tables: &mut Tables, id: FlowId) -> &mut Flow {
    let (pool, tenant, user) = id.clone();
    tables.flows.get_or_insert_with(id, || Flow { pool, tenant, user, finish: 0 })
}

/// Which tasks of a pool move, and to which of their routes.
fn planned_moves(tables: &Tables, replan: &Replan) -> Vec<(TaskId, u8)> {
    let waiting: Vec<TaskId> =
        tables.ready_in(replan.pool).map(|(_, id)| id).take(replan.tasks_max as usize).collect();
    // One split per set of servers that tasks may go to: tasks of one chunk are dealt out in the right ratio.
    let mut splits: BTreeMap<Vec<ServerId>, Split> = BTreeMap::new();
    let mut moves = Vec::new();
    for id in waiting {
        let Some(task) = tables.tasks().get(&id).filter(|task| task.only_key.is_none()) else { continue };
        let here = task.planned_route().route().server.clone();
        let allowed: BTreeMap<ServerId, u32> = task
            .routes
            .iter()
            .map(|route| &route.route().server)
            .filter(|server| **server != here)
            .filter_map(|server| Some((server.clone(), *replan.shares.get(server)?)))
            .collect();
        let servers: Vec<ServerId> = allowed.keys().cloned().collect();
        if !splits.contains_key(&servers) {
            let Some(split) = Split::new(&allowed) else { continue };
            splits.insert(servers.clone(), split);
        }
        let server = splits.get_mut(&servers).expect("it was inserted above").pick().clone();
        let place = task.routes.iter().position(|route| route.route().server == server);
        moves.extend(place.and_then(|place| u8::try_from(place).ok()).map(|place| (id, place)));
    }
    moves
}
