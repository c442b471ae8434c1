//! Laws of the configuration: one version after the other, each with its audit row.

use std::time::Duration;

use super::fixtures::{Order, Scene, TestClock, configuration, line, package, route, server, service};
use crate::{
    clock::Clock,
    id::PackageId,
    lane::Lane,
    measure::Measure,
    operation::Operation,
    pricing::{Charge, PackageError, Price, PriceError, PriceStart},
    routing::{Maintenance, SystemCommand, SystemError},
    store::{
        Admit, AuditOf, Command, Configuration, ConfigurationChange, NotAdmitted, NotConfigured, Outcome,
        Store,
    },
    switch::Switch,
};

async fn read(store: &dyn Store) -> Configuration {
    store.configuration(None).await.expect("the store can be read").expect("there always is one")
}

fn weights(ai33: u32) -> ConfigurationChange {
    ConfigurationChange::System(SystemCommand::SetWeights([(server("ai33"), ai33)].into()))
}

/// A preset is written where nothing was configured, once, and never over something.
pub(super) async fn a_preset_is_for_an_empty_store(store: &dyn Store, clock: &TestClock) {
    let scene = Scene::empty(store, clock);
    assert_eq!(read(store).await, Configuration::default());
    assert_eq!(scene.version().await, 0);
    let worker = scene.worker().await;
    let preset = || ConfigurationChange::Preset(Box::new(configuration()));
    assert_eq!(worker.configure_from(0, preset()).await, Ok(1));
    assert_eq!(read(store).await, Configuration { version: 1, ..configuration() });
    assert_eq!(worker.configure_from(0, preset()).await, Err(NotConfigured::Stale { version: 1 }));
    assert_eq!(worker.configure(weights(1)).await, Ok(2));
    let before = read(store).await;
    assert_eq!(worker.configure_from(2, preset()).await, Err(NotConfigured::Stale { version: 2 }));
    assert_eq!(read(store).await, before);
}

/// Two who decided upon the same version cannot both have their way.
pub(super) async fn a_change_against_an_older_version_is_refused(store: &dyn Store, clock: &TestClock) {
    let scene = Scene::configured(store, clock).await;
    let (one, two) = (scene.worker().await, scene.worker().await);
    assert_eq!(one.configure_from(1, weights(60)).await, Ok(2));
    assert_eq!(two.configure_from(1, weights(50)).await, Err(NotConfigured::Stale { version: 2 }));
    assert_eq!(two.configure_from(3, weights(50)).await, Err(NotConfigured::Stale { version: 2 }));
    assert_eq!(read(store).await.system.servers[&server("ai33")].weight, 60);
}

/// Every kind of change is there afterwards, beside the earlier ones, and says who made it.
pub(super) async fn changes_add_up_and_are_audited(store: &dyn Store, clock: &TestClock) {
    let scene = Scene::empty(store, clock);
    let worker = scene.worker().await;
    let price =
        Price { version: 2, ..configuration().prices.iter().next().expect("there are prices").clone() };
    let (route, operation) = (price.route.clone(), price.operation);
    let removed = PackageId::new("package-1").expect("the id is legal");
    let mut expected = configuration();
    let changes = [
        ConfigurationChange::Preset(Box::new(configuration())),
        ConfigurationChange::System(SystemCommand::SetMaintenance(Maintenance::Services(
            [service("minimax")].into(),
        ))),
        set_price(price.clone()),
        set_price(Price { model: Some("v3".into()), ..price.clone() }),
        ConfigurationChange::RemovePrice { route: route.clone(), model: Some("v3".into()), operation },
        ConfigurationChange::SetPackage(Box::new(package("package-2", 77))),
        ConfigurationChange::RemovePackage(removed.clone()),
    ];
    let mut set_at = clock.now();
    for (version, change) in (0..).zip(changes) {
        clock.advance(Duration::from_secs(1));
        if version == 2 {
            set_at = clock.now();
        }
        assert_eq!(worker.configure_from(version, change).await, Ok(version + 1));
    }
    expected.version = 7;
    expected.system.version += 1;
    expected.system.maintenance = Maintenance::Services([service("minimax")].into());
    expected.prices.set(Price { since: set_at, ..price }, set_at).expect("the price is legal");
    expected.packages.set(package("package-2", 77)).expect("the package is legal");
    expected.packages.remove(&removed).expect("there is the package");
    assert_eq!(read(store).await, expected);
    let rows = store.audit(&AuditOf::ALL, None, 100).await.expect("the store can be read");
    assert_eq!(rows.len(), 7);
    assert!(rows.is_sorted_by(|a, b| a.at > b.at), "newest first");
    assert_eq!(rows[0].at, clock.now());
    assert!(rows.iter().all(|row| row.actor.as_str() == "admin" && row.door == "config.change"));

    let both = [(7, weights(10)), (8, weights(20))].map(|(expected_version, change)| {
        let configure = crate::store::Configure { expected_version, change };
        worker.act("config.change", configure)
    });
    worker.write(both.to_vec()).await;
    let now = read(store).await;
    assert_eq!((now.version, now.system.servers[&server("ai33")].weight), (9, 20), "both in one batch");
}

/// A price to come is in force from its instant on, beside the one before it, and an admission at the prices of
/// another time is planned again.
pub(super) async fn a_price_to_come_is_in_force_from_its_instant_on(store: &dyn Store, clock: &TestClock) {
    let scene = Scene::configured(store, clock).await;
    let worker = scene.worker().await;
    worker.buy("user-1", 100).await;
    let old = configuration().prices.iter().next().expect("there are prices").clone();
    let (route, operation, model) = (old.route.clone(), old.operation, old.model.clone());
    let soon = clock.now().plus(Duration::from_secs(60));
    let (later, start) = (soon.plus(Duration::from_secs(60)), PriceStart::At(soon));
    let price = Box::new(Price { version: 2, name: "soon".into(), ..old.clone() });
    worker.configure(ConfigurationChange::SetPrice { price, start }).await.expect("it is legal");
    let price = Box::new(Price { version: 3, name: "later".into(), ..old.clone() });
    let start = PriceStart::At(later);
    worker.configure(ConfigurationChange::SetPrice { price, start }).await.expect("it is legal");

    let kept = read(store).await;
    let found = |at| kept.prices.find(&route, None, operation, Lane::Shared, at).map(|price| price.version);
    let before = soon.minus(Duration::from_micros(1));
    assert_eq!([before, soon, later].map(found), [Ok(1), Ok(2), Ok(3)]);

    let prices_during = kept.prices.unchanged_around(clock.now());
    let order = || Admit {
        prices_during: prices_during.clone(),
        configuration_version: kept.version,
        ..Order::new("user-1", 1).admit(&scene.ids)
    };
    let admit = |admit: Admit| worker.execute(Command::Admit(Box::new(admit)));
    assert!(matches!(admit(order()).await, Outcome::Admit(Ok(_))));
    clock.advance(Duration::from_secs(60));
    assert_eq!(admit(order()).await, Outcome::Admit(Err(NotAdmitted::Stale)), "its prices have ended");

    let withdraw = |since| ConfigurationChange::WithdrawPrice {
        route: route.clone(),
        model: model.clone(),
        operation,
        since,
    };
    let in_force = PriceError::InForce { since: soon };
    assert_eq!(worker.configure(withdraw(soon)).await, Err(NotConfigured::Price(in_force)));
    assert_eq!(
        worker.configure(withdraw(clock.now())).await,
        Err(NotConfigured::Price(PriceError::InForce { since: clock.now() }))
    );
    worker.configure(withdraw(later)).await.expect("it is to come");
    assert_eq!(worker.configure(withdraw(later)).await, Err(NotConfigured::NotFound));
    let past = PriceStart::At(before);
    let price = Box::new(Price { version: 4, ..old.clone() });
    let refused = worker.configure(ConfigurationChange::SetPrice { price, start: past }).await;
    let expected = PriceError::Past { since: before, now: clock.now() };
    assert_eq!(refused, Err(NotConfigured::Price(expected)));

    // What is set now takes the place of both that had passed.
    worker.configure(set_price(Price { version: 4, ..old })).await.expect("it is legal");
    let kept = read(store).await;
    let versions = kept.prices.iter().filter(|price| price.route == route && price.operation == operation);
    assert_eq!(versions.map(|price| price.version).collect::<Vec<_>>(), [4]);
}

fn set_price(price: Price) -> ConfigurationChange {
    ConfigurationChange::SetPrice { price: Box::new(price), start: PriceStart::Now }
}

/// What the domain refuses leaves version, configuration and audit as they were.
pub(super) async fn an_illegal_change_changes_nothing(store: &dyn Store, clock: &TestClock) {
    let scene = Scene::configured(store, clock).await;
    let worker = scene.worker().await;
    let before = read(store).await;
    let nowhere = SystemCommand::SetRoute { route: route("ai99"), switch: Switch::On };
    let refused = worker.configure(ConfigurationChange::System(nowhere)).await;
    assert!(matches!(refused, Err(NotConfigured::Refused(SystemError::UnknownServer { .. }))), "{refused:?}");

    let old = before.prices.iter().next().expect("there are prices").clone();
    let nowhere = Price { route: route("ai99"), ..old.clone() };
    let refused = worker.configure(set_price(nowhere)).await;
    assert!(matches!(refused, Err(NotConfigured::Refused(SystemError::UnknownServer { .. }))), "{refused:?}");
    let charge = Charge::lines([line(Measure::Character, 7, 1)]).expect("it charges something");
    let refused = worker.configure(set_price(Price { charge, ..old })).await;
    let stale = PriceError::Stale { given: 1, newest: 1 };
    assert_eq!(refused, Err(NotConfigured::Price(stale)));

    let refused = worker.configure(ConfigurationChange::SetPackage(Box::new(package("package-2", 0)))).await;
    assert!(matches!(refused, Err(NotConfigured::Package(PackageError::NotPositive { .. }))), "{refused:?}");
    let id = PackageId::new("package-9").expect("the id is legal");
    let refused = worker.configure(ConfigurationChange::RemovePackage(id)).await;
    assert_eq!(refused, Err(NotConfigured::NotFound));
    let model = Some("none".to_owned());
    let price =
        ConfigurationChange::RemovePrice { route: route("ai33"), model, operation: Operation::Speech };
    assert_eq!(worker.configure(price).await, Err(NotConfigured::NotFound));

    assert_eq!(read(store).await, before);
    assert_eq!(store.audit(&AuditOf::ALL, None, 100).await.expect("the store can be read").len(), 1);
}

/// Who knows the version is told nothing; who does not gets the whole.
pub(super) async fn a_configuration_is_read_when_it_changed(store: &dyn Store, clock: &TestClock) {
    let scene = Scene::configured(store, clock).await;
    let worker = scene.worker().await;
    assert_eq!(store.configuration(Some(1)).await.expect("the store can be read"), None);
    worker.configure(weights(60)).await.expect("it is legal");
    assert_eq!(scene.version().await, 2);
    let changed = store.configuration(Some(1)).await.expect("the store can be read");
    assert_eq!(changed.map(|configuration| configuration.version), Some(2));
    assert_eq!(store.configuration(Some(2)).await.expect("the store can be read"), None);
}
