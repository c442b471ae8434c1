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
use kingcong_doors::{
    AT_ONCE_BYTES_MAX, Answer, HostCall, HostMasterKey, HostOffer, HostProvider, Names, OpenOptions, Problem,
};
use parking_lot::Mutex;
use pyo3::{
    exceptions::{PyRuntimeError, PyTimeoutError},
    prelude::*,
    types::{PyBytes, PyDict, PyString},
};
use tokio::{runtime::Runtime, sync::oneshot};

use crate::{
    host::{PythonCalls, PythonKeys},
    mailbox::{Letter, Mailbox, Post},
    runtime::{detached, process, with_runtime},
    shape::{Beside, Shape, write_json, write_text},
};

/// How often a thread that waits looks whether Ctrl-C was pressed.
const SIGNALS_INTERVAL: Duration = Duration::from_millis(50);
/// As many bytes as most of what is asked has.
const DOOR_BYTES: usize = 512;

/// What became of something that was asked: an opened library, an answer, or a problem. Or what is asked of Python.
pub(crate) enum Ended {
    Opened(kingcong_doors::Library),
    Answered(Answer),
    /// What a provider is told.
    Called(HostCall),
    Failed(Problem),
    /// It came to no end of its own: a defect of the library.
    Panicked,
}

/// What is told of it.
const PANICKED: &str = r#"{
    "code": "failed", "message": "the library panicked, which is a defect: please report what it printed",
    "user_message_en": "", "user_message_vi": "", "retryable": false, "fields": {}, "causes": []
}"#;

type Asked = Pin<Box<dyn Future<Output = Ended> + Send>>;

/// What became of something that was asked, to be opened once.
#[pyclass(frozen, module = "kingcong._native")]
pub(crate) struct Outcome(Mutex<Option<Ended>>);

impl From<Ended> for Outcome {
    fn from(ended: Ended) -> Self {
        Self(Mutex::new(Some(ended)))
    }
}

#[pymethods]
impl Outcome {
    /// The library or the answer, which becomes what the shape says; or raises the problem.
    fn open<'py>(&self, py: Python<'py>, shape: &Shape) -> PyResult<Bound<'py, PyAny>> {
        let ended =
            self.0.lock().take().ok_or_else(|| PyRuntimeError::new_err("an outcome is opened once"))?;
        match ended {
            Ended::Opened(library) => {
                let (process, closed) = (process(), AtomicBool::new(false));
                Ok(Bound::new(py, Library { library: Some(library), process, closed })?.into_any())
            }
            Ended::Answered(Answer { json, attachment }) => {
                let attachment = attachment.map(|bytes| PyBytes::new(py, &bytes));
                shape.read(py, &json, &Beside { attachment, secret: None })
            }
            Ended::Called(HostCall { json, secret, sample }) => {
                let attachment = sample.map(|bytes| PyBytes::new(py, &bytes));
                let secret = Some(PyString::new(py, secret.expose()));
                shape.read(py, &json, &Beside { attachment, secret })
            }
            Ended::Failed(problem) => Err(raised(py, "error_of", problem.to_json())),
            Ended::Panicked => Err(raised(py, "error_of", PANICKED)),
        }
    }
}

/// An error that the package makes of something.
pub(crate) fn raised<'py>(py: Python<'py>, maker: &str, of: impl IntoPyObject<'py>) -> PyErr {
    let made = py.import("kingcong._errors").and_then(|errors| errors.getattr(maker)?.call1((of,)));
    made.map_or_else(|failed| failed, PyErr::from_value)
}

/// An awaited call that is not answered yet.
#[pyclass(frozen, module = "kingcong._native")]
pub(crate) struct PendingAnswer {
    /// The number under which the mailbox brings the answer.
    #[pyo3(get)]
    ticket: u64,
    /// Dropped with the last who waits.
    alive: Mutex<Option<oneshot::Sender<()>>>,
}

#[pymethods]
impl PendingAnswer {
    /// Nobody waits any more. What was asked may be done all the same.
    fn drop(&self) {
        self.alive.lock().take();
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
            _ => Err(Python::attach(|py| raised(py, "forked", self.process))),
        }
    }

    fn knock(
        &self,
        door: &str,
        given: &Bound<'_, PyDict>,
        caller: Option<String>,
        attachment: Option<&[u8]>,
    ) -> PyResult<(Asked, Hurry)> {
        let library = self.library()?.clone();
        let mut json = Vec::with_capacity(DOOR_BYTES);
        json.extend(b"{\"door\":");
        write_text(&mut json, door);
        json.extend(b",\"with\":");
        write_json(&mut json, given)?;
        json.push(b'}');
        let hurry = Hurry::of(door, json.len());
        let door = String::from_utf8(json)?;
        let attachment = attachment.map(Bytes::copy_from_slice);
        let asked = async move {
            match library.knock(&door, caller.as_deref(), attachment).await {
                Ok(answer) => Ended::Answered(answer),
                Err(problem) => Ended::Failed(problem),
            }
        };
        Ok((Box::pin(asked), hurry))
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
            Ended::Answered(Answer { json: "null".to_owned(), attachment: None })
        }))
    }
}

#[pymethods]
impl Library {
    /// Knocks at a door and waits for the answer, at most so many seconds.
    #[pyo3(signature = (door, given, caller, attachment, timeout))]
    fn wait(
        &self,
        py: Python<'_>,
        door: &str,
        given: &Bound<'_, PyDict>,
        caller: Option<String>,
        attachment: Option<&[u8]>,
        timeout: Option<Duration>,
    ) -> PyResult<Outcome> {
        wait(py, self.knock(door, given, caller, attachment)?.0, timeout)
    }

    /// Knocks at a door. The answer, if it is there at once; else what the mailbox will bring it for.
    #[pyo3(signature = (mailbox, door, given, caller, attachment))]
    fn send<'py>(
        &self,
        py: Python<'py>,
        mailbox: &Mailbox,
        door: &str,
        given: &Bound<'_, PyDict>,
        caller: Option<String>,
        attachment: Option<&[u8]>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let (asked, hurry) = self.knock(door, given, caller, attachment)?;
        send(py, mailbox, asked, hurry)
    }

    /// Closes a stream of events that nobody reads any more.
    fn close_stream(&self, stream: u64) -> PyResult<()> {
        self.library()?.close_stream(stream);
        Ok(())
    }

    /// Closes the library and waits until it is.
    fn close_and_wait(&self, py: Python<'_>) -> PyResult<Outcome> {
        wait(py, self.closing()?, None)
    }

    /// Closes the library.
    fn close<'py>(&self, py: Python<'py>, mailbox: &Mailbox) -> PyResult<Bound<'py, PyAny>> {
        send(py, mailbox, self.closing()?, Hurry::MayBeThere)
    }
}

fn opening(
    options: &Bound<'_, PyDict>,
    key: Option<&str>,
    host: Option<&Mailbox>,
) -> PyResult<Result<Asked, Problem>> {
    let mut json = Vec::new();
    write_json(&mut json, options)?;
    Ok(opened(&String::from_utf8(json)?, key, host))
}

fn opened(options: &str, key: Option<&str>, host: Option<&Mailbox>) -> Result<Asked, Problem> {
    let mut opening = OpenOptions::from_json(options, Names::Python)?;
    let post = host.map(Mailbox::weak).unwrap_or_default();
    let serve = |offer: HostOffer| -> Arc<dyn Provider> {
        let calls = PythonCalls { protocol: offer.protocol().as_str().into(), post: Weak::clone(&post) };
        Arc::new(HostProvider::new(offer, Arc::new(calls)))
    };
    let providers = std::mem::take(&mut opening.providers).into_iter().map(serve).collect();
    let master_key = match key {
        None => None,
        Some(id) => {
            let key = HostMasterKey::new(id, Arc::new(PythonKeys { post }))?;
            Some(Arc::new(key) as Arc<dyn MasterKey>)
        }
    };
    Ok(Box::pin(async move {
        match kingcong_doors::Library::open(opening, providers, master_key).await {
            Ok(library) => Ended::Opened(library),
            Err(problem) => Ended::Failed(problem),
        }
    }))
}

/// Opens a library. `key` is the id of its key service, and `host` the mailbox of the loop that serves that and its
/// providers.
#[pyfunction]
#[pyo3(signature = (mailbox, options, key, host))]
pub(crate) fn open<'py>(
    py: Python<'py>,
    mailbox: &Mailbox,
    options: &Bound<'_, PyDict>,
    key: Option<&str>,
    host: Option<&Mailbox>,
) -> PyResult<Bound<'py, PyAny>> {
    match opening(options, key, host)? {
        // Certificates and files are read: not on the thread of an event loop.
        Ok(opening) => send(py, mailbox, opening, Hurry::Never),
        Err(problem) => Ok(Bound::new(py, Outcome::from(Ended::Failed(problem)))?.into_any()),
    }
}

/// Opens a library and waits until it is.
#[pyfunction]
#[pyo3(signature = (options, key, host))]
pub(crate) fn open_and_wait(
    py: Python<'_>,
    options: &Bound<'_, PyDict>,
    key: Option<&str>,
    host: Option<&Mailbox>,
) -> PyResult<Outcome> {
    match opening(options, key, host)? {
        Ok(opening) => wait(py, opening, None),
        Err(problem) => Ok(Ended::Failed(problem).into()),
    }
}

/// Polls once: much of what is asked needs no waiting, and then no other thread.
fn at_once(runtime: &Runtime, asked: &mut Asked) -> Option<Ended> {
    let _context = runtime.enter();
    let mut poll = || asked.as_mut().poll(&mut Context::from_waker(Waker::noop()));
    match catch_unwind(AssertUnwindSafe(&mut poll)) {
        Ok(Poll::Ready(ended)) => Some(ended),
        Ok(Poll::Pending) => None,
        Err(_) => Some(Ended::Panicked),
    }
}

/// An awaited call on its way: answered when it is over, however it ends.
pub(crate) struct Answering {
    post: Arc<Post>,
    ticket: u64,
    ended: Ended,
}

impl Drop for Answering {
    fn drop(&mut self) {
        let ended = std::mem::replace(&mut self.ended, Ended::Panicked);
        self.post.put(Letter::Answer { ticket: self.ticket, ended });
    }
}

/// What an awaited call asked, for the library's threads.
pub(crate) struct PendingCall {
    asked: Asked,
    answering: Answering,
    /// Ends when nobody waits any more.
    alive: oneshot::Receiver<()>,
}

impl PendingCall {
    /// Sees it through to its answer.
    pub(crate) async fn carry_out(self) {
        let Self { asked, mut answering, alive } = self;
        tokio::select! {
            biased;
            _ = alive => {}
            ended = asked => answering.ended = ended,
        }
    }
}

/// The outcome if it is there at once; else what the mailbox will bring it for.
fn send<'py>(
    py: Python<'py>,
    mailbox: &Mailbox,
    mut asked: Asked,
    hurry: Hurry,
) -> PyResult<Bound<'py, PyAny>> {
    if hurry == Hurry::MayBeThere {
        let (ended, _leaving) = detached(py, || with_runtime(|runtime| at_once(runtime, &mut asked)));
        if let Some(ended) = ended? {
            return Ok(Bound::new(py, Outcome::from(ended))?.into_any());
        }
    }
    let (alive, waits) = oneshot::channel();
    let post = Arc::clone(mailbox.post());
    let ticket = post.ticket();
    let answering = Answering { post: Arc::clone(&post), ticket, ended: Ended::Panicked };
    post.keep_call(PendingCall { asked, answering, alive: waits });
    Ok(Bound::new(py, PendingAnswer { ticket, alive: Mutex::new(Some(alive)) })?.into_any())
}

/// Whether an awaited call may be answered at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Hurry {
    MayBeThere,
    Never,
}

impl Hurry {
    fn of(door: &str, bytes: usize) -> Self {
        // Both go to other threads in any case: planning is theirs, too.
        let elsewhere = matches!(door, "submit" | "job.wait") || bytes > AT_ONCE_BYTES_MAX;
        if elsewhere { Self::Never } else { Self::MayBeThere }
    }
}

/// Waits for the outcome, with the interpreter free for others. Ctrl-C ends the waiting, not what was asked.
fn wait(py: Python<'_>, mut asked: Asked, timeout: Option<Duration>) -> PyResult<Outcome> {
    let (begun, leaving) = detached(py, || {
        with_runtime(|runtime| {
            if let Some(ended) = at_once(runtime, &mut asked) {
                return Ok(ended);
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
        Ok(ended) => return Ok(ended.into()),
        Err(waiting) => waiting,
    };
    // Signals are the main thread's; others wait without a look at the interpreter.
    let interval = if is_main_thread(py)? { SIGNALS_INTERVAL } else { Duration::MAX };
    drop(leaving);
    let begun = Instant::now();
    // A receiver is for one thread at a time, which a lock says to the compiler.
    let receiver = Mutex::new(receiver);
    loop {
        let left = timeout.map_or(Duration::MAX, |timeout| timeout.saturating_sub(begun.elapsed()));
        let pause = interval.min(left);
        let (received, _leaving) = detached(py, || match pause {
            Duration::MAX => receiver.lock().recv().map_err(|_| mpsc::RecvTimeoutError::Disconnected),
            pause => receiver.lock().recv_timeout(pause),
        });
        match received {
            Ok(ended) => return Ok(ended.into()),
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
            Err(mpsc::RecvTimeoutError::Disconnected) => return Ok(Ended::Panicked.into()),
        }
    }
}

fn is_main_thread(py: Python<'_>) -> PyResult<bool> {
    let threading = py.import("threading")?;
    let (current, main) = (threading.call_method0("current_thread")?, threading.call_method0("main_thread")?);
    Ok(current.is(&main))
}
