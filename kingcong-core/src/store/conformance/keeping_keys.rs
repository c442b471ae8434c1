//! Laws of keys: registered, changed, checked, and the data keys that seal their secrets.

use std::{num::NonZeroU32, time::Duration};

use super::fixtures::{
    NewKey, Order, Scene, TestClock, audit, done, envelope, failed, fingerprint, origin, pool, route, server,
    service,
};
use crate::{
    clock::Clock,
    failure::{FailureKind, Reached},
    id::{DataKeyId, KeyId, Route, TenantId},
    keys::{Key, KeyStatus, KeyWithLimits, Limit, Limits, LimitsChange, Rules, Verdict},
    routing::{BaseUrl, ServerChange, SystemCommand},
    store::{
        AddKey, AdminAnswer, AttemptResult, AuditOf, Command, ConfigurationChange, DataKeyLost, KeyChange,
        NotChanged, Outcome, Store,
    },
    switch::Switch,
    upstream::UpstreamCredits,
    vault::{DataKey, DataKeyContext, DataKeyUse, DataKeyVersion, MasterKeyId, Wrapped},
};

/// How many keys serve AI33.
async fn serving(scene: &Scene<'_>) -> usize {
    scene.serving(pool("ai33")).await
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
    let audited = audit(&scene.ids, "keys.add");
    let outcome = worker.execute(Command::admin(audited.clone(), add)).await;
    assert_eq!(outcome, Outcome::Admin(AdminAnswer::AddKey(Ok(key.clone()))));
    assert_eq!(store.keys().await.expect("the store can be read"), std::slice::from_ref(&key));
    let limit = scene.limit(Limit::id_of_key(key.id)).await;
    assert_eq!((limit.max_in_flight.get(), limit.per_window.get(), limit.in_flight), (3, 7, 0));
    let account = Limit::id_of_account(&server("ai33"), "us");
    assert_eq!((limit.pool, limit.account), (Some(pool("ai33")), Some(account)));
    let account = scene.limit(account).await;
    assert_eq!((account.max_in_flight.get(), account.per_window.get(), account.pool), (5, 9, None));
    assert_eq!(serving(&scene).await, 1);
    assert_eq!(worker.lease(pool("ai33")).await.attempt.key, key.id);
    let rows = store.audit(&AuditOf::ALL, None, 1).await.expect("the store can be read");
    assert_eq!((rows[0].id, rows[0].door.as_str()), (audited.id, "keys.add"));
}

/// What is told of keys that changed since `after`: their ids in the order of their revisions, and the last revision.
async fn told(store: &dyn Store, after: i64) -> (Vec<KeyId>, i64) {
    let changed = store.changed_keys(after).await.expect("the store can be read");
    let pulse = store.pulse().await.expect("the store can be read");
    assert_eq!(pulse.key_revision, changed.revision, "so the pulse tells that there is something to read");
    for key in &changed.keys {
        let read = store.key(key.id).await.expect("the store can be read");
        let whole = read.map(|read| Key { last_used: key.last_used, ..read.key });
        assert_eq!(whole.as_ref(), (key.status != KeyStatus::Removed).then_some(key));
    }
    (changed.keys.iter().map(|key| key.id).collect(), changed.revision)
}

/// Whoever knows the keys up to a revision is told of those that changed since, each once and as it is now.
pub(super) async fn only_keys_that_changed_are_told(store: &dyn Store, clock: &TestClock) {
    let scene = Scene::configured(store, clock).await;
    let worker = scene.worker().await;
    assert_eq!(told(store, 0).await, (vec![], 0));
    let mut keys = Vec::new();
    for _ in 0..4 {
        keys.push(worker.add_key(&NewKey::new("ai33", 5, 5)).await);
    }
    assert_eq!(told(store, 0).await, (keys.clone(), 4));
    assert_eq!(told(store, 3).await, (vec![keys[3]], 4));
    assert_eq!(told(store, 4).await, (vec![], 4));

    let off = KeyChange::Switch(Switch::Off);
    worker.change_key(keys[0], off.clone()).await.expect("there is the key");
    assert_eq!(told(store, 4).await, (vec![keys[0]], 5));
    worker.change_key(keys[0], off).await.expect("there is the key");
    assert_eq!(told(store, 5).await, (vec![], 5), "it was off");
    let limits = LimitsChange { max_in_flight: NonZeroU32::new(9), ..LimitsChange::default() };
    worker.change_key(keys[1], KeyChange::SetLimits(limits)).await.expect("there is the key");
    worker.change_key(keys[0], KeyChange::Switch(Switch::On)).await.expect("there is the key");
    assert_eq!(
        told(store, 5).await,
        (vec![keys[1], keys[0]], 7),
        "each once, in the order of its last change"
    );
    worker.change_key(keys[1], KeyChange::Remove).await.expect("there is the key");
    assert_eq!(told(store, 7).await, (vec![keys[1]], 8), "that it is gone is told");
    assert_eq!(
        told(store, 0).await,
        (vec![keys[2], keys[3], keys[0]], 8),
        "but to nobody who did not know it"
    );

    let checks = [&keys[2], &keys[3]]
        .map(|key| Command::CheckKey { key: *key, verdict: Verdict::Dead { reason: "refused".to_owned() } });
    worker.write(checks.to_vec()).await;
    assert_eq!(told(store, 8).await.1, 10, "changes of one batch have a revision each");
    assert_eq!(told(store, 9).await.0.len(), 1);
    let configured = worker.configure(moved("ai33", "https://moved.example")).await;
    assert!(configured.is_ok(), "{configured:?}");
    let (mut suspended, _) = told(store, 10).await;
    suspended.sort_unstable();
    assert_eq!(suspended, [keys[0], keys[2], keys[3]]);
}

/// What every call and every round of checks writes is no change: else nothing would be gained.
pub(super) async fn leases_and_checks_are_no_changes_of_keys(store: &dyn Store, clock: &TestClock) {
    let scene = Scene::configured(store, clock).await;
    let worker = scene.worker().await;
    let key = worker.add_key(&NewKey::new("ai33", 5, 5)).await;
    worker.buy("user-1", 100).await;
    worker.admit(&Order::new("user-1", 3)).await.expect("it can be paid");
    let leases = worker.claim(pool("ai33"), 3).await.leases;
    worker.settled(&leases[0], done()).await;
    worker.settled(&leases[1], failed(FailureKind::Busy, Reached::No)).await;
    for verdict in [Verdict::Unclear, Verdict::Alive(None), Verdict::Alive(Some(UpstreamCredits::whole(7)))] {
        worker.check_key(key, verdict).await.expect("there is the key");
    }
    assert_eq!(told(store, 1).await, (vec![], 1));
    assert_eq!(scene.key(key).await.balance, Some(UpstreamCredits::whole(7)));

    // That the key is in doubt is one, and that it is trusted again.
    let doubted = failed(FailureKind::KeyDoubtful, Reached::No);
    worker.settled(&leases[2], doubted).await;
    assert_eq!(told(store, 1).await, (vec![key], 2));
    worker.check_key(key, Verdict::Alive(None)).await.expect("there is the key");
    assert_eq!(told(store, 2).await, (vec![key], 3));
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
        worker.act("keys.add", key.add(&scene.ids))
    });
    let outcomes = worker.write(commands.to_vec()).await;
    assert!(matches!(outcomes[0], Outcome::Admin(AdminAnswer::AddKey(Ok(_)))), "{outcomes:?}");
    assert!(
        matches!(outcomes[1], Outcome::Admin(AdminAnswer::AddKey(Err(NotChanged::Duplicate(_))))),
        "{outcomes:?}"
    );
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
    assert_eq!(
        store.audit(&AuditOf::ALL, None, 10).await.expect("the store can be read").len(),
        1,
        "only the preset's"
    );
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
        super::fixtures::failed(crate::failure::FailureKind::KeyDoubtful, crate::failure::Reached::No);
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
    let set = |in_flight, per_window| KeyChange::SetLimits(limits(in_flight, per_window).into());
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
    let starts = LimitsChange { per_minute: NonZeroU32::new(8), ..LimitsChange::default() };
    for (change, after) in [(starts, limits(2, 8)), (LimitsChange::default(), limits(2, 8))] {
        let changed = worker.change_key(key, KeyChange::SetLimits(change)).await;
        assert_eq!(changed.expect("there is the key").limits, after, "what is not named stays");
    }
}

/// How many audit rows there are.
async fn audits(store: &dyn Store) -> usize {
    store.audit(&AuditOf::ALL, None, 100).await.expect("the store can be read").len()
}

fn limits(max_in_flight: u32, per_minute: u32) -> Limits {
    Limits::new(max_in_flight, per_minute).expect("they are not zero")
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

/// Another key of an account that is in use finds its calls counted and its limits kept: a registration that names
/// others is refused, so that nobody overwrites them unseen.
pub(super) async fn a_known_account_keeps_its_limits_and_its_state(store: &dyn Store, clock: &TestClock) {
    let scene = Scene::configured(store, clock).await;
    let worker = scene.worker().await;
    worker.buy("user-1", 1000).await;
    worker.admit(&Order::new("user-1", 9)).await.expect("it can be paid");
    let key = || NewKey::new("ai33", 9, 9);
    let refused = worker.try_add_key(&key().of_known_account("us")).await;
    assert_eq!(refused, Err(NotChanged::NoAccountLimits), "it would be the first");
    let first = worker.add_key(&key().of_account("us", 2, 9)).await;
    assert_eq!(worker.claim(pool("ai33"), 9).await.leases.len(), 2);

    let before = (store.accounts().await.expect("the store can be read"), audits(store).await);
    for (in_flight, per_window) in [(3, 9), (2, 8), (1, 1)] {
        let refused = worker.try_add_key(&key().of_account("us", in_flight, per_window)).await;
        assert_eq!(refused, Err(NotChanged::OtherAccountLimits { kept: limits(2, 9) }));
    }
    assert_eq!((store.accounts().await.expect("the store can be read"), audits(store).await), before);
    assert_eq!(store.keys().await.expect("the store can be read").len(), 1, "nothing was registered");

    let second = worker.add_key(&key().of_account("us", 2, 9)).await;
    let third = worker.add_key(&key().of_known_account("us")).await;
    worker.add_key(&NewKey::new("ai84", 9, 9).of_account("us", 7, 7)).await;
    let account = scene.limit(Limit::id_of_account(&server("ai33"), "us")).await;
    assert_eq!((account.in_flight, account.limits(), account.window.count()), (2, limits(2, 9), 2));
    assert_eq!(worker.claim(pool("ai33"), 9).await.leases, [], "three keys, one account");
    for key in [first, second, third] {
        worker.change_key(key, KeyChange::Remove).await.expect("there is the key");
    }
    let refused = worker.try_add_key(&key().of_account("us", 3, 9)).await;
    assert_eq!(refused, Err(NotChanged::OtherAccountLimits { kept: limits(2, 9) }), "its calls still run");
}

/// A raised limit of an account lets its keys start at once, in whichever order they stand; a lowered one lets their
/// calls end first.
pub(super) async fn new_limits_of_an_account_hold_from_the_next_claim_on(
    store: &dyn Store,
    clock: &TestClock,
) {
    let scene = Scene::configured(store, clock).await;
    let (worker, other) = (scene.worker().await, scene.worker().await);
    worker.buy("user-1", 1000).await;
    worker.admit(&Order::new("user-1", 20)).await.expect("it can be paid");
    for _ in 0..2 {
        worker.add_key(&NewKey::new("ai33", 9, 9).of_account("us", 2, 3)).await;
    }
    worker.add_key(&NewKey::new("ai84", 9, 9).of_account("us", 2, 3)).await;
    let in_flight = |limit| LimitsChange { max_in_flight: NonZeroU32::new(limit), per_minute: None };
    let starts = |limit| LimitsChange { max_in_flight: None, per_minute: NonZeroU32::new(limit) };
    let change = async |change| worker.change_account("ai33", "us", change).await;

    let mut leases = other.claim(pool("ai33"), 9).await.leases;
    assert_eq!(leases.len(), 2);
    assert_eq!(change(in_flight(5)).await, Some(limits(5, 3)), "what is not named stays");
    leases.extend(other.claim(pool("ai33"), 9).await.leases);
    assert_eq!(leases.len(), 3, "three starts a window");
    assert_eq!(change(starts(9)).await, Some(limits(5, 9)));
    leases.extend(other.claim(pool("ai33"), 9).await.leases);
    assert_eq!(leases.len(), 5, "five in flight");
    assert_eq!(change(in_flight(2)).await, Some(limits(2, 9)));
    for lease in &leases[..3] {
        assert_eq!(other.claim(pool("ai33"), 9).await.leases, []);
        other.settled(lease, super::fixtures::done()).await;
    }
    assert_eq!(change(LimitsChange::default()).await, Some(limits(2, 9)));

    let accounts = store.accounts().await.expect("the store can be read");
    let told: Vec<_> = accounts.iter().map(|a| (a.server.as_str(), &*a.name, a.limit.limits())).collect();
    assert_eq!(told, [("ai33", "us", limits(2, 9)), ("ai84", "us", limits(2, 3))]);
    let rules = Rules::default();
    assert_eq!((accounts[0].limit.in_flight, accounts[0].limit.used(clock.now(), &rules)), (2, 5));
    assert_eq!(accounts[0].limit.used(clock.now().plus(Duration::from_secs(61)), &rules), 0);
    let rows = store.audit(&AuditOf::ALL, None, 1).await.expect("the store can be read");
    assert_eq!(rows[0].door, "accounts.set_limits");

    let before = (accounts, audits(store).await);
    assert_eq!(worker.change_account("ai84", "them", starts(9)).await, None, "nobody named it");
    assert_eq!((store.accounts().await.expect("the store can be read"), audits(store).await), before);
}

/// A server's new base URL.
fn moved(server_name: &str, url: &str) -> ConfigurationChange {
    let base_url = Some(BaseUrl::new(url).expect("the URL is legal"));
    let change = ServerChange { base_url, ..ServerChange::default() };
    ConfigurationChange::System(SystemCommand::UpdateServer { id: server(server_name), change })
}

/// A secret is for whom it was registered: who is elsewhere gets no call with it from the same batch on, whatever state
/// the key was in, until it is registered again. What is on its way ends as ever; other servers' keys serve on.
pub(super) async fn keys_stay_behind_when_their_server_moves(store: &dyn Store, clock: &TestClock) {
    let scene = Scene::configured(store, clock).await;
    let worker = scene.worker().await;
    worker.buy("user-1", 1000).await;
    worker.admit(&Order::new("user-1", 9)).await.expect("it can be paid");
    let mut keys = Vec::new();
    for _ in 0..5 {
        keys.push(worker.add_key(&NewKey::new("ai33", 5, 5)).await);
    }
    let elsewhere = worker.add_key(&NewKey::new("ai84", 5, 5)).await;
    worker.change_key(keys[1], KeyChange::Switch(Switch::Off)).await.expect("there is the key");
    let dead = Verdict::Dead { reason: "unknown".into() };
    worker.check_key(keys[2], dead).await.expect("there is the key");
    let unreadable = Verdict::Unreadable { reason: "altered".into() };
    worker.check_key(keys[3], unreadable).await.expect("there is the key");
    worker.change_key(keys[4], KeyChange::Remove).await.expect("there is the key");
    let lease = worker.lease(pool("ai33")).await;

    worker.configure(moved("ai33", "https://API.ai33.pro:443/v2")).await.expect("it is legal");
    assert_eq!(serving(&scene).await, 1, "the same scheme, host and port");
    worker.configure(moved("ai33", "https://moved.example")).await.expect("it is legal");
    let suspended = KeyStatus::Suspended { registered_for: origin("ai33") };
    assert_eq!(serving(&scene).await, 0);
    assert_eq!(worker.claim(pool("ai33"), 9).await.leases, []);
    for key in &keys[..4] {
        assert_eq!(scene.key(*key).await.status, suspended);
    }
    assert_eq!(scene.key(elsewhere).await.status, KeyStatus::Active);

    // Nothing brings it back by itself.
    for verdict in [Verdict::Alive(None), Verdict::Unclear, Verdict::Dead { reason: "no".into() }] {
        assert_eq!(worker.check_key(keys[0], verdict).await.expect("there is the key").status, suspended);
    }
    for key in &keys[..2] {
        let on = worker.change_key(*key, KeyChange::Switch(Switch::On)).await.expect("there is the key");
        assert_eq!((on.status.clone(), on.is_usable()), (suspended.clone(), false));
    }
    worker.configure(moved("ai33", "https://elsewhere.example")).await.expect("it is legal");
    worker.configure(moved("ai33", "https://api.ai33.pro")).await.expect("it is legal");
    assert_eq!(scene.key(keys[0]).await.status, suspended, "not even when the server comes back");
    let failure = super::fixtures::failed(crate::failure::FailureKind::KeyDead, crate::failure::Reached::No);
    worker.settled(&lease, failure).await;
    assert_eq!(scene.key(keys[0]).await.status, suspended);

    // A server that is removed may come back as another.
    let remove = ConfigurationChange::System(SystemCommand::RemoveServer(server("ai84")));
    worker.configure(remove).await.expect("it is legal");
    let suspended = KeyStatus::Suspended { registered_for: origin("ai84") };
    assert_eq!(scene.key(elsewhere).await.status, suspended);
}

/// Registered again, a suspended key is the one that it was: its id, its calls under way, its window and its switch.
/// Its secret is for where the server is now, and nobody who moved it meanwhile gets it.
pub(super) async fn a_suspended_key_is_registered_again_as_it_was(store: &dyn Store, clock: &TestClock) {
    let scene = Scene::configured(store, clock).await;
    let worker = scene.worker().await;
    worker.buy("user-1", 1000).await;
    worker.admit(&Order::new("user-1", 9)).await.expect("it can be paid");
    let new = NewKey { fingerprint: Some(fingerprint(&scene.ids)), ..NewKey::new("ai33", 2, 5) }
        .of_account("us", 9, 9);
    let key = worker.add_key(&new).await;
    let before = scene.key(key).await;
    let lease = worker.lease(pool("ai33")).await;
    worker.configure(moved("ai33", "https://moved.example")).await.expect("it is legal");
    clock.advance(Duration::from_secs(1));

    let now_at = BaseUrl::new("https://moved.example").expect("the URL is legal").origin();
    let mut again = NewKey { max_in_flight: 3, ..new.clone() }.add(&scene.ids);
    again.origin = now_at;
    let try_again = async |add: &AddKey| worker.administer("keys.add", add.clone()).await;
    assert_eq!(try_again(&again).await, Err(NotChanged::Duplicate(key)), "another id is another key");
    again.limit.id = Limit::id_of_key(key);
    again.key = Key { id: key, label: "moved".into(), ..again.key };
    let stale = AddKey { origin: origin("ai33"), ..again.clone() };
    assert_eq!(try_again(&stale).await, Err(NotChanged::Moved));
    let other_account = AddKey { key: Key { account: None, ..again.key.clone() }, ..again.clone() };
    assert_eq!(try_again(&other_account).await, Err(NotChanged::OtherAccount(key)));
    assert_eq!(serving(&scene).await, 0);

    let key_again = try_again(&again).await.expect("it is suspended");
    let read = scene.key(key).await;
    assert_eq!(
        (&read.status, &read.label, read.limits),
        (&key_again.status, &key_again.label, key_again.limits)
    );
    assert_eq!((key_again.status.clone(), key_again.label.as_str()), (KeyStatus::Active, "moved"));
    assert_eq!((key_again.created_at, key_again.limits.max_in_flight.get()), (before.created_at, 3));
    let limit = scene.limit(Limit::id_of_key(key)).await;
    assert_eq!((limit.in_flight, limit.window.count()), (1, 1), "what runs is counted");
    assert_eq!(worker.claim(pool("ai33"), 9).await.leases.len(), 2);
    worker.settled(&lease, super::fixtures::done()).await;
    assert_eq!(try_again(&again).await, Err(NotChanged::Duplicate(key)), "once is enough");
}

/// A secret that does not open says nothing about the upstream's key: the task goes on as if it had not been leased,
/// the key rests, and comes back when it opens.
pub(super) async fn a_secret_that_does_not_open_is_not_a_dead_key(store: &dyn Store, clock: &TestClock) {
    let scene = Scene::configured(store, clock).await;
    let worker = scene.worker().await;
    worker.buy("user-1", 1000).await;
    worker.admit(&Order::new("user-1", 1)).await.expect("it can be paid");
    let key = worker.add_key(&NewKey::new("ai33", 5, 5)).await;
    let lease = worker.lease(pool("ai33")).await;
    let reason = "its bytes were altered".to_owned();
    let settled = worker.settled(&lease, AttemptResult::Unreadable { reason: reason.clone() }).await;
    assert_eq!((settled.task.attempts, settled.check_key), (0, None));
    assert_eq!((settled.requeued, settled.task.tried), (Some(pool("ai33")), Vec::new()));
    assert_eq!(scene.key(key).await.status, KeyStatus::Unreadable { reason: reason.clone() });
    assert_eq!((serving(&scene).await, worker.claim(pool("ai33"), 9).await.leases.len()), (0, 0));
    let limit = scene.limit(Limit::id_of_key(key)).await;
    assert_eq!((limit.in_flight, limit.window.count()), (0, 0));

    let opened = worker.check_key(key, Verdict::Unclear).await.expect("there is the key");
    assert_eq!(opened.status, KeyStatus::Doubtful, "it opened, and the upstream did not tell");
    let again = worker.check_key(key, Verdict::Unreadable { reason: reason.clone() }).await;
    assert_eq!(again.expect("there is the key").status, KeyStatus::Unreadable { reason });
    let alive = worker.check_key(key, Verdict::Alive(None)).await.expect("there is the key");
    assert_eq!(alive.status, KeyStatus::Active);
    assert_eq!(worker.claim(pool("ai33"), 9).await.leases.len(), 1);
}

fn data_key(scene: &Scene<'_>, used_for: &DataKeyUse, version: u32, byte: u8) -> DataKey {
    let version = DataKeyVersion::new(version).expect("it is not zero");
    let id = DataKeyId::from_uuid(scene.ids.uuid());
    let master = MasterKeyId::new("test:1").expect("the id is legal");
    let wrapped = Wrapped::new(master, vec![byte; 60]).expect("its length is legal");
    let context = DataKeyContext { id, used_for: used_for.clone(), version };
    DataKey { context, wrapped, created: scene.clock.now() }
}

/// While secrets or fingerprints need a data key that is gone, no other is made: what they were made with would be
/// replaced in silence. Once nothing needs it, one is.
pub(super) async fn no_data_key_is_made_in_place_of_a_lost_one(store: &dyn Store, clock: &TestClock) {
    let scene = Scene::configured(store, clock).await;
    let worker = scene.worker().await;
    // Their envelopes name the first version.
    let keys =
        [worker.add_key(&NewKey::new("ai33", 1, 1)).await, worker.add_key(&NewKey::new("ai84", 1, 1)).await];
    let lost = DataKeyLost { version: DataKeyVersion::FIRST, keys: 2 };
    let uses = [DataKeyUse::Tenant(TenantId::main()), DataKeyUse::Fingerprints];
    for used_for in &uses {
        for version in [1, 2] {
            let made = worker.execute(Command::AddDataKey(data_key(&scene, used_for, version, 1))).await;
            assert_eq!(made, Outcome::DataKey(Err(lost)), "version {version} of {used_for}");
        }
        assert_eq!(store.data_keys(used_for).await.expect("the store can be read"), []);
    }
    let other = DataKeyUse::Tenant(TenantId::new("other").expect("the id is legal"));
    let made = worker.execute(Command::AddDataKey(data_key(&scene, &other, 1, 1))).await;
    assert_eq!(made, Outcome::DataKey(Ok(())), "another tenant has no secrets yet");
    for key in keys {
        worker.change_key(key, KeyChange::Remove).await.expect("there is the key");
    }
    for used_for in &uses {
        let first = data_key(&scene, used_for, 1, 1);
        assert_eq!(worker.execute(Command::AddDataKey(first.clone())).await, Outcome::DataKey(Ok(())));
        assert_eq!(store.data_keys(used_for).await.expect("the store can be read"), [first]);
    }
}

/// Two processes that make a data key at once end up with one, the same for both.
pub(super) async fn a_data_key_is_stored_once_per_version(store: &dyn Store, clock: &TestClock) {
    let scene = Scene::configured(store, clock).await;
    let (one, two) = (scene.worker().await, scene.worker().await);
    let tenant = DataKeyUse::Tenant(TenantId::main());
    let key = |used_for: &DataKeyUse, version, byte| data_key(&scene, used_for, version, byte);
    let first = key(&tenant, 1, 0x00);
    assert_eq!(one.execute(Command::AddDataKey(first.clone())).await, Outcome::DataKey(Ok(())));
    assert_eq!(two.execute(Command::AddDataKey(key(&tenant, 1, 0xFF))).await, Outcome::DataKey(Ok(())));
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
