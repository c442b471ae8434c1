//! Processes of the library that a benchmark starts: this program again, with its orders as arguments.
//!
//! Each opens the library on the benchmark's database with upstreams inside it, says that it is ready, and submits its
//! jobs when it is told to go. It works until its input ends, which it does with the benchmark, however that ends.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    process::{Child, ChildStdin, Command, Stdio},
    sync::mpsc,
    time::{Duration, SystemTime},
};

use anyhow::{Context, Result, ensure};
use async_trait::async_trait;
use kingcong_core::{
    KingCong, Settings,
    failure::Failure,
    keys::Rules,
    provider::{Call, Provider, Sent},
};
use kingcong_sqlx::SqlStore;
use serde::{Deserialize, Serialize};

use crate::{
    stage::{self, InProcess, Upstream},
    task,
};

/// The first argument of such a process; the second is its orders.
pub(crate) const ARGUMENT: &str = "process";
const READY: &str = "ready";

/// What a process is told.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Orders {
    /// The database.
    pub(crate) url: String,
    /// How many jobs of one task it submits when it is told to go.
    pub(crate) jobs: usize,
    /// How long its upstreams work on a call.
    pub(crate) call: Duration,
    /// How it counts windows.
    pub(crate) window: Duration,
    pub(crate) guard: Duration,
    /// Whether it tells of its calls.
    pub(crate) calls: Calls,
}

/// Whether a process tells of its calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Calls {
    Silent,
    Told,
}

/// What a process tells of a call.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Told {
    /// The key's secret.
    pub(crate) key: String,
    /// When the call came to the upstream, and when it was answered, since 1970.
    pub(crate) came: Duration,
    pub(crate) went: Duration,
}

impl Orders {
    /// One that works as it does in life.
    pub(crate) fn new(url: &str) -> Self {
        let Rules { window, guard, .. } = Rules::default();
        Self { url: url.to_owned(), jobs: 0, call: Duration::ZERO, window, guard, calls: Calls::Silent }
    }
}

/// Time since 1970, the same in all processes.
pub(crate) fn now() -> Duration {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default()
}

/// A process that runs.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    input: ChildStdin,
    calls: mpsc::Receiver<Told>,
}

impl Process {
    /// Starts processes, and waits until they are ready.
    pub(crate) fn start(count: usize, orders: &Orders) -> Result<Vec<Self>> {
        let mut processes = Vec::new();
        let (ready, is_ready) = mpsc::channel();
        for _ in 0..count {
            let mut child = Command::new(std::env::current_exe()?)
                .args([ARGUMENT, &serde_json::to_string(orders)?])
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .spawn()?;
            let input = child.stdin.take().context("a process has an input")?;
            let output = child.stdout.take().context("a process has an output")?;
            let (call, calls) = mpsc::channel();
            let ready = ready.clone();
            std::thread::spawn(move || {
                for line in BufReader::new(output).lines().map_while(Result::ok) {
                    match serde_json::from_str(&line) {
                        Ok(told) => drop(call.send(told)),
                        Err(_) => drop(ready.send(line)),
                    }
                }
            });
            processes.push(Self { child, input, calls });
        }
        drop(ready);
        for _ in 0..count {
            let said = is_ready.recv().context("a process ended before it was ready")?;
            ensure!(said == READY, "a process says {said:?}");
        }
        Ok(processes)
    }

    /// Lets it submit its jobs.
    pub(crate) fn go(&mut self) -> Result<()> {
        Ok(self.input.write_all(b"go\n")?)
    }

    /// The next call that it tells of.
    pub(crate) fn next_call(&self) -> Result<Told> {
        self.calls.recv().context("a process ended")
    }

    /// Ends it; the calls that it told of and nobody asked for.
    pub(crate) fn end(self) -> Result<Vec<Told>> {
        let Self { mut child, input, calls } = self;
        drop(input);
        let told = calls.iter().collect();
        ensure!(child.wait()?.success(), "a process failed");
        Ok(told)
    }
}

/// What such a process does.
pub(crate) fn run(orders: &str) -> Result<()> {
    let orders: Orders = serde_json::from_str(orders)?;
    stage::on_all_cores(async {
        let kc = open(&orders).await?;
        println!("{READY}");
        if input().await? {
            task::submit(&kc, orders.jobs).await?;
        }
        while input().await? {}
        Ok(())
    })
}

/// Waits for a line of the input; there is none when the benchmark has ended.
async fn input() -> Result<bool> {
    let read = || std::io::stdin().lines().next().transpose();
    Ok(tokio::task::spawn_blocking(read).await??.is_some())
}

async fn open(orders: &Orders) -> Result<KingCong> {
    let mut builder = KingCong::builder()
        .store(SqlStore::connect(&orders.url).await?)
        .preset(stage::preset(70, 30)?)
        .master_key(stage::master_key())
        .settings(Settings { window: Some(orders.window), guard: Some(orders.guard), ..Settings::default() });
    for protocol in ["ai33", "ai84"] {
        let upstream = Upstream::new(protocol, stage::clock(), (orders.call, orders.call), task::limits())?;
        builder = match orders.calls {
            Calls::Silent => builder.provider(InProcess(upstream)),
            Calls::Told => builder.provider(Telling(InProcess(upstream))),
        };
    }
    Ok(builder.start().await?)
}

/// A provider that tells of its calls.
#[derive(Debug)]
struct Telling(InProcess);

#[async_trait]
impl Provider for Telling {
    fn protocol(&self) -> &kingcong_core::id::ProtocolId {
        self.0.protocol()
    }

    async fn send(&self, call: &Call) -> Result<Sent, Failure> {
        let came = now();
        let sent = self.0.send(call).await;
        let told = Told { key: call.access.secret.expose().to_owned(), came, went: now() };
        println!("{}", serde_json::to_string(&told).expect("it is plain data"));
        sent
    }
}

/// How often calls exceeded what the keys allow, by what was told of them.
pub(crate) fn violations(calls: &[Told], in_flight_max: usize, starts_max: usize, window: Duration) -> usize {
    let mut keys = std::collections::BTreeMap::<&str, Vec<&Told>>::new();
    for call in calls {
        keys.entry(&call.key).or_default().push(call);
    }
    let mut violations = 0;
    for calls in keys.values_mut() {
        calls.sort_by_key(|call| call.came);
        for (number, call) in calls.iter().enumerate() {
            let before = &calls[..number];
            let starts = before.iter().filter(|other| call.came - other.came < window).count();
            let in_flight = before.iter().filter(|other| other.went > call.came).count();
            violations += usize::from(starts >= starts_max || in_flight >= in_flight_max);
        }
    }
    violations
}
