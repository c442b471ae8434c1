//! The PostgreSQL room: one connection that writes, some that read, and what PostgreSQL does in its own way.
//!
//! Batches of several processes run at the same time, at the isolation level READ COMMITTED: every row that a batch
//! may change is locked when it is read, in one order for all. What no lock of a row protects, because it is not there
//! yet, is protected by unique rules, or by a lock that lets a batch run alone (see [`Beside`]). Time is the
//! server's.

mod error;
mod migrate;
mod text;

use std::{num::NonZeroU32, str::FromStr as _, sync::Arc, time::Duration};

use async_trait::async_trait;
use kingcong_core::{
    clock::{Clock, Timestamp},
    store::{StoreError, StoreErrorKind},
};
use parking_lot::Mutex;
use sqlx::{
    AssertSqlSafe, Column as _, ConnectOptions as _, Connection as _, Decode, Executor as _, PgConnection,
    Postgres as Driver, Row as _, TypeInfo as _, ValueRef as _,
    postgres::{PgArguments, PgConnectOptions, PgRow, PgSslMode},
};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use uuid::Uuid;

use self::{
    error::{commit_failed, failed, not_opened},
    text::Together,
};
use crate::{
    ConnectError, Options, address,
    cell::{Cell, Gives, Names, Row},
    columns::{self, FoundColumn},
    session::{Begun, Beside, Database, Fence, Instant, Passed, Script, Session, Statement, Transaction},
    table::{Deed, Table},
};

/// The oldest version that will do, as the server numbers it and as people do.
const VERSION_MIN: (i64, &str) = (130_000, "13");
/// What a URL calls the way that TLS is used, and the variable of the environment that says it for all.
const SSL_MODES: [&str; 2] = ["sslmode", "ssl-mode"];
const SSL_MODE_VARIABLE: &str = "PGSSLMODE";
/// Prepared statements that a connection keeps: every table's, and those written by hand.
const STATEMENTS_KEPT_MAX: usize = 512;
/// How long the server may work on a statement.
const STATEMENT_MAX: Duration = Duration::from_secs(30);
/// How long a transaction may stand still: a process that stopped lets its rows go.
const STANDSTILL_MAX: Duration = Duration::from_secs(30);
/// How long an answer may take, waiting for others included; then the connection is given up.
const ANSWER_MAX: Duration = Duration::from_secs(60);
/// How long connecting may take.
const CONNECT_MAX: Duration = Duration::from_secs(10);
/// What locks rows that a query finds against other writers; not against rows that refer to them.
const ROW_LOCK: &str = "FOR NO KEY UPDATE";
/// The server's time in microseconds, as it is when this is computed.
const NOW: &str = "(extract(epoch FROM clock_timestamp()) * 1000000)::bigint";
/// The server's time in microseconds when the statement came: the same throughout it, so that an index serves it.
const STATEMENT_NOW: &str = "(extract(epoch FROM statement_timestamp()) * 1000000)::bigint";
/// The lock that every batch holds: with others, or alone. Each schema has its own.
const BATCHES_LOCK: &str = "hashtext('kingcong_batches'), hashtext(current_schema())";

/// A PostgreSQL database.
#[derive(Debug)]
pub(crate) struct Postgres {
    server: Arc<Server>,
    writers: Arc<Connections>,
    readers: Arc<Connections>,
}

/// What every session needs to know.
#[derive(Debug)]
struct Server {
    connect: PgConnectOptions,
    /// What every transaction is told.
    settings: String,
    /// In place of the server's clock.
    clock: Option<Arc<dyn Clock>>,
}

impl Server {
    /// The time of a heartbeat.
    fn beat(&self) -> String {
        match &self.clock {
            Some(clock) => clock.now().as_micros().to_string(),
            None => NOW.to_owned(),
        }
    }
}

/// Connections of one purpose.
#[derive(Debug)]
struct Connections {
    idle: Mutex<Vec<PgConnection>>,
    permits: Arc<Semaphore>,
}

impl Connections {
    fn new(most: NonZeroU32) -> Arc<Self> {
        let permits = Arc::new(Semaphore::new(most.get() as usize));
        Arc::new(Self { idle: Mutex::default(), permits })
    }

    async fn close(&self) {
        self.permits.close();
        let idle = std::mem::take(&mut *self.idle.lock());
        for connection in idle {
            let _ = tokio::time::timeout(CONNECT_MAX, connection.close()).await;
        }
    }
}

/// Why a database was not opened.
enum Failed {
    Refused(ConnectError),
    Sql(sqlx::Error),
}

impl From<sqlx::Error> for Failed {
    fn from(error: sqlx::Error) -> Self {
        Self::Sql(error)
    }
}

impl Postgres {
    pub(crate) async fn open(url: &str, options: &Options) -> Result<Self, ConnectError> {
        let connect = PgConnectOptions::from_str(url).map_err(|error| ConnectError::Unusable {
            what: "the URL cannot be read: write it as postgres://user:password@host/database".to_owned(),
            source: Box::new(error),
        })?;
        let connect = connect
            .application_name("kingcong")
            // Poolers refuse a connection that brings it; no float is read.
            .extra_float_digits(None)
            .statement_cache_capacity(STATEMENTS_KEPT_MAX)
            .disable_statement_logging();
        let is_local = connect.get_socket().is_some() || address::is_local(connect.get_host());
        let connect = match address::names(url, &SSL_MODES) || std::env::var_os(SSL_MODE_VARIABLE).is_some() {
            false if !is_local => connect.ssl_mode(PgSslMode::Require),
            _ => connect,
        };
        let place = format!("{}:{}", connect.get_host(), connect.get_port());
        let settings = settings(options);
        let result = async {
            let mut connection = connected(&connect).await?;
            check_version(&mut connection).await?;
            migrate::migrate(&mut connection).await?;
            let columns = columns(&mut connection).await?;
            columns::check(&columns, |is, kind| text::kind(is) == Some(kind)).map_err(Failed::Refused)?;
            Ok(connection)
        };
        let connection = result.await.map_err(|error| match error {
            Failed::Refused(error) => error,
            Failed::Sql(error) => not_opened(&place, error),
        })?;
        let server = Server { connect, settings, clock: options.clock.clone() };
        let writers = Connections::new(NonZeroU32::MIN);
        writers.idle.lock().push(connection);
        Ok(Self { server: Arc::new(server), writers, readers: Connections::new(options.readers_max) })
    }

    /// A session on an idle connection or a new one.
    async fn session(&self, of: &Arc<Connections>) -> Result<Link, StoreError> {
        let permit = Arc::clone(&of.permits).acquire_owned().await.map_err(|_| closed())?;
        let idle = of.idle.lock().pop();
        let (connection, since) = match idle {
            Some(connection) => (connection, Since::Idle),
            None => {
                let new = connected(&self.server.connect).await;
                (new.map_err(failed)?, Since::Answered)
            }
        };
        Ok(Link {
            server: Arc::clone(&self.server),
            of: Arc::clone(of),
            connection: Some(connection),
            since,
            stands: Stands::Free,
            _permit: permit,
        })
    }
}

fn closed() -> StoreError {
    StoreError::new(StoreErrorKind::Unusable, "it was closed; open another")
}

/// Makes a commit durable where the server would answer it before.
const DURABLY: &str = "CASE current_setting('synchronous_commit') \
                       WHEN 'off' THEN set_config('synchronous_commit', 'on', true) = '' ELSE false END";

/// What a transaction is told: every wait ends, rows are found by an index even while the server knows nothing of a
/// table, and a commit that was answered is durable. It holds for the transaction alone: behind a pooler the next one
/// on the same connection may be somebody else's. It is one statement, which gives no row.
fn settings(options: &Options) -> String {
    let milliseconds = |length: Duration| length.as_millis().to_string();
    let settings = [
        ("statement_timeout", milliseconds(STATEMENT_MAX)),
        // Zero would mean no end.
        ("lock_timeout", milliseconds(options.write_wait_max.clamp(Duration::from_millis(1), STATEMENT_MAX))),
        ("idle_in_transaction_session_timeout", milliseconds(STANDSTILL_MAX)),
        ("jit", "off".to_owned()),
        ("enable_seqscan", "off".to_owned()),
    ];
    let set = settings.map(|(name, value)| format!("set_config('{name}', '{value}', true) = ''"));
    format!("SELECT 1 WHERE {} OR {DURABLY}", set.join(" OR "))
}

async fn connected(connect: &PgConnectOptions) -> Result<PgConnection, sqlx::Error> {
    match tokio::time::timeout(CONNECT_MAX, connect.connect()).await {
        Ok(result) => result,
        Err(_) => Err(too_slow()),
    }
}

fn too_slow() -> sqlx::Error {
    sqlx::Error::Io(std::io::Error::new(std::io::ErrorKind::TimedOut, "the server does not answer"))
}

/// Waits for an answer, but not for ever.
async fn within<T>(answer: impl Future<Output = Result<T, sqlx::Error>>) -> Result<T, sqlx::Error> {
    tokio::time::timeout(ANSWER_MAX, answer).await.unwrap_or_else(|_| Err(too_slow()))
}

async fn check_version(connection: &mut PgConnection) -> Result<(), Failed> {
    let sql = "SELECT current_setting('server_version_num')::bigint, current_setting('server_version')";
    let row = connection.fetch_one(sql).await?;
    is_new_enough(row.try_get(0)?, row.try_get(1)?).map_err(Failed::Refused)
}

fn is_new_enough(number: i64, found: String) -> Result<(), ConnectError> {
    let (min, least) = VERSION_MIN;
    match number < min {
        true => Err(ConnectError::OldServer { database: "PostgreSQL", found, least }),
        false => Ok(()),
    }
}

/// Our tables' columns, as the database has them.
async fn columns(connection: &mut PgConnection) -> Result<Vec<FoundColumn>, sqlx::Error> {
    let sql = "SELECT table_name::text, column_name::text, udt_name::text FROM information_schema.columns \
               WHERE table_schema = current_schema() AND table_name LIKE 'kingcong\\_%'";
    let rows = connection.fetch_all(sql).await?;
    rows.iter()
        .map(|row| Ok(FoundColumn { table: row.try_get(0)?, name: row.try_get(1)?, is: row.try_get(2)? }))
        .collect()
}

#[async_trait]
impl Database for Postgres {
    async fn begin(&self) -> Result<Box<dyn Transaction>, StoreError> {
        let mut link = self.session(&self.writers).await?;
        link.stands = Stands::Writing;
        let sql = format!("BEGIN ISOLATION LEVEL READ COMMITTED; {}", link.server.settings);
        link.tell(sql).await.map_err(failed)?;
        Ok(Box::new(link))
    }

    async fn begin_batch(&self, fence: Fence) -> Result<Begun, StoreError> {
        let mut link = self.session(&self.writers).await?;
        link.stands = Stands::Writing;
        let lock = match fence.beside {
            Beside::Others => "pg_advisory_xact_lock_shared",
            Beside::Nobody => "pg_advisory_xact_lock",
        };
        let beat = link.server.beat();
        let (number, last) = (fence.number, fence.number.saturating_sub(1));
        // One way there and back. Each statement sees what was committed before it began: the versions are those that
        // hold for as long as the lock does.
        let sql = format!(
            "BEGIN ISOLATION LEVEL READ COMMITTED; {}; \
             SELECT 0::bigint FROM {lock}({BATCHES_LOCK}); \
             UPDATE kingcong_workers SET batch_no = {number}, beat = {beat} \
             WHERE id = '{}' AND life = 'alive' AND batch_no = {last} \
             RETURNING coalesce((SELECT version FROM kingcong_config WHERE id = 1), 0), \
             coalesce((SELECT max(version) FROM kingcong_tenants), 0)",
            link.server.settings,
            fence.worker.as_uuid(),
        );
        let rows = link.tell(sql).await.map_err(failed)?;
        let passed = match rows.get(1) {
            Some(row) => {
                let configuration_version = row.try_get(0).map_err(failed)?;
                let tenants_version = row.try_get(1).map_err(failed)?;
                Some(Passed { configuration_version, tenants_version, seen: None })
            }
            None => None,
        };
        Ok(Begun { transaction: Box::new(link), passed })
    }

    async fn beat(&self, fence: Fence) -> Result<Option<Timestamp>, StoreError> {
        let mut link = self.session(&self.writers).await?;
        link.check().await.map_err(failed)?;
        let beat = link.server.beat();
        let (number, last) = (fence.number, fence.number.saturating_sub(1));
        let sql = format!(
            "UPDATE kingcong_workers SET batch_no = {number}, beat = {beat} \
             WHERE id = '{}' AND life = 'alive' AND batch_no = {last} AND NOT ({DURABLY}) RETURNING beat",
            fence.worker.as_uuid(),
        );
        match link.tell(sql).await {
            Ok(rows) => {
                let beat = rows.first().map(|row| row.try_get(0)).transpose().map_err(failed)?;
                Ok(beat.map(Timestamp::from_micros))
            }
            // The server refused it.
            Err(error) if link.connection.is_some() => Err(failed(error)),
            Err(error) => Err(commit_failed(error)),
        }
    }

    fn instant(&self) -> Instant {
        match &self.server.clock {
            Some(clock) => Instant { sql: "?", value: Some(clock.now()) },
            None => Instant { sql: STATEMENT_NOW, value: None },
        }
    }

    async fn reader(&self) -> Result<Box<dyn Session>, StoreError> {
        Ok(Box::new(self.session(&self.readers).await?))
    }

    async fn backup(&self, _: &std::path::Path) -> Result<(), StoreError> {
        let message = "a PostgreSQL database is copied by its own programs: use pg_dump or pg_basebackup";
        Err(StoreError::new(StoreErrorKind::Unusable, message))
    }

    async fn close(&self) {
        self.readers.close().await;
        self.writers.close().await;
    }
}

/// A connection in use. It goes back among the idle ones if nothing is left open on it.
struct Link {
    server: Arc<Server>,
    of: Arc<Connections>,
    /// Taken while an answer is awaited: who stops waiting loses it.
    connection: Option<PgConnection>,
    since: Since,
    stands: Stands,
    _permit: OwnedSemaphorePermit,
}

/// What a connection did last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Since {
    /// It waited to be used, and may have been lost meanwhile.
    Idle,
    /// It answered.
    Answered,
}

/// Whether a connection is inside a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stands {
    Free,
    /// One that gives one view.
    Viewing,
    Writing,
}

impl Link {
    /// Keeps the connection after an answer, even one that says no. One that gave no answer is lost, and the idle ones
    /// beside it are probably lost, too.
    fn keep<T>(
        &mut self,
        connection: PgConnection,
        answer: Result<T, sqlx::Error>,
    ) -> Result<T, sqlx::Error> {
        match &answer {
            Ok(_) => self.connection = Some(connection),
            Err(error) if error.as_database_error().is_some_and(stays) => self.connection = Some(connection),
            Err(_) => self.of.idle.lock().clear(),
        }
        answer
    }

    /// Makes sure that the connection is there, without a statement: one that was lost while it was idle is replaced.
    async fn check(&mut self) -> Result<(), sqlx::Error> {
        if std::mem::replace(&mut self.since, Since::Answered) == Since::Idle {
            let mut connection = self.connection.take().ok_or(sqlx::Error::WorkerCrashed)?;
            let answer = within(connection.ping()).await;
            if self.keep(connection, answer).is_err() {
                self.connection = Some(connected(&self.server.connect).await?);
            }
        }
        Ok(())
    }

    /// Runs a prepared statement.
    async fn ask(&mut self, sql: String, arguments: PgArguments) -> Result<Vec<PgRow>, sqlx::Error> {
        self.answer(sql, Some(arguments)).await
    }

    /// Runs statements without parameters.
    async fn tell(&mut self, sql: String) -> Result<Vec<PgRow>, sqlx::Error> {
        self.answer(sql, None).await
    }

    async fn answer(
        &mut self,
        sql: String,
        arguments: Option<PgArguments>,
    ) -> Result<Vec<PgRow>, sqlx::Error> {
        if std::mem::replace(&mut self.since, Since::Answered) == Since::Idle {
            let answer = self.send(sql.clone(), arguments.clone()).await;
            if self.connection.is_some() {
                return answer;
            }
            // It was lost while it was idle. This is the first that it was asked, so a new one will do as well.
            self.connection = Some(connected(&self.server.connect).await?);
        }
        self.send(sql, arguments).await
    }

    async fn run_together(&mut self, together: Together) -> Result<(), StoreError> {
        match together.finish() {
            Some((sql, arguments)) => self.ask(sql, arguments).await.map(drop).map_err(failed),
            None => Ok(()),
        }
    }

    async fn send(&mut self, sql: String, arguments: Option<PgArguments>) -> Result<Vec<PgRow>, sqlx::Error> {
        let mut connection = self.connection.take().ok_or(sqlx::Error::WorkerCrashed)?;
        let sql = AssertSqlSafe(sql);
        let answer = match arguments {
            Some(arguments) => within(connection.fetch_all(sqlx::query_with(sql, arguments))).await,
            None => within(connection.fetch_all(sqlx::raw_sql(sql))).await,
        };
        self.keep(connection, answer)
    }
}

/// Whether the connection is still there after an error of the server.
fn stays(error: &(dyn sqlx::error::DatabaseError + 'static)) -> bool {
    error.code().is_some_and(|code| code == "57014" || !(code.starts_with("57") || code.starts_with("08")))
}

#[async_trait]
impl Session for Link {
    async fn load(&mut self, table: &Table, keys: Vec<Cell>) -> Result<Vec<Row>, StoreError> {
        let mut sql = text::text(table, Deed::Load, 0);
        if self.stands == Stands::Writing {
            sql.push_str(&text::load_lock(table, ROW_LOCK));
        }
        let rows_wanted = keys.len() / table.key_length();
        let mut arguments = PgArguments::default();
        text::arrays(&mut arguments, table, Deed::Load, &keys, rows_wanted).map_err(failed)?;
        rows(Gives::Record(*table), self.ask(sql, arguments).await).map_err(failed)
    }

    async fn fetch(&mut self, gives: Gives, sql: String, cells: Vec<Cell>) -> Result<Vec<Row>, StoreError> {
        let arguments = text::arguments(cells).map_err(failed)?;
        rows(gives, self.ask(text::numbered(&sql), arguments).await).map_err(failed)
    }

    async fn run(&mut self, script: Script) -> Result<(), StoreError> {
        // Every answer that is waited for holds up whoever needs the rows that this transaction has locked.
        let mut together = Together::default();
        for statement in script.statements {
            match statement {
                Statement::Plain { sql, cells } => {
                    self.run_together(std::mem::take(&mut together)).await?;
                    let arguments = text::arguments(cells).map_err(failed)?;
                    self.ask(text::numbered(sql), arguments).await.map_err(failed)?;
                }
                Statement::Rows { table, deed, rows, cells } => {
                    if together.has(&table) {
                        self.run_together(std::mem::take(&mut together)).await?;
                    }
                    let cells = cells.get(1..).unwrap_or_default();
                    together.add(&table, deed, cells, rows).map_err(failed)?;
                }
            }
        }
        self.run_together(together).await
    }

    async fn begin_view(&mut self) -> Result<(), StoreError> {
        if self.stands == Stands::Free {
            self.stands = Stands::Viewing;
            let sql = format!("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; {}", self.server.settings);
            self.tell(sql).await.map_err(failed)?;
        }
        Ok(())
    }

    async fn end_view(&mut self) -> Result<(), StoreError> {
        if self.stands == Stands::Viewing {
            self.tell("COMMIT".to_owned()).await.map_err(failed)?;
            self.stands = Stands::Free;
        }
        Ok(())
    }
}

#[async_trait]
impl Transaction for Link {
    async fn now(&mut self) -> Result<Timestamp, StoreError> {
        if let Some(clock) = &self.server.clock {
            return Ok(clock.now());
        }
        let rows = self.ask(format!("SELECT {NOW}"), PgArguments::default()).await.map_err(failed)?;
        let micros = rows.first().map(|row| row.try_get(0)).unwrap_or(Err(sqlx::Error::RowNotFound));
        micros.map(Timestamp::from_micros).map_err(failed)
    }

    fn row_lock(&self) -> Option<&'static str> {
        Some(ROW_LOCK)
    }

    fn next_keys(&self) -> Option<&'static str> {
        // The key before its limit: who is refused the second keeps the first.
        Some(
            "SELECT l.id FROM kingcong_api_keys k JOIN kingcong_limits l ON l.id = k.id \
             WHERE l.pool = ? ORDER BY l.turn, l.id LIMIT ?",
        )
    }

    async fn commit(mut self: Box<Self>) -> Result<(), StoreError> {
        self.tell("COMMIT".to_owned()).await.map_err(commit_failed)?;
        self.stands = Stands::Free;
        Ok(())
    }

    async fn roll_back(mut self: Box<Self>) {
        // A connection that cannot is dropped, which ends the transaction, too.
        if self.connection.is_some() && self.tell("ROLLBACK".to_owned()).await.is_ok() {
            self.stands = Stands::Free;
        }
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        if self.stands == Stands::Free
            && !self.of.permits.is_closed()
            && let Some(connection) = self.connection.take()
        {
            self.of.idle.lock().push(connection);
        }
    }
}

fn rows(gives: Gives, answer: Result<Vec<PgRow>, sqlx::Error>) -> Result<Vec<Row>, sqlx::Error> {
    let rows = answer?;
    let Some(first) = rows.first() else { return Ok(Vec::new()) };
    let names = Names::new(gives, first.columns().iter().map(|column| column.name()));
    rows.iter().map(|row| Ok(Row::new(names.clone(), cells_of(row)?))).collect()
}

fn cells_of(row: &PgRow) -> Result<Vec<Cell>, sqlx::Error> {
    let mut cells = Vec::with_capacity(row.len());
    for column in 0..row.len() {
        let value = row.try_get_raw(column)?;
        let cell = if value.is_null() {
            Cell::Null
        } else {
            match value.type_info().name() {
                "INT8" => <i64 as Decode<Driver>>::decode(value).map(Cell::Int),
                "UUID" => <Uuid as Decode<Driver>>::decode(value).map(|id| Cell::Id(id.into_bytes())),
                "BYTEA" => <Vec<u8> as Decode<Driver>>::decode(value).map(Cell::Bytes),
                "TEXT" => <String as Decode<Driver>>::decode(value).map(Cell::Text),
                other => Err(format!("column {column} is of the unknown type {other}").into()),
            }
            .map_err(sqlx::Error::Decode)?
        };
        cells.push(cell);
    }
    Ok(cells)
}

#[cfg(test)]
mod tests {
    use super::is_new_enough;

    #[test]
    fn servers_without_what_is_used_are_refused() {
        for (number, version, new_enough) in [
            (130_000, "13.0", true),
            (180_001, "18.1", true),
            (120_022, "12.22", false),
            (90_624, "9.6.24", false),
        ] {
            let result = is_new_enough(number, version.to_owned());
            assert_eq!(result.is_ok(), new_enough, "{result:?}");
        }
    }
}
