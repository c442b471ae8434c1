//! What is refused: with which code, in which words, and whether it may be tried again.

use kingcong_doors::{Code, Library, Names, OpenOptions};
use serde_json::{Value, json};

use crate::doors::{ask, opened, opened_with};

/// Doors with a field that is not as it must be: what is told, with the field as Python and as Node write it.
#[tokio::test]
async fn a_wrong_field_is_named_in_the_face_s_words_with_what_is_legal() {
    let submit = |field: &str, value: Value| {
        let subject = json!({ "speech": { "text": "abc" } });
        let mut request = json!({ "user": "u", "service": "s", "subject": subject });
        request[field] = value;
        ("submit", json!({ "request": request }))
    };
    let speech = |field: &str, value: Value| {
        let mut speech = json!({ "text": "abc" });
        speech[field] = value;
        submit("subject", json!({ "speech": speech }))
    };
    let limits = |limits: Value| {
        let secret = "sk-canary-of-tests";
        ("keys.add", json!({ "server": "ai33", "service": "elevenlabs", "secret": secret, "limits": limits }))
    };
    let price = |per: Value| {
        let line = json!({ "measure": "character", "price": "1", "per": per });
        let price = json!({ "server": "ai33", "service": "elevenlabs", "operation": "speech", "unit": "credit",
                            "switch": "on", "lines": [line] });
        ("prices.set", json!({ "price": price }))
    };
    let whole_of_32 = "must be a whole number from 1 to 4294967295, not";
    for ((door, with), python, node, why) in [
        (speech("pieces", json!(0)), "pieces", "pieces", "must be a whole number from 1 to 10000, not 0"),
        (
            speech("pieces", json!(10_001)),
            "pieces",
            "pieces",
            "must be a whole number from 1 to 10000, not 10001",
        ),
        (
            submit("weight", json!(1001)),
            "weight",
            "weight",
            "must be a whole number from 1 to 1000, not 1001",
        ),
        (submit("weight", json!(-1)), "weight", "weight", "must be a whole number from 1 to 1000, not -1"),
        (submit("weight", json!(1.5)), "weight", "weight", "must be a whole number from 1 to 1000, not 1.5"),
        (
            speech("settings", json!({ "stability": 300 })),
            "settings.stability",
            "settings.stability",
            "must be a whole number from 0 to 100, not 300",
        ),
        (
            speech("settings", json!({ "speed": 49 })),
            "settings.speed",
            "settings.speed",
            "must be a whole number from 50 to 200, not 49",
        ),
        (
            submit("deadline_ms", json!(-1)),
            "deadline",
            "deadlineMs",
            "must be a whole number from 0 to 18446744073709551615, not -1",
        ),
        (
            submit("idempotency_key", json!(["k"])),
            "idempotency_key",
            "idempotencyKey",
            "must be a text, not a list",
        ),
        (speech("format", json!("ogg")), "format", "format", "must be 'mp3' or 'wav', not ogg"),
        (speech("voice_id", json!("v")), "voice_id", "voiceId", "is no field that is known here"),
        (
            ("submit", json!({ "request": { "user": "u", "subject": { "speech": { "text": "abc" } } } })),
            "service",
            "service",
            "is missing",
        ),
        (
            limits(json!({ "max_in_flight": 0, "per_minute": 1 })),
            "limits.max_in_flight",
            "limits.maxInFlight",
            &format!("{whole_of_32} 0"),
        ),
        (limits(json!({ "max_in_flight": 1 })), "limits.per_minute", "limits.perMinute", "is missing"),
        (price(json!(0)), "price.lines[0].per", "price.lines[0].per", &format!("{whole_of_32} 0")),
        (
            ("config.set_weights", json!({ "weights": { "ai33": 4_294_967_296_u64 } })),
            "weights.ai33",
            "weights.ai33",
            "must be a whole number from 0 to 4294967295, not 4294967296",
        ),
        (
            ("wallets.adjust", json!({ "user": "u", "change": true, "reason": "r", "idempotency_key": "k" })),
            "change",
            "change",
            "must be a decimal number as a text, or a whole number, not true",
        ),
        (
            ("wallets.get", json!({ "user": "u", "unit": "x".repeat(100) })),
            "unit",
            "unit",
            &format!(": unknown unit \"{}\"", "x".repeat(64)),
        ),
        (("job.status", json!({ "job": "abc" })), "job", "job", ": JobId \"abc\" must be a UUID"),
    ] {
        for (names, field) in [(Names::Python, python), (Names::Node, node)] {
            let library = opened_with(names).await;
            let knock = json!({ "door": door, "with": with }).to_string();
            let problem = library.knock(&knock, None, None).await.unwrap_err();
            assert_eq!(problem.code, Code::InvalidRequest, "{problem}");
            let separator = if why.starts_with(':') { "" } else { " " };
            assert!(problem.message.starts_with(&format!("{field}{separator}{why}")), "{names:?}: {problem}");
            assert_eq!(problem.fields["field"], field, "{names:?}: {problem}");
            assert!(!problem.to_json().contains("sk-canary"), "{problem}");
            library.close().await;
        }
    }
}

#[tokio::test]
async fn a_wrong_option_is_named_in_the_face_s_words() {
    for (option, value, python, node, why) in [
        ("dead_after_ms", json!(1), "dead_after", "deadAfterMs", "must be at least 2 s"),
        ("window_ms", json!(0), "window", "windowMs", "must be 1 ms to a day"),
        ("poll_timeout_ms", json!(1), "poll_timeout", "pollTimeoutMs", "must be 100 ms to 240 s"),
        ("calls_max", json!(0), "calls_max", "callsMax", "must be at least 1"),
        (
            "task_characters_max",
            json!(0),
            "task_characters_max",
            "taskCharactersMax",
            "must be a whole number from 1",
        ),
        ("egress", json!(5), "egress", "egress", "must be a text, not 5"),
        ("preset", json!("donkey"), "preset", "preset", "must be 'kingcong', not donkey"),
    ] {
        for (names, field) in [(Names::Python, python), (Names::Node, node)] {
            let mut options = json!({ "url": "memory:", "master_key": { "random": null } });
            options[option] = value.clone();
            let opened = match OpenOptions::from_json(&options.to_string(), names) {
                Ok(opening) => Library::open(opening, Vec::new(), None).await,
                Err(problem) => Err(problem),
            };
            let problem = opened.unwrap_err();
            assert_eq!(problem.code, Code::InvalidRequest, "{problem}");
            assert!(problem.message.contains(field) && problem.message.contains(why), "{problem}");
            assert_eq!(problem.fields["field"], field, "{names:?}: {problem}");
        }
    }
}

#[tokio::test]
async fn every_refusal_has_its_code_and_words() {
    let library = opened().await;
    let request = |service: &str, voice: Value| {
        let subject = json!({ "speech": { "text": "abc", "voice": voice } });
        json!({ "request": { "user": "u", "service": service, "subject": subject } })
    };
    let upstream = json!({ "upstream": "v" });
    let no_job = json!({ "job": "01932c07-6f2a-7c40-8a3e-6d1f5b0c9e21" });
    for (door, with, code, words) in [
        ("wallets.got", json!({}), Code::InvalidRequest, "door must be one of"),
        (
            "wallets.get",
            json!({ "user": "u", "units": "usd" }),
            Code::InvalidRequest,
            "units is no field that is known here",
        ),
        ("wallets.get", json!({ "user": 5 }), Code::InvalidRequest, "user must be a text, not 5"),
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
            json!({ "user": "u", "change": "1.5", "unit": "credit", "reason": "r", "idempotency_key": "k" }),
            Code::InvalidRequest,
            "too many digits",
        ),
        (
            "wallets.adjust",
            json!({ "user": "u", "change": 0, "unit": "credit", "reason": "r", "idempotency_key": "k" }),
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
    let request = json!({ "user": "u", "service": "elevenlabs", "subject": { "speech": { "text": "abc",
        "voice": { "upstream": "v" } } } });
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
        let opening = OpenOptions::from_json(&options.to_string(), Names::Python).unwrap();
        let problem = Library::open(opening, Vec::new(), None).await.unwrap_err();
        assert_eq!(problem.code, code, "{problem}");
        assert!(problem.message.contains(words), "{problem}");
        // What is wrong as it stands is not tried again.
        let is_wrong = problem.code == Code::InvalidRequest;
        assert!(!(is_wrong && problem.user_message_en.contains("try again")), "{problem:?}");
    }
    assert!(OpenOptions::from_json(r#"{"url": "memory:", "preset": "donkey"}"#, Names::Node).is_err());
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}
