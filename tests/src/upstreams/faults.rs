//! What can go wrong at an upstream, as data. A fault meets a *submit*, the *task* it made, a *poll* or a
//! *download*. It comes either by chance, seeded, or next in line: [`Server::next_submit`](super::Server::next_submit)
//! and its sisters. Chance depends only on the seed, the text and how often that text came before, so a run is
//! repeatable whatever the order in which calls arrive.

use serde_json::Value;

/// Chance in thousandths.
pub type PerMille = u16;

/// What goes wrong by chance.
///
/// ```
/// use kingcong_tests::upstreams::{Faults, Refusal, SubmitFault, TaskFault};
/// let faults = Faults::seeded(7)
///     .on_submit(20, SubmitFault::Refuse(Refusal::Busy))
///     .on_task(5, TaskFault::Stuck);
/// # let _ = faults;
/// ```
#[derive(Clone, Debug, Default)]
pub struct Faults {
    seed: u64,
    submit: Vec<(PerMille, SubmitFault)>,
    task: Vec<(PerMille, TaskFault)>,
    poll: Vec<(PerMille, PollFault)>,
    download: Vec<(PerMille, DownloadFault)>,
}

/// What can meet a submit.
#[derive(Clone, Debug, PartialEq)]
pub enum SubmitFault {
    /// It is refused: nothing is made, nothing charged.
    Refuse(Refusal),
    /// The answer breaks before anything was done: nothing is made, nothing charged.
    BreakBefore(Broken),
    /// The task is made and charged, then the answer breaks: the outcome is unknown to the client.
    BreakAfter(Broken),
    /// The key dies with this call. The last living key of a server is spared.
    KillKey,
}

/// What can become of an accepted task other than success.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TaskFault {
    /// The voice is found missing only now.
    VoiceNotFound(Charge),
    /// The text was blocked by moderation.
    Moderated(Charge),
    /// Another mistake of the user (AI84's category 1).
    UserError(Charge),
    /// Their side failed (AI84's category 2).
    ServerError(Charge),
    /// It never ends, unless it is deleted.
    Stuck,
}

/// What becomes of a failed task's charge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Charge {
    /// Given back when the task fails.
    Refunded,
    /// Kept.
    Kept,
}

/// What can meet a poll. The task itself goes on.
#[derive(Clone, Debug, PartialEq)]
pub enum PollFault {
    /// It is refused.
    Refuse(Refusal),
    /// The answer breaks.
    Break(Broken),
}

/// What can meet the download of a result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DownloadFault {
    /// 403: the URL is no longer valid.
    Expired,
    /// 404.
    Missing,
    /// 503.
    Unavailable,
    /// 200 with an HTML page in place of audio.
    NotAudio,
    /// The answer breaks.
    Break(Broken),
}

/// How an upstream says no. Each protocol has its own way of writing each of these.
#[derive(Clone, Debug, PartialEq)]
pub enum Refusal {
    /// Too busy at the moment: AI33 and AI84 503, ElevenLabs 429 `system_busy`, MiniMax 1033.
    Busy,
    /// The same inside a 200: AI33 and AI84 `success: false`, MiniMax 1024. ElevenLabs knows none: 503.
    BusyInsideSuccess,
    /// Too many calls: 429, MiniMax 1002.
    RateLimited {
        /// Seconds for the `Retry-After` header; without one when absent.
        retry_after_s: Option<u64>,
    },
    /// Too many characters: MiniMax 1039; 429 elsewhere.
    TooManyCharacters,
    /// Too many at once: 429, ElevenLabs `too_many_concurrent_requests`, MiniMax 1041.
    TooManyInFlight,
    /// 401 although the key is alive; MiniMax 1004. The free calls still answer it.
    Unauthorized,
    /// The key is unknown or dead: 401, MiniMax 2049.
    InvalidKey,
    /// The account may not: 403, MiniMax 2038.
    Forbidden,
    /// The credits do not suffice: see [`OutOfCredit`](super::OutOfCredit); ElevenLabs 401 `quota_exceeded`,
    /// MiniMax 1008.
    OutOfCredit,
    /// The text was refused by moderation: 400, MiniMax 1026.
    Moderated,
    /// The request is wrong in this way: 400, MiniMax 2013.
    BadRequest(String),
    /// A parameter of the model is wrong: 422, MiniMax 2013.
    Unprocessable(String),
    /// 400 or 404, MiniMax 20132.
    VoiceNotFound,
    /// 404.
    NotFound,
    /// This HTTP status with the protocol's usual envelope; MiniMax 1000 inside a 200.
    Status(u16),
    /// Exactly this.
    Verbatim {
        /// HTTP status.
        status: u16,
        /// JSON body.
        body: Value,
        /// Seconds for the `Retry-After` header.
        retry_after_s: Option<u64>,
    },
}

/// How an answer can break on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Broken {
    /// The connection closes without a byte.
    Dropped,
    /// Nothing comes until the client gives up.
    Silent,
    /// The status, and an empty body.
    Empty,
    /// Half of the announced body, then the connection closes.
    Half,
    /// A body without an end.
    Endless,
    /// A body of 10 GB, announced as such.
    TenGigabytes,
    /// An HTML error page of a proxy, with this status.
    Html(u16),
    /// Cloudflare's error 1010.
    Cloudflare1010,
}

impl Faults {
    /// Nothing goes wrong by chance.
    pub fn none() -> Self {
        Self::default()
    }

    /// Nothing yet; chances are drawn from this seed.
    pub fn seeded(seed: u64) -> Self {
        Self { seed, ..Self::default() }
    }

    /// A bad but ordinary day: busy upstreams, dying keys, lost answers, tasks that fail or hang, polls and downloads
    /// that break. Each task has about one chance in eight to meet something.
    pub fn busy_day(seed: u64) -> Self {
        Self::seeded(seed)
            .on_submit(25, SubmitFault::Refuse(Refusal::Busy))
            .on_submit(15, SubmitFault::Refuse(Refusal::BusyInsideSuccess))
            .on_submit(15, SubmitFault::Refuse(Refusal::RateLimited { retry_after_s: Some(1) }))
            .on_submit(4, SubmitFault::Refuse(Refusal::Unauthorized))
            .on_submit(5, SubmitFault::BreakBefore(Broken::Dropped))
            .on_submit(5, SubmitFault::BreakBefore(Broken::Html(502)))
            .on_submit(4, SubmitFault::BreakAfter(Broken::Dropped))
            .on_submit(2, SubmitFault::BreakAfter(Broken::Half))
            .on_submit(1, SubmitFault::KillKey)
            .on_task(15, TaskFault::ServerError(Charge::Refunded))
            .on_task(3, TaskFault::ServerError(Charge::Kept))
            .on_task(1, TaskFault::Stuck)
            .on_poll(20, PollFault::Break(Broken::Html(502)))
            .on_poll(10, PollFault::Break(Broken::Dropped))
            .on_poll(5, PollFault::Refuse(Refusal::RateLimited { retry_after_s: Some(1) }))
            .on_download(10, DownloadFault::Unavailable)
            .on_download(10, DownloadFault::Break(Broken::Half))
            .on_download(5, DownloadFault::Expired)
    }

    /// Adds a chance to a submit. Chances of one kind add up; the first that fits is taken.
    #[must_use]
    pub fn on_submit(mut self, per_mille: PerMille, fault: SubmitFault) -> Self {
        self.submit.push((per_mille, fault));
        self
    }

    /// Adds a chance to an accepted task.
    #[must_use]
    pub fn on_task(mut self, per_mille: PerMille, fault: TaskFault) -> Self {
        self.task.push((per_mille, fault));
        self
    }

    /// Adds a chance to a poll.
    #[must_use]
    pub fn on_poll(mut self, per_mille: PerMille, fault: PollFault) -> Self {
        self.poll.push((per_mille, fault));
        self
    }

    /// Adds a chance to a download.
    #[must_use]
    pub fn on_download(mut self, per_mille: PerMille, fault: DownloadFault) -> Self {
        self.download.push((per_mille, fault));
        self
    }

    pub(super) fn submit(&self, text: u64, nth: u64) -> Option<SubmitFault> {
        drawn(&self.submit, mix(&[self.seed, 1, text, nth]))
    }

    pub(super) fn task(&self, text: u64, nth: u64) -> Option<TaskFault> {
        drawn(&self.task, mix(&[self.seed, 2, text, nth]))
    }

    pub(super) fn poll(&self, task: u64, nth: u64) -> Option<PollFault> {
        drawn(&self.poll, mix(&[self.seed, 3, task, nth]))
    }

    pub(super) fn download(&self, task: u64, nth: u64) -> Option<DownloadFault> {
        drawn(&self.download, mix(&[self.seed, 4, task, nth]))
    }
}

fn drawn<T: Clone>(chances: &[(PerMille, T)], random: u64) -> Option<T> {
    let mut roll = random % 1000;
    for (per_mille, fault) in chances {
        match roll.checked_sub(u64::from(*per_mille)) {
            None => return Some(fault.clone()),
            Some(rest) => roll = rest,
        }
    }
    None
}

/// A number that looks random and depends on all of `parts` (splitmix64 over them).
pub(super) fn mix(parts: &[u64]) -> u64 {
    parts.iter().fold(0x9e37_79b9_7f4a_7c15, |state, part| {
        let mut z = (state ^ part).wrapping_add(0x9e37_79b9_7f4a_7c15);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    })
}
