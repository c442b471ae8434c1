//! What came of a run, and how it is told.

use std::{fmt, time::Duration};

use super::Chaos;

/// What is counted.
#[derive(Clone, Debug, Default)]
pub struct Figures {
    /// Workers killed.
    pub worker_kills: u32,
    /// Database servers killed.
    pub server_kills: u32,
    /// Connections to the database cut.
    pub cuts: u64,
    /// Workers stopped for longer than what is silent is taken for alive.
    pub stops: u32,
    /// Times that a living worker found itself buried, and went on under a new id.
    pub burials: usize,
    /// Times that a clock was set.
    pub steps: u32,
    /// Times that an upstream's weather changed.
    pub weathers: u32,
    /// Keys that died and came back.
    pub dead_keys: u32,
    /// Requests.
    pub requests: u32,
    /// Their tasks.
    pub tasks: u64,
    /// Those that failed by what the upstreams did.
    pub failed_tasks: u64,
    /// Attempts that left for an upstream.
    pub attempts: u64,
    /// Attempts before which another may have been made and charged.
    pub possible_doubles: u64,
    /// How often a text was made that had been made before.
    pub doubles: u64,
    /// Limits exceeded, as the upstreams counted.
    pub violations: u32,
    /// Limits exceeded while the store's time had just been set forward; not among the others.
    pub excused_violations: u32,
    /// How long after each kill the worker's calls under way were another's.
    pub recoveries: Vec<Duration>,
}

/// What came of a run.
#[derive(Clone, Debug)]
pub struct Summary {
    /// What was run.
    pub chaos: Chaos,
    /// What was counted.
    pub figures: Figures,
    /// What was not as it must be.
    pub broken: Vec<String>,
    /// How long it took.
    pub took: Duration,
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { chaos, figures, broken, took } = self;
        writeln!(f, "database    {}", chaos.database)?;
        writeln!(f, "seed        {}", chaos.seed)?;
        writeln!(f, "took        {} s", took.as_secs())?;
        writeln!(f, "kills       {} workers, {} servers", figures.worker_kills, figures.server_kills)?;
        writeln!(f, "severed     {} connections", figures.cuts)?;
        writeln!(f, "stopped     {} workers; {} times one was buried alive", figures.stops, figures.burials)?;
        writeln!(f, "clock steps {}", figures.steps)?;
        writeln!(f, "upstreams   {} changes, {} dead keys", figures.weathers, figures.dead_keys)?;
        writeln!(f, "requests    {}", figures.requests)?;
        writeln!(
            f,
            "tasks       {}, {} of them failed and not charged",
            figures.tasks, figures.failed_tasks
        )?;
        writeln!(f, "attempts    {}", figures.attempts)?;
        writeln!(f, "doubles     {} possible, {} made", figures.possible_doubles, figures.doubles)?;
        match figures.excused_violations {
            0 => writeln!(f, "violations  {}", figures.violations)?,
            excused => writeln!(
                f,
                "violations  {}, and {excused} after the clock was set forward",
                figures.violations
            )?,
        }
        let mut recoveries = figures.recoveries.clone();
        recoveries.sort();
        if let (Some(longest), Some(median)) = (recoveries.last(), recoveries.get(recoveries.len() / 2)) {
            let count = recoveries.len();
            writeln!(
                f,
                "recovered   {count} times, after {median:.1?} (median) and {longest:.1?} (longest)"
            )?;
        }
        match broken.as_slice() {
            [] => writeln!(f, "verify      sound"),
            broken => {
                writeln!(f, "BROKEN")?;
                broken.iter().try_for_each(|what| writeln!(f, "  {what}"))?;
                writeln!(f, "repeat it: {chaos}")
            }
        }
    }
}
