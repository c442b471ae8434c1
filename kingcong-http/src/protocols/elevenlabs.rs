//! Protocol `elevenlabs`: the vendor's own API. It answers a submit with the audio itself, so nothing is polled,
//! and an answer that is lost leaves the call's fate unknown. Most of its refusals share a few statuses: the code
//! in the body tells them apart.

use async_trait::async_trait;
use base64ct::{Base64, Encoding};
use kingcong_core::{
    failure::{Failure, FailureKind, Reached},
    id::{ProtocolId, ServiceId},
    measure::Measured,
    operation::Operation,
    provider::{Access, Call, Health, Provider, Reply, Sent, VoiceOrigin, VoicePage},
    upstream::UpstreamCredits,
    work::{Audio, AudioFormat, Capabilities, CloneVoice, Output, Speech, Subtitles, Work},
};
use reqwest::{
    Method,
    header::{CONTENT_TYPE, HeaderMap},
    multipart::Form,
};
use serde_json::{Value, json};

use crate::{
    protocol,
    protocols::ai33::{TASK_ID_BYTES_MAX, cloned, of_key, sample_part},
    settings::AUDIO_ANSWER_BYTES_MAX,
    voice::{
        list::{Page, VOICES_PER_PAGE, voices},
        srt,
        vendor::{ELEVENLABS_MP3, Vendor, asked_mp3, elevenlabs_voice_settings},
        wav,
    },
    wire::{
        download::told_audio_type,
        http::{Auth, Exchange, Http, Step},
        lenient::{count, field, text, thousandths, truth},
        refusal::{Refusal, Verdict, classed},
        sink::Writer,
    },
};

/// Samples per second of what is asked for to make WAV; higher rates need a dearer plan.
const PCM_SAMPLE_RATE: u32 = 24_000;
const PCM: &str = "pcm_24000";
/// The code for an account that is barred for a time, whose key is known all the same.
const UNUSUAL_ACTIVITY: &str = "detected_unusual_activity";

/// The protocol.
#[derive(Clone, Debug)]
pub(crate) struct ElevenLabs {
    http: Http,
    protocol: ProtocolId,
}

impl ElevenLabs {
    pub(crate) fn new(http: Http) -> Self {
        Self { http, protocol: protocol("elevenlabs") }
    }

    fn exchange<'a>(&'a self, access: &'a Access, step: Step) -> Exchange<'a> {
        Exchange { http: &self.http, access, auth: Auth::XiApiKey, judge, step }
    }

    /// The exchange, if the route is one that this protocol speaks.
    fn exchange_on_route<'a>(&'a self, access: &'a Access, step: Step) -> Result<Exchange<'a>, Failure> {
        let exchange = self.exchange(access, step);
        match Vendor::of(&exchange)? {
            Vendor::ElevenLabs => Ok(exchange),
            Vendor::MiniMax => {
                Err(exchange.refuses(FailureKind::Unsupported, "ElevenLabs does not sell MiniMax"))
            }
        }
    }

    async fn speak(&self, exchange: Exchange<'_>, call: &Call, speech: &Speech) -> Result<Sent, Failure> {
        let mut body = json!({"text": speech.text});
        if let Some(model) = &speech.model {
            body["model_id"] = json!(model);
        }
        if let Some(language) = &speech.language {
            body["language_code"] = json!(language);
        }
        if let Some(settings) = elevenlabs_voice_settings(speech.settings) {
            body["voice_settings"] = settings;
        }
        let format = match speech.format {
            AudioFormat::Wav => PCM,
            _ => ELEVENLABS_MP3,
        };
        let mut path = vec!["v1", "text-to-speech", &speech.voice];
        if speech.subtitles == Subtitles::Srt {
            path.push("with-timestamps");
        }
        let request = exchange.request(Method::POST, &path, &[("output_format", format)])?.json(&body);

        let mut writer = Writer::open(&call.sink, call.attempt).await?;
        if speech.format == AudioFormat::Wav {
            // Its lengths are filled in at the end.
            writer.write(&wav::header(0, PCM_SAMPLE_RATE)).await?;
        }
        let wait = self.http.settings.synchronous_timeout;
        let (cost, told, srt) = match speech.subtitles {
            Subtitles::No => {
                let response = exchange.open(request, wait).await?;
                if is_text(response.headers()) {
                    return Err(exchange.no_audio(response).await);
                }
                let (cost, told) = (character_cost(response.headers()), told_audio_type(&response));
                exchange.drain(response, &mut writer).await?;
                (cost, told, None)
            }
            Subtitles::Srt => {
                let base64 = |answer: &Value| Base64::decode_vec(&text(answer, &["audio_base64"])?).ok();
                let (headers, answer, audio) =
                    exchange.audio_json(request, wait, AUDIO_ANSWER_BYTES_MAX, base64).await?;
                let audio = audio
                    .filter(|audio| !audio.is_empty())
                    .ok_or_else(|| exchange.lacking_audio(&answer, "a success without audio"))?;
                writer.write(&audio).await?;
                let alignment =
                    field(&answer, "alignment").or_else(|| field(&answer, "normalized_alignment"));
                (character_cost(&headers), None, alignment.and_then(srt::from_alignment))
            }
        };
        let told = match speech.format {
            AudioFormat::Wav => {
                // Samples have no header that tells them from an error's words.
                let start = writer.head().get(wav::HEADER_BYTES..).unwrap_or_default();
                if !start.is_empty()
                    && start.iter().all(|byte| byte.is_ascii_graphic() || byte.is_ascii_whitespace())
                {
                    return Err(exchange.undeliverable("samples were expected, and a text came"));
                }
                let data_bytes = writer.written() - wav::HEADER_BYTES as u64;
                writer.overwrite_start(&wav::header(data_bytes, PCM_SAMPLE_RATE)).await?;
                Some("audio/wav".to_owned())
            }
            _ => told,
        };
        let audio: Audio = exchange.finish_audio(writer, told, call.attempt, srt).await?;
        Ok(Sent::Done(Reply { output: Output::Audio(audio), cost, measured: Measured::NOTHING }))
    }

    async fn clone_voice(&self, exchange: Exchange<'_>, clone: &CloneVoice) -> Result<Sent, Failure> {
        let form = Form::new().text("name", clone.name.clone()).part("files", sample_part(&exchange, clone)?);
        let request = exchange.request(Method::POST, &["v1", "voices", "add"], &[])?.multipart(form);
        let answer = exchange.json(request, self.http.settings.synchronous_timeout).await?;
        let voice = text(&answer, &["voice_id"])
            .filter(|id| id.len() <= TASK_ID_BYTES_MAX)
            .ok_or_else(|| exchange.lacking(&answer, "a success without a voice id"))?;
        Ok(cloned(voice))
    }
}

#[async_trait]
impl Provider for ElevenLabs {
    fn protocol(&self) -> &ProtocolId {
        &self.protocol
    }

    fn capabilities(&self, _service: &ServiceId) -> Capabilities {
        Capabilities::of(&[Operation::Speech, Operation::CloneVoice]).with_mp3(asked_mp3())
    }

    async fn send(&self, call: &Call) -> Result<Sent, Failure> {
        let exchange = self.exchange_on_route(&call.access, Step::Submit)?;
        match &*call.work {
            Work::Speech(speech) => self.speak(exchange, call, speech).await,
            Work::CloneVoice(clone) => self.clone_voice(exchange, clone).await,
            _ => Err(exchange.refuses(FailureKind::Unsupported, "ElevenLabs does not do this work")),
        }
    }

    async fn balance(&self, access: &Access) -> Result<Option<UpstreamCredits>, Failure> {
        let exchange = self.exchange(access, Step::Read);
        let request = exchange.request(Method::GET, &["v1", "user", "subscription"], &[])?;
        let subscription = match exchange.json(request, self.http.settings.poll_timeout).await {
            Ok(subscription) => subscription,
            // A live key that may only speak.
            Err(failure) if failure.kind == FailureKind::NotAllowed => return Ok(None),
            Err(failure) if failure.code.as_deref() == Some(UNUSUAL_ACTIVITY) => return Err(failure),
            Err(failure) => return Err(of_key(failure)),
        };
        let used = count(&subscription, &["character_count"]);
        let limit = count(&subscription, &["character_limit"]);
        let (Some(used), Some(limit)) = (used, limit) else {
            return Err(exchange.lacking(&subscription, "an answer without a character count and limit"));
        };
        let whole = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
        let extension = match truth(&subscription, &["allowed_to_extend_character_limit"]) {
            Some(true) => extension(&subscription),
            _ => Some(0),
        };
        let left = |extension| whole(limit).saturating_add(whole(extension)).saturating_sub(whole(used));
        Ok(extension.map(|extension| UpstreamCredits::whole(left(extension))))
    }

    async fn health(&self, _access: &Access) -> Result<Vec<(ServiceId, Health)>, Failure> {
        Ok(Vec::new())
    }

    async fn voices(&self, access: &Access, page: Option<&str>) -> Result<VoicePage, Failure> {
        let exchange = self.exchange_on_route(access, Step::Read)?;
        let Page::Own(token) = Page::parse(&exchange, page, Page::Own(None))? else {
            return Ok(VoicePage::default());
        };
        let mut query = vec![("page_size", VOICES_PER_PAGE)];
        query.extend(token.as_deref().map(|token| ("next_page_token", token)));
        let request = exchange.request(Method::GET, &["v2", "voices"], &query)?;
        let answer = exchange.json(request, self.http.settings.poll_timeout).await?;
        let more = truth(&answer, &["has_more"]) != Some(false);
        Ok(VoicePage {
            voices: voices(field(&answer, "voices"), VoiceOrigin::Library),
            next: more.then(|| Page::own_after(&answer)).flatten(),
        })
    }
}

/// By how many characters the plan may still be extended; none where that has no end.
fn extension(subscription: &Value) -> Option<u64> {
    let name = "max_credit_limit_extension";
    match field(subscription, name) {
        Some(unlimited) if unlimited == "unlimited" => None,
        _ => Some(count(subscription, &[name, "max_character_limit_extension"]).unwrap_or(0)),
    }
}

fn character_cost(headers: &HeaderMap) -> Option<UpstreamCredits> {
    let text = headers.get("character-cost")?.to_str().ok()?;
    let cost = UpstreamCredits::from_thousandths(thousandths(&Value::from(text))?);
    (cost >= UpstreamCredits::default()).then_some(cost)
}

fn is_text(headers: &HeaderMap) -> bool {
    let told = headers.get(CONTENT_TYPE).and_then(|told| told.to_str().ok()).unwrap_or_default();
    told.starts_with("text/") || told.starts_with("application/json")
}

/// Judges a refusal.
fn judge(refusal: &Refusal) -> Verdict {
    use FailureKind::{AccountRateLimited, BadRequest, Busy, KeyDoubtful, NotAllowed};
    let kind = match (refusal.status.as_u16(), refusal.code.as_deref().unwrap_or_default()) {
        (_, "only_for_creator+" | "can_not_use_instant_voice_cloning" | "paid_plan_required") => NotAllowed,
        (400..=499, UNUSUAL_ACTIVITY) => KeyDoubtful,
        (409, _) => Busy,
        (404, _) => BadRequest,
        _ => return classed(refusal, AccountRateLimited),
    };
    (kind, Reached::No)
}
