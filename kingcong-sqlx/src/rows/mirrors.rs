//! Mirrors: columns that people and other programs know from the source's schema, while the truth is elsewhere.
//! They are written here and nowhere else, and nothing reads them.

use kingcong_core::{
    id::{KeyId, Route, ServerId, ServiceId},
    keys::{Key, Limit},
    pricing::{Charge, Measure, Price},
    routing::{Maintenance, Switch, System},
    work::{Task, TaskState},
};

use super::EntryRow;
use crate::cell::Cell;

/// `user_id`, `service_used`.
pub(super) fn of_entry(row: &EntryRow, cells: &mut Vec<Cell>) {
    cells.push(row.user.as_ref().map(|user| user.as_str()).into());
    cells.push(row.entry.cause.route.as_ref().map_or(Cell::Null, |route| Cell::Text(route.to_string())));
}

/// `status`, `assigned_to`, `service`, `api_key_id`, `output_data`.
pub(super) fn of_task(task: &Task, cells: &mut Vec<Cell>) {
    let status = match task.state {
        TaskState::Ready { .. } | TaskState::Delayed { .. } => "pending",
        TaskState::Running { .. } => "processing",
        TaskState::Done => "completed",
        TaskState::Failed { .. } | TaskState::Cancelled => "failed",
    };
    let output = match task.state {
        TaskState::Done => Cell::Text(format!("kingcong_outputs:{}", task.id)),
        _ => Cell::Null,
    };
    let route = task.planned_route().route();
    cells.extend([
        Cell::Word(status),
        route.server.as_str().into(),
        route.service.as_str().into(),
        task.tried.last().copied().map(KeyId::as_uuid).into(),
        output,
    ]);
}

/// `api_key`, `is_active`.
pub(super) fn of_key(key: &Key, cells: &mut Vec<Cell>) {
    cells.extend([key.mask.as_str().into(), Cell::Int(key.is_usable().into())]);
}

/// `current_usage`, `max_threads`, `rate_limit_per_min`, `last_used`.
pub(super) fn of_key_limit(limit: &Limit, cells: &mut Vec<Cell>) {
    cells.extend([
        limit.in_flight.into(),
        limit.max_in_flight.get().into(),
        limit.per_window.get().into(),
        limit.window.newest().into(),
    ]);
}

/// The four switches, `maintenance_mode`, the two ratios.
pub(super) fn of_system(system: &System, cells: &mut Vec<Cell>) {
    for (server, service) in
        [("ai33", "elevenlabs"), ("ai33", "minimax"), ("ai84", "elevenlabs"), ("ai84", "minimax")]
    {
        let route = Route::new(
            ServerId::new(server).expect("it is a slug"),
            ServiceId::new(service).expect("it is a slug"),
        );
        cells.push(Cell::Int((system.routes.get(&route) == Some(&Switch::On)).into()));
    }
    let maintenance = match &system.maintenance {
        Maintenance::None => "none".to_owned(),
        Maintenance::Full => "full".to_owned(),
        Maintenance::Services(services) => {
            services.iter().map(ServiceId::as_str).collect::<Vec<_>>().join(",")
        }
    };
    cells.push(Cell::Text(maintenance));
    let total: u64 = system.servers.values().map(|server| u64::from(server.weight)).sum();
    for server in ["ai33", "ai84"] {
        let weight = system.servers.get(server).map_or(0, |server| u64::from(server.weight));
        cells.push(Cell::unsigned((weight * 100).checked_div(total).unwrap_or(0)));
    }
}

/// `service_name`, `credits_per_character`, `credits_per_second`, `is_active`, `updated_at`.
pub(super) fn of_price(price: &Price, cells: &mut Vec<Cell>) {
    let per_unit = |measure: Measure, units: u32| {
        let lines = match &price.charge {
            Charge::Free => &[][..],
            Charge::Lines(lines) => lines.as_slice(),
        };
        let line = lines.iter().find(|line| line.measure == measure && line.per.get() == units);
        line.map_or(Cell::Null, |line| Cell::Text(line.price(price.unit).to_string()))
    };
    cells.extend([
        price.name.as_str().into(),
        per_unit(Measure::Character, 1),
        per_unit(Measure::AudioMs, 1000),
        Cell::Int((price.switch == Switch::On).into()),
        price.since.into(),
    ]);
}
