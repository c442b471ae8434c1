//! A JavaScript provider or key service, as the core sees it: whoever calls puts the call into the mailbox of the
//! thread that serves it, and waits for the reply.

use std::sync::{Arc, Weak};

use async_trait::async_trait;
use bytes::Bytes;
use kingcong_doors::{HostCall, HostCalls, HostFailure, HostKeys, HostReply, KeyStep};
use napi_derive::napi;
use tokio::sync::oneshot;

use crate::mailbox::Post;

const THREAD_ENDED: &str =
    "the JavaScript thread that serves this provider has ended: keep it, or close the client";

/// A provider of a client. It does not keep its thread's mailbox: a thread that ends takes it away.
#[derive(Debug)]
pub(crate) struct NodeCalls {
    /// The client, as its thread numbers them.
    pub(crate) client: i64,
    pub(crate) protocol: Arc<str>,
    pub(crate) post: Weak<Post>,
}

/// Tells the thread that nobody waits any more, unless the reply came.
struct Watch<'a> {
    post: &'a Weak<Post>,
    ticket: i64,
}

impl Drop for Watch<'_> {
    fn drop(&mut self) {
        if let Some(post) = self.post.upgrade() {
            post.drop_call(self.ticket);
        }
    }
}

#[async_trait]
impl HostCalls for NodeCalls {
    async fn call(&self, call: HostCall) -> Result<(HostReply, Bytes), HostFailure> {
        let (sender, reply) = oneshot::channel();
        let ticket = match self.post.upgrade() {
            Some(post) => post.ask_call(self.client, Arc::clone(&self.protocol), call, sender),
            None => return Err(HostFailure::not_called(THREAD_ENDED)),
        };
        let _watch = Watch { post: &self.post, ticket };
        // Without a reply the thread ended in the middle: what the provider did nobody knows.
        reply.await.unwrap_or_else(|_| Err(HostFailure::unknown(THREAD_ENDED)))
    }
}

/// A key service of a client.
#[derive(Debug)]
pub(crate) struct NodeKeys {
    pub(crate) client: i64,
    pub(crate) post: Weak<Post>,
}

#[async_trait]
impl HostKeys for NodeKeys {
    async fn step(&self, step: KeyStep, bytes: &[u8], context: &[u8]) -> Result<Vec<u8>, String> {
        let (sender, reply) = oneshot::channel();
        match self.post.upgrade() {
            Some(post) => post.ask_key(self.client, step, bytes, context, sender),
            None => return Err("the JavaScript thread that serves the master key has ended".to_owned()),
        }
        reply.await.unwrap_or_else(|_| Err("the JavaScript thread ended meanwhile".to_owned()))
    }
}

/// A text without the secret of the call that it is about, for what JavaScript logs of its providers.
#[napi(catch_unwind)]
pub(crate) fn scrubbed(words: String, secret: String) -> String {
    kingcong_doors::scrubbed(&words, &secret)
}
