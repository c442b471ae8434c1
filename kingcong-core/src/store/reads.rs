//! The reads of the port, a trait for each room. What a store promises of all of them is told by [`Store`].

use std::{collections::BTreeSet, ops::Range};

use async_trait::async_trait;
use bytes::Bytes;

use super::{
    AnswerBook, AttemptFilter, ChangedKeys, IdempotencyRow, JobBook, JobFilter, JobWithTasks, KeyBook,
    LimitCount, OutputHead, OutputRow, PoolCount, StoreError, Verification, VoiceRow, WalletBook,
    WalletFilter,
};
#[cfg(doc)]
use super::{PAGE_MAX, Store};
use crate::{
    access::Scope,
    id::{JobId, KeyId, TaskId, TenantId, VoiceId, WalletId},
    keys::{Account, KeyWithLimits, Pool, PoolId},
    ledger::{Entry, Wallet, WalletKey},
    tenants::Tenant,
    vault::{DataKey, DataKeyUse},
    work::{Attempt, Job, JobState, Task},
};

/// What is said of tenants.
#[async_trait]
pub trait TenantReads {
    /// What is said of a tenant; `None` where nothing ever was.
    async fn tenant(&self, id: &TenantId) -> Result<Option<Tenant>, StoreError>;

    /// Tenants of which something is said, in the order of their ids, behind `after`.
    async fn tenants(&self, after: Option<&TenantId>, limit: u32) -> Result<Vec<Tenant>, StoreError>;
}

/// Keys, their pools and accounts, and the data keys that their secrets are sealed with.
#[async_trait]
pub trait KeyReads {
    /// Every key that was not removed.
    async fn keys(&self) -> Result<Vec<KeyWithLimits>, StoreError>;

    /// A key that was not removed.
    async fn key(&self, id: KeyId) -> Result<Option<KeyWithLimits>, StoreError>;

    /// The keys that changed since the store gave the revision `after` to one, in the order of their revisions. Whoever
    /// knows none yet asks with 0, and is told every key that was not removed.
    ///
    /// When a key was last used is told as it was when the key was registered: leases are no changes.
    async fn changed_keys(&self, after: i64) -> Result<ChangedKeys, StoreError>;

    /// These pools, those that there are.
    async fn pools(&self, ids: &BTreeSet<PoolId>) -> Result<Vec<Pool>, StoreError>;

    /// Every account that a key was registered under, also where all of these were removed, by server and name.
    async fn accounts(&self) -> Result<Vec<Account>, StoreError>;

    /// The data keys of one use, newest version first.
    async fn data_keys(&self, used_for: &DataKeyUse) -> Result<Vec<DataKey>, StoreError>;
}

/// Jobs with their tasks and attempts, and the answers to those who asked for them.
#[async_trait]
pub trait JobReads {
    /// The answer that an idempotency key was given.
    async fn idempotency(&self, key: &[u8; 32]) -> Result<Option<IdempotencyRow>, StoreError>;

    /// A job with its tasks in order.
    async fn job(&self, scope: &Scope, id: JobId) -> Result<Option<JobWithTasks>, StoreError>;

    /// Jobs, newest first.
    async fn jobs(&self, scope: &Scope, filter: &JobFilter) -> Result<Vec<Job>, StoreError>;

    /// The states of these jobs, those that exist; what waiters in other processes look at.
    async fn job_states(&self, scope: &Scope, ids: &[JobId]) -> Result<Vec<(JobId, JobState)>, StoreError>;

    /// A task.
    async fn task(&self, id: TaskId) -> Result<Option<Task>, StoreError>;

    /// Attempts, newest first. The scope is that of their jobs.
    async fn attempts(&self, scope: &Scope, filter: &AttemptFilter) -> Result<Vec<Attempt>, StoreError>;
}

/// What tasks gave.
#[async_trait]
pub trait ResultReads {
    /// The result of a task, with its bytes where they are in the store.
    async fn output(&self, task: TaskId) -> Result<Option<OutputRow>, StoreError>;

    /// What a job's tasks gave, in their order and without reading bytes or texts; `None` for a task without a
    /// result. Empty when there is no such job.
    async fn output_heads(&self, job: JobId) -> Result<Vec<Option<OutputHead>>, StoreError>;

    /// Bytes of a result that are in the store: those of the range that there are. `None` when there is no such
    /// result, or its bytes are elsewhere.
    async fn output_bytes(&self, task: TaskId, range: Range<u64>) -> Result<Option<Bytes>, StoreError>;

    /// The texts beside the results of a job's tasks, in their order.
    async fn output_texts(&self, job: JobId) -> Result<Vec<Option<String>>, StoreError>;

    /// A cloned voice.
    async fn voice(&self, scope: &Scope, id: VoiceId) -> Result<Option<VoiceRow>, StoreError>;

    /// The cloned voices that upstreams know under this id, of every tenant, the oldest [`PAGE_MAX`].
    async fn voices_known_as(&self, upstream_voice: &str) -> Result<Vec<VoiceRow>, StoreError>;

    /// Cloned voices, the oldest [`PAGE_MAX`].
    async fn voices(&self, scope: &Scope) -> Result<Vec<VoiceRow>, StoreError>;
}

/// Wallets and their entries.
#[async_trait]
pub trait WalletReads {
    /// A wallet.
    async fn wallet(&self, key: &WalletKey) -> Result<Option<Wallet>, StoreError>;

    /// Wallets in the order of their ids.
    async fn wallets(&self, scope: &Scope, filter: &WalletFilter) -> Result<Vec<Wallet>, StoreError>;

    /// Entries of a wallet, newest first, with a number below `before`.
    async fn entries(
        &self,
        wallet: WalletId,
        before: Option<u64>,
        limit: u32,
    ) -> Result<Vec<Entry>, StoreError>;
}

/// What verification looks at: rows beside those that they should agree with.
#[async_trait]
pub trait BookReads {
    /// Limits with the open attempts that they should count, to be recounted.
    async fn limits(&self) -> Result<Vec<LimitCount>, StoreError>;

    /// Pools with the tasks that they should count.
    async fn pool_counts(&self) -> Result<Vec<PoolCount>, StoreError>;

    /// Every key, the removed ones too, with its own limit; those that have one.
    async fn key_books(&self) -> Result<Vec<KeyBook>, StoreError>;

    /// The first wallet in id order after `after`, whether it can be read or not.
    async fn next_wallet(&self, after: Option<WalletId>) -> Result<Option<WalletId>, StoreError>;

    /// The first job likewise.
    async fn next_job(&self, after: Option<JobId>) -> Result<Option<JobId>, StoreError>;

    /// The first idempotency key likewise.
    async fn next_answer(&self, after: Option<[u8; 32]>) -> Result<Option<[u8; 32]>, StoreError>;

    /// Wallets with what they should add up from, in id order after `after`; of their entries the first [`PAGE_MAX`].
    async fn wallet_books(&self, after: Option<WalletId>, limit: u32) -> Result<Vec<WalletBook>, StoreError>;

    /// One wallet with what it should add up from; of its entries the first [`PAGE_MAX`] after the number `after`.
    async fn wallet_book(&self, id: WalletId, after: u64) -> Result<Option<WalletBook>, StoreError>;

    /// Jobs with everything that belongs to them, in id order after `after`. Fewer than `limit` where they are large,
    /// but none only when there are no more.
    async fn job_books(&self, after: Option<JobId>, limit: u32) -> Result<Vec<JobBook>, StoreError>;

    /// Idempotency keys with what their answers name, in the order of the keys after `after`.
    async fn answer_books(&self, after: Option<[u8; 32]>, limit: u32) -> Result<Vec<AnswerBook>, StoreError>;

    /// Adds what is wrong with rows by themselves, of every table: those that cannot be read, that are not written as
    /// this release writes them (mirrors among them that are not what they repeat), and that name rows which are not
    /// there.
    async fn damaged_rows(&self, found: &mut Verification) -> Result<(), StoreError>;
}
