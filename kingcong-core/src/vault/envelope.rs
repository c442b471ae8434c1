//! Sealed secrets: what is stored in place of a secret, and what it is bound to.
//!
//! An envelope is these bytes, one after the other:
//!
//! | bytes | what |
//! |---|---|
//! | 4 | `KCv1`: magic |
//! | 1 | format, 1 |
//! | 1 | algorithm, 1: AES-256-GCM under keys derived with HKDF-SHA256 |
//! | 4 | data key version, big-endian |
//! | 32 | key commitment |
//! | 12 | nonce |
//! | rest | encrypted secret and 16 bytes of tag |
//!
//! Each secret version has an encryption key of its own, derived from the data key, so that a random nonce is safe
//! whatever the number of secrets. AES-GCM alone lets one text open under two keys: the commitment, a second key
//! derived alike, rules that out.

use std::fmt;

use subtle::ConstantTimeEq;

use super::{
    cipher::{KeyBytes, NONCE_BYTES, TAG_BYTES, decrypt, derive, encrypt, fields},
    context::{DataKeyContext, DataKeyUse},
    data_key::OpenDataKey,
    secret::{SECRET_BYTES_MAX, SECRET_BYTES_MIN, Secret},
    version::{DataKeyVersion, SecretVersion},
};
use crate::id::{KeyId, TenantId};

const MAGIC: [u8; 4] = *b"KCv1";
const FORMAT: u8 = 1;
const ALGORITHM: u8 = 1;
const COMMITMENT_BYTES: usize = 32;
const HEADER_BYTES: usize = MAGIC.len() + 2 + 4 + COMMITMENT_BYTES + NONCE_BYTES;

/// Shortest envelope in bytes.
pub const ENVELOPE_BYTES_MIN: usize = HEADER_BYTES + SECRET_BYTES_MIN + TAG_BYTES;
/// Longest envelope in bytes.
pub const ENVELOPE_BYTES_MAX: usize = HEADER_BYTES + SECRET_BYTES_MAX + TAG_BYTES;

/// What a sealed secret is used as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Purpose {
    /// The credential of an upstream key.
    UpstreamKey,
}

impl Purpose {
    const fn code(self) -> &'static str {
        match self {
            Self::UpstreamKey => "upstream-key",
        }
    }
}

/// What a sealed secret belongs to: it opens for exactly this.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Binding {
    /// Whose it is. Keys that the operator shares with everyone are the main tenant's.
    pub tenant: TenantId,
    /// The key that it is the secret of.
    pub key: KeyId,
    /// Which of the key's secrets.
    pub version: SecretVersion,
    /// What it is used as.
    pub purpose: Purpose,
}

impl Binding {
    /// What the encryption authenticates beside the secret. The envelope's own fields are in it too.
    fn associated_data(&self, data_key: &DataKeyContext) -> Vec<u8> {
        fields(&[
            b"kingcong/v1/envelope",
            &[FORMAT],
            &[ALGORITHM],
            self.tenant.as_str().as_bytes(),
            self.key.as_uuid().as_bytes(),
            &self.version.get().to_be_bytes(),
            data_key.id.as_uuid().as_bytes(),
            &data_key.version.get().to_be_bytes(),
            self.purpose.code().as_bytes(),
        ])
    }

    /// The key that encrypts this secret version, and the one that commits to it.
    fn keys(&self, data_key: &OpenDataKey) -> (KeyBytes, KeyBytes) {
        let salt = fields(&[self.key.as_uuid().as_bytes(), &self.version.get().to_be_bytes()]);
        (
            derive(&data_key.plain, &salt, "kingcong/v1/seal"),
            derive(&data_key.plain, &salt, "kingcong/v1/commit"),
        )
    }
}

impl fmt::Display for Binding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "secret version {} of key {} of tenant {}", self.version.get(), self.key, self.tenant)
    }
}

/// A sealed secret, as it is stored. Its bytes tell nothing of the secret but its length.
///
/// Whoever can write to the table can write anything: whether stored bytes are an envelope at all is seen when they are
/// opened, so that one damaged row makes one key unreadable, and not every key of the store.
#[derive(Clone, PartialEq, Eq)]
pub struct Envelope(Vec<u8>);

impl Envelope {
    /// What is stored as one.
    #[must_use]
    pub const fn from_bytes(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }

    /// The bytes to store.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The version of the tenant's data key that sealed it.
    ///
    /// # Errors
    /// [`VaultError::NotAnEnvelope`] when the bytes cannot be one.
    pub fn data_key_version(&self) -> Result<DataKeyVersion, VaultError> {
        let bad = |why| VaultError::NotAnEnvelope { bytes: self.0.len(), why };
        if !(ENVELOPE_BYTES_MIN..=ENVELOPE_BYTES_MAX).contains(&self.0.len()) {
            return Err(bad("its length is impossible"));
        }
        let version = match self.0[..10] {
            [m0, m1, m2, m3, ..] if [m0, m1, m2, m3] != MAGIC => {
                return Err(bad("its first bytes are wrong"));
            }
            [_, _, _, _, FORMAT, ALGORITHM, v0, v1, v2, v3] => u32::from_be_bytes([v0, v1, v2, v3]),
            _ => return Err(bad("its format is not known to this release")),
        };
        DataKeyVersion::new(version).ok_or_else(|| bad("it names data key version 0"))
    }
}

impl fmt::Debug for Envelope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.data_key_version() {
            Ok(version) => write!(f, "Envelope({} bytes, data key version {})", self.0.len(), version.get()),
            Err(_) => write!(f, "Envelope({} bytes that are none)", self.0.len()),
        }
    }
}

/// Why the vault did not do what it was asked. None of these means that there is no secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum VaultError {
    /// Bytes that are no envelope.
    #[error("{bytes} stored bytes are not a sealed secret: {why}; restore the row from a backup")]
    NotAnEnvelope {
        /// How many bytes.
        bytes: usize,
        /// What is wrong with them.
        why: &'static str,
    },
    /// The keyring has no such data key.
    #[error(
        "the data key of {used_for}, version {}, is not open: open its row and insert it into the keyring; if the \
         row was erased, what it sealed is gone for good", .version.get()
    )]
    DataKeyMissing {
        /// What the data key is for.
        used_for: DataKeyUse,
        /// Its version; the first when a secret was to be sealed and there is none.
        version: DataKeyVersion,
    },
    /// The store lacks a data key that stored secrets need, so no other is made in its place.
    #[error(
        "the data key of {used_for}, version {}, is not in the store, and {keys} keys need it: restore table \
         kingcong_data_keys from a backup; if there is none, remove those keys and register their secrets again",
        .version.get()
    )]
    DataKeyLost {
        /// What the data key is for.
        used_for: DataKeyUse,
        /// The oldest version that is needed and missing.
        version: DataKeyVersion,
        /// How many keys need such a version.
        keys: usize,
    },
    /// The envelope does not open for this binding.
    #[error(
        "{binding} does not open: its stored bytes were altered, or come from the row of another tenant, key or \
         version; restore the row from a backup or add the key anew, and find out who wrote to the table"
    )]
    Tampered {
        /// What it was to open as.
        binding: Box<Binding>,
    },
}

/// Seals a secret. The data key is the binding's tenant's.
pub(super) fn seal(
    data_key: &OpenDataKey,
    secret: &Secret,
    binding: &Binding,
    nonce: [u8; NONCE_BYTES],
) -> Envelope {
    let (key, commitment) = binding.keys(data_key);
    let associated = binding.associated_data(&data_key.context);
    let mut bytes = Vec::with_capacity(HEADER_BYTES + secret.expose().len() + TAG_BYTES);
    bytes.extend_from_slice(&MAGIC);
    bytes.extend_from_slice(&[FORMAT, ALGORITHM]);
    bytes.extend_from_slice(&data_key.context.version.get().to_be_bytes());
    bytes.extend_from_slice(commitment.expose());
    bytes.extend_from_slice(&nonce);
    bytes.extend_from_slice(&encrypt(&key, &nonce, &associated, secret.expose().as_bytes()));
    Envelope(bytes)
}

/// Opens an envelope. The data key is the binding's tenant's, of the envelope's version.
pub(super) fn open(
    data_key: &OpenDataKey,
    envelope: &Envelope,
    binding: &Binding,
) -> Result<Secret, VaultError> {
    let open = || {
        let sealed = envelope.0.get(HEADER_BYTES - NONCE_BYTES - COMMITMENT_BYTES..)?;
        let (stored_commitment, sealed) = sealed.split_first_chunk::<COMMITMENT_BYTES>()?;
        let (nonce, encrypted) = sealed.split_first_chunk()?;
        let (key, commitment) = binding.keys(data_key);
        if !bool::from(commitment.expose().ct_eq(stored_commitment)) {
            return None;
        }
        let plain = decrypt(&key, nonce, &binding.associated_data(&data_key.context), encrypted)?;
        Secret::parse(std::str::from_utf8(&plain).ok()?).ok()
    };
    open().ok_or_else(|| VaultError::Tampered { binding: Box::new(binding.clone()) })
}
