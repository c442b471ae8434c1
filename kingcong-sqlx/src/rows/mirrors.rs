//! Mirrors: columns that people and other programs know from the source's schema, while the truth is elsewhere.
//! Those that a database cannot compute from its row are written here and nowhere else, and nothing reads them.

use kingcong_core::{
    id::{Route, ServerId, ServiceId},
    keys::Limit,
    measure::Measure,
    pricing::{Charge, Price},
    routing::{Maintenance, System},
    switch::Switch,
};

use super::EntryRow;
use crate::cell::Cell;

/// `user_id`.
pub(super) fn of_entry(row: &EntryRow, cells: &mut Vec<Cell>) {
    cells.push(row.user.as_ref().map(|user| user.as_str()).into());
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
