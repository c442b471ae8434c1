//! Tests of whole rooms of the core through its public doors: the laws of stores, and models that know the rules
//! independently of the code.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking, its helpers too")]

#[cfg(unix)]
mod disk;
mod fairness;
mod giving;
mod jobs;
mod laws;
mod leases;
mod ledger;
mod results;
mod undeliverable;
