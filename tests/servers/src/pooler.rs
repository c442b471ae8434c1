//! PgBouncer in front of a PostgreSQL server.

use std::{
    fs,
    net::{Ipv4Addr, TcpStream},
    os::unix::fs::PermissionsExt as _,
    path::PathBuf,
    process::Command,
    time::Instant,
};

use anyhow::{Context as _, Result, bail, ensure};

use crate::{
    START_MAX, START_POLL, Server, USER, free_port, install,
    keeper::{Keeper, private_folder, unprivileged},
    log_of,
};

/// When a pooler gives a client's connection to the server to another client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pooling {
    /// When the client goes.
    Session,
    /// After each transaction.
    Transaction,
}

impl Pooling {
    const fn word(self) -> &'static str {
        match self {
            Self::Session => "session",
            Self::Transaction => "transaction",
        }
    }
}

/// A running PgBouncer, which ends when it is dropped or when the process that started it ends.
#[derive(Debug)]
pub struct Pooler {
    folder: PathBuf,
    port: u16,
    keeper: Option<Keeper>,
}

impl Pooler {
    /// The first version that keeps clients' prepared statements apart by transaction.
    pub const KEEPS_PREPARED: [u32; 2] = [1, 21];

    /// Starts PgBouncer with at most so many connections to the server, and installs it first where it is not (Debian,
    /// as root).
    ///
    /// # Errors
    /// When it cannot be installed or does not start; the error says what to do.
    pub fn start(server: &Server, pooling: Pooling, connections_max: u32) -> Result<Self> {
        let program = Self::program()?;
        let folder = private_folder()?;
        let port = free_port()?;
        let (users, settings) = (folder.join("users.txt"), folder.join("pgbouncer.ini"));
        fs::write(&users, format!("\"{USER}\" \"\"\n"))?;
        let keeps_prepared = Self::version()? >= Self::KEEPS_PREPARED;
        let prepared = if keeps_prepared { "max_prepared_statements = 512\n" } else { "" };
        let text = format!(
            "[databases]\n* = host=127.0.0.1 port={}\n\n[pgbouncer]\nlisten_addr = 127.0.0.1\n\
             listen_port = {port}\nunix_socket_dir =\nauth_type = trust\nauth_file = {}\npool_mode = {}\n\
             default_pool_size = {connections_max}\n{prepared}",
            server.address().port(),
            users.display(),
            pooling.word(),
        );
        fs::write(&settings, text)?;
        for file in [&users, &settings] {
            fs::set_permissions(file, fs::Permissions::from_mode(0o644))?;
        }
        let mut command = unprivileged(&program)?;
        command.arg(&settings);
        let keeper = Some(Keeper::start(&folder, Ok(command))?);
        let pooler = Self { folder, port, keeper };
        let started = Instant::now();
        while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err() {
            if started.elapsed() > START_MAX || !pooler.keeper.as_ref().is_some_and(Keeper::runs) {
                let log = fs::read_to_string(log_of(&pooler.folder)).unwrap_or_default();
                bail!("PgBouncer does not answer; its log:\n{log}");
            }
            std::thread::sleep(START_POLL);
        }
        Ok(pooler)
    }

    /// Its version: the first two numbers.
    ///
    /// # Errors
    /// When it cannot be installed or does not tell.
    pub fn version() -> Result<[u32; 2]> {
        let output = Command::new(Self::program()?).arg("--version").output()?;
        let told = String::from_utf8_lossy(&output.stdout);
        let number = told.split_whitespace().nth(1).with_context(|| format!("PgBouncer said {told:?}"))?;
        let parts: Vec<u32> = number.split('.').filter_map(|part| part.parse().ok()).collect();
        ensure!(parts.len() >= 2, "PgBouncer's version is {number:?}");
        Ok([parts[0], parts[1]])
    }

    /// The URL of a database of its server, through it.
    ///
    /// # Panics
    /// When `url` is none that a server here gave.
    #[must_use]
    pub fn url(&self, url: &str) -> String {
        let (front, rest) = url.rsplit_once(':').expect("a server's URL has a port");
        let (_, database) = rest.split_once('/').expect("a server's URL names a database");
        format!("{front}:{}/{database}", self.port)
    }

    fn program() -> Result<PathBuf> {
        Ok(install::programs("pgbouncer", "", "pgbouncer")?.join("pgbouncer"))
    }
}

impl Drop for Pooler {
    fn drop(&mut self) {
        drop(self.keeper.take());
        // A leftover of a temporary folder does no harm.
        let _ = fs::remove_dir_all(&self.folder);
    }
}
