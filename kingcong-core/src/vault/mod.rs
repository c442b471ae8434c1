//! Secrets: kept encrypted, wiped from memory, printed nowhere.
//!
//! Three layers of keys. The [`MasterKey`] never touches the database and wraps one data key per tenant
//! ([`DataKey`]); from a data key comes one encryption key per secret version; that seals the secret into an
//! [`Envelope`], bound to its tenant, key, version and purpose ([`Binding`]), so that a row copied elsewhere does
//! not open. A process keeps its open data keys in a [`Keyring`], which seals, opens and fingerprints.
//!
//! Everything here is pure but for the providers of master keys: ids, nonces and random keys are handed in.

mod cipher;
mod context;
mod data_key;
mod envelope;
mod keyring;
mod master;
mod secret;
mod version;

pub use cipher::{KEY_BYTES, KeyBytes, NONCE_BYTES};
pub use context::{DataKeyContext, DataKeyUse};
pub use data_key::{DataKey, OpenDataKey};
pub use envelope::{Binding, ENVELOPE_BYTES_MAX, ENVELOPE_BYTES_MIN, Envelope, Purpose, VaultError};
pub use keyring::{FINGERPRINT_BYTES, Fingerprint, FingerprintScope, Keyring};
pub use master::{
    MASTER_KEY_FILE_BYTES_MAX, MASTER_KEY_ID_BYTES_MAX, MasterKey, MasterKeyError, MasterKeyId,
    StaticMasterKey, WRAPPED_BYTES_MAX, Wrapped,
};
pub use secret::{
    InvalidSecret, MASK_CHARS_MIN, SCRUBBED, SECRET_BYTES_MAX, SECRET_BYTES_MIN, Secret, scrub,
};
pub use version::{DataKeyVersion, SecretVersion};

#[cfg(test)]
mod tests;
