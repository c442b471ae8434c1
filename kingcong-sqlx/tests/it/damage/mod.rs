//! Whatever is altered in a sound store by another program, `verify` finds it; or it stands in a list with the reason.
//!
//! The damages are made from the schema as the database tells it. For each state that rows of a table have, every
//! column is altered in a row, two rows get each other's value, a row is deleted, and all of them are. A new column
//! without a check, and without a line in the list, fails the test; so does a line of the list whose damage is found.

mod database;
mod unfindable;
mod world;
mod writers;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use kingcong_core::{engine::verify, vault::StaticMasterKey};
use kingcong_sqlx::{Options, SqlStore};

use self::{
    database::{Dump, Table},
    unfindable::{COLUMNS, ROWS, Unfindable},
};
use crate::world::StandingClock;

/// What says which state a row is in, where tables have it.
const STATES: [&str; 9] =
    ["state", "type", "made", "level", "life", "phase", "used_for", "answer", "only_key"];
/// Rows of a table that are damaged in each state, and where rows have none.
const ROWS_MAX: usize = 1;
const ROWS_WITHOUT_STATE_MAX: usize = 2;
/// The states of rows of jobs that were retried begin with it.
const RETRIED: &str = "retried_";

/// The state of a row; empty where the table has none. Those of rows of jobs that were retried, and of rows whose
/// attempts were archived, are states of their own.
fn state(table: &Table, row: usize, marks: &Marks) -> String {
    let place = |name: &str| table.columns.iter().position(|column| column.name == name);
    let cell = |name: &str| place(name).map(|column| table.rows[row][column].as_str());
    let state = STATES.iter().find_map(|name| cell(name)).unwrap_or_default();
    // Of JSON the first word, which is its kind.
    let state: String = state
        .chars()
        .skip_while(|letter| !letter.is_ascii_alphanumeric())
        .take_while(|letter| letter.is_ascii_alphanumeric() || *letter == '_')
        .collect();
    let job = if table.name == "kingcong_jobs" { cell("id") } else { cell("job") };
    let mark = |marked: &BTreeSet<String>, mark: &'static str| {
        if job.is_some_and(|job| marked.contains(job)) { mark } else { "" }
    };
    format!("{}{}{state}", mark(&marks.archived, "archived_"), mark(&marks.retried, RETRIED))
}

/// The jobs whose rows have states of their own.
struct Marks {
    archived: BTreeSet<String>,
    retried: BTreeSet<String>,
}

impl Marks {
    fn of(tables: &[Table]) -> Self {
        let jobs = tables.iter().find(|table| table.name == "kingcong_jobs").unwrap();
        let place = |name: &str| jobs.columns.iter().position(|column| column.name == name).unwrap();
        let id = place("id");
        let of = |column: usize| {
            let rows = jobs.rows.iter().filter(|row| row[column].trim_matches('\'') != "0");
            rows.map(|row| row[id].clone()).collect()
        };
        Self { archived: of(place("archived_attempts")), retried: of(place("retries")) }
    }
}

/// Other values for a cell: another row's, one that nobody has, and nothing where the column allows that.
fn others(table: &Table, column: usize, row: usize) -> Vec<String> {
    let now = &table.rows[row][column];
    let of_others =
        table.rows.iter().map(|other| &other[column]).find(|other| *other != now && *other != "NULL");
    let mut values: Vec<String> = of_others.into_iter().cloned().collect();
    values.push(table.columns[column].altered(now));
    if now != "NULL" {
        values.push("NULL".to_owned());
    }
    values
}

/// What was done to a table, in rows of one state: the column that was altered, or none for rows that were deleted.
type Place = (String, Option<String>, String);

/// The damages that were not found, by what was done.
#[derive(Default)]
struct Outcome(BTreeMap<Place, Vec<String>>);

impl Outcome {
    fn check(&self) -> Vec<String> {
        let mut wrong = Vec::new();
        let mut used = BTreeSet::new();
        for ((table, column, state), unseen) in &self.0 {
            let Some(first) = unseen.first() else { continue };
            let list = if column.is_some() { COLUMNS } else { ROWS };
            let covers = |one: &Unfindable| {
                let word = |words: &str, word: &str| words.split(' ').any(|it| it == word);
                // What is not found in rows of any job is not found in those of a retried one.
                let of_any_job = state.split_once(RETRIED).map_or("", |(_, state)| state);
                one.table == table
                    && column.as_ref().is_none_or(|column| word(one.columns, column))
                    && (one.states.is_empty() || word(one.states, state) || word(one.states, of_any_job))
            };
            match list.iter().position(covers) {
                Some(place) => {
                    used.insert((column.is_some(), place));
                }
                None => wrong.push(format!("not found in state {state:?}: {first}")),
            }
        }
        for (is_column, list) in [(true, COLUMNS), (false, ROWS)] {
            for (place, one) in list.iter().enumerate() {
                assert!(!one.why.is_empty());
                if !used.contains(&(is_column, place)) {
                    let (table, columns) = (one.table, one.columns);
                    wrong.push(format!(
                        "always found, take it off the list: {table} {columns} {}",
                        one.states
                    ));
                }
            }
        }
        wrong
    }
}

/// A store that is damaged, looked at, and mended again.
struct Patient<'a> {
    url: &'a str,
    store: SqlStore,
    master: StaticMasterKey,
    dump: Dump,
    marks: Marks,
    outcome: Outcome,
}

impl<'a> Patient<'a> {
    async fn sound(url: &'a str) -> Self {
        let clock = StandingClock::new();
        let mut options = Options::default();
        options.clock = Some(Arc::<StandingClock>::clone(&clock));
        let store = SqlStore::connect_with(url, options).await.unwrap();
        let master = world::build(&store, &clock).await;
        let dump = Dump::read(url).await;
        let marks = Marks::of(&dump.tables);
        let patient = Self { url, store, master, dump, marks, outcome: Outcome::default() };
        patient.is_sound("as it was built").await;
        patient
    }

    async fn is_sound(&self, when: &str) {
        let found = verify(&self.store, &self.master).await.unwrap();
        assert!(found.is_sound(), "{} {when}: {:#?}", self.url, found.discrepancies);
    }

    /// Notes whether what was just done is found.
    async fn look(&mut self, table: &Table, column: Option<usize>, state: &str, damage: &str) {
        if verify(&self.store, &self.master).await.unwrap().is_sound() {
            let column = column.map(|column| table.columns[column].name.clone());
            let place = (table.name.clone(), column, state.to_owned());
            self.outcome.0.entry(place).or_default().push(damage.to_owned());
        }
    }

    /// Every cell of a row is altered in every way that the schema allows.
    async fn alter(&mut self, table: &Table, row: usize, state: &str) {
        for column in 0..table.columns.len() {
            for value in others(table, column, row) {
                let damage = table.set(row, column, &value);
                if self.dump.try_run(&damage).await {
                    self.look(table, Some(column), state, &damage).await;
                    self.dump.restore(table, row, column, &value).await;
                }
            }
        }
    }

    /// Rows vanish: one, or all of a table.
    async fn delete(&mut self, table: &Table, rows: &[usize], state: &str) {
        for row in rows {
            self.dump.run(&format!("DELETE FROM {} {}", table.name, table.row_is(*row))).await;
        }
        let damage =
            format!("DELETE of {} rows of {}, such as {}", rows.len(), table.name, table.row_is(rows[0]));
        self.look(table, None, state, &damage).await;
        for row in rows {
            self.dump.run(&table.insert(&table.rows[*row])).await;
        }
    }

    /// Two rows get each other's value in one column.
    async fn swap(&mut self, table: &Table, [one, other]: [usize; 2], state: &str) {
        for column in 0..table.columns.len() {
            let mut cells = [table.rows[one].clone(), table.rows[other].clone()];
            if table.columns[column].is_key || cells[0][column] == cells[1][column] {
                continue;
            }
            let [first, second] = &mut cells;
            std::mem::swap(&mut first[column], &mut second[column]);
            let delete = |row| format!("DELETE FROM {} {}", table.name, table.row_is(row));
            for row in [one, other] {
                self.dump.run(&delete(row)).await;
            }
            let is_allowed = self.dump.try_run(&table.insert(first)).await
                && self.dump.try_run(&table.insert(second)).await;
            if is_allowed {
                let name = &table.columns[column].name;
                let damage = format!("{}.{name} of two rows swapped, {}", table.name, table.row_is(one));
                self.look(table, Some(column), state, &damage).await;
            }
            for row in [one, other] {
                self.dump.run(&delete(row)).await;
            }
            for row in [one, other] {
                self.dump.run(&table.insert(&table.rows[row])).await;
            }
        }
    }
}

/// Alters whatever the schema of a database allows.
async fn damage(url: &str) {
    let mut patient = Patient::sound(url).await;
    for table in patient.dump.tables.clone() {
        let name = &table.name;
        assert!(!table.rows.is_empty(), "nothing in {name} is damaged: give the world a row of it");
        let mut states: BTreeMap<String, Vec<usize>> = BTreeMap::new();
        for row in 0..table.rows.len() {
            states.entry(state(&table, row, &patient.marks)).or_default().push(row);
        }
        for (state, rows) in &states {
            let chosen = if state.is_empty() { ROWS_WITHOUT_STATE_MAX } else { ROWS_MAX };
            for &row in rows.iter().take(chosen) {
                patient.alter(&table, row, state).await;
                patient.delete(&table, &[row], state).await;
            }
            if let [one, other, ..] = rows[..] {
                patient.swap(&table, [one, other], state).await;
            }
            patient.delete(&table, rows, state).await;
        }
        patient.is_sound(&format!("after {name} was mended")).await;
    }
    let wrong = patient.outcome.check();
    assert!(wrong.is_empty(), "{url}:\n{}", wrong.join("\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn every_damage_that_sqlite_allows_is_found_or_listed_with_its_reason() {
    let folder = tempfile::tempdir().unwrap();
    damage(&format!("sqlite://{}", folder.path().join("kingcong.db").display())).await;
}

#[cfg(feature = "postgres")]
#[tokio::test(flavor = "multi_thread")]
async fn every_damage_that_postgres_allows_is_found_or_listed_with_its_reason() {
    damage(&crate::databases::postgres().fresh_database().unwrap()).await;
}

#[cfg(feature = "mysql")]
#[tokio::test(flavor = "multi_thread")]
async fn every_damage_that_mariadb_allows_is_found_or_listed_with_its_reason() {
    damage(&crate::databases::mariadb().fresh_database().unwrap()).await;
}
