//! The doors of one job: what is known of it, its results, its audio and its events.

use std::time::Duration;

use bytes::Bytes;
use kingcong_core::{
    Error, KingCong, OutputError, access,
    engine::{JobAudio, JobEvent, JobReport, TaskReport},
    id::{JobId, Route},
    measure::Measure,
    money::Unit,
    operation::Operation,
    store::Kept,
    work::{Body, Doubt, Job, JobState, TaskError, TaskState},
};
use serde::{Deserialize, Serialize};

use crate::{
    answer::{AsText, Instant, MessageView, Milliseconds, Units, Word},
    door::{At, Door, Group, Listed},
    kinds::JobResultView,
    library::{Library, Stream},
    problem::Problem,
};

pub(crate) const GROUP: Group = Group {
    name: "Job",
    docs: "The doors of one job.",
    doors: &[
        Listed::of::<GetStatus>(),
        Listed::of::<Wait>(),
        Listed::of::<Cancel>(),
        Listed::of::<Retry>(),
        Listed::of::<GetResult>(),
        Listed::of::<Audio>(),
        Listed::of::<ReadAudio>(),
        Listed::of::<AudioChunk>(),
        Listed::of::<Subtitles>(),
        Listed::of::<TaskOutput>(),
        Listed::of::<Events>(),
        Listed::of::<NextEvent>(),
    ],
};

/// One request's tasks, money and state.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "description", derive(schemars::JsonSchema))]
pub(crate) struct JobView {
    id: String,
    tenant: String,
    user: String,
    operation: Word<Operation>,
    service: String,
    model: Option<String>,
    state: Word<JobState>,
    is_final: bool,
    unit: Word<Unit>,
    held: Units,
    charged: Units,
    tasks: u32,
    open_tasks: u32,
    failed_tasks: u32,
    retries: u32,
    deadline: Instant,
    created_at: Instant,
    finished_at: Option<Instant>,
}

impl From<&Job> for JobView {
    fn from(job: &Job) -> Self {
        let unit = job.unit;
        Self {
            id: job.id.to_string(),
            tenant: job.tenant.to_string(),
            user: job.user.to_string(),
            operation: Word(job.operation),
            service: job.service.to_string(),
            model: job.model.clone(),
            state: Word(job.state),
            is_final: job.state.is_final(),
            unit: Word(unit),
            held: Units::new(job.held, unit),
            charged: Units::new(job.total.charged(), unit),
            tasks: job.tasks,
            open_tasks: job.open_tasks,
            failed_tasks: job.failed_tasks,
            retries: job.retries,
            deadline: Instant(job.deadline),
            created_at: Instant(job.created_at),
            finished_at: job.finished_at.map(Instant),
        }
    }
}

/// Why a task failed, as a word.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "description", derive(schemars::JsonSchema), schemars(inline))]
#[serde(rename_all = "snake_case")]
enum TaskErrorCode {
    Upstream,
    DeadlinePassed,
    AnswerLost,
    NoRoute,
    Other,
}

/// Why a task failed; it costs nothing.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "description", derive(schemars::JsonSchema))]
struct TaskErrorView {
    code: TaskErrorCode,
    message: String,
    user: MessageView,
}

impl From<&TaskError> for TaskErrorView {
    fn from(error: &TaskError) -> Self {
        Self {
            code: match error {
                TaskError::Upstream { .. } => TaskErrorCode::Upstream,
                TaskError::DeadlinePassed => TaskErrorCode::DeadlinePassed,
                TaskError::AnswerLost => TaskErrorCode::AnswerLost,
                TaskError::NoRoute => TaskErrorCode::NoRoute,
                _ => TaskErrorCode::Other,
            },
            message: error.to_string(),
            user: MessageView::from(&error.message()),
        }
    }
}

/// Where a task is.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "description", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
enum TaskStateView {
    Pending,
    Processing,
    Completed,
    Failed,
}

impl From<&TaskState> for TaskStateView {
    fn from(state: &TaskState) -> Self {
        match state {
            TaskState::Ready { .. } | TaskState::Delayed { .. } => Self::Pending,
            TaskState::Running { .. } => Self::Processing,
            TaskState::Done => Self::Completed,
            TaskState::Failed { .. } | TaskState::Cancelled => Self::Failed,
        }
    }
}

/// What is known of a task. `key` is the key of its last attempt, masked.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "description", derive(schemars::JsonSchema))]
struct TaskReportView {
    id: String,
    place: u32,
    state: TaskStateView,
    route: AsText<Route>,
    key: Option<String>,
    characters: u64,
    attempts: u32,
    charged: Units,
    refunded: Units,
    possible_double: bool,
    error: Option<TaskErrorView>,
    created_at: Instant,
    finished_at: Option<Instant>,
}

impl TaskReportView {
    fn of(report: &TaskReport, unit: Unit) -> Self {
        let task = &report.task;
        Self {
            id: task.id.to_string(),
            place: task.place,
            state: (&task.state).into(),
            route: AsText(report.route.clone()),
            key: report.key.clone(),
            characters: task.quantities.most_of(Measure::Character),
            attempts: report.attempts,
            charged: Units::new(task.charged, unit),
            refunded: Units::new(task.refunded, unit),
            possible_double: task.doubt == Doubt::PossibleDouble,
            error: match &task.state {
                TaskState::Failed { error } => Some(error.into()),
                _ => None,
            },
            created_at: Instant(task.created_at),
            finished_at: task.finished_at.map(Instant),
        }
    }
}

/// What is known of a job, with the wallet that pays as it is now.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "description", derive(schemars::JsonSchema))]
struct JobReportView {
    job: JobView,
    tasks: Vec<TaskReportView>,
    released: Units,
    available: Units,
    balance: Units,
}

impl From<&JobReport> for JobReportView {
    fn from(report: &JobReport) -> Self {
        let unit = report.job.unit;
        Self {
            job: (&report.job).into(),
            tasks: report.tasks.iter().map(|task| TaskReportView::of(task, unit)).collect(),
            released: Units::new(report.released, unit),
            available: Units::new(report.available, unit),
            balance: Units::new(report.balance, unit),
        }
    }
}

/// What a job says, without its bytes.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "description", derive(schemars::JsonSchema))]
struct AudioHeadView {
    length: u64,
    content_type: &'static str,
    duration_ms: Milliseconds,
}

impl From<&JobAudio> for AudioHeadView {
    fn from(audio: &JobAudio) -> Self {
        Self {
            length: audio.bytes(),
            content_type: audio.content_type(),
            duration_ms: Milliseconds(audio.duration_ms()),
        }
    }
}

/// A task was sent: its place from 0, on which route, with which masked key, the how manieth attempt.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "description", derive(schemars::JsonSchema))]
struct TaskStartedView {
    place: u32,
    route: AsText<Route>,
    key: String,
    attempt: u8,
}

/// An upstream told how far a task is, from 0 to 100.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "description", derive(schemars::JsonSchema))]
struct TaskProgressView {
    place: u32,
    percent: u8,
}

/// A task waits for another try.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "description", derive(schemars::JsonSchema))]
struct TaskWaitsView {
    place: u32,
    reason: String,
}

/// A task has its result.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "description", derive(schemars::JsonSchema))]
struct TaskDoneView {
    place: u32,
    charged: Units,
}

/// A task failed; it costs nothing.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "description", derive(schemars::JsonSchema))]
struct TaskFailedView {
    place: u32,
    error: TaskErrorView,
}

/// A task was cancelled before it was done.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "description", derive(schemars::JsonSchema))]
struct TaskCancelledView {
    place: u32,
}

/// The job had ended, and so many failed tasks of it are tried again.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "description", derive(schemars::JsonSchema))]
struct RetriedView {
    tasks: u32,
}

/// The job ended; nothing more follows.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "description", derive(schemars::JsonSchema))]
struct EndedView {
    state: Word<JobState>,
    charged: Units,
}

/// So many events were missed, because they were not read fast enough; the job's report has the whole.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "description", derive(schemars::JsonSchema))]
struct MissedView {
    events: u64,
}

/// Something that happened to a job.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "description", derive(schemars::JsonSchema))]
#[serde(tag = "kind", rename_all = "snake_case")]
enum JobEventView {
    TaskStarted(TaskStartedView),
    TaskProgress(TaskProgressView),
    TaskWaits(TaskWaitsView),
    TaskDone(TaskDoneView),
    TaskFailed(TaskFailedView),
    TaskCancelled(TaskCancelledView),
    Retried(RetriedView),
    Ended(EndedView),
    Missed(MissedView),
}

impl JobEventView {
    fn of(event: JobEvent, unit: Unit) -> Option<Self> {
        let units = |amount| Units::new(amount, unit);
        Some(match event {
            JobEvent::TaskStarted { place, route, key, attempt } => {
                Self::TaskStarted(TaskStartedView { place, route: AsText(route), key, attempt })
            }
            JobEvent::TaskProgress { place, percent } => {
                Self::TaskProgress(TaskProgressView { place, percent })
            }
            JobEvent::TaskWaits { place, reason } => Self::TaskWaits(TaskWaitsView { place, reason }),
            JobEvent::TaskDone { place, charged } => {
                Self::TaskDone(TaskDoneView { place, charged: units(charged) })
            }
            JobEvent::TaskFailed { place, error } => {
                Self::TaskFailed(TaskFailedView { place, error: (&error).into() })
            }
            JobEvent::TaskCancelled { place } => Self::TaskCancelled(TaskCancelledView { place }),
            JobEvent::Retried { tasks } => Self::Retried(RetriedView { tasks }),
            JobEvent::Ended { state, charged } => {
                Self::Ended(EndedView { state: Word(state), charged: units(charged) })
            }
            JobEvent::Missed(events) => Self::Missed(MissedView { events }),
            _ => return None,
        })
    }
}

/// What is known of it now.
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "description", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
struct GetStatus {
    job: AsText<JobId>,
}

impl Door for GetStatus {
    const NAME: &'static str = "job.status";
    type Answer = JobReportView;

    async fn knock(self, at: &mut At<'_>) -> Result<JobReportView, Problem> {
        Ok(JobReportView::from(&at.kc.job(self.job.0).status().await?))
    }
}

/// Waits until it has ended, whichever process works on it.
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "description", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
struct Wait {
    job: AsText<JobId>,
}

impl Door for Wait {
    const NAME: &'static str = "job.wait";
    type Answer = JobReportView;

    async fn knock(self, at: &mut At<'_>) -> Result<JobReportView, Problem> {
        Ok(JobReportView::from(&at.kc.job(self.job.0).wait().await?))
    }
}

/// Ends it as far as its tasks have not been sent; those that were run to their end and are charged.
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "description", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
struct Cancel {
    job: AsText<JobId>,
}

impl Door for Cancel {
    const NAME: &'static str = "job.cancel";
    type Answer = JobReportView;

    async fn knock(self, at: &mut At<'_>) -> Result<JobReportView, Problem> {
        Ok(JobReportView::from(&at.kc.job(self.job.0).cancel().await?))
    }
}

/// Tries the failed tasks of a job again that has ended with such.
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "description", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
struct Retry {
    job: AsText<JobId>,
    idempotency_key: String,
    deadline_ms: Option<Milliseconds>,
}

impl Door for Retry {
    const NAME: &'static str = "job.retry";
    type Answer = JobReportView;

    async fn knock(self, at: &mut At<'_>) -> Result<JobReportView, Problem> {
        let Self { job, idempotency_key, deadline_ms } = self;
        let deadline = deadline_ms.map(|deadline| Duration::from_millis(deadline.0));
        Ok(JobReportView::from(&at.kc.job(job.0).retry(&idempotency_key, deadline).await?))
    }
}

/// What it gave: its tasks' results, joined in order; the audio comes beside.
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "description", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
struct GetResult {
    job: AsText<JobId>,
}

impl Door for GetResult {
    const NAME: &'static str = "job.result";
    type Answer = Option<JobResultView>;

    async fn knock(self, at: &mut At<'_>) -> Result<Self::Answer, Problem> {
        leave_callers_thread().await;
        let Some((view, audio)) = JobResultView::of_job(at.kc.job(self.job.0).result().await?) else {
            return Ok(None);
        };
        at.beside = audio;
        Ok(Some(view))
    }
}

/// What the job says, without its bytes.
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "description", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
struct Audio {
    job: AsText<JobId>,
}

impl Door for Audio {
    const NAME: &'static str = "job.audio";
    type Answer = AudioHeadView;

    async fn knock(self, at: &mut At<'_>) -> Result<AudioHeadView, Problem> {
        leave_callers_thread().await;
        Ok(AudioHeadView::from(&at.library.audio(&at.kc, self.job.0).await?))
    }
}

/// The bytes from `start` to before `end`, which come beside.
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "description", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
struct ReadAudio {
    job: AsText<JobId>,
    start: u64,
    end: u64,
}

impl Door for ReadAudio {
    const NAME: &'static str = "job.read_audio";
    type Answer = ();

    async fn knock(self, at: &mut At<'_>) -> Result<(), Problem> {
        leave_callers_thread().await;
        let audio = at.library.audio(&at.kc, self.job.0).await?;
        at.beside = Some(audio.read(self.start..self.end).await?);
        Ok(())
    }
}

/// The first chunk of these bytes, which comes beside; refused when not all of them are there.
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "description", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
struct AudioChunk {
    job: AsText<JobId>,
    start: u64,
    end: u64,
}

impl Door for AudioChunk {
    const NAME: &'static str = "job.audio_chunk";
    type Answer = ();

    async fn knock(self, at: &mut At<'_>) -> Result<(), Problem> {
        leave_callers_thread().await;
        let mut chunks = at.library.audio(&at.kc, self.job.0).await?.chunks(self.start..self.end)?;
        at.beside = Some(chunks.next().await.transpose()?.unwrap_or_default());
        Ok(())
    }
}

/// Its subtitles as SubRip, joined; none where none were asked for or given.
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "description", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
struct Subtitles {
    job: AsText<JobId>,
}

impl Door for Subtitles {
    const NAME: &'static str = "job.subtitles";
    type Answer = Option<String>;

    async fn knock(self, at: &mut At<'_>) -> Result<Self::Answer, Problem> {
        Ok(at.kc.job(self.job.0).subtitles().await?)
    }
}

/// The result of one task, by its place from 0; none while it has none. The audio comes beside.
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "description", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
struct TaskOutput {
    job: AsText<JobId>,
    place: u32,
}

impl Door for TaskOutput {
    const NAME: &'static str = "job.task_output";
    type Answer = Option<JobResultView>;

    async fn knock(self, at: &mut At<'_>) -> Result<Self::Answer, Problem> {
        let Self { job: AsText(job), place } = self;
        leave_callers_thread().await;
        let Some(output) = at.kc.job(job).task_output(place).await? else { return Ok(None) };
        let Some((view, body)) = JobResultView::of_task(output) else { return Ok(None) };
        if let Some(body) = body {
            at.beside = Some(read(job, place, body).await?);
        }
        Ok(Some(view))
    }
}

/// Answers the number of a stream, for `events.next`.
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "description", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
struct Events {
    job: AsText<JobId>,
}

impl Door for Events {
    const NAME: &'static str = "job.events";
    type Answer = u64;

    async fn knock(self, at: &mut At<'_>) -> Result<u64, Problem> {
        let job = at.kc.job(self.job.0);
        let events = job.events().await?;
        let unit = job.status().await?.job.unit;
        let scope = at.kc.enter(access::Door::JobEvents).await?;
        at.library.open_stream(events, unit, scope)
    }
}

/// The next event of a stream; none after the last.
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "description", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
struct NextEvent {
    stream: u64,
}

impl Door for NextEvent {
    const NAME: &'static str = "events.next";
    type Answer = Option<JobEventView>;

    async fn knock(self, at: &mut At<'_>) -> Result<Self::Answer, Problem> {
        let Some(stream) = stream_of(at.library, &at.kc, self.stream).await? else {
            return if at.library.is_closed() { Err(Error::Closed.into()) } else { Ok(None) };
        };
        let event = tokio::select! {
            biased;
            event = next_event(&stream) => event,
            () = stream.closed.cancelled() => None,
        };
        if event.is_none() {
            at.library.close_stream(self.stream);
            if at.library.is_closed() {
                return Err(Error::Closed.into());
            }
        }
        Ok(event)
    }
}

/// Goes on on a thread of the library: a door is begun on its caller's, which may be that of an event loop, and audio
/// takes longer to copy than another thread needs to wake up.
async fn leave_callers_thread() {
    tokio::task::yield_now().await;
}

/// A stream of events, for callers of the scope that it was opened in. A stream of another scope is not there.
async fn stream_of(library: &Library, kc: &KingCong, number: u64) -> Result<Option<Stream>, Problem> {
    let scope = kc.enter(access::Door::JobEvents).await?;
    Ok(library.stream(number).filter(|stream| stream.scope == scope))
}

/// The next event of a stream; none after the last.
async fn next_event(stream: &Stream) -> Option<JobEventView> {
    let mut events = stream.events.lock().await;
    loop {
        // One of a kind that this release has no name for is not for its hosts.
        if let Some(known) = JobEventView::of(events.next().await?, stream.unit) {
            return Some(known);
        }
    }
}

/// The bytes of a task's result.
async fn read(job: JobId, place: u32, body: Body) -> Result<Bytes, Problem> {
    let failed = |reason| Error::Output { job, reason };
    let (path, settled) = match body {
        Body::Memory(bytes) => return Ok(bytes),
        Body::File { path, bytes } => (path, bytes),
    };
    let (place, max) = (place as usize, JobAudio::READ_BYTES_MAX);
    if settled > max {
        return Err(failed(OutputError::TooLarge { bytes: settled, max }).into());
    }
    let kept = Kept::File { path: path.clone(), bytes: settled };
    let read = tokio::task::spawn_blocking(move || std::fs::read(path)).await;
    match read.map_err(std::io::Error::other).and_then(|read| read) {
        Ok(bytes) if bytes.len() as u64 == settled => Ok(bytes.into()),
        Ok(bytes) => {
            let found = bytes.len() as u64;
            Err(failed(OutputError::Altered { place, kept, settled, found }).into())
        }
        Err(error) => Err(failed(OutputError::Unreadable { place, kept, problem: error.kind() }).into()),
    }
}
