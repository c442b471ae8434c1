//! Verification: the rows of the store, and the secrets that they seal.

use super::{KingCong, keychain::binding};
use crate::{
    access::Door,
    error::Error,
    id::DataKeyId,
    keys::Key,
    store::{Discrepancy, DiscrepancyKind, RowId, Store, StoreError, Verification, verify_rows},
    vault::{DataKeyUse, FingerprintScope, Keyring, MasterKey, MasterKeyError},
};

impl KingCong {
    /// Counts everything again that is counted, follows what rows name, opens every secret, and compares. Reads in
    /// chunks, each at one instant, so it may run while work goes on.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn verify(&self) -> Result<Verification, Error> {
        self.entered(Door::Verify).await?;
        Ok(verify(&*self.inner.store, self.inner.keychain.master()).await?)
    }
}

/// Verifies a store without opening it as a process: see [`KingCong::verify`].
///
/// # Errors
/// When the store fails.
pub async fn verify(store: &dyn Store, master: &dyn MasterKey) -> Result<Verification, StoreError> {
    let mut found = verify_rows(store).await?;
    secrets(store, master, &mut found).await?;
    Ok(found)
}

/// What keys seal.
async fn secrets(
    store: &dyn Store,
    master: &dyn MasterKey,
    found: &mut Verification,
) -> Result<(), StoreError> {
    let keys = found.rows(store.keys().await)?;
    let mut keyring = Keyring::default();
    let mut uses = vec![DataKeyUse::Fingerprints];
    uses.extend(keys.iter().map(|key| DataKeyUse::Tenant(key.tenant.clone())));
    uses.sort();
    uses.dedup();
    for used_for in &uses {
        for data_key in found.rows(store.data_keys(used_for).await)? {
            match data_key.open(master).await {
                Ok(open) => keyring.insert(open),
                Err(error) => found.add([sealed_data_key(data_key.context.id, &error)]),
            }
        }
    }
    found.add(keys.iter().flat_map(|key| verify_secret(&keyring, key)));
    Ok(())
}

fn sealed_data_key(id: DataKeyId, error: &MasterKeyError) -> Discrepancy {
    Discrepancy {
        kind: DiscrepancyKind::Sealed,
        row: RowId::new("kingcong_data_keys", id),
        column: "wrapped",
        found: error.to_string(),
        expected: "opened by the master key".to_owned(),
    }
}

/// A secret opens for its own row alone; its mask and fingerprint are made from it.
fn verify_secret(keyring: &Keyring, key: &Key) -> Vec<Discrepancy> {
    let sealed = |column, found: String, expected: &str| Discrepancy {
        kind: DiscrepancyKind::Sealed,
        row: RowId::key(key.id),
        column,
        found,
        expected: expected.to_owned(),
    };
    // One that has none was found among the rows.
    let Some(envelope) = &key.envelope else { return Vec::new() };
    let secret = match keyring.open(envelope, &binding(&key.tenant, key.id, key.secret_version)) {
        Ok(secret) => secret,
        Err(error) => return vec![sealed("envelope", error.to_string(), "opened for this row")],
    };
    let mut found = Vec::new();
    if secret.mask() != key.mask {
        found.push(sealed("mask", key.mask.clone(), "the mask of the secret"));
    }
    match keyring.fingerprint(&key.route.server, FingerprintScope::Everyone, &secret) {
        Ok(fingerprint) if fingerprint == key.fingerprint => {}
        Ok(_) => found.push(sealed("fingerprint", "another".to_owned(), "the secret's")),
        Err(error) => found.push(sealed("fingerprint", error.to_string(), "the secret's")),
    }
    found
}
