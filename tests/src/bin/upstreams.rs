//! Starts the fake upstreams alone: prints one JSON line with their URLs and keys, serves until Ctrl-C, then prints one
//! JSON line with what each of them counted. Meanwhile it does what its input says, a line for each order.

use std::{
    error::Error,
    io::{self, Write},
    process::ExitCode,
    sync::Arc,
    thread,
    time::Duration,
};

use kingcong_tests::upstreams::{Faults, Latency, Pace, Server, ServerSettings, Settings, Upstreams};
use serde_json::{Map, Value, json};

const HELP: &str = "\
Fake AI33, AI84, ElevenLabs and MiniMax servers on 127.0.0.1.

  --ai33-port N --ai84-port N --elevenlabs-port N --minimax-port N
                     fixed ports; any free one by default
  --keys N           keys per server, each of its own account (3)
  --window-ms N      length of the window that starts are counted in (60000)
  --latency-ms N     how long a task takes, plus up to half of it (2000)
  --audio-ms N       longest audio (30000)
  --faults busy-day  what goes wrong; nothing by default
  --seed N           seed of faults and jitter (1)

Orders on the input, each answered by a JSON line:

  advance MS         sets the servers' clock forward
  kill SERVER KEY    the server no longer knows the key
  revive SERVER KEY  it knows it again
  report             what each server counted
";

#[tokio::main]
async fn main() -> ExitCode {
    match run(std::env::args().skip(1)).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let mut stderr = io::stderr();
            // Nothing is left to be done when even the error cannot be written.
            drop(writeln!(stderr, "{error}\n\n{HELP}"));
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: impl Iterator<Item = String>) -> Result<(), Box<dyn Error>> {
    let mut out = io::stdout();
    let Some(settings) = settings(arguments)? else {
        write!(out, "{HELP}")?;
        return Ok(());
    };
    let upstreams = Upstreams::start_with(settings).await?;
    writeln!(
        out,
        "{}",
        described(&upstreams, |server| json!({ "url": server.url(), "keys": server.secrets() }))
    )?;
    out.flush()?;
    let upstreams = Arc::new(upstreams);
    let ordered = Arc::clone(&upstreams);
    // A blocking read cannot be given up: the thread ends with the process.
    thread::spawn(move || listen(&ordered));
    tokio::signal::ctrl_c().await?;
    writeln!(out, "{}", counted(&upstreams))?;
    Ok(())
}

/// Does what the input says, until it ends.
fn listen(upstreams: &Upstreams) {
    for order in io::stdin().lines().map_while(Result::ok) {
        let answer = obey(upstreams, &order).unwrap_or_else(|error| json!({ "error": error }));
        // Who is not there any more does not hear it.
        drop(writeln!(io::stdout(), "{answer}"));
    }
}

fn obey(upstreams: &Upstreams, order: &str) -> Result<Value, String> {
    let server = |name| upstreams.server(name).ok_or_else(|| format!("there is no server {name}"));
    match order.split_whitespace().collect::<Vec<_>>().as_slice() {
        ["advance", ms] => {
            let ms = ms.parse().map_err(|error| format!("{order}: {error}"))?;
            upstreams.advance(Duration::from_millis(ms));
        }
        ["kill", name, key] => server(name)?.kill_key(key),
        ["revive", name, key] => server(name)?.revive_key(key),
        ["report"] => return Ok(counted(upstreams)),
        _ => return Err(format!("unknown order {order}: --help lists them")),
    }
    Ok(json!({}))
}

fn counted(upstreams: &Upstreams) -> Value {
    described(upstreams, |server| {
        let mut counted = json!(server.counters());
        // With their names and instants, so that a failed test tells which limit it was.
        counted["violations"] =
            server.violations().iter().map(|violation| format!("{violation:?}")).collect();
        counted
    })
}

fn described(upstreams: &Upstreams, describe: impl Fn(&Server) -> Value) -> Value {
    let servers = upstreams.servers();
    let described: Map<String, Value> =
        servers.iter().map(|server| (server.name().to_owned(), describe(server))).collect();
    Value::Object(described)
}

/// Reads the command line; `None` when help is asked for.
fn settings(mut arguments: impl Iterator<Item = String>) -> Result<Option<Settings>, Box<dyn Error>> {
    let mut settings = Settings::default();
    let (mut faults, mut seed, mut latency) = (None, 1, Duration::from_secs(2));
    while let Some(option) = arguments.next() {
        if matches!(option.as_str(), "--help" | "-h") {
            return Ok(None);
        }
        let value = arguments.next().ok_or_else(|| format!("{option} needs a value"))?;
        let number = || value.parse::<u64>().map_err(|error| format!("{option} {value}: {error}"));
        match option.as_str() {
            "--ai33-port" => settings.ai33.port = value.parse()?,
            "--ai84-port" => settings.ai84.port = value.parse()?,
            "--elevenlabs-port" => settings.elevenlabs.port = value.parse()?,
            "--minimax-port" => settings.minimax.port = value.parse()?,
            "--keys" => {
                let count = usize::try_from(number()?)?;
                each(&mut settings, |server| *server = server.clone().with_keys(count));
            }
            "--window-ms" => {
                let window = Duration::from_millis(number()?);
                each(&mut settings, |server| server.window = window);
            }
            "--audio-ms" => {
                let ms_max = number()?;
                each(&mut settings, |server| server.audio.ms_max = ms_max);
            }
            "--latency-ms" => latency = Duration::from_millis(number()?),
            "--seed" => seed = number()?,
            "--faults" if value == "busy-day" => faults = Some(Faults::busy_day),
            _ => return Err(format!("unknown option {option} {value}").into()),
        }
    }
    let pace = Pace::Timed(Latency { queue: latency / 4, processing: latency * 3 / 4, jitter: latency / 2 });
    each(&mut settings, |server| {
        server.pace = pace;
        server.seed = seed;
        server.faults = faults.map_or_else(Faults::none, |faults| faults(seed));
    });
    Ok(Some(settings))
}

fn each(settings: &mut Settings, mut change: impl FnMut(&mut ServerSettings)) {
    change(&mut settings.ai33);
    change(&mut settings.ai84);
    change(&mut settings.elevenlabs);
    change(&mut settings.minimax);
}
