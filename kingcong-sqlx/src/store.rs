//! The store: the port's doors over a database room.

use std::{
    collections::BTreeSet,
    ops::Range,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use kingcong_core::{
    access::Scope,
    clock::Timestamp,
    id::{AuditId, JobId, KeyId, TaskId, TenantId, VoiceId, WalletId, WorkerId},
    keys::{Account, KeyWithLimits, Pool, PoolId, Rules},
    ledger::{Entry, Wallet, WalletKey},
    store::{
        AnswerBook, AttemptFilter, AuditEntry, AuditOf, Batch, BookReads, ChangedKeys, Command,
        Configuration, IdempotencyRow, JobBook, JobFilter, JobReads, JobWithTasks, Journal, KeyBook,
        KeyReads, Life, LimitCount, Needs, Outcome, OutputHead, OutputRow, PoolCount, Pulse, ResultReads,
        Store, StoreError, StoreErrorKind, Tables, TenantReads, Verification, VoiceRow, WalletBook,
        WalletFilter, WalletReads, Worker, Written, decide,
    },
    tenants::Tenant,
    vault::{DataKey, DataKeyUse},
    work::{Attempt, Job, JobState, Task},
};
use parking_lot::Mutex;

use crate::{
    ConnectError, Options,
    load::{Decided, KnownTenants, load_needs},
    read,
    save::{save_changes, save_key_revisions},
    session::{Begun, Beside, Database, Fence, Passed, Script, Seen, Session, Transaction},
    table::{Deed, Written as _},
    verify,
};

/// A store on an SQL database. Clones are cheap and share everything.
#[derive(Clone, Debug)]
pub struct SqlStore {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    database: Box<dyn Database>,
    /// The newest configuration that was read or written here, so that a batch reads only the version.
    configuration: Mutex<Arc<Configuration>>,
    tenants: KnownTenants,
    /// The time of the last batch: of a heartbeat whose answer is lost nobody knows the time.
    newest: Mutex<Timestamp>,
    /// Locked for as long as a batch is executed.
    lane: tokio::sync::Mutex<Option<Kept>>,
    closed: AtomicBool,
}

impl SqlStore {
    /// Opens the database that a URL names, and makes or upgrades its tables.
    ///
    /// | URL | what |
    /// |---|---|
    /// | `sqlite://kingcong.db`, `sqlite:///var/lib/kingcong.db` | an SQLite file, made when it is not there |
    /// | `sqlite::memory:` | an SQLite database in memory, gone with the store |
    /// | `postgres://user:password@host/database` | a PostgreSQL database, version 13 or newer |
    /// | `mysql://user:password@host/database`, `mariadb://…` | a database of MySQL 8.0.16, MariaDB 10.6, or newer |
    ///
    /// On SQLite the file is KingCong's alone: a second SQLite library in the same process that opens the same file
    /// would drop its locks. On PostgreSQL the tables stand in the first schema of the user's search path, which is
    /// theirs for good.
    ///
    /// On MySQL and MariaDB the server decides how durable a commit is: with `innodb_flush_log_at_trx_commit = 1`, the
    /// default, it survives a power cut.
    ///
    /// ```
    /// use kingcong_core::store::Store;
    /// use kingcong_sqlx::SqlStore;
    ///
    /// # tokio::runtime::Runtime::new()?.block_on(async {
    /// let store = SqlStore::connect("sqlite::memory:").await?;
    /// assert_eq!(store.pulse().await?.configuration_version, 0);
    /// store.close().await;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// # })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`ConnectError`], which says what to do.
    pub async fn connect(url: &str) -> Result<Self, ConnectError> {
        Self::connect_with(url, Options::default()).await
    }

    /// Opens the database that a URL names, with options; see [`SqlStore::connect`].
    ///
    /// # Errors
    /// [`ConnectError`], which says what to do.
    pub async fn connect_with(url: &str, options: Options) -> Result<Self, ConnectError> {
        let database = crate::open(url, &options).await?;
        let inner = Inner {
            database,
            configuration: Mutex::default(),
            tenants: KnownTenants::default(),
            newest: Mutex::new(Timestamp::EPOCH),
            lane: tokio::sync::Mutex::default(),
            closed: AtomicBool::new(false),
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Copies the whole database, as of one instant, into the new file `path`, while work goes on.
    ///
    /// A copy made otherwise may be torn, or lack what is in files beside the database.
    ///
    /// # Errors
    /// When `path` exists or cannot be written.
    pub async fn backup(&self, path: impl AsRef<std::path::Path>) -> Result<(), StoreError> {
        self.inner.check_open()?;
        self.inner.database.backup(path.as_ref()).await
    }

    pub(crate) async fn reader(&self) -> Result<Box<dyn Session>, StoreError> {
        self.inner.check_open()?;
        self.inner.database.reader().await
    }

    /// Begins a transaction between two batches. The rows that they keep are forgotten: some may be deleted.
    pub(crate) async fn between_batches(&self) -> Result<Between<'_>, StoreError> {
        self.inner.check_open()?;
        let mut lane = self.inner.lane.lock().await;
        *lane = None;
        Ok(Between { transaction: self.inner.database.begin().await?, _lane: lane })
    }
}

/// A transaction between two batches of this process.
pub(crate) struct Between<'a> {
    pub(crate) transaction: Box<dyn Transaction>,
    _lane: tokio::sync::MutexGuard<'a, Option<Kept>>,
}

impl Between<'_> {
    /// Makes what was done durable, or undoes all of it.
    pub(crate) async fn end(self, done: Result<(), StoreError>) -> Result<(), StoreError> {
        match done {
            Ok(()) => self.transaction.commit().await,
            Err(error) => {
                self.transaction.roll_back().await;
                Err(error)
            }
        }
    }
}

/// Most rows that are kept for the next batch.
const KEPT_ROWS_MAX: usize = 16_384;

/// The rows of the last batches, for the next one: valid while nobody else has written.
#[derive(Debug)]
struct Kept {
    seen: Seen,
    tables: Tables,
}

/// A batch that was executed in its transaction, before the commit.
struct Executed {
    decided: Decided,
    outcomes: Vec<Outcome>,
    tables: Tables,
}

impl Inner {
    fn check_open(&self) -> Result<(), StoreError> {
        if self.closed.load(Ordering::Acquire) {
            return Err(StoreError::new(StoreErrorKind::Unusable, "it was closed; open another"));
        }
        Ok(())
    }

    async fn write(&self, batch: &Batch) -> Result<Written, StoreError> {
        let mut lane = self.lane.lock().await;
        let fence = Fence { worker: batch.worker, number: batch.number, beside: beside(&batch.commands) };
        if batch.commands.iter().all(|command| matches!(command, Command::Beat)) {
            return self.beat(batch, fence).await;
        }
        let Begun { mut transaction, passed } = self.database.begin_batch(fence).await?;
        let Some(passed) = passed else { return refused(transaction, fence).await };
        // What a batch that fails leaves in memory is not what the database has: kept rows are given back after the
        // commit alone.
        let kept = lane.take().filter(|kept| passed.seen == Some(kept.seen)).map(|kept| kept.tables);
        let executed = match self.execute(&mut *transaction, batch, passed, kept).await {
            Ok(executed) => executed,
            Err(error) => {
                transaction.roll_back().await;
                return Err(error);
            }
        };
        let Executed { decided: Decided { at, since }, outcomes, tables } = executed;
        match transaction.commit().await {
            Ok(()) => {
                *self.configuration.lock() = Arc::clone(&tables.configuration);
                *self.newest.lock() = at;
                *lane = passed.seen.and_then(|seen| keep(tables, seen));
                Ok(Written::Now { at, decided: Some(since), outcomes })
            }
            Err(error) if error.kind == StoreErrorKind::CommitUnknown => {
                Err(StoreError { outcomes: Some((at, outcomes)), ..error })
            }
            Err(error) => Err(error),
        }
    }

    /// A batch without anything to decide.
    async fn beat(&self, batch: &Batch, fence: Fence) -> Result<Written, StoreError> {
        let outcomes = || vec![Outcome::Done; batch.commands.len()];
        match self.database.beat(fence).await {
            Ok(Some(at)) => {
                *self.newest.lock() = at;
                Ok(Written::Now { at, decided: None, outcomes: outcomes() })
            }
            Ok(None) => refused(self.database.begin().await?, fence).await,
            Err(error) if error.kind == StoreErrorKind::CommitUnknown => {
                let outcomes = Some((*self.newest.lock(), outcomes()));
                Err(StoreError { outcomes, ..error })
            }
            Err(error) => Err(error),
        }
    }

    /// Load, decide, save.
    async fn execute(
        &self,
        transaction: &mut dyn Transaction,
        batch: &Batch,
        passed: Passed,
        kept: Option<Tables>,
    ) -> Result<Executed, StoreError> {
        let before = self.configuration_of(transaction, passed.configuration_version).await?;
        let mut tables = kept.unwrap_or_else(|| Tables::new(Arc::clone(&before), Journal::Kept));
        tables.tenants_version = passed.tenants_version;
        let mut needs = Needs::of(&batch.commands);
        let decided = load_needs(transaction, &mut needs, &mut tables, &self.tenants).await?;
        let outcomes = decide(&mut tables, batch, decided.at);
        let script = save_changes(&mut tables, &before, decided.at)?;
        transaction.run(script).await?;
        save_key_revisions(transaction, &mut tables).await?;
        Ok(Executed { decided, outcomes, tables })
    }

    async fn configuration_of(
        &self,
        session: &mut dyn Transaction,
        version: i64,
    ) -> Result<Arc<Configuration>, StoreError> {
        let known = Arc::clone(&self.configuration.lock());
        if known.version == version {
            return Ok(known);
        }
        Ok(Arc::new(read::configuration(session).await?))
    }
}

fn beside(commands: &[Command]) -> Beside {
    if commands.iter().any(Command::stands_alone) { Beside::Nobody } else { Beside::Others }
}

/// A committed batch's rows for the next one, unless they are too many.
fn keep(mut tables: Tables, seen: Seen) -> Option<Kept> {
    tables.forget_written();
    (tables.len() <= KEPT_ROWS_MAX).then_some(Kept { seen, tables })
}

/// Moves a worker's last beat by the least there is: a change that must be made durable.
const TOUCH_WORKER: &str = "UPDATE kingcong_workers SET beat = beat + 1 WHERE id = ?";

/// Why a batch did not pass the fence.
///
/// That it was committed before is answered after a commit of a change of our own: the first commit may be visible
/// and not yet on the standby that the server was told to wait for. What is committed after it waits for both.
async fn refused(mut transaction: Box<dyn Transaction>, fence: Fence) -> Result<Written, StoreError> {
    let refused = match read::worker(&mut *transaction, fence.worker).await {
        Ok(None) => Ok(Written::Fenced),
        // What was committed before the burial was committed.
        Ok(Some(worker)) if worker.batch == fence.number => {
            let mut touch = Script::default();
            touch.add(TOUCH_WORKER, vec![fence.worker.as_uuid().into()]);
            transaction.run(touch).await.map(|()| Written::Before)
        }
        Ok(Some(Worker { life: Life::Buried | Life::Gone, .. })) => Ok(Written::Fenced),
        Ok(Some(worker)) => {
            let message = format!("batch {} follows batch {} of its worker", fence.number, worker.batch);
            Err(StoreError::new(StoreErrorKind::Unusable, message))
        }
        Err(error) => Err(error),
    };
    match refused {
        Ok(Written::Before) => match transaction.commit().await {
            Ok(()) => Ok(Written::Before),
            // What is unknown is not the batch: it was committed, and asking again tells so.
            Err(error) => Err(StoreError { kind: StoreErrorKind::Unavailable, ..error }),
        },
        refused => {
            transaction.roll_back().await;
            refused
        }
    }
}

/// Runs work that must not stop half-way in a task of its own: a caller that goes away changes nothing.
pub(crate) async fn unstoppable<T: Send + 'static>(
    work: impl Future<Output = Result<T, StoreError>> + Send + 'static,
) -> Result<T, StoreError> {
    match tokio::spawn(work).await {
        Ok(result) => result,
        Err(stopped) if stopped.is_panic() => {
            let message = "a command of the batch broke a decision; nothing of the batch was written";
            Err(StoreError::new(StoreErrorKind::Command, message).caused_by(stopped))
        }
        Err(stopped) => {
            let message = "the runtime is shutting down";
            Err(StoreError::new(StoreErrorKind::Unavailable, message).caused_by(stopped))
        }
    }
}

#[async_trait]
impl Store for SqlStore {
    async fn write(&self, batch: &Batch) -> Result<Written, StoreError> {
        self.inner.check_open()?;
        let (inner, batch) = (Arc::clone(&self.inner), batch.clone());
        unstoppable(async move { inner.write(&batch).await }).await
    }

    async fn register_worker(&self, worker: WorkerId, dead_after: Duration) -> Result<Timestamp, StoreError> {
        self.inner.check_open()?;
        let inner = Arc::clone(&self.inner);
        unstoppable(async move {
            let mut transaction = inner.database.begin().await?;
            let now = transaction.now().await?;
            let row = Worker { id: worker, dead_after, batch: 0, beat: now, life: Life::Alive };
            let mut script = Script::default();
            script.insert(Deed::InsertIfAbsent, [&row]);
            match transaction.run(script).await {
                Ok(()) => transaction.commit().await.map(|()| now),
                Err(error) => {
                    transaction.roll_back().await;
                    Err(error)
                }
            }
        })
        .await
    }

    async fn keep_rules(&self, rules: Rules) -> Result<Rules, StoreError> {
        if let Some(kept) = read::rules(&mut *self.reader().await?).await? {
            return Ok(kept);
        }
        let inner = Arc::clone(&self.inner);
        unstoppable(async move {
            let mut script = Script::default();
            script.insert(Deed::InsertIfAbsent, [&rules]);
            let mut transaction = inner.database.begin().await?;
            match transaction.run(script).await {
                Ok(()) => transaction.commit().await,
                Err(error) => {
                    transaction.roll_back().await;
                    Err(error)
                }
            }
        })
        .await?;
        // Another process may have been first.
        Ok(read::rules(&mut *self.reader().await?).await?.unwrap_or(rules))
    }

    async fn configuration(&self, known: Option<i64>) -> Result<Option<Configuration>, StoreError> {
        let mut session = self.reader().await?;
        session.begin_view().await?;
        let configuration = match read::configuration_version(&mut *session).await? {
            version if Some(version) == known => None,
            _ => Some(read::configuration(&mut *session).await?),
        };
        session.end_view().await?;
        Ok(configuration)
    }

    async fn pulse(&self) -> Result<Pulse, StoreError> {
        read::pulse(&mut *self.reader().await?, self.inner.database.instant()).await
    }

    async fn audit(
        &self,
        of: &AuditOf,
        before: Option<AuditId>,
        limit: u32,
    ) -> Result<Vec<AuditEntry>, StoreError> {
        read::audit(&mut *self.reader().await?, of, before, limit).await
    }

    async fn close(&self) {
        self.inner.closed.store(true, Ordering::Release);
        self.inner.database.close().await;
    }
}

#[async_trait]
impl TenantReads for SqlStore {
    async fn tenant(&self, id: &TenantId) -> Result<Option<Tenant>, StoreError> {
        read::tenant(&mut *self.reader().await?, id).await
    }

    async fn tenants(&self, after: Option<&TenantId>, limit: u32) -> Result<Vec<Tenant>, StoreError> {
        read::tenants(&mut *self.reader().await?, after, limit).await
    }
}

#[async_trait]
impl KeyReads for SqlStore {
    async fn keys(&self) -> Result<Vec<KeyWithLimits>, StoreError> {
        read::keys(&mut *self.reader().await?).await
    }

    async fn key(&self, id: KeyId) -> Result<Option<KeyWithLimits>, StoreError> {
        read::key(&mut *self.reader().await?, id).await
    }

    async fn changed_keys(&self, after: i64) -> Result<ChangedKeys, StoreError> {
        let mut session = self.reader().await?;
        // A server that knows nothing of the table would else read all of it.
        session.begin_view().await?;
        let found = read::changed_keys(&mut *session, after).await?;
        session.end_view().await?;
        Ok(found)
    }

    async fn pools(&self, ids: &BTreeSet<PoolId>) -> Result<Vec<Pool>, StoreError> {
        read::pools(&mut *self.reader().await?, ids).await
    }

    async fn accounts(&self) -> Result<Vec<Account>, StoreError> {
        read::accounts(&mut *self.reader().await?).await
    }

    async fn data_keys(&self, used_for: &DataKeyUse) -> Result<Vec<DataKey>, StoreError> {
        read::data_keys(&mut *self.reader().await?, used_for).await
    }
}

#[async_trait]
impl JobReads for SqlStore {
    async fn idempotency(&self, key: &[u8; 32]) -> Result<Option<IdempotencyRow>, StoreError> {
        read::idempotency(&mut *self.reader().await?, key).await
    }

    async fn job(&self, scope: &Scope, id: JobId) -> Result<Option<JobWithTasks>, StoreError> {
        let mut session = self.reader().await?;
        session.begin_view().await?;
        let found = read::job(&mut *session, scope, id).await?;
        session.end_view().await?;
        Ok(found)
    }

    async fn jobs(&self, scope: &Scope, filter: &JobFilter) -> Result<Vec<Job>, StoreError> {
        read::jobs(&mut *self.reader().await?, scope, filter).await
    }

    async fn job_states(&self, scope: &Scope, ids: &[JobId]) -> Result<Vec<(JobId, JobState)>, StoreError> {
        read::job_states(&mut *self.reader().await?, scope, ids).await
    }

    async fn task(&self, id: TaskId) -> Result<Option<Task>, StoreError> {
        read::task(&mut *self.reader().await?, id).await
    }

    async fn attempts(&self, scope: &Scope, filter: &AttemptFilter) -> Result<Vec<Attempt>, StoreError> {
        read::attempts(&mut *self.reader().await?, scope, filter).await
    }
}

#[async_trait]
impl ResultReads for SqlStore {
    async fn output(&self, task: TaskId) -> Result<Option<OutputRow>, StoreError> {
        read::output(&mut *self.reader().await?, task).await
    }

    async fn output_heads(&self, job: JobId) -> Result<Vec<Option<OutputHead>>, StoreError> {
        read::output_heads(&mut *self.reader().await?, job).await
    }

    async fn output_bytes(&self, task: TaskId, range: Range<u64>) -> Result<Option<Bytes>, StoreError> {
        read::output_bytes(&mut *self.reader().await?, task, range).await
    }

    async fn output_texts(&self, job: JobId) -> Result<Vec<Option<String>>, StoreError> {
        read::output_texts(&mut *self.reader().await?, job).await
    }

    async fn voice(&self, scope: &Scope, id: VoiceId) -> Result<Option<VoiceRow>, StoreError> {
        read::voice(&mut *self.reader().await?, scope, id).await
    }

    async fn voices_known_as(&self, upstream_voice: &str) -> Result<Vec<VoiceRow>, StoreError> {
        read::voices_known_as(&mut *self.reader().await?, upstream_voice).await
    }

    async fn voices(&self, scope: &Scope) -> Result<Vec<VoiceRow>, StoreError> {
        read::voices(&mut *self.reader().await?, scope).await
    }
}

#[async_trait]
impl WalletReads for SqlStore {
    async fn wallet(&self, key: &WalletKey) -> Result<Option<Wallet>, StoreError> {
        read::wallet(&mut *self.reader().await?, key).await
    }

    async fn wallets(&self, scope: &Scope, filter: &WalletFilter) -> Result<Vec<Wallet>, StoreError> {
        read::wallets(&mut *self.reader().await?, scope, filter).await
    }

    async fn entries(
        &self,
        wallet: WalletId,
        before: Option<u64>,
        limit: u32,
    ) -> Result<Vec<Entry>, StoreError> {
        read::entries(&mut *self.reader().await?, wallet, before, limit).await
    }
}

#[async_trait]
impl BookReads for SqlStore {
    async fn limits(&self) -> Result<Vec<LimitCount>, StoreError> {
        let mut session = self.reader().await?;
        session.begin_view().await?;
        let found = read::limits(&mut *session).await?;
        session.end_view().await?;
        Ok(found)
    }

    async fn pool_counts(&self) -> Result<Vec<PoolCount>, StoreError> {
        let mut session = self.reader().await?;
        session.begin_view().await?;
        let found = verify::pool_counts(&mut *session).await?;
        session.end_view().await?;
        Ok(found)
    }

    async fn key_books(&self) -> Result<Vec<KeyBook>, StoreError> {
        verify::key_books(&mut *self.reader().await?).await
    }

    async fn next_wallet(&self, after: Option<WalletId>) -> Result<Option<WalletId>, StoreError> {
        let after = after.map(|id| id.as_uuid().into());
        let row = verify::next_row(&mut *self.reader().await?, Wallet::NAME, after).await?;
        row.map(|row| row.read(|row| row.uuid("id")).map(WalletId::from_uuid)).transpose()
    }

    async fn next_job(&self, after: Option<JobId>) -> Result<Option<JobId>, StoreError> {
        let after = after.map(|id| id.as_uuid().into());
        let row = verify::next_row(&mut *self.reader().await?, Job::NAME, after).await?;
        row.map(|row| row.read(|row| row.uuid("id")).map(JobId::from_uuid)).transpose()
    }

    async fn next_answer(&self, after: Option<[u8; 32]>) -> Result<Option<[u8; 32]>, StoreError> {
        let after = after.map(|key| key.as_slice().into());
        let row = verify::next_row(&mut *self.reader().await?, IdempotencyRow::NAME, after).await?;
        row.map(|row| row.read(|row| row.array("id"))).transpose()
    }

    async fn wallet_books(&self, after: Option<WalletId>, limit: u32) -> Result<Vec<WalletBook>, StoreError> {
        let mut session = self.reader().await?;
        session.begin_view().await?;
        let found = verify::wallet_books(&mut *session, after, limit).await?;
        session.end_view().await?;
        Ok(found)
    }

    async fn wallet_book(&self, id: WalletId, after: u64) -> Result<Option<WalletBook>, StoreError> {
        let mut session = self.reader().await?;
        session.begin_view().await?;
        let found = verify::wallet_book(&mut *session, id, after).await?;
        session.end_view().await?;
        Ok(found)
    }

    async fn job_books(&self, after: Option<JobId>, limit: u32) -> Result<Vec<JobBook>, StoreError> {
        let mut session = self.reader().await?;
        session.begin_view().await?;
        let found = verify::job_books(&mut *session, after, limit).await?;
        session.end_view().await?;
        Ok(found)
    }

    async fn answer_books(&self, after: Option<[u8; 32]>, limit: u32) -> Result<Vec<AnswerBook>, StoreError> {
        let mut session = self.reader().await?;
        session.begin_view().await?;
        let found = verify::answer_books(&mut *session, after, limit).await?;
        session.end_view().await?;
        Ok(found)
    }

    async fn damaged_rows(&self, found: &mut Verification) -> Result<(), StoreError> {
        verify::damaged_rows(&mut *self.reader().await?, found).await
    }
}
