//! Tenants.

use kingcong_core::tenants::{Tenant, TenantState};

use crate::{
    cell::{Cell, Corrupt, Row},
    table::{ColumnOf, Kind, Record, Written, fixed, key, mutable},
};

impl Written for Tenant {
    const NAME: &'static str = "kingcong_tenants";
    const COLUMNS: &'static [ColumnOf<Self>] = &[
        key("id", Kind::Text, |tenant| tenant.id.as_str().into()),
        fixed("created_at", Kind::Int, |tenant| tenant.created_at.into()),
        mutable("name", Kind::Text, |tenant| tenant.name.as_str().into()),
        mutable("state", Kind::Text, |tenant| Cell::Word(tenant.state.as_str())),
        mutable("version", Kind::Int, |tenant| tenant.version.into()),
        mutable("updated_at", Kind::Int, |tenant| tenant.updated_at.into()),
    ];
}

impl Record for Tenant {
    fn read(row: &mut Row) -> Result<Self, Corrupt> {
        Ok(Self {
            id: row.parsed("id")?,
            created_at: row.time("created_at")?,
            name: row.parsed("name")?,
            state: row
                .word("state", |word| TenantState::ALL.into_iter().find(|state| state.as_str() == word))?,
            version: row.int("version")?,
            updated_at: row.time("updated_at")?,
        })
    }
}
