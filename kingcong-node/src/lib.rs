//! The native half of the Node package: the doors, knocked at from JavaScript.
//!
//! What people see (classes, errors, types) is TypeScript, in `src-ts`. Here is only what JavaScript cannot do:
//! `runtime` has the threads that the library works on, `library` opens and knocks, `mailbox` brings answers and calls
//! to a JavaScript thread with one wake-up for many of them, `host` is a JavaScript provider or key service as the core
//! sees it, `log` hands the library's events to a callback.
//!
//! Between the halves goes JSON: one text that JavaScript parses is cheaper than many values made one by one.

mod host;
mod library;
mod log;
mod mailbox;
mod runtime;
