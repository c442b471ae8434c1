//! An opened library for Python: knocked at by a thread that waits, or by an event loop.

use std::{
    future::Future,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    sync::{
        Arc, Weak,
        atomic::{AtomicBool, Ordering::Relaxed},
        mpsc,
    },
    task::{Context, Poll, Waker},
    time::{Duration, Instant},
};

use bytes::Bytes;
use kingcong_core::{provider::Provider, vault::MasterKey};
use kingcong_doors::{Answer, HostMasterKey, HostProvider, Opening, Problem};
use pyo3::{
    exceptions::{PyRuntimeError, PyTimeoutError},
    prelude::*,
    types::PyBytes,
};
use tokio::{runtime::Runtime, task::AbortHandle};

use crate::{
    host::{PythonCalls, PythonKeys},
    mailbox::{Letter, Mailbox, Post},
    runtime::{detached, process, with_runtime},
};

/// How often a thread that waits looks whether Ctrl-C was pressed.
const SIGNALS_INTERVAL: Duration = Duration::from_millis(50);

/// What became of something that was asked: an opened library, an answer, or a problem.
pub(crate) enum Outcome {
    Opened(kingcong_doors::Library),
    Answered(Answer),
    Failed(Problem),
    /// It came to no end of its own: a defect of the library.
    Panicked,
}

/// What is told of it.
const PANICKED: &str = r#"{
    "code": "failed", "message": "the library panicked, which is a defect: please report what it printed",
    "user_message_en": "", "user_message_vi": "", "retryable": false, "fields": {}, "causes": []
}"#;

type Asked = Pin<Box<dyn Future<Output = Outcome> + Send>>;

impl Outcome {
    /// Whether it went well, the JSON (or the library), and the bytes that belong to it.
    pub(crate) fn into_tuple(self, py: Python<'_>) -> PyResult<Bound<'_, PyAny>> {
        let nothing: Option<Bound<'_, PyBytes>> = None;
        let tuple = match self {
            Self::Opened(library) => {
                let (process, closed) = (process(), AtomicBool::new(false));
                let library = Library { library: Some(library), process, closed };
                (true, Bound::new(py, library)?.into_any(), nothing).into_pyobject(py)?
            }
            Self::Answered(Answer { json, attachment }) => {
                let attachment = attachment.map(|bytes| PyBytes::new(py, &bytes));
                (true, json.into_pyobject(py)?.into_any(), attachment).into_pyobject(py)?
            }
            Self::Failed(problem) => {
                (false, problem.to_json().into_pyobject(py)?.into_any(), nothing).into_pyobject(py)?
            }
            Self::Panicked => (false, PANICKED.into_pyobject(py)?.into_any(), nothing).into_pyobject(py)?,
        };
        Ok(tuple.into_any())
    }
}

/// An awaited call that is not answered yet.
#[pyclass(frozen, module = "kingcong._native")]
pub(crate) struct Waiting {
    /// The number under which the mailbox brings the answer.
    #[pyo3(get)]
    ticket: u64,
    abort: AbortHandle,
}

#[pymethods]
impl Waiting {
    /// Nobody waits any more. What was asked may be done all the same.
    fn drop(&self) {
        self.abort.abort();
    }
}

/// An opened library.
#[pyclass(frozen, module = "kingcong._native")]
pub(crate) struct Library {
    /// None only while it is dropped.
    library: Option<kingcong_doors::Library>,
    process: u32,
    closed: AtomicBool,
}

impl Drop for Library {
    fn drop(&mut self) {
        let Some(library) = self.library.take() else { return };
        if self.process != process() {
            // A child of a fork has none of the threads that the destructors talk to.
            std::mem::forget(library);
        } else if !self.closed.load(Relaxed) {
            // Nobody can close it any more, and nothing of it is to go on for ever.
            let closing = with_runtime(|runtime| runtime.spawn(async move { library.close().await }));
            drop(closing);
        }
    }
}

impl Library {
    fn library(&self) -> PyResult<&kingcong_doors::Library> {
        match &self.library {
            Some(library) if self.process == process() => Ok(library),
            _ => Err(PyRuntimeError::new_err("opened in another process: open it again in this one")),
        }
    }

    fn knock(&self, door: String, by: Option<String>, attachment: Option<Vec<u8>>) -> PyResult<Asked> {
        let library = self.library()?.clone();
        let attachment = attachment.map(Bytes::from);
        Ok(Box::pin(async move {
            match library.knock(&door, by.as_deref(), attachment).await {
                Ok(answer) => Outcome::Answered(answer),
                Err(problem) => Outcome::Failed(problem),
            }
        }))
    }

    /// Closes it, whether somebody waits for that or not.
    fn closing(&self) -> PyResult<Asked> {
        let library = self.library()?.clone();
        self.closed.store(true, Relaxed);
        let closing = with_runtime(|runtime| runtime.spawn(async move { library.close().await }))?;
        Ok(Box::pin(async move {
            if let Err(error) = closing.await {
                tracing::error!(%error, "closing failed");
            }
            Outcome::Answered(Answer { json: "null".to_owned(), attachment: None })
        }))
    }
}

#[pymethods]
impl Library {
    /// Knocks at a door and waits for the answer, at most so many seconds.
    #[pyo3(signature = (door, by, attachment, timeout))]
    fn wait<'py>(
        &self,
        py: Python<'py>,
        door: String,
        by: Option<String>,
        attachment: Option<Vec<u8>>,
        timeout: Option<Duration>,
    ) -> PyResult<Bound<'py, PyAny>> {
        wait(py, self.knock(door, by, attachment)?, timeout)
    }

    /// Knocks at a door. The answer, if it is there at once; else what the mailbox will bring it for.
    #[pyo3(signature = (mailbox, door, by, attachment))]
    fn send<'py>(
        &self,
        py: Python<'py>,
        mailbox: &Mailbox,
        door: String,
        by: Option<String>,
        attachment: Option<Vec<u8>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        send(py, mailbox, self.knock(door, by, attachment)?)
    }

    /// Closes a stream of events that nobody reads any more.
    fn close_stream(&self, stream: u64) -> PyResult<()> {
        self.library()?.close_stream(stream);
        Ok(())
    }

    /// Closes the library and waits until it is.
    fn close_and_wait<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        wait(py, self.closing()?, None)
    }

    /// Closes the library.
    fn close<'py>(&self, py: Python<'py>, mailbox: &Mailbox) -> PyResult<Bound<'py, PyAny>> {
        send(py, mailbox, self.closing()?)
    }
}

/// Providers by their protocols, and the id of the key service, all served by one loop.
type Served = (Vec<String>, Option<String>);

fn opening(options: &str, served: Served, host: Option<&Mailbox>) -> Result<Asked, Problem> {
    let opening = Opening::from_json(options)?;
    let (protocols, key) = served;
    let post = host.map(Mailbox::weak).unwrap_or_default();
    let mut providers: Vec<Arc<dyn Provider>> = Vec::with_capacity(protocols.len());
    for protocol in protocols {
        let calls = PythonCalls { protocol: protocol.as_str().into(), post: Weak::clone(&post) };
        providers.push(Arc::new(HostProvider::new(&protocol, Arc::new(calls))?));
    }
    let master_key = match key {
        None => None,
        Some(id) => {
            let key = HostMasterKey::new(&id, Arc::new(PythonKeys { post }))?;
            Some(Arc::new(key) as Arc<dyn MasterKey>)
        }
    };
    Ok(Box::pin(async move {
        // Certificates and files are read first of all: not on the thread of an event loop.
        tokio::task::yield_now().await;
        match kingcong_doors::Library::open(opening, providers, master_key).await {
            Ok(library) => Outcome::Opened(library),
            Err(problem) => Outcome::Failed(problem),
        }
    }))
}

/// Opens a library. `host` is the mailbox of the loop that serves its providers and its key service.
#[pyfunction]
#[pyo3(signature = (mailbox, options, served, host))]
pub(crate) fn open<'py>(
    py: Python<'py>,
    mailbox: &Mailbox,
    options: &str,
    served: Served,
    host: Option<&Mailbox>,
) -> PyResult<Bound<'py, PyAny>> {
    match opening(options, served, host) {
        Ok(opening) => send(py, mailbox, opening),
        Err(problem) => Outcome::Failed(problem).into_tuple(py),
    }
}

/// Opens a library and waits until it is.
#[pyfunction]
#[pyo3(signature = (options, served, host))]
pub(crate) fn open_and_wait<'py>(
    py: Python<'py>,
    options: &str,
    served: Served,
    host: Option<&Mailbox>,
) -> PyResult<Bound<'py, PyAny>> {
    match opening(options, served, host) {
        Ok(opening) => wait(py, opening, None),
        Err(problem) => Outcome::Failed(problem).into_tuple(py),
    }
}

/// Polls once: much of what is asked needs no waiting, and then no other thread.
fn at_once(runtime: &Runtime, asked: &mut Asked) -> Option<Outcome> {
    let _context = runtime.enter();
    let mut poll = || asked.as_mut().poll(&mut Context::from_waker(Waker::noop()));
    match catch_unwind(AssertUnwindSafe(&mut poll)) {
        Ok(Poll::Ready(outcome)) => Some(outcome),
        Ok(Poll::Pending) => None,
        Err(_) => Some(Outcome::Panicked),
    }
}

/// Answers an awaited call when it is over, however it ends.
struct Answering {
    post: Arc<Post>,
    ticket: u64,
    outcome: Outcome,
}

impl Drop for Answering {
    fn drop(&mut self) {
        let outcome = std::mem::replace(&mut self.outcome, Outcome::Panicked);
        self.post.put(Letter::Answer { ticket: self.ticket, outcome });
    }
}

/// The outcome if it is there at once; else what the mailbox will bring it for.
fn send<'py>(py: Python<'py>, mailbox: &Mailbox, mut asked: Asked) -> PyResult<Bound<'py, PyAny>> {
    let post = mailbox.post();
    let (sent, _leaving) = detached(py, || {
        with_runtime(|runtime| {
            if let Some(outcome) = at_once(runtime, &mut asked) {
                return Ok(outcome);
            }
            let (ticket, post) = (post.ticket(), Arc::clone(post));
            let task = runtime.spawn(async move {
                let mut answering = Answering { post, ticket, outcome: Outcome::Panicked };
                answering.outcome = asked.await;
            });
            Err(Waiting { ticket, abort: task.abort_handle() })
        })
    });
    match sent? {
        Ok(outcome) => outcome.into_tuple(py),
        Err(waiting) => Ok(Bound::new(py, waiting)?.into_any()),
    }
}

/// Waits for the outcome, with the interpreter free for others. Ctrl-C ends the waiting, not what was asked.
fn wait(py: Python<'_>, mut asked: Asked, timeout: Option<Duration>) -> PyResult<Bound<'_, PyAny>> {
    let (begun, leaving) = detached(py, || {
        with_runtime(|runtime| {
            if let Some(outcome) = at_once(runtime, &mut asked) {
                return Ok(outcome);
            }
            let (sender, receiver) = mpsc::sync_channel(1);
            let task = runtime.spawn(async move {
                // Nobody may wait any more.
                let _ = sender.send(asked.await);
            });
            Err((receiver, task.abort_handle()))
        })
    });
    let (receiver, abort) = match begun? {
        Ok(outcome) => return outcome.into_tuple(py),
        Err(waiting) => waiting,
    };
    // Signals are the main thread's; others wait without a look at the interpreter.
    let interval = if is_main_thread(py)? { SIGNALS_INTERVAL } else { Duration::MAX };
    drop(leaving);
    let begun = Instant::now();
    // A receiver is for one thread at a time, which a lock says to the compiler.
    let receiver = parking_lot::Mutex::new(receiver);
    loop {
        let left = timeout.map_or(Duration::MAX, |timeout| timeout.saturating_sub(begun.elapsed()));
        let pause = interval.min(left);
        let (received, _leaving) = detached(py, || match pause {
            Duration::MAX => receiver.lock().recv().map_err(|_| mpsc::RecvTimeoutError::Disconnected),
            pause => receiver.lock().recv_timeout(pause),
        });
        match received {
            Ok(outcome) => return outcome.into_tuple(py),
            Err(mpsc::RecvTimeoutError::Timeout) => {
                let ended = match py.check_signals() {
                    Err(interrupted) => Some(interrupted),
                    Ok(()) if timeout.is_some_and(|timeout| begun.elapsed() >= timeout) => {
                        Some(PyTimeoutError::new_err("not answered in time"))
                    }
                    Ok(()) => None,
                };
                if let Some(ended) = ended {
                    abort.abort();
                    return Err(ended);
                }
            }
            Err(mpsc::RecvTimeoutError::Disconnected) => return Outcome::Panicked.into_tuple(py),
        }
    }
}

fn is_main_thread(py: Python<'_>) -> PyResult<bool> {
    let threading = py.import("threading")?;
    let (current, main) = (threading.call_method0("current_thread")?, threading.call_method0("main_thread")?);
    Ok(current.is(&main))
}
