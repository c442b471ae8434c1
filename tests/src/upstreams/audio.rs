//! Audio that really plays, made when it is asked for: MP3 frames of silence, WAV and PCM with a square tone,
//! subtitles and archives to go with them.
//!
//! Every MP3 frame carries, in the bytes that a decoder skips, the digest of the text it stands for. So a test can read
//! from a stitched file which texts it holds, in which order: [`texts_in_mp3`].

use std::{
    fmt::Write as _,
    hash::{DefaultHasher, Hash, Hasher},
};

use serde_json::{Number, Value, json};

/// Identifies a text: equal texts have equal digests.
pub fn digest(text: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    hasher.finish()
}

/// Container and coding of the audio.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// MPEG layer III, mono, constant bit rate.
    Mp3 {
        /// Samples per second.
        rate: u32,
        /// Kilobits per second.
        kbps: u32,
    },
    /// 16-bit mono PCM in a RIFF container.
    Wav {
        /// Samples per second.
        rate: u32,
    },
    /// 16-bit mono PCM, little endian, bare.
    Pcm {
        /// Samples per second.
        rate: u32,
    },
}

impl Format {
    /// The format that everything falls back to.
    pub const MP3: Self = Self::Mp3 { rate: 44_100, kbps: 128 };

    /// Reads ElevenLabs' names: `mp3_44100_128`, `pcm_16000`, `wav_44100`. `None` for what cannot be produced here
    /// (opus, µ-law, A-law) or does not exist.
    pub fn from_name(name: &str) -> Option<Self> {
        let mut parts = name.split('_');
        let coding = parts.next()?;
        let rate = parts.next().map_or(Some(44_100), |rate| rate.parse().ok())?;
        match coding {
            "mp3" => {
                let kbps = parts.next().map_or(Some(128), |kbps| kbps.parse().ok())?;
                Self::mp3(rate, kbps)
            }
            "wav" => Some(Self::Wav { rate }),
            "pcm" => Some(Self::Pcm { rate }),
            _ => None,
        }
    }

    /// MP3, if MPEG knows the rate and the bit rate.
    pub fn mp3(rate: u32, kbps: u32) -> Option<Self> {
        Mpeg::of(rate, kbps).map(|_| Self::Mp3 { rate, kbps })
    }

    /// The value of `Content-Type`.
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Mp3 { .. } => "audio/mpeg",
            Self::Wav { .. } => "audio/wav",
            Self::Pcm { .. } => "application/octet-stream",
        }
    }

    /// The end of a file's name.
    pub fn extension(self) -> &'static str {
        match self {
            Self::Mp3 { .. } => "mp3",
            Self::Wav { .. } => "wav",
            Self::Pcm { .. } => "pcm",
        }
    }

    /// Samples per second.
    pub fn rate(self) -> u32 {
        match self {
            Self::Mp3 { rate, .. } | Self::Wav { rate } | Self::Pcm { rate } => rate,
        }
    }

    /// The audio of the text with this digest.
    pub fn bytes(self, digest: u64, ms: u64) -> Vec<u8> {
        match self {
            Self::Mp3 { rate, kbps } => match Mpeg::of(rate, kbps) {
                Some(mpeg) => mpeg.silence(digest, ms),
                None => Self::MP3.bytes(digest, ms),
            },
            Self::Wav { rate } => wav(rate, &tone(rate, digest, ms)),
            Self::Pcm { rate } => tone(rate, digest, ms),
        }
    }
}

/// What the head of an MPEG audio frame says.
#[derive(Clone, Copy, Debug)]
struct Mpeg {
    /// The first four bytes of every frame.
    head: [u8; 4],
    frame_bytes: usize,
    samples_per_frame: u64,
    rate: u32,
    side_bytes: usize,
}

const KBPS_MPEG1: [u32; 14] = [32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320];
const KBPS_MPEG2: [u32; 14] = [8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160];

/// Hex digits of a digest within a frame.
const MARK_BYTES: usize = 16;

impl Mpeg {
    fn of(rate: u32, kbps: u32) -> Option<Self> {
        let (version, rate_index) = match rate {
            44_100 => (0xfb, 0),
            48_000 => (0xfb, 1),
            32_000 => (0xfb, 2),
            22_050 => (0xf3, 0),
            24_000 => (0xf3, 1),
            16_000 => (0xf3, 2),
            11_025 => (0xe3, 0),
            12_000 => (0xe3, 1),
            8_000 => (0xe3, 2),
            _ => return None,
        };
        let (table, samples_per_frame, side_bytes) = match version {
            0xfb => (KBPS_MPEG1, 1152_u32, 17),
            _ => (KBPS_MPEG2, 576, 9),
        };
        let kbps_index = table.iter().position(|&known| known == kbps)?;
        let frame_bytes = samples_per_frame / 8 * kbps * 1000 / rate;
        let frame_bytes = usize::try_from(frame_bytes).ok()?;
        if frame_bytes < 4 + side_bytes + MARK_BYTES {
            return None;
        }
        let kbps_bits = u8::try_from(kbps_index + 1).ok()? << 4;
        Some(Self {
            // Layer III without checksum; no padding; mono.
            head: [0xff, version, kbps_bits | (rate_index << 2), 0xc0],
            frame_bytes,
            samples_per_frame: u64::from(samples_per_frame),
            rate,
            side_bytes,
        })
    }

    /// Reads the head of a frame.
    fn read(head: &[u8]) -> Option<Self> {
        let &[0xff, version, rates, _, ..] = head else { return None };
        let rates_of_version = match version {
            0xfb => [44_100, 48_000, 32_000],
            0xf3 => [22_050, 24_000, 16_000],
            0xe3 => [11_025, 12_000, 8_000],
            _ => return None,
        };
        let table = if version == 0xfb { KBPS_MPEG1 } else { KBPS_MPEG2 };
        let rate = *rates_of_version.get(usize::from(rates >> 2 & 3))?;
        let kbps = *table.get(usize::from(rates >> 4).checked_sub(1)?)?;
        Self::of(rate, kbps)
    }

    /// A side information of zeros means: nothing to decode, which every decoder turns into silence.
    fn silence(self, digest: u64, ms: u64) -> Vec<u8> {
        let mut frame = vec![0; self.frame_bytes];
        frame[..4].copy_from_slice(&self.head);
        let mark = 4 + self.side_bytes;
        frame[mark..mark + MARK_BYTES].copy_from_slice(format!("{digest:016x}").as_bytes());
        let frames = (ms * u64::from(self.rate)).div_ceil(1000 * self.samples_per_frame).max(1);
        frame.repeat(usize::try_from(frames).expect("bounded by the longest audio"))
    }
}

/// The digests of the texts that the frames of an MP3 file stand for, in order, each once per run of frames. Bytes that
/// are no frame of ours (tags, other audio) are passed over.
pub fn texts_in_mp3(file: &[u8]) -> Vec<u64> {
    let mut texts = Vec::new();
    let mut at = 0;
    while at + 4 <= file.len() {
        let frame = Mpeg::read(&file[at..]).and_then(|mpeg| {
            let mark = at + 4 + mpeg.side_bytes;
            let hex = std::str::from_utf8(file.get(mark..mark + MARK_BYTES)?).ok()?;
            Some((mpeg.frame_bytes, u64::from_str_radix(hex, 16).ok()?))
        });
        match frame {
            Some((frame_bytes, text)) => {
                if texts.last() != Some(&text) {
                    texts.push(text);
                }
                at += frame_bytes;
            }
            None => at += 1,
        }
    }
    texts
}

/// Milliseconds that the MP3 frames in a file play.
pub fn ms_of_mp3(file: &[u8]) -> u64 {
    let mut microseconds = 0;
    let mut at = 0;
    while at + 4 <= file.len() {
        match Mpeg::read(&file[at..]) {
            Some(mpeg) => {
                microseconds += mpeg.samples_per_frame * 1_000_000 / u64::from(mpeg.rate);
                at += mpeg.frame_bytes;
            }
            None => at += 1,
        }
    }
    microseconds / 1000
}

/// A quiet square wave whose pitch depends on the text.
fn tone(rate: u32, digest: u64, ms: u64) -> Vec<u8> {
    let half_period = 20 + digest % 100;
    let samples = ms * u64::from(rate) / 1000;
    (0..samples)
        .flat_map(|n| {
            let sample: i16 = if (n / half_period).is_multiple_of(2) { 3000 } else { -3000 };
            sample.to_le_bytes()
        })
        .collect()
}

fn wav(rate: u32, pcm: &[u8]) -> Vec<u8> {
    let size = u32::try_from(pcm.len()).expect("bounded by the longest audio");
    let mut file = Vec::with_capacity(44 + pcm.len());
    file.extend_from_slice(b"RIFF");
    file.extend_from_slice(&(36 + size).to_le_bytes());
    file.extend_from_slice(b"WAVEfmt ");
    file.extend_from_slice(&16_u32.to_le_bytes());
    file.extend_from_slice(&1_u16.to_le_bytes()); // PCM
    file.extend_from_slice(&1_u16.to_le_bytes()); // mono
    file.extend_from_slice(&rate.to_le_bytes());
    file.extend_from_slice(&(rate * 2).to_le_bytes());
    file.extend_from_slice(&2_u16.to_le_bytes());
    file.extend_from_slice(&16_u16.to_le_bytes());
    file.extend_from_slice(b"data");
    file.extend_from_slice(&size.to_le_bytes());
    file.extend_from_slice(pcm);
    file
}

/// Characters of one subtitle at most, unless a single word is longer.
const CUE_CHARACTERS_MAX: usize = 42;

/// Subtitles of a text spread evenly over its audio: `(start, end, text)` with times in milliseconds.
fn cues(text: &str, ms: u64) -> Vec<(u64, u64, String)> {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let last = lines.last_mut().expect("starts with one line");
        if last.is_empty() {
            last.push_str(word);
        } else if last.chars().count() + 1 + word.chars().count() <= CUE_CHARACTERS_MAX {
            last.push(' ');
            last.push_str(word);
        } else {
            lines.push(word.to_owned());
        }
    }
    let total = lines.iter().map(|line| line.chars().count() as u64).sum::<u64>().max(1);
    let mut spoken = 0;
    lines
        .into_iter()
        .filter(|line| !line.is_empty())
        .map(|line| {
            let start = spoken * ms / total;
            spoken += line.chars().count() as u64;
            (start, spoken * ms / total, line)
        })
        .collect()
}

/// A text's subtitles as an SRT file.
pub fn srt(text: &str, ms: u64) -> String {
    let mut file = String::new();
    for (n, (start, end, line)) in cues(text, ms).into_iter().enumerate() {
        write!(file, "{}\n{} --> {}\n{line}\n\n", n + 1, srt_time(start), srt_time(end))
            .expect("a String takes everything");
    }
    file
}

fn srt_time(ms: u64) -> String {
    format!("{:02}:{:02}:{:02},{:03}", ms / 3_600_000, ms / 60_000 % 60, ms / 1000 % 60, ms % 1000)
}

/// A text's subtitles as MiniMax writes them, with times in milliseconds.
pub fn titles(text: &str, ms: u64) -> Value {
    let title = |(start, end, line): (u64, u64, String)| json!({ "text": line, "time_begin": start, "time_end": end });
    cues(text, ms).into_iter().map(title).collect()
}

/// A text's characters with their times, as ElevenLabs writes them.
pub fn alignment(text: &str, ms: u64) -> Value {
    let characters: Vec<String> = text.chars().map(String::from).collect();
    let count = (characters.len() as u64).max(1);
    let at = |n: usize| decimal(n as u64 * ms / count);
    let starts: Vec<Number> = (0..characters.len()).map(at).collect();
    let ends: Vec<Number> = (1..=characters.len()).map(at).collect();
    json!({
        "characters": characters,
        "character_start_times_seconds": starts,
        "character_end_times_seconds": ends,
    })
}

/// Thousandths as a JSON number.
pub(super) fn decimal(thousandths: u64) -> Number {
    format!("{}.{:03}", thousandths / 1000, thousandths % 1000)
        .parse()
        .expect("digits, a point and digits are a number")
}

/// A tar archive of these files.
pub fn tar(files: &[(String, Vec<u8>)]) -> Vec<u8> {
    const BLOCK_BYTES: usize = 512;
    let mut archive = Vec::new();
    for (name, content) in files {
        let mut head = [0_u8; BLOCK_BYTES];
        head[..name.len()].copy_from_slice(name.as_bytes());
        head[100..108].copy_from_slice(b"0000644\0");
        head[108..116].copy_from_slice(b"0000000\0");
        head[116..124].copy_from_slice(b"0000000\0");
        head[124..136].copy_from_slice(format!("{:011o}\0", content.len()).as_bytes());
        head[136..148].copy_from_slice(b"00000000000\0");
        head[148..156].copy_from_slice(b"        "); // the checksum counts as spaces in itself
        head[156] = b'0';
        head[257..265].copy_from_slice(b"ustar\x0000");
        let checksum: u32 = head.iter().map(|&byte| u32::from(byte)).sum();
        head[148..156].copy_from_slice(format!("{checksum:06o}\0 ").as_bytes());
        archive.extend_from_slice(&head);
        archive.extend_from_slice(content);
        archive.resize(archive.len().next_multiple_of(BLOCK_BYTES), 0);
    }
    archive.resize(archive.len() + 2 * BLOCK_BYTES, 0);
    archive
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_tells_whose_text_it_is() {
        for format in ["mp3_44100_128", "mp3_44100_32", "mp3_22050_32", "mp3_24000_64", "mp3_8000_16"] {
            let format = Format::from_name(format).unwrap();
            let mut file = format.bytes(digest("one"), 500);
            file.extend(format.bytes(digest("two"), 500));
            assert_eq!(texts_in_mp3(&file), [digest("one"), digest("two")], "{format:?}");
            assert!((1000..1150).contains(&ms_of_mp3(&file)), "{format:?}: {}", ms_of_mp3(&file));
        }
    }

    #[test]
    fn subtitles_cover_the_whole_audio_in_order() {
        let cues = cues("Xin chào các bạn. This is a somewhat longer text than one line can hold.", 6000);
        assert_eq!(cues.first().unwrap().0, 0);
        assert_eq!(cues.last().unwrap().1, 6000);
        assert!(cues.is_sorted_by(|a, b| a.1 <= b.0), "{cues:?}");
        assert!(srt("a b", 90_061_001).contains("25:01:01,001"));
    }
}
