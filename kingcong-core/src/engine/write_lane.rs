//! The write lane: every write of this process goes through one task, which collects what concurrent callers ask for
//! into one batch and executes one batch at a time.
//!
//! When idle, a single command goes straight through. A commit whose answer was lost is resolved by executing the
//! same batch again: the store tells whether it had happened. A batch that fails for a reason of one command is
//! split until the guilty one is alone. A worker that was buried starts again under a new id.

use std::{sync::Arc, time::Duration};

use arc_swap::ArcSwap;
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use super::ids::Ids;
use crate::{
    clock::{Clock, Timestamp},
    error::Error,
    id::WorkerId,
    keys::Rules,
    store::{Batch, Command, Outcome, Store, StoreError, StoreErrorKind, Written},
};

/// Most rows that a batch writes, about; a single command may need more.
const BATCH_ROWS_MAX: usize = 4_000;
/// Most commands that wait for the write lane.
const QUEUE_MAX: usize = 10_000;
/// How long a batch is tried again while the store says that it is unavailable.
const PATIENCE: Duration = Duration::from_secs(30);
/// The first pause between tries; doubles.
const PAUSE_FIRST: Duration = Duration::from_millis(10);
/// The longest pause between tries.
const PAUSE_MAX: Duration = Duration::from_secs(1);

type Answer = Result<Executed, Arc<StoreError>>;

/// A command that was executed.
#[derive(Debug)]
pub(super) struct Executed {
    pub(super) outcome: Outcome,
    /// The store's time of its batch.
    pub(super) at: Timestamp,
    /// A local instant before that.
    pub(super) decided: Duration,
}

/// A batch that was executed.
#[derive(Debug)]
struct BatchDone {
    at: Timestamp,
    decided: Duration,
    outcomes: Vec<Outcome>,
}

struct WaitingCommand {
    command: Command,
    answer: oneshot::Sender<Answer>,
}

/// The door to the write lane.
#[derive(Clone, Debug)]
pub(super) struct WriteLane {
    commands: mpsc::Sender<WaitingCommand>,
    standing: Arc<ArcSwap<Standing>>,
}

/// How the write lane stands with the store.
#[derive(Clone, Copy, Debug)]
pub(super) struct Standing {
    /// The worker that its batches are of.
    pub(super) worker: WorkerId,
    /// The local instant since which no gap between batches was as long as half of `dead_after`.
    pub(super) steady_since: Duration,
    /// The local instant of the last batch.
    pub(super) last_batch: Duration,
}

impl WriteLane {
    /// Registers a worker and starts its write lane on the host's runtime. Nothing is tried again once `closed` says
    /// so.
    pub(super) async fn start(
        store: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
        ids: Arc<Ids>,
        rules: Rules,
        dead_after: Duration,
        closed: CancellationToken,
    ) -> Result<Self, StoreError> {
        let worker = register(&*store, &ids, dead_after).await?;
        let now = clock.elapsed();
        let standing =
            Arc::new(ArcSwap::from_pointee(Standing { worker, steady_since: now, last_batch: now }));
        let (commands, waiting) = mpsc::channel(QUEUE_MAX);
        let runner = Runner {
            store,
            clock,
            ids,
            rules,
            dead_after,
            closed,
            worker,
            number: 0,
            standing: Arc::clone(&standing),
        };
        tokio::spawn(runner.run(waiting));
        Ok(Self { commands, standing })
    }

    pub(super) fn standing(&self) -> Standing {
        **self.standing.load()
    }

    /// Executes a command.
    ///
    /// Dropping the future stops the waiting, not the command.
    pub(super) async fn execute(&self, command: Command) -> Result<Executed, Error> {
        let (answer, answered) = oneshot::channel();
        self.commands.send(WaitingCommand { command, answer }).await.map_err(|_| Error::Closed)?;
        match answered.await {
            Ok(Ok(executed)) => Ok(executed),
            Ok(Err(error)) => Err(shared(&error)),
            Err(_) => Err(Error::Closed),
        }
    }
}

/// Registers a worker under an id of its own.
async fn register(store: &dyn Store, ids: &Ids, dead_after: Duration) -> Result<WorkerId, StoreError> {
    let worker = WorkerId::from_uuid(ids.uuid());
    store.register_worker(worker, dead_after).await?;
    tracing::info!(%worker, "working under a new id");
    Ok(worker)
}

/// One store error for each caller of the batch that it failed.
fn shared(error: &Arc<StoreError>) -> Error {
    let copy = StoreError::new(error.kind, error.message.clone());
    Error::Store(copy.caused_by(SharedStoreError(Arc::clone(error))))
}

#[derive(Debug)]
struct SharedStoreError(Arc<StoreError>);

impl std::fmt::Display for SharedStoreError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

impl std::error::Error for SharedStoreError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.source.as_deref().map(|source| source as &(dyn std::error::Error + 'static))
    }
}

/// About how many rows a command writes.
fn rows(command: &Command) -> usize {
    match command {
        Command::Admit(admit) => 6 + 2 * admit.tasks.len(),
        Command::Claim(claim) => 3 + 4 * claim.leases_max as usize,
        Command::Settle(_) => 10,
        Command::Promote(promote) => promote.tasks_max as usize,
        Command::Replan(replan) => replan.tasks_max as usize,
        Command::Adopt(adopt) => adopt.attempts_max as usize,
        _ => 4,
    }
}

struct Runner {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    ids: Arc<Ids>,
    rules: Rules,
    dead_after: Duration,
    closed: CancellationToken,
    worker: WorkerId,
    number: i64,
    standing: Arc<ArcSwap<Standing>>,
}

impl Runner {
    async fn run(mut self, mut waiting: mpsc::Receiver<WaitingCommand>) {
        let mut left_over = None;
        while let Some(first) = match left_over.take() {
            Some(first) => Some(first),
            None => waiting.recv().await,
        } {
            let mut batch_rows = rows(&first.command);
            let mut batch = vec![first];
            while let Ok(next) = waiting.try_recv() {
                batch_rows += rows(&next.command);
                if batch_rows > BATCH_ROWS_MAX {
                    left_over = Some(next);
                    break;
                }
                batch.push(next);
            }
            self.execute(batch).await;
        }
    }

    /// Executes commands in one batch, or in parts when one of them cannot be written.
    async fn execute(&mut self, waiting: Vec<WaitingCommand>) {
        let (commands, answers): (Vec<_>, Vec<_>) =
            waiting.into_iter().map(|waiting| (waiting.command, waiting.answer)).unzip();
        let mut parts = vec![(commands, answers)];
        while let Some((commands, mut answers)) = parts.pop() {
            let (commands, result) = self.write(commands).await;
            match result {
                Ok(BatchDone { at, decided, outcomes }) => {
                    for (answer, outcome) in answers.into_iter().zip(outcomes) {
                        // A caller that stopped waiting is not told; what it asked for is done all the same.
                        let _ = answer.send(Ok(Executed { outcome, at, decided }));
                    }
                }
                Err(error) if commands.len() > 1 && is_one_commands_fault(error.kind) => {
                    let mut first = commands;
                    let second = first.split_off(first.len() / 2);
                    let second_answers = answers.split_off(first.len());
                    parts.push((second, second_answers));
                    parts.push((first, answers));
                }
                Err(error) => {
                    let error = Arc::new(error);
                    for answer in answers {
                        let _ = answer.send(Err(Arc::clone(&error)));
                    }
                }
            }
        }
    }

    /// Executes one batch until its fate is known.
    async fn write(&mut self, commands: Vec<Command>) -> (Vec<Command>, Result<BatchDone, StoreError>) {
        let mut batch = Batch { worker: self.worker, number: self.number + 1, rules: self.rules, commands };
        let mut unknown = None;
        let mut pause = PAUSE_FIRST;
        let started = self.clock.elapsed();
        loop {
            let asked = self.clock.elapsed();
            let mut error = match self.store.write(&batch).await {
                Ok(Written::Now { at, decided, outcomes }) => {
                    // In this order: a process that stands still in between takes it for older than it is.
                    let now = self.clock.elapsed();
                    let decided = decided.map_or(asked, |decided| now.saturating_sub(decided.elapsed()));
                    self.note_batch();
                    return (batch.commands, Ok(BatchDone { at, decided, outcomes }));
                }
                Ok(Written::Before) => {
                    self.note_batch();
                    let result = unknown.ok_or_else(|| {
                        let message = format!(
                            "batch {} of {} was there before it was sent",
                            batch.number, batch.worker
                        );
                        StoreError::new(StoreErrorKind::Unusable, message)
                    });
                    return (batch.commands, result);
                }
                Ok(Written::Fenced) => {
                    tracing::warn!(worker = %self.worker, "taken for dead by another process: starting again");
                    unknown = None;
                    match self.start_again().await {
                        Ok(()) => (batch.worker, batch.number) = (self.worker, 1),
                        Err(error) => return (batch.commands, Err(error)),
                    }
                    continue;
                }
                Err(error) => error,
            };
            match error.kind {
                StoreErrorKind::CommitUnknown => {
                    tracing::warn!(%error, "commit's answer lost: asking again");
                    let done = error.outcomes.take();
                    let done = done.map(|(at, outcomes)| BatchDone { at, decided: asked, outcomes });
                    unknown = done.or(unknown);
                }
                // It passed the fence and was refused then: the doubtful commit had not happened.
                StoreErrorKind::Command => return (batch.commands, Err(error)),
                // While a commit's fate is unknown nothing else may be written.
                _ if unknown.is_some() => {
                    tracing::warn!(%error, "cannot tell yet whether a commit was done: asking again");
                }
                StoreErrorKind::Unavailable if self.clock.elapsed() - started < PATIENCE => {
                    tracing::debug!(%error, "store unavailable: trying again");
                }
                _ => return (batch.commands, Err(error)),
            }
            if self.closed.run_until_cancelled(self.clock.sleep(pause)).await.is_none() {
                return (batch.commands, Err(error));
            }
            pause = (pause * 2).min(PAUSE_MAX);
        }
    }

    /// Another life after a burial: nothing of the old one can be written any more.
    async fn start_again(&mut self) -> Result<(), StoreError> {
        let worker = register(&*self.store, &self.ids, self.dead_after).await?;
        (self.worker, self.number) = (worker, 0);
        let now = self.clock.elapsed();
        self.standing.store(Arc::new(Standing { worker, steady_since: now, last_batch: now }));
        Ok(())
    }

    fn note_batch(&mut self) {
        self.number += 1;
        let now = self.clock.elapsed();
        let before = **self.standing.load();
        let gap = now.saturating_sub(before.last_batch);
        let steady_since = if gap * 2 > self.dead_after { now } else { before.steady_since };
        self.standing.store(Arc::new(Standing { worker: self.worker, steady_since, last_batch: now }));
    }
}

const fn is_one_commands_fault(kind: StoreErrorKind) -> bool {
    matches!(kind, StoreErrorKind::Command | StoreErrorKind::Corrupt)
}
