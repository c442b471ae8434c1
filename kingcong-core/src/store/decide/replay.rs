//! Replay: a command that names an idempotency key gets the answer again that was given under it.

use crate::{
    clock::Timestamp,
    ledger::Refusal,
    store::{
        Admitted, Credited, IdempotencyRow, NotAdmitted, NotCredited, NotRetried, Remembered, Retried, Tables,
    },
    work::IdempotencyKey,
};

/// An answer that is remembered under an idempotency key.
pub(crate) trait Answer: Sized {
    /// It, from what is remembered; `None` where that is an answer to something else.
    fn of(remembered: &Remembered) -> Option<Self>;
}

impl Answer for Admitted {
    fn of(remembered: &Remembered) -> Option<Self> {
        match *remembered {
            Remembered::Job { job, held } => Some(Self { job, held, pools: Vec::new() }),
            Remembered::Retried { .. } | Remembered::Credited { .. } | Remembered::Refused(_) => None,
        }
    }
}

impl Answer for Retried {
    fn of(remembered: &Remembered) -> Option<Self> {
        match *remembered {
            Remembered::Retried { tasks, .. } => Some(Self { pools: Vec::new(), tasks }),
            Remembered::Job { .. } | Remembered::Credited { .. } | Remembered::Refused(_) => None,
        }
    }
}

impl Answer for Credited {
    fn of(remembered: &Remembered) -> Option<Self> {
        match *remembered {
            Remembered::Credited { moved, entry, .. } => Some(Self { moved, entry, entries: Vec::new() }),
            Remembered::Job { .. } | Remembered::Retried { .. } | Remembered::Refused(_) => None,
        }
    }
}

/// Why an idempotency key has no such answer.
pub(crate) enum NotReplayed {
    /// It was used for another payload, or for something else.
    Conflict,
    /// The wallet refused then, and this is the answer still.
    Refused(Refusal),
}

impl From<NotReplayed> for NotAdmitted {
    fn from(not: NotReplayed) -> Self {
        match not {
            NotReplayed::Conflict => Self::Conflict,
            NotReplayed::Refused(refusal) => Self::Refused(refusal),
        }
    }
}

impl From<NotReplayed> for NotRetried {
    fn from(not: NotReplayed) -> Self {
        match not {
            NotReplayed::Conflict => Self::Conflict,
            NotReplayed::Refused(refusal) => Self::Refused(refusal),
        }
    }
}

impl From<NotReplayed> for NotCredited {
    fn from(not: NotReplayed) -> Self {
        match not {
            NotReplayed::Conflict => Self::Conflict,
            NotReplayed::Refused(refusal) => Self::Refused(refusal),
        }
    }
}

impl IdempotencyRow {
    /// The answer that it remembers, to whoever asks under its key.
    pub(crate) fn answer_to<A: Answer>(&self, asked: &IdempotencyKey) -> Result<A, NotReplayed> {
        if self.payload != asked.payload {
            return Err(NotReplayed::Conflict);
        }
        match &self.answer {
            Remembered::Refused(refusal) => Err(NotReplayed::Refused(refusal.clone())),
            remembered => A::of(remembered).ok_or(NotReplayed::Conflict),
        }
    }
}

/// The answer that was given before under an idempotency key, if there is a key and it was used.
pub(super) fn replay<A: Answer>(
    tables: &Tables,
    asked: Option<&IdempotencyKey>,
) -> Result<Option<A>, NotReplayed> {
    let Some(asked) = asked else { return Ok(None) };
    let Some(row) = tables.idempotency.get(&asked.key) else { return Ok(None) };
    row.answer_to(asked).map(Some)
}

/// Remembers an answer under its idempotency key, if it was asked for under one.
pub(super) fn remember(
    tables: &mut Tables,
    asked: Option<&IdempotencyKey>,
    answer: Remembered,
    at: Timestamp,
) {
    if let Some(&IdempotencyKey { key, payload }) = asked {
        tables.idempotency.insert(key, IdempotencyRow { key, payload, answer, at });
    }
}

/// Remembers that the wallet refused, because asking again must not turn that.
pub(super) fn refuse(
    tables: &mut Tables,
    asked: Option<&IdempotencyKey>,
    refusal: Refusal,
    at: Timestamp,
) -> NotReplayed {
    remember(tables, asked, Remembered::Refused(refusal.clone()), at);
    NotReplayed::Refused(refusal)
}
