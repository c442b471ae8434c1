//! AI84: submit, then poll. Two engines with voices of their own: ElevenLabs on `/v2`, MiniMax on `/v1/minimax`. The
//! price is told at submit; `/v2`'s poll serves both engines.

use std::sync::Arc;

use axum::{
    Router,
    body::Bytes,
    extract::{DefaultBodyLimit, Path, Query, State},
    response::Response,
    routing::{get, post},
};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{
    ai33::{number, price},
    audio::Format,
    faults::{Charge, Refusal, TaskFault},
    http,
    server::Server,
    settings::{Casing, Dialect, ErrorField, Group, OutOfCredit, Plan},
    task::{Caller, Order, Service, State as TaskState, Subtitles, Task},
    voices,
};

/// Most characters of one text, per engine.
const ELEVENLABS_CHARACTERS_MAX: usize = 5_000;
const MINIMAX_CHARACTERS_MAX: usize = 10_000;

/// The ElevenLabs engine's models.
const ELEVENLABS_MODELS: [&str; 6] = [
    "eleven_multilingual_v2",
    "eleven_v3",
    "eleven_turbo_v2_5",
    "eleven_flash_v2_5",
    "eleven_turbo_v2",
    "eleven_flash_v2",
];

/// The MiniMax engine's models.
const MINIMAX_MODELS: [&str; 10] = [
    "speech-2.8-hd",
    "speech-2.8-turbo",
    "speech-2.6-hd",
    "speech-2.6-turbo",
    "speech-2.5-hd",
    "speech-2.5-turbo",
    "speech-02-hd",
    "speech-02-turbo",
    "speech-01-hd",
    "speech-01-turbo",
];

type Answer = Result<Response, Response>;
type Shared = State<Arc<Server>>;

pub(super) fn routes(server: Arc<Server>) -> Router {
    Router::new()
        .route("/v2/text-to-speech/async", post(speak_elevenlabs))
        .route("/v2/text-to-speech/async/{id}", get(poll_v2))
        .route("/v1/minimax/text-to-speech/async", post(speak_minimax))
        .route("/v1/minimax/text-to-speech/async/{id}", get(poll_minimax))
        .route("/v1/credits", get(credits))
        .route("/v1/estimate-credit-cost", post(estimate))
        .route("/v1/models", get(models))
        .route("/v1/minimax/models", get(minimax_models))
        .route("/v1/shared-voices", get(shared_voices))
        .route("/v1/minimax/voices", get(minimax_voices))
        .route("/v1/minimax/voices/cloned", get(cloned_voices))
        .layer(DefaultBodyLimit::max(http::REQUEST_BYTES_MAX))
        .with_state(server)
}

/// How AI84 says no.
pub(super) fn refuse(dialect: Dialect, refusal: Refusal) -> Response {
    let no = |status: u16, code: &str, text: &str| http::json(status, envelope(dialect, code, text));
    match refusal {
        Refusal::Busy => no(503, "SERVICE_UNAVAILABLE", "Service temporarily unavailable"),
        Refusal::BusyInsideSuccess => no(200, "SERVICE_UNAVAILABLE", "Service temporarily unavailable"),
        Refusal::RateLimited { retry_after_s } => {
            http::with_retry_after(no(429, "RATE_LIMITED", "Too many requests"), retry_after_s)
        }
        Refusal::TooManyCharacters => no(429, "RATE_LIMITED", "Too many requests"),
        Refusal::TooManyInFlight => http::with_retry_after(no(429, "QUEUE_FULL", "Too many jobs"), Some(1)),
        Refusal::Unauthorized | Refusal::InvalidKey => no(401, "UNAUTHORIZED", "Invalid API key"),
        Refusal::Forbidden => no(403, "PAID_ACCOUNT_REQUIRED", "A paid account is required"),
        Refusal::OutOfCredit => {
            let status = match dialect.out_of_credit {
                OutOfCredit::AsDocumented | OutOfCredit::PaymentRequired => 402,
                OutOfCredit::BadRequest => 400,
                OutOfCredit::InsideSuccess => 200,
            };
            no(status, "INSUFFICIENT_CREDITS", "Insufficient credits")
        }
        Refusal::Moderated => no(400, "CONTENT_BLOCKED", "This text violates the Terms of Service"),
        Refusal::BadRequest(text) => no(400, "BAD_REQUEST", &text),
        Refusal::Unprocessable(text) => no(422, "UNPROCESSABLE", &text),
        Refusal::VoiceNotFound => no(404, "VOICE_NOT_FOUND", "Voice not found"),
        Refusal::NotFound => no(404, "NOT_FOUND", "Not found"),
        Refusal::Status(status) => no(status, "INTERNAL_ERROR", "Something went wrong"),
        Refusal::Verbatim { status, body, retry_after_s } => {
            http::with_retry_after(http::json(status, body), retry_after_s)
        }
    }
}

fn envelope(dialect: Dialect, code: &str, text: &str) -> Value {
    match dialect.error_field {
        ErrorField::Message => json!({ "success": false, "error": code, "message": text }),
        other => super::ai33::envelope(other, text),
    }
}

// Speech

#[derive(Deserialize)]
struct ElevenLabsSpeech {
    text: Option<String>,
    voice_id: Option<String>,
    model_id: Option<String>,
    output_format: Option<String>,
    #[serde(default)]
    with_transcript: bool,
}

#[derive(Deserialize)]
struct VoiceInQuery {
    voice_id: Option<String>,
}

async fn speak_elevenlabs(
    State(server): Shared,
    caller: Caller,
    Query(query): Query<VoiceInQuery>,
    body: Bytes,
) -> Answer {
    let body: ElevenLabsSpeech = http::parse(&server, &body)?;
    let text = text(&server, body.text, ELEVENLABS_CHARACTERS_MAX)?;
    let voice = required(&server, "voice_id", body.voice_id.or(query.voice_id))?;
    let format = body.output_format.as_deref().map_or(Some(Format::MP3), Format::from_name);
    let Some(format) = format else {
        return Err(server.refuse(Refusal::BadRequest("invalid output_format".to_owned())));
    };
    paid(&server, caller)?;
    let characters = text.chars().count() as u64;
    let missing = server.with(|book, _| book.missing_voices.contains(&voice));
    let order = Order {
        caller,
        service: Service::ElevenLabs,
        text,
        voice,
        model: body.model_id.unwrap_or_else(|| ELEVENLABS_MODELS[0].to_owned()),
        credits: price(characters, 1, 1),
        characters,
        format,
        subtitles: if body.with_transcript { Subtitles::Wanted } else { Subtitles::None },
        group: Group::Standard,
        receive_url: None,
        client_id: None,
        flaw: missing.then_some(TaskFault::VoiceNotFound(Charge::Kept)),
    };
    let accepted = |task: &Task, _| {
        let cost = number(server.dialect(), task.credits);
        let body = json!({
            "success": true, "job_id": task.id, "task_id": task.id, "status": "queued", "credit_cost": cost,
        });
        http::json(201, body)
    };
    Ok(server.submit(order, accepted).await)
}

#[derive(Deserialize)]
struct MiniMaxSpeech {
    text: Option<String>,
    canonical_voice_id: Option<String>,
    model: Option<String>,
    model_id: Option<String>,
    format: Option<String>,
    sample_rate: Option<u32>,
    bitrate: Option<u32>,
    #[serde(default)]
    with_transcript: bool,
    client_task_uuid: Option<String>,
}

async fn speak_minimax(State(server): Shared, caller: Caller, body: Bytes) -> Answer {
    let body: MiniMaxSpeech = http::parse(&server, &body)?;
    let voice = required(&server, "canonical_voice_id", body.canonical_voice_id)?;
    let text = text(&server, body.text, MINIMAX_CHARACTERS_MAX)?;
    let rate = body.sample_rate.unwrap_or(44_100);
    let format = match body.format.as_deref().unwrap_or("mp3") {
        "mp3" => Format::mp3(rate, body.bitrate.unwrap_or(128_000) / 1000),
        "wav" => Some(Format::Wav { rate }),
        "pcm" => Some(Format::Pcm { rate }),
        _ => None,
    };
    let Some(format) = format else {
        return Err(server.refuse(Refusal::BadRequest("invalid format".to_owned())));
    };
    paid(&server, caller)?;
    if server.with(|book, _| book.missing_voices.contains(&voice)) {
        return Err(server.refuse(Refusal::VoiceNotFound));
    }
    let characters = text.chars().count() as u64;
    let order = Order {
        caller,
        service: Service::MiniMax,
        text,
        voice,
        model: body.model.or(body.model_id).unwrap_or_else(|| MINIMAX_MODELS[0].to_owned()),
        credits: price(characters, 5, 4),
        characters,
        format,
        subtitles: if body.with_transcript { Subtitles::Wanted } else { Subtitles::None },
        group: Group::Standard,
        receive_url: None,
        client_id: body.client_task_uuid,
        flaw: None,
    };
    let accepted = |task: &Task, _| {
        let cost = number(server.dialect(), task.credits);
        http::json(
            200,
            json!({ "success": true, "job_id": task.id, "status": "queued", "credit_cost": cost }),
        )
    };
    Ok(server.submit(order, accepted).await)
}

/// Free accounts may look, but not generate.
fn paid(server: &Server, caller: Caller) -> Result<(), Response> {
    match server.with(|book, _| book.account_of(caller).plan) {
        Plan::Free => Err(server.refuse(Refusal::Forbidden)),
        Plan::Starter | Plan::Creator | Plan::Pro | Plan::Scale => Ok(()),
    }
}

fn text(server: &Server, text: Option<String>, characters_max: usize) -> Result<String, Response> {
    let text = required(server, "text", text)?;
    if text.chars().count() > characters_max {
        return Err(server.refuse(Refusal::BadRequest("text too long".to_owned())));
    }
    Ok(text)
}

fn required(server: &Server, field: &str, value: Option<String>) -> Result<String, Response> {
    match value {
        Some(value) if !value.is_empty() => Ok(value),
        Some(_) | None => Err(server.refuse(Refusal::BadRequest(format!("{field} is required")))),
    }
}

// Jobs

async fn poll_v2(State(server): Shared, caller: Caller, Path(id): Path<String>) -> Response {
    server.poll(caller, &id, |task| http::json(200, job_json(&server, task, Casing::Camel))).await
}

async fn poll_minimax(State(server): Shared, caller: Caller, Path(id): Path<String>) -> Response {
    server.poll(caller, &id, |task| http::json(200, job_json(&server, task, Casing::Snake))).await
}

fn job_json(server: &Server, task: &Task, documented: Casing) -> Value {
    let dialect = server.dialect();
    let casing = match dialect.casing {
        Casing::AsDocumented => documented,
        other => other,
    };
    let (status, position, fault) = match task.state {
        TaskState::Queued { position } => ("queued", Some(position), None),
        TaskState::Processing { .. } => ("processing", None, None),
        TaskState::Done => ("done", None, None),
        TaskState::Failed(fault) => ("failed", None, Some(fault)),
    };
    let done = task.state == TaskState::Done;
    let audio_url = done.then(|| server.result_url(task, task.format.extension()));
    let transcript_url = (done && task.text.is_some()).then(|| server.result_url(task, "srt"));
    let error = fault.map(Error::of);
    let mut job = Map::new();
    let fields = [
        ("status", "status", json!(status)),
        ("progress", "progress", json!(task.state.percent())),
        ("queuePosition", "queue_position", json!(position)),
        ("audioUrl", "audio_url", json!(audio_url)),
        ("transcriptUrl", "transcript_url", json!(transcript_url)),
        ("credit_cost", "credit_cost", number(dialect, task.credits)),
        ("modelId", "model_id", json!(task.model)),
        ("voiceId", "voice_id", json!(task.voice)),
        ("errorMessage", "error_message", json!(error.map(|error| error.message))),
        ("errorMessageKey", "error_message_key", json!(error.map(|error| error.key))),
        ("errorCategory", "error_category", json!(error.map(|error| error.category))),
        ("errorCode", "error_code", Value::Null),
        ("errorContext", "error_context", Value::Null),
    ];
    for (camel, snake, value) in fields {
        let name = match casing {
            Casing::AsDocumented | Casing::Camel => camel,
            Casing::Snake => snake,
        };
        job.insert(name.to_owned(), value);
    }
    json!({ "success": true, "job": job })
}

/// Why a job failed. Category 1 is the user's mistake, 2 is theirs.
#[derive(Clone, Copy)]
struct Error {
    message: &'static str,
    key: &'static str,
    category: u8,
}

impl Error {
    fn of(fault: TaskFault) -> Self {
        let (category, key, message) = match fault {
            TaskFault::VoiceNotFound(_) => (1, "internal.VOICE_NOT_FOUND_LOCAL", "Voice not found"),
            TaskFault::Moderated(_) => {
                (1, "internal.CONTENT_BLOCKED", "The text violates the Terms of Service")
            }
            TaskFault::UserError(_) => (1, "internal.INVALID_PARAMETER", "Invalid parameter"),
            TaskFault::ServerError(_) | TaskFault::Stuck => (2, "internal.PROVIDER_ERROR", "Provider error"),
        };
        Self { message, key, category }
    }
}

// Account and catalogue

async fn credits(State(server): Shared, caller: Caller) -> Response {
    let credits = server.with(|book, _| book.account_of(caller).credits);
    http::json(200, json!({ "success": true, "credits": number(server.dialect(), credits) }))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Estimate {
    provider: String,
    base_amount: u64,
}

/// Needs no key.
async fn estimate(State(server): Shared, body: Bytes) -> Answer {
    let asked: Estimate = http::parse(&server, &body)?;
    let cost = match asked.provider.as_str() {
        "minimax" => price(asked.base_amount, 5, 4),
        _ => price(asked.base_amount, 1, 1),
    };
    Ok(http::json(200, json!({ "cost": number(server.dialect(), cost) })))
}

async fn models(_caller: Caller) -> Response {
    listed(&ELEVENLABS_MODELS)
}

async fn minimax_models(_caller: Caller) -> Response {
    listed(&MINIMAX_MODELS)
}

fn listed(models: &[&str]) -> Response {
    let models: Vec<Value> = models.iter().map(|id| json!({ "model_id": id, "name": id })).collect();
    http::json(200, json!({ "success": true, "data": models }))
}

#[derive(Deserialize)]
struct Page {
    page: Option<usize>,
    page_size: Option<usize>,
}

/// Pages start at 0 here.
async fn shared_voices(_caller: Caller, Query(query): Query<Page>) -> Response {
    let size = query.page_size.unwrap_or(100).max(1);
    let skip = query.page.unwrap_or(0).saturating_mul(size);
    let page: Vec<&voices::Voice> = voices::ELEVENLABS.iter().skip(skip).take(size).collect();
    let listed: Vec<Value> = page
        .iter()
        .map(|voice| {
            json!({
                "voice_id": voice.id,
                "name": voice.name,
                "category": "premade",
                "gender": voice.gender,
                "language": voice.language,
                "description": null,
            })
        })
        .collect();
    let has_more = skip.saturating_add(size) < voices::ELEVENLABS.len();
    let last = page.last().map(|voice| voice.id);
    http::json(200, json!({ "voices": listed, "has_more": has_more, "last_sort_id": last }))
}

/// Pages start at 1 here.
async fn minimax_voices(_caller: Caller, Query(query): Query<Page>) -> Response {
    let size = query.page_size.unwrap_or(100).max(1);
    let page = query.page.unwrap_or(1).max(1);
    let listed: Vec<Value> = voices::MINIMAX
        .iter()
        .skip((page - 1).saturating_mul(size))
        .take(size)
        .map(|voice| {
            json!({
                "canonical_voice_id": voice.id,
                "name": voice.name,
                "gender": voice.gender,
                "language": voice.language,
            })
        })
        .collect();
    let total = voices::MINIMAX.len();
    http::json(200, json!({ "data": listed, "page": page, "page_size": size, "total": total }))
}

async fn cloned_voices(_caller: Caller) -> Response {
    http::json(200, json!({ "success": true, "data": [] }))
}
