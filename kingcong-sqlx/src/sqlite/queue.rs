//! The queue of writers: a lock file beside the database.
//!
//! SQLite lets one writer in at a time and makes the others try again after pauses, by which some wait for seconds
//! while others come first again and again. Processes that wait for one file lock are served when it is free.

use std::{fs::File, io, path::PathBuf, sync::Arc, time::Duration};

use kingcong_core::store::{StoreError, StoreErrorKind};
use tokio::task::JoinHandle;

use crate::private;

/// A place in the queue of one file's writers.
#[derive(Debug)]
pub(super) struct Queue {
    path: PathBuf,
    file: Arc<File>,
    /// A thread that still waits for the lock, from a turn that gave up.
    waiting: Option<JoinHandle<io::Result<()>>>,
}

impl Queue {
    pub(super) fn open(path: PathBuf) -> io::Result<Self> {
        private::make_if_absent(&path)?;
        let file = File::options().read(true).write(true).open(&path)?;
        Ok(Self { path, file: Arc::new(file), waiting: None })
    }

    /// Waits until no other process writes, at most so long. The lock is held until the turn is dropped, or the
    /// process ends.
    pub(super) async fn turn(&mut self, wait_max: Duration) -> Result<Turn, StoreError> {
        let unusable = |path: &PathBuf, error: io::Error| {
            let message = format!("{} cannot be locked: {error}", path.display());
            StoreError::new(StoreErrorKind::Unusable, message).caused_by(error)
        };
        let mut waiting = match self.waiting.take() {
            Some(waiting) => waiting,
            None => match self.file.try_lock() {
                Ok(()) => return Ok(Turn(Arc::clone(&self.file))),
                Err(std::fs::TryLockError::WouldBlock) => {
                    let file = Arc::clone(&self.file);
                    tokio::task::spawn_blocking(move || file.lock())
                }
                Err(std::fs::TryLockError::Error(error)) => return Err(unusable(&self.path, error)),
            },
        };
        match tokio::time::timeout(wait_max, &mut waiting).await {
            Ok(Ok(Ok(()))) => Ok(Turn(Arc::clone(&self.file))),
            Ok(Ok(Err(error))) => Err(unusable(&self.path, error)),
            Ok(Err(stopped)) => {
                let message = "the runtime is shutting down";
                Err(StoreError::new(StoreErrorKind::Unavailable, message).caused_by(stopped))
            }
            Err(_) => {
                self.waiting = Some(waiting);
                let message = format!(
                    "locked too long: another process wrote for {wait_max:?}; see which one holds {}",
                    self.path.display()
                );
                Err(StoreError::new(StoreErrorKind::Unavailable, message))
            }
        }
    }
}

/// The right to write, until it is dropped.
#[derive(Debug)]
pub(super) struct Turn(Arc<File>);

impl Drop for Turn {
    fn drop(&mut self) {
        if let Err(error) = self.0.unlock() {
            tracing::error!(%error, "the writers' lock file cannot be unlocked");
        }
    }
}
