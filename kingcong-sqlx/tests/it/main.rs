//! Tests of the store on real databases.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod archive;
mod damage;
mod databases;
mod history;
#[cfg(all(feature = "mysql", feature = "postgres"))]
mod idle;
mod isolation;
mod laws;
mod life;
#[cfg(feature = "mysql")]
mod mysql;
mod names;
mod opening;
#[cfg(feature = "postgres")]
mod postgres;
mod schema;
#[cfg(any(feature = "mysql", feature = "postgres"))]
mod servers;
mod several;
#[cfg(any(feature = "mysql", feature = "postgres"))]
mod severed;
mod upgrade;
mod words;
mod world;
