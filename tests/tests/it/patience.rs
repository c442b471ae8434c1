//! Providers that answer late, or never: nobody is held up for longer than a call may run.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use kingcong_core::{
    KingCong, NewKey, Preset, Request, Settings,
    failure::Failure,
    id::ProtocolId,
    measure::Measured,
    provider::{Accepted, Call, Laid, Progress, Provider, Reply, Sent},
    store::{MemoryStore, UnknownPolicy},
    upstream::UpstreamId,
    vault::{KeyBytes, StaticMasterKey},
    work::{Audio, Body, JobState, Output},
};

use crate::clock::TokioClock;

/// A frame of silent MP3: 26 ms.
const FRAME: [u8; 417] = {
    let mut frame = [0; 417];
    [frame[0], frame[1], frame[2], frame[3]] = [0xff, 0xfb, 0x90, 0xc0];
    frame
};
const CALL_MAX: Duration = Duration::from_secs(15 * 60);

/// What an upstream takes its time for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Slow {
    Send,
    Poll,
    Fetch,
}

/// An upstream that takes so long for that.
#[derive(Debug)]
struct Gateway {
    protocol: ProtocolId,
    slow: Slow,
    takes: Duration,
}

impl Gateway {
    async fn pass(&self, step: Slow) {
        if self.slow == step {
            tokio::time::sleep(self.takes).await;
        }
    }
}

fn reply() -> Reply {
    let body = Body::Memory(Bytes::from_static(&FRAME));
    let audio = Audio { body, content_type: "audio/mpeg".into(), srt: None };
    Reply { output: Output::Audio(audio), cost: None, measured: Measured::NOTHING }
}

#[async_trait]
impl Provider for Gateway {
    fn protocol(&self) -> &ProtocolId {
        &self.protocol
    }

    async fn send(&self, _: &Call) -> Result<Sent, Failure> {
        self.pass(Slow::Send).await;
        if self.slow == Slow::Send {
            return Ok(Sent::Done(reply()));
        }
        let upstream_id = UpstreamId("task-1".into());
        Ok(Sent::Accepted(Accepted { upstream_id, cost: None, balance: None }))
    }

    async fn poll(&self, calls: &[(Call, UpstreamId)], _: u32) -> Vec<Result<Progress, Failure>> {
        self.pass(Slow::Poll).await;
        let laid = Laid { url: "https://cdn.example/1".into(), text_url: None, cost: None };
        calls.iter().map(|_| Ok(Progress::Ready(laid.clone()))).collect()
    }

    async fn fetch(&self, _: &Call, _: &Laid) -> Result<Reply, Failure> {
        self.pass(Slow::Fetch).await;
        Ok(reply())
    }
}

/// How a job ends whose upstream takes so long for that, and after which time.
async fn ended(slow: Slow, takes: Duration) -> (JobState, i64, Duration) {
    let start = tokio::time::Instant::now();
    let clock = Arc::new(TokioClock(start));
    let kc = KingCong::builder()
        .store(MemoryStore::with_clock(Arc::<TokioClock>::clone(&clock)))
        .clock(clock)
        .preset(Preset::kingcong().unwrap())
        .master_key(StaticMasterKey::new(KeyBytes::new(&[7; 32])))
        .provider(Gateway { protocol: ProtocolId::new("ai84").unwrap(), slow, takes })
        .settings(Settings { unknown: UnknownPolicy::Fail, drain: Duration::ZERO, ..Settings::default() })
        .start()
        .await
        .unwrap();
    kc.keys().add(NewKey::shared("ai84", "elevenlabs", "sk-upstream-0123456789")).await.unwrap();
    kc.wallets().purchase("an", "package-1", "order-1").await.unwrap();
    let request = Request::speech("an", "Xin.").service("elevenlabs").voice("anna");
    let report = kc.submit(request).await.unwrap().wait().await.unwrap();
    let took = start.elapsed();
    assert!(kc.verify().await.unwrap().is_sound());
    kc.close().await;
    (report.job.state, report.job.total.charged().get(), took)
}

#[tokio::test(start_paused = true)]
async fn an_upstream_may_take_as_long_as_a_call_may_run() {
    let takes = CALL_MAX - Duration::from_secs(60);
    for slow in [Slow::Send, Slow::Poll, Slow::Fetch] {
        let (state, charged, took) = ended(slow, takes).await;
        assert_eq!((state, charged), (JobState::Completed, 4), "{slow:?}");
        assert!(took < CALL_MAX, "{slow:?}: {took:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_upstream_that_never_answers_is_given_up_when_a_call_must_have_ended() {
    for slow in [Slow::Send, Slow::Poll, Slow::Fetch] {
        let (state, charged, took) = ended(slow, CALL_MAX * 1_000).await;
        assert_eq!((state, charged), (JobState::Failed, 0), "{slow:?}");
        assert!(took >= CALL_MAX && took < CALL_MAX * 2 + Duration::from_secs(60), "{slow:?}: {took:?}");
    }
}
