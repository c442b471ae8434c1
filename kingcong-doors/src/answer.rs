//! What answers and questions are made of: amounts, texts, words, instants and lengths of time. The views of each
//! group of doors stand in its room, and are made of these. A secret, an envelope or a fingerprint is in none of
//! them.

use std::{fmt, time::Duration};

use kingcong_core::{
    clock::Timestamp,
    message::{self, Language},
    money::{Amount, Money, Unit},
};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::words::Words;

/// The largest whole number that every JSON reader keeps: 2^53 - 1.
const SAFE_INTEGER_MAX: i64 = (1 << 53) - 1;

/// An amount of a unit: a number where the unit has no digits after the point and it is safe, else a decimal text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Units(pub(crate) Money);

impl Units {
    pub(crate) const fn new(amount: Amount, unit: Unit) -> Self {
        Self(Money::new(amount, unit))
    }
}

impl Serialize for Units {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Money { amount, unit } = self.0;
        if unit.scale() == 0 && amount.get().abs() <= SAFE_INTEGER_MAX {
            serializer.serialize_i64(amount.get())
        } else {
            serializer.collect_str(&self.0.to_decimal())
        }
    }
}

/// Something that is written as its text, such as an id, and read by its own rules.
#[derive(Clone, Debug)]
pub(crate) struct AsText<T>(pub(crate) T);

impl<T: fmt::Display> Serialize for AsText<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for AsText<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        T::deserialize(deserializer).map(Self)
    }
}

/// A decimal number, written as its text.
#[derive(Clone, Debug)]
pub(crate) struct DecimalText<T>(pub(crate) T);

impl<T: fmt::Display> Serialize for DecimalText<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

/// A word of a closed set of the core.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Word<T>(pub(crate) T);

impl<T: Words> Serialize for Word<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.put(serializer)
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Word<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        T::deserialize(deserializer).map(Self)
    }
}

/// An instant: microseconds since 1970.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
#[serde(transparent)]
pub(crate) struct Instant(pub(crate) Timestamp);

/// A length of time in milliseconds.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
#[serde(transparent)]
pub(crate) struct Milliseconds(pub(crate) u64);

impl From<Milliseconds> for Duration {
    fn from(length: Milliseconds) -> Self {
        Self::from_millis(length.0)
    }
}

/// What a user may be told, in English and Vietnamese.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "description", derive(schemars::JsonSchema))]
pub(crate) struct MessageView {
    code: String,
    en: String,
    vi: String,
}

impl From<&message::Message> for MessageView {
    fn from(message: &message::Message) -> Self {
        let as_json = serde_json::to_value(message).expect("a message is plain data");
        let code = as_json.get("code").and_then(serde_json::Value::as_str);
        Self {
            code: code.unwrap_or_default().to_owned(),
            en: message.text(Language::English),
            vi: message.text(Language::Vietnamese),
        }
    }
}

/// Every row as its view.
pub(crate) fn all<'a, T: 'a, V: From<&'a T>>(rows: &'a [T]) -> Vec<V> {
    rows.iter().map(V::from).collect()
}
