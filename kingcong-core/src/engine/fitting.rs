//! Parts of a job come from several servers, and have to be of one layout to be joined. Uncompressed samples are
//! converted to the layout of the job's first part; what is compressed is made again elsewhere.

use std::io;

use bytes::Bytes;
use rubato::{
    Async, FixedAsync, Resampler, SincInterpolationParameters, audioadapter_buffers::direct::InterleavedSlice,
};

use super::{disk, hearing::blocking};
use crate::work::{Body, Coding, Layout, Sound, WavSamples, wav_header};

/// Largest part that is converted, in bytes of its samples before and after: they are in memory meanwhile.
const BYTES_MAX: u64 = 256 * 1024 * 1024;
/// Samples of each channel that are converted at a time.
const CHUNK_SAMPLES: usize = 1024;
/// Audio in that layout; the error says why it cannot be made of this one.
pub(super) async fn fit(body: Body, sound: Sound, wanted: Layout) -> Result<(Body, Sound), String> {
    let (Some(from), Some(to)) = (Samples::of(sound.layout), Samples::of(wanted)) else {
        return Err("it cannot be converted without loss, and is made again".into());
    };
    let grown = u128::from(sound.samples) * u128::from(wanted.sample_rate) * u128::from(wanted.channels)
        / u128::from(sound.layout.sample_rate.max(1))
        * u128::try_from(to.bytes()).unwrap_or(u128::MAX);
    if sound.bytes().max(u64::try_from(grown).unwrap_or(u64::MAX)) > BYTES_MAX {
        return Err(format!("more than {BYTES_MAX} bytes of samples are not converted"));
    }
    blocking(move || {
        let convert = |bytes: &[u8]| converted(bytes, &sound, from, wanted, to);
        match body {
            Body::Memory(bytes) => {
                let (bytes, sound) = convert(&bytes)?;
                Ok((Body::Memory(Bytes::from(bytes)), sound))
            }
            Body::File { path, .. } => {
                let failed = |error: io::Error| format!("its file cannot be converted: {}", error.kind());
                let (bytes, sound) = convert(&std::fs::read(&path).map_err(failed)?)?;
                disk::replace(&path, &bytes).map_err(failed)?;
                Ok((Body::File { path, bytes: bytes.len() as u64 }, sound))
            }
        }
    })
    .await?
}

fn converted(
    bytes: &[u8],
    sound: &Sound,
    from: Samples,
    wanted: Layout,
    to: Samples,
) -> Result<(Vec<u8>, Sound), String> {
    let mut values = Vec::new();
    for span in &sound.spans {
        let at = |place: u64| usize::try_from(place).unwrap_or(usize::MAX);
        let span = bytes.get(at(span.start)..at(span.end)).ok_or("it is shorter than it was")?;
        from.decode(span, &mut values);
    }
    let values = mixed(values, sound.layout.channels, wanted.channels);
    let values = resampled(values, wanted.channels, sound.layout.sample_rate, wanted.sample_rate)?;
    let mut samples = Vec::with_capacity(values.len() * to.bytes());
    values.into_iter().for_each(|value| to.encode(value, &mut samples));
    let Coding::Wav { samples: kind, bits } = wanted.coding else { return Err("it is no WAV".into()) };
    let header = wav_header(kind, bits, wanted, samples.len() as u64).ok_or("it would be too large")?;
    let mut file = header;
    file.extend_from_slice(&samples);
    if samples.len() % 2 == 1 {
        file.push(0);
    }
    let sound = Sound::read(&file).map_err(|error| error.to_string())?;
    Ok((file, sound))
}

/// Samples that are converted: of whole bytes, and not compressed.
#[derive(Clone, Copy, Debug)]
enum Samples {
    Int8,
    Int16,
    Int24,
    Int32,
    Float32,
    Float64,
}

#[expect(clippy::float_arithmetic, reason = "sound is no money")]
#[expect(clippy::cast_possible_truncation, reason = "values are between -1 and 1, and are cut to that")]
impl Samples {
    fn of(layout: Layout) -> Option<Self> {
        let Coding::Wav { samples, bits } = layout.coding else { return None };
        Some(match (samples, bits) {
            (WavSamples::Pcm, 8) => Self::Int8,
            (WavSamples::Pcm, 16) => Self::Int16,
            (WavSamples::Pcm, 24) => Self::Int24,
            (WavSamples::Pcm, 32) => Self::Int32,
            (WavSamples::Float, 32) => Self::Float32,
            (WavSamples::Float, 64) => Self::Float64,
            _ => return None,
        })
    }

    const fn bytes(self) -> usize {
        match self {
            Self::Int8 => 1,
            Self::Int16 => 2,
            Self::Int24 => 3,
            Self::Int32 | Self::Float32 => 4,
            Self::Float64 => 8,
        }
    }

    /// Adds the values of samples, from -1 to 1.
    fn decode(self, bytes: &[u8], values: &mut Vec<f32>) {
        values.extend(bytes.chunks_exact(self.bytes()).map(|sample| match *sample {
            // 8-bit samples have no sign.
            [a] => (f32::from(a) - 128.0) / 128.0,
            [a, b] => f32::from(i16::from_le_bytes([a, b])) / 32_768.0,
            [a, b, c] => scaled(i32::from_le_bytes([0, a, b, c])),
            [a, b, c, d] if matches!(self, Self::Float32) => f32::from_le_bytes([a, b, c, d]),
            [a, b, c, d] => scaled(i32::from_le_bytes([a, b, c, d])),
            _ => sample.first_chunk().map_or(0.0, |bytes| f64::from_le_bytes(*bytes) as f32),
        }));
    }

    fn encode(self, value: f32, samples: &mut Vec<u8>) {
        let value = if value.is_finite() { value.clamp(-1.0, 1.0) } else { 0.0 };
        let whole = |scale: f64| (f64::from(value) * scale).round().clamp(-scale, scale - 1.0) as i32;
        match self {
            Self::Int8 => samples.extend(u8::try_from(whole(128.0) + 128)),
            Self::Int16 => samples.extend(i16::try_from(whole(32_768.0)).unwrap_or_default().to_le_bytes()),
            Self::Int24 => samples.extend_from_slice(&whole(8_388_608.0).to_le_bytes()[..3]),
            Self::Int32 => samples.extend(whole(2_147_483_648.0).to_le_bytes()),
            Self::Float32 => samples.extend(value.to_le_bytes()),
            Self::Float64 => samples.extend(f64::from(value).to_le_bytes()),
        }
    }
}

#[expect(clippy::float_arithmetic, reason = "sound is no money")]
#[expect(clippy::cast_possible_truncation, reason = "a value of less bits is as near as it gets")]
fn scaled(sample: i32) -> f32 {
    (f64::from(sample) / 2_147_483_648.0) as f32
}

/// The same sound on so many channels: each the mean of all, unless there are as many.
#[expect(clippy::float_arithmetic, reason = "sound is no money")]
fn mixed(values: Vec<f32>, from: u16, to: u16) -> Vec<f32> {
    if from == to {
        return values;
    }
    let means = values.chunks_exact(from.into()).map(|frame| frame.iter().sum::<f32>() / f32::from(from));
    means.flat_map(|mean| std::iter::repeat_n(mean, to.into())).collect()
}

/// The same sound at another sample rate, as long as before.
#[expect(clippy::float_arithmetic, reason = "sound is no money")]
fn resampled(values: Vec<f32>, channels: u16, from: u32, to: u32) -> Result<Vec<f32>, String> {
    if from == to {
        return Ok(values);
    }
    let failed = |error: &dyn std::fmt::Display| format!("it cannot be resampled: {error}");
    let (ratio, channels) = (f64::from(to) / f64::from(from), usize::from(channels));
    let frames = values.len() / channels;
    let mut resampler = Async::<f32>::new_sinc(
        ratio,
        1.0,
        &SincInterpolationParameters::default(),
        CHUNK_SAMPLES,
        channels,
        FixedAsync::Input,
    )
    .map_err(|error| failed(&error))?;
    let samples = InterleavedSlice::new(&values, channels, frames).map_err(|error| failed(&error))?;
    let resampled = resampler.process_all(&samples, frames, None).map_err(|error| failed(&error))?;
    Ok(resampled.take_data())
}

#[cfg(test)]
#[expect(clippy::float_arithmetic, reason = "sound is no money")]
mod tests {
    use super::*;

    /// A fifth of a second of 440 Hz.
    fn tone(layout: Layout) -> (Vec<u8>, Sound) {
        let samples = Samples::of(layout).unwrap();
        let Coding::Wav { samples: kind, bits } = layout.coding else { unreachable!() };
        let mut bytes = Vec::new();
        for n in 0..layout.sample_rate / 5 {
            let turns = f64::from(n) * 440.0 / f64::from(layout.sample_rate);
            #[expect(clippy::cast_possible_truncation, reason = "a sine is small")]
            let value = (turns * std::f64::consts::TAU).sin() as f32 / 2.0;
            (0..layout.channels).for_each(|_| samples.encode(value, &mut bytes));
        }
        let file = [wav_header(kind, bits, layout, bytes.len() as u64).unwrap(), bytes].concat();
        let sound = Sound::read(&file).unwrap();
        (file, sound)
    }

    fn layout(samples: WavSamples, bits: u16, sample_rate: u32, channels: u16) -> Layout {
        Layout { coding: Coding::Wav { samples, bits }, sample_rate, channels }
    }

    /// A layout becomes another one, and the other way round: as long, as loud and as high as before.
    #[test]
    fn samples_are_converted_without_a_change_that_is_heard() {
        let layouts = [
            layout(WavSamples::Pcm, 16, 24_000, 1),
            layout(WavSamples::Pcm, 16, 44_100, 1),
            layout(WavSamples::Pcm, 16, 44_100, 2),
            layout(WavSamples::Pcm, 24, 48_000, 1),
            layout(WavSamples::Pcm, 32, 22_050, 1),
            layout(WavSamples::Pcm, 8, 8_000, 1),
            layout(WavSamples::Float, 32, 48_000, 2),
            layout(WavSamples::Float, 64, 16_000, 1),
        ];
        let pairs = layouts[1..].iter().flat_map(|other| [(layouts[0], *other), (*other, layouts[0])]);
        for (from, to) in pairs {
            let (file, sound) = tone(from);
            let (from_samples, to_samples) = (Samples::of(from).unwrap(), Samples::of(to).unwrap());
            let (bytes, made) = converted(&file, &sound, from_samples, to, to_samples).unwrap();
            assert_eq!((made.layout, made.duration_ms()), (to, 200), "{from} to {to}");
            let at = usize::try_from(made.spans[0].start).unwrap();
            let mut values = Vec::new();
            to_samples.decode(&bytes[at..], &mut values);
            let one: Vec<f32> = values.into_iter().step_by(to.channels.into()).collect();
            let loudest = one.iter().fold(0.0_f32, |loudest, value| loudest.max(value.abs()));
            assert!((0.48..0.56).contains(&loudest), "{from} to {to}: {loudest}");
            let crossings = one.windows(2).filter(|pair| pair[0] < 0.0 && pair[1] >= 0.0).count();
            assert!((86..=89).contains(&crossings), "{from} to {to}: {crossings}");
        }
    }

    #[tokio::test]
    async fn a_file_is_converted_in_its_place() {
        let (from, to) = (layout(WavSamples::Pcm, 16, 24_000, 1), layout(WavSamples::Pcm, 16, 44_100, 2));
        let (file, sound) = tone(from);
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("part.wav");
        std::fs::write(&path, &file).unwrap();
        let body = Body::File { path: path.clone(), bytes: file.len() as u64 };
        let (body, made) = fit(body, sound, to).await.unwrap();
        let written = std::fs::read(&path).unwrap();
        assert_eq!(body, Body::File { path, bytes: written.len() as u64 });
        assert_eq!(Sound::read(&written).unwrap(), made);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[tokio::test]
    async fn what_is_compressed_is_not_converted() {
        let frame = [&[0xff, 0xfb, 0x90, 0xc0][..], &[0; 413]].concat().repeat(3);
        let sound = Sound::read(&frame).unwrap();
        let wanted = layout(WavSamples::Pcm, 16, 44_100, 1);
        let refused = fit(Body::Memory(frame.into()), sound, wanted).await.unwrap_err();
        assert!(refused.contains("made again"), "{refused}");
    }
}
