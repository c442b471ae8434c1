//! What the doors of the library answer when they cannot do what was asked.

use std::{convert::Infallible, io};

use crate::{
    access::{Door, InvalidRole, RoleName},
    clock::Timestamp,
    id::{Actor, InvalidId, KeyId, Route, ServerId},
    keys::Limits,
    ledger::Refusal,
    message::Message,
    pricing::{PackageError, PriceError},
    routing::{InvalidBaseUrl, Origin, SystemError, Unavailable},
    store::{Kept, NotReplayed, StoreError},
    vault::{InvalidSecret, MasterKeyError, VaultError},
    work::{InvalidIdempotencyKey, Job, JobState, JoinError, PlanError, RangeError, RequestError},
};

/// Why a door did not do what was asked.
///
/// Each says what was wrong, with which value, and what to do. [`Error::is_retryable`] tells whether the same call
/// may succeed later, [`Error::message`] what a user may be told.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The request cannot be admitted as it stands.
    #[error(transparent)]
    Request(#[from] RequestError),
    /// A name breaks its rule.
    #[error(transparent)]
    Id(#[from] InvalidId),
    /// An idempotency key cannot be one.
    #[error(transparent)]
    IdempotencyKey(#[from] InvalidIdempotencyKey),
    /// Maintenance, no route, no key, no voice, no price: the request has no plan now.
    #[error("{error}")]
    NoPlan {
        /// Why.
        #[source]
        error: PlanError,
        /// What the user may be told.
        message: Box<Message>,
    },
    /// The wallet refused.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The idempotency key was used for another payload.
    #[error("idempotency key was used for another payload: use a new key for a new request")]
    IdempotencyConflict,
    /// The tenant is suspended: it submits, retries and purchases nothing.
    #[error("tenant {tenant:?} is suspended: set it active with `tenants.set`, then ask again")]
    TenantSuspended {
        /// The tenant.
        tenant: String,
    },
    /// A pool's queue is full.
    #[error("{waiting} tasks wait for {route} already: try again later")]
    QueueFull {
        /// The route.
        route: Route,
        /// How many tasks wait there.
        waiting: i64,
    },
    /// There is nothing of that name.
    #[error("there is no {what} {name:?}: name one that there is")]
    NotFound {
        /// Of what kind.
        what: &'static str,
        /// The name.
        name: String,
    },
    /// A text cannot be an upstream secret.
    #[error(transparent)]
    Secret(#[from] InvalidSecret),
    /// The same secret is registered on the route already.
    #[error("this secret is registered on {route} already, as key {key}")]
    DuplicateKey {
        /// The route.
        route: Route,
        /// The key that has it.
        key: KeyId,
    },
    /// The same secret is registered on another service of the server, under another account or none.
    #[error(
        "this secret is registered on {route} too, as key {key}: the upstream counts both as one, so remove that key \
         and register both with the same account"
    )]
    OtherAccount {
        /// The other route.
        route: Route,
        /// The key that has it.
        key: KeyId,
    },
    /// The account that a key names is known, and has other limits than those that were named for it.
    #[error(
        "account {account:?} of server {server} has other limits, {kept}: name these or none to register the key, or \
         change them with accounts.set_limits first"
    )]
    OtherAccountLimits {
        /// The server.
        server: ServerId,
        /// The account.
        account: String,
        /// The limits that it has.
        kept: Limits,
    },
    /// A key would be the first of its account, and no limits were named for that.
    #[error(
        "no key of account {account:?} of server {server} is known: name the account's limits with its first key"
    )]
    NoAccountLimits {
        /// The server.
        server: ServerId,
        /// The account.
        account: String,
    },
    /// The key was removed; its secret is gone.
    #[error("key {0} was removed: register its secret again")]
    KeyRemoved(KeyId),
    /// The key's server moved elsewhere after the key was registered.
    #[error(
        "key {key} was registered for {registered_for}, and its server is not there any more: register its secret \
         again, if the server as it is configured now may have it"
    )]
    KeySuspended {
        /// The key.
        key: KeyId,
        /// Where the server was.
        registered_for: Origin,
    },
    /// No such route is configured.
    #[error("no route {0}: add the server or switch the route on first")]
    UnknownRoute(Route),
    /// A change of the configuration is not legal.
    #[error(transparent)]
    Configuration(#[from] SystemError),
    /// A base URL cannot be one.
    #[error(transparent)]
    BaseUrl(#[from] InvalidBaseUrl),
    /// A price is not legal.
    #[error(transparent)]
    Price(#[from] PriceError),
    /// A package is not legal, or there is none of that name.
    #[error(transparent)]
    Package(#[from] PackageError),
    /// An upstream failed what was asked of it directly.
    #[error("upstream: {0}")]
    Upstream(#[from] crate::failure::Failure),
    /// A configured server speaks a protocol that no registered provider speaks.
    #[error("no provider for protocol {protocol:?} of server {server}: register one with the builder")]
    NoProvider {
        /// The server.
        server: String,
        /// Its protocol.
        protocol: String,
    },
    /// The configuration changed again and again while the call was being decided.
    #[error("the configuration kept changing: try again")]
    Contended,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A stored secret does not open.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// The master key failed.
    #[error(transparent)]
    MasterKey(#[from] MasterKeyError),
    /// A setting is outside of its bounds.
    #[error("setting {setting}: {value} must be {bounds}")]
    Setting {
        /// Which setting.
        setting: &'static str,
        /// What was given.
        value: String,
        /// What it must be.
        bounds: &'static str,
    },
    /// What a call names, such as a reference or a label, is not legal.
    #[error("{argument}: {value} must be {bounds}")]
    Argument {
        /// Which argument of the call.
        argument: &'static str,
        /// What was given.
        value: String,
        /// What it must be.
        bounds: &'static str,
    },
    /// A setting that all processes of a store must share is not what the store keeps.
    #[error(
        "setting {setting}: {said:?} is not the store's, which is {kept:?} since it was first opened: all its \
         processes count alike; say the same, or leave it out"
    )]
    NotTheStores {
        /// Which setting.
        setting: &'static str,
        /// What was given.
        said: std::time::Duration,
        /// What the store keeps.
        kept: std::time::Duration,
    },
    /// A result cannot be read or joined.
    #[error("the result of job {job} cannot be had: {reason}")]
    Output {
        /// The job.
        job: crate::id::JobId,
        /// Why.
        reason: OutputError,
    },
    /// A job's failed tasks are not tried again.
    #[error("job {job} is not retried: {reason}")]
    Retry {
        /// The job.
        job: crate::id::JobId,
        /// Why.
        reason: RetryError,
    },
    /// A range of a job's audio cannot be read.
    #[error(transparent)]
    Range(#[from] RangeError),
    /// The role may not use the door.
    #[error("role {role} may not use {door}: it is for {}; ask with the access of one of these", roles(*.door))]
    Forbidden {
        /// The door.
        door: Door,
        /// The role.
        role: RoleName,
    },
    /// The access has ended.
    #[error("the access of {actor} ended at {until}: authenticate them again, and give a new access")]
    AccessExpired {
        /// Whose.
        actor: Actor,
        /// When it ended, by the store's time.
        until: Timestamp,
    },
    /// Words that make no role.
    #[error(transparent)]
    Role(#[from] InvalidRole),
    /// The library was closed.
    #[error("it was closed; open it again")]
    Closed,
}

/// The roles that may use a door, in one list.
fn roles(door: Door) -> String {
    door.roles().map(RoleName::as_str).collect::<Vec<_>>().join(", ")
}

/// Why a job's result cannot be had. Tasks are numbered from 0.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OutputError {
    /// The job has not completed.
    #[error("it is {state}; only a completed job has a whole result")]
    NotCompleted {
        /// What it is.
        state: &'static str,
    },
    /// The job cloned a voice.
    #[error("it is a cloned voice, which has no audio")]
    NoAudio,
    /// A task of the completed job has no result.
    #[error("task {place} has none: restore the store from a backup")]
    Missing {
        /// The task.
        place: usize,
    },
    /// There are not as many bytes of a task's result as there were when it was settled.
    #[error(
        "task {place} has {found} bytes in {kept}, and {settled} were settled: restore them from a backup"
    )]
    Altered {
        /// The task.
        place: usize,
        /// Where its bytes are.
        kept: Kept,
        /// How many bytes there were.
        settled: u64,
        /// How many there are.
        found: u64,
    },
    /// A task's file cannot be read.
    #[error("task {place} is in {kept}, which cannot be read: {problem}")]
    Unreadable {
        /// The task.
        place: usize,
        /// Where its bytes are.
        kept: Kept,
        /// Why.
        problem: io::ErrorKind,
    },
    /// The tasks' audio cannot be joined.
    #[error(transparent)]
    Join(#[from] JoinError),
    /// It has more bytes than are given in one piece.
    #[error(
        "its audio has {bytes} bytes, and at most {max} are given in one piece: read the job's audio in ranges"
    )]
    TooLarge {
        /// How many bytes it has.
        bytes: u64,
        /// Most bytes that are given in one piece.
        max: u64,
    },
}

/// Why a job's failed tasks are not tried again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RetryError {
    /// It has not ended with failed tasks.
    #[error("it is {}; only one that has ended with failed tasks can be retried", .state.as_str())]
    State {
        /// What it is.
        state: JobState,
    },
    /// It was retried as often as a job may be.
    #[error("it was retried {} times already; submit what is missing as a new job", Job::RETRIES_MAX)]
    TooOften,
    /// A task may have been done and charged upstream, and the process does not send such again.
    #[error(
        "task {place} may have been done and charged upstream, and the setting unknown is to fail; submit what is \
         missing as a new job if it may be bought twice"
    )]
    InDoubt {
        /// Its place among the job's tasks, from 0.
        place: u32,
    },
}

impl From<NotReplayed> for Error {
    fn from(not: NotReplayed) -> Self {
        match not {
            NotReplayed::Conflict => Self::IdempotencyConflict,
            NotReplayed::Refused(refusal) => refusal.into(),
        }
    }
}

impl Error {
    /// What the vault says of a secret that does not open: its bytes, or those of its data key, are not what they were.
    /// A master key that cannot be asked, or is not the store's, says nothing about the secret.
    pub(crate) fn unreadable(&self) -> Option<String> {
        match self {
            Self::Vault(_) | Self::MasterKey(MasterKeyError::Damaged { .. }) => Some(self.to_string()),
            _ => None,
        }
    }

    /// Whether the same call may succeed later.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Store(error) => error.is_retryable(),
            Self::QueueFull { .. } | Self::Contended => true,
            Self::NoPlan { error, .. } => matches!(
                error,
                PlanError::Unavailable(
                    Unavailable::ServiceMaintenance(_)
                        | Unavailable::FullMaintenance
                        | Unavailable::NoRoute(_)
                ) | PlanError::NoKey { .. }
                    | PlanError::VoiceRouteOff { .. }
            ),
            Self::MasterKey(error) => matches!(error, MasterKeyError::Unavailable { .. }),
            Self::Upstream(failure) => failure.kind == crate::failure::FailureKind::Busy,
            _ => false,
        }
    }

    /// What a user may be told.
    #[must_use]
    pub fn message(&self) -> Message {
        match self {
            Self::NoPlan { message, .. } => Message::clone(message),
            Self::Refused(Refusal::InsufficientCredits { needed, available }) => {
                Message::InsufficientCredits { needed: *needed, available: *available }
            }
            Self::Refused(Refusal::InDebt { debt }) => Message::InDebt { owed: *debt },
            Self::TenantSuspended { .. } => Message::TenantSuspended,
            Self::Request(RequestError::Text(error)) => error.into(),
            Self::Request(_)
            | Self::Id(_)
            | Self::IdempotencyKey(_)
            | Self::IdempotencyConflict
            | Self::Setting { .. }
            | Self::Argument { .. }
            | Self::NotTheStores { .. }
            | Self::Role(_)
            | Self::Range(_)
            | Self::Retry { .. }
            | Self::NotFound { .. }
            | Self::Package(PackageError::NotFound { .. } | PackageError::NotAsOrdered { .. }) => {
                Message::BadRequest
            }
            Self::Secret(_)
            | Self::DuplicateKey { .. }
            | Self::OtherAccount { .. }
            | Self::OtherAccountLimits { .. }
            | Self::NoAccountLimits { .. }
            | Self::KeyRemoved(_)
            | Self::KeySuspended { .. } => Message::KeyRefused,
            Self::UnknownRoute(_)
            | Self::Configuration(_)
            | Self::BaseUrl(_)
            | Self::Price(_)
            | Self::Package(_) => Message::ConfigurationRefused,
            Self::Upstream(_) => Message::UpstreamFailed,
            Self::Forbidden { .. } => Message::NotAllowed,
            Self::AccessExpired { .. } => Message::SignInAgain,
            _ => Message::TryAgain,
        }
    }
}

impl From<Infallible> for Error {
    fn from(never: Infallible) -> Self {
        match never {}
    }
}

impl From<&crate::work::TextError> for Message {
    fn from(error: &crate::work::TextError) -> Self {
        use crate::work::{TEXT_CHARACTERS_MAX, TextError};
        match error {
            TextError::Empty | TextError::Invisible { .. } => Self::TextEmpty,
            TextError::TooLong { characters } => Self::TextTooLong {
                characters: *characters as u64,
                characters_max: u64::from(TEXT_CHARACTERS_MAX),
            },
            TextError::Control { .. } | TextError::NotUtf8 { .. } => Self::BadRequest,
        }
    }
}
