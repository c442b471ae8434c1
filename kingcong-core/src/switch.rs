//! Switches of an administrator.

use serde::{Deserialize, Serialize};

/// The administrator's switch of a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Switch {
    /// Used.
    On,
    /// Not used.
    Off,
}
