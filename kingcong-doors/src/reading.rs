//! Reading what a face asks: JSON, whose mistakes are told with the field's name in the face's language, and with what
//! is legal there.

use std::{fmt, marker::PhantomData};

use kingcong_core::operation::Operation;
use serde::{
    Deserialize, Deserializer,
    de::{self, DeserializeOwned, Visitor},
};
use serde_path_to_error::{Path, Segment};

use crate::problem::Problem;

/// Most characters that are told of a value that was given.
const SHOWN_CHARACTERS_MAX: usize = 64;

/// How a face's language writes the names of what it is asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Names {
    /// `idempotency_key`, and `deadline`: a length of time has its unit in its type.
    #[default]
    Python,
    /// `idempotencyKey`, and `deadlineMs`.
    Node,
}

/// A field that is not as it must be.
#[derive(Debug, thiserror::Error)]
#[error("{field}{what}")]
struct Mistake {
    field: String,
    what: String,
}

impl Mistake {
    /// What JSON's reader says, in our words.
    fn of(field: String, names: Names, said: &str) -> Self {
        let part = |name: &str| match field.as_str() {
            "" => names.name(name),
            field => format!("{field}.{}", names.name(name)),
        };
        if let Some(name) = quoted_after(said, "missing field ") {
            return Self { field: part(name), what: " is missing".to_owned() };
        }
        if let Some(name) = quoted_after(said, "unknown field ") {
            // The path may end in it already.
            let known = field.rsplit('.').next() == Some(names.name(name).as_str());
            let field = if known { field } else { part(name) };
            return Self { field, what: " is no field that is known here".to_owned() };
        }
        let field = if field.is_empty() { "what is asked".to_owned() } else { field };
        let wrong = said.strip_prefix("invalid value: ").or_else(|| said.strip_prefix("invalid type: "));
        let unknown = said.strip_prefix("unknown variant ");
        let told = wrong.or(unknown).and_then(|said| said.split_once(", expected "));
        let what = match told {
            Some((given, legal)) => {
                format!(" must be {}, not {}", legal_in_words(legal), given_in_words(given))
            }
            // A rule says itself what it is about, such as an id's.
            None => format!(": {said}"),
        };
        Self { field, what }
    }
}

/// What JSON text asks for.
pub(crate) fn read<T: DeserializeOwned>(json: &str, names: Names) -> Result<T, Problem> {
    // Following the path costs time, and only a mistake needs it.
    if let Ok(asked) = serde_json::from_str(json) {
        return Ok(asked);
    }
    let mut json = serde_json::Deserializer::from_str(json);
    serde_path_to_error::deserialize(&mut json).map_err(|error| {
        let mistake = Mistake::of(names.field(error.path()), names, &without_place(error.inner()));
        Problem::invalid(&mistake).with("field", mistake.field.as_str())
    })
}

/// The words of an error without where in the text it was: nobody sees that text.
fn without_place(error: &serde_json::Error) -> String {
    let words = error.to_string();
    let place = format!(" at line {} column {}", error.line(), error.column());
    words.strip_suffix(&place).unwrap_or(&words).to_owned()
}

impl Names {
    /// The name of a setting, or of a field that is sent as `wire`.
    pub(crate) fn name(self, wire: &str) -> String {
        match self {
            Self::Python => wire.strip_suffix("_ms").unwrap_or(wire).to_owned(),
            Self::Node => camel_case(wire),
        }
    }

    /// The name of a length of time that is called `wire` without its unit.
    pub(crate) fn length(self, wire: &str) -> String {
        self.name(&format!("{wire}_ms"))
    }

    /// A field as a caller of a door writes it. What holds a whole request goes unsaid.
    fn field(self, path: &Path) -> String {
        let mut field = String::new();
        for segment in path.iter() {
            match segment {
                Segment::Map { key } if is_wrapping(key) && field.is_empty() => {}
                Segment::Map { key } => {
                    if !field.is_empty() {
                        field.push('.');
                    }
                    field.push_str(&self.name(key));
                }
                Segment::Seq { index } => field.push_str(&format!("[{index}]")),
                Segment::Enum { .. } | Segment::Unknown => {}
            }
        }
        field
    }
}

/// Whether a field only holds what a caller writes as one value.
fn is_wrapping(key: &str) -> bool {
    matches!(key, "with" | "request" | "subject" | "filter") || key.parse::<Operation>().is_ok()
}

fn camel_case(name: &str) -> String {
    let mut words = name.split('_');
    let mut camel = words.next().unwrap_or_default().to_owned();
    for word in words {
        let mut letters = word.chars();
        camel.extend(letters.next().map(|first| first.to_ascii_uppercase()));
        camel.push_str(letters.as_str());
    }
    camel
}

/// The name between backquotes that follows `prefix`.
fn quoted_after<'w>(words: &'w str, prefix: &str) -> Option<&'w str> {
    words.strip_prefix(prefix)?.strip_prefix('`')?.split('`').next()
}

/// What JSON's reader expected, without names of Rust's types.
fn legal_in_words(expected: &str) -> String {
    let whole = |min: i64, max: u64| format!("a whole number from {min} to {max}");
    match expected {
        "u8" => whole(0, u8::MAX.into()),
        "u16" => whole(0, u16::MAX.into()),
        "u32" => whole(0, u32::MAX.into()),
        "u64" => whole(0, u64::MAX),
        "i64" => whole(i64::MIN, i64::MAX.unsigned_abs()),
        "a nonzero u16" => whole(1, u16::MAX.into()),
        "a nonzero u32" => whole(1, u32::MAX.into()),
        "a nonzero u64" => whole(1, u64::MAX),
        "a string" | "a borrowed string" | "string or map" => "a text".to_owned(),
        "a boolean" => "true or false".to_owned(),
        "a sequence" => "a list".to_owned(),
        "a map" => "an object".to_owned(),
        expected if expected.starts_with("one of ") || expected.starts_with('`') => {
            expected.replace('`', "'")
        }
        expected if expected.starts_with("struct ") || expected.contains(" enum ") => "an object".to_owned(),
        expected => expected.to_owned(),
    }
}

/// What was given, without names of JSON's reader.
fn given_in_words(unexpected: &str) -> String {
    let kinds = ["integer ", "floating point ", "boolean ", "string "];
    match kinds.iter().find_map(|kind| unexpected.strip_prefix(kind)) {
        Some(value) => shown(value),
        None => match unexpected {
            "sequence" => "a list".to_owned(),
            "map" => "an object".to_owned(),
            "null" => "nothing".to_owned(),
            unexpected => shown(unexpected),
        },
    }
}

/// A value for an error's text: without the reader's quotes, and short.
fn shown(value: &str) -> String {
    let value = value.trim_matches('`');
    if value.chars().count() <= SHOWN_CHARACTERS_MAX {
        return value.to_owned();
    }
    let cut: String = value.chars().take(SHOWN_CHARACTERS_MAX).collect();
    format!("{cut}…")
}

/// A whole number from `MIN` to `MAX`, which an error tells.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Within<T, const MIN: u32, const MAX: u32>(pub(crate) T);

impl<'de, T: TryFrom<u32>, const MIN: u32, const MAX: u32> Deserialize<'de> for Within<T, MIN, MAX> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_u64(WithinVisitor::<T, MIN, MAX>(PhantomData))
    }
}

struct WithinVisitor<T, const MIN: u32, const MAX: u32>(PhantomData<T>);

impl<T: TryFrom<u32>, const MIN: u32, const MAX: u32> Visitor<'_> for WithinVisitor<T, MIN, MAX> {
    type Value = Within<T, MIN, MAX>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a whole number from {MIN} to {MAX}")
    }

    fn visit_u64<E: de::Error>(self, given: u64) -> Result<Self::Value, E> {
        let number = u32::try_from(given).ok().filter(|number| (MIN..=MAX).contains(number));
        let number = number.and_then(|number| T::try_from(number).ok());
        number.map(Within).ok_or_else(|| E::invalid_value(de::Unexpected::Unsigned(given), &self))
    }
}
