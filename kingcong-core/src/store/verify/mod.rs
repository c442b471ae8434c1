//! Verification: whether the rows of a store agree with each other.
//!
//! Decisions read stored figures (a balance, the open tasks of a job, the calls in flight of a limit) because adding
//! them up each time would be too slow, and rows name other rows by their ids. Here the figures are added up again and
//! the names are followed, in both directions, over rows that were read at one instant. A sound store has no
//! [`Discrepancy`], at any time, after any crash. What cannot be found is what nothing repeats: a label, a time that
//! only people read, a table that was set back as a whole together with all that belongs to it.

mod answer;
mod job;
mod keys;
mod wallet;
mod whole;

use std::fmt;

pub use answer::{AnswerBook, verify_answer};
pub use job::{JobBook, verify_job};
pub use keys::{KeyBook, PoolCount, verify_key, verify_limit, verify_pool};
pub use wallet::{verify_entries, verify_wallet};
pub use whole::{Verification, verify_rows};

use crate::{
    id::{AttemptId, HoldId, JobId, KeyId, LimitId, TaskId, VoiceId, WalletId},
    keys::PoolId,
    money::Amount,
};

/// A row that does not agree with the others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Discrepancy {
    /// What is wrong with it.
    pub kind: DiscrepancyKind,
    /// The row.
    pub row: RowId,
    /// The column, as the databases call it; empty where the row as a whole is meant.
    pub column: &'static str,
    /// What is stored.
    pub found: String,
    /// What should be, by the other rows.
    pub expected: String,
}

/// What is wrong with a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum DiscrepancyKind {
    /// A column is not what other rows say.
    Wrong,
    /// Another row needs it, and it is not there.
    Missing,
    /// It names a row that is not there, or that does not know it.
    Stray,
    /// It cannot be read, or is not written as KingCong writes it.
    Damaged,
    /// Its secret does not open: it was altered or is another row's, or its data key is.
    Sealed,
}

impl DiscrepancyKind {
    /// The kind's name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Wrong => "wrong",
            Self::Missing => "missing",
            Self::Stray => "stray",
            Self::Damaged => "damaged",
            Self::Sealed => "sealed",
        }
    }
}

impl fmt::Display for Discrepancy {
    /// Such as `kingcong_credits 5f2c…: held is 12, must be 10`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.column {
            "" => write!(f, "{}: {}, must be {}", self.row, self.found, self.expected),
            column => write!(f, "{}: {column} is {}, must be {}", self.row, self.found, self.expected),
        }
    }
}

/// A row, by its table and what identifies it there.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RowId {
    /// The table, as the databases call it.
    pub table: &'static str,
    /// What identifies the row: its id, or the columns of its key with commas between them.
    pub id: String,
}

impl RowId {
    /// The row of that table.
    #[must_use]
    pub fn new(table: &'static str, id: impl fmt::Display) -> Self {
        Self { table, id: id.to_string() }
    }

    /// A wallet's.
    #[must_use]
    pub fn wallet(id: WalletId) -> Self {
        Self::new("kingcong_credits", id)
    }

    /// An entry's.
    #[must_use]
    pub fn entry(wallet: WalletId, number: u64) -> Self {
        Self::new("kingcong_transactions", format_args!("{wallet},{number}"))
    }

    /// A hold's.
    #[must_use]
    pub fn hold(id: HoldId) -> Self {
        Self::new("kingcong_holds", id)
    }

    /// A job's.
    #[must_use]
    pub fn job(id: JobId) -> Self {
        Self::new("kingcong_jobs", id)
    }

    /// A task's.
    #[must_use]
    pub fn task(id: TaskId) -> Self {
        Self::new("kingcong_tasks", id)
    }

    /// An attempt's.
    #[must_use]
    pub fn attempt(id: AttemptId) -> Self {
        Self::new("kingcong_attempts", id)
    }

    /// A result's.
    #[must_use]
    pub fn output(task: TaskId) -> Self {
        Self::new("kingcong_outputs", task)
    }

    /// A cloned voice's.
    #[must_use]
    pub fn voice(id: VoiceId) -> Self {
        Self::new("kingcong_voices", id)
    }

    /// A key's.
    #[must_use]
    pub fn key(id: KeyId) -> Self {
        Self::new("kingcong_api_keys", id)
    }

    /// A limit's.
    #[must_use]
    pub fn limit(id: LimitId) -> Self {
        Self::new("kingcong_limits", id)
    }

    /// A pool's.
    #[must_use]
    pub fn pool(id: PoolId) -> Self {
        Self::new("kingcong_pools", id)
    }

    /// An idempotency key's.
    #[must_use]
    pub fn answer(key: &[u8; 32]) -> Self {
        Self::new("kingcong_idempotency", base16ct::lower::encode_string(key))
    }
}

impl fmt::Display for RowId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.table, self.id)
    }
}

/// What was found so far.
#[derive(Default)]
struct Findings(Vec<Discrepancy>);

impl Findings {
    fn add(
        &mut self,
        kind: DiscrepancyKind,
        row: &RowId,
        column: &'static str,
        found: impl fmt::Display,
        expected: impl fmt::Display,
    ) {
        let (found, expected) = (found.to_string(), expected.to_string());
        self.0.push(Discrepancy { kind, row: row.clone(), column, found, expected });
    }

    /// A column must be what other rows say.
    fn same<T: PartialEq + fmt::Debug>(&mut self, row: &RowId, column: &'static str, stored: T, expected: T) {
        if stored != expected {
            let (stored, expected) = (word(&stored), word(&expected));
            self.add(DiscrepancyKind::Wrong, row, column, stored, expected);
        }
    }

    /// A number must be exactly that.
    fn exactly(&mut self, row: &RowId, column: &'static str, stored: impl Into<i128>, expected: i128) {
        let stored = stored.into();
        if stored != expected {
            self.add(DiscrepancyKind::Wrong, row, column, stored, expected);
        }
    }

    fn at_least(&mut self, row: &RowId, column: &'static str, stored: impl Into<i128>, least: i128) {
        let stored = stored.into();
        if stored < least {
            self.add(DiscrepancyKind::Wrong, row, column, stored, format_args!("at least {least}"));
        }
    }

    fn at_most(&mut self, row: &RowId, column: &'static str, stored: impl Into<i128>, most: i128) {
        let stored = stored.into();
        if stored > most {
            self.add(DiscrepancyKind::Wrong, row, column, stored, format_args!("at most {most}"));
        }
    }

    /// A row must be there, because another names it.
    fn missing(&mut self, row: &RowId, because: impl fmt::Display) {
        self.add(DiscrepancyKind::Missing, row, "", "missing", format_args!("there: {because}"));
    }
}

/// A value as people read it: ids and numbers are wrapped in types whose `Debug` names them.
fn word(value: &impl fmt::Debug) -> String {
    let text = format!("{value:?}");
    let inner = text.trim_start_matches("Some(");
    let inner = inner.rsplit('(').next().unwrap_or(inner).trim_end_matches(')');
    if inner.is_empty() { text } else { inner.trim_matches('"').to_owned() }
}

fn steps(amount: Amount) -> i128 {
    amount.get().into()
}

fn count(number: usize) -> i128 {
    i128::try_from(number).unwrap_or(i128::MAX)
}
