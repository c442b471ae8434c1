//! Tables: what the generic loads, inserts and updates need to know of each.

use crate::cell::{Cell, Corrupt, Row};

/// A table's columns, in groups by what may happen to them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Table {
    pub(crate) name: &'static str,
    /// How many of `fixed`, from its front, make the primary key.
    pub(crate) key: usize,
    /// Written once.
    pub(crate) fixed: &'static [&'static str],
    /// Written again when the row changes.
    pub(crate) mutable: &'static [&'static str],
    /// Written with the mutable ones and not read with them: repetitions for people and other programs.
    pub(crate) mirrors: &'static [&'static str],
}

impl Table {
    pub(crate) fn key(&self) -> &'static [&'static str] {
        &self.fixed[..self.key]
    }

    /// The columns that a row is read from, in order, each after `prefix`.
    pub(crate) fn read_columns(&self, prefix: &str) -> String {
        let columns: Vec<String> =
            self.fixed.iter().chain(self.mutable).map(|column| format!("{prefix}{column}")).collect();
        columns.join(", ")
    }
}

/// A row type of a table.
pub(crate) trait Record: Sized {
    const TABLE: Table;

    /// The cells of [`Table::fixed`], in order.
    fn fixed(&self, cells: &mut Vec<Cell>);

    /// The cells of [`Table::key`], in order.
    fn key(&self, cells: &mut Vec<Cell>) {
        let start = cells.len();
        self.fixed(cells);
        cells.truncate(start + Self::TABLE.key);
    }

    /// The cells of [`Table::mutable`], in order.
    fn mutable(&self, _cells: &mut Vec<Cell>) {}

    /// The cells of [`Table::mirrors`], in order.
    fn mirrors(&self, _cells: &mut Vec<Cell>) {}

    /// The row from the cells of [`Table::fixed`] and [`Table::mutable`].
    fn read(row: &mut Row) -> Result<Self, Corrupt>;
}

/// What is done to rows of a table, in one statement for several of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Deed {
    /// Read by their keys.
    Load,
    /// Written, new.
    Insert,
    /// Written, new, unless a row of that key is there.
    InsertIfAbsent,
    /// Written, or changed where a row of that key is there.
    Put,
    /// Mutable and mirror columns of the keys that there are.
    Update,
}
