//! Rows by themselves: whether each can be read, is written as this release writes it, and names rows that are there.

use kingcong_core::{
    keys::{Flow, Key, Limit, Pool, Rules},
    ledger::{Hold, Opening, Wallet},
    store::{
        AuditEntry, Discrepancy, DiscrepancyKind, IdempotencyRow, LateAnswer, OutputRow, PAGE_MAX, RowId,
        StoreError, Verification, VoiceRow, Worker,
    },
    tenants::Tenant,
    vault::DataKey,
    work::{Attempt, Job},
};
use serde_json::Value;
use uuid::Uuid;

use super::{
    relations::{RELATIONS, Relation},
    without_bytes,
};
use crate::{
    cell::{Cell, Row},
    rows::{
        ConfigurationRow, DutyRow, EntryRow, PackageRow, PriceRow, SplitState, TaskWithWork,
        key_limit_mirrors,
    },
    session::Session,
    table::Record,
};

/// Adds what is wrong with rows of every table by themselves.
pub(crate) async fn damaged_rows(
    session: &mut dyn Session,
    found: &mut Verification,
) -> Result<(), StoreError> {
    scan::<Wallet>(session, found).await?;
    scan::<EntryRow>(session, found).await?;
    scan::<Opening>(session, found).await?;
    scan::<ConfigurationRow>(session, found).await?;
    scan::<PriceRow>(session, found).await?;
    scan::<PackageRow>(session, found).await?;
    scan::<Key>(session, found).await?;
    scan::<Limit>(session, found).await?;
    scan::<Pool>(session, found).await?;
    scan::<Flow>(session, found).await?;
    scan::<SplitState>(session, found).await?;
    scan::<Tenant>(session, found).await?;
    scan::<Job>(session, found).await?;
    scan::<TaskWithWork>(session, found).await?;
    scan::<Attempt>(session, found).await?;
    scan::<Hold>(session, found).await?;
    scan::<IdempotencyRow>(session, found).await?;
    scan::<OutputRow>(session, found).await?;
    scan::<VoiceRow>(session, found).await?;
    scan::<Worker>(session, found).await?;
    scan::<Rules>(session, found).await?;
    scan::<LateAnswer>(session, found).await?;
    scan::<DataKey>(session, found).await?;
    scan::<AuditEntry>(session, found).await?;
    scan::<DutyRow>(session, found).await?;
    mirrors_of_limits(session, found).await
}

/// Reads a table in pages, in the order of its key. A row is to be what it would be written as, mirrors and all.
async fn scan<R: Record + Send>(
    session: &mut dyn Session,
    found: &mut Verification,
) -> Result<(), StoreError> {
    let table = R::TABLE;
    // The mirror of an entry repeats a column of another table: it is a relation.
    let mirrors = if table.name == EntryRow::TABLE.name { &[][..] } else { table.mirrors };
    let columns: Vec<&str> = table.fixed.iter().chain(table.mutable).chain(mirrors).copied().collect();
    let names = without_bytes(&columns.join(", "));
    // Entries have a number of their own, which databases walk along better than along a pair.
    let order = if table.name == EntryRow::TABLE.name { &["id"][..] } else { table.key() };
    let (key, marks) = (order.join(", "), vec!["?"; order.len()].join(", "));
    let only = if table.name == PriceRow::TABLE.name { "in_force = 1" } else { "1 = 1" };
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
        let rows = session.fetch(table.name, sql, cells).await?;
        let is_last = rows.len() < PAGE_MAX as usize;
        let before = after.clone();
        for row in rows {
            let mut read = row.cells().to_vec();
            after = Some(read.split_off(columns.len()));
            found.add(compare::<R>(row, &read, &columns));
        }
        let page = Page { after: before, last: if is_last { None } else { after.clone() } };
        strays(session, table.name, order, &page, found).await?;
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
        for row in session.fetch(table, relation.strays(&bounds), cells.clone()).await? {
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
fn compare<R: Record>(row: Row, read: &[Cell], columns: &[&'static str]) -> Option<Discrepancy> {
    let id = RowId::new(R::TABLE.name, id_of(&read[..R::TABLE.key]));
    let record = match row.read(R::read) {
        Ok(record) => record,
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
    let mut written = Vec::new();
    record.fixed(&mut written);
    record.mutable(&mut written);
    record.mirrors(&mut written);
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
    const MIRRORS: [&str; 4] = ["current_usage", "max_threads", "rate_limit_per_min", "last_used"];
    let sql = format!(
        "SELECT k.{}, {} FROM kingcong_limits l JOIN kingcong_api_keys k ON k.id = l.id",
        MIRRORS.join(", k."),
        Limit::TABLE.read_columns("l.")
    );
    for row in session.fetch(Key::TABLE.name, sql, Vec::new()).await? {
        let read = row.cells()[..MIRRORS.len()].to_vec();
        let known: Result<Limit, StoreError> = row.read(|row| {
            row.skip(MIRRORS.len())?;
            Limit::read(row)
        });
        // One that cannot be read was found already.
        let Ok(known) = known else { continue };
        let mut written = Vec::new();
        key_limit_mirrors(&known, &mut written);
        let row = RowId::new(Key::TABLE.name, known.id);
        found.add(differing(row, &MIRRORS, &read, &written[1..]));
    }
    Ok(())
}
