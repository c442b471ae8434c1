//! What a process costs its database while it has nothing to do, and how it learns that it has.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use kingcong_core::{
    KingCong, NewKey, Preset, Request, Settings,
    clock::{Clock, Timestamp},
    engine::{Builder, Mode},
    failure::Failure,
    id::ProtocolId,
    measure::Counts,
    provider::{Call, Provider, Reply, Sent},
    vault::{KeyBytes, StaticMasterKey},
    work::{Audio, Body, JobState, Output},
};
use kingcong_servers::Server;
use kingcong_sqlx::SqlStore;
use sqlx::{Connection as _, Executor as _, MySqlConnection, PgConnection, Row as _};

/// A frame of silent MP3: 26 ms.
const FRAME: [u8; 417] = {
    let mut frame = [0; 417];
    [frame[0], frame[1], frame[2], frame[3]] = [0xff, 0xfb, 0x90, 0xc0];
    frame
};

/// A clock that a test moves: nothing happens by itself.
#[derive(Debug, Default)]
struct HandClock(AtomicU64);

impl HandClock {
    fn advance(&self, by: Duration) {
        self.0.fetch_add(u64::try_from(by.as_micros()).unwrap(), Ordering::SeqCst);
    }
}

#[async_trait]
impl Clock for HandClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(1_700_000_000_000_000).plus(self.elapsed())
    }

    fn elapsed(&self) -> Duration {
        Duration::from_micros(self.0.load(Ordering::SeqCst))
    }

    async fn sleep(&self, _: Duration) {
        std::future::pending().await
    }
}

/// Answers at once.
#[derive(Debug)]
struct Gateway(ProtocolId);

#[async_trait]
impl Provider for Gateway {
    fn protocol(&self) -> &ProtocolId {
        &self.0
    }

    async fn send(&self, _: &Call) -> Result<Sent, Failure> {
        let body = Body::Memory(Bytes::from_static(&FRAME));
        let audio = Audio { body, content_type: "audio/mpeg".into(), srt: None };
        Ok(Sent::Done(Reply { output: Output::Audio(audio), cost: None, measured: Counts::NONE }))
    }
}

async fn library(url: &str) -> Builder {
    KingCong::builder()
        .store(SqlStore::connect(url).await.unwrap())
        .preset(Preset::kingcong().unwrap())
        .master_key(StaticMasterKey::new(KeyBytes::new(&[7; 32])))
}

/// Opens a library on the database and leaves it alone for some minutes of its clock; how many pulses and how many
/// seconds these were.
async fn idle(kc: &KingCong, clock: &HandClock) -> (u64, u64) {
    const MINUTES: u64 = 5;
    let interval = Settings::default().pulse_interval;
    let started = clock.elapsed();
    let mut pulses = 0;
    while clock.elapsed() - started < Duration::from_secs(60 * MINUTES) {
        clock.advance(interval);
        kc.pulse().await.unwrap();
        pulses += 1;
    }
    (pulses, 60 * MINUTES)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idle_process_costs_postgres_less_than_two_statements_a_second() {
    let mut server = Server::postgres().unwrap();
    let counting = server.fresh_database().unwrap();
    let mut by_hand = PgConnection::connect(&counting).await.unwrap();
    let load = "ALTER SYSTEM SET shared_preload_libraries = 'pg_stat_statements'";
    by_hand.execute(load).await.unwrap();
    server.kill().unwrap();
    server.restart().unwrap();
    let mut by_hand = PgConnection::connect(&counting).await.unwrap();
    by_hand.execute("CREATE EXTENSION pg_stat_statements").await.unwrap();

    let url = server.fresh_database().unwrap();
    let clock = Arc::new(HandClock::default());
    let kc = library(&url).await.clock(Arc::clone(&clock) as _).start().await.unwrap();
    let database = url.rsplit('/').next().unwrap();
    let statements = format!(
        "SELECT sum(calls)::bigint FROM pg_stat_statements s JOIN pg_database d ON d.oid = s.dbid \
         WHERE d.datname = '{database}'"
    );
    let mut statements = async || -> i64 {
        let count = sqlx::AssertSqlSafe(statements.clone());
        by_hand.fetch_one(sqlx::raw_sql(count)).await.unwrap().get(0)
    };
    let before = statements().await;
    let (pulses, seconds) = idle(&kc, &clock).await;
    let cost = u64::try_from(statements().await - before).unwrap();
    assert!(cost >= pulses && cost < 2 * seconds, "{cost} statements in {seconds} s and {pulses} pulses");
    kc.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idle_process_costs_mariadb_less_than_two_statements_a_second() {
    let server = Server::mariadb().unwrap();
    let clock = Arc::new(HandClock::default());
    let url = server.fresh_database().unwrap();
    let kc = library(&url).await.clock(Arc::clone(&clock) as _).start().await.unwrap();
    let mut by_hand = MySqlConnection::connect(&url).await.unwrap();
    let mut statements = async || -> u64 {
        let count = sqlx::raw_sql("SHOW GLOBAL STATUS LIKE 'Questions'");
        by_hand.fetch_one(count).await.unwrap().get::<String, _>(1).parse().unwrap()
    };
    let before = statements().await;
    let (pulses, seconds) = idle(&kc, &clock).await;
    // The second question of this kind counts itself.
    let cost = statements().await - before - 1;
    assert!(cost >= pulses && cost < 2 * seconds, "{cost} statements in {seconds} s and {pulses} pulses");
    kc.close().await;
}

/// One process submits, another one works, and nobody tells it to look.
async fn work_is_found(url: &str) {
    let gateway = |protocol| Gateway(ProtocolId::new(protocol).unwrap());
    let worker = library(url).await.provider(gateway("ai33")).provider(gateway("ai84"));
    let worker = worker.start().await.unwrap();
    for server in ["ai33", "ai84"] {
        let key = NewKey::shared(server, "elevenlabs", format!("sk-{server}-0123456789"));
        worker.keys().add(key).await.unwrap();
    }
    worker.wallets().purchase("an", "package-1", "order-1").await.unwrap();
    let settings = Settings { mode: Mode::Client, ..Settings::default() };
    let client = library(url).await.settings(settings).start().await.unwrap();
    for _ in 0..2 {
        let request = Request::speech("an", "xin chào").service("elevenlabs").voice("anna");
        let job = client.submit(request).await.unwrap();
        assert_eq!(job.wait().await.unwrap().job.state, JobState::Completed);
    }
    client.close().await;
    worker.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn work_that_one_process_submits_is_found_by_another_in_a_file() {
    let folder = tempfile::tempdir().unwrap();
    work_is_found(&format!("sqlite://{}", folder.path().join("kc.db").display())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn work_that_one_process_submits_is_found_by_another_on_postgres() {
    let server = Server::postgres().unwrap();
    work_is_found(&server.fresh_database().unwrap()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn work_that_one_process_submits_is_found_by_another_on_mariadb() {
    let server = Server::mariadb().unwrap();
    work_is_found(&server.fresh_database().unwrap()).await;
}
