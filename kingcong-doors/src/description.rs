//! The doors as they describe themselves, from which `cargo xtask faces` writes types for other languages: JSON
//! Schema, with formats for what JSON has no type for (`amount`, `decimal`, `instant`, `milliseconds`, `path`).
//!
//! Names of views lose their ending, so `WalletView` is the `Wallet` of faces. `required` lists all fields in their
//! order.

use std::{borrow::Cow, fmt::Display};

use kingcong_core::measure::Measure;
use schemars::{JsonSchema, Schema, SchemaGenerator, generate::SchemaSettings, json_schema};
use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::{
    answer::{AsText, DecimalText, Instant, Milliseconds, Units, Word},
    asked::AskedAmount,
    config::{AskedEgress, Lifted},
    door::{self, Door},
    keys::LimitsView,
    opening::OpenOptions,
    problem::Code,
    reading::Within,
    reports::CountsView,
    words::Words,
};

/// What the names of views end in.
const VIEW: &str = "View";

/// A group of doors as it describes itself.
#[derive(Debug, Serialize)]
pub(crate) struct Described {
    pub(crate) name: &'static str,
    pub(crate) docs: &'static str,
    pub(crate) doors: Vec<DescribedDoor>,
}

/// A door as it describes itself.
#[derive(Debug, Serialize)]
pub(crate) struct DescribedDoor {
    name: &'static str,
    by_place: usize,
    takes: Schema,
    answers: Schema,
}

/// How a door describes itself.
pub(crate) fn of<D: Door>(generator: &mut SchemaGenerator) -> DescribedDoor {
    DescribedDoor {
        name: D::NAME,
        by_place: D::BY_PLACE,
        takes: D::json_schema(generator),
        answers: generator.subschema_for::<D::Answer>(),
    }
}

/// The groups of doors in their order, what each door takes and answers, the options that faces hand on as they are,
/// the codes of problems, and the definitions of all names.
#[must_use]
pub fn description() -> Value {
    let mut generator = SchemaSettings::draft2020_12().for_serialize().into_generator();
    let groups = door::described(&mut generator);
    let opening = OpenOptions::json_schema(&mut generator);
    let codes = Code::json_schema(&mut generator);
    let definitions = generator.take_definitions(true);
    named_for_faces(json!({ "groups": groups, "opening": opening, "codes": codes, "$defs": definitions }))
}

/// The same with the names of faces.
fn named_for_faces(value: Value) -> Value {
    let without_ending = |name: String| name.strip_suffix(VIEW).map(str::to_owned).unwrap_or(name);
    match value {
        Value::Object(fields) => {
            let named = |(name, value): (String, Value)| (without_ending(name), named_for_faces(value));
            Value::Object(fields.into_iter().map(named).collect::<Map<_, _>>())
        }
        Value::Array(items) => Value::Array(items.into_iter().map(named_for_faces).collect()),
        Value::String(text) if text.starts_with("#/$defs/") => Value::String(without_ending(text)),
        Value::String(_) | Value::Null | Value::Bool(_) | Value::Number(_) => value,
    }
}

/// Describes types that are written in place, and have no name of their own.
macro_rules! described_in_place {
    ($($type:ty $(where $of:ident: $bound:path)? => $schema:tt)+) => {
        $(impl $(<$of: $bound>)? JsonSchema for $type {
            fn inline_schema() -> bool {
                true
            }

            fn schema_name() -> Cow<'static, str> {
                stringify!($type).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!($schema)
            }
        })+
    };
}

described_in_place! {
    Units => { "type": ["integer", "string"], "format": "amount" }
    AskedAmount => { "type": ["integer", "string"], "format": "amount" }
    Instant => { "type": "integer", "format": "instant" }
    Milliseconds => { "type": "integer", "format": "milliseconds" }
    AsText<T> where T: Sized => { "type": "string" }
    DecimalText<T> where T: Display => { "type": "string", "format": "decimal" }
}

impl JsonSchema for AskedEgress {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "AskedEgress".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let (lifted, limits) = (generator.subschema_for::<Lifted>(), generator.subschema_for::<LimitsView>());
        json_schema!({ "anyOf": [lifted, limits] })
    }
}

impl JsonSchema for CountsView {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Counts".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let measure = generator.subschema_for::<Word<Measure>>();
        let count = json!({ "type": "integer" });
        json_schema!({ "type": "object", "propertyNames": measure, "additionalProperties": count })
    }
}

impl<T, const MIN: u32, const MAX: u32> JsonSchema for Within<T, MIN, MAX> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        format!("Within{MIN}To{MAX}").into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "integer", "minimum": MIN, "maximum": MAX })
    }
}

impl<T: Words> JsonSchema for Word<T> {
    fn schema_name() -> Cow<'static, str> {
        T::described().name.into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let described = T::described();
        let word = |(name, word, docs): (&str, Value, &str)| match text_of(docs) {
            docs if docs.is_empty() => json!({ "const": word, "title": name }),
            docs => json!({ "const": word, "title": name, "description": docs }),
        };
        let words: Vec<Value> = described.words.into_iter().map(word).collect();
        json_schema!({ "description": text_of(described.docs), "oneOf": words })
    }
}

/// The text of a comment, whose lines begin with a space.
fn text_of(comment: &str) -> String {
    let lines: Vec<&str> = comment.lines().map(|line| line.strip_prefix(' ').unwrap_or(line)).collect();
    lines.join("\n").trim().to_owned()
}
