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
        /// The how manieth attempt it is, from 1.
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
    watched: Mutex<BTreeMap<JobId, Vec<Arc<Watcher>>>>,
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
        self.watched.lock().entry(job).or_default().push(Arc::clone(&watcher));
        JobEvents { events: Arc::clone(self), job, watcher }
    }

    /// The jobs that are watched.
    pub(super) fn watched(&self) -> Vec<JobId> {
        self.watched.lock().keys().copied().collect()
    }

    /// Tells those who watch the job, if anybody does.
    pub(super) fn tell(&self, job: JobId, event: impl FnOnce() -> JobEvent) {
        let mut watched = self.watched.lock();
        let Some(watchers) = watched.get(&job) else { return };
        let event = event();
        let ended = matches!(event, JobEvent::Ended { .. });
        for watcher in watchers {
            watcher.see(event.clone());
        }
        if ended {
            watched.remove(&job);
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
        if let btree_map::Entry::Occupied(mut watchers) = self.events.watched.lock().entry(self.job) {
            watchers.get_mut().retain(|watcher| !Arc::ptr_eq(watcher, &self.watcher));
            if watchers.get().is_empty() {
                watchers.remove();
            }
        }
    }
}
