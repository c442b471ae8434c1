//! `task/sqlite`: how many tasks a second live their whole life on SQLite: submitted, held for, leased, sent to an
//! upstream that answers at once, charged and ended, all durably.
//!
//! 512 callers submit jobs of one task through the engine; the time ends when the last task is charged. Compared with
//! the least that any billing does: one debit by hand, an `UPDATE` of the balance and an `INSERT` of the entry in one
//! transaction each, on the same SQLite library, as durable.

use std::{sync::Arc, time::Instant};

use anyhow::{Result, ensure};
use futures_util::{StreamExt, TryStreamExt, stream};
use kingcong_core::{
    KingCong, Request,
    clock::{Clock, SystemClock},
};

use crate::{
    figure::{Figure, Unit, median},
    sql::{File, Value},
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
const LOOK_EVERY: std::time::Duration = std::time::Duration::from_millis(2);

pub(crate) fn measure() -> Result<Vec<Figure>> {
    stage::on_all_cores(async {
        let mut lives = Vec::new();
        let mut debits = Vec::new();
        for _ in 0..REPEATS {
            lives.push(tasks().await?);
            debits.push(debits_by_hand().await?);
        }
        Ok(vec![Figure::new(
            "task/sqlite",
            median(lives),
            Unit::PerSecond,
            "one debit by hand, one transaction each",
            median(debits),
        )])
    })
}

/// Whole lives per second.
async fn tasks() -> Result<f64> {
    let file = File::new()?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let limits = stage::limits(1_000_000, 1_000_000);
    let at_once = (std::time::Duration::ZERO, std::time::Duration::ZERO);
    let upstream = |protocol| Upstream::new(protocol, Arc::clone(&clock), at_once, limits);
    let kc = KingCong::builder()
        .store(file.store().await?)
        .preset(stage::preset(70, 30)?)
        .master_key(stage::master_key())
        .provider(InProcess(upstream("ai33")?))
        .provider(InProcess(upstream("ai84")?))
        .start()
        .await?;
    for server in ["ai33", "ai84"] {
        stage::add_keys(&kc, server, KEYS, limits).await?;
    }
    let users: Vec<String> = (0..USERS).map(|user| format!("user-{user}")).collect();
    for user in &users {
        stage::make_rich(&kc, user).await?;
    }
    let started = Instant::now();
    stream::iter(users.iter().cycle().take(TASKS))
        .map(|user| {
            kc.submit(
                Request::speech(user, stage::text(TEXT_BYTES)).service(stage::SERVICE).voice(stage::VOICE),
            )
        })
        .buffer_unordered(CALLERS)
        .try_for_each(|_| std::future::ready(Ok(())))
        .await?;
    while !all_charged(&kc, &users).await? {
        tokio::time::sleep(LOOK_EVERY).await;
    }
    let time = started.elapsed();
    ensure!(kc.verify().await?.is_sound(), "the books do not add up");
    kc.close().await;
    Ok(TASKS as f64 / time.as_secs_f64())
}

async fn all_charged(kc: &KingCong, users: &[String]) -> Result<bool> {
    for user in users {
        let wallet = kc.wallets().get(user).await?;
        if wallet.held.get() > 0 {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Debits per second.
async fn debits_by_hand() -> Result<f64> {
    use Value::Integer;
    let file = File::new()?;
    let mut connection = file.by_hand().await?;
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
