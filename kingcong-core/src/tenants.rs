//! Tenants as rows: what an operator says of a customer organisation. A tenant that nobody ever said anything of has no
//! row, and is active.

use serde::{Deserialize, Serialize};

use crate::{
    clock::Timestamp,
    id::{TenantId, TenantName},
};

/// What is said of a tenant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tenant {
    /// Its id.
    pub id: TenantId,
    /// What people call it.
    pub name: TenantName,
    /// Whether it may order.
    pub state: TenantState,
    /// Grows with each change. Every change of any tenant has a number of its own in the store, from 1.
    pub version: i64,
    /// When something was said of it first.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

/// Whether a tenant may order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TenantState {
    /// It may.
    Active,
    /// Nothing new is submitted, retried or purchased. What is under way goes on, and everything can be read.
    Suspended,
}

impl TenantState {
    /// Every state.
    pub const ALL: [Self; 2] = [Self::Active, Self::Suspended];

    /// The state's name in tables.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Suspended => "suspended",
        }
    }
}

/// What decisions look at of a tenant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// The version of its row.
    pub version: i64,
    /// Whether it may order.
    pub state: TenantState,
}

impl Standing {
    /// That of a tenant without a row.
    pub const DEFAULT: Self = Self { version: 0, state: TenantState::Active };

    /// That of a tenant with this row, or with none.
    #[must_use]
    pub fn of(row: Option<&Tenant>) -> Self {
        row.map_or(Self::DEFAULT, |row| Self { version: row.version, state: row.state })
    }
}

impl Tenant {
    /// The row after a change at `now`, which is that number among the store's; as it was where it says so already.
    #[must_use]
    pub fn set(
        before: Option<&Self>,
        id: &TenantId,
        name: &TenantName,
        state: TenantState,
        number: i64,
        now: Timestamp,
    ) -> Self {
        match before {
            Some(row) if row.name == *name && row.state == state => row.clone(),
            _ => Self {
                id: id.clone(),
                name: name.clone(),
                state,
                version: number,
                created_at: before.map_or(now, |row| row.created_at),
                updated_at: now,
            },
        }
    }
}
