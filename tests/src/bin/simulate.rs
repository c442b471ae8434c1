//! Plays seeds of the deterministic simulation on every core: prints what broke, with the command that plays it again.

use std::{
    error::Error,
    io::{self, Write},
    process::ExitCode,
    sync::atomic::{AtomicU64, Ordering},
    time::Instant,
};

use kingcong_tests::simulation::{Narration, Simulated, simulate};
use serde_json::json;

const HELP: &str = "\
Deterministic simulation of whole systems on virtual time.

  --seeds N   how many seeds to play (2000)
  --start S   the first of them (0)
  --json      one line of JSON in the end instead of words
  --trace     print every event; for one seed
";

struct Options {
    seeds: u64,
    start: u64,
    form: Form,
    narration: Narration,
}

enum Form {
    Words,
    Json,
}

fn main() -> ExitCode {
    match run() {
        Ok(code) => code,
        Err(error) => {
            // Nothing is left to be done when even the error cannot be written.
            drop(writeln!(io::stderr(), "{error}\n\n{HELP}"));
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<ExitCode, Box<dyn Error>> {
    let options = options(std::env::args().skip(1))?;
    let started = Instant::now();
    let results = play(&options)?;
    let failed: Vec<&Simulated> = results.iter().filter(|result| !result.failures.is_empty()).collect();
    let mut out = io::stdout();
    for result in &failed {
        writeln!(out, "\nseed {} failed:", result.seed)?;
        for failure in &result.failures {
            writeln!(out, "  {failure}")?;
        }
        writeln!(out, "play it again: cargo xtask simulate --seeds 1 --start {} --trace", result.seed)?;
    }
    let events: u64 = results.iter().map(|result| result.events).sum();
    let virtual_s: u64 = results.iter().map(|result| result.virtual_ms / 1000).sum();
    let took_ms = u64::try_from(started.elapsed().as_millis())?;
    match options.form {
        Form::Words => writeln!(
            out,
            "{} seeds from {}: {} failed; {events} events in {virtual_s} virtual seconds, played in {took_ms} ms",
            options.seeds,
            options.start,
            failed.len(),
        )?,
        Form::Json => {
            let seeds: Vec<u64> = failed.iter().map(|result| result.seed).collect();
            let line = json!({
                "seeds": options.seeds, "start": options.start, "failed": seeds, "events": events,
                "virtual_s": virtual_s, "took_ms": took_ms,
            });
            writeln!(out, "{line}")?;
        }
    }
    Ok(if failed.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Plays the seeds, a thread per core; the results in the order of the seeds.
fn play(options: &Options) -> Result<Vec<Simulated>, Box<dyn Error>> {
    let threads = std::thread::available_parallelism()?.get();
    let next = AtomicU64::new(options.start);
    let end = options.start + options.seeds;
    let play_some = || {
        let mut results = Vec::new();
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= end {
                return results;
            }
            results.push(simulate(seed, options.narration));
        }
    };
    let mut results = std::thread::scope(|scope| {
        let players: Vec<_> = (0..threads).map(|_| scope.spawn(play_some)).collect();
        let results = players.into_iter().map(|player| player.join().map_err(|_| "a player panicked"));
        results.collect::<Result<Vec<_>, _>>()
    })?
    .concat();
    results.sort_by_key(|result| result.seed);
    Ok(results)
}

fn options(mut arguments: impl Iterator<Item = String>) -> Result<Options, Box<dyn Error>> {
    let mut options = Options { seeds: 2000, start: 0, form: Form::Words, narration: Narration::Hashed };
    while let Some(argument) = arguments.next() {
        let mut number = || -> Result<u64, Box<dyn Error>> {
            Ok(arguments.next().ok_or(format!("{argument} needs a number"))?.parse()?)
        };
        match argument.as_str() {
            "--seeds" => options.seeds = number()?,
            "--start" => options.start = number()?,
            "--json" => options.form = Form::Json,
            "--trace" => options.narration = Narration::Printed,
            other => return Err(format!("unknown argument {other}").into()),
        }
    }
    Ok(options)
}
