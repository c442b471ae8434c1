//! The library's events for JavaScript: every thread that listens finds them in its mailbox.

use std::{
    fmt::{self, Write},
    sync::{Once, Weak},
};

use napi::{Error, Result};
use parking_lot::Mutex;
use tracing::{
    Event, Level, Metadata, Subscriber,
    field::{Field, Visit},
};
use tracing_subscriber::{
    Registry,
    layer::{Context, Layer, SubscriberExt},
};

use crate::mailbox::Post;

/// Something that was logged.
pub(crate) struct Record {
    pub(crate) level: &'static str,
    pub(crate) target: &'static str,
    pub(crate) message: String,
}

/// The threads that listen, each with the least grave level that it wants.
static LISTENERS: Mutex<Vec<(Weak<Post>, Level)>> = Mutex::new(Vec::new());

struct ToMailboxes;

fn name(level: Level) -> &'static str {
    match level {
        Level::ERROR => "error",
        Level::WARN => "warn",
        Level::INFO => "info",
        Level::DEBUG => "debug",
        Level::TRACE => "trace",
    }
}

impl<S: Subscriber> Layer<S> for ToMailboxes {
    fn enabled(&self, metadata: &Metadata<'_>, _: Context<'_, S>) -> bool {
        // Of the libraries below only ours is the host's business.
        metadata.target().starts_with("kingcong")
            && LISTENERS.lock().iter().any(|(_, least)| metadata.level() <= least)
    }

    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut words = Words(String::new());
        event.record(&mut words);
        let (level, target) = (*event.metadata().level(), event.metadata().target());
        for (post, least) in LISTENERS.lock().iter() {
            if let (true, Some(post)) = (level <= *least, post.upgrade()) {
                post.log(Record { level: name(level), target, message: words.0.clone() });
            }
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

/// Brings events of that level or graver into a mailbox from now on; none with nothing.
pub(crate) fn listen(post: Weak<Post>, level: Option<&str>) -> Result<()> {
    static SUBSCRIBED: Once = Once::new();
    let level = level.map(|level| {
        level.parse::<Level>().map_err(|_| Error::from_reason(format!("{level:?} is no level of a log")))
    });
    let level = level.transpose()?;
    SUBSCRIBED.call_once(|| {
        // Another addon of this process may have a subscriber already: then its events are there.
        let _ = tracing::subscriber::set_global_default(Registry::default().with(ToMailboxes));
    });
    {
        let mut listeners = LISTENERS.lock();
        listeners.retain(|(other, _)| other.strong_count() > 0 && !other.ptr_eq(&post));
        listeners.extend(level.map(|level| (post, level)));
    }
    tracing::callsite::rebuild_interest_cache();
    Ok(())
}
