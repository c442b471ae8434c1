//! Data keys: what secrets are sealed with. Each tenant has its own, kept in the store wrapped by the master key, so
//! that the master key changes without touching a secret, and a tenant's secrets die with its data keys.

use super::{
    cipher::KeyBytes,
    context::DataKeyContext,
    master::{MasterKey, MasterKeyError, Wrapped},
};
use crate::{clock::Timestamp, id::Entropy};

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
