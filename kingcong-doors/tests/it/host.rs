//! A host's own functions as provider and as key service.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use kingcong_core::{
    id::{AttemptId, Route, ServerId, ServiceId},
    operation::Operation,
    provider::{Access, Call, Provider, Sink},
    vault::Secret,
    work::{Ability, AudioFormat, Capabilities, Mp3Layout, Speech, Subtitles, VoiceSettings, Work},
};
use kingcong_doors::{
    HostCall, HostCalls, HostFailure, HostKeys, HostMasterKey, HostOffer, HostProvider, HostReply, KeyStep,
    Library, Names, OpenOptions,
};
use parking_lot::Mutex;
use serde_json::{Value, json};

use crate::doors::ask;

/// A frame of silent MP3: 26 ms.
const FRAME: [u8; 417] = {
    let mut frame = [0; 417];
    [frame[0], frame[1], frame[2], frame[3]] = [0xff, 0xfb, 0x90, 0xc0];
    frame
};

/// A host that answers each call with the next of its replies.
#[derive(Debug, Default)]
struct Scripted {
    called: Mutex<Vec<(Value, String)>>,
    replies: Mutex<Vec<Result<Value, Value>>>,
}

#[async_trait]
impl HostCalls for Scripted {
    async fn call(&self, call: HostCall) -> Result<(HostReply, Bytes), HostFailure> {
        let told = serde_json::from_str(&call.json).unwrap();
        self.called.lock().push((told, call.secret.expose().to_owned()));
        match self.replies.lock().remove(0) {
            Ok(reply) => Ok((serde_json::from_value(reply).unwrap(), Bytes::from_static(&FRAME))),
            Err(failure) => Err(serde_json::from_value(failure).unwrap()),
        }
    }
}

fn offer(protocol: &str) -> HostOffer {
    serde_json::from_value(json!({ "protocol": protocol })).unwrap()
}

/// Speaks by a host that gives these replies. An answer that is lost is not waited for.
async fn spoken(replies: Vec<Result<Value, Value>>) -> (Value, Arc<Scripted>) {
    spoken_with(json!({ "call_max_ms": 50 }), replies).await
}

async fn spoken_with(more: Value, replies: Vec<Result<Value, Value>>) -> (Value, Arc<Scripted>) {
    let host = Arc::new(Scripted { replies: Mutex::new(replies), ..Scripted::default() });
    let library = opened_by(more, Arc::<Scripted>::clone(&host)).await;
    let report = spoken_at(&library).await;
    library.close().await;
    (report, host)
}

/// A library that calls this host for AI33, where everything goes.
async fn opened_by(more: Value, calls: Arc<dyn HostCalls>) -> Library {
    let provider: Arc<dyn Provider> = Arc::new(HostProvider::new(offer("ai33"), calls));
    let mut options = json!({ "url": "memory:", "preset": "kingcong", "master_key": "random" });
    options.as_object_mut().unwrap().append(&mut more.as_object().unwrap().clone());
    let opening = OpenOptions::from_json(&options.to_string(), Names::Python).unwrap();
    let library = Library::open(opening, vec![provider], None).await.unwrap();
    ask(&library, "config.set_weights", json!({ "weights": { "ai33": 1, "ai84": 0 } })).await;
    for number in 0..2 {
        let secret = format!("sk-canary-of-tests-{number}");
        ask(&library, "keys.add", json!({ "server": "ai33", "service": "elevenlabs", "secret": secret }))
            .await;
    }
    ask(&library, "wallets.purchase", json!({ "user": "u", "package": "package-1", "order": "o-1" })).await;
    library
}

/// The report of a job that speaks a text.
async fn spoken_at(library: &Library) -> Value {
    let request = json!({ "user": "u", "service": "elevenlabs", "subject": { "speech": { "text": "abc",
        "voice": { "upstream": "v" } } } });
    let job = ask(library, "submit", json!({ "request": request })).await;
    ask(library, "job.wait", json!({ "job": job })).await
}

#[tokio::test]
async fn what_an_upstream_counted_is_told_by_measure() {
    let audio = json!({ "audio": { "content_type": "audio/wav" } });
    let calls: Arc<dyn HostCalls> = Arc::new(Scripted {
        replies: Mutex::new(vec![Ok(json!({ "result": audio, "audio_ms": 1200, "characters": 3 }))]),
        ..Scripted::default()
    });
    let library = opened_by(json!({}), calls).await;
    spoken_at(&library).await;
    let usage = ask(&library, "reports.usage", json!({ "filter": {} })).await;
    // The characters as the upstream says, and the length that the audio itself has.
    assert_eq!(usage[0]["counts"], json!({ "character": 3, "audio_ms": 26 }));
    library.close().await;
}

#[tokio::test]
async fn a_call_is_told_what_it_needs_and_its_reply_is_charged() {
    let good = json!({ "result": { "audio": { "content_type": "audio/wav" } }, "cost": "1.5" });
    let (report, host) = spoken(vec![Ok(good)]).await;
    assert_eq!((&report["job"]["state"], &report["job"]["charged"]), (&json!("completed"), &json!(3)));
    let called = host.called.lock();
    let (told, secret) = &called[0];
    assert_eq!((&told["server"], &told["work"]["speech"]["text"]), (&json!("ai33"), &json!("abc")));
    assert!(secret.starts_with("sk-canary-of-tests-"));
    assert!(!told.to_string().contains("sk-canary"), "the secret is beside the JSON, not in it");
}

#[tokio::test]
async fn work_that_an_upstream_took_is_asked_about_until_it_ends() {
    let soon = || json!({ "poll_interval_ms": 1 });
    let accepted = || Ok(json!({ "result": { "accepted": { "upstream_id": "task-1" } }, "cost": "3" }));
    let running = || Ok(json!({ "result": { "running": { "percent": 40 } } }));
    let lost = || Err(json!({ "kind": "busy", "reached": "no", "message": "ask later" }));
    let good = || Ok(json!({ "result": { "audio": { "content_type": "audio/wav" } } }));
    let (report, host) = spoken_with(soon(), vec![accepted(), running(), lost(), good()]).await;
    assert_eq!((&report["job"]["state"], &report["job"]["charged"]), (&json!("completed"), &json!(3)));
    let ids: Vec<Value> = host.called.lock().iter().map(|(told, _)| told["upstream_id"].clone()).collect();
    assert_eq!(ids, [Value::Null, json!("task-1"), json!("task-1"), json!("task-1")]);

    let refused = json!({ "kind": "policy", "reached": "yes", "message": "not nice" });
    let failed = Ok(json!({ "result": { "failed": refused } }));
    let (report, host) = spoken_with(soon(), vec![accepted(), running(), failed]).await;
    assert_eq!((&report["job"]["state"], &report["job"]["charged"]), (&json!("failed"), &json!(0)));
    assert_eq!(host.called.lock().len(), 3);
}

#[test]
fn progress_that_cannot_be_is_refused() {
    let long = "i".repeat(257);
    for (bad, says) in [
        (json!({ "accepted": { "upstream_id": "" } }), "1 to 256 bytes"),
        (json!({ "accepted": { "upstream_id": long } }), "and has 257"),
        (json!({ "running": { "percent": 101 } }), "0 to 100, and is 101"),
        (json!({ "failed": { "kind": "late", "reached": "no", "message": "" } }), "unknown variant"),
    ] {
        let refused = serde_json::from_value::<HostReply>(json!({ "result": bad })).unwrap_err().to_string();
        assert!(refused.contains(says), "{bad}: {refused}");
    }
}

#[test]
fn what_a_provider_can_do_is_read_by_services_and_mistakes_name_their_field() {
    let opening = |names: Names, capabilities: Value| {
        let providers = json!([{ "protocol": "own", "capabilities": capabilities }]);
        OpenOptions::from_json(&json!({ "url": "memory:", "providers": providers }).to_string(), names)
    };
    let mp3 = json!({ "sample_rate": 24_000, "channels": 1 });
    let said = json!({ "elevenlabs": { "lacking": ["wav", "clone_voice"] }, "minimax": { "mp3": mp3 } });
    let mut read = opening(Names::Python, said).unwrap();
    let provider = HostProvider::new(read.providers.remove(0), Arc::new(Scripted::default()));
    for (service, expected) in [
        ("elevenlabs", Capabilities::all().without(Ability::Wav).without(Ability::Do(Operation::CloneVoice))),
        ("minimax", Capabilities::all().with_mp3(Mp3Layout::new(24_000, 1).unwrap())),
        ("other", Capabilities::all()),
    ] {
        assert_eq!(provider.capabilities(&ServiceId::new(service).unwrap()), expected, "{service}");
    }
    for (wrong, field, says) in [
        (json!({ "tts": { "lacking": ["ogg"] } }), "tts.lacking[0]", "'clone_voice', not ogg"),
        (json!({ "tts": { "lacks": ["wav"] } }), "tts.lacks", "no field that is known"),
        (json!({ "tts": { "mp3": { "sample_rate": 44_000, "channels": 1 } } }), "tts.mp3", "at 44000 Hz"),
        (json!({ "tts": { "mp3": { "sample_rate": 44_100, "channels": 3 } } }), "tts.mp3", "3 channels"),
        (json!({ "tts": { "mp3": { "sample_rate": 44_100 } } }), "tts.mp3.channels", "is missing"),
        (json!({ "No Service": {} }), "", "ServiceId \"No Service\""),
    ] {
        let problem = opening(Names::Node, wrong.clone()).unwrap_err();
        let named = problem.fields["field"].as_str().unwrap();
        assert!(named.starts_with("providers[0].capabilities") && named.ends_with(field), "{wrong}: {named}");
        assert!(problem.message.contains(says), "{wrong}: {problem}");
    }
}

#[test]
fn a_cost_is_a_decimal_that_is_not_negative() {
    let reply = |cost: Value| {
        let reply = json!({ "result": { "voice": { "voice": "v" } }, "cost": cost });
        serde_json::from_value::<HostReply>(reply).map(drop).map_err(|error| error.to_string())
    };
    for good in
        [json!(null), json!(0), json!(15), json!("1.5"), json!("0.0033333333333333333333333333333333")]
    {
        assert_eq!(reply(good.clone()), Ok(()), "{good}");
    }
    let large = json!("9999999999999999999999");
    for (bad, says) in
        [(json!(-1), "negative"), (json!("-0.1"), "negative"), (json!("x"), "\"x\""), (large, "large")]
    {
        let refused = reply(bad.clone()).unwrap_err();
        assert!(refused.contains(says), "{bad}: {refused}");
    }
}

#[tokio::test]
async fn a_failure_means_what_it_says_and_a_wrong_result_may_be_a_double() {
    let good = || Ok(json!({ "result": { "audio": { "content_type": "audio/wav" } } }));
    let refusal =
        json!({ "kind": "bad_request", "reached": "no", "message": "no such voice", "code": "404" });
    let (report, _) = spoken(vec![Err(refusal)]).await;
    assert_eq!((&report["job"]["state"], &report["job"]["charged"]), (&json!("failed"), &json!(0)));
    let busy = json!({ "kind": "busy", "reached": "no", "message": "later" });
    let (report, host) = spoken(vec![Err(busy), good()]).await;
    assert_eq!((&report["job"]["state"], host.called.lock().len()), (&json!("completed"), 2));
    let voice = Ok(json!({ "result": { "voice": { "voice": "v-1" } } }));
    let (report, _) = spoken(vec![voice, good()]).await;
    assert_eq!(report["tasks"][0]["possible_double"], json!(true));
}

/// A key service that seals by turning bits round.
#[derive(Debug)]
struct Mask;

#[async_trait]
impl HostKeys for Mask {
    async fn step(&self, _: KeyStep, bytes: &[u8], _: &[u8]) -> Result<Vec<u8>, String> {
        Ok(bytes.iter().map(|byte| byte ^ 0x5a).collect())
    }
}

#[tokio::test]
async fn a_database_opens_only_with_the_key_service_that_it_was_made_with() {
    let folder = tempfile::tempdir().unwrap();
    let options =
        json!({ "url": format!("sqlite://{}/kingcong.db", folder.path().display()), "preset": "kingcong" });
    let open = |id: &str| {
        let opening = OpenOptions::from_json(&options.to_string(), Names::Python).unwrap();
        let key = HostMasterKey::new(id, Arc::new(Mask)).unwrap();
        Library::open(opening, Vec::new(), Some(Arc::new(key)))
    };
    open("kms-1").await.unwrap().close().await;
    open("kms-1").await.unwrap().close().await;
    let other = open("kms-2").await.unwrap_err();
    assert!(other.message.contains("wrapped by master key kms-1, and this is kms-2"), "{other}");
}

/// A host that answers at once.
#[derive(Debug)]
struct Instant;

#[async_trait]
impl HostCalls for Instant {
    async fn call(&self, _: HostCall) -> Result<(HostReply, Bytes), HostFailure> {
        let reply = json!({ "result": { "audio": { "content_type": "audio/wav" } } });
        Ok((serde_json::from_value(reply).unwrap(), Bytes::from_static(&FRAME)))
    }
}

#[tokio::test]
async fn of_a_result_that_cannot_be_written_nothing_is_left() {
    let folder = tempfile::tempdir().unwrap();
    let attempt: AttemptId = "01932c07-6f2a-7c40-8a3e-6d1f5b0c9e21".parse().unwrap();
    // No file can get the name of a folder.
    std::fs::create_dir(folder.path().join(attempt.to_string())).unwrap();
    let speech = Speech {
        text: "abc".into(),
        voice: "v".into(),
        model: None,
        format: AudioFormat::default(),
        subtitles: Subtitles::No,
        settings: VoiceSettings::default(),
        language: None,
    };
    let (server, service) = (ServerId::new("ai33").unwrap(), ServiceId::new("elevenlabs").unwrap());
    let secret = Arc::new(Secret::parse("sk-canary-of-tests").unwrap());
    let call = Call {
        attempt,
        access: Access { route: Route { server, service }, base_url: "".into(), secret },
        work: Arc::new(Work::Speech(speech)),
        sink: Sink::Directory { path: folder.path().to_owned(), max_bytes: 1_000 },
        pieces: None,
    };
    let provider = HostProvider::new(offer("ai33"), Arc::new(Instant));
    let failure = provider.send(&call).await.unwrap_err();
    assert!(failure.to_string().contains("could not be written"), "{failure}");
    let names: Vec<_> = folder.path().read_dir().unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names, [attempt.to_string().as_str()]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_task_is_told_before_the_end_of_its_job() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}/kingcong.db", folder.path().display());
    let options = json!({ "url": url, "preset": "kingcong", "master_key": { "text": "00".repeat(32) } });
    let opening = OpenOptions::from_json(&options.to_string(), Names::Python).unwrap();
    let provider: Arc<dyn Provider> = Arc::new(HostProvider::new(offer("ai33"), Arc::new(Instant)));
    let library = Library::open(opening, vec![provider], None).await.unwrap();
    ask(&library, "config.set_weights", json!({ "weights": { "ai33": 1, "ai84": 0 } })).await;
    let limits = json!({ "max_in_flight": 1000, "per_minute": 1_000_000 });
    let key = json!({ "server": "ai33", "service": "elevenlabs", "secret": "sk-canary-of-tests", "limits": limits });
    ask(&library, "keys.add", key).await;
    ask(&library, "wallets.purchase", json!({ "user": "u", "package": "package-1", "order": "o-1" })).await;
    let text = "Một câu ngắn. ".repeat(8);
    let request = json!({ "user": "u", "service": "elevenlabs", "subject": { "speech": { "text": text,
        "voice": { "upstream": "v" }, "pieces": 8 } } });
    for _ in 0..40 {
        let job = ask(&library, "submit", json!({ "request": request })).await;
        let stream = ask(&library, "job.events", json!({ "job": job })).await;
        let seen = ask(&library, "job.status", json!({ "job": job })).await;
        let tasks = seen["tasks"].as_array().unwrap();
        let done = tasks.iter().filter(|task| task["state"] == "completed");
        let mut done: Vec<Value> = done.map(|task| task["place"].clone()).collect();
        loop {
            let event = ask(&library, "events.next", json!({ "stream": stream })).await;
            match event["kind"].as_str().unwrap() {
                "task_done" => done.push(event["place"].clone()),
                "ended" => break,
                _ => {}
            }
        }
        for task in tasks {
            assert!(done.contains(&task["place"]), "task {} was not told", task["place"]);
        }
    }
    library.close().await;
}
