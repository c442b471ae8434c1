//! Laws of money that moves by an admin door: purchases, refunds, corrections.

use super::fixtures::{
    NewKey, Order, Scene, TestClock, TestWorker, audit, credits, done, done_in, failed, idempotency, pool,
    route, server, service, user, wallet_of,
};
use crate::{
    clock::Clock,
    failure::{FailureKind, Reached},
    id::{PackageId, TaskId, TenantId},
    keys::PoolId,
    ledger::{Cause, EntryKind, Owner, Refusal, WalletKey},
    money::{Amount, Unit},
    pricing::Overrun,
    store::{
        AdminAnswer, AuditOf, Credit, Credited, Moved, Movement, NotCredited, Outcome, PAGE_MAX, Remembered,
        StopWhy, Store,
    },
};

fn moved(amount: i64, became_debt: i64, paid_debt: i64, balance_after: i64) -> Moved {
    Moved {
        amount: Amount::new(amount),
        became_debt: Amount::new(became_debt),
        paid_debt: Amount::new(paid_debt),
        balance_after: Amount::new(balance_after),
    }
}

fn purchase(worker: &TestWorker<'_>, name: &str, amount: i64) -> Credit {
    let movement = Movement::Purchase {
        configuration_version: 1,
        package: PackageId::new("package-1").expect("the id is legal"),
        amount: Amount::new(amount),
        cause: Cause { reference: Some("order-991".into()), ..Cause::default() },
    };
    worker.credit_command(name, movement)
}

/// A task of ten characters that was done and charged.
async fn charged_task(worker: &TestWorker<'_>, name: &str) -> TaskId {
    worker.admit(&Order::new(name, 1)).await.expect("it can be paid");
    let settled = worker.settled(&worker.lease(pool("ai33")).await, done()).await;
    assert_eq!(settled.charged.get(), 10);
    settled.task.id
}

/// The wallet is opened, the credits are there, the entry says why and what was there after it.
pub(super) async fn a_purchase_adds_what_was_bought(store: &dyn Store, clock: &TestClock) {
    let scene = Scene::configured(store, clock).await;
    let worker = scene.worker().await;
    let credited = worker.credit(purchase(&worker, "user-1", 1000)).await.expect("it is legal");
    assert_eq!((credited.moved, credited.entry), (moved(1000, 0, 0, 1000), 1));
    let wallet = scene.wallet("user-1").await;
    assert_eq!((wallet.id, &wallet.key), (wallet_of("user-1").id(), &wallet_of("user-1")));
    assert_eq!((wallet.balance.get(), wallet.total_purchased.get()), (1000, 1000));
    assert_eq!((wallet.created_at, wallet.updated_at), (clock.now(), clock.now()));
    let entries = store.entries(wallet.id, None, 10).await.expect("the store can be read");
    assert_eq!(entries, credited.entries);
    let entry = &entries[0];
    assert_eq!((entry.kind, entry.number, entry.at), (EntryKind::Purchase, 1, clock.now()));
    assert_eq!((entry.amount.get(), entry.balance_after.get()), (1000, 1000));
    assert_eq!(entry.cause.reference.as_deref(), Some("order-991"));

    let keys = [Owner::Tenant, Owner::User(user("user-1"))].map(|owner| WalletKey {
        tenant: TenantId::main(),
        owner,
        unit: Unit::USD,
    });
    for key in keys {
        let wallet = store.wallet(&key).await.expect("the store can be read");
        assert_eq!(wallet, None, "other owners and units have wallets of their own");
        let credit = Credit { wallet: key.clone(), ..purchase(&worker, "user-1", 7) };
        worker.credit(credit).await.expect("it is legal");
        let wallet = store.wallet(&key).await.expect("the store can be read").expect("it was opened");
        assert_eq!((wallet.balance.get(), wallet.key), (7, key));
    }
    assert_eq!(scene.wallet("user-1").await.balance.get(), 1000);
}

/// The same order again gives the same answer and no credits; another payload is a conflict.
pub(super) async fn a_purchase_is_made_once(store: &dyn Store, clock: &TestClock) {
    let scene = Scene::configured(store, clock).await;
    let worker = scene.worker().await;
    let key = idempotency("order-991", "package-1");
    let once =
        |worker: &TestWorker<'_>| Credit { idempotency: Some(key), ..purchase(worker, "user-1", 1000) };
    let first = worker.credit(once(&worker)).await.expect("it is legal");
    worker.buy("user-1", 5).await;
    worker
        .configure(crate::store::ConfigurationChange::RemovePackage(
            PackageId::new("package-1").expect("the id is legal"),
        ))
        .await
        .expect("there is the package");
    let replayed = Credited { entries: Vec::new(), ..first.clone() };
    assert_eq!(worker.credit(once(&worker)).await, Ok(replayed.clone()), "the balance is that of then");
    let command = worker.act("wallets.purchase", once(&worker));
    let commands = vec![command; 2];
    let outcomes = worker.write(commands).await;
    assert!(
        outcomes.iter().all(|outcome| *outcome == Outcome::Admin(AdminAnswer::Credit(Ok(replayed.clone()))))
    );
    let row = store.idempotency(&key.key).await.expect("the store can be read").expect("it is remembered");
    let (moved, unit, wallet) = (first.moved, Unit::CREDIT, once(&worker).wallet.id());
    assert_eq!(row.answer, Remembered::Credited { moved, wallet, entry: 1, unit });

    let other = Credit { idempotency: Some(idempotency("order-991", "package-2")), ..once(&worker) };
    assert_eq!(worker.credit(other).await, Err(NotCredited::Conflict));
    let order = Order { configuration_version: 2, ..Order::new("user-1", 1) }.under(key);
    let conflict = worker.admit(&order).await;
    assert_eq!(conflict, Err(crate::store::NotAdmitted::Conflict), "a key of another door's answer");
    assert_eq!(scene.wallet("user-1").await.balance.get(), 1005);
}

/// A package that was read from another configuration is read again; the key stays free.
pub(super) async fn a_package_of_an_older_configuration_is_not_sold(store: &dyn Store, clock: &TestClock) {
    let scene = Scene::configured(store, clock).await;
    let worker = scene.worker().await;
    let package = Box::new(super::fixtures::package("package-2", 7));
    worker.configure(crate::store::ConfigurationChange::SetPackage(package)).await.expect("it is legal");
    let key = idempotency("order-991", "package-1");
    let stale = Credit { idempotency: Some(key), ..purchase(&worker, "user-1", 1000) };
    assert_eq!(worker.credit(stale).await, Err(NotCredited::Stale));
    assert_eq!(store.wallet(&wallet_of("user-1")).await.expect("the store can be read"), None);
    assert_eq!(store.idempotency(&key.key).await.expect("the store can be read"), None);
}

/// Whatever is credited pays what is owed first, with an entry of its own.
pub(super) async fn credits_pay_debt_first(store: &dyn Store, clock: &TestClock) {
    let scene = Scene::configured(store, clock).await;
    let worker = scene.worker().await;
    worker.adjust("user-1", -30).await.expect("a correction may make debt");
    let wallet = scene.wallet("user-1").await;
    assert_eq!((wallet.balance.get(), wallet.debt.get()), (0, 30));
    let part = worker.buy("user-1", 20).await;
    assert_eq!((part.moved, part.entries.len()), (moved(20, 0, 20, 0), 2));
    let payment = &part.entries[1];
    assert_eq!((payment.kind, payment.number), (EntryKind::DebtPayment, part.entry + 1));
    assert_eq!((payment.amount.get(), payment.debt_change.get(), payment.debt_after.get()), (-20, -20, 10));
    let rest = worker.adjust("user-1", 25).await.expect("it is legal");
    assert_eq!((rest.moved, scene.wallet("user-1").await.debt.get()), (moved(25, 0, 10, 15), 0));
}

/// What a hold gives back pays what is owed: nobody is refused for a debt that the balance covers.
pub(super) async fn what_a_hold_releases_pays_debt(store: &dyn Store, clock: &TestClock) {
    let scene = Scene::configured(store, clock).await;
    let worker = scene.worker().await;
    worker.buy("user-1", 60).await;
    let job = worker.admitted(&Order::new("user-1", 5)).await;
    worker.adjust("user-1", -25).await.expect("a correction may make debt");
    let wallet = scene.wallet("user-1").await;
    assert_eq!((wallet.balance.get(), wallet.available().get(), wallet.debt.get()), (50, 0, 15));
    let stopped = worker.stop(job.job.id, StopWhy::Cancelled).await.expect("there is the job");
    assert_eq!(stopped.released.get(), 50);
    let wallet = scene.wallet("user-1").await;
    assert_eq!((wallet.balance.get(), wallet.available().get(), wallet.debt.get()), (35, 35, 0));
    let entry = store.entries(wallet.id, None, 1).await.expect("the store can be read").remove(0);
    assert_eq!((entry.kind, entry.amount.get(), entry.debt_after.get()), (EntryKind::DebtPayment, -15, 0));
    assert!(worker.admit(&Order::new("user-1", 1)).await.is_ok());
}

/// Refunds of a task add up to no more than it was charged, whether from the balance or as debt.
pub(super) async fn a_refund_is_at_most_what_was_charged(store: &dyn Store, clock: &TestClock) {
    let scene = Scene::configured(store, clock).await;
    let worker = scene.worker().await;
    worker.add_key(&NewKey::new("ai33", 100, 100)).await;
    worker.buy("user-1", 30).await;
    let task = charged_task(&worker, "user-1").await;
    let beyond = |asked, refundable| {
        let (asked, refundable) = (credits(asked), credits(refundable));
        Err(NotCredited::Refused(Refusal::BeyondCharge { asked, refundable }))
    };
    assert_eq!(worker.refund("user-1", task, Some(11)).await, beyond(11, 10));
    let part = worker.refund("user-1", task, Some(4)).await.expect("it was charged");
    assert_eq!(part.moved, moved(4, 0, 0, 24));
    let entry = &part.entries[0];
    assert_eq!((entry.kind, entry.cause.task), (EntryKind::Refund, Some(task)));
    assert_eq!(entry.cause.route, Some(route("ai33")));
    assert_eq!(worker.refund("user-1", task, Some(7)).await, beyond(7, 6));
    let rest = worker.refund("user-1", task, None).await.expect("something is left");
    assert_eq!(rest.moved, moved(6, 0, 0, 30));
    let nothing = Refusal::NotPositive { amount: credits(0) };
    assert_eq!(worker.refund("user-1", task, None).await, Err(NotCredited::Refused(nothing)));
    for amount in [0, -1] {
        let refused = worker.refund("user-1", task, Some(amount)).await;
        assert!(matches!(refused, Err(NotCredited::Refused(Refusal::NotPositive { .. }))), "{refused:?}");
    }
    let read = scene.task(task).await;
    assert_eq!((read.charged.get(), read.refunded.get()), (10, 10));
    let wallet = scene.wallet("user-1").await;
    assert_eq!((wallet.balance.get(), wallet.total_spent.get(), wallet.total_refunded.get()), (30, 10, 10));

    // Charged beyond the wallet: the refund pays the debt.
    let minimax = crate::id::Route { service: service("minimax"), ..route("ai33") };
    worker.add_key(&NewKey { route: minimax.clone(), ..NewKey::new("ai33", 9, 9) }).await;
    let overruns = [(server("ai33"), Overrun::Payer)].into();
    let order = Order { service: service("minimax"), overruns, ..Order::new("user-1", 1) };
    worker.admit(&order).await.expect("it can be paid");
    let lease = worker.lease(PoolId::shared(&minimax)).await;
    worker.adjust("user-1", -25).await.expect("it is legal");
    let settled = worker.settled(&lease, done_in(Some(10_000))).await;
    assert_eq!((settled.charged.get(), settled.debt.get()), (10, 5));
    let refund = worker.refund("user-1", settled.task.id, None).await.expect("it was charged");
    assert_eq!(refund.moved, moved(10, 0, 5, 5));
}

/// Only the wallet that was charged for a task gets it back, and only for what was charged.
pub(super) async fn a_refund_goes_to_the_wallet_that_paid(store: &dyn Store, clock: &TestClock) {
    let scene = Scene::configured(store, clock).await;
    let worker = scene.worker().await;
    worker.add_key(&NewKey::new("ai33", 100, 100)).await;
    for name in ["user-1", "user-2"] {
        worker.buy(name, 30).await;
    }
    let task = charged_task(&worker, "user-1").await;
    assert_eq!(worker.refund("user-2", task, None).await, Err(NotCredited::UnknownTask));
    assert_eq!(worker.refund("user-3", task, None).await, Err(NotCredited::UnknownTask));
    let unknown = TaskId::from_uuid(scene.ids.uuid());
    assert_eq!(worker.refund("user-1", unknown, None).await, Err(NotCredited::UnknownTask));
    assert_eq!(scene.wallet("user-2").await.balance.get(), 30);

    worker.admit(&Order::new("user-1", 1)).await.expect("it can be paid");
    let lease = worker.lease(pool("ai33")).await;
    let running = worker.refund("user-1", lease.task.id, Some(1)).await;
    assert!(matches!(running, Err(NotCredited::Refused(Refusal::BeyondCharge { .. }))), "{running:?}");
    worker.settled(&lease, failed(FailureKind::Policy, Reached::Yes)).await;
    let uncharged = worker.refund("user-1", lease.task.id, Some(1)).await;
    assert!(matches!(uncharged, Err(NotCredited::Refused(Refusal::BeyondCharge { .. }))), "{uncharged:?}");
}

/// A correction adds, or takes what is available and leaves the rest as debt; what is held stays held. The answer says
/// what moved and what became debt, also when it is given again.
pub(super) async fn a_correction_goes_both_ways(store: &dyn Store, clock: &TestClock) {
    let scene = Scene::configured(store, clock).await;
    let worker = scene.worker().await;
    let up = worker.adjust("user-1", 50).await.expect("it is legal");
    assert_eq!(up.moved, moved(50, 0, 0, 50));
    worker.admit(&Order::new("user-1", 2)).await.expect("it can be paid");
    let movement = Movement::Adjust { change: Amount::new(-45), cause: Cause::default() };
    let key = Some(idempotency("fee-1", "45"));
    let down = Credit { idempotency: key, ..worker.credit_command("user-1", movement) };
    for _ in 0..2 {
        let answer = worker.credit(down.clone()).await.expect("it is legal");
        assert_eq!(answer.moved, moved(-30, 15, 0, 20));
    }
    let wallet = scene.wallet("user-1").await;
    assert_eq!((wallet.held.get(), wallet.available().get(), wallet.debt.get()), (20, 0, 15));
    let nothing = worker.adjust("user-1", 0).await;
    assert!(matches!(nothing, Err(NotCredited::Refused(Refusal::NotPositive { .. }))), "{nothing:?}");
    assert_eq!(wallet.total_purchased, Amount::ZERO);
}

/// Nothing wraps around or is cut: what would not fit is refused, and nothing changes.
pub(super) async fn figures_that_do_not_fit_are_refused(store: &dyn Store, clock: &TestClock) {
    let scene = Scene::configured(store, clock).await;
    let worker = scene.worker().await;
    worker.buy("user-1", i64::MAX).await;
    let before = scene.wallet("user-1").await;
    assert_eq!(before.balance, Amount::MAX);
    let overflow = Err(NotCredited::Refused(Refusal::Overflow));
    assert_eq!(worker.credit(purchase(&worker, "user-1", 1)).await, overflow);
    assert_eq!(worker.adjust("user-1", 1).await, overflow);
    assert_eq!(worker.adjust("user-1", i64::MIN).await, overflow);
    for amount in [0, -1, i64::MIN] {
        let refused = worker.credit(purchase(&worker, "user-2", amount)).await;
        assert!(matches!(refused, Err(NotCredited::Refused(_))), "{refused:?}");
    }
    assert_eq!(scene.wallet("user-1").await, before);
    for expected in [moved(-i64::MAX, 0, 0, 0), moved(0, i64::MAX, 0, 0)] {
        assert_eq!(worker.adjust("user-1", -i64::MAX).await.expect("it fits").moved, expected);
    }
    assert_eq!(scene.wallet("user-1").await.debt, Amount::MAX);
    assert_eq!(worker.adjust("user-1", -1).await, overflow);
}

/// What moved has an audit row with its actor and door; what was refused or replayed has none, and a refusal is
/// remembered under its key.
pub(super) async fn every_movement_is_audited_and_no_refusal(store: &dyn Store, clock: &TestClock) {
    let scene = Scene::configured(store, clock).await;
    let worker = scene.worker().await;
    let (ok, bad) = (idempotency("order-1", "a"), idempotency("order-2", "a"));
    let fine = Credit { idempotency: Some(ok), ..purchase(&worker, "user-1", 1000) };
    let audit = audit(&scene.ids, "wallets.move");
    let refused = Credit { idempotency: Some(bad), ..purchase(&worker, "user-1", 0) };
    for _ in 0..2 {
        assert!(worker.administer_as(audit.clone(), fine.clone()).await.is_ok());
        assert!(worker.credit(refused.clone()).await.is_err());
    }
    let row = store.idempotency(&bad.key).await.expect("the store can be read").expect("it is remembered");
    assert_eq!(row.answer, Remembered::Refused(Refusal::NotPositive { amount: credits(0) }));
    let rows = store.audit(&AuditOf::ALL, None, 10).await.expect("the store can be read");
    let moved: Vec<_> = rows.iter().filter(|row| row.door == "wallets.move").collect();
    assert_eq!(moved.len(), 1);
    let row = moved[0];
    assert_eq!((row.id, &row.actor, row.at), (audit.id, &audit.actor, clock.now()));
    assert_eq!(row.detail, audit.detail);
}

/// What jobs were charged and the open holds are read once for a wallet, beside its last page of entries, however many
/// pages there are.
pub(super) async fn a_large_wallet_is_added_up_once(store: &dyn Store, clock: &TestClock) {
    let scene = Scene::configured(store, clock).await;
    let worker = scene.worker().await;
    worker.add_key(&NewKey::new("ai33", 10, 10)).await;
    worker.buy("user-1", 1_000).await;
    charged_task(&worker, "user-1").await;
    worker.admit(&Order::new("user-1", 1)).await.expect("it can be paid");
    let one_more = || {
        let movement = Movement::Adjust { change: Amount::new(1), cause: Cause::default() };
        worker.act("wallets.adjust", worker.credit_command("user-1", movement))
    };
    // Beside the purchase and the charge.
    for batch in 0..PAGE_MAX / 100 {
        let entries = if batch == 0 { 98 } else { 100 };
        worker.write((0..entries).map(|_| one_more()).collect()).await;
    }
    let wallet = scene.wallet("user-1").await;
    let book = async |after| {
        let book = store.wallet_book(wallet.id, after).await.expect("the store can be read");
        let book = book.expect("the wallet was opened");
        (book.entries.len(), book.holds.len(), book.charged)
    };
    let page = u64::from(PAGE_MAX);
    assert_eq!(book(0).await, (PAGE_MAX as usize, 0, 0));
    assert_eq!(book(page - 1).await, (1, 1, 10));
    assert_eq!(book(page).await, (0, 1, 10));
}
