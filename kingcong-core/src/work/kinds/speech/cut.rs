//! Cutting a text into pieces that one upstream call each can carry.
//!
//! A cut prefers the places where a speaker would pause anyway: between paragraphs, else sentences, else clauses, else
//! words. It parts a title or a number from what it belongs to only where no other place will do, and never falls
//! inside what a reader sees as one character, unless that one alone is longer than a whole piece may be.

use std::num::{NonZeroU16, NonZeroU32};

use super::{
    abbreviations::Abbreviations,
    pause::{Place, Places, Strength},
    steps::Steps,
};

/// Most tasks of one job, and so most pieces of one text.
pub const TASKS_MAX: u16 = 10_000;

/// How to cut a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// Into pieces of at most that many characters, as few as natural pauses allow.
    AtMost(NonZeroU32),
    /// Into exactly that many pieces, about equally long.
    Pieces {
        /// How many.
        count: NonZeroU16,
        /// Longest piece in characters.
        at_most: NonZeroU32,
    },
}

/// Why a text cannot be cut as asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CutError {
    /// More than [`TASKS_MAX`] pieces.
    #[error(
        "the cut needs more than {TASKS_MAX} pieces: allow longer pieces, ask for fewer, or send less text"
    )]
    TooManyPieces,
    /// More pieces than there are visible characters.
    #[error("the text has only {visible} visible characters for {count} pieces: ask for fewer pieces")]
    TooShort {
        /// Pieces asked for.
        count: u16,
        /// What there is to share among them.
        visible: u32,
    },
    /// The pieces together may not hold the text.
    #[error(
        "{characters} characters do not fit {count} pieces of at most {at_most}: ask for more or longer pieces"
    )]
    TooLong {
        /// The text's length in characters.
        characters: u32,
        /// Pieces asked for.
        count: u16,
        /// Longest piece in characters.
        at_most: u32,
    },
    /// The next piece would have nothing visible in it, or would be too long.
    #[error(
        "no piece of at most {at_most} characters with something visible in it starts at byte {offset}: \
         remove spaces and invisible characters there, or allow longer pieces"
    )]
    NoPlace {
        /// Where that piece starts, in bytes from 0.
        offset: usize,
        /// Longest piece in characters.
        at_most: u32,
    },
}

/// Where the pieces start, and the text's end.
pub(super) fn ends_of_pieces(
    text: &str,
    cut: Cut,
    abbreviations: &Abbreviations,
    steps: &mut Steps,
) -> Result<Vec<Place>, CutError> {
    match cut {
        Cut::AtMost(at_most) => {
            let places = Places::of(text, at_most.get(), abbreviations, steps);
            cut_at_most(&places, at_most.get(), steps)
        }
        Cut::Pieces { count, at_most } => {
            let places = Places::of(text, at_most.get(), abbreviations, steps);
            cut_evenly(&places, count.get(), at_most.get(), steps)
        }
    }
}

/// From the most natural pause on: what a piece rather ends early at than that it ends late at less.
const RATHER_EARLY: [Strength; 3] = [Strength::Sentence, Strength::Space, Strength::Word];

/// Pieces as long as natural pauses allow. An end in the second half of the room is preferred, so that pieces do
/// not get tiny; but a sentence is rather ended early than broken late, and so is a word.
fn cut_at_most(places: &Places, at_most: u32, steps: &mut Steps) -> Result<Vec<Place>, CutError> {
    let mut start = places.start();
    let mut cuts = vec![start];
    while places.end.character - start.character > at_most {
        let ends = places.ends(start, at_most, 1, u32::MAX);
        steps.add(ends.len());
        let half = ends.partition_point(|end| end.character <= start.character + at_most / 2);
        let (early, late) = ends.split_at(half);
        start = *best_of(early, late).ok_or(CutError::NoPlace { offset: start.byte, at_most })?;
        cuts.push(start);
        if cuts.len() > usize::from(TASKS_MAX) {
            return Err(CutError::TooManyPieces);
        }
    }
    cuts.push(places.end);
    Ok(cuts)
}

fn best_of<'a>(early: &'a [Place], late: &'a [Place]) -> Option<&'a Place> {
    // `max_by_key` gives the last of several equally good ones: the longest piece.
    let best = |places: &'a [Place]| places.iter().max_by_key(|end| end.strength);
    let (best_early, best_late) = (best(early), best(late));
    for strength in RATHER_EARLY {
        if best_late.is_some_and(|late| late.strength >= strength) {
            return best_late;
        }
        if best_early.is_some_and(|early| early.strength >= strength) {
            return early.iter().rfind(|end| end.strength >= strength);
        }
    }
    best_late.or(best_early)
}

/// Exactly `count` pieces. Each cut has an ideal place, where all pieces would be equally long, and may stray
/// from it to the nearest natural pause, but no further than keeps every piece within `at_most`.
fn cut_evenly(places: &Places, count: u16, at_most: u32, steps: &mut Steps) -> Result<Vec<Place>, CutError> {
    let end = places.end;
    let pieces = u32::from(count);
    if count > TASKS_MAX {
        return Err(CutError::TooManyPieces);
    }
    if end.visible < pieces {
        return Err(CutError::TooShort { count, visible: end.visible });
    }
    let even = end.character.div_ceil(pieces);
    if even > at_most {
        return Err(CutError::TooLong { characters: end.character, count, at_most });
    }
    let stray = (even / 2).min((at_most - even) / 2);
    let mut start = places.start();
    let mut cuts = vec![start];
    for number in 1..pieces {
        let left = pieces - number;
        // Counted from the text's start, so that strayings do not add up.
        let ideal = u64::from(end.character) * u64::from(number) / u64::from(pieces);
        let ideal = u32::try_from(ideal).expect("at most the text's length");
        let ends = places.ends(start, at_most, left, at_most.saturating_mul(left));
        let mut nearest = |least: Strength, stray: u32| {
            let first = ends.partition_point(|end| end.character.saturating_add(stray) < ideal);
            let last = ends.partition_point(|end| end.character <= ideal + stray);
            let near = ends.get(first..last).unwrap_or_default();
            steps.add(near.len());
            let good = near.iter().filter(|end| end.strength >= least);
            good.min_by_key(|end| end.character.abs_diff(ideal))
        };
        let after = ends.partition_point(|end| end.character < ideal);
        let around = [after.checked_sub(1).and_then(|before| ends.get(before)), ends.get(after)];
        let around = || around.into_iter().flatten();
        start = *nearest(Strength::Sentence, stray)
            .or_else(|| nearest(Strength::Clause, stray / 2))
            .or_else(|| nearest(Strength::Space, stray))
            .or_else(|| nearest(Strength::Word, stray))
            .or_else(|| nearest(Strength::Tied, stray))
            .or_else(|| {
                around().min_by_key(|end| (end.strength < Strength::Word, end.character.abs_diff(ideal)))
            })
            .ok_or(CutError::NoPlace { offset: start.byte, at_most })?;
        cuts.push(start);
    }
    cuts.push(end);
    Ok(cuts)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::work::Text;

    fn at_most(characters: u32) -> Cut {
        Cut::AtMost(NonZeroU32::new(characters).unwrap())
    }

    fn evenly(count: u16) -> Cut {
        Cut::Pieces { count: NonZeroU16::new(count).unwrap(), at_most: NonZeroU32::new(4_000).unwrap() }
    }

    fn cut(text: &str, cut: Cut, abbreviations: &Abbreviations) -> Vec<String> {
        let pieces = Text::new(text).unwrap().cut(cut, abbreviations).unwrap();
        pieces.iter().map(|piece| piece.as_str().to_owned()).collect()
    }

    /// Sentences with places, marked `~`, that look like ends and are none.
    const FALSE_ENDS: &[&str] = &[
        // Vietnamese: titles, ranks, places, initials.
        "Chủ trì hội thảo khoa học năm nay là PGS.TS.~ Nguyễn Văn A và các cộng sự từ nhiều trường.",
        "Người phát biểu đầu tiên của buổi lễ là GS.TSKH.~ Trần Văn B đến từ viện toán học cùng đoàn.",
        "Công trình mới ở trung tâm do KTS.~ Võ Văn D thiết kế và được khánh thành vào cuối năm ngoái.",
        "Vở diễn có sự tham gia của NSƯT.~ Lan Anh, NSND.~ Hồng Vân và nhiều nghệ sĩ trẻ khác nữa.",
        "Bị cáo được LS.~ Trần Thị Bé bào chữa trước tòa án, cùng với Th.S.~ Luật học Phạm Văn Em.",
        "Anh sống ở TP.~ HCM, tại P.~ 12, Q.~ 1, gần chợ, còn chị ở Tp.~ Cần Thơ và làm việc ở đó.",
        "Bài thơ này của cụ Đ.~ N.~ Quế được in lại năm ngoái, xem tr.~ 45 của tập sách mới in ấy.",
        "Chợ bán rau, thịt, cá, v.v.~ Người ta đến đó từ rất sớm, vào lúc 5 giờ sáng mỗi ngày trong tuần.",
        // English: titles, initials, countries, degrees, times, numbers, firms.
        "He had served for eleven long years in the U.S.~ Army before he came home and opened a bakery.",
        "The story of J.~ K.~ Rowling and J.R.R.~ Tolkien was told by Prof.~ Dr.~ Smith in the evening.",
        "Please see No.~ 5 and Fig.~ 3 in Vol.~ 2 on pp.~ 12 and 13 before Mr.~ Brown and Mrs.~ Gray come.",
        "The train leaves at 10.30 a.m.~ Monday, and St.~ Paul is reached at 5 p.m.~ Tuesday by most.",
        "She has a Ph.D.~ Many of her friends, e.g.~ Ann, i.e.~ her sister, work for Acme Inc.~ Today too.",
        "Version 3.14.1 is at https://example.com/a?b=C.d and costs 1.000.000 or 1,000.50 of anything.",
        "He wrote that vitamin C.~ Helped him (cf.~ Jones, et al.~ 1999) and that Gen.~ Lee approved it.",
        // German: dates, ordinals, spaced abbreviations, titles.
        "Die Feier findet wie immer am 3.~ Oktober im großen Saal der alten Schule am Markt hier statt.",
        "Manche Tiere, z.~ B.~ Hunde, d.~ h.~ Haustiere, und u.~ a.~ Katzen bzw.~ Kater kosten ca.~ 5 Euro.",
        "Am 31.~ Dezember sprach Dr.~ Müller mit Prof.~ Maier über Ludwig XIV.~ König von Frankreich und mehr.",
        "Siehe Nr.~ 7, Abs.~ 2, Art.~ 5 und Abb.~ 3, vgl.~ auch Kap.~ 9 usw.~ Alles steht in der Hauptstr.~ 5 aus.",
        // French: titles, spaced abbreviations, marks after a space.
        "On a vu M.~ Dupont et Mme.~ Martin chez le Dr.~ Petit, p.~ ex.~ Hier soir, av.~ J.-C.~ César aussi là.",
        "Il disait «~ Bonjour tout le monde~ » et puis «~ Au revoir~ », mais à qui le disait-il vraiment~ ? À nous.",
        "Il en a vu 10\u{a0}000 en tout, et M.\u{a0}Durand en a vu vingt de plus que lui, cf.~ Paul et Me.~ Blanc.",
        // The numbers of lists.
        "1.~ Wash the rice twice in cold water.\n2.~ Soak it for an hour.\n10)~ Steam it slowly and well.",
        "a)~ The first thing to do is this.\n(b)~ The second thing is that.\nIV.~ The last thing is easy.",
        "-~ Chào anh, anh có khỏe không vậy.\n—~ Tôi khỏe, cảm ơn anh nhiều.\n•~ Một mục nữa ở đây.",
        // Wrapped lines.
        "It was a long and rather wet day when the old Mr.\n~Smith met Prof.\n~Brown in the city of Oldham.",
    ];

    /// Whether a piece ends where a text has a mark, within the spaces there.
    fn false_ends(marked: &str) -> (String, Vec<usize>) {
        let mut text = String::new();
        let mut ends = Vec::new();
        for part in marked.split_inclusive('~') {
            let words = part.strip_suffix('~').unwrap_or(part);
            text.push_str(words);
            if part.len() > words.len() {
                ends.push(text.trim_end().len());
            }
        }
        for (byte, _) in marked.match_indices('\u{a0}') {
            ends.push(byte - marked[..byte].matches('~').count());
        }
        (text, ends)
    }

    #[test]
    fn no_piece_ends_after_an_abbreviation_while_another_place_would_do() {
        for marked in FALSE_ENDS {
            let (text, ends) = false_ends(marked);
            let characters = u32::try_from(text.chars().count()).unwrap();
            for how in (36..characters).map(at_most).chain((2..=3).map(evenly)) {
                let mut end = 0;
                for piece in cut(&text, how, &Abbreviations::default()) {
                    end += piece.trim_end().len();
                    assert!(!ends.contains(&end), "{how:?} of {text:?} ends a piece after {piece:?}");
                    end += piece.len() - piece.trim_end().len();
                    let word_ends = end == text.len() || text[..end].ends_with(char::is_whitespace);
                    assert!(word_ends, "{how:?} of {text:?} tears a word after {piece:?}");
                }
            }
        }
    }

    #[test]
    fn true_ends_of_sentences_are_still_ends() {
        for (characters, text, first) in [
            (40, "Anh ấy đã về nhà rồi. Chị ấy thì chưa về đâu nhé.", "Anh ấy đã về nhà rồi. "),
            (40, "Vâng ạ. Em chào anh, em về đây nhé anh ơi, mai gặp.", "Vâng ạ. "),
            (30, "It was in 1990. Then they all came home.", "It was in 1990. "),
            (30, "She saw it! He did not see any of it.", "She saw it! "),
            (30, "Is it so? Nobody knows, said he to her.", "Is it so? "),
            (30, "Der Hund schläft. Die Katze auch nicht.", "Der Hund schläft. "),
            (30, "Elle est partie. Il est resté tout seul.", "Elle est partie. "),
            (30, "That is all. \u{201c}Go\u{201d} is what he said then.", "That is all. "),
            (30, "First line etc.\nSecond line goes on here.", "First line etc.\n"),
            (30, "Forgotten!A space is easily forgotten.", "Forgotten!"),
        ] {
            assert_eq!(cut(text, at_most(characters), &Abbreviations::default())[0], first);
        }
    }

    #[test]
    fn a_mark_before_lower_case_ends_no_sentence() {
        let text = "\u{201c}Really?\u{201d} he asked at once. She did not say a word.";
        assert_eq!(
            cut(text, at_most(40), &Abbreviations::default())[0],
            "\u{201c}Really?\u{201d} he asked at once. "
        );
    }

    #[test]
    fn a_host_adds_abbreviations_of_its_own() {
        let text = "They met in Kh. Ba Dinh and went on. It was late by then.";
        let own = Abbreviations::new(["Quan.", "Phuong"]).unwrap();
        let text_of = |word: &str| text.replace("Kh.", &format!("{word}."));
        for word in ["Quan", "Phuong"] {
            let first = |words: &Abbreviations| cut(&text_of(word), at_most(30), words)[0].clone();
            assert!(first(&Abbreviations::default()).ends_with(&format!("{word}. ")), "{word}");
            assert!(!first(&own).ends_with(&format!("{word}. ")), "{word}");
        }
    }

    /// Texts of one million characters that are dear to look at.
    fn hostile() -> Vec<String> {
        let whole = |part: &str| part.chars().cycle().take(1_000_000).collect::<String>();
        let headed =
            |head: &str, part: &str| head.chars().chain(part.chars().cycle()).take(1_000_000).collect();
        vec![
            headed(".", ")"),
            headed(".", "\""),
            headed("a.", " "),
            headed("a.", "\n"),
            headed(".", ") "),
            headed("a. ", "1"),
            headed("a.", "\u{ad}"),
            headed("a", "\u{301}"),
            headed("a. ", "\u{301} "),
            whole(".)"),
            whole("a. "),
            whole("Mr. "),
            whole("!?"),
            whole("👨\u{200d}👩\u{200d}"),
            whole("🇻🇳"),
            whole("क\u{94d}"),
            whole("\u{1100}\u{1161}"),
            whole("\u{a0}"),
            whole("a. bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"),
            whole("\u{201c}\u{201d}"),
        ]
    }

    /// What is looked at for one character of a text, at most.
    const STEPS_PER_CHARACTER: u64 = 10;

    #[test]
    fn a_cut_looks_at_every_character_a_few_times_whatever_the_text() {
        for text in hostile() {
            let characters = text.chars().count() as u64;
            let mut steps = Steps::default();
            // Some have nothing visible in a whole piece: to say so takes no longer.
            let _ = ends_of_pieces(&text, at_most(4_000), &Abbreviations::default(), &mut steps);
            let start: String = text.chars().take(8).collect();
            assert!(steps.count() <= STEPS_PER_CHARACTER * characters, "{steps:?} for {start:?}");
        }
    }

    proptest! {
        #[test]
        fn steps_grow_with_the_text_alone(
            head in "[a-c.!) \"]{0,6}",
            part in "([a-c1.!?)(\" \n\u{a0}\u{301}。]|Mr\\. |👨\u{200d}){1,12}",
            limit in 10_u32..3_000,
            count in 1_u16..200,
        ) {
            let text: String = head.chars().chain(part.chars().cycle()).take(20_000).collect();
            let at_most = NonZeroU32::new(limit).unwrap();
            let count = NonZeroU16::new(count).unwrap();
            for how in [Cut::AtMost(at_most), Cut::Pieces { count, at_most }] {
                let mut steps = Steps::default();
                let _ = ends_of_pieces(&text, how, &Abbreviations::default(), &mut steps);
                prop_assert!(steps.count() <= STEPS_PER_CHARACTER * 20_000, "{:?} for {:?}", steps, how);
            }
        }
    }
}
