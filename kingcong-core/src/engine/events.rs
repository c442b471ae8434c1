//! Job events: what happens to a job, as a stream, for those who watch it in this process.

use std::{
    collections::{BTreeMap, VecDeque, btree_map},
    sync::Arc,
};

use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::{
    id::{JobId, Route},
    money::Amount,
    work::{JobState, TaskError},
};

/// Events that a slow watcher may fall behind by; it misses older ones.
const BEHIND_MAX: usize = 1024;

/// Something that happened to a job.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum JobEvent {
    /// A task was sent.
    TaskStarted {
        /// Its place among the job's tasks, from 0.
        place: u32,
        /// On which route.
        route: Route,
        /// With which key, masked.
        key: String,
        /// Attempt number, from 1.
        attempt: u8,
    },
    /// An upstream told how far a task is.
    TaskProgress {
        /// Its place.
        place: u32,
        /// 0 to 100.
        percent: u8,
    },
    /// A task waits for another try.
    TaskWaits {
        /// Its place.
        place: u32,
        /// Why.
        reason: String,
    },
    /// A task has its result.
    TaskDone {
        /// Its place.
        place: u32,
        /// What was charged for it.
        charged: Amount,
    },
    /// A task failed; it costs nothing.
    TaskFailed {
        /// Its place.
        place: u32,
        /// Why.
        error: TaskError,
    },
    /// A task was cancelled before it was done.
    TaskCancelled {
        /// Its place.
        place: u32,
    },
    /// The job had ended, and its failed tasks are tried again.
    Retried {
        /// How many tasks.
        tasks: u32,
    },
    /// The job ended; nothing more follows.
    Ended {
        /// How.
        state: JobState,
        /// What was charged in all.
        charged: Amount,
    },
    /// This many events were missed, because the watcher was too slow; the job's report has the whole.
    Missed(u64),
}

/// The jobs that somebody in this process watches.
#[derive(Debug, Default)]
pub(super) struct Events {
    jobs: Mutex<Jobs>,
}

#[derive(Debug, Default)]
struct Jobs {
    watched: BTreeMap<JobId, Vec<Arc<Watcher>>>,
    settling: BTreeMap<JobId, Telling>,
}

/// Settlements of a job that are under way in this process: they may be decided together and are told one by one, and
/// the end of the job is told after all of them.
#[derive(Debug, Default)]
struct Telling {
    settlements: u32,
    end: Option<JobEvent>,
}

/// A settlement that is under way, until what it did was told.
#[derive(Debug)]
pub(super) struct Settling<'a> {
    events: &'a Events,
    job: JobId,
}

/// What one watcher has not seen yet.
#[derive(Debug, Default)]
struct Watcher {
    unseen: Mutex<Unseen>,
    grown: Notify,
}

#[derive(Debug, Default)]
struct Unseen {
    events: VecDeque<JobEvent>,
    missed: u64,
    /// Nothing follows what is here.
    ended: bool,
}

impl Events {
    /// Watches a job from now on.
    pub(super) fn watch(self: &Arc<Self>, job: JobId) -> JobEvents {
        let watcher = Arc::<Watcher>::default();
        self.jobs.lock().watched.entry(job).or_default().push(Arc::clone(&watcher));
        JobEvents { events: Arc::clone(self), job, watcher }
    }

    /// The jobs that are watched.
    pub(super) fn watched(&self) -> Vec<JobId> {
        self.jobs.lock().watched.keys().copied().collect()
    }

    /// Begins a settlement of the job.
    pub(super) fn settling(&self, job: JobId) -> Settling<'_> {
        self.jobs.lock().settling.entry(job).or_default().settlements += 1;
        Settling { events: self, job }
    }

    /// Tells those who watch the job, if anybody does.
    pub(super) fn tell(&self, job: JobId, event: impl FnOnce() -> JobEvent) {
        let mut jobs = self.jobs.lock();
        if !jobs.watched.contains_key(&job) {
            return;
        }
        let event = event();
        match jobs.settling.get_mut(&job) {
            Some(telling) if matches!(event, JobEvent::Ended { .. }) => telling.end = Some(event),
            _ => jobs.tell(job, &event),
        }
    }
}

impl Jobs {
    fn tell(&mut self, job: JobId, event: &JobEvent) {
        for watcher in self.watched.get(&job).into_iter().flatten() {
            watcher.see(event.clone());
        }
        if matches!(event, JobEvent::Ended { .. }) {
            self.watched.remove(&job);
        }
    }
}

impl Drop for Settling<'_> {
    fn drop(&mut self) {
        let mut jobs = self.events.jobs.lock();
        let btree_map::Entry::Occupied(mut telling) = jobs.settling.entry(self.job) else { return };
        telling.get_mut().settlements -= 1;
        if telling.get().settlements == 0
            && let Some(end) = telling.remove().end
        {
            jobs.tell(self.job, &end);
        }
    }
}

impl Watcher {
    fn see(&self, event: JobEvent) {
        let mut unseen = self.unseen.lock();
        unseen.ended |= matches!(event, JobEvent::Ended { .. });
        if unseen.events.len() >= BEHIND_MAX {
            unseen.events.pop_front();
            unseen.missed += 1;
        }
        unseen.events.push_back(event);
        self.grown.notify_one();
    }
}

/// A job's events; ends after [`JobEvent::Ended`].
#[derive(Debug)]
pub struct JobEvents {
    events: Arc<Events>,
    job: JobId,
    watcher: Arc<Watcher>,
}

impl JobEvents {
    /// The next event; `None` after the last.
    ///
    /// # Cancellation safety
    /// No event is lost when the future is dropped.
    pub async fn next(&mut self) -> Option<JobEvent> {
        loop {
            {
                let mut unseen = self.watcher.unseen.lock();
                match std::mem::take(&mut unseen.missed) {
                    0 => {}
                    missed => return Some(JobEvent::Missed(missed)),
                }
                match unseen.events.pop_front() {
                    Some(event) => return Some(event),
                    None if unseen.ended => return None,
                    None => {}
                }
            }
            self.watcher.grown.notified().await;
        }
    }
}

impl Drop for JobEvents {
    fn drop(&mut self) {
        if let btree_map::Entry::Occupied(mut watchers) = self.events.jobs.lock().watched.entry(self.job) {
            watchers.get_mut().retain(|watcher| !Arc::ptr_eq(watcher, &self.watcher));
            if watchers.get().is_empty() {
                watchers.remove();
            }
        }
    }
}
