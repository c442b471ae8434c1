//! The texts of statements, and of the values in them.
//!
//! Values are written into the text as numbers and hexadecimal literals, in which nothing can be mistaken for SQL. So
//! a statement has room for exactly its rows, and many statements are one text and one way to the server and back,
//! where prepared ones would be a way each.

use std::fmt::Write as _;

use crate::{
    cell::Cell,
    session::Statement,
    table::{Deed, Table},
};

/// Values that have more bytes are sent as parameters: as literals they would be twice as long.
const LITERAL_BYTES_MAX: usize = 64 * 1024;

pub(super) fn text(table: &Table, deed: Deed, rows: usize) -> String {
    match deed {
        Deed::Load => load(table, rows),
        Deed::Insert => insert(table, rows),
        Deed::InsertIfAbsent => {
            let key = table.key()[0];
            format!("{} ON DUPLICATE KEY UPDATE {key} = {}.{key}", insert(table, rows), table.name)
        }
        Deed::Put => {
            let changes = table.changing().map(|column| format!("{column} = VALUES({column})"));
            let changes: Vec<String> = changes.collect();
            format!("{} ON DUPLICATE KEY UPDATE {}", insert(table, rows), changes.join(", "))
        }
        Deed::Update => update(table, rows),
    }
}

/// What a load ends with that locks the rows which it finds, in the order of their keys.
pub(super) fn load_lock(table: &Table, lock: &str) -> String {
    format!(" ORDER BY {} {lock}", table.key().join(", "))
}

/// By the primary key whatever the tables' statistics say: what a scan came by would be locked, too.
fn load(table: &Table, rows: usize) -> String {
    let key = table.key();
    let wanted = match key[..] {
        [key] => format!("{key} IN ({})", list("?", rows)),
        _ => {
            // Not as a list of tuples, which some versions compare with every row.
            let one: Vec<String> = key.iter().map(|column| format!("{column} = ?")).collect();
            vec![format!("({})", one.join(" AND ")); rows].join(" OR ")
        }
    };
    format!("SELECT {} FROM {} FORCE INDEX (PRIMARY) WHERE {wanted}", table.read_columns(""), table.name)
}

fn insert(table: &Table, rows: usize) -> String {
    let columns: Vec<&str> = table.columns().map(|column| column.name).collect();
    let values = list(&tuple(columns.len()), rows);
    format!("INSERT INTO {} ({}) VALUES {values}", table.name, columns.join(", "))
}

/// The rows that there are to change, joined with their new values: they are looked up by their keys, one by one.
fn update(table: &Table, rows: usize) -> String {
    let names: Vec<String> =
        table.given(Deed::Update).map(|column| format!("? AS {}", column.name)).collect();
    let first = format!("SELECT {}", names.join(", "));
    let values = match rows {
        1 => first,
        rows => {
            let others = format!(" UNION ALL SELECT {}", list("?", names.len()));
            format!("{first}{}", others.repeat(rows - 1))
        }
    };
    let changes: Vec<String> =
        table.changing().map(|column| format!("old.{column} = new.{column}")).collect();
    let keys: Vec<String> = table.key().iter().map(|key| format!("old.{key} = new.{key}")).collect();
    format!(
        "UPDATE ({values}) AS new STRAIGHT_JOIN {} AS old ON {} SET {}",
        table.name,
        keys.join(" AND "),
        changes.join(", "),
    )
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

/// Statements as the server gets them: one text, with the values that are too long for it.
#[derive(Debug, Default)]
pub(super) struct Bound {
    pub(super) sql: String,
    pub(super) parameters: Vec<Cell>,
}

impl Bound {
    /// A statement whose places are taken by `cells`, first to last; places without a cell are null.
    pub(super) fn new(sql: &str, cells: impl IntoIterator<Item = Cell>) -> Self {
        let mut bound = Self::default();
        let mut cells = cells.into_iter();
        let mut parts = sql.split('?');
        bound.sql.push_str(parts.next().unwrap_or_default());
        for part in parts {
            bound.push(cells.next().unwrap_or(Cell::Null));
            bound.sql.push_str(part);
        }
        bound
    }

    /// Adds another statement to the text.
    pub(super) fn follow_with(&mut self, next: &Self) {
        if !self.sql.is_empty() {
            self.sql.push_str("; ");
        }
        self.sql.push_str(&next.sql);
    }

    fn push(&mut self, cell: Cell) {
        if cell.bytes() > LITERAL_BYTES_MAX {
            self.sql.push('?');
            self.parameters.push(cell);
            return;
        }
        match cell {
            Cell::Null => self.sql.push_str("NULL"),
            Cell::Int(value) => {
                let _ = write!(self.sql, "{value}");
            }
            Cell::Id(bytes) => push_hex(&mut self.sql, &bytes),
            Cell::Bytes(bytes) => push_hex(&mut self.sql, &bytes),
            Cell::Text(text) => push_text(&mut self.sql, &text),
            Cell::Word(word) => push_text(&mut self.sql, word),
        }
    }
}

impl From<Statement> for Bound {
    fn from(statement: Statement) -> Self {
        match statement {
            Statement::Plain { sql, cells } => Self::new(sql, cells),
            // The first cell repeats how many rows there are.
            Statement::Rows { table, deed, rows, cells } => {
                Self::new(&text(&table, deed, rows), cells.into_iter().skip(1))
            }
        }
    }
}

fn push_text(sql: &mut String, text: &str) {
    sql.push_str("_utf8mb4 ");
    push_hex(sql, text.as_bytes());
}

fn push_hex(sql: &mut String, bytes: &[u8]) {
    const DIGITS: [char; 16] =
        ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'a', 'b', 'c', 'd', 'e', 'f'];
    sql.reserve(3 + 2 * bytes.len());
    sql.push_str("x'");
    for byte in bytes {
        sql.push(DIGITS[usize::from(byte >> 4)]);
        sql.push(DIGITS[usize::from(byte & 15)]);
    }
    sql.push('\'');
}

#[cfg(test)]
mod tests {
    use super::Bound;
    use crate::cell::Cell;

    #[test]
    fn values_are_numbers_and_hexadecimal_literals() {
        let cells = vec![
            Cell::Null,
            Cell::Int(i64::MIN),
            Cell::Bytes(vec![0, 255]),
            Cell::Text("'?\\ế".to_owned()),
            Cell::Word("on"),
        ];
        let bound = Bound::new("VALUES (?, ?, ?, ?, ?, ?)", cells);
        let expected =
            "VALUES (NULL, -9223372036854775808, x'00ff', _utf8mb4 x'273f5ce1babf', _utf8mb4 x'6f6e', NULL)";
        assert_eq!(bound.sql, expected);
        assert_eq!(bound.parameters, []);
    }

    #[test]
    fn long_values_are_parameters() {
        let long = Cell::Bytes(vec![7; super::LITERAL_BYTES_MAX + 1]);
        let bound = Bound::new("VALUES (?, ?)", vec![1_i64.into(), long.clone()]);
        assert_eq!(bound.sql, "VALUES (1, ?)");
        assert_eq!(bound.parameters, [long]);
    }
}
