//! Tests of the store on real databases.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod laws;
mod life;
#[cfg(feature = "postgres")]
mod postgres;
#[cfg(feature = "postgres")]
mod several;
mod world;
