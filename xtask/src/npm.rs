//! npm in a folder of the project.

use std::{fs, process::Command};

use anyhow::{Context, Result};

use crate::project::{self, Project};

/// Installs what a folder's lock file names, when it is not there or the file changed.
pub(crate) fn install(project: &Project, folder: &str) -> Result<()> {
    let wanted = project.read(&format!("{folder}/package-lock.json"))?;
    let installed = project.root().join(folder).join("node_modules").join("installed.json");
    if fs::read_to_string(&installed).is_ok_and(|installed| installed == wanted) {
        return Ok(());
    }
    run(project, folder, &["ci", "--silent", "--no-audit", "--no-fund"])?;
    fs::write(&installed, wanted).with_context(|| format!("cannot write {}", installed.display()))
}

/// Runs npm in a folder.
pub(crate) fn run(project: &Project, folder: &str, arguments: &[&str]) -> Result<()> {
    let mut npm = Command::new("npm");
    // Next.js would tell its makers about every build.
    npm.args(arguments).current_dir(project.root().join(folder)).env("NEXT_TELEMETRY_DISABLED", "1");
    project::run(npm)
}
