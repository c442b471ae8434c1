//! The Next.js app: it is built with the npm package as it is published, tried in a real browser, and started.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, ExitCode},
};

use anyhow::{Context, Result};

use crate::{
    node, npm,
    project::{self, Project},
    python,
};

/// The app's folder.
const APP: &str = "examples/nextjs";
/// The browser, and Debian's package of it.
const BROWSER: &str = "chromium";

/// Starts the app for trying it out, on SQLite, with upstreams and a payment gateway that are played.
pub(crate) fn start(project: &Project) -> Result<ExitCode> {
    let app = install(project, &node::package(project)?)?;
    build(project)?;
    let mut demo = Command::new("node");
    demo.arg("scripts/demo.mjs").current_dir(app).env("KINGCONG_UPSTREAMS", project.upstreams()?);
    project::hand_over(demo)
}

/// Builds the app with the npm package that was packed, and runs its browser tests, with the wheel that was built last
/// in a host beside it.
pub(crate) fn test(project: &Project, tarball: &Path) -> Result<()> {
    let app = install(project, tarball)?;
    npm::run(project, APP, &["run", "--silent", "check"])?;
    build(project)?;
    let mut playwright = playwright(project, &app)?;
    playwright.env("KINGCONG_PEER", project.built("peer")?);
    playwright.env("KINGCONG_POSTGRES", project.built("postgres")?);
    playwright.env("KINGCONG_PYTHON", python::installed(project));
    project::run(playwright)
}

/// Measures the app's first page in the browser.
pub(crate) fn bench(project: &Project) -> Result<()> {
    let app = install(project, &node::package(project)?)?;
    build(project)?;
    let mut playwright = playwright(project, &app)?;
    playwright.args(["--config", "bench/playwright.config.ts"]);
    project::run(playwright)
}

/// The app with what it is made of, and with the npm package as it is packed.
fn install(project: &Project, tarball: &Path) -> Result<PathBuf> {
    let app = project.root().join(APP);
    npm::install(project, APP)?;
    let package = app.join("node_modules").join("kingcong");
    if package.exists() {
        fs::remove_dir_all(&package).with_context(|| format!("cannot remove {}", package.display()))?;
    }
    fs::create_dir(&package)?;
    let mut unpack = Command::new("tar");
    unpack
        .args(["--extract", "--strip-components", "1", "--file"])
        .arg(tarball)
        .arg("--directory")
        .arg(package);
    project::run(unpack)?;
    Ok(app)
}

/// Builds the app as it is in production; its types, and those of its tests, are checked on the way.
fn build(project: &Project) -> Result<()> {
    npm::run(project, APP, &["run", "--silent", "build"])
}

/// The tool that drives the browser, which is installed where it is not (Debian, as root).
fn playwright(project: &Project, app: &Path) -> Result<Command> {
    let browser = kingcong_servers::program(BROWSER, BROWSER)?;
    let mut command = Command::new(app.join("node_modules").join(".bin").join("playwright"));
    command.arg("test").current_dir(app).env("NO_COLOR", "1");
    command.env("CHROMIUM", browser).env("KINGCONG_UPSTREAMS", project.upstreams()?);
    Ok(command)
}
