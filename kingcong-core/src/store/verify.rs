//! Recounting: whether the figures that rows keep are what the rows beneath them add up to.
//!
//! Decisions read stored figures (a balance, the open tasks of a job, the calls in flight of a limit) because adding
//! them up each time would be too slow. Here they are added up, from rows that were read at one instant. A sound
//! store has no [`Discrepancy`], at any time, after any crash.

use std::{collections::BTreeMap, fmt};

use super::{JobWithTasks, LimitCount, WalletBook};
use crate::{
    id::{HoldId, JobId, LimitId, TaskId, WalletId},
    keys::Limit,
    ledger::{Entry, EntryKind, Hold, HoldState, Opening, Wallet},
    money::Amount,
    pricing::Overrun,
    work::{Job, Task, TaskState},
};

/// A stored figure that is not what it should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Discrepancy {
    /// The row that keeps it.
    pub row: RowId,
    /// Which of its figures.
    pub figure: Figure,
    /// What is stored.
    pub stored: i128,
    /// What it should be.
    pub recounted: Recount,
}

impl fmt::Display for Discrepancy {
    /// Such as `wallet 5f2c…: held is 12, recounted 10`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} is {}, {}", self.row, self.figure, self.stored, self.recounted)
    }
}

/// The row that keeps a figure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum RowId {
    /// A wallet.
    Wallet(WalletId),
    /// An entry, by its wallet and number.
    Entry(WalletId, u64),
    /// A hold.
    Hold(HoldId),
    /// A job.
    Job(JobId),
    /// A task.
    Task(TaskId),
    /// A limit.
    Limit(LimitId),
}

impl fmt::Display for RowId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Wallet(id) => write!(f, "wallet {id}"),
            Self::Entry(wallet, number) => write!(f, "entry {number} of wallet {wallet}"),
            Self::Hold(id) => write!(f, "hold {id}"),
            Self::Job(id) => write!(f, "job {id}"),
            Self::Task(id) => write!(f, "task {id}"),
            Self::Limit(id) => write!(f, "limit {id}"),
        }
    }
}

/// A figure that can be recounted. Amounts are in the smallest step of the wallet's unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Figure {
    /// A wallet's balance: the last entry's.
    Balance,
    /// A wallet's debt: the last entry's.
    Debt,
    /// What is held of a wallet: what its open holds have not captured; of a job: its hold's amount.
    Held,
    /// A wallet's balance less what is held: never below zero.
    Available,
    /// The number of a wallet's newest entry: how many there are.
    LastEntry,
    /// The sum of a wallet's purchases.
    TotalPurchased,
    /// The sum of what was charged to a wallet.
    TotalSpent,
    /// The sum of what was refunded to a wallet.
    TotalRefunded,
    /// An entry's number: one more than the entry's before it.
    Number,
    /// The balance after an entry: the one before it, changed by its amount.
    BalanceAfter,
    /// The debt after an entry: the one before it, changed by what it says.
    DebtAfter,
    /// What of a hold was captured: what its job was charged, up to what was held.
    Captured,
    /// What the closing of a hold released: what was not captured.
    Released,
    /// Whether a job's hold is open, 1, or closed, 0: open until the job ends.
    HoldsOpen,
    /// How many tasks a job has.
    Tasks,
    /// How many of them have not ended.
    OpenTasks,
    /// How many ended without a result.
    FailedTasks,
    /// Whether a job is over, 1, or not, 0: over when no task is open.
    Over,
    /// What was charged: for a job the sum of its tasks', for a task without a result nothing.
    Charged,
    /// The exact sum of a job's prices, in parts of its denominator: what its finished tasks cost by their quotes.
    ExactSum,
    /// What of that sum is of prices whose overrun is the payer's.
    OverrunSum,
    /// What was refunded of a task: never more than it was charged.
    Refunded,
    /// A task's place in its job.
    Place,
    /// A limit's calls in flight: the open attempts that passed it.
    InFlight,
}

impl fmt::Display for Figure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Balance => "balance",
            Self::Debt => "debt",
            Self::Held => "held",
            Self::Available => "available",
            Self::LastEntry => "number of the last entry",
            Self::TotalPurchased => "total purchased",
            Self::TotalSpent => "total spent",
            Self::TotalRefunded => "total refunded",
            Self::Number => "number",
            Self::BalanceAfter => "balance after it",
            Self::DebtAfter => "debt after it",
            Self::Captured => "captured",
            Self::Released => "released",
            Self::HoldsOpen => "number of open holds",
            Self::Tasks => "number of tasks",
            Self::OpenTasks => "number of open tasks",
            Self::FailedTasks => "number of failed tasks",
            Self::Over => "being over",
            Self::Charged => "charged",
            Self::ExactSum => "exact sum",
            Self::OverrunSum => "sum of prices with an overrun",
            Self::Refunded => "refunded",
            Self::Place => "place",
            Self::InFlight => "in flight",
        })
    }
}

/// What a figure should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recount {
    /// Exactly this.
    Exactly(i128),
    /// This or more.
    AtLeast(i128),
    /// This or less.
    AtMost(i128),
}

impl Recount {
    const fn agrees_with(self, stored: i128) -> bool {
        match self {
            Self::Exactly(recounted) => stored == recounted,
            Self::AtLeast(least) => stored >= least,
            Self::AtMost(most) => stored <= most,
        }
    }
}

impl fmt::Display for Recount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exactly(recounted) => write!(f, "recounted {recounted}"),
            Self::AtLeast(least) => write!(f, "must be at least {least}"),
            Self::AtMost(most) => write!(f, "must be at most {most}"),
        }
    }
}

/// The figures found wrong so far.
#[derive(Default)]
struct Findings(Vec<Discrepancy>);

impl Findings {
    fn check(&mut self, row: RowId, figure: Figure, stored: impl Into<i128>, recounted: Recount) {
        let stored = stored.into();
        if !recounted.agrees_with(stored) {
            self.0.push(Discrepancy { row, figure, stored, recounted });
        }
    }

    fn check_amount(&mut self, row: RowId, figure: Figure, stored: Amount, recounted: Recount) {
        self.check(row, figure, stored.get(), recounted);
    }
}

fn steps(amount: Amount) -> i128 {
    amount.get().into()
}

/// Recounts a wallet from its entries and holds: every figure of the wallet, the chains of its entries, and that no
/// task got more back than it was charged.
#[must_use]
pub fn verify_wallet(book: &WalletBook) -> Vec<Discrepancy> {
    let mut findings = Findings::default();
    let end = follow(&mut findings, &book.opening, &book.entries);
    for hold in &book.holds {
        verify_hold(&mut findings, hold);
    }
    verify_refunds(&mut findings, book);

    let Wallet { id, balance, debt, held, last_entry, .. } = book.wallet;
    let wallet = RowId::Wallet(id);
    let open = book.holds.iter().filter(|hold| hold.state == HoldState::Open);
    let set_aside = open.map(|hold| steps(hold.amount) - steps(hold.captured)).sum();
    findings.check_amount(wallet, Figure::Balance, balance, Recount::Exactly(end.balance));
    findings.check_amount(wallet, Figure::Debt, debt, Recount::Exactly(end.debt));
    findings.check_amount(wallet, Figure::Held, held, Recount::Exactly(set_aside));
    findings.check(wallet, Figure::Available, steps(balance) - steps(held), Recount::AtLeast(0));
    findings.check(wallet, Figure::LastEntry, last_entry, Recount::Exactly(end.number));

    let Wallet { total_purchased, total_spent, total_refunded, .. } = book.wallet;
    for (figure, stored, recounted) in [
        (Figure::TotalPurchased, total_purchased, end.purchased),
        (Figure::TotalSpent, total_spent, end.spent),
        (Figure::TotalRefunded, total_refunded, end.refunded),
    ] {
        findings.check_amount(wallet, figure, stored, Recount::Exactly(recounted));
    }
    findings.0
}

/// Recounts entries that follow an opening; what they and those before them add up to.
///
/// # Errors
/// Every figure that is wrong.
pub fn verify_entries(opening: &Opening, entries: &[Entry]) -> Result<Opening, Vec<Discrepancy>> {
    let mut findings = Findings::default();
    let end = follow(&mut findings, opening, entries);
    let row = RowId::Wallet(opening.wallet);
    let mut amount = |figure, sum: i128| {
        findings.check(row, figure, sum, Recount::AtMost(i64::MAX.into()));
        Amount::new(i64::try_from(sum).unwrap_or(i64::MAX))
    };
    let opening = Opening {
        wallet: opening.wallet,
        number: entries.last().map_or(opening.number, |last| last.number),
        balance: amount(Figure::Balance, end.balance),
        debt: amount(Figure::Debt, end.debt),
        purchased: amount(Figure::TotalPurchased, end.purchased),
        spent: amount(Figure::TotalSpent, end.spent),
        refunded: amount(Figure::TotalRefunded, end.refunded),
    };
    if findings.0.is_empty() { Ok(opening) } else { Err(findings.0) }
}

/// What an entry moved: what was charged, for usage, and what was credited, for the others.
fn moved(entry: &Entry) -> i128 {
    match entry.kind {
        EntryKind::Usage => steps(entry.debt_change) - steps(entry.amount),
        EntryKind::Purchase | EntryKind::Refund | EntryKind::Adjustment | EntryKind::DebtPayment => {
            steps(entry.amount)
        }
    }
}

/// Where a chain of entries ends, and what it adds up to.
struct ChainEnd {
    number: i128,
    balance: i128,
    debt: i128,
    purchased: i128,
    spent: i128,
    refunded: i128,
}

/// Follows the chains of numbers, balances and debts. Each link starts at what the one before says, so that one
/// wrong entry is found once.
fn follow(findings: &mut Findings, opening: &Opening, entries: &[Entry]) -> ChainEnd {
    let mut last = ChainEnd {
        number: opening.number.into(),
        balance: steps(opening.balance),
        debt: steps(opening.debt),
        purchased: steps(opening.purchased),
        spent: steps(opening.spent),
        refunded: steps(opening.refunded),
    };
    for entry in entries {
        let row = RowId::Entry(entry.wallet, entry.number);
        let balance = last.balance + steps(entry.amount);
        let debt = last.debt + steps(entry.debt_change);
        findings.check(row, Figure::Number, entry.number, Recount::Exactly(last.number + 1));
        findings.check_amount(row, Figure::BalanceAfter, entry.balance_after, Recount::Exactly(balance));
        findings.check_amount(row, Figure::DebtAfter, entry.debt_after, Recount::Exactly(debt));
        findings.check_amount(row, Figure::BalanceAfter, entry.balance_after, Recount::AtLeast(0));
        findings.check_amount(row, Figure::DebtAfter, entry.debt_after, Recount::AtLeast(0));
        last.number = entry.number.into();
        last.balance = steps(entry.balance_after);
        last.debt = steps(entry.debt_after);
        match entry.kind {
            EntryKind::Purchase => last.purchased += moved(entry),
            EntryKind::Usage => last.spent += moved(entry),
            EntryKind::Refund => last.refunded += moved(entry),
            EntryKind::Adjustment | EntryKind::DebtPayment => {}
        }
    }
    last
}

fn verify_hold(findings: &mut Findings, hold: &Hold) {
    let row = RowId::Hold(hold.id);
    findings.check_amount(row, Figure::Captured, hold.captured, Recount::AtLeast(0));
    findings.check_amount(row, Figure::Captured, hold.captured, Recount::AtMost(steps(hold.amount)));
    if let HoldState::Closed { released, .. } = hold.state {
        let rest = steps(hold.amount) - steps(hold.captured);
        findings.check_amount(row, Figure::Released, released, Recount::Exactly(rest));
    }
}

/// No task got more back than it was charged, as far as its charge was not archived.
fn verify_refunds(findings: &mut Findings, book: &WalletBook) {
    let mut of_tasks: BTreeMap<TaskId, (i128, i128)> = BTreeMap::new();
    for entry in &book.entries {
        let Some(task) = entry.cause.task else { continue };
        let (charged, refunded) = of_tasks.entry(task).or_default();
        match entry.kind {
            EntryKind::Usage => *charged += moved(entry),
            EntryKind::Refund => *refunded += moved(entry),
            EntryKind::Purchase | EntryKind::Adjustment | EntryKind::DebtPayment => {}
        }
    }
    let is_whole = book.opening.number == 0;
    for (task, (charged, refunded)) in
        of_tasks.into_iter().filter(|(_, (charged, _))| is_whole || *charged > 0)
    {
        findings.check(RowId::Task(task), Figure::Refunded, refunded, Recount::AtMost(charged));
    }
}

/// Recounts a job from its tasks and its hold.
#[must_use]
pub fn verify_job(book: &JobWithTasks) -> Vec<Discrepancy> {
    let JobWithTasks { job, hold, tasks } = book;
    let mut findings = Findings::default();
    for (place, task) in tasks.iter().enumerate() {
        verify_task(&mut findings, task, place);
    }

    let row = RowId::Job(job.id);
    let count = |of: fn(&Task) -> bool| {
        let count = tasks.iter().filter(|task| of(task)).count();
        Recount::Exactly(i128::try_from(count).unwrap_or(i128::MAX))
    };
    let is_open = |task: &Task| !task.is_ended();
    findings.check(row, Figure::Tasks, job.tasks, count(|_| true));
    findings.check(row, Figure::OpenTasks, job.open_tasks, count(is_open));
    findings.check(row, Figure::FailedTasks, job.failed_tasks, count(ended_without_result));
    let over = Recount::Exactly(i128::from(!tasks.iter().any(is_open)));
    findings.check(row, Figure::Over, job.state.is_final(), over);

    let charged: i128 = tasks.iter().map(|task| steps(task.charged)).sum();
    findings.check_amount(row, Figure::Charged, job.total.charged(), Recount::Exactly(charged));
    let finished = || tasks.iter().filter(|task| task.state == TaskState::Done);
    if let Some(sum) = exact_sum(job, finished()) {
        findings.check(row, Figure::ExactSum, job.total.sum(), Recount::Exactly(sum));
    }
    let with_overrun = finished().filter(|task| task.planned_route().price.overrun() == Overrun::Payer);
    if let Some(sum) = exact_sum(job, with_overrun) {
        findings.check(row, Figure::OverrunSum, job.total.overrun(), Recount::Exactly(sum));
    }
    // In parts of the denominator: a job costs at most its hold, or what tasks with an overrun cost.
    let most = (steps(hold.amount) * i128::from(job.total.den())).max(job.total.overrun());
    findings.check(row, Figure::ExactSum, job.total.sum(), Recount::AtMost(most));

    findings.check_amount(row, Figure::Held, job.held, Recount::Exactly(steps(hold.amount)));
    verify_hold(&mut findings, hold);
    let captured = Recount::Exactly(charged.min(steps(hold.amount)));
    findings.check_amount(RowId::Hold(hold.id), Figure::Captured, hold.captured, captured);
    let open = Recount::Exactly(i128::from(!job.state.is_final()));
    findings.check(RowId::Hold(hold.id), Figure::HoldsOpen, hold.state == HoldState::Open, open);
    findings.0
}

const fn ended_without_result(task: &Task) -> bool {
    matches!(task.state, TaskState::Failed { .. } | TaskState::Cancelled)
}

fn verify_task(findings: &mut Findings, task: &Task, place: usize) {
    let row = RowId::Task(task.id);
    let place = i128::try_from(place).unwrap_or(i128::MAX);
    findings.check(row, Figure::Place, task.place, Recount::Exactly(place));
    if task.state != TaskState::Done {
        findings.check_amount(row, Figure::Charged, task.charged, Recount::Exactly(0));
    }
    findings.check_amount(row, Figure::Refunded, task.refunded, Recount::AtLeast(0));
    findings.check_amount(row, Figure::Refunded, task.refunded, Recount::AtMost(steps(task.charged)));
}

/// What finished tasks cost by their quotes; none where a price depends on what an upstream reported.
fn exact_sum<'a>(job: &Job, mut finished: impl Iterator<Item = &'a Task>) -> Option<i128> {
    let den = i128::from(job.total.den());
    finished.try_fold(0, |sum: i128, task| {
        let price = &task.planned_route().price;
        let counted = price.counted();
        let is_exact = price.reported().is_empty() && den % counted.den() == 0;
        is_exact.then_some(())?;
        sum.checked_add(counted.num().checked_mul(den / counted.den())?)
    })
}

/// Recounts a limit from the open attempts that passed it.
#[must_use]
pub fn verify_limit(count: &LimitCount) -> Vec<Discrepancy> {
    let Limit { id, in_flight, .. } = count.limit;
    let mut findings = Findings::default();
    findings.check(
        RowId::Limit(id),
        Figure::InFlight,
        in_flight,
        Recount::Exactly(count.open_attempts.into()),
    );
    findings.0
}

#[cfg(test)]
mod tests {
    use std::{num::NonZeroU32, sync::Arc};

    use uuid::Uuid;

    use super::*;
    use crate::{
        clock::Timestamp,
        id::{AttemptId, Route, ServerId, ServiceId, TenantId, UserId},
        keys::Level,
        ledger::{Cause, Owner, WalletKey},
        money::{RunningTotal, Unit},
        pricing::{Charge, Measure, Operation, Price, PriceLine, Quantities},
        routing::Switch,
        work::{Doubt, JobState, TaskError, TaskRoute},
    };

    const NOW: Timestamp = Timestamp::from_micros(1_700_000_000_000_000);

    fn uuid(number: u128) -> Uuid {
        Uuid::from_u128(number)
    }

    fn user() -> UserId {
        UserId::new("user-1").unwrap()
    }

    fn of_task(number: u128) -> Cause {
        Cause { task: Some(TaskId::from_uuid(uuid(number))), ..Cause::default() }
    }

    /// A wallet with every kind of entry, debt, an open hold and a closed one.
    fn book() -> WalletBook {
        let key = WalletKey { tenant: TenantId::main(), owner: Owner::User(user()), unit: Unit::CREDIT };
        let mut wallet = Wallet::open(key, NOW);
        let mut entries = Vec::new();
        entries.extend(wallet.purchase(Amount::new(100), Cause::default(), NOW).unwrap());
        let id = |number| HoldId::from_uuid(uuid(number));
        let job = |number| JobId::from_uuid(uuid(number));
        let mut open = wallet.hold(id(1), job(1), Amount::new(60), NOW).unwrap();
        let mut closed = wallet.hold(id(2), job(2), Amount::new(20), NOW).unwrap();
        let mut capture = |wallet: &mut Wallet, hold: &mut Hold, part, task| {
            entries.extend(wallet.capture(hold, Amount::new(part), of_task(task), NOW).unwrap().entry);
        };
        capture(&mut wallet, &mut open, 25, 1);
        capture(&mut wallet, &mut closed, 45, 2);
        wallet.close(&mut closed, NOW);
        entries.extend(wallet.adjust(Amount::new(-10), Cause::default(), NOW).unwrap());
        entries.extend(wallet.refund(Amount::new(7), Amount::new(25), of_task(1), NOW).unwrap());
        let opening = Opening::new(wallet.id);
        WalletBook { wallet, opening, entries, holds: vec![open, closed] }
    }

    fn found(discrepancies: &[Discrepancy]) -> Vec<(RowId, Figure)> {
        discrepancies.iter().map(|one| (one.row, one.figure)).collect()
    }

    #[test]
    fn a_sound_wallet_has_no_discrepancy() {
        let book = book();
        assert!(book.wallet.debt > Amount::ZERO && book.wallet.held > Amount::ZERO);
        assert_eq!(verify_wallet(&book), []);
    }

    #[test]
    fn a_wallet_whose_first_entries_were_archived_is_as_sound_as_it_was() {
        for archived in 0..=book().entries.len() {
            let mut book = book();
            let rest = book.entries.split_off(archived);
            let opening = verify_entries(&book.opening, &book.entries).unwrap();
            assert_eq!(opening.number, archived as u64);
            let kept = WalletBook { opening, entries: rest, ..book };
            assert_eq!(verify_wallet(&kept), [], "the first {archived}");

            let mut damaged = kept.clone();
            damaged.opening.spent = Amount::new(damaged.opening.spent.get() + 1);
            assert_eq!(
                found(&verify_wallet(&damaged)),
                [(RowId::Wallet(kept.wallet.id), Figure::TotalSpent)]
            );
            if archived > 0 {
                let lost = WalletBook { opening: Opening::new(kept.wallet.id), ..kept };
                assert_ne!(verify_wallet(&lost), [], "entries that nobody archived are missed");
            }
        }
    }

    #[test]
    fn entries_that_do_not_add_up_are_not_archived() {
        let book = book();
        let entries = [&book.entries[..1], &book.entries[2..]].concat();
        let found = verify_entries(&book.opening, &entries).unwrap_err();
        assert_eq!(found[0].figure, Figure::Number, "{found:?}");
    }

    #[test]
    fn every_wrong_figure_of_a_wallet_is_found() {
        let (wallet, holds) = (book().wallet.id, book().holds);
        let (open, closed) = (RowId::Hold(holds[0].id), RowId::Hold(holds[1].id));
        let task = |number| RowId::Task(TaskId::from_uuid(uuid(number)));
        let in_wallet = |figure| (RowId::Wallet(wallet), figure);
        let in_entry = |number, figure| (RowId::Entry(wallet, number), figure);
        let more = |amount: &mut Amount| *amount = Amount::new(amount.get() + 1);
        type Damage = Box<dyn Fn(&mut WalletBook)>;
        let cases: Vec<(Damage, Vec<(RowId, Figure)>)> = vec![
            (Box::new(move |b| more(&mut b.wallet.balance)), vec![in_wallet(Figure::Balance)]),
            (Box::new(move |b| more(&mut b.wallet.debt)), vec![in_wallet(Figure::Debt)]),
            (Box::new(move |b| more(&mut b.wallet.total_purchased)), vec![in_wallet(Figure::TotalPurchased)]),
            (Box::new(move |b| more(&mut b.wallet.total_spent)), vec![in_wallet(Figure::TotalSpent)]),
            (Box::new(move |b| more(&mut b.wallet.total_refunded)), vec![in_wallet(Figure::TotalRefunded)]),
            (Box::new(|b| b.wallet.last_entry += 1), vec![in_wallet(Figure::LastEntry)]),
            (
                Box::new(|b| b.wallet.held = Amount::new(1_000)),
                vec![in_wallet(Figure::Held), in_wallet(Figure::Available)],
            ),
            (
                Box::new(|b| {
                    b.entries.remove(1);
                }),
                vec![
                    in_entry(3, Figure::Number),
                    in_entry(3, Figure::BalanceAfter),
                    (task(1), Figure::Refunded),
                    in_wallet(Figure::TotalSpent),
                ],
            ),
            (
                Box::new(move |b| more(&mut b.entries[1].balance_after)),
                vec![in_entry(2, Figure::BalanceAfter), in_entry(3, Figure::BalanceAfter)],
            ),
            (
                Box::new(move |b| more(&mut b.entries[1].debt_after)),
                vec![in_entry(2, Figure::DebtAfter), in_entry(3, Figure::DebtAfter)],
            ),
            (Box::new(move |b| more(&mut b.holds[1].amount)), vec![(closed, Figure::Released)]),
            (
                Box::new(|b| b.holds[0].captured = Amount::new(61)),
                vec![(open, Figure::Captured), in_wallet(Figure::Held)],
            ),
        ];
        for (place, (damage, expected)) in cases.into_iter().enumerate() {
            let mut book = book();
            damage(&mut book);
            assert_eq!(found(&verify_wallet(&book)), expected, "case {place}");
        }
    }

    fn route() -> Route {
        Route::new(ServerId::new("ai33").unwrap(), ServiceId::new("elevenlabs").unwrap())
    }

    fn task(number: u128, place: u32, state: TaskState, charged: i64) -> Task {
        let line = PriceLine { measure: Measure::Character, num: 500_000, per: NonZeroU32::MIN };
        let price = Price {
            route: route(),
            model: None,
            operation: Operation::Speech,
            unit: Unit::CREDIT,
            name: "speech".into(),
            charge: Charge::lines([line]).unwrap(),
            overrun: Overrun::Operator,
            switch: Switch::On,
            version: 1,
            since: NOW,
        };
        let price = price.quote(&Quantities::speech(7, 100).unwrap()).unwrap();
        Task {
            id: TaskId::from_uuid(uuid(number)),
            job: JobId::from_uuid(uuid(1)),
            tenant: TenantId::main(),
            user: user(),
            place,
            state,
            routes: Arc::from([TaskRoute { price, voice: "v".into() }]),
            planned: 0,
            only_key: None,
            characters: 7,
            weight: 1,
            reached: 0,
            attempts: 0,
            tried: Vec::new(),
            unfit_routes: 0,
            doubt: Doubt::None,
            charged: Amount::new(charged),
            refunded: Amount::ZERO,
            created_at: NOW,
            finished_at: None,
        }
    }

    /// A job of four tasks: two done at 3.5 credits each, one failed, one running.
    fn job_book() -> JobWithTasks {
        let tasks = vec![
            task(1, 0, TaskState::Done, 4),
            task(2, 1, TaskState::Done, 3),
            task(3, 2, TaskState::Failed { error: TaskError::NoRoute }, 0),
            task(4, 3, TaskState::Running { attempt: AttemptId::from_uuid(uuid(1)) }, 0),
        ];
        let wallet = book().wallet.id;
        let hold = Hold {
            id: HoldId::from_uuid(uuid(1)),
            wallet,
            job: JobId::from_uuid(uuid(1)),
            amount: Amount::new(14),
            captured: Amount::new(7),
            state: HoldState::Open,
            opened_at: NOW,
        };
        let job = Job {
            id: JobId::from_uuid(uuid(1)),
            tenant: TenantId::main(),
            user: user(),
            operation: Operation::Speech,
            service: route().service,
            wallet,
            hold: hold.id,
            held: Amount::new(14),
            tasks: 4,
            open_tasks: 1,
            failed_tasks: 1,
            layout: None,
            total: RunningTotal::from_parts(2, 14, 0, Amount::new(7)).unwrap(),
            state: JobState::Open,
            deadline: NOW,
            created_at: NOW,
            finished_at: None,
        };
        JobWithTasks { job, hold, tasks }
    }

    #[test]
    fn a_sound_job_has_no_discrepancy() {
        assert_eq!(verify_job(&job_book()), []);
    }

    #[test]
    fn every_wrong_figure_of_a_job_is_found() {
        let sound = job_book();
        let in_job = |figure| (RowId::Job(sound.job.id), figure);
        let in_hold = |figure| (RowId::Hold(sound.hold.id), figure);
        let in_task = |place: usize, figure| (RowId::Task(sound.tasks[place].id), figure);
        let closed = HoldState::Closed { at: NOW, released: Amount::new(7) };
        type Damage = Box<dyn Fn(&mut JobWithTasks)>;
        let cases: Vec<(Damage, Vec<(RowId, Figure)>)> = vec![
            (Box::new(|b| b.job.tasks = 5), vec![in_job(Figure::Tasks)]),
            (Box::new(|b| b.job.open_tasks = 2), vec![in_job(Figure::OpenTasks)]),
            (Box::new(|b| b.job.failed_tasks = 0), vec![in_job(Figure::FailedTasks)]),
            (Box::new(|b| b.job.held = Amount::new(15)), vec![in_job(Figure::Held)]),
            (
                Box::new(|b| b.job.state = JobState::Completed),
                vec![in_job(Figure::Over), in_hold(Figure::HoldsOpen)],
            ),
            (Box::new(move |b| b.hold.state = closed), vec![in_hold(Figure::HoldsOpen)]),
            (Box::new(|b| b.hold.captured = Amount::new(6)), vec![in_hold(Figure::Captured)]),
            (
                Box::new(|b| b.job.total = RunningTotal::from_parts(2, 13, 0, Amount::new(7)).unwrap()),
                vec![in_job(Figure::ExactSum)],
            ),
            (
                Box::new(|b| b.job.total = RunningTotal::from_parts(2, 14, 14, Amount::new(7)).unwrap()),
                vec![in_job(Figure::OverrunSum)],
            ),
            (
                Box::new(|b| {
                    (b.job.held, b.hold.amount) = (Amount::new(6), Amount::new(6));
                    b.hold.captured = Amount::new(6);
                }),
                vec![in_job(Figure::ExactSum)],
            ),
            (
                Box::new(|b| b.tasks[0].charged = Amount::new(5)),
                vec![in_job(Figure::Charged), in_hold(Figure::Captured)],
            ),
            (Box::new(|b| b.tasks[1].refunded = Amount::new(4)), vec![in_task(1, Figure::Refunded)]),
            (
                Box::new(|b| {
                    b.tasks[1].charged = Amount::ZERO;
                    b.tasks[2].charged = Amount::new(3);
                }),
                vec![in_task(2, Figure::Charged)],
            ),
            (Box::new(|b| b.tasks[3].place = 4), vec![in_task(3, Figure::Place)]),
        ];
        for (place, (damage, expected)) in cases.into_iter().enumerate() {
            let mut book = job_book();
            damage(&mut book);
            assert_eq!(found(&verify_job(&book)), expected, "case {place}");
        }
    }

    #[test]
    fn a_slot_that_no_open_attempt_takes_is_found_and_named() {
        let id = LimitId::from_uuid(uuid(1));
        let mut limit = Limit::new(id, Level::Key, NonZeroU32::MIN, NonZeroU32::MIN);
        limit.in_flight = 3;
        assert_eq!(verify_limit(&LimitCount { limit: limit.clone(), open_attempts: 3 }), []);
        let found = verify_limit(&LimitCount { limit, open_attempts: 2 });
        let words: Vec<String> = found.iter().map(ToString::to_string).collect();
        assert_eq!(words, [format!("limit {id}: in flight is 3, recounted 2")]);
    }
}
