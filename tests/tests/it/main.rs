//! Whole-system tests, in one binary.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod bad_input;
mod bad_upstream;
mod capabilities;
mod clock;
mod crash;
mod engine;
mod failures;
mod galera;
mod keeping_secrets;
mod outage;
mod patience;
mod players;
mod polls;
mod secrets;
mod simulation;
mod simulator;
mod whose;
