//! Row types as cells: one file per room of the core.

mod configuration;
mod keys;
mod ledger;
mod mirrors;
mod store;
mod tenants;
mod vault;
mod work;

pub(crate) use configuration::{ConfigurationRow, PackageRow, PriceRow};
pub(crate) use keys::{KEY_LIMIT_MIRRORS, key_limit_mirrors, read_bound};
pub(crate) use ledger::EntryRow;
pub(crate) use store::{DutyRow, ONLY_ROW, SplitState, read_life};
pub(crate) use vault::put_use;
pub(crate) use work::{NewTask, TaskWithWork};

use kingcong_core::id::{Route, ServerId, ServiceId};

use crate::cell::{Cell, Corrupt, Row};

/// A route's two columns.
fn put_route(route: &Route, cells: &mut Vec<Cell>) {
    cells.push(route.server.as_str().into());
    cells.push(route.service.as_str().into());
}

fn read_route(row: &mut Row) -> Result<Route, Corrupt> {
    Ok(Route::new(row.parsed::<ServerId>()?, row.parsed::<ServiceId>()?))
}
