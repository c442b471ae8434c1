//! Rules for the texts of the project that neither the compiler nor the formatter knows.

use anyhow::{Result, bail};

use crate::project::Project;

/// Longest line of Rust, in characters. The formatter breaks code earlier; this is for texts and comments.
const LINE_CHARACTERS_MAX: usize = 120;

/// Files that people write, by how their names end.
const WRITTEN: &[&str] = &[
    ".rs",
    ".toml",
    ".md",
    ".sql",
    ".py",
    ".pyi",
    ".js",
    ".mjs",
    ".ts",
    ".sh",
    ".yml",
    ".yaml",
    ".ci/run",
    ".editorconfig",
    ".gitattributes",
    ".gitignore",
];

/// What must not stay in Rust. Written in two halves, so that this file passes its own check.
const UNFINISHED: &[&str] = &[
    concat!("todo", "!"),
    concat!("dbg", "!"),
    concat!("unimplemented", "!"),
    concat!("FIX", "ME"),
    concat!("#[ign", "ore"),
    concat!("```ign", "ore"),
];

/// Folders that exist only on somebody's own machine.
const LOCAL_FOLDERS: &[&str] = &["home", "root", "tmp", "Users", "work"];

/// Checks every file of the project.
pub(crate) fn check(project: &Project) -> Result<()> {
    let mut faults = Vec::new();
    for file in project.files()? {
        if WRITTEN.iter().any(|end| file.ends_with(end)) {
            faults.extend(faults_in(&file, &project.read(&file)?));
        }
    }
    if faults.is_empty() { Ok(()) } else { bail!("{}", faults.join("\n")) }
}

/// The faults of one file, each as `file:line: what is wrong`.
fn faults_in(file: &str, text: &str) -> Vec<String> {
    let rust = file.ends_with(".rs");
    let mut faults = Vec::new();
    let mut fault = |line: usize, what: &str| faults.push(format!("{file}:{line}: {what}"));

    if rust && !text.starts_with("//!") {
        fault(1, "opens without `//!`: say in a paragraph what the file is for");
    }
    if !text.is_empty() && (!text.ends_with('\n') || text.ends_with("\n\n")) {
        fault(text.lines().count(), "does not end with exactly one line break");
    }
    for (index, line) in text.split('\n').enumerate() {
        let number = index + 1;
        if line.ends_with([' ', '\t', '\r']) {
            fault(number, "ends with white space");
        }
        if let Some(folder) = LOCAL_FOLDERS.iter().find(|folder| names_local_folder(line, folder)) {
            fault(number, &format!("names the local path `/{folder}/…`"));
        }
        if rust && line.chars().count() > LINE_CHARACTERS_MAX && !line.contains("://") {
            fault(number, &format!("is longer than {LINE_CHARACTERS_MAX} characters"));
        }
        if rust && let Some(word) = UNFINISHED.iter().find(|word| line.contains(**word)) {
            fault(number, &format!("contains `{word}`"));
        }
    }
    faults
}

/// Whether the line has an absolute path into that folder of the file system, not one inside a longer path.
fn names_local_folder(line: &str, folder: &str) -> bool {
    line.match_indices(&format!("/{folder}/")).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        !before.is_some_and(|before| before.is_alphanumeric() || "_-./{}()<>*~".contains(before))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The faults of a text, without the file's name.
    fn faults(file: &str, text: &str) -> Vec<String> {
        faults_in(file, text).iter().map(|fault| fault[file.len() + 1..].to_owned()).collect()
    }

    #[test]
    fn a_fault_is_named_with_its_line() {
        let long = format!("//! x\n// {}\n", "y".repeat(LINE_CHARACTERS_MAX));
        for (file, text, fault) in [
            ("a.rs", "fn main() {}\n", "1: opens without"),
            ("a.rs", "//! x\nfn main() {} \n", "2: ends with white space"),
            ("a.md", "x\r\n", "1: ends with white space"),
            ("a.md", "x", "1: does not end with exactly one line break"),
            ("a.md", "x\n\n", "2: does not end with exactly one line break"),
            ("a.rs", long.as_str(), "2: is longer than 120"),
            ("a.rs", &format!("//! x\n{}(x);\n", UNFINISHED[1]), "2: contains"),
            ("a.rs", &format!("//! x\n// {}\n", UNFINISHED[3]), "2: contains"),
            ("a.md", &format!("see /{}/me/x\n", LOCAL_FOLDERS[0]), "1: names the local path"),
            ("a.md", &format!("/{}/x\n", LOCAL_FOLDERS[4]), "1: names the local path"),
        ] {
            let found = faults(file, text);
            assert!(found.len() == 1 && found[0].starts_with(fault), "{text:?}: {found:?}");
        }
    }

    #[test]
    fn what_people_write_passes() {
        for (file, text) in [
            ("a.rs", "//! x\n"),
            ("a.rs", "//! x\n\nuse crate::work;\n// kingcong-core/src/work/job.rs, sqlite:///tmp/x.db\n"),
            (
                "a.md",
                "Xin chào, một dòng dài hơn một trăm hai mươi ký tự thì không sao trong tài liệu: không sao cả, \
                      không sao cả, không sao cả.\n",
            ),
            ("empty.md", ""),
        ] {
            assert_eq!(faults(file, text), Vec::<String>::new(), "{text:?}");
        }
    }
}
