//! What happened: usage, errors, the split and the audit.

use kingcong_core::{
    Error,
    access::RoleName,
    engine::SplitShare,
    failure::FailureKind,
    id::{AttemptId, AuditId, JobId, KeyId, Route, ServerId, ServiceId},
    lane::Lane,
    measure::Counts,
    money::Unit,
    operation::Operation,
    pricing::Checked,
    store::{AttemptFilter, AttemptKind, AuditEntry, AuditOutcome},
    upstream::UpstreamCredits,
    usage::UsageRecord,
    work::{Attempt, AttemptState, Doubt, Ending, RouteCause},
};
use serde::{Deserialize, Serialize};

use crate::{
    answer::{AsText, DecimalText, Instant, Milliseconds, Units, Word, all},
    asked::rows,
    door::{At, Door, Group, Listed},
    prices::ServedView,
    problem::Problem,
};

pub(crate) const GROUP: Group = Group {
    name: "Reports",
    docs: "What happened. Usage and errors are those of the handle's tenant; the split and the audit are of every \
           tenant.",
    doors: &[Listed::of::<Usage>(), Listed::of::<Errors>(), Listed::of::<Split>(), Listed::of::<Audit>()],
};

/// How much of each measure was counted.
#[derive(Debug, Serialize)]
#[serde(transparent)]
pub(crate) struct CountsView(Counts);

/// What an ended attempt bought (`cost`, in the upstream's credits) and sold (`charged`).
///
/// `over_hold` is what of its price was not charged because the job's hold was used up: the operator's cost. `cause`
/// says why the task was on the route, `key_tenant` whose key it was: none is the operator's.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "description", derive(schemars::JsonSchema))]
struct UsageRecordView {
    attempt: String,
    task: String,
    job: String,
    tenant: String,
    user: String,
    operation: Word<Operation>,
    model: Option<String>,
    route: AsText<Route>,
    cause: Word<RouteCause>,
    key: String,
    lane: Word<Lane>,
    key_tenant: Option<String>,
    is_done: bool,
    cost: Option<DecimalText<UpstreamCredits>>,
    charged: Units,
    over_hold: Units,
    unit: Word<Unit>,
    /// How much of each measure was counted; what nobody counted is absent.
    counts: CountsView,
    /// How it was served, where the upstream told.
    served: Option<ServedView>,
    /// What is to be said of what was counted.
    check: Word<Checked>,
    took_ms: Milliseconds,
    possible_double: bool,
    ended_at: Instant,
}

impl From<&UsageRecord> for UsageRecordView {
    fn from(record: &UsageRecord) -> Self {
        let unit = record.unit;
        Self {
            attempt: record.attempt.to_string(),
            task: record.task.to_string(),
            job: record.job.to_string(),
            tenant: record.tenant.to_string(),
            user: record.user.to_string(),
            operation: Word(record.operation),
            model: record.model.clone(),
            route: AsText(record.route.clone()),
            cause: Word(record.cause),
            key: record.key.to_string(),
            lane: Word(record.lane),
            key_tenant: record.key_tenant.as_ref().map(ToString::to_string),
            is_done: record.is_done(),
            cost: record.cost.map(DecimalText),
            charged: Units::new(record.charged, unit),
            over_hold: Units::new(record.over_hold, unit),
            unit: Word(unit),
            counts: CountsView(record.measured.counts.clone()),
            served: ServedView::of(&record.measured.served),
            check: Word(record.check),
            took_ms: Milliseconds(u64::try_from(record.took.as_millis()).unwrap_or(u64::MAX)),
            possible_double: record.possible_double == Doubt::PossibleDouble,
            ended_at: Instant(record.ended_at),
        }
    }
}

/// An attempt that failed or whose answer was lost.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "description", derive(schemars::JsonSchema))]
struct ErrorRecordView {
    attempt: String,
    task: String,
    job: String,
    tenant: String,
    user: String,
    operation: Word<Operation>,
    model: Option<String>,
    route: AsText<Route>,
    cause: Word<RouteCause>,
    key: String,
    lane: Word<Lane>,
    key_tenant: Option<String>,
    /// What kind of failure; `unknown` where the answer was lost.
    kind: Word<FailureKind>,
    upstream_code: Option<String>,
    message: String,
    leased_at: Instant,
    ended_at: Option<Instant>,
}

impl From<&Attempt> for ErrorRecordView {
    fn from(attempt: &Attempt) -> Self {
        let (kind, upstream_code, message) = match &attempt.state {
            AttemptState::Ended(Ending::Failed { kind, code, message }) => {
                (*kind, code.clone(), message.clone())
            }
            _ => (FailureKind::Unknown, None, "sent, and its answer is lost".to_owned()),
        };
        Self {
            attempt: attempt.id.to_string(),
            task: attempt.task.to_string(),
            job: attempt.job.to_string(),
            tenant: attempt.tenant.to_string(),
            user: attempt.user.to_string(),
            operation: Word(attempt.operation),
            model: attempt.model.clone(),
            route: AsText(attempt.route.clone()),
            cause: Word(attempt.cause),
            key: attempt.key.to_string(),
            lane: Word(attempt.lane),
            key_tenant: attempt.key_tenant().map(ToString::to_string),
            kind: Word(kind),
            upstream_code,
            message,
            leased_at: Instant(attempt.leased_at),
            ended_at: attempt.ended_at.map(Instant),
        }
    }
}

/// How many of the last attempts a route had.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "description", derive(schemars::JsonSchema))]
struct SplitShareView {
    server: String,
    service: String,
    done: u64,
    failed: u64,
}

impl From<&SplitShare> for SplitShareView {
    fn from(share: &SplitShare) -> Self {
        Self {
            server: share.route.server.to_string(),
            service: share.route.service.to_string(),
            done: share.done,
            failed: share.failed,
        }
    }
}

/// What was done at an admin door, or who was refused at any. `tenant` is the one whose rows it concerns, none for what
/// all tenants share; `target` is what it was done to; `detail` is a JSON object as text, without secrets.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "description", derive(schemars::JsonSchema))]
pub(crate) struct AuditEntryView {
    id: String,
    tenant: Option<String>,
    actor: String,
    role: Word<RoleName>,
    door: String,
    target: Option<String>,
    outcome: Word<AuditOutcome>,
    detail: String,
    at: Instant,
}

impl From<&AuditEntry> for AuditEntryView {
    fn from(entry: &AuditEntry) -> Self {
        Self {
            id: entry.id.to_string(),
            tenant: entry.tenant.as_ref().map(ToString::to_string),
            actor: entry.actor.to_string(),
            role: Word(entry.role),
            door: entry.door.clone(),
            target: entry.target.clone(),
            outcome: Word(entry.outcome),
            detail: entry.detail.clone(),
            at: Instant(entry.at),
        }
    }
}

/// Which attempts.
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "description", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
struct AskedAttempts {
    job: Option<AsText<JobId>>,
    key: Option<AsText<KeyId>>,
    server: Option<AsText<ServerId>>,
    service: Option<AsText<ServiceId>>,
    /// Leased at this instant or later.
    since: Option<Instant>,
    /// Leased before this instant.
    until: Option<Instant>,
    before: Option<AsText<AttemptId>>,
    #[serde(default = "rows")]
    limit: u32,
}

impl AskedAttempts {
    fn filter(self) -> Result<AttemptFilter, Problem> {
        let route = match (self.server, self.service) {
            (None, None) => None,
            (Some(server), Some(service)) => Some(Route::new(server.0, service.0)),
            (server, _) => {
                let value = if server.is_some() { "a server alone" } else { "a service alone" };
                let bounds = "a server and a service, or neither";
                return Err(Error::Argument { argument: "route", value: value.to_owned(), bounds }.into());
            }
        };
        Ok(AttemptFilter {
            job: self.job.map(|job| job.0),
            key: self.key.map(|key| key.0),
            route,
            only: AttemptKind::All,
            since: self.since.map(|since| since.0),
            until: self.until.map(|until| until.0),
            before: self.before.map(|before| before.0),
            limit: self.limit,
        })
    }
}

/// Usage records of the handle's tenant, newest first: leased at `since` or later, and before `until`.
///
/// `before` is an attempt, for the next page; a route is a server and a service.
///
/// ```python
/// >>> from kingcong import KingCong
/// >>> with KingCong.open("memory:", preset="kingcong") as kc:
/// ...     kc.reports.usage(server="ai33", service="elevenlabs", limit=10)
/// ()
/// ```
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "description", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
struct Usage {
    filter: AskedAttempts,
}

impl Door for Usage {
    const NAME: &'static str = "reports.usage";
    type Answer = Vec<UsageRecordView>;

    async fn knock(self, at: &mut At<'_>) -> Result<Self::Answer, Problem> {
        Ok(all(&at.kc.reports().usage(&self.filter.filter()?).await?))
    }
}

/// The error log: attempts that failed or whose answer was lost, found as those of `reports.usage`.
///
/// ```python
/// >>> from kingcong import KingCong
/// >>> with KingCong.open("memory:", preset="kingcong") as kc:
/// ...     kc.reports.errors(limit=10)
/// ()
/// ```
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "description", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
struct Errors {
    filter: AskedAttempts,
}

impl Door for Errors {
    const NAME: &'static str = "reports.errors";
    type Answer = Vec<ErrorRecordView>;

    async fn knock(self, at: &mut At<'_>) -> Result<Self::Answer, Problem> {
        Ok(all(&at.kc.reports().errors(self.filter.filter()?).await?))
    }
}

/// How the last 1,000 attempts were spread over routes, of those that ended.
///
/// ```python
/// >>> from kingcong import KingCong
/// >>> with KingCong.open("memory:", preset="kingcong") as kc:
/// ...     kc.reports.split()
/// ()
/// ```
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "description", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
struct Split {}

impl Door for Split {
    const NAME: &'static str = "reports.split";
    type Answer = Vec<SplitShareView>;

    async fn knock(self, at: &mut At<'_>) -> Result<Self::Answer, Problem> {
        Ok(all(&at.kc.reports().split().await?))
    }
}

/// What was done at admin doors, newest first, older than the entry `before`.
///
/// ```python
/// >>> from kingcong import KingCong, Role
/// >>> with KingCong.open("memory:", preset="kingcong") as kc:
/// ...     _ = kc.acting("admin-7", Role.OPERATOR).wallets.purchase("user-1", "package-1", "order-991")
/// ...     [(entry.actor, entry.door) for entry in kc.reports.audit(limit=1)]
/// [('admin-7', 'wallets.purchase')]
/// ```
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "description", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
struct Audit {
    before: Option<AsText<AuditId>>,
    #[serde(default = "rows")]
    limit: u32,
}

impl Door for Audit {
    const NAME: &'static str = "reports.audit";
    type Answer = Vec<AuditEntryView>;

    async fn knock(self, at: &mut At<'_>) -> Result<Self::Answer, Problem> {
        let before = self.before.map(|before| before.0);
        Ok(all(&at.kc.reports().audit(before, self.limit).await?))
    }
}
