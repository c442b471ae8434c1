//! AI84: what is sent, every answer that is read, and the class of every refusal.

use kingcong_core::{
    failure::{FailureKind as Kind, Reached},
    provider::{Dropped, Progress, Sent, VoiceOrigin},
    upstream::{UpstreamCredits, UpstreamId},
    work::{AudioFormat, Body, Speech, VoiceSettings, Work},
};
use serde_json::{Value, json};

use crate::server::{
    ATTEMPT, MP3, SECRET, Server, access, answer, audio, call, call_of, check_refusals, clone_voice, failed,
    finished, json as ok_json, ok, poll, provider, speech, with_subtitles,
};

#[tokio::test]
async fn each_engine_is_submitted_to_in_its_own_words() {
    let server = Server::start(|seen| match seen.line.as_str() {
        "POST /v2/text-to-speech/async" => answer(
            201,
            r#"{"success":true,"job_id":"j-1","task_id":"t-1","status":"queued","credit_cost":950}"#,
        ),
        _ => ok(r#"{"success":true,"job_id":"mm-1","status":"queued","credit_cost":"5"}"#),
    })
    .await;
    let settings = VoiceSettings { stability: Some(5), speed: Some(90), ..VoiceSettings::default() };
    for (service, format, id, cost) in
        [("elevenlabs", AudioFormat::Mp3, "j-1", 950), ("minimax", AudioFormat::Wav, "mm-1", 5)]
    {
        let work = Speech {
            settings,
            format,
            language: Some("vi".to_owned()),
            model: Some("m".to_owned()),
            ..speech()
        };
        let call = call_of(&server.base_url, service, Work::Speech(work));
        let Sent::Accepted(accepted) = provider("ai84").send(&call).await.unwrap() else {
            panic!("not accepted")
        };
        assert_eq!(accepted.upstream_id, UpstreamId(id.to_owned()));
        assert_eq!((accepted.cost, accepted.balance), (Some(UpstreamCredits::whole(cost)), None));
    }
    let [elevenlabs, minimax] = server.seen().try_into().unwrap();
    assert_eq!(elevenlabs.header("xi-api-key"), SECRET);
    assert_eq!(
        elevenlabs.json(),
        json!({"text": "Xin chào 👋", "voice_id": "voice/1", "model_id": "m", "output_format": "mp3_44100_128",
            "language_code": "vi", "voice_settings": {"stability": 0.05, "speed": 0.9}})
    );
    assert_eq!(minimax.line, "POST /v1/minimax/text-to-speech/async");
    assert_eq!(
        minimax.json(),
        json!({"text": "Xin chào 👋", "canonical_voice_id": "voice/1", "model": "m", "language_boost": "Vietnamese",
            "format": "wav", "sample_rate": 44100, "speed": 0.9, "client_task_uuid": ATTEMPT.to_string()})
    );
}

#[tokio::test]
async fn each_refusal_of_a_submit_has_its_class() {
    let says = |error: &str, message: &str| {
        json!({"success": false, "error": error, "message": message}).to_string()
    };
    let cloudflare = "<!DOCTYPE html><title>Error 1010: Access denied</title>";
    check_refusals(
        "ai84",
        "minimax",
        vec![
            (
                answer(400, says("Bad Request", "canonical_voice_id is required")),
                Kind::BadRequest,
                Reached::No,
                "400",
            ),
            (answer(400, says("BAD", "blocked by moderation")), Kind::Policy, Reached::No, "BAD"),
            (answer(401, says("UNAUTHORIZED", "bad key")), Kind::KeyDoubtful, Reached::No, "UNAUTHORIZED"),
            (answer(402, says("x", "y")), Kind::OutOfCredit, Reached::No, "x"),
            (answer(400, says("x", "Insufficient credits")), Kind::OutOfCredit, Reached::No, "x"),
            (answer(403, says("x", "INSUFFICIENT_CREDIT")), Kind::OutOfCredit, Reached::No, "x"),
            (
                answer(403, says("FORBIDDEN", "paid account needed")),
                Kind::NotAllowed,
                Reached::No,
                "FORBIDDEN",
            ),
            (answer(403, cloudflare), Kind::Busy, Reached::No, "403"),
            (answer(403, "error code: 1010"), Kind::Busy, Reached::No, "403"),
            (
                answer(404, says("VOICE_NOT_FOUND", "no voice")),
                Kind::BadRequest,
                Reached::No,
                "VOICE_NOT_FOUND",
            ),
            (answer(404, cloudflare), Kind::Unsupported, Reached::No, "404"),
            (answer(429, says("x", "60 per minute")), Kind::EgressRateLimited, Reached::No, "x"),
            (answer(429, cloudflare), Kind::EgressRateLimited, Reached::No, "429"),
            (answer(500, "{}"), Kind::Busy, Reached::Maybe, "500"),
            (answer(503, "{}"), Kind::Busy, Reached::No, "503"),
            (answer(524, cloudflare), Kind::Unknown, Reached::Maybe, "524"),
            (ok(says("x", "Insufficient credits")), Kind::OutOfCredit, Reached::No, "x"),
            (ok(says("VOICE_NOT_FOUND", "no voice")), Kind::BadRequest, Reached::No, "VOICE_NOT_FOUND"),
            (ok(says("x", "y")), Kind::Busy, Reached::Maybe, "x"),
            (ok(r#"{"success": true}"#), Kind::Unknown, Reached::Maybe, ""),
            (answer(201, ""), Kind::Unknown, Reached::Maybe, ""),
        ],
    )
    .await;
}

async fn server_with(job: Value) -> Server {
    Server::start(move |seen| match seen.line.as_str() {
        "GET /v2/text-to-speech/async/job-1" => ok_json(job.clone()),
        "GET /a.mp3?token=1" => ok(MP3).with("content-type", "application/octet-stream"),
        "GET /a.srt" => ok("1\n00:00:00,000 --> 00:00:01,000\nXin chào\n"),
        "GET /a.json" => ok("[]"),
        _ => answer(404, ""),
    })
    .await
}

#[tokio::test]
async fn a_finished_job_is_read_in_either_casing() {
    for (job, srt) in [
        (
            json!({"status": "done", "progress": 100, "audioUrl": "/a.mp3?token=1", "transcriptUrl": "/a.srt",
                "credit_cost": 950}),
            true,
        ),
        (
            json!({"status": "done", "audio_url": "/a.mp3?token=1", "transcript_url": "/a.srt", "creditCost": "950"}),
            true,
        ),
        (
            json!({"status": "DONE", "audioUrl": "a.mp3?token=1", "transcriptUrl": "/a.json", "credit_cost": 950}),
            false,
        ),
        (json!({"status": "done", "metadata": {"audio_url": "/a.mp3?token=1"}, "credit_cost": 950}), false),
    ] {
        for body in [json!({"success": true, "job": job}), job.clone()] {
            let server = server_with(body.clone()).await;
            let call = with_subtitles(&server.base_url, "minimax");
            let reply = finished(poll(&provider("ai84"), call, "job-1").await.unwrap());
            assert_eq!(reply.cost, Some(UpstreamCredits::whole(950)), "{body}");
            assert_eq!(audio(&reply).body, Body::Memory(MP3.into()));
            assert_eq!(audio(&reply).content_type, "audio/mpeg", "told from the bytes");
            assert_eq!(audio(&reply).srt.is_some(), srt, "{body}");
        }
    }
}

#[tokio::test]
async fn an_unknown_status_is_a_running_job() {
    for (status, progress) in
        [("queued", None), ("processing", Some(40)), ("waiting_retry", None), ("new", None)]
    {
        let server =
            server_with(json!({"success": true, "job": {"status": status, "progress": progress}})).await;
        let answer = poll(&provider("ai84"), call(&server.base_url, "elevenlabs"), "job-1").await;
        assert_eq!(answer, Ok(Progress::Running { percent: progress }), "{status}");
    }
}

#[tokio::test]
async fn a_failed_job_has_the_class_of_its_category() {
    for (job, kind, code) in [
        (
            json!({"errorCategory": 1, "errorMessageKey": "internal.VOICE_NOT_FOUND_LOCAL"}),
            Kind::BadRequest,
            "internal.VOICE_NOT_FOUND_LOCAL",
        ),
        (json!({"errorCategory": "1", "errorCode": 12, "errorMessage": "bad input"}), Kind::BadRequest, "12"),
        (json!({"error_category": 1, "error_message": "violates the policy"}), Kind::Policy, ""),
        (json!({"errorCategory": 2, "errorMessage": "voice not found, we are sorry"}), Kind::Busy, ""),
        (json!({"errorCategory": 2, "errorMessage": "insufficient credits"}), Kind::OutOfCredit, ""),
        (json!({"errorCategory": null, "errorMessage": "Invalid voice"}), Kind::BadRequest, ""),
        (json!({}), Kind::Busy, ""),
    ] {
        let mut job = job;
        job["status"] = json!("failed");
        let server = server_with(json!({"success": true, "job": job})).await;
        let failure =
            failed(poll(&provider("ai84"), call(&server.base_url, "elevenlabs"), "job-1").await.unwrap());
        assert_eq!(
            (failure.kind, failure.reached, failure.code.as_deref().unwrap_or_default()),
            (kind, Reached::Yes, code),
            "{job}"
        );
    }
}

#[tokio::test]
async fn a_poll_that_fails_says_nothing_about_the_job() {
    for (answer, kind) in [
        (answer(500, ""), Kind::Busy),
        (answer(524, ""), Kind::Busy),
        (answer(429, ""), Kind::EgressRateLimited),
        (answer(404, "{}"), Kind::Unsupported),
        (ok("<html>"), Kind::Busy),
        (ok(r#"{"success": true, "job": {}}"#), Kind::Busy),
        (ok(r#"{"success": true, "job": {"status": "done"}}"#), Kind::Busy),
    ] {
        let server = Server::always(answer.clone()).await;
        let failure =
            poll(&provider("ai84"), call(&server.base_url, "elevenlabs"), "job-1").await.unwrap_err();
        assert_eq!((failure.kind, failure.reached), (kind, Reached::Maybe), "{answer:?}");
    }
}

#[tokio::test]
async fn other_work_is_refused_before_anything_is_sent() {
    let server = Server::always(ok("{}")).await;
    let wav = Work::Speech(Speech { format: AudioFormat::Wav, ..speech() });
    for call in [
        call(&server.base_url, "openai"),
        call_of(&server.base_url, "elevenlabs", wav),
        call_of(&server.base_url, "minimax", Work::CloneVoice(clone_voice())),
    ] {
        let failure = provider("ai84").send(&call).await.unwrap_err();
        assert_eq!((failure.kind, failure.reached), (Kind::Unsupported, Reached::No));
    }
    let access = access(&server.base_url, "minimax");
    assert_eq!(provider("ai84").drop_work(&access, &UpstreamId("j".to_owned())).await, Ok(Dropped::No));
    assert_eq!(provider("ai84").health(&access).await, Ok(vec![]));
    assert!(server.seen().is_empty());
}

#[tokio::test]
async fn the_balance_is_free_and_tells_a_dead_key() {
    let server = Server::always(ok(r#"{"success": true, "credits": 12.5}"#)).await;
    let balance = provider("ai84").balance(&access(&server.base_url, "minimax")).await;
    assert_eq!(balance, Ok(Some(UpstreamCredits::from_thousandths(12_500))));
    assert_eq!(server.only().line, "GET /v1/credits");
    for (answer, kind) in [
        (answer(401, "{}"), Kind::KeyDead),
        (answer(403, "<html>1010</html>"), Kind::Busy),
        (answer(429, "{}"), Kind::EgressRateLimited),
    ] {
        let server = Server::always(answer).await;
        let failure = provider("ai84").balance(&access(&server.base_url, "minimax")).await.unwrap_err();
        assert_eq!((failure.kind, failure.reached), (kind, Reached::No));
    }
}

#[tokio::test]
async fn each_engine_has_its_own_voices() {
    let server = Server::start(|seen| match seen.line.as_str() {
        "GET /v1/shared-voices?page_size=100&page=0" => {
            ok_json(json!({"voices": [{"voice_id": "e", "name": "E",
            "gender": "male", "language": "vi"}], "has_more": true, "last_sort_id": "x"}))
        }
        "GET /v1/shared-voices?page_size=100&page=1" => ok_json(json!({"voices": [], "has_more": true})),
        "GET /v1/minimax/voices/cloned" => {
            ok_json(json!({"success": true, "data": [{"voice_id": "user_1_voice_2"}]}))
        }
        "GET /v1/minimax/voices?page=1&page_size=100" => {
            ok_json(json!({"data": [{"canonical_voice_id": "m1", "name": "M"}],
            "page": 1, "page_size": 1, "total": 2}))
        }
        "GET /v1/minimax/voices?page=2&page_size=100" => {
            ok_json(json!({"data": [{"canonical_voice_id": "m2", "name": "M"}],
            "page": 2, "page_size": 1, "total": 2}))
        }
        _ => answer(404, ""),
    })
    .await;
    for (service, expected) in [
        ("elevenlabs", vec![("e", VoiceOrigin::Library)]),
        (
            "minimax",
            vec![
                ("user_1_voice_2", VoiceOrigin::Cloned),
                ("m1", VoiceOrigin::Library),
                ("m2", VoiceOrigin::Library),
            ],
        ),
    ] {
        let access = access(&server.base_url, service);
        let (mut found, mut page) = (Vec::new(), None);
        loop {
            let answer = provider("ai84").voices(&access, page.as_deref()).await.unwrap();
            found.extend(answer.voices);
            page = answer.next;
            if page.is_none() {
                break;
            }
        }
        let found: Vec<_> = found.iter().map(|voice| (voice.voice.as_str(), voice.origin)).collect();
        assert_eq!(found, expected);
    }
}
