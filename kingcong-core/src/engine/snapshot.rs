//! The snapshot: configuration and keys as this process last read them. Of the keys only those are read that changed.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use super::{Inner, known_keys::KnownKeys};
use crate::{
    error::Error,
    id::{KeyId, ProtocolId, Route},
    keys::Key,
    provider::Provider,
    store::{ChangedKeys, Configuration},
    work::Capabilities,
};

/// Configuration and keys as they were read last.
#[derive(Clone, Debug, Default)]
pub(super) struct Snapshot {
    pub(super) configuration: Arc<Configuration>,
    pub(super) keys: KnownKeys,
    /// The routes that have a usable key.
    pub(super) keyed: BTreeSet<Route>,
    /// What can be done on the routes whose protocols this process speaks.
    pub(super) capabilities: BTreeMap<Route, Capabilities>,
}

impl Snapshot {
    /// The snapshot after another look. Another one may have read what is newer meanwhile: that stands.
    fn after(
        &self,
        configuration: Option<&Arc<Configuration>>,
        changed: &ChangedKeys,
        providers: &BTreeMap<ProtocolId, Arc<dyn Provider>>,
    ) -> Self {
        let mut after = self.clone();
        after.keys.learn(changed);
        after.keyed = after.keys.usable().map(|(route, _)| route.clone()).collect();
        if let Some(newer) = configuration.filter(|read| read.version > self.configuration.version) {
            after.capabilities = capabilities(newer, providers);
            after.configuration = Arc::clone(newer);
        }
        after
    }
}

fn capabilities(
    configuration: &Configuration,
    providers: &BTreeMap<ProtocolId, Arc<dyn Provider>>,
) -> BTreeMap<Route, Capabilities> {
    let system = &configuration.system;
    let capable = |route: &Route| {
        let provider = providers.get(&system.servers.get(&route.server)?.protocol)?;
        Some((route.clone(), provider.capabilities(&route.service)))
    };
    system.routes.keys().filter_map(capable).collect()
}

impl Inner {
    /// Reads configuration and keys again, as far as they changed; that may let pools be served that were not.
    pub(super) async fn refresh(&self) -> Result<Arc<Snapshot>, Error> {
        let known = self.snapshot();
        let configuration = self.store.configuration(Some(known.configuration.version)).await?.map(Arc::new);
        let changed = self.store.changed_keys(known.keys.revision()).await?;
        let before = self.snapshot.rcu(|now| now.after(configuration.as_ref(), &changed, &self.providers));
        let after = self.snapshot();
        self.keychain.forget_changed(&changed.keys);
        if before.configuration.version != after.configuration.version || before.keyed != after.keyed {
            self.wake_waiting();
        }
        Ok(after)
    }

    /// The key, from the snapshot or, when it is newer than that, from the store.
    pub(super) async fn key(&self, id: KeyId) -> Result<Arc<Key>, Error> {
        if let Some(key) = self.snapshot().keys.get(id) {
            return Ok(Arc::clone(key));
        }
        let snapshot = self.refresh().await?;
        let key = snapshot.keys.get(id);
        key.map(Arc::clone).ok_or_else(|| Error::NotFound { what: "key", name: id.to_string() })
    }
}
