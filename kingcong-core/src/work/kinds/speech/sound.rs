//! What is found in audio: how its samples are laid out, how long it lasts and where in the bytes the sound is, or why
//! it cannot be delivered. The readers of containers and the joining are made of these.

use std::{fmt, ops::Range};

use serde::{Deserialize, Serialize};

/// Most fragments that the sound of one result may lie in, with tags or junk between them.
const SPANS_MAX: usize = 1024;
/// Places of frames that are kept of audio whose bit rate varies: half as many at least, of long audio.
const PLACES_MAX: usize = 256;

/// Why audio cannot be delivered.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AudioError {
    /// Neither MP3 nor WAV.
    #[error("MP3 or WAV was expected, and {bytes} bytes of {came} came")]
    NotAudio {
        /// What the first bytes look like.
        came: &'static str,
        /// How many bytes there are.
        bytes: u64,
    },
    /// A container in which nothing sounds.
    #[error("the {container} has no sound in it: sound was expected, and {bytes} bytes without any came")]
    Silent {
        /// `MP3` or `WAV`.
        container: &'static str,
        /// How many bytes there are.
        bytes: u64,
    },
    /// It ends before its end.
    #[error("the {container} is torn: {announced} {what} were announced, and {came} came")]
    Torn {
        /// `MP3` or `WAV`.
        container: &'static str,
        /// What is counted: `bytes of samples`, `frames` or `bytes of the last frame`.
        what: &'static str,
        /// How many there should be.
        announced: u64,
        /// How many there are.
        came: u64,
    },
    /// It breaks its container's rules.
    #[error("the {container} is damaged: {problem}")]
    Damaged {
        /// `MP3` or `WAV`.
        container: &'static str,
        /// What is wrong.
        problem: &'static str,
    },
    /// An MP3 whose frames differ in sample rate or channels.
    #[error("the audio changes from {before} to {after} on its way: one layout was expected")]
    Changes {
        /// Its layout first.
        before: Layout,
        /// Its layout then.
        after: Layout,
    },
}

/// How samples are laid out. Only audio of equal layout can be joined without decoding it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Layout {
    /// The container and the samples' coding.
    pub coding: Coding,
    /// Samples per second of one channel.
    pub sample_rate: u32,
    /// 1 is mono, 2 is stereo.
    pub channels: u16,
}

impl fmt::Display for Layout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { coding, sample_rate, channels } = self;
        let plural = if *channels == 1 { "" } else { "s" };
        write!(f, "{coding} at {sample_rate} Hz with {channels} channel{plural}")
    }
}

/// A container and the coding of the samples in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Coding {
    /// MPEG audio layer III, without a container.
    Mp3,
    /// WAV.
    Wav {
        /// What its samples are.
        samples: WavSamples,
        /// Bits of one sample.
        bits: u16,
    },
}

/// What the samples of a WAV file are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum WavSamples {
    /// Integers.
    Pcm,
    /// Floating-point numbers.
    Float,
    /// Telephony's A-law.
    #[serde(rename = "a_law")]
    ALaw,
    /// Telephony's µ-law.
    MuLaw,
}

impl fmt::Display for Coding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Mp3 => f.write_str("MP3"),
            Self::Wav { samples: WavSamples::Pcm, bits } => write!(f, "{bits}-bit WAV"),
            Self::Wav { samples: WavSamples::Float, bits } => write!(f, "{bits}-bit floating-point WAV"),
            Self::Wav { samples: WavSamples::ALaw, bits } => write!(f, "{bits}-bit A-law WAV"),
            Self::Wav { samples: WavSamples::MuLaw, bits } => write!(f, "{bits}-bit µ-law WAV"),
        }
    }
}

impl Coding {
    /// The media type of audio in it.
    #[must_use]
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::Mp3 => "audio/mpeg",
            Self::Wav { .. } => "audio/wav",
        }
    }
}

/// That many samples of one channel in milliseconds, rounded to the nearest.
pub(super) fn milliseconds(samples: u64, sample_rate: u32) -> u64 {
    let rate = u64::from(sample_rate.max(1));
    (samples.saturating_mul(1000).saturating_add(rate / 2)) / rate
}

/// What was found in audio that can be delivered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sound {
    /// How its samples are laid out.
    pub layout: Layout,
    /// Samples of one channel.
    pub samples: u64,
    /// The ranges of bytes that sound, in order; tags, headers and junk lie between. Never empty.
    pub spans: Vec<Range<u64>>,
    /// How its bytes are spread over its time.
    pub pace: Pace,
}

/// How the bytes that sound are spread over the time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Pace {
    /// Evenly.
    Constant {
        /// Bytes of one second.
        bytes_a_second: u32,
    },
    /// Unevenly: frames of an MP3 whose bit rate varies.
    Varying {
        /// Frames from one known place to the next.
        stride: u64,
        /// The bytes that sound before each `stride`-th frame, from the first frame on.
        places: Vec<u64>,
    },
}

impl Sound {
    /// How long it lasts, in milliseconds, rounded to the nearest.
    #[must_use]
    pub fn duration_ms(&self) -> u64 {
        milliseconds(self.samples, self.layout.sample_rate)
    }

    /// The bytes that sound.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.spans.iter().map(|span| span.end.saturating_sub(span.start)).sum()
    }
}

/// Whether bytes follow those at hand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rest {
    /// They may.
    Some,
    /// None do.
    None,
}

/// The ranges that sound, as they are found.
#[derive(Debug, Default)]
pub(super) struct Spans(Vec<Range<u64>>);

impl Spans {
    /// Adds a range behind the others.
    pub(super) fn add(&mut self, range: Range<u64>, container: &'static str) -> Result<(), AudioError> {
        if let Some(last) = self.0.last_mut().filter(|last| last.end == range.start) {
            last.end = range.end;
            return Ok(());
        }
        if self.0.len() == SPANS_MAX {
            return Err(AudioError::Damaged { container, problem: "its sound lies in too many fragments" });
        }
        self.0.push(range);
        Ok(())
    }

    pub(super) fn into_ranges(self) -> Vec<Range<u64>> {
        self.0
    }
}

/// Places of frames, fewer of each second the longer the audio is.
#[derive(Debug)]
pub(super) struct Places {
    stride: u64,
    places: Vec<u64>,
    frames: u64,
}

impl Default for Places {
    fn default() -> Self {
        Self { stride: 1, places: Vec::new(), frames: 0 }
    }
}

impl Places {
    /// Notes the next frame, before which there are so many bytes that sound.
    pub(super) fn note(&mut self, before: u64) {
        if self.frames.is_multiple_of(self.stride) {
            if self.places.len() == PLACES_MAX {
                let mut place = 0;
                self.places.retain(|_| {
                    place += 1;
                    place % 2 == 1
                });
                self.stride *= 2;
            }
            if self.frames.is_multiple_of(self.stride) {
                self.places.push(before);
            }
        }
        self.frames += 1;
    }

    pub(super) fn into_pace(self) -> Pace {
        Pace::Varying { stride: self.stride, places: self.places }
    }
}
