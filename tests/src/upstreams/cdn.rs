//! Where results are fetched: signed URLs that work for a while, without any key. Audio is made on the way out. A key
//! that arrives here has been sent to a stranger; it is counted and the call refused, as object stores do.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use axum::{
    Router,
    extract::{Path, Query, State},
    http::{HeaderMap, StatusCode, header},
    response::{Html, IntoResponse, Response},
    routing::get,
};
use parking_lot::RwLock;
use serde::Deserialize;

use super::{
    audio,
    faults::DownloadFault,
    http,
    server::{Server, signature},
    settings::Edge,
    task::{State as TaskState, Task},
};

/// All servers by name.
pub(super) type Registry = Arc<RwLock<BTreeMap<String, Arc<Server>>>>;

pub(super) fn routes(servers: Registry) -> Router {
    Router::new().route("/cdn/{server}/{file}", get(download)).with_state(servers)
}

#[derive(Deserialize)]
struct Signed {
    #[serde(default)]
    expires: u64,
    #[serde(default)]
    token: String,
}

enum Found {
    File(Box<Task>, Option<DownloadFault>),
    Forbidden,
    Blocked,
    Leaked,
    Missing,
}

async fn download(
    State(servers): State<Registry>,
    Path((server, file)): Path<(String, String)>,
    Query(signed): Query<Signed>,
    headers: HeaderMap,
) -> Response {
    let Some(server) = servers.read().get(&server).cloned() else { return missing() };
    let Some((id, extension)) = file.rsplit_once('.') else { return missing() };
    let carries_key = headers.contains_key("xi-api-key") || headers.contains_key(header::AUTHORIZATION);
    let found = server.with(|book, now| {
        if carries_key {
            book.counters.keys_leaked += 1;
            return Found::Leaked;
        }
        if book.settings.edge == Edge::BlocksLibraryAgents && http::is_library_agent(&headers) {
            return Found::Blocked;
        }
        let Some(task) = book.task_with_id(id).cloned() else { return Found::Missing };
        let genuine = signature(book.settings.seed, task.number, extension, signed.expires) == signed.token;
        if !genuine || now > Duration::from_millis(signed.expires) {
            return Found::Forbidden;
        }
        if task.state != TaskState::Done {
            return Found::Missing;
        }
        let fault = book.download(task.number);
        Found::File(Box::new(task), fault)
    });
    let (task, fault) = match found {
        Found::File(task, fault) => (task, fault),
        Found::Forbidden => return expired(),
        Found::Blocked => return http::cloudflare_1010(),
        Found::Leaked => {
            let text = "<Error><Code>InvalidArgument</Code><Message>Only one auth mechanism allowed</Message></Error>";
            return xml(StatusCode::BAD_REQUEST, text);
        }
        Found::Missing => return missing(),
    };
    match fault {
        None => content(&task, extension),
        Some(DownloadFault::Expired) => expired(),
        Some(DownloadFault::Missing) => missing(),
        Some(DownloadFault::Unavailable) => {
            xml(StatusCode::SERVICE_UNAVAILABLE, "<Error><Code>SlowDown</Code></Error>")
        }
        Some(DownloadFault::NotAudio) => Html("<html><body>Please log in.</body></html>").into_response(),
        Some(DownloadFault::Break(broken)) => broken.spoil(content(&task, extension)).await,
    }
}

/// What stands behind a URL with this extension.
fn content(task: &Task, extension: &str) -> Response {
    let text = task.text.as_deref().unwrap_or_default();
    let (content_type, bytes) = match extension {
        "srt" => ("application/x-subrip", audio::srt(text, task.ms).into_bytes()),
        "json" => ("application/json", audio::alignment(text, task.ms).to_string().into_bytes()),
        "titles" => ("application/json", audio::titles(text, task.ms).to_string().into_bytes()),
        "tar" => ("application/x-tar", archive(task)),
        _ => (task.format.content_type(), task.audio()),
    };
    ([(header::CONTENT_TYPE, content_type)], bytes).into_response()
}

/// MiniMax's result of an asynchronous task.
pub(super) fn archive(task: &Task) -> Vec<u8> {
    let text = task.text.as_deref().unwrap_or_default();
    let titles = audio::titles(text, task.ms);
    let extra = serde_json::json!({
        "audio_length": task.ms,
        "audio_sample_rate": task.format.rate(),
        "usage_characters": task.characters,
    });
    let name = |extension: &str| format!("{}/{}.{extension}", task.number, task.number);
    audio::tar(&[
        (name(task.format.extension()), task.audio()),
        (name("titles"), titles.to_string().into_bytes()),
        (name("extra"), extra.to_string().into_bytes()),
    ])
}

fn expired() -> Response {
    xml(
        StatusCode::FORBIDDEN,
        "<Error><Code>AccessDenied</Code><Message>Request has expired</Message></Error>",
    )
}

fn missing() -> Response {
    xml(StatusCode::NOT_FOUND, "<Error><Code>NoSuchKey</Code></Error>")
}

fn xml(status: StatusCode, text: &'static str) -> Response {
    (status, [(header::CONTENT_TYPE, "application/xml")], text).into_response()
}
