//! The engine through its doors: two processes on one store, watchers, and results that are long in coming.

use std::{
    num::NonZeroU16,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use kingcong_core::{
    Error, KingCong, NewKey, OutputError, Preset, Request, Settings,
    access::Scope,
    clock::{Clock, SystemClock},
    engine::{JobEvent, Mode, Outputs},
    failure::{Failure, FailureKind, Reached},
    id::ProtocolId,
    measure::Measured,
    pricing::{Price, PriceStart},
    provider::{Accepted, Call, Laid, Progress, Provider, Reply, Sent, Sink},
    store::{AttemptFilter, JobReads, MemoryStore, PAGE_MAX, Store as _},
    upstream::UpstreamId,
    vault::{KeyBytes, StaticMasterKey},
    work::{AskedSpeech, Audio, Body, JobState, Output, RequestError, Work},
};
use tokio::sync::Semaphore;

use crate::clock::TokioClock;

/// A frame of silent MP3: 26 ms.
const FRAME: [u8; 417] = {
    let mut frame = [0; 417];
    [frame[0], frame[1], frame[2], frame[3]] = [0xff, 0xfb, 0x90, 0xc0];
    frame
};

/// The result of a text with this in it is not to be had before `downloads` has a permit.
const SLOW: &str = "slow";
/// A text with this in it is refused while the gateway is ill.
const ILL: &str = "ill";
/// Events that a watcher may be behind by.
const BEHIND_MAX: u64 = 1024;

/// Takes everything while it is well; every result lies ready at the first poll.
#[derive(Debug)]
struct Gateway {
    protocol: ProtocolId,
    downloads: Arc<Semaphore>,
    is_ill: Arc<AtomicBool>,
}

#[async_trait]
impl Provider for Gateway {
    fn protocol(&self) -> &ProtocolId {
        &self.protocol
    }

    fn poll_batch_max(&self) -> usize {
        10
    }

    async fn send(&self, call: &Call) -> Result<Sent, Failure> {
        let is_refused = matches!(&*call.work, Work::Speech(speech) if speech.text.contains(ILL));
        if is_refused && self.is_ill.load(Ordering::SeqCst) {
            return Err(Failure::new(FailureKind::BadRequest, Reached::No, "it is ill"));
        }
        Ok(Sent::Accepted(Accepted {
            upstream_id: UpstreamId(call.attempt.to_string()),
            cost: None,
            balance: None,
        }))
    }

    async fn poll(&self, calls: &[(Call, UpstreamId)], _: u32) -> Vec<Result<Progress, Failure>> {
        let ready = |id: &UpstreamId| Laid { url: id.0.clone(), text_url: None, cost: None };
        calls.iter().map(|(_, id)| Ok(Progress::Ready(ready(id)))).collect()
    }

    async fn fetch(&self, call: &Call, _: &Laid) -> Result<Reply, Failure> {
        if matches!(&*call.work, Work::Speech(speech) if speech.text.contains(SLOW)) {
            let _permit = self.downloads.acquire().await.unwrap();
        }
        let body = match &call.sink {
            Sink::Memory { .. } => Body::Memory(Bytes::from_static(&FRAME)),
            Sink::Directory { path, .. } => {
                let path = path.join(call.attempt.to_string());
                std::fs::write(&path, FRAME).unwrap();
                Body::File { path, bytes: FRAME.len() as u64 }
            }
        };
        let audio = Audio { body, content_type: "audio/mpeg".into(), srt: None };
        Ok(Reply { output: Output::Audio(audio), cost: None, measured: Measured::NOTHING })
    }
}

struct Stage {
    clock: Arc<dyn Clock>,
    store: Arc<MemoryStore>,
    downloads: Arc<Semaphore>,
    is_ill: Arc<AtomicBool>,
}

impl Stage {
    fn new() -> Self {
        Self::by(Arc::new(SystemClock::new()))
    }

    fn by(clock: Arc<dyn Clock>) -> Self {
        let store = Arc::new(MemoryStore::with_clock(Arc::clone(&clock)));
        Self { clock, store, downloads: Arc::new(Semaphore::new(0)), is_ill: Arc::default() }
    }

    /// A process on the one store.
    async fn open(&self) -> KingCong {
        self.open_with(Settings { poll_interval: Duration::from_millis(1), ..Settings::default() }).await
    }

    async fn open_with(&self, settings: Settings) -> KingCong {
        let gateway = |name| Gateway {
            protocol: ProtocolId::new(name).unwrap(),
            downloads: Arc::clone(&self.downloads),
            is_ill: Arc::clone(&self.is_ill),
        };
        KingCong::builder()
            .shared_store(Arc::<MemoryStore>::clone(&self.store))
            .preset(Preset::kingcong().unwrap())
            .master_key(StaticMasterKey::new(KeyBytes::new(&[7; 32])))
            .provider(gateway("ai33"))
            .provider(gateway("ai84"))
            .clock(Arc::clone(&self.clock))
            .settings(settings)
            .start()
            .await
            .unwrap()
    }
}

fn speech(text: &str) -> Request<AskedSpeech> {
    Request::speech("an", text).service("elevenlabs").voice("anna")
}

async fn equip(kc: &KingCong, starts: u32) {
    let limits = kingcong_core::keys::Limits::new(100, starts).unwrap();
    kc.keys()
        .add(NewKey::shared("ai33", "elevenlabs", "sk-upstream-0123456789").limits(limits))
        .await
        .unwrap();
    kc.wallets().purchase("an", "package-1", "order-1").await.unwrap();
}

#[tokio::test]
async fn a_slow_download_holds_up_no_other_result_of_its_account() {
    let stage = Stage::new();
    let kc = stage.open().await;
    equip(&kc, 100).await;
    let slow = kc.submit(speech("a slow one")).await.unwrap();
    let others = kc.submit(speech("One. Two. Three.").pieces(NonZeroU16::new(3).unwrap())).await.unwrap();
    assert_eq!(others.wait().await.unwrap().job.state, JobState::Completed);
    assert_eq!(slow.status().await.unwrap().job.state, JobState::Open);
    stage.downloads.add_permits(1);
    assert_eq!(slow.wait().await.unwrap().job.state, JobState::Completed);
    kc.close().await;
}

/// A text of hostile length and shape: cutting was once quadratic in it.
fn hostile() -> String {
    format!("Hello.{}", ")".repeat(500_000))
}

#[tokio::test]
async fn a_long_text_is_planned_on_another_thread_than_the_callers() {
    let stage = Stage::new();
    let kc = stage.open().await;
    equip(&kc, 100).await;
    let mut short = Box::pin(kc.estimate(speech("hello")));
    assert!(futures_util::poll!(&mut short).is_ready(), "a short text is planned at once");
    let mut long = Box::pin(kc.estimate(speech(&hostile())));
    assert!(futures_util::poll!(&mut long).is_pending(), "a long text is planned elsewhere");
    assert_eq!(long.await.unwrap().tasks, 126);
    let job = kc.submit(speech(&hostile())).await.unwrap();
    assert_eq!(job.status().await.unwrap().tasks.len(), 126);
    let too_long = kc.estimate(speech(&"a".repeat(1_000_001)).idempotency_key("k")).await.unwrap_err();
    assert_eq!(too_long.to_string(), "the text has 1000001 characters: send at most 1000000");
    kc.close().await;
}

#[tokio::test]
async fn a_key_that_one_process_adds_serves_another_at_once() {
    let stage = Stage::new();
    let (one, other) = (stage.open().await, stage.open().await);
    equip(&one, 100).await;
    assert_eq!(other.estimate(speech("hello")).await.unwrap().tasks, 1);
    let job = other.submit(speech("hello")).await.unwrap();
    assert_eq!(job.wait().await.unwrap().job.state, JobState::Completed);
    one.close().await;
    other.close().await;
}

/// A process that does nothing by itself.
fn by_hand() -> Settings {
    let hour = Duration::from_secs(3600);
    Settings { pulse_interval: hour / 2, dead_after: hour, monitor_interval: hour, ..Settings::default() }
}

#[tokio::test]
async fn what_one_process_does_to_a_key_is_known_to_another_after_one_pulse() {
    let stage = Stage::new();
    let (one, other) = (stage.open_with(by_hand()).await, stage.open_with(by_hand()).await);
    let has_usable_key = async || other.voices().offered("ai33", "elevenlabs", None).await.is_ok();
    // Before and after the pulse.
    let known = async || {
        let before = has_usable_key().await;
        other.pulse().await.unwrap();
        [before, has_usable_key().await]
    };
    equip(&one, 100).await;
    assert_eq!(known().await, [false, true]);
    let key = one.keys().list().await.unwrap()[0].key.id;
    one.keys().disable(key).await.unwrap();
    assert_eq!(known().await, [true, false]);
    one.keys().enable(key).await.unwrap();
    assert_eq!(known().await, [false, true]);
    one.keys().remove(key).await.unwrap();
    assert_eq!(known().await, [true, false]);
    let gone = one.keys().get(key).await.unwrap_err();
    assert!(matches!(gone, Error::NotFound { what: "key", .. }), "{gone}");
    one.close().await;
    other.close().await;
}

#[tokio::test(start_paused = true)]
async fn a_pool_without_work_is_left_alone_until_there_is_some() {
    let stage = Stage::by(Arc::new(TokioClock(tokio::time::Instant::now())));
    let kc = stage.open_with(by_hand()).await;
    equip(&kc, 100).await;
    let batches = async || {
        tokio::time::sleep(Duration::from_secs(10)).await;
        stage.store.pulse().await.unwrap().workers[0].batch
    };
    // The second time its loop has ended.
    for idle in [Duration::ZERO, Duration::from_secs(120)] {
        let job = kc.submit(speech("hello")).await.unwrap();
        assert_eq!(job.wait().await.unwrap().job.state, JobState::Completed);
        let before = batches().await;
        kc.config().set_weights(&[("ai33", 3), ("ai84", 1)]).await.unwrap();
        assert_eq!(batches().await, before + 1, "the change is written, and nobody claims");
        tokio::time::sleep(idle).await;
    }
    let job = kc.submit(speech("hello again")).await.unwrap();
    assert_eq!(job.wait().await.unwrap().job.state, JobState::Completed);
    kc.close().await;
}

#[tokio::test]
async fn two_processes_set_the_newest_price_one_after_the_other() {
    let stage = Stage::new();
    let (one, other) = (stage.open().await, stage.open().await);
    let price = one.prices().list().await.unwrap().remove(0);
    let set = async |kc: &KingCong, name: &str| {
        kc.prices()
            .set(Price { name: name.to_owned(), ..price.clone() }, PriceStart::Now, None)
            .await
            .unwrap();
    };
    tokio::join!(set(&one, "one"), set(&other, "other"));
    let is_same = |kept: &&Price| (&kept.route, kept.operation) == (&price.route, price.operation);
    let list = one.prices().list().await.unwrap();
    let newest = list.iter().find(is_same).unwrap();
    assert_eq!((newest.version, newest.since > price.since), (price.version + 2, true));
    one.close().await;
    other.close().await;
}

#[tokio::test(start_paused = true)]
async fn who_may_be_silent_for_long_is_not_buried_by_who_may_not() {
    let stage = Stage::by(Arc::new(TokioClock(tokio::time::Instant::now())));
    let open = |dead_after| {
        let pulse_interval = dead_after / 4;
        stage.open_with(Settings {
            dead_after,
            pulse_interval,
            monitor_interval: dead_after,
            ..Settings::default()
        })
    };
    let (seldom, often) = (open(Duration::from_secs(120)).await, open(Duration::from_secs(2)).await);
    let lives = async || {
        let workers = stage.store.pulse().await.unwrap().workers;
        workers.into_iter().map(|worker| (worker.id, worker.life)).collect::<Vec<_>>()
    };
    let before = lives().await;
    tokio::time::sleep(Duration::from_secs(3_600)).await;
    assert_eq!(lives().await, before);
    seldom.close().await;
    often.close().await;
}

#[tokio::test]
async fn scheduled_work_starts_at_its_instant_and_once() {
    let stage = Stage::new();
    let (one, other) = (stage.open().await, stage.open().await);
    equip(&one, 100).await;
    let start = SystemClock::new().now().plus(Duration::from_millis(300));
    let job = one.submit(speech("later").start_at(start)).await.unwrap();
    let job = other.job(job.id());
    assert_eq!(job.wait().await.unwrap().job.state, JobState::Completed);
    let of_job = AttemptFilter { job: Some(job.id()), limit: PAGE_MAX, ..AttemptFilter::default() };
    let attempts = stage.store.attempts(&Scope::All, &of_job).await.unwrap();
    let [attempt] = &attempts[..] else { panic!("{attempts:?}") };
    assert!(attempt.leased_at >= start, "{attempt:?}");
    one.close().await;
    other.close().await;
}

#[tokio::test]
async fn scheduled_work_is_cancelled_before_and_never_too_far_ahead() {
    let stage = Stage::new();
    let kc = stage.open().await;
    equip(&kc, 100).await;
    let before = kc.wallets().get("an").await.unwrap();
    let ahead = |by| speech("later").start_at(SystemClock::new().now().plus(by));
    let job = kc.submit(ahead(Request::AHEAD_MAX - Duration::from_secs(60))).await.unwrap();
    assert!(kc.wallets().get("an").await.unwrap().held.get() > 0);
    assert_eq!(job.cancel().await.unwrap().job.state, JobState::Cancelled);
    let after = kc.wallets().get("an").await.unwrap();
    assert_eq!((after.held, after.balance), (before.held, before.balance));

    let too_far = ahead(Request::AHEAD_MAX + Duration::from_secs(60));
    for refused in [kc.submit(too_far.clone()).await.err(), kc.estimate(too_far).await.err()] {
        let is_told =
            matches!(&refused, Some(Error::Request(RequestError::OutOfBounds { what: "start_at", .. })));
        assert!(is_told, "{refused:?}");
    }
    kc.close().await;
}

#[tokio::test]
async fn who_watches_a_job_elsewhere_is_told_that_it_was_retried_and_of_its_last_end() {
    let stage = Stage::new();
    // It looks at what others did only when it is asked to.
    let seldom = Duration::from_secs(60);
    let (kc, watching) = (
        stage.open().await,
        stage
            .open_with(Settings {
                mode: Mode::Client,
                pulse_interval: seldom,
                dead_after: seldom * 10,
                ..Settings::default()
            })
            .await,
    );
    equip(&kc, 100).await;
    stage.is_ill.store(true, Ordering::SeqCst);
    let start = stage.clock.now().plus(Duration::from_millis(50));
    let job = kc.submit(speech("an ill one").start_at(start)).await.unwrap();
    let watched = watching.job(job.id());
    let mut events = watched.events().await.unwrap();
    let waiting = watching.job(job.id());
    let waiting = tokio::spawn(async move { waiting.wait().await });
    assert_eq!(job.wait().await.unwrap().job.state, JobState::Failed);

    stage.is_ill.store(false, Ordering::SeqCst);
    watched.retry("again", None).await.unwrap();
    assert_eq!(events.next().await, Some(JobEvent::Retried { tasks: 1 }));
    assert_eq!(job.wait().await.unwrap().job.state, JobState::Completed);
    watching.pulse().await.unwrap();
    assert!(matches!(events.next().await, Some(JobEvent::Ended { state: JobState::Completed, .. })));
    assert_eq!(events.next().await, None);
    assert_eq!(waiting.await.unwrap().unwrap().job.state, JobState::Completed);
    kc.close().await;
    watching.close().await;
}

#[tokio::test]
async fn a_job_whose_results_are_gone_is_not_retried() {
    let stage = Stage::new();
    let folder = tempfile::tempdir().unwrap();
    let kc = stage
        .open_with(Settings {
            outputs: Outputs::Directory(folder.path().to_owned()),
            poll_interval: Duration::from_millis(1),
            ..Settings::default()
        })
        .await;
    equip(&kc, 100).await;
    stage.is_ill.store(true, Ordering::SeqCst);
    let two = NonZeroU16::new(2).unwrap();
    let job = kc.submit(speech("One is ill. Two is well.").pieces(two)).await.unwrap();
    assert_eq!(job.wait().await.unwrap().job.state, JobState::CompletedWithFailures);
    stage.is_ill.store(false, Ordering::SeqCst);
    let before = kc.wallets().get("an").await.unwrap();

    let file = std::fs::read_dir(folder.path()).unwrap().next().unwrap().unwrap().path();
    let elsewhere = folder.path().join("elsewhere");
    std::fs::rename(&file, &elsewhere).unwrap();
    let refused = job.retry("again", None).await.unwrap_err();
    let Error::Output { reason: OutputError::Unreadable { place: 1, .. }, .. } = refused else {
        panic!("{refused}")
    };
    assert_eq!(kc.wallets().get("an").await.unwrap(), before);

    std::fs::rename(&elsewhere, &file).unwrap();
    job.retry("again", None).await.unwrap();
    assert_eq!(job.wait().await.unwrap().job.state, JobState::Completed);
    // The answer under a key stays, whatever became of the files.
    std::fs::remove_file(&file).unwrap();
    assert_eq!(job.retry("again", None).await.unwrap().job.state, JobState::Completed);
    kc.close().await;
}

#[tokio::test]
async fn a_slow_watcher_is_told_how_much_it_missed_and_always_the_end() {
    let stage = Stage::new();
    let kc = stage.open().await;
    equip(&kc, 10_000).await;
    let tasks = NonZeroU16::new(1_000).unwrap();
    let text: String = (0..1_000).map(|number| format!("Sentence {number}.\n")).collect();
    // It is watched from its first task on, because nothing can be downloaded before.
    let job = kc.submit(speech(&text.replace("Sentence", SLOW)).pieces(tasks)).await.unwrap();
    let (mut slow, mut gone) = (job.events().await.unwrap(), job.events().await.unwrap());
    stage.downloads.add_permits(1);
    assert!(gone.next().await.is_some());
    drop(gone);
    assert_eq!(job.wait().await.unwrap().job.state, JobState::Completed);

    let Some(JobEvent::Missed(missed)) = slow.next().await else { panic!("nothing was missed") };
    let mut rest = Vec::new();
    while let Some(event) = slow.next().await {
        rest.push(event);
    }
    assert_eq!(rest.len() as u64, BEHIND_MAX);
    assert!(missed >= 2 * 1_000 + 1 - BEHIND_MAX - 100, "{missed}");
    assert!(matches!(rest.last(), Some(JobEvent::Ended { state: JobState::Completed, .. })));
    assert_eq!(
        job.events().await.unwrap().next().await.map(|event| matches!(event, JobEvent::Ended { .. })),
        Some(true)
    );
    kc.close().await;
}
