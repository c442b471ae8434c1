//! What cannot be delivered is not charged: every bad result is refused before it is settled and made again, parts of
//! two layouts are made one, and a price per second follows the audio that came.

use std::{
    num::NonZeroU32,
    path::Path,
    sync::{Arc, atomic::Ordering::Relaxed},
};

use kingcong_core::{
    JobHandle,
    engine::{JobResult, Outputs},
    measure::Measure,
    operation::Operation,
    pricing::{Charge, Price, PriceLine, PriceStart},
    store::{AttemptFilter, PAGE_MAX},
    work::{JobState, Mp3Layout, Sound},
};

use crate::giving::{Gives, gives, open, open_knowing, run, wav};

fn first(bytes: Vec<u8>, later: Vec<u8>) -> Gives {
    Arc::new(move |call| (if call == 0 { bytes.clone() } else { later.clone() }, None))
}

async fn audio(job: &JobHandle) -> (Vec<u8>, u64) {
    match job.result().await.unwrap() {
        JobResult::Speech { audio, duration_ms, .. } => (audio.to_vec(), duration_ms),
        other => panic!("{other:?}"),
    }
}

/// Silent frames: MPEG-1 layer III, 44.1 kHz mono, 128 kbit/s.
fn mp3(frames: usize) -> Vec<u8> {
    [&[0xff, 0xfb, 0x90, 0xc0][..], &[0; 413]].concat().repeat(frames)
}

fn stereo(frames: usize) -> Vec<u8> {
    [&[0xff, 0xfb, 0x90, 0x00][..], &[0; 413]].concat().repeat(frames)
}

fn bad() -> Vec<(&'static str, Vec<u8>)> {
    let mut info = mp3(1);
    info[21..25].copy_from_slice(b"Info");
    let whole = wav(24_000, 1, 24_000);
    vec![
        ("nothing", vec![]),
        ("an error in JSON", br#"{"detail":{"status":"quota_exceeded"}}"#.to_vec()),
        ("a login page", b"<!DOCTYPE html><title>login</title>".to_vec()),
        ("Ogg", [b"OggS".to_vec(), vec![0; 300]].concat()),
        ("an Info frame alone", info),
        ("samples without a header", vec![0; 4800]),
        ("half a WAV", whole[..whole.len() / 2].to_vec()),
        ("a torn MP3", mp3(3)[..1200].to_vec()),
        ("a megabyte of zeros", vec![0; 1_000_000]),
    ]
}

/// The folder holds no more than what is to be delivered.
fn files(folder: &Path) -> usize {
    std::fs::read_dir(folder).unwrap().count()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_result_is_made_again_and_charged_once() {
    for (what, bytes) in bad() {
        let folder = tempfile::tempdir().unwrap();
        for outputs in [Outputs::Store, Outputs::Directory(folder.path().to_owned())] {
            let kc = open([1, 0], [first(bytes.clone(), mp3(40)), gives(mp3(40))], outputs).await;
            let (job, report) = run(&kc, "ten letters", 1).await;
            assert_eq!(
                (report.job.state, report.job.total.charged().get()),
                (JobState::Completed, 11),
                "{what}"
            );
            assert_eq!(audio(&job).await.1, 1045, "{what}");
            let filter = AttemptFilter { limit: PAGE_MAX, ..AttemptFilter::default() };
            let errors = kc.reports().errors(filter).await.unwrap();
            let told = format!("{:?}", errors[0].state);
            assert!(told.contains("Undeliverable"), "{what}: {told}");
            kc.close().await;
        }
        assert_eq!(files(folder.path()), 1, "{what}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_result_that_is_always_bad_fails_and_costs_nothing() {
    for (what, bytes) in bad() {
        let kc = open([1, 0], [gives(bytes.clone()), gives(bytes)], Outputs::Store).await;
        let (_, report) = run(&kc, "ten letters", 1).await;
        assert_eq!((report.job.state, report.job.total.charged().get()), (JobState::Failed, 0), "{what}");
        assert_eq!(kc.wallets().get("an").await.unwrap().held.get(), 0);
        kc.close().await;
    }
}

const TEN: &str = "One is here. Two is here. Three is here. Four is here. Five is here. Six is here. Seven is here. \
                   Eight is here. Nine is here. Ten is here.";

/// Whatever two servers make of one job, it is delivered as one.
#[tokio::test(flavor = "multi_thread")]
async fn a_job_over_two_servers_is_one_layout() {
    let a_second = 1000;
    for (what, one, other, ms) in [
        ("mono and stereo MP3", mp3(40), stereo(40), 10_449),
        ("MP3 and WAV", mp3(40), wav(44_100, 1, 46_080), 10_449),
        ("two sample rates", wav(24_000, 1, 24_000), wav(44_100, 1, 44_100), 10 * a_second),
        ("mono and stereo", wav(24_000, 1, 24_000), wav(24_000, 2, 24_000), 10 * a_second),
    ] {
        let folder = tempfile::tempdir().unwrap();
        for outputs in [Outputs::Store, Outputs::Directory(folder.path().to_owned())] {
            let kc = open([70, 30], [gives(one.clone()), gives(other.clone())], outputs).await;
            let (job, report) = run(&kc, TEN, 10).await;
            assert_eq!((report.tasks.len(), report.job.state), (10, JobState::Completed), "{what}");
            let (bytes, duration_ms) = audio(&job).await;
            assert_eq!(Sound::read(&bytes).unwrap().duration_ms(), duration_ms, "{what}");
            assert!(duration_ms.abs_diff(ms) <= 1, "{what}: {duration_ms}");
            kc.close().await;
        }
        assert_eq!(files(folder.path()), 10, "{what}");
    }
}

/// Where the servers' layouts are known, no piece is made twice because of them.
#[tokio::test(flavor = "multi_thread")]
async fn servers_of_two_known_layouts_share_no_job() {
    let [mono, two] = [1, 2].map(|channels| Mp3Layout::new(44_100, channels).ok());
    for (what, weights, known, first_alone) in [
        ("the first weighs more", [70, 30], [mono, two], Some(true)),
        ("the second weighs more", [30, 70], [mono, two], Some(false)),
        ("both weigh the same", [50, 50], [mono, two], Some(true)),
        ("one is not known", [70, 30], [mono, None], None),
    ] {
        let gives = [gives(mp3(40)), gives(stereo(40))];
        let (kc, calls) = open_knowing(weights, gives, known, Outputs::Store).await;
        let (_, report) = run(&kc, TEN, 10).await;
        assert_eq!((report.tasks.len(), report.job.state), (10, JobState::Completed), "{what}");
        let made: [usize; 2] = [0, 1].map(|server: usize| calls[server].load(Relaxed));
        match first_alone {
            Some(true) => assert_eq!(made, [10, 0], "{what}"),
            Some(false) => assert_eq!(made, [0, 10], "{what}"),
            None => assert!(made[0] > 0 && made[1] > 0 && made[0] + made[1] > 10, "{what}: {made:?}"),
        }
        // What is one piece can be made anywhere.
        for _ in 0..10 {
            run(&kc, "One is here.", 1).await;
        }
        let alone: [usize; 2] = [0, 1].map(|server: usize| calls[server].load(Relaxed) - made[server]);
        assert!(alone[0] > 0 && alone[1] > 0 && alone[0] + alone[1] == 10, "{what}: {alone:?}");
        kc.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_price_per_second_charges_the_audio_that_came() {
    for told in [None, Some(0), Some(4180), Some(1), Some(u64::MAX)] {
        let audio: Gives = Arc::new(move |_| (mp3(160), told));
        let kc = open([1, 0], [Arc::clone(&audio), audio], Outputs::Store).await;
        for price in kc.prices().list().await.unwrap() {
            if price.operation == Operation::Speech && price.route.service.as_str() == "elevenlabs" {
                let a_second = NonZeroU32::new(1000).unwrap();
                let line =
                    PriceLine::from_decimal(Measure::AudioMs, 10.into(), a_second, price.unit).unwrap();
                let charge = Charge::lines([line]).unwrap();
                kc.prices().set(Price { charge, ..price }, PriceStart::Now, None).await.unwrap();
            }
        }
        for text in ["Xin chào các bạn của tôi", &"x".repeat(400)] {
            let (_, report) = run(&kc, text, 1).await;
            assert_eq!(report.job.total.charged().get(), 42, "{told:?}, {text:?}: 160 frames are 4.18 s");
        }
        let used = kc.reports().usage(&AttemptFilter { limit: 1, ..AttemptFilter::default() }).await.unwrap();
        assert_eq!(used[0].measured.counts.get(Measure::AudioMs), Some(4180), "{told:?}");
        kc.close().await;
    }
}
