//! The providers against small scripted servers: every refusal, every shape of body, every broken connection.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod ai33;
mod ai84;
mod elevenlabs;
mod limits;
mod minimax;
mod reach;
mod refusals;
mod secrets;
mod server;
mod transport;
