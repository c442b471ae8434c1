//! How long an upstream asks to be left alone: in a header, in a field of its answer, or in its words.

use std::time::{Duration, SystemTime};

use reqwest::header::{DATE, HeaderMap, RETRY_AFTER};
use serde_json::Value;

use crate::wire::lenient::{as_text, field, first};

/// Longest wait that an upstream is believed; a longer one counts as this.
pub(crate) const WAIT_MAX: Duration = Duration::from_secs(24 * 60 * 60);
/// A larger number is taken for this one: of the smallest unit it is more than [`WAIT_MAX`].
const UNITS_MAX: f64 = 1e9;
const MILLISECOND: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);
/// OpenAI's clients know this header; gateways in their manner send it.
const RETRY_AFTER_MS: &str = "retry-after-ms";
/// Where an answer keeps what it says of an error.
const PLACES: [&str; 6] = ["error", "detail", "base_resp", "data", "metadata", "parameters"];
/// Fields of seconds, or of texts such as `31s`.
const SECONDS: [&str; 6] =
    ["retry_after", "retry_after_seconds", "retry_after_s", "retry_delay", "retry_in", "wait_seconds"];
/// Fields of milliseconds.
const MILLISECONDS: [&str; 3] = ["retry_after_ms", "retry_after_milliseconds", "retry_after_millis"];
/// Most entries of a list of details that are looked at.
const DETAILS_MAX: usize = 16;

/// What the headers ask for: seconds, or a date as seen from the answer's own date.
pub(crate) fn in_headers(headers: &HeaderMap) -> Option<Duration> {
    let value = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim);
    let exact = value(RETRY_AFTER_MS).and_then(|text| times(text, MILLISECOND));
    let told = value(RETRY_AFTER.as_str()).and_then(|text| {
        of_text(text).or_else(|| {
            let until = httpdate::parse_http_date(text).ok()?;
            let now = value(DATE.as_str()).and_then(|date| httpdate::parse_http_date(date).ok());
            let wait = until.duration_since(now.unwrap_or_else(SystemTime::now)).ok()?;
            (!wait.is_zero()).then(|| wait.min(WAIT_MAX))
        })
    });
    exact.max(told)
}

/// What a field of the answer asks for.
pub(crate) fn in_json(json: &Value) -> Option<Duration> {
    let own = |place: &Value| {
        let told = |names: &[&str]| first(place, names).and_then(as_text);
        let exact = told(&MILLISECONDS).and_then(|text| times(&text, MILLISECOND));
        exact.or_else(|| told(&SECONDS).and_then(|text| of_text(&text)))
    };
    let inner = PLACES.iter().filter_map(|name| field(json, name)).flat_map(|place| {
        let details = field(place, "details").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
        let deeper = field(place, "metadata").into_iter().chain(details.iter().take(DETAILS_MAX));
        std::iter::once(place).chain(deeper)
    });
    std::iter::once(json).chain(inner).find_map(own)
}

/// What words such as "try again in 1.5s" ask for.
pub(crate) fn in_words(words: &str) -> Option<Duration> {
    let words = words.to_lowercase();
    ["try again in ", "retry in ", "retry after ", "again after ", "please wait "].iter().find_map(|marker| {
        let rest = &words[words.find(marker)? + marker.len()..];
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
        let unit: String = rest[end..].trim_start().chars().take_while(char::is_ascii_alphabetic).collect();
        times(&rest[..end], unit_of(&unit)?)
    })
}

/// A number of seconds, or a number with its unit.
fn of_text(text: &str) -> Option<Duration> {
    let text = text.trim().to_lowercase();
    let unit = text.trim_start_matches(|c: char| !c.is_ascii_alphabetic());
    match unit_of(unit) {
        Some(length) => times(text.trim_end_matches(unit).trim_end(), length),
        None => times(&text, SECOND),
    }
}

/// The length of a unit by its name.
fn unit_of(name: &str) -> Option<Duration> {
    match name {
        "ms" | "millisecond" | "milliseconds" => Some(MILLISECOND),
        "s" | "sec" | "secs" | "second" | "seconds" => Some(SECOND),
        "m" | "min" | "mins" | "minute" | "minutes" => Some(Duration::from_secs(60)),
        "h" | "hour" | "hours" => Some(Duration::from_secs(3_600)),
        _ => None,
    }
}

/// This number of units, if it is above zero.
fn times(number: &str, unit: Duration) -> Option<Duration> {
    let number = number.trim_end_matches('.').parse::<f64>().ok().filter(|number| *number > 0.0)?;
    let wait = unit.mul_f64(number.min(UNITS_MAX)).min(WAIT_MAX);
    (!wait.is_zero()).then_some(wait)
}

#[cfg(test)]
mod tests {
    use reqwest::header::HeaderValue;
    use serde_json::json;

    use super::*;

    const DATED: &str = "Wed, 21 Oct 2026 07:28:00 GMT";

    fn headers(asked: &str) -> HeaderMap {
        HeaderMap::from_iter([
            (RETRY_AFTER, HeaderValue::from_str(asked).unwrap()),
            (DATE, HeaderValue::from_static(DATED)),
        ])
    }

    #[test]
    fn a_wait_is_read_as_seconds_or_as_a_date_and_an_absurd_one_is_cut() {
        for (asked, expected) in [
            ("7", Some(Duration::from_secs(7))),
            (" 1.5 ", Some(Duration::from_millis(1500))),
            ("86401", Some(WAIT_MAX)),
            ("1e300", Some(WAIT_MAX)),
            ("99999999999999999999", Some(WAIT_MAX)),
            ("0", None),
            ("-5", None),
            ("NaN", None),
            ("soon", None),
            ("", None),
            ("Wed, 21 Oct 2026 07:28:30 GMT", Some(Duration::from_secs(30))),
            ("Wed, 21 Oct 2026 07:27:30 GMT", None),
            ("Wed, 21 Oct 2099 07:28:00 GMT", Some(WAIT_MAX)),
        ] {
            assert_eq!(in_headers(&headers(asked)), expected, "{asked:?}");
        }
    }

    #[test]
    fn a_date_without_the_answers_own_counts_from_now() {
        let past = HeaderMap::from_iter([(RETRY_AFTER, HeaderValue::from_static(DATED))]);
        let far =
            HeaderMap::from_iter([(RETRY_AFTER, HeaderValue::from_static("Wed, 21 Oct 2099 07:28:00 GMT"))]);
        assert_eq!(in_headers(&far), Some(WAIT_MAX));
        assert!(in_headers(&past).is_none_or(|wait| wait <= WAIT_MAX));
    }

    #[test]
    fn milliseconds_have_a_header_of_their_own() {
        let mut headers = headers("1");
        headers.insert(RETRY_AFTER_MS, HeaderValue::from_static("1250.5"));
        assert_eq!(in_headers(&headers), Some(Duration::from_micros(1_250_500)));
    }

    #[test]
    fn a_wait_may_stand_in_the_answer() {
        let details = json!([{"@type": "QuotaFailure"}, {"@type": "RetryInfo", "retryDelay": "31s"}]);
        for (answer, milliseconds) in [
            (json!({"retry_after": 6}), Some(6000)),
            (json!({"retryAfter": "6.5"}), Some(6500)),
            (json!({"error": {"retry_after_ms": 250}}), Some(250)),
            (json!({"detail": {"retry_after": "500ms"}}), Some(500)),
            (json!({"error": {"metadata": {"retry_after_seconds": 2}}}), Some(2000)),
            (json!({"error": {"details": details}}), Some(31_000)),
            (json!({"parameters": {"retry_after": 3}}), Some(3000)),
            (json!({"retry_after": -3}), None),
            (json!({"retry_after": null}), None),
            (json!({"retry_after": {"seconds": 3}}), None),
            (json!([]), None),
        ] {
            assert_eq!(in_json(&answer), milliseconds.map(Duration::from_millis), "{answer}");
        }
    }

    #[test]
    fn a_wait_may_stand_in_the_words() {
        for (words, milliseconds) in [
            ("Rate limit reached. Please try again in 1.2s. Visit …", Some(1200)),
            ("Please retry after 6 seconds.", Some(6000)),
            ("retry in 250ms", Some(250)),
            ("please wait 2 minutes", Some(120_000)),
            ("try again in a while", None),
            ("try again in 5", None),
            ("try again in ", None),
            ("try again later", None),
        ] {
            assert_eq!(in_words(words), milliseconds.map(Duration::from_millis), "{words}");
        }
    }
}
