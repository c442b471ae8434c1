//! A submitted job as its host sees it: watch it, wait for it, read its results, cancel it.

use std::sync::Arc;

use super::{
    Inner, KingCong, apart,
    audio::JobAudio,
    events::{JobEvent, JobEvents},
    whose::Entered,
};
pub use crate::work::JobResult;
use crate::{
    access::{Door, Scope},
    clock::Timestamp,
    error::{Error, OutputError},
    id::{JobId, KeyId, Route, TaskId, UserId},
    ledger::Wallet,
    money::Amount,
    store::{
        AttemptFilter, Command, JobFilter, JobWithTasks, Kept, Outcome, PAGE_MAX, Stop, StopWhy, Stopped,
        StoredOutput,
    },
    work::{AttemptState, Ending, Job, JobMade, JobState, Sound, Task, TaskState, join_srt},
};

/// A submitted job.
#[derive(Clone, Debug)]
pub struct JobHandle {
    kc: KingCong,
    id: JobId,
}

/// What is known of a job.
#[derive(Clone, Debug)]
pub struct JobReport {
    /// The job.
    pub job: Job,
    /// Its tasks, in order.
    pub tasks: Vec<TaskReport>,
    /// What was released when it ended, the last time; zero before.
    pub released: Amount,
    /// What is available in the wallet that pays, now; zero where the caller may not see that wallet.
    pub available: Amount,
    /// The balance of that wallet, now; zero where the caller may not see it.
    pub balance: Amount,
}

/// What is known of a task.
#[derive(Clone, Debug)]
pub struct TaskReport {
    /// The task.
    pub task: Task,
    /// The route that it is planned on, or was done on.
    pub route: Route,
    /// The key of its last attempt that left, masked.
    pub key: Option<String>,
    /// How many attempts left for an upstream.
    pub attempts: u32,
}

impl KingCong {
    /// The job of that id, whether it exists or not.
    #[must_use]
    pub fn job(&self, id: JobId) -> JobHandle {
        JobHandle::new(self.clone(), id)
    }

    /// Jobs, newest first; at most 1,000 at once.
    ///
    /// # Errors
    /// A filter by user on a handle that asks for every tenant, or a store that fails.
    pub async fn jobs(&self, filter: &JobFilter) -> Result<Vec<Job>, Error> {
        let entered = self.entered(Door::Jobs).await?;
        if let Some(user) = &filter.user {
            entered.user(user)?;
        }
        Ok(self.inner.store.jobs(entered.scope(), filter).await?)
    }
}

impl JobHandle {
    pub(super) const fn inner(&self) -> &Arc<Inner> {
        &self.kc.inner
    }

    pub(super) async fn entered(&self, door: Door) -> Result<Entered, Error> {
        self.kc.entered(door).await
    }

    pub(super) const fn new(kc: KingCong, id: JobId) -> Self {
        Self { kc, id }
    }

    /// Its id.
    #[must_use]
    pub const fn id(&self) -> JobId {
        self.id
    }

    /// What is known of it now.
    ///
    /// # Errors
    /// When there is no such job, or the store fails.
    pub async fn status(&self) -> Result<JobReport, Error> {
        let entered = self.entered(Door::JobStatus).await?;
        self.kc.inner.report(entered.scope(), self.id).await
    }

    /// Its events from now on, in this process.
    ///
    /// # Errors
    /// When there is no such job, or the store fails.
    pub async fn events(&self) -> Result<JobEvents, Error> {
        let entered = self.entered(Door::JobEvents).await?;
        self.watch(entered.scope()).await
    }

    /// Its events from now on, for those who may see it.
    async fn watch(&self, scope: &Scope) -> Result<JobEvents, Error> {
        let events = self.kc.inner.events.watch(self.id);
        let job = self.kc.inner.job_row(scope, self.id).await?.job;
        if job.state.is_final() {
            self.kc.inner.tell_ended(&job);
        }
        Ok(events)
    }

    /// Waits until it has ended, whichever process works on it.
    ///
    /// # Errors
    /// When there is no such job, the store fails, or the library is closed meanwhile.
    ///
    /// # Cancellation safety
    /// Dropping the future stops the waiting, not the job.
    pub async fn wait(&self) -> Result<JobReport, Error> {
        let entered = self.entered(Door::JobWait).await?;
        let (inner, scope) = (&self.kc.inner, entered.scope());
        let mut events = self.watch(scope).await?;
        loop {
            tokio::select! {
                biased;
                event = events.next() => {
                    if matches!(event, Some(JobEvent::Ended { .. }) | None) {
                        let report = inner.report(scope, self.id).await?;
                        if report.job.state.is_final() {
                            return Ok(report);
                        }
                        // It was retried meanwhile.
                        events = self.watch(scope).await?;
                    }
                }
                () = inner.closed.cancelled() => return Err(Error::Closed),
            }
        }
    }

    /// Ends it as far as its tasks have not been sent; those that were run to their end and are charged. What is not
    /// needed any more is released when the last has ended.
    ///
    /// # Errors
    /// When there is no such job, or the store fails.
    pub async fn cancel(&self) -> Result<JobReport, Error> {
        let entered = self.entered(Door::JobCancel).await?;
        let inner = &self.kc.inner;
        inner.stop(entered.scope().clone(), self.id, StopWhy::Cancelled).await?;
        inner.report(entered.scope(), self.id).await
    }

    /// What a completed job says, to be read in ranges and chunks of any size. Nothing of it is read yet.
    ///
    /// # Errors
    /// When there is no such job, it has not completed or cloned a voice, or its results are gone or cannot be joined.
    pub async fn audio(&self) -> Result<JobAudio, Error> {
        let job = self.id;
        let failed = |reason| Error::Output { job, reason };
        let entered = self.entered(Door::JobAudio).await?;
        let pieces = self.completed_output(&entered).await?.speech().ok_or(failed(OutputError::NoAudio))?;
        JobAudio::of(&self.kc.inner.store, job, pieces).map_err(failed)
    }

    /// The joined subtitles of a completed job, as SubRip; `None` where none were asked for or given.
    ///
    /// # Errors
    /// When there is no such job, it has not completed or cloned a voice, or the store fails.
    pub async fn subtitles(&self) -> Result<Option<String>, Error> {
        let entered = self.entered(Door::JobSubtitles).await?;
        let no_audio = Error::Output { job: self.id, reason: OutputError::NoAudio };
        let pieces = self.completed_output(&entered).await?.speech().ok_or(no_audio)?;
        self.join_subtitles(lengths(&pieces)).await
    }

    /// What it gave: its tasks' results, joined in order. Audio is in memory as a whole: [`JobHandle::audio`] gives it
    /// in ranges, and of any length.
    ///
    /// # Errors
    /// When it has not completed, or its results cannot be read or joined, or have more than
    /// [`JobAudio::READ_BYTES_MAX`].
    pub async fn result(&self) -> Result<JobResult, Error> {
        let job = self.id;
        let failed = |reason| Error::Output { job, reason };
        let entered = self.entered(Door::JobResult).await?;
        let pieces = match self.completed_output(&entered).await? {
            JobMade::Voice(voice) => return Ok(JobResult::Voice { voice }),
            JobMade::Speech(pieces) => pieces,
        };
        let lengths = lengths(&pieces);
        let audio = JobAudio::of(&self.kc.inner.store, job, pieces).map_err(failed)?;
        let bytes = audio.bytes();
        let max = JobAudio::READ_BYTES_MAX;
        if bytes > max {
            return Err(failed(OutputError::TooLarge { bytes, max }));
        }
        let srt = self.join_subtitles(lengths).await?;
        Ok(JobResult::Speech {
            content_type: audio.content_type().to_owned(),
            duration_ms: audio.duration_ms(),
            audio: audio.read(0..bytes).await?,
            srt,
        })
    }

    /// What it gave, if it has completed.
    async fn completed_output(&self, entered: &Entered) -> Result<JobMade, Error> {
        let (job, store) = (self.id, &self.kc.inner.store);
        let failed = |reason| Error::Output { job, reason };
        let states = store.job_states(entered.scope(), &[job]).await?;
        let Some((_, state)) = states.first() else {
            return Err(Error::NotFound { what: "job", name: job.to_string() });
        };
        if *state != JobState::Completed {
            return Err(failed(OutputError::NotCompleted { state: state.as_str() }));
        }
        let heads = store.output_heads(job).await?;
        let heads = heads.into_iter().enumerate();
        let there = heads.map(|(place, head)| head.ok_or_else(|| failed(OutputError::Missing { place })));
        let heads = there.collect::<Result<_, _>>()?;
        JobMade::of(heads).map_err(|place| failed(OutputError::Missing { place }))
    }

    /// Joins the subtitles of tasks whose audio has these lengths in milliseconds.
    async fn join_subtitles(&self, lengths: Vec<u64>) -> Result<Option<String>, Error> {
        let srts = self.kc.inner.store.output_texts(self.id).await?;
        if srts.iter().all(Option::is_none) {
            return Ok(None);
        }
        let joining = move || {
            let pieces: Vec<_> = srts.iter().map(Option::as_deref).zip(lengths).collect();
            join_srt(&pieces)
        };
        apart(joining).await
    }

    /// The result of one task, by its place from 0; `None` while it has none.
    ///
    /// # Errors
    /// When there is no such job or task, or the store fails.
    pub async fn task_output(&self, place: u32) -> Result<Option<StoredOutput>, Error> {
        let entered = self.entered(Door::JobTaskOutput).await?;
        let row = self.kc.inner.job_row(entered.scope(), self.id).await?;
        let task = row.tasks.get(place as usize);
        let task =
            task.ok_or_else(|| Error::NotFound { what: "task", name: format!("{}/{place}", self.id) })?;
        Ok(self.kc.inner.store.output(task.id).await?.map(|row| row.output))
    }
}

impl Inner {
    pub(super) async fn job_row(&self, scope: &Scope, id: JobId) -> Result<JobWithTasks, Error> {
        let row = self.store.job(scope, id).await?;
        row.ok_or_else(|| Error::NotFound { what: "job", name: id.to_string() })
    }

    /// Stops a job and tells those who watch it.
    pub(super) async fn stop(&self, scope: Scope, job: JobId, why: StopWhy) -> Result<Stopped, Error> {
        match self.execute(Command::Stop(Stop { scope, job, why })).await? {
            Outcome::Stop(Some(stopped)) => {
                if stopped.job.state.is_final() {
                    self.tell_ended(&stopped.job);
                }
                Ok(stopped)
            }
            Outcome::Stop(None) => Err(Error::NotFound { what: "job", name: job.to_string() }),
            other => unreachable!("stopping answers with what was stopped, not {other:?}"),
        }
    }

    pub(super) fn tell_ended(&self, job: &Job) {
        self.events.tell(job.id, || JobEvent::Ended { state: job.state, charged: job.total.charged() });
    }

    pub(super) async fn report(&self, scope: &Scope, id: JobId) -> Result<JobReport, Error> {
        let JobWithTasks { job, hold, tasks } = self.job_row(scope, id).await?;
        let sent = self.sent_attempts(scope, id).await?;
        let snapshot = self.snapshot();
        let tasks = tasks
            .into_iter()
            .map(|task| {
                let of_task = sent.iter().filter(|(sent, ..)| *sent == task.id);
                let last = of_task.clone().max_by_key(|(_, _, at)| *at);
                let key = last.and_then(|(_, key, _)| snapshot.keys.get(*key)).map(|key| key.mask.clone());
                let attempts = u32::try_from(of_task.count()).unwrap_or(u32::MAX);
                TaskReport { route: task.planned_route().route().clone(), key, attempts, task }
            })
            .collect();
        let released = match hold.state {
            crate::ledger::HoldState::Open => Amount::ZERO,
            crate::ledger::HoldState::Closed { released, .. } => released,
        };
        let wallet = match job.payer().filter(|payer| scope.covers_wallet(payer)) {
            Some(key) => self.store.wallet(&key).await?,
            None => None,
        };
        let available = wallet.as_ref().map_or(Amount::ZERO, Wallet::available);
        let balance = wallet.map_or(Amount::ZERO, |wallet| wallet.balance);
        Ok(JobReport { job, tasks, released, available, balance })
    }

    /// The attempts of a job that left for an upstream.
    async fn sent_attempts(
        &self,
        scope: &Scope,
        job: JobId,
    ) -> Result<Vec<(TaskId, KeyId, Timestamp)>, Error> {
        let mut filter = AttemptFilter { job: Some(job), limit: PAGE_MAX, ..AttemptFilter::default() };
        let mut sent = Vec::new();
        loop {
            let page = self.store.attempts(scope, &filter).await?;
            filter.before = page.last().map(|attempt| attempt.id);
            let whole = page.len() < PAGE_MAX as usize;
            let left =
                page.into_iter().filter(|attempt| attempt.state != AttemptState::Ended(Ending::NotSent));
            sent.extend(left.map(|attempt| (attempt.task, attempt.key, attempt.leased_at)));
            if whole {
                return Ok(sent);
            }
        }
    }
}

/// The lengths of pieces in milliseconds.
fn lengths(pieces: &[(TaskId, Sound, Kept)]) -> Vec<u64> {
    pieces.iter().map(|(_, sound, _)| sound.duration_ms()).collect()
}

impl TaskReport {
    /// The task's state in the four words of the source: pending, processing, completed, failed.
    #[must_use]
    pub const fn state(&self) -> &'static str {
        match self.task.state {
            TaskState::Ready { .. } | TaskState::Delayed { .. } => "pending",
            TaskState::Running { .. } => "processing",
            TaskState::Done => "completed",
            TaskState::Failed { .. } | TaskState::Cancelled => "failed",
        }
    }
}

impl JobFilter {
    /// The newest jobs of a user.
    #[must_use]
    pub fn of_user(user: UserId, limit: u32) -> Self {
        Self { user: Some(user), limit, ..Self::default() }
    }
}
