//! KingCong's store on SQL databases.
//!
//! [`SqlStore`] is the core's [`Store`](kingcong_core::store::Store) port on SQLite, PostgreSQL, MySQL and MariaDB. It
//! is dumb by design: a batch is one transaction that passes the fence, loads the rows that the batch names, lets the
//! core decide, writes what changed and commits. Nothing here knows what a balance or a limit may be.
//!
//! Rooms: `rows` states the columns of the core's row types and reads rows by their names; `table` is what follows from
//! that for every table. `load`, `save` and `read` are the same for every database, `session` is what a database
//! offers them, and each database has a room of its own: `sqlite`, `postgres`, `mysql`. `archive` moves what is old
//! into files.

mod address;
mod archive;
mod cell;
mod columns;
mod error;
mod load;
#[cfg(feature = "mysql")]
mod mysql;
#[cfg(feature = "postgres")]
mod postgres;
mod private;
mod read;
mod rows;
mod save;
mod session;
#[cfg(feature = "sqlite")]
mod sqlite;
mod store;
mod table;
mod verify;

use std::{num::NonZeroU32, sync::Arc, time::Duration};

use kingcong_core::clock::Clock;

pub use archive::Archived;
pub use error::ConnectError;
pub use store::SqlStore;

/// How a database is opened.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Options {
    /// A clock that is read inside transactions in place of the database's own; where that has none, the machine's.
    pub clock: Option<Arc<dyn Clock>>,
    /// Most connections that read at once.
    pub readers_max: NonZeroU32,
    /// How long a batch waits for other processes that write.
    pub write_wait_max: Duration,
    /// Most pages that an SQLite file may have; as many as the disk holds when absent.
    pub sqlite_pages_max: Option<NonZeroU32>,
}

/// Most connections that read at once, by default.
pub const READERS_MAX: NonZeroU32 = NonZeroU32::new(4).expect("4 is not zero");
/// How long a batch waits for other processes that write, by default.
pub const WRITE_WAIT_MAX: Duration = Duration::from_secs(10);

impl Default for Options {
    fn default() -> Self {
        Self { clock: None, readers_max: READERS_MAX, write_wait_max: WRITE_WAIT_MAX, sqlite_pages_max: None }
    }
}

/// Opens the database of a URL.
async fn open(url: &str, options: &Options) -> Result<Box<dyn session::Database>, ConnectError> {
    let scheme = url.split(':').next().unwrap_or_default();
    match scheme {
        #[cfg(feature = "sqlite")]
        "sqlite" => Ok(Box::new(sqlite::Sqlite::open(url, options).await?)),
        #[cfg(not(feature = "sqlite"))]
        "sqlite" => Err(ConnectError::SwitchedOff { database: "SQLite", feature: "sqlite" }),
        #[cfg(feature = "postgres")]
        "postgres" | "postgresql" => Ok(Box::new(postgres::Postgres::open(url, options).await?)),
        #[cfg(not(feature = "postgres"))]
        "postgres" | "postgresql" => {
            Err(ConnectError::SwitchedOff { database: "PostgreSQL", feature: "postgres" })
        }
        #[cfg(feature = "mysql")]
        "mysql" | "mariadb" => Ok(Box::new(mysql::MySql::open(url, options).await?)),
        #[cfg(not(feature = "mysql"))]
        "mysql" | "mariadb" => Err(ConnectError::SwitchedOff { database: "MySQL", feature: "mysql" }),
        // The rest of the URL may hold a password: only the scheme is repeated.
        _ => Err(ConnectError::UnknownScheme { scheme: scheme.chars().take(32).collect() }),
    }
}
