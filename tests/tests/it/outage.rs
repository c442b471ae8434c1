//! A database that vanishes while the library works, and comes back: what is asked meanwhile fails in a way that says
//! to try again, what runs at the upstreams is not lost, and everything goes on.

use std::{num::NonZeroU16, sync::Arc, time::Duration};

use kingcong_core::{
    JobHandle, KingCong, NewKey, Preset, Request, Settings,
    access::Scope,
    engine::JobEvent,
    routing::BaseUrl,
    store::{AttemptFilter, PAGE_MAX, Store},
    vault::{KeyBytes, StaticMasterKey},
    work::{AttemptState, JobState},
};
use kingcong_servers::Server;
use kingcong_sqlx::SqlStore;
use kingcong_tests::upstreams::{Pace, Upstreams};

pub(crate) const USER: &str = "an";
/// How long work takes upstream, by the simulator's time.
const WORK: Duration = Duration::from_secs(60);
/// How long the database is away: longer than what is silent is taken for alive.
const AWAY: Duration = Duration::from_secs(4);

/// The library on a database and these upstreams.
pub(crate) async fn open(url: &str, upstreams: &Upstreams) -> (KingCong, Arc<dyn Store>) {
    let mut preset = Preset::kingcong().unwrap();
    for (id, server) in &mut preset.configuration().system.servers {
        server.base_url = BaseUrl::new(upstreams.server(id.as_str()).unwrap().url()).unwrap();
    }
    let store: Arc<dyn Store> = Arc::new(SqlStore::connect(url).await.unwrap());
    let settings = Settings {
        dead_after: Duration::from_secs(2),
        poll_interval: Duration::from_millis(100),
        pulse_interval: Duration::from_millis(100),
        ..Settings::default()
    };
    let builder = KingCong::builder().preset(preset).shared_store(Arc::clone(&store)).settings(settings);
    let builder = builder.providers(kingcong_http::Upstreams::all().unwrap());
    let kc = builder.master_key(StaticMasterKey::new(KeyBytes::new(&[7; 32]))).start().await.unwrap();
    (kc, store)
}

pub(crate) fn request(name: &str) -> Request {
    let text: String = (1..=4).map(|task| format!("{name}, câu {task}. ")).collect();
    let request = Request::speech(USER, text).service("elevenlabs").voice("21m00Tcm4TlvDq8ikWAM");
    request.pieces(NonZeroU16::new(4).unwrap()).idempotency_key(name)
}

/// Waits until all tasks of the job run upstream, and the store knows under which ids.
async fn runs(kc: &KingCong, store: &Arc<dyn Store>, job: &JobHandle) {
    let filter = AttemptFilter { job: Some(job.id()), limit: PAGE_MAX, ..AttemptFilter::default() };
    loop {
        let attempts = store.attempts(&Scope::All, &filter).await.unwrap();
        let accepted = |state: &AttemptState| matches!(state, AttemptState::Accepted { .. });
        if attempts.iter().filter(|attempt| accepted(&attempt.state)).count() == 4 {
            return;
        }
        kc.pulse().await.unwrap();
    }
}

async fn a_vanished_database_is_waited_for(mut server: Server) {
    let upstreams = Upstreams::start().await.unwrap();
    for name in ["ai33", "ai84"] {
        upstreams.server(name).unwrap().set_pace(Pace::fixed(WORK));
    }
    let url = server.fresh_database().unwrap();
    let (kc, store) = open(&url, &upstreams).await;
    // Another process, whose heartbeat will be as old as the first one's.
    let (other, _) = open(&url, &upstreams).await;
    for name in ["ai33", "ai84"] {
        for secret in upstreams.server(name).unwrap().secrets() {
            kc.keys().add(NewKey::shared(name, "elevenlabs", secret)).await.unwrap();
        }
    }
    kc.wallets().purchase(USER, "package-1", "order-1").await.unwrap();
    let before = kc.submit(request("before")).await.unwrap();
    runs(&kc, &store, &before).await;
    let mut events = before.events().await.unwrap();
    let waiting = tokio::spawn(async move {
        while let Some(event) = events.next().await {
            if let JobEvent::Ended { state, .. } = event {
                return Some(state);
            }
        }
        None
    });

    tokio::task::block_in_place(|| server.kill()).unwrap();
    for kc in [&kc, &other] {
        let error = kc.submit(request("meanwhile")).await.unwrap_err();
        assert!(error.is_retryable(), "{error}");
        assert!(kc.job(before.id()).status().await.unwrap_err().is_retryable());
        assert!(kc.wallets().get(USER).await.unwrap_err().is_retryable());
    }
    // The upstreams go on, and the results come while there is nowhere to write them.
    upstreams.advance(WORK);
    tokio::time::sleep(AWAY).await;
    assert!(!waiting.is_finished(), "nothing can have been settled");
    tokio::task::block_in_place(|| server.restart()).unwrap();

    assert_eq!(waiting.await.unwrap(), Some(JobState::Completed));
    let report = before.status().await.unwrap();
    assert!(report.tasks.iter().all(|task| task.attempts == 1), "each was sent once: {report:?}");
    for name in ["ai33", "ai84"] {
        upstreams.server(name).unwrap().set_pace(Pace::Polls(0));
    }
    let meanwhile = other.submit(request("meanwhile")).await.unwrap();
    assert_eq!(kc.submit(request("meanwhile")).await.unwrap().id(), meanwhile.id());
    let report = meanwhile.wait().await.unwrap();
    assert_eq!(report.job.state, JobState::Completed);

    let texts: Vec<u64> = upstreams.servers().iter().flat_map(|server| server.made().into_values()).collect();
    assert_eq!(texts, [1; 8], "every text was made once");
    let charged =
        i64::try_from("before, câu 1. ".chars().count() * 4 + "meanwhile, câu 1. ".chars().count() * 4);
    let wallet = kc.wallets().get(USER).await.unwrap();
    assert_eq!((wallet.total_spent.get(), wallet.held.get()), (charged.unwrap(), 0));
    let verification = kc.verify().await.unwrap();
    assert!(verification.is_sound(), "{:?}", verification.discrepancies);
    kc.close().await;
    other.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_postgres_server_that_vanishes_is_waited_for_and_nothing_is_lost() {
    a_vanished_database_is_waited_for(Server::postgres().unwrap()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mariadb_server_that_vanishes_is_waited_for_and_nothing_is_lost() {
    a_vanished_database_is_waited_for(Server::mariadb().unwrap()).await;
}
