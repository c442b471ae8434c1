//! The description of the doors, read from its JSON Schema: records, words and events, in the order in which answers
//! name them, each after what it needs.

use std::collections::BTreeSet;

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

/// Where definitions are referred to.
const DEFINITIONS: &str = "#/$defs/";
/// What names of questions begin with: faces write those by hand.
const ASKED: &str = "Asked";
/// The field that only holds what a door is given.
const FILTER: &str = "filter";
/// The doors that take a request, and those of one job: clients and handles have them in their own manner.
const DOORS_BY_HAND: &[&str] = &["estimate", "submit"];
const GROUPS_BY_HAND: &[&str] = &["Job"];
/// The group of the doors of a client itself.
pub(crate) const ROOT: &str = "Root";

/// What the doors say of themselves.
#[derive(Debug)]
pub(crate) struct Description {
    pub(crate) sets: Vec<Set>,
    pub(crate) records: Vec<Record>,
    pub(crate) unions: Vec<Union>,
    pub(crate) groups: Vec<Group>,
    /// The names that docs may use: of fields, and of doors.
    pub(crate) names: BTreeSet<String>,
    /// The codes of problems.
    pub(crate) codes: BTreeSet<String>,
}

/// A closed set of words.
#[derive(Debug)]
pub(crate) struct Set {
    pub(crate) name: String,
    pub(crate) docs: String,
    pub(crate) words: Vec<Word>,
}

#[derive(Debug)]
pub(crate) struct Word {
    /// What it is called.
    pub(crate) name: String,
    /// As it stands in JSON.
    pub(crate) word: String,
    pub(crate) docs: String,
}

/// What is answered as an object.
#[derive(Debug)]
pub(crate) struct Record {
    pub(crate) name: String,
    pub(crate) docs: String,
    /// What its `kind` says, when it is one of several.
    pub(crate) tag: Option<String>,
    pub(crate) fields: Vec<Field>,
}

#[derive(Debug)]
pub(crate) struct Field {
    pub(crate) name: String,
    pub(crate) docs: String,
    pub(crate) kind: Kind,
}

/// One of several records.
#[derive(Debug)]
pub(crate) struct Union {
    pub(crate) name: String,
    pub(crate) docs: String,
    /// The records.
    pub(crate) of: Vec<String>,
}

/// Doors that belong together.
#[derive(Debug)]
pub(crate) struct Group {
    pub(crate) name: String,
    pub(crate) docs: String,
    pub(crate) doors: Vec<Door>,
}

/// A door.
#[derive(Debug)]
pub(crate) struct Door {
    /// Its whole name, such as `wallets.get`.
    pub(crate) name: String,
    pub(crate) docs: String,
    /// What callers give by its place.
    pub(crate) by_place: Vec<Argument>,
    /// What callers give by its name.
    pub(crate) by_name: Vec<Argument>,
    /// The one field that holds what is given by name, where there is one.
    pub(crate) within: Option<String>,
    /// None when it answers nothing.
    pub(crate) answers: Option<Kind>,
}

impl Door {
    /// Its name within its group.
    pub(crate) fn method(&self) -> &str {
        self.name.rsplit('.').next().unwrap_or(&self.name)
    }
}

/// What a door takes.
#[derive(Debug)]
pub(crate) struct Argument {
    pub(crate) name: String,
    pub(crate) kind: Kind,
    /// What stands for it when it is left out.
    pub(crate) default: Option<Value>,
}

impl Argument {
    /// Whether it may be left out.
    pub(crate) fn is_optional(&self) -> bool {
        matches!(self.kind, Kind::Maybe(_)) || self.default.is_some()
    }
}

/// What a value is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Text,
    /// A text that no error shows.
    Secret,
    /// A file or a folder.
    Path,
    Number,
    Flag,
    Amount,
    Decimal,
    Instant,
    Milliseconds,
    /// A record or a set of words of this name.
    Named(String),
    /// One of these words, which have no name of their own.
    OneOf(Vec<String>),
    /// An object that has no name of its own.
    Object(Vec<(String, Kind)>),
    Maybe(Box<Kind>),
    Many(Box<Kind>),
    /// An object whose names the caller chooses.
    Mapping(Box<Kind>),
}

impl Kind {
    /// The kind of what is given, where it may be left out.
    pub(crate) fn given(&self) -> &Self {
        match self {
            Self::Maybe(kind) => kind,
            kind => kind,
        }
    }

    /// The kind that stands where there may be none or several.
    pub(crate) fn innermost(&self) -> &Self {
        match self {
            Self::Maybe(kind) | Self::Many(kind) | Self::Mapping(kind) => kind.innermost(),
            kind => kind,
        }
    }
}

impl Description {
    /// The description in a JSON text.
    pub(crate) fn read(json: &str) -> Result<Self> {
        let json: Value = serde_json::from_str(json).context("the description is JSON")?;
        let mut reader = Reader {
            definitions: &json["$defs"],
            seen: BTreeSet::new(),
            read: Self {
                sets: Vec::new(),
                records: Vec::new(),
                unions: Vec::new(),
                groups: Vec::new(),
                names: names(&json),
                codes: codes(&json),
            },
        };
        let doors = doors(&json);
        for door in &doors {
            reader.follow(&door["answers"])?;
        }
        for door in &doors {
            reader.follow(&door["takes"])?;
        }
        for group in list(&json["groups"]) {
            reader.group(group)?;
        }
        for option in list(&json["options"]) {
            reader.follow(option)?;
        }
        Ok(reader.read)
    }
}

/// The codes of problems, without those that are names of fields too.
fn codes(json: &Value) -> BTreeSet<String> {
    let codes = words(&json["codes"]).into_iter().flatten().map(|code| code.word);
    codes.filter(|code| !names(json).contains(code)).collect()
}

fn doors(json: &Value) -> Vec<&Value> {
    list(&json["groups"]).iter().flat_map(|group| list(&group["doors"])).collect()
}

/// Every name of a field or a door.
fn names(json: &Value) -> BTreeSet<String> {
    let doors = doors(json);
    let definitions = json["$defs"].as_object().into_iter().flatten().map(|(_, definition)| definition);
    let fields = definitions.chain(doors.iter().map(|door| &door["takes"])).flat_map(fields_of);
    fields.chain(doors.iter().map(|door| text(&door["name"]))).collect()
}

/// The names of the fields of an object, in their order.
fn fields_of(schema: &Value) -> Vec<String> {
    list(&schema["required"]).iter().map(text).collect()
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

struct Reader<'a> {
    definitions: &'a Value,
    seen: BTreeSet<String>,
    read: Description,
}

impl Reader<'_> {
    /// Reads every definition that a schema refers to.
    fn follow(&mut self, schema: &Value) -> Result<()> {
        match schema {
            Value::Object(parts) => {
                if let Some(name) = schema["$ref"].as_str().and_then(|to| to.strip_prefix(DEFINITIONS)) {
                    self.define(name)?;
                }
                // In the order of the fields, and then whatever else refers to something.
                for field in fields_of(schema) {
                    self.follow(&schema["properties"][&field])?;
                }
                let rest = parts.iter().filter(|(part, _)| *part != "properties");
                rest.into_iter().try_for_each(|(_, part)| self.follow(part))
            }
            Value::Array(items) => items.iter().try_for_each(|item| self.follow(item)),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Ok(()),
        }
    }

    /// Reads a definition, after what it needs.
    fn define(&mut self, name: &str) -> Result<()> {
        if !self.seen.insert(name.to_owned()) {
            return Ok(());
        }
        let definitions = self.definitions;
        let schema = &definitions[name];
        self.follow(schema)?;
        if name.starts_with(ASKED) {
            return Ok(());
        }
        let (name, docs) = (name.to_owned(), text(&schema["description"]));
        if let Some(words) = words(schema) {
            self.read.sets.push(Set { name, docs, words });
        } else if schema["oneOf"].is_array() {
            let of = self.records_of(schema)?;
            self.read.unions.push(Union { name, docs, of });
        } else {
            let fields = fields(schema).with_context(|| format!("the record {name}"))?;
            self.read.records.push(Record { name, docs, tag: None, fields });
        }
        Ok(())
    }

    /// Reads a group and its doors, without those that are written by hand in every language.
    fn group(&mut self, group: &Value) -> Result<()> {
        let (name, docs) = (text(&group["name"]), text(&group["docs"]));
        if GROUPS_BY_HAND.contains(&name.as_str()) {
            return Ok(());
        }
        let doors: Vec<Door> =
            list(&group["doors"]).iter().map(|door| self.door(door)).collect::<Result<_>>()?;
        let is_written = |door: &Door| !DOORS_BY_HAND.contains(&door.name.as_str());
        self.read.groups.push(Group { name, docs, doors: doors.into_iter().filter(is_written).collect() });
        Ok(())
    }

    fn door(&self, door: &Value) -> Result<Door> {
        let (name, takes) = (text(&door["name"]), &door["takes"]);
        let mut by_place = arguments(takes).with_context(|| format!("the door {name}"))?;
        let mut within = None;
        // What a door takes as one filter is given field by field.
        if let [Argument { name, kind: Kind::Named(record), .. }] = by_place.as_slice()
            && name == FILTER
        {
            within = Some(name.clone());
            by_place = arguments(&self.definitions[record])?;
        }
        let places = usize::try_from(door["by_place"].as_u64().unwrap_or_default())?;
        ensure!(places <= by_place.len(), "the door {name} has fewer fields than are given by place");
        let by_name = by_place.split_off(places);
        let answers = match &door["answers"] {
            answers if answers["type"] == "null" => None,
            answers => Some(kind(answers).with_context(|| format!("what the door {name} answers"))?),
        };
        Ok(Door { name, docs: text(&takes["description"]), by_place, by_name, within, answers })
    }

    /// The records of a union, which are told what their `kind` says. Those without a name are left to the faces.
    fn records_of(&mut self, schema: &Value) -> Result<Vec<String>> {
        let mut of = Vec::new();
        for one in list(&schema["oneOf"]) {
            let Some(name) = one["$ref"].as_str().and_then(|to| to.strip_prefix(DEFINITIONS)) else {
                continue;
            };
            let found = self.read.records.iter_mut().find(|record| record.name == name);
            let record = found.with_context(|| format!("there is no record {name}"))?;
            record.tag = Some(text(&one["properties"]["kind"]["const"]));
            of.push(name.to_owned());
        }
        Ok(of)
    }
}

/// The words of a set, when it is one.
fn words(schema: &Value) -> Option<Vec<Word>> {
    let word = |one: &Value| {
        let word = one["const"].as_str().or(one.as_str())?.to_owned();
        let name = one["title"].as_str().unwrap_or(&word).to_owned();
        Some(Word { name, word, docs: text(&one["description"]) })
    };
    let words = schema["oneOf"].as_array().or(schema["enum"].as_array())?;
    words.iter().map(word).collect()
}

fn fields(schema: &Value) -> Result<Vec<Field>> {
    let field = |name: String| {
        let schema = &schema["properties"][&name];
        let kind = kind(schema).with_context(|| format!("the field {name}"))?;
        let docs = match kind.innermost() {
            // What is said of the kind stands there too.
            Kind::OneOf(_) | Kind::Object(_) => String::new(),
            _ => text(&schema["description"]),
        };
        Ok(Field { name, docs, kind })
    };
    fields_of(schema).into_iter().map(field).collect()
}

fn arguments(schema: &Value) -> Result<Vec<Argument>> {
    let argument = |Field { name, kind, .. }| {
        let default = schema["properties"][&name].get("default").filter(|default| !default.is_null());
        Argument { default: default.cloned(), name, kind }
    };
    Ok(fields(schema)?.into_iter().map(argument).collect())
}

fn kind(schema: &Value) -> Result<Kind> {
    if let Some(to) = schema["$ref"].as_str() {
        let name = to.strip_prefix(DEFINITIONS).context("a reference is to a definition")?;
        return Ok(Kind::Named(name.to_owned()));
    }
    if let [one, Value::Object(none)] = list(&schema["anyOf"])
        && none["type"] == "null"
    {
        return Ok(Kind::Maybe(Box::new(kind(one)?)));
    }
    let types: Vec<&str> = match &schema["type"] {
        Value::Array(types) => types.iter().filter_map(Value::as_str).collect(),
        one => one.as_str().into_iter().collect(),
    };
    let is_maybe = types.contains(&"null");
    let of = plain(schema, types.iter().find(|one| **one != "null").copied().unwrap_or_default())?;
    Ok(if is_maybe { Kind::Maybe(Box::new(of)) } else { of })
}

fn plain(schema: &Value, of: &str) -> Result<Kind> {
    Ok(match (of, schema["format"].as_str().unwrap_or_default()) {
        (_, "amount") => Kind::Amount,
        (_, "decimal") => Kind::Decimal,
        (_, "instant") => Kind::Instant,
        (_, "milliseconds") => Kind::Milliseconds,
        (_, "secret") => Kind::Secret,
        (_, "path") => Kind::Path,
        ("string", _) => match words(schema) {
            Some(words) => Kind::OneOf(words.into_iter().map(|word| word.word).collect()),
            None => Kind::Text,
        },
        ("integer", _) => Kind::Number,
        ("boolean", _) => Kind::Flag,
        ("array", _) => Kind::Many(Box::new(kind(&schema["items"])?)),
        ("object", _) if schema["additionalProperties"].is_object() => {
            Kind::Mapping(Box::new(kind(&schema["additionalProperties"])?))
        }
        ("object", _) => {
            let fields = fields(schema)?;
            Kind::Object(fields.into_iter().map(|field| (field.name, field.kind)).collect())
        }
        (other, _) => bail!("faces know no type {other:?}: {schema}"),
    })
}
