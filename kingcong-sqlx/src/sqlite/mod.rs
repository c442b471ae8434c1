//! The SQLite room: one connection that writes, some that read, and what SQLite does in its own way.
//!
//! WAL lets readers work while one writes; `synchronous = FULL` makes every commit durable. A database in memory
//! has one connection for everything.

mod error;
mod migrate;
mod queue;
mod text;

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use async_trait::async_trait;
use futures_util::TryStreamExt as _;
use kingcong_core::{
    clock::{Clock, SystemClock, Timestamp},
    store::{StoreError, StoreErrorKind, Worker},
};
use parking_lot::Mutex;
use sqlx::{
    Arguments as _, AssertSqlSafe, Column as _, ConnectOptions as _, Connection as _, Decode, Either,
    Executor as _, Row as _, Sqlite as Driver, SqliteConnection, TypeInfo as _, ValueRef as _,
    sqlite::{SqliteArguments, SqliteConnectOptions, SqliteJournalMode, SqliteRow, SqliteSynchronous},
};
use tokio::sync::{OwnedMutexGuard, OwnedSemaphorePermit, Semaphore};

use crate::{
    ConnectError, Options,
    cell::{Cell, Gives, Names, Row},
    columns::{self, FoundColumn},
    private,
    session::{Begun, Database, Fence, Instant, Passed, Script, Seen, Session, Statement, Transaction},
    sqlite::{
        error::{commit_failed, failed, not_beside, not_opened},
        queue::{Queue, Turn},
        text::{Text, padded, text},
    },
    table::{Deed, Kind, Table, Written as _},
};

/// The first SQLite library without the bug that can corrupt files in WAL mode.
const SQLITE_MIN: [u32; 3] = [3, 51, 3];
/// Prepared statements that a connection keeps: every table's, in every size.
const STATEMENTS_KEPT_MAX: usize = 512;
/// Statements with so few parameters go to their connection together.
const SMALL_STATEMENT_PARAMETERS_MAX: usize = 128;
/// Rows that a connection may be ahead of its reader.
const ROWS_AHEAD_MAX: usize = 1024;
/// What the lock file of a database's writers is called, after the database.
const QUEUE_SUFFIX: &str = "-writers";

/// An SQLite database.
#[derive(Debug)]
pub(crate) struct Sqlite {
    clock: Arc<dyn Clock>,
    writer: Arc<tokio::sync::Mutex<Writer>>,
    /// None for a database in memory: the writer reads, too.
    readers: Option<Arc<Readers>>,
    wait_max: Duration,
}

/// The connection that writes.
#[derive(Debug)]
struct Writer {
    connect: SqliteConnectOptions,
    connection: Option<SqliteConnection>,
    /// How often it was opened.
    opened: u64,
    /// None for a database in memory.
    queue: Option<Queue>,
    transaction: OpenTransaction,
    is_closed: bool,
}

/// Whether the writer's connection may be inside a transaction that nobody ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum OpenTransaction {
    No,
    Maybe,
}

/// The connections that read.
#[derive(Debug)]
struct Readers {
    connect: SqliteConnectOptions,
    idle: Mutex<Vec<SqliteConnection>>,
    permits: Arc<Semaphore>,
}

impl Sqlite {
    pub(crate) async fn open(url: &str, options: &Options) -> Result<Self, ConnectError> {
        let clock = &options.clock.clone().unwrap_or_else(|| Arc::new(SystemClock::new()));
        let place = url.strip_prefix("sqlite:").unwrap_or(url);
        let connect = connect_options(options);
        if place == ":memory:" {
            return Self::in_memory(connect.filename(":memory:"), options, clock).await;
        }
        match place.strip_prefix("//").unwrap_or(place) {
            "" => Err(ConnectError::NoPath { url: url.to_owned() }),
            path => Self::in_file(PathBuf::from(path), connect, options, clock).await,
        }
    }

    async fn in_memory(
        connect: SqliteConnectOptions,
        options: &Options,
        clock: &Arc<dyn Clock>,
    ) -> Result<Self, ConnectError> {
        let name = "the database in memory";
        let mut connection = connect.connect().await.map_err(|error| not_opened(&name, error))?;
        prepare(&name, &mut connection).await?;
        let writer = Writer {
            connect,
            connection: Some(connection),
            opened: 1,
            queue: None,
            transaction: OpenTransaction::No,
            is_closed: false,
        };
        Ok(Self {
            clock: Arc::clone(clock),
            writer: Arc::new(tokio::sync::Mutex::new(writer)),
            readers: None,
            wait_max: options.write_wait_max,
        })
    }

    async fn in_file(
        path: PathBuf,
        connect: SqliteConnectOptions,
        options: &Options,
        clock: &Arc<dyn Clock>,
    ) -> Result<Self, ConnectError> {
        let name = path.display();
        let mut beside = path.clone().into_os_string();
        beside.push(QUEUE_SUFFIX);
        let beside = PathBuf::from(beside);
        let mut queue = Queue::open(beside.clone()).map_err(|error| not_beside(&beside.display(), error))?;

        // Making the file, its mode and its tables must be one process's work, and SQLite does not wait for the mode.
        let turn = queue.turn(options.write_wait_max).await?;
        // SQLite gives the files beside it the same rights.
        private::make_if_absent(&path).map_err(|error| not_beside(&name, error))?;
        let connect = connect
            .filename(&path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full);
        let mut connection = connect.connect().await.map_err(|error| not_opened(&name, error))?;
        let mode = sqlx::query("PRAGMA journal_mode").fetch_one(&mut connection).await;
        let mode: String = mode.and_then(|row| row.try_get(0)).map_err(|error| not_opened(&name, error))?;
        if mode != "wal" {
            return Err(ConnectError::NoWal { found: mode });
        }
        prepare(&name, &mut connection).await?;
        drop(turn);

        let readers = Readers {
            connect: connect.clone().read_only(true).create_if_missing(false),
            idle: Mutex::default(),
            permits: Arc::new(Semaphore::new(options.readers_max.get() as usize)),
        };
        let writer = Writer {
            connect,
            connection: Some(connection),
            opened: 1,
            queue: Some(queue),
            transaction: OpenTransaction::No,
            is_closed: false,
        };
        Ok(Self {
            clock: Arc::clone(clock),
            writer: Arc::new(tokio::sync::Mutex::new(writer)),
            readers: Some(Arc::new(readers)),
            wait_max: options.write_wait_max,
        })
    }
}

fn connect_options(options: &Options) -> SqliteConnectOptions {
    let connect = SqliteConnectOptions::new()
        .foreign_keys(true)
        .busy_timeout(options.write_wait_max)
        .statement_cache_capacity(STATEMENTS_KEPT_MAX)
        .row_buffer_size(ROWS_AHEAD_MAX)
        .pragma("mmap_size", "0")
        .pragma("temp_store", "MEMORY")
        .pragma("trusted_schema", "OFF")
        .disable_statement_logging();
    match options.sqlite_pages_max {
        Some(pages) => connect.pragma("max_page_count", pages.to_string()),
        None => connect,
    }
}

/// Checks the library and brings the tables to the release's version.
async fn prepare(
    name: &(dyn std::fmt::Display + Sync),
    connection: &mut SqliteConnection,
) -> Result<(), ConnectError> {
    let version = sqlx::query("SELECT sqlite_version()").fetch_one(&mut *connection).await;
    let found: String = version.and_then(|row| row.try_get(0)).map_err(|error| not_opened(&name, error))?;
    if !is_new_enough(&found) {
        return Err(ConnectError::OldSqlite { found });
    }
    migrate::migrate(connection).await.map_err(|error| match error {
        migrate::Failed::Newer(error) => error,
        migrate::Failed::Sql(error) => not_opened(&name, error),
    })?;
    columns::check(&columns(connection).await.map_err(|error| not_opened(&name, error))?, holds)
}

/// Our tables' columns, as the database has them.
async fn columns(connection: &mut SqliteConnection) -> Result<Vec<FoundColumn>, sqlx::Error> {
    let sql = "SELECT t.name, c.name, c.type FROM sqlite_schema t JOIN pragma_table_xinfo(t.name) c \
               WHERE t.type = 'table' AND t.name LIKE 'kingcong%'";
    let rows = connection.fetch_all(sqlx::raw_sql(sql)).await?;
    rows.iter()
        .map(|row| Ok(FoundColumn { table: row.try_get(0)?, name: row.try_get(1)?, is: row.try_get(2)? }))
        .collect()
}

/// Whether a column of this type holds what is of that kind.
fn holds(is: &str, kind: Kind) -> bool {
    is == match kind {
        Kind::Int => "INTEGER",
        Kind::Id | Kind::Bytes => "BLOB",
        Kind::Text => "TEXT",
    }
}

fn is_new_enough(version: &str) -> bool {
    let mut numbers = version.split('.').map(|number| number.parse::<u32>().unwrap_or(0));
    let found = [(); 3].map(|()| numbers.next().unwrap_or(0));
    found >= SQLITE_MIN
}

#[async_trait]
impl Database for Sqlite {
    async fn begin(&self) -> Result<Box<dyn Transaction>, StoreError> {
        let mut writing = self.turn().await?;
        execute(writing.writer.connection()?, "BEGIN IMMEDIATE".to_owned(), Vec::new())
            .await
            .map_err(failed)?;
        Ok(Box::new(writing))
    }

    async fn begin_batch(&self, fence: Fence) -> Result<Begun, StoreError> {
        let mut writing = self.turn().await?;
        let sql = "BEGIN IMMEDIATE; \
                   PRAGMA data_version; \
                   UPDATE kingcong_workers SET batch_no = ?, beat = ? WHERE id = ? AND life = 'alive' AND batch_no = ? \
                   RETURNING (SELECT version FROM kingcong_config WHERE id = 1) AS configuration, \
                   (SELECT max(version) FROM kingcong_tenants) AS tenants";
        let last = fence.number.saturating_sub(1);
        let cells =
            vec![fence.number.into(), writing.clock.now().into(), fence.worker.as_uuid().into(), last.into()];
        let rows = writing.fetch(Gives::Named(Worker::NAME), sql.to_owned(), cells).await?;
        let mut rows = rows.into_iter();
        let version = rows.next().map(|row| row.read(|row| row.int("data_version"))).transpose()?;
        let seen = version.map(|version| Seen { connection: writing.writer.opened, version });
        let passed = match rows.next() {
            Some(row) => {
                let versions = |row: &mut Row| {
                    let version = |found: Option<i64>| found.unwrap_or(0);
                    Ok(Passed {
                        configuration_version: version(row.int_or_null("configuration")?),
                        tenants_version: version(row.int_or_null("tenants")?),
                        seen,
                    })
                };
                Some(row.read(versions)?)
            }
            None => None,
        };
        Ok(Begun { transaction: Box::new(writing), passed })
    }

    async fn beat(&self, fence: Fence) -> Result<Option<Timestamp>, StoreError> {
        let mut writing = self.turn().await?;
        let sql = "UPDATE kingcong_workers SET batch_no = ?, beat = ? \
                   WHERE id = ? AND life = 'alive' AND batch_no = ? RETURNING beat";
        let (last, now) = (fence.number.saturating_sub(1), writing.clock.now());
        let cells = vec![fence.number.into(), now.into(), fence.worker.as_uuid().into(), last.into()];
        let passed =
            fetch(writing.writer.connection()?, Gives::Named(Worker::NAME), sql.to_owned(), cells).await;
        match passed {
            Ok(passed) => {
                writing.writer.transaction = OpenTransaction::No;
                Ok((!passed.is_empty()).then_some(now))
            }
            Err(error) => {
                writing.writer.roll_back().await;
                Err(commit_failed(error))
            }
        }
    }

    fn instant(&self) -> Instant {
        Instant { sql: "?", value: Some(self.clock.now()) }
    }

    async fn reader(&self) -> Result<Box<dyn Session>, StoreError> {
        let Some(readers) = &self.readers else {
            let mut writer = Arc::clone(&self.writer).lock_owned().await;
            writer.recover().await?;
            return Ok(Box::new(ReadingAlone { writer }));
        };
        let permit = Arc::clone(&readers.permits).acquire_owned().await;
        let permit = permit.map_err(|_| closed())?;
        let idle = readers.idle.lock().pop();
        let connection = match idle {
            Some(connection) => connection,
            None => readers.connect.connect().await.map_err(failed)?,
        };
        Ok(Box::new(Reading {
            connection: Some(connection),
            stands: Stands::Outside,
            readers: Arc::clone(readers),
            _permit: permit,
        }))
    }

    async fn backup(&self, path: &Path) -> Result<(), StoreError> {
        let refused = |message: String| StoreError::new(StoreErrorKind::Unusable, message);
        let Some(name) = path.to_str() else {
            return Err(refused(format!("{} is not UTF-8: name another file", path.display())));
        };
        // SQLite copies into an empty file, and would make one that everybody may read.
        private::make(path)
            .map_err(|error| refused(format!("{name} cannot be made: {error}; name a new file")))?;
        let mut session = self.reader().await?;
        session
            .fetch(Gives::Named("sqlite_schema"), "VACUUM INTO ?".to_owned(), vec![name.into()])
            .await
            .map(|_| ())
    }

    async fn close(&self) {
        if let Some(readers) = &self.readers {
            readers.permits.close();
            let idle = std::mem::take(&mut *readers.idle.lock());
            for connection in idle {
                let _ = connection.close().await;
            }
        }
        let mut writer = self.writer.lock().await;
        writer.is_closed = true;
        writer.queue = None;
        if let Some(connection) = writer.connection.take() {
            let _ = connection.close().await;
        }
    }
}

impl Sqlite {
    /// Waits for this process's and then for this connection's turn to write.
    async fn turn(&self) -> Result<Writing, StoreError> {
        let mut writer = Arc::clone(&self.writer).lock_owned().await;
        let turn = match &mut writer.queue {
            Some(queue) => Some(queue.turn(self.wait_max).await?),
            None => None,
        };
        writer.recover().await?;
        writer.transaction = OpenTransaction::Maybe;
        Ok(Writing { clock: Arc::clone(&self.clock), writer, turn })
    }
}

fn closed() -> StoreError {
    StoreError::new(StoreErrorKind::Unusable, "it was closed; open another")
}

impl Writer {
    fn connection(&mut self) -> Result<&mut SqliteConnection, StoreError> {
        self.connection.as_mut().ok_or_else(closed)
    }

    /// Ends a transaction that was left open, and opens the connection again where it was lost.
    async fn recover(&mut self) -> Result<(), StoreError> {
        if self.is_closed {
            return Err(closed());
        }
        if self.transaction == OpenTransaction::Maybe {
            self.roll_back().await;
        }
        if self.connection.is_none() {
            self.connection = Some(self.connect.connect().await.map_err(failed)?);
            self.opened += 1;
        }
        Ok(())
    }

    /// Ends the open transaction, if there is one; a connection that cannot is closed, which ends it too.
    async fn roll_back(&mut self) {
        let Some(connection) = &mut self.connection else { return };
        // It fails when there is no transaction any more; the probe after it tells that from a lost connection.
        let _ = execute(connection, "ROLLBACK".to_owned(), Vec::new()).await;
        let is_memory = self.queue.is_none();
        if connection.ping().await.is_err() && !is_memory {
            self.connection = None;
        }
        self.transaction = OpenTransaction::No;
    }
}

/// A transaction that may write.
struct Writing {
    clock: Arc<dyn Clock>,
    writer: OwnedMutexGuard<Writer>,
    /// The place in the queue; none for a database in memory.
    turn: Option<Turn>,
}

#[async_trait]
impl Session for Writing {
    async fn load(&mut self, table: &Table, keys: Vec<Cell>) -> Result<Vec<Row>, StoreError> {
        let sql = load_text(table, &keys);
        self.fetch(Gives::Record(*table), sql, keys).await
    }

    async fn fetch(&mut self, gives: Gives, sql: String, cells: Vec<Cell>) -> Result<Vec<Row>, StoreError> {
        fetch(self.writer.connection()?, gives, sql, cells).await.map_err(failed)
    }

    async fn run(&mut self, script: Script) -> Result<(), StoreError> {
        run(self.writer.connection()?, script).await
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
        Ok(self.clock.now())
    }

    fn row_lock(&self) -> Option<&'static str> {
        None
    }

    fn next_keys(&self) -> Option<&'static str> {
        None
    }

    async fn commit(mut self: Box<Self>) -> Result<(), StoreError> {
        match execute(self.writer.connection()?, "COMMIT".to_owned(), Vec::new()).await {
            Ok(()) => {
                self.writer.transaction = OpenTransaction::No;
                Ok(())
            }
            Err(error) => {
                self.writer.roll_back().await;
                Err(commit_failed(error))
            }
        }
    }

    async fn roll_back(mut self: Box<Self>) {
        self.writer.roll_back().await;
    }
}

impl Drop for Writing {
    fn drop(&mut self) {
        // A transaction that is still open is ended before the next one begins; until then other processes wait for
        // SQLite's own lock instead of this.
        self.turn.take();
    }
}

/// Reads of a file.
struct Reading {
    /// Back among the idle ones afterwards; closed if it was left inside a view.
    connection: Option<SqliteConnection>,
    stands: Stands,
    readers: Arc<Readers>,
    _permit: OwnedSemaphorePermit,
}

/// Whether a reading connection is inside a transaction that gives one view.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stands {
    Outside,
    Inside,
}

impl Reading {
    fn connection(&mut self) -> Result<&mut SqliteConnection, StoreError> {
        self.connection.as_mut().ok_or_else(closed)
    }
}

#[async_trait]
impl Session for Reading {
    async fn load(&mut self, table: &Table, keys: Vec<Cell>) -> Result<Vec<Row>, StoreError> {
        let sql = load_text(table, &keys);
        self.fetch(Gives::Record(*table), sql, keys).await
    }

    async fn fetch(&mut self, gives: Gives, sql: String, cells: Vec<Cell>) -> Result<Vec<Row>, StoreError> {
        fetch(self.connection()?, gives, sql, cells).await.map_err(failed)
    }

    async fn run(&mut self, script: Script) -> Result<(), StoreError> {
        run(self.connection()?, script).await
    }

    async fn begin_view(&mut self) -> Result<(), StoreError> {
        self.stands = Stands::Inside;
        execute(self.connection()?, "BEGIN".to_owned(), Vec::new()).await.map_err(failed)
    }

    async fn end_view(&mut self) -> Result<(), StoreError> {
        execute(self.connection()?, "COMMIT".to_owned(), Vec::new()).await.map_err(failed)?;
        self.stands = Stands::Outside;
        Ok(())
    }
}

impl Drop for Reading {
    fn drop(&mut self) {
        if self.stands == Stands::Outside
            && !self.readers.permits.is_closed()
            && let Some(connection) = self.connection.take()
        {
            self.readers.idle.lock().push(connection);
        }
    }
}

/// Reads of a database in memory: nobody writes meanwhile, so that everything is one view.
struct ReadingAlone {
    writer: OwnedMutexGuard<Writer>,
}

#[async_trait]
impl Session for ReadingAlone {
    async fn load(&mut self, table: &Table, keys: Vec<Cell>) -> Result<Vec<Row>, StoreError> {
        let sql = load_text(table, &keys);
        self.fetch(Gives::Record(*table), sql, keys).await
    }

    async fn fetch(&mut self, gives: Gives, sql: String, cells: Vec<Cell>) -> Result<Vec<Row>, StoreError> {
        fetch(self.writer.connection()?, gives, sql, cells).await.map_err(failed)
    }

    async fn run(&mut self, script: Script) -> Result<(), StoreError> {
        run(self.writer.connection()?, script).await
    }

    async fn begin_view(&mut self) -> Result<(), StoreError> {
        Ok(())
    }

    async fn end_view(&mut self) -> Result<(), StoreError> {
        Ok(())
    }
}

async fn fetch(
    connection: &mut SqliteConnection,
    gives: Gives,
    sql: String,
    cells: Vec<Cell>,
) -> Result<Vec<Row>, sqlx::Error> {
    let query = sqlx::query_with(AssertSqlSafe(sql), arguments(cells)?);
    let mut stream = connection.fetch_many(query);
    let mut rows = Vec::new();
    let mut names = None;
    while let Some(step) = stream.try_next().await? {
        match step {
            Either::Right(row) => {
                let told = || row.columns().iter().map(|column| column.name());
                let names = names.get_or_insert_with(|| Names::new(gives, told()));
                rows.push(Row::new(names.clone(), cells_of(&row)?));
            }
            // The next statement of the text names columns of its own.
            Either::Left(_) => names = None,
        }
    }
    Ok(rows)
}

/// Runs a statement to its end.
async fn execute(
    connection: &mut SqliteConnection,
    sql: String,
    cells: Vec<Cell>,
) -> Result<(), sqlx::Error> {
    let query = sqlx::query_with(AssertSqlSafe(sql), arguments(cells)?);
    connection.execute(query).await.map(|_| ())
}

/// The text that reads the rows of these keys.
fn load_text(table: &Table, keys: &[Cell]) -> String {
    text(table, Deed::Load, padded(keys.len() / table.key_length())).sql
}

/// Runs statements in order. Neighbours that are small go to the connection's thread as one text: each way there and
/// back costs more than they do.
async fn run(connection: &mut SqliteConnection, script: Script) -> Result<(), StoreError> {
    let (mut small, mut small_cells) = (String::new(), Vec::new());
    for statement in script.statements {
        let (Text { sql, parameters }, mut cells) = match statement {
            Statement::Plain { sql, cells } => (Text { sql: sql.to_owned(), parameters: cells.len() }, cells),
            Statement::Rows { table, deed, rows, cells } => (text(&table, deed, padded(rows)), cells),
        };
        if parameters <= SMALL_STATEMENT_PARAMETERS_MAX {
            cells.resize(parameters, Cell::Null);
            small.push_str(&sql);
            small.push_str("; ");
            small_cells.extend(cells);
            continue;
        }
        if !small.is_empty() {
            let before = std::mem::take(&mut small);
            execute(connection, before, std::mem::take(&mut small_cells)).await.map_err(failed)?;
        }
        execute(connection, sql, cells).await.map_err(failed)?;
    }
    if !small.is_empty() {
        execute(connection, small, small_cells).await.map_err(failed)?;
    }
    Ok(())
}

fn arguments(cells: Vec<Cell>) -> Result<SqliteArguments, sqlx::Error> {
    let mut arguments = SqliteArguments::default();
    arguments.reserve(cells.len(), 0);
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

fn cells_of(row: &SqliteRow) -> Result<Vec<Cell>, sqlx::Error> {
    let mut cells = Vec::with_capacity(row.len());
    for column in 0..row.len() {
        let value = row.try_get_raw(column)?;
        let cell = if value.is_null() {
            Cell::Null
        } else {
            match value.type_info().name() {
                "TEXT" => <String as Decode<Driver>>::decode(value).map(Cell::Text),
                "BLOB" => <&[u8] as Decode<Driver>>::decode(value).map(|bytes| match bytes.try_into() {
                    Ok(id) => Cell::Id(id),
                    Err(_) => Cell::Bytes(bytes.to_vec()),
                }),
                _ => <i64 as Decode<Driver>>::decode(value).map(Cell::Int),
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
    fn sqlite_libraries_that_can_corrupt_files_are_refused() {
        for (version, new_enough) in [
            ("3.51.3", true),
            ("3.51.10", true),
            ("3.60.0", true),
            ("4.0.0", true),
            ("3.51.2", false),
            ("3.9.9", false),
            ("", false),
        ] {
            assert_eq!(is_new_enough(version), new_enough, "{version}");
        }
    }
}
