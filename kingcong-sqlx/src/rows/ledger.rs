//! Wallets, entries and holds.

use kingcong_core::{
    id::{HoldId, JobId, Route, ServerId, ServiceId, TaskId, TenantId, UserId, WalletId},
    ledger::{Cause, Entry, EntryKind, Hold, HoldState, OpeningBalance, Owner, Wallet, WalletKey},
    money::Unit,
};

use crate::{
    cell::{Cell, Corrupt, Row},
    table::{ColumnOf, Kind, Record, Written, fixed, key, mirror, mutable},
};

impl Written for Wallet {
    const NAME: &'static str = "kingcong_credits";
    const COLUMNS: &'static [ColumnOf<Self>] = &[
        key("id", Kind::Id, |wallet| wallet.id.as_uuid().into()),
        fixed("tenant", Kind::Text, |wallet| wallet.key.tenant.as_str().into()),
        fixed("user_id", Kind::Text, |wallet| match &wallet.key.owner {
            Owner::User(user) => user.as_str().into(),
            Owner::Tenant => Cell::Null,
        }),
        fixed("unit", Kind::Text, |wallet| Cell::Word(wallet.key.unit.code())),
        fixed("created_at", Kind::Int, |wallet| wallet.created_at.into()),
        mutable("balance", Kind::Int, |wallet| wallet.balance.into()),
        mutable("held", Kind::Int, |wallet| wallet.held.into()),
        mutable("debt", Kind::Int, |wallet| wallet.debt.into()),
        mutable("total_purchased", Kind::Int, |wallet| wallet.total_purchased.into()),
        mutable("total_spent", Kind::Int, |wallet| wallet.total_spent.into()),
        mutable("total_refunded", Kind::Int, |wallet| wallet.total_refunded.into()),
        mutable("last_entry", Kind::Int, |wallet| Cell::unsigned(wallet.last_entry)),
        mutable("updated_at", Kind::Int, |wallet| wallet.updated_at.into()),
    ];
}

impl Record for Wallet {
    fn read(row: &mut Row) -> Result<Self, Corrupt> {
        let id = WalletId::from_uuid(row.uuid("id")?);
        let tenant: TenantId = row.parsed("tenant")?;
        let owner = match row.text_or_null("user_id")? {
            Some(user) => Owner::User(row.checked(UserId::new(user))?),
            None => Owner::Tenant,
        };
        let unit = row.word("unit", |code| Unit::from_code(code).ok())?;
        Ok(Self {
            id,
            key: WalletKey { tenant, owner, unit },
            created_at: row.time("created_at")?,
            balance: row.amount("balance")?,
            held: row.amount("held")?,
            debt: row.amount("debt")?,
            total_purchased: row.amount("total_purchased")?,
            total_spent: row.amount("total_spent")?,
            total_refunded: row.amount("total_refunded")?,
            last_entry: row.int("last_entry")?.cast_unsigned(),
            updated_at: row.time("updated_at")?,
        })
    }
}

/// An entry with the user whose wallet it is on, for the mirror.
#[derive(Debug)]
pub(crate) struct EntryRow {
    pub(crate) entry: Entry,
    pub(crate) user: Option<UserId>,
}

impl Written for EntryRow {
    const NAME: &'static str = "kingcong_transactions";
    const COLUMNS: &'static [ColumnOf<Self>] = &[
        key("wallet", Kind::Id, |Self { entry, .. }| entry.wallet.as_uuid().into()),
        key("number", Kind::Int, |Self { entry, .. }| Cell::unsigned(entry.number)),
        fixed("type", Kind::Text, |Self { entry, .. }| Cell::Word(entry.kind.as_str())),
        fixed("amount", Kind::Int, |Self { entry, .. }| entry.amount.into()),
        fixed("balance_after", Kind::Int, |Self { entry, .. }| entry.balance_after.into()),
        fixed("debt_change", Kind::Int, |Self { entry, .. }| entry.debt_change.into()),
        fixed("debt_after", Kind::Int, |Self { entry, .. }| entry.debt_after.into()),
        fixed("server", Kind::Text, |Self { entry, .. }| {
            entry.cause.route.as_ref().map(|route| route.server.as_str()).into()
        }),
        fixed("service", Kind::Text, |Self { entry, .. }| {
            entry.cause.route.as_ref().map(|route| route.service.as_str()).into()
        }),
        fixed("task_id", Kind::Id, |Self { entry, .. }| entry.cause.task.map(TaskId::as_uuid).into()),
        fixed("reference", Kind::Text, |Self { entry, .. }| entry.cause.reference.as_deref().into()),
        fixed("idempotency", Kind::Bytes, |Self { entry, .. }| {
            entry.cause.idempotency.as_ref().map(<[u8; 32]>::as_slice).into()
        }),
        fixed("created_at", Kind::Int, |Self { entry, .. }| entry.at.into()),
        mirror("user_id", Kind::Text, |Self { user, .. }| user.as_ref().map(UserId::as_str).into()),
    ];
}

impl Record for EntryRow {
    fn read(row: &mut Row) -> Result<Self, Corrupt> {
        let entry = Entry {
            wallet: WalletId::from_uuid(row.uuid("wallet")?),
            number: row.int("number")?.cast_unsigned(),
            kind: row.word("type", |word| EntryKind::ALL.into_iter().find(|kind| kind.as_str() == word))?,
            amount: row.amount("amount")?,
            balance_after: row.amount("balance_after")?,
            debt_change: row.amount("debt_change")?,
            debt_after: row.amount("debt_after")?,
            cause: Cause {
                route: read_cause_route(row)?,
                task: row.uuid_or_null("task_id")?.map(TaskId::from_uuid),
                reference: row.text_or_null("reference")?,
                idempotency: row.array_or_null("idempotency")?,
            },
            at: row.time("created_at")?,
        };
        Ok(Self { entry, user: None })
    }
}

fn read_cause_route(row: &mut Row) -> Result<Option<Route>, Corrupt> {
    match (row.text_or_null("server")?, row.text_or_null("service")?) {
        (Some(server), Some(service)) => {
            let (server, service) =
                (row.checked(ServerId::new(server))?, row.checked(ServiceId::new(service))?);
            Ok(Some(Route::new(server, service)))
        }
        (None, None) => Ok(None),
        (Some(_), None) | (None, Some(_)) => row.some(None),
    }
}

impl Written for OpeningBalance {
    const NAME: &'static str = "kingcong_openings";
    const COLUMNS: &'static [ColumnOf<Self>] = &[
        key("wallet", Kind::Id, |opening| opening.wallet.as_uuid().into()),
        mutable("number", Kind::Int, |opening| Cell::unsigned(opening.number)),
        mutable("balance", Kind::Int, |opening| opening.balance.into()),
        mutable("debt", Kind::Int, |opening| opening.debt.into()),
        mutable("purchased", Kind::Int, |opening| opening.purchased.into()),
        mutable("spent", Kind::Int, |opening| opening.spent.into()),
        mutable("refunded", Kind::Int, |opening| opening.refunded.into()),
    ];
}

impl Record for OpeningBalance {
    fn read(row: &mut Row) -> Result<Self, Corrupt> {
        Ok(Self {
            wallet: WalletId::from_uuid(row.uuid("wallet")?),
            number: row.int("number")?.cast_unsigned(),
            balance: row.amount("balance")?,
            debt: row.amount("debt")?,
            purchased: row.amount("purchased")?,
            spent: row.amount("spent")?,
            refunded: row.amount("refunded")?,
        })
    }
}

impl Written for Hold {
    const NAME: &'static str = "kingcong_holds";
    const COLUMNS: &'static [ColumnOf<Self>] = &[
        key("id", Kind::Id, |hold| hold.id.as_uuid().into()),
        fixed("wallet", Kind::Id, |hold| hold.wallet.as_uuid().into()),
        fixed("job", Kind::Id, |hold| hold.job.as_uuid().into()),
        mutable("amount", Kind::Int, |hold| hold.amount.into()),
        mutable("opened_at", Kind::Int, |hold| hold.opened_at.into()),
        mutable("captured", Kind::Int, |hold| hold.captured.into()),
        mutable("closed_at", Kind::Int, |hold| match hold.state {
            HoldState::Open => Cell::Null,
            HoldState::Closed { at, .. } => at.into(),
        }),
        mutable("released", Kind::Int, |hold| match hold.state {
            HoldState::Open => Cell::Null,
            HoldState::Closed { released, .. } => released.into(),
        }),
    ];
}

impl Record for Hold {
    fn read(row: &mut Row) -> Result<Self, Corrupt> {
        Ok(Self {
            id: HoldId::from_uuid(row.uuid("id")?),
            wallet: WalletId::from_uuid(row.uuid("wallet")?),
            job: JobId::from_uuid(row.uuid("job")?),
            amount: row.amount("amount")?,
            opened_at: row.time("opened_at")?,
            captured: row.amount("captured")?,
            state: match row.time_or_null("closed_at")? {
                None => HoldState::Open,
                Some(at) => HoldState::Closed { at, released: row.amount("released")? },
            },
        })
    }
}
