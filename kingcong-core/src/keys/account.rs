//! Upstream accounts that several keys share.

use super::Limit;
use crate::id::ServerId;

/// An upstream account, as its keys name it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// The server that counts its calls.
    pub server: ServerId,
    /// Its name, which the operator chose.
    pub name: String,
    /// Its limit, with the present state.
    pub limit: Limit,
}
