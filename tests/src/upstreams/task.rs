//! A task: what was ordered, when it ends, and what a poll sees of it.

use std::{net::IpAddr, sync::Arc, time::Duration};

use super::{audio::Format, faults::TaskFault, settings::Group};

/// What is bought at a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Service {
    /// Speech by ElevenLabs.
    ElevenLabs,
    /// Speech by MiniMax.
    MiniMax,
}

/// A request to make a task.
#[derive(Debug)]
pub(super) struct Order {
    pub(super) caller: Caller,
    pub(super) service: Service,
    pub(super) text: String,
    pub(super) voice: String,
    pub(super) model: String,
    /// What it will cost.
    pub(super) credits: i64,
    /// The upstream's own count.
    pub(super) characters: u64,
    pub(super) format: Format,
    pub(super) subtitles: Subtitles,
    pub(super) group: Group,
    pub(super) receive_url: Option<String>,
    pub(super) client_id: Option<String>,
    /// What the upstream finds wrong only after it has accepted the task.
    pub(super) flaw: Option<TaskFault>,
}

/// Who calls.
#[derive(Clone, Copy, Debug)]
pub(super) struct Caller {
    pub(super) key: usize,
    pub(super) ip: IpAddr,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Subtitles {
    None,
    Wanted,
}

#[derive(Clone, Debug)]
pub(super) struct Task {
    pub(super) number: u64,
    pub(super) id: String,
    pub(super) key: usize,
    pub(super) service: Service,
    pub(super) voice: Arc<str>,
    pub(super) model: Arc<str>,
    pub(super) digest: u64,
    pub(super) characters: u64,
    pub(super) credits: i64,
    pub(super) format: Format,
    pub(super) ms: u64,
    /// Kept only where subtitles were wanted.
    pub(super) text: Option<Arc<str>>,
    pub(super) receive_url: Option<Arc<str>>,
    pub(super) submitted: Duration,
    pub(super) queue: Duration,
    pub(super) end: End,
    pub(super) fault: Option<TaskFault>,
    /// What is given as audio in place of any.
    pub(super) audio_instead: Option<Arc<[u8]>>,
    pub(super) state: State,
    pub(super) group: Group,
    /// Polls that came through.
    pub(super) polls: u64,
    /// All polls.
    pub(super) polls_tried: u64,
    pub(super) downloads: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    At(Duration),
    AfterPolls(u64),
    Never,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    Queued { position: u64 },
    Processing { percent: u64 },
    Done,
    Failed(TaskFault),
}

impl State {
    pub(super) fn ended(self) -> bool {
        match self {
            Self::Queued { .. } | Self::Processing { .. } => false,
            Self::Done | Self::Failed(_) => true,
        }
    }
}

impl Task {
    /// When it will have ended, if the clock decides that.
    pub(super) fn ends_at(&self) -> Option<Duration> {
        match self.end {
            End::At(at) => Some(at),
            End::AfterPolls(_) => Some(self.submitted),
            End::Never => None,
        }
    }

    /// When the clock alone will have ended it.
    pub(super) fn ends_by_clock(&self) -> Option<Duration> {
        match self.end {
            End::At(at) => Some(at),
            End::AfterPolls(_) | End::Never => None,
        }
    }

    pub(super) fn audio(&self) -> Vec<u8> {
        match &self.audio_instead {
            Some(bytes) => bytes.to_vec(),
            None => self.format.bytes(self.digest, self.ms),
        }
    }

    pub(super) fn observe(&mut self, now: Duration) {
        if self.state.ended() {
            return;
        }
        self.state = match self.end {
            End::At(at) => {
                let waited = now.saturating_sub(self.submitted);
                match waited.checked_sub(self.queue) {
                    None => State::Queued { position: 1 },
                    Some(worked) => {
                        let whole = (at - self.submitted - self.queue).as_nanos().max(1);
                        State::Processing { percent: percent(worked.as_nanos(), whole) }
                    }
                }
            }
            End::AfterPolls(polls) if self.polls <= 1 && polls > 1 => State::Queued { position: 1 },
            End::AfterPolls(polls) => {
                State::Processing { percent: percent(u128::from(self.polls), u128::from(polls + 1)) }
            }
            End::Never => State::Processing { percent: percent(u128::from(self.polls), 100) },
        };
    }
}

fn percent(part: u128, whole: u128) -> u64 {
    u64::try_from((part * 100 / whole).min(99)).expect("at most 99")
}
