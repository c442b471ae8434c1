//! What upstreams refuse and cannot hand over, over real HTTP: the right one bears it, and nothing is bought twice
//! without a record.

use std::{num::NonZeroU16, sync::Arc};

use kingcong_core::{
    Error, Request, RetryError,
    engine::{JobEvent, JobResult},
    keys::KeyStatus,
    store::{AttemptFilter, MemoryStore},
    work::JobState,
};
use kingcong_tests::upstreams::{
    DownloadFault, ElevenLabsErrors, Faults, PollFault, Refusal, SubmitFault, Upstreams, elevenlabs_error,
};
use serde_json::json;

use crate::bad_upstream::{add_keys, end, open, submit};

#[tokio::test(flavor = "multi_thread")]
async fn a_result_that_cannot_be_fetched_is_made_again_once_at_most_and_says_so() {
    let upstreams = Upstreams::start().await.unwrap();
    let kc = open(&upstreams, Arc::new(MemoryStore::new())).await;
    let ai33 = upstreams.ai33();
    add_keys(&kc, &ai33).await;

    // Two tries find it missing: the third has it, under the same upstream id.
    ai33.next_download(DownloadFault::Missing);
    ai33.next_download(DownloadFault::Expired);
    assert_eq!(end(&kc, &submit(&kc, 1).await).await, 1);
    assert_eq!(ai33.made().into_values().collect::<Vec<_>>(), [1], "it was made once");

    ai33.set_faults(Faults::seeded(1).on_download(1000, DownloadFault::Missing));
    let jobs = submit(&kc, 1).await;
    assert_eq!(end(&kc, &jobs).await, 0);
    let report = jobs[0].status().await.unwrap();
    assert!(report.tasks[0].attempts <= 2, "{report:?}");
    let filter = AttemptFilter { job: Some(jobs[0].id()), limit: 10, ..AttemptFilter::default() };
    let errors = kc.reports().errors(filter).await.unwrap();
    let errors = format!("{errors:?}");
    assert!(errors.contains("the result at 127.0.0.1"), "{errors}");
    assert!(errors.contains("could not be fetched: the result's server answers 404"), "{errors}");
    kc.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_failed_of_a_job_is_retried_once_its_upstream_is_well_and_nothing_else_is_bought() {
    let upstreams = Upstreams::start().await.unwrap();
    let kc = open(&upstreams, Arc::new(MemoryStore::new())).await;
    let ai33 = upstreams.ai33();
    add_keys(&kc, &ai33).await;
    ai33.next_submit(SubmitFault::Refuse(Refusal::Moderated));
    let request = Request::speech("an", "One apple. Two pears. Three plums.")
        .service("elevenlabs")
        .voice("21m00Tcm4TlvDq8ikWAM")
        .pieces(NonZeroU16::new(3).unwrap());
    let job = kc.submit(request).await.unwrap();
    let failed = job.wait().await.unwrap();
    assert_eq!((failed.job.state, failed.job.failed_tasks), (JobState::CompletedWithFailures, 1));
    assert_eq!(ai33.made().len(), 2);

    let mut events = None;
    let again = job.retry("second try", None).await.unwrap();
    if !again.job.state.is_final() {
        events = job.events().await.ok();
    }
    let done = job.wait().await.unwrap();
    assert_eq!((done.job.state, done.job.retries), (JobState::Completed, 1));
    assert_eq!(ai33.made().into_values().collect::<Vec<_>>(), [1, 1, 1], "each piece was made once");
    let charged: i64 = done.tasks.iter().map(|task| task.task.charged.get()).sum();
    assert_eq!((charged, done.job.total.charged().get()), (34, 34));
    assert_eq!(done.balance.get(), failed.balance.get() + failed.job.total.charged().get() - charged);
    for (before, after) in failed.tasks.iter().zip(&done.tasks).filter(|(_, after)| after.task.attempts == 1)
    {
        assert_eq!(before.task, after.task);
    }
    let JobResult::Speech { audio, duration_ms, .. } = job.result().await.unwrap() else {
        panic!("no speech")
    };
    assert!(!audio.is_empty() && duration_ms > 0);
    while let Some(events) = &mut events
        && let Some(event) = events.next().await
    {
        assert!(!matches!(event, JobEvent::Ended { state, .. } if state != JobState::Completed), "{event:?}");
    }
    assert_eq!(job.retry("second try", None).await.unwrap().job, done.job, "the same key, the same answer");
    let refused = job.retry("third try", None).await.unwrap_err();
    assert!(matches!(refused, Error::Retry { reason: RetryError::State { .. }, .. }), "{refused}");
    assert!(kc.verify().await.unwrap().is_sound());
    kc.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_plan_forbids_fails_that_request_and_no_key() {
    let upstreams = Upstreams::start().await.unwrap();
    let kc = open(&upstreams, Arc::new(MemoryStore::new())).await;
    let ai33 = upstreams.ai33();
    add_keys(&kc, &ai33).await;
    let keys = kc.keys().list().await.unwrap().len();
    for refusal in [
        Refusal::Forbidden,
        elevenlabs_error(ElevenLabsErrors::Newer, 403, "voice_access_denied"),
        Refusal::Verbatim {
            status: 403,
            body: json!({"success": false, "message": "this voice is not allowed for your plan"}),
            retry_after_s: None,
        },
    ] {
        for _ in 0..keys.min(3) {
            ai33.next_submit(SubmitFault::Refuse(refusal.clone()));
        }
        assert_eq!(end(&kc, &submit(&kc, 1).await).await, 0, "it fails");
        let listed = kc.keys().list().await.unwrap();
        assert!(listed.iter().all(|key| key.status == KeyStatus::Active), "{listed:?}");
        assert_eq!(end(&kc, &submit(&kc, 1).await).await, 1, "others are served");
    }
    kc.monitor().await.unwrap();
    assert_eq!(end(&kc, &submit(&kc, 1).await).await, 1);
    kc.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_moment_in_which_everybody_is_refused_fails_nothing() {
    let upstreams = Upstreams::start().await.unwrap();
    let kc = open(&upstreams, Arc::new(MemoryStore::new())).await;
    let ai33 = upstreams.ai33();
    add_keys(&kc, &ai33).await;
    for _ in 0..9 {
        ai33.next_submit(SubmitFault::Refuse(Refusal::Unauthorized));
    }
    let jobs = submit(&kc, 6).await;
    assert_eq!(end(&kc, &jobs).await, 6);
    for job in &jobs {
        assert_eq!(job.status().await.unwrap().job.state, JobState::Completed);
    }
    let listed = kc.keys().list().await.unwrap();
    assert!(listed.iter().all(|key| key.is_usable()), "{listed:?}");
    kc.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_in_a_private_network_is_asked_about_again() {
    let upstreams = Upstreams::start().await.unwrap();
    let kc = open(&upstreams, Arc::new(MemoryStore::new())).await;
    let ai33 = upstreams.ai33();
    add_keys(&kc, &ai33).await;
    let body =
        json!({"id": "t", "status": "done", "metadata": {"audio_url": "http://169.254.169.254/a.mp3"}});
    ai33.next_poll(PollFault::Refuse(Refusal::Verbatim { status: 200, body, retry_after_s: None }));
    assert_eq!(end(&kc, &submit(&kc, 1).await).await, 1);
    assert_eq!(ai33.made().into_values().collect::<Vec<_>>(), [1], "it was made once");
    kc.close().await;
}
