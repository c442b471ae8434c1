//! What every database room offers to the rest of the crate: sessions that run statements, and the texts of the
//! statements that differ between databases.

use std::fmt;

use async_trait::async_trait;
use kingcong_core::{
    clock::Timestamp,
    id::WorkerId,
    store::{Change, StoreError},
};

use crate::{
    cell::{Cell, Gives, Row},
    table::{Deed, Record, Table, Written},
};

/// Most rows in one statement.
pub(crate) const STATEMENT_ROWS_MAX: usize = 256;
/// Bytes after which a statement that writes takes no further row: servers refuse statements that are too long.
pub(crate) const STATEMENT_BYTES_MAX: usize = 4 * 1024 * 1024;

/// A database.
#[async_trait]
pub(crate) trait Database: fmt::Debug + Send + Sync + 'static {
    /// Begins a transaction that may write. Its caller runs in a task of its own and cannot be cancelled.
    async fn begin(&self) -> Result<Box<dyn Transaction>, StoreError>;

    /// Begins one that executes a batch: with the fence, its first statement.
    async fn begin_batch(&self, fence: Fence) -> Result<Begun, StoreError>;

    /// Executes a batch that is a heartbeat and nothing else: the fence, durable when it passed; its time then. Its
    /// caller cannot be cancelled. An error of the kind `CommitUnknown` means that it may have passed.
    async fn beat(&self, fence: Fence) -> Result<Option<Timestamp>, StoreError>;

    /// The time of a statement that reads.
    fn instant(&self) -> Instant;

    /// A session that reads what is committed.
    async fn reader(&self) -> Result<Box<dyn Session>, StoreError>;

    /// Copies the whole database, as of one instant, into a new file.
    async fn backup(&self, path: &std::path::Path) -> Result<(), StoreError>;

    /// Ends every connection.
    async fn close(&self);
}

/// The time of a statement: the same wherever it stands in it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Instant {
    pub(crate) sql: &'static str,
    /// What takes the place of the question mark, where `sql` is one.
    pub(crate) value: Option<Timestamp>,
}

/// The first statement of a batch: it passes when the worker is alive and this is its next batch, and counts the
/// batch as its last one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fence {
    pub(crate) worker: WorkerId,
    pub(crate) number: i64,
    #[cfg_attr(
        not(any(feature = "mysql", feature = "postgres")),
        expect(dead_code, reason = "SQLite lets one write at a time")
    )]
    pub(crate) beside: Beside,
}

/// Who may write at the same time, where a database lets several.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Beside {
    /// Other batches: the rows that both need are locked.
    Others,
    /// Nobody: what every batch relies on changes, or what must not be there is looked for.
    Nobody,
}

/// A transaction that has just begun.
pub(crate) struct Begun {
    pub(crate) transaction: Box<dyn Transaction>,
    /// What it found, if it passed the fence.
    pub(crate) passed: Option<Passed>,
}

/// What a batch finds behind the fence.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Passed {
    pub(crate) configuration_version: i64,
    /// The number of the last change of any tenant.
    pub(crate) tenants_version: i64,
    pub(crate) seen: Option<Seen>,
}

/// The state of a database as one connection sees it: two that are equal mean that nobody else has written in
/// between. Not every database can tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) connection: u64,
    pub(crate) version: i64,
}

/// A statement to run.
#[derive(Debug)]
pub(crate) enum Statement {
    /// One that is the same everywhere.
    Plain { sql: &'static str, cells: Vec<Cell> },
    /// Something done to rows of a table. The first cell says how many rows there are; theirs follow, row by row.
    Rows { table: Table, deed: Deed, rows: usize, cells: Vec<Cell> },
}

/// What a query does about rows that another transaction has locked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Locked {
    /// It waits for them.
    Awaited,
    /// It leaves them out.
    Skipped,
}

/// Runs statements.
#[async_trait]
pub(crate) trait Session: Send {
    /// Reads the rows of these keys, of at most [`STATEMENT_ROWS_MAX`]; a transaction locks them, in the order of
    /// their keys.
    async fn load(&mut self, table: &Table, keys: Vec<Cell>) -> Result<Vec<Row>, StoreError>;

    /// Runs a statement that gives rows.
    async fn fetch(&mut self, gives: Gives, sql: String, cells: Vec<Cell>) -> Result<Vec<Row>, StoreError>;

    /// Runs statements that give none, in order.
    async fn run(&mut self, script: Script) -> Result<(), StoreError>;

    /// From now on, every read shows what was committed at one instant.
    async fn begin_view(&mut self) -> Result<(), StoreError>;

    /// Ends what [`Session::begin_view`] began.
    async fn end_view(&mut self) -> Result<(), StoreError>;
}

/// A session that may write, wholly or not at all. Dropping it undoes it.
#[async_trait]
pub(crate) trait Transaction: Session {
    /// The database's time, read now.
    async fn now(&mut self) -> Result<Timestamp, StoreError>;

    /// What a query ends with that locks the rows which it finds; none where one transaction writes at a time.
    fn row_lock(&self) -> Option<&'static str>;

    /// The query of the limits of a pool's next keys together with the keys, so that both are locked; none where one
    /// transaction writes at a time.
    fn next_keys(&self) -> Option<&'static str>;

    /// Makes it durable. An error of the kind `CommitUnknown` means that it may be.
    async fn commit(self: Box<Self>) -> Result<(), StoreError>;

    /// Undoes it.
    async fn roll_back(self: Box<Self>);
}

/// Reads the rows of these keys, the cells of one after the other; absent ones are left out.
pub(crate) async fn load<R: Record + Send>(
    session: &mut (impl Session + ?Sized),
    keys: Vec<Cell>,
) -> Result<Vec<R>, StoreError> {
    let key_length = R::TABLE.key_length();
    let mut records = Vec::with_capacity(keys.len() / key_length);
    for chunk in keys.chunks(STATEMENT_ROWS_MAX * key_length) {
        for row in session.load(&R::TABLE, chunk.to_vec()).await? {
            records.push(row.read(R::read)?);
        }
    }
    Ok(records)
}

/// Reads the rows that a query names by hand: `rest` follows the columns and the table.
pub(crate) async fn select<R: Record + Send>(
    session: &mut (impl Session + ?Sized),
    rest: &str,
    cells: Vec<Cell>,
) -> Result<Vec<R>, StoreError> {
    let sql = format!("SELECT {} FROM {} {rest}", R::TABLE.read_columns(""), R::TABLE.name);
    let rows = session.fetch(Gives::Record(R::TABLE), sql, cells).await?;
    rows.into_iter().map(|row| row.read(R::read)).collect()
}

/// A query that locks what it finds, where several transactions write at a time.
pub(crate) fn locking(session: &(impl Transaction + ?Sized), sql: &str, locked: Locked) -> String {
    match (session.row_lock(), locked) {
        (None, _) => sql.to_owned(),
        (Some(lock), Locked::Awaited) => format!("{sql} {lock}"),
        (Some(lock), Locked::Skipped) => format!("{sql} {lock} SKIP LOCKED"),
    }
}

/// Statements that write, to be run one after the other.
#[derive(Debug, Default)]
pub(crate) struct Script {
    pub(crate) statements: Vec<Statement>,
}

impl Script {
    /// Adds a statement that is the same everywhere.
    pub(crate) fn add(&mut self, sql: &'static str, cells: Vec<Cell>) {
        self.statements.push(Statement::Plain { sql, cells });
    }

    /// Writes rows as `deed` says; `put` adds the cells of one.
    pub(crate) fn write<T>(
        &mut self,
        table: &Table,
        deed: Deed,
        rows: impl IntoIterator<Item = T>,
        mut put: impl FnMut(&T, &mut Vec<Cell>),
    ) {
        let mut rows = rows.into_iter().peekable();
        while rows.peek().is_some() {
            let mut cells = vec![Cell::Null];
            let (mut count, mut bytes): (u32, usize) = (0, 0);
            for row in rows.by_ref().take(STATEMENT_ROWS_MAX) {
                let start = cells.len();
                put(&row, &mut cells);
                count += 1;
                bytes += cells[start..].iter().map(Cell::bytes).sum::<usize>();
                if bytes > STATEMENT_BYTES_MAX {
                    break;
                }
            }
            cells[0] = count.into();
            self.statements.push(Statement::Rows { table: *table, deed, rows: count as usize, cells });
        }
    }

    /// Writes whole rows.
    pub(crate) fn insert<'r, R: Written>(&mut self, deed: Deed, records: impl IntoIterator<Item = &'r R>) {
        self.write(&R::TABLE, deed, records, |record, cells| record.put(deed, cells));
    }

    /// Changes rows: mutable columns and mirrors.
    pub(crate) fn update<'r, R: Written>(&mut self, records: impl IntoIterator<Item = &'r R>) {
        self.insert(Deed::Update, records);
    }

    /// Inserts the new rows and updates the others.
    pub(crate) fn save<R: Written>(&mut self, rows: &[(&R, Change)]) {
        let of = |kind| rows.iter().filter(move |(_, change)| *change == kind).map(|(row, _)| *row);
        self.insert(Deed::Insert, of(Change::New));
        self.update(of(Change::Updated));
    }
}
