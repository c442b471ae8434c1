//! Making and upgrading the tables.

use sqlx::{AssertSqlSafe, Row as _, SqliteConnection};

use crate::ConnectError;

/// One step per version, first to last; a released one never changes.
const MIGRATIONS: [&str; 1] = [include_str!("../../migrations/sqlite/0001_tables.sql")];

/// The newest version of the tables that this release knows.
const VERSION: i64 = MIGRATIONS.len() as i64;

/// Brings the tables to [`VERSION`], in one transaction that keeps every other writer out: of many processes that
/// start at once one migrates, and the others find it done.
pub(super) async fn migrate(connection: &mut SqliteConnection) -> Result<(), Failed> {
    run(connection, "BEGIN IMMEDIATE").await?;
    let result = migrate_inside(connection).await;
    let end = if result.is_ok() { "COMMIT" } else { "ROLLBACK" };
    run(connection, end).await?;
    result
}

async fn migrate_inside(connection: &mut SqliteConnection) -> Result<(), Failed> {
    run(
        connection,
        "CREATE TABLE IF NOT EXISTS kingcong_schema \
         (id INTEGER NOT NULL PRIMARY KEY CHECK (id = 1), version INTEGER NOT NULL) STRICT",
    )
    .await?;
    let row = sqlx::query("SELECT version FROM kingcong_schema WHERE id = 1")
        .fetch_optional(&mut *connection)
        .await?;
    let found: i64 = match row {
        Some(row) => row.try_get(0)?,
        None => 0,
    };
    if found > VERSION {
        return Err(Failed::Newer(ConnectError::NewerTables { found, known: VERSION }));
    }
    if found == VERSION {
        return Ok(());
    }
    for step in MIGRATIONS.iter().skip(usize::try_from(found).unwrap_or(0)) {
        run(connection, step).await?;
    }
    let version = format!(
        "INSERT INTO kingcong_schema (id, version) VALUES (1, {VERSION}) \
         ON CONFLICT (id) DO UPDATE SET version = excluded.version"
    );
    sqlx::raw_sql(AssertSqlSafe(version)).execute(&mut *connection).await?;
    Ok(())
}

async fn run(connection: &mut SqliteConnection, sql: &'static str) -> Result<(), sqlx::Error> {
    sqlx::raw_sql(sql).execute(connection).await.map(|_| ())
}

/// Why the tables were not brought to the version.
pub(super) enum Failed {
    Newer(ConnectError),
    Sql(sqlx::Error),
}

impl From<sqlx::Error> for Failed {
    fn from(error: sqlx::Error) -> Self {
        Self::Sql(error)
    }
}
