//! The description of the doors, read from its JSON Schema: records, words and events, in the order in which answers
//! name them, and questions in the order in which doors take them, each after what it needs.

use std::collections::BTreeSet;

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

/// Where definitions are referred to.
const DEFINITIONS: &str = "#/$defs/";
/// What the names of questions begin with, which faces leave out.
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
    pub(crate) questions: Vec<Question>,
    /// How a client is opened.
    pub(crate) settings: Vec<Argument>,
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

/// What doors are asked with as an object.
#[derive(Debug)]
pub(crate) struct Question {
    pub(crate) name: String,
    pub(crate) docs: String,
    pub(crate) fields: Vec<Argument>,
    pub(crate) answered: Answered,
}

/// Whether a question is an answer too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answered {
    Never,
    /// With other fields: more of a question may be left out.
    Otherwise,
    AsItIs,
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

/// What a door takes, or a field of what it takes.
#[derive(Debug)]
pub(crate) struct Argument {
    pub(crate) name: String,
    pub(crate) docs: String,
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
    /// A word of the set of this name.
    Word(String),
    /// A record of this name, or one of several.
    Record(String),
    /// A record of this name that is asked, where an answer of the name has other fields.
    NewRecord(String),
    /// A word of the set of this name, or something else.
    WordOr(String, Box<Kind>),
    /// One of these words, which have no name of their own.
    OneOf(Vec<String>),
    /// An object that has no name of its own.
    Object(Vec<(String, Kind)>),
    Maybe(Box<Kind>),
    Many(Box<Kind>),
    /// An object whose names the caller chooses.
    Mapping(Box<Kind>),
    /// An object whose names are words of the set of this name.
    ByWord(String, Box<Kind>),
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
            Self::Maybe(kind)
            | Self::Many(kind)
            | Self::Mapping(kind)
            | Self::ByWord(_, kind)
            | Self::WordOr(_, kind) => kind.innermost(),
            kind => kind,
        }
    }

    /// The record that it is, or has in it.
    pub(crate) fn record(&self) -> Option<&str> {
        match self.innermost() {
            Self::Record(name) | Self::NewRecord(name) => Some(name),
            _ => None,
        }
    }

    /// The sets of words that it needs.
    pub(crate) fn sets(&self) -> Vec<&str> {
        match self {
            Self::Word(set) => vec![set],
            Self::WordOr(set, kind) | Self::ByWord(set, kind) => [vec![set.as_str()], kind.sets()].concat(),
            Self::Maybe(kind) | Self::Many(kind) | Self::Mapping(kind) => kind.sets(),
            _ => Vec::new(),
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
                questions: Vec::new(),
                settings: Vec::new(),
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
        reader.follow(&json["opening"])?;
        reader.read.settings = arguments(reader.definitions, &json["opening"]).context("the settings")?;
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
    let takes = doors.iter().map(|door| &door["takes"]).chain([&json["opening"]]);
    let fields = definitions.chain(takes).flat_map(fields_of);
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
            let fields = fields(definitions, schema).with_context(|| format!("the record {name}"))?;
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
        let is_written = |door: &&Value| !DOORS_BY_HAND.contains(&text(&door["name"]).as_str());
        let mut doors = Vec::new();
        for door in list(&group["doors"]).iter().filter(is_written) {
            let door = self.door(door)?;
            for taken in door.by_place.iter().chain(&door.by_name) {
                self.ask(&taken.kind)?;
            }
            doors.push(door);
        }
        self.read.groups.push(Group { name, docs, doors });
        Ok(())
    }

    /// Reads the question that an argument is, after what it needs.
    fn ask(&mut self, taken: &Kind) -> Result<()> {
        let Some(name) = taken.record().map(str::to_owned) else { return Ok(()) };
        if self.read.questions.iter().any(|question| question.name == name) {
            return Ok(());
        }
        let asked = &self.definitions[format!("{ASKED}{name}")];
        let answer = self.read.records.iter().find(|record| record.name == name);
        let (schema, answered) = match (asked.is_object(), answer) {
            (true, None) => (asked, Answered::Never),
            (true, Some(_)) => (asked, Answered::Otherwise),
            (false, _) => (&self.definitions[&name], Answered::AsItIs),
        };
        let fields = arguments(self.definitions, schema).with_context(|| format!("the question {name}"))?;
        for answered in answer.iter().flat_map(|answer| &answer.fields) {
            let is_asked = fields.iter().any(|field| field.name == answered.name);
            // One class of Python is both.
            ensure!(is_asked, "{name} has the field {}, which is not taken: take it too", answered.name);
        }
        fields.iter().try_for_each(|field| self.ask(&field.kind))?;
        self.read.questions.push(Question { name, docs: text(&schema["description"]), fields, answered });
        Ok(())
    }

    fn door(&self, door: &Value) -> Result<Door> {
        let (name, takes, definitions) = (text(&door["name"]), &door["takes"], self.definitions);
        let mut by_place = arguments(definitions, takes).with_context(|| format!("the door {name}"))?;
        let mut within = None;
        // What a door takes as one filter is given field by field.
        if fields_of(takes) == [FILTER] {
            within = Some(FILTER.to_owned());
            by_place = arguments(definitions, &definitions[referred(&takes["properties"][FILTER])?])?;
        }
        let places = usize::try_from(door["by_place"].as_u64().unwrap_or_default())?;
        ensure!(places <= by_place.len(), "the door {name} has fewer fields than are given by place");
        let by_name = by_place.split_off(places);
        let answers = match &door["answers"] {
            answers if answers["type"] == "null" => None,
            answers => {
                let answers = kind(definitions, answers);
                Some(answers.with_context(|| format!("what the door {name} answers"))?)
            }
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

/// The name of the definition that a schema refers to.
fn referred(schema: &Value) -> Result<&str> {
    let to = schema["$ref"].as_str().and_then(|to| to.strip_prefix(DEFINITIONS));
    to.with_context(|| format!("a reference is to a definition: {schema}"))
}

fn fields(definitions: &Value, schema: &Value) -> Result<Vec<Field>> {
    let field = |name: String| {
        let schema = &schema["properties"][&name];
        let kind = kind(definitions, schema).with_context(|| format!("the field {name}"))?;
        let docs = match kind.innermost() {
            // What is said of the kind stands there too.
            Kind::Object(_) => String::new(),
            _ => text(&schema["description"]),
        };
        Ok(Field { name, docs, kind })
    };
    fields_of(schema).into_iter().map(field).collect()
}

fn arguments(definitions: &Value, schema: &Value) -> Result<Vec<Argument>> {
    let argument = |Field { name, docs, kind }| {
        let default = schema["properties"][&name].get("default").filter(|default| !default.is_null());
        Argument { default: default.cloned(), name, docs, kind }
    };
    Ok(fields(definitions, schema)?.into_iter().map(argument).collect())
}

fn kind(definitions: &Value, schema: &Value) -> Result<Kind> {
    if schema["$ref"].is_string() {
        let name = referred(schema)?.to_owned();
        let asked = name.strip_prefix(ASKED).map(str::to_owned);
        return Ok(match asked {
            _ if words(&definitions[&name]).is_some() => Kind::Word(name),
            Some(asked) if definitions[&asked].is_object() => Kind::NewRecord(asked),
            Some(asked) => Kind::Record(asked),
            None => Kind::Record(name),
        });
    }
    let (nothing, any): (Vec<&Value>, Vec<&Value>) =
        list(&schema["anyOf"]).iter().partition(|one| one["type"] == "null");
    if !any.is_empty() {
        let kinds: Vec<Kind> = any.into_iter().map(|one| kind(definitions, one)).collect::<Result<_>>()?;
        let of = match <[Kind; 2]>::try_from(kinds) {
            Ok([Kind::Word(set), other]) => Kind::WordOr(set, Box::new(other)),
            Err(one) if one.len() == 1 => one.into_iter().next().context("there is one")?,
            Ok(_) | Err(_) => bail!("faces know no such choice: {schema}"),
        };
        return Ok(if nothing.is_empty() { of } else { Kind::Maybe(Box::new(of)) });
    }
    let types: Vec<&str> = match &schema["type"] {
        Value::Array(types) => types.iter().filter_map(Value::as_str).collect(),
        one => one.as_str().into_iter().collect(),
    };
    let is_maybe = types.contains(&"null");
    let type_of = types.iter().find(|one| **one != "null").copied().unwrap_or_default();
    let of = plain(definitions, schema, type_of)?;
    Ok(if is_maybe { Kind::Maybe(Box::new(of)) } else { of })
}

fn plain(definitions: &Value, schema: &Value, of: &str) -> Result<Kind> {
    if let Some(words) = words(schema) {
        return Ok(Kind::OneOf(words.into_iter().map(|word| word.word).collect()));
    }
    Ok(match (of, schema["format"].as_str().unwrap_or_default()) {
        (_, "amount") => Kind::Amount,
        (_, "decimal") => Kind::Decimal,
        (_, "instant") => Kind::Instant,
        (_, "milliseconds") => Kind::Milliseconds,
        (_, "secret") => Kind::Secret,
        (_, "path") => Kind::Path,
        ("string", _) => Kind::Text,
        ("integer", _) => Kind::Number,
        ("boolean", _) => Kind::Flag,
        ("array", _) => Kind::Many(Box::new(kind(definitions, &schema["items"])?)),
        ("object", _) if schema["additionalProperties"].is_object() => {
            let of = Box::new(kind(definitions, &schema["additionalProperties"])?);
            match &schema["propertyNames"] {
                Value::Null => Kind::Mapping(of),
                names => Kind::ByWord(referred(names)?.to_owned(), of),
            }
        }
        ("object", _) => {
            let fields = fields(definitions, schema)?;
            Kind::Object(fields.into_iter().map(|field| (field.name, field.kind)).collect())
        }
        (other, _) => bail!("faces know no type {other:?}: {schema}"),
    })
}
