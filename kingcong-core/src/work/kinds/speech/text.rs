//! Texts to speak: checking them and counting their characters.
//!
//! A [`Text`] is known to be worth speaking: it has something visible in it and no control characters. It is cut only
//! between what a reader sees as one character each (*grapheme clusters*, such as a letter with its accents or a family
//! emoji), unless one alone is longer than a whole piece may be.

use std::{str, sync::Arc};

use super::{
    abbreviations::Abbreviations,
    cut::{Cut, CutError, ends_of_pieces},
    pause::is_invisible,
    steps::Steps,
};

/// Longest text in characters.
pub const TEXT_CHARACTERS_MAX: u32 = 1_000_000;

/// A text worth speaking: 1 to [`TEXT_CHARACTERS_MAX`] characters, at least one of them visible, no control
/// characters but line ends and tabs. A character is a Unicode scalar value: `ế` is one, however many bytes.
///
/// ```
/// use kingcong_core::work::Text;
///
/// let text = Text::new("Xin chào! 你好。")?;
/// assert_eq!(text.characters(), 13);
/// assert!(Text::new(" \n\u{200b}").is_err());
/// # Ok::<(), kingcong_core::work::TextError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Text {
    text: Arc<str>,
    characters: u32,
}

/// Why a text cannot be spoken. Offsets count bytes from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TextError {
    /// Nothing in it.
    #[error("the text is empty: give at least one visible character")]
    Empty,
    /// Spaces, format characters and the like only.
    #[error("none of the text's {characters} characters is visible: give at least one that is")]
    Invisible {
        /// How many there are.
        characters: u32,
    },
    /// Longer than [`TEXT_CHARACTERS_MAX`].
    #[error("the text has {characters} characters: send at most {TEXT_CHARACTERS_MAX}")]
    TooLong {
        /// How many there are.
        characters: usize,
    },
    /// A control character that is neither a line end nor a tab.
    #[error("the text has the control character {character:?} at byte {offset}: remove it")]
    Control {
        /// The character.
        character: char,
        /// Where it is.
        offset: usize,
    },
    /// Not UTF-8.
    #[error("the text is not valid UTF-8 at byte {offset}: send it as UTF-8")]
    NotUtf8 {
        /// The first byte that is not part of a character.
        offset: usize,
    },
}

impl Text {
    /// Checks a text.
    ///
    /// # Errors
    /// When it is empty, too long, has nothing visible, or a control character other than a line end or a tab.
    pub fn new(text: impl Into<Arc<str>>) -> Result<Self, TextError> {
        let text = text.into();
        if text.is_empty() {
            return Err(TextError::Empty);
        }
        let count = text.chars().count();
        let characters = u32::try_from(count)
            .ok()
            .filter(|&characters| characters <= TEXT_CHARACTERS_MAX)
            .ok_or(TextError::TooLong { characters: count })?;
        let control = |c: char| c.is_control() && !matches!(c, '\n' | '\r' | '\t');
        if let Some((offset, character)) = text.char_indices().find(|&(_, c)| control(c)) {
            return Err(TextError::Control { character, offset });
        }
        if text.chars().all(is_invisible) {
            return Err(TextError::Invisible { characters });
        }
        Ok(Self { text, characters })
    }

    /// Checks a text that came as bytes.
    ///
    /// # Errors
    /// As [`Text::new`], and when the bytes are not UTF-8.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, TextError> {
        Self::new(str::from_utf8(bytes).map_err(|e| TextError::NotUtf8 { offset: e.valid_up_to() })?)
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The text, shared rather than copied.
    #[must_use]
    pub fn into_shared(self) -> Arc<str> {
        self.text
    }

    /// How many characters (Unicode scalar values) it has.
    #[must_use]
    pub fn characters(&self) -> u32 {
        self.characters
    }

    /// Cuts the text. The pieces in order make up exactly the text, and each has something visible in it. No piece ends
    /// after an abbreviation, a title or an initial while another place would do; `abbreviations` are added to those
    /// that the library knows. The work grows in proportion to the text's length.
    ///
    /// ```
    /// use std::num::NonZeroU32;
    ///
    /// use kingcong_core::work::{Abbreviations, Cut, Text};
    ///
    /// let text = Text::new("Mr. Smith came in. He sat down, slowly.")?;
    /// let pieces = text.cut(Cut::AtMost(NonZeroU32::new(25).unwrap()), &Abbreviations::default())?;
    /// let pieces: Vec<&str> = pieces.iter().map(Text::as_str).collect();
    /// assert_eq!(pieces, ["Mr. Smith came in. ", "He sat down, slowly."]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// When that many pieces are too many, too few or too short for the text, or a stretch of invisible
    /// characters fills a piece alone.
    pub fn cut(&self, cut: Cut, abbreviations: &Abbreviations) -> Result<Vec<Self>, CutError> {
        match cut {
            // Most texts fit whole, and looking for pauses is the dearest part of a plan.
            Cut::AtMost(at_most) if self.characters <= at_most.get() => return Ok(vec![self.clone()]),
            Cut::AtMost(_) | Cut::Pieces { .. } => {}
        }
        let cuts = ends_of_pieces(&self.text, cut, abbreviations, &mut Steps::default())?;
        Ok(cuts
            .windows(2)
            .map(|ends| Self {
                text: self.text[ends[0].byte..ends[1].byte].into(),
                characters: ends[1].character - ends[0].character,
            })
            .collect())
    }
}

#[cfg(test)]
mod tests {
    use std::num::{NonZeroU16, NonZeroU32};

    use proptest::prelude::*;
    use unicode_segmentation::UnicodeSegmentation;

    use super::*;

    fn at_most(characters: u32) -> Cut {
        Cut::AtMost(NonZeroU32::new(characters).unwrap())
    }

    fn pieces(count: u16, characters: u32) -> Cut {
        Cut::Pieces { count: NonZeroU16::new(count).unwrap(), at_most: NonZeroU32::new(characters).unwrap() }
    }

    fn cut(text: &str, cut: Cut) -> Vec<String> {
        let pieces = Text::new(text).unwrap().cut(cut, &Abbreviations::default()).unwrap();
        pieces.iter().map(|piece| piece.as_str().to_owned()).collect()
    }

    #[test]
    fn a_text_without_anything_to_speak_is_refused() {
        assert_eq!(Text::new(""), Err(TextError::Empty));
        for (text, characters) in [
            (" ", 1),
            ("\n\t \r\n", 5),
            ("\u{a0}\u{3000}\u{2028}\u{2029}", 4),
            ("\u{200b}\u{200d}\u{feff}\u{ad}\u{2060}", 5),
            ("\u{fe0f}\u{e0100}\u{180b}", 3),
            ("\u{3164}\u{115f}\u{ffa0}\u{2800}\u{34f}", 5),
            ("\u{e0041}\u{e007f}", 2),
        ] {
            assert_eq!(Text::new(text), Err(TextError::Invisible { characters }), "{text:?}");
        }
        for text in ["a", ".", "\u{301}", "❤\u{fe0f}", "\r\n\ta", "\u{e000}", "中"] {
            assert!(Text::new(text).is_ok(), "{text:?}");
        }
    }

    #[test]
    fn an_error_names_the_first_wrong_place() {
        for (bytes, error) in [
            (&b"a\0b"[..], TextError::Control { character: '\0', offset: 1 }),
            ("ế\u{7f}".as_bytes(), TextError::Control { character: '\u{7f}', offset: 3 }),
            ("\u{85}a".as_bytes(), TextError::Control { character: '\u{85}', offset: 0 }),
            (b"\x1b[0m", TextError::Control { character: '\u{1b}', offset: 0 }),
            (b"ab\xff", TextError::NotUtf8 { offset: 2 }),
            (b"\xe1\xba", TextError::NotUtf8 { offset: 0 }),
            (b"", TextError::Empty),
        ] {
            assert_eq!(Text::from_bytes(bytes), Err(error), "{bytes:?}");
        }
    }

    #[test]
    fn a_text_is_measured_in_characters_not_bytes() {
        assert_eq!(Text::new("Việt 中 👨\u{200d}👩").unwrap().characters(), 10);
        let longest = "ế".repeat(TEXT_CHARACTERS_MAX as usize);
        assert_eq!(Text::new(longest.as_str()).unwrap().characters(), TEXT_CHARACTERS_MAX);
        assert_eq!(Text::new(longest + "a"), Err(TextError::TooLong { characters: 1_000_001 }));
    }

    #[test]
    fn a_cut_falls_where_a_speaker_would_pause() {
        for (characters, text, expected) in [
            (100, "One. Two.", &["One. Two."][..]),
            // Paragraph before sentence, sentence before clause, clause before word.
            (24, "A line here.\n\nAnd now. It goes on.", &["A line here.\n\n", "And now. It goes on."]),
            (
                26,
                "A line here.\r\n\r\nAnd now. It goes on.",
                &["A line here.\r\n\r\n", "And now. It goes on."],
            ),
            (20, "One, two. Three, four five.", &["One, two. ", "Three, four five."]),
            (20, "one two one, three four five six", &["one two one, ", "three four five six"]),
            (10, "one two three", &["one two ", "three"]),
            (4, "abcdefgh", &["abcd", "efgh"]),
            // A sentence is rather ended early than broken late.
            (20, "Yes. One two three four five", &["Yes. ", "One two three four ", "five"]),
            // Vietnamese: initials, titles and numbers end no sentence.
            (
                40,
                "TP. Hồ Chí Minh có 9.000.000 dân. ThS. Ân sống ở đó.",
                &["TP. Hồ Chí Minh có 9.000.000 dân. ", "ThS. Ân sống ở đó."],
            ),
            (24, "Dr. J. Smith sat. Mr. Poe left.", &["Dr. J. Smith sat. ", "Mr. Poe left."]),
            // Commas inside numbers are none; quotes and brackets stay with what they enclose.
            (16, "costs 1,000,000 dong", &["costs 1,000,000 ", "dong"]),
            (18, "He said \u{201c}Go.\u{201d} She did.", &["He said \u{201c}Go.\u{201d} ", "She did."]),
            (5, "aaaa(bbb)cccc", &["aaaa", "(bbb)", "cccc"]),
            // Chinese: no spaces, full-width punctuation, closing quotes.
            (7, "今天天气好。我们去玩！好吗？", &["今天天气好。", "我们去玩！", "好吗？"]),
            (9, "他说：“走吧。”她走了。", &["他说：“走吧。”", "她走了。"]),
            (8, "今天天气很好，我们去玩", &["今天天气很好，", "我们去玩"]),
            (5, "一二三四五。六", &["一二三四", "五。六"]),
            // A wrapped line is not ended; a line that ends is.
            (16, "a wrapped\nline. So", &["a wrapped\nline. ", "So"]),
            (14, "Title\nSome text here", &["Title\n", "Some text here"]),
            // Clusters: families, flags, accents, a Korean syllable of parts, CR LF.
            (
                6,
                "👨\u{200d}👩\u{200d}👧👨\u{200d}👩\u{200d}👧",
                &["👨\u{200d}👩\u{200d}👧", "👨\u{200d}👩\u{200d}👧"],
            ),
            (3, "🇻🇳🇻🇳", &["🇻🇳", "🇻🇳"]),
            (3, "e\u{301}e\u{301}", &["e\u{301}", "e\u{301}"]),
            (4, "\u{1100}\u{1161}\u{11a8}".repeat(2).leak(), &["\u{1100}\u{1161}\u{11a8}"; 2]),
            (3, "a\r\nb", &["a\r\n", "b"]),
        ] {
            assert_eq!(cut(text, at_most(characters)), expected, "at most {characters}");
        }
    }

    #[test]
    fn a_cluster_longer_than_a_piece_is_cut_inside() {
        let accents = format!("a{}b", "\u{301}".repeat(9));
        let pieces = cut(&accents, at_most(4));
        assert_eq!(pieces.concat(), accents);
        assert!(pieces.iter().all(|piece| piece.chars().count() <= 4), "{pieces:?}");
    }

    #[test]
    fn a_text_falls_into_exactly_the_pieces_asked_for() {
        let sentence = "Đây là một câu dài đúng bốn mươi ký tự. "; // 40 characters
        let text = sentence.repeat(300);
        assert_eq!(Text::new(text.as_str()).unwrap().characters(), 12_000);
        assert_eq!(cut(&text, pieces(10, 5000)), vec![sentence.repeat(30); 10]);
        assert_eq!(cut(&text, pieces(10, 1200)), vec![sentence.repeat(30); 10]);
        for count in [1, 7, 11, 300] {
            let pieces = cut(&text, pieces(count, 12_000));
            assert_eq!(pieces.len(), usize::from(count));
            assert_eq!(pieces.concat(), text);
            for piece in &pieces {
                assert!(piece.ends_with(". "), "{piece:?}");
                let length = piece.chars().count();
                assert!(length.abs_diff(12_000 / usize::from(count)) <= 40, "{length} of {count}");
            }
        }
        assert_eq!(cut("một hai ba bốn", pieces(2, 10)), ["một hai ", "ba bốn"]);
        assert_eq!(cut("一二三四五六", pieces(3, 2)), ["一二", "三四", "五六"]);
        assert_eq!(cut("ab", pieces(2, 5)), ["a", "b"]);
    }

    #[test]
    fn a_cut_that_cannot_be_made_is_refused_with_its_reason() {
        let blank = format!("a{}b", " ".repeat(30));
        let long = "ab".repeat(6000);
        for (text, how, error) in [
            ("ab c", pieces(4, 9), CutError::TooShort { count: 4, visible: 3 }),
            ("👨\u{200d}👩\u{200d}👧", pieces(2, 9), CutError::TooShort { count: 2, visible: 1 }),
            ("abcdefghij", pieces(3, 3), CutError::TooLong { characters: 10, count: 3, at_most: 3 }),
            (&long, pieces(10_001, 9), CutError::TooManyPieces),
            (&long, at_most(1), CutError::TooManyPieces),
            (&blank, at_most(10), CutError::NoPlace { offset: 10, at_most: 10 }),
            ("a b", at_most(1), CutError::NoPlace { offset: 1, at_most: 1 }),
        ] {
            assert_eq!(Text::new(text).unwrap().cut(how, &Abbreviations::default()), Err(error), "{how:?}");
        }
        assert_eq!(cut(&"a".repeat(10_000), at_most(1)).len(), 10_000);
        assert_eq!(
            cut(&blank, at_most(20)),
            [format!("a{}", " ".repeat(19)), format!("{}b", " ".repeat(11))]
        );
    }

    /// Texts of what is hard to cut: several scripts, abbreviations, joiners, accents, invisible characters.
    fn tricky() -> impl Strategy<Value = String> {
        let part = prop::sample::select(vec![
            "a",
            "Word",
            "ngữ",
            "中",
            "。",
            "，",
            "！？",
            ". ",
            "! ",
            ", ",
            ": ",
            " ",
            "  ",
            "\n",
            "\n\n",
            "\r\n",
            "\t",
            "Mr. ",
            "3.14",
            "1,000",
            "\u{201c}",
            "\u{201d}",
            "(",
            ")",
            "👨\u{200d}👩\u{200d}👧",
            "🇻🇳",
            "❤\u{fe0f}",
            "e\u{301}\u{323}",
            "\u{200b}",
            "\u{ad}",
            "\u{1100}\u{1161}",
            "नमस्ते",
            "สวัสดี",
            "\u{202e}",
            "\u{3000}",
        ]);
        prop_oneof![prop::collection::vec(part, 1..200).prop_map(|parts| parts.concat()), "\\PC{1,200}"]
    }

    fn longest_invisible_run(text: &str) -> usize {
        text.split(|c| !is_invisible(c)).map(|run| run.chars().count()).max().unwrap_or(0)
    }

    /// What every cut keeps, whatever the text.
    fn check_pieces(text: &Text, pieces: &[Text], at_most: u32) -> Result<(), TestCaseError> {
        prop_assert_eq!(pieces.iter().map(Text::as_str).collect::<String>(), text.as_str());
        let mut end = 0;
        for piece in pieces {
            prop_assert_eq!(Text::new(piece.as_str()), Ok(piece.clone()), "a piece is a whole text itself");
            prop_assert!(piece.characters() <= at_most, "{:?} is longer than {}", piece, at_most);
            end += piece.as_str().len();
            let mut starts = text.as_str().grapheme_indices(true).chain([(text.as_str().len(), "")]);
            let inside = starts.clone().all(|(start, _)| start != end);
            let oversized = starts.any(|(start, cluster)| {
                (start..start + cluster.len()).contains(&end) && cluster.chars().count() > at_most as usize
            });
            prop_assert!(!inside || oversized, "cut inside a cluster at {}", end);
        }
        Ok(())
    }

    proptest! {
        #[test]
        fn pieces_make_up_the_text_and_keep_the_limit(text in tricky(), limit in 1u32..60) {
            let Ok(text) = Text::new(text) else { return Ok(()) };
            match text.cut(at_most(limit), &Abbreviations::default()) {
                Ok(pieces) => check_pieces(&text, &pieces, limit)?,
                Err(CutError::NoPlace { at_most, .. }) => {
                    prop_assert_eq!(at_most, limit);
                    prop_assert!(longest_invisible_run(text.as_str()) >= limit as usize / 2);
                }
                Err(other) => prop_assert!(false, "{}", other),
            }
        }

        #[test]
        fn the_asked_for_number_of_pieces_comes_or_a_reason(
            text in tricky(), count in 1u16..30, limit in 1u32..200
        ) {
            let Ok(text) = Text::new(text) else { return Ok(()) };
            match text.cut(pieces(count, limit), &Abbreviations::default()) {
                Ok(pieces) => {
                    prop_assert_eq!(pieces.len(), usize::from(count));
                    check_pieces(&text, &pieces, limit)?;
                }
                Err(CutError::TooShort { visible, .. }) => prop_assert!(visible < u32::from(count)),
                Err(CutError::TooLong { characters, .. }) => {
                    prop_assert!(characters > u32::from(count) * limit);
                }
                // Little room: clusters and spaces may leave no place.
                Err(CutError::NoPlace { .. }) => {
                    let even = text.characters().div_ceil(u32::from(count));
                    let widest = text.as_str().graphemes(true).map(|cluster| cluster.chars().count()).max();
                    let unit = widest.unwrap().max(longest_invisible_run(text.as_str()) + 1);
                    prop_assert!(even as usize + 2 * unit > limit as usize);
                }
                Err(other) => prop_assert!(false, "{}", other),
            }
        }

        #[test]
        fn arbitrary_bytes_give_a_text_or_a_reason(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            match Text::from_bytes(&bytes) {
                Ok(text) => prop_assert_eq!(text.as_str().as_bytes(), &bytes[..]),
                Err(TextError::NotUtf8 { offset }) => {
                    prop_assert!(str::from_utf8(&bytes[..offset]).is_ok());
                    prop_assert!(str::from_utf8(&bytes).is_err());
                }
                Err(_) => prop_assert!(str::from_utf8(&bytes).is_ok()),
            }
        }
    }
}
