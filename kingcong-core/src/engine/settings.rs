//! Settings: plain data with defaults; checked when the library is opened.

use std::{num::NonZeroU32, path::PathBuf, time::Duration};

use crate::{
    error::Error,
    id::Egress,
    keys::Rules,
    store::{DEAD_AFTER_MAX, DEAD_AFTER_MIN, Store, UnknownPolicy},
    work::{Abbreviations, Request},
};

/// Settings of one opened library.
#[derive(Clone, Debug)]
pub struct Settings {
    /// What this process does.
    pub mode: Mode,
    /// The length of the window that upstreams count in. None: what the store keeps, 60 s in a new one.
    ///
    /// How windows are counted is one for all processes of a store: it keeps what it was opened with first, and opening
    /// it with another window, guard or `call_max` is refused.
    pub window: Option<Duration>,
    /// What is added to the window, because a call reaches the upstream a little after its lease. None: what the store
    /// keeps, 0.5 s in a new one.
    pub guard: Option<Duration>,
    /// The longest that a call may run upstream; an unknown one keeps its slot so long. None: what the store keeps,
    /// 15 min in a new one.
    pub call_max: Option<Duration>,
    /// A process whose heartbeat is older is taken for dead and its work taken over; 30 s. Of two processes that
    /// differ, the longer counts.
    pub dead_after: Duration,
    /// What to do with a task whose answer was lost.
    pub unknown: UnknownPolicy,
    /// Most characters in one task; 4,000, below what AI84 takes.
    pub task_characters_max: NonZeroU32,
    /// Words whose full stop ends no sentence, besides those that the library knows; none.
    pub abbreviations: Abbreviations,
    /// Most tasks that may wait in one pool; 1,000,000.
    pub queue_max: u32,
    /// Most calls in flight in this process; 4,096.
    pub calls_max: u32,
    /// How long a job may take when its request does not say; 24 h.
    pub deadline: Duration,
    /// How often accepted work is polled; 2 s.
    pub poll_interval: Duration,
    /// How often the store is looked at for what other processes did; 850 ms.
    pub pulse_interval: Duration,
    /// How often every key and server is checked, by one process; 60 s.
    pub monitor_interval: Duration,
    /// Tasks move off a route that cools for longer than this; 30 s.
    pub move_after: Duration,
    /// How long [`crate::engine::KingCong::close`] waits for running calls; 30 s.
    pub drain: Duration,
    /// Where results' bytes are kept.
    pub outputs: Outputs,
    /// The address that upstreams see calls of this process come from.
    pub egress: Egress,
}

/// What a process does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// Submits and works.
    #[default]
    Both,
    /// Submits only; at least one other process must work.
    Client,
}

/// Where results' bytes are kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Outputs {
    /// In the store, up to 8 MiB a task.
    #[default]
    Store,
    /// As files in this directory, up to 1 GiB a task. It is made when it is not there.
    Directory(PathBuf),
}

impl Outputs {
    /// Largest result of a task that is kept in the store, in bytes.
    pub const STORE_BYTES_MAX: u64 = 8 * 1024 * 1024;
    /// Largest result of a task that is kept as a file, in bytes.
    pub const FILE_BYTES_MAX: u64 = 1024 * 1024 * 1024;
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            mode: Mode::default(),
            window: None,
            guard: None,
            call_max: None,
            dead_after: Duration::from_secs(30),
            unknown: UnknownPolicy::default(),
            task_characters_max: NonZeroU32::new(4_000).expect("4,000 is not zero"),
            abbreviations: Abbreviations::default(),
            queue_max: 1_000_000,
            calls_max: 4_096,
            deadline: Duration::from_secs(24 * 3600),
            poll_interval: Duration::from_secs(2),
            pulse_interval: Duration::from_millis(850),
            monitor_interval: Duration::from_secs(60),
            move_after: Duration::from_secs(30),
            drain: Duration::from_secs(30),
            outputs: Outputs::default(),
            egress: Egress::main(),
        }
    }
}

impl Settings {
    /// A lease is sent within this, or given back: it must be far below every `dead_after`.
    pub const SEND_SLACK: Duration = Duration::from_millis(250);

    /// The longest that a window, a call, a pause between two looks or a wait may be set to: a day.
    pub const LENGTH_MAX: Duration = Duration::from_secs(24 * 3600);

    /// Checks every setting, as opening the library does.
    ///
    /// # Errors
    /// The first setting that is outside of its bounds.
    pub fn check(&self) -> Result<(), Error> {
        let within = |setting, value: Duration, min: Duration, max: Duration, bounds| {
            if (min..=max).contains(&value) {
                return Ok(());
            }
            Err(Error::Setting { setting, value: format!("{value:?}"), bounds })
        };
        let bounds = "at least 2 s, at most 1 h";
        within("dead_after", self.dead_after, DEAD_AFTER_MIN, DEAD_AFTER_MAX, bounds)?;
        let rules = self.rules();
        let (moment, day) = (Duration::from_millis(1), Self::LENGTH_MAX);
        within(
            "guard",
            rules.guard,
            Self::SEND_SLACK,
            day,
            "at least 250 ms, the send slack, and at most a day",
        )?;
        for (setting, value, min, bounds) in [
            ("window", rules.window, moment, "1 ms to a day"),
            ("call_max", rules.call_max, moment, "1 ms to a day"),
            ("poll_interval", self.poll_interval, moment, "1 ms to a day"),
            ("pulse_interval", self.pulse_interval, moment, "1 ms to a day"),
            ("monitor_interval", self.monitor_interval, moment, "1 ms to a day"),
            ("move_after", self.move_after, Duration::ZERO, "a day at most"),
            ("drain", self.drain, Duration::ZERO, "a day at most"),
        ] {
            within(setting, value, min, day, bounds)?;
        }
        let (min, max) = (Duration::from_secs(1), Request::DEADLINE_MAX);
        within("deadline", self.deadline, min, max, "1 s to 7 days")?;
        if self.pulse_interval.saturating_mul(2) > self.dead_after {
            let (setting, value) = ("pulse_interval", format!("{:?}", self.pulse_interval));
            return Err(Error::Setting { setting, value, bounds: "at most half of dead_after" });
        }
        if self.queue_max == 0 {
            return Err(Error::Setting { setting: "queue_max", value: "0".into(), bounds: "at least 1" });
        }
        if self.calls_max == 0 {
            let value = self.calls_max.to_string();
            return Err(Error::Setting { setting: "calls_max", value, bounds: "at least 1" });
        }
        Ok(())
    }

    /// The rules that a new store gets.
    fn rules(&self) -> Rules {
        let Rules { window, guard, call_max } = Rules::default();
        Rules {
            window: self.window.unwrap_or(window),
            guard: self.guard.unwrap_or(guard),
            call_max: self.call_max.unwrap_or(call_max),
        }
    }

    /// The rules that the store keeps, or that it gets now.
    ///
    /// # Errors
    /// What was said is not what the store keeps; or it cannot be used.
    pub(super) async fn rules_of(&self, store: &dyn Store) -> Result<Rules, Error> {
        let kept = store.keep_rules(self.rules()).await?;
        for (setting, said, kept) in [
            ("window", self.window, kept.window),
            ("guard", self.guard, kept.guard),
            ("call_max", self.call_max, kept.call_max),
        ] {
            if let Some(said) = said.filter(|said| said.as_micros() != kept.as_micros()) {
                return Err(Error::NotTheStores { setting, said, kept });
            }
        }
        Ok(kept)
    }
}
