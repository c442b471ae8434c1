//! Joined audio in a player that is not ours: FFmpeg plays each container to the exact length of its pieces.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use async_trait::async_trait;
use bytes::Bytes;
use kingcong_core::{
    KingCong, NewKey, Preset, Request,
    engine::JobResult,
    failure::Failure,
    id::ProtocolId,
    measure::Measured,
    provider::{Call, Provider, Reply, Sent},
    vault::{KeyBytes, StaticMasterKey},
    work::{Audio, AudioFormat, Body, JobState, Output, Speech, Work},
};

/// What the pieces say, and how many milliseconds each lasts before it is encoded.
const PIECES: [(&str, u32); 3] = [("One is here.", 1_300), ("Two is here.", 37), ("Three is here.", 2_501)];

/// Says each text as the piece that was made for it.
#[derive(Debug)]
struct Player {
    protocol: ProtocolId,
    pieces: BTreeMap<&'static str, Bytes>,
    content_type: &'static str,
}

#[async_trait]
impl Provider for Player {
    fn protocol(&self) -> &ProtocolId {
        &self.protocol
    }

    async fn send(&self, call: &Call) -> Result<Sent, Failure> {
        let Work::Speech(Speech { text, .. }) = &*call.work else { panic!("{:?}", call.work) };
        let body = Body::Memory(self.pieces[text.trim()].clone());
        let output = Output::Audio(Audio { body, content_type: self.content_type.into(), srt: None });
        Ok(Sent::Done(Reply { output, cost: None, measured: Measured::NOTHING }))
    }
}

/// FFmpeg's programs; installed where they are not.
struct Ffmpeg {
    folder: PathBuf,
}

impl Ffmpeg {
    fn found() -> Self {
        let program = kingcong_servers::program("ffmpeg", "ffmpeg").unwrap();
        Self { folder: program.parent().unwrap().to_owned() }
    }

    /// What a program of it answers; it has nothing to complain of.
    fn run(&self, name: &str, arguments: &[&str], file: &Path) -> Vec<u8> {
        let mut command = Command::new(self.folder.join(name));
        command.args(["-v", "error"]).args(arguments).arg(file).stdin(Stdio::null());
        let output = command.output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && said.is_empty(), "{command:?}: {said}");
        output.stdout
    }

    /// A tone, encoded.
    fn encode(&self, milliseconds: u32, encoding: &[&str], file: &Path) {
        let tone = format!("sine=frequency=440:duration={milliseconds}ms");
        self.run("ffmpeg", &[&["-f", "lavfi", "-i", &tone], encoding].concat(), file);
    }

    /// One number that it finds in a file.
    fn probe(&self, what: &str, file: &Path) -> String {
        let told = ["-count_packets", "-of", "default=noprint_wrappers=1:nokey=1", "-show_entries", what];
        String::from_utf8(self.run("ffprobe", &told, file)).unwrap().trim().to_owned()
    }

    /// Samples of one channel that a player hears.
    fn decoded(&self, file: &Path, channels: u64) -> u64 {
        let samples = file.with_extension("pcm");
        let input = file.to_str().unwrap();
        self.run("ffmpeg", &["-y", "-i", input, "-f", "s16le"], &samples);
        fs::metadata(&samples).unwrap().len() / 2 / channels
    }
}

async fn joined(pieces: &BTreeMap<&'static str, Bytes>, format: AudioFormat) -> Bytes {
    let protocol = ProtocolId::new("ai33").unwrap();
    let content_type = if format == AudioFormat::Mp3 { "audio/mpeg" } else { "audio/wav" };
    let kc = KingCong::builder()
        .preset(Preset::kingcong().unwrap())
        .master_key(StaticMasterKey::new(KeyBytes::new(&[7; 32])))
        .provider(Player { protocol, pieces: pieces.clone(), content_type })
        .start()
        .await
        .unwrap();
    kc.config().set_weights(&[("ai33", 1), ("ai84", 0)]).await.unwrap();
    kc.keys().add(NewKey::shared("ai33", "elevenlabs", "sk-upstream-0123456789")).await.unwrap();
    kc.wallets().purchase("an", "package-1", "order-1").await.unwrap();
    let text = PIECES.map(|(text, _)| text).join(" ");
    let request = Request::speech("an", &text).service("elevenlabs").voice("voice-1").format(format);
    let job = kc.submit(request.pieces(3.try_into().unwrap())).await.unwrap();
    assert_eq!(job.wait().await.unwrap().job.state, JobState::Completed);
    let JobResult::Speech { audio, .. } = job.result().await.unwrap() else { panic!("speech was asked for") };
    kc.close().await;
    audio
}

/// How samples are laid out: their rate, the channels, and how many samples of one channel an MP3's frame has.
struct Layout {
    rate: u64,
    channels: u64,
    frame: Option<u64>,
}

#[tokio::test(flavor = "multi_thread")]
async fn joined_audio_plays_to_the_exact_length_of_its_pieces() {
    let ffmpeg = Ffmpeg::found();
    let folder = tempfile::tempdir().unwrap();
    let mp3 = |rate, channels, frame| Layout { rate, channels, frame: Some(frame) };
    let wav = |rate, channels| Layout { rate, channels, frame: None };
    for (what, layout, encoding) in [
        ("MP3 of one bit rate", mp3(44_100, 1, 1152), &["-b:a", "128k"][..]),
        ("MP3 of one bit rate in stereo", mp3(48_000, 2, 1152), &["-b:a", "192k"]),
        ("MP3 of a varying bit rate", mp3(44_100, 1, 1152), &["-q:a", "4"]),
        ("MP3 of a varying bit rate in stereo", mp3(32_000, 2, 1152), &["-q:a", "0"]),
        ("MP3 of a varying bit rate and half the samples", mp3(24_000, 1, 576), &["-q:a", "6"]),
        ("WAV", wav(24_000, 1), &[]),
        ("WAV in stereo", wav(44_100, 2), &[]),
    ] {
        let kind = if layout.frame.is_some() { "mp3" } else { "wav" };
        let codec = if layout.frame.is_some() { "libmp3lame" } else { "pcm_s16le" };
        let (rate, channels) = (layout.rate.to_string(), layout.channels.to_string());
        let laid_out = ["-y", "-ar", &rate, "-ac", &channels, "-c:a", codec];
        let mut pieces = BTreeMap::new();
        let mut expected = 0;
        for (place, (text, milliseconds)) in PIECES.into_iter().enumerate() {
            let file = folder.path().join(format!("piece-{place}.{kind}"));
            ffmpeg.encode(milliseconds, &[&laid_out[..], encoding].concat(), &file);
            expected += match layout.frame {
                // A frame that describes the piece is no packet.
                Some(frame) => frame * ffmpeg.probe("stream=nb_read_packets", &file).parse::<u64>().unwrap(),
                None => ffmpeg.probe("stream=duration_ts", &file).parse().unwrap(),
            };
            pieces.insert(text, fs::read(&file).unwrap().into());
        }
        let format = if layout.frame.is_some() { AudioFormat::Mp3 } else { AudioFormat::Wav };
        let file = folder.path().join(format!("joined.{kind}"));
        fs::write(&file, joined(&pieces, format).await).unwrap();
        assert_eq!(ffmpeg.decoded(&file, layout.channels), expected, "{what}: decoded samples");
        // FFmpeg tells microseconds.
        let microseconds = (expected * 1_000_000 + layout.rate / 2) / layout.rate;
        let told = format!("{}.{:06}", microseconds / 1_000_000, microseconds % 1_000_000);
        assert_eq!(ffmpeg.probe("format=duration", &file), told, "{what}: {expected} samples");
    }
}
