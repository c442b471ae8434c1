//! `text/hostile`: what cutting the dearest text costs.
//!
//! Twenty texts of a million characters each, made to be dear: long runs of closing marks, quotes, spaces, accents,
//! joiners, abbreviations. Measured is the cut of one into pieces of 4,000 characters, in nanoseconds per character;
//! the figure is that of the dearest text, beside that of plain sentences. A cost that grows with the square of a
//! text's length would be a ratio of thousands.

use std::{hint::black_box, num::NonZeroU32};

use anyhow::{Context, Result};
use kingcong_core::work::{Abbreviations, Cut, Text};

use crate::figure::{Figure, Unit, ns_each, timed};

const CHARACTERS: usize = 1_000_000;
/// The least disturbed of them counts: the work is the same each time.
const REPEATS: usize = 9;
const PIECE_CHARACTERS: NonZeroU32 = NonZeroU32::new(4_000).expect("4,000 is not zero");
const PLAIN: &str =
    "Đây là một câu văn bình thường, không có gì lạ. It is followed by an English one, as plain as it. ";

/// What a text begins with, and what is repeated then.
const HOSTILE: [(&str, &str); 20] = [
    (".", ")"),
    (".", "\""),
    ("a.", " "),
    ("a.", "\n"),
    (".", ") "),
    ("a. ", "1"),
    ("a.", "\u{ad}"),
    ("a", "\u{301}"),
    ("a. ", "\u{301} "),
    ("", ".)"),
    ("", "a. "),
    ("", "Mr. "),
    ("", "!?"),
    ("", "👨\u{200d}👩\u{200d}"),
    ("", "🇻🇳"),
    ("", "क\u{94d}"),
    ("", "\u{1100}\u{1161}"),
    ("a", "\u{a0}"),
    ("", "a. bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"),
    ("", "\u{201c}\u{201d}"),
];

pub(crate) fn measure() -> Result<Vec<Figure>> {
    let plain = ns_of_a_character("", PLAIN)?;
    let mut worst: (f64, (&str, &str)) = (0.0, HOSTILE[0]);
    for (head, part) in HOSTILE {
        let ns = ns_of_a_character(head, part)?;
        if ns > worst.0 {
            worst = (ns, (head, part));
        }
    }
    let (ns, (head, part)) = worst;
    let against = format!("plain sentences; the dearest: {head:?}, then {part:?} again and again");
    Ok(vec![Figure::new("text/hostile", ns, Unit::Ns, against, plain)])
}

fn ns_of_a_character(head: &str, part: &str) -> Result<f64> {
    let text: String = head.chars().chain(part.chars().cycle()).take(CHARACTERS).collect();
    let text = Text::new(text).context("the text is one to speak")?;
    let mut least = f64::INFINITY;
    for _ in 0..REPEATS {
        // A text with nothing visible in a whole piece is refused, which takes the same pass.
        let (time, pieces) = timed(|| text.cut(Cut::AtMost(PIECE_CHARACTERS), &Abbreviations::default()));
        drop(black_box(pieces));
        least = least.min(ns_each(time, CHARACTERS));
    }
    Ok(least)
}
