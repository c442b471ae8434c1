//! The places where a text may be cut, each with how natural a pause is there.
//!
//! They are found in one pass over the text: a place whose strength depends on what comes later gets it when that
//! comes, and nothing is looked at twice. Sentences are those of Unicode's rules (UAX #29, SB1 to SB11), with three
//! differences: a full stop after an abbreviation, a title, an initial, an ordinal or a list's number ends none, a
//! question or exclamation mark before lower case ends a clause only, and neither mark ends one inside an address.

use unicode_properties::{GeneralCategory, UnicodeGeneralCategory};
use unicode_segmentation::{Graphemes, UnicodeSegmentation};

use super::{
    abbreviations::{Abbreviations, Tie},
    steps::Steps,
};

/// How natural a pause is at a place; later is better.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Strength {
    /// Inside a grapheme cluster that is longer than a piece.
    Inside,
    /// Between two grapheme clusters.
    Cluster,
    /// At spaces between what belongs together: a title and a name, a number and its noun, `!` after a space.
    Tied,
    /// Between words that no space separates, or among the spaces between two words.
    Word,
    /// At a word's start, after spaces.
    Space,
    /// After a comma and the like.
    Clause,
    /// At a sentence's start.
    Sentence,
    /// After an empty line.
    Paragraph,
}

/// A place where a text may be cut.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    /// Bytes before it.
    pub(super) byte: usize,
    /// Characters before it.
    pub(super) character: u32,
    /// Uncuttable units with something visible in them before it.
    pub(super) visible: u32,
    pub(super) strength: Strength,
}

/// The places of a text, each further on than the one before.
pub(super) struct Places {
    list: Vec<Place>,
    pub(super) end: Place,
}

impl Places {
    /// Every place of a text where pieces of at most so many characters may end, from its start to its end.
    pub(super) fn of(text: &str, at_most: u32, abbreviations: &Abbreviations, steps: &mut Steps) -> Self {
        let mut list: Vec<Place> = Vec::new();
        let mut pause = Pause::new(text, abbreviations);
        // The last place, and its strength if the next letter is a lower-case one.
        let mut undecided: Option<(usize, Strength)> = None;
        let (mut byte, mut character, mut visible) = (0, 0, 0);
        for cluster in Clusters::of(text) {
            steps.add(cluster.characters as usize);
            let kind = cluster.kind;
            if let Some((place, otherwise)) = undecided
                && kind.decides()
            {
                if kind == Kind::Lower {
                    list[place].strength = otherwise;
                }
                undecided = None;
            }
            let (strength, before_lower) = pause.before(&cluster);
            if let Some(otherwise) = before_lower {
                undecided = Some((list.len(), otherwise));
            }
            list.push(Place { byte, character, visible, strength });
            if cluster.characters <= at_most {
                character += cluster.characters;
                visible += u32::from(!cluster.is_invisible);
            } else {
                for (inside, c) in cluster.text.char_indices() {
                    if inside > 0 {
                        let byte = byte + inside;
                        list.push(Place { byte, character, visible, strength: Strength::Inside });
                    }
                    character += 1;
                    visible += u32::from(!is_invisible(c));
                }
            }
            pause.pass(byte, &cluster);
            byte += cluster.text.len();
        }
        Self { list, end: Place { byte, character, visible, strength: Strength::Paragraph } }
    }

    pub(super) fn start(&self) -> Place {
        self.list[0]
    }

    /// The places where a piece from `start` may end: with something visible in it, at least `left` visible units
    /// and at most `longest_rest` characters after it, and at most `at_most` characters itself.
    pub(super) fn ends(&self, start: Place, at_most: u32, left: u32, longest_rest: u32) -> &[Place] {
        let (start_visible, end) = (start.visible, self.end);
        let first = self.list.partition_point(|place| {
            place.visible <= start_visible || end.character - place.character > longest_rest
        });
        let last = self.list.partition_point(|place| {
            place.character <= start.character.saturating_add(at_most) && end.visible - place.visible >= left
        });
        self.list.get(first..last).unwrap_or_default()
    }
}

/// What a reader sees as one character.
struct Cluster<'a> {
    text: &'a str,
    first: char,
    /// That of its first character.
    kind: Kind,
    characters: u32,
    is_invisible: bool,
}

/// The grapheme clusters of a text.
struct Clusters<'a> {
    /// What was not given yet.
    rest: &'a str,
    /// Unicode's own clusters, from where they were needed last.
    graphemes: Graphemes<'a>,
}

impl<'a> Clusters<'a> {
    fn of(text: &'a str) -> Self {
        Self { rest: text, graphemes: text.graphemes(true) }
    }
}

impl<'a> Iterator for Clusters<'a> {
    type Item = Cluster<'a>;

    fn next(&mut self) -> Option<Cluster<'a>> {
        let mut characters = self.rest.chars();
        let first = characters.next()?;
        let kind = Kind::of(first);
        // Most characters need no tables to see that they are clusters; long texts would wait for them.
        if stands_alone(first) && characters.next().is_none_or(stands_alone) {
            let (text, rest) = self.rest.split_at(first.len_utf8());
            self.rest = rest;
            let is_invisible = kind.shows_nothing();
            return Some(Cluster { text, first, kind, characters: 1, is_invisible });
        }
        // They remember what they have looked up, so they are asked to go on where they can.
        if self.graphemes.as_str().len() != self.rest.len() {
            self.graphemes = self.rest.graphemes(true);
        }
        let text = self.graphemes.next()?;
        self.rest = self.graphemes.as_str();
        let characters = u32::try_from(text.chars().count()).expect("a text's length fits 32 bits");
        let is_invisible = kind.shows_nothing() && text.chars().all(is_invisible);
        Some(Cluster { text, first, kind, characters, is_invisible })
    }
}

/// Whether a character never shares a cluster with another one that stands alone; false where unsure.
fn stands_alone(c: char) -> bool {
    matches!(
        c,
        '\0'..='\u{c}'
            | '\u{e}'..='\u{2ff}'
            | '\u{1e00}'..='\u{1eff}'
            | '\u{2010}'..='\u{2027}'
            | '\u{3001}'..='\u{3029}'
            | '\u{3041}'..='\u{3096}'
            | '\u{3400}'..='\u{9fff}'
            | '\u{ff01}'..='\u{ff60}'
    )
}

/// What a character is to the pauses around it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    LineEnd,
    ParagraphEnd,
    Space,
    /// A space that holds together what is on its two sides.
    NoBreakSpace,
    Invisible,
    /// An accent or the like.
    Mark,
    Lower,
    Upper,
    /// A letter of a script without upper and lower case.
    Letter,
    Digit,
    /// A full stop, which may also belong to an abbreviation or a number.
    FullStop,
    /// Another mark that ends sentences.
    Stop,
    /// `,` and the like; ends a clause if a space follows: not in `1,000`.
    Comma,
    /// `，` and the like; ends a clause by itself.
    WideComma,
    Open,
    Close,
    /// A straight quote, which opens and closes.
    Quote,
    Punctuation,
    Symbol,
}

impl Kind {
    fn of(c: char) -> Self {
        match c {
            'a'..='z' => return Self::Lower,
            ' ' | '\t' => return Self::Space,
            'A'..='Z' => return Self::Upper,
            '0'..='9' => return Self::Digit,
            '\n' | '\r' | '\u{2028}' => return Self::LineEnd,
            '\u{2029}' => return Self::ParagraphEnd,
            '.' | '\u{2024}' | '\u{fe52}' | '\u{ff0e}' => return Self::FullStop,
            '!' | '?' => return Self::Stop,
            ',' | ';' | ':' | '–' | '-' => return Self::Comma,
            '，' | '、' | '；' | '：' | '—' | '…' | '،' | '؛' => return Self::WideComma,
            '(' | '[' | '{' | '«' | '‘' | '‚' | '“' | '„' => return Self::Open,
            ')' | ']' | '}' | '»' | '’' | '”' => return Self::Close,
            '"' | '\'' => return Self::Quote,
            '#' | '%' | '&' | '*' | '/' | '@' | '\\' | '_' => return Self::Punctuation,
            '\u{a0}' | '\u{2007}' | '\u{202f}' => return Self::NoBreakSpace,
            '\u{3041}'..='\u{3096}' | '\u{3400}'..='\u{9fff}' => return Self::Letter,
            _ => {}
        }
        if c.is_ascii() {
            return if c.is_ascii_graphic() { Self::Symbol } else { Self::Invisible };
        }
        if c.is_lowercase() {
            return Self::Lower;
        }
        if c.is_uppercase() {
            return Self::Upper;
        }
        let category = c.general_category();
        match category {
            _ if c.is_whitespace() => Self::Space,
            _ if is_stop(c) => Self::Stop,
            _ if shows_nothing(c, category) => Self::Invisible,
            GeneralCategory::DecimalNumber | GeneralCategory::LetterNumber | GeneralCategory::OtherNumber => {
                Self::Digit
            }
            GeneralCategory::OpenPunctuation | GeneralCategory::InitialPunctuation => Self::Open,
            GeneralCategory::ClosePunctuation | GeneralCategory::FinalPunctuation => Self::Close,
            GeneralCategory::ConnectorPunctuation
            | GeneralCategory::DashPunctuation
            | GeneralCategory::OtherPunctuation => Self::Punctuation,
            GeneralCategory::NonspacingMark
            | GeneralCategory::SpacingMark
            | GeneralCategory::EnclosingMark => Self::Mark,
            GeneralCategory::OtherLetter
            | GeneralCategory::ModifierLetter
            | GeneralCategory::TitlecaseLetter => Self::Letter,
            _ => Self::Symbol,
        }
    }

    const fn is_space(self) -> bool {
        matches!(self, Self::Space | Self::NoBreakSpace | Self::LineEnd | Self::ParagraphEnd)
    }

    const fn shows_nothing(self) -> bool {
        self.is_space() || matches!(self, Self::Invisible)
    }

    /// Whether it belongs to what stands before it: punctuation that does not open anything.
    const fn clings(self) -> bool {
        matches!(
            self,
            Self::FullStop | Self::Stop | Self::Comma | Self::WideComma | Self::Close | Self::Punctuation
        )
    }

    /// Whether it tells if the full stop before it ended a sentence (SB8).
    const fn decides(self) -> bool {
        matches!(
            self,
            Self::Lower
                | Self::Upper
                | Self::Letter
                | Self::FullStop
                | Self::Stop
                | Self::LineEnd
                | Self::ParagraphEnd
        )
    }
}

/// Marks other than full stops that end sentences and are not of ASCII: `Sentence_Break=STerm` of Unicode 17.
fn is_stop(c: char) -> bool {
    matches!(
        c,
        '\u{589}'
            | '\u{61d}'..='\u{61f}'
            | '\u{6d4}'
            | '\u{700}'..='\u{702}'
            | '\u{7f9}'
            | '\u{837}'
            | '\u{839}'
            | '\u{83d}'..='\u{83e}'
            | '\u{964}'..='\u{965}'
            | '\u{104a}'..='\u{104b}'
            | '\u{1362}'
            | '\u{1367}'..='\u{1368}'
            | '\u{166e}'
            | '\u{1735}'..='\u{1736}'
            | '\u{17d4}'..='\u{17d5}'
            | '\u{1803}'
            | '\u{1809}'
            | '\u{1944}'..='\u{1945}'
            | '\u{1aa8}'..='\u{1aab}'
            | '\u{1b4e}'..='\u{1b4f}'
            | '\u{1b5a}'..='\u{1b5b}'
            | '\u{1b5e}'..='\u{1b5f}'
            | '\u{1b7d}'..='\u{1b7f}'
            | '\u{1c3b}'..='\u{1c3c}'
            | '\u{1c7e}'..='\u{1c7f}'
            | '\u{203c}'..='\u{203d}'
            | '\u{2047}'..='\u{2049}'
            | '\u{2cf9}'..='\u{2cfb}'
            | '\u{2e2e}'
            | '\u{2e3c}'
            | '\u{2e53}'..='\u{2e54}'
            | '\u{3002}'
            | '\u{a4ff}'
            | '\u{a60e}'..='\u{a60f}'
            | '\u{a6f3}'
            | '\u{a6f7}'
            | '\u{a876}'..='\u{a877}'
            | '\u{a8ce}'..='\u{a8cf}'
            | '\u{a92f}'
            | '\u{a9c8}'..='\u{a9c9}'
            | '\u{aa5d}'..='\u{aa5f}'
            | '\u{aaf0}'..='\u{aaf1}'
            | '\u{abeb}'
            | '\u{fe12}'
            | '\u{fe15}'..='\u{fe16}'
            | '\u{fe56}'..='\u{fe57}'
            | '\u{ff01}'
            | '\u{ff1f}'
            | '\u{ff61}'
            | '\u{10a56}'..='\u{10a57}'
            | '\u{10f55}'..='\u{10f59}'
            | '\u{10f86}'..='\u{10f89}'
            | '\u{11047}'..='\u{11048}'
            | '\u{110be}'..='\u{110c1}'
            | '\u{11141}'..='\u{11143}'
            | '\u{111c5}'..='\u{111c6}'
            | '\u{111cd}'
            | '\u{111de}'..='\u{111df}'
            | '\u{11238}'..='\u{11239}'
            | '\u{1123b}'..='\u{1123c}'
            | '\u{112a9}'
            | '\u{113d4}'..='\u{113d5}'
            | '\u{1144b}'..='\u{1144c}'
            | '\u{115c2}'..='\u{115c3}'
            | '\u{115c9}'..='\u{115d7}'
            | '\u{11641}'..='\u{11642}'
            | '\u{1173c}'..='\u{1173e}'
            | '\u{11944}'
            | '\u{11946}'
            | '\u{11a42}'..='\u{11a43}'
            | '\u{11a9b}'..='\u{11a9c}'
            | '\u{11c41}'..='\u{11c42}'
            | '\u{11ef7}'..='\u{11ef8}'
            | '\u{11f43}'..='\u{11f44}'
            | '\u{16a6e}'..='\u{16a6f}'
            | '\u{16af5}'
            | '\u{16b37}'..='\u{16b38}'
            | '\u{16b44}'
            | '\u{16d6e}'..='\u{16d6f}'
            | '\u{16e98}'
            | '\u{1bc9f}'
            | '\u{1da88}'
    )
}

/// Whether a character shows nothing by itself: controls, format characters, spaces, variation selectors, fillers.
pub(super) fn is_invisible(c: char) -> bool {
    if c.is_ascii() {
        return !c.is_ascii_graphic();
    }
    // The standard library knows these faster than the tables of categories.
    if matches!(c, '\u{c0}'..='\u{2ff}' | '\u{1e00}'..='\u{1eff}' | '\u{3041}'..='\u{3096}' | '\u{3400}'..='\u{9fff}')
    {
        return false;
    }
    shows_nothing(c, c.general_category())
}

fn shows_nothing(c: char, category: GeneralCategory) -> bool {
    let is_filler = matches!(
        c,
        '\u{34f}'
            | '\u{115f}'
            | '\u{1160}'
            | '\u{17b4}'
            | '\u{17b5}'
            | '\u{180b}'..='\u{180f}'
            | '\u{2800}'
            | '\u{3164}'
            | '\u{fe00}'..='\u{fe0f}'
            | '\u{ffa0}'
            | '\u{e0000}'..='\u{e0fff}'
    );
    is_filler
        || matches!(
            category,
            GeneralCategory::Control
                | GeneralCategory::Format
                | GeneralCategory::SpaceSeparator
                | GeneralCategory::LineSeparator
                | GeneralCategory::ParagraphSeparator
        )
}

/// What was passed since the last word: it tells how natural a pause is before the next one.
struct Pause<'a> {
    text: &'a str,
    abbreviations: &'a Abbreviations,
    /// What ended a sentence, if only closing marks and spaces came after it.
    stop: Option<Stop>,
    spaces: Spaces,
    line_ends: u8,
    clause: Clause,
    /// The last visible clusters without a space among them.
    run: Run,
    /// What the last visible cluster starts with.
    last: Option<(char, Kind)>,
}

/// Visible clusters without a space among them.
#[derive(Debug)]
struct Run {
    /// Where it starts and ends, in bytes.
    start: usize,
    end: usize,
    is_first_of_line: bool,
    /// It has what addresses have: `/`, `@` and the like.
    is_address: bool,
    /// Whether it belongs to what follows, once that was asked.
    tie: Option<Tie>,
}

/// What ended a sentence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stop {
    kind: Kind,
    is_ascii: bool,
}

/// What space there was since the last visible cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Spaces {
    None,
    /// Such that hold together only.
    NoBreak,
    Some,
}

/// Punctuation that ends a clause.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Clause {
    /// None.
    No,
    /// Ends one if a space follows.
    WithSpace,
    /// Ends one by itself.
    Alone,
}

/// Whether a sentence starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Start {
    No,
    Clause,
    Sentence,
    /// Unless the next letter is a lower-case one.
    Undecided,
}

impl<'a> Pause<'a> {
    fn new(text: &'a str, abbreviations: &'a Abbreviations) -> Self {
        Self {
            text,
            abbreviations,
            stop: None,
            spaces: Spaces::None,
            line_ends: 0,
            clause: Clause::No,
            run: Run { start: 0, end: 0, is_first_of_line: true, is_address: false, tie: None },
            last: None,
        }
    }

    /// How natural a cut before this cluster is, and how much so if the next letter is a lower-case one.
    fn before(&mut self, next: &Cluster<'_>) -> (Strength, Option<Strength>) {
        let kind = next.kind;
        if kind.is_space() {
            // Spaces go with the word before them, unless there are too many.
            let is_tied = kind == Kind::NoBreakSpace || (self.line_ends == 0 && self.tie() != Tie::No);
            return (if is_tied { Strength::Tied } else { Strength::Word }, None);
        }
        if next.is_invisible || (self.spaces == Spaces::None && kind.clings()) {
            return (Strength::Cluster, None);
        }
        if self.line_ends >= 2 {
            return (Strength::Paragraph, None);
        }
        if self.is_tied(next.first, kind) {
            return (Strength::Tied, None);
        }
        let within = self.within_sentence(next.first, kind);
        match self.start(kind) {
            Start::No => (within, None),
            Start::Clause => (Strength::Clause, None),
            Start::Sentence => (Strength::Sentence, None),
            Start::Undecided => (Strength::Sentence, Some(within)),
        }
    }

    fn within_sentence(&self, next: char, next_kind: Kind) -> Strength {
        let in_word = || {
            self.last.is_some_and(|(last, kind)| {
                kind == Kind::Open || (continues(last, kind) && continues(next, next_kind))
            })
        };
        match (self.clause, self.spaces) {
            (Clause::Alone, _) | (Clause::WithSpace, Spaces::Some) => Strength::Clause,
            (_, Spaces::Some) => Strength::Space,
            _ if in_word() => Strength::Cluster,
            _ => Strength::Word,
        }
    }

    fn start(&self, next: Kind) -> Start {
        if self.line_ends > 0 {
            // A line that goes on in lower case is wrapped, not ended.
            return if next == Kind::Lower { Start::No } else { Start::Sentence };
        }
        let Some(stop) = self.stop else { return Start::No };
        let closes_or_goes_on = matches!(next, Kind::FullStop | Kind::Stop | Kind::Comma)
            || (self.spaces == Spaces::None && matches!(next, Kind::Open | Kind::Close | Kind::Quote));
        if closes_or_goes_on {
            return Start::No;
        }
        if self.spaces == Spaces::None && stop.is_ascii {
            // `3.14`, `example.com/?q=a`; but also two sentences whose space was forgotten.
            match next {
                Kind::Letter => {}
                Kind::Upper if stop.kind == Kind::Stop && !self.run.is_address => {}
                _ => return Start::No,
            }
        }
        match (stop.kind, next) {
            (Kind::FullStop, Kind::Lower) => Start::No,
            (Kind::FullStop, Kind::Digit) if self.spaces == Spaces::None => Start::No,
            (Kind::FullStop, kind) if !kind.decides() => Start::Undecided,
            (_, Kind::Lower) => Start::Clause,
            _ => Start::Sentence,
        }
    }

    /// Whether what comes next belongs to what was last.
    fn is_tied(&mut self, next: char, kind: Kind) -> bool {
        match self.spaces {
            Spaces::None => return false,
            Spaces::NoBreak => return true,
            Spaces::Some => {}
        }
        // French has spaces within its quotes and before these.
        let in_quotes = matches!(next, '!' | '?' | ';' | ':' | '»' | '%')
            || self.last.is_some_and(|(last, _)| last == '«');
        if self.line_ends == 0 && in_quotes {
            return true;
        }
        match self.tie() {
            Tie::No => false,
            Tie::Always => true,
            Tie::OnLine => self.line_ends == 0,
            Tie::ToNumber => self.line_ends == 0 && kind == Kind::Digit,
        }
    }

    fn tie(&mut self) -> Tie {
        let Run { start, end, is_first_of_line, .. } = self.run;
        let look = || self.abbreviations.tie(&self.text[start..end], is_first_of_line);
        *self.run.tie.get_or_insert_with(look)
    }

    /// Goes past a cluster that starts at `byte`.
    fn pass(&mut self, byte: usize, cluster: &Cluster<'_>) {
        let kind = cluster.kind;
        if kind.is_space() {
            if self.spaces != Spaces::Some {
                self.spaces = if kind == Kind::NoBreakSpace { Spaces::NoBreak } else { Spaces::Some };
            }
            self.line_ends = self.line_ends.saturating_add(match kind {
                Kind::LineEnd => 1,
                Kind::ParagraphEnd => 2,
                _ => 0,
            });
            return;
        }
        if cluster.is_invisible {
            return;
        }
        let is_spaced = self.spaces != Spaces::None;
        self.clause = match kind {
            Kind::WideComma => Clause::Alone,
            Kind::Comma => Clause::WithSpace,
            Kind::Quote if self.clause == Clause::WithSpace && !is_spaced => Clause::WithSpace,
            Kind::Close if !is_spaced => self.clause,
            _ => Clause::No,
        };
        self.stop = match kind {
            Kind::FullStop | Kind::Stop => Some(Stop { kind, is_ascii: cluster.first.is_ascii() }),
            Kind::Open | Kind::Close | Kind::Quote | Kind::Mark if !is_spaced => self.stop,
            _ => None,
        };
        if is_spaced {
            let is_first_of_line = self.line_ends > 0 || self.last.is_none();
            self.run = Run { start: byte, end: byte, is_first_of_line, is_address: false, tie: None };
        }
        self.run.is_address |= matches!(cluster.first, '/' | '@' | '=' | '\\');
        self.run.end = byte + cluster.text.len();
        self.run.tie = None;
        (self.spaces, self.line_ends) = (Spaces::None, 0);
        self.last = Some((cluster.first, kind));
    }
}

/// Whether two such characters side by side are parts of one word or number: `don't`, `3.14`, but not `中文`.
fn continues(c: char, kind: Kind) -> bool {
    match c {
        '-' | '/' | '!' | '?' | ';' | '(' | ')' | '[' | ']' | '{' | '}' => false,
        '\u{2e80}'..='\u{a4cf}' | '\u{f900}'..='\u{faff}' | '\u{20000}'..='\u{3ffff}' => false,
        '’' => true,
        _ => match kind {
            Kind::Lower | Kind::Upper | Kind::Letter | Kind::Digit => true,
            // Some vowels are marks. The tables of letters take long to search: they are asked about marks alone.
            Kind::Mark => c.is_alphanumeric(),
            _ => c.is_ascii_punctuation(),
        },
    }
}
