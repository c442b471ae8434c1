//! Databases for benchmarks: the library's store in a new one, and connections by hand that are as durable, for the
//! peers.

use anyhow::{Context, Result};
use kingcong_servers::Server;
use kingcong_sqlx::SqlStore;
use sqlx::{
    AssertSqlSafe, ConnectOptions, Executor as _, MySqlConnection, PgConnection, Row as _, SqliteConnection,
    mysql::MySqlConnectOptions,
    postgres::PgConnectOptions,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous},
};
use tempfile::TempDir;

/// Where databases are made. Servers are private ones that flush every commit to the disk before they answer.
#[derive(Debug)]
pub(crate) enum Place {
    Files,
    Postgres(Server),
    MariaDb(Server),
}

impl Place {
    pub(crate) fn postgres() -> Result<Self> {
        Ok(Self::Postgres(Server::postgres()?))
    }

    pub(crate) fn mariadb() -> Result<Self> {
        Ok(Self::MariaDb(Server::mariadb()?))
    }

    pub(crate) const fn as_str(&self) -> &'static str {
        match self {
            Self::Files => "sqlite",
            Self::Postgres(_) => "postgres",
            Self::MariaDb(_) => "mariadb",
        }
    }

    /// A new, empty database.
    pub(crate) fn fresh(&self) -> Result<Database> {
        match self {
            Self::Files => {
                let folder = tempfile::tempdir().context("no temporary folder")?;
                let url = format!("sqlite://{}", folder.path().join("bench.db").display());
                Ok(Database { url, _folder: Some(folder) })
            }
            Self::Postgres(server) | Self::MariaDb(server) => {
                Ok(Database { url: server.fresh_database()?, _folder: None })
            }
        }
    }
}

/// A database; one in a file is gone with this.
#[derive(Debug)]
pub(crate) struct Database {
    pub(crate) url: String,
    _folder: Option<TempDir>,
}

impl Database {
    /// The library's store in it.
    pub(crate) async fn store(&self) -> Result<SqlStore> {
        Ok(SqlStore::connect(&self.url).await?)
    }

    /// A connection to an SQLite file, with the settings of the library's: WAL, and every commit durable.
    pub(crate) async fn file_by_hand(&self) -> Result<FileByHand> {
        let options = self.url.parse::<SqliteConnectOptions>()?;
        let options = options
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .disable_statement_logging();
        Ok(FileByHand(options.connect().await?))
    }

    /// A connection to a database of a server.
    pub(crate) async fn server_by_hand(&self) -> Result<ServerByHand> {
        if self.url.starts_with("postgres") {
            let options = self.url.parse::<PgConnectOptions>()?.disable_statement_logging();
            return Ok(ServerByHand::Postgres(options.connect().await?));
        }
        let options = self.url.parse::<MySqlConnectOptions>()?.disable_statement_logging();
        Ok(ServerByHand::MariaDb(options.connect().await?))
    }
}

/// A connection that is used as a host would by itself: prepared statements, one after the other.
#[derive(Debug)]
pub(crate) struct FileByHand(SqliteConnection);

/// A value in a statement.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Value<'a> {
    Integer(i64),
    Text(&'a str),
    Blob(&'a [u8]),
}

impl FileByHand {
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

/// A connection to a server that is used as a host would by itself.
#[derive(Debug)]
pub(crate) enum ServerByHand {
    Postgres(PgConnection),
    MariaDb(MySqlConnection),
}

impl ServerByHand {
    /// Runs a text without parameters, such as `BEGIN`.
    pub(crate) async fn tell(&mut self, sql: &str) -> Result<()> {
        let sql = sqlx::raw_sql(AssertSqlSafe(sql.to_owned()));
        match self {
            Self::Postgres(connection) => connection.execute(sql).await.map(drop)?,
            Self::MariaDb(connection) => connection.execute(sql).await.map(drop)?,
        }
        Ok(())
    }

    /// Runs a prepared statement; the integers in the first row that it gives. Parameters are written as PostgreSQL
    /// does, in order.
    pub(crate) async fn run(&mut self, sql: &'static str, values: &[i64]) -> Result<Vec<i64>> {
        match self {
            Self::Postgres(connection) => {
                let query =
                    values.iter().fold(sqlx::query(AssertSqlSafe(sql)), |query, value| query.bind(value));
                let rows = query.fetch_all(connection).await?;
                rows.first().map_or(Ok(Vec::new()), |row| {
                    (0..row.len()).map(|column| Ok(row.try_get(column)?)).collect()
                })
            }
            Self::MariaDb(connection) => {
                let sql = values
                    .iter()
                    .enumerate()
                    .fold(sql.to_owned(), |sql, (place, _)| sql.replace(&format!("${}", place + 1), "?"));
                let query =
                    values.iter().fold(sqlx::query(AssertSqlSafe(sql)), |query, value| query.bind(value));
                let rows = query.fetch_all(connection).await?;
                rows.first().map_or(Ok(Vec::new()), |row| {
                    (0..row.len()).map(|column| Ok(row.try_get(column)?)).collect()
                })
            }
        }
    }
}
