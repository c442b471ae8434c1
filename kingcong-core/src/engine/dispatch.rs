//! Dispatching: one loop per pool claims tasks with keys and starts their calls.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicI64, Ordering},
    },
    time::Duration,
};

use futures_util::FutureExt as _;
use parking_lot::Mutex;
use tokio::sync::{Notify, OwnedSemaphorePermit};

use super::{Inner, Mode, write_lane::Executed};
use crate::{
    error::Error,
    id::{AttemptId, Route},
    keys::{Limit, PollsCount, PoolId},
    store::{Claim, Claimed, Command, EgressLimit, Outcome, Then},
};

/// Most leases of one claim: a batch stays small enough to commit fast.
const LEASES_MAX: u32 = 128;
/// How long a pool rests after a claim that the store failed.
const FAILED_PAUSE: Duration = Duration::from_secs(1);
/// How long a loop waits for new work in a pool that is empty, before it ends; the next task starts another.
const IDLE_MAX: Duration = Duration::from_secs(60);
/// How long a pool with waiting tasks rests at most: what another process frees wakes nobody here.
const WAITING_PAUSE_MAX: Duration = Duration::from_secs(1);

/// The pools that this process claims from.
#[derive(Debug, Default)]
pub(super) struct Dispatcher {
    pools: Mutex<BTreeMap<PoolId, Arc<Served>>>,
}

/// A pool that this process claims from.
#[derive(Debug, Default)]
pub(super) struct Served {
    woken: Notify,
    /// Nothing waited when this process last asked: a key that becomes free is of no use.
    is_empty: AtomicBool,
    /// The pool's sequence when this process last looked.
    sequence: AtomicI64,
}

/// What became of a pool that was to be forgotten.
enum Left {
    /// There is work in it again.
    Woken,
    Forgotten,
}

impl Inner {
    /// There may be something to claim in the pool.
    pub(super) fn wake(self: &Arc<Self>, pool: PoolId, route: &Route) {
        if self.settings.mode == Mode::Client
            || self.closing.is_cancelled()
            || self.provider(&route.server).is_err()
        {
            return;
        }
        let mut pools = self.dispatcher.pools.lock();
        let served = pools.entry(pool).or_insert_with(|| {
            let served = Arc::new(Served::default());
            self.loops.spawn(Arc::clone(self).serve(pool, route.clone(), Arc::clone(&served)));
            served
        });
        served.woken.notify_one();
    }

    /// Something was added to the pool, maybe by another process.
    pub(super) fn wake_if_grown(self: &Arc<Self>, pool: PoolId, route: &Route, sequence: i64) {
        let known = self.dispatcher.pools.lock().get(&pool).map(Arc::clone);
        if known.is_none_or(|served| served.sequence.swap(sequence, Ordering::Relaxed) != sequence) {
            self.wake(pool, route);
        }
    }

    /// A call that started in the pool ended, so a key may be free.
    pub(super) fn wake_served(&self, pool: PoolId) {
        if let Some(served) = self.dispatcher.pools.lock().get(&pool)
            && !served.is_empty.load(Ordering::Acquire)
        {
            served.woken.notify_one();
        }
    }

    /// Every pool that tasks wait in may be worth another look: the configuration or the keys changed.
    pub(super) fn wake_waiting(&self) {
        let pools = self.dispatcher.pools.lock();
        for served in pools.values().filter(|served| !served.is_empty.load(Ordering::Acquire)) {
            served.woken.notify_one();
        }
    }

    /// Forgets a pool that was empty for long, unless somebody woke it just now.
    fn leave(&self, pool: PoolId, served: &Served) -> Left {
        let mut pools = self.dispatcher.pools.lock();
        // Whoever wakes it holds the lock.
        if served.woken.notified().now_or_never().is_some() {
            return Left::Woken;
        }
        pools.remove(&pool);
        Left::Forgotten
    }

    /// Claims from a pool until it is empty for long, or the library closes.
    async fn serve(self: Arc<Self>, pool: PoolId, route: Route, served: Arc<Served>) {
        loop {
            served.is_empty.store(false, Ordering::Release);
            let then = tokio::select! {
                biased;
                () = self.closing.cancelled() => return,
                then = self.claim_once(pool, &route) => then,
            };
            let pause = match then {
                Ok(Then::Again | Then::Stale) => continue,
                Ok(Then::At(at)) => {
                    at.since(self.store_now()).clamp(Duration::from_millis(1), WAITING_PAUSE_MAX)
                }
                Ok(Then::Empty) => {
                    served.is_empty.store(true, Ordering::Release);
                    tokio::select! {
                        biased;
                        () = self.closing.cancelled() => return,
                        () = served.woken.notified() => continue,
                        () = self.pause(IDLE_MAX) => {}
                    }
                    match self.leave(pool, &served) {
                        Left::Woken => continue,
                        Left::Forgotten => return,
                    }
                }
                Ok(Then::Paused) => Duration::MAX,
                Err(Error::Closed) => return,
                Err(error) => {
                    tracing::warn!(%route, %error, "claim failed");
                    FAILED_PAUSE
                }
            };
            tokio::select! {
                biased;
                () = self.closing.cancelled() => return,
                () = served.woken.notified() => {}
                () = self.pause(pause) => {}
            }
        }
    }

    pub(super) async fn pause(&self, pause: Duration) {
        if pause == Duration::MAX {
            std::future::pending().await
        } else {
            self.clock.sleep(pause).await;
        }
    }

    /// One claim, and the start of every call that it leased.
    async fn claim_once(self: &Arc<Self>, pool: PoolId, route: &Route) -> Result<Then, Error> {
        let mut room = self.room().await?;
        let snapshot = self.snapshot();
        let server = snapshot.configuration.system.servers.get(&route.server);
        let egress = server.and_then(|server| server.egress);
        let polls = server.map_or(PollsCount::Free, |server| server.polls);
        let leases_max = u32::try_from(room.num_permits()).unwrap_or(LEASES_MAX);
        let claim = Claim {
            pool,
            configuration_version: snapshot.configuration.version,
            polls,
            leases_max,
            first_attempt: AttemptId::from_uuid(self.ids.uuid()),
            egress: egress.map(|limits| EgressLimit {
                id: Limit::id_of_egress(&route.server, &self.settings.egress),
                max_in_flight: limits.max_in_flight,
                per_window: limits.per_minute,
            }),
        };
        // Once asked for, the leases are ours: a loop that is told to end must still start or give back its calls.
        let inner = Arc::clone(self);
        let asked = self.running.spawn(async move {
            let Executed { outcome, decided, .. } = inner.executed(Command::Claim(claim)).await?;
            let Outcome::Claim(Claimed { leases, then }) = outcome else {
                unreachable!("claiming answers with what was claimed");
            };
            for lease in leases {
                let permit = room.split(1).expect("a claim leases no more than there is room for");
                inner.running.spawn(Arc::clone(&inner).run_lease(lease, permit, decided));
            }
            Ok(then)
        });
        let then = asked.await.unwrap_or(Err(Error::Closed))?;
        if then == Then::Stale {
            self.refresh().await?;
        }
        Ok(then)
    }

    /// Room for some calls more in this process; waits until there is some.
    async fn room(&self) -> Result<OwnedSemaphorePermit, Error> {
        let mut room = Arc::clone(&self.calls).acquire_owned().await.map_err(|_| Error::Closed)?;
        let more = self.calls.available_permits().min(LEASES_MAX as usize - 1);
        if let Ok(more) = Arc::clone(&self.calls).try_acquire_many_owned(u32::try_from(more).unwrap_or(0)) {
            room.merge(more);
        }
        Ok(room)
    }
}
