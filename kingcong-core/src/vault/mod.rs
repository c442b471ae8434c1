//! Secrets: kept encrypted, wiped from memory, printed nowhere.

use std::fmt;

use secrecy::{ExposeSecret, SecretString};

/// A plain secret in memory: wiped when dropped, without `Serialize`, its `Debug` shows nothing of it.
#[derive(Clone)]
pub struct Secret(SecretString);

impl Secret {
    /// Takes a secret.
    #[must_use]
    pub fn new(text: String) -> Self {
        Self(text.into())
    }

    /// The secret's text, for the one place that needs it.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret([redacted])")
    }
}
