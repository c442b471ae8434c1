//! A Python provider or key service, as the core sees it: whoever calls puts the call into the mailbox of the event
//! loop that serves it, and waits for the reply.

use std::{
    sync::{Arc, Weak},
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use kingcong_doors::{HostCall, HostCalls, HostFailure, HostKeys, HostReply, KeyStep};
use pyo3::pyfunction;
use tokio::sync::oneshot;

use crate::mailbox::Post;

/// The longest that a key service may take for one key.
const KEY_STEP_MAX: Duration = Duration::from_secs(30);
const LOOP_CLOSED: &str =
    "the event loop that serves this provider is closed: keep it running, or close the client";

/// A provider that an event loop serves. It does not keep the loop's mailbox: a closed loop takes it away.
#[derive(Debug)]
pub(crate) struct PythonCalls {
    pub(crate) protocol: Arc<str>,
    pub(crate) post: Weak<Post>,
}

/// Tells the loop that nobody waits any more, unless the reply came.
struct Watch<'a> {
    post: &'a Weak<Post>,
    ticket: u64,
}

impl Drop for Watch<'_> {
    fn drop(&mut self) {
        if let Some(post) = self.post.upgrade() {
            post.drop_call(self.ticket);
        }
    }
}

#[async_trait]
impl HostCalls for PythonCalls {
    async fn call(&self, call: HostCall) -> Result<(HostReply, Bytes), HostFailure> {
        let (sender, reply) = oneshot::channel();
        let ticket = match self.post.upgrade() {
            Some(post) => post.ask_call(Arc::clone(&self.protocol), call, sender),
            None => return Err(HostFailure::not_called(LOOP_CLOSED)),
        };
        let _watch = Watch { post: &self.post, ticket };
        // Without a reply the loop was closed in the middle: what the provider did nobody knows.
        reply.await.unwrap_or_else(|_| Err(HostFailure::unknown(LOOP_CLOSED)))
    }
}

/// A key service that an event loop serves.
#[derive(Debug)]
pub(crate) struct PythonKeys {
    pub(crate) post: Weak<Post>,
}

#[async_trait]
impl HostKeys for PythonKeys {
    async fn step(&self, step: KeyStep, bytes: &[u8], context: &[u8]) -> Result<Vec<u8>, String> {
        let (sender, reply) = oneshot::channel();
        match self.post.upgrade() {
            Some(post) => post.ask_key(step, bytes.to_vec(), context.to_vec(), sender),
            None => return Err("the event loop that serves the master key is closed".to_owned()),
        }
        match tokio::time::timeout(KEY_STEP_MAX, reply).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(_)) => Err("the event loop was closed meanwhile".to_owned()),
            Err(_) => Err(format!("the key service has not answered within {} s", KEY_STEP_MAX.as_secs())),
        }
    }
}

/// A text without the secret of the call that it is about, for what Python logs of its providers.
#[pyfunction]
pub(crate) fn scrubbed(words: &str, secret: &str) -> String {
    kingcong_doors::scrubbed(words, secret)
}
