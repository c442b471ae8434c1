//! The keychain: opens upstream secrets, and seals new ones.

use std::{collections::BTreeMap, sync::Arc};

use parking_lot::Mutex;

use super::Inner;
use crate::{
    error::Error,
    id::{DataKeyId, KeyId, ServerId, TenantId},
    keys::{Key, KeyStatus},
    store::{Command, DataKeyLost, Outcome},
    vault::{
        Binding, DataKeyContext, DataKeyUse, DataKeyVersion, Envelope, Fingerprint, FingerprintScope,
        Keyring, MasterKey, MasterKeyError, NONCE_BYTES, OpenDataKey, Purpose, Secret, SecretVersion,
        VaultError,
    },
};

/// Open data keys, and the secrets that were opened with them.
#[derive(Debug)]
pub(super) struct Keychain {
    master: Arc<dyn MasterKey>,
    keyring: Mutex<Keyring>,
    opened: Mutex<BTreeMap<(KeyId, SecretVersion), Arc<Secret>>>,
}

impl Keychain {
    pub(super) fn new(master: Arc<dyn MasterKey>) -> Self {
        Self { master, keyring: Mutex::new(Keyring::default()), opened: Mutex::new(BTreeMap::new()) }
    }

    pub(super) fn master(&self) -> &dyn MasterKey {
        &*self.master
    }

    /// Wipes the secrets that keys which changed have no more; to be called when the snapshot shows the change.
    pub(super) fn forget_changed(&self, changed: &[Key]) {
        let mut opened = self.opened.lock();
        for key in changed {
            let versions = opened.range((key.id, SecretVersion::FIRST)..).map(|(place, _)| *place);
            let versions = versions.take_while(|(id, _)| *id == key.id);
            let gone: Vec<_> = versions.filter(|(_, version)| !has(key, *version)).collect();
            for place in gone {
                opened.remove(&place);
            }
        }
    }
}

/// Whether a key has this version of its secret.
fn has(key: &Key, version: SecretVersion) -> bool {
    key.status != KeyStatus::Removed && key.secret_version == version
}

/// What the secret of an upstream key is bound to.
pub(super) fn binding(tenant: &TenantId, key: KeyId, version: SecretVersion) -> Binding {
    Binding { tenant: tenant.clone(), key, version, purpose: Purpose::UpstreamKey }
}

impl Inner {
    /// The key's secret, in plain; only for where it was given for.
    pub(super) async fn secret(&self, key: &Key) -> Result<Arc<Secret>, Error> {
        if let KeyStatus::Suspended { registered_for } = &key.status {
            return Err(Error::KeySuspended { key: key.id, registered_for: registered_for.clone() });
        }
        let place = (key.id, key.secret_version);
        if let Some(secret) = self.keychain.opened.lock().get(&place) {
            return Ok(Arc::clone(secret));
        }
        let envelope = key.envelope.as_ref().ok_or(Error::KeyRemoved(key.id))?;
        let binding = binding(&key.tenant, key.id, key.secret_version);
        let open = || self.keychain.keyring.lock().open(envelope, &binding);
        let opened = match open() {
            // Another process may have made it since this one looked.
            Err(VaultError::DataKeyMissing { version, .. }) => {
                let mut failed = self.load_data_keys(&DataKeyUse::Tenant(key.tenant.clone())).await?;
                match failed.remove(&version) {
                    Some(error) => return Err(error.into()),
                    None => open(),
                }
            }
            opened => opened,
        };
        let opened = Arc::new(opened?);
        self.keychain.opened.lock().insert(place, Arc::clone(&opened));
        // The key may have changed meanwhile, and what was forgotten then is not forgotten again.
        if !self.snapshot().keys.get(key.id).is_some_and(|known| has(known, key.secret_version)) {
            self.keychain.opened.lock().remove(&place);
        }
        Ok(opened)
    }

    /// Encrypts a new key's secret.
    pub(super) async fn seal(
        &self,
        tenant: &TenantId,
        key: KeyId,
        secret: &Secret,
    ) -> Result<Envelope, Error> {
        self.open_data_keys(&DataKeyUse::Tenant(tenant.clone())).await?;
        let mut nonce = [0; NONCE_BYTES];
        self.entropy.fill(&mut nonce);
        let keyring = self.keychain.keyring.lock();
        Ok(keyring.seal(secret, &binding(tenant, key, SecretVersion::FIRST), nonce)?)
    }

    /// What is the same for the same secret on the same server, whoever registers it: an upstream counts them as one.
    pub(super) async fn fingerprint(&self, server: &ServerId, secret: &Secret) -> Result<Fingerprint, Error> {
        self.open_data_keys(&DataKeyUse::Fingerprints).await?;
        Ok(self.keychain.keyring.lock().fingerprint(server, FingerprintScope::Everyone, secret)?)
    }

    /// Sees to it that a data key of a use is open; makes the first.
    ///
    /// # Errors
    /// A master key or store that fails; [`VaultError::DataKeyLost`] when there is none and stored secrets need one.
    pub(super) async fn open_data_keys(&self, used_for: &DataKeyUse) -> Result<(), Error> {
        if self.keychain.keyring.lock().newest(used_for).is_some() {
            return Ok(());
        }
        let mut failed = self.load_data_keys(used_for).await?;
        let is_open = || self.keychain.keyring.lock().newest(used_for).is_some();
        if failed.is_empty() && !is_open() {
            let context = DataKeyContext {
                id: DataKeyId::from_uuid(self.ids.uuid()),
                used_for: used_for.clone(),
                version: DataKeyVersion::FIRST,
            };
            let made = OpenDataKey::generate(context, &*self.entropy);
            let wrapped = made.wrap(&*self.keychain.master, self.clock.now()).await?;
            if let Outcome::DataKey(Err(DataKeyLost { version, keys })) =
                self.execute(Command::AddDataKey(wrapped)).await?
            {
                return Err(VaultError::DataKeyLost { used_for: used_for.clone(), version, keys }.into());
            }
            // Another process may have been first: what counts is what the store has.
            failed = self.load_data_keys(used_for).await?;
        }
        match failed.pop_first() {
            Some((_, error)) if !is_open() => Err(error.into()),
            _ => Ok(()),
        }
    }

    /// Opens the stored data keys of a use that are not open yet; the answer is why some do not open.
    async fn load_data_keys(
        &self,
        used_for: &DataKeyUse,
    ) -> Result<BTreeMap<DataKeyVersion, MasterKeyError>, Error> {
        let mut failed = BTreeMap::new();
        for data_key in self.store.data_keys(used_for).await? {
            let version = data_key.context.version;
            if self.keychain.keyring.lock().has(used_for, version) {
                continue;
            }
            match data_key.open(&*self.keychain.master).await {
                Ok(open) => self.keychain.keyring.lock().insert(open),
                Err(error) => {
                    failed.insert(version, error);
                }
            }
        }
        Ok(failed)
    }
}
