//! Subtitles as SubRip (SRT): cues of a time span and lines of text, numbered from 1. Upstreams write them loosely,
//! so they are read leniently and always written strictly.

use std::fmt::Write;

/// A time span in milliseconds and what is shown in it.
#[derive(Debug)]
struct Cue<'a> {
    start_ms: u64,
    end_ms: u64,
    lines: Vec<&'a str>,
}

/// Joins the subtitles of pieces, each given with its piece's duration in milliseconds: every piece's cues are
/// moved by the durations of the pieces before it, and all are numbered anew. A piece without subtitles leaves a
/// gap. None when no piece has a cue.
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
        for cue in read_srt(srt.unwrap_or_default()) {
            number += 1;
            let start = stamp(cue.start_ms.saturating_add(before_ms));
            let end = stamp(cue.end_ms.saturating_add(before_ms));
            write!(joined, "{number}\n{start} --> {end}\n{}\n\n", cue.lines.join("\n"))
                .expect("a string takes all text");
        }
        before_ms = before_ms.saturating_add(duration_ms);
    }
    (number > 0).then_some(joined)
}

/// The cues that have text. Lines before the first time span, numbers and empty lines are passed over.
fn read_srt(srt: &str) -> Vec<Cue<'_>> {
    let lines =
        srt.split(['\n', '\r']).map(|line| line.trim_matches(|c: char| c.is_whitespace() || c == '\u{feff}'));
    let lines: Vec<&str> = lines.filter(|line| !line.is_empty()).collect();
    let spans: Vec<usize> = (0..lines.len()).filter(|&at| read_span(lines[at]).is_some()).collect();
    let is_number = |at: usize| lines[at].bytes().all(|byte| byte.is_ascii_digit());
    // Where cues are numbered, the line before a span is a number; elsewhere it is text, even if it looks alike.
    let numbered = spans.first().is_some_and(|&first| first > 0 && is_number(first - 1));
    let mut cues = Vec::with_capacity(spans.len());
    for (index, &span) in spans.iter().enumerate() {
        let mut end = lines.len();
        if let Some(&next) = spans.get(index + 1) {
            end = if numbered && next - 1 > span && is_number(next - 1) { next - 1 } else { next };
        }
        if let Some((start_ms, end_ms)) = read_span(lines[span]).filter(|_| span + 1 < end) {
            cues.push(Cue { start_ms, end_ms, lines: lines[span + 1..end].to_vec() });
        }
    }
    cues
}

/// A time span such as `00:00:01,500 --> 00:00:02,000 X1:40`; it never ends before it starts.
fn read_span(line: &str) -> Option<(u64, u64)> {
    let (start, end) = line.split_once("-->")?;
    let start = read_stamp(start.trim())?;
    let end = read_stamp(end.split_whitespace().next()?)?;
    Some((start, end.max(start)))
}

/// A time such as `00:00:01,500`, `0:00:01.5` or `00:01.500`, in milliseconds.
fn read_stamp(stamp: &str) -> Option<u64> {
    let (seconds, fraction) = stamp.split_once([',', '.']).unwrap_or((stamp, ""));
    let mut total: u64 = 0;
    let fields = seconds.split(':').count();
    if !(2..=3).contains(&fields) {
        return None;
    }
    for field in seconds.split(':') {
        total = total * 60 + read_digits(field)?;
    }
    // A fraction has any number of digits, of which three are kept.
    let thousandths = fraction
        .bytes()
        .chain(*b"000")
        .take(3)
        .try_fold(0, |sum, digit| digit.is_ascii_digit().then(|| sum * 10 + u64::from(digit - b'0')))?;
    Some(total * 1000 + thousandths)
}

/// One to six digits.
fn read_digits(digits: &str) -> Option<u64> {
    let fits = (1..=6).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit());
    digits.parse().ok().filter(|_| fits)
}

fn stamp(ms: u64) -> String {
    let (seconds, thousandths) = (ms / 1000, ms % 1000);
    format!("{:02}:{:02}:{:02},{thousandths:03}", seconds / 3600, seconds / 60 % 60, seconds % 60)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

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
            (format!("{STRICT}3\n00:00:05,000 --> 00:00:06,000\n \n"), "a cue without text"),
        ] {
            assert_eq!(join_srt(&[(Some(&loose), 0)]).as_deref(), Some(STRICT), "{what}");
        }
    }

    #[test]
    fn cues_move_by_the_durations_before_them_and_are_numbered_through() {
        let joined = join_srt(&[(Some(STRICT), 5_000), (None, 3_600_000), (Some(STRICT), 1), (Some(""), 1)]);
        let later =
            "3\n01:00:06,500 --> 01:00:07,000\nXin chào\nbạn\n\n4\n01:00:08,000 --> 01:00:09,250\n42\n\n";
        assert_eq!(joined, Some(format!("{STRICT}{later}")));
    }

    #[test]
    fn without_a_cue_there_are_no_subtitles() {
        for srt in [None, Some(""), Some("no cues here"), Some("1\n00:00:01 -> 00:00:02\na\n"), Some("-->")] {
            assert_eq!(join_srt(&[(srt, 1000)]), None, "{srt:?}");
        }
        assert_eq!(join_srt(&[]), None);
    }

    #[test]
    fn a_cue_never_ends_before_it_starts() {
        let joined = join_srt(&[(Some("00:00:02,000 --> 00:00:01,000\na"), 0)]);
        assert_eq!(joined.as_deref(), Some("1\n00:00:02,000 --> 00:00:02,000\na\n\n"));
    }

    proptest! {
        #[test]
        fn anything_is_read_and_what_was_written_reads_back(
            parts in prop::collection::vec(prop::sample::select(vec![
                "1", "2", "\n", "\r\n", "00:00:01,5 --> 00:00:02.25", "999999:9:9,999 --> 0:0", "-->", "text", " ",
                "\u{feff}", "00:01", "中",
            ]), 0..60),
            noise in "\\PC{0,20}",
            durations in prop::array::uniform2(any::<u64>()),
        ) {
            let srt = parts.concat() + &noise;
            if let Some(joined) = join_srt(&[(Some(&srt), durations[0] >> 20), (Some(&srt), durations[1])]) {
                prop_assert!(joined.len() < 200 * (srt.len() + 1));
            }
            if let Some(once) = join_srt(&[(Some(&srt), 0)]) {
                prop_assert_eq!(join_srt(&[(Some(&once), 0)]), Some(once));
            }
        }
    }
}
