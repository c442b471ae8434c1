//! Sends one request and tells what became of it. An [`Exchange`] is one question to one server under one key; it
//! makes the request, reads the answer within its limits and turns everything that goes wrong into a [`Failure`].
//!
//! What a lost answer means depends on the [`Step`]: after a submit the work may have begun, after a poll or a
//! free question nothing has changed.

use std::{error::Error, sync::Arc, time::Duration};

use bytes::{Bytes, BytesMut};
use kingcong_core::{
    failure::{Failure, FailureKind, Reached},
    provider::Access,
    vault::scrub,
};
use reqwest::{
    Method, RequestBuilder, Response, StatusCode, Url,
    header::{HeaderMap, HeaderValue},
    redirect,
};
use serde_json::Value;

use crate::{
    UpstreamsError,
    settings::{API_BODY_BYTES_MAX, IDLE_CONNECTION_KEPT, Settings, USER_AGENT},
    wire::{
        reach::{PublicNames, Reach},
        refusal::{Judge, Refusal, hides_refusal},
        wait,
    },
};

/// Longest text of an upstream that is looked at as a message, in bytes.
const MESSAGE_BYTES_MAX: usize = 64 << 10;
/// Deepest chain of causes that is put into words.
const CAUSES_MAX: usize = 8;

/// The clients that all protocols share.
#[derive(Clone, Debug)]
pub(crate) struct Http {
    /// For APIs: follows no redirects, which would carry the key elsewhere.
    api: reqwest::Client,
    /// For results on other servers, which are fetched without a key and from the public internet only.
    public: reqwest::Client,
    /// For results that lie with the server itself.
    own: reqwest::Client,
    pub(crate) settings: Settings,
}

impl Http {
    pub(crate) fn new(settings: Settings) -> Result<Self, UpstreamsError> {
        let tls = tls_config()?;
        let builder = || {
            reqwest::Client::builder()
                .user_agent(USER_AGENT)
                .tls_backend_preconfigured(tls.clone())
                // One call per connection: a broken one loses one answer, not a hundred.
                .http1_only()
                .connect_timeout(settings.connect_timeout)
                .pool_idle_timeout(IDLE_CONNECTION_KEPT)
                .redirect(redirect::Policy::none())
                .referer(false)
        };
        let failed = |error: reqwest::Error| UpstreamsError::Client { source: error.into() };
        let public = builder().dns_resolver(Arc::new(PublicNames::new()));
        Ok(Self {
            api: builder().build().map_err(failed)?,
            public: public.build().map_err(failed)?,
            own: builder().build().map_err(failed)?,
            settings,
        })
    }

    /// The client for a result that is reached so; none where it must not be.
    pub(crate) const fn download(&self, reach: Reach) -> Option<&reqwest::Client> {
        match reach {
            Reach::Own => Some(&self.own),
            Reach::Public => Some(&self.public),
            Reach::Refused => None,
        }
    }
}

/// TLS with *ring* and no process-wide state; trusts the system's certificates and, for containers that have
/// none, Mozilla's.
fn tls_config() -> Result<rustls::ClientConfig, UpstreamsError> {
    let mut roots = rustls::RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    let mut config =
        rustls::ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| UpstreamsError::Client { source: error.into() })?
            .with_root_certificates(roots)
            .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

/// What a request is for, and so what its failure says about the work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Sends work: a lost answer leaves its fate unknown.
    Submit,
    /// Follows work that was accepted: a failure says nothing about it.
    Follow,
    /// Asks something free.
    Read,
}

/// The header that carries the key.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Auth {
    /// `xi-api-key: <key>`.
    XiApiKey,
    /// `Authorization: Bearer <key>`.
    Bearer,
}

/// One question to one server under one key.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Exchange<'a> {
    pub(crate) http: &'a Http,
    pub(crate) access: &'a Access,
    pub(crate) auth: Auth,
    pub(crate) judge: Judge,
    pub(crate) step: Step,
}

/// Why a body could not be read whole.
#[derive(Debug)]
pub(crate) enum BodyError {
    /// It is larger than its limit.
    TooLong,
    /// The connection broke or the time was over.
    Lost(reqwest::Error),
}

impl Exchange<'_> {
    /// A request to `{base URL}/{path}`, with the key.
    pub(crate) fn request(
        &self,
        method: Method,
        path: &[&str],
        query: &[(&str, &str)],
    ) -> Result<RequestBuilder, Failure> {
        let mut url = self.base_url()?;
        if path.iter().any(|piece| matches!(*piece, "" | "." | "..")) {
            return Err(self.refuses(FailureKind::BadRequest, "an id is empty or made of dots"));
        }
        url.path_segments_mut().expect("http and https URLs have a path").pop_if_empty().extend(path);
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        let secret = self.access.secret.expose();
        let (name, value) = match self.auth {
            Auth::XiApiKey => ("xi-api-key", HeaderValue::from_str(secret)),
            Auth::Bearer => ("authorization", HeaderValue::from_str(&format!("Bearer {secret}"))),
        };
        let mut value = value.expect("a secret has no control characters, all else fits a header");
        value.set_sensitive(true);
        Ok(self.http.api.request(method, url).header(name, value))
    }

    /// The server's base URL.
    pub(crate) fn base_url(&self) -> Result<Url, Failure> {
        Url::parse(&self.access.base_url)
            .ok()
            .filter(|url| matches!(url.scheme(), "http" | "https"))
            .ok_or_else(|| {
                self.refuses(FailureKind::Unsupported, "the server's base URL is no http or https URL")
            })
    }

    /// Sends and gives the answer, its body unread, if its status is a success.
    pub(crate) async fn open(&self, request: RequestBuilder, wait: Duration) -> Result<Response, Failure> {
        let response = request.timeout(wait).send().await.map_err(|error| self.lost(error))?;
        let status = response.status();
        tracing::debug!(route = %self.access.route, step = ?self.step, status = status.as_u16(), "upstream answered");
        if status.is_success() {
            return Ok(response);
        }
        let asked = wait::in_headers(response.headers());
        // The status is a refusal even where its body cannot be read.
        let body = read_bounded(response, API_BODY_BYTES_MAX).await.unwrap_or_default();
        Err(self.refused(&Refusal::read(status, &body).asking(asked)))
    }

    /// Sends and reads a JSON answer that says yes.
    pub(crate) async fn json(&self, request: RequestBuilder, wait: Duration) -> Result<Value, Failure> {
        let response = self.open(request, wait).await?;
        let (status, headers) = (response.status(), response.headers().clone());
        let body = read_bounded(response, API_BODY_BYTES_MAX).await.map_err(|error| match error {
            BodyError::TooLong => self.unclear("an answer of more bytes than any real one has"),
            BodyError::Lost(error) => self.lost(error),
        })?;
        self.check_json(status, &headers, &body, serde_json::from_slice(&body).ok())
    }

    /// Sends and reads a JSON answer that says yes and carries audio as text, of at most `limit` bytes; gives its
    /// headers too, and what `decode` makes of it. A megabyte of it takes milliseconds, so that is done on a thread
    /// that may block.
    pub(crate) async fn audio_json(
        &self,
        request: RequestBuilder,
        wait: Duration,
        limit: usize,
        decode: fn(&Value) -> Option<Vec<u8>>,
    ) -> Result<(HeaderMap, Value, Option<Vec<u8>>), Failure> {
        let response = self.open(request, wait).await?;
        let (status, headers) = (response.status(), response.headers().clone());
        let body = read_bounded(response, limit).await.map_err(|error| match error {
            BodyError::TooLong => too_large(limit as u64),
            BodyError::Lost(error) => self.lost(error),
        })?;
        let read = move || {
            let json: Option<Value> = serde_json::from_slice(&body).ok();
            let audio = json.as_ref().and_then(decode);
            (body, json, audio)
        };
        let (body, json, audio) = tokio::task::spawn_blocking(read)
            .await
            .map_err(|error| self.unclear(format!("an answer whose reading was stopped: {error}")))?;
        let json = self.check_json(status, &headers, &body, json)?;
        Ok((headers, json, audio))
    }

    /// The JSON that was found in a body, if it is there and says yes.
    fn check_json(
        &self,
        status: StatusCode,
        headers: &HeaderMap,
        body: &[u8],
        json: Option<Value>,
    ) -> Result<Value, Failure> {
        let json = json.ok_or_else(|| {
            self.unclear(format!("an answer that is not JSON: {}", String::from_utf8_lossy(body)))
        })?;
        if hides_refusal(&json) {
            let refusal = Refusal::from_json(status, &json).asking(wait::in_headers(headers));
            return Err(self.refused(&refusal));
        }
        Ok(json)
    }

    /// The failure that this refusal is.
    pub(crate) fn refused(&self, refusal: &Refusal) -> Failure {
        let (kind, reached) = (self.judge)(refusal);
        let code = refusal.code.clone().unwrap_or_else(|| refusal.status.as_str().to_owned());
        let failure = self.failure(kind, reached, &refusal.message).with_code(self.scrubbed(&code));
        failure.with_retry_after(refusal.wait)
    }

    /// The failure of a success that lacks what was asked for: what its words name, if they do.
    pub(crate) fn lacking(&self, answer: &Value, what: &str) -> Failure {
        self.named(answer).unwrap_or_else(|words| self.unclear(format!("{what}: {words}")))
    }

    /// The failure of a call that ended well and gave no audio: nothing runs upstream any more, and nothing is waited
    /// for.
    pub(crate) fn lacking_audio(&self, answer: &Value, what: &str) -> Failure {
        self.named(answer).unwrap_or_else(|words| self.undeliverable(format!("{what}: {words}")))
    }

    /// The failure that the words of a success name, or those words.
    fn named(&self, answer: &Value) -> Result<Failure, String> {
        let refusal = Refusal::from_json(StatusCode::OK, answer);
        match (self.judge)(&refusal) {
            (_, Reached::Maybe | Reached::Yes) => Err(refusal.message),
            (_, Reached::No) => Ok(self.refused(&refusal)),
        }
    }

    /// The failure of a success that is a text where audio should be: what its words name, if they do.
    pub(crate) async fn no_audio(&self, response: Response) -> Failure {
        let headers = response.headers().clone();
        let body = match read_bounded(response, API_BODY_BYTES_MAX).await {
            Ok(body) => body,
            Err(BodyError::TooLong) => return self.undeliverable("audio was expected, and a text came"),
            Err(BodyError::Lost(error)) => return self.lost(error),
        };
        match serde_json::from_slice(&body) {
            Ok(json @ Value::Object(_)) if hides_refusal(&json) => {
                let asked = wait::in_headers(&headers);
                self.refused(&Refusal::from_json(StatusCode::OK, &json).asking(asked))
            }
            Ok(json @ Value::Object(_)) => self.lacking_audio(&json, "a result that is no audio"),
            _ => {
                let words = String::from_utf8_lossy(&body);
                self.undeliverable(format!("audio was expected, and a text came: {}", words.trim()))
            }
        }
    }

    /// The failure of work that the upstream took and says to have failed.
    pub(crate) fn task_failed(&self, kind: FailureKind, refusal: &Refusal) -> Failure {
        let failure = Failure::new(kind, Reached::Yes, self.scrubbed(&refusal.message));
        match &refusal.code {
            Some(code) => failure.with_code(self.scrubbed(code)),
            None => failure,
        }
    }

    /// A failure of our own, before anything is sent.
    pub(crate) fn refuses(&self, kind: FailureKind, message: impl AsRef<str>) -> Failure {
        self.failure(kind, Reached::No, message)
    }

    /// The failure of an answer that does not tell what became of the request.
    pub(crate) fn unclear(&self, message: impl AsRef<str>) -> Failure {
        self.failure(FailureKind::Unknown, Reached::Maybe, message)
    }

    /// The failure of work that is done, and of which nothing can be delivered.
    pub(crate) fn undeliverable(&self, message: impl AsRef<str>) -> Failure {
        self.failure(FailureKind::Undeliverable, Reached::Yes, message)
    }

    /// The failure of a request that got no whole answer.
    pub(crate) fn lost(&self, error: reqwest::Error) -> Failure {
        let (kind, reached, what) = if error.is_builder() {
            (FailureKind::Unsupported, Reached::No, "the request cannot be made")
        } else if error.is_connect() {
            (FailureKind::Busy, Reached::No, "no connection")
        } else {
            (FailureKind::Unknown, Reached::Maybe, "no whole answer")
        };
        tracing::debug!(route = %self.access.route, step = ?self.step, what, "upstream did not answer");
        self.failure(kind, reached, format!("{what}: {}", causes(error)))
    }

    /// A failure as this step sees it. Only a free question finds a key dead: in the middle of work the same words
    /// may be of an upstream that refuses everybody for a moment.
    fn failure(&self, kind: FailureKind, reached: Reached, message: impl AsRef<str>) -> Failure {
        let (kind, reached) = match (self.step, kind) {
            (Step::Submit, FailureKind::KeyDead) => (FailureKind::KeyDoubtful, reached),
            (Step::Submit, kind) => (kind, reached),
            // Work that goes on whatever a poll hears, and a question that has no effect, leave nothing unknown.
            (Step::Follow, FailureKind::Unknown) => (FailureKind::Busy, Reached::Maybe),
            (Step::Follow, kind) => (kind, Reached::Maybe),
            (Step::Read, FailureKind::Unknown) => (FailureKind::Busy, Reached::No),
            (Step::Read, kind) => (kind, Reached::No),
        };
        Failure::new(kind, reached, self.scrubbed(message.as_ref()))
    }

    /// The text without the key's secret; a text too long to be a message is not looked through. It is not cut
    /// first, since half a secret would not be found.
    fn scrubbed(&self, text: &str) -> String {
        if text.len() > MESSAGE_BYTES_MAX {
            return format!("a text of {} bytes", text.len());
        }
        scrub(text, &[&*self.access.secret])
    }
}

/// The failure of a result that is larger than its limit.
pub(crate) fn too_large(max_bytes: u64) -> Failure {
    Failure::new(
        FailureKind::TooLarge,
        Reached::Yes,
        format!("the result is larger than the {max_bytes} bytes that may be kept"),
    )
}

/// The body, if it is whole and within its limit.
pub(crate) async fn read_bounded(mut response: Response, max_bytes: usize) -> Result<Bytes, BodyError> {
    if response.content_length().is_some_and(|length| length > max_bytes as u64) {
        return Err(BodyError::TooLong);
    }
    let mut body = BytesMut::new();
    while let Some(chunk) = response.chunk().await.map_err(BodyError::Lost)? {
        if body.len() + chunk.len() > max_bytes {
            return Err(BodyError::TooLong);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body.freeze())
}

/// The error and its causes, without the URL, which may be signed.
pub(crate) fn causes(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut words = error.to_string();
    let mut cause = error.source();
    for _ in 0..CAUSES_MAX {
        let Some(error) = cause else { break };
        words.push_str(": ");
        words.push_str(&error.to_string());
        cause = error.source();
    }
    words
}
