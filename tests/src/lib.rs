//! What whole-system tests, examples and benches share: the upstream simulator, deterministic simulation, and chaos
//! among real processes.

pub mod chaos;
mod dice;
pub mod simulation;
pub mod upstreams;
