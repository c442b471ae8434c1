//! The laws that every store keeps.

use std::sync::Arc;

use kingcong_core::{
    clock::Clock,
    store::{Store, conformance},
};
use kingcong_sqlx::{Options, SqlStore};

use crate::several::Several;

/// How many processes the laws are checked with.
const PROCESSES: usize = 4;

async fn open(url: &str, clock: Arc<dyn Clock>) -> Arc<dyn Store> {
    let mut options = Options::default();
    options.clock = Some(clock);
    Arc::new(SqlStore::connect_with(url, options).await.unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn every_law_is_kept_in_memory() {
    conformance::all(|clock| open("sqlite::memory:", clock)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_law_is_kept_by_several_processes_on_one_file() {
    let directory = tempfile::tempdir().unwrap();
    let number = std::sync::atomic::AtomicU32::new(0);
    conformance::all(|clock| {
        let number = number.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let url = format!("sqlite://{}", directory.path().join(format!("law-{number}.db")).display());
        async move {
            let mut stores = Vec::new();
            for _ in 0..PROCESSES {
                stores.push(open(&url, Arc::clone(&clock)).await);
            }
            Arc::new(Several(stores)) as Arc<dyn Store>
        }
    })
    .await;
}
