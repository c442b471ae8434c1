//! What the store relies on of each database when several connections use it at once: small tests with plain
//! connections, so that a release of a database that behaves otherwise is noticed here and not in somebody's balance.

#[cfg(any(feature = "mysql", feature = "postgres"))]
mod servers;
mod sqlite;
