//! What SQLite's errors mean.

use std::{error::Error, fmt::Display};

use kingcong_core::store::{StoreError, StoreErrorKind};

use crate::ConnectError;

/// SQLite's primary result codes, as its documentation names them.
mod code {
    pub(super) const ERROR: i32 = 1;
    pub(super) const BUSY: i32 = 5;
    pub(super) const LOCKED: i32 = 6;
    pub(super) const NOMEM: i32 = 7;
    pub(super) const READONLY: i32 = 8;
    pub(super) const IOERR: i32 = 10;
    pub(super) const CORRUPT: i32 = 11;
    pub(super) const FULL: i32 = 13;
    pub(super) const CANTOPEN: i32 = 14;
    pub(super) const SCHEMA: i32 = 17;
    pub(super) const TOOBIG: i32 = 18;
    pub(super) const CONSTRAINT: i32 = 19;
    pub(super) const MISMATCH: i32 = 20;
    pub(super) const NOTADB: i32 = 26;
}

/// The primary result code, where SQLite itself failed.
fn primary_code(error: &sqlx::Error) -> Option<i32> {
    let extended: i32 = error.as_database_error()?.code()?.parse().ok()?;
    Some(extended & 0xff)
}

/// A statement that failed. Messages name columns and never values.
pub(super) fn failed(error: sqlx::Error) -> StoreError {
    use StoreErrorKind::{Command, Corrupt, Unavailable, Unusable};
    let (kind, what) = match (&error, primary_code(&error)) {
        (_, Some(code::BUSY | code::LOCKED)) => {
            (Unavailable, "the file was locked too long by another program; try again")
        }
        (_, Some(code::FULL)) => (Unavailable, "the disk or the file's quota is full; free some space"),
        (_, Some(code::IOERR)) => (Unavailable, "the file cannot be read or written; look at the disk"),
        (_, Some(code::NOMEM)) => (Unavailable, "SQLite has no memory left"),
        (_, Some(code::SCHEMA)) => (Unavailable, "the tables changed meanwhile; try again"),
        (_, Some(code::READONLY)) => {
            (Unusable, "the file or its directory is read-only; let this process write there")
        }
        (_, Some(code::CANTOPEN)) => (Unusable, "the file cannot be opened; look at its path and rights"),
        (_, Some(code::NOTADB)) => (Unusable, "the file is no SQLite database; name another"),
        (_, Some(code::CORRUPT)) => (Corrupt, "the file is damaged; restore it from a backup"),
        (_, Some(code::CONSTRAINT | code::TOOBIG | code::MISMATCH | code::ERROR)) => {
            (Command, "SQLite refuses a row of the batch")
        }
        (sqlx::Error::WorkerCrashed, _) => (Unavailable, "the connection's thread is gone; try again"),
        (sqlx::Error::Io(_), _) => (Unavailable, "the file cannot be reached; try again"),
        _ => (Unusable, "SQLite failed"),
    };
    caused(kind, what, error)
}

/// A commit that failed. Where SQLite does not say that it rolled back, nobody knows.
pub(super) fn commit_failed(error: sqlx::Error) -> StoreError {
    match (&error, primary_code(&error)) {
        (_, Some(code::IOERR)) | (sqlx::Error::WorkerCrashed | sqlx::Error::Io(_), _) => {
            let what = "the commit's answer was lost; the same batch, tried again, tells";
            caused(StoreErrorKind::CommitUnknown, what, error)
        }
        _ => failed(error),
    }
}

fn caused(kind: StoreErrorKind, what: &str, error: sqlx::Error) -> StoreError {
    StoreError::new(kind, format!("{what} ({error})")).caused_by(error)
}

/// A file that was not opened.
pub(super) fn not_opened(path: &dyn Display, error: sqlx::Error) -> ConnectError {
    let StoreError { message, .. } = failed_to_open(&error);
    ConnectError::Unusable { what: format!("{path}: {message}"), source: Box::new(error) }
}

fn failed_to_open(error: &sqlx::Error) -> StoreError {
    let what = match primary_code(error) {
        Some(code::READONLY) => "the file or its directory is read-only; let this process write there",
        Some(code::CANTOPEN) => "the file cannot be opened; look at its path and rights",
        Some(code::NOTADB) => "the file is no SQLite database; name another",
        Some(code::CORRUPT) => "the file is damaged; restore it from a backup",
        _ => "the file cannot be opened as a database",
    };
    StoreError::new(StoreErrorKind::Unusable, format!("{what} ({error})"))
}

/// A file beside the database that cannot be used.
pub(super) fn not_beside(path: &dyn Display, source: impl Error + Send + Sync + 'static) -> ConnectError {
    ConnectError::Unusable {
        what: format!("{path} cannot be made: let this process write in that directory ({source})"),
        source: Box::new(source),
    }
}
