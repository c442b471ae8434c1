//! AI33: submit, then poll. `/v1` speaks ElevenLabs' voices by their own ids, `/v1m` MiniMax's by number, `/v3` all of
//! them by prefixed ids. Credits are charged at submit and given back when a task fails or is deleted.

use std::sync::Arc;

use axum::{
    Form, Router,
    body::Bytes,
    extract::{DefaultBodyLimit, FromRequest, Multipart, Path, Query, Request, State},
    http::header,
    response::Response,
    routing::{delete, get, post},
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    audio::Format,
    calendar,
    faults::{Charge, Refusal, TaskFault},
    http,
    server::Server,
    settings::{Dialect, ErrorField, Group, Numbers, OutOfCredit, RefundField},
    task::{Caller, Order, Service, State as TaskState, Subtitles, Task},
    voices::{self, ClonedVoice, Use},
};

/// Prefixes of voice ids on `/v3`.
const PREFIXES: [&str; 7] = ["elevenlabs_", "minimax_", "clone_", "edge_", "kokoro_", "vbee_", "fishaudio_"];

/// Most characters of one text on `/v3`.
const V3_CHARACTERS_MAX: usize = 1_000_000;

/// Most characters of one text on `/v1m`.
const MINIMAX_CHARACTERS_MAX: usize = 10_000;

/// Largest recordings to clone: `/v1m` and `/v3`.
const CLONE_BYTES_MAX: usize = 20 << 20;
const V3_CLONE_BYTES_MAX: usize = 10 << 20;

type Answer = Result<Response, Response>;
type Shared = State<Arc<Server>>;

pub(super) fn routes(server: Arc<Server>) -> Router {
    Router::new()
        .route("/v1/text-to-speech/{voice}", post(speak_elevenlabs))
        .route("/v1/task/{id}", get(task))
        .route("/v1/task/{id}/full", get(task))
        .route("/v1/task/delete", post(delete_tasks))
        .route("/v1/tasks", get(tasks))
        .route("/v1/credits", get(credits))
        .route("/v1/health-check", get(health_check))
        .route("/v1/models", get(models))
        .route("/v2/voices", get(elevenlabs_voices))
        .route("/v1/shared-voices", get(elevenlabs_voices))
        .route("/v1m/common/config", get(minimax_config))
        .route("/v1m/task/text-to-speech", post(speak_minimax))
        .route("/v1m/voice/list", post(minimax_voices))
        .route("/v1m/voice/clone", post(clone_minimax).get(cloned_minimax))
        .route("/v1m/voice/clone/{id}", delete(delete_clone))
        .route("/v3/text-to-speech", post(speak_v3))
        .route("/v3/text-to-speech/voice-clone", post(clone_v3))
        .route("/v3/text-to-speech/voice-clone/{id}", delete(delete_clone))
        .route("/v3/task/{id}", get(task_v3).delete(cancel_v3))
        .route("/v3/voices", get(voices_v3))
        .layer(DefaultBodyLimit::max(http::REQUEST_BYTES_MAX))
        .with_state(server)
}

/// How AI33 says no.
pub(super) fn refuse(dialect: Dialect, refusal: Refusal) -> Response {
    let no = |status: u16, text: &str| http::json(status, envelope(dialect.error_field, text));
    match refusal {
        Refusal::Busy => http::json(503, server_busy(dialect)),
        Refusal::BusyInsideSuccess => http::json(200, server_busy(dialect)),
        Refusal::RateLimited { retry_after_s } => {
            http::with_retry_after(no(429, "Too many requests, please slow down"), retry_after_s)
        }
        Refusal::TooManyCharacters => no(429, "Too many requests, please slow down"),
        Refusal::TooManyInFlight => http::with_retry_after(no(429, "Task queue is full"), Some(1)),
        Refusal::Unauthorized | Refusal::InvalidKey => no(401, "Unauthorized"),
        Refusal::Forbidden => no(403, "Forbidden"),
        Refusal::OutOfCredit => match dialect.out_of_credit {
            OutOfCredit::AsDocumented => no(401, "Insufficient credits"),
            OutOfCredit::PaymentRequired => no(402, "Insufficient credits"),
            OutOfCredit::BadRequest => no(400, "Insufficient credits"),
            OutOfCredit::InsideSuccess => no(200, "Insufficient credits"),
        },
        Refusal::Moderated => no(400, "This text was blocked: it may violate our Terms of Service"),
        Refusal::BadRequest(text) => no(400, &text),
        Refusal::Unprocessable(text) => no(422, &text),
        Refusal::VoiceNotFound => no(400, "voice not found"),
        Refusal::NotFound => no(404, "Not found"),
        Refusal::Status(status) => no(status, "Something went wrong"),
        Refusal::Verbatim { status, body, retry_after_s } => {
            http::with_retry_after(http::json(status, body), retry_after_s)
        }
    }
}

fn server_busy(dialect: Dialect) -> Value {
    let mut body = envelope(dialect.error_field, "Server is busy, please try again later");
    body["code"] = "server_busy".into();
    body
}

/// An error with its text in one of the places where it has been seen.
pub(super) fn envelope(field: ErrorField, text: &str) -> Value {
    match field {
        ErrorField::Message => json!({ "success": false, "message": text }),
        ErrorField::ErrorMessage => json!({ "success": false, "error_message": text }),
        ErrorField::Error => json!({ "success": false, "error": text }),
        ErrorField::ErrorObject => json!({ "success": false, "error": { "message": text } }),
        ErrorField::Errors => json!({ "success": false, "errors": [{ "field": "body", "message": text }] }),
        ErrorField::Detail => json!({ "success": false, "detail": text }),
        ErrorField::DetailObject => json!({ "success": false, "detail": { "message": text } }),
        ErrorField::BaseResp => json!({ "success": false, "base_resp": { "status_msg": text } }),
    }
}

/// A number of credits, which may come as a string.
pub(super) fn number(dialect: Dialect, number: i64) -> Value {
    match dialect.numbers {
        Numbers::Numbers => number.into(),
        Numbers::Strings => number.to_string().into(),
    }
}

/// `count` characters at `num / per` credits each, rounded up.
pub(super) fn price(count: u64, num: u64, per: u64) -> i64 {
    i64::try_from((count * num).div_ceil(per)).expect("a text's length fits")
}

// Speech

#[derive(Deserialize)]
struct ElevenLabsSpeech {
    text: Option<String>,
    model_id: Option<String>,
    #[serde(default)]
    with_transcript: bool,
    receive_url: Option<String>,
}

#[derive(Deserialize)]
struct OutputFormat {
    output_format: Option<String>,
}

async fn speak_elevenlabs(
    State(server): Shared,
    caller: Caller,
    Path(voice): Path<String>,
    Query(query): Query<OutputFormat>,
    body: Bytes,
) -> Answer {
    let body: ElevenLabsSpeech = http::parse(&server, &body)?;
    let text = required(&server, "text", body.text)?;
    let model = required(&server, "model_id", body.model_id)?;
    let format = match query.output_format.as_deref() {
        None => Format::MP3,
        Some(name) => Format::from_name(name).ok_or_else(|| {
            server.refuse(Refusal::Unprocessable(format!("invalid output_format {name:?}")))
        })?,
    };
    // A voice id of another family is taken, and found wrong only while the task is worked on.
    let prefixed = PREFIXES.iter().any(|prefix| voice.starts_with(prefix));
    let missing = prefixed || server.with(|book, _| book.missing_voices.contains(&voice));
    let order = Order {
        characters: text.chars().count() as u64,
        credits: price(text.chars().count() as u64, 1, 1),
        flaw: missing.then_some(TaskFault::VoiceNotFound(Charge::Refunded)),
        subtitles: wanted(body.with_transcript),
        receive_url: body.receive_url,
        ..order(caller, Service::ElevenLabs, text, voice, model, format)
    };
    Ok(server.submit(order, |task, balance| submitted(&server, task, balance)).await)
}

#[derive(Deserialize)]
struct MiniMaxSpeech {
    text: Option<String>,
    model: Option<String>,
    #[serde(default)]
    voice_setting: VoiceSetting,
    #[serde(default)]
    with_transcript: bool,
    receive_url: Option<String>,
}

#[derive(Default, Deserialize)]
struct VoiceSetting {
    voice_id: Option<Value>,
}

async fn speak_minimax(State(server): Shared, caller: Caller, body: Bytes) -> Answer {
    let body: MiniMaxSpeech = http::parse(&server, &body)?;
    let text = required(&server, "text", body.text)?;
    let model = required(&server, "model", body.model)?;
    let voice = match body.voice_setting.voice_id {
        Some(Value::String(voice)) => voice,
        Some(Value::Number(voice)) => voice.to_string(),
        _ => return Err(server.refuse(Refusal::BadRequest("voice_setting.voice_id is required".to_owned()))),
    };
    let characters = text.chars().count() as u64;
    if text.chars().count() > MINIMAX_CHARACTERS_MAX {
        return Err(server.refuse(Refusal::BadRequest("text too long".to_owned())));
    }
    let missing = server.with(|book, _| book.missing_voices.contains(&voice));
    let order = Order {
        characters,
        credits: if model.contains("turbo") { price(characters, 3, 5) } else { price(characters, 1, 1) },
        flaw: missing.then_some(TaskFault::VoiceNotFound(Charge::Refunded)),
        subtitles: wanted(body.with_transcript),
        receive_url: body.receive_url,
        ..order(caller, Service::MiniMax, text, voice, model, Format::MP3)
    };
    Ok(server.submit(order, |task, balance| submitted(&server, task, balance)).await)
}

/// Fields of a `/v3` speech. Forms carry everything as text.
#[derive(Default, Deserialize)]
struct V3Speech {
    text: Option<String>,
    voice_id: Option<String>,
    model_id: Option<String>,
    with_transcript: Option<Value>,
    file_name: Option<String>,
    receive_url: Option<String>,
}

async fn speak_v3(State(server): Shared, caller: Caller, request: Request) -> Answer {
    let body = v3_speech(&server, request).await?;
    let text = required(&server, "text", body.text)?;
    let voice = required(&server, "voice_id", body.voice_id)?;
    let Some(prefix) = PREFIXES.iter().find(|prefix| voice.starts_with(*prefix)) else {
        return Err(server.refuse(Refusal::BadRequest("invalid voice".to_owned())));
    };
    let characters = text.chars().count();
    if characters > V3_CHARACTERS_MAX {
        return Err(server.refuse(Refusal::BadRequest("text too long".to_owned())));
    }
    let service = match *prefix {
        "minimax_" | "clone_" => Service::MiniMax,
        _ => Service::ElevenLabs,
    };
    let transcript = matches!(body.with_transcript, Some(Value::Bool(true)))
        || body.with_transcript.as_ref().and_then(Value::as_str) == Some("true");
    let missing = server.with(|book, _| book.missing_voices.contains(&voice));
    let model = body.model_id.unwrap_or_default();
    let order = Order {
        characters: characters as u64,
        credits: price(characters as u64, 1, 1),
        flaw: missing.then_some(TaskFault::VoiceNotFound(Charge::Refunded)),
        subtitles: wanted(transcript),
        receive_url: body.receive_url,
        client_id: body.file_name,
        ..order(caller, service, text, voice, model, Format::MP3)
    };
    let answer = |task: &Task, _| http::json(200, json!({ "success": true, "task_id": task.id }));
    Ok(server.submit(order, answer).await)
}

/// Reads a multipart form (as documented), a URL-encoded one or JSON (both seen in clients).
async fn v3_speech(server: &Server, request: Request) -> Result<V3Speech, Response> {
    let unreadable = |error: String| server.refuse(Refusal::BadRequest(error));
    let content_type = request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    match content_type.unwrap_or_default() {
        kind if kind.starts_with("multipart/form-data") => {
            let form = Multipart::from_request(request, &()).await.map_err(|e| unreadable(e.body_text()))?;
            let mut speech = V3Speech::default();
            for (name, value) in text_fields(server, form).await? {
                match name.as_str() {
                    "text" => speech.text = Some(value),
                    "voice_id" => speech.voice_id = Some(value),
                    "model_id" => speech.model_id = Some(value),
                    "with_transcript" => speech.with_transcript = Some(value.into()),
                    "file_name" => speech.file_name = Some(value),
                    "receive_url" => speech.receive_url = Some(value),
                    _ => {}
                }
            }
            Ok(speech)
        }
        kind if kind.starts_with("application/x-www-form-urlencoded") => Form::from_request(request, &())
            .await
            .map(|Form(speech)| speech)
            .map_err(|e| unreadable(e.body_text())),
        _ => {
            let body = Bytes::from_request(request, &()).await.map_err(|e| unreadable(e.body_text()))?;
            http::parse(server, &body)
        }
    }
}

async fn text_fields(server: &Server, mut form: Multipart) -> Result<Vec<(String, String)>, Response> {
    let unreadable = |error: axum::extract::multipart::MultipartError| {
        server.refuse(Refusal::BadRequest(error.body_text()))
    };
    let mut fields = Vec::new();
    while let Some(field) = form.next_field().await.map_err(unreadable)? {
        let name = field.name().unwrap_or_default().to_owned();
        fields.push((name, field.text().await.map_err(unreadable)?));
    }
    Ok(fields)
}

/// An order with what most have in common.
fn order(
    caller: Caller,
    service: Service,
    text: String,
    voice: String,
    model: String,
    format: Format,
) -> Order {
    Order {
        caller,
        service,
        text,
        voice,
        model,
        credits: 0,
        characters: 0,
        format,
        subtitles: Subtitles::None,
        group: Group::Standard,
        receive_url: None,
        client_id: None,
        flaw: None,
    }
}

fn wanted(with_transcript: bool) -> Subtitles {
    if with_transcript { Subtitles::Wanted } else { Subtitles::None }
}

fn required(server: &Server, field: &str, value: Option<String>) -> Result<String, Response> {
    match value {
        Some(value) if !value.is_empty() => Ok(value),
        Some(_) | None => Err(server.refuse(Refusal::BadRequest(format!("{field} is required")))),
    }
}

fn submitted(server: &Server, task: &Task, balance: i64) -> Response {
    let balance = number(server.dialect(), balance);
    http::json(200, json!({ "success": true, "task_id": task.id, "ec_remain_credits": balance }))
}

// Tasks

async fn task(State(server): Shared, caller: Caller, Path(id): Path<String>) -> Response {
    server.poll(caller, &id, |task| http::json(200, task_json(&server, task))).await
}

/// A task as `/v1/task/{id}` and webhooks show it.
pub(super) fn task_json(server: &Server, task: &Task) -> Value {
    let kind = match task.service {
        Service::ElevenLabs => "tts",
        Service::MiniMax => "minimax_tts",
    };
    let (status, error) = status(task.state);
    json!({
        "id": task.id,
        "created_at": calendar::iso_8601(server.started_at() + task.submitted),
        "status": status,
        "error_message": error,
        "credit_cost": number(server.dialect(), task.credits),
        "metadata": metadata(server, task),
        "progress": task.state.percent(),
        "type": kind,
    })
}

fn status(state: TaskState) -> (&'static str, Option<&'static str>) {
    match state {
        TaskState::Queued { .. } | TaskState::Processing { .. } => ("doing", None),
        TaskState::Done => ("done", None),
        TaskState::Failed(fault) => ("error", Some(error_message(fault))),
    }
}

fn error_message(fault: TaskFault) -> &'static str {
    match fault {
        TaskFault::VoiceNotFound(_) => "elevenlabs_voice_not_found",
        TaskFault::Moderated(_) => "task-failed: the text was blocked, it may violate the Terms of Service",
        TaskFault::UserError(_) => "invalid parameter",
        TaskFault::ServerError(_) | TaskFault::Stuck => "provider error, please try again",
    }
}

fn metadata(server: &Server, task: &Task) -> Value {
    if task.state != TaskState::Done {
        return json!({});
    }
    let mut metadata = json!({
        "audio_url": server.result_url(task, task.format.extension()),
        "providerCreditCost": task.characters,
    });
    if task.text.is_some() {
        metadata["srt_url"] = server.result_url(task, "srt").into();
        metadata["json_url"] = server.result_url(task, "json").into();
    }
    metadata
}

#[derive(Deserialize)]
struct Page {
    #[serde(default = "first_page")]
    page: usize,
    #[serde(default = "page_limit")]
    limit: usize,
}

fn first_page() -> usize {
    1
}

fn page_limit() -> usize {
    20
}

async fn tasks(State(server): Shared, caller: Caller, Query(page): Query<Page>) -> Response {
    if page.page == 0 || !(1..=100).contains(&page.limit) {
        return server.refuse(Refusal::BadRequest("page starts at 1, limit is 1 to 100".to_owned()));
    }
    let skip = (page.page - 1).saturating_mul(page.limit);
    let found = |tasks: &[Task], total| {
        let data: Vec<Value> = tasks.iter().map(|task| task_json(&server, task)).collect();
        let body =
            json!({ "success": true, "data": data, "page": page.page, "limit": page.limit, "total": total });
        http::json(200, body)
    };
    server.list(caller, skip, page.limit, found).await
}

#[derive(Deserialize)]
struct TaskIds {
    task_ids: Vec<String>,
}

async fn delete_tasks(State(server): Shared, caller: Caller, body: Bytes) -> Answer {
    let ids: TaskIds = http::parse(&server, &body)?;
    let refunded = server.with(|book, _| book.delete(caller, &ids.task_ids));
    let dialect = server.dialect();
    let refunded = number(dialect, refunded);
    let body = match dialect.refund_field {
        RefundField::RefundedCredits => json!({ "success": true, "refunded_credits": refunded }),
        RefundField::RefundCredits => json!({ "success": true, "refund_credits": refunded }),
    };
    Ok(http::json(200, body))
}

async fn task_v3(State(server): Shared, caller: Caller, Path(id): Path<String>) -> Response {
    let found = |task: &Task| {
        let status = match task.state {
            TaskState::Queued { .. } => "pending",
            TaskState::Processing { .. } => "processing",
            TaskState::Done => "done",
            TaskState::Failed(_) => "error",
        };
        let data = json!({
            "status": status,
            "credit_cost": number(server.dialect(), task.credits),
            "metadata": metadata(&server, task),
        });
        http::json(200, json!({ "success": true, "data": data }))
    };
    server.poll(caller, &id, found).await
}

async fn cancel_v3(State(server): Shared, caller: Caller, Path(id): Path<String>) -> Response {
    server.with(|book, _| book.delete(caller, &[id]));
    http::json(200, json!({ "success": true }))
}

// Account and catalogue

async fn credits(State(server): Shared, caller: Caller) -> Response {
    let credits = server.with(|book, _| book.account_of(caller).credits);
    http::json(200, json!({ "success": true, "credits": number(server.dialect(), credits) }))
}

async fn health_check(State(server): Shared, _caller: Caller) -> Response {
    let data = server.with(|book, _| {
        json!({
            "elevenlabs": book.health.elevenlabs.word(),
            "minimax": book.health.minimax.word(),
            "edge": "good",
        })
    });
    http::json(200, json!({ "success": true, "data": data }))
}

async fn models(_caller: Caller) -> Response {
    let models = ["eleven_multilingual_v2", "eleven_v3", "eleven_turbo_v2_5", "eleven_flash_v2_5"];
    let models: Vec<Value> = models.iter().map(|id| json!({ "model_id": id, "name": id })).collect();
    http::json(200, Value::Array(models))
}

async fn elevenlabs_voices(_caller: Caller) -> Response {
    let voices: Vec<Value> = voices::ELEVENLABS
        .iter()
        .map(|voice| {
            json!({
                "voice_id": voice.id,
                "name": voice.name,
                "labels": { "gender": voice.gender, "language": voice.language },
                "preview_url": format!("https://cdn.example/preview/{}.mp3", voice.id),
                "category": "premade",
            })
        })
        .collect();
    http::json(200, json!({ "voices": voices, "has_more": false }))
}

async fn minimax_config(_caller: Caller) -> Response {
    let data = json!({
        "model_list": ["speech-2.6-hd", "speech-2.6-turbo", "speech-2.8-hd"],
        "language_list": ["Auto", "English", "Vietnamese", "Chinese"],
    });
    http::json(200, json!({ "success": true, "data": data }))
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct MiniMaxVoicePage {
    page: usize,
    page_size: usize,
}

async fn minimax_voices(State(server): Shared, _caller: Caller, body: Bytes) -> Answer {
    let page: MiniMaxVoicePage = http::parse(&server, &body)?;
    let size = page.page_size.max(1);
    let skip = page.page.saturating_sub(1).saturating_mul(size);
    let list: Vec<Value> = voices::AI33_MINIMAX
        .iter()
        .skip(skip)
        .take(size)
        .map(|voice| {
            json!({
                "voice_id": voice.id,
                "voice_name": voice.name,
                "tag_list": [voice.language, voice.gender],
                "sample_audio": format!("https://cdn.example/sample/{}.mp3", voice.id),
                "cover_url": null,
            })
        })
        .collect();
    let total = voices::AI33_MINIMAX.len();
    let data = json!({ "voice_list": list, "has_more": skip.saturating_add(size) < total, "total": total });
    Ok(http::json(200, json!({ "success": true, "data": data })))
}

// Cloned voices

async fn clone_minimax(State(server): Shared, caller: Caller, form: Multipart) -> Answer {
    let recording = Recording::read(&server, form, "file", CLONE_BYTES_MAX).await?;
    let number = server.with(|book, now| {
        let number = 300_000_000_000_000 + book.voices.number();
        recording.keep(book, now, caller, number.to_string());
        number
    });
    let id = match server.dialect().numbers {
        Numbers::Numbers => Value::from(number),
        Numbers::Strings => Value::from(number.to_string()),
    };
    Ok(http::json(200, json!({ "success": true, "cloned_voice_id": id })))
}

async fn clone_v3(State(server): Shared, caller: Caller, form: Multipart) -> Answer {
    let recording = Recording::read(&server, form, "audio_file", V3_CLONE_BYTES_MAX).await?;
    let id = server.with(|book, now| {
        let id = format!("v3{:012x}", book.voices.number());
        recording.keep(book, now, caller, id.clone());
        id
    });
    Ok(http::json(200, json!({ "success": true, "data": { "voice_id": id } })))
}

/// A recording to clone, as far as it matters.
struct Recording {
    voice_name: String,
}

impl Recording {
    async fn read(
        server: &Server,
        mut form: Multipart,
        file_field: &str,
        bytes_max: usize,
    ) -> Result<Self, Response> {
        let bad = |text: String| server.refuse(Refusal::BadRequest(text));
        let (mut voice_name, mut bytes) = (None, None);
        while let Some(field) = form.next_field().await.map_err(|error| bad(error.body_text()))? {
            match field.name().unwrap_or_default() {
                "voice_name" => {
                    voice_name = Some(field.text().await.map_err(|error| bad(error.body_text()))?)
                }
                name if name == file_field => {
                    bytes = Some(field.bytes().await.map_err(|error| bad(error.body_text()))?.len());
                }
                _ => {}
            }
        }
        match bytes {
            None | Some(0) => Err(bad(format!("{file_field} is required"))),
            Some(bytes) if bytes > bytes_max => Err(bad(format!("{file_field} is too large"))),
            Some(_) => Ok(Self { voice_name: required(server, "voice_name", voice_name)? }),
        }
    }

    fn keep(self, book: &mut super::book::Book, now: std::time::Duration, caller: Caller, id: String) {
        let account = book.account_index(caller);
        book.voices.clones.push(ClonedVoice {
            account,
            id,
            name: self.voice_name,
            made: now,
            usage: Use::Used,
        });
    }
}

async fn cloned_minimax(State(server): Shared, caller: Caller) -> Response {
    let data: Vec<Value> = server.with(|book, _| {
        let account = book.account_index(caller);
        let voice = |voice: &ClonedVoice| {
            json!({
                "voice_id": voice.id,
                "voice_name": voice.name,
                "tag_list": [],
                "sample_audio": null,
                "voice_status": 2,
            })
        };
        book.voices.of(account).map(voice).collect()
    });
    http::json(200, json!({ "success": true, "data": data }))
}

async fn delete_clone(State(server): Shared, caller: Caller, Path(id): Path<String>) -> Response {
    let removed = server.with(|book, _| {
        let account = book.account_index(caller);
        book.voices.remove(account, &id)
    });
    match removed {
        Some(_) => http::json(200, json!({ "success": true })),
        None => server.refuse(Refusal::VoiceNotFound),
    }
}

#[derive(Deserialize)]
struct V3Voices {
    provider: Option<String>,
}

async fn voices_v3(State(server): Shared, _caller: Caller, Query(query): Query<V3Voices>) -> Answer {
    let provider = required(&server, "provider", query.provider)?;
    let listed: &[voices::Voice] = match provider.as_str() {
        "elevenlabs" => &voices::ELEVENLABS,
        "minimax" => &voices::AI33_MINIMAX,
        _ => &[],
    };
    let data: Vec<Value> = listed
        .iter()
        .map(|voice| {
            json!({
                "voice_id": format!("{provider}_{}", voice.id),
                "name": voice.name,
                "language": voice.language,
                "gender": voice.gender,
                "accent": null,
                "preview_url": format!("https://cdn.example/preview/{}.mp3", voice.id),
            })
        })
        .collect();
    Ok(http::json(200, json!({ "data": data, "pagination": { "total": listed.len() } })))
}
