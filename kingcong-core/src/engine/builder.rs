//! Opening the library.

use std::{collections::BTreeMap, sync::Arc};

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use tokio::sync::Semaphore;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    Inner, KingCong, Mode, Settings,
    dispatch::Dispatcher,
    events::Events,
    ids::Ids,
    keychain::Keychain,
    poll::Pollers,
    scrubbed::Scrubbed,
    settings::Outputs,
    snapshot::Snapshot,
    tenants::KnownTenants,
    voices::ClonedByNobody,
    waits::Waits,
    whose::{Caller, NoDetail},
    write_lane::WriteLane,
};
use crate::{
    access::{RoleName, Target},
    clock::{Clock, SystemClock},
    error::Error,
    id::{Actor, Entropy, SystemEntropy, TenantId},
    preset::Preset,
    provider::Provider,
    store::{Configuration, ConfigurationChange, MemoryStore, Store},
    vault::{DataKeyUse, MasterKey, StaticMasterKey},
};

/// What is to be opened.
///
/// ```
/// use kingcong_core::{KingCong, Preset, vault::{KeyBytes, StaticMasterKey}};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let master_key = StaticMasterKey::new(KeyBytes::new(&[7; 32]));
/// let kc = KingCong::builder().preset(Preset::kingcong()?).master_key(master_key).start().await?;
/// kc.wallets().purchase("user-1", "package-1", "order-991").await?;
/// assert_eq!(kc.wallets().get("user-1").await?.balance.get(), 1_000_000);
/// kc.close().await;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Builder {
    store: Option<Arc<dyn Store>>,
    providers: Vec<Arc<dyn Provider>>,
    preset: Option<Preset>,
    master_key: Option<Arc<dyn MasterKey>>,
    settings: Settings,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
}

impl Default for Builder {
    fn default() -> Self {
        Self {
            store: None,
            providers: Vec::new(),
            preset: None,
            master_key: None,
            settings: Settings::default(),
            clock: Arc::new(SystemClock::new()),
            entropy: Arc::new(SystemEntropy),
        }
    }
}

impl Builder {
    /// On this store; in memory when not said.
    #[must_use]
    pub fn store(mut self, store: impl Store) -> Self {
        self.store = Some(Arc::new(store));
        self
    }

    /// On this store, shared with others.
    #[must_use]
    pub fn shared_store(mut self, store: Arc<dyn Store>) -> Self {
        self.store = Some(store);
        self
    }

    /// With these providers; one of each protocol, a later one replaces an earlier.
    #[must_use]
    pub fn providers(mut self, providers: impl IntoIterator<Item = Arc<dyn Provider>>) -> Self {
        self.providers.extend(providers);
        self
    }

    /// With this provider.
    #[must_use]
    pub fn provider(self, provider: impl Provider) -> Self {
        self.providers([Arc::new(provider) as Arc<dyn Provider>])
    }

    /// With this configuration, if the store is empty.
    #[must_use]
    pub fn preset(mut self, preset: Preset) -> Self {
        self.preset = Some(preset);
        self
    }

    /// With this master key; from the environment variable `KINGCONG_MASTER_KEY` when not said.
    #[must_use]
    pub fn master_key(mut self, master_key: impl MasterKey) -> Self {
        self.master_key = Some(Arc::new(master_key));
        self
    }

    /// With this master key, shared with others.
    #[must_use]
    pub fn shared_master_key(mut self, master_key: Arc<dyn MasterKey>) -> Self {
        self.master_key = Some(master_key);
        self
    }

    /// With these settings.
    #[must_use]
    pub fn settings(mut self, settings: Settings) -> Self {
        self.settings = settings;
        self
    }

    /// On this clock.
    #[must_use]
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// With this randomness.
    #[must_use]
    pub fn entropy(mut self, entropy: Arc<dyn Entropy>) -> Self {
        self.entropy = entropy;
        self
    }

    /// Opens the library on the tokio runtime that it is called on.
    ///
    /// # Errors
    /// A setting outside of its bounds, a master key that cannot be had or is not the store's, a store that cannot
    /// be used.
    pub async fn start(self) -> Result<KingCong, Error> {
        let Self { store, providers, preset, master_key, settings, clock, entropy } = self;
        settings.check()?;
        if let Outputs::Directory(path) = &settings.outputs {
            make_directory(path)?;
        }
        let master_key = match master_key {
            Some(master_key) => master_key,
            None => Arc::new(StaticMasterKey::from_env(StaticMasterKey::VARIABLE)?),
        };
        let store = store.unwrap_or_else(|| Arc::new(MemoryStore::with_clock(Arc::clone(&clock))));
        let ids = Arc::new(Ids::new(Arc::clone(&clock), Arc::clone(&entropy)));
        let rules = settings.rules_of(&*store).await?;
        let closed = CancellationToken::new();
        let write_lane = WriteLane::start(
            Arc::clone(&store),
            Arc::clone(&clock),
            Arc::clone(&ids),
            rules,
            settings.dead_after,
            closed.clone(),
        )
        .await?;
        let inner = Arc::new(Inner {
            time: ArcSwap::from_pointee((clock.now(), clock.elapsed())),
            store,
            clock,
            entropy,
            ids,
            providers: providers
                .into_iter()
                .map(|provider| {
                    let protocol = provider.protocol().clone();
                    (protocol, Arc::new(Scrubbed::new(provider)) as Arc<dyn Provider>)
                })
                .collect::<BTreeMap<_, _>>(),
            write_lane,
            snapshot: ArcSwap::from_pointee(Snapshot::default()),
            keychain: Keychain::new(master_key),
            tenants: KnownTenants::default(),
            dispatcher: Dispatcher::default(),
            pollers: Pollers::default(),
            waits: Waits::default(),
            cloned_by_nobody: ClonedByNobody::default(),
            events: Arc::<Events>::default(),
            calls: Arc::new(Semaphore::new(settings.calls_max as usize)),
            settings,
            rules,
            refusals: Mutex::default(),
            told_health: Mutex::new(BTreeMap::new()),
            closing: CancellationToken::new(),
            closed,
            running: TaskTracker::new(),
            loops: TaskTracker::new(),
        });
        inner.refresh().await?;
        if let Some(preset) = preset {
            inner.write_preset(preset.into_configuration()).await?;
        }
        // A master key that is not the store's is found out now, not at the first call.
        for used_for in [DataKeyUse::Fingerprints, DataKeyUse::Tenant(TenantId::main())] {
            match inner.open_data_keys(&used_for).await {
                // What can go on without it goes on; the keys that need it can be looked at and removed.
                Err(error @ Error::Vault(_)) => tracing::error!(%error, "a data key is lost"),
                opened => opened?,
            }
        }
        inner.pulse_once().await?;
        inner.loops.spawn(Arc::clone(&inner).run_pulse());
        if inner.settings.mode != Mode::Client {
            inner.loops.spawn(Arc::clone(&inner).run_monitor());
        }
        Ok(KingCong { inner, caller: Caller::system() })
    }
}

/// Makes a directory that is not there yet for this user alone: what users had made is theirs.
fn make_directory(path: &std::path::Path) -> Result<(), Error> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path).map_err(|error| Error::Setting {
        setting: "outputs",
        value: format!("{} ({error})", path.display()),
        bounds: "a directory that can be written",
    })
}

impl Inner {
    async fn write_preset(&self, configuration: Configuration) -> Result<(), Error> {
        if self.snapshot().configuration.version > 0 {
            return Ok(());
        }
        let change = ConfigurationChange::Preset(Box::new(configuration));
        let audit = self.audit_as(
            &Actor::new("preset")?,
            RoleName::Operator,
            "config.preset",
            &Target::Configuration,
            &NoDetail {},
        );
        match self.configure_at(0, change, audit).await {
            // Another process was first: its configuration stands.
            Ok(_) | Err(Error::Contended) => self.refresh().await.map(drop),
            Err(error) => Err(error),
        }
    }
}
