//! Rows that belong to the store itself: workers, idempotency keys, splits, results, voices, audit, duties.

use std::time::Duration;

use kingcong_core::{
    access::RoleName,
    clock::Timestamp,
    id::{Actor, AttemptId, AuditId, KeyId, ServiceId, TaskId, TenantId, VoiceId, WorkerId},
    keys::Rules,
    routing::SplitId,
    store::{
        AuditEntry, AuditOutcome, IdempotencyRow, LateAnswer, Life, OutputRow, StoredOutput, VoiceRow, Worker,
    },
    upstream::{UpstreamCredits, UpstreamId},
    work::{Body, Sound},
};

use super::{put_route, read_route};
use crate::{
    cell::{Cell, Corrupt, Row},
    table::{Record, Table},
};

impl Record for Worker {
    const TABLE: Table = Table {
        name: "kingcong_workers",
        key: 1,
        fixed: &["id", "dead_after"],
        mutable: &["batch_no", "beat", "life"],
        mirrors: &[],
    };

    fn fixed(&self, cells: &mut Vec<Cell>) {
        cells.extend([self.id.as_uuid().into(), self.dead_after.into()]);
    }

    fn mutable(&self, cells: &mut Vec<Cell>) {
        cells.extend([self.batch.into(), self.beat.into(), Cell::Word(self.life.as_str())]);
    }

    fn read(row: &mut Row) -> Result<Self, Corrupt> {
        Ok(Self {
            id: WorkerId::from_uuid(row.uuid()?),
            dead_after: Duration::from_micros(row.number()?),
            batch: row.int()?,
            beat: row.time()?,
            life: read_life(row)?,
        })
    }
}

/// The key of a table's only row.
pub(crate) const ONLY_ROW: i64 = 1;

impl Record for Rules {
    const TABLE: Table = Table {
        name: "kingcong_rules",
        key: 1,
        fixed: &["id", "window_length", "guard", "call_max"],
        mutable: &[],
        mirrors: &[],
    };

    fn fixed(&self, cells: &mut Vec<Cell>) {
        cells.extend([ONLY_ROW.into(), self.window.into(), self.guard.into(), self.call_max.into()]);
    }

    fn read(row: &mut Row) -> Result<Self, Corrupt> {
        row.int()?;
        let mut length = || row.number().map(Duration::from_micros);
        Ok(Self { window: length()?, guard: length()?, call_max: length()? })
    }
}

pub(crate) fn read_life(row: &mut Row) -> Result<Life, Corrupt> {
    row.word(|word| Life::ALL.into_iter().find(|life| life.as_str() == word))
}

impl Record for IdempotencyRow {
    const TABLE: Table = Table {
        name: "kingcong_idempotency",
        key: 1,
        fixed: &["id", "payload", "answer", "created_at"],
        mutable: &[],
        mirrors: &[],
    };

    fn fixed(&self, cells: &mut Vec<Cell>) {
        cells.extend([
            self.key.as_slice().into(),
            self.payload.as_slice().into(),
            Cell::json(&self.answer),
            self.at.into(),
        ]);
    }

    fn read(row: &mut Row) -> Result<Self, Corrupt> {
        Ok(Self { key: row.array()?, payload: row.array()?, answer: row.json()?, at: row.time()? })
    }
}

/// How far a split is, without what it is over: the loader knows that.
#[derive(Debug)]
pub(crate) struct SplitState {
    pub(crate) id: SplitId,
    pub(crate) service: ServiceId,
    pub(crate) carry: Vec<i64>,
}

impl Record for SplitState {
    const TABLE: Table = Table {
        name: "kingcong_splits",
        key: 1,
        fixed: &["id", "service"],
        mutable: &["carry"],
        mirrors: &[],
    };

    fn fixed(&self, cells: &mut Vec<Cell>) {
        cells.extend([Cell::Id(*self.id.as_bytes()), self.service.as_str().into()]);
    }

    fn mutable(&self, cells: &mut Vec<Cell>) {
        cells.push(Cell::json(&self.carry));
    }

    fn read(row: &mut Row) -> Result<Self, Corrupt> {
        Ok(Self { id: SplitId::from_bytes(row.array()?), service: row.parsed()?, carry: row.json()? })
    }
}

impl Record for OutputRow {
    const TABLE: Table = Table {
        name: "kingcong_outputs",
        key: 1,
        fixed: &["task", "kind", "sound", "srt", "path", "bytes", "voice", "upstream_voice", "name", "body"],
        mutable: &[],
        mirrors: &[],
    };

    fn fixed(&self, cells: &mut Vec<Cell>) {
        cells.push(self.task.as_uuid().into());
        match &self.output {
            StoredOutput::Audio { body, sound, srt } => {
                let (kind, path, length, bytes) = match body {
                    Body::Memory(bytes) => {
                        let length = Cell::unsigned(bytes.len() as u64);
                        ("audio", Cell::Null, length, Cell::Bytes(bytes.to_vec()))
                    }
                    Body::File { path, bytes } => {
                        // Paths are bytes on some systems; ours are made by the library from UTF-8.
                        let path = Cell::Text(path.to_string_lossy().into_owned());
                        ("audio_file", path, Cell::unsigned(*bytes), Cell::Null)
                    }
                };
                cells.extend([Cell::Word(kind), Cell::json(sound), srt.as_deref().into(), path, length]);
                cells.extend([Cell::Null, Cell::Null, Cell::Null, bytes]);
            }
            StoredOutput::Voice { id, upstream_voice, name } => {
                cells.extend([Cell::Word("voice"), Cell::Null, Cell::Null, Cell::Null, Cell::Null]);
                cells.extend([
                    id.as_uuid().into(),
                    upstream_voice.as_str().into(),
                    name.as_str().into(),
                    Cell::Null,
                ]);
            }
        }
    }

    fn read(row: &mut Row) -> Result<Self, Corrupt> {
        let task = TaskId::from_uuid(row.uuid()?);
        let kind = row.text()?;
        let (sound, srt) = (row.text_or_null()?, row.text_or_null()?);
        let sound = sound.map(|sound| row.some(serde_json::from_str::<Sound>(&sound).ok())).transpose()?;
        let (path, bytes) = (row.text_or_null()?, row.unsigned_or_null()?);
        let voice = row.uuid_or_null()?.map(VoiceId::from_uuid);
        let (upstream_voice, name) = (row.text_or_null()?, row.text_or_null()?);
        let body = row.bytes_or_null()?;
        let body = match (kind.as_str(), path, bytes, body) {
            ("audio", None, Some(bytes), Some(body)) if body.len() as u64 == bytes => {
                Some(Body::Memory(body.into()))
            }
            ("audio_file", Some(path), Some(bytes), None) => Some(Body::File { path: path.into(), bytes }),
            _ => None,
        };
        let output = match (body, sound, voice, upstream_voice, name) {
            (Some(body), Some(sound), None, None, None) => Some(StoredOutput::Audio { body, sound, srt }),
            (None, None, Some(id), Some(upstream_voice), Some(name)) if kind == "voice" => {
                Some(StoredOutput::Voice { id, upstream_voice, name })
            }
            _ => None,
        };
        Ok(Self { task, output: row.some(output)? })
    }
}

impl Record for VoiceRow {
    const TABLE: Table = Table {
        name: "kingcong_voices",
        key: 1,
        fixed: &[
            "id",
            "tenant",
            "user_id",
            "api_key_id",
            "server",
            "service",
            "upstream_voice",
            "name",
            "created_at",
        ],
        mutable: &[],
        mirrors: &[],
    };

    fn fixed(&self, cells: &mut Vec<Cell>) {
        cells.extend([
            self.id.as_uuid().into(),
            self.tenant.as_str().into(),
            self.user.as_str().into(),
            self.key.as_uuid().into(),
        ]);
        put_route(&self.route, cells);
        cells.extend([
            self.upstream_voice.as_str().into(),
            self.name.as_str().into(),
            self.created_at.into(),
        ]);
    }

    fn read(row: &mut Row) -> Result<Self, Corrupt> {
        Ok(Self {
            id: VoiceId::from_uuid(row.uuid()?),
            tenant: row.parsed()?,
            user: row.parsed()?,
            key: KeyId::from_uuid(row.uuid()?),
            route: read_route(row)?,
            upstream_voice: row.text()?,
            name: row.text()?,
            created_at: row.time()?,
        })
    }
}

impl Record for LateAnswer {
    const TABLE: Table = Table {
        name: "kingcong_late_answers",
        key: 1,
        fixed: &["attempt", "upstream_id", "cost"],
        mutable: &[],
        mirrors: &[],
    };

    fn fixed(&self, cells: &mut Vec<Cell>) {
        cells.extend([
            self.attempt.as_uuid().into(),
            self.upstream_id.as_ref().map(|id| id.0.as_str()).into(),
            self.cost.map(UpstreamCredits::thousandths).into(),
        ]);
    }

    fn read(row: &mut Row) -> Result<Self, Corrupt> {
        Ok(Self {
            attempt: AttemptId::from_uuid(row.uuid()?),
            upstream_id: row.text_or_null()?.map(UpstreamId),
            cost: row.int_or_null()?.map(UpstreamCredits::from_thousandths),
        })
    }
}

impl Record for AuditEntry {
    const TABLE: Table = Table {
        name: "kingcong_audit",
        key: 1,
        fixed: &["id", "tenant", "actor", "role", "door", "target", "outcome", "detail", "created_at"],
        mutable: &[],
        mirrors: &[],
    };

    fn fixed(&self, cells: &mut Vec<Cell>) {
        cells.extend([
            self.id.as_uuid().into(),
            self.tenant.as_ref().map(TenantId::as_str).into(),
            self.actor.as_str().into(),
            Cell::Word(self.role.as_str()),
            self.door.as_str().into(),
            self.target.as_deref().into(),
            Cell::Word(self.outcome.as_str()),
            self.detail.as_str().into(),
            self.at.into(),
        ]);
    }

    fn read(row: &mut Row) -> Result<Self, Corrupt> {
        Ok(Self {
            id: AuditId::from_uuid(row.uuid()?),
            tenant: row.parsed_or_null::<TenantId>()?,
            actor: row.parsed::<Actor>()?,
            role: row.word(|word| word.parse::<RoleName>().ok())?,
            door: row.text()?,
            target: row.text_or_null()?,
            outcome: row
                .word(|word| AuditOutcome::ALL.into_iter().find(|outcome| outcome.as_str() == word))?,
            detail: row.text()?,
            at: row.time()?,
        })
    }
}

/// When a periodic duty is due next.
#[derive(Debug)]
pub(crate) struct DutyRow {
    pub(crate) name: String,
    pub(crate) next_at: Timestamp,
}

impl Record for DutyRow {
    const TABLE: Table =
        Table { name: "kingcong_monitors", key: 1, fixed: &["name"], mutable: &["next_at"], mirrors: &[] };

    fn fixed(&self, cells: &mut Vec<Cell>) {
        cells.push(self.name.as_str().into());
    }

    fn mutable(&self, cells: &mut Vec<Cell>) {
        cells.push(self.next_at.into());
    }

    fn read(row: &mut Row) -> Result<Self, Corrupt> {
        Ok(Self { name: row.text()?, next_at: row.time()? })
    }
}
