//! Rows by themselves: whether each can be read, is written as this release writes it, and names rows that are there.

use kingcong_core::{
    keys::{Key, Limit},
    store::{Discrepancy, DiscrepancyKind, PAGE_MAX, RowId, StoreError, Verification},
};
use serde_json::Value;
use uuid::Uuid;

use super::{
    relations::{RELATIONS, Relation},
    without_bytes,
};
use crate::{
    cell::{Cell, Gives, Row},
    rows::{AnyRecord, EntryRow, KeyLimitMirrors, PriceRow, RECORDS},
    session::Session,
    table::{Deed, Written as _},
};

/// Adds what is wrong with rows of every table by themselves.
pub(crate) async fn damaged_rows(
    session: &mut dyn Session,
    found: &mut Verification,
) -> Result<(), StoreError> {
    for record in RECORDS {
        scan(session, record, found).await?;
    }
    mirrors_of_limits(session, found).await
}

/// Reads a table in pages, in the order of its key. A row is to be what it would be written as, mirrors and all.
async fn scan(
    session: &mut dyn Session,
    record: AnyRecord,
    found: &mut Verification,
) -> Result<(), StoreError> {
    let table = record.table;
    // The mirror of an entry repeats a column of another table: it is a relation.
    let columns: Vec<&str> = match table.name == EntryRow::NAME {
        true => table.read().map(|column| column.name).collect(),
        false => table.columns().map(|column| column.name).collect(),
    };
    let names = without_bytes(&columns.join(", "));
    // Entries have a number of their own, which databases walk along better than along a pair.
    let order = if table.name == EntryRow::NAME { vec!["id"] } else { table.key() };
    let (key, marks) = (order.join(", "), vec!["?"; order.len()].join(", "));
    let only = if table.name == PriceRow::NAME { "in_force = 1" } else { "1 = 1" };
    let mut after: Option<Vec<Cell>> = None;
    loop {
        let behind = match &after {
            Some(_) => format!("AND ({key}) > ({marks})"),
            None => String::new(),
        };
        let sql =
            format!("SELECT {names}, {key} FROM {} WHERE {only} {behind} ORDER BY {key} LIMIT ?", table.name);
        let mut cells = after.clone().unwrap_or_default();
        cells.push(PAGE_MAX.into());
        let rows = session.fetch(Gives::Named(table.name), sql, cells).await?;
        let is_last = rows.len() < PAGE_MAX as usize;
        let before = after.clone();
        for row in rows {
            let mut read = row.cells().to_vec();
            after = Some(read.split_off(columns.len()));
            found.add(compare(record, row, &read, &columns));
        }
        let page = Page { after: before, last: if is_last { None } else { after.clone() } };
        strays(session, table.name, &order, &page, found).await?;
        if is_last {
            return Ok(());
        }
    }
}

/// Which rows of a table: behind one, up to another; all from the first, or to the last, where there is none.
struct Page {
    after: Option<Vec<Cell>>,
    last: Option<Vec<Cell>>,
}

/// The rows of a page that name nothing.
async fn strays(
    session: &mut dyn Session,
    table: &'static str,
    order: &[&str],
    page: &Page,
    found: &mut Verification,
) -> Result<(), StoreError> {
    let (mut bounds, mut cells) = (Vec::new(), Vec::new());
    let columns: Vec<String> = order.iter().map(|column| format!("c.{column}")).collect();
    let (columns, marks) = (columns.join(", "), vec!["?"; order.len()].join(", "));
    for (bound, sign) in [(&page.after, ">"), (&page.last, "<=")] {
        if let Some(bound) = bound {
            bounds.push(format!("AND ({columns}) {sign} ({marks})"));
            cells.extend(bound.iter().cloned());
        }
    }
    let bounds = bounds.join(" ");
    for relation in RELATIONS.iter().filter(|relation| relation.table == table) {
        let Relation { column, expected, .. } = relation;
        for row in session.fetch(Gives::Named(table), relation.strays(&bounds), cells.clone()).await? {
            let mut id = row.cells().to_vec();
            let names = id.pop().map(|cell| text(&cell)).unwrap_or_default();
            found.add([Discrepancy {
                kind: DiscrepancyKind::Stray,
                row: RowId::new(table, id_of(&id)),
                column,
                found: names,
                expected: (*expected).to_owned(),
            }]);
        }
    }
    Ok(())
}

/// What is wrong with a row by itself.
fn compare(record: AnyRecord, row: Row, read: &[Cell], columns: &[&'static str]) -> Option<Discrepancy> {
    let AnyRecord { table, written_again } = record;
    let id = RowId::new(table.name, id_of(&read[..table.key_length()]));
    let written = match written_again(row) {
        Ok(written) => written,
        Err(error) => {
            let (found, expected) = (error.message, "readable".to_owned());
            return Some(Discrepancy {
                kind: DiscrepancyKind::Damaged,
                row: id,
                column: "",
                found,
                expected,
            });
        }
    };
    differing(id, columns, read, &written)
}

fn differing(row: RowId, columns: &[&'static str], read: &[Cell], written: &[Cell]) -> Option<Discrepancy> {
    let different = columns.iter().zip(read.iter().zip(written)).find(|(_, (read, written))| {
        (**read == Cell::Null) != (**written == Cell::Null) || !is_same(read, written)
    });
    different.map(|(&column, (read, written))| Discrepancy {
        kind: DiscrepancyKind::Damaged,
        row,
        column,
        found: text(read),
        expected: text(written),
    })
}

/// Whether a text says what it would be written as. JSON of an earlier release may lack what has a default since.
fn is_same(read: &Cell, written: &Cell) -> bool {
    fn says(read: &Value, written: &Value) -> bool {
        match (read, written) {
            (Value::Object(read), Value::Object(written)) => {
                read.iter().all(|(name, value)| written.get(name).is_some_and(|other| says(value, other)))
            }
            (Value::Array(read), Value::Array(written)) => {
                read.len() == written.len()
                    && read.iter().zip(written).all(|(read, written)| says(read, written))
            }
            _ => read == written,
        }
    }
    // Sixteen bytes are read as an id, whatever they were written as.
    if let (Cell::Id(id), Cell::Bytes(bytes)) | (Cell::Bytes(bytes), Cell::Id(id)) = (read, written) {
        return id.as_slice() == bytes;
    }
    let (read, written) = (text(read), text(written));
    let parse = |text: &str| serde_json::from_str::<Value>(text).ok();
    read == written || parse(&read).zip(parse(&written)).is_some_and(|(read, written)| says(&read, &written))
}

fn text(cell: &Cell) -> String {
    match cell {
        Cell::Null => "nothing".to_owned(),
        Cell::Int(number) => number.to_string(),
        Cell::Id(bytes) => Uuid::from_bytes(*bytes).to_string(),
        Cell::Bytes(bytes) => bytes.iter().map(|byte| format!("{byte:02x}")).collect(),
        Cell::Text(text) => text.clone(),
        Cell::Word(word) => (*word).to_owned(),
    }
}

fn id_of(cells: &[Cell]) -> String {
    cells.iter().map(text).collect::<Vec<_>>().join(",")
}

/// The columns of keys that repeat their limits.
async fn mirrors_of_limits(session: &mut dyn Session, found: &mut Verification) -> Result<(), StoreError> {
    let mirrors: Vec<&str> = KeyLimitMirrors::TABLE.columns().map(|column| column.name).collect();
    let sql = format!(
        "SELECT k.{}, {} FROM kingcong_limits l JOIN kingcong_api_keys k ON k.id = l.id",
        mirrors.join(", k."),
        Limit::TABLE.read_columns("l.")
    );
    for row in session.fetch(Gives::Named(Key::NAME), sql, Vec::new()).await? {
        let read = row.cells()[..mirrors.len()].to_vec();
        // One that cannot be read was found already.
        let Ok(known) = row.read(|row| row.record::<Limit>()) else { continue };
        let mut written = Vec::new();
        KeyLimitMirrors::from(&known).put(Deed::Insert, &mut written);
        found.add(differing(RowId::new(Key::NAME, known.id), &mirrors, &read, &written));
    }
    Ok(())
}
