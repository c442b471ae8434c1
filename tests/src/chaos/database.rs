//! The database of a run: a file, a private server behind a proxy that cuts connections, or somebody's server.

use std::{fmt, path::Path, str::FromStr, sync::Arc};

use anyhow::{Context as _, Result, bail};
use kingcong_servers::{Cut, Proxy, Server};
use parking_lot::Mutex;
use tokio::task::JoinHandle;

use super::{host::StoreTime, plan::Exposure};
use crate::dice::Dice;

/// A connection that cuts itself does so after so many bytes at the latest.
const FRAYED_BYTES_MAX: u64 = 200_000;

/// Which database is to be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// A file in a temporary folder.
    Sqlite,
    /// A private PostgreSQL server.
    Postgres,
    /// A private MariaDB server.
    MariaDb,
    /// An empty database.
    Url(String),
}

impl FromStr for Target {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self> {
        match text {
            "sqlite" => return Ok(Self::Sqlite),
            "postgres" => return Ok(Self::Postgres),
            "mariadb" => return Ok(Self::MariaDb),
            _ => {}
        }
        // The rest of a URL may hold a password: only its beginning is repeated.
        let scheme = text.split(':').next().unwrap_or_default();
        match scheme {
            "sqlite" | "postgres" | "postgresql" | "mysql" | "mariadb" if text.contains("://") => {
                Ok(Self::Url(text.to_owned()))
            }
            _ => bail!("{scheme:?}: give sqlite, postgres, mariadb, or a URL of an empty database"),
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite => f.write_str("sqlite"),
            Self::Postgres => f.write_str("postgres"),
            Self::MariaDb => f.write_str("mariadb"),
            Self::Url(url) if url.starts_with("sqlite:") => f.write_str(url),
            // The rest may hold a password.
            Self::Url(url) => write!(f, "{}://…", url.split(':').next().unwrap_or_default()),
        }
    }
}

/// The database.
pub(super) struct Database {
    /// As the workers reach it.
    pub(super) url: String,
    /// As nothing is in between.
    pub(super) direct_url: String,
    pub(super) exposure: Exposure,
    pub(super) time: StoreTime,
    own: Option<Own>,
}

/// A private server, and what stands before it.
struct Own {
    server: Arc<Mutex<Server>>,
    proxy: Proxy,
    restarting: Option<JoinHandle<Result<()>>>,
}

impl Database {
    pub(super) fn start(target: &Target, folder: &Path) -> Result<Self> {
        let url = match target {
            Target::Sqlite => format!("sqlite://{}", folder.join("kingcong.db").display()),
            Target::Postgres => return Self::on(Server::postgres()?),
            Target::MariaDb => return Self::on(Server::mariadb()?),
            Target::Url(url) => url.clone(),
        };
        let (exposure, time) = match url.starts_with("sqlite:") {
            true => (Exposure::File, StoreTime::Machines),
            false => (Exposure::OthersServer, StoreTime::Servers),
        };
        Ok(Self { direct_url: url.clone(), url, exposure, time, own: None })
    }

    fn on(server: Server) -> Result<Self> {
        let direct_url = server.fresh_database()?;
        let place = direct_url.split(['@', '/']).find(|part| part.contains("127.0.0.1:"));
        let proxy = Proxy::to(place.context("the server has an address")?)?;
        let own = Own { server: Arc::new(Mutex::new(server)), proxy, restarting: None };
        Ok(Self {
            url: own.proxy.url(&direct_url)?,
            direct_url,
            exposure: Exposure::OwnServer,
            time: StoreTime::Servers,
            own: Some(own),
        })
    }

    fn own(&mut self) -> Result<&mut Own> {
        self.own.as_mut().context("only a private server can be killed or cut off")
    }

    /// From now on, half of the new connections cut themselves.
    pub(super) fn fray(&mut self, dice: Dice) {
        let Some(own) = &self.own else { return };
        own.proxy.cut_each(move || {
            let bytes = dice.between(0, FRAYED_BYTES_MAX);
            match dice.between(0, 9) {
                0..=4 => Cut::Never,
                5..=6 => Cut::AfterRequests { bytes },
                7..=8 => Cut::AfterAnswers { bytes },
                // The commit happens, and nobody hears of it.
                _ => Cut::Unanswered { text: "COMMIT" },
            }
        });
    }

    /// `kill -9` of the server, once an earlier restart is through.
    pub(super) async fn kill(&mut self) -> Result<()> {
        self.until_restarted().await?;
        let server = Arc::clone(&self.own()?.server);
        tokio::task::spawn_blocking(move || server.lock().kill()).await?
    }

    /// Begins to start it again.
    pub(super) fn restart(&mut self) -> Result<()> {
        let own = self.own()?;
        let server = Arc::clone(&own.server);
        own.restarting = Some(tokio::task::spawn_blocking(move || server.lock().restart()));
        Ok(())
    }

    async fn until_restarted(&mut self) -> Result<()> {
        match self.own()?.restarting.take() {
            Some(restarting) => restarting.await?,
            None => Ok(()),
        }
    }

    /// Cuts every connection to it.
    pub(super) fn sever(&mut self) -> Result<()> {
        self.own()?.proxy.sever();
        Ok(())
    }

    /// From now on it is there, and connections last; how many were cut.
    pub(super) async fn settle(&mut self) -> Result<u64> {
        let Some(own) = &self.own else { return Ok(0) };
        own.proxy.cut_each(|| Cut::Never);
        // Those that would cut themselves go now.
        own.proxy.sever();
        let cuts = own.proxy.cuts();
        self.until_restarted().await?;
        Ok(cuts)
    }
}
