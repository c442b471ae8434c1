//! SQLite for benchmarks: the library's store in a new file, and a connection by hand that is as durable, for the
//! peers.

use anyhow::{Context, Result};
use kingcong_sqlx::SqlStore;
use sqlx::{
    AssertSqlSafe, ConnectOptions, SqliteConnection,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous},
};
use tempfile::TempDir;

/// A database file that is gone with this.
#[derive(Debug)]
pub(crate) struct File {
    folder: TempDir,
}

impl File {
    pub(crate) fn new() -> Result<Self> {
        Ok(Self { folder: tempfile::tempdir().context("no temporary folder")? })
    }

    fn path(&self) -> std::path::PathBuf {
        self.folder.path().join("bench.db")
    }

    /// The library's store in it.
    pub(crate) async fn store(&self) -> Result<SqlStore> {
        Ok(SqlStore::connect(&format!("sqlite://{}", self.path().display())).await?)
    }

    /// A connection to it, with the settings of the library's: WAL, and every commit durable.
    pub(crate) async fn by_hand(&self) -> Result<ByHand> {
        let options = SqliteConnectOptions::new()
            .filename(self.path())
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .disable_statement_logging();
        Ok(ByHand(options.connect().await?))
    }
}

/// A connection that is used as a host would by itself: prepared statements, one after the other.
#[derive(Debug)]
pub(crate) struct ByHand(SqliteConnection);

/// A value in a statement.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Value<'a> {
    Integer(i64),
    Text(&'a str),
    Blob(&'a [u8]),
}

impl ByHand {
    pub(crate) async fn run(&mut self, sql: &'static str, values: &[Value<'_>]) -> Result<u64> {
        let mut query = sqlx::query(AssertSqlSafe(sql));
        for value in values {
            query = match *value {
                Value::Integer(integer) => query.bind(integer),
                Value::Text(text) => query.bind(text.to_owned()),
                Value::Blob(blob) => query.bind(blob.to_owned()),
            };
        }
        Ok(query.execute(&mut self.0).await?.rows_affected())
    }
}
