//! A job's audio is read in ranges and chunks: whatever it is made of and wherever its pieces are, a range of it is
//! that range of the whole, and nothing else is read for it.

use std::{ops::Range, path::PathBuf};

use bytes::Bytes;
use kingcong_core::{
    Error, JobHandle, KingCong, OutputError, Request,
    clock::Timestamp,
    engine::{JobAudio, JobResult, Outputs},
    id::JobId,
    work::{Body, JobState, RangeError, Sound},
};
use proptest::prelude::*;

use crate::giving::{gives, open, run, wav};

/// Frames of 44.1 kHz mono at these bit rates in turn, whose content is not twice the same.
fn mp3(kbits: &[usize], frames: usize) -> Vec<u8> {
    const KBIT: [usize; 14] = [32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320];
    let mut bytes = Vec::new();
    for (number, &kbit) in kbits.iter().cycle().take(frames).enumerate() {
        let rate = KBIT.iter().position(|known| *known == kbit).unwrap() + 1;
        let end = bytes.len() + 144_000 * kbit / 44_100;
        bytes.extend([0xff, 0xfb, u8::try_from(rate << 4).unwrap(), 0xc0]);
        bytes.extend((0..).map(|at: usize| ((at * 7 + number * 13) % 251) as u8).take(end - bytes.len()));
    }
    bytes
}

/// A WAV of 16 bits whose samples are not twice the same.
fn wav_of(samples: u32) -> Vec<u8> {
    let mut file = wav(24_000, 1, samples);
    for (at, byte) in file[44..].iter_mut().enumerate() {
        *byte = (at * 5 % 253) as u8;
    }
    file
}

/// What a task gives, how many tasks there are, and where their results are kept.
async fn completed(piece: &[u8], pieces: u16, outputs: Outputs) -> (KingCong, JobHandle) {
    let kc = open([1, 0], [gives(piece.to_vec()), gives(piece.to_vec())], outputs).await;
    let text = "One is here. Two is here. Three is here.";
    let (job, report) = run(&kc, text, pieces).await;
    assert_eq!((report.job.state, report.tasks.len()), (JobState::Completed, usize::from(pieces)));
    (kc, job)
}

async fn whole(job: &JobHandle) -> Bytes {
    match job.result().await.unwrap() {
        JobResult::Speech { audio, .. } => audio,
        other => panic!("{other:?}"),
    }
}

async fn all_chunks(audio: &JobAudio, range: Range<u64>) -> Result<Vec<Bytes>, Error> {
    let mut chunks = audio.chunks(range).unwrap();
    let mut all = Vec::new();
    while let Some(chunk) = chunks.next().await {
        all.push(chunk?);
    }
    Ok(all)
}

#[test]
fn any_range_of_a_jobs_audio_is_that_range_of_the_whole() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let mut jobs = Vec::new();
    for (what, piece) in [
        ("constant bit rate", mp3(&[128], 60)),
        ("varying bit rate", mp3(&[32, 320, 96], 1_500)),
        ("WAV", wav_of(30_001)),
        ("tags around", [b"ID3\x04\0\0\0\0\0\x05title".to_vec(), mp3(&[64], 9), vec![0; 30]].concat()),
    ] {
        for pieces in [1, 3] {
            for outputs in [Outputs::Store, Outputs::Directory(folder.path().to_owned())] {
                let what = format!("{what}, {pieces} pieces, {outputs:?}");
                let job = runtime.block_on(async {
                    let (kc, job) = completed(&piece, pieces, outputs).await;
                    let (audio, whole) = (job.audio().await.unwrap(), whole(&job).await);
                    let sound = Sound::read(&whole).unwrap();
                    assert_eq!(audio.bytes(), whole.len() as u64, "{what}");
                    assert_eq!(audio.duration_ms(), sound.duration_ms(), "{what}");
                    assert_eq!(audio.content_type(), sound.layout.coding.content_type(), "{what}");
                    (what, kc, audio, whole)
                });
                jobs.push(job);
            }
        }
    }
    let ranges = prop::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>()), 16);
    proptest!(|(ranges in ranges)| {
        for ((what, _, audio, whole), (first, length)) in jobs.iter().zip(ranges) {
            let start = first.index(whole.len());
            let end = start + 1 + length.index(whole.len() - start);
            let range = start as u64..end as u64;
            let (read, chunks) = runtime.block_on(async {
                (audio.read(range.clone()).await.unwrap(), all_chunks(audio, range.clone()).await.unwrap())
            });
            prop_assert_eq!(&read, &whole.slice(start..end), "{}: {:?}", what, range);
            let (last, full) = chunks.split_last().unwrap();
            prop_assert!(full.iter().all(|chunk| chunk.len() as u64 == JobAudio::CHUNK_BYTES));
            prop_assert!(!last.is_empty() && last.len() as u64 <= JobAudio::CHUNK_BYTES);
            prop_assert_eq!(chunks.concat(), read);
        }
    });
    for (_, kc, ..) in jobs {
        runtime.block_on(kc.close());
    }
}

#[tokio::test]
async fn a_range_without_bytes_or_past_the_end_is_refused_in_its_own_figures() {
    let (kc, job) = completed(&mp3(&[128], 3), 1, Outputs::Store).await;
    let audio = job.audio().await.unwrap();
    let length = audio.bytes();
    let (empty, past) = (
        |start, end| RangeError::Empty { start, end },
        |start, end| RangeError::PastEnd { start, end, length },
    );
    for (start, end, refused) in [
        (5, 5, empty(5, 5)),
        (7, 3, empty(7, 3)),
        (u64::MAX, 0, empty(u64::MAX, 0)),
        (length, length, empty(length, length)),
        (0, length + 1, past(0, length + 1)),
        (length, length + 1, past(length, length + 1)),
        (0, u64::MAX, past(0, u64::MAX)),
    ] {
        for error in
            [audio.read(start..end).await.unwrap_err(), audio.chunks(start..end).map(drop).unwrap_err()]
        {
            assert!(matches!(&error, Error::Range(found) if *found == refused), "{error}");
        }
    }
    let error = audio.read(5..length + 1).await.unwrap_err().to_string();
    assert_eq!(
        error,
        format!(
            "bytes 5 to {} are not all there: the audio has {length}, so end at {length} at most",
            length + 1
        )
    );
    kc.close().await;
}

/// The files of a job's tasks, in the order of the tasks.
async fn files(kc: &KingCong, job: &JobHandle) -> Vec<PathBuf> {
    let mut paths = Vec::new();
    for place in 0..u32::try_from(job.status().await.unwrap().tasks.len()).unwrap() {
        let output = kc.job(job.id()).task_output(place).await.unwrap().unwrap();
        let Some(Body::File { path, .. }) = output.body else { panic!("{output:?}") };
        paths.push(path);
    }
    paths
}

#[tokio::test]
async fn of_pieces_that_a_range_does_not_touch_nothing_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let outputs = Outputs::Directory(folder.path().to_owned());
    let (kc, job) = completed(&wav_of(10_000), 3, outputs).await;
    let whole = whole(&job).await;
    let files = files(&kc, &job).await;
    for gone in [&files[0], &files[2]] {
        std::fs::remove_file(gone).unwrap();
    }
    let audio = job.audio().await.unwrap();
    assert_eq!((audio.bytes(), audio.duration_ms()), (44 + 60_000, 1_250));
    for range in [0..44, 20_044..40_044, 30_000..30_002] {
        let expected = whole.slice(range.start as usize..range.end as usize);
        assert_eq!(audio.read(range.clone()).await.unwrap(), expected, "{range:?}");
    }
    for range in [0..45, 20_043..20_044, 40_043..40_045] {
        let error = audio.read(range.clone()).await.unwrap_err();
        let Error::Output { reason: OutputError::Unreadable { problem, .. }, .. } = error else {
            panic!("{error}")
        };
        assert_eq!(problem, std::io::ErrorKind::NotFound, "{range:?}");
    }
    kc.close().await;
}

#[tokio::test]
async fn a_file_that_is_not_what_was_settled_ends_the_reading_with_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let (kc, job) = completed(&wav_of(300_000), 3, Outputs::Directory(folder.path().to_owned())).await;
    let file = files(&kc, &job).await.remove(1);
    let bytes = std::fs::read(&file).unwrap();
    let longer = [&bytes[..], b"x"].concat();
    let audio = job.audio().await.unwrap();
    for (what, altered) in [
        ("shorter", Some(&bytes[..bytes.len() - 1])),
        ("empty", Some(&[][..])),
        ("longer", Some(&longer[..])),
        ("gone", None),
    ] {
        match altered {
            Some(altered) => std::fs::write(&file, altered).unwrap(),
            None => std::fs::remove_file(&file).unwrap(),
        }
        let told = |error: Error| {
            assert!(matches!(error, Error::Output { job: of, .. } if of == job.id()), "{what}: {error}");
            let (told, file) = (error.to_string(), file.display().to_string());
            assert!(told.contains("task 1 ") && told.contains(&file), "{what}: {told}");
        };
        told(job.result().await.map(drop).unwrap_err());
        told(audio.read(600_044..600_045).await.unwrap_err());
        // What comes before is right, and after the error nothing comes.
        let mut chunks = audio.chunks(0..audio.bytes()).unwrap();
        let mut right = Vec::new();
        let error = loop {
            match chunks.next().await.unwrap() {
                Ok(chunk) => right.extend(chunk),
                Err(error) => break error,
            }
        };
        told(error);
        assert!(chunks.next().await.is_none(), "{what}");
        assert_eq!(right.len() as u64, 2 * JobAudio::CHUNK_BYTES, "{what}");
        std::fs::write(&file, &bytes).unwrap();
        assert!(job.result().await.is_ok(), "{what}: the file is back");
    }
    kc.close().await;
}

#[tokio::test]
async fn more_than_is_read_into_memory_at_once_is_read_in_chunks_only() {
    let folder = tempfile::tempdir().unwrap();
    let samples = u32::try_from(JobAudio::READ_BYTES_MAX / 2).unwrap();
    let (kc, job) =
        completed(&wav(24_000, 1, samples), 1, Outputs::Directory(folder.path().to_owned())).await;
    let error = job.result().await.unwrap_err();
    let (bytes, max) = (44 + JobAudio::READ_BYTES_MAX, JobAudio::READ_BYTES_MAX);
    let Error::Output { reason: OutputError::TooLarge { bytes: had, max: most }, .. } = &error else {
        panic!("{error}")
    };
    assert_eq!((*had, *most), (bytes, max));
    let audio = job.audio().await.unwrap();
    assert_eq!(audio.bytes(), bytes);
    let error = audio.read(0..bytes).await.unwrap_err();
    assert!(matches!(error, Error::Range(RangeError::TooLong { .. })), "{error}");
    assert_eq!(audio.read(1..1 + max).await.unwrap().len() as u64, max);
    let chunks = all_chunks(&audio, 0..bytes).await.unwrap();
    assert_eq!(chunks.iter().map(|chunk| chunk.len() as u64).sum::<u64>(), bytes);
    kc.close().await;
}

#[tokio::test]
async fn a_job_that_has_no_audio_says_why() {
    let (kc, job) = completed(&mp3(&[128], 3), 1, Outputs::Store).await;
    let unknown = kc.job(JobId::from_uuid(uuid::Uuid::nil()));
    assert!(matches!(unknown.audio().await, Err(Error::NotFound { what: "job", .. })));
    let later =
        Timestamp::from_micros(job.status().await.unwrap().job.created_at.as_micros() + 3_600_000_000);
    let request = Request::speech("an", "Later.").service("elevenlabs").voice("21m00Tcm4TlvDq8ikWAM");
    let scheduled = kc.submit(request.start_at(later)).await.unwrap();
    for error in [
        scheduled.audio().await.map(drop).unwrap_err(),
        scheduled.subtitles().await.map(drop).unwrap_err(),
        scheduled.result().await.map(drop).unwrap_err(),
    ] {
        let open = |reason: &OutputError| matches!(reason, OutputError::NotCompleted { state: "open" });
        assert!(matches!(&error, Error::Output { reason, .. } if open(reason)), "{error}");
    }
    kc.close().await;
}
