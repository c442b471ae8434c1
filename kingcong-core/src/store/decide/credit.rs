//! Money moved by an admin door: purchases, refunds, corrections.

use crate::{
    clock::Timestamp,
    ledger::{Cause, Entry, EntryKind, Wallet},
    money::Amount,
    store::{Credit, Credited, Moved, Movement, NotCredited, Remembered, Tables},
    tenants::TenantState,
};

use super::replay::{refuse, remember};

/// Moves money. Whether that was done before, under the same idempotency key, is looked up earlier.
pub(super) fn credit(tables: &mut Tables, credit: &Credit, now: Timestamp) -> Result<Credited, NotCredited> {
    let id = credit.wallet.id();
    let mut wallet =
        tables.wallets.get(&id).cloned().unwrap_or_else(|| Wallet::open(credit.wallet.clone(), now));
    let under = |cause: &Cause| Cause {
        idempotency: credit.idempotency.map(|idempotency| idempotency.key),
        ..cause.clone()
    };
    let booked = match &credit.movement {
        Movement::Purchase { configuration_version, .. }
            if *configuration_version != tables.configuration.version =>
        {
            return Err(NotCredited::Stale);
        }
        Movement::Purchase { .. }
            if tables.standing(&credit.wallet.tenant).state == TenantState::Suspended =>
        {
            return Err(NotCredited::Suspended);
        }
        Movement::Purchase { amount, cause, .. } => wallet.purchase(*amount, under(cause), now),
        Movement::Adjust { change, cause } => wallet.adjust(*change, under(cause), now),
        Movement::Refund { task, amount, cause } => {
            let task = tables.tasks().get(task).ok_or(NotCredited::UnknownTask)?;
            let paid_by = tables.jobs.get(&task.job).map(|job| job.wallet);
            if paid_by != Some(id) {
                return Err(NotCredited::UnknownTask);
            }
            let refundable = Amount::new(task.charged.get() - task.refunded.get());
            let amount = amount.unwrap_or(refundable);
            let cause = Cause {
                route: Some(task.planned_route().route().clone()),
                task: Some(task.id),
                ..under(cause)
            };
            wallet.refund(amount, refundable, cause, now)
        }
    };
    let entries = match booked {
        Ok(entries) => entries,
        Err(refusal) => return Err(refuse(tables, credit.idempotency.as_ref(), refusal, now).into()),
    };
    let moved = moved(&wallet, &entries);
    if let Movement::Refund { task, .. } = &credit.movement {
        tables.change_task(*task, |task| {
            task.refunded = Amount::new(task.refunded.get() + moved.amount.get());
        });
    }
    Ok(write(tables, credit, wallet, moved, entries, now))
}

/// What these entries, the newest of a wallet, did to it.
fn moved(wallet: &Wallet, entries: &[Entry]) -> Moved {
    let (payments, credits): (Vec<_>, Vec<_>) =
        entries.iter().partition(|entry| entry.kind == EntryKind::DebtPayment);
    let sum = |amounts: &mut dyn Iterator<Item = Amount>| Amount::new(amounts.map(Amount::get).sum());
    Moved {
        amount: sum(&mut credits.iter().map(|entry| entry.amount)),
        became_debt: sum(&mut credits.iter().map(|entry| entry.debt_change)),
        paid_debt: sum(&mut payments.iter().map(|entry| Amount::new(-entry.amount.get()))),
        balance_after: wallet.balance,
    }
}

fn write(
    tables: &mut Tables,
    credit: &Credit,
    wallet: Wallet,
    moved: Moved,
    entries: Vec<Entry>,
    now: Timestamp,
) -> Credited {
    let (unit, id) = (wallet.key.unit, wallet.id);
    let entry = entries.first().map_or(wallet.last_entry, |entry| entry.number);
    for entry in &entries {
        tables.entries.insert((entry.wallet, entry.number), entry.clone());
    }
    tables.wallets.insert(wallet.id, wallet);
    let answer = Remembered::Credited { moved, wallet: id, entry, unit };
    remember(tables, credit.idempotency.as_ref(), answer, now);
    Credited { moved, entry, entries }
}
