//! The worker processes: some seats, each taken by one process until it is killed, and then by the next.

use std::{
    fs::File,
    io::{BufRead as _, BufReader, Write as _},
    path::PathBuf,
    process::{Child, ChildStdin, Command, Stdio},
    sync::Arc,
    thread::JoinHandle,
    time::Duration,
};

use anyhow::{Context as _, Result, bail, ensure};

use super::{
    asked::Asked,
    host::{Orders, Word},
    log::{Log, since_1970},
};

/// How many work at the same time, on one database.
pub(super) const WORKERS: usize = 4;

/// The workers.
#[derive(Debug)]
pub(super) struct Crew {
    program: PathBuf,
    /// Where their logs go.
    folder: PathBuf,
    orders: Orders,
    asked: Arc<Asked>,
    seats: Vec<Worker>,
    logs: Vec<Kept>,
}

/// A log, and when who wrote it was killed, since 1970.
#[derive(Debug)]
struct Kept {
    path: PathBuf,
    killed_at: Option<Duration>,
}

/// A worker process; killed when it is dropped.
#[derive(Debug)]
struct Worker {
    process: Child,
    input: ChildStdin,
    listening: Option<JoinHandle<()>>,
    /// Which of the logs is its.
    log: usize,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Runs,
    Stopped,
}

impl Crew {
    /// Starts the first ones.
    pub(super) fn start(
        program: PathBuf,
        folder: PathBuf,
        orders: Orders,
        asked: Arc<Asked>,
    ) -> Result<Self> {
        let mut crew = Self { program, folder, orders, asked, seats: Vec::new(), logs: Vec::new() };
        for _ in 0..WORKERS {
            let worker = crew.worker()?;
            crew.seats.push(worker);
        }
        Ok(crew)
    }

    fn worker(&mut self) -> Result<Worker> {
        let log = self.logs.len();
        let path = self.folder.join(format!("worker-{}.log", log + 1));
        let mut command = Command::new(&self.program);
        command.arg(serde_json::to_string(&self.orders)?).stdin(Stdio::piped()).stdout(Stdio::piped());
        command.stderr(File::create(&path)?);
        let started = command.spawn();
        let mut process = started.with_context(|| {
            format!(
                "no worker at {}: build it by `cargo build -p kingcong-tests --bins`",
                self.program.display()
            )
        })?;
        let input = process.stdin.take().context("a worker's input is a pipe")?;
        let output = process.stdout.take().context("a worker's output is a pipe")?;
        let asked = Arc::clone(&self.asked);
        let listening = std::thread::spawn(move || {
            // What a killed process had written is read all the same.
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                asked.note(&line);
            }
        });
        self.logs.push(Kept { path, killed_at: None });
        Ok(Worker { process, input, listening: Some(listening), log, state: State::Runs })
    }

    /// Tells the worker on a seat. One that is stopped hears it later, one that was killed meanwhile never.
    pub(super) fn tell(&mut self, seat: usize, word: Word) {
        let _ = writeln!(self.seats[seat].input, "{word}");
    }

    /// `kill -9`; another worker takes the seat.
    pub(super) fn kill(&mut self, seat: usize) -> Result<()> {
        self.check_alive(seat)?;
        let next = self.worker()?;
        let killed = std::mem::replace(&mut self.seats[seat], next);
        self.logs[killed.log].killed_at = Some(since_1970());
        drop(killed);
        Ok(())
    }

    /// Stops a worker, if it is not.
    pub(super) fn stop(&mut self, seat: usize) -> Result<()> {
        self.check_alive(seat)?;
        let worker = &mut self.seats[seat];
        worker.signal("-STOP")?;
        worker.state = State::Stopped;
        Ok(())
    }

    /// Lets a stopped worker go on, if it was not killed meanwhile.
    pub(super) fn resume(&mut self, seat: usize) -> Result<()> {
        let worker = &mut self.seats[seat];
        if worker.state == State::Runs {
            return Ok(());
        }
        worker.signal("-CONT")?;
        worker.state = State::Runs;
        Ok(())
    }

    /// Sets the clock of all workers, and of those to come.
    pub(super) fn step_all(&mut self, seconds: i64) {
        self.orders.ahead_s += seconds;
        (0..WORKERS).for_each(|seat| self.tell(seat, Word::Step(seconds)));
    }

    /// How workers are started now.
    pub(super) const fn orders(&self) -> &Orders {
        &self.orders
    }

    /// Ends all of them; what they wrote for operators.
    pub(super) fn end(mut self) -> Result<Vec<Log>> {
        (0..WORKERS).try_for_each(|seat| self.check_alive(seat))?;
        self.seats.clear();
        let read = |kept: &Kept| {
            let text = String::from_utf8_lossy(&std::fs::read(&kept.path)?).into_owned();
            Ok(Log { text, killed_at: kept.killed_at })
        };
        self.logs.iter().map(read).collect()
    }

    fn check_alive(&mut self, seat: usize) -> Result<()> {
        let worker = &mut self.seats[seat];
        if let Some(status) = worker.process.try_wait()? {
            let log = std::fs::read_to_string(&self.logs[worker.log].path).unwrap_or_default();
            bail!("a worker ended by itself ({status}), after:\n{}", last_lines(&log, 5));
        }
        Ok(())
    }
}

impl Worker {
    fn signal(&self, signal: &str) -> Result<()> {
        let mut kill = Command::new("kill");
        let status = kill.args([signal, &self.process.id().to_string()]).status()?;
        ensure!(status.success(), "a worker cannot be sent {signal}");
        Ok(())
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        // `kill -9`, also of one that is stopped. One that cannot be killed is gone already.
        let _ = self.process.kill();
        let _ = self.process.wait();
        if let Some(listening) = self.listening.take() {
            let _ = listening.join();
        }
    }
}

fn last_lines(text: &str, most: usize) -> String {
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(most)..].join("\n")
}
