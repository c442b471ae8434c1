//! Configurations to start from: each in a file of its own.

pub mod kingcong;

use crate::{
    error::Error,
    id::ServerId,
    routing::{BaseUrl, SystemError},
    store::Configuration,
};

/// A configuration that is written into an empty store, and only into an empty one.
#[derive(Clone, Debug)]
pub struct Preset(Configuration);

impl Preset {
    /// The owner's set-up: AI33 and AI84 at 70/30 with ElevenLabs and MiniMax voices, the eight packages, and
    /// prices to start from: 1 credit a character on every route, and 10,000 credits a cloned voice with MiniMax,
    /// because neither gateway clones with ElevenLabs.
    ///
    /// # Errors
    /// Never as it stands; it passes the checks that any configuration passes.
    pub fn kingcong() -> Result<Self, Error> {
        let system = kingcong::system();
        let (prices, packages) = (kingcong::prices(&system)?, kingcong::packages());
        Ok(Self(Configuration { version: 0, system, prices, packages }))
    }

    /// The preset with one of its servers elsewhere, such as at a proxy or a simulator: from the first call on.
    ///
    /// # Errors
    /// When it has no server of that name.
    pub fn base_url(mut self, server: &str, base_url: BaseUrl) -> Result<Self, Error> {
        let id = ServerId::new(server)?;
        let servers = &mut self.0.system.servers;
        let known = servers.keys().cloned().collect();
        match servers.get_mut(&id) {
            Some(server) => server.base_url = base_url,
            None => return Err(SystemError::UnknownServer { server: id, known }.into()),
        }
        Ok(self)
    }

    /// This configuration.
    #[must_use]
    pub const fn new(configuration: Configuration) -> Self {
        Self(configuration)
    }

    /// The configuration, to be changed before it is written.
    pub const fn configuration(&mut self) -> &mut Configuration {
        &mut self.0
    }

    pub(crate) fn into_configuration(self) -> Configuration {
        self.0
    }
}
