//! Upstream protocols over HTTP: [`Upstreams`] makes a [`Provider`] for each of `ai33`, `ai84`, `elevenlabs` and
//! `minimax`.
//!
//! A provider only translates: a call becomes an HTTP request, the answer becomes an outcome. There are three
//! rooms:
//!
//! * `protocols`: one file each, which says what is sent, what is read, and what each refusal means.
//! * `voice`: what several protocols of voices share, such as the vendors whose voices a gateway resells.
//! * `wire`: what all protocols share. `http` sends and knows what a lost answer means, `lenient` and `refusal` read
//!   JSON as upstreams really write it, `sink` and `download` keep results within their limits.
//!
//! ```
//! use kingcong_http::Upstreams;
//!
//! let providers = Upstreams::all()?;
//! let protocols: Vec<_> = providers.iter().map(|provider| provider.protocol().as_str()).collect();
//! assert_eq!(protocols, ["ai33", "ai84", "elevenlabs", "minimax"]);
//! # Ok::<(), kingcong_http::UpstreamsError>(())
//! ```

mod protocols;
mod settings;
mod voice;
mod wire;

use std::sync::Arc;

use kingcong_core::{id::ProtocolId, provider::Provider};

pub use crate::settings::{
    API_BODY_BYTES_MAX, AUDIO_ANSWER_BYTES_MAX, CONNECT_TIMEOUT, DOWNLOAD_TIMEOUT, DOWNLOAD_TIMEOUT_MAX,
    InvalidTimeout, POLL_TIMEOUT, SEND_TIMEOUT, SYNCHRONOUS_TIMEOUT, Settings, TIMEOUT_MAX, TIMEOUT_MIN,
    USER_AGENT,
};

/// The protocols of this crate.
#[derive(Clone, Copy, Debug)]
pub struct Upstreams;

impl Upstreams {
    /// Every protocol with the usual [`Settings`]; they share one pool of connections.
    ///
    /// # Errors
    /// When no HTTP client can be made.
    pub fn all() -> Result<Vec<Arc<dyn Provider>>, UpstreamsError> {
        Self::with_settings(Settings::default())
    }

    /// Every protocol with these settings; they share one pool of connections.
    ///
    /// # Errors
    /// When a time-out is outside of its bounds, or no HTTP client can be made.
    pub fn with_settings(settings: Settings) -> Result<Vec<Arc<dyn Provider>>, UpstreamsError> {
        settings.check()?;
        let http = wire::http::Http::new(settings)?;
        Ok(vec![
            Arc::new(protocols::ai33::Ai33::new(http.clone())),
            Arc::new(protocols::ai84::Ai84::new(http.clone())),
            Arc::new(protocols::elevenlabs::ElevenLabs::new(http.clone())),
            Arc::new(protocols::minimax::MiniMax::new(http)),
        ])
    }
}

/// Why the protocols could not be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum UpstreamsError {
    /// A time-out is outside of its bounds.
    #[error(transparent)]
    Timeout(#[from] InvalidTimeout),
    /// No HTTP client can be made.
    #[error("cannot make an HTTP client: check the system's TLS and proxy settings")]
    Client {
        /// Why.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

/// The id of a protocol of this crate.
fn protocol(name: &'static str) -> ProtocolId {
    ProtocolId::new(name).expect("the names of our own protocols are slugs")
}
