//! Jobs, tasks and attempts under random commands: workers that claim, settle in every way, die and are adopted from;
//! users who order, cancel, retry and are refunded; administrators who switch routes, keys and maintenance.
//!
//! After every step everything adds up, no task is without a place, and what each job was charged is the exact sum of
//! what was done for it, rounded up once. At the end every job comes to its end.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use kingcong_core::{
    access::Scope,
    clock::Clock,
    failure::{FailureKind, Reached},
    id::{JobId, KeyId, TaskId},
    keys::{Limits, Verdict},
    measure::Measure,
    routing::{Maintenance, SystemCommand},
    store::{
        AttemptFilter, AttemptResult, ConfigurationChange, KeyChange, Lease, MemoryStore, NotAdmitted,
        NotRetried, PAGE_MAX, Retry, StopWhy, UnknownPolicy,
        conformance::{
            fixtures::{
                DEAD_AFTER, NewKey, Order, Scene, TASK_CHARACTERS, TestClock, TestWorker, credits_on, done,
                egress, failed, line, lost, pool, route, unanswered,
            },
            recount,
        },
    },
    switch::Switch,
    upstream::UpstreamCredits,
    work::{AttemptState, Job, JobState, Task, TaskState},
};
use proptest::{prelude::*, sample::Index};

const SERVERS: [&str; 2] = ["ai33", "ai84"];
const USERS: [&str; 2] = ["user-1", "user-2"];

/// What is done. Workers, leases, jobs and keys are named by their place among those that there are.
#[derive(Clone, Debug)]
enum Step {
    Submit {
        user: usize,
        tasks: usize,
        shares: (u32, u32),
        price: usize,
        only_key: Option<Index>,
        deadline: u64,
    },
    Claim {
        worker: Index,
        pool: Index,
        leases: u32,
    },
    Accept {
        lease: Index,
    },
    Settle {
        lease: Index,
        end: End,
    },
    Stop {
        job: Index,
        why: StopWhy,
    },
    Retry {
        job: Index,
        unknown: UnknownPolicy,
    },
    Promote,
    Replan {
        from: usize,
    },
    Die {
        worker: Index,
    },
    Buy {
        user: usize,
        credits: i64,
    },
    Adjust {
        user: usize,
        change: i64,
    },
    Refund {
        task: Index,
        amount: Option<i64>,
    },
    SwitchRoute {
        server: usize,
        switch: Switch,
    },
    Maintain(Maintenance),
    AddKey {
        server: usize,
        limits: (u32, u32),
        account: bool,
    },
    ChangeKey {
        key: Index,
        change: KeyChange,
    },
    Check {
        key: Index,
        verdict: Verdict,
    },
    Pass {
        millis: u64,
    },
    SetBack {
        millis: u64,
    },
}

/// How an attempt ends.
#[derive(Clone, Copy, Debug)]
enum End {
    Done,
    NotSent,
    Failed(FailureKind, Reached),
    Unanswered,
    Lost(UnknownPolicy),
}

impl End {
    fn result(self) -> AttemptResult {
        match self {
            Self::Done => done(),
            Self::NotSent => AttemptResult::NotSent,
            Self::Failed(kind, reached) => failed(kind, reached),
            Self::Unanswered => unanswered(),
            Self::Lost(policy) => lost(policy),
        }
    }
}

fn end() -> impl Strategy<Value = End> {
    let kind = prop::sample::select(vec![
        FailureKind::BadRequest,
        FailureKind::Policy,
        FailureKind::NotAllowed,
        FailureKind::KeyDead,
        FailureKind::KeyDoubtful,
        FailureKind::OutOfCredit,
        FailureKind::KeyRateLimited,
        FailureKind::AccountRateLimited,
        FailureKind::EgressRateLimited,
        FailureKind::Busy,
        FailureKind::Busy,
        FailureKind::Busy,
        FailureKind::Unknown,
        FailureKind::TooLarge,
        FailureKind::Unsupported,
    ]);
    let reached = prop::sample::select(vec![Reached::No, Reached::Maybe, Reached::Yes]);
    prop_oneof![
        5 => Just(End::Done),
        2 => Just(End::NotSent),
        8 => (kind, reached).prop_map(|(kind, reached)| End::Failed(kind, reached)),
        1 => Just(End::Unanswered),
        2 => unknown().prop_map(End::Lost),
    ]
}

fn unknown() -> impl Strategy<Value = UnknownPolicy> {
    prop::sample::select(vec![UnknownPolicy::Retry, UnknownPolicy::Fail])
}

fn step() -> impl Strategy<Value = Step> {
    let index = any::<Index>;
    let submit = (0..2_usize, 1..5_usize, (0..4_u32, 0..4_u32), 0..4_usize, 0..10_u8, index(), 1..4_u64)
        .prop_map(|(user, tasks, shares, price, bound, key, hours)| Step::Submit {
            user,
            tasks,
            shares,
            price,
            only_key: (bound == 0).then_some(key),
            deadline: hours * 600,
        });
    let why = prop::sample::select(vec![StopWhy::Cancelled, StopWhy::Deadline]);
    let switch = || prop::sample::select(vec![Switch::On, Switch::On, Switch::Off]);
    let maintenance = prop::sample::select(vec![
        Maintenance::None,
        Maintenance::None,
        Maintenance::Full,
        Maintenance::Services([route("ai33").service].into()),
    ]);
    let limits = (1..5_u32, 1..20_u32);
    let change = prop_oneof![
        3 => switch().prop_map(KeyChange::Switch),
        2 => limits.clone().prop_map(|(in_flight, per_window)| {
            KeyChange::SetLimits(Limits::new(in_flight, per_window).unwrap().into())
        }),
        1 => Just(KeyChange::Remove),
    ];
    let verdict = prop::sample::select(vec![
        Verdict::Alive(None),
        Verdict::Alive(Some(UpstreamCredits::whole(1_000))),
        Verdict::Alive(Some(UpstreamCredits::whole(0))),
        Verdict::Dead { reason: "gone".into() },
        Verdict::Unclear,
    ]);
    let work = prop_oneof![
        4 => submit,
        10 => (index(), index(), 1..4_u32)
            .prop_map(|(worker, pool, leases)| Step::Claim { worker, pool, leases }),
        2 => index().prop_map(|lease| Step::Accept { lease }),
        14 => (index(), end()).prop_map(|(lease, end)| Step::Settle { lease, end }),
        2 => (index(), why).prop_map(|(job, why)| Step::Stop { job, why }),
        4 => (index(), unknown()).prop_map(|(job, unknown)| Step::Retry { job, unknown }),
        3 => Just(Step::Promote),
        2 => (0..2_usize).prop_map(|from| Step::Replan { from }),
        1 => index().prop_map(|worker| Step::Die { worker }),
    ];
    let around = prop_oneof![
        2 => (0..2_usize, 1..200_i64).prop_map(|(user, credits)| Step::Buy { user, credits }),
        1 => (0..2_usize, -100..100_i64).prop_map(|(user, change)| Step::Adjust { user, change }),
        2 => (index(), prop::option::of(1..12_i64)).prop_map(|(task, amount)| Step::Refund { task, amount }),
        1 => (0..2_usize, switch()).prop_map(|(server, switch)| Step::SwitchRoute { server, switch }),
        1 => maintenance.prop_map(Step::Maintain),
        2 => (0..2_usize, limits, any::<bool>())
            .prop_map(|(server, limits, account)| Step::AddKey { server, limits, account }),
        1 => (index(), change).prop_map(|(key, change)| Step::ChangeKey { key, change }),
        2 => (index(), verdict).prop_map(|(key, verdict)| Step::Check { key, verdict }),
        4 => prop_oneof![3 => 0..3_000_u64, 1 => 0..400_000_u64].prop_map(|millis| Step::Pass { millis }),
        1 => (0..90_000_u64).prop_map(|millis| Step::SetBack { millis }),
    ];
    prop_oneof![3 => work, 1 => around]
}

/// The prices of a character, as parts of a credit: none is the configuration's own.
const PRICES: [Option<(u64, u32)>; 4] = [None, Some((1, 3)), Some((2, 7)), Some((5, 1))];
/// A denominator of all of them.
const DENOMINATOR: i128 = 21;

/// What is known of a job beside what the store says.
struct Ordered {
    price: Option<(u64, u32)>,
    /// The exact price of what was done, in parts of [`DENOMINATOR`].
    sum: i128,
}

fn rounded_up(sum: i128) -> i128 {
    (sum + DENOMINATOR - 1) / DENOMINATOR
}

struct World<'a> {
    scene: &'a Scene<'a>,
    workers: Vec<TestWorker<'a>>,
    /// Open leases with the place of the worker that has them.
    leases: Vec<(usize, Lease)>,
    jobs: BTreeMap<JobId, Ordered>,
    /// Every task with the place of its user.
    tasks: Vec<(usize, TaskId)>,
    /// Every key with the place of its server.
    keys: Vec<(KeyId, usize)>,
    /// How often a retry was asked for.
    retries: u32,
}

impl<'a> World<'a> {
    async fn new(scene: &'a Scene<'a>) -> Self {
        let mut world = Self {
            scene,
            workers: vec![scene.worker().await, scene.worker().await],
            leases: Vec::new(),
            jobs: BTreeMap::new(),
            tasks: Vec::new(),
            keys: Vec::new(),
            retries: 0,
        };
        for (place, server) in SERVERS.into_iter().enumerate() {
            world.keys.push((world.workers[0].add_key(&NewKey::new(server, 3, 10)).await, place));
        }
        for name in USERS {
            world.workers[0].buy(name, 500).await;
        }
        world
    }

    async fn submit(&mut self, order: Order, user: usize, price: Option<(u64, u32)>) {
        match self.workers[0].admit(&order).await {
            Ok(admitted) => {
                self.jobs.insert(admitted.job, Ordered { price, sum: 0 });
                let tasks = self.scene.job(admitted.job).await.tasks;
                self.tasks.extend(tasks.iter().map(|task| (user, task.id)));
            }
            Err(NotAdmitted::Refused(_) | NotAdmitted::QueueFull { .. }) => {}
            Err(other) => panic!("{other:?}"),
        }
    }

    /// The exact price of a task where it was done.
    fn exact(&self, task: &Task) -> i128 {
        let characters = i128::from(TASK_CHARACTERS);
        match self.jobs[&task.job].price {
            Some((num, per)) => characters * i128::from(num) * (DENOMINATOR / i128::from(per)),
            None => {
                let server = &task.planned_route().route().server;
                characters * i128::from(credits_on(server.as_str())) * DENOMINATOR
            }
        }
    }

    async fn settle(&mut self, place: usize, end: End) {
        let (worker, lease) = &self.leases[place];
        let settled = self.workers[*worker].settled(lease, end.result()).await;
        if let End::Done = end {
            let exact = self.exact(&settled.task);
            let job = self.jobs.get_mut(&settled.job.id).expect("it was ordered");
            let before = rounded_up(job.sum);
            job.sum += exact;
            assert_eq!(i128::from(settled.charged.get()), rounded_up(job.sum) - before);
            assert_eq!(settled.task.charged, settled.charged);
        } else {
            assert_eq!(settled.charged.get(), 0, "only results are charged");
        }
        if settled.task.state != (TaskState::Running { attempt: lease.attempt.id }) {
            self.leases.remove(place);
        }
    }

    /// What failed is tried again, or the job is as it was.
    async fn retry(&mut self, job: JobId, unknown: UnknownPolicy) {
        let before = self.scene.job(job).await;
        self.retries += 1;
        let command = self.workers[0].retry_command(job, &self.retries.to_string());
        let retried = self.workers[0].retry_as(Retry { unknown, queue_max: 40, ..command }).await;
        let after = self.scene.job(job).await;
        let is_failed = |task: &&Task| matches!(task.state, TaskState::Failed { .. });
        match &retried {
            Ok(retried) => {
                let failed = before.tasks.iter().filter(is_failed).count();
                assert!(failed > 0 && failed == retried.tasks as usize, "{before:?}");
                assert_eq!((after.job.state, after.job.open_tasks), (JobState::Open, retried.tasks));
                for (before, after) in before.tasks.iter().zip(&after.tasks) {
                    assert!(is_failed(&before) || before == after, "{before:?} {after:?}");
                }
            }
            Err(NotRetried::State(state)) => {
                let can_be = [JobState::Failed, JobState::CompletedWithFailures].contains(state);
                assert!(!can_be && *state == before.job.state, "{before:?}");
            }
            Err(NotRetried::InDoubt { place }) => {
                assert!(before.tasks[*place as usize].may_have_been_made());
            }
            Err(NotRetried::TooOften) => assert_eq!(before.job.retries, Job::RETRIES_MAX),
            Err(NotRetried::NoPlan(_) | NotRetried::Refused(_) | NotRetried::QueueFull { .. }) => {}
            Err(other) => panic!("{other:?}"),
        }
        if retried.is_err() {
            assert_eq!(after, before);
        }
    }

    /// A worker dies: another takes over, and a new one comes in its place.
    async fn die(&mut self, worker: Index) {
        let dead = worker.index(self.workers.len());
        let heir = (dead + 1) % self.workers.len();
        let pulse = self.scene.store.pulse().await.unwrap();
        let last_beat = pulse.workers.iter().find(|worker| worker.id == self.workers[dead].id).unwrap().beat;
        self.scene.clock.set(pulse.now.max(last_beat).plus(DEAD_AFTER * 2));
        let adopted = self.workers[heir].adopt(self.workers[dead].id, DEAD_AFTER, 1000).await.leases;
        let mut expected: Vec<_> =
            self.leases.iter().filter(|(of, _)| *of == dead).map(|(_, lease)| lease.attempt.id).collect();
        expected.sort_unstable();
        assert_eq!(adopted.iter().map(|lease| lease.attempt.id).collect::<Vec<_>>(), expected);
        self.leases.retain(|(of, _)| *of != dead);
        self.leases.extend(adopted.into_iter().map(|lease| (heir, lease)));
        self.workers[dead] = self.scene.worker().await;
    }

    async fn step(&mut self, step: Step) {
        let scene = self.scene;
        let system = ConfigurationChange::System;
        match step {
            Step::Submit { user, tasks, shares, price, only_key, deadline } => {
                let both = [("ai33", shares.0), ("ai84", shares.1)];
                let only_key = only_key.map(|key| *key.get(&self.keys));
                let order = Order {
                    line: PRICES[price].map(|(num, per)| line(Measure::Character, num * 1_000_000, per)),
                    only_key: only_key.map(|(key, _)| key),
                    deadline: Duration::from_secs(deadline),
                    configuration_version: scene.version().await,
                    queue_max: 40,
                    ..Order::new(USERS[user], tasks)
                };
                // Work for one key is for that key's route alone.
                let order = order.on(only_key.map_or(&both[..], |(_, server)| &both[server..=server]));
                self.submit(order, user, PRICES[price]).await;
            }
            Step::Claim { worker, pool, leases } => {
                let worker = worker.index(self.workers.len());
                let pools = scene.store.pool_counts().await.unwrap();
                if !pools.is_empty() {
                    let pool = pool.get(&pools).pool.id;
                    let claimed = self.workers[worker].claim_through(egress(6, 30), pool, leases).await;
                    assert!(claimed.leases.len() <= leases as usize);
                    self.leases.extend(claimed.leases.into_iter().map(|lease| (worker, lease)));
                }
            }
            Step::Accept { lease } => {
                if !self.leases.is_empty() {
                    let (worker, lease) = lease.get(&self.leases);
                    // It was accepted before, or is unknown by now.
                    let _ = self.workers[*worker].accept(lease, "upstream").await;
                }
            }
            Step::Settle { lease, end } => {
                if !self.leases.is_empty() {
                    self.settle(lease.index(self.leases.len()), end).await;
                }
            }
            Step::Stop { job, why } => {
                let jobs: Vec<JobId> = self.jobs.keys().copied().collect();
                if !jobs.is_empty() {
                    self.workers[0].stop(*job.get(&jobs), why).await;
                }
            }
            Step::Retry { job, unknown } => {
                let jobs: Vec<JobId> = self.jobs.keys().copied().collect();
                if !jobs.is_empty() {
                    self.retry(*job.get(&jobs), unknown).await;
                }
            }
            Step::Promote => {
                self.workers[0].promote(5).await;
            }
            Step::Replan { from } => {
                let to = SERVERS[1 - from];
                self.workers[0].replan(pool(SERVERS[from]), &[(to, 1)], 3).await;
            }
            Step::Die { worker } => self.die(worker).await,
            Step::Buy { user, credits } => {
                self.workers[0].buy(USERS[user], credits).await;
            }
            Step::Adjust { user, change } => {
                let _ = self.workers[0].adjust(USERS[user], change).await;
            }
            Step::Refund { task, amount } => {
                if !self.tasks.is_empty() {
                    let (user, task) = *task.get(&self.tasks);
                    let _ = self.workers[0].refund(USERS[user], task, amount).await;
                }
            }
            Step::SwitchRoute { server, switch } => {
                let command = SystemCommand::SetRoute { route: route(SERVERS[server]), switch };
                self.workers[0].configure(system(command)).await.unwrap();
            }
            Step::Maintain(maintenance) => {
                let command = SystemCommand::SetMaintenance(maintenance);
                self.workers[0].configure(system(command)).await.unwrap();
            }
            Step::AddKey { server, limits, account } => {
                let key = NewKey::new(SERVERS[server], limits.0, limits.1);
                let key = if account { key.of_account("shared", 4, 15) } else { key };
                self.keys.push((self.workers[0].add_key(&key).await, server));
            }
            Step::ChangeKey { key, change } => {
                let _ = self.workers[0].change_key(key.get(&self.keys).0, change).await;
            }
            Step::Check { key, verdict } => {
                self.workers[0].check_key(key.get(&self.keys).0, verdict).await.unwrap();
            }
            Step::Pass { millis } => scene.clock.advance(Duration::from_millis(millis)),
            Step::SetBack { millis } => {
                scene.clock.set(scene.clock.now().minus(Duration::from_millis(millis)));
            }
        }
    }

    /// Everything adds up, and nothing is lost between the rows.
    async fn check(&self) {
        let store = self.scene.store;
        recount(store).await;
        let pulse = store.pulse().await.unwrap();
        let mut running = BTreeSet::new();
        for book in store.job_books(None, PAGE_MAX).await.unwrap() {
            let charged = i128::from(book.job.total.charged().get());
            assert_eq!(charged, rounded_up(self.jobs[&book.job.id].sum), "{:?}", book.job);
            for task in &book.tasks {
                let reached = task.reached - task.reached_before;
                assert!(reached <= Task::REACHED_MAX && task.attempts_now() <= Task::ATTEMPTS_MAX);
                match &task.state {
                    TaskState::Ready { pool, .. } => {
                        assert!(pulse.waiting.iter().any(|waiting| waiting.id == *pool), "{task:?}");
                    }
                    TaskState::Delayed { until, .. } => {
                        assert!(pulse.first_delayed.is_some_and(|first| first <= *until), "{task:?}");
                    }
                    TaskState::Running { attempt } => {
                        running.insert(*attempt);
                    }
                    TaskState::Done | TaskState::Failed { .. } | TaskState::Cancelled => {}
                }
            }
        }
        let leased: BTreeSet<_> = self.leases.iter().map(|(_, lease)| lease.attempt.id).collect();
        assert_eq!(running, leased, "what runs is what somebody works on");
        let filter = AttemptFilter { limit: PAGE_MAX, ..Default::default() };
        for attempt in store.attempts(&Scope::All, &filter).await.unwrap() {
            let is_open = !matches!(attempt.state, AttemptState::Ended(_));
            assert_eq!(is_open, leased.contains(&attempt.id), "{attempt:?}");
            let works = attempt.worker.is_some_and(|id| pulse.workers.iter().any(|worker| worker.id == id));
            assert_eq!(works, is_open, "{attempt:?}");
        }
        for count in store.limits().await.unwrap() {
            let limit = count.limit;
            assert!(limit.in_flight <= 6, "no more than the address allows: {limit:?}");
        }
    }

    /// Everything is switched on and works: every job comes to its end.
    async fn come_to_the_end(&mut self) {
        let system = ConfigurationChange::System;
        let worker = &self.workers[0];
        worker.configure(system(SystemCommand::SetMaintenance(Maintenance::None))).await.unwrap();
        for (place, server) in SERVERS.into_iter().enumerate() {
            let command = SystemCommand::SetRoute { route: route(server), switch: Switch::On };
            worker.configure(system(command)).await.unwrap();
            self.keys.push((worker.add_key(&NewKey::new(server, 1000, 1000)).await, place));
        }
        for _ in 0..20 {
            self.scene.clock.advance(Duration::from_secs(20 * 60));
            self.workers[0].promote(1000).await;
            while !self.leases.is_empty() {
                self.settle(0, End::Done).await;
            }
            for pool in self.scene.store.pulse().await.unwrap().waiting {
                let claimed = self.workers[0].claim(pool.id, 50).await;
                self.leases.extend(claimed.leases.into_iter().map(|lease| (0, lease)));
            }
        }
        self.check().await;
        let usable: BTreeSet<KeyId> = {
            let keys = self.scene.store.keys().await.unwrap();
            keys.into_iter().filter(|key| key.is_usable()).map(|key| key.id).collect()
        };
        for book in self.scene.store.job_books(None, PAGE_MAX).await.unwrap() {
            for task in book.tasks.iter().filter(|task| !task.is_ended()) {
                let waits_for = task.only_key.expect("whatever any key can do is done");
                assert!(!usable.contains(&waits_for), "its key is there, and it is not done: {task:?}");
            }
        }
        self.scene.clock.advance(Duration::from_secs(48 * 3600));
        let jobs: Vec<JobId> = self.jobs.keys().copied().collect();
        for job in jobs {
            let stopped = self.workers[0].stop(job, StopWhy::Deadline).await.expect("there is the job");
            assert!(stopped.job.state.is_final(), "{:?}", stopped.job);
        }
        self.check().await;
        for name in USERS {
            assert_eq!(self.scene.wallet(name).await.held.get(), 0, "nothing is held for nothing");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn everything_adds_up_and_comes_to_an_end(steps in prop::collection::vec(step(), 1..150)) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let clock = Arc::new(TestClock::default());
            let store = MemoryStore::with_clock(Arc::clone(&clock) as Arc<dyn Clock>);
            let scene = Scene::configured(&store, &clock).await;
            let mut world = World::new(&scene).await;
            for step in steps {
                world.step(step).await;
                world.check().await;
            }
            world.come_to_the_end().await;
        });
    }
}
