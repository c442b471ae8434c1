//! The library's events for Python's `logging`: they are queued here, and a thread of the package takes them. A host that
//! logs slowly loses the newest, and is told how many.

use std::{
    collections::VecDeque,
    fmt::{self, Write},
    sync::Once,
};

use parking_lot::{Condvar, Mutex};
use pyo3::prelude::*;
use tracing::{
    Event, Level, Metadata, Subscriber,
    field::{Field, Visit},
};
use tracing_subscriber::{
    Registry,
    layer::{Context, Layer, SubscriberExt},
};

/// Events that wait to be logged.
const WAITING_MAX: usize = 10_000;

/// The severity as `logging` counts it, the event's place and its words.
type Record = (u8, &'static str, String);

#[derive(Default)]
struct Queue {
    records: VecDeque<Record>,
    lost: u64,
    /// What `logging` wants to have at least; nothing while 0.
    severity_min: u8,
}

static QUEUE: Mutex<Queue> = Mutex::new(Queue { records: VecDeque::new(), lost: 0, severity_min: 0 });
static GROWN: Condvar = Condvar::new();

struct ToPython;

fn severity(level: &Level) -> u8 {
    match *level {
        Level::ERROR => 40,
        Level::WARN => 30,
        Level::INFO => 20,
        Level::DEBUG => 10,
        Level::TRACE => 5,
    }
}

impl<S: Subscriber> Layer<S> for ToPython {
    fn enabled(&self, metadata: &Metadata<'_>, _: Context<'_, S>) -> bool {
        // Of the libraries below only ours is the host's business.
        metadata.target().starts_with("kingcong") && {
            let least = QUEUE.lock().severity_min;
            least > 0 && severity(metadata.level()) >= least
        }
    }

    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut words = Words(String::new());
        event.record(&mut words);
        let record = (severity(event.metadata().level()), event.metadata().target(), words.0);
        let mut queue = QUEUE.lock();
        if queue.records.len() >= WAITING_MAX {
            queue.lost += 1;
        } else {
            queue.records.push_back(record);
            GROWN.notify_one();
        }
    }
}

/// An event's message with its fields.
struct Words(String);

impl Visit for Words {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let space = if self.0.is_empty() { "" } else { " " };
        // Writing to a text cannot fail.
        let _ = match field.name() {
            "message" => write!(self.0, "{space}{value:?}"),
            name => write!(self.0, "{space}{name}={value:?}"),
        };
    }
}

/// Begins to queue events of that severity or graver.
#[pyfunction]
pub(crate) fn start_log(severity_min: u8) {
    static SUBSCRIBED: Once = Once::new();
    SUBSCRIBED.call_once(|| {
        // A host that embeds Python may have a subscriber of its own: then its events are there.
        let _ = tracing::subscriber::set_global_default(Registry::default().with(ToPython));
    });
    QUEUE.lock().severity_min = severity_min.max(1);
    tracing::callsite::rebuild_interest_cache();
}

/// Ends it: `take_log` answers nothing more.
#[pyfunction]
pub(crate) fn stop_log() {
    QUEUE.lock().severity_min = 0;
    GROWN.notify_all();
}

/// Waits for events; none once `stop_log` was called.
#[pyfunction]
pub(crate) fn take_log(py: Python<'_>) -> Vec<Record> {
    py.detach(|| {
        let mut queue = QUEUE.lock();
        while queue.records.is_empty() && queue.severity_min > 0 {
            GROWN.wait(&mut queue);
        }
        let mut records: Vec<Record> = queue.records.drain(..).collect();
        let lost = std::mem::take(&mut queue.lost);
        if lost > 0 {
            records.push((30, "kingcong", format!("{lost} events were lost: logging is too slow")));
        }
        records
    })
}
