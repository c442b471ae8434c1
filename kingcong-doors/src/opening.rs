//! How a library is opened: the options of a face.

use std::{fmt, num::NonZeroU32, path::PathBuf, time::Duration};

use kingcong_core::{
    Error, Settings,
    engine::{Outputs, Role},
    id::Egress,
    store::UnknownPolicy,
    work::Abbreviations,
};
use serde::Deserialize;

use crate::{
    problem::Problem,
    reading::{Names, read},
};

/// The options that are lengths of time, as the library names them; here they say their unit.
pub(crate) const LENGTHS: [&str; 10] = [
    "deadline",
    "dead_after",
    "poll_interval",
    "pulse_interval",
    "monitor_interval",
    "move_after",
    "drain",
    "window",
    "guard",
    "call_max",
];

/// How a library is opened. What is left out is as [`Settings`] has it. Its `Debug` shows
/// nothing of it: the URL may hold a password.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Opening {
    /// `memory:`, or a database's URL.
    pub url: String,
    /// `kingcong`, or none.
    pub preset: Option<PresetName>,
    /// Where the master key is; the host's own when left out and given beside.
    pub master_key: Option<MasterKeySource>,
    role: Option<RoleName>,
    outputs: Option<PathBuf>,
    egress: Option<String>,
    unknown: Option<UnknownName>,
    task_characters_max: Option<NonZeroU32>,
    abbreviations: Option<Vec<String>>,
    queue_max: Option<u32>,
    calls_max: Option<u32>,
    deadline_ms: Option<u64>,
    dead_after_ms: Option<u64>,
    poll_interval_ms: Option<u64>,
    pulse_interval_ms: Option<u64>,
    monitor_interval_ms: Option<u64>,
    move_after_ms: Option<u64>,
    drain_ms: Option<u64>,
    window_ms: Option<u64>,
    guard_ms: Option<u64>,
    call_max_ms: Option<u64>,
    /// How the face writes names.
    #[serde(skip)]
    pub(crate) names: Names,
}

/// A configuration for an empty store.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PresetName {
    /// AI33 and AI84 at 70/30, eight packages, prices to start from.
    Kingcong,
}

/// Where a master key is. Its `Debug` does not show the key.
#[derive(Clone, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MasterKeySource {
    /// In this environment variable.
    Env(String),
    /// In this file, which is made when it is not there.
    File(PathBuf),
    /// Here, as base64 or hexadecimal.
    Text(String),
    /// Made up and forgotten: only for a store in memory.
    Random,
}

impl fmt::Debug for Opening {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Opening").finish_non_exhaustive()
    }
}

impl fmt::Debug for MasterKeySource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Env(variable) => f.debug_tuple("Env").field(variable).finish(),
            Self::File(path) => f.debug_tuple("File").field(path).finish(),
            Self::Text(_) => f.write_str("Text([redacted])"),
            Self::Random => f.write_str("Random"),
        }
    }
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
enum RoleName {
    Both,
    Client,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
enum UnknownName {
    Retry,
    Fail,
}

impl Opening {
    /// The options in a JSON text; what is wrong with them, or later with what a door is given, is told by these names.
    ///
    /// # Errors
    /// When it is no such text.
    pub fn from_json(json: &str, names: Names) -> Result<Self, Problem> {
        Ok(Self { names, ..read(json, names)? })
    }

    /// Whether everything is kept in this process's memory.
    #[must_use]
    pub fn is_in_memory(&self) -> bool {
        self.url == Self::MEMORY
    }

    /// The URL of a store in this process's memory.
    pub const MEMORY: &str = "memory:";

    pub(crate) fn settings(&self) -> Result<Settings, Problem> {
        let mut settings = Settings::default();
        for (field, given) in [
            (&mut settings.deadline, self.deadline_ms),
            (&mut settings.dead_after, self.dead_after_ms),
            (&mut settings.poll_interval, self.poll_interval_ms),
            (&mut settings.pulse_interval, self.pulse_interval_ms),
            (&mut settings.monitor_interval, self.monitor_interval_ms),
            (&mut settings.move_after, self.move_after_ms),
            (&mut settings.drain, self.drain_ms),
        ] {
            if let Some(ms) = given {
                *field = Duration::from_millis(ms);
            }
        }
        settings.window = self.window_ms.map(Duration::from_millis);
        settings.guard = self.guard_ms.map(Duration::from_millis);
        settings.call_max = self.call_max_ms.map(Duration::from_millis);
        settings.role = match self.role {
            None | Some(RoleName::Both) => Role::Both,
            Some(RoleName::Client) => Role::Client,
        };
        settings.unknown = match self.unknown {
            None | Some(UnknownName::Retry) => UnknownPolicy::Retry,
            Some(UnknownName::Fail) => UnknownPolicy::Fail,
        };
        if let Some(folder) = &self.outputs {
            settings.outputs = Outputs::Directory(folder.clone());
        }
        if let Some(egress) = &self.egress {
            settings.egress = Egress::new(egress)?;
        }
        if let Some(characters) = self.task_characters_max {
            settings.task_characters_max = characters;
        }
        if let Some(words) = &self.abbreviations {
            settings.abbreviations = Abbreviations::new(words)?;
        }
        if let Some(tasks) = self.queue_max {
            settings.queue_max = tasks;
        }
        if let Some(calls) = self.calls_max {
            settings.calls_max = calls;
        }
        // Before a database is opened, and perhaps made.
        settings.check()?;
        Ok(settings)
    }

    /// Refuses a random master key where it would make stored secrets unreadable.
    pub(crate) fn check_master_key(&self) -> Result<(), Problem> {
        match self.master_key {
            Some(MasterKeySource::Random) if !self.is_in_memory() => Err(Error::Setting {
                setting: "master_key",
                value: "random".into(),
                bounds: "one that is kept, or nothing will be readable after the next start",
            }
            .into()),
            _ => Ok(()),
        }
    }
}
