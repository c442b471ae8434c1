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
    id::{KeyId, ProtocolId, TenantId},
    keys::Verdict,
    measure::Measured,
    provider::{Call, Provider, Reply, Sent},
    store::Command,
    vault::{KeyBytes, StaticMasterKey},
    work::{Audio, Body, JobState, Output},
};
use kingcong_servers::Server;
use kingcong_sqlx::SqlStore;
use sqlx::{Connection as _, Executor as _, MySqlConnection, PgConnection, Row as _};

use crate::world::{Ids, Writer, add_key, audit, route};

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
        Ok(Sent::Done(Reply { output: Output::Audio(audio), cost: None, measured: Measured::NOTHING }))
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

/// A server that counts statements, and a connection that asks it for them.
async fn counting_postgres() -> (Server, PgConnection) {
    let mut server = Server::postgres().unwrap();
    let counting = server.fresh_database().unwrap();
    let mut by_hand = PgConnection::connect(&counting).await.unwrap();
    let load = "ALTER SYSTEM SET shared_preload_libraries = 'pg_stat_statements'";
    by_hand.execute(load).await.unwrap();
    server.kill().unwrap();
    server.restart().unwrap();
    let mut by_hand = PgConnection::connect(&counting).await.unwrap();
    by_hand.execute("CREATE EXTENSION pg_stat_statements").await.unwrap();
    (server, by_hand)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idle_process_costs_postgres_less_than_two_statements_a_second() {
    let (server, mut by_hand) = counting_postgres().await;
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

/// More than a look may read by accident.
const KEYS: usize = 1_500;
/// Pages or rows that a pulse and a look at what changed may read on their way to one key.
const READ_MAX: i64 = 60;

/// A library that knows many keys, of many tenants, and whoever writes beside it.
struct Crowd {
    kc: KingCong,
    store: SqlStore,
    writer: Writer,
    key: KeyId,
}

impl Crowd {
    async fn on(url: &str) -> Self {
        let kc = library(url).await.clock(Arc::new(HandClock::default())).start().await.unwrap();
        let store = SqlStore::connect(url).await.unwrap();
        let mut ids = Ids::default();
        let mut writer = Writer::register(&store, &mut ids).await;
        let mut adds = Vec::new();
        for number in 0..KEYS {
            let mut add = add_key(&mut ids, &route("ai33"), 10, 10, None);
            add.key.tenant = TenantId::new(format!("tenant-{}", number / 10)).unwrap();
            adds.push(add);
        }
        let key = adds[KEYS / 2].key.id;
        for adds in adds.chunks(250) {
            let commands = adds.iter().map(|add| Command::admin(audit(&mut ids), add.clone()));
            writer.write(&store, commands.collect()).await;
        }
        kc.pulse().await.unwrap();
        Self { kc, store, writer, key }
    }

    /// Another process finds that a key does not work, or does.
    async fn check(&mut self, verdict: Verdict) {
        self.writer.write(&self.store, vec![Command::CheckKey { key: self.key, verdict }]).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_reads_of_all_keys_the_one_that_changed_on_postgres() {
    let (server, mut by_hand) = counting_postgres().await;
    let url = server.fresh_database().unwrap();
    let mut crowd = Crowd::on(&url).await;
    // Looks at what changed, the keys that they gave, and the pages that they and pulses read.
    let mut cost = async || -> [i64; 3] {
        let looks = "s.query LIKE '%last_revision%'";
        let sql = format!(
            "SELECT coalesce(sum(calls) FILTER (WHERE {looks}), 0)::bigint, \
             coalesce(sum(rows) FILTER (WHERE {looks}), 0)::bigint, \
             coalesce(sum(shared_blks_hit + shared_blks_read), 0)::bigint \
             FROM pg_stat_statements s JOIN pg_database d ON d.oid = s.dbid \
             WHERE d.datname = '{}' AND (s.query LIKE '%waiting_or_null%' OR {looks})",
            url.rsplit('/').next().unwrap()
        );
        let row = by_hand.fetch_one(sqlx::raw_sql(sqlx::AssertSqlSafe(sql))).await.unwrap();
        [row.get(0), row.get(1), row.get(2)]
    };
    let before = cost().await;
    crowd.kc.pulse().await.unwrap();
    let idle = cost().await;
    assert_eq!(
        (idle[0] - before[0], idle[1] - before[1]),
        (0, 0),
        "nothing changed, so nothing is looked for"
    );
    crowd.check(Verdict::Dead { reason: "refused".to_owned() }).await;
    crowd.kc.pulse().await.unwrap();
    let after = cost().await;
    assert_eq!((after[0] - idle[0], after[1] - idle[1]), (1, 1), "one look, which gave one key");
    assert!(after[2] - idle[2] < READ_MAX, "{} pages", after[2] - idle[2]);
    crowd.kc.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_reads_of_all_keys_the_one_that_changed_on_mariadb() {
    let server = Server::mariadb().unwrap();
    let url = server.fresh_database().unwrap();
    let mut crowd = Crowd::on(&url).await;
    let mut by_hand = MySqlConnection::connect(&url).await.unwrap();
    let mut rows_read = async || -> i64 {
        let sql = sqlx::raw_sql("SHOW GLOBAL STATUS LIKE 'Handler_read%'");
        let rows = by_hand.fetch_all(sql).await.unwrap();
        rows.iter().map(|row| row.get::<String, _>(1).parse::<i64>().unwrap()).sum()
    };
    crowd.check(Verdict::Dead { reason: "refused".to_owned() }).await;
    let first = rows_read().await;
    // What the question itself reads.
    let of_question = rows_read().await - first;
    let before = rows_read().await;
    crowd.kc.pulse().await.unwrap();
    let rows = rows_read().await - before - of_question;
    assert!(rows < READ_MAX, "{rows} rows for a pulse and a look at one key of {KEYS}");
    assert_eq!(crowd.kc.status().await.unwrap().routes[0].keys as usize, KEYS - 1);
    crowd.kc.close().await;
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
