//! The checker: whether what commands were answered, by whichever process, can be true together, and explains what
//! the store holds in the end.
//!
//! It knows nothing of how stores work. Its own tests break every rule once.

use std::collections::{BTreeMap, BTreeSet};

/// Everything that was answered, in any order, and what there was in the end.
#[derive(Clone, Debug, Default)]
pub(crate) struct History {
    pub(crate) answers: Vec<Answer>,
    pub(crate) books: Vec<Book>,
    pub(crate) limits: Vec<Bounds>,
    pub(crate) contests: Vec<Contest>,
    /// The length of a limit's window in microseconds.
    pub(crate) window: i64,
}

/// The key of a command that may be asked for again.
pub(crate) type Asked = Option<[u8; 32]>;

/// What a command was answered. Ids are numbers, times are microseconds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    Credited { asked: Asked, wallet: u128, amount: i64, balance_after: i64, entry: u64 },
    Admitted { asked: Asked, wallet: u128, job: u128, held: i64 },
    Refused { asked: Asked, wallet: u128 },
    Leased { attempt: u128, limits: Vec<u128>, at: i64 },
    Settled { attempt: u128, job: u128, charged: i64, end: Option<i64>, at: i64 },
    Stopped { job: u128, end: Option<i64> },
}

/// A wallet in the end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Book {
    pub(crate) wallet: u128,
    pub(crate) balance: i64,
    pub(crate) held: i64,
    /// Number, amount, balance after.
    pub(crate) entries: Vec<(u64, i64, i64)>,
    pub(crate) holds: Vec<Hold>,
}

/// A hold in the end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Hold {
    pub(crate) job: u128,
    pub(crate) amount: i64,
    pub(crate) captured: i64,
    /// None while it is open.
    pub(crate) released: Option<i64>,
}

/// What a limit allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Bounds {
    pub(crate) limit: u128,
    pub(crate) in_flight: usize,
    pub(crate) per_window: usize,
}

/// Jobs of one price that ask for more than a wallet has, and nobody pays into it meanwhile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Contest {
    pub(crate) wallet: u128,
    pub(crate) funds: i64,
    pub(crate) cost: i64,
}

/// What must hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Rule {
    /// Entries are numbered 1, 2, 3 … without a gap.
    EntriesAreDense,
    /// An entry's balance is the one before plus its amount.
    EntriesAddUp,
    /// A balance is what was credited less what was charged, by the answers.
    AnswersExplainBalance,
    /// A credit's answer is an entry, and no other credit's.
    CreditIsOneEntry,
    /// A hold is what its job was told, ends in one answer, and adds up to what was charged and released.
    HoldEndsOnce,
    /// What a wallet holds is what its open holds have left.
    AnswersExplainHeld,
    /// The same question gets the same answer, whoever asks.
    SameAnswer,
    /// As many jobs are admitted as there is money for.
    AsManyAsPaidFor,
    /// An attempt is leased once and settled once, after that.
    AttemptEndsOnce,
    /// A limit has no more calls in flight than it allows.
    InFlight,
    /// A limit has no more starts in any window than it allows.
    PerWindow,
}

/// Every rule that a history breaks, with what breaks it.
pub(crate) fn check(history: &History) -> Vec<(Rule, String)> {
    let mut broken = Vec::new();
    entries(history, &mut broken);
    balances(history, &mut broken);
    holds(history, &mut broken);
    same_answers(history, &mut broken);
    contests(history, &mut broken);
    limits(history, &mut broken);
    broken
}

type Broken = Vec<(Rule, String)>;

fn entries(history: &History, broken: &mut Broken) {
    for book in &history.books {
        let numbers = book.entries.iter().map(|entry| entry.0);
        if !numbers.eq(1..=book.entries.len() as u64) {
            broken.push((Rule::EntriesAreDense, format!("{book:?}")));
        }
        let mut balance = 0;
        for entry in &book.entries {
            balance += entry.1;
            if balance != entry.2 {
                broken.push((Rule::EntriesAddUp, format!("{entry:?}, and not {balance}")));
            }
        }
    }
    let mut told = BTreeMap::new();
    for answer in &history.answers {
        let Answer::Credited { asked, wallet, amount, balance_after, entry } = answer else { continue };
        let book = history.books.iter().find(|book| book.wallet == *wallet);
        let found = book.is_some_and(|book| book.entries.contains(&(*entry, *amount, *balance_after)));
        let earlier = told.insert((wallet, entry), asked);
        if !found || earlier.is_some_and(|earlier| earlier.is_none() || earlier != asked) {
            broken.push((Rule::CreditIsOneEntry, format!("{answer:?}")));
        }
    }
}

/// Which wallet pays for a job, by the answers.
fn payers(history: &History) -> BTreeMap<u128, u128> {
    let payer = |answer: &Answer| match answer {
        Answer::Admitted { wallet, job, .. } => Some((*job, *wallet)),
        _ => None,
    };
    history.answers.iter().filter_map(payer).collect()
}

fn balances(history: &History, broken: &mut Broken) {
    let payers = payers(history);
    let mut credits = BTreeMap::new();
    let mut sums: BTreeMap<u128, i64> = BTreeMap::new();
    for answer in &history.answers {
        match answer {
            Answer::Credited { wallet, amount, entry, .. } => {
                credits.insert((*wallet, *entry), *amount);
            }
            Answer::Settled { job, charged, .. } => {
                *sums.entry(payers.get(job).copied().unwrap_or(0)).or_default() -= charged;
            }
            _ => {}
        }
    }
    for ((wallet, _), amount) in credits {
        *sums.entry(wallet).or_default() += amount;
    }
    for book in &history.books {
        let sum = sums.remove(&book.wallet).unwrap_or(0);
        if sum != book.balance {
            let what = format!("{} has {} and not {sum}", book.wallet, book.balance);
            broken.push((Rule::AnswersExplainBalance, what));
        }
    }
}

fn holds(history: &History, broken: &mut Broken) {
    let mut held: BTreeMap<u128, i64> = BTreeMap::new();
    let mut charged: BTreeMap<u128, i64> = BTreeMap::new();
    let mut ends: BTreeMap<u128, Vec<i64>> = BTreeMap::new();
    for answer in &history.answers {
        match answer {
            Answer::Admitted { job, held: amount, .. } => {
                held.insert(*job, *amount);
            }
            Answer::Settled { job, charged: amount, end, .. } => {
                *charged.entry(*job).or_default() += amount;
                ends.entry(*job).or_default().extend(end);
            }
            Answer::Stopped { job, end } => ends.entry(*job).or_default().extend(end),
            Answer::Credited { .. } | Answer::Refused { .. } | Answer::Leased { .. } => {}
        }
    }
    for book in &history.books {
        let mut left = 0;
        for hold in &book.holds {
            let charged = charged.get(&hold.job).copied().unwrap_or(0);
            let ends = ends.get(&hold.job).map_or(&[][..], Vec::as_slice);
            let ended = match hold.released {
                None => ends.is_empty(),
                Some(released) => ends == [released] && hold.captured + released == hold.amount,
            };
            if held.remove(&hold.job) != Some(hold.amount) || charged != hold.captured || !ended {
                broken.push((
                    Rule::HoldEndsOnce,
                    format!("{hold:?} was charged {charged} and ended by {ends:?}"),
                ));
            }
            left += if hold.released.is_none() { hold.amount - hold.captured } else { 0 };
        }
        if left != book.held {
            let what = format!("{} holds {} and not {left}", book.wallet, book.held);
            broken.push((Rule::AnswersExplainHeld, what));
        }
    }
    for job in held.keys() {
        broken.push((Rule::HoldEndsOnce, format!("{job} was admitted and has no hold")));
    }
}

fn same_answers(history: &History, broken: &mut Broken) {
    let mut first: BTreeMap<[u8; 32], &Answer> = BTreeMap::new();
    for answer in &history.answers {
        let (Answer::Credited { asked, .. } | Answer::Admitted { asked, .. } | Answer::Refused { asked, .. }) =
            answer
        else {
            continue;
        };
        let Some(asked) = asked else { continue };
        let earlier = *first.entry(*asked).or_insert(answer);
        if earlier != answer {
            broken.push((Rule::SameAnswer, format!("first {earlier:?}, then {answer:?}")));
        }
    }
}

fn contests(history: &History, broken: &mut Broken) {
    for contest in &history.contests {
        let mut admitted = BTreeSet::new();
        let mut refused = 0;
        for answer in &history.answers {
            match answer {
                Answer::Admitted { wallet, job, .. } if *wallet == contest.wallet => {
                    admitted.insert(job);
                }
                Answer::Refused { wallet, .. } if *wallet == contest.wallet => refused += 1,
                _ => {}
            }
        }
        let admitted = i64::try_from(admitted.len()).unwrap_or(i64::MAX);
        if admitted != (contest.funds / contest.cost).min(admitted + refused) {
            let what = format!("{contest:?} admitted {admitted} and refused {refused}");
            broken.push((Rule::AsManyAsPaidFor, what));
        }
    }
}

fn limits(history: &History, broken: &mut Broken) {
    let mut leases: BTreeMap<u128, (i64, &[u128])> = BTreeMap::new();
    let mut ends: BTreeMap<u128, i64> = BTreeMap::new();
    for answer in &history.answers {
        let twice = match answer {
            Answer::Leased { attempt, limits, at } => leases.insert(*attempt, (*at, limits)).is_some(),
            Answer::Settled { attempt, at, .. } => ends.insert(*attempt, *at).is_some(),
            _ => false,
        };
        if twice {
            broken.push((Rule::AttemptEndsOnce, format!("{answer:?} is not the first")));
        }
    }
    for (attempt, end) in &ends {
        if leases.get(attempt).is_none_or(|(start, _)| start > end) {
            broken
                .push((Rule::AttemptEndsOnce, format!("{attempt} ended at {end} and was not leased before")));
        }
    }
    for bounds in &history.limits {
        let mut starts = Vec::new();
        // At one instant, what ends makes room for what starts.
        let mut steps = Vec::new();
        for (attempt, (start, limits)) in &leases {
            if limits.contains(&bounds.limit) {
                starts.push(*start);
                steps.push((*start, 1));
                steps.extend(ends.get(attempt).map(|end| (*end, -1)));
            }
        }
        starts.sort_unstable();
        steps.sort_unstable();
        let mut in_flight = 0_i64;
        for (at, step) in steps {
            in_flight += step;
            if in_flight > i64::try_from(bounds.in_flight).unwrap_or(i64::MAX) {
                broken.push((Rule::InFlight, format!("{bounds:?} has {in_flight} at {at}")));
            }
        }
        for (first, last) in starts.iter().zip(starts.iter().skip(bounds.per_window)) {
            if last - first < history.window {
                let what = format!("{bounds:?} has one more from {first} to {last}");
                broken.push((Rule::PerWindow, what));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Answer, Book, Bounds, Contest, History, Hold, Rule, check};

    /// Two wallets: one buys 100 and 50, has a job of 30 done for 20 and a job of 10 open; the other has 25 for three
    /// jobs of 10, and stops one of the two that it gets.
    fn true_history() -> History {
        let credited = |asked, wallet, amount, balance_after, entry| Answer::Credited {
            asked,
            wallet,
            amount,
            balance_after,
            entry,
        };
        let admitted = |asked, wallet, job, held| Answer::Admitted { asked, wallet, job, held };
        let once = Some([1; 32]);
        History {
            answers: vec![
                credited(None, 1, 100, 100, 1),
                credited(once, 1, 50, 150, 2),
                credited(once, 1, 50, 150, 2),
                credited(None, 2, 25, 25, 1),
                admitted(Some([2; 32]), 1, 11, 30),
                admitted(Some([2; 32]), 1, 11, 30),
                admitted(None, 1, 12, 10),
                admitted(None, 2, 21, 10),
                admitted(None, 2, 22, 10),
                Answer::Refused { asked: Some([3; 32]), wallet: 2 },
                Answer::Refused { asked: Some([3; 32]), wallet: 2 },
                Answer::Leased { attempt: 31, limits: vec![41], at: 1000 },
                Answer::Settled { attempt: 31, job: 11, charged: 15, end: None, at: 1500 },
                Answer::Leased { attempt: 32, limits: vec![41], at: 1500 },
                Answer::Settled { attempt: 32, job: 11, charged: 5, end: Some(10), at: 1600 },
                Answer::Leased { attempt: 33, limits: vec![41], at: 2000 },
                Answer::Stopped { job: 21, end: Some(10) },
                Answer::Stopped { job: 21, end: None },
            ],
            books: vec![
                Book {
                    wallet: 1,
                    balance: 130,
                    held: 10,
                    entries: vec![(1, 100, 100), (2, 50, 150), (3, -15, 135), (4, -5, 130)],
                    holds: vec![
                        Hold { job: 11, amount: 30, captured: 20, released: Some(10) },
                        Hold { job: 12, amount: 10, captured: 0, released: None },
                    ],
                },
                Book {
                    wallet: 2,
                    balance: 25,
                    held: 10,
                    entries: vec![(1, 25, 25)],
                    holds: vec![
                        Hold { job: 21, amount: 10, captured: 0, released: Some(10) },
                        Hold { job: 22, amount: 10, captured: 0, released: None },
                    ],
                },
            ],
            limits: vec![Bounds { limit: 41, in_flight: 1, per_window: 2 }],
            contests: vec![Contest { wallet: 2, funds: 25, cost: 10 }],
            window: 1000,
        }
    }

    #[test]
    fn a_true_history_breaks_no_rule() {
        assert_eq!(check(&true_history()), []);
    }

    #[test]
    fn every_lie_is_found() {
        use Rule::{
            AnswersExplainBalance, AnswersExplainHeld, AsManyAsPaidFor, AttemptEndsOnce, CreditIsOneEntry,
            EntriesAddUp, EntriesAreDense, HoldEndsOnce, InFlight, PerWindow, SameAnswer,
        };
        type Lie = (&'static str, fn(&mut History), &'static [Rule]);
        let lies: [Lie; 22] = [
            (
                "an entry is missing",
                |it| {
                    it.books[0].entries.remove(1);
                },
                &[EntriesAreDense],
            ),
            ("an entry is there twice", |it| it.books[1].entries.push((1, 25, 25)), &[EntriesAreDense]),
            ("an entry's balance is another", |it| it.books[0].entries[2].2 += 1, &[EntriesAddUp]),
            ("a balance is too high", |it| it.books[0].balance += 1, &[AnswersExplainBalance]),
            ("a credit was told and lost", |it| it.books[1].entries.clear(), &[CreditIsOneEntry]),
            (
                "a credit was written and not told",
                |it| {
                    it.answers.remove(0);
                },
                &[AnswersExplainBalance],
            ),
            (
                "two credits got the same entry",
                |it| {
                    let credit = it.answers[0].clone();
                    it.answers.push(credit);
                },
                &[CreditIsOneEntry],
            ),
            (
                "a charge was told and not written",
                |it| {
                    let settled = Answer::Settled { attempt: 33, job: 12, charged: 3, end: None, at: 2001 };
                    it.answers.push(settled);
                },
                &[AnswersExplainBalance, HoldEndsOnce],
            ),
            (
                "a hold was released twice",
                |it| it.answers.push(Answer::Stopped { job: 21, end: Some(10) }),
                &[HoldEndsOnce],
            ),
            (
                "a hold was released and is open",
                |it| it.answers.push(Answer::Stopped { job: 22, end: Some(10) }),
                &[HoldEndsOnce],
            ),
            (
                "a hold is closed and nobody was told",
                |it| {
                    it.answers.remove(16);
                },
                &[HoldEndsOnce],
            ),
            ("a hold gave back too much", |it| it.books[0].holds[0].released = Some(11), &[HoldEndsOnce]),
            ("a hold is another than was told", |it| it.books[0].holds[1].amount = 11, &[HoldEndsOnce]),
            (
                "an admitted job has no hold",
                |it| {
                    it.books[0].holds.remove(0);
                },
                &[HoldEndsOnce],
            ),
            ("a wallet holds too much", |it| it.books[0].held += 1, &[AnswersExplainHeld]),
            (
                "a question got another job",
                |it| {
                    let again = Answer::Admitted { asked: Some([2; 32]), wallet: 1, job: 12, held: 10 };
                    it.answers.push(again);
                },
                &[SameAnswer],
            ),
            (
                "a refused question was admitted later",
                |it| {
                    let again = Answer::Admitted { asked: Some([3; 32]), wallet: 1, job: 12, held: 10 };
                    it.answers.push(again);
                },
                &[SameAnswer],
            ),
            ("one more job than there is money for", |it| it.contests[0].funds = 19, &[AsManyAsPaidFor]),
            ("a needless refusal", |it| it.contests[0].funds = 30, &[AsManyAsPaidFor]),
            (
                "an attempt was settled twice",
                |it| {
                    let again = Answer::Settled { attempt: 32, job: 11, charged: 0, end: None, at: 1700 };
                    it.answers.push(again);
                },
                &[AttemptEndsOnce],
            ),
            (
                "a second call is in flight",
                |it| {
                    let early = Answer::Leased { attempt: 34, limits: vec![41], at: 2700 };
                    it.answers.push(early);
                },
                &[InFlight],
            ),
            (
                "a third start in a window",
                |it| {
                    it.window = 1001;
                },
                &[PerWindow],
            ),
        ];
        for (lie, tell, rules) in lies {
            let mut history = true_history();
            tell(&mut history);
            let broken = check(&history);
            for rule in rules {
                assert!(broken.iter().any(|(found, _)| found == rule), "{lie}: {broken:?}");
            }
        }
    }
}
