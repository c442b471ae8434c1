//! The project's own commands, run as `cargo xtask COMMAND`. `cargo xtask test` is the whole gate that a change
//! must pass; the rest are shortcuts to the programs of the workspace.
//!
//! `suite` lists the steps of the gate, `gates` holds the architecture's rules, `tidy` those for texts, `rust` runs
//! Rust's tests, `python` and `node` build and test the packages for those languages, `app` the Next.js app (`npm`
//! runs npm for both), `faces` writes what both say of the doors, `advisories` asks public lists about what is used,
//! `costs` counts what one more door, column, table or kind costs, and `project` runs cargo.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command line tool talks to its terminal")]

mod advisories;
mod app;
mod costs;
mod faces;
mod gates;
mod node;
mod npm;
mod project;
mod python;
mod rust;
mod suite;
mod tidy;

use std::{env, process::ExitCode};

use anyhow::{Result, bail};

use project::Project;

const HELP: &str = "\
The project's own commands.

Usage: cargo xtask COMMAND [ARGUMENTS]

  test                              everything that a change must pass
  step NAME                         one step of it, when what it needs was built
  tidy                              only the rules for texts (fast)
  faces                             write what the faces say of the doors from what the doors say of themselves
  costs [COMMIT]                    count what one more door, shown column, table or kind of work costs
  advisories                        ask the public lists what is known against the crates and packages that are used
  bench [--only NAME] [--json]      measure, each figure beside its peer or physical floor
  simulate --seeds N [--start S]    play N seeded worlds with faults, from seed S (0) on
  chaos --database D [--kills N] [--seed S]
                                    kill processes and database servers, and more, on sqlite, postgres, mariadb or a
                                    URL, and check that nothing was lost, doubled or charged wrongly
  load [TASKS]                      run TASKS (100,000) through the engine and HTTP, and check what the servers saw
  wheel                             build the Python wheel as it is published, and try it
  python                            build and install the wheel, check its types and run its tests
  npm                               build the npm package as it is published, and try it
  node                              build and install the npm package, check its types and run its tests
  app                               build the Next.js app and start it: no account, no configuration
  browser                           build the Next.js app and run its tests in a real browser
  upstreams [ARGUMENTS]             serve the simulated upstreams over HTTP
  help                              this text
";

/// What the names of the packages' and the app's benchmarks begin with.
const PYTHON: &str = "python";
const NODE: &str = "node";
const PAGE: &str = "page";
/// A program of the workspace, as cargo's arguments.
const BENCH: &[&str] = &["run", "--release", "--quiet", "--package", "kingcong-benches", "--"];
const SIMULATE: &[&str] =
    &["run", "--release", "--quiet", "--package", "kingcong-tests", "--bin", "simulate", "--"];
const LOAD: &[&str] = &["run", "--release", "--quiet", "--package", "kingcong-tests", "--bin", "load", "--"];
const CHAOS: &[&str] = &["run", "--quiet", "--package", "kingcong-tests", "--bin", "chaos", "--"];
/// The processes that it kills.
const CHAOS_WORKER: &[&str] = &["build", "--quiet", "--package", "kingcong-tests", "--bin", "worker"];
const UPSTREAMS: &[&str] = &["run", "--quiet", "--package", "kingcong-tests", "--bin", "upstreams", "--"];

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    match run(&arguments) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// The benchmarks in Rust, then those of the packages; `--only` may leave out all but one of them.
fn bench(project: &Project, arguments: &[String]) -> Result<ExitCode> {
    let only = arguments.iter().skip_while(|argument| *argument != "--only").nth(1).map(String::as_str);
    let is_package = |package| only.is_some_and(|name: &str| name.starts_with(package));
    let is_rust = ![PYTHON, NODE, PAGE].into_iter().any(is_package);
    if is_rust {
        let code = project.hand_over(BENCH, arguments)?;
        if only.is_some() || code != ExitCode::SUCCESS {
            return Ok(code);
        }
    }
    if is_rust || is_package(PYTHON) {
        python::bench(project, arguments)?;
    }
    if is_rust || is_package(NODE) {
        node::bench(project, arguments)?;
    }
    if is_rust || is_package(PAGE) {
        app::bench(project)?;
    }
    Ok(ExitCode::SUCCESS)
}

fn run(arguments: &[String]) -> Result<ExitCode> {
    let (command, rest) = match arguments.split_first() {
        Some((command, rest)) => (command.as_str(), rest),
        None => ("help", arguments),
    };
    if matches!(command, "help" | "-h" | "--help")
        || matches!(rest, [only] if only == "--help" || only == "-h")
    {
        print!("{HELP}");
        return Ok(ExitCode::SUCCESS);
    }
    let project = Project::find()?;
    match command {
        "bench" => bench(&project, rest),
        "simulate" => project.hand_over(SIMULATE, rest),
        "chaos" => {
            project::run(project.cargo(CHAOS_WORKER))?;
            project.hand_over(CHAOS, rest)
        }
        "load" => project.hand_over(LOAD, rest),
        "upstreams" => project.hand_over(UPSTREAMS, rest),
        "step" => match rest {
            [name] => suite::step(project, name),
            _ => bail!("`step` takes the name of a step, got {rest:?}"),
        },
        "test" | "advisories" | "tidy" | "faces" | "wheel" | "python" | "npm" | "node" | "app"
        | "browser"
            if !rest.is_empty() =>
        {
            bail!("`{command}` takes no arguments, got {rest:?}")
        }
        "test" => suite::run(&project),
        "costs" => match rest {
            [] | [_] => {
                costs::costs(&project, rest.first().map(String::as_str))?;
                Ok(ExitCode::SUCCESS)
            }
            _ => bail!("`costs` takes a commit at most, got {rest:?}"),
        },
        "wheel" => python::wheel(&project).map(|()| ExitCode::SUCCESS),
        "python" => {
            python::package(&project)?;
            python::test(&project)?;
            Ok(ExitCode::SUCCESS)
        }
        "npm" => node::npm(&project).map(|()| ExitCode::SUCCESS),
        "node" => {
            node::test(&project, &node::package(&project)?)?;
            Ok(ExitCode::SUCCESS)
        }
        "app" => app::start(&project),
        "browser" => {
            python::package(&project)?;
            app::test(&project, &node::package(&project)?)?;
            Ok(ExitCode::SUCCESS)
        }
        "advisories" => advisories::check(&project).map(|()| ExitCode::SUCCESS),
        "faces" => faces::write(&project).map(|()| ExitCode::SUCCESS),
        "tidy" => {
            tidy::check(&project)?;
            println!("tidy: ok");
            Ok(ExitCode::SUCCESS)
        }
        _ => bail!("no command `{command}`; `cargo xtask help` lists them"),
    }
}
