//! Rust's tests: all of them are built at once, and run program by program, each test with its time.

use std::{
    collections::{BTreeMap, VecDeque},
    fs,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use crate::project::{self, Project};

/// The tests of the databases: by folder and name, as all programs here.
const DATABASES: &str = "kingcong-sqlx/it";
/// The program with the tests that kill, and the module where they are.
const SYSTEM: &str = "tests/it";
const CHAOS: &str = "crash::";

/// A test program that cargo built.
#[derive(Debug, PartialEq, Eq)]
struct Program {
    /// Its package's folder in the workspace, and its name.
    name: String,
    executable: PathBuf,
    /// Where it is run, as cargo does.
    folder: PathBuf,
}

/// Builds the tests with all that they start, and notes where they are, for those who must not wait for cargo.
pub(crate) fn build(project: &Project) -> Result<()> {
    // What examples and other faces are is no test, and yet needed.
    project::run(project.cargo(project::BUILD))?;
    let messages = ["--no-run", "--message-format", "json-render-diagnostics"];
    let mut cargo = project.cargo(&["test", "--locked", "--quiet", "--workspace", "--all-features"]);
    let output = cargo.args(messages).stdin(Stdio::null()).stderr(Stdio::inherit()).output()?;
    ensure!(output.status.success(), "the tests do not compile");
    let programs = programs_in(project.root(), std::str::from_utf8(&output.stdout)?)?;
    ensure!(!programs.is_empty(), "cargo built no tests");
    let lines: Vec<String> = programs.iter().map(line_of).collect();
    let noted = noted(project);
    fs::create_dir_all(project.target().join("test"))?;
    fs::write(&noted, lines.concat()).with_context(|| format!("cannot write {}", noted.display()))
}

/// Everything but the tests of the databases and the kills.
pub(crate) fn test(project: &Project) -> Result<()> {
    let programs = programs(project)?;
    let others = programs.iter().filter(|program| program.name != DATABASES);
    run_all(others.map(|program| {
        let arguments: &[&str] = if program.name == SYSTEM { &["--skip", CHAOS] } else { &[] };
        (program, arguments)
    }))
}

/// The stores on their databases.
pub(crate) fn test_databases(project: &Project) -> Result<()> {
    run_all([(&one(project, DATABASES)?, &[][..])])
}

/// Kills of processes and database servers.
pub(crate) fn test_chaos(project: &Project) -> Result<()> {
    // What they count is shown, though they pass.
    run_all([(&one(project, SYSTEM)?, &[CHAOS, "--show-output"][..])])
}

fn noted(project: &Project) -> PathBuf {
    project.target().join("test").join("programs.txt")
}

fn one(project: &Project, name: &str) -> Result<Program> {
    let found = programs(project)?.into_iter().find(|program| program.name == name);
    found.with_context(|| format!("cargo built no {name}: was it renamed?"))
}

fn line_of(Program { name, executable, folder }: &Program) -> String {
    format!("{name}\t{}\t{}\n", executable.display(), folder.display())
}

fn programs(project: &Project) -> Result<Vec<Program>> {
    let noted = noted(project);
    let program_of = |line: &str| match line.split('\t').collect::<Vec<_>>().as_slice() {
        [name, executable, folder] => {
            Ok(Program { name: (*name).into(), executable: executable.into(), folder: folder.into() })
        }
        _ => bail!("{}: `{line}` names no program: build again", noted.display()),
    };
    project::read_text(&noted)?.lines().map(program_of).collect()
}

/// The test programs in what cargo tells, a message a line.
fn programs_in(root: &Path, messages: &str) -> Result<Vec<Program>> {
    let mut programs = Vec::new();
    for message in messages.lines().filter(|line| line.starts_with('{')) {
        let message: Value = serde_json::from_str(message).context("cargo's messages are JSON")?;
        let text = |pointer| message.pointer(pointer).and_then(Value::as_str);
        let is_test = message.pointer("/profile/test") == Some(&Value::Bool(true));
        let (Some(executable), true) = (text("/executable"), is_test) else { continue };
        let manifest = Path::new(text("/manifest_path").context("a program has a package")?);
        let folder = manifest.parent().context("a package has a folder")?;
        let package = folder.strip_prefix(root).unwrap_or(folder);
        let name = format!("{}/{}", package.display(), text("/target/name").context("a program has a name")?);
        programs.push(Program { name, executable: executable.into(), folder: folder.into() });
    }
    programs.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(programs)
}

/// Runs them one after the other, all of them even if one fails.
fn run_all<'a>(programs: impl IntoIterator<Item = (&'a Program, &'a [&'a str])>) -> Result<()> {
    let mut failed = Vec::new();
    for (program, arguments) in programs {
        if !run(program, arguments)? {
            failed.push(program.name.as_str());
        }
    }
    ensure!(failed.is_empty(), "tests failed in {}", failed.join(", "));
    Ok(())
}

/// Runs a program's tests, and prints what it does with the time of each test; whether all passed.
fn run(program: &Program, arguments: &[&str]) -> Result<bool> {
    println!("\n     Running {}", program.name);
    let command = || {
        let mut command = Command::new(&program.executable);
        command.args(arguments).current_dir(&program.folder).stdin(Stdio::null());
        command
    };
    let mut list = command();
    list.args(["--list", "--format", "terse"]);
    let listed = project::output(list)?;
    let threads = thread::available_parallelism()?.get();
    let mut places = Places::of(listed.lines().filter_map(|line| line.strip_suffix(": test")), threads);
    let mut tests = command();
    tests.env("RUST_TEST_THREADS", threads.to_string()).stdout(Stdio::piped());
    let started = Instant::now();
    let mut child =
        tests.spawn().with_context(|| format!("cannot start {}", program.executable.display()))?;
    let lines = BufReader::new(child.stdout.take().context("its output is piped")?);
    for line in lines.split(b'\n') {
        let line = String::from_utf8_lossy(&line?).into_owned();
        match tested(&line).and_then(|name| places.ended(name, started.elapsed())) {
            Some(took) => println!("{line} ({:.3} s)", took.as_secs_f64()),
            None => println!("{line}"),
        }
    }
    Ok(child.wait()?.success())
}

/// The test that a line tells the outcome of.
fn tested(line: &str) -> Option<&str> {
    let (name, outcome) = line.strip_prefix("test ")?.split_once(" ... ")?;
    let ended = outcome == "ok" || outcome.starts_with("FAILED") || outcome.starts_with("ignored");
    ended.then(|| name.trim_end_matches(" - should panic"))
}

/// When each test began, which a test program does not tell: it begins so many at once in the order of its list, and
/// the next whenever one ends.
struct Places {
    waiting: VecDeque<String>,
    running: BTreeMap<String, Duration>,
}

impl Places {
    fn of<'a>(listed: impl Iterator<Item = &'a str>, at_once: usize) -> Self {
        let mut places = Self { waiting: listed.map(str::to_owned).collect(), running: BTreeMap::new() };
        for _ in 0..at_once {
            places.begin(Duration::ZERO);
        }
        places
    }

    fn begin(&mut self, at: Duration) {
        if let Some(name) = self.waiting.pop_front() {
            self.running.insert(name, at);
        }
    }

    /// How long a test took that ended at this time since the start.
    fn ended(&mut self, name: &str, at: Duration) -> Option<Duration> {
        let began = self.running.remove(name)?;
        self.begin(at);
        Some(at.saturating_sub(began))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_test_began_when_the_one_before_it_ended() {
        let second = Duration::from_secs;
        let mut places = Places::of(["a", "b", "c", "d"].into_iter(), 2);
        assert_eq!(places.ended("b", second(3)), Some(second(3)));
        assert_eq!(places.ended("c", second(5)), Some(second(2)));
        assert_eq!(places.ended("d", second(6)), Some(second(1)));
        assert_eq!(places.ended("a", second(9)), Some(second(9)));
        assert_eq!(places.ended("unheard of", second(9)), None);
    }

    #[test]
    fn only_outcomes_tell_of_a_test() {
        for (line, expected) in [
            ("test money::sums ... ok", Some("money::sums")),
            ("test money::sums ... FAILED", Some("money::sums")),
            ("test money::sums - should panic ... ok", Some("money::sums")),
            ("test money::sums ... ignored, it is slow", Some("money::sums")),
            ("test result: ok. 1 passed; 0 failed", None),
            ("test money::sums has been running for over 60 seconds", None),
            ("running 3 tests", None),
        ] {
            assert_eq!(tested(line), expected, "{line}");
        }
    }

    #[test]
    fn cargos_messages_name_the_programs() {
        let messages = r#"
{"reason":"compiler-artifact","manifest_path":"/w/kingcong-core/Cargo.toml","target":{"name":"kingcong_core"},
{"reason":"build-finished","success":true}
"#;
        assert!(programs_in(Path::new("/w"), messages).is_err());
        let artifact = |name: &str, executable: &str, test: bool| {
            format!(
                "{{\"manifest_path\":\"/w/kingcong-sqlx/Cargo.toml\",\"target\":{{\"name\":\"{name}\"}},\
                 \"profile\":{{\"test\":{test}}},\"executable\":{executable}}}\n"
            )
        };
        let messages = [
            artifact("it", "\"/t/it-1\"", true),
            artifact("kingcong_sqlx", "null", true),
            artifact("kingcong-archive", "\"/t/kingcong-archive\"", false),
        ];
        let it = Program {
            name: DATABASES.into(),
            executable: "/t/it-1".into(),
            folder: "/w/kingcong-sqlx".into(),
        };
        assert_eq!(programs_in(Path::new("/w"), &messages.concat()).unwrap(), [it]);
    }
}
