//! The rows that a batch works on, with the orders that decisions need and a journal of what changed.
//!
//! A store on a database fills [`Tables`] with the rows that a batch names, lets [`super::decide`] change them, and
//! writes what [`Tables::take_changes`] returns. The in-memory store keeps everything in one that never forgets.

use std::{
    collections::{BTreeMap, BTreeSet, btree_map},
    sync::Arc,
    time::Duration,
};

use crate::{
    clock::Timestamp,
    id::{
        AttemptId, DataKeyId, HoldId, JobId, KeyId, LimitId, ServiceId, TaskId, TenantId, UserId, VoiceId,
        WalletId, WorkerId,
    },
    keys::{Flow, Key, Level, Limit, Pool, PoolId},
    ledger::{Entry, Hold, Wallet},
    routing::{Split, SplitId},
    tenants::{Standing, Tenant},
    vault::DataKey,
    work::{Attempt, Job, StoredOutput, Task, TaskState, Work},
};

use super::{
    AuditEntry, Configuration,
    batch::{LateAnswer, NewAudit, Remembered},
};

/// A user's place among flows.
pub type FlowId = (PoolId, TenantId, UserId);

/// An opened process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Worker {
    /// Its id, new at every start.
    pub id: WorkerId,
    /// How long it may be silent before others may take it for dead.
    pub dead_after: Duration,
    /// The number of its last batch.
    pub batch: i64,
    /// When that was.
    pub beat: Timestamp,
    /// Whether it may still write.
    pub life: Life,
}

/// Whether a worker may still write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Life {
    /// It may.
    Alive,
    /// It may not: others take over its attempts.
    Buried,
    /// It may not, and nothing is left of it to take over.
    Gone,
}

impl Life {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Alive, Self::Buried, Self::Gone];

    /// The word for it in stores.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Alive => "alive",
            Self::Buried => "buried",
            Self::Gone => "gone",
        }
    }
}

/// What an idempotency key was used for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdempotencyRow {
    /// The key, hashed with its scope.
    pub key: [u8; 32],
    /// The payload, hashed.
    pub payload: [u8; 32],
    /// The answer.
    pub answer: Remembered,
    /// When.
    pub at: Timestamp,
}

/// What a task is to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InputRow {
    /// The task.
    pub task: TaskId,
    /// What to do.
    pub work: Arc<Work>,
}

/// When a periodic duty is due next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DutyRow {
    /// Its name.
    pub name: String,
    /// When.
    pub next_at: Timestamp,
}

/// How far a split is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SplitRow {
    /// A function of the service and the shares.
    pub id: SplitId,
    /// The service.
    pub service: ServiceId,
    /// The split.
    pub split: Split,
}

/// A stored result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutputRow {
    /// Of which task.
    pub task: TaskId,
    /// The result.
    pub output: StoredOutput,
}

/// A voice that a user cloned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VoiceRow {
    /// The library's id for it.
    pub id: VoiceId,
    /// Whose tenant.
    pub tenant: TenantId,
    /// Whose.
    pub user: UserId,
    /// The key whose account has it.
    pub key: KeyId,
    /// That key's route.
    pub route: crate::id::Route,
    /// The upstream's id.
    pub upstream_voice: String,
    /// What the user called it.
    pub name: String,
    /// When it was made.
    pub created_at: Timestamp,
}

/// An audit row.
#[derive(Clone, Debug)]
pub struct AuditRow {
    /// Who did what.
    pub audit: NewAudit,
    /// When.
    pub at: Timestamp,
}

impl From<AuditRow> for AuditEntry {
    fn from(AuditRow { audit, at }: AuditRow) -> Self {
        let NewAudit { id, tenant, actor, role, door, target, outcome, detail } = audit;
        Self { id, tenant, actor, role, door: door.to_owned(), target, outcome, detail, at }
    }
}

/// The revision that a key's last change got in its store: every later change of any key gets a greater one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyRevision {
    /// The key.
    pub key: KeyId,
    /// From 1.
    pub revision: i64,
}

/// Whether a row is new or was there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// To be inserted.
    New,
    /// To be updated.
    Updated,
}

/// Rows by their key, with a journal of the changed ones.
#[derive(Clone, Debug)]
pub struct Rows<K, V> {
    rows: BTreeMap<K, V>,
    changed: Option<BTreeMap<K, Change>>,
}

impl<K: Ord + Clone, V> Rows<K, V> {
    const fn new(journal: Journal) -> Self {
        let changed = match journal {
            Journal::Kept => Some(BTreeMap::new()),
            Journal::None => None,
        };
        Self { rows: BTreeMap::new(), changed }
    }

    /// The row.
    #[must_use]
    pub fn get(&self, key: &K) -> Option<&V> {
        self.rows.get(key)
    }

    /// The row, to be changed.
    pub fn get_mut(&mut self, key: &K) -> Option<&mut V> {
        let row = self.rows.get_mut(key)?;
        if let Some(changed) = &mut self.changed {
            changed.entry(key.clone()).or_insert(Change::Updated);
        }
        Some(row)
    }

    /// The row, to be changed; made first when there is none.
    pub fn get_or_insert_with(&mut self, key: K, make: impl FnOnce() -> V) -> &mut V {
        let entry = self.rows.entry(key);
        if let Some(changed) = &mut self.changed {
            let change = match entry {
                btree_map::Entry::Vacant(_) => Change::New,
                btree_map::Entry::Occupied(_) => Change::Updated,
            };
            changed.entry(entry.key().clone()).or_insert(change);
        }
        entry.or_insert_with(make)
    }

    /// Adds a row that a batch makes.
    pub fn insert(&mut self, key: K, row: V) {
        if let Some(changed) = &mut self.changed {
            let change = if self.rows.contains_key(&key) { Change::Updated } else { Change::New };
            changed.entry(key.clone()).or_insert(change);
        }
        self.rows.insert(key, row);
    }

    /// Adds a row that the store has already.
    pub fn load(&mut self, key: K, row: V) {
        self.rows.insert(key, row);
    }

    /// Every row, in key order.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (&K, &V)> {
        self.rows.iter()
    }

    /// The rows of a range of keys, in key order.
    pub fn range(&self, keys: impl std::ops::RangeBounds<K>) -> impl DoubleEndedIterator<Item = (&K, &V)> {
        self.rows.range(keys)
    }

    /// How many rows there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The rows that changed since the last call, in key order.
    pub fn take_changes(&mut self) -> Vec<(&V, Change)> {
        let changed = self.changed.as_mut().map(std::mem::take).unwrap_or_default();
        changed.into_iter().filter_map(|(key, change)| Some((self.rows.get(&key)?, change))).collect()
    }
}

/// Whether tables remember what changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Journal {
    /// They do: a database is to be told.
    Kept,
    /// They do not: they are the store.
    None,
}

/// What a task waits for, and so which order it stands in.
#[derive(Clone, Copy, PartialEq, Eq)]
enum TaskWait {
    /// For a key of a pool, at this place in its virtual time.
    InPool(PoolId, i64),
    /// For an instant.
    Until(Timestamp),
    /// For nothing.
    No,
}

impl TaskWait {
    const fn of(state: &TaskState) -> Self {
        match state {
            TaskState::Ready { pool, tag } => Self::InPool(*pool, *tag),
            TaskState::Delayed { until, .. } => Self::Until(*until),
            TaskState::Running { .. } | TaskState::Done | TaskState::Failed { .. } | TaskState::Cancelled => {
                Self::No
            }
        }
    }
}

/// Declares the tables, and makes of the one list [`Tables`] with [`Tables::new`], [`Changes`] with
/// [`Tables::take_changes`], and [`Tables::forget_written`] and [`Tables::len`]. A new table is one line in it.
///
/// | list | its tables |
/// |---|---|
/// | `kept` | serve the next batch too, if nobody else writes in between |
/// | `forgotten` | are looked at by no decision of a later batch, once they were written |
/// | `indexed` | are kept, and changed only by functions that keep an order of them beside, or note what changed |
///
/// `beside` are fields that are no tables; they begin with their default.
macro_rules! tables {
    (
        kept { $($(#[$kept_doc:meta])* $kept:ident: $kept_key:ty => $kept_row:ty,)* }
        forgotten { $($(#[$forgotten_doc:meta])* $forgotten:ident: $forgotten_key:ty => $forgotten_row:ty,)* }
        indexed { $($(#[$indexed_doc:meta])* $indexed:ident: $indexed_key:ty => $indexed_row:ty,)* }
        beside { $($(#[$beside_doc:meta])* $visible:vis $beside:ident: $beside_type:ty,)* }
    ) => {
        /// The rows that a batch works on.
        #[derive(Clone, Debug)]
        pub struct Tables {
            /// Configuration, prices and packages.
            pub configuration: Arc<Configuration>,
            journal: Journal,
            $($(#[$kept_doc])* pub $kept: Rows<$kept_key, $kept_row>,)*
            $($(#[$forgotten_doc])* pub $forgotten: Rows<$forgotten_key, $forgotten_row>,)*
            $($(#[$indexed_doc])* $indexed: Rows<$indexed_key, $indexed_row>,)*
            $($(#[$beside_doc])* $visible $beside: $beside_type,)*
        }

        /// What a batch changed, table by table.
        #[derive(Debug)]
        pub struct Changes<'a> {
            /// Configuration, prices and packages: the whole, when it changed.
            pub configuration: Option<(&'a Configuration, Change)>,
            /// New audit rows.
            pub audits: Vec<AuditRow>,
            $($(#[$kept_doc])* pub $kept: Vec<(&'a $kept_row, Change)>,)*
            $($(#[$forgotten_doc])* pub $forgotten: Vec<(&'a $forgotten_row, Change)>,)*
            $($(#[$indexed_doc])* pub $indexed: Vec<(&'a $indexed_row, Change)>,)*
        }

        impl Tables {
            /// Empty tables over a configuration.
            #[must_use]
            pub fn new(configuration: Arc<Configuration>, journal: Journal) -> Self {
                Self {
                    configuration,
                    journal,
                    $($kept: Rows::new(journal),)*
                    $($forgotten: Rows::new(journal),)*
                    $($indexed: Rows::new(journal),)*
                    $($beside: Default::default(),)*
                }
            }

            /// Everything that changed since the last call.
            pub fn take_changes(&mut self) -> Changes<'_> {
                Changes {
                    configuration: self.configuration_change.take().map(|change| (&*self.configuration, change)),
                    audits: std::mem::take(&mut self.audits),
                    $($kept: self.$kept.take_changes(),)*
                    $($forgotten: self.$forgotten.take_changes(),)*
                    $($indexed: self.$indexed.take_changes(),)*
                }
            }

            /// Forgets what no decision of a later batch looks at, once it was written: results, entries and the like.
            /// What is left may serve the next batch, if nobody else wrote in between.
            pub fn forget_written(&mut self) {
                $(self.$forgotten = Rows::new(self.journal);)*
                self.deadlines = BTreeSet::new();
            }

            /// How many rows may serve the next batch.
            #[must_use]
            pub fn len(&self) -> usize {
                [$(self.$kept.len(),)* $(self.$indexed.len(),)*].into_iter().sum()
            }
        }
    };
}

tables! {
    kept {
        /// What is said of tenants.
        tenants: TenantId => Tenant,
        /// Processes.
        workers: WorkerId => Worker,
        /// Idempotency keys.
        idempotency: [u8; 32] => IdempotencyRow,
        /// Jobs.
        jobs: JobId => Job,
        /// What tasks are to do; immutable.
        inputs: TaskId => InputRow,
        /// Holds.
        holds: HoldId => Hold,
        /// Wallets.
        wallets: WalletId => Wallet,
        /// Splits.
        splits: SplitId => SplitRow,
        /// Accounts' limits.
        account_limits: LimitId => Limit,
        /// Limits of servers seen from our addresses.
        egress_limits: LimitId => Limit,
        /// Pools.
        pools: PoolId => Pool,
        /// Flows.
        flows: FlowId => Flow,
        /// Data keys.
        data_keys: DataKeyId => DataKey,
        /// Periodic duties.
        duties: String => DutyRow,
    }
    forgotten {
        /// Ledger entries; append-only.
        entries: (WalletId, u64) => Entry,
        /// Cloned voices.
        voices: VoiceId => VoiceRow,
        /// Results.
        outputs: TaskId => OutputRow,
        /// Late answers.
        late_answers: AttemptId => LateAnswer,
    }
    indexed {
        /// Tasks.
        tasks: TaskId => Task,
        /// Attempts.
        attempts: AttemptId => Attempt,
        /// Keys.
        keys: KeyId => Key,
        /// Keys' own limits.
        key_limits: LimitId => Limit,
    }
    beside {
        /// Whether the configuration changed since it was loaded.
        pub configuration_change: Option<Change>,
        /// The number of the last change of any tenant; 0 before the first.
        pub tenants_version: i64,
        /// Audit rows, in the order of their making.
        pub audits: Vec<AuditRow>,
        by_job: BTreeSet<(JobId, TaskId)>,
        ready: BTreeMap<PoolId, BTreeSet<(i64, TaskId)>>,
        delayed: BTreeSet<(Timestamp, TaskId)>,
        turns: BTreeMap<PoolId, BTreeSet<(Timestamp, LimitId)>>,
        open_attempts: BTreeMap<WorkerId, BTreeSet<AttemptId>>,
        changed_keys: BTreeSet<KeyId>,
        deadlines: BTreeSet<(Timestamp, JobId)>,
        hiding: BTreeSet<PoolId>,
        attempts_by_job: BTreeSet<(JobId, AttemptId)>,
    }
}

impl Tables {
    /// How a tenant stands, as far as it is loaded.
    #[must_use]
    pub fn standing(&self, tenant: &TenantId) -> Standing {
        Standing::of(self.tenants.get(tenant))
    }

    /// Whether they remember what changed.
    #[must_use]
    pub const fn journal(&self) -> Journal {
        self.journal
    }

    // Tasks, and the orders that they wait in.

    /// The tasks.
    #[must_use]
    pub const fn tasks(&self) -> &Rows<TaskId, Task> {
        &self.tasks
    }

    /// Adds a task that a batch makes.
    pub fn insert_task(&mut self, task: Task) {
        self.index_task(task.id, TaskWait::of(&task.state));
        self.by_job.insert((task.job, task.id));
        self.tasks.insert(task.id, task);
    }

    /// Adds a task that the store has already.
    pub fn load_task(&mut self, task: Task) {
        if let Some(old) = self.tasks.get(&task.id) {
            let old = TaskWait::of(&old.state);
            self.unindex_task(task.id, old);
        }
        self.index_task(task.id, TaskWait::of(&task.state));
        self.by_job.insert((task.job, task.id));
        self.tasks.load(task.id, task);
    }

    /// Changes a task; `None` when there is none of that id.
    pub fn change_task<R>(&mut self, id: TaskId, change: impl FnOnce(&mut Task) -> R) -> Option<R> {
        let task = self.tasks.get_mut(&id)?;
        let before = TaskWait::of(&task.state);
        let result = change(task);
        let after = TaskWait::of(&task.state);
        if before != after {
            self.unindex_task(id, before);
            self.index_task(id, after);
        }
        Some(result)
    }

    fn index_task(&mut self, id: TaskId, waiting: TaskWait) {
        match waiting {
            TaskWait::InPool(pool, tag) => {
                self.ready.entry(pool).or_default().insert((tag, id));
            }
            TaskWait::Until(until) => {
                self.delayed.insert((until, id));
            }
            TaskWait::No => {}
        }
    }

    fn unindex_task(&mut self, id: TaskId, waiting: TaskWait) {
        match waiting {
            TaskWait::InPool(pool, tag) => {
                if let Some(ready) = self.ready.get_mut(&pool) {
                    ready.remove(&(tag, id));
                }
            }
            TaskWait::Until(until) => {
                self.delayed.remove(&(until, id));
            }
            TaskWait::No => {}
        }
    }

    /// The tasks of a job, in the order of their ids.
    pub fn tasks_of(&self, job: JobId) -> impl Iterator<Item = &Task> {
        let ids = self.by_job.range((job, TaskId::MIN)..=(job, TaskId::MAX));
        ids.filter_map(|(_, id)| self.tasks.get(id))
    }

    /// The task that is next in a pool's fair order, after `after`.
    #[must_use]
    pub fn next_ready(&self, pool: PoolId, after: Option<(i64, TaskId)>) -> Option<(i64, TaskId)> {
        let ready = self.ready.get(&pool)?;
        match after {
            None => ready.first().copied(),
            Some(last) => {
                ready.range((std::ops::Bound::Excluded(last), std::ops::Bound::Unbounded)).next().copied()
            }
        }
    }

    /// Remembers that more tasks wait in a pool than those that are loaded: others work on them at this moment, and may
    /// take them or leave them.
    pub fn note_hiding(&mut self, pool: PoolId) {
        self.hiding.insert(pool);
    }

    /// Whether more tasks may wait in a pool than those that are loaded.
    #[must_use]
    pub fn is_hiding(&self, pool: PoolId) -> bool {
        self.hiding.contains(&pool)
    }

    /// The tasks that wait in a pool, in fair order.
    pub fn ready_in(&self, pool: PoolId) -> impl DoubleEndedIterator<Item = (i64, TaskId)> {
        self.ready.get(&pool).into_iter().flatten().copied()
    }

    /// The delayed tasks whose instant has come, earliest first.
    pub fn due_tasks(&self, now: Timestamp) -> impl Iterator<Item = TaskId> {
        self.delayed.iter().take_while(move |(until, _)| *until <= now).map(|&(_, id)| id)
    }

    /// The instant of the delayed task that is due first.
    #[must_use]
    pub fn first_delayed(&self) -> Option<Timestamp> {
        self.delayed.first().map(|&(until, _)| until)
    }

    // Attempts, and who works on them.

    /// The attempts.
    #[must_use]
    pub const fn attempts(&self) -> &Rows<AttemptId, Attempt> {
        &self.attempts
    }

    /// Adds an attempt that a batch makes.
    pub fn insert_attempt(&mut self, attempt: Attempt) {
        if let Some(worker) = attempt.worker {
            self.open_attempts.entry(worker).or_default().insert(attempt.id);
        }
        if self.journal == Journal::None {
            self.attempts_by_job.insert((attempt.job, attempt.id));
        }
        self.attempts.insert(attempt.id, attempt);
    }

    /// Adds an attempt that the store has already.
    pub fn load_attempt(&mut self, attempt: Attempt) {
        if let Some(worker) = attempt.worker {
            self.open_attempts.entry(worker).or_default().insert(attempt.id);
        }
        self.attempts.load(attempt.id, attempt);
    }

    /// Changes an attempt; `None` when there is none of that id.
    pub fn change_attempt<R>(&mut self, id: AttemptId, change: impl FnOnce(&mut Attempt) -> R) -> Option<R> {
        let attempt = self.attempts.get_mut(&id)?;
        let before = attempt.worker;
        let result = change(attempt);
        let after = attempt.worker;
        if before != after {
            if let Some(open) = before.and_then(|worker| self.open_attempts.get_mut(&worker)) {
                open.remove(&id);
            }
            if let Some(worker) = after {
                self.open_attempts.entry(worker).or_default().insert(id);
            }
        }
        Some(result)
    }

    /// The attempts that a worker works on.
    pub fn open_attempts(&self, worker: WorkerId) -> impl Iterator<Item = AttemptId> {
        self.open_attempts.get(&worker).into_iter().flatten().copied()
    }

    /// The attempts of a job, in the order of their ids. Indexed in memory; a database has an index of its own.
    pub fn attempts_of(&self, job: JobId) -> impl DoubleEndedIterator<Item = &Attempt> {
        let ids = self.attempts_by_job.range((job, AttemptId::MIN)..=(job, AttemptId::MAX));
        ids.filter_map(|(_, id)| self.attempts.get(id))
    }

    // Keys, and which of them changed.

    /// The keys.
    #[must_use]
    pub const fn keys(&self) -> &Rows<KeyId, Key> {
        &self.keys
    }

    /// Adds a key that a batch makes.
    pub fn insert_key(&mut self, key: Key) {
        self.changed_keys.insert(key.id);
        self.keys.insert(key.id, key);
    }

    /// Adds a key that the store has already.
    pub fn load_key(&mut self, key: Key) {
        self.keys.load(key.id, key);
    }

    /// Changes a key; `None` when there is none of that id.
    pub fn change_key<R>(&mut self, id: KeyId, change: impl FnOnce(&mut Key) -> R) -> Option<R> {
        let before = self.keys.get(&id)?;
        let mut after = before.clone();
        let result = change(&mut after);
        if after.is_news_after(before) {
            self.changed_keys.insert(id);
        }
        if after != *before {
            self.keys.insert(id, after);
        }
        Some(result)
    }

    /// Remembers that what a key may do was changed, which its limit says.
    pub fn note_changed_key(&mut self, id: KeyId) {
        self.changed_keys.insert(id);
    }

    /// Whether keys changed that have no revision for it yet.
    #[must_use]
    pub fn has_changed_keys(&self) -> bool {
        !self.changed_keys.is_empty()
    }

    /// Gives each key that changed since the last call a revision of its own, in a row from the one after `last`, which
    /// is the last that the store gave to any key.
    pub fn take_key_revisions(&mut self, last: i64) -> Vec<KeyRevision> {
        let changed = std::mem::take(&mut self.changed_keys).into_iter();
        changed.zip(last + 1..).map(|(key, revision)| KeyRevision { key, revision }).collect()
    }

    // Limits, and the turns of keys.

    /// The keys' own limits.
    #[must_use]
    pub const fn key_limits(&self) -> &Rows<LimitId, Limit> {
        &self.key_limits
    }

    /// Adds a limit that a batch makes.
    pub fn insert_limit(&mut self, limit: Limit) {
        match limit.level {
            Level::Key => {
                if let Some(pool) = limit.pool {
                    self.turns.entry(pool).or_default().insert((limit.turn, limit.id));
                }
                self.key_limits.insert(limit.id, limit);
            }
            Level::Account => self.account_limits.insert(limit.id, limit),
            Level::Egress => self.egress_limits.insert(limit.id, limit),
        }
    }

    /// Adds a limit that the store has already.
    pub fn load_limit(&mut self, limit: Limit) {
        match limit.level {
            Level::Key => {
                if let Some(pool) = limit.pool {
                    self.turns.entry(pool).or_default().insert((limit.turn, limit.id));
                }
                self.key_limits.load(limit.id, limit);
            }
            Level::Account => self.account_limits.load(limit.id, limit),
            Level::Egress => self.egress_limits.load(limit.id, limit),
        }
    }

    /// Changes a key's limit together with the shared ones of its chain; `None` when there is none of that id.
    pub fn change_limits<R>(
        &mut self,
        key: LimitId,
        account: Option<LimitId>,
        egress: Option<LimitId>,
        change: impl FnOnce(crate::keys::Chain<'_>) -> R,
    ) -> Option<R> {
        let limit = self.key_limits.get_mut(&key)?;
        let before = (limit.pool, limit.turn);
        let result = change(crate::keys::Chain {
            key: &mut *limit,
            account: account.and_then(|id| self.account_limits.get_mut(&id)),
            egress: egress.and_then(|id| self.egress_limits.get_mut(&id)),
        });
        let after = (limit.pool, limit.turn);
        if before != after {
            if let Some(turns) = before.0.and_then(|pool| self.turns.get_mut(&pool)) {
                turns.remove(&(before.1, key));
            }
            if let Some(pool) = after.0 {
                self.turns.entry(pool).or_default().insert((after.1, key));
            }
        }
        Some(result)
    }

    /// The keys of a pool in the order of their turns.
    pub fn turns(&self, pool: PoolId) -> impl Iterator<Item = (Timestamp, LimitId)> {
        self.turns.get(&pool).into_iter().flatten().copied()
    }

    // Jobs and their deadlines: kept by the in-memory store only, a database has an index.

    /// Remembers an open job's deadline in place of an earlier one.
    pub fn index_deadline(&mut self, job: JobId, before: Option<Timestamp>, after: Option<Timestamp>) {
        if let Some(before) = before {
            self.deadlines.remove(&(before, job));
        }
        if let Some(after) = after {
            self.deadlines.insert((after, job));
        }
    }

    /// The open jobs whose deadline has passed.
    pub fn overdue(&self, now: Timestamp) -> impl Iterator<Item = JobId> {
        self.deadlines.iter().take_while(move |(at, _)| *at <= now).map(|&(_, job)| job)
    }

    /// Whether there is no row that may serve the next batch.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
