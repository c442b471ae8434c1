//! The shapes in which upstreams say no, read as one [`Refusal`], and what its status alone means.

use kingcong_core::provider::{FailureKind, Reached};
use reqwest::StatusCode;
use serde_json::Value;

use crate::lenient::{as_text, field, first, text, truth};

/// Longest code kept from an upstream, in bytes.
const CODE_BYTES_MAX: usize = 64;
/// Most entries of a list of errors that are put into words.
const LISTED_ERRORS_MAX: usize = 3;

/// An upstream's no.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    /// The answer's status; 200 where the no was hidden in a success.
    pub(crate) status: StatusCode,
    /// The upstream's code, if it gave one.
    pub(crate) code: Option<String>,
    /// The upstream's words.
    pub(crate) message: String,
    /// Who wrote it.
    pub(crate) author: Author,
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
        Self { status, code: None, message, author }
    }

    /// Reads a refusal from JSON.
    pub(crate) fn from_json(status: StatusCode, json: &Value) -> Self {
        let nested = ["error", "detail", "base_resp"]
            .iter()
            .find_map(|name| field(json, name).filter(|v| v.is_object()));
        let code_names = ["code", "status", "status_code", "error_code", "type"];
        let code = nested
            .and_then(|inner| text(inner, &code_names))
            .or_else(|| text(json, &["code", "error_code", "error_message_key"]))
            .or_else(|| text(json, &["error", "detail"]).filter(|error| is_code(error)))
            .filter(|code| code.len() <= CODE_BYTES_MAX);
        let message = text(json, &["message", "error_message"])
            .or_else(|| nested.and_then(|inner| text(inner, &["message", "status_msg", "msg"])))
            .or_else(|| text(json, &["error", "detail"]))
            .or_else(|| listed(first(json, &["errors", "detail"])?))
            .or_else(|| code.clone())
            .unwrap_or_else(|| "no message".to_owned());
        Self { status, code, message, author: Author::Api }
    }

    /// A refusal in an upstream's words about work that it took and then failed.
    pub(crate) fn of_task(code: Option<String>, message: Option<String>) -> Self {
        let code = code.filter(|code| code.len() <= CODE_BYTES_MAX);
        let message = message.or_else(|| code.clone()).unwrap_or_else(|| "the task failed".to_owned());
        Self { status: StatusCode::OK, code, message, author: Author::Api }
    }

    /// Whether the code or the message has this phrase; in a phrase of plain words, case and what stands between
    /// the words do not matter.
    pub(crate) fn says(&self, phrase: &str) -> bool {
        let said = format!("{} {}", self.code.as_deref().unwrap_or_default(), self.message).to_lowercase();
        let words = said.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
        said.contains(phrase) || words.collect::<Vec<_>>().join(" ").contains(phrase)
    }

    /// Whether it says any of these phrases.
    pub(crate) fn says_any(&self, phrases: &[&str]) -> bool {
        phrases.iter().any(|phrase| self.says(phrase))
    }

    /// Whether it says that the account has not enough credit.
    pub(crate) fn says_out_of_credit(&self) -> bool {
        (self.says("insufficient") && self.says_any(&["credit", "balance", "quota"]))
            || self.says_any(&["not enough credit", "out of credit"])
    }

    /// Whether it says that the content is not allowed.
    pub(crate) fn says_policy(&self) -> bool {
        self.says_any(&["terms of service", "task-failed", "blocked", "violat"])
    }

    /// Whether it says that the request is wrong.
    pub(crate) fn says_request_is_wrong(&self) -> bool {
        self.says_any(&[
            "voice not found",
            "voice does not exist",
            "invalid voice",
            "text too long",
            "text is too long",
            "invalid parameter",
            "validation error",
        ])
    }
}

/// Whether an answer of a success status says no all the same.
pub(crate) fn hides_refusal(json: &Value) -> bool {
    let base_code = field(json, "base_resp").and_then(|base| text(base, &["status_code"]));
    truth(json, &["success"]) == Some(false) || base_code.is_some_and(|code| code != "0")
}

/// What a status means where the protocol says nothing of its own.
pub(crate) fn by_status(refusal: &Refusal) -> Verdict {
    use FailureKind::{AccountRateLimited, BadRequest, Busy, KeyDead, OutOfCredit, Unknown, Unsupported};
    match refusal.status.as_u16() {
        // A no inside a success, without a class.
        200..=299 => (Busy, Reached::No),
        // Redirects are not followed: the base URL is not the API's.
        300..=399 | 404 | 405 => (Unsupported, Reached::No),
        401 => (KeyDead, Reached::No),
        402 => (OutOfCredit, Reached::No),
        // A page is of the edge, which judges our address or our user agent and not the key.
        403 if refusal.author == Author::Edge => (Busy, Reached::No),
        403 => (KeyDead, Reached::No),
        408 | 425 => (Busy, Reached::No),
        429 => (AccountRateLimited, Reached::No),
        400..=499 => (BadRequest, Reached::No),
        503 | 529 => (Busy, Reached::No),
        // A gateway gave up waiting: the API may be at work.
        504 | 524 => (Unknown, Reached::Maybe),
        _ => (Busy, Reached::Maybe),
    }
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
