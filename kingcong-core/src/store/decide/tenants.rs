//! Saying something of a tenant.

use crate::{
    clock::Timestamp,
    store::{SetTenant, Tables},
    tenants::Tenant,
};

pub(super) fn set(tables: &mut Tables, set: &SetTenant, now: Timestamp) -> Tenant {
    let before = tables.tenants.get(&set.tenant);
    let number = tables.tenants_version.saturating_add(1);
    let after = Tenant::set(before, &set.tenant, &set.name, set.state, number, now);
    if after.version == number {
        tables.tenants_version = number;
        tables.tenants.insert(after.id.clone(), after.clone());
    }
    after
}
