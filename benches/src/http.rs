//! `http/overhead`: how much of an HTTP client's throughput is left when tasks go through the engine.
//!
//! The simulated AI33 upstream over real HTTP on this machine, speech of 100 characters, 256 calls at a time: submit,
//! poll, download. Through the engine, the in-memory store and the protocol's adapter, each task with its plan, hold,
//! lease, limits, charge and job; and bare, the same three requests by reqwest with nothing around them. The engine
//! asks for up to a hundred tasks of an account in one poll. Both clients share the machine with the upstream.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use kingcong_core::{KingCong, Request, Settings, routing::BaseUrl};
use kingcong_http::Upstreams as Protocols;
use kingcong_tests::upstreams::{Limits, Server, ServerSettings, Upstreams};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::{
    figure::{Figure, Unit, median},
    stage,
};

const REPEATS: usize = 5;
const TASKS: usize = 8_192;
/// Calls in flight.
const AT_ONCE: usize = 256;
/// Those who ask the engine: there is always work waiting.
const CALLERS: usize = 2 * AT_ONCE;
const KEYS: usize = 4;
const TEXT_BYTES: usize = 100;
const USER: &str = "user";
const POLL_INTERVAL: Duration = Duration::from_millis(20);

pub(crate) fn measure() -> Result<Vec<Figure>> {
    stage::on_all_cores(async {
        let upstreams = Upstreams::empty().await?;
        let settings = ServerSettings { limits: Limits::none(), ..ServerSettings::ai33().with_keys(KEYS) };
        let server = upstreams.add("ai33", settings).await?;
        let mut engine = Vec::new();
        let mut bare = Vec::new();
        for _ in 0..REPEATS {
            engine.push(through_the_engine(&server).await?);
            bare.push(bare_calls(&server).await?);
        }
        let against = "submit, poll and download by bare reqwest";
        Ok(vec![Figure::new("http/overhead", median(engine), Unit::PerSecond, against, median(bare))])
    })
}

/// Tasks per second.
async fn through_the_engine(server: &Server) -> Result<f64> {
    let mut preset = stage::preset(100, 0)?;
    let ai33 = preset.configuration().system.servers.values_mut().next().context("the preset has servers")?;
    ai33.base_url = BaseUrl::new(server.url())?;
    let calls_max = u32::try_from(AT_ONCE)?;
    let settings = Settings { calls_max, poll_interval: POLL_INTERVAL, ..Settings::default() };
    let kc = KingCong::builder()
        .preset(preset)
        .providers(Protocols::all()?)
        .settings(settings)
        .master_key(stage::master_key())
        .start()
        .await?;
    for secret in server.secrets() {
        let key = kingcong_core::NewKey::shared("ai33", stage::SERVICE, secret);
        kc.keys().add(key.limits(stage::limits(1_000_000, 1_000_000))).await?;
    }
    stage::make_rich(&kc, USER).await?;
    let started = Instant::now();
    let mut callers = JoinSet::new();
    for _ in 0..CALLERS {
        let kc = kc.clone();
        callers.spawn(async move {
            let mut done = 0;
            for _ in 0..TASKS / CALLERS {
                let request = Request::speech(USER, stage::text(TEXT_BYTES));
                let job = kc.submit(request.service(stage::SERVICE).voice(stage::VOICE)).await?;
                done += usize::from(job.wait().await?.job.failed_tasks == 0);
            }
            anyhow::Ok(done)
        });
    }
    let mut done = 0;
    while let Some(caller) = callers.join_next().await {
        done += caller??;
    }
    let time = started.elapsed();
    ensure!(done == TASKS, "{done} tasks were done");
    kc.close().await;
    Ok(TASKS as f64 / time.as_secs_f64())
}

/// Tasks per second.
async fn bare_calls(server: &Arc<Server>) -> Result<f64> {
    // The client insists on it, even for plain HTTP; it may be there from the repeat before.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = reqwest::Client::builder().build()?;
    let started = Instant::now();
    let mut callers = JoinSet::new();
    for secret in server.secrets().into_iter().cycle().take(AT_ONCE) {
        let (client, server) = (client.clone(), Arc::clone(server));
        callers.spawn(async move {
            for _ in 0..TASKS / AT_ONCE {
                speak(&client, server.url(), &secret).await?;
            }
            anyhow::Ok(())
        });
    }
    while let Some(caller) = callers.join_next().await {
        caller??;
    }
    Ok(TASKS as f64 / started.elapsed().as_secs_f64())
}

/// Submit, poll, download.
async fn speak(client: &reqwest::Client, url: &str, secret: &str) -> Result<()> {
    let submit = client.post(format!("{url}/v1/text-to-speech/{}", stage::VOICE));
    let body = json!({ "text": stage::text(TEXT_BYTES), "model_id": "eleven_multilingual_v2" });
    let submit = submit.query(&[("output_format", "mp3_44100_128")]).header("xi-api-key", secret).json(&body);
    let answer: Value = submit.send().await?.error_for_status()?.json().await?;
    let task = answer["task_id"].as_str().context("no task id")?;
    let poll = client.get(format!("{url}/v1/task/{task}")).header("xi-api-key", secret);
    let answer: Value = poll.send().await?.error_for_status()?.json().await?;
    let audio = audio_url(&answer).context("no audio yet")?;
    let audio = client.get(audio).send().await?.error_for_status()?.bytes().await?;
    ensure!(!audio.is_empty(), "no audio");
    Ok(())
}

fn audio_url(answer: &Value) -> Option<&str> {
    let task = answer.get("data").unwrap_or(answer);
    task["metadata"]["audio_url"].as_str().or_else(|| task["audio_url"].as_str())
}
