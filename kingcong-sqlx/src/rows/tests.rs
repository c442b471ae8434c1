//! Every record is read from what it is written as.

use kingcong_core::{
    id::{JobId, TaskId, VoiceId},
    keys::RouteHealth,
    measure::{Counts, Measure, Measured, Quantities},
    money::Amount,
    store::{
        Remembered,
        conformance::fixtures::{Ids, Order, configuration, sound, speech},
    },
    work::{Made, MadeVoice, TaskError},
};
use uuid::Uuid;

use super::{AnyRecord, JobStanding, RECORDS, any};
use crate::{
    cell::{Cell, Gives, Names, Row},
    table::{Column, Kind, Table, Written as _},
};

/// Some of a row's cells.
type Cells = Vec<(&'static str, Cell)>;

fn word(text: &str) -> Cell {
    text.into()
}

/// Cells that not every value may be: for each row, those that are not what [`cell`] gives.
fn rows(table: &str) -> Vec<Cells> {
    let nulls = |names: &[&'static str]| names.iter().map(|name| (*name, Cell::Null)).collect::<Cells>();
    let with = |of: &[Cells]| of.concat();
    match table {
        "kingcong_credits" => {
            vec![vec![("unit", word("credit"))], vec![("unit", word("usd")), ("user_id", Cell::Null)]]
        }
        "kingcong_transactions" => vec![
            vec![("type", word("usage"))],
            with(&[vec![("type", word("purchase"))], nulls(&["server", "service", "task_id", "reference"])]),
        ],
        "kingcong_config" => {
            vec![vec![("id", Cell::Int(1)), ("document", Cell::json(&configuration().system))]]
        }
        "kingcong_pricing" => {
            let price = configuration().prices.iter().next().unwrap().clone();
            vec![vec![
                ("server", price.route.server.as_str().into()),
                ("service_type", price.route.service.as_str().into()),
                ("operation", word(price.operation.as_str())),
                ("model", word("")),
                ("lane", word(price.lane.as_str())),
                ("since", price.since.into()),
                ("version", price.version.into()),
                ("document", Cell::json(&price)),
                ("in_force", Cell::Int(1)),
            ]]
        }
        "kingcong_packages" => {
            vec![vec![("unit", word("credit")), ("price_unit", word("usd")), ("is_active", Cell::Int(1))]]
        }
        "kingcong_api_keys" => {
            let key = |phase: &str, others: Cells| {
                let cells = vec![("phase", word(phase)), ("switch", word("on"))];
                with(&[cells, nulls(&["reason", "needed"]), others])
            };
            vec![
                key("active", Vec::new()),
                key("doubtful", vec![("switch", word("off"))]),
                key("dead", vec![("reason", word("refused"))]),
                key("out_of_credit", vec![("needed", Cell::Int(7))]),
                key("unreadable", vec![("reason", word("no key"))]),
                key("suspended", vec![("reason", word("https://one.example"))]),
                key("removed", nulls(&["envelope", "account", "balance", "checked_at", "used_before"])),
            ]
        }
        "kingcong_limits" => {
            let limit = |level: &str| vec![("level", word(level)), ("starts", word("1000;5"))];
            vec![limit("key"), limit("account"), with(&[limit("egress"), nulls(&["account", "pool"])])]
        }
        "kingcong_pools" => {
            let health = vec![("health", Cell::json(&RouteHealth::default()))];
            vec![health.clone(), with(&[health, nulls(&["only_key"])])]
        }
        "kingcong_splits" => vec![vec![("carry", word("[1,-1]"))]],
        "kingcong_tenants" => vec![vec![("state", word("suspended"))]],
        "kingcong_jobs" => {
            let job = vec![
                ("operation", word("speech")),
                ("unit", word("credit")),
                ("total_den", Cell::Int(4)),
                ("total_sum", word("40")),
                ("total_overrun", word("20")),
                ("charged", Cell::Int(10)),
                ("layout", Cell::json(&sound(8000).layout)),
                ("state", word("completed")),
            ];
            let nothing = nulls(&["model", "idempotency", "retried_under", "layout", "finished_at"]);
            vec![job.clone(), with(&[job, nothing, vec![("state", word("open"))]])]
        }
        "kingcong_tasks" => {
            let routes = Cell::json(&Order::new("user", 1).admit(&Ids::default()).tasks[0].routes);
            let task = |state: &str, has: &[&str]| {
                let of_state = ["pool", "tag", "until", "attempt", "error"];
                let others = of_state.into_iter().filter(|name| !has.contains(name)).collect::<Vec<_>>();
                let cells = vec![
                    ("routes", routes.clone()),
                    ("quantities", Cell::json(&Quantities::one_request())),
                    ("state", word(state)),
                    ("planned", Cell::Int(0)),
                    ("cause", word("moved")),
                    ("tried", Cell::Bytes(vec![7; 32])),
                    ("doubt", word("possible_double")),
                    ("error", Cell::json(&TaskError::NoRoute)),
                    ("input_data", Cell::json(&speech("text"))),
                ];
                let kept = cells.into_iter().filter(|(name, _)| !others.contains(name)).collect();
                with(&[kept, nulls(&others)])
            };
            vec![
                task("ready", &["pool", "tag"]),
                task("delayed", &["pool", "until"]),
                task("running", &["attempt"]),
                task("done", &[]),
                task("failed", &["error"]),
                with(&[task("cancelled", &[]), nulls(&["only_key", "completed_at"])]),
            ]
        }
        "kingcong_attempts" => {
            let attempt = |state: &str, has: &[&str]| {
                let of_state =
                    ["upstream_id", "unknown_until", "failure_kind", "failure_code", "failure_message"];
                let others = of_state.into_iter().filter(|name| !has.contains(name)).collect::<Vec<_>>();
                let cells = vec![
                    ("operation", word("clone_voice")),
                    ("unit", word("credit")),
                    ("lane", word("shared")),
                    ("cause", word("planned")),
                    ("key_tenant", Cell::Null),
                    ("doubt", word("none")),
                    ("state", word(state)),
                    ("failure_kind", word("policy")),
                    ("measured", Cell::json(&Measured::from(Counts::NONE.with(Measure::AudioMs, 4180)))),
                    ("usage_check", word("missing")),
                ];
                let kept = cells.into_iter().filter(|(name, _)| !others.contains(name)).collect();
                with(&[kept, nulls(&others)])
            };
            let nothing = nulls(&[
                "model",
                "account_limit",
                "egress_limit",
                "open_worker",
                "ended_at",
                "cost",
                "measured",
            ]);
            vec![
                attempt("leased", &[]),
                attempt("accepted", &["upstream_id"]),
                attempt("unknown", &["unknown_until"]),
                attempt("done", &[]),
                attempt("not_sent", &[]),
                attempt("failed", &["failure_kind", "failure_code", "failure_message"]),
                with(&[attempt("lost", &[]), nothing]),
            ]
        }
        "kingcong_holds" => vec![Vec::new(), nulls(&["closed_at", "released"])],
        "kingcong_idempotency" => {
            let (job, held) = (JobId::from_uuid(Uuid::nil()), Amount::new(5));
            vec![vec![("answer", Cell::json(&Remembered::Job { job, held }))]]
        }
        "kingcong_outputs" => {
            let made = |made: Made| vec![("made", Cell::json(&made))];
            let audio = || made(Made::Audio(sound(8000)));
            let (id, upstream_voice, name) = (VoiceId::from_uuid(Uuid::nil()), "up".into(), "An".into());
            let voice = made(Made::Voice(MadeVoice { id, upstream_voice, name }));
            vec![
                with(&[audio(), vec![("bytes", Cell::Int(32)), ("path", Cell::Null)]]),
                with(&[audio(), vec![("text", Cell::Null), ("body", Cell::Null)]]),
                with(&[voice, nulls(&["text", "path", "bytes", "body"])]),
            ]
        }
        "kingcong_workers" => vec![vec![("life", word("buried"))]],
        "kingcong_key_changes" | "kingcong_rules" => vec![vec![("id", Cell::Int(1))]],
        "kingcong_late_answers" => vec![Vec::new(), nulls(&["upstream_id", "cost"])],
        "kingcong_data_keys" => vec![
            vec![("used_for", word("tenant"))],
            vec![("used_for", word("fingerprints")), ("tenant", word(""))],
        ],
        "kingcong_audit" => {
            let entry = vec![("role", word("operator")), ("outcome", word("done"))];
            vec![entry.clone(), with(&[entry, nulls(&["tenant", "target"])])]
        }
        _ => vec![Vec::new()],
    }
}

/// A cell that no other column of the row has.
fn cell(column: &Column, place: u8) -> Cell {
    match column.kind {
        Kind::Int => Cell::Int(i64::from(place) + 1),
        Kind::Id => Cell::Id([place; 16]),
        Kind::Bytes => Cell::Bytes(vec![place; 32]),
        Kind::Text => Cell::Text(format!("text-{place}")),
    }
}

/// The cells that rows of a table are read from, of some rows.
fn samples(table: Table) -> Vec<Vec<Cell>> {
    let row = |given: Cells| {
        let columns = (0..).zip(table.read());
        let of = |(place, column): (u8, &Column)| {
            let given = given.iter().rev().find(|(name, _)| *name == column.name);
            given.map_or_else(|| cell(column, place), |(_, cell)| cell.clone())
        };
        columns.map(of).collect()
    };
    rows(table.name).into_iter().map(row).collect()
}

fn written_again(record: AnyRecord, names: Names, cells: Vec<Cell>) -> Vec<Cell> {
    let again = (record.written_again)(Row::new(names, cells)).unwrap();
    assert_eq!(again.len(), record.table.columns().count());
    let as_read = |cell| match cell {
        Cell::Word(word) => Cell::Text(word.to_owned()),
        other => other,
    };
    again.into_iter().take(record.table.read().count()).map(as_read).collect()
}

#[test]
fn a_row_is_read_from_what_it_is_written_as() {
    for record in RECORDS.into_iter().chain([any::<JobStanding>()]) {
        for cells in samples(record.table) {
            let names = || record.table.read().map(|column| column.name);
            let declared = Names::new(Gives::Record(record.table), names());
            assert_eq!(written_again(record, declared, cells.clone()), cells, "{:?}", record.table);
        }
    }
}

#[test]
fn a_row_is_read_by_the_names_of_its_columns() {
    for record in RECORDS.into_iter().chain([any::<JobStanding>()]) {
        for cells in samples(record.table) {
            let mut names: Vec<_> = record.table.read().map(|column| column.name).collect();
            names.reverse();
            let turned = cells.iter().rev().cloned().collect();
            let told = Names::new(Gives::Named(record.table.name), names.into_iter());
            assert_eq!(written_again(record, told, turned), cells, "{:?}", record.table);
        }
    }
}

#[test]
fn records_that_stand_side_by_side_are_read_each_from_its_own_columns() {
    let (one, other) = (JobStanding::TABLE, super::KeyLimitMirrors::TABLE);
    let names = other.columns().chain(one.columns()).map(|column| column.name);
    let mut cells: Vec<Cell> =
        (100..).zip(other.columns()).map(|(place, column)| cell(column, place)).collect();
    cells.extend(samples(one).swap_remove(0));
    let row = Row::new(Names::new(Gives::Named(one.name), names), cells);
    let job = row.read(|row| row.record::<JobStanding>()).unwrap();
    assert_eq!(job.id, JobId::from_uuid(Uuid::from_bytes([0; 16])));
}

#[test]
fn a_column_that_was_not_read_is_named() {
    let row =
        Row::new(Names::new(Gives::Named("kingcong_tasks"), ["id"].into_iter()), vec![Cell::Id([1; 16])]);
    let error = row.read(|row| Ok((TaskId::from_uuid(row.uuid("id")?), row.int("place")?))).unwrap_err();
    assert!(error.to_string().contains("column place: it was not read"), "{error}");
}
