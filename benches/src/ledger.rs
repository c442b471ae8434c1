//! `ledger/sqlite`, `ledger/postgres`, `ledger/mariadb`: how many jobs a second one hot wallet can hold money for and
//! charge, durably.
//!
//! Through the store: batches of 256 admissions (hold, job, task, fair queue), of as many leases, and of as many
//! settlements (charge, entry, result, job's end, hold closed), each batch one commit. By hand on SQLite: the same
//! rows, with the same indexes in the same schema, on the same SQLite library, in two transactions per job: one that
//! holds and leases, one that charges. By hand on a server: what a host writes without a library, 16 clients who lock
//! the wallet's row, change it and insert a hold, and again with an entry to charge; no job, no task, no lease. All
//! wait for the disk at every commit.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use kingcong_core::{
    KingCong, Request, Settings,
    engine::Mode,
    id::{TenantId, WorkerId},
    keys::Rules,
    measure::Measured,
    store::{AttemptResult, Batch, Claimed, Command, DEAD_AFTER_MIN, Lease, Outcome, Settle, Store, Written},
    work::{Body, CheckedRequest, Coding, Layout, Pace, Sound},
};
use kingcong_sqlx::SqlStore;
use uuid::Uuid;

use crate::{
    figure::{Figure, Unit, median},
    sql::{Database, FileByHand, Place, ServerByHand, Value},
    stage::{self, Ids, Planner},
};

const REPEATS: usize = 5;
pub(crate) const BATCH_COMMANDS: usize = 256;
const BATCHES: usize = 8;
const JOBS_BY_HAND: usize = 512;
/// Who write by hand on a server at the same time.
const CLIENTS: usize = 16;
const TEXT_BYTES: usize = 100;
const KEYS: usize = 10;
const USER: &str = "user";
const AUDIO: &[u8] = b"audio";

pub(crate) fn measure(place: &Place) -> Result<Vec<Figure>> {
    stage::on_all_cores(async {
        let mut ours = Vec::new();
        let mut by_hand = Vec::new();
        for _ in 0..REPEATS {
            ours.push(through_the_store(&place.fresh()?).await?);
            by_hand.push(match place {
                Place::Files => on_a_file_by_hand(&place.fresh()?, JOBS_BY_HAND).await?,
                Place::Postgres(_) | Place::MariaDb(_) => on_a_server_by_hand(&place.fresh()?).await?,
            });
        }
        let name = format!("ledger/{}", place.as_str());
        let against = match place {
            Place::Files => "the same rows by hand, two transactions a job",
            Place::Postgres(_) | Place::MariaDb(_) => "16 clients by hand, two transactions a job",
        };
        Ok(vec![Figure::new(name, median(ours), Unit::PerSecond, against, median(by_hand))])
    })
}

/// A store with keys, and a user with credits.
pub(crate) async fn opened(database: &Database) -> Result<(SqlStore, KingCong)> {
    let store = database.store().await?;
    let settings = Settings { mode: Mode::Client, ..Settings::default() };
    let kc = KingCong::builder()
        .store(store.clone())
        .settings(settings)
        .preset(stage::preset(100, 0)?)
        .master_key(stage::master_key())
        .start()
        .await?;
    stage::add_keys(&kc, "ai33", KEYS, stage::limits(1_000_000, 1_000_000)).await?;
    stage::make_rich(&kc, USER).await?;
    Ok((store, kc))
}

fn request() -> Result<CheckedRequest> {
    let request = Request::speech(USER, stage::text(TEXT_BYTES));
    Ok(request.service(stage::SERVICE).voice(stage::VOICE).check(TenantId::main())?)
}

/// Jobs per second.
async fn through_the_store(database: &Database) -> Result<f64> {
    let (store, kc) = opened(database).await?;
    let (done, time) = fill(store, BATCHES).await?;
    ensure!(kc.verify().await?.is_sound(), "the books do not add up");
    kc.close().await;
    Ok(done as f64 / time.as_secs_f64())
}

/// Admits, leases and charges jobs of one task, in batches; how many, and how long that took.
pub(crate) async fn fill(store: SqlStore, batches: usize) -> Result<(usize, Duration)> {
    let configuration = store.configuration(None).await?.context("it was configured")?;
    let planner = Planner::new(configuration, [stage::route("ai33")?].into());
    let request = request()?;
    let mut ids = Ids::default();
    let mut writer = Writer::register(store, &mut ids).await?;
    let mut done = 0;
    let started = Instant::now();
    for _ in 0..batches {
        let admissions = (0..BATCH_COMMANDS).map(|_| planner.admission(&request, &mut ids));
        writer.write(admissions.collect::<Result<_>>()?).await?;
        let mut settlements = Vec::new();
        for pool in planner.pools() {
            let claim = planner.claim(pool, BATCH_COMMANDS, &mut ids);
            for outcome in writer.write(vec![claim]).await? {
                if let Outcome::Claim(Claimed { leases, .. }) = outcome {
                    settlements.extend(leases.iter().map(settlement));
                }
            }
        }
        for outcome in writer.write(settlements).await? {
            done += usize::from(matches!(outcome, Outcome::Settle(Ok(_))));
        }
    }
    let time = started.elapsed();
    ensure!(done == batches * BATCH_COMMANDS, "{done} jobs were charged");
    Ok((done, time))
}

/// A worker that writes batches.
pub(crate) struct Writer {
    store: SqlStore,
    worker: WorkerId,
    number: i64,
}

impl Writer {
    pub(crate) async fn register(store: SqlStore, ids: &mut Ids) -> Result<Self> {
        let worker = WorkerId::from_uuid(ids.next());
        store.register_worker(worker, DEAD_AFTER_MIN).await?;
        Ok(Self { store, worker, number: 0 })
    }

    pub(crate) async fn write(&mut self, commands: Vec<Command>) -> Result<Vec<Outcome>> {
        self.number += 1;
        let batch = Batch { worker: self.worker, number: self.number, rules: Rules::default(), commands };
        match self.store.write(&batch).await? {
            Written::Now { outcomes, .. } => Ok(outcomes),
            Written::Before | Written::Fenced => anyhow::bail!("batch {} was not executed", self.number),
        }
    }
}

/// What was found in [`AUDIO`], as a store keeps it.
fn sound() -> Sound {
    Sound {
        layout: Layout { coding: Coding::Mp3, sample_rate: 44_100, channels: 1 },
        samples: 1152,
        spans: std::iter::once(0..5).collect(),
        pace: Pace::Constant { bytes_a_second: 16_000 },
    }
}

pub(crate) fn settlement(lease: &Lease) -> Command {
    let body = Body::Memory(AUDIO.into());
    let output = sound().stored(body, None);
    let result = AttemptResult::Done { output, cost: None, measured: Measured::NOTHING };
    Command::Settle(Box::new(Settle::of(&lease.attempt, result)))
}

/// Jobs per second.
async fn on_a_file_by_hand(file: &Database, jobs: usize) -> Result<f64> {
    // One job through the store leaves the rows that every later job changes.
    let (store, kc) = opened(file).await?;
    let configuration = store.configuration(None).await?.context("it was configured")?;
    let planner = Planner::new(configuration, [stage::route("ai33")?].into());
    let mut ids = Ids::default();
    let mut writer = Writer::register(store, &mut ids).await?;
    writer.write(vec![planner.admission(&request()?, &mut ids)?]).await?;
    kc.close().await;
    let mut connection = file.file_by_hand().await?;
    let wallet = stage::wallet_of(&request()?).id().as_uuid();
    let started = Instant::now();
    for number in 0..jobs {
        let job = Job {
            wallet,
            job: ids.next(),
            hold: ids.next(),
            task: ids.next(),
            attempt: ids.next(),
            number: i64::try_from(number)? + 2,
        };
        job.hold(&mut connection).await?;
        job.charge(&mut connection).await?;
    }
    Ok(jobs as f64 / started.elapsed().as_secs_f64())
}

/// Jobs per second.
async fn on_a_server_by_hand(database: &Database) -> Result<f64> {
    let mut connection = database.server_by_hand().await?;
    for table in [
        "CREATE TABLE wallets (id BIGINT NOT NULL PRIMARY KEY, balance BIGINT NOT NULL, held BIGINT NOT NULL)",
        "CREATE TABLE holds (id BIGINT NOT NULL PRIMARY KEY, wallet BIGINT NOT NULL, amount BIGINT NOT NULL)",
        "CREATE TABLE entries (id BIGINT NOT NULL PRIMARY KEY, wallet BIGINT NOT NULL, amount BIGINT NOT NULL, \
         balance_after BIGINT NOT NULL)",
        "INSERT INTO wallets VALUES (1, 1000000000, 0)",
    ] {
        connection.tell(table).await?;
    }
    let mut clients = Vec::new();
    for _ in 0..CLIENTS {
        clients.push(database.server_by_hand().await?);
    }
    let jobs_each = i64::try_from(JOBS_BY_HAND / CLIENTS)?;
    let started = Instant::now();
    let mut working = tokio::task::JoinSet::<Result<()>>::new();
    for (client, mut connection) in (0..).zip(clients) {
        working.spawn(async move {
            for job in (client * jobs_each)..((client + 1) * jobs_each) {
                hold_by_hand(&mut connection, job).await?;
                charge_by_hand(&mut connection, job).await?;
            }
            Ok(())
        });
    }
    while let Some(worked) = working.join_next().await {
        worked??;
    }
    let time = started.elapsed();
    let left = connection.run("SELECT balance, held FROM wallets WHERE id = $1", &[1]).await?;
    let charged = i64::try_from(JOBS_BY_HAND)? * PRICE;
    ensure!(left == [1_000_000_000 - charged, 0], "the wallet has {left:?}");
    Ok(JOBS_BY_HAND as f64 / time.as_secs_f64())
}

async fn hold_by_hand(connection: &mut ServerByHand, job: i64) -> Result<()> {
    connection.tell("BEGIN").await?;
    let wallet = connection.run("SELECT balance, held FROM wallets WHERE id = $1 FOR UPDATE", &[1]).await?;
    ensure!(matches!(wallet[..], [balance, held] if balance - held >= PRICE), "the wallet ran dry");
    connection.run("UPDATE wallets SET held = held + $1 WHERE id = $2", &[PRICE, 1]).await?;
    connection.run("INSERT INTO holds (id, wallet, amount) VALUES ($1, $2, $3)", &[job, 1, PRICE]).await?;
    connection.tell("COMMIT").await
}

async fn charge_by_hand(connection: &mut ServerByHand, job: i64) -> Result<()> {
    connection.tell("BEGIN").await?;
    let wallet = connection.run("SELECT balance, held FROM wallets WHERE id = $1 FOR UPDATE", &[1]).await?;
    let [balance, held] = wallet[..] else { anyhow::bail!("there is no wallet") };
    let (balance, held) = (balance - PRICE, held - PRICE);
    connection.run("UPDATE wallets SET balance = $1, held = $2 WHERE id = $3", &[balance, held, 1]).await?;
    let entry = "INSERT INTO entries (id, wallet, amount, balance_after) VALUES ($1, $2, $3, $4)";
    connection.run(entry, &[job, 1, -PRICE, balance]).await?;
    connection.tell("COMMIT").await
}

/// What a job's rows are made of.
struct Job {
    wallet: Uuid,
    job: Uuid,
    hold: Uuid,
    task: Uuid,
    attempt: Uuid,
    number: i64,
}

const PRICE: i64 = TEXT_BYTES as i64;
const NOW: i64 = 1_795_255_200_000_000;
pub(crate) const ROUTES: &str = concat!(
    r#"[{"price":{"route":{"server":"ai33","service":"elevenlabs"},"version":1,"unit":"credit","#,
    r#""counted":"100/1"},"voice":"21m00Tcm4TlvDq8ikWAM"}]"#,
);
const INPUT: &str = concat!(
    r#"{"speech":{"text":"one two three four five six seven eight nine ten one two three four five six seven "#,
    r#"eight nine ten on","voice":"","model":null,"format":"mp3","subtitles":"no","settings":{"stability":null,"#,
    r#""similarity":null,"style":null,"speed":null},"language":null}}"#,
);

impl Job {
    /// Holds the money, makes job and task, and leases a key.
    async fn hold(&self, connection: &mut FileByHand) -> Result<()> {
        use Value::{Blob, Integer, Text};
        let (wallet, job, hold) = (self.wallet.as_bytes(), self.job.as_bytes(), self.hold.as_bytes());
        let (task, attempt) = (self.task.as_bytes(), self.attempt.as_bytes());
        connection.run("BEGIN IMMEDIATE", &[]).await?;
        let held = connection
            .run(
                "UPDATE kingcong_credits SET held = held + ?1, updated_at = ?2 \
                 WHERE id = ?3 AND balance - held >= ?1 AND debt = 0",
                &[Integer(PRICE), Integer(NOW), Blob(wallet)],
            )
            .await?;
        ensure!(held == 1, "the wallet ran dry");
        connection
            .run(
                "INSERT INTO kingcong_holds (id, wallet, job, amount, opened_at, captured) VALUES (?, ?, ?, ?, ?, 0)",
                &[Blob(hold), Blob(wallet), Blob(job), Integer(PRICE), Integer(NOW)],
            )
            .await?;
        connection
            .run(
                "INSERT INTO kingcong_jobs (id, tenant, user_id, operation, service, unit, wallet, hold, held, \
                 tasks, total_den, created_at, state, open_tasks, failed_tasks, total_sum, total_overrun, charged, \
                 deadline, retries, archived_attempts) \
                 VALUES (?, 'main', ?, 'speech', 'elevenlabs', 'credit', ?, ?, ?, 1, 1, ?6, 'open', 1, 0, '0', \
                 '0', 0, ?6, 0, 0)",
                &[Blob(job), Text(USER), Blob(wallet), Blob(hold), Integer(PRICE), Integer(NOW)],
            )
            .await?;
        connection
            .run(
                "INSERT INTO kingcong_tasks (id, job, tenant, user_id, place, routes, quantities, weight, created_at, \
                 state, attempt, planned, cause, reached, attempts, reached_before, attempts_before, tried, \
                 unfit_routes, doubt, credits_cost, refunded, input_data, status, assigned_to, service) \
                 VALUES (?, ?, 'main', ?, 0, ?, '{}', 1, ?, 'running', ?, 0, 'planned', 0, 1, 0, 0, x'', \
                 0, 'none', 0, 0, ?, 'processing', 'ai33', 'elevenlabs')",
                &[
                    Blob(task),
                    Blob(job),
                    Text(USER),
                    Text(ROUTES),
                    Integer(NOW),
                    Blob(attempt),
                    Text(INPUT),
                ],
            )
            .await?;
        connection.run("UPDATE kingcong_splits SET carry = '[0]'", &[]).await?;
        connection
            .run(
                "INSERT INTO kingcong_attempts (id, task_id, job, tenant, user_id, operation, unit, lane, cause, \
                 server, service, api_key_id, leased_at, doubt, open_worker, state, charged, over_hold, \
                 usage_check) \
                 SELECT ?, ?, ?, 'main', ?, 'speech', 'credit', 'shared', 'planned', 'ai33', 'elevenlabs', id, ?, \
                 'none', id, 'leased', 0, 0, 'within' FROM kingcong_limits LIMIT 1",
                &[Blob(attempt), Blob(task), Blob(job), Text(USER), Integer(NOW)],
            )
            .await?;
        connection
            .run(
                "UPDATE kingcong_limits SET in_flight = in_flight + 1, turn = ?1 WHERE id = \
                 (SELECT id FROM kingcong_limits WHERE pool IS NOT NULL ORDER BY turn LIMIT 1)",
                &[Integer(NOW)],
            )
            .await?;
        connection.run("UPDATE kingcong_pools SET virtual_time = virtual_time + 1", &[]).await?;
        connection.run("UPDATE kingcong_flows SET finish = finish + 1", &[]).await?;
        connection.run("COMMIT", &[]).await?;
        Ok(())
    }

    /// Charges the money, keeps the result, and ends job, task and attempt.
    async fn charge(&self, connection: &mut FileByHand) -> Result<()> {
        use Value::{Blob, Integer, Text};
        let (wallet, job, hold) = (self.wallet.as_bytes(), self.job.as_bytes(), self.hold.as_bytes());
        let (task, attempt) = (self.task.as_bytes(), self.attempt.as_bytes());
        connection.run("BEGIN IMMEDIATE", &[]).await?;
        connection
            .run(
                "UPDATE kingcong_jobs SET state = 'completed', open_tasks = 0, charged = ?1, finished_at = ?2 \
                 WHERE id = ?3",
                &[Integer(PRICE), Integer(NOW), Blob(job)],
            )
            .await?;
        connection
            .run(
                "UPDATE kingcong_tasks SET state = 'done', status = 'completed', credits_cost = ?1, \
                 completed_at = ?2, attempt = NULL WHERE id = ?3",
                &[Integer(PRICE), Integer(NOW), Blob(task)],
            )
            .await?;
        connection
            .run(
                "UPDATE kingcong_attempts SET state = 'done', charged = ?1, ended_at = ?2, open_worker = NULL \
                 WHERE id = ?3",
                &[Integer(PRICE), Integer(NOW), Blob(attempt)],
            )
            .await?;
        connection
            .run(
                "UPDATE kingcong_holds SET captured = ?1, closed_at = ?2, released = 0 WHERE id = ?3",
                &[Integer(PRICE), Integer(NOW), Blob(hold)],
            )
            .await?;
        connection
            .run(
                "UPDATE kingcong_credits SET balance = balance - ?1, held = held - ?1, \
                 total_spent = total_spent + ?1, last_entry = ?2, updated_at = ?3 WHERE id = ?4",
                &[Integer(PRICE), Integer(self.number), Integer(NOW), Blob(wallet)],
            )
            .await?;
        connection
            .run(
                "INSERT INTO kingcong_transactions (wallet, number, type, amount, balance_after, debt_change, \
                 debt_after, server, service, task_id, created_at, user_id) SELECT ?1, ?2, 'usage', \
                 -?3, balance, 0, 0, 'ai33', 'elevenlabs', ?4, ?5, ?6 \
                 FROM kingcong_credits WHERE id = ?1",
                &[
                    Blob(wallet),
                    Integer(self.number),
                    Integer(PRICE),
                    Blob(task),
                    Integer(NOW),
                    Text(USER),
                ],
            )
            .await?;
        connection
            .run(
                "UPDATE kingcong_limits SET in_flight = in_flight - 1 WHERE id = \
                 (SELECT api_key_id FROM kingcong_attempts WHERE id = ?)",
                &[Blob(attempt)],
            )
            .await?;
        connection
            .run(
                "INSERT INTO kingcong_outputs (task, made, bytes, body) \
                 VALUES (?, '{}', ?, ?)",
                &[Blob(task), Integer(i64::try_from(AUDIO.len())?), Blob(AUDIO)],
            )
            .await?;
        connection.run("COMMIT", &[]).await?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rows_by_hand_fit_the_tables() {
        let written = stage::on_all_cores(async { on_a_file_by_hand(&Place::Files.fresh()?, 2).await });
        assert!(written.unwrap() > 0.0);
    }
}
