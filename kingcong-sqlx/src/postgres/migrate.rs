//! Making and upgrading the tables.

use sqlx::{AssertSqlSafe, Executor as _, PgConnection, Row as _};

use super::Failed;
use crate::ConnectError;

/// One step per version, first to last; a released one never changes.
const MIGRATIONS: [&str; 1] = [include_str!("../../migrations/postgres/0001_tables.sql")];

/// The newest version of the tables that this release knows.
const VERSION: i64 = MIGRATIONS.len() as i64;

/// Brings the tables to [`VERSION`], in one transaction under a lock of its own: of many processes that start at once
/// one migrates, and the others find it done.
pub(super) async fn migrate(connection: &mut PgConnection) -> Result<(), Failed> {
    let begin = "BEGIN ISOLATION LEVEL READ COMMITTED; SET LOCAL lock_timeout = 0; \
                 SET LOCAL statement_timeout = 0; \
                 SELECT pg_advisory_xact_lock(hashtext('kingcong_schema'), hashtext(current_schema()))";
    connection.execute(sqlx::raw_sql(begin)).await?;
    let result = migrate_inside(connection).await;
    let end = if result.is_ok() { "COMMIT" } else { "ROLLBACK" };
    connection.execute(sqlx::raw_sql(end)).await?;
    result
}

async fn migrate_inside(connection: &mut PgConnection) -> Result<(), Failed> {
    let table = "CREATE TABLE IF NOT EXISTS kingcong_schema \
                 (id BIGINT NOT NULL PRIMARY KEY CHECK (id = 1), version BIGINT NOT NULL)";
    connection.execute(sqlx::raw_sql(table)).await?;
    let version = "SELECT version FROM kingcong_schema WHERE id = 1";
    let found: i64 = match connection.fetch_optional(version).await? {
        Some(row) => row.try_get(0)?,
        None => 0,
    };
    if found > VERSION {
        return Err(Failed::Refused(ConnectError::NewerTables { found, known: VERSION }));
    }
    if found == VERSION {
        return Ok(());
    }
    for step in MIGRATIONS.iter().skip(usize::try_from(found).unwrap_or(0)) {
        connection.execute(sqlx::raw_sql(*step)).await?;
    }
    let version = format!(
        "INSERT INTO kingcong_schema (id, version) VALUES (1, {VERSION}) \
         ON CONFLICT (id) DO UPDATE SET version = excluded.version"
    );
    connection.execute(sqlx::raw_sql(AssertSqlSafe(version))).await?;
    Ok(())
}
