//! The monitor: every key is checked by a call that costs nothing, and every server asked for its health; in the
//! background by one process of a store, or on demand.

use std::sync::Arc;

use futures_util::{StreamExt, future::join_all, stream};

use super::{Inner, KingCong};
use crate::{
    access::Door,
    error::Error,
    failure::FailureKind,
    id::{KeyId, Route},
    keys::{Key, KeyStatus, KeyWithLimits, Limit, Passage, PollNeed, PoolId, Verdict},
    provider::Health,
    routing::Explanation,
    store::{Command, Duty, Outcome, TakeDuty},
    switch::Switch,
};

/// Checks at the same time.
const CHECKS_AT_ONCE: usize = 8;
/// Keys whose checks are written down together: together they cost the store one batch.
const WRITTEN_AT_ONCE: usize = 256;
/// The duty's name among those that one process does for all.
const DUTY: &str = "monitor";

/// What a status bar shows.
#[derive(Clone, Debug)]
pub struct Status {
    /// The classification of the whole and, per service, where it is served or what the user is told.
    pub explanation: Explanation,
    /// Every route.
    pub routes: Vec<RouteStatus>,
}

/// A route, as a status bar shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RouteStatus {
    /// The route.
    pub route: Route,
    /// The administrator's switch.
    pub switch: Switch,
    /// Usable keys.
    pub keys: u32,
    /// Tasks that wait for it.
    pub waiting: i64,
    /// What its last calls say of it.
    pub passage: Passage,
    /// What its server said of it at the last check.
    pub told: Option<Health>,
    /// Whether this process has a provider for it.
    pub served_here: ServedHere,
}

/// Whether this process can call a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ServedHere {
    /// A provider speaks its server's protocol.
    Yes,
    /// None does: if no other process has one, its tasks wait for ever.
    NoProvider,
}

impl KingCong {
    /// What a status bar shows.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn status(&self) -> Result<Status, Error> {
        self.entered(Door::Status).await?;
        let inner = &self.inner;
        let snapshot = inner.refresh().await?;
        let pulse = inner.store.pulse().await?;
        let system = &snapshot.configuration.system;
        let shared = inner.shared_pools(system.routes.keys()).await?;
        let told = inner.told_health.lock().clone();
        let routes = system
            .routes
            .iter()
            .map(|(route, switch)| {
                let waiting = pulse.waiting.iter().filter(|pool| pool.route == *route);
                let shared = shared.get(&PoolId::shared(route));
                RouteStatus {
                    route: route.clone(),
                    switch: *switch,
                    keys: snapshot.keys.usable_on(route),
                    waiting: waiting.map(|pool| pool.waiting).sum(),
                    passage: shared.map_or(Passage::Open, |shared| shared.health.passage(pulse.now)),
                    told: told.get(route).copied(),
                    served_here: match inner.provider(&route.server) {
                        Ok(_) => ServedHere::Yes,
                        Err(_) => ServedHere::NoProvider,
                    },
                }
            })
            .collect();
        Ok(Status { explanation: system.explain(), routes })
    }

    /// Checks every key and every server now; for hosts that drive it by their own schedule.
    ///
    /// # Errors
    /// When the store fails; an upstream that fails a check is no error.
    pub async fn monitor(&self) -> Result<(), Error> {
        self.entered(Door::Monitor).await?;
        self.inner.monitor_once().await
    }
}

impl Inner {
    /// Checks at every interval, if no other process of the store has just done so, until the library closes.
    pub(super) async fn run_monitor(self: Arc<Self>) {
        loop {
            tokio::select! {
                biased;
                () = self.closing.cancelled() => return,
                () = self.clock.sleep(self.settings.monitor_interval) => {}
            }
            let duty = TakeDuty { name: DUTY, every: self.settings.monitor_interval };
            let checked = match self.execute(Command::TakeDuty(duty)).await {
                Ok(Outcome::TakeDuty(Duty::Mine)) => {
                    tokio::select! {
                        biased;
                        () = self.closing.cancelled() => return,
                        checked = self.monitor_once() => checked,
                    }
                }
                Ok(_) => Ok(()),
                Err(error) => Err(error),
            };
            match checked {
                Err(Error::Closed) => return,
                Err(error) => tracing::warn!(%error, "monitor failed"),
                Ok(()) => {}
            }
        }
    }

    async fn monitor_once(self: &Arc<Self>) -> Result<(), Error> {
        let snapshot = self.refresh().await?;
        let mut asked = std::collections::BTreeSet::new();
        let servers: Vec<Arc<Key>> =
            snapshot.keys.iter().filter(|key| asked.insert(key.route.server.clone())).cloned().collect();
        stream::iter(servers).for_each_concurrent(CHECKS_AT_ONCE, |key| self.ask_health(key)).await;
        let keys: Vec<Arc<Key>> = snapshot.keys.iter().cloned().collect();
        for keys in keys.chunks(WRITTEN_AT_ONCE) {
            let asked: Vec<_> = stream::iter(keys.to_vec())
                .map(|key| async move { (self.ask_key(&key, PollNeed::Idle).await, key) })
                .buffer_unordered(CHECKS_AT_ONCE)
                .collect()
                .await;
            let written =
                asked.into_iter().map(|(verdict, key)| async move { self.write_check(&key, verdict?).await });
            for checked in join_all(written).await {
                match checked {
                    Ok(_)
                    | Err(
                        Error::NotFound { .. }
                        | Error::NoProvider { .. }
                        | Error::Upstream(_)
                        | Error::KeyRemoved(_)
                        | Error::KeySuspended { .. },
                    ) => {}
                    Err(error) => return Err(error),
                }
            }
        }
        Ok(())
    }

    async fn ask_health(&self, key: Arc<Key>) {
        let health = async {
            let asked =
                self.question(&key, PollNeed::Idle, async |provider, access| provider.health(&access).await);
            Ok::<_, Error>(asked.await??)
        };
        match health.await {
            Ok(services) => {
                let mut told = self.told_health.lock();
                for (service, health) in services {
                    told.insert(Route::new(key.route.server.clone(), service), health);
                }
            }
            Err(error) => {
                tracing::info!(server = %key.route.server, %error, "no word of the server's health")
            }
        }
    }

    /// Asks the upstream about a key by a call that costs nothing, and writes down what it says.
    pub(super) async fn check_key(
        self: &Arc<Self>,
        id: KeyId,
        need: PollNeed,
    ) -> Result<KeyWithLimits, Error> {
        let key = self.key(id).await?;
        let verdict = self.ask_key(&key, need).await?;
        self.write_check(&key, verdict).await
    }

    /// Checks a key in doubt. One that is found dead is asked about again, each time after twice as long: an upstream
    /// that refuses everybody for a moment refuses its free calls too. The monitor's rounds follow.
    pub(super) async fn check_doubted(self: &Arc<Self>, id: KeyId) {
        let mut pause = Limit::DOUBT_PAUSE;
        loop {
            // It serves nothing meanwhile, so its own work wants no call of its limit.
            match self.check_key(id, PollNeed::Asked).await {
                Ok(key) if matches!(key.status, KeyStatus::Dead { .. }) => {}
                // Its limit leaves no call for it now.
                Err(Error::Upstream(_)) => {}
                Ok(_) => return,
                Err(error) => {
                    tracing::warn!(key = %id, %error, "check of a doubtful key failed; the monitor tries again");
                    return;
                }
            }
            if pause >= self.settings.monitor_interval {
                return;
            }
            self.clock.sleep(pause).await;
            pause = pause.saturating_mul(2);
        }
    }

    /// # Errors
    /// [`Error::Upstream`] when the key's limit leaves no call for it, or its upstream wants to be left
    /// alone; what the upstream says is a verdict.
    async fn ask_key(&self, key: &Key, need: PollNeed) -> Result<Verdict, Error> {
        let asked = self.question(key, need, async |provider, access| provider.balance(&access).await);
        Ok(match asked.await {
            Err(error) => Verdict::Unreadable { reason: error.unreadable().ok_or(error)? },
            Ok(Ok(balance)) => Verdict::Alive(balance),
            Ok(Err(failure)) if failure.kind == FailureKind::KeyDead => {
                Verdict::Dead { reason: failure.message }
            }
            Ok(Err(failure)) => {
                tracing::info!(key = %key.mask, %failure, "check of a key says nothing");
                Verdict::Unclear
            }
        })
    }

    async fn write_check(self: &Arc<Self>, key: &Key, verdict: Verdict) -> Result<KeyWithLimits, Error> {
        let checked = match self.execute(Command::CheckKey { key: key.id, verdict }).await? {
            Outcome::Key(Ok(checked)) => checked,
            Outcome::Key(Err(_)) => return Err(Error::NotFound { what: "key", name: key.id.to_string() }),
            other => unreachable!("checking a key answers with the key, not {other:?}"),
        };
        if checked.is_usable() != key.is_usable() || checked.status != key.status {
            tracing::info!(key = %checked.mask, status = ?checked.status, "key changed");
            self.refresh().await?;
        }
        Ok(checked)
    }
}
