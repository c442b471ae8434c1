//! The key appears in no message, no `Debug` output and no trace, whatever an upstream does with it.

use std::{
    io::Write,
    sync::{Arc, Mutex},
};

use kingcong_core::{
    provider::Provider,
    vault::{SCRUBBED, Secret},
};
use serde_json::json;
use tracing_subscriber::fmt::MakeWriter;

use crate::server::{
    Answer, NOWHERE, SECRET, Server, Then, access, answer, broken, call, call_of, clone_voice,
    json as ok_json, ok, poll, provider, with_subtitles,
};

/// Parts that stand in every form in which the secret may be quoted.
const PARTS: [&str; 2] = ["canary-7f", "3a/9"];

#[derive(Clone, Debug, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Log {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

/// Everything that a protocol's doors say when they meet this server.
async fn everything_said(provider: &Arc<dyn Provider>, base_url: &str, service: &str) -> String {
    let access = access(base_url, service);
    let id = kingcong_core::upstream::UpstreamId("t".to_owned());
    let clone = kingcong_core::work::Work::CloneVoice(clone_voice());
    let mut failures = Vec::new();
    failures.extend(provider.send(&call(base_url, service)).await.err());
    failures.extend(provider.send(&with_subtitles(base_url, service)).await.err());
    failures.extend(provider.send(&call_of(base_url, service, clone)).await.err());
    match poll(provider, call(base_url, service), "t").await {
        Ok(kingcong_core::provider::Progress::Failed(failure)) | Err(failure) => failures.push(failure),
        Ok(_) => {}
    }
    failures.extend(provider.drop_work(&access, &id).await.err());
    failures.extend(provider.balance(&access).await.err());
    failures.extend(provider.health(&access).await.err());
    failures.extend(provider.voices(&access, None).await.err());
    let said: Vec<String> = failures.iter().map(|failure| format!("{failure} {failure:?}")).collect();
    format!("{} {provider:?} {access:?}", said.join(" "))
}

fn answers_that_quote_it() -> Vec<Answer> {
    let url = "https://h/?key=sk-canary-7f%223a%2F9";
    let long = format!("{}{SECRET} and again {SECRET}", "a ".repeat(240));
    let words = [format!("Invalid key {SECRET}"), format!("Invalid key at {url}"), long];
    let mut answers = Vec::new();
    for status in [200, 401, 500] {
        for words in &words {
            for body in [
                json!({"success": false, "message": words, "code": SECRET}),
                json!({"success": false, "error": {"message": words, "code": SECRET}}),
                json!({"detail": {"message": words, "status": SECRET}}),
                json!({"detail": [{"loc": ["header", SECRET], "msg": words}]}),
                json!({"base_resp": {"status_code": 1004, "status_msg": words}}),
                json!({"status": "error", "error_message": words, "code": SECRET}),
                json!({"success": true, "job": {"status": "failed", "errorMessage": words, "errorCode": SECRET}}),
            ] {
                answers.push(answer(status, body.to_string()));
            }
            answers.push(answer(status, format!("<html>{words}</html>")));
            answers.push(answer(status, json!({"message": words}).to_string().replace('}', "")));
        }
    }
    answers.push(answer(302, "").with("location", url));
    answers.push(ok_json(
        json!({"status": "done", "metadata": {"audio_url": format!("{NOWHERE}/a?k={SECRET}")}}),
    ));
    answers.push(ok_json(json!({"job": {"status": "done", "audio_url": format!("gopher://{SECRET}/")}})));
    answers.push(ok(SECRET));
    answers
}

#[tokio::test]
async fn the_key_is_said_nowhere() {
    let log = Log::default();
    let subscriber =
        tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE).with_writer(log.clone()).finish();
    // For the whole process: what other tests trace is checked too.
    tracing::subscriber::set_global_default(subscriber).unwrap();
    let mut said = String::new();
    let quoting = answers_that_quote_it();
    let turn = Arc::new(Mutex::new(0));
    let count = quoting.len();
    let counter = Arc::clone(&turn);
    let server = Server::start(move |_| quoting[*counter.lock().unwrap()].clone()).await;
    for (protocol, service) in [
        ("ai33", "elevenlabs"),
        ("ai33", "minimax"),
        ("ai84", "minimax"),
        ("elevenlabs", "elevenlabs"),
        ("minimax", "minimax"),
    ] {
        let provider = provider(protocol);
        for number in 0..count {
            *turn.lock().unwrap() = number;
            said.push_str(&everything_said(&provider, &server.base_url, service).await);
        }
        let quoted = format!("HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n{SECRET}").into_bytes();
        let url = broken(Then::Closes(quoted)).await;
        said.push_str(&everything_said(&provider, &url, service).await);
        said.push_str(&everything_said(&provider, NOWHERE, service).await);
        said.push_str(&everything_said(&provider, &format!("{NOWHERE}/{SECRET}"), service).await.replace(
            // The base URL is the operator's own, and `Access` shows it.
            &format!("{:?}", format!("{NOWHERE}/{SECRET}")),
            "",
        ));
    }
    let log = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    assert!(log.contains("upstream answered"), "the trace was written");
    assert!(said.contains(SCRUBBED), "there was something to take out");
    for part in PARTS {
        for (what, text) in [("messages", &said), ("traces", &log)] {
            if let Some(place) = text.find(part) {
                let around: String =
                    text[..place].chars().rev().take(200).collect::<Vec<_>>().into_iter().rev().collect();
                panic!("{part} in {what} after {around}");
            }
        }
    }
}

#[tokio::test]
async fn the_address_of_a_result_is_said_nowhere() {
    let address = format!("{NOWHERE}/a.mp3?signature=s3cr3t");
    let server = Server::always(ok_json(json!({"status": "done", "metadata": {"audio_url": address}}))).await;
    let failure = poll(&provider("ai33"), call(&server.base_url, "minimax"), "t").await.unwrap_err();
    assert!(!format!("{failure:?}").contains("s3cr3t"), "whoever has it has the result: {failure:?}");
}

#[tokio::test]
async fn a_key_may_have_any_characters_that_a_secret_may_have() {
    let server = Server::always(answer(401, "{}")).await;
    let mut access = access(&server.base_url, "minimax");
    access.secret = Arc::new(Secret::parse("khóa 🔑 \"~\u{a0}x").unwrap());
    provider("ai33").balance(&access).await.unwrap_err();
    assert_eq!(
        server.only().headers.get("xi-api-key").unwrap().as_bytes(),
        access.secret.expose().as_bytes()
    );
}
