//! `cargo xtask advisories`: asks the public lists of advisories about every crate and package that is used. It needs
//! the network and its answer changes from one day to the next: so it is no step of the test.

use std::process::Command;

use anyhow::{Result, ensure};

use crate::{
    npm,
    project::{self, Project},
    python, suite,
};

/// The folders whose packages come from npm.
const NPM: &[&str] = &["kingcong-node", "examples/nextjs"];
/// The files that name what comes from PyPI.
const PYPI: &[&str] = &["kingcong-py/requirements.txt", "examples/fastapi/requirements.txt"];

/// Asks all the lists, even if one knows something or cannot be asked; an error then.
pub(crate) fn check(project: &Project) -> Result<()> {
    let mut asked = vec![("RustSec about Cargo.lock".to_owned(), crates(project))];
    for folder in NPM {
        asked.push((format!("npm about {folder}"), npm::run(project, folder, &["audit"])));
        let signatures = npm::run(project, folder, &["audit", "signatures"]);
        asked.push((format!("npm about the signatures of {folder}"), signatures));
    }
    for file in PYPI {
        asked.push((format!("PyPI about {file}"), python::audit(project, file)));
    }
    println!("\n=== advisories");
    for (what, answer) in &asked {
        match answer {
            Ok(()) => println!("nothing known: {what}"),
            Err(error) => println!("LOOK ABOVE:    {what}: {error:#}"),
        }
    }
    let told = asked.iter().filter(|(_, answer)| answer.is_err()).count();
    ensure!(told == 0, "{told} of {} lists know something, or could not be asked", asked.len());
    Ok(())
}

fn crates(project: &Project) -> Result<()> {
    let mut deny = Command::new(suite::cargo_deny(project)?);
    deny.args(["--locked", "check", "advisories"]).current_dir(project.root());
    project::run(deny)
}
