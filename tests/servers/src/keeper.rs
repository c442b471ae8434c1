//! The small process beside a server that ends it when ours ends.
//!
//! It is a shell that waits for the end of its input, whose other end is ours: when we close it or die, the shell
//! ends its server by its process id. The id stays the server's for as long as the shell has not asked for its end.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    os::unix::{
        fs::{MetadataExt as _, chown},
        process::CommandExt as _,
    },
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use anyhow::{Context as _, Result, bail};

/// Starts the server in the background, tells its process id, and waits for a word or the end of the input. Without a
/// word we are gone, and the folder goes, too.
const SCRIPT: &str = r#"
folder=$1; shift
"$@" </dev/null >>"$folder/log" 2>&1 &
server=$!
echo "$server"
read -r word
kill -QUIT "$server" 2>/dev/null
# MariaDB ignores the first: a shell starts what is in the background so.
kill -TERM "$server" 2>/dev/null
# One that has only just begun does not hear that.
(sleep 10; kill -KILL "$server") </dev/null >/dev/null 2>&1 &
late=$!
wait "$server"
kill "$late" 2>/dev/null
[ "$word" = keep ] || rm -rf -- "$folder"
"#;

/// Who runs servers when we are root, which they refuse to be.
const UNPRIVILEGED: [&str; 2] = ["postgres", "nobody"];

/// A server's keeper.
#[derive(Debug)]
pub(crate) struct Keeper {
    shell: Child,
    server: u32,
}

impl Keeper {
    pub(crate) fn start(folder: &Path, command: Result<Command>) -> Result<Self> {
        let command = command?;
        let mut shell = Command::new("sh");
        shell.args(["-c", SCRIPT, "keeper"]).arg(folder).arg(command.get_program()).args(command.get_args());
        // What it says of a killed server is no news.
        shell.stderr(Stdio::null());
        // In a group of its own: what ends us by a signal to our group is to find it alive.
        let mut shell = shell.stdin(Stdio::piped()).stdout(Stdio::piped()).process_group(0).spawn()?;
        let mut line = String::new();
        let output = shell.stdout.take().context("the keeper has no output")?;
        BufReader::new(output).read_line(&mut line)?;
        let server = line.trim().parse().with_context(|| format!("the keeper said {line:?}"))?;
        Ok(Self { shell, server })
    }

    pub(crate) const fn server(&self) -> u32 {
        self.server
    }

    /// Whether the server has not ended: an ended one stays a zombie until its keeper asks for it.
    pub(crate) fn runs(&self) -> bool {
        let state = std::fs::read_to_string(format!("/proc/{}/stat", self.server));
        state.is_ok_and(|state| state.rsplit_once(')').is_some_and(|(_, rest)| !rest.starts_with(" Z")))
    }

    /// Kills the server.
    pub(crate) fn kill(self) -> Result<()> {
        run(Command::new("kill").args(["-9", &self.server.to_string()]))
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        // A keeper that is gone already has nothing left to do.
        if let Some(mut input) = self.shell.stdin.take() {
            let _ = input.write_all(b"keep\n");
        }
        let _ = self.shell.wait();
    }
}

pub(crate) fn is_root() -> bool {
    std::fs::metadata("/proc/self").is_ok_and(|own| own.uid() == 0)
}

/// A command that runs as somebody who may do nothing else.
pub(crate) fn unprivileged(program: &Path) -> Result<Command> {
    if !is_root() {
        return Ok(Command::new(program));
    }
    let (user, group) = somebody()?;
    let mut command = Command::new("setpriv");
    command.args([format!("--reuid={user}"), format!("--regid={group}"), "--clear-groups".to_owned()]);
    command.arg(program);
    Ok(command)
}

/// A folder that belongs to who runs servers.
pub(crate) fn private_folder() -> Result<PathBuf> {
    let folder = tempfile::Builder::new().prefix("kingcong-server-").tempdir()?.keep();
    if is_root() {
        let (user, group) = somebody()?;
        chown(&folder, Some(user), Some(group))?;
    }
    Ok(folder)
}

fn somebody() -> Result<(u32, u32)> {
    let accounts = std::fs::read_to_string("/etc/passwd").context("no accounts can be read")?;
    for name in UNPRIVILEGED {
        for account in accounts.lines() {
            let fields: Vec<&str> = account.split(':').collect();
            if let [found, _, user, group, ..] = fields[..]
                && found == name
            {
                return Ok((user.parse()?, group.parse()?));
            }
        }
    }
    bail!("root may not run a server, and there is none of the accounts {UNPRIVILEGED:?}")
}

/// Runs a command to its end.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let output = command.stdin(Stdio::null()).output().with_context(|| format!("{command:?}"))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        bail!("{command:?} failed: {said}{}", String::from_utf8_lossy(&output.stdout));
    }
    Ok(())
}
