//! Private database servers for tests.
//!
//! A [`Server`] is a real server with a cluster of its own in a temporary folder, on a free loopback port, with full
//! durability. It can be killed and started again, and it makes fresh databases. It ends, and its folder goes, when
//! it is dropped or when the process that started it ends, however that ends.
//!
//! `Kind` knows what one kind of server does in its own way, `keeper` is the small process beside a server
//! that outlives ours, `install` finds the programs or installs them.
//!
//! A [`Proxy`] in front of a server cuts connections to it; a [`Pooler`] shares a few among many clients.
//!
//! ```no_run
//! let server = kingcong_servers::Server::postgres()?;
//! let url = server.fresh_database()?;
//! # Ok::<(), anyhow::Error>(())
//! ```

mod install;
mod keeper;
mod mariadb;
mod pooler;
mod postgres;
mod proxy;

use std::{
    net::{Ipv4Addr, SocketAddr, TcpListener},
    path::{Path, PathBuf},
    sync::atomic::{AtomicU32, Ordering},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};

use keeper::{Keeper, run, unprivileged};
pub use pooler::{Pooler, Pooling};
pub use proxy::{Cut, Proxy};

/// Who owns the databases; everybody on the machine may log in as them.
const USER: &str = "kingcong";
/// The one whose password is asked for, once somebody has made them.
pub const GUARDED_USER: &str = "guarded";
/// A server that has these files speaks TLS.
const CERTIFICATE: &str = "tls.crt";
const PRIVATE_KEY: &str = "tls.key";
/// How long a server may take until it answers, also after a kill.
const START_MAX: Duration = Duration::from_secs(60);
/// The first port of a server, and how many there are: below those of connections, which begin at 32,768 on Linux
/// (`net.ipv4.ip_local_port_range`) and at 49,152 elsewhere (RFC 6335).
const PORT_MIN: u16 = 10_000;
const PORTS: u32 = 22_000;
/// How far the first ports of two processes are from each other that were started one after the other.
const PORTS_APART: u32 = 251;
/// How often a starting server is asked whether it answers.
const START_POLL: Duration = Duration::from_millis(20);

/// A program, by its name; where it is not on the path, Debian's package of that name is installed (as root).
///
/// # Errors
/// When it cannot be installed; the error says what to do.
pub fn program(name: &str, package: &str) -> Result<PathBuf> {
    Ok(install::programs(name, "", package)?.join(name))
}

/// A kind of server: what each does in its own way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Postgres,
    MariaDb,
    /// MariaDB as a node of a Galera cluster.
    Galera(mariadb::Node),
}

/// A running server with a cluster of its own.
#[derive(Debug)]
pub struct Server {
    kind: Kind,
    /// Where its programs are.
    programs: PathBuf,
    cluster: PathBuf,
    port: u16,
    /// None while the server is killed.
    keeper: Option<Keeper>,
    databases: AtomicU32,
}

impl Server {
    /// Starts a PostgreSQL server, and installs it first where it is not (Debian, as root).
    ///
    /// # Errors
    /// When it cannot be installed or does not start; the error says what to do.
    pub fn postgres() -> Result<Self> {
        let programs = install::programs("postgres", "/usr/lib/postgresql", "postgresql")?;
        Self::start(Kind::Postgres, programs)
    }

    /// Starts a MariaDB server, and installs it first where it is not (Debian, as root).
    ///
    /// # Errors
    /// When it cannot be installed or does not start; the error says what to do.
    pub fn mariadb() -> Result<Self> {
        let programs = install::programs("mariadbd", "/usr/lib/mariadb", "mariadb-server")?;
        Self::start(Kind::MariaDb, programs)
    }

    /// Starts a Galera cluster of two MariaDB servers: see [`Server::mariadb`]. The first has what the second copies.
    ///
    /// # Errors
    /// When they cannot be installed or do not start; the error says what to do.
    pub fn galera() -> Result<[Self; 2]> {
        let programs = install::programs("mariadbd", "/usr/lib/mariadb", "mariadb-server")?;
        let founder = mariadb::Node::founder()?;
        let first = Self::start(Kind::Galera(founder), programs.clone())?;
        let second = Self::start(Kind::Galera(founder.joined()?), programs)?;
        Ok([first, second])
    }

    fn start(kind: Kind, programs: PathBuf) -> Result<Self> {
        let cluster = keeper::private_folder()?;
        let mut server =
            Self { kind, programs, cluster, port: free_port()?, keeper: None, databases: AtomicU32::new(0) };
        match kind {
            Kind::Postgres => postgres::initialise(&server)?,
            Kind::MariaDb => mariadb::initialise(&server)?,
            Kind::Galera(node) => node.initialise(&server)?,
        }
        server.restart()?;
        Ok(server)
    }

    /// Kills the server, as a crash of the machine's power would: `kill -9`.
    ///
    /// # Errors
    /// When it does not run.
    pub fn kill(&mut self) -> Result<()> {
        self.keeper.take().context("the server does not run: restart it first")?.kill()
    }

    /// Starts the server again, on the same port with the same data.
    ///
    /// # Errors
    /// When it runs, or does not answer in time; the error holds its log.
    pub fn restart(&mut self) -> Result<()> {
        if self.keeper.is_some() {
            bail!("the server runs: kill it first");
        }
        let started = Instant::now();
        // What a killed server left running may be in the way for a moment: then the new one ends, and is tried again.
        while started.elapsed() < START_MAX {
            let keeper = match self.kind {
                Kind::Postgres => Keeper::start(&self.cluster, postgres::command(self))?,
                Kind::MariaDb => Keeper::start(&self.cluster, mariadb::command(self))?,
                Kind::Galera(node) => Keeper::start(&self.cluster, node.command(self))?,
            };
            while started.elapsed() < START_MAX && keeper.runs() {
                if self.answers()? {
                    self.keeper = Some(keeper);
                    return Ok(());
                }
                std::thread::sleep(START_POLL);
            }
            drop(keeper);
            std::thread::sleep(START_POLL);
        }
        bail!("the server does not answer; its log:\n{}", self.log())
    }

    /// Starts the server again with a certificate of its own: its file, which clients may trust.
    ///
    /// # Errors
    /// When openssl cannot make one, or the server does not start with it.
    pub fn restart_with_tls(&mut self) -> Result<PathBuf> {
        self.kill()?;
        let (certificate, key) = (self.file(CERTIFICATE), self.file(PRIVATE_KEY));
        let mut command = unprivileged(Path::new("openssl"))?;
        command.args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]);
        command.args(["-days", "2", "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"]);
        // Not one that could vouch for others, which is no server's.
        command.args(["-addext", "basicConstraints=critical,CA:FALSE"]);
        run(command.arg("-keyout").arg(&key).arg("-out").arg(&certificate))?;
        self.restart()?;
        Ok(certificate)
    }

    /// A new, empty database: its URL.
    ///
    /// # Errors
    /// When the server does not make it.
    pub fn fresh_database(&self) -> Result<String> {
        self.create(None)
    }

    /// A database of another node of the cluster on this one, which has it then: its URL.
    ///
    /// # Errors
    /// When this is no node, or it does not get the database.
    pub fn same_database(&self, url: &str) -> Result<String> {
        let Kind::Galera(_) = self.kind else { bail!("the server is no node of a cluster") };
        let name = url.rsplit('/').next().context("the URL names no database")?;
        mariadb::await_database(self, name)?;
        Ok(self.url(name))
    }

    /// A new database with the content of another one of this server, to which nobody is connected: its URL.
    ///
    /// # Errors
    /// When the server does not make it.
    pub fn copied_database(&self, url: &str) -> Result<String> {
        let name = url.rsplit('/').next().context("the URL names no database")?;
        self.create(Some(name))
    }

    fn create(&self, template: Option<&str>) -> Result<String> {
        let name = format!("kingcong_{}", self.databases.fetch_add(1, Ordering::Relaxed));
        match self.kind {
            Kind::Postgres => postgres::create(self, &name, template)?,
            Kind::MariaDb | Kind::Galera(_) => mariadb::create(self, &name, template)?,
        }
        Ok(self.url(&name))
    }

    fn url(&self, database: &str) -> String {
        match self.kind {
            Kind::Postgres => format!("postgres://{USER}@127.0.0.1:{}/{database}", self.port),
            Kind::MariaDb | Kind::Galera(_) => {
                format!("mariadb://{}@127.0.0.1:{}/{database}", mariadb::USER, self.port)
            }
        }
    }

    /// Where the server listens, while it runs.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.port).into()
    }

    /// The server's process, while it runs.
    #[must_use]
    pub fn process_id(&self) -> Option<u32> {
        self.keeper.as_ref().map(Keeper::server)
    }

    fn answers(&self) -> Result<bool> {
        match self.kind {
            Kind::Postgres => postgres::answers(self),
            Kind::MariaDb => mariadb::answers(self),
            Kind::Galera(_) => Ok(mariadb::answers(self)? && mariadb::is_joined(self)?),
        }
    }

    fn program(&self, name: &str) -> PathBuf {
        self.programs.join(name)
    }

    fn data(&self) -> PathBuf {
        self.file("data")
    }

    fn file(&self, name: &str) -> PathBuf {
        self.cluster.join(name)
    }

    /// Its certificate and private key, if it is to speak TLS.
    fn tls(&self) -> Option<[PathBuf; 2]> {
        let files = [CERTIFICATE, PRIVATE_KEY].map(|name| self.file(name));
        files.iter().all(|file| file.exists()).then_some(files)
    }

    fn log(&self) -> String {
        std::fs::read_to_string(log_of(&self.cluster)).unwrap_or_default()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.keeper.take());
        // A leftover of a temporary folder does no harm.
        let _ = std::fs::remove_dir_all(&self.cluster);
    }
}

/// A server's log, in its folder.
fn log_of(cluster: &Path) -> PathBuf {
    cluster.join("log")
}

/// A port that nobody listens on now. While a server is killed its port is nobody's: so it is none of those that
/// systems give to whoever connects somewhere, and processes of tests begin far from each other.
fn free_port() -> Result<u16> {
    static ASKED: AtomicU32 = AtomicU32::new(0);
    let first =
        std::process::id().wrapping_mul(PORTS_APART).wrapping_add(ASKED.fetch_add(1, Ordering::Relaxed));
    let mut ports =
        (0..PORTS).map(|step| PORT_MIN + u16::try_from(first.wrapping_add(step) % PORTS).unwrap_or(0));
    let free = ports.find(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok());
    free.context("no loopback port is free")
}
