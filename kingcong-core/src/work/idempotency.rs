//! Idempotency keys: the same key and payload give the same answer for ever, another payload is an error.

use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::id::TenantId;

/// A caller's key against doing something twice, and the hash of what it asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IdempotencyKey {
    /// The key, hashed with its scope.
    pub key: [u8; 32],
    /// The payload, hashed.
    pub payload: [u8; 32],
}

impl IdempotencyKey {
    /// Longest key in bytes.
    pub const BYTES_MAX: usize = 255;
    /// Part of every payload hash: a change of the encoding must not turn replays into conflicts unnoticed.
    const ENCODING: &str = "v1";

    /// The key `text` of `user` at one door, for this payload.
    ///
    /// # Errors
    /// When the text is empty or longer than [`Self::BYTES_MAX`].
    pub fn new(
        door: &'static str,
        tenant: &TenantId,
        owner: &str,
        text: &str,
        payload: &impl Serialize,
    ) -> Result<Self, InvalidIdempotencyKey> {
        if text.is_empty() || text.len() > Self::BYTES_MAX {
            return Err(InvalidIdempotencyKey { bytes: text.len() });
        }
        let payload = serde_json::to_vec(payload).expect("payloads are plain data with string keys");
        Ok(Self {
            key: hash(&[door.as_bytes(), tenant.as_str().as_bytes(), owner.as_bytes(), text.as_bytes()]),
            payload: hash(&[Self::ENCODING.as_bytes(), &payload]),
        })
    }
}

/// A text that cannot be an idempotency key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("idempotency key of {bytes} bytes must have 1 to {max}", max = IdempotencyKey::BYTES_MAX)]
pub struct InvalidIdempotencyKey {
    /// How long it is.
    pub bytes: usize,
}

fn hash(parts: &[&[u8]]) -> [u8; 32] {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    hash.finalize().into()
}
