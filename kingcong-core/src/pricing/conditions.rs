//! Conditions: when a line of a price applies.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{
    clock::Timestamp,
    measure::{Circumstance, Circumstances, InvalidWord},
};

/// Most spans of time that one line may be limited to.
pub const SPANS_MAX: usize = 32;

const MINUTES_PER_DAY: u16 = 24 * 60;
const MICROS_PER_MINUTE: i64 = 60 * 1_000_000;
const DAYS_PER_WEEK: u16 = 7;
const MINUTES_PER_WEEK: u16 = DAYS_PER_WEEK * MINUTES_PER_DAY;

/// When a line of a price applies: when all of these are so. Without any it always applies.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Conditions {
    /// The work was served so.
    #[serde(default, skip_serializing_if = "Circumstances::is_empty")]
    pub served: Circumstances,
    /// The whole prompt had so many tokens: those read from a cache and written to it too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prompt: Option<PromptTokens>,
    /// The call was made within one of these spans of the week; empty: at any time.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub during: Vec<Span>,
}

/// How many tokens a prompt has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PromptTokens {
    /// More than so many.
    Above(u64),
    /// So many or more.
    From(u64),
}

impl PromptTokens {
    /// The fewest tokens that fulfil it.
    const fn least(self) -> u64 {
        match self {
            Self::Above(tokens) => tokens.saturating_add(1),
            Self::From(tokens) => tokens,
        }
    }
}

/// A span of every week, in UTC: on these days from one minute of the day up to another, which is not part of it. Where
/// it ends before it begins, it goes on into the next day.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "StoredSpan", into = "StoredSpan")]
pub struct Span {
    days: Vec<Weekday>,
    from: u16,
    until: u16,
}

/// A day of the week.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "they are their names")]
pub enum Weekday {
    Monday,
    Tuesday,
    Wednesday,
    Thursday,
    Friday,
    Saturday,
    Sunday,
}

impl Weekday {
    /// Every day of the week.
    pub const ALL: [Self; 7] = [
        Self::Monday,
        Self::Tuesday,
        Self::Wednesday,
        Self::Thursday,
        Self::Friday,
        Self::Saturday,
        Self::Sunday,
    ];

    /// Its name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Monday => "monday",
            Self::Tuesday => "tuesday",
            Self::Wednesday => "wednesday",
            Self::Thursday => "thursday",
            Self::Friday => "friday",
            Self::Saturday => "saturday",
            Self::Sunday => "sunday",
        }
    }

    /// The minutes of the week before it.
    const fn minutes_before(self) -> u16 {
        self as u16 * MINUTES_PER_DAY
    }
}

impl fmt::Display for Weekday {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A condition that none can be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConditionError {
    /// A word that no circumstance has.
    #[error(transparent)]
    Word(#[from] InvalidWord),
    /// A span without days, or of minutes that no day has.
    #[error(
        "the span from minute {from} until minute {until} of {days} days of the week: name at least one day, a first \
         minute of 0 to 1439, and another one of 0 to 1440 to end before"
    )]
    Span {
        /// How many days it has.
        days: usize,
        /// The first minute of a day.
        from: u16,
        /// The minute that it ends before.
        until: u16,
    },
    /// More spans than one line may have.
    #[error("a line is limited to {given} spans of the week: at most {SPANS_MAX} are possible")]
    TooManySpans {
        /// How many there are.
        given: usize,
    },
}

impl Span {
    /// On these days, from one minute of the day up to another.
    ///
    /// # Errors
    /// No day, or minutes that no day has.
    pub fn new(
        days: impl IntoIterator<Item = Weekday>,
        from: u16,
        until: u16,
    ) -> Result<Self, ConditionError> {
        let mut days: Vec<Weekday> = days.into_iter().collect();
        days.sort_unstable();
        days.dedup();
        if days.is_empty() || from >= MINUTES_PER_DAY || until > MINUTES_PER_DAY || from == until {
            return Err(ConditionError::Span { days: days.len(), from, until });
        }
        Ok(Self { days, from, until })
    }

    /// Its days, in order.
    #[must_use]
    pub fn days(&self) -> &[Weekday] {
        &self.days
    }

    /// The minute of the day that it begins with.
    #[must_use]
    pub const fn from(&self) -> u16 {
        self.from
    }

    /// The minute of the day that it ends before.
    #[must_use]
    pub const fn until(&self) -> u16 {
        self.until
    }

    /// How long it lasts each time, in minutes.
    fn minutes(&self) -> u16 {
        match self.until.checked_sub(self.from) {
            Some(minutes) => minutes,
            None => MINUTES_PER_DAY - self.from + self.until,
        }
    }

    /// The minutes of the week that it begins with.
    fn starts(&self) -> impl Iterator<Item = u16> {
        self.days.iter().map(|day| day.minutes_before() + self.from)
    }

    fn has(&self, minute_of_week: u16) -> bool {
        let since = |start: u16| (minute_of_week + MINUTES_PER_WEEK - start) % MINUTES_PER_WEEK;
        self.starts().any(|start| since(start) < self.minutes())
    }

    /// Whether a minute is in both: then one of them has the minute that the other begins with.
    fn meets(&self, other: &Self) -> bool {
        self.starts().any(|start| other.has(start)) || other.starts().any(|start| self.has(start))
    }
}

/// A [`Span`] as it is written.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredSpan {
    days: Vec<Weekday>,
    from: u16,
    until: u16,
}

impl TryFrom<StoredSpan> for Span {
    type Error = ConditionError;

    fn try_from(StoredSpan { days, from, until }: StoredSpan) -> Result<Self, ConditionError> {
        Self::new(days, from, until)
    }
}

impl From<Span> for StoredSpan {
    fn from(Span { days, from, until }: Span) -> Self {
        Self { days, from, until }
    }
}

/// What a line's conditions are compared with once the work was served.
#[derive(Clone, Copy, Debug)]
pub(super) struct Serving<'a> {
    /// How it was served, as far as anybody told.
    pub(super) served: &'a Circumstances,
    /// As what it was asked for: where nobody told how it was served, it was served so.
    pub(super) asked: &'a Circumstances,
    /// The tokens of the whole prompt.
    pub(super) prompt: u64,
    /// When the call was made.
    pub(super) at: Timestamp,
}

/// The word of a [`Circumstance::Tier`] that nobody told.
const TIER_DEFAULT: &str = "standard";

impl Serving<'_> {
    fn word(&self, circumstance: Circumstance) -> Option<&str> {
        let told = self.served.get(circumstance).or_else(|| self.asked.get(circumstance));
        told.or_else(|| (circumstance == Circumstance::Tier).then_some(TIER_DEFAULT))
    }
}

/// Whether a line may apply, before the work was served.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Reach {
    /// It cannot.
    Never,
    /// It depends on how the work is served.
    Perhaps,
    /// Whatever happens.
    Always,
}

impl Conditions {
    /// None: always.
    pub const NONE: Self = Self { served: Circumstances::NONE, prompt: None, during: Vec::new() };

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.count() == 0
    }

    /// These, if they can be ones.
    pub(super) fn check(&self) -> Result<(), ConditionError> {
        match self.during.len() {
            given if given > SPANS_MAX => Err(ConditionError::TooManySpans { given }),
            _ => Ok(()),
        }
    }

    pub(super) fn are_fulfilled(&self, serving: &Serving<'_>) -> bool {
        let minute = minute_of_week(serving.at);
        self.served.iter().all(|(circumstance, word)| serving.word(circumstance) == Some(word))
            && self.prompt.is_none_or(|prompt| serving.prompt >= prompt.least())
            && (self.during.is_empty() || self.during.iter().any(|span| span.has(minute)))
    }

    /// Whether they may be fulfilled by work that was asked for so, with so many tokens in its prompt at most.
    pub(super) fn reach(&self, asked: &Circumstances, prompt_most: u64) -> Reach {
        let served = self.served.iter().map(|(circumstance, word)| match asked.get(circumstance) {
            Some(asked) if asked == word => Reach::Always,
            Some(_) => Reach::Never,
            None => Reach::Perhaps,
        });
        let prompt = self.prompt.map(|prompt| match prompt.least() {
            0 => Reach::Always,
            least if least > prompt_most => Reach::Never,
            _ => Reach::Perhaps,
        });
        let during = (!self.during.is_empty()).then_some(Reach::Perhaps);
        served.chain(prompt).chain(during).min().unwrap_or(Reach::Always)
    }

    /// What is compared of two lines that both apply: the greater one is meant.
    pub(super) fn rank(&self) -> (usize, u64) {
        (self.count(), self.least_prompt())
    }

    fn count(&self) -> usize {
        self.served.len() + usize::from(self.prompt.is_some()) + usize::from(!self.during.is_empty())
    }

    fn least_prompt(&self) -> u64 {
        self.prompt.map_or(0, PromptTokens::least)
    }

    /// Whether both may be fulfilled at once, and neither is more particular.
    pub(super) fn ties_with(&self, other: &Self) -> bool {
        let differ_in_prompt_alone = self.served == other.served
            && self.during == other.during
            && self.prompt.is_some() == other.prompt.is_some()
            && self.least_prompt() != other.least_prompt();
        self.count() == other.count() && !differ_in_prompt_alone && self.may_meet(other)
    }

    fn may_meet(&self, other: &Self) -> bool {
        let same = |(what, word)| other.served.get(what).is_none_or(|theirs| theirs == word);
        let meet = |span: &Span| other.during.iter().any(|theirs| span.meets(theirs));
        self.served.iter().all(same)
            && (self.during.is_empty() || other.during.is_empty() || self.during.iter().any(meet))
    }

    /// Whether they are fulfilled wherever both of the others are, and are more particular.
    pub(super) fn cover(&self, one: &Self, other: &Self) -> bool {
        let served = self.served.iter().all(|(what, word)| {
            one.served.get(what).or_else(|| other.served.get(what)).is_some_and(|theirs| theirs == word)
        });
        let prompt = self.least_prompt() <= one.least_prompt().max(other.least_prompt());
        let during = self.during.is_empty() || self.during == one.during || self.during == other.during;
        served && prompt && during && self.count() > one.count()
    }
}

/// The minute of the week, from Monday 00:00 UTC on.
fn minute_of_week(at: Timestamp) -> u16 {
    // 1 January 1970 was a Thursday.
    let since_monday =
        at.as_micros().div_euclid(MICROS_PER_MINUTE) + i64::from(Weekday::Thursday.minutes_before());
    u16::try_from(since_monday.rem_euclid(MINUTES_PER_WEEK.into())).expect("a week has 10,080 minutes")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn served(words: &[(Circumstance, &str)]) -> Circumstances {
        words.iter().fold(Circumstances::NONE, |all, (what, word)| all.with(*what, *word).unwrap())
    }

    fn during(spans: &[Span]) -> Conditions {
        Conditions { during: spans.to_vec(), ..Conditions::NONE }
    }

    /// So many minutes after the beginning of a day, by its number since 1970.
    fn at(day: i64, hour: i64, minute: i64) -> Timestamp {
        Timestamp::from_micros(((day * 24 + hour) * 60 + minute) * MICROS_PER_MINUTE)
    }

    #[test]
    fn spans_of_the_week_end_before_their_last_minute_and_go_on_past_midnight() {
        use Weekday::{Friday, Sunday};
        // DeepSeek's off-peak hours, 16:30 to 00:30 UTC, as on Fridays and Sundays.
        let off_peak = during(&[Span::new([Friday, Sunday], 16 * 60 + 30, 30).unwrap()]);
        let friday = 20784; // 27 November 2026
        for (day, hour, minute, inside) in [
            (friday, 16, 29, false),
            (friday, 16, 30, true),
            (friday + 1, 0, 29, true),
            (friday + 1, 0, 30, false),
            (friday + 1, 20, 0, false),
            (friday + 2, 23, 59, true),
            (friday + 3, 0, 29, true),
            (friday - 7 * 3000, 17, 0, true),
        ] {
            let none = Circumstances::NONE;
            let serving = Serving { served: &none, asked: &none, prompt: 0, at: at(day, hour, minute) };
            assert_eq!(off_peak.are_fulfilled(&serving), inside, "{day} {hour}:{minute}");
        }
        for (days, from, until) in
            [(vec![], 0, 1), (vec![Friday], 1440, 5), (vec![Friday], 0, 1441), (vec![Friday], 7, 7)]
        {
            assert!(Span::new(days.clone(), from, until).is_err(), "{days:?} {from} {until}");
        }
        assert!(serde_json::from_str::<Span>(r#"{"days":["friday"],"from":9,"until":9}"#).is_err());
    }

    #[test]
    fn what_nobody_told_was_served_as_asked_and_a_tier_as_standard() {
        let asked = served(&[(Circumstance::Size, "1024x1024")]);
        let of = |word: (Circumstance, &str)| Conditions { served: served(&[word]), ..Conditions::NONE };
        for (told, condition, fulfilled) in [
            (served(&[]), of((Circumstance::Size, "1024x1024")), true),
            (served(&[(Circumstance::Size, "512x512")]), of((Circumstance::Size, "1024x1024")), false),
            (served(&[]), of((Circumstance::Tier, "standard")), true),
            (served(&[]), of((Circumstance::Tier, "priority")), false),
            (served(&[(Circumstance::Tier, "priority")]), of((Circumstance::Tier, "priority")), true),
            (served(&[]), of((Circumstance::Region, "us")), false),
        ] {
            let serving = Serving { served: &told, asked: &asked, prompt: 0, at: Timestamp::EPOCH };
            assert_eq!(condition.are_fulfilled(&serving), fulfilled, "{told:?} {condition:?}");
        }
    }

    #[test]
    fn a_bound_of_the_prompt_is_reached_only_by_a_prompt_that_may_be_so_large() {
        let above = |bound| Conditions { prompt: Some(PromptTokens::Above(bound)), ..Conditions::NONE };
        let from = |bound| Conditions { prompt: Some(PromptTokens::From(bound)), ..Conditions::NONE };
        for (conditions, most, reach) in [
            (above(10), 10, Reach::Never),
            (above(10), 11, Reach::Perhaps),
            (from(10), 9, Reach::Never),
            (from(10), 10, Reach::Perhaps),
            (from(0), 0, Reach::Always),
            (above(u64::MAX), u64::MAX, Reach::Perhaps),
            (Conditions::NONE, 0, Reach::Always),
        ] {
            assert_eq!(conditions.reach(&Circumstances::NONE, most), reach, "{conditions:?} {most}");
        }
    }
}
