//! Verifying a whole store, in pages, each read at one instant.

use super::{
    Discrepancy, DiscrepancyKind, RowId, verify_answer, verify_entries, verify_job, verify_key, verify_limit,
    verify_pool, verify_wallet,
};
use crate::store::{PAGE_MAX, Store, StoreError, StoreErrorKind, WalletBook};

/// Wallets, jobs or idempotency keys that are read at once.
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
    /// How many rows do not agree with others, or cannot be read; 0 when all is well.
    pub found: u64,
    /// Which: the first [`Verification::DISCREPANCIES_MAX`] of them.
    pub discrepancies: Vec<Discrepancy>,
}

impl Verification {
    /// Most discrepancies that are told one by one.
    pub const DISCREPANCIES_MAX: usize = 1_000;

    /// Whether everything agrees.
    #[must_use]
    pub const fn is_sound(&self) -> bool {
        self.found == 0
    }

    /// Counts discrepancies, and keeps the first ones.
    pub fn add(&mut self, found: impl IntoIterator<Item = Discrepancy>) {
        for discrepancy in found {
            self.found += 1;
            if self.discrepancies.len() < Self::DISCREPANCIES_MAX {
                self.discrepancies.push(discrepancy);
            }
        }
    }

    /// Rows that were read; none where one of them cannot be, which is a discrepancy by itself.
    pub(crate) fn rows<T: Default>(&mut self, read: Result<T, StoreError>) -> Result<T, StoreError> {
        match read {
            Err(error) if error.kind == StoreErrorKind::Corrupt => {
                if self.is_sound() {
                    self.add([unreadable(error.message)]);
                }
                Ok(T::default())
            }
            other => other,
        }
    }
}

/// A walk over rows in the order of their ids, in pages.
struct Walk<K> {
    after: Option<K>,
    page: u32,
}

impl<K: Copy> Walk<K> {
    const fn new() -> Self {
        Self { after: None, page: CHUNK }
    }

    /// The rows of a page with their ids. Where one cannot be read, the walk goes row by row, and leaves it out; `None`
    /// after the last page. An empty page is no end.
    async fn step<T>(
        &mut self,
        found: &mut Verification,
        read: Result<Vec<T>, StoreError>,
        id: impl Fn(&T) -> K,
        next: impl Future<Output = Result<Option<K>, StoreError>>,
    ) -> Result<Option<Vec<T>>, StoreError> {
        match read {
            Ok(rows) => {
                let Some(last) = rows.last() else { return Ok(None) };
                (self.after, self.page) = (Some(id(last)), CHUNK);
                Ok(Some(rows))
            }
            Err(error) if error.kind == StoreErrorKind::Corrupt => {
                if found.is_sound() {
                    found.add([unreadable(error.message)]);
                }
                if self.page > 1 {
                    self.page = 1;
                    return Ok(Some(Vec::new()));
                }
                self.after = match found.rows(next.await)? {
                    Some(next) => Some(next),
                    None => return Ok(None),
                };
                Ok(Some(Vec::new()))
            }
            Err(error) => Err(error),
        }
    }
}

fn unreadable(found: String) -> Discrepancy {
    let expected = "a row as KingCong writes it".to_owned();
    Discrepancy { kind: DiscrepancyKind::Damaged, row: RowId::new("", ""), column: "", found, expected }
}

/// Verifies the rows of a store, and leaves secrets sealed.
///
/// # Errors
/// When the store fails.
pub async fn verify_rows(store: &dyn Store) -> Result<Verification, StoreError> {
    let mut found = Verification::default();
    store.damaged_rows(&mut found).await?;
    wallets(store, &mut found).await?;
    jobs(store, &mut found).await?;
    answers(store, &mut found).await?;
    keys(store, &mut found).await?;
    Ok(found)
}

async fn wallets(store: &dyn Store, found: &mut Verification) -> Result<(), StoreError> {
    let mut walk = Walk::new();
    loop {
        let (read, next) = (store.wallet_books(walk.after, walk.page).await, store.next_wallet(walk.after));
        let Some(books) = walk.step(found, read, |book| book.wallet.id, next).await? else { return Ok(()) };
        found.wallets += books.len() as u64;
        for book in books {
            let (id, is_long) = (book.wallet.id, book.entries.len() >= PAGE_MAX as usize);
            let mut wrong = wallet(store, book).await?;
            if is_long && !wrong.is_empty() {
                // Its entries were read at several instants, and may have been archived in between.
                wrong = match store.wallet_book(id, 0).await? {
                    Some(book) => wallet(store, book).await?,
                    None => Vec::new(),
                };
            }
            found.add(wrong);
        }
    }
}

/// Recounts a wallet, page by page of its entries.
async fn wallet(store: &dyn Store, mut book: WalletBook) -> Result<Vec<Discrepancy>, StoreError> {
    while book.entries.len() >= PAGE_MAX as usize {
        let opening = match verify_entries(&book.opening, &book.entries) {
            Ok(opening) => opening,
            Err(discrepancies) => return Ok(discrepancies),
        };
        match store.wallet_book(book.wallet.id, opening.number).await {
            Ok(Some(next)) => book = WalletBook { opening, ..next },
            Ok(None) => return Ok(Vec::new()),
            // What cannot be read was told of by itself.
            Err(error) if error.kind == StoreErrorKind::Corrupt => {
                return Ok(vec![unreadable(error.message)]);
            }
            Err(error) => return Err(error),
        }
    }
    Ok(verify_wallet(&book))
}

async fn jobs(store: &dyn Store, found: &mut Verification) -> Result<(), StoreError> {
    let mut walk = Walk::new();
    loop {
        let (read, next) = (store.job_books(walk.after, walk.page).await, store.next_job(walk.after));
        let Some(books) = walk.step(found, read, |book| book.job.id, next).await? else { return Ok(()) };
        found.jobs += books.len() as u64;
        found.add(books.iter().flat_map(verify_job));
    }
}

async fn answers(store: &dyn Store, found: &mut Verification) -> Result<(), StoreError> {
    let mut walk = Walk::new();
    loop {
        let (read, next) = (store.answer_books(walk.after, walk.page).await, store.next_answer(walk.after));
        let Some(books) = walk.step(found, read, |book| book.row.key, next).await? else { return Ok(()) };
        found.add(books.iter().flat_map(verify_answer));
    }
}

/// Limits, pools and keys.
async fn keys(store: &dyn Store, found: &mut Verification) -> Result<(), StoreError> {
    let counts = found.rows(store.limits().await)?;
    found.limits = counts.len() as u64;
    found.add(counts.iter().flat_map(verify_limit));
    let pools = found.rows(store.pool_counts().await)?;
    found.add(pools.iter().flat_map(verify_pool));
    let keys = found.rows(store.key_books().await)?;
    found.add(keys.iter().flat_map(verify_key));
    Ok(())
}
