//! What is asked, checked: a value that is not what its type hint says is refused with an error that names it, before
//! anything is sent. What passes becomes plain values: texts, numbers, truths, and lists and dictionaries of them.

use std::fmt;

use pyo3::{
    exceptions::PyTypeError,
    intern,
    prelude::*,
    types::{
        PyBool, PyBytes, PyDelta, PyDict, PyFloat, PyInt, PyList, PyMapping, PySequence, PyString, PyType,
    },
};

use crate::library::raised;

/// Digits that an amount may have before or after the point.
const DIGITS_MAX: i64 = 28;

/// Checks values of one type, and gives what JSON has for them.
#[pyclass(frozen, module = "kingcong._native")]
pub(crate) struct Encoder(Kind);

enum Kind {
    Text,
    /// A whole number that is not negative.
    Count,
    Flag,
    Bytes,
    Decimal(Py<PyType>),
    /// Microseconds since this instant.
    Instant {
        class: Py<PyType>,
        epoch: Py<PyAny>,
        microsecond: Py<PyAny>,
    },
    /// Milliseconds, of this length each.
    Length {
        millisecond: Py<PyAny>,
    },
    /// What this function makes of it.
    Path(Py<PyAny>),
    /// One of these, by its text.
    Word(Py<PyDict>),
    /// One of these, by its text, or something else.
    WordOr(Py<PyDict>, Py<Encoder>),
    Maybe(Py<Encoder>),
    Many(Py<Encoder>),
    Mapping(Py<Encoder>),
    /// A record of this class, as this function writes it.
    Record {
        class: Py<PyType>,
        write: Py<PyAny>,
    },
}

/// What a value is called in an error.
#[derive(Clone, Copy)]
enum Name<'a, 'py> {
    Said(&'a str),
    Item(&'a Name<'a, 'py>, usize),
    Key(&'a Name<'a, 'py>),
    Entry(&'a Name<'a, 'py>, &'a Bound<'py, PyAny>),
}

impl fmt::Display for Name<'_, '_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Said(name) => f.write_str(name),
            Self::Item(list, place) => write!(f, "{list}[{place}]"),
            Self::Key(mapping) => write!(f, "a key of {mapping}"),
            Self::Entry(mapping, key) => write!(f, "{mapping}[{key:?}]"),
        }
    }
}

#[pymethods]
impl Encoder {
    #[staticmethod]
    fn text() -> Self {
        Self(Kind::Text)
    }

    #[staticmethod]
    fn count() -> Self {
        Self(Kind::Count)
    }

    #[staticmethod]
    fn flag() -> Self {
        Self(Kind::Flag)
    }

    #[staticmethod]
    fn bytes() -> Self {
        Self(Kind::Bytes)
    }

    #[staticmethod]
    fn decimal(class_: Py<PyType>) -> Self {
        Self(Kind::Decimal(class_))
    }

    #[staticmethod]
    fn instant(class_: Py<PyType>, epoch: Py<PyAny>, microsecond: Py<PyAny>) -> Self {
        Self(Kind::Instant { class: class_, epoch, microsecond })
    }

    #[staticmethod]
    fn length(millisecond: Py<PyAny>) -> Self {
        Self(Kind::Length { millisecond })
    }

    #[staticmethod]
    fn path(fspath: Py<PyAny>) -> Self {
        Self(Kind::Path(fspath))
    }

    #[staticmethod]
    fn word(words: Py<PyDict>) -> Self {
        Self(Kind::Word(words))
    }

    #[staticmethod]
    fn word_or(words: Py<PyDict>, other: Py<Self>) -> Self {
        Self(Kind::WordOr(words, other))
    }

    #[staticmethod]
    fn maybe(one: Py<Self>) -> Self {
        Self(Kind::Maybe(one))
    }

    #[staticmethod]
    fn many(one: Py<Self>) -> Self {
        Self(Kind::Many(one))
    }

    #[staticmethod]
    fn mapping(one: Py<Self>) -> Self {
        Self(Kind::Mapping(one))
    }

    #[staticmethod]
    fn record(class_: Py<PyType>, write: Py<PyAny>) -> Self {
        Self(Kind::Record { class: class_, write })
    }

    fn __call__<'py>(&self, value: &Bound<'py, PyAny>, name: &str) -> PyResult<Bound<'py, PyAny>> {
        self.encode(value, Name::Said(name))
    }
}

impl Encoder {
    fn encode<'py>(&self, value: &Bound<'py, PyAny>, name: Name<'_, 'py>) -> PyResult<Bound<'py, PyAny>> {
        let py = value.py();
        let itself = || Ok(value.clone());
        match &self.0 {
            Kind::Text => text(value, name),
            Kind::Count => count(value, name),
            Kind::Flag if value.is_instance_of::<PyBool>() => itself(),
            Kind::Flag => Err(must_be(name, "a bool", value)),
            Kind::Bytes if value.is_instance_of::<PyBytes>() => itself(),
            Kind::Bytes => Err(must_be(name, "bytes", value)),
            Kind::Decimal(class) => decimal(value, class.bind(py), name),
            Kind::Instant { class, epoch, microsecond } => {
                if !value.is_instance(class.bind(py))? {
                    return Err(must_be(name, "a datetime", value));
                }
                if value.call_method0(intern!(py, "utcoffset"))?.is_none() {
                    let advice = "has none: write datetime(…, tzinfo=timezone.utc)";
                    return Err(invalid(py, format!("{name} must have a time zone, and {value:?} {advice}")));
                }
                value.sub(epoch)?.floor_div(microsecond)
            }
            Kind::Length { millisecond } => {
                if !value.is_instance_of::<PyDelta>() {
                    return Err(must_be(name, "a timedelta", value));
                }
                let length = value.floor_div(millisecond)?;
                if length.lt(0)? {
                    return Err(invalid(py, format!("{name} must not be negative, and is {value}")));
                }
                Ok(length)
            }
            Kind::Path(fspath) => fspath.bind(py).call1((value,)).map_err(|_| must_be(name, "a path", value)),
            Kind::Word(words) => {
                let words = words.bind(py);
                known(words, value).ok_or_else(|| {
                    let legal: Vec<String> = words.keys().iter().map(|word| format!("{word:?}")).collect();
                    invalid(py, format!("{name} must be one of {}, not {value:?}", legal.join(", ")))
                })
            }
            Kind::WordOr(words, other) => match known(words.bind(py), value) {
                Some(word) => Ok(word),
                None => other.get().encode(value, name),
            },
            Kind::Maybe(_) if value.is_none() => itself(),
            Kind::Maybe(one) => one.get().encode(value, name),
            Kind::Many(one) => {
                let sequence =
                    value.cast::<PySequence>().ok().filter(|_| !value.is_instance_of::<PyString>());
                let sequence = sequence.ok_or_else(|| must_be(name, "a list or tuple", value))?;
                let list = PyList::empty(py);
                for (place, item) in sequence.try_iter()?.enumerate() {
                    list.append(one.get().encode(&item?, Name::Item(&name, place))?)?;
                }
                Ok(list.into_any())
            }
            Kind::Mapping(one) => {
                let mapping = value.cast::<PyMapping>().map_err(|_| must_be(name, "a dict", value))?;
                let dict = PyDict::new(py);
                for entry in mapping.items()? {
                    let (key, value): (Bound<'py, PyAny>, Bound<'py, PyAny>) = entry.extract()?;
                    let encoded = one.get().encode(&value, Name::Entry(&name, &key))?;
                    dict.set_item(text(&key, Name::Key(&name))?, encoded)?;
                }
                Ok(dict.into_any())
            }
            Kind::Record { class, write } => {
                let class = class.bind(py);
                if !value.is_instance(class)? {
                    return Err(must_be(name, &format!("a {}", class.name()?), value));
                }
                write.bind(py).call1((value,))
            }
        }
    }
}

/// The text of a word, if it is one of these.
fn known<'py>(words: &Bound<'py, PyDict>, value: &Bound<'py, PyAny>) -> Option<Bound<'py, PyAny>> {
    // What has no hash is no word either.
    words.get_item(value).ok().flatten()
}

/// Numbers are shown; whatever else has the wrong type may hold a secret.
fn must_be(name: Name<'_, '_>, what: &str, value: &Bound<'_, PyAny>) -> PyErr {
    let class = value.get_type().name().map_or_else(|_| "?".to_owned(), |name| name.to_string());
    let is_number = value.is_instance_of::<PyInt>() || value.is_instance_of::<PyFloat>();
    let shown = if is_number { format!(": {value:?}") } else { String::new() };
    PyTypeError::new_err(format!("{name} must be {what}, not {class}{shown}"))
}

/// An `InvalidRequest`.
fn invalid(py: Python<'_>, message: String) -> PyErr {
    raised(py, "invalid", message)
}

fn text<'py>(value: &Bound<'py, PyAny>, name: Name<'_, 'py>) -> PyResult<Bound<'py, PyAny>> {
    let text = value.cast::<PyString>().map_err(|_| must_be(name, "a str", value))?;
    if text.to_cow().is_err() {
        let what = "half a character in it: a surrogate without its other half";
        return Err(invalid(value.py(), format!("{name} has {what}")));
    }
    Ok(value.clone())
}

fn count<'py>(value: &Bound<'py, PyAny>, name: Name<'_, 'py>) -> PyResult<Bound<'py, PyAny>> {
    if !value.is_instance_of::<PyInt>() || value.is_instance_of::<PyBool>() {
        return Err(must_be(name, "an int", value));
    }
    if value.lt(0)? {
        return Err(invalid(value.py(), format!("{name} must not be negative, and is {value}")));
    }
    Ok(value.clone())
}

fn decimal<'py>(
    value: &Bound<'py, PyAny>,
    class: &Bound<'py, PyType>,
    name: Name<'_, 'py>,
) -> PyResult<Bound<'py, PyAny>> {
    let py = value.py();
    if value.is_instance_of::<PyFloat>() {
        return Err(PyTypeError::new_err(format!(
            "{name} must be decimal.Decimal or int, not float: a float cannot hold 0.1; write Decimal('{value}')"
        )));
    }
    let number = if value.is_instance_of::<PyInt>() && !value.is_instance_of::<PyBool>() {
        class.call1((value,))?
    } else if value.is_instance(class)? {
        value.clone()
    } else {
        return Err(must_be(name, "decimal.Decimal or int", value));
    };
    if !number.call_method0("is_finite")?.is_truthy()? {
        return Err(invalid(py, format!("{name} must be a number, not {value}")));
    }
    let magnitude: i64 = number.call_method0("adjusted")?.extract()?;
    if number.is_truthy()? && !(-DIGITS_MAX..=DIGITS_MAX).contains(&magnitude) {
        let message = format!("{name} has more than {DIGITS_MAX} digits before or after its point");
        return Err(invalid(py, message));
    }
    number.call_method1("__format__", ("f",))
}

/// The fields of a record: what each is called here, where it goes in the JSON (from the outermost name inwards), how
/// it is encoded, and its default.
#[pyclass(frozen, module = "kingcong._native")]
pub(crate) struct Fields(Vec<Field>);

type Field = (Py<PyString>, Vec<Py<PyString>>, Py<Encoder>, Py<PyAny>);

#[pymethods]
impl Fields {
    #[new]
    fn new(fields: Vec<Field>) -> Self {
        Self(fields)
    }

    /// The fields of a record that are not None, encoded.
    fn given<'py>(&self, record: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyDict>> {
        self.encode(record, |value, _| !value.is_none())
    }

    /// The fields of a record that are not at their defaults, encoded.
    fn changed<'py>(&self, record: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyDict>> {
        self.encode(record, |value, default| !value.is(default))
    }
}

impl Fields {
    fn encode<'py>(
        &self,
        record: &Bound<'py, PyAny>,
        is_sent: impl Fn(&Bound<'py, PyAny>, &Py<PyAny>) -> bool,
    ) -> PyResult<Bound<'py, PyDict>> {
        let py = record.py();
        let sent = PyDict::new(py);
        for (name, path, encoder, default) in &self.0 {
            let value = record.getattr(name)?;
            if is_sent(&value, default) {
                let name = name.bind(py).to_cow()?;
                put(&sent, path, encoder.get().encode(&value, Name::Said(&name))?)?;
            }
        }
        Ok(sent)
    }
}

/// Puts a value where it goes.
fn put<'py>(dict: &Bound<'py, PyDict>, path: &[Py<PyString>], value: Bound<'py, PyAny>) -> PyResult<()> {
    match path {
        [] => Ok(()),
        [name] => dict.set_item(name, value),
        [name, inner @ ..] => {
            let py = dict.py();
            let within = match dict.get_item(name)? {
                Some(there) => there.cast_into()?,
                None => PyDict::new(py),
            };
            put(&within, inner, value)?;
            dict.set_item(name, within)
        }
    }
}
