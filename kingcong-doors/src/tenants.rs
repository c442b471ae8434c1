//! What an operator says of tenants.

use kingcong_core::{
    id::TenantId,
    tenants::{Tenant, TenantState},
};
use serde::{Deserialize, Serialize};

use crate::{
    answer::{AsText, Instant, Word, all},
    asked::rows,
    door::{At, Door, Group, Listed},
    problem::Problem,
};

pub(crate) const GROUP: Group = Group {
    name: "Tenants",
    docs: "What an operator says of tenants. One of which nothing was ever said is active.",
    doors: &[Listed::of::<Set>(), Listed::of::<Get>(), Listed::of::<List>()],
};

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
///
/// ```python
/// >>> from kingcong import KingCong, TenantState
/// >>> with KingCong.open("memory:", preset="kingcong") as kc:
/// ...     kc.tenants.set("acme", "Acme Ltd.", TenantState.SUSPENDED).version
/// 1
/// ```
///
/// ```ts
/// import { KingCong } from 'kingcong';
///
/// await using kc = await KingCong.open('memory:', { preset: 'kingcong' });
/// const { version } = await kc.tenants.set('acme', 'Acme Ltd.', 'suspended');
/// console.log(version); // 1
/// ```
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
    const BY_PLACE: usize = 3;
    type Answer = TenantView;

    async fn knock(self, at: &mut At<'_>) -> Result<TenantView, Problem> {
        let Self { id, name, state } = self;
        Ok(TenantView::from(&at.kc.tenants().set(&id, &name, state.0).await?))
    }
}

/// What is said of a tenant; none where nothing ever was: it is active then.
///
/// ```python
/// >>> from kingcong import KingCong
/// >>> with KingCong.open("memory:", preset="kingcong") as kc:
/// ...     kc.tenants.get("acme")
/// ```
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "description", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
struct Get {
    id: String,
}

impl Door for Get {
    const NAME: &'static str = "tenants.get";
    const BY_PLACE: usize = 1;
    type Answer = Option<TenantView>;

    async fn knock(self, at: &mut At<'_>) -> Result<Self::Answer, Problem> {
        Ok(at.kc.tenants().get(&self.id).await?.as_ref().map(TenantView::from))
    }
}

/// Tenants of which something is said, in the order of their ids, behind `after`; at most 1,000 at once.
///
/// ```python
/// >>> from kingcong import KingCong, TenantState
/// >>> with KingCong.open("memory:", preset="kingcong") as kc:
/// ...     _ = kc.tenants.set("acme", "Acme Ltd.", TenantState.ACTIVE)
/// ...     [(tenant.id, tenant.name) for tenant in kc.tenants.list()]
/// [('acme', 'Acme Ltd.')]
/// ```
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "description", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
struct List {
    after: Option<AsText<TenantId>>,
    #[serde(default = "rows")]
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
