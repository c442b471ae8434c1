//! Files of results are put on the disk before they are settled. What the disk holds only a power cut would tell; but a
//! pipe can be read like a file and never be put on a disk.

use std::{
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
};

use async_trait::async_trait;
use kingcong_core::{
    engine::Outputs,
    failure::Failure,
    id::ProtocolId,
    measure::Measured,
    provider::{Call, Provider, Reply, Sent, Sink},
    store::{AttemptFilter, PAGE_MAX},
    work::{Audio, Body, JobState, Output},
};

use crate::giving::{open_with, run, wav};

/// A host's provider; of all files the first is a pipe.
#[derive(Debug)]
struct Piping {
    protocol: ProtocolId,
    calls: Arc<AtomicUsize>,
}

#[async_trait]
impl Provider for Piping {
    fn protocol(&self) -> &ProtocolId {
        &self.protocol
    }

    async fn send(&self, call: &Call) -> Result<Sent, Failure> {
        let Sink::Directory { path, .. } = &call.sink else { panic!("{:?}", call.sink) };
        let path = path.join(call.attempt.to_string());
        let audio = wav(24_000, 1, 24_000);
        let body = Body::File { path: path.clone(), bytes: audio.len() as u64 };
        let is_first = self.calls.fetch_add(1, Relaxed) == 0;
        if is_first {
            assert!(Command::new("mkfifo").arg(&path).status().unwrap().success());
        }
        // A pipe takes bytes once somebody reads them.
        let written = tokio::task::spawn_blocking(move || std::fs::write(path, audio).unwrap());
        if !is_first {
            written.await.unwrap();
        }
        let audio = Audio { body, content_type: "audio/wav".into(), srt: None };
        Ok(Sent::Done(Reply { output: Output::Audio(audio), cost: None, measured: Measured::NOTHING }))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_cannot_be_put_on_the_disk_is_made_again() {
    let folder = tempfile::tempdir().unwrap();
    let calls = Arc::default();
    let providers = ["ai33", "ai84"].map(|protocol| {
        let protocol = ProtocolId::new(protocol).unwrap();
        Arc::new(Piping { protocol, calls: Arc::clone(&calls) }) as Arc<dyn Provider>
    });
    let kc = open_with([1, 0], providers, Outputs::Directory(folder.path().to_owned())).await;
    let (job, report) = run(&kc, "ten letters", 1).await;
    assert_eq!((report.job.state, report.job.total.charged().get()), (JobState::Completed, 11));
    let filter = AttemptFilter { limit: PAGE_MAX, ..AttemptFilter::default() };
    let errors = kc.reports().errors(filter).await.unwrap();
    assert_eq!(errors.len(), 1);
    let told = format!("{:?}", errors[0].state);
    assert!(told.contains("the disk does not take the result's file"), "{told}");
    assert_eq!(job.audio().await.unwrap().duration_ms(), 1000);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "the pipe is gone");
    kc.close().await;
}
