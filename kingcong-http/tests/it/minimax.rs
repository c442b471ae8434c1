//! MiniMax: what is sent, every answer that is read, and the class of every refusal.

use kingcong_core::{
    failure::{FailureKind as Kind, Reached},
    measure::{Counts, Measure},
    provider::{Progress, Sent, Sink, VoiceOrigin},
    upstream::UpstreamId,
    work::{AudioFormat, Body, ClonedVoice, Output, Speech, Subtitles, Work},
};
use serde_json::{Value, json};

use crate::server::{
    ATTEMPT, Answer, MP3, SECRET, Server, access, answer, audio, call, call_of, check_refusals, clone_voice,
    done, failed, finished, json as ok_json, ok, poll, provider, speech, with_subtitles,
};

fn spoken() -> Value {
    json!({"data": {"audio": base16ct::lower::encode_string(MP3), "status": 2},
        "extra_info": {"audio_length": 9900, "audio_size": 160_323, "usage_characters": "26", "audio_format": "mp3"},
        "trace_id": "t", "base_resp": {"status_code": 0, "status_msg": "success"}})
}

#[tokio::test]
async fn a_short_text_is_answered_at_once() {
    let server = Server::always(ok_json(spoken())).await;
    let reply = done(provider("minimax").send(&call(&server.base_url, "minimax")).await.unwrap());
    assert_eq!(audio(&reply).body, Body::Memory(MP3.into()));
    assert_eq!(audio(&reply).content_type, "audio/mpeg");
    assert_eq!(reply.measured.counts, Counts::NONE.with(Measure::AudioMs, 9900).with(Measure::Character, 26));
    assert_eq!(reply.cost, None);
    let seen = server.only();
    assert_eq!(seen.line, "POST /v1/t2a_v2");
    assert_eq!(seen.header("authorization"), format!("Bearer {SECRET}"));
    assert_eq!(
        seen.json(),
        json!({"model": "speech-2.6-hd", "text": "Xin chào 👋", "stream": false, "output_format": "hex",
            "voice_setting": {"voice_id": "voice/1"}, "language_boost": "auto",
            "audio_setting": {"sample_rate": 44100, "bitrate": 128_000, "format": "mp3", "channel": 1}})
    );
}

#[tokio::test]
async fn hexadecimal_may_be_in_capitals_and_wav_may_be_asked_for() {
    let mut body = spoken();
    body["data"]["audio"] = json!(base16ct::upper::encode_string(b"RIFF\x10\0\0\0WAVEfmt "));
    let server = Server::always(ok_json(body)).await;
    let work = Work::Speech(Speech { format: AudioFormat::Wav, ..speech() });
    let reply = done(provider("minimax").send(&call_of(&server.base_url, "minimax", work)).await.unwrap());
    assert_eq!(audio(&reply).content_type, "audio/wav");
    assert_eq!(server.only().json()["audio_setting"]["format"], "wav");
}

#[tokio::test]
async fn subtitles_come_from_the_list_of_sentences_and_are_never_worth_the_speech() {
    for (subtitles, expected) in [
        (ok(r#"[{"text": "Xin chào", "time_begin": 0, "time_end": 1200}]"#), Some("Xin chào")),
        (answer(404, ""), None),
        (answer(500, ""), None),
        (ok("<html>"), None),
    ] {
        let server = Server::start(move |seen| match seen.line.as_str() {
            "POST /v1/t2a_v2" => {
                assert_eq!(seen.json()["subtitle_enable"], true);
                let mut body = spoken();
                body["data"]["subtitle_file"] = json!("/s.titles");
                ok_json(body)
            }
            _ => subtitles.clone(),
        })
        .await;
        let reply =
            done(provider("minimax").send(&with_subtitles(&server.base_url, "minimax")).await.unwrap());
        let srt = audio(&reply).srt.as_deref();
        assert_eq!(srt.map(|srt| srt.contains("Xin chào")), expected.map(|_| true));
        assert_eq!(audio(&reply).body, Body::Memory(MP3.into()));
    }
}

#[tokio::test]
async fn each_code_inside_a_success_has_its_class() {
    let code = |code: u32| {
        ok_json(
            json!({"data": null, "base_resp": {"status_code": code, "status_msg": "words"}, "trace_id": "t"}),
        )
    };
    let rows = [
        ("1000", Kind::Busy, Reached::Maybe),
        ("1001", Kind::Busy, Reached::Maybe),
        ("1002", Kind::AccountRateLimited, Reached::No),
        ("1004", Kind::KeyDoubtful, Reached::No),
        ("1008", Kind::OutOfCredit, Reached::No),
        ("1024", Kind::Busy, Reached::Maybe),
        ("1026", Kind::Policy, Reached::No),
        ("1027", Kind::Policy, Reached::Yes),
        ("1033", Kind::Busy, Reached::Maybe),
        ("1039", Kind::AccountRateLimited, Reached::No),
        ("1041", Kind::AccountRateLimited, Reached::No),
        ("1042", Kind::BadRequest, Reached::No),
        ("1043", Kind::BadRequest, Reached::No),
        ("1044", Kind::BadRequest, Reached::No),
        ("2013", Kind::BadRequest, Reached::No),
        ("20132", Kind::BadRequest, Reached::No),
        ("2037", Kind::BadRequest, Reached::No),
        ("2038", Kind::NotAllowed, Reached::No),
        ("2039", Kind::BadRequest, Reached::No),
        ("2042", Kind::NotAllowed, Reached::No),
        ("2045", Kind::AccountRateLimited, Reached::No),
        ("2048", Kind::BadRequest, Reached::No),
        ("2049", Kind::KeyDoubtful, Reached::No),
        ("2056", Kind::OutOfCredit, Reached::No),
        ("9999", Kind::Busy, Reached::Maybe),
    ]
    .map(|(number, kind, reached)| (code(number.parse().unwrap()), kind, reached, number));
    check_refusals("minimax", "minimax", rows.into()).await;
}

#[tokio::test]
async fn a_status_counts_where_there_is_no_code() {
    check_refusals(
        "minimax",
        "minimax",
        vec![
            (answer(400, "{}"), Kind::BadRequest, Reached::No, "400"),
            (
                answer(401, r#"{"base_resp": {"status_code": 1008, "status_msg": "m"}}"#),
                Kind::OutOfCredit,
                Reached::No,
                "1008",
            ),
            (answer(401, ""), Kind::KeyDoubtful, Reached::No, "401"),
            (answer(429, "{}"), Kind::AccountRateLimited, Reached::No, "429"),
            (answer(500, "{}"), Kind::Busy, Reached::Maybe, "500"),
            (answer(503, "<html>"), Kind::Busy, Reached::No, "503"),
            (ok("<html>"), Kind::Unknown, Reached::Maybe, ""),
            (ok(""), Kind::Unknown, Reached::Maybe, ""),
            (ok(r#"{"base_resp": {"status_code": 0}, "data": null}"#), Kind::Undeliverable, Reached::Yes, ""),
            (
                ok(r#"{"base_resp": {"status_code": 0}, "data": {"audio": ""}}"#),
                Kind::Undeliverable,
                Reached::Yes,
                "",
            ),
            (
                ok(r#"{"base_resp": {"status_code": 0}, "data": {"audio": "4"}}"#),
                Kind::Undeliverable,
                Reached::Yes,
                "",
            ),
            (
                ok(r#"{"base_resp": {"status_code": 0}, "data": {"audio": "zz"}}"#),
                Kind::Undeliverable,
                Reached::Yes,
                "",
            ),
        ],
    )
    .await;
}

fn long() -> Work {
    Work::Speech(Speech { text: "ố".repeat(10_000).into(), subtitles: Subtitles::Srt, ..speech() })
}

fn tar_entry(name: &str, body: &[u8]) -> Vec<u8> {
    let mut entry = vec![0; 512];
    entry[..name.len()].copy_from_slice(name.as_bytes());
    entry[124..135].copy_from_slice(format!("{:011o}", body.len()).as_bytes());
    entry[156] = b'0';
    entry[257..262].copy_from_slice(b"ustar");
    entry.extend_from_slice(body);
    entry.resize(entry.len().next_multiple_of(512), 0);
    entry
}

fn archive() -> Vec<u8> {
    [
        tar_entry("1.extra", br#"{"audio_length": 5000, "usage_characters": 20000}"#),
        tar_entry("1.titles", r#"[{"text": "ố", "time_begin": 0, "time_end": 5000}]"#.as_bytes()),
        tar_entry("1.mp3", MP3),
        vec![0; 1024],
    ]
    .concat()
}

async fn server_with(status: &'static str, content: Answer) -> Server {
    Server::start(move |seen| match seen.line.as_str() {
        "POST /v1/t2a_async_v2" => {
            ok_json(json!({"task_id": 95_157_322_514_444_u64, "file_id": 7, "base_resp": {"status_code": 0}}))
        }
        "GET /v1/query/t2a_async_query_v2?task_id=95157322514444" => {
            ok_json(json!({"task_id": 95_157_322_514_444_u64,
            "status": status, "file_id": 7, "base_resp": {"status_code": 0}}))
        }
        "GET /v1/files/retrieve_content?file_id=7" => {
            assert_eq!(seen.header("authorization"), format!("Bearer {SECRET}"));
            content.clone()
        }
        _ => answer(404, ""),
    })
    .await
}

#[tokio::test]
async fn a_long_text_becomes_a_task_whose_result_is_unpacked() {
    let server = server_with("Success", ok(archive())).await;
    let call = call_of(&server.base_url, "minimax", long());
    let Sent::Accepted(accepted) = provider("minimax").send(&call).await.unwrap() else {
        panic!("not accepted")
    };
    assert_eq!(accepted.upstream_id, UpstreamId("95157322514444".to_owned()));
    assert_eq!(server.only().json()["audio_setting"]["audio_sample_rate"], 44100);
    let reply = finished(poll(&provider("minimax"), call, &accepted.upstream_id.0).await.unwrap());
    assert_eq!(audio(&reply).body, Body::Memory(MP3.into()));
    assert_eq!(audio(&reply).srt.as_deref(), Some("1\n00:00:00,000 --> 00:00:05,000\nố\n\n"));
    assert_eq!(
        reply.measured.counts,
        Counts::NONE.with(Measure::AudioMs, 5000).with(Measure::Character, 20_000)
    );
}

#[tokio::test]
async fn the_result_of_a_task_may_come_unpacked() {
    let server = server_with("success", ok(MP3)).await;
    let call = call_of(&server.base_url, "minimax", long());
    let reply = finished(poll(&provider("minimax"), call, "95157322514444").await.unwrap());
    assert_eq!(audio(&reply).body, Body::Memory(MP3.into()));
}

#[tokio::test]
async fn a_task_goes_on_until_it_is_said_to_have_ended() {
    for status in ["Processing", "preparing", ""] {
        let server = server_with(status, ok(MP3)).await;
        let answer = poll(&provider("minimax"), call(&server.base_url, "minimax"), "95157322514444").await;
        match status {
            "" => assert_eq!(answer.unwrap_err().kind, Kind::Busy),
            _ => assert_eq!(answer, Ok(Progress::Running { percent: None })),
        }
    }
    for status in ["Failed", "EXPIRED"] {
        let server = server_with(status, ok(MP3)).await;
        let answer = poll(&provider("minimax"), call(&server.base_url, "minimax"), "95157322514444").await;
        let failure = failed(answer.unwrap());
        assert_eq!((failure.kind, failure.reached), (Kind::Busy, Reached::Yes));
        assert_eq!(failure.code, Some(status.to_lowercase()));
    }
}

#[tokio::test]
async fn an_archive_that_cannot_be_had_is_asked_for_again_later() {
    for content in [
        answer(500, ""),
        ok([tar_entry("1.titles", b"[]"), vec![0; 1024]].concat()),
        ok(r#"{"base_resp": {"status_code": 1002, "status_msg": "slow down"}}"#),
        ok(&archive()[..1600]),
    ] {
        let server = server_with("Success", content).await;
        let call = call_of(&server.base_url, "minimax", long());
        let failure = poll(&provider("minimax"), call, "95157322514444").await.unwrap_err();
        assert!(matches!(failure.kind, Kind::Busy | Kind::AccountRateLimited), "{failure}");
        assert_eq!(failure.reached, Reached::Maybe);
    }
}

#[tokio::test]
async fn a_file_that_is_no_archive_is_left_to_the_reader() {
    for body in ["", "<html>"] {
        let server = server_with("Success", ok(body)).await;
        let call = call_of(&server.base_url, "minimax", long());
        let reply = finished(poll(&provider("minimax"), call, "95157322514444").await.unwrap());
        assert_eq!(audio(&reply).body, Body::Memory(body.into()));
    }
}

#[tokio::test]
async fn a_task_whose_result_is_too_large_has_failed() {
    let server = server_with("Success", ok(archive())).await;
    let mut call = call_of(&server.base_url, "minimax", long());
    call.sink = Sink::Memory { max_bytes: 4 };
    let failure = poll(&provider("minimax"), call, "95157322514444").await.unwrap_err();
    assert_eq!((failure.kind, failure.reached), (Kind::TooLarge, Reached::Yes));
}

#[tokio::test]
async fn a_text_for_no_call_is_refused_before_anything_is_sent() {
    let server = Server::always(ok("{}")).await;
    let text =
        |characters, format| Work::Speech(Speech { text: "a".repeat(characters).into(), format, ..speech() });
    for (work, kind) in [
        (text(50_001, AudioFormat::Mp3), Kind::BadRequest),
        (text(10_000, AudioFormat::Wav), Kind::Unsupported),
    ] {
        let failure =
            provider("minimax").send(&call_of(&server.base_url, "minimax", work)).await.unwrap_err();
        assert_eq!((failure.kind, failure.reached), (kind, Reached::No));
    }
    for service in ["elevenlabs", "openai"] {
        let failure = provider("minimax").send(&call(&server.base_url, service)).await.unwrap_err();
        assert_eq!((failure.kind, failure.reached), (Kind::Unsupported, Reached::No));
    }
    assert!(server.seen().is_empty());
}

#[tokio::test]
async fn a_voice_is_uploaded_and_then_cloned_under_the_attempts_name() {
    let server = Server::start(|seen| match seen.line.as_str() {
        "POST /v1/files/upload" => {
            ok_json(json!({"file": {"file_id": 207_000_000_000_000_u64}, "base_resp": {"status_code": 0}}))
        }
        _ => ok_json(json!({"input_sensitive": false, "base_resp": {"status_code": 0}})),
    })
    .await;
    let call = call_of(&server.base_url, "minimax", Work::CloneVoice(clone_voice()));
    let reply = done(provider("minimax").send(&call).await.unwrap());
    let voice = format!("kc{}", ATTEMPT.as_uuid().simple());
    assert_eq!(reply.output, Output::Voice(ClonedVoice { voice: voice.clone() }));
    let [upload, clone] = server.seen().try_into().unwrap();
    let form = String::from_utf8(upload.body.to_vec()).unwrap();
    assert!(form.contains("voice_clone") && form.contains("a recording"), "{form}");
    assert_eq!(clone.line, "POST /v1/voice_clone");
    assert_eq!(
        clone.json(),
        json!({"file_id": 207_000_000_000_000_u64, "voice_id": voice, "text": "thử", "model": "speech-2.6-hd"})
    );
}

#[tokio::test]
async fn an_upload_that_fails_has_cloned_nothing() {
    for body in [ok("<html>"), answer(504, ""), ok(r#"{"base_resp": {"status_code": 1000}}"#), ok("{}")] {
        let server = Server::always(body).await;
        let call = call_of(&server.base_url, "minimax", Work::CloneVoice(clone_voice()));
        let failure = provider("minimax").send(&call).await.unwrap_err();
        assert_eq!((failure.kind, failure.reached), (Kind::Busy, Reached::No));
        assert_eq!(server.seen().len(), 1);
    }
}

#[tokio::test]
async fn the_list_of_voices_tells_whether_the_key_lives() {
    let body = json!({"system_voice": [{"voice_id": "s", "voice_name": "S"}], "voice_cloning": [{"voice_id": "c"}],
        "voice_generation": null, "base_resp": {"status_code": 0}});
    let server = Server::always(ok_json(body)).await;
    let access = access(&server.base_url, "minimax");
    assert_eq!(provider("minimax").balance(&access).await, Ok(None));
    let page = provider("minimax").voices(&access, None).await.unwrap();
    let found: Vec<_> = page.voices.iter().map(|voice| (voice.voice.as_str(), voice.origin)).collect();
    assert_eq!(found, [("c", VoiceOrigin::Cloned), ("s", VoiceOrigin::Library)]);
    assert_eq!(page.next, None);
    assert_eq!(server.seen()[1].json(), json!({"voice_type": "all"}));
    assert_eq!(provider("minimax").voices(&access, Some("2")).await.unwrap_err().kind, Kind::BadRequest);
    for code in [1004, 2049] {
        let server = Server::always(ok_json(json!({"base_resp": {"status_code": code}}))).await;
        let access = crate::server::access(&server.base_url, "minimax");
        assert_eq!(provider("minimax").balance(&access).await.unwrap_err().kind, Kind::KeyDead);
    }
}
