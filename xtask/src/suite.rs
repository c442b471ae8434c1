//! `cargo xtask test`: the steps that a change must pass. Each is a process of its own (`cargo xtask step NAME`) that
//! begins when what it needs is done and a core is free; what it printed comes whole when it ends. The first that
//! fails ends it all. At the end come every step and its time, what was counted, the slowest tests, and in the last
//! line the number of tests.

use std::{
    env,
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Command, ExitCode, Stdio},
    sync::mpsc,
    thread,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use anyhow::{Context, Result, bail, ensure};

use crate::{
    LOAD, SIMULATE, app, faces, gates, node,
    project::{self, Project, Tests},
    python, rust, tidy,
};

/// The version of cargo-deny that is installed where there is none.
const CARGO_DENY_VERSION: &str = "0.20.2";
/// Seeds that every change must pass; more with `cargo xtask simulate --seeds N`.
const SEEDS: u64 = 2_000;
/// How many of the slowest tests are named.
const SLOWEST: usize = 10;
/// What a line begins with that says how much was played, for the end.
const COUNTED: &str = "counted: ";

/// What a step does to the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Load {
    /// It keeps a core busy.
    Works,
    /// It mostly waits, for what it killed to come back: it runs beside the others.
    Waits,
}

struct Step {
    name: &'static str,
    /// The steps that it needs.
    after: &'static [&'static str],
    load: Load,
    run: fn(&Project) -> Result<()>,
}

impl Step {
    const fn new(
        name: &'static str,
        after: &'static [&'static str],
        run: fn(&Project) -> Result<()>,
    ) -> Self {
        Self { name, after, load: Load::Works, run }
    }
}

/// In the order in which they are begun where several could be: what others need and what takes long comes first. Steps
/// in which cargo compiles come one after the other, since it does one thing at a time in a build folder.
const STEPS: &[Step] = &[
    Step::new("format", &[], |project| project::run(project.cargo(&["fmt", "--all", "--check"]))),
    Step::new("tidy", &[], tidy::check),
    Step::new("domain", &[], gates::domain),
    Step::new("layers", &[], gates::layers),
    Step::new("build", &["format", "tidy", "domain", "layers"], rust::build),
    Step::new("faces", &["build"], faces::check),
    Step::new("dependencies", &["format", "tidy", "domain", "layers"], dependencies),
    Step { name: "chaos", after: &["build"], load: Load::Waits, run: rust::test_chaos },
    Step::new("npm", &["build"], |project| node::package(project).map(drop)),
    Step::new("wheel", &["build"], python::package),
    Step::new("app", &["npm", "wheel"], |project| app::test(project, &node::packed(project)?)),
    Step::new("clippy", &["wheel"], clippy),
    Step::new("documentation", &["clippy"], documentation),
    Step::new("doctests", &["documentation"], doctests),
    Step::new("tests", &["build"], rust::test),
    Step::new("databases", &["build"], rust::test_databases),
    Step::new("python", &["wheel"], python::test),
    Step::new("backend", &["wheel"], python::test_backend),
    Step::new("node", &["npm"], |project| node::test(project, &node::packed(project)?)),
    Step::new("simulation", &["doctests"], simulation),
    Step::new("load", &["simulation"], |project| project::run(project.cargo(LOAD))),
];

/// How far a step is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Progress {
    Waiting,
    Running,
    Passed(Duration),
    Failed(Duration),
}

/// The step that is begun next, if any may be: everything it needs has passed, nothing has failed, and a lane is free.
fn next(steps: &[Step], progress: &[Progress], lanes: usize) -> Option<usize> {
    if progress.iter().any(|step| matches!(step, Progress::Failed(_))) {
        return None;
    }
    let passed = |name: &str| {
        let place = steps.iter().position(|step| step.name == name);
        place.is_some_and(|place| matches!(progress[place], Progress::Passed(_)))
    };
    let busy = steps
        .iter()
        .zip(progress)
        .filter(|(step, progress)| step.load == Load::Works && **progress == Progress::Running)
        .count();
    (0..steps.len()).find(|&place| {
        let step = &steps[place];
        progress[place] == Progress::Waiting
            && step.after.iter().all(|name| passed(name))
            && (step.load == Load::Waits || busy < lanes)
    })
}

/// Runs the steps and prints what came of them.
pub(crate) fn run(project: &Project) -> Result<ExitCode> {
    // Before anything is built: a build may replace the program that runs.
    let own = env::current_exe().context("this program's own file")?;
    let lanes = thread::available_parallelism()?.get();
    let (sender, ended) = mpsc::channel();
    let mut progress = vec![Progress::Waiting; STEPS.len()];
    let mut reports: Vec<String> = Vec::new();
    let mut failure = None;
    loop {
        while let Some(place) = next(STEPS, &progress, lanes) {
            progress[place] = Progress::Running;
            println!("=== {} begins", STEPS[place].name);
            let (sender, command) = (sender.clone(), command_of(project, &own, STEPS[place].name)?);
            thread::spawn(move || {
                let started = Instant::now();
                let ended = finish(command);
                // Nobody listens any more when an error ended the run.
                drop(sender.send((place, started.elapsed(), ended)));
            });
        }
        if !progress.contains(&Progress::Running) {
            break;
        }
        let (place, took, ended) = ended.recv()?;
        let name = STEPS[place].name;
        let printed = project::read_text(&log_of(project, name))?;
        let ended = ended.and_then(|()| {
            let ignored = Tests::in_report(&printed).ignored;
            ensure!(ignored == 0, "{ignored} tests were ignored: let them run, or take them out");
            Ok(())
        });
        let (word, now) = match ended {
            Ok(()) => ("passed", Progress::Passed(took)),
            Err(_) => ("FAILED", Progress::Failed(took)),
        };
        progress[place] = now;
        println!("\n=== {name} {word} after {:.1} s\n{printed}", took.as_secs_f32());
        reports.push(printed);
        failure = failure.or(ended.err().map(|error| format!("{name} failed: {error:#}")));
    }
    Ok(conclude(&progress, &reports.concat(), failure))
}

/// Prints the summary; the number of tests is the last line.
fn conclude(progress: &[Progress], printed: &str, failure: Option<String>) -> ExitCode {
    println!("\n=== summary");
    for (step, progress) in STEPS.iter().zip(progress) {
        let (outcome, took) = match progress {
            Progress::Passed(took) => ("passed", *took),
            Progress::Failed(took) => ("FAILED", *took),
            Progress::Waiting | Progress::Running => ("not run", Duration::ZERO),
        };
        println!("{:<14} {outcome:<8} {:>8.1} s", step.name, took.as_secs_f32());
    }
    println!();
    for counted in printed.lines().filter_map(|line| line.strip_prefix(COUNTED)) {
        println!("{counted}");
    }
    println!("\nthe slowest tests:");
    for (took, name) in project::slowest(printed, SLOWEST) {
        println!("{:>8.1} s  {name}", took.as_secs_f32());
    }
    let mut tests = Tests::in_report(printed);
    if let Some(failure) = &failure {
        println!("\n{failure}");
        // A step without tests of its own that failed counts as one failed.
        tests.failed = tests.failed.max(1);
    }
    println!("\n{} passed, {} failed", tests.passed, tests.failed);
    if failure.is_none() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Runs one step here, when what it needs was made before.
pub(crate) fn step(project: Project, name: &str) -> Result<ExitCode> {
    let Some(step) = STEPS.iter().find(|step| step.name == name) else {
        let names: Vec<&str> = STEPS.iter().map(|step| step.name).collect();
        bail!("no step `{name}`; there are {}", names.join(", "));
    };
    (step.run)(&project.built_before())?;
    Ok(ExitCode::SUCCESS)
}

fn log_of(project: &Project, name: &str) -> PathBuf {
    project.target().join("test").join(format!("{name}.log"))
}

/// A step as a process that prints into its log.
fn command_of(project: &Project, own: &Path, name: &str) -> Result<Command> {
    let log = log_of(project, name);
    fs::create_dir_all(log.parent().context("a log has a folder")?)?;
    let file = File::create(&log).with_context(|| format!("cannot write {}", log.display()))?;
    let mut command = Command::new(own);
    command.args(["step", name]).stdin(Stdio::null()).stdout(file.try_clone()?).stderr(file);
    Ok(command)
}

fn finish(mut command: Command) -> Result<()> {
    let status = command.status().context("cannot start this program again")?;
    ensure!(status.success(), "see what it printed above");
    Ok(())
}

/// Other worlds in each run: where they begin is told, and a seed that fails with how it is played again.
fn simulation(project: &Project) -> Result<()> {
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH)?;
    let start = since_1970.as_secs() * SEEDS;
    println!("{COUNTED}{SEEDS} seeds of the simulation, from {start}");
    let [seeds, start] = [SEEDS, start].map(|number| number.to_string());
    project::run(project.cargo(&[SIMULATE, &["--seeds", &seeds, "--start", &start]].concat()))
}

/// Licences, banned crates and sources. Advisories are asked for by hand (`advisories`): they need the network, and
/// would make an unchanged commit fail from one day to the next.
fn dependencies(project: &Project) -> Result<()> {
    let mut deny = Command::new(cargo_deny(project)?);
    deny.args(["--locked", "check", "licenses", "bans", "sources"]).current_dir(project.root());
    project::run(deny)
}

/// The cargo-deny on the PATH, or our own, installed if it is missing (a few minutes, once).
pub(crate) fn cargo_deny(project: &Project) -> Result<PathBuf> {
    let program = format!("cargo-deny{}", env::consts::EXE_SUFFIX);
    let path = env::var_os("PATH").unwrap_or_default();
    if let Some(found) =
        env::split_paths(&path).map(|folder| folder.join(&program)).find(|file| file.is_file())
    {
        return Ok(found);
    }
    let tools = project.target().join("tools").join(format!("cargo-deny-{CARGO_DENY_VERSION}"));
    let own = tools.join("bin").join(&program);
    if !own.is_file() {
        println!("installing cargo-deny {CARGO_DENY_VERSION} into {} (a few minutes, once)", tools.display());
        // It checks in two seconds even unoptimised, and builds in half the time.
        let mut install = project.cargo(&["install", "--quiet", "--locked", "--debug", "cargo-deny"]);
        install.args(["--version", CARGO_DENY_VERSION]).arg("--root").arg(&tools);
        // Without a build folder of its own it is built in a temporary one, and only the program stays.
        install.env("CARGO_PROFILE_DEV_DEBUG", "false").env_remove("CARGO_TARGET_DIR");
        project::run(install)?;
    }
    Ok(own)
}

fn clippy(project: &Project) -> Result<()> {
    let arguments = ["clippy", "--locked", "--workspace", "--all-targets", "--all-features", "--"];
    let mut clippy = project.cargo(&arguments);
    clippy.args(["-D", "warnings"]);
    project::run(clippy)
}

/// With what only tests need (which examples are given too): so clippy has checked the same crates with the same
/// features.
fn documentation(project: &Project) -> Result<()> {
    let targets = ["--lib", "--bins", "--examples"];
    let mut doc = project.cargo(&["doc", "--locked", "--workspace", "--all-features", "--no-deps"]);
    doc.args(targets).env("RUSTDOCFLAGS", "-D warnings");
    project::run(doc)
}

fn doctests(project: &Project) -> Result<()> {
    project::run(project.cargo(&["test", "--locked", "--workspace", "--all-features", "--doc"]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nothing(_: &Project) -> Result<()> {
        Ok(())
    }

    const FEW: &[Step] = &[
        Step::new("build", &[], nothing),
        Step::new("tests", &["build"], nothing),
        Step { name: "chaos", after: &["build"], load: Load::Waits, run: nothing },
        Step::new("python", &["build"], nothing),
        Step::new("app", &["build", "python"], nothing),
    ];
    const TOOK: Progress = Progress::Passed(Duration::from_secs(1));

    #[test]
    fn a_step_begins_when_what_it_needs_has_passed_and_a_lane_is_free() {
        use Progress::{Failed, Running, Waiting};
        for (progress, expected) in [
            ([Waiting; 5], Some("build")),
            ([Running, Waiting, Waiting, Waiting, Waiting], None),
            ([TOOK, Waiting, Waiting, Waiting, Waiting], Some("tests")),
            ([TOOK, Running, Waiting, Waiting, Waiting], Some("chaos")),
            ([TOOK, Running, Running, Waiting, Waiting], Some("python")),
            ([TOOK, Running, Running, Running, Waiting], None),
            ([TOOK, TOOK, Running, Running, Waiting], None),
            ([TOOK, TOOK, Running, TOOK, Waiting], Some("app")),
            ([TOOK, Failed(Duration::ZERO), Waiting, Waiting, Waiting], None),
            ([TOOK; 5], None),
        ] {
            let next = next(FEW, &progress, 2).map(|place| FEW[place].name);
            assert_eq!(next, expected, "{progress:?}");
        }
    }

    #[test]
    fn every_step_is_reached() {
        let mut progress = vec![Progress::Waiting; STEPS.len()];
        while let Some(place) = next(STEPS, &progress, 1) {
            progress[place] = TOOK;
        }
        assert_eq!(progress, vec![TOOK; STEPS.len()]);
    }
}
