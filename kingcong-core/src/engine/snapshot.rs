//! The snapshot: configuration and keys as this process last read them, replaced as a whole.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use super::Inner;
use crate::{
    error::Error,
    id::{KeyId, ProtocolId, Route},
    keys::Key,
    provider::Provider,
    store::Configuration,
    work::Capabilities,
};

/// Configuration and keys at one instant.
#[derive(Debug, Default)]
pub(super) struct Snapshot {
    pub(super) configuration: Arc<Configuration>,
    pub(super) keys: BTreeMap<KeyId, Arc<Key>>,
    /// The routes that have a usable key.
    pub(super) keyed: BTreeSet<Route>,
    /// What can be done on the routes whose protocols this process speaks.
    pub(super) capabilities: BTreeMap<Route, Capabilities>,
}

impl Snapshot {
    fn new(
        configuration: Arc<Configuration>,
        keys: BTreeMap<KeyId, Arc<Key>>,
        providers: &BTreeMap<ProtocolId, Arc<dyn Provider>>,
    ) -> Self {
        let system = &configuration.system;
        let capable = |route: &Route| {
            let provider = providers.get(&system.servers.get(&route.server)?.protocol)?;
            Some((route.clone(), provider.capabilities(&route.service)))
        };
        let capabilities = system.routes.keys().filter_map(capable).collect();
        let usable = keys.values().filter(|key| key.is_usable());
        let keyed = usable.map(|key| key.route.clone()).collect();
        Self { configuration, keys, keyed, capabilities }
    }
}

impl Inner {
    /// Reads configuration and keys again; what changed may let pools be served that were not.
    pub(super) async fn refresh(&self) -> Result<Arc<Snapshot>, Error> {
        let known = self.snapshot();
        let configuration = match self.store.configuration(Some(known.configuration.version)).await? {
            Some(configuration) => Arc::new(configuration),
            None => Arc::clone(&known.configuration),
        };
        let keys = self.store.keys().await?.into_iter().map(|read| (read.id, Arc::new(read.key))).collect();
        let read = Arc::new(Snapshot::new(configuration, keys, &self.providers));
        self.keychain.forget_all_but(&read.keys);
        // Another refresh may have read a newer configuration meanwhile: it stands.
        let is_newer = |now: &Arc<Snapshot>| now.configuration.version > read.configuration.version;
        self.snapshot.rcu(|now| if is_newer(now) { Arc::clone(now) } else { Arc::clone(&read) });
        if known.configuration.version != read.configuration.version || known.keyed != read.keyed {
            self.wake_all();
        }
        Ok(self.snapshot())
    }

    /// The key, from the snapshot or, when it is newer than that, from the store.
    pub(super) async fn key(&self, id: KeyId) -> Result<Arc<Key>, Error> {
        if let Some(key) = self.snapshot().keys.get(&id) {
            return Ok(Arc::clone(key));
        }
        let snapshot = self.refresh().await?;
        let key = snapshot.keys.get(&id);
        key.map(Arc::clone).ok_or_else(|| Error::NotFound { what: "key", name: id.to_string() })
    }
}
