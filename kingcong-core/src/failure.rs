//! Failures of calls: what they mean, and whether the upstream may have begun.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Longest failure message kept, in bytes: upstreams answer with whole HTML pages.
pub const FAILURE_MESSAGE_BYTES_MAX: usize = 500;

/// Why a call did not give a result.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{kind:?} from upstream ({code}): {message}", code = code.as_deref().unwrap_or("no code"))]
pub struct Failure {
    /// What the engine concludes from it.
    pub kind: FailureKind,
    /// Whether the upstream may have begun to work, or to charge.
    pub reached: Reached,
    /// The upstream's status or code, such as `429`, `server_busy`, `1008`.
    pub code: Option<String>,
    /// The upstream's words: one line, cut to [`FAILURE_MESSAGE_BYTES_MAX`], without any secret.
    pub message: String,
    /// How long the upstream asks to wait.
    pub retry_after: Option<Duration>,
}

impl Failure {
    /// The longest that an upstream is left alone because it says so.
    pub const WAIT_MAX: Duration = Duration::from_secs(15 * 60);

    /// A failure with a message made fit to keep: one line, cut at a character boundary.
    #[must_use]
    pub fn new(kind: FailureKind, reached: Reached, message: impl AsRef<str>) -> Self {
        let mut line = String::new();
        for word in message.as_ref().split_whitespace() {
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
            if line.len() > FAILURE_MESSAGE_BYTES_MAX {
                line.truncate(line.floor_char_boundary(FAILURE_MESSAGE_BYTES_MAX - '…'.len_utf8()));
                line.push('…');
                break;
            }
        }
        Self { kind, reached, code: None, message: line, retry_after: None }
    }

    /// With the upstream's code.
    #[must_use]
    pub fn with_code(mut self, code: impl Into<String>) -> Self {
        self.code = Some(code.into());
        self
    }

    /// How long the upstream is not to be asked again; none where it does not say. Longer than
    /// [`WAIT_MAX`](Self::WAIT_MAX) nobody is believed.
    #[must_use]
    pub fn wait(&self) -> Option<Duration> {
        self.retry_after.filter(|wait| !wait.is_zero()).map(|wait| wait.min(Self::WAIT_MAX))
    }

    /// With the wait that the upstream asks for.
    #[must_use]
    pub fn with_retry_after(mut self, wait: Option<Duration>) -> Self {
        self.retry_after = wait;
        self
    }
}

/// What a failure means, and so whom it concerns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum FailureKind {
    /// The request itself is wrong: failing it anywhere else is pointless.
    BadRequest,
    /// The upstream refuses the content.
    Policy,
    /// The key may not do this: its plan, permissions, region or voices do not allow it. Another key may, and this one
    /// is not marked for it.
    NotAllowed,
    /// The upstream does not know the key.
    KeyDead,
    /// The upstream's 401 may mean several things: the key rests, each time for twice as long, and a free check may
    /// find it dead.
    KeyDoubtful,
    /// The key's account has not enough credit for this call.
    OutOfCredit,
    /// Too many calls of this key.
    KeyRateLimited,
    /// Too many calls of the account that this key belongs to.
    AccountRateLimited,
    /// Too many calls from our address.
    EgressRateLimited,
    /// The upstream is overloaded or broken for now.
    Busy,
    /// Sent, and no answer that tells what became of it.
    Unknown,
    /// The result is larger than the call's sink takes.
    TooLarge,
    /// The result cannot be delivered: it is no MP3 or WAV, has no sound, is torn, or is of another layout than the
    /// job's other parts. The engine finds it by reading what came; it costs the user nothing and is made again.
    Undeliverable,
    /// The provider cannot do this work on this route.
    Unsupported,
}

/// Whether the upstream may have begun to work, or to charge.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reached {
    /// It proved that it did not: a refusal, or no connection was made.
    No,
    /// It may have.
    Maybe,
    /// It did, and says that it ended.
    Yes,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_message_is_one_bounded_line() {
        let failure = Failure::new(FailureKind::Busy, Reached::No, "<html>\n <b>Lỗi</b>\r\n".repeat(100));
        assert!(failure.message.len() <= FAILURE_MESSAGE_BYTES_MAX, "{}", failure.message.len());
        assert!(!failure.message.contains('\n'));
        assert!(failure.message.starts_with("<html> <b>Lỗi</b> <html>"));
        let one_word = Failure::new(FailureKind::Busy, Reached::No, "ố".repeat(1000));
        assert!(one_word.message.len() <= FAILURE_MESSAGE_BYTES_MAX);
        assert!(one_word.message.len() > FAILURE_MESSAGE_BYTES_MAX / 2);
    }
}
