//! Upstreams that answer nonsense, over real HTTP: every job ends, is charged once or not at all, and the process
//! neither dies nor grows.

use std::{sync::Arc, time::Duration};

use futures_util::future::join_all;
use kingcong_core::{
    JobHandle, KingCong, NewKey, Preset, Request, Settings,
    failure::FailureKind,
    id::{ProtocolId, Route, ServerId, ServiceId},
    keys::{Limits, PollsCount},
    operation::Operation,
    pricing::{Price, PriceStart},
    routing::BaseUrl,
    store::{AttemptFilter, Store},
    switch::Switch,
    vault::{KeyBytes, StaticMasterKey},
    work::{AttemptState, Ending, JobState},
};
use kingcong_tests::upstreams::{Broken, DownloadFault, PollFault, Refusal, Server, SubmitFault, Upstreams};
use serde_json::{Value, json};

/// Far longer than any of these jobs may take: a job that does not end fails its test instead of hanging it.
const ENDS_WITHIN: Duration = Duration::from_secs(240);

/// The library on these upstreams, impatient.
pub(crate) async fn open(upstreams: &Upstreams, store: Arc<dyn Store>) -> KingCong {
    let mut preset = Preset::kingcong().unwrap();
    for (id, server) in &mut preset.configuration().system.servers {
        let url = upstreams.server(id.as_str()).unwrap().url().to_owned();
        server.base_url = BaseUrl::new(url).unwrap();
    }
    let wait = Duration::from_secs(1);
    let http = kingcong_http::Settings {
        connect_timeout: wait,
        send_timeout: wait,
        synchronous_timeout: wait,
        poll_timeout: wait,
        download_timeout: wait,
    };
    let settings = Settings {
        call_max: Some(Duration::from_secs(3)),
        deadline: Duration::from_secs(60),
        poll_interval: Duration::from_millis(100),
        pulse_interval: Duration::from_millis(100),
        move_after: Duration::from_millis(100),
        drain: Duration::from_secs(5),
        ..Settings::default()
    };
    let kc = KingCong::builder()
        .preset(preset)
        .master_key(StaticMasterKey::new(KeyBytes::new(&[7; 32])))
        .shared_store(store)
        .providers(kingcong_http::Upstreams::with_settings(http).unwrap())
        .settings(settings)
        .start()
        .await
        .unwrap();
    kc.wallets().purchase("an", "package-1", "order-1").await.unwrap();
    kc
}

/// Registers every key of the server.
pub(crate) async fn add_keys(kc: &KingCong, server: &Server) {
    for secret in server.secrets() {
        let key = NewKey::shared(server.name(), "elevenlabs", secret).limits(Limits::new(30, 1000).unwrap());
        kc.keys().add(key).await.unwrap();
    }
}

/// Submits so many texts of ten characters.
pub(crate) async fn submit(kc: &KingCong, count: usize) -> Vec<JobHandle> {
    let mut jobs = Vec::new();
    for number in 0..count {
        let text = format!("text {number:05}");
        let request = Request::speech("an", text).service("elevenlabs").voice("21m00Tcm4TlvDq8ikWAM");
        jobs.push(kc.submit(request).await.unwrap());
    }
    jobs
}

/// Every job ends: done and charged once, or failed and charged nothing. The answer is how many were done.
pub(crate) async fn end(kc: &KingCong, jobs: &[JobHandle]) -> usize {
    let ended = tokio::time::timeout(ENDS_WITHIN, join_all(jobs.iter().map(JobHandle::wait))).await;
    let mut done = 0;
    for report in ended.expect("every job ends") {
        let report = report.unwrap();
        let charged = match report.job.state {
            JobState::Completed => {
                done += 1;
                10
            }
            state => {
                assert!(state.is_final(), "{report:?}");
                0
            }
        };
        assert_eq!(report.job.total.charged().get(), charged, "{report:?}");
    }
    let verification = kc.verify().await.unwrap();
    assert!(verification.is_sound(), "{verification:?}");
    done
}

fn nonsense(status: u16, body: Value) -> Refusal {
    Refusal::Verbatim { status, body, retry_after_s: None }
}

fn broken() -> [Broken; 8] {
    [
        Broken::Html(200),
        Broken::Html(502),
        Broken::Half,
        Broken::Endless,
        Broken::TenGigabytes,
        Broken::Empty,
        Broken::Silent,
        Broken::Dropped,
    ]
}

fn bodies() -> [Value; 6] {
    [
        Value::Null,
        json!([1, "x", null]),
        json!("ok"),
        json!({"success": "perhaps", "task_id": 0}),
        json!({"success": true, "task_id": {"id": []}, "status": 7, "id": null}),
        json!({"status": "done", "metadata": {"audio_url": "file:///etc/passwd"}, "data": -1}),
    ]
}

/// The most memory that this process ever had, in KiB, where the system tells.
fn memory_peak_kib() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix("kB")?.trim().parse().ok()
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_an_upstream_answers_every_job_ends_and_is_charged_once_or_not() {
    let upstreams = Upstreams::start().await.unwrap();
    let kc = open(&upstreams, Arc::new(kingcong_core::store::MemoryStore::new())).await;
    let servers = [upstreams.ai33(), upstreams.ai84()];
    for server in &servers {
        add_keys(&kc, server).await;
    }

    for server in &servers {
        for broken in broken() {
            server.next_submit(SubmitFault::BreakBefore(broken));
            server.next_submit(SubmitFault::BreakAfter(broken));
        }
        for body in bodies() {
            server.next_submit(SubmitFault::Refuse(nonsense(200, body)));
        }
    }
    end(&kc, &submit(&kc, 12).await).await;

    for server in &servers {
        for broken in broken() {
            server.next_poll(PollFault::Break(broken));
        }
        for body in bodies() {
            server.next_poll(PollFault::Refuse(nonsense(200, body)));
        }
    }
    end(&kc, &submit(&kc, 6).await).await;

    for server in &servers {
        for broken in broken() {
            server.next_download(DownloadFault::Break(broken));
        }
        server.next_download(DownloadFault::NotAudio);
    }
    end(&kc, &submit(&kc, 6).await).await;

    assert!(memory_peak_kib().is_none_or(|peak| peak < 1_500_000), "{:?} KiB", memory_peak_kib());
    let balance = kc.wallets().get("an").await.unwrap();
    assert_eq!(balance.held.get(), 0);
    kc.close().await;
}

/// Bytes that are no audio, or not all of it: a page, a refusal, another container, a description of frames alone,
/// nothing, samples without a header, and a WAV whose header announces twice of what came.
fn no_audio() -> Vec<Vec<u8>> {
    let mut info = vec![0; 417];
    info[..4].copy_from_slice(&[0xff, 0xfb, 0x90, 0xc0]);
    info[21..25].copy_from_slice(b"Info");
    let mut torn = b"RIFF\x24\x20\0\0WAVEfmt \x10\0\0\0\x01\0\x01\0".to_vec();
    torn.extend([44_100_u32.to_le_bytes(), 88_200_u32.to_le_bytes()].concat());
    torn.extend(b"\x02\0\x10\0data\0\x20\0\0");
    torn.resize(torn.len() + 4_096, 1);
    vec![
        b"<!doctype html><p>Please log in.".to_vec(),
        br#"{"detail": {"status": "quota_exceeded"}}"#.to_vec(),
        b"OggS\0\x02\0\0\0\0\0\0\0\0".repeat(100),
        info,
        Vec::new(),
        vec![0; 8_820],
        torn,
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_audio_costs_nothing_and_is_made_again() {
    let upstreams = Upstreams::start().await.unwrap();
    let kc = open(&upstreams, Arc::new(kingcong_core::store::MemoryStore::new())).await;
    let sold = [
        (upstreams.ai33(), "elevenlabs"),
        (upstreams.ai84(), "elevenlabs"),
        (upstreams.elevenlabs(), "elevenlabs"),
        (upstreams.minimax(), "minimax"),
    ];
    for (server, service) in &sold[2..] {
        let name = server.name();
        let added = kingcong_core::routing::Server {
            protocol: ProtocolId::new(name).unwrap(),
            base_url: BaseUrl::new(server.url()).unwrap(),
            weight: 0,
            polls: PollsCount::Free,
            defaults: Limits::new(30, 1000).unwrap(),
            egress: None,
        };
        kc.config().add_server(name, added, &[(service, Switch::On)]).await.unwrap();
        let route = Route::new(ServerId::new(name).unwrap(), ServiceId::new(service).unwrap());
        let mut prices = kc.prices().list().await.unwrap();
        prices.retain(|price| price.operation == Operation::Speech && price.route.service == route.service);
        kc.prices().set(Price { route, ..prices.remove(0) }, PriceStart::Now, None).await.unwrap();
    }
    for (server, service) in &sold {
        for secret in server.secrets() {
            let key = NewKey::shared(server.name(), *service, secret).limits(Limits::new(30, 1000).unwrap());
            kc.keys().add(key).await.unwrap();
        }
    }
    for (server, service) in &sold {
        let weights = sold.each_ref().map(|(one, _)| (one.name(), u32::from(one.name() == server.name())));
        kc.config().set_weights(&weights).await.unwrap();
        for (place, bytes) in no_audio().into_iter().enumerate() {
            let what = format!("{}, body {place}", server.name());
            server.next_audio(bytes);
            let request = Request::speech("an", "ten chars.").service(*service).voice("21m00Tcm4TlvDq8ikWAM");
            let report = kc.submit(request).await.unwrap().wait().await.unwrap();
            assert_eq!(report.job.state, JobState::Completed, "{what}: {report:?}");
            assert_eq!(report.job.total.charged().get(), 10, "{what}: {report:?}");
            let filter = AttemptFilter { job: Some(report.job.id), limit: 10, ..AttemptFilter::default() };
            let failed = kc.reports().errors(filter).await.unwrap();
            let ends: Vec<_> = failed.iter().map(|attempt| (&attempt.state, attempt.charged.get())).collect();
            let is_undeliverable = |state: &AttemptState| {
                let kind = FailureKind::Undeliverable;
                matches!(state, AttemptState::Ended(Ending::Failed { kind: failed, .. }) if *failed == kind)
            };
            assert!(matches!(ends[..], [(state, 0)] if is_undeliverable(state)), "{what}: {ends:?}");
        }
    }
    assert!(kc.verify().await.unwrap().is_sound());
    kc.close().await;
}
