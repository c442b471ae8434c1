//! The vendors whose voices a gateway resells, told apart by the route's service.

use kingcong_core::{
    failure::{Failure, FailureKind},
    id::ServiceId,
};
use serde_json::{Map, Value, json};

use crate::wire::{http::Exchange, lenient::hundredths};
use kingcong_core::work::{Ability, Capabilities, Mp3Layout, VoiceSettings};

/// The model that is named to gateways that want one for an ElevenLabs voice.
pub(crate) const ELEVENLABS_MODEL: &str = "eleven_multilingual_v2";
/// The model that is named to gateways that want one for a MiniMax voice.
pub(crate) const MINIMAX_MODEL: &str = "speech-2.6-hd";
/// The ElevenLabs name of [`kingcong_core::work::AudioFormat::Mp3`].
pub(crate) const ELEVENLABS_MP3: &str = "mp3_44100_128";
/// MiniMax: samples per second.
pub(crate) const MINIMAX_SAMPLE_RATE: u32 = 44_100;
/// MiniMax: bits per second of MP3.
pub(crate) const MINIMAX_BITRATE: u32 = 128_000;

/// A maker of voices.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Vendor {
    /// Service `elevenlabs`.
    ElevenLabs,
    /// Service `minimax`.
    MiniMax,
}

impl Vendor {
    /// The vendor of this exchange's route.
    ///
    /// # Errors
    /// Of kind [`FailureKind::Unsupported`] for other services.
    pub(crate) fn of(exchange: &Exchange<'_>) -> Result<Self, Failure> {
        Self::of_service(&exchange.access.route.service).ok_or_else(|| {
            let service = &exchange.access.route.service;
            exchange.refuses(
                FailureKind::Unsupported,
                format!("service {service} is not spoken by this protocol"),
            )
        })
    }

    pub(crate) fn of_service(service: &ServiceId) -> Option<Self> {
        match service.as_str() {
            "elevenlabs" => Some(Self::ElevenLabs),
            "minimax" => Some(Self::MiniMax),
            _ => None,
        }
    }
}

/// ElevenLabs' `voice_settings`; none where all are the upstream's defaults.
pub(crate) fn elevenlabs_voice_settings(settings: VoiceSettings) -> Option<Value> {
    let given: Map<String, Value> = [
        ("stability", settings.stability.map(u16::from)),
        ("similarity_boost", settings.similarity.map(u16::from)),
        ("style", settings.style.map(u16::from)),
        ("speed", settings.speed),
    ]
    .into_iter()
    .filter_map(|(name, value)| Some((name.to_owned(), hundredths(value?))))
    .collect();
    (!given.is_empty()).then_some(Value::Object(given))
}

/// The layout of every MP3 that is asked for as [`ELEVENLABS_MP3`], or at [`MINIMAX_SAMPLE_RATE`]: 44.1 kHz mono. The
/// rate stands in what is asked for. Of the channels MiniMax is asked for one; ElevenLabs' formats name none, and its
/// speech is mono. Jobs are planned by it and audio is read all the same: were it wrong, a piece would be made twice,
/// and nothing charged for it.
pub(crate) fn asked_mp3() -> Mp3Layout {
    Mp3Layout::new(MINIMAX_SAMPLE_RATE, 1).expect("MP3s have 44.1 kHz and one channel")
}

/// What no MiniMax takes: its voices have a speed alone.
pub(crate) fn without_voice_settings(capabilities: Capabilities) -> Capabilities {
    [Ability::Stability, Ability::Similarity, Ability::Style]
        .into_iter()
        .fold(capabilities, Capabilities::without)
}

/// MiniMax's `voice_setting`.
pub(crate) fn minimax_voice_setting(voice: &str, settings: VoiceSettings) -> Value {
    let mut setting = json!({"voice_id": voice});
    if let Some(speed) = settings.speed {
        setting["speed"] = hundredths(speed);
    }
    setting
}

/// MiniMax's `language_boost` for an ISO 639-1 language, if it knows it.
pub(crate) fn minimax_language(language: Option<&str>) -> Option<&'static str> {
    Some(match language?.split('-').next()? {
        "ar" => "Arabic",
        "bg" => "Bulgarian",
        "cs" => "Czech",
        "da" => "Danish",
        "de" => "German",
        "el" => "Greek",
        "en" => "English",
        "es" => "Spanish",
        "fi" => "Finnish",
        "fr" => "French",
        "he" => "Hebrew",
        "hi" => "Hindi",
        "hr" => "Croatian",
        "hu" => "Hungarian",
        "id" => "Indonesian",
        "it" => "Italian",
        "ja" => "Japanese",
        "ko" => "Korean",
        "ms" => "Malay",
        "nl" => "Dutch",
        "pl" => "Polish",
        "pt" => "Portuguese",
        "ro" => "Romanian",
        "ru" => "Russian",
        "sk" => "Slovak",
        "sl" => "Slovenian",
        "sv" => "Swedish",
        "ta" => "Tamil",
        "th" => "Thai",
        "tr" => "Turkish",
        "uk" => "Ukrainian",
        "vi" => "Vietnamese",
        "zh" => "Chinese",
        _ => return None,
    })
}
