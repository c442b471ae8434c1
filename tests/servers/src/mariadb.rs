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

/// A node of a Galera cluster: the ports on which nodes hear one another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Node {
    /// Of the cluster's messages.
    listens: u16,
    /// Where it takes what it missed, and everything when it is new.
    takes: [u16; 2],
    /// Where a node of the cluster listens that it joins.
    joins: Option<u16>,
}

impl Node {
    /// The first node of a cluster.
    pub(crate) fn founder() -> Result<Self> {
        Ok(Self { listens: free_port()?, takes: [free_port()?, free_port()?], joins: None })
    }

    /// One that joins it.
    pub(crate) fn joined(self) -> Result<Self> {
        Ok(Self { joins: Some(self.listens), ..Self::founder()? })
    }

    /// Makes the data folder; who joins gets its content from the others.
    pub(crate) fn initialise(self, server: &Server) -> Result<()> {
        match self.joins {
            None => initialise(server),
            Some(_) => run(unprivileged(Path::new("mkdir"))?.arg(server.data())),
        }
    }

    /// What starts the server as this node.
    pub(crate) fn command(self, server: &Server) -> Result<Command> {
        let Self { listens, takes: [missed, all], joins } = self;
        let mut command = command(server)?;
        match joins {
            None => command.args(["--wsrep-new-cluster", "--wsrep-cluster-address=gcomm://"]),
            Some(joins) => command.arg(format!("--wsrep-cluster-address=gcomm://127.0.0.1:{joins}")),
        };
        command.args([
            "--wsrep-on=ON",
            "--wsrep-node-address=127.0.0.1",
            "--wsrep-sst-method=rsync",
            "--binlog-format=ROW",
            "--innodb-autoinc-lock-mode=2",
        ]);
        let addresses =
            format!("gmcast.listen_addr=tcp://127.0.0.1:{listens};ist.recv_addr=127.0.0.1:{missed}");
        command
            .arg(format!("--wsrep-provider={GALERA}"))
            .arg(format!("--wsrep-provider-options={addresses}"));
        command.arg(format!("--wsrep-sst-receive-address=127.0.0.1:{all}"));
        Ok(command)
    }
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

/// Whether a node takes statements: while it is not one of the cluster it refuses all.
pub(crate) fn is_joined(server: &Server) -> Result<bool> {
    let mut asked = client(server, "mariadb");
    let output = asked.args(["--execute", "SELECT 1"]).output().context("mariadb cannot be run")?;
    Ok(output.status.success())
}

/// Waits for a database that another node made: the nodes make changes of the schema in one order.
pub(crate) fn await_database(server: &Server, name: &str) -> Result<()> {
    run(client(server, "mariadb").arg("--execute").arg(format!("CREATE DATABASE IF NOT EXISTS {name}")))
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
