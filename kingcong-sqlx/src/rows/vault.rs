//! Data keys.

use kingcong_core::{
    id::{DataKeyId, TenantId},
    vault::{DataKey, DataKeyContext, DataKeyUse, DataKeyVersion, MasterKeyId, Wrapped},
};

use crate::{
    cell::{Cell, Corrupt, Row},
    table::{Record, Table},
};

/// The cells of `used_for` and `tenant`.
pub(crate) fn put_use(used_for: &DataKeyUse, cells: &mut Vec<Cell>) {
    match used_for {
        DataKeyUse::Tenant(tenant) => cells.extend([Cell::Word("tenant"), tenant.as_str().into()]),
        DataKeyUse::Fingerprints => cells.extend([Cell::Word("fingerprints"), Cell::Word("")]),
    }
}

impl Record for DataKey {
    const TABLE: Table = Table {
        name: "kingcong_data_keys",
        key: 1,
        fixed: &["id", "used_for", "tenant", "version", "created_at"],
        mutable: &["master_key", "wrapped"],
        mirrors: &[],
    };

    fn fixed(&self, cells: &mut Vec<Cell>) {
        cells.push(self.context.id.as_uuid().into());
        put_use(&self.context.used_for, cells);
        cells.extend([self.context.version.get().into(), self.created.into()]);
    }

    fn mutable(&self, cells: &mut Vec<Cell>) {
        cells.extend([self.wrapped.master_key().as_str().into(), self.wrapped.as_bytes().into()]);
    }

    fn read(row: &mut Row) -> Result<Self, Corrupt> {
        let id = DataKeyId::from_uuid(row.uuid()?);
        let (used_for, tenant) = (row.text()?, row.text()?);
        let used_for = match used_for.as_str() {
            "tenant" => Some(DataKeyUse::Tenant(row.checked(TenantId::new(tenant))?)),
            "fingerprints" => Some(DataKeyUse::Fingerprints),
            _ => None,
        };
        let used_for = row.some(used_for)?;
        let version = row.number::<u32>()?;
        let version = row.some(DataKeyVersion::new(version))?;
        let created = row.time()?;
        let master_key = row.text()?;
        let master_key = row.checked(MasterKeyId::new(master_key))?;
        let wrapped = row.bytes()?;
        let wrapped = row.checked(Wrapped::new(master_key, wrapped))?;
        Ok(Self { context: DataKeyContext { id, used_for, version }, wrapped, created })
    }
}
