//! Idempotency keys: what each was answered is what there is.

use super::{Discrepancy, DiscrepancyKind, Findings, RowId, steps};
use crate::{
    ledger::Entry,
    store::{IdempotencyRow, Moved, Remembered},
    work::Job,
};

/// An idempotency key with what its answer names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AnswerBook {
    /// The key and its answer.
    pub row: IdempotencyRow,
    /// The job that it names.
    pub job: Option<Job>,
    /// The entry that it names, unless it was archived.
    pub entry: Option<Entry>,
    /// The number of the wallet's last archived entry.
    pub archived: u64,
}

impl AnswerBook {
    /// A key whose answer names nothing that is there.
    #[must_use]
    pub const fn new(row: IdempotencyRow) -> Self {
        Self { row, job: None, entry: None, archived: 0 }
    }
}

/// Follows an answer to what it names. A refusal names nothing.
#[must_use]
pub fn verify_answer(book: &AnswerBook) -> Vec<Discrepancy> {
    let mut findings = Findings::default();
    let row = RowId::answer(&book.row.key);
    match &book.row.answer {
        Remembered::Refused(_) => {}
        Remembered::Job { job, .. } => match &book.job {
            Some(found) if found.idempotency == Some(book.row.key) => {}
            Some(_) => {
                let expected = format_args!("the job {job} to name this key");
                findings.add(DiscrepancyKind::Stray, &row, "answer", "another", expected);
            }
            None => findings.missing(&RowId::job(*job), format_args!("{row} answers with it")),
        },
        Remembered::Retried { job, retry, .. } => match &book.job {
            // The job names the key of its last retry.
            Some(found) if *retry == found.retries => {
                findings.same(&row, "answer", Some(book.row.key), found.retried_under);
            }
            Some(found) => {
                findings.at_least(&row, "answer", *retry, 1);
                findings.at_most(&row, "answer", *retry, found.retries.into());
            }
            None => findings.missing(&RowId::job(*job), format_args!("{row} answers with it")),
        },
        Remembered::Credited { moved, wallet, entry, unit: _ } => match &book.entry {
            None if *entry <= book.archived => {}
            None => findings.missing(&RowId::entry(*wallet, *entry), format_args!("{row} answers with it")),
            Some(found) => {
                let named = found.cause.idempotency == Some(book.row.key);
                findings.same(&row, "answer", named, true);
                findings.same(&RowId::entry(*wallet, *entry), "created_at", found.at, book.row.at);
                let Moved { amount, became_debt, paid_debt, balance_after } = moved;
                findings.exactly(&row, "answer", steps(*amount), steps(found.amount));
                findings.exactly(&row, "answer", steps(*became_debt), steps(found.debt_change));
                let balance = steps(found.balance_after) - steps(*paid_debt);
                findings.exactly(&row, "answer", steps(*balance_after), balance);
            }
        },
    }
    findings.0
}
