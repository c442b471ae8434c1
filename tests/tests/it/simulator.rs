//! The fake upstreams speak the documented formats, misbehave as they are told, and count exactly.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use kingcong_tests::upstreams::{
    Account, Broken, Casing, Charge, ClientIds, Dialect, DownloadFault, Edge, ElevenLabsErrors, ErrorField,
    Excess, Faults, Health, Key, Limit, LimitKind, Limits, Numbers, OutOfCredit, Outcome, Pace, Plan,
    PollFault, RefundField, Refusal, Scope, Server, ServerSettings, Service, StatusCase, SubmitFault,
    TaskFault, Upstreams, Urls, Usage, Who, audio, elevenlabs_error, minimax_status,
};
use reqwest::{Client, RequestBuilder, Response, StatusCode, multipart};
use serde_json::{Value, json};

const MINUTE: Duration = Duration::from_secs(60);
const VOICE: &str = "21m00Tcm4TlvDq8ikWAM";

/// One server and a client that it knows.
struct Bench {
    upstreams: Upstreams,
    server: Arc<Server>,
    http: Client,
}

impl Bench {
    async fn new(settings: ServerSettings) -> Self {
        let upstreams = Upstreams::empty().await.unwrap();
        let server = upstreams.add("server", settings).await.unwrap();
        Self { upstreams, server, http: client() }
    }

    /// With accounts `a` (1,000 credits, keys `a1` and `a2`) and `b` (key `b1`); secrets are the keys' names.
    async fn with_two_accounts(settings: ServerSettings) -> Self {
        let a = Account::new("a", 1_000).key("a1", "a1").key("a2", "a2");
        let b = Account::new("b", 1_000).key("b1", "b1");
        Self::new(settings.with_accounts([a, b])).await
    }

    fn get(&self, key: &str, path: &str) -> RequestBuilder {
        self.http.get(format!("{}{path}", self.server.url())).header("xi-api-key", key).bearer_auth(key)
    }

    fn post(&self, key: &str, path: &str) -> RequestBuilder {
        self.http.post(format!("{}{path}", self.server.url())).header("xi-api-key", key).bearer_auth(key)
    }

    async fn ai33(&self, key: &str, text: &str) -> Response {
        let body = json!({ "text": text, "model_id": "eleven_multilingual_v2", "with_transcript": true });
        self.post(key, &format!("/v1/text-to-speech/{VOICE}")).json(&body).send().await.unwrap()
    }

    async fn ai33_task(&self, key: &str, text: &str) -> String {
        text_of(&body(self.ai33(key, text).await, 200).await, "/task_id")
    }

    async fn ai33_poll(&self, key: &str, task: &str) -> Value {
        self.json(key, &format!("/v1/task/{task}")).await
    }

    async fn ai84(&self, key: &str, text: &str) -> Response {
        let body = json!({ "text": text, "voice_id": VOICE, "model_id": "eleven_multilingual_v2" });
        self.post(key, "/v2/text-to-speech/async").json(&body).send().await.unwrap()
    }

    async fn ai84_minimax(&self, key: &str, more: Value) -> Response {
        let mut body = json!({ "text": "four", "canonical_voice_id": "Chinese_gentle_lady" });
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        self.post(key, "/v1/minimax/text-to-speech/async").json(&body).send().await.unwrap()
    }

    async fn elevenlabs(&self, key: &str, body: Value) -> Response {
        self.post(key, &format!("/v1/text-to-speech/{VOICE}")).json(&body).send().await.unwrap()
    }

    async fn minimax(&self, key: &str, more: Value) -> Response {
        let mut body = json!({
            "model": "speech-2.8-hd", "text": "four", "voice_setting": { "voice_id": "Chinese_gentle_lady" },
        });
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        self.post(key, "/v1/t2a_v2").json(&body).send().await.unwrap()
    }

    /// What a call with `GET` says, if it succeeds.
    async fn json(&self, key: &str, path: &str) -> Value {
        body(self.get(key, path).send().await.unwrap(), 200).await
    }

    fn credits(&self, account: &str) -> i64 {
        self.server.accounts().iter().find(|report| &*report.name == account).unwrap().credits
    }
}

fn client() -> Client {
    // The workspace builds reqwest without a TLS provider of its own; a second call changes nothing.
    let _ = rustls::crypto::ring::default_provider().install_default();
    Client::builder().user_agent("KingCong-tests/1.0").build().unwrap()
}

async fn body(response: Response, status: u16) -> Value {
    assert_eq!(response.status().as_u16(), status, "{response:?}");
    response.json().await.unwrap()
}

fn text_of(value: &Value, pointer: &str) -> String {
    value
        .pointer(pointer)
        .and_then(Value::as_str)
        .unwrap_or_else(|| panic!("no {pointer} in {value}"))
        .to_owned()
}

fn of(value: &Value, pointer: &str) -> Value {
    value.pointer(pointer).cloned().unwrap_or_else(|| panic!("no {pointer} in {value}"))
}

fn counting(limits: Limits) -> ServerSettings {
    ServerSettings { limits, ..ServerSettings::ai33() }
}

// Formats: AI33

#[tokio::test]
async fn an_ai33_task_runs_for_its_polls_and_then_has_audio_and_subtitles() {
    let bench =
        Bench::with_two_accounts(ServerSettings { pace: Pace::Polls(3), ..ServerSettings::ai33() }).await;
    let text = "Xin chào các bạn!";
    let submitted = body(bench.ai33("a1", text).await, 200).await;
    assert_eq!(of(&submitted, "/success"), true);
    assert_eq!(of(&submitted, "/ec_remain_credits"), 1_000 - 17);
    let task = text_of(&submitted, "/task_id");

    let mut progress = -1;
    for _ in 0..3 {
        let seen = bench.ai33_poll("a1", &task).await;
        assert_eq!(of(&seen, "/status"), "doing");
        assert_eq!(of(&seen, "/credit_cost"), 17, "told from the first poll on");
        assert_eq!(of(&seen, "/metadata"), json!({}));
        let now = of(&seen, "/progress").as_i64().unwrap();
        assert!(now > progress, "{now} after {progress}");
        progress = now;
    }
    let done = bench.ai33_poll("a1", &task).await;
    assert_eq!(of(&done, "/status"), "done");
    assert_eq!(of(&done, "/progress"), 100);
    assert_eq!(of(&done, "/type"), "tts");
    assert_eq!(of(&done, "/id"), task.as_str());
    assert_eq!(of(&done, "/error_message"), Value::Null);
    assert!(text_of(&done, "/created_at").ends_with('Z'));

    let audio = bench.http.get(text_of(&done, "/metadata/audio_url")).send().await.unwrap();
    assert_eq!(audio.headers()["content-type"], "audio/mpeg");
    let audio = audio.bytes().await.unwrap();
    assert_eq!(audio::texts_in_mp3(&audio), [audio::digest(text)]);
    assert_eq!(audio::ms_of_mp3(&audio).abs_diff(17 * 60) / 30, 0, "60 ms per character");
    let srt = bench.http.get(text_of(&done, "/metadata/srt_url")).send().await.unwrap().text().await.unwrap();
    assert_eq!(srt, "1\n00:00:00,000 --> 00:00:01,020\nXin chào các bạn!\n\n");
    let alignment = bench.http.get(text_of(&done, "/metadata/json_url")).send().await.unwrap();
    assert_eq!(of(&body(alignment, 200).await, "/character_end_times_seconds/16"), 1.02);
}

#[tokio::test]
async fn every_audio_format_decodes_to_its_length() {
    for name in ["mp3_44100_128", "mp3_44100_32", "mp3_22050_32", "mp3_24000_64"] {
        let format = audio::Format::from_name(name).unwrap();
        let mut bytes = format.bytes(1, 1_000);
        bytes.extend(format.bytes(2, 1_000));
        let decoded = nanomp3::decode_all::<i16>(&bytes);
        assert_eq!((decoded.sample_rate, decoded.channels), (format.rate(), Some(nanomp3::Channels::Mono)));
        assert_eq!(decoded.samples.len() as u64 / u64::from(format.rate()), 2, "{name}");
        assert!(decoded.samples.iter().all(|&sample| sample == 0), "{name} is silent");
    }
    let wav = audio::Format::from_name("wav_16000").unwrap().bytes(1, 500);
    assert_eq!((&wav[..4], &wav[8..16], wav.len()), (&b"RIFF"[..], &b"WAVEfmt "[..], 44 + 16_000));
    assert_eq!(audio::Format::from_name("pcm_16000").unwrap().bytes(1, 500)[..], wav[44..]);
    assert_eq!(audio::Format::from_name("opus_48000_32"), None, "not produced here");
}

#[tokio::test]
async fn ai33_lists_tasks_and_gives_credits_back_for_running_ones_that_are_deleted() {
    let bench =
        Bench::with_two_accounts(ServerSettings { pace: Pace::Polls(2), ..ServerSettings::ai33() }).await;
    let done = bench.ai33_task("a1", "12345").await;
    for _ in 0..3 {
        bench.ai33_poll("a1", &done).await;
    }
    let running = bench.ai33_task("a2", "1234567").await;
    let foreign = bench.ai33_task("b1", "123").await;

    let page = bench.json("a1", "/v1/tasks?page=1&limit=1&type=tts").await;
    assert_eq!((of(&page, "/total"), of(&page, "/data/0/id")), (json!(2), json!(running)), "newest first");
    let not_mine = bench.get("a1", &format!("/v1/task/{foreign}")).send().await.unwrap();
    assert_eq!(not_mine.status(), StatusCode::NOT_FOUND, "a task belongs to its account");
    let other_key = bench.ai33_poll("a1", &running).await;
    assert_eq!(of(&other_key, "/status"), "doing", "any key of the account may poll");

    assert_eq!(bench.credits("a"), 1_000 - 12);
    let delete = bench.post("a1", "/v1/task/delete").json(&json!({ "task_ids": [running, done, foreign] }));
    assert_eq!(of(&body(delete.send().await.unwrap(), 200).await, "/refunded_credits"), 7);
    assert_eq!(bench.credits("a"), 1_000 - 5);
    assert_eq!(bench.credits("b"), 1_000 - 3);
    assert_eq!(bench.server.open_tasks(), 1);
}

#[tokio::test]
async fn ai33_tells_credits_health_models_and_voices() {
    let bench = Bench::with_two_accounts(ServerSettings::ai33()).await;
    assert_eq!(bench.json("a1", "/v1/credits").await, json!({ "success": true, "credits": 1_000 }));
    bench.server.set_health(Service::MiniMax, Health::Overloaded);
    let health = bench.json("a1", "/v1/health-check").await;
    assert_eq!(of(&health, "/data/elevenlabs"), "good");
    assert_eq!(of(&health, "/data/minimax"), "overloaded");
    assert_eq!(of(&bench.json("a1", "/v1/models").await, "/0/model_id"), "eleven_multilingual_v2");
    for path in ["/v2/voices?page_size=10", "/v1/shared-voices?page_size=100&page=1"] {
        assert_eq!(of(&bench.json("a1", path).await, "/voices/0/voice_id"), VOICE);
    }
    assert_eq!(of(&bench.json("a1", "/v1m/common/config").await, "/success"), true);
    let list = json!({ "page": 1, "page_size": 2, "tag_list": [] });
    let list = body(bench.post("a1", "/v1m/voice/list").json(&list).send().await.unwrap(), 200).await;
    assert_eq!((of(&list, "/data/has_more"), of(&list, "/data/total")), (json!(true), json!(3)));
    let voices = bench.json("a1", "/v3/voices?provider=elevenlabs").await;
    assert_eq!(of(&voices, "/data/0/voice_id"), format!("elevenlabs_{VOICE}"));
    let key = bench.get("unknown", "/v1/credits").send().await.unwrap();
    assert_eq!(key.status(), StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn ai33_speaks_minimax_by_number_and_charges_turbo_six_tenths() {
    let bench = Bench::with_two_accounts(ServerSettings::ai33()).await;
    let voice = json!({ "voice_id": "209533299589184" });
    let speech = |model: &str| json!({ "text": "1234567890", "model": model, "voice_setting": voice });
    for (model, cost) in [("speech-2.6-hd", 10), ("speech-2.6-turbo", 6)] {
        let sent = bench.post("a1", "/v1m/task/text-to-speech").json(&speech(model)).send().await.unwrap();
        let task = text_of(&body(sent, 200).await, "/task_id");
        let done = bench.ai33_poll("a1", &task).await;
        assert_eq!((of(&done, "/type"), of(&done, "/credit_cost")), (json!("minimax_tts"), json!(cost)));
    }
}

#[tokio::test]
async fn ai33_clones_voices_at_once() {
    let bench = Bench::with_two_accounts(ServerSettings::ai33()).await;
    let recording = |field: &'static str| {
        multipart::Form::new()
            .text("voice_name", "Mai")
            .part(field, multipart::Part::bytes(vec![1; 1_000]).file_name("a.mp3"))
    };
    let cloned = bench.post("a1", "/v1m/voice/clone").multipart(recording("file")).send().await.unwrap();
    let id = of(&body(cloned, 200).await, "/cloned_voice_id").as_u64().unwrap();
    let mine = bench.json("a2", "/v1m/voice/clone").await;
    assert_eq!(of(&mine, "/data/0/voice_id"), id.to_string());
    assert_eq!(of(&mine, "/data/0/voice_status"), 2);
    assert_eq!(of(&bench.json("b1", "/v1m/voice/clone").await, "/data"), json!([]));
    let path = format!("{}/v1m/voice/clone/{id}", bench.server.url());
    let delete = |key: &str| bench.http.delete(&path).header("xi-api-key", key).send();
    assert_eq!(delete("b1").await.unwrap().status(), StatusCode::BAD_REQUEST);
    assert_eq!(delete("a1").await.unwrap().status(), StatusCode::OK);

    let path = "/v3/text-to-speech/voice-clone";
    let cloned = bench.post("a1", path).multipart(recording("audio_file")).send().await.unwrap();
    text_of(&body(cloned, 200).await, "/data/voice_id");
    let nothing = bench.post("a1", path).multipart(multipart::Form::new().text("voice_name", "Mai"));
    assert_eq!(nothing.send().await.unwrap().status(), StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn ai33_v3_takes_forms_and_json_and_wraps_its_polls() {
    let bench = Bench::with_two_accounts(ServerSettings::ai33()).await;
    let voice = format!("elevenlabs_{VOICE}");
    let fields = [("text", "hello"), ("voice_id", &voice), ("with_transcript", "true")];
    let form = fields
        .iter()
        .fold(multipart::Form::new(), |form, (name, value)| form.text(*name, (*value).to_owned()));
    let url = "/v3/text-to-speech";
    let encoded = format!("text=hello&voice_id={voice}");
    let requests = [
        bench.post("a1", url).multipart(form),
        bench.post("a1", url).header("content-type", "application/x-www-form-urlencoded").body(encoded),
        bench.post("a1", url).json(&json!({ "text": "hello", "voice_id": voice, "with_transcript": true })),
    ];
    for request in requests {
        let task = text_of(&body(request.send().await.unwrap(), 200).await, "/task_id");
        let done = bench.json("a1", &format!("/v3/task/{task}")).await;
        assert_eq!((of(&done, "/data/status"), of(&done, "/data/credit_cost")), (json!("done"), json!(5)));
        text_of(&done, "/data/metadata/audio_url");
        assert_eq!(of(&bench.ai33_poll("a1", &task).await, "/status"), "done");
    }
    let bare = bench.post("a1", url).json(&json!({ "text": "hello", "voice_id": VOICE }));
    assert_eq!(bare.send().await.unwrap().status(), StatusCode::BAD_REQUEST, "the prefix is required");

    bench.server.next_task(TaskFault::Stuck);
    let stuck = bench.post("a1", url).json(&json!({ "text": "hello", "voice_id": voice }));
    let task = text_of(&body(stuck.send().await.unwrap(), 200).await, "/task_id");
    let before = bench.credits("a");
    let cancel =
        bench.http.delete(format!("{}/v3/task/{task}", bench.server.url())).header("xi-api-key", "a1");
    assert_eq!(cancel.send().await.unwrap().status(), StatusCode::OK);
    assert_eq!(bench.credits("a"), before + 5);
}

#[tokio::test]
async fn ai33_finds_a_prefixed_voice_wrong_only_after_it_has_taken_the_task() {
    let bench = Bench::with_two_accounts(ServerSettings::ai33()).await;
    let request = json!({ "text": "hello", "model_id": "eleven_v3" });
    let sent = bench.post("a1", &format!("/v1/text-to-speech/elevenlabs_{VOICE}")).json(&request);
    let submitted = body(sent.send().await.unwrap(), 200).await;
    assert_eq!(of(&submitted, "/ec_remain_credits"), 995);
    let failed = bench.ai33_poll("a1", &text_of(&submitted, "/task_id")).await;
    assert_eq!(of(&failed, "/status"), "error");
    assert_eq!(of(&failed, "/error_message"), "elevenlabs_voice_not_found");
    assert_eq!(bench.credits("a"), 1_000, "given back");
    assert_eq!(bench.server.counters().refunded, 5);
}

#[tokio::test]
async fn ai33_calls_back_with_what_a_poll_would_say() {
    let receiver = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let receive_url = format!("http://{}/hook?id=7", receiver.local_addr().unwrap());
    for pace in [Pace::fixed(Duration::from_millis(1)), Pace::Polls(0)] {
        let bench = Bench::with_two_accounts(ServerSettings { pace, ..ServerSettings::ai33() }).await;
        let request = json!({ "text": "hi", "model_id": "eleven_v3", "receive_url": receive_url });
        let sent = bench.post("a1", &format!("/v1/text-to-speech/{VOICE}")).json(&request);
        let task = text_of(&body(sent.send().await.unwrap(), 200).await, "/task_id");
        if let Pace::Polls(_) = pace {
            bench.ai33_poll("a1", &task).await;
        }
        let (mut stream, _) = receiver.accept().await.unwrap();
        let hook = read_request(&mut stream).await;
        assert!(hook.starts_with("POST /hook?id=7 HTTP/1.1"), "{hook}");
        let (_, json) = hook.split_once("\r\n\r\n").unwrap();
        let json: Value = serde_json::from_str(json).unwrap();
        assert_eq!((of(&json, "/id"), of(&json, "/status")), (json!(task), json!("done")));
    }
}

/// Reads an HTTP request with a JSON object as its body.
async fn read_request(stream: &mut tokio::net::TcpStream) -> String {
    let mut request = Vec::new();
    while request.last() != Some(&b'}') {
        stream.readable().await.unwrap();
        let mut part = [0; 4096];
        match stream.try_read(&mut part) {
            Ok(0) => break,
            Ok(count) => request.extend_from_slice(&part[..count]),
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
            Err(error) => panic!("{error}"),
        }
    }
    String::from_utf8(request).unwrap()
}

#[tokio::test]
async fn a_list_of_ai33_is_one_poll_that_sees_many_tasks() {
    let limits = Limits { account_calls: Some(Limit::recorded(5)), ..Limits::none() };
    let bench = Bench::with_two_accounts(ServerSettings { pace: Pace::Polls(1), ..counting(limits) }).await;
    for text in ["one", "two", "three"] {
        bench.ai33_task("a1", text).await;
    }
    let list = async || {
        let page = bench.json("a2", "/v1/tasks?limit=100").await;
        let states: Vec<String> =
            of(&page, "/data").as_array().unwrap().iter().map(|task| text_of(task, "/status")).collect();
        states
    };
    assert_eq!(list().await, ["doing"; 3]);
    assert_eq!(list().await, ["done"; 3]);
    assert_eq!(bench.server.violations(), []);
    bench.server.next_poll(PollFault::Break(Broken::Html(502)));
    let broken = bench.get("a1", "/v1/tasks?limit=100").send().await.unwrap();
    assert_eq!(broken.status(), StatusCode::BAD_GATEWAY);
    assert_eq!(bench.server.violations()[0].observed, 6, "three submits and three lists");
}

// Formats: AI84

#[tokio::test]
async fn ai84_creates_with_201_or_200_and_polls_in_two_casings() {
    let bench = Bench::with_two_accounts(ServerSettings::ai84()).await;
    let elevenlabs = body(bench.ai84("a1", "hello").await, 201).await;
    assert_eq!(of(&elevenlabs, "/status"), "queued");
    assert_eq!(of(&elevenlabs, "/credit_cost"), 5);
    let job = text_of(&elevenlabs, "/job_id");
    assert_eq!(text_of(&elevenlabs, "/task_id"), job);
    let minimax = body(bench.ai84_minimax("a1", json!({ "with_transcript": true })).await, 200).await;
    assert_eq!(of(&minimax, "/credit_cost"), 5, "1.25 credits per character");
    assert_eq!(minimax.get("task_id"), None);

    let camel = bench.json("a1", &format!("/v2/text-to-speech/async/{job}")).await;
    assert_eq!(of(&camel, "/job/status"), "done");
    assert_eq!(of(&camel, "/job/credit_cost"), 5, "the one exception in snake_case");
    assert_eq!(of(&camel, "/job/transcriptUrl"), Value::Null);
    assert_eq!(of(&camel, "/job/voiceId"), VOICE);
    let job = text_of(&minimax, "/job_id");
    let both = bench.json("a1", &format!("/v2/text-to-speech/async/{job}")).await;
    text_of(&both, "/job/audioUrl");
    let snake = bench.json("a1", &format!("/v1/minimax/text-to-speech/async/{job}")).await;
    text_of(&snake, "/job/transcript_url");
    let audio = bench.http.get(text_of(&snake, "/job/audio_url")).send().await.unwrap();
    assert_eq!(audio.headers()["content-type"], "audio/mpeg");

    let snake = Dialect { casing: Casing::Snake, urls: Urls::Relative, ..Dialect::default() };
    bench.server.set_dialect(snake);
    let snake = bench.json("a1", &format!("/v2/text-to-speech/async/{job}")).await;
    let relative = text_of(&snake, "/job/audio_url");
    assert!(relative.starts_with("/cdn/"), "{relative}");
    let audio = bench.http.get(format!("{}{relative}", bench.server.url())).send().await.unwrap();
    assert_eq!(audio.status(), StatusCode::OK);
}

#[tokio::test]
async fn ai84_queues_then_works() {
    let bench =
        Bench::with_two_accounts(ServerSettings { pace: Pace::Polls(2), ..ServerSettings::ai84() }).await;
    let job = text_of(&body(bench.ai84("a1", "hello").await, 201).await, "/job_id");
    let mut states = Vec::new();
    for _ in 0..3 {
        let job = bench.json("a1", &format!("/v2/text-to-speech/async/{job}")).await;
        states.push((text_of(&job, "/job/status"), of(&job, "/job/queuePosition")));
    }
    let state = |name: &str, position| (name.to_owned(), position);
    let expected = [state("queued", json!(1)), state("processing", Value::Null), state("done", Value::Null)];
    assert_eq!(states, expected);
}

#[tokio::test]
async fn ai84_misses_a_voice_before_or_after_by_engine() {
    let bench = Bench::with_two_accounts(ServerSettings::ai84()).await;
    bench.server.forget_voice(VOICE);
    bench.server.forget_voice("Chinese_gentle_lady");
    let refused = body(bench.ai84_minimax("a1", json!({})).await, 404).await;
    assert_eq!(of(&refused, "/error"), "VOICE_NOT_FOUND");
    assert_eq!(bench.credits("a"), 1_000);
    let without = json!({ "text": "hello" });
    let without = bench.post("a1", "/v1/minimax/text-to-speech/async").json(&without).send().await.unwrap();
    assert_eq!(of(&body(without, 400).await, "/message"), "canonical_voice_id is required");

    let job = text_of(&body(bench.ai84("a1", "hello").await, 201).await, "/job_id");
    let failed = bench.json("a1", &format!("/v2/text-to-speech/async/{job}")).await;
    assert_eq!(of(&failed, "/job/status"), "failed");
    assert_eq!(of(&failed, "/job/errorMessageKey"), "internal.VOICE_NOT_FOUND_LOCAL");
    assert_eq!(of(&failed, "/job/errorCategory"), 1);
}

#[tokio::test]
async fn ai84_jobs_fail_in_two_categories_and_keep_the_charge_or_not() {
    let bench = Bench::with_two_accounts(ServerSettings::ai84()).await;
    for (fault, category, cost) in [
        (TaskFault::UserError(Charge::Kept), 1, 5),
        (TaskFault::UserError(Charge::Refunded), 1, 0),
        (TaskFault::ServerError(Charge::Kept), 2, 5),
        (TaskFault::ServerError(Charge::Refunded), 2, 0),
    ] {
        bench.server.set_credits("a", 100);
        bench.server.next_task(fault);
        let job = text_of(&body(bench.ai84("a1", "hello").await, 201).await, "/job_id");
        assert_eq!(bench.credits("a"), 95, "charged at create");
        let failed = bench.json("a1", &format!("/v2/text-to-speech/async/{job}")).await;
        assert_eq!(of(&failed, "/job/errorCategory"), category, "{fault:?}");
        assert_eq!(of(&failed, "/job/credit_cost"), cost, "{fault:?}");
        assert_eq!(bench.credits("a"), 100 - cost, "{fault:?}");
    }
}

#[tokio::test]
async fn ai84_tells_credits_prices_models_and_voices() {
    let bench = Bench::with_two_accounts(ServerSettings::ai84()).await;
    assert_eq!(of(&bench.json("a1", "/v1/credits").await, "/credits"), 1_000);
    let asked = json!({ "serviceType": "tts", "provider": "minimax", "baseAmount": 4, "options": {} });
    let url = format!("{}/v1/estimate-credit-cost", bench.server.url());
    let cost = bench.http.post(url).json(&asked).send().await.unwrap();
    assert_eq!(of(&body(cost, 200).await, "/cost"), 5, "without a key");
    assert_eq!(of(&bench.json("a1", "/v1/models").await, "/data").as_array().unwrap().len(), 6);
    assert_eq!(of(&bench.json("a1", "/v1/minimax/models").await, "/data").as_array().unwrap().len(), 10);
    let first = bench.json("a1", "/v1/shared-voices?page_size=1&page=0").await;
    assert_eq!((of(&first, "/voices/0/voice_id"), of(&first, "/has_more")), (json!(VOICE), json!(true)));
    let second = bench.json("a1", "/v1/minimax/voices?page_size=1&page=2").await;
    assert_eq!(of(&second, "/data/0/canonical_voice_id"), "Vietnamese_kindhearted_girl");
    assert_eq!(of(&bench.json("a1", "/v1/minimax/voices/cloned").await, "/data"), json!([]));
}

#[tokio::test]
async fn ai84_refuses_free_accounts_and_the_agents_of_libraries() {
    let bench = Bench::new(
        ServerSettings::ai84().with_accounts([Account::new("free", 1_000).key("k", "k").on(Plan::Free)]),
    )
    .await;
    assert_eq!(of(&body(bench.ai84("k", "hello").await, 403).await, "/error"), "PAID_ACCOUNT_REQUIRED");
    for agent in ["", "python-requests/2.32", "reqwest/0.13"] {
        let blocked = bench.get("k", "/v1/credits").header("user-agent", agent).send().await.unwrap();
        assert_eq!(blocked.status(), StatusCode::FORBIDDEN, "{agent:?}");
        assert!(blocked.headers()["content-type"].to_str().unwrap().starts_with("text/html"));
        assert!(blocked.text().await.unwrap().contains("1010"));
    }
    bench.server.set_edge(Edge::Open);
    let agent = bench.get("k", "/v1/credits").header("user-agent", "reqwest/0.13").send().await.unwrap();
    assert_eq!(agent.status(), StatusCode::OK);
}

#[tokio::test]
async fn a_client_identifier_is_ignored_or_joins_the_calls() {
    let bench = Bench::with_two_accounts(ServerSettings::ai84()).await;
    let submit = async || {
        let answer = bench.ai84_minimax("a1", json!({ "client_task_uuid": "attempt-1" })).await;
        text_of(&body(answer, 200).await, "/job_id")
    };
    let (first, second) = (submit().await, submit().await);
    assert_ne!(first, second);
    assert_eq!(bench.server.counters().repeated_client_ids, 1);
    assert_eq!(bench.server.log()[0].client_id.as_deref(), Some("attempt-1"));
    bench.server.set_dialect(Dialect { client_ids: ClientIds::Deduplicated, ..Dialect::default() });
    assert_eq!(submit().await, second);
    assert_eq!(bench.server.log()[2].outcome, Outcome::Joined { task: second.clone() });
    assert_eq!(bench.credits("a"), 1_000 - 10, "charged twice, not three times");
}

// Formats: ElevenLabs

#[tokio::test]
async fn elevenlabs_answers_with_audio_and_its_cost() {
    let bench = Bench::with_two_accounts(ServerSettings::elevenlabs()).await;
    let spoken = bench.elevenlabs("a1", json!({ "text": "hello", "model_id": "eleven_flash_v2_5" })).await;
    assert_eq!(spoken.headers()["content-type"], "audio/mpeg");
    assert_eq!(spoken.headers()["character-cost"], "3", "half a credit per character, rounded up");
    assert_eq!(spoken.headers()["current-concurrent-requests"], "1");
    assert_eq!(spoken.headers()["maximum-concurrent-requests"], "30");
    assert!(!spoken.headers()["request-id"].is_empty());
    assert_eq!(audio::texts_in_mp3(&spoken.bytes().await.unwrap()), [audio::digest("hello")]);

    let path = format!("/v1/text-to-speech/{VOICE}/with-timestamps?output_format=pcm_16000");
    let timed = bench.post("a1", &path).json(&json!({ "text": "hello" })).send().await.unwrap();
    let timed = body(timed, 200).await;
    assert_eq!(of(&timed, "/alignment/characters/4"), "o");
    assert_eq!(of(&timed, "/alignment/character_end_times_seconds/4"), 0.3);
    assert_eq!(text_of(&timed, "/audio_base64").len(), 4 * 9_600_usize.div_ceil(3));

    let subscription = bench.json("a1", "/v1/user/subscription").await;
    assert_eq!(of(&subscription, "/character_count"), 8);
    assert_eq!(of(&subscription, "/character_limit"), 1_000);
    assert_eq!(of(&bench.json("a1", "/v1/user").await, "/subscription/tier"), "scale");
    assert_eq!(of(&bench.json("a1", "/v1/models").await, "/1/maximum_text_length_per_request"), 3_000);
}

#[tokio::test]
async fn elevenlabs_lists_and_clones_voices() {
    let bench = Bench::with_two_accounts(ServerSettings::elevenlabs()).await;
    let form = multipart::Form::new()
        .text("name", "Mai")
        .part("files", multipart::Part::bytes(vec![1; 10]).file_name("a.mp3"));
    let cloned = bench.post("a1", "/v1/voices/add").multipart(form).send().await.unwrap();
    let id = text_of(&body(cloned, 200).await, "/voice_id");
    assert_eq!(of(&bench.json("a1", "/v1/voices").await, "/voices/4/voice_id"), id.as_str());
    let page = bench.json("a1", "/v2/voices?page_size=3").await;
    assert_eq!((of(&page, "/has_more"), of(&page, "/total_count")), (json!(true), json!(5)));
    let token = text_of(&page, "/next_page_token");
    let page = bench.json("a1", &format!("/v2/voices?page_size=3&next_page_token={token}")).await;
    assert_eq!((of(&page, "/has_more"), of(&page, "/voices/1/category")), (json!(false), json!("cloned")));
}

#[tokio::test]
async fn elevenlabs_writes_errors_in_three_shapes() {
    let bench = Bench::with_two_accounts(ServerSettings::elevenlabs()).await;
    let missing = body(bench.elevenlabs("a1", json!({ "model_id": "eleven_v3" })).await, 422).await;
    assert_eq!(of(&missing, "/detail/0/loc"), json!(["body", "text"]));

    bench.server.set_credits("a", 2);
    let poor = body(bench.elevenlabs("a1", json!({ "text": "hello" })).await, 401).await;
    assert_eq!(of(&poor, "/detail/status"), "quota_exceeded");
    bench.server.set_dialect(Dialect { elevenlabs_errors: ElevenLabsErrors::Newer, ..Dialect::default() });
    let poor = body(bench.elevenlabs("a1", json!({ "text": "hello" })).await, 401).await;
    assert_eq!(of(&poor, "/detail/code"), "quota_exceeded");
    assert_eq!(of(&poor, "/detail/type"), "authentication_error");

    for (status, word) in
        [(401, "missing_permissions"), (402, "paid_plan_required"), (500, "something_went_wrong")]
    {
        bench.server.next_submit(SubmitFault::Refuse(elevenlabs_error(
            ElevenLabsErrors::Classic,
            status,
            word,
        )));
        let refused = body(bench.elevenlabs("a1", json!({ "text": "hello" })).await, status).await;
        assert_eq!(of(&refused, "/detail/status"), word);
    }
    let unknown = body(bench.elevenlabs("nobody", json!({ "text": "hello" })).await, 401).await;
    assert_eq!(of(&unknown, "/detail/code"), "invalid_api_key");
}

#[tokio::test]
async fn elevenlabs_keys_have_scopes_and_quotas() {
    let key = Key { scope: Scope::SpeechOnly, credits_max: Some(6), ..Key::new("k", "k") };
    let account = Account { keys: vec![key], ..Account::new("a", 1_000) };
    let bench = Bench::new(ServerSettings::elevenlabs().with_accounts([account])).await;
    let refused = bench.get("k", "/v1/user/subscription").send().await.unwrap();
    assert_eq!(of(&body(refused, 401).await, "/detail/status"), "missing_permissions");
    assert_eq!(bench.elevenlabs("k", json!({ "text": "hello" })).await.status(), StatusCode::OK);
    let poor = body(bench.elevenlabs("k", json!({ "text": "hello" })).await, 401).await;
    assert_eq!(
        of(&poor, "/detail/status"),
        "quota_exceeded",
        "the account has credits, the key has none left"
    );
}

#[tokio::test]
async fn elevenlabs_limits_concurrency_by_plan_and_group() {
    let account = Account::new("a", 1_000).key("k1", "k1").key("k2", "k2").on(Plan::Free);
    let bench = Bench::new(ServerSettings::elevenlabs().with_accounts([account])).await;
    // Two calls that hang fill the free plan.
    for _ in 0..2 {
        bench.server.next_task(TaskFault::Stuck);
    }
    let running: Vec<_> = (0..2)
        .map(|n| {
            let call = bench
                .post("k1", &format!("/v1/text-to-speech/{VOICE}"))
                .json(&json!({ "text": format!("text {n}") }));
            tokio::spawn(call.send())
        })
        .collect();
    while bench.server.open_tasks() < 2 {
        tokio::task::yield_now().await;
    }
    let full = body(bench.elevenlabs("k2", json!({ "text": "one more" })).await, 429).await;
    assert_eq!(of(&full, "/detail/status"), "too_many_concurrent_requests");
    let turbo = bench.elevenlabs("k2", json!({ "text": "fast", "model_id": "eleven_flash_v2_5" })).await;
    assert_eq!(turbo.status(), StatusCode::OK, "turbo models are counted apart");
    let violations = bench.server.violations();
    assert_eq!(violations.len(), 1);
    assert_eq!((violations[0].max, violations[0].observed), (2, 3));
    assert_eq!(violations[0].who, Who::Account("a".into()));

    for call in running {
        call.abort();
    }
    while bench.server.open_tasks() > 0 {
        tokio::task::yield_now().await;
    }
    assert_eq!(bench.elevenlabs("k2", json!({ "text": "now" })).await.status(), StatusCode::OK);
}

// Formats: MiniMax

#[tokio::test]
async fn minimax_speaks_in_hex_by_url_and_in_events() {
    let bench = Bench::with_two_accounts(ServerSettings::minimax()).await;
    let hex = bench.minimax("a1", json!({})).await;
    assert!(hex.headers().contains_key("trace-id"));
    let hex = body(hex, 200).await;
    assert_eq!(of(&hex, "/base_resp/status_code"), 0);
    assert_eq!(of(&hex, "/extra_info/usage_characters"), 4);
    assert_eq!(of(&hex, "/extra_info/audio_length"), 240);
    let bytes = from_hex(&text_of(&hex, "/data/audio"));
    assert_eq!(of(&hex, "/extra_info/audio_size"), bytes.len());
    assert_eq!(audio::texts_in_mp3(&bytes), [audio::digest("four")]);

    let url = body(bench.minimax("a1", json!({ "output_format": "url" })).await, 200).await;
    let fetched = bench.http.get(text_of(&url, "/data/audio")).send().await.unwrap().bytes().await.unwrap();
    assert_eq!(fetched, bytes);

    let titled = body(bench.minimax("a1", json!({ "subtitle_enable": true })).await, 200).await;
    let titles = bench.http.get(text_of(&titled, "/data/subtitle_file")).send().await.unwrap();
    let titles = body(titles, 200).await;
    assert_eq!(titles, json!([{ "text": "four", "time_begin": 0, "time_end": 240 }]));

    let events = bench.minimax("a1", json!({ "stream": true })).await;
    assert_eq!(events.headers()["content-type"], "text/event-stream");
    let events: Vec<Value> = events
        .text()
        .await
        .unwrap()
        .split("\n\n")
        .filter_map(|event| serde_json::from_str(event.strip_prefix("data: ")?).ok())
        .collect();
    let parts: Vec<u8> = events
        .iter()
        .filter(|event| of(event, "/data/status") == 1)
        .flat_map(|event| from_hex(&text_of(event, "/data/audio")))
        .collect();
    assert_eq!(parts, bytes);
    assert_eq!(of(events.last().unwrap(), "/data/status"), 2);
}

fn from_hex(hex: &str) -> Vec<u8> {
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
}

#[tokio::test]
async fn minimax_bills_the_characters_it_counts_itself() {
    let bench = Bench::with_two_accounts(ServerSettings::minimax()).await;
    bench.server.set_dialect(Dialect { usage: Usage::HanTwice, ..Dialect::default() });
    let spoken = body(bench.minimax("a1", json!({ "text": "a你好" })).await, 200).await;
    assert_eq!(of(&spoken, "/extra_info/usage_characters"), 5);
    assert_eq!(bench.credits("a"), 995);
}

#[tokio::test]
async fn every_minimax_status_comes_inside_a_200() {
    let bench = Bench::with_two_accounts(ServerSettings::minimax()).await;
    let codes = [
        1000, 1001, 1002, 1004, 1008, 1024, 1026, 1027, 1033, 1039, 1041, 1042, 1043, 1044, 2013, 20132,
        2037, 2038, 2039, 2042, 2045, 2048, 2049, 2056,
    ];
    for code in codes {
        bench.server.next_submit(SubmitFault::Refuse(minimax_status(code)));
        let refused = body(bench.minimax("a1", json!({})).await, 200).await;
        assert_eq!(of(&refused, "/base_resp/status_code"), code);
        assert_eq!(of(&refused, "/data"), Value::Null);
    }
    assert_eq!(bench.credits("a"), 1_000);
    for (refusal, code) in [
        (Refusal::Busy, 1033),
        (Refusal::RateLimited { retry_after_s: None }, 1002),
        (Refusal::OutOfCredit, 1008),
        (Refusal::Moderated, 1026),
        (Refusal::Unauthorized, 1004),
    ] {
        bench.server.next_submit(SubmitFault::Refuse(refusal));
        let refused = body(bench.minimax("a1", json!({})).await, 200).await;
        assert_eq!(of(&refused, "/base_resp/status_code"), code);
    }
    bench.server.next_task(TaskFault::Moderated(Charge::Refunded));
    let output = body(bench.minimax("a1", json!({})).await, 200).await;
    assert_eq!(of(&output, "/base_resp/status_code"), 1027);
    let unknown = body(bench.minimax("nobody", json!({})).await, 200).await;
    assert_eq!(of(&unknown, "/base_resp/status_code"), 2049);
    let empty = body(bench.minimax("a1", json!({ "text": "" })).await, 200).await;
    assert_eq!(of(&empty, "/base_resp/status_code"), 2013);
}

#[tokio::test]
async fn minimax_speaks_long_texts_in_three_steps() {
    let bench =
        Bench::with_two_accounts(ServerSettings { pace: Pace::Polls(1), ..ServerSettings::minimax() }).await;
    let form = multipart::Form::new()
        .text("purpose", "t2a_async_input")
        .part("file", multipart::Part::bytes(b"a long text".to_vec()).file_name("text.txt"));
    let uploaded =
        body(bench.post("a1", "/v1/files/upload").multipart(form).send().await.unwrap(), 200).await;
    let text_file = of(&uploaded, "/file/file_id");
    let request = |file: Value| {
        let voice = json!({ "voice_id": "Chinese_gentle_lady" });
        json!({ "model": "speech-2.8-hd", "text_file_id": file, "voice_setting": voice })
    };
    let url = "/v1/t2a_async_v2";
    let string = request(text_file.to_string().into());
    let refused = body(bench.post("a1", url).json(&string).send().await.unwrap(), 200).await;
    assert_eq!(of(&refused, "/base_resp/status_code"), 2013, "the id must be a number");

    let submitted = body(bench.post("a1", url).json(&request(text_file)).send().await.unwrap(), 200).await;
    assert_eq!(of(&submitted, "/usage_characters"), 11);
    let path = format!("/v1/query/t2a_async_query_v2?task_id={}", of(&submitted, "/task_id"));
    assert_eq!(of(&bench.json("a1", &path).await, "/status"), "Processing");
    let file = of(&submitted, "/file_id");
    let early = bench.json("a1", &format!("/v1/files/retrieve?file_id={file}")).await;
    assert_eq!(of(&early, "/base_resp/status_code"), 2013);
    assert_eq!(of(&bench.json("a1", &path).await, "/status"), "Success");
    bench.server.set_dialect(Dialect { status_case: StatusCase::Lower, ..Dialect::default() });
    assert_eq!(of(&bench.json("a1", &path).await, "/status"), "success");

    let retrieved = bench.json("a1", &format!("/v1/files/retrieve?file_id={file}")).await;
    let tar = bench
        .http
        .get(text_of(&retrieved, "/file/download_url"))
        .send()
        .await
        .unwrap()
        .bytes()
        .await
        .unwrap();
    assert_eq!(of(&retrieved, "/file/bytes"), tar.len());
    let files = untar(&tar);
    assert!(
        files[0].0.ends_with(".mp3") && files[1].0.ends_with(".titles") && files[2].0.ends_with(".extra")
    );
    assert_eq!(audio::texts_in_mp3(&files[0].1), [audio::digest("a long text")]);
    let content =
        bench.get("a1", &format!("/v1/files/retrieve_content?file_id={file}")).send().await.unwrap();
    assert_eq!(content.bytes().await.unwrap(), tar);
    let foreign = bench.json("b1", &format!("/v1/files/retrieve?file_id={file}")).await;
    assert_eq!(of(&foreign, "/base_resp/status_code"), 2013);
}

/// Names and contents of the files of a tar archive.
fn untar(mut tar: &[u8]) -> Vec<(String, Vec<u8>)> {
    let mut files = Vec::new();
    while tar[0] != 0 {
        let name =
            String::from_utf8(tar[..100].iter().copied().take_while(|&byte| byte != 0).collect()).unwrap();
        let octal = |field: &[u8]| {
            u32::from_str_radix(std::str::from_utf8(field).unwrap().trim_matches(['\0', ' ']), 8).unwrap()
        };
        let size = octal(&tar[124..136]) as usize;
        let blank = tar[148..156].iter().map(|&byte| u32::from(byte)).sum::<u32>();
        let sum = tar[..512].iter().map(|&byte| u32::from(byte)).sum::<u32>() - blank + 8 * u32::from(b' ');
        assert_eq!(octal(&tar[148..156]), sum, "checksum of {name}");
        files.push((name, tar[512..512 + size].to_vec()));
        tar = &tar[512 + size.next_multiple_of(512)..];
    }
    files
}

#[tokio::test]
async fn a_minimax_clone_is_billed_and_listed_with_its_first_use() {
    let bench =
        Bench::with_two_accounts(ServerSettings { clone_fee: 300, ..ServerSettings::minimax() }).await;
    let form = multipart::Form::new()
        .text("purpose", "voice_clone")
        .part("file", multipart::Part::bytes(vec![1; 100]).file_name("a.mp3"));
    let uploaded =
        body(bench.post("a1", "/v1/files/upload").multipart(form).send().await.unwrap(), 200).await;
    let file = of(&uploaded, "/file/file_id");
    let clone = async |voice: &str| {
        let request = json!({ "file_id": file, "voice_id": voice });
        let cloned =
            body(bench.post("a1", "/v1/voice_clone").json(&request).send().await.unwrap(), 200).await;
        of(&cloned, "/base_resp/status_code")
    };
    assert_eq!(clone("short").await, 20132);
    assert_eq!(clone("1starts-with-a-digit").await, 20132);
    assert_eq!(clone("Mai-voice-1").await, 0);
    assert_eq!(clone("Mai-voice-1").await, 2039);
    assert_eq!(clone("Never-used-1").await, 0);
    assert_eq!(bench.credits("a"), 1_000, "not billed yet");

    let mine = async || {
        let request = json!({ "voice_type": "voice_cloning" });
        let voices = body(bench.post("a1", "/v1/get_voice").json(&request).send().await.unwrap(), 200).await;
        of(&voices, "/voice_cloning").as_array().unwrap().len()
    };
    assert_eq!(mine().await, 0);
    let speak = async |key: &str, voice: &str| {
        let spoken = bench.minimax(key, json!({ "voice_setting": { "voice_id": voice } })).await;
        of(&body(spoken, 200).await, "/base_resp/status_code")
    };
    assert_eq!(speak("b1", "Mai-voice-1").await, 2042, "another account's voice");
    assert_eq!(speak("a1", "Mai-voice-1").await, 0);
    assert_eq!(bench.credits("a"), 1_000 - 4 - 300);
    assert_eq!(speak("a2", "Mai-voice-1").await, 0);
    assert_eq!(bench.credits("a"), 1_000 - 8 - 300, "billed once");
    assert_eq!(mine().await, 1);

    bench.upstreams.advance(Duration::from_hours(168));
    speak("a1", "Mai-voice-1").await;
    assert_eq!(clone("Never-used-1").await, 0, "it was deleted, so the id is free again");
    let delete = json!({ "voice_type": "voice_cloning", "voice_id": "Mai-voice-1" });
    let deleted = body(bench.post("a1", "/v1/delete_voice").json(&delete).send().await.unwrap(), 200).await;
    assert_eq!(of(&deleted, "/voice_id"), "Mai-voice-1");
}

// Misbehaviour

#[tokio::test]
async fn ai33_is_busy_openly_or_inside_a_200_and_limits_with_a_hint() {
    let bench = Bench::with_two_accounts(ServerSettings::ai33()).await;
    for (refusal, status) in [(Refusal::Busy, 503), (Refusal::BusyInsideSuccess, 200)] {
        bench.server.next_submit(SubmitFault::Refuse(refusal));
        let busy = body(bench.ai33("a1", "hello").await, status).await;
        assert_eq!((of(&busy, "/success"), of(&busy, "/code")), (json!(false), json!("server_busy")));
    }
    bench.server.next_submit(SubmitFault::Refuse(Refusal::RateLimited { retry_after_s: Some(7) }));
    let limited = bench.ai33("a1", "hello").await;
    assert_eq!(limited.status(), StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(limited.headers()["retry-after"], "7");
    assert_eq!(bench.credits("a"), 1_000);
}

#[tokio::test]
async fn a_401_of_ai33_means_a_dead_key_only_if_the_credits_call_says_so_too() {
    let bench = Bench::with_two_accounts(ServerSettings::ai33()).await;
    bench.server.next_submit(SubmitFault::Refuse(Refusal::Unauthorized));
    let ambiguous = body(bench.ai33("a1", "hello").await, 401).await;
    bench.json("a1", "/v1/credits").await;

    bench.server.kill_key("a/a1");
    assert_eq!(body(bench.ai33("a1", "hello").await, 401).await, ambiguous, "they look alike");
    assert_eq!(bench.get("a1", "/v1/credits").send().await.unwrap().status(), StatusCode::UNAUTHORIZED);
    bench.json("a2", "/v1/credits").await;
    bench.server.revive_key("a/a1");
    bench.ai33_task("a1", "hello").await;

    bench.server.next_submit(SubmitFault::KillKey);
    assert_eq!(bench.ai33("a2", "hello").await.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(bench.ai33("a2", "hello").await.status(), StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn missing_credits_are_told_in_every_documented_way() {
    let ways = [
        (OutOfCredit::AsDocumented, 401, 402),
        (OutOfCredit::PaymentRequired, 402, 402),
        (OutOfCredit::BadRequest, 400, 400),
        (OutOfCredit::InsideSuccess, 200, 200),
    ];
    let ai33 = Bench::with_two_accounts(ServerSettings::ai33()).await;
    let ai84 = Bench::with_two_accounts(ServerSettings::ai84()).await;
    for (out_of_credit, ai33_status, ai84_status) in ways {
        for bench in [&ai33, &ai84] {
            bench.server.set_credits("a", 4);
            bench.server.set_dialect(Dialect { out_of_credit, ..Dialect::default() });
        }
        let refused = [
            body(ai33.ai33("a1", "hello").await, ai33_status).await,
            body(ai84.ai84("a1", "hello").await, ai84_status).await,
        ];
        for refused in refused {
            assert_eq!(of(&refused, "/message"), "Insufficient credits");
        }
        assert_eq!((ai33.credits("a"), ai84.credits("a")), (4, 4));
    }
}

#[tokio::test]
async fn error_texts_numbers_and_refunds_come_in_every_form_that_was_seen() {
    let bench = Bench::with_two_accounts(ServerSettings::ai33()).await;
    for (error_field, pointer) in [
        (ErrorField::Message, "/message"),
        (ErrorField::ErrorMessage, "/error_message"),
        (ErrorField::Error, "/error"),
        (ErrorField::ErrorObject, "/error/message"),
        (ErrorField::Errors, "/errors/0/message"),
        (ErrorField::Detail, "/detail"),
        (ErrorField::DetailObject, "/detail/message"),
        (ErrorField::BaseResp, "/base_resp/status_msg"),
    ] {
        bench.server.set_dialect(Dialect { error_field, ..Dialect::default() });
        let refused =
            bench.post("a1", &format!("/v1/text-to-speech/{VOICE}")).json(&json!({ "text": "hello" }));
        let refused = body(refused.send().await.unwrap(), 400).await;
        assert_eq!(of(&refused, pointer), "model_id is required");
    }
    let strings =
        Dialect { numbers: Numbers::Strings, refund_field: RefundField::RefundCredits, ..Dialect::default() };
    bench.server.set_dialect(strings);
    bench.server.next_task(TaskFault::Stuck);
    let submitted = body(bench.ai33("a1", "hello").await, 200).await;
    assert_eq!(of(&submitted, "/ec_remain_credits"), "995");
    let task = text_of(&submitted, "/task_id");
    assert_eq!(of(&bench.ai33_poll("a1", &task).await, "/credit_cost"), "5");
    let delete = bench.post("a1", "/v1/task/delete").json(&json!({ "task_ids": [task] }));
    assert_eq!(of(&body(delete.send().await.unwrap(), 200).await, "/refund_credits"), "5");
}

#[tokio::test]
async fn accepted_tasks_fail_hang_and_are_moderated() {
    let bench = Bench::with_two_accounts(ServerSettings::ai33()).await;
    for (fault, word) in [
        (TaskFault::Moderated(Charge::Refunded), "Terms of Service"),
        (TaskFault::ServerError(Charge::Refunded), "provider error"),
        (TaskFault::UserError(Charge::Refunded), "invalid parameter"),
    ] {
        bench.server.next_task(fault);
        let task = bench.ai33_task("a1", "hello").await;
        let failed = bench.ai33_poll("a1", &task).await;
        assert_eq!(of(&failed, "/status"), "error");
        assert!(text_of(&failed, "/error_message").contains(word), "{failed}");
        assert_eq!(bench.credits("a"), 1_000);
    }
    bench.server.set_pace(Pace::fixed(Duration::from_secs(5)));
    bench.server.next_task(TaskFault::Stuck);
    let (stuck, timed) = (bench.ai33_task("a1", "hello").await, bench.ai33_task("a1", "hello").await);
    assert_eq!(of(&bench.ai33_poll("a1", &timed).await, "/status"), "doing");
    bench.upstreams.advance(15 * MINUTE);
    assert_eq!(of(&bench.ai33_poll("a1", &timed).await, "/status"), "done");
    assert_eq!(of(&bench.ai33_poll("a1", &stuck).await, "/status"), "doing");
    assert_eq!(bench.server.open_tasks(), 1);
}

#[tokio::test]
async fn polls_fail_while_the_task_goes_on() {
    let bench =
        Bench::with_two_accounts(ServerSettings { pace: Pace::Polls(1), ..ServerSettings::ai33() }).await;
    let task = bench.ai33_task("a1", "hello").await;
    let path = format!("/v1/task/{task}");
    bench.server.next_poll(PollFault::Break(Broken::Html(502)));
    bench.server.next_poll(PollFault::Refuse(Refusal::Status(500)));
    bench.server.next_poll(PollFault::Break(Broken::Dropped));
    let gateway = bench.get("a1", &path).send().await.unwrap();
    assert_eq!(gateway.status(), StatusCode::BAD_GATEWAY);
    assert!(gateway.text().await.unwrap().starts_with("<html>"));
    assert_eq!(bench.get("a1", &path).send().await.unwrap().status(), StatusCode::INTERNAL_SERVER_ERROR);
    assert!(bench.get("a1", &path).send().await.is_err());
    assert_eq!(of(&bench.ai33_poll("a1", &task).await, "/status"), "doing");
    assert_eq!(of(&bench.ai33_poll("a1", &task).await, "/status"), "done");
    assert_eq!(bench.server.counters().polls, 5);
}

#[tokio::test]
async fn an_answer_can_be_lost_before_or_after_the_charge() {
    for (settings, path) in [
        (ServerSettings::ai33(), "/v1/text-to-speech/voice"),
        (ServerSettings::ai84(), "/v2/text-to-speech/async"),
    ] {
        let bench = Bench::with_two_accounts(settings).await;
        let request = json!({ "text": "hello", "model_id": "eleven_v3", "voice_id": "voice" });
        let submit = || bench.post("a1", path).json(&request).send();
        bench.server.next_submit(SubmitFault::BreakBefore(Broken::Dropped));
        assert!(submit().await.is_err());
        assert_eq!(bench.credits("a"), 1_000);
        bench.server.next_submit(SubmitFault::BreakAfter(Broken::Dropped));
        assert!(submit().await.is_err());
        assert_eq!(bench.credits("a"), 995);
        assert!(submit().await.unwrap().status().is_success());

        let log = bench.server.log();
        assert_eq!(log.iter().map(|submit| submit.nth).collect::<Vec<_>>(), [1, 2, 3]);
        assert_eq!(log[0].outcome, Outcome::Broken(Broken::Dropped));
        assert!(matches!(log[1].outcome, Outcome::AnswerLost { credits: 5, broken: Broken::Dropped, .. }));
        assert!(matches!(log[2].outcome, Outcome::Accepted { credits: 5, .. }));
        assert_eq!(&*log[2].key, "a/a1");
        let resubmitted = bench.server.resubmitted();
        assert_eq!(resubmitted.iter().map(|submit| submit.nth).collect::<Vec<_>>(), [3]);
        let counters = bench.server.counters();
        assert_eq!((counters.submits, counters.accepted, counters.answers_lost), (3, 2, 1));
        assert_eq!((counters.repeated_texts, counters.charged), (1, 10));
    }
}

#[tokio::test]
async fn answers_break_in_every_way() {
    let bench = Bench::with_two_accounts(ServerSettings::elevenlabs()).await;
    let broken = async |broken| {
        bench.server.next_submit(SubmitFault::BreakAfter(broken));
        bench.elevenlabs("a1", json!({ "text": "hello" })).await
    };
    let empty = broken(Broken::Empty).await;
    assert_eq!((empty.status(), empty.bytes().await.unwrap().len()), (StatusCode::OK, 0));
    let half = broken(Broken::Half).await;
    assert_eq!(half.status(), StatusCode::OK);
    assert!(half.bytes().await.is_err(), "cut in the middle");
    let mut endless = broken(Broken::Endless).await;
    assert_eq!(endless.content_length(), None);
    let mut read = 0;
    while read < 1 << 20 {
        read += endless.chunk().await.unwrap().expect("no end").len();
    }
    drop(endless);
    assert_eq!(broken(Broken::TenGigabytes).await.content_length(), Some(10_000_000_000));
    assert_eq!(broken(Broken::Html(504)).await.status(), StatusCode::GATEWAY_TIMEOUT);
    assert_eq!(broken(Broken::Cloudflare1010).await.status(), StatusCode::FORBIDDEN);

    bench.server.next_submit(SubmitFault::BreakBefore(Broken::Silent));
    let silent = bench.post("a1", &format!("/v1/text-to-speech/{VOICE}")).json(&json!({ "text": "hello" }));
    let silent = silent.timeout(Duration::from_millis(50)).send().await;
    assert!(silent.is_err_and(|error| error.is_timeout()));

    bench.server.begin_outage(Broken::Dropped);
    assert!(bench.get("a1", "/v1/voices").send().await.is_err());
    bench.server.end_outage();
    bench.json("a1", "/v1/voices").await;
}

#[tokio::test]
async fn result_urls_are_signed_expire_and_take_no_key() {
    let bench = Bench::with_two_accounts(ServerSettings::ai33()).await;
    let task = bench.ai33_task("a1", "hello").await;
    let url = text_of(&bench.ai33_poll("a1", &task).await, "/metadata/audio_url");
    let fetch = async || bench.http.get(&url).send().await.unwrap();
    assert_eq!(fetch().await.status(), StatusCode::OK);
    let forged = url.replace("expires=", "expires=9");
    assert_eq!(bench.http.get(forged).send().await.unwrap().status(), StatusCode::FORBIDDEN);
    let leaked = bench.http.get(&url).header("xi-api-key", "a1").send().await.unwrap();
    assert_eq!(leaked.status(), StatusCode::BAD_REQUEST);
    assert_eq!(bench.server.counters().keys_leaked, 1);

    for (fault, status) in [
        (DownloadFault::Expired, 403),
        (DownloadFault::Missing, 404),
        (DownloadFault::Unavailable, 503),
        (DownloadFault::NotAudio, 200),
    ] {
        bench.server.next_download(fault);
        let answer = fetch().await;
        assert_eq!(answer.status().as_u16(), status, "{fault:?}");
        assert!(!answer.headers()["content-type"].to_str().unwrap().starts_with("audio"), "{fault:?}");
    }
    bench.server.next_download(DownloadFault::Break(Broken::Half));
    assert!(fetch().await.bytes().await.is_err());
    bench.upstreams.advance(11 * MINUTE);
    assert_eq!(fetch().await.status(), StatusCode::FORBIDDEN);
    let fresh = text_of(&bench.ai33_poll("a1", &task).await, "/metadata/audio_url");
    assert_eq!(bench.http.get(fresh).send().await.unwrap().status(), StatusCode::OK);
}

#[tokio::test]
async fn chance_depends_on_the_seed_and_the_text_alone() {
    let met = async |seed: u64, order: &[usize]| {
        let bench = Bench::new(ServerSettings::ai33().with_keys(5)).await;
        bench.server.set_faults(Faults::seeded(seed).on_submit(300, SubmitFault::Refuse(Refusal::Busy)));
        let keys = bench.server.secrets();
        let mut met = BTreeSet::new();
        for &n in order {
            let answer = bench.ai33(&keys[n % 5], &format!("text {n}")).await;
            if answer.status() == StatusCode::SERVICE_UNAVAILABLE {
                met.insert(n);
            }
        }
        met
    };
    let forwards: Vec<usize> = (0..100).collect();
    let backwards: Vec<usize> = (0..100).rev().collect();
    let first = met(1, &forwards).await;
    assert!((15..45).contains(&first.len()), "{first:?}");
    assert_eq!(met(1, &backwards).await, first);
    assert_ne!(met(2, &forwards).await, first);
}

#[tokio::test]
async fn on_a_busy_day_some_things_go_wrong_and_most_do_not() {
    let bench = Bench::new(ServerSettings { faults: Faults::busy_day(3), ..ServerSettings::ai33() }).await;
    let keys = bench.server.secrets();
    for n in 0..500 {
        let request = json!({ "text": format!("text {n}"), "model_id": "eleven_v3" });
        let sent =
            bench.post(&keys[n % 3], &format!("/v1/text-to-speech/{VOICE}")).json(&request).send().await;
        if let Ok(answer) = sent
            && let Ok(accepted) = answer.json::<Value>().await
            && let Some(task) = accepted.get("task_id")
        {
            let task = task.as_str().unwrap();
            drop(bench.get(&keys[n % 3], &format!("/v1/task/{task}")).send().await);
        }
    }
    let counters = bench.server.counters();
    assert!(counters.accepted > 200 && counters.done > 200, "{counters:?}");
    assert!(counters.refused > 10 && counters.answers_lost > 0 && counters.failed > 0, "{counters:?}");
    let spent: i64 = bench.server.accounts().iter().map(|account| account.charged - account.refunded).sum();
    assert_eq!(counters.charged - counters.refunded, spent);
}

// Counting

#[tokio::test]
async fn starts_of_a_key_are_counted_in_an_exact_sliding_window() {
    let limits = Limits { key_starts: Some(Limit::recorded(3)), ..Limits::none() };
    let bench =
        Bench::with_two_accounts(ServerSettings { window: Duration::from_hours(1), ..counting(limits) })
            .await;
    // Starts at 0, 20 and 40 minutes: three in the hour, so all is well.
    for _ in 0..3 {
        bench.ai33_task("a1", "hello").await;
        bench.upstreams.advance(20 * MINUTE);
    }
    assert_eq!(bench.server.violations(), []);
    // At 60 minutes the first has left; the second start here is one too many.
    bench.ai33_task("a1", "hello").await;
    assert_eq!(bench.server.violations(), []);
    bench.ai33_task("a1", "hello").await;
    bench.ai33_task("a2", "hello").await;
    let violations = bench.server.violations();
    assert_eq!(violations.len(), 1);
    assert_eq!(violations[0].who, Who::Key("a/a1".into()));
    assert_eq!((violations[0].limit, violations[0].max, violations[0].observed), (LimitKind::Starts, 3, 4));
    assert_eq!(violations[0].excess, Excess::Served);
    assert!(violations[0].at >= 60 * MINUTE);
    let key = &bench.server.keys()[0];
    assert_eq!((key.starts, key.starts_peak), (5, 4));
}

#[tokio::test]
async fn a_refused_start_is_a_violation_but_counts_in_no_window() {
    let limits = Limits { key_starts: Some(Limit::enforced(2)), ..Limits::none() };
    let bench = Bench::with_two_accounts(counting(limits)).await;
    bench.ai33_task("a1", "hello").await;
    bench.ai33_task("a1", "hello").await;
    for _ in 0..3 {
        let refused = bench.ai33("a1", "hello").await;
        assert_eq!(refused.status(), StatusCode::TOO_MANY_REQUESTS);
        let seconds: u64 = refused.headers()["retry-after"].to_str().unwrap().parse().unwrap();
        assert!((1..=60).contains(&seconds), "{seconds}");
    }
    let observed: Vec<u64> = bench.server.violations().iter().map(|violation| violation.observed).collect();
    assert_eq!(observed, [3, 3, 3]);
    bench.upstreams.advance(MINUTE);
    bench.ai33_task("a1", "hello").await;
    assert_eq!(bench.server.counters().violations, 3);
    assert_eq!(bench.server.keys()[0].starts_peak, 2);
}

#[tokio::test]
async fn tasks_are_in_flight_from_submit_until_they_end() {
    let limits = Limits {
        key_in_flight: Some(Limit::recorded(2)),
        account_in_flight: Some(Limit::recorded(3)),
        ..Limits::none()
    };
    let settings = ServerSettings { pace: Pace::fixed(10 * MINUTE), ..counting(limits) };
    let bench = Bench::with_two_accounts(settings).await;
    bench.ai33_task("a1", "hello").await;
    bench.ai33_task("a1", "hello").await;
    bench.ai33_task("a2", "hello").await;
    assert_eq!(bench.server.violations(), []);
    bench.ai33_task("a1", "hello").await;
    let violations = bench.server.violations();
    let seen: Vec<_> = violations.iter().map(|v| (v.who.clone(), v.limit, v.observed)).collect();
    assert_eq!(
        seen,
        [
            (Who::Key("a/a1".into()), LimitKind::InFlight, 3),
            (Who::Account("a".into()), LimitKind::InFlight, 4),
        ]
    );
    assert_eq!(bench.server.open_tasks(), 4);
    // Nobody polls: the tasks end by the clock all the same.
    bench.upstreams.advance(10 * MINUTE);
    assert_eq!(bench.server.open_tasks(), 0);
    bench.ai33_task("a1", "hello").await;
    assert_eq!(bench.server.violations().len(), 2);
    assert_eq!(bench.server.keys()[0].in_flight_peak, 3);
}

#[tokio::test]
async fn one_bucket_of_an_account_holds_the_submits_and_polls_of_all_its_keys() {
    let limits = Limits { account_calls: Some(Limit::enforced(4)), ..Limits::none() };
    let bench = Bench::with_two_accounts(counting(limits)).await;
    let task = bench.ai33_task("a1", "hello").await;
    bench.ai33_task("a2", "hello").await;
    bench.ai33_poll("a1", &task).await;
    bench.ai33_poll("a2", &task).await;
    let poll = bench.get("a1", &format!("/v1/task/{task}")).send().await.unwrap();
    assert_eq!(poll.status(), StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(bench.ai33("a2", "hello").await.status(), StatusCode::TOO_MANY_REQUESTS);
    bench.ai33_task("b1", "hello").await;
    let violations = bench.server.violations();
    assert_eq!(violations.len(), 2);
    assert!(violations.iter().all(|v| v.who == Who::Account("a".into()) && v.limit == LimitKind::Calls));
}

#[tokio::test]
async fn ai84_counts_starts_per_address_and_minimax_per_account() {
    let limits = Limits { ip_starts: Some(Limit::enforced(3)), ..Limits::none() };
    let bench = Bench::with_two_accounts(ServerSettings { limits, ..ServerSettings::ai84() }).await;
    for key in ["a1", "a2", "b1"] {
        body(bench.ai84(key, "hello").await, 201).await;
    }
    let refused = bench.ai84("a1", "hello").await;
    assert_eq!(refused.status(), StatusCode::TOO_MANY_REQUESTS);
    assert!(refused.headers().contains_key("retry-after"));
    assert_eq!(bench.server.violations()[0].who, Who::Ip([127, 0, 0, 1].into()));

    let limits = Limits {
        account_starts: Some(Limit::enforced(2)),
        account_characters: Some(Limit::enforced(10)),
        ..Limits::none()
    };
    let bench = Bench::with_two_accounts(ServerSettings { limits, ..ServerSettings::minimax() }).await;
    let code =
        async |key: &str| of(&body(bench.minimax(key, json!({})).await, 200).await, "/base_resp/status_code");
    assert_eq!((code("a1").await, code("a2").await, code("a1").await), (json!(0), json!(0), json!(1002)));
    let long = body(bench.minimax("b1", json!({ "text": "eleven char" })).await, 200).await;
    assert_eq!(of(&long, "/base_resp/status_code"), 1039);
}

#[tokio::test]
async fn every_violation_of_many_clients_at_once_is_counted_exactly() {
    let limits = Limits { key_starts: Some(Limit::recorded(10)), ..Limits::none() };
    let bench = Bench::new(counting(limits).with_keys(4)).await;
    let keys = bench.server.secrets();
    let url = format!("{}/v1/text-to-speech/{VOICE}", bench.server.url());
    let calls: Vec<_> = (0..200)
        .map(|n| {
            let request = json!({ "text": format!("text {n}"), "model_id": "eleven_v3" });
            let call = bench.http.post(&url).header("xi-api-key", &keys[n % 4]).json(&request);
            tokio::spawn(call.send())
        })
        .collect();
    for call in calls {
        assert_eq!(call.await.unwrap().unwrap().status(), StatusCode::OK);
    }
    // 50 starts per key, of which the 11th to the 50th are too many.
    let violations = bench.server.violations();
    assert_eq!(violations.len(), 4 * 40);
    for key in bench.server.keys() {
        let mut observed: Vec<u64> = violations
            .iter()
            .filter(|v| v.who == Who::Key(Arc::clone(&key.name)))
            .map(|v| v.observed)
            .collect();
        observed.sort_unstable();
        assert_eq!(observed, (11..=50).collect::<Vec<_>>());
    }
    assert_eq!(bench.server.counters().accepted, 200);
    assert_eq!(bench.upstreams.violations().len(), 160);
}

#[tokio::test]
async fn a_third_server_is_its_own() {
    let upstreams = Upstreams::start().await.unwrap();
    let third = upstreams.add("ai99", ServerSettings::ai84().with_keys(1)).await.unwrap();
    let urls: BTreeSet<String> = upstreams.servers().iter().map(|server| server.url().to_owned()).collect();
    assert_eq!(urls.len(), 5);
    let request = json!({ "text": "hello", "voice_id": VOICE });
    let secret = &third.secrets()[0];
    let call = client().post(format!("{}/v2/text-to-speech/async", third.url())).header("xi-api-key", secret);
    assert_eq!(call.json(&request).send().await.unwrap().status(), StatusCode::CREATED);
    assert_eq!((third.counters().accepted, upstreams.ai84().counters().accepted), (1, 0));
}
