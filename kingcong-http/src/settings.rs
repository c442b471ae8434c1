//! How long to wait and how much to read. The durations are settings; the limits on memory are fixed.

use std::time::Duration;

/// Longest wait for a connection.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Longest wait for a submit that only takes the work.
pub const SEND_TIMEOUT: Duration = Duration::from_secs(60);
/// Longest wait for a call that answers with the result.
pub const SYNCHRONOUS_TIMEOUT: Duration = Duration::from_secs(180);
/// Longest wait for a question: a poll, a balance, a page of voices.
pub const POLL_TIMEOUT: Duration = Duration::from_secs(20);
/// Longest wait for a whole result.
pub const DOWNLOAD_TIMEOUT: Duration = Duration::from_secs(120);
/// How long an idle connection is kept: shorter than the shortest that servers usually keep theirs, 5 s. A submit
/// on a connection that the server is just closing would leave its fate unknown.
pub(crate) const IDLE_CONNECTION_KEPT: Duration = Duration::from_secs(4);

/// Largest answer of an API in bytes.
pub const API_BODY_BYTES_MAX: usize = 1 << 20;
/// Largest answer in bytes that carries audio as text (hexadecimal or base64).
pub const AUDIO_ANSWER_BYTES_MAX: usize = 64 << 20;
/// Largest subtitle file in bytes.
pub(crate) const SUBTITLES_BYTES_MAX: usize = 4 << 20;

/// How we name ourselves: upstreams' edges refuse the names of HTTP libraries.
pub const USER_AGENT: &str = "Mozilla/5.0 (compatible; KingCong/0.1)";

/// How long to wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// For a connection.
    pub connect_timeout: Duration,
    /// For a submit that only takes the work.
    pub send_timeout: Duration,
    /// For a call that answers with the result.
    pub synchronous_timeout: Duration,
    /// For a question: a poll, a balance, a page of voices.
    pub poll_timeout: Duration,
    /// For a whole result.
    pub download_timeout: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            connect_timeout: CONNECT_TIMEOUT,
            send_timeout: SEND_TIMEOUT,
            synchronous_timeout: SYNCHRONOUS_TIMEOUT,
            poll_timeout: POLL_TIMEOUT,
            download_timeout: DOWNLOAD_TIMEOUT,
        }
    }
}
