//! Polling: one poller per account (or per key that has none) asks its upstream how far accepted work is, as many
//! tasks in a call as the protocol takes. A failed poll says nothing about the work.

use std::{collections::BTreeMap, pin::pin, sync::Arc};

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
        Self { lease, provider, call, upstream_id, permit }
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

    /// Fetches a result and settles; returns what is to be polled for again.
    async fn fetch(self: &Arc<Self>, polled: Polled, laid: Laid) -> Option<Polled> {
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
            Err(failure) if self.is_late(&polled, self.store_now()) => {
                tracing::debug!(attempt = %polled.lease.attempt.id, %failure, "result not fetched in time");
                let provider = Arc::clone(&polled.provider);
                self.give_up(&*provider, polled).await;
                None
            }
            Err(failure) => {
                tracing::debug!(attempt = %polled.lease.attempt.id, %failure, "result not fetched; trying again");
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
    async fn give_up(self: &Arc<Self>, provider: &dyn Provider, polled: Polled) {
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
