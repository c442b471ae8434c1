//! Whoever writes meanwhile: what verification reads belongs together, so it finds nothing in a sound store.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use kingcong_core::{
    access::Scope,
    clock::Clock as _,
    engine::verify,
    failure::{FailureKind, Reached},
    store::{AttemptResult, Command, Outcome, Stop, StopWhy, Store as _, StoreErrorKind, Written},
};
use kingcong_sqlx::{Options, SqlStore};
use tokio::task::JoinSet;

use super::world::{self, failed};
use crate::{
    databases::on_every_database,
    world::{Ids, StandingClock, Writer, admit, claim, claimed, done, purchase, retry, route, settle},
};

const WRITERS: u32 = 2;
/// How often the store is looked at while others write.
const LOOKS: usize = 12;
/// One process archives, once in so many rounds.
const ROUNDS_PER_ARCHIVE: u32 = 8;

async fn open(url: &str, clock: &Arc<StandingClock>) -> SqlStore {
    let mut options = Options::default();
    options.clock = Some(Arc::<StandingClock>::clone(clock));
    SqlStore::connect_with(url, options).await.unwrap()
}

/// Writes a batch, again where the store says that nothing was written.
async fn write(writer: &mut Writer, store: &SqlStore, commands: Vec<Command>) -> Vec<Outcome> {
    let batch = writer.batch(commands);
    loop {
        match store.write(&batch).await {
            Ok(Written::Now { outcomes, .. }) => return outcomes,
            Err(error) if error.kind == StoreErrorKind::Unavailable => {}
            other => panic!("{other:?}"),
        }
    }
}

/// Orders, works off, cancels, retries, buys, and archives, until it is told to stop; how many rounds it made.
async fn write_on(store: SqlStore, clock: Arc<StandingClock>, number: u32, stop: Arc<AtomicBool>) -> u32 {
    let mut ids = Ids::of_process(number);
    let mut writer = Writer::register(&store, &mut ids).await;
    let folder = tempfile::tempdir().unwrap();
    let mut round = 0;
    while !stop.load(Ordering::SeqCst) {
        round += 1;
        let key = format!("order {round} of {number}");
        let order = admit(&mut ids, 1 + round % 2, &["một", "hai ba", "bốn"], Some(&key));
        let job = order.job;
        let bought = purchase(&mut ids, 1 + round % 2, 100, Some(&key));
        write(&mut writer, &store, vec![bought, Command::Admit(Box::new(order))]).await;
        for server in ["ai33", "ai84"] {
            let command = claim(&mut ids, &route(server), 4);
            let leases = claimed(write(&mut writer, &store, vec![command]).await).leases;
            let result = |place: usize| match (place + round as usize) % 4 {
                0 => AttemptResult::NotSent,
                1 => failed(FailureKind::BadRequest, Reached::No),
                _ => done(10),
            };
            let settled = leases.iter().enumerate().map(|(place, lease)| settle(lease, result(place)));
            write(&mut writer, &store, settled.collect()).await;
        }
        if round % 3 == 0 {
            write(
                &mut writer,
                &store,
                vec![Command::Stop(Stop { scope: Scope::All, job, why: StopWhy::Cancelled })],
            )
            .await;
        }
        if round % 2 == 0 {
            // What of it failed, if anything did and it has ended.
            let again = retry(&mut ids, 1 + round % 2, job, &format!("again {key}"));
            write(&mut writer, &store, vec![again]).await;
        }
        clock.advance(Duration::from_millis(1));
        if number == 1 && round % ROUNDS_PER_ARCHIVE == 0 {
            store.archive(clock.now(), folder.path()).await.unwrap();
        }
    }
    round
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sound_store_is_sound_while_processes_write_to_it() {
    on_every_database(async |url| {
        let clock = StandingClock::new();
        let store = open(url, &clock).await;
        let master = world::build(&store, &clock).await;
        let stop = Arc::new(AtomicBool::new(false));
        let mut writing = JoinSet::new();
        for number in 1..=WRITERS {
            let beside = open(url, &clock).await;
            writing.spawn(write_on(beside, Arc::clone(&clock), number, Arc::clone(&stop)));
        }
        for look in 0..LOOKS {
            let found = verify(&store, &master).await.unwrap();
            assert!(found.is_sound(), "{url}, look {look}: {:#?}", found.discrepancies);
        }
        stop.store(true, Ordering::SeqCst);
        while let Some(rounds) = writing.join_next().await {
            assert!(rounds.unwrap() > 0, "nothing was written meanwhile");
        }
        assert!(verify(&store, &master).await.unwrap().is_sound());
    })
    .await;
}
