//! Tables: each record states its columns once. What the generic loads, inserts and updates need to know of a table,
//! and what a database that is opened is checked for, follow from it.

use std::fmt;

use crate::cell::{Cell, Corrupt, Row};

/// What a column holds. Every database has its own names for these.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Int,
    /// 16 bytes.
    Id,
    Bytes,
    Text,
}

/// What may happen to a column. The columns of a table are stated in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Part {
    /// Of the primary key.
    Key,
    /// Written once.
    Fixed,
    /// Written again when the row changes.
    Mutable,
    /// Written with the mutable ones and not read with them: a repetition for people and other programs.
    Mirror,
}

/// A column, whatever its rows are.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Column {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    pub(crate) part: Part,
}

/// A column of rows of the type `R`.
pub(crate) struct ColumnOf<R> {
    column: Column,
    cell: fn(&R) -> Cell,
}

impl<R> Clone for ColumnOf<R> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<R> Copy for ColumnOf<R> {}

/// A column of the primary key.
pub(crate) const fn key<R>(name: &'static str, kind: Kind, cell: fn(&R) -> Cell) -> ColumnOf<R> {
    ColumnOf { column: Column { name, kind, part: Part::Key }, cell }
}

/// A column that is written once.
pub(crate) const fn fixed<R>(name: &'static str, kind: Kind, cell: fn(&R) -> Cell) -> ColumnOf<R> {
    ColumnOf { column: Column { name, kind, part: Part::Fixed }, cell }
}

/// A column that is written again when the row changes.
pub(crate) const fn mutable<R>(name: &'static str, kind: Kind, cell: fn(&R) -> Cell) -> ColumnOf<R> {
    ColumnOf { column: Column { name, kind, part: Part::Mutable }, cell }
}

/// A column that is written with the mutable ones and never read.
pub(crate) const fn mirror<R>(name: &'static str, kind: Kind, cell: fn(&R) -> Cell) -> ColumnOf<R> {
    ColumnOf { column: Column { name, kind, part: Part::Mirror }, cell }
}

/// The columns of a table, whatever its rows are.
trait Columns: Sync {
    fn at(&self, place: usize) -> Option<&Column>;
}

impl<R> Columns for &'static [ColumnOf<R>] {
    fn at(&self, place: usize) -> Option<&Column> {
        self.get(place).map(|declared| &declared.column)
    }
}

/// A table, whatever its rows are.
#[derive(Clone, Copy)]
pub(crate) struct Table {
    pub(crate) name: &'static str,
    columns: &'static dyn Columns,
}

impl fmt::Debug for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

impl Table {
    /// The column at a place of the order in which they are stated.
    pub(crate) fn column(&self, place: usize) -> Option<&'static Column> {
        self.columns.at(place)
    }

    /// All columns, in the order in which they are stated: those of the key first, mirrors last.
    pub(crate) fn columns(&self) -> impl Iterator<Item = &'static Column> + use<> {
        let columns = self.columns;
        (0..).map_while(move |place| columns.at(place))
    }

    /// The names of the key's columns.
    pub(crate) fn key(&self) -> Vec<&'static str> {
        let of_key = self.columns().take_while(|column| column.part == Part::Key);
        of_key.map(|column| column.name).collect()
    }

    /// How many columns make the key.
    pub(crate) fn key_length(&self) -> usize {
        self.columns().take_while(|column| column.part == Part::Key).count()
    }

    /// The columns that a row is read from.
    pub(crate) fn read(&self) -> impl Iterator<Item = &'static Column> + use<> {
        self.columns().take_while(|column| column.part != Part::Mirror)
    }

    /// The names of the columns that change: mutable ones and mirrors.
    pub(crate) fn changing(&self) -> impl Iterator<Item = &'static str> + use<> {
        self.columns().filter(|column| column.part >= Part::Mutable).map(|column| column.name)
    }

    /// The columns that `deed` gives cells for.
    pub(crate) fn given(&self, deed: Deed) -> impl Iterator<Item = &'static Column> + use<> {
        self.columns().filter(move |column| deed.gives(column.part))
    }

    /// The columns that a row is read from, each after `prefix`.
    pub(crate) fn read_columns(&self, prefix: &str) -> String {
        let mut text = String::new();
        for column in self.read() {
            if !text.is_empty() {
                text.push_str(", ");
            }
            text.push_str(prefix);
            text.push_str(column.name);
        }
        text
    }
}

/// A type whose values are written to columns of a table.
pub(crate) trait Written: Sized + 'static {
    const NAME: &'static str;
    /// Each column once, in the order of [`Part`].
    const COLUMNS: &'static [ColumnOf<Self>];
    const TABLE: Table = Table { name: Self::NAME, columns: &Self::COLUMNS };

    /// Adds the cells of the columns that `deed` gives cells for.
    fn put(&self, deed: Deed, cells: &mut Vec<Cell>) {
        let given = Self::COLUMNS.iter().filter(|declared| deed.gives(declared.column.part));
        cells.extend(given.map(|declared| (declared.cell)(self)));
    }
}

/// A row type of a table.
pub(crate) trait Record: Written {
    /// The row from the columns that are no mirrors.
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

impl Deed {
    /// Whether it is given cells for columns of that part.
    const fn gives(self, part: Part) -> bool {
        match (self, part) {
            (Self::Load, Part::Key) => true,
            (Self::Load, Part::Fixed | Part::Mutable | Part::Mirror) => false,
            (Self::Insert | Self::InsertIfAbsent | Self::Put, _) => true,
            (Self::Update, Part::Fixed) => false,
            (Self::Update, Part::Key | Part::Mutable | Part::Mirror) => true,
        }
    }
}
