//! KingCong in one program: two upstream servers, six keys, one wallet, one long text.
//!
//! `cargo run --example quickstart` needs no account and no server: the upstreams are simulated on this machine, and
//! everything is kept in a fresh SQLite file. Read `run` from top to bottom to see how a backend uses the library;
//! `options.rs` reads the command line, `upstreams.rs` starts the simulator, `screen.rs` prints.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a program for a terminal")]

mod options;
mod screen;
mod story;
mod upstreams;

use std::{num::NonZeroU16, path::PathBuf, process::ExitCode, time::Duration};

use anyhow::{Context, Result, anyhow};
use kingcong_core::{
    Error, JobHandle, KingCong, NewKey, Preset, Request, Settings,
    access::{Access, Role},
    engine::JobResult,
    id::SystemEntropy,
    routing::{BaseUrl, ServerChange},
    store::JobFilter,
    switch::Switch,
    vault::StaticMasterKey,
    work::JobState,
};
use kingcong_http::Upstreams;
use kingcong_sqlx::SqlStore;
use tokio::sync::mpsc;

use crate::{options::Options, screen::Screen, upstreams::Bought};

const USER: &str = "user-1";
const SERVICE: &str = "elevenlabs";
/// A voice that both servers know under the same id.
const VOICE: &str = "21m00Tcm4TlvDq8ikWAM";
/// Tasks that a request is cut into.
const TASKS: NonZeroU16 = NonZeroU16::new(10).expect("10 is not zero");

#[tokio::main]
async fn main() -> ExitCode {
    let result = match Options::parse(std::env::args().skip(1)) {
        Ok(Some(options)) => run(options).await,
        Ok(None) => {
            print!("{}", options::HELP);
            Ok(ExitCode::SUCCESS)
        }
        Err(error) => Err(error),
    };
    result.unwrap_or_else(|error| {
        eprintln!("quickstart: {error:#}");
        ExitCode::from(2)
    })
}

async fn run(options: Options) -> Result<ExitCode> {
    let mut screen = Screen::new(options.json);
    let upstreams = upstreams::start(options.faults).await?;

    // Open the library on a store, with the protocols that it is to speak, a configuration for an empty store, and
    // the master key that the upstream keys are encrypted with. From here on it works in the background.
    let connected = SqlStore::connect(&options.database).await;
    let store = connected.map_err(|error| anyhow!("{}: {error}", options.place))?;
    let kc = KingCong::builder()
        .store(store)
        .providers(Upstreams::all()?)
        .preset(Preset::kingcong()?)
        .master_key(StaticMasterKey::from_file_or_create(&beside(&options, "master-key"), &SystemEntropy)?)
        .settings(settings(&upstreams))
        .start()
        .await?;
    screen.line(format!("database {}", options.place));
    add_upstreams(&kc, &upstreams.bought).await?;

    // What an earlier run on this database left unfinished goes on by itself: it is enough to watch.
    let unfinished = JobFilter { state: Some(JobState::Open), limit: 1000, ..JobFilter::default() };
    let unfinished: Vec<JobHandle> = kc.jobs(&unfinished).await?.iter().map(|job| kc.job(job.id)).collect();
    if !unfinished.is_empty() {
        screen.line(format!("resuming {} requests of an earlier run", unfinished.len()));
        watch(&kc, &unfinished, &mut screen, Halfway::Nothing).await?;
        screen.line("those are finished");
    }

    // The user buys credits and asks for speech. The idempotency keys make it harmless to do either again.
    let mut jobs = Vec::new();
    for number in 1..=options.requests {
        let mut request = Request::speech(USER, &*options.text)
            .service(SERVICE)
            .voice(VOICE)
            .idempotency_key(format!("{}-{number}", options.run));
        if (100..=36_000).contains(&options.text.chars().count()) {
            request = request.pieces(TASKS);
        }
        if !kc.estimate(request.clone()).await?.is_sufficient() {
            let order = format!("{}-order-{number}", options.run);
            let bought = kc.wallets().purchase(USER, "package-1", &order).await?;
            screen.line(format!("bought package 1: {} credits", bought.moved.amount.get()));
        }
        jobs.push(kc.submit(request).await?);
    }
    let halfway = if options.faults { Halfway::Ai84IsSwitchedOff } else { Halfway::Nothing };
    watch(&kc, &jobs, &mut screen, halfway).await?;

    // Everything has ended. What came of it?
    let (mut reports, mut audio) = (Vec::new(), None);
    for job in &jobs {
        let report = job.wait().await?;
        if report.job.state == JobState::Completed
            && let JobResult::Speech { audio: bytes, .. } = job.result().await?
        {
            let path = beside(&options, &format!("{}.mp3", job.id()));
            std::fs::write(&path, bytes).with_context(|| path.display().to_string())?;
            audio = Some(path);
        }
        reports.push(report);
    }
    let (wallet, books, violations) =
        (kc.wallets().get(USER).await?, kc.verify().await?, upstreams.violations());
    screen.result(&reports, &wallet, violations, &books, audio.as_deref());
    kc.close().await;
    Ok(if books.is_sound() && violations == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// A file beside the database's.
fn beside(options: &Options, extension: &str) -> PathBuf {
    options.file.with_added_extension(extension)
}

/// Real servers are worked with as usual; simulated ones are quick, and so is everything about them.
fn settings(upstreams: &upstreams::Running) -> Settings {
    if upstreams.any_is_real() {
        return Settings::default();
    }
    Settings {
        // A call whose answer was lost may still run for so long; only then it is tried again.
        call_max: Some(Duration::from_secs(10)),
        // So long after a crash its work is taken over.
        dead_after: Duration::from_secs(2),
        poll_interval: Duration::from_millis(200),
        pulse_interval: Duration::from_millis(200),
        ..Settings::default()
    }
}

/// Tells the library where the servers are and registers their keys; other keys, of earlier runs, are switched off.
async fn add_upstreams(kc: &KingCong, upstreams: &[Bought]) -> Result<()> {
    let mut registered = Vec::new();
    for Bought { server, url, secrets } in upstreams {
        if let Some(url) = url {
            let change = ServerChange { base_url: Some(BaseUrl::new(url)?), ..ServerChange::default() };
            kc.config().update_server(server, change).await?;
        }
        kc.config().set_route(server, SERVICE, Switch::On).await?;
        for secret in secrets {
            let key = match kc.keys().add(NewKey::shared(server, SERVICE, secret)).await {
                Ok(key) => key.id,
                Err(Error::DuplicateKey { key, .. }) => kc.keys().enable(key).await?.id,
                Err(error) => return Err(error).with_context(|| format!("key of {server}")),
            };
            kc.keys().check(key).await?;
            registered.push(key);
        }
    }
    for key in kc.keys().list().await? {
        if !registered.contains(&key.id) {
            kc.keys().disable(key.id).await?;
        }
    }
    Ok(())
}

/// What happens when half of the tasks have ended.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Halfway {
    Nothing,
    /// What waits for it moves to the other server.
    Ai84IsSwitchedOff,
}

/// Shows what happens to these requests until all have ended.
async fn watch(kc: &KingCong, jobs: &[JobHandle], screen: &mut Screen, mut halfway: Halfway) -> Result<()> {
    let (sender, mut happened) = mpsc::unbounded_channel();
    let mut reports = Vec::new();
    for (number, job) in (1..).zip(jobs) {
        let mut events = job.events().await?;
        reports.push(job.status().await?);
        let sender = sender.clone();
        tokio::spawn(async move {
            while let Some(event) = events.next().await {
                if sender.send((number, event)).is_err() {
                    break;
                }
            }
        });
    }
    drop(sender);
    screen.start(&reports);
    while let Some((number, event)) = happened.recv().await {
        screen.event(number, &event);
        if halfway == Halfway::Ai84IsSwitchedOff && screen.are_half_ended() {
            halfway = Halfway::Nothing;
            let admin = kc.acting(Access::new("admin", Role::Operator)?);
            admin.config().set_route("ai84", SERVICE, Switch::Off).await?;
            screen.line("an administrator switches ai84 off");
        }
    }
    Ok(())
}
