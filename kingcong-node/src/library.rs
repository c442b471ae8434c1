//! An opened library for JavaScript: knocked at, and answered at once or through the thread's mailbox.

use std::{
    future::Future,
    pin::Pin,
    sync::{Arc, Weak},
    task::{Context, Poll, Waker},
};

use bytes::Bytes;
use kingcong_core::{provider::Provider, vault::MasterKey};
use kingcong_doors::{
    AT_ONCE_BYTES_MAX, Answer, HostMasterKey, HostOffer, HostProvider, Names, OpenOptions, Problem,
};
use napi::{
    Result,
    bindgen_prelude::{BufferSlice, Either},
};
use napi_derive::napi;

use crate::{
    host::{NodeCalls, NodeKeys},
    mailbox::{Mailbox, Post},
    runtime::{runtime, started},
};

/// What became of something that was asked.
pub(crate) enum Outcome {
    Opened(kingcong_doors::Library),
    Answered(Answer),
    Failed(Problem),
    Panicked,
}

type Asked = Pin<Box<dyn Future<Output = Outcome> + Send>>;

/// The letter of what was answered at once, or the ticket under which the mailbox will bring it.
type AnswerOrTicket = Either<String, i64>;

/// An opened library.
#[napi]
#[derive(Debug)]
pub struct Library {
    library: kingcong_doors::Library,
}

impl Library {
    pub(crate) fn new(library: kingcong_doors::Library) -> Self {
        Self { library }
    }
}

impl Drop for Library {
    fn drop(&mut self) {
        // A thread that ends without closing takes its providers with it: nothing more is to be begun.
        if let Some(runtime) = started() {
            let library = self.library.clone();
            runtime.spawn(async move { library.close().await });
        }
    }
}

#[napi]
impl Library {
    /// Knocks at a door.
    #[napi(catch_unwind)]
    pub fn knock(
        &self,
        mailbox: &Mailbox,
        door: String,
        caller: Option<String>,
        attachment: Option<BufferSlice<'_>>,
    ) -> Result<AnswerOrTicket> {
        let library = self.library.clone();
        let attachment = attachment.map(|bytes| Bytes::copy_from_slice(&bytes));
        let hurry = if door.len() > AT_ONCE_BYTES_MAX { Hurry::Never } else { Hurry::MayBeThere };
        let knocking = async move {
            match library.knock(&door, caller.as_deref(), attachment).await {
                Ok(answer) => Outcome::Answered(answer),
                Err(problem) => Outcome::Failed(problem),
            }
        };
        send(mailbox, Box::pin(knocking), hurry)
    }

    /// Closes a stream of events that nobody reads any more.
    #[napi]
    pub fn close_stream(&self, stream: i64) {
        if let Ok(stream) = u64::try_from(stream) {
            self.library.close_stream(stream);
        }
    }

    /// Closes the library.
    #[napi(catch_unwind)]
    pub fn close(&self, mailbox: &Mailbox) -> Result<AnswerOrTicket> {
        let library = self.library.clone();
        let closing = async move {
            library.close().await;
            Outcome::Answered(Answer { json: "null".to_owned(), attachment: None })
        };
        send(mailbox, Box::pin(closing), Hurry::MayBeThere)
    }
}

/// Opens a library for a client, with its key service, by its id.
#[napi(catch_unwind)]
pub(crate) fn open(
    mailbox: &Mailbox,
    options: String,
    client: i64,
    key: Option<String>,
) -> Result<AnswerOrTicket> {
    let post = mailbox.weak();
    send(
        mailbox,
        Box::pin(async move {
            match opening(&options, client, key.as_deref(), &post).await {
                Ok(library) => Outcome::Opened(library),
                Err(problem) => Outcome::Failed(problem),
            }
        }),
        Hurry::MayBeThere,
    )
}

async fn opening(
    options: &str,
    client: i64,
    key: Option<&str>,
    post: &Weak<Post>,
) -> std::result::Result<kingcong_doors::Library, Problem> {
    let mut opening = OpenOptions::from_json(options, Names::Node)?;
    let serve = |offer: HostOffer| -> Arc<dyn Provider> {
        let protocol = offer.protocol().as_str().into();
        let calls = NodeCalls { client, protocol, post: Weak::clone(post) };
        Arc::new(HostProvider::new(offer, Arc::new(calls)))
    };
    let providers = std::mem::take(&mut opening.providers).into_iter().map(serve).collect();
    let master_key = match key {
        None => None,
        Some(id) => {
            let key = HostMasterKey::new(id, Arc::new(NodeKeys { client, post: Weak::clone(post) }))?;
            Some(Arc::new(key) as Arc<dyn MasterKey>)
        }
    };
    kingcong_doors::Library::open(opening, providers, master_key).await
}

/// Answers an awaited call, also when it came to no end of its own.
struct Awaited {
    post: Weak<Post>,
    ticket: i64,
    outcome: Outcome,
}

impl Drop for Awaited {
    fn drop(&mut self) {
        if let Some(post) = self.post.upgrade() {
            post.answer(self.ticket, std::mem::replace(&mut self.outcome, Outcome::Panicked));
        }
    }
}

/// Whether an awaited call may be answered at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Hurry {
    MayBeThere,
    Never,
}

/// Polls once: much of what is asked needs no waiting, and then no other thread. The rest is awaited there.
fn send(mailbox: &Mailbox, mut asked: Asked, hurry: Hurry) -> Result<AnswerOrTicket> {
    let runtime = runtime()?;
    let polled = match hurry {
        Hurry::MayBeThere => {
            let _context = runtime.enter();
            asked.as_mut().poll(&mut Context::from_waker(Waker::noop()))
        }
        Hurry::Never => Poll::Pending,
    };
    Ok(match polled {
        Poll::Ready(outcome) => Either::A(mailbox.post().letter(outcome)),
        Poll::Pending => Either::B(mailbox.post().await_answer(|ticket| {
            let awaited = Awaited { post: mailbox.weak(), ticket, outcome: Outcome::Panicked };
            let task = runtime.spawn(async move {
                let mut awaited = awaited;
                awaited.outcome = asked.await;
            });
            task.abort_handle()
        })),
    })
}
