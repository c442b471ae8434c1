//! The texts of statements, and their parameters.
//!
//! A statement over rows takes one array per column, so that one text per table and deed serves any number of rows
//! and stays prepared.

use sqlx::{Arguments as _, postgres::PgArguments};
use uuid::Uuid;

use crate::{
    cell::Cell,
    table::{Column, Deed, Kind, Table},
};

/// The kind that PostgreSQL calls so.
pub(super) fn kind(name: &str) -> Option<Kind> {
    match name {
        "int8" => Some(Kind::Int),
        "uuid" => Some(Kind::Id),
        "bytea" => Some(Kind::Bytes),
        "text" => Some(Kind::Text),
        _ => None,
    }
}

/// The names of the columns that `deed` gives cells for, in order.
fn columns(table: &Table, deed: Deed) -> Vec<&'static str> {
    table.given(deed).map(|column| column.name).collect()
}

/// The text of a statement over rows whose parameters follow `before` others.
pub(super) fn text(table: &Table, deed: Deed, before: usize) -> String {
    match deed {
        Deed::Load => load(table),
        Deed::Insert => insert(table, deed, before),
        Deed::InsertIfAbsent => format!("{} ON CONFLICT DO NOTHING", insert(table, deed, before)),
        Deed::Put => {
            let changes = list(table.changing().map(|column| format!("{column} = excluded.{column}")), ", ");
            let key = table.key().join(", ");
            format!("{} ON CONFLICT ({key}) DO UPDATE SET {changes}", insert(table, deed, before))
        }
        Deed::Update => update(table, before),
    }
}

/// Reads rows by their keys, in the order of the keys, which is the one that they are locked in.
fn load(table: &Table) -> String {
    let name = table.name;
    match table.key()[..] {
        [key] => {
            let columns = table.read_columns("");
            format!("SELECT {columns} FROM {name} WHERE {key} = ANY ($1) ORDER BY {key}")
        }
        ref keys => {
            let (columns, wanted) = (table.read_columns("found."), keys.join(", "));
            let order = list(keys.iter().map(|key| format!("found.{key}")), ", ");
            format!(
                "SELECT {columns} FROM unnest({}) AS wanted ({wanted}) JOIN {name} AS found ON {} ORDER BY {order}",
                places(0, keys.len()),
                same_key(table, "found", "wanted"),
            )
        }
    }
}

/// What a load ends with that locks the rows which it finds: those of the table, and not the wanted keys.
pub(super) fn load_lock(table: &Table, lock: &str) -> String {
    match table.key_length() {
        1 => format!(" {lock}"),
        _ => format!(" {lock} OF found"),
    }
}

fn insert(table: &Table, deed: Deed, before: usize) -> String {
    let columns = columns(table, deed);
    format!(
        "INSERT INTO {} ({}) SELECT * FROM unnest({})",
        table.name,
        columns.join(", "),
        places(before, columns.len())
    )
}

fn update(table: &Table, before: usize) -> String {
    let columns = columns(table, Deed::Update);
    let changes = list(table.changing().map(|column| format!("{column} = new.{column}")), ", ");
    format!(
        "UPDATE {} AS old SET {changes} FROM unnest({}) AS new ({}) WHERE {}",
        table.name,
        places(before, columns.len()),
        columns.join(", "),
        same_key(table, "old", "new"),
    )
}

fn same_key(table: &Table, one: &str, other: &str) -> String {
    list(table.key().iter().map(|key| format!("{one}.{key} = {other}.{key}")), " AND ")
}

fn places(before: usize, count: usize) -> String {
    list((before + 1..=before + count).map(|place| format!("${place}")), ", ")
}

fn list(items: impl Iterator<Item = String>, between: &str) -> String {
    items.collect::<Vec<_>>().join(between)
}

/// A text whose parameters are question marks, as PostgreSQL writes them. There are no others in it.
pub(super) fn numbered(sql: &str) -> String {
    let mut text = String::with_capacity(sql.len() + 16);
    for (place, part) in sql.split('?').enumerate() {
        if place > 0 {
            text.push_str(&format!("${place}"));
        }
        text.push_str(part);
    }
    text
}

/// The parameters of a statement written by hand: one cell each.
pub(super) fn arguments(cells: Vec<Cell>) -> Result<PgArguments, sqlx::Error> {
    let mut arguments = PgArguments::default();
    for cell in cells {
        match cell {
            Cell::Null => arguments.add(None::<&str>),
            Cell::Int(value) => arguments.add(value),
            Cell::Id(bytes) => arguments.add(Uuid::from_bytes(bytes)),
            Cell::Bytes(bytes) => arguments.add(bytes),
            Cell::Text(text) => arguments.add(text),
            Cell::Word(word) => arguments.add(word),
        }
        .map_err(sqlx::Error::Encode)?;
    }
    Ok(arguments)
}

/// Statements over rows that are sent as one: all see the same instant, so no two may be of one table.
#[derive(Default)]
pub(super) struct Together {
    statements: Vec<String>,
    tables: Vec<&'static str>,
    arguments: PgArguments,
}

impl Together {
    /// Whether a statement on the table has to wait until these are done.
    pub(super) fn has(&self, table: &Table) -> bool {
        self.tables.contains(&table.name)
    }

    pub(super) fn add(
        &mut self,
        table: &Table,
        deed: Deed,
        cells: &[Cell],
        rows: usize,
    ) -> Result<(), sqlx::Error> {
        self.statements.push(text(table, deed, self.arguments.len()));
        self.tables.push(table.name);
        arrays(&mut self.arguments, table, deed, cells, rows)
    }

    /// The one statement; none when there is nothing to do.
    pub(super) fn finish(mut self) -> Option<(String, PgArguments)> {
        let last = self.statements.pop()?;
        let others = self.statements.iter().enumerate();
        let others: Vec<String> = others.map(|(place, sql)| format!("done_{place} AS ({sql})")).collect();
        let sql = match others[..] {
            [] => last,
            _ => format!("WITH {} {last}", others.join(", ")),
        };
        Some((sql, self.arguments))
    }
}

/// Adds the parameters of a statement over rows: an array for each column, from cells that come row by row.
pub(super) fn arrays(
    arguments: &mut PgArguments,
    table: &Table,
    deed: Deed,
    cells: &[Cell],
    rows: usize,
) -> Result<(), sqlx::Error> {
    let width = table.given(deed).count();
    for (place, Column { name, kind, .. }) in table.given(deed).enumerate() {
        let column = || cells.iter().skip(place).step_by(width).take(rows);
        let wrong = |cell: &Cell| wrong_kind(table.name, name, cell);
        match kind {
            Kind::Int => arguments.add(values(column(), wrong, |cell| match cell {
                Cell::Int(value) => Some(*value),
                _ => None,
            })?),
            Kind::Id => arguments.add(values(column(), wrong, |cell| match cell {
                Cell::Id(bytes) => Some(Uuid::from_bytes(*bytes)),
                _ => None,
            })?),
            Kind::Bytes => arguments.add(values(column(), wrong, |cell| match cell {
                Cell::Bytes(bytes) => Some(bytes.as_slice()),
                _ => None,
            })?),
            Kind::Text => arguments.add(values(column(), wrong, |cell| match cell {
                Cell::Text(text) => Some(text.as_str()),
                Cell::Word(word) => Some(*word),
                _ => None,
            })?),
        }
        .map_err(sqlx::Error::Encode)?;
    }
    Ok(())
}

fn values<'c, T>(
    cells: impl Iterator<Item = &'c Cell>,
    wrong: impl Fn(&Cell) -> sqlx::Error,
    value: impl Fn(&'c Cell) -> Option<T>,
) -> Result<Vec<Option<T>>, sqlx::Error> {
    let value = |cell: &'c Cell| match cell {
        Cell::Null => Ok(None),
        cell => value(cell).map(Some).ok_or_else(|| wrong(cell)),
    };
    cells.map(value).collect()
}

fn wrong_kind(table: &str, column: &str, cell: &Cell) -> sqlx::Error {
    let what = match cell {
        Cell::Null => "nothing",
        Cell::Int(_) => "an integer",
        Cell::Id(_) => "an id",
        Cell::Bytes(_) => "bytes",
        Cell::Text(_) | Cell::Word(_) => "text",
    };
    sqlx::Error::Encode(format!("{table}.{column} takes no {what}").into())
}

#[cfg(test)]
mod tests {
    use sqlx::Arguments as _;

    use super::{Together, load_lock, numbered, text};
    use crate::{
        cell::Cell,
        table::{ColumnOf, Deed, Kind, Table, Written, key, mirror, mutable},
    };

    struct Flow;

    impl Written for Flow {
        const NAME: &'static str = "flows";
        const COLUMNS: &'static [ColumnOf<Self>] = &[
            key("pool", Kind::Int, |_| Cell::Null),
            key("name", Kind::Int, |_| Cell::Null),
            mutable("finish", Kind::Int, |_| Cell::Null),
            mirror("told", Kind::Int, |_| Cell::Null),
        ];
    }

    struct Pool;

    impl Written for Pool {
        const NAME: &'static str = "pools";
        const COLUMNS: &'static [ColumnOf<Self>] =
            &[key("id", Kind::Int, |_| Cell::Null), mutable("health", Kind::Int, |_| Cell::Null)];
    }

    const FLOWS: Table = Flow::TABLE;

    #[test]
    fn a_statement_takes_one_array_per_column() {
        assert_eq!(
            text(&FLOWS, Deed::Put, 0),
            "INSERT INTO flows (pool, name, finish, told) SELECT * FROM unnest($1, $2, $3, $4) \
             ON CONFLICT (pool, name) DO UPDATE SET finish = excluded.finish, told = excluded.told"
        );
        assert_eq!(
            text(&FLOWS, Deed::Update, 0),
            "UPDATE flows AS old SET finish = new.finish, told = new.told \
             FROM unnest($1, $2, $3, $4) AS new (pool, name, finish, told) \
             WHERE old.pool = new.pool AND old.name = new.name"
        );
    }

    #[test]
    fn statements_that_are_sent_together_number_their_parameters_through() {
        const POOLS: Table = Pool::TABLE;
        let mut together = Together::default();
        together.add(&POOLS, Deed::Insert, &[1_i64, 2].map(Cell::from), 1).unwrap();
        assert!(together.has(&POOLS) && !together.has(&FLOWS));
        together.add(&FLOWS, Deed::Update, &[1_i64, 2, 3, 4].map(Cell::from), 1).unwrap();
        let (sql, arguments) = together.finish().unwrap();
        assert_eq!(
            sql,
            "WITH done_0 AS (INSERT INTO pools (id, health) SELECT * FROM unnest($1, $2)) \
             UPDATE flows AS old SET finish = new.finish, told = new.told \
             FROM unnest($3, $4, $5, $6) AS new (pool, name, finish, told) \
             WHERE old.pool = new.pool AND old.name = new.name"
        );
        assert_eq!(arguments.len(), 6);
        assert!(Together::default().finish().is_none());
    }

    #[test]
    fn rows_are_locked_in_the_order_of_their_keys() {
        let lock = text(&FLOWS, Deed::Load, 0) + &load_lock(&FLOWS, "FOR UPDATE");
        assert!(lock.ends_with("ORDER BY found.pool, found.name FOR UPDATE OF found"), "{lock}");
    }

    #[test]
    fn parameters_are_numbered() {
        assert_eq!(numbered("a = ? AND b IN (?, ?)"), "a = $1 AND b IN ($2, $3)");
        assert_eq!(numbered("a"), "a");
    }
}
