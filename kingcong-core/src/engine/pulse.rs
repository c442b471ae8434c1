//! The pulse: a few times a second this process looks at what others did, beats, and does what has become due.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use super::{Inner, Mode, events::JobEvent};
use crate::{
    access::Scope,
    error::Error,
    id::{Route, ServerId, WorkerId},
    keys::{Pool, PoolId},
    store::{Adopt, Adopted, Command, Life, More, Outcome, Promote, Pulse, Replan, StopWhy, Worker},
};

/// Attempts taken over in one batch.
const ADOPTED_MAX: u32 = 256;
/// Tasks queued or moved in one batch.
const MOVED_MAX: u32 = 256;
/// Batches of queued or moved tasks in one pulse.
const MOVES_MAX: u32 = 40;
/// Heartbeats within `dead_after`: a worker is missed only after several.
const BEATS: u32 = 6;

impl Inner {
    /// Pulses until the library closes.
    pub(super) async fn run_pulse(self: Arc<Self>) {
        loop {
            tokio::select! {
                biased;
                () = self.closed.cancelled() => return,
                () = self.clock.sleep(self.settings.pulse_interval) => {}
            }
            if let Err(error) = self.pulse_once().await {
                if matches!(error, Error::Closed) {
                    return;
                }
                tracing::warn!(%error, "pulse failed");
            }
        }
    }

    pub(super) async fn pulse_once(self: &Arc<Self>) -> Result<(), Error> {
        self.beat().await?;
        let pulse = self.store.pulse().await?;
        let snapshot = self.snapshot();
        let is_known = (pulse.configuration_version, pulse.key_revision)
            == (snapshot.configuration.version, snapshot.keys.revision());
        if !is_known {
            self.refresh().await?;
        }
        self.tell_watchers().await?;
        if self.settings.mode == Mode::Client || self.closing.is_cancelled() {
            return Ok(());
        }
        for pool in &pulse.waiting {
            self.wake_if_grown(pool.id, &pool.route, pool.sequence);
        }
        if pulse.first_delayed.is_some_and(|due| due <= pulse.now) {
            self.promote(&pulse).await?;
        }
        for job in &pulse.overdue {
            self.stop(Scope::All, *job, StopWhy::Deadline).await?;
        }
        self.replan(&pulse).await?;
        for worker in &pulse.workers {
            self.adopt_if_dead(worker, &pulse).await?;
        }
        Ok(())
    }

    /// A batch of its own when no other was written lately.
    async fn beat(&self) -> Result<(), Error> {
        let idle = self.clock.elapsed().saturating_sub(self.write_lane.standing().last_batch);
        if idle * BEATS >= self.settings.dead_after {
            self.execute(Command::Beat).await?;
        }
        Ok(())
    }

    /// Tells those who watch a job that ended in another process.
    async fn tell_watchers(&self) -> Result<(), Error> {
        let watched = self.events.watched();
        if watched.is_empty() {
            return Ok(());
        }
        for (job, state) in self.store.job_states(&Scope::All, &watched).await? {
            if state.is_final()
                && let Some(row) = self.store.job(&Scope::All, job).await?
            {
                self.events.tell(job, || JobEvent::Ended { state, charged: row.job.total.charged() });
            }
        }
        Ok(())
    }

    async fn promote(self: &Arc<Self>, pulse: &Pulse) -> Result<(), Error> {
        for _ in 0..MOVES_MAX {
            let moved = self.execute(Command::Promote(Promote { tasks_max: MOVED_MAX })).await?;
            self.wake_moved(&moved, pulse);
            if matches!(&moved, Outcome::Moved(pools) if pools.is_empty()) {
                break;
            }
        }
        Ok(())
    }

    fn wake_moved(self: &Arc<Self>, moved: &Outcome, pulse: &Pulse) {
        let Outcome::Moved(pools) = moved else { return };
        let routes: BTreeMap<PoolId, &Route> =
            pulse.waiting.iter().map(|pool| (pool.id, &pool.route)).collect();
        for pool in pools {
            match routes.get(pool) {
                Some(route) => self.wake(*pool, route),
                // A pool that nothing waited in before: its route is one of the configured.
                None => {
                    let snapshot = self.snapshot();
                    let mut known = snapshot.configuration.system.routes.keys();
                    if let Some(route) = known.find(|route| PoolId::shared(route) == *pool) {
                        self.wake(*pool, route);
                    }
                }
            }
        }
    }

    /// Moves waiting tasks off routes that are off, have no key, or cool for long.
    async fn replan(self: &Arc<Self>, pulse: &Pulse) -> Result<(), Error> {
        let snapshot = self.snapshot();
        let system = &snapshot.configuration.system;
        let works = |route: &Route, pool: Option<&Pool>| {
            let cooling = pool.map_or(Duration::ZERO, |pool| pool.health.closed_for(pulse.now));
            system.serves(route) && snapshot.keys.usable_on(route) > 0 && cooling <= self.settings.move_after
        };
        let is_stuck = |pool: &&Pool| {
            let paused = system.is_in_maintenance(&pool.route.service);
            pool.key.is_none() && !paused && !works(&pool.route, Some(*pool))
        };
        let stuck: Vec<&Pool> = pulse.waiting.iter().filter(is_stuck).collect();
        if stuck.is_empty() {
            return Ok(());
        }
        let others = self.shared_pools(system.routes.keys()).await?;
        for stuck in stuck {
            let Ok(eligible) = system.eligible(&stuck.route.service) else { continue };
            let broken = |server: &ServerId| {
                let route = Route::new(server.clone(), stuck.route.service.clone());
                !works(&route, others.get(&PoolId::shared(&route)))
            };
            let shares: BTreeMap<ServerId, u32> =
                eligible.into_iter().filter(|(server, _)| !broken(server)).collect();
            if shares.is_empty() {
                continue;
            }
            for _ in 0..MOVES_MAX {
                let replan = Replan { pool: stuck.id, shares: shares.clone(), tasks_max: MOVED_MAX };
                let moved = self.execute(Command::Replan(replan)).await?;
                self.wake_moved(&moved, pulse);
                if matches!(&moved, Outcome::Moved(pools) if pools.is_empty()) {
                    break;
                }
            }
        }
        Ok(())
    }

    /// The pools of routes that all keys of a route serve, those that there are. They are as few as the routes.
    pub(super) async fn shared_pools(
        &self,
        routes: impl Iterator<Item = &Route>,
    ) -> Result<BTreeMap<PoolId, Pool>, Error> {
        let ids = routes.map(PoolId::shared).collect();
        let pools = self.store.pools(&ids).await?;
        Ok(pools.into_iter().map(|pool| (pool.id, pool)).collect())
    }

    /// Buries a worker whose heartbeat is too old, and takes its attempts over. Only a worker that has itself been
    /// beating without a gap may: after an outage of the store every heartbeat is old, and nobody is dead.
    async fn adopt_if_dead(self: &Arc<Self>, worker: &Worker, pulse: &Pulse) -> Result<(), Error> {
        let standing = self.write_lane.standing();
        let steady = self.clock.elapsed().saturating_sub(standing.steady_since);
        let silent = pulse.now.since(worker.beat);
        // Processes may have different settings: who is slower to be missed, or to notice an outage, is given the time.
        let dead_after = self.settings.dead_after.max(worker.dead_after);
        let is_missed = match worker.life {
            Life::Alive => silent > dead_after && steady >= dead_after,
            // Its undertaker may have died before it took everything over.
            Life::Buried => true,
            Life::Gone => false,
        };
        if worker.id == standing.worker || !is_missed {
            return Ok(());
        }
        self.adopt(worker.id, dead_after, silent).await
    }

    async fn adopt(
        self: &Arc<Self>,
        worker: WorkerId,
        dead_after: Duration,
        silent: Duration,
    ) -> Result<(), Error> {
        loop {
            let adopt = Adopt { worker, dead_after, attempts_max: ADOPTED_MAX };
            let Outcome::Adopt(Adopted { leases, more }) = self.execute(Command::Adopt(adopt)).await? else {
                unreachable!("adopting answers with what was adopted");
            };
            if !leases.is_empty() {
                tracing::warn!(%worker, ?silent, attempts = leases.len(), "took over the work of a dead process");
            }
            for lease in leases {
                // What runs already is not bounded by the room for new calls.
                let permit = Arc::clone(&self.calls).try_acquire_many_owned(0);
                let Ok(permit) = permit else { return Err(Error::Closed) };
                self.running.spawn(Arc::clone(self).resume(lease, permit));
            }
            if more == More::No {
                return Ok(());
            }
        }
    }
}
