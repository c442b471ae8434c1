//! Making and upgrading the tables.
//!
//! The database commits after every statement that makes a table, so that a step may stop half-way: each is written
//! so that it can be run again, and the version is written after it.

use std::time::Duration;

use sqlx::{AssertSqlSafe, Executor as _, MySqlConnection, Row as _};

use super::error::not_opened;
use crate::ConnectError;

/// One step per version, first to last; a released one never changes.
const MIGRATIONS: [&str; 2] = [
    include_str!("../../migrations/mysql/0001_tables.sql"),
    include_str!("../../migrations/mysql/0002_openings.sql"),
];

/// The newest version of the tables that this release knows.
const VERSION: i64 = MIGRATIONS.len() as i64;

/// How long a process waits for another that migrates.
const MIGRATION_WAIT_MAX: Duration = Duration::from_secs(300);

/// The lock of those who migrate this database. The server has one name for all its databases, of 64 bytes at most.
const LOCK: &str = "CONCAT('kingcong ', SHA1(DATABASE()))";

/// Brings the tables to [`VERSION`] under a lock: of many processes that start at once one migrates, and the others
/// find it done.
pub(super) async fn migrate(connection: &mut MySqlConnection) -> Result<(), ConnectError> {
    let lock = format!("SELECT GET_LOCK({LOCK}, {})", MIGRATION_WAIT_MAX.as_secs());
    let taken = number(connection, lock).await.map_err(not_opened)?;
    if taken != Some(1) {
        let what = format!(
            "another process has been making the tables for {MIGRATION_WAIT_MAX:?}: see what it does"
        );
        let source = "GET_LOCK gave up".into();
        return Err(ConnectError::Unusable { what, source });
    }
    let result = migrate_alone(connection).await;
    let released = number(connection, format!("SELECT RELEASE_LOCK({LOCK})")).await;
    result?;
    released.map(|_| ()).map_err(not_opened)
}

async fn migrate_alone(connection: &mut MySqlConnection) -> Result<(), ConnectError> {
    let schema = "CREATE TABLE IF NOT EXISTS kingcong_schema \
                  (id BIGINT NOT NULL PRIMARY KEY CHECK (id = 1), version BIGINT NOT NULL) ENGINE = InnoDB";
    run(connection, schema.to_owned()).await?;
    let found = "SELECT version FROM kingcong_schema WHERE id = 1".to_owned();
    let found = number(connection, found).await.map_err(not_opened)?.unwrap_or(0);
    if found > VERSION {
        return Err(ConnectError::NewerTables { found, known: VERSION });
    }
    for (step, version) in MIGRATIONS.iter().zip(1_i64..).filter(|(_, version)| *version > found) {
        run(connection, (*step).to_owned()).await?;
        let done = format!(
            "INSERT INTO kingcong_schema (id, version) VALUES (1, {version}) \
             ON DUPLICATE KEY UPDATE version = {version}"
        );
        run(connection, done).await?;
    }
    Ok(())
}

async fn run(connection: &mut MySqlConnection, sql: String) -> Result<(), ConnectError> {
    connection.execute(sqlx::raw_sql(AssertSqlSafe(sql))).await.map(|_| ()).map_err(not_opened)
}

/// The one number that a query gives, if it gives one.
async fn number(connection: &mut MySqlConnection, sql: String) -> Result<Option<i64>, sqlx::Error> {
    match connection.fetch_optional(sqlx::raw_sql(AssertSqlSafe(sql))).await? {
        Some(row) => row.try_get(0),
        None => Ok(None),
    }
}
