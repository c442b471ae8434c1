//! What tests read from a fake server: every submit and what came of it, every limit that was exceeded, totals, and its
//! accounts and keys as they stand. Keys appear by name, never by secret.

use std::{net::IpAddr, sync::Arc, time::Duration};

use serde::Serialize;

use super::{
    faults::{Broken, Refusal},
    settings::Excess,
    task::Service,
};

/// Submits that a server remembers; older ones are forgotten. Counters go on for ever.
pub const SUBMITS_KEPT_MAX: usize = 300_000;

/// Characters that a [`Submit`] keeps of its text.
pub const SUBMIT_TEXT_CHARACTERS_MAX: usize = 100;

/// Violations that a server remembers; later ones are only counted.
pub const VIOLATIONS_KEPT_MAX: usize = 100_000;

/// A limit was, or would have been, exceeded by one call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// The server's name.
    pub server: Arc<str>,
    /// Whose limit it is.
    pub who: Who,
    /// What is limited.
    pub limit: LimitKind,
    /// The most that is allowed.
    pub max: u64,
    /// What there was, with this call.
    pub observed: u64,
    /// Whether the call was served all the same.
    pub excess: Excess,
    /// When, since the simulator started.
    pub at: Duration,
}

/// Whose limit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Who {
    /// A key, as `account/key`.
    Key(Arc<str>),
    /// An account.
    Account(Arc<str>),
    /// A client's address.
    Ip(IpAddr),
}

/// What is limited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LimitKind {
    /// Tasks not yet ended.
    InFlight,
    /// Submits per window.
    Starts,
    /// Submits and polls per window.
    Calls,
    /// Characters per window.
    Characters,
}

/// A submit that reached a server with a known key.
#[derive(Clone, Debug)]
pub struct Submit {
    /// When, since the simulator started.
    pub at: Duration,
    /// The key, as `account/key`.
    pub key: Arc<str>,
    /// The client's address.
    pub ip: IpAddr,
    /// The service it asks for.
    pub service: Service,
    /// The first characters of the text, see [`SUBMIT_TEXT_CHARACTERS_MAX`].
    pub text_start: String,
    /// The whole text's [`digest`](super::audio::digest).
    pub digest: u64,
    /// The whole text's Unicode characters.
    pub characters: u64,
    /// The client's own identifier of the task, if it sent one.
    pub client_id: Option<Arc<str>>,
    /// How many submits of this text there have been, with this one, as far back as the server remembers.
    pub nth: u64,
    /// What came of it.
    pub outcome: Outcome,
}

/// What came of a submit.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// A task was made and charged.
    Accepted {
        /// The upstream's id of the task.
        task: String,
        /// The charge.
        credits: i64,
    },
    /// A task was made and charged, but the client cannot know: the answer broke like this.
    AnswerLost {
        /// The upstream's id of the task.
        task: String,
        /// The charge.
        credits: i64,
        /// How the answer broke.
        broken: Broken,
    },
    /// The client's identifier was known: the answer names the task that was made for it, nothing is charged.
    Joined {
        /// The upstream's id of the task.
        task: String,
    },
    /// It was refused.
    Refused(Refusal),
    /// Nothing was done and the answer broke.
    Broken(Broken),
}

/// Totals of a server since it started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counters {
    /// Submits with a known key.
    pub submits: u64,
    /// Calls with an unknown or dead key.
    pub unauthorized: u64,
    /// Tasks made.
    pub accepted: u64,
    /// Tasks made whose answer was lost on purpose.
    pub answers_lost: u64,
    /// Submits refused or broken before anything was done.
    pub refused: u64,
    /// Tasks that ended well.
    pub done: u64,
    /// Tasks that failed.
    pub failed: u64,
    /// Tasks deleted while they ran.
    pub cancelled: u64,
    /// Polls.
    pub polls: u64,
    /// Downloads of results.
    pub downloads: u64,
    /// Accepted tasks whose text had been accepted before.
    pub repeated_texts: u64,
    /// Accepted tasks whose client identifier had been accepted before.
    pub repeated_client_ids: u64,
    /// Limits exceeded.
    pub violations: u64,
    /// Calls that carried a key to the address of results, which is a stranger.
    pub keys_leaked: u64,
    /// Credits charged.
    pub charged: i64,
    /// Credits given back.
    pub refunded: i64,
}

/// One account as it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountReport {
    /// Its name.
    pub name: Arc<str>,
    /// Its balance.
    pub credits: i64,
    /// Credits charged so far.
    pub charged: i64,
    /// Credits given back so far.
    pub refunded: i64,
    /// Tasks not yet ended.
    pub in_flight: u64,
}

/// One key as it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyReport {
    /// `account/key`.
    pub name: Arc<str>,
    /// Whether it works.
    pub life: Life,
    /// Submits so far.
    pub starts: u64,
    /// Tasks not yet ended.
    pub in_flight: u64,
    /// Most tasks at once so far.
    pub in_flight_peak: u64,
    /// Most submits in one window so far.
    pub starts_peak: u64,
}

/// Whether a key works.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Life {
    /// It does.
    Alive,
    /// It was revoked: every call with it is refused.
    Dead,
}
