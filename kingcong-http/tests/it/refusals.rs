//! Refusals that mean the same in every protocol: whom they concern, whether they prove that nothing was done, and how
//! long they ask to wait, whatever their status and wherever they stand.

use std::time::Duration;

use kingcong_core::failure::{Failure, FailureKind as Kind, Reached};
use serde_json::{Value, json};

use crate::server::{Answer, Server, access, answer, call, ok, poll, provider};

const PROTOCOLS: [(&str, &str); 4] =
    [("ai33", "elevenlabs"), ("ai84", "minimax"), ("elevenlabs", "elevenlabs"), ("minimax", "minimax")];

/// Of what this protocol counts too many calls.
fn counted(protocol: &str) -> Kind {
    if protocol == "ai84" { Kind::EgressRateLimited } else { Kind::AccountRateLimited }
}

async fn refused(protocol: &str, service: &str, answer: Answer) -> Failure {
    let server = Server::always(answer.with("content-type", "application/json")).await;
    provider(protocol).send(&call(&server.base_url, service)).await.unwrap_err()
}

/// Errors by the class that they name, with their words.
fn named() -> Vec<(Value, Kind, &'static str)> {
    let key = Kind::KeyDoubtful;
    vec![
        (
            json!({"message": "insufficient account quota, please top up", "code": "insufficient_user_quota"}),
            Kind::OutOfCredit,
            "top up",
        ),
        (
            json!({"message": "3 credits remaining", "status": "quota_exceeded"}),
            Kind::OutOfCredit,
            "3 credits",
        ),
        (
            json!({"message": "Your credit balance is too low", "type": "invalid_request_error"}),
            Kind::OutOfCredit,
            "too low",
        ),
        (
            json!({"message": "Rate limit reached for requests", "code": 429}),
            Kind::AccountRateLimited,
            "Rate limit",
        ),
        (json!({"message": "Too many requests", "code": "429"}), Kind::AccountRateLimited, "Too many"),
        (json!({"message": "Worker request limit reached", "code": 502}), Kind::Busy, "Worker"),
        (json!({"message": "The server is overloaded"}), Kind::Busy, "overloaded"),
        (json!({"message": "m", "code": 503}), Kind::Busy, "m"),
        (json!({"message": "Invalid API key", "code": "invalid_api_key"}), key, "Invalid"),
        (json!({"message": "The API key was revoked"}), key, "revoked"),
        (json!({"message": "no such user", "code": 401}), key, "no such user"),
        (json!("voice not found"), Kind::BadRequest, "voice not found"),
        (json!({"message": "text too long", "code": 400}), Kind::BadRequest, "text too long"),
        (json!({"message": "This violates our Terms of Service"}), Kind::Policy, "Terms"),
        (json!({"message": "You do not have access to this voice"}), Kind::NotAllowed, "this voice"),
        (json!({"message": "upgrade your plan", "code": 403}), Kind::NotAllowed, "upgrade"),
    ]
}

#[tokio::test]
async fn an_error_inside_a_success_is_the_failure_that_it_names() {
    for (protocol, service) in PROTOCOLS {
        for (error, kind, words) in named() {
            let kind = if kind == Kind::AccountRateLimited { counted(protocol) } else { kind };
            let nested = error.is_object();
            let bodies = [
                json!({"error": error}),
                json!({"detail": error}),
                json!({"success": false, "error": error}),
            ];
            for body in &bodies[..if nested { 3 } else { 1 }] {
                let failure = refused(protocol, service, ok(body.to_string())).await;
                assert_eq!(
                    (failure.kind, failure.reached),
                    (kind, Reached::No),
                    "{protocol} {body}: {failure}"
                );
                assert!(failure.message.contains(words), "{protocol} {body}: {failure}");
            }
        }
    }
}

#[tokio::test]
async fn an_error_inside_a_success_that_names_no_class_may_have_been_charged() {
    for (protocol, service) in PROTOCOLS {
        for error in [
            json!({"message": "Bad gateway", "code": 502}),
            json!({"message": "an odd thing"}),
            json!(["odd"]),
        ] {
            let failure = refused(protocol, service, ok(json!({"error": error}).to_string())).await;
            assert_eq!(
                (failure.kind, failure.reached),
                (Kind::Busy, Reached::Maybe),
                "{protocol} {error}: {failure}"
            );
        }
    }
}

#[tokio::test]
async fn questions_and_polls_hear_an_error_inside_a_success() {
    for (protocol, service) in PROTOCOLS {
        let error = json!({"error": {"message": "Rate limit reached", "code": 429}, "retry_after": 3});
        let server = Server::always(ok(error.to_string())).await;
        let provider = provider(protocol);
        let access = access(&server.base_url, service);
        let mut failures = vec![
            provider.balance(&access).await.unwrap_err(),
            provider.voices(&access, None).await.unwrap_err(),
        ];
        if protocol != "elevenlabs" {
            failures.push(poll(&provider, call(&server.base_url, service), "t").await.unwrap_err());
        }
        for failure in failures {
            assert_eq!((failure.kind, failure.message.as_str()), (counted(protocol), "Rate limit reached"));
            assert_eq!(failure.retry_after, Some(Duration::from_secs(3)), "{protocol}");
        }
    }
}

#[tokio::test]
async fn only_an_upstream_that_does_not_know_a_key_calls_it_dead() {
    let of = |message: &str| {
        json!({"success": false, "message": message, "detail": {"message": message}}).to_string()
    };
    for (protocol, service) in PROTOCOLS {
        for (status, words, submit, check) in [
            (401, "Invalid API key", Kind::KeyDoubtful, Some(Kind::KeyDead)),
            (401, "Unauthorized", Kind::KeyDoubtful, Some(Kind::KeyDead)),
            (403, "API key has been revoked", Kind::KeyDoubtful, Some(Kind::KeyDead)),
            (401, "The API key is missing the permission text_to_speech", Kind::NotAllowed, None),
            (403, "this voice is not allowed for your plan", Kind::NotAllowed, None),
            (403, "not in your tier", Kind::NotAllowed, None),
            (403, "unsupported country", Kind::NotAllowed, None),
            (403, "", Kind::NotAllowed, None),
        ] {
            let failure = refused(protocol, service, answer(status, of(words))).await;
            assert_eq!((failure.kind, failure.reached), (submit, Reached::No), "{protocol} {status} {words}");
            let server = Server::always(answer(status, of(words))).await;
            let checked = provider(protocol).balance(&access(&server.base_url, service)).await;
            match check {
                Some(kind) => assert_eq!(checked.unwrap_err().kind, kind, "{protocol} {status} {words}"),
                None => assert_ne!(
                    checked.map_err(|failure| failure.kind),
                    Err(Kind::KeyDead),
                    "{protocol} {words}"
                ),
            }
        }
    }
}

#[tokio::test]
async fn only_what_proves_that_nothing_was_done_counts_as_not_reached() {
    let page = "<html>Bad gateway</html>";
    let busy = json!({"error": {"message": "The server is overloaded"}}).to_string();
    let broken = "upstream connect error or disconnect/reset before headers";
    for (protocol, service) in PROTOCOLS {
        for (answer, reached) in [
            (answer(500, page), Reached::Maybe),
            (
                answer(
                    500,
                    json!({"detail": {"status": "something_went_wrong", "message": "m"}}).to_string(),
                ),
                Reached::Maybe,
            ),
            (answer(502, page), Reached::Maybe),
            (answer(502, ""), Reached::Maybe),
            (answer(504, page), Reached::Maybe),
            (answer(520, page), Reached::Maybe),
            (answer(522, page), Reached::Maybe),
            (answer(524, page), Reached::Maybe),
            (answer(599, page), Reached::Maybe),
            (answer(408, page), Reached::Maybe),
            (answer(503, broken), Reached::Maybe),
            (answer(503, page), Reached::No),
            (answer(529, "{}"), Reached::No),
            (answer(521, page), Reached::No),
            (answer(500, &busy), Reached::No),
            (answer(502, &busy), Reached::No),
            (answer(429, page), Reached::No),
        ] {
            let asked = format!("{answer:?}");
            let failure = refused(protocol, service, answer).await;
            assert_eq!(failure.reached, reached, "{protocol} {asked}: {failure}");
        }
    }
}

#[tokio::test]
async fn a_wait_is_heard_whatever_the_status() {
    let said = |word: &str| json!({"detail": {"status": word, "message": "later"}}).to_string();
    for (protocol, service) in PROTOCOLS {
        for (status, body) in [
            (500, said("x")),
            (502, "<html>".to_owned()),
            (503, said("x")),
            (504, String::new()),
            (529, said("overloaded_error")),
            (429, said("system_busy")),
            (429, said("too_many_concurrent_requests")),
            (403, said("x")),
            (401, said("x")),
        ] {
            let failure = refused(protocol, service, answer(status, &body).with("retry-after", "6")).await;
            assert_eq!(failure.retry_after, Some(Duration::from_secs(6)), "{protocol} {status} {body}");
        }
        let told = json!({"error": {"message": "busy", "retry_after_ms": 2500}}).to_string();
        for status in [200, 503] {
            let failure = refused(protocol, service, answer(status, &told)).await;
            assert_eq!(failure.retry_after, Some(Duration::from_millis(2500)), "{protocol} {status}");
        }
    }
}
