//! Mirrors: columns that people and other programs know from the source's schema, while the truth is elsewhere.
//! They are written with their rows and nothing reads them. A database computes a column only where its formula can
//! never change: for another formula every row would be written again, while releases that know the old one still run.

use std::num::NonZeroU32;

use kingcong_core::{
    clock::Timestamp,
    id::{LimitId, Route, ServerId, ServiceId},
    keys::Limit,
    measure::Measure,
    pricing::{Charge, Price},
    routing::{Maintenance, System},
    store::OutputRow,
    switch::Switch,
    work::{Task, TaskState},
};

use crate::{
    cell::Cell,
    table::{ColumnOf, Kind, Written, key, mirror},
};

/// A key's limit as its key repeats it: written with the limit, never read.
#[derive(Debug)]
pub(crate) struct KeyLimitMirrors {
    id: LimitId,
    in_flight: u32,
    max_in_flight: NonZeroU32,
    per_window: NonZeroU32,
    last_used: Option<Timestamp>,
}

impl From<&Limit> for KeyLimitMirrors {
    fn from(limit: &Limit) -> Self {
        Self {
            id: limit.id,
            in_flight: limit.in_flight,
            max_in_flight: limit.max_in_flight,
            per_window: limit.per_window,
            last_used: limit.window.newest(),
        }
    }
}

impl Written for KeyLimitMirrors {
    const NAME: &'static str = "kingcong_api_keys";
    const COLUMNS: &'static [ColumnOf<Self>] = &[
        key("id", Kind::Id, |limit| limit.id.as_uuid().into()),
        mirror("current_usage", Kind::Int, |limit| limit.in_flight.into()),
        mirror("max_threads", Kind::Int, |limit| limit.max_in_flight.get().into()),
        mirror("rate_limit_per_min", Kind::Int, |limit| limit.per_window.get().into()),
        mirror("last_used", Kind::Int, |limit| limit.last_used.into()),
    ];
}

/// A task's state in the source's words.
pub(super) fn status(task: &Task) -> Cell {
    Cell::Word(match task.state {
        TaskState::Ready { .. } | TaskState::Delayed { .. } => "pending",
        TaskState::Running { .. } => "processing",
        TaskState::Done => "completed",
        TaskState::Failed { .. } | TaskState::Cancelled => "failed",
    })
}

/// Where a task's result is.
pub(super) fn output_data(task: &Task) -> Cell {
    match task.state {
        TaskState::Done => Cell::Text(format!("{}.task = {}", OutputRow::NAME, task.id)),
        _ => Cell::Null,
    }
}

/// Whether a route of the source is on.
pub(super) fn is_on(system: &System, server: &str, service: &str) -> Cell {
    let route = Route::new(
        ServerId::new(server).expect("it is a slug"),
        ServiceId::new(service).expect("it is a slug"),
    );
    Cell::Int((system.routes.get(&route) == Some(&Switch::On)).into())
}

/// What is in maintenance.
pub(super) fn maintenance(system: &System) -> Cell {
    Cell::Text(match &system.maintenance {
        Maintenance::None => "none".to_owned(),
        Maintenance::Full => "full".to_owned(),
        Maintenance::Services(services) => {
            services.iter().map(ServiceId::as_str).collect::<Vec<_>>().join(",")
        }
    })
}

/// A server's share of all weights, in percent.
pub(super) fn ratio(system: &System, server: &str) -> Cell {
    let total: u64 = system.servers.values().map(|server| u64::from(server.weight)).sum();
    let weight = system.servers.get(server).map_or(0, |server| u64::from(server.weight));
    Cell::unsigned((weight * 100).checked_div(total).unwrap_or(0))
}

/// What a price takes per so many units of a measure, if it has a line for just that.
pub(super) fn per_unit(price: &Price, measure: Measure, units: u32) -> Cell {
    let lines = match &price.charge {
        Charge::Free => &[][..],
        Charge::Lines(lines) => lines.as_slice(),
    };
    let line =
        lines.iter().find(|line| line.measure == measure && line.per.get() == units && line.when.is_empty());
    line.map_or(Cell::Null, |line| Cell::Text(line.price(price.unit).to_string()))
}
