//! Polling: one poller per account (or per key that has none) asks its upstream how far accepted work is, as many
//! tasks in a call as the protocol takes. A failed poll says nothing about the work.

use std::{collections::BTreeMap, sync::Arc};

use futures_util::future::join_all;
use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, mpsc};

use super::{Inner, events::JobEvent};
use crate::{
    id::LimitId,
    keys::Limit,
    provider::{Call, Dropped, Failure, FailureKind, Progress, Provider, Reached, UpstreamId},
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

    /// Polls for the attempts of one account; ends when there are none left.
    async fn run_poller(
        self: Arc<Self>,
        limit: LimitId,
        mut more: mpsc::UnboundedReceiver<Polled>,
        first: Polled,
    ) {
        let mut open = vec![first];
        loop {
            tokio::select! {
                biased;
                () = self.closed.cancelled() => return,
                () = self.clock.sleep(self.settings.poll_interval) => {}
            }
            while let Ok(polled) = more.try_recv() {
                open.push(polled);
            }
            open = self.poll_round(open).await;
            if open.is_empty() {
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
    }

    /// Asks once for each; returns those that still run.
    async fn poll_round(self: &Arc<Self>, open: Vec<Polled>) -> Vec<Polled> {
        let Some(first) = open.first() else { return open };
        let provider = Arc::clone(&first.provider);
        let batch = provider.poll_batch_max().max(1);
        let mut still_open = Vec::new();
        let mut rest = open.into_iter();
        loop {
            let mut round = Vec::new();
            for _ in 0..AT_ONCE_MAX {
                let chunk: Vec<Polled> = rest.by_ref().take(batch).collect();
                if chunk.is_empty() {
                    break;
                }
                round.push(self.poll_chunk(&*provider, chunk));
            }
            if round.is_empty() {
                return still_open;
            }
            for open in join_all(round).await {
                still_open.extend(open);
            }
        }
    }

    async fn poll_chunk(self: &Arc<Self>, provider: &dyn Provider, chunk: Vec<Polled>) -> Vec<Polled> {
        let asked: Vec<(Call, UpstreamId)> =
            chunk.iter().map(|polled| (polled.call.clone(), polled.upstream_id.clone())).collect();
        let answers = provider.poll(&asked).await;
        let mut open = Vec::new();
        let mut ended = Vec::new();
        for (place, polled) in chunk.into_iter().enumerate() {
            match answers.get(place) {
                Some(Ok(Progress::Done(reply))) => {
                    let result = self.done(&polled.lease.work, reply.clone());
                    ended.push(self.end(polled, result));
                }
                Some(Ok(Progress::Failed(failure))) => {
                    ended.push(self.end(polled, AttemptResult::Failed(failure.clone())));
                }
                Some(Ok(Progress::Running { percent })) => {
                    self.tell_progress(&polled, *percent);
                    open.push(polled);
                }
                Some(Err(failure)) if failure.kind == FailureKind::TooLarge => {
                    ended.push(self.end(polled, AttemptResult::Failed(failure.clone())));
                }
                Some(Err(failure)) => {
                    tracing::debug!(attempt = %polled.lease.attempt.id, %failure, "poll failed; the work still runs");
                    open.push(polled);
                }
                None => open.push(polled),
            }
        }
        join_all(ended).await;
        let now = self.store_now();
        let (late, open): (Vec<_>, Vec<_>) = open
            .into_iter()
            .partition(|polled| polled.lease.attempt.leased_at.plus(self.settings.rules.call_max) <= now);
        join_all(late.into_iter().map(|polled| self.give_up(provider, polled))).await;
        open
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
        self.end(polled, AttemptResult::Failed(failure)).await;
    }

    fn tell_progress(&self, polled: &Polled, percent: Option<u8>) {
        if let Some(percent) = percent {
            let event = JobEvent::TaskProgress { place: polled.lease.task.place, percent };
            self.events.tell(polled.lease.task.job, event);
        }
    }
}
