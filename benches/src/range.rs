//! `result/range`: what two bytes of a long result cost.
//!
//! A job of ten tasks, each of which gave 10 MiB of WAV into a file (`result/range/files`), and one of 7 MiB each in an
//! SQLite database (`result/range/sqlite`). A player asks for two bytes in the middle. Counted are the bytes that
//! the process read, by files and database alike, and by how much its resident memory was at most larger. Compared with
//! joining the whole by hand, from files, to take two bytes of it.

use std::{
    num::{NonZeroU16, NonZeroU32},
    path::Path,
    sync::Arc,
};

use anyhow::{Context, Result, bail, ensure};
use async_trait::async_trait;
use bytes::Bytes;
use kingcong_core::{
    KingCong, Request, Settings,
    engine::{JobAudio, Outputs},
    failure::Failure,
    id::{JobId, ProtocolId},
    measure::Measured,
    provider::{Call, Provider, Reply, Sent, Sink},
    store::{MemoryStore, Store},
    work::{Audio, Body, Output},
};
use kingcong_sqlx::SqlStore;

use crate::{
    figure::{Figure, Unit},
    stage,
};

const TASKS: u16 = 10;
const MIB: u32 = 1024 * 1024;
const USER: &str = "user";
/// A WAV file's header.
const HEADER_BYTES: usize = 44;

pub(crate) fn measure() -> Result<Vec<Figure>> {
    stage::on_all_cores(async {
        let by_hand = by_hand()?;
        let folder = tempfile::tempdir()?;
        let outputs = Outputs::Directory(folder.path().to_owned());
        let files = of_a_job(Arc::new(MemoryStore::new()), outputs, 10 * MIB).await?;
        let url = format!("sqlite://{}", folder.path().join("results.db").display());
        let sqlite = of_a_job(Arc::new(SqlStore::connect(&url).await?), Outputs::Store, 7 * MIB).await?;
        let against = "the whole joined by hand";
        let figures = |name: &str, cost: Cost| {
            [
                Figure::new(format!("{name}/read"), cost.read, Unit::Bytes, against, by_hand.read),
                Figure::new(format!("{name}/memory"), cost.memory, Unit::Bytes, against, by_hand.memory),
            ]
        };
        Ok([figures("result/range/files", files), figures("result/range/sqlite", sqlite)].concat())
    })
}

/// What reading took.
#[derive(Clone, Copy, Debug)]
struct Cost {
    read: f64,
    memory: f64,
}

/// What two bytes of a job's audio cost whose tasks give so many bytes each.
async fn of_a_job(store: Arc<dyn Store>, outputs: Outputs, bytes: u32) -> Result<Cost> {
    let kc = KingCong::builder()
        .preset(stage::preset(100, 0)?)
        .providers([Arc::new(Recorded::of(bytes)?) as Arc<dyn Provider>])
        .settings(Settings {
            outputs,
            task_characters_max: NonZeroU32::new(100).context("a task has characters")?,
            ..Settings::default()
        })
        .master_key(stage::master_key())
        .shared_store(store)
        .start()
        .await?;
    stage::add_keys(&kc, "ai33", 1, stage::limits(1_000, 1_000)).await?;
    stage::make_rich(&kc, USER).await?;
    let request = Request::speech(USER, stage::text(100 * usize::from(TASKS)));
    let pieces = NonZeroU16::new(TASKS).context("a job has tasks")?;
    let job = kc.submit(request.service(stage::SERVICE).voice(stage::VOICE).pieces(pieces)).await?;
    let report = job.wait().await?;
    ensure!(report.tasks.len() == usize::from(TASKS) && report.job.failed_tasks == 0, "tasks failed");
    // Threads, statements and files are there before anything is counted.
    two_bytes(&kc, job.id()).await?;
    let meter = Meter::start()?;
    two_bytes(&kc, job.id()).await?;
    let cost = meter.stop()?;
    kc.close().await;
    Ok(cost)
}

/// Reads two bytes of its middle, from nothing but the job's id.
async fn two_bytes(kc: &KingCong, job: JobId) -> Result<()> {
    let audio: JobAudio = kc.job(job).audio().await?;
    let middle = audio.bytes() / 2;
    let read = audio.read(middle..middle + 2).await?;
    ensure!(read.len() == 2, "{} bytes were read", read.len());
    Ok(())
}

fn by_hand() -> Result<Cost> {
    let folder = tempfile::tempdir()?;
    let path = |task: u16| folder.path().join(task.to_string());
    for task in 0..TASKS {
        std::fs::write(path(task), wav(10 * MIB)?)?;
    }
    let meter = Meter::start()?;
    let mut whole = Vec::new();
    for task in 0..TASKS {
        whole.extend_from_slice(&std::fs::read(path(task))?[HEADER_BYTES..]);
    }
    let cost = meter.stop()?;
    ensure!(whole.len() > 90 * MIB as usize, "{} bytes were joined", whole.len());
    Ok(cost)
}

/// Silence with so many bytes of samples.
fn wav(bytes: u32) -> Result<Vec<u8>> {
    let mut file = b"RIFF".to_vec();
    file.extend((36 + bytes).to_le_bytes());
    file.extend(b"WAVEfmt \x10\0\0\0\x01\0\x01\0\xc0\x5d\0\0\x80\xbb\0\0\x02\0\x10\0data");
    file.extend(bytes.to_le_bytes());
    ensure!(file.len() == HEADER_BYTES, "the header has {} bytes", file.len());
    file.resize(HEADER_BYTES + bytes as usize, 0);
    Ok(file)
}

/// An upstream that gives the same recording for each task.
#[derive(Debug)]
struct Recorded {
    protocol: ProtocolId,
    recording: Bytes,
}

impl Recorded {
    fn of(bytes: u32) -> Result<Self> {
        Ok(Self { protocol: ProtocolId::new("ai33")?, recording: wav(bytes)?.into() })
    }
}

#[async_trait]
impl Provider for Recorded {
    fn protocol(&self) -> &ProtocolId {
        &self.protocol
    }

    async fn send(&self, call: &Call) -> Result<Sent, Failure> {
        let body = match &call.sink {
            Sink::Memory { .. } => Body::Memory(self.recording.clone()),
            Sink::Directory { path, .. } => {
                let path = path.join(call.attempt.to_string());
                let bytes = self.recording.len() as u64;
                std::fs::write(&path, &self.recording).expect("the folder can be written to");
                Body::File { path, bytes }
            }
        };
        let audio = Audio { body, content_type: "audio/wav".to_owned(), srt: None };
        Ok(Sent::Done(Reply { output: Output::Audio(audio), cost: None, measured: Measured::NOTHING }))
    }
}

/// Counts what this process reads and how much memory it takes at most, as Linux counts them.
struct Meter {
    read: u64,
    resident: u64,
}

impl Meter {
    fn start() -> Result<Self> {
        // From now on the peak is that of what follows.
        std::fs::write("/proc/self/clear_refs", "5").context("needs Linux's /proc")?;
        Ok(Self { resident: figure("status", "VmHWM:")? * 1024, read: figure("io", "rchar:")? })
    }

    fn stop(self) -> Result<Cost> {
        let read = figure("io", "rchar:")? - self.read;
        let resident = figure("status", "VmHWM:")? * 1024;
        Ok(Cost { read: read as f64, memory: resident.saturating_sub(self.resident) as f64 })
    }
}

/// A figure of the process.
fn figure(file: &str, name: &str) -> Result<u64> {
    let text = std::fs::read_to_string(Path::new("/proc/self").join(file)).context("needs Linux's /proc")?;
    let Some(line) = text.lines().find_map(|line| line.strip_prefix(name)) else {
        bail!("no {name} in {file}")
    };
    Ok(line.trim().trim_end_matches(" kB").parse()?)
}
