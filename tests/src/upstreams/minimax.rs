//! MiniMax: nearly every answer is HTTP 200, and `base_resp.status_code` tells what happened. Speech comes as hex
//! in JSON, as a URL, as events, or in three asynchronous steps that end in a tar archive. It bills the characters
//! that it counts itself.

use std::{sync::Arc, time::Duration};

use axum::{
    Router,
    body::Bytes,
    extract::{DefaultBodyLimit, Multipart, Query, State},
    http::{HeaderName, HeaderValue, header},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    audio::Format,
    book::Book,
    cdn,
    faults::Refusal,
    http,
    server::Server,
    settings::{Group, StatusCase, Usage},
    task::{Caller, Order, Service, State as TaskState, Subtitles, Task},
    voices::{self, ClonedVoice, UploadedFile, Use},
};

/// Most characters of one text, by call.
const SYNC_CHARACTERS_MAX: usize = 9_999;
const ASYNC_CHARACTERS_MAX: usize = 50_000;
const FILE_CHARACTERS_MAX: usize = 1_000_000;

/// Largest uploaded file.
const FILE_BYTES_MAX: usize = 20 << 20;

/// A cloned voice that has not spoken within this time is deleted.
const UNUSED_CLONE_LIFE: Duration = Duration::from_hours(168);

/// Length of a cloned voice's id, in bytes.
const VOICE_ID_BYTES: std::ops::RangeInclusive<usize> = 8..=256;

// Ids are large numbers; each kind begins somewhere else.
const TASK_ID_FIRST: u64 = 95_157_322_000_000;
const RESULT_FILE_ID_FIRST: u64 = 205_000_000_000_000;
const UPLOADED_FILE_ID_FIRST: u64 = 311_000_000_000_000;

type Answer = Result<Response, Response>;
type Shared = State<Arc<Server>>;

pub(super) fn routes(server: Arc<Server>) -> Router {
    Router::new()
        .route("/v1/t2a_v2", post(speak))
        .route("/v1/t2a_async_v2", post(submit))
        .route("/v1/query/t2a_async_query_v2", get(query))
        .route("/v1/files/upload", post(upload))
        .route("/v1/files/retrieve", get(retrieve))
        .route("/v1/files/retrieve_content", get(retrieve_content))
        .route("/v1/voice_clone", post(clone_voice))
        .route("/v1/get_voice", post(get_voice))
        .route("/v1/delete_voice", post(delete_voice))
        .layer(DefaultBodyLimit::max(http::REQUEST_BYTES_MAX))
        .with_state(server)
}

/// A refusal with any of MiniMax's status codes.
///
/// ```
/// use kingcong_tests::upstreams::{SubmitFault, minimax_status};
/// let too_many_tokens = SubmitFault::Refuse(minimax_status(1039));
/// # let _ = too_many_tokens;
/// ```
pub fn minimax_status(code: u32) -> Refusal {
    let body = json!({
        "data": null,
        "trace_id": "0640000000000000000000000000dead",
        "base_resp": { "status_code": code, "status_msg": message(code) },
    });
    Refusal::Verbatim { status: 200, body, retry_after_s: None }
}

fn message(code: u32) -> &'static str {
    match code {
        0 => "success",
        1000 => "unknown error",
        1001 => "request timeout",
        1002 => "rate limit exceeded(RPM)",
        1004 => "login fail: please carry the API secret key in the 'Authorization' field",
        1008 => "insufficient balance",
        1024 => "internal error",
        1026 => "input new_sensitive",
        1027 => "output new_sensitive",
        1033 => "system error",
        1039 => "token limit exceeded(TPM)",
        1041 => "conn limit exceeded",
        1042 => "invisible characters ratio limit",
        1043 => "the asr similarity check failed",
        1044 => "clone prompt similarity check failed",
        2013 => "invalid params",
        20132 => "invalid samples or voice_id",
        2037 => "voice duration too short or too long",
        2038 => "user voice clone function is disabled",
        2039 => "voice clone voice id duplicate",
        2042 => "you don't have access to this voice_id",
        2045 => "rate growth limit",
        2048 => "prompt audio too long",
        2049 => "invalid api key",
        2056 => "usage limit exceeded",
        _ => "error",
    }
}

/// How MiniMax says no.
pub(super) fn refuse(refusal: Refusal) -> Response {
    let code = match refusal {
        Refusal::Busy => 1033,
        Refusal::BusyInsideSuccess => 1024,
        Refusal::RateLimited { .. } => 1002,
        Refusal::TooManyCharacters => 1039,
        Refusal::TooManyInFlight => 1041,
        Refusal::Unauthorized => 1004,
        Refusal::InvalidKey => 2049,
        Refusal::Forbidden => 2038,
        Refusal::OutOfCredit => 1008,
        Refusal::Moderated => 1026,
        Refusal::BadRequest(_) | Refusal::Unprocessable(_) | Refusal::NotFound => 2013,
        Refusal::VoiceNotFound => 20132,
        Refusal::Status(_) => 1000,
        Refusal::Verbatim { status, body, retry_after_s } => {
            return http::with_retry_after(http::json(status, body), retry_after_s);
        }
    };
    no(code)
}

fn no(code: u32) -> Response {
    match minimax_status(code) {
        Refusal::Verbatim { status, body, .. } => http::json(status, body),
        other => refuse(other),
    }
}

fn ok() -> Value {
    json!({ "status_code": 0, "status_msg": message(0) })
}

fn parse<T: serde::de::DeserializeOwned>(body: &Bytes) -> Result<T, Response> {
    serde_json::from_slice(body).map_err(|_| no(2013))
}

// Speech

#[derive(Deserialize)]
struct Speech {
    model: Option<String>,
    text: Option<String>,
    /// A number; a string is refused.
    text_file_id: Option<u64>,
    #[serde(default)]
    stream: bool,
    #[serde(default)]
    voice_setting: VoiceSetting,
    #[serde(default)]
    audio_setting: AudioSetting,
    output_format: Option<String>,
    #[serde(default)]
    subtitle_enable: bool,
}

#[derive(Default, Deserialize)]
struct VoiceSetting {
    voice_id: Option<String>,
}

#[derive(Default, Deserialize)]
struct AudioSetting {
    #[serde(alias = "audio_sample_rate")]
    sample_rate: Option<u32>,
    bitrate: Option<u32>,
    format: Option<String>,
}

impl AudioSetting {
    fn format(&self) -> Result<Format, Response> {
        let rate = self.sample_rate.unwrap_or(32_000);
        let format = match self.format.as_deref().unwrap_or("mp3") {
            "mp3" => Format::mp3(rate, self.bitrate.unwrap_or(128_000) / 1000),
            "wav" => Some(Format::Wav { rate }),
            "pcm" => Some(Format::Pcm { rate }),
            _ => None,
        };
        format.ok_or_else(|| no(2013))
    }
}

impl Speech {
    fn order(self, server: &Server, caller: Caller, text: String) -> Result<Order, Response> {
        let format = self.audio_setting.format()?;
        let (Some(model), Some(voice)) = (self.model, self.voice_setting.voice_id) else {
            return Err(no(2013));
        };
        if text.is_empty() {
            return Err(no(2013));
        }
        let usage = server.dialect().usage;
        let characters = text.chars().map(|character| weight(usage, character)).sum();
        let clone_fee = server.with(|book, now| voice_fee(book, now, caller, &voice)).map_err(no)?;
        Ok(Order {
            caller,
            service: Service::MiniMax,
            text,
            voice,
            model,
            credits: super::ai33::price(characters, 1, 1) + clone_fee,
            characters,
            format,
            subtitles: Subtitles::None,
            group: Group::Standard,
            receive_url: None,
            client_id: None,
            flaw: None,
        })
    }
}

/// What a character counts.
fn weight(usage: Usage, character: char) -> u64 {
    let han =
        matches!(character, '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}' | '\u{20000}'..='\u{2fa1f}');
    match usage {
        Usage::HanTwice if han => 2,
        Usage::HanTwice | Usage::Unicode => 1,
    }
}

/// What a voice costs on top: its clone fee at the first use. Or why the caller may not use it.
fn voice_fee(book: &mut Book, now: Duration, caller: Caller, voice: &str) -> Result<i64, u32> {
    if book.missing_voices.contains(voice) {
        return Err(20132);
    }
    book.voices.clones.retain(|clone| clone.usage == Use::Used || now < clone.made + UNUSED_CLONE_LIFE);
    let account = book.account_index(caller);
    match book.voices.clones.iter().find(|clone| clone.id == voice) {
        None => Ok(0),
        Some(clone) if clone.account != account => Err(2042),
        Some(clone) => match clone.usage {
            Use::Used => Ok(0),
            Use::Unused => Ok(book.settings.clone_fee),
        },
    }
}

/// A cloned voice that has spoken is paid and listed.
fn used(server: &Server, task: &Task) {
    server.with(|book, _| {
        for clone in &mut book.voices.clones {
            if clone.id == *task.voice {
                clone.usage = Use::Used;
            }
        }
    });
}

async fn speak(State(server): Shared, caller: Caller, body: Bytes) -> Answer {
    let mut speech: Speech = parse(&body)?;
    let text = speech.text.take().ok_or_else(|| no(2013))?;
    if text.chars().count() > SYNC_CHARACTERS_MAX {
        return Err(no(2013));
    }
    let as_url = match speech.output_format.as_deref() {
        None | Some("hex") => false,
        Some("url") if !speech.stream => true,
        Some(_) => return Err(no(2013)),
    };
    let as_events = speech.stream;
    let subtitles = if speech.subtitle_enable { Subtitles::Wanted } else { Subtitles::None };
    let order = Order { subtitles, ..speech.order(&server, caller, text)? };
    let done = |task: &Task| {
        used(&server, task);
        let bytes = task.audio();
        let mut response = if as_events {
            events(task, &bytes)
        } else {
            let audio = if as_url { server.result_url(task, task.format.extension()) } else { hex(&bytes) };
            let mut body = result(task, &audio, bytes.len());
            if task.text.is_some() {
                body["data"]["subtitle_file"] = server.result_url(task, "titles").into();
            }
            http::json(200, body)
        };
        if let Ok(id) = HeaderValue::from_str(&trace_id(task)) {
            response.headers_mut().insert(HeaderName::from_static("trace-id"), id);
        }
        response
    };
    Ok(server.speak(order, done).await)
}

fn result(task: &Task, audio: &str, bytes: usize) -> Value {
    let bitrate = match task.format {
        Format::Mp3 { kbps, .. } => kbps * 1000,
        Format::Wav { rate } | Format::Pcm { rate } => rate * 16,
    };
    json!({
        "data": { "audio": audio, "status": 2 },
        "extra_info": {
            "audio_length": task.ms,
            "audio_sample_rate": task.format.rate(),
            "audio_size": bytes,
            "bitrate": bitrate,
            "word_count": task.characters,
            "invisible_character_ratio": 0,
            "usage_characters": task.characters,
            "audio_format": task.format.extension(),
            "audio_channel": 1,
        },
        "trace_id": trace_id(task),
        "base_resp": ok(),
    })
}

/// Two parts of the audio, then the summary.
fn events(task: &Task, bytes: &[u8]) -> Response {
    let (first, second) = bytes.split_at(bytes.len() / 2);
    let part = |bytes| {
        let data = json!({ "audio": hex(bytes), "status": 1 });
        json!({ "data": data, "trace_id": trace_id(task), "base_resp": ok() })
    };
    let body = format!(
        "data: {}\n\ndata: {}\n\ndata: {}\n\n",
        part(first),
        part(second),
        result(task, "", bytes.len())
    );
    ([(header::CONTENT_TYPE, "text/event-stream")], body).into_response()
}

fn trace_id(task: &Task) -> String {
    task.id.replace('-', "")
}

fn hex(bytes: &[u8]) -> String {
    const DIGITS: [char; 16] =
        ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'a', 'b', 'c', 'd', 'e', 'f'];
    bytes.iter().flat_map(|byte| [DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]).collect()
}

// Speech in three steps

async fn submit(State(server): Shared, caller: Caller, body: Bytes) -> Answer {
    let mut speech: Speech = parse(&body)?;
    let text = match (speech.text.take(), speech.text_file_id) {
        (Some(text), None) if text.chars().count() <= ASYNC_CHARACTERS_MAX => text,
        (None, Some(file)) => server
            .with(|book, _| {
                let account = book.account_index(caller);
                book.voices.files.get(&file).filter(|file| file.account == account)?.text.clone()
            })
            .filter(|text| text.chars().count() < FILE_CHARACTERS_MAX)
            .ok_or_else(|| no(2013))?,
        _ => return Err(no(2013)),
    };
    let order = Order { subtitles: Subtitles::Wanted, ..speech.order(&server, caller, text)? };
    let accepted = |task: &Task, _| {
        let body = json!({
            "task_id": TASK_ID_FIRST + task.number,
            "task_token": trace_id(task),
            "file_id": RESULT_FILE_ID_FIRST + task.number,
            "usage_characters": task.characters,
            "base_resp": ok(),
        });
        http::json(200, body)
    };
    Ok(server.submit(order, accepted).await)
}

#[derive(Deserialize)]
struct TaskId {
    task_id: u64,
}

async fn query(State(server): Shared, caller: Caller, Query(query): Query<TaskId>) -> Answer {
    let number = query.task_id.checked_sub(TASK_ID_FIRST).ok_or_else(|| no(2013))?;
    let id = server.with(|book, _| book.id(number));
    let found = |task: &Task| {
        let status = match task.state {
            TaskState::Queued { .. } | TaskState::Processing { .. } => "Processing",
            TaskState::Done => {
                used(&server, task);
                "Success"
            }
            TaskState::Failed(_) => "Failed",
        };
        let status = match server.dialect().status_case {
            StatusCase::Capitalised => status.to_owned(),
            StatusCase::Lower => status.to_lowercase(),
        };
        let body = json!({
            "task_id": TASK_ID_FIRST + task.number,
            "status": status,
            "file_id": RESULT_FILE_ID_FIRST + task.number,
            "base_resp": ok(),
        });
        http::json(200, body)
    };
    Ok(server.poll(caller, &id, found).await)
}

// Files

#[derive(Deserialize)]
struct FileId {
    file_id: u64,
}

/// The caller's finished task whose result this file is.
fn result_of(server: &Server, caller: Caller, file: u64) -> Option<Task> {
    let number = file.checked_sub(RESULT_FILE_ID_FIRST)?;
    server.with(|book, _| {
        let id = book.id(number);
        let task = book.task_with_id(&id)?;
        let mine = book.keys[task.key].account == book.account_index(caller);
        (mine && task.state == TaskState::Done).then(|| task.clone())
    })
}

async fn retrieve(State(server): Shared, caller: Caller, Query(query): Query<FileId>) -> Answer {
    let uploaded = server.with(|book, _| {
        let account = book.account_index(caller);
        book.voices.files.get(&query.file_id).filter(|file| file.account == account).cloned()
    });
    let file = match (uploaded, result_of(&server, caller, query.file_id)) {
        (Some(file), _) => file_json(&server, query.file_id, &file),
        (None, Some(task)) => json!({
            "file_id": query.file_id,
            "bytes": cdn::archive(&task).len(),
            "created_at": (server.started_at() + task.submitted).as_secs(),
            "filename": "output.tar",
            "purpose": "t2a_async",
            "download_url": server.result_url(&task, "tar"),
        }),
        (None, None) => return Err(no(2013)),
    };
    Ok(http::json(200, json!({ "file": file, "base_resp": ok() })))
}

async fn retrieve_content(State(server): Shared, caller: Caller, Query(query): Query<FileId>) -> Answer {
    let task = result_of(&server, caller, query.file_id).ok_or_else(|| no(2013))?;
    Ok(([(header::CONTENT_TYPE, "application/x-tar")], cdn::archive(&task)).into_response())
}

async fn upload(State(server): Shared, caller: Caller, mut form: Multipart) -> Answer {
    let (mut purpose, mut upload) = (None, None);
    while let Some(field) = form.next_field().await.map_err(|_| no(2013))? {
        match field.name().unwrap_or_default() {
            "purpose" => purpose = Some(field.text().await.map_err(|_| no(2013))?),
            "file" => {
                let name = field.file_name().unwrap_or("file").to_owned();
                upload = Some((name, field.bytes().await.map_err(|_| no(2013))?));
            }
            _ => {}
        }
    }
    let (Some(purpose), Some((name, bytes))) = (purpose, upload) else { return Err(no(2013)) };
    if bytes.is_empty() || bytes.len() > FILE_BYTES_MAX {
        return Err(no(2013));
    }
    let text = match purpose.as_str() {
        "t2a_async_input" => Some(String::from_utf8(bytes.to_vec()).map_err(|_| no(2013))?),
        "voice_clone" | "prompt_audio" => None,
        _ => return Err(no(2013)),
    };
    let (id, file) = server.with(|book, now| {
        let account = book.account_index(caller);
        let file = UploadedFile { account, name, purpose, bytes: bytes.len() as u64, made: now, text };
        let id = UPLOADED_FILE_ID_FIRST + book.voices.number();
        book.voices.keep(id, file.clone());
        (id, file)
    });
    Ok(http::json(200, json!({ "file": file_json(&server, id, &file), "base_resp": ok() })))
}

fn file_json(server: &Server, id: u64, file: &UploadedFile) -> Value {
    json!({
        "file_id": id,
        "bytes": file.bytes,
        "created_at": (server.started_at() + file.made).as_secs(),
        "filename": file.name,
        "purpose": file.purpose,
    })
}

// Voices

#[derive(Deserialize)]
struct CloneVoice {
    file_id: u64,
    voice_id: String,
}

async fn clone_voice(State(server): Shared, caller: Caller, body: Bytes) -> Answer {
    let clone: CloneVoice = parse(&body)?;
    if !is_voice_id(&clone.voice_id) {
        return Err(no(20132));
    }
    server
        .with(|book, now| {
            let account = book.account_index(caller);
            let file = book.voices.files.get(&clone.file_id).filter(|file| file.account == account);
            if file.is_none_or(|file| file.purpose != "voice_clone") {
                return Err(2013);
            }
            let taken = voices::MINIMAX.iter().any(|voice| voice.id == clone.voice_id)
                || book.voices.clones.iter().any(|voice| voice.id == clone.voice_id);
            if taken {
                return Err(2039);
            }
            let name = clone.voice_id.clone();
            book.voices.clones.push(ClonedVoice {
                account,
                id: clone.voice_id,
                name,
                made: now,
                usage: Use::Unused,
            });
            Ok(())
        })
        .map_err(no)?;
    Ok(http::json(
        200,
        json!({ "input_sensitive": false, "demo_audio": "", "extra_info": null, "base_resp": ok() }),
    ))
}

/// 8 to 256 letters, digits, hyphens and underscores, a letter first.
fn is_voice_id(id: &str) -> bool {
    VOICE_ID_BYTES.contains(&id.len())
        && id.starts_with(|first: char| first.is_ascii_alphabetic())
        && id.chars().all(|character| character.is_ascii_alphanumeric() || "-_".contains(character))
}

#[derive(Deserialize)]
struct GetVoice {
    voice_type: String,
}

async fn get_voice(State(server): Shared, caller: Caller, body: Bytes) -> Answer {
    let asked: GetVoice = parse(&body)?;
    let (system, cloned) = match asked.voice_type.as_str() {
        "system" => (true, false),
        "voice_cloning" => (false, true),
        "voice_generation" => (false, false),
        "all" => (true, true),
        _ => return Err(no(2013)),
    };
    let system_voice: Vec<Value> = voices::MINIMAX
        .iter()
        .filter(|_| system)
        .map(|voice| json!({ "voice_id": voice.id, "voice_name": voice.name, "description": [voice.language] }))
        .collect();
    let voice_cloning: Vec<Value> = server.with(|book, _| {
        let account = book.account_index(caller);
        book.voices
            .of(account)
            .filter(|voice| cloned && voice.usage == Use::Used)
            .map(|voice| json!({ "voice_id": voice.id, "description": [], "created_time": date(&server, voice) }))
            .collect()
    });
    Ok(http::json(
        200,
        json!({
            "system_voice": system_voice,
            "voice_cloning": voice_cloning,
            "voice_generation": [],
            "base_resp": ok(),
        }),
    ))
}

fn date(server: &Server, voice: &ClonedVoice) -> String {
    super::calendar::iso_8601(server.started_at() + voice.made).chars().take("2026-09-13".len()).collect()
}

#[derive(Deserialize)]
struct DeleteVoice {
    voice_id: String,
}

async fn delete_voice(State(server): Shared, caller: Caller, body: Bytes) -> Answer {
    let asked: DeleteVoice = parse(&body)?;
    let removed = server.with(|book, _| {
        let account = book.account_index(caller);
        book.voices.remove(account, &asked.voice_id)
    });
    let Some(voice) = removed else { return Err(no(20132)) };
    Ok(http::json(
        200,
        json!({ "voice_id": voice.id, "created_time": date(&server, &voice), "base_resp": ok() }),
    ))
}
