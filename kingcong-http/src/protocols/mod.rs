//! One file for each protocol: what is sent, what is read, and what each refusal means.

pub(crate) mod ai33;
pub(crate) mod ai84;
pub(crate) mod elevenlabs;
pub(crate) mod minimax;
