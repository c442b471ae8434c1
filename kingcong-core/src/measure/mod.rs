//! Measures: what is counted of work (characters, requests, milliseconds of audio, tokens, …), how much of each a task
//! has, how much was counted of it, and under which circumstances. Prices are made of them, and usage is told in them.

mod circumstances;
mod counts;
mod measures;

pub use self::{
    circumstances::{Circumstance, Circumstances, InvalidWord, WORD_BYTES_MAX},
    counts::{Counts, Measured, Quantities, Quantity, Source, Together},
    measures::{Measure, MeasureKind, TokenSide, UnknownMeasure},
};

/// How many characters a text is sold as: its Unicode scalar values. So a precomposed `ễ` is one, the same letter
/// written with combining marks is three, and an emoji is one for each of its code points; spaces and line ends
/// count like any other.
///
/// ```
/// use kingcong_core::measure::count_characters;
///
/// assert_eq!(count_characters("Xin chào 你好 👋"), 13);
/// assert_eq!(count_characters("e\u{302}\u{303}"), 3);
/// ```
#[must_use]
pub fn count_characters(text: &str) -> u64 {
    text.chars().map(|_| 1).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn characters_are_scalar_values() {
        for (text, characters) in [
            ("", 0),
            ("Tiếng Việt", 10),
            ("Tie\u{302}\u{301}ng", 7),
            ("你好，世界。", 6),
            ("a\r\n b", 5),
            ("👨\u{200d}👩\u{200d}👧", 5),
        ] {
            assert_eq!(count_characters(text), characters, "{text:?}");
        }
    }
}
