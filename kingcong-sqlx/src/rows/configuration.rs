//! The configuration's one row, prices and packages.

use kingcong_core::{
    clock::Timestamp,
    money::{Money, Unit},
    pricing::{Package, Price},
    routing::System,
    switch::Switch,
};

use super::{mirrors, put_route};
use crate::{
    cell::{Cell, Corrupt, Row},
    table::{Record, Table},
};

/// The version and what is configured but for prices and packages.
#[derive(Debug)]
pub(crate) struct ConfigurationRow {
    pub(crate) version: i64,
    pub(crate) system: System,
    pub(crate) updated_at: Timestamp,
}

impl Record for ConfigurationRow {
    const TABLE: Table = Table {
        name: "kingcong_config",
        key: 1,
        fixed: &["id"],
        mutable: &["version", "document", "updated_at"],
        mirrors: &[
            "ai33_elevenlabs_active",
            "ai33_minimax_active",
            "ai84_elevenlabs_active",
            "ai84_minimax_active",
            "maintenance_mode",
            "task_split_ratio_ai33",
            "task_split_ratio_ai84",
        ],
    };

    fn fixed(&self, cells: &mut Vec<Cell>) {
        cells.push(Cell::Int(1));
    }

    fn mutable(&self, cells: &mut Vec<Cell>) {
        cells.extend([self.version.into(), Cell::json(&self.system), self.updated_at.into()]);
    }

    fn mirrors(&self, cells: &mut Vec<Cell>) {
        mirrors::of_system(&self.system, cells);
    }

    fn read(row: &mut Row) -> Result<Self, Corrupt> {
        row.int()?;
        Ok(Self { version: row.int()?, system: row.json()?, updated_at: row.time()? })
    }
}

/// A price that is in force.
#[derive(Debug)]
pub(crate) struct PriceRow(pub(crate) Price);

impl PriceRow {
    /// What there is one price in force for.
    pub(crate) fn place(price: &Price) -> Vec<Cell> {
        let mut cells = Vec::new();
        put_route(&price.route, &mut cells);
        cells.extend([
            Cell::Word(price.operation.as_str()),
            price.model.as_deref().unwrap_or_default().into(),
        ]);
        cells
    }
}

impl Record for PriceRow {
    const TABLE: Table = Table {
        name: "kingcong_pricing",
        key: 4,
        fixed: &["server", "service_type", "operation", "model", "version", "document", "in_force"],
        mutable: &[],
        mirrors: &["service_name", "credits_per_character", "credits_per_second", "is_active", "updated_at"],
    };

    fn fixed(&self, cells: &mut Vec<Cell>) {
        cells.extend(Self::place(&self.0));
        cells.extend([self.0.version.into(), Cell::json(&self.0), Cell::Int(1)]);
    }

    fn mirrors(&self, cells: &mut Vec<Cell>) {
        mirrors::of_price(&self.0, cells);
    }

    fn read(row: &mut Row) -> Result<Self, Corrupt> {
        for _ in 0..5 {
            row.cell()?;
        }
        row.json().map(Self)
    }
}

/// A package of the catalogue.
#[derive(Debug)]
pub(crate) struct PackageRow(pub(crate) Package);

impl Record for PackageRow {
    const TABLE: Table = Table {
        name: "kingcong_packages",
        key: 1,
        fixed: &["id"],
        mutable: &["credits", "unit", "price", "price_unit", "label", "is_active"],
        mirrors: &[],
    };

    fn fixed(&self, cells: &mut Vec<Cell>) {
        cells.push(self.0.id.as_str().into());
    }

    fn mutable(&self, cells: &mut Vec<Cell>) {
        let package = &self.0;
        cells.extend([
            package.credits.into(),
            Cell::Word(package.unit.code()),
            package.price.amount.into(),
            Cell::Word(package.price.unit.code()),
            package.label.as_str().into(),
            Cell::Int((package.switch == Switch::On).into()),
        ]);
    }

    fn read(row: &mut Row) -> Result<Self, Corrupt> {
        let unit = |code: &str| Unit::from_code(code).ok();
        Ok(Self(Package {
            id: row.parsed()?,
            credits: row.amount()?,
            unit: row.word(unit)?,
            price: Money::new(row.amount()?, row.word(unit)?),
            label: row.text()?,
            switch: if row.int()? == 0 { Switch::Off } else { Switch::On },
        }))
    }
}
