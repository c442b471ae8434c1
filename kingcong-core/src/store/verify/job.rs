//! Jobs: from their tasks, holds, attempts, results and entries.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    Discrepancy, DiscrepancyKind, Findings, RowId, count, steps,
    wallet::{moved, verify_hold},
};
use crate::{
    failure::FailureKind,
    id::{AttemptId, KeyId, TaskId, WorkerId},
    ledger::{Entry, EntryKind, Hold, HoldState},
    money::Amount,
    pricing::{Checked, Overrun, common_denominator, hold_amount},
    store::{IdempotencyRow, Life, OutputRow, Remembered, VoiceRow, Worker},
    work::{
        Attempt, AttemptState, Doubt, Ending, Job, JobState, MadeVoice, RouteCause, Task, TaskError,
        TaskState,
    },
};

/// A job with everything that belongs to it, read at one instant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobBook {
    /// The job.
    pub job: Job,
    /// The hold that it names.
    pub hold: Option<Hold>,
    /// Whether the wallet that it names is there.
    pub has_wallet: bool,
    /// Its tasks, in order.
    pub tasks: Vec<Task>,
    /// Its attempts, those that were not archived.
    pub attempts: Vec<Attempt>,
    /// Who works on those that are open.
    pub workers: Vec<Worker>,
    /// The results of its tasks, without their bytes.
    pub outputs: Vec<OutputRow>,
    /// The voices that its results name.
    pub voices: Vec<VoiceRow>,
    /// The entries that name its tasks, those that were not archived.
    pub entries: Vec<Entry>,
    /// The number of its wallet's last archived entry.
    pub archived_entries: u64,
    /// The answer that its idempotency key is given.
    pub answer: Option<IdempotencyRow>,
    /// The answer that the idempotency key of its last retry is given.
    pub retry_answer: Option<IdempotencyRow>,
}

/// Recounts a job and follows everything that belongs to it.
#[must_use]
pub fn verify_job(book: &JobBook) -> Vec<Discrepancy> {
    let mut findings = Findings::default();
    let (job, row) = (&book.job, RowId::job(book.job.id));
    let attempts = by_task(&book.attempts, |attempt| Some(attempt.task));
    let entries = by_task(&book.entries, |entry| entry.cause.task);
    let mut attempts_kept = 0;
    for (place, task) in book.tasks.iter().enumerate() {
        verify_task(&mut findings, job, task, place);
        let tried = attempts.get(&task.id).map_or(&[][..], Vec::as_slice);
        attempts_kept += tried.iter().filter(|attempt| counts(attempt)).count();
        verify_attempts(&mut findings, book, task, tried);
        verify_output(&mut findings, book, task, tried);
        verify_entries_of(&mut findings, book, task, entries.get(&task.id).map_or(&[][..], Vec::as_slice));
    }
    let counted: i128 = book.tasks.iter().map(|task| i128::from(task.attempts)).sum();
    findings.exactly(&row, "archived_attempts", job.archived_attempts, counted - count(attempts_kept));
    // Attempts are archived after the end of their job, which a retry opens again.
    if !job.state.is_final() && job.retries == 0 {
        findings.exactly(&row, "archived_attempts", job.archived_attempts, 0);
    }
    verify_figures(&mut findings, book);
    verify_state(&mut findings, book);
    verify_money(&mut findings, book);
    verify_answer_of(&mut findings, book);
    findings.0
}

fn by_task<T>(rows: &[T], task: impl Fn(&T) -> Option<TaskId>) -> BTreeMap<TaskId, Vec<&T>> {
    let mut of_tasks: BTreeMap<TaskId, Vec<&T>> = BTreeMap::new();
    for row in rows {
        if let Some(task) = task(row) {
            of_tasks.entry(task).or_default().push(row);
        }
    }
    of_tasks
}

const fn ended_without_result(task: &Task) -> bool {
    matches!(task.state, TaskState::Failed { .. } | TaskState::Cancelled)
}

fn is_open(task: &Task) -> bool {
    !task.is_ended()
}

/// Whether a task counts this attempt among its own: one that never left is taken back.
fn counts(attempt: &Attempt) -> bool {
    attempt.state != AttemptState::Ended(Ending::NotSent)
}

fn verify_figures(findings: &mut Findings, book: &JobBook) {
    let JobBook { job, tasks, .. } = book;
    let row = RowId::job(job.id);
    let number = |of: fn(&Task) -> bool| count(tasks.iter().filter(|task| of(task)).count());
    findings.exactly(&row, "tasks", job.tasks, number(|_| true));
    findings.exactly(&row, "open_tasks", job.open_tasks, number(is_open));
    findings.exactly(&row, "failed_tasks", job.failed_tasks, number(ended_without_result));
    let charged: i128 = tasks.iter().map(|task| steps(task.charged)).sum();
    findings.exactly(&row, "charged", steps(job.total.charged()), charged);
    verify_sums(findings, book);
    if job.layout.is_some() {
        let has_layout = |row: &OutputRow| row.output.made.layout().is_some();
        let expected = "none: it has no audio";
        if !book.outputs.iter().any(has_layout) {
            findings.add(DiscrepancyKind::Wrong, &row, "layout", "that of audio", expected);
        }
    }
    let prices: Vec<_> = tasks.iter().flat_map(|task| task.routes.iter().map(|route| &route.card)).collect();
    match common_denominator(&prices) {
        Ok(den) => findings.exactly(&row, "total_den", job.total.den(), den.into()),
        Err(error) => findings.add(DiscrepancyKind::Wrong, &row, "total_den", job.total.den(), error),
    }
    for (task, next) in tasks.iter().zip(tasks.iter().skip(1)) {
        if next.id <= task.id {
            let expected = format_args!("behind the id of {}, which stands before it", task.id);
            findings.add(DiscrepancyKind::Wrong, &RowId::task(next.id), "place", next.place, expected);
        }
    }
    if let Some(first) = tasks.first() {
        for task in tasks {
            findings.same(&RowId::task(task.id), "weight", task.weight, first.weight);
            findings.same(&RowId::task(task.id), "only_key", task.only_key, first.only_key);
        }
    }
}

/// What a job cost so far: exactly what its finished tasks cost while that fits its hold, and no more else.
fn verify_sums(findings: &mut Findings, book: &JobBook) {
    let (job, row) = (&book.job, RowId::job(book.job.id));
    let is_payers = |task: &Task| task.planned_route().card.overrun() == Overrun::Payer;
    if book.tasks.iter().all(|task| task.planned_route().card.reported().is_empty())
        && let Some(overrun) = exact_sum(book, is_payers)
    {
        findings.exactly(&row, "total_overrun", job.total.overrun(), overrun);
    }
    let held = steps(job.held).saturating_mul(job.total.den().into());
    // In parts of the denominator: a job costs at most its hold, or what tasks with an overrun cost.
    findings.at_most(&row, "total_sum", job.total.sum(), held.max(job.total.overrun()));
    let Some(exact) = exact_sum(book, |_| true) else { return };
    let (den, not_charged) = (i128::from(job.total.den()), exact - job.total.sum());
    // What is not charged is rounded up for each attempt.
    let over_hold = |attempt: &&Attempt| attempt.over_hold > Amount::ZERO;
    let parts: Vec<_> = book.attempts.iter().filter(over_hold).collect();
    let told: i128 = parts.iter().map(|attempt| steps(attempt.over_hold)).sum();
    // Before a retry less may have been held.
    if exact <= held && job.retries == 0 {
        findings.exactly(&row, "total_sum", job.total.sum(), exact);
    } else {
        findings.at_most(&row, "total_sum", job.total.sum(), exact);
    }
    if job.archived_attempts > 0 {
        return;
    }
    let least = not_charged.div_euclid(den) + i128::from(not_charged.rem_euclid(den) != 0);
    if told < least || told > least + count(parts.len()).saturating_sub(1).max(0) {
        let expected = format_args!("{least}, the price beyond the hold");
        findings.add(DiscrepancyKind::Wrong, &row, "over_hold of its attempts", told, expected);
    }
}

/// The exact price of those finished tasks of a job, in parts of its denominator: by their quotes and by what the
/// upstream measured; none where an attempt that measured was archived.
fn exact_sum(book: &JobBook, of: impl Fn(&Task) -> bool) -> Option<i128> {
    let den = i128::from(book.job.total.den());
    let mut done = book.tasks.iter().filter(|task| task.state == TaskState::Done && of(task));
    done.try_fold(0, |sum: i128, task| {
        let price = &task.planned_route().card;
        let measured = book.attempts.iter().find(|attempt| is_done(attempt) && attempt.task == task.id);
        let exact = match measured {
            Some(attempt) => price.actual(&attempt.measured, attempt.leased_at).exact,
            None => price.reported().is_empty().then(|| price.counted())?,
        };
        (den % exact.den() == 0).then_some(())?;
        sum.checked_add(exact.num().checked_mul(den / exact.den())?)
    })
}

fn is_done(attempt: &Attempt) -> bool {
    attempt.state == AttemptState::Ended(Ending::Done)
}

/// Where a job is, by where its tasks are.
fn verify_state(findings: &mut Findings, book: &JobBook) {
    let JobBook { job, tasks, .. } = book;
    let row = RowId::job(job.id);
    let any = |of: fn(&Task) -> bool| tasks.iter().any(of);
    findings.same(&row, "state", job.state.is_final(), !any(is_open));
    findings.same(&row, "finished_at", job.finished_at.is_some(), job.state.is_final());
    let is_cancelled = any(|task| task.state == TaskState::Cancelled);
    let waits = any(|task| matches!(task.state, TaskState::Ready { .. } | TaskState::Delayed { .. }));
    let fits = match job.state {
        JobState::Open => !is_cancelled,
        JobState::Cancelling => !waits,
        JobState::Expiring => !waits && !is_cancelled,
        JobState::Completed => !any(ended_without_result),
        JobState::Cancelled => any(ended_without_result),
        JobState::Failed => !is_cancelled && tasks.iter().all(ended_without_result),
        JobState::CompletedWithFailures => {
            !is_cancelled && any(ended_without_result) && any(|task| task.state == TaskState::Done)
        }
    };
    if !fits {
        findings.add(DiscrepancyKind::Wrong, &row, "state", job.state.as_str(), "what its tasks' states say");
    }
    if let Some(at) = job.finished_at
        && !tasks.iter().any(|task| task.finished_at == Some(at))
    {
        let expected = "when one of its tasks ended";
        findings.add(DiscrepancyKind::Wrong, &row, "finished_at", at.as_micros(), expected);
    }
    findings.at_least(&row, "deadline", job.deadline.as_micros(), job.created_at.as_micros().into());
}

fn verify_money(findings: &mut Findings, book: &JobBook) {
    let JobBook { job, tasks, .. } = book;
    let row = RowId::job(job.id);
    if !book.has_wallet {
        findings.missing(&RowId::wallet(job.wallet), format_args!("{row} is paid from it"));
    }
    if job.payer().is_none() {
        let expected = "a wallet of its user or tenant in its unit";
        findings.add(DiscrepancyKind::Wrong, &row, "wallet", job.wallet, expected);
    }
    let Some(hold) = &book.hold else {
        findings.missing(&RowId::hold(job.hold), format_args!("{row} names it"));
        return;
    };
    verify_hold(findings, hold);
    let of_hold = RowId::hold(hold.id);
    findings.same(&of_hold, "job", hold.job, job.id);
    findings.same(&of_hold, "wallet", hold.wallet, job.wallet);
    findings.exactly(&row, "held", steps(job.held), steps(hold.amount));
    let opened_at = match (job.retries, &book.retry_answer) {
        (0, _) => Some(job.created_at),
        // One that is missing is found as such.
        (_, answer) => answer.as_ref().map(|answer| answer.at),
    };
    if let Some(opened_at) = opened_at {
        findings.exactly(&of_hold, "opened_at", hold.opened_at.as_micros(), opened_at.as_micros().into());
    }
    let charged: i128 = tasks.iter().map(|task| steps(task.charged)).sum();
    findings.exactly(&of_hold, "captured", steps(hold.captured), charged.min(steps(hold.amount)));
    let closed_at = match hold.state {
        HoldState::Open => None,
        HoldState::Closed { at, .. } => Some(at.as_micros()),
    };
    findings.same(&of_hold, "closed_at", closed_at, job.finished_at.map(|at| at.as_micros()));
}

fn verify_answer_of(findings: &mut Findings, book: &JobBook) {
    let job = &book.job;
    if let Some(key) = &job.idempotency {
        let row = RowId::answer(key);
        match (&book.answer, held_at_first(book)) {
            (None, _) => findings.missing(&row, format_args!("{} was admitted under it", RowId::job(job.id))),
            // The prices that told what was held cannot be added up, which is found as such.
            (Some(_), None) => {}
            (Some(answer), Some(held)) => {
                findings.same(&row, "answer", &answer.answer, &Remembered::Job { job: job.id, held });
                let (at, admitted) = (answer.at.as_micros(), job.created_at.as_micros());
                findings.exactly(&row, "created_at", at, admitted.into());
            }
        }
    }
    findings.same(&RowId::job(job.id), "retried_under", job.retried_under.is_some(), job.retries > 0);
    let Some(key) = &job.retried_under else { return };
    let row = RowId::answer(key);
    match &book.retry_answer {
        None => findings.missing(&row, format_args!("{} was retried under it", RowId::job(job.id))),
        Some(answer) => {
            let tasks = match answer.answer {
                Remembered::Retried { tasks, .. } => tasks,
                Remembered::Job { .. } | Remembered::Credited { .. } | Remembered::Refused(_) => 0,
            };
            let (job, retry, held) = (job.id, job.retries, job.held);
            findings.same(&row, "answer", &answer.answer, &Remembered::Retried { job, retry, tasks, held });
        }
    }
}

/// What was held for a job when it was admitted.
fn held_at_first(book: &JobBook) -> Option<Amount> {
    if book.job.retries == 0 {
        return Some(book.job.held);
    }
    hold_amount(book.tasks.iter().map(|task| task.routes.iter().map(|route| &route.card))).ok()
}

fn verify_task(findings: &mut Findings, job: &Job, task: &Task, place: usize) {
    let row = RowId::task(task.id);
    findings.exactly(&row, "place", task.place, count(place));
    findings.same(&row, "tenant", &task.tenant, &job.tenant);
    findings.same(&row, "user_id", &task.user, &job.user);
    findings.exactly(&row, "created_at", task.created_at.as_micros(), job.created_at.as_micros().into());
    for route in task.routes.iter() {
        findings.same(&row, "routes", &route.route().service, &job.service);
        findings.same(&row, "routes", route.card.unit().code(), job.unit.code());
    }
    if task.routes.len() == 1 {
        findings.same(&row, "cause", task.cause.as_str(), RouteCause::Planned.as_str());
    }
    findings.same(&row, "completed_at", task.finished_at.is_some(), task.is_ended());
    if task.state != TaskState::Done {
        findings.exactly(&row, "credits_cost", steps(task.charged), 0);
    }
    findings.at_least(&row, "credits_cost", steps(task.charged), 0);
    findings.at_least(&row, "refunded", steps(task.refunded), 0);
    findings.at_most(&row, "refunded", steps(task.refunded), steps(task.charged));
    findings.at_most(&row, "reached", task.reached, task.attempts.into());
    findings.at_most(&row, "reached_before", task.reached_before, task.reached.into());
    findings.at_most(&row, "attempts_before", task.attempts_before, task.attempts.into());
    if job.retries == 0 {
        findings.exactly(&row, "reached_before", task.reached_before, 0);
        findings.exactly(&row, "attempts_before", task.attempts_before, 0);
    }
    match &task.state {
        TaskState::Ready { pool, .. } | TaskState::Delayed { pool, .. } => {
            findings.same(&row, "pool", *pool, task.pool_of(task.planned_route().route()));
        }
        TaskState::Running { .. } | TaskState::Done | TaskState::Failed { .. } | TaskState::Cancelled => {}
    }
}

/// The attempts of a task, in the order of their ids.
fn verify_attempts(findings: &mut Findings, book: &JobBook, task: &Task, attempts: &[&Attempt]) {
    let row = RowId::task(task.id);
    let is_whole = book.job.archived_attempts == 0;
    let counted = attempts.iter().filter(|attempt| counts(attempt)).count();
    if is_whole {
        findings.exactly(&row, "attempts", task.attempts, count(counted));
        let ended = attempts.iter().filter(|attempt| counts(attempt) && !attempt.is_open());
        let keys: BTreeSet<KeyId> = ended.map(|attempt| attempt.key).collect();
        findings.same(&row, "tried", task.tried.iter().copied().collect::<BTreeSet<_>>(), keys);
        verify_unfit_routes(findings, &book.job, task, attempts);
        verify_causes(findings, &book.job, task, attempts);
    }
    for attempt in attempts {
        verify_attempt(findings, book, task, attempt);
    }
    let lost = attempts.iter().filter(|attempt| attempt.state == AttemptState::Ended(Ending::Lost)).count();
    let is_double = |attempt: &Attempt| attempt.possible_double == Doubt::PossibleDouble;
    if lost > 0 || attempts.iter().copied().any(is_double) {
        findings.same(&row, "doubt", task.doubt, Doubt::PossibleDouble);
    }
    let done = attempts.iter().filter(|attempt| is_done(attempt)).count();
    findings.at_least(&row, "reached", task.reached, count(lost + done));
    let failed = attempts
        .iter()
        .any(|attempt| matches!(attempt.state, AttemptState::Ended(Ending::Lost | Ending::Failed { .. })));
    if is_whole && !failed {
        findings.same(&row, "doubt", task.doubt, Doubt::None);
    }

    let planned = task.planned_route().route();
    match &task.state {
        TaskState::Running { attempt: id } => match attempts.iter().find(|attempt| attempt.id == *id) {
            Some(attempt) => {
                findings.same(&RowId::attempt(*id), "state", attempt.is_open(), true);
                findings.same(&RowId::attempt(*id), "cause", attempt.cause, task.cause);
                findings.same(&row, "planned", planned.to_string(), attempt.route.to_string());
            }
            None => findings.missing(&RowId::attempt(*id), format_args!("{row} is tried by it")),
        },
        TaskState::Done => {
            let done: Vec<_> = attempts.iter().filter(|attempt| is_done(attempt)).collect();
            if is_whole {
                findings.exactly(&row, "state", count(done.len()), 1);
            }
            for attempt in done {
                let of_attempt = RowId::attempt(attempt.id);
                findings.same(&of_attempt, "cause", attempt.cause, task.cause);
                findings.same(&row, "planned", planned.to_string(), attempt.route.to_string());
                findings.exactly(&of_attempt, "charged", steps(attempt.charged), steps(task.charged));
                findings.same(&of_attempt, "ended_at", attempt.ended_at, task.finished_at);
            }
        }
        TaskState::Failed { error: TaskError::Upstream { kind, message } } if is_whole => {
            let told = attempts.iter().any(|attempt| match &attempt.state {
                AttemptState::Ended(Ending::Failed { kind: of, message: text, .. }) => {
                    of == kind && text == message
                }
                _ => false,
            });
            findings.same(&row, "error", told, true);
        }
        TaskState::Ready { .. }
        | TaskState::Delayed { .. }
        | TaskState::Failed { .. }
        | TaskState::Cancelled => {}
    }
}

/// Until a task is moved, all its attempts are on the route that it was planned on; a retry of its job plans it anew.
fn verify_causes(findings: &mut Findings, job: &Job, task: &Task, attempts: &[&Attempt]) {
    if job.retries > 0 {
        return;
    }
    let mut planned = attempts.iter().filter(|attempt| attempt.cause == RouteCause::Planned);
    if let Some(first) = planned.next() {
        for attempt in planned {
            let row = RowId::attempt(attempt.id);
            findings.same(&row, "cause", attempt.route.to_string(), first.route.to_string());
        }
    }
    if task.cause == RouteCause::Planned {
        let route = task.planned_route().route();
        for attempt in attempts {
            let row = RowId::attempt(attempt.id);
            findings.same(&row, "cause", attempt.cause.as_str(), task.cause.as_str());
            findings.same(&row, "server", attempt.route.to_string(), route.to_string());
        }
    }
}

/// A route is unfit for a task when an attempt there was told so; one that was not allowed may have had other keys. A
/// retry gives every route another chance.
fn verify_unfit_routes(findings: &mut Findings, job: &Job, task: &Task, attempts: &[&Attempt]) {
    let places_of = |refused: &dyn Fn(FailureKind) -> bool| {
        let refused = attempts.iter().filter(
            |attempt| matches!(attempt.state, AttemptState::Ended(Ending::Failed { kind, .. }) if refused(kind)),
        );
        let places = refused
            .filter_map(|attempt| task.routes.iter().position(|route| *route.route() == attempt.route));
        places.fold(0_u64, |bits, place| bits | 1 << place)
    };
    let least = if job.retries == 0 { places_of(&|kind| kind == FailureKind::Unsupported) } else { 0 };
    let most = places_of(&|kind| matches!(kind, FailureKind::Unsupported | FailureKind::NotAllowed));
    findings.exactly(
        &RowId::task(task.id),
        "unfit_routes",
        task.unfit_routes,
        ((task.unfit_routes | least) & most).into(),
    );
}

fn verify_attempt(findings: &mut Findings, book: &JobBook, task: &Task, attempt: &Attempt) {
    let row = RowId::attempt(attempt.id);
    findings.same(&row, "job", attempt.job, task.job);
    verify_whose(findings, &book.job, attempt);
    let millis = |id: AttemptId| id.as_uuid().as_u128() >> AttemptId::BEHIND_MILLIS_BITS;
    let leased_at = AttemptId::first_at(attempt.leased_at);
    findings.same(&row, "leased_at", millis(leased_at), millis(attempt.id));
    let route = task.routes.iter().find(|route| *route.route() == attempt.route);
    findings.same(&row, "server", route.is_some(), true);
    if let Some(route) = route {
        let actual = || route.card.actual(&attempt.measured, attempt.leased_at).check;
        let check = if is_done(attempt) { actual() } else { Checked::Within };
        findings.same(&row, "usage_check", attempt.check, check);
    }
    let is_over = matches!(attempt.state, AttemptState::Ended(_));
    findings.same(&row, "open_worker", attempt.worker.is_some(), !is_over);
    findings.same(&row, "ended_at", attempt.ended_at.is_some(), is_over);
    if !is_done(attempt) {
        findings.exactly(&row, "charged", steps(attempt.charged), 0);
        findings.exactly(&row, "over_hold", steps(attempt.over_hold), 0);
    }
    if let Some(key) = task.only_key {
        findings.same(&row, "api_key_id", attempt.key, key);
    }
    if !is_over {
        let running = TaskState::Running { attempt: attempt.id };
        findings.same(&RowId::task(task.id), "attempt", &task.state, &running);
    }
    let Some(worker) = attempt.worker else { return };
    let of_worker = RowId::new("kingcong_workers", worker);
    match worker_of(book, worker) {
        None => findings.missing(&of_worker, format_args!("{row} is its")),
        Some(found) => findings.same(&of_worker, "life", found.life == Life::Gone, false),
    }
}

/// What an attempt repeats of its job, so that usage is told from attempts alone.
fn verify_whose(findings: &mut Findings, job: &Job, attempt: &Attempt) {
    let row = RowId::attempt(attempt.id);
    findings.same(&row, "tenant", &attempt.tenant, &job.tenant);
    findings.same(&row, "user_id", &attempt.user, &job.user);
    findings.same(&row, "operation", attempt.operation.as_str(), job.operation.as_str());
    findings.same(&row, "model", &attempt.model, &job.model);
    findings.same(&row, "unit", attempt.unit.code(), job.unit.code());
}

fn worker_of(book: &JobBook, id: WorkerId) -> Option<&Worker> {
    book.workers.iter().find(|worker| worker.id == id)
}

/// A task has a result exactly when it is done; a cloned voice is there as the result says.
fn verify_output(findings: &mut Findings, book: &JobBook, task: &Task, attempts: &[&Attempt]) {
    let row = RowId::output(task.id);
    let output = book.outputs.iter().find(|output| output.task == task.id);
    match (&task.state, output) {
        (TaskState::Done, None) => {
            findings.missing(&row, format_args!("{} is done", RowId::task(task.id)));
        }
        (TaskState::Done, Some(row)) => {
            let (job, made) = (&book.job, &row.output.made);
            findings.same(&RowId::job(job.id), "operation", job.operation, made.operation());
            if let Some(layout) = made.layout() {
                findings.same(&RowId::job(job.id), "layout", job.layout, Some(layout));
            }
            if let Some(voice) = made.voice() {
                let made_by = attempts.iter().find(|attempt| is_done(attempt)).map(|attempt| attempt.key);
                verify_voice(findings, book, task, voice, made_by);
            }
        }
        (_, Some(_)) => {
            let expected = format_args!("a task that is done, {} is not", task.id);
            findings.add(DiscrepancyKind::Stray, &row, "task", task.id, expected);
        }
        (_, None) => {}
    }
}

fn verify_voice(
    findings: &mut Findings,
    book: &JobBook,
    task: &Task,
    made: &MadeVoice,
    made_by: Option<KeyId>,
) {
    let row = RowId::voice(made.id);
    let Some(voice) = book.voices.iter().find(|voice| voice.id == made.id) else {
        return findings.missing(&row, format_args!("{} made it", RowId::task(task.id)));
    };
    findings.same(&row, "tenant", &voice.tenant, &task.tenant);
    findings.same(&row, "user_id", &voice.user, &task.user);
    findings.same(&row, "upstream_voice", voice.upstream_voice.as_str(), made.upstream_voice.as_str());
    findings.same(&row, "name", voice.name.as_str(), made.name.as_str());
    findings.same(&row, "created_at", Some(voice.created_at), task.finished_at);
    findings.same(&row, "server", voice.route.to_string(), task.planned_route().route().to_string());
    if let Some(key) = made_by {
        findings.same(&row, "api_key_id", voice.key, key);
    }
}

/// A charge is booked once, by an entry of the task's wallet, and refunds add up.
fn verify_entries_of(findings: &mut Findings, book: &JobBook, task: &Task, entries: &[&Entry]) {
    let row = RowId::task(task.id);
    let usage: Vec<&&Entry> = entries.iter().filter(|entry| entry.kind == EntryKind::Usage).collect();
    let refunds: i128 =
        entries.iter().filter(|entry| entry.kind == EntryKind::Refund).map(|entry| moved(entry)).sum();
    // Entries are archived in their order, and what is refunded was charged before.
    let is_whole = book.archived_entries == 0 || !usage.is_empty() || task.charged == Amount::ZERO;
    for entry in entries {
        let of_entry = RowId::entry(entry.wallet, entry.number);
        findings.same(&of_entry, "wallet", entry.wallet, book.job.wallet);
        let route = entry.cause.route.as_ref().map(ToString::to_string);
        findings.same(&of_entry, "server", route, Some(task.planned_route().route().to_string()));
    }
    for entry in &usage {
        let of_entry = RowId::entry(entry.wallet, entry.number);
        findings.exactly(&of_entry, "amount", moved(entry), steps(task.charged));
        findings.same(&of_entry, "created_at", Some(entry.at), task.finished_at);
    }
    let expected = count(usize::from(task.charged > Amount::ZERO));
    if is_whole {
        findings.exactly(&row, "credits_cost", count(usage.len()), expected);
        findings.exactly(&row, "refunded", steps(task.refunded), refunds);
    } else {
        findings.at_most(&row, "credits_cost", count(usage.len()), expected);
        findings.at_least(&row, "refunded", steps(task.refunded), refunds);
    }
}
