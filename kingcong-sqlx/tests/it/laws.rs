//! The laws that every store keeps.

use std::sync::Arc;

use kingcong_core::{
    clock::Clock,
    store::{Store, conformance},
};
use kingcong_sqlx::{Options, SqlStore};

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
async fn every_law_is_kept_in_a_file() {
    let directory = tempfile::tempdir().unwrap();
    let number = std::sync::atomic::AtomicU32::new(0);
    conformance::all(|clock| {
        let number = number.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let url = format!("sqlite://{}", directory.path().join(format!("law-{number}.db")).display());
        async move { open(&url, clock).await }
    })
    .await;
}
