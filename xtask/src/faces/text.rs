//! Texts of the doors' documentation, as other languages write them.

use std::collections::BTreeSet;

/// Longest line of what is written.
pub(crate) const LINE_CHARACTERS_MAX: usize = 120;

/// The paragraphs of a text, each in one line.
pub(crate) fn paragraphs(text: &str) -> Vec<String> {
    let parts = text.split("\n\n").filter(|part| !part.trim().is_empty());
    parts.map(|paragraph| paragraph.split_whitespace().collect::<Vec<_>>().join(" ")).collect()
}

/// A text without its examples, and the examples in a language, line by line.
pub(crate) fn with_examples<'t>(text: &'t str, language: &str) -> (String, Vec<&'t str>) {
    let (mut words, mut example, mut fence) = (Vec::new(), Vec::new(), None);
    for line in text.lines() {
        match (line.strip_prefix("```"), fence) {
            (Some(of), None) => fence = Some(of),
            (Some(_), Some(_)) => fence = None,
            (None, None) => words.push(line),
            (None, Some(of)) if of == language => example.push(line),
            (None, Some(_)) => {}
        }
    }
    (words.join("\n").trim().to_owned(), example)
}

/// The lines of a paragraph of at most this width; the first has `first` characters less.
pub(crate) fn wrapped(paragraph: &str, width: usize, first: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in paragraph.split(' ') {
        let less = if lines.len() <= 1 { first } else { 0 };
        match lines.last_mut() {
            Some(line) if characters(line) + 1 + characters(word) + less <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

/// How many characters a text has.
pub(crate) fn characters(text: &str) -> usize {
    text.chars().count()
}

/// A text with what stands between backquotes in it made anew.
pub(crate) fn requoted(text: &str, quoted: impl Fn(&str) -> String) -> String {
    let parts = text.split('`').enumerate();
    parts.map(|(place, part)| if place % 2 == 1 { quoted(part) } else { part.to_owned() }).collect()
}

/// `max_in_flight` as `maxInFlight`, when it is one of the names; each part of `accounts.set_limits` likewise.
pub(crate) fn camel_if_named(text: &str, names: &BTreeSet<String>) -> String {
    if names.contains(text) { camel(text) } else { text.to_owned() }
}

/// `max_in_flight` as `maxInFlight`.
pub(crate) fn camel(name: &str) -> String {
    let mut words = name.split('_');
    let mut camel = words.next().unwrap_or_default().to_owned();
    for word in words {
        let mut letters = word.chars();
        camel.extend(letters.next().map(|first| first.to_ascii_uppercase()));
        camel.push_str(letters.as_str());
    }
    camel
}

/// `not_found` as `NotFound`.
pub(crate) fn pascal(name: &str) -> String {
    let camel = camel(name);
    let mut letters = camel.chars();
    letters.next().map(|first| first.to_ascii_uppercase()).into_iter().chain(letters).collect()
}

/// `CloneVoice` and `audio_ms` as `CLONE_VOICE` and `AUDIO_MS`.
pub(crate) fn screaming(name: &str) -> String {
    let mut screaming = String::new();
    let mut after_small = false;
    for letter in name.chars() {
        if letter.is_ascii_uppercase() && after_small {
            screaming.push('_');
        }
        after_small = letter.is_ascii_lowercase() || letter.is_ascii_digit();
        screaming.push(letter.to_ascii_uppercase());
    }
    screaming
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_written_as_each_language_does() {
        assert_eq!(camel("max_in_flight"), "maxInFlight");
        assert_eq!(pascal("not_found"), "NotFound");
        for (name, expected) in
            [("CloneVoice", "CLONE_VOICE"), ("audio_ms", "AUDIO_MS"), ("CREDIT", "CREDIT"), ("On", "ON")]
        {
            assert_eq!(screaming(name), expected);
        }
        let names = BTreeSet::from(["paid_debt".to_owned()]);
        let text = requoted("`paid_debt` and `all_on`", |name| format!("<{}>", camel_if_named(name, &names)));
        assert_eq!(text, "<paidDebt> and <all_on>");
    }

    #[test]
    fn lines_are_as_long_as_they_may_be() {
        assert_eq!(wrapped("one two three four", 9, 0), ["one two", "three", "four"]);
        assert_eq!(wrapped("one two three", 9, 3), ["one", "two three"]);
        assert_eq!(paragraphs("a\nb\n\nc"), ["a b", "c"]);
    }
}
