//! Chaos among real processes: four workers on one database, requests made all the time, and a seed's sequence of
//! everything that goes wrong: workers and the database's server killed, connections cut, processes stopped, clocks
//! set, upstreams that refuse, lose, delay and forget. Afterwards nothing may be lost, done twice without a record,
//! charged wrongly, or stuck.
//!
//! | file | what it plays |
//! |---|---|
//! | `plan.rs` | what a seed does, and when |
//! | `host.rs`, `clock.rs` | what a worker process does, and its clock |
//! | `crew.rs`, `log.rs` | the processes, and what they write |
//! | `database.rs` | the database, its server, and the way to it |
//! | `weather.rs` | the upstreams |
//! | `asked.rs` | what was asked and answered |
//! | `check.rs` | what must be true afterwards |

mod asked;
mod check;
pub mod clock;
mod crew;
mod database;
pub mod host;
pub mod log;
mod plan;
mod summary;
mod weather;

use std::{
    fmt,
    fs::File,
    io::Write as _,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use kingcong_core::{KingCong, engine::Mode, id::SystemEntropy, store::Store as _, vault::StaticMasterKey};
use kingcong_sqlx::SqlStore;
use parking_lot::Mutex;
use tempfile::TempDir;

pub use database::Target;
pub use summary::{Figures, Summary};

use self::{
    asked::Asked,
    check::Check,
    clock::SteppedClock,
    crew::{Crew, WORKERS},
    database::Database,
    host::{Orders, Word},
    plan::{Fault, Plan},
    weather::Sky,
};
use crate::dice::Dice;

/// The longest pause between two words to the workers.
const WORD_PAUSE_MS_MAX: u64 = 1_000;
/// How often an answer is looked for in the end, and for how long at most.
const ANSWER_POLL: Duration = Duration::from_millis(20);
const ANSWER_MAX: Duration = Duration::from_secs(180);
/// After so many kills something is said.
const KILLS_TOLD: u32 = 20;

/// What is to be run.
#[derive(Clone, Debug)]
pub struct Chaos {
    /// On which database.
    pub database: Target,
    /// How many kills, of workers and of the database's server.
    pub kills: u32,
    /// What everything else follows from.
    pub seed: u64,
    /// The program of a worker process.
    pub worker: PathBuf,
}

impl fmt::Display for Chaos {
    /// The command that runs it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { database, kills, seed, .. } = self;
        write!(f, "cargo xtask chaos --database {database} --kills {kills} --seed {seed}")
    }
}

impl Chaos {
    /// Starts the database and the upstreams, and writes what everything begins with. Needs a runtime of several
    /// threads.
    ///
    /// # Errors
    /// When the database cannot be opened or is not empty.
    pub async fn start(self) -> Result<Started> {
        let folder = tempfile::Builder::new().prefix("kingcong-chaos-").tempdir()?;
        let sky = Sky::start(self.seed).await?;
        let database = tokio::task::block_in_place(|| Database::start(&self.database, folder.path()))?;
        let master_key = folder.path().join("master-key");
        StaticMasterKey::from_file_or_create(&master_key, &SystemEntropy)?;
        let direct =
            Orders { database: database.direct_url.clone(), master_key, time: database.time, ahead_s: 0 };
        prepare(&direct, &sky).await?;
        Ok(Started { chaos: self, folder, sky, database, direct })
    }
}

/// A run that has everything it needs.
pub struct Started {
    chaos: Chaos,
    folder: TempDir,
    sky: Sky,
    database: Database,
    /// How the library is opened with nothing between it and the database.
    direct: Orders,
}

impl fmt::Debug for Started {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Started").field("chaos", &self.chaos).finish_non_exhaustive()
    }
}

impl Started {
    /// Runs it; `say` is told how far it is. The logs of a run that broke something stay, and `say` is told where.
    ///
    /// # Errors
    /// When it cannot be run to its end: that is broken, too.
    pub async fn run(self, mut say: impl FnMut(String)) -> Result<Summary> {
        let Self { chaos, folder, sky, database, direct } = self;
        let started = Instant::now();
        say(chaos.to_string());
        let ended = play(&chaos, folder.path(), &sky, database, direct, &mut say).await;
        let is_right = ended.as_ref().is_ok_and(|(_, broken)| broken.is_empty());
        if !is_right {
            say(format!("what went wrong, and the workers' logs, are in {}", folder.keep().display()));
        }
        let (figures, broken) = ended.with_context(|| format!("repeat it: {chaos}"))?;
        Ok(Summary { chaos, figures, broken, took: started.elapsed() })
    }
}

async fn play(
    chaos: &Chaos,
    folder: &Path,
    sky: &Sky,
    mut database: Database,
    direct: Orders,
    say: &mut impl FnMut(String),
) -> Result<(Figures, Vec<String>)> {
    let dice = Dice::new(chaos.seed);
    database.fray(dice.fork());
    let asked = Arc::new(Asked::new());
    let orders = Orders { database: database.url.clone(), ..direct.clone() };
    let crew = Crew::start(chaos.worker.clone(), folder.to_owned(), orders, Arc::clone(&asked))?;
    let crew = Mutex::new(crew);
    let plan = Plan::of(dice.throw(), chaos.kills, database.exposure, weather::KEYS);
    let mut stage = Stage {
        diary: File::create(folder.join("faults.log"))?,
        crew: &crew,
        database,
        sky,
        steps_forward: Vec::new(),
        figures: Figures::default(),
    };
    tokio::select! {
        played = stage.play(plan, say) => played?,
        never = ask(&asked, &crew, dice.fork()) => match never {},
    }
    stage.clear_up(&asked).await?;
    // The database goes when nobody needs it any more.
    let Stage { database: _database, steps_forward, figures, .. } = stage;
    say("nothing goes wrong any more; waiting for the rest".to_owned());

    let direct = Orders { ahead_s: crew.lock().orders().ahead_s, ..direct };
    let kc = host::open(&direct, Arc::new(SteppedClock::new(direct.ahead_s)), Mode::Client, None).await?;
    repeat_unanswered(&kc, &asked).await?;
    let mut check = Check::new(&kc, &asked, sky, &steps_forward, figures);
    check.requests().await?;
    let logs = crew.into_inner().end()?;
    check.figures.burials = logs.iter().map(log::Log::burials).sum();
    check.figures.recoveries = log::recoveries(&logs);
    check.upstreams();
    check.books().await?;
    let Check { broken, figures, .. } = check;
    kc.close().await;
    Ok((figures, broken))
}

/// Writes the configuration, the keys and the first purchases into an empty database.
async fn prepare(orders: &Orders, sky: &Sky) -> Result<()> {
    let store = SqlStore::connect(&orders.database).await?;
    let is_empty = store.pulse().await?.configuration_version == 0;
    store.close().await;
    ensure!(is_empty, "the database was used before: give an empty one");
    let clock = Arc::new(SteppedClock::new(0));
    let kc = host::open(orders, clock, Mode::Client, Some(sky.preset()?)).await?;
    sky.add_keys(&kc).await?;
    for number in 0..host::USERS {
        host::buy(&kc, number).await?;
    }
    kc.close().await;
    Ok(())
}

/// Asks for requests and purchases, all the time.
async fn ask(asked: &Asked, crew: &Mutex<Crew>, dice: Dice) -> std::convert::Infallible {
    loop {
        tokio::time::sleep(Duration::from_millis(dice.between(0, WORD_PAUSE_MS_MAX))).await;
        let seat = usize::try_from(dice.between(0, WORKERS as u64 - 1)).unwrap_or(0);
        crew.lock().tell(seat, asked.next(&dice));
    }
}

/// Asks again, here, for what nobody heard an answer to: it may have been done or not.
async fn repeat_unanswered(kc: &KingCong, asked: &Asked) -> Result<()> {
    for word in asked.unanswered() {
        let answer = match word {
            Word::Submit(number) => host::Answer::Accepted { number, job: host::submit(kc, number).await? },
            Word::Buy(number) => {
                host::buy(kc, number).await?;
                host::Answer::Booked(number)
            }
            Word::Step(_) => continue,
        };
        asked.note(&answer.to_string());
    }
    Ok(())
}

/// Everything that things go wrong with.
struct Stage<'a> {
    /// What went wrong when, beside the workers' logs.
    diary: File,
    crew: &'a Mutex<Crew>,
    database: Database,
    sky: &'a Sky,
    /// When the store's time was set forward, by the upstreams' time.
    steps_forward: Vec<Duration>,
    figures: Figures,
}

impl Stage<'_> {
    /// Plays a plan. The moments are its random part: nothing is waited for.
    async fn play(&mut self, plan: Plan, say: &mut impl FnMut(String)) -> Result<()> {
        let started = tokio::time::Instant::now();
        for (at, fault) in plan.faults {
            tokio::time::sleep_until(started + at).await;
            writeln!(self.diary, "{} {fault:?}", log::since_1970().as_micros())?;
            self.meet(fault).await.with_context(|| format!("{fault:?}"))?;
            let kills = self.figures.worker_kills + self.figures.server_kills;
            if matches!(fault, Fault::KillWorker { .. } | Fault::KillServer)
                && kills.is_multiple_of(KILLS_TOLD)
            {
                say(format!("{kills} kills after {} s", started.elapsed().as_secs()));
            }
        }
        Ok(())
    }

    async fn meet(&mut self, fault: Fault) -> Result<()> {
        let figures = &mut self.figures;
        match fault {
            Fault::KillWorker { seat } => {
                figures.worker_kills += 1;
                self.crew.lock().kill(seat)?;
            }
            Fault::KillServer => {
                figures.server_kills += 1;
                self.database.kill().await?;
            }
            Fault::RestartServer => self.database.restart()?,
            Fault::Sever => self.database.sever()?,
            Fault::Stop { seat } => {
                figures.stops += 1;
                self.crew.lock().stop(seat)?;
            }
            Fault::Resume { seat } => self.crew.lock().resume(seat)?,
            Fault::Step { seat, seconds } => {
                figures.steps += 1;
                self.crew.lock().tell(seat, Word::Step(seconds));
            }
            Fault::StepMachine { seconds } => {
                figures.steps += 1;
                self.crew.lock().step_all(seconds);
                if seconds > 0 {
                    self.steps_forward.push(self.sky.now());
                }
            }
            Fault::Weather { server, weather } => {
                figures.weathers += 1;
                self.sky.change(server, weather);
            }
            Fault::KillKey { server, key } => {
                figures.dead_keys += 1;
                self.sky.kill_key(server, key);
            }
            Fault::ReviveKey { server, key } => self.sky.revive_key(server, key),
        }
        Ok(())
    }

    /// Nothing goes wrong any more, and every worker must still be of use: also one that was stopped and buried.
    async fn clear_up(&mut self, asked: &Asked) -> Result<()> {
        self.sky.clear_up();
        self.figures.cuts = self.database.settle().await?;
        let words: Vec<Word> = (0..WORKERS).map(|_| asked.new_request()).collect();
        for (seat, word) in words.iter().enumerate() {
            self.crew.lock().tell(seat, *word);
        }
        let until = Instant::now() + ANSWER_MAX;
        while let Some(word) = words.iter().find(|word| !asked.is_answered(**word)) {
            ensure!(Instant::now() < until, "a worker does not answer to `{word}` within {ANSWER_MAX:?}");
            tokio::time::sleep(ANSWER_POLL).await;
        }
        Ok(())
    }
}
