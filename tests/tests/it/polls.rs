//! Polls that an upstream counts: none without room for it, all results known in time, and nearly all of the limit left
//! to starts. And none, counted or not, while the upstream wants to be left alone.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use kingcong_core::{
    KingCong, NewKey, Preset, Request, Settings,
    clock::Clock,
    failure::{Failure, FailureKind, Reached},
    id::{ProtocolId, ServiceId},
    keys::{KeyStatus, Limit, Limits},
    measure::Measured,
    provider::{Accepted, Access, Call, Health, Progress, Provider, Reply, Sent, VoicePage},
    store::MemoryStore,
    upstream::{UpstreamCredits, UpstreamId},
    vault::{KeyBytes, StaticMasterKey},
    work::{Audio, Body, JobState, Output},
};
use parking_lot::Mutex;
use tokio::time::Instant;

use crate::clock::TokioClock;

/// A frame of silent MP3: 26 ms.
const FRAME: [u8; 417] = {
    let mut frame = [0; 417];
    [frame[0], frame[1], frame[2], frame[3]] = [0xff, 0xfb, 0x90, 0xc0];
    frame
};

const WINDOW: Duration = Duration::from_secs(60);
/// An upstream that takes work, needs a while for it, lists the newest of it, and counts every call.
#[derive(Debug)]
struct Gateway {
    protocol: ProtocolId,
    start: Instant,
    takes: Duration,
    /// Tasks on one page of its list.
    listed: usize,
    rows: Mutex<Rows>,
}

#[derive(Debug, Default)]
struct Rows {
    calls: Vec<Duration>,
    ready: Vec<Duration>,
    waits: Vec<Duration>,
    /// How long the next calls are under way before they are counted, as while connections are made.
    late: VecDeque<Duration>,
    /// What the next poll or question fails with.
    refusal: Option<Failure>,
    /// The upstream knows the key no more, and says so when it is asked for the balance.
    knows_no_key: bool,
}

impl Rows {
    /// Most calls in any window.
    fn most(&self) -> usize {
        let in_window =
            |end: &Duration| self.calls.iter().filter(|call| *call <= end && **call + WINDOW > *end).count();
        self.calls.iter().map(in_window).max().unwrap_or(0)
    }
}

#[async_trait]
impl Provider for Gateway {
    fn protocol(&self) -> &ProtocolId {
        &self.protocol
    }

    fn poll_batch_max(&self) -> usize {
        self.listed
    }

    async fn send(&self, _: &Call) -> Result<Sent, Failure> {
        self.travel().await;
        let mut rows = self.rows.lock();
        let now = self.start.elapsed();
        rows.calls.push(now);
        if rows.knows_no_key {
            return Err(Failure::new(FailureKind::KeyDoubtful, Reached::No, "who are you?"));
        }
        rows.ready.push(now + self.takes);
        let upstream_id = UpstreamId((rows.ready.len() - 1).to_string());
        Ok(Sent::Accepted(Accepted { upstream_id, cost: None, balance: None }))
    }

    async fn poll(&self, calls: &[(Call, UpstreamId)], page: u32) -> Vec<Result<Progress, Failure>> {
        self.travel().await;
        let mut rows = self.rows.lock();
        let now = self.start.elapsed();
        rows.calls.push(now);
        if let Some(failure) = rows.refusal.take() {
            return vec![Err(failure); calls.len()];
        }
        let newest = rows.ready.len().saturating_sub(self.listed * page as usize);
        let listed = newest.saturating_sub(self.listed)..newest;
        let ids = calls.iter().map(|(_, id)| id.0.parse::<usize>().unwrap());
        let told = ids.map(|id| match rows.ready[id] {
            _ if calls.len() > 1 && !listed.contains(&id) => Progress::OnNoPageSoFar,
            ready if ready <= now => {
                rows.waits.push(now - ready);
                let body = Body::Memory(Bytes::from_static(&FRAME));
                let audio = Audio { body, content_type: "audio/mpeg".into(), srt: None };
                let output = Output::Audio(audio);
                Progress::Done(Reply { output, cost: None, measured: Measured::NOTHING })
            }
            _ => Progress::Running { percent: None },
        });
        told.map(Ok).collect()
    }

    async fn balance(&self, _: &Access) -> Result<Option<UpstreamCredits>, Failure> {
        self.travel().await;
        self.asked()?;
        match self.rows.lock().knows_no_key {
            true => Err(Failure::new(FailureKind::KeyDead, Reached::No, "there is no such key")),
            false => Ok(None),
        }
    }

    async fn health(&self, _: &Access) -> Result<Vec<(ServiceId, Health)>, Failure> {
        self.asked()?;
        Ok(Vec::new())
    }

    async fn voices(&self, _: &Access, _: Option<&str>) -> Result<VoicePage, Failure> {
        self.asked()?;
        Ok(VoicePage::default())
    }
}

impl Gateway {
    async fn travel(&self) {
        let late = self.rows.lock().late.pop_front();
        tokio::time::sleep(late.unwrap_or_default()).await;
    }

    /// A call that asks and does no work.
    fn asked(&self) -> Result<(), Failure> {
        let now = self.start.elapsed();
        let mut rows = self.rows.lock();
        rows.calls.push(now);
        rows.refusal.take().map_or(Ok(()), Err)
    }
}

/// Tokio's stopped clock.
/// A library with one key of AI33, of an account or of its own, at an upstream that was not called yet.
async fn opened(
    limits: (u32, u32),
    account: Option<&str>,
    takes: Duration,
    listed: usize,
) -> (KingCong, Arc<Gateway>) {
    opened_at("ai33", limits, account, takes, listed).await
}

/// The same of AI33, which counts polls, or of AI84, which does not.
async fn opened_at(
    server: &str,
    limits: (u32, u32),
    account: Option<&str>,
    takes: Duration,
    listed: usize,
) -> (KingCong, Arc<Gateway>) {
    let start = Instant::now();
    let clock: Arc<dyn Clock> = Arc::new(TokioClock(start));
    let protocol = ProtocolId::new(server).unwrap();
    let gateway = Arc::new(Gateway { protocol, start, takes, listed, rows: Mutex::default() });
    let kc = KingCong::builder()
        .store(MemoryStore::with_clock(Arc::clone(&clock)))
        .clock(clock)
        .preset(Preset::kingcong().unwrap())
        .master_key(StaticMasterKey::new(KeyBytes::new(&[7; 32])))
        .providers([Arc::clone(&gateway) as Arc<dyn Provider>])
        .settings(Settings { drain: Duration::ZERO, ..Settings::default() })
        .start()
        .await
        .unwrap();
    let limits = Limits::new(limits.0, limits.1).unwrap();
    let key = NewKey::shared(server, "elevenlabs", "sk-upstream-0123456789").limits(limits);
    let key = match account {
        Some(account) => key.account(account, limits),
        None => key,
    };
    kc.keys().add(key).await.unwrap();
    (kc, gateway)
}

/// What an upstream saw of so many jobs in so many windows, with a key of an account or of its own.
async fn seen(
    limits: (u32, u32),
    account: Option<&str>,
    takes: Duration,
    listed: usize,
    jobs: u32,
    windows: u32,
) -> Rows {
    let (kc, gateway) = opened(limits, account, takes, listed).await;
    kc.wallets().purchase("an", "package-1", "order-1").await.unwrap();
    for job in 0..jobs {
        let request = Request::speech("an", format!("Job {job}.")).service("elevenlabs").voice("anna");
        kc.submit(request).await.unwrap();
    }
    tokio::time::sleep(WINDOW * windows).await;
    let rows = std::mem::take(&mut *gateway.rows.lock());
    kc.close().await;
    rows
}

#[tokio::test(start_paused = true)]
async fn nearly_all_of_a_limit_that_counts_polls_is_left_to_starts() {
    for account in [Some("us"), None] {
        let rows = seen((30, 10), account, Duration::from_secs(1), 100, 200, 20).await;
        assert!(rows.most() <= 10, "{} calls in a window", rows.most());
        // Nine starts and one poll in each window are the best.
        assert!(rows.ready.len() >= 160, "{} starts, {:?}", rows.ready.len(), rows.calls);
        assert!(rows.waits.iter().all(|wait| *wait <= Duration::from_secs(30)), "{:?}", rows.waits);
    }
}

#[tokio::test(start_paused = true)]
async fn calls_that_arrive_late_keep_the_limit_as_the_upstream_counts() {
    let late = [Duration::from_millis(900), Duration::from_secs(3), Duration::from_secs(20)];
    for (server, account) in [("ai33", Some("us")), ("ai33", None), ("ai84", Some("us")), ("ai84", None)] {
        for late in late {
            let (kc, gateway) = opened_at(server, (30, 10), account, Duration::from_secs(1), 100).await;
            kc.wallets().purchase("an", "package-1", "order-1").await.unwrap();
            gateway.rows.lock().late = [late].repeat(15).into();
            for job in 0..40 {
                let request =
                    Request::speech("an", format!("Job {job}.")).service("elevenlabs").voice("anna");
                kc.submit(request).await.unwrap();
            }
            tokio::time::sleep(WINDOW * 8).await;
            let rows = std::mem::take(&mut *gateway.rows.lock());
            let starts = Rows { calls: rows.ready.clone(), ..Rows::default() };
            let most = if server == "ai33" { rows.most() } else { starts.most() };
            assert!(most <= 10, "{server} {account:?} {late:?}: {most} calls in a window");
            assert_eq!(rows.waits.len(), 40, "{server} {account:?} {late:?}: and all is known");
            kc.close().await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn one_task_alone_is_not_asked_about_more_often_than_the_limit_allows() {
    let rows = seen((30, 10), None, Duration::from_secs(50), 100, 1, 2).await;
    assert!(rows.most() <= 10, "{} calls in a window", rows.most());
    assert_eq!(rows.waits.len(), 1, "and its result is known");
}

#[tokio::test(start_paused = true)]
async fn work_that_newer_work_pushed_off_the_first_page_is_found() {
    let rows = seen((30, 30), Some("us"), Duration::from_secs(20), 5, 25, 4).await;
    assert!(rows.most() <= 30, "{} calls in a window", rows.most());
    assert_eq!(rows.waits.len(), 25);
}

#[tokio::test(start_paused = true)]
async fn questions_take_calls_of_a_limit_that_counts_them_and_are_refused_when_it_has_none() {
    for account in [Some("us"), None] {
        let (kc, gateway) = opened((30, 10), account, Duration::from_secs(1), 100).await;
        let key = kc.keys().list().await.unwrap()[0].key.id;
        let (mut answered, mut refused) = (0, Vec::new());
        for _ in 0..15 {
            for asked in [
                kc.keys().check(key).await.map(drop),
                kc.voices().offered("ai33", "elevenlabs", None).await.map(drop),
            ] {
                match asked {
                    Ok(()) => answered += 1,
                    Err(error) => refused.push(error),
                }
            }
            kc.monitor().await.unwrap();
        }
        let rows = std::mem::take(&mut *gateway.rows.lock());
        assert!(rows.most() <= 10, "{} calls in a window", rows.most());
        assert!(answered >= 5, "{answered} were answered");
        for error in refused {
            assert!(error.is_retryable(), "{error}");
            assert!(error.to_string().contains("leaves no call for a question now"), "{error}");
        }
        // What the upstream is asked of itself counts as well, for as long as it is asked.
        tokio::time::sleep(WINDOW * 10).await;
        let rows = std::mem::take(&mut *gateway.rows.lock());
        assert!((5..=30).contains(&rows.calls.len()), "the monitor asked {} times", rows.calls.len());
        kc.close().await;
    }
}

/// An upstream's wish to be left alone, whatever the status that it comes with.
fn left_alone(kind: FailureKind, wait: Duration) -> Failure {
    Failure::new(kind, Reached::No, "not now").with_retry_after(Some(wait))
}

#[tokio::test(start_paused = true)]
async fn no_poll_of_an_account_is_made_before_the_upstream_wants_it() {
    let wait = Duration::from_secs(47);
    for kind in [FailureKind::Busy, FailureKind::Unknown, FailureKind::KeyRateLimited] {
        for (server, account) in [("ai33", Some("us")), ("ai33", None), ("ai84", Some("us")), ("ai84", None)]
        {
            let (kc, gateway) = opened_at(server, (30, 30), account, Duration::from_secs(5), 1).await;
            kc.wallets().purchase("an", "package-1", "order-1").await.unwrap();
            gateway.rows.lock().refusal = Some(left_alone(kind, wait));
            let order =
                |job| Request::speech("an", format!("Job {job}.")).service("elevenlabs").voice("anna");
            let jobs = [kc.submit(order(1)).await.unwrap(), kc.submit(order(2)).await.unwrap()];
            while gateway.rows.lock().refusal.is_some() {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
            let (refused_at, made) = {
                let rows = gateway.rows.lock();
                (rows.calls[rows.calls.len() - 1], rows.calls.len())
            };
            for job in jobs {
                assert_eq!(job.wait().await.unwrap().job.state, JobState::Completed);
            }
            let next = gateway.rows.lock().calls[made];
            assert!(
                next >= refused_at + wait,
                "{server} {account:?} {kind:?}: asked again {:?}",
                next - refused_at
            );
            kc.close().await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn no_question_is_asked_before_the_upstream_wants_it() {
    let wait = Duration::from_millis(46_500);
    for (server, account) in [("ai33", Some("us")), ("ai33", None), ("ai84", Some("us")), ("ai84", None)] {
        let (kc, gateway) = opened_at(server, (30, 30), account, Duration::from_secs(5), 1).await;
        let key = kc.keys().list().await.unwrap()[0].key.id;
        gateway.rows.lock().refusal = Some(left_alone(FailureKind::Busy, wait));
        let error = kc.voices().offered(server, "elevenlabs", None).await.unwrap_err();
        assert!(error.to_string().contains("not now"), "{error}");
        let made = gateway.rows.lock().calls.len();
        let asked = async || {
            [
                kc.keys().check(key).await.map(drop),
                kc.voices().offered(server, "elevenlabs", None).await.map(drop),
            ]
        };
        for refused in asked().await {
            let error = refused.unwrap_err();
            assert!(error.is_retryable(), "{error}");
            assert!(error.to_string().contains("try again in 47 s"), "{error}");
        }
        kc.monitor().await.unwrap();
        assert_eq!(gateway.rows.lock().calls.len(), made, "{server} {account:?}");
        tokio::time::sleep(wait).await;
        for answered in asked().await {
            answered.unwrap();
        }
        kc.close().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_key_in_doubt_is_asked_about_though_its_window_is_not_idle() {
    let (kc, gateway) = opened((30, 10), None, Duration::from_secs(1), 100).await;
    kc.wallets().purchase("an", "package-1", "order-1").await.unwrap();
    let order = |job| Request::speech("an", format!("Job {job}.")).service("elevenlabs").voice("anna");
    let mut jobs = Vec::new();
    for job in 1..=5 {
        jobs.push(kc.submit(order(job)).await.unwrap());
    }
    for job in jobs {
        job.wait().await.unwrap();
    }
    gateway.rows.lock().knows_no_key = true;
    kc.submit(order(6)).await.unwrap();
    // Its limit rests first, and then there is a call for it.
    tokio::time::sleep(Limit::DOUBT_PAUSE * 2).await;
    let listed = kc.keys().list().await.unwrap();
    assert!(matches!(listed[0].key.status, KeyStatus::Dead { .. }), "{:?}", listed[0].key.status);
    kc.close().await;
}
