//! Tenants.

use kingcong_core::tenants::{Tenant, TenantState};

use crate::{
    cell::{Cell, Corrupt, Row},
    table::{Record, Table},
};

impl Record for Tenant {
    const TABLE: Table = Table {
        name: "kingcong_tenants",
        key: 1,
        fixed: &["id", "created_at"],
        mutable: &["name", "state", "version", "updated_at"],
        mirrors: &[],
    };

    fn fixed(&self, cells: &mut Vec<Cell>) {
        cells.extend([self.id.as_str().into(), self.created_at.into()]);
    }

    fn mutable(&self, cells: &mut Vec<Cell>) {
        cells.extend([
            self.name.as_str().into(),
            Cell::Word(self.state.as_str()),
            self.version.into(),
            self.updated_at.into(),
        ]);
    }

    fn read(row: &mut Row) -> Result<Self, Corrupt> {
        let (id, created_at, name) = (row.parsed()?, row.time()?, row.parsed()?);
        let state = row.word(|word| TenantState::ALL.into_iter().find(|state| state.as_str() == word))?;
        Ok(Self { id, name, state, version: row.int()?, created_at, updated_at: row.time()? })
    }
}
