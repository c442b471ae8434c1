//! Fairness of the queue: two users with work waiting are served alike, whatever they order, claim after claim, and
//! cancel; and the moments that a queue easily gets wrong.

use std::time::Duration;

use kingcong_core::{
    clock::Clock,
    failure::{FailureKind, Reached},
    id::JobId,
    store::{
        Lease, MemoryStore, StopWhy,
        conformance::{
            fixtures::{NewKey, Order, Scene, TestClock, TestWorker, failed, pool},
            recount,
        },
    },
    work::TaskState,
};
use proptest::{prelude::*, sample::Index};

const USERS: [&str; 2] = ["user-1", "user-2"];

/// Runs on a fresh store, with a worker and a key without practical limits.
fn on_a_store<R>(run: impl AsyncFnOnce(&Scene<'_>, &TestWorker<'_>) -> R) -> R {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let clock = std::sync::Arc::new(TestClock::default());
        let store = MemoryStore::with_clock(std::sync::Arc::clone(&clock) as std::sync::Arc<dyn Clock>);
        let scene = Scene::configured(&store, &clock).await;
        let worker = scene.worker().await;
        worker.add_key(&NewKey::new("ai33", u32::MAX, u32::MAX)).await;
        for name in USERS {
            worker.buy(name, 1_000_000).await;
        }
        let result = run(&scene, &worker).await;
        recount(&store).await;
        result
    })
}

fn user_of(lease: &Lease) -> usize {
    USERS.iter().position(|name| *name == lease.task.user.as_str()).expect("there are two")
}

/// What happens to the queue.
#[derive(Clone, Debug)]
enum Step {
    Submit { user: usize, tasks: usize },
    Claim { tasks: u32 },
    CancelAny { user: usize, job: Index },
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0..2_usize, 1..15_usize).prop_map(|(user, tasks)| Step::Submit { user, tasks }),
        8 => (1..6_u32).prop_map(|tasks| Step::Claim { tasks }),
        1 => (0..2_usize, any::<Index>()).prop_map(|(user, job)| Step::CancelAny { user, job }),
    ]
}

/// A user's jobs with their waiting tasks.
#[derive(Default)]
struct Queued {
    jobs: Vec<(JobId, usize)>,
}

impl Queued {
    fn waiting(&self) -> usize {
        self.jobs.iter().map(|(_, waiting)| waiting).sum()
    }
}

/// Plays the steps; `check` sees how often each user was served since both have been waiting, after each lease and
/// each step.
fn play(steps: Vec<Step>, mut check: impl FnMut([i64; 2])) {
    on_a_store(async |_, worker| {
        let mut queued: [Queued; 2] = Default::default();
        let mut served = [0, 0];
        for step in steps {
            match step {
                Step::Submit { user, tasks } => {
                    let admitted = worker.admit(&Order::new(USERS[user], tasks)).await.unwrap();
                    queued[user].jobs.push((admitted.job, tasks));
                }
                Step::Claim { tasks } => {
                    for lease in worker.claim(pool("ai33"), tasks).await.leases {
                        let user = user_of(&lease);
                        let job = queued[user].jobs.iter_mut().find(|(job, _)| *job == lease.task.job);
                        job.expect("it was admitted").1 -= 1;
                        served[user] += 1;
                        if queued.iter().any(|queued| queued.waiting() == 0) {
                            served = [0, 0];
                        }
                        check(served);
                    }
                }
                Step::CancelAny { user, job } => {
                    if !queued[user].jobs.is_empty() {
                        let place = job.index(queued[user].jobs.len());
                        let (job, _) = queued[user].jobs.remove(place);
                        worker.stop(job, StopWhy::Cancelled).await;
                    }
                }
            }
            if queued.iter().any(|queued| queued.waiting() == 0) {
                served = [0, 0];
            }
            // Also when nothing was leased: a count that began anew must be seen to.
            check(served);
        }
    });
}

proptest! {
    #[test]
    fn two_users_with_work_waiting_are_served_alike(steps in prop::collection::vec(step(), 1..60)) {
        let mut worst = 0;
        play(steps, |served| worst = worst.max((served[0] - served[1]).abs()));
        prop_assert!(worst <= 2, "{worst} more than the other");
    }
}

#[test]
fn a_user_who_had_much_done_is_not_behind_a_newcomer_after_an_idle_moment() {
    on_a_store(async |_, worker| {
        worker.admit(&Order::new("user-1", 300)).await.unwrap();
        assert_eq!(worker.claim(pool("ai33"), 300).await.leases.len(), 300);
        worker.admit(&Order::new("user-2", 200)).await.unwrap();
        worker.admit(&Order::new("user-1", 10)).await.unwrap();
        let leases = worker.claim(pool("ai33"), 20).await.leases;
        let mine = leases.iter().filter(|lease| user_of(lease) == 0).count();
        assert!((9..=11).contains(&mine), "{mine} of 20");
    });
}

#[test]
fn a_task_that_was_delayed_long_ago_comes_back_where_the_queue_is_now() {
    on_a_store(async |scene, worker| {
        worker.admit(&Order::new("user-1", 1)).await.unwrap();
        let delayed = worker.lease(pool("ai33")).await;
        worker.settled(&delayed, failed(FailureKind::Busy, Reached::No)).await;
        worker.admit(&Order::new("user-2", 100)).await.unwrap();
        worker.claim(pool("ai33"), 60).await;
        scene.clock.advance(Duration::from_secs(7 * 24 * 3600));
        assert_eq!(worker.promote(10).await, [pool("ai33")]);
        let virtual_time = scene.pool(pool("ai33")).await.virtual_time;
        let state = scene.task(delayed.task.id).await.state;
        assert_eq!(state, TaskState::Ready { pool: pool("ai33"), tag: virtual_time });
        assert!(virtual_time > 0);
    });
}

#[test]
fn a_newcomer_does_not_wait_for_what_others_ordered_before() {
    on_a_store(async |_, worker| {
        worker.admit(&Order::new("user-1", 500)).await.unwrap();
        worker.claim(pool("ai33"), 100).await;
        worker.admit(&Order::new("user-2", 1)).await.unwrap();
        let leases = worker.claim(pool("ai33"), 2).await.leases;
        assert!(leases.iter().any(|lease| user_of(lease) == 1), "it is served within two tasks");
    });
}
