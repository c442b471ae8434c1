//! The ledger: a wallet's balance, the holds on it, and the append-only entries that explain it.
//!
//! The guard stands at the hold: a hold is refused when it would take more than is available. Capturing always
//! succeeds, because the work is done: what a hold does not cover is taken from what is available, and the rest
//! is booked as debt. Whatever becomes available pays debt first, and a wallet in debt takes no new hold.
//!
//! Every function here changes the rows that it is given or none of them, and returns the entries to append.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{
    clock::Timestamp,
    id::{HoldId, InvalidId, JobId, Route, TaskId, TenantId, UserId, WalletId, derived_uuid},
    money::{Amount, AmountOverflow, Money, Unit},
};

/// Whose wallet.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Owner {
    /// One user's.
    User(UserId),
    /// The tenant's own, shared by its users.
    Tenant,
}

impl Owner {
    /// The user's id; empty for the tenant.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::User(user) => user.as_str(),
            Self::Tenant => "",
        }
    }
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::User(user) => user.fmt(f),
            Self::Tenant => f.write_str("the tenant"),
        }
    }
}

impl TryFrom<&str> for Owner {
    type Error = InvalidId;

    /// The user with this id.
    fn try_from(user: &str) -> Result<Self, InvalidId> {
        UserId::new(user).map(Self::User)
    }
}

impl TryFrom<&String> for Owner {
    type Error = InvalidId;

    /// The user with this id.
    fn try_from(user: &String) -> Result<Self, InvalidId> {
        Self::try_from(user.as_str())
    }
}

impl From<Option<UserId>> for Owner {
    /// The user's, or the tenant's own.
    fn from(user: Option<UserId>) -> Self {
        user.map_or(Self::Tenant, Self::User)
    }
}

/// What identifies a wallet.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct WalletKey {
    /// The tenant.
    pub tenant: TenantId,
    /// Whose.
    pub owner: Owner,
    /// What it holds.
    pub unit: Unit,
}

impl WalletKey {
    /// The wallet's id, a function of the key: two processes that open a wallet at once open the same one.
    #[must_use]
    pub fn id(&self) -> WalletId {
        let kind = match &self.owner {
            Owner::User(_) => "user",
            Owner::Tenant => "tenant",
        };
        let parts = [self.tenant.as_str(), kind, self.owner.as_str(), self.unit.code()];
        WalletId::from_uuid(derived_uuid("wallet", &parts))
    }
}

/// An owner's balance in one unit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wallet {
    /// Function of `key`.
    pub id: WalletId,
    /// Whose, and in what.
    pub key: WalletKey,
    /// What the owner has, including what is held.
    pub balance: Amount,
    /// The part of the balance that open holds have set aside.
    pub held: Amount,
    /// What the owner owes for work beyond its holds.
    pub debt: Amount,
    /// All that was ever purchased.
    pub total_purchased: Amount,
    /// All that was ever charged, before refunds.
    pub total_spent: Amount,
    /// All that was ever refunded.
    pub total_refunded: Amount,
    /// The number of the newest entry; 0 when there is none.
    pub last_entry: u64,
    /// When it was opened.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}

/// Credits set aside for a job. When failed tasks of it are tried again, the same hold is opened again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hold {
    /// Its id.
    pub id: HoldId,
    /// On which wallet.
    pub wallet: WalletId,
    /// For which job.
    pub job: JobId,
    /// What its job may be charged in all: what was set aside, on top of what was charged before it was opened again.
    pub amount: Amount,
    /// What of it was captured so far; never more than `amount`.
    pub captured: Amount,
    /// Open until its job ends.
    pub state: HoldState,
    /// When it was opened, the last time.
    pub opened_at: Timestamp,
}

/// Whether a hold still sets credits aside.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HoldState {
    /// It does.
    Open,
    /// Its job ended; the rest went back.
    Closed {
        /// When.
        at: Timestamp,
        /// What went back.
        released: Amount,
    },
}

/// One line of the ledger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// On which wallet.
    pub wallet: WalletId,
    /// 1, 2, 3 … within the wallet, without a gap.
    pub number: u64,
    /// What happened.
    pub kind: EntryKind,
    /// By how much the balance changed.
    pub amount: Amount,
    /// The balance after it.
    pub balance_after: Amount,
    /// By how much the debt changed.
    pub debt_change: Amount,
    /// The debt after it.
    pub debt_after: Amount,
    /// What it was for.
    pub cause: Cause,
    /// When.
    pub at: Timestamp,
}

/// Where the entries begin that a wallet keeps: what those before them, which were archived, add up to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpeningBalance {
    /// Of which wallet.
    pub wallet: WalletId,
    /// The number of the last archived entry; 0 when none was.
    pub number: u64,
    /// The balance after it.
    pub balance: Amount,
    /// The debt after it.
    pub debt: Amount,
    /// What the archived entries purchased.
    pub purchased: Amount,
    /// What they charged.
    pub spent: Amount,
    /// What they refunded.
    pub refunded: Amount,
}

impl OpeningBalance {
    /// Of a wallet that keeps every entry.
    #[must_use]
    pub const fn new(wallet: WalletId) -> Self {
        Self {
            wallet,
            number: 0,
            balance: Amount::ZERO,
            debt: Amount::ZERO,
            purchased: Amount::ZERO,
            spent: Amount::ZERO,
            refunded: Amount::ZERO,
        }
    }
}

/// What an entry records.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EntryKind {
    /// Credits bought.
    Purchase,
    /// Work charged.
    Usage,
    /// Charged work given back.
    Refund,
    /// A correction by an operator.
    Adjustment,
    /// Debt paid from the balance.
    DebtPayment,
}

impl EntryKind {
    /// Every kind.
    pub const ALL: [Self; 5] =
        [Self::Purchase, Self::Usage, Self::Refund, Self::Adjustment, Self::DebtPayment];

    /// The kind's name in tables.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Purchase => "purchase",
            Self::Usage => "usage",
            Self::Refund => "refund",
            Self::Adjustment => "adjustment",
            Self::DebtPayment => "debt_payment",
        }
    }
}

/// What an entry was for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Cause {
    /// The route that did the work.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub route: Option<Route>,
    /// The task that was charged or refunded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub task: Option<TaskId>,
    /// The host's reference, such as an order or a reason.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
    /// The idempotency key that it was asked for under, hashed with its scope.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub idempotency: Option<[u8; 32]>,
}

/// Why the ledger refused a command.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Refusal {
    /// Not enough is available.
    #[error(
        "insufficient credits: {} needed, {} available, in {}; buy credits and submit with a new idempotency key",
        .needed.to_decimal(), .available.to_decimal(), .needed.unit
    )]
    InsufficientCredits {
        /// What the hold would have taken.
        needed: Money,
        /// What was available.
        available: Money,
    },
    /// The wallet owes.
    #[error("wallet owes {debt}; buy credits, which pay the debt first")]
    InDebt {
        /// How much.
        debt: Money,
    },
    /// A credit or charge of nothing, or less.
    #[error("amount {amount} must be more than zero, or for a correction not zero")]
    NotPositive {
        /// The amount given.
        amount: Money,
    },
    /// More than was charged and not refunded yet.
    #[error(
        "refund of {asked} is more than the {refundable} that was charged and not refunded yet: ask for no more than \
         that"
    )]
    BeyondCharge {
        /// What was asked for.
        asked: Money,
        /// What can be refunded.
        refundable: Money,
    },
    /// The wallet's figures would not fit 64 bits.
    #[error("the wallet's figures would not fit 64 bits: move a smaller amount")]
    Overflow,
}

impl From<AmountOverflow> for Refusal {
    fn from(_: AmountOverflow) -> Self {
        Self::Overflow
    }
}

/// What a capture took.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Captured {
    /// The entry to append; none for a part of zero.
    pub entry: Option<Entry>,
    /// What became debt; more than zero is worth an alert.
    pub debt: Amount,
}

/// What closing a hold gave back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Closed {
    /// What the hold had set aside and not captured.
    pub released: Amount,
    /// The entry to append when debt was paid from it.
    pub payment: Option<Entry>,
}

impl Wallet {
    /// An empty wallet.
    #[must_use]
    pub fn open(key: WalletKey, now: Timestamp) -> Self {
        Self {
            id: key.id(),
            key,
            balance: Amount::ZERO,
            held: Amount::ZERO,
            debt: Amount::ZERO,
            total_purchased: Amount::ZERO,
            total_spent: Amount::ZERO,
            total_refunded: Amount::ZERO,
            last_entry: 0,
            created_at: now,
            updated_at: now,
        }
    }

    /// An amount of what it holds.
    const fn money(&self, amount: Amount) -> Money {
        Money::new(amount, self.key.unit)
    }

    /// What can be held: the balance less what is held already.
    #[must_use]
    pub fn available(&self) -> Amount {
        Amount::new(self.balance.get() - self.held.get())
    }

    /// Sets `amount` aside for `job`. Zero is a legal amount, for free work.
    ///
    /// # Errors
    /// [`Refusal::InDebt`], or [`Refusal::InsufficientCredits`] when more is asked than is available.
    pub fn hold(&mut self, id: HoldId, job: JobId, amount: Amount, now: Timestamp) -> Result<Hold, Refusal> {
        self.set_aside(amount, now)?;
        Ok(Hold {
            id,
            wallet: self.id,
            job,
            amount,
            captured: Amount::ZERO,
            state: HoldState::Open,
            opened_at: now,
        })
    }

    /// Opens a closed hold again, and sets `amount` aside for what is still to be done. What its job was `charged` so
    /// far counts as captured, also what was charged beyond the hold.
    ///
    /// # Errors
    /// As [`Wallet::hold`]; the hold is closed as before then.
    ///
    /// # Panics
    /// When the hold is another wallet's or open.
    pub fn reopen(
        &mut self,
        hold: &mut Hold,
        charged: Amount,
        amount: Amount,
        now: Timestamp,
    ) -> Result<(), Refusal> {
        assert_eq!(hold.wallet, self.id, "the hold is this wallet's");
        assert!(matches!(hold.state, HoldState::Closed { .. }), "an open hold is not opened again");
        let in_all = charged.plus(amount)?;
        self.set_aside(amount, now)?;
        (hold.amount, hold.captured) = (in_all, charged);
        (hold.state, hold.opened_at) = (HoldState::Open, now);
        Ok(())
    }

    /// Sets an amount aside, if it is available.
    fn set_aside(&mut self, amount: Amount, now: Timestamp) -> Result<(), Refusal> {
        if amount < Amount::ZERO {
            return Err(Refusal::NotPositive { amount: self.money(amount) });
        }
        if self.debt > Amount::ZERO {
            return Err(Refusal::InDebt { debt: self.money(self.debt) });
        }
        if amount > self.available() {
            let (needed, available) = (self.money(amount), self.money(self.available()));
            return Err(Refusal::InsufficientCredits { needed, available });
        }
        self.held = self.held.plus(amount)?;
        self.updated_at = now;
        Ok(())
    }

    /// Charges `part` for finished work: from the open hold, then from what is available, the rest as debt.
    ///
    /// # Errors
    /// Only [`Refusal::Overflow`] and [`Refusal::NotPositive`] for a negative part.
    ///
    /// # Panics
    /// When the hold is another wallet's or closed: nothing may be charged after a hold closed.
    pub fn capture(
        &mut self,
        hold: &mut Hold,
        part: Amount,
        cause: Cause,
        now: Timestamp,
    ) -> Result<Captured, Refusal> {
        assert_eq!(hold.wallet, self.id, "the hold is this wallet's");
        assert_eq!(hold.state, HoldState::Open, "nothing is charged after a hold closed");
        if part < Amount::ZERO {
            return Err(Refusal::NotPositive { amount: self.money(part) });
        }
        if part == Amount::ZERO {
            return Ok(Captured { entry: None, debt: Amount::ZERO });
        }
        let from_hold = part.min(hold.amount.minus(hold.captured)?);
        let beyond = part.minus(from_hold)?;
        let from_available = beyond.min(self.available());
        let debt = beyond.minus(from_available)?;
        let taken = from_hold.plus(from_available)?;
        let total_spent = self.total_spent.plus(part)?;
        let entry = self.append(EntryKind::Usage, Amount::new(-taken.get()), debt, cause, now)?;
        self.held = self.held.minus(from_hold)?;
        hold.captured = hold.captured.plus(from_hold)?;
        self.total_spent = total_spent;
        Ok(Captured { entry: Some(entry), debt })
    }

    /// Ends an open hold, gives back what it did not capture, and pays debt from that. A closed hold stays as it is.
    ///
    /// # Panics
    /// When the hold is another wallet's.
    pub fn close(&mut self, hold: &mut Hold, now: Timestamp) -> Closed {
        assert_eq!(hold.wallet, self.id, "the hold is this wallet's");
        match hold.state {
            HoldState::Closed { .. } => Closed { released: Amount::ZERO, payment: None },
            HoldState::Open => {
                let released = Amount::new(hold.amount.get() - hold.captured.get());
                self.held = Amount::new(self.held.get() - released.get());
                self.updated_at = now;
                hold.state = HoldState::Closed { at: now, released };
                Closed { released, payment: self.pay_debt(Cause::default(), now) }
            }
        }
    }

    /// Adds bought credits, and pays debt from them.
    ///
    /// # Errors
    /// [`Refusal::NotPositive`], [`Refusal::Overflow`].
    pub fn purchase(&mut self, amount: Amount, cause: Cause, now: Timestamp) -> Result<Vec<Entry>, Refusal> {
        let total = self.total_purchased.plus(amount)?;
        let entries = self.credit(EntryKind::Purchase, amount, cause, now)?;
        self.total_purchased = total;
        Ok(entries)
    }

    /// Gives back `amount` of charged work; `refundable` is what was charged and not refunded yet.
    ///
    /// # Errors
    /// [`Refusal::NotPositive`], [`Refusal::BeyondCharge`], [`Refusal::Overflow`].
    pub fn refund(
        &mut self,
        amount: Amount,
        refundable: Amount,
        cause: Cause,
        now: Timestamp,
    ) -> Result<Vec<Entry>, Refusal> {
        if amount > refundable {
            let (asked, refundable) = (self.money(amount), self.money(refundable));
            return Err(Refusal::BeyondCharge { asked, refundable });
        }
        let total = self.total_refunded.plus(amount)?;
        let entries = self.credit(EntryKind::Refund, amount, cause, now)?;
        self.total_refunded = total;
        Ok(entries)
    }

    /// Corrects the balance by an operator's word. A negative correction takes what is available; the rest is debt.
    ///
    /// # Errors
    /// [`Refusal::NotPositive`] for zero, [`Refusal::Overflow`].
    pub fn adjust(&mut self, change: Amount, cause: Cause, now: Timestamp) -> Result<Vec<Entry>, Refusal> {
        match change.get() {
            0 => Err(Refusal::NotPositive { amount: self.money(change) }),
            1.. => self.credit(EntryKind::Adjustment, change, cause, now),
            _ => {
                let wanted = Amount::ZERO.minus(change)?;
                let taken = wanted.min(self.available());
                let debt = wanted.minus(taken)?;
                let taken = Amount::new(-taken.get());
                Ok(vec![self.append(EntryKind::Adjustment, taken, debt, cause, now)?])
            }
        }
    }

    /// Adds credits, then pays debt from what is available.
    fn credit(
        &mut self,
        kind: EntryKind,
        amount: Amount,
        cause: Cause,
        now: Timestamp,
    ) -> Result<Vec<Entry>, Refusal> {
        if amount <= Amount::ZERO {
            return Err(Refusal::NotPositive { amount: self.money(amount) });
        }
        let mut entries = vec![self.append(kind, amount, Amount::ZERO, cause.clone(), now)?];
        entries.extend(self.pay_debt(cause, now));
        Ok(entries)
    }

    /// Pays debt from what is available.
    fn pay_debt(&mut self, cause: Cause, now: Timestamp) -> Option<Entry> {
        let paid = self.debt.min(self.available());
        let payment = Amount::new(-paid.get());
        (paid > Amount::ZERO).then(|| {
            self.append(EntryKind::DebtPayment, payment, payment, cause, now)
                .expect("less balance and less debt fit, where more did")
        })
    }

    /// Moves balance and debt together with the entry that says so.
    fn append(
        &mut self,
        kind: EntryKind,
        amount: Amount,
        debt_change: Amount,
        cause: Cause,
        now: Timestamp,
    ) -> Result<Entry, Refusal> {
        let (balance, debt) = (self.balance.plus(amount)?, self.debt.plus(debt_change)?);
        (self.balance, self.debt) = (balance, debt);
        self.last_entry += 1;
        self.updated_at = now;
        Ok(Entry {
            wallet: self.id,
            number: self.last_entry,
            kind,
            amount,
            balance_after: balance,
            debt_change,
            debt_after: debt,
            cause,
            at: now,
        })
    }
}
