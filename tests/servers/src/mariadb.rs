//! What MariaDB does in its own way.

use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context as _, Result};

use crate::{
    Server, free_port,
    keeper::{run, unprivileged},
};

/// Who owns everything on a new server, and may log in without a password.
pub(crate) const USER: &str = "root";

/// The library that makes a server a node, as Debian installs it with the server.
const GALERA: &str = "/usr/lib/galera/libgalera_smm.so";

/// Makes the data folder.
pub(crate) fn initialise(server: &Server) -> Result<()> {
    let mut command = unprivileged(Path::new("mariadb-install-db"))?;
    command.arg("--no-defaults").arg(format!("--datadir={}", server.data().display()));
    command.args(["--auth-root-authentication-method=normal", "--skip-test-db"]).arg(temporary(server));
    run(&mut command)
}

/// What starts the server.
pub(crate) fn command(server: &Server) -> Result<Command> {
    let mut command = unprivileged(&server.program("mariadbd"))?;
    command.arg("--no-defaults");
    for (setting, path) in
        [("datadir", server.data()), ("socket", socket(server)), ("pid-file", server.file("pid"))]
    {
        command.arg(format!("--{setting}={}", path.display()));
    }
    command.arg(temporary(server)).arg(format!("--port={}", server.port)).args([
        "--bind-address=127.0.0.1",
        "--innodb-flush-log-at-trx-commit=1",
        "--sync-binlog=1",
        "--max-connections=200",
    ]);
    if let Some([certificate, key]) = server.tls() {
        command.arg(format!("--ssl-cert={}", certificate.display()));
        command.arg(format!("--ssl-key={}", key.display()));
    }
    Ok(command)
}

/// What starts the server as the first node of a cluster.
pub(crate) fn node(server: &Server) -> Result<Command> {
    let mut command = command(server)?;
    let listen = free_port()?;
    command.args([
        "--wsrep-on=ON",
        "--wsrep-new-cluster",
        "--wsrep-cluster-address=gcomm://",
        "--wsrep-node-address=127.0.0.1",
        "--binlog-format=ROW",
        "--innodb-autoinc-lock-mode=2",
    ]);
    command.arg(format!("--wsrep-provider={GALERA}"));
    command.arg(format!("--wsrep-provider-options=gmcast.listen_addr=tcp://127.0.0.1:{listen}"));
    Ok(command)
}

/// A server that starts takes the temporary tables that it finds for its own leftovers, and removes them.
fn temporary(server: &Server) -> String {
    format!("--tmpdir={}", server.cluster.display())
}

fn socket(server: &Server) -> PathBuf {
    server.file("socket")
}

pub(crate) fn answers(server: &Server) -> Result<bool> {
    let output =
        client(server, "mariadb-admin").arg("ping").output().context("mariadb-admin cannot be run")?;
    Ok(output.status.success())
}

/// Makes a database, with the content of another one if it is named.
pub(crate) fn create(server: &Server, name: &str, template: Option<&str>) -> Result<()> {
    run(client(server, "mariadb").arg("--execute").arg(format!("CREATE DATABASE {name}")))?;
    let Some(template) = template else { return Ok(()) };
    let mut dump = client(server, "mariadb-dump").arg(template).stdout(Stdio::piped()).spawn()?;
    let content = dump.stdout.take().context("the dump has no output")?;
    let filled = client(server, "mariadb").arg(name).stdin(content).status()?;
    let dumped = dump.wait()?;
    anyhow::ensure!(filled.success() && dumped.success(), "{template} cannot be copied to {name}");
    Ok(())
}

fn client(server: &Server, program: &str) -> Command {
    let mut command = Command::new(program);
    command.arg("--no-defaults").args(["--user", USER, "--socket"]).arg(socket(server)).stdin(Stdio::null());
    command
}
