//! What is printed: progress (with a live line in a terminal), then a table and the sums, or one JSON object.

use std::{
    collections::BTreeMap,
    fmt::Display,
    io::{IsTerminal, Write, stdout},
    path::Path,
};

use kingcong_core::{
    engine::{JobEvent, JobReport, TaskReport, Verification},
    ledger::Wallet,
    measure::Measure,
    work::TaskState,
};
use serde_json::json;

/// How far a task is that was sent.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Seen {
    Sent { attempt: u8 },
    Waits,
    Ended,
}

pub(crate) struct Screen {
    json: bool,
    /// How many tasks are watched.
    tasks: usize,
    /// Those of them that were sent, by request and place.
    seen: BTreeMap<(u32, u32), Seen>,
}

impl Screen {
    pub(crate) fn new(json: bool) -> Self {
        Self { json, tasks: 0, seen: BTreeMap::new() }
    }

    fn is_live(&self) -> bool {
        !self.json && stdout().is_terminal()
    }

    pub(crate) fn line(&self, line: impl Display) {
        match (self.json, self.is_live()) {
            (true, _) => {}
            (false, true) => println!("\r\x1b[K{line}"),
            (false, false) => println!("{line}"),
        }
    }

    /// Begins to show the tasks of these requests, as far as they are.
    pub(crate) fn start(&mut self, reports: &[JobReport]) {
        self.seen.clear();
        self.tasks = reports.iter().map(|report| report.tasks.len()).sum();
        for (request, report) in (1..).zip(reports) {
            for TaskReport { task, route, key, .. } in &report.tasks {
                let (place, key) = (task.place, key.clone().unwrap_or_default());
                if task.is_ended() {
                    self.seen.insert((request, place), Seen::Ended);
                } else if let TaskState::Running { .. } = task.state {
                    let (route, attempt) = (route.clone(), task.attempts);
                    self.event(request, &JobEvent::TaskStarted { place, route, key, attempt });
                }
            }
        }
    }

    pub(crate) fn event(&mut self, request: u32, event: &JobEvent) {
        let (place, seen, what) = match event {
            JobEvent::TaskStarted { place, route, key, attempt } => {
                let what = format!("sent to {route} with key {key}, attempt {attempt}");
                (*place, Seen::Sent { attempt: *attempt }, what)
            }
            JobEvent::TaskWaits { place, reason } => (*place, Seen::Waits, format!("waits: {reason}")),
            JobEvent::TaskDone { place, charged } => {
                (*place, Seen::Ended, format!("done, {} credits", charged.get()))
            }
            JobEvent::TaskFailed { place, error } => (*place, Seen::Ended, format!("failed: {error}")),
            _ => return,
        };
        // What was under way when the watching began may be told twice.
        if self.seen.insert((request, place), seen) != Some(seen) || seen == Seen::Ended {
            self.line(format!("request {request}, task {:>2}: {what}", place + 1));
        }
        if self.is_live() {
            let (ended, tasks) = (self.ended(), self.tasks);
            let bar: String = (0..40).map(|at| if at * tasks < ended * 40 { '█' } else { '░' }).collect();
            print!("\r\x1b[K{bar} {ended} of {tasks} tasks");
            // A screen that cannot be drawn on is no reason to stop working.
            let _ = stdout().flush();
        }
    }

    fn ended(&self) -> usize {
        self.seen.values().filter(|seen| **seen == Seen::Ended).count()
    }

    pub(crate) fn are_half_ended(&self) -> bool {
        self.ended() * 2 >= self.tasks
    }

    pub(crate) fn table(&self, report: &JobReport) {
        self.line("\ntask  server  service     key        attempts  characters  credits    time");
        for row in &report.tasks {
            let (task, route) = (&row.task, &row.route);
            let ms = task.finished_at.map_or(0, |at| at.since(task.created_at).as_millis());
            self.line(format!(
                "{:>4}  {:<6}  {:<10}  {}  {:>8}  {:>10}  {:>7}  {:>2}.{} s  {}",
                task.place + 1,
                route.server.as_str(),
                route.service.as_str(),
                row.key.as_deref().unwrap_or("-        "),
                row.attempts,
                task.quantities.most_of(Measure::Character),
                task.charged.get(),
                ms / 1000,
                ms / 100 % 10,
                row.state()
            ));
        }
    }

    /// What came of the requests.
    pub(crate) fn result(
        &self,
        reports: &[JobReport],
        wallet: &Wallet,
        violations: usize,
        books: &Verification,
        audio: Option<&Path>,
    ) {
        let sum = |of: fn(&JobReport) -> i64| reports.iter().map(of).sum::<i64>();
        let held = sum(|report| report.job.held.get());
        let charged = sum(|report| report.job.total.charged().get());
        let released = sum(|report| report.released.get());
        let (purchased, balance) = (wallet.total_purchased.get(), wallet.balance.get());
        let tasks = || reports.iter().flat_map(|report| &report.tasks);
        let on = |server| tasks().filter(|task| task.route.server.as_str() == server).count();
        let (ai33, ai84) = (on("ai33"), on("ai84"));
        if self.json {
            let tasks: Vec<_> = (1..).zip(tasks()).map(task_json).collect();
            let result = json!({
                "tasks": tasks,
                "split": { "ai33": ai33, "ai84": ai84 },
                "credits": {
                    "purchased": purchased, "held": held, "charged": charged, "released": released,
                    "balance": balance,
                },
                "violations": violations,
                "verified": books.is_sound(),
                "audio": audio,
            });
            println!("{result}");
            return;
        }
        reports.iter().for_each(|report| self.table(report));
        println!("\nsplit    ai33 {ai33}, ai84 {ai84}");
        println!(
            "credits  {purchased} purchased in all, {held} held, {charged} charged, {released} released"
        );
        println!("balance  {balance}");
        println!("limits   exceeded {violations} times, as the servers counted");
        println!("books    {}", if books.is_sound() { "every sum is right" } else { "NOT SOUND" });
        println!("audio    {}", audio.map_or("not every task has a result".into(), Path::to_string_lossy));
    }
}

fn task_json((number, report): (u32, &TaskReport)) -> serde_json::Value {
    json!({
        "task": number, "server": report.route.server, "service": report.route.service, "key": report.key,
        "attempts": report.attempts, "characters": report.task.quantities.most_of(Measure::Character),
        "credits": report.task.charged.get(), "state": report.state(),
    })
}
