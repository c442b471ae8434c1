//! Jobs, tasks and attempts.

use std::sync::Arc;

use kingcong_core::{
    id::{AttemptId, HoldId, JobId, KeyId, LimitId, TaskId, TenantId, UserId, WalletId, WorkerId},
    keys::PoolId,
    lane::Lane,
    measure::Measured,
    money::{RunningTotal, Unit},
    operation::Operation,
    upstream::{UpstreamCredits, UpstreamId},
    work::{
        Attempt, AttemptState, Doubt, Ending, Job, JobState, Layout, RouteCause, Task, TaskRoute, TaskState,
        Work,
    },
};
use uuid::Uuid;

use super::{mirrors, read_route};
use crate::{
    cell::{Cell, Corrupt, Row},
    table::{ColumnOf, Deed, Kind, Record, Table, Written, fixed, key, mirror, mutable},
};

impl Written for Job {
    const NAME: &'static str = "kingcong_jobs";
    const COLUMNS: &'static [ColumnOf<Self>] = &[
        key("id", Kind::Id, |job| job.id.as_uuid().into()),
        fixed("tenant", Kind::Text, |job| job.tenant.as_str().into()),
        fixed("user_id", Kind::Text, |job| job.user.as_str().into()),
        fixed("operation", Kind::Text, |job| Cell::Word(job.operation.as_str())),
        fixed("service", Kind::Text, |job| job.service.as_str().into()),
        fixed("model", Kind::Text, |job| job.model.as_deref().into()),
        fixed("unit", Kind::Text, |job| Cell::Word(job.unit.code())),
        fixed("wallet", Kind::Id, |job| job.wallet.as_uuid().into()),
        fixed("hold", Kind::Id, |job| job.hold.as_uuid().into()),
        fixed("tasks", Kind::Int, |job| job.tasks.into()),
        fixed("total_den", Kind::Int, |job| job.total.den().into()),
        fixed("idempotency", Kind::Bytes, |job| hash_cell(job.idempotency.as_ref())),
        fixed("created_at", Kind::Int, |job| job.created_at.into()),
        mutable("held", Kind::Int, |job| job.held.into()),
        mutable("retries", Kind::Int, |job| job.retries.into()),
        mutable("retried_under", Kind::Bytes, |job| hash_cell(job.retried_under.as_ref())),
        mutable("state", Kind::Text, |job| Cell::Word(job.state.as_str())),
        mutable("open_tasks", Kind::Int, |job| job.open_tasks.into()),
        mutable("failed_tasks", Kind::Int, |job| job.failed_tasks.into()),
        mutable("layout", Kind::Text, |job| job.layout.map_or(Cell::Null, |layout| Cell::json(&layout))),
        mutable("total_sum", Kind::Text, |job| Cell::Text(job.total.sum().to_string())),
        mutable("total_overrun", Kind::Text, |job| Cell::Text(job.total.overrun().to_string())),
        mutable("charged", Kind::Int, |job| job.total.charged().into()),
        mutable("deadline", Kind::Int, |job| job.deadline.into()),
        mutable("finished_at", Kind::Int, |job| job.finished_at.into()),
        mutable("archived_attempts", Kind::Int, |job| job.archived_attempts.into()),
    ];
}

impl Record for Job {
    fn read(row: &mut Row) -> Result<Self, Corrupt> {
        Ok(Self {
            id: JobId::from_uuid(row.uuid("id")?),
            tenant: row.parsed("tenant")?,
            user: row.parsed("user_id")?,
            operation: read_operation(row)?,
            service: row.parsed("service")?,
            model: row.text_or_null("model")?,
            unit: read_unit(row)?,
            wallet: WalletId::from_uuid(row.uuid("wallet")?),
            hold: HoldId::from_uuid(row.uuid("hold")?),
            tasks: row.number("tasks")?,
            total: read_total(row)?,
            idempotency: row.array_or_null("idempotency")?,
            created_at: row.time("created_at")?,
            held: row.amount("held")?,
            retries: row.number("retries")?,
            retried_under: row.array_or_null("retried_under")?,
            state: row.word("state", job_state)?,
            open_tasks: row.number("open_tasks")?,
            failed_tasks: row.number("failed_tasks")?,
            layout: {
                let layout = row.text_or_null("layout")?;
                layout.map(|layout| row.some(serde_json::from_str::<Layout>(&layout).ok())).transpose()?
            },
            deadline: row.time("deadline")?,
            finished_at: row.time_or_null("finished_at")?,
            archived_attempts: row.number("archived_attempts")?,
        })
    }
}

fn read_total(row: &mut Row) -> Result<RunningTotal, Corrupt> {
    let den = row.int("total_den")?;
    let sum = row.word("total_sum", |text| text.parse::<i128>().ok())?;
    let overrun = row.word("total_overrun", |text| text.parse::<i128>().ok())?;
    let charged = row.amount("charged")?;
    row.checked(RunningTotal::from_parts(den, sum, overrun, charged))
}

/// The state that a word means.
fn job_state(word: &str) -> Option<JobState> {
    JobState::ALL.into_iter().find(|state| state.as_str() == word)
}

/// What a job's watchers look at.
#[derive(Debug)]
pub(crate) struct JobStanding {
    pub(crate) id: JobId,
    pub(crate) tenant: TenantId,
    pub(crate) user: UserId,
    pub(crate) state: JobState,
}

impl Written for JobStanding {
    const NAME: &'static str = Job::NAME;
    const COLUMNS: &'static [ColumnOf<Self>] = &[
        key("id", Kind::Id, |job| job.id.as_uuid().into()),
        fixed("tenant", Kind::Text, |job| job.tenant.as_str().into()),
        fixed("user_id", Kind::Text, |job| job.user.as_str().into()),
        mutable("state", Kind::Text, |job| Cell::Word(job.state.as_str())),
    ];
}

impl Record for JobStanding {
    fn read(row: &mut Row) -> Result<Self, Corrupt> {
        Ok(Self {
            id: JobId::from_uuid(row.uuid("id")?),
            tenant: row.parsed("tenant")?,
            user: row.parsed("user_id")?,
            state: row.word("state", job_state)?,
        })
    }
}

/// A row type that has a task.
trait HasTask {
    fn task(&self) -> &Task;
}

impl HasTask for Task {
    fn task(&self) -> &Task {
        self
    }
}

impl HasTask for TaskWithWork {
    fn task(&self) -> &Task {
        &self.task
    }
}

/// How many columns a task has without what it is to do.
const TASK_COLUMNS: usize = 33;
/// How many of them are mirrors, which stand last.
const TASK_MIRRORS: usize = 5;

/// The columns of a task without what it is to do.
const fn task_columns<R: HasTask>() -> [ColumnOf<R>; TASK_COLUMNS] {
    [
        key("id", Kind::Id, |row| row.task().id.as_uuid().into()),
        fixed("job", Kind::Id, |row| row.task().job.as_uuid().into()),
        fixed("tenant", Kind::Text, |row| row.task().tenant.as_str().into()),
        fixed("user_id", Kind::Text, |row| row.task().user.as_str().into()),
        fixed("place", Kind::Int, |row| row.task().place.into()),
        fixed("routes", Kind::Text, |row| Cell::json(&row.task().routes)),
        fixed("only_key", Kind::Id, |row| row.task().only_key.map(KeyId::as_uuid).into()),
        fixed("quantities", Kind::Text, |row| Cell::json(&row.task().quantities)),
        fixed("weight", Kind::Int, |row| row.task().weight.into()),
        fixed("created_at", Kind::Int, |row| row.task().created_at.into()),
        mutable("state", Kind::Text, |row| {
            Cell::Word(match row.task().state {
                TaskState::Ready { .. } => "ready",
                TaskState::Delayed { .. } => "delayed",
                TaskState::Running { .. } => "running",
                TaskState::Done => "done",
                TaskState::Failed { .. } => "failed",
                TaskState::Cancelled => "cancelled",
            })
        }),
        mutable("pool", Kind::Id, |row| match &row.task().state {
            TaskState::Ready { pool, .. } | TaskState::Delayed { pool, .. } => pool.as_uuid().into(),
            _ => Cell::Null,
        }),
        mutable("tag", Kind::Int, |row| match &row.task().state {
            TaskState::Ready { tag, .. } => (*tag).into(),
            _ => Cell::Null,
        }),
        mutable("until", Kind::Int, |row| match &row.task().state {
            TaskState::Delayed { until, .. } => (*until).into(),
            _ => Cell::Null,
        }),
        mutable("attempt", Kind::Id, |row| match &row.task().state {
            TaskState::Running { attempt } => attempt.as_uuid().into(),
            _ => Cell::Null,
        }),
        mutable("error", Kind::Text, |row| match &row.task().state {
            TaskState::Failed { error } => Cell::json(error),
            _ => Cell::Null,
        }),
        mutable("planned", Kind::Int, |row| Cell::Int(row.task().planned.into())),
        mutable("cause", Kind::Text, |row| Cell::Word(row.task().cause.as_str())),
        mutable("reached", Kind::Int, |row| Cell::Int(row.task().reached.into())),
        mutable("attempts", Kind::Int, |row| Cell::Int(row.task().attempts.into())),
        mutable("reached_before", Kind::Int, |row| Cell::Int(row.task().reached_before.into())),
        mutable("attempts_before", Kind::Int, |row| Cell::Int(row.task().attempts_before.into())),
        mutable("tried", Kind::Bytes, |row| {
            Cell::Bytes(row.task().tried.iter().flat_map(|key| key.as_uuid().into_bytes()).collect())
        }),
        mutable("unfit_routes", Kind::Int, |row| Cell::unsigned(row.task().unfit_routes)),
        mutable("doubt", Kind::Text, |row| doubt_word(row.task().doubt)),
        mutable("credits_cost", Kind::Int, |row| row.task().charged.into()),
        mutable("refunded", Kind::Int, |row| row.task().refunded.into()),
        mutable("completed_at", Kind::Int, |row| row.task().finished_at.into()),
        mirror("status", Kind::Text, |row| mirrors::status(row.task())),
        mirror("assigned_to", Kind::Text, |row| row.task().planned_route().route().server.as_str().into()),
        mirror("service", Kind::Text, |row| row.task().planned_route().route().service.as_str().into()),
        mirror("api_key_id", Kind::Id, |row| row.task().tried.last().copied().map(KeyId::as_uuid).into()),
        mirror("output_data", Kind::Text, |row| mirrors::output_data(row.task())),
    ]
}

impl Written for Task {
    const NAME: &'static str = "kingcong_tasks";
    const COLUMNS: &'static [ColumnOf<Self>] = &task_columns();
}

impl Record for Task {
    fn read(row: &mut Row) -> Result<Self, Corrupt> {
        let id = TaskId::from_uuid(row.uuid("id")?);
        let job = JobId::from_uuid(row.uuid("job")?);
        let (tenant, user) = (row.parsed("tenant")?, row.parsed("user_id")?);
        let place = row.number("place")?;
        let routes: Arc<[TaskRoute]> = row.json("routes")?;
        let only_key = row.uuid_or_null("only_key")?.map(KeyId::from_uuid);
        let (quantities, weight) = (row.json("quantities")?, row.number("weight")?);
        let created_at = row.time("created_at")?;
        let state = read_task_state(row)?;
        let planned: u8 = row.number("planned")?;
        row.some(routes.get(usize::from(planned)))?;
        Ok(Self {
            id,
            job,
            tenant,
            user,
            place,
            state,
            routes,
            planned,
            cause: read_cause(row)?,
            only_key,
            quantities,
            weight,
            reached: row.number("reached")?,
            attempts: row.number("attempts")?,
            reached_before: row.number("reached_before")?,
            attempts_before: row.number("attempts_before")?,
            tried: {
                let tried = row.bytes("tried")?;
                let (tried, rest) = tried.as_chunks::<16>();
                row.some(rest.is_empty().then_some(()))?;
                tried.iter().map(|bytes| KeyId::from_uuid(Uuid::from_bytes(*bytes))).collect()
            },
            unfit_routes: row.int("unfit_routes")?.cast_unsigned(),
            doubt: read_doubt(row)?,
            charged: row.amount("credits_cost")?,
            refunded: row.amount("refunded")?,
            created_at,
            finished_at: row.time_or_null("completed_at")?,
        })
    }
}

fn read_task_state(row: &mut Row) -> Result<TaskState, Corrupt> {
    let word = row.text("state")?;
    let pool = row.uuid_or_null("pool")?.map(PoolId::from_uuid);
    let tag = row.int_or_null("tag")?;
    let until = row.time_or_null("until")?;
    let attempt = row.uuid_or_null("attempt")?.map(AttemptId::from_uuid);
    let error = row.text_or_null("error")?;
    let state = match (word.as_str(), pool, tag, until, attempt, error) {
        ("ready", Some(pool), Some(tag), None, None, None) => Some(TaskState::Ready { pool, tag }),
        ("delayed", Some(pool), None, Some(until), None, None) => Some(TaskState::Delayed { pool, until }),
        ("running", None, None, None, Some(attempt), None) => Some(TaskState::Running { attempt }),
        ("done", None, None, None, None, None) => Some(TaskState::Done),
        ("failed", None, None, None, None, Some(error)) => {
            serde_json::from_str(&error).ok().map(|error| TaskState::Failed { error })
        }
        ("cancelled", None, None, None, None, None) => Some(TaskState::Cancelled),
        _ => None,
    };
    row.some(state)
}

/// A hash, if there is one.
fn hash_cell(hash: Option<&[u8; 32]>) -> Cell {
    hash.map(<[u8; 32]>::as_slice).into()
}

fn read_operation(row: &mut Row) -> Result<Operation, Corrupt> {
    row.word("operation", |word| word.parse::<Operation>().ok())
}

fn read_unit(row: &mut Row) -> Result<Unit, Corrupt> {
    row.word("unit", |code| Unit::from_code(code).ok())
}

fn read_cause(row: &mut Row) -> Result<RouteCause, Corrupt> {
    row.word("cause", |word| RouteCause::ALL.into_iter().find(|cause| cause.as_str() == word))
}

fn doubt_word(doubt: Doubt) -> Cell {
    Cell::Word(match doubt {
        Doubt::None => "none",
        Doubt::PossibleDouble => "possible_double",
    })
}

fn read_doubt(row: &mut Row) -> Result<Doubt, Corrupt> {
    row.word("doubt", |word| match word {
        "none" => Some(Doubt::None),
        "possible_double" => Some(Doubt::PossibleDouble),
        _ => None,
    })
}

/// A task with what it is to do, as it is read.
#[derive(Debug)]
pub(crate) struct TaskWithWork {
    pub(crate) task: Task,
    pub(crate) work: Work,
}

impl Written for TaskWithWork {
    const NAME: &'static str = Task::NAME;
    const COLUMNS: &'static [ColumnOf<Self>] = &TASK_WITH_WORK_COLUMNS;
}

/// The columns of a task, and what it is to do: long, and read only where it is to be done.
const TASK_WITH_WORK_COLUMNS: [ColumnOf<TaskWithWork>; TASK_COLUMNS + 1] = {
    let input = mutable("input_data", Kind::Text, |row: &TaskWithWork| Cell::json(&row.work));
    let (of_task, mut columns) = (task_columns(), [input; TASK_COLUMNS + 1]);
    let mut place = 0;
    while place < TASK_COLUMNS {
        let is_mirror = place >= TASK_COLUMNS - TASK_MIRRORS;
        columns[if is_mirror { place + 1 } else { place }] = of_task[place];
        place += 1;
    }
    columns
};

impl Record for TaskWithWork {
    fn read(row: &mut Row) -> Result<Self, Corrupt> {
        Ok(Self { task: Task::read(row)?, work: row.json("input_data")? })
    }
}

/// A new task with what it is to do: [`TaskWithWork`] before anything is copied.
#[derive(Debug)]
pub(crate) struct NewTask<'a> {
    pub(crate) task: &'a Task,
    pub(crate) work: &'a Work,
}

impl NewTask<'_> {
    pub(crate) const TABLE: Table = TaskWithWork::TABLE;

    /// The cells of its table: a task's, with what it is to do before the mirrors.
    pub(crate) fn put(&self, cells: &mut Vec<Cell>) {
        self.task.put(Deed::Insert, cells);
        cells.insert(cells.len() - TASK_MIRRORS, Cell::json(self.work));
    }
}

impl Written for Attempt {
    const NAME: &'static str = "kingcong_attempts";
    const COLUMNS: &'static [ColumnOf<Self>] = &[
        key("id", Kind::Id, |attempt| attempt.id.as_uuid().into()),
        fixed("task_id", Kind::Id, |attempt| attempt.task.as_uuid().into()),
        fixed("job", Kind::Id, |attempt| attempt.job.as_uuid().into()),
        fixed("tenant", Kind::Text, |attempt| attempt.tenant.as_str().into()),
        fixed("user_id", Kind::Text, |attempt| attempt.user.as_str().into()),
        fixed("operation", Kind::Text, |attempt| Cell::Word(attempt.operation.as_str())),
        fixed("model", Kind::Text, |attempt| attempt.model.as_deref().into()),
        fixed("unit", Kind::Text, |attempt| Cell::Word(attempt.unit.code())),
        fixed("lane", Kind::Text, |attempt| Cell::Word(attempt.lane.as_str())),
        fixed("cause", Kind::Text, |attempt| Cell::Word(attempt.cause.as_str())),
        fixed("key_tenant", Kind::Text, |attempt| attempt.key_tenant().map(TenantId::as_str).into()),
        fixed("server", Kind::Text, |attempt| attempt.route.server.as_str().into()),
        fixed("service", Kind::Text, |attempt| attempt.route.service.as_str().into()),
        fixed("api_key_id", Kind::Id, |attempt| attempt.key.as_uuid().into()),
        fixed("account_limit", Kind::Id, |attempt| attempt.account_limit.map(LimitId::as_uuid).into()),
        fixed("egress_limit", Kind::Id, |attempt| attempt.egress_limit.map(LimitId::as_uuid).into()),
        fixed("leased_at", Kind::Int, |attempt| attempt.leased_at.into()),
        fixed("doubt", Kind::Text, |attempt| doubt_word(attempt.possible_double)),
        mutable("open_worker", Kind::Id, |attempt| attempt.worker.map(WorkerId::as_uuid).into()),
        mutable("state", Kind::Text, |attempt| Cell::Word(state_word(&attempt.state))),
        mutable("upstream_id", Kind::Text, |attempt| match &attempt.state {
            AttemptState::Accepted { upstream_id } => upstream_id.0.as_str().into(),
            _ => Cell::Null,
        }),
        mutable("unknown_until", Kind::Int, |attempt| match &attempt.state {
            AttemptState::Unknown { until } => (*until).into(),
            _ => Cell::Null,
        }),
        mutable("failure_kind", Kind::Text, |attempt| match &attempt.state {
            AttemptState::Ended(Ending::Failed { kind, .. }) => Cell::word_of(kind),
            _ => Cell::Null,
        }),
        mutable("failure_code", Kind::Text, |attempt| match &attempt.state {
            AttemptState::Ended(Ending::Failed { code, .. }) => code.as_deref().into(),
            _ => Cell::Null,
        }),
        mutable("failure_message", Kind::Text, |attempt| match &attempt.state {
            AttemptState::Ended(Ending::Failed { message, .. }) => message.as_str().into(),
            _ => Cell::Null,
        }),
        mutable("ended_at", Kind::Int, |attempt| attempt.ended_at.into()),
        mutable("cost", Kind::Int, |attempt| attempt.cost.map(UpstreamCredits::thousandths).into()),
        mutable("charged", Kind::Int, |attempt| attempt.charged.into()),
        mutable("over_hold", Kind::Int, |attempt| attempt.over_hold.into()),
        mutable("measured", Kind::Text, |attempt| {
            if attempt.measured == Measured::NOTHING { Cell::Null } else { Cell::json(&attempt.measured) }
        }),
        mutable("usage_check", Kind::Text, |attempt| Cell::word_of(&attempt.check)),
    ];
}

/// The word of an attempt's `state`.
const fn state_word(state: &AttemptState) -> &'static str {
    match state {
        AttemptState::Leased => "leased",
        AttemptState::Accepted { .. } => "accepted",
        AttemptState::Unknown { .. } => "unknown",
        AttemptState::Ended(Ending::Done) => "done",
        AttemptState::Ended(Ending::NotSent) => "not_sent",
        AttemptState::Ended(Ending::Failed { .. }) => "failed",
        AttemptState::Ended(Ending::Lost) => "lost",
    }
}

impl Record for Attempt {
    fn read(row: &mut Row) -> Result<Self, Corrupt> {
        let key_tenant = row.text_or_null("key_tenant")?;
        let attempt = Self {
            id: AttemptId::from_uuid(row.uuid("id")?),
            task: TaskId::from_uuid(row.uuid("task_id")?),
            job: JobId::from_uuid(row.uuid("job")?),
            tenant: row.parsed("tenant")?,
            user: row.parsed("user_id")?,
            operation: read_operation(row)?,
            model: row.text_or_null("model")?,
            unit: read_unit(row)?,
            lane: row.word("lane", |word| Lane::ALL.into_iter().find(|lane| lane.as_str() == word))?,
            cause: read_cause(row)?,
            route: read_route(row)?,
            key: KeyId::from_uuid(row.uuid("api_key_id")?),
            account_limit: row.uuid_or_null("account_limit")?.map(LimitId::from_uuid),
            egress_limit: row.uuid_or_null("egress_limit")?.map(LimitId::from_uuid),
            leased_at: row.time("leased_at")?,
            possible_double: read_doubt(row)?,
            worker: row.uuid_or_null("open_worker")?.map(WorkerId::from_uuid),
            state: read_attempt_state(row)?,
            ended_at: row.time_or_null("ended_at")?,
            cost: row.int_or_null("cost")?.map(UpstreamCredits::from_thousandths),
            charged: row.amount("charged")?,
            over_hold: row.amount("over_hold")?,
            measured: row.json_or_null("measured")?.unwrap_or_default(),
            check: row.word("usage_check", |word| serde_json::from_value(word.into()).ok())?,
        };
        let is_owners = attempt.key_tenant().map(TenantId::as_str) == key_tenant.as_deref();
        row.some(is_owners.then_some(attempt))
    }
}

fn read_attempt_state(row: &mut Row) -> Result<AttemptState, Corrupt> {
    let word = row.text("state")?;
    let upstream_id = row.text_or_null("upstream_id")?.map(UpstreamId);
    let until = row.time_or_null("unknown_until")?;
    let kind = row.text_or_null("failure_kind")?;
    let (code, message) = (row.text_or_null("failure_code")?, row.text_or_null("failure_message")?);
    let state = match (word.as_str(), upstream_id, until) {
        ("leased", ..) => Some(AttemptState::Leased),
        ("accepted", Some(upstream_id), _) => Some(AttemptState::Accepted { upstream_id }),
        ("unknown", _, Some(until)) => Some(AttemptState::Unknown { until }),
        ("done", ..) => Some(AttemptState::Ended(Ending::Done)),
        ("not_sent", ..) => Some(AttemptState::Ended(Ending::NotSent)),
        ("failed", ..) => kind.zip(message).and_then(|(kind, message)| {
            let kind = serde_json::from_value(serde_json::Value::String(kind)).ok()?;
            Some(AttemptState::Ended(Ending::Failed { kind, code, message }))
        }),
        ("lost", ..) => Some(AttemptState::Ended(Ending::Lost)),
        _ => None,
    };
    row.some(state)
}
