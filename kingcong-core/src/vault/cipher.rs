//! The building blocks: AES-256-GCM, HKDF-SHA256 and HMAC-SHA256, each in the one way the vault uses it, and the
//! unambiguous encoding of what they bind.

use std::fmt;

use aes_gcm::{AeadInOut, Aes256Gcm, KeyInit};
use hkdf::Hkdf;
use hmac::{Hmac, Mac};
use secrecy::{ExposeSecret, SecretBox};
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::id::Entropy;

/// Length of every key of the vault in bytes.
pub const KEY_BYTES: usize = 32;
/// Length of an AES-GCM nonce in bytes.
pub const NONCE_BYTES: usize = 12;
/// What AES-GCM adds to a text, in bytes.
pub(super) const TAG_BYTES: usize = 16;

/// A 256-bit key in memory: wiped when dropped, without `Serialize`, its `Debug` shows nothing of it.
pub struct KeyBytes(SecretBox<[u8; KEY_BYTES]>);

impl KeyBytes {
    /// The key with these bytes. The caller's copy is the caller's to wipe.
    #[must_use]
    pub fn new(bytes: &[u8; KEY_BYTES]) -> Self {
        Self::filled(|key| key.copy_from_slice(bytes))
    }

    /// A new random key.
    #[must_use]
    pub fn generate(entropy: &dyn Entropy) -> Self {
        Self::filled(|key| entropy.fill(key))
    }

    /// The key's bytes, for the one place that needs them.
    #[must_use]
    pub fn expose(&self) -> &[u8; KEY_BYTES] {
        self.0.expose_secret()
    }

    /// Written in place, so that no copy stays behind.
    fn filled(fill: impl FnOnce(&mut [u8])) -> Self {
        Self(SecretBox::init_with_mut(|key: &mut [u8; KEY_BYTES]| fill(key)))
    }
}

impl fmt::Debug for KeyBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyBytes([redacted])")
    }
}

/// The key that HKDF-SHA256 derives from `root` for `context` and a use named by `label`.
pub(super) fn derive(root: &KeyBytes, context: &[u8], label: &str) -> KeyBytes {
    KeyBytes::filled(|key| {
        Hkdf::<Sha256>::new(Some(context), root.expose())
            .expand(label.as_bytes(), key)
            .expect("32 bytes are far below what HKDF can give");
    })
}

/// HMAC-SHA256.
pub(super) fn mac(key: &KeyBytes, message: &[u8]) -> [u8; 32] {
    let mut mac = Hmac::<Sha256>::new_from_slice(key.expose()).expect("HMAC takes keys of every length");
    mac.update(message);
    mac.finalize().into_bytes().into()
}

/// AES-256-GCM: the encrypted text and its tag.
pub(super) fn encrypt(key: &KeyBytes, nonce: &[u8; NONCE_BYTES], associated: &[u8], plain: &[u8]) -> Vec<u8> {
    // With room for the tag from the start, the buffer never moves and leaves no plain copy behind.
    let mut buffer = Vec::with_capacity(plain.len() + TAG_BYTES);
    buffer.extend_from_slice(plain);
    Aes256Gcm::new(key.expose().into())
        .encrypt_in_place(nonce.into(), associated, &mut buffer)
        .expect("what the vault encrypts is far below AES-GCM's 64 GiB");
    buffer
}

/// The text that [`encrypt`] was given; `None` if key, nonce, associated data or encrypted text differ.
pub(super) fn decrypt(
    key: &KeyBytes,
    nonce: &[u8; NONCE_BYTES],
    associated: &[u8],
    encrypted: &[u8],
) -> Option<Zeroizing<Vec<u8>>> {
    let mut buffer = Zeroizing::new(encrypted.to_vec());
    Aes256Gcm::new(key.expose().into()).decrypt_in_place(nonce.into(), associated, &mut *buffer).ok()?;
    Some(buffer)
}

/// The fields one after the other, each after its length: no two lists of fields give the same bytes.
pub(super) fn fields(fields: &[&[u8]]) -> Vec<u8> {
    // A field may be secret: with room for all from the start, the buffer never moves and leaves no copy behind.
    let mut bytes = Vec::with_capacity(fields.iter().map(|field| 8 + field.len()).sum());
    for field in fields {
        bytes.extend_from_slice(&(field.len() as u64).to_be_bytes());
        bytes.extend_from_slice(field);
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_differ_when_cut_differently() {
        assert_ne!(fields(&[b"ab", b"c"]), fields(&[b"a", b"bc"]));
        assert_ne!(fields(&[b"ab", b""]), fields(&[b"ab"]));
    }

    #[test]
    fn a_key_prints_nothing_of_itself() {
        assert_eq!(format!("{:?}", KeyBytes::new(&[7; KEY_BYTES])), "KeyBytes([redacted])");
    }

    #[test]
    fn derived_keys_differ_by_root_context_and_label() {
        let roots = [KeyBytes::new(&[1; KEY_BYTES]), KeyBytes::new(&[2; KEY_BYTES])];
        let mut derived = std::collections::BTreeSet::new();
        for root in &roots {
            for context in [&b"a"[..], b"b"] {
                for label in ["seal", "commit"] {
                    derived.insert(*derive(root, context, label).expose());
                }
            }
        }
        assert_eq!(derived.len(), 8);
    }
}
