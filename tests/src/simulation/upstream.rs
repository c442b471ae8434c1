//! The upstreams as they are on their own side: they count every call that reaches them, do the work whether or not
//! anybody hears of it, and answer through a network that loses answers.
//!
//! Server `ai33` takes work and is polled, by pages of twenty tasks, which its accounts' limits count.
//! Server `ai84` is polled one by one and counts by address. Servers `direct` and `extra` answer with the result.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use async_trait::async_trait;
use kingcong_core::{
    failure::{Failure, FailureKind, Reached},
    id::{AttemptId, ProtocolId, Route, ServiceId},
    measure::{Counts, Measure},
    provider::{Accepted, Access, Call, Dropped, Health, Progress, Provider, Reply, Sent, VoicePage},
    routing::System,
    upstream::{UpstreamCredits, UpstreamId},
    work::{Audio, Body, ClonedVoice, Output, Work},
};
use parking_lot::Mutex;
use tokio::sync::oneshot;

use super::{plan::Plan, process::Life, stage::Stage};

/// A text with this in it is refused as wrong.
pub(super) const BAD_TEXT: &str = "badtext";
/// A text with this in it is refused by policy.
pub(super) const FORBIDDEN_TEXT: &str = "forbidden";
/// Voices that were made here begin so.
const VOICE: &str = "made-by-";
/// How much after its lease a call arrives at the latest.
const LATE_MS: u64 = Plan::SEND_SLACK_MS + Plan::WAY_MS + 2;
/// Pieces of work on one page of the list of `ai33`.
const LISTED: usize = 20;
/// What an account has at first, in its own credits.
const CREDIT_FIRST: i64 = 1_000_000;

/// Every upstream.
#[derive(Debug)]
pub(super) struct World {
    stage: Arc<Stage>,
    rows: Mutex<Rows>,
}

#[derive(Debug, Default)]
struct Rows {
    keys: BTreeMap<String, KeyRow>,
    credit: BTreeMap<String, i64>,
    meters: BTreeMap<String, Meter>,
    runs: BTreeMap<String, Run>,
    /// Every piece of work that was begun, in order.
    begun: Vec<Begun>,
    texts: BTreeMap<AttemptId, Arc<str>>,
    measured: BTreeMap<AttemptId, Counts>,
    /// Which key made which voice.
    voices: BTreeMap<String, String>,
    /// The configurations with the instants from which they were in force.
    systems: Vec<(u64, Arc<System>)>,
    calls: u64,
}

/// A key as its upstream knows it.
#[derive(Clone, Debug)]
struct KeyRow {
    name: String,
    account: String,
    is_dead: bool,
}

/// A piece of work that an upstream began.
#[derive(Clone, Debug)]
pub(super) struct Begun {
    pub(super) attempt: AttemptId,
    pub(super) at_ms: u64,
    /// When nothing of it was left to be paid, if ever: it failed or was dropped, and the upstream says so.
    pub(super) undone_ms: Option<u64>,
}

/// Work that is polled for.
#[derive(Clone, Debug)]
struct Run {
    begun: usize,
    call: Call,
    number: u64,
    ends_ms: u64,
    end: End,
    meters: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Done,
    Failed,
    /// It never says that it ended.
    Never,
}

/// One limit, as an upstream counts it.
#[derive(Debug, Default)]
struct Meter {
    /// Bounds with the instant since when they hold: in flight, per window.
    bounds: Vec<(u64, u32, u32)>,
    starts: Vec<u64>,
    running: BTreeSet<(u64, u64)>,
}

impl Meter {
    /// The loosest bounds within the last so many milliseconds.
    fn bounds(&self, now: u64, back_ms: u64) -> (u32, u32) {
        let since = now.saturating_sub(back_ms);
        let mut loosest = (0, 0);
        for (place, (_, in_flight, per_window)) in self.bounds.iter().enumerate() {
            let until = self.bounds.get(place + 1).map_or(u64::MAX, |next| next.0);
            if until >= since {
                loosest = (loosest.0.max(*in_flight), loosest.1.max(*per_window));
            }
        }
        loosest
    }

    /// Counts a start: how many there were in the window up to now, and how many there may be.
    fn start(&mut self, now: u64) -> (usize, usize) {
        self.starts.retain(|at| at + Plan::WINDOW_MS > now);
        self.starts.push(now);
        let (_, per_window) = self.bounds(now, Plan::WINDOW_MS + LATE_MS);
        (self.starts.len(), per_window as usize)
    }
}

impl World {
    pub(super) fn new(stage: &Arc<Stage>) -> Self {
        Self { stage: Arc::clone(stage), rows: Mutex::default() }
    }

    /// A new key of an account; the secret is made from its name.
    pub(super) fn open_key(&self, name: &str, account: &str, of_account: (u32, u32)) -> String {
        let secret = format!("sk-sim-{name}-0123456789");
        let mut rows = self.rows.lock();
        rows.keys.insert(
            secret.clone(),
            KeyRow { name: name.to_owned(), account: account.to_owned(), is_dead: false },
        );
        rows.credit.entry(account.to_owned()).or_insert(CREDIT_FIRST);
        let meter = rows.meters.entry(account_meter(account)).or_default();
        if meter.bounds.is_empty() {
            meter.bounds.push((0, of_account.0, of_account.1));
        }
        secret
    }

    /// The bounds of a limit from now on.
    pub(super) fn bound(&self, meter: String, in_flight: u32, per_window: u32) {
        let now = self.stage.ms();
        self.rows.lock().meters.entry(meter).or_default().bounds.push((now, in_flight, per_window));
    }

    /// The configuration from now on.
    pub(super) fn configure(&self, system: &Arc<System>) {
        let now = self.stage.ms();
        self.rows.lock().systems.push((now, Arc::clone(system)));
    }

    /// The secrets of all keys.
    pub(super) fn secrets(&self) -> Vec<String> {
        self.rows.lock().keys.keys().cloned().collect()
    }

    pub(super) fn set_dead(&self, secret: &str, is_dead: bool) {
        self.stage.note(|| format!("{secret} dead: {is_dead}"));
        if let Some(key) = self.rows.lock().keys.get_mut(secret) {
            key.is_dead = is_dead;
        }
    }

    /// Leaves so much in the account of a key.
    pub(super) fn set_credit(&self, secret: &str, credit: i64) {
        let mut rows = self.rows.lock();
        if let Some(account) = rows.keys.get(secret).map(|key| key.account.clone()) {
            rows.credit.insert(account, credit);
        }
    }

    /// Every key works, and has credit.
    pub(super) fn heal(&self) {
        let mut rows = self.rows.lock();
        rows.keys.values_mut().for_each(|key| key.is_dead = false);
        rows.credit.values_mut().for_each(|credit| *credit = CREDIT_FIRST);
    }

    /// Every piece of work that was begun, in order.
    pub(super) fn begun(&self) -> Vec<Begun> {
        self.rows.lock().begun.clone()
    }

    pub(super) fn text_of(&self, attempt: AttemptId) -> Option<Arc<str>> {
        self.rows.lock().texts.get(&attempt).cloned()
    }

    pub(super) fn measured_of(&self, attempt: AttemptId) -> Counts {
        self.rows.lock().measured.get(&attempt).cloned().unwrap_or_default()
    }

    /// How many calls came.
    pub(super) fn calls(&self) -> u64 {
        self.rows.lock().calls
    }

    /// Counts a call that arrives, and finds what is wrong with its coming at all.
    fn count(&self, rows: &mut Rows, call: &Call, meters: &[String]) {
        let now = self.stage.ms();
        let route = &call.access.route;
        let mut served = false;
        for (place, (_, system)) in rows.systems.iter().enumerate() {
            let until = rows.systems.get(place + 1).map_or(u64::MAX, |next| next.0);
            served |= until >= now.saturating_sub(LATE_MS) && system.serves(route);
        }
        if !served {
            self.stage.fail(format!("attempt {} started on {route}, which is off", call.attempt));
        }
        for name in meters {
            let Some(meter) = rows.meters.get_mut(name) else {
                self.stage.fail(format!("attempt {} came with unknown {name}", call.attempt));
                continue;
            };
            meter.running.retain(|(ends, _)| *ends > now);
            let (in_flight_max, _) = meter.bounds(now, LATE_MS);
            let (starts, per_window) = meter.start(now);
            let running = meter.running.len() + 1;
            if starts > per_window {
                self.stage.fail(format!("{name}: {starts} starts in a window of {per_window}"));
            }
            if running > in_flight_max as usize {
                self.stage.fail(format!("{name}: {running} of {in_flight_max} in flight"));
            }
        }
    }

    /// A call arrives: what the upstream does, and what it answers.
    fn arrive(&self, call: &Call, egress: &str) -> Answer {
        let stage = &self.stage;
        let faults = &stage.plan.faults;
        let now = stage.ms();
        let route = &call.access.route;
        let secret = call.access.secret.expose().to_owned();
        let mut rows = self.rows.lock();
        rows.calls += 1;
        let number = rows.calls;
        let text = text(&call.work);
        rows.texts.insert(call.attempt, Arc::clone(&text));
        let Some(key) = rows.keys.get(&secret).cloned() else {
            return Answer::refuse(FailureKind::KeyDead, "401 no such key");
        };
        let mut meters = vec![key_meter(&key.name), account_meter(&key.account)];
        if route.server.as_str() == "ai84" {
            meters.push(egress_meter(egress));
        }
        self.count(&mut rows, call, &meters);
        if key.is_dead {
            return Answer::refuse(FailureKind::KeyDead, "401 unknown key");
        }
        if stage.goes_wrong(faults.doubtful) {
            return Answer::refuse(FailureKind::KeyDoubtful, "401 insufficient permissions");
        }
        if stage.goes_wrong(faults.rate_limited) {
            let kind = stage.dice.pick(&[
                FailureKind::KeyRateLimited,
                FailureKind::AccountRateLimited,
                FailureKind::EgressRateLimited,
            ]);
            let hint = stage.dice.percent(70).then(|| Duration::from_millis(stage.dice.between(0, 8_000)));
            return Answer::Fail(Failure::new(kind, Reached::No, "429").with_retry_after(hint));
        }
        if stage.goes_wrong(faults.busy) {
            return Answer::refuse(FailureKind::Busy, "503 server_busy");
        }
        if text.contains(BAD_TEXT) {
            return Answer::refuse(FailureKind::BadRequest, "400 voice not found");
        }
        if text.contains(FORBIDDEN_TEXT) {
            return Answer::refuse(FailureKind::Policy, "400 violates the terms");
        }
        if let Work::Speech(speech) = &*call.work
            && speech.voice.starts_with(VOICE)
            && rows.voices.get(&speech.voice) != Some(&secret)
        {
            stage.fail(format!("attempt {} uses {}, which another key made", call.attempt, speech.voice));
        }
        let price = i64::try_from(text.chars().count()).unwrap_or(i64::MAX);
        let Some(credit) = rows.credit.get_mut(&key.account).filter(|credit| **credit >= price) else {
            return Answer::refuse(FailureKind::OutOfCredit, "402 insufficient credit");
        };
        *credit -= price;
        let balance = UpstreamCredits::whole(*credit);
        let cost = UpstreamCredits::whole(price);
        let begun = rows.begun.len();
        rows.begun.push(Begun { attempt: call.attempt, at_ms: now, undone_ms: None });
        if stage.goes_wrong(faults.busy / 8) {
            // It broke down over the work: done and paid, or not.
            if stage.dice.percent(50) {
                rows.begun[begun].undone_ms = Some(now);
            }
            return Answer::Fail(Failure::new(FailureKind::Busy, Reached::Maybe, "502"));
        }
        let (takes_ms, end) = if stage.goes_wrong(faults.stuck) && !answers_at_once(route) {
            (Plan::CALL_MAX_MS - 1_000, End::Never)
        } else if stage.goes_wrong(faults.upstream_fails) {
            (stage.dice.between(1, 10_000), End::Failed)
        } else {
            (stage.dice.between(1, 8_000), End::Done)
        };
        let ends_ms = now + takes_ms;
        for name in &meters {
            if let Some(meter) = rows.meters.get_mut(name) {
                meter.running.insert((ends_ms, number));
            }
        }
        if end == End::Failed {
            rows.begun[begun].undone_ms = Some(ends_ms);
        }
        rows.measured.insert(call.attempt, measured(stage, &text));
        let lost = stage.goes_wrong(faults.answer_lost);
        if answers_at_once(route) {
            let answer = match end {
                End::Done | End::Never => Ok(Sent::Done(rows.reply(call))),
                End::Failed => Err(Failure::new(FailureKind::Busy, Reached::Yes, "500 synthesis failed")),
            };
            return Answer::Later { takes_ms, answer, lost };
        }
        let id = format!("up-{number}");
        rows.runs.insert(id.clone(), Run { begun, call: call.clone(), number, ends_ms, end, meters });
        let accepted = Accepted { upstream_id: UpstreamId(id), cost: Some(cost), balance: Some(balance) };
        Answer::Later { takes_ms: 0, answer: Ok(Sent::Accepted(accepted)), lost }
    }

    /// `ai33` counts being asked as a call of the account.
    fn count_poll(&self, access: &Access) {
        if access.route.server.as_str() != "ai33" {
            return;
        }
        let mut rows = self.rows.lock();
        let Some(key) = rows.keys.get(access.secret.expose()).cloned() else { return };
        let name = account_meter(&key.account);
        let Some(meter) = rows.meters.get_mut(&name) else { return };
        let (starts, per_window) = meter.start(self.stage.ms());
        if starts > per_window {
            self.stage.fail(format!("{name}: {starts} starts in a window of {per_window}, with a poll"));
        }
    }

    /// What a page of the account's list says, newest work first.
    fn listed(&self, ids: &[UpstreamId], page: u32) -> Vec<Result<Progress, Failure>> {
        let listed: Vec<String> = {
            let rows = self.rows.lock();
            let account_of =
                |run: &Run| rows.keys.get(run.call.access.secret.expose()).map(|key| key.account.as_str());
            let account = ids.iter().find_map(|id| account_of(rows.runs.get(&id.0)?));
            let mut runs: Vec<(&String, &Run)> =
                rows.runs.iter().filter(|(_, run)| account_of(run) == account).collect();
            runs.sort_by_key(|(_, run)| std::cmp::Reverse(run.number));
            let skipped = LISTED * usize::try_from(page).unwrap_or(usize::MAX);
            runs.into_iter().skip(skipped).take(LISTED).map(|(id, _)| id.clone()).collect()
        };
        let told = |id: &UpstreamId| match listed.contains(&id.0) {
            true => self.progress(id),
            false if listed.len() < LISTED => Ok(Progress::OnlyAlone),
            false => Ok(Progress::OnNoPageSoFar),
        };
        ids.iter().map(told).collect()
    }

    fn progress(&self, id: &UpstreamId) -> Result<Progress, Failure> {
        let stage = &self.stage;
        if stage.goes_wrong(stage.plan.faults.poll_fails) {
            return Err(Failure::new(FailureKind::Unknown, Reached::Maybe, "502 while polling"));
        }
        let mut rows = self.rows.lock();
        let Some(run) = rows.runs.get(&id.0).cloned() else {
            stage.fail(format!("polled for {}, which was never accepted", id.0));
            return Err(Failure::new(FailureKind::Unknown, Reached::Maybe, "404"));
        };
        if stage.ms() < run.ends_ms || run.end == End::Never {
            return Ok(Progress::Running { percent: Some(50) });
        }
        if stage.goes_wrong(stage.plan.faults.too_large) {
            return Err(Failure::new(FailureKind::TooLarge, Reached::Yes, "the result is too large"));
        }
        match run.end {
            End::Done => Ok(Progress::Done(rows.reply(&run.call))),
            End::Failed | End::Never => {
                Ok(Progress::Failed(Failure::new(FailureKind::Busy, Reached::Yes, "synthesis failed")))
            }
        }
    }

    fn drop_work(&self, id: &UpstreamId) -> Result<Dropped, Failure> {
        let stage = &self.stage;
        match stage.dice.between(0, 2) {
            0 => return Ok(Dropped::No),
            1 => return Err(Failure::new(FailureKind::Busy, Reached::Maybe, "503")),
            _ => {}
        }
        let now = stage.ms();
        let mut rows = self.rows.lock();
        let Some(run) = rows.runs.get(&id.0).cloned() else { return Ok(Dropped::No) };
        rows.begun[run.begun].undone_ms.get_or_insert(now);
        for name in &run.meters {
            if let Some(meter) = rows.meters.get_mut(name) {
                meter.running.remove(&(run.ends_ms, run.number));
            }
        }
        Ok(Dropped::Refunded)
    }

    fn balance(&self, secret: &str) -> Result<Option<UpstreamCredits>, Failure> {
        let stage = &self.stage;
        if stage.goes_wrong(stage.plan.faults.poll_fails) {
            return Err(Failure::new(FailureKind::Busy, Reached::No, "503"));
        }
        let rows = self.rows.lock();
        match rows.keys.get(secret) {
            Some(key) if !key.is_dead => {
                Ok(rows.credit.get(&key.account).map(|credit| UpstreamCredits::whole(*credit)))
            }
            Some(_) | None => Err(Failure::new(FailureKind::KeyDead, Reached::No, "401")),
        }
    }
}

impl Rows {
    fn reply(&mut self, call: &Call) -> Reply {
        let measured = self.measured.get(&call.attempt).cloned().unwrap_or_default();
        let text = text(&call.work);
        let cost = Some(UpstreamCredits::whole(i64::try_from(text.chars().count()).unwrap_or(i64::MAX)));
        if let Work::CloneVoice(_) = &*call.work {
            let voice = voice_of(call.attempt);
            self.voices.insert(voice.clone(), call.access.secret.expose().to_owned());
            return Reply { output: Output::Voice(ClonedVoice { voice }), cost, measured: measured.into() };
        }
        let body = Body::Memory(audio_of(&text, measured.get(Measure::AudioMs).unwrap_or_default()).into());
        let audio = Audio { body, content_type: "audio/mpeg".to_owned(), srt: None };
        // What upstreams say of a length is wrong at times, or missing; the audio has its own.
        let said = match text.len() % 4 {
            0 => None,
            1 => Some(0),
            2 => Some(u64::MAX),
            _ => measured.get(Measure::AudioMs),
        };
        let measured =
            Counts::of([(Measure::AudioMs, said), (Measure::Character, measured.get(Measure::Character))]);
        Reply { output: Output::Audio(audio), cost, measured: measured.into() }
    }
}

fn text(work: &Work) -> Arc<str> {
    match work {
        Work::Speech(speech) => Arc::clone(&speech.text),
        Work::CloneVoice(clone) => clone.name.as_str().into(),
        _ => "".into(),
    }
}

/// Whether a server answers with the result, instead of being polled for it.
fn answers_at_once(route: &Route) -> bool {
    matches!(route.server.as_str(), "direct" | "extra")
}

/// Audio that lasts so many milliseconds and tells whose text it is: a WAV of one byte a millisecond.
pub(super) fn audio_of(text: &str, ms: u64) -> Vec<u8> {
    const SAMPLE_RATE: u32 = 1000;
    let word = |number: usize| u32::try_from(number).unwrap_or(u32::MAX).to_le_bytes();
    let (ms, padding) = (usize::try_from(ms).unwrap_or(0), text.len() % 2);
    let format = [1, 0, 1, 0, 0xe8, 3, 0, 0, 0xe8, 3, 0, 0, 1, 0, 8, 0];
    debug_assert_eq!(u32::from_le_bytes([format[4], format[5], format[6], format[7]]), SAMPLE_RATE);
    let chunks = [
        &b"WAVEfmt \x10\0\0\0"[..],
        &format,
        b"text",
        &word(text.len()),
        text.as_bytes(),
        &[0][..padding],
        b"data",
        &word(ms),
    ]
    .concat();
    [&b"RIFF"[..], &word(chunks.len() + ms), &chunks, &vec![128; ms]].concat()
}

/// The longest audio that is made, in milliseconds.
const AUDIO_MS_MAX: u64 = 50_000;

/// How long the audio of a text becomes: about as long as expected, sometimes longer, or absurd.
fn measured(stage: &Stage, text: &str) -> Counts {
    let characters = u64::try_from(text.chars().count()).unwrap_or(u64::MAX);
    let audio_ms = match stage.dice.between(0, 19) {
        0 | 1 => characters * 120 * 50,
        2 => characters * stage.dice.between(121, 300),
        _ => characters * stage.dice.between(20, 120),
    };
    Counts::of([
        (Measure::AudioMs, Some(audio_ms.clamp(1, AUDIO_MS_MAX))),
        (Measure::Character, Some(characters)),
    ])
}

/// The voice that an attempt makes.
pub(super) fn voice_of(attempt: AttemptId) -> String {
    format!("{VOICE}{attempt}")
}

/// What an upstream does about a call.
enum Answer {
    Fail(Failure),
    Later { takes_ms: u64, answer: Result<Sent, Failure>, lost: bool },
}

impl Answer {
    fn refuse(kind: FailureKind, message: &str) -> Self {
        Self::Fail(Failure::new(kind, Reached::No, message))
    }
}

/// A process's way to the upstreams of one protocol.
#[derive(Clone, Debug)]
pub(super) struct Line {
    protocol: ProtocolId,
    world: Arc<World>,
    life: Arc<Life>,
    process: u64,
    egress: String,
}

impl Line {
    pub(super) fn new(
        protocol: &str,
        world: &Arc<World>,
        life: &Arc<Life>,
        process: u64,
        egress: &str,
    ) -> Self {
        Self {
            protocol: ProtocolId::new(protocol).expect("the protocols of a simulation are slugs"),
            world: Arc::clone(world),
            life: Arc::clone(life),
            process,
            egress: egress.to_owned(),
        }
    }

    async fn send_there(self, call: Call) -> Result<Sent, Failure> {
        let stage = Arc::clone(&self.world.stage);
        if stage.goes_wrong(stage.plan.faults.unconnected) {
            stage.linger(0, 1_000).await;
            return Err(Failure::new(FailureKind::Busy, Reached::No, "connection refused"));
        }
        stage.linger(0, Plan::WAY_MS).await;
        if stage.goes_wrong(stage.plan.faults.answer_lost) {
            stage.linger(0, 5_000).await;
            return Err(Failure::new(FailureKind::Unknown, Reached::Maybe, "connection reset on the way"));
        }
        let answer = self.world.arrive(&call, &self.egress);
        stage.linger(0, 500).await;
        let answer = match answer {
            Answer::Fail(failure) => Err(failure),
            Answer::Later { takes_ms, answer, lost } => {
                stage.sleep(takes_ms).await;
                if lost && stage.dice.percent(20) {
                    std::future::pending::<()>().await;
                }
                if lost {
                    Err(Failure::new(FailureKind::Unknown, Reached::Maybe, "connection reset"))
                } else {
                    answer
                }
            }
        };
        stage.note(|| format!("p{} heard of {}: {}", self.process, call.attempt, told(&answer)));
        answer
    }

    /// What the other side gives, as soon as this process runs to hear it.
    async fn ask<T: Send + 'static>(&self, answer: impl Future<Output = T> + Send + 'static) -> T {
        if self.life.is_dead() {
            std::future::pending::<()>().await;
        }
        let (sender, receiver) = oneshot::channel();
        tokio::spawn(async move {
            // Nobody may be left to hear it.
            let _ = sender.send(answer.await);
        });
        let answer = match receiver.await {
            Ok(answer) => answer,
            Err(_) => std::future::pending().await,
        };
        self.life.running().await;
        answer
    }
}

fn told(answer: &Result<Sent, Failure>) -> String {
    match answer {
        Ok(Sent::Accepted(accepted)) => format!("accepted as {}", accepted.upstream_id.0),
        Ok(Sent::Done(_)) => "done".to_owned(),
        Err(failure) => failure.to_string(),
    }
}

#[async_trait]
impl Provider for Line {
    fn protocol(&self) -> &ProtocolId {
        &self.protocol
    }

    fn poll_batch_max(&self) -> usize {
        if self.protocol.as_str() == "ai33" { LISTED } else { 1 }
    }

    async fn send(&self, call: &Call) -> Result<Sent, Failure> {
        self.world.stage.note(|| {
            let (attempt, route) = (call.attempt, &call.access.route);
            format!("p{} sends {attempt} to {route} as {}", self.process, call.access.secret.expose())
        });
        let there = self.clone().send_there(call.clone());
        self.ask(there).await
    }

    async fn poll(&self, calls: &[(Call, UpstreamId)], page: u32) -> Vec<Result<Progress, Failure>> {
        let (world, process) = (Arc::clone(&self.world), self.process);
        let ids: Vec<UpstreamId> = calls.iter().map(|(_, id)| id.clone()).collect();
        let first = calls.first().map(|(call, _)| call.clone());
        self.ask(async move {
            let stage = &world.stage;
            stage.linger(0, Plan::WAY_MS).await;
            if let Some(call) = &first {
                world.count_poll(&call.access);
            }
            let answers = match &ids[..] {
                [id] => vec![world.progress(id)],
                ids => world.listed(ids, page),
            };
            stage.note(|| format!("p{process} polls for {} on page {page}", ids.len()));
            stage.linger(0, 300).await;
            answers
        })
        .await
    }

    async fn drop_work(&self, access: &Access, upstream_id: &UpstreamId) -> Result<Dropped, Failure> {
        let (world, id, access) = (Arc::clone(&self.world), upstream_id.clone(), access.clone());
        self.ask(async move {
            world.stage.linger(0, Plan::WAY_MS).await;
            world.count_poll(&access);
            let dropped = world.drop_work(&id);
            world.stage.note(|| format!("{} dropped: {dropped:?}", id.0));
            dropped
        })
        .await
    }

    async fn balance(&self, access: &Access) -> Result<Option<UpstreamCredits>, Failure> {
        let (world, secret) = (Arc::clone(&self.world), access.secret.expose().to_owned());
        self.ask(async move {
            world.stage.linger(0, 500).await;
            world.balance(&secret)
        })
        .await
    }

    async fn health(&self, _: &Access) -> Result<Vec<(ServiceId, Health)>, Failure> {
        Ok(Vec::new())
    }

    async fn voices(&self, _: &Access, _: Option<&str>) -> Result<VoicePage, Failure> {
        Ok(VoicePage::default())
    }
}

/// The meter of a key, by its name.
pub(super) fn key_meter(name: &str) -> String {
    format!("key {name}")
}

/// The meter of an account.
pub(super) fn account_meter(account: &str) -> String {
    format!("account {account}")
}

/// The meter of an address.
pub(super) fn egress_meter(egress: &str) -> String {
    format!("egress {egress}")
}

/// The account that a key of a route belongs to: two keys share one.
pub(super) fn account_of(route: &Route, number: u64) -> String {
    format!("{}-{}", route.server, number / 2)
}
