//! The in-memory store: the same rows and the same decisions as on a database, gone with the process. For tests,
//! simulations and measurements.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Range,
    sync::{Arc, OnceLock, atomic::AtomicBool, atomic::Ordering},
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use parking_lot::Mutex;

use super::{
    AnswerBook, AttemptFilter, AttemptKind, AuditEntry, AuditOf, Batch, BookReads, ChangedKeys,
    Configuration, IdempotencyRow, JobBook, JobFilter, JobReads, JobWithTasks, Journal, KeyBook, KeyReads,
    KeyRevision, Life, LimitCount, OutputHead, OutputRow, PAGE_MAX, PULSE_OVERDUE_MAX, PoolCount, Pulse,
    Remembered, ResultReads, Standing, Store, StoreError, StoreErrorKind, StoredOutput, Tables, TenantReads,
    Verification, VoiceRow, WalletBook, WalletFilter, WalletReads, Worker, Written, decide,
};
use crate::{
    access::Scope,
    clock::{Clock, SystemClock, Timestamp},
    id::{AuditId, JobId, KeyId, ServerId, TaskId, TenantId, VoiceId, WalletId, WorkerId},
    keys::{Account, Key, KeyStatus, KeyWithLimits, Limit, Pool, PoolId, Rules},
    ledger::{Entry, HoldState, OpeningBalance, Wallet, WalletKey},
    money::Amount,
    tenants::Tenant,
    vault::{DataKey, DataKeyUse},
    work::{Attempt, AttemptState, Body, Ending, Job, JobState, Task, TaskState},
};

/// A store in memory.
#[derive(Debug)]
pub struct MemoryStore {
    tables: Mutex<Tables>,
    /// Locked behind the tables.
    key_order: Mutex<KeyOrder>,
    rules: OnceLock<Rules>,
    clock: Arc<dyn Clock>,
    closed: AtomicBool,
}

/// Keys in the order of their last changes.
#[derive(Debug, Default)]
struct KeyOrder {
    revisions: BTreeMap<KeyId, i64>,
    keys: BTreeMap<i64, KeyId>,
}

impl KeyOrder {
    /// The last revision that any key got.
    fn last(&self) -> i64 {
        self.keys.last_key_value().map_or(0, |(revision, _)| *revision)
    }

    fn note(&mut self, KeyRevision { key, revision }: KeyRevision) {
        if let Some(before) = self.revisions.insert(key, revision) {
            self.keys.remove(&before);
        }
        self.keys.insert(revision, key);
    }
}

impl Default for MemoryStore {
    fn default() -> Self {
        Self::new()
    }
}

impl MemoryStore {
    /// An empty store on the machine's clock.
    #[must_use]
    pub fn new() -> Self {
        Self::with_clock(Arc::new(SystemClock::new()))
    }

    /// An empty store on that clock.
    #[must_use]
    pub fn with_clock(clock: Arc<dyn Clock>) -> Self {
        let tables = Tables::new(Arc::new(Configuration::default()), Journal::None);
        Self {
            tables: Mutex::new(tables),
            key_order: Mutex::default(),
            rules: OnceLock::new(),
            clock,
            closed: AtomicBool::new(false),
        }
    }

    fn read<R>(&self, read: impl FnOnce(&Tables) -> R) -> Result<R, StoreError> {
        self.check_open()?;
        Ok(read(&self.tables.lock()))
    }

    fn check_open(&self) -> Result<(), StoreError> {
        if self.closed.load(Ordering::Acquire) {
            return Err(StoreError::new(StoreErrorKind::Unusable, "it was closed; open another"));
        }
        Ok(())
    }
}

fn page<T>(rows: impl Iterator<Item = T>, limit: u32) -> Vec<T> {
    rows.take(limit.min(PAGE_MAX) as usize).collect()
}

fn with_tasks(tables: &Tables, job: &Job) -> Option<JobWithTasks> {
    let mut tasks: Vec<Task> = tables.tasks_of(job.id).cloned().collect();
    tasks.sort_by_key(|task| task.place);
    Some(JobWithTasks { job: job.clone(), hold: tables.holds.get(&job.hold)?.clone(), tasks })
}

/// A key with what its limit tells.
fn with_limits(tables: &Tables, key: &Key) -> Option<KeyWithLimits> {
    let limit = tables.key_limits().get(&Limit::id_of_key(key.id))?;
    let last_used = limit.window.newest().or(key.last_used);
    Some(KeyWithLimits { key: Key { last_used, ..key.clone() }, limits: limit.limits() })
}

/// A job, if it may be seen.
fn job_in<'a>(tables: &'a Tables, scope: &Scope, id: JobId) -> Option<&'a Job> {
    tables.jobs.get(&id).filter(|job| scope.covers(&job.tenant, &job.user))
}

/// What a job's tasks gave, in their order.
fn outputs_of(tables: &Tables, job: JobId) -> impl Iterator<Item = (TaskId, Option<&StoredOutput>)> {
    let mut tasks: Vec<&Task> = tables.tasks_of(job).collect();
    tasks.sort_by_key(|task| task.place);
    tasks.into_iter().map(|task| (task.id, tables.outputs.get(&task.id).map(|row| &row.output)))
}

/// The pool that a task waits in.
const fn pool_of(task: &Task) -> Option<PoolId> {
    match task.state {
        TaskState::Ready { pool, .. } | TaskState::Delayed { pool, .. } => Some(pool),
        TaskState::Running { .. } | TaskState::Done | TaskState::Failed { .. } | TaskState::Cancelled => None,
    }
}

fn wallet_book(tables: &Tables, wallet: &Wallet, after: u64) -> WalletBook {
    let id = wallet.id;
    let holds = || tables.holds.iter().map(|(_, hold)| hold).filter(|hold| hold.wallet == id);
    let entries = tables.entries.range((id, after.saturating_add(1))..=(id, u64::MAX));
    let entries = page(entries.map(|(_, entry)| entry.clone()), PAGE_MAX);
    if entries.len() >= PAGE_MAX as usize {
        return WalletBook {
            wallet: wallet.clone(),
            opening: OpeningBalance::new(id),
            entries,
            holds: Vec::new(),
            charged: 0,
        };
    }
    let jobs = holds().filter_map(|hold| tables.jobs.get(&hold.job));
    let charged = jobs.map(|job| i128::from(job.total.charged().get())).sum();
    WalletBook {
        wallet: wallet.clone(),
        opening: OpeningBalance::new(id),
        entries,
        holds: holds().filter(|hold| hold.state == HoldState::Open).cloned().collect(),
        charged,
    }
}

fn job_book(tables: &Tables, job: &Job) -> JobBook {
    let mut tasks: Vec<Task> = tables.tasks_of(job.id).cloned().collect();
    tasks.sort_by_key(|task| task.place);
    let attempts: Vec<Attempt> = tables.attempts_of(job.id).cloned().collect();
    let workers: BTreeSet<WorkerId> = attempts.iter().filter_map(|attempt| attempt.worker).collect();
    let outputs: Vec<OutputRow> =
        tasks.iter().filter_map(|task| tables.outputs.get(&task.id)).cloned().collect();
    let made = outputs.iter().filter_map(|row| row.output.made.voice());
    let voices = made.filter_map(|voice| tables.voices.get(&voice.id).cloned());
    let of_tasks: BTreeSet<TaskId> = tasks.iter().map(|task| task.id).collect();
    let entries = tables.entries.range((job.wallet, 0)..=(job.wallet, u64::MAX)).map(|(_, entry)| entry);
    let is_of_task = |entry: &&Entry| entry.cause.task.is_some_and(|task| of_tasks.contains(&task));
    JobBook {
        job: job.clone(),
        hold: tables.holds.get(&job.hold).cloned(),
        has_wallet: tables.wallets.get(&job.wallet).is_some(),
        workers: workers.iter().filter_map(|id| tables.workers.get(id)).cloned().collect(),
        voices: voices.collect(),
        entries: entries.filter(is_of_task).cloned().collect(),
        archived_entries: 0,
        answer: job.idempotency.and_then(|key| tables.idempotency.get(&key).cloned()),
        retry_answer: job.retried_under.and_then(|key| tables.idempotency.get(&key).cloned()),
        tasks,
        attempts,
        outputs,
    }
}

#[async_trait]
impl Store for MemoryStore {
    async fn write(&self, batch: &Batch) -> Result<Written, StoreError> {
        self.check_open()?;
        let mut tables = self.tables.lock();
        let now = self.clock.now();
        let Some(worker) = tables.workers.get_mut(&batch.worker) else { return Ok(Written::Fenced) };
        match (worker.life, batch.number.checked_sub(worker.batch)) {
            // What was committed before the burial was committed.
            (_, Some(0)) => return Ok(Written::Before),
            (Life::Buried | Life::Gone, _) => return Ok(Written::Fenced),
            (Life::Alive, Some(1)) => {}
            (Life::Alive, _) => {
                let message = format!("batch {} follows batch {} of its worker", batch.number, worker.batch);
                return Err(StoreError::new(StoreErrorKind::Unusable, message));
            }
        }
        (worker.batch, worker.beat) = (batch.number, now);
        let outcomes = decide(&mut tables, batch, now);
        let mut order = self.key_order.lock();
        for revision in tables.take_key_revisions(order.last()) {
            order.note(revision);
        }
        Ok(Written::Now { at: now, decided: None, outcomes })
    }

    async fn register_worker(&self, worker: WorkerId, dead_after: Duration) -> Result<Timestamp, StoreError> {
        self.check_open()?;
        let now = self.clock.now();
        let mut tables = self.tables.lock();
        if tables.workers.get(&worker).is_none() {
            let row = Worker { id: worker, dead_after, batch: 0, beat: now, life: Life::Alive };
            tables.workers.insert(worker, row);
        }
        Ok(now)
    }

    async fn keep_rules(&self, rules: Rules) -> Result<Rules, StoreError> {
        self.check_open()?;
        Ok(*self.rules.get_or_init(|| rules))
    }

    async fn configuration(&self, known: Option<i64>) -> Result<Option<Configuration>, StoreError> {
        self.read(|tables| {
            (Some(tables.configuration.version) != known).then(|| (*tables.configuration).clone())
        })
    }

    async fn pulse(&self) -> Result<Pulse, StoreError> {
        let now = self.clock.now();
        self.read(|tables| Pulse {
            now,
            configuration_version: tables.configuration.version,
            key_revision: self.key_order.lock().last(),
            waiting: tables
                .pools
                .iter()
                .map(|(_, pool)| pool)
                .filter(|pool| pool.waiting > 0)
                .cloned()
                .collect(),
            first_delayed: tables.first_delayed(),
            overdue: tables.overdue(now).take(PULSE_OVERDUE_MAX).collect(),
            workers: tables.workers.iter().map(|(_, w)| w.clone()).filter(|w| w.life != Life::Gone).collect(),
        })
    }

    async fn audit(
        &self,
        of: &AuditOf,
        before: Option<AuditId>,
        limit: u32,
    ) -> Result<Vec<AuditEntry>, StoreError> {
        self.read(|tables| {
            let place = |id| tables.audits.iter().rposition(|row| row.audit.id == id).unwrap_or(0);
            let rows = tables.audits[..before.map_or(tables.audits.len(), place)].iter().rev();
            let rows = rows.filter(|row| of.covers(row.audit.tenant.as_ref()));
            page(rows.cloned().map(AuditEntry::from), limit)
        })
    }

    async fn close(&self) {
        self.closed.store(true, Ordering::Release);
    }
}

#[async_trait]
impl TenantReads for MemoryStore {
    async fn tenant(&self, id: &TenantId) -> Result<Option<Tenant>, StoreError> {
        self.read(|tables| tables.tenants.get(id).cloned())
    }

    async fn tenants(&self, after: Option<&TenantId>, limit: u32) -> Result<Vec<Tenant>, StoreError> {
        self.read(|tables| {
            let rows = tables.tenants.iter().filter(|(id, _)| after.is_none_or(|after| *id > after));
            page(rows.map(|(_, tenant)| tenant.clone()), limit)
        })
    }
}

#[async_trait]
impl KeyReads for MemoryStore {
    async fn keys(&self) -> Result<Vec<KeyWithLimits>, StoreError> {
        self.read(|tables| {
            let kept =
                tables.keys().iter().map(|(_, key)| key).filter(|key| key.status != KeyStatus::Removed);
            kept.filter_map(|key| with_limits(tables, key)).collect()
        })
    }

    async fn key(&self, id: KeyId) -> Result<Option<KeyWithLimits>, StoreError> {
        self.read(|tables| {
            let key = tables.keys().get(&id).filter(|key| key.status != KeyStatus::Removed)?;
            with_limits(tables, key)
        })
    }

    async fn changed_keys(&self, after: i64) -> Result<ChangedKeys, StoreError> {
        self.read(|tables| {
            let order = self.key_order.lock();
            let changed =
                order.keys.range(after.saturating_add(1)..).filter_map(|(_, id)| tables.keys().get(id));
            let told = changed.filter(|key| after > 0 || key.status != KeyStatus::Removed);
            ChangedKeys { revision: order.last(), keys: told.cloned().collect() }
        })
    }

    async fn pools(&self, ids: &BTreeSet<PoolId>) -> Result<Vec<Pool>, StoreError> {
        self.read(|tables| ids.iter().filter_map(|id| tables.pools.get(id)).cloned().collect())
    }

    async fn accounts(&self) -> Result<Vec<Account>, StoreError> {
        self.read(|tables| {
            let named =
                tables.keys().iter().filter_map(|(_, key)| Some((&key.route.server, key.account.as_ref()?)));
            let named: BTreeSet<_> = named.collect();
            let account = |(server, name): (&ServerId, &String)| {
                let limit = tables.account_limits.get(&Limit::id_of_account(server, name))?.clone();
                Some(Account { server: server.clone(), name: name.clone(), limit })
            };
            named.into_iter().filter_map(account).collect()
        })
    }

    async fn data_keys(&self, used_for: &DataKeyUse) -> Result<Vec<DataKey>, StoreError> {
        self.read(|tables| {
            let mut keys: Vec<DataKey> = tables
                .data_keys
                .iter()
                .map(|(_, key)| key)
                .filter(|key| key.context.used_for == *used_for)
                .cloned()
                .collect();
            keys.sort_by_key(|key| std::cmp::Reverse(key.context.version));
            keys
        })
    }
}

#[async_trait]
impl JobReads for MemoryStore {
    async fn idempotency(&self, key: &[u8; 32]) -> Result<Option<IdempotencyRow>, StoreError> {
        self.read(|tables| tables.idempotency.get(key).cloned())
    }

    async fn job(&self, scope: &Scope, id: JobId) -> Result<Option<JobWithTasks>, StoreError> {
        self.read(|tables| job_in(tables, scope, id).and_then(|job| with_tasks(tables, job)))
    }

    async fn jobs(&self, scope: &Scope, filter: &JobFilter) -> Result<Vec<Job>, StoreError> {
        self.read(|tables| {
            let rows = tables.jobs.iter().rev().map(|(_, job)| job).filter(|job| {
                scope.covers(&job.tenant, &job.user)
                    && filter.user.as_ref().is_none_or(|user| job.user == *user)
                    && filter.state.is_none_or(|state| job.state == state)
                    && filter.before.is_none_or(|before| job.id < before)
            });
            page(rows.cloned(), filter.limit)
        })
    }

    async fn job_states(&self, scope: &Scope, ids: &[JobId]) -> Result<Vec<(JobId, JobState)>, StoreError> {
        self.read(|tables| {
            ids.iter().filter_map(|id| Some((*id, job_in(tables, scope, *id)?.state))).collect()
        })
    }

    async fn task(&self, id: TaskId) -> Result<Option<Task>, StoreError> {
        self.read(|tables| tables.tasks().get(&id).cloned())
    }

    async fn attempts(&self, scope: &Scope, filter: &AttemptFilter) -> Result<Vec<Attempt>, StoreError> {
        self.read(|tables| {
            let rows: Box<dyn Iterator<Item = &Attempt>> = match filter.job {
                Some(job) => Box::new(tables.attempts_of(job).rev()),
                None => Box::new(tables.attempts().iter().rev().map(|(_, attempt)| attempt)),
            };
            let rows = rows.filter(|attempt| {
                let is_error =
                    matches!(attempt.state, AttemptState::Ended(Ending::Failed { .. } | Ending::Lost));
                scope.covers(&attempt.tenant, &attempt.user)
                    && filter.since.is_none_or(|since| attempt.leased_at >= since)
                    && filter.until.is_none_or(|until| attempt.leased_at < until)
                    && filter.key.is_none_or(|key| attempt.key == key)
                    && filter.route.as_ref().is_none_or(|route| attempt.route == *route)
                    && filter.before.is_none_or(|before| attempt.id < before)
                    && (filter.only == AttemptKind::All || is_error)
                    && (*scope == Scope::All || job_in(tables, scope, attempt.job).is_some())
            });
            page(rows.cloned(), filter.limit)
        })
    }
}

#[async_trait]
impl ResultReads for MemoryStore {
    async fn output(&self, task: TaskId) -> Result<Option<OutputRow>, StoreError> {
        self.read(|tables| tables.outputs.get(&task).cloned())
    }

    async fn output_heads(&self, job: JobId) -> Result<Vec<Option<OutputHead>>, StoreError> {
        self.read(|tables| {
            let outputs = outputs_of(tables, job);
            outputs.map(|(task, output)| output.map(|output| output.head(task))).collect()
        })
    }

    async fn output_bytes(&self, task: TaskId, range: Range<u64>) -> Result<Option<Bytes>, StoreError> {
        self.read(|tables| match tables.outputs.get(&task)?.output.body.as_ref()? {
            Body::Memory(bytes) => {
                let there = |place: u64| usize::try_from(place).map_or(bytes.len(), |at| at.min(bytes.len()));
                let end = there(range.end);
                Some(bytes.slice(there(range.start).min(end)..end))
            }
            Body::File { .. } => None,
        })
    }

    async fn output_texts(&self, job: JobId) -> Result<Vec<Option<String>>, StoreError> {
        self.read(|tables| outputs_of(tables, job).map(|(_, output)| output?.text.clone()).collect())
    }

    async fn voice(&self, scope: &Scope, id: VoiceId) -> Result<Option<VoiceRow>, StoreError> {
        self.read(|tables| {
            let voice = tables.voices.get(&id);
            voice.filter(|voice| scope.covers(&voice.tenant, &voice.user)).cloned()
        })
    }

    async fn voices_known_as(&self, upstream_voice: &str) -> Result<Vec<VoiceRow>, StoreError> {
        self.read(|tables| {
            let rows = tables.voices.iter().map(|(_, voice)| voice);
            page(rows.filter(|voice| voice.upstream_voice == upstream_voice).cloned(), PAGE_MAX)
        })
    }

    async fn voices(&self, scope: &Scope) -> Result<Vec<VoiceRow>, StoreError> {
        self.read(|tables| {
            let rows = tables.voices.iter().map(|(_, voice)| voice);
            page(rows.filter(|voice| scope.covers(&voice.tenant, &voice.user)).cloned(), PAGE_MAX)
        })
    }
}

#[async_trait]
impl WalletReads for MemoryStore {
    async fn wallet(&self, key: &WalletKey) -> Result<Option<Wallet>, StoreError> {
        self.read(|tables| tables.wallets.get(&key.id()).cloned())
    }

    async fn wallets(&self, scope: &Scope, filter: &WalletFilter) -> Result<Vec<Wallet>, StoreError> {
        self.read(|tables| {
            let rows = tables.wallets.iter().map(|(_, wallet)| wallet).filter(|wallet| {
                scope.covers_wallet(&wallet.key)
                    && filter.unit.is_none_or(|unit| wallet.key.unit == unit)
                    && filter.after.is_none_or(|after| wallet.id > after)
                    && (filter.standing == Standing::All || wallet.debt > Amount::ZERO)
            });
            page(rows.cloned(), filter.limit)
        })
    }

    async fn entries(
        &self,
        wallet: WalletId,
        before: Option<u64>,
        limit: u32,
    ) -> Result<Vec<Entry>, StoreError> {
        self.read(|tables| {
            let range = (wallet, 0)..(wallet, before.unwrap_or(u64::MAX));
            page(tables.entries.range(range).rev().map(|(_, entry)| entry.clone()), limit)
        })
    }
}

#[async_trait]
impl BookReads for MemoryStore {
    async fn limits(&self) -> Result<Vec<LimitCount>, StoreError> {
        self.read(|tables| {
            let open: Vec<&Attempt> = tables
                .attempts()
                .iter()
                .map(|(_, attempt)| attempt)
                .filter(|attempt| attempt.is_open())
                .collect();
            let all = tables
                .key_limits()
                .iter()
                .chain(tables.account_limits.iter())
                .chain(tables.egress_limits.iter());
            all.map(|(_, limit)| {
                let passed = |attempt: &&&Attempt| {
                    Limit::id_of_key(attempt.key) == limit.id
                        || attempt.account_limit == Some(limit.id)
                        || attempt.egress_limit == Some(limit.id)
                };
                let open_attempts = u32::try_from(open.iter().filter(passed).count()).unwrap_or(u32::MAX);
                LimitCount { limit: limit.clone(), open_attempts }
            })
            .collect()
        })
    }

    async fn pool_counts(&self) -> Result<Vec<PoolCount>, StoreError> {
        self.read(|tables| {
            let mut waiting: BTreeMap<PoolId, u64> = BTreeMap::new();
            for pool in tables.tasks().iter().filter_map(|(_, task)| pool_of(task)) {
                *waiting.entry(pool).or_default() += 1;
            }
            let count = |pool: &Pool| PoolCount {
                waiting_tasks: waiting.get(&pool.id).copied().unwrap_or(0),
                pool: pool.clone(),
            };
            tables.pools.iter().map(|(_, pool)| count(pool)).collect()
        })
    }

    async fn key_books(&self) -> Result<Vec<KeyBook>, StoreError> {
        self.read(|tables| {
            let limit = |key: &Key| tables.key_limits().get(&Limit::id_of_key(key.id)).cloned();
            let books =
                tables.keys().iter().map(|(_, key)| Some(KeyBook { limit: limit(key)?, key: key.clone() }));
            books.flatten().collect()
        })
    }

    async fn next_wallet(&self, after: Option<WalletId>) -> Result<Option<WalletId>, StoreError> {
        self.read(|tables| tables.wallets.iter().map(|(id, _)| *id).find(|id| Some(*id) > after))
    }

    async fn next_job(&self, after: Option<JobId>) -> Result<Option<JobId>, StoreError> {
        self.read(|tables| tables.jobs.iter().map(|(id, _)| *id).find(|id| Some(*id) > after))
    }

    async fn next_answer(&self, after: Option<[u8; 32]>) -> Result<Option<[u8; 32]>, StoreError> {
        self.read(|tables| tables.idempotency.iter().map(|(key, _)| *key).find(|key| Some(*key) > after))
    }

    async fn wallet_books(&self, after: Option<WalletId>, limit: u32) -> Result<Vec<WalletBook>, StoreError> {
        self.read(|tables| {
            let wallets = tables.wallets.iter().filter(|(id, _)| after.is_none_or(|after| **id > after));
            page(wallets.map(|(_, wallet)| wallet_book(tables, wallet, 0)), limit)
        })
    }

    async fn wallet_book(&self, id: WalletId, after: u64) -> Result<Option<WalletBook>, StoreError> {
        self.read(|tables| tables.wallets.get(&id).map(|wallet| wallet_book(tables, wallet, after)))
    }

    async fn job_books(&self, after: Option<JobId>, limit: u32) -> Result<Vec<JobBook>, StoreError> {
        self.read(|tables| {
            let jobs = tables.jobs.iter().filter(|(id, _)| after.is_none_or(|after| **id > after));
            page(jobs.map(|(_, job)| job_book(tables, job)), limit)
        })
    }

    async fn answer_books(&self, after: Option<[u8; 32]>, limit: u32) -> Result<Vec<AnswerBook>, StoreError> {
        self.read(|tables| {
            let rows = tables.idempotency.iter().filter(|(key, _)| after.is_none_or(|after| **key > after));
            page(
                rows.map(|(_, row)| {
                    let (job, entry) = match &row.answer {
                        Remembered::Job { job, .. } | Remembered::Retried { job, .. } => {
                            (tables.jobs.get(job), None)
                        }
                        Remembered::Credited { wallet, entry, .. } => {
                            (None, tables.entries.get(&(*wallet, *entry)))
                        }
                        Remembered::Refused(_) => (None, None),
                    };
                    AnswerBook { row: row.clone(), job: job.cloned(), entry: entry.cloned(), archived: 0 }
                }),
                limit,
            )
        })
    }

    /// Rows in memory are values, with no form of writing, and nobody but decisions changes them.
    async fn damaged_rows(&self, _found: &mut Verification) -> Result<(), StoreError> {
        self.check_open()
    }
}
