//! The doors in Python: their groups as they run, and what a type checker sees of them.

use std::collections::BTreeSet;

use super::{
    super::{
        Written,
        description::{Argument, Description, Door, Group, Kind, ROOT},
        text::{LINE_CHARACTERS_MAX, characters, pascal, with_examples},
    },
    HEAD, all_of, default_of, docstring, docstring_of, hint, import,
};

const DOORS: &str = "kingcong-py/python/kingcong/_doors.py";
const STUB: &str = "kingcong-py/python/kingcong/_doors.pyi";
/// What the files say of themselves.
const DOCS: &str = "\
The doors in their groups.

Each is its signature, its docstring and its name in the native half; what it takes and gives follows from the type
hints. The same classes serve both clients: with `AsyncKingCong` every door is awaited.";
const DOCS_OF_STUB: &str = "\
What `kingcong._doors` looks like to a type checker: the doors of the blocking client, and the awaited ones.";

/// Whether what is written runs.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Runs {
    Here,
    /// It is for type checkers alone.
    Never,
}

/// The doors as they run.
pub(super) fn file(description: &Description) -> Written {
    let groups = groups(description);
    let mut text = HEAD.to_owned();
    text.push_str(&format!("{}\n", docstring(DOCS, 0)));
    text.push_str("from __future__ import annotations\n\n");
    text.push_str(&imports(&groups, description, Runs::Here));
    text.push_str(&all_classes(&groups));
    for group in &groups {
        text.push_str(&class(group, &description.codes));
    }
    for Group { name, .. } in &groups {
        let slots = if name == ROOT { "" } else { "\n    __slots__ = ()\n" };
        let docs = format!("    \"\"\"As :class:`{name}`, awaited.\"\"\"\n");
        text.push_str(&format!("\n\nclass Async{name}({name}):\n{docs}{slots}"));
    }
    Written { path: DOORS, text }
}

/// The doors as a type checker sees them: those that wait, and those that are awaited.
pub(super) fn stub(description: &Description) -> Written {
    let groups = groups(description);
    let mut text = HEAD.to_owned();
    text.push_str(&format!("{}\n", docstring(DOCS_OF_STUB, 0)));
    text.push_str(&imports(&groups, description, Runs::Never));
    text.push_str(&all_classes(&groups));
    for (prefix, is_awaited) in [("", false), ("Async", true)] {
        for Group { name, doors, .. } in &groups {
            let base = if name == ROOT { "" } else { "(Group)" };
            text.push_str(&format!("\nclass {prefix}{name}{base}:\n"));
            for door in doors {
                let answer = answer(door);
                let answer = if is_awaited { format!("Coroutine[Any, Any, {answer}]") } else { answer };
                text.push_str(&format!("{}\n", signature(door, &answer, Runs::Never)));
            }
        }
    }
    Written { path: STUB, text }
}

/// The groups, the clients' own last.
fn groups(description: &Description) -> Vec<&Group> {
    let mut groups: Vec<&Group> = description.groups.iter().collect();
    groups.sort_by_key(|group| group.name == ROOT);
    groups
}

fn all_classes(groups: &[&Group]) -> String {
    let names: Vec<String> =
        groups.iter().flat_map(|group| [group.name.clone(), format!("Async{}", group.name)]).collect();
    all_of(names.iter().map(String::as_str))
}

/// What the signatures need.
fn imports(groups: &[&Group], description: &Description, runs: Runs) -> String {
    let doors = groups.iter().flat_map(|group| &group.doors);
    let kinds: Vec<&Kind> = doors
        .flat_map(|door| {
            let taken = door.by_place.iter().chain(&door.by_name).map(|argument| &argument.kind);
            taken.chain(&door.answers)
        })
        .collect();
    let words = kinds.iter().flat_map(|kind| kind.sets());
    let is_asked = |name: &str| description.questions.iter().any(|question| question.name == name);
    let (asked, answers): (Vec<&str>, Vec<&str>) =
        kinds.iter().filter_map(|kind| kind.record()).partition(|name| is_asked(name));
    let (abc, door) = match runs {
        Runs::Here => ("Callable", ["Group", "door"].as_slice()),
        Runs::Never => ("Coroutine", ["Group"].as_slice()),
    };

    let mut text = "import os\n".to_owned();
    text.push_str(&import("collections.abc", [abc, "Mapping"].into_iter()));
    text.push_str("from datetime import datetime\nfrom decimal import Decimal\nfrom typing import Any\n\n");
    text.push_str(&import("._answers", answers.into_iter()));
    text.push_str(&import("._asked", asked.into_iter()));
    text.push_str(&import("._door", door.iter().copied()));
    text.push_str(&import("._words", words));
    text.push('\n');
    text
}

fn class(Group { name, docs, doors }: &Group, codes: &BTreeSet<String>) -> String {
    let (base, head) = if name == ROOT {
        ("", "    _knock: Callable[..., Any]\n")
    } else {
        ("(Group)", "    __slots__ = ()\n")
    };
    let methods: String = doors.iter().map(|door| method(door, codes)).collect();
    format!("\n\nclass {name}{base}:\n{}\n{head}{methods}", docstring(docs, 4))
}

fn method(door: &Door, codes: &BTreeSet<String>) -> String {
    let within = door.within.iter().map(|within| format!(", within=\"{within}\"")).collect::<String>();
    let decorator = format!("    @door(\"{}\"{within})\n", door.name);
    let signature = signature(door, &answer(door), Runs::Here);
    format!(
        "\n{decorator}{signature}\n{}        raise NotImplementedError\n",
        docstring_with_examples(&door.docs, codes)
    )
}

/// A method's head, broken as ruff does: all arguments in a line of their own, or one a line.
fn signature(door: &Door, answer: &str, runs: Runs) -> String {
    let by_place = door.by_place.iter().map(|one| format!("{}: {}", one.name, asked(&one.kind)));
    let mut arguments: Vec<String> = std::iter::once("self".to_owned()).chain(by_place).collect();
    if !door.by_name.is_empty() {
        arguments.push("*".to_owned());
        arguments.extend(door.by_name.iter().map(|argument| by_name(argument, runs)));
    }
    let head = format!("    def {}(", door.method());
    let tail = format!(") -> {answer}:{}", if runs == Runs::Never { " ..." } else { "" });
    let one = arguments.join(", ");
    if characters(&format!("{head}{one}{tail}")) <= LINE_CHARACTERS_MAX {
        return format!("{head}{one}{tail}");
    }
    if characters(&format!("        {one}")) <= LINE_CHARACTERS_MAX {
        return format!("{head}\n        {one}\n    {tail}");
    }
    format!("{head}\n        {},\n    {tail}", arguments.join(",\n        "))
}

fn by_name(Argument { name, kind, default, .. }: &Argument, runs: Runs) -> String {
    let default = match (default_of(default.as_ref(), kind), kind) {
        (Some(_), Kind::Word(_)) if runs == Runs::Never => " = ...".to_owned(),
        (Some(default), _) => format!(" = {default}"),
        (None, _) => String::new(),
    };
    format!("{name}: {}{default}", asked(kind))
}

/// The type of an answer.
fn answer(door: &Door) -> String {
    door.answers.as_ref().map_or_else(|| "None".to_owned(), hint)
}

/// The type of an argument, which may be wider than that of an answer.
fn asked(kind: &Kind) -> String {
    match kind {
        Kind::Amount => "Decimal | int".to_owned(),
        Kind::Path => "str | os.PathLike[str]".to_owned(),
        Kind::Maybe(kind) => format!("{} | None", asked(kind)),
        Kind::Mapping(kind) => format!("Mapping[str, {}]", asked(kind)),
        kind => hint(kind),
    }
}

/// A text as a method's docstring, with its examples in Python. The codes of problems are classes of errors.
fn docstring_with_examples(docs: &str, codes: &BTreeSet<String>) -> String {
    let (words, example) = with_examples(docs, "python");
    let docs = docstring_of(&words, 8, |quoted| match codes.contains(quoted) {
        true => format!(":class:`{}`", pascal(quoted)),
        false => format!("``{quoted}``"),
    });
    if example.is_empty() {
        return docs;
    }
    let line = |line: &str| if line.is_empty() { "\n".to_owned() } else { format!("        {line}\n") };
    let lines: String = example.into_iter().map(line).collect();
    let head = docs.trim_end().trim_end_matches('"').trim_end();
    format!("{head}\n\n{lines}        \"\"\"\n")
}
