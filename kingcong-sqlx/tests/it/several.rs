//! Several processes on one database, as one store: each worker's batches go by one of them.

use std::{collections::BTreeSet, ops::Range, sync::Arc, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use kingcong_core::{
    access::Scope,
    clock::Timestamp,
    id::{AuditId, JobId, KeyId, TaskId, TenantId, VoiceId, WalletId, WorkerId},
    keys::{Account, KeyWithLimits, Pool, PoolId, Rules},
    ledger::{Entry, Wallet, WalletKey},
    store::{
        AnswerBook, AttemptFilter, AuditEntry, AuditOf, Batch, BookReads, ChangedKeys, Configuration,
        IdempotencyRow, JobBook, JobFilter, JobReads, JobWithTasks, KeyBook, KeyReads, LimitCount,
        OutputHead, OutputRow, PoolCount, Pulse, ResultReads, Store, StoreError, TenantReads, Verification,
        VoiceRow, WalletBook, WalletFilter, WalletReads, Written,
    },
    tenants::Tenant,
    vault::{DataKey, DataKeyUse},
    work::{Attempt, Job, JobState, Task},
};

/// Stores that were opened apart from each other.
#[derive(Debug)]
pub(crate) struct Several(pub(crate) Vec<Arc<dyn Store>>);

impl Several {
    /// Where a worker's batches go: always to the same one.
    fn of(&self, worker: WorkerId) -> &dyn Store {
        let sum: usize = worker.as_uuid().as_bytes().iter().map(|byte| usize::from(*byte)).sum();
        &*self.0[sum % self.0.len()]
    }

    fn first(&self) -> &dyn Store {
        &*self.0[0]
    }
}

#[async_trait]
impl Store for Several {
    async fn write(&self, batch: &Batch) -> Result<Written, StoreError> {
        self.of(batch.worker).write(batch).await
    }

    async fn register_worker(&self, worker: WorkerId, dead_after: Duration) -> Result<Timestamp, StoreError> {
        self.of(worker).register_worker(worker, dead_after).await
    }

    async fn keep_rules(&self, rules: Rules) -> Result<Rules, StoreError> {
        self.first().keep_rules(rules).await
    }

    async fn configuration(&self, known: Option<i64>) -> Result<Option<Configuration>, StoreError> {
        self.first().configuration(known).await
    }

    async fn pulse(&self) -> Result<Pulse, StoreError> {
        self.first().pulse().await
    }

    async fn audit(
        &self,
        of: &AuditOf,
        before: Option<AuditId>,
        limit: u32,
    ) -> Result<Vec<AuditEntry>, StoreError> {
        self.first().audit(of, before, limit).await
    }

    async fn close(&self) {
        for store in &self.0 {
            store.close().await;
        }
    }
}

#[async_trait]
impl TenantReads for Several {
    async fn tenant(&self, id: &TenantId) -> Result<Option<Tenant>, StoreError> {
        self.first().tenant(id).await
    }

    async fn tenants(&self, after: Option<&TenantId>, limit: u32) -> Result<Vec<Tenant>, StoreError> {
        self.first().tenants(after, limit).await
    }
}

#[async_trait]
impl KeyReads for Several {
    async fn keys(&self) -> Result<Vec<KeyWithLimits>, StoreError> {
        self.first().keys().await
    }

    async fn key(&self, id: KeyId) -> Result<Option<KeyWithLimits>, StoreError> {
        self.first().key(id).await
    }

    async fn changed_keys(&self, after: i64) -> Result<ChangedKeys, StoreError> {
        self.first().changed_keys(after).await
    }

    async fn pools(&self, ids: &BTreeSet<PoolId>) -> Result<Vec<Pool>, StoreError> {
        self.first().pools(ids).await
    }

    async fn accounts(&self) -> Result<Vec<Account>, StoreError> {
        self.first().accounts().await
    }

    async fn data_keys(&self, used_for: &DataKeyUse) -> Result<Vec<DataKey>, StoreError> {
        self.first().data_keys(used_for).await
    }
}

#[async_trait]
impl JobReads for Several {
    async fn idempotency(&self, key: &[u8; 32]) -> Result<Option<IdempotencyRow>, StoreError> {
        self.first().idempotency(key).await
    }

    async fn job(&self, scope: &Scope, id: JobId) -> Result<Option<JobWithTasks>, StoreError> {
        self.first().job(scope, id).await
    }

    async fn jobs(&self, scope: &Scope, filter: &JobFilter) -> Result<Vec<Job>, StoreError> {
        self.first().jobs(scope, filter).await
    }

    async fn job_states(&self, scope: &Scope, ids: &[JobId]) -> Result<Vec<(JobId, JobState)>, StoreError> {
        self.first().job_states(scope, ids).await
    }

    async fn task(&self, id: TaskId) -> Result<Option<Task>, StoreError> {
        self.first().task(id).await
    }

    async fn attempts(&self, scope: &Scope, filter: &AttemptFilter) -> Result<Vec<Attempt>, StoreError> {
        self.first().attempts(scope, filter).await
    }
}

#[async_trait]
impl ResultReads for Several {
    async fn output(&self, task: TaskId) -> Result<Option<OutputRow>, StoreError> {
        self.first().output(task).await
    }

    async fn output_heads(&self, job: JobId) -> Result<Vec<Option<OutputHead>>, StoreError> {
        self.first().output_heads(job).await
    }

    async fn output_bytes(&self, task: TaskId, range: Range<u64>) -> Result<Option<Bytes>, StoreError> {
        self.first().output_bytes(task, range).await
    }

    async fn output_texts(&self, job: JobId) -> Result<Vec<Option<String>>, StoreError> {
        self.first().output_texts(job).await
    }

    async fn voice(&self, scope: &Scope, id: VoiceId) -> Result<Option<VoiceRow>, StoreError> {
        self.first().voice(scope, id).await
    }

    async fn voices_known_as(&self, upstream_voice: &str) -> Result<Vec<VoiceRow>, StoreError> {
        self.first().voices_known_as(upstream_voice).await
    }

    async fn voices(&self, scope: &Scope) -> Result<Vec<VoiceRow>, StoreError> {
        self.first().voices(scope).await
    }
}

#[async_trait]
impl WalletReads for Several {
    async fn wallet(&self, key: &WalletKey) -> Result<Option<Wallet>, StoreError> {
        self.first().wallet(key).await
    }

    async fn wallets(&self, scope: &Scope, filter: &WalletFilter) -> Result<Vec<Wallet>, StoreError> {
        self.first().wallets(scope, filter).await
    }

    async fn entries(
        &self,
        wallet: WalletId,
        before: Option<u64>,
        limit: u32,
    ) -> Result<Vec<Entry>, StoreError> {
        self.first().entries(wallet, before, limit).await
    }
}

#[async_trait]
impl BookReads for Several {
    async fn limits(&self) -> Result<Vec<LimitCount>, StoreError> {
        self.first().limits().await
    }

    async fn pool_counts(&self) -> Result<Vec<PoolCount>, StoreError> {
        self.first().pool_counts().await
    }

    async fn key_books(&self) -> Result<Vec<KeyBook>, StoreError> {
        self.first().key_books().await
    }

    async fn next_wallet(&self, after: Option<WalletId>) -> Result<Option<WalletId>, StoreError> {
        self.first().next_wallet(after).await
    }

    async fn next_job(&self, after: Option<JobId>) -> Result<Option<JobId>, StoreError> {
        self.first().next_job(after).await
    }

    async fn next_answer(&self, after: Option<[u8; 32]>) -> Result<Option<[u8; 32]>, StoreError> {
        self.first().next_answer(after).await
    }

    async fn wallet_books(&self, after: Option<WalletId>, limit: u32) -> Result<Vec<WalletBook>, StoreError> {
        self.first().wallet_books(after, limit).await
    }

    async fn wallet_book(&self, id: WalletId, after: u64) -> Result<Option<WalletBook>, StoreError> {
        self.first().wallet_book(id, after).await
    }

    async fn job_books(&self, after: Option<JobId>, limit: u32) -> Result<Vec<JobBook>, StoreError> {
        self.first().job_books(after, limit).await
    }

    async fn answer_books(&self, after: Option<[u8; 32]>, limit: u32) -> Result<Vec<AnswerBook>, StoreError> {
        self.first().answer_books(after, limit).await
    }

    async fn damaged_rows(&self, found: &mut Verification) -> Result<(), StoreError> {
        self.first().damaged_rows(found).await
    }
}
