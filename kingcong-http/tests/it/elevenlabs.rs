//! ElevenLabs: what is sent, every answer that is read, and the class of every refusal.

use base64ct::{Base64, Encoding};
use kingcong_core::{
    failure::{FailureKind as Kind, Reached},
    measure::Measured,
    provider::{Dropped, VoiceOrigin},
    upstream::{UpstreamCredits, UpstreamId},
    work::{AudioFormat, Body, ClonedVoice, Output, Speech, Subtitles, VoiceSettings, Work},
};
use serde_json::json;

use crate::server::{
    Answer, MP3, SECRET, Server, access, answer, audio, call, call_of, check_refusals, clone_voice, done,
    into_directory, json as ok_json, ok, poll, provider, speech, with_subtitles,
};

fn spoken() -> Answer {
    ok(MP3).with("content-type", "audio/mpeg").with("character-cost", "11").with("request-id", "r")
}

#[tokio::test]
async fn speech_is_answered_at_once_with_its_cost() {
    let server = Server::always(spoken()).await;
    let settings = VoiceSettings { stability: Some(100), ..VoiceSettings::default() };
    let work = Speech {
        settings,
        language: Some("vi".to_owned()),
        model: Some("eleven_flash_v2_5".to_owned()),
        ..speech()
    };
    let call = call_of(&server.base_url, "elevenlabs", Work::Speech(work));
    let reply = done(provider("elevenlabs").send(&call).await.unwrap());
    assert_eq!(audio(&reply).body, Body::Memory(MP3.into()));
    assert_eq!(audio(&reply).content_type, "audio/mpeg");
    assert_eq!((reply.cost, reply.measured), (Some(UpstreamCredits::whole(11)), Measured::NOTHING));
    let seen = server.only();
    assert_eq!(seen.line, "POST /v1/text-to-speech/voice%2F1?output_format=mp3_44100_128");
    assert_eq!(seen.header("xi-api-key"), SECRET);
    assert_eq!(
        seen.json(),
        json!({"text": "Xin chào 👋", "model_id": "eleven_flash_v2_5", "language_code": "vi",
            "voice_settings": {"stability": 1.0}})
    );
}

#[tokio::test]
async fn defaults_are_left_to_the_upstream() {
    let server = Server::always(ok(MP3)).await;
    let reply = done(provider("elevenlabs").send(&call(&server.base_url, "elevenlabs")).await.unwrap());
    assert_eq!((audio(&reply).content_type.as_str(), reply.cost), ("audio/mpeg", None));
    assert_eq!(server.only().json(), json!({"text": "Xin chào 👋"}));
}

#[tokio::test]
async fn subtitles_are_made_of_the_timings() {
    let body = json!({"audio_base64": Base64::encode_string(MP3), "alignment": {"characters": ["H", "i"],
        "character_start_times_seconds": [0.0, 0.25], "character_end_times_seconds": [0.25, 0.5]}});
    let server = Server::always(ok_json(body.clone()).with("character-cost", "2")).await;
    let reply =
        done(provider("elevenlabs").send(&with_subtitles(&server.base_url, "elevenlabs")).await.unwrap());
    assert_eq!(audio(&reply).body, Body::Memory(MP3.into()));
    assert_eq!(audio(&reply).srt.as_deref(), Some("1\n00:00:00,000 --> 00:00:00,500\nHi\n\n"));
    assert_eq!(reply.cost, Some(UpstreamCredits::whole(2)));
    assert_eq!(
        server.only().line,
        "POST /v1/text-to-speech/voice%2F1/with-timestamps?output_format=mp3_44100_128"
    );

    let normalized = json!({"audio_base64": body["audio_base64"], "alignment": null,
        "normalized_alignment": body["alignment"]});
    let server = Server::always(ok_json(normalized)).await;
    let reply =
        done(provider("elevenlabs").send(&with_subtitles(&server.base_url, "elevenlabs")).await.unwrap());
    assert!(audio(&reply).srt.is_some());

    let bare = json!({"audio_base64": body["audio_base64"], "alignment": null});
    let server = Server::always(ok_json(bare)).await;
    let reply =
        done(provider("elevenlabs").send(&with_subtitles(&server.base_url, "elevenlabs")).await.unwrap());
    assert_eq!(audio(&reply).srt, None);
}

#[tokio::test]
async fn wav_is_made_of_raw_samples() {
    let samples = [1, 0, 2, 0, 3, 0];
    let directory = tempfile::tempdir().unwrap();
    for subtitles in [Subtitles::No, Subtitles::Srt] {
        let body = match subtitles {
            Subtitles::No => ok(samples).with("content-type", "audio/pcm"),
            Subtitles::Srt => ok_json(json!({"audio_base64": Base64::encode_string(&samples)})),
        };
        let server = Server::always(body).await;
        let work = Work::Speech(Speech { format: AudioFormat::Wav, subtitles, ..speech() });
        let in_memory = call_of(&server.base_url, "elevenlabs", work);
        let reply = done(provider("elevenlabs").send(&in_memory).await.unwrap());
        let Body::Memory(wav) = &audio(&reply).body else { panic!("{reply:?}") };
        assert_eq!(audio(&reply).content_type, "audio/wav");
        assert_eq!(wav[..4], *b"RIFF");
        assert_eq!(wav[4..8], 42_u32.to_le_bytes());
        assert_eq!(wav[8..16], *b"WAVEfmt ");
        assert_eq!(wav[24..28], 24_000_u32.to_le_bytes());
        assert_eq!(wav[40..44], 6_u32.to_le_bytes());
        assert_eq!(wav[44..], samples);
        assert!(server.only().line.ends_with("?output_format=pcm_24000"));

        let in_file = into_directory(in_memory.clone(), directory.path(), 1000);
        let reply = done(provider("elevenlabs").send(&in_file).await.unwrap());
        let Body::File { path, bytes } = &audio(&reply).body else { panic!("{reply:?}") };
        assert_eq!((std::fs::read(path).unwrap(), *bytes), (wav.to_vec(), 50));
    }
}

#[tokio::test]
async fn each_refusal_of_a_submit_has_its_class() {
    let detail = |status: &str| json!({"detail": {"status": status, "message": "words"}}).to_string();
    let newer = |kind: &str, code: &str| {
        json!({"detail": {"type": kind, "code": code, "message": "words", "status": kind, "request_id": "r"}})
            .to_string()
    };
    let listed = json!({"detail": [{"loc": ["body", "text"], "msg": "field required", "type": "missing"}]})
        .to_string();
    check_refusals(
        "elevenlabs",
        "elevenlabs",
        vec![
            (
                answer(400, detail("max_character_limit_exceeded")),
                Kind::BadRequest,
                Reached::No,
                "max_character_limit_exceeded",
            ),
            (
                answer(401, detail("max_character_limit_exceeded")),
                Kind::BadRequest,
                Reached::No,
                "max_character_limit_exceeded",
            ),
            (answer(400, detail("voice_not_found")), Kind::BadRequest, Reached::No, "voice_not_found"),
            (
                answer(404, detail("voice_does_not_exist")),
                Kind::BadRequest,
                Reached::No,
                "voice_does_not_exist",
            ),
            (answer(404, "{}"), Kind::BadRequest, Reached::No, "404"),
            (
                answer(400, detail("content_violates_policy")),
                Kind::Policy,
                Reached::No,
                "content_violates_policy",
            ),
            (answer(401, detail("invalid_api_key")), Kind::KeyDoubtful, Reached::No, "invalid_api_key"),
            (
                answer(401, detail("missing_permissions")),
                Kind::NotAllowed,
                Reached::No,
                "missing_permissions",
            ),
            (
                answer(401, detail("detected_unusual_activity")),
                Kind::KeyDoubtful,
                Reached::No,
                "detected_unusual_activity",
            ),
            (answer(401, detail("quota_exceeded")), Kind::OutOfCredit, Reached::No, "quota_exceeded"),
            (answer(401, "{}"), Kind::KeyDoubtful, Reached::No, "401"),
            (
                answer(402, newer("payment_required", "paid_plan_required")),
                Kind::NotAllowed,
                Reached::No,
                "paid_plan_required",
            ),
            (answer(402, detail("payment_required")), Kind::OutOfCredit, Reached::No, "payment_required"),
            (answer(403, detail("only_for_creator+")), Kind::NotAllowed, Reached::No, "only_for_creator+"),
            (answer(403, "<html>"), Kind::Busy, Reached::No, "403"),
            (answer(409, "{}"), Kind::Busy, Reached::No, "409"),
            (answer(408, "{}"), Kind::Busy, Reached::Maybe, "408"),
            (answer(422, listed), Kind::BadRequest, Reached::No, "422"),
            (
                answer(429, detail("too_many_concurrent_requests")),
                Kind::AccountRateLimited,
                Reached::No,
                "too_many_concurrent_requests",
            ),
            (
                answer(429, newer("rate_limit_error", "concurrent_limit_exceeded")),
                Kind::AccountRateLimited,
                Reached::No,
                "concurrent_limit_exceeded",
            ),
            (answer(429, detail("system_busy")), Kind::Busy, Reached::No, "system_busy"),
            (answer(500, detail("something_went_wrong")), Kind::Busy, Reached::Maybe, "something_went_wrong"),
            (answer(500, "{}"), Kind::Busy, Reached::Maybe, "500"),
            (answer(504, ""), Kind::Unknown, Reached::Maybe, "504"),
            (ok("<html>").with("content-type", "text/html"), Kind::Undeliverable, Reached::Yes, ""),
            (ok("{}").with("content-type", "application/json"), Kind::Undeliverable, Reached::Yes, ""),
        ],
    )
    .await;
}

#[tokio::test]
async fn timings_without_audio_cannot_be_delivered() {
    for body in
        [json!({}), json!({"audio_base64": "***"}), json!({"audio_base64": ""}), json!({"audio_base64": 7})]
    {
        let server = Server::always(ok_json(body.clone())).await;
        let call = with_subtitles(&server.base_url, "elevenlabs");
        let failure = provider("elevenlabs").send(&call).await.unwrap_err();
        assert_eq!((failure.kind, failure.reached), (Kind::Undeliverable, Reached::Yes), "{body}");
    }
}

#[tokio::test]
async fn a_voice_is_cloned() {
    let server = Server::always(ok(r#"{"voice_id": "v-1", "requires_verification": false}"#)).await;
    let call = call_of(&server.base_url, "elevenlabs", Work::CloneVoice(clone_voice()));
    let reply = done(provider("elevenlabs").send(&call).await.unwrap());
    assert_eq!(reply.output, Output::Voice(ClonedVoice { voice: "v-1".to_owned() }));
    let form = String::from_utf8(server.only().body.to_vec()).unwrap();
    assert_eq!(server.only().line, "POST /v1/voices/add");
    for part in
        ["name=\"name\"", "Giọng tôi", "name=\"files\"; filename=\"sample.mp3\"", "audio/mpeg", "a recording"]
    {
        assert!(form.contains(part), "{part} in {form}");
    }
    for (status, code) in [(401, "missing_permissions"), (400, "can_not_use_instant_voice_cloning")] {
        let body = json!({"detail": {"status": code, "message": "m"}}).to_string();
        let server = Server::always(answer(status, body)).await;
        let call = call_of(&server.base_url, "elevenlabs", Work::CloneVoice(clone_voice()));
        let failure = provider("elevenlabs").send(&call).await.unwrap_err();
        assert_eq!(failure.kind, Kind::NotAllowed, "the key may still speak: {code}");
    }
}

#[tokio::test]
async fn the_balance_is_what_the_plan_leaves() {
    for (body, expected) in [
        (json!({"character_count": 100, "character_limit": 1000}), Some(900)),
        (json!({"character_count": 1100, "character_limit": 1000}), Some(-100)),
        (
            json!({"character_count": "100", "character_limit": "1000", "allowed_to_extend_character_limit": true,
                "max_character_limit_extension": 50}),
            Some(950),
        ),
        (
            json!({"character_count": 100, "character_limit": 1000, "allowed_to_extend_character_limit": false,
                "max_character_limit_extension": 50}),
            Some(900),
        ),
        (
            json!({"character_count": 100, "character_limit": 1000, "allowed_to_extend_character_limit": true,
                "max_credit_limit_extension": "unlimited"}),
            None,
        ),
    ] {
        let server = Server::always(ok_json(body.clone())).await;
        let balance = provider("elevenlabs").balance(&access(&server.base_url, "elevenlabs")).await;
        assert_eq!(balance, Ok(expected.map(UpstreamCredits::whole)), "{body}");
        assert_eq!(server.only().line, "GET /v1/user/subscription");
    }
}

#[tokio::test]
async fn a_key_that_may_only_speak_is_not_dead() {
    let missing = json!({"detail": {"status": "missing_permissions", "message": "m"}}).to_string();
    let server = Server::always(answer(401, missing)).await;
    let access = access(&server.base_url, "elevenlabs");
    assert_eq!(provider("elevenlabs").balance(&access).await, Ok(None));
    assert_eq!(provider("elevenlabs").voices(&access, None).await.unwrap_err().kind, Kind::NotAllowed);
    for body in ["{}", r#"{"detail": {"status": "invalid_api_key", "message": "m"}}"#] {
        let server = Server::always(answer(401, body)).await;
        let access = crate::server::access(&server.base_url, "elevenlabs");
        assert_eq!(provider("elevenlabs").balance(&access).await.unwrap_err().kind, Kind::KeyDead);
    }
}

#[tokio::test]
async fn voices_are_listed_by_token() {
    let server = Server::start(|seen| match seen.line.as_str() {
        "GET /v2/voices?page_size=100" => {
            ok_json(json!({"has_more": true, "next_page_token": "t", "voices": [
            {"voice_id": "a", "name": "A", "category": "premade", "labels": {"gender": "female"}}]}))
        }
        "GET /v2/voices?page_size=100&next_page_token=t" => {
            ok_json(json!({"has_more": false, "next_page_token": "t",
            "voices": [{"voice_id": "b", "name": "B", "category": "cloned"}]}))
        }
        _ => answer(404, ""),
    })
    .await;
    let access = access(&server.base_url, "elevenlabs");
    let first = provider("elevenlabs").voices(&access, None).await.unwrap();
    assert_eq!(first.voices[0].gender.as_deref(), Some("female"));
    assert_eq!(first.voices[0].origin, VoiceOrigin::Library);
    let last = provider("elevenlabs").voices(&access, first.next.as_deref()).await.unwrap();
    assert_eq!(last.voices[0].origin, VoiceOrigin::Cloned);
    assert_eq!(last.next, None);
}

#[tokio::test]
async fn there_is_nothing_to_poll_or_to_drop() {
    let server = Server::always(spoken()).await;
    let provider = provider("elevenlabs");
    let failure = poll(&provider, call(&server.base_url, "elevenlabs"), "x").await.unwrap_err();
    assert_eq!(failure.kind, Kind::Unsupported);
    let access = access(&server.base_url, "elevenlabs");
    assert_eq!(provider.drop_work(&access, &UpstreamId("x".to_owned())).await, Ok(Dropped::No));
    assert_eq!(provider.health(&access).await, Ok(vec![]));
    for service in ["minimax", "openai"] {
        let failure = provider.send(&call(&server.base_url, service)).await.unwrap_err();
        assert_eq!((failure.kind, failure.reached), (Kind::Unsupported, Reached::No));
    }
    assert!(server.seen().is_empty());
}
