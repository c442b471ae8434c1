//! What the server's errors mean.

use kingcong_core::store::{StoreError, StoreErrorKind};
use sqlx::mysql::MySqlDatabaseError;

use crate::{ConnectError, error::is_of_tls};

/// The server's error numbers, as its documentation names them.
mod number {
    pub(super) const DISK_FULL: u16 = 1021;
    pub(super) const CHECKREAD: u16 = 1020;
    pub(super) const OUTOFMEMORY: u16 = 1037;
    pub(super) const OUT_OF_SORTMEMORY: u16 = 1038;
    pub(super) const CON_COUNT: u16 = 1040;
    pub(super) const OUT_OF_RESOURCES: u16 = 1041;
    pub(super) const DBACCESS_DENIED: u16 = 1044;
    pub(super) const ACCESS_DENIED: u16 = 1045;
    pub(super) const NO_DB: u16 = 1046;
    pub(super) const UNKNOWN_COMMAND: u16 = 1047;
    pub(super) const BAD_NULL: u16 = 1048;
    pub(super) const BAD_DB: u16 = 1049;
    pub(super) const SERVER_SHUTDOWN: u16 = 1053;
    pub(super) const DUP_ENTRY: u16 = 1062;
    pub(super) const RECORD_FILE_FULL: u16 = 1114;
    pub(super) const TABLEACCESS_DENIED: u16 = 1142;
    pub(super) const NO_SUCH_TABLE: u16 = 1146;
    pub(super) const NET_PACKET_TOO_LARGE: u16 = 1153;
    pub(super) const ERROR_DURING_COMMIT: u16 = 1180;
    pub(super) const NEW_ABORTING_CONNECTION: u16 = 1184;
    pub(super) const TOO_MANY_USER_CONNECTIONS: u16 = 1203;
    pub(super) const LOCK_WAIT_TIMEOUT: u16 = 1205;
    pub(super) const LOCK_DEADLOCK: u16 = 1213;
    pub(super) const WARN_DATA_OUT_OF_RANGE: u16 = 1264;
    pub(super) const OPTION_PREVENTS_STATEMENT: u16 = 1290;
    pub(super) const QUERY_INTERRUPTED: u16 = 1317;
    pub(super) const TRUNCATED_WRONG_VALUE: u16 = 1366;
    pub(super) const DATA_TOO_LONG: u16 = 1406;
    pub(super) const READ_ONLY_MODE: u16 = 1836;
    pub(super) const CONNECTION_KILLED: u16 = 1927;
    pub(super) const STATEMENT_TIMEOUT: u16 = 1969;
    pub(super) const QUERY_TIMEOUT: u16 = 3024;
    pub(super) const CHECK_CONSTRAINT_VIOLATED: u16 = 3819;
    pub(super) const CONSTRAINT_FAILED: u16 = 4025;
}

/// What says of a commit that it was undone.
const ROLLED_BACK: [u16; 3] = [number::LOCK_DEADLOCK, number::CHECKREAD, number::LOCK_WAIT_TIMEOUT];

/// The error's number, where the server itself refused.
fn number_of(error: &sqlx::Error) -> Option<u16> {
    let error = error.as_database_error()?.try_downcast_ref::<MySqlDatabaseError>()?;
    Some(error.number())
}

/// Whether the connection is of no use any more.
pub(super) fn is_lost(error: &sqlx::Error) -> bool {
    match (number_of(error), error) {
        (Some(number), _) => matches!(
            number,
            number::SERVER_SHUTDOWN | number::NEW_ABORTING_CONNECTION | number::CONNECTION_KILLED
        ),
        // Not sent.
        (None, sqlx::Error::Encode(_)) => false,
        (None, _) => true,
    }
}

/// A statement that was not sent, because the server would cut the connection.
pub(super) fn too_large(bytes: usize, most: u64) -> sqlx::Error {
    let what =
        format!("{bytes} bytes are more than the {most} that the server takes: raise max_allowed_packet");
    sqlx::Error::Encode(what.into())
}

/// A statement that failed. Messages name numbers and never values.
pub(super) fn failed(error: sqlx::Error) -> StoreError {
    use StoreErrorKind::{Command, Unavailable, Unusable};
    let Some(number) = number_of(&error) else {
        return match error {
            sqlx::Error::Io(_) | sqlx::Error::Tls(_) | sqlx::Error::Protocol(_) => {
                let what = "the server cannot be reached or went away; try again";
                StoreError::new(Unavailable, what).caused_by(error)
            }
            sqlx::Error::Encode(_) => {
                let what = format!("a row of the batch cannot be written ({error})");
                StoreError::new(Command, what).caused_by(error)
            }
            error => {
                StoreError::new(Unusable, format!("the server cannot be used ({error})")).caused_by(error)
            }
        };
    };
    let (kind, what) = match number {
        number::LOCK_DEADLOCK | number::CHECKREAD => {
            (Unavailable, "another batch came in between; try again")
        }
        number::LOCK_WAIT_TIMEOUT => (Unavailable, "rows were locked too long by another batch; try again"),
        number::CON_COUNT | number::TOO_MANY_USER_CONNECTIONS => {
            (Unavailable, "the server has no connection left; raise max_connections or open fewer")
        }
        number::DISK_FULL | number::RECORD_FILE_FULL => {
            (Unavailable, "the server's disk is full; free some space")
        }
        number::OUTOFMEMORY | number::OUT_OF_SORTMEMORY | number::OUT_OF_RESOURCES => {
            (Unavailable, "the server has no memory left")
        }
        number::SERVER_SHUTDOWN
        | number::NEW_ABORTING_CONNECTION
        | number::QUERY_INTERRUPTED
        | number::CONNECTION_KILLED
        | number::STATEMENT_TIMEOUT
        | number::QUERY_TIMEOUT => {
            (Unavailable, "the server ended the statement or the connection; try again")
        }
        // What a node of Galera says to every statement while it is not joined with most of the others.
        number::UNKNOWN_COMMAND => (Unavailable, "the server is not ready; try again, or name another node"),
        number::ERROR_DURING_COMMIT => (Unavailable, "the server could not commit; try again"),
        number::OPTION_PREVENTS_STATEMENT | number::READ_ONLY_MODE => {
            (Unavailable, "the server is read-only now; name the one that is written to")
        }
        number::DUP_ENTRY => (Unavailable, "another process wrote the same row first; try again"),
        number::BAD_NULL
        | number::NET_PACKET_TOO_LARGE
        | number::WARN_DATA_OUT_OF_RANGE
        | number::TRUNCATED_WRONG_VALUE
        | number::DATA_TOO_LONG
        | number::CHECK_CONSTRAINT_VIOLATED
        | number::CONSTRAINT_FAILED => (Command, "the server refuses a row of the batch"),
        number::NO_SUCH_TABLE | number::NO_DB | number::BAD_DB => {
            (Unusable, "the database or its tables are gone; restore them from a backup")
        }
        number::DBACCESS_DENIED | number::ACCESS_DENIED | number::TABLEACCESS_DENIED => {
            (Unusable, "the server refuses the user; look at its name, password and rights")
        }
        _ => (Unusable, "the server failed"),
    };
    StoreError::new(kind, format!("{what} (error {number})")).caused_by(error)
}

/// A commit that failed. Where the server does not say that it rolled back, nobody knows.
pub(super) fn commit_failed(error: sqlx::Error) -> StoreError {
    if number_of(&error).is_some_and(|number| ROLLED_BACK.contains(&number)) {
        return failed(error);
    }
    let what = "the commit's answer was lost; the same batch, tried again, tells";
    StoreError::new(StoreErrorKind::CommitUnknown, what).caused_by(error)
}

/// A database that was not opened. The URL is not repeated: it may hold a password.
pub(super) fn not_opened(error: sqlx::Error) -> ConnectError {
    let what = match number_of(&error) {
        Some(number::BAD_DB) => "the server has no such database: make it first".to_owned(),
        Some(number::DBACCESS_DENIED | number::ACCESS_DENIED | number::TABLEACCESS_DENIED) => {
            "the server refuses the user: look at its name, password and rights, which must let it make tables"
                .to_owned()
        }
        Some(number) => format!("the database cannot be opened (error {number}: {error})"),
        None if is_of_tls(&error) => {
            format!(
                "no TLS with the server, which one on another machine must speak; look at its certificates, or say \
                 ssl-mode=disabled in the URL where nobody listens on the way ({error})"
            )
        }
        None => format!("the server cannot be reached: {error}"),
    };
    ConnectError::Unusable { what, source: Box::new(error) }
}
