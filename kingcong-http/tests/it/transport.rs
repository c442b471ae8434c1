//! Connections that break, hang or never end.

use kingcong_core::failure::{FailureKind as Kind, Reached};

use crate::server::{NOWHERE, Then, access, broken, call, impatient, poll, provider};

const PROTOCOLS: [(&str, &str); 4] =
    [("ai33", "minimax"), ("ai84", "elevenlabs"), ("elevenlabs", "elevenlabs"), ("minimax", "minimax")];

fn half_answers() -> Vec<Then> {
    vec![
        Then::Closes(Vec::new()),
        Then::Closes(b"HTTP/1.1 20".to_vec()),
        Then::Closes(b"this is not HTTP at all\r\n\r\n".to_vec()),
        Then::Closes(
            b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{\"success\": true, \"task_id\": \"t\"}".to_vec(),
        ),
        Then::Closes(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\n{\"suc\r\n".to_vec()),
    ]
}

#[tokio::test]
async fn no_connection_means_not_reached() {
    for (protocol, service) in PROTOCOLS {
        let failure = provider(protocol).send(&call(NOWHERE, service)).await.unwrap_err();
        assert_eq!((failure.kind, failure.reached), (Kind::Busy, Reached::No), "{protocol}: {failure}");
    }
}

#[tokio::test]
async fn half_an_answer_to_a_submit_is_unknown() {
    for (protocol, service) in PROTOCOLS {
        for then in half_answers() {
            let failure =
                provider(protocol).send(&call(&broken(then.clone()).await, service)).await.unwrap_err();
            assert_eq!(
                (failure.kind, failure.reached),
                (Kind::Unknown, Reached::Maybe),
                "{protocol} {then:?}"
            );
        }
    }
}

#[tokio::test]
async fn an_answer_that_does_not_come_in_time_is_unknown() {
    let stuck = b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{\"success\"".to_vec();
    for (protocol, service) in PROTOCOLS {
        for then in [Then::Hangs(Vec::new()), Then::Hangs(stuck.clone())] {
            let failure =
                impatient(protocol).send(&call(&broken(then.clone()).await, service)).await.unwrap_err();
            assert_eq!(
                (failure.kind, failure.reached),
                (Kind::Unknown, Reached::Maybe),
                "{protocol} {then:?}"
            );
        }
    }
}

#[tokio::test]
async fn a_refusal_counts_even_if_its_words_are_lost() {
    let refusals = [
        Then::Closes(b"HTTP/1.1 429 Slow\r\nretry-after: 9\r\ncontent-length: 100\r\n\r\n{\"succ".to_vec()),
        Then::NeverEnds(
            b"HTTP/1.1 429 Slow\r\nretry-after: 9\r\ntransfer-encoding: chunked\r\n\r\n".to_vec(),
        ),
        Then::Hangs(b"HTTP/1.1 429 Slow\r\nretry-after: 9\r\ncontent-length: 10737418240\r\n\r\n".to_vec()),
    ];
    for then in refusals {
        let failure = provider("ai33").send(&call(&broken(then).await, "minimax")).await.unwrap_err();
        assert_eq!((failure.kind, failure.reached), (Kind::AccountRateLimited, Reached::No));
        assert_eq!(failure.retry_after.map(|wait| wait.as_secs()), Some(9));
    }
}

#[tokio::test]
async fn a_poll_or_a_question_that_is_lost_leaves_nothing_unknown() {
    for (protocol, service) in PROTOCOLS {
        for then in half_answers() {
            let base_url = broken(then.clone()).await;
            if protocol != "elevenlabs" {
                let failure = poll(&provider(protocol), call(&base_url, service), "t").await.unwrap_err();
                assert_eq!(
                    (failure.kind, failure.reached),
                    (Kind::Busy, Reached::Maybe),
                    "{protocol} {then:?}"
                );
            }
            let failure = provider(protocol).balance(&access(&base_url, service)).await.unwrap_err();
            assert_eq!((failure.kind, failure.reached), (Kind::Busy, Reached::No), "{protocol} {then:?}");
        }
    }
}
