//! What an upstream or a host's provider gave is read before it is settled, whichever way it came: what cannot be
//! delivered fails its attempt, and is not charged. A file is on the disk before it is settled.

use std::{
    fs::File,
    io::{self, Read},
    path::Path,
};

use super::{Inner, disk, fitting, settings::Outputs};
use crate::{
    failure::{Failure, FailureKind, Reached},
    id::VoiceId,
    measure::Measure,
    provider::Reply,
    store::{AttemptResult, Lease, StoredOutput},
    work::{Audio, AudioReader, Body, Layout, Output, Sound, Work},
};

/// Audio up to this many bytes is read at once, and more of it on a thread that may block: the worst of it takes
/// about a nanosecond a byte.
const AT_ONCE_BYTES_MAX: usize = 64 * 1024;
/// How much of a file is read at a time, in bytes.
const CHUNK_BYTES: usize = 256 * 1024;

impl Inner {
    /// A result as it is to be stored, or the failure that it is.
    pub(super) async fn done(&self, work: &Work, reply: Reply) -> AttemptResult {
        let Reply { output, cost, measured } = reply;
        match output {
            Output::Audio(Audio { body, content_type, srt }) => match hear(body.clone()).await {
                Ok((body, sound)) => {
                    let measured = measured.with(Measure::AudioMs, sound.duration_ms());
                    AttemptResult::Done { output: StoredOutput::Audio { body, sound, srt }, cost, measured }
                }
                Err(problem) => {
                    self.discard(body).await;
                    self.undeliverable(format!("{problem} (said to be {})", short(&content_type)))
                }
            },
            Output::Voice(voice) => {
                let name = match work {
                    Work::CloneVoice(clone) => clone.name.clone(),
                    Work::Speech(_) => String::new(),
                };
                let id = VoiceId::from_uuid(self.ids.uuid());
                let output = StoredOutput::Voice { id, upstream_voice: voice.voice, name };
                AttemptResult::Done { output, cost, measured }
            }
        }
    }

    /// A result made to fit the job's parts that were settled before, or the failure that it is.
    pub(super) async fn fitted(&self, lease: &Lease, result: AttemptResult, wanted: Layout) -> AttemptResult {
        let AttemptResult::Done { output: StoredOutput::Audio { body, sound, srt }, cost, measured } = result
        else {
            unreachable!("only audio has a layout");
        };
        let came = sound.layout;
        match fitting::fit(body.clone(), sound, wanted).await {
            Ok((body, sound)) => {
                let output = StoredOutput::Audio { body, sound, srt };
                AttemptResult::Done { output, cost, measured }
            }
            Err(problem) => {
                self.discard(body).await;
                let route = &lease.attempt.route;
                self.undeliverable(format!(
                    "{wanted} was expected, as the job's other parts are, and {came} came from {route}: {problem}"
                ))
            }
        }
    }

    /// The upstream says that it is done, and has charged for it perhaps; the user gets nothing of it.
    fn undeliverable(&self, message: String) -> AttemptResult {
        self.failed(Failure::new(FailureKind::Undeliverable, Reached::Yes, message))
    }

    /// Removes the file of a result that is not kept, if it lies where results do.
    async fn discard(&self, body: Body) {
        let (Body::File { path, .. }, Outputs::Directory(directory)) = (body, &self.settings.outputs) else {
            return;
        };
        if path.parent() != Some(directory) {
            return;
        }
        let removed = tokio::task::spawn_blocking(move || std::fs::remove_file(path)).await;
        if let Ok(Err(error)) | Err(error) = removed.map_err(io::Error::other) {
            tracing::warn!(%error, "the file of a result that cannot be delivered could not be removed");
        }
    }
}

/// A media type as it can be shown.
fn short(content_type: &str) -> String {
    format!("{:?}", content_type.chars().take(64).collect::<String>())
}

/// Reads a result; the error says what came and what was expected.
async fn hear(body: Body) -> Result<(Body, Sound), String> {
    match body {
        Body::Memory(bytes) if bytes.len() <= AT_ONCE_BYTES_MAX => {
            let sound = Sound::read(&bytes).map_err(|error| error.to_string())?;
            Ok((Body::Memory(bytes), sound))
        }
        Body::Memory(bytes) => {
            let read = move || Sound::read(&bytes).map(|sound| (Body::Memory(bytes), sound));
            blocking(read).await?.map_err(|error| error.to_string())
        }
        Body::File { path, .. } => {
            blocking(move || {
                let (sound, bytes) = hear_file(&path)?;
                Ok((Body::File { path, bytes }, sound))
            })
            .await?
        }
    }
}

/// Reads a file's audio, and how long the file is; what can be delivered is on the disk then.
fn hear_file(path: &Path) -> Result<(Sound, u64), String> {
    let unreadable = |error: io::Error| format!("the result's file cannot be read: {}", error.kind());
    // Windows syncs only what may be written.
    let mut file = File::options().read(true).write(cfg!(windows)).open(path).map_err(unreadable)?;
    let mut reader = AudioReader::default();
    let mut chunk = vec![0; CHUNK_BYTES];
    let mut bytes = 0;
    loop {
        match file.read(&mut chunk) {
            Ok(0) => break,
            Ok(read) => {
                bytes += read as u64;
                reader.push(&chunk[..read]);
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(unreadable(error)),
        }
    }
    let sound = reader.finish().map_err(|error| error.to_string())?;
    let synced = disk::sync(&file, path);
    synced.map_err(|error| format!("the disk does not take the result's file: {}", error.kind()))?;
    Ok((sound, bytes))
}

/// Runs it on a thread that may block.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, String> {
    tokio::task::spawn_blocking(work).await.map_err(|error| format!("its reading was stopped: {error}"))
}
