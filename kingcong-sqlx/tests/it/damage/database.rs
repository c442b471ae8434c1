//! A database past every store: its tables as it tells them itself, with their rows as literals of its language.

use sqlx::{AssertSqlSafe, Connection as _, Executor as _, Row as _};

/// A column that is written, and not computed by the database.
#[derive(Clone, Debug)]
pub(super) struct Column {
    pub(super) name: String,
    /// What the database calls its type, in lower case.
    pub(super) is: String,
    pub(super) is_key: bool,
}

impl Column {
    /// A literal of a value that differs from this one.
    pub(super) fn altered(&self, literal: &str) -> String {
        if let Ok(number) = literal.trim_matches('\'').parse::<i64>()
            && self.is.contains("int")
        {
            return format!("{}", number.wrapping_add(1));
        }
        if literal == "NULL" {
            return if self.is.contains("int") {
                "1".to_owned()
            } else if self.is.contains("uuid") {
                "'01932c07-0000-7000-8000-00000000dead'".to_owned()
            } else if self.is.contains("bytea") {
                r"'\x01932c0700007000800000000000dead'".to_owned()
            } else if self.is.contains("blob") || self.is.contains("binary") {
                "X'01932C0700007000800000000000DEAD'".to_owned()
            } else {
                "'altered'".to_owned()
            };
        }
        // The digit or letter before the closing quotation mark, of text and of bytes.
        let end = literal.len() - 1;
        let mut altered = literal.to_owned();
        match literal.as_bytes().get(end.wrapping_sub(1)) {
            Some(last) if last.is_ascii_hexdigit() => {
                altered.replace_range(end - 1..end, if *last == b'1' { "2" } else { "1" });
            }
            Some(b'\'' | b'\\' | b'}' | b']') | None => altered.insert(end, ','),
            Some(_) => altered.insert(end, 'x'),
        }
        altered
    }
}

/// A table with all its rows.
#[derive(Clone, Debug)]
pub(super) struct Table {
    pub(super) name: String,
    pub(super) columns: Vec<Column>,
    pub(super) rows: Vec<Vec<String>>,
}

impl Table {
    /// The condition that this row alone has, while its key is what it was.
    pub(super) fn row_is(&self, row: usize) -> String {
        self.where_key(&self.rows[row])
    }

    fn where_key(&self, cells: &[String]) -> String {
        let keys = self.columns.iter().zip(cells).filter(|(column, _)| column.is_key);
        let conditions: Vec<String> =
            keys.map(|(column, cell)| format!("{} = {cell}", column.name)).collect();
        format!("WHERE {}", conditions.join(" AND "))
    }

    pub(super) fn set(&self, row: usize, column: usize, value: &str) -> String {
        format!("UPDATE {} SET {} = {value} {}", self.name, self.columns[column].name, self.row_is(row))
    }

    pub(super) fn insert(&self, cells: &[String]) -> String {
        let columns: Vec<&str> = self.columns.iter().map(|column| column.name.as_str()).collect();
        format!("INSERT INTO {} ({}) VALUES ({})", self.name, columns.join(", "), cells.join(", "))
    }
}

enum Connection {
    Sqlite(sqlx::SqliteConnection),
    #[cfg(feature = "postgres")]
    Postgres(sqlx::PgConnection),
    #[cfg(feature = "mysql")]
    MySql(sqlx::MySqlConnection),
}

/// The tables of a database as they were, and a connection that alters them.
pub(super) struct Dump {
    connection: Connection,
    pub(super) tables: Vec<Table>,
}

impl Dump {
    pub(super) async fn read(url: &str) -> Self {
        let connection = match url.split(':').next().unwrap() {
            #[cfg(feature = "postgres")]
            "postgres" => Connection::Postgres(sqlx::PgConnection::connect(url).await.unwrap()),
            #[cfg(feature = "mysql")]
            "mysql" | "mariadb" => Connection::MySql(sqlx::MySqlConnection::connect(url).await.unwrap()),
            _ => Connection::Sqlite(sqlx::SqliteConnection::connect(url).await.unwrap()),
        };
        let mut dump = Self { connection, tables: Vec::new() };
        if url.starts_with("sqlite:") {
            dump.run("PRAGMA synchronous = OFF").await;
        }
        for [table, column, is, is_key] in dump.columns().await {
            let column = Column { name: column, is: is.to_lowercase(), is_key: is_key == "1" };
            match dump.tables.iter_mut().find(|known| known.name == table) {
                Some(known) => known.columns.push(column),
                None => {
                    let (name, columns, rows) = (table, vec![column], Vec::new());
                    dump.tables.push(Table { name, columns, rows });
                }
            }
        }
        // The row of the schema's version is the opening's, and not a part of the books.
        dump.tables.retain(|table| table.name != "kingcong_schema" && table.name.starts_with("kingcong_"));
        for place in 0..dump.tables.len() {
            let table = dump.tables[place].clone();
            let cells: Vec<String> = table.columns.iter().map(|column| dump.literal(column)).collect();
            let sql = format!("SELECT {} FROM {} ORDER BY 1, 2", cells.join(", "), table.name);
            dump.tables[place].rows = dump.texts(&sql).await;
        }
        dump
    }

    fn literal(&self, column: &Column) -> String {
        let name = &column.name;
        match self.connection {
            Connection::Sqlite(_) => format!("quote({name})"),
            #[cfg(feature = "postgres")]
            Connection::Postgres(_) => format!("COALESCE(quote_literal({name}::text), 'NULL')"),
            #[cfg(feature = "mysql")]
            Connection::MySql(_) if column.is.contains("binary") || column.is.contains("blob") => {
                format!("CAST(COALESCE(CONCAT('X''', HEX({name}), ''''), 'NULL') AS CHAR)")
            }
            #[cfg(feature = "mysql")]
            Connection::MySql(_) => format!("CAST(QUOTE({name}) AS CHAR)"),
        }
    }

    /// Table, column, type, and whether it is of the primary key, of every column that is written.
    async fn columns(&mut self) -> Vec<[String; 4]> {
        let sql = match self.connection {
            Connection::Sqlite(_) => {
                "SELECT m.name, c.name, c.type, CAST(c.pk > 0 AS TEXT) FROM sqlite_master m \
                 JOIN pragma_table_xinfo(m.name) c \
                 WHERE m.type = 'table' AND m.name LIKE 'kingcong%' AND c.hidden = 0 ORDER BY m.name, c.cid"
            }
            #[cfg(feature = "postgres")]
            Connection::Postgres(_) => {
                "SELECT c.table_name::text, c.column_name::text, c.data_type::text, \
                 CASE WHEN EXISTS (SELECT 1 FROM information_schema.table_constraints t \
                 JOIN information_schema.key_column_usage k ON k.constraint_name = t.constraint_name \
                 AND k.table_schema = t.table_schema \
                 WHERE t.constraint_type = 'PRIMARY KEY' AND k.table_name = c.table_name \
                 AND k.column_name = c.column_name AND t.table_schema = c.table_schema) THEN '1' ELSE '0' END \
                 FROM information_schema.columns c JOIN information_schema.tables b \
                 ON b.table_name = c.table_name AND b.table_schema = c.table_schema \
                 WHERE c.table_schema = current_schema() AND c.is_generated = 'NEVER' \
                 AND b.table_type = 'BASE TABLE' ORDER BY c.table_name, c.ordinal_position"
            }
            #[cfg(feature = "mysql")]
            Connection::MySql(_) => {
                "SELECT CAST(table_name AS CHAR), CAST(column_name AS CHAR), CAST(data_type AS CHAR), \
                 CAST(IF(column_key = 'PRI', '1', '0') AS CHAR) FROM information_schema.columns \
                 WHERE table_schema = database() AND extra NOT LIKE '%GENERATED%' \
                 ORDER BY table_name, ordinal_position"
            }
        };
        let rows = self.texts(sql).await;
        rows.into_iter().map(|row| row.try_into().unwrap()).collect()
    }

    async fn texts(&mut self, sql: &str) -> Vec<Vec<String>> {
        let sql = sqlx::raw_sql(AssertSqlSafe(sql.to_owned()));
        macro_rules! texts {
            ($connection:expr) => {
                $connection
                    .fetch_all(sql)
                    .await
                    .unwrap()
                    .iter()
                    .map(|row| (0..row.len()).map(|place| row.get(place)).collect())
                    .collect()
            };
        }
        match &mut self.connection {
            Connection::Sqlite(connection) => texts!(connection),
            #[cfg(feature = "postgres")]
            Connection::Postgres(connection) => texts!(connection),
            #[cfg(feature = "mysql")]
            Connection::MySql(connection) => texts!(connection),
        }
    }

    /// Runs a statement, unless the schema refuses it.
    pub(super) async fn try_run(&mut self, sql: &str) -> bool {
        let sql = sqlx::raw_sql(AssertSqlSafe(sql.to_owned()));
        match &mut self.connection {
            Connection::Sqlite(connection) => connection.execute(sql).await.is_ok(),
            #[cfg(feature = "postgres")]
            Connection::Postgres(connection) => connection.execute(sql).await.is_ok(),
            #[cfg(feature = "mysql")]
            Connection::MySql(connection) => connection.execute(sql).await.is_ok(),
        }
    }

    pub(super) async fn run(&mut self, sql: &str) {
        assert!(self.try_run(sql).await, "{sql}");
    }

    /// Gives a cell that was set to `value` its own value back.
    pub(super) async fn restore(&mut self, table: &Table, row: usize, column: usize, value: &str) {
        let mut cells = table.rows[row].clone();
        value.clone_into(&mut cells[column]);
        let (name, was) = (&table.columns[column].name, &table.rows[row][column]);
        let sql = format!("UPDATE {} SET {name} = {was} {}", table.name, table.where_key(&cells));
        self.run(&sql).await;
    }
}
