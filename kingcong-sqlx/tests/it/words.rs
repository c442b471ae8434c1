//! Whatever an upstream says can be stored: words with characters that a database takes in no text hold up no work.

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use kingcong_core::{
    KingCong, NewKey, Preset, Request, Settings,
    failure::{Failure, FailureKind, Reached},
    id::ProtocolId,
    measure::Measured,
    provider::{Accepted, Call, Progress, Provider, Reply, Sent},
    store::UnknownPolicy,
    upstream::UpstreamId,
    vault::{KeyBytes, StaticMasterKey},
    work::{Audio, Body, ClonedVoice, JobState, Output, Work},
};
use kingcong_sqlx::SqlStore;

use crate::databases::on_every_database;

/// A frame of silent MP3: 26 ms.
const FRAME: [u8; 417] = {
    let mut frame = [0; 417];
    [frame[0], frame[1], frame[2], frame[3]] = [0xff, 0xfb, 0x90, 0xc0];
    frame
};

/// Says what it is asked for, with NUL in every text.
#[derive(Debug)]
struct Gateway(ProtocolId);

fn refused() -> Failure {
    Failure::new(FailureKind::Policy, Reached::No, "not\0 nice\u{1b}[2J").with_code("4\0 0")
}

fn done(output: Output) -> Reply {
    Reply { output, cost: None, measured: Measured::NOTHING }
}

#[async_trait]
impl Provider for Gateway {
    fn protocol(&self) -> &ProtocolId {
        &self.0
    }

    async fn send(&self, call: &Call) -> Result<Sent, Failure> {
        let Work::Speech(speech) = &*call.work else {
            return Ok(Sent::Done(done(Output::Voice(ClonedVoice { voice: "v\0oice".into() }))));
        };
        let accepted = |id: &str| {
            Ok(Sent::Accepted(Accepted { upstream_id: UpstreamId(id.into()), cost: None, balance: None }))
        };
        match &*speech.text {
            "refused" => Err(refused()),
            "accepted" => accepted("task\0 1"),
            "polled" => accepted("task-1"),
            _ => {
                let body = Body::Memory(Bytes::from_static(&FRAME));
                let srt = Some("1\n00:00:00,000 --> 00:00:00,020\nXin\0 chào\n".into());
                Ok(Sent::Done(done(Output::Audio(Audio { body, content_type: "audio/mpeg".into(), srt }))))
            }
        }
    }

    async fn poll(&self, calls: &[(Call, UpstreamId)], _: u32) -> Vec<Result<Progress, Failure>> {
        calls.iter().map(|_| Ok(Progress::Failed(refused()))).collect()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn work_ends_whatever_characters_an_upstream_says() {
    on_every_database(async |url| {
        let settings = Settings {
            unknown: UnknownPolicy::Fail,
            call_max: Some(Duration::from_millis(500)),
            ..Settings::default()
        };
        let kc = KingCong::builder()
            .store(SqlStore::connect(url).await.unwrap())
            .preset(Preset::kingcong().unwrap())
            .master_key(StaticMasterKey::new(KeyBytes::new(&[7; 32])))
            .provider(Gateway(ProtocolId::new("ai33").unwrap()))
            .settings(settings)
            .start()
            .await
            .unwrap();
        for (service, secret) in
            [("elevenlabs", "sk-upstream-0123456789"), ("minimax", "sk-upstream-9876543210")]
        {
            kc.keys().add(NewKey::shared("ai33", service, secret)).await.unwrap();
        }
        kc.wallets().purchase("an", "package-1", "order-1").await.unwrap();
        let speech = |text: &str| Request::speech("an", text).service("elevenlabs").voice("anna");
        for (text, expected) in [
            ("refused", JobState::Failed),
            ("polled", JobState::Failed),
            // An id that cannot be kept cannot be asked about.
            ("accepted", JobState::Failed),
            ("spoken", JobState::Completed),
        ] {
            let job = kc.submit(speech(text)).await.unwrap();
            let ended = tokio::time::timeout(Duration::from_secs(60), job.wait()).await;
            assert_eq!(ended.expect("it ends").unwrap().job.state, expected, "{text} on {url}");
        }
        let clone = Request::clone_voice("an", "An", b"ID3".as_slice(), "audio/mpeg").service("minimax");
        let job = kc.submit(clone).await.unwrap();
        let ended = tokio::time::timeout(Duration::from_secs(60), job.wait()).await;
        assert_eq!(ended.expect("it ends").unwrap().job.state, JobState::Failed, "a voice on {url}");
        assert!(kc.verify().await.unwrap().is_sound());
        kc.close().await;
    })
    .await;
}
