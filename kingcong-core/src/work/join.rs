//! Joining the audio of a job's tasks into one, in order and without decoding: MP3 frame by frame, WAV sample by
//! sample.

use bytes::Bytes;

use super::{
    audio::{AudioError, Coding, Layout, Sound, milliseconds},
    wav,
};

/// Largest joined audio in bytes: what a WAV file can say of its own length.
pub const JOINED_BYTES_MAX: u64 = u32::MAX as u64 - 1;

/// The audio of one task.
#[derive(Clone, Copy, Debug)]
pub struct AudioPiece<'a> {
    /// Its media type, such as `audio/mpeg`.
    pub content_type: &'a str,
    /// The audio.
    pub bytes: &'a [u8],
}

/// Audio made of pieces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Joined {
    /// The audio.
    pub bytes: Bytes,
    /// Its media type.
    pub content_type: &'static str,
    /// How long it lasts, in milliseconds.
    pub duration_ms: u64,
}

/// Why audio cannot be joined. Pieces are numbered from 0.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum JoinError {
    /// There is nothing to join.
    #[error("there is no audio to join: give at least one piece")]
    NoPieces,
    /// A piece cannot be read.
    #[error("piece {piece} cannot be joined: {source}")]
    Piece {
        /// Which.
        piece: usize,
        /// Why.
        source: AudioError,
    },
    /// Two pieces would have to be decoded to fit together.
    #[error("piece {piece} is {found}, but the first is {first}: have all pieces made in one format")]
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

/// Joins audio in the order given. Tags and encoders' descriptions of single pieces are left out; samples and
/// frames are copied as they are.
///
/// # Errors
/// When a piece cannot be read, the pieces differ in container, sample rate, channels or coding, or the whole
/// would be too large.
pub fn join_audio(pieces: &[AudioPiece<'_>]) -> Result<Joined, JoinError> {
    let mut sounds = Vec::with_capacity(pieces.len());
    for (piece, audio) in pieces.iter().enumerate() {
        let sound = Sound::read(audio.content_type, audio.bytes);
        sounds.push(sound.map_err(|source| JoinError::Piece { piece, source })?);
    }
    let first = sounds.first().ok_or(JoinError::NoPieces)?.layout;
    if let Some(piece) = sounds.iter().position(|sound| sound.layout != first) {
        return Err(JoinError::Mixed { piece, found: sounds[piece].layout, first });
    }

    let parts = || sounds.iter().flat_map(|sound| &sound.parts);
    let data_bytes = parts().map(|part| part.len() as u64).sum();
    let too_large = JoinError::TooLarge { bytes: data_bytes };
    if data_bytes > JOINED_BYTES_MAX {
        return Err(too_large);
    }
    let (mut bytes, content_type) = match first.coding {
        Coding::Mp3 => (Vec::new(), "audio/mpeg"),
        Coding::Wav { samples, bits } => {
            (wav::header(samples, bits, first, data_bytes).ok_or(too_large)?, "audio/wav")
        }
    };
    bytes.reserve_exact(parts().map(|part| part.len()).sum::<usize>() + 1);
    parts().for_each(|part| bytes.extend_from_slice(part));
    if matches!(first.coding, Coding::Wav { .. }) && data_bytes % 2 == 1 {
        bytes.push(0);
    }
    let samples = sounds.iter().map(|sound| sound.samples).sum();
    Ok(Joined { bytes: bytes.into(), content_type, duration_ms: milliseconds(samples, first.sample_rate) })
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use hound::{SampleFormat, WavReader, WavSpec, WavWriter};
    use proptest::prelude::*;

    use super::{
        super::{audio::WavSamples, duration_ms},
        *,
    };

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

    fn id3v2(body: &[u8], flags: u8) -> Vec<u8> {
        let size = u8::try_from(body.len()).unwrap();
        [b"ID3", &[4, 0, flags, 0, 0, 0, size][..], body].concat()
    }

    fn id3v1() -> Vec<u8> {
        [&b"TAG"[..], &[0xff; 125]].concat()
    }

    fn mp3(bytes: &[u8]) -> AudioPiece<'_> {
        AudioPiece { content_type: "audio/mpeg", bytes }
    }

    fn wav(bytes: &[u8]) -> AudioPiece<'_> {
        AudioPiece { content_type: "audio/wav", bytes }
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
            ([sound.clone(), frame(0)[..400].to_vec()].concat(), "a torn frame"),
            ([sound.clone(), frame(0)[..400].to_vec(), id3v1()].concat(), "a torn frame and a tag"),
            ([&sound[..417], b"junk", &sound[417..]].concat(), "junk between"),
            (
                [&sound[..417], &id3v2(&cover, 0), &description(b"Info", 21), &sound[417..]].concat(),
                "another file inside",
            ),
        ] {
            let joined = join_audio(&[mp3(&piece), mp3(&sound)]).unwrap();
            assert_eq!(joined.bytes, [&sound[..], &sound].concat(), "{what}");
            assert_eq!((joined.content_type, joined.duration_ms), ("audio/mpeg", 157), "{what}"); // 6912 samples
            assert_eq!(duration_ms("audio/mpeg", &piece), Ok(78), "{what}");
        }
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
            let joined = join_audio(&[mp3(&piece), mp3(&piece)]).unwrap();
            assert_eq!(joined.bytes.len(), 2 * piece.len(), "{header:x?}");
            let expected = (2000 * 1000 * samples + rate / 2) / rate;
            assert_eq!(joined.duration_ms, expected, "{header:x?}");
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
            let joined = join_audio(&files.each_ref().map(|file| wav(file))).unwrap();
            assert_eq!(wav_samples(&joined.bytes), (spec, [&one[..], &two, &one].concat()));
            assert_eq!(joined.content_type, "audio/wav");
            let length = u32::from_le_bytes(joined.bytes[4..8].try_into().unwrap());
            assert_eq!(joined.bytes.len(), 8 + length as usize);
        }
    }

    #[test]
    fn samples_of_an_odd_number_of_bytes_are_padded() {
        let spec = WavSpec { bits_per_sample: 8, ..MONO_16 };
        let file = wav_file(spec, &[1, 2, 3]);
        let joined = join_audio(&[wav(&file)]).unwrap();
        assert_eq!(joined.bytes.len() % 2, 0);
        let again = join_audio(&[wav(&joined.bytes), wav(&joined.bytes)]).unwrap();
        assert_eq!(wav_samples(&again.bytes).1, [1, 2, 3, 1, 2, 3]);
    }

    #[test]
    fn streamed_and_torn_wav_is_read_to_its_end() {
        let samples: Vec<i32> = (0..2400).collect();
        let file = wav_file(MONO_16, &samples);
        let list = [b"LIST\x03\0\0\0abc\0", &file[12..]].concat();
        for streamed in [
            cut_size(file.clone(), u32::MAX, u32::MAX),
            cut_size(file.clone(), 0, 0),
            cut_size(file.clone(), 0x7fff_0024, 0x7fff_0000),
            [&file[..12], &list].concat(),
            [&file[..], b"LIST\x02\0\0\0ab"].concat(),
            [&cut_size(file.clone(), u32::MAX, u32::MAX)[..], b"\x07"].concat(),
        ] {
            let joined = join_audio(&[wav(&streamed), wav(&file)]).unwrap();
            assert_eq!(wav_samples(&joined.bytes).1, [&samples[..], &samples].concat());
            assert_eq!(joined.duration_ms, 200);
        }
        assert_eq!(duration_ms("audio/wav", &file[..44 + 2400]), Ok(50));
    }

    #[test]
    fn the_bytes_tell_the_container_better_than_the_media_type() {
        let (mp3, wav) = (frame(0).repeat(4), wav_file(MONO_16, &[0; 2400]));
        for (content_type, bytes, expected) in [
            ("audio/mpeg; charset=binary", &mp3, Ok(104)),
            ("Audio/MP3", &mp3, Ok(104)),
            ("application/octet-stream", &mp3, Ok(104)),
            ("audio/wav", &mp3, Ok(104)),
            ("audio/mpeg", &wav, Ok(100)),
            ("", &wav, Ok(100)),
        ] {
            assert_eq!(duration_ms(content_type, bytes), expected, "{content_type}");
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
            (vec![mp3(&mono), mp3(&padded), mp3(&stereo)], 2, layout(Coding::Mp3, 44_100, 2), mp3_mono),
            (vec![mp3(&mono), mp3(&slow)], 1, layout(Coding::Mp3, 48_000, 1), mp3_mono),
            (vec![mp3(&mono), wav(&wav_44)], 1, layout(pcm, 44_100, 1), mp3_mono),
            (vec![wav(&wav_24), wav(&wav_44)], 1, layout(pcm, 44_100, 1), layout(pcm, 24_000, 1)),
        ] {
            assert_eq!(join_audio(&pieces), Err(JoinError::Mixed { piece, found, first }));
        }
        assert_eq!(
            join_audio(&[mp3(&mono), wav(&wav_44)]).unwrap_err().to_string(),
            "piece 1 is 16-bit WAV at 44100 Hz with 1 channel, but the first is MP3 at 44100 Hz with 1 channel: \
             have all pieces made in one format"
        );
        assert_eq!(join_audio(&[]), Err(JoinError::NoPieces));

        let changes = AudioError::Changes { before: mp3_mono, after: layout(Coding::Mp3, 44_100, 2) };
        let silent = |container| AudioError::Silent { container };
        let ogg = AudioError::Unsupported { content_type: "audio/ogg".into() };
        let only_description = description(b"Info", 21);
        for (content_type, bytes, error) in [
            ("audio/mpeg", [&mono[..], &stereo].concat(), changes),
            ("audio/mpeg", vec![], silent("MP3")),
            ("audio/mpeg", b"{\"error\":\"no\"}".to_vec(), silent("MP3")),
            ("audio/mpeg", only_description, silent("MP3")),
            ("audio/wav", wav_file(MONO_16, &[]), silent("WAV")),
            ("audio/ogg", b"OggS".to_vec(), ogg),
        ] {
            let piece = AudioPiece { content_type, bytes: &bytes };
            assert_eq!(join_audio(&[mp3(&mono), piece]), Err(JoinError::Piece { piece: 1, source: error }));
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
            (b"RIFF".to_vec(), "RIFF"),
            (b"RIFF\0\0\0\0WAVE".to_vec(), "no data"),
            (file[..36].to_vec(), "no data"),
            (file[..30].to_vec(), "cut off"),
            ([&file[..12], b"data\0\0\0\0"].concat(), "before their format"),
            (with(20, 2), "compressed"),
            (with(22, 0), "no channels"),
            (with(32, 3), "contradicts"),
            (with(36, b'x'), "no data"),
        ] {
            let error = duration_ms("audio/wav", &bytes).unwrap_err();
            assert!(matches!(error, AudioError::Damaged { .. }), "{error}");
            assert!(error.to_string().contains(problem), "{error}");
        }
    }

    #[test]
    fn more_than_a_wav_file_can_hold_is_refused() {
        let megabyte = wav_file(MONO_16, &vec![0; 512 * 1024]);
        let pieces = vec![wav(&megabyte); 4096];
        assert_eq!(join_audio(&pieces), Err(JoinError::TooLarge { bytes: 4096 * 1024 * 1024 }));
    }

    proptest! {
        #[test]
        fn torn_and_damaged_audio_never_panics(
            cut in 0usize..2000, damage in prop::collection::vec((0usize..2000, any::<u8>()), 0..20)
        ) {
            let mp3_file = [id3v2(b"title", 0), description(b"Info", 21), frame(0).repeat(3), id3v1()].concat();
            for (content_type, mut bytes) in
                [("audio/mpeg", mp3_file), ("audio/wav", wav_file(MONO_16, &[7; 900]))]
            {
                bytes.truncate(cut);
                for &(at, byte) in &damage {
                    if let Some(target) = bytes.get_mut(at) {
                        *target = byte;
                    }
                }
                if let Ok(joined) = join_audio(&[AudioPiece { content_type, bytes: &bytes }]) {
                    prop_assert!(joined.bytes.len() <= bytes.len() + 64);
                    let again = join_audio(&[AudioPiece { content_type, bytes: &joined.bytes }]);
                    prop_assert_eq!(again.map(|again| again.duration_ms), Ok(joined.duration_ms));
                }
            }
        }

        #[test]
        fn random_bytes_never_panic(random in prop::collection::vec(any::<u8>(), 0..600)) {
            // Every other byte is one that headers and tags are made of.
            let likely = |byte: u8| if byte < 128 { b"\xff\xfb\x90ID3\0\x04"[usize::from(byte % 8)] } else { byte };
            let bytes: Vec<u8> = random.into_iter().map(likely).collect();
            for content_type in ["audio/mpeg", "audio/wav", ""] {
                if let Ok(joined) = join_audio(&[AudioPiece { content_type, bytes: &bytes }]) {
                    prop_assert!(joined.bytes.len() <= bytes.len());
                }
            }
        }
    }
}
