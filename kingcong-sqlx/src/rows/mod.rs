//! Row types as records, one file per room of the core, and the list of them.

mod configuration;
mod keys;
mod ledger;
mod mirrors;
mod store;
mod tenants;
#[cfg(test)]
mod tests;
mod vault;
mod work;

pub(crate) use configuration::{ConfigurationRow, PackageRow, PriceRow};
pub(crate) use keys::{LastKeyRevision, read_bound};
pub(crate) use ledger::EntryRow;
pub(crate) use mirrors::KeyLimitMirrors;
pub(crate) use store::{ONLY_ROW, SplitState, life, read_length};
pub(crate) use vault::use_cells;
pub(crate) use work::{JobStanding, NewTask, TaskWithWork};

use kingcong_core::{
    id::Route,
    keys::{Flow, Key, Limit, Pool, Rules},
    ledger::{Hold, OpeningBalance, Wallet},
    store::{AuditEntry, DutyRow, IdempotencyRow, LateAnswer, OutputRow, StoreError, VoiceRow, Worker},
    tenants::Tenant,
    vault::DataKey,
    work::{Attempt, Job},
};

use crate::{
    cell::{Cell, Corrupt, Row},
    table::{Deed, Record, Table},
};

/// Whole rows of a table, whatever their type is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AnyRecord {
    pub(crate) table: Table,
    /// Reads a row, and gives what it would be written as: the cells of all columns.
    pub(crate) written_again: fn(Row) -> Result<Vec<Cell>, StoreError>,
}

/// One record for each table: what a database that is opened is checked for, and what is looked through for damage.
pub(crate) const RECORDS: [AnyRecord; 26] = [
    any::<Wallet>(),
    any::<EntryRow>(),
    any::<OpeningBalance>(),
    any::<ConfigurationRow>(),
    any::<PriceRow>(),
    any::<PackageRow>(),
    any::<Key>(),
    any::<LastKeyRevision>(),
    any::<Limit>(),
    any::<Pool>(),
    any::<Flow>(),
    any::<SplitState>(),
    any::<Tenant>(),
    any::<Job>(),
    any::<TaskWithWork>(),
    any::<Attempt>(),
    any::<Hold>(),
    any::<IdempotencyRow>(),
    any::<OutputRow>(),
    any::<VoiceRow>(),
    any::<Worker>(),
    any::<Rules>(),
    any::<LateAnswer>(),
    any::<DataKey>(),
    any::<AuditEntry>(),
    any::<DutyRow>(),
];

const fn any<R: Record>() -> AnyRecord {
    AnyRecord { table: R::TABLE, written_again: written_again::<R> }
}

fn written_again<R: Record>(row: Row) -> Result<Vec<Cell>, StoreError> {
    let mut cells = Vec::new();
    row.read(R::read)?.put(Deed::Insert, &mut cells);
    Ok(cells)
}

/// A route, from the columns `server` and `service`.
fn read_route(row: &mut Row) -> Result<Route, Corrupt> {
    Ok(Route::new(row.parsed("server")?, row.parsed("service")?))
}
