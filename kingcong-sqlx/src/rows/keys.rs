//! Keys, limits, pools and flows.

use std::num::NonZeroU32;

use kingcong_core::{
    id::{KeyId, LimitId},
    keys::{Flow, Key, KeyStatus, Level, Limit, Pool, PoolId, Window},
    routing::BaseUrl,
    switch::Switch,
    upstream::UpstreamCredits,
    vault::{Envelope, Fingerprint, SecretVersion},
};

use super::{mirrors, put_route, read_route};
use crate::{
    cell::{Cell, Corrupt, Row},
    table::{Record, Table},
};

impl Record for Key {
    const TABLE: Table = Table {
        name: "kingcong_api_keys",
        key: 1,
        fixed: &["id", "server", "service", "tenant", "fingerprint", "account", "created_at", "used_before"],
        mutable: &[
            "label",
            "mask",
            "secret_version",
            "envelope",
            "switch",
            "phase",
            "reason",
            "needed",
            "balance",
            "checked_at",
        ],
        mirrors: &[],
    };

    fn fixed(&self, cells: &mut Vec<Cell>) {
        cells.push(self.id.as_uuid().into());
        put_route(&self.route, cells);
        cells.extend([
            self.tenant.as_str().into(),
            self.fingerprint.as_bytes().as_slice().into(),
            self.account.as_deref().into(),
            self.created_at.into(),
            self.last_used.into(),
        ]);
    }

    fn mutable(&self, cells: &mut Vec<Cell>) {
        let (mut reason, mut lacks) = (None, None);
        let phase = match &self.status {
            KeyStatus::Active => "active",
            KeyStatus::Doubtful => "doubtful",
            KeyStatus::Dead { reason: why } => {
                reason = Some(why.as_str());
                "dead"
            }
            KeyStatus::OutOfCredit { needed } => {
                lacks = Some(needed.thousandths());
                "out_of_credit"
            }
            KeyStatus::Unreadable { reason: why } => {
                reason = Some(why.as_str());
                "unreadable"
            }
            KeyStatus::Suspended { registered_for } => {
                reason = Some(registered_for.as_str());
                "suspended"
            }
            KeyStatus::Removed => "removed",
        };
        cells.extend([
            self.label.as_str().into(),
            self.mask.as_str().into(),
            self.secret_version.get().into(),
            self.envelope.as_ref().map(Envelope::as_bytes).into(),
            switch_word(self.switch),
            Cell::Word(phase),
            reason.into(),
            lacks.into(),
            self.balance.map(UpstreamCredits::thousandths).into(),
            self.checked_at.into(),
        ]);
    }

    fn read(row: &mut Row) -> Result<Self, Corrupt> {
        let id = KeyId::from_uuid(row.uuid()?);
        let (route, tenant) = (read_route(row)?, row.parsed()?);
        let fingerprint = Fingerprint::from_bytes(row.array()?);
        let (account, created_at) = (row.text_or_null()?, row.time()?);
        // Since then its limit tells, where it is read with it.
        let last_used = row.time_or_null()?;
        let (label, mask) = (row.text()?, row.text()?);
        let secret_version = row.number::<u32>()?;
        let secret_version = row.some(SecretVersion::new(secret_version))?;
        let envelope = row.bytes_or_null()?.map(Envelope::from_bytes);
        let switch = row.word(|word| match word {
            "on" => Some(Switch::On),
            "off" => Some(Switch::Off),
            _ => None,
        })?;
        let phase = row.text()?;
        let (reason, needed) = (row.text_or_null()?, row.int_or_null()?);
        let needed = needed.map(UpstreamCredits::from_thousandths);
        let status = match (phase.as_str(), reason, needed) {
            ("active", ..) => Some(KeyStatus::Active),
            ("doubtful", ..) => Some(KeyStatus::Doubtful),
            ("dead", Some(reason), _) => Some(KeyStatus::Dead { reason }),
            ("out_of_credit", _, Some(needed)) => Some(KeyStatus::OutOfCredit { needed }),
            ("unreadable", Some(reason), _) => Some(KeyStatus::Unreadable { reason }),
            ("suspended", Some(url), _) => {
                let registered_for = row.checked(BaseUrl::new(url))?.origin();
                Some(KeyStatus::Suspended { registered_for })
            }
            ("removed", ..) => Some(KeyStatus::Removed),
            _ => None,
        };
        Ok(Self {
            id,
            route,
            tenant,
            label,
            mask,
            fingerprint,
            secret_version,
            envelope,
            account,
            switch,
            status: row.some(status)?,
            balance: row.int_or_null()?.map(UpstreamCredits::from_thousandths),
            checked_at: row.time_or_null()?,
            last_used,
            created_at,
        })
    }
}

fn switch_word(switch: Switch) -> Cell {
    Cell::Word(match switch {
        Switch::On => "on",
        Switch::Off => "off",
    })
}

/// Where the limits of keys are repeated: written by [`key_limit_mirrors`], never read.
pub(crate) const KEY_LIMIT_MIRRORS: Table = Table {
    name: "kingcong_api_keys",
    key: 1,
    fixed: &["id"],
    mutable: &[],
    mirrors: &["current_usage", "max_threads", "rate_limit_per_min", "last_used"],
};

/// A key limit's id and the cells of [`KEY_LIMIT_MIRRORS`].
pub(crate) fn key_limit_mirrors(limit: &Limit, cells: &mut Vec<Cell>) {
    cells.push(limit.id.as_uuid().into());
    mirrors::of_key_limit(limit, cells);
}

/// Most calls of some kind.
pub(crate) fn read_bound(row: &mut Row) -> Result<NonZeroU32, Corrupt> {
    let number = row.number::<u32>()?;
    row.checked(number.try_into())
}

impl Record for Limit {
    const TABLE: Table = Table {
        name: "kingcong_limits",
        key: 1,
        fixed: &["id", "level", "account"],
        mutable: &[
            "pool",
            "max_in_flight",
            "per_window",
            "in_flight",
            "starts",
            "polls_kept",
            "polls_kept_until",
            "cooling_until",
            "doubts",
            "turn",
        ],
        mirrors: &[],
    };

    fn fixed(&self, cells: &mut Vec<Cell>) {
        let level = match self.level {
            Level::Key => "key",
            Level::Account => "account",
            Level::Egress => "egress",
        };
        cells.extend([
            self.id.as_uuid().into(),
            Cell::Word(level),
            self.account.map(LimitId::as_uuid).into(),
        ]);
    }

    fn mutable(&self, cells: &mut Vec<Cell>) {
        cells.extend([
            self.pool.map(PoolId::as_uuid).into(),
            self.max_in_flight.get().into(),
            self.per_window.get().into(),
            self.in_flight.into(),
            Cell::Text(self.window.to_string()),
            self.polls_kept.into(),
            self.polls_kept_until.into(),
            self.cooling_until.into(),
            u32::from(self.doubts).into(),
            self.turn.into(),
        ]);
    }

    fn read(row: &mut Row) -> Result<Self, Corrupt> {
        Ok(Self {
            id: LimitId::from_uuid(row.uuid()?),
            level: row.word(|word| match word {
                "key" => Some(Level::Key),
                "account" => Some(Level::Account),
                "egress" => Some(Level::Egress),
                _ => None,
            })?,
            account: row.uuid_or_null()?.map(LimitId::from_uuid),
            pool: row.uuid_or_null()?.map(PoolId::from_uuid),
            max_in_flight: read_bound(row)?,
            per_window: read_bound(row)?,
            in_flight: row.number()?,
            window: {
                let text = row.text()?;
                row.checked(text.parse::<Window>())?
            },
            polls_kept: row.number()?,
            polls_kept_until: row.time()?,
            cooling_until: row.time()?,
            doubts: row.number()?,
            turn: row.time()?,
        })
    }
}

impl Record for Pool {
    const TABLE: Table = Table {
        name: "kingcong_pools",
        key: 1,
        fixed: &["id", "server", "service", "only_key"],
        mutable: &["virtual_time", "sequence", "waiting", "health"],
        mirrors: &[],
    };

    fn fixed(&self, cells: &mut Vec<Cell>) {
        cells.push(self.id.as_uuid().into());
        put_route(&self.route, cells);
        cells.push(self.key.map(KeyId::as_uuid).into());
    }

    fn mutable(&self, cells: &mut Vec<Cell>) {
        cells.extend([
            self.virtual_time.into(),
            self.sequence.into(),
            self.waiting.into(),
            Cell::json(&self.health),
        ]);
    }

    fn read(row: &mut Row) -> Result<Self, Corrupt> {
        Ok(Self {
            id: PoolId::from_uuid(row.uuid()?),
            route: read_route(row)?,
            key: row.uuid_or_null()?.map(KeyId::from_uuid),
            virtual_time: row.int()?,
            sequence: row.int()?,
            waiting: row.int()?,
            health: row.json()?,
        })
    }
}

impl Record for Flow {
    const TABLE: Table = Table {
        name: "kingcong_flows",
        key: 3,
        fixed: &["pool", "tenant", "user_id"],
        mutable: &["finish"],
        mirrors: &[],
    };

    fn fixed(&self, cells: &mut Vec<Cell>) {
        cells.extend([self.pool.as_uuid().into(), self.tenant.as_str().into(), self.user.as_str().into()]);
    }

    fn mutable(&self, cells: &mut Vec<Cell>) {
        cells.push(self.finish.into());
    }

    fn read(row: &mut Row) -> Result<Self, Corrupt> {
        Ok(Self {
            pool: PoolId::from_uuid(row.uuid()?),
            tenant: row.parsed()?,
            user: row.parsed()?,
            finish: row.int()?,
        })
    }
}
