//! Lanes: whose keys a call is made with.

use serde::{Deserialize, Serialize};

/// Whose keys a call is made with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Lane {
    /// The operator's, which serve every tenant.
    Shared,
}

impl Lane {
    /// Every lane.
    pub const ALL: [Self; 1] = [Self::Shared];

    /// The lane's name in tables.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Shared => "shared",
        }
    }
}
