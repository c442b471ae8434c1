//! What PostgreSQL does in its own way.

use std::process::{Command, Stdio};

use anyhow::Result;

use crate::{
    GUARDED_USER, Server, USER,
    keeper::{run, unprivileged},
};

/// Makes the cluster.
pub(crate) fn initialise(server: &Server) -> Result<()> {
    let mut command = unprivileged(&server.program("initdb"))?;
    command
        .arg("--pgdata")
        .arg(server.data())
        .args(["--username", USER, "--auth", "trust", "--encoding", "UTF8", "--no-locale"])
        // The copy into the new cluster alone; the server itself writes durably.
        .arg("--no-sync");
    run(&mut command)?;
    // The first rule that fits counts.
    let rules = server.data().join("pg_hba.conf");
    let trust = std::fs::read_to_string(&rules)?;
    std::fs::write(&rules, format!("host all {GUARDED_USER} 127.0.0.1/32 scram-sha-256\n{trust}"))?;
    Ok(())
}

/// What starts the server.
pub(crate) fn command(server: &Server) -> Result<Command> {
    let mut command = unprivileged(&server.program("postgres"))?;
    command.arg("-D").arg(server.data()).arg("-p").arg(server.port.to_string());
    for setting in [
        "listen_addresses=127.0.0.1",
        "unix_socket_directories=",
        "fsync=on",
        "full_page_writes=on",
        "synchronous_commit=on",
        "max_connections=200",
    ] {
        command.args(["-c", setting]);
    }
    if let Some([certificate, key]) = server.tls() {
        command.args(["-c", "ssl=on", "-c"]).arg(format!("ssl_cert_file={}", certificate.display()));
        command.arg("-c").arg(format!("ssl_key_file={}", key.display()));
    }
    Ok(command)
}

pub(crate) fn answers(server: &Server) -> Result<bool> {
    let mut command = Command::new(server.program("pg_isready"));
    command.args(["--host", "127.0.0.1", "--quiet", "--username", USER, "--dbname", "postgres", "--port"]);
    command.arg(server.port.to_string()).stdin(Stdio::null());
    Ok(command.status()?.success())
}

/// Makes a database, with the content of another one if it is named.
pub(crate) fn create(server: &Server, name: &str, template: Option<&str>) -> Result<()> {
    let mut command = Command::new(server.program("createdb"));
    command.args(["--host", "127.0.0.1", "--username", USER, "--maintenance-db", "postgres", "--port"]);
    command.arg(server.port.to_string());
    command.args(["--template", template.unwrap_or("template0")]).arg(name);
    run(&mut command)
}
