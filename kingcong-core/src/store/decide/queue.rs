//! Moving waiting tasks: delayed ones whose instant has come, and those of a pool that serves nothing.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    clock::Timestamp,
    id::{KeyId, Route, ServerId, TaskId},
    keys::{Pool, PoolId},
    routing::Split,
    store::{Promote, Replan, Tables},
    work::TaskState,
};

/// The pool's row, made when there is none yet.
pub(super) fn pool_row<'a>(
    tables: &'a mut Tables,
    pool: PoolId,
    route: &Route,
    only_key: Option<KeyId>,
) -> &'a mut Pool {
    if tables.pools.get(&pool).is_none() {
        tables.pools.insert(pool, Pool::new(route.clone(), only_key));
    }
    tables.pools.get_mut(&pool).expect("it was inserted above")
}

/// Queues delayed tasks whose instant has come, at their pool's present virtual time.
pub(super) fn promote(tables: &mut Tables, promote: Promote, now: Timestamp) -> Vec<PoolId> {
    let due: Vec<TaskId> = tables.due_tasks(now).take(promote.tasks_max as usize).collect();
    let mut pools = BTreeSet::new();
    for id in due {
        let Some(TaskState::Delayed { pool, .. }) = tables.tasks().get(&id).map(|task| task.state.clone())
        else {
            continue;
        };
        let tag = tables.pools.get(&pool).map_or(0, |pool| pool.virtual_time);
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

/// Moves tasks off a pool to routes that they were admitted for, in the ratio of the weights.
pub(super) fn replan(tables: &mut Tables, replan: &Replan) -> Vec<PoolId> {
    let waiting: Vec<TaskId> =
        tables.ready_in(replan.pool).map(|(_, id)| id).take(replan.tasks_max as usize).collect();
    // One split per set of servers that tasks may go to: tasks of one chunk are dealt out in the right ratio.
    let mut splits: BTreeMap<Vec<ServerId>, Split> = BTreeMap::new();
    let mut pools = BTreeSet::new();
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
        let Some(place) = task.routes.iter().position(|route| route.route().server == server) else {
            continue;
        };
        let route = task.routes[place].route().clone();
        let pool = PoolId::shared(&route);
        let row = pool_row(tables, pool, &route, None);
        row.waiting += 1;
        row.sequence += 1;
        let tag = row.virtual_time;
        if let Some(old) = tables.pools.get_mut(&replan.pool) {
            old.waiting -= 1;
        }
        tables.change_task(id, |task| {
            task.planned = u8::try_from(place).unwrap_or(0);
            task.state = TaskState::Ready { pool, tag };
        });
        pools.insert(pool);
    }
    pools.into_iter().collect()
}
