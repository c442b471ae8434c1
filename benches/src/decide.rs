//! `decide/keys=N`: one decision over the in-memory rows: which server and key, may it start now, can the user pay.
//!
//! Measured is the pure path of jobs of one task each, as the engine runs it: the plan of a checked request (gate,
//! cut, routes, quote), its admission (configuration version, split, hold, job, task, fair queue), and the claim
//! that leases it a key (fair order, limits, attempt). A batch is 64 admissions and one claim per pool; figures are
//! nanoseconds per task of the whole. Ids and checked requests are made before. Not in it: the store's lock, the
//! lane, durability. The keys' limits are large enough never to be met.
//!
//! It is compared with the least that keeps the same promises, written by hand: a price, a balance that is
//! checked and held, a task queued and taken off, the least recently used key with its calls in flight and recent
//! starts, and rows for hold, task and attempt, all in `BTreeMap`s, for the same batches.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    hint::black_box,
    num::NonZeroU32,
    sync::Arc,
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use kingcong_core::{
    Request,
    clock::Timestamp,
    id::{KeyId, TenantId, WorkerId},
    keys::{Level, Limit, PoolId, Rules},
    ledger::{Cause, Wallet},
    money::Amount,
    store::{Batch, Claimed, Journal, Outcome, Tables, decide},
    work::CheckedRequest,
};
use uuid::Uuid;

use crate::{
    figure::{Figure, Unit, median, ns_each, timed},
    stage::{self, Ids, Planner},
};

const REPEATS: usize = 9;
const BATCHES: usize = 200;
const BATCH_TASKS: usize = 64;
const USERS: usize = 100;
const TEXT_BYTES: usize = 100;
/// Of ten keys seven are of AI33, as the weights are.
const SERVERS: [(&str, usize); 2] = [("ai33", 7), ("ai84", 3)];
/// Freed memory is kept for the next repeat: what is measured are decisions, not the system's page faults.
const KEPT_BYTES: usize = 30 << 20;
/// Virtual time between batches.
const BATCH_STEP: Duration = Duration::from_millis(1);

pub(crate) fn measure(keys: usize) -> Result<Vec<Figure>> {
    let stage = Stage::new(keys)?;
    // The C library's allocator keeps what was freed once it has seen a block of this size come and go.
    drop(black_box(vec![0_u8; KEPT_BYTES]));
    let mut ours = Vec::new();
    let mut by_hand = Vec::new();
    for _ in 0..REPEATS {
        ours.push(stage.decide()?);
        by_hand.push(decide_by_hand(keys)?);
    }
    let name = format!("decide/keys={keys}");
    Ok(vec![Figure::new(name, median(ours), Unit::Ns, "the same rows by hand in BTreeMaps", median(by_hand))])
}

struct Stage {
    planner: Planner,
    requests: Vec<CheckedRequest>,
    tables: Tables,
}

impl Stage {
    fn new(keys: usize) -> Result<Self> {
        let mut configuration = stage::preset(70, 30)?.configuration().clone();
        configuration.version = 1;
        let routes = SERVERS.map(|(server, _)| stage::route(server));
        let planner = Planner::new(configuration, routes.into_iter().collect::<Result<_>>()?);
        let mut tables = Tables::new(Arc::clone(&planner.configuration), Journal::None);
        let mut ids = Ids::default();
        for (route, (_, of_ten)) in planner.routes.iter().zip(SERVERS) {
            for _ in 0..keys * of_ten / 10 {
                let id = Limit::id_of_key(KeyId::from_uuid(ids.next()));
                let (max_in_flight, per_window) = (NonZeroU32::MAX, NonZeroU32::MAX);
                let mut limit = Limit::new(id, Level::Key, max_in_flight, per_window);
                limit.pool = Some(PoolId::shared(route));
                tables.insert_limit(limit);
            }
        }
        let mut requests = Vec::new();
        for user in 0..USERS {
            let request = Request::speech(format!("user-{user}"), stage::text(TEXT_BYTES));
            let request = request.service(stage::SERVICE).voice(stage::VOICE).check(TenantId::main())?;
            let mut wallet = Wallet::open(stage::wallet_of(&request), Timestamp::EPOCH);
            wallet.purchase(Amount::new(1_000_000_000), Cause::default(), Timestamp::EPOCH)?;
            tables.wallets.insert(wallet.id, wallet);
            requests.push(request);
        }
        Ok(Self { planner, requests, tables })
    }

    /// Nanoseconds per decision.
    fn decide(&self) -> Result<f64> {
        let mut tables = self.tables.clone();
        let pools = self.planner.pools();
        let mut ids = Ids::default();
        let worker = WorkerId::from_uuid(ids.next());
        let mut requests = self.requests.iter().cycle();
        let mut now = Timestamp::from_micros(1_000_000_000);
        let mut leased = 0;
        let (time, result) = timed(|| -> Result<()> {
            for number in 1..=BATCHES as i64 {
                let mut commands = Vec::with_capacity(BATCH_TASKS + pools.len());
                for request in requests.by_ref().take(BATCH_TASKS) {
                    commands.push(self.planner.admission(request, &mut ids)?);
                }
                commands.extend(pools.iter().map(|&pool| self.planner.claim(pool, BATCH_TASKS, &mut ids)));
                now = now.plus(BATCH_STEP);
                let batch = Batch { worker, number, rules: Rules::default(), commands };
                leased += leases(&black_box(decide(&mut tables, &batch, now)));
            }
            Ok(())
        });
        result?;
        ensure!(leased == BATCHES * BATCH_TASKS, "{leased} tasks were leased");
        Ok(ns_each(time, leased))
    }
}

fn leases(outcomes: &[Outcome]) -> usize {
    let of_claim = |outcome: &Outcome| match outcome {
        Outcome::Claim(Claimed { leases, .. }) => leases.len(),
        _ => 0,
    };
    outcomes.iter().map(of_claim).sum()
}

/// The least that keeps the same promises.
#[derive(Default)]
struct ByHand {
    wallets: BTreeMap<Uuid, i64>,
    holds: BTreeMap<Uuid, (Uuid, i64)>,
    tasks: BTreeMap<Uuid, TaskByHand>,
    ready: [BTreeSet<(u64, Uuid)>; 2],
    turns: [BTreeSet<(i64, Uuid)>; 2],
    keys: BTreeMap<Uuid, KeyByHand>,
    attempts: BTreeMap<Uuid, (Uuid, Uuid)>,
}

struct TaskByHand {
    text: Arc<str>,
    hold: Uuid,
    running: Option<Uuid>,
}

#[derive(Default)]
struct KeyByHand {
    in_flight: u32,
    starts: VecDeque<i64>,
}

/// Nanoseconds per decision.
fn decide_by_hand(keys: usize) -> Result<f64> {
    let mut ids = Ids::default();
    let mut rows = ByHand::default();
    for (server, (_, of_ten)) in SERVERS.into_iter().enumerate() {
        for _ in 0..keys * of_ten / 10 {
            let id = ids.next();
            rows.keys.insert(id, KeyByHand::default());
            rows.turns[server].insert((0, id));
        }
    }
    let wallets: Vec<Uuid> = (0..USERS).map(|_| ids.next()).collect();
    rows.wallets.extend(wallets.iter().map(|&id| (id, 1_000_000_000)));
    let text: Arc<str> = stage::text(TEXT_BYTES).into();
    let mut owners = wallets.iter().cycle();
    let (mut tag, mut now, mut leased) = (0_u64, 1_000_000_000, 0);
    let (time, result) = timed(|| -> Option<()> {
        for _ in 0..BATCHES {
            for &owner in owners.by_ref().take(BATCH_TASKS) {
                tag += 1;
                // Seven of ten, evenly spread, which is what a split amounts to.
                let server = usize::from(tag * 7 % 10 >= 7);
                rows.admit(&mut ids, owner, Arc::clone(&text), server, tag)?;
            }
            now += 1_000;
            for server in 0..SERVERS.len() {
                while black_box(rows.claim(&mut ids, server, now)).is_some() {
                    leased += 1;
                }
            }
        }
        Some(())
    });
    result.context("a wallet ran dry")?;
    ensure!(leased == BATCHES * BATCH_TASKS, "{leased} tasks were leased by hand");
    black_box(
        rows.tasks
            .values()
            .all(|task| task.running.is_some() && !task.hold.is_nil() && !task.text.is_empty()),
    );
    Ok(ns_each(time, leased))
}

impl ByHand {
    fn admit(&mut self, ids: &mut Ids, owner: Uuid, text: Arc<str>, server: usize, tag: u64) -> Option<()> {
        let price = i64::try_from(text.len()).ok()?;
        let available = self.wallets.get_mut(&owner)?;
        *available = available.checked_sub(price).filter(|left| *left >= 0)?;
        let hold = ids.next();
        self.holds.insert(hold, (owner, price));
        let task = ids.next();
        self.tasks.insert(task, TaskByHand { text, hold, running: None });
        self.ready[server].insert((tag, task));
        Some(())
    }

    fn claim(&mut self, ids: &mut Ids, server: usize, now: i64) -> Option<(Uuid, Arc<str>)> {
        let &(tag, task) = self.ready[server].first()?;
        let (turn, id) = self.turns[server].pop_first()?;
        let key = self.keys.get_mut(&id)?;
        while key.starts.front().is_some_and(|start| start + 60_000_000 <= now) {
            key.starts.pop_front();
        }
        key.in_flight += 1;
        key.starts.push_back(now);
        self.turns[server].insert((now.max(turn), id));
        self.ready[server].remove(&(tag, task));
        let attempt = ids.next();
        self.attempts.insert(attempt, (task, id));
        let row = self.tasks.get_mut(&task)?;
        row.running = Some(attempt);
        Some((attempt, Arc::clone(&row.text)))
    }
}
