//! What a data key is: what it is for, and which of these it is. Master keys and envelopes are bound to it.

use std::fmt;

use super::{cipher::fields, version::DataKeyVersion};
use crate::id::{DataKeyId, TenantId};

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
