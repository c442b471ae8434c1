//! Archiving: attempts and entries of long ago move out of the database into files.
//!
//! A chunk of rows is read, written to a file as lines of JSON and made durable there; only then is it deleted, in one
//! transaction. A crash in between leaves the rows in both places: what is archived twice is the same, and nothing is
//! lost. Entries leave only after they have been recounted, and what they add up to stays in the database as the
//! wallet's [`OpeningBalance`], so that `verify()` still explains every balance.

use std::{
    fs::{self, File},
    io::{self, Write as _},
    path::{Path, PathBuf},
};

use kingcong_core::{
    clock::Timestamp,
    id::{AttemptId, WalletId},
    ledger::{OpeningBalance, Wallet},
    store::{StoreError, StoreErrorKind, verify_entries},
    work::{Attempt, AttemptState, Ending},
};
use serde_json::{Map, Value};
use uuid::Uuid;

use crate::{
    SqlStore,
    cell::{Cell, Gives},
    private, read,
    rows::EntryRow,
    session::{Script, Transaction, load, select},
    store::unstoppable,
    table::{Deed, Record, Written as _},
};

/// Rows that move at once: their transaction stays short.
const CHUNK_ROWS: u32 = 500;
/// Archives of one instant in one folder.
const FILES_MAX: u32 = 10_000;

/// What was archived.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Archived {
    /// Attempts that are in the file and no longer in the database.
    pub attempts: u64,
    /// Ledger entries that are.
    pub entries: u64,
    /// The file; none when there was nothing to archive.
    pub file: Option<PathBuf>,
}

impl SqlStore {
    /// Moves attempts of jobs that ended before an instant, and ledger entries that were made before it, into a new
    /// file in `folder`, while work goes on. Jobs, tasks, holds, results and idempotency keys stay.
    ///
    /// The file has a JSON object a line: the row's columns, and its `table`. Rows may be in several files when an
    /// earlier call was interrupted; they are the same in all. Such a call may leave the last line of its file
    /// incomplete: its rows are still in the database.
    ///
    /// # Errors
    /// When the folder cannot be written, the store fails, or entries do not add up (run `verify()`). What was
    /// archived until then stays so; call it again.
    pub async fn archive(&self, before: Timestamp, folder: impl AsRef<Path>) -> Result<Archived, StoreError> {
        let store = self.clone();
        let mut archive = Archive { folder: folder.as_ref().to_owned(), before, open: None };
        unstoppable(async move {
            let attempts = store.archive_attempts(&mut archive).await?;
            let entries = store.archive_entries(&mut archive).await?;
            Ok(Archived { attempts, entries, file: archive.open.map(|(_, path)| path) })
        })
        .await
    }

    async fn archive_attempts(&self, archive: &mut Archive) -> Result<u64, StoreError> {
        let sql = format!(
            "SELECT {} FROM kingcong_attempts a JOIN kingcong_jobs j ON j.id = a.job \
             WHERE a.id > ? AND a.id < ? AND a.open_worker IS NULL AND a.ended_at < ? AND j.finished_at < ? \
             ORDER BY a.id LIMIT ?",
            Attempt::TABLE.read_columns("a.")
        );
        let (mut after, end) = (Uuid::nil(), AttemptId::first_at(archive.before).as_uuid());
        let mut archived = 0;
        loop {
            let bounds = [Cell::from(after), end.into(), archive.before.into(), archive.before.into()];
            let cells = bounds.into_iter().chain([CHUNK_ROWS.into()]).collect();
            let rows = self.reader().await?.fetch(Gives::Record(Attempt::TABLE), sql.clone(), cells).await?;
            let attempts: Vec<Attempt> =
                rows.into_iter().map(|row| row.read(Attempt::read)).collect::<Result<_, _>>()?;
            let Some(last) = attempts.last() else { return Ok(archived) };
            after = last.id.as_uuid();
            archive.write(&attempts).await?;
            let mut script = Script::default();
            for attempt in &attempts {
                let (id, job) = (attempt.id.as_uuid(), attempt.job.as_uuid());
                // What a task does not count is not counted here either.
                if attempt.state != AttemptState::Ended(Ending::NotSent) {
                    // The first waits for another process that archives the same; the second sees what it left.
                    let locked =
                        "UPDATE kingcong_jobs SET archived_attempts = archived_attempts WHERE id = ?";
                    let counted = "UPDATE kingcong_jobs SET archived_attempts = archived_attempts + 1 \
                         WHERE id = ? AND EXISTS (SELECT 1 FROM kingcong_attempts WHERE id = ?)";
                    script.add(locked, vec![job.into()]);
                    script.add(counted, vec![job.into(), id.into()]);
                }
                script.add("DELETE FROM kingcong_attempts WHERE id = ?", vec![id.into()]);
            }
            let mut between = self.between_batches().await?;
            let done = between.transaction.run(script).await;
            between.end(done).await?;
            archived += attempts.len() as u64;
        }
    }

    async fn archive_entries(&self, archive: &mut Archive) -> Result<u64, StoreError> {
        let mut after = Uuid::nil();
        let mut archived = 0;
        loop {
            let sql = "SELECT id FROM kingcong_credits WHERE id > ? ORDER BY id LIMIT ?".to_owned();
            let cells = vec![after.into(), CHUNK_ROWS.into()];
            let rows = self.reader().await?.fetch(Gives::Named(Wallet::NAME), sql, cells).await?;
            let wallets: Vec<Uuid> =
                rows.into_iter().map(|row| row.read(|row| row.uuid("id"))).collect::<Result<_, _>>()?;
            let Some(last) = wallets.last() else { return Ok(archived) };
            after = *last;
            for wallet in wallets {
                archived += self.archive_wallet(WalletId::from_uuid(wallet), archive).await?;
            }
        }
    }

    /// Archives the entries of one wallet from the first on: those that are kept have no gap.
    async fn archive_wallet(&self, wallet: WalletId, archive: &mut Archive) -> Result<u64, StoreError> {
        let mut archived = 0;
        loop {
            let mut session = self.reader().await?;
            session.begin_view().await?;
            let opening = read::opening(&mut *session, wallet).await?;
            let cells = vec![wallet.as_uuid().into(), CHUNK_ROWS.into()];
            let rest = "WHERE wallet = ? ORDER BY number LIMIT ?";
            let mut rows: Vec<EntryRow> = select(&mut *session, rest, cells).await?;
            session.end_view().await?;
            let before = archive.before;
            let old = rows.iter().position(|row| row.entry.at >= before).unwrap_or(rows.len());
            rows.truncate(old);
            if rows.is_empty() {
                return Ok(archived);
            }
            let entries: Vec<_> = rows.iter().map(|row| row.entry.clone()).collect();
            let next = verify_entries(&opening, &entries).map_err(|found| {
                let first = found.first().map(ToString::to_string).unwrap_or_default();
                let message = format!("entries that do not add up are not archived ({first}): run verify()");
                StoreError::new(StoreErrorKind::Corrupt, message)
            })?;
            archive.write(&rows).await?;
            let mut between = self.between_batches().await?;
            let moved = move_opening(&mut *between.transaction, &opening, &next).await;
            between.end(moved).await?;
            archived += rows.len() as u64;
        }
    }
}

/// Deletes the entries between two openings of a wallet, unless another process has.
async fn move_opening(
    transaction: &mut dyn Transaction,
    from: &OpeningBalance,
    to: &OpeningBalance,
) -> Result<(), StoreError> {
    let mut script = Script::default();
    script.insert(Deed::InsertIfAbsent, [&OpeningBalance::new(from.wallet)]);
    transaction.run(script).await?;
    let found: Vec<OpeningBalance> = load(transaction, vec![from.wallet.as_uuid().into()]).await?;
    if found.first() != Some(from) {
        let message = format!("another process archives wallet {}: let one do it", from.wallet);
        return Err(StoreError::new(StoreErrorKind::Unavailable, message));
    }
    let mut script = Script::default();
    script.update([to]);
    script.add(
        "DELETE FROM kingcong_transactions WHERE wallet = ? AND number <= ?",
        vec![to.wallet.as_uuid().into(), Cell::unsigned(to.number)],
    );
    transaction.run(script).await
}

/// The file that is written to, made when there is something to write.
struct Archive {
    folder: PathBuf,
    before: Timestamp,
    open: Option<(File, PathBuf)>,
}

impl Archive {
    /// Writes rows, and waits until they are durable.
    async fn write<R: Record>(&mut self, records: &[R]) -> Result<(), StoreError> {
        let mut lines = Vec::new();
        for record in records {
            serde_json::to_writer(&mut lines, &object(record)).expect("JSON values are written to memory");
            lines.push(b'\n');
        }
        let (open, folder, before) = (self.open.take(), self.folder.clone(), self.before);
        let written = tokio::task::spawn_blocking(move || {
            let (mut file, path) = match open {
                Some(open) => open,
                None => create(&folder, before)?,
            };
            file.write_all(&lines)?;
            file.sync_data()?;
            Ok::<_, io::Error>((file, path))
        });
        let failed = |source: Box<dyn std::error::Error + Send + Sync>| {
            let message = format!("the archive in {} cannot be written", self.folder.display());
            StoreError::new(StoreErrorKind::Unusable, message).caused_by(source)
        };
        match written.await {
            Ok(Ok(open)) => self.open = Some(open),
            Ok(Err(error)) => return Err(failed(error.into())),
            Err(stopped) => return Err(failed(stopped.into())),
        }
        Ok(())
    }
}

/// A new file in the folder, which is made when it is not there.
fn create(folder: &Path, before: Timestamp) -> io::Result<(File, PathBuf)> {
    fs::create_dir_all(folder)?;
    for number in 1..=FILES_MAX {
        let path = folder.join(format!("kingcong-before-{}-{number}.jsonl", before.as_micros()));
        match private::make(&path) {
            Ok(file) => {
                // The name must be as durable as what is written under it.
                #[cfg(unix)]
                File::open(folder)?.sync_all()?;
                return Ok((file, path));
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
    Err(io::Error::new(io::ErrorKind::AlreadyExists, "the folder has too many archives of that instant"))
}

/// A row as an object: its columns by name.
fn object<R: Record>(record: &R) -> Map<String, Value> {
    let mut cells = Vec::new();
    record.put(Deed::Insert, &mut cells);
    // Mirrors come last, and are left out.
    let columns = R::TABLE.read().zip(cells);
    let mut object: Map<String, Value> =
        columns.map(|(column, cell)| (column.name.to_owned(), value(cell))).collect();
    object.insert("table".to_owned(), R::NAME.into());
    object
}

fn value(cell: Cell) -> Value {
    match cell {
        Cell::Null => Value::Null,
        Cell::Int(number) => number.into(),
        Cell::Id(bytes) => Uuid::from_bytes(bytes).to_string().into(),
        Cell::Bytes(bytes) => bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>().into(),
        Cell::Text(text) => text.into(),
        Cell::Word(word) => word.into(),
    }
}
