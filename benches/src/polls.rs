//! `polls/ai33`: how much of an account's limit is left to starts where the upstream counts polls too.
//!
//! The preset's AI33 with one account, more work than its limit takes, virtual time, the engine, the in-memory store,
//! and an upstream that counts every start and every poll by itself: 10 calls a minute, and 100 with 30 in flight. A
//! list names the newest hundred tasks, and is one call. Beside it how long a result that is ready at the upstream is
//! not known here.
//!
//! The best schedule is computed for the very times that the work takes, known in advance: bursts as large as the
//! limits allow, each followed by one poll as soon as all of it is ready, or in time for half of it to be known within
//! 10 s and all within 30 s.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
    time::Duration,
};

use anyhow::{Context, Result};
use async_trait::async_trait;
use bytes::Bytes;
use kingcong_core::{
    KingCong, NewKey, Request, Settings,
    clock::Clock,
    failure::Failure,
    id::ProtocolId,
    measure::Measured,
    provider::{Accepted, Call, Progress, Provider, Reply, Sent},
    store::MemoryStore,
    upstream::UpstreamId,
    work::{Audio, Body, Output},
};
use parking_lot::Mutex;

use crate::{
    figure::{Figure, Unit, percentile},
    stage::{self, Random, VirtualClock},
};

/// A frame of silent MP3: 26 ms.
const FRAME: [u8; 417] = {
    let mut frame = [0; 417];
    [frame[0], frame[1], frame[2], frame[3]] = [0xff, 0xfb, 0x90, 0xc0];
    frame
};

/// Windows that are measured.
const WINDOWS: u32 = 30;
const WINDOW: Duration = Duration::from_secs(60);
/// Tasks that a list names.
const LISTED: usize = 100;
/// How long results may wait: half of them, and nearly all.
const HALF_WAITS_MAX: Duration = Duration::from_secs(10);
const USER: &str = "user";

/// What is measured.
struct Case {
    name: &'static str,
    per_minute: u32,
    in_flight: u32,
    /// How long the work takes, from the first to the second, at random.
    takes: (Duration, Duration),
}

const SECOND: Duration = Duration::from_secs(1);

const CASES: [Case; 4] = [
    Case { name: "10", per_minute: 10, in_flight: 30, takes: (SECOND, SECOND) },
    Case {
        name: "10/slow",
        per_minute: 10,
        in_flight: 30,
        takes: (Duration::from_secs(12), Duration::from_secs(18)),
    },
    Case { name: "100", per_minute: 100, in_flight: 30, takes: (SECOND, SECOND) },
    Case {
        name: "100/slow",
        per_minute: 100,
        in_flight: 30,
        takes: (Duration::from_secs(4), Duration::from_secs(10)),
    },
];

pub(crate) fn measure() -> Result<Vec<Figure>> {
    let mut figures = Vec::new();
    for case in &CASES {
        figures.extend(case.measure()?);
    }
    Ok(figures)
}

impl Case {
    fn measure(&self) -> Result<Vec<Figure>> {
        let seen = stage::in_virtual_time(self.run())?;
        let name = |what| format!("polls/ai33/{}/{what}", self.name);
        let against = "the best schedule that the limits and the two times allow";
        let ns =
            |percent| percentile(seen.waits.iter().map(|wait| wait.as_secs_f64() * 1e9).collect(), percent);
        Ok(vec![
            Figure::new(name("starts"), seen.starts as f64, Unit::Tasks, against, self.best() as f64),
            Figure::new(name("polls"), seen.polls as f64, Unit::Requests, "fewer leave more to starts", 0.0),
            Figure::new(
                name("violations"),
                seen.violations as f64,
                Unit::Violations,
                "as the upstream counts",
                0.0,
            ),
            Figure::new(name("known/p50"), ns(50), Unit::Ns, "aimed at", 10e9),
            Figure::new(name("known/p99"), ns(99), Unit::Ns, "aimed at", 30e9),
        ])
    }

    async fn run(&self) -> Result<Seen> {
        let clock: Arc<dyn Clock> = Arc::new(VirtualClock::new());
        let gateway = Arc::new(Gateway {
            protocol: ProtocolId::new("ai33")?,
            clock: Arc::clone(&clock),
            takes: self.takes,
            per_minute: self.per_minute as usize,
            in_flight: self.in_flight as usize,
            rows: Mutex::new(Rows {
                seen: Seen::default(),
                random: Random::new(1),
                calls: VecDeque::new(),
                open: BTreeMap::new(),
                tasks: 0,
            }),
        });
        let kc = KingCong::builder()
            .store(MemoryStore::with_clock(Arc::clone(&clock)))
            .clock(Arc::clone(&clock))
            .preset(stage::preset(100, 0)?)
            .master_key(stage::master_key())
            .provider(Listing(Arc::clone(&gateway)))
            .settings(Settings { drain: Duration::ZERO, ..Settings::default() })
            .start()
            .await?;
        let limits = stage::limits(self.in_flight, self.per_minute);
        let key = NewKey::shared("ai33", stage::SERVICE, "sk-bench-of-one-account");
        kc.keys().add(key.limits(limits).account("us", limits)).await?;
        stage::make_rich(&kc, USER).await?;
        let tasks = self.per_minute * (WINDOWS + 2);
        let request = Request::speech(USER, stage::text(10 * tasks as usize));
        let pieces = u16::try_from(tasks).ok().and_then(std::num::NonZeroU16::new).context("a few tasks")?;
        kc.submit(request.service(stage::SERVICE).voice(stage::VOICE).pieces(pieces)).await?;
        clock.sleep(WINDOW * WINDOWS).await;
        let seen = std::mem::take(&mut gateway.rows.lock().seen);
        kc.close().await;
        Ok(seen)
    }

    /// Most starts in the same time: in each window the largest bursts that fit, each with the polls that it needs.
    fn best(&self) -> u32 {
        let (shortest, longest) = self.takes;
        // One poll when all of a burst is ready tells half of it in time, if the middle one is ready so soon before.
        let middle = (shortest + longest) / 2;
        let polls_of_burst = if longest - middle <= HALF_WAITS_MAX { 1 } else { 2 };
        let mut best = 0;
        for bursts in 1..=self.per_minute / (1 + polls_of_burst) {
            let calls = self.per_minute - bursts * polls_of_burst;
            let by_slots = bursts * self.in_flight;
            let fits = longest * bursts <= WINDOW;
            if fits {
                best = best.max(calls.min(by_slots));
            }
        }
        best * WINDOWS
    }
}

/// What the upstream saw.
#[derive(Debug, Default)]
struct Seen {
    starts: u64,
    polls: u64,
    violations: u64,
    /// How long each result was ready before it was known.
    waits: Vec<Duration>,
}

#[derive(Debug)]
struct Rows {
    seen: Seen,
    random: Random,
    calls: VecDeque<Duration>,
    /// Every task that was not told yet by its number, with when it is ready.
    open: BTreeMap<u64, Duration>,
    tasks: u64,
}

/// An upstream that takes work, and counts being asked about it.
#[derive(Debug)]
struct Gateway {
    protocol: ProtocolId,
    clock: Arc<dyn Clock>,
    takes: (Duration, Duration),
    per_minute: usize,
    in_flight: usize,
    rows: Mutex<Rows>,
}

/// The provider that calls it.
#[derive(Clone, Debug)]
struct Listing(Arc<Gateway>);

impl Gateway {
    fn count(&self, rows: &mut Rows) {
        let now = self.clock.elapsed();
        while rows.calls.front().is_some_and(|call| *call + WINDOW <= now) {
            rows.calls.pop_front();
        }
        rows.calls.push_back(now);
        rows.seen.violations += u64::from(rows.calls.len() > self.per_minute);
    }

    fn start(&self) -> u64 {
        let now = self.clock.elapsed();
        let mut rows = self.rows.lock();
        self.count(&mut rows);
        rows.seen.starts += 1;
        rows.tasks += 1;
        let running = rows.open.values().filter(|ready| **ready > now).count() + 1;
        rows.seen.violations += u64::from(running > self.in_flight);
        let (from, to) = self.takes;
        let span = u64::try_from((to - from).as_millis()).unwrap_or(u64::MAX);
        let takes = from + Duration::from_millis(rows.random.below(span + 1));
        let number = rows.tasks;
        rows.open.insert(number, now + takes);
        number
    }

    fn tell(&self, ids: &[u64], page: u32) -> Vec<Progress> {
        let now = self.clock.elapsed();
        let mut rows = self.rows.lock();
        self.count(&mut rows);
        rows.seen.polls += 1;
        let newest = rows.tasks.saturating_sub(u64::from(page) * LISTED as u64);
        let oldest = newest.saturating_sub(LISTED as u64);
        let mut told = Vec::new();
        for id in ids {
            let is_listed = ids.len() == 1 || (oldest < *id && *id <= newest);
            told.push(match rows.open.get(id) {
                Some(ready) if is_listed && *ready <= now => {
                    let wait = now - *ready;
                    rows.open.remove(id);
                    rows.seen.waits.push(wait);
                    let body = Body::Memory(Bytes::from_static(&FRAME));
                    let audio = Audio { body, content_type: "audio/mpeg".into(), srt: None };
                    let output = Output::Audio(audio);
                    Progress::Done(Reply { output, cost: None, measured: Measured::NOTHING })
                }
                Some(_) if is_listed => Progress::Running { percent: None },
                Some(_) | None => Progress::OnNoPageSoFar,
            });
        }
        told
    }
}

#[async_trait]
impl Provider for Listing {
    fn protocol(&self) -> &ProtocolId {
        &self.0.protocol
    }

    fn poll_batch_max(&self) -> usize {
        LISTED
    }

    async fn send(&self, _: &Call) -> Result<Sent, Failure> {
        let upstream_id = UpstreamId(self.0.start().to_string());
        Ok(Sent::Accepted(Accepted { upstream_id, cost: None, balance: None }))
    }

    async fn poll(&self, calls: &[(Call, UpstreamId)], page: u32) -> Vec<Result<Progress, Failure>> {
        let ids: Vec<u64> = calls.iter().filter_map(|(_, id)| id.0.parse().ok()).collect();
        self.0.tell(&ids, page).into_iter().map(Ok).collect()
    }
}
