//! Where results are fetched from: the public internet, or where the server itself is; never another private place.

use kingcong_core::{
    failure::{FailureKind as Kind, Reached},
    work::Body,
};
use serde_json::json;

use crate::server::{
    MP3, Server, answer, audio, call, finished, json as ok_json, ok, poll, provider, with_subtitles,
};

/// A server whose one finished task of `ai33` has its audio there, and which redirects there from `/moved`.
async fn laid_at(audio_url: &str, redirects_to: &'static str) -> Server {
    let audio_url = audio_url.to_owned();
    Server::start(move |seen| match seen.line.as_str() {
        "GET /v1/task/t" => ok_json(json!({"id": "t", "status": "done", "metadata":
            {"audio_url": audio_url, "srt_url": "http://[fd00:ec2::254]/latest/meta-data"}})),
        "GET /moved" => answer(302, "").with("location", redirects_to),
        "GET /around" => answer(307, "").with("location", "/around"),
        "GET /a.mp3" => ok(MP3),
        _ => answer(404, ""),
    })
    .await
}

#[tokio::test]
async fn a_result_in_a_private_network_is_not_asked_for() {
    let private = "http://169.254.169.254/latest/meta-data/iam";
    for (audio_url, redirects_to) in [
        (private, ""),
        ("http://10.0.0.1/a.mp3", ""),
        ("http://[::ffff:192.168.0.1]/a.mp3", ""),
        ("http://3232235521/a.mp3", ""),
        ("/moved", private),
        ("/moved", "//10.0.0.1/a.mp3"),
    ] {
        let server = laid_at(audio_url, redirects_to).await;
        let failure = poll(&provider("ai33"), call(&server.base_url, "elevenlabs"), "t").await.unwrap_err();
        assert_eq!((failure.kind, failure.reached), (Kind::Busy, Reached::Maybe));
        assert!(failure.message.contains("private network"), "{audio_url}: {failure}");
        assert!(!failure.message.contains("meta-data"), "an address may be signed: {failure}");
    }
    // Subtitles likewise, before the audio is fetched.
    let server = laid_at("/a.mp3", "").await;
    let failure =
        poll(&provider("ai33"), with_subtitles(&server.base_url, "elevenlabs"), "t").await.unwrap_err();
    assert!(failure.message.contains("private network"), "{failure}");
    assert!(server.seen().iter().all(|seen| seen.line != "GET /a.mp3"));
}

#[tokio::test]
async fn a_result_that_lies_with_its_server_is_fetched_and_its_redirects_are_followed() {
    for redirects_to in ["/a.mp3", "a.mp3"] {
        let server = laid_at("/moved", redirects_to).await;
        let reply =
            finished(poll(&provider("ai33"), call(&server.base_url, "elevenlabs"), "t").await.unwrap());
        assert_eq!(audio(&reply).body, Body::Memory(MP3.into()));
    }
    let other = laid_at("", "").await;
    let server = laid_at(&other.base_url.replace("127.0.0.1", "localhost"), "").await;
    let failure = poll(&provider("ai33"), call(&server.base_url, "elevenlabs"), "t").await.unwrap_err();
    assert!(!failure.message.contains("private network"), "this machine's servers are one place: {failure}");
    let server = laid_at("/around", "").await;
    let failure = poll(&provider("ai33"), call(&server.base_url, "elevenlabs"), "t").await.unwrap_err();
    assert!(failure.message.contains("redirects more than 5 times"), "{failure}");
}
