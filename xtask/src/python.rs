//! The Python package: its wheel is built, its types are checked, and it is tested as it is installed.
//!
//! Everything happens in `target/python`: a virtual environment with the tools of `kingcong-py/requirements.txt`, made
//! anew when that file changes, and the wheels.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, bail};

use crate::project::{self, PUBLISHED, Project};

/// The package's folder.
const PACKAGE: &str = "kingcong-py";
/// What its tools are.
const REQUIREMENTS: &str = "kingcong-py/requirements.txt";
/// A backend that embeds it.
const BACKEND: &str = "examples/fastapi";
/// What is measured, and beside what.
const BENCH: &str = "benches/python";
/// Lets pytest tell the time of its slowest tests.
const DURATIONS: &str = "--durations=10";
/// What asks PyPI for advisories.
const PIP_AUDIT: &str = "pip-audit==2.10.1";
/// The oldest C library that a published wheel runs on: that of CentOS 7 and everything since.
const COMPATIBILITY: &str = "manylinux_2_17";

/// A virtual environment.
struct Environment {
    folder: PathBuf,
}

impl Environment {
    /// The environment of that name, with nothing in it.
    fn create(project: &Project, name: &str) -> Result<Self> {
        let folder = folder(project).join(name);
        let mut venv = Command::new("python3");
        venv.args(["-m", "venv", "--clear"]).arg(&folder);
        project::run(venv)?;
        Ok(Self { folder })
    }

    /// The environment with the tools, made when it is not there or they changed.
    fn of_tools(project: &Project) -> Result<Self> {
        let wanted = project.read(REQUIREMENTS)?;
        let folder = folder(project).join("tools");
        let installed = folder.join("installed.txt");
        if fs::read_to_string(&installed).is_ok_and(|installed| installed == wanted) {
            return Ok(Self { folder });
        }
        let environment = Self::create(project, "tools")?;
        environment.pip(&["install", "--requirement"], &project.root().join(REQUIREMENTS))?;
        fs::write(&installed, wanted).with_context(|| format!("cannot write {}", installed.display()))?;
        Ok(environment)
    }

    /// A program of the environment, run in the package's folder.
    fn program(&self, project: &Project, name: &str) -> Result<Command> {
        let programs = self.folder.join("bin");
        let mut command = Command::new(programs.join(name));
        command.current_dir(project.root().join(PACKAGE)).env("VIRTUAL_ENV", &self.folder);
        // Some tools ask the first `python` that they find for its packages.
        let path = env::var_os("PATH").unwrap_or_default();
        let path = env::join_paths(std::iter::once(programs).chain(env::split_paths(&path)));
        command.env("PATH", path.context("the build folder's name must have no colon")?);
        // What cargo says of xtask is not said of the package.
        for variable in ["CARGO_MANIFEST_DIR", "CARGO_PKG_NAME", "CARGO_PKG_VERSION", "PYTHONPATH"] {
            command.env_remove(variable);
        }
        Ok(command)
    }

    fn pip(&self, arguments: &[&str], what: &Path) -> Result<()> {
        let mut pip = Command::new(self.folder.join("bin").join("pip"));
        pip.args(["--quiet", "--disable-pip-version-check", "--no-input"]).args(arguments).arg(what);
        project::run(pip)
    }
}

fn folder(project: &Project) -> PathBuf {
    project.target().join("python")
}

/// Builds the wheel that is published, and tries it in an environment that has nothing else.
pub(crate) fn wheel(project: &Project) -> Result<()> {
    let tools = Environment::of_tools(project)?;
    let wheel = build(project, &tools, &["--profile", PUBLISHED, "--zig", "--compatibility", COMPATIBILITY])?;
    try_alone(project, &wheel)?;
    let bytes = fs::metadata(&wheel)?.len();
    println!("{} ({}.{} MB)", wheel.display(), bytes / 1_000_000, bytes / 100_000 % 10);
    Ok(())
}

/// The environment that has the package and nothing else.
const ALONE: &str = "installed";

/// Tries a wheel in an environment that has nothing else.
fn try_alone(project: &Project, wheel: &Path) -> Result<()> {
    let empty = Environment::create(project, ALONE)?;
    empty.pip(&["install", "--no-index"], wheel)?;
    let mut import = empty.program(project, "python")?;
    import.current_dir(&empty.folder).args(["-W", "error", "-c", TRIAL]);
    project::run(import)
}

/// Opens a library in memory, which needs every part of the package.
const TRIAL: &str = "\
import kingcong
with kingcong.KingCong.open('memory:', preset='kingcong') as kc:
    kc.wallets.purchase('user-1', 'package-1', 'order-1')
    assert kc.verify().is_sound
print('kingcong', kingcong.__version__, 'works')
";

/// Builds a wheel, into a folder that has no other.
fn build(project: &Project, tools: &Environment, arguments: &[&str]) -> Result<PathBuf> {
    let wheels = folder(project).join("wheels");
    if wheels.exists() {
        fs::remove_dir_all(&wheels)?;
    }
    let mut maturin = tools.program(project, "maturin")?;
    maturin.args(["build", "--locked", "--out"]).arg(&wheels).args(arguments);
    maturin.env("CARGO_TARGET_DIR", project.target());
    project::run(maturin)?;
    built(project)
}

/// The wheel that was built last.
fn built(project: &Project) -> Result<PathBuf> {
    let wheels = folder(project).join("wheels");
    let built: Vec<PathBuf> = fs::read_dir(&wheels)?.map(|entry| Ok(entry?.path())).collect::<Result<_>>()?;
    match built.as_slice() {
        [wheel] => Ok(wheel.clone()),
        others => bail!("there are {} wheels in {}, and one was expected", others.len(), wheels.display()),
    }
}

/// The interpreter of an environment that has the package and nothing else.
pub(crate) fn installed(project: &Project) -> PathBuf {
    folder(project).join(ALONE).join("bin").join("python")
}

/// Builds a wheel as quickly as can be, and tries it in an environment that has nothing else.
pub(crate) fn package(project: &Project) -> Result<()> {
    let wheel = build(project, &Environment::of_tools(project)?, &["--compatibility", "linux"])?;
    try_alone(project, &wheel)
}

/// Installs the wheel that was built last, checks its types and runs its tests.
pub(crate) fn test(project: &Project) -> Result<()> {
    let tools = Environment::of_tools(project)?;
    let wheel = built(project)?;
    tools.pip(&["install", "--force-reinstall", "--no-deps", "--no-index"], &wheel)?;
    for (program, arguments) in [
        ("ruff", &["check", "--quiet", "."][..]),
        ("ruff", &["format", "--quiet", "--check", "."]),
        ("mypy", &["--strict", "--package", "kingcong"]),
        ("mypy", &["--strict", "tests/test_typing.py"]),
        ("stubtest", &["kingcong", "--allowlist", "tests/stubtest-allowlist.txt"]),
        ("pyright", &["--warnings"]),
    ] {
        let mut check = tools.program(project, program)?;
        check.args(arguments);
        project::run(check)?;
    }
    let mut pytest = tools.program(project, "pytest")?;
    pytest.arg(DURATIONS).env("KINGCONG_UPSTREAMS", project.upstreams()?);
    project::run(pytest)
}

/// Runs the tests of the FastAPI and Celery backend with the wheel that was built last.
pub(crate) fn test_backend(project: &Project) -> Result<()> {
    let mut test = Command::new("python3");
    test.arg(project.root().join(BACKEND).join("test.py")).arg(built(project)?);
    test.arg("--venv").arg(folder(project).join("backend")).arg(DURATIONS);
    test.current_dir(project.root()).env("KINGCONG_UPSTREAMS", project.upstreams()?);
    project::run(test)
}

/// Asks PyPI what is known against what a file of requirements names, and what that needs.
pub(crate) fn audit(project: &Project, requirements: &str) -> Result<()> {
    let tool = Environment::create(project, "audit")?;
    tool.pip(&["install"], Path::new(PIP_AUDIT))?;
    let mut audit = tool.program(project, "pip-audit")?;
    audit.current_dir(project.root()).args([
        "--strict",
        "--progress-spinner",
        "off",
        "--requirement",
        requirements,
    ]);
    project::run(audit)
}

/// Measures the package, built as it is published, beside its peers.
pub(crate) fn bench(project: &Project, arguments: &[String]) -> Result<()> {
    let tools = Environment::of_tools(project)?;
    let wheel = build(project, &tools, &["--profile", PUBLISHED, "--compatibility", "linux"])?;
    let peers = Environment::create(project, "bench")?;
    peers.pip(&["install", "--requirement"], &project.root().join(BENCH).join("requirements.txt"))?;
    peers.pip(&["install", "--no-index"], &wheel)?;
    let mut measure = peers.program(project, "python")?;
    measure.arg(project.root().join(BENCH).join("measure.py")).args(arguments);
    project::run(measure)
}
