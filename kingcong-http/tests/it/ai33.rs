//! AI33: what is sent, every answer that is read, and the class of every refusal.

use kingcong_core::{
    failure::{Failure, FailureKind as Kind, Reached},
    id::ServiceId,
    provider::{Dropped, Health, Progress, Sent, VoiceOrigin},
    upstream::{UpstreamCredits, UpstreamId},
    work::{AudioFormat, Body, ClonedVoice, Output, Speech, VoiceSettings, Work},
};
use serde_json::{Value, json};
use std::time::Duration;

use crate::server::{
    Answer, MP3, SECRET, Server, access, answer, audio, call, call_of, check_refusals, clone_voice, done,
    failed, fetch_ready, finished, json as ok_json, ok, poll, provider, speech, with_subtitles,
};

const SUBMITTED: &str = r#"{"success": true, "task_id": "task-1", "ec_remain_credits": 98765}"#;

#[tokio::test]
async fn speech_is_submitted_to_the_family_of_the_service() {
    let server = Server::always(ok(SUBMITTED)).await;
    let settings =
        VoiceSettings { stability: Some(50), similarity: Some(75), style: Some(0), speed: Some(120) };
    for service in ["elevenlabs", "minimax"] {
        let work = Speech { settings, language: Some("vi".to_owned()), ..speech() };
        let call = call_of(&server.base_url, service, Work::Speech(work));
        let sent = provider("ai33").send(&call).await.unwrap();
        let Sent::Accepted(accepted) = sent else { panic!("{sent:?}") };
        assert_eq!(accepted.upstream_id, UpstreamId("task-1".to_owned()));
        assert_eq!((accepted.cost, accepted.balance), (None, Some(UpstreamCredits::whole(98765))));
    }
    let [elevenlabs, minimax] = server.seen().try_into().unwrap();
    assert_eq!(elevenlabs.line, "POST /v1/text-to-speech/voice%2F1?output_format=mp3_44100_128");
    assert_eq!(elevenlabs.header("xi-api-key"), SECRET);
    assert!(elevenlabs.header("user-agent").starts_with("Mozilla/5.0 "));
    assert_eq!(
        elevenlabs.json(),
        json!({"text": "Xin chào 👋", "model_id": "eleven_multilingual_v2", "voice_settings":
            {"stability": 0.5, "similarity_boost": 0.75, "style": 0.0, "speed": 1.2}})
    );
    assert_eq!(minimax.line, "POST /v1m/task/text-to-speech");
    assert_eq!(
        minimax.json(),
        json!({"text": "Xin chào 👋", "model": "speech-2.6-hd", "language_boost": "Vietnamese",
            "voice_setting": {"voice_id": "voice/1", "speed": 1.2}})
    );
}

#[tokio::test]
async fn a_submit_is_read_in_every_shape() {
    for (body, balance) in [
        (json!({"success": true, "task_id": "t"}), None),
        (json!({"success": "true", "task_id": "t", "ec_remain_credits": "8812"}), Some(8812)),
        (json!({"taskId": "t", "ecRemainCredits": 1}), Some(1)),
        (json!({"success": true, "data": {"task_id": "t"}}), None),
    ] {
        let server = Server::always(ok_json(body)).await;
        let Sent::Accepted(accepted) =
            provider("ai33").send(&call(&server.base_url, "elevenlabs")).await.unwrap()
        else {
            panic!("not accepted")
        };
        assert_eq!(accepted.upstream_id.0, "t");
        assert_eq!(accepted.balance, balance.map(UpstreamCredits::whole));
    }
}

#[tokio::test]
async fn each_refusal_of_a_submit_has_its_class() {
    let busy = r#"{"success": false, "code": "server_busy", "message": "try later"}"#;
    let says = |message: &str| json!({"success": false, "message": message}).to_string();
    check_refusals(
        "ai33",
        "elevenlabs",
        vec![
            (answer(400, says("text is required")), Kind::BadRequest, Reached::No, "400"),
            (answer(400, says("This violates our Terms of Service")), Kind::Policy, Reached::No, "400"),
            (answer(401, says("Unauthorized")), Kind::KeyDoubtful, Reached::No, "401"),
            (answer(401, ""), Kind::KeyDoubtful, Reached::No, "401"),
            (answer(401, says("Insufficient credits")), Kind::OutOfCredit, Reached::No, "401"),
            (answer(402, says("pay")), Kind::OutOfCredit, Reached::No, "402"),
            (answer(403, says("forbidden")), Kind::NotAllowed, Reached::No, "403"),
            (answer(401, says("Invalid API key")), Kind::KeyDoubtful, Reached::No, "401"),
            (answer(403, "<html>Access denied</html>"), Kind::Busy, Reached::No, "403"),
            (answer(404, "<html>no such page</html>"), Kind::Unsupported, Reached::No, "404"),
            (answer(404, says("Voice not found")), Kind::BadRequest, Reached::No, "404"),
            (answer(422, says("bad model parameters")), Kind::BadRequest, Reached::No, "422"),
            (answer(429, says("too many requests")), Kind::AccountRateLimited, Reached::No, "429"),
            (answer(500, says("oops")), Kind::Busy, Reached::Maybe, "500"),
            (answer(502, "<html>Bad gateway</html>"), Kind::Busy, Reached::Maybe, "502"),
            (answer(503, busy), Kind::Busy, Reached::No, "server_busy"),
            (answer(503, ""), Kind::Busy, Reached::No, "503"),
            (answer(408, ""), Kind::Busy, Reached::Maybe, "408"),
            (answer(504, "<html>"), Kind::Unknown, Reached::Maybe, "504"),
            (answer(302, "").with("location", "/elsewhere"), Kind::Unsupported, Reached::No, "302"),
            (ok(busy), Kind::Busy, Reached::No, "server_busy"),
            (ok(says("Insufficient credits")), Kind::OutOfCredit, Reached::No, "200"),
            (ok(says("Invalid voice")), Kind::BadRequest, Reached::No, "200"),
            (ok(says("Text too long")), Kind::BadRequest, Reached::No, "200"),
            (ok(says("content blocked")), Kind::Policy, Reached::No, "200"),
            (ok(says("something else")), Kind::Busy, Reached::Maybe, "200"),
        ],
    )
    .await;
}

#[tokio::test]
async fn a_success_that_tells_no_task_is_unknown() {
    for body in [
        "",
        "{}",
        "[]",
        "null",
        "<html>welcome</html>",
        r#"{"success": true}"#,
        r#"{"success": true, "task_"#,
    ] {
        let server = Server::always(ok(body)).await;
        let failure = provider("ai33").send(&call(&server.base_url, "elevenlabs")).await.unwrap_err();
        assert_eq!((failure.kind, failure.reached), (Kind::Unknown, Reached::Maybe), "{body:?}");
    }
    let endless_id = json!({"success": true, "task_id": "t".repeat(10_000)});
    let server = Server::always(ok_json(endless_id)).await;
    let failure = provider("ai33").send(&call(&server.base_url, "elevenlabs")).await.unwrap_err();
    assert_eq!(failure.kind, Kind::Unknown);
}

#[tokio::test]
async fn the_wait_that_is_asked_for_is_told() {
    for (told, expected) in [
        ("17", Some(17)),
        ("Wed, 21 Oct 2026 07:28:05 GMT", Some(5)),
        ("-1", None),
        ("1000000", Some(24 * 60 * 60)),
        ("x", None),
    ] {
        let busy = answer(429, "{}").with("retry-after", told).with("date", "Wed, 21 Oct 2026 07:28:00 GMT");
        let server = Server::always(busy).await;
        let failure = provider("ai33").send(&call(&server.base_url, "minimax")).await.unwrap_err();
        assert_eq!(failure.retry_after, expected.map(Duration::from_secs), "{told:?}");
    }
}

#[tokio::test]
async fn other_work_is_refused_before_anything_is_sent() {
    let server = Server::always(ok(SUBMITTED)).await;
    let wav = Work::Speech(Speech { format: AudioFormat::Wav, ..speech() });
    let dots = Work::Speech(Speech { voice: "..".to_owned(), ..speech() });
    for (call, kind) in [
        (call(&server.base_url, "openai"), Kind::Unsupported),
        (call_of(&server.base_url, "elevenlabs", wav), Kind::Unsupported),
        (call_of(&server.base_url, "elevenlabs", Work::CloneVoice(clone_voice())), Kind::Unsupported),
        (call_of(&server.base_url, "elevenlabs", dots), Kind::BadRequest),
        (call("ftp://127.0.0.1", "elevenlabs"), Kind::Unsupported),
        (call("not a URL", "elevenlabs"), Kind::Unsupported),
    ] {
        let failure = provider("ai33").send(&call).await.unwrap_err();
        assert_eq!((failure.kind, failure.reached), (kind, Reached::No), "{failure}");
    }
    assert_eq!(server.lines(), Vec::<String>::new());
}

fn task(status: &str, more: Value) -> Value {
    let mut task = json!({"id": "task-1", "created_at": "2026-09-13T08:00:00.000Z", "status": status,
        "error_message": null, "credit_cost": 120, "metadata": {}, "progress": 30, "type": "tts"});
    task.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    task
}

/// A server with one task, its audio and its subtitles.
async fn server_with(task: Value) -> Server {
    Server::start(move |seen| match seen.line.as_str() {
        "GET /v1/task/task-1" => ok_json(task.clone()),
        "GET /cdn/a.mp3?sig=1" => ok(MP3).with("content-type", "audio/mpeg; x=y"),
        "GET /cdn/a.srt" => ok("\u{feff}1\n00:00:00,000 --> 00:00:01,000\nXin chào\n"),
        "GET /cdn/moved" => answer(302, "").with("location", "/cdn/a.mp3?sig=1"),
        _ => answer(404, "not here"),
    })
    .await
}

#[tokio::test]
async fn a_running_task_tells_how_far_it_is() {
    for (body, percent) in [
        (task("doing", json!({})), Some(30)),
        (task("queued", json!({"progress": "45"})), Some(45)),
        (task("Processing", json!({"progress": 250})), Some(100)),
        (task("anything else", json!({"progress": null})), None),
        (json!({"success": true, "data": task("pending", json!({}))}), Some(30)),
    ] {
        let server = server_with(body.clone()).await;
        let progress = poll(&provider("ai33"), call(&server.base_url, "elevenlabs"), "task-1").await;
        assert_eq!(progress, Ok(Progress::Running { percent }), "{body}");
        assert_eq!(server.only().header("xi-api-key"), SECRET);
    }
}

#[tokio::test]
async fn a_finished_task_is_downloaded_without_the_key() {
    for (metadata, srt) in [
        (json!({"audio_url": "/cdn/a.mp3?sig=1", "srt_url": "cdn/a.srt"}), true),
        (json!({"audioUrl": "cdn/a.mp3?sig=1", "srtUrl": "/cdn/gone.srt"}), false),
        (json!({"output_uri": "/cdn/moved"}), false),
    ] {
        let server = server_with(task("done", json!({"metadata": metadata, "credit_cost": "12.5"}))).await;
        let reply = finished(
            poll(&provider("ai33"), with_subtitles(&server.base_url, "elevenlabs"), "task-1").await.unwrap(),
        );
        assert_eq!(reply.cost, Some(UpstreamCredits::from_thousandths(12_500)));
        assert_eq!(audio(&reply).body, Body::Memory(MP3.into()));
        assert_eq!(audio(&reply).content_type, "audio/mpeg");
        let expected = "1\n00:00:00,000 --> 00:00:01,000\nXin chào\n".to_owned();
        assert_eq!(audio(&reply).srt, srt.then_some(expected));
        for seen in server.seen().iter().filter(|seen| seen.line.contains("/cdn/")) {
            assert!(seen.headers.get("xi-api-key").is_none(), "{}", seen.line);
        }
    }
}

#[tokio::test]
async fn subtitles_that_nobody_asked_for_are_not_fetched() {
    let metadata = json!({"audio_url": "/cdn/a.mp3?sig=1", "srt_url": "/cdn/a.srt"});
    let server = server_with(task("done", json!({"metadata": metadata}))).await;
    let reply = finished(poll(&provider("ai33"), call(&server.base_url, "minimax"), "task-1").await.unwrap());
    assert_eq!(audio(&reply).srt, None);
    assert_eq!(server.lines(), ["GET /v1/task/task-1", "GET /cdn/a.mp3?sig=1"]);
}

#[tokio::test]
async fn a_failed_task_has_the_class_of_its_words() {
    for (status, message, kind) in [
        ("error", "elevenlabs_voice_not_found", Kind::BadRequest),
        ("failed", "canonical voice not found", Kind::BadRequest),
        ("error", "Validation error", Kind::BadRequest),
        ("error", "This text violates our Terms of Service", Kind::Policy),
        ("error", "task-failed", Kind::Policy),
        ("error", "Request blocked", Kind::Policy),
        ("error", "Insufficient credits", Kind::OutOfCredit),
        ("error", "internal error", Kind::Busy),
    ] {
        let server = server_with(task(status, json!({"error_message": message}))).await;
        let progress = poll(&provider("ai33"), call(&server.base_url, "elevenlabs"), "task-1").await;
        let failure = failed(progress.unwrap());
        assert_eq!((failure.kind, failure.reached, failure.message.as_str()), (kind, Reached::Yes, message));
    }
}

#[tokio::test]
async fn a_poll_that_fails_says_nothing_about_the_task() {
    for (answer, kind) in [
        (answer(502, ""), Kind::Busy),
        (answer(503, ""), Kind::Busy),
        (answer(504, ""), Kind::Busy),
        (answer(429, ""), Kind::AccountRateLimited),
        (answer(401, "{}"), Kind::KeyDoubtful),
        (answer(404, "{}"), Kind::Unsupported),
        (ok("<html>"), Kind::Busy),
        (ok(""), Kind::Busy),
        (ok("{}"), Kind::Busy),
        (ok(r#"{"success": false, "code": "server_busy"}"#), Kind::Busy),
        (ok(task("done", json!({})).to_string()), Kind::Busy),
        (ok(task("done", json!({"metadata": {"audio_url": "file:///etc/passwd"}})).to_string()), Kind::Busy),
        (
            ok(task("done", json!({"metadata": {"audio_url": "http://127.0.0.1:1/a.mp3"}})).to_string()),
            Kind::Busy,
        ),
    ] {
        let server = Server::always(answer.clone()).await;
        let failure =
            poll(&provider("ai33"), call(&server.base_url, "elevenlabs"), "task-1").await.unwrap_err();
        assert_eq!((failure.kind, failure.reached), (kind, Reached::Maybe), "{answer:?}");
    }
}

#[tokio::test]
async fn an_address_that_refuses_is_asked_again_later_and_what_it_gives_is_left_to_the_reader() {
    for body in ["", "<html>Sorry</html>", r#"{"error": 1}"#] {
        let server = Server::start(move |seen| match seen.line.as_str() {
            "GET /v1/task/task-1" => ok_json(task("done", json!({"metadata": {"audio_url": "/a.mp3"}}))),
            _ => ok(body),
        })
        .await;
        let reply = poll(&provider("ai33"), call(&server.base_url, "elevenlabs"), "task-1").await.unwrap();
        assert_eq!(audio(&finished(reply)).body, Body::Memory(body.into()));
    }
    for cdn in [answer(403, "expired"), answer(500, "")] {
        let server = Server::start(move |seen| match seen.line.as_str() {
            "GET /v1/task/task-1" => ok_json(task("done", json!({"metadata": {"audio_url": "/a.mp3"}}))),
            _ => cdn.clone(),
        })
        .await;
        let failure =
            poll(&provider("ai33"), call(&server.base_url, "elevenlabs"), "task-1").await.unwrap_err();
        assert_eq!((failure.kind, failure.reached), (Kind::Busy, Reached::Maybe));
    }
}

#[tokio::test]
async fn each_poll_is_one_call_and_a_page_says_what_it_does_not_know() {
    let listed = json!([
        task("doing", json!({"id": "a"})),
        task("error", json!({"id": "b", "error_message": "Invalid voice"})),
        task("done", json!({"id": "c", "metadata": {"audio_url": "/cdn/c.mp3"}})),
        task("done", json!({"id": "d"})),
        task("doing", json!({"id": "somebody else's"})),
    ]);
    let full: Vec<Value> = (0..100).map(|n| task("doing", json!({"id": format!("newer-{n}")}))).collect();
    let server = Server::start(move |seen| match seen.line.as_str() {
        "GET /v1/tasks?page=1&limit=100" => ok_json(json!({"success": true, "data": full})),
        "GET /v1/tasks?page=2&limit=100" => ok_json(json!({"success": true, "data": listed})),
        "GET /v1/task/d" => ok_json(task("doing", json!({"id": "d", "progress": 99}))),
        "GET /cdn/c.mp3" => ok(MP3),
        _ => answer(404, ""),
    })
    .await;
    let calls: Vec<_> = ["e", "d", "c", "b", "a"]
        .map(|id| (call(&server.base_url, "elevenlabs"), UpstreamId(id.to_owned())))
        .into();
    let first = provider("ai33").poll(&calls, 0).await;
    assert_eq!(first, vec![Ok(Progress::OnNoPageSoFar); 5], "a full page has another behind it");
    let [e, d, c, b, a] = provider("ai33").poll(&calls, 1).await.try_into().unwrap();
    assert_eq!(e, Ok(Progress::OnlyAlone), "it is on no page");
    assert_eq!(d, Ok(Progress::OnlyAlone), "the list does not say where its result is");
    let c = fetch_ready(&provider("ai33"), &calls[2].0, c).await;
    assert_eq!(audio(&finished(c.unwrap())).content_type, "audio/mpeg");
    assert_eq!(failed(b.unwrap()).kind, Kind::BadRequest);
    assert_eq!(a, Ok(Progress::Running { percent: Some(30) }));
    let alone = provider("ai33").poll(&calls[1..2], 0).await;
    assert_eq!(alone, [Ok(Progress::Running { percent: Some(99) })]);
    let polls = server.lines().iter().filter(|line| line.contains("/v1/task")).count();
    assert_eq!(polls, 3, "one call each");
}

#[tokio::test]
async fn a_list_that_is_refused_is_not_asked_for_one_by_one() {
    let server = Server::always(answer(429, "{}").with("retry-after", "3")).await;
    let calls: Vec<_> =
        (0..30).map(|id| (call(&server.base_url, "elevenlabs"), UpstreamId(id.to_string()))).collect();
    let answers = provider("ai33").poll(&calls, 0).await;
    assert_eq!(answers.len(), 30);
    assert!(
        answers.iter().all(|answer| matches!(answer, Err(Failure { kind: Kind::AccountRateLimited, .. })))
    );
    assert_eq!(server.seen().len(), 1);
    assert!(provider("ai33").poll(&[], 0).await.is_empty());
}

#[tokio::test]
async fn dropped_work_is_refunded_when_the_gateway_says_so() {
    for (body, dropped) in [
        (json!({"success": true, "refunded_credits": 120}), Dropped::Refunded),
        (json!({"success": true, "refund_credits": "120"}), Dropped::Refunded),
        (json!({"success": true, "refunded_credits": 0}), Dropped::No),
        (json!({"success": true}), Dropped::No),
    ] {
        let server = Server::always(ok_json(body)).await;
        let id = UpstreamId("task-1".to_owned());
        assert_eq!(provider("ai33").drop_work(&access(&server.base_url, "minimax"), &id).await, Ok(dropped));
        assert_eq!(server.only().line, "POST /v1/task/delete");
        assert_eq!(server.only().json(), json!({"task_ids": ["task-1"]}));
    }
}

#[tokio::test]
async fn the_balance_decides_whether_a_key_is_dead() {
    let balance = |answer: Answer| async move {
        let server = Server::always(answer).await;
        provider("ai33").balance(&access(&server.base_url, "elevenlabs")).await
    };
    for body in [json!({"success": true, "credits": 500_000}), json!({"success": true, "credits": "500000"})]
    {
        assert_eq!(balance(ok_json(body)).await, Ok(Some(UpstreamCredits::whole(500_000))));
    }
    for (answer, kind) in [
        (answer(401, "{}"), Kind::KeyDead),
        (answer(403, "{}"), Kind::NotAllowed),
        (answer(403, "<html>"), Kind::Busy),
        (answer(429, "{}"), Kind::AccountRateLimited),
        (answer(500, "{}"), Kind::Busy),
        (ok("{}"), Kind::Busy),
        (ok("<html>"), Kind::Busy),
    ] {
        let failure = balance(answer.clone()).await.unwrap_err();
        assert_eq!((failure.kind, failure.reached), (kind, Reached::No), "{answer:?}");
    }
}

#[tokio::test]
async fn health_is_told_for_each_service_that_has_a_known_one() {
    let body = json!({"success": true, "data": {"elevenlabs": "good", "minimax": "Degraded", "suno": "overloaded",
        "gemini": "unheard of", "edge": 7, "Not A Slug!": "good"}});
    let server = Server::always(ok_json(body)).await;
    let health = provider("ai33").health(&access(&server.base_url, "elevenlabs")).await.unwrap();
    let service = |name| ServiceId::new(name).unwrap();
    assert_eq!(
        health,
        [
            (service("elevenlabs"), Health::Good),
            (service("minimax"), Health::Degraded),
            (service("suno"), Health::Overloaded),
        ]
    );
    assert_eq!(server.only().line, "GET /v1/health-check");
}

#[tokio::test]
async fn a_voice_is_cloned_on_the_minimax_family() {
    for (body, voice) in [
        (json!({"success": true, "cloned_voice_id": 209_533_299_589_184_u64}), "209533299589184"),
        (json!({"success": true, "cloned_voice_id": "209533299589184"}), "209533299589184"),
        (json!({"success": true, "data": {"voice_id": "v"}}), "v"),
    ] {
        let server = Server::always(ok_json(body)).await;
        let call = call_of(&server.base_url, "minimax", Work::CloneVoice(clone_voice()));
        let reply = done(provider("ai33").send(&call).await.unwrap());
        assert_eq!(reply.output, Output::Voice(ClonedVoice { voice: voice.to_owned() }));
        let seen = server.only();
        assert_eq!(seen.line, "POST /v1m/voice/clone");
        assert!(seen.header("content-type").starts_with("multipart/form-data; boundary="));
        let form = String::from_utf8(seen.body.to_vec()).unwrap();
        for part in ["name=\"voice_name\"", "Giọng tôi", "filename=\"sample.mp3\"", "a recording", "thử"]
        {
            assert!(form.contains(part), "{part} in {form}");
        }
    }
    let mut large = clone_voice();
    large.sample = vec![0; 20_000_001].into();
    let server = Server::always(ok("{}")).await;
    let failure = provider("ai33").send(&call_of(&server.base_url, "minimax", Work::CloneVoice(large))).await;
    assert_eq!(failure.unwrap_err().kind, Kind::BadRequest);
    assert!(server.seen().is_empty());
}

#[tokio::test]
async fn voices_are_listed_page_by_page_until_the_last() {
    let server = Server::start(|seen| match seen.line.as_str() {
        "GET /v2/voices?page_size=100" => ok_json(json!({"voices": [
            {"voice_id": "own", "name": "Own", "category": "cloned"}, {"name": "no id"}, 7],
            "next_page_token": "n/1"})),
        "GET /v2/voices?page_size=100&next_page_token=n%2F1" => ok_json(json!({"voices": []})),
        "GET /v1/shared-voices?page_size=100&page=0" => ok_json(json!({"has_more": true, "voices": [{"voice_id": "a",
            "name": "A", "labels": {"language": "vi", "gender": "female"}, "preview_url": "https://a/b.mp3"}]})),
        "GET /v1/shared-voices?page_size=100&page=1" => {
            ok_json(json!({"has_more": false, "voices": [{"voice_id": "b"}]}))
        }
        "GET /v1m/voice/clone" => ok_json(json!({"success": true, "data": [{"voice_id": 7, "voice_name": "Mine"}]})),
        "POST /v1m/voice/list" => {
            let more = seen.json()["page"] == 1;
            ok_json(json!({"success": true, "data": {"has_more": more, "total": 2, "voice_list": [
                {"voice_id": "209533299589184", "voice_name": "L", "sample_audio": "https://l/s.mp3"}]}}))
        }
        _ => answer(404, ""),
    })
    .await;
    for (service, expected) in
        [("elevenlabs", vec!["own", "a", "b"]), ("minimax", vec!["7", "209533299589184", "209533299589184"])]
    {
        let access = access(&server.base_url, service);
        let (mut found, mut page) = (Vec::new(), None);
        loop {
            let answer = provider("ai33").voices(&access, page.as_deref()).await.unwrap();
            found.extend(answer.voices);
            page = answer.next;
            if page.is_none() {
                break;
            }
        }
        assert_eq!(found.iter().map(|voice| voice.voice.as_str()).collect::<Vec<_>>(), expected);
        assert_eq!(found[0].origin, VoiceOrigin::Cloned);
        assert_eq!(found[1].origin, VoiceOrigin::Library);
        let failure = provider("ai33").voices(&access, Some("no such page")).await.unwrap_err();
        assert_eq!(failure.kind, Kind::BadRequest);
    }
}
