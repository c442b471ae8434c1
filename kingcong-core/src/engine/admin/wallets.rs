//! Wallet doors.

use serde::Serialize;

use super::{Entered, KingCong};
use crate::engine::tenants::suspended;
use crate::{
    access::{Door, Target},
    error::Error,
    id::{PackageId, TaskId},
    label::{InvalidLabel, Label},
    ledger::{Cause, Entry, Owner, Wallet, WalletKey},
    money::{Amount, Unit},
    pricing::{Ordered, PackageError},
    store::{
        Answer, Configuration, Credit, Credited, Moved, Movement, NotCredited, Remembered, WalletFilter,
    },
    work::{IdempotencyKey, InvalidIdempotencyKey},
};

/// How often a purchase is made again because the packages changed meanwhile.
const PURCHASES_MAX: u32 = 5;
/// Longest reference or reason in bytes.
const REFERENCE_BYTES_MAX: usize = 255;

/// Wallets of the handle's tenant and their ledger. The owner is a user, named by a text, or [`Owner::Tenant`].
#[derive(Clone, Debug)]
pub struct WalletDoors {
    pub(super) kc: KingCong,
    pub(super) unit: Unit,
}

/// A purchase that was booked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Purchase {
    /// The credits, and what of them paid debt.
    pub moved: Moved,
    /// In this unit.
    pub unit: Unit,
}

impl Answer for Purchase {
    fn of(remembered: &Remembered) -> Option<Self> {
        match *remembered {
            Remembered::Credited { moved, unit, .. } => Some(Self { moved, unit }),
            Remembered::Job { .. } | Remembered::Retried { .. } | Remembered::Refused(_) => None,
        }
    }
}

/// What the audit says of money that was moved.
#[derive(Serialize)]
struct MovementDetail<'a> {
    wallet: &'a WalletKey,
    movement: &'a Movement,
}

/// A key against moving money of this wallet twice.
fn idempotency(
    door: Door,
    wallet: &WalletKey,
    key: &str,
    moved: &impl Serialize,
) -> Result<IdempotencyKey, InvalidIdempotencyKey> {
    let (owner, payload) = (wallet.owner.as_str(), (&wallet.owner, wallet.unit, moved));
    IdempotencyKey::new(door.name(), &wallet.tenant, owner, key, &payload)
}

/// Why money is moved; it may be left empty.
fn cause(argument: &'static str, reference: &str) -> Result<Cause, Error> {
    let bounds = "at most 255 bytes without control characters or surrounding spaces";
    if !reference.is_empty()
        && let Err(InvalidLabel { what, value, .. }) = Label::<REFERENCE_BYTES_MAX>::new(argument, reference)
    {
        return Err(Error::Argument { argument: what, value, bounds });
    }
    Ok(Cause { reference: Some(reference.to_owned()), ..Cause::default() })
}

impl WalletDoors {
    /// The same doors for wallets in this unit. A purchase is in its package's unit whatever is said here.
    #[must_use]
    pub const fn unit(mut self, unit: Unit) -> Self {
        self.unit = unit;
        self
    }

    /// An owner's wallet; an empty one when the owner never had any.
    ///
    /// # Errors
    /// A user id that cannot be one, an owner whom the role does not reach, a handle that asks for every tenant, or a
    /// store that fails.
    pub async fn get<O: TryInto<Owner>>(&self, owner: O) -> Result<Wallet, Error>
    where
        Error: From<O::Error>,
    {
        let key = self.enter(Door::WalletsGet).await?.wallet(owner.try_into()?, self.unit)?;
        let wallet = self.inner().store.wallet(&key).await?;
        Ok(wallet.unwrap_or_else(|| Wallet::open(key, self.inner().store_now())))
    }

    /// The wallets that the handle asks for, those of tenants and those of their users, in every unit unless the filter
    /// names one, in the order of their ids; at most 1,000 at once.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn list(&self, filter: &WalletFilter) -> Result<Vec<Wallet>, Error> {
        let entered = self.enter(Door::WalletsList).await?;
        Ok(self.inner().store.wallets(entered.scope(), filter).await?)
    }

    /// Books a paid package, as it is now. The order is the idempotency key, unique in its tenant: the same order is
    /// booked once, for ever, and answered alike ever after, whatever became of its package.
    ///
    /// # Errors
    /// An unknown package, an order that was used for another package or owner, a suspended tenant, or a store that
    /// fails.
    pub async fn purchase<O: TryInto<Owner>>(
        &self,
        owner: O,
        package: &str,
        order: &str,
    ) -> Result<Purchase, Error>
    where
        Error: From<O::Error>,
    {
        self.buy(owner.try_into()?, package, order, None).await
    }

    /// Books a paid package, as [`WalletDoors::purchase`] does, if it still is what was ordered. Between an order and
    /// the word that it was paid a package may change.
    ///
    /// # Errors
    /// As [`WalletDoors::purchase`], and for a package that sells something else by now, or for something else, or an
    /// order that was booked otherwise. Nothing is booked then.
    pub async fn purchase_ordered<O: TryInto<Owner>>(
        &self,
        owner: O,
        package: &str,
        order: &str,
        ordered: Ordered,
    ) -> Result<Purchase, Error>
    where
        Error: From<O::Error>,
    {
        self.buy(owner.try_into()?, package, order, Some(ordered)).await
    }

    async fn buy(
        &self,
        owner: Owner,
        package: &str,
        order: &str,
        ordered: Option<Ordered>,
    ) -> Result<Purchase, Error> {
        let inner = self.inner();
        inner.check_open()?;
        let entered = self.enter(Door::WalletsPurchase).await?;
        let package = PackageId::new(package)?;
        // Who pays twice by one order gave it to two owners by mistake.
        let (tenant, nobody) = (entered.tenant()?, "");
        let payload = (&owner, &package, ordered);
        let door = entered.door().name();
        let idempotency = IdempotencyKey::new(door, tenant, nobody, order, &payload)?;
        if let Some(booked) = self.booked(&idempotency).await? {
            return Ok(booked);
        }
        for _ in 0..PURCHASES_MAX {
            let offered = |configuration: &Configuration| {
                let found = configuration.packages.find(&package)?;
                ordered.map_or(Ok(()), |ordered| found.check_order(ordered))?;
                Ok::<_, PackageError>((found.clone(), configuration.version))
            };
            let known = offered(&inner.snapshot().configuration);
            let (found, configuration_version) = match known {
                Ok(found) => found,
                // Another process may have added or changed it.
                Err(_) => offered(&inner.refresh().await?.configuration)?,
            };
            let movement = Movement::Purchase {
                configuration_version,
                package: package.clone(),
                amount: found.credits,
                cause: cause("order", order)?,
            };
            let unit = found.unit;
            let key = entered.wallet(owner.clone(), unit)?;
            match self.credit(&entered, key, movement, idempotency).await {
                Err(Error::Contended) => {
                    inner.refresh().await?;
                }
                booked => {
                    return Ok(Purchase { moved: booked?.moved, unit });
                }
            }
        }
        Err(Error::Contended)
    }

    /// What was booked under an idempotency key.
    async fn booked(&self, idempotency: &IdempotencyKey) -> Result<Option<Purchase>, Error> {
        let Some(row) = self.inner().store.idempotency(&idempotency.key).await? else { return Ok(None) };
        Ok(Some(row.answer_to(idempotency)?))
    }

    /// Gives back what a task was charged, or `amount` of it. Never more than was charged, however often it is asked.
    /// The idempotency key is one of this owner's.
    ///
    /// # Errors
    /// An unknown task or one that another wallet paid for, more than is left of its charge, or a store that fails.
    pub async fn refund<O: TryInto<Owner>>(
        &self,
        owner: O,
        task: TaskId,
        amount: Option<Amount>,
        reason: &str,
        idempotency_key: &str,
    ) -> Result<Credited, Error>
    where
        Error: From<O::Error>,
    {
        let entered = self.enter(Door::WalletsRefund).await?;
        let movement = Movement::Refund { task, amount, cause: cause("reason", reason)? };
        let key = entered.wallet(owner.try_into()?, self.unit)?;
        let idempotency = idempotency(entered.door(), &key, idempotency_key, &(task, amount))?;
        self.credit(&entered, key, movement, idempotency).await
    }

    /// Corrects a balance by an operator's word; a negative correction beyond what is available becomes debt. The
    /// answer says what moved and what became debt. The idempotency key is one of this owner's: all may get the same
    /// gift.
    ///
    /// # Errors
    /// A change of zero, or a store that fails.
    pub async fn adjust<O: TryInto<Owner>>(
        &self,
        owner: O,
        change: Amount,
        reason: &str,
        idempotency_key: &str,
    ) -> Result<Credited, Error>
    where
        Error: From<O::Error>,
    {
        let entered = self.enter(Door::WalletsAdjust).await?;
        let movement = Movement::Adjust { change, cause: cause("reason", reason)? };
        let key = entered.wallet(owner.try_into()?, self.unit)?;
        let idempotency = idempotency(entered.door(), &key, idempotency_key, &change)?;
        self.credit(&entered, key, movement, idempotency).await
    }

    /// The entries of an owner's wallet, newest first, with a number below `before`; at most 1,000 at once.
    ///
    /// # Errors
    /// A user id that cannot be one, an owner whom the role does not reach, a handle that asks for every tenant, or a
    /// store that fails.
    pub async fn history<O: TryInto<Owner>>(
        &self,
        owner: O,
        before: Option<u64>,
        limit: u32,
    ) -> Result<Vec<Entry>, Error>
    where
        Error: From<O::Error>,
    {
        let key = self.enter(Door::WalletsHistory).await?.wallet(owner.try_into()?, self.unit)?;
        Ok(self.inner().store.entries(key.id(), before, limit).await?)
    }

    async fn credit(
        &self,
        entered: &Entered,
        wallet: WalletKey,
        movement: Movement,
        idempotency: IdempotencyKey,
    ) -> Result<Credited, Error> {
        let inner = self.inner();
        inner.check_open()?;
        let (tenant, owner) = (wallet.tenant.clone(), wallet.owner.to_string());
        let detail = MovementDetail { wallet: &wallet, movement: &movement };
        let audit = inner.audit(entered, &Target::Wallet(wallet.clone()), &detail);
        let credit = Credit { idempotency: Some(idempotency), wallet, movement };
        match inner.administer(audit, credit).await? {
            Ok(credited) => Ok(credited),
            Err(NotCredited::Suspended) => Err(suspended(&tenant)),
            Err(NotCredited::Refused(refusal)) => Err(refusal.into()),
            Err(NotCredited::Conflict) => Err(Error::IdempotencyConflict),
            Err(NotCredited::Stale) => Err(Error::Contended),
            Err(NotCredited::UnknownTask) => {
                Err(Error::NotFound { what: "task paid by the wallet of", name: owner })
            }
        }
    }
}
