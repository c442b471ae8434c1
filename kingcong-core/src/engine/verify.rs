//! Verification: every figure that is kept beside the rows that it sums up is counted again.

use super::KingCong;
use crate::{
    error::Error,
    store::{Discrepancy, verify_job, verify_limit, verify_wallet},
};

/// Wallets or jobs that are read at once.
const CHUNK: u32 = 100;

/// What verification found.
#[derive(Clone, Debug, Default)]
pub struct Verification {
    /// Wallets looked at.
    pub wallets: u64,
    /// Jobs looked at.
    pub jobs: u64,
    /// Limits looked at.
    pub limits: u64,
    /// What does not add up; empty when all is well.
    pub discrepancies: Vec<Discrepancy>,
}

impl Verification {
    /// Whether everything adds up.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        self.discrepancies.is_empty()
    }
}

impl KingCong {
    /// Counts wallets, holds, jobs and limits again, and compares. Reads in chunks, each at one instant, so it may
    /// run while work goes on.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn verify(&self) -> Result<Verification, Error> {
        let store = &self.inner.store;
        let mut found = Verification::default();
        let mut after = None;
        loop {
            let books = store.wallet_books(after, CHUNK).await?;
            let Some(last) = books.last() else { break };
            after = Some(last.wallet.id);
            found.wallets += books.len() as u64;
            found.discrepancies.extend(books.iter().flat_map(verify_wallet));
        }
        let mut after = None;
        loop {
            let books = store.job_books(after, CHUNK).await?;
            let Some(last) = books.last() else { break };
            after = Some(last.job.id);
            found.jobs += books.len() as u64;
            found.discrepancies.extend(books.iter().flat_map(verify_job));
        }
        let limits = store.limits().await?;
        found.limits = limits.len() as u64;
        found.discrepancies.extend(limits.iter().flat_map(verify_limit));
        Ok(found)
    }
}
