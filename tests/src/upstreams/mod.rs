//! Fake upstreams: servers that speak the wire formats of AI33, AI84, ElevenLabs and MiniMax over real HTTP, count
//! every limit themselves, and misbehave on demand.
//!
//! They share no code with the library they are used to test, so that both cannot be wrong in the same way. Nothing
//! is stored: tasks live in memory, audio is made when it is downloaded.
//!
//! - [`Upstreams`] starts them; [`Server`] is one of them, with what tests turn and read.
//! - [`ServerSettings`] says who may call, what is allowed and how fast it is.
//! - [`Faults`] and the `next_…` methods of [`Server`] say what goes wrong.
//! - [`Server::violations`] tells which limits were exceeded, whether or not they were enforced.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> std::io::Result<()> {
//! use kingcong_tests::upstreams::{Refusal, ServerSettings, SubmitFault, Upstreams};
//!
//! let upstreams = Upstreams::start().await?;
//! let third = upstreams.add("ai99", ServerSettings::ai33().with_keys(1)).await?;
//! upstreams.ai33().next_submit(SubmitFault::Refuse(Refusal::Busy));
//! assert_ne!(third.url(), upstreams.ai33_url());
//! assert!(upstreams.violations().is_empty());
//! # Ok(()) }
//! ```

#![expect(clippy::result_large_err, reason = "the error is the refusing answer itself, moved once")]

use std::{io, sync::Arc, time::Duration};

use parking_lot::RwLock;
use tokio::{net::TcpListener, task::AbortHandle};

mod ai33;
mod ai84;
pub mod audio;
mod base64;
mod book;
mod calendar;
mod cdn;
mod elevenlabs;
mod faults;
mod http;
mod journal;
mod minimax;
mod report;
mod server;
mod settings;
mod task;
mod voices;
mod window;

pub use elevenlabs::elevenlabs_error;
pub use faults::{
    Broken, Charge, DownloadFault, Faults, PerMille, PollFault, Refusal, SubmitFault, TaskFault,
};
pub use minimax::minimax_status;
pub use report::{
    AccountReport, Counters, KeyReport, Life, LimitKind, Outcome, SUBMIT_TEXT_CHARACTERS_MAX,
    SUBMITS_KEPT_MAX, Submit, VIOLATIONS_KEPT_MAX, Violation, Who,
};
pub use server::{Health, Server};
pub use settings::{
    Account, AudioLength, Casing, ClientIds, DEFAULT_CREDITS, DEFAULT_KEYS, Dialect, Edge, ElevenLabsErrors,
    ErrorField, Excess, Group, Key, Latency, Limit, Limits, Numbers, OutOfCredit, Pace, Plan, Protocol,
    RefundField, Scope, ServerSettings, StatusCase, Urls, Usage,
};
pub use task::Service;

/// Running fake servers, each on its own port of 127.0.0.1. Dropping it stops them and closes their connections.
#[derive(Debug)]
pub struct Upstreams {
    clock: Arc<server::Clock>,
    servers: cdn::Registry,
    cdn_url: String,
    running: RwLock<Vec<AbortHandle>>,
}

/// Settings of the four servers that every run has.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The server named `ai33`.
    pub ai33: ServerSettings,
    /// The server named `ai84`.
    pub ai84: ServerSettings,
    /// The server named `elevenlabs`.
    pub elevenlabs: ServerSettings,
    /// The server named `minimax`.
    pub minimax: ServerSettings,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            ai33: ServerSettings::ai33(),
            ai84: ServerSettings::ai84(),
            elevenlabs: ServerSettings::elevenlabs(),
            minimax: ServerSettings::minimax(),
        }
    }
}

impl Upstreams {
    /// Starts the four servers with their default settings.
    ///
    /// # Errors
    /// When a port cannot be opened.
    pub async fn start() -> io::Result<Self> {
        Self::start_with(Settings::default()).await
    }

    /// Starts the four servers.
    ///
    /// # Errors
    /// When a port cannot be opened.
    pub async fn start_with(settings: Settings) -> io::Result<Self> {
        let upstreams = Self::empty().await?;
        for (name, settings) in [
            ("ai33", settings.ai33),
            ("ai84", settings.ai84),
            ("elevenlabs", settings.elevenlabs),
            ("minimax", settings.minimax),
        ] {
            upstreams.add(name, settings).await?;
        }
        Ok(upstreams)
    }

    /// Starts only the address of results; servers are [added](Self::add).
    ///
    /// # Errors
    /// When a port cannot be opened.
    pub async fn empty() -> io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let cdn_url = format!("http://{}", listener.local_addr()?);
        let servers = cdn::Registry::default();
        let cdn = tokio::spawn(http::serve(listener, cdn::routes(Arc::clone(&servers)), None));
        Ok(Self {
            clock: Arc::new(server::Clock::start()),
            servers,
            cdn_url,
            running: RwLock::new(vec![cdn.abort_handle()]),
        })
    }

    /// Starts one more server, speaking any of the protocols. A name that is taken is replaced.
    ///
    /// # Errors
    /// When its port cannot be opened.
    pub async fn add(&self, name: &str, settings: ServerSettings) -> io::Result<Arc<Server>> {
        let listener = TcpListener::bind(("127.0.0.1", settings.port)).await?;
        let url = format!("http://{}", listener.local_addr()?);
        let clock = Arc::clone(&self.clock);
        let server = Arc::new(Server::new(name, url, self.cdn_url.clone(), clock, settings));
        let routes = match server.protocol() {
            Protocol::Ai33 => ai33::routes(Arc::clone(&server)),
            Protocol::Ai84 => ai84::routes(Arc::clone(&server)),
            Protocol::ElevenLabs => elevenlabs::routes(Arc::clone(&server)),
            Protocol::MiniMax => minimax::routes(Arc::clone(&server)),
        };
        let routes = routes.merge(cdn::routes(Arc::clone(&self.servers)));
        let serving = tokio::spawn(http::serve(listener, routes, Some(Arc::clone(&server))));
        self.running.write().push(serving.abort_handle());
        self.servers.write().insert(name.to_owned(), Arc::clone(&server));
        Ok(server)
    }

    /// A server by name.
    pub fn server(&self, name: &str) -> Option<Arc<Server>> {
        self.servers.read().get(name).cloned()
    }

    /// Every server, in the order of their names.
    pub fn servers(&self) -> Vec<Arc<Server>> {
        self.servers.read().values().cloned().collect()
    }

    /// The server named `ai33`. Panics when there is none.
    pub fn ai33(&self) -> Arc<Server> {
        self.named("ai33")
    }

    /// The server named `ai84`. Panics when there is none.
    pub fn ai84(&self) -> Arc<Server> {
        self.named("ai84")
    }

    /// The server named `elevenlabs`. Panics when there is none.
    pub fn elevenlabs(&self) -> Arc<Server> {
        self.named("elevenlabs")
    }

    /// The server named `minimax`. Panics when there is none.
    pub fn minimax(&self) -> Arc<Server> {
        self.named("minimax")
    }

    fn named(&self, name: &str) -> Arc<Server> {
        self.server(name).unwrap_or_else(|| panic!("no server named {name} was added"))
    }

    /// Base URL of the server named `ai33`.
    pub fn ai33_url(&self) -> String {
        self.ai33().url().to_owned()
    }

    /// Base URL of the server named `ai84`.
    pub fn ai84_url(&self) -> String {
        self.ai84().url().to_owned()
    }

    /// Base URL of the server named `elevenlabs`.
    pub fn elevenlabs_url(&self) -> String {
        self.elevenlabs().url().to_owned()
    }

    /// Base URL of the server named `minimax`.
    pub fn minimax_url(&self) -> String {
        self.minimax().url().to_owned()
    }

    /// Every limit that was exceeded at any server, in the order of their names.
    pub fn violations(&self) -> Vec<Violation> {
        self.servers().iter().flat_map(|server| server.violations()).collect()
    }

    /// Lets time pass for all servers: windows empty, tasks end, URLs expire. Calls that wait for an answer go on
    /// waiting by the machine's clock.
    pub fn advance(&self, time: Duration) {
        self.clock.skip(time);
    }

    /// Time since the start, with what was skipped.
    pub fn now(&self) -> Duration {
        self.clock.now()
    }
}

impl Drop for Upstreams {
    fn drop(&mut self) {
        for serving in self.running.get_mut() {
            serving.abort();
        }
    }
}
