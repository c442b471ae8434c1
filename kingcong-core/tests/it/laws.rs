//! The in-memory store keeps every law that stores must keep.

use std::sync::Arc;

use kingcong_core::store::{MemoryStore, Store, conformance};

#[tokio::test]
async fn the_memory_store_keeps_every_law() {
    conformance::all(|clock| async { Arc::new(MemoryStore::with_clock(clock)) as Arc<dyn Store> }).await;
}
