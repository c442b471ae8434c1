//! The owner's set-up: two gateways, their voices, the packages on sale, and prices to start from.

use std::{collections::BTreeMap, num::NonZeroU32};

use crate::{
    clock::Timestamp,
    id::{PackageId, ProtocolId, Route, ServerId, ServiceId},
    keys::{Limits, PollsCount},
    lane::Lane,
    measure::Measure,
    money::{Amount, Decimal, Money, Unit},
    operation::Operation,
    pricing::{Catalogue, Charge, Overrun, Package, Price, PriceError, PriceLine, PriceList},
    routing::{BaseUrl, Maintenance, Server, Service, System},
    switch::Switch,
};

/// The service that the gateways clone voices with.
const CLONING: &str = "minimax";

/// The configuration that KingCong starts with: AI33 and AI84 sell ElevenLabs and MiniMax, all four routes are
/// on, and the tasks are split 70 to 30.
#[must_use]
pub fn system() -> System {
    let server = |protocol, base_url: &str, weight, polls, per_minute, egress| Server {
        protocol: ProtocolId::new(protocol).expect("a preset's id keeps its rule"),
        base_url: BaseUrl::new(base_url).expect("a preset's URL is valid"),
        weight,
        polls,
        defaults: Limits::new(30, per_minute).expect("a preset's limits are positive"),
        egress,
    };
    // AI84 counts starts per address, not calls in flight.
    let ai84_egress = Limits::new(u32::MAX, 60);
    let servers = BTreeMap::from([
        (
            ServerId::new("ai33").expect("a preset's id keeps its rule"),
            server("ai33", "https://api.ai33.pro", 70, PollsCount::Counted, 10, None),
        ),
        (
            ServerId::new("ai84").expect("a preset's id keeps its rule"),
            server("ai84", "https://api.ai84.pro", 30, PollsCount::Free, 5, ai84_egress),
        ),
    ]);
    let services =
        BTreeMap::from([("elevenlabs", "ElevenLabs"), ("minimax", "Minimax")].map(|(id, name)| {
            (ServiceId::new(id).expect("a preset's id keeps its rule"), Service { name: name.into() })
        }));
    let routes = servers
        .keys()
        .flat_map(|server| services.keys().map(|service| Route::new(server.clone(), service.clone())))
        .map(|route| (route, Switch::On))
        .collect();
    System { version: 1, servers, services, routes, maintenance: Maintenance::None }
}

/// Prices to start from: 1 credit a character on every route of the system, and 10,000 credits a cloned voice with
/// MiniMax, because neither gateway clones with ElevenLabs.
///
/// # Errors
/// Never as it stands; it passes the checks that any price passes.
pub fn prices(system: &System) -> Result<PriceList, PriceError> {
    let mut prices = PriceList::default();
    for route in system.routes.keys() {
        for (operation, measure, credits) in
            [(Operation::Speech, Measure::Character, 1), (Operation::CloneVoice, Measure::Request, 10_000)]
        {
            if operation == Operation::CloneVoice && route.service.as_str() != CLONING {
                continue;
            }
            let credits = Decimal::from(credits);
            let line = PriceLine::from_decimal(measure, credits, NonZeroU32::MIN, Unit::CREDIT)?;
            let price = Price {
                name: format!("{route} {operation}"),
                route: route.clone(),
                model: None,
                operation,
                lane: Lane::Shared,
                unit: Unit::CREDIT,
                charge: Charge::lines([line])?,
                overrun: Overrun::Operator,
                switch: Switch::On,
                version: 1,
                since: Timestamp::EPOCH,
            };
            prices.set(price, Timestamp::EPOCH)?;
        }
    }
    Ok(prices)
}

/// KingCong's eight packages, `package-1` to `package-8`: 200,000 credits per dollar, and five percent more of them
/// with each step of five dollars.
///
/// ```
/// use kingcong_core::{id::PackageId, preset::kingcong};
///
/// let packages = kingcong::packages();
/// let eighth = packages.find(&PackageId::new("package-8")?)?;
/// assert_eq!(eighth.credits.get(), 10_800_000);
/// assert_eq!(eighth.price.to_string(), "40 usd");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use]
pub fn packages() -> Catalogue {
    let steps = [
        (5, 1_000_000),
        (10, 2_100_000),
        (15, 3_300_000),
        (20, 4_600_000),
        (25, 6_000_000),
        (30, 7_500_000),
        (35, 9_100_000),
        (40, 10_800_000),
    ];
    let packages = (1..).zip(steps).map(|(number, (dollars, credits))| Package {
        id: PackageId::new(format!("package-{number}")).expect("a slug"),
        credits: Amount::new(credits),
        unit: Unit::CREDIT,
        price: Money::new(Amount::new(dollars * 1_000_000_000), Unit::USD),
        label: format!("Package {number}"),
        switch: Switch::On,
    });
    Catalogue::try_from(packages.collect::<Vec<_>>()).expect("a preset's packages are legal")
}
