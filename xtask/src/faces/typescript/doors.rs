//! The doors in TypeScript: their groups with the tables of what each takes by name, and what checks their questions.

use std::collections::BTreeSet;

use super::{
    super::{
        Written,
        description::{Answered, Argument, Description, Door, Group, Kind, Question, ROOT},
        text::{LINE_CHARACTERS_MAX, camel, characters, screaming, with_examples},
    },
    HEAD, block, comment, import, names_in, names_of_answers, of, question_name,
};

const DOORS: &str = "kingcong-node/src-ts/doors.ts";
const CHECKS: &str = "kingcong-node/src-ts/checks.ts";
/// Words that the library checks itself, with an error of its own.
const CHECKED_BY_LIBRARY: &[&str] = &["TenantState"];
/// Arguments whose names are words of the language, as texts and as records: what they are called here.
const RESERVED: &[(&str, &str, &str)] = &[("package", "packageId", "offer"), ("switch", "to", "to")];

/// The doors.
pub(super) fn file(description: &Description) -> Written {
    let mut body = String::new();
    for group in &description.groups {
        body.push_str(&class(group, &description.names));
    }
    let mut text = HEAD.to_owned();
    text.push_str(
        "/**\n * The doors in their groups. Every door takes `{ signal }` as (part of) its last argument: ",
    );
    text.push_str("aborting ends the waiting,\n * and never what was asked or its settlement.\n *\n");
    text.push_str(" * @module\n */\n\n");
    let (types, checks) = (types_in(description), checks_in(description));
    let questions = description.questions.iter();
    text.push_str(&import("import type", names_of_answers(description), "answers", &types));
    let asked = questions.clone().filter(|question| question.answered != Answered::AsItIs).map(question_name);
    text.push_str(&import("import type", asked, "asked", &types));
    text.push_str(&import(
        "import",
        questions.map(|question| name_of_check(&question.name)),
        "checks",
        &checks,
    ));
    text.push_str(&import("import", ["WORDS".to_owned()].into_iter(), "described", &checks));
    text.push_str("import { Asker, Group } from './group';\n");
    let by_hand = ["Amount", "Waiting"].into_iter().map(str::to_owned);
    text.push_str(&import("import type", by_hand, "types", &types));
    text.push_str("import * as wire from './wire';\n");
    text.push_str(&body);
    Written { path: DOORS, text }
}

/// What checks the records that doors take, and the settings.
pub(super) fn checks(description: &Description) -> Written {
    let mut text = HEAD.to_owned();
    text.push_str(
        "/**\n * What checks the records that doors and `open` take, and gives them as they are sent.\n *\n",
    );
    text.push_str(
        " * @module\n */\n\nimport { WORDS } from './described';\nimport * as wire from './wire';\n",
    );
    for Question { name, fields, .. } in &description.questions {
        let fields = fields.iter().map(field_of).collect();
        let head = format!("export const {} = wire.record({{", name_of_check(name));
        text.push_str(&format!("\n{}", block(&head, fields, "});", 0)));
    }
    let settings = description.settings.iter().map(field_of).collect();
    let table = block("export const SETTINGS: wire.Fields = {", settings, "};", 0);
    text.push_str(&format!("\n/** The settings of `open`. */\n{table}"));
    Written { path: CHECKS, text }
}

/// The names of the types that signatures need.
fn types_in(description: &Description) -> BTreeSet<String> {
    let doors = description.groups.iter().flat_map(|group| &group.doors);
    let types = doors.flat_map(|door| {
        let taken = door.by_place.iter().chain(&door.by_name).map(|argument| of(&argument.kind));
        taken.chain(door.answers.as_ref().map(answered))
    });
    types.flat_map(|one| names_in(&one)).chain(["Waiting".to_owned()]).collect()
}

/// The names of the checks that doors need.
fn checks_in(description: &Description) -> BTreeSet<String> {
    let doors = description.groups.iter().flat_map(|group| &group.doors);
    let by_place = doors.clone().flat_map(|door| &door.by_place).map(|argument| check(&argument.kind));
    let by_name = doors.flat_map(|door| &door.by_name).map(field_of);
    by_place.chain(by_name).flat_map(|one| names_in(&one)).collect()
}

/// A group, after the tables of its doors.
fn class(Group { name, docs, doors }: &Group, names: &BTreeSet<String>) -> String {
    let tables: String = doors.iter().map(table).collect();
    let head = if name == ROOT {
        format!("export abstract class {name} extends Asker {{")
    } else {
        format!("export class {name} extends Group {{")
    };
    let methods: Vec<String> = doors.iter().map(|door| method(door, names)).collect();
    format!("\n{tables}{}{head}\n{}}}\n", comment(docs, 0, names), methods.join("\n"))
}

/// What a door takes by name, each with its check.
fn table(door: &Door) -> String {
    if door.by_name.is_empty() {
        return String::new();
    }
    let fields = door.by_name.iter().map(field_of).collect();
    format!("{}\n", block(&format!("const {}: wire.Fields = {{", name_of_table(door)), fields, "};", 0))
}

/// A field with its check.
fn field_of(argument: &Argument) -> String {
    let (name, check) = (camel(&argument.name), check(argument.kind.given()));
    match argument.is_optional() {
        true => format!("{name}: wire.optional({check})"),
        false => format!("{name}: {check}"),
    }
}

fn name_of_table(door: &Door) -> String {
    screaming(&door.name.replace('.', "_"))
}

/// What checks a value.
fn check(kind: &Kind) -> String {
    match kind {
        Kind::Text | Kind::Path | Kind::Decimal => "wire.text".to_owned(),
        Kind::Secret => "wire.secret".to_owned(),
        Kind::Number | Kind::Milliseconds => "wire.count".to_owned(),
        Kind::Flag => "wire.flag".to_owned(),
        Kind::Amount => "wire.amount".to_owned(),
        Kind::Instant => "wire.instant".to_owned(),
        Kind::OneOf(words) => format!("wire.oneOf('{}')", words.join("', '")),
        Kind::Word(name) if CHECKED_BY_LIBRARY.contains(&name.as_str()) => "wire.text".to_owned(),
        Kind::Word(name) => format!("wire.oneOf(...WORDS.{name})"),
        Kind::WordOr(name, kind) => format!("wire.wordOr(WORDS.{name}, {})", check(kind)),
        Kind::Record(name) | Kind::NewRecord(name) => name_of_check(name),
        Kind::Maybe(kind) => format!("wire.nullable({})", check(kind)),
        Kind::Mapping(kind) | Kind::ByWord(_, kind) => format!("wire.mapping({})", check(kind)),
        Kind::Many(kind) => format!("wire.list({})", check(kind)),
        Kind::Object(fields) => {
            let fields = fields.iter().map(|(name, kind)| format!("{}: {}", camel(name), check(kind)));
            format!("wire.record({{ {} }})", fields.collect::<Vec<_>>().join(", "))
        }
    }
}

/// What the check of a record is called: `priceLineOf` checks a `PriceLine`.
fn name_of_check(name: &str) -> String {
    let mut letters = name.chars();
    let first = letters.next().map(|first| first.to_ascii_lowercase());
    format!("{}Of", first.into_iter().chain(letters).collect::<String>())
}

/// A door, as Prettier breaks it.
fn method(door: &Door, names: &BTreeSet<String>) -> String {
    let placed = door.by_place.iter();
    let mut parameters: Vec<String> =
        placed.map(|argument| format!("{}: {}", name_of(argument), of(&argument.kind))).collect();
    parameters.push(options(door));
    let head = format!("  async {}(", camel(door.method()));
    let answer = door.answers.as_ref().map_or_else(|| "void".to_owned(), answered);
    let tail = format!("): Promise<{answer}> {{");
    let one = format!("{head}{}{tail}\n", parameters.join(", "));
    let signature = if characters(one.trim_end()) <= LINE_CHARACTERS_MAX {
        one
    } else {
        let lines: String =
            parameters.iter().map(|parameter| format!("    {},\n", broken(parameter))).collect();
        format!("{head}\n{lines}  {tail}\n")
    };
    format!("{}{signature}{}  }}\n", comment_of(&door.docs, names), call(door))
}

/// What the method does.
fn call(door: &Door) -> String {
    let given = |argument: &Argument| {
        let name = name_of(argument);
        let told = if argument.kind.record().is_some() { camel(&argument.name) } else { name.clone() };
        format!("{}: {}({name}, '{told}')", argument.name, check(&argument.kind))
    };
    let given: Vec<String> = door.by_place.iter().map(given).collect();
    let one = if given.is_empty() { "{}".to_owned() } else { format!("{{ {} }}", given.join(", ")) };
    let mut arguments = vec![format!("'{}'", door.name), one, "options".to_owned()];
    if !door.by_name.is_empty() {
        arguments.push(name_of_table(door));
    }
    if let Some(within) = &door.within {
        arguments.push(format!("'{within}'"));
    }
    let keyword = if door.answers.is_some() { "return" } else { "await" };
    let one = format!("    {keyword} this.ask({});\n", arguments.join(", "));
    if characters(one.trim_end()) <= LINE_CHARACTERS_MAX {
        return one;
    }
    arguments[1] = block("{", given, "}", 6).trim().to_owned();
    format!("    {keyword} this.ask(\n      {},\n    );\n", arguments.join(",\n      "))
}

/// The last argument: the signal, and what is given by name.
fn options(door: &Door) -> String {
    if door.by_name.is_empty() {
        return "options?: Waiting".to_owned();
    }
    let is_needed = door.by_name.iter().any(|argument| !argument.is_optional());
    let field = |argument: &Argument| {
        let (name, of) = (camel(&argument.name), of(argument.kind.given()));
        match argument.is_optional() {
            true => format!("readonly {name}?: {of} | undefined"),
            false => format!("readonly {name}: {of}"),
        }
    };
    let fields: Vec<String> = door.by_name.iter().map(field).collect();
    let question = if is_needed { "" } else { "?" };
    format!("options{question}: Waiting & {{ {} }}", fields.join("; "))
}

/// A parameter in a line of its own, with a field a line where it is too long.
fn broken(parameter: &str) -> String {
    if characters(&format!("    {parameter},")) <= LINE_CHARACTERS_MAX {
        return parameter.to_owned();
    }
    match parameter.split_once("{ ").and_then(|(head, rest)| Some((head, rest.strip_suffix(" }")?))) {
        Some((head, fields)) => format!("{head}{{\n      {};\n    }}", fields.replace("; ", ";\n      ")),
        None => parameter.to_owned(),
    }
}

/// What an argument is called.
fn name_of(argument: &Argument) -> String {
    match RESERVED.iter().find(|(name, _, _)| *name == argument.name) {
        Some((_, _, record)) if argument.kind.record().is_some() => (*record).to_owned(),
        Some((_, text, _)) => (*text).to_owned(),
        None => camel(&argument.name),
    }
}

/// The type of a whole answer, which belongs to its caller.
fn answered(kind: &Kind) -> String {
    match kind {
        Kind::Many(kind) => format!("{}[]", of(kind)),
        kind => of(kind),
    }
}

/// A text as a method's comment, with its example in TypeScript.
fn comment_of(docs: &str, names: &BTreeSet<String>) -> String {
    let (words, example) = with_examples(docs, "ts");
    let docs = comment(&words, 2, names);
    if example.is_empty() {
        return docs;
    }
    let head = match docs.strip_prefix("  /** ").and_then(|one| one.strip_suffix(" */\n")) {
        Some(one) => format!("  /**\n   * {one}\n"),
        None => docs.strip_suffix("   */\n").unwrap_or(&docs).to_owned(),
    };
    let line = |line: &str| if line.is_empty() { "   *\n".to_owned() } else { format!("   * {line}\n") };
    let lines: String = example.into_iter().map(line).collect();
    format!("{head}   *\n   * @example\n   * ```ts\n{lines}   * ```\n   */\n")
}
