//! What is counted.

use std::{fmt, iter, str::FromStr};

use serde::{Deserialize, Serialize};

/// `None`, or `Some` of what is there.
macro_rules! option {
    () => {
        None
    };
    ($some:expr) => {
        Some($some)
    };
}

/// Declares the measures: each with its name, who counts it, of which side its tokens are, and whose price it has where
/// a price has none for it. Sources of the last: LiteLLM's price map (`cache_creation_input_token_cost_above_1hr`,
/// `output_cost_per_reasoning_token`, …) and its cost calculation, version 1.110.
macro_rules! measures {
    ($(
        $(#[$doc:meta])+
        $measure:ident = $name:literal, $kind:ident $(of $side:ident)? $(, else $next:ident)?;
    )+) => {
        /// What a price counts, in the smallest unit that is counted. Measures are disjoint: what is counted as one is
        /// not counted as another, so that what an answer cost is the sum over all of them. [`Measure::Token`] alone is
        /// a sum.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        #[non_exhaustive]
        pub enum Measure {
            $($(#[$doc])+ $measure,)+
        }

        impl Measure {
            /// Every measure.
            pub const ALL: &[Self] = &[$(Self::$measure,)+];

            /// Its name.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$measure => $name,)+
                }
            }

            /// Who counts it, and when.
            #[must_use]
            pub const fn kind(self) -> MeasureKind {
                match self {
                    $(Self::$measure => MeasureKind::$kind,)+
                }
            }

            /// The side whose tokens it counts; none where it counts something else, or both sides.
            #[must_use]
            pub const fn token_side(self) -> Option<TokenSide> {
                match self {
                    $(Self::$measure => option!($(TokenSide::$side)?),)+
                }
            }

            const fn next_priced_as(self) -> Option<Self> {
                match self {
                    $(Self::$measure => option!($(Self::$next)?),)+
                }
            }
        }

        /// Every name, for the message about an unknown one.
        const NAMES: &[&str] = &[$($name,)+];
    };
}

measures! {
    /// A character of the text that is sent, as [`super::count_characters`] counts them.
    Character = "character", Counted;
    /// A task.
    Request = "request", Counted;
    /// A millisecond of audio that is made.
    AudioMs = "audio_ms", Reported;
    /// A token, as the upstream cuts them, whichever of the tokens below it is: for prices that make no difference.
    Token = "token", Reported;
    /// An image that is made.
    Image = "image", Counted;
    /// A token of the prompt's text, neither read from a cache nor written to one.
    InputToken = "input_token", Reported of Prompt, else Token;
    /// A token of the prompt's audio, not read from a cache.
    InputAudioToken = "input_audio_token", Reported of Prompt, else InputToken;
    /// A token of the prompt's images, not read from a cache.
    InputImageToken = "input_image_token", Reported of Prompt, else InputToken;
    /// A token of the prompt's video, not read from a cache.
    InputVideoToken = "input_video_token", Reported of Prompt, else InputToken;
    /// A token of text that the upstream read from its cache.
    CacheReadToken = "cache_read_token", Reported of Prompt, else InputToken;
    /// A token of audio that the upstream read from its cache.
    CacheReadAudioToken = "cache_read_audio_token", Reported of Prompt, else CacheReadToken;
    /// A token of an image that the upstream read from its cache.
    CacheReadImageToken = "cache_read_image_token", Reported of Prompt, else CacheReadToken;
    /// A token of video that the upstream read from its cache.
    CacheReadVideoToken = "cache_read_video_token", Reported of Prompt, else CacheReadToken;
    /// A token that the upstream wrote to its cache for its shorter time (such as 5 or 30 minutes).
    CacheWriteToken = "cache_write_token", Reported of Prompt, else InputToken;
    /// A token that the upstream wrote to its cache for its longer time (such as 1 or 12 hours).
    CacheWriteLongToken = "cache_write_long_token", Reported of Prompt, else CacheWriteToken;
    /// A token of audio that the upstream wrote to its cache.
    CacheWriteAudioToken = "cache_write_audio_token", Reported of Prompt, else CacheWriteToken;
    /// A token of the answer's text.
    OutputToken = "output_token", Reported of Answer, else Token;
    /// A token that the upstream thought and did not answer.
    ReasoningToken = "reasoning_token", Reported of Answer, else OutputToken;
    /// A token of the answer's audio.
    OutputAudioToken = "output_audio_token", Reported of Answer, else OutputToken;
    /// A token of the answer's images.
    OutputImageToken = "output_image_token", Reported of Answer, else OutputToken;
    /// A token of the answer's video.
    OutputVideoToken = "output_video_token", Reported of Answer, else OutputToken;
    /// A token of a source that the upstream cites; counted beside prompt and answer.
    CitationToken = "citation_token", Reported;
    /// A millisecond of audio that is sent.
    InputAudioMs = "input_audio_ms", Reported;
    /// A millisecond of video that is made.
    VideoMs = "video_ms", Reported;
    /// An image that is sent.
    InputImage = "input_image", Reported;
    /// A pixel that is made.
    Pixel = "pixel", Reported;
    /// A search that the upstream made.
    Search = "search", Reported;
    /// A question that the upstream asked a map.
    MapsQuery = "maps_query", Reported;
    /// A page that the upstream opened.
    Fetch = "fetch", Reported;
    /// A session of a tool that the upstream ran, such as an interpreter.
    ToolSession = "tool_session", Reported;
    /// A page that was read.
    Page = "page", Reported;
    /// A millisecond that the upstream's machine worked.
    RunMs = "run_ms", Reported;
    /// What the upstream says the work cost, in 10<sup>-9</sup> US dollars.
    UpstreamCost = "upstream_cost", Reported;
}

/// The two sides of tokens: an upstream tells only afterwards of which measures those of one side are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TokenSide {
    /// The tokens of the prompt.
    Prompt,
    /// The tokens of the answer.
    Answer,
}

impl Measure {
    /// The upstream credits that so much of it takes, about: one for a thing, and one for a second.
    pub(super) const fn upstream_credits(self, quantity: u64) -> u64 {
        match self {
            Self::AudioMs | Self::InputAudioMs | Self::VideoMs | Self::RunMs => quantity.div_ceil(1000),
            // It is money, not work.
            Self::UpstreamCost => 0,
            _ => quantity,
        }
    }

    /// The measures whose price it has, in this order: its own, and where a price has none for it, that of the next. A
    /// cache costs what the prompt costs, reasoning what the answer costs, and a medium what text costs, until a price
    /// says otherwise.
    ///
    /// ```
    /// use kingcong_core::measure::Measure;
    ///
    /// let priced_as: Vec<_> = Measure::CacheWriteLongToken.priced_as().map(Measure::as_str).collect();
    /// assert_eq!(priced_as, ["cache_write_long_token", "cache_write_token", "input_token", "token"]);
    /// ```
    pub fn priced_as(self) -> impl Iterator<Item = Self> {
        iter::successors(Some(self), |measure| measure.next_priced_as())
    }
}

impl fmt::Display for Measure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Measure {
    type Err = UnknownMeasure;

    fn from_str(name: &str) -> Result<Self, UnknownMeasure> {
        Self::ALL
            .iter()
            .copied()
            .find(|measure| measure.as_str() == name)
            .ok_or_else(|| UnknownMeasure { name: name.chars().take(64).collect() })
    }
}

/// A name that no measure has.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown measure {name:?}: use one of {}", NAMES.join(", "))]
pub struct UnknownMeasure {
    /// What was given, cut to 64 characters.
    pub name: String,
}

/// Who counts a measure, and when.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum MeasureKind {
    /// We count it in the request; fixed by the quote.
    Counted,
    /// The upstream measures it while it works; held at a bound, charged as reported.
    Reported,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_stored_as_they_are_written() {
        for measure in Measure::ALL {
            assert_eq!(measure.as_str().parse(), Ok(*measure));
            assert_eq!(serde_json::to_string(&measure).unwrap(), format!("\"{measure}\""));
        }
        let unknown = "second".parse::<Measure>().unwrap_err();
        assert_eq!(unknown, UnknownMeasure { name: "second".into() });
        assert!(unknown.to_string().contains("use one of character, request, audio_ms"), "{unknown}");
    }

    #[test]
    fn a_token_is_priced_as_its_own_side_and_at_last_as_any_token() {
        for measure in Measure::ALL.iter().filter(|measure| measure.token_side().is_some()) {
            let chain: Vec<Measure> = measure.priced_as().collect();
            let (any, sides) = chain.split_last().unwrap();
            assert_eq!(*any, Measure::Token, "{measure}");
            assert!(sides.iter().all(|priced| priced.token_side() == measure.token_side()), "{chain:?}");
        }
        for measure in Measure::ALL.iter().filter(|measure| measure.token_side().is_none()) {
            assert_eq!(measure.priced_as().collect::<Vec<_>>(), [*measure]);
        }
    }
}
