//! Audio as far as joining needs it: which container it is, how its samples are laid out, how long it lasts and
//! where in the bytes the sound is. Nothing is decoded; damaged or hostile bytes give an error, never a panic.

use std::fmt;

use super::{mp3, wav};

/// Why audio cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AudioError {
    /// Neither MP3 nor WAV.
    #[error("audio of type {content_type:?} cannot be read: ask the upstream for MP3 or WAV")]
    Unsupported {
        /// The media type that came with it, cut to 64 characters.
        content_type: String,
    },
    /// Nothing that sounds.
    #[error("the {container} audio has no sound in it: it is empty, or not {container} at all")]
    Silent {
        /// `MP3` or `WAV`.
        container: &'static str,
    },
    /// A WAV file that breaks the format's rules.
    #[error("the WAV audio is damaged: {problem}")]
    Damaged {
        /// What is wrong.
        problem: &'static str,
    },
    /// An MP3 whose frames differ in sample rate or channels.
    #[error("the audio changes from {before} to {after} on its way: have it made in one format")]
    Changes {
        /// Its layout first.
        before: Layout,
        /// Its layout then.
        after: Layout,
    },
}

/// How samples are laid out. Only audio of equal layout can be joined without decoding it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum WavSamples {
    /// Integers.
    Pcm,
    /// Floating-point numbers.
    Float,
    /// Telephony's A-law.
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

/// How long audio lasts, in milliseconds, rounded to the nearest.
///
/// # Errors
/// When it is neither MP3 nor WAV, or has no readable sound.
pub fn duration_ms(content_type: &str, bytes: &[u8]) -> Result<u64, AudioError> {
    let sound = Sound::read(content_type, bytes)?;
    Ok(milliseconds(sound.samples, sound.layout.sample_rate))
}

/// That many samples of one channel in milliseconds, rounded to the nearest.
pub(super) fn milliseconds(samples: u64, sample_rate: u32) -> u64 {
    let rate = u64::from(sample_rate.max(1));
    (samples.saturating_mul(1000).saturating_add(rate / 2)) / rate
}

/// Audio that was read: its layout, and the bytes that sound.
#[derive(Debug)]
pub(super) struct Sound<'a> {
    pub(super) layout: Layout,
    /// Samples of one channel.
    pub(super) samples: u64,
    /// What sounds, in order; tags, headers and junk lie between.
    pub(super) parts: Vec<&'a [u8]>,
}

impl<'a> Sound<'a> {
    /// Reads audio. The bytes decide where they are clear, the media type where they are not: upstreams and file
    /// servers label one as the other, or both as "some bytes".
    pub(super) fn read(content_type: &str, bytes: &'a [u8]) -> Result<Self, AudioError> {
        if wav::starts(bytes) {
            return wav::read(bytes);
        }
        let essence = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        match essence.as_str() {
            "audio/mpeg" | "audio/mp3" | "audio/mpeg3" | "audio/x-mpeg" | "audio/x-mp3" => mp3::read(bytes),
            "audio/wav" | "audio/wave" | "audio/x-wav" | "audio/vnd.wave" => {
                if mp3::starts(bytes) {
                    mp3::read(bytes)
                } else {
                    wav::read(bytes)
                }
            }
            _ if mp3::starts(bytes) => mp3::read(bytes),
            _ => Err(AudioError::Unsupported { content_type: content_type.chars().take(64).collect() }),
        }
    }
}
