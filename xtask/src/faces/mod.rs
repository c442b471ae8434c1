//! What faces for other languages say of the doors, written from what the doors say of themselves: records of answers
//! and words, for Python and for TypeScript. The files are kept in git, so that they are read and reviewed as the
//! others are.

mod description;
mod python;
mod text;
mod typescript;

use std::{fs, process::Command};

use anyhow::{Context, Result, ensure};

use crate::project::{self, Project};
use description::Description;

/// The program that prints the description.
const DESCRIBE: &[&str] =
    &["run", "--quiet", "--package", "kingcong-doors", "--all-features", "--example", "describe"];

/// A file that is written, by its path in the workspace.
struct Written {
    path: &'static str,
    text: String,
}

/// Writes the files.
pub(crate) fn write(project: &Project) -> Result<()> {
    for file in files(&project.cargo_output(DESCRIBE)?)? {
        let path = project.root().join(file.path);
        if fs::read_to_string(&path).is_ok_and(|text| text == file.text) {
            continue;
        }
        fs::write(&path, file.text).with_context(|| format!("cannot write {}", path.display()))?;
        println!("{}", file.path);
    }
    Ok(())
}

/// Refuses files that are not what would be written.
pub(crate) fn check(project: &Project) -> Result<()> {
    let described = project::output(Command::new(project.built("examples/describe")?))?;
    let is_current = |file: &Written| project.read(file.path).is_ok_and(|text| text == file.text);
    let files = files(&described)?;
    let stale: Vec<&str> = files.iter().filter(|file| !is_current(file)).map(|file| file.path).collect();
    ensure!(stale.is_empty(), "{} is not what the doors say: run `cargo xtask faces`", stale.join(", "));
    Ok(())
}

fn files(described: &str) -> Result<Vec<Written>> {
    let description = Description::read(described)?;
    Ok(python::files(&description).into_iter().chain(typescript::files(&description)).collect())
}
