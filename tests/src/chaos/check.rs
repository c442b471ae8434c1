//! What must be true after chaos, whatever happened: every request ended, every credit is accounted for, nothing was
//! done twice without a record, no limit was exceeded.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use anyhow::Result;
use kingcong_core::{
    KingCong,
    engine::{JobReport, JobResult, TaskReport},
    failure::FailureKind,
    id::JobId,
    measure::Measure,
    store::{AttemptFilter, PAGE_MAX},
    work::{Doubt, JobState, TaskError, TaskState},
};

use super::{
    asked::Asked,
    host::{self, GUARD, TASKS, USERS, WINDOW},
    summary::Figures,
    weather::Sky,
};
use crate::upstreams::audio::{digest, texts_in_mp3};

/// The longest time until everything has ended, once nothing goes wrong any more; seconds, unless the machine is busy
/// with other things.
const END_MAX: Duration = Duration::from_secs(300);
/// What a purchase brings.
const PACKAGE_CREDITS: i64 = 1_000_000;

/// Looks at everything, and notes what is not as it must be.
pub(super) struct Check<'a> {
    pub(super) kc: &'a KingCong,
    pub(super) asked: &'a Asked,
    pub(super) sky: &'a Sky,
    /// When the machine's clock was set forward, by the servers' time. Starts are counted by the store's time, so for
    /// a window after it there may be more of them.
    pub(super) steps_forward: &'a [Duration],
    pub(super) broken: Vec<String>,
    pub(super) figures: Figures,
    /// What was charged to each user.
    charged: BTreeMap<String, i64>,
    /// What became of each text.
    texts: BTreeMap<u64, Text>,
}

/// What the library recorded of a task, by its text.
struct Text {
    is_done: bool,
    /// Attempts before which another may have been made and charged upstream.
    possible_doubles: u64,
}

impl<'a> Check<'a> {
    pub(super) fn new(
        kc: &'a KingCong,
        asked: &'a Asked,
        sky: &'a Sky,
        steps_forward: &'a [Duration],
        figures: Figures,
    ) -> Self {
        let broken = asked.broken();
        let (charged, texts) = (BTreeMap::new(), BTreeMap::new());
        Self { kc, asked, sky, steps_forward, broken, figures, charged, texts }
    }

    fn must(&mut self, holds: bool, what: impl FnOnce() -> String) {
        if !holds {
            self.broken.push(what());
        }
    }

    /// Waits until every request has ended, and checks each.
    pub(super) async fn requests(&mut self) -> Result<()> {
        let until = Instant::now() + END_MAX;
        for (number, job) in self.asked.accepted() {
            let job = self.kc.job(job);
            let left = until.saturating_duration_since(Instant::now());
            match tokio::time::timeout(left, job.wait()).await {
                Ok(report) => self.request(number, &report?).await?,
                Err(_) => {
                    let report = job.status().await?;
                    let open: Vec<_> = report.tasks.iter().filter(|report| !report.task.is_ended()).collect();
                    self.broken.push(format!("request {number} has not ended within {END_MAX:?}: {open:?}"));
                }
            }
        }
        Ok(())
    }

    async fn request(&mut self, number: u32, report: &JobReport) -> Result<()> {
        let (job, total) = (&report.job, report.job.total.charged());
        self.must(total.plus(report.released) == Ok(job.held), || {
            format!(
                "request {number}: {} held, {} charged, {} released",
                job.held.get(),
                total.get(),
                report.released.get()
            )
        });
        *self.charged.entry(host::user(number)).or_default() += total.get();

        let doubles = self.possible_doubles(job.id).await?;
        let texts: Vec<u64> = host::task_texts(number)?.iter().map(|text| digest(text)).collect();
        self.must(report.tasks.len() == texts.len(), || {
            format!("request {number} has {} tasks of {}", report.tasks.len(), TASKS.get())
        });
        for (TaskReport { task, attempts, .. }, text) in report.tasks.iter().zip(&texts) {
            self.figures.tasks += 1;
            self.figures.attempts += u64::from(*attempts);
            let is_done = task.state == TaskState::Done;
            self.figures.failed_tasks += u64::from(!is_done);
            self.must(is_done || is_upstreams_fault(&task.state), || {
                format!("request {number}, task {}: {:?}", task.place, task.state)
            });
            let price = if is_done {
                i64::try_from(task.quantities.most_of(Measure::Character)).unwrap_or(i64::MAX)
            } else {
                0
            };
            self.must(task.charged.get() == price, || {
                format!("request {number}, task {}: {} charged for {price}", task.place, task.charged.get())
            });
            let possible_doubles = doubles.get(&task.id.to_string()).copied().unwrap_or(0);
            self.figures.possible_doubles += possible_doubles;
            self.texts.insert(*text, Text { is_done, possible_doubles });
        }
        if job.state == JobState::Completed {
            let result = self.kc.job(job.id).result().await?;
            let mut heard = match &result {
                JobResult::Speech { audio, .. } => texts_in_mp3(audio),
                _ => Vec::new(),
            };
            heard.dedup();
            self.must(heard == texts, || format!("the audio of request {number} is not its texts, in order"));
        }
        Ok(())
    }

    /// Attempts of a job that are recorded as possible doubles, by task.
    async fn possible_doubles(&self, job: JobId) -> Result<BTreeMap<String, u64>> {
        let filter = AttemptFilter { job: Some(job), limit: PAGE_MAX, ..AttemptFilter::default() };
        let mut doubles: BTreeMap<String, u64> = BTreeMap::new();
        for record in self.kc.reports().usage(&filter).await? {
            *doubles.entry(record.task.to_string()).or_default() +=
                u64::from(record.possible_double == Doubt::PossibleDouble);
        }
        Ok(doubles)
    }

    /// Checks what the servers saw against what the library recorded.
    pub(super) fn upstreams(&mut self) {
        for violation in self.sky.violations() {
            let excused =
                self.steps_forward.iter().any(|step| (*step..*step + WINDOW + GUARD).contains(&violation.at));
            if excused {
                self.figures.excused_violations += 1;
            } else {
                self.figures.violations += 1;
                self.broken.push(format!("a limit was exceeded: {violation:?}"));
            }
        }
        let made = self.sky.made();
        let strange = made.keys().filter(|text| !self.texts.contains_key(text)).count();
        self.must(strange == 0, || format!("{strange} texts were made that no ended request has"));
        for (text, Text { is_done, possible_doubles }) in std::mem::take(&mut self.texts) {
            let times = made.get(&text).copied().unwrap_or(0);
            self.figures.doubles += times.saturating_sub(1);
            self.must(times >= u64::from(is_done), || {
                format!("text {text:x} is done, and no server made it")
            });
            self.must(times <= 1 + possible_doubles, || {
                format!(
                    "text {text:x} was made {times} times, with {possible_doubles} possible doubles recorded"
                )
            });
        }
    }

    /// Checks the wallets, and that the library finds everything sound.
    pub(super) async fn books(&mut self) -> Result<()> {
        for user in (0..USERS).map(host::user) {
            let wallet = self.kc.wallets().get(&user).await?;
            let orders = (0..self.asked.purchases()).filter(|number| host::user(*number) == user).count();
            let bought = i64::try_from(orders)? * PACKAGE_CREDITS;
            let charged = self.charged.get(&user).copied().unwrap_or(0);
            let found = [
                ("bought", wallet.total_purchased.get(), bought),
                ("spent", wallet.total_spent.get(), charged),
                ("left", wallet.balance.get(), bought - charged),
                ("held", wallet.held.get(), 0),
                ("owed", wallet.debt.get(), 0),
            ];
            for (what, is, must) in found {
                self.must(is == must, || format!("{user}: {is} credits are {what}, and {must} should be"));
            }
        }
        let verification = self.kc.verify().await?;
        for discrepancy in &verification.discrepancies {
            self.broken.push(format!("verify: {discrepancy:?}"));
        }
        self.figures.requests = self.asked.requests();
        self.must(verification.jobs == u64::from(self.asked.requests()), || {
            format!("{} jobs for {} requests", verification.jobs, self.asked.requests())
        });
        Ok(())
    }
}

/// Whether a task failed by what the upstreams did, as often as it may be tried; nothing is charged for it.
const fn is_upstreams_fault(state: &TaskState) -> bool {
    match state {
        TaskState::Failed { error: TaskError::AnswerLost } => true,
        TaskState::Failed { error: TaskError::Upstream { kind, .. } } => {
            matches!(
                kind,
                FailureKind::Busy
                    | FailureKind::KeyDead
                    | FailureKind::KeyRateLimited
                    | FailureKind::AccountRateLimited
                    | FailureKind::EgressRateLimited
                    | FailureKind::KeyDoubtful
            )
        }
        _ => false,
    }
}
