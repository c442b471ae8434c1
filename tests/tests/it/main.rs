//! Whole-system tests, in one binary.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod bad_input;
mod crash;
mod simulation;
mod simulator;
