//! The shapes in which upstreams say no, read as one [`Refusal`], and what its words, its code and its status mean in
//! every protocol ([`classed`]). A protocol's own codes come before that.

use std::time::Duration;

use kingcong_core::failure::{FailureKind, Reached};
use reqwest::StatusCode;
use serde_json::Value;

use crate::wire::{
    lenient::{as_text, field, first, text, truth},
    wait,
};

/// Longest code kept from an upstream, in bytes.
const CODE_BYTES_MAX: usize = 64;
/// Most entries of a list of errors that are put into words.
const LISTED_ERRORS_MAX: usize = 3;
/// Where an answer keeps what it says of an error.
const NESTED: [&str; 3] = ["error", "detail", "base_resp"];

/// An upstream's no.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    /// The answer's status; where the no was hidden in a success, the status that its code names, else 200.
    pub(crate) status: StatusCode,
    /// The upstream's code, if it gave one.
    pub(crate) code: Option<String>,
    /// The upstream's words.
    pub(crate) message: String,
    /// Who wrote it.
    pub(crate) author: Author,
    /// How long it asks to wait.
    pub(crate) wait: Option<Duration>,
}

/// Who wrote a refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Author {
    /// The API: it is JSON.
    Api,
    /// Something in front of the API, which answers with a page.
    Edge,
    /// Nobody knows: empty or plain text.
    Unclear,
}

/// What a refusal of a submit means, and whether the upstream may have begun to work.
pub(crate) type Verdict = (FailureKind, Reached);

/// How a protocol judges refusals.
pub(crate) type Judge = fn(&Refusal) -> Verdict;

/// Words of an account that cannot pay.
const OUT_OF_CREDIT: [&str; 11] = [
    "not enough credit",
    "not enough credits",
    "not enough balance",
    "out of credit",
    "out of credits",
    "no credits left",
    "quota exceeded",
    "exceeds your quota",
    "exceeded your current quota",
    "credit balance is too low",
    "balance is too low",
];
/// Words about what a plan, a permission, a region or an account's voices do not allow.
const NOT_ALLOWED: [&str; 28] = [
    "permission",
    "permissions",
    "not allowed",
    "not permitted",
    "not authorized to",
    "not authorised to",
    "access denied",
    "no access to",
    "not have access",
    "your plan",
    "paid plan",
    "current plan",
    "plan required",
    "plan does not",
    "tier",
    "upgrade",
    "subscription",
    "paid account",
    "free account",
    "free users",
    "only for creator",
    "can not use",
    "cannot use",
    "unsupported country",
    "your country",
    "your region",
    "this region",
    "unsupported region",
];
/// What may stand for the credential itself.
const CREDENTIAL: [&str; 9] = [
    "api key",
    "apikey",
    "api token",
    "access token",
    "invalid token",
    "invalid key",
    "unknown key",
    "credential",
    "credentials",
];
/// What is said of a credential that the upstream does not know.
const NOT_KNOWN: [&str; 15] = [
    "invalid",
    "incorrect",
    "wrong",
    "unknown",
    "not valid",
    "not found",
    "not exist",
    "no such",
    "missing",
    "required",
    "revoked",
    "expired",
    "deleted",
    "disabled",
    "no api key",
];
/// Words of somebody who counts calls.
const RATE_LIMITED: [&str; 9] = [
    "rate limit",
    "rate limited",
    "rate limits",
    "too many requests",
    "too many concurrent",
    "concurrent limit",
    "concurrency limit",
    "requests per minute",
    "slow down",
];
/// Words of an upstream that turns work away before it begins.
const BUSY: [&str; 4] = ["busy", "overloaded", "overload", "heavy traffic"];
/// Words of one that has no room for now.
const FULL: [&str; 6] =
    ["at capacity", "over capacity", "no capacity", "limit reached", "queue full", "queue is full"];
/// Words of one that is not there for now.
const AWAY: [&str; 2] = ["unavailable", "maintenance"];
/// Words of a proxy whose connection to the API broke: the API may be at work.
const BROKEN_OFF: [&str; 7] = [
    "disconnect",
    "reset",
    "connection termination",
    "terminated",
    "timed out",
    "timeout",
    "upstream prematurely",
];

impl Refusal {
    /// Reads a refusal from a whole answer; `body` is empty where none could be read.
    pub(crate) fn read(status: StatusCode, body: &[u8]) -> Self {
        if let Ok(json @ (Value::Object(_) | Value::Array(_))) = serde_json::from_slice(body) {
            return Self::from_json(status, &json);
        }
        let words = String::from_utf8_lossy(body);
        let words = words.trim();
        let author = match words.to_lowercase() {
            page if page.starts_with('<') || page.starts_with("error code:") => Author::Edge,
            _ => Author::Unclear,
        };
        let message = if words.is_empty() { "no message".to_owned() } else { words.to_owned() };
        let wait = wait::in_words(words);
        Self { status, code: None, message, author, wait }
    }

    /// Reads a refusal from JSON.
    pub(crate) fn from_json(status: StatusCode, json: &Value) -> Self {
        let nested = NESTED.iter().find_map(|name| field(json, name).filter(|v| v.is_object()));
        let code_names = ["code", "status", "status_code", "error_code", "type"];
        let code = nested
            .and_then(|inner| text(inner, &code_names))
            .or_else(|| text(json, &["code", "error_code", "error_message_key", "status_code"]))
            .or_else(|| text(json, &["error", "detail"]).filter(|error| is_code(error)))
            .filter(|code| code.len() <= CODE_BYTES_MAX);
        let message = text(json, &["message", "error_message"])
            .or_else(|| nested.and_then(|inner| text(inner, &["message", "status_msg", "msg"])))
            .or_else(|| text(json, &["error", "detail"]))
            .or_else(|| listed(first(json, &["errors", "detail", "error"])?))
            .or_else(|| text(json, &["msg", "title", "reason"]))
            .or_else(|| code.clone())
            .unwrap_or_else(|| "no message".to_owned());
        let status = if status.is_success() { told_status(json).unwrap_or(status) } else { status };
        let wait = wait::in_json(json).or_else(|| wait::in_words(&message));
        Self { status, code, message, author: Author::Api, wait }
    }

    /// A refusal in an upstream's words about work that it took and then failed.
    pub(crate) fn of_task(code: Option<String>, message: Option<String>) -> Self {
        let code = code.filter(|code| code.len() <= CODE_BYTES_MAX);
        let message = message.or_else(|| code.clone()).unwrap_or_else(|| "the task failed".to_owned());
        Self { status: StatusCode::OK, code, message, author: Author::Api, wait: None }
    }

    /// The same refusal, whose answer also asks for this wait: the longer one counts.
    pub(crate) fn asking(mut self, wait: Option<Duration>) -> Self {
        self.wait = self.wait.max(wait);
        self
    }

    /// Its code and its message in lower case.
    fn said(&self) -> String {
        format!("{} {}", self.code.as_deref().unwrap_or_default(), self.message).to_lowercase()
    }

    /// Whether the code or the message has this phrase; in a phrase of plain words, case and what stands between
    /// the words do not matter.
    pub(crate) fn says(&self, phrase: &str) -> bool {
        let said = self.said();
        said.contains(phrase) || words_of(&said).contains(phrase)
    }

    /// Whether it says any of these phrases.
    pub(crate) fn says_any(&self, phrases: &[&str]) -> bool {
        phrases.iter().any(|phrase| self.says(phrase))
    }

    /// Whether it says any of these phrases in whole words.
    fn has_any(&self, phrases: &[&str]) -> bool {
        let said = format!(" {} ", words_of(&self.said()));
        phrases.iter().any(|phrase| said.contains(&format!(" {phrase} ")))
    }

    /// Whether it says that the account has not enough credit.
    pub(crate) fn says_out_of_credit(&self) -> bool {
        let insufficient =
            self.says("insufficient") && self.says_any(&["credit", "balance", "quota", "fund"]);
        insufficient || (self.has_any(&OUT_OF_CREDIT) && !self.has_any(&RATE_LIMITED))
    }

    /// Whether it says that the content is not allowed.
    pub(crate) fn says_policy(&self) -> bool {
        self.says_any(&[
            "terms of service",
            "task-failed",
            "blocked",
            "violat",
            "content policy",
            "moderation",
        ])
    }

    /// Whether it says that the request is wrong.
    pub(crate) fn says_request_is_wrong(&self) -> bool {
        self.says_any(&[
            "voice not found",
            "voice does not exist",
            "invalid voice",
            "text too long",
            "text is too long",
            "max character limit exceeded",
            "invalid parameter",
            "validation error",
        ])
    }

    /// Whether it says that a plan, a permission, a region or the like does not allow this.
    pub(crate) fn says_not_allowed(&self) -> bool {
        self.has_any(&NOT_ALLOWED)
    }

    /// Whether it says that the work was turned away before it began.
    fn turns_away(&self) -> bool {
        self.has_any(&BUSY) || self.has_any(&FULL) || self.has_any(&RATE_LIMITED)
    }

    /// Whether it says that the upstream does not know the key.
    fn says_key_is_unknown(&self) -> bool {
        self.has_any(&CREDENTIAL) && self.has_any(&NOT_KNOWN)
    }
}

/// What a refusal means where the protocol has no code of its own for it: by its words, then by its status.
/// `counted` is what the upstream counts calls by.
///
/// Only what proves that the upstream did not begin is [`Reached::No`].
pub(crate) fn classed(refusal: &Refusal, counted: FailureKind) -> Verdict {
    use FailureKind::{BadRequest, Busy, KeyDead, KeyDoubtful, NotAllowed, OutOfCredit, Policy};
    let kind = match refusal.status.as_u16() {
        500.. => return by_status(refusal, counted),
        // A page is of the edge, which judges our address or our user agent, never the key or the request.
        _ if refusal.author == Author::Edge => return by_status(refusal, counted),
        _ if refusal.says_any(&["missing permission", "missing the permission"]) => NotAllowed,
        _ if refusal.says_out_of_credit() => OutOfCredit,
        429 if refusal.has_any(&BUSY) => Busy,
        429 => counted,
        200..=299 | 400 | 403 | 422 if refusal.says_policy() => Policy,
        200..=299 | 400..=404 | 422 if refusal.says_request_is_wrong() => BadRequest,
        // It says both: a free check tells.
        200..=403 if refusal.says_key_is_unknown() && refusal.says_not_allowed() => KeyDoubtful,
        200..=403 if refusal.says_key_is_unknown() => KeyDead,
        200..=299 | 400..=403 if refusal.says_not_allowed() => NotAllowed,
        200..=299 if refusal.has_any(&RATE_LIMITED) => counted,
        200..=299 if refusal.turns_away() || refusal.has_any(&AWAY) => Busy,
        _ => return by_status(refusal, counted),
    };
    (kind, Reached::No)
}

/// What a status means where the words say nothing.
fn by_status(refusal: &Refusal, counted: FailureKind) -> Verdict {
    use FailureKind::{BadRequest, Busy, KeyDoubtful, NotAllowed, OutOfCredit, Unknown, Unsupported};
    let is_turned_away = refusal.author == Author::Api && refusal.turns_away();
    match refusal.status.as_u16() {
        // A no inside a success, without a class.
        200..=299 => (Busy, Reached::Maybe),
        // Redirects are not followed: the base URL is not the API's.
        300..=399 | 404 | 405 | 501 => (Unsupported, Reached::No),
        401 => (KeyDoubtful, Reached::No),
        402 => (OutOfCredit, Reached::No),
        403 if refusal.author == Author::Edge => (Busy, Reached::No),
        403 => (NotAllowed, Reached::No),
        // Gateways say so of the API behind them too.
        408 => (Busy, Reached::Maybe),
        425 => (Busy, Reached::No),
        429 => (counted, Reached::No),
        400..=499 => (BadRequest, Reached::No),
        // By definition the work is not begun, unless a proxy says so of a connection that broke.
        503 | 529 if !refusal.says_any(&BROKEN_OFF) => (Busy, Reached::No),
        // Cloudflare could not connect to the API, or not speak TLS with it.
        521 | 523 | 525 | 526 => (Busy, Reached::No),
        // A gateway gave up waiting: the API may be at work.
        504 | 522 | 524 => (Unknown, Reached::Maybe),
        _ if is_turned_away => (Busy, Reached::No),
        _ => (Busy, Reached::Maybe),
    }
}

/// What the failure of a task that was accepted means, by its words.
pub(crate) fn classed_task(refusal: &Refusal) -> FailureKind {
    if refusal.says_out_of_credit() {
        FailureKind::OutOfCredit
    } else if refusal.says_policy() {
        FailureKind::Policy
    } else if refusal.says_request_is_wrong() {
        FailureKind::BadRequest
    } else if refusal.says_not_allowed() {
        FailureKind::NotAllowed
    } else {
        FailureKind::Busy
    }
}

/// Whether an answer of a success status says no all the same.
pub(crate) fn hides_refusal(json: &Value) -> bool {
    let base_code = field(json, "base_resp").and_then(|base| text(base, &["status_code"]));
    let refuses = truth(json, &["success"]) == Some(false) || base_code.is_some_and(|code| code != "0");
    refuses || (!is_work(json) && (names_error(json) || told_status(json).is_some()))
}

/// Whether it is about work that was accepted, whose own error it may tell.
fn is_work(json: &Value) -> bool {
    let status = field(json, "status").and_then(Value::as_str);
    let is_state = status.is_some_and(|status| status.parse::<u32>().is_err());
    is_state && text(json, &["id", "task_id", "job_id"]).is_some()
}

/// Whether it has an error that is one.
fn names_error(json: &Value) -> bool {
    let named = ["error", "errors", "detail"].iter().filter_map(|name| field(json, name));
    let mut errors = named.filter(|error| match error {
        Value::Null | Value::Bool(_) => **error == Value::Bool(true),
        Value::Number(number) => number.as_i64() != Some(0),
        Value::String(text) => !text.trim().is_empty(),
        Value::Array(list) => !list.is_empty(),
        Value::Object(object) => {
            let code = text(error, &["code", "status_code"]);
            !object.is_empty() && !matches!(code.as_deref(), Some("0" | "200"))
        }
    });
    errors.next().is_some()
}

/// The status of an error that an answer names as a number, or as a number in a text.
fn told_status(json: &Value) -> Option<StatusCode> {
    let names = ["code", "status", "status_code", "http_status"];
    let places = [field(json, "error"), field(json, "detail"), Some(json)];
    let told = places.into_iter().flatten().filter(|place| place.is_object());
    let mut numbers = told.flat_map(|place| names.iter().filter_map(|name| text(place, &[name])));
    numbers.find_map(|number| {
        let status = number.parse::<u16>().ok().filter(|status| (400..=599).contains(status))?;
        StatusCode::from_u16(status).ok()
    })
}

/// The words of a text, a space between each two.
fn words_of(said: &str) -> String {
    let words = said.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
    words.collect::<Vec<_>>().join(" ")
}

/// A list of errors in words.
fn listed(errors: &Value) -> Option<String> {
    let words = errors.as_array()?.iter().take(LISTED_ERRORS_MAX).filter_map(|error| {
        let place = match first(error, &["field", "loc"]) {
            Some(Value::Array(path)) => path.iter().filter_map(as_text).collect::<Vec<_>>().join("."),
            place => place.and_then(as_text).unwrap_or_default(),
        };
        let message = as_text(error).or_else(|| text(error, &["message", "msg"]))?;
        Some(if place.is_empty() { message } else { format!("{place}: {message}") })
    });
    Some(words.collect::<Vec<_>>().join("; ")).filter(|words| !words.is_empty())
}

fn is_code(text: &str) -> bool {
    text.len() <= CODE_BYTES_MAX && !text.contains(char::is_whitespace)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_error_envelope_gives_its_words_and_its_code() {
        for (body, code, message) in [
            (json!({"success": false, "message": "m"}), None, "m"),
            (json!({"success": false, "code": "server_busy", "message": "m"}), Some("server_busy"), "m"),
            (json!({"error_message": "m"}), None, "m"),
            (json!({"errorMessage": "m", "errorCode": 7}), Some("7"), "m"),
            (json!({"error": "a sentence"}), None, "a sentence"),
            (json!({"error": "VOICE_NOT_FOUND", "message": "m"}), Some("VOICE_NOT_FOUND"), "m"),
            (json!({"error": {"message": "m", "code": 3}}), Some("3"), "m"),
            (
                json!({"errors": [{"field": "text", "message": "empty"}, {"message": "m"}]}),
                None,
                "text: empty; m",
            ),
            (json!({"detail": "a sentence"}), None, "a sentence"),
            (json!({"detail": {"message": "m"}}), None, "m"),
            (json!({"detail": {"status": "quota_exceeded", "message": "m"}}), Some("quota_exceeded"), "m"),
            (
                json!({"detail": {"type": "payment_required", "code": "paid_plan_required", "message": "m",
                    "status": "payment_required", "request_id": "r"}}),
                Some("paid_plan_required"),
                "m",
            ),
            (
                json!({"detail": [{"loc": ["body", "text"], "msg": "field required", "type": "missing"}]}),
                None,
                "body.text: field required",
            ),
            (json!({"base_resp": {"status_code": 1008, "status_msg": "m"}}), Some("1008"), "m"),
            (json!({"base_resp": {"status_code": "1008"}}), Some("1008"), "1008"),
            (json!({}), None, "no message"),
            (json!({"error": null, "message": ""}), None, "no message"),
            (json!([]), None, "no message"),
        ] {
            let refusal = Refusal::from_json(StatusCode::BAD_REQUEST, &body);
            assert_eq!((refusal.code.as_deref(), refusal.message.as_str()), (code, message), "{body}");
        }
    }

    #[test]
    fn an_answer_that_is_not_json_tells_who_wrote_it() {
        for (body, author) in [
            ("<!DOCTYPE html><title>Access denied</title>", Author::Edge),
            ("\n <html>", Author::Edge),
            ("error code: 1010", Author::Edge),
            ("", Author::Unclear),
            ("\u{fffd}", Author::Unclear),
            ("\"a JSON text\"", Author::Unclear),
            ("{\"message\": \"half", Author::Unclear),
        ] {
            assert_eq!(Refusal::read(StatusCode::FORBIDDEN, body.as_bytes()).author, author, "{body:?}");
        }
    }

    #[test]
    fn phrases_are_found_whatever_joins_their_words() {
        for words in ["elevenlabs_voice_not_found", "Voice not found.", "internal.VOICE_NOT_FOUND_LOCAL"] {
            assert!(Refusal::of_task(None, Some(words.to_owned())).says_request_is_wrong(), "{words}");
        }
        assert!(!Refusal::of_task(None, Some("Task failed".to_owned())).says_policy());
        assert!(Refusal::of_task(None, Some("task-failed".to_owned())).says_policy());
    }

    #[test]
    fn a_no_inside_a_success_is_seen() {
        for (body, refuses) in [
            (json!({"success": false}), true),
            (json!({"success": "false"}), true),
            (json!({"success": true}), false),
            (json!({"base_resp": {"status_code": 0}}), false),
            (json!({"base_resp": {"status_code": 1002}}), true),
            (json!({"baseResp": {"statusCode": "1002"}}), true),
            (json!({"status": "doing"}), false),
        ] {
            assert_eq!(hides_refusal(&body), refuses, "{body}");
        }
    }
}
