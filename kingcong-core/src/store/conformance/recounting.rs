//! Recounting a whole store after a law.

use crate::store::{Store, verify_rows};

/// Verifies everything in a store but the secrets, which laws do not seal.
///
/// # Panics
/// When a row does not agree with the others, or the store cannot be read.
pub async fn recount(store: &dyn Store) {
    let found = verify_rows(store).await.expect("the store can be read");
    let words: Vec<String> = found.discrepancies.iter().map(ToString::to_string).collect();
    assert!(found.is_sound(), "rows do not agree:\n{}", words.join("\n"));
}
