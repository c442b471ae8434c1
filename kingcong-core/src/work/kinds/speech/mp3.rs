//! MP3: a plain row of frames, each with a header of four bytes that tells its length. Tags, and the frame that
//! some encoders put first to describe the whole, are left out of what sounds; joined audio gets one of its own.

use super::sound::{AudioError, Coding, Layout, Pace, Places, Rest, Sound, Spans};

/// Frames that must follow before a header found in the middle of junk is believed: two bytes in a picture look
/// like a header now and then, three in the right distances hardly ever.
const CONFIRMING_FRAMES: usize = 2;
/// Longest frame of layer III: 320 kbit/s at 32 kHz, with padding.
const FRAME_BYTES_MAX: usize = 1441;
/// What must be at hand to judge a frame: itself and those that confirm it, the last as far as its header.
const LOOK_AHEAD_BYTES: usize = (1 + CONFIRMING_FRAMES) * FRAME_BYTES_MAX + 4;
/// Of what is no tag, one byte in so many must sound at least: or it is something else with frames by chance.
const JUNK_FACTOR_MAX: u64 = 2;

const MPEG_1_KBIT: [u32; 14] = [32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320];
const MPEG_2_KBIT: [u32; 14] = [8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160];

/// The header of one frame.
#[derive(Clone, Copy, Debug)]
struct Header {
    layout: Layout,
    kbit: u32,
    /// Samples of one channel in the frame.
    samples: u32,
    /// The frame's length with its header.
    bytes: usize,
    /// Where an encoder's description of the whole would stand in the frame.
    description_at: usize,
}

/// Reads frame after frame.
#[derive(Debug)]
pub(super) struct Reader {
    layout: Option<Layout>,
    samples: u64,
    spans: Spans,
    /// The bytes that sound so far.
    sounding: u64,
    /// Bytes of tags.
    tags: u64,
    /// Bytes of encoders' descriptions.
    descriptions: u64,
    /// What is left of a tag.
    skip: u64,
    /// Whether a frame is due right here, because the one before ends here.
    due: bool,
    /// Frames that a description announced, and how many of them came.
    announced: (u64, u64),
    /// The bit rate, while it is the same.
    kbit: Option<Option<u32>>,
    places: Places,
    torn: Option<AudioError>,
}

impl Default for Reader {
    fn default() -> Self {
        Self {
            layout: None,
            samples: 0,
            spans: Spans::default(),
            sounding: 0,
            tags: 0,
            descriptions: 0,
            skip: 0,
            due: true,
            announced: (0, 0),
            kbit: None,
            places: Places::default(),
            torn: None,
        }
    }
}

impl Reader {
    /// Reads on; see `Container::advance`.
    pub(super) fn advance(&mut self, bytes: &[u8], start: u64, rest: Rest) -> Result<usize, AudioError> {
        let closing_tag = if rest == Rest::None { closing_tag_bytes(bytes) } else { 0 };
        let end = bytes.len() - closing_tag;
        let mut at = 0;
        while at < end {
            let here = &bytes[at..end];
            if self.skip > 0 {
                let skipped = usize::try_from(self.skip).unwrap_or(usize::MAX).min(here.len());
                (at, self.skip) = (at + skipped, self.skip - skipped as u64);
                continue;
            }
            if rest == Rest::Some && here.len() < LOOK_AHEAD_BYTES {
                return Ok(at);
            }
            at += self.step(here, start + at as u64)?;
        }
        self.tags += closing_tag as u64;
        Ok(bytes.len())
    }

    /// Looks at what begins here, which is byte `place` of the whole; answers how far to go.
    fn step(&mut self, here: &[u8], place: u64) -> Result<usize, AudioError> {
        if self.due
            && let Some(tag) = tag_bytes(here)
        {
            self.tags += tag;
            self.skip = tag;
            return Ok(0);
        }
        let Some(header) = Header::read(here) else {
            if self.due && self.layout.is_some() && is_cut_header(here) {
                self.torn = Some(torn_frame(4, here));
            }
            self.due = false;
            return Ok(1);
        };
        let expected = self.due && self.layout == Some(header.layout);
        if expected && header.bytes > here.len() {
            self.torn = Some(torn_frame(header.bytes, here));
            return Ok(here.len());
        }
        if !expected && !confirmed(here, &header) {
            self.due = false;
            return Ok(1);
        }
        let before = *self.layout.get_or_insert(header.layout);
        if before != header.layout {
            return Err(AudioError::Changes { before, after: header.layout });
        }
        self.frame(&header, &here[..header.bytes], place)?;
        self.due = true;
        Ok(header.bytes)
    }

    fn frame(&mut self, header: &Header, frame: &[u8], place: u64) -> Result<(), AudioError> {
        let bytes = frame.len() as u64;
        if let Some(frames) = described_frames(frame, header.description_at) {
            self.note_announced();
            self.announced = (frames, 0);
            self.descriptions += bytes;
            return Ok(());
        }
        self.announced.1 += 1;
        self.samples += u64::from(header.samples);
        self.places.note(self.sounding);
        self.sounding += bytes;
        self.kbit = match self.kbit {
            None => Some(Some(header.kbit)),
            Some(same) => Some(same.filter(|kbit| *kbit == header.kbit)),
        };
        self.spans.add(place..place + bytes, "MP3")
    }

    /// What a description announced has come, or the audio is torn. Some encoders count the description itself.
    fn note_announced(&mut self) {
        let (announced, came) = self.announced;
        if came + 1 < announced && self.torn.is_none() {
            self.torn = Some(AudioError::Torn { container: "MP3", what: "frames", announced, came });
        }
    }

    /// What was found in all the `bytes`; `came` is what they look like if they are no MP3.
    pub(super) fn finish(mut self, bytes: u64, came: &'static str) -> Result<Sound, AudioError> {
        let Some(layout) = self.layout else {
            return Err(match self.tags {
                0 => AudioError::NotAudio { came, bytes },
                _ => AudioError::Silent { container: "MP3", bytes },
            });
        };
        if self.samples == 0 {
            return Err(AudioError::Silent { container: "MP3", bytes });
        }
        let content = bytes.saturating_sub(self.tags + self.descriptions);
        if content > self.sounding.saturating_mul(JUNK_FACTOR_MAX) {
            return Err(AudioError::NotAudio { came, bytes });
        }
        self.note_announced();
        if let Some(torn) = self.torn {
            return Err(torn);
        }
        let pace = match self.kbit.flatten() {
            Some(kbit) => Pace::Constant { bytes_a_second: kbit * 125 },
            None => self.places.into_pace(),
        };
        Ok(Sound { layout, samples: self.samples, spans: self.spans.into_ranges(), pace })
    }
}

impl Header {
    /// The header that bytes start with, if it is one of layer III with a stated bit rate.
    fn read(bytes: &[u8]) -> Option<Self> {
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
        let kbit = *kbit.get(usize::from(third >> 4).checked_sub(1)?)?;
        let sample_rate = [44_100, 48_000, 32_000].get(usize::from(third >> 2 & 0b11))? / rate_divisor;
        let padding = u32::from(third >> 1 & 1);
        let channels = if fourth >> 6 == 0b11 { 1 } else { 2 };
        let bytes = samples / 8 * kbit * 1000 / sample_rate + padding;
        Some(Self {
            layout: Layout { coding: Coding::Mp3, sample_rate, channels },
            kbit,
            samples,
            bytes: usize::try_from(bytes).ok()?,
            description_at: 4 + side_information_bytes(samples, channels),
        })
    }
}

/// What stands between a frame's header and its sound.
const fn side_information_bytes(samples: u32, channels: u16) -> usize {
    match (samples, channels) {
        (1152, 1) => 17,
        (1152, _) => 32,
        (_, 1) => 9,
        _ => 17,
    }
}

/// Samples of one channel in a frame at that sample rate.
pub(super) const fn frame_samples(sample_rate: u32) -> u32 {
    if sample_rate >= 32_000 { 1152 } else { 576 }
}

/// Whether frames alike follow the one that `bytes` starts with: as many as confirm it, or all up to the end.
fn confirmed(bytes: &[u8], header: &Header) -> bool {
    let mut next = header.bytes;
    for following in 0..=CONFIRMING_FRAMES {
        let Some(rest) = bytes.get(next..) else { return following > 0 };
        if following == CONFIRMING_FRAMES || rest.is_empty() || tag_bytes(rest).is_some() {
            return true;
        }
        match Header::read(rest) {
            Some(found) if found.layout == header.layout => next += found.bytes,
            _ => return false,
        }
    }
    true
}

/// Whether the last bytes of a file begin a header.
fn is_cut_header(here: &[u8]) -> bool {
    matches!(here, [0xff] | [0xff, 0xe0..=0xff] | [0xff, 0xe0..=0xff, _])
}

fn torn_frame(announced: usize, here: &[u8]) -> AudioError {
    let (announced, came) = (announced as u64, here.len() as u64);
    AudioError::Torn { container: "MP3", what: "bytes of the last frame", announced, came }
}

/// How many frames an encoder's description of the whole (Xing, Info or VBRI) announces, 0 where it does not say;
/// none if the frame is sound. A description would be wrong for the joined audio, and is heard as a short silence.
fn described_frames(frame: &[u8], at: usize) -> Option<u64> {
    /// In Xing's flags: the number of frames follows.
    const HAS_FRAMES: u32 = 1;
    let number = |at: usize| Some(u32::from_be_bytes(*frame.get(at..)?.first_chunk()?));
    // With a checksum everything stands two bytes later, unless the encoder forgot.
    for at in [at, at + 2] {
        if frame.get(at..).is_some_and(|rest| rest.starts_with(b"Xing") || rest.starts_with(b"Info")) {
            let flags = number(at + 4).unwrap_or_default();
            let frames = number(at + 8).filter(|_| flags & HAS_FRAMES != 0).unwrap_or_default();
            return Some(frames.into());
        }
    }
    let vbri = frame.get(36..)?.starts_with(b"VBRI");
    vbri.then(|| number(36 + 14).unwrap_or_default().into())
}

/// The length of the ID3v2 tag that bytes start with.
fn tag_bytes(bytes: &[u8]) -> Option<u64> {
    let &[b'I', b'D', b'3', major, minor, flags, a, b, c, d, ..] = bytes else { return None };
    if major == 0xff || minor == 0xff || (a | b | c | d) & 0x80 != 0 {
        return None;
    }
    let body = [a, b, c, d].into_iter().fold(0, |size, seven_bits| size << 7 | u64::from(seven_bits));
    let footer = if flags & 0x10 == 0 { 0 } else { 10 };
    Some(10 + body + footer)
}

/// The length of the ID3v1 tag that bytes end with; 0 without one.
fn closing_tag_bytes(bytes: &[u8]) -> usize {
    const TAG_BYTES: usize = 128;
    let has_tag = bytes.last_chunk::<TAG_BYTES>().is_some_and(|tag| tag.starts_with(b"TAG"));
    if has_tag { TAG_BYTES } else { 0 }
}

/// What a description says of joined audio.
#[derive(Clone, Copy, Debug)]
pub(super) struct Described {
    pub(super) layout: Layout,
    /// Frames that sound.
    pub(super) frames: u32,
    /// Their bytes.
    pub(super) bytes: u32,
    /// The bit rate, if it is the same all the way.
    pub(super) kbit: Option<u32>,
}

impl Described {
    /// Entries of the table of contents: where each hundredth of the time begins.
    pub(super) const PLACES: usize = 100;
    /// Bytes of the description itself: its word, flags, frames, bytes and table.
    const BYTES: usize = 16 + Self::PLACES;

    /// The frame that describes the whole, as players look for it at the start: without it they guess the length of
    /// audio whose bit rate varies. `place` is where a hundredth of the time begins, in bytes that sound before it.
    /// The layout is the one that Xing published with its decoder (`Xing`; LAME writes `Info` where the bit rate is
    /// constant). None if the layout is no layout of an MP3.
    pub(super) fn frame(&self, place: impl Fn(usize) -> u64) -> Option<Vec<u8>> {
        /// In the flags: frames, bytes and table follow.
        const ALL: u32 = 0b111;
        let Layout { sample_rate, channels, .. } = self.layout;
        let samples = frame_samples(sample_rate);
        let at = 4 + side_information_bytes(samples, channels);
        let kbits = if samples == 1152 { MPEG_1_KBIT } else { MPEG_2_KBIT };
        let bytes_at =
            |kbit: u32| usize::try_from(samples / 8 * kbit * 1000 / sample_rate.max(1)).unwrap_or(0);
        let fits = |kbit: &u32| bytes_at(*kbit) >= at + Self::BYTES;
        let kbit = self.kbit.filter(fits).or_else(|| kbits.into_iter().find(fits))?;
        let (version, rates) = match sample_rate {
            32_000.. => (0b11, [44_100, 48_000, 32_000]),
            16_000.. => (0b10, [22_050, 24_000, 16_000]),
            _ => (0b00, [11_025, 12_000, 8_000]),
        };
        let kbit_index = u8::try_from(kbits.iter().position(|known| *known == kbit)? + 1).ok()?;
        let rate_index = u8::try_from(rates.iter().position(|known| *known == sample_rate)?).ok()?;
        let mode = if channels == 1 { 0b1100_0000 } else { 0 };
        let mut frame = vec![0xff, 0b1110_0011 | version << 3, kbit_index << 4 | rate_index << 2, mode];
        frame.resize(at, 0);
        frame.extend(if self.kbit.is_some() { b"Info" } else { b"Xing" });
        let own = u32::try_from(bytes_at(kbit)).ok()?;
        let whole = self.bytes.checked_add(own)?;
        for number in [ALL, self.frames, whole] {
            frame.extend(number.to_be_bytes());
        }
        for hundredth in 0..Self::PLACES {
            let before = (u64::from(own) + place(hundredth)).saturating_mul(256);
            frame.push(u8::try_from(before / u64::from(whole)).unwrap_or(u8::MAX));
        }
        frame.resize(bytes_at(kbit), 0);
        Some(frame)
    }
}
