//! Connections that are cut at random moments, thousands of times, while batches are written.
//!
//! Each process reaches the database by a proxy of its own. Some connections cut themselves after a random number of
//! bytes of one direction, some when they commit, the others when a neighbour has finished a try. A batch that fails is
//! tried again, as the port demands, until its fate is known; in the end the database must hold what was acknowledged
//! and nothing else.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use futures_util::future::try_join_all;
use kingcong_core::{
    access::Scope,
    id::JobId,
    ledger::Entry,
    store::{
        AdminAnswer, Command, JobFilter, JobReads, Outcome, PAGE_MAX, Store, StoreErrorKind, WalletReads,
        Written, conformance,
    },
};
use kingcong_servers::{Cut, Proxy, Server};
use kingcong_sqlx::SqlStore;

use crate::world::{Dice, Ids, Writer, admit, furnish, purchase, user, wallet};

/// How many processes write at once.
const PROCESSES: u32 = 4;
/// Whose wallets they all use.
const USERS: u32 = 3;
/// How many connections are cut at least.
const CUTS: u64 = 2_000;
/// A neighbour is cut after one in so many tries.
const TRIES_PER_CUT: u64 = 4;
/// One in so many batches holds a job, too.
const PURCHASES_PER_JOB: u32 = 4;
/// Within about so many bytes of one direction a connection is opened and commits a first batch.
const CONVERSATION_BYTES: u64 = 8_000;

/// What one process was told.
#[derive(Debug, Default)]
struct Told {
    entries: BTreeMap<u32, Vec<Entry>>,
    jobs: BTreeSet<JobId>,
    held: i64,
    /// Batches with a commit whose answer was lost, by what became of it.
    committed: u32,
    not_committed: u32,
}

/// One process: its connections go by the proxy of its number.
struct Process {
    number: u32,
    store: SqlStore,
    ids: Ids,
    writer: Writer,
}

/// Writes batches until enough connections were cut. A commit is sent as the text `commit`.
async fn write(process: Process, proxies: Arc<Vec<Proxy>>, commit: &'static str) -> Told {
    let Process { number: process, store, mut ids, mut writer } = process;
    let (own, neighbour) = (&proxies[process as usize], &proxies[((process + 1) % PROCESSES) as usize]);
    let (mut dice, mut moments) = (Dice::new(process.into()), Dice::new((process + PROCESSES).into()));
    own.cut_each(move || match dice.roll(5) {
        0 => Cut::AfterRequests { bytes: dice.roll(CONVERSATION_BYTES) },
        1 => Cut::AfterAnswers { bytes: dice.roll(CONVERSATION_BYTES) },
        2 => Cut::Unheard { text: commit },
        3 => Cut::Unanswered { text: commit },
        _ => Cut::Never,
    });
    let mut told = Told::default();
    for number in process.. {
        if proxies.iter().map(Proxy::cuts).sum::<u64>() >= CUTS {
            break;
        }
        let (buyer, asker) = (number % USERS, (number + 1) % USERS);
        let mut commands = vec![purchase(&mut ids, buyer, 10, None)];
        if number % PURCHASES_PER_JOB == 0 {
            commands.push(Command::Admit(Box::new(admit(&mut ids, asker, &["một", "hai"], None))));
        }
        let batch = writer.batch(commands);
        let mut unknown = None;
        let outcomes = loop {
            let written = store.write(&batch).await;
            if moments.roll(TRIES_PER_CUT) == 0 {
                neighbour.sever();
            }
            match written {
                Ok(Written::Now { outcomes, .. }) => {
                    told.not_committed += u32::from(unknown.is_some());
                    break outcomes;
                }
                Ok(Written::Before) => {
                    told.committed += 1;
                    break unknown.expect("a batch that failed otherwise was not written");
                }
                Ok(Written::Fenced) => panic!("nobody buries it"),
                Err(error) if error.kind == StoreErrorKind::CommitUnknown => {
                    told.not_committed += u32::from(unknown.is_some());
                    unknown = error.outcomes.map(|(_, outcomes)| outcomes);
                    assert!(unknown.is_some(), "what would be true, had it been committed, is told");
                }
                Err(error) => assert_eq!(error.kind, StoreErrorKind::Unavailable, "{error:?}"),
            }
        };
        assert_eq!(outcomes.len(), batch.commands.len());
        for outcome in outcomes {
            match outcome {
                Outcome::Admin(AdminAnswer::Credit(Ok(credited))) => {
                    told.entries.entry(buyer).or_default().extend(credited.entries)
                }
                Outcome::Admit(Ok(admitted)) => {
                    told.held += admitted.held.get();
                    assert!(told.jobs.insert(admitted.job));
                }
                other => panic!("{other:?}"),
            }
        }
    }
    own.cut_each(|| Cut::Never);
    told
}

async fn what_was_acknowledged_is_there_and_nothing_else(server: &Server, commit: &'static str) {
    let database = server.fresh_database().unwrap();
    let store = SqlStore::connect(&database).await.unwrap();
    furnish(&store, &mut Ids::default(), 1, USERS).await;

    let proxies: Arc<Vec<Proxy>> =
        Arc::new((0..PROCESSES).map(|_| Proxy::to(server.address()).unwrap()).collect());
    let mut writing = Vec::new();
    for (number, proxy) in (0..).zip(proxies.iter()) {
        let store = SqlStore::connect(&proxy.url(&database).unwrap()).await.unwrap();
        let mut ids = Ids::of_process(number + 1);
        let writer = Writer::register(&store, &mut ids).await;
        writing.push(Process { number, store, ids, writer });
    }
    let writing =
        writing.into_iter().map(|process| tokio::spawn(write(process, Arc::clone(&proxies), commit)));
    // One that fails ends the test: without its cuts the others would not end.
    let all: Vec<Told> = try_join_all(writing).await.unwrap();

    let (committed, not) =
        all.iter().fold((0, 0), |sums, told| (sums.0 + told.committed, sums.1 + told.not_committed));
    assert!(committed > 0 && not > 0, "of the unknown commits {committed} had been done and {not} had not");

    let mut held = 0;
    for who in 0..USERS {
        let purse = store.wallet(&wallet(who)).await.unwrap().unwrap();
        held += purse.held.get();
        let mut acknowledged: Vec<Entry> =
            all.iter().filter_map(|told| told.entries.get(&who)).flatten().cloned().collect();
        acknowledged.sort_by_key(|entry| entry.number);
        let mut found = Vec::new();
        while let entries =
            store.entries(purse.id, found.last().map(|it: &Entry| it.number), PAGE_MAX).await.unwrap()
            && !entries.is_empty()
        {
            found.extend(entries);
        }
        found.reverse();
        // The first entry is the user's furniture.
        assert_eq!(found[1..], acknowledged);
        let numbers: Vec<u64> = found.iter().map(|entry| entry.number).collect();
        assert_eq!(numbers, (1..=purse.last_entry).collect::<Vec<_>>());
        assert_eq!(purse.balance.get(), found.iter().map(|entry| entry.amount.get()).sum::<i64>());
    }
    assert_eq!(held, all.iter().map(|told| told.held).sum::<i64>());

    let acknowledged: BTreeSet<JobId> = all.iter().flat_map(|told| told.jobs.iter().copied()).collect();
    let mut found = BTreeSet::new();
    for who in 0..USERS {
        let mut before = None;
        loop {
            let of = Some(user(who));
            let filter = JobFilter { user: of, before, limit: PAGE_MAX, ..JobFilter::default() };
            let jobs = store.jobs(&Scope::All, &filter).await.unwrap();
            let Some(last) = jobs.last() else { break };
            before = Some(last.id);
            found.extend(jobs.iter().map(|job| job.id));
        }
    }
    assert_eq!(found, acknowledged);
    conformance::recount(&store).await;
}

#[cfg(feature = "mysql")]
#[tokio::test(flavor = "multi_thread")]
async fn on_mariadb_a_cut_connection_loses_and_doubles_nothing() {
    what_was_acknowledged_is_there_and_nothing_else(crate::databases::mariadb(), "\u{3}COMMIT").await;
}

#[cfg(feature = "postgres")]
#[tokio::test(flavor = "multi_thread")]
async fn on_postgresql_a_cut_connection_loses_and_doubles_nothing() {
    what_was_acknowledged_is_there_and_nothing_else(crate::databases::postgres(), "COMMIT\0").await;
}
