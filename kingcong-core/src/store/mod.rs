//! Port: where everything durable lives.
//!
//! A [`Store`] is dumb. To execute a [`Batch`] it locks and loads the rows that the batch names ([`Needs`]), calls
//! [`decide`], and writes what changed, in one transaction. It contains no decision about money or limits. What
//! every store must keep is told by the conformance suite (feature `conformance`).

mod batch;
#[cfg(feature = "conformance")]
pub mod conformance;
mod decide;
mod memory;
mod needs;
mod reads;
mod tables;
mod verify;

use std::{fmt, time::Duration};

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

pub use batch::*;
pub use decide::decide;
pub(crate) use decide::replay::{Answer, NotReplayed};
pub use memory::MemoryStore;
pub use needs::{ClaimNeeds, Needs};
pub use reads::*;
pub use tables::*;
pub use verify::*;

pub use crate::work::{Kept, OutputHead, StoredOutput};

use crate::{
    access::{RoleName, Scope},
    clock::Timestamp,
    id::{Actor, AttemptId, AuditId, JobId, KeyId, Route, TenantId, UserId, WalletId, WorkerId},
    keys::{Key, Limit, Pool, Rules},
    ledger::{Entry, Hold, OpeningBalance, Wallet},
    money::Unit,
    pricing::{Catalogue, PriceList},
    routing::System,
    work::{Job, JobState, Task},
};

/// Everything that is configured: read as a whole, changed by compare-and-swap on its version.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Configuration {
    /// Grows by one with every change; 0 for an empty store.
    pub version: i64,
    /// Servers, services, routes, weights, maintenance.
    pub system: System,
    /// The prices in force.
    pub prices: PriceList,
    /// The packages on sale.
    pub packages: Catalogue,
}

/// Port: where everything durable lives.
///
/// # Behavior
/// * A batch is executed wholly or not at all, and when `write` returns [`Written::Now`] it is durable.
/// * Batches behave as if they were executed one after the other.
/// * A batch whose number is not one more than its worker's last is not executed: it is [`Written::Before`] when it
///   is the last, even if the worker was buried since, else [`Written::Fenced`] when the worker was buried or is not
///   known, else an error of kind [`StoreErrorKind::Unusable`].
/// * The time of a batch is read from the store's clock after its rows are locked. Decisions allow for a clock that
///   was set back or ahead: see [`Limit::time`].
/// * Reads see committed batches only, and a batch of this process at once.
///
/// The reads of each room are a trait: [`TenantReads`], [`KeyReads`], [`JobReads`], [`ResultReads`], [`WalletReads`]
/// and [`BookReads`]. Those that are here are of the store as a whole.
#[async_trait]
pub trait Store:
    TenantReads + KeyReads + JobReads + ResultReads + WalletReads + BookReads + Send + Sync + fmt::Debug + 'static
{
    /// Executes a batch.
    async fn write(&self, batch: &Batch) -> Result<Written, StoreError>;

    /// Makes a new worker, which may be silent for `dead_after`; its batches are numbered from 1. A worker that exists
    /// stays as it is, buried or not.
    async fn register_worker(&self, worker: WorkerId, dead_after: Duration) -> Result<Timestamp, StoreError>;

    /// How windows are counted in this store: what is kept, and `rules` from now on where nothing is kept yet.
    async fn keep_rules(&self, rules: Rules) -> Result<Rules, StoreError>;

    /// The configuration, when its version is not `known`.
    async fn configuration(&self, known: Option<i64>) -> Result<Option<Configuration>, StoreError>;

    /// What every process looks at a few times a second: it should cost little when nothing is due.
    async fn pulse(&self) -> Result<Pulse, StoreError>;

    /// Audit rows in the order in which they were written, newest first, older than the row `before`; none when there
    /// is no such row.
    async fn audit(
        &self,
        of: &AuditOf,
        before: Option<AuditId>,
        limit: u32,
    ) -> Result<Vec<AuditEntry>, StoreError>;

    /// Ends what the store holds open; nothing is read or written after it.
    async fn close(&self);
}

const _: fn(&dyn Store) = |_| {};

/// What every process looks at a few times a second.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pulse {
    /// The store's time.
    pub now: Timestamp,
    /// The configuration's version.
    pub configuration_version: i64,
    /// The revision of the key that was changed last, 0 before the first: a process that knows another one has
    /// [`KeyReads::changed_keys`] to read.
    pub key_revision: i64,
    /// The pools that tasks wait in.
    pub waiting: Vec<Pool>,
    /// When the first delayed task is due.
    pub first_delayed: Option<Timestamp>,
    /// Open jobs whose deadline has passed, some of them.
    pub overdue: Vec<JobId>,
    /// The processes that live, and the buried ones whose attempts were not all taken over yet.
    pub workers: Vec<Worker>,
}

/// The keys that changed since a process looked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ChangedKeys {
    /// The revision that the process knows of when it has heard of them: nothing that got this one or an earlier one is
    /// missing.
    pub revision: i64,
    /// The keys as they are now, removed ones too; each is told once, however often it changed.
    pub keys: Vec<Key>,
}

/// Most overdue jobs in one [`Pulse`].
pub const PULSE_OVERDUE_MAX: usize = 16;
/// Most rows that a read may ask for at once.
pub const PAGE_MAX: u32 = 1000;

/// A job with its tasks in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobWithTasks {
    /// The job.
    pub job: Job,
    /// Its hold.
    pub hold: Hold,
    /// Its tasks, in order.
    pub tasks: Vec<Task>,
}

/// Which jobs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct JobFilter {
    /// Of this user.
    pub user: Option<UserId>,
    /// In this state.
    pub state: Option<JobState>,
    /// Older than this job.
    pub before: Option<JobId>,
    /// At most so many; at most [`PAGE_MAX`].
    pub limit: u32,
}

/// Which wallets.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WalletFilter {
    /// In this unit.
    pub unit: Option<Unit>,
    /// Which stand so.
    pub standing: Standing,
    /// With a greater id than this one.
    pub after: Option<WalletId>,
    /// At most so many; at most [`PAGE_MAX`].
    pub limit: u32,
}

/// How wallets stand.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Standing {
    /// Every one.
    #[default]
    All,
    /// Those that owe something.
    InDebt,
}

/// Which attempts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AttemptFilter {
    /// Of this job.
    pub job: Option<JobId>,
    /// Of this key.
    pub key: Option<KeyId>,
    /// Of this route.
    pub route: Option<Route>,
    /// Only those that ended without a result.
    pub only: AttemptKind,
    /// Leased at this instant or later.
    pub since: Option<Timestamp>,
    /// Leased before this instant.
    pub until: Option<Timestamp>,
    /// Older than this attempt.
    pub before: Option<AttemptId>,
    /// At most so many; at most [`PAGE_MAX`].
    pub limit: u32,
}

/// Which kinds of attempts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AttemptKind {
    /// Every one.
    #[default]
    All,
    /// Those that failed or whose answer was lost: the error log.
    Errors,
}

/// Which audit rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AuditOf {
    /// Those of the tenants in this scope; with [`Scope::All`] also those of no tenant. A user has none.
    Scope(Scope),
    /// Those of no tenant: changes of what all tenants share.
    Shared,
}

impl AuditOf {
    /// Every row.
    pub const ALL: Self = Self::Scope(Scope::All);

    /// Whether a row is among them.
    #[must_use]
    pub fn covers(&self, tenant: Option<&TenantId>) -> bool {
        match self {
            Self::Scope(Scope::All) => true,
            Self::Scope(Scope::Tenant(own)) => tenant == Some(own),
            Self::Scope(Scope::User(..)) => false,
            Self::Shared => tenant.is_none(),
        }
    }
}

/// An audit row as it is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditEntry {
    /// Its id.
    pub id: AuditId,
    /// The tenant whose rows it concerns; none for what all tenants share.
    pub tenant: Option<TenantId>,
    /// Who.
    pub actor: Actor,
    /// In which role.
    pub role: RoleName,
    /// At which door.
    pub door: String,
    /// On what; none where the door refused before that was known.
    pub target: Option<String>,
    /// What became of it.
    pub outcome: AuditOutcome,
    /// What exactly, as a JSON object.
    pub detail: String,
    /// When.
    pub at: Timestamp,
}

/// A limit with what it should count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LimitCount {
    /// The limit.
    pub limit: Limit,
    /// The open attempts that passed it.
    pub open_attempts: u32,
}

/// A wallet with everything that it should add up from, read at one instant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WalletBook {
    /// The wallet.
    pub wallet: Wallet,
    /// What its archived entries add up to.
    pub opening: OpeningBalance,
    /// Entries that were not archived, by number; see where the book is from.
    pub entries: Vec<Entry>,
    /// Every open hold; none beside a full page of entries, behind which there may be more.
    pub holds: Vec<Hold>,
    /// What its jobs were charged, in smallest steps: jobs are never archived. 0 beside a full page of entries, so that
    /// all jobs of a large wallet are added up once, and not for each page.
    pub charged: i128,
}

/// What went wrong in a store.
#[derive(Debug, thiserror::Error)]
#[error("store: {message}")]
pub struct StoreError {
    /// What can be done about it.
    pub kind: StoreErrorKind,
    /// What went wrong, with the value and what to do.
    pub message: String,
    /// The outcomes of a batch whose commit's answer was lost: they are the truth if it turns out to be
    /// [`Written::Before`].
    pub outcomes: Option<(Timestamp, Vec<Outcome>)>,
    /// The cause.
    #[source]
    pub source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

/// What can be done about a store's failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum StoreErrorKind {
    /// Nothing was written; the same batch may be tried again, after a pause.
    Unavailable,
    /// The commit was sent and its answer lost: the same batch must be tried again to know.
    CommitUnknown,
    /// One of the commands cannot be written by this store, whatever happens.
    Command,
    /// The store cannot be used: its files, its schema or its version are wrong.
    Unusable,
    /// A row in it cannot be read.
    Corrupt,
}

impl StoreError {
    /// A failure of that kind.
    #[must_use]
    pub fn new(kind: StoreErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), outcomes: None, source: None }
    }

    /// With its cause.
    #[must_use]
    pub fn caused_by(mut self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// Whether the same may succeed later.
    #[must_use]
    pub const fn is_retryable(&self) -> bool {
        matches!(self.kind, StoreErrorKind::Unavailable | StoreErrorKind::CommitUnknown)
    }
}

/// A worker whose heartbeat is older may be buried, at the soonest.
pub const DEAD_AFTER_MIN: Duration = Duration::from_secs(2);

/// The longest that a worker may ask for: if it dies, its work waits for so long.
pub const DEAD_AFTER_MAX: Duration = Duration::from_secs(3_600);
