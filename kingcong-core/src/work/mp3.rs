//! MP3: a plain row of frames, each with a header of four bytes that tells its length. Tags, and the frame that
//! some encoders put first to describe the whole, are left out of what sounds.

use super::audio::{AudioError, Coding, Layout, Sound};

/// Frames that must follow before a header found in the middle of junk is believed: two bytes in a picture look
/// like a header now and then, three in the right distances hardly ever.
const CONFIRMING_FRAMES: usize = 2;

/// The header of one frame.
#[derive(Clone, Copy, Debug)]
struct Header {
    layout: Layout,
    /// Samples of one channel in the frame.
    samples: u32,
    /// The frame's length with its header.
    bytes: usize,
    /// Where an encoder's description of the whole would stand in the frame.
    description_at: usize,
}

/// Whether bytes begin as an MP3 does: with a tag, or with a header that another one follows.
pub(super) fn starts(bytes: &[u8]) -> bool {
    tag_bytes(bytes).is_some() || Header::read(bytes).is_some_and(|header| confirmed(bytes, &header))
}

/// Finds the frames.
pub(super) fn read(bytes: &[u8]) -> Result<Sound<'_>, AudioError> {
    let end = bytes.len() - closing_tag_bytes(bytes);
    let mut layout: Option<Layout> = None;
    let mut samples = 0;
    let mut parts: Vec<(usize, usize)> = Vec::new();
    let mut at = 0;
    // Whether a frame is due right here, because the one before ends here.
    let mut due = true;
    while at < end {
        let rest = &bytes[at..end];
        if let Some(tag) = tag_bytes(rest) {
            (at, due) = (at + tag, true);
            continue;
        }
        let frame = Header::read(rest).filter(|header| {
            let expected = due && layout.is_none_or(|layout| layout == header.layout);
            header.bytes <= rest.len() && (expected || confirmed(rest, header))
        });
        let Some(header) = frame else {
            (at, due) = (at + 1, false);
            continue;
        };
        let before = *layout.get_or_insert(header.layout);
        if before != header.layout {
            return Err(AudioError::Changes { before, after: header.layout });
        }
        if !describes_the_whole(&rest[..header.bytes], header.description_at) {
            samples += u64::from(header.samples);
            match parts.last_mut() {
                Some((_, last)) if *last == at => *last += header.bytes,
                _ => parts.push((at, at + header.bytes)),
            }
        }
        (at, due) = (at + header.bytes, true);
    }
    match layout {
        Some(layout) if samples > 0 => {
            let parts = parts.into_iter().map(|(start, end)| &bytes[start..end]).collect();
            Ok(Sound { layout, samples, parts })
        }
        _ => Err(AudioError::Silent { container: "MP3" }),
    }
}

impl Header {
    /// The header that bytes start with, if it is one of layer III with a stated bit rate.
    fn read(bytes: &[u8]) -> Option<Self> {
        const MPEG_1_KBIT: [u32; 14] = [32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320];
        const MPEG_2_KBIT: [u32; 14] = [8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160];
        let &[0xff, second, third, fourth, ..] = bytes else { return None };
        // Eleven bits of sync, then version, layer III and "no checksum".
        if second & 0b1110_0110 != 0b1110_0010 {
            return None;
        }
        let (kbit, samples, rate_divisor) = match second >> 3 & 0b11 {
            0b11 => (&MPEG_1_KBIT, 1152, 1),
            0b10 => (&MPEG_2_KBIT, 576, 2),
            0b00 => (&MPEG_2_KBIT, 576, 4), // MPEG 2.5
            _ => return None,
        };
        let kbit = kbit.get(usize::from(third >> 4).checked_sub(1)?)?;
        let sample_rate = [44_100, 48_000, 32_000].get(usize::from(third >> 2 & 0b11))? / rate_divisor;
        let padding = u32::from(third >> 1 & 1);
        let channels = if fourth >> 6 == 0b11 { 1 } else { 2 };
        let side_information = match (samples, channels) {
            (1152, 1) => 17,
            (1152, _) => 32,
            (_, 1) => 9,
            _ => 17,
        };
        let bytes = samples / 8 * kbit * 1000 / sample_rate + padding;
        Some(Self {
            layout: Layout { coding: Coding::Mp3, sample_rate, channels },
            samples,
            bytes: usize::try_from(bytes).ok()?,
            description_at: 4 + side_information,
        })
    }
}

/// Whether frames alike follow the one that `bytes` starts with, as far as the bytes go.
fn confirmed(bytes: &[u8], header: &Header) -> bool {
    let mut next = header.bytes;
    for _ in 0..CONFIRMING_FRAMES {
        let Some(rest) = bytes.get(next..).filter(|rest| !rest.is_empty()) else { return true };
        match Header::read(rest) {
            Some(following) if following.layout == header.layout => next += following.bytes,
            _ => return false,
        }
    }
    true
}

/// Whether a frame holds an encoder's table of contents (Xing, Info or VBRI) instead of sound. It would be wrong
/// for the joined audio, and is heard as a short silence.
fn describes_the_whole(frame: &[u8], at: usize) -> bool {
    let has = |at: usize, words: [&[u8]; 2]| {
        frame.get(at..).is_some_and(|rest| words.iter().any(|word| rest.starts_with(word)))
    };
    // With a checksum everything stands two bytes later, unless the encoder forgot.
    has(at, [b"Xing", b"Info"]) || has(at + 2, [b"Xing", b"Info"]) || has(36, [b"VBRI", b"VBRI"])
}

/// The length of the ID3v2 tag that bytes start with.
fn tag_bytes(bytes: &[u8]) -> Option<usize> {
    let &[b'I', b'D', b'3', major, minor, flags, a, b, c, d, ..] = bytes else { return None };
    if major == 0xff || minor == 0xff || (a | b | c | d) & 0x80 != 0 {
        return None;
    }
    let body = [a, b, c, d].into_iter().fold(0, |size, seven_bits| size << 7 | usize::from(seven_bits));
    let footer = if flags & 0x10 == 0 { 0 } else { 10 };
    Some(10 + body + footer).filter(|&tag| tag <= bytes.len())
}

/// The length of the ID3v1 tag that bytes end with; 0 without one.
fn closing_tag_bytes(bytes: &[u8]) -> usize {
    const TAG_BYTES: usize = 128;
    let has_tag = bytes.last_chunk::<TAG_BYTES>().is_some_and(|tag| tag.starts_with(b"TAG"));
    if has_tag { TAG_BYTES } else { 0 }
}
