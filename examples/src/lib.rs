//! Runnable examples; start with `cargo run --example quickstart`.
