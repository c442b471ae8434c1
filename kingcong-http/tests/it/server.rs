//! Scripted servers, and the calls that are made to them.

use std::{
    path::Path,
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{
    Router,
    body::{Body, Bytes, to_bytes},
    extract::Request,
    http::{HeaderMap, Response},
};
use kingcong_core::{
    failure::{Failure, FailureKind, Reached},
    id::{AttemptId, Route, ServerId, ServiceId},
    provider::{Access, Call, Progress, Provider, Reply, Sent, Sink},
    upstream::UpstreamId,
    vault::Secret,
    work::{Audio, AudioFormat, CloneVoice, Output, Speech, Subtitles, VoiceSettings, Work},
};
use kingcong_http::{Settings, Upstreams};
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};
use uuid::Uuid;

/// A server on which nothing listens.
pub(crate) const NOWHERE: &str = "http://127.0.0.1:1";
pub(crate) const SECRET: &str = "sk-canary-7f\"3a/9";
pub(crate) const ATTEMPT: AttemptId =
    AttemptId::from_uuid(Uuid::from_u128(0x0193_2c07_6f2a_7c40_8a3e_6d1f_5b0c_9e21));
pub(crate) const MP3: &[u8] = b"ID3\x04 some speech";

/// A request as a server saw it.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    /// Such as `GET /v1/task/7?full=1`.
    pub(crate) line: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Seen {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).unwrap().to_str().unwrap()
    }
}

/// What a server answers.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    status: u16,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

pub(crate) fn answer(status: u16, body: impl AsRef<[u8]>) -> Answer {
    Answer { status, headers: Vec::new(), body: body.as_ref().to_vec() }
}

pub(crate) fn ok(body: impl AsRef<[u8]>) -> Answer {
    answer(200, body)
}

pub(crate) fn json(body: Value) -> Answer {
    ok(body.to_string())
}

impl Answer {
    pub(crate) fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }
}

/// A server that answers by a script and remembers what it saw.
#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) base_url: String,
    seen: Arc<Mutex<Vec<Seen>>>,
}

impl Server {
    pub(crate) async fn start(script: impl Fn(&Seen) -> Answer + Clone + Send + Sync + 'static) -> Self {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let memory = Arc::clone(&seen);
        let handler = move |request: Request| {
            let (script, memory) = (script.clone(), Arc::clone(&memory));
            async move {
                let (parts, body) = request.into_parts();
                let body = to_bytes(body, usize::MAX).await.unwrap();
                let seen =
                    Seen { line: format!("{} {}", parts.method, parts.uri), headers: parts.headers, body };
                let answer = script(&seen);
                memory.lock().unwrap().push(seen);
                let mut response = Response::builder().status(answer.status);
                for (name, value) in &answer.headers {
                    response = response.header(name, value);
                }
                response.body(Body::from(answer.body)).unwrap()
            }
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base_url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, Router::new().fallback(handler)).await });
        Self { base_url, seen }
    }

    /// A server that always answers so.
    pub(crate) async fn always(answer: Answer) -> Self {
        Self::start(move |_| answer.clone()).await
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    pub(crate) fn lines(&self) -> Vec<String> {
        self.seen().into_iter().map(|seen| seen.line).collect()
    }

    pub(crate) fn only(&self) -> Seen {
        let [seen] = self.seen().try_into().unwrap();
        seen
    }
}

/// What a broken server does once it has read a request.
#[derive(Clone, Debug)]
pub(crate) enum Then {
    /// Writes these bytes and closes.
    Closes(Vec<u8>),
    /// Writes these bytes and never anything more.
    Hangs(Vec<u8>),
    /// Writes these bytes and then chunks for ever.
    NeverEnds(Vec<u8>),
}

/// A server that breaks HTTP; gives its base URL.
pub(crate) async fn broken(then: Then) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base_url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(break_one(stream, then.clone()));
        }
    });
    base_url
}

async fn break_one(mut stream: TcpStream, then: Then) {
    read_request(&mut stream).await;
    match then {
        Then::Closes(bytes) => {
            let _ = stream.write_all(&bytes).await;
            let _ = stream.shutdown().await;
        }
        Then::Hangs(bytes) => {
            let _ = stream.write_all(&bytes).await;
            // Until the client goes away.
            let _ = stream.read(&mut [0; 1]).await;
        }
        Then::NeverEnds(bytes) => {
            let _ = stream.write_all(&bytes).await;
            while stream.write_all(b"1000\r\n").await.is_ok()
                && stream.write_all(&[b'a'; 0x1000]).await.is_ok()
                && stream.write_all(b"\r\n").await.is_ok()
            {}
        }
    }
}

async fn read_request(stream: &mut TcpStream) {
    let mut request = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        let text = String::from_utf8_lossy(&request).to_ascii_lowercase();
        if let Some(end) = text.find("\r\n\r\n") {
            let length = text.split("content-length: ").nth(1).and_then(|rest| rest.split("\r\n").next());
            let length: usize = length.map_or(0, |length| length.parse().unwrap());
            if request.len() >= end + 4 + length {
                return;
            }
        }
        match stream.read(&mut buffer).await {
            Ok(0) | Err(_) => return,
            Ok(count) => request.extend_from_slice(&buffer[..count]),
        }
    }
}

/// The provider of a protocol.
pub(crate) fn provider(protocol: &str) -> Arc<dyn Provider> {
    provider_with(protocol, Settings::default())
}

/// The provider of a protocol that hardly waits for answers.
pub(crate) fn impatient(protocol: &str) -> Arc<dyn Provider> {
    let wait = Duration::from_millis(100);
    provider_with(
        protocol,
        Settings {
            send_timeout: wait,
            synchronous_timeout: wait,
            poll_timeout: wait,
            download_timeout: wait,
            ..Settings::default()
        },
    )
}

fn provider_with(protocol: &str, settings: Settings) -> Arc<dyn Provider> {
    let providers = Upstreams::with_settings(settings).unwrap();
    providers.into_iter().find(|provider| provider.protocol().as_str() == protocol).unwrap()
}

pub(crate) fn access(base_url: &str, service: &str) -> Access {
    Access {
        route: Route::new(ServerId::new("server").unwrap(), ServiceId::new(service).unwrap()),
        base_url: base_url.into(),
        secret: Arc::new(Secret::parse(SECRET).unwrap()),
    }
}

pub(crate) fn speech() -> Speech {
    Speech {
        text: "Xin chào 👋".into(),
        voice: "voice/1".to_owned(),
        model: None,
        format: AudioFormat::Mp3,
        subtitles: Subtitles::No,
        settings: VoiceSettings::default(),
        language: None,
    }
}

pub(crate) fn clone_voice() -> CloneVoice {
    CloneVoice {
        name: "Giọng tôi".to_owned(),
        sample: Bytes::from_static(b"a recording"),
        content_type: "audio/mpeg".to_owned(),
        preview_text: Some("thử".to_owned()),
    }
}

pub(crate) fn call_of(base_url: &str, service: &str, work: Work) -> Call {
    Call {
        attempt: ATTEMPT,
        access: access(base_url, service),
        work: Arc::new(work),
        sink: Sink::Memory { max_bytes: 1 << 20 },
        pieces: None,
    }
}

pub(crate) fn call(base_url: &str, service: &str) -> Call {
    call_of(base_url, service, Work::Speech(speech()))
}

pub(crate) fn with_subtitles(base_url: &str, service: &str) -> Call {
    call_of(base_url, service, Work::Speech(Speech { subtitles: Subtitles::Srt, ..speech() }))
}

pub(crate) fn into_directory(mut call: Call, path: &Path, max_bytes: u64) -> Call {
    call.sink = Sink::Directory { path: path.to_owned(), max_bytes };
    call
}

/// Polls for one task, and fetches what is ready.
pub(crate) async fn poll(provider: &Arc<dyn Provider>, call: Call, id: &str) -> Result<Progress, Failure> {
    let calls = [(call, UpstreamId(id.to_owned()))];
    let polled = provider.poll(&calls, 0).await.pop().unwrap();
    fetch_ready(provider, &calls[0].0, polled).await
}

pub(crate) async fn fetch_ready(
    provider: &Arc<dyn Provider>,
    call: &Call,
    polled: Result<Progress, Failure>,
) -> Result<Progress, Failure> {
    match polled {
        Ok(Progress::Ready(laid)) => provider.fetch(call, &laid).await.map(Progress::Done),
        polled => polled,
    }
}

pub(crate) fn done(sent: Sent) -> Reply {
    match sent {
        Sent::Done(reply) => reply,
        sent => panic!("not done: {sent:?}"),
    }
}

pub(crate) fn finished(progress: Progress) -> Reply {
    match progress {
        Progress::Done(reply) => reply,
        progress => panic!("not done: {progress:?}"),
    }
}

pub(crate) fn failed(progress: Progress) -> Failure {
    match progress {
        Progress::Failed(failure) => failure,
        progress => panic!("not failed: {progress:?}"),
    }
}

pub(crate) fn audio(reply: &Reply) -> &Audio {
    match &reply.output {
        Output::Audio(audio) => audio,
        output => panic!("no audio: {output:?}"),
    }
}

/// A row of an error table: the answer, and what a submit concludes from it.
pub(crate) type Row = (Answer, FailureKind, Reached, &'static str);

/// Checks a table of refusals of a submit: kind, whether it was reached, code.
pub(crate) async fn check_refusals(protocol: &str, service: &str, rows: Vec<Row>) {
    let provider = provider(protocol);
    for (answer, kind, reached, code) in rows {
        let server = Server::always(answer.clone()).await;
        let failure = provider.send(&call(&server.base_url, service)).await.unwrap_err();
        assert_eq!(
            (failure.kind, failure.reached, failure.code.as_deref().unwrap_or_default()),
            (kind, reached, code),
            "{} {}: {failure}",
            answer.status,
            String::from_utf8_lossy(&answer.body),
        );
        assert_eq!(server.seen().len(), 1, "a refusal is not repeated");
    }
}
