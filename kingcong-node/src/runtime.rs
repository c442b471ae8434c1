//! The threads that the library works on: one tokio runtime in each process, for all JavaScript threads in it, started
//! when it is first needed. Nothing of it keeps a process alive.

use std::sync::OnceLock;

use napi::{Error, Result};
use tokio::runtime::{Builder, Runtime};

/// Most worker threads: what they run waits most of the time, and JavaScript has a thread of its own.
const THREADS_MAX: usize = 4;

static RUNTIME: OnceLock<Runtime> = OnceLock::new();

/// The runtime if it was started.
pub(crate) fn started() -> Option<&'static Runtime> {
    RUNTIME.get()
}

/// The runtime of this process.
pub(crate) fn runtime() -> Result<&'static Runtime> {
    if let Some(runtime) = started() {
        return Ok(runtime);
    }
    let threads = std::thread::available_parallelism().map_or(1, |cores| cores.get().min(THREADS_MAX));
    let runtime = Builder::new_multi_thread()
        .worker_threads(threads)
        .thread_name("kingcong")
        .enable_all()
        .build()
        .map_err(|error| Error::from_reason(format!("no threads for kingcong: {error}")))?;
    // Another JavaScript thread may have been faster: its runtime is everybody's.
    Ok(RUNTIME.get_or_init(|| runtime))
}
