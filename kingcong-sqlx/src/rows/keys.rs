//! Keys, limits, pools and flows.

use std::num::NonZeroU32;

use kingcong_core::{
    id::{KeyId, LimitId},
    keys::{Flow, Key, KeyStatus, Level, Limit, Pool, PoolId, Window},
    routing::BaseUrl,
    store::KeyRevision,
    switch::Switch,
    upstream::UpstreamCredits,
    vault::{Envelope, Fingerprint, SecretVersion},
};

use super::{ONLY_ROW, read_route};
use crate::{
    cell::{Cell, Corrupt, Row},
    table::{ColumnOf, Kind, Record, Written, fixed, key, mirror, mutable},
};

impl Written for Key {
    const NAME: &'static str = "kingcong_api_keys";
    const COLUMNS: &'static [ColumnOf<Self>] = &[
        key("id", Kind::Id, |key| key.id.as_uuid().into()),
        fixed("server", Kind::Text, |key| key.route.server.as_str().into()),
        fixed("service", Kind::Text, |key| key.route.service.as_str().into()),
        fixed("tenant", Kind::Text, |key| key.tenant.as_str().into()),
        fixed("fingerprint", Kind::Bytes, |key| key.fingerprint.as_bytes().as_slice().into()),
        fixed("account", Kind::Text, |key| key.account.as_deref().into()),
        fixed("created_at", Kind::Int, |key| key.created_at.into()),
        fixed("used_before", Kind::Int, |key| key.last_used.into()),
        mutable("label", Kind::Text, |key| key.label.as_str().into()),
        mutable("mask", Kind::Text, |key| key.mask.as_str().into()),
        mutable("secret_version", Kind::Int, |key| key.secret_version.get().into()),
        mutable("envelope", Kind::Bytes, |key| key.envelope.as_ref().map(Envelope::as_bytes).into()),
        mutable("switch", Kind::Text, |key| {
            Cell::Word(match key.switch {
                Switch::On => "on",
                Switch::Off => "off",
            })
        }),
        mutable("phase", Kind::Text, |key| Cell::Word(phase(&key.status))),
        mutable("reason", Kind::Text, |key| reason(&key.status).into()),
        mutable("needed", Kind::Int, |key| match &key.status {
            KeyStatus::OutOfCredit { needed } => needed.thousandths().into(),
            _ => Cell::Null,
        }),
        mutable("balance", Kind::Int, |key| key.balance.map(UpstreamCredits::thousandths).into()),
        mutable("checked_at", Kind::Int, |key| key.checked_at.into()),
        mirror("is_active", Kind::Int, |key| {
            let is_active = key.switch == Switch::On && key.status == KeyStatus::Active;
            Cell::Int(is_active.into())
        }),
    ];
}

/// The word of `phase`.
const fn phase(status: &KeyStatus) -> &'static str {
    match status {
        KeyStatus::Active => "active",
        KeyStatus::Doubtful => "doubtful",
        KeyStatus::Dead { .. } => "dead",
        KeyStatus::OutOfCredit { .. } => "out_of_credit",
        KeyStatus::Unreadable { .. } => "unreadable",
        KeyStatus::Suspended { .. } => "suspended",
        KeyStatus::Removed => "removed",
    }
}

/// The text of `reason`.
fn reason(status: &KeyStatus) -> Option<&str> {
    match status {
        KeyStatus::Dead { reason } | KeyStatus::Unreadable { reason } => Some(reason),
        KeyStatus::Suspended { registered_for } => Some(registered_for.as_str()),
        KeyStatus::Active | KeyStatus::Doubtful | KeyStatus::OutOfCredit { .. } | KeyStatus::Removed => None,
    }
}

impl Record for Key {
    fn read(row: &mut Row) -> Result<Self, Corrupt> {
        Ok(Self {
            id: KeyId::from_uuid(row.uuid("id")?),
            route: read_route(row)?,
            tenant: row.parsed("tenant")?,
            fingerprint: Fingerprint::from_bytes(row.array("fingerprint")?),
            account: row.text_or_null("account")?,
            created_at: row.time("created_at")?,
            // Since then its limit tells, where it is read with it.
            last_used: row.time_or_null("used_before")?,
            label: row.text("label")?,
            mask: row.text("mask")?,
            secret_version: {
                let version = row.number::<u32>("secret_version")?;
                row.some(SecretVersion::new(version))?
            },
            envelope: row.bytes_or_null("envelope")?.map(Envelope::from_bytes),
            switch: row.word("switch", |word| match word {
                "on" => Some(Switch::On),
                "off" => Some(Switch::Off),
                _ => None,
            })?,
            status: read_status(row)?,
            balance: row.int_or_null("balance")?.map(UpstreamCredits::from_thousandths),
            checked_at: row.time_or_null("checked_at")?,
        })
    }
}

fn read_status(row: &mut Row) -> Result<KeyStatus, Corrupt> {
    let phase = row.text("phase")?;
    let (reason, needed) = (row.text_or_null("reason")?, row.int_or_null("needed")?);
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
    row.some(status)
}

/// Most calls of some kind.
pub(crate) fn read_bound(row: &mut Row, name: &'static str) -> Result<NonZeroU32, Corrupt> {
    let number = row.number::<u32>(name)?;
    row.checked(number.try_into())
}

/// A key's revision, which is written when the rest of a batch is.
impl Written for KeyRevision {
    const NAME: &'static str = Key::NAME;
    const COLUMNS: &'static [ColumnOf<Self>] = &[
        key("id", Kind::Id, |changed| changed.key.as_uuid().into()),
        mutable("revision", Kind::Int, |changed| changed.revision.into()),
    ];
}

/// The last revision that any key got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LastKeyRevision(pub(crate) i64);

impl Written for LastKeyRevision {
    const NAME: &'static str = "kingcong_key_changes";
    const COLUMNS: &'static [ColumnOf<Self>] =
        &[key("id", Kind::Int, |_| ONLY_ROW.into()), mutable("revision", Kind::Int, |last| last.0.into())];
}

impl Record for LastKeyRevision {
    fn read(row: &mut Row) -> Result<Self, Corrupt> {
        Ok(Self(row.int("revision")?))
    }
}

impl Written for Limit {
    const NAME: &'static str = "kingcong_limits";
    const COLUMNS: &'static [ColumnOf<Self>] = &[
        key("id", Kind::Id, |limit| limit.id.as_uuid().into()),
        fixed("level", Kind::Text, |limit| {
            Cell::Word(match limit.level {
                Level::Key => "key",
                Level::Account => "account",
                Level::Egress => "egress",
            })
        }),
        fixed("account", Kind::Id, |limit| limit.account.map(LimitId::as_uuid).into()),
        mutable("pool", Kind::Id, |limit| limit.pool.map(PoolId::as_uuid).into()),
        mutable("max_in_flight", Kind::Int, |limit| limit.max_in_flight.get().into()),
        mutable("per_window", Kind::Int, |limit| limit.per_window.get().into()),
        mutable("in_flight", Kind::Int, |limit| limit.in_flight.into()),
        mutable("starts", Kind::Text, |limit| Cell::Text(limit.window.to_string())),
        mutable("polls_kept", Kind::Int, |limit| limit.polls_kept.into()),
        mutable("polls_kept_until", Kind::Int, |limit| limit.polls_kept_until.into()),
        mutable("cooling_until", Kind::Int, |limit| limit.cooling_until.into()),
        mutable("doubts", Kind::Int, |limit| u32::from(limit.doubts).into()),
        mutable("turn", Kind::Int, |limit| limit.turn.into()),
    ];
}

impl Record for Limit {
    fn read(row: &mut Row) -> Result<Self, Corrupt> {
        Ok(Self {
            id: LimitId::from_uuid(row.uuid("id")?),
            level: row.word("level", |word| match word {
                "key" => Some(Level::Key),
                "account" => Some(Level::Account),
                "egress" => Some(Level::Egress),
                _ => None,
            })?,
            account: row.uuid_or_null("account")?.map(LimitId::from_uuid),
            pool: row.uuid_or_null("pool")?.map(PoolId::from_uuid),
            max_in_flight: read_bound(row, "max_in_flight")?,
            per_window: read_bound(row, "per_window")?,
            in_flight: row.number("in_flight")?,
            window: {
                let text = row.text("starts")?;
                row.checked(text.parse::<Window>())?
            },
            polls_kept: row.number("polls_kept")?,
            polls_kept_until: row.time("polls_kept_until")?,
            cooling_until: row.time("cooling_until")?,
            doubts: row.number("doubts")?,
            turn: row.time("turn")?,
        })
    }
}

impl Written for Pool {
    const NAME: &'static str = "kingcong_pools";
    const COLUMNS: &'static [ColumnOf<Self>] = &[
        key("id", Kind::Id, |pool| pool.id.as_uuid().into()),
        fixed("server", Kind::Text, |pool| pool.route.server.as_str().into()),
        fixed("service", Kind::Text, |pool| pool.route.service.as_str().into()),
        fixed("only_key", Kind::Id, |pool| pool.key.map(KeyId::as_uuid).into()),
        mutable("virtual_time", Kind::Int, |pool| pool.virtual_time.into()),
        mutable("sequence", Kind::Int, |pool| pool.sequence.into()),
        mutable("waiting", Kind::Int, |pool| pool.waiting.into()),
        mutable("health", Kind::Text, |pool| Cell::json(&pool.health)),
    ];
}

impl Record for Pool {
    fn read(row: &mut Row) -> Result<Self, Corrupt> {
        Ok(Self {
            id: PoolId::from_uuid(row.uuid("id")?),
            route: read_route(row)?,
            key: row.uuid_or_null("only_key")?.map(KeyId::from_uuid),
            virtual_time: row.int("virtual_time")?,
            sequence: row.int("sequence")?,
            waiting: row.int("waiting")?,
            health: row.json("health")?,
        })
    }
}

impl Written for Flow {
    const NAME: &'static str = "kingcong_flows";
    const COLUMNS: &'static [ColumnOf<Self>] = &[
        key("pool", Kind::Id, |flow| flow.pool.as_uuid().into()),
        key("tenant", Kind::Text, |flow| flow.tenant.as_str().into()),
        key("user_id", Kind::Text, |flow| flow.user.as_str().into()),
        mutable("finish", Kind::Int, |flow| flow.finish.into()),
    ];
}

impl Record for Flow {
    fn read(row: &mut Row) -> Result<Self, Corrupt> {
        Ok(Self {
            pool: PoolId::from_uuid(row.uuid("pool")?),
            tenant: row.parsed("tenant")?,
            user: row.parsed("user_id")?,
            finish: row.int("finish")?,
        })
    }
}
