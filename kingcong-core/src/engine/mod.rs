//! The engine: the library as a host uses it.
//!
//! [`KingCong`] is the handle; it is cheap to clone. Behind it run, on the host's tokio runtime: the write lane,
//! one claiming loop per pool with work, one task per call under way, one poller per account, and the pulse, which
//! looks at what other processes did. Settling belongs to them and not to the caller: a dropped future changes nothing
//! about what is charged.

mod admin;
mod audio;
mod builder;
mod call;
mod counting;
mod disk;
mod dispatch;
mod events;
mod fitting;
mod hearing;
mod ids;
mod job;
mod keychain;
mod known_keys;
mod monitor;
mod poll;
mod pulse;
mod question;
mod retry;
mod scrubbed;
mod settings;
mod snapshot;
mod submit;
mod tenants;
mod verify;
mod voices;
mod waits;
mod whose;
mod write_lane;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use tokio::sync::Semaphore;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

pub use crate::store::Verification;
pub use admin::{
    AccountDoors, AccountReport, ConfigDoors, KeyDoors, NewKey, PackageDoors, PriceDoors, Purchase,
    ReportDoors, SplitShare, TenantDoors, VoiceDoors, WalletDoors,
};
pub use audio::{AudioChunks, JobAudio};
pub use builder::Builder;
pub use events::{JobEvent, JobEvents};
pub use job::{JobHandle, JobReport, JobResult, TaskReport};
pub use monitor::{RouteStatus, ServedHere, Status};
pub use settings::{Mode, Outputs, Settings};
pub use submit::Estimate;
pub use verify::verify;

use crate::{
    access::{Door, Refusals},
    clock::{Clock, Timestamp},
    error::Error,
    id::{Entropy, ProtocolId, Route, ServerId},
    keys::Rules,
    provider::{Health, Provider},
    store::{Command, Outcome, Store},
};

use self::{
    dispatch::Dispatcher,
    events::Events,
    ids::Ids,
    keychain::Keychain,
    poll::Pollers,
    snapshot::Snapshot,
    tenants::KnownTenants,
    voices::ClonedByNobody,
    waits::Waits,
    whose::Caller,
    write_lane::{Executed, WriteLane},
};

/// The library, opened on a store.
///
/// Cheap to clone; all clones are one. Dropping the last one does not stop what it owes: call [`KingCong::close`].
///
/// A handle asks as the operator for the main tenant; [`KingCong::acting`] gives one at which somebody else acts, and
/// [`KingCong::of`] one that asks for another tenant.
#[derive(Clone, Debug)]
pub struct KingCong {
    inner: Arc<Inner>,
    caller: Caller,
}

#[derive(Debug)]
struct Inner {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    ids: Arc<Ids>,
    settings: Settings,
    rules: Rules,
    providers: BTreeMap<ProtocolId, Arc<dyn Provider>>,
    write_lane: WriteLane,
    snapshot: ArcSwap<Snapshot>,
    keychain: Keychain,
    tenants: KnownTenants,
    dispatcher: Dispatcher,
    pollers: Pollers,
    waits: Waits,
    cloned_by_nobody: ClonedByNobody,
    events: Arc<Events>,
    /// Room for calls in flight in this process.
    calls: Arc<Semaphore>,
    /// The store's time at a local instant, from the last batch.
    time: ArcSwap<(Timestamp, Duration)>,
    /// Refused accesses that were written to the audit.
    refusals: Mutex<Refusals>,
    /// What servers say of their services, from the last check.
    told_health: Mutex<BTreeMap<Route, Health>>,
    /// No more claims, no more submits.
    closing: CancellationToken,
    /// Nothing goes on any more, not even what is under way.
    closed: CancellationToken,
    /// Calls under way.
    running: TaskTracker,
    /// Loops that end when the library closes.
    loops: TaskTracker,
}

impl KingCong {
    /// Starts describing a library to open.
    #[must_use]
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// Stops claiming and submitting, waits for what is under way, at most [`Settings::drain`], and ends. What is
    /// still under way then is taken over by another process, or by this one when it opens again.
    pub async fn close(&self) {
        let inner = &self.inner;
        inner.closing.cancel();
        inner.running.close();
        inner.loops.close();
        tokio::select! {
            biased;
            () = inner.running.wait() => {}
            () = inner.clock.sleep(inner.settings.drain) => {
                tracing::warn!(calls = inner.running.len(), "closing with calls under way: they will be taken over");
            }
        }
        inner.closed.cancel();
        inner.loops.wait().await;
        inner.store.close().await;
    }

    /// What every process looks at a few times a second, once, now; for hosts and tests that do not want to wait.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn pulse(&self) -> Result<(), Error> {
        self.entered(Door::Pulse).await?;
        self.inner.pulse_once().await
    }
}

/// Does what may take long on a thread that no other task waits for.
async fn apart<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, Error> {
    tokio::task::spawn_blocking(work).await.map_err(|ended| match ended.try_into_panic() {
        Ok(panic) => std::panic::resume_unwind(panic),
        // The runtime is shutting down.
        Err(_) => Error::Closed,
    })
}

impl Inner {
    /// Executes a command through the write lane.
    async fn execute(&self, command: Command) -> Result<Outcome, Error> {
        Ok(self.executed(command).await?.outcome)
    }

    /// Executes a command; also when that was.
    async fn executed(&self, command: Command) -> Result<Executed, Error> {
        let executed = self.write_lane.execute(command).await?;
        self.time.store(Arc::new((executed.at, self.clock.elapsed())));
        Ok(executed)
    }

    /// The store's time now, as far as this process knows.
    fn store_now(&self) -> Timestamp {
        let (at, then) = **self.time.load();
        at.plus(self.clock.elapsed().saturating_sub(then))
    }

    /// Waits for the future, at most so long.
    async fn within<T>(&self, limit: Duration, future: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            biased;
            result = future => Some(result),
            () = self.clock.sleep(limit) => None,
        }
    }

    fn snapshot(&self) -> Arc<Snapshot> {
        self.snapshot.load_full()
    }

    /// The provider that speaks the server's protocol, with the server's base URL.
    fn provider(&self, server: &ServerId) -> Result<(Arc<dyn Provider>, Arc<str>), Error> {
        let snapshot = self.snapshot();
        let known = snapshot.configuration.system.servers.get(server);
        let known = known.ok_or_else(|| Error::NotFound { what: "server", name: server.to_string() })?;
        let provider = self.providers.get(&known.protocol).ok_or_else(|| Error::NoProvider {
            server: server.to_string(),
            protocol: known.protocol.to_string(),
        })?;
        Ok((Arc::clone(provider), known.base_url.as_str().into()))
    }

    fn check_open(&self) -> Result<(), Error> {
        if self.closing.is_cancelled() { Err(Error::Closed) } else { Ok(()) }
    }
}
