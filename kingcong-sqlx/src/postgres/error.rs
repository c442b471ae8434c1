//! What PostgreSQL's errors mean.
//!
//! Its messages name tables and columns, while its details may hold values of rows: those are left out, of the source
//! too.

use kingcong_core::store::{StoreError, StoreErrorKind};
use sqlx::{error::DatabaseError, postgres::PgDatabaseError};

use crate::{ConnectError, error::is_of_tls};

/// SQLSTATEs, as PostgreSQL's documentation names them.
mod state {
    pub(super) const DUPLICATE: &str = "23505";
    pub(super) const READ_ONLY: &str = "25006";
    pub(super) const NOTHING_PREPARED: &str = "26000";
    pub(super) const COMPLETION_UNKNOWN: &str = "40003";
    pub(super) const NOT_SUPPORTED: &str = "0A000";
    pub(super) const NOT_AVAILABLE: &str = "55P03";
    pub(super) const IDLE_TOO_LONG: &str = "25P03";
    pub(super) const PREPARED_TWICE: &str = "42P05";
    pub(super) const INSUFFICIENT_PRIVILEGE: &str = "42501";
}

/// The server's function that finds a prepared statement whose tables were changed meanwhile.
const STALE_PLAN_ROUTINE: &str = "RevalidateCachedQuery";

/// Unique rules of rows whose keys follow from what they are about, so that two processes can make the same one at
/// once. All others are of ids that one process has made, or of rows that one makes alone.
const RACED: [&str; 12] = [
    "kingcong_idempotency_pkey",
    "kingcong_credits_pkey",
    // The first entries of a wallet that neither of two found.
    "kingcong_transactions_wallet_number_created_at_key",
    "kingcong_splits_pkey",
    "kingcong_limits_pkey",
    "kingcong_pools_pkey",
    "kingcong_flows_pkey",
    "kingcong_api_keys_fingerprint",
    "kingcong_data_keys_version",
    "kingcong_config_pkey",
    "kingcong_tenants_pkey",
    "kingcong_tenants_version",
];

/// A statement that failed.
pub(super) fn failed(error: sqlx::Error) -> StoreError {
    use StoreErrorKind::{Command, Corrupt, Unavailable, Unusable};
    let Some(told) = error.as_database_error() else {
        return match error {
            sqlx::Error::Encode(_) => caused(Command, "a row of the batch cannot be written", error),
            sqlx::Error::Decode(_) | sqlx::Error::ColumnDecode { .. } => {
                caused(Corrupt, "a column has another type than it should", error)
            }
            sqlx::Error::Configuration(_) | sqlx::Error::ColumnNotFound(_) => {
                caused(Unusable, "the database is not as it should be", error)
            }
            _ => caused(Unavailable, "the connection was lost; try again", error),
        };
    };
    let code = told.code().unwrap_or_default().into_owned();
    let class = code.get(..2).unwrap_or_default();
    let (kind, what) = match (code.as_str(), class) {
        (state::DUPLICATE, _) if told.constraint().is_some_and(|rule| RACED.contains(&rule)) => {
            (Unavailable, "another process wrote the same row first; try again")
        }
        (_, "40") => (Unavailable, "it was in another transaction's way; try again"),
        (state::NOT_AVAILABLE, _) => (Unavailable, "rows were locked too long by others; try again"),
        (state::READ_ONLY, _) => (Unavailable, "the server is read-only; name the primary, or try again"),
        (state::IDLE_TOO_LONG, _) => (Unavailable, "the transaction stood still too long; try again"),
        (state::NOT_SUPPORTED, _) if is_stale_plan(told) => {
            (Unavailable, "the tables changed meanwhile; try again")
        }
        (state::NOT_SUPPORTED, _) => {
            (Unusable, "the server does not support what KingCong needs: use plain PostgreSQL")
        }
        (_, "08" | "57") => (Unavailable, "the server went away or was too slow; try again"),
        (_, "53") => (Unavailable, "the server has no room left: memory, disk or connections"),
        (_, "22" | "23" | "54") => (Command, "PostgreSQL refuses a row of the batch"),
        (state::NOTHING_PREPARED | state::PREPARED_TWICE, _) => (
            Unusable,
            "a pooler mixes up prepared statements: let it pool by session, or use PgBouncer 1.21 or newer with \
             max_prepared_statements",
        ),
        (_, "28") => (Unusable, "the login was refused; look at user and password"),
        (_, "3D") => (Unusable, "there is no such database; make it first"),
        (state::INSUFFICIENT_PRIVILEGE, _) => (
            Unusable,
            "the user lacks rights: grant them, when it is opened also to make tables in the schema",
        ),
        (_, "42") => (Unusable, "the tables are not as they should be"),
        (_, "XX" | "58") => (Corrupt, "the server found damaged data or files; see its log"),
        _ => (Unusable, "PostgreSQL failed"),
    };
    caused(kind, what, error)
}

/// Whether a prepared statement is refused because its tables changed. The words would be in the server's language.
fn is_stale_plan(told: &dyn DatabaseError) -> bool {
    let told = told.try_downcast_ref::<PgDatabaseError>();
    told.and_then(PgDatabaseError::routine) == Some(STALE_PLAN_ROUTINE)
}

/// A commit that failed. Where PostgreSQL does not say that it rolled back, nobody knows.
pub(super) fn commit_failed(error: sqlx::Error) -> StoreError {
    let rolled_back = error.as_database_error().and_then(DatabaseError::code).is_some_and(|code| {
        code != state::COMPLETION_UNKNOWN && (code.starts_with("40") || code.starts_with("23"))
    });
    if rolled_back {
        return failed(error);
    }
    let what = "the commit's answer was lost; the same batch, tried again, tells";
    caused(StoreErrorKind::CommitUnknown, what, error)
}

/// A server that was not reached, or whose database cannot be used.
pub(super) fn not_opened(place: &str, error: sqlx::Error) -> ConnectError {
    if is_of_tls(&error) {
        let what = format!(
            "PostgreSQL at {place}: no TLS, which a server on another machine must speak; look at its certificates, or \
             say sslmode=disable in the URL where nobody listens on the way ({error})"
        );
        return ConnectError::Unusable { what, source: Box::new(error) };
    }
    let StoreError { message, source, .. } = failed(error);
    let what = format!("PostgreSQL at {place}: {message}");
    let source = source.unwrap_or_else(|| message.into());
    ConnectError::Unusable { what, source }
}

fn caused(kind: StoreErrorKind, what: &str, error: sqlx::Error) -> StoreError {
    let message = format!("{what} ({error})");
    match error.as_database_error() {
        None => StoreError::new(kind, message).caused_by(error),
        Some(told) => {
            let code = told.code().unwrap_or_default();
            let source = match told.constraint() {
                Some(rule) => format!("{code}: {} ({rule})", told.message()),
                None => format!("{code}: {}", told.message()),
            };
            StoreError::new(kind, message).caused_by(source)
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use kingcong_servers::Server;
    use sqlx::{Connection as _, Executor as _, PgConnection, Row as _};

    use super::RACED;
    use crate::SqlStore;

    /// Unique rules that no two processes break at once.
    const NOT_RACED: [&str; 20] = [
        // Of ids that one process has made.
        "kingcong_api_keys_pkey",
        "kingcong_attempts_pkey",
        "kingcong_audit_id_key",
        "kingcong_data_keys_pkey",
        "kingcong_holds_pkey",
        "kingcong_jobs_pkey",
        "kingcong_tasks_pkey",
        "kingcong_voices_pkey",
        // Numbered by the server.
        "kingcong_audit_pkey",
        "kingcong_pricing_pkey",
        "kingcong_transactions_pkey",
        // Written where they are absent, or over what is there.
        "kingcong_key_changes_pkey",
        "kingcong_late_answers_pkey",
        "kingcong_monitors_pkey",
        "kingcong_openings_pkey",
        "kingcong_rules_pkey",
        "kingcong_workers_pkey",
        // Written with the task locked.
        "kingcong_outputs_pkey",
        // Written by one process alone.
        "kingcong_packages_pkey",
        "kingcong_pricing_in_force",
    ];

    #[tokio::test]
    async fn every_unique_rule_of_the_tables_is_known_as_raced_or_not() {
        let server = Server::postgres().unwrap();
        let url = server.fresh_database().unwrap();
        SqlStore::connect(&url).await.unwrap();
        let sql = "SELECT indexrelid::regclass::text FROM pg_index \
                   WHERE indisunique AND indrelid::regclass::text LIKE 'kingcong%' \
                   AND indrelid::regclass::text <> 'kingcong_schema'";
        let rows = PgConnection::connect(&url).await.unwrap().fetch_all(sql).await.unwrap();
        let found: BTreeSet<String> = rows.iter().map(|row| row.get(0)).collect();
        let known: BTreeSet<String> = RACED.iter().chain(&NOT_RACED).map(|rule| (*rule).to_owned()).collect();
        assert_eq!(found, known);
    }
}
