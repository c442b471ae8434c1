//! The texts of statements over several rows.
//!
//! A statement has room for more rows than it is given: the first parameter says how many there are, and what is
//! not bound is null and never looked at. So a few sizes serve every number of rows, and stay prepared.
//!
//! `OR FAIL`: a failed statement is not undone alone, because the whole transaction is. SQLite would else copy every
//! page aside before a statement changes it.

use crate::table::{Deed, Table};

/// The text of a statement and how many parameters it has room for.
pub(super) struct Text {
    pub(super) sql: String,
    pub(super) parameters: usize,
}

/// How many rows the statement has that takes `rows` rows: a power of four, so that a few statements per table stay
/// prepared.
pub(super) const fn padded(rows: usize) -> usize {
    let mut size = 1;
    while size < rows {
        size *= 4;
    }
    size
}

/// The text of a statement over so many rows, a number that [`padded`] gives.
pub(super) fn text(table: &Table, deed: Deed, rows: usize) -> Text {
    let cells = rows * table.given(deed).count();
    let (sql, parameters) = match deed {
        Deed::Load => (load(table, rows), cells),
        Deed::Insert => (insert(table, rows), 1 + cells),
        Deed::InsertIfAbsent => (format!("{} ON CONFLICT DO NOTHING", insert(table, rows)), 1 + cells),
        Deed::Put => {
            let changes = table.changing().map(|column| format!("{column} = excluded.{column}"));
            let changes = changes.collect::<Vec<_>>().join(", ");
            let key = table.key().join(", ");
            let sql = format!("{} ON CONFLICT ({key}) DO UPDATE SET {changes}", insert(table, rows));
            (sql, 1 + cells)
        }
        Deed::Update => (update(table, rows), 1 + cells),
    };
    Text { sql, parameters }
}

fn load(table: &Table, rows: usize) -> String {
    let columns = table.read_columns("");
    let key = table.key();
    match key[..] {
        [key] => {
            let places = list("?", rows);
            format!("SELECT {columns} FROM {} WHERE {key} IN ({places})", table.name)
        }
        _ => {
            // Joined in this order every row is one search; a list of tuples would be compared with every row.
            let columns = table.read_columns("found.");
            let values = list(&tuple(key.len()), rows);
            format!(
                "SELECT {columns} FROM (VALUES {values}) AS wanted CROSS JOIN {} AS found ON {}",
                table.name,
                same_key(table, "found", "wanted"),
            )
        }
    }
}

fn insert(table: &Table, rows: usize) -> String {
    let columns: Vec<&str> = table.columns().map(|column| column.name).collect();
    let values = list(&tuple(columns.len()), rows);
    format!(
        "WITH used (n) AS (VALUES (?)) INSERT OR FAIL INTO {} ({}) SELECT * FROM (VALUES {values}) \
         LIMIT (SELECT n FROM used)",
        table.name,
        columns.join(", "),
    )
}

fn update(table: &Table, rows: usize) -> String {
    let key_length = table.key_length();
    let changes: Vec<String> = (key_length + 1..)
        .zip(table.changing())
        .map(|(place, column)| format!("{column} = new.column{place}"))
        .collect();
    let values = list(&tuple(key_length + changes.len()), rows);
    format!(
        "WITH used (n) AS (VALUES (?)) UPDATE OR FAIL {} AS old SET {} \
         FROM (SELECT * FROM (VALUES {values}) LIMIT (SELECT n FROM used)) AS new WHERE {}",
        table.name,
        changes.join(", "),
        same_key(table, "old", "new"),
    )
}

/// That a row of `rows` has the key which the first columns of `values` are.
fn same_key(table: &Table, rows: &str, values: &str) -> String {
    let pairs: Vec<String> =
        (1..).zip(table.key()).map(|(place, key)| format!("{rows}.{key} = {values}.column{place}")).collect();
    pairs.join(" AND ")
}

/// `(?, ?, …)`.
fn tuple(columns: usize) -> String {
    format!("({})", list("?", columns))
}

fn list(item: &str, count: usize) -> String {
    let mut text = String::with_capacity((item.len() + 2) * count);
    for place in 0..count {
        if place > 0 {
            text.push_str(", ");
        }
        text.push_str(item);
    }
    text
}
