//! Laws of keys: registered, changed, checked, and the data keys that seal their secrets.

use std::{num::NonZeroU32, time::Duration};

use super::fixtures::{NewKey, Order, Scene, TestClock, envelope, fingerprint, pool, route, server, service};
use crate::{
    clock::Clock,
    id::{DataKeyId, KeyId, Route, TenantId},
    keys::{KeyStatus, KeyWithLimits, Limit, Verdict},
    routing::Switch,
    store::{Command, KeyChange, NotChanged, Outcome, Store},
    vault::{DataKey, DataKeyContext, DataKeyUse, DataKeyVersion, MasterKeyId, Wrapped},
};

/// How many keys serve AI33, 0 before the pool was ever used.
async fn serving(scene: &Scene<'_>) -> u32 {
    let pools = scene.store.pulse().await.expect("the store can be read").pools;
    pools.into_iter().find(|pulse| pulse.pool.id == pool("ai33")).map_or(0, |pulse| pulse.keys)
}

/// The key reads back as it was given, has its limit, and its route's tasks are leased to it.
pub(super) async fn a_registered_key_serves_its_pool(store: &dyn Store, clock: &TestClock) {
    let scene = Scene::configured(store, clock).await;
    let worker = scene.worker().await;
    worker.buy("user-1", 100).await;
    worker.admit(&Order::new("user-1", 1)).await.expect("it can be paid");
    assert_eq!(serving(&scene).await, 0);
    let add = NewKey::new("ai33", 3, 7).of_account("us", 5, 9).add(&scene.ids);
    let key = KeyWithLimits { key: add.key.clone(), limits: add.limit.limits() };
    let outcome = worker.execute(Command::AddKey(Box::new(add.clone()))).await;
    assert_eq!(outcome, Outcome::Key(Ok(key.clone())));
    assert_eq!(store.keys().await.expect("the store can be read"), std::slice::from_ref(&key));
    let limit = scene.limit(Limit::id_of_key(key.id)).await;
    assert_eq!((limit.max_in_flight.get(), limit.per_window.get(), limit.in_flight), (3, 7, 0));
    let account = Limit::id_of_account(&server("ai33"), "us");
    assert_eq!((limit.pool, limit.account), (Some(pool("ai33")), Some(account)));
    let account = scene.limit(account).await;
    assert_eq!((account.max_in_flight.get(), account.per_window.get(), account.pool), (5, 9, None));
    assert_eq!(serving(&scene).await, 1);
    assert_eq!(worker.lease(pool("ai33")).await.attempt.key, key.id);
    let rows = store.audit(None, 1).await.expect("the store can be read");
    assert_eq!((rows[0].id, rows[0].door.as_str()), (add.audit.id, "keys.add"));
}

/// The same secret twice on a route would break its limits. On another server it is another key; on another service
/// of the same server both must name one account.
pub(super) async fn a_secret_is_registered_once_per_route(store: &dyn Store, clock: &TestClock) {
    let scene = Scene::configured(store, clock).await;
    let worker = scene.worker().await;
    let key = NewKey { fingerprint: Some(fingerprint(&scene.ids)), ..NewKey::new("ai33", 1, 1) };
    let first = worker.add_key(&key).await;
    assert_eq!(worker.try_add_key(&key).await, Err(NotChanged::Duplicate(first)));
    let commands = [(); 2].map(|()| {
        let key = NewKey { route: route("ai84"), ..key.clone() };
        Command::AddKey(Box::new(key.add(&scene.ids)))
    });
    let outcomes = worker.write(commands.to_vec()).await;
    assert!(matches!(outcomes[0], Outcome::Key(Ok(_))), "{outcomes:?}");
    assert!(matches!(outcomes[1], Outcome::Key(Err(NotChanged::Duplicate(_)))), "{outcomes:?}");
    assert_eq!(store.keys().await.expect("the store can be read").len(), 2);
    assert_eq!(store.limits().await.expect("the store can be read").len(), 2);
    let minimax = Route { service: service("minimax"), ..route("ai33") };
    let twin = NewKey { route: minimax, ..key.clone() };
    assert_eq!(worker.try_add_key(&twin).await, Err(NotChanged::OtherAccount(first)));
    let twin = twin.of_account("us", 1, 1);
    assert_eq!(worker.try_add_key(&twin).await, Err(NotChanged::OtherAccount(first)));
    worker.change_key(first, KeyChange::Remove).await.expect("there is the key");
    let again = key.clone().of_account("us", 1, 1);
    assert!(worker.try_add_key(&again).await.is_ok(), "a removed key's secret may come back");
    assert!(worker.try_add_key(&twin).await.is_ok(), "they share the account");
}

/// A key needs a route that is configured, be it on or off.
pub(super) async fn a_key_of_an_unknown_route_is_refused(store: &dyn Store, clock: &TestClock) {
    let scene = Scene::configured(store, clock).await;
    let worker = scene.worker().await;
    let refused = worker.try_add_key(&NewKey::new("ai99", 1, 1)).await;
    assert_eq!(refused, Err(NotChanged::UnknownRoute(route("ai99"))));
    assert_eq!(store.keys().await.expect("the store can be read"), []);
    assert_eq!(store.limits().await.expect("the store can be read"), []);
    let unknown = KeyId::from_uuid(scene.ids.uuid());
    for change in [KeyChange::Switch(Switch::Off), KeyChange::Remove] {
        assert_eq!(worker.change_key(unknown, change).await, Err(NotChanged::NotFound));
    }
    assert_eq!(worker.check_key(unknown, Verdict::Unclear).await, Err(NotChanged::NotFound));
    assert_eq!(store.audit(None, 10).await.expect("the store can be read").len(), 1, "only the preset's");
}

/// The administrator's switch takes a key out of its pool and puts it back.
pub(super) async fn a_switched_off_key_serves_nothing(store: &dyn Store, clock: &TestClock) {
    let scene = Scene::configured(store, clock).await;
    let worker = scene.worker().await;
    worker.buy("user-1", 100).await;
    worker.admit(&Order::new("user-1", 2)).await.expect("it can be paid");
    let key = worker.add_key(&NewKey::new("ai33", 5, 5)).await;
    let off = worker.change_key(key, KeyChange::Switch(Switch::Off)).await.expect("there is the key");
    assert_eq!((off.switch, &off.status), (Switch::Off, &KeyStatus::Active));
    assert_eq!(scene.key(key).await, off);
    assert_eq!((serving(&scene).await, worker.claim(pool("ai33"), 1).await.leases.len()), (0, 0));
    worker.change_key(key, KeyChange::Switch(Switch::On)).await.expect("there is the key");
    assert_eq!((serving(&scene).await, worker.claim(pool("ai33"), 1).await.leases.len()), (1, 1));
}

/// Removing wipes the secret and takes the key out of every list; its calls still end, and nothing brings it back.
pub(super) async fn a_removed_key_is_gone_for_good(store: &dyn Store, clock: &TestClock) {
    let scene = Scene::configured(store, clock).await;
    let worker = scene.worker().await;
    worker.buy("user-1", 100).await;
    worker.admit(&Order::new("user-1", 2)).await.expect("it can be paid");
    let key = worker.add_key(&NewKey::new("ai33", 5, 5)).await;
    assert_eq!(scene.key(key).await.envelope, Some(envelope()));
    let lease = worker.lease(pool("ai33")).await;
    let removed = worker.change_key(key, KeyChange::Remove).await.expect("there is the key");
    assert_eq!((removed.key.status, removed.key.envelope), (KeyStatus::Removed, None));
    assert_eq!(store.keys().await.expect("the store can be read"), []);
    assert_eq!((serving(&scene).await, worker.claim(pool("ai33"), 1).await.leases.len()), (0, 0));
    for change in [KeyChange::Switch(Switch::On), KeyChange::Remove] {
        assert_eq!(worker.change_key(key, change).await, Err(NotChanged::Removed));
    }
    let checked = worker.check_key(key, Verdict::Alive(None)).await.expect("its row is kept");
    assert_eq!(checked.status, KeyStatus::Removed);
    let failure =
        super::fixtures::failed(crate::provider::FailureKind::KeyDoubtful, crate::provider::Reached::No);
    let settled = worker.settled(&lease, failure).await;
    assert_eq!(settled.check_key, None);
    assert_eq!(store.keys().await.expect("the store can be read"), []);
}

/// A raised limit frees a full key at once, a lowered one lets its calls end first.
pub(super) async fn new_limits_hold_from_the_next_claim_on(store: &dyn Store, clock: &TestClock) {
    let scene = Scene::configured(store, clock).await;
    let worker = scene.worker().await;
    worker.buy("user-1", 1000).await;
    worker.admit(&Order::new("user-1", 20)).await.expect("it can be paid");
    let key = worker.add_key(&NewKey::new("ai33", 2, 3)).await;
    let set = |in_flight, per_window| KeyChange::SetLimit {
        max_in_flight: NonZeroU32::new(in_flight).expect("it is not zero"),
        per_window: NonZeroU32::new(per_window).expect("it is not zero"),
    };
    let mut leases = worker.claim(pool("ai33"), 9).await.leases;
    assert_eq!(leases.len(), 2);
    clock.advance(Duration::from_secs(1));
    let changed = worker.change_key(key, set(5, 3)).await.expect("there is the key");
    assert_eq!((changed.limits.max_in_flight.get(), changed.limits.per_minute.get()), (5, 3));
    assert_eq!(scene.key(key).await.limits, changed.limits);
    leases.extend(worker.claim(pool("ai33"), 9).await.leases);
    assert_eq!(leases.len(), 3, "three starts a window");
    worker.change_key(key, set(5, 9)).await.expect("there is the key");
    leases.extend(worker.claim(pool("ai33"), 9).await.leases);
    assert_eq!(leases.len(), 5, "five in flight");
    worker.change_key(key, set(2, 9)).await.expect("there is the key");
    for lease in &leases[..3] {
        assert_eq!(worker.claim(pool("ai33"), 9).await.leases, []);
        worker.settled(lease, super::fixtures::done()).await;
    }
    assert_eq!(worker.claim(pool("ai33"), 9).await.leases, []);
    worker.settled(&leases[3], super::fixtures::done()).await;
    assert_eq!(worker.claim(pool("ai33"), 9).await.leases.len(), 1);
}

/// What the library finds out about a key and what the administrator says are two things.
pub(super) async fn a_check_never_overrides_the_switch(store: &dyn Store, clock: &TestClock) {
    let scene = Scene::configured(store, clock).await;
    let worker = scene.worker().await;
    worker.buy("user-1", 100).await;
    worker.admit(&Order::new("user-1", 1)).await.expect("it can be paid");
    let key = worker.add_key(&NewKey::new("ai33", 5, 5)).await;
    worker.change_key(key, KeyChange::Switch(Switch::Off)).await.expect("there is the key");
    clock.advance(Duration::from_secs(1));
    let checked = worker.check_key(key, Verdict::Alive(None)).await.expect("there is the key");
    assert_eq!((checked.switch, checked.checked_at), (Switch::Off, Some(clock.now())));
    assert_eq!(serving(&scene).await, 0);
    let reason = "không hợp lệ".to_owned();
    let dead =
        worker.check_key(key, Verdict::Dead { reason: reason.clone() }).await.expect("there is the key");
    assert_eq!((dead.switch, &dead.status), (Switch::Off, &KeyStatus::Dead { reason }));
    worker.change_key(key, KeyChange::Switch(Switch::On)).await.expect("there is the key");
    assert_eq!(serving(&scene).await, 0, "a dead key that is switched on is still dead");
    worker.check_key(key, Verdict::Alive(None)).await.expect("there is the key");
    assert_eq!(serving(&scene).await, 1);
}

/// Another key of an account that is in use finds its calls counted; what was said last of its bounds holds.
pub(super) async fn a_known_account_keeps_its_state(store: &dyn Store, clock: &TestClock) {
    let scene = Scene::configured(store, clock).await;
    let worker = scene.worker().await;
    worker.buy("user-1", 1000).await;
    worker.admit(&Order::new("user-1", 9)).await.expect("it can be paid");
    worker.add_key(&NewKey::new("ai33", 9, 9).of_account("us", 2, 9)).await;
    assert_eq!(worker.claim(pool("ai33"), 9).await.leases.len(), 2);
    worker.add_key(&NewKey::new("ai33", 9, 9).of_account("us", 3, 8)).await;
    let account = scene.limit(Limit::id_of_account(&server("ai33"), "us")).await;
    assert_eq!((account.in_flight, account.max_in_flight.get(), account.per_window.get()), (2, 3, 8));
    assert_eq!(account.window.count(), 2);
    clock.advance(Duration::from_secs(1));
    assert_eq!(worker.claim(pool("ai33"), 9).await.leases.len(), 1);
}

/// Two processes that make a data key at once end up with one, the same for both.
pub(super) async fn a_data_key_is_stored_once_per_version(store: &dyn Store, clock: &TestClock) {
    let scene = Scene::configured(store, clock).await;
    let (one, two) = (scene.worker().await, scene.worker().await);
    let tenant = DataKeyUse::Tenant(TenantId::main());
    let key = |used_for: &DataKeyUse, version, byte| {
        let version = DataKeyVersion::new(version).expect("it is not zero");
        let id = DataKeyId::from_uuid(scene.ids.uuid());
        let master = MasterKeyId::new("test:1").expect("the id is legal");
        let wrapped = Wrapped::new(master, vec![byte; 60]).expect("its length is legal");
        DataKey {
            context: DataKeyContext { id, used_for: used_for.clone(), version },
            wrapped,
            created: clock.now(),
        }
    };
    let first = key(&tenant, 1, 0x00);
    assert_eq!(one.execute(Command::AddDataKey(first.clone())).await, Outcome::Done);
    assert_eq!(two.execute(Command::AddDataKey(key(&tenant, 1, 0xFF))).await, Outcome::Done);
    let read = store.data_keys(&tenant).await.expect("the store can be read");
    assert_eq!(read, std::slice::from_ref(&first));
    let second = key(&tenant, 2, 0xFE);
    let fingerprints = key(&DataKeyUse::Fingerprints, 1, 0x01);
    let commands = [&second, &fingerprints, &key(&tenant, 2, 0x02)];
    one.write(commands.map(|key| Command::AddDataKey(key.clone())).to_vec()).await;
    assert_eq!(store.data_keys(&tenant).await.expect("the store can be read"), [second, first]);
    let read = store.data_keys(&DataKeyUse::Fingerprints).await.expect("the store can be read");
    assert_eq!(read, [fingerprints]);
    let nobody = DataKeyUse::Tenant(TenantId::new("nobody").expect("the id is legal"));
    assert_eq!(store.data_keys(&nobody).await.expect("the store can be read"), []);
}
