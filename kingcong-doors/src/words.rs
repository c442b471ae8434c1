//! The words of the core that stand in answers and questions, with what faces say of them.

use kingcong_core::{
    access::RoleName as Role,
    failure::FailureKind,
    keys::PollsCount,
    lane::Lane,
    ledger::EntryKind,
    measure::Measure,
    money::Unit,
    operation::Operation,
    pricing::{Checked, Weekday},
    provider::Health,
    store::{AuditOutcome, DiscrepancyKind},
    switch::Switch,
    tenants::TenantState,
    work::{AudioFormat, JobState, RouteCause, Subtitles},
};
use serde::{Serialize, Serializer};

/// A closed set of words.
pub(crate) trait Words: Copy {
    /// Writes the word as it stands in JSON.
    fn put<S: Serializer>(self, serializer: S) -> Result<S::Ok, S::Error>;

    /// What faces say of the set.
    #[cfg(feature = "description")]
    fn described() -> Described;
}

/// What faces say of a set of words.
#[cfg(feature = "description")]
pub(crate) struct Described {
    pub(crate) name: &'static str,
    pub(crate) docs: &'static str,
    /// Each word as it is called, as it stands in JSON, and what is said of it.
    pub(crate) words: Vec<(&'static str, serde_json::Value, &'static str)>,
}

/// A word as it stands in JSON.
#[cfg(feature = "description")]
fn in_json<T: Words>(word: T) -> serde_json::Value {
    word.put(serde_json::value::Serializer).expect("a word is a text")
}

/// Says of each set how its words are written, what it is, and which words it has. `by as_str` is for sets that do not
/// serialise themselves.
macro_rules! words {
    (@put $word:ident $serializer:ident) => { $word.serialize($serializer) };
    (@put $word:ident $serializer:ident $text:ident) => { $serializer.serialize_str($word.$text()) };
    ($(
        $(#[doc = $doc:literal])+
        $set:ident $(by $text:ident)? { $($(#[doc = $of_word:literal])* $word:ident),+ $(,)? }
    )+) => {
        $(impl Words for $set {
            fn put<S: Serializer>(self, serializer: S) -> Result<S::Ok, S::Error> {
                words!(@put self serializer $($text)?)
            }

            #[cfg(feature = "description")]
            fn described() -> Described {
                let words =
                    vec![$((stringify!($word), in_json($set::$word), concat!($($of_word, "\n",)* ""))),+];
                Described { name: stringify!($set), docs: concat!($($doc, "\n"),+), words }
            }
        })+
    };
}

words! {
    /// What a wallet holds. The digits after the point are fixed for ever: 0, 3 and 9.
    Unit { CREDIT, NEXTFLOW, USD }

    /// An administrator's switch.
    Switch { On, Off }

    /// Whose keys a call is made with.
    Lane {
        /// The operator's, which serve every tenant.
        Shared
    }

    /// Why a task is on its route.
    RouteCause {
        /// The split chose it when the task was queued, by its submit or by a retry of its job.
        Planned,
        /// The route before it failed the task, or did not serve.
        Moved,
    }

    /// What a price counts, in the smallest part that is counted. Measures are disjoint: what is counted as one is not
    /// counted as another. `token` alone is a sum.
    Measure {
        /// A character of the text that is sent, as `measure::count_characters` counts them.
        Character,
        /// A task.
        Request,
        /// A millisecond of audio that is made.
        AudioMs,
        /// A token, as the upstream cuts them, whichever of the tokens below it is: for prices that make no difference.
        Token,
        /// An image that is made.
        Image,
        /// A token of the prompt's text, neither read from a cache nor written to one.
        InputToken,
        /// A token of the prompt's audio, not read from a cache.
        InputAudioToken,
        /// A token of the prompt's images, not read from a cache.
        InputImageToken,
        /// A token of the prompt's video, not read from a cache.
        InputVideoToken,
        /// A token of text that the upstream read from its cache.
        CacheReadToken,
        /// A token of audio that the upstream read from its cache.
        CacheReadAudioToken,
        /// A token of an image that the upstream read from its cache.
        CacheReadImageToken,
        /// A token of video that the upstream read from its cache.
        CacheReadVideoToken,
        /// A token that the upstream wrote to its cache for its shorter time (such as 5 or 30 minutes).
        CacheWriteToken,
        /// A token that the upstream wrote to its cache for its longer time (such as 1 or 12 hours).
        CacheWriteLongToken,
        /// A token of audio that the upstream wrote to its cache.
        CacheWriteAudioToken,
        /// A token of the answer's text.
        OutputToken,
        /// A token that the upstream thought and did not answer.
        ReasoningToken,
        /// A token of the answer's audio.
        OutputAudioToken,
        /// A token of the answer's images.
        OutputImageToken,
        /// A token of the answer's video.
        OutputVideoToken,
        /// A token of a source that the upstream cites; counted beside prompt and answer.
        CitationToken,
        /// A millisecond of audio that is sent.
        InputAudioMs,
        /// A millisecond of video that is made.
        VideoMs,
        /// An image that is sent.
        InputImage,
        /// A pixel that is made.
        Pixel,
        /// A search that the upstream made.
        Search,
        /// A question that the upstream asked a map.
        MapsQuery,
        /// A page that the upstream opened.
        Fetch,
        /// A session of a tool that the upstream ran, such as an interpreter.
        ToolSession,
        /// A page that was read.
        Page,
        /// A millisecond that the upstream's machine worked.
        RunMs,
        /// What the upstream says the work cost, in billionths of a US dollar.
        UpstreamCost,
    }

    /// What is to be said of the usage that was reported; later is graver.
    Checked {
        /// Within its bound, or nothing had to be reported: charged as it is.
        Within,
        /// Not reported, and counted from what was received: charged as counted.
        Estimated,
        /// Reported so that it does not add up to its own sum: charged as it is.
        Contradictory,
        /// Above its bound: charged as it is, as far as the hold or the price's overrun goes.
        OverBound,
        /// Tokens of a kind, or served in a way, that the price did not foresee: charged as text, or at the dearest
        /// line.
        Unforeseen,
        /// Not reported: charged at the bound.
        Missing,
        /// More than ten times the bound, at a price with overrun: charged at the bound.
        Absurd,
    }

    /// A day of the week.
    Weekday { Monday, Tuesday, Wednesday, Thursday, Friday, Saturday, Sunday }

    /// Audio container and coding.
    AudioFormat { Mp3, Wav }

    /// Whether subtitles are wanted.
    Subtitles { No, Srt }

    /// What somebody is to the library; which doors each may use stands in the table of `docs/guides/access.md`.
    Role {
        /// Runs the library: every door, of every tenant.
        Operator,
        /// Keeps the operator's books: prices, packages and money, of every tenant.
        OperatorBilling,
        /// Helps users: reads their jobs, wallets and reports, and refunds; of every tenant.
        Support,
        /// Reads reports and the audit, of every tenant.
        Auditor,
        /// Runs one tenant.
        TenantAdmin,
        /// Keeps one tenant's books: buys credits, and reads its jobs, wallets and reports.
        TenantBilling,
        /// One user of a tenant, with what is the user's own.
        Member,
    }

    /// What became of an audited call: it was done, or the role may not use the door.
    AuditOutcome by as_str { Done, Refused }

    /// Where a job is.
    JobState { Open, Cancelling, Expiring, Completed, CompletedWithFailures, Failed, Cancelled }

    /// What an entry of the ledger records.
    EntryKind { Purchase, Usage, Refund, Adjustment, DebtPayment }

    /// Whether asking a server for a result counts as a call.
    PollsCount { Free, Counted }

    /// A service's health as its server tells it.
    Health { Good, Degraded, Overloaded }

    /// What a failure means, and so whom it concerns.
    FailureKind {
        BadRequest,
        Policy,
        NotAllowed,
        KeyDead,
        KeyDoubtful,
        OutOfCredit,
        KeyRateLimited,
        AccountRateLimited,
        EgressRateLimited,
        Busy,
        Unknown,
        TooLarge,
        Undeliverable,
        Unsupported,
    }

    /// Whether a tenant may order.
    TenantState {
        /// It may.
        Active,
        /// Nothing new is submitted, retried or purchased. What is under way goes on, and everything can be read.
        Suspended,
    }

    /// What is wrong with a row that does not agree with the others.
    DiscrepancyKind by as_str {
        /// A column is not what other rows say.
        Wrong,
        /// Another row needs it, and it is not there.
        Missing,
        /// It names a row that is not there, or that does not know it.
        Stray,
        /// It cannot be read, or is not written as KingCong writes it.
        Damaged,
        /// Its secret does not open: it was altered or is another row's, or its data key is.
        Sealed,
    }
}

impl Words for Operation {
    fn put<S: Serializer>(self, serializer: S) -> Result<S::Ok, S::Error> {
        self.serialize(serializer)
    }

    #[cfg(feature = "description")]
    fn described() -> Described {
        let words = Self::ALL.iter().map(|operation| (operation.as_str(), in_json(*operation), ""));
        Described { name: "Operation", docs: "What is done.\n", words: words.collect() }
    }
}

#[cfg(test)]
#[cfg(feature = "description")]
mod tests {
    use serde::de::DeserializeOwned;

    use super::*;

    /// The words that a reader of the set takes, which it tells with a word that is none.
    fn legal<T: DeserializeOwned>() -> Vec<String> {
        let told = serde_json::from_str::<T>("\"?\"").err().unwrap().to_string();
        let words = told.split("expected").nth(1).unwrap().split('`');
        words.skip(1).step_by(2).map(str::to_owned).collect()
    }

    fn described<T: Words>() -> Vec<String> {
        T::described().words.iter().map(|(_, word, _)| word.as_str().unwrap().to_owned()).collect()
    }

    #[test]
    fn faces_know_every_word_of_the_core() {
        assert_eq!(described::<Unit>(), Unit::ALL.map(Unit::code));
        assert_eq!(described::<AuditOutcome>(), AuditOutcome::ALL.map(AuditOutcome::as_str));
        macro_rules! whole {
            ($($set:ident)+) => {
                $(assert_eq!(described::<$set>(), legal::<$set>());)+
            };
        }
        whole! {
            AudioFormat Checked EntryKind FailureKind Health JobState Lane Measure Operation PollsCount Role RouteCause
            Subtitles Switch TenantState Weekday
        }
    }
}
