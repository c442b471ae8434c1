//! What no eligible server can do is refused before anything is held, and what one can do goes there.

use kingcong_core::{
    Error, KingCong, NewKey, Preset, Request, Settings,
    engine::Mode,
    operation::Operation,
    switch::Switch,
    vault::{KeyBytes, StaticMasterKey},
    work::{Ability, AskedSpeech, AskedVoice, AudioFormat, PlanError, Subtitles, VoiceSettings},
};
use kingcong_http::Upstreams;

/// The preset with a key on every route and credits; it submits, and works at nothing.
async fn opened() -> KingCong {
    let kc = KingCong::builder()
        .preset(Preset::kingcong().unwrap())
        .providers(Upstreams::all().unwrap())
        .master_key(StaticMasterKey::new(KeyBytes::new(&[7; 32])))
        .settings(Settings { mode: Mode::Client, ..Settings::default() })
        .start()
        .await
        .unwrap();
    for server in ["ai33", "ai84"] {
        for service in ["elevenlabs", "minimax"] {
            let secret = format!("sk-of-{server}-{service}-1234");
            kc.keys().add(NewKey::shared(server, service, secret)).await.unwrap();
        }
    }
    kc.wallets().purchase("user-1", "package-1", "order-1").await.unwrap();
    kc
}

fn speech(service: &str) -> Request<AskedSpeech> {
    Request::speech("user-1", "Xin chào!").service(service).voice("voice-1")
}

fn clone(service: &str) -> Request<AskedVoice> {
    Request::clone_voice("user-1", "An", &b"ID3"[..], "audio/mpeg").service(service)
}

#[tokio::test]
async fn what_no_server_can_do_is_refused_naming_those_that_can() {
    let kc = opened().await;
    let set = |settings: VoiceSettings| speech("minimax").settings(settings);
    let elevenlabs = ["ai33_elevenlabs", "ai84_elevenlabs"];
    let requests: [(Request, _, _); 5] = [
        (speech("elevenlabs").format(AudioFormat::Wav).into(), Ability::Wav, &["ai84_minimax"][..]),
        (clone("elevenlabs").into(), Ability::Do(Operation::CloneVoice), &["ai33_minimax"]),
        (
            set(VoiceSettings { stability: Some(1), ..Default::default() }).into(),
            Ability::Stability,
            &elevenlabs,
        ),
        (
            set(VoiceSettings { similarity: Some(1), ..Default::default() }).into(),
            Ability::Similarity,
            &elevenlabs,
        ),
        (set(VoiceSettings { style: Some(1), ..Default::default() }).into(), Ability::Style, &elevenlabs),
    ];
    for (request, wrong, able) in requests {
        let before = kc.wallets().get("user-1").await.unwrap();
        for refused in [
            kc.estimate(request.clone()).await.map(drop).unwrap_err(),
            kc.submit(request.clone()).await.map(drop).unwrap_err(),
        ] {
            let Error::NoPlan { error: PlanError::Incapable { asked, able: named, .. }, .. } = &refused
            else {
                panic!("{refused:?}")
            };
            assert_eq!(asked, &[wrong], "{refused}");
            let named: Vec<String> = named.iter().map(ToString::to_string).collect();
            assert_eq!(named, able, "{refused}");
            let says = [wrong.to_string(), able.join(", ")];
            assert!(says.iter().all(|part| refused.to_string().contains(part)), "{refused}");
            assert!(!refused.is_retryable());
        }
        assert_eq!(kc.wallets().get("user-1").await.unwrap(), before);
    }
    kc.close().await;
}

#[tokio::test]
async fn what_one_server_can_do_goes_there_alone() {
    let kc = opened().await;
    let requests: [(Request, _); 4] = [
        (speech("minimax").format(AudioFormat::Wav).into(), &["ai84"][..]),
        (clone("minimax").into(), &["ai33"]),
        (speech("minimax").subtitles(Subtitles::Srt).into(), &["ai33", "ai84"]),
        (speech("elevenlabs").into(), &["ai33", "ai84"]),
    ];
    for (request, servers) in requests {
        let report = kc.submit(request).await.unwrap().status().await.unwrap();
        let routes = report.tasks[0].task.routes.iter();
        let planned: Vec<&str> = routes.map(|route| route.route().server.as_str()).collect();
        assert_eq!(planned, servers);
    }
    // The one that can is off.
    kc.config().set_route("ai84", "minimax", Switch::Off).await.unwrap();
    let refused = kc.estimate(speech("minimax").format(AudioFormat::Wav)).await.unwrap_err();
    assert!(refused.to_string().contains("format wav cannot be done on ai33_minimax"), "{refused}");
    kc.close().await;
}
