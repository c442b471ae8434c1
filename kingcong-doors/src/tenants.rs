//! What an operator says of tenants.

use kingcong_core::{
    id::TenantId,
    tenants::{Tenant, TenantState},
};
use serde::{Deserialize, Serialize};

use crate::{
    answer::{Instant, Text, Word, all},
    door::{At, Door, Listed},
    problem::Problem,
};

pub(crate) const DOORS: &[Listed] = &[Listed::of::<Set>(), Listed::of::<Get>(), Listed::of::<List>()];

/// What an operator says of a customer organisation. `version` grows with each change.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "description", derive(schemars::JsonSchema))]
struct TenantView {
    id: String,
    name: String,
    state: Word<TenantState>,
    version: i64,
    created_at: Instant,
    updated_at: Instant,
}

impl From<&Tenant> for TenantView {
    fn from(tenant: &Tenant) -> Self {
        Self {
            id: tenant.id.to_string(),
            name: tenant.name.to_string(),
            state: Word(tenant.state),
            version: tenant.version,
            created_at: Instant(tenant.created_at),
            updated_at: Instant(tenant.updated_at),
        }
    }
}

/// Says what a tenant is called and whether it may order.
///
/// A suspended one submits, retries and purchases nothing, from this moment on and in every process; what is under way
/// goes on, and everything can be read.
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "description", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
struct Set {
    id: String,
    name: String,
    state: Word<TenantState>,
}

impl Door for Set {
    const NAME: &'static str = "tenants.set";
    type Answer = TenantView;

    async fn knock(self, at: &mut At<'_>) -> Result<TenantView, Problem> {
        let Self { id, name, state } = self;
        Ok(TenantView::from(&at.kc.tenants().set(&id, &name, state.0).await?))
    }
}

/// What is said of a tenant; none where nothing ever was: it is active then.
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "description", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
struct Get {
    id: String,
}

impl Door for Get {
    const NAME: &'static str = "tenants.get";
    type Answer = Option<TenantView>;

    async fn knock(self, at: &mut At<'_>) -> Result<Self::Answer, Problem> {
        Ok(at.kc.tenants().get(&self.id).await?.as_ref().map(TenantView::from))
    }
}

/// Tenants of which something is said, in the order of their ids, behind `after`; at most 1,000 at once.
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "description", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
struct List {
    after: Option<Text<TenantId>>,
    limit: u32,
}

impl Door for List {
    const NAME: &'static str = "tenants.list";
    type Answer = Vec<TenantView>;

    async fn knock(self, at: &mut At<'_>) -> Result<Self::Answer, Problem> {
        let after = self.after.map(|after| after.0);
        Ok(all(&at.kc.tenants().list(after.as_ref(), self.limit).await?))
    }
}
