//! Wallets of the tenant and their ledger.

use kingcong_core::{
    id::{Route, TaskId, UserId, WalletId},
    ledger::{Entry, EntryKind, Owner, Wallet, WalletKey},
    money::Unit,
    pricing::Ordered,
    store::{Moved, Standing, WalletFilter},
};
use serde::{Deserialize, Serialize};

use crate::{
    answer::{AsText, Instant, Units, Word, all},
    asked::{AskedAmount, credits, dollars, rows},
    door::{At, Door, Group, Listed},
    problem::Problem,
};

pub(crate) const GROUP: Group = Group {
    name: "Wallets",
    docs: "Wallets of the tenant and their ledger, in KingCong credits unless `unit` says otherwise.\n\n\
           Without a user a wallet is the tenant's own.",
    doors: &[
        Listed::of::<Get>(),
        Listed::of::<List>(),
        Listed::of::<Purchase>(),
        Listed::of::<Refund>(),
        Listed::of::<Adjust>(),
        Listed::of::<History>(),
    ],
};

/// An owner's balance in one unit; `user` is none for a tenant's own. `available` is what is not held.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "description", derive(schemars::JsonSchema))]
pub(crate) struct WalletView {
    id: String,
    tenant: String,
    user: Option<String>,
    unit: Word<Unit>,
    balance: Units,
    held: Units,
    available: Units,
    debt: Units,
    total_purchased: Units,
    total_spent: Units,
    total_refunded: Units,
    entries: u64,
    created_at: Instant,
    updated_at: Instant,
}

impl From<&Wallet> for WalletView {
    fn from(wallet: &Wallet) -> Self {
        let WalletKey { tenant, owner, unit } = &wallet.key;
        let units = |amount| Units::new(amount, *unit);
        Self {
            id: wallet.id.to_string(),
            tenant: tenant.to_string(),
            user: match owner {
                Owner::User(user) => Some(user.to_string()),
                Owner::Tenant => None,
            },
            unit: Word(*unit),
            balance: units(wallet.balance),
            held: units(wallet.held),
            available: units(wallet.available()),
            debt: units(wallet.debt),
            total_purchased: units(wallet.total_purchased),
            total_spent: units(wallet.total_spent),
            total_refunded: units(wallet.total_refunded),
            entries: wallet.last_entry,
            created_at: Instant(wallet.created_at),
            updated_at: Instant(wallet.updated_at),
        }
    }
}

/// One line of a wallet's ledger; numbers are dense from 1.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "description", derive(schemars::JsonSchema))]
struct EntryView {
    number: u64,
    kind: Word<EntryKind>,
    amount: Units,
    balance_after: Units,
    debt_change: Units,
    debt_after: Units,
    unit: Word<Unit>,
    route: Option<AsText<Route>>,
    task: Option<String>,
    reference: Option<String>,
    at: Instant,
}

impl EntryView {
    fn of(entry: Entry, unit: Unit) -> Self {
        let units = |amount| Units::new(amount, unit);
        Self {
            number: entry.number,
            kind: Word(entry.kind),
            amount: units(entry.amount),
            balance_after: units(entry.balance_after),
            debt_change: units(entry.debt_change),
            debt_after: units(entry.debt_after),
            unit: Word(unit),
            route: entry.cause.route.map(AsText),
            task: entry.cause.task.map(|task| task.to_string()),
            reference: entry.cause.reference,
            at: Instant(entry.at),
        }
    }
}

/// What was moved, and the balance after it; at a replay the balance then, not now.
///
/// `amount` is by how much the balance changed before any debt was paid. Where a correction wanted to take more than
/// was available, the rest is in `became_debt`; what of a credit went to pay debt is `paid_debt`.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "description", derive(schemars::JsonSchema))]
struct CreditedView {
    amount: Units,
    became_debt: Units,
    paid_debt: Units,
    balance_after: Units,
}

impl CreditedView {
    fn of(moved: Moved, unit: Unit) -> Self {
        let units = |amount| Units::new(amount, unit);
        Self {
            amount: units(moved.amount),
            became_debt: units(moved.became_debt),
            paid_debt: units(moved.paid_debt),
            balance_after: units(moved.balance_after),
        }
    }
}

/// What an order says of its package: what the buyer was shown, and pays.
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "description", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
struct AskedOrdered {
    credits: AskedAmount,
    price: AskedAmount,
    #[serde(default = "credits")]
    unit: Word<Unit>,
    #[serde(default = "dollars")]
    currency: Word<Unit>,
}

impl AskedOrdered {
    fn ordered(self) -> Result<Ordered, Problem> {
        Ok(Ordered { credits: self.credits.money(self.unit.0)?, price: self.price.money(self.currency.0)? })
    }
}

/// The owner of a wallet: a user, or the tenant.
fn owner(user: Option<AsText<UserId>>) -> Owner {
    Owner::from(user.map(|user| user.0))
}

/// A user's wallet; an empty one when the user never had any.
///
/// ```python
/// >>> from kingcong import KingCong
/// >>> with KingCong.open("memory:", preset="kingcong") as kc:
/// ...     kc.wallets.get("user-1").balance
/// Decimal('0')
/// ```
///
/// ```ts
/// import { KingCong } from 'kingcong';
///
/// await using kc = await KingCong.open('memory:', { preset: 'kingcong' });
/// console.log((await kc.wallets.get('user-1')).balance); // 0
/// ```
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "description", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
struct Get {
    user: Option<AsText<UserId>>,
    #[serde(default = "credits")]
    unit: Word<Unit>,
}

impl Door for Get {
    const NAME: &'static str = "wallets.get";
    const BY_PLACE: usize = 1;
    type Answer = WalletView;

    async fn knock(self, at: &mut At<'_>) -> Result<WalletView, Problem> {
        let wallets = at.kc.wallets().unit(self.unit.0);
        Ok(WalletView::from(&wallets.get(owner(self.user)).await?))
    }
}

/// Wallets of the tenant, its own and its users', in the order of their ids, those after the id `after`.
///
/// With `in_debt` only those that owe something; at most 1,000 at once.
///
/// ```python
/// >>> from kingcong import KingCong
/// >>> with KingCong.open("memory:", preset="kingcong") as kc:
/// ...     _ = kc.wallets.adjust("user-1", -5, reason="a fee", idempotency_key="fee-1")
/// ...     [(wallet.user, wallet.debt) for wallet in kc.wallets.list(in_debt=True)]
/// [('user-1', Decimal('5'))]
/// ```
///
/// ```ts
/// import { KingCong } from 'kingcong';
///
/// await using kc = await KingCong.open('memory:', { preset: 'kingcong' });
/// await kc.wallets.adjust('user-1', -5, { reason: 'a fee', idempotencyKey: 'fee-1' });
/// for (const wallet of await kc.wallets.list({ inDebt: true })) console.log(wallet.user, wallet.debt); // user-1 5
/// ```
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "description", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
struct List {
    unit: Option<Word<Unit>>,
    #[serde(default)]
    in_debt: bool,
    after: Option<AsText<WalletId>>,
    #[serde(default = "rows")]
    limit: u32,
}

impl Door for List {
    const NAME: &'static str = "wallets.list";
    type Answer = Vec<WalletView>;

    async fn knock(self, at: &mut At<'_>) -> Result<Self::Answer, Problem> {
        let Self { unit, in_debt, after, limit } = self;
        let standing = if in_debt { Standing::InDebt } else { Standing::All };
        let (unit, after) = (unit.map(|unit| unit.0), after.map(|after| after.0));
        Ok(all(&at.kc.wallets().list(&WalletFilter { unit, standing, after, limit }).await?))
    }
}

/// Books a paid package. `order` is the idempotency key: the same order is booked once, for ever.
///
/// `ordered` is what the buyer was shown and paid: a package that is something else by now is not booked. Without it
/// the package is booked as it is now.
///
/// Fails with `not_found` for a package that is not on sale, `amount_refused` for one that is not what was ordered,
/// `idempotency_conflict` for an order that was used for another package or owner.
///
/// ```python
/// >>> from kingcong import KingCong
/// >>> with KingCong.open("memory:", preset="kingcong") as kc:
/// ...     first = kc.wallets.purchase("user-1", "package-1", "order-991")
/// ...     again = kc.wallets.purchase("user-1", "package-1", "order-991")
/// ...     first == again, kc.wallets.get("user-1").balance
/// (True, Decimal('1000000'))
///
/// >>> from kingcong import AmountRefused, Ordered
/// >>> with KingCong.open("memory:", preset="kingcong") as kc:
/// ...     try:
/// ...         kc.wallets.purchase("user-1", "package-1", "order-992", ordered=Ordered(Decimal(10), Decimal(5)))
/// ...     except AmountRefused as refused:
/// ...         refused.ordered_credits, refused.credits
/// (Decimal('10'), Decimal('1000000'))
/// ```
///
/// ```ts
/// import { KingCong } from 'kingcong';
///
/// await using kc = await KingCong.open('memory:', { preset: 'kingcong' });
/// await kc.wallets.purchase('user-1', 'package-1', 'order-991');
/// await kc.wallets.purchase('user-1', 'package-1', 'order-991'); // a replay
/// console.log((await kc.wallets.get('user-1')).balance); // 1000000
/// ```
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "description", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
struct Purchase {
    user: Option<AsText<UserId>>,
    package: String,
    order: String,
    ordered: Option<AskedOrdered>,
}

impl Door for Purchase {
    const NAME: &'static str = "wallets.purchase";
    const BY_PLACE: usize = 3;
    type Answer = CreditedView;

    async fn knock(self, at: &mut At<'_>) -> Result<CreditedView, Problem> {
        let Self { user, package, order, ordered } = self;
        let (wallets, owner) = (at.kc.wallets(), owner(user));
        let purchase = match ordered {
            None => wallets.purchase(owner, &package, &order).await?,
            Some(asked) => wallets.purchase_ordered(owner, &package, &order, asked.ordered()?).await?,
        };
        Ok(CreditedView::of(purchase.moved, purchase.unit))
    }
}

/// Gives back what a task was charged, or `amount` of it; never more, however often it is asked.
///
/// Fails with `not_found` for a task that another wallet paid for, `amount_refused` for more than is left.
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "description", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
struct Refund {
    user: Option<AsText<UserId>>,
    task: AsText<TaskId>,
    amount: Option<AskedAmount>,
    reason: String,
    idempotency_key: String,
    #[serde(default = "credits")]
    unit: Word<Unit>,
}

impl Door for Refund {
    const NAME: &'static str = "wallets.refund";
    const BY_PLACE: usize = 2;
    type Answer = CreditedView;

    async fn knock(self, at: &mut At<'_>) -> Result<CreditedView, Problem> {
        let Self { user, task, amount, reason, idempotency_key, unit: Word(unit) } = self;
        let amount = amount.map(|amount| amount.money(unit)).transpose()?;
        let (wallets, amount) = (at.kc.wallets().unit(unit), amount.map(|money| money.amount));
        let credited = wallets.refund(owner(user), task.0, amount, &reason, &idempotency_key).await?;
        Ok(CreditedView::of(credited.moved, unit))
    }
}

/// Corrects a balance by an operator's word; a negative correction beyond what is available becomes debt.
///
/// The answer says what moved (`amount`) and what became debt (`became_debt`).
///
/// ```python
/// >>> from kingcong import KingCong, Role
/// >>> with KingCong.open("memory:", preset="kingcong") as kc:
/// ...     admin = kc.acting("admin-7", Role.OPERATOR)
/// ...     gift = admin.wallets.adjust("user-1", 500, reason="welcome", idempotency_key="w-1")
/// ...     gift.balance_after
/// Decimal('500')
/// ```
///
/// ```ts
/// import { KingCong } from 'kingcong';
///
/// await using kc = await KingCong.open('memory:', { preset: 'kingcong' });
/// const why = { reason: 'welcome', idempotencyKey: 'w-1' };
/// const gift = await kc.acting({ actor: 'admin-7', role: 'operator' }).wallets.adjust('user-1', 500, why);
/// console.log(gift.balanceAfter); // 500
/// ```
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "description", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
struct Adjust {
    user: Option<AsText<UserId>>,
    change: AskedAmount,
    reason: String,
    idempotency_key: String,
    #[serde(default = "credits")]
    unit: Word<Unit>,
}

impl Door for Adjust {
    const NAME: &'static str = "wallets.adjust";
    const BY_PLACE: usize = 2;
    type Answer = CreditedView;

    async fn knock(self, at: &mut At<'_>) -> Result<CreditedView, Problem> {
        let Self { user, change, reason, idempotency_key, unit: Word(unit) } = self;
        let (wallets, change) = (at.kc.wallets().unit(unit), change.money(unit)?.amount);
        let credited = wallets.adjust(owner(user), change, &reason, &idempotency_key).await?;
        Ok(CreditedView::of(credited.moved, unit))
    }
}

/// The entries of a user's wallet, newest first, with a number below `before`.
///
/// ```python
/// >>> from kingcong import KingCong
/// >>> with KingCong.open("memory:", preset="kingcong") as kc:
/// ...     _ = kc.wallets.purchase("user-1", "package-1", "order-991")
/// ...     [(entry.kind.value, entry.amount) for entry in kc.wallets.history("user-1")]
/// [('purchase', Decimal('1000000'))]
/// ```
///
/// ```ts
/// import { KingCong } from 'kingcong';
///
/// await using kc = await KingCong.open('memory:', { preset: 'kingcong' });
/// await kc.wallets.purchase('user-1', 'package-1', 'order-991');
/// for (const entry of await kc.wallets.history('user-1')) console.log(entry.kind, entry.amount); // purchase 1000000
/// ```
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "description", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
struct History {
    user: Option<AsText<UserId>>,
    before: Option<u64>,
    #[serde(default = "rows")]
    limit: u32,
    #[serde(default = "credits")]
    unit: Word<Unit>,
}

impl Door for History {
    const NAME: &'static str = "wallets.history";
    const BY_PLACE: usize = 1;
    type Answer = Vec<EntryView>;

    async fn knock(self, at: &mut At<'_>) -> Result<Self::Answer, Problem> {
        let Self { user, before, limit, unit: Word(unit) } = self;
        let entries = at.kc.wallets().unit(unit).history(owner(user), before, limit).await?;
        Ok(entries.into_iter().map(|entry| EntryView::of(entry, unit)).collect())
    }
}
