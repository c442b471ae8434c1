//! Why a database was not opened.

use kingcong_core::store::StoreError;

/// Why a database was not opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// No database of that kind is known.
    #[error(
        "{scheme:?} is no known kind of database: begin the URL with sqlite://, postgres://, mysql:// or \
         mariadb://, as in sqlite://kingcong.db"
    )]
    UnknownScheme {
        /// What the URL began with.
        scheme: String,
    },
    /// The database's support was not compiled in.
    #[error("{database} support is switched off: build kingcong-sqlx with its feature {feature:?}")]
    SwitchedOff {
        /// The database.
        database: &'static str,
        /// The feature to switch on.
        feature: &'static str,
    },
    /// A URL that names nothing.
    #[error("{url:?} names no database file: write it as sqlite://path/to/kingcong.db, or sqlite::memory:")]
    NoPath {
        /// What was given.
        url: String,
    },
    /// A server's URL that names no database on it.
    #[error(
        "the URL names no database: write it as mysql://user:password@host/database, and make that one first"
    )]
    NoDatabase,
    /// The tables were made by a newer release.
    #[error(
        "the tables have version {found} and this release knows versions up to {known}: use the release that made \
         them, or a newer one"
    )]
    NewerTables {
        /// The version of the tables.
        found: i64,
        /// The newest version that this release knows.
        known: i64,
    },
    /// A table is not as this release made it.
    #[error(
        "{table}.{column} {}: somebody altered the table; undo that, or restore a backup",
        found.as_ref().map_or("is missing".to_owned(), |found| format!("has the type {found}"))
    )]
    AlteredTable {
        /// The table.
        table: &'static str,
        /// The column.
        column: &'static str,
        /// The type that it has; none when it is not there.
        found: Option<String>,
    },
    /// The SQLite library can corrupt files in WAL mode.
    #[error("SQLite {found} can corrupt files in WAL mode: link SQLite 3.51.3 or newer")]
    OldSqlite {
        /// Its version.
        found: String,
    },
    /// The server's release lacks what is needed.
    #[error("{database} {found} is too old: use version {least} or newer")]
    OldServer {
        /// The database.
        database: &'static str,
        /// Its version.
        found: String,
        /// The oldest one that will do.
        least: &'static str,
    },
    /// The server refuses statements as long as ours may be.
    #[error("the server takes at most {found} bytes at once: set its max_allowed_packet to {least} or more")]
    SmallPackets {
        /// What the server takes, in bytes.
        found: u64,
        /// What is needed, in bytes.
        least: u64,
    },
    /// The server is a node of a Galera cluster, and several of its nodes may be written to.
    #[error(
        "the server is a node of a Galera cluster (wsrep_on), where locks hold on one node alone: have all processes \
         write to one node, and say so with ?galera=one-writer at the end of the URL"
    )]
    SeveralWriters,
    /// The file cannot be used in WAL mode.
    #[error("the file cannot be used in WAL mode ({found:?}): put it on a local file system")]
    NoWal {
        /// The mode that it has.
        found: String,
    },
    /// It could not be opened or read.
    #[error("{what}")]
    Unusable {
        /// What went wrong, and what to do.
        what: String,
        /// The cause.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// Its tables could not be made or upgraded.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Whether a server was reached and TLS with it failed. A certificate that is refused comes as data that is invalid.
#[cfg(any(feature = "mysql", feature = "postgres"))]
pub(crate) fn is_of_tls(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Tls(_) => true,
        sqlx::Error::Io(error) => error.kind() == std::io::ErrorKind::InvalidData,
        _ => false,
    }
}
