//! Data keys: what secrets are sealed with. Each tenant has its own, kept in the store wrapped by the master key, so
//! that the master key changes without touching a secret, and a tenant's secrets die with its data keys.

use std::fmt;

use super::{
    cipher::{KeyBytes, fields},
    master::{MasterKey, MasterKeyError, Wrapped},
    version::DataKeyVersion,
};
use crate::{
    clock::Timestamp,
    id::{DataKeyId, Entropy, TenantId},
};

/// What a data key is for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum DataKeyUse {
    /// Sealing one tenant's secrets.
    Tenant(TenantId),
    /// Fingerprints of every tenant's secrets. There is one such key, of [`DataKeyVersion::FIRST`]: fingerprints
    /// under another could only be made from the plain secrets.
    Fingerprints,
}

impl fmt::Display for DataKeyUse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tenant(tenant) => write!(f, "tenant {tenant}"),
            Self::Fingerprints => f.write_str("fingerprints"),
        }
    }
}

/// What a data key is: bound to its wrapped bytes, so that no row can stand in for another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DataKeyContext {
    /// Its row's id.
    pub id: DataKeyId,
    /// What it is for.
    pub used_for: DataKeyUse,
    /// Which of these it is.
    pub version: DataKeyVersion,
}

impl DataKeyContext {
    /// The context as bytes, each field after its length: no two contexts give the same bytes.
    #[must_use]
    pub fn associated_data(&self) -> Vec<u8> {
        let (used_for, tenant) = match &self.used_for {
            DataKeyUse::Tenant(tenant) => ("tenant", tenant.as_str()),
            DataKeyUse::Fingerprints => ("fingerprints", ""),
        };
        fields(&[
            b"kingcong/v1/data-key",
            self.id.as_uuid().as_bytes(),
            used_for.as_bytes(),
            tenant.as_bytes(),
            &self.version.get().to_be_bytes(),
        ])
    }
}

impl fmt::Display for DataKeyContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "data key {} (version {} of {})", self.id, self.version.get(), self.used_for)
    }
}

/// A data key as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DataKey {
    /// What it is.
    pub context: DataKeyContext,
    /// Its bytes, encrypted by a master key.
    pub wrapped: Wrapped,
    /// When it was made.
    pub created: Timestamp,
}

impl DataKey {
    /// The data key, decrypted by the master key.
    ///
    /// # Errors
    /// [`MasterKeyError::WrongMasterKey`], [`MasterKeyError::Damaged`] when the row was altered or moved, and what
    /// else the provider says.
    pub async fn open(&self, master: &dyn MasterKey) -> Result<OpenDataKey, MasterKeyError> {
        let plain = master.unwrap(&self.wrapped, &self.context).await?;
        Ok(OpenDataKey { context: self.context.clone(), plain })
    }
}

/// A data key in memory: wiped when dropped, without `Serialize`, its `Debug` shows nothing of its bytes.
#[derive(Debug)]
pub struct OpenDataKey {
    pub(super) context: DataKeyContext,
    pub(super) plain: KeyBytes,
}

impl OpenDataKey {
    /// A new random data key.
    #[must_use]
    pub fn generate(context: DataKeyContext, entropy: &dyn Entropy) -> Self {
        Self { context, plain: KeyBytes::generate(entropy) }
    }

    /// What it is.
    #[must_use]
    pub const fn context(&self) -> &DataKeyContext {
        &self.context
    }

    /// The row to store: the key encrypted by the master key. Wrapping an opened key by another master key is how
    /// the master key is changed; no secret is touched. `created` is when the key, not the wrapping, was made.
    ///
    /// # Errors
    /// What the provider says.
    pub async fn wrap(&self, master: &dyn MasterKey, created: Timestamp) -> Result<DataKey, MasterKeyError> {
        let wrapped = master.wrap(&self.plain, &self.context).await?;
        Ok(DataKey { context: self.context.clone(), wrapped, created })
    }
}
