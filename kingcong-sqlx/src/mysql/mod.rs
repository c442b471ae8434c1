//! The room of MySQL and MariaDB: one connection that writes, some that read, and what these servers do in their own
//! way.
//!
//! Many processes write at once, so everything that a batch decides by is locked as it is read, in one order and under
//! READ COMMITTED, where a statement sees what was committed before it began. Rows that are not there yet cannot be
//! locked: of two batches that make the same row the second fails and finds it when it is tried again, and what must
//! not be there at all is looked for by one batch alone (see [`Beside`]).

mod error;
mod migrate;
mod text;

use std::{path::Path, sync::Arc, time::Duration};

use async_trait::async_trait;
use futures_util::TryStreamExt as _;
use kingcong_core::{
    clock::{Clock, Timestamp},
    engine::Outputs,
    store::{StoreError, StoreErrorKind},
};
use parking_lot::Mutex;
use sqlx::{
    Arguments as _, AssertSqlSafe, Column as _, ConnectOptions as _, Connection as _, Decode, Either,
    Executor as _, MySql as Driver, MySqlConnection, Row as _, Type, TypeInfo as _, ValueRef as _,
    mysql::{MySqlArguments, MySqlConnectOptions, MySqlRow, MySqlSslMode},
};
use tokio::sync::{OwnedMutexGuard, OwnedSemaphorePermit, Semaphore};

use crate::{
    ConnectError, Options, address,
    cell::{Cell, Gives, Names, Row},
    columns::{self, FoundColumn},
    mysql::{
        error::{commit_failed, failed, is_lost, not_opened, too_large},
        text::Bound,
    },
    session::{
        Begun, Beside, Database, Fence, Instant, Passed, STATEMENT_BYTES_MAX, Script, Session, Transaction,
    },
    table::{Deed, Kind, Table},
};

/// The first versions that have everything that is used here, in numbers and as people write them.
const MYSQL_MIN: ([u32; 3], &str) = ([8, 0, 16], "8.0.16");
const MARIADB_MIN: ([u32; 3], &str) = ([10, 6, 0], "10.6");
/// What a URL calls the way that TLS is used.
const SSL_MODES: [&str; 2] = ["ssl-mode", "sslmode"];
/// How a URL says that of the nodes of a Galera cluster one alone is written to.
const GALERA: &str = "galera";
const ONE_WRITER: &str = "one-writer";
/// How much longer than for locks a statement is waited for before its connection counts as lost.
const ANSWER_WAIT_MAX: Duration = Duration::from_secs(30);
/// A text of statements is sent when it is longer.
const TEXT_BYTES_MAX: usize = 1024 * 1024;
/// What a server must take at once: a long statement with a largest result in the end, or as literals after others. A
/// recording to make a voice from may be larger: where the server does not take it, its request alone fails.
const PACKET_BYTES_MIN: u64 = (STATEMENT_BYTES_MAX + TEXT_BYTES_MAX) as u64 + Outputs::STORE_BYTES_MAX;
/// What is added to a packet's values: their lengths and types, and what frames them.
const PACKET_FRAME_BYTES: usize = 64 * 1024;
/// What locks rows that a query finds against other writers.
const ROW_LOCK: &str = "FOR UPDATE";
/// The server's time in microseconds, read at this point of the statement.
const NOW: &str = "CAST(UNIX_TIMESTAMP(SYSDATE(6)) * 1000000 AS SIGNED)";
/// The server's time in microseconds when the statement began: the same throughout it, so that an index serves it.
const STATEMENT_NOW: &str = "CAST(UNIX_TIMESTAMP(NOW(6)) * 1000000 AS SIGNED)";

/// A database on a MySQL or MariaDB server.
#[derive(Debug)]
pub(crate) struct MySql {
    writer: Arc<tokio::sync::Mutex<Writer>>,
    readers: Arc<Readers>,
}

/// How connections are opened and used.
#[derive(Clone, Debug)]
struct Connect {
    options: MySqlConnectOptions,
    /// The clock that is read in place of the server's.
    clock: Option<Arc<dyn Clock>>,
    lock_wait_max: Duration,
    texts: Texts,
}

/// What a text that is sent to the server may have in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Texts {
    /// Many statements: the first that fails ends the text.
    Statements,
    /// One statement. A node of Galera that undoes a transaction between two statements of a text goes on with the
    /// second as if nothing had happened.
    Statement,
}

/// Who may commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Commits {
    /// Each statement for itself.
    Each,
    /// Only a commit that is asked for.
    Asked,
}

/// A connection, and how it is used.
#[derive(Debug)]
struct Line {
    connection: MySqlConnection,
    connect: Connect,
    /// What the server takes at once; it cuts the connection that sends more.
    packet_bytes_max: u64,
}

/// The connection that writes.
#[derive(Debug)]
struct Writer {
    connect: Connect,
    /// Taken out for as long as a transaction is open: one that is left open goes with its connection.
    idle: Option<Line>,
    is_closed: bool,
}

/// The connections that read.
#[derive(Debug)]
struct Readers {
    connect: Connect,
    idle: Mutex<Vec<Line>>,
    permits: Arc<Semaphore>,
}

impl MySql {
    pub(crate) async fn open(url: &str, options: &Options) -> Result<Self, ConnectError> {
        let connect: MySqlConnectOptions = url.parse().map_err(|error| ConnectError::Unusable {
            what: "the URL cannot be read: write it as mysql://user:password@host/database".to_owned(),
            source: Box::<sqlx::Error>::new(error),
        })?;
        if connect.get_database().is_none_or(str::is_empty) {
            return Err(ConnectError::NoDatabase);
        }
        let is_local = connect.get_socket().is_some() || address::is_local(connect.get_host());
        let connect = match is_local || address::names(url, &SSL_MODES) {
            true => connect,
            false => connect.ssl_mode(MySqlSslMode::Required),
        };
        let mut connect = Connect {
            // Statements hold what users sent, and are not logged.
            options: connect.statement_cache_capacity(0).disable_statement_logging(),
            clock: options.clock.clone(),
            lock_wait_max: options.write_wait_max,
            texts: Texts::Statements,
        };
        let mut line = connect.open(Commits::Each).await.map_err(not_opened)?;
        if is_of_galera(&mut line).await.map_err(not_opened)? {
            match address::parameter(url, GALERA) {
                Some(ONE_WRITER) => connect.texts = Texts::Statement,
                Some(_) | None => return Err(ConnectError::SeveralWriters),
            }
        }
        if line.packet_bytes_max < PACKET_BYTES_MIN {
            return Err(ConnectError::SmallPackets { found: line.packet_bytes_max, least: PACKET_BYTES_MIN });
        }
        let found: String = line
            .connection
            .fetch_one(sqlx::raw_sql("SELECT VERSION()"))
            .await
            .and_then(|row| row.try_get(0))
            .map_err(not_opened)?;
        check_version(found)?;
        migrate::migrate(&mut line.connection).await?;
        columns::check(&columns(&mut line.connection).await.map_err(not_opened)?, holds)?;
        // It committed each statement for itself, as making tables needs it.
        let _ = line.connection.close().await;
        let writer = Writer { connect: connect.clone(), idle: None, is_closed: false };
        let readers = Readers {
            connect,
            idle: Mutex::default(),
            permits: Arc::new(Semaphore::new(options.readers_max.get() as usize)),
        };
        Ok(Self { writer: Arc::new(tokio::sync::Mutex::new(writer)), readers: Arc::new(readers) })
    }

    /// Waits for this process's turn to write.
    async fn turn(&self) -> Result<Writing, StoreError> {
        let mut writer = Arc::clone(&self.writer).lock_owned().await;
        if writer.is_closed {
            return Err(closed());
        }
        let line = match writer.idle.take() {
            Some(line) => line,
            None => writer.connect.open(Commits::Asked).await.map_err(failed)?,
        };
        Ok(Writing { writer, line: Some(line) })
    }
}

fn check_version(found: String) -> Result<(), ConnectError> {
    let (database, (min, least)) = match found.contains("MariaDB") {
        true => ("MariaDB", MARIADB_MIN),
        false => ("MySQL", MYSQL_MIN),
    };
    let digits = found.split(|letter: char| !letter.is_ascii_digit());
    let mut numbers = digits.map(|number| number.parse::<u32>().unwrap_or(0));
    if [(); 3].map(|()| numbers.next().unwrap_or(0)) < min {
        return Err(ConnectError::OldServer { database, found, least });
    }
    Ok(())
}

/// Our tables' columns, as the database has them.
async fn columns(connection: &mut MySqlConnection) -> Result<Vec<FoundColumn>, sqlx::Error> {
    let sql = "SELECT CAST(table_name AS CHAR), CAST(column_name AS CHAR), CAST(data_type AS CHAR) \
               FROM information_schema.columns WHERE table_schema = DATABASE() AND table_name LIKE 'kingcong%'";
    let rows = connection.fetch_all(sqlx::raw_sql(sql)).await?;
    rows.iter()
        .map(|row| Ok(FoundColumn { table: row.try_get(0)?, name: row.try_get(1)?, is: row.try_get(2)? }))
        .collect()
}

/// Whether a column of this type holds what is of that kind.
fn holds(is: &str, kind: Kind) -> bool {
    match kind {
        Kind::Int => is == "bigint",
        Kind::Id => is == "binary",
        Kind::Bytes => is == "binary" || is.ends_with("blob"),
        Kind::Text => is == "varchar" || is.ends_with("text"),
    }
}

fn closed() -> StoreError {
    StoreError::new(StoreErrorKind::Unusable, "it was closed; open another")
}

impl Connect {
    async fn open(&self, commits: Commits) -> Result<Line, sqlx::Error> {
        let connection = self.wait(self.options.connect()).await?;
        let mut line = Line { connection, connect: self.clone(), packet_bytes_max: PACKET_BYTES_MIN };
        let autocommit = match commits {
            Commits::Each => 1,
            Commits::Asked => 0,
        };
        let session = format!(
            "SET SESSION sql_mode = 'STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION', time_zone = '+00:00', \
             autocommit = {autocommit}, innodb_lock_wait_timeout = {}",
            self.lock_wait_max.as_secs().max(1),
        );
        let level = "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED";
        let packet = "SELECT CAST(@@max_allowed_packet AS SIGNED)";
        let rows = line.fetch_all([&session, level, packet].map(|sql| Bound::new(sql, []))).await?;
        line.packet_bytes_max = match rows.first().and_then(|row| row.first()) {
            Some(Cell::Int(bytes)) => bytes.unsigned_abs(),
            _ => return Err(sqlx::Error::RowNotFound),
        };
        Ok(line)
    }

    /// Waits for an answer of the server, which comes when the locks that it takes are free.
    async fn wait<T>(&self, answer: impl Future<Output = Result<T, sqlx::Error>>) -> Result<T, sqlx::Error> {
        match tokio::time::timeout(self.lock_wait_max + ANSWER_WAIT_MAX, answer).await {
            Ok(answer) => answer,
            Err(late) => Err(sqlx::Error::Io(late.into())),
        }
    }
}

impl Line {
    /// Whether the server still answers, without a statement.
    async fn check(&mut self) -> Result<(), sqlx::Error> {
        self.connect.wait(self.connection.ping()).await
    }

    /// The fence as a transaction of its own; its time if it passed.
    async fn beat(&mut self, fence: Fence) -> Result<Option<Timestamp>, sqlx::Error> {
        let (sql, at) = match &self.connect.clock {
            Some(clock) => ("?", Some(clock.now())),
            None => (NOW, None),
        };
        let statements = [
            Bound::new(&format!("SELECT {sql}"), at.map(Cell::from)),
            Bound::new(&fence_text(sql), fence_cells(fence, at)),
            Bound::new(MATCHED, []),
            Bound::new("COMMIT", []),
        ];
        let rows = self.fetch_all(statements).await?;
        match rows.iter().map(Vec::as_slice).collect::<Vec<_>>()[..] {
            [[Cell::Int(micros)], [Cell::Int(1)]] => Ok(Some(Timestamp::from_micros(*micros))),
            [[Cell::Int(_)], [Cell::Int(_)]] => Ok(None),
            _ => Err(sqlx::Error::RowNotFound),
        }
    }

    /// Sends statements that have no parameters of their own, in order, as one text where the server takes many in
    /// one; the answer is the rows that they give.
    async fn fetch_all(
        &mut self,
        statements: impl IntoIterator<Item = Bound>,
    ) -> Result<Vec<Vec<Cell>>, sqlx::Error> {
        let mut together = Bound::default();
        let mut rows = Vec::new();
        for statement in statements {
            match self.connect.texts {
                Texts::Statements => together.follow_with(&statement),
                Texts::Statement => rows.extend(self.fetch(statement).await?),
            }
        }
        if !together.sql.is_empty() {
            rows = self.fetch(together).await?;
        }
        Ok(rows)
    }

    /// Sends a text of statements; the answer is the rows that they give.
    async fn fetch(&mut self, bound: Bound) -> Result<Vec<Vec<Cell>>, sqlx::Error> {
        let rows = self.fetch_rows(bound).await?;
        rows.iter().map(cells_of).collect()
    }

    /// Sends a text of one statement; the answer is the rows that it gives, by name.
    async fn fetch_named(&mut self, gives: Gives, bound: Bound) -> Result<Vec<Row>, sqlx::Error> {
        let rows = self.fetch_rows(bound).await?;
        let Some(first) = rows.first() else { return Ok(Vec::new()) };
        let names = Names::new(gives, first.columns().iter().map(|column| column.name()));
        rows.iter().map(|row| Ok(Row::new(names.clone(), cells_of(row)?))).collect()
    }

    async fn fetch_rows(&mut self, bound: Bound) -> Result<Vec<MySqlRow>, sqlx::Error> {
        let Self { connection, connect, packet_bytes_max } = self;
        let Bound { sql, parameters } = bound;
        let bytes = sql.len().max(parameters.iter().map(Cell::bytes).sum()) + PACKET_FRAME_BYTES;
        if bytes as u64 > *packet_bytes_max {
            return Err(too_large(bytes, *packet_bytes_max));
        }
        let sql = AssertSqlSafe(sql);
        let answer = async {
            let mut stream = match parameters.is_empty() {
                true => connection.fetch_many(sqlx::raw_sql(sql)),
                false => {
                    connection.fetch_many(sqlx::query_with(sql, arguments(parameters)?).persistent(false))
                }
            };
            let mut rows = Vec::new();
            while let Some(step) = stream.try_next().await? {
                if let Either::Right(row) = step {
                    rows.push(row);
                }
            }
            Ok(rows)
        };
        connect.wait(answer).await
    }

    async fn now(&mut self) -> Result<Timestamp, sqlx::Error> {
        if let Some(clock) = &self.connect.clock {
            return Ok(clock.now());
        }
        let rows = self.fetch(Bound::new(&format!("SELECT {NOW}"), [])).await?;
        match rows.first().and_then(|row| row.first()) {
            Some(Cell::Int(micros)) => Ok(Timestamp::from_micros(*micros)),
            _ => Err(sqlx::Error::RowNotFound),
        }
    }

    /// Runs statements in order, many as one text.
    async fn run(&mut self, script: Script) -> Result<(), sqlx::Error> {
        let mut together = Bound::default();
        for statement in script.statements {
            let bound = Bound::from(statement);
            // What has parameters is prepared, and a prepared statement is one alone.
            if !bound.parameters.is_empty() || self.connect.texts == Texts::Statement {
                self.send_together(&mut together).await?;
                self.fetch(bound).await?;
                continue;
            }
            together.follow_with(&bound);
            if together.sql.len() > TEXT_BYTES_MAX {
                self.send_together(&mut together).await?;
            }
        }
        self.send_together(&mut together).await
    }

    async fn send_together(&mut self, together: &mut Bound) -> Result<(), sqlx::Error> {
        if together.sql.is_empty() {
            return Ok(());
        }
        self.fetch(std::mem::take(together)).await.map(|_| ())
    }
}

/// How many rows the statement before matched: connections say so, and not how many it changed.
const MATCHED: &str = "SELECT ROW_COUNT()";

/// Whether the server is a node of a Galera cluster.
async fn is_of_galera(line: &mut Line) -> Result<bool, sqlx::Error> {
    let rows = line.fetch(Bound::new("SHOW GLOBAL VARIABLES LIKE 'wsrep_on'", [])).await?;
    Ok(matches!(rows.first().map(Vec::as_slice), Some([_, Cell::Text(on)]) if on == "ON"))
}

/// The fence, where `beat` stands for its time.
fn fence_text(beat: &str) -> String {
    format!(
        "UPDATE kingcong_workers SET batch_no = ?, beat = {beat} \
         WHERE id = ? AND life = 'alive' AND batch_no = ?"
    )
}

/// What takes the places in the fence; `at` is its time, where that is a place.
fn fence_cells(fence: Fence, at: Option<Timestamp>) -> Vec<Cell> {
    let mut cells = vec![fence.number.into()];
    cells.extend(at.map(Cell::from));
    cells.extend([fence.worker.as_uuid().into(), fence.number.saturating_sub(1).into()]);
    cells
}

/// The versions of the configuration and of tenants, a row each; 0 before the first change.
const VERSIONS: &str = "SELECT coalesce((SELECT version FROM kingcong_config WHERE id = 1), 0) \
     UNION ALL SELECT coalesce(max(version), 0) FROM kingcong_tenants";

#[async_trait]
impl Database for MySql {
    async fn begin(&self) -> Result<Box<dyn Transaction>, StoreError> {
        let mut writing = self.turn().await?;
        writing.ask("START TRANSACTION", Vec::new()).await?;
        Ok(Box::new(writing))
    }

    async fn begin_batch(&self, fence: Fence) -> Result<Begun, StoreError> {
        let mut writing = self.turn().await?;
        let lock = match fence.beside {
            Beside::Others => "LOCK IN SHARE MODE",
            Beside::Nobody => "FOR UPDATE",
        };
        let (beat, at) = match &writing.writer.connect.clock {
            Some(clock) => ("?", Some(clock.now())),
            None => (NOW, None),
        };
        // One way there and back. Each statement sees what was committed before it began: the versions of configuration
        // and tenants are those that hold for as long as the lock does, on the one row that is always there.
        let statements = [
            Bound::new("START TRANSACTION", []),
            Bound::new(&format!("SELECT id FROM kingcong_schema WHERE id = 1 {lock}"), []),
            Bound::new(&fence_text(beat), fence_cells(fence, at)),
            Bound::new(MATCHED, []),
            Bound::new(VERSIONS, []),
        ];
        let rows = writing.line()?.fetch_all(statements).await;
        let rows = rows.map_err(|error| writing.failed(error))?;
        let passed = match rows.iter().map(Vec::as_slice).collect::<Vec<_>>()[..] {
            [_, [Cell::Int(1)], [Cell::Int(configuration_version)], [Cell::Int(tenants_version)]] => {
                let (configuration_version, tenants_version) = (*configuration_version, *tenants_version);
                Some(Passed { configuration_version, tenants_version, seen: None })
            }
            [_, [Cell::Int(_)], [Cell::Int(_)], [Cell::Int(_)]] => None,
            _ => return Err(writing.failed(sqlx::Error::RowNotFound)),
        };
        Ok(Begun { transaction: Box::new(writing), passed })
    }

    async fn beat(&self, fence: Fence) -> Result<Option<Timestamp>, StoreError> {
        let mut writing = self.turn().await?;
        // A connection that was lost while it was idle took nothing with it.
        let there = writing.line()?.check().await;
        there.map_err(|error| writing.failed(error))?;
        let beat = writing.line()?.beat(fence).await;
        if !beat.as_ref().is_err_and(is_lost) {
            writing.writer.idle = writing.line.take();
        }
        beat.map_err(commit_failed)
    }

    fn instant(&self) -> Instant {
        match &self.readers.connect.clock {
            Some(clock) => Instant { sql: "?", value: Some(clock.now()) },
            None => Instant { sql: STATEMENT_NOW, value: None },
        }
    }

    async fn reader(&self) -> Result<Box<dyn Session>, StoreError> {
        let permit = Arc::clone(&self.readers.permits).acquire_owned().await;
        let permit = permit.map_err(|_| closed())?;
        let idle = self.readers.idle.lock().pop();
        let (line, used) = match idle {
            Some(line) => (line, Used::Before),
            None => (self.readers.connect.open(Commits::Each).await.map_err(failed)?, Used::Now),
        };
        let readers = Arc::clone(&self.readers);
        Ok(Box::new(Reading { line: Some(line), used, stands: Stands::Outside, readers, _permit: permit }))
    }

    async fn backup(&self, _: &Path) -> Result<(), StoreError> {
        let message =
            "a server's database is copied with its own tools, such as mariadb-dump --single-transaction";
        Err(StoreError::new(StoreErrorKind::Unusable, message))
    }

    async fn close(&self) {
        self.readers.permits.close();
        let idle = std::mem::take(&mut *self.readers.idle.lock());
        for line in idle {
            let _ = line.connection.close().await;
        }
        let mut writer = self.writer.lock().await;
        writer.is_closed = true;
        if let Some(line) = writer.idle.take() {
            let _ = line.connection.close().await;
        }
    }
}

/// A transaction that may write.
struct Writing {
    writer: OwnedMutexGuard<Writer>,
    /// None when it was lost, and with it the transaction.
    line: Option<Line>,
}

impl Writing {
    fn line(&mut self) -> Result<&mut Line, StoreError> {
        let lost = || StoreError::new(StoreErrorKind::Unavailable, "the connection was lost; try again");
        self.line.as_mut().ok_or_else(lost)
    }

    async fn ask(&mut self, sql: &str, cells: Vec<Cell>) -> Result<Vec<Vec<Cell>>, StoreError> {
        let found = self.line()?.fetch(Bound::new(sql, cells)).await;
        found.map_err(|error| self.failed(error))
    }

    /// A failure; a connection that it leaves of no use is closed.
    fn failed(&mut self, error: sqlx::Error) -> StoreError {
        if is_lost(&error) {
            self.line = None;
        }
        failed(error)
    }
}

#[async_trait]
impl Session for Writing {
    async fn load(&mut self, table: &Table, keys: Vec<Cell>) -> Result<Vec<Row>, StoreError> {
        let mut sql = text::text(table, Deed::Load, keys.len() / table.key_length());
        sql.push_str(&text::load_lock(table, ROW_LOCK));
        self.fetch(Gives::Record(*table), sql, keys).await
    }

    async fn fetch(&mut self, gives: Gives, sql: String, cells: Vec<Cell>) -> Result<Vec<Row>, StoreError> {
        let rows = self.line()?.fetch_named(gives, Bound::new(&sql, cells)).await;
        rows.map_err(|error| self.failed(error))
    }

    async fn run(&mut self, script: Script) -> Result<(), StoreError> {
        let done = self.line()?.run(script).await;
        done.map_err(|error| self.failed(error))
    }

    async fn begin_view(&mut self) -> Result<(), StoreError> {
        Ok(())
    }

    async fn end_view(&mut self) -> Result<(), StoreError> {
        Ok(())
    }
}

#[async_trait]
impl Transaction for Writing {
    async fn now(&mut self) -> Result<Timestamp, StoreError> {
        let now = self.line()?.now().await;
        now.map_err(|error| self.failed(error))
    }

    fn row_lock(&self) -> Option<&'static str> {
        Some(ROW_LOCK)
    }

    fn next_keys(&self) -> Option<&'static str> {
        // In this order, or every key would be locked that a scan comes by.
        Some(
            "SELECT l.id FROM kingcong_limits l FORCE INDEX (kingcong_limits_turn) \
             STRAIGHT_JOIN kingcong_api_keys k ON k.id = l.id WHERE l.pool = ? ORDER BY l.turn, l.id LIMIT ?",
        )
    }

    async fn commit(mut self: Box<Self>) -> Result<(), StoreError> {
        let done = self.line()?.fetch(Bound::new("COMMIT", [])).await;
        match done {
            Ok(_) => {
                self.writer.idle = self.line.take();
                Ok(())
            }
            Err(error) => Err(commit_failed(error)),
        }
    }

    async fn roll_back(mut self: Box<Self>) {
        let Some(line) = &mut self.line else { return };
        if line.fetch(Bound::new("ROLLBACK", [])).await.is_ok() {
            self.writer.idle = self.line.take();
        }
    }
}

/// What a statement gives that gives no rows.
const NO_ROWS: Gives = Gives::Named("");

/// Reads.
struct Reading {
    /// Back among the idle ones afterwards; closed if it was lost or left inside a view.
    line: Option<Line>,
    used: Used,
    stands: Stands,
    readers: Arc<Readers>,
    _permit: OwnedSemaphorePermit,
}

/// When a reading connection was last heard of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Used {
    /// Some time ago: the server may have closed it meanwhile.
    Before,
    /// In this session.
    Now,
}

/// Whether a reading connection is inside a transaction that gives one view.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stands {
    Outside,
    Inside,
}

impl Reading {
    /// Reads; on a new connection when an idle one turns out to be closed.
    async fn read(&mut self, gives: Gives, sql: &str, cells: Vec<Cell>) -> Result<Vec<Row>, StoreError> {
        let mut line = self.line.take().ok_or_else(closed)?;
        let used = std::mem::replace(&mut self.used, Used::Now);
        let result = match line.fetch_named(gives, Bound::new(sql, cells.clone())).await {
            Err(error) if used == Used::Before && is_lost(&error) => {
                line = self.readers.connect.open(Commits::Each).await.map_err(failed)?;
                line.fetch_named(gives, Bound::new(sql, cells)).await
            }
            result => result,
        };
        if !result.as_ref().is_err_and(is_lost) {
            self.line = Some(line);
        }
        result.map_err(failed)
    }
}

#[async_trait]
impl Session for Reading {
    async fn load(&mut self, table: &Table, keys: Vec<Cell>) -> Result<Vec<Row>, StoreError> {
        let sql = text::text(table, Deed::Load, keys.len() / table.key_length());
        self.fetch(Gives::Record(*table), sql, keys).await
    }

    async fn fetch(&mut self, gives: Gives, sql: String, cells: Vec<Cell>) -> Result<Vec<Row>, StoreError> {
        self.read(gives, &sql, cells).await
    }

    async fn run(&mut self, script: Script) -> Result<(), StoreError> {
        let line = self.line.as_mut().ok_or_else(closed)?;
        line.run(script).await.map_err(failed)
    }

    async fn begin_view(&mut self) -> Result<(), StoreError> {
        self.stands = Stands::Inside;
        let sql = "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ; \
                   START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY";
        self.read(NO_ROWS, sql, Vec::new()).await.map(drop)
    }

    async fn end_view(&mut self) -> Result<(), StoreError> {
        self.read(NO_ROWS, "COMMIT", Vec::new()).await?;
        self.stands = Stands::Outside;
        Ok(())
    }
}

impl Drop for Reading {
    fn drop(&mut self) {
        if self.stands == Stands::Outside
            && !self.readers.permits.is_closed()
            && let Some(line) = self.line.take()
        {
            self.readers.idle.lock().push(line);
        }
    }
}

fn arguments(cells: Vec<Cell>) -> Result<MySqlArguments, sqlx::Error> {
    let mut arguments = MySqlArguments::default();
    for cell in cells {
        match cell {
            Cell::Null => arguments.add(None::<i64>),
            Cell::Int(value) => arguments.add(value),
            Cell::Id(bytes) => arguments.add(bytes.to_vec()),
            Cell::Bytes(bytes) => arguments.add(bytes),
            Cell::Text(text) => arguments.add(text),
            Cell::Word(word) => arguments.add(word),
        }
        .map_err(sqlx::Error::Encode)?;
    }
    Ok(arguments)
}

fn cells_of(row: &MySqlRow) -> Result<Vec<Cell>, sqlx::Error> {
    let mut cells = Vec::with_capacity(row.len());
    for column in 0..row.len() {
        let value = row.try_get_raw(column)?;
        let cell = if value.is_null() {
            Cell::Null
        } else {
            let kind = value.type_info();
            if <i64 as Type<Driver>>::compatible(&kind) {
                <i64 as Decode<Driver>>::decode(value).map(Cell::Int)
            } else if <str as Type<Driver>>::compatible(&kind) {
                <String as Decode<Driver>>::decode(value).map(Cell::Text)
            } else if <[u8] as Type<Driver>>::compatible(&kind) {
                <&[u8] as Decode<Driver>>::decode(value).map(|bytes| match bytes.try_into() {
                    Ok(id) => Cell::Id(id),
                    Err(_) => Cell::Bytes(bytes.to_vec()),
                })
            } else {
                Err(format!("columns of type {} are not known", kind.name()).into())
            }
            .map_err(sqlx::Error::Decode)?
        };
        cells.push(cell);
    }
    Ok(cells)
}

#[cfg(test)]
mod tests {
    use super::check_version;

    #[test]
    fn servers_without_what_is_used_are_refused() {
        for (version, new_enough) in [
            ("8.0.16", true),
            ("8.4.3", true),
            ("9.1.0-commercial", true),
            ("10.6.0-MariaDB", true),
            ("10.11.14-MariaDB-0+deb12u2", true),
            ("11.8.2-MariaDB-log", true),
            ("8.0.15", false),
            ("5.7.44-log", false),
            ("10.5.27-MariaDB", false),
            ("", false),
        ] {
            assert_eq!(check_version(version.to_owned()).is_ok(), new_enough, "{version}");
        }
    }
}
