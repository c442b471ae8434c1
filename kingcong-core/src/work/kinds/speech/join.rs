//! Joining the audio of a job's tasks into one, in order and without decoding: MP3 frame by frame, WAV sample by
//! sample. What is joined is a plan made from what was found in each piece; any range of the whole can be read
//! without the rest.

use std::ops::Range;

use bytes::Bytes;

use super::{
    mp3,
    sound::{Coding, Layout, Pace, Sound, milliseconds},
    wav,
};

/// Largest joined audio in bytes: what a WAV file can say of its own length.
pub const JOINED_BYTES_MAX: u64 = u32::MAX as u64 - 1;

/// Audio made of pieces: what stands where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Joined {
    layout: Layout,
    samples: u64,
    /// What stands before the sound: a WAV file's header, or the frame that describes an MP3.
    head: Bytes,
    /// The ranges of the pieces, each with the byte of the whole that it ends before.
    spans: Vec<Placed>,
    /// The byte that pads the samples of a WAV file.
    pad: Pad,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Placed {
    piece: usize,
    range: Range<u64>,
    end: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Pad {
    None,
    Zero,
}

/// A part of joined audio.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    /// Bytes that are in no piece.
    Made(Bytes),
    /// Bytes of a piece.
    Piece {
        /// Which, from 0.
        piece: usize,
        /// Where in it.
        range: Range<u64>,
    },
}

/// Why audio cannot be joined. Pieces are numbered from 0.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum JoinError {
    /// There is nothing to join.
    #[error("there is no audio to join: give at least one piece")]
    NoPieces,
    /// Two pieces would have to be decoded to fit together.
    #[error("piece {piece} is {found}, but the first is {first}: have all pieces made in one layout")]
    Mixed {
        /// The first piece that differs.
        piece: usize,
        /// Its layout.
        found: Layout,
        /// The first piece's layout.
        first: Layout,
    },
    /// More than [`JOINED_BYTES_MAX`].
    #[error("the joined audio would have {bytes} bytes, more than {JOINED_BYTES_MAX}: join fewer pieces")]
    TooLarge {
        /// What sounds in all pieces, in bytes.
        bytes: u64,
    },
}

/// A range of joined audio that cannot be read. Bytes are counted from 0, and a range ends before its end.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RangeError {
    /// It starts where it ends, or behind.
    #[error("bytes {start} to {end} are none: the end must be behind the start")]
    Empty {
        /// Where it starts.
        start: u64,
        /// Before which byte it ends.
        end: u64,
    },
    /// It ends behind the end of the audio.
    #[error("bytes {start} to {end} are not all there: the audio has {length}, so end at {length} at most")]
    PastEnd {
        /// Where it starts.
        start: u64,
        /// Before which byte it ends.
        end: u64,
        /// How many bytes the audio has.
        length: u64,
    },
    /// It has more bytes than are read into memory at once.
    #[error(
        "bytes {start} to {end} are more than the {max} that are read into memory at once: read them in chunks"
    )]
    TooLong {
        /// Where it starts.
        start: u64,
        /// Before which byte it ends.
        end: u64,
        /// Most bytes that are read at once.
        max: u64,
    },
}

impl Joined {
    /// Joins audio in the order given. Tags and encoders' descriptions of single pieces are left out; samples and
    /// frames stay as they are. An MP3 begins with a frame that describes the whole, so that players know its exact
    /// length, and where each part of it is.
    ///
    /// # Errors
    /// When there are no pieces, they differ in layout, or the whole would be too large.
    pub fn of(sounds: &[Sound]) -> Result<Self, JoinError> {
        let first = sounds.first().ok_or(JoinError::NoPieces)?.layout;
        if let Some(piece) = sounds.iter().position(|sound| sound.layout != first) {
            return Err(JoinError::Mixed { piece, found: sounds[piece].layout, first });
        }
        let bytes = sounds.iter().map(Sound::bytes).sum();
        let too_large = JoinError::TooLarge { bytes };
        if bytes > JOINED_BYTES_MAX {
            return Err(too_large);
        }
        let (head, pad) = match first.coding {
            Coding::Mp3 => (describe(first, sounds, bytes), Pad::None),
            Coding::Wav { samples, bits } => {
                let pad = if bytes % 2 == 1 { Pad::Zero } else { Pad::None };
                (wav::header(samples, bits, first, bytes), pad)
            }
        };
        let head = Bytes::from(head.ok_or(too_large)?);
        let mut end = head.len() as u64;
        let ranges = (sounds.iter().enumerate())
            .flat_map(|(piece, sound)| sound.spans.iter().map(move |it| (piece, it)));
        let spans = ranges
            .map(|(piece, range)| {
                end += range.end - range.start;
                Placed { piece, range: range.clone(), end }
            })
            .collect();
        let samples = sounds.iter().map(|sound| sound.samples).sum();
        Ok(Self { layout: first, samples, head, spans, pad })
    }

    /// Its length in bytes.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.sound_end() + u64::from(self.pad == Pad::Zero)
    }

    /// Its media type.
    #[must_use]
    pub const fn content_type(&self) -> &'static str {
        self.layout.coding.content_type()
    }

    /// How long it lasts, in milliseconds, rounded to the nearest.
    #[must_use]
    pub fn duration_ms(&self) -> u64 {
        milliseconds(self.samples, self.layout.sample_rate)
    }

    fn sound_end(&self) -> u64 {
        self.spans.last().map_or(self.head.len() as u64, |last| last.end)
    }

    /// Checks that a range has bytes, and that all of them are there.
    ///
    /// # Errors
    /// When it has none, or ends behind the end.
    pub fn check_range(&self, range: &Range<u64>) -> Result<(), RangeError> {
        let (Range { start, end }, length) = (range.clone(), self.bytes());
        if start >= end {
            return Err(RangeError::Empty { start, end });
        }
        if end > length {
            return Err(RangeError::PastEnd { start, end, length });
        }
        Ok(())
    }

    /// What stands in a range of it, in order; what lies behind its end is left out.
    #[must_use]
    pub fn parts(&self, range: Range<u64>) -> Vec<Part> {
        let mut parts = Vec::new();
        let head = self.head.len() as u64;
        let made = range.start.min(head)..range.end.min(head);
        if !made.is_empty() {
            let at = |place: u64| usize::try_from(place).unwrap_or(usize::MAX);
            parts.push(Part::Made(self.head.slice(at(made.start)..at(made.end))));
        }
        let first = self.spans.partition_point(|placed| placed.end <= range.start);
        for placed in &self.spans[first..] {
            let start = placed.end - (placed.range.end - placed.range.start);
            if start >= range.end {
                break;
            }
            let (from, to) = (range.start.max(start) - start, range.end.min(placed.end) - start);
            if from < to {
                let range = placed.range.start + from..placed.range.start + to;
                parts.push(Part::Piece { piece: placed.piece, range });
            }
        }
        if self.pad == Pad::Zero && range.contains(&self.sound_end()) {
            parts.push(Part::Made(Bytes::from_static(&[0])));
        }
        parts
    }
}

/// The frame that describes an MP3 made of these pieces; none if it is too large for one.
fn describe(layout: Layout, sounds: &[Sound], bytes: u64) -> Option<Vec<u8>> {
    let frame_samples = u64::from(mp3::frame_samples(layout.sample_rate));
    let frames: u64 = sounds.iter().map(|sound| sound.samples / frame_samples).sum();
    let kbit = |sound: &Sound| match sound.pace {
        Pace::Constant { bytes_a_second } => Some(bytes_a_second / 125),
        Pace::Varying { .. } => None,
    };
    let kbit =
        sounds.first().and_then(kbit).filter(|first| sounds.iter().all(|sound| kbit(sound) == Some(*first)));
    // The pieces up to each, in frames and bytes.
    let ends: Vec<(u64, u64)> = sounds
        .iter()
        .scan((0, 0), |end, sound| {
            *end = (end.0 + sound.samples / frame_samples, end.1 + sound.bytes());
            Some(*end)
        })
        .collect();
    let described = mp3::Described {
        layout,
        frames: u32::try_from(frames).ok()?,
        bytes: u32::try_from(bytes).ok()?,
        kbit,
    };
    described.frame(|hundredth| {
        let frame = frames * hundredth as u64 / mp3::Described::PLACES as u64;
        let piece = ends.partition_point(|end| end.0 <= frame);
        let before = piece.checked_sub(1).map_or((0, 0), |before| ends[before]);
        sounds.get(piece).map_or(bytes, |sound| before.1 + place_of(sound, frame - before.0, frame_samples))
    })
}

/// The bytes that sound before a frame of a piece.
fn place_of(sound: &Sound, frame: u64, frame_samples: u64) -> u64 {
    let (frames, bytes) = (sound.samples / frame_samples, sound.bytes());
    let between = |(first, from): (u64, u64), (last, to): (u64, u64)| {
        from + to.saturating_sub(from) * (frame - first) / last.saturating_sub(first).max(1)
    };
    match &sound.pace {
        Pace::Constant { .. } => between((0, 0), (frames, bytes)),
        Pace::Varying { stride, places } => {
            let known = frame / (*stride).max(1);
            let at = |known: u64| usize::try_from(known).ok().and_then(|known| places.get(known)).copied();
            let (from, to) = (at(known).unwrap_or(bytes), at(known + 1));
            let to = to.map_or((frames, bytes), |to| ((known + 1) * stride, to));
            between((known * stride, from), to)
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use hound::{SampleFormat, WavReader, WavSpec, WavWriter};
    use proptest::prelude::*;

    use super::{
        super::{
            audio::AudioReader,
            sound::{AudioError, WavSamples},
        },
        *,
    };

    /// Joins whole pieces, and checks that every range of the joined audio is a range of the whole.
    fn join(pieces: &[&[u8]]) -> Result<Vec<u8>, JoinError> {
        let sounds: Vec<Sound> = pieces.iter().map(|piece| Sound::read(piece).unwrap()).collect();
        let joined = Joined::of(&sounds)?;
        let bytes = |range: Range<u64>| -> Vec<u8> {
            let part = |part| match part {
                Part::Made(bytes) => bytes.to_vec(),
                Part::Piece { piece, range } => {
                    pieces[piece][range.start as usize..range.end as usize].to_vec()
                }
            };
            joined.parts(range).into_iter().flat_map(part).collect()
        };
        let whole = bytes(0..joined.bytes());
        assert_eq!(whole.len() as u64, joined.bytes());
        for start in [0, 1, 43, 44, 45, 417, 500, joined.bytes() - 1, joined.bytes()] {
            for length in [0, 1, 2, 417, 1000, u64::MAX - start] {
                let end = (start + length).min(joined.bytes());
                let expected = whole.get(start as usize..end as usize).unwrap_or_default();
                assert_eq!(bytes(start..start + length), expected, "{start} and {length}");
            }
        }
        Ok(whole)
    }

    fn duration_ms(bytes: &[u8]) -> Result<u64, AudioError> {
        Sound::read(bytes).map(|sound| sound.duration_ms())
    }

    /// The frame that describes joined MP3s, and what follows.
    fn described(joined: &[u8]) -> (&[u8], &[u8]) {
        let at = joined.windows(4).position(|word| word == b"Xing" || word == b"Info").unwrap();
        assert!(at < 40, "{at}");
        // Its length: the sound of a file that is this frame alone begins behind it.
        let end = Sound::read(joined).unwrap().spans[0].start as usize;
        (&joined[at..end], &joined[end..])
    }

    fn number(description: &[u8], at: usize) -> u32 {
        u32::from_be_bytes(description[at..at + 4].try_into().unwrap())
    }

    /// A silent frame of 44.1 kHz mono at 128 kbit/s: 1152 samples, 417 bytes, 418 if padded.
    fn frame(padding: u8) -> Vec<u8> {
        silence([0xff, 0xfb, 0x90 | padding << 1, 0xc0], 417 + usize::from(padding))
    }

    fn silence(header: [u8; 4], bytes: usize) -> Vec<u8> {
        let mut frame = header.to_vec();
        frame.resize(bytes, 0);
        frame
    }

    /// A frame in which an encoder describes the whole.
    fn description(word: &[u8], at: usize) -> Vec<u8> {
        let mut frame = frame(0);
        frame[at..at + word.len()].copy_from_slice(word);
        frame
    }

    /// A description that announces so many frames.
    fn counted(word: &[u8], frames: u32) -> Vec<u8> {
        let mut frame = description(word, 21);
        frame[28] = 1;
        frame[29..33].copy_from_slice(&frames.to_be_bytes());
        frame
    }

    fn id3v2(body: &[u8], flags: u8) -> Vec<u8> {
        let size = u8::try_from(body.len()).unwrap();
        [b"ID3", &[4, 0, flags, 0, 0, 0, size][..], body].concat()
    }

    fn id3v1() -> Vec<u8> {
        [&b"TAG"[..], &[0xff; 125]].concat()
    }

    const MONO_16: WavSpec =
        WavSpec { channels: 1, sample_rate: 24_000, bits_per_sample: 16, sample_format: SampleFormat::Int };

    fn wav_file(spec: WavSpec, samples: &[i32]) -> Vec<u8> {
        let mut file = Cursor::new(Vec::new());
        let mut writer = WavWriter::new(&mut file, spec).unwrap();
        for &sample in samples {
            match spec.sample_format {
                SampleFormat::Int => writer.write_sample(sample).unwrap(),
                SampleFormat::Float => writer.write_sample(sample as f32).unwrap(),
            }
        }
        writer.finalize().unwrap();
        file.into_inner()
    }

    /// The samples of a WAV file as another reader understands it.
    fn wav_samples(file: &[u8]) -> (WavSpec, Vec<i32>) {
        let reader = WavReader::new(file).unwrap();
        let spec = reader.spec();
        let samples = match spec.sample_format {
            SampleFormat::Int => reader.into_samples::<i32>().map(Result::unwrap).collect(),
            SampleFormat::Float => {
                reader.into_samples::<f32>().map(|sample| sample.unwrap() as i32).collect()
            }
        };
        (spec, samples)
    }

    fn cut_size(mut file: Vec<u8>, riff: u32, data: u32) -> Vec<u8> {
        let at = file.windows(4).position(|word| word == b"data").unwrap() + 4;
        file[4..8].copy_from_slice(&riff.to_le_bytes());
        file[at..at + 4].copy_from_slice(&data.to_le_bytes());
        file
    }

    #[test]
    fn mp3_frames_are_joined_without_tags_and_descriptions() {
        let sound = [frame(0), frame(1), frame(0)].concat();
        let cover = [0xff, 0xfb, 0x90, 0xc0, 1, 2, 3];
        for (piece, what) in [
            (sound.clone(), "frames alone"),
            ([id3v2(b"title", 0), sound.clone(), id3v1()].concat(), "tags"),
            ([id3v2(&cover, 0), id3v2(b"", 0), sound.clone()].concat(), "two tags, one with false frames"),
            ([id3v2(b"x", 0x10), b"3DI\x04\0\x10\0\0\0\x01".to_vec(), sound.clone()].concat(), "a footer"),
            ([description(b"Info", 21), sound.clone()].concat(), "a description"),
            ([description(b"Xing", 21), sound.clone()].concat(), "a description"),
            ([description(b"VBRI", 36), sound.clone()].concat(), "a description"),
            ([id3v2(b"t", 0), description(b"Info", 21), sound.clone(), id3v1()].concat(), "all of it"),
            ([b"junk \xff\xfb\x90\xc0 junk".to_vec(), sound.clone()].concat(), "junk before"),
            ([sound.clone(), b"junk \xff\xfb\x90".to_vec()].concat(), "junk after"),
            ([sound.clone(), id3v2(b"after", 0), id3v1()].concat(), "tags after"),
            ([counted(b"Xing", 3), sound.clone()].concat(), "a description that counts right"),
            ([counted(b"Info", 4), sound.clone()].concat(), "a description that counts itself"),
            ([counted(b"Info", 2), sound.clone()].concat(), "a description that was written too early"),
            ([counted(b"Info", 0), sound.clone()].concat(), "a description that was never finished"),
            (
                [&sound[..417], &id3v2(&cover, 0), &description(b"Info", 21), &sound[417..]].concat(),
                "another file inside",
            ),
        ] {
            let joined = join(&[&piece, &sound]).unwrap();
            assert_eq!(described(&joined).1, [&sound[..], &sound].concat(), "{what}");
            assert_eq!(duration_ms(&joined), Ok(157), "{what}"); // 6912 samples
            assert_eq!(duration_ms(&piece), Ok(78), "{what}");
        }
        let interrupted = [&sound[..], b"junk", &sound].concat();
        assert_eq!(
            described(&join(&[&interrupted]).unwrap()).1,
            [&sound[..], &sound].concat(),
            "junk between"
        );
    }

    #[test]
    fn the_duration_follows_from_version_and_sample_rate() {
        for (header, bytes, samples, rate) in [
            ([0xff, 0xfb, 0x90, 0x00], 417, 1152, 44_100), // MPEG 1, stereo, 128 kbit/s
            ([0xff, 0xfb, 0x94, 0x40], 384, 1152, 48_000), // joint stereo
            ([0xff, 0xfb, 0x18, 0xc0], 144, 1152, 32_000), // mono, 32 kbit/s
            ([0xff, 0xfb, 0xe0, 0x00], 1044, 1152, 44_100), // 320 kbit/s
            ([0xff, 0xfa, 0x90, 0x00], 417, 1152, 44_100), // with a checksum
            ([0xff, 0xf3, 0x40, 0xc0], 104, 576, 22_050),  // MPEG 2, 32 kbit/s
            ([0xff, 0xf3, 0x84, 0xc0], 192, 576, 24_000),  // 64 kbit/s
            ([0xff, 0xe3, 0x18, 0xc0], 72, 576, 8000),     // MPEG 2.5, 8 kbit/s
        ] {
            let piece = silence(header, bytes).repeat(1000);
            let joined = join(&[&piece, &piece]).unwrap();
            let (description, sound) = described(&joined);
            assert_eq!(sound.len(), 2 * piece.len(), "{header:x?}");
            let expected = (2000 * 1000 * samples + rate / 2) / rate;
            assert_eq!(duration_ms(&joined), Ok(expected), "{header:x?}");
            assert_eq!((&description[..4], number(description, 8)), (&b"Info"[..], 2000), "{header:x?}");
        }
    }

    #[test]
    fn wav_reads_back_exactly_as_its_pieces() {
        let stereo_24 = WavSpec { channels: 2, bits_per_sample: 24, sample_rate: 44_100, ..MONO_16 };
        let mono_8 = WavSpec { bits_per_sample: 8, ..MONO_16 };
        let float = WavSpec { bits_per_sample: 32, sample_format: SampleFormat::Float, ..MONO_16 };
        for spec in [MONO_16, stereo_24, mono_8, float] {
            let (one, two) = ([1, -2, 3, -4, 5, 6], [-128, 127]);
            let files = [wav_file(spec, &one), wav_file(spec, &two), wav_file(spec, &one)];
            let joined = join(&files.each_ref().map(|file| &file[..])).unwrap();
            assert_eq!(wav_samples(&joined), (spec, [&one[..], &two, &one].concat()));
            let length = u32::from_le_bytes(joined[4..8].try_into().unwrap());
            assert_eq!(joined.len(), 8 + length as usize);
        }
    }

    #[test]
    fn samples_of_an_odd_number_of_bytes_are_padded() {
        let spec = WavSpec { bits_per_sample: 8, ..MONO_16 };
        let file = wav_file(spec, &[1, 2, 3]);
        let joined = join(&[&file]).unwrap();
        assert_eq!(joined.len() % 2, 0);
        let again = join(&[&joined, &joined]).unwrap();
        assert_eq!(wav_samples(&again).1, [1, 2, 3, 1, 2, 3]);
    }

    #[test]
    fn a_wav_that_was_streamed_is_read_to_its_end() {
        let samples: Vec<i32> = (0..2400).collect();
        let file = wav_file(MONO_16, &samples);
        let list = [b"LIST\x03\0\0\0abc\0", &file[12..]].concat();
        for streamed in [
            cut_size(file.clone(), u32::MAX, u32::MAX),
            cut_size(file.clone(), 0, 0),
            cut_size(file.clone(), 0x7fff_0024, 0x7fff_0000),
            cut_size(file.clone(), 0x7fff_ffff, 0x7fff_ffff - 36), // SoX
            cut_size(file.clone(), 36, 0),                         // Python's wave
            cut_size(file.clone(), u32::MAX, 4800),
            cut_size(file.clone(), 0, 4800),
            [&file[..12], &list].concat(),
            [&file[..], b"LIST\x02\0\0\0ab"].concat(),
            [&cut_size(file.clone(), u32::MAX, u32::MAX)[..], b"\x07"].concat(),
        ] {
            let joined = join(&[&streamed, &file]).unwrap();
            assert_eq!(wav_samples(&joined).1, [&samples[..], &samples].concat());
            assert_eq!(duration_ms(&joined), Ok(200));
        }
    }

    #[test]
    fn what_is_torn_is_told_from_what_is_whole() {
        let sound = frame(0).repeat(3);
        let torn = |what, announced, came| AudioError::Torn { container: "MP3", what, announced, came };
        let last = |came| torn("bytes of the last frame", 417, came);
        for (bytes, error) in [
            ([&sound[..], &frame(0)[..400]].concat(), last(400)),
            ([&sound[..], &frame(0)[..4]].concat(), last(4)),
            ([&sound[..], &frame(0)[..400], &id3v1()].concat(), last(400)),
            ([&sound[..], &frame(0)[..1]].concat(), torn("bytes of the last frame", 4, 1)),
            ([&sound[..], &frame(0)[..3]].concat(), torn("bytes of the last frame", 4, 3)),
            ([&counted(b"Xing", 6)[..], &sound].concat(), torn("frames", 6, 3)),
            ([&counted(b"Info", 6)[..], &sound, &counted(b"Info", 3), &sound].concat(), torn("frames", 6, 3)),
        ] {
            assert_eq!(Sound::read(&bytes), Err(error));
        }
        let file = wav_file(MONO_16, &vec![0; 2400]);
        for cut in [44, 45, 46, 44 + 2400, file.len() - 1] {
            let (what, came) = ("bytes of samples", cut as u64 - 44);
            let error = AudioError::Torn { container: "WAV", what, announced: 4800, came };
            assert_eq!(Sound::read(&file[..cut]), Err(error));
        }
    }

    #[test]
    fn what_is_no_audio_is_refused_with_what_it_is() {
        let description = description(b"Info", 21);
        let noise = |seed: u64| -> Vec<u8> {
            let step = |state: &mut u64| {
                *state =
                    state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                Some((*state >> 33) as u8)
            };
            std::iter::successors(Some(seed), |seed| Some(seed + 1))
                .scan(seed, |state, _| step(state))
                .take(200_000)
                .collect()
        };
        for (bytes, says) in [
            (vec![], "0 bytes of nothing"),
            (b"{\"error\":\"no\"}".to_vec(), "14 bytes of JSON"),
            (b" \n<!DOCTYPE html><title>login</title>".to_vec(), "HTML"),
            ("Hết hạn mức".into(), "text"),
            ([b"OggS".to_vec(), vec![0; 300]].concat(), "Ogg"),
            ([b"fLaC".to_vec(), noise(1)].concat(), "FLAC"),
            ([b"\0\0\0\x20ftypM4A ".to_vec(), noise(2)].concat(), "MP4"),
            ([b"OggS".to_vec(), noise(3), frame(0).repeat(3)].concat(), "Ogg"),
            ([0xff, 0xf1, 0x50, 0x80].repeat(100), "AAC"),
            (vec![0; 4800], "without a header"),
            (noise(4), "without a header"),
            (description.clone(), "has no sound"),
            ([id3v2(b"t", 0), description].concat(), "has no sound"),
            (id3v2(b"t", 0), "has no sound"),
            (wav_file(MONO_16, &[]), "has no sound"),
            (b"RIFF\0\0\0\0AVI LIST".to_vec(), "no WAV"),
        ] {
            let error = Sound::read(&bytes).unwrap_err().to_string();
            assert!(error.contains(says) && error.contains("expected"), "{error}");
        }
    }

    #[test]
    fn what_cannot_be_joined_is_named() {
        let (mono, padded) = (frame(0).repeat(3), frame(1).repeat(3));
        let stereo = silence([0xff, 0xfb, 0x90, 0x00], 417).repeat(3);
        let slow = silence([0xff, 0xfb, 0x94, 0xc0], 384).repeat(3);
        let (wav_24, wav_44) =
            (wav_file(MONO_16, &[1]), wav_file(WavSpec { sample_rate: 44_100, ..MONO_16 }, &[1]));
        let layout = |coding, sample_rate, channels| Layout { coding, sample_rate, channels };
        let mp3_mono = layout(Coding::Mp3, 44_100, 1);
        let pcm = Coding::Wav { samples: WavSamples::Pcm, bits: 16 };
        for (pieces, piece, found, first) in [
            (vec![&mono[..], &padded, &stereo], 2, layout(Coding::Mp3, 44_100, 2), mp3_mono),
            (vec![&mono, &slow], 1, layout(Coding::Mp3, 48_000, 1), mp3_mono),
            (vec![&mono, &wav_44], 1, layout(pcm, 44_100, 1), mp3_mono),
            (vec![&wav_24, &wav_44], 1, layout(pcm, 44_100, 1), layout(pcm, 24_000, 1)),
        ] {
            assert_eq!(join(&pieces), Err(JoinError::Mixed { piece, found, first }));
        }
        assert_eq!(
            join(&[&mono, &wav_44]).unwrap_err().to_string(),
            "piece 1 is 16-bit WAV at 44100 Hz with 1 channel, but the first is MP3 at 44100 Hz with 1 channel: \
             have all pieces made in one layout"
        );
        assert_eq!(join(&[]), Err(JoinError::NoPieces));
        let changes = AudioError::Changes { before: mp3_mono, after: layout(Coding::Mp3, 44_100, 2) };
        assert_eq!(Sound::read(&[mono, stereo].concat()), Err(changes));
    }

    /// Ten seconds, of which the first two have a tenth of the others' bit rate.
    fn varying() -> Vec<u8> {
        let (low, high) = (silence([0xff, 0xfb, 0x10, 0xc0], 104), silence([0xff, 0xfb, 0xe0, 0xc0], 1044));
        [low.repeat(77), high.repeat(306)].concat()
    }

    #[test]
    fn an_mp3_of_varying_bit_rate_tells_its_length_and_where_its_seconds_are() {
        let piece = varying();
        for count in [1_usize, 2, 7] {
            let joined = join(&vec![&piece[..]; count]).unwrap();
            let (description, sound) = described(&joined);
            assert_eq!(sound, piece.repeat(count));
            let numbers = [0, 4, 8, 12].map(|at| number(description, at));
            let word = u32::from_be_bytes(*b"Xing");
            assert_eq!(numbers, [word, 7, 383 * count as u32, joined.len() as u32]);
            let table = &description[16..116];
            assert!(table.is_sorted(), "{table:?}");
            for (hundredth, &entry) in table.iter().enumerate() {
                // Where the frame of that time begins, in 256ths of the file.
                let frame = 383 * count * hundredth / 100;
                let (whole, rest) = (frame / 383, frame % 383);
                let before = whole * piece.len() + rest.min(77) * 104 + rest.saturating_sub(77) * 1044;
                let exact = (joined.len() - sound.len() + before) * 256 / joined.len();
                assert!(
                    usize::from(entry).abs_diff(exact) <= 1,
                    "{count} pieces, {hundredth}: {entry}, {exact}"
                );
            }
        }
    }

    #[test]
    fn a_damaged_wav_is_refused_with_its_problem() {
        let file = wav_file(MONO_16, &[1, 2, 3]);
        let with = |at: usize, byte: u8| {
            let mut file = file.clone();
            file[at] = byte;
            file
        };
        for (bytes, problem) in [
            (b"RIFF\0\0\0\0WAVE".to_vec(), "no data"),
            (file[..36].to_vec(), "no data"),
            (file[..30].to_vec(), "cut off"),
            (with(27, 0x7f), "nobody uses"),
            ([&file[..12], b"data\0\0\0\0"].concat(), "before their format"),
            (with(20, 2), "compressed"),
            (with(22, 0), "no channels"),
            (with(32, 3), "contradicts"),
            (with(36, b'x'), "no data"),
        ] {
            let error = duration_ms(&bytes).unwrap_err();
            assert!(error.to_string().contains(problem), "{error}");
        }
    }

    #[test]
    fn more_than_a_wav_file_can_hold_is_refused() {
        let megabyte = wav_file(MONO_16, &vec![0; 512 * 1024]);
        let pieces = vec![Sound::read(&megabyte).unwrap(); 4096];
        assert_eq!(Joined::of(&pieces), Err(JoinError::TooLarge { bytes: 4096 * 1024 * 1024 }));
    }

    /// What is found in bytes that come in pieces of that size.
    fn read_in_pieces(bytes: &[u8], size: usize) -> Result<Sound, AudioError> {
        let mut reader = AudioReader::default();
        bytes.chunks(size).for_each(|piece| reader.push(piece));
        reader.finish()
    }

    proptest! {
        #[test]
        fn torn_and_damaged_audio_never_panics(
            cut in 0usize..2000,
            damage in prop::collection::vec((0usize..2000, any::<u8>()), 0..20),
            size in 1usize..3000,
        ) {
            let mp3_file = [id3v2(b"title", 0), description(b"Info", 21), frame(0).repeat(3), id3v1()].concat();
            for mut bytes in [mp3_file, wav_file(MONO_16, &[7; 900])] {
                bytes.truncate(cut);
                for &(at, byte) in &damage {
                    if let Some(target) = bytes.get_mut(at) {
                        *target = byte;
                    }
                }
                let found = Sound::read(&bytes);
                prop_assert_eq!(&read_in_pieces(&bytes, size), &found);
                if let Ok(sound) = found {
                    prop_assert!(sound.bytes() <= bytes.len() as u64);
                    let joined = join(&[&bytes]).unwrap();
                    prop_assert_eq!(duration_ms(&joined), Ok(sound.duration_ms()));
                }
            }
        }

        #[test]
        fn random_bytes_never_panic(random in prop::collection::vec(any::<u8>(), 0..9000), size in 1usize..9000) {
            // Every other byte is one that headers and tags are made of.
            let likely = |byte: u8| if byte < 128 { b"\xff\xfb\x90ID3\0\x04"[usize::from(byte % 8)] } else { byte };
            let likely: Vec<u8> = random.iter().copied().map(likely).collect();
            for bytes in [&random, &likely] {
                for start in [&b""[..], b"RIFF\0\0\0\0WAVE", b"RIFF\0\0\0\0WAVEfmt \x10\0\0\0\x01\0\x01\0"] {
                    let bytes = [start, bytes].concat();
                    let found = Sound::read(&bytes);
                    prop_assert_eq!(&read_in_pieces(&bytes, size), &found);
                    if let Ok(sound) = found {
                        prop_assert!(sound.bytes() <= bytes.len() as u64);
                    }
                }
            }
        }

        /// Joined audio is as long as its pieces together: to the sample, whatever they are made of.
        #[test]
        fn joined_audio_is_as_long_as_its_pieces(
            pieces in prop::collection::vec(prop::collection::vec(1u8..15, 1..60), 1..8),
            lengths in prop::collection::vec(1usize..3000, 1..8),
        ) {
            let mp3: Vec<Vec<u8>> = pieces
                .iter()
                .map(|kbits| kbits.iter().flat_map(|kbit| {
                    const KBIT: [usize; 14] = [32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320];
                    let bytes = 144_000 * KBIT[usize::from(kbit - 1)] / 44_100;
                    silence([0xff, 0xfb, kbit << 4, 0xc0], bytes)
                }).collect())
                .collect();
            let wav: Vec<Vec<u8>> = lengths.iter().map(|length| wav_file(MONO_16, &vec![5; *length])).collect();
            for files in [mp3, wav] {
                let files: Vec<&[u8]> = files.iter().map(Vec::as_slice).collect();
                let samples: u64 = files.iter().map(|file| Sound::read(file).unwrap().samples).sum();
                let joined = join(&files).unwrap();
                prop_assert_eq!(Sound::read(&joined).unwrap().samples, samples);
            }
        }
    }

    /// A hostile megabyte is looked at a few times at most: neither its frames nor its tags are searched again.
    #[test]
    fn what_is_read_grows_with_the_bytes_only() {
        let (first, second) = (frame(0), silence([0xff, 0xfb, 0x10, 0xc0], 104));
        let broken = [&first.repeat(3)[..], &second.repeat(3), b"x"].concat().repeat(2_000);
        assert!(matches!(Sound::read(&broken), Err(AudioError::Damaged { .. })));
        for unit in [&b"\xff\xfb\x90\xc0"[..], b"ID3\x04\0\0\0\0\0\0", b"\xff", b"TAG", b"RIFF", b"Xing"] {
            let bytes = unit.repeat(10_000_000 / unit.len());
            assert!(Sound::read(&bytes).is_err());
        }
    }
}
