//! The keyring: the open data keys of a process, and the vault's work with them.

use std::{collections::BTreeMap, fmt};

use zeroize::Zeroizing;

use super::{
    cipher::{NONCE_BYTES, fields, mac},
    context::DataKeyUse,
    data_key::OpenDataKey,
    envelope::{Binding, Envelope, VaultError, open, seal},
    secret::Secret,
    version::DataKeyVersion,
};
use crate::id::{ServerId, TenantId};

/// Length of a fingerprint in bytes.
pub const FINGERPRINT_BYTES: usize = 32;

/// Equal for equal secrets of one server and scope, and telling nothing else of them.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fingerprint([u8; FINGERPRINT_BYTES]);

impl Fingerprint {
    /// The fingerprint with these bytes, as they were stored.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; FINGERPRINT_BYTES]) -> Self {
        Self(bytes)
    }

    /// The bytes to store.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; FINGERPRINT_BYTES] {
        &self.0
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Fingerprint({}…)", base16ct::lower::encode_string(&self.0[..4]))
    }
}

/// Among whose secrets a fingerprint spots duplicates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FingerprintScope<'a> {
    /// One tenant's: nobody learns what another tenant has.
    Tenant(&'a TenantId),
    /// Everyone's: a secret that two tenants gave is seen to be one.
    Everyone,
}

/// The open data keys of a process. Seals, opens and fingerprints secrets.
///
/// ```
/// use kingcong_core::{
///     clock::Timestamp,
///     id::{DataKeyId, Entropy, KeyId, SystemEntropy, TenantId},
///     vault::*,
/// };
///
/// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
/// let master = StaticMasterKey::new(KeyBytes::generate(&SystemEntropy));
/// let tenant = TenantId::main();
///
/// // Once per tenant: a data key, stored wrapped.
/// let context = DataKeyContext {
///     id: DataKeyId::from_uuid("01932c07-6f2a-7c40-8a3e-6d1f5b0c9e21".parse()?),
///     used_for: DataKeyUse::Tenant(tenant.clone()),
///     version: DataKeyVersion::FIRST,
/// };
/// let row = OpenDataKey::generate(context, &SystemEntropy).wrap(&master, Timestamp::EPOCH).await?;
///
/// // At every start: the rows are opened.
/// let mut keyring = Keyring::default();
/// keyring.insert(row.open(&master).await?);
///
/// let binding = Binding {
///     tenant,
///     key: KeyId::from_uuid("01932c07-6f2a-7c40-8a3e-000000000001".parse()?),
///     version: SecretVersion::FIRST,
///     purpose: Purpose::UpstreamKey,
/// };
/// let mut nonce = [0; NONCE_BYTES];
/// SystemEntropy.fill(&mut nonce);
/// let secret = Secret::parse("sk-upstream-0123456789")?;
/// let sealed = keyring.seal(&secret, &binding, nonce)?;
/// assert_eq!(keyring.open(&sealed, &binding)?, secret);
///
/// // Moved into another key's row it does not open.
/// let other = Binding { version: SecretVersion::new(2).unwrap(), ..binding };
/// assert!(matches!(keyring.open(&sealed, &other), Err(VaultError::Tampered { .. })));
/// # Ok::<(), Box<dyn std::error::Error>>(()) })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Default)]
pub struct Keyring {
    keys: BTreeMap<(DataKeyUse, DataKeyVersion), OpenDataKey>,
}

impl Keyring {
    /// Takes an open data key, in place of one of the same use and version.
    pub fn insert(&mut self, key: OpenDataKey) {
        self.keys.insert((key.context().used_for.clone(), key.context().version), key);
    }

    /// Wipes a tenant's data keys from memory. Once their rows are deleted too, and from backups, what they sealed
    /// is gone for good.
    pub fn forget(&mut self, tenant: &TenantId) {
        self.keys
            .retain(|(used_for, _), _| !matches!(used_for, DataKeyUse::Tenant(other) if other == tenant));
    }

    /// Whether this version of a use's data key is open.
    #[must_use]
    pub fn has(&self, used_for: &DataKeyUse, version: DataKeyVersion) -> bool {
        self.keys.contains_key(&(used_for.clone(), version))
    }

    /// The newest data key for this use.
    #[must_use]
    pub fn newest(&self, used_for: &DataKeyUse) -> Option<&OpenDataKey> {
        let versions = (used_for.clone(), DataKeyVersion::FIRST)..=(used_for.clone(), DataKeyVersion::LAST);
        self.keys.range(versions).next_back().map(|(_, key)| key)
    }

    /// Seals a secret with its tenant's newest data key. The nonce is random, and new for each call.
    ///
    /// # Errors
    /// [`VaultError::DataKeyMissing`].
    pub fn seal(
        &self,
        secret: &Secret,
        binding: &Binding,
        nonce: [u8; NONCE_BYTES],
    ) -> Result<Envelope, VaultError> {
        let used_for = DataKeyUse::Tenant(binding.tenant.clone());
        match self.newest(&used_for) {
            Some(key) => Ok(seal(key, secret, binding, nonce)),
            None => Err(VaultError::DataKeyMissing { used_for, version: DataKeyVersion::FIRST }),
        }
    }

    /// Opens a sealed secret, for exactly what it was sealed for.
    ///
    /// # Errors
    /// [`VaultError::NotAnEnvelope`]; [`VaultError::DataKeyMissing`]; [`VaultError::Tampered`] when the envelope was
    /// altered or is another row's.
    pub fn open(&self, envelope: &Envelope, binding: &Binding) -> Result<Secret, VaultError> {
        let key = self.get(DataKeyUse::Tenant(binding.tenant.clone()), envelope.data_key_version()?)?;
        open(key, envelope, binding)
    }

    /// The fingerprint of a server's secret. It is the same for every service of the server, since the key is.
    ///
    /// # Errors
    /// [`VaultError::DataKeyMissing`] without the key of [`DataKeyUse::Fingerprints`].
    pub fn fingerprint(
        &self,
        server: &ServerId,
        scope: FingerprintScope<'_>,
        secret: &Secret,
    ) -> Result<Fingerprint, VaultError> {
        let key = self.get(DataKeyUse::Fingerprints, DataKeyVersion::FIRST)?;
        let (scope, tenant) = match scope {
            FingerprintScope::Tenant(tenant) => ("tenant", tenant.as_str()),
            FingerprintScope::Everyone => ("everyone", ""),
        };
        let message = Zeroizing::new(fields(&[
            b"kingcong/v1/fingerprint",
            server.as_str().as_bytes(),
            scope.as_bytes(),
            tenant.as_bytes(),
            secret.expose().as_bytes(),
        ]));
        Ok(Fingerprint(mac(&key.plain, &message)))
    }

    fn get(&self, used_for: DataKeyUse, version: DataKeyVersion) -> Result<&OpenDataKey, VaultError> {
        let place = (used_for, version);
        self.keys.get(&place).ok_or(VaultError::DataKeyMissing { used_for: place.0, version })
    }
}
