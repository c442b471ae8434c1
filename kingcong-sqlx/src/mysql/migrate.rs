//! Making and upgrading the tables.
//!
//! The database commits after every statement that makes a table, so that a step may stop half-way: each is written
//! so that it can be run again, and the version is written after it.

use std::{fmt::Write as _, time::Duration};

use sha1::{Digest as _, Sha1};
use sqlx::{AssertSqlSafe, Executor as _, MySqlConnection, Row as _};

use super::error::not_opened;
use crate::ConnectError;

/// One step per version, first to last; a released one never changes.
const MIGRATIONS: [&str; 1] = [include_str!("../../migrations/mysql/0001_tables.sql")];

/// The newest version of the tables that this release knows.
const VERSION: i64 = MIGRATIONS.len() as i64;

/// How long a process waits for another that migrates.
const MIGRATION_WAIT_MAX: Duration = Duration::from_secs(300);

/// The lock of those who migrate a database. The server has one name for all its databases, of 64 bytes at most; not
/// every server has a function for it.
fn lock_of(database: &str) -> String {
    let digest = Sha1::digest(database.as_bytes());
    let mut name = "kingcong ".to_owned();
    for byte in digest {
        let _ = write!(name, "{byte:02x}");
    }
    name
}

/// Brings the tables to [`VERSION`] under a lock: of many processes that start at once one migrates, and the others
/// find it done.
pub(super) async fn migrate(connection: &mut MySqlConnection) -> Result<(), ConnectError> {
    let database = connection.fetch_one(sqlx::raw_sql("SELECT DATABASE()")).await.map_err(not_opened)?;
    let lock = lock_of(database.try_get(0).map_err(not_opened)?);
    let take = format!("SELECT GET_LOCK('{lock}', {})", MIGRATION_WAIT_MAX.as_secs());
    let taken = number(connection, take).await.map_err(not_opened)?;
    if taken != Some(1) {
        let what = format!(
            "another process has been making the tables for {MIGRATION_WAIT_MAX:?}: see what it does"
        );
        let source = "GET_LOCK gave up".into();
        return Err(ConnectError::Unusable { what, source });
    }
    let result = migrate_alone(connection).await;
    let released = number(connection, format!("SELECT RELEASE_LOCK('{lock}')")).await;
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

#[cfg(test)]
mod tests {
    use super::lock_of;

    #[test]
    fn the_lock_is_named_as_the_server_would_with_its_own_function() {
        // SELECT CONCAT('kingcong ', SHA1('kingcong')) on MariaDB 10.11.
        assert_eq!(lock_of("kingcong"), "kingcong 4f4e2630f30f21b7e8ba812715d3a19e90d40e39");
        assert!(lock_of(&"d".repeat(64)).len() <= 64);
    }
}
