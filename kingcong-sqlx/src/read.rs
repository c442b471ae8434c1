//! The reads of the port, each from one consistent view and bounded.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Range,
    time::Duration,
};

use bytes::Bytes;
use kingcong_core::{
    access::Scope,
    clock::Timestamp,
    id::{
        AttemptId, AuditId, HoldId, JobId, KeyId, LimitId, ServerId, TaskId, TenantId, VoiceId, WalletId,
        WorkerId,
    },
    keys::{Account, Key, KeyWithLimits, Limit, Limits, Pool, PoolId, Rules, Window},
    ledger::{Entry, Hold, OpeningBalance, Wallet, WalletKey},
    store::{
        AttemptFilter, AttemptKind, AuditEntry, AuditOf, ChangedKeys, Configuration, IdempotencyRow,
        JobFilter, JobWithTasks, Kept, LimitCount, OutputHead, OutputRow, PAGE_MAX, PULSE_OVERDUE_MAX, Pulse,
        Standing, StoreError, StoreErrorKind, VoiceRow, WalletFilter, Worker,
    },
    tenants::Tenant,
    vault::{DataKey, DataKeyUse},
    work::{Attempt, Job, JobState, Made, Task},
};
use uuid::Uuid;

use crate::{
    cell::{Cell, Corrupt, Gives, Row},
    rows::{
        ConfigurationRow, EntryRow, JobStanding, ONLY_ROW, PackageRow, PriceRow, life, read_bound,
        read_length, use_cells,
    },
    session::{Instant, Session, load, select},
    table::{Record, Written as _},
};

/// Conditions of a query that is put together from a filter.
#[derive(Default)]
pub(crate) struct Query {
    conditions: Vec<&'static str>,
    cells: Vec<Cell>,
}

impl Query {
    pub(crate) fn and(&mut self, condition: &'static str, cells: impl IntoIterator<Item = Cell>) {
        self.conditions.push(condition);
        self.cells.extend(cells);
    }

    /// Rows that may be seen, of a table whose owners are `tenant` and `user_id`.
    fn within(&mut self, scope: &Scope) {
        match scope {
            Scope::All => {}
            Scope::Tenant(tenant) => self.and("tenant = ?", [tenant.as_str().into()]),
            Scope::User(tenant, user) => {
                self.and("tenant = ? AND user_id = ?", [tenant.as_str().into(), user.as_str().into()]);
            }
        }
    }

    pub(crate) fn page(mut self, order: &str, limit: u32) -> (String, Vec<Cell>) {
        self.cells.push(limit.min(PAGE_MAX).into());
        let conditions = match self.conditions.is_empty() {
            true => String::new(),
            false => format!("WHERE {} ", self.conditions.join(" AND ")),
        };
        (format!("{conditions}ORDER BY {order} LIMIT ?"), self.cells)
    }
}

/// The one row of a query, if there is one.
async fn one<R: Record + Send>(
    session: &mut dyn Session,
    rest: &str,
    cells: Vec<Cell>,
) -> Result<Option<R>, StoreError> {
    Ok(select(session, rest, cells).await?.into_iter().next())
}

pub(crate) async fn configuration_version(session: &mut dyn Session) -> Result<i64, StoreError> {
    let sql = "SELECT version FROM kingcong_config WHERE id = 1".to_owned();
    let rows = session.fetch(Gives::Named(ConfigurationRow::NAME), sql, Vec::new()).await?;
    match rows.into_iter().next() {
        Some(row) => row.read(|row| row.int("version")),
        None => Ok(0),
    }
}

pub(crate) async fn tenant(session: &mut dyn Session, id: &TenantId) -> Result<Option<Tenant>, StoreError> {
    one(session, "WHERE id = ?", vec![id.as_str().into()]).await
}

pub(crate) async fn tenants(
    session: &mut dyn Session,
    after: Option<&TenantId>,
    limit: u32,
) -> Result<Vec<Tenant>, StoreError> {
    let mut query = Query::default();
    if let Some(after) = after {
        query.and("id > ?", [after.as_str().into()]);
    }
    let (rest, cells) = query.page("id", limit);
    select(session, &rest, cells).await
}

pub(crate) async fn configuration(session: &mut dyn Session) -> Result<Configuration, StoreError> {
    let Some(row) = one::<ConfigurationRow>(session, "WHERE id = 1", Vec::new()).await? else {
        return Ok(Configuration::default());
    };
    let damaged = |what: &str, error: &dyn std::fmt::Display| {
        let message = format!("the rows in force of {what} contradict each other: {error}");
        StoreError::new(StoreErrorKind::Corrupt, message)
    };
    let prices = select::<PriceRow>(session, "WHERE in_force = 1 ORDER BY id", Vec::new()).await?;
    let prices: Vec<_> = prices.into_iter().map(|row| row.0).collect();
    let packages = select::<PackageRow>(session, "ORDER BY id", Vec::new()).await?;
    let packages: Vec<_> = packages.into_iter().map(|row| row.0).collect();
    Ok(Configuration {
        version: row.version,
        system: row.system,
        prices: prices.try_into().map_err(|error| damaged("kingcong_pricing", &error))?,
        packages: packages.try_into().map_err(|error| damaged("kingcong_packages", &error))?,
    })
}

/// Everything in one statement, which sees one instant without a transaction around it: rows of four kinds, whose
/// columns have the names of those of pools. `{now}` is the time.
const PULSE: &str = "SELECT 'pool' AS kind, id, server, service, only_key, \
         virtual_time, sequence, waiting, health, 0 AS key_revision \
     FROM kingcong_pools WHERE waiting_or_null = 1 \
     UNION ALL SELECT 'worker', id, life, NULL, NULL, batch_no, beat, dead_after, NULL, 0 \
     FROM kingcong_workers WHERE life <> 'gone' \
     UNION ALL SELECT 'overdue', id, NULL, NULL, NULL, deadline, NULL, NULL, NULL, 0 \
     FROM (SELECT id, deadline FROM kingcong_jobs WHERE state = 'open' AND deadline <= {now} \
         ORDER BY deadline LIMIT ?) AS late \
     UNION ALL SELECT 'now', NULL, NULL, NULL, NULL, {now}, (SELECT version FROM kingcong_config WHERE id = 1), \
         (SELECT min(until) FROM kingcong_tasks WHERE state = 'delayed'), NULL, \
         coalesce((SELECT revision FROM kingcong_key_changes WHERE id = 1), 0)";

/// A row of the pulse.
enum PulseRow {
    Pool(Pool),
    Worker(Worker),
    Overdue(Timestamp, JobId),
    Now { now: Timestamp, configuration_version: i64, key_revision: i64, first_delayed: Option<Timestamp> },
}

impl PulseRow {
    fn read(row: &mut Row) -> Result<Self, Corrupt> {
        match row.text("kind")?.as_str() {
            "pool" => Ok(Self::Pool(Pool::read(row)?)),
            "worker" => Ok(Self::Worker(Worker {
                id: WorkerId::from_uuid(row.uuid("id")?),
                life: row.word("server", life)?,
                batch: row.int("virtual_time")?,
                beat: row.time("sequence")?,
                dead_after: read_length(row, "waiting")?,
            })),
            "overdue" => Ok(Self::Overdue(row.time("virtual_time")?, JobId::from_uuid(row.uuid("id")?))),
            _ => Ok(Self::Now {
                now: row.time("virtual_time")?,
                configuration_version: row.int_or_null("sequence")?.unwrap_or(0),
                first_delayed: row.time_or_null("waiting")?,
                key_revision: row.int("key_revision")?,
            }),
        }
    }
}

pub(crate) async fn pulse(session: &mut dyn Session, at: Instant) -> Result<Pulse, StoreError> {
    let Instant { sql: now, value: time } = at;
    let mut cells: Vec<Cell> = time.into_iter().map(Cell::from).collect();
    cells.push(Cell::Int(PULSE_OVERDUE_MAX as i64));
    cells.extend(time.map(Cell::from));
    let rows = session.fetch(Gives::Named(Pool::NAME), PULSE.replace("{now}", now), cells).await?;
    let (mut waiting, mut workers, mut overdue) = (Vec::new(), Vec::new(), Vec::new());
    let mut known = None;
    for row in rows {
        match row.read(PulseRow::read)? {
            PulseRow::Pool(pool) => waiting.push(pool),
            PulseRow::Worker(worker) => workers.push(worker),
            PulseRow::Overdue(deadline, job) => overdue.push((deadline, job)),
            PulseRow::Now { now, configuration_version, key_revision, first_delayed } => {
                known = Some((now, configuration_version, key_revision, first_delayed));
            }
        }
    }
    overdue.sort_unstable();
    let overdue = overdue.into_iter().map(|(_, job)| job).collect();
    let missing = || StoreError::new(StoreErrorKind::Unusable, "the database did not tell its time");
    let (now, configuration_version, key_revision, first_delayed) = known.ok_or_else(missing)?;
    Ok(Pulse { now, configuration_version, key_revision, waiting, first_delayed, overdue, workers })
}

pub(crate) async fn keys(session: &mut dyn Session) -> Result<Vec<KeyWithLimits>, StoreError> {
    keys_where(session, "", Vec::new()).await
}

pub(crate) async fn key(session: &mut dyn Session, id: KeyId) -> Result<Option<KeyWithLimits>, StoreError> {
    Ok(keys_where(session, "AND k.id = ?", vec![id.as_uuid().into()]).await?.pop())
}

/// The keys that changed beside the last revision of all: one row without a key when none did.
pub(crate) async fn changed_keys(session: &mut dyn Session, after: i64) -> Result<ChangedKeys, StoreError> {
    let told = if after > 0 { "" } else { "AND k.phase <> 'removed'" };
    let sql = format!(
        "SELECT {}, k.revision, s.last_revision \
         FROM (SELECT coalesce(max(revision), 0) AS last_revision FROM kingcong_key_changes) s \
         LEFT JOIN kingcong_api_keys k ON k.revision > ? {told} ORDER BY k.revision",
        Key::TABLE.read_columns("k.")
    );
    let mut changed = ChangedKeys::default();
    for row in session.fetch(Gives::Named(Key::NAME), sql, vec![after.into()]).await? {
        let (last, key) = row.read(|row| {
            let last = row.int("last_revision")?;
            let is_key = row.int_or_null("revision")?.is_some();
            Ok((last, is_key.then(|| Key::read(row)).transpose()?))
        })?;
        changed.revision = last;
        changed.keys.extend(key);
    }
    Ok(changed)
}

pub(crate) async fn pools(
    session: &mut dyn Session,
    ids: &BTreeSet<PoolId>,
) -> Result<Vec<Pool>, StoreError> {
    load(session, ids.iter().map(|id| id.as_uuid().into()).collect()).await
}

async fn keys_where(
    session: &mut dyn Session,
    condition: &str,
    cells: Vec<Cell>,
) -> Result<Vec<KeyWithLimits>, StoreError> {
    let sql = format!(
        "SELECT {}, l.starts, l.max_in_flight, l.per_window \
         FROM kingcong_api_keys k LEFT JOIN kingcong_limits l ON l.id = k.id \
         WHERE k.phase <> 'removed' {condition} ORDER BY k.id",
        Key::TABLE.read_columns("k.")
    );
    let rows = session.fetch(Gives::Named(Key::NAME), sql, cells).await?;
    let read_key = |row: &mut Row| {
        let key: Key = row.record()?;
        let starts = row.text("starts")?;
        let newest = row.checked(starts.parse::<Window>())?.newest();
        let limits = Limits {
            max_in_flight: read_bound(row, "max_in_flight")?,
            per_minute: read_bound(row, "per_window")?,
        };
        Ok(KeyWithLimits { key: Key { last_used: newest.or(key.last_used), ..key }, limits })
    };
    rows.into_iter().map(|row| row.read(read_key)).collect()
}

pub(crate) async fn accounts(session: &mut dyn Session) -> Result<Vec<Account>, StoreError> {
    let sql = format!(
        "SELECT n.server, n.account AS account_name, {} \
         FROM (SELECT DISTINCT k.server, k.account, l.account AS account_limit \
             FROM kingcong_api_keys k JOIN kingcong_limits l ON l.id = k.id WHERE k.account IS NOT NULL) n \
         JOIN kingcong_limits a ON a.id = n.account_limit",
        Limit::TABLE.read_columns("a.")
    );
    let rows = session.fetch(Gives::Named(Limit::NAME), sql, Vec::new()).await?;
    let read_account = |row: &mut Row| {
        let (server, name): (ServerId, String) = (row.parsed("server")?, row.text("account_name")?);
        Ok(Account { server, name, limit: row.record()? })
    };
    let accounts: Result<Vec<Account>, _> = rows.into_iter().map(|row| row.read(read_account)).collect();
    let mut accounts = accounts?;
    // Databases order texts each in their own way.
    accounts.sort_by(|a, b| (&a.server, &a.name).cmp(&(&b.server, &b.name)));
    Ok(accounts)
}

pub(crate) async fn data_keys(
    session: &mut dyn Session,
    used_for: &DataKeyUse,
) -> Result<Vec<DataKey>, StoreError> {
    select(session, "WHERE used_for = ? AND tenant = ? ORDER BY version DESC", use_cells(used_for)).await
}

pub(crate) async fn idempotency(
    session: &mut dyn Session,
    key: &[u8; 32],
) -> Result<Option<IdempotencyRow>, StoreError> {
    one(session, "WHERE id = ?", vec![key.as_slice().into()]).await
}

/// The row with this id, if it may be seen.
async fn one_within<R: Record + Send>(
    session: &mut dyn Session,
    scope: &Scope,
    id: Uuid,
) -> Result<Option<R>, StoreError> {
    let mut query = Query::default();
    query.and("id = ?", [id.into()]);
    query.within(scope);
    let (rest, cells) = query.page("id", 1);
    one(session, &rest, cells).await
}

pub(crate) async fn job(
    session: &mut dyn Session,
    scope: &Scope,
    id: JobId,
) -> Result<Option<JobWithTasks>, StoreError> {
    let job: Option<Job> = one_within(session, scope, id.as_uuid()).await?;
    let jobs = with_tasks(session, job.into_iter().collect()).await?;
    Ok(jobs.into_iter().next())
}

/// The jobs with their holds and tasks, in the order of `jobs`.
async fn with_tasks(session: &mut dyn Session, jobs: Vec<Job>) -> Result<Vec<JobWithTasks>, StoreError> {
    let ids = jobs.iter().map(|job| job.hold.as_uuid().into()).collect();
    let holds = load::<Hold>(session, ids).await?;
    let mut holds: BTreeMap<HoldId, Hold> = holds.into_iter().map(|hold| (hold.id, hold)).collect();
    let mut whole = Vec::with_capacity(jobs.len());
    for job in jobs {
        let Some(hold) = holds.remove(&job.hold) else { continue };
        let tasks = select(session, "WHERE job = ? ORDER BY place", vec![job.id.as_uuid().into()]).await?;
        whole.push(JobWithTasks { job, hold, tasks });
    }
    Ok(whole)
}

pub(crate) async fn jobs(
    session: &mut dyn Session,
    scope: &Scope,
    filter: &JobFilter,
) -> Result<Vec<Job>, StoreError> {
    let mut query = Query::default();
    query.within(scope);
    if let Some(user) = &filter.user {
        query.and("user_id = ?", [user.as_str().into()]);
    }
    // Most jobs are completed ones and the newest are open; the others have an index.
    match filter.state {
        Some(state @ (JobState::Open | JobState::Completed)) => {
            query.and("state = ?", [Cell::Word(state.as_str())]);
        }
        Some(state) => {
            let condition = "state = ? AND state NOT IN ('open', 'completed')";
            query.and(condition, [Cell::Word(state.as_str())]);
        }
        None => {}
    }
    if let Some(before) = filter.before {
        query.and("id < ?", [before.as_uuid().into()]);
    }
    let (rest, cells) = query.page("id DESC", filter.limit);
    select(session, &rest, cells).await
}

pub(crate) async fn job_states(
    session: &mut dyn Session,
    scope: &Scope,
    ids: &[JobId],
) -> Result<Vec<(JobId, JobState)>, StoreError> {
    // Each is found by its id, so a condition on owners would save no row.
    let jobs = load::<JobStanding>(session, ids.iter().map(|id| id.as_uuid().into()).collect()).await?;
    let seen = jobs.into_iter().filter(|job| scope.covers(&job.tenant, &job.user));
    Ok(seen.map(|job| (job.id, job.state)).collect())
}

pub(crate) async fn task(session: &mut dyn Session, id: TaskId) -> Result<Option<Task>, StoreError> {
    one(session, "WHERE id = ?", vec![id.as_uuid().into()]).await
}

pub(crate) async fn output(session: &mut dyn Session, task: TaskId) -> Result<Option<OutputRow>, StoreError> {
    one(session, "WHERE task = ?", vec![task.as_uuid().into()]).await
}

/// The columns that [`read_head`] reads: `t` are the tasks, `o` their results.
const HEADS: &str = "SELECT t.id, o.made, o.path, o.bytes \
     FROM kingcong_tasks t LEFT JOIN kingcong_outputs o ON o.task = t.id WHERE t.job = ? ORDER BY t.place";

pub(crate) async fn output_heads(
    session: &mut dyn Session,
    job: JobId,
) -> Result<Vec<Option<OutputHead>>, StoreError> {
    let rows =
        session.fetch(Gives::Named(OutputRow::NAME), HEADS.to_owned(), vec![job.as_uuid().into()]).await?;
    rows.into_iter().map(|row| row.read(read_head)).collect()
}

fn read_head(row: &mut Row) -> Result<Option<OutputHead>, Corrupt> {
    let task = TaskId::from_uuid(row.uuid("id")?);
    let Some(made) = row.json_or_null::<Made>("made")? else { return Ok(None) };
    let kept = match (row.text_or_null("path")?, row.unsigned_or_null("bytes")?) {
        (None, bytes) => bytes.map(|bytes| Kept::Store { bytes }),
        (Some(path), bytes) => Some(Kept::File { path: path.into(), bytes: row.some(bytes)? }),
    };
    let is_whole = made.has_bytes() == kept.is_some();
    row.some(is_whole.then_some(OutputHead { task, made, kept })).map(Some)
}

/// Servers count a blob's bytes from 1. MySQL has another word for integers of 64 bits.
const BYTES: &str = "SELECT substr(body, CAST(? AS /*! SIGNED */ INTEGER), CAST(? AS /*! SIGNED */ INTEGER)) AS part \
     FROM kingcong_outputs WHERE task = ?";

pub(crate) async fn output_bytes(
    session: &mut dyn Session,
    task: TaskId,
    range: Range<u64>,
) -> Result<Option<Bytes>, StoreError> {
    // No column is longer than what the narrowest of these integers holds.
    let at = |place: u64| i64::from(i32::try_from(place).unwrap_or(i32::MAX - 1));
    let (start, end) = (at(range.start), at(range.end));
    let cells = vec![Cell::Int(start + 1), Cell::Int((end - start).max(0)), task.as_uuid().into()];
    let rows = session.fetch(Gives::Named(OutputRow::NAME), BYTES.to_owned(), cells).await?;
    let Some(row) = rows.into_iter().next() else { return Ok(None) };
    Ok(row.read(|row| row.bytes_or_null("part"))?.map(Bytes::from))
}

pub(crate) async fn output_texts(
    session: &mut dyn Session,
    job: JobId,
) -> Result<Vec<Option<String>>, StoreError> {
    let sql = "SELECT o.text FROM kingcong_tasks t LEFT JOIN kingcong_outputs o ON o.task = t.id \
         WHERE t.job = ? ORDER BY t.place";
    let rows =
        session.fetch(Gives::Named(OutputRow::NAME), sql.to_owned(), vec![job.as_uuid().into()]).await?;
    rows.into_iter().map(|row| row.read(|row| row.text_or_null("text"))).collect()
}

pub(crate) async fn wallet(session: &mut dyn Session, key: &WalletKey) -> Result<Option<Wallet>, StoreError> {
    one(session, "WHERE id = ?", vec![key.id().as_uuid().into()]).await
}

pub(crate) async fn wallets(
    session: &mut dyn Session,
    scope: &Scope,
    filter: &WalletFilter,
) -> Result<Vec<Wallet>, StoreError> {
    let mut query = Query::default();
    query.within(scope);
    if let Some(unit) = filter.unit {
        query.and("unit = ?", [Cell::Word(unit.code())]);
    }
    match filter.standing {
        Standing::All => {}
        Standing::InDebt => query.and("debt > 0", []),
    }
    if let Some(after) = filter.after {
        query.and("id > ?", [after.as_uuid().into()]);
    }
    let (rest, cells) = query.page("id", filter.limit);
    select(session, &rest, cells).await
}

pub(crate) async fn entries(
    session: &mut dyn Session,
    wallet: WalletId,
    before: Option<u64>,
    limit: u32,
) -> Result<Vec<Entry>, StoreError> {
    let mut query = Query::default();
    query.and("wallet = ?", [wallet.as_uuid().into()]);
    if let Some(before) = before {
        query.and("number < ?", [Cell::Int(i64::try_from(before).unwrap_or(i64::MAX))]);
    }
    let (rest, cells) = query.page("number DESC", limit);
    let rows: Vec<EntryRow> = select(session, &rest, cells).await?;
    Ok(rows.into_iter().map(|row| row.entry).collect())
}

pub(crate) async fn attempts(
    session: &mut dyn Session,
    scope: &Scope,
    filter: &AttemptFilter,
) -> Result<Vec<Attempt>, StoreError> {
    let mut query = Query::default();
    query.within(scope);
    if let Some(job) = filter.job {
        query.and("job = ?", [job.as_uuid().into()]);
    }
    if let Some(key) = filter.key {
        query.and("api_key_id = ?", [key.as_uuid().into()]);
    }
    if let Some(route) = &filter.route {
        query
            .and("server = ? AND service = ?", [route.server.as_str().into(), route.service.as_str().into()]);
    }
    match filter.only {
        AttemptKind::All => {}
        // The second condition is the first, as MySQL's index has it.
        AttemptKind::Errors => query.and("state IN ('failed', 'lost') /*! AND error_or_null = 1 */", []),
    }
    // Ids begin with the milliseconds of the lease, so an index in the order of ids is one of time too.
    if let Some(since) = filter.since {
        let first = AttemptId::first_at(since).as_uuid();
        query.and("id >= ? AND leased_at >= ?", [first.into(), since.into()]);
    }
    if let Some(until) = filter.until {
        let after = AttemptId::first_at(until.plus(Duration::from_millis(1))).as_uuid();
        query.and("id < ? AND leased_at < ?", [after.into(), until.into()]);
    }
    if let Some(before) = filter.before {
        query.and("id < ?", [before.as_uuid().into()]);
    }
    let (rest, cells) = query.page("id DESC", filter.limit);
    select(session, &rest, cells).await
}

pub(crate) async fn voice(
    session: &mut dyn Session,
    scope: &Scope,
    id: VoiceId,
) -> Result<Option<VoiceRow>, StoreError> {
    one_within(session, scope, id.as_uuid()).await
}

pub(crate) async fn voices_known_as(
    session: &mut dyn Session,
    upstream_voice: &str,
) -> Result<Vec<VoiceRow>, StoreError> {
    let mut query = Query::default();
    query.and("upstream_voice = ?", [upstream_voice.into()]);
    let (rest, cells) = query.page("id", PAGE_MAX);
    select(session, &rest, cells).await
}

pub(crate) async fn voices(session: &mut dyn Session, scope: &Scope) -> Result<Vec<VoiceRow>, StoreError> {
    let mut query = Query::default();
    query.within(scope);
    let (rest, cells) = query.page("id", PAGE_MAX);
    select(session, &rest, cells).await
}

pub(crate) async fn audit(
    session: &mut dyn Session,
    of: &AuditOf,
    before: Option<AuditId>,
    limit: u32,
) -> Result<Vec<AuditEntry>, StoreError> {
    let mut query = Query::default();
    match of {
        AuditOf::Scope(Scope::All) => {}
        AuditOf::Scope(Scope::Tenant(tenant)) => query.and("tenant = ?", [tenant.as_str().into()]),
        AuditOf::Scope(Scope::User(..)) => return Ok(Vec::new()),
        AuditOf::Shared => query.and("tenant IS NULL", []),
    }
    if let Some(before) = before {
        let older = "number < (SELECT number FROM kingcong_audit WHERE id = ?)";
        query.and(older, [before.as_uuid().into()]);
    }
    let (rest, cells) = query.page("number DESC", limit);
    select(session, &rest, cells).await
}

pub(crate) async fn limits(session: &mut dyn Session) -> Result<Vec<LimitCount>, StoreError> {
    let columns = ["api_key_id", "account_limit", "egress_limit"];
    let passed = columns.map(|column| {
        format!("SELECT {column} AS id FROM kingcong_attempts WHERE open_worker IS NOT NULL AND {column} IS NOT NULL")
    });
    let sql = format!(
        "SELECT id, count(*) AS attempts FROM ({}) AS passed GROUP BY id",
        passed.join(" UNION ALL ")
    );
    let rows = session.fetch(Gives::Named(Attempt::NAME), sql, Vec::new()).await?;
    let read_count =
        |row: &mut Row| Ok((LimitId::from_uuid(row.uuid("id")?), row.number::<u32>("attempts")?));
    let open: BTreeMap<LimitId, u32> =
        rows.into_iter().map(|row| row.read(read_count)).collect::<Result<_, _>>()?;
    let limits = select::<Limit>(session, "ORDER BY level, id", Vec::new()).await?;
    let count = |limit: Limit| LimitCount { open_attempts: open.get(&limit.id).copied().unwrap_or(0), limit };
    Ok(limits.into_iter().map(count).collect())
}

/// Where the kept entries of a wallet begin.
pub(crate) async fn opening(
    session: &mut dyn Session,
    wallet: WalletId,
) -> Result<OpeningBalance, StoreError> {
    let found = one(session, "WHERE wallet = ?", vec![wallet.as_uuid().into()]).await?;
    Ok(found.unwrap_or_else(|| OpeningBalance::new(wallet)))
}

/// A worker, as the fence found it in its way.
pub(crate) async fn worker(session: &mut dyn Session, id: WorkerId) -> Result<Option<Worker>, StoreError> {
    Ok(load::<Worker>(session, vec![id.as_uuid().into()]).await?.into_iter().next())
}

/// How windows are counted, if it is kept.
pub(crate) async fn rules(session: &mut dyn Session) -> Result<Option<Rules>, StoreError> {
    Ok(load::<Rules>(session, vec![ONLY_ROW.into()]).await?.pop())
}
