//! What is relied on of PostgreSQL, MySQL and MariaDB, where many write at once; see `src/postgres/mod.rs` and
//! `src/mysql/mod.rs`.
//!
//! Both work at READ COMMITTED, as the store's connections do. Each rule is written once and tested on each server.

use std::sync::LazyLock;

use kingcong_servers::Server;
use sqlx::{AssertSqlSafe, Connection as _, Executor as _, Row as _};
use tokio::sync::{Mutex, MutexGuard};

/// One server of a kind serves every test, one after the other. It ends with this process.
#[cfg(feature = "mysql")]
static MARIADB: LazyLock<(Server, Mutex<()>)> =
    LazyLock::new(|| (Server::mariadb().unwrap(), Mutex::default()));
#[cfg(feature = "postgres")]
static POSTGRESQL: LazyLock<(Server, Mutex<()>)> =
    LazyLock::new(|| (Server::postgres().unwrap(), Mutex::default()));

/// A connection.
enum Line {
    #[cfg(feature = "mysql")]
    MariaDb(sqlx::MySqlConnection),
    #[cfg(feature = "postgres")]
    PostgreSql(sqlx::PgConnection),
}

/// A database with one table of four rows, whose test has its server for itself.
struct Base {
    url: String,
    _alone: MutexGuard<'static, ()>,
    /// Words that differ.
    words: Words,
}

#[derive(Clone, Copy)]
struct Words {
    begin: &'static str,
    begin_view: &'static str,
    row_lock: &'static str,
    duplicate: &'static str,
    deadlock: &'static str,
    /// How many connections wait for a lock.
    waiting: &'static str,
    lock_beside_others: &'static str,
    lock_alone: &'static str,
}

#[cfg(feature = "mysql")]
const MARIADB_WORDS: Words = Words {
    begin: "START TRANSACTION",
    begin_view: "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ; \
                 START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY",
    row_lock: "FOR UPDATE",
    duplicate: "1062",
    deadlock: "1213",
    // Not from innodb_trx, which shows old news to who asks often.
    waiting: "SELECT CAST(variable_value AS SIGNED) FROM information_schema.global_status \
              WHERE variable_name = 'innodb_row_lock_current_waits'",
    lock_beside_others: "SELECT amount FROM purses WHERE id = 4 LOCK IN SHARE MODE",
    lock_alone: "SELECT amount FROM purses WHERE id = 4 FOR UPDATE",
};

#[cfg(feature = "postgres")]
const POSTGRESQL_WORDS: Words = Words {
    begin: "BEGIN ISOLATION LEVEL READ COMMITTED",
    begin_view: "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
    row_lock: "FOR NO KEY UPDATE",
    duplicate: "23505",
    deadlock: "40P01",
    waiting: "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'",
    lock_beside_others: "SELECT 0::bigint FROM pg_advisory_xact_lock_shared(1, 2)",
    lock_alone: "SELECT 0::bigint FROM pg_advisory_xact_lock(1, 2)",
};

impl Base {
    #[cfg(feature = "mysql")]
    async fn mariadb() -> Self {
        Self::made(&MARIADB, MARIADB_WORDS).await
    }

    #[cfg(feature = "postgres")]
    async fn postgresql() -> Self {
        Self::made(&POSTGRESQL, POSTGRESQL_WORDS).await
    }

    async fn made((server, turn): &'static (Server, Mutex<()>), words: Words) -> Self {
        let alone = turn.lock().await;
        let base = Self { url: server.fresh_database().unwrap(), _alone: alone, words };
        let mut line = base.line().await;
        line.run("CREATE TABLE purses (id BIGINT PRIMARY KEY, amount BIGINT NOT NULL)").await.unwrap();
        line.run("INSERT INTO purses VALUES (1, 10), (2, 20), (3, 30), (4, 40)").await.unwrap();
        base
    }

    async fn line(&self) -> Line {
        match self.url.split(':').next().unwrap() {
            #[cfg(feature = "mysql")]
            "mariadb" => {
                let mut line = Line::MariaDb(sqlx::MySqlConnection::connect(&self.url).await.unwrap());
                line.run("SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED").await.unwrap();
                line
            }
            #[cfg(feature = "postgres")]
            "postgres" => {
                let mut line = Line::PostgreSql(sqlx::PgConnection::connect(&self.url).await.unwrap());
                // Sooner than by default, so that the tests need not wait.
                line.run("SET deadlock_timeout = '20ms'").await.unwrap();
                line
            }
            other => panic!("{other}"),
        }
    }

    /// Lets the other task go on until its connection waits for a lock.
    async fn until_one_waits(&self) {
        let mut line = self.line().await;
        while line.number(self.words.waiting).await != 1 {
            tokio::task::yield_now().await;
        }
    }

    /// A statement that is under way on a line of its own, which it gives back.
    fn under_way(
        &self,
        mut line: Line,
        sql: String,
    ) -> tokio::task::JoinHandle<(Line, Result<Vec<i64>, String>)> {
        tokio::spawn(async move {
            let answer = line.run(&sql).await;
            (line, answer)
        })
    }

    /// Reads a purse's amount with its lock.
    fn locked(&self, id: i64) -> String {
        format!("SELECT amount FROM purses WHERE id = {id} {}", self.words.row_lock)
    }
}

const AMOUNT: &str = "SELECT amount FROM purses WHERE id = 1";

impl Line {
    /// The first column of every row, or the error's code.
    async fn run(&mut self, sql: &str) -> Result<Vec<i64>, String> {
        let sql = sqlx::raw_sql(AssertSqlSafe(sql));
        let answer = match self {
            #[cfg(feature = "mysql")]
            Self::MariaDb(line) => {
                line.fetch_all(sql).await.map(|rows| rows.iter().map(|row| row.get(0)).collect())
            }
            #[cfg(feature = "postgres")]
            Self::PostgreSql(line) => {
                line.fetch_all(sql).await.map(|rows| rows.iter().map(|row| row.get(0)).collect())
            }
        };
        answer.map_err(|error| match error.as_database_error() {
            #[cfg(feature = "mysql")]
            Some(told) if let Some(told) = told.try_downcast_ref::<sqlx::mysql::MySqlDatabaseError>() => {
                told.number().to_string()
            }
            Some(told) => told.code().unwrap().into_owned(),
            None => panic!("{error}"),
        })
    }

    async fn number(&mut self, sql: &str) -> i64 {
        self.run(sql).await.unwrap()[0]
    }
}

/// Why rows are locked when they are read (`row_lock`): who decides by what it read without a lock overwrites what
/// another has written meanwhile.
async fn a_plain_read_before_a_write_loses_an_update(base: Base) {
    let (mut one, mut other) = (base.line().await, base.line().await);
    for line in [&mut one, &mut other] {
        line.run(base.words.begin).await.unwrap();
        assert_eq!(line.number(AMOUNT).await, 10);
    }
    one.run("UPDATE purses SET amount = 10 + 1 WHERE id = 1").await.unwrap();
    one.run("COMMIT").await.unwrap();
    other.run("UPDATE purses SET amount = 10 + 2 WHERE id = 1").await.unwrap();
    other.run("COMMIT").await.unwrap();
    assert_eq!(one.number(AMOUNT).await, 12);
}

/// How it is done instead (`Session::load` in a transaction): the second waits for the first and reads what it wrote.
async fn a_locked_read_before_a_write_loses_nothing(base: Base) {
    let (mut one, mut other) = (base.line().await, base.line().await);
    one.run(base.words.begin).await.unwrap();
    other.run(base.words.begin).await.unwrap();
    assert_eq!(one.number(&base.locked(1)).await, 10);
    let waiting = base.under_way(other, base.locked(1));
    base.until_one_waits().await;
    one.run("UPDATE purses SET amount = 10 + 1 WHERE id = 1").await.unwrap();
    one.run("COMMIT").await.unwrap();
    let (mut other, found) = waiting.await.unwrap();
    assert_eq!(found, Ok(vec![11]));
    other.run("UPDATE purses SET amount = 11 + 2 WHERE id = 1").await.unwrap();
    other.run("COMMIT").await.unwrap();
    assert_eq!(one.number(AMOUNT).await, 13);
}

/// Why locks come first and everything else in later statements (`begin_batch`, `load_needs`): a statement that waited
/// for a lock may show other rows as they were before the wait, the next one does not.
async fn a_statement_after_a_lock_sees_what_was_committed_before_it(base: Base) {
    let (mut one, mut other) = (base.line().await, base.line().await);
    one.run(base.words.begin).await.unwrap();
    other.run(base.words.begin).await.unwrap();
    one.run(&base.locked(1)).await.unwrap();
    let waiting = base.under_way(other, base.locked(1));
    base.until_one_waits().await;
    one.run("INSERT INTO purses VALUES (5, 50)").await.unwrap();
    one.run("COMMIT").await.unwrap();
    let (mut other, found) = waiting.await.unwrap();
    assert_eq!(found, Ok(vec![10]));
    assert_eq!(other.number("SELECT count(*) FROM purses").await, 5);
}

/// How a commit with a lost answer is told from one that never was (the fence of `begin_batch`): its number is raised
/// by a condition, which waits for the doubtful transaction and is then checked against what that left.
async fn a_condition_is_checked_again_after_a_wait(base: Base) {
    const RAISE: &str = "UPDATE purses SET amount = 11 WHERE id = 1 AND amount = 10";
    for (end, after) in [("COMMIT", 12), ("ROLLBACK", 11)] {
        let (mut doubtful, mut again) = (base.line().await, base.line().await);
        doubtful.run("UPDATE purses SET amount = 10 WHERE id = 1").await.unwrap();
        doubtful.run(base.words.begin).await.unwrap();
        doubtful.run("UPDATE purses SET amount = 12 WHERE id = 1 AND amount = 10").await.unwrap();
        again.run(base.words.begin).await.unwrap();
        let waiting = base.under_way(again, RAISE.to_owned());
        base.until_one_waits().await;
        doubtful.run(end).await.unwrap();
        let (mut again, raised) = waiting.await.unwrap();
        raised.unwrap();
        again.run("COMMIT").await.unwrap();
        assert_eq!(again.number(AMOUNT).await, after, "{end}");
    }
}

/// Why of two that bring the same idempotency key, or open the same wallet, one is carried out (`RACED`, `DUP_ENTRY`):
/// the second waits for the first, fails if that commits, and finds its row when it is tried again.
async fn a_key_that_another_inserts_is_waited_for_and_then_refused(base: Base) {
    const INSERT: &str = "INSERT INTO purses VALUES (9, 90)";
    for (end, expected) in [("ROLLBACK", Ok(vec![])), ("COMMIT", Err(base.words.duplicate.to_owned()))] {
        let (mut first, mut second) = (base.line().await, base.line().await);
        first.run("DELETE FROM purses WHERE id = 9").await.unwrap();
        first.run(base.words.begin).await.unwrap();
        first.run(INSERT).await.unwrap();
        second.run(base.words.begin).await.unwrap();
        let waiting = base.under_way(second, INSERT.to_owned());
        base.until_one_waits().await;
        first.run(end).await.unwrap();
        let (mut second, inserted) = waiting.await.unwrap();
        assert_eq!(inserted, expected, "{end}");
        second.run("ROLLBACK").await.unwrap();
        second.run(base.words.begin).await.unwrap();
        let found = second.run(&base.locked(9)).await.unwrap();
        assert_eq!(found.len(), usize::from(expected.is_err()), "{end}");
        second.run("ROLLBACK").await.unwrap();
    }
}

/// Why a batch may be tried again after a deadlock (`failed` in `error.rs` calls it `Unavailable`): one of the two is
/// told, nothing of it is left, and the other goes on.
async fn of_a_deadlock_one_is_undone_and_may_try_again(base: Base) {
    let (mut one, mut other) = (base.line().await, base.line().await);
    one.run(base.words.begin).await.unwrap();
    other.run(base.words.begin).await.unwrap();
    one.run("UPDATE purses SET amount = amount + 1 WHERE id = 1").await.unwrap();
    other.run("UPDATE purses SET amount = amount + 1 WHERE id = 2").await.unwrap();
    let waiting = base.under_way(one, "UPDATE purses SET amount = amount + 1 WHERE id = 2".to_owned());
    base.until_one_waits().await;
    let others = other.run("UPDATE purses SET amount = amount + 1 WHERE id = 1").await;
    // Which of them it is, the server chooses; the one that is told must let go for the other.
    if others.is_err() {
        other.run("ROLLBACK").await.unwrap();
    } else {
        other.run("COMMIT").await.unwrap();
    }
    let (mut one, ones) = waiting.await.unwrap();
    one.run(if ones.is_ok() { "COMMIT" } else { "ROLLBACK" }).await.unwrap();
    let told: Vec<String> = [ones, others].into_iter().filter_map(Result::err).collect();
    assert_eq!(told, [base.words.deadlock]);
    assert_eq!(one.run("SELECT amount FROM purses WHERE id < 3 ORDER BY id").await, Ok(vec![11, 21]));

    one.run(base.words.begin).await.unwrap();
    one.run("UPDATE purses SET amount = amount + 1 WHERE id < 3").await.unwrap();
    one.run("COMMIT").await.unwrap();
    assert_eq!(one.run("SELECT amount FROM purses WHERE id < 3 ORDER BY id").await, Ok(vec![12, 22]));
}

/// Why claims of several processes take different tasks and keys (`Locked::Skipped`): locked rows are left out, as
/// many others as asked for are locked, and no more.
async fn skip_locked_leaves_out_the_locked_rows_and_locks_no_other(base: Base) {
    let next = |most: u32| {
        format!("SELECT id FROM purses ORDER BY id LIMIT {most} {} SKIP LOCKED", base.words.row_lock)
    };
    let mut lines = [base.line().await, base.line().await, base.line().await];
    for line in &mut lines {
        line.run(base.words.begin).await.unwrap();
    }
    let [one, other, third] = &mut lines;
    one.run(&base.locked(2)).await.unwrap();
    assert_eq!(other.run(&next(2)).await, Ok(vec![1, 3]));
    assert_eq!(third.run(&next(9)).await, Ok(vec![4]));
    one.run("ROLLBACK").await.unwrap();
    other.run("ROLLBACK").await.unwrap();
    assert_eq!(third.run(&next(9)).await, Ok(vec![1, 2, 3, 4]));
}

/// How a change that everybody relies on keeps every batch out (`Beside`): batches go together, it goes alone.
async fn one_that_writes_alone_waits_for_those_beside_each_other(base: Base) {
    let (mut one, mut other, mut alone) = (base.line().await, base.line().await, base.line().await);
    for line in [&mut one, &mut other, &mut alone] {
        line.run(base.words.begin).await.unwrap();
    }
    one.run(base.words.lock_beside_others).await.unwrap();
    other.run(base.words.lock_beside_others).await.unwrap();
    let waiting = base.under_way(alone, base.words.lock_alone.to_owned());
    base.until_one_waits().await;
    one.run("COMMIT").await.unwrap();
    assert!(!waiting.is_finished());
    other.run("COMMIT").await.unwrap();
    let (mut alone, locked) = waiting.await.unwrap();
    locked.unwrap();
    let waiting = base.under_way(other, format!("{}; {}", base.words.begin, base.words.lock_beside_others));
    base.until_one_waits().await;
    alone.run("COMMIT").await.unwrap();
    waiting.await.unwrap().1.unwrap();
}

/// What `Session::begin_view` gives: `verify` adds up entries and balances of one instant while others write.
async fn a_view_shows_one_instant(base: Base) {
    let (mut reader, mut writer) = (base.line().await, base.line().await);
    reader.run(base.words.begin_view).await.unwrap();
    assert_eq!(reader.number(AMOUNT).await, 10);
    writer.run("UPDATE purses SET amount = amount + 1").await.unwrap();
    assert_eq!(reader.run("SELECT amount FROM purses WHERE id < 3 ORDER BY id").await, Ok(vec![10, 20]));
    reader.run("COMMIT").await.unwrap();
    assert_eq!(reader.number(AMOUNT).await, 11);
}

/// Why a batch that fails is rolled back as a whole, whatever the error (`Inner::write`): on MariaDB, a lock that is
/// not got in time undoes its statement alone, and a later commit would write the half that came before.
#[cfg(feature = "mysql")]
#[tokio::test(flavor = "multi_thread")]
async fn on_mariadb_a_lock_that_is_not_got_leaves_the_transaction_open() {
    let base = Base::mariadb().await;
    let (mut one, mut other) = (base.line().await, base.line().await);
    one.run(base.words.begin).await.unwrap();
    one.run(&base.locked(2)).await.unwrap();
    other.run("SET SESSION innodb_lock_wait_timeout = 1").await.unwrap();
    other.run(base.words.begin).await.unwrap();
    other.run("UPDATE purses SET amount = 11 WHERE id = 1").await.unwrap();
    assert_eq!(other.run("UPDATE purses SET amount = 21 WHERE id = 2").await, Err("1205".to_owned()));
    other.run("COMMIT").await.unwrap();
    assert_eq!(one.run("SELECT amount FROM purses WHERE id < 3 ORDER BY id").await, Ok(vec![11, 20]));
}

/// Why new rows whose key may be there already are written by `ON DUPLICATE KEY UPDATE` or refused, and who was first
/// is never told from a count: the server counts rows that it found, changed or not.
#[cfg(feature = "mysql")]
#[tokio::test(flavor = "multi_thread")]
async fn on_mariadb_a_count_does_not_tell_a_new_row_from_an_old_one() {
    let base = Base::mariadb().await;
    let mut line = base.line().await;
    let insert = "INSERT INTO purses VALUES (7, 70) ON DUPLICATE KEY UPDATE amount = 70; SELECT ROW_COUNT()";
    assert_eq!(line.run(insert).await, Ok(vec![1]));
    assert_eq!(line.run(insert).await, Ok(vec![1]));
}

macro_rules! on_each_server {
    ($($rule:ident)*) => {
        #[cfg(feature = "mysql")]
        mod on_mariadb {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $rule() {
                super::$rule(super::Base::mariadb().await).await;
            })*
        }

        #[cfg(feature = "postgres")]
        mod on_postgresql {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $rule() {
                super::$rule(super::Base::postgresql().await).await;
            })*
        }
    };
}

on_each_server! {
    a_plain_read_before_a_write_loses_an_update
    a_locked_read_before_a_write_loses_nothing
    a_statement_after_a_lock_sees_what_was_committed_before_it
    a_condition_is_checked_again_after_a_wait
    a_key_that_another_inserts_is_waited_for_and_then_refused
    of_a_deadlock_one_is_undone_and_may_try_again
    skip_locked_leaves_out_the_locked_rows_and_locks_no_other
    one_that_writes_alone_waits_for_those_beside_each_other
    a_view_shows_one_instant
}
