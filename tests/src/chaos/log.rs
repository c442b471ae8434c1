//! What workers write for operators, and what follows from it: who was buried alive, and how soon the work of the dead
//! was taken over.

use std::{
    fmt,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use tracing_subscriber::fmt::{format::Writer, time::FormatTime};

/// Writes instants as microseconds since 1970, of the machine's own clock.
#[derive(Clone, Copy, Debug)]
pub struct Micros;

impl FormatTime for Micros {
    fn format_time(&self, w: &mut Writer<'_>) -> fmt::Result {
        write!(w, "{}", since_1970().as_micros())
    }
}

/// The machine's time.
pub(super) fn since_1970() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// What one process wrote.
#[derive(Debug)]
pub(super) struct Log {
    pub(super) text: String,
    /// When the process was killed, since 1970.
    pub(super) killed_at: Option<Duration>,
}

impl Log {
    fn lines_with(&self, what: &str) -> impl Iterator<Item = &str> {
        self.text.lines().filter(move |line| line.contains(what))
    }

    /// How often the process found itself buried.
    pub(super) fn burials(&self) -> usize {
        self.lines_with("taken for dead by another process").count()
    }

    /// The id that it worked under last.
    fn worker(&self) -> Option<&str> {
        self.lines_with("working under a new id").last().and_then(|line| field(line, "worker="))
    }
}

/// How long after each kill the calls that were under way were another process's.
pub(super) fn recoveries(logs: &[Log]) -> Vec<Duration> {
    let taken_over: Vec<(&str, Duration)> = logs
        .iter()
        .flat_map(|log| log.lines_with("took over the work of a dead process"))
        .filter_map(|line| {
            let at = line.trim_start().split(' ').next()?.parse().ok().map(Duration::from_micros)?;
            Some((field(line, "worker=")?, at))
        })
        .collect();
    let recovery = |log: &Log| {
        let (worker, killed_at) = (log.worker()?, log.killed_at?);
        let last = taken_over.iter().filter(|(dead, _)| *dead == worker).map(|(_, at)| *at).max()?;
        last.checked_sub(killed_at)
    };
    logs.iter().filter_map(recovery).collect()
}

fn field<'l>(line: &'l str, name: &str) -> Option<&'l str> {
    line.split(' ').find_map(|word| word.strip_prefix(name))
}
