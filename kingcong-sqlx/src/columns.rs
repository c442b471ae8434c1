//! The check that a database which is opened has every column that this release uses.
//!
//! Whoever alters a table by hand is told so at once, and not by a batch that fails some day.

use kingcong_core::store::KeyRevision;

use crate::{
    ConnectError,
    rows::{KeyLimitMirrors, RECORDS},
    table::{Kind, Table, Written as _},
};

/// A column as a database has it.
#[derive(Clone, Debug)]
pub(crate) struct FoundColumn {
    pub(crate) table: String,
    pub(crate) name: String,
    /// Its type, as the database calls it.
    pub(crate) is: String,
}

/// Everything that rows are written to.
fn tables() -> impl Iterator<Item = Table> {
    RECORDS.iter().map(|record| record.table).chain([KeyLimitMirrors::TABLE, KeyRevision::TABLE])
}

/// Checks that a database has every column, with a type that `holds` what the column is for.
pub(crate) fn check(found: &[FoundColumn], holds: impl Fn(&str, Kind) -> bool) -> Result<(), ConnectError> {
    for table in tables() {
        for column in table.columns() {
            let is_it = |it: &&FoundColumn| it.table == table.name && it.name == column.name;
            let found = found.iter().find(is_it).map(|found| &found.is);
            if !found.is_some_and(|is| holds(is, column.kind)) {
                return Err(ConnectError::AlteredTable {
                    table: table.name,
                    column: column.name,
                    found: found.cloned(),
                });
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::tables;
    use crate::{rows::JobStanding, table::Written as _};

    #[test]
    fn no_two_columns_of_a_record_have_one_name() {
        for table in tables() {
            let names: BTreeSet<_> = table.columns().map(|column| column.name).collect();
            assert_eq!(names.len(), table.columns().count(), "{table:?}");
        }
    }

    #[test]
    fn keys_come_first_and_mirrors_last() {
        for table in tables() {
            let parts: Vec<_> = table.columns().map(|column| column.part).collect();
            assert!(parts.is_sorted() && table.key_length() > 0, "{table:?}");
        }
    }

    #[test]
    fn records_of_one_table_agree_on_its_columns() {
        let mut kinds = BTreeMap::new();
        for table in tables().chain([JobStanding::TABLE]) {
            for column in table.columns() {
                let known = *kinds.entry((table.name, column.name)).or_insert(column.kind);
                assert_eq!(known, column.kind, "{table:?}: {}", column.name);
            }
        }
    }
}
