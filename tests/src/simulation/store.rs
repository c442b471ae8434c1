//! One in-memory store behind the connections of every process. Connections are slow, fail before a commit, lose its
//! answer, and are down for a while; the books see every batch at the instant of its commit.

use std::{
    collections::{BTreeMap, BTreeSet},
    future::Future,
    ops::Range,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
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
        Configuration, IdempotencyRow, JobBook, JobFilter, JobReads, JobWithTasks, KeyBook, KeyReads,
        LimitCount, MemoryStore, OutputHead, OutputRow, PoolCount, Pulse, ResultReads, Store, StoreError,
        StoreErrorKind, TenantReads, Verification, VoiceRow, WalletBook, WalletFilter, WalletReads, Written,
    },
    tenants::Tenant,
    vault::{DataKey, DataKeyUse},
    work::{Attempt, Job, JobState, Task, Work},
};
use parking_lot::Mutex;
use tokio::sync::oneshot;

use super::{books::Books, process::Life, stage::Stage};

/// A text with this in it cannot be written.
pub(super) const POISON: &str = "poison";

/// What all connections lead to.
#[derive(Debug)]
pub(super) struct Database {
    pub(super) memory: Arc<MemoryStore>,
    pub(super) books: Arc<Books>,
    pub(super) stage: Arc<Stage>,
    down_until_ms: AtomicU64,
    /// Whose worker is whose, by process number.
    workers: Mutex<BTreeMap<WorkerId, u64>>,
    /// The last batch of each worker.
    last: Mutex<BTreeMap<WorkerId, i64>>,
    /// Batches whose commit's answer was lost.
    in_doubt: Mutex<BTreeSet<(WorkerId, i64)>>,
}

impl Database {
    pub(super) fn new(memory: Arc<MemoryStore>, books: Arc<Books>, stage: Arc<Stage>) -> Self {
        Self {
            memory,
            books,
            stage,
            down_until_ms: AtomicU64::new(0),
            workers: Mutex::default(),
            last: Mutex::default(),
            in_doubt: Mutex::default(),
        }
    }

    /// Nobody reaches it for so long.
    pub(super) fn go_down(&self, for_ms: u64) {
        self.stage.note(|| format!("database down for {for_ms} ms"));
        self.down_until_ms.store(self.stage.ms() + for_ms, Ordering::Relaxed);
    }

    /// The workers that a process has been.
    pub(super) fn workers_of(&self, process: u64) -> Vec<WorkerId> {
        self.workers.lock().iter().filter(|(_, of)| **of == process).map(|(id, _)| *id).collect()
    }

    fn commit(&self, batch: &Batch) -> Result<Written, StoreError> {
        let written = now(self.memory.write(batch));
        if let Ok(Written::Now { outcomes, .. }) = &written {
            self.last.lock().insert(batch.worker, batch.number);
            self.books.committed(&self.memory, batch, outcomes);
        }
        written
    }
}

/// What an in-memory store answers, which it does at once.
pub(super) fn now<T>(answer: impl Future<Output = T>) -> T {
    futures_util::FutureExt::now_or_never(answer).expect("the in-memory store never waits")
}

/// Whether no store could write that: one such command must not harm those beside it.
fn is_poisonous(command: &Command) -> bool {
    let Command::Admit(admit) = command else { return false };
    admit.tasks.iter().any(|task| match &*task.work {
        Work::Speech(speech) => speech.text.contains(POISON),
        _ => false,
    })
}

/// A process's connection.
#[derive(Clone, Debug)]
pub(super) struct Connection {
    database: Arc<Database>,
    life: Arc<Life>,
    process: u64,
    cut_until_ms: Arc<AtomicU64>,
    closed: Arc<AtomicBool>,
}

impl Connection {
    pub(super) fn new(database: &Arc<Database>, life: &Arc<Life>, process: u64) -> Self {
        Self {
            database: Arc::clone(database),
            life: Arc::clone(life),
            process,
            cut_until_ms: Arc::default(),
            closed: Arc::default(),
        }
    }

    /// This process alone does not reach the store for so long.
    pub(super) fn cut(&self, for_ms: u64) {
        let stage = &self.database.stage;
        stage.note(|| format!("p{} cut off for {for_ms} ms", self.process));
        self.cut_until_ms.store(stage.ms() + for_ms, Ordering::Relaxed);
    }

    fn check_reachable(&self) -> Result<(), StoreError> {
        if self.closed.load(Ordering::Relaxed) {
            return Err(StoreError::new(StoreErrorKind::Unusable, "it was closed; open another"));
        }
        let stage = &self.database.stage;
        let until = |down: &AtomicU64| down.load(Ordering::Relaxed);
        let down_until = until(&self.cut_until_ms).max(until(&self.database.down_until_ms));
        if down_until > stage.ms() && !stage.is_healed() {
            return Err(StoreError::new(StoreErrorKind::Unavailable, "connection refused"));
        }
        Ok(())
    }

    /// How long a statement takes on its way, there or back.
    fn way_ms(&self) -> u64 {
        let stage = &self.database.stage;
        if stage.goes_wrong(stage.plan.faults.store_slow) {
            stage.dice.between(5, 400)
        } else {
            stage.dice.between(0, 3)
        }
    }

    async fn read<T>(
        &self,
        read: impl Future<Output = Result<T, StoreError>> + Send,
    ) -> Result<T, StoreError> {
        let stage = &self.database.stage;
        if self.life.is_dead() {
            std::future::pending::<()>().await;
        }
        stage.sleep(self.way_ms()).await;
        let answer = match self.check_reachable() {
            Err(error) => Err(error),
            Ok(()) if stage.goes_wrong(stage.plan.faults.read_fails) => {
                Err(StoreError::new(StoreErrorKind::Unavailable, "connection reset while reading"))
            }
            Ok(()) => read.await,
        };
        stage.sleep(self.way_ms()).await;
        self.life.running().await;
        answer
    }

    /// Executes a batch on the other end of the connection: what was sent goes on even when its sender dies.
    async fn write_there(self, batch: Batch, dies_with_its_sender: bool) -> Result<Written, StoreError> {
        let stage = &self.database.stage;
        stage.sleep(self.way_ms()).await;
        self.check_reachable()?;
        if dies_with_its_sender && self.life.is_dead() {
            return Err(StoreError::new(StoreErrorKind::Unavailable, "the sender is dead"));
        }
        if batch.commands.iter().any(is_poisonous) {
            return Err(StoreError::new(StoreErrorKind::Command, "invalid byte sequence in a text"));
        }
        let faults = &stage.plan.faults;
        if stage.goes_wrong(faults.write_fails) {
            return Err(StoreError::new(StoreErrorKind::Unavailable, "deadlock found"));
        }
        let lost = stage.goes_wrong(faults.commit_unknown);
        let this = (batch.worker, batch.number);
        if lost && !self.database.in_doubt.lock().insert(this) {
            return Err(StoreError::new(StoreErrorKind::Unusable, "the login was refused"));
        }
        let is_new = self.database.last.lock().get(&batch.worker).is_none_or(|last| *last < batch.number);
        if lost && is_new && stage.dice.percent(50) {
            let mut error =
                StoreError::new(StoreErrorKind::CommitUnknown, "connection reset before the commit");
            // What was decided and never written: nobody may take it for true.
            error.outcomes = Some((Timestamp::EPOCH, Vec::new()));
            return Err(error);
        }
        let written = self.database.commit(&batch);
        stage.sleep(self.way_ms()).await;
        match written {
            Ok(Written::Now { at, outcomes, .. }) if lost => {
                let mut error =
                    StoreError::new(StoreErrorKind::CommitUnknown, "connection reset after the commit");
                error.outcomes = Some((at, outcomes));
                Err(error)
            }
            written => written,
        }
    }
}

#[async_trait]
impl Store for Connection {
    async fn write(&self, batch: &Batch) -> Result<Written, StoreError> {
        if self.life.is_dead() {
            std::future::pending::<()>().await;
        }
        let stage = &self.database.stage;
        let (answer, answered) = oneshot::channel();
        let (there, batch) = (self.clone(), batch.clone());
        let dies_with_its_sender = stage.dice.percent(50);
        tokio::spawn(async move {
            // A sender that has died does not hear it.
            let _ = answer.send(there.write_there(batch, dies_with_its_sender).await);
        });
        let answer = match answered.await {
            Ok(answer) => answer,
            // Deciding panicked, which the panic hook has reported.
            Err(_) => std::future::pending().await,
        };
        self.life.running().await;
        answer
    }

    async fn register_worker(&self, worker: WorkerId, dead_after: Duration) -> Result<Timestamp, StoreError> {
        self.database.workers.lock().insert(worker, self.process);
        self.database.stage.note(|| format!("p{} is {worker}", self.process));
        self.read(self.database.memory.register_worker(worker, dead_after)).await
    }

    async fn keep_rules(&self, rules: Rules) -> Result<Rules, StoreError> {
        self.read(self.database.memory.keep_rules(rules)).await
    }

    async fn configuration(&self, known: Option<i64>) -> Result<Option<Configuration>, StoreError> {
        self.read(self.database.memory.configuration(known)).await
    }

    async fn pulse(&self) -> Result<Pulse, StoreError> {
        self.read(self.database.memory.pulse()).await
    }

    async fn audit(
        &self,
        of: &AuditOf,
        before: Option<AuditId>,
        limit: u32,
    ) -> Result<Vec<AuditEntry>, StoreError> {
        self.read(self.database.memory.audit(of, before, limit)).await
    }

    async fn close(&self) {
        self.closed.store(true, Ordering::Relaxed);
    }
}

#[async_trait]
impl TenantReads for Connection {
    async fn tenant(&self, id: &TenantId) -> Result<Option<Tenant>, StoreError> {
        self.read(self.database.memory.tenant(id)).await
    }

    async fn tenants(&self, after: Option<&TenantId>, limit: u32) -> Result<Vec<Tenant>, StoreError> {
        self.read(self.database.memory.tenants(after, limit)).await
    }
}

#[async_trait]
impl KeyReads for Connection {
    async fn keys(&self) -> Result<Vec<KeyWithLimits>, StoreError> {
        self.read(self.database.memory.keys()).await
    }

    async fn key(&self, id: KeyId) -> Result<Option<KeyWithLimits>, StoreError> {
        self.read(self.database.memory.key(id)).await
    }

    async fn changed_keys(&self, after: i64) -> Result<ChangedKeys, StoreError> {
        self.read(self.database.memory.changed_keys(after)).await
    }

    async fn pools(&self, ids: &BTreeSet<PoolId>) -> Result<Vec<Pool>, StoreError> {
        self.read(self.database.memory.pools(ids)).await
    }

    async fn accounts(&self) -> Result<Vec<Account>, StoreError> {
        self.read(self.database.memory.accounts()).await
    }

    async fn data_keys(&self, used_for: &DataKeyUse) -> Result<Vec<DataKey>, StoreError> {
        self.read(self.database.memory.data_keys(used_for)).await
    }
}

#[async_trait]
impl JobReads for Connection {
    async fn idempotency(&self, key: &[u8; 32]) -> Result<Option<IdempotencyRow>, StoreError> {
        self.read(self.database.memory.idempotency(key)).await
    }

    async fn job(&self, scope: &Scope, id: JobId) -> Result<Option<JobWithTasks>, StoreError> {
        self.read(self.database.memory.job(scope, id)).await
    }

    async fn jobs(&self, scope: &Scope, filter: &JobFilter) -> Result<Vec<Job>, StoreError> {
        self.read(self.database.memory.jobs(scope, filter)).await
    }

    async fn job_states(&self, scope: &Scope, ids: &[JobId]) -> Result<Vec<(JobId, JobState)>, StoreError> {
        self.read(self.database.memory.job_states(scope, ids)).await
    }

    async fn task(&self, id: TaskId) -> Result<Option<Task>, StoreError> {
        self.read(self.database.memory.task(id)).await
    }

    async fn attempts(&self, scope: &Scope, filter: &AttemptFilter) -> Result<Vec<Attempt>, StoreError> {
        self.read(self.database.memory.attempts(scope, filter)).await
    }
}

#[async_trait]
impl ResultReads for Connection {
    async fn output(&self, task: TaskId) -> Result<Option<OutputRow>, StoreError> {
        self.read(self.database.memory.output(task)).await
    }

    async fn output_heads(&self, job: JobId) -> Result<Vec<Option<OutputHead>>, StoreError> {
        self.read(self.database.memory.output_heads(job)).await
    }

    async fn output_bytes(&self, task: TaskId, range: Range<u64>) -> Result<Option<Bytes>, StoreError> {
        self.read(self.database.memory.output_bytes(task, range)).await
    }

    async fn output_texts(&self, job: JobId) -> Result<Vec<Option<String>>, StoreError> {
        self.read(self.database.memory.output_texts(job)).await
    }

    async fn voice(&self, scope: &Scope, id: VoiceId) -> Result<Option<VoiceRow>, StoreError> {
        self.read(self.database.memory.voice(scope, id)).await
    }

    async fn voices_known_as(&self, upstream_voice: &str) -> Result<Vec<VoiceRow>, StoreError> {
        self.read(self.database.memory.voices_known_as(upstream_voice)).await
    }

    async fn voices(&self, scope: &Scope) -> Result<Vec<VoiceRow>, StoreError> {
        self.read(self.database.memory.voices(scope)).await
    }
}

#[async_trait]
impl WalletReads for Connection {
    async fn wallet(&self, key: &WalletKey) -> Result<Option<Wallet>, StoreError> {
        self.read(self.database.memory.wallet(key)).await
    }

    async fn wallets(&self, scope: &Scope, filter: &WalletFilter) -> Result<Vec<Wallet>, StoreError> {
        self.read(self.database.memory.wallets(scope, filter)).await
    }

    async fn entries(
        &self,
        wallet: WalletId,
        before: Option<u64>,
        limit: u32,
    ) -> Result<Vec<Entry>, StoreError> {
        self.read(self.database.memory.entries(wallet, before, limit)).await
    }
}

#[async_trait]
impl BookReads for Connection {
    async fn limits(&self) -> Result<Vec<LimitCount>, StoreError> {
        self.read(self.database.memory.limits()).await
    }

    async fn pool_counts(&self) -> Result<Vec<PoolCount>, StoreError> {
        self.read(self.database.memory.pool_counts()).await
    }

    async fn key_books(&self) -> Result<Vec<KeyBook>, StoreError> {
        self.read(self.database.memory.key_books()).await
    }

    async fn next_wallet(&self, after: Option<WalletId>) -> Result<Option<WalletId>, StoreError> {
        self.read(self.database.memory.next_wallet(after)).await
    }

    async fn next_job(&self, after: Option<JobId>) -> Result<Option<JobId>, StoreError> {
        self.read(self.database.memory.next_job(after)).await
    }

    async fn next_answer(&self, after: Option<[u8; 32]>) -> Result<Option<[u8; 32]>, StoreError> {
        self.read(self.database.memory.next_answer(after)).await
    }

    async fn wallet_books(&self, after: Option<WalletId>, limit: u32) -> Result<Vec<WalletBook>, StoreError> {
        self.read(self.database.memory.wallet_books(after, limit)).await
    }

    async fn wallet_book(&self, id: WalletId, after: u64) -> Result<Option<WalletBook>, StoreError> {
        self.read(self.database.memory.wallet_book(id, after)).await
    }

    async fn job_books(&self, after: Option<JobId>, limit: u32) -> Result<Vec<JobBook>, StoreError> {
        self.read(self.database.memory.job_books(after, limit)).await
    }

    async fn answer_books(&self, after: Option<[u8; 32]>, limit: u32) -> Result<Vec<AnswerBook>, StoreError> {
        self.read(self.database.memory.answer_books(after, limit)).await
    }

    async fn damaged_rows(&self, found: &mut Verification) -> Result<(), StoreError> {
        self.read(self.database.memory.damaged_rows(found)).await
    }
}
