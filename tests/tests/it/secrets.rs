//! A key's text stays where it belongs: on its way to its upstream, and nowhere else.

use std::{error::Error as _, io, sync::Arc};

use kingcong_core::store::{AttemptFilter, JobFilter};
use kingcong_sqlx::SqlStore;
use kingcong_tests::upstreams::{
    Account, PollFault, Refusal, ServerSettings, Settings, SubmitFault, Upstreams,
};
use parking_lot::Mutex;
use serde_json::{Value, json};

use crate::bad_upstream::{add_keys, end, open, submit};

/// A secret that occurs nowhere else, and the part of it that no mask shows.
const CANARY: &str = "sk-c-canary-in-the-mine-0123456789-tail";
const HIDDEN: &str = "canary-in-the-mine-0123456789";
const MASK: &str = "sk-c…tail";

/// Everything that is traced.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn assert_silent(what: &str, bytes: &[u8]) {
    let found = bytes.windows(HIDDEN.len()).any(|window| window == HIDDEN.as_bytes());
    assert!(!found, "{what} has the secret: {}", String::from_utf8_lossy(&bytes[..bytes.len().min(2000)]));
}

fn chain(error: &kingcong_core::Error) -> String {
    let mut text = format!("{error} {error:?}");
    let mut source = error.source();
    while let Some(error) = source {
        text.push_str(&format!(" {error} {error:?}"));
        source = error.source();
    }
    text
}

fn echo(status: u16, body: Value) -> Refusal {
    Refusal::Verbatim { status, body, retry_after_s: None }
}

#[tokio::test]
async fn a_secret_shows_nowhere_but_to_its_upstream() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_ansi(false)
        .with_writer(move || writer.clone())
        .finish();
    // One thread runs everything, so that this hears it all.
    let _guard = tracing::subscriber::set_default(subscriber);

    // AI33 knows this key alone: whatever it echoes is the key that it was sent.
    let account = Account::new("a", 1_000_000).key("canary", CANARY);
    let settings = Settings { ai33: ServerSettings::ai33().with_accounts([account]), ..Settings::default() };
    let upstreams = Upstreams::start_with(settings).await.unwrap();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("kingcong.db");
    let store = SqlStore::connect(&format!("sqlite://{}", path.display())).await.unwrap();
    let kc = open(&upstreams, Arc::new(store.clone())).await;
    let (ai33, ai84) = (upstreams.ai33(), upstreams.ai84());
    add_keys(&kc, &ai33).await;
    add_keys(&kc, &ai84).await;
    let canary = kc.keys().list().await.unwrap().into_iter().find(|key| key.mask == MASK).unwrap();

    let page = format!("<html><body>xi-api-key: {CANARY}</body></html>");
    for refusal in [
        echo(500, json!({"message": format!("{CANARY} broke")})),
        echo(502, json!(page)),
        echo(200, json!({"success": false, "error": CANARY})),
        echo(400, json!({CANARY: [CANARY]})),
        echo(400, json!({"message": format!("no {CANARY}")})),
    ] {
        ai33.next_submit(SubmitFault::Refuse(refusal));
    }
    ai33.next_poll(PollFault::Refuse(echo(500, json!({"detail": {"message": CANARY}}))));
    ai33.next_submit(SubmitFault::Refuse(Refusal::Unauthorized));
    ai33.next_submit(SubmitFault::Refuse(echo(401, json!({"message": format!("bad key {CANARY}")}))));
    let jobs = submit(&kc, 14).await;
    end(&kc, &jobs).await;
    assert!(ai33.counters().refused >= 7, "every echo was heard: {:?}", ai33.counters());
    ai33.kill_key(CANARY);
    let jobs_after = submit(&kc, 4).await;
    end(&kc, &jobs_after).await;
    let checked = kc.keys().check(canary.id).await;

    let mut seen = vec![format!("{kc:?} {checked:?} {canary:?}")];
    for job in jobs.iter().chain(&jobs_after) {
        seen.push(format!("{:?}", job.status().await));
        if let Err(error) = job.result().await {
            seen.push(chain(&error));
        }
    }
    let again = kingcong_core::NewKey::shared("ai33", "elevenlabs", CANARY);
    seen.push(format!("{again:?}"));
    seen.push(chain(&kc.keys().add(again).await.unwrap_err()));
    seen.push(chain(
        &kc.keys().add(kingcong_core::NewKey::shared("nope", "minimax", CANARY)).await.unwrap_err(),
    ));
    seen.push(chain(
        &kc.keys()
            .add(kingcong_core::NewKey::shared("ai33", "minimax", format!("{CANARY}\n")))
            .await
            .unwrap_err(),
    ));
    let every = AttemptFilter { limit: 1000, ..AttemptFilter::default() };
    seen.push(format!("{:?}", kc.keys().list().await.unwrap()));
    seen.push(format!("{:?}", kc.reports().errors(every.clone()).await.unwrap()));
    seen.push(format!("{:?}", kc.reports().usage(&every).await.unwrap()));
    seen.push(format!("{:?}", kc.of_all().reports().audit(None, 1000).await.unwrap()));
    seen.push(format!("{:?}", kc.config().get().await.unwrap()));
    seen.push(format!("{:?}", kc.status().await));
    seen.push(format!("{:?}", kc.jobs(&JobFilter { limit: 1000, ..JobFilter::default() }).await.unwrap()));
    seen.push(format!("{:?}", kc.voices().offered("ai33", "elevenlabs", None).await));
    for text in &seen {
        assert_silent("what can be asked", text.as_bytes());
    }
    assert!(seen.iter().any(|text| text.contains("[secret]")), "no upstream echoed the secret");
    assert!(kc.keys().list().await.unwrap().iter().any(|key| key.mask == MASK));

    // With the write-ahead log still there, and after it was folded in.
    for _ in 0..2 {
        let mut files = 0;
        for file in std::fs::read_dir(directory.path()).unwrap() {
            let file = file.unwrap().path();
            assert_silent(&file.display().to_string(), &std::fs::read(&file).unwrap());
            files += 1;
        }
        assert!(files >= 2, "the database and its queue");
        kc.close().await;
    }
    let log = log.0.lock();
    assert_silent("the log", &log);
    assert!(log.len() > 1000, "something was traced: {}", log.len());
    assert_eq!(upstreams.ai33().counters().keys_leaked, 0);
}
