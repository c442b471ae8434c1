//! `task/sqlite`, `task/postgres`, `task/mariadb`: how many tasks a second live their whole life: submitted, held for,
//! leased, sent to an upstream that answers at once, charged and ended, all durably.
//!
//! 512 callers submit jobs of one task through the engine; the time ends when the last task is charged. Compared with
//! the least that any billing does: one debit by hand, an `UPDATE` of the balance and an `INSERT` of the entry in one
//! transaction each, on the same database, as durable.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use futures_util::{StreamExt, TryStreamExt, stream};
use kingcong_core::{KingCong, Request, keys::Limits};

use crate::{
    figure::{Figure, Unit, median},
    sql::{Database, Place, Value},
    stage::{self, InProcess, Upstream},
};

const REPEATS: usize = 3;
const TASKS: usize = 4_000;
const CALLERS: usize = 512;
const USERS: usize = 100;
const KEYS: usize = 10;
const TEXT_BYTES: usize = 100;
const DEBITS: i64 = 2_000;
/// How often it is looked whether the last task was charged.
const LOOK_EVERY: Duration = Duration::from_millis(2);

pub(crate) fn measure(place: &Place) -> Result<Vec<Figure>> {
    stage::on_all_cores(async {
        let mut lives = Vec::new();
        let mut debits = Vec::new();
        for _ in 0..REPEATS {
            lives.push(tasks(&place.fresh()?).await?);
            debits.push(match place {
                Place::Files => debits_on_a_file(&place.fresh()?).await?,
                Place::Postgres(_) | Place::MariaDb(_) => debits_on_a_server(&place.fresh()?).await?,
            });
        }
        Ok(vec![Figure::new(
            format!("task/{}", place.as_str()),
            median(lives),
            Unit::PerSecond,
            "one debit by hand, one transaction each",
            median(debits),
        )])
    })
}

/// The library on a database, with upstreams in this process that answer at once.
pub(crate) async fn opened(database: &Database) -> Result<KingCong> {
    let at_once = (Duration::ZERO, Duration::ZERO);
    let upstream = |protocol| Upstream::new(protocol, stage::clock(), at_once, limits());
    Ok(KingCong::builder()
        .store(database.store().await?)
        .preset(stage::preset(70, 30)?)
        .master_key(stage::master_key())
        .provider(InProcess(upstream("ai33")?))
        .provider(InProcess(upstream("ai84")?))
        .start()
        .await?)
}

pub(crate) fn limits() -> Limits {
    stage::limits(1_000_000, 1_000_000)
}

pub(crate) fn users() -> Vec<String> {
    (0..USERS).map(|user| format!("user-{user}")).collect()
}

/// Registers keys, and gives the users credits.
pub(crate) async fn furnish(kc: &KingCong) -> Result<()> {
    for server in ["ai33", "ai84"] {
        stage::add_keys(kc, server, KEYS, limits()).await?;
    }
    for user in users() {
        stage::make_rich(kc, &user).await?;
    }
    Ok(())
}

/// Submits so many jobs of one task, the users by turns.
pub(crate) async fn submit(kc: &KingCong, jobs: usize) -> Result<()> {
    stream::iter(users().iter().cycle().take(jobs))
        .map(|user| {
            kc.submit(
                Request::speech(user, stage::text(TEXT_BYTES)).service(stage::SERVICE).voice(stage::VOICE),
            )
        })
        .buffer_unordered(CALLERS)
        .try_for_each(|_| std::future::ready(Ok(())))
        .await?;
    Ok(())
}

/// Waits until so many jobs are charged, as many for each user: then a wallet has one entry more for its credits.
pub(crate) async fn charged(kc: &KingCong, jobs: usize) -> Result<()> {
    let entries = u64::try_from(jobs / USERS)? + 1;
    for user in users() {
        while kc.wallets().get(&user).await?.last_entry < entries {
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }
    Ok(())
}

/// Whole lives per second.
async fn tasks(database: &Database) -> Result<f64> {
    let kc = opened(database).await?;
    furnish(&kc).await?;
    let started = Instant::now();
    submit(&kc, TASKS).await?;
    charged(&kc, TASKS).await?;
    let time = started.elapsed();
    ensure!(kc.verify().await?.is_sound(), "the books do not add up");
    kc.close().await;
    Ok(TASKS as f64 / time.as_secs_f64())
}

/// Debits per second.
async fn debits_on_a_file(file: &Database) -> Result<f64> {
    use Value::Integer;
    let mut connection = file.file_by_hand().await?;
    connection
        .run("CREATE TABLE wallets (id INTEGER PRIMARY KEY, balance INTEGER NOT NULL CHECK (balance >= 0)) STRICT", &[])
        .await?;
    connection
        .run(
            "CREATE TABLE entries (id INTEGER PRIMARY KEY, wallet INTEGER NOT NULL, amount INTEGER NOT NULL, \
             at INTEGER NOT NULL) STRICT",
            &[],
        )
        .await?;
    for user in 0..i64::try_from(USERS)? {
        connection.run("INSERT INTO wallets VALUES (?, 1000000)", &[Integer(user)]).await?;
    }
    let started = Instant::now();
    for debit in 0..DEBITS {
        let user = Integer(debit % i64::try_from(USERS)?);
        connection.run("BEGIN IMMEDIATE", &[]).await?;
        let debited = connection
            .run("UPDATE wallets SET balance = balance - 100 WHERE id = ? AND balance >= 100", &[user])
            .await?;
        ensure!(debited == 1, "a wallet ran dry");
        connection
            .run("INSERT INTO entries (wallet, amount, at) VALUES (?, -100, ?)", &[user, Integer(debit)])
            .await?;
        connection.run("COMMIT", &[]).await?;
    }
    Ok(DEBITS as f64 / started.elapsed().as_secs_f64())
}

/// Debits per second.
async fn debits_on_a_server(database: &Database) -> Result<f64> {
    let mut connection = database.server_by_hand().await?;
    let id = "id BIGINT NOT NULL PRIMARY KEY";
    connection
        .tell(&format!("CREATE TABLE wallets ({id}, balance BIGINT NOT NULL CHECK (balance >= 0))"))
        .await?;
    let entries = "wallet BIGINT NOT NULL, amount BIGINT NOT NULL, at BIGINT NOT NULL";
    connection.tell(&format!("CREATE TABLE entries ({id}, {entries})")).await?;
    for user in 0..i64::try_from(USERS)? {
        connection.run("INSERT INTO wallets VALUES ($1, 1000000)", &[user]).await?;
    }
    let started = Instant::now();
    for debit in 0..DEBITS {
        let user = debit % i64::try_from(USERS)?;
        connection.tell("BEGIN").await?;
        let debited = "UPDATE wallets SET balance = balance - 100 WHERE id = $1 AND balance >= 100";
        connection.run(debited, &[user]).await?;
        let entry = "INSERT INTO entries (id, wallet, amount, at) VALUES ($1, $2, -100, $3)";
        connection.run(entry, &[debit, user, debit]).await?;
        connection.tell("COMMIT").await?;
    }
    Ok(DEBITS as f64 / started.elapsed().as_secs_f64())
}
