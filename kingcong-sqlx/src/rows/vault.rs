//! Data keys.

use kingcong_core::{
    id::{DataKeyId, TenantId},
    vault::{DataKey, DataKeyContext, DataKeyUse, DataKeyVersion, MasterKeyId, Wrapped},
};

use crate::{
    cell::{Cell, Corrupt, Row},
    table::{ColumnOf, Kind, Record, Written, fixed, key, mutable},
};

/// The cell of `used_for`.
fn used_for(used_for: &DataKeyUse) -> Cell {
    match used_for {
        DataKeyUse::Tenant(_) => Cell::Word("tenant"),
        DataKeyUse::Fingerprints => Cell::Word("fingerprints"),
    }
}

/// The cell of `tenant`.
fn tenant(used_for: &DataKeyUse) -> Cell {
    match used_for {
        DataKeyUse::Tenant(tenant) => tenant.as_str().into(),
        DataKeyUse::Fingerprints => Cell::Word(""),
    }
}

/// The cells of `used_for` and `tenant`.
pub(crate) fn use_cells(of: &DataKeyUse) -> Vec<Cell> {
    vec![used_for(of), tenant(of)]
}

impl Written for DataKey {
    const NAME: &'static str = "kingcong_data_keys";
    const COLUMNS: &'static [ColumnOf<Self>] = &[
        key("id", Kind::Id, |key| key.context.id.as_uuid().into()),
        fixed("used_for", Kind::Text, |key| used_for(&key.context.used_for)),
        fixed("tenant", Kind::Text, |key| tenant(&key.context.used_for)),
        fixed("version", Kind::Int, |key| key.context.version.get().into()),
        fixed("created_at", Kind::Int, |key| key.created.into()),
        mutable("master_key", Kind::Text, |key| key.wrapped.master_key().as_str().into()),
        mutable("wrapped", Kind::Bytes, |key| key.wrapped.as_bytes().into()),
    ];
}

impl Record for DataKey {
    fn read(row: &mut Row) -> Result<Self, Corrupt> {
        let id = DataKeyId::from_uuid(row.uuid("id")?);
        let (used_for, tenant) = (row.text("used_for")?, row.text("tenant")?);
        let used_for = match used_for.as_str() {
            "tenant" => Some(DataKeyUse::Tenant(row.checked(TenantId::new(tenant))?)),
            "fingerprints" => Some(DataKeyUse::Fingerprints),
            _ => None,
        };
        let used_for = row.some(used_for)?;
        let version = row.number::<u32>("version")?;
        let version = row.some(DataKeyVersion::new(version))?;
        let created = row.time("created_at")?;
        let master_key = row.text("master_key")?;
        let master_key = row.checked(MasterKeyId::new(master_key))?;
        let wrapped = row.bytes("wrapped")?;
        let wrapped = row.checked(Wrapped::new(master_key, wrapped))?;
        Ok(Self { context: DataKeyContext { id, used_for, version }, wrapped, created })
    }
}
