//! The doors as data, knocked at as a face knocks.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod doors;
mod host;
mod problems;
