//! The upstreams that the workers work with, which count for themselves, and what goes wrong with them.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use anyhow::{Context as _, Result};
use kingcong_core::{
    KingCong, NewKey, Preset,
    keys::Limits,
    preset::kingcong,
    routing::{BaseUrl, System},
};

use super::host::{SERVICE, WINDOW};
use crate::upstreams::{
    self, Broken, DownloadFault, Faults, Latency, Limit, Pace, PollFault, Refusal, Server, ServerSettings,
    SubmitFault, Upstreams, Violation,
};

/// The servers.
pub(super) const SERVERS: [&str; 2] = ["ai33", "ai84"];
/// The keys of each: so few that work waits for their limits.
pub(super) const KEYS: usize = 4;

/// How an upstream does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Weather {
    /// As it should.
    Fine,
    /// It often has no room.
    Busy,
    /// It often says that there were too many calls.
    Limiting,
    /// Answers get lost, mostly after the work was taken.
    LosingAnswers,
    /// Polls and downloads fail.
    Withholding,
    /// Work takes long.
    Slow,
}

impl Weather {
    pub(super) const ALL: [Self; 6] =
        [Self::Fine, Self::Busy, Self::Limiting, Self::LosingAnswers, Self::Withholding, Self::Slow];

    fn faults(self, seed: u64) -> Faults {
        let faults = Faults::seeded(seed);
        match self {
            Self::Fine | Self::Slow => faults,
            Self::Busy => faults
                .on_submit(150, SubmitFault::Refuse(Refusal::Busy))
                .on_submit(150, SubmitFault::Refuse(Refusal::BusyInsideSuccess)),
            Self::Limiting => {
                faults.on_submit(200, SubmitFault::Refuse(Refusal::RateLimited { retry_after_s: Some(1) }))
            }
            Self::LosingAnswers => faults
                .on_submit(80, SubmitFault::BreakAfter(Broken::Dropped))
                .on_submit(40, SubmitFault::BreakAfter(Broken::Half))
                .on_submit(40, SubmitFault::BreakBefore(Broken::Dropped))
                .on_submit(40, SubmitFault::BreakBefore(Broken::Html(502))),
            Self::Withholding => faults
                .on_poll(200, PollFault::Break(Broken::Html(502)))
                .on_poll(100, PollFault::Break(Broken::Dropped))
                .on_poll(50, PollFault::Refuse(Refusal::RateLimited { retry_after_s: Some(1) }))
                .on_download(100, DownloadFault::Unavailable)
                .on_download(100, DownloadFault::Break(Broken::Half)),
        }
    }

    fn pace(self) -> Pace {
        let processing = Duration::from_millis(if self == Self::Slow { 1_500 } else { 200 });
        let (queue, jitter) = (Duration::from_millis(50), Duration::from_millis(1_000));
        Pace::Timed(Latency { queue, processing, jitter })
    }
}

/// The upstreams.
#[derive(Debug)]
pub(super) struct Sky {
    upstreams: Upstreams,
    servers: Vec<Arc<Server>>,
    seed: u64,
}

impl Sky {
    /// Starts the servers. They count by a shorter window, and the limits that the library is told.
    pub(super) async fn start(seed: u64) -> Result<Self> {
        let upstreams = Upstreams::empty().await?;
        let mut servers = Vec::new();
        for name in SERVERS {
            let settings = if name == "ai33" { ServerSettings::ai33() } else { ServerSettings::ai84() };
            let known = server_of(&kingcong::system(), name)?.clone();
            let counted = |limits: Limits| Limit::recorded(limits.per_minute.get().into());
            let settings = ServerSettings {
                window: WINDOW,
                limits: upstreams::Limits {
                    key_in_flight: Some(Limit::recorded(known.defaults.max_in_flight.get().into())),
                    key_starts: Some(counted(known.defaults)),
                    ip_starts: known.egress.map(counted),
                    ..upstreams::Limits::none()
                },
                pace: Weather::Fine.pace(),
                seed,
                ..settings.with_keys(KEYS)
            };
            servers.push(upstreams.add(name, settings).await?);
        }
        Ok(Self { upstreams, servers, seed })
    }

    /// The configuration with these servers.
    pub(super) fn preset(&self) -> Result<Preset> {
        let mut preset = Preset::kingcong()?;
        for server in &self.servers {
            let system = &mut preset.configuration().system;
            let known = system.servers.values_mut().find(|known| known.protocol.as_str() == server.name());
            known.context("no server of that name")?.base_url = BaseUrl::new(server.url())?;
        }
        Ok(preset)
    }

    /// Registers the servers' keys.
    pub(super) async fn add_keys(&self, kc: &KingCong) -> Result<()> {
        for server in &self.servers {
            for secret in server.secrets() {
                kc.keys().add(NewKey::shared(server.name(), SERVICE, secret)).await?;
            }
        }
        Ok(())
    }

    pub(super) fn change(&self, server: usize, weather: Weather) {
        self.servers[server].set_faults(weather.faults(self.seed));
        self.servers[server].set_pace(weather.pace());
    }

    pub(super) fn kill_key(&self, server: usize, key: usize) {
        self.servers[server].kill_key(&self.servers[server].secrets()[key]);
    }

    pub(super) fn revive_key(&self, server: usize, key: usize) {
        self.servers[server].revive_key(&self.servers[server].secrets()[key]);
    }

    /// From now on everything is as it should be.
    pub(super) fn clear_up(&self) {
        for server in 0..self.servers.len() {
            self.change(server, Weather::Fine);
            (0..KEYS).for_each(|key| self.revive_key(server, key));
        }
    }

    /// Time since the start.
    pub(super) fn now(&self) -> Duration {
        self.upstreams.now()
    }

    /// Every limit that was exceeded, as the servers counted.
    pub(super) fn violations(&self) -> Vec<Violation> {
        self.upstreams.violations()
    }

    /// How often each text was made, by its digest.
    pub(super) fn made(&self) -> BTreeMap<u64, u64> {
        let mut made = BTreeMap::new();
        for (text, times) in self.servers.iter().flat_map(|server| server.made()) {
            *made.entry(text).or_default() += times;
        }
        made
    }
}

fn server_of<'s>(system: &'s System, name: &str) -> Result<&'s kingcong_core::routing::Server> {
    let found = system.servers.values().find(|server| server.protocol.as_str() == name);
    found.with_context(|| format!("the preset has no server {name}"))
}
