//! Cells: the values that cross between row types and databases, the same for every database.
//!
//! A record states its columns once, and reads them back by their names. What it cannot read is a [`Corrupt`] row,
//! named by table, column and id, never by its content.

use std::{
    fmt::{self, Write as _},
    ops::Range,
    sync::Arc,
    time::Duration,
};

use kingcong_core::{clock::Timestamp, money::Amount, store::StoreError, store::StoreErrorKind};
use serde::{Serialize, de::DeserializeOwned};
use uuid::Uuid;

use crate::table::{Record, Table};

/// One value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Cell {
    Null,
    Int(i64),
    /// 16 bytes.
    Id([u8; 16]),
    Bytes(Vec<u8>),
    Text(String),
    /// A word that the program itself chose.
    Word(&'static str),
}

impl From<i64> for Cell {
    fn from(value: i64) -> Self {
        Self::Int(value)
    }
}

impl From<u32> for Cell {
    fn from(value: u32) -> Self {
        Self::Int(value.into())
    }
}

impl From<Amount> for Cell {
    fn from(value: Amount) -> Self {
        Self::Int(value.get())
    }
}

impl From<Timestamp> for Cell {
    fn from(value: Timestamp) -> Self {
        Self::Int(value.as_micros())
    }
}

impl From<Duration> for Cell {
    fn from(value: Duration) -> Self {
        Self::Int(i64::try_from(value.as_micros()).unwrap_or(i64::MAX))
    }
}

impl From<Uuid> for Cell {
    fn from(value: Uuid) -> Self {
        Self::Id(value.into_bytes())
    }
}

impl From<&[u8]> for Cell {
    fn from(value: &[u8]) -> Self {
        Self::Bytes(value.to_vec())
    }
}

impl From<&str> for Cell {
    fn from(value: &str) -> Self {
        Self::Text(value.to_owned())
    }
}

impl<T: Into<Self>> From<Option<T>> for Cell {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

impl Cell {
    /// A value as JSON text.
    pub(crate) fn json(value: &impl Serialize) -> Self {
        Self::Text(serde_json::to_string(value).expect("rows are plain data with string keys"))
    }

    /// An enum's bare variant as its serde name.
    pub(crate) fn word_of(value: &impl Serialize) -> Self {
        match serde_json::to_value(value).expect("rows are plain data with string keys") {
            serde_json::Value::String(word) => Self::Text(word),
            other => Self::Text(other.to_string()),
        }
    }

    /// How many bytes it has.
    pub(crate) const fn bytes(&self) -> usize {
        match self {
            Self::Null => 0,
            Self::Int(_) => 8,
            Self::Id(bytes) => bytes.len(),
            Self::Bytes(bytes) => bytes.len(),
            Self::Text(text) => text.len(),
            Self::Word(word) => word.len(),
        }
    }

    /// A number without a sign, its bits kept; absurd figures beyond 63 bits turn out negative for people.
    pub(crate) const fn unsigned(value: u64) -> Self {
        Self::Int(value.cast_signed())
    }
}

/// Which columns the rows of a statement have.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Gives {
    /// Those that a record is read from, in order.
    Record(Table),
    /// Those that the statement names. In errors the rows are told as rows of this table.
    Named(&'static str),
}

/// The names of the cells of a statement's rows, in order.
#[derive(Clone, Debug)]
pub(crate) enum Names {
    Declared(Table),
    Told(Arc<ToldNames>),
}

/// Names as a database tells them, one behind the other.
#[derive(Debug)]
pub(crate) struct ToldNames {
    table: &'static str,
    text: String,
    ends: Vec<usize>,
}

impl Names {
    /// The names of the rows of one result; `told` are those that the database tells.
    pub(crate) fn new<'n>(gives: Gives, told: impl Iterator<Item = &'n str>) -> Self {
        match gives {
            Gives::Record(table) => {
                debug_assert!(told.eq(table.read().map(|column| column.name)), "columns of {}", table.name);
                Self::Declared(table)
            }
            Gives::Named(table) => {
                let (mut text, mut ends) = (String::new(), Vec::new());
                for name in told {
                    text.push_str(name);
                    ends.push(text.len());
                }
                Self::Told(Arc::new(ToldNames { table, text, ends }))
            }
        }
    }

    fn table(&self) -> &'static str {
        match self {
            Self::Declared(table) => table.name,
            Self::Told(told) => told.table,
        }
    }

    fn at(&self, place: usize) -> Option<&str> {
        match self {
            Self::Declared(table) => table.column(place).map(|column| column.name),
            Self::Told(told) => {
                let start = place.checked_sub(1).map_or(0, |before| told.ends[before]);
                told.ends.get(place).map(|end| &told.text[start..*end])
            }
        }
    }

    fn is(&self, place: usize, name: &str) -> bool {
        self.at(place) == Some(name)
    }
}

/// A row as it was read. Its cells are taken by name; those that are asked for in order are found at once.
#[derive(Debug)]
pub(crate) struct Row {
    names: Names,
    cells: Vec<Cell>,
    /// Where names are looked up: the cells of one record, in a row that has several.
    within: Range<usize>,
    /// Where the next name is expected.
    next: usize,
    /// The column that was asked for last.
    column: &'static str,
}

impl Row {
    pub(crate) fn new(names: Names, cells: Vec<Cell>) -> Self {
        let within = 0..cells.len();
        Self { names, cells, within, next: 0, column: "" }
    }

    /// The cells, in order.
    pub(crate) fn cells(&self) -> &[Cell] {
        &self.cells
    }

    fn bad(&self, why: impl fmt::Display) -> Corrupt {
        Corrupt { table: self.names.table(), id: String::new(), column: self.column, why: why.to_string() }
    }

    /// Reads a row, and names it by its first cell when it cannot be read.
    pub(crate) fn read<T>(
        mut self,
        read: impl FnOnce(&mut Self) -> Result<T, Corrupt>,
    ) -> Result<T, StoreError> {
        let first = self.cells.first().cloned();
        read(&mut self).map_err(|corrupt| {
            let mut id = String::new();
            match first {
                Some(Cell::Id(bytes)) => id = Uuid::from_bytes(bytes).to_string(),
                Some(Cell::Bytes(bytes)) => {
                    for byte in bytes.iter().take(32) {
                        let _ = write!(id, "{byte:02x}");
                    }
                }
                Some(Cell::Int(number)) => id = number.to_string(),
                Some(Cell::Text(_) | Cell::Word(_) | Cell::Null) | None => {}
            }
            Corrupt { id, ..corrupt }.into()
        })
    }

    /// A record whose columns stand in the row beside others, all of them and in order.
    pub(crate) fn record<R: Record>(&mut self) -> Result<R, Corrupt> {
        let length = R::TABLE.read().count();
        let stands_at = |start: &usize| {
            let mut columns = (*start..).zip(R::TABLE.read());
            columns.all(|(place, column)| self.names.is(place, column.name))
        };
        let starts = self.next..=self.cells.len().saturating_sub(length);
        let Some(start) = starts.into_iter().find(stands_at) else {
            return Err(self.bad(format_args!("a row of {} was not read with it", R::TABLE.name)));
        };
        let whole = std::mem::replace(&mut self.within, start..start + length);
        self.next = start;
        let record = R::read(self)?;
        self.next = self.within.end;
        self.within = whole;
        Ok(record)
    }

    /// Takes a cell. It is null afterwards.
    fn cell(&mut self, name: &'static str) -> Result<Cell, Corrupt> {
        self.column = name;
        let is_next = self.within.contains(&self.next) && self.names.is(self.next, name);
        let place = match is_next {
            true => Some(self.next),
            false => self.within.clone().find(|place| self.names.is(*place, name)),
        };
        let place = place.ok_or_else(|| self.bad("it was not read"))?;
        self.next = place + 1;
        Ok(std::mem::replace(&mut self.cells[place], Cell::Null))
    }

    fn present<T>(&mut self, value: Option<T>) -> Result<T, Corrupt> {
        value.ok_or_else(|| self.bad("it is null"))
    }

    pub(crate) fn int_or_null(&mut self, name: &'static str) -> Result<Option<i64>, Corrupt> {
        match self.cell(name)? {
            Cell::Null => Ok(None),
            Cell::Int(value) => Ok(Some(value)),
            _ => Err(self.bad("it is no integer")),
        }
    }

    pub(crate) fn int(&mut self, name: &'static str) -> Result<i64, Corrupt> {
        let value = self.int_or_null(name)?;
        self.present(value)
    }

    /// An integer that a narrower type takes.
    pub(crate) fn number<T: TryFrom<i64>>(&mut self, name: &'static str) -> Result<T, Corrupt> {
        let value = self.int(name)?;
        T::try_from(value).map_err(|_| self.bad(format_args!("{value} is out of its range")))
    }

    pub(crate) fn unsigned_or_null(&mut self, name: &'static str) -> Result<Option<u64>, Corrupt> {
        Ok(self.int_or_null(name)?.map(i64::cast_unsigned))
    }

    pub(crate) fn amount(&mut self, name: &'static str) -> Result<Amount, Corrupt> {
        self.int(name).map(Amount::new)
    }

    pub(crate) fn time(&mut self, name: &'static str) -> Result<Timestamp, Corrupt> {
        self.int(name).map(Timestamp::from_micros)
    }

    pub(crate) fn time_or_null(&mut self, name: &'static str) -> Result<Option<Timestamp>, Corrupt> {
        Ok(self.int_or_null(name)?.map(Timestamp::from_micros))
    }

    pub(crate) fn uuid_or_null(&mut self, name: &'static str) -> Result<Option<Uuid>, Corrupt> {
        match self.cell(name)? {
            Cell::Null => Ok(None),
            Cell::Id(bytes) => Ok(Some(Uuid::from_bytes(bytes))),
            _ => Err(self.bad("it is no id of 16 bytes")),
        }
    }

    pub(crate) fn uuid(&mut self, name: &'static str) -> Result<Uuid, Corrupt> {
        let value = self.uuid_or_null(name)?;
        self.present(value)
    }

    pub(crate) fn bytes_or_null(&mut self, name: &'static str) -> Result<Option<Vec<u8>>, Corrupt> {
        match self.cell(name)? {
            Cell::Null => Ok(None),
            Cell::Id(bytes) => Ok(Some(bytes.to_vec())),
            Cell::Bytes(bytes) => Ok(Some(bytes)),
            _ => Err(self.bad("it is not bytes")),
        }
    }

    pub(crate) fn bytes(&mut self, name: &'static str) -> Result<Vec<u8>, Corrupt> {
        let value = self.bytes_or_null(name)?;
        self.present(value)
    }

    pub(crate) fn array_or_null<const N: usize>(
        &mut self,
        name: &'static str,
    ) -> Result<Option<[u8; N]>, Corrupt> {
        let Some(bytes) = self.bytes_or_null(name)? else { return Ok(None) };
        let found = bytes.len();
        bytes.try_into().map(Some).map_err(|_| self.bad(format_args!("it has {found} bytes of {N}")))
    }

    pub(crate) fn array<const N: usize>(&mut self, name: &'static str) -> Result<[u8; N], Corrupt> {
        let bytes = self.array_or_null(name)?;
        self.present(bytes)
    }

    pub(crate) fn text_or_null(&mut self, name: &'static str) -> Result<Option<String>, Corrupt> {
        match self.cell(name)? {
            Cell::Null => Ok(None),
            Cell::Text(text) => Ok(Some(text)),
            Cell::Word(word) => Ok(Some(word.to_owned())),
            _ => Err(self.bad("it is no text")),
        }
    }

    pub(crate) fn text(&mut self, name: &'static str) -> Result<String, Corrupt> {
        let value = self.text_or_null(name)?;
        self.present(value)
    }

    /// A text that a checked type takes.
    pub(crate) fn parsed<T: TryFrom<String>>(&mut self, name: &'static str) -> Result<T, Corrupt> {
        let text = self.text(name)?;
        T::try_from(text).map_err(|_| self.bad("its text breaks the rule of its type"))
    }

    /// A text that a checked type takes, if there is one.
    pub(crate) fn parsed_or_null<T: TryFrom<String>>(
        &mut self,
        name: &'static str,
    ) -> Result<Option<T>, Corrupt> {
        let Some(text) = self.text_or_null(name)? else { return Ok(None) };
        T::try_from(text).map(Some).map_err(|_| self.bad("its text breaks the rule of its type"))
    }

    /// A text that one of a closed set of words is.
    pub(crate) fn word<T>(
        &mut self,
        name: &'static str,
        meaning: impl FnOnce(&str) -> Option<T>,
    ) -> Result<T, Corrupt> {
        let text = self.text(name)?;
        meaning(&text).ok_or_else(|| self.bad("its word is not known to this release"))
    }

    pub(crate) fn json<T: DeserializeOwned>(&mut self, name: &'static str) -> Result<T, Corrupt> {
        let text = self.text(name)?;
        serde_json::from_str(&text).map_err(|error| self.bad_json(&error))
    }

    pub(crate) fn json_or_null<T: DeserializeOwned>(
        &mut self,
        name: &'static str,
    ) -> Result<Option<T>, Corrupt> {
        let Some(text) = self.text_or_null(name)? else { return Ok(None) };
        serde_json::from_str(&text).map(Some).map_err(|error| self.bad_json(&error))
    }

    /// What a checked type says of its parts.
    pub(crate) fn checked<T, E: fmt::Display>(&self, parts: Result<T, E>) -> Result<T, Corrupt> {
        parts.map_err(|error| self.bad(error))
    }

    pub(crate) fn some<T>(&self, value: Option<T>) -> Result<T, Corrupt> {
        value.ok_or_else(|| self.bad("columns contradict each other"))
    }

    /// Says where JSON is wrong and nothing of what it holds.
    fn bad_json(&self, error: &serde_json::Error) -> Corrupt {
        self.bad(format_args!("its JSON is wrong at line {} column {}", error.line(), error.column()))
    }
}

/// A row that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("row {id} of {table} is damaged: column {column}: {why}; restore it from a backup")]
pub(crate) struct Corrupt {
    table: &'static str,
    id: String,
    column: &'static str,
    why: String,
}

impl From<Corrupt> for StoreError {
    fn from(corrupt: Corrupt) -> Self {
        Self::new(StoreErrorKind::Corrupt, corrupt.to_string())
    }
}
