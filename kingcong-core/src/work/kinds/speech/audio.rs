//! Reads audio once, before it is settled: which container it is, how its samples are laid out, how long it lasts,
//! whether it is whole, and where in the bytes the sound is. What is found is kept with the result: its price, the
//! joining and every range of it follow from that, and nobody reads the bytes again to learn it. Nothing is decoded;
//! damaged or hostile bytes give an error, never a panic, in a time that grows with their number only.

use super::{
    mp3,
    sound::{AudioError, Rest, Sound},
    wav,
};

impl Sound {
    /// Reads audio that is at hand as a whole. The bytes decide what it is, and not its media type: upstreams and
    /// file servers label one as the other, or an error's page as audio.
    ///
    /// # Errors
    /// When it cannot be delivered.
    pub fn read(bytes: &[u8]) -> Result<Self, AudioError> {
        let mut container = Container::of(bytes);
        container.advance(bytes, 0, Rest::None)?;
        container.finish(head_of(bytes), bytes.len() as u64)
    }
}

/// A container that is being read.
#[derive(Debug)]
enum Container {
    Mp3(mp3::Reader),
    Wav(wav::Reader),
}

impl Container {
    /// The container that bytes begin as.
    fn of(bytes: &[u8]) -> Self {
        if wav::starts(bytes) { Self::Wav(wav::Reader::default()) } else { Self::Mp3(mp3::Reader::default()) }
    }

    /// Reads on in `bytes`, of which the first is byte `at` of the whole; answers how many need not be seen again.
    fn advance(&mut self, bytes: &[u8], at: u64, rest: Rest) -> Result<usize, AudioError> {
        match self {
            Self::Mp3(reader) => reader.advance(bytes, at, rest),
            Self::Wav(reader) => reader.advance(bytes, at),
        }
    }

    fn finish(self, head: &[u8], bytes: u64) -> Result<Sound, AudioError> {
        match self {
            Self::Mp3(reader) => reader.finish(bytes, looks_like(head)),
            Self::Wav(reader) => reader.finish(bytes),
        }
    }
}

/// Reads audio that comes in pieces, such as from a file, and keeps a few kilobytes of it at most.
#[derive(Debug, Default)]
pub struct AudioReader {
    container: Option<Container>,
    head: Vec<u8>,
    /// What was not read yet.
    window: Vec<u8>,
    /// Where the window begins.
    at: u64,
    failed: Option<AudioError>,
}

impl AudioReader {
    /// Reads the bytes that follow those before. Pieces of some kilobytes and more are read in linear time.
    pub fn push(&mut self, bytes: &[u8]) {
        let room = HEAD_BYTES.saturating_sub(self.head.len()).min(bytes.len());
        self.head.extend_from_slice(&bytes[..room]);
        self.window.extend_from_slice(bytes);
        if self.head.len() == HEAD_BYTES {
            self.advance(Rest::Some);
        }
    }

    /// What was found, after the last bytes.
    ///
    /// # Errors
    /// When the audio cannot be delivered.
    pub fn finish(mut self) -> Result<Sound, AudioError> {
        let bytes = self.at + self.window.len() as u64;
        self.advance(Rest::None);
        match (self.failed, self.container) {
            (Some(error), _) => Err(error),
            (None, Some(container)) => container.finish(&self.head, bytes),
            (None, None) => Err(AudioError::NotAudio { came: looks_like(&self.head), bytes }),
        }
    }

    fn advance(&mut self, rest: Rest) {
        let container = self.container.get_or_insert_with(|| Container::of(&self.head));
        let read = match &self.failed {
            Some(_) => self.window.len(),
            None => container.advance(&self.window, self.at, rest).unwrap_or_else(|error| {
                self.failed = Some(error);
                self.window.len()
            }),
        };
        self.window.drain(..read);
        self.at += read as u64;
    }
}

/// How many of the first bytes tell what a file is.
const HEAD_BYTES: usize = 512;

fn head_of(bytes: &[u8]) -> &[u8] {
    &bytes[..bytes.len().min(HEAD_BYTES)]
}

/// What bytes that are no MP3 look like, for people.
fn looks_like(head: &[u8]) -> &'static str {
    let text = head.trim_ascii_start();
    match text {
        _ if head.is_empty() => "nothing",
        [b'O', b'g', b'g', b'S', ..] => "Ogg",
        [b'f', b'L', b'a', b'C', ..] => "FLAC",
        [_, _, _, _, b'f', b't', b'y', b'p', ..] => "MP4",
        [0xff, 0xf0 | 0xf1 | 0xf8 | 0xf9, ..] => "AAC",
        [0x1a, 0x45, 0xdf, 0xa3, ..] => "WebM",
        [b'R', b'I', b'F', b'F' | b'X', ..] | [b'R', b'F', b'6', b'4', ..] => "RIFF that is no WAV",
        [b'<', ..] => "HTML or XML",
        [b'{' | b'[', ..] => "JSON",
        _ if is_text(head) => "text",
        _ => "something else, perhaps samples without a header",
    }
}

/// Whether bytes, which may end within a character, are a text.
fn is_text(head: &[u8]) -> bool {
    let whole = match std::str::from_utf8(head) {
        Ok(text) => text,
        Err(error) if error.error_len().is_none() => {
            std::str::from_utf8(&head[..error.valid_up_to()]).unwrap_or_default()
        }
        Err(_) => return false,
    };
    !whole.is_empty() && !whole.chars().any(|letter| letter.is_control() && !letter.is_whitespace())
}
