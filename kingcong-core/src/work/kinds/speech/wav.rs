//! WAV: a RIFF container of chunks, of which `fmt ` tells the samples' layout and `data` holds them.

use super::sound::{AudioError, Coding, Layout, Pace, Sound, WavSamples};

/// The size of a chunk that was written before its end was known.
const UNKNOWN_BYTES: u32 = u32::MAX;
/// Sizes from here on are what streaming writers leave (SoX and others leave the largest signed one, less a header);
/// nobody sends that much for one text.
const STREAMED_BYTES_MIN: u32 = 0x7fff_0000;
/// How much of a format chunk tells something: an extensible one has 40 bytes.
const FORMAT_BYTES_MAX: usize = 40;
/// Slowest and fastest sample rate, in Hz, that is believed.
const SAMPLE_RATES: std::ops::RangeInclusive<u32> = 1_000..=768_000;

/// Whether bytes begin as a WAV file does.
pub(super) fn starts(bytes: &[u8]) -> bool {
    matches!(bytes, [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'A', b'V', b'E', ..])
}

/// Reads chunk after chunk up to the end of the samples.
#[derive(Debug)]
pub(super) struct Reader {
    step: Step,
    /// The file's length less 8, as it says.
    riff: u32,
    format: Option<Format>,
    data: Option<Data>,
}

/// What is to be read next.
#[derive(Clone, Copy, Debug)]
enum Step {
    /// The first 12 bytes.
    Riff,
    /// The head of a chunk.
    Chunk,
    /// A format, in a chunk of so many bytes.
    Format(u64),
    /// Nothing, for so many bytes.
    Skip(u64),
    /// Samples.
    Samples,
    /// Nothing more.
    End,
}

/// What a `fmt ` chunk says.
#[derive(Clone, Copy, Debug)]
struct Format {
    layout: Layout,
    /// Bytes of one sample of all channels.
    block: u16,
}

/// The samples.
#[derive(Clone, Copy, Debug)]
struct Data {
    start: u64,
    /// How many bytes of them have come.
    came: u64,
    announced: Announced,
}

/// What a header says of the bytes of samples that follow.
#[derive(Clone, Copy, Debug)]
enum Announced {
    /// So many.
    Bytes(u64),
    /// It was written before the end was known: all that follow, and no more than so many.
    Unknown(u64),
}

impl Announced {
    const fn most(self) -> u64 {
        match self {
            Self::Bytes(bytes) | Self::Unknown(bytes) => bytes,
        }
    }
}

impl Default for Reader {
    fn default() -> Self {
        Self { step: Step::Riff, riff: 0, format: None, data: None }
    }
}

impl Reader {
    /// Reads on; see `Container::advance`.
    pub(super) fn advance(&mut self, bytes: &[u8], start: u64) -> Result<usize, AudioError> {
        let mut at = 0;
        loop {
            let here = &bytes[at..];
            let read = match self.step {
                Step::Riff => {
                    let Some(riff) = u32_at(here, 4).filter(|_| here.len() >= 12) else { return Ok(at) };
                    (self.riff, self.step) = (riff, Step::Chunk);
                    12
                }
                Step::Chunk => {
                    let (Some(id), Some(size)) = (here.get(..4), u32_at(here, 4)) else { return Ok(at) };
                    self.chunk(id, size, start + at as u64)?;
                    8
                }
                Step::Format(size) => {
                    let wanted = usize::try_from(size).unwrap_or(usize::MAX).min(FORMAT_BYTES_MAX);
                    let Some(body) = here.get(..wanted) else { return Ok(at) };
                    self.format = Some(read_format(body)?);
                    // Chunks start at even places.
                    self.step = Step::Skip(size + size % 2 - wanted as u64);
                    wanted
                }
                Step::Skip(0) => {
                    self.step = Step::Chunk;
                    continue;
                }
                Step::Skip(left) => {
                    let skipped = here.len().min(usize::try_from(left).unwrap_or(usize::MAX));
                    self.step = Step::Skip(left - skipped as u64);
                    skipped
                }
                Step::Samples => {
                    let Some(data) = &mut self.data else { return Ok(bytes.len()) };
                    data.came = (data.came + here.len() as u64).min(data.announced.most());
                    here.len()
                }
                Step::End => here.len(),
            };
            if read == 0 {
                return Ok(at);
            }
            at += read;
        }
    }

    /// The head of a chunk, at byte `at` of the whole.
    fn chunk(&mut self, id: &[u8], size: u32, at: u64) -> Result<(), AudioError> {
        self.step = match id {
            b"data" => {
                if self.format.is_none() {
                    return Err(damaged("the samples come before their format"));
                }
                let start = at + 8;
                // A writer that cannot go back leaves a size that it could not know: none at all, or the largest.
                let open = matches!(self.riff, 0 | UNKNOWN_BYTES) || u64::from(self.riff) + 8 <= start;
                let announced = match size {
                    0 if open => Announced::Unknown(u64::MAX),
                    STREAMED_BYTES_MIN.. => Announced::Unknown(size.into()),
                    _ => Announced::Bytes(size.into()),
                };
                self.data = Some(Data { start, came: 0, announced });
                if size == 0 && !open { Step::End } else { Step::Samples }
            }
            b"fmt " => Step::Format(size.into()),
            _ => Step::Skip(u64::from(size) + u64::from(size) % 2),
        };
        Ok(())
    }

    /// What was found in all the `bytes`.
    pub(super) fn finish(self, bytes: u64) -> Result<Sound, AudioError> {
        let (Some(Format { layout, block }), Some(data)) = (self.format, self.data) else {
            return Err(damaged(match self.step {
                Step::Format(_) => "its format chunk is cut off",
                Step::Skip(1..) => "a chunk before the samples is cut off",
                _ => "it has no data chunk",
            }));
        };
        if let Announced::Bytes(announced) = data.announced
            && data.came < announced
        {
            let (what, came) = ("bytes of samples", data.came);
            return Err(AudioError::Torn { container: "WAV", what, announced, came });
        }
        // The last sample of a stream may be torn.
        let block = u64::from(block);
        let samples = data.came / block;
        if samples == 0 {
            return Err(AudioError::Silent { container: "WAV", bytes });
        }
        let bytes_a_second = u64::from(layout.sample_rate) * block;
        let pace = Pace::Constant { bytes_a_second: u32::try_from(bytes_a_second).unwrap_or(u32::MAX) };
        let sounding = data.start..data.start + samples * block;
        Ok(Sound { layout, samples, spans: Vec::from([sounding]), pace })
    }
}

const fn damaged(problem: &'static str) -> AudioError {
    AudioError::Damaged { container: "WAV", problem }
}

/// What a `fmt ` chunk says.
fn read_format(body: &[u8]) -> Result<Format, AudioError> {
    const EXTENSIBLE: u16 = 0xfffe;
    let word = |at| u16_at(body, at).ok_or(damaged("its format chunk is cut off"));
    let (tag, channels, block, bits) = (word(0)?, word(2)?, word(12)?, word(14)?);
    let sample_rate = u32_at(body, 4).ok_or(damaged("its format chunk is cut off"))?;
    // An extensible format says in its thirteenth word what a plain one says in its first.
    let samples = match if tag == EXTENSIBLE { word(24)? } else { tag } {
        1 => WavSamples::Pcm,
        3 => WavSamples::Float,
        6 => WavSamples::ALaw,
        7 => WavSamples::MuLaw,
        _ => return Err(damaged("its samples are compressed: ask for plain PCM")),
    };
    if channels == 0 || bits == 0 || !SAMPLE_RATES.contains(&sample_rate) {
        return Err(damaged("it has no channels, samples of no bits, or a sample rate that nobody uses"));
    }
    if u32::from(block) != u32::from(channels) * u32::from(bits.div_ceil(8)) {
        return Err(damaged("the size of its samples contradicts their bits and channels"));
    }
    Ok(Format { layout: Layout { coding: Coding::Wav { samples, bits }, sample_rate, channels }, block })
}

/// What stands before `data_bytes` of samples in a WAV file; none if the file would be larger than the format can
/// tell. After samples of an odd number of bytes one more byte must follow.
pub(crate) fn header(samples: WavSamples, bits: u16, layout: Layout, data_bytes: u64) -> Option<Vec<u8>> {
    let tag: u16 = match samples {
        WavSamples::Pcm => 1,
        WavSamples::Float => 3,
        WavSamples::ALaw => 6,
        WavSamples::MuLaw => 7,
    };
    let block = layout.channels.checked_mul(bits.div_ceil(8))?;
    let mut format = Vec::with_capacity(18);
    format.extend([tag.to_le_bytes(), layout.channels.to_le_bytes()].concat());
    format.extend(layout.sample_rate.to_le_bytes());
    format.extend(layout.sample_rate.saturating_mul(block.into()).to_le_bytes());
    format.extend([block.to_le_bytes(), bits.to_le_bytes()].concat());
    let mut chunks = vec![];
    match samples {
        WavSamples::Pcm => chunks.extend(chunk(b"fmt ", &format)),
        // All but integers have an extension of the format, here an empty one, and a chunk that counts samples.
        WavSamples::Float | WavSamples::ALaw | WavSamples::MuLaw => {
            format.extend([0, 0]);
            chunks.extend(chunk(b"fmt ", &format));
            let count = data_bytes.checked_div(block.into())?;
            chunks.extend(chunk(b"fact", &u32::try_from(count).ok()?.to_le_bytes()));
        }
    }
    chunks.extend(b"data");
    chunks.extend(u32::try_from(data_bytes).ok()?.to_le_bytes());
    let whole = data_bytes + data_bytes % 2 + 4 + u64::try_from(chunks.len()).ok()?;
    let whole = u32::try_from(whole).ok().filter(|&bytes| bytes != UNKNOWN_BYTES)?;
    Some([b"RIFF", &whole.to_le_bytes()[..], b"WAVE", &chunks].concat())
}

fn chunk(id: &[u8; 4], body: &[u8]) -> Vec<u8> {
    let size = u32::try_from(body.len()).expect("a header's chunk is short");
    [id, &size.to_le_bytes()[..], body].concat()
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..)?.first_chunk().copied().map(u16::from_le_bytes)
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().copied().map(u32::from_le_bytes)
}
