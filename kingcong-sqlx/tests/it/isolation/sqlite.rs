//! What is relied on of SQLite; see `src/sqlite/mod.rs`.

use std::time::Duration;

use sqlx::{
    ConnectOptions as _, Connection as _, Executor as _, Row as _, SqliteConnection,
    sqlite::{SqliteConnectOptions, SqliteJournalMode},
};

/// A file with one row, `(1, 10)`, and a way to connect to it that does not wait.
async fn file(directory: &tempfile::TempDir) -> SqliteConnectOptions {
    let options = SqliteConnectOptions::new()
        .filename(directory.path().join("test.db"))
        .create_if_missing(true)
        .busy_timeout(Duration::ZERO);
    let mut connection = options.clone().journal_mode(SqliteJournalMode::Wal).connect().await.unwrap();
    connection.execute("CREATE TABLE purse (id INTEGER PRIMARY KEY, amount INTEGER) STRICT").await.unwrap();
    connection.execute("INSERT INTO purse VALUES (1, 10)").await.unwrap();
    connection.close().await.unwrap();
    options
}

async fn number(connection: &mut SqliteConnection, sql: &'static str) -> i64 {
    connection.fetch_one(sqlx::raw_sql(sql)).await.unwrap().get(0)
}

async fn run(connection: &mut SqliteConnection, sql: &'static str) -> Result<(), String> {
    match connection.execute(sqlx::raw_sql(sql)).await {
        Ok(_) => Ok(()),
        Err(error) => Err(error.as_database_error().unwrap().code().unwrap().into_owned()),
    }
}

const BUSY: &str = "5";
const BUSY_SNAPSHOT: &str = "517";
const AMOUNT: &str = "SELECT amount FROM purse WHERE id = 1";

/// Rows need no locks, because who has begun to write is alone with all of them (`Session::load` locks none).
#[tokio::test]
async fn who_begins_immediate_keeps_every_other_writer_out_and_no_reader() {
    let directory = tempfile::tempdir().unwrap();
    let options = file(&directory).await;
    let (mut one, mut other) = (options.connect().await.unwrap(), options.connect().await.unwrap());
    run(&mut one, "BEGIN IMMEDIATE").await.unwrap();
    assert_eq!(run(&mut other, "BEGIN IMMEDIATE").await, Err(BUSY.to_owned()));
    assert_eq!(run(&mut other, "UPDATE purse SET amount = 0").await, Err(BUSY.to_owned()));
    assert_eq!(number(&mut other, AMOUNT).await, 10);
    run(&mut one, "UPDATE purse SET amount = amount + 1; COMMIT").await.unwrap();
    run(&mut other, "BEGIN IMMEDIATE").await.unwrap();
    assert_eq!(number(&mut other, AMOUNT).await, 11);
}

/// Why batches begin IMMEDIATE: a transaction that has read and wants to write afterwards is refused for good, without
/// waiting, once somebody else has written.
#[tokio::test]
async fn who_reads_first_and_writes_later_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let options = file(&directory).await;
    let (mut one, mut other) = (options.connect().await.unwrap(), options.connect().await.unwrap());
    run(&mut one, "BEGIN").await.unwrap();
    assert_eq!(number(&mut one, AMOUNT).await, 10);
    run(&mut other, "UPDATE purse SET amount = 11").await.unwrap();
    assert_eq!(run(&mut one, "UPDATE purse SET amount = 12").await, Err(BUSY_SNAPSHOT.to_owned()));
    assert_eq!(number(&mut other, AMOUNT).await, 11);
}

/// What `Session::begin_view` gives: `verify` adds up entries and balances of one instant while others write.
#[tokio::test]
async fn a_reader_sees_one_instant_while_others_write() {
    let directory = tempfile::tempdir().unwrap();
    let options = file(&directory).await;
    let (mut reader, mut writer) = (options.connect().await.unwrap(), options.connect().await.unwrap());
    run(&mut reader, "BEGIN").await.unwrap();
    assert_eq!(number(&mut reader, AMOUNT).await, 10);
    run(&mut writer, "UPDATE purse SET amount = 11").await.unwrap();
    assert_eq!(number(&mut reader, AMOUNT).await, 10);
    run(&mut reader, "COMMIT").await.unwrap();
    assert_eq!(number(&mut reader, AMOUNT).await, 11);
}

/// Rows are kept from one batch to the next for as long as this figure stands (`Seen`): it must move whenever somebody
/// else has committed, and need not for what this connection wrote itself.
#[tokio::test]
async fn the_data_version_moves_when_another_connection_commits() {
    const DATA_VERSION: &str = "PRAGMA data_version";
    let directory = tempfile::tempdir().unwrap();
    let options = file(&directory).await;
    let (mut one, mut other) = (options.connect().await.unwrap(), options.connect().await.unwrap());
    let before = number(&mut one, DATA_VERSION).await;
    run(&mut one, "UPDATE purse SET amount = 11").await.unwrap();
    assert_eq!(number(&mut one, DATA_VERSION).await, before);

    run(&mut other, "BEGIN IMMEDIATE; UPDATE purse SET amount = 12").await.unwrap();
    assert_eq!(number(&mut one, DATA_VERSION).await, before);
    run(&mut other, "ROLLBACK").await.unwrap();
    assert_eq!(number(&mut one, DATA_VERSION).await, before);

    run(&mut other, "UPDATE purse SET amount = 13").await.unwrap();
    run(&mut one, "BEGIN IMMEDIATE").await.unwrap();
    assert_ne!(number(&mut one, DATA_VERSION).await, before);
}

/// Why tables are STRICT: money that does not fit is an error, where it would quietly become a float.
#[tokio::test]
async fn amounts_that_do_not_fit_are_refused() {
    let directory = tempfile::tempdir().unwrap();
    let mut connection = file(&directory).await.connect().await.unwrap();
    run(&mut connection, "UPDATE purse SET amount = 9223372036854775807").await.unwrap();
    assert!(run(&mut connection, "UPDATE purse SET amount = amount + 1").await.is_err());
    assert_eq!(number(&mut connection, AMOUNT).await, i64::MAX);
}
