//! Subtitles as SubRip, made from the timings that upstreams give.

use std::fmt::Write as _;

use serde_json::Value;

use crate::wire::lenient::{first, text, thousandths};

/// A cue longer than this many characters ends at the next space.
const CUE_CHARS_MAX: usize = 80;
/// A cue without a space ends after this many characters.
const CUE_CHARS_HARD_MAX: usize = 120;

/// A text that is shown for a time.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Cue {
    start_ms: i64,
    end_ms: i64,
    text: String,
}

/// Subtitles from ElevenLabs' alignment, which times every character; none if it does not hold together.
pub(crate) fn from_alignment(alignment: &Value) -> Option<String> {
    let list = |name| first(alignment, &[name]).and_then(Value::as_array);
    let characters = list("characters")?;
    let starts = list("character_start_times_seconds")?;
    let ends = list("character_end_times_seconds")?;
    if characters.len() != starts.len() || characters.len() != ends.len() {
        return None;
    }
    let mut cues: Vec<Cue> = Vec::new();
    let mut open: Option<Cue> = None;
    for ((character, start), end) in characters.iter().zip(starts).zip(ends) {
        let (character, start_ms, end_ms) = (character.as_str()?, thousandths(start)?, thousandths(end)?);
        let cue = open.get_or_insert(Cue { start_ms, end_ms, text: String::new() });
        if cue.text.is_empty() {
            cue.start_ms = start_ms;
        }
        if !(cue.text.is_empty() && character.trim().is_empty()) {
            cue.text.push_str(character);
            cue.end_ms = end_ms;
        }
        if is_full(&cue.text) {
            cues.extend(open.take());
        }
    }
    cues.extend(open);
    printed(cues)
}

/// Subtitles from MiniMax' list of sentences with times in milliseconds; none if it is no such list.
pub(crate) fn from_sentences(json: &str) -> Option<String> {
    let sentences: Vec<Value> = serde_json::from_str(json).ok()?;
    let cues = sentences.iter().map(|sentence| {
        let millis = |names: &[&str]| Some(thousandths(first(sentence, names)?)? / 1000);
        Some(Cue {
            start_ms: millis(&["time_begin"])?,
            end_ms: millis(&["time_end"])?,
            text: text(sentence, &["text"])?,
        })
    });
    printed(cues.collect::<Option<Vec<_>>>()?)
}

fn is_full(text: &str) -> bool {
    let length = text.chars().count();
    text.ends_with(['。', '！', '？', '\n'])
        || (text.ends_with(char::is_whitespace)
            && (length > CUE_CHARS_MAX || text.trim_end().ends_with(['.', '!', '?', '…'])))
        || length >= CUE_CHARS_HARD_MAX
}

fn printed(cues: Vec<Cue>) -> Option<String> {
    let mut srt = String::new();
    let spoken = cues.into_iter().filter(|cue| !cue.text.trim().is_empty());
    for (number, cue) in spoken.enumerate() {
        // An empty line would end the cue.
        let text = cue.text.split_whitespace().collect::<Vec<_>>().join(" ");
        let (start, end) = (timestamp(cue.start_ms), timestamp(cue.end_ms));
        writeln!(srt, "{}\n{start} --> {end}\n{text}\n", number + 1)
            .expect("writing to a String cannot fail");
    }
    (!srt.is_empty()).then_some(srt)
}

fn timestamp(ms: i64) -> String {
    let ms = ms.max(0);
    let (seconds, minutes, hours) = (ms / 1000, ms / 60_000, ms / 3_600_000);
    format!("{hours:02}:{:02}:{:02},{:03}", minutes % 60, seconds % 60, ms % 1000)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn aligned(text: &str) -> Value {
        let count = text.chars().count();
        let seconds =
            |offset: usize| (0..count).map(move |i| format!("{}.{}", (i + offset) / 10, (i + offset) % 10));
        json!({
            "characters": text.chars().map(String::from).collect::<Vec<_>>(),
            "character_start_times_seconds": seconds(0).collect::<Vec<_>>(),
            "character_end_times_seconds": seconds(1).collect::<Vec<_>>(),
        })
    }

    #[test]
    fn an_alignment_becomes_a_cue_for_each_sentence() {
        assert_eq!(
            from_alignment(&aligned("Xin chào. Tạm biệt!")).unwrap(),
            "1\n00:00:00,000 --> 00:00:01,000\nXin chào.\n\n2\n00:00:01,000 --> 00:00:01,900\nTạm biệt!\n\n"
        );
        assert_eq!(from_alignment(&aligned("你好。再见。")).unwrap().matches("-->").count(), 2);
        assert_eq!(from_alignment(&aligned("")), None);
        assert_eq!(from_alignment(&json!({"characters": ["a"]})), None);
        let mut torn = aligned("ab");
        torn["characters"] = json!(["a"]);
        assert_eq!(from_alignment(&torn), None);
    }

    #[test]
    fn sentences_become_cues() {
        let json = r#"[{"text": "A b.", "time_begin": 0, "time_end": 1500.7},
            {"text": "c", "time_begin": "3600000", "time_end": 3661001}]"#;
        assert_eq!(
            from_sentences(json).unwrap(),
            "1\n00:00:00,000 --> 00:00:01,500\nA b.\n\n2\n01:00:00,000 --> 01:01:01,001\nc\n\n"
        );
        assert_eq!(from_sentences("{}"), None);
        assert_eq!(from_sentences(r#"[{"text": "no times"}]"#), None);
    }

    proptest! {
        #[test]
        fn every_spoken_character_is_shown(text in "[a-zA-Zéố你。.!? \n]{0,400}") {
            let srt = from_alignment(&aligned(&text)).unwrap_or_default();
            let shown: String = srt
                .split("\n\n")
                .filter_map(|cue| cue.splitn(3, '\n').nth(2))
                .flat_map(str::chars)
                .filter(|c| !c.is_whitespace())
                .collect();
            let spoken: String = text.chars().filter(|c| !c.is_whitespace()).collect();
            prop_assert_eq!(shown, spoken);
        }
    }
}
