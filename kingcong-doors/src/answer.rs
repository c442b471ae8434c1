//! What comes back: the core's types as a face shows them, with ids as texts, amounts in whole units and instants in
//! microseconds. A secret, an envelope or a fingerprint is in none of them.

use kingcong_core::{
    access::RoleName,
    clock::Timestamp,
    engine::{
        AccountReport, Estimate, JobAudio, JobEvent, JobReport, JobResult, ServedHere, SplitShare, Status,
        TaskReport, Verification,
    },
    failure::FailureKind,
    id::{Route, ServerId, ServiceId, TenantId, TenantName, UserId},
    keys::{KeyStatus, KeyWithLimits, Limits, Passage, PollsCount},
    ledger::{Entry, Owner, Wallet, WalletKey},
    measure::Measure,
    message::{Language, Message},
    money::{Amount, Money, Unit},
    operation::Operation,
    pricing::{Charge, Overrun, Package, Price},
    provider::{Health, VoicePage},
    routing::{Explanation, Maintenance, Standing, Switches, System},
    store::{AuditEntry, Discrepancy, Moved, StoredOutput, VoiceRow},
    switch::Switch,
    tenants::{Tenant, TenantState},
    upstream::UpstreamCredits,
    usage::UsageRecord,
    work::{Attempt, AttemptState, Doubt, Ending, Job, Lane, RouteCause, TaskError},
};
use kingcong_sqlx::Archived;
use serde::{Serialize, Serializer};

/// The largest whole number that every JSON reader keeps: 2^53 - 1.
const SAFE_INTEGER_MAX: i64 = (1 << 53) - 1;

/// An amount of a unit: a number where the unit has no digits after the point and it is safe, else a decimal text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Units(Money);

impl Units {
    pub(crate) const fn new(amount: Amount, unit: Unit) -> Self {
        Self(Money::new(amount, unit))
    }
}

impl Serialize for Units {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Money { amount, unit } = self.0;
        if unit.scale() == 0 && amount.get().abs() <= SAFE_INTEGER_MAX {
            serializer.serialize_i64(amount.get())
        } else {
            serializer.collect_str(&self.0.to_decimal())
        }
    }
}

/// Something that is written as its text.
#[derive(Clone, Debug)]
pub(crate) struct Text<T>(T);

impl<T: std::fmt::Display> Serialize for Text<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

/// What a user may be told, in both languages.
#[derive(Debug, Serialize)]
pub(crate) struct Told {
    code: serde_json::Value,
    en: String,
    vi: String,
}

impl From<&Message> for Told {
    fn from(message: &Message) -> Self {
        let as_json = serde_json::to_value(message).expect("a message is plain data");
        Self {
            code: as_json.get("code").cloned().unwrap_or_default(),
            en: message.text(Language::English),
            vi: message.text(Language::Vietnamese),
        }
    }
}

#[derive(Debug, Serialize)]
pub(crate) struct EstimateView {
    tasks: usize,
    characters: u64,
    held: Units,
    available: Units,
    unit: Unit,
    is_sufficient: bool,
}

impl From<&Estimate> for EstimateView {
    fn from(estimate: &Estimate) -> Self {
        Self {
            tasks: estimate.tasks,
            characters: estimate.characters,
            held: Units::new(estimate.held, estimate.unit),
            available: Units::new(estimate.available, estimate.unit),
            unit: estimate.unit,
            is_sufficient: estimate.is_sufficient(),
        }
    }
}

#[derive(Debug, Serialize)]
pub(crate) struct WalletView {
    id: String,
    tenant: String,
    user: Option<String>,
    unit: Unit,
    balance: Units,
    held: Units,
    available: Units,
    debt: Units,
    total_purchased: Units,
    total_spent: Units,
    total_refunded: Units,
    entries: u64,
    created_at: Timestamp,
    updated_at: Timestamp,
}

impl From<&Wallet> for WalletView {
    fn from(wallet: &Wallet) -> Self {
        let WalletKey { tenant, owner, unit } = &wallet.key;
        let units = |amount| Units::new(amount, *unit);
        Self {
            id: wallet.id.to_string(),
            tenant: tenant.to_string(),
            user: match owner {
                Owner::User(user) => Some(user.to_string()),
                Owner::Tenant => None,
            },
            unit: *unit,
            balance: units(wallet.balance),
            held: units(wallet.held),
            available: units(wallet.available()),
            debt: units(wallet.debt),
            total_purchased: units(wallet.total_purchased),
            total_spent: units(wallet.total_spent),
            total_refunded: units(wallet.total_refunded),
            entries: wallet.last_entry,
            created_at: wallet.created_at,
            updated_at: wallet.updated_at,
        }
    }
}

#[derive(Debug, Serialize)]
pub(crate) struct EntryView {
    number: u64,
    kind: &'static str,
    amount: Units,
    balance_after: Units,
    debt_change: Units,
    debt_after: Units,
    unit: Unit,
    route: Option<Text<Route>>,
    task: Option<String>,
    reference: Option<String>,
    at: Timestamp,
}

impl EntryView {
    pub(crate) fn of(entry: Entry, unit: Unit) -> Self {
        let units = |amount| Units::new(amount, unit);
        Self {
            number: entry.number,
            kind: entry.kind.as_str(),
            amount: units(entry.amount),
            balance_after: units(entry.balance_after),
            debt_change: units(entry.debt_change),
            debt_after: units(entry.debt_after),
            unit,
            route: entry.cause.route.map(Text),
            task: entry.cause.task.map(|task| task.to_string()),
            reference: entry.cause.reference,
            at: entry.at,
        }
    }
}

#[derive(Debug, Serialize)]
pub(crate) struct CreditedView {
    amount: Units,
    became_debt: Units,
    paid_debt: Units,
    balance_after: Units,
}

impl CreditedView {
    pub(crate) fn of(moved: Moved, unit: Unit) -> Self {
        let units = |amount| Units::new(amount, unit);
        Self {
            amount: units(moved.amount),
            became_debt: units(moved.became_debt),
            paid_debt: units(moved.paid_debt),
            balance_after: units(moved.balance_after),
        }
    }
}

#[derive(Debug, Serialize)]
pub(crate) struct JobView {
    id: String,
    tenant: String,
    user: String,
    operation: Operation,
    service: String,
    model: Option<String>,
    state: &'static str,
    is_final: bool,
    unit: Unit,
    held: Units,
    charged: Units,
    tasks: u32,
    open_tasks: u32,
    failed_tasks: u32,
    retries: u32,
    deadline: Timestamp,
    created_at: Timestamp,
    finished_at: Option<Timestamp>,
}

impl From<&Job> for JobView {
    fn from(job: &Job) -> Self {
        let unit = job.unit;
        Self {
            id: job.id.to_string(),
            tenant: job.tenant.to_string(),
            user: job.user.to_string(),
            operation: job.operation,
            service: job.service.to_string(),
            model: job.model.clone(),
            state: job.state.as_str(),
            is_final: job.state.is_final(),
            unit,
            held: Units::new(job.held, unit),
            charged: Units::new(job.total.charged(), unit),
            tasks: job.tasks,
            open_tasks: job.open_tasks,
            failed_tasks: job.failed_tasks,
            retries: job.retries,
            deadline: job.deadline,
            created_at: job.created_at,
            finished_at: job.finished_at,
        }
    }
}

#[derive(Debug, Serialize)]
pub(crate) struct TaskErrorView {
    code: &'static str,
    message: String,
    user: Told,
}

impl From<&TaskError> for TaskErrorView {
    fn from(error: &TaskError) -> Self {
        Self {
            code: match error {
                TaskError::Upstream { .. } => "upstream",
                TaskError::DeadlinePassed => "deadline_passed",
                TaskError::AnswerLost => "answer_lost",
                TaskError::NoRoute => "no_route",
                _ => "other",
            },
            message: error.to_string(),
            user: Told::from(&error.message()),
        }
    }
}

#[derive(Debug, Serialize)]
pub(crate) struct TaskView {
    id: String,
    place: u32,
    state: &'static str,
    route: Text<Route>,
    key: Option<String>,
    characters: u32,
    attempts: u32,
    charged: Units,
    refunded: Units,
    possible_double: bool,
    error: Option<TaskErrorView>,
    created_at: Timestamp,
    finished_at: Option<Timestamp>,
}

impl TaskView {
    fn of(report: &TaskReport, unit: Unit) -> Self {
        let task = &report.task;
        Self {
            id: task.id.to_string(),
            place: task.place,
            state: report.state(),
            route: Text(report.route.clone()),
            key: report.key.clone(),
            characters: task.characters,
            attempts: report.attempts,
            charged: Units::new(task.charged, unit),
            refunded: Units::new(task.refunded, unit),
            possible_double: task.doubt == Doubt::PossibleDouble,
            error: match &task.state {
                kingcong_core::work::TaskState::Failed { error } => Some(error.into()),
                _ => None,
            },
            created_at: task.created_at,
            finished_at: task.finished_at,
        }
    }
}

#[derive(Debug, Serialize)]
pub(crate) struct ReportView {
    job: JobView,
    tasks: Vec<TaskView>,
    released: Units,
    available: Units,
    balance: Units,
}

impl From<&JobReport> for ReportView {
    fn from(report: &JobReport) -> Self {
        let unit = report.job.unit;
        Self {
            job: (&report.job).into(),
            tasks: report.tasks.iter().map(|task| TaskView::of(task, unit)).collect(),
            released: Units::new(report.released, unit),
            available: Units::new(report.available, unit),
            balance: Units::new(report.balance, unit),
        }
    }
}

/// What a job says, without its bytes.
#[derive(Debug, Serialize)]
pub(crate) struct AudioView {
    length: u64,
    content_type: &'static str,
    duration_ms: u64,
}

impl From<&JobAudio> for AudioView {
    fn from(audio: &JobAudio) -> Self {
        Self { length: audio.bytes(), content_type: audio.content_type(), duration_ms: audio.duration_ms() }
    }
}

/// A result; the bytes come beside it.
#[derive(Debug, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub(crate) enum ResultView {
    Speech { content_type: String, duration_ms: u64, srt: Option<String> },
    Voice { voice: String },
}

impl ResultView {
    /// The view of a job's result, and its bytes.
    pub(crate) fn of_job(result: JobResult) -> Option<(Self, Option<bytes::Bytes>)> {
        match result {
            JobResult::Speech { audio, content_type, duration_ms, srt } => {
                Some((Self::Speech { content_type, duration_ms, srt }, Some(audio)))
            }
            JobResult::Voice { voice } => Some((Self::Voice { voice: voice.to_string() }, None)),
            _ => None,
        }
    }

    /// The view of one task's result, and where its bytes are.
    pub(crate) fn of_task(output: StoredOutput) -> (Self, Option<kingcong_core::work::Body>) {
        match output {
            StoredOutput::Audio { body, sound, srt } => {
                let content_type = sound.layout.coding.content_type().to_owned();
                (Self::Speech { content_type, duration_ms: sound.duration_ms(), srt }, Some(body))
            }
            StoredOutput::Voice { id, .. } => (Self::Voice { voice: id.to_string() }, None),
        }
    }
}

/// An event of a job.
#[derive(Debug, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub(crate) enum EventView {
    TaskStarted { place: u32, route: Text<Route>, key: String, attempt: u8 },
    TaskProgress { place: u32, percent: u8 },
    TaskWaits { place: u32, reason: String },
    TaskDone { place: u32, charged: Units },
    TaskFailed { place: u32, error: TaskErrorView },
    TaskCancelled { place: u32 },
    Retried { tasks: u32 },
    Ended { state: &'static str, charged: Units },
    Missed { events: u64 },
}

impl EventView {
    pub(crate) fn of(event: JobEvent, unit: Unit) -> Option<Self> {
        Some(match event {
            JobEvent::TaskStarted { place, route, key, attempt } => {
                Self::TaskStarted { place, route: Text(route), key, attempt }
            }
            JobEvent::TaskProgress { place, percent } => Self::TaskProgress { place, percent },
            JobEvent::TaskWaits { place, reason } => Self::TaskWaits { place, reason },
            JobEvent::TaskDone { place, charged } => {
                Self::TaskDone { place, charged: Units::new(charged, unit) }
            }
            JobEvent::TaskFailed { place, error } => Self::TaskFailed { place, error: (&error).into() },
            JobEvent::TaskCancelled { place } => Self::TaskCancelled { place },
            JobEvent::Retried { tasks } => Self::Retried { tasks },
            JobEvent::Ended { state, charged } => {
                Self::Ended { state: state.as_str(), charged: Units::new(charged, unit) }
            }
            JobEvent::Missed(events) => Self::Missed { events },
            _ => return None,
        })
    }
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "snake_case")]
enum KeyStatusName {
    Active,
    Doubtful,
    Dead,
    OutOfCredit,
    Unreadable,
    Suspended,
    Removed,
}

#[derive(Debug, Serialize)]
pub(crate) struct KeyView {
    id: String,
    server: String,
    service: String,
    tenant: String,
    label: String,
    mask: String,
    account: Option<String>,
    limits: Limits,
    switch: Switch,
    status: KeyStatusName,
    is_usable: bool,
    reason: Option<String>,
    balance: Option<Text<UpstreamCredits>>,
    checked_at: Option<Timestamp>,
    last_used: Option<Timestamp>,
    created_at: Timestamp,
}

impl From<&KeyWithLimits> for KeyView {
    fn from(key: &KeyWithLimits) -> Self {
        let (status, reason) = match &key.status {
            KeyStatus::Active => (KeyStatusName::Active, None),
            KeyStatus::Doubtful => (KeyStatusName::Doubtful, None),
            KeyStatus::Dead { reason } => (KeyStatusName::Dead, Some(reason.clone())),
            KeyStatus::OutOfCredit { needed } => {
                (KeyStatusName::OutOfCredit, Some(format!("{needed} upstream credits were needed")))
            }
            KeyStatus::Unreadable { reason } => (KeyStatusName::Unreadable, Some(reason.clone())),
            KeyStatus::Suspended { registered_for } => {
                let reason = format!(
                    "registered for {registered_for}, where its server is not any more: register it again"
                );
                (KeyStatusName::Suspended, Some(reason))
            }
            KeyStatus::Removed => (KeyStatusName::Removed, None),
        };
        Self {
            id: key.id.to_string(),
            server: key.route.server.to_string(),
            service: key.route.service.to_string(),
            tenant: key.tenant.to_string(),
            label: key.label.clone(),
            mask: key.mask.clone(),
            account: key.account.clone(),
            limits: key.limits,
            switch: key.switch,
            status,
            is_usable: key.is_usable(),
            reason,
            balance: key.balance.map(Text),
            checked_at: key.checked_at,
            last_used: key.last_used,
            created_at: key.created_at,
        }
    }
}

#[derive(Debug, Serialize)]
pub(crate) struct AccountView {
    server: String,
    account: String,
    limits: Limits,
    in_flight: u32,
    used_in_window: u32,
    keys: Vec<KeyView>,
}

impl From<&AccountReport> for AccountView {
    fn from(account: &AccountReport) -> Self {
        Self {
            server: account.server.to_string(),
            account: account.name.clone(),
            limits: account.limits,
            in_flight: account.in_flight,
            used_in_window: account.used_in_window,
            keys: account.keys.iter().map(KeyView::from).collect(),
        }
    }
}

#[derive(Debug, Serialize)]
pub(crate) struct PackageView {
    id: String,
    label: String,
    credits: Units,
    unit: Unit,
    price: Units,
    currency: Unit,
    switch: Switch,
}

impl From<&Package> for PackageView {
    fn from(package: &Package) -> Self {
        Self {
            id: package.id.to_string(),
            label: package.label.clone(),
            credits: Units::new(package.credits, package.unit),
            unit: package.unit,
            price: Units(package.price),
            currency: package.price.unit,
            switch: package.switch,
        }
    }
}

#[derive(Debug, Serialize)]
struct LineView {
    measure: Measure,
    price: Text<kingcong_core::money::Decimal>,
    per: u32,
}

#[derive(Debug, Serialize)]
pub(crate) struct PriceView {
    server: String,
    service: String,
    operation: Operation,
    model: Option<String>,
    unit: Unit,
    name: String,
    lines: Vec<LineView>,
    overrun: bool,
    switch: Switch,
    version: u32,
    since: Timestamp,
}

impl From<&Price> for PriceView {
    fn from(price: &Price) -> Self {
        let lines = match &price.charge {
            Charge::Free => &[],
            Charge::Lines(lines) => lines.as_slice(),
        };
        let line = |line: &kingcong_core::pricing::PriceLine| LineView {
            measure: line.measure,
            price: Text(line.price(price.unit)),
            per: line.per.get(),
        };
        Self {
            server: price.route.server.to_string(),
            service: price.route.service.to_string(),
            operation: price.operation,
            model: price.model.clone(),
            unit: price.unit,
            name: price.name.clone(),
            lines: lines.iter().map(line).collect(),
            overrun: price.overrun == Overrun::Payer,
            switch: price.switch,
            version: price.version,
            since: price.since,
        }
    }
}

#[derive(Debug, Serialize)]
struct MaintenanceView {
    is_full: bool,
    /// These, when not everything is.
    services: Vec<String>,
}

impl From<&Maintenance> for MaintenanceView {
    fn from(maintenance: &Maintenance) -> Self {
        let services = match maintenance {
            Maintenance::None | Maintenance::Full => Vec::new(),
            Maintenance::Services(services) => services.iter().map(ToString::to_string).collect(),
        };
        Self { is_full: *maintenance == Maintenance::Full, services }
    }
}

#[derive(Debug, Serialize)]
struct ServerView {
    id: String,
    protocol: String,
    base_url: String,
    weight: u32,
    polls: PollsCount,
    limits: Limits,
    egress: Option<Limits>,
}

#[derive(Debug, Serialize)]
struct ServiceView {
    id: String,
    name: String,
}

#[derive(Debug, Serialize)]
struct RouteView {
    server: String,
    service: String,
    switch: Switch,
}

#[derive(Debug, Serialize)]
pub(crate) struct SystemView {
    version: u64,
    servers: Vec<ServerView>,
    services: Vec<ServiceView>,
    routes: Vec<RouteView>,
    maintenance: MaintenanceView,
}

impl From<&System> for SystemView {
    fn from(system: &System) -> Self {
        Self {
            version: system.version,
            servers: system
                .servers
                .iter()
                .map(|(id, server)| ServerView {
                    id: id.to_string(),
                    protocol: server.protocol.to_string(),
                    base_url: server.base_url.as_str().to_owned(),
                    weight: server.weight,
                    polls: server.polls,
                    limits: server.defaults,
                    egress: server.egress,
                })
                .collect(),
            services: system
                .services
                .iter()
                .map(|(id, service)| ServiceView { id: id.to_string(), name: service.name.clone() })
                .collect(),
            routes: system
                .routes
                .iter()
                .map(|(route, switch)| RouteView {
                    server: route.server.to_string(),
                    service: route.service.to_string(),
                    switch: *switch,
                })
                .collect(),
            maintenance: (&system.maintenance).into(),
        }
    }
}

#[derive(Debug, Serialize)]
struct ShareView {
    server: String,
    weight: u32,
}

#[derive(Debug, Serialize)]
struct StandingView {
    service: String,
    /// The servers that share its work; empty where it takes none.
    servers: Vec<ShareView>,
    /// What the user is told where it takes none.
    refused: Option<Told>,
}

#[derive(Debug, Serialize)]
pub(crate) struct ExplanationView {
    version: u64,
    /// The named case: `all_on`, `case1`, `one_server` …
    state: &'static str,
    maintenance: MaintenanceView,
    services: Vec<StandingView>,
}

fn name_of(switches: &Switches) -> &'static str {
    match switches {
        Switches::AllOff => "all_off",
        Switches::Unserved(_) => "unserved",
        Switches::AllOn => "all_on",
        Switches::Case1 => "case1",
        Switches::Case2 => "case2",
        Switches::Case3 => "case3",
        Switches::Case4 => "case4",
        Switches::OneServer(_) => "one_server",
        Switches::OneServerEach(_) => "one_server_each",
        _ => "mixed",
    }
}

impl From<&Explanation> for ExplanationView {
    fn from(explanation: &Explanation) -> Self {
        let standing = |(service, standing): (&ServiceId, &Standing)| {
            let (servers, refused) = match standing {
                Standing::Served(servers) => {
                    let share = |(server, weight): (&ServerId, &u32)| ShareView {
                        server: server.to_string(),
                        weight: *weight,
                    };
                    (servers.iter().map(share).collect(), None)
                }
                Standing::Refused(message) => (Vec::new(), Some(Told::from(message))),
            };
            StandingView { service: service.to_string(), servers, refused }
        };
        Self {
            version: explanation.version,
            state: name_of(&explanation.state.switches),
            maintenance: (&explanation.state.maintenance).into(),
            services: explanation.services.iter().map(standing).collect(),
        }
    }
}

#[derive(Debug, Serialize)]
struct RouteStatusView {
    server: String,
    service: String,
    switch: Switch,
    keys: u32,
    waiting: i64,
    /// `open`, `probe` or `closed`.
    passage: &'static str,
    closed_until: Option<Timestamp>,
    health: Option<Health>,
    is_served_here: bool,
}

#[derive(Debug, Serialize)]
pub(crate) struct StatusView {
    explanation: ExplanationView,
    routes: Vec<RouteStatusView>,
}

impl From<&Status> for StatusView {
    fn from(status: &Status) -> Self {
        let routes = status.routes.iter().map(|status| {
            let (passage, closed_until) = match status.passage {
                Passage::Open => ("open", None),
                Passage::Probe => ("probe", None),
                Passage::Closed(Timestamp::FAR) => ("closed", None),
                Passage::Closed(until) => ("closed", Some(until)),
            };
            RouteStatusView {
                server: status.route.server.to_string(),
                service: status.route.service.to_string(),
                switch: status.switch,
                keys: status.keys,
                waiting: status.waiting,
                passage,
                closed_until,
                health: status.told,
                is_served_here: status.served_here == ServedHere::Yes,
            }
        });
        Self { explanation: (&status.explanation).into(), routes: routes.collect() }
    }
}

#[derive(Debug, Serialize)]
pub(crate) struct VerificationView {
    wallets: u64,
    jobs: u64,
    limits: u64,
    found: u64,
    discrepancies: Vec<DiscrepancyView>,
    is_sound: bool,
}

#[derive(Debug, Serialize)]
struct DiscrepancyView {
    kind: &'static str,
    table: &'static str,
    row: String,
    column: Option<&'static str>,
    found: String,
    expected: String,
}

impl From<&Discrepancy> for DiscrepancyView {
    fn from(one: &Discrepancy) -> Self {
        Self {
            kind: one.kind.as_str(),
            table: one.row.table,
            row: one.row.id.clone(),
            column: Some(one.column).filter(|column| !column.is_empty()),
            found: one.found.clone(),
            expected: one.expected.clone(),
        }
    }
}

impl From<&Verification> for VerificationView {
    fn from(found: &Verification) -> Self {
        Self {
            wallets: found.wallets,
            jobs: found.jobs,
            limits: found.limits,
            found: found.found,
            discrepancies: found.discrepancies.iter().map(DiscrepancyView::from).collect(),
            is_sound: found.is_sound(),
        }
    }
}

#[derive(Debug, Serialize)]
pub(crate) struct AuditView {
    id: String,
    tenant: Option<String>,
    actor: String,
    role: RoleName,
    door: String,
    target: Option<String>,
    outcome: &'static str,
    /// A JSON object as text.
    detail: String,
    at: Timestamp,
}

impl From<&AuditEntry> for AuditView {
    fn from(entry: &AuditEntry) -> Self {
        Self {
            id: entry.id.to_string(),
            tenant: entry.tenant.as_ref().map(ToString::to_string),
            actor: entry.actor.to_string(),
            role: entry.role,
            door: entry.door.clone(),
            target: entry.target.clone(),
            outcome: entry.outcome.as_str(),
            detail: entry.detail.clone(),
            at: entry.at,
        }
    }
}

/// An attempt that failed or whose answer was lost.
#[derive(Debug, Serialize)]
pub(crate) struct ErrorView {
    attempt: String,
    task: String,
    job: String,
    tenant: TenantId,
    user: UserId,
    operation: Operation,
    model: Option<String>,
    route: Text<Route>,
    cause: RouteCause,
    key: String,
    lane: Lane,
    key_tenant: Option<TenantId>,
    /// What kind of failure; `unknown` where the answer was lost.
    kind: FailureKind,
    upstream_code: Option<String>,
    message: String,
    leased_at: Timestamp,
    ended_at: Option<Timestamp>,
}

impl From<&Attempt> for ErrorView {
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
            tenant: attempt.tenant.clone(),
            user: attempt.user.clone(),
            operation: attempt.operation,
            model: attempt.model.clone(),
            route: Text(attempt.route.clone()),
            cause: attempt.cause,
            key: attempt.key.to_string(),
            lane: attempt.lane,
            key_tenant: attempt.key_tenant().cloned(),
            kind,
            upstream_code,
            message,
            leased_at: attempt.leased_at,
            ended_at: attempt.ended_at,
        }
    }
}

#[derive(Debug, Serialize)]
pub(crate) struct UsageView {
    attempt: String,
    task: String,
    job: String,
    tenant: TenantId,
    user: UserId,
    operation: Operation,
    model: Option<String>,
    route: Text<Route>,
    cause: RouteCause,
    key: String,
    lane: Lane,
    key_tenant: Option<TenantId>,
    is_done: bool,
    cost: Option<Text<UpstreamCredits>>,
    charged: Units,
    over_hold: Units,
    unit: Unit,
    audio_ms: Option<u64>,
    characters: Option<u64>,
    took_ms: u64,
    possible_double: bool,
    ended_at: Timestamp,
}

impl From<&UsageRecord> for UsageView {
    fn from(record: &UsageRecord) -> Self {
        let unit = record.unit;
        Self {
            attempt: record.attempt.to_string(),
            task: record.task.to_string(),
            job: record.job.to_string(),
            tenant: record.tenant.clone(),
            user: record.user.clone(),
            operation: record.operation,
            model: record.model.clone(),
            route: Text(record.route.clone()),
            cause: record.cause,
            key: record.key.to_string(),
            lane: record.lane,
            key_tenant: record.key_tenant.clone(),
            is_done: record.is_done(),
            cost: record.cost.map(Text),
            charged: Units::new(record.charged, unit),
            over_hold: Units::new(record.over_hold, unit),
            unit,
            audio_ms: record.measured.get(Measure::AudioMs),
            characters: record.measured.get(Measure::Character),
            took_ms: u64::try_from(record.took.as_millis()).unwrap_or(u64::MAX),
            possible_double: record.possible_double == Doubt::PossibleDouble,
            ended_at: record.ended_at,
        }
    }
}

#[derive(Debug, Serialize)]
pub(crate) struct TenantView {
    id: TenantId,
    name: TenantName,
    state: TenantState,
    version: i64,
    created_at: Timestamp,
    updated_at: Timestamp,
}

impl From<&Tenant> for TenantView {
    fn from(tenant: &Tenant) -> Self {
        Self {
            id: tenant.id.clone(),
            name: tenant.name.clone(),
            state: tenant.state,
            version: tenant.version,
            created_at: tenant.created_at,
            updated_at: tenant.updated_at,
        }
    }
}

#[derive(Debug, Serialize)]
pub(crate) struct SplitView {
    server: String,
    service: String,
    done: u64,
    failed: u64,
}

impl From<&SplitShare> for SplitView {
    fn from(share: &SplitShare) -> Self {
        Self {
            server: share.route.server.to_string(),
            service: share.route.service.to_string(),
            done: share.done,
            failed: share.failed,
        }
    }
}

#[derive(Debug, Serialize)]
pub(crate) struct OfferedView {
    voices: Vec<kingcong_core::provider::Voice>,
    next: Option<String>,
}

impl From<VoicePage> for OfferedView {
    fn from(page: VoicePage) -> Self {
        Self { voices: page.voices, next: page.next }
    }
}

#[derive(Debug, Serialize)]
pub(crate) struct ClonedView {
    id: String,
    user: String,
    name: String,
    server: String,
    service: String,
    created_at: Timestamp,
}

impl From<&VoiceRow> for ClonedView {
    fn from(voice: &VoiceRow) -> Self {
        Self {
            id: voice.id.to_string(),
            user: voice.user.to_string(),
            name: voice.name.clone(),
            server: voice.route.server.to_string(),
            service: voice.route.service.to_string(),
            created_at: voice.created_at,
        }
    }
}

#[derive(Debug, Serialize)]
pub(crate) struct ArchivedView {
    attempts: u64,
    entries: u64,
    file: Option<String>,
}

impl From<&Archived> for ArchivedView {
    fn from(archived: &Archived) -> Self {
        Self {
            attempts: archived.attempts,
            entries: archived.entries,
            file: archived.file.as_ref().map(|file| file.display().to_string()),
        }
    }
}
