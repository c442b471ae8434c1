//! Wallets: every figure from the entries, the open holds and the tasks that were charged.

use super::{Discrepancy, Findings, RowId, steps};
use crate::{
    ledger::{Entry, EntryKind, Hold, HoldState, OpeningBalance, Wallet},
    money::Amount,
    store::WalletBook,
};

/// Recounts a wallet whose book has all its entries, or all after its opening.
#[must_use]
pub fn verify_wallet(book: &WalletBook) -> Vec<Discrepancy> {
    let mut findings = Findings::default();
    let end = follow(&mut findings, &book.opening, &book.entries);

    let Wallet { id, balance, debt, held, last_entry, .. } = book.wallet;
    let row = RowId::wallet(id);
    findings.same(&row, "id", id, book.wallet.key.id());
    let open = book.holds.iter().filter(|hold| hold.state == HoldState::Open);
    let set_aside = open.map(|hold| steps(hold.amount) - steps(hold.captured)).sum();
    findings.exactly(&row, "balance", steps(balance), end.balance);
    findings.exactly(&row, "debt", steps(debt), end.debt);
    findings.exactly(&row, "held", steps(held), set_aside);
    findings.at_least(&row, "balance", steps(balance), steps(held));
    findings.exactly(&row, "last_entry", last_entry, end.number);

    let Wallet { total_purchased, total_spent, total_refunded, .. } = book.wallet;
    findings.exactly(&row, "total_purchased", steps(total_purchased), end.purchased);
    findings.exactly(&row, "total_spent", steps(total_spent), end.spent);
    findings.exactly(&row, "total_refunded", steps(total_refunded), end.refunded);
    findings.exactly(&row, "total_spent", steps(total_spent), book.charged);
    findings.0
}

/// Recounts entries that follow an opening; what they and those before them add up to.
///
/// # Errors
/// Every figure that is wrong.
pub fn verify_entries(
    opening: &OpeningBalance,
    entries: &[Entry],
) -> Result<OpeningBalance, Vec<Discrepancy>> {
    let mut findings = Findings::default();
    let end = follow(&mut findings, opening, entries);
    let row = RowId::wallet(opening.wallet);
    let mut amount = |column, sum: i128| {
        findings.at_most(&row, column, sum, i64::MAX.into());
        Amount::new(i64::try_from(sum).unwrap_or(i64::MAX))
    };
    let opening = OpeningBalance {
        wallet: opening.wallet,
        number: entries.last().map_or(opening.number, |last| last.number),
        balance: amount("balance", end.balance),
        debt: amount("debt", end.debt),
        purchased: amount("total_purchased", end.purchased),
        spent: amount("total_spent", end.spent),
        refunded: amount("total_refunded", end.refunded),
    };
    if findings.0.is_empty() { Ok(opening) } else { Err(findings.0) }
}

/// What an entry moved: what was charged, for usage, and what was credited, for the others.
pub(super) fn moved(entry: &Entry) -> i128 {
    match entry.kind {
        EntryKind::Usage => steps(entry.debt_change) - steps(entry.amount),
        EntryKind::Purchase | EntryKind::Refund | EntryKind::Adjustment | EntryKind::DebtPayment => {
            steps(entry.amount)
        }
    }
}

/// Where a chain of entries ends, and what it adds up to.
struct ChainEnd {
    number: i128,
    balance: i128,
    debt: i128,
    purchased: i128,
    spent: i128,
    refunded: i128,
}

/// Follows the chains of numbers, balances and debts. Each link starts at what the one before says, so that one
/// wrong entry is found once.
fn follow(findings: &mut Findings, opening: &OpeningBalance, entries: &[Entry]) -> ChainEnd {
    let mut last = ChainEnd {
        number: opening.number.into(),
        balance: steps(opening.balance),
        debt: steps(opening.debt),
        purchased: steps(opening.purchased),
        spent: steps(opening.spent),
        refunded: steps(opening.refunded),
    };
    for entry in entries {
        let row = RowId::entry(entry.wallet, entry.number);
        findings.exactly(&row, "number", entry.number, last.number + 1);
        let balance = last.balance + steps(entry.amount);
        findings.exactly(&row, "balance_after", steps(entry.balance_after), balance);
        findings.exactly(&row, "debt_after", steps(entry.debt_after), last.debt + steps(entry.debt_change));
        findings.at_least(&row, "balance_after", steps(entry.balance_after), 0);
        findings.at_least(&row, "debt_after", steps(entry.debt_after), 0);
        verify_kind(findings, &row, entry);
        last.number = entry.number.into();
        last.balance = steps(entry.balance_after);
        last.debt = steps(entry.debt_after);
        match entry.kind {
            EntryKind::Purchase => last.purchased += moved(entry),
            EntryKind::Usage => last.spent += moved(entry),
            EntryKind::Refund => last.refunded += moved(entry),
            EntryKind::Adjustment | EntryKind::DebtPayment => {}
        }
    }
    last
}

/// What an entry of its kind moves, and in which direction.
fn verify_kind(findings: &mut Findings, row: &RowId, entry: &Entry) {
    let (amount, debt) = (steps(entry.amount), steps(entry.debt_change));
    match entry.kind {
        EntryKind::Purchase | EntryKind::Refund => {
            findings.at_least(row, "amount", amount, 1);
            findings.exactly(row, "debt_change", debt, 0);
        }
        EntryKind::Usage => {
            findings.at_most(row, "amount", amount, 0);
            findings.at_least(row, "debt_change", debt, 0);
        }
        EntryKind::DebtPayment => {
            findings.at_most(row, "amount", amount, -1);
            findings.exactly(row, "debt_change", debt, amount);
        }
        EntryKind::Adjustment => findings.at_least(row, "debt_change", debt, 0),
    }
    let task = entry.cause.task;
    if entry.kind == EntryKind::Usage {
        findings.same(row, "idempotency", entry.cause.idempotency, None);
    }
    match entry.kind {
        EntryKind::Usage | EntryKind::Refund => findings.same(row, "task_id", task.is_some(), true),
        EntryKind::Purchase | EntryKind::Adjustment => findings.same(row, "task_id", task, None),
        // One that follows a refund is booked under its cause.
        EntryKind::DebtPayment => {}
    }
    findings.same(row, "server", entry.cause.route.is_some(), task.is_some());
}

pub(super) fn verify_hold(findings: &mut Findings, hold: &Hold) {
    let row = RowId::hold(hold.id);
    findings.at_least(&row, "captured", steps(hold.captured), 0);
    findings.at_most(&row, "captured", steps(hold.captured), steps(hold.amount));
    if let HoldState::Closed { released, .. } = hold.state {
        let rest = steps(hold.amount) - steps(hold.captured);
        findings.exactly(&row, "released", steps(released), rest);
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::{
        clock::Timestamp,
        id::{HoldId, JobId, Route, ServerId, ServiceId, TaskId, TenantId, UserId},
        ledger::{Cause, Owner, WalletKey},
        money::Unit,
    };

    const NOW: Timestamp = Timestamp::from_micros(1_700_000_000_000_000);

    fn uuid(number: u128) -> Uuid {
        Uuid::from_u128(number)
    }

    fn user() -> UserId {
        UserId::new("user-1").unwrap()
    }

    fn of_task(number: u128) -> Cause {
        let route = Route::new(ServerId::new("ai33").unwrap(), ServiceId::new("elevenlabs").unwrap());
        Cause { task: Some(TaskId::from_uuid(uuid(number))), route: Some(route), ..Cause::default() }
    }

    /// A wallet with every kind of entry, debt, an open hold and a closed one.
    fn book() -> WalletBook {
        let key = WalletKey { tenant: TenantId::main(), owner: Owner::User(user()), unit: Unit::CREDIT };
        let mut wallet = Wallet::open(key, NOW);
        let mut entries = Vec::new();
        entries.extend(wallet.purchase(Amount::new(100), Cause::default(), NOW).unwrap());
        let id = |number| HoldId::from_uuid(uuid(number));
        let job = |number| JobId::from_uuid(uuid(number));
        let mut open = wallet.hold(id(1), job(1), Amount::new(60), NOW).unwrap();
        let mut closed = wallet.hold(id(2), job(2), Amount::new(20), NOW).unwrap();
        let mut capture = |wallet: &mut Wallet, hold: &mut Hold, part, task| {
            entries.extend(wallet.capture(hold, Amount::new(part), of_task(task), NOW).unwrap().entry);
        };
        capture(&mut wallet, &mut open, 25, 1);
        capture(&mut wallet, &mut closed, 45, 2);
        wallet.close(&mut closed, NOW);
        entries.extend(wallet.adjust(Amount::new(-10), Cause::default(), NOW).unwrap());
        entries.extend(wallet.refund(Amount::new(7), Amount::new(25), of_task(1), NOW).unwrap());
        let opening = OpeningBalance::new(wallet.id);
        WalletBook { wallet, opening, entries, holds: vec![open, closed], charged: 70 }
    }

    #[test]
    fn a_sound_wallet_has_no_discrepancy() {
        let book = book();
        assert!(book.wallet.debt > Amount::ZERO && book.wallet.held > Amount::ZERO);
        assert_eq!(verify_wallet(&book), []);
    }

    #[test]
    fn a_wallet_whose_first_entries_were_archived_is_as_sound_as_it_was() {
        for archived in 0..=book().entries.len() {
            let mut book = book();
            let rest = book.entries.split_off(archived);
            let opening = verify_entries(&book.opening, &book.entries).unwrap();
            assert_eq!(opening.number, archived as u64);
            let kept = WalletBook { opening, entries: rest, ..book };
            assert_eq!(verify_wallet(&kept), [], "the first {archived}");

            let mut damaged = kept.clone();
            damaged.opening.spent = Amount::new(damaged.opening.spent.get() + 1);
            let found = verify_wallet(&damaged);
            assert_eq!(
                found.iter().map(|one| (&one.row, one.column)).collect::<Vec<_>>(),
                [(&RowId::wallet(kept.wallet.id), "total_spent")]
            );
            if archived > 0 {
                let lost = WalletBook { opening: OpeningBalance::new(kept.wallet.id), ..kept };
                assert_ne!(verify_wallet(&lost), [], "entries that nobody archived are missed");
            }
        }
    }

    #[test]
    fn entries_that_do_not_add_up_are_not_archived() {
        let book = book();
        let entries = [&book.entries[..1], &book.entries[2..]].concat();
        let found = verify_entries(&book.opening, &entries).unwrap_err();
        assert_eq!(found[0].column, "number", "{found:?}");
    }
}
