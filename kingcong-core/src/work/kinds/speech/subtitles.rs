//! Subtitles as SubRip (SRT): cues of a time span and lines of text, numbered from 1.
//!
//! Upstreams write them loosely, so they are read as common tools write them, WebVTT and its cue settings included, and
//! are always written strictly. No word is lost on the way: a time that cannot be read is put right, and what is
//! neither a time, a number nor a setting is text.

use std::fmt::Write;

/// A time span in milliseconds and what is shown in it.
#[derive(Debug)]
struct Cue<'a> {
    start_ms: u64,
    end_ms: u64,
    lines: Vec<&'a str>,
}

/// Joins the subtitles of pieces, each given with its piece's duration in milliseconds: every piece's cues are
/// moved by the durations of the pieces before it, put in order, kept within their piece, and numbered anew. A piece
/// without subtitles leaves a gap. None when no piece has a cue.
///
/// ```
/// use kingcong_core::work::join_srt;
///
/// let piece = "1\n00:00:00,500 --> 00:00:01,000\nXin chào\n";
/// let joined = join_srt(&[(Some(piece), 2_000), (None, 60_000), (Some(piece), 2_000)]).unwrap();
/// assert!(joined.ends_with("2\n00:01:02,500 --> 00:01:03,000\nXin chào\n\n"));
/// assert_eq!(join_srt(&[(None, 2_000)]), None);
/// ```
#[must_use]
pub fn join_srt(pieces: &[(Option<&str>, u64)]) -> Option<String> {
    let mut joined = String::new();
    let mut number = 0_u64;
    let mut before_ms = 0_u64;
    for &(srt, duration_ms) in pieces {
        let mut cues = read_srt(srt.unwrap_or_default());
        cues.sort_by_key(|cue| cue.start_ms);
        for cue in cues {
            number += 1;
            let place = |ms: u64| stamp(ms.min(duration_ms).saturating_add(before_ms));
            let (start, end) = (place(cue.start_ms), place(cue.end_ms));
            write!(joined, "{number}\n{start} --> {end}\n{}\n\n", cue.lines.join("\n"))
                .expect("a string takes all text");
        }
        before_ms = before_ms.saturating_add(duration_ms);
    }
    (number > 0).then_some(joined)
}

/// A line that is not empty.
#[derive(Clone, Copy, Debug)]
struct Line<'a> {
    text: &'a str,
    is_after_empty_line: bool,
    span: Option<Span<'a>>,
}

/// The line of a cue's times.
#[derive(Clone, Copy, Debug)]
struct Span<'a> {
    /// None where it cannot be read.
    start_ms: Option<u64>,
    end_ms: Option<u64>,
    /// Words on the same line.
    words: &'a str,
}

/// The cues that have text. Lines before the first time span, numbers and empty lines are passed over.
fn read_srt(srt: &str) -> Vec<Cue<'_>> {
    let (lines, is_web) = read_lines(srt);
    let spans: Vec<usize> = (0..lines.len()).filter(|&at| lines[at].span.is_some()).collect();
    // Where cues are numbered, the line before a span is a number; elsewhere it is text, even if it looks alike.
    let first_number =
        spans.first().and_then(|first| first.checked_sub(1)).filter(|&at| is_number(lines[at].text));
    let is_apart = first_number.is_some_and(|at| lines[at + 1].is_after_empty_line);
    // A cue of WebVTT may be named by any line that stands alone above its times.
    let names = |span: usize| {
        let at = span - 1;
        let is_heading = is_web && lines[at].is_after_empty_line && !lines[span].is_after_empty_line;
        let is_number = first_number.is_some()
            && is_number(lines[at].text)
            && (is_apart || !lines[span].is_after_empty_line);
        is_heading || is_number
    };
    let mut cues: Vec<Cue<'_>> = Vec::with_capacity(spans.len());
    let mut before_ms = 0;
    for (index, &at) in spans.iter().enumerate() {
        let end = match spans.get(index + 1) {
            Some(&next) if next - 1 > at && names(next) => next - 1,
            Some(&next) => next,
            None => lines.len(),
        };
        let Some(span) = lines[at].span else { continue };
        let start_ms = span.start_ms.unwrap_or(before_ms);
        let end_ms = span.end_ms.unwrap_or(start_ms).max(start_ms);
        before_ms = end_ms;
        let words = Some(span.words).filter(|words| !words.is_empty());
        let text: Vec<&str> =
            words.into_iter().chain(lines[at + 1..end].iter().map(|line| line.text)).collect();
        if !text.is_empty() {
            cues.push(Cue { start_ms, end_ms, lines: text });
        }
    }
    cues
}

/// The lines that are not empty, and whether they are of WebVTT, whose notes and styles are left out.
fn read_lines(srt: &str) -> (Vec<Line<'_>>, bool) {
    let all = srt.split('\n').flat_map(|line| line.trim_end_matches('\r').split('\r')).map(trimmed);
    let mut lines: Vec<Line<'_>> = Vec::new();
    let (mut is_after_empty_line, mut is_note, mut is_web) = (true, false, false);
    for text in all {
        if text.is_empty() {
            (is_after_empty_line, is_note) = (true, false);
            continue;
        }
        is_web |= lines.is_empty() && text.starts_with("WEBVTT");
        if is_web && is_after_empty_line {
            let word = text.split_whitespace().next().unwrap_or_default();
            is_note = matches!(word, "NOTE" | "STYLE" | "REGION");
        }
        let span = read_span(text);
        if !is_note || span.is_some() {
            lines.push(Line { text, is_after_empty_line, span });
            is_note = false;
        }
        is_after_empty_line = false;
    }
    (lines, is_web)
}

fn is_number(line: &str) -> bool {
    line.bytes().all(|byte| byte.is_ascii_digit())
}

/// A time span: `00:00:01,500 --> 00:00:02,000 X1:40`, and what is written in its place.
fn read_span(line: &str) -> Option<Span<'_>> {
    let span = find_span(line)?;
    let words = trimmed(span.words);
    let are_words = !is_settings(words) && find_span(words).is_none();
    Some(Span { words: if are_words { words } else { "" }, ..span })
}

fn find_span(line: &str) -> Option<Span<'_>> {
    let unnumbered = line.trim_start_matches(|c: char| c.is_ascii_digit()).trim_start();
    read_times(line).or_else(|| read_times(unnumbered)).or_else(|| read_broken(line))
}

fn trimmed(line: &str) -> &str {
    line.trim_matches(|c: char| c.is_whitespace() || c == '\u{feff}' || c == '\u{200b}')
}

/// How a time is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    /// With hours or with a fraction of a second.
    Full,
    /// `00:01`, which a text may have, too.
    Short,
    /// `1.5`: seconds alone.
    Seconds,
}

fn read_times(line: &str) -> Option<Span<'_>> {
    let opened = line.trim_start_matches(['[', '(']);
    let (start_ms, start_form, rest) = read_stamp(opened)?;
    let (is_usual, rest) = read_arrow(rest)?;
    let (end_ms, end_form, rest) = read_stamp(rest)?;
    let is_sure = start_form == Form::Full && end_form == Form::Full;
    if !is_sure && !is_usual {
        return None;
    }
    let rest =
        if opened.len() < line.len() { rest.trim_start().trim_start_matches([']', ')']) } else { rest };
    Some(Span { start_ms: Some(start_ms), end_ms: Some(end_ms), words: rest.trim() })
}

/// A line of times of which one or both cannot be read; nobody is to see it all the same.
fn read_broken(line: &str) -> Option<Span<'_>> {
    let (start, end) = line.split_once("-->")?;
    let looks_like_time = |side: &str| {
        let mut characters = side.trim().chars();
        characters.next().is_some_and(|c| c.is_ascii_digit() || is_minus(c)) && side.contains(':')
    };
    if !looks_like_time(start) && !looks_like_time(end) {
        return None;
    }
    let whole = |side| read_stamp(side).filter(|(_, _, rest)| rest.trim().is_empty()).map(|(ms, _, _)| ms);
    let end_stamp = read_stamp(end);
    let words = match end_stamp {
        Some((_, _, rest)) => rest.trim(),
        // After what stands where the time should.
        None => end.trim().split_once(char::is_whitespace).map_or("", |(_, words)| words.trim()),
    };
    Some(Span { start_ms: whole(start), end_ms: end_stamp.map(|(ms, _, _)| ms), words })
}

/// The arrow between two times, whether it is `-->`, and what follows it.
fn read_arrow(text: &str) -> Option<(bool, &str)> {
    let text = text.trim_start();
    if let Some(rest) = text.strip_prefix("--&gt;") {
        return Some((true, rest));
    }
    let is_shaft = |c: char| matches!(c, '-' | '–' | '—' | '−' | '=' | '~' | ' ');
    let head = text.trim_start_matches(is_shaft);
    let rest = head.strip_prefix(['>', '→', '›', '＞'])?.trim_start_matches('>');
    let arrow = &text[..text.len() - rest.len()];
    Some((arrow == "-->", rest))
}

fn is_minus(c: char) -> bool {
    matches!(c, '-' | '−' | '–')
}

/// A time such as `00:00:01,500`, `0:00:01.5`, `00:01.500`, `00:00:01:500`, `00: 00: 01, 500` or `-00:00:00,050` in
/// milliseconds, how it is written, and what follows it. A time before zero is zero.
fn read_stamp(text: &str) -> Option<(u64, Form, &str)> {
    let mut fields: [&str; 4] = [""; 4];
    let (mut count, mut is_negative, mut fraction) = (0, false, None);
    let mut rest = text;
    loop {
        let signed = rest.trim_start();
        let unsigned = signed.trim_start_matches(is_minus);
        is_negative |= unsigned.len() < signed.len();
        let (digits, after) = digits(unsigned)?;
        *fields.get_mut(count)? = digits;
        count += 1;
        rest = after;
        let next = after.trim_start();
        if let Some(further) = next.strip_prefix([':', '：']) {
            rest = further;
            continue;
        }
        if let Some(further) = next.strip_prefix([',', '.', '，', '．', '٫']) {
            let further = further.trim_start();
            if let Some((digits, after)) = digits_of(further.trim_start_matches(is_minus)) {
                is_negative |= further.starts_with(is_minus);
                (fraction, rest) = (Some(digits), after);
            } else {
                rest = further;
            }
        }
        break;
    }
    if count == 4 {
        // `00:00:01:500`.
        if fraction.is_some() {
            return None;
        }
        count = 3;
        fraction = Some(fields[3]);
    }
    let form = match (count, fraction) {
        (3, _) | (2, Some(_)) => Form::Full,
        (2, None) => Form::Short,
        (_, Some(_)) => Form::Seconds,
        (_, None) => return None,
    };
    let seconds =
        fields[..count].iter().try_fold(0_u64, |sum, field| Some(sum * 60 + field.parse::<u64>().ok()?))?;
    // A fraction has any number of digits, of which three are kept.
    let thousandths = fraction
        .unwrap_or_default()
        .bytes()
        .chain(*b"000")
        .take(3)
        .fold(0, |sum, digit| sum * 10 + u64::from(digit - b'0'));
    Some((if is_negative { 0 } else { seconds * 1000 + thousandths }, form, rest))
}

/// The digits that a text starts with, at least one, and what follows them.
fn digits_of(text: &str) -> Option<(&str, &str)> {
    let end = text.bytes().take_while(u8::is_ascii_digit).count();
    (end > 0).then(|| text.split_at(end))
}

/// One to six digits.
fn digits(text: &str) -> Option<(&str, &str)> {
    digits_of(text).filter(|(digits, _)| digits.len() <= 6)
}

/// Whether it is nothing but places on the screen: `X1:40 X2:600`, `align:start position:0%`.
fn is_settings(words: &str) -> bool {
    let names = ["align", "line", "position", "region", "size", "vertical", "X1", "X2", "Y1", "Y2"];
    words.split_whitespace().all(|word| {
        word.split_once(':')
            .is_some_and(|(name, _)| names.iter().any(|known| name.eq_ignore_ascii_case(known)))
    })
}

fn stamp(ms: u64) -> String {
    let (seconds, thousandths) = (ms / 1000, ms % 1000);
    format!("{:02}:{:02}:{:02},{thousandths:03}", seconds / 3600, seconds / 60 % 60, seconds % 60)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Longer than any piece here, in milliseconds.
    const LONG_MS: u64 = 3_600_000;

    const STRICT: &str =
        "1\n00:00:01,500 --> 00:00:02,000\nXin chào\nbạn\n\n2\n00:00:03,000 --> 00:00:04,250\n42\n\n";

    #[test]
    fn loosely_written_subtitles_are_read_alike() {
        let without_numbers = STRICT.replacen("1\n", "", 1).replace("\n2\n", "\n");
        for (loose, what) in [
            (STRICT.to_owned(), "strict"),
            (format!("\u{feff}{STRICT}"), "a byte order mark"),
            (STRICT.replace('\n', "\r\n"), "CR LF"),
            (STRICT.replace('\n', "\r"), "CR"),
            (without_numbers.clone(), "no numbers"),
            (without_numbers.replace("\n\n", "\n"), "no numbers, no empty lines"),
            (STRICT.replace(',', "."), "points"),
            (STRICT.replace("00:00:", "00:"), "no hours"),
            (STRICT.replace("00:00:", "0:0:"), "short fields"),
            (STRICT.replace(",250", ",2503"), "four digits"),
            (STRICT.replace(",500", ",5").replace(",000", "").replace(",250", ".25"), "few digits"),
            (STRICT.replace(" --> ", "-->"), "no spaces"),
            (STRICT.replace("2,000", "2,000 X1:1 Y2:3 align:start"), "places"),
            (STRICT.replace("\n\n", "\n"), "no empty lines"),
            (STRICT.replace('\n', "\n\n"), "empty lines everywhere"),
            (STRICT.replace("\n2\n", "\n7\n"), "other numbers"),
            (format!("WEBVTT\n\n{STRICT}"), "a heading"),
            (STRICT.replace(" --> ", " -> "), "a short arrow"),
            (STRICT.replace(" --> ", " ---> "), "a long arrow"),
            (STRICT.replace(" --> ", " – > "), "a torn arrow"),
            (STRICT.replace(" --> ", " → "), "one arrow"),
            (STRICT.replace(" --> ", " --&gt; "), "an escaped arrow"),
            (STRICT.replace(" --> ", "\t-->\t"), "tabs"),
            (STRICT.replace(',', ", "), "spaces after commas"),
            (STRICT.replace("00:00:", "00: 00: "), "spaces after colons"),
            (STRICT.replace(',', ":"), "four fields"),
            (STRICT.replace("00:00:", "0:0:").replace(':', "："), "wide colons"),
            (STRICT.replace('\n', "\r\r\n"), "CR CR LF"),
            (STRICT.replace("1\n00", "1 00").replace("2\n00", "2 00"), "numbers on the line of the times"),
            (
                STRICT.replace("000\nXin", "000 Xin").replace("250\n42", "250 42"),
                "text on the line of the times",
            ),
            (STRICT.replace("00:00:01", "[00:00:01").replace("2,000", "2,000]"), "brackets"),
            (
                format!(
                    "WEBVTT - a title\nKind: captions\n\nNOTE\nnot shown\n\n{}",
                    STRICT.replace("1\n", "first cue\n")
                )
                .replace("\n2\n", "\nSTYLE\n::cue {}\n\nsecond cue\n"),
                "notes, styles and names of WebVTT",
            ),
            (format!("{STRICT}3\n00:00:05,000 --> 00:00:06,000\n \n"), "a cue without text"),
        ] {
            assert_eq!(join_srt(&[(Some(&loose), LONG_MS)]).as_deref(), Some(STRICT), "{what}");
        }
    }

    #[test]
    fn cues_move_by_the_durations_before_them_and_are_numbered_through() {
        let joined =
            join_srt(&[(Some(STRICT), 5_000), (None, 3_600_000), (Some(STRICT), 5_000), (Some(""), 1)]);
        let later =
            "3\n01:00:06,500 --> 01:00:07,000\nXin chào\nbạn\n\n4\n01:00:08,000 --> 01:00:09,250\n42\n\n";
        assert_eq!(joined, Some(format!("{STRICT}{later}")));
    }

    #[test]
    fn without_a_cue_there_are_no_subtitles() {
        for srt in [None, Some(""), Some("no cues here"), Some("-->")] {
            assert_eq!(join_srt(&[(srt, 1000)]), None, "{srt:?}");
        }
        assert_eq!(join_srt(&[]), None);
    }

    #[test]
    fn a_cue_never_ends_before_it_starts() {
        let joined = join_srt(&[(Some("00:00:02,000 --> 00:00:01,000\na"), LONG_MS)]);
        assert_eq!(joined.as_deref(), Some("1\n00:00:02,000 --> 00:00:02,000\na\n\n"));
    }

    #[test]
    fn a_time_before_the_start_or_past_the_end_of_its_piece_is_put_right() {
        for (loose, strict) in [
            ("-00:00:00,050 --> 00:00:01,000", "00:00:00,000 --> 00:00:01,000"),
            ("00:00:-01,000 --> 00:00:01,000", "00:00:00,000 --> 00:00:01,000"),
            ("00:00:00,-50 --> 00:00:01,000", "00:00:00,000 --> 00:00:01,000"),
            ("-00:00:02,000 --> -00:00:01,000", "00:00:00,000 --> 00:00:00,000"),
            ("00:00:03,000 --> 00:00:05,500", "00:00:03,000 --> 00:00:04,000"),
            ("00:00:05,000 --> 00:00:05,500", "00:00:04,000 --> 00:00:04,000"),
            ("00:00:xx,000 --> 00:00:02,000", "00:00:00,000 --> 00:00:02,000"),
            ("00:00:01,000 --> 00:00:NaN", "00:00:01,000 --> 00:00:01,000"),
            ("1.5 --> 2.25", "00:00:01,500 --> 00:00:02,250"),
        ] {
            let joined = join_srt(&[(Some(&format!("1\n{loose}\nWords\n")), 4_000)]);
            assert_eq!(joined, Some(format!("1\n{strict}\nWords\n\n")), "{loose}");
        }
        let past = "1\n00:00:00,000 --> 00:00:05,500\nLonger than its audio\n";
        let next = "1\n00:00:00,500 --> 00:00:01,000\nNext\n";
        let joined = join_srt(&[(Some(past), 4_000), (Some(next), 4_000)]).unwrap();
        assert!(joined.starts_with("1\n00:00:00,000 --> 00:00:04,000\n"), "{joined}");
        assert!(joined.ends_with("2\n00:00:04,500 --> 00:00:05,000\nNext\n\n"), "{joined}");
    }

    #[test]
    fn no_word_is_lost_whatever_it_looks_like() {
        for (srt, words) in [
            ("1\n00:00:01,000 --> 00:00:02,000\n42\n\n00:00:03,000 --> 00:00:04,000\nb", "42 b"),
            ("00:00:01,000 --> 00:00:02,000\n10:00 -> 11:00\na --> b", "10:00 -> 11:00 a --> b"),
            ("00:00:01,000 --> 00:00:02,000 Time: now", "Time: now"),
            ("1\n00:00:01,000 --> 00:00:02,000\na\n\nb\n", "a b"),
            ("WEBVTT\n\n00:01.000 --> 00:02.000\na\n\nb\n\nc\n\n00:03.000 --> 00:04.000\nd", "a b c d"),
        ] {
            let joined = join_srt(&[(Some(srt), LONG_MS)]).unwrap();
            let shown = joined.split("\n\n").flat_map(|cue| cue.split('\n').skip(2));
            assert_eq!(shown.collect::<Vec<_>>().join(" "), words, "{joined}");
        }
    }

    #[test]
    fn cues_of_a_piece_are_put_in_order() {
        let srt = "1\n00:00:03,000 --> 00:00:04,000\nb\n\n2\n00:00:01,000 --> 00:00:02,000\na\n";
        let ordered = "1\n00:00:01,000 --> 00:00:02,000\na\n\n2\n00:00:03,000 --> 00:00:04,000\nb\n\n";
        assert_eq!(join_srt(&[(Some(srt), LONG_MS)]).as_deref(), Some(ordered));
    }

    proptest! {
        #[test]
        fn anything_is_read_and_what_was_written_reads_back(
            parts in prop::collection::vec(prop::sample::select(vec![
                "1", "2", "\n", "\r\n", "00:00:01,5 --> 00:00:02.25", "999999:9:9,999 --> 0:0", "-->", "text", " ",
                "\u{feff}", "00:01", "中", "-00:00:01:5 -> 1", "WEBVTT", "NOTE", ",", ":", "-->",
            ]), 0..60),
            noise in "\\PC{0,20}",
            durations in prop::array::uniform2(any::<u64>()),
        ) {
            let srt = parts.concat() + &noise;
            if let Some(joined) = join_srt(&[(Some(&srt), durations[0] >> 20), (Some(&srt), durations[1])]) {
                prop_assert!(joined.len() < 200 * (srt.len() + 1));
            }
            if let Some(once) = join_srt(&[(Some(&srt), durations[0])]) {
                prop_assert_eq!(join_srt(&[(Some(&once), durations[0])]), Some(once));
            }
        }
    }
}
