//! Laws of tenants: what is said of them is kept, and one that is suspended orders nothing new.

use std::time::Duration;

use futures_util::future::join_all;

use super::fixtures::{NewKey, Order, Scene, TestClock, TestWorker, done, failed, idempotency, pool};
use crate::{
    clock::Clock,
    failure::{FailureKind, Reached},
    id::{PackageId, TenantId},
    ledger::Cause,
    money::Amount,
    store::{AuditOf, Credit, Credited, Movement, NotAdmitted, NotCredited, NotRetried, Store},
    tenants::{Tenant, TenantState},
    work::JobState,
};

/// How many admit at once.
const RACERS: usize = 6;

fn tenant(id: &str) -> TenantId {
    TenantId::new(id).expect("the id is legal")
}

async fn purchase(worker: &TestWorker<'_>, order: &str) -> Result<Credited, NotCredited> {
    let movement = Movement::Purchase {
        configuration_version: 1,
        package: PackageId::new("package-1").expect("the id is legal"),
        amount: Amount::new(100),
        cause: Cause::default(),
    };
    let credit = worker.credit_command("user-1", movement);
    worker.credit(Credit { idempotency: Some(idempotency(order, "package-1")), ..credit }).await
}

/// A tenant has no row until something is said of it. Each change has a number that no other change has, and what
/// changes nothing is none.
pub(super) async fn what_is_said_of_tenants_is_kept_and_listed(store: &dyn Store, clock: &TestClock) {
    let scene = Scene::configured(store, clock).await;
    let worker = scene.worker().await;
    let (acme, other) = (tenant("acme"), tenant("người thuê"));
    let read = "the store can be read";
    assert_eq!(store.tenant(&acme).await.expect(read), None);
    assert_eq!(store.tenants(None, 10).await.expect(read), []);

    let first = worker.set_tenant(&acme, TenantState::Active).await;
    let born = clock.now();
    assert_eq!((&first.id, first.name.as_str(), first.state), (&acme, "acme Ltd.", TenantState::Active));
    assert_eq!((first.version, first.created_at, first.updated_at), (1, born, born));
    assert_eq!(store.tenant(&acme).await.expect(read).as_ref(), Some(&first));
    clock.advance(Duration::from_secs(1));
    let second = worker.set_tenant(&other, TenantState::Suspended).await;
    assert_eq!((second.version, second.state), (2, TenantState::Suspended));
    assert_eq!(worker.set_tenant(&other, TenantState::Suspended).await, second, "nothing changed");
    let third = worker.set_tenant(&acme, TenantState::Suspended).await;
    assert_eq!((third.version, third.created_at, third.updated_at), (3, born, clock.now()));
    assert_eq!(store.tenant(&acme).await.expect(read).as_ref(), Some(&third));
    assert_eq!(store.tenant(&tenant("ACME")).await.expect(read), None);

    let ids = |tenants: Vec<Tenant>| tenants.into_iter().map(|tenant| tenant.id).collect::<Vec<_>>();
    assert_eq!(store.tenants(None, 10).await.expect(read), [third, second]);
    let page = async |after| ids(store.tenants(after, 1).await.expect(read));
    assert_eq!(page(None).await, std::slice::from_ref(&acme));
    assert_eq!(page(Some(&acme)).await, std::slice::from_ref(&other));
    assert_eq!(page(Some(&other)).await, []);
    let audit = store.audit(&AuditOf::ALL, None, 10).await.expect(read);
    assert_eq!(audit.iter().filter(|entry| entry.door == "tenants.set").count(), 4);
}

/// It submits, retries and purchases nothing, and no hold or entry is left of the attempt; an operator may still refund
/// and correct, and other tenants are not concerned. Answers that were given before are given again.
pub(super) async fn a_suspended_tenant_orders_nothing(store: &dyn Store, clock: &TestClock) {
    let scene = Scene::configured(store, clock).await;
    let worker = scene.worker().await;
    worker.add_key(&NewKey::new("ai33", 9, 9)).await;
    purchase(&worker, "order-1").await.expect("it can be bought");
    let known = Order::new("user-1", 1).under(idempotency("submit-1", "a"));
    let job = worker.admit(&known).await.expect("it can be paid").job;
    let lease = worker.lease(pool("ai33")).await;
    worker.settled(&lease, failed(FailureKind::BadRequest, Reached::No)).await;
    worker.set_tenant(&tenant("acme"), TenantState::Suspended).await;
    worker.admitted(&Order::new("user-1", 1)).await;

    let version = worker.set_tenant(&TenantId::main(), TenantState::Suspended).await.version;
    let before = scene.wallet("user-1").await;
    let order = Order { tenant_version: version, ..Order::new("user-1", 1) };
    assert_eq!(worker.admit(&order).await, Err(NotAdmitted::Suspended));
    assert_eq!(worker.retry(job, "again").await, Err(NotRetried::Suspended));
    assert_eq!(purchase(&worker, "order-2").await, Err(NotCredited::Suspended));
    assert_eq!(scene.wallet("user-1").await, before);
    assert_eq!(scene.job(job).await.job.state, JobState::Failed);

    assert_eq!(worker.admit(&known).await.map(|admitted| admitted.job), Ok(job));
    assert_eq!(purchase(&worker, "order-1").await.map(|booked| booked.entry), Ok(1));
    worker.adjust("user-1", 5).await.expect("an operator may correct");

    let version = worker.set_tenant(&TenantId::main(), TenantState::Active).await.version;
    worker.admit(&Order { tenant_version: version, ..order }).await.expect("it may order again");
    worker.retry(job, "again").await.expect("it may retry again");
    purchase(&worker, "order-2").await.expect("it may buy again");
}

/// Whatever was said of the tenant since a plan was made, the plan is not admitted: it is made again.
pub(super) async fn a_plan_of_an_older_tenant_admits_nothing(store: &dyn Store, clock: &TestClock) {
    let scene = Scene::configured(store, clock).await;
    let worker = scene.worker().await;
    worker.buy("user-1", 100).await;
    let main = TenantId::main();
    let order = Order::new("user-1", 1);
    let planned = |tenant_version| Order { tenant_version, ..order.clone() };
    assert_eq!(worker.admit(&planned(1)).await, Err(NotAdmitted::Stale), "there is no row yet");
    for (state, version) in [(TenantState::Suspended, 1), (TenantState::Active, 2)] {
        assert_eq!(worker.set_tenant(&main, state).await.version, version);
        assert_eq!(worker.admit(&planned(version - 1)).await, Err(NotAdmitted::Stale));
    }
    assert_eq!(scene.wallet("user-1").await.held, Amount::ZERO);
    worker.admit(&planned(2)).await.expect("it can be paid");
    worker.set_tenant(&tenant("acme"), TenantState::Active).await;
    worker.admit(&planned(2)).await.expect("what is said of another is no concern");
}

/// Tasks of a suspended tenant are claimed, settled and charged as ever.
pub(super) async fn what_is_under_way_goes_on_when_its_tenant_is_suspended(
    store: &dyn Store,
    clock: &TestClock,
) {
    let scene = Scene::configured(store, clock).await;
    let worker = scene.worker().await;
    worker.add_key(&NewKey::new("ai33", 9, 9)).await;
    worker.buy("user-1", 100).await;
    let job = worker.admitted(&Order::new("user-1", 2)).await.job.id;
    let lease = worker.lease(pool("ai33")).await;
    worker.set_tenant(&TenantId::main(), TenantState::Suspended).await;
    worker.settled(&lease, done()).await;
    let lease = worker.lease(pool("ai33")).await;
    worker.settled(&lease, done()).await;
    assert_eq!(scene.job(job).await.job.state, JobState::Completed);
    assert_eq!(scene.wallet("user-1").await.balance, Amount::new(80));
}

/// Those that are admitted before the suspension are, and all others are told to plan again; then they are refused.
pub(super) async fn a_tenant_is_suspended_beside_others_that_are_admitted(
    store: &dyn Store,
    clock: &TestClock,
) {
    let scene = Scene::configured(store, clock).await;
    let mut workers = Vec::new();
    for _ in 0..RACERS {
        workers.push(scene.worker().await);
    }
    workers[0].buy("user-1", 1000).await;
    let order = Order::new("user-1", 1);
    let admits = workers[1..].iter().map(|worker| worker.admit(&order));
    let main = TenantId::main();
    let (suspended, admitted) =
        futures_util::future::join(workers[0].set_tenant(&main, TenantState::Suspended), join_all(admits))
            .await;
    let jobs = admitted.iter().filter(|admitted| admitted.is_ok()).count();
    let stale = admitted.iter().filter(|admitted| **admitted == Err(NotAdmitted::Stale)).count();
    assert_eq!(jobs + stale, RACERS - 1, "{admitted:?}");
    let held = 10 * i64::try_from(jobs).expect("there are few");
    assert_eq!(scene.wallet("user-1").await.held, Amount::new(held));
    let order = Order { tenant_version: suspended.version, ..order };
    for worker in &workers {
        assert_eq!(worker.admit(&order).await, Err(NotAdmitted::Suspended));
    }
}
