//! The threads that the library works on: one tokio runtime in each process, started when it is first needed.
//!
//! Threads do not survive a fork. A child therefore gets a runtime of its own, and never touches its parent's, whose
//! destructor would wait for threads that are not there.

use std::{
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    },
    thread::{self, ThreadId},
    time::Duration,
};

use arc_swap::ArcSwapOption;
use pyo3::{exceptions::PyOSError, prelude::*};
use tokio::runtime::{Builder, Runtime};

/// Most worker threads: what they run waits most of the time, and hosts start a process for each core.
const THREADS_MAX: usize = 4;
/// How often the end of the interpreter looks whether threads have left their doors, and how many times at most.
const ENDING_PAUSE: Duration = Duration::from_millis(1);
const ENDING_PAUSES_MAX: usize = 1_000;

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
/// The thread that imported the package, which is the one that ends the interpreter.
static MAIN: OnceLock<ThreadId> = OnceLock::new();

/// Notes the thread that imports the package.
pub(crate) fn note_main_thread() {
    MAIN.get_or_init(|| thread::current().id());
}

/// Threads that are in a door, and those of them that stay there.
static INSIDE: AtomicUsize = AtomicUsize::new(0);
static STAYING: AtomicUsize = AtomicUsize::new(0);

/// A thread that is in a door.
pub(crate) struct Inside(());

impl Inside {
    pub(crate) fn enter() -> Self {
        INSIDE.fetch_add(1, SeqCst);
        Self(())
    }
}

impl Drop for Inside {
    fn drop(&mut self) {
        INSIDE.fetch_sub(1, SeqCst);
    }
}

/// The interpreter is about to end: threads that wait for an answer do not come back into it. Those that are about to
/// are let out of their doors first, a second at most; at the next door they stay.
#[pyfunction]
pub(crate) fn end(py: Python<'_>) {
    ENDING.store(true, SeqCst);
    py.detach(|| {
        for _ in 0..ENDING_PAUSES_MAX {
            if INSIDE.load(SeqCst) <= STAYING.load(SeqCst) {
                return;
            }
            thread::sleep(ENDING_PAUSE);
        }
    });
}

/// Stays here if the interpreter is about to end. Python ends a daemon thread that comes back into it then, by
/// unwinding its stack, and ours has frames of Rust.
pub(crate) fn stay_if_ending() {
    if ENDING.load(SeqCst) && MAIN.get().is_some_and(|main| *main != thread::current().id()) {
        STAYING.fetch_add(1, SeqCst);
        loop {
            thread::park();
        }
    }
}
