//! Moving waiting tasks: delayed ones whose instant has come, and those of a pool that serves nothing.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    clock::Timestamp,
    id::{KeyId, Route, ServerId, TaskId},
    keys::{Flow, Place, Pool, PoolId, TAG_STEP},
    routing::Split,
    store::{FlowId, Promote, Replan, Tables},
    work::{Task, TaskState},
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
            leave(tables, pool, &[id], &[]);
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

/// Takes tasks that wait in a pool out of its count, and out of their users' reach, so that leaving costs no turn:
/// those of `staying` that wait behind them move up.
pub(super) fn leave(tables: &mut Tables, pool: PoolId, leaving: &[TaskId], staying: &[TaskId]) {
    let Some(row) = tables.pools.get_mut(&pool) else { return };
    row.waiting -= i64::try_from(leaving.len()).unwrap_or(i64::MAX);
    let (virtual_time, is_empty) = (row.virtual_time, row.waiting == 0);
    let last_tag = leaving.iter().filter_map(|id| tables.tasks().get(id).and_then(ready_at)).max();
    let mut staying = places(tables, pool, virtual_time, staying);
    for (id, gaps) in places(tables, pool, virtual_time, leaving) {
        let staying = staying.remove(&id).unwrap_or_default();
        let Some(flow) = tables.flows.get_mut(&id) else { continue };
        let [gaps, before] = [&gaps, &staying].map(|places| places.values().copied().collect::<Vec<Place>>());
        let after = flow.close_gaps(&gaps, &before, virtual_time);
        for ((before, id), tag) in staying.into_keys().zip(after) {
            if tag != before {
                tables.change_task(id, |task| task.state = TaskState::Ready { pool, tag });
            }
        }
    }
    if is_empty
        && let Some(last_tag) = last_tag
        && let Some(row) = tables.pools.get_mut(&pool)
    {
        // Nobody waits, so nobody is ahead of anybody.
        row.virtual_time = row.virtual_time.max(last_tag.saturating_add(TAG_STEP));
    }
}

fn ready_at(task: &Task) -> Option<i64> {
    match task.state {
        TaskState::Ready { tag, .. } => Some(tag),
        _ => None,
    }
}

/// The places that waiting tasks have in their users' flows, by flow and in fair order. A task that came back after a
/// try has none, for it waits at the virtual time of that moment; it has one again when it was moved, or its job was
/// retried, and it was queued anew.
fn places(
    tables: &Tables,
    pool: PoolId,
    virtual_time: i64,
    tasks: &[TaskId],
) -> BTreeMap<FlowId, BTreeMap<(i64, TaskId), Place>> {
    let mut places: BTreeMap<FlowId, BTreeMap<(i64, TaskId), Place>> = BTreeMap::new();
    for task in tasks.iter().filter_map(|id| tables.tasks().get(id)) {
        let has_place = |tag: &i64| *tag > virtual_time || (*tag == virtual_time && task.attempts_now() == 0);
        if let Some(tag) = ready_at(task).filter(has_place) {
            let flow = (pool, task.tenant.clone(), task.user.clone());
            let place = Place { tag, step: Flow::step(task.weight) };
            places.entry(flow).or_default().insert((tag, task.id), place);
        }
    }
    places
}

/// Moves tasks off a pool to routes that they were admitted for, in the ratio of the weights.
pub(super) fn replan(tables: &mut Tables, replan: &Replan) -> Vec<PoolId> {
    let waiting: Vec<TaskId> =
        tables.ready_in(replan.pool).map(|(_, id)| id).take(replan.tasks_max as usize).collect();
    let moves = planned_moves(tables, replan, &waiting);
    let leaving: BTreeSet<TaskId> = moves.iter().map(|(id, _)| *id).collect();
    let (leaving, staying): (Vec<TaskId>, Vec<TaskId>) =
        waiting.into_iter().partition(|id| leaving.contains(id));
    leave(tables, replan.pool, &leaving, &staying);
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
        task.go_to(place);
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
        task.go_to(place);
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
fn planned_moves(tables: &Tables, replan: &Replan, waiting: &[TaskId]) -> Vec<(TaskId, u8)> {
    // One split per set of servers that tasks may go to: tasks of one chunk are dealt out in the right ratio.
    let mut splits: BTreeMap<Vec<ServerId>, Split> = BTreeMap::new();
    let mut moves = Vec::new();
    for &id in waiting {
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
