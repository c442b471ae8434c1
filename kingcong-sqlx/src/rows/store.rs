//! Rows that belong to the store itself: workers, idempotency keys, splits, results, voices, audit, duties.

use std::time::Duration;

use kingcong_core::{
    access::RoleName,
    id::{Actor, AttemptId, AuditId, KeyId, ServiceId, TaskId, TenantId, VoiceId, WorkerId},
    keys::Rules,
    routing::SplitId,
    store::{
        AuditEntry, AuditOutcome, DutyRow, IdempotencyRow, LateAnswer, Life, OutputRow, StoredOutput,
        VoiceRow, Worker,
    },
    upstream::{UpstreamCredits, UpstreamId},
    work::{Body, Made},
};

use super::read_route;
use crate::{
    cell::{Cell, Corrupt, Row},
    table::{ColumnOf, Kind, Record, Written, fixed, key, mutable},
};

impl Written for Worker {
    const NAME: &'static str = "kingcong_workers";
    const COLUMNS: &'static [ColumnOf<Self>] = &[
        key("id", Kind::Id, |worker| worker.id.as_uuid().into()),
        fixed("dead_after", Kind::Int, |worker| worker.dead_after.into()),
        mutable("batch_no", Kind::Int, |worker| worker.batch.into()),
        mutable("beat", Kind::Int, |worker| worker.beat.into()),
        mutable("life", Kind::Text, |worker| Cell::Word(worker.life.as_str())),
    ];
}

impl Record for Worker {
    fn read(row: &mut Row) -> Result<Self, Corrupt> {
        Ok(Self {
            id: WorkerId::from_uuid(row.uuid("id")?),
            dead_after: read_length(row, "dead_after")?,
            batch: row.int("batch_no")?,
            beat: row.time("beat")?,
            life: row.word("life", life)?,
        })
    }
}

/// The life that a word means.
pub(crate) fn life(word: &str) -> Option<Life> {
    Life::ALL.into_iter().find(|life| life.as_str() == word)
}

/// A length of time in microseconds.
pub(crate) fn read_length(row: &mut Row, name: &'static str) -> Result<Duration, Corrupt> {
    row.number(name).map(Duration::from_micros)
}

/// The key of a table's only row.
pub(crate) const ONLY_ROW: i64 = 1;

impl Written for Rules {
    const NAME: &'static str = "kingcong_rules";
    const COLUMNS: &'static [ColumnOf<Self>] = &[
        key("id", Kind::Int, |_| ONLY_ROW.into()),
        fixed("window_length", Kind::Int, |rules| rules.window.into()),
        fixed("guard", Kind::Int, |rules| rules.guard.into()),
        fixed("call_max", Kind::Int, |rules| rules.call_max.into()),
    ];
}

impl Record for Rules {
    fn read(row: &mut Row) -> Result<Self, Corrupt> {
        Ok(Self {
            window: read_length(row, "window_length")?,
            guard: read_length(row, "guard")?,
            call_max: read_length(row, "call_max")?,
        })
    }
}

impl Written for IdempotencyRow {
    const NAME: &'static str = "kingcong_idempotency";
    const COLUMNS: &'static [ColumnOf<Self>] = &[
        key("id", Kind::Bytes, |row| row.key.as_slice().into()),
        fixed("payload", Kind::Bytes, |row| row.payload.as_slice().into()),
        fixed("answer", Kind::Text, |row| Cell::json(&row.answer)),
        fixed("created_at", Kind::Int, |row| row.at.into()),
    ];
}

impl Record for IdempotencyRow {
    fn read(row: &mut Row) -> Result<Self, Corrupt> {
        Ok(Self {
            key: row.array("id")?,
            payload: row.array("payload")?,
            answer: row.json("answer")?,
            at: row.time("created_at")?,
        })
    }
}

/// How far a split is, without what it is over: the loader knows that.
#[derive(Debug)]
pub(crate) struct SplitState {
    pub(crate) id: SplitId,
    pub(crate) service: ServiceId,
    pub(crate) carry: Vec<i64>,
}

impl Written for SplitState {
    const NAME: &'static str = "kingcong_splits";
    const COLUMNS: &'static [ColumnOf<Self>] = &[
        key("id", Kind::Id, |split| Cell::Id(*split.id.as_bytes())),
        fixed("service", Kind::Text, |split| split.service.as_str().into()),
        mutable("carry", Kind::Text, |split| Cell::json(&split.carry)),
    ];
}

impl Record for SplitState {
    fn read(row: &mut Row) -> Result<Self, Corrupt> {
        Ok(Self {
            id: SplitId::from_bytes(row.array("id")?),
            service: row.parsed("service")?,
            carry: row.json("carry")?,
        })
    }
}

impl Written for OutputRow {
    const NAME: &'static str = "kingcong_outputs";
    const COLUMNS: &'static [ColumnOf<Self>] = &[
        key("task", Kind::Id, |row| row.task.as_uuid().into()),
        fixed("made", Kind::Text, |row| Cell::json(&row.output.made)),
        fixed("text", Kind::Text, |row| row.output.text.as_deref().into()),
        fixed("path", Kind::Text, |row| match &row.output.body {
            // Paths are bytes on some systems; ours are made by the library from UTF-8.
            Some(Body::File { path, .. }) => Cell::Text(path.to_string_lossy().into_owned()),
            Some(Body::Memory(_)) | None => Cell::Null,
        }),
        fixed("bytes", Kind::Int, |row| match &row.output.body {
            Some(Body::Memory(bytes)) => Cell::unsigned(bytes.len() as u64),
            Some(Body::File { bytes, .. }) => Cell::unsigned(*bytes),
            None => Cell::Null,
        }),
        fixed("body", Kind::Bytes, |row| match &row.output.body {
            Some(Body::Memory(bytes)) => Cell::Bytes(bytes.to_vec()),
            Some(Body::File { .. }) | None => Cell::Null,
        }),
    ];
}

impl Record for OutputRow {
    fn read(row: &mut Row) -> Result<Self, Corrupt> {
        let task = TaskId::from_uuid(row.uuid("task")?);
        let made: Made = row.json("made")?;
        let text = row.text_or_null("text")?;
        let (path, bytes) = (row.text_or_null("path")?, row.unsigned_or_null("bytes")?);
        let body = match (path, bytes, row.bytes_or_null("body")?) {
            (None, Some(bytes), Some(body)) if body.len() as u64 == bytes => {
                Some(Some(Body::Memory(body.into())))
            }
            (Some(path), Some(bytes), None) => Some(Some(Body::File { path: path.into(), bytes })),
            (None, None, None) => Some(None),
            _ => None,
        };
        let output = body.and_then(|body| StoredOutput::of(made, body, text));
        Ok(Self { task, output: row.some(output)? })
    }
}

impl Written for VoiceRow {
    const NAME: &'static str = "kingcong_voices";
    const COLUMNS: &'static [ColumnOf<Self>] = &[
        key("id", Kind::Id, |voice| voice.id.as_uuid().into()),
        fixed("tenant", Kind::Text, |voice| voice.tenant.as_str().into()),
        fixed("user_id", Kind::Text, |voice| voice.user.as_str().into()),
        fixed("api_key_id", Kind::Id, |voice| voice.key.as_uuid().into()),
        fixed("server", Kind::Text, |voice| voice.route.server.as_str().into()),
        fixed("service", Kind::Text, |voice| voice.route.service.as_str().into()),
        fixed("upstream_voice", Kind::Text, |voice| voice.upstream_voice.as_str().into()),
        fixed("name", Kind::Text, |voice| voice.name.as_str().into()),
        fixed("created_at", Kind::Int, |voice| voice.created_at.into()),
    ];
}

impl Record for VoiceRow {
    fn read(row: &mut Row) -> Result<Self, Corrupt> {
        Ok(Self {
            id: VoiceId::from_uuid(row.uuid("id")?),
            tenant: row.parsed("tenant")?,
            user: row.parsed("user_id")?,
            key: KeyId::from_uuid(row.uuid("api_key_id")?),
            route: read_route(row)?,
            upstream_voice: row.text("upstream_voice")?,
            name: row.text("name")?,
            created_at: row.time("created_at")?,
        })
    }
}

impl Written for LateAnswer {
    const NAME: &'static str = "kingcong_late_answers";
    const COLUMNS: &'static [ColumnOf<Self>] = &[
        key("attempt", Kind::Id, |late| late.attempt.as_uuid().into()),
        fixed("upstream_id", Kind::Text, |late| late.upstream_id.as_ref().map(|id| id.0.as_str()).into()),
        fixed("cost", Kind::Int, |late| late.cost.map(UpstreamCredits::thousandths).into()),
    ];
}

impl Record for LateAnswer {
    fn read(row: &mut Row) -> Result<Self, Corrupt> {
        Ok(Self {
            attempt: AttemptId::from_uuid(row.uuid("attempt")?),
            upstream_id: row.text_or_null("upstream_id")?.map(UpstreamId),
            cost: row.int_or_null("cost")?.map(UpstreamCredits::from_thousandths),
        })
    }
}

impl Written for AuditEntry {
    const NAME: &'static str = "kingcong_audit";
    const COLUMNS: &'static [ColumnOf<Self>] = &[
        key("id", Kind::Id, |entry| entry.id.as_uuid().into()),
        fixed("tenant", Kind::Text, |entry| entry.tenant.as_ref().map(TenantId::as_str).into()),
        fixed("actor", Kind::Text, |entry| entry.actor.as_str().into()),
        fixed("role", Kind::Text, |entry| Cell::Word(entry.role.as_str())),
        fixed("door", Kind::Text, |entry| entry.door.as_str().into()),
        fixed("target", Kind::Text, |entry| entry.target.as_deref().into()),
        fixed("outcome", Kind::Text, |entry| Cell::Word(entry.outcome.as_str())),
        fixed("detail", Kind::Text, |entry| entry.detail.as_str().into()),
        fixed("created_at", Kind::Int, |entry| entry.at.into()),
    ];
}

impl Record for AuditEntry {
    fn read(row: &mut Row) -> Result<Self, Corrupt> {
        Ok(Self {
            id: AuditId::from_uuid(row.uuid("id")?),
            tenant: row.parsed_or_null::<TenantId>("tenant")?,
            actor: row.parsed::<Actor>("actor")?,
            role: row.word("role", |word| word.parse::<RoleName>().ok())?,
            door: row.text("door")?,
            target: row.text_or_null("target")?,
            outcome: row.word("outcome", |word| {
                AuditOutcome::ALL.into_iter().find(|outcome| outcome.as_str() == word)
            })?,
            detail: row.text("detail")?,
            at: row.time("created_at")?,
        })
    }
}

impl Written for DutyRow {
    const NAME: &'static str = "kingcong_monitors";
    const COLUMNS: &'static [ColumnOf<Self>] = &[
        key("name", Kind::Text, |duty| duty.name.as_str().into()),
        mutable("next_at", Kind::Int, |duty| duty.next_at.into()),
    ];
}

impl Record for DutyRow {
    fn read(row: &mut Row) -> Result<Self, Corrupt> {
        Ok(Self { name: row.text("name")?, next_at: row.time("next_at")? })
    }
}
