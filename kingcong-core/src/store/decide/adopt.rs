//! Adopting: burying a worker that stopped beating, and taking over what it worked on.

use std::sync::Arc;

use crate::{
    clock::Timestamp,
    id::AttemptId,
    store::{Adopt, Adopted, Batch, Lease, Life, More, Tables},
    work::AttemptState,
};

pub(super) fn adopt(tables: &mut Tables, adopt: Adopt, batch: &Batch, now: Timestamp) -> Adopted {
    let Some(worker) = tables.workers.get(&adopt.worker) else { return Adopted::default() };
    let is_dead = match worker.life {
        Life::Alive => worker.beat <= now.minus(adopt.dead_after) && worker.id != batch.worker,
        // Its undertaker may have died before it took everything over.
        Life::Buried => true,
        Life::Gone => false,
    };
    if !is_dead {
        return Adopted::default();
    }
    let open: Vec<AttemptId> = tables.open_attempts(adopt.worker).take(adopt.attempts_max as usize).collect();
    let more = if open.len() == adopt.attempts_max as usize { More::Maybe } else { More::No };
    if let Some(worker) = tables.workers.get_mut(&adopt.worker) {
        worker.life = match more {
            More::Maybe => Life::Buried,
            More::No => Life::Gone,
        };
    }
    let leases = open.into_iter().filter_map(|id| take_over(tables, id, batch)).collect();
    Adopted { leases, more }
}

/// Makes an attempt ours. One without an upstream id may have been sent: what became of it is unknown.
fn take_over(tables: &mut Tables, id: AttemptId, batch: &Batch) -> Option<Lease> {
    let lost = tables.change_attempt(id, |attempt| {
        attempt.worker = Some(batch.worker);
        let lost = attempt.state == AttemptState::Leased;
        if lost {
            attempt.state = AttemptState::Unknown { until: attempt.leased_at.plus(batch.rules.call_max) };
        }
        lost
    })?;
    let attempt = tables.attempts().get(&id)?.clone();
    let task = tables.tasks().get(&attempt.task)?.clone();
    if lost && let Some(pool) = tables.pools.get_mut(&task.pool_of(&attempt.route)) {
        // If it was the one call that was to see whether the route works, another may see.
        pool.health.inconclusive();
    }
    let work = Arc::clone(&tables.inputs.get(&task.id)?.work);
    Some(Lease { attempt, task, work })
}
