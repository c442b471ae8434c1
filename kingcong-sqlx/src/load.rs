//! Loading: the rows that a batch needs, in lock order, into [`Tables`].

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use kingcong_core::{
    clock::Timestamp,
    id::{LimitId, TaskId, WorkerId},
    keys::{Flow, Key, Limit, Pool, PoolId},
    ledger::{Hold, Wallet},
    provider::Work,
    store::{IdempotencyRow, Needs, SplitRow, StoreError, Tables, Worker},
    vault::DataKey,
    work::{Attempt, Job, Task},
};

use crate::{
    cell::{Cell, Row},
    rows::{DutyRow, INPUT_COLUMN, SplitState, put_use},
    session::{STATEMENT_ROWS_MAX, Transaction, load, padded, select},
    table::Record,
};

/// Loads what a batch needs; the answer is the time of its decisions.
///
/// The order is the lock order of all databases: jobs, tasks, attempts, holds, wallets, splits, keys, key limits,
/// shared limits, pools, flows.
pub(crate) async fn load_needs(
    session: &mut dyn Transaction,
    needs: &mut Needs,
    tables: &mut Tables,
) -> Result<Timestamp, StoreError> {
    load_adopted(session, needs, tables).await?;
    let keys = needs.idempotency.iter().map(|key| key.as_slice().into()).collect();
    for row in load::<IdempotencyRow>(session, keys).await? {
        tables.idempotency.load(row.key, row);
    }
    load_jobs(session, needs, tables).await?;
    load_tasks(session, needs, tables).await?;

    // Everything that follows is decided at one instant: due tasks are those due by it.
    let now = session.now().await?;
    load_queues(session, needs, tables, now).await?;
    let attempts = needs.attempts.iter().filter(|id| tables.attempts().get(id).is_none());
    let attempts = attempts.map(|id| id.as_uuid().into()).collect();
    for attempt in load::<Attempt>(session, attempts).await? {
        tables.load_attempt(attempt);
    }
    needs.follow_tasks(tables, now);
    load_jobs(session, needs, tables).await?;
    needs.follow_jobs(tables);
    load_inputs(session, needs, tables).await?;

    load_money(session, needs, tables).await?;
    load_keys(session, needs, tables).await?;
    load_pools(session, needs, tables).await?;
    for used_for in &needs.data_keys {
        let mut cells = Vec::new();
        put_use(used_for, &mut cells);
        for key in select::<DataKey>(session, "WHERE used_for = ? AND tenant = ?", cells).await? {
            tables.data_keys.load(key.context.id, key);
        }
    }
    let duties = needs.duties.iter().map(|name| Cell::Word(name)).collect();
    for duty in load::<DutyRow>(session, duties).await? {
        tables.duties.load(duty.name, duty.next_at);
    }
    Ok(now)
}

/// Workers that may have died, with what they worked on.
async fn load_adopted(
    session: &mut dyn Transaction,
    needs: &Needs,
    tables: &mut Tables,
) -> Result<(), StoreError> {
    let workers = needs.adopt.iter().map(|(worker, ..)| worker.as_uuid().into()).collect();
    for worker in load::<Worker>(session, workers).await? {
        tables.workers.load(worker.id, worker);
    }
    let mut tasks = Vec::new();
    for &(worker, _, attempts_max) in &needs.adopt {
        let rest = "WHERE open_worker = ? ORDER BY id LIMIT ?";
        let cells = vec![WorkerId::as_uuid(worker).into(), attempts_max.into()];
        for attempt in select::<Attempt>(session, rest, cells).await? {
            tasks.push(attempt.task.as_uuid().into());
            tables.load_attempt(attempt);
        }
    }
    for task in load::<Task>(session, tasks).await? {
        tables.load_task(task);
    }
    Ok(())
}

async fn load_jobs(
    session: &mut dyn Transaction,
    needs: &Needs,
    tables: &mut Tables,
) -> Result<(), StoreError> {
    let jobs = needs.jobs.iter().filter(|id| tables.jobs.get(id).is_none());
    let jobs = jobs.map(|id| id.as_uuid().into()).collect();
    for job in load::<Job>(session, jobs).await? {
        tables.jobs.load(job.id, job);
    }
    Ok(())
}

async fn load_tasks(
    session: &mut dyn Transaction,
    needs: &Needs,
    tables: &mut Tables,
) -> Result<(), StoreError> {
    for job in &needs.tasks_of {
        for task in select::<Task>(session, "WHERE job = ?", vec![job.as_uuid().into()]).await? {
            tables.load_task(task);
        }
    }
    let tasks = needs.tasks.iter().filter(|id| tables.tasks().get(id).is_none());
    let tasks = tasks.map(|id| id.as_uuid().into()).collect();
    for task in load::<Task>(session, tasks).await? {
        tables.load_task(task);
    }
    Ok(())
}

/// The next tasks of pools, and delayed tasks that are due.
async fn load_queues(
    session: &mut dyn Transaction,
    needs: &Needs,
    tables: &mut Tables,
    now: Timestamp,
) -> Result<(), StoreError> {
    let mut wanted: BTreeMap<PoolId, u32> = BTreeMap::new();
    let claimed = needs.claims.iter().map(|claim| (claim.pool, claim.tasks));
    for (pool, tasks) in claimed.chain(needs.ready.iter().copied()) {
        let most = wanted.entry(pool).or_default();
        *most = tasks.max(*most);
    }
    for (pool, tasks) in wanted {
        let rest = "WHERE pool = ? AND state = 'ready' ORDER BY tag, id LIMIT ?";
        for task in select::<Task>(session, rest, vec![pool.as_uuid().into(), tasks.into()]).await? {
            tables.load_task(task);
        }
    }
    if needs.due > 0 {
        let rest = "WHERE state = 'delayed' AND until <= ? ORDER BY until, id LIMIT ?";
        for task in select::<Task>(session, rest, vec![now.into(), needs.due.into()]).await? {
            tables.load_task(task);
        }
    }
    Ok(())
}

async fn load_inputs(
    session: &mut dyn Transaction,
    needs: &Needs,
    tables: &mut Tables,
) -> Result<(), StoreError> {
    let ids = needs.inputs.iter().filter(|id| tables.inputs.get(id).is_none());
    let ids: Vec<Cell> = ids.map(|id| id.as_uuid().into()).collect();
    for chunk in ids.chunks(STATEMENT_ROWS_MAX) {
        let places = vec!["?"; padded(chunk.len())].join(", ");
        let sql = format!("SELECT id, {INPUT_COLUMN} FROM kingcong_tasks WHERE id IN ({places})");
        for row in session.fetch(Task::TABLE.name, sql, chunk.to_vec()).await? {
            let (id, work) =
                row.read(|row: &mut Row| Ok((TaskId::from_uuid(row.uuid()?), row.json::<Work>()?)))?;
            tables.inputs.load(id, Arc::new(work));
        }
    }
    Ok(())
}

async fn load_money(
    session: &mut dyn Transaction,
    needs: &Needs,
    tables: &mut Tables,
) -> Result<(), StoreError> {
    for hold in load::<Hold>(session, needs.holds.iter().map(|id| id.as_uuid().into()).collect()).await? {
        tables.holds.load(hold.id, hold);
    }
    for wallet in
        load::<Wallet>(session, needs.wallets.iter().map(|id| id.as_uuid().into()).collect()).await?
    {
        tables.wallets.load(wallet.id, wallet);
    }
    let splits: BTreeMap<_, _> = needs.splits.iter().map(|(id, split)| (*id, split)).collect();
    let keys = splits.keys().map(|id| Cell::Id(*id.as_bytes())).collect();
    for state in load::<SplitState>(session, keys).await? {
        let Some(split) = splits.get(&state.id) else { continue };
        let split = (*split).clone().resume(state.carry).map_err(|error| {
            let message = format!("row {:?} of kingcong_splits is damaged: {error}", state.id);
            StoreError::new(kingcong_core::store::StoreErrorKind::Corrupt, message)
        })?;
        tables.splits.load(state.id, SplitRow { id: state.id, service: state.service, split });
    }
    Ok(())
}

/// Keys, and the limits of every level.
async fn load_keys(
    session: &mut dyn Transaction,
    needs: &mut Needs,
    tables: &mut Tables,
) -> Result<(), StoreError> {
    for key in load::<Key>(session, needs.keys.iter().map(|id| id.as_uuid().into()).collect()).await? {
        tables.keys.load(key.id, key);
    }
    for (server, fingerprint) in &needs.fingerprints {
        let rest = "WHERE server = ? AND fingerprint = ? AND phase <> 'removed'";
        let cells = vec![server.as_str().into(), fingerprint.as_bytes().as_slice().into()];
        for key in select::<Key>(session, rest, cells).await? {
            needs.key_limits.insert(Limit::id_of_key(key.id));
            tables.keys.load(key.id, key);
        }
    }
    load_limits(session, &needs.key_limits, tables).await?;
    let mut wanted: BTreeMap<PoolId, u32> = BTreeMap::new();
    for claim in &needs.claims {
        let most = wanted.entry(claim.pool).or_default();
        *most = claim.keys.max(*most);
    }
    for (pool, keys) in wanted {
        let rest = "WHERE pool = ? ORDER BY turn, id LIMIT ?";
        let shared = select::<Limit>(session, rest, vec![pool.as_uuid().into(), keys.into()]).await?;
        let limits = if shared.is_empty() {
            // A queue for one key alone names it in its own row, which never changes in this.
            let rest = "WHERE id = (SELECT only_key FROM kingcong_pools WHERE id = ?)";
            select::<Limit>(session, rest, vec![pool.as_uuid().into()]).await?
        } else {
            shared
        };
        for limit in limits {
            if tables.key_limits().get(&limit.id).is_none() {
                tables.load_limit(limit);
            }
        }
    }
    needs.follow_limits(tables);
    load_limits(session, &needs.shared_limits, tables).await
}

async fn load_limits(
    session: &mut dyn Transaction,
    wanted: &BTreeSet<LimitId>,
    tables: &mut Tables,
) -> Result<(), StoreError> {
    for limit in load::<Limit>(session, wanted.iter().map(|id| id.as_uuid().into()).collect()).await? {
        tables.load_limit(limit);
    }
    Ok(())
}

async fn load_pools(
    session: &mut dyn Transaction,
    needs: &Needs,
    tables: &mut Tables,
) -> Result<(), StoreError> {
    for pool in load::<Pool>(session, needs.pools.iter().map(|id| id.as_uuid().into()).collect()).await? {
        tables.pools.load(pool.id, pool);
    }
    let mut flows = Vec::new();
    for (pool, tenant, user) in &needs.flows {
        flows.extend([pool.as_uuid().into(), tenant.as_str().into(), user.as_str().into()]);
    }
    for flow in load::<Flow>(session, flows).await? {
        tables.flows.load((flow.pool, flow.tenant.clone(), flow.user.clone()), flow);
    }
    Ok(())
}
