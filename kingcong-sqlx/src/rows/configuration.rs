//! The configuration's one row, prices and packages.

use kingcong_core::{
    clock::Timestamp,
    measure::Measure,
    money::{Money, Unit},
    pricing::{Package, Price},
    routing::System,
    switch::Switch,
};

use super::mirrors;
use crate::{
    cell::{Cell, Corrupt, Row},
    rows::store::ONLY_ROW,
    table::{ColumnOf, Kind, Record, Written, fixed, key, mirror, mutable},
};

/// The version and what is configured but for prices and packages.
#[derive(Debug)]
pub(crate) struct ConfigurationRow {
    pub(crate) version: i64,
    pub(crate) system: System,
    pub(crate) updated_at: Timestamp,
}

impl Written for ConfigurationRow {
    const NAME: &'static str = "kingcong_config";
    const COLUMNS: &'static [ColumnOf<Self>] = &[
        key("id", Kind::Int, |_| ONLY_ROW.into()),
        mutable("version", Kind::Int, |row| row.version.into()),
        mutable("document", Kind::Text, |row| Cell::json(&row.system)),
        mutable("updated_at", Kind::Int, |row| row.updated_at.into()),
        mirror("ai33_elevenlabs_active", Kind::Int, |row| mirrors::is_on(&row.system, "ai33", "elevenlabs")),
        mirror("ai33_minimax_active", Kind::Int, |row| mirrors::is_on(&row.system, "ai33", "minimax")),
        mirror("ai84_elevenlabs_active", Kind::Int, |row| mirrors::is_on(&row.system, "ai84", "elevenlabs")),
        mirror("ai84_minimax_active", Kind::Int, |row| mirrors::is_on(&row.system, "ai84", "minimax")),
        mirror("maintenance_mode", Kind::Text, |row| mirrors::maintenance(&row.system)),
        mirror("task_split_ratio_ai33", Kind::Int, |row| mirrors::ratio(&row.system, "ai33")),
        mirror("task_split_ratio_ai84", Kind::Int, |row| mirrors::ratio(&row.system, "ai84")),
    ];
}

impl Record for ConfigurationRow {
    fn read(row: &mut Row) -> Result<Self, Corrupt> {
        Ok(Self {
            version: row.int("version")?,
            system: row.json("document")?,
            updated_at: row.time("updated_at")?,
        })
    }
}

/// A price that is in force.
#[derive(Debug)]
pub(crate) struct PriceRow(pub(crate) Price);

/// The cell of a price's model: a text, since a key has no nulls.
fn model(price: &Price) -> Cell {
    price.model.as_deref().unwrap_or_default().into()
}

impl PriceRow {
    /// What there is one price in force for: server, service, operation, model, lane and instant.
    pub(crate) fn place(price: &Price) -> Vec<Cell> {
        vec![
            price.route.server.as_str().into(),
            price.route.service.as_str().into(),
            Cell::Word(price.operation.as_str()),
            model(price),
            Cell::Word(price.lane.as_str()),
            price.since.into(),
        ]
    }
}

impl Written for PriceRow {
    const NAME: &'static str = "kingcong_pricing";
    const COLUMNS: &'static [ColumnOf<Self>] = &[
        key("server", Kind::Text, |Self(price)| price.route.server.as_str().into()),
        key("service_type", Kind::Text, |Self(price)| price.route.service.as_str().into()),
        key("operation", Kind::Text, |Self(price)| Cell::Word(price.operation.as_str())),
        key("model", Kind::Text, |Self(price)| model(price)),
        key("lane", Kind::Text, |Self(price)| Cell::Word(price.lane.as_str())),
        key("since", Kind::Int, |Self(price)| price.since.into()),
        fixed("version", Kind::Int, |Self(price)| price.version.into()),
        fixed("document", Kind::Text, |Self(price)| Cell::json(price)),
        fixed("in_force", Kind::Int, |_| Cell::Int(1)),
        mirror("service_name", Kind::Text, |Self(price)| price.name.as_str().into()),
        mirror("credits_per_character", Kind::Text, |Self(price)| {
            mirrors::per_unit(price, Measure::Character, 1)
        }),
        mirror("credits_per_second", Kind::Text, |Self(price)| {
            mirrors::per_unit(price, Measure::AudioMs, 1000)
        }),
        mirror("is_active", Kind::Int, |Self(price)| Cell::Int((price.switch == Switch::On).into())),
        mirror("updated_at", Kind::Int, |Self(price)| price.since.into()),
    ];
}

impl Record for PriceRow {
    fn read(row: &mut Row) -> Result<Self, Corrupt> {
        row.json("document").map(Self)
    }
}

/// A package of the catalogue.
#[derive(Debug)]
pub(crate) struct PackageRow(pub(crate) Package);

impl Written for PackageRow {
    const NAME: &'static str = "kingcong_packages";
    const COLUMNS: &'static [ColumnOf<Self>] = &[
        key("id", Kind::Text, |Self(package)| package.id.as_str().into()),
        mutable("credits", Kind::Int, |Self(package)| package.credits.into()),
        mutable("unit", Kind::Text, |Self(package)| Cell::Word(package.unit.code())),
        mutable("price", Kind::Int, |Self(package)| package.price.amount.into()),
        mutable("price_unit", Kind::Text, |Self(package)| Cell::Word(package.price.unit.code())),
        mutable("label", Kind::Text, |Self(package)| package.label.as_str().into()),
        mutable("is_active", Kind::Int, |Self(package)| Cell::Int((package.switch == Switch::On).into())),
    ];
}

impl Record for PackageRow {
    fn read(row: &mut Row) -> Result<Self, Corrupt> {
        let unit = |code: &str| Unit::from_code(code).ok();
        Ok(Self(Package {
            id: row.parsed("id")?,
            credits: row.amount("credits")?,
            unit: row.word("unit", unit)?,
            price: Money::new(row.amount("price")?, row.word("price_unit", unit)?),
            label: row.text("label")?,
            switch: if row.int("is_active")? == 0 { Switch::Off } else { Switch::On },
        }))
    }
}
