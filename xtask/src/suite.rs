//! `cargo xtask test`: the steps that a change must pass, in order, the quick ones first. It stops at the first
//! that fails and ends with every step, its time and the number of tests.

use std::{
    env,
    path::PathBuf,
    process::{Command, ExitCode},
    time::{Duration, Instant},
};

use anyhow::{Result, ensure};

use crate::{
    LOAD, SIMULATE, app, gates, node,
    project::{self, Project, Tests},
    python, tidy,
};

/// The version of cargo-deny that is installed where there is none.
const CARGO_DENY_VERSION: &str = "0.20.2";

struct Step {
    name: &'static str,
    run: fn(&Project, &mut Tests) -> Result<()>,
}

const STEPS: &[Step] = &[
    Step { name: "format", run: |project, _| project::run(project.cargo(&["fmt", "--all", "--check"])) },
    Step { name: "tidy", run: |project, _| tidy::check(project) },
    Step { name: "domain", run: |project, _| gates::domain(project) },
    Step { name: "layers", run: |project, _| gates::layers(project) },
    Step { name: "dependencies", run: |project, _| dependencies(project) },
    Step { name: "clippy", run: |project, _| clippy(project) },
    Step { name: "documentation", run: |project, _| documentation(project) },
    Step { name: "tests", run: tests },
    Step { name: "python", run: python::test },
    Step { name: "backend", run: python::test_backend },
    Step { name: "node", run: node::test },
    Step { name: "app", run: app::test },
    Step { name: "simulation", run: |project, _| simulation(project) },
    Step { name: "load", run: |project, _| project::run(project.cargo(LOAD)) },
];

/// Seeds that every change must pass; more with `cargo xtask simulate --seeds N`.
const SEEDS: &str = "2000";

/// Runs the steps and prints what came of them.
pub(crate) fn run(project: &Project) -> ExitCode {
    let mut tests = Tests::default();
    let mut done: Vec<(&str, Duration)> = Vec::new();
    let mut failure = None;
    for step in STEPS {
        println!("\n=== {}", step.name);
        let started = Instant::now();
        let result = (step.run)(project, &mut tests);
        done.push((step.name, started.elapsed()));
        if let Err(error) = result {
            failure = Some(error);
            break;
        }
    }

    println!("\n=== summary");
    for (index, step) in STEPS.iter().enumerate() {
        let (outcome, seconds) = match done.get(index) {
            None => ("not run", Duration::ZERO.as_secs_f32()),
            Some((_, time)) if failure.is_some() && index + 1 == done.len() => ("FAILED", time.as_secs_f32()),
            Some((_, time)) => ("passed", time.as_secs_f32()),
        };
        println!("{:<14} {outcome:<8} {seconds:>8.1} s", step.name);
    }
    if let (Some(error), Some((name, _))) = (&failure, done.last()) {
        println!("\n{name} failed: {error:#}");
        // A step without tests of its own that failed counts as one failed.
        tests.failed = tests.failed.max(1);
    }
    println!("\n{} passed, {} failed", tests.passed, tests.failed);
    if failure.is_none() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn simulation(project: &Project) -> Result<()> {
    project::run(project.cargo(&[SIMULATE, &["--seeds", SEEDS, "--start", "0"]].concat()))
}

/// Licences, banned crates and sources. Advisories are not checked: they need a database from the network, and
/// would make an unchanged commit fail from one day to the next.
fn dependencies(project: &Project) -> Result<()> {
    let mut deny = Command::new(cargo_deny(project)?);
    deny.args(["--locked", "check", "licenses", "bans", "sources"]).current_dir(project.root());
    project::run(deny)
}

/// The cargo-deny on the PATH, or our own, installed if it is missing (a few minutes, once).
fn cargo_deny(project: &Project) -> Result<PathBuf> {
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

fn documentation(project: &Project) -> Result<()> {
    let mut doc = project.cargo(&["doc", "--locked", "--workspace", "--all-features", "--no-deps"]);
    doc.env("RUSTDOCFLAGS", "-D warnings");
    project::run(doc)
}

/// Unit, integration and documentation tests, all of them even if one fails. Cargo builds the examples with them,
/// which tests start as programs.
fn tests(project: &Project, tests: &mut Tests) -> Result<()> {
    let everything = ["test", "--locked", "--workspace", "--all-features", "--no-fail-fast"];
    project.cargo_tests(&everything, tests)?;
    ensure!(tests.passed > 0, "no test ran");
    Ok(())
}
