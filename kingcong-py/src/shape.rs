//! Between the JSON of the doors and Python's values, with nothing in between.
//!
//! A [`Shape`] says what an answer becomes: a record of a class, a word of a closed set, a decimal. Python makes one
//! from each type hint, once. What is asked is made of plain values, and becomes JSON as it is.

use std::{borrow::Cow, fmt};

use pyo3::{
    exceptions::{PyTypeError, PyValueError},
    prelude::*,
    sync::PyOnceLock,
    types::{PyBool, PyBytes, PyDict, PyInt, PyList, PyString, PyTuple},
};
use serde::{
    Deserialize, Deserializer,
    de::{self, DeserializeSeed, IgnoredAny, MapAccess, SeqAccess, Visitor},
};

/// Microseconds in a millisecond.
const MS: i64 = 1_000;
/// Microseconds in a second.
const SECOND: i64 = 1_000_000;

/// What a value in an answer becomes.
#[pyclass(frozen, module = "kingcong._native")]
pub(crate) struct Shape(Kind);

enum Kind {
    /// Itself: a text, a number, a truth, nothing, or lists and dictionaries of them.
    Plain,
    Decimal,
    /// Microseconds since this instant.
    Instant(Py<PyAny>),
    /// Milliseconds.
    Length,
    /// One of these, by its text.
    Word(Py<PyDict>),
    /// The bytes beside the JSON.
    Attachment,
    /// The secret beside the JSON.
    Secret,
    Maybe(Py<Shape>),
    Many(Py<Shape>),
    /// Names of this shape with values of that one.
    Mapping(Py<Shape>, Py<Shape>),
    Record(Record),
    /// One of these records, by what its first field says.
    Tagged(Vec<(String, Py<Shape>)>),
    /// One of these, by its name around it.
    OneOf(Vec<(String, Py<Shape>)>),
}

/// A record is made as its class makes it, which is frozen: without a value, and then field by field.
struct Record {
    class: Py<PyAny>,
    fields: Vec<Field>,
}

/// What a field is called in the JSON, what sets it in a record, and what it becomes.
type Field = (String, Py<PyAny>, Py<Shape>);

#[pymethods]
impl Shape {
    #[staticmethod]
    fn plain() -> Self {
        Self(Kind::Plain)
    }

    #[staticmethod]
    fn decimal() -> Self {
        Self(Kind::Decimal)
    }

    #[staticmethod]
    fn instant(epoch: Py<PyAny>) -> Self {
        Self(Kind::Instant(epoch))
    }

    #[staticmethod]
    fn length() -> Self {
        Self(Kind::Length)
    }

    #[staticmethod]
    fn word(words: Py<PyDict>) -> Self {
        Self(Kind::Word(words))
    }

    #[staticmethod]
    fn attachment() -> Self {
        Self(Kind::Attachment)
    }

    #[staticmethod]
    fn secret() -> Self {
        Self(Kind::Secret)
    }

    #[staticmethod]
    fn maybe(shape: Py<Self>) -> Self {
        Self(Kind::Maybe(shape))
    }

    #[staticmethod]
    fn many(shape: Py<Self>) -> Self {
        Self(Kind::Many(shape))
    }

    #[staticmethod]
    fn mapping(key: Py<Self>, value: Py<Self>) -> Self {
        Self(Kind::Mapping(key, value))
    }

    #[staticmethod]
    fn record(class_: Py<PyAny>, fields: Vec<Field>) -> Self {
        Self(Kind::Record(Record { class: class_, fields }))
    }

    #[staticmethod]
    fn one_of(shapes: Vec<(String, Py<Self>)>) -> Self {
        Self(Kind::OneOf(shapes))
    }

    #[staticmethod]
    fn tagged(records: Vec<(String, Py<Self>)>) -> Self {
        Self(Kind::Tagged(records))
    }
}

/// What came beside the JSON.
#[derive(Default)]
pub(crate) struct Beside<'py> {
    pub(crate) attachment: Option<Bound<'py, PyBytes>>,
    pub(crate) secret: Option<Bound<'py, PyString>>,
}

impl Shape {
    /// The value that JSON stands for.
    pub(crate) fn read<'py>(
        &self,
        py: Python<'py>,
        json: &str,
        beside: &Beside<'py>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let mut json = serde_json::Deserializer::from_str(json);
        let read = Seed { py, shape: self, beside }.deserialize(&mut json);
        read.map_err(|error| PyValueError::new_err(format!("not an answer: {error}")))
    }
}

/// A shape on its way through JSON.
#[derive(Clone, Copy)]
struct Seed<'a, 'py> {
    py: Python<'py>,
    shape: &'a Shape,
    beside: &'a Beside<'py>,
}

fn failed<E: de::Error>(error: PyErr) -> E {
    E::custom(error)
}

impl<'a, 'py> Seed<'a, 'py> {
    fn with(self, shape: &'a Py<Shape>) -> Self {
        Self { shape: shape.get(), ..self }
    }

    fn plain<'de, D: Deserializer<'de>>(self, json: D) -> Result<Bound<'py, PyAny>, D::Error> {
        json.deserialize_any(Plain(self.py))
    }

    /// What a field is that the JSON does not have.
    fn missing(self) -> Bound<'py, PyAny> {
        let beside = match &self.shape.0 {
            Kind::Attachment => self.beside.attachment.clone().map(Bound::into_any),
            Kind::Secret => self.beside.secret.clone().map(Bound::into_any),
            _ => None,
        };
        beside.unwrap_or_else(|| self.py.None().into_bound(self.py))
    }
}

impl<'de, 'py> DeserializeSeed<'de> for Seed<'_, 'py> {
    type Value = Bound<'py, PyAny>;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Self::Value, D::Error> {
        let py = self.py;
        match &self.shape.0 {
            Kind::Plain | Kind::Secret => self.plain(json),
            Kind::Attachment => {
                IgnoredAny::deserialize(json)?;
                Ok(self.missing())
            }
            Kind::Decimal => {
                let value = self.plain(json)?;
                decimal(py).and_then(|class| class.call1((value,))).map_err(failed)
            }
            Kind::Instant(epoch) => {
                let since = delta(py, i64::deserialize(json)?).map_err(failed)?;
                epoch.bind(py).add(since).map_err(failed)
            }
            Kind::Length => {
                let length = i64::deserialize(json)?.saturating_mul(MS);
                delta(py, length).map_err(failed)
            }
            Kind::Word(words) => {
                let word = self.plain(json)?;
                let known = words.bind(py).get_item(&word).map_err(failed)?;
                known.ok_or_else(|| de::Error::custom(format_args!("{word} is no word of this release")))
            }
            Kind::Maybe(shape) => json.deserialize_option(Maybe(self.with(shape))),
            Kind::Many(shape) => json.deserialize_seq(Many(self.with(shape))),
            Kind::Mapping(key, value) => {
                json.deserialize_map(Mapping { key: self.with(key), value: self.with(value) })
            }
            Kind::Record(record) => json.deserialize_map(Fields { seed: self, record }),
            Kind::Tagged(records) => json.deserialize_map(Tagged { seed: self, records }),
            Kind::OneOf(shapes) => json.deserialize_map(OneOf { seed: self, shapes }),
        }
    }
}

fn decimal(py: Python<'_>) -> PyResult<&Bound<'_, PyAny>> {
    static DECIMAL: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    DECIMAL.import(py, "decimal", "Decimal")
}

fn delta(py: Python<'_>, micros: i64) -> PyResult<Bound<'_, PyAny>> {
    static TIMEDELTA: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let (seconds, micros) = (micros.div_euclid(SECOND), micros.rem_euclid(SECOND));
    TIMEDELTA.import(py, "datetime", "timedelta")?.call1((0, seconds, micros))
}

/// An instance of a class, with none of its fields.
fn made<'py>(class: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    static NEW: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let py = class.py();
    let new = NEW.get_or_try_init(py, || py.get_type::<PyAny>().getattr("__new__").map(Bound::unbind))?;
    new.bind(py).call1((class,))
}

struct Plain<'py>(Python<'py>);

impl<'de, 'py> DeserializeSeed<'de> for Plain<'py> {
    type Value = Bound<'py, PyAny>;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Self::Value, D::Error> {
        json.deserialize_any(self)
    }
}

impl<'de, 'py> Visitor<'de> for Plain<'py> {
    type Value = Bound<'py, PyAny>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text, a number, a truth or nothing")
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(self.0.None().into_bound(self.0))
    }

    fn visit_bool<E>(self, truth: bool) -> Result<Self::Value, E> {
        Ok(PyBool::new(self.0, truth).to_owned().into_any())
    }

    fn visit_i64<E>(self, number: i64) -> Result<Self::Value, E> {
        let Ok(number) = number.into_pyobject(self.0);
        Ok(number.into_any())
    }

    fn visit_u64<E>(self, number: u64) -> Result<Self::Value, E> {
        let Ok(number) = number.into_pyobject(self.0);
        Ok(number.into_any())
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(PyString::new(self.0, text).into_any())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
        let list = PyList::empty(self.0);
        while let Some(item) = items.next_element_seed(Plain(self.0))? {
            list.append(item).map_err(failed)?;
        }
        Ok(list.into_any())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Self::Value, A::Error> {
        let dict = PyDict::new(self.0);
        while let Some((key, value)) = entries.next_entry_seed(Plain(self.0), Plain(self.0))? {
            dict.set_item(key, value).map_err(failed)?;
        }
        Ok(dict.into_any())
    }
}

struct Maybe<'a, 'py>(Seed<'a, 'py>);

impl<'de, 'py> Visitor<'de> for Maybe<'_, 'py> {
    type Value = Bound<'py, PyAny>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("something or nothing")
    }

    fn visit_none<E>(self) -> Result<Self::Value, E> {
        Ok(self.0.py.None().into_bound(self.0.py))
    }

    fn visit_some<D: Deserializer<'de>>(self, json: D) -> Result<Self::Value, D::Error> {
        self.0.deserialize(json)
    }
}

struct Many<'a, 'py>(Seed<'a, 'py>);

impl<'de, 'py> Visitor<'de> for Many<'_, 'py> {
    type Value = Bound<'py, PyAny>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
        let mut values = Vec::with_capacity(items.size_hint().unwrap_or_default());
        while let Some(value) = items.next_element_seed(self.0)? {
            values.push(value);
        }
        PyTuple::new(self.0.py, values).map(Bound::into_any).map_err(failed)
    }
}

struct Mapping<'a, 'py> {
    key: Seed<'a, 'py>,
    value: Seed<'a, 'py>,
}

impl<'de, 'py> Visitor<'de> for Mapping<'_, 'py> {
    type Value = Bound<'py, PyAny>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Self::Value, A::Error> {
        let dict = PyDict::new(self.key.py);
        while let Some((key, value)) = entries.next_entry_seed(self.key, self.value)? {
            dict.set_item(key, value).map_err(failed)?;
        }
        Ok(dict.into_any())
    }
}

struct Fields<'a, 'py> {
    seed: Seed<'a, 'py>,
    record: &'a Record,
}

impl<'de, 'py> Visitor<'de> for Fields<'_, 'py> {
    type Value = Bound<'py, PyAny>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a record")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Self::Value, A::Error> {
        let Self { seed, record: Record { class, fields } } = self;
        let record = made(class.bind(seed.py)).map_err(failed)?;
        let set = |(_, set, _): &Field, value| set.bind(seed.py).call1((&record, value)).map_err(failed);
        let mut missing = vec![true; fields.len()];
        // Most answers have their fields in the order of their record.
        let mut expected = 0;
        while let Some(key) = entries.next_key::<Cow<'de, str>>()? {
            let is_it = |place: &usize| fields.get(*place).is_some_and(|(name, ..)| *name == key);
            let place = Some(expected).filter(is_it).or_else(|| (0..fields.len()).find(is_it));
            if let Some(place) = place {
                let field = &fields[place];
                set(field, entries.next_value_seed(seed.with(&field.2))?)?;
                missing[place] = false;
                expected = place + 1;
            } else {
                entries.next_value::<IgnoredAny>()?;
            }
        }
        for (field, _) in fields.iter().zip(missing).filter(|(_, is_missing)| *is_missing) {
            set(field, seed.with(&field.2).missing())?;
        }
        Ok(record)
    }
}

struct Tagged<'a, 'py> {
    seed: Seed<'a, 'py>,
    records: &'a [(String, Py<Shape>)],
}

impl<'de, 'py> Visitor<'de> for Tagged<'_, 'py> {
    type Value = Bound<'py, PyAny>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a record that says first of what kind it is")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Self::Value, A::Error> {
        let (_, kind) = entries
            .next_entry::<IgnoredAny, Cow<'de, str>>()?
            .ok_or_else(|| de::Error::invalid_length(0, &self))?;
        let known = self.records.iter().find(|(name, _)| *name == kind).map(|(_, shape)| &shape.get().0);
        match known {
            Some(Kind::Record(record)) => Fields { seed: self.seed, record }.visit_map(entries),
            _ => Err(de::Error::custom(format_args!("{kind} is no kind of this release"))),
        }
    }
}

struct OneOf<'a, 'py> {
    seed: Seed<'a, 'py>,
    shapes: &'a [(String, Py<Shape>)],
}

impl<'de, 'py> Visitor<'de> for OneOf<'_, 'py> {
    type Value = Bound<'py, PyAny>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("something with the name of its kind around it")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Self::Value, A::Error> {
        let kind = entries.next_key::<Cow<'de, str>>()?.ok_or_else(|| de::Error::invalid_length(0, &self))?;
        let known = self.shapes.iter().find(|(name, _)| *name == kind);
        let (_, shape) =
            known.ok_or_else(|| de::Error::custom(format_args!("{kind} is no kind of this release")))?;
        entries.next_value_seed(self.seed.with(shape))
    }
}

/// Writes a plain value as JSON.
pub(crate) fn write_json(json: &mut Vec<u8>, value: &Bound<'_, PyAny>) -> PyResult<()> {
    if let Ok(text) = value.cast::<PyString>() {
        write_text(json, &text.to_cow()?);
    } else if let Ok(dict) = value.cast::<PyDict>() {
        write_many(json, b"{}", dict.iter(), |json, (key, value)| {
            write_json(json, &key)?;
            json.push(b':');
            write_json(json, &value)
        })?;
    } else if let Ok(list) = value.cast::<PyList>() {
        write_many(json, b"[]", list.iter(), |json, item| write_json(json, &item))?;
    } else if value.is_none() {
        json.extend(b"null");
    } else if let Ok(truth) = value.cast::<PyBool>() {
        json.extend(if truth.is_true() { &b"true"[..] } else { b"false" });
    } else if value.is_instance_of::<PyInt>() {
        // Of any size: its door says what it takes.
        json.extend(value.str()?.to_cow()?.as_bytes());
    } else {
        return Err(PyTypeError::new_err(format!("{value:?} is no plain value")));
    }
    Ok(())
}

/// Writes a text as JSON.
pub(crate) fn write_text(json: &mut Vec<u8>, text: &str) {
    serde_json::to_writer(json, text).expect("texts have a JSON form, and bytes take it");
}

fn write_many<T>(
    json: &mut Vec<u8>,
    [open, close]: &[u8; 2],
    items: impl Iterator<Item = T>,
    mut write: impl FnMut(&mut Vec<u8>, T) -> PyResult<()>,
) -> PyResult<()> {
    json.push(*open);
    for (place, item) in items.enumerate() {
        if place > 0 {
            json.push(b',');
        }
        write(json, item)?;
    }
    json.push(*close);
    Ok(())
}
