//! Abbreviations: words whose full stop ends no sentence, in Vietnamese, English, German and French, and those that a
//! host adds.
//!
//! Where a sentence might end after such a word all the same ("… at 5 p.m. Then …"), the text is cut at another place:
//! a cut that is missed costs less than a title that is torn from its name.

use std::{collections::BTreeSet, sync::LazyLock};

/// Words that a host adds to the library's own abbreviations, without the full stop at their end: `Kp` or `Bà.Tr`. They
/// belong to what follows them.
///
/// ```
/// use kingcong_core::work::Abbreviations;
///
/// assert!(Abbreviations::new(["Kp", "Đk."]).is_ok());
/// assert!(Abbreviations::new(["two words"]).is_err());
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Abbreviations(BTreeSet<Box<str>>);

/// Why words cannot be added to the abbreviations.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AbbreviationError {
    /// Not one word of letters, digits, hyphens and full stops.
    #[error(
        "{word:?} is no abbreviation: give a word of 1 to {} characters, letters and digits with hyphens or full \
         stops among them",
        Abbreviations::WORD_CHARACTERS_MAX
    )]
    Word {
        /// What was given.
        word: String,
    },
    /// More than [`Abbreviations::WORDS_MAX`].
    #[error("more than {} abbreviations: leave out the rarest", Abbreviations::WORDS_MAX)]
    TooMany,
}

/// Whether a word belongs to what follows it, so that no piece should end after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tie {
    /// It does not: a sentence may end there.
    No,
    /// Whatever follows, on the next line too.
    Always,
    /// What follows on the same line.
    OnLine,
    /// A number that follows on the same line.
    ToNumber,
}

/// A longer run of characters is no abbreviation, in bytes; text without spaces is one long run.
const RUN_BYTES_MAX: usize = 40;
/// Letters of a part between full stops: `PGS.TSKH.`, but not `example.com.`.
const PART_LETTERS_MAX: usize = 5;
/// Letters of a word that cannot be read as one because it has no vowel: `KTS`, `bzw`.
const UNREADABLE_LETTERS_MAX: usize = 7;
/// Digits of an ordinal before its full stop: `31. Dezember`; years have more.
const ORDINAL_DIGITS_MAX: usize = 2;
/// Digits of the number of a list's item, and letters of a Roman one.
const ITEM_DIGITS_MAX: usize = 3;
const ROMAN_LETTERS_MAX: usize = 7;
/// Characters of a mark that opens a list's item or a line of speech: `-`, `•`, `##`.
const BULLET_CHARACTERS_MAX: usize = 3;

/// Words that always belong to what follows. Such as have no vowel are known without.
const LEADING: &[&str] = &[
    "AHLLVT", "AHLĐ", "Abb", "Abs", "Abt", "Adm", "Amb", "Anm", "Art", "Asst", "Aufl", "BSCKI", "BSCKII",
    "Bes", "Bldg", "Brig", "Bsp", "CKI", "CKII", "CTy", "Capt", "Chap", "Col", "Comdr", "Cpl", "Cty", "Dept",
    "Det", "Dipl", "Dott", "Dr", "Ens", "Ext", "Fig", "Figs", "Frl", "Geb", "Gen", "Gov", "Hon", "Hr", "Hrn",
    "Hrsg", "Ing", "Insp", "Inst", "Jhdt", "Kap", "Komp", "Lieut", "Mag", "Maj", "Me", "Messrs", "Mio",
    "Mlle", "Mlles", "Mme", "Mmes", "Mons", "Mr", "Ms", "Mses", "Msgr", "NGƯT", "NSƯT", "NSƯTN", "Nr", "Obj",
    "Ofc", "Pres", "Prof", "Profs", "Präs", "Pvt", "Rep", "Reps", "Rev", "Rt", "Secy", "Sek", "Sem", "Sen",
    "Sens", "Sgt", "St", "Ste", "Str", "Sté", "Supt", "TTƯT", "Tel", "Th", "Tr", "Treas", "Univ", "Ven",
    "Vol", "Vols", "Ziff", "allg", "approx", "apr", "av", "betr", "boul", "bspw", "bzgl", "ca", "déc", "e.g",
    "ed", "eds", "ehem", "eigtl", "einschl", "entspr", "env", "esp", "evtl", "exkl", "févr", "gegr", "gesch",
    "i.e", "incl", "inkl", "insb", "insbes", "inéd", "ital", "janv", "juil", "juill", "kath", "nachm", "nov",
    "nördl", "obs", "paragr", "réf", "rééd", "röm", "sog", "suiv", "südl", "teilw", "tr", "trad", "tägl",
    "ungef", "urspr", "verh", "viz", "vorm", "westl", "zus", "zz", "zzgl", "ÔB", "éd", "östl", "ĐHQG",
];

/// Words that may also end a sentence; then its end is at a line's end.
const CLOSING: &[&str] = &[
    "Ala", "Apr", "Ariz", "Ark", "Assn", "Aug", "Ave", "Bhf", "Blvd", "Bros", "Calif", "Cie", "Co", "Colo",
    "Conn", "Corp", "Dec", "Del", "Dez", "Esq", "Feb", "Fri", "GmbH", "Hbf", "Inc", "Jan", "Jh", "Jr", "Jul",
    "Jun", "Jän", "LLC", "Ltd", "Mar", "Mich", "Min", "Minn", "Mon", "Mrd", "Mär", "Nov", "Oct", "Okla",
    "Okt", "PLC", "Penn", "Rd", "Sep", "Sept", "Sr", "Std", "Thu", "Thur", "Thurs", "Tsd", "Tue", "Tues",
    "Wed", "Wis", "al", "dgl", "dt", "e.V", "ebd", "engl", "etc", "etw", "ex", "franz", "griech", "hrs",
    "ibid", "oct", "op", "sept", "usf", "usw", "vv",
];

/// Words that are abbreviations before a number only.
const NUMBERED: &[&str] = &[
    "App", "Ch", "Eq", "Eqs", "No", "Nos", "Rn", "Sec", "Tab", "Ver", "app", "art", "arts", "ch", "chap",
    "cl", "eq", "fig", "figs", "kap", "ll", "max", "min", "nn", "no", "nos", "nr", "par", "para", "paras",
    "pp", "sec", "tab", "ver", "vols",
];

/// The words of all lists with what they belong to, in the order of their bytes.
static KNOWN: LazyLock<Vec<(&str, Tie)>> = LazyLock::new(|| {
    let lists = [(LEADING, Tie::Always), (CLOSING, Tie::OnLine), (NUMBERED, Tie::ToNumber)];
    let mut known: Vec<_> =
        lists.iter().flat_map(|(list, tie)| list.iter().map(|word| (*word, *tie))).collect();
    known.sort_unstable_by_key(|(word, _)| *word);
    known
});

impl Abbreviations {
    /// Most words that can be added.
    pub const WORDS_MAX: usize = 1_000;
    /// Longest word in characters.
    pub const WORD_CHARACTERS_MAX: usize = 20;

    /// These words; a full stop at a word's end may be left out.
    ///
    /// # Errors
    /// Something that is not one word of at most [`Abbreviations::WORD_CHARACTERS_MAX`] characters, or more than
    /// [`Abbreviations::WORDS_MAX`] of them.
    pub fn new(words: impl IntoIterator<Item = impl AsRef<str>>) -> Result<Self, AbbreviationError> {
        let mut added = BTreeSet::new();
        for word in words {
            let given = word.as_ref();
            let word = given.strip_suffix('.').unwrap_or(given);
            let is_word = word.chars().all(|c| c.is_alphanumeric() || matches!(c, '.' | '-'))
                && word.starts_with(char::is_alphanumeric)
                && word.ends_with(char::is_alphanumeric);
            if !is_word || word.chars().count() > Self::WORD_CHARACTERS_MAX {
                let word = given.chars().take(2 * Self::WORD_CHARACTERS_MAX).collect();
                return Err(AbbreviationError::Word { word });
            }
            added.insert(word.into());
            if added.len() > Self::WORDS_MAX {
                return Err(AbbreviationError::TooMany);
            }
        }
        Ok(Self(added))
    }

    /// Whether a run of visible characters belongs to what follows after spaces.
    pub(super) fn tie(&self, run: &str, is_first_of_line: bool) -> Tie {
        if run.len() > RUN_BYTES_MAX {
            return Tie::No;
        }
        if is_first_of_line && opens_item(run) {
            return Tie::OnLine;
        }
        let Some(word) = run.strip_suffix('.') else { return Tie::No };
        let is_apart = |c: char| !(c.is_alphanumeric() || matches!(c, '.' | '-'));
        let word = word.rsplit(is_apart).next().unwrap_or_default();
        let word = word.trim_start_matches(['.', '-']);
        if !word.ends_with(char::is_alphanumeric) {
            return Tie::No;
        }
        if self.0.contains(word) {
            return Tie::Always;
        }
        if word.contains('.') { self.tie_of_parts(word) } else { self.tie_of_word(word) }
    }

    /// `PGS.TS`, `U.S`, `p.m`, `J.-C`.
    fn tie_of_parts(&self, word: &str) -> Tie {
        let mut tie = Tie::OnLine;
        for part in word.split(['.', '-']).filter(|part| !part.is_empty()) {
            let is_short = part.chars().all(char::is_alphabetic) && part.chars().count() <= PART_LETTERS_MAX;
            let is_known = self.0.contains(part) || known(part) == Some(Tie::Always);
            if !is_short && !is_known {
                return Tie::No;
            }
            let is_title = is_known || (part.chars().nth(1).is_some() && is_unreadable(part));
            if is_title && part.starts_with(char::is_uppercase) {
                tie = Tie::Always;
            }
        }
        tie
    }

    fn tie_of_word(&self, word: &str) -> Tie {
        // `Prof.-Dr.` and `Univ.-Prof.` have been split off at their full stops; what is left of `Dipl-Ing` counts.
        let last = word.rsplit('-').next().unwrap_or(word);
        let mut characters = last.chars();
        if let (Some(letter), None) = (characters.next(), characters.next()) {
            return match letter {
                _ if letter.is_uppercase() => Tie::Always,
                'a'..='z' | '0'..='9' => Tie::OnLine,
                _ => Tie::No,
            };
        }
        if last.bytes().all(|byte| byte.is_ascii_digit()) {
            return if last.len() <= ORDINAL_DIGITS_MAX { Tie::OnLine } else { Tie::No };
        }
        match known(last) {
            Some(tie) => tie,
            None if is_roman(last) => Tie::OnLine,
            None if self.0.contains(last) || is_unreadable(last) || is_street(last) => Tie::Always,
            None => Tie::No,
        }
    }
}

/// What a word of the lists belongs to: as it stands there, or in lower case at its start.
fn known(word: &str) -> Option<Tie> {
    let find = |word: &str| {
        let place = KNOWN.binary_search_by_key(&word, |(known, _)| *known).ok()?;
        Some(KNOWN[place].1)
    };
    find(word).or_else(|| {
        let first = word.chars().next().filter(|first| first.is_uppercase())?;
        let lower: String = first.to_lowercase().chain(word.chars().skip(1)).collect();
        find(&lower)
    })
}

/// The number or mark of a list's item, or the dash of a line of speech: `1.`, `2)`, `(a)`, `IV.`, `3.2.1.`, `-`, `•`.
fn opens_item(run: &str) -> bool {
    if !run.contains(char::is_alphanumeric) {
        return run.chars().count() <= BULLET_CHARACTERS_MAX
            && !run.ends_with(['.', '!', '?', '。', '！', '？']);
    }
    let item = run.trim_start_matches(['(', '[']);
    let number = item.trim_end_matches(['.', ')', ']']);
    let is_number = number.split('.').all(|part| {
        part.len() <= ITEM_DIGITS_MAX && !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit())
    });
    let is_letter = number.len() == 1 && number.bytes().all(|byte| byte.is_ascii_alphabetic());
    item.len() > number.len() && (is_number || is_letter || is_roman(&number.to_ascii_uppercase()))
}

fn is_roman(word: &str) -> bool {
    word.len() <= ROMAN_LETTERS_MAX
        && word.bytes().all(|byte| matches!(byte, b'I' | b'V' | b'X' | b'L' | b'C' | b'D' | b'M'))
}

/// Whether a word of Latin letters has no vowel. Capitals with `Ư` and `Ơ`, as in `NSƯT`, cannot be read either.
fn is_unreadable(word: &str) -> bool {
    let is_consonant = |c: char| match c {
        'a' | 'e' | 'i' | 'o' | 'u' | 'y' | 'A' | 'E' | 'I' | 'O' | 'U' | 'Y' => false,
        _ => c.is_ascii_alphabetic() || matches!(c, 'đ' | 'Đ' | 'Ư' | 'Ơ' | 'ç' | 'Ç' | 'ß' | 'ñ' | 'Ñ'),
    };
    word.chars().count() <= UNREADABLE_LETTERS_MAX && word.chars().all(is_consonant)
}

/// `Hauptstr. 5`.
fn is_street(word: &str) -> bool {
    word.ends_with("str")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_word_is_listed_twice() {
        assert!(KNOWN.is_sorted_by(|(one, _), (next, _)| one < next), "{KNOWN:?}");
    }

    #[test]
    fn what_is_not_one_word_is_no_abbreviation() {
        for word in ["", ".", "a b", "Mr!", "-a", "a-", "abcdefghijklmnopqrstu", "a\n"] {
            let refused = Abbreviations::new([word]).unwrap_err().to_string();
            assert!(refused.starts_with(&format!("{word:?} is no abbreviation")), "{refused}");
        }
        let many = (0..=Abbreviations::WORDS_MAX).map(|number| format!("w{number}"));
        assert_eq!(Abbreviations::new(many), Err(AbbreviationError::TooMany));
    }
}
