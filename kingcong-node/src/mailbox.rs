//! What the library has for a JavaScript thread: answers to its awaited calls, calls for its providers, log events.
//!
//! A promise of napi's own for each call would wake the thread for each of them. Here whoever has something puts it
//! into the thread's mailbox, and only the first rings its bell, a function that JavaScript gave; the thread then takes
//! all there is. The bell is weak: a thread that waits for nothing may end.

use std::{
    collections::BTreeMap,
    fmt::Write,
    sync::{Arc, Weak},
};

use bytes::Bytes;
use kingcong_doors::{HostCall, HostFailure, HostReply, KeyStep};
use napi::{
    Error, Result, Status,
    bindgen_prelude::{Buffer, BufferSlice, Function},
    threadsafe_function::{ThreadsafeFunction, ThreadsafeFunctionCallMode},
};
use napi_derive::napi;
use parking_lot::Mutex;
use tokio::{sync::oneshot, task::AbortHandle};

use crate::{
    library::{Library, Outcome},
    log::Record,
};

/// Log events that wait for a thread; a thread that is slower loses the newest.
const RECORDS_MAX: usize = 10_000;

/// A reply to a call: the JSON that says what it is, with the bytes that belong to it.
type CallReply = oneshot::Sender<std::result::Result<(HostReply, Bytes), HostFailure>>;
/// What a key service made of bytes, or what it says.
type KeyReply = oneshot::Sender<std::result::Result<Vec<u8>, String>>;
/// Wakes the thread: weak, and called without arguments.
type Bell = ThreadsafeFunction<(), (), (), Status, false, true>;

/// Something for the thread.
enum Letter {
    /// An awaited call is answered.
    Answer { ticket: i64, outcome: Outcome },
    /// A provider is called.
    Call { ticket: i64, client: i64, protocol: Arc<str>, call: HostCall },
    /// Nobody waits for a call to a provider any more.
    Dropped { ticket: i64 },
    /// The key service is asked.
    Key { ticket: i64, client: i64, step: KeyStep, bytes: Vec<u8>, context: Vec<u8> },
    /// Something was logged.
    Log(Record),
}

#[derive(Default)]
struct Letters {
    waiting: Vec<Letter>,
    /// How many of them are of the log, and how many of those found no place.
    records: usize,
    records_lost: u64,
}

/// A mailbox as the library sees it.
pub(crate) struct Post {
    letters: Mutex<Letters>,
    open: Mutex<Open>,
    bell: Bell,
}

/// What is not done with yet, by tickets.
#[derive(Default)]
struct Open {
    last: i64,
    awaited: BTreeMap<i64, AbortHandle>,
    calls: BTreeMap<i64, CallReply>,
    keys: BTreeMap<i64, KeyReply>,
    /// What letters brought and JavaScript has not fetched.
    libraries: BTreeMap<i64, kingcong_doors::Library>,
    attachments: BTreeMap<i64, Bytes>,
}

impl Open {
    fn ticket(&mut self) -> i64 {
        self.last += 1;
        self.last
    }
}

impl std::fmt::Debug for Post {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Post").finish_non_exhaustive()
    }
}

impl Post {
    /// Puts something in, and wakes the thread if nothing was there.
    fn put(&self, letter: Letter) {
        let is_first = {
            let mut letters = self.letters.lock();
            letters.waiting.push(letter);
            letters.waiting.len() == 1
        };
        if is_first {
            // A thread that ends hears no bell.
            let _ = self.bell.call((), ThreadsafeFunctionCallMode::NonBlocking);
        }
    }

    /// Puts in what was logged, unless too much of it waits already.
    pub(crate) fn log(&self, record: Record) {
        {
            let mut letters = self.letters.lock();
            if letters.records >= RECORDS_MAX {
                letters.records_lost += 1;
                return;
            }
            letters.records += 1;
        }
        self.put(Letter::Log(record));
    }

    /// Begins what will be answered later: `begin` gets the ticket.
    pub(crate) fn await_answer(&self, begin: impl FnOnce(i64) -> AbortHandle) -> i64 {
        let mut open = self.open.lock();
        let ticket = open.ticket();
        // The lock is held: what is begun here cannot be over before it is noted.
        let task = begin(ticket);
        open.awaited.insert(ticket, task);
        ticket
    }

    /// Answers what was awaited.
    pub(crate) fn answer(&self, ticket: i64, outcome: Outcome) {
        if self.open.lock().awaited.remove(&ticket).is_some() {
            self.put(Letter::Answer { ticket, outcome });
        }
    }

    /// The letter of something that was answered at once.
    pub(crate) fn letter(&self, outcome: Outcome) -> String {
        let mut open = self.open.lock();
        let ticket = open.ticket();
        let mut text = String::new();
        write_answer(&mut text, &mut open, ticket, outcome);
        text
    }

    /// Asks for a call; the answer comes through `reply`.
    pub(crate) fn ask_call(&self, client: i64, protocol: Arc<str>, call: HostCall, reply: CallReply) -> i64 {
        let ticket = {
            let mut open = self.open.lock();
            let ticket = open.ticket();
            open.calls.insert(ticket, reply);
            ticket
        };
        self.put(Letter::Call { ticket, client, protocol, call });
        ticket
    }

    /// Nobody waits for that call any more.
    pub(crate) fn drop_call(&self, ticket: i64) {
        let dropped = self.open.lock().calls.remove(&ticket);
        if dropped.is_some() {
            self.put(Letter::Dropped { ticket });
        }
    }

    /// Asks the key service.
    pub(crate) fn ask_key(&self, client: i64, step: KeyStep, bytes: &[u8], context: &[u8], reply: KeyReply) {
        let ticket = {
            let mut open = self.open.lock();
            let ticket = open.ticket();
            open.keys.insert(ticket, reply);
            ticket
        };
        self.put(Letter::Key { ticket, client, step, bytes: bytes.to_vec(), context: context.to_vec() });
    }
}

/// Writes a text as JSON.
fn write_text(out: &mut String, text: &str) {
    out.push_str(&serde_json::to_string(text).expect("a text has a JSON form"));
}

fn write_answer(out: &mut String, open: &mut Open, ticket: i64, outcome: Outcome) {
    // Writing to a text cannot fail.
    let _ = match outcome {
        Outcome::Opened(library) => {
            open.libraries.insert(ticket, library);
            write!(out, "[\"opened\",{ticket}]")
        }
        Outcome::Answered(answer) => {
            let attached = answer.attachment.is_some();
            if let Some(bytes) = answer.attachment {
                open.attachments.insert(ticket, bytes);
            }
            write!(out, "[\"answer\",{ticket},{},{attached}]", answer.json)
        }
        Outcome::Failed(problem) => write!(out, "[\"problem\",{ticket},{}]", problem.to_json()),
        Outcome::Panicked => write!(out, "[\"panicked\",{ticket}]"),
    };
}

fn write_letter(out: &mut String, open: &mut Open, letter: Letter) {
    match letter {
        Letter::Answer { ticket, outcome } => write_answer(out, open, ticket, outcome),
        Letter::Call { ticket, client, protocol, call } => {
            let HostCall { json, secret, sample } = call;
            let _ = write!(out, "[\"call\",{ticket},{client},");
            write_text(out, &protocol);
            out.push(',');
            out.push_str(&json);
            out.push(',');
            write_text(out, secret.expose());
            let _ = write!(out, ",{}]", sample.is_some());
            if let Some(sample) = sample {
                open.attachments.insert(ticket, sample);
            }
        }
        Letter::Dropped { ticket } => {
            open.attachments.remove(&ticket);
            let _ = write!(out, "[\"dropped\",{ticket}]");
        }
        Letter::Key { ticket, client, step, mut bytes, context } => {
            let step = match step {
                KeyStep::Wrap => "wrap",
                KeyStep::Unwrap => "unwrap",
            };
            let _ = write!(out, "[\"key\",{ticket},{client},\"{step}\",{}]", bytes.len());
            bytes.extend(context);
            open.attachments.insert(ticket, bytes.into());
        }
        Letter::Log(Record { level, target, message }) => {
            let _ = write!(out, "[\"log\",\"{level}\",");
            write_text(out, target);
            out.push(',');
            write_text(out, &message);
            out.push(']');
        }
    }
}

/// The mailbox of one JavaScript thread.
#[napi]
#[derive(Debug)]
pub struct Mailbox {
    post: Arc<Post>,
}

impl Mailbox {
    pub(crate) fn post(&self) -> &Arc<Post> {
        &self.post
    }

    pub(crate) fn weak(&self) -> Weak<Post> {
        Arc::downgrade(&self.post)
    }
}

#[napi]
impl Mailbox {
    /// A mailbox that calls `bell` when something comes into it while it is empty.
    #[napi(constructor)]
    pub fn new(bell: Function<'_, (), ()>) -> Result<Self> {
        let bell = bell.build_threadsafe_function().weak::<true>().callee_handled::<false>().build()?;
        Ok(Self { post: Arc::new(Post { letters: Mutex::default(), open: Mutex::default(), bell }) })
    }

    /// Everything that is in it, as a JSON list of letters.
    #[napi]
    pub fn take(&self) -> String {
        let taken = std::mem::take(&mut *self.post.letters.lock());
        let mut open = self.post.open.lock();
        let mut text = String::from("[");
        for letter in taken.waiting {
            if text.len() > 1 {
                text.push(',');
            }
            write_letter(&mut text, &mut open, letter);
        }
        if taken.records_lost > 0 {
            let _ = write!(
                text,
                ",[\"log\",\"warn\",\"kingcong\",\"{} events were lost: the log callback is too slow\"]",
                taken.records_lost
            );
        }
        text.push(']');
        text
    }

    /// The bytes that belong to a letter, once.
    #[napi]
    pub fn attachment(&self, ticket: i64) -> Option<Buffer> {
        let bytes = self.post.open.lock().attachments.remove(&ticket);
        bytes.map(|bytes| Buffer::from(Vec::from(bytes)))
    }

    /// The library that a letter says is open, once.
    #[napi]
    pub fn opened(&self, ticket: i64) -> Option<Library> {
        self.post.open.lock().libraries.remove(&ticket).map(Library::new)
    }

    /// Nobody waits for that answer any more. What was asked may be done all the same.
    #[napi]
    pub fn forget(&self, ticket: i64) {
        let task = self.post.open.lock().awaited.remove(&ticket);
        if let Some(task) = task {
            task.abort();
        }
    }

    /// A provider's reply to a call.
    #[napi]
    pub fn reply(&self, ticket: i64, json: String, body: BufferSlice<'_>) -> Result<()> {
        let reply: HostReply = serde_json::from_str(&json).map_err(not_json)?;
        self.answer_call(ticket, Ok((reply, Bytes::copy_from_slice(&body))));
        Ok(())
    }

    /// A provider's failure.
    #[napi]
    pub fn fail(&self, ticket: i64, json: String) -> Result<()> {
        let failure: HostFailure = serde_json::from_str(&json).map_err(not_json)?;
        self.answer_call(ticket, Err(failure));
        Ok(())
    }

    /// What a key service made of bytes.
    #[napi]
    pub fn reply_key(&self, ticket: i64, bytes: BufferSlice<'_>) {
        self.answer_key(ticket, Ok(bytes.to_vec()));
    }

    /// What a key service that fails says.
    #[napi]
    pub fn fail_key(&self, ticket: i64, said: String) {
        self.answer_key(ticket, Err(said));
    }

    /// Begins to bring log events of that level or graver; none with nothing.
    #[napi]
    pub fn listen(&self, level: Option<String>) -> Result<()> {
        crate::log::listen(self.weak(), level.as_deref())
    }

    fn answer_call(&self, ticket: i64, answer: std::result::Result<(HostReply, Bytes), HostFailure>) {
        let asked = self.post.open.lock().calls.remove(&ticket);
        if let Some(reply) = asked {
            // Who asked may be gone.
            let _ = reply.send(answer);
        }
    }

    fn answer_key(&self, ticket: i64, answer: std::result::Result<Vec<u8>, String>) {
        let asked = self.post.open.lock().keys.remove(&ticket);
        if let Some(reply) = asked {
            let _ = reply.send(answer);
        }
    }
}

fn not_json(error: serde_json::Error) -> Error {
    Error::from_reason(format!("not a provider's answer: {error}"))
}
