//! A process: an engine with a clock, a store and upstreams of its own, that can be paused and killed. Whatever it
//! waits for answers a paused process when it goes on, and a dead one never.

use std::{
    future::{Future, pending},
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use kingcong_core::clock::{Clock, Timestamp};
use parking_lot::Mutex;
use tokio::{sync::Notify, time::Instant};

/// The wall clock's reading when a simulation starts: 2027-01-15.
const EPOCH_MICROS: i64 = 1_800_000_000_000_000;

/// Whether a process runs.
#[derive(Debug, Default)]
pub(super) struct Life {
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Running,
    Paused,
    Dead,
}

impl Life {
    pub(super) fn pause(&self) {
        self.change(State::Running, State::Paused);
    }

    pub(super) fn go_on(&self) {
        self.change(State::Paused, State::Running);
    }

    pub(super) fn kill(&self) {
        *self.state.lock() = State::Dead;
        self.changed.notify_waiters();
    }

    pub(super) fn is_dead(&self) -> bool {
        *self.state.lock() == State::Dead
    }

    pub(super) fn is_running(&self) -> bool {
        *self.state.lock() == State::Running
    }

    fn change(&self, from: State, to: State) {
        let mut state = self.state.lock();
        if *state == from {
            *state = to;
        }
        drop(state);
        self.changed.notify_waiters();
    }

    /// Waits until the process runs; for ever when it is dead.
    pub(super) async fn running(&self) {
        loop {
            let mut changed = std::pin::pin!(self.changed.notified());
            changed.as_mut().enable();
            let state = *self.state.lock();
            match state {
                State::Running => return,
                State::Paused => changed.await,
                State::Dead => pending().await,
            }
        }
    }

    /// Waits until the process is dead.
    pub(super) async fn died(&self) {
        loop {
            let mut changed = std::pin::pin!(self.changed.notified());
            changed.as_mut().enable();
            if self.is_dead() {
                return;
            }
            changed.await;
        }
    }

    /// What the future gives; none when the process dies first.
    pub(super) async fn of<T>(&self, future: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            biased;
            () = self.died() => None,
            result = future => Some(result),
        }
    }
}

/// A clock on tokio's paused time. Each process has its own, with a wall clock that is wrong in its own way.
#[derive(Debug)]
pub(super) struct VirtualClock {
    start: Instant,
    wrong_by_micros: AtomicI64,
    life: Option<Arc<Life>>,
}

impl VirtualClock {
    /// The true time of a machine that does not fail.
    pub(super) fn truth() -> Self {
        Self { start: Instant::now(), wrong_by_micros: AtomicI64::new(0), life: None }
    }

    /// The clock of a process, wrong by that much.
    pub(super) fn of(truth: &Self, life: &Arc<Life>, wrong_by_ms: i64) -> Self {
        let wrong_by_micros = AtomicI64::new(wrong_by_ms * 1000);
        Self { start: truth.start, wrong_by_micros, life: Some(Arc::clone(life)) }
    }

    /// Sets the wall clock off.
    pub(super) fn step(&self, by_ms: i64) {
        self.wrong_by_micros.fetch_add(by_ms * 1000, Ordering::Relaxed);
    }
}

#[async_trait]
impl Clock for VirtualClock {
    fn now(&self) -> Timestamp {
        let wrong_by = self.wrong_by_micros.load(Ordering::Relaxed);
        Timestamp::from_micros(EPOCH_MICROS + wrong_by).plus(self.elapsed())
    }

    fn elapsed(&self) -> Duration {
        self.start.elapsed()
    }

    async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
        if let Some(life) = &self.life {
            life.running().await;
        }
    }
}
