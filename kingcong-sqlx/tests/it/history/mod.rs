//! One workload on every real database, by several processes at once; every answer is written down and checked
//! afterwards.
//!
//! A process here is a store that was opened apart from the others, with several workers of its own. All of them buy,
//! ask, claim, settle, stop and refund on the same few wallets, orders and keys, and repeat each other's questions.

mod check;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use futures_util::future::join_all;
use kingcong_core::{
    access::Scope,
    clock::Timestamp,
    failure::{Failure, FailureKind, Reached},
    id::{JobId, TaskId},
    keys::{Limit, Rules},
    ledger::{Cause, HoldState},
    store::{
        AdminAct, AdminAnswer, AttemptResult, BookReads, Command, Credit, JobBook, Lease, Movement, Outcome,
        PAGE_MAX, Settled, Stop, StopWhy, Stopped, Store, UnknownPolicy, WalletBook, Written, conformance,
    },
    work::IdempotencyKey,
};
use kingcong_sqlx::{Options, SqlStore};
use parking_lot::Mutex;

use self::check::{Answer, Book, Bounds, Contest, History, Hold, check};
use crate::world::{
    Dice, Ids, StandingClock, Writer, add_key, admit, audit, claim, configure, done, purchase, route, settle,
    user, wallet,
};

/// How many stores are opened apart from each other.
const PROCESSES: u32 = 4;
/// How many workers each has.
const WORKERS: u32 = 4;
/// A batch that others always come before was locked wrongly.
const TRIES_MAX: u32 = 1_000;
/// How many batches a worker writes.
const ROUNDS: u32 = 16;
/// Who buys and asks.
const USERS: u32 = 3;
/// How many different questions there are of each kind; who asks one that was asked gets its answer.
const QUESTIONS: u64 = 120;
/// What all of them fight for: 1,000 jobs of 0.10 each, on 5.00.
const FUNDS: i64 = 500;
const COST: i64 = 10;
const CONTEST_JOBS: u32 = 1_000;
const CONTEST_JOBS_PER_BATCH: u32 = 5;
/// Who pays for those.
const RIVAL: u32 = USERS;
/// What keys allow. Accounts, of which two keys have one, allow twice as much.
const IN_FLIGHT: u32 = 2;
const PER_WINDOW: u32 = 6;

/// What the workers of all processes tell each other.
#[derive(Debug)]
struct Board {
    jobs: Vec<JobId>,
    charged: Vec<(TaskId, u32)>,
    /// Jobs of the contest that nobody has asked for yet.
    contest_jobs_left: u32,
}

/// One worker of one process.
struct Worker {
    process: u32,
    store: SqlStore,
    clock: Arc<StandingClock>,
    board: Arc<Mutex<Board>>,
    writer: Writer,
    ids: Ids,
    dice: Dice,
    leases: Vec<Lease>,
    answers: Vec<(u32, Answer)>,
}

impl Worker {
    /// Writes a batch until it is written, and notes what it was answered.
    async fn write(&mut self, commands: Vec<Command>) {
        let batch = self.writer.batch(commands);
        let mut tries = 0;
        let (at, outcomes) = loop {
            tries += 1;
            match self.store.write(&batch).await {
                Ok(Written::Now { at, outcomes, .. }) => break (at, outcomes),
                Err(error) if error.is_retryable() && tries < TRIES_MAX => tokio::task::yield_now().await,
                other => panic!("try {tries}: {other:?}"),
            }
        };
        assert_eq!(outcomes.len(), batch.commands.len());
        for (command, outcome) in batch.commands.iter().zip(outcomes) {
            self.note(command, outcome, at);
        }
    }

    fn note(&mut self, command: &Command, outcome: Outcome, at: Timestamp) {
        let answer = match (command, outcome) {
            (Command::Admin(admin), Outcome::Admin(AdminAnswer::Credit(told))) => {
                let AdminAct::Credit(asked) = &admin.act else { panic!("{:?} moved money", admin.act) };
                let wallet = asked.wallet.id().as_uuid().as_u128();
                let asked = asked.idempotency.map(|it| it.key);
                match told {
                    Ok(told) => Answer::Credited {
                        asked,
                        wallet,
                        amount: told.moved.amount.get(),
                        balance_after: told.moved.balance_after.get(),
                        entry: told.entry,
                    },
                    // A task is refunded once, under one key: this key was used for another wish.
                    Err(_) => Answer::Refused { asked, wallet },
                }
            }
            (Command::Admit(asked), Outcome::Admit(Ok(told))) => {
                self.board.lock().jobs.push(told.job);
                Answer::Admitted {
                    asked: asked.idempotency.map(|it| it.key),
                    wallet: asked.wallet.id().as_uuid().as_u128(),
                    job: told.job.as_uuid().as_u128(),
                    held: told.held.get(),
                }
            }
            (Command::Admit(asked), Outcome::Admit(Err(_))) => Answer::Refused {
                asked: asked.idempotency.map(|it| it.key),
                wallet: asked.wallet.id().as_uuid().as_u128(),
            },
            (Command::Claim(_), Outcome::Claim(told)) => {
                for lease in told.leases {
                    let it = &lease.attempt;
                    let limits = [Some(Limit::id_of_key(it.key)), it.account_limit, it.egress_limit];
                    let answer = Answer::Leased {
                        attempt: it.id.as_uuid().as_u128(),
                        limits: limits.iter().flatten().map(|id| id.as_uuid().as_u128()).collect(),
                        at: it.leased_at.as_micros(),
                    };
                    self.answers.push((self.process, answer));
                    self.leases.push(lease);
                }
                return;
            }
            (Command::Settle(asked), Outcome::Settle(Ok(told))) => {
                let Settled { job, charged, released, .. } = *told;
                if charged.get() > 0 {
                    let who = (0..=RIVAL).find(|who| job.user == user(*who)).unwrap();
                    self.board.lock().charged.push((asked.task, who));
                }
                Answer::Settled {
                    attempt: asked.attempt.as_uuid().as_u128(),
                    job: job.id.as_uuid().as_u128(),
                    charged: charged.get(),
                    end: job.state.is_final().then_some(released.get()),
                    at: at.as_micros(),
                }
            }
            (Command::Stop(_), Outcome::Stop(Some(Stopped { job, ended, released }))) => Answer::Stopped {
                job: job.id.as_uuid().as_u128(),
                // One that ended nothing found the job ended, or leaves the end to its last attempt.
                end: (job.state.is_final() && ended > 0).then_some(released.get()),
            },
            other => panic!("{other:?}"),
        };
        self.answers.push((self.process, answer));
    }

    /// Something that anybody may ask, and some have asked before.
    fn wish(&mut self) -> Command {
        let question = self.dice.roll(QUESTIONS);
        let who = (question % u64::from(USERS)) as u32;
        let board = self.board.lock();
        let (jobs, charged) = (&board.jobs, &board.charged);
        match self.dice.roll(8) {
            0 => purchase(&mut self.ids, who, 10 + question as i64, Some(&format!("order {question}"))),
            1 if !jobs.is_empty() => {
                let job = jobs[self.dice.roll(jobs.len() as u64) as usize];
                Command::Stop(Stop { scope: Scope::All, job, why: StopWhy::Cancelled })
            }
            2 if !charged.is_empty() => {
                let (task, who) = charged[self.dice.roll(charged.len() as u64) as usize];
                refund(&mut self.ids, task, who)
            }
            _ => {
                let texts = ["một", "hai ba", "bốn năm sáu"];
                let texts = &texts[..1 + question as usize % texts.len()];
                Command::Admit(Box::new(admit(
                    &mut self.ids,
                    who,
                    texts,
                    Some(&format!("request {question}")),
                )))
            }
        }
    }

    async fn work(&mut self) {
        for _ in 0..ROUNDS {
            self.clock.advance(Duration::from_millis(self.dice.roll(4_000)));
            let mut commands = vec![self.wish(), self.wish()];
            commands.extend(["ai33", "ai84"].map(|server| claim(&mut self.ids, &route(server), 3)));
            let (ending, running) = self.leases.drain(..).partition(|_| self.dice.roll(3) > 0);
            self.leases = running;
            commands.extend(self.settle(ending));
            self.write(commands).await;
        }
        let ending = std::mem::take(&mut self.leases);
        let commands = self.settle(ending);
        self.write(commands).await;
    }

    fn settle(&mut self, leases: Vec<Lease>) -> Vec<Command> {
        let refused = || {
            let failure = Failure::new(FailureKind::BadRequest, Reached::No, "no");
            AttemptResult::Failed { failure, policy: UnknownPolicy::Retry }
        };
        let mut result = || if self.dice.roll(4) == 0 { refused() } else { done(10) };
        leases.iter().map(|lease| settle(lease, result())).collect()
    }

    /// This worker's part of the jobs that there is not enough money for.
    async fn fight(&mut self) {
        loop {
            let some = {
                let left = &mut self.board.lock().contest_jobs_left;
                let some = CONTEST_JOBS_PER_BATCH.min(*left);
                *left -= some;
                some
            };
            if some == 0 {
                break;
            }
            // 14 characters at 0.7 are 9.8.
            let mut job = || Command::Admit(Box::new(admit(&mut self.ids, RIVAL, &["mười bốn chữ ạ"], None)));
            let commands = (0..some).map(|_| job()).collect();
            self.write(commands).await;
        }
    }
}

fn refund(ids: &mut Ids, task: TaskId, who: u32) -> Command {
    let (wallet, text) = (wallet(who), format!("refund of {task}"));
    let idempotency =
        IdempotencyKey::new("wallets.refund", &wallet.tenant, user(who).as_str(), &text, &"all").unwrap();
    let movement = Movement::Refund { task, amount: None, cause: Cause::default() };
    Command::admin(audit(ids), Credit { idempotency: Some(idempotency), wallet, movement })
}

/// What there is in the end.
async fn books(store: &SqlStore) -> Vec<Book> {
    let mut jobs = Vec::new();
    while let page = store.job_books(jobs.last().map(|book: &JobBook| book.job.id), PAGE_MAX).await.unwrap()
        && !page.is_empty()
    {
        jobs.extend(page);
    }
    let book = |it: WalletBook| Book {
        wallet: it.wallet.id.as_uuid().as_u128(),
        balance: it.wallet.balance.get(),
        held: it.wallet.held.get(),
        entries: it.entries.iter().map(|it| (it.number, it.amount.get(), it.balance_after.get())).collect(),
        holds: jobs
            .iter()
            .filter_map(|job| job.hold.as_ref().filter(|hold| hold.wallet == it.wallet.id))
            .map(|it| Hold {
                job: it.job.as_uuid().as_u128(),
                amount: it.amount.get(),
                captured: it.captured.get(),
                released: match it.state {
                    HoldState::Open => None,
                    HoldState::Closed { released, .. } => Some(released.get()),
                },
            })
            .collect(),
    };
    store.wallet_books(None, PAGE_MAX).await.unwrap().into_iter().map(book).collect()
}

async fn many_processes_tell_one_history(url: &str) {
    let clock = StandingClock::new();
    let board = Arc::new(Mutex::new(Board {
        jobs: Vec::new(),
        charged: Vec::new(),
        contest_jobs_left: CONTEST_JOBS,
    }));
    let mut workers = Vec::new();
    for process in 0..PROCESSES {
        let mut options = Options::default();
        options.clock = Some(Arc::<StandingClock>::clone(&clock));
        let store = SqlStore::connect_with(url, options).await.unwrap();
        for number in process * WORKERS..(process + 1) * WORKERS {
            let mut ids = Ids::of_process(number + 1);
            workers.push(Worker {
                process,
                store: store.clone(),
                clock: Arc::clone(&clock),
                board: Arc::clone(&board),
                writer: Writer::register(&store, &mut ids).await,
                ids,
                dice: Dice::new(number.into()),
                leases: Vec::new(),
                answers: Vec::new(),
            });
        }
    }

    let first = &mut workers[0];
    first.writer.write(&first.store, vec![configure(&mut first.ids)]).await;
    let mut keys = Vec::new();
    for server in ["ai33", "ai84"] {
        for account in [Some("shared"), Some("shared"), Some("shared"), None] {
            let add = add_key(&mut first.ids, &route(server), IN_FLIGHT, PER_WINDOW, account);
            keys.push(Command::admin(audit(&mut first.ids), add));
        }
    }
    first.writer.write(&first.store, keys).await;
    let mut purses: Vec<Command> = (0..USERS).map(|who| purchase(&mut first.ids, who, 5_000, None)).collect();
    purses.push(purchase(&mut first.ids, RIVAL, FUNDS, None));
    first.write(purses).await;

    let working = workers.into_iter().map(|mut worker| {
        tokio::spawn(async move {
            worker.work().await;
            worker
        })
    });
    let workers: Vec<Worker> = join_all(working).await.into_iter().map(Result::unwrap).collect();
    let fighting = workers.into_iter().map(|mut worker| {
        tokio::spawn(async move {
            worker.fight().await;
            worker
        })
    });
    let workers: Vec<Worker> = join_all(fighting).await.into_iter().map(Result::unwrap).collect();

    let store = &workers[0].store;
    conformance::recount(store).await;
    let limits: Vec<Bounds> = store
        .limits()
        .await
        .unwrap()
        .iter()
        .map(|it| Bounds {
            limit: it.limit.id.as_uuid().as_u128(),
            in_flight: it.limit.max_in_flight.get() as usize,
            per_window: it.limit.per_window.get() as usize,
        })
        .collect();
    let answers: Vec<(u32, Answer)> = workers.iter().flat_map(|it| it.answers.iter().cloned()).collect();
    let history = History {
        answers: answers.iter().map(|(_, answer)| answer.clone()).collect(),
        books: books(store).await,
        limits,
        contests: vec![Contest { wallet: wallet(RIVAL).id().as_uuid().as_u128(), funds: FUNDS, cost: COST }],
        window: Rules::WINDOW.as_micros() as i64,
    };
    assert_eq!(check(&history), []);
    assert_everything_happened(&answers);
}

/// A history in which nothing happened would be true, too.
fn assert_everything_happened(answers: &[(u32, Answer)]) {
    let count = |of: fn(&Answer) -> bool| answers.iter().filter(|(_, answer)| of(answer)).count();
    let mut askers: BTreeMap<[u8; 32], BTreeSet<u32>> = BTreeMap::new();
    for (process, answer) in answers {
        if let Answer::Credited { asked: Some(asked), .. } | Answer::Admitted { asked: Some(asked), .. } =
            answer
        {
            askers.entry(*asked).or_default().insert(*process);
        }
    }
    assert!(askers.values().any(|processes| processes.len() == PROCESSES as usize), "all asked the same");
    assert!(
        count(|it| matches!(it, Answer::Refused { .. })) >= CONTEST_JOBS as usize - (FUNDS / COST) as usize
    );
    assert!(count(|it| matches!(it, Answer::Stopped { end: Some(_), .. })) > 0);
    assert!(count(|it| matches!(it, Answer::Settled { end: Some(_), .. })) > 0);
    assert!(count(|it| matches!(it, Answer::Settled { charged: 0, .. })) > 0);
    // More than fit into a window, so that limits made calls wait.
    assert!(count(|it| matches!(it, Answer::Leased { .. })) > 2 * 4 * PER_WINDOW as usize);
}

#[tokio::test(flavor = "multi_thread")]
async fn on_sqlite_processes_tell_one_history() {
    let directory = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}", directory.path().join("kingcong.db").display());
    many_processes_tell_one_history(&url).await;
}

#[cfg(feature = "mysql")]
#[tokio::test(flavor = "multi_thread")]
async fn on_mariadb_processes_tell_one_history() {
    many_processes_tell_one_history(&crate::databases::mariadb().fresh_database().unwrap()).await;
}

#[cfg(feature = "postgres")]
#[tokio::test(flavor = "multi_thread")]
async fn on_postgresql_processes_tell_one_history() {
    many_processes_tell_one_history(&crate::databases::postgres().fresh_database().unwrap()).await;
}
