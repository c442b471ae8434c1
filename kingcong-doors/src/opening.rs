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
    answer::Milliseconds,
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

/// How a library is opened. What is left out is as [`Settings`] has it. Its `Debug` shows nothing of it: the URL may
/// hold a password.
///
/// Faces hand its fields on as they are, but for those that are skipped in its description, which each takes in its own
/// manner.
#[derive(Deserialize)]
#[cfg_attr(feature = "description", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct OpenOptions {
    /// `memory:`, or a database's URL.
    #[cfg_attr(feature = "description", schemars(skip))]
    pub url: String,
    /// Where the master key is; the host's own when left out and given beside.
    #[cfg_attr(feature = "description", schemars(skip))]
    pub master_key: Option<MasterKeySource>,
    /// The providers that the host serves: one of each protocol.
    #[cfg_attr(feature = "description", schemars(skip))]
    #[serde(default)]
    pub providers: Vec<HostOffer>,
    /// `kingcong` writes AI33 and AI84 at 70/30 with their packages and prices into an empty database.
    pub preset: Option<PresetName>,
    /// Where servers of the preset are instead, by server, such as at a proxy; written with it.
    base_urls: Option<BTreeMap<String, String>>,
    /// `client` submits only, and leaves the work to other processes.
    mode: Option<ModeName>,
    /// A folder for results, which are in the database otherwise.
    #[cfg_attr(feature = "description", schemars(extend("format" = "path")))]
    outputs: Option<PathBuf>,
    /// A name for the address that this process calls upstreams from, if several share a database.
    egress: Option<String>,
    /// What becomes of a task whose answer was lost.
    unknown: Option<UnknownName>,
    /// The most characters that one task speaks.
    task_characters_max: Option<NonZeroU32>,
    /// Words whose full stop ends no sentence, besides those that the library knows.
    abbreviations: Option<Vec<String>>,
    /// The most tasks that wait on one route.
    queue_max: Option<u32>,
    /// The most calls that this process has under way.
    calls_max: Option<u32>,
    /// How long a request may take when it does not say so itself.
    deadline_ms: Option<Milliseconds>,
    /// The silence after which another process takes a process's work over.
    dead_after_ms: Option<Milliseconds>,
    /// How often an upstream is asked for a result.
    poll_interval_ms: Option<Milliseconds>,
    /// How often this process looks at what others did.
    pulse_interval_ms: Option<Milliseconds>,
    /// How often keys and servers are checked.
    monitor_interval_ms: Option<Milliseconds>,
    /// The wait after which a task moves to another server.
    move_after_ms: Option<Milliseconds>,
    /// How long `close` waits for what is under way.
    drain_ms: Option<Milliseconds>,
    /// The window that upstreams count calls in.
    window_ms: Option<Milliseconds>,
    /// What is added to that window, because calls arrive later than they are sent.
    guard_ms: Option<Milliseconds>,
    /// The longest that one call may take.
    call_max_ms: Option<Milliseconds>,
    /// The longest wait for a connection to an upstream.
    connect_timeout_ms: Option<Milliseconds>,
    /// The longest wait for an upstream that only takes the work.
    send_timeout_ms: Option<Milliseconds>,
    /// The longest wait for an upstream that answers with the result.
    synchronous_timeout_ms: Option<Milliseconds>,
    /// The longest wait for an answer to a question: a poll, a balance, a page of voices.
    poll_timeout_ms: Option<Milliseconds>,
    /// The longest wait for a whole result.
    download_timeout_ms: Option<Milliseconds>,
    /// How the face writes names.
    #[cfg_attr(feature = "description", schemars(skip))]
    #[serde(skip)]
    pub(crate) names: Names,
}

/// A configuration for an empty store.
#[derive(Clone, Copy, Debug, Deserialize)]
#[cfg_attr(feature = "description", derive(schemars::JsonSchema), schemars(inline))]
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

impl fmt::Debug for OpenOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpenOptions").finish_non_exhaustive()
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

impl OpenOptions {
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
            if let Some(length) = given {
                *field = length.into();
            }
        }
        settings.window = self.window_ms.map(Duration::from);
        settings.guard = self.guard_ms.map(Duration::from);
        settings.call_max = self.call_max_ms.map(Duration::from);
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
            if let Some(length) = given {
                *field = length.into();
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
