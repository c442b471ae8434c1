//! What whole-system tests, examples and benches share: the upstream simulator and deterministic simulation.

pub mod simulation;
pub mod upstreams;
pub mod workers;
