//! Protocol `ai33`: the gateway's ElevenLabs family under `/v1` and its MiniMax family under `/v1m`. Speech is
//! submitted and then polled as a task; credits are charged at the submit and given back when a task fails or is
//! deleted. Limits count per account. A 401 may mean a dead key, no credit or too many calls: only the balance,
//! which is free, decides.

use async_trait::async_trait;
use kingcong_core::{
    failure::{Failure, FailureKind},
    id::{ProtocolId, ServiceId},
    measure::Measured,
    operation::Operation,
    provider::{
        Accepted, Access, Call, Dropped, Health, Laid, Progress, Provider, Reply, Sent, VoiceOrigin,
        VoicePage,
    },
    upstream::{UpstreamCredits, UpstreamId},
    work::{Ability, AudioFormat, Capabilities, CloneVoice, ClonedVoice, Output, Speech, Subtitles, Work},
};
use reqwest::{
    Method,
    multipart::{Form, Part},
};
use serde_json::{Value, json};

use crate::{
    protocol,
    voice::{
        list::{Page, VOICES_PER_PAGE, voices},
        vendor::{
            ELEVENLABS_MODEL, ELEVENLABS_MP3, MINIMAX_MODEL, Vendor, asked_mp3, elevenlabs_voice_settings,
            minimax_language, minimax_voice_setting, without_voice_settings,
        },
    },
    wire::{
        http::{Auth, Exchange, Http, Step},
        lenient::{cost, credits, field, first, percent, short_text, text, truth},
        refusal::{Refusal, Verdict, classed, classed_task},
    },
};

/// Most tasks that the list of tasks gives at once.
const TASKS_PER_LIST: usize = 100;
/// Largest recording that a voice is made from, in bytes.
const SAMPLE_BYTES_MAX: usize = 20_000_000;
/// Longest task id, in bytes.
pub(crate) const TASK_ID_BYTES_MAX: usize = 256;
/// Most services whose health is told.
const SERVICES_MAX: usize = 64;

/// The protocol.
#[derive(Clone, Debug)]
pub(crate) struct Ai33 {
    http: Http,
    protocol: ProtocolId,
}

impl Ai33 {
    pub(crate) fn new(http: Http) -> Self {
        Self { http, protocol: protocol("ai33") }
    }

    fn exchange<'a>(&'a self, access: &'a Access, step: Step) -> Exchange<'a> {
        Exchange { http: &self.http, access, auth: Auth::XiApiKey, judge, step }
    }

    async fn speak(&self, exchange: Exchange<'_>, vendor: Vendor, speech: &Speech) -> Result<Sent, Failure> {
        if speech.format != AudioFormat::Mp3 {
            return Err(exchange.refuses(FailureKind::Unsupported, "this gateway makes MP3 only"));
        }
        let (request, mut body) = match vendor {
            Vendor::ElevenLabs => {
                let path = ["v1", "text-to-speech", &speech.voice];
                let request = exchange.request(Method::POST, &path, &[("output_format", ELEVENLABS_MP3)])?;
                let model = speech.model.as_deref().unwrap_or(ELEVENLABS_MODEL);
                let mut body = json!({"text": speech.text, "model_id": model});
                if let Some(settings) = elevenlabs_voice_settings(speech.settings) {
                    body["voice_settings"] = settings;
                }
                (request, body)
            }
            Vendor::MiniMax => {
                let request = exchange.request(Method::POST, &["v1m", "task", "text-to-speech"], &[])?;
                let body = json!({
                    "text": speech.text,
                    "model": speech.model.as_deref().unwrap_or(MINIMAX_MODEL),
                    "voice_setting": minimax_voice_setting(&speech.voice, speech.settings),
                    "language_boost": minimax_language(speech.language.as_deref()).unwrap_or("Auto"),
                });
                (request, body)
            }
        };
        if speech.subtitles == Subtitles::Srt {
            body["with_transcript"] = json!(true);
        }
        let answer = exchange.json(request.json(&body), self.http.settings.send_timeout).await?;
        let task = text(&answer, &["task_id"])
            .or_else(|| text(field(&answer, "data")?, &["task_id"]))
            .filter(|id| id.len() <= TASK_ID_BYTES_MAX)
            .ok_or_else(|| exchange.lacking(&answer, "a success without a task id"))?;
        Ok(Sent::Accepted(Accepted {
            upstream_id: UpstreamId(task),
            cost: None,
            balance: credits(&answer, &["ec_remain_credits"]),
        }))
    }

    async fn clone_voice(&self, exchange: Exchange<'_>, clone: &CloneVoice) -> Result<Sent, Failure> {
        if clone.sample.len() > SAMPLE_BYTES_MAX {
            let message = format!("a recording may have at most {SAMPLE_BYTES_MAX} bytes");
            return Err(exchange.refuses(FailureKind::BadRequest, message));
        }
        let sample = sample_part(&exchange, clone)?;
        let mut form = Form::new().text("voice_name", clone.name.clone()).part("file", sample);
        if let Some(preview) = &clone.preview_text {
            form = form.text("preview_text", preview.clone());
        }
        let request = exchange.request(Method::POST, &["v1m", "voice", "clone"], &[])?;
        let answer = exchange.json(request.multipart(form), self.http.settings.synchronous_timeout).await?;
        let names = ["cloned_voice_id", "cloned_voice_", "cloned_voice", "voice_id"];
        let voice = text(&answer, &names)
            .or_else(|| text(field(&answer, "data")?, &names))
            .filter(|id| id.len() <= TASK_ID_BYTES_MAX)
            .ok_or_else(|| exchange.lacking(&answer, "a success without a voice id"))?;
        Ok(cloned(voice))
    }

    async fn poll_one(&self, call: &Call, upstream_id: &UpstreamId) -> Result<Progress, Failure> {
        let exchange = self.exchange(&call.access, Step::Follow);
        let request = exchange.request(Method::GET, &["v1", "task", &upstream_id.0], &[])?;
        let answer = exchange.json(request, self.http.settings.poll_timeout).await?;
        let task = field(&answer, "data").unwrap_or(&answer);
        match read_task(task).ok_or_else(|| exchange.lacking(&answer, "an answer that is no task"))? {
            Task::Running { percent } => Ok(Progress::Running { percent }),
            Task::Done(Some(laid)) => Ok(Progress::Ready(laid)),
            Task::Done(None) => Err(exchange.unclear("a finished task without audio")),
            Task::Failed(refusal) => {
                Ok(Progress::Failed(exchange.task_failed(classed_task(&refusal), &refusal)))
            }
        }
    }

    /// A page of the account's tasks, newest first, in one call, which counts against the account's limit once.
    async fn listed_tasks(&self, access: &Access, page: u32) -> Result<Vec<Value>, Failure> {
        let exchange = self.exchange(access, Step::Follow);
        let (limit, page) = (TASKS_PER_LIST.to_string(), page.saturating_add(1).to_string());
        let query = [("page", page.as_str()), ("limit", &limit)];
        let request = exchange.request(Method::GET, &["v1", "tasks"], &query)?;
        let mut answer = exchange.json(request, self.http.settings.poll_timeout).await?;
        match answer.get_mut("data").map(Value::take) {
            Some(Value::Array(tasks)) => Ok(tasks),
            _ => Err(exchange.unclear("an answer that is no list of tasks")),
        }
    }

    /// What a page of the list says of a task.
    fn read_listed(&self, tasks: &[Value], call: &Call, id: &UpstreamId) -> Progress {
        let listed = tasks.iter().find(|task| text(task, &["id", "task_id"]).as_ref() == Some(&id.0));
        match listed.map(read_task) {
            Some(Some(Task::Running { percent })) => Progress::Running { percent },
            Some(Some(Task::Done(Some(laid)))) => Progress::Ready(laid),
            Some(Some(Task::Failed(refusal))) => {
                let exchange = self.exchange(&call.access, Step::Follow);
                Progress::Failed(exchange.task_failed(classed_task(&refusal), &refusal))
            }
            Some(Some(Task::Done(None)) | None) => Progress::OnlyAlone,
            None if tasks.len() < TASKS_PER_LIST => Progress::OnlyAlone,
            None => Progress::OnNoPageSoFar,
        }
    }
}

#[async_trait]
impl Provider for Ai33 {
    fn protocol(&self) -> &ProtocolId {
        &self.protocol
    }

    fn capabilities(&self, service: &ServiceId) -> Capabilities {
        match Vendor::of_service(service) {
            Some(Vendor::ElevenLabs) | None => {
                Capabilities::of(&[Operation::Speech]).without(Ability::Wav).with_mp3(asked_mp3())
            }
            // The layout of its MP3s cannot be asked for.
            Some(Vendor::MiniMax) => {
                let both = Capabilities::of(&[Operation::Speech, Operation::CloneVoice]);
                without_voice_settings(both.without(Ability::Wav))
            }
        }
    }

    fn poll_batch_max(&self) -> usize {
        TASKS_PER_LIST
    }

    async fn send(&self, call: &Call) -> Result<Sent, Failure> {
        let exchange = self.exchange(&call.access, Step::Submit);
        match (&*call.work, Vendor::of(&exchange)?) {
            (Work::Speech(speech), vendor) => self.speak(exchange, vendor, speech).await,
            (Work::CloneVoice(clone), Vendor::MiniMax) => self.clone_voice(exchange, clone).await,
            _ => Err(exchange
                .refuses(FailureKind::Unsupported, "this gateway does not do this work on this route")),
        }
    }

    async fn poll(&self, calls: &[(Call, UpstreamId)], page: u32) -> Vec<Result<Progress, Failure>> {
        if let [(call, id)] = calls {
            return vec![self.poll_one(call, id).await];
        }
        let Some((first_call, _)) = calls.first() else { return Vec::new() };
        match self.listed_tasks(&first_call.access, page).await {
            Ok(tasks) => calls.iter().map(|(call, id)| Ok(self.read_listed(&tasks, call, id))).collect(),
            Err(failure) => vec![Err(failure); calls.len()],
        }
    }

    async fn fetch(&self, call: &Call, laid: &Laid) -> Result<Reply, Failure> {
        self.exchange(&call.access, Step::Follow).fetch_speech(call, laid).await
    }

    async fn drop_work(&self, access: &Access, upstream_id: &UpstreamId) -> Result<Dropped, Failure> {
        let exchange = self.exchange(access, Step::Follow);
        let request = exchange.request(Method::POST, &["v1", "task", "delete"], &[])?;
        let body = json!({"task_ids": [upstream_id]});
        let answer = exchange.json(request.json(&body), self.http.settings.poll_timeout).await?;
        let refunded = cost(&answer, &["refunded_credits", "refund_credits"]).unwrap_or_default();
        Ok(if refunded > UpstreamCredits::default() { Dropped::Refunded } else { Dropped::No })
    }

    async fn balance(&self, access: &Access) -> Result<Option<UpstreamCredits>, Failure> {
        let exchange = self.exchange(access, Step::Read);
        read_balance(&exchange).await
    }

    async fn health(&self, access: &Access) -> Result<Vec<(ServiceId, Health)>, Failure> {
        let exchange = self.exchange(access, Step::Read);
        let request = exchange.request(Method::GET, &["v1", "health-check"], &[])?;
        let answer = exchange.json(request, self.http.settings.poll_timeout).await?;
        let services = field(&answer, "data").and_then(Value::as_object).into_iter().flatten();
        let healths = services.filter_map(|(service, health)| {
            let health = match health.as_str()?.to_lowercase().as_str() {
                "good" => Health::Good,
                "degraded" => Health::Degraded,
                "overloaded" => Health::Overloaded,
                _ => return None,
            };
            Some((ServiceId::new(service.to_lowercase()).ok()?, health))
        });
        Ok(healths.take(SERVICES_MAX).collect())
    }

    async fn voices(&self, access: &Access, page: Option<&str>) -> Result<VoicePage, Failure> {
        let exchange = self.exchange(access, Step::Read);
        let vendor = Vendor::of(&exchange)?;
        let page = Page::parse(&exchange, page, Page::Own(None))?;
        let wait = self.http.settings.poll_timeout;
        match (vendor, page) {
            (Vendor::ElevenLabs, Page::Own(token)) => {
                let mut query = vec![("page_size", VOICES_PER_PAGE)];
                query.extend(token.as_deref().map(|token| ("next_page_token", token)));
                let answer =
                    exchange.json(exchange.request(Method::GET, &["v2", "voices"], &query)?, wait).await?;
                Ok(VoicePage {
                    voices: voices(field(&answer, "voices"), VoiceOrigin::Library),
                    next: Page::own_after(&answer).or_else(|| Some(Page::Library(0).to_string())),
                })
            }
            (Vendor::ElevenLabs, Page::Library(number)) => shared_voices(&exchange, number).await,
            (Vendor::MiniMax, Page::Own(_)) => {
                let request = exchange.request(Method::GET, &["v1m", "voice", "clone"], &[])?;
                let answer = exchange.json(request, wait).await?;
                Ok(VoicePage {
                    voices: voices(field(&answer, "data"), VoiceOrigin::Cloned),
                    next: Some(Page::Library(1).to_string()),
                })
            }
            (Vendor::MiniMax, Page::Library(number)) => {
                let request = exchange.request(Method::POST, &["v1m", "voice", "list"], &[])?;
                let body = json!({"page": number, "page_size": 100, "tag_list": []});
                let answer = exchange.json(request.json(&body), wait).await?;
                let data = field(&answer, "data").unwrap_or(&answer);
                let voices = voices(field(data, "voice_list"), VoiceOrigin::Library);
                let more = truth(data, &["has_more"]) == Some(true) && !voices.is_empty();
                Ok(VoicePage { voices, next: more.then(|| Page::next(number)).flatten() })
            }
        }
    }
}

/// A task as the gateway tells it.
#[derive(Clone, Debug)]
enum Task {
    Running {
        percent: Option<u8>,
    },
    /// With where the result lies, if it says.
    Done(Option<Laid>),
    Failed(Refusal),
}

/// Reads a task; none where it has no status. An unknown status is a running task.
fn read_task(task: &Value) -> Option<Task> {
    Some(match text(task, &["status"])?.to_lowercase().as_str() {
        "done" | "completed" => {
            let address = |names: &[&str]| {
                short_text(field(task, "metadata")?, names).or_else(|| short_text(task, names))
            };
            Task::Done(address(&["audio_url", "output_uri"]).map(|url| Laid {
                url,
                text_url: address(&["srt_url"]),
                cost: cost(task, &["credit_cost"]),
            }))
        }
        "error" | "failed" => Task::Failed(Refusal::of_task(
            text(task, &["error_code", "code"]),
            text(task, &["error_message", "error", "message"]),
        )),
        _ => Task::Running { percent: percent(task, &["progress"]) },
    })
}

/// Judges a refusal.
fn judge(refusal: &Refusal) -> Verdict {
    classed(refusal, FailureKind::AccountRateLimited)
}

/// What a free question about the key itself found: a 401 there means that the upstream does not know it.
pub(crate) fn of_key(failure: Failure) -> Failure {
    match failure.kind {
        FailureKind::KeyDoubtful => Failure { kind: FailureKind::KeyDead, ..failure },
        _ => failure,
    }
}

/// The balance by `GET /v1/credits`, which both gateways have.
pub(crate) async fn read_balance(exchange: &Exchange<'_>) -> Result<Option<UpstreamCredits>, Failure> {
    let request = exchange.request(Method::GET, &["v1", "credits"], &[])?;
    let asked = exchange.json(request, exchange.http.settings.poll_timeout).await;
    let answer = asked.map_err(of_key)?;
    let balance = credits(&answer, &["credits"])
        .or_else(|| credits(field(&answer, "data")?, &["credits"]))
        .ok_or_else(|| exchange.lacking(&answer, "an answer without credits"))?;
    Ok(Some(balance))
}

/// A page of the shared voices, which both gateways have.
pub(crate) async fn shared_voices(exchange: &Exchange<'_>, number: u32) -> Result<VoicePage, Failure> {
    let page = number.to_string();
    let query = [("page_size", VOICES_PER_PAGE), ("page", page.as_str())];
    let request = exchange.request(Method::GET, &["v1", "shared-voices"], &query)?;
    let answer = exchange.json(request, exchange.http.settings.poll_timeout).await?;
    let voices = voices(first(&answer, &["voices", "data"]), VoiceOrigin::Library);
    let more = truth(&answer, &["has_more"]) == Some(true) && !voices.is_empty();
    Ok(VoicePage { voices, next: more.then(|| Page::next(number)).flatten() })
}

/// The recording as a part of a form.
pub(crate) fn sample_part(exchange: &Exchange<'_>, clone: &CloneVoice) -> Result<Part, Failure> {
    let name = match clone.content_type.as_str() {
        "audio/wav" | "audio/x-wav" | "audio/wave" => "sample.wav",
        "audio/mp4" | "audio/m4a" | "audio/x-m4a" => "sample.m4a",
        "audio/ogg" => "sample.ogg",
        "audio/flac" => "sample.flac",
        _ => "sample.mp3",
    };
    let length = clone.sample.len() as u64;
    Part::stream_with_length(clone.sample.clone(), length)
        .file_name(name)
        .mime_str(&clone.content_type)
        .map_err(|_| exchange.refuses(FailureKind::BadRequest, "the recording's media type is none"))
}

/// A cloned voice as the result of a call.
pub(crate) fn cloned(voice: String) -> Sent {
    Sent::Done(Reply {
        output: Output::Voice(ClonedVoice { voice }),
        cost: None,
        measured: Measured::NOTHING,
    })
}
