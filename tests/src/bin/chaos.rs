//! Chaos among real processes on a database: prints how far it is and what came of it. See `kingcong_tests::chaos`.

use std::{
    io::{self, Write as _},
    path::PathBuf,
    process::ExitCode,
};

use anyhow::{Context as _, Result, bail, ensure};
use kingcong_tests::chaos::{Chaos, Target};

const HELP: &str = "\
Kills workers and database servers, cuts connections, stops processes, sets clocks, troubles upstreams; and checks that
nothing was lost, done twice or charged wrongly.

  --database D   sqlite, postgres or mariadb, each of its own; or the URL of an empty database
  --kills N      kills of workers and, where it is its own, of the server: 1 to 100000 (100)
  --seed S       what goes wrong, and when (1)
";
/// Most kills.
const KILLS_MAX: u32 = 100_000;

#[tokio::main]
async fn main() -> ExitCode {
    let chaos = match options(std::env::args().skip(1)) {
        Ok(Some(chaos)) => chaos,
        Ok(None) => {
            print(HELP);
            return ExitCode::SUCCESS;
        }
        Err(error) => {
            // Nothing is left to be done when even the error cannot be written.
            drop(writeln!(io::stderr(), "chaos: {error:#}"));
            return ExitCode::from(2);
        }
    };
    let started = match chaos.start().await {
        Ok(started) => started,
        Err(error) => {
            drop(writeln!(io::stderr(), "chaos: {error}"));
            return ExitCode::from(2);
        }
    };
    match started.run(|line| print(&format!("{line}\n"))).await {
        Ok(summary) => {
            print(&format!("\n{summary}"));
            if summary.broken.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
        Err(error) => {
            drop(writeln!(io::stderr(), "chaos: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

/// A reader that went away does not end a run.
fn print(text: &str) {
    let _ = write!(io::stdout(), "{text}");
}

/// Reads the command line; `None` when help is asked for.
fn options(mut arguments: impl Iterator<Item = String>) -> Result<Option<Chaos>> {
    let (mut database, mut kills, mut seed) = (None, 100, 1);
    while let Some(option) = arguments.next() {
        let mut value = || arguments.next().with_context(|| format!("{option} needs a value: see --help"));
        match option.as_str() {
            "--help" | "-h" => return Ok(None),
            "--database" => database = Some(value()?.parse::<Target>().context("--database")?),
            "--kills" => {
                let value = value()?;
                let of = || format!("--kills {value:?}: give 1 to {KILLS_MAX}");
                kills = value.parse().with_context(of)?;
                ensure!((1..=KILLS_MAX).contains(&kills), of());
            }
            "--seed" => {
                let value = value()?;
                seed = value.parse().with_context(|| format!("--seed {value:?}: give a number"))?;
            }
            _ => bail!("there is no option {option:?}: see --help"),
        }
    }
    let database = database.context("--database is missing: see --help")?;
    Ok(Some(Chaos { database, kills, seed, worker: worker()? }))
}

/// The program of a worker process, which is built beside this one.
fn worker() -> Result<PathBuf> {
    let own = std::env::current_exe()?;
    Ok(own.with_file_name(format!("worker{}", std::env::consts::EXE_SUFFIX)))
}
