//! Protocol `ai84`: one gateway to two vendors, ElevenLabs and MiniMax, each with its own voices. Speech is
//! submitted and then polled as a job; the cost is told at the submit. Creating is limited per address, polling
//! is not. A page of the edge in front of it with status 403 judges our user agent, never the key.

use async_trait::async_trait;
use kingcong_core::{
    failure::{Failure, FailureKind},
    id::{AttemptId, ProtocolId, ServiceId},
    operation::Operation,
    provider::{
        Accepted, Access, Call, Health, Laid, Progress, Provider, Reply, Sent, VoiceOrigin, VoicePage,
    },
    upstream::{UpstreamCredits, UpstreamId},
    work::{Ability, AudioFormat, Capabilities, Speech, Subtitles, Work},
};
use reqwest::Method;
use serde_json::{Value, json};

use crate::{
    protocol,
    protocols::ai33::{TASK_ID_BYTES_MAX, read_balance, shared_voices},
    voice::{
        list::{Page, VOICES_PER_PAGE, voices},
        vendor::{
            ELEVENLABS_MODEL, ELEVENLABS_MP3, MINIMAX_BITRATE, MINIMAX_SAMPLE_RATE, Vendor, asked_mp3,
            elevenlabs_voice_settings, minimax_language, without_voice_settings,
        },
    },
    wire::{
        http::{Auth, Exchange, Http, Step},
        lenient::{cost, count, field, first, hundredths, percent, short_text, text},
        refusal::{Refusal, Verdict, classed, classed_task},
    },
};

/// The protocol.
#[derive(Clone, Debug)]
pub(crate) struct Ai84 {
    http: Http,
    protocol: ProtocolId,
}

impl Ai84 {
    pub(crate) fn new(http: Http) -> Self {
        Self { http, protocol: protocol("ai84") }
    }

    fn exchange<'a>(&'a self, access: &'a Access, step: Step) -> Exchange<'a> {
        Exchange { http: &self.http, access, auth: Auth::XiApiKey, judge, step }
    }

    async fn speak(
        &self,
        exchange: Exchange<'_>,
        vendor: Vendor,
        speech: &Speech,
        attempt: AttemptId,
    ) -> Result<Sent, Failure> {
        let (path, mut body) = match vendor {
            Vendor::ElevenLabs => {
                (["v2", "text-to-speech", "async"].as_slice(), elevenlabs_body(&exchange, speech)?)
            }
            Vendor::MiniMax => {
                (["v1", "minimax", "text-to-speech", "async"].as_slice(), minimax_body(speech, attempt))
            }
        };
        if speech.subtitles == Subtitles::Srt {
            body["with_transcript"] = json!(true);
        }
        let request = exchange.request(Method::POST, path, &[])?;
        let answer = exchange.json(request.json(&body), self.http.settings.send_timeout).await?;
        let job = field(&answer, "job").or_else(|| field(&answer, "data")).unwrap_or(&answer);
        let id = text(&answer, &["job_id", "task_id"])
            .or_else(|| text(job, &["job_id", "task_id", "id"]))
            .filter(|id| id.len() <= TASK_ID_BYTES_MAX)
            .ok_or_else(|| exchange.lacking(&answer, "a success without a job id"))?;
        Ok(Sent::Accepted(Accepted {
            upstream_id: UpstreamId(id),
            cost: cost(&answer, &["credit_cost"]).or_else(|| cost(job, &["credit_cost"])),
            balance: None,
        }))
    }

    async fn poll_one(&self, call: &Call, upstream_id: &UpstreamId) -> Result<Progress, Failure> {
        let exchange = self.exchange(&call.access, Step::Follow);
        let path = ["v2", "text-to-speech", "async", &upstream_id.0];
        let answer = exchange
            .json(exchange.request(Method::GET, &path, &[])?, self.http.settings.poll_timeout)
            .await?;
        let job = first(&answer, &["job", "data"]).unwrap_or(&answer);
        let status =
            text(job, &["status"]).ok_or_else(|| exchange.lacking(&answer, "an answer that is no job"))?;
        match status.to_lowercase().as_str() {
            "done" | "completed" => {
                let address = |names: &[&str]| {
                    short_text(job, names).or_else(|| short_text(field(job, "metadata")?, names))
                };
                let url = address(&["audio_url"])
                    .ok_or_else(|| exchange.unclear("a finished job without audio"))?;
                let text_url = address(&["transcript_url", "srt_url"]);
                Ok(Progress::Ready(Laid { url, text_url, cost: cost(job, &["credit_cost"]) }))
            }
            "failed" | "error" => {
                let refusal = Refusal::of_task(
                    text(job, &["error_code", "error_message_key"]),
                    text(job, &["error_message", "error_message_key", "error"]),
                );
                let kind = judge_job(job, &refusal);
                Ok(Progress::Failed(exchange.task_failed(kind, &refusal)))
            }
            _ => Ok(Progress::Running { percent: percent(job, &["progress"]) }),
        }
    }
}

fn elevenlabs_body(exchange: &Exchange<'_>, speech: &Speech) -> Result<Value, Failure> {
    if speech.format != AudioFormat::Mp3 {
        return Err(
            exchange.refuses(FailureKind::Unsupported, "this gateway makes MP3 only of ElevenLabs voices")
        );
    }
    let mut body = json!({
        "text": speech.text,
        "voice_id": speech.voice,
        "model_id": speech.model.as_deref().unwrap_or(ELEVENLABS_MODEL),
        "output_format": ELEVENLABS_MP3,
    });
    if let Some(language) = &speech.language {
        body["language_code"] = json!(language);
    }
    if let Some(settings) = elevenlabs_voice_settings(speech.settings) {
        body["voice_settings"] = settings;
    }
    Ok(body)
}

fn minimax_body(speech: &Speech, attempt: AttemptId) -> Value {
    let mut body = json!({
        "canonical_voice_id": speech.voice,
        "text": speech.text,
        "language_boost": minimax_language(speech.language.as_deref()).unwrap_or("auto"),
        "sample_rate": MINIMAX_SAMPLE_RATE,
        "client_task_uuid": attempt,
    });
    match speech.format {
        AudioFormat::Wav => body["format"] = json!("wav"),
        _ => {
            body["format"] = json!("mp3");
            body["bitrate"] = json!(MINIMAX_BITRATE);
        }
    }
    if let Some(model) = &speech.model {
        body["model"] = json!(model);
    }
    if let Some(speed) = speech.settings.speed {
        body["speed"] = hundredths(speed);
    }
    body
}

#[async_trait]
impl Provider for Ai84 {
    fn protocol(&self) -> &ProtocolId {
        &self.protocol
    }

    fn capabilities(&self, service: &ServiceId) -> Capabilities {
        let speech_alone = Capabilities::of(&[Operation::Speech]).with_mp3(asked_mp3());
        match Vendor::of_service(service) {
            Some(Vendor::ElevenLabs) | None => speech_alone.without(Ability::Wav),
            Some(Vendor::MiniMax) => without_voice_settings(speech_alone),
        }
    }

    async fn send(&self, call: &Call) -> Result<Sent, Failure> {
        let exchange = self.exchange(&call.access, Step::Submit);
        match (&*call.work, Vendor::of(&exchange)?) {
            (Work::Speech(speech), vendor) => self.speak(exchange, vendor, speech, call.attempt).await,
            _ => Err(exchange.refuses(FailureKind::Unsupported, "this gateway does not do this work")),
        }
    }

    async fn poll(&self, calls: &[(Call, UpstreamId)], _page: u32) -> Vec<Result<Progress, Failure>> {
        let mut answers = Vec::with_capacity(calls.len());
        for (call, id) in calls {
            answers.push(self.poll_one(call, id).await);
        }
        answers
    }

    async fn fetch(&self, call: &Call, laid: &Laid) -> Result<Reply, Failure> {
        self.exchange(&call.access, Step::Follow).fetch_speech(call, laid).await
    }

    async fn balance(&self, access: &Access) -> Result<Option<UpstreamCredits>, Failure> {
        read_balance(&self.exchange(access, Step::Read)).await
    }

    async fn health(&self, _access: &Access) -> Result<Vec<(ServiceId, Health)>, Failure> {
        Ok(Vec::new())
    }

    async fn voices(&self, access: &Access, page: Option<&str>) -> Result<VoicePage, Failure> {
        let exchange = self.exchange(access, Step::Read);
        let wait = self.http.settings.poll_timeout;
        match Vendor::of(&exchange)? {
            Vendor::ElevenLabs => match Page::parse(&exchange, page, Page::Library(0))? {
                Page::Library(number) => shared_voices(&exchange, number).await,
                Page::Own(_) => Ok(VoicePage::default()),
            },
            Vendor::MiniMax => match Page::parse(&exchange, page, Page::Own(None))? {
                Page::Own(_) => {
                    let request =
                        exchange.request(Method::GET, &["v1", "minimax", "voices", "cloned"], &[])?;
                    let answer = exchange.json(request, wait).await?;
                    Ok(VoicePage {
                        voices: voices(field(&answer, "data"), VoiceOrigin::Cloned),
                        next: Some(Page::Library(1).to_string()),
                    })
                }
                Page::Library(number) => {
                    let page = number.to_string();
                    let query = [("page", page.as_str()), ("page_size", VOICES_PER_PAGE)];
                    let request = exchange.request(Method::GET, &["v1", "minimax", "voices"], &query)?;
                    let answer = exchange.json(request, wait).await?;
                    let voices = voices(field(&answer, "data"), VoiceOrigin::Library);
                    let size = count(&answer, &["page_size"]).unwrap_or(100);
                    let total = count(&answer, &["total"]).unwrap_or(0);
                    let more = u64::from(number).saturating_mul(size) < total && !voices.is_empty();
                    Ok(VoicePage { voices, next: more.then(|| Page::next(number)).flatten() })
                }
            },
        }
    }
}

/// Judges a refusal: creating is counted by our address.
fn judge(refusal: &Refusal) -> Verdict {
    classed(refusal, FailureKind::EgressRateLimited)
}

/// Judges a failed job: category 1 is the request's fault, 2 the gateway's.
fn judge_job(job: &Value, refusal: &Refusal) -> FailureKind {
    let category = text(job, &["error_category"]);
    match (category.as_deref(), classed_task(refusal)) {
        (_, FailureKind::OutOfCredit) => FailureKind::OutOfCredit,
        (Some("2"), _) => FailureKind::Busy,
        (Some("1"), FailureKind::Busy) => FailureKind::BadRequest,
        (_, kind) => kind,
    }
}
