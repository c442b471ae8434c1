//! How a library is opened: the options of a face.

use std::{collections::BTreeMap, fmt, num::NonZeroU32, path::PathBuf, time::Duration};

use kingcong_core::{
    Error, Preset, Settings,
    engine::{Mode, Outputs},
    id::Egress,
    routing::BaseUrl,
    store::UnknownPolicy,
    work::Abbreviations,
};
use kingcong_http::UpstreamsError;
use serde::Deserialize;

use crate::{
    host::HostOffer,
    problem::Problem,
    reading::{Names, read},
};

/// The options that are lengths of time, as the library names them; here they say their unit.
pub(crate) const LENGTHS: [&str; 15] = [
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
    "connect_timeout",
    "send_timeout",
    "synchronous_timeout",
    "poll_timeout",
    "download_timeout",
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
    /// The providers that the host serves: one of each protocol.
    #[serde(default)]
    pub providers: Vec<HostOffer>,
    mode: Option<ModeName>,
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
    connect_timeout_ms: Option<u64>,
    send_timeout_ms: Option<u64>,
    synchronous_timeout_ms: Option<u64>,
    poll_timeout_ms: Option<u64>,
    download_timeout_ms: Option<u64>,
    /// Where servers of the preset are, in place of where it has them.
    base_urls: Option<BTreeMap<String, String>>,
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

/// What a process does: submits and works, or submits only.
#[derive(Clone, Copy, Debug, Deserialize)]
#[cfg_attr(feature = "description", derive(schemars::JsonSchema), schemars(rename = "Mode"))]
#[serde(rename_all = "snake_case")]
pub(crate) enum ModeName {
    Both,
    Client,
}

/// What to do with a task whose answer was lost: try it once more, recorded, or fail it.
#[derive(Clone, Copy, Debug, Deserialize)]
#[cfg_attr(feature = "description", derive(schemars::JsonSchema), schemars(rename = "UnknownPolicy"))]
#[serde(rename_all = "snake_case")]
pub(crate) enum UnknownName {
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
        settings.mode = match self.mode {
            None | Some(ModeName::Both) => Mode::Both,
            Some(ModeName::Client) => Mode::Client,
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

    /// How long the protocols of the library wait for upstreams.
    pub(crate) fn timeouts(&self) -> Result<kingcong_http::Settings, Problem> {
        let mut settings = kingcong_http::Settings::default();
        for (field, given) in [
            (&mut settings.connect_timeout, self.connect_timeout_ms),
            (&mut settings.send_timeout, self.send_timeout_ms),
            (&mut settings.synchronous_timeout, self.synchronous_timeout_ms),
            (&mut settings.poll_timeout, self.poll_timeout_ms),
            (&mut settings.download_timeout, self.download_timeout_ms),
        ] {
            if let Some(ms) = given {
                *field = Duration::from_millis(ms);
            }
        }
        settings.check().map_err(UpstreamsError::from)?;
        Ok(settings)
    }

    /// What is written into an empty store, with its servers where the options say.
    pub(crate) fn preset(&self) -> Result<Option<Preset>, Problem> {
        let base_urls = self.base_urls.iter().flatten();
        let mut preset = match self.preset {
            Some(PresetName::Kingcong) => Preset::kingcong()?,
            None => match base_urls.clone().next() {
                None => return Ok(None),
                Some((server, _)) => {
                    let (setting, value) = ("base_urls", format!("{server:?} without a preset"));
                    let bounds = "given with the preset whose servers they are of";
                    return Err(Error::Setting { setting, value, bounds }.into());
                }
            },
        };
        for (server, url) in base_urls {
            preset = preset.base_url(server, BaseUrl::new(url).map_err(Error::from)?)?;
        }
        Ok(Some(preset))
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
