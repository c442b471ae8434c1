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
/// The shortest of them: less gives up on an upstream that is well.
pub const TIMEOUT_MIN: Duration = Duration::from_millis(100);
/// The longest of all but [`DOWNLOAD_TIMEOUT_MAX`]: below the time after which the engine takes an answer for lost.
pub const TIMEOUT_MAX: Duration = Duration::from_secs(240);
/// The longest wait for a whole result that can be set.
pub const DOWNLOAD_TIMEOUT_MAX: Duration = Duration::from_secs(15 * 60);
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

impl Settings {
    /// Checks every time-out, as making the protocols does.
    ///
    /// # Errors
    /// The first one that is outside of its bounds.
    pub fn check(&self) -> Result<(), InvalidTimeout> {
        const BOUNDS: &str = "100 ms to 240 s";
        for (setting, value, max, bounds) in [
            ("connect_timeout", self.connect_timeout, TIMEOUT_MAX, BOUNDS),
            ("send_timeout", self.send_timeout, TIMEOUT_MAX, BOUNDS),
            ("synchronous_timeout", self.synchronous_timeout, TIMEOUT_MAX, BOUNDS),
            ("poll_timeout", self.poll_timeout, TIMEOUT_MAX, BOUNDS),
            ("download_timeout", self.download_timeout, DOWNLOAD_TIMEOUT_MAX, "100 ms to 15 min"),
        ] {
            if !(TIMEOUT_MIN..=max).contains(&value) {
                return Err(InvalidTimeout { setting, value, bounds });
            }
        }
        Ok(())
    }
}

/// A time-out that is outside of its bounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("setting {setting}: {value:?} must be {bounds}")]
pub struct InvalidTimeout {
    /// Which one.
    pub setting: &'static str,
    /// What was given.
    pub value: Duration,
    /// What it must be.
    pub bounds: &'static str,
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
