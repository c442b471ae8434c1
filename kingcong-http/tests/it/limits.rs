//! Answers and results that are larger than they may be, and where results go.

use kingcong_core::{
    failure::{FailureKind as Kind, Reached},
    provider::Sink,
    work::Body,
};
use serde_json::json;

use crate::server::{
    ATTEMPT, MP3, Server, Then, access, answer, audio, broken, call, done, finished, into_directory,
    json as ok_json, ok, poll, provider, with_subtitles,
};

fn endless(content_type: &str) -> Then {
    let head =
        format!("HTTP/1.1 200 OK\r\ncontent-type: {content_type}\r\ntransfer-encoding: chunked\r\n\r\n");
    Then::NeverEnds(head.into_bytes())
}

fn ten_gigabytes(content_type: &str) -> Then {
    let head =
        format!("HTTP/1.1 200 OK\r\ncontent-type: {content_type}\r\ncontent-length: 10737418240\r\n\r\n");
    Then::Hangs(head.into_bytes())
}

/// A server whose one finished task has its audio there.
async fn finished_at(audio_url: String) -> Server {
    Server::start(move |seen| match seen.line.as_str() {
        "GET /v1/task/t" => {
            ok_json(json!({"id": "t", "status": "done", "metadata": {"audio_url": audio_url}}))
        }
        "GET /a.mp3" => ok(MP3),
        _ => answer(404, ""),
    })
    .await
}

#[tokio::test]
async fn an_api_answer_without_end_is_cut() {
    for then in [endless("application/json"), ten_gigabytes("application/json")] {
        let base_url = broken(then).await;
        let failure = provider("ai33").send(&call(&base_url, "elevenlabs")).await.unwrap_err();
        assert_eq!((failure.kind, failure.reached), (Kind::Unknown, Reached::Maybe));
        let failure = poll(&provider("ai33"), call(&base_url, "elevenlabs"), "t").await.unwrap_err();
        assert_eq!(failure.kind, Kind::Busy);
        let failure = provider("ai33").balance(&access(&base_url, "elevenlabs")).await.unwrap_err();
        assert_eq!(failure.kind, Kind::Busy);
    }
}

#[tokio::test]
async fn a_result_without_end_is_too_large() {
    for then in [endless("audio/mpeg"), ten_gigabytes("audio/mpeg")] {
        let base_url = broken(then).await;
        for call in [call(&base_url, "elevenlabs"), with_subtitles(&base_url, "elevenlabs")] {
            let failure = provider("elevenlabs").send(&call).await.unwrap_err();
            assert_eq!((failure.kind, failure.reached), (Kind::TooLarge, Reached::Yes));
        }
        let failure = provider("minimax").send(&call(&base_url, "minimax")).await.unwrap_err();
        assert_eq!((failure.kind, failure.reached), (Kind::TooLarge, Reached::Yes));
        let server = finished_at(format!("{base_url}/a.mp3")).await;
        let failure = poll(&provider("ai33"), call(&server.base_url, "elevenlabs"), "t").await.unwrap_err();
        assert_eq!((failure.kind, failure.reached), (Kind::TooLarge, Reached::Yes));
    }
}

#[tokio::test]
async fn a_result_may_be_exactly_as_large_as_its_limit() {
    let head = "HTTP/1.1 200 OK\r\ncontent-type: audio/mpeg\r\ntransfer-encoding: chunked\r\n\r\n";
    let undeclared =
        broken(Then::Closes(format!("{head}4\r\nID3 \r\n3\r\nabc\r\n0\r\n\r\n").into_bytes())).await;
    let directory = tempfile::tempdir().unwrap();
    for (audio_url, size) in [("/a.mp3", MP3.len() as u64), (undeclared.as_str(), 7)] {
        check_limit(&finished_at(audio_url.to_owned()).await, &directory, size).await;
    }
}

async fn check_limit(server: &Server, directory: &tempfile::TempDir, size: u64) {
    for (max_bytes, fits) in [(size, true), (size - 1, false)] {
        let mut in_memory = call(&server.base_url, "elevenlabs");
        in_memory.sink = Sink::Memory { max_bytes };
        let in_file = into_directory(call(&server.base_url, "elevenlabs"), directory.path(), max_bytes);
        for call in [in_memory, in_file] {
            let polled = poll(&provider("ai33"), call, "t").await;
            if fits {
                finished(polled.unwrap());
            } else {
                assert_eq!(polled.unwrap_err().kind, Kind::TooLarge);
            }
        }
    }
}

#[tokio::test]
async fn a_file_has_the_attempts_name_and_replaces_an_earlier_try() {
    let server = finished_at("/a.mp3".to_owned()).await;
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join(format!("{ATTEMPT}.mp3"));
    std::fs::write(&path, "half of it, from a process that died").unwrap();
    let call = into_directory(call(&server.base_url, "elevenlabs"), directory.path(), 1000);
    let reply = finished(poll(&provider("ai33"), call, "t").await.unwrap());
    assert_eq!(audio(&reply).body, Body::File { path: path.clone(), bytes: MP3.len() as u64 });
    assert_eq!(std::fs::read(path).unwrap(), MP3);
}

#[tokio::test]
async fn nothing_is_left_of_a_result_that_is_not_whole() {
    let half = Then::Closes(
        b"HTTP/1.1 200 OK\r\ncontent-type: audio/mpeg\r\ncontent-length: 100\r\n\r\nID3".to_vec(),
    );
    let directory = tempfile::tempdir().unwrap();
    for then in [half, endless("audio/mpeg")] {
        let base_url = broken(then).await;
        let synchronous = into_directory(call(&base_url, "elevenlabs"), directory.path(), 1000);
        provider("elevenlabs").send(&synchronous).await.unwrap_err();
        let server = finished_at(format!("{base_url}/a.mp3")).await;
        let polled = into_directory(call(&server.base_url, "elevenlabs"), directory.path(), 1000);
        let answer = poll(&provider("ai33"), polled, "t").await;
        assert!(!matches!(answer, Ok(kingcong_core::provider::Progress::Done(_))), "{answer:?}");
        let left: Vec<_> = std::fs::read_dir(directory.path()).unwrap().collect();
        assert!(left.is_empty(), "{left:?}");
    }
}

#[tokio::test]
async fn a_directory_that_is_not_there_is_found_before_anything_is_sent() {
    let directory = tempfile::tempdir().unwrap();
    let missing = directory.path().join("missing");
    let server = Server::always(ok(MP3)).await;
    for (protocol, service) in [("elevenlabs", "elevenlabs"), ("minimax", "minimax")] {
        let call = into_directory(call(&server.base_url, service), &missing, 1000);
        let failure = provider(protocol).send(&call).await.unwrap_err();
        assert_eq!((failure.kind, failure.reached), (Kind::Unsupported, Reached::No));
    }
    assert!(server.seen().is_empty());
    let server = finished_at("/a.mp3".to_owned()).await;
    let call = into_directory(call(&server.base_url, "elevenlabs"), &missing, 1000);
    let failure = poll(&provider("ai33"), call, "t").await.unwrap_err();
    assert_eq!(failure.reached, Reached::Maybe, "the work is still there");
}

#[tokio::test]
async fn a_base_url_may_have_a_path_and_a_slash_at_its_end() {
    let server = Server::start(|seen| match seen.line.as_str() {
        "GET /gateway/v1/task/t" => {
            ok_json(json!({"status": "done", "metadata": {"audio_url": "files/a.mp3"}}))
        }
        "GET /gateway/files/a.mp3" => ok(MP3),
        _ => answer(404, ""),
    })
    .await;
    for base_url in [format!("{}/gateway", server.base_url), format!("{}/gateway/", server.base_url)] {
        finished(poll(&provider("ai33"), call(&base_url, "elevenlabs"), "t").await.unwrap());
    }
}

#[tokio::test]
async fn a_synchronous_result_goes_into_a_file() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::always(ok(MP3).with("content-type", "audio/mpeg")).await;
    let call = into_directory(call(&server.base_url, "elevenlabs"), directory.path(), 1000);
    let reply = done(provider("elevenlabs").send(&call).await.unwrap());
    let Body::File { path, bytes } = &audio(&reply).body else { panic!("{reply:?}") };
    assert_eq!((std::fs::read(path).unwrap().as_slice(), *bytes), (MP3, MP3.len() as u64));
}
