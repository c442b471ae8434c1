//! Writes a result where its call wants it: into memory or into a file, never more than the limit. A file gets
//! its name only when it is whole; until then it is a temporary one, which vanishes with its writer.

use std::{
    io,
    path::{Path, PathBuf},
};

use bytes::Bytes;
use kingcong_core::{
    failure::{Failure, FailureKind, Reached},
    id::AttemptId,
    provider::Sink,
    work::Body,
};
use tempfile::TempPath;
use tokio::io::{AsyncSeekExt, AsyncWriteExt};

use crate::{voice::wav::HEADER_BYTES, wire::http::too_large};

/// How many of the first bytes are kept to tell the coding from, behind the header of a WAV file too.
const HEAD_BYTES: usize = HEADER_BYTES + 20;

/// A result that is being written.
#[derive(Debug)]
pub(crate) struct Writer {
    target: Target,
    written: u64,
    max_bytes: u64,
    head: Vec<u8>,
}

#[derive(Debug)]
enum Target {
    Memory(Vec<u8>),
    File { file: tokio::fs::File, path: TempPath, directory: PathBuf },
}

impl Writer {
    /// Opens the sink.
    pub(crate) async fn open(sink: &Sink, attempt: AttemptId) -> Result<Self, Failure> {
        let (target, max_bytes) = match sink {
            Sink::Memory { max_bytes } => (Target::Memory(Vec::new()), *max_bytes),
            Sink::Directory { path, max_bytes } => {
                (open_file(path.clone(), attempt).await.map_err(|error| not_opened(&error))?, *max_bytes)
            }
        };
        Ok(Self { target, written: 0, max_bytes, head: Vec::new() })
    }

    /// The most bytes that it takes.
    pub(crate) fn max_bytes(&self) -> u64 {
        self.max_bytes
    }

    /// The bytes written so far.
    pub(crate) fn written(&self) -> u64 {
        self.written
    }

    /// The first bytes.
    pub(crate) fn head(&self) -> &[u8] {
        &self.head
    }

    /// Adds bytes.
    pub(crate) async fn write(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        self.written = self.written.saturating_add(bytes.len() as u64);
        if self.written > self.max_bytes {
            return Err(too_large(self.max_bytes));
        }
        let room = HEAD_BYTES.saturating_sub(self.head.len()).min(bytes.len());
        self.head.extend_from_slice(&bytes[..room]);
        match &mut self.target {
            Target::Memory(memory) => memory.extend_from_slice(bytes),
            Target::File { file, .. } => file.write_all(bytes).await.map_err(not_written)?,
        }
        Ok(())
    }

    /// Replaces the first bytes, which were written before.
    pub(crate) async fn overwrite_start(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        match &mut self.target {
            Target::Memory(memory) => memory[..bytes.len()].copy_from_slice(bytes),
            Target::File { file, .. } => {
                file.rewind().await.map_err(not_written)?;
                file.write_all(bytes).await.map_err(not_written)?;
            }
        }
        let head = bytes.len().min(self.head.len());
        self.head[..head].copy_from_slice(&bytes[..head]);
        Ok(())
    }

    /// Ends the result; a file gets the attempt's name.
    pub(crate) async fn finish(self, attempt: AttemptId, extension: &str) -> Result<Body, Failure> {
        match self.target {
            Target::Memory(memory) => Ok(Body::Memory(Bytes::from(memory))),
            Target::File { mut file, path, directory } => {
                let name = directory.join(format!("{attempt}.{extension}"));
                file.flush().await.map_err(not_written)?;
                path.persist(&name).map_err(|error| not_written(error.error))?;
                Ok(Body::File { path: name, bytes: self.written })
            }
        }
    }
}

async fn open_file(directory: PathBuf, attempt: AttemptId) -> io::Result<Target> {
    let make = move |directory: &Path| {
        tempfile::Builder::new().prefix(&format!("{attempt}.")).suffix(".part").tempfile_in(directory)
    };
    let (temporary, directory) =
        tokio::task::spawn_blocking(move || (make(&directory), directory)).await.map_err(io::Error::other)?;
    let (file, path) = temporary?.into_parts();
    Ok(Target::File { file: tokio::fs::File::from_std(file), path, directory })
}

/// The failure of a sink that cannot be opened, which is no upstream's fault.
fn not_opened(error: &io::Error) -> Failure {
    let message = format!("no file can be made in the result's directory: {}", error.kind());
    Failure::new(FailureKind::Unsupported, Reached::No, message)
}

/// The failure of a sink that cannot be written, which is no upstream's fault.
#[expect(clippy::needless_pass_by_value, reason = "it is the argument of `map_err`")]
fn not_written(error: io::Error) -> Failure {
    let message = format!("the result cannot be written to its directory: {}", error.kind());
    Failure::new(FailureKind::Unsupported, Reached::Yes, message)
}

/// The coding of audio as its first bytes tell it.
pub(crate) fn sniffed(head: &[u8]) -> Option<&'static str> {
    match head {
        [b'I', b'D', b'3', ..] | [0xFF, 0xE2..=0xFF, ..] => Some("audio/mpeg"),
        [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'A', b'V', b'E', ..] => Some("audio/wav"),
        [b'O', b'g', b'g', b'S', ..] => Some("audio/ogg"),
        [b'f', b'L', b'a', b'C', ..] => Some("audio/flac"),
        [_, _, _, _, b'f', b't', b'y', b'p', ..] => Some("audio/mp4"),
        _ => None,
    }
}

/// A file's extension for a media type.
pub(crate) fn extension(content_type: &str) -> &'static str {
    match content_type {
        "audio/mpeg" | "audio/mp3" => "mp3",
        "audio/wav" | "audio/x-wav" | "audio/wave" | "audio/vnd.wave" => "wav",
        "audio/ogg" | "audio/opus" => "ogg",
        "audio/flac" | "audio/x-flac" => "flac",
        "audio/mp4" | "audio/m4a" | "audio/x-m4a" => "m4a",
        _ => "bin",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn audio_is_known_by_its_first_bytes() {
        for (head, expected) in [
            (&b"ID3\x04"[..], Some("audio/mpeg")),
            (b"\xFF\xFB\x90", Some("audio/mpeg")),
            (b"\xFF\xF3\x40", Some("audio/mpeg")),
            (b"RIFF\0\0\0\0WAVEfmt ", Some("audio/wav")),
            (b"OggS", Some("audio/ogg")),
            (b"fLaC", Some("audio/flac")),
            (b"\0\0\0\x20ftypM4A ", Some("audio/mp4")),
            (b"<html>", None),
            (b"", None),
        ] {
            assert_eq!(sniffed(head), expected, "{head:?}");
        }
    }
}
