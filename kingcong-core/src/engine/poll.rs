//! Polling: one poller per account (or per key that has none) asks its upstream how far accepted work is, as many
//! tasks in a call as the protocol takes. A failed poll says nothing about the work.

use std::{collections::BTreeMap, pin::pin, sync::Arc, time::Duration};

use futures_util::{
    future::join_all,
    stream::{FuturesUnordered, StreamExt},
};
use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, mpsc};

use super::{Inner, events::JobEvent};
use crate::{
    clock::Timestamp,
    id::LimitId,
    keys::Limit,
    provider::{Call, Dropped, Failure, FailureKind, Laid, Progress, Provider, Reached, UpstreamId},
    store::{AttemptResult, Lease},
};

/// Most tries to fetch a result.
const FETCHES_MAX: u32 = 8;
/// The pause before the second of them; doubles with each.
const FETCH_PAUSE: Duration = Duration::from_secs(1);
/// The longest such pause.
const FETCH_PAUSE_MAX: Duration = Duration::from_secs(30);
/// Poll calls of one account at the same time.
const AT_ONCE_MAX: usize = 16;

/// The pollers of this process.
#[derive(Debug, Default)]
pub(super) struct Pollers {
    by_limit: Mutex<BTreeMap<LimitId, mpsc::UnboundedSender<Polled>>>,
}

/// An accepted attempt that is polled for.
#[derive(Debug)]
pub(super) struct Polled {
    lease: Lease,
    /// The one that it was sent with: it is polled for even when its server is removed meanwhile.
    provider: Arc<dyn Provider>,
    call: Call,
    upstream_id: UpstreamId,
    permit: OwnedSemaphorePermit,
    unfetched: Option<Unfetched>,
}

/// A result that could not be fetched yet.
#[derive(Debug)]
struct Unfetched {
    tries: u32,
    /// Where it lies, and what went wrong the last time.
    why: Failure,
}

/// What a poll left to do.
#[derive(Default)]
struct Asked {
    still_open: Vec<Polled>,
    ready: Vec<(Polled, Laid)>,
}

impl Polled {
    pub(super) const fn new(
        lease: Lease,
        provider: Arc<dyn Provider>,
        call: Call,
        upstream_id: UpstreamId,
        permit: OwnedSemaphorePermit,
    ) -> Self {
        Self { lease, provider, call, upstream_id, permit, unfetched: None }
    }
}

impl Inner {
    /// Polls for an accepted attempt until it ends. The permits in flight bound how many there can be.
    pub(super) fn poll(self: &Arc<Self>, polled: Polled) {
        let attempt = &polled.lease.attempt;
        let limit = attempt.account_limit.unwrap_or(Limit::id_of_key(attempt.key));
        let mut pollers = self.pollers.by_limit.lock();
        let Err(mpsc::error::SendError(polled)) = (match pollers.get(&limit) {
            Some(poller) => poller.send(polled),
            None => Err(mpsc::error::SendError(polled)),
        }) else {
            return;
        };
        let (sender, receiver) = mpsc::unbounded_channel();
        self.running.spawn(Arc::clone(self).run_poller(limit, receiver, polled));
        pollers.insert(limit, sender);
    }

    /// Polls for the attempts of one account; ends when there are none left. A result that is long in coming holds
    /// up nobody but those that were asked about in the same call.
    async fn run_poller(
        self: Arc<Self>,
        limit: LimitId,
        mut more: mpsc::UnboundedReceiver<Polled>,
        first: Polled,
    ) {
        let mut open = vec![first];
        let mut asked = FuturesUnordered::new();
        let mut fetching = FuturesUnordered::new();
        loop {
            let mut pause = pin!(self.clock.sleep(self.settings.poll_interval));
            loop {
                tokio::select! {
                    biased;
                    () = self.closed.cancelled() => return,
                    Some(Asked { still_open, ready }) = asked.next() => {
                        open.extend(still_open);
                        fetching.extend(ready.into_iter().map(|(polled, laid)| self.fetch(polled, laid)));
                    }
                    Some(still_open) = fetching.next() => open.extend::<Option<Polled>>(still_open),
                    () = &mut pause => break,
                }
                if open.is_empty() && asked.is_empty() && fetching.is_empty() {
                    // Under the lock nobody can hand over another one in between.
                    let mut pollers = self.pollers.by_limit.lock();
                    match more.try_recv() {
                        Ok(polled) => open.push(polled),
                        Err(_) => {
                            pollers.remove(&limit);
                            return;
                        }
                    }
                }
            }
            while let Ok(polled) = more.try_recv() {
                open.push(polled);
            }
            while asked.len() < AT_ONCE_MAX
                && let Some(first) = open.first()
            {
                let batch = first.provider.poll_batch_max().clamp(1, open.len());
                asked.push(self.poll_chunk(open.drain(..batch).collect()));
            }
        }
    }

    /// Asks once for each.
    async fn poll_chunk(self: &Arc<Self>, chunk: Vec<Polled>) -> Asked {
        let mut asked = Asked::default();
        let Some(provider) = chunk.first().map(|polled| Arc::clone(&polled.provider)) else { return asked };
        let calls: Vec<(Call, UpstreamId)> =
            chunk.iter().map(|polled| (polled.call.clone(), polled.upstream_id.clone())).collect();
        let mut answers = provider.poll(&calls).await.into_iter();
        let mut ended = Vec::new();
        let mut late = Vec::new();
        let now = self.store_now();
        for polled in chunk {
            match answers.next() {
                Some(Ok(Progress::Done(reply))) => {
                    let result = self.done(&polled.lease.work, reply);
                    ended.push(self.end(polled, result));
                    continue;
                }
                Some(Ok(Progress::Ready(laid))) => {
                    asked.ready.push((polled, laid));
                    continue;
                }
                Some(Ok(Progress::Failed(failure))) => {
                    ended.push(self.end(polled, self.failed(failure)));
                    continue;
                }
                Some(Ok(Progress::Running { percent })) => self.tell_progress(&polled, percent),
                Some(Err(failure)) => {
                    tracing::debug!(attempt = %polled.lease.attempt.id, %failure, "poll failed; the work still runs");
                }
                None => {}
            }
            if self.is_late(&polled, now) { late.push(polled) } else { asked.still_open.push(polled) }
        }
        join_all(ended).await;
        join_all(late.into_iter().map(|polled| self.give_up(&*provider, polled))).await;
        asked
    }

    /// Fetches a result and settles; returns what is to be polled for again, after a pause: the upstream keeps the
    /// result, and may tell another address for it.
    async fn fetch(self: &Arc<Self>, mut polled: Polled, laid: Laid) -> Option<Polled> {
        match polled.provider.fetch(&polled.call, &laid).await {
            Ok(reply) => {
                let result = self.done(&polled.lease.work, reply);
                self.end(polled, result).await;
                None
            }
            // It will be as large the next time.
            Err(failure) if failure.kind == FailureKind::TooLarge => {
                self.end(polled, self.failed(failure)).await;
                None
            }
            Err(failure) => {
                tracing::debug!(attempt = %polled.lease.attempt.id, %failure, "result not fetched");
                let tries = polled.unfetched.as_ref().map_or(0, |unfetched| unfetched.tries) + 1;
                let pause = FETCH_PAUSE.saturating_mul(1 << (tries - 1).min(8)).min(FETCH_PAUSE_MAX);
                let pause = pause.max(failure.wait().unwrap_or_default());
                let why = unfetched(&laid, &failure);
                let end = polled.lease.attempt.leased_at.plus(self.settings.rules.call_max);
                let left = end.since(self.store_now());
                if tries >= FETCHES_MAX || left.is_zero() {
                    let result = self.failed(why);
                    self.end(polled, result).await;
                    return None;
                }
                polled.unfetched = Some(Unfetched { tries, why });
                self.clock.sleep(pause.min(left)).await;
                Some(polled)
            }
        }
    }

    /// Whether it has run for longer than anything may.
    fn is_late(&self, polled: &Polled, now: Timestamp) -> bool {
        polled.lease.attempt.leased_at.plus(self.settings.rules.call_max) <= now
    }

    async fn end(self: &Arc<Self>, polled: Polled, result: AttemptResult) {
        self.settle(&polled.lease, result, polled.permit).await;
    }

    /// Work that ran for longer than anything may: the upstream is asked to drop it, which most refund.
    async fn give_up(self: &Arc<Self>, provider: &dyn Provider, mut polled: Polled) {
        // It is done and charged: there is nothing to drop.
        if let Some(unfetched) = polled.unfetched.take() {
            let result = self.failed(unfetched.why);
            return self.end(polled, result).await;
        }
        let dropped = provider.drop_work(&polled.call.access, &polled.upstream_id).await;
        // What could not be dropped may have been done after all, and charged.
        let (reached, message) = match dropped {
            Ok(Dropped::Refunded) => (Reached::Yes, "ran for too long; dropped and refunded"),
            Ok(Dropped::No) => (Reached::Maybe, "ran for too long; it could not be dropped"),
            Err(_) => (Reached::Maybe, "ran for too long; asking to drop it failed"),
        };
        let failure = Failure::new(FailureKind::Busy, reached, message);
        self.end(polled, self.failed(failure)).await;
    }

    fn tell_progress(&self, polled: &Polled, percent: Option<u8>) {
        if let Some(percent) = percent {
            let task = &polled.lease.task;
            self.events.tell(task.job, || JobEvent::TaskProgress { place: task.place, percent });
        }
    }
}

/// The failure of work that is done, and charged, and whose result cannot be had.
fn unfetched(laid: &Laid, failure: &Failure) -> Failure {
    let place = laid.host().map_or_else(String::new, |host| format!(" at {host}"));
    let message = format!("the result{place} could not be fetched: {}", failure.message);
    Failure { code: failure.code.clone(), ..Failure::new(FailureKind::Busy, Reached::Maybe, message) }
}
