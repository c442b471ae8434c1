//! Many tasks at once: through the engine, over real HTTP, to simulated servers that count. Checks that everything
//! was done once, charged exactly and within every limit, and prints one JSON line.
//!
//! `load [tasks]`, 100,000 unless said otherwise; the store is in memory.

use std::{collections::BTreeMap, error::Error, io::Write as _, num::NonZeroU16, time::Instant};

use kingcong_core::{
    KingCong, NewKey, Preset, Request, Settings,
    engine::JobReport,
    keys::Limits,
    money::Amount,
    routing::BaseUrl,
    vault::{KeyBytes, StaticMasterKey},
    work::JobState,
};
use kingcong_tests::upstreams::{self, AudioLength, Limit, ServerSettings, Upstreams};
use serde_json::json;
use tokio::task::JoinSet;

type Failed = Box<dyn Error + Send + Sync>;

const SERVICE: &str = "elevenlabs";
const TASKS_DEFAULT: u32 = 100_000;
/// Tasks of a request.
const TASKS_OF_REQUEST: NonZeroU16 = NonZeroU16::new(100).expect("100 is not zero");
/// Requests of a user; all users ask at the same time.
const REQUESTS_OF_USER: u32 = 10;
/// Keys by server: 200, split as the work is.
const KEYS: [(&str, usize); 2] = [("ai33", 140), ("ai84", 60)];
/// Calls in flight that a key is allowed.
const IN_FLIGHT_MAX: u32 = 30;
/// Starts a minute that a key is allowed.
const STARTS_MAX: u32 = 2_000;
/// Starts a minute that AI84 allows one address.
const EGRESS_STARTS_MAX: u32 = 100_000;

#[tokio::main]
async fn main() -> Result<(), Failed> {
    let tasks = std::env::args().nth(1).map_or(Ok(TASKS_DEFAULT), |tasks| tasks.parse())?;
    let upstreams = Upstreams::empty().await?;
    let kc = open(&upstreams).await?;

    let started = Instant::now();
    let requests = tasks / u32::from(TASKS_OF_REQUEST.get());
    let mut users = JoinSet::new();
    for user in 0..requests.div_ceil(REQUESTS_OF_USER) {
        let kc = kc.clone();
        let requests = (user * REQUESTS_OF_USER..requests).take(REQUESTS_OF_USER as usize);
        users.spawn(async move { be_user(&kc, user, requests).await });
    }
    let mut charged = 0;
    while let Some(user) = users.join_next().await {
        charged += user??;
    }
    let took = started.elapsed();

    let done = check_upstreams(&upstreams, u64::from(tasks))?;
    let books = kc.verify().await?;
    check(books.is_sound(), format!("{:?}", books.discrepancies))?;
    check(books.jobs == u64::from(requests), format!("{} jobs", books.jobs))?;
    kc.close().await;
    let figures = json!({
        "tasks": tasks, "split": done, "keys": KEYS.map(|(_, keys)| keys).iter().sum::<usize>(), "violations": 0,
        "credits_charged": charged, "seconds": took.as_secs(),
        "tasks_per_second": u128::from(tasks) * 1000 / took.as_millis().max(1),
    });
    writeln!(std::io::stdout(), "{figures}")?;
    Ok(())
}

fn check(holds: bool, what: impl Into<String>) -> Result<(), Failed> {
    if holds { Ok(()) } else { Err(what.into().into()) }
}

/// Starts the servers, and the library with their keys and scaled limits.
async fn open(upstreams: &Upstreams) -> Result<KingCong, Failed> {
    let limits = Limits::new(IN_FLIGHT_MAX, STARTS_MAX).ok_or("limits are positive")?;
    let mut preset = Preset::kingcong()?;
    for (name, keys) in KEYS {
        let settings = if name == "ai33" { ServerSettings::ai33() } else { ServerSettings::ai84() };
        let settings = ServerSettings {
            limits: upstreams::Limits {
                key_in_flight: Some(Limit::recorded(IN_FLIGHT_MAX.into())),
                key_starts: Some(Limit::recorded(STARTS_MAX.into())),
                ip_starts: settings.limits.ip_starts.map(|_| Limit::recorded(EGRESS_STARTS_MAX.into())),
                ..upstreams::Limits::none()
            },
            audio: AudioLength { ms_per_character: 1, ms_max: 100 },
            ..settings.with_keys(keys)
        };
        let running = upstreams.add(name, settings).await?;
        let system = &mut preset.configuration().system;
        let server = system.servers.values_mut().find(|server| server.protocol.as_str() == name);
        let server = server.ok_or("the preset has the server")?;
        server.base_url = BaseUrl::new(running.url())?;
        server.defaults = limits;
        server.egress = server.egress.and_then(|_| Limits::new(u32::MAX, EGRESS_STARTS_MAX));
    }
    let kc = KingCong::builder()
        .providers(kingcong_http::Upstreams::all()?)
        .preset(preset)
        .master_key(StaticMasterKey::new(KeyBytes::new(&[7; 32])))
        .settings(Settings { poll_interval: std::time::Duration::from_millis(50), ..Settings::default() })
        .start()
        .await?;
    for server in upstreams.servers() {
        for secret in server.secrets() {
            kc.keys().add(NewKey::shared(server.name(), SERVICE, secret)).await?;
        }
    }
    Ok(kc)
}

/// Buys, asks, waits; checks every sum and gives what was charged.
async fn be_user(kc: &KingCong, user: u32, requests: impl Iterator<Item = u32>) -> Result<i64, Failed> {
    let user = format!("user-{user}");
    let bought = kc.wallets().purchase(&user, "package-1", &format!("order-{user}")).await?.moved.amount;
    let mut jobs = Vec::new();
    let mut worth = 0;
    for number in requests {
        let text = text(number);
        worth += i64::try_from(text.chars().count())?;
        let request = Request::speech(&user, text).service(SERVICE).voice("21m00Tcm4TlvDq8ikWAM");
        jobs.push(kc.submit(request.pieces(TASKS_OF_REQUEST)).await?);
    }
    let mut charged = 0;
    for job in jobs {
        let report: JobReport = job.wait().await?;
        check(report.job.state == JobState::Completed, format!("{:?}", report.job))?;
        check(report.released == Amount::ZERO, format!("{:?}", report.job))?;
        charged += report.job.total.charged().get();
    }
    check(charged == worth, format!("{user} was charged {charged} for {worth} characters"))?;
    let wallet = kc.wallets().get(&user).await?;
    check(
        wallet.balance.get() == bought.get() - charged && wallet.held == Amount::ZERO,
        format!("{wallet:?}"),
    )?;
    Ok(charged)
}

/// A text that no other request has a piece of.
fn text(number: u32) -> String {
    (1..=TASKS_OF_REQUEST.get()).map(|task| format!("Câu {task} của yêu cầu {number}.\n")).collect()
}

/// What the servers saw: every task once, within the limits, split 70 to 30.
fn check_upstreams(upstreams: &Upstreams, tasks: u64) -> Result<BTreeMap<String, u64>, Failed> {
    let violations = upstreams.violations();
    check(
        violations.is_empty(),
        format!("{} limits exceeded, first {:?}", violations.len(), violations.first()),
    )?;
    let mut done = BTreeMap::new();
    for server in upstreams.servers() {
        let counted = server.counters();
        check(counted.accepted == counted.done && counted.repeated_texts == 0, format!("{counted:?}"))?;
        done.insert(server.name().to_owned(), counted.done);
    }
    let share = tasks * 7 / 10;
    check(done.values().sum::<u64>() == tasks, format!("{done:?} of {tasks} tasks"))?;
    check(
        done.get("ai33").is_some_and(|ai33| ai33.abs_diff(share) <= 1),
        format!("{done:?}, {share} on ai33"),
    )?;
    Ok(done)
}
