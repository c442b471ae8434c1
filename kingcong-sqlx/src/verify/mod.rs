//! What verification reads: rows with everything that should agree with them, in pages.

mod relations;
mod rows;

use std::collections::{BTreeMap, BTreeSet};

use kingcong_core::{
    id::{HoldId, JobId, TaskId, VoiceId, WalletId, WorkerId},
    keys::{Key, Limit, Pool, PoolId},
    ledger::{Entry, Hold, OpeningBalance, Wallet},
    store::{
        AnswerBook, IdempotencyRow, JobBook, KeyBook, OutputRow, PAGE_MAX, PoolCount, Remembered, StoreError,
        VoiceRow, WalletBook, Worker,
    },
    work::{Attempt, Job, Task},
};
pub(crate) use rows::damaged_rows;
use uuid::Uuid;

use crate::{
    cell::{Cell, Gives, Row},
    read::{Query, opening},
    rows::EntryRow,
    session::{Session, load, select},
    table::{Record, Written as _},
};

/// Tasks whose jobs are read at once, if those are several.
const BOOKS_TASKS_MAX: u64 = 5_000;

pub(crate) async fn pool_counts(session: &mut dyn Session) -> Result<Vec<PoolCount>, StoreError> {
    let sql = "SELECT pool, count(*) AS tasks FROM kingcong_tasks WHERE state = 'ready' GROUP BY pool \
         UNION ALL SELECT pool, count(*) FROM kingcong_tasks WHERE state = 'delayed' GROUP BY pool";
    let rows = session.fetch(Gives::Named(Pool::NAME), sql.to_owned(), Vec::new()).await?;
    let mut waiting: BTreeMap<PoolId, u64> = BTreeMap::new();
    for row in rows {
        let (pool, tasks) = row.read(|row| Ok((row.uuid_or_null("pool")?, row.number::<u64>("tasks")?)))?;
        if let Some(pool) = pool {
            *waiting.entry(PoolId::from_uuid(pool)).or_default() += tasks;
        }
    }
    let pools = select::<Pool>(session, "ORDER BY id", Vec::new()).await?;
    let count = |pool: Pool| PoolCount { waiting_tasks: waiting.get(&pool.id).copied().unwrap_or(0), pool };
    Ok(pools.into_iter().map(count).collect())
}

pub(crate) async fn key_books(session: &mut dyn Session) -> Result<Vec<KeyBook>, StoreError> {
    let (key, limit) = (Key::TABLE.read_columns("k."), Limit::TABLE.read_columns("l."));
    let sql = format!(
        "SELECT {key}, {limit} FROM kingcong_api_keys k JOIN kingcong_limits l ON l.id = k.id ORDER BY k.id"
    );
    let rows = session.fetch(Gives::Named(Key::NAME), sql, Vec::new()).await?;
    let read = |row: &mut Row| Ok(KeyBook { key: row.record()?, limit: row.record()? });
    // What cannot be read is told apart.
    Ok(rows.into_iter().filter_map(|row| row.read(read).ok()).collect())
}

/// The first row of a table behind another one, by the column `id`.
pub(crate) async fn next_row(
    session: &mut dyn Session,
    table: &'static str,
    after: Option<Cell>,
) -> Result<Option<Row>, StoreError> {
    let behind = if after.is_some() { "WHERE id > ?" } else { "" };
    let sql = format!("SELECT id FROM {table} {behind} ORDER BY id LIMIT 1");
    Ok(session.fetch(Gives::Named(table), sql, after.into_iter().collect()).await?.into_iter().next())
}

pub(crate) async fn wallet_books(
    session: &mut dyn Session,
    after: Option<WalletId>,
    limit: u32,
) -> Result<Vec<WalletBook>, StoreError> {
    let mut query = Query::default();
    if let Some(after) = after {
        query.and("id > ?", [after.as_uuid().into()]);
    }
    let (rest, cells) = query.page("id", limit);
    let wallets: Vec<Wallet> = select(session, &rest, cells).await?;
    if wallets.is_empty() {
        return Ok(Vec::new());
    }
    let Some(mut books) = together(session, &wallets).await? else {
        let mut books = Vec::new();
        for wallet in wallets {
            books.push(book_of(session, wallet, 0).await?);
        }
        return Ok(books);
    };
    Ok(wallets.into_iter().map(|wallet| books.take(wallet)).collect())
}

/// What wallets add up from, read for all of them together.
struct Together {
    openings: BTreeMap<WalletId, OpeningBalance>,
    entries: BTreeMap<WalletId, Vec<Entry>>,
    holds: BTreeMap<WalletId, Vec<Hold>>,
    charged: BTreeMap<WalletId, i128>,
}

/// None where there is more than a page of it.
async fn together(session: &mut dyn Session, wallets: &[Wallet]) -> Result<Option<Together>, StoreError> {
    let cells = || -> Vec<Cell> {
        let ids = wallets.iter().map(|wallet| wallet.id.as_uuid().into());
        ids.chain([(PAGE_MAX + 1).into()]).collect()
    };
    let marks = vec!["?"; wallets.len()].join(", ");
    let charged = format!(
        "SELECT h.wallet, j.charged FROM kingcong_holds h JOIN kingcong_jobs j ON j.id = h.job \
         WHERE h.wallet IN ({marks}) LIMIT ?"
    );
    let charged = session.fetch(Gives::Named(Hold::NAME), charged, cells()).await?;
    let rest = format!("WHERE wallet IN ({marks}) ORDER BY wallet, number LIMIT ?");
    let entries = entries_of(session, &rest, cells()).await?;
    let rest = format!("WHERE wallet IN ({marks}) AND closed_at IS NULL LIMIT ?");
    let holds: Vec<Hold> = select(session, &rest, cells()).await?;
    if [charged.len(), entries.len(), holds.len()].iter().any(|rows| *rows > PAGE_MAX as usize) {
        return Ok(None);
    }
    let openings: Vec<OpeningBalance> =
        by_ids(session, wallets.iter().map(|wallet| wallet.id.as_uuid())).await?;
    let mut sums: BTreeMap<WalletId, i128> = BTreeMap::new();
    for row in charged {
        let (wallet, charged) = row.read(|row| Ok((row.uuid("wallet")?, row.int("charged")?)))?;
        *sums.entry(WalletId::from_uuid(wallet)).or_default() += i128::from(charged);
    }
    Ok(Some(Together {
        openings: openings.into_iter().map(|opening| (opening.wallet, opening)).collect(),
        entries: grouped(entries, |entry| Some(entry.wallet)),
        holds: grouped(holds, |hold| Some(hold.wallet)),
        charged: sums,
    }))
}

impl Together {
    fn take(&mut self, wallet: Wallet) -> WalletBook {
        WalletBook {
            opening: self.openings.remove(&wallet.id).unwrap_or_else(|| OpeningBalance::new(wallet.id)),
            entries: self.entries.remove(&wallet.id).unwrap_or_default(),
            holds: self.holds.remove(&wallet.id).unwrap_or_default(),
            charged: self.charged.remove(&wallet.id).unwrap_or_default(),
            wallet,
        }
    }
}

pub(crate) async fn wallet_book(
    session: &mut dyn Session,
    id: WalletId,
    after: u64,
) -> Result<Option<WalletBook>, StoreError> {
    match load::<Wallet>(session, vec![id.as_uuid().into()]).await?.into_iter().next() {
        Some(wallet) => book_of(session, wallet, after).await.map(Some),
        None => Ok(None),
    }
}

async fn book_of(session: &mut dyn Session, wallet: Wallet, after: u64) -> Result<WalletBook, StoreError> {
    let id = || Cell::from(wallet.id.as_uuid());
    let opening = opening(session, wallet.id).await?;
    let cells = vec![id(), Cell::unsigned(after), PAGE_MAX.into()];
    let page = "WHERE wallet = ? AND number > ? ORDER BY number LIMIT ?";
    let mut entries = entries_of(session, page, cells).await?;
    if entries.len() >= PAGE_MAX as usize {
        // The next page begins after the last number: what stands twice under it has to be on this one.
        if let Some(last) = entries.last().map(|entry| entry.number) {
            entries.retain(|entry| entry.number < last);
            let cells = vec![id(), Cell::unsigned(last), PAGE_MAX.into()];
            let rest = "WHERE wallet = ? AND number = ? ORDER BY created_at LIMIT ?";
            entries.extend(entries_of(session, rest, cells).await?);
        }
        return Ok(WalletBook { wallet, opening, entries, holds: Vec::new(), charged: 0 });
    }
    let holds = select(session, "WHERE wallet = ? AND closed_at IS NULL ORDER BY id", vec![id()]).await?;
    let charged = charged(session, wallet.id).await?;
    Ok(WalletBook { wallet, opening, entries, holds, charged })
}

async fn entries_of(
    session: &mut dyn Session,
    rest: &str,
    cells: Vec<Cell>,
) -> Result<Vec<Entry>, StoreError> {
    let rows: Vec<EntryRow> = select(session, rest, cells).await?;
    Ok(rows.into_iter().map(|row| row.entry).collect())
}

/// What the jobs that a wallet pays for were charged, in smallest steps: added up in pages, since databases have
/// different names for the type of a sum.
async fn charged(session: &mut dyn Session, wallet: WalletId) -> Result<i128, StoreError> {
    let sql = "SELECT h.id, j.charged FROM kingcong_holds h JOIN kingcong_jobs j ON j.id = h.job \
         WHERE h.wallet = ? AND h.id > ? ORDER BY h.id LIMIT ?";
    let (mut after, mut sum) = (Uuid::nil(), 0);
    loop {
        let cells = vec![wallet.as_uuid().into(), after.into(), PAGE_MAX.into()];
        let rows = session.fetch(Gives::Named(Hold::NAME), sql.to_owned(), cells).await?;
        let is_last = rows.len() < PAGE_MAX as usize;
        for row in rows {
            let (id, charged) = row.read(|row| Ok((row.uuid("id")?, row.int("charged")?)))?;
            (after, sum) = (id, sum + i128::from(charged));
        }
        if is_last {
            return Ok(sum);
        }
    }
}

pub(crate) async fn job_books(
    session: &mut dyn Session,
    after: Option<JobId>,
    limit: u32,
) -> Result<Vec<JobBook>, StoreError> {
    let mut query = Query::default();
    if let Some(after) = after {
        query.and("id > ?", [after.as_uuid().into()]);
    }
    let (rest, cells) = query.page("id", limit);
    let mut jobs: Vec<Job> = select(session, &rest, cells).await?;
    let mut tasks = 0;
    let few = jobs.iter().take_while(|job| {
        tasks += u64::from(job.tasks);
        tasks <= BOOKS_TASKS_MAX
    });
    let few = few.count().max(1);
    jobs.truncate(few);
    if jobs.is_empty() {
        return Ok(Vec::new());
    }
    let mut shelf = Shelf::read(session, &jobs).await?;
    Ok(jobs.into_iter().map(|job| shelf.book(job)).collect())
}

/// What belongs to some jobs, read for all of them together.
struct Shelf {
    holds: BTreeMap<HoldId, Hold>,
    payers: BTreeSet<WalletId>,
    /// The numbers of the last archived entries.
    openings: BTreeMap<WalletId, u64>,
    answers: BTreeMap<[u8; 32], IdempotencyRow>,
    tasks: BTreeMap<JobId, Vec<Task>>,
    attempts: BTreeMap<JobId, Vec<Attempt>>,
    workers: BTreeMap<WorkerId, Worker>,
    outputs: BTreeMap<JobId, Vec<OutputRow>>,
    voices: BTreeMap<VoiceId, VoiceRow>,
    entries: BTreeMap<JobId, Vec<Entry>>,
}

impl Shelf {
    async fn read(session: &mut dyn Session, jobs: &[Job]) -> Result<Self, StoreError> {
        let holds: Vec<Hold> = by_ids(session, jobs.iter().map(|job| job.hold.as_uuid())).await?;
        let wallets = || jobs.iter().map(|job| job.wallet.as_uuid());
        let payers: Vec<Wallet> = by_ids(session, wallets()).await?;
        let openings: Vec<OpeningBalance> = by_ids(session, wallets()).await?;
        let keys = jobs.iter().flat_map(|job| job.idempotency.into_iter().chain(job.retried_under));
        let keys: BTreeSet<[u8; 32]> = keys.collect();
        let keys = keys.iter().map(|key| key.as_slice().into()).collect();
        let answers = load::<IdempotencyRow>(session, keys).await?;

        let cells = || jobs.iter().map(|job| Cell::from(job.id.as_uuid())).collect::<Vec<_>>();
        let of_jobs = format!("job IN ({})", vec!["?"; jobs.len()].join(", "));
        let of_tasks = format!("IN (SELECT id FROM kingcong_tasks WHERE {of_jobs})");
        let tasks: Vec<Task> =
            select(session, &format!("WHERE {of_jobs} ORDER BY job, place"), cells()).await?;
        let attempts: Vec<Attempt> =
            select(session, &format!("WHERE {of_jobs} ORDER BY job, id"), cells()).await?;
        let entries = entries_of(session, &format!("WHERE task_id {of_tasks}"), cells()).await?;
        let columns = without_bytes(&OutputRow::TABLE.read_columns(""));
        let sql = format!("SELECT {columns} FROM kingcong_outputs WHERE task {of_tasks}");
        let outputs = session.fetch(Gives::Record(OutputRow::TABLE), sql, cells()).await?;
        let outputs: Vec<OutputRow> =
            outputs.into_iter().map(|row| row.read(OutputRow::read)).collect::<Result<_, _>>()?;
        let voices = outputs.iter().filter_map(|row| row.output.made.voice()).map(|voice| voice.id.as_uuid());
        let voices: Vec<VoiceRow> = by_ids(session, voices).await?;
        let workers = attempts.iter().filter_map(|attempt| attempt.worker).map(|worker| worker.as_uuid());
        let workers: Vec<Worker> = by_ids(session, workers).await?;

        let job_of: BTreeMap<TaskId, JobId> = tasks.iter().map(|task| (task.id, task.job)).collect();
        Ok(Self {
            holds: holds.into_iter().map(|hold| (hold.id, hold)).collect(),
            payers: payers.into_iter().map(|wallet| wallet.id).collect(),
            openings: openings.into_iter().map(|opening| (opening.wallet, opening.number)).collect(),
            answers: answers.into_iter().map(|row| (row.key, row)).collect(),
            outputs: grouped(outputs, |output| job_of.get(&output.task).copied()),
            entries: grouped(entries, |entry| entry.cause.task.and_then(|task| job_of.get(&task).copied())),
            tasks: grouped(tasks, |task| Some(task.job)),
            attempts: grouped(attempts, |attempt| Some(attempt.job)),
            workers: workers.into_iter().map(|worker| (worker.id, worker)).collect(),
            voices: voices.into_iter().map(|voice| (voice.id, voice)).collect(),
        })
    }

    /// Takes what belongs to a job off the shelf.
    fn book(&mut self, job: Job) -> JobBook {
        let attempts = self.attempts.remove(&job.id).unwrap_or_default();
        let outputs = self.outputs.remove(&job.id).unwrap_or_default();
        let workers: BTreeSet<WorkerId> = attempts.iter().filter_map(|attempt| attempt.worker).collect();
        let made = outputs.iter().filter_map(|row| row.output.made.voice());
        let voices = made.filter_map(|voice| self.voices.get(&voice.id).cloned());
        JobBook {
            hold: self.holds.get(&job.hold).cloned(),
            has_wallet: self.payers.contains(&job.wallet),
            tasks: self.tasks.remove(&job.id).unwrap_or_default(),
            workers: workers.iter().filter_map(|id| self.workers.get(id).cloned()).collect(),
            voices: voices.collect(),
            entries: self.entries.remove(&job.id).unwrap_or_default(),
            archived_entries: self.openings.get(&job.wallet).copied().unwrap_or(0),
            answer: job.idempotency.and_then(|key| self.answers.get(&key).cloned()),
            retry_answer: job.retried_under.and_then(|key| self.answers.get(&key).cloned()),
            attempts,
            outputs,
            job,
        }
    }
}

fn grouped<T, K: Ord>(rows: Vec<T>, by: impl Fn(&T) -> Option<K>) -> BTreeMap<K, Vec<T>> {
    let mut groups: BTreeMap<K, Vec<T>> = BTreeMap::new();
    for row in rows {
        if let Some(key) = by(&row) {
            groups.entry(key).or_default().push(row);
        }
    }
    groups
}

/// The columns of results with one byte at most of their bodies, which may be long, and that byte's length where the
/// body has the length that its row tells.
fn without_bytes(columns: &str) -> String {
    let bytes = "CASE WHEN body IS NULL THEN bytes WHEN length(body) = bytes THEN length(substr(body, 1, 1)) \
                 ELSE -1 END AS bytes";
    let columns = columns.split(", ").map(|column| match column {
        "body" => "substr(body, 1, 1) AS body",
        "bytes" => bytes,
        column => column,
    });
    columns.collect::<Vec<_>>().join(", ")
}

async fn by_ids<R: Record + Send>(
    session: &mut dyn Session,
    ids: impl Iterator<Item = Uuid>,
) -> Result<Vec<R>, StoreError> {
    let ids: BTreeSet<Uuid> = ids.collect();
    load(session, ids.into_iter().map(Cell::from).collect()).await
}

pub(crate) async fn answer_books(
    session: &mut dyn Session,
    after: Option<[u8; 32]>,
    limit: u32,
) -> Result<Vec<AnswerBook>, StoreError> {
    let mut query = Query::default();
    if let Some(after) = after {
        query.and("id > ?", [after.as_slice().into()]);
    }
    let (rest, cells) = query.page("id", limit);
    let rows: Vec<IdempotencyRow> = select(session, &rest, cells).await?;
    let jobs = rows.iter().filter_map(|row| match row.answer {
        Remembered::Job { job, .. } | Remembered::Retried { job, .. } => Some(job.as_uuid()),
        Remembered::Credited { .. } | Remembered::Refused(_) => None,
    });
    let jobs: BTreeMap<JobId, Job> =
        by_ids::<Job>(session, jobs).await?.into_iter().map(|job| (job.id, job)).collect();
    let credited = rows.iter().filter_map(|row| match row.answer {
        Remembered::Credited { wallet, entry, .. } => Some((wallet, entry)),
        Remembered::Job { .. } | Remembered::Retried { .. } | Remembered::Refused(_) => None,
    });
    let credited: BTreeSet<(WalletId, u64)> = credited.collect();
    let ids = credited.iter().flat_map(|(wallet, entry)| [wallet.as_uuid().into(), Cell::unsigned(*entry)]);
    let entries: BTreeMap<(WalletId, u64), Entry> = load::<EntryRow>(session, ids.collect())
        .await?
        .into_iter()
        .map(|row| ((row.entry.wallet, row.entry.number), row.entry))
        .collect();
    let openings: Vec<OpeningBalance> =
        by_ids(session, credited.iter().map(|(wallet, _)| wallet.as_uuid())).await?;
    let archived: BTreeMap<WalletId, u64> =
        openings.into_iter().map(|opening| (opening.wallet, opening.number)).collect();
    let book = |row: IdempotencyRow| match row.answer {
        Remembered::Job { job, .. } | Remembered::Retried { job, .. } => {
            AnswerBook { job: jobs.get(&job).cloned(), ..AnswerBook::new(row) }
        }
        Remembered::Credited { wallet, entry, .. } => AnswerBook {
            entry: entries.get(&(wallet, entry)).cloned(),
            archived: archived.get(&wallet).copied().unwrap_or(0),
            ..AnswerBook::new(row)
        },
        Remembered::Refused(_) => AnswerBook::new(row),
    };
    Ok(rows.into_iter().map(book).collect())
}
