//! `overspend/1000`: what 1,000 concurrent requests of 0.10 USD can take from a balance of 5.00 USD.
//!
//! Real concurrency on all cores, through the engine and the in-memory store, with an upstream that takes 20 to
//! 30 ms. In the same run the way of gateways that check the balance before the call and debit it afterwards.

use std::{sync::Arc, time::Duration};

use anyhow::{Context, Result};
use futures_util::future::join_all;
use kingcong_core::{
    KingCong, Preset, Request,
    clock::{Clock, SystemClock, Timestamp},
    id::{PackageId, Route},
    lane::Lane,
    measure::Measure,
    money::{Money, Unit as MoneyUnit},
    operation::Operation,
    pricing::{Charge, Overrun, Package, Price, PriceLine},
    switch::Switch,
};
use parking_lot::Mutex;

use crate::{
    figure::{Figure, Unit},
    stage::{self, InProcess, Upstream},
};

const USER: &str = "user";
const REQUESTS: usize = 1_000;
const PACKAGE: &str = "five";
const PRICE: &str = "0.10";
const BALANCE: &str = "5.00";
const CALL: (Duration, Duration) = (Duration::from_millis(20), Duration::from_millis(30));

/// What became of the requests.
#[derive(Clone, Copy, Debug, Default)]
struct Spent {
    accepted: u64,
    /// In smallest steps, beyond the balance.
    overspent: i64,
}

pub(crate) fn measure() -> Result<Vec<Figure>> {
    let (price, balance) = (steps(PRICE)?, steps(BALANCE)?);
    let ours = stage::on_all_cores(ours())?;
    let naive = stage::on_all_cores(debited_afterwards(price, balance))?;
    let against = "checked before the call, debited after it";
    Ok(vec![
        Figure::new("overspend/1000", ours.overspent as f64, Unit::Steps, against, naive.overspent as f64),
        Figure::new(
            "overspend/1000/accepted",
            ours.accepted as f64,
            Unit::Requests,
            against,
            naive.accepted as f64,
        ),
    ])
}

/// In smallest steps of a dollar.
fn steps(dollars: &str) -> Result<i64> {
    Ok(Money::from_decimal(dollars.parse()?, MoneyUnit::USD)?.amount.get())
}

async fn ours() -> Result<Spent> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let limits = stage::limits(1_000_000, 1_000_000);
    let upstream = Upstream::new("ai33", clock, CALL, limits)?;
    let kc = KingCong::builder()
        .preset(preset()?)
        .master_key(stage::master_key())
        .provider(InProcess(upstream))
        .start()
        .await?;
    stage::add_keys(&kc, "ai33", 10, limits).await?;
    kc.wallets().purchase(USER, PACKAGE, "order-1").await?;
    let submit = || async {
        let request = Request::speech(USER, stage::text(20)).service(stage::SERVICE).voice(stage::VOICE);
        match kc.submit(request).await {
            Ok(job) => job.wait().await.map(|_| true),
            Err(kingcong_core::Error::Refused(_)) => Ok(false),
            Err(error) => Err(error),
        }
    };
    let mut spent = Spent::default();
    for accepted in join_all((0..REQUESTS).map(|_| submit())).await {
        spent.accepted += u64::from(accepted?);
    }
    let wallet = kc.wallets().unit(MoneyUnit::USD).get(USER).await?;
    spent.overspent = (wallet.total_spent.get() - wallet.total_purchased.get()).max(0);
    kc.close().await;
    Ok(spent)
}

/// The preset, sold per request in dollars.
fn preset() -> Result<Preset> {
    let mut preset = stage::preset(100, 0)?;
    let configuration = preset.configuration();
    let routes: Vec<Route> = configuration.system.routes.keys().cloned().collect();
    for route in routes {
        configuration.prices.remove(&route, None, Operation::Speech);
        let per = std::num::NonZeroU32::MIN;
        let line = PriceLine::from_decimal(Measure::Request, PRICE.parse()?, per, MoneyUnit::USD)?;
        let price = Price {
            name: "a request".into(),
            route,
            model: None,
            operation: Operation::Speech,
            lane: Lane::Shared,
            unit: MoneyUnit::USD,
            charge: Charge::lines([line])?,
            overrun: Overrun::Operator,
            switch: Switch::On,
            version: 1,
            since: Timestamp::EPOCH,
        };
        configuration.prices.set(price, Timestamp::EPOCH)?;
    }
    configuration.packages.set(package()?)?;
    Ok(preset)
}

/// Checks, calls, debits; all requests at once.
async fn debited_afterwards(price: i64, balance: i64) -> Result<Spent> {
    let left = Arc::new(Mutex::new(balance));
    let request = || {
        let left = Arc::clone(&left);
        tokio::spawn(async move {
            let enough = *left.lock() >= price;
            if enough {
                tokio::time::sleep(CALL.0).await;
                *left.lock() -= price;
            }
            enough
        })
    };
    let mut spent = Spent::default();
    for accepted in join_all((0..REQUESTS).map(|_| request())).await {
        spent.accepted += u64::from(accepted.context("a request panicked")?);
    }
    spent.overspent = -(*left.lock()).min(0);
    Ok(spent)
}

/// The whole balance, bought at once.
fn package() -> Result<Package> {
    let dollars = Money::from_decimal(BALANCE.parse()?, MoneyUnit::USD)?;
    Ok(Package {
        id: PackageId::new(PACKAGE)?,
        credits: dollars.amount,
        unit: dollars.unit,
        price: dollars,
        label: "Five dollars".into(),
        switch: Switch::On,
    })
}
