//! The native half of the Python package: the doors, knocked at from a thread that waits or from an event loop.
//!
//! What people see (classes, errors, docstrings) is Python, in `python/kingcong`. Here is only what Python cannot do:
//! `runtime` has the threads that the library works on, `library` opens and knocks, `given` checks what is asked,
//! `shape` makes records of answers, `mailbox` brings answers and calls to an event loop with one wake-up for many of
//! them, `host` is a Python provider or key service as the core sees it, `log` hands the library's events to `logging`.

mod given;
mod host;
mod library;
mod log;
mod mailbox;
mod runtime;
mod shape;

use pyo3::prelude::*;

/// The module `kingcong._native`. Private: its shape changes with every release.
#[pymodule]
mod _native {
    #[pymodule_export]
    use super::given::{Encoder, Fields};
    #[pymodule_export]
    use super::host::scrubbed;
    #[pymodule_export]
    use super::library::{Library, Outcome, PendingAnswer, open, open_and_wait};
    #[pymodule_export]
    use super::log::{start_log, stop_log, take_log};
    #[pymodule_export]
    use super::mailbox::Mailbox;
    #[pymodule_export]
    use super::runtime::{end, forked};
    #[pymodule_export]
    use super::shape::Shape;

    use pyo3::prelude::*;

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        super::runtime::forked();
        module.add("__version__", env!("CARGO_PKG_VERSION"))
    }
}
