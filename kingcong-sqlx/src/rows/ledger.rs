//! Wallets, entries and holds.

use kingcong_core::{
    id::{HoldId, JobId, Route, ServerId, ServiceId, TaskId, TenantId, UserId, WalletId},
    ledger::{Cause, Entry, EntryKind, Hold, HoldState, Opening, Owner, Wallet, WalletKey},
    money::Unit,
};

use super::mirrors;
use crate::{
    cell::{Cell, Corrupt, Row},
    table::{Record, Table},
};

impl Record for Wallet {
    const TABLE: Table = Table {
        name: "kingcong_credits",
        key: 1,
        fixed: &["id", "tenant", "user_id", "unit", "created_at"],
        mutable: &[
            "balance",
            "held",
            "debt",
            "total_purchased",
            "total_spent",
            "total_refunded",
            "last_entry",
            "updated_at",
        ],
        mirrors: &[],
    };

    fn fixed(&self, cells: &mut Vec<Cell>) {
        let user = match &self.key.owner {
            Owner::User(user) => Some(user.as_str()),
            Owner::Tenant => None,
        };
        cells.extend([
            self.id.as_uuid().into(),
            self.key.tenant.as_str().into(),
            user.into(),
            self.key.unit.code().into(),
            self.created_at.into(),
        ]);
    }

    fn mutable(&self, cells: &mut Vec<Cell>) {
        cells.extend([
            self.balance.into(),
            self.held.into(),
            self.debt.into(),
            self.total_purchased.into(),
            self.total_spent.into(),
            self.total_refunded.into(),
            Cell::unsigned(self.last_entry),
            self.updated_at.into(),
        ]);
    }

    fn read(row: &mut Row) -> Result<Self, Corrupt> {
        let id = WalletId::from_uuid(row.uuid()?);
        let tenant: TenantId = row.parsed()?;
        let owner = match row.text_or_null()? {
            Some(user) => Owner::User(row.checked(UserId::new(user))?),
            None => Owner::Tenant,
        };
        let unit = row.word(|code| Unit::from_code(code).ok())?;
        let created_at = row.time()?;
        Ok(Self {
            id,
            key: WalletKey { tenant, owner, unit },
            balance: row.amount()?,
            held: row.amount()?,
            debt: row.amount()?,
            total_purchased: row.amount()?,
            total_spent: row.amount()?,
            total_refunded: row.amount()?,
            last_entry: row.int()?.cast_unsigned(),
            created_at,
            updated_at: row.time()?,
        })
    }
}

/// An entry with the user whose wallet it is on, for the mirror.
#[derive(Debug)]
pub(crate) struct EntryRow {
    pub(crate) entry: Entry,
    pub(crate) user: Option<UserId>,
}

impl Record for EntryRow {
    const TABLE: Table = Table {
        name: "kingcong_transactions",
        key: 2,
        fixed: &[
            "wallet",
            "number",
            "type",
            "amount",
            "balance_after",
            "debt_change",
            "debt_after",
            "server",
            "service",
            "task_id",
            "reference",
            "idempotency",
            "created_at",
        ],
        mutable: &[],
        mirrors: &["user_id"],
    };

    fn fixed(&self, cells: &mut Vec<Cell>) {
        let entry = &self.entry;
        let route = entry.cause.route.as_ref();
        cells.extend([
            entry.wallet.as_uuid().into(),
            Cell::unsigned(entry.number),
            Cell::Word(entry.kind.as_str()),
            entry.amount.into(),
            entry.balance_after.into(),
            entry.debt_change.into(),
            entry.debt_after.into(),
            route.map(|route| route.server.as_str()).into(),
            route.map(|route| route.service.as_str()).into(),
            entry.cause.task.map(TaskId::as_uuid).into(),
            entry.cause.reference.as_deref().into(),
            entry.cause.idempotency.as_ref().map(<[u8; 32]>::as_slice).into(),
            entry.at.into(),
        ]);
    }

    fn mirrors(&self, cells: &mut Vec<Cell>) {
        mirrors::of_entry(self, cells);
    }

    fn read(row: &mut Row) -> Result<Self, Corrupt> {
        let wallet = WalletId::from_uuid(row.uuid()?);
        let number = row.int()?.cast_unsigned();
        let kind = row.word(|word| EntryKind::ALL.into_iter().find(|kind| kind.as_str() == word))?;
        let (amount, balance_after) = (row.amount()?, row.amount()?);
        let (debt_change, debt_after) = (row.amount()?, row.amount()?);
        let route = match (row.text_or_null()?, row.text_or_null()?) {
            (Some(server), Some(service)) => {
                Some(Route::new(row.checked(ServerId::new(server))?, row.checked(ServiceId::new(service))?))
            }
            (None, None) => None,
            _ => row.some(None)?,
        };
        let task = row.uuid_or_null()?.map(TaskId::from_uuid);
        let (reference, idempotency) = (row.text_or_null()?, row.array_or_null()?);
        let cause = Cause { route, task, reference, idempotency };
        let at = row.time()?;
        let entry = Entry { wallet, number, kind, amount, balance_after, debt_change, debt_after, cause, at };
        Ok(Self { entry, user: None })
    }
}

impl Record for Opening {
    const TABLE: Table = Table {
        name: "kingcong_openings",
        key: 1,
        fixed: &["wallet"],
        mutable: &["number", "balance", "debt", "purchased", "spent", "refunded"],
        mirrors: &[],
    };

    fn fixed(&self, cells: &mut Vec<Cell>) {
        cells.push(self.wallet.as_uuid().into());
    }

    fn mutable(&self, cells: &mut Vec<Cell>) {
        cells.push(Cell::unsigned(self.number));
        let amounts = [self.balance, self.debt, self.purchased, self.spent, self.refunded];
        cells.extend(amounts.map(Cell::from));
    }

    fn read(row: &mut Row) -> Result<Self, Corrupt> {
        Ok(Self {
            wallet: WalletId::from_uuid(row.uuid()?),
            number: row.int()?.cast_unsigned(),
            balance: row.amount()?,
            debt: row.amount()?,
            purchased: row.amount()?,
            spent: row.amount()?,
            refunded: row.amount()?,
        })
    }
}

impl Record for Hold {
    const TABLE: Table = Table {
        name: "kingcong_holds",
        key: 1,
        fixed: &["id", "wallet", "job"],
        mutable: &["amount", "opened_at", "captured", "closed_at", "released"],
        mirrors: &[],
    };

    fn fixed(&self, cells: &mut Vec<Cell>) {
        cells.extend([self.id.as_uuid().into(), self.wallet.as_uuid().into(), self.job.as_uuid().into()]);
    }

    fn mutable(&self, cells: &mut Vec<Cell>) {
        let (closed_at, released) = match self.state {
            HoldState::Open => (None, None),
            HoldState::Closed { at, released } => (Some(at), Some(released)),
        };
        cells.extend([self.amount.into(), self.opened_at.into(), self.captured.into()]);
        cells.extend([closed_at.into(), released.into()]);
    }

    fn read(row: &mut Row) -> Result<Self, Corrupt> {
        let id = HoldId::from_uuid(row.uuid()?);
        let wallet = WalletId::from_uuid(row.uuid()?);
        let job = JobId::from_uuid(row.uuid()?);
        let (amount, opened_at, captured) = (row.amount()?, row.time()?, row.amount()?);
        let state = match row.time_or_null()? {
            None => HoldState::Open,
            Some(at) => HoldState::Closed { at, released: row.amount()? },
        };
        Ok(Self { id, wallet, job, amount, captured, state, opened_at })
    }
}
