//! What the library has for an event loop: answers to its awaited calls, and calls for its providers.
//!
//! A future of its own for each call would wake the loop for each of them. Here whoever has something puts it into the
//! loop's mailbox, and only the first wakes the loop, by a byte on a socket that the loop watches; the loop then takes
//! all there is. Nothing on this side needs the interpreter's lock.

use std::{
    collections::BTreeMap,
    io::{Read, Write},
    os::{fd::AsRawFd, unix::net::UnixStream},
    sync::{Arc, Weak},
};

use bytes::Bytes;
use kingcong_doors::{HostCall, HostFailure, HostReply, KeyStep};
use parking_lot::Mutex;
use pyo3::{
    exceptions::{PyOSError, PyValueError},
    prelude::*,
    types::{PyBytes, PyDict},
};
use serde::de::DeserializeOwned;
use tokio::sync::oneshot;

use crate::{
    library::{Ended, Outcome, PendingCall},
    runtime::{process, with_runtime},
    shape::write_json,
};

/// A reply to a call: the JSON that says what it is, with the bytes that belong to it.
type CallReply = oneshot::Sender<Result<(HostReply, Bytes), HostFailure>>;
/// What a key service made of bytes, or what it says.
type KeyReply = oneshot::Sender<Result<Vec<u8>, String>>;

/// Something for the loop.
pub(crate) enum Letter {
    /// An awaited call is answered.
    Answer { ticket: u64, ended: Ended },
    /// A provider is called.
    Call { ticket: u64, protocol: Arc<str>, call: HostCall },
    /// Nobody waits for a call to a provider any more.
    Dropped { ticket: u64 },
    /// The key service is asked.
    Key { ticket: u64, step: KeyStep, bytes: Vec<u8>, context: Vec<u8> },
}

/// Something from the loop for the library's threads.
enum Outgoing {
    /// An awaited call.
    Asked(PendingCall),
    /// The answer to a call; who asked may be gone.
    Called(CallReply, Result<(HostReply, Bytes), HostFailure>),
    /// The key service's answer.
    Key(KeyReply, Result<Vec<u8>, String>),
}

impl Outgoing {
    fn deliver(self) {
        match self {
            Self::Asked(call) => drop(tokio::spawn(call.carry_out())),
            Self::Called(to, answer) => drop(to.send(answer)),
            Self::Key(to, answer) => drop(to.send(answer)),
        }
    }
}

/// A mailbox as the library sees it.
pub(crate) struct Post {
    letters: Mutex<Vec<Letter>>,
    outgoing: Mutex<Vec<Outgoing>>,
    asked: Mutex<Asked>,
    bell: UnixStream,
    ear: UnixStream,
}

/// What the loop was asked and has not answered.
#[derive(Default)]
struct Asked {
    last: u64,
    calls: BTreeMap<u64, CallReply>,
    keys: BTreeMap<u64, KeyReply>,
}

impl std::fmt::Debug for Post {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Post").finish_non_exhaustive()
    }
}

impl Post {
    /// Puts something in, and wakes the loop if nothing was there.
    pub(crate) fn put(&self, letter: Letter) {
        let first = {
            let mut letters = self.letters.lock();
            letters.push(letter);
            letters.len() == 1
        };
        if first {
            // A full socket means that the loop has enough to wake up for.
            let _ = (&self.bell).write(&[1]);
        }
    }

    /// Keeps an awaited call for the next time that the loop hands over what it has.
    pub(crate) fn keep_call(&self, call: PendingCall) {
        self.outgoing.lock().push(Outgoing::Asked(call));
    }

    /// The number of the next awaited call or of something that is asked.
    pub(crate) fn ticket(&self) -> u64 {
        let mut asked = self.asked.lock();
        asked.last += 1;
        asked.last
    }

    /// Asks for a call; the answer comes through `reply`.
    pub(crate) fn ask_call(&self, protocol: Arc<str>, call: HostCall, reply: CallReply) -> u64 {
        let ticket = self.ticket();
        self.asked.lock().calls.insert(ticket, reply);
        self.put(Letter::Call { ticket, protocol, call });
        ticket
    }

    /// Nobody waits for that call any more.
    pub(crate) fn drop_call(&self, ticket: u64) {
        if self.asked.lock().calls.remove(&ticket).is_some() {
            self.put(Letter::Dropped { ticket });
        }
    }

    /// Asks the key service.
    pub(crate) fn ask_key(&self, step: KeyStep, bytes: Vec<u8>, context: Vec<u8>, reply: KeyReply) {
        let ticket = self.ticket();
        self.asked.lock().keys.insert(ticket, reply);
        self.put(Letter::Key { ticket, step, bytes, context });
    }
}

/// The mailbox of one event loop.
#[pyclass(frozen, weakref, module = "kingcong._native")]
pub(crate) struct Mailbox {
    post: Arc<Post>,
    process: u32,
}

impl Drop for Mailbox {
    fn drop(&mut self) {
        if self.process == process() {
            // Its loop is closed: what it had no turn for is sent all the same.
            let _ = self.hand_over();
        } else {
            // A child of a fork leaves to its parent what is its parent's.
            std::mem::forget(std::mem::take(&mut *self.post.outgoing.lock()));
        }
    }
}

impl Mailbox {
    pub(crate) fn post(&self) -> &Arc<Post> {
        &self.post
    }

    pub(crate) fn weak(&self) -> Weak<Post> {
        Arc::downgrade(&self.post)
    }
}

/// A letter as the loop gets it: its kind, its ticket and what belongs to it.
type Taken<'py> = (&'static str, u64, Bound<'py, PyAny>);

#[pymethods]
impl Mailbox {
    #[new]
    fn new() -> PyResult<Self> {
        let pair = UnixStream::pair().and_then(|(bell, ear)| {
            bell.set_nonblocking(true)?;
            ear.set_nonblocking(true)?;
            Ok((bell, ear))
        });
        let (bell, ear) =
            pair.map_err(|error| PyOSError::new_err(format!("no socket for a loop: {error}")))?;
        let (letters, outgoing, asked) = (Mutex::default(), Mutex::default(), Mutex::default());
        let post = Arc::new(Post { letters, outgoing, asked, bell, ear });
        Ok(Self { post, process: process() })
    }

    /// The descriptor that the loop watches.
    fn fileno(&self) -> i32 {
        self.post.ear.as_raw_fd()
    }

    /// Everything that is in it.
    fn take<'py>(&self, py: Python<'py>) -> PyResult<Vec<Taken<'py>>> {
        // First the bell, then the letters: one that comes in between rings again.
        let mut rung = [0; 64];
        while matches!((&self.post.ear).read(&mut rung), Ok(bytes) if bytes == rung.len()) {}
        let letters = std::mem::take(&mut *self.post.letters.lock());
        let taken = letters.into_iter().map(|letter| {
            Ok(match letter {
                Letter::Answer { ticket, ended } => {
                    ("answer", ticket, Bound::new(py, Outcome::from(ended))?.into_any())
                }
                Letter::Call { ticket, protocol, call } => {
                    let told = (&*protocol, Bound::new(py, Outcome::from(Ended::Called(call)))?);
                    ("call", ticket, told.into_pyobject(py)?.into_any())
                }
                Letter::Dropped { ticket } => ("dropped", ticket, py.None().into_bound(py)),
                Letter::Key { ticket, step, bytes, context } => {
                    let step = match step {
                        KeyStep::Wrap => "wrap",
                        KeyStep::Unwrap => "unwrap",
                    };
                    let told = (step, PyBytes::new(py, &bytes), PyBytes::new(py, &context));
                    ("key", ticket, told.into_pyobject(py)?.into_any())
                }
            })
        });
        taken.collect()
    }

    /// Hands to the library's threads what there is for them: many things at the cost of waking one thread.
    fn hand_over(&self) -> PyResult<()> {
        let outgoing = std::mem::take(&mut *self.post.outgoing.lock());
        if outgoing.is_empty() {
            return Ok(());
        }
        with_runtime(|runtime| {
            runtime.spawn(async { outgoing.into_iter().for_each(Outgoing::deliver) });
        })
    }

    /// A provider's reply to a call.
    fn reply(&self, ticket: u64, answer: &Bound<'_, PyDict>, body: &[u8]) -> PyResult<()> {
        let reply: HostReply = plain(answer)?;
        self.answer_call(ticket, Ok((reply, Bytes::copy_from_slice(body))));
        Ok(())
    }

    /// A provider's failure.
    fn fail(&self, ticket: u64, failure: &Bound<'_, PyDict>) -> PyResult<()> {
        let failure: HostFailure = plain(failure)?;
        self.answer_call(ticket, Err(failure));
        Ok(())
    }

    /// A provider that did something of which nobody knows what it means; in its words, as UTF-8 as far as they are.
    fn lost(&self, ticket: u64, said: &[u8]) {
        self.answer_call(ticket, Err(HostFailure::unknown(String::from_utf8_lossy(said))));
    }

    /// What a key service made of bytes.
    fn reply_key(&self, ticket: u64, bytes: Vec<u8>) {
        self.answer_key(ticket, Ok(bytes));
    }

    /// What a key service that fails says, as UTF-8 as far as it is.
    fn fail_key(&self, ticket: u64, said: &[u8]) {
        self.answer_key(ticket, Err(String::from_utf8_lossy(said).into_owned()));
    }
}

impl Mailbox {
    fn answer_call(&self, ticket: u64, answer: Result<(HostReply, Bytes), HostFailure>) {
        if let Some(reply) = self.post.asked.lock().calls.remove(&ticket) {
            self.post.outgoing.lock().push(Outgoing::Called(reply, answer));
        }
    }

    fn answer_key(&self, ticket: u64, answer: Result<Vec<u8>, String>) {
        if let Some(reply) = self.post.asked.lock().keys.remove(&ticket) {
            self.post.outgoing.lock().push(Outgoing::Key(reply, answer));
        }
    }
}

/// What a provider answered.
fn plain<T: DeserializeOwned>(answer: &Bound<'_, PyDict>) -> PyResult<T> {
    let mut json = Vec::new();
    write_json(&mut json, answer)?;
    serde_json::from_slice(&json)
        .map_err(|error| PyValueError::new_err(format!("not a provider's answer: {error}")))
}
