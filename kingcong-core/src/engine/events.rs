//! Job events: what happens to a job, as a stream, for those who watch it in this process.

use std::collections::BTreeMap;

use parking_lot::Mutex;
use tokio::sync::broadcast;

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
    watched: Mutex<BTreeMap<JobId, broadcast::Sender<JobEvent>>>,
}

impl Events {
    /// Watches a job from now on.
    pub(super) fn watch(&self, job: JobId) -> broadcast::Receiver<JobEvent> {
        let mut watched = self.watched.lock();
        // Those who stopped watching are forgotten here, so that the map stays as small as what is watched.
        watched.retain(|_, sender| sender.receiver_count() > 0);
        watched.entry(job).or_insert_with(|| broadcast::Sender::new(BEHIND_MAX)).subscribe()
    }

    /// The jobs that are watched.
    pub(super) fn watched(&self) -> Vec<JobId> {
        let mut watched = self.watched.lock();
        watched.retain(|_, sender| sender.receiver_count() > 0);
        watched.keys().copied().collect()
    }

    /// Tells those who watch.
    pub(super) fn tell(&self, job: JobId, event: JobEvent) {
        let mut watched = self.watched.lock();
        let Some(sender) = watched.get(&job) else { return };
        let ended = matches!(event, JobEvent::Ended { .. });
        let nobody = sender.send(event).is_err();
        if ended || nobody {
            watched.remove(&job);
        }
    }
}

/// A job's events; ends after [`JobEvent::Ended`].
#[derive(Debug)]
pub struct JobEvents {
    pub(super) events: broadcast::Receiver<JobEvent>,
}

impl JobEvents {
    /// The next event; `None` after the last.
    ///
    /// # Cancellation safety
    /// No event is lost when the future is dropped.
    pub async fn next(&mut self) -> Option<JobEvent> {
        match self.events.recv().await {
            Ok(event) => Some(event),
            Err(broadcast::error::RecvError::Lagged(missed)) => Some(JobEvent::Missed(missed)),
            Err(broadcast::error::RecvError::Closed) => None,
        }
    }
}
