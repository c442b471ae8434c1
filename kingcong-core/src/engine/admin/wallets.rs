//! Wallet doors.

use serde::Serialize;

use super::KingCong;
use crate::{
    error::Error,
    id::{Actor, InvalidId, PackageId, TaskId, TenantId, UserId},
    ledger::{Cause, Entry, Owner, Wallet, WalletKey},
    money::{Amount, Unit},
    store::{Command, Credit, Credited, Movement, NotCredited, Outcome, Remembered},
    work::{IdempotencyKey, InvalidIdempotencyKey},
};

/// How often a purchase is made again because the packages changed meanwhile.
const PURCHASES_MAX: u32 = 5;
/// Longest reference or reason in bytes.
const REFERENCE_BYTES_MAX: usize = 255;

/// Wallets and their ledger: of users of the main tenant, in KingCong credits, unless said otherwise.
#[derive(Clone, Debug)]
pub struct WalletDoors {
    pub(super) kc: KingCong,
    pub(super) actor: Result<Actor, InvalidId>,
}

/// A purchase that was booked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Purchase {
    /// The credits.
    pub amount: Amount,
    /// In this unit.
    pub unit: Unit,
    /// The balance after it; at a replay the balance then, not now.
    pub balance_after: Amount,
}

fn wallet_of(user: &UserId, unit: Unit) -> WalletKey {
    WalletKey { tenant: TenantId::main(), owner: Owner::User(user.clone()), unit }
}

fn idempotency(
    door: &'static str,
    user: &UserId,
    key: &str,
    payload: &impl Serialize,
) -> Result<IdempotencyKey, InvalidIdempotencyKey> {
    IdempotencyKey::new(door, &TenantId::main(), user.as_str(), key, payload)
}

fn cause(reference: &str) -> Result<Cause, Error> {
    if reference.len() > REFERENCE_BYTES_MAX || reference.chars().any(char::is_control) {
        let value = reference.chars().take(64).collect();
        return Err(Error::Setting {
            setting: "reference",
            value,
            bounds: "at most 255 bytes without controls",
        });
    }
    Ok(Cause { reference: Some(reference.to_owned()), ..Cause::default() })
}

impl WalletDoors {
    /// A user's wallet; an empty one when the user never had any.
    ///
    /// # Errors
    /// A user id that cannot be one, or a store that fails.
    pub async fn get(&self, user: &str) -> Result<Wallet, Error> {
        self.get_of(&wallet_of(&UserId::new(user)?, Unit::CREDIT)).await
    }

    /// A wallet of any owner and unit; an empty one when there was none.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn get_of(&self, key: &WalletKey) -> Result<Wallet, Error> {
        let wallet = self.inner().store.wallet(key).await?;
        Ok(wallet.unwrap_or_else(|| Wallet::open(key.clone(), self.inner().store_now())))
    }

    /// Books a paid package. The order is the idempotency key: the same order is booked once, for ever, and answered
    /// alike ever after, whatever became of its package.
    ///
    /// # Errors
    /// An unknown package, an order that was used for another package, or a store that fails.
    pub async fn purchase(&self, user: &str, package: &str, order: &str) -> Result<Purchase, Error> {
        let inner = self.inner();
        inner.check_open()?;
        let package = PackageId::new(package)?;
        let user = &UserId::new(user)?;
        let idempotency = idempotency("wallets.purchase", user, order, &package)?;
        if let Some(booked) = self.booked(&idempotency).await? {
            return Ok(booked);
        }
        for _ in 0..PURCHASES_MAX {
            let snapshot = inner.snapshot();
            let found = match snapshot.configuration.packages.find(&package) {
                Ok(found) => found.clone(),
                // Another process may have added it.
                Err(_) => inner.refresh().await?.configuration.packages.find(&package)?.clone(),
            };
            let movement = Movement::Purchase {
                configuration_version: inner.snapshot().configuration.version,
                package: package.clone(),
                amount: found.credits,
                cause: cause(order)?,
            };
            let unit = found.unit;
            match self.credit("wallets.purchase", wallet_of(user, unit), movement, idempotency).await {
                Err(Error::Contended) => {
                    inner.refresh().await?;
                }
                booked => {
                    let Credited { amount, balance_after, .. } = booked?;
                    return Ok(Purchase { amount, unit, balance_after });
                }
            }
        }
        Err(Error::Contended)
    }

    /// What was booked under an idempotency key.
    async fn booked(&self, idempotency: &IdempotencyKey) -> Result<Option<Purchase>, Error> {
        let Some(row) = self.inner().store.idempotency(&idempotency.key).await? else { return Ok(None) };
        match row.answer {
            _ if row.payload != idempotency.payload => Err(Error::IdempotencyConflict),
            Remembered::Credited { amount, balance_after, unit, .. } => {
                Ok(Some(Purchase { amount, unit, balance_after }))
            }
            Remembered::Refused(refusal) => Err(refusal.into()),
            Remembered::Job { .. } => Err(Error::IdempotencyConflict),
        }
    }

    /// Gives back what a task was charged, or `amount` of it. Never more than was charged, however often it is asked.
    ///
    /// # Errors
    /// An unknown task or one that another wallet paid for, more than is left of its charge, or a store that fails.
    pub async fn refund(
        &self,
        user: &str,
        task: TaskId,
        amount: Option<Amount>,
        reason: &str,
        idempotency_key: &str,
    ) -> Result<Credited, Error> {
        let movement = Movement::Refund { task, amount, cause: cause(reason)? };
        let user = &UserId::new(user)?;
        let idempotency = idempotency("wallets.refund", user, idempotency_key, &(task, amount))?;
        self.credit("wallets.refund", wallet_of(user, Unit::CREDIT), movement, idempotency).await
    }

    /// Corrects a balance by an operator's word; a negative correction beyond what is available becomes debt.
    ///
    /// # Errors
    /// A change of zero, or a store that fails.
    pub async fn adjust(
        &self,
        user: &str,
        change: Amount,
        reason: &str,
        idempotency_key: &str,
    ) -> Result<Credited, Error> {
        let movement = Movement::Adjust { change, cause: cause(reason)? };
        let user = &UserId::new(user)?;
        let idempotency = idempotency("wallets.adjust", user, idempotency_key, &change)?;
        self.credit("wallets.adjust", wallet_of(user, Unit::CREDIT), movement, idempotency).await
    }

    /// The entries of a user's wallet, newest first, with a number below `before`; at most 1,000 at once.
    ///
    /// # Errors
    /// A user id that cannot be one, or a store that fails.
    pub async fn history(&self, user: &str, before: Option<u64>, limit: u32) -> Result<Vec<Entry>, Error> {
        let key = wallet_of(&UserId::new(user)?, Unit::CREDIT);
        Ok(self.inner().store.entries(key.id(), before, limit).await?)
    }

    async fn credit(
        &self,
        door: &'static str,
        wallet: WalletKey,
        movement: Movement,
        idempotency: IdempotencyKey,
    ) -> Result<Credited, Error> {
        let inner = self.inner();
        inner.check_open()?;
        let actor = self.actor.clone()?;
        let owner = match &wallet.owner {
            Owner::User(user) => user.to_string(),
            Owner::Tenant => String::new(),
        };
        let audit = inner.audit(&actor, door, &(&wallet, &movement));
        let credit = Credit { idempotency: Some(idempotency), wallet, movement, audit };
        match inner.execute(Command::Credit(Box::new(credit))).await? {
            Outcome::Credit(Ok(credited)) => Ok(credited),
            Outcome::Credit(Err(NotCredited::Refused(refusal))) => Err(refusal.into()),
            Outcome::Credit(Err(NotCredited::Conflict)) => Err(Error::IdempotencyConflict),
            Outcome::Credit(Err(NotCredited::Stale)) => Err(Error::Contended),
            Outcome::Credit(Err(NotCredited::UnknownTask)) => {
                Err(Error::NotFound { what: "task paid by the wallet of", name: owner })
            }
            other => unreachable!("moving money answers with what was moved, not {other:?}"),
        }
    }
}
