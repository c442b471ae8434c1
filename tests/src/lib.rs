//! What whole-system tests, examples and benches share: the upstream simulator.

pub mod upstreams;
