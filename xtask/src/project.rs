//! The checkout, and how cargo is run in it: without a standard input, and so that a failure names the command.

use std::{
    env,
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
    process::{Command, ExitCode, Stdio},
    time::Duration,
};

use anyhow::{Context, Result, bail, ensure};

/// The profile that packages are published in, and its folder of the target.
pub(crate) const PUBLISHED: &str = "dist";

/// Builds every program and library. All at once, and with what only tests need (which examples are given too): alone
/// each would have other features of the same crates, and those would be built again for it.
pub(crate) const BUILD: &[&str] =
    &["build", "--locked", "--quiet", "--workspace", "--all-features", "--lib", "--bins", "--examples"];

/// How many tests ran, summed from the reports of the test programs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tests {
    pub(crate) passed: u64,
    pub(crate) failed: u64,
    pub(crate) ignored: u64,
}

impl Tests {
    /// What is told in everything that a step printed.
    pub(crate) fn in_report(printed: &str) -> Self {
        let mut tests = Self::default();
        printed.lines().for_each(|line| tests.add(line));
        tests
    }

    /// Adds what a line of a test program's output reports; most lines report nothing.
    fn add(&mut self, line: &str) {
        // As Rust's test programs, pytest, vitest and playwright report.
        let counts: Vec<&str> = if let Some(rest) = line.strip_prefix("test result: ") {
            rest.split_once(". ").map_or(Vec::new(), |(_, counts)| counts.split("; ").collect())
        } else if let Some(rest) = line.trim_start().strip_prefix("Tests  ") {
            rest.split(['|', '(']).map(str::trim).collect()
        } else if let Some((counts, time)) = line.rsplit_once(" in ")
            && time.ends_with('s')
        {
            counts.split(", ").collect()
        } else if let Some(count) = line.strip_prefix("  ") {
            vec![count.split(" (").next().unwrap_or_default()]
        } else {
            return;
        };
        for count in counts {
            match count.split_once(' ') {
                Some((number, "passed")) => self.passed += number.parse().unwrap_or(0),
                Some((number, "failed" | "error" | "errors" | "flaky")) => {
                    self.failed += number.parse().unwrap_or(0);
                }
                Some((number, "ignored" | "skipped" | "did not run")) => {
                    self.ignored += number.parse().unwrap_or(0);
                }
                _ => {}
            }
        }
    }
}

/// Who builds the programs and libraries that are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Built {
    /// Whoever asks.
    Now,
    /// An earlier step: who asks need not wait until cargo has done what another one wants.
    Before,
}

/// The checkout that `cargo xtask` was called in.
#[derive(Debug)]
pub(crate) struct Project {
    root: PathBuf,
    cargo: OsString,
    built: Built,
}

impl Project {
    /// Finds the checkout by what `cargo run` tells.
    pub(crate) fn find() -> Result<Self> {
        let own = env::var_os("CARGO_MANIFEST_DIR").context("start it as `cargo xtask`")?;
        let root = Path::new(&own).parent().context("the folder `xtask` lies in the workspace")?;
        let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        Ok(Self { root: root.into(), cargo, built: Built::Now })
    }

    /// The same, for what comes after everything was built.
    pub(crate) fn built_before(self) -> Self {
        Self { built: Built::Before, ..self }
    }

    /// The workspace's folder.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// Where builds go.
    pub(crate) fn target(&self) -> PathBuf {
        self.root.join(env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| "target".into()))
    }

    /// The text of a file, by its path in the workspace.
    pub(crate) fn read(&self, file: &str) -> Result<String> {
        read_text(&self.root.join(file))
    }

    /// The files of the project: what git tracks, and what it would.
    pub(crate) fn files(&self) -> Result<Vec<String>> {
        let mut git = Command::new("git");
        git.args(["ls-files", "--cached", "--others", "--exclude-standard"]).current_dir(&self.root);
        // A file that was deleted and not yet committed is still listed.
        Ok(output(git)?.lines().filter(|file| self.root.join(file).is_file()).map(str::to_owned).collect())
    }

    /// A cargo command in the workspace.
    pub(crate) fn cargo(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.cargo);
        command.args(arguments).current_dir(&self.root);
        // What `cargo run` says about this package: some build scripts would take the change for a reason to
        // run again.
        for (name, _) in env::vars_os() {
            if name
                .to_str()
                .is_some_and(|name| name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_"))
            {
                command.env_remove(name);
            }
        }
        command
    }

    /// What a cargo command prints.
    pub(crate) fn cargo_output(&self, arguments: &[&str]) -> Result<String> {
        output(self.cargo(arguments))
    }

    /// A program or library of the workspace, by its file's name, built.
    pub(crate) fn built(&self, file: &str) -> Result<PathBuf> {
        if self.built == Built::Now {
            run(self.cargo(BUILD))?;
        }
        let built = self.target().join("debug").join(file);
        ensure!(built.is_file(), "cargo built no {}", built.display());
        Ok(built)
    }

    /// The program that serves the simulated upstreams, built.
    pub(crate) fn upstreams(&self) -> Result<PathBuf> {
        self.built("upstreams")
    }

    /// Runs a program of the workspace in place of this one.
    pub(crate) fn hand_over(&self, program: &[&str], arguments: &[String]) -> Result<ExitCode> {
        let mut command = self.cargo(program);
        command.args(arguments);
        hand_over(command)
    }
}

/// Runs a command in place of this one: same terminal, same exit code.
pub(crate) fn hand_over(mut command: Command) -> Result<ExitCode> {
    let name = describe(&command);
    let status = command.status().with_context(|| format!("cannot start `{name}`"))?;
    Ok(status.code().and_then(|code| u8::try_from(code).ok()).map_or(ExitCode::FAILURE, ExitCode::from))
}

/// The text of a file.
pub(crate) fn read_text(file: &Path) -> Result<String> {
    // What tests print may be anything.
    let bytes = fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// The tests that took longest, longest first, of all whose time is told in what was printed.
pub(crate) fn slowest(printed: &str, most: usize) -> Vec<(Duration, &str)> {
    let mut timed: Vec<(Duration, &str)> = printed.lines().filter_map(timed).collect();
    timed.sort_by(|one, other| other.cmp(one));
    timed.truncate(most);
    timed
}

/// A test and how long it took, as `rust` prints it, and pytest, vitest and playwright.
fn timed(line: &str) -> Option<(Duration, &str)> {
    let seconds = |text: &str| Duration::try_from_secs_f64(text.trim().parse().ok()?).ok();
    let told = line.trim_start();
    if let Some((name, time)) = told.strip_prefix("test ").and_then(|rest| rest.split_once(" ... ")) {
        let (_, time) = time.strip_suffix(" s)")?.rsplit_once('(')?;
        return Some((seconds(time)?, name));
    }
    if let Some((time, name)) = told.split_once("s call ") {
        return Some((seconds(time)?, name.trim()));
    }
    let told = told.strip_prefix('✓').or_else(|| told.strip_prefix('✘'))?.trim();
    if let Some((name, time)) = told.strip_suffix(')').and_then(|told| told.rsplit_once(" (")) {
        let units = [("ms", 1, 1000), ("s", 1, 1), ("m", 60, 1)];
        let took = units
            .into_iter()
            .find_map(|(unit, times, parts)| Some(seconds(time.strip_suffix(unit)?)? * times / parts));
        return Some((took?, name));
    }
    let (name, time) = told.strip_suffix("ms")?.rsplit_once(' ')?;
    // Not the sum of a file's tests.
    if name.ends_with(')') { None } else { Some((seconds(time)? / 1000, name.trim())) }
}

/// Runs a command that shows its own output.
pub(crate) fn run(mut command: Command) -> Result<()> {
    let name = describe(&command);
    let status = command.stdin(Stdio::null()).status().with_context(|| format!("cannot start `{name}`"))?;
    ensure!(status.success(), "`{name}` failed");
    Ok(())
}

/// What a command prints.
pub(crate) fn output(mut command: Command) -> Result<String> {
    let name = describe(&command);
    let output = command.stdin(Stdio::null()).output().with_context(|| format!("cannot start `{name}`"))?;
    if !output.status.success() {
        bail!("`{name}` failed: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    String::from_utf8(output.stdout).with_context(|| format!("`{name}` did not print UTF-8"))
}

/// The command as one would type it.
fn describe(command: &Command) -> String {
    let program = Path::new(command.get_program()).file_stem().unwrap_or_default();
    let words = std::iter::once(program).chain(command.get_args());
    words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_result_lines_count() {
        let mut tests = Tests::default();
        for line in [
            "running 3 tests",
            "test money::tests::a_total_is_rounded_once ... ok",
            "test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.00s",
            "test result: FAILED. 40 passed; 2 failed; 0 ignored; 0 measured; 5 filtered out; finished in 1.25s",
            "test result: unheard of",
            "2 failed, 7 passed, 1 skipped in 3.21s",
            "300 passed in 0.50s",
            "      Tests  1 failed | 20 passed (21)",
            "finished in 3s",
            "  2 failed",
            "    tests/speech.spec.ts:3:1 › a test that passed before",
            "  1 did not run",
            "  12 passed (1.5m)",
        ] {
            tests.add(line);
        }
        assert_eq!(tests, Tests { passed: 382, failed: 7, ignored: 3 });
    }

    #[test]
    fn the_slowest_tests_are_those_of_all_languages() {
        let printed = "\
running 2 tests
test money::sums ... ok (0.004 s)
test crash::chaos ... FAILED (85.120 s)
1.25s call     tests/test_async.py::test_many
0.75s setup    tests/test_async.py::test_many
 ✓ test/doors.test.ts (12 tests) 9000ms
     ✓ a list is told page by page  1500ms
  ✓  12 tests/admin.spec.ts:73:5 › a key is added (with its label) once (12.3s)
  ✘   3 tests/looks.spec.ts:30:5 › every page is usable (1.5m)
  ✓   4 tests/looks.spec.ts:31:5 › quick (90ms)
2 failed, 7 passed in 3.21s
";
        let slowest = slowest(printed, 5);
        let told: Vec<(u128, &str)> = slowest.iter().map(|(took, name)| (took.as_millis(), *name)).collect();
        assert_eq!(
            told,
            [
                (90_000, "3 tests/looks.spec.ts:30:5 › every page is usable"),
                (85_120, "crash::chaos"),
                (12_300, "12 tests/admin.spec.ts:73:5 › a key is added (with its label) once"),
                (1_500, "a list is told page by page"),
                (1_250, "tests/test_async.py::test_many"),
            ]
        );
    }

    #[test]
    fn a_failed_command_is_named_with_what_it_said() {
        let mut command = Command::new("git");
        command.args(["rev-parse", "--verify", "no-such-revision"]);
        let error = output(command).unwrap_err().to_string();
        assert!(error.starts_with("`git rev-parse --verify no-such-revision` failed: fatal"), "{error}");
    }
}
