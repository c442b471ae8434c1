//! `http/overhead`: how much of an HTTP client's throughput is left when tasks go through the engine.
//!
//! The simulated AI33 upstream over real HTTP on this machine, speech of 100 characters, 64 calls at a time: submit,
//! poll, download. Through the engine, the in-memory store and the protocol's adapter, each task with its plan, hold,
//! lease, limits, charge and job; and bare, the same three requests by reqwest with nothing around them. Both clients
//! share the machine with the upstream.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use futures_util::{StreamExt, TryStreamExt, stream};
use kingcong_core::{KingCong, Request, Settings, routing::BaseUrl};
use kingcong_http::Upstreams as Protocols;
use kingcong_tests::upstreams::{Limits, Server, ServerSettings, Upstreams};
use serde_json::{Value, json};

use crate::{
    figure::{Figure, Unit, median},
    stage,
};

const REPEATS: usize = 5;
const TASKS: usize = 2_000;
const AT_ONCE: u32 = 64;
const KEYS: usize = 64;
const TEXT_BYTES: usize = 100;
const USER: &str = "user";
const POLL_INTERVAL: Duration = Duration::from_millis(1);

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
    let settings = Settings { calls_max: AT_ONCE, poll_interval: POLL_INTERVAL, ..Settings::default() };
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
    let request =
        || Request::speech(USER, stage::text(TEXT_BYTES)).service(stage::SERVICE).voice(stage::VOICE);
    let started = Instant::now();
    let done = stream::iter(0..TASKS)
        .map(|_| async { kc.submit(request()).await?.wait().await })
        .buffer_unordered(2 * AT_ONCE as usize)
        .try_fold(0, |done, report| async move { Ok(done + usize::from(report.job.failed_tasks == 0)) })
        .await?;
    let time = started.elapsed();
    ensure!(done == TASKS, "{done} tasks were done");
    kc.close().await;
    Ok(TASKS as f64 / time.as_secs_f64())
}

/// Tasks per second.
async fn bare_calls(server: &Arc<Server>) -> Result<f64> {
    let client = reqwest::Client::builder().build()?;
    let secrets = server.secrets();
    let text = stage::text(TEXT_BYTES);
    let speak = |secret: &str| {
        let (client, secret, text) = (client.clone(), secret.to_owned(), text.clone());
        let submit = format!("{}/v1/text-to-speech/{}", server.url(), stage::VOICE);
        let poll = format!("{}/v1/task", server.url());
        async move {
            let body = json!({ "text": text, "model_id": "eleven_multilingual_v2" });
            let submit = client.post(submit).query(&[("output_format", "mp3_44100_128")]);
            let answer: Value = submit
                .header("xi-api-key", &secret)
                .json(&body)
                .send()
                .await?
                .error_for_status()?
                .json()
                .await?;
            let task = answer["task_id"].as_str().context("no task id")?;
            let poll = client.get(format!("{poll}/{task}")).header("xi-api-key", &secret);
            let answer: Value = poll.send().await?.error_for_status()?.json().await?;
            let url = audio_url(&answer).context("no audio yet")?;
            let audio = client.get(url).send().await?.error_for_status()?.bytes().await?;
            ensure!(!audio.is_empty(), "no audio");
            Ok(())
        }
    };
    let started = Instant::now();
    stream::iter(secrets.iter().cycle().take(TASKS))
        .map(|secret| speak(secret))
        .buffer_unordered(AT_ONCE as usize)
        .try_for_each(|()| std::future::ready(Ok(())))
        .await?;
    Ok(TASKS as f64 / started.elapsed().as_secs_f64())
}

fn audio_url(answer: &Value) -> Option<&str> {
    let task = answer.get("data").unwrap_or(answer);
    task["metadata"]["audio_url"].as_str().or_else(|| task["audio_url"].as_str())
}
