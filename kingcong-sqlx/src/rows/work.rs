//! Jobs, tasks and attempts.

use std::sync::Arc;

use kingcong_core::{
    id::{AttemptId, HoldId, JobId, KeyId, LimitId, TaskId, TenantId, WalletId, WorkerId},
    keys::PoolId,
    money::{RunningTotal, Unit},
    operation::Operation,
    upstream::{UpstreamCredits, UpstreamId},
    work::{
        Attempt, AttemptState, Doubt, Ending, Job, JobState, Lane, Layout, RouteCause, Task, TaskRoute,
        TaskState, Work,
    },
};
use uuid::Uuid;

use super::{put_route, read_route};
use crate::{
    cell::{Cell, Corrupt, Row},
    table::{Record, Table},
};

impl Record for Job {
    const TABLE: Table = Table {
        name: "kingcong_jobs",
        key: 1,
        fixed: &[
            "id",
            "tenant",
            "user_id",
            "operation",
            "service",
            "model",
            "unit",
            "wallet",
            "hold",
            "tasks",
            "total_den",
            "idempotency",
            "created_at",
        ],
        mutable: &[
            "held",
            "retries",
            "retried_under",
            "state",
            "open_tasks",
            "failed_tasks",
            "layout",
            "total_sum",
            "total_overrun",
            "charged",
            "deadline",
            "finished_at",
            "archived_attempts",
        ],
        mirrors: &[],
    };

    fn fixed(&self, cells: &mut Vec<Cell>) {
        cells.extend([
            self.id.as_uuid().into(),
            self.tenant.as_str().into(),
            self.user.as_str().into(),
            Cell::Word(self.operation.as_str()),
            self.service.as_str().into(),
            self.model.as_deref().into(),
            Cell::Word(self.unit.code()),
            self.wallet.as_uuid().into(),
            self.hold.as_uuid().into(),
            self.tasks.into(),
            self.total.den().into(),
            self.idempotency.as_ref().map(<[u8; 32]>::as_slice).into(),
            self.created_at.into(),
        ]);
    }

    fn mutable(&self, cells: &mut Vec<Cell>) {
        cells.extend([
            self.held.into(),
            self.retries.into(),
            self.retried_under.as_ref().map(<[u8; 32]>::as_slice).into(),
            Cell::Word(self.state.as_str()),
            self.open_tasks.into(),
            self.failed_tasks.into(),
            self.layout.map_or(Cell::Null, |layout| Cell::json(&layout)),
            Cell::Text(self.total.sum().to_string()),
            Cell::Text(self.total.overrun().to_string()),
            self.total.charged().into(),
            self.deadline.into(),
            self.finished_at.into(),
            self.archived_attempts.into(),
        ]);
    }

    fn read(row: &mut Row) -> Result<Self, Corrupt> {
        let id = JobId::from_uuid(row.uuid()?);
        let (tenant, user) = (row.parsed()?, row.parsed()?);
        let operation = row.word(|word| word.parse::<Operation>().ok())?;
        let service = row.parsed()?;
        let (model, unit) = (row.text_or_null()?, read_unit(row)?);
        let wallet = WalletId::from_uuid(row.uuid()?);
        let hold = HoldId::from_uuid(row.uuid()?);
        let (tasks, den) = (row.number()?, row.int()?);
        let (idempotency, created_at) = (row.array_or_null()?, row.time()?);
        let (held, retries, retried_under) = (row.amount()?, row.number()?, row.array_or_null()?);
        let state = row.word(|word| JobState::ALL.into_iter().find(|state| state.as_str() == word))?;
        let (open_tasks, failed_tasks) = (row.number()?, row.number()?);
        let layout = row.text_or_null()?;
        let layout =
            layout.map(|layout| row.some(serde_json::from_str::<Layout>(&layout).ok())).transpose()?;
        let sum = row.word(|text| text.parse::<i128>().ok())?;
        let overrun = row.word(|text| text.parse::<i128>().ok())?;
        let charged = row.amount()?;
        let total = row.checked(RunningTotal::from_parts(den, sum, overrun, charged))?;
        Ok(Self {
            id,
            tenant,
            user,
            operation,
            service,
            model,
            unit,
            wallet,
            hold,
            held,
            idempotency,
            retries,
            retried_under,
            tasks,
            open_tasks,
            failed_tasks,
            layout,
            total,
            state,
            deadline: row.time()?,
            created_at,
            finished_at: row.time_or_null()?,
            archived_attempts: row.number()?,
        })
    }
}

/// The column of what a task is to do: long, and read only where it is to be done.
const INPUT: &str = "input_data";

const TASK_FIXED: &[&str] =
    &["id", "job", "tenant", "user_id", "place", "routes", "only_key", "characters", "weight", "created_at"];
const TASK_MUTABLE: &[&str] = &[
    "state",
    "pool",
    "tag",
    "until",
    "attempt",
    "error",
    "planned",
    "cause",
    "reached",
    "attempts",
    "reached_before",
    "attempts_before",
    "tried",
    "unfit_routes",
    "doubt",
    "credits_cost",
    "refunded",
    "completed_at",
];

impl Record for Task {
    const TABLE: Table =
        Table { name: "kingcong_tasks", key: 1, fixed: TASK_FIXED, mutable: TASK_MUTABLE, mirrors: &[] };

    fn fixed(&self, cells: &mut Vec<Cell>) {
        cells.extend([
            self.id.as_uuid().into(),
            self.job.as_uuid().into(),
            self.tenant.as_str().into(),
            self.user.as_str().into(),
            self.place.into(),
            Cell::json(&self.routes),
            self.only_key.map(KeyId::as_uuid).into(),
            self.characters.into(),
            self.weight.into(),
            self.created_at.into(),
        ]);
    }

    fn mutable(&self, cells: &mut Vec<Cell>) {
        let (mut pool, mut tag, mut until, mut attempt, mut error) = (None, None, None, None, Cell::Null);
        let state = match &self.state {
            TaskState::Ready { pool: waits_in, tag: place } => {
                (pool, tag) = (Some(waits_in.as_uuid()), Some(*place));
                "ready"
            }
            TaskState::Delayed { pool: waits_in, until: instant } => {
                (pool, until) = (Some(waits_in.as_uuid()), Some(*instant));
                "delayed"
            }
            TaskState::Running { attempt: by } => {
                attempt = Some(by.as_uuid());
                "running"
            }
            TaskState::Done => "done",
            TaskState::Failed { error: why } => {
                error = Cell::json(why);
                "failed"
            }
            TaskState::Cancelled => "cancelled",
        };
        let tried = self.tried.iter().flat_map(|key| key.as_uuid().into_bytes()).collect();
        cells.extend([
            Cell::Word(state),
            pool.into(),
            tag.into(),
            until.into(),
            attempt.into(),
            error,
            Cell::Int(self.planned.into()),
            Cell::Word(self.cause.as_str()),
            Cell::Int(self.reached.into()),
            Cell::Int(self.attempts.into()),
            Cell::Int(self.reached_before.into()),
            Cell::Int(self.attempts_before.into()),
            Cell::Bytes(tried),
            Cell::unsigned(self.unfit_routes),
            doubt_word(self.doubt),
            self.charged.into(),
            self.refunded.into(),
            self.finished_at.into(),
        ]);
    }

    fn read(row: &mut Row) -> Result<Self, Corrupt> {
        let id = TaskId::from_uuid(row.uuid()?);
        let job = JobId::from_uuid(row.uuid()?);
        let (tenant, user, place) = (row.parsed()?, row.parsed()?, row.number()?);
        let routes: Arc<[TaskRoute]> = row.json()?;
        let only_key = row.uuid_or_null()?.map(KeyId::from_uuid);
        let (characters, weight, created_at) = (row.number()?, row.number()?, row.time()?);
        let state = read_task_state(row)?;
        let planned: u8 = row.number()?;
        row.some(routes.get(usize::from(planned)))?;
        let cause = read_cause(row)?;
        let (reached, attempts) = (row.number()?, row.number()?);
        let (reached_before, attempts_before) = (row.number()?, row.number()?);
        let tried = row.bytes()?;
        let (tried, rest) = tried.as_chunks::<16>();
        row.some(rest.is_empty().then_some(()))?;
        let tried = tried.iter().map(|bytes| KeyId::from_uuid(Uuid::from_bytes(*bytes))).collect();
        Ok(Self {
            id,
            job,
            tenant,
            user,
            place,
            state,
            routes,
            planned,
            cause,
            only_key,
            characters,
            weight,
            reached,
            attempts,
            reached_before,
            attempts_before,
            tried,
            unfit_routes: row.int()?.cast_unsigned(),
            doubt: read_doubt(row)?,
            charged: row.amount()?,
            refunded: row.amount()?,
            created_at,
            finished_at: row.time_or_null()?,
        })
    }
}

fn read_task_state(row: &mut Row) -> Result<TaskState, Corrupt> {
    let word = row.text()?;
    let pool = row.uuid_or_null()?.map(PoolId::from_uuid);
    let tag = row.int_or_null()?;
    let until = row.time_or_null()?;
    let attempt = row.uuid_or_null()?.map(AttemptId::from_uuid);
    let error = row.text_or_null()?;
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

fn read_unit(row: &mut Row) -> Result<Unit, Corrupt> {
    row.word(|code| Unit::from_code(code).ok())
}

fn read_cause(row: &mut Row) -> Result<RouteCause, Corrupt> {
    row.word(|word| RouteCause::ALL.into_iter().find(|cause| cause.as_str() == word))
}

fn doubt_word(doubt: Doubt) -> Cell {
    Cell::Word(match doubt {
        Doubt::None => "none",
        Doubt::PossibleDouble => "possible_double",
    })
}

fn read_doubt(row: &mut Row) -> Result<Doubt, Corrupt> {
    row.word(|word| match word {
        "none" => Some(Doubt::None),
        "possible_double" => Some(Doubt::PossibleDouble),
        _ => None,
    })
}

/// A new task with what it is to do.
#[derive(Debug)]
pub(crate) struct NewTask<'a> {
    pub(crate) task: &'a Task,
    pub(crate) work: &'a Work,
}

impl NewTask<'_> {
    pub(crate) const TABLE: Table = TaskWithWork::TABLE;

    /// The cells of its table, in order.
    pub(crate) fn cells(&self, cells: &mut Vec<Cell>) {
        self.task.fixed(cells);
        self.task.mutable(cells);
        cells.push(Cell::json(self.work));
    }
}

/// A task with what it is to do, as it is read.
#[derive(Debug)]
pub(crate) struct TaskWithWork {
    pub(crate) task: Task,
    pub(crate) work: Work,
}

impl Record for TaskWithWork {
    const TABLE: Table = Table {
        name: "kingcong_tasks",
        key: 1,
        fixed: TASK_FIXED,
        mutable: &TASK_MUTABLE_AND_INPUT,
        mirrors: &[],
    };

    fn fixed(&self, cells: &mut Vec<Cell>) {
        self.task.fixed(cells);
    }

    fn mutable(&self, cells: &mut Vec<Cell>) {
        self.task.mutable(cells);
        cells.push(Cell::json(&self.work));
    }

    fn read(row: &mut Row) -> Result<Self, Corrupt> {
        Ok(Self { task: Task::read(row)?, work: row.json()? })
    }
}

const TASK_MUTABLE_AND_INPUT: [&str; TASK_MUTABLE.len() + 1] = {
    let mut columns = [INPUT; TASK_MUTABLE.len() + 1];
    let mut place = 0;
    while place < TASK_MUTABLE.len() {
        columns[place] = TASK_MUTABLE[place];
        place += 1;
    }
    columns
};

impl Record for Attempt {
    const TABLE: Table = Table {
        name: "kingcong_attempts",
        key: 1,
        fixed: &[
            "id",
            "task_id",
            "job",
            "tenant",
            "user_id",
            "operation",
            "model",
            "unit",
            "lane",
            "cause",
            "key_tenant",
            "server",
            "service",
            "api_key_id",
            "account_limit",
            "egress_limit",
            "leased_at",
            "doubt",
        ],
        mutable: &[
            "open_worker",
            "state",
            "upstream_id",
            "unknown_until",
            "failure_kind",
            "failure_code",
            "failure_message",
            "ended_at",
            "cost",
            "charged",
            "over_hold",
            "measured",
        ],
        mirrors: &[],
    };

    fn fixed(&self, cells: &mut Vec<Cell>) {
        cells.extend([
            self.id.as_uuid().into(),
            self.task.as_uuid().into(),
            self.job.as_uuid().into(),
            self.tenant.as_str().into(),
            self.user.as_str().into(),
            Cell::Word(self.operation.as_str()),
            self.model.as_deref().into(),
            Cell::Word(self.unit.code()),
            Cell::Word(self.lane.as_str()),
            Cell::Word(self.cause.as_str()),
            self.key_tenant().map(TenantId::as_str).into(),
        ]);
        put_route(&self.route, cells);
        cells.extend([
            self.key.as_uuid().into(),
            self.account_limit.map(LimitId::as_uuid).into(),
            self.egress_limit.map(LimitId::as_uuid).into(),
            self.leased_at.into(),
            doubt_word(self.possible_double),
        ]);
    }

    fn mutable(&self, cells: &mut Vec<Cell>) {
        let (mut upstream, mut until) = (None, None);
        let (mut kind, mut code, mut message) = (Cell::Null, None, None);
        let state = match &self.state {
            AttemptState::Leased => "leased",
            AttemptState::Accepted { upstream_id } => {
                upstream = Some(upstream_id.0.as_str());
                "accepted"
            }
            AttemptState::Unknown { until: instant } => {
                until = Some(*instant);
                "unknown"
            }
            AttemptState::Ended(Ending::Done) => "done",
            AttemptState::Ended(Ending::NotSent) => "not_sent",
            AttemptState::Ended(Ending::Failed { kind: of, code: word, message: text }) => {
                (kind, code, message) = (Cell::word_of(of), word.as_deref(), Some(text.as_str()));
                "failed"
            }
            AttemptState::Ended(Ending::Lost) => "lost",
        };
        cells.extend([
            self.worker.map(WorkerId::as_uuid).into(),
            Cell::Word(state),
            upstream.into(),
            until.into(),
            kind,
            code.into(),
            message.into(),
            self.ended_at.into(),
            self.cost.map(UpstreamCredits::thousandths).into(),
            self.charged.into(),
            self.over_hold.into(),
            if self.measured.is_empty() { Cell::Null } else { Cell::json(&self.measured) },
        ]);
    }

    fn read(row: &mut Row) -> Result<Self, Corrupt> {
        let id = AttemptId::from_uuid(row.uuid()?);
        let task = TaskId::from_uuid(row.uuid()?);
        let job = JobId::from_uuid(row.uuid()?);
        let (tenant, user) = (row.parsed()?, row.parsed()?);
        let operation = row.word(|word| word.parse::<Operation>().ok())?;
        let (model, unit) = (row.text_or_null()?, read_unit(row)?);
        let lane = row.word(|word| Lane::ALL.into_iter().find(|lane| lane.as_str() == word))?;
        let cause = read_cause(row)?;
        let key_tenant = row.text_or_null()?;
        let route = read_route(row)?;
        let key = KeyId::from_uuid(row.uuid()?);
        let account_limit = row.uuid_or_null()?.map(LimitId::from_uuid);
        let egress_limit = row.uuid_or_null()?.map(LimitId::from_uuid);
        let leased_at = row.time()?;
        let possible_double = read_doubt(row)?;
        let worker = row.uuid_or_null()?.map(WorkerId::from_uuid);
        let state = read_attempt_state(row)?;
        let attempt = Self {
            id,
            task,
            job,
            tenant,
            user,
            operation,
            model,
            unit,
            lane,
            cause,
            route,
            key,
            account_limit,
            egress_limit,
            worker,
            state,
            leased_at,
            ended_at: row.time_or_null()?,
            cost: row.int_or_null()?.map(UpstreamCredits::from_thousandths),
            charged: row.amount()?,
            over_hold: row.amount()?,
            measured: row.json_or_null()?.unwrap_or_default(),
            possible_double,
        };
        let is_owners = attempt.key_tenant().map(TenantId::as_str) == key_tenant.as_deref();
        row.some(is_owners.then_some(attempt))
    }
}

fn read_attempt_state(row: &mut Row) -> Result<AttemptState, Corrupt> {
    let word = row.text()?;
    let upstream_id = row.text_or_null()?.map(UpstreamId);
    let until = row.time_or_null()?;
    let kind = row.text_or_null()?;
    let (code, message) = (row.text_or_null()?, row.text_or_null()?);
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
