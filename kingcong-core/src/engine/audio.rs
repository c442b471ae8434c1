//! A job's audio, read in ranges: its pieces stay where they are, in files or in the store, and of them are read the
//! bytes that a range touches. Files are read on threads that may block.
//!
//! Nothing is held open between two reads: who stops reading leaves nothing behind, and a reader that is slow costs
//! nothing meanwhile.

use std::{
    fs::File,
    io::{self, Read, Seek, SeekFrom},
    ops::Range,
    path::Path,
    sync::Arc,
};

use bytes::Bytes;

use super::apart;
use crate::{
    error::{Error, OutputError},
    id::{JobId, TaskId},
    store::{Kept, OutputHead, Store},
    work::{Joined, Part, RangeError, Sound},
};

/// A job's speech as one file, in the order of its tasks, of which any range can be read.
///
/// Cheap to clone. It stays readable while the job's results are kept: a completed job's audio never changes.
#[derive(Clone, Debug)]
pub struct JobAudio {
    store: Arc<dyn Store>,
    whole: Arc<Whole>,
}

#[derive(Debug)]
struct Whole {
    job: JobId,
    joined: Joined,
    pieces: Vec<Piece>,
}

/// A task's audio.
#[derive(Debug)]
struct Piece {
    task: TaskId,
    kept: Kept,
}

impl JobAudio {
    /// Bytes of a chunk, but of the last one.
    pub const CHUNK_BYTES: u64 = 256 * 1024;
    /// Most bytes that are read into memory at once.
    pub const READ_BYTES_MAX: u64 = 64 * 1024 * 1024;
    /// Most bytes that are taken from the store at once, and copied on the thread that awaits them.
    const STORE_BYTES_AT_ONCE: u64 = 1024 * 1024;

    /// The audio of pieces in their order.
    pub(super) fn of(
        store: &Arc<dyn Store>,
        job: JobId,
        pieces: Vec<(TaskId, Sound, Kept)>,
    ) -> Result<Self, OutputError> {
        let mut sounds = Vec::with_capacity(pieces.len());
        let mut kept_pieces = Vec::with_capacity(pieces.len());
        for (place, (task, sound, kept)) in pieces.into_iter().enumerate() {
            let (settled, found) = (sound.spans.last().map_or(0, |last| last.end), kept.bytes());
            if found < settled {
                return Err(OutputError::Altered { place, kept, settled, found });
            }
            sounds.push(sound);
            kept_pieces.push(Piece { task, kept });
        }
        let joined = Joined::of(&sounds)?;
        Ok(Self { store: Arc::clone(store), whole: Arc::new(Whole { job, joined, pieces: kept_pieces }) })
    }

    /// The job.
    #[must_use]
    pub fn job(&self) -> JobId {
        self.whole.job
    }

    /// How many bytes it has.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.whole.joined.bytes()
    }

    /// Its media type.
    #[must_use]
    pub fn content_type(&self) -> &'static str {
        self.whole.joined.content_type()
    }

    /// How long it lasts, in milliseconds, rounded to the nearest.
    #[must_use]
    pub fn duration_ms(&self) -> u64 {
        self.whole.joined.duration_ms()
    }

    /// Of how many tasks' audio it is made.
    #[must_use]
    pub fn pieces(&self) -> usize {
        self.whole.pieces.len()
    }

    /// The bytes of a range: all of them, or an error.
    ///
    /// # Errors
    /// A range that is empty, does not lie within the audio, or has more than [`JobAudio::READ_BYTES_MAX`]; a task's
    /// result that is gone, cannot be read, or is not as long as it was.
    ///
    /// # Cancellation safety
    /// Dropping the future ends the reading; a read of a file that has begun ends by itself.
    pub async fn read(&self, range: Range<u64>) -> Result<Bytes, Error> {
        self.whole.joined.check_range(&range)?;
        let bytes = range.end - range.start;
        if bytes > Self::READ_BYTES_MAX {
            return Err(RangeError::TooLong {
                start: range.start,
                end: range.end,
                max: Self::READ_BYTES_MAX,
            }
            .into());
        }
        let mut whole = Vec::with_capacity(usize::try_from(bytes).unwrap_or_default());
        for part in self.whole.joined.parts(range) {
            match part {
                Part::Made(bytes) => whole.extend_from_slice(&bytes),
                Part::Piece { piece, range } => whole = self.read_piece(piece, range, whole).await?,
            }
        }
        Ok(whole.into())
    }

    /// The bytes of a range in chunks of [`JobAudio::CHUNK_BYTES`], each read when it is asked for.
    ///
    /// # Errors
    /// A range that is empty, or does not lie within the audio.
    pub fn chunks(&self, range: Range<u64>) -> Result<AudioChunks, Error> {
        self.whole.joined.check_range(&range)?;
        Ok(AudioChunks { audio: self.clone(), left: range })
    }

    /// Adds a range of a piece to what was read before it.
    async fn read_piece(&self, place: usize, range: Range<u64>, before: Vec<u8>) -> Result<Vec<u8>, Error> {
        let Piece { task, kept } = &self.whole.pieces[place];
        let read = match kept {
            Kept::Store { .. } => self.read_store(place, *task, range, before).await?,
            Kept::File { path, bytes } => {
                let (kept, path, settled) = (kept.clone(), path.clone(), *bytes);
                let reading = move || read_file(&path, settled, range, before);
                apart(reading).await?.map_err(|error| error.of(place, kept))
            }
        };
        read.map_err(|reason| Error::Output { job: self.whole.job, reason })
    }

    /// Adds a range of a piece that is in the store.
    async fn read_store(
        &self,
        place: usize,
        task: TaskId,
        range: Range<u64>,
        mut before: Vec<u8>,
    ) -> Result<Result<Vec<u8>, OutputError>, Error> {
        let mut start = range.start;
        while start < range.end {
            let end = range.end.min(start + Self::STORE_BYTES_AT_ONCE);
            let Some(bytes) = self.store.output_bytes(task, start..end).await? else {
                return Ok(Err(OutputError::Missing { place }));
            };
            let found = start + bytes.len() as u64;
            if found != end {
                let kept = self.whole.pieces[place].kept.clone();
                return Ok(Err(OutputError::Altered { place, settled: kept.bytes(), kept, found }));
            }
            before.extend_from_slice(&bytes);
            start = end;
        }
        Ok(Ok(before))
    }
}

/// Whether pieces of a job, with their places, are where they were settled, and have the lengths that they had.
pub(super) async fn check_pieces(job: JobId, pieces: Vec<(usize, Option<OutputHead>)>) -> Result<(), Error> {
    let check = |place: usize, head: Option<OutputHead>| match head {
        None => Err(OutputError::Missing { place }),
        Some(OutputHead { kept: Some(kept), .. }) => check_file(place, kept),
        Some(OutputHead { kept: None, .. }) => Ok(()),
    };
    let checking = move || pieces.into_iter().try_for_each(|(place, head)| check(place, head));
    apart(checking).await?.map_err(|reason| Error::Output { job, reason })
}

fn check_file(place: usize, kept: Kept) -> Result<(), OutputError> {
    let Kept::File { path, bytes } = &kept else { return Ok(()) };
    match read_file(path, *bytes, 0..0, Vec::new()) {
        Ok(_) => Ok(()),
        Err(error) => Err(error.of(place, kept)),
    }
}

/// Why a range of a file cannot be read.
enum FileError {
    /// It has another length than it had.
    Length(u64),
    Io(io::ErrorKind),
}

impl FileError {
    /// Of a piece that is kept so.
    fn of(self, place: usize, kept: Kept) -> OutputError {
        match self {
            Self::Length(found) => OutputError::Altered { place, settled: kept.bytes(), kept, found },
            Self::Io(problem) => OutputError::Unreadable { place, kept, problem },
        }
    }
}

impl From<io::Error> for FileError {
    fn from(error: io::Error) -> Self {
        Self::Io(error.kind())
    }
}

/// Adds a range of a file that had so many bytes when it was settled.
fn read_file(
    path: &Path,
    settled: u64,
    range: Range<u64>,
    mut before: Vec<u8>,
) -> Result<Vec<u8>, FileError> {
    let mut file = File::open(path)?;
    let found = file.metadata()?.len();
    if found != settled {
        return Err(FileError::Length(found));
    }
    file.seek(SeekFrom::Start(range.start))?;
    let wanted = range.end - range.start;
    let read = file.take(wanted).read_to_end(&mut before)? as u64;
    if read != wanted {
        // It was cut between the look at its length and the reading.
        return Err(FileError::Length(range.start + read));
    }
    Ok(before)
}

/// A range of a job's audio, chunk by chunk.
#[derive(Debug)]
pub struct AudioChunks {
    audio: JobAudio,
    left: Range<u64>,
}

impl AudioChunks {
    /// The next chunk; none after the last, and after an error.
    ///
    /// # Errors
    /// As [`JobAudio::read`].
    ///
    /// # Cancellation safety
    /// Dropping the future loses nothing: the next call reads the same chunk.
    pub async fn next(&mut self) -> Option<Result<Bytes, Error>> {
        let Range { start, end } = self.left;
        if start >= end {
            return None;
        }
        let next = end.min(start + JobAudio::CHUNK_BYTES);
        let read = self.audio.read(start..next).await;
        // What follows bytes that are missing is not to be taken for what follows those before.
        self.left.start = if read.is_ok() { next } else { end };
        Some(read)
    }
}
