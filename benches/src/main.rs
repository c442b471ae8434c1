//! Measurements: `cargo xtask bench [--only NAME] [--json]`.
//!
//! Each figure is printed beside what it is compared with, a peer or the physical floor, measured in the same run,
//! and the ratio of the two. Nothing is asserted: whether a figure is good is for the reader to say, and
//! `docs/performance.md` says what is aimed at. Each benchmark runs in a process of its own, so that none leaves
//! threads or memory behind for the next.
//!
//! `figure` is what is printed, `stage` what several benchmarks set up alike, `sql` where databases come from,
//! `process` what a process does that a benchmark starts; the rest are the benchmarks.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command line tool talks to its terminal")]
#![expect(clippy::float_arithmetic, reason = "measurements are no money")]

mod decide;
mod fair;
mod figure;
mod fill;
mod growth;
mod hostile;
mod http;
mod idle;
mod keys;
mod ledger;
mod memory;
mod overspend;
mod polls;
mod process;
mod processes;
mod range;
mod split;
mod sql;
mod stage;
mod task;
mod verify;
mod wake;

use std::{
    env,
    process::{Command, ExitCode},
};

use anyhow::{Result, bail};

use figure::{Figure, Output};
use sql::Place;

const HELP: &str = "\
Measurements, each figure beside its peer or physical floor.

Usage: cargo xtask bench [--only NAME] [--json]

  --only NAME   only benchmarks whose name starts so, such as decide or decide/keys=10
  --json        one JSON object a line: times in ns, memory in bytes
";

/// A benchmark: its name, and what measures its figures.
struct Benchmark {
    name: &'static str,
    run: fn() -> Result<Vec<Figure>>,
}

const BENCHMARKS: &[Benchmark] = &[
    Benchmark { name: "decide/keys=10", run: || decide::measure(10) },
    Benchmark { name: "decide/keys=1000", run: || decide::measure(1_000) },
    Benchmark { name: "decide/keys=100000", run: || decide::measure(100_000) },
    Benchmark { name: "fill/makespan", run: fill::measure },
    Benchmark { name: "fair/wait", run: fair::measure },
    Benchmark { name: "split/error", run: split::measure },
    Benchmark { name: "polls/ai33", run: polls::measure },
    Benchmark { name: "overspend/1000", run: overspend::measure },
    Benchmark { name: "ledger/sqlite", run: || ledger::measure(&Place::Files) },
    Benchmark { name: "ledger/postgres", run: || ledger::measure(&Place::postgres()?) },
    Benchmark { name: "ledger/mariadb", run: || ledger::measure(&Place::mariadb()?) },
    Benchmark { name: "verify/rows/sqlite", run: || verify::measure(&Place::Files) },
    Benchmark { name: "verify/rows/postgres", run: || verify::measure(&Place::postgres()?) },
    Benchmark { name: "verify/rows/mariadb", run: || verify::measure(&Place::mariadb()?) },
    Benchmark { name: "verify/rows/sqlite/attempts=1000000", run: verify::million },
    Benchmark { name: "task/sqlite", run: || task::measure(&Place::Files) },
    Benchmark { name: "task/postgres", run: || task::measure(&Place::postgres()?) },
    Benchmark { name: "task/mariadb", run: || task::measure(&Place::mariadb()?) },
    Benchmark { name: "task/postgres/processes=4", run: processes::lives },
    Benchmark { name: "fill/processes=4", run: processes::fill },
    Benchmark { name: "wake/postgres", run: || wake::measure(&Place::postgres()?) },
    Benchmark { name: "wake/mariadb", run: || wake::measure(&Place::mariadb()?) },
    Benchmark { name: "idle/statements", run: idle::measure },
    Benchmark { name: "keys/tenants=1000/sqlite", run: || keys::measure(Place::Files) },
    Benchmark { name: "keys/tenants=1000/postgres", run: || keys::measure(Place::postgres()?) },
    Benchmark { name: "keys/tenants=1000/mariadb", run: || keys::measure(Place::mariadb()?) },
    Benchmark { name: "growth", run: growth::measure },
    Benchmark { name: "http/overhead", run: http::measure },
    Benchmark { name: "text/hostile", run: hostile::measure },
    Benchmark { name: "memory/queued", run: memory::measure },
    Benchmark { name: "result/range", run: range::measure },
];

fn main() -> ExitCode {
    let mut arguments = env::args().skip(1).peekable();
    let done = match arguments.next_if(|argument| argument == process::ARGUMENT) {
        Some(_) => process::run(&arguments.next().unwrap_or_default()),
        None => run(arguments),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(mut arguments: impl Iterator<Item = String>) -> Result<()> {
    let mut only = String::new();
    let mut output = Output::Table;
    while let Some(argument) = arguments.next() {
        match (argument.as_str(), &mut arguments) {
            ("--json", _) => output = Output::Json,
            ("--only", rest) => match rest.next() {
                Some(name) => only = name,
                None => bail!("--only needs a name; one of {}", names()),
            },
            ("--help" | "-h", _) => {
                print!("{HELP}\nBenchmarks: {}\n", names());
                return Ok(());
            }
            (unknown, _) => bail!("no option {unknown:?}; try --help"),
        }
    }
    if let Some(benchmark) = BENCHMARKS.iter().find(|benchmark| benchmark.name == only) {
        for figure in (benchmark.run)()? {
            println!("{}", figure.line(output));
        }
        return Ok(());
    }
    let mut chosen = BENCHMARKS.iter().filter(|benchmark| benchmark.name.starts_with(&only)).peekable();
    if chosen.peek().is_none() {
        bail!("no benchmark {only:?}; there are {}", names());
    }
    chosen.try_for_each(|benchmark| run_alone(benchmark.name, output))
}

fn names() -> String {
    BENCHMARKS.iter().map(|benchmark| benchmark.name).collect::<Vec<_>>().join(", ")
}

/// Runs one benchmark in a process of its own, which prints its figures.
fn run_alone(name: &str, output: Output) -> Result<()> {
    let mut alone = Command::new(env::current_exe()?);
    alone.args(["--only", name]);
    match output {
        Output::Json => {
            alone.arg("--json");
        }
        Output::Table => {}
    }
    if !alone.status()?.success() {
        bail!("{name} failed");
    }
    Ok(())
}
