//! What goes wrong, as data: a code that a face turns into a class of its language, the words for operators, what the
//! user may be told, and the figures that belong to it.

use kingcong_core::{
    Error, RetryError,
    failure::Failure,
    id::InvalidId,
    ledger::Refusal,
    message::{Language, Message},
    money::Money,
    pricing::{PackageError, PriceError},
    routing::Unavailable,
    store::{StoreError, StoreErrorKind},
    vault::MasterKeyError,
    work::{AbbreviationError, PlanError, RangeError},
};
use kingcong_http::{InvalidTimeout, UpstreamsError};
use kingcong_sqlx::ConnectError;
use serde::Serialize;
use serde_json::{Map, Value};

use crate::{answer::Units, opening::LENGTHS, reading::Names};

/// Which kind of problem: what a host's code tells apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[cfg_attr(feature = "description", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Code {
    /// Something in the call is not as it must be.
    InvalidRequest,
    /// The service, or everything, is under maintenance.
    UnderMaintenance,
    /// No server, route or usable key for what was asked.
    NoRoute,
    /// There is no price for what was asked.
    PriceNotFound,
    /// The voice does not exist, or not for this user or on these servers.
    VoiceUnavailable,
    /// Less is available than is needed.
    InsufficientCredits,
    /// The wallet owes something.
    InDebt,
    /// This amount is not moved: the ledger refuses it, or a package is not what was ordered.
    AmountRefused,
    /// The idempotency key was used for something else.
    IdempotencyConflict,
    /// The tenant is suspended: it submits, retries and purchases nothing.
    TenantSuspended,
    /// Too many tasks wait already.
    QueueFull,
    /// There is nothing of that name.
    NotFound,
    /// The caller's role may not use the door.
    Forbidden,
    /// The caller's access has ended.
    AccessExpired,
    /// An upstream key was refused: no secret, registered already, suspended, or removed.
    KeyRefused,
    /// A change of the configuration is not legal.
    ConfigurationRefused,
    /// An upstream failed what was asked of it.
    UpstreamFailed,
    /// No provider here speaks the server's protocol.
    NoProvider,
    /// The configuration kept changing.
    Contended,
    /// The store cannot be reached for now.
    StoreUnavailable,
    /// The store cannot be used, or something in it cannot be read or written.
    StoreFailed,
    /// A stored secret does not open.
    VaultFailed,
    /// The master key cannot be had, or is not the store's.
    MasterKeyFailed,
    /// A job's result cannot be had.
    OutputUnavailable,
    /// A job's failed tasks are not tried again.
    RetryRefused,
    /// A range of a job's audio is empty, too long, or not all there.
    RangeRefused,
    /// The library was closed.
    Closed,
    /// Something failed that is none of the above.
    Failed,
}

/// A problem.
#[derive(Clone, Debug, Serialize, thiserror::Error)]
#[serde(transparent)]
#[error("{}", .0.message)]
pub struct Problem(Box<ProblemDetail>);

/// What there is to say of a problem.
#[derive(Clone, Debug, Serialize)]
pub struct ProblemDetail {
    /// Which kind.
    pub code: Code,
    /// What was wrong, with which value, and what to do; for operators.
    pub message: String,
    /// What the user may be told, in English.
    pub user_message_en: String,
    /// The same in Vietnamese.
    pub user_message_vi: String,
    /// Whether the same call may succeed later.
    pub retryable: bool,
    /// The figures that belong to it.
    pub fields: Map<String, Value>,
    /// What caused it, the nearest first.
    pub causes: Vec<String>,
}

impl Problem {
    fn new(code: Code, error: &dyn std::error::Error, told: &Message) -> Self {
        let causes = std::iter::successors(error.source(), |cause| cause.source());
        let message = error.to_string();
        // Transparent errors repeat their cause's words.
        let causes = causes.map(ToString::to_string).filter(|cause| *cause != message).collect();
        Self(Box::new(ProblemDetail {
            code,
            user_message_en: told.text(Language::English),
            user_message_vi: told.text(Language::Vietnamese),
            message,
            retryable: false,
            fields: Map::new(),
            causes,
        }))
    }

    /// Something in the call is not as it must be.
    pub(crate) fn invalid(error: &dyn std::error::Error) -> Self {
        Self::new(Code::InvalidRequest, error, &Message::BadRequest)
    }

    fn retryable(mut self, retryable: bool) -> Self {
        self.0.retryable = retryable;
        self
    }

    /// The same, with a setting's name as the face's language writes it.
    pub(crate) fn named_by(mut self, names: Names) -> Self {
        let Some(Value::String(setting)) = self.0.fields.remove("setting") else { return self };
        let name = match LENGTHS.contains(&setting.as_str()) {
            true => names.length(&setting),
            false => names.name(&setting),
        };
        self.0.message = self.0.message.replacen(&setting, &name, 1);
        self.with("field", name)
    }

    pub(crate) fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.0.fields.insert(name.to_owned(), value.into());
        self
    }

    /// An amount, in whole units.
    fn with_money(self, name: &str, money: Money) -> Self {
        let units = serde_json::to_value(Units::new(money.amount, money.unit));
        self.with(name, units.expect("a number or a text"))
    }

    /// The unit of the amounts.
    fn with_unit(self, money: Money) -> Self {
        self.with("unit", money.unit.code())
    }

    /// The problem as JSON text.
    #[must_use]
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).expect("texts, flags and plain values have a JSON form")
    }
}

impl std::ops::Deref for Problem {
    type Target = ProblemDetail;

    fn deref(&self) -> &ProblemDetail {
        &self.0
    }
}

fn code_of_plan(error: &PlanError) -> Code {
    match error {
        PlanError::Unavailable(Unavailable::ServiceMaintenance(_) | Unavailable::FullMaintenance) => {
            Code::UnderMaintenance
        }
        PlanError::Unavailable(Unavailable::UnknownService { .. }) => Code::NotFound,
        PlanError::Unavailable(_) | PlanError::NoKey { .. } | PlanError::VoiceRouteOff { .. } => {
            Code::NoRoute
        }
        PlanError::VoiceNowhere { .. } | PlanError::UnknownVoice { .. } => Code::VoiceUnavailable,
        PlanError::Price(PriceError::NotFound { .. }) => Code::PriceNotFound,
        _ => Code::InvalidRequest,
    }
}

fn code_of(error: &Error) -> Code {
    match error {
        Error::Request(_)
        | Error::Id(_)
        | Error::IdempotencyKey(_)
        | Error::Setting { .. }
        | Error::Argument { .. }
        | Error::Role(_)
        | Error::NotTheStores { .. } => Code::InvalidRequest,
        Error::Forbidden { .. } => Code::Forbidden,
        Error::AccessExpired { .. } => Code::AccessExpired,
        Error::NoPlan { error, .. } => code_of_plan(error),
        Error::Refused(Refusal::InsufficientCredits { .. }) => Code::InsufficientCredits,
        Error::Refused(Refusal::InDebt { .. }) => Code::InDebt,
        Error::Refused(_) | Error::Package(PackageError::NotAsOrdered { .. }) => Code::AmountRefused,
        Error::IdempotencyConflict => Code::IdempotencyConflict,
        Error::TenantSuspended { .. } => Code::TenantSuspended,
        Error::QueueFull { .. } => Code::QueueFull,
        Error::NotFound { .. } | Error::Package(PackageError::NotFound { .. }) => Code::NotFound,
        Error::Secret(_)
        | Error::DuplicateKey { .. }
        | Error::OtherAccount { .. }
        | Error::OtherAccountLimits { .. }
        | Error::NoAccountLimits { .. }
        | Error::KeyRemoved(_)
        | Error::KeySuspended { .. } => Code::KeyRefused,
        Error::UnknownRoute(_)
        | Error::Configuration(_)
        | Error::BaseUrl(_)
        | Error::Price(_)
        | Error::Package(_) => Code::ConfigurationRefused,
        Error::Upstream(_) => Code::UpstreamFailed,
        Error::NoProvider { .. } => Code::NoProvider,
        Error::Contended => Code::Contended,
        Error::Store(error) => code_of_store(error),
        Error::Vault(_) => Code::VaultFailed,
        Error::MasterKey(_) => Code::MasterKeyFailed,
        Error::Output { .. } => Code::OutputUnavailable,
        Error::Retry { .. } => Code::RetryRefused,
        Error::Range(_) => Code::RangeRefused,
        Error::Closed => Code::Closed,
        _ => Code::Failed,
    }
}

fn code_of_store(error: &StoreError) -> Code {
    match error.kind {
        StoreErrorKind::Unavailable | StoreErrorKind::CommitUnknown => Code::StoreUnavailable,
        _ => Code::StoreFailed,
    }
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        let problem = Self::new(code_of(&error), &error, &error.message()).retryable(error.is_retryable());
        match &error {
            Error::Refused(Refusal::InsufficientCredits { needed, available }) => {
                problem.with_money("needed", *needed).with_money("available", *available).with_unit(*needed)
            }
            Error::Refused(Refusal::InDebt { debt }) => problem.with_money("debt", *debt).with_unit(*debt),
            Error::Refused(Refusal::NotPositive { amount }) => {
                problem.with_money("amount", *amount).with_unit(*amount)
            }
            Error::Refused(Refusal::BeyondCharge { asked, refundable }) => {
                problem.with_money("asked", *asked).with_money("refundable", *refundable).with_unit(*asked)
            }
            Error::Package(PackageError::NotAsOrdered { ordered, now, .. }) => problem
                .with_money("ordered_credits", ordered.credits)
                .with_money("ordered_price", ordered.price)
                .with_money("credits", now.credits)
                .with_money("price", now.price),
            Error::TenantSuspended { tenant } => problem.with("tenant", tenant.as_str()),
            Error::QueueFull { route, waiting } => {
                problem.with("route", route.to_string()).with("waiting", *waiting)
            }
            Error::NoPlan {
                error: PlanError::Unavailable(Unavailable::UnknownService { service, .. }),
                ..
            } => problem.with("what", "service").with("name", service.as_str()),
            Error::NoPlan { error: PlanError::Incapable { asked, able, .. }, .. } => {
                let texts = |texts: Vec<String>| Value::from(texts);
                let asked = texts(asked.iter().map(ToString::to_string).collect());
                problem
                    .with("asked", asked)
                    .with("able", texts(able.iter().map(ToString::to_string).collect()))
            }
            Error::NotFound { what, name } => problem.with("what", *what).with("name", name.as_str()),
            Error::DuplicateKey { key, .. }
            | Error::OtherAccount { key, .. }
            | Error::KeySuspended { key, .. }
            | Error::KeyRemoved(key) => problem.with("key", key.to_string()),
            Error::OtherAccountLimits { server, account, kept } => problem
                .with("server", server.as_str())
                .with("account", account.as_str())
                .with("max_in_flight", kept.max_in_flight.get())
                .with("per_minute", kept.per_minute.get()),
            Error::NoAccountLimits { server, account } => {
                problem.with("server", server.as_str()).with("account", account.as_str())
            }
            Error::NoProvider { server, protocol } => {
                problem.with("server", server.as_str()).with("protocol", protocol.as_str())
            }
            Error::Upstream(Failure { kind, code, .. }) => {
                let kind = serde_json::to_value(kind).expect("a kind is a word");
                problem.with("kind", kind).with("upstream_code", code.clone())
            }
            Error::Retry { job, reason: RetryError::State { state } } => {
                problem.with("job", job.to_string()).with("state", state.as_str())
            }
            Error::Retry { job, .. } | Error::Output { job, .. } => problem.with("job", job.to_string()),
            Error::Setting { setting, .. } | Error::NotTheStores { setting, .. } => {
                problem.with("setting", *setting)
            }
            Error::Argument { argument, .. } => problem.with("argument", *argument),
            Error::Forbidden { door, role } => problem.with("door", door.name()).with("role", role.as_str()),
            Error::AccessExpired { actor, until } => {
                problem.with("actor", actor.as_str()).with("until", until.to_string())
            }
            Error::Range(error) => {
                let (RangeError::Empty { start, end, .. }
                | RangeError::PastEnd { start, end, .. }
                | RangeError::TooLong { start, end, .. }) = error;
                problem.with("start", *start).with("end", *end)
            }
            _ => problem,
        }
    }
}

impl From<InvalidId> for Problem {
    fn from(error: InvalidId) -> Self {
        Self::invalid(&error)
    }
}

impl From<AbbreviationError> for Problem {
    fn from(error: AbbreviationError) -> Self {
        Self::invalid(&error)
    }
}

impl From<PriceError> for Problem {
    fn from(error: PriceError) -> Self {
        Error::from(error).into()
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        Error::from(error).into()
    }
}

impl From<MasterKeyError> for Problem {
    fn from(error: MasterKeyError) -> Self {
        Error::from(error).into()
    }
}

impl From<ConnectError> for Problem {
    fn from(error: ConnectError) -> Self {
        match error {
            ConnectError::Store(error) => error.into(),
            ConnectError::UnknownScheme { .. }
            | ConnectError::SwitchedOff { .. }
            | ConnectError::NoPath { .. }
            | ConnectError::NoDatabase => Self::invalid(&error),
            ConnectError::Unusable { .. } => {
                let mut causes =
                    std::iter::successors(Some(&error as &dyn std::error::Error), |e| e.source());
                // A server that is down may come back; a wrong password stays wrong.
                let is_passing = causes.any(|cause| cause.is::<std::io::Error>());
                Self::new(Code::StoreUnavailable, &error, &Message::TryAgain).retryable(is_passing)
            }
            error => Self::new(Code::StoreFailed, &error, &Message::TryAgain),
        }
    }
}

impl From<UpstreamsError> for Problem {
    fn from(error: UpstreamsError) -> Self {
        if let UpstreamsError::Timeout(InvalidTimeout { setting, value, bounds }) = error {
            return Error::Setting { setting, value: format!("{value:?}"), bounds }.into();
        }
        Self::new(Code::Failed, &error, &Message::TryAgain)
    }
}
