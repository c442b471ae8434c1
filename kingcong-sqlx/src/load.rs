//! Loading: the rows that a batch needs, in lock order, into [`Tables`]. Rows that are in them are not read again.
//!
//! MySQL alone reads what stands in `/*! */`: by another index than the query is made for it would lock rows of
//! everybody.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Instant,
};

use kingcong_core::{
    clock::Timestamp,
    id::{JobId, LimitId, TaskId, TenantId},
    keys::{Flow, Key, Limit, Pool, PoolId},
    ledger::{Hold, Wallet},
    store::{
        DutyRow, IdempotencyRow, InputRow, Needs, SplitRow, Stop, StoreError, StoreErrorKind, Tables, Worker,
    },
    tenants::Tenant,
    vault::{DataKey, DataKeyUse},
    work::{Attempt, Job, JobState, Task},
};
use parking_lot::Mutex;

use crate::{
    cell::{Cell, Gives},
    rows::{SplitState, TaskWithWork, use_cells},
    session::{Locked, STATEMENT_ROWS_MAX, Script, Transaction, load, locking, select},
    table::{Deed, Written as _},
};

/// When a batch is decided.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Decided {
    /// The database's time.
    pub(crate) at: Timestamp,
    /// An instant of this process before that.
    pub(crate) since: Instant,
}

impl Decided {
    async fn now(session: &mut dyn Transaction) -> Result<Self, StoreError> {
        let since = Instant::now();
        Ok(Self { at: session.now().await?, since })
    }
}

/// Loads what a batch needs; the answer is the time of its decisions.
///
/// The order is the lock order of all databases: jobs, tasks, attempts, holds, wallets, splits, keys, key limits,
/// shared limits, pools, flows. The last revision of a key is locked later.
pub(crate) async fn load_needs(
    session: &mut dyn Transaction,
    needs: &mut Needs,
    tables: &mut Tables,
    tenants: &KnownTenants,
) -> Result<Decided, StoreError> {
    let keys = missing(&needs.idempotency, |key| tables.idempotency.get(key).is_some());
    for row in load::<IdempotencyRow>(session, keys.map(|key| key.as_slice().into()).collect()).await? {
        tables.idempotency.load(row.key, row);
    }
    load_jobs(session, needs, tables).await?;
    load_tasks(session, needs, tables).await?;
    load_adopted(session, needs, tables).await?;

    // Everything is decided at one instant. It is read when the rows are locked, but for due tasks: those are the ones
    // due by it.
    let early = match needs.due {
        0 => None,
        _ => Some(Decided::now(session).await?),
    };
    let due_by = early.map(|decided| decided.at);
    load_queues(session, needs, tables, due_by).await?;
    let attempts = missing(&needs.attempts, |id| tables.attempts().get(id).is_some());
    for attempt in load::<Attempt>(session, attempts.map(|id| id.as_uuid().into()).collect()).await? {
        tables.load_attempt(attempt);
    }
    needs.follow_tasks(tables, due_by.unwrap_or(Timestamp::EPOCH));
    load_jobs(session, needs, tables).await?;
    needs.follow_jobs(tables);
    load_tenants(session, needs, tables, tenants).await?;
    load_inputs(session, needs, tables).await?;

    load_money(session, needs, tables).await?;
    load_keys(session, needs, tables).await?;
    load_pools(session, needs, tables).await?;
    for used_for in &needs.data_keys {
        let cells = use_cells(used_for);
        for key in select::<DataKey>(session, "WHERE used_for = ? AND tenant = ?", cells).await? {
            tables.data_keys.load(key.context.id, key);
        }
        let (relying, cells) = match used_for {
            DataKeyUse::Tenant(tenant) => {
                ("WHERE tenant = ? AND envelope IS NOT NULL", vec![tenant.as_str().into()])
            }
            DataKeyUse::Fingerprints => ("WHERE phase <> 'removed'", Vec::new()),
        };
        for key in select::<Key>(session, relying, cells).await? {
            if tables.keys().get(&key.id).is_none() {
                tables.load_key(key);
            }
        }
    }
    load_duties(session, needs, tables).await?;
    match early {
        Some(decided) => Ok(decided),
        None => Decided::now(session).await,
    }
}

/// Duties; one that nobody took yet is made due, so that there is a row to lock.
async fn load_duties(
    session: &mut dyn Transaction,
    needs: &Needs,
    tables: &mut Tables,
) -> Result<(), StoreError> {
    let names = || needs.duties.iter().map(|name| Cell::Word(name)).collect();
    let mut duties = load::<DutyRow>(session, names()).await?;
    if duties.len() < needs.duties.len() {
        let due = |name: &&str| DutyRow { name: (*name).to_owned(), next_at: Timestamp::EPOCH };
        let due: Vec<DutyRow> = needs.duties.iter().map(due).collect();
        let mut script = Script::default();
        script.insert(Deed::InsertIfAbsent, &due);
        session.run(script).await?;
        duties = load::<DutyRow>(session, names()).await?;
    }
    for duty in duties {
        tables.duties.load(duty.name.clone(), duty);
    }
    Ok(())
}

/// What a process knows of tenants, so that a batch reads only the number of their last change.
#[derive(Debug, Default)]
pub(crate) struct KnownTenants(Mutex<TenantRows>);

#[derive(Debug, Default)]
struct TenantRows {
    /// The number of the last change of any tenant when they were read.
    version: i64,
    /// Their rows, and those that have none.
    rows: BTreeMap<TenantId, Option<Tenant>>,
}

impl KnownTenants {
    /// Most tenants that are remembered; what is forgotten is read again.
    const ROWS_MAX: usize = 16_384;

    /// Adds what is known to the tables, as of that version; the tenants of which nothing is known.
    fn load(&self, wanted: &BTreeSet<TenantId>, tables: &mut Tables) -> Vec<TenantId> {
        if tables.tenants_version == 0 {
            return Vec::new();
        }
        let mut known = self.0.lock();
        if known.version != tables.tenants_version || known.rows.len() >= Self::ROWS_MAX {
            *known = TenantRows { version: tables.tenants_version, rows: BTreeMap::new() };
        }
        let mut unknown = Vec::new();
        for id in missing(wanted, |id| tables.tenants.get(id).is_some()).cloned().collect::<Vec<_>>() {
            match known.rows.get(&id) {
                Some(Some(row)) => tables.tenants.load(id, row.clone()),
                Some(None) => {}
                None => unknown.push(id),
            }
        }
        unknown
    }

    fn keep(&self, version: i64, asked: Vec<TenantId>, found: &[Tenant]) {
        let mut known = self.0.lock();
        if known.version == version {
            let row = |id: &TenantId| found.iter().find(|row| row.id == *id).cloned();
            known.rows.extend(asked.into_iter().map(|id| (id.clone(), row(&id))));
        }
    }
}

/// Tenants, without a lock: whatever changes them stands alone.
async fn load_tenants(
    session: &mut dyn Transaction,
    needs: &Needs,
    tables: &mut Tables,
    known: &KnownTenants,
) -> Result<(), StoreError> {
    let unknown = known.load(&needs.tenants, tables);
    let version = tables.tenants_version;
    for asked in unknown.chunks(STATEMENT_ROWS_MAX) {
        let marks = vec!["?"; asked.len()].join(", ");
        let cells = asked.iter().map(|id| id.as_str().into()).collect();
        let found: Vec<Tenant> = select(session, &format!("WHERE id IN ({marks})"), cells).await?;
        known.keep(version, asked.to_vec(), &found);
        for tenant in found {
            tables.tenants.load(tenant.id.clone(), tenant);
        }
    }
    Ok(())
}

/// The keys of rows that are not loaded yet.
fn missing<'k, K: Ord>(
    keys: &'k BTreeSet<K>,
    is_loaded: impl Fn(&K) -> bool + 'k,
) -> impl Iterator<Item = &'k K> {
    keys.iter().filter(move |key| !is_loaded(key))
}

/// Workers that may have died, with what they worked on.
async fn load_adopted(
    session: &mut dyn Transaction,
    needs: &Needs,
    tables: &mut Tables,
) -> Result<(), StoreError> {
    let mut tasks = BTreeSet::new();
    for &(worker, _, attempts_max) in &needs.adopt {
        // Whose row is locked writes, or is being buried by somebody else.
        let rest = locking(session, "WHERE id = ?", Locked::Skipped);
        let Some(worker) = select::<Worker>(session, &rest, vec![worker.as_uuid().into()]).await?.pop()
        else {
            continue;
        };
        let open = "/*! FORCE INDEX (kingcong_attempts_open) */ WHERE open_worker = ? ORDER BY id LIMIT ?";
        let rest = locking(session, open, Locked::Awaited);
        let cells = vec![worker.id.as_uuid().into(), attempts_max.into()];
        tables.workers.load(worker.id, worker);
        for attempt in select::<Attempt>(session, &rest, cells).await? {
            tasks.insert(attempt.task);
            if tables.attempts().get(&attempt.id).is_none() {
                tables.load_attempt(attempt);
            }
        }
    }
    load_tasks_by_id(session, &tasks, tables).await
}

async fn load_jobs(
    session: &mut dyn Transaction,
    needs: &Needs,
    tables: &mut Tables,
) -> Result<(), StoreError> {
    let jobs = missing(&needs.jobs, |id| tables.jobs.get(id).is_some());
    for job in load::<Job>(session, jobs.map(|id| id.as_uuid().into()).collect()).await? {
        tables.jobs.load(job.id, job);
    }
    Ok(())
}

async fn load_tasks(
    session: &mut dyn Transaction,
    needs: &Needs,
    tables: &mut Tables,
) -> Result<(), StoreError> {
    let mut ids = needs.tasks.clone();
    for job in &needs.tasks_of {
        ids.extend(of_job_and_followers(session, *job, tables).await?);
    }
    load_tasks_by_id(session, &ids, tables).await
}

/// The tasks of a job that is stopped and what its user has waiting beside it, which may move up. Both are to be locked
/// in one go in the order of their ids, or the stops of two jobs of one user would meet in a circle.
async fn of_job_and_followers(
    session: &mut dyn Transaction,
    id: JobId,
    tables: &Tables,
) -> Result<BTreeSet<TaskId>, StoreError> {
    let whole = "SELECT id FROM kingcong_tasks /*! FORCE INDEX (kingcong_tasks_job) */ WHERE job = ?";
    let mut of_job = read_ids(session, whole.to_owned(), vec![id.as_uuid().into()]).await?;
    let Some(job) = tables.jobs.get(&id).filter(|job| job.state == JobState::Open) else { return Ok(of_job) };
    // Where nothing is ready, nothing leaves a place behind it.
    let followers = "SELECT t.id FROM kingcong_jobs j /*! FORCE INDEX (kingcong_jobs_open) */ \
                     JOIN kingcong_tasks t /*! FORCE INDEX (kingcong_tasks_job) */ ON t.job = j.id \
                     WHERE j.tenant = ? AND j.user_id = ? AND j.state = 'open' AND j.id <> ? AND t.state = 'ready' \
                     AND EXISTS (SELECT 1 FROM kingcong_tasks w WHERE w.job = ? AND w.state = 'ready') \
                     ORDER BY t.tag, t.id LIMIT ?";
    let (tenant, user) = (job.tenant.as_str().into(), job.user.as_str().into());
    let (this, most) = (|| id.as_uuid().into(), Stop::FOLLOWERS_MAX.into());
    of_job.extend(read_ids(session, followers.to_owned(), vec![tenant, user, this(), this(), most]).await?);
    Ok(of_job)
}

async fn load_tasks_by_id(
    session: &mut dyn Transaction,
    ids: &BTreeSet<TaskId>,
    tables: &mut Tables,
) -> Result<(), StoreError> {
    let tasks = missing(ids, |id| tables.tasks().get(id).is_some());
    for task in load::<Task>(session, tasks.map(|id| id.as_uuid().into()).collect()).await? {
        tables.load_task(task);
    }
    Ok(())
}

/// The next tasks of pools, and delayed tasks that are due. Their ids alone come in order, from an index.
async fn load_queues(
    session: &mut dyn Transaction,
    needs: &mut Needs,
    tables: &mut Tables,
    due_by: Option<Timestamp>,
) -> Result<(), StoreError> {
    let next = "SELECT id FROM kingcong_tasks /*! FORCE INDEX (kingcong_tasks_ready) */ \
                WHERE pool = ? AND state = 'ready' ORDER BY tag, id LIMIT ?";
    for (pool, tasks) in most(needs.claims.iter().map(|claim| (claim.pool, claim.tasks))) {
        let cells = || vec![pool.as_uuid().into(), tasks.into()];
        // They come in the order of the queue, not in that of the locks: nobody may wait for one of them.
        let ids = task_ids(session, next, cells(), Locked::Skipped).await?;
        if ids.len() < tasks as usize && session.row_lock().is_some() {
            // Others may hold some, to let them go: the claim is told, or it would take the queue for empty.
            let all = session.fetch(Gives::Named(Task::NAME), next.to_owned(), cells()).await?;
            if all.len() > ids.len() {
                tables.note_hiding(pool);
            }
        }
        load_with_work(session, &ids, tables).await?;
    }
    let mut ids = BTreeSet::new();
    for (pool, tasks) in most(needs.ready.iter().copied()) {
        let cells = vec![pool.as_uuid().into(), tasks.into()];
        ids.extend(task_ids(session, next, cells, Locked::Skipped).await?);
    }
    if let Some(now) = due_by {
        let due = "SELECT id FROM kingcong_tasks /*! FORCE INDEX (kingcong_tasks_delayed) */ \
                   WHERE state = 'delayed' AND until <= ? ORDER BY until, id LIMIT ?";
        ids.extend(task_ids(session, due, vec![now.into(), needs.due.into()], Locked::Skipped).await?);
    }
    load_tasks_by_id(session, &ids, tables).await
}

/// Each pool once, with the most that is wanted of it.
fn most(wanted: impl Iterator<Item = (PoolId, u32)>) -> BTreeMap<PoolId, u32> {
    let mut most = BTreeMap::new();
    for (pool, count) in wanted {
        let entry = most.entry(pool).or_insert(count);
        *entry = count.max(*entry);
    }
    most
}

async fn task_ids(
    session: &mut dyn Transaction,
    sql: &str,
    cells: Vec<Cell>,
    locked: Locked,
) -> Result<BTreeSet<TaskId>, StoreError> {
    let sql = locking(session, sql, locked);
    read_ids(session, sql, cells).await
}

async fn read_ids(
    session: &mut dyn Transaction,
    sql: String,
    cells: Vec<Cell>,
) -> Result<BTreeSet<TaskId>, StoreError> {
    let rows = session.fetch(Gives::Named(Task::NAME), sql, cells).await?;
    rows.into_iter().map(|row| row.read(|row| Ok(TaskId::from_uuid(row.uuid("id")?)))).collect()
}

async fn load_inputs(
    session: &mut dyn Transaction,
    needs: &Needs,
    tables: &mut Tables,
) -> Result<(), StoreError> {
    load_with_work(session, &needs.inputs, tables).await
}

/// Tasks with what they are to do, where either is missing.
async fn load_with_work(
    session: &mut dyn Transaction,
    ids: &BTreeSet<TaskId>,
    tables: &mut Tables,
) -> Result<(), StoreError> {
    let ids = missing(ids, |id| tables.tasks().get(id).is_some() && tables.inputs.get(id).is_some());
    for TaskWithWork { task, work } in
        load::<TaskWithWork>(session, ids.map(|id| id.as_uuid().into()).collect()).await?
    {
        tables.inputs.load(task.id, InputRow { task: task.id, work: Arc::new(work) });
        if tables.tasks().get(&task.id).is_none() {
            tables.load_task(task);
        }
    }
    Ok(())
}

async fn load_money(
    session: &mut dyn Transaction,
    needs: &Needs,
    tables: &mut Tables,
) -> Result<(), StoreError> {
    let holds = missing(&needs.holds, |id| tables.holds.get(id).is_some());
    for hold in load::<Hold>(session, holds.map(|id| id.as_uuid().into()).collect()).await? {
        tables.holds.load(hold.id, hold);
    }
    let wallets = missing(&needs.wallets, |id| tables.wallets.get(id).is_some());
    for wallet in load::<Wallet>(session, wallets.map(|id| id.as_uuid().into()).collect()).await? {
        tables.wallets.load(wallet.id, wallet);
    }
    let splits: BTreeMap<_, _> = needs.splits.iter().map(|(id, split)| (*id, split)).collect();
    let ids = splits.keys().filter(|id| tables.splits.get(id).is_none());
    let ids = ids.map(|id| Cell::Id(*id.as_bytes())).collect();
    for state in load::<SplitState>(session, ids).await? {
        let Some(split) = splits.get(&state.id) else { continue };
        let split = (*split).clone().resume(state.carry).map_err(|error| {
            let message = format!("row {:?} of kingcong_splits is damaged: {error}", state.id);
            StoreError::new(StoreErrorKind::Corrupt, message)
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
    let claims = most(needs.claims.iter().map(|claim| (claim.pool, claim.keys)));
    let keys = missing(&needs.keys, |id| tables.keys().get(id).is_some());
    for key in load::<Key>(session, keys.map(|id| id.as_uuid().into()).collect()).await? {
        tables.load_key(key);
    }
    for (tenant, server, fingerprint) in &needs.fingerprints {
        let rest = "WHERE tenant = ? AND server = ? AND fingerprint = ? AND phase <> 'removed'";
        let cells =
            vec![tenant.as_str().into(), server.as_str().into(), fingerprint.as_bytes().as_slice().into()];
        for key in select::<Key>(session, rest, cells).await? {
            needs.key_limits.insert(Limit::id_of_key(key.id));
            tables.load_key(key);
        }
    }
    for server in &needs.keys_of {
        let rest = "WHERE server = ? AND phase <> 'removed'";
        for key in select::<Key>(session, rest, vec![server.as_str().into()]).await? {
            needs.key_limits.insert(Limit::id_of_key(key.id));
            tables.load_key(key);
        }
    }
    load_limits(session, &needs.key_limits, tables).await?;
    for (pool, keys) in claims {
        let ids = next_keys(session, pool, keys, tables).await?;
        load_limits(session, &ids, tables).await?;
    }
    needs.follow_limits(tables);
    load_limits(session, &needs.shared_limits, tables).await
}

/// The limits of a pool's next keys, in the order of their turns. Where several batches write at a time, those that
/// others hold are left out; a key's own row is locked with its limit's, which it repeats.
async fn next_keys(
    session: &mut dyn Transaction,
    pool: PoolId,
    keys: u32,
    tables: &Tables,
) -> Result<BTreeSet<LimitId>, StoreError> {
    let cells = || vec![pool.as_uuid().into(), keys.into()];
    let next = "SELECT id FROM kingcong_limits WHERE pool = ? ORDER BY turn, id LIMIT ?";
    let Some(both) = session.next_keys() else {
        return limit_ids(session, next.to_owned(), cells()).await;
    };
    let both = locking(session, both, Locked::Skipped);
    let ids = limit_ids(session, both, cells()).await?;
    if !ids.is_empty() {
        return Ok(ids);
    }
    // Others hold them all, if there are any. Those beyond every key that is locked already can be waited for without
    // leaving the order of locks.
    let mut ids = limit_ids(session, next.to_owned(), cells()).await?;
    if let Some((last, _)) = tables.key_limits().iter().next_back() {
        ids.retain(|id| id > last);
    }
    load::<Key>(session, ids.iter().map(|id| id.as_uuid().into()).collect()).await?;
    Ok(ids)
}

async fn limit_ids(
    session: &mut dyn Transaction,
    sql: String,
    cells: Vec<Cell>,
) -> Result<BTreeSet<LimitId>, StoreError> {
    let rows = session.fetch(Gives::Named(Limit::NAME), sql, cells).await?;
    rows.into_iter().map(|row| row.read(|row| Ok(LimitId::from_uuid(row.uuid("id")?)))).collect()
}

async fn load_limits(
    session: &mut dyn Transaction,
    ids: &BTreeSet<LimitId>,
    tables: &mut Tables,
) -> Result<(), StoreError> {
    let is_loaded = |id: &LimitId| {
        tables.key_limits().get(id).is_some()
            || tables.account_limits.get(id).is_some()
            || tables.egress_limits.get(id).is_some()
    };
    let ids = missing(ids, is_loaded).map(|id| id.as_uuid().into()).collect();
    for limit in load::<Limit>(session, ids).await? {
        tables.load_limit(limit);
    }
    Ok(())
}

async fn load_pools(
    session: &mut dyn Transaction,
    needs: &Needs,
    tables: &mut Tables,
) -> Result<(), StoreError> {
    let pools = missing(&needs.pools, |id| tables.pools.get(id).is_some());
    for pool in load::<Pool>(session, pools.map(|id| id.as_uuid().into()).collect()).await? {
        tables.pools.load(pool.id, pool);
    }
    let mut flows = Vec::new();
    for (pool, tenant, user) in missing(&needs.flows, |id| tables.flows.get(id).is_some()) {
        flows.extend([pool.as_uuid().into(), tenant.as_str().into(), user.as_str().into()]);
    }
    for flow in load::<Flow>(session, flows).await? {
        tables.flows.load((flow.pool, flow.tenant.clone(), flow.user.clone()), flow);
    }
    Ok(())
}
