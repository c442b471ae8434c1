//! WAV: a RIFF container of chunks, of which `fmt ` tells the samples' layout and `data` holds them.

use super::audio::{AudioError, Coding, Layout, Sound, WavSamples};

/// The size of a chunk that was written before its end was known.
const UNKNOWN_BYTES: u32 = u32::MAX;

/// Whether bytes begin as a WAV file does.
pub(super) fn starts(bytes: &[u8]) -> bool {
    matches!(bytes, [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'A', b'V', b'E', ..])
}

/// Finds the samples. A data chunk that claims more than there is, as streamed and torn files do, ends where the
/// bytes end.
pub(super) fn read(bytes: &[u8]) -> Result<Sound<'_>, AudioError> {
    let damaged = |problem| AudioError::Damaged { problem };
    if !starts(bytes) {
        return Err(damaged("it does not begin with RIFF and WAVE"));
    }
    let streamed = matches!(u32_at(bytes, 4), Some(0 | UNKNOWN_BYTES));
    let mut layout = None;
    let mut at = 12;
    while let (Some(id), Some(size)) = (bytes.get(at..at + 4), u32_at(bytes, at + 4)) {
        let rest = &bytes[at + 8..];
        let claimed = usize::try_from(size).unwrap_or(usize::MAX);
        if id == b"data" {
            let (layout, block) = layout.ok_or(damaged("the samples come before their format"))?;
            let end = if size == 0 && streamed { rest.len() } else { claimed.min(rest.len()) };
            // The last sample may be torn.
            let samples = &rest[..end - end % block];
            if samples.is_empty() {
                return Err(AudioError::Silent { container: "WAV" });
            }
            let count = u64::try_from(samples.len() / block).expect("a length fits 64 bits");
            return Ok(Sound { layout, samples: count, parts: vec![samples] });
        }
        let body = rest.get(..claimed).ok_or(damaged("a chunk before the samples is cut off"))?;
        if id == b"fmt " {
            layout = Some(read_format(body)?);
        }
        // Chunks start at even places.
        at = at.saturating_add(8).saturating_add(claimed).saturating_add(claimed % 2);
    }
    Err(damaged("it has no data chunk"))
}

/// The layout in a `fmt ` chunk, and the bytes of one sample of all channels.
fn read_format(body: &[u8]) -> Result<(Layout, usize), AudioError> {
    const EXTENSIBLE: u16 = 0xfffe;
    let damaged = |problem| AudioError::Damaged { problem };
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
    if channels == 0 || sample_rate == 0 || bits == 0 {
        return Err(damaged("it has no channels, no sample rate or samples of no bits"));
    }
    if u32::from(block) != u32::from(channels) * u32::from(bits.div_ceil(8)) {
        return Err(damaged("the size of its samples contradicts their bits and channels"));
    }
    Ok((Layout { coding: Coding::Wav { samples, bits }, sample_rate, channels }, usize::from(block)))
}

/// What stands before `data_bytes` of samples in a WAV file; none if the file would be larger than the format can
/// tell. After samples of an odd number of bytes one more byte must follow.
pub(super) fn header(samples: WavSamples, bits: u16, layout: Layout, data_bytes: u64) -> Option<Vec<u8>> {
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
