//! The ledger against a model of it: plain sums in 128 bits, written down from the rules and not from the code.
//!
//! The guard stands at the hold; capturing always succeeds, from the hold, then from what is available, the rest as
//! debt; whatever becomes available pays debt first; nothing is charged once a hold is closed; refunds stay within
//! what was charged.

use std::collections::BTreeMap;

use kingcong_core::{
    id::{HoldId, JobId, Route, ServerId, ServiceId, TaskId},
    ledger::{Cause, Entry, EntryKind, Hold, HoldState, OpeningBalance, Refusal, Wallet},
    money::Amount,
    store::{
        WalletBook,
        conformance::fixtures::{START, wallet_of},
        verify_wallet,
    },
};
use proptest::prelude::*;
use proptest_state_machine::{ReferenceStateMachine, StateMachineTest, prop_state_machine};
use uuid::Uuid;

/// What is done to the wallet. Holds and tasks are named by numbers; a task is charged to the hold of its number.
#[derive(Clone, Debug)]
enum Step {
    Purchase(i64),
    Adjust(i64),
    Hold { hold: u8, amount: i64 },
    Capture { hold: u8, part: i64 },
    Close { hold: u8 },
    Refund { hold: u8, amount: i64 },
}

/// What a step comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Came {
    /// So much was charged, credited, held or released, and so much became debt.
    Moved {
        amount: i128,
        debt: i128,
    },
    Overdrawn,
    InDebt,
    NotPositive,
    BeyondCharge,
    Overflow,
}

#[derive(Clone, Debug, Default)]
struct ModelHold {
    amount: i128,
    captured: i128,
    closed: bool,
    charged: i128,
    refunded: i128,
}

/// The wallet as the rules have it.
#[derive(Clone, Debug)]
struct Model {
    balance: i128,
    debt: i128,
    purchased: i128,
    spent: i128,
    given_back: i128,
    holds: BTreeMap<u8, ModelHold>,
    /// How the balance and the debt changed, entry by entry.
    lines: Vec<(EntryKind, i128, i128)>,
    came: Came,
}

fn fits(value: i128) -> bool {
    i64::try_from(value).is_ok()
}

impl Model {
    fn held(&self) -> i128 {
        let open = self.holds.values().filter(|hold| !hold.closed);
        open.map(|hold| hold.amount - hold.captured).sum()
    }

    fn available(&self) -> i128 {
        self.balance - self.held()
    }

    fn line(&mut self, kind: EntryKind, amount: i128, debt: i128) {
        self.balance += amount;
        self.debt += debt;
        self.lines.push((kind, amount, debt));
    }

    fn credit(&mut self, kind: EntryKind, amount: i128) {
        self.line(kind, amount, 0);
        self.pay_debt();
    }

    fn pay_debt(&mut self) {
        let paid = self.debt.min(self.available());
        if paid > 0 {
            self.line(EntryKind::DebtPayment, -paid, -paid);
        }
    }

    fn step(&mut self, step: &Step) -> Came {
        let moved = |amount| Came::Moved { amount, debt: 0 };
        match *step {
            Step::Purchase(amount) => {
                let amount = i128::from(amount);
                if amount > 0 && !(fits(self.purchased + amount) && fits(self.balance + amount)) {
                    return Came::Overflow;
                }
                if amount <= 0 {
                    return Came::NotPositive;
                }
                self.purchased += amount;
                self.credit(EntryKind::Purchase, amount);
                moved(amount)
            }
            Step::Adjust(0) => Came::NotPositive,
            Step::Adjust(change) if change > 0 => {
                let change = i128::from(change);
                if !fits(self.balance + change) {
                    return Came::Overflow;
                }
                self.credit(EntryKind::Adjustment, change);
                moved(change)
            }
            Step::Adjust(change) => {
                let wanted = -i128::from(change);
                let taken = wanted.min(self.available());
                if !fits(wanted) || !fits(self.debt + wanted - taken) {
                    return Came::Overflow;
                }
                self.line(EntryKind::Adjustment, -taken, wanted - taken);
                Came::Moved { amount: -taken, debt: wanted - taken }
            }
            Step::Hold { hold, amount } => {
                let amount = i128::from(amount);
                if amount < 0 {
                    return Came::NotPositive;
                }
                if self.debt > 0 {
                    return Came::InDebt;
                }
                if amount > self.available() {
                    return Came::Overdrawn;
                }
                self.holds.insert(hold, ModelHold { amount, ..ModelHold::default() });
                moved(amount)
            }
            Step::Capture { part, .. } if part < 0 => Came::NotPositive,
            Step::Capture { hold, part } => {
                let part = i128::from(part);
                let available = self.available();
                let of = self.holds.get_mut(&hold).expect("the step was possible");
                let from_hold = part.min(of.amount - of.captured);
                let beyond = (part - from_hold).min(available);
                let debt = part - from_hold - beyond;
                if part > 0 && !(fits(self.spent + part) && fits(self.debt + debt)) {
                    return Came::Overflow;
                }
                of.captured += from_hold;
                of.charged += part;
                self.spent += part;
                if part > 0 {
                    self.line(EntryKind::Usage, -from_hold - beyond, debt);
                }
                Came::Moved { amount: part, debt }
            }
            Step::Close { hold } => {
                let of = self.holds.get_mut(&hold).expect("the step was possible");
                let released = if of.closed { 0 } else { of.amount - of.captured };
                of.closed = true;
                self.pay_debt();
                moved(released)
            }
            Step::Refund { hold, amount } => {
                let amount = i128::from(amount);
                let of = self.holds.get_mut(&hold).expect("the step was possible");
                if amount > of.charged - of.refunded {
                    return Came::BeyondCharge;
                }
                if amount > 0 && !(fits(self.given_back + amount) && fits(self.balance + amount)) {
                    return Came::Overflow;
                }
                if amount <= 0 {
                    return Came::NotPositive;
                }
                of.refunded += amount;
                self.given_back += amount;
                self.credit(EntryKind::Refund, amount);
                moved(amount)
            }
        }
    }
}

impl ReferenceStateMachine for Model {
    type State = Self;
    type Transition = Step;

    fn init_state() -> BoxedStrategy<Self> {
        Just(Self {
            balance: 0,
            debt: 0,
            purchased: 0,
            spent: 0,
            given_back: 0,
            holds: BTreeMap::new(),
            lines: Vec::new(),
            came: Came::Moved { amount: 0, debt: 0 },
        })
        .boxed()
    }

    fn transitions(state: &Self) -> BoxedStrategy<Step> {
        let amount = || prop_oneof![8 => 1..=50_i64, 1 => -3..=0_i64, 1 => extreme()];
        let new = u8::try_from(state.holds.len()).expect("a sequence is short");
        let mut steps = vec![
            (3, amount().prop_map(Step::Purchase).boxed()),
            (1, prop_oneof![-60..=60_i64, extreme()].prop_map(Step::Adjust).boxed()),
            (3, amount().prop_map(move |amount| Step::Hold { hold: new, amount }).boxed()),
        ];
        let open: Vec<u8> = state.holds.iter().filter(|(_, hold)| !hold.closed).map(|(id, _)| *id).collect();
        if !open.is_empty() {
            let capture = (prop::sample::select(open), amount());
            steps.push((6, capture.prop_map(|(hold, part)| Step::Capture { hold, part }).boxed()));
        }
        if new > 0 {
            steps.push((2, (0..new).prop_map(|hold| Step::Close { hold }).boxed()));
            let refund = (0..new, amount());
            steps.push((2, refund.prop_map(|(hold, amount)| Step::Refund { hold, amount }).boxed()));
        }
        prop::strategy::Union::new_weighted(steps).boxed()
    }

    fn preconditions(state: &Self, step: &Step) -> bool {
        match step {
            Step::Purchase(_) | Step::Adjust(_) => true,
            Step::Hold { hold, .. } => !state.holds.contains_key(hold),
            Step::Capture { hold, .. } => state.holds.get(hold).is_some_and(|hold| !hold.closed),
            Step::Close { hold } | Step::Refund { hold, .. } => state.holds.contains_key(hold),
        }
    }

    fn apply(mut state: Self, step: &Step) -> Self {
        state.came = state.step(step);
        state
    }
}

fn extreme() -> impl Strategy<Value = i64> {
    prop_oneof![Just(i64::MAX), Just(i64::MIN), Just(i64::MAX - 1), Just(i64::MAX / 2), Just(-i64::MAX)]
}

/// The ledger itself, with the rows that it was given.
#[derive(Debug)]
struct Ledger {
    wallet: Wallet,
    holds: BTreeMap<u8, Hold>,
    entries: Vec<Entry>,
}

fn uuid(hold: u8) -> Uuid {
    Uuid::from_u128(u128::from(hold) + 1)
}

fn cause(hold: u8) -> Cause {
    let route = Route::new(ServerId::new("ai33").unwrap(), ServiceId::new("elevenlabs").unwrap());
    Cause { task: Some(TaskId::from_uuid(uuid(hold))), route: Some(route), ..Cause::default() }
}

impl Ledger {
    fn step(&mut self, step: &Step, model: &Model) -> Came {
        let credited = |entries: Vec<Entry>, ledger: &mut Self| {
            let first = &entries[0];
            let came =
                Came::Moved { amount: first.amount.get().into(), debt: first.debt_change.get().into() };
            ledger.entries.extend(entries);
            came
        };
        let moved = |amount: Amount| Came::Moved { amount: amount.get().into(), debt: 0 };
        let result = match *step {
            Step::Purchase(amount) => {
                let entries = self.wallet.purchase(Amount::new(amount), Cause::default(), START);
                entries.map(|entries| credited(entries, self))
            }
            Step::Adjust(change) => {
                let entries = self.wallet.adjust(Amount::new(change), Cause::default(), START);
                entries.map(|entries| credited(entries, self))
            }
            Step::Hold { hold, amount } => {
                let (id, job) = (HoldId::from_uuid(uuid(hold)), JobId::from_uuid(uuid(hold)));
                self.wallet.hold(id, job, Amount::new(amount), START).map(|held| {
                    let came = moved(held.amount);
                    self.holds.insert(hold, held);
                    came
                })
            }
            Step::Capture { hold, part } => {
                let of = self.holds.get_mut(&hold).expect("the step was possible");
                self.wallet.capture(of, Amount::new(part), cause(hold), START).map(|captured| {
                    self.entries.extend(captured.entry);
                    Came::Moved { amount: part.into(), debt: captured.debt.get().into() }
                })
            }
            Step::Close { hold } => {
                let of = self.holds.get_mut(&hold).expect("the step was possible");
                let closed = self.wallet.close(of, START);
                self.entries.extend(closed.payment);
                Ok(moved(closed.released))
            }
            Step::Refund { hold, amount } => {
                let of = &model.holds[&hold];
                // The model has refunded already what it allowed.
                let refunded = if matches!(model.came, Came::Moved { .. }) { i128::from(amount) } else { 0 };
                let refundable = i64::try_from(of.charged - of.refunded + refunded).expect("it was charged");
                let entries =
                    self.wallet.refund(Amount::new(amount), Amount::new(refundable), cause(hold), START);
                entries.map(|entries| credited(entries, self))
            }
        };
        result.unwrap_or_else(|refusal| match refusal {
            Refusal::InsufficientCredits { .. } => Came::Overdrawn,
            Refusal::InDebt { .. } => Came::InDebt,
            Refusal::NotPositive { .. } => Came::NotPositive,
            Refusal::BeyondCharge { .. } => Came::BeyondCharge,
            Refusal::Overflow => Came::Overflow,
            other => panic!("a refusal that the rules do not know: {other}"),
        })
    }

    fn book(&self) -> WalletBook {
        WalletBook {
            wallet: self.wallet.clone(),
            opening: OpeningBalance::new(self.wallet.id),
            entries: self.entries.clone(),
            holds: self.holds.values().cloned().collect(),
            charged: self.wallet.total_spent.get().into(),
        }
    }
}

struct LedgerKeepsTheRules;

impl StateMachineTest for LedgerKeepsTheRules {
    type SystemUnderTest = Ledger;
    type Reference = Model;

    fn init_test(_: &Model) -> Ledger {
        let wallet = Wallet::open(wallet_of("user-1"), START);
        Ledger { wallet, holds: BTreeMap::new(), entries: Vec::new() }
    }

    fn apply(mut ledger: Ledger, model: &Model, step: Step) -> Ledger {
        let before = (ledger.wallet.clone(), ledger.holds.clone(), ledger.entries.len());
        let came = ledger.step(&step, model);
        assert_eq!(came, model.came, "{step:?}");
        if !matches!(came, Came::Moved { .. }) {
            let after = (ledger.wallet.clone(), ledger.holds.clone(), ledger.entries.len());
            assert_eq!(after, before, "a refusal changes nothing");
        }
        ledger
    }

    fn check_invariants(ledger: &Ledger, model: &Model) {
        let wallet = &ledger.wallet;
        let is = |amount: Amount| i128::from(amount.get());
        assert_eq!((is(wallet.balance), is(wallet.debt)), (model.balance, model.debt));
        assert_eq!((is(wallet.held), is(wallet.available())), (model.held(), model.available()));
        assert!(model.held() >= 0 && model.available() >= 0 && model.debt >= 0, "{model:?}");
        let totals = (is(wallet.total_purchased), is(wallet.total_spent), is(wallet.total_refunded));
        assert_eq!(totals, (model.purchased, model.spent, model.given_back));

        assert!(model.debt == 0 || model.available() == 0, "what can be paid is paid");
        let mut balance = 0;
        let mut debt = 0;
        assert_eq!(ledger.entries.len(), model.lines.len());
        for ((entry, line), number) in ledger.entries.iter().zip(&model.lines).zip(1..) {
            balance += line.1;
            debt += line.2;
            assert_eq!(entry.number, number, "numbers are dense");
            assert_eq!((entry.kind, is(entry.amount), is(entry.debt_change)), *line);
            assert_eq!((is(entry.balance_after), is(entry.debt_after)), (balance, debt));
        }
        for (number, hold) in &ledger.holds {
            let expected = &model.holds[number];
            assert_eq!((is(hold.amount), is(hold.captured)), (expected.amount, expected.captured));
            assert!(hold.captured <= hold.amount);
            assert!(expected.refunded <= expected.charged);
            let closed = match hold.state {
                HoldState::Open => None,
                HoldState::Closed { released, .. } => Some(is(released)),
            };
            assert_eq!(closed, expected.closed.then_some(expected.amount - expected.captured));
        }
        assert_eq!(verify_wallet(&ledger.book()), []);
    }
}

prop_state_machine! {
    #[test]
    fn the_ledger_keeps_its_rules(sequential 1..60 => LedgerKeepsTheRules);
}

proptest! {
    #[test]
    fn a_closed_hold_is_never_charged(amount in 0..100_i64, part in 1..100_i64) {
        let mut wallet = Wallet::open(wallet_of("user-1"), START);
        wallet.purchase(Amount::new(1000), Cause::default(), START).unwrap();
        let (id, job) = (HoldId::from_uuid(uuid(1)), JobId::from_uuid(uuid(1)));
        let mut hold = wallet.hold(id, job, Amount::new(amount), START).unwrap();
        wallet.close(&mut hold, START);
        let before = wallet.clone();
        let charge = std::panic::AssertUnwindSafe(|| {
            wallet.capture(&mut hold, Amount::new(part), Cause::default(), START)
        });
        prop_assert!(std::panic::catch_unwind(charge).is_err());
        prop_assert_eq!(wallet, before);
    }
}
