//! The pulse: a few times a second this process looks at what others did, beats, and does what has become due.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use super::{Inner, Mode, events::JobEvent};
use crate::{
    access::Scope,
    error::Error,
    id::{Route, ServerId, WorkerId},
    keys::PoolId,
    store::{
        Adopt, Adopted, Command, Life, More, Outcome, PoolPulse, Promote, Pulse, Replan, StopWhy, Worker,
    },
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
        let changed = pulse.configuration_version != snapshot.configuration.version;
        let keys_changed = pulse.pools.iter().any(|pulse| {
            let usable =
                snapshot.keys.values().filter(|key| key.is_usable() && key.route == pulse.pool.route);
            pulse.pool.key.is_none() && usable.count() != pulse.keys as usize
        });
        if changed || keys_changed {
            self.refresh().await?;
        }
        self.tell_watchers().await?;
        if self.settings.mode == Mode::Client || self.closing.is_cancelled() {
            return Ok(());
        }
        for pool in pulse.pools.iter().filter(|pulse| pulse.pool.waiting > 0) {
            self.wake_if_grown(pool.pool.id, &pool.pool.route, pool.pool.sequence);
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
            pulse.pools.iter().map(|pulse| (pulse.pool.id, &pulse.pool.route)).collect();
        for pool in pools {
            match routes.get(pool) {
                Some(route) => self.wake(*pool, route),
                // A pool made by this very move: its route is one of the configured.
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
        let works = |pulse_of: &PoolPulse| {
            let cooling = pulse_of.pool.health.closed_for(pulse.now);
            system.serves(&pulse_of.pool.route) && pulse_of.keys > 0 && cooling <= self.settings.move_after
        };
        let stuck = pulse.pools.iter().filter(|pulse_of| {
            let pool = &pulse_of.pool;
            let paused = system.is_in_maintenance(&pool.route.service);
            pool.waiting > 0 && pool.key.is_none() && !paused && !works(pulse_of)
        });
        for stuck in stuck {
            let Ok(eligible) = system.eligible(&stuck.pool.route.service) else { continue };
            let broken = |server: &ServerId| {
                let route = Route::new(server.clone(), stuck.pool.route.service.clone());
                let known = pulse.pools.iter().find(|other| other.pool.id == PoolId::shared(&route));
                known.map_or(!snapshot.keyed.contains(&route), |known| !works(known))
            };
            let shares: BTreeMap<ServerId, u32> =
                eligible.into_iter().filter(|(server, _)| !broken(server)).collect();
            if shares.is_empty() {
                continue;
            }
            for _ in 0..MOVES_MAX {
                let replan = Replan { pool: stuck.pool.id, shares: shares.clone(), tasks_max: MOVED_MAX };
                let moved = self.execute(Command::Replan(replan)).await?;
                self.wake_moved(&moved, pulse);
                if matches!(&moved, Outcome::Moved(pools) if pools.is_empty()) {
                    break;
                }
            }
        }
        Ok(())
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
