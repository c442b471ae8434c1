//! What was asked of the workers, and what they answered: the requests and purchases that must not be lost, and must
//! not be done twice.

use std::collections::{BTreeMap, BTreeSet};

use kingcong_core::id::JobId;
use parking_lot::Mutex;

use super::host::{Answer, USERS, Word};
use crate::dice::Dice;

/// Of a hundred words, so many ask for what was asked before and not answered.
const AGAIN_PERCENT: u64 = 25;
/// So many ask for what was accepted before.
const REPLAY_PERCENT: u64 = 8;
/// So many are purchases.
const BUY_PERCENT: u64 = 8;

/// What was asked and answered so far.
#[derive(Debug)]
pub(super) struct Asked(Mutex<Book>);

/// Requests and purchases have the numbers below these; the first purchases are made before the workers start.
#[derive(Debug)]
struct Book {
    requests: u32,
    purchases: u32,
    accepted: BTreeMap<u32, JobId>,
    booked: BTreeSet<u32>,
    broken: Vec<String>,
}

impl Asked {
    pub(super) fn new() -> Self {
        Self(Mutex::new(Book {
            requests: 0,
            purchases: USERS,
            accepted: BTreeMap::new(),
            booked: (0..USERS).collect(),
            broken: Vec::new(),
        }))
    }

    /// The next word to a worker: mostly something new, sometimes something that was asked before.
    pub(super) fn next(&self, dice: &Dice) -> Word {
        let mut book = self.0.lock();
        if dice.percent(BUY_PERCENT) {
            book.purchases += 1;
            return Word::Buy(book.purchases - 1);
        }
        let open: Vec<Word> = book.unanswered();
        if !open.is_empty() && dice.percent(AGAIN_PERCENT) {
            return dice.pick(&open);
        }
        if !book.accepted.is_empty() && dice.percent(REPLAY_PERCENT) {
            let accepted: Vec<u32> = book.accepted.keys().copied().collect();
            return Word::Submit(dice.pick(&accepted));
        }
        book.new_request()
    }

    /// A word that asks for something new.
    pub(super) fn new_request(&self) -> Word {
        self.0.lock().new_request()
    }

    /// A worker's line.
    pub(super) fn note(&self, line: &str) {
        let mut book = self.0.lock();
        match line.parse() {
            Ok(Answer::Accepted { number, job }) => {
                let before = book.accepted.insert(number, job);
                if before.is_some_and(|before| before != job) {
                    book.broken
                        .push(format!("request {number} was accepted as two jobs, {before:?} and {job}"));
                }
            }
            Ok(Answer::Booked(number)) => {
                book.booked.insert(number);
            }
            Ok(Answer::Refused(why)) => {
                book.broken.push(format!("a failure that is no retryable one: {why}"))
            }
            Err(error) => book.broken.push(format!("a worker wrote {line:?}: {error}")),
        }
    }

    /// Everything that was asked and not answered.
    pub(super) fn unanswered(&self) -> Vec<Word> {
        self.0.lock().unanswered()
    }

    pub(super) fn is_answered(&self, word: Word) -> bool {
        !self.0.lock().unanswered().contains(&word)
    }

    /// How many requests were accepted so far.
    pub(super) fn accepted(&self) -> BTreeMap<u32, JobId> {
        self.0.lock().accepted.clone()
    }

    /// How many requests were made.
    pub(super) fn requests(&self) -> u32 {
        self.0.lock().requests
    }

    /// How many purchases were made.
    pub(super) fn purchases(&self) -> u32 {
        self.0.lock().purchases
    }

    /// What the workers' answers broke.
    pub(super) fn broken(&self) -> Vec<String> {
        self.0.lock().broken.clone()
    }
}

impl Book {
    fn new_request(&mut self) -> Word {
        self.requests += 1;
        Word::Submit(self.requests - 1)
    }

    fn unanswered(&self) -> Vec<Word> {
        let requests = (0..self.requests).filter(|number| !self.accepted.contains_key(number));
        let purchases = (0..self.purchases).filter(|number| !self.booked.contains(number));
        requests.map(Word::Submit).chain(purchases.map(Word::Buy)).collect()
    }
}
