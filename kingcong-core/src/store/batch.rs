//! The batch that a store executes: commands in, outcomes out, one transaction.
//!
//! Commands carry the ids of everything that they touch, as far as their sender can know them, so that a store can
//! lock the rows of a whole batch in one order before anything is decided.

use std::{
    collections::{BTreeMap, BTreeSet},
    num::NonZeroU32,
    ops::Range,
    sync::Arc,
    time::{Duration, Instant},
};

use serde::Serialize;

use crate::{
    access::{RoleName, Scope},
    clock::Timestamp,
    failure::Failure,
    id::{
        Actor, AttemptId, AuditId, HoldId, JobId, KeyId, LimitId, PackageId, Route, ServerId, ServiceId,
        TaskId, TenantId, TenantName, UserId, WalletId, WorkerId,
    },
    keys::{
        Counted, Key, KeyWithLimits, Limit, Limits, LimitsChange, PollNeed, PollsCount, PoolId, Rules,
        Verdict,
    },
    ledger::{Cause, Entry, Refusal, WalletKey},
    measure::{Measured, Quantities},
    money::{Amount, Unit},
    operation::Operation,
    pricing::{Package, PackageError, Price, PriceError, PriceStart},
    routing::{Origin, SystemCommand, SystemError},
    switch::Switch,
    tenants::{Tenant, TenantState},
    upstream::{UpstreamCredits, UpstreamId},
    vault::{DataKey, DataKeyVersion},
    work::{Attempt, IdempotencyKey, Job, JobState, Layout, PlanError, StoredOutput, Task, TaskRoute, Work},
};

use super::Configuration;

/// Commands that are executed in one transaction, in order.
#[derive(Clone, Debug)]
pub struct Batch {
    /// Whose batch it is.
    pub worker: WorkerId,
    /// One more than the worker's last batch: the fence, the heartbeat and the receipt of an unknown commit.
    pub number: i64,
    /// How windows are counted.
    pub rules: Rules,
    /// What to do.
    pub commands: Vec<Command>,
}

/// What became of a batch.
#[derive(Clone, Debug)]
pub enum Written {
    /// It was executed now.
    Now {
        /// The store's time of the decisions.
        at: Timestamp,
        /// An instant of this process before that, and after everything that the store waited for. Without it, what a
        /// claim leased counts as old as the question.
        decided: Option<Instant>,
        /// One outcome per command, in order.
        outcomes: Vec<Outcome>,
    },
    /// A batch of this number of this worker was committed before: its commit's answer had been lost.
    Before,
    /// The worker was buried; nothing of this batch was done, and nothing of it ever will be.
    Fenced,
}

/// One thing to do.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Command {
    /// Admit a job: money held, tasks queued.
    Admit(Box<Admit>),
    /// Lease keys to the next tasks of a pool.
    Claim(Claim),
    /// Count a call that asks an upstream for results, where the upstream counts it.
    Poll(Poll),
    /// Count a call as one of the instant at which its late answer came.
    CountLate(CountLate),
    /// An upstream took an attempt.
    Accept(Accept),
    /// An attempt ended, or its answer is lost.
    Settle(Box<Settle>),
    /// End a job as far as its tasks have not been sent.
    Stop(Stop),
    /// Try the failed tasks of a job again: money held anew, tasks queued.
    Retry(Box<Retry>),
    /// Queue tasks whose instant has come.
    Promote(Promote),
    /// Move waiting tasks off a pool that serves nothing.
    Replan(Replan),
    /// Take over the attempts of a worker that stopped beating.
    Adopt(Adopt),
    /// Nothing: the batch itself is the heartbeat.
    Beat,
    /// Take a periodic duty if it is due.
    TakeDuty(TakeDuty),
    /// Something that an administrator does, with its audit row.
    Admin(Box<Admin>),
    /// What a free check of a key found.
    CheckKey {
        /// The key.
        key: KeyId,
        /// What was found.
        verdict: Verdict,
    },
    /// Store a data key, unless there is one of that use and version already.
    AddDataKey(DataKey),
    /// Record an answer that came after its attempt was taken over: no money, no task.
    RecordLate(LateAnswer),
    /// Write an audit row of something that changed nothing else, such as a refused access.
    Audit(Box<NewAudit>),
}

impl Command {
    /// Something that an administrator does, with its audit row.
    #[must_use]
    pub fn admin(audit: NewAudit, act: impl Into<AdminAct>) -> Self {
        Self::Admin(Box::new(Admin { audit, act: act.into() }))
    }

    /// Whether it changes what every batch relies on (the configuration, tenants, keys, data keys), or looks for what
    /// must not be there, which no lock of a row finds. Where several batches are executed at a time, none is beside
    /// one that has such a command.
    #[must_use]
    pub const fn stands_alone(&self) -> bool {
        match self {
            Self::Admin(admin) => admin.act.stands_alone(),
            Self::AddDataKey(_) => true,
            Self::Admit(_)
            | Self::Claim(_)
            | Self::Poll(_)
            | Self::CountLate(_)
            | Self::Accept(_)
            | Self::Settle(_)
            | Self::Stop(_)
            | Self::Retry(_)
            | Self::Promote(_)
            | Self::Replan(_)
            | Self::Adopt(_)
            | Self::Beat
            | Self::TakeDuty(_)
            | Self::RecordLate(_)
            | Self::Audit(_)
            | Self::CheckKey { .. } => false,
        }
    }
}

/// What became of one command.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Outcome {
    /// Of [`Command::Admit`].
    Admit(Result<Admitted, NotAdmitted>),
    /// Of [`Command::Claim`].
    Claim(Claimed),
    /// Of [`Command::Poll`]: the instant at which it is counted.
    Poll(Result<Timestamp, PollRefused>),
    /// Of [`Command::Accept`]: whether the attempt was still the worker's.
    Accept(Result<(), NotMine>),
    /// Of [`Command::Settle`].
    Settle(Result<Box<Settled>, Unsettled>),
    /// Of [`Command::Stop`]: the job afterwards, `None` when there is none in its scope.
    Stop(Option<Stopped>),
    /// Of [`Command::Retry`].
    Retry(Result<Retried, NotRetried>),
    /// Of [`Command::Promote`] and [`Command::Replan`]: the pools that got work.
    Moved(Vec<PoolId>),
    /// Of [`Command::Adopt`].
    Adopt(Adopted),
    /// Of [`Command::Beat`], [`Command::CountLate`], [`Command::RecordLate`] and [`Command::Audit`].
    Done,
    /// Of [`Command::AddDataKey`]: there is one of that version now, or why it was not made.
    DataKey(Result<(), DataKeyLost>),
    /// Of [`Command::TakeDuty`]: whether it is this worker's to do now.
    TakeDuty(Duty),
    /// Of [`Command::Admin`].
    Admin(AdminAnswer),
    /// Of [`Command::CheckKey`].
    Key(Result<KeyWithLimits, NotChanged>),
}

/// A job to admit.
#[derive(Clone, Debug)]
pub struct Admit {
    /// Against admitting it twice.
    pub idempotency: Option<IdempotencyKey>,
    /// The version of the configuration that it was planned and quoted with.
    pub configuration_version: i64,
    /// The version of the tenant's row that it was planned with; 0 for none.
    pub tenant_version: i64,
    /// While the prices are those that it was quoted with.
    pub prices_during: Range<Timestamp>,
    /// The job's id.
    pub job: JobId,
    /// The hold's id.
    pub hold: HoldId,
    /// The user's tenant.
    pub tenant: TenantId,
    /// Who asked.
    pub user: UserId,
    /// Who pays.
    pub wallet: WalletKey,
    /// What is done.
    pub operation: Operation,
    /// On which service.
    pub service: ServiceId,
    /// What to hold.
    pub held: Amount,
    /// The common denominator of its tasks' prices.
    pub denominator: i64,
    /// How long it may take, from when it may start.
    pub deadline: Duration,
    /// Its tasks wait for this instant before they queue.
    pub start_at: Option<Timestamp>,
    /// Its weight in the queue.
    pub weight: NonZeroU32,
    /// The eligible servers with their weights.
    pub shares: BTreeMap<ServerId, u32>,
    /// The one key that can do it.
    pub only_key: Option<KeyId>,
    /// Its tasks, in order; their ids ascend, so that one that lost its place is found.
    pub tasks: Vec<NewTask>,
    /// Most tasks that may wait in a pool.
    pub queue_max: i64,
}

/// A task to admit.
#[derive(Clone, Debug)]
pub struct NewTask {
    /// Its id.
    pub id: TaskId,
    /// What to do; the voice is the planned route's.
    pub work: Arc<Work>,
    /// How much of each measure it has.
    pub quantities: Quantities,
    /// Where it may be done, in server order, with frozen prices.
    pub routes: Arc<[TaskRoute]>,
}

/// An admitted job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Admitted {
    /// The job; an earlier one's when the idempotency key was known.
    pub job: JobId,
    /// What is held for it.
    pub held: Amount,
    /// The pools that got work; empty for a replay, and for work that is scheduled.
    pub pools: Vec<PoolId>,
}

/// Why a job was not admitted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotAdmitted {
    /// The configuration or the tenant has another version by now: plan and quote again.
    Stale,
    /// The tenant is suspended.
    Suspended,
    /// The wallet refused; remembered under the idempotency key.
    Refused(Refusal),
    /// The idempotency key was used for another payload.
    Conflict,
    /// A pool's queue is full.
    QueueFull {
        /// The route.
        route: Route,
        /// How many tasks wait there.
        waiting: i64,
    },
}

/// Lease keys to the next tasks of a pool.
#[derive(Clone, Debug)]
pub struct Claim {
    /// The pool.
    pub pool: PoolId,
    /// The version of the configuration that the claimer works with.
    pub configuration_version: i64,
    /// Whether the pool's server counts polls too: calls are kept for them then.
    pub polls: PollsCount,
    /// Most leases.
    pub leases_max: u32,
    /// The id of the first; those of the others [follow](AttemptId::nth).
    pub first_attempt: AttemptId,
    /// The limit of the pool's server seen from the claimer's address.
    pub egress: Option<EgressLimit>,
}

/// The limit of a server seen from one of our addresses, made at its first use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EgressLimit {
    /// Its id.
    pub id: LimitId,
    /// Most calls in flight.
    pub max_in_flight: NonZeroU32,
    /// Most starts per window.
    pub per_window: NonZeroU32,
}

/// What a claim found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Claimed {
    /// The leases.
    pub leases: Vec<Lease>,
    /// What to do about the tasks that still wait.
    pub then: Then,
}

/// When a pool is worth another claim.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Then {
    /// When work is added to it.
    #[default]
    Empty,
    /// At this instant, or when a call of it ends.
    At(Timestamp),
    /// At once: more keys are free than were looked at.
    Again,
    /// When the configuration changes: its service or route is switched off.
    Paused,
    /// The configuration has another version by now: read it and claim again.
    Stale,
}

/// A key leased to a task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease {
    /// The attempt.
    pub attempt: Attempt,
    /// The task, as it is now.
    pub task: Task,
    /// What to do.
    pub work: Arc<Work>,
}

/// Count a call that asks an upstream for results: one start of the account's window, or of the key's where it has no
/// account, and of the address's.
///
/// It belongs to nobody afterwards and grows old like any start, so a crash leaves nothing behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Poll {
    /// The key that it is made with.
    pub key: KeyId,
    /// The account's limit.
    pub account_limit: Option<LimitId>,
    /// The limit of the server seen from our address.
    pub egress_limit: Option<LimitId>,
    /// Why it is to be made.
    pub need: PollNeed,
}

/// A poll that may not be made now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PollRefused {
    /// Not before this instant; [`Timestamp::FAR`] for one that is not needed, and that
    /// starts leave no room for.
    pub until: Timestamp,
}

/// Count a call as one of the instant at which its answer came, for it came later than the guard covers: the upstream
/// may have counted the call then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CountLate {
    /// What the call was made for.
    pub call: Counted,
    /// The key that it was made with.
    pub key: KeyId,
    /// The account's limit.
    pub account_limit: Option<LimitId>,
    /// The limit of the server seen from our address.
    pub egress_limit: Option<LimitId>,
    /// The instant at which it was counted.
    pub counted_at: Timestamp,
    /// How much later its answer came.
    pub took: Duration,
}

/// An upstream took an attempt.
#[derive(Clone, Debug)]
pub struct Accept {
    /// The attempt.
    pub attempt: AttemptId,
    /// The upstream's id of it.
    pub upstream_id: UpstreamId,
    /// What the upstream says it costs.
    pub cost: Option<UpstreamCredits>,
}

/// An attempt ended, or its answer is lost.
#[derive(Clone, Debug)]
pub struct Settle {
    /// The attempt.
    pub attempt: AttemptId,
    /// Its task.
    pub task: TaskId,
    /// The task's job.
    pub job: JobId,
    /// The key that was leased.
    pub key: KeyId,
    /// The account's limit.
    pub account_limit: Option<LimitId>,
    /// The limit of the server seen from our address.
    pub egress_limit: Option<LimitId>,
    /// What became of the attempt.
    pub result: AttemptResult,
}

impl Settle {
    /// What became of this attempt.
    #[must_use]
    pub fn of(attempt: &Attempt, result: AttemptResult) -> Self {
        Self {
            attempt: attempt.id,
            task: attempt.task,
            job: attempt.job,
            key: attempt.key,
            account_limit: attempt.account_limit,
            egress_limit: attempt.egress_limit,
            result,
        }
    }
}

/// What became of an attempt.
#[derive(Clone, Debug)]
pub enum AttemptResult {
    /// It has a result.
    Done {
        /// The result; its bytes are durable when they are not in here.
        output: StoredOutput,
        /// What the upstream says it cost.
        cost: Option<UpstreamCredits>,
        /// What was measured: the length of the audio that came, and what the upstream says of the rest.
        measured: Measured,
    },
    /// It never left.
    NotSent,
    /// It never left, because the key's secret does not open.
    Unreadable {
        /// What the vault said.
        reason: String,
    },
    /// It failed.
    Failed {
        /// How.
        failure: Failure,
        /// What then, if the upstream may have done it all the same.
        policy: UnknownPolicy,
    },
    /// It was sent and nothing tells what became of it.
    Unknown {
        /// Whether the upstream must have ended by now, or may still run.
        waited: Waited,
        /// What then.
        policy: UnknownPolicy,
    },
}

/// Whether an upstream may still work on an attempt whose answer is lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Waited {
    /// It may: the slots stay taken.
    NotYet {
        /// How long the upstream, or what stands before it, asks to be left alone.
        retry_after: Option<Duration>,
    },
    /// It must have ended.
    Enough,
}

/// What to do with a task whose attempt may have been done and charged upstream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum UnknownPolicy {
    /// Try again, once the upstream must have ended; the retry is recorded as a possible double.
    #[default]
    Retry,
    /// Fail it.
    Fail,
}

/// The worker does not own the attempt any more, or it has ended: somebody else settled it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotMine;

/// Why a result was not settled. Nothing has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unsettled {
    /// As [`NotMine`].
    NotMine,
    /// The job has parts of another layout, and can be joined only if this one gets it too.
    OtherLayout {
        /// The layout of the job's parts.
        wanted: Layout,
    },
}

/// What settling did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settled {
    /// The task afterwards.
    pub task: Task,
    /// The job afterwards.
    pub job: Job,
    /// What was charged for the task.
    pub charged: Amount,
    /// What became debt.
    pub debt: Amount,
    /// What of its price was not charged because the job's hold was used up, rounded up.
    pub over_hold: Amount,
    /// What the end of the job released.
    pub released: Amount,
    /// The key, when it left its pool and wants a free check.
    pub check_key: Option<KeyId>,
    /// The pool that the task was queued in again.
    pub requeued: Option<PoolId>,
}

/// End a job as far as its tasks have not been sent.
#[derive(Clone, Debug)]
pub struct Stop {
    /// Whose jobs are seen.
    pub scope: Scope,
    /// The job.
    pub job: JobId,
    /// Why.
    pub why: StopWhy,
}

/// Why a job is stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StopWhy {
    /// Its user cancelled it.
    Cancelled,
    /// Its deadline passed, unless its service is in maintenance: then it gets [`Stop::GRACE`] more.
    Deadline,
}

impl Stop {
    /// What a job whose deadline passes in maintenance gets after it.
    pub const GRACE: Duration = Duration::from_secs(3600);
    /// Most waiting tasks of the user's other jobs that may move up to where the job's tasks were. Where there are
    /// more, those behind them keep their places, and so does what the user orders next.
    pub const FOLLOWERS_MAX: u32 = 10_000;
}

/// A stopped job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stopped {
    /// The job afterwards.
    pub job: Job,
    /// How many tasks were ended by it.
    pub ended: u32,
    /// What the end of the job released; zero while sent tasks still run.
    pub released: Amount,
}

/// Try the failed tasks of a job again.
#[derive(Clone, Debug)]
pub struct Retry {
    /// Against doing it twice.
    pub idempotency: IdempotencyKey,
    /// Whose jobs may be retried.
    pub scope: Scope,
    /// The job.
    pub job: JobId,
    /// The routes that have a usable key, as far as its sender knows.
    pub keyed: BTreeSet<Route>,
    /// How long the job may take from now on.
    pub deadline: Duration,
    /// Whether tasks may be sent again that may have been done and charged upstream.
    pub unknown: UnknownPolicy,
    /// Most tasks that may wait in a pool.
    pub queue_max: i64,
    /// Who did it.
    pub audit: NewAudit,
}

/// A job whose failed tasks are tried again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Retried {
    /// The pools that got work, with their routes; empty for a replay.
    pub pools: Vec<(PoolId, Route)>,
    /// How many tasks are tried again.
    pub tasks: u32,
}

/// Why a job's failed tasks are not tried again. Nothing has changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotRetried {
    /// There is no such job in its scope.
    UnknownJob,
    /// The job's tenant is suspended.
    Suspended,
    /// It has not ended with failed tasks.
    State(JobState),
    /// It was retried [`Job::RETRIES_MAX`] times.
    TooOften,
    /// A task may have been done and charged upstream, and is not to be sent again.
    InDoubt {
        /// Its place among the job's tasks, from 0.
        place: u32,
    },
    /// Maintenance, no route of its quote, no key, no price.
    NoPlan(PlanError),
    /// The wallet refused; remembered under the idempotency key.
    Refused(Refusal),
    /// The idempotency key was used for another payload.
    Conflict,
    /// A pool's queue is full.
    QueueFull {
        /// The route.
        route: Route,
        /// How many tasks wait there.
        waiting: i64,
    },
}

/// Queue tasks whose instant has come.
#[derive(Clone, Copy, Debug)]
pub struct Promote {
    /// Most tasks at once.
    pub tasks_max: u32,
}

/// Move waiting tasks off a pool that serves nothing, to routes that they were admitted for.
#[derive(Clone, Debug)]
pub struct Replan {
    /// The pool.
    pub pool: PoolId,
    /// Where its tasks may go: routes that work, with their weights. Tasks that may go to none of them stay.
    pub shares: BTreeMap<ServerId, u32>,
    /// Most tasks at once.
    pub tasks_max: u32,
}

/// Take over the attempts of a worker that stopped beating.
#[derive(Clone, Copy, Debug)]
pub struct Adopt {
    /// The worker.
    pub worker: WorkerId,
    /// How old its heartbeat must be.
    pub dead_after: Duration,
    /// Most attempts at once.
    pub attempts_max: u32,
}

/// What was taken over.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Adopted {
    /// The attempts, with their tasks and work; empty when the worker beats after all.
    pub leases: Vec<Lease>,
    /// Whether there may be more.
    pub more: More,
}

/// Whether there is more of what was asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum More {
    /// That was all.
    #[default]
    No,
    /// There may be more.
    Maybe,
}

/// Take a periodic duty if it is due.
#[derive(Clone, Copy, Debug)]
pub struct TakeDuty {
    /// Its name.
    pub name: &'static str,
    /// How often it is due.
    pub every: Duration,
}

/// Whether a periodic duty is to be done now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Duty {
    /// By this worker, now.
    Mine,
    /// Not before that instant.
    NotBefore(Timestamp),
}

/// Something that an administrator does. What was done is audited; what was refused, or is answered again, is not.
#[derive(Clone, Debug)]
pub struct Admin {
    /// Who does it.
    pub audit: NewAudit,
    /// What is done.
    pub act: AdminAct,
}

/// An act of an administrator, with the type of its answer.
pub trait Act: Into<AdminAct> {
    /// What it answers.
    type Answer;

    /// The answer of this act; `None` of another's.
    fn answer(of: AdminAnswer) -> Option<Self::Answer>;
}

/// Declares the acts of administrators, each with the type of its answer: a new act is one line here, its decision in
/// `decide/admin.rs` and its rows in [`super::Needs`].
macro_rules! acts {
    ($($(#[$doc:meta])* $act:ident => $answer:ty,)*) => {
        /// What an administrator does.
        #[derive(Clone, Debug)]
        #[non_exhaustive]
        pub enum AdminAct {
            $($(#[$doc])* $act(Box<$act>),)*
        }

        /// What an administrator's act answers.
        #[derive(Clone, Debug, PartialEq)]
        #[non_exhaustive]
        pub enum AdminAnswer {
            $(#[doc = concat!("Of [`AdminAct::", stringify!($act), "`].")] $act($answer),)*
        }

        $(
            impl From<$act> for AdminAct {
                fn from(act: $act) -> Self {
                    Self::$act(Box::new(act))
                }
            }

            impl Act for $act {
                type Answer = $answer;

                fn answer(of: AdminAnswer) -> Option<$answer> {
                    match of {
                        AdminAnswer::$act(answer) => Some(answer),
                        _ => None,
                    }
                }
            }
        )*
    };
}

acts! {
    /// Move money. It answers what was moved.
    Credit => Result<Credited, NotCredited>,
    /// Change configuration, prices or packages. It answers the new version.
    Configure => Result<i64, NotConfigured>,
    /// Say something of a tenant. It answers its row afterwards.
    SetTenant => Tenant,
    /// Register a key. It answers the key.
    AddKey => Result<KeyWithLimits, NotChanged>,
    /// Change a key. It answers the key afterwards.
    ChangeKey => Result<KeyWithLimits, NotChanged>,
    /// Change an account's limits. It answers them, `None` when no key was ever registered under that name.
    ChangeAccount => Option<Limits>,
}

impl AdminAct {
    /// As [`Command::stands_alone`].
    #[must_use]
    pub const fn stands_alone(&self) -> bool {
        match self {
            Self::Configure(_)
            | Self::SetTenant(_)
            | Self::AddKey(_)
            | Self::ChangeKey(_)
            | Self::ChangeAccount(_) => true,
            Self::Credit(_) => false,
        }
    }
}

/// Move money.
#[derive(Clone, Debug)]
pub struct Credit {
    /// Against doing it twice.
    pub idempotency: Option<IdempotencyKey>,
    /// The wallet.
    pub wallet: WalletKey,
    /// What.
    pub movement: Movement,
}

/// A movement of money by an admin door.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Movement {
    /// A package was bought.
    Purchase {
        /// The version of the configuration that the package was read from.
        configuration_version: i64,
        /// The package.
        package: PackageId,
        /// Its credits.
        amount: Amount,
        /// The host's order.
        cause: Cause,
    },
    /// Charged work is given back.
    Refund {
        /// The task that was charged.
        task: TaskId,
        /// How much; all that is left when absent.
        amount: Option<Amount>,
        /// Why.
        cause: Cause,
    },
    /// A correction.
    Adjust {
        /// By how much.
        change: Amount,
        /// Why.
        cause: Cause,
    },
}

/// Moved money.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credited {
    /// What was moved.
    pub moved: Moved,
    /// The first entry's number.
    pub entry: u64,
    /// The entries; empty for a replay.
    pub entries: Vec<Entry>,
}

/// What a movement did to a wallet, as it was booked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Moved {
    /// By how much the balance changed before any debt was paid: less than a correction asked to take, where less was
    /// available.
    pub amount: Amount,
    /// What of a correction became debt because it was not available.
    pub became_debt: Amount,
    /// What of a credit went to pay debt.
    pub paid_debt: Amount,
    /// The balance after it; at a replay the balance then, not now.
    pub balance_after: Amount,
}

/// Why no money was moved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotCredited {
    /// The wallet's tenant is suspended, and purchases nothing.
    Suspended,
    /// The wallet refused.
    Refused(Refusal),
    /// The idempotency key was used for another payload.
    Conflict,
    /// The configuration has another version by now: read the package again.
    Stale,
    /// There is no such task, or this wallet did not pay for it.
    UnknownTask,
}

/// Who did what, or was refused, for the audit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewAudit {
    /// The row's id.
    pub id: AuditId,
    /// The tenant whose rows it concerns; none for what all tenants share.
    pub tenant: Option<TenantId>,
    /// Who.
    pub actor: Actor,
    /// In which role.
    pub role: RoleName,
    /// At which door, such as `config.set_route`.
    pub door: &'static str,
    /// On what, such as `route ai33_minimax`; none where the door refused before that was known.
    pub target: Option<String>,
    /// What became of it.
    pub outcome: AuditOutcome,
    /// What exactly, as a JSON object without secrets.
    pub detail: String,
}

/// What became of an audited call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuditOutcome {
    /// It was done.
    Done,
    /// The role may not use the door.
    Refused,
}

impl AuditOutcome {
    /// Every outcome.
    pub const ALL: [Self; 2] = [Self::Done, Self::Refused];

    /// The outcome as text.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Refused => "refused",
        }
    }
}

/// Say something of a tenant.
#[derive(Clone, Debug)]
pub struct SetTenant {
    /// The tenant.
    pub tenant: TenantId,
    /// What people call it.
    pub name: TenantName,
    /// Whether it may order.
    pub state: TenantState,
}

/// Change configuration, prices or packages, if they still have the version that the change was made against.
#[derive(Clone, Debug)]
pub struct Configure {
    /// The version that the change was made against.
    pub expected_version: i64,
    /// The change.
    pub change: ConfigurationChange,
}

/// A change of the configuration.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ConfigurationChange {
    /// Everything at once, only into an empty store.
    Preset(Box<Configuration>),
    /// Servers, services, routes, weights, maintenance.
    System(SystemCommand),
    /// A price; replaces the one for the same route, model and operation from an instant on.
    SetPrice {
        /// The price; its instant is that of `start`.
        price: Box<Price>,
        /// From when on.
        start: PriceStart,
    },
    /// No version of a price that was to come at an instant.
    WithdrawPrice {
        /// The route.
        route: Route,
        /// The model that it is for; any when absent.
        model: Option<String>,
        /// The operation.
        operation: Operation,
        /// Since when it was to be in force.
        since: Timestamp,
    },
    /// No price any more.
    RemovePrice {
        /// The route.
        route: Route,
        /// The model that it is for; any when absent.
        model: Option<String>,
        /// The operation.
        operation: Operation,
    },
    /// A package; replaces the one of the same id.
    SetPackage(Box<Package>),
    /// No such package any more.
    RemovePackage(PackageId),
}

impl ConfigurationChange {
    /// The server that may be elsewhere after it.
    #[must_use]
    pub fn may_move(&self) -> Option<&ServerId> {
        match self {
            Self::System(SystemCommand::UpdateServer { id, .. } | SystemCommand::RemoveServer(id)) => {
                Some(id)
            }
            Self::System(_)
            | Self::Preset(_)
            | Self::SetPrice { .. }
            | Self::WithdrawPrice { .. }
            | Self::RemovePrice { .. }
            | Self::SetPackage(_)
            | Self::RemovePackage(_) => None,
        }
    }
}

/// Why the configuration was not changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotConfigured {
    /// Somebody else changed it first: read it and decide again.
    Stale {
        /// Its version now.
        version: i64,
    },
    /// The change is not legal.
    Refused(SystemError),
    /// The price is not legal.
    Price(PriceError),
    /// The package is not legal.
    Package(PackageError),
    /// There is no such price or package.
    NotFound,
}

/// A data key cannot be made, because stored secrets need one that is not in the store: with a new one in its place
/// they would never open, and nobody would be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DataKeyLost {
    /// The oldest version that is needed and missing.
    pub version: DataKeyVersion,
    /// How many keys need such a version.
    pub keys: usize,
}

/// Register a key; or register one again that [may be](Key::may_be_registered_again), by its id.
#[derive(Clone, Debug)]
pub struct AddKey {
    /// The key.
    pub key: Key,
    /// Where its server was when the secret was given: it is for there only.
    pub origin: Origin,
    /// Its limit.
    pub limit: Limit,
    /// The limits of the account that it shares: for the first key of an account, its limits; for others the same
    /// again, or none.
    pub account_limits: Option<Limits>,
}

/// Change a key.
#[derive(Clone, Debug)]
pub struct ChangeKey {
    /// The key.
    pub key: KeyId,
    /// The change.
    pub change: KeyChange,
}

/// A change of a key.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum KeyChange {
    /// The administrator's switch.
    Switch(Switch),
    /// Its limits.
    SetLimits(LimitsChange),
    /// Taken away for good; its secret is wiped.
    Remove,
}

/// Change an account's limits.
#[derive(Clone, Debug)]
pub struct ChangeAccount {
    /// The account's server.
    pub server: ServerId,
    /// The account, as its keys name it.
    pub account: String,
    /// The change.
    pub change: LimitsChange,
}

/// Why a key was not registered or changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotChanged {
    /// There is no such key.
    NotFound,
    /// The same secret is registered on this route already.
    Duplicate(KeyId),
    /// The same secret is registered on another service of the server, under another account or none: an upstream
    /// counts both as one, so both must name the same account.
    OtherAccount(KeyId),
    /// Its account is known, and has other limits than those that were named for it.
    OtherAccountLimits {
        /// The limits that it has.
        kept: Limits,
    },
    /// It would be the first key of its account, and no limits were named for that.
    NoAccountLimits,
    /// It was removed.
    Removed,
    /// No server or service of that name.
    UnknownRoute(Route),
    /// The server moved elsewhere while the key was being registered.
    Moved,
}

/// An answer that came after its attempt was taken over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LateAnswer {
    /// The attempt.
    pub attempt: AttemptId,
    /// The upstream's id, where there was one.
    pub upstream_id: Option<UpstreamId>,
    /// What the upstream says it cost.
    pub cost: Option<UpstreamCredits>,
}

/// What the idempotency table remembers of an accepted or refused command.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Remembered {
    /// A job was admitted.
    Job {
        /// The job.
        job: JobId,
        /// What was held for it.
        held: Amount,
    },
    /// A job's failed tasks were tried again.
    Retried {
        /// The job.
        job: JobId,
        /// Which retry of it this was, from 1.
        retry: u32,
        /// How many tasks.
        tasks: u32,
        /// The most that the job might be charged from then on.
        held: Amount,
    },
    /// Money was moved.
    Credited {
        /// How much.
        moved: Moved,
        /// In which wallet.
        wallet: WalletId,
        /// The first entry's number.
        entry: u64,
        /// In this unit.
        unit: Unit,
    },
    /// The wallet refused.
    Refused(Refusal),
}
