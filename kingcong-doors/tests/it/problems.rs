//! What is refused: with which code, in which words, and whether it may be tried again.

use kingcong_doors::{Code, Library, Opening};
use serde_json::{Value, json};

use crate::doors::{ask, opened};

#[tokio::test]
async fn every_refusal_has_its_code_and_words() {
    let library = opened().await;
    let request = |service: &str, voice: Value| {
        let subject = json!({ "speech": { "text": "abc" } });
        json!({ "request": { "user": "u", "service": service, "subject": subject, "voice": voice } })
    };
    let upstream = json!({ "upstream": "v" });
    let no_job = json!({ "job": "01932c07-6f2a-7c40-8a3e-6d1f5b0c9e21" });
    for (door, with, code, words) in [
        ("wallets.got", json!({}), Code::InvalidRequest, "unknown variant"),
        (
            "wallets.get",
            json!({ "user": "u", "units": "usd" }),
            Code::InvalidRequest,
            "unknown field `units`",
        ),
        ("wallets.get", json!({ "user": 5 }), Code::InvalidRequest, "invalid type"),
        ("submit", request("suno", upstream.clone()), Code::NotFound, "there is no service suno"),
        ("submit", request("elevenlabs", upstream.clone()), Code::NoRoute, "no usable key"),
        ("submit", request("elevenlabs", json!({ "cloned": "x" })), Code::InvalidRequest, "must be a UUID"),
        ("job.status", json!({ "job": "abc" }), Code::InvalidRequest, "JobId \"abc\" must be a UUID"),
        ("job.status", no_job.clone(), Code::NotFound, "no job"),
        ("job.result", no_job, Code::NotFound, "no job"),
        (
            "wallets.purchase",
            json!({ "user": "u", "package": "p", "order": "o" }),
            Code::NotFound,
            "package p",
        ),
        (
            "wallets.adjust",
            json!({ "user": "u", "change": "1.5", "reason": "r", "idempotency_key": "k" }),
            Code::InvalidRequest,
            "too many digits",
        ),
        (
            "wallets.adjust",
            json!({ "user": "u", "change": 0, "reason": "r", "idempotency_key": "k" }),
            Code::AmountRefused,
            "not zero",
        ),
        (
            "keys.add",
            json!({ "server": "ai99", "service": "elevenlabs", "secret": "sk-canary-of-tests" }),
            Code::ConfigurationRefused,
            "ai99",
        ),
        (
            "keys.add",
            json!({ "server": "ai33", "service": "elevenlabs", "secret": " " }),
            Code::KeyRefused,
            "secret",
        ),
        (
            "reports.usage",
            json!({ "filter": { "server": "ai33", "limit": 1 } }),
            Code::InvalidRequest,
            "route",
        ),
        ("backup", json!({ "path": "copy.db" }), Code::InvalidRequest, "memory:"),
    ] {
        let knock = json!({ "door": door, "with": with }).to_string();
        let problem = library.knock(&knock, None, None).await.unwrap_err();
        assert_eq!(problem.code, code, "{door}: {problem}");
        assert!(problem.message.contains(words), "{door}: {problem}");
        assert!(!problem.to_json().contains("sk-canary"), "{problem}");
    }
    library.close().await;
    let purchase =
        r#"{"door": "wallets.purchase", "with": {"user": "u", "package": "package-1", "order": "o"}}"#;
    let closed = library.knock(purchase, None, None).await.unwrap_err();
    assert_eq!(closed.code, Code::Closed);
}

#[tokio::test]
async fn a_problem_carries_its_figures_and_what_the_user_is_told() {
    let library = opened().await;
    ask(
        &library,
        "keys.add",
        json!({ "server": "ai33", "service": "elevenlabs", "secret": "sk-canary-of-tests" }),
    )
    .await;
    let request = json!({ "user": "u", "service": "elevenlabs", "subject": { "speech": { "text": "abc" } },
        "voice": { "upstream": "v" } });
    let knock = json!({ "door": "submit", "with": { "request": request } }).to_string();
    let poor = library.knock(&knock, None, None).await.unwrap_err();
    assert_eq!((poor.code, poor.retryable), (Code::InsufficientCredits, false));
    assert_eq!((&poor.fields["needed"], &poor.fields["available"]), (&json!(3), &json!(0)));
    assert_eq!(poor.user_message_vi, "Credits không đủ, vui lòng nạp thêm");
    ask(&library, "config.set_maintenance", json!({ "maintenance": { "services": ["elevenlabs"] } })).await;
    let down = library.knock(&knock, None, None).await.unwrap_err();
    assert_eq!((down.code, down.retryable), (Code::UnderMaintenance, true));
    assert_eq!(down.user_message_vi, "ElevenLabs đang bảo trì");
    library.close().await;
}

/// Whoever reads "try again" would, for ever.
#[tokio::test]
async fn settings_and_keys_that_are_refused_are_not_tried_again() {
    let library = opened().await;
    let key = json!({ "server": "ai33", "service": "elevenlabs", "secret": "sk-canary-of-tests" });
    ask(&library, "keys.add", key.clone()).await;
    let settings = "Cài đặt không được chấp nhận, hãy xem lý do trong thông báo lỗi";
    let keys = "Key không được chấp nhận, hãy xem lý do trong thông báo lỗi";
    for (door, with, code, english, vietnamese) in [
        (
            "keys.add",
            key,
            Code::KeyRefused,
            "The key was not accepted, see the error's message for the reason",
            keys,
        ),
        (
            "config.set_weights",
            json!({ "weights": { "ai33": 0, "ai84": 0 } }),
            Code::ConfigurationRefused,
            "The settings were not accepted, see the error's message for the reason",
            settings,
        ),
    ] {
        let knock = json!({ "door": door, "with": with }).to_string();
        let problem = library.knock(&knock, None, None).await.unwrap_err();
        assert_eq!((problem.code, problem.retryable), (code, false), "{door}: {problem}");
        let told = (problem.user_message_en.as_str(), problem.user_message_vi.as_str());
        assert_eq!(told, (english, vietnamese), "{door}");
    }
    library.close().await;
}

#[tokio::test]
async fn options_that_cannot_be_are_refused_before_anything_is_made() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}/never.db", folder.path().display());
    for (options, code, words) in [
        (
            json!({ "url": "redis://x", "master_key": { "text": "00".repeat(32) } }),
            Code::InvalidRequest,
            "sqlite://",
        ),
        (json!({ "url": url, "master_key": "random" }), Code::InvalidRequest, "after the next start"),
        (json!({ "url": url, "master_key": { "text": "abc" } }), Code::MasterKeyFailed, "not a key"),
        (
            json!({ "url": url, "master_key": { "text": "00".repeat(32) }, "dead_after_ms": 1 }),
            Code::InvalidRequest,
            "dead_after",
        ),
        (
            json!({ "url": "postgres://nobody@127.0.0.1:1/none", "master_key": { "text": "00".repeat(32) } }),
            Code::StoreUnavailable,
            "PostgreSQL",
        ),
    ] {
        let opening = Opening::from_json(&options.to_string()).unwrap();
        let problem = Library::open(opening, Vec::new(), None).await.unwrap_err();
        assert_eq!(problem.code, code, "{problem}");
        assert!(problem.message.contains(words), "{problem}");
        // What is wrong as it stands is not tried again.
        let is_wrong = problem.code == Code::InvalidRequest;
        assert!(!(is_wrong && problem.user_message_en.contains("try again")), "{problem:?}");
    }
    assert!(Opening::from_json(r#"{"url": "memory:", "preset": "donkey"}"#).is_err());
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}
