//! HTTP/1.1 as a badly behaved server needs it: answers that are never sent, cut in the middle or never end. So the
//! connections are served here, below axum, which cannot close one without an answer.

use std::{convert::Infallible, error::Error, fmt, io, net::IpAddr, sync::Arc};

use axum::{
    Json, Router,
    body::{Body, Bytes},
    extract::FromRequestParts,
    http::{HeaderMap, HeaderValue, Request, StatusCode, Uri, header, request::Parts},
    response::{Html, IntoResponse, Response},
};
use futures_util::{StreamExt, stream};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::{
    net::{TcpListener, TcpStream},
    task::JoinSet,
};
use tower_service::Service as _;

use super::{
    faults::{Broken, Refusal},
    server::Server,
    settings::Protocol,
    task::Caller,
};

/// Largest request body, in bytes: a million characters of text, or a recording to clone.
pub(super) const REQUEST_BYTES_MAX: usize = 32 << 20;

const FILLER: Bytes = Bytes::from_static(&[b' '; 1 << 14]);

const TEN_GIGABYTES: u64 = 10_000_000_000;

/// Parts of User-Agents that Cloudflare takes for a program's.
const LIBRARY_AGENTS: [&str; 14] = [
    "python-urllib",
    "python-requests",
    "aiohttp",
    "httpx",
    "go-http-client",
    "java/",
    "okhttp",
    "libwww",
    "node",
    "undici",
    "axios",
    "reqwest",
    "curl",
    "wget",
];

/// The client's address, for handlers.
#[derive(Clone, Copy, Debug)]
struct Peer(IpAddr);

/// Marks an answer that must not arrive.
#[derive(Clone, Copy, Debug)]
enum Undelivered {
    Dropped,
    Silent,
}

/// Tells hyper to close the connection.
#[derive(Debug)]
struct Closed;

impl fmt::Display for Closed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("connection closed on purpose")
    }
}

impl Error for Closed {}

/// Serves until it is dropped, and its connections with it. `server` stands before the routes with its edge, its
/// outages and its delay; the CDN has none.
pub(super) async fn serve(listener: TcpListener, routes: Router, server: Option<Arc<Server>>) {
    let mut connections = JoinSet::new();
    loop {
        let Ok((stream, peer)) = listener.accept().await else { continue };
        while connections.try_join_next().is_some() {}
        if stream.set_nodelay(true).is_err() {
            continue;
        }
        let (routes, server) = (routes.clone(), server.clone());
        let service = service_fn(move |request| answer(routes.clone(), server.clone(), peer.ip(), request));
        connections.spawn(async move {
            // An error here is a connection that either side closed: nothing to tell.
            drop(http1::Builder::new().serve_connection(TokioIo::new(stream), service).await);
        });
    }
}

async fn answer(
    mut routes: Router,
    server: Option<Arc<Server>>,
    peer: IpAddr,
    mut request: Request<Incoming>,
) -> Result<Response, Closed> {
    let broken = server.as_ref().and_then(|server| server.stopped_at_the_edge(request.headers()));
    request.extensions_mut().insert(Peer(peer));
    let response = match broken {
        Some(broken) => broken.spoil(StatusCode::SERVICE_UNAVAILABLE.into_response()).await,
        None => {
            let answered: Result<Response, Infallible> = routes.call(request.map(Body::new)).await;
            answered.unwrap_or_else(|never| match never {})
        }
    };
    if let Some(server) = &server {
        let delay = server.answer_delay();
        if !delay.is_zero() {
            tokio::time::sleep(delay).await;
        }
    }
    match response.extensions().get() {
        None => Ok(response),
        Some(Undelivered::Dropped) => Err(Closed),
        Some(Undelivered::Silent) => std::future::pending().await,
    }
}

impl Broken {
    /// What is left of an answer that breaks like this.
    pub(super) async fn spoil(self, response: Response) -> Response {
        let (mut parts, body) = response.into_parts();
        let body = match self {
            Self::Dropped => {
                parts.extensions.insert(Undelivered::Dropped);
                body
            }
            Self::Silent => {
                parts.extensions.insert(Undelivered::Silent);
                body
            }
            Self::Empty => {
                parts.headers.remove(header::CONTENT_LENGTH);
                Body::empty()
            }
            Self::Half => {
                let whole = axum::body::to_bytes(body, usize::MAX).await.unwrap_or_default();
                parts.headers.insert(header::CONTENT_LENGTH, HeaderValue::from(whole.len()));
                Body::from_stream(half(whole))
            }
            Self::Endless => {
                parts.headers.remove(header::CONTENT_LENGTH);
                Body::from_stream(stream::repeat(FILLER).map(Ok::<_, Infallible>))
            }
            Self::TenGigabytes => {
                parts.headers.insert(header::CONTENT_LENGTH, HeaderValue::from(TEN_GIGABYTES));
                Body::from_stream(stream::repeat(FILLER).map(Ok::<_, Infallible>))
            }
            Self::Html(status) => return html(status),
            Self::Cloudflare1010 => return cloudflare_1010(),
        };
        Response::from_parts(parts, body)
    }
}

/// The first half of a body, then an error. In between the connection gets the chance to send what it has.
fn half(whole: Bytes) -> impl stream::Stream<Item = io::Result<Bytes>> {
    let first = whole.slice(..whole.len() / 2);
    stream::once(async { Ok(first) }).chain(stream::once(async {
        tokio::task::yield_now().await;
        Err(io::Error::other(Closed))
    }))
}

fn html(status: u16) -> Response {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_GATEWAY);
    let page = format!(
        "<html>\r\n<head><title>{status}</title></head>\r\n<body>\r\n<center><h1>{status}</h1></center>\r\n\
         <hr><center>cloudflare</center>\r\n</body>\r\n</html>\r\n"
    );
    (status, Html(page)).into_response()
}

pub(super) fn cloudflare_1010() -> Response {
    let page = "<!DOCTYPE html>\n<html lang=\"en-US\">\n<head><title>Access denied | Cloudflare</title></head>\n\
        <body>\n<h1>Error 1010</h1>\n<p>Access denied</p>\n<p>The owner of this website has banned your access based \
        on your browser's signature.</p>\n</body>\n</html>\n";
    (StatusCode::FORBIDDEN, Html(page)).into_response()
}

/// Whether Cloudflare lets this User-Agent in.
pub(super) fn is_library_agent(headers: &HeaderMap) -> bool {
    let agent = headers.get(header::USER_AGENT).and_then(|agent| agent.to_str().ok()).unwrap_or_default();
    let agent = agent.to_ascii_lowercase();
    agent.is_empty() || LIBRARY_AGENTS.iter().any(|library| agent.contains(library))
}

/// A JSON answer.
pub(super) fn json(status: u16, body: Value) -> Response {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    (status, Json(body)).into_response()
}

/// The same answer with a `Retry-After` header.
pub(super) fn with_retry_after(mut response: Response, seconds: Option<u64>) -> Response {
    if let Some(seconds) = seconds {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}

/// The JSON body of a request.
pub(super) fn parse<T: DeserializeOwned>(server: &Server, body: &Bytes) -> Result<T, Response> {
    serde_json::from_slice(body)
        .map_err(|error| server.refuse(Refusal::BadRequest(format!("invalid request body: {error}"))))
}

/// Authenticates by the protocol's header, or answers in its manner that the key is wrong.
impl FromRequestParts<Arc<Server>> for Caller {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, server: &Arc<Server>) -> Result<Self, Response> {
        let header = |name: &str| parts.headers.get(name).and_then(|value| value.to_str().ok());
        let secret = match server.protocol() {
            Protocol::MiniMax => header("authorization").and_then(|value| value.strip_prefix("Bearer ")),
            Protocol::Ai33 => header("xi-api-key").or_else(|| header("authorization")),
            Protocol::Ai84 | Protocol::ElevenLabs => header("xi-api-key"),
        };
        let Some(&Peer(ip)) = parts.extensions.get() else {
            return Err(StatusCode::INTERNAL_SERVER_ERROR.into_response());
        };
        match server.with(|book, _| book.authenticate(secret)) {
            Ok(key) => Ok(Self { key, ip }),
            Err(refusal) => Err(server.refuse(refusal)),
        }
    }
}

/// Sends a webhook: one try over plain HTTP, as the upstream does. The answer does not matter.
pub(super) async fn post_json(url: &str, body: String) -> Result<(), Box<dyn Error + Send + Sync>> {
    let uri: Uri = url.parse()?;
    let authority = uri.authority().ok_or("a webhook needs a host")?.clone();
    let stream = TcpStream::connect((authority.host(), authority.port_u16().unwrap_or(80))).await?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    let request = Request::post(path)
        .header(header::HOST, authority.as_str())
        .header(header::CONTENT_TYPE, "application/json")
        .body(body)?;
    sender.send_request(request).await?;
    Ok(())
}
