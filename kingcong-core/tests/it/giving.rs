//! An upstream that gives whatever it is told to, behind a library in memory.

use std::{
    num::NonZeroU16,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
};

use async_trait::async_trait;
use kingcong_core::{
    JobHandle, KingCong, NewKey, Preset, Request, Settings,
    engine::{JobReport, Outputs},
    failure::Failure,
    id::{ProtocolId, ServiceId},
    keys::Limits,
    measure::{Counts, Measure},
    provider::{Call, Provider, Reply, Sent, Sink},
    store::MemoryStore,
    vault::{KeyBytes, StaticMasterKey},
    work::{Audio, Body, Capabilities, Mp3Layout, Output},
};

/// What an upstream gives for its n-th call, from 0, and how long it says that this is.
pub(crate) type Gives = Arc<dyn Fn(usize) -> (Vec<u8>, Option<u64>) + Send + Sync>;

/// An upstream that gives whatever it is told to, and calls it MP3.
pub(crate) struct Giving {
    protocol: ProtocolId,
    gives: Gives,
    calls: Arc<AtomicUsize>,
    mp3: Option<Mp3Layout>,
}

impl std::fmt::Debug for Giving {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Giving").field("protocol", &self.protocol).finish_non_exhaustive()
    }
}

#[async_trait]
impl Provider for Giving {
    fn protocol(&self) -> &ProtocolId {
        &self.protocol
    }

    fn capabilities(&self, _service: &ServiceId) -> Capabilities {
        self.mp3.into_iter().fold(Capabilities::all(), Capabilities::with_mp3)
    }

    async fn send(&self, call: &Call) -> Result<Sent, Failure> {
        let (bytes, audio_ms) = (self.gives)(self.calls.fetch_add(1, Relaxed));
        let body = match &call.sink {
            Sink::Memory { .. } => Body::Memory(bytes.into()),
            Sink::Directory { path, .. } => {
                let path = path.join(call.attempt.to_string());
                let length = bytes.len() as u64;
                std::fs::write(&path, bytes).unwrap();
                Body::File { path, bytes: length }
            }
        };
        let audio = Audio { body, content_type: "audio/mpeg".into(), srt: None };
        let measured = Counts::of([(Measure::AudioMs, audio_ms)]).into();
        Ok(Sent::Done(Reply { output: Output::Audio(audio), cost: None, measured }))
    }
}

pub(crate) async fn open(weights: [u32; 2], gives: [Gives; 2], outputs: Outputs) -> KingCong {
    open_knowing(weights, gives, [None, None], outputs).await.0
}

/// With the layouts of the servers' MP3s as far as they are known; tells how often each was called.
pub(crate) async fn open_knowing(
    weights: [u32; 2],
    gives: [Gives; 2],
    mp3s: [Option<Mp3Layout>; 2],
    outputs: Outputs,
) -> (KingCong, [Arc<AtomicUsize>; 2]) {
    let calls = [Arc::default(), Arc::default()];
    let servers = ["ai33", "ai84"].into_iter().zip(gives).zip(mp3s).zip(&calls);
    let providers = servers.map(|(((protocol, gives), mp3), calls)| {
        let protocol = ProtocolId::new(protocol).unwrap();
        Arc::new(Giving { protocol, gives, calls: Arc::clone(calls), mp3 }) as Arc<dyn Provider>
    });
    (open_with(weights, providers, outputs).await, calls)
}

/// With providers of one's own.
pub(crate) async fn open_with(
    weights: [u32; 2],
    providers: impl IntoIterator<Item = Arc<dyn Provider>>,
    outputs: Outputs,
) -> KingCong {
    let kc = KingCong::builder()
        .preset(Preset::kingcong().unwrap())
        .master_key(StaticMasterKey::new(KeyBytes::new(&[7; 32])))
        .store(MemoryStore::new())
        .providers(providers)
        .settings(Settings { outputs, ..Settings::default() })
        .start()
        .await
        .unwrap();
    kc.config().set_weights(&[("ai33", weights[0]), ("ai84", weights[1])]).await.unwrap();
    for server in ["ai33", "ai84"] {
        let key = NewKey::shared(server, "elevenlabs", format!("sk-of-{server}-tests"));
        kc.keys().add(key.limits(Limits::new(1000, 100_000).unwrap())).await.unwrap();
    }
    kc.wallets().purchase("an", "package-1", "order-1").await.unwrap();
    kc
}

pub(crate) fn gives(bytes: Vec<u8>) -> Gives {
    Arc::new(move |_| (bytes.clone(), None))
}

pub(crate) async fn run(kc: &KingCong, text: &str, pieces: u16) -> (JobHandle, JobReport) {
    let request = Request::speech("an", text).service("elevenlabs").voice("21m00Tcm4TlvDq8ikWAM");
    let job = kc.submit(request.pieces(NonZeroU16::new(pieces).unwrap())).await.unwrap();
    let report = job.wait().await.unwrap();
    (job, report)
}

/// 16-bit PCM.
pub(crate) fn wav(sample_rate: u32, channels: u16, samples: u32) -> Vec<u8> {
    let data = samples * 2 * u32::from(channels);
    let mut file = b"RIFF".to_vec();
    file.extend((36 + data).to_le_bytes());
    file.extend(b"WAVEfmt \x10\0\0\0\x01\0");
    file.extend(channels.to_le_bytes());
    file.extend(sample_rate.to_le_bytes());
    file.extend((sample_rate * 2 * u32::from(channels)).to_le_bytes());
    file.extend((2 * channels).to_le_bytes());
    file.extend(b"\x10\0data");
    file.extend(data.to_le_bytes());
    file.resize(file.len() + data as usize, 0);
    file
}
