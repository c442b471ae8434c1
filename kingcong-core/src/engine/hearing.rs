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
    measure::Measured,
    provider::Reply,
    store::{AttemptResult, Lease, StoredOutput},
    work::{Body, BodyReader, Came, Layout, Made, Work},
};

/// A result of up to this many bytes is read at once, and more of it on a thread that may block: the worst of it takes
/// about a nanosecond a byte.
const AT_ONCE_BYTES_MAX: usize = 64 * 1024;
/// How much of a file is read at a time, in bytes.
const CHUNK_BYTES: usize = 256 * 1024;

impl Inner {
    /// A result as it is to be stored, or the failure that it is.
    pub(super) async fn done(&self, work: &Work, reply: Reply) -> AttemptResult {
        let Reply { output, cost, measured } = reply;
        let output = match output.came(work, || VoiceId::from_uuid(self.ids.uuid())) {
            Came::Known(made) => StoredOutput { made, body: None, text: None },
            Came::ToRead { body, text, content_type, reader } => match read(body.clone(), reader).await {
                Ok((body, made)) => StoredOutput { made, body: Some(body), text },
                Err(problem) => {
                    self.discard(body).await;
                    return self.undeliverable(format!("{problem} (said to be {})", short(&content_type)));
                }
            },
        };
        let counts = output.made.measured(measured.counts.clone());
        let measured = Measured { counts, ..measured };
        AttemptResult::Done { output, cost, measured }
    }

    /// A result made to fit the job's parts that were settled before, or the failure that it is.
    pub(super) async fn fitted(&self, lease: &Lease, result: AttemptResult, wanted: Layout) -> AttemptResult {
        let AttemptResult::Done {
            output: StoredOutput { made: Made::Audio(sound), body: Some(body), text },
            cost,
            measured,
        } = result
        else {
            unreachable!("only audio has a layout");
        };
        let came = sound.layout;
        match fitting::fit(body.clone(), sound, wanted).await {
            Ok((body, sound)) => AttemptResult::Done { output: sound.stored(body, text), cost, measured },
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
async fn read(body: Body, reader: BodyReader) -> Result<(Body, Made), String> {
    match body {
        Body::Memory(bytes) if bytes.len() <= AT_ONCE_BYTES_MAX => {
            let made = reader.read_whole(&bytes)?;
            Ok((Body::Memory(bytes), made))
        }
        Body::Memory(bytes) => {
            blocking(move || reader.read_whole(&bytes).map(|made| (Body::Memory(bytes), made))).await?
        }
        Body::File { path, .. } => {
            blocking(move || {
                let (made, bytes) = read_file(&path, reader)?;
                Ok((Body::File { path, bytes }, made))
            })
            .await?
        }
    }
}

/// Reads a file, and how long it is; what can be delivered is on the disk then.
fn read_file(path: &Path, mut reader: BodyReader) -> Result<(Made, u64), String> {
    let unreadable = |error: io::Error| format!("the result's file cannot be read: {}", error.kind());
    // Windows syncs only what may be written.
    let mut file = File::options().read(true).write(cfg!(windows)).open(path).map_err(unreadable)?;
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
    let made = reader.finish()?;
    let synced = disk::sync(&file, path);
    synced.map_err(|error| format!("the disk does not take the result's file: {}", error.kind()))?;
    Ok((made, bytes))
}

/// Runs it on a thread that may block.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, String> {
    tokio::task::spawn_blocking(work).await.map_err(|error| format!("its reading was stopped: {error}"))
}
