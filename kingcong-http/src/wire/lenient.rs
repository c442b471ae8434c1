//! Reading JSON as upstreams really write it: names in snake_case or camelCase, numbers as numbers or as text,
//! decimals where whole numbers are documented.

use kingcong_core::upstream::UpstreamCredits;
use serde_json::Value;

/// Longest text kept from an answer, in bytes: names, languages, addresses.
pub(crate) const TEXT_BYTES_MAX: usize = 2000;

/// The field of this name in either casing; none if it is `null`.
pub(crate) fn field<'a>(value: &'a Value, name: &str) -> Option<&'a Value> {
    let object = value.as_object()?;
    object
        .get(name)
        .or_else(|| object.iter().find(|(key, _)| same_name(key, name)).map(|(_, value)| value))
        .filter(|value| !value.is_null())
}

fn same_name(a: &str, b: &str) -> bool {
    let letters =
        |name: &str| name.bytes().filter(|b| *b != b'_').map(|b| b.to_ascii_lowercase()).collect::<Vec<_>>();
    letters(a) == letters(b)
}

/// The first of these fields that is there.
pub(crate) fn first<'a>(value: &'a Value, names: &[&str]) -> Option<&'a Value> {
    names.iter().find_map(|name| field(value, name))
}

/// The first of these fields as a text that is not empty; a number is printed.
pub(crate) fn text(value: &Value, names: &[&str]) -> Option<String> {
    names.iter().find_map(|name| as_text(field(value, name)?))
}

/// This value as a text that is not empty; a number is printed.
pub(crate) fn as_text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.trim().to_owned()).filter(|text| !text.is_empty()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// The first of these fields as a text that fits a record; none if it is longer than [`TEXT_BYTES_MAX`].
pub(crate) fn short_text(value: &Value, names: &[&str]) -> Option<String> {
    text(value, names).filter(|text| text.len() <= TEXT_BYTES_MAX)
}

/// The first of these fields as credits.
pub(crate) fn credits(value: &Value, names: &[&str]) -> Option<UpstreamCredits> {
    first(value, names).and_then(thousandths).map(UpstreamCredits::from_thousandths)
}

/// The first of these fields as a cost: credits that are not negative.
pub(crate) fn cost(value: &Value, names: &[&str]) -> Option<UpstreamCredits> {
    credits(value, names).filter(|cost| *cost >= UpstreamCredits::default())
}

/// The first of these fields as a whole number that is not negative.
pub(crate) fn count(value: &Value, names: &[&str]) -> Option<u64> {
    first(value, names).and_then(thousandths).and_then(|n| u64::try_from(n / 1000).ok())
}

/// The first of these fields as a percentage, kept within 0 to 100.
pub(crate) fn percent(value: &Value, names: &[&str]) -> Option<u8> {
    count(value, names).map(|n| u8::try_from(n.min(100)).unwrap_or(100))
}

/// The first of these fields as a truth.
pub(crate) fn truth(value: &Value, names: &[&str]) -> Option<bool> {
    match first(value, names)? {
        Value::Bool(truth) => Some(*truth),
        Value::String(text) if text.eq_ignore_ascii_case("true") => Some(true),
        Value::String(text) if text.eq_ignore_ascii_case("false") => Some(false),
        _ => None,
    }
}

/// This number, or number written as text, in thousandths; smaller parts are cut off.
pub(crate) fn thousandths(value: &Value) -> Option<i64> {
    decimal_thousandths(&as_text(value)?)
}

fn decimal_thousandths(text: &str) -> Option<i64> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text),
    };
    if let Some((mantissa, exponent)) = digits.split_once(['e', 'E']) {
        // Written so only when tiny or beyond every balance.
        return (decimal_thousandths(mantissa).is_some() && exponent.starts_with('-')).then_some(0);
    }
    let (whole, part) = digits.split_once('.').unwrap_or((digits, "0"));
    if [whole, part].iter().any(|digits| digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit())) {
        return None;
    }
    let rest =
        part.bytes().chain([b'0'; 3]).take(3).fold(0, |rest, digit| rest * 10 + i64::from(digit - b'0'));
    let thousandths = whole.parse::<i64>().ok()?.checked_mul(1000)?.checked_add(rest)?;
    Some(if negative { -thousandths } else { thousandths })
}

/// The number `hundredths / 100` for a request, exact.
pub(crate) fn hundredths(hundredths: u16) -> Value {
    format!("{}.{:02}", hundredths / 100, hundredths % 100)
        .parse()
        .map(Value::Number)
        .expect("digits, a point and two digits are a number")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn numbers_may_be_text_and_names_may_be_in_either_casing() {
        for answer in [
            json!({"ec_remain_credits": 8812}),
            json!({"ec_remain_credits": "8812"}),
            json!({"ecRemainCredits": " 8812.0 "}),
            json!({"ec_remain_credits": null, "EcRemainCredits": 8812.0}),
        ] {
            let expected = answer.get("EcRemainCredits").is_none();
            let found = credits(&answer, &["ec_remain_credits"]);
            assert_eq!(found, expected.then_some(UpstreamCredits::whole(8812)), "{answer}");
        }
    }

    #[test]
    fn a_decimal_is_read_to_the_thousandth() {
        for (text, expected) in [
            ("0", Some(0)),
            ("-1.25", Some(-1250)),
            ("1.9999", Some(1999)),
            ("1e-7", Some(0)),
            ("1e30", None),
            ("", None),
            (".5", None),
            ("5.", None),
            ("1,000", None),
            ("--1", None),
            ("NaN", None),
            ("9223372036854775807", None),
        ] {
            assert_eq!(decimal_thousandths(text), expected, "{text:?}");
        }
    }

    #[test]
    fn a_cost_is_never_negative() {
        assert_eq!(cost(&json!({"credit_cost": -3}), &["credit_cost"]), None);
        assert_eq!(credits(&json!({"credits": -3}), &["credits"]), Some(UpstreamCredits::whole(-3)));
    }

    proptest! {
        #[test]
        fn hundredths_are_written_exactly(n in 0_u16..1000) {
            prop_assert_eq!(thousandths(&hundredths(n)), Some(i64::from(n) * 10));
        }

        #[test]
        fn no_text_breaks_a_reader(text in ".{0,40}") {
            let answer = json!({"a": text});
            let _ = (credits(&answer, &["a"]), count(&answer, &["a"]), percent(&answer, &["a"]));
        }
    }
}
