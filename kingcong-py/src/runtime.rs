//! The threads that the library works on: one tokio runtime in each process, started when it is first needed.
//!
//! Threads do not survive a fork. A child therefore gets a runtime of its own, and never touches its parent's, whose
//! destructor would wait for threads that are not there.

use std::{
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering::SeqCst},
    },
    thread::{self, ThreadId},
    time::Duration,
};

use arc_swap::ArcSwapOption;
use pyo3::{exceptions::PyOSError, prelude::*};
use tokio::runtime::{Builder, Runtime};

/// Most worker threads: what they run waits most of the time, and hosts start a process for each core.
const THREADS_MAX: usize = 4;
/// How often the end of the interpreter looks whether threads are on their way, and how many times at most.
const ENDING_PAUSE: Duration = Duration::from_millis(1);
const ENDING_PAUSES_MAX: usize = 1_000;

/// A runtime and the process that its threads are in.
struct Started {
    process: u32,
    runtime: Runtime,
}

static STARTED: ArcSwapOption<Started> = ArcSwapOption::const_empty();

/// This process's id, as it was told: asking the system for it takes longer than some doors do.
static PROCESS: AtomicU32 = AtomicU32::new(0);

/// This process's id.
pub(crate) fn process() -> u32 {
    PROCESS.load(SeqCst)
}

/// This is a new process: Python says so after every fork, and the module when it is loaded.
#[pyfunction]
pub(crate) fn forked() {
    PROCESS.store(std::process::id(), SeqCst);
}

/// Does something with this process's runtime.
pub(crate) fn with_runtime<T>(act: impl FnOnce(&Runtime) -> T) -> PyResult<T> {
    let before = STARTED.load();
    if let Some(started) = before.as_ref().filter(|started| started.process == process()) {
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
    let found = STARTED.compare_and_swap(&before, Some(Arc::clone(&started)));
    match found.as_ref() {
        // Another thread of this process was faster: its runtime is everybody's.
        Some(faster) if faster.process == process() => Ok(act(&faster.runtime)),
        other => {
            // The parent's threads are not here to be joined.
            std::mem::forget(other.map(Arc::clone));
            Ok(act(&started.runtime))
        }
    }
}

/// Whether the interpreter is about to end.
static ENDING: AtomicBool = AtomicBool::new(false);
/// The thread that ends it, known once it does.
static ENDER: OnceLock<ThreadId> = OnceLock::new();
/// Threads that are on their way from a door back into the interpreter.
static LEAVING: AtomicUsize = AtomicUsize::new(0);

/// A thread on its way from a door back into the interpreter; it is there when this is dropped.
///
/// Python ends a daemon thread that comes back when the interpreter is gone by unwinding its stack, and ours has frames
/// of Rust: from when the interpreter is about to end, no thread but its own leaves a door.
pub(crate) struct Leaving(());

/// Does something with the interpreter free for others.
pub(crate) fn detached<T: Send>(py: Python<'_>, act: impl FnOnce() -> T + Send) -> (T, Leaving) {
    py.detach(|| {
        let done = act();
        (done, Leaving::begin())
    })
}

impl Leaving {
    fn begin() -> Self {
        // Counted before it looks: the end waits for whoever did not see it.
        LEAVING.fetch_add(1, SeqCst);
        let leaving = Self(());
        if ENDING.load(SeqCst) && ENDER.get().is_none_or(|ender| *ender != thread::current().id()) {
            drop(leaving);
            loop {
                thread::park();
            }
        }
        leaving
    }
}

impl Drop for Leaving {
    fn drop(&mut self) {
        LEAVING.fetch_sub(1, SeqCst);
    }
}

/// The interpreter is about to end: no other thread leaves a door any more. Those on their way are let through first,
/// for a second at most.
#[pyfunction]
pub(crate) fn end(py: Python<'_>) {
    ENDER.get_or_init(|| thread::current().id());
    ENDING.store(true, SeqCst);
    py.detach(|| {
        for _ in 0..ENDING_PAUSES_MAX {
            if LEAVING.load(SeqCst) == 0 {
                return;
            }
            thread::sleep(ENDING_PAUSE);
        }
    });
}
