//! The two servers: simulated ones, or the real ones for which the environment has keys.

use std::time::Duration;

use anyhow::Result;
use kingcong_tests::upstreams::{
    Account, AudioLength, Broken, Faults, Latency, Pace, Refusal, ServerSettings, SubmitFault, Upstreams,
};

/// A server that work is bought from.
pub(crate) struct Bought {
    pub(crate) server: &'static str,
    /// Where it is simulated; `None` for the real one.
    pub(crate) url: Option<String>,
    pub(crate) secrets: Vec<String>,
}

/// The servers, for as long as this lives.
pub(crate) struct Running {
    simulator: Upstreams,
    pub(crate) bought: Vec<Bought>,
}

impl Running {
    pub(crate) fn any_is_real(&self) -> bool {
        self.bought.iter().any(|bought| bought.url.is_none())
    }

    /// How often a limit was exceeded, as the simulated servers counted.
    pub(crate) fn violations(&self) -> usize {
        self.simulator.violations().len()
    }
}

pub(crate) async fn start(faults: bool) -> Result<Running> {
    let simulator = Upstreams::empty().await?;
    let mut bought = Vec::new();
    for (server, settings, keys, variable) in [
        ("ai33", ServerSettings::ai33(), 4, "AI33_API_KEY"),
        ("ai84", ServerSettings::ai84(), 2, "AI84_API_KEY"),
    ] {
        let real: Vec<String> = std::env::var(variable)
            .unwrap_or_default()
            .split(',')
            .map(|secret| secret.trim().to_owned())
            .filter(|secret| !secret.is_empty())
            .collect();
        if !real.is_empty() {
            bought.push(Bought { server, url: None, secrets: real });
            continue;
        }
        let pace = Latency {
            queue: Duration::from_millis(200),
            processing: Duration::from_millis(600),
            jitter: Duration::from_millis(1500),
        };
        let simulated = ServerSettings {
            pace: Pace::Timed(pace),
            audio: AudioLength { ms_per_character: 5, ms_max: 60_000 },
            faults: if faults { Faults::busy_day(7) } else { Faults::none() },
            ..settings.with_accounts((1..=keys).map(|n| {
                let account = Account::new(format!("account-{n}"), 1_000_000);
                account.key("key", format!("sk-simulated-{server}-{:04}", 7 * n))
            }))
        };
        let running = simulator.add(server, simulated).await?;
        if faults {
            // By chance little happens to ten tasks; these come for sure.
            running.next_submit(SubmitFault::Refuse(Refusal::Busy));
            running.next_submit(SubmitFault::BreakAfter(Broken::Dropped));
            running.next_submit(SubmitFault::KillKey);
        }
        bought.push(Bought { server, url: Some(running.url().to_owned()), secrets: running.secrets() });
    }
    Ok(Running { simulator, bought })
}
