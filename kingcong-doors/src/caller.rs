//! Who knocks, and for whom.

use kingcong_core::{
    Error, KingCong,
    access::{Access, Role},
    clock::Timestamp,
};
use serde::Deserialize;

/// Who knocks, and for whom.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Caller {
    /// Who acts, in which role; the operator `system` when nothing is said.
    r#as: Option<As>,
    /// The role's own tenant, or the main one, when nothing is said.
    of: Option<Of>,
}

/// Who acts, in which role.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct As {
    actor: String,
    role: String,
    tenant: Option<String>,
    user: Option<String>,
    until: Option<Timestamp>,
}

/// Whose rows are asked for.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Of {
    /// Those of every tenant.
    All,
    /// One tenant's.
    Tenant(String),
}

impl As {
    fn access(&self) -> Result<Access, Error> {
        let Self { actor, role, tenant, user, until } = self;
        let role = Role::named(role, tenant.as_deref(), user.as_deref())?;
        Ok(Access { until: *until, ..Access::new(actor, role)? })
    }
}

impl Caller {
    pub(crate) fn handle(&self, kc: &KingCong) -> Result<KingCong, Error> {
        let kc = match &self.r#as {
            None => kc.clone(),
            Some(asked) => kc.acting(asked.access()?),
        };
        Ok(match &self.of {
            None => kc,
            Some(Of::All) => kc.of_all(),
            Some(Of::Tenant(tenant)) => kc.of(tenant),
        })
    }
}
