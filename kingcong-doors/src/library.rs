//! The library as a face holds it: opened from options, knocked at with JSON.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
};

use bytes::Bytes;
use kingcong_core::{
    Error, KingCong,
    access::{self, Scope},
    engine::{JobAudio, JobEvents},
    id::{JobId, SystemEntropy},
    money::Unit,
    provider::Provider,
    store::{MemoryStore, Store},
    vault::{KeyBytes, MasterKey, StaticMasterKey},
};
use kingcong_http::Upstreams;
use kingcong_sqlx::SqlStore;
use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

use crate::{
    caller::Caller,
    door,
    opening::{MasterKeySource, OpenOptions},
    problem::{Code, Problem},
    reading::{Names, read},
};

/// Streams of events that one library has open at once.
const STREAMS_MAX: usize = 100_000;

/// Jobs whose audio is known without a look at the store.
const AUDIOS_KEPT_MAX: usize = 1_024;
/// Tasks of these jobs, each of which takes a few hundred bytes.
const PIECES_KEPT_MAX: usize = 65_536;

/// What is asked in more bytes of JSON is not to be asked on the thread of an event loop: reading it takes longer than
/// another thread needs to wake up, some tens of microseconds.
pub const AT_ONCE_BYTES_MAX: usize = 16 * 1024;

/// An opened library. Clones are cheap and one.
#[derive(Clone, Debug)]
pub struct Library {
    pub(crate) kc: KingCong,
    pub(crate) store: Option<SqlStore>,
    streams: Arc<Mutex<Streams>>,
    audios: Arc<Mutex<Audios>>,
    is_closing: Arc<AtomicBool>,
    names: Names,
}

/// A job, and the scope that it was found in: what one caller was let see answers no other.
type Seen = (Scope, JobId);

/// Audio that was read of lately. A completed job's never changes, so the next range of it needs no look at the store.
#[derive(Debug, Default)]
struct Audios {
    /// Each with when it was asked for last.
    by_job: BTreeMap<Seen, (u64, JobAudio)>,
    asked: u64,
    /// Of how many tasks' audio they are made.
    pieces: usize,
}

impl Audios {
    fn get(&mut self, seen: &Seen) -> Option<JobAudio> {
        self.asked += 1;
        let (asked, audio) = self.by_job.get_mut(seen)?;
        *asked = self.asked;
        Some(audio.clone())
    }

    fn keep(&mut self, seen: Seen, audio: JobAudio) {
        self.pieces += audio.pieces();
        if let Some((_, before)) = self.by_job.insert(seen, (self.asked, audio)) {
            self.pieces -= before.pieces();
        }
        while self.pieces > PIECES_KEPT_MAX || self.by_job.len() > AUDIOS_KEPT_MAX {
            let oldest =
                self.by_job.iter().min_by_key(|(_, (asked, _))| *asked).map(|(seen, _)| seen.clone());
            let Some((_, dropped)) = oldest.and_then(|seen| self.by_job.remove(&seen)) else { return };
            self.pieces -= dropped.pieces();
        }
    }
}

/// The streams of events that hosts read, by number.
#[derive(Debug, Default)]
struct Streams {
    last: u64,
    open: BTreeMap<u64, Stream>,
    /// Set when the library closes: no more are opened.
    closed: bool,
}

#[derive(Clone, Debug)]
pub(crate) struct Stream {
    pub(crate) events: Arc<tokio::sync::Mutex<JobEvents>>,
    /// What the job is paid in.
    pub(crate) unit: Unit,
    /// Who may read it: those of the scope that the job was found in.
    pub(crate) scope: Scope,
    /// Nobody reads it any more, or the library closes.
    pub(crate) closed: CancellationToken,
}

/// What a door answered.
#[derive(Clone, Debug)]
pub struct Answer {
    /// As JSON.
    pub json: String,
    /// Bytes that belong to it, such as audio.
    pub attachment: Option<Bytes>,
}

impl Library {
    /// Opens a library on the tokio runtime that this is called on, with the protocols of `kingcong-http` and the
    /// host's own providers; `master_key` is the host's, when the options name no other.
    ///
    /// # Errors
    /// A database or a master key that cannot be used, or an option outside of its bounds.
    pub async fn open(
        opening: OpenOptions,
        providers: Vec<Arc<dyn Provider>>,
        master_key: Option<Arc<dyn MasterKey>>,
    ) -> Result<Self, Problem> {
        let names = opening.names;
        Self::open_by(opening, providers, master_key).await.map_err(|problem| problem.named_by(names))
    }

    async fn open_by(
        opening: OpenOptions,
        providers: Vec<Arc<dyn Provider>>,
        master_key: Option<Arc<dyn MasterKey>>,
    ) -> Result<Self, Problem> {
        opening.check_master_key()?;
        let settings = opening.settings()?;
        let (timeouts, preset) = (opening.timeouts()?, opening.preset()?);
        let master_key = match (master_key, &opening.master_key) {
            (Some(master_key), _) => master_key,
            (None, source) => Arc::new(static_master_key(source.as_ref())?),
        };
        let mut builder = KingCong::builder()
            .settings(settings)
            .shared_master_key(master_key)
            .providers(Upstreams::with_settings(timeouts)?)
            .providers(providers);
        if let Some(preset) = preset {
            builder = builder.preset(preset);
        }
        let (shared, store): (Arc<dyn Store>, _) = if opening.is_in_memory() {
            (Arc::new(MemoryStore::default()), None)
        } else {
            let store = SqlStore::connect(&opening.url).await?;
            (Arc::new(store.clone()), Some(store))
        };
        let kc = match builder.shared_store(Arc::clone(&shared)).start().await {
            Ok(kc) => kc,
            Err(error) => {
                shared.close().await;
                return Err(error.into());
            }
        };
        let names = opening.names;
        Ok(Self {
            kc,
            store,
            streams: Arc::default(),
            audios: Arc::default(),
            is_closing: Arc::default(),
            names,
        })
    }

    /// Knocks at a door: `{"door": "wallets.get", "with": {"user": "u", "unit": "credit"}}`. `caller` is who acts, in
    /// which role, and for whom: `{"as": {"actor": "an", "role": "member", "tenant": "acme", "user": "an"}}`, or
    /// `{"as": {"actor": "admin-7", "role": "operator"}, "of": {"tenant": "acme"}}`, or `{"of": "all"}`. `attachment`
    /// is what belongs to the request and is no JSON, such as a recording.
    ///
    /// # Errors
    /// What the door refuses, or a text that names no door.
    ///
    /// # Cancellation safety
    /// Dropping the future stops the waiting. What was asked may have been done.
    pub async fn knock(
        &self,
        door: &str,
        caller: Option<&str>,
        attachment: Option<Bytes>,
    ) -> Result<Answer, Problem> {
        let caller = caller.map(|caller| read::<Caller>(caller, self.names)).transpose()?.unwrap_or_default();
        let knock = door::asked(door, self.names, self)?;
        let answered = match caller.handle(&self.kc) {
            Ok(kc) => knock(kc, attachment).await,
            Err(error) => Err(error.into()),
        };
        answered.map_err(|problem| {
            // What was under way while the library closed meets a store that is closed.
            let is_closed = problem.code == Code::StoreFailed && self.is_closing.load(Relaxed);
            if is_closed { Error::Closed.into() } else { problem.named_by(self.names) }
        })
    }

    /// Stops claiming and submitting, and waits for what is under way as long as the `drain` option says.
    pub async fn close(&self) {
        self.is_closing.store(true, Relaxed);
        let open = {
            let mut streams = self.streams.lock();
            streams.closed = true;
            std::mem::take(&mut streams.open)
        };
        for stream in open.into_values() {
            stream.closed.cancel();
        }
        self.kc.close().await;
    }

    /// What a completed job says, as this handle sees it.
    pub(crate) async fn audio(&self, kc: &KingCong, job: JobId) -> Result<JobAudio, Error> {
        let seen = (kc.enter(access::Door::JobAudio).await?, job);
        let known = self.audios.lock().get(&seen);
        if let Some(audio) = known {
            return Ok(audio);
        }
        let audio = kc.job(job).audio().await?;
        self.audios.lock().keep(seen, audio.clone());
        Ok(audio)
    }

    pub(crate) fn open_stream(&self, events: JobEvents, unit: Unit, scope: Scope) -> Result<u64, Problem> {
        let mut streams = self.streams.lock();
        if streams.closed {
            return Err(Error::Closed.into());
        }
        if streams.open.len() >= STREAMS_MAX {
            let (setting, value) = ("streams of events", streams.open.len().to_string());
            return Err(Error::Setting { setting, value, bounds: "at most 100,000: close some" }.into());
        }
        streams.last += 1;
        let number = streams.last;
        let events = Arc::new(tokio::sync::Mutex::new(events));
        streams.open.insert(number, Stream { events, unit, scope, closed: CancellationToken::new() });
        Ok(number)
    }

    /// Whether it was closed.
    pub(crate) fn is_closed(&self) -> bool {
        self.streams.lock().closed
    }

    pub(crate) fn stream(&self, number: u64) -> Option<Stream> {
        self.streams.lock().open.get(&number).cloned()
    }

    /// Closes a stream of events that nobody reads any more.
    pub fn close_stream(&self, number: u64) {
        if let Some(stream) = self.streams.lock().open.remove(&number) {
            stream.closed.cancel();
        }
    }
}

fn static_master_key(source: Option<&MasterKeySource>) -> Result<StaticMasterKey, Problem> {
    Ok(match source {
        None => StaticMasterKey::from_env(StaticMasterKey::VARIABLE)?,
        Some(MasterKeySource::Env(variable)) => StaticMasterKey::from_env(variable)?,
        Some(MasterKeySource::File(path)) => StaticMasterKey::from_file_or_create(path, &SystemEntropy)?,
        Some(MasterKeySource::Text(text)) => StaticMasterKey::parse(text)?,
        Some(MasterKeySource::Random) => StaticMasterKey::new(KeyBytes::generate(&SystemEntropy)),
    })
}
