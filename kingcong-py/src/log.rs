//! The library's events for Python's `logging`: they are queued here, and a thread of the package takes them. A host
//! that logs slowly loses the newest, and is told how many.

use std::{
    collections::VecDeque,
    fmt::{self, Write},
    sync::{
        Arc, Condvar, Mutex, MutexGuard, Once, PoisonError,
        atomic::{AtomicU8, Ordering::Relaxed},
    },
};

use arc_swap::ArcSwapOption;
use pyo3::prelude::*;
use tracing::{
    Event, Level, Metadata, Subscriber,
    field::{Field, Visit},
};
use tracing_subscriber::{
    Registry,
    layer::{Context, Layer, SubscriberExt},
};

use crate::runtime::process;

/// Events that wait to be logged.
const WAITING_MAX: usize = 10_000;

/// The severity as `logging` counts it, the event's place and its words.
type Record = (u8, &'static str, String);

/// What `logging` wants to have at least; nothing while 0.
static SEVERITY_MIN: AtomicU8 = AtomicU8::new(0);
/// This process's queue. A forked child gets another: its parent may have been holding the lock.
static QUEUE: ArcSwapOption<Queue> = ArcSwapOption::const_empty();

#[derive(Default)]
struct Queue {
    process: u32,
    waiting: Mutex<WaitingRecord>,
    grown: Condvar,
}

#[derive(Default)]
struct WaitingRecord {
    records: VecDeque<Record>,
    lost: u64,
}

impl Queue {
    fn lock(&self) -> MutexGuard<'_, WaitingRecord> {
        // A panic leaves nothing half done: each step is one operation of a collection.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

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
        let least = SEVERITY_MIN.load(Relaxed);
        least > 0 && severity(metadata.level()) >= least && metadata.target().starts_with("kingcong")
    }

    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut words = Words(String::new());
        event.record(&mut words);
        let record = (severity(event.metadata().level()), event.metadata().target(), words.0);
        let Some(queue) = QUEUE.load_full() else { return };
        let mut waiting = queue.lock();
        if waiting.records.len() >= WAITING_MAX {
            waiting.lost += 1;
        } else {
            waiting.records.push_back(record);
            queue.grown.notify_one();
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
    if QUEUE.load().as_ref().is_none_or(|queue| queue.process != process()) {
        QUEUE.store(Some(Arc::new(Queue { process: process(), ..Queue::default() })));
    }
    SEVERITY_MIN.store(severity_min.max(1), Relaxed);
    tracing::callsite::rebuild_interest_cache();
}

/// Ends it: `take_log` answers nothing more.
#[pyfunction]
pub(crate) fn stop_log() {
    SEVERITY_MIN.store(0, Relaxed);
    if let Some(queue) = QUEUE.load_full() {
        // With the lock held nobody is between looking and waiting.
        let _waiting = queue.lock();
        queue.grown.notify_all();
    }
}

/// Waits for events; none once `stop_log` was called.
#[pyfunction]
pub(crate) fn take_log(py: Python<'_>) -> Vec<Record> {
    py.detach(|| {
        let Some(queue) = QUEUE.load_full() else { return Vec::new() };
        let mut waiting = queue.lock();
        while waiting.records.is_empty() && SEVERITY_MIN.load(Relaxed) > 0 {
            waiting = queue.grown.wait(waiting).unwrap_or_else(PoisonError::into_inner);
        }
        let mut records: Vec<Record> = waiting.records.drain(..).collect();
        let lost = std::mem::take(&mut waiting.lost);
        if lost > 0 {
            records.push((30, "kingcong", format!("{lost} events were lost: logging is too slow")));
        }
        records
    })
}
