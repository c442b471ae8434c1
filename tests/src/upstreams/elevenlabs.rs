//! ElevenLabs: the answer to a speech is its audio, with the cost in a header. How many calls run at once is decided by
//! the account's plan.

use std::sync::Arc;

use axum::{
    Router,
    body::Bytes,
    extract::{DefaultBodyLimit, Multipart, Path, Query, State},
    http::{HeaderName, HeaderValue, header},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    ai33::price,
    audio::{self, Format},
    base64,
    faults::Refusal,
    http,
    server::Server,
    settings::{Dialect, ElevenLabsErrors, Group, Scope},
    task::{Caller, Order, Service, Subtitles, Task},
    voices::{self, ClonedVoice, Use, Voice},
};

/// A model: most characters per request, and its price in half credits per character.
const MODELS: [(&str, usize, u64, Group); 6] = [
    ("eleven_multilingual_v2", 10_000, 2, Group::Standard),
    ("eleven_v3", 3_000, 2, Group::Standard),
    ("eleven_flash_v2_5", 40_000, 1, Group::Turbo),
    ("eleven_turbo_v2_5", 40_000, 1, Group::Turbo),
    ("eleven_flash_v2", 30_000, 1, Group::Turbo),
    ("eleven_turbo_v2", 30_000, 1, Group::Turbo),
];

type Answer = Result<Response, Response>;
type Shared = State<Arc<Server>>;

pub(super) fn routes(server: Arc<Server>) -> Router {
    Router::new()
        .route("/v1/text-to-speech/{voice}", post(speak))
        .route("/v1/text-to-speech/{voice}/stream", post(speak))
        .route("/v1/text-to-speech/{voice}/with-timestamps", post(speak_with_timestamps))
        .route("/v1/voices", get(voices_v1))
        .route("/v2/voices", get(voices_v2))
        .route("/v1/voices/add", post(clone_voice))
        .route("/v1/user/subscription", get(subscription))
        .route("/v1/user", get(user))
        .route("/v1/models", get(models))
        .layer(DefaultBodyLimit::max(http::REQUEST_BYTES_MAX))
        .with_state(server)
}

/// How ElevenLabs says no.
pub(super) fn refuse(dialect: Dialect, refusal: Refusal) -> Response {
    let no = |status, word, text| {
        let body = error_body(dialect.elevenlabs_errors, status, word, text);
        http::json(status, body)
    };
    match refusal {
        Refusal::Busy => no(429, "system_busy", "We are experiencing heavy traffic, please try again later."),
        Refusal::BusyInsideSuccess => no(503, "system_busy", "We are experiencing heavy traffic."),
        Refusal::RateLimited { retry_after_s } => {
            let response = no(429, "concurrent_limit_exceeded", "Too many requests.");
            http::with_retry_after(response, retry_after_s)
        }
        Refusal::TooManyCharacters => no(429, "concurrent_limit_exceeded", "Too many requests."),
        Refusal::TooManyInFlight => {
            no(429, "too_many_concurrent_requests", "Too many concurrent requests for your subscription.")
        }
        Refusal::Unauthorized => no(401, "detected_unusual_activity", "Unusual activity detected."),
        Refusal::InvalidKey => no(401, "invalid_api_key", "Invalid API key"),
        Refusal::Forbidden => no(403, "only_for_creator+", "Only for creator plans and above."),
        Refusal::OutOfCredit => no(401, "quota_exceeded", "This request exceeds your quota."),
        Refusal::Moderated => no(400, "content_against_policy", "The text violates our Terms of Service."),
        Refusal::BadRequest(text) => no(400, "invalid_request", &text),
        Refusal::Unprocessable(text) => http::json(422, validation(&[&text])),
        Refusal::VoiceNotFound => no(404, "voice_not_found", "A voice with this id was not found."),
        Refusal::NotFound => no(404, "not_found", "Not found"),
        Refusal::Status(status) => no(status, "something_went_wrong", "Something went wrong."),
        Refusal::Verbatim { status, body, retry_after_s } => {
            http::with_retry_after(http::json(status, body), retry_after_s)
        }
    }
}

/// A refusal with any of ElevenLabs' words, e.g. 402 `paid_plan_required`.
///
/// ```
/// use kingcong_tests::upstreams::{ElevenLabsErrors, SubmitFault, elevenlabs_error};
/// let plan = elevenlabs_error(ElevenLabsErrors::Newer, 402, "paid_plan_required");
/// let fault = SubmitFault::Refuse(plan);
/// # let _ = fault;
/// ```
pub fn elevenlabs_error(shape: ElevenLabsErrors, status: u16, word: &str) -> Refusal {
    let body = error_body(shape, status, word, "The request was refused.");
    Refusal::Verbatim { status, body, retry_after_s: None }
}

fn error_body(shape: ElevenLabsErrors, status: u16, word: &str, text: &str) -> Value {
    let kind = match status {
        401 | 403 => "authentication_error",
        402 => "payment_required",
        404 => "not_found",
        429 => "rate_limit_error",
        500.. => "internal_error",
        _ => "invalid_request",
    };
    match shape {
        ElevenLabsErrors::Classic => json!({ "detail": { "status": word, "message": text } }),
        ElevenLabsErrors::Newer => json!({ "detail": {
            "type": kind, "code": word, "message": text, "status": kind, "request_id": "req-0000",
        } }),
    }
}

/// FastAPI's list of what is wrong with a body.
fn validation(fields: &[&str]) -> Value {
    let list: Vec<Value> = fields
        .iter()
        .map(|field| json!({ "loc": ["body", field], "msg": "Field required", "type": "missing" }))
        .collect();
    json!({ "detail": list })
}

// Speech

#[derive(Deserialize)]
struct Speech {
    text: Option<String>,
    model_id: Option<String>,
}

#[derive(Deserialize)]
struct OutputFormat {
    output_format: Option<String>,
}

async fn speak(
    State(server): Shared,
    caller: Caller,
    Path(voice): Path<String>,
    Query(query): Query<OutputFormat>,
    body: Bytes,
) -> Answer {
    let order = order(&server, caller, voice, query, &body)?;
    let group = order.group;
    let done = |task: &Task| {
        let audio = ([(header::CONTENT_TYPE, task.format.content_type())], task.audio());
        with_headers(&server, caller, group, task, audio.into_response())
    };
    Ok(server.speak(order, done).await)
}

async fn speak_with_timestamps(
    State(server): Shared,
    caller: Caller,
    Path(voice): Path<String>,
    Query(query): Query<OutputFormat>,
    body: Bytes,
) -> Answer {
    let order = order(&server, caller, voice, query, &body)?;
    let group = order.group;
    let order = Order { subtitles: Subtitles::Wanted, ..order };
    let done = |task: &Task| {
        let alignment = audio::alignment(task.text.as_deref().unwrap_or_default(), task.ms);
        let body = json!({
            "audio_base64": base64::encode(&task.audio()),
            "alignment": alignment,
            "normalized_alignment": alignment,
        });
        with_headers(&server, caller, group, task, http::json(200, body))
    };
    Ok(server.speak(order, done).await)
}

fn order(
    server: &Server,
    caller: Caller,
    voice: String,
    query: OutputFormat,
    body: &Bytes,
) -> Result<Order, Response> {
    let invalid = |field: &str| http::json(422, validation(&[field]));
    let speech: Speech = serde_json::from_slice(body).map_err(|_| invalid("body"))?;
    let text = speech.text.ok_or_else(|| invalid("text"))?;
    let model = speech.model_id.unwrap_or_else(|| MODELS[0].0.to_owned());
    let Some(&(_, characters_max, half_credits, group)) = MODELS.iter().find(|(id, ..)| *id == model) else {
        return Err(server.refuse(Refusal::BadRequest(format!("A model with id {model} was not found."))));
    };
    let format = query.output_format.as_deref().map_or(Some(Format::MP3), Format::from_name);
    let Some(format) = format else { return Err(invalid("output_format")) };
    let characters = text.chars().count();
    if characters > characters_max {
        return Err(server.refuse(elevenlabs_error(
            server.dialect().elevenlabs_errors,
            400,
            "max_character_limit_exceeded",
        )));
    }
    if server.with(|book, _| book.missing_voices.contains(&voice)) {
        return Err(server.refuse(Refusal::VoiceNotFound));
    }
    let characters = characters as u64;
    Ok(Order {
        caller,
        service: Service::ElevenLabs,
        text,
        voice,
        model,
        credits: price(characters, half_credits, 2),
        characters,
        format,
        subtitles: Subtitles::None,
        group,
        receive_url: None,
        client_id: None,
        flaw: None,
    })
}

fn with_headers(
    server: &Server,
    caller: Caller,
    group: Group,
    task: &Task,
    mut response: Response,
) -> Response {
    // The call that is being answered has just ended; it counts itself.
    let (others, most) = server.with(|book, _| book.concurrency(caller, group));
    let cost = u64::try_from(task.credits).unwrap_or_default();
    let headers = response.headers_mut();
    headers.insert(HeaderName::from_static("character-cost"), HeaderValue::from(cost));
    headers.insert(HeaderName::from_static("current-concurrent-requests"), HeaderValue::from(others + 1));
    headers.insert(HeaderName::from_static("maximum-concurrent-requests"), HeaderValue::from(most));
    if let Ok(id) = HeaderValue::from_str(&task.id) {
        headers.insert(HeaderName::from_static("request-id"), id);
    }
    response
}

// Account and catalogue

/// Refuses keys that may only speak.
fn full_scope(server: &Server, caller: Caller) -> Result<(), Response> {
    match server.with(|book, _| book.keys[caller.key].scope) {
        Scope::Everything => Ok(()),
        Scope::SpeechOnly => {
            let shape = server.dialect().elevenlabs_errors;
            Err(server.refuse(elevenlabs_error(shape, 401, "missing_permissions")))
        }
    }
}

fn voice_json(voice: &Voice) -> Value {
    json!({
        "voice_id": voice.id,
        "name": voice.name,
        "category": "premade",
        "labels": { "gender": voice.gender, "language": voice.language },
        "preview_url": format!("https://cdn.example/preview/{}.mp3", voice.id),
        "settings": null,
        "available_for_tiers": [],
    })
}

fn all_voices(server: &Server, caller: Caller) -> Vec<Value> {
    let cloned = |voice: &ClonedVoice| {
        json!({
            "voice_id": voice.id,
            "name": voice.name,
            "category": "cloned",
            "labels": {},
            "preview_url": null,
            "settings": null,
            "available_for_tiers": [],
        })
    };
    let clones: Vec<Value> =
        server.with(|book, _| book.voices.of(book.account_index(caller)).map(cloned).collect());
    voices::ELEVENLABS.iter().map(voice_json).chain(clones).collect()
}

async fn voices_v1(State(server): Shared, caller: Caller) -> Answer {
    full_scope(&server, caller)?;
    Ok(http::json(200, json!({ "voices": all_voices(&server, caller) })))
}

#[derive(Deserialize)]
struct VoicePage {
    page_size: Option<usize>,
    next_page_token: Option<String>,
}

async fn voices_v2(State(server): Shared, caller: Caller, Query(query): Query<VoicePage>) -> Answer {
    full_scope(&server, caller)?;
    let size = query.page_size.unwrap_or(10).clamp(1, 100);
    let skip: usize = query.next_page_token.and_then(|token| token.parse().ok()).unwrap_or(0);
    let all = all_voices(&server, caller);
    let page: Vec<&Value> = all.iter().skip(skip).take(size).collect();
    let next = skip.saturating_add(size);
    let has_more = next < all.len();
    Ok(http::json(
        200,
        json!({
            "voices": page,
            "has_more": has_more,
            "total_count": all.len(),
            "next_page_token": has_more.then(|| next.to_string()),
        }),
    ))
}

async fn clone_voice(State(server): Shared, caller: Caller, mut form: Multipart) -> Answer {
    full_scope(&server, caller)?;
    let (mut name, mut bytes) = (None, 0);
    let unreadable = |_| http::json(422, validation(&["files"]));
    while let Some(field) = form.next_field().await.map_err(unreadable)? {
        match field.name().unwrap_or_default() {
            "name" => name = Some(field.text().await.map_err(unreadable)?),
            "files" | "files[]" => bytes += field.bytes().await.map_err(unreadable)?.len(),
            _ => {}
        }
    }
    let Some(name) = name else { return Err(http::json(422, validation(&["name"]))) };
    if bytes == 0 {
        return Err(http::json(422, validation(&["files"])));
    }
    let id = server.with(|book, now| {
        let id = format!("clone{:015}", book.voices.number());
        let account = book.account_index(caller);
        book.voices.clones.push(ClonedVoice { account, id: id.clone(), name, made: now, usage: Use::Used });
        id
    });
    Ok(http::json(200, json!({ "voice_id": id, "requires_verification": false })))
}

fn subscription_json(server: &Server, caller: Caller) -> Value {
    server.with(|book, _| {
        let account = book.account_of(caller);
        let used = account.charged - account.refunded;
        json!({
            "tier": account.plan.word(),
            "character_count": used,
            "character_limit": used + account.credits,
            "max_character_limit_extension": null,
            "can_extend_character_limit": false,
            "allowed_to_extend_character_limit": false,
            "next_character_count_reset_unix": 1_900_000_000,
            "voice_slots_used": book.voices.of(book.account_index(caller)).count(),
            "professional_voice_slots_used": 0,
            "voice_limit": 30,
            "max_voice_add_edits": 95,
            "voice_add_edit_counter": 0,
            "professional_voice_limit": 1,
            "can_extend_voice_limit": false,
            "can_use_instant_voice_cloning": true,
            "can_use_professional_voice_cloning": true,
            "currency": "usd",
            "status": "active",
            "billing_period": "monthly_period",
            "character_refresh_period": "monthly_period",
            "next_invoice": null,
            "has_open_invoices": false,
            "pending_change": null,
        })
    })
}

async fn subscription(State(server): Shared, caller: Caller) -> Answer {
    full_scope(&server, caller)?;
    Ok(http::json(200, subscription_json(&server, caller)))
}

async fn user(State(server): Shared, caller: Caller) -> Answer {
    full_scope(&server, caller)?;
    Ok(http::json(200, json!({ "user_id": "user", "subscription": subscription_json(&server, caller) })))
}

async fn models(State(server): Shared, caller: Caller) -> Answer {
    full_scope(&server, caller)?;
    let models: Vec<Value> = MODELS
        .iter()
        .map(|&(id, characters_max, half_credits, group)| {
            let group = match group {
                Group::Standard => "standard",
                Group::Turbo => "turbo",
            };
            json!({
                "model_id": id,
                "name": id,
                "can_do_text_to_speech": true,
                "max_characters_request_free_user": characters_max,
                "max_characters_request_subscribed_user": characters_max,
                "maximum_text_length_per_request": characters_max,
                "token_cost_factor": audio::decimal(half_credits * 500),
                "model_rates": { "character_cost_multiplier": audio::decimal(half_credits * 500) },
                "concurrency_group": group,
            })
        })
        .collect();
    Ok(http::json(200, Value::Array(models)))
}
