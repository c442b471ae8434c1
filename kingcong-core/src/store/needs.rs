//! The rows that a batch needs, so that a database can lock them all in one order before anything is decided.

use std::collections::BTreeSet;

use crate::{
    clock::Timestamp,
    id::{AttemptId, HoldId, JobId, KeyId, LimitId, ServerId, TaskId, TenantId, WalletId, WorkerId},
    keys::{Limit, PoolId},
    routing::{Split, SplitId},
    vault::{DataKeyUse, Fingerprint},
    work::{Task, TaskState},
};

use super::{AdminAct, Command, FlowId, Movement, Tables};

/// The rows that a batch needs.
///
/// Load them in the order of the fields, which is the lock order. Rows that are absent are simply not loaded. After
/// `tasks`, `ready`, `due`, `adopt` and `attempts` are loaded, [`Needs::follow_tasks`] adds what those tasks touch,
/// jobs among them; after all `jobs` are loaded, [`Needs::follow_jobs`] adds their holds and wallets, and the tenants
/// of those that are retried; after `keys` and the key limits, [`Needs::follow_limits`] adds the accounts of those
/// limits.
#[derive(Clone, Debug, Default)]
pub struct Needs {
    /// Workers to bury, if their heartbeat is as old as asked.
    pub adopt: Vec<(WorkerId, std::time::Duration, u32)>,
    /// Idempotency keys.
    pub idempotency: BTreeSet<[u8; 32]>,
    /// Jobs.
    pub jobs: BTreeSet<JobId>,
    /// Jobs all of whose tasks are needed and, where some of them are ready, the ready ones of their users' other jobs,
    /// for these may move up: at most [`Stop::FOLLOWERS_MAX`](super::Stop::FOLLOWERS_MAX) for each job, in the order of
    /// their tags.
    pub tasks_of: BTreeSet<JobId>,
    /// Jobs whose failed tasks may be queued again; they are among `tasks_of`.
    pub retries: BTreeSet<JobId>,
    /// Tasks.
    pub tasks: BTreeSet<TaskId>,
    /// Tasks whose [`crate::work::Work`] is needed too.
    pub inputs: BTreeSet<TaskId>,
    /// Pools whose next ready tasks are needed, with what they are to do, and the keys in the order of their turns.
    pub claims: Vec<ClaimNeeds>,
    /// Pools whose next ready tasks are needed alone, and how many.
    pub ready: Vec<(PoolId, u32)>,
    /// How many delayed tasks whose instant has come are needed.
    pub due: u32,
    /// Attempts.
    pub attempts: BTreeSet<AttemptId>,
    /// Holds.
    pub holds: BTreeSet<HoldId>,
    /// Wallets.
    pub wallets: BTreeSet<WalletId>,
    /// Splits: the row's carry is to be resumed over this one.
    pub splits: Vec<(SplitId, Split)>,
    /// Keys.
    pub keys: BTreeSet<KeyId>,
    /// Tenants, read without a lock: whatever changes them stands alone.
    pub tenants: BTreeSet<TenantId>,
    /// Keys of a server with this fingerprint, on any of its services, and their limits.
    pub fingerprints: Vec<(TenantId, ServerId, Fingerprint)>,
    /// Servers all of whose keys are needed, with their limits.
    pub keys_of: BTreeSet<ServerId>,
    /// Limits of keys.
    pub key_limits: BTreeSet<LimitId>,
    /// Limits of accounts and of servers seen from our addresses.
    pub shared_limits: BTreeSet<LimitId>,
    /// Pools.
    pub pools: BTreeSet<PoolId>,
    /// Flows.
    pub flows: BTreeSet<FlowId>,
    /// Uses whose data keys are needed, with the keys that rely on them: a tenant's that have a secret, or all that
    /// have a fingerprint to be told from others by.
    pub data_keys: Vec<DataKeyUse>,
    /// Periodic duties.
    pub duties: BTreeSet<&'static str>,
}

/// What a claim needs of its pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClaimNeeds {
    /// The pool.
    pub pool: PoolId,
    /// How many of its next ready tasks.
    pub tasks: u32,
    /// How many of its keys, in the order of their turns, whether these have come or not.
    pub keys: u32,
}

impl ClaimNeeds {
    /// What a claim of so many leases needs.
    #[must_use]
    pub const fn new(pool: PoolId, leases_max: u32) -> Self {
        Self { pool, tasks: leases_max.saturating_add(1), keys: leases_max.saturating_add(Self::SPARE_KEYS) }
    }

    /// Keys looked at beyond those that could be leased, because a task may have tried so many before.
    pub const SPARE_KEYS: u32 = Task::ATTEMPTS_MAX as u32;
}

impl Needs {
    /// What these commands need.
    #[must_use]
    pub fn of(commands: &[Command]) -> Self {
        let mut needs = Self::default();
        for command in commands {
            needs.add(command);
        }
        needs
    }

    fn add(&mut self, command: &Command) {
        match command {
            Command::Admit(admit) => {
                self.idempotency.extend(admit.idempotency.map(|idempotency| idempotency.key));
                self.tenants.insert(admit.tenant.clone());
                self.wallets.insert(admit.wallet.id());
                if let Some(split) = Split::new(&admit.shares) {
                    self.splits.push((split.id(&admit.service), split));
                }
                for route in admit.tasks.iter().flat_map(|task| task.routes.iter()) {
                    let pool = admit.only_key.map_or_else(|| PoolId::shared(route.route()), PoolId::of_key);
                    self.pools.insert(pool);
                    self.flows.insert((pool, admit.tenant.clone(), admit.user.clone()));
                }
            }
            Command::Claim(claim) => {
                self.claims.push(ClaimNeeds::new(claim.pool, claim.leases_max));
                self.pools.insert(claim.pool);
                self.shared_limits.extend(claim.egress.map(|egress| egress.id));
            }
            Command::Poll(poll) => {
                self.key_limits.insert(Limit::id_of_key(poll.key));
                self.shared_limits.extend(poll.account_limit);
                self.shared_limits.extend(poll.egress_limit);
            }
            Command::CountLate(late) => {
                self.key_limits.insert(Limit::id_of_key(late.key));
                self.shared_limits.extend(late.account_limit);
                self.shared_limits.extend(late.egress_limit);
            }
            Command::Accept(accept) => {
                self.attempts.insert(accept.attempt);
            }
            Command::Settle(settle) => {
                self.jobs.insert(settle.job);
                self.tasks.insert(settle.task);
                self.attempts.insert(settle.attempt);
                self.keys.insert(settle.key);
                self.key_limits.insert(Limit::id_of_key(settle.key));
                self.shared_limits.extend(settle.account_limit);
                self.shared_limits.extend(settle.egress_limit);
            }
            Command::Stop(stop) => {
                self.jobs.insert(stop.job);
                self.tasks_of.insert(stop.job);
            }
            Command::Retry(retry) => {
                self.idempotency.insert(retry.idempotency.key);
                self.jobs.insert(retry.job);
                self.tasks_of.insert(retry.job);
                self.retries.insert(retry.job);
            }
            Command::Promote(promote) => self.due = self.due.max(promote.tasks_max),
            Command::Replan(replan) => {
                self.ready.push((replan.pool, replan.tasks_max));
                self.pools.insert(replan.pool);
            }
            Command::Adopt(adopt) => {
                // The second of two finds what the first leaves.
                let same = self.adopt.iter_mut().find(|(worker, ..)| *worker == adopt.worker);
                match same {
                    Some((_, _, attempts)) => *attempts = attempts.saturating_add(adopt.attempts_max),
                    None => self.adopt.push((adopt.worker, adopt.dead_after, adopt.attempts_max)),
                }
            }
            Command::Beat => {}
            Command::TakeDuty(duty) => {
                self.duties.insert(duty.name);
            }
            Command::Admin(admin) => self.add_act(&admin.act),
            Command::RecordLate(_) | Command::Audit(_) => {}
            Command::CheckKey { key, .. } => self.add_key(*key),
            Command::AddDataKey(key) => self.data_keys.push(key.context.used_for.clone()),
        }
    }

    fn add_act(&mut self, act: &AdminAct) {
        match act {
            AdminAct::Credit(credit) => {
                self.idempotency.extend(credit.idempotency.map(|idempotency| idempotency.key));
                self.wallets.insert(credit.wallet.id());
                match &credit.movement {
                    Movement::Refund { task, .. } => {
                        self.tasks.insert(*task);
                    }
                    Movement::Purchase { .. } => {
                        self.tenants.insert(credit.wallet.tenant.clone());
                    }
                    Movement::Adjust { .. } => {}
                }
            }
            AdminAct::Configure(configure) => self.keys_of.extend(configure.change.may_move().cloned()),
            AdminAct::SetTenant(set) => {
                self.tenants.insert(set.tenant.clone());
            }
            AdminAct::AddKey(add) => {
                let key = &add.key;
                self.fingerprints.push((key.tenant.clone(), key.route.server.clone(), key.fingerprint));
                self.shared_limits.extend(add.limit.account);
            }
            // Its keys are looked at again by the next claim.
            AdminAct::ChangeAccount(change) => {
                self.keys_of.insert(change.server.clone());
                self.shared_limits.insert(Limit::id_of_account(&change.server, &change.account));
            }
            AdminAct::ChangeKey(change) => self.add_key(change.key),
        }
    }

    fn add_key(&mut self, key: KeyId) {
        self.keys.insert(key);
        self.key_limits.insert(Limit::id_of_key(key));
    }

    /// Adds the holds and wallets of the loaded jobs, and the tenants of those that are retried.
    pub fn follow_jobs(&mut self, tables: &Tables) {
        let retried = self.retries.iter().filter_map(|id| tables.jobs.get(id));
        self.tenants.extend(retried.map(|job| job.tenant.clone()));
        for (_, job) in tables.jobs.iter() {
            self.holds.insert(job.hold);
            self.wallets.insert(job.wallet);
        }
    }

    /// Adds what the loaded tasks and attempts touch; to be called before anything after `attempts` is loaded.
    pub fn follow_tasks(&mut self, tables: &Tables, now: Timestamp) {
        let claimed = self.claims.iter().flat_map(|claim| tables.ready_in(claim.pool));
        let claimed: Vec<TaskId> = claimed.map(|(_, id)| id).collect();
        for id in claimed {
            self.inputs.insert(id);
            if let Some(key) = tables.tasks().get(&id).and_then(|task| task.only_key) {
                self.add_key(key);
            }
        }
        let named = self.tasks.iter().copied();
        let moving = self.ready.iter().flat_map(|&(pool, _)| tables.ready_in(pool).map(|(_, id)| id));
        let due = || tables.due_tasks(now).take(self.due as usize).filter_map(|id| tables.tasks().get(&id));
        // Who settles a task names its job; who refunds one need not know it.
        self.jobs.extend(named.clone().filter_map(|id| Some(tables.tasks().get(&id)?.job)));
        for task in named.filter_map(|id| tables.tasks().get(&id)).chain(due()) {
            self.pools.extend(task.routes.iter().map(|route| task.pool_of(route.route())));
        }
        for task in due().filter(|task| task.attempts == 0) {
            if let TaskState::Delayed { pool, .. } = task.state {
                self.flows.insert((pool, task.tenant.clone(), task.user.clone()));
            }
        }
        for task in moving.filter_map(|id| tables.tasks().get(&id)) {
            for pool in task.routes.iter().map(|route| task.pool_of(route.route())) {
                self.pools.insert(pool);
                self.flows.insert((pool, task.tenant.clone(), task.user.clone()));
            }
        }
        for job in &self.tasks_of {
            for task in tables.tasks_of(*job) {
                if let TaskState::Ready { pool, .. } | TaskState::Delayed { pool, .. } = task.state {
                    self.pools.insert(pool);
                    self.flows.insert((pool, task.tenant.clone(), task.user.clone()));
                }
            }
        }
        for job in &self.retries {
            // What runs may fail in this very batch.
            for task in tables.tasks_of(*job).filter(|task| task.state != TaskState::Done) {
                for pool in task.routes.iter().map(|route| task.pool_of(route.route())) {
                    self.pools.insert(pool);
                    self.flows.insert((pool, task.tenant.clone(), task.user.clone()));
                }
            }
        }
        for (worker, ..) in &self.adopt {
            let open = tables.open_attempts(*worker).filter_map(|id| tables.attempts().get(&id));
            for attempt in open {
                self.inputs.insert(attempt.task);
                let task = tables.tasks().get(&attempt.task);
                self.pools.extend(task.map(|task| task.pool_of(&attempt.route)));
            }
        }
    }

    /// Adds the accounts of the loaded keys' limits; to be called before shared limits are loaded.
    pub fn follow_limits(&mut self, tables: &Tables) {
        self.shared_limits.extend(tables.key_limits().iter().filter_map(|(_, limit)| limit.account));
    }
}
