//! The threads that the library works on: one tokio runtime in each process, started when it is first needed.
//!
//! Threads do not survive a fork. A child therefore gets a runtime of its own, and never touches its parent's, whose
//! destructor would wait for threads that are not there.

use std::sync::Arc;

use arc_swap::ArcSwapOption;
use pyo3::{PyResult, exceptions::PyOSError};
use tokio::runtime::{Builder, Runtime};

/// Most worker threads: what they run waits most of the time, and hosts start a process for each core.
const THREADS_MAX: usize = 4;

/// A runtime and the process that its threads are in.
struct Started {
    process: u32,
    runtime: Runtime,
}

static STARTED: ArcSwapOption<Started> = ArcSwapOption::const_empty();

/// This process's id.
pub(crate) fn process() -> u32 {
    std::process::id()
}

/// Does something with this process's runtime.
pub(crate) fn with_runtime<T>(act: impl FnOnce(&Runtime) -> T) -> PyResult<T> {
    if let Some(started) = STARTED.load().as_ref().filter(|started| started.process == process()) {
        return Ok(act(&started.runtime));
    }
    let threads = std::thread::available_parallelism().map_or(1, |cores| cores.get().min(THREADS_MAX));
    let runtime = Builder::new_multi_thread()
        .worker_threads(threads)
        .thread_name("kingcong")
        .enable_all()
        .build()
        .map_err(|error| PyOSError::new_err(format!("no threads for kingcong: {error}")))?;
    let started = Arc::new(Started { process: process(), runtime });
    let previous = STARTED.compare_and_swap(&*STARTED.load(), Some(Arc::clone(&started)));
    match previous.as_ref() {
        // Another thread of this process was faster: its runtime is everybody's.
        Some(faster) if faster.process == process() => Ok(act(&faster.runtime)),
        other => {
            // The parent's threads are not here to be joined.
            std::mem::forget(other.map(Arc::clone));
            Ok(act(&started.runtime))
        }
    }
}
