//! One call: from a lease to its settlement, however the upstream, the store or the host behave.

use std::{sync::Arc, time::Duration};

use tokio::sync::OwnedSemaphorePermit;

use super::{Inner, Settings, counting::CountedCall, events::JobEvent, poll::Polled, settings::Outputs};
use crate::{
    clock::Timestamp,
    error::Error,
    failure::{Failure, FailureKind, Reached},
    keys::PoolId,
    provider::{Access, Call, Provider, Sent, Sink},
    store::{
        Accept, AttemptResult, Command, LateAnswer, Lease, NotMine, Outcome, Settle, Settled, Unsettled,
        Waited,
    },
    upstream::UpstreamId,
    work::{Attempt, AttemptState, Ending, Layout, TaskState},
};

/// The pause before settling is tried again when the store failed it.
const SETTLE_PAUSE: Duration = Duration::from_secs(1);

/// How settling ended.
enum Ended {
    /// It is settled.
    Settled(Box<Settled>),
    /// The job's parts have this layout, and this one another.
    OtherLayout(Layout),
    /// Somebody else took the attempt over, or the library closed.
    NotOurs,
}

impl Inner {
    /// Sends what was leased and sees it through to its settlement; a lease that took too long to get is given back.
    pub(super) async fn run_lease(
        self: Arc<Self>,
        lease: Lease,
        permit: OwnedSemaphorePermit,
        decided: Duration,
    ) {
        let (provider, call) = match self.call(&lease).await {
            Ok(called) => called,
            Err(error) => return self.settle_uncallable(&lease, &error, permit).await,
        };
        if self.clock.elapsed().saturating_sub(decided) >= Settings::SEND_SLACK {
            return self.settle(&lease, AttemptResult::NotSent, permit).await;
        }
        self.tell_started(&lease);
        let counted = CountedCall::of_lease(&lease, decided);
        // A provider may wait for the result itself, for as long as a call may run upstream.
        let sent = self.within(self.rules.call_max, provider.send(&call)).await;
        match sent {
            // When it arrived cannot be told from the time that the work took.
            Some(Ok(Sent::Done(reply))) => {
                let result = self.done(&lease.work, reply).await;
                self.settle(&lease, result, permit).await;
            }
            Some(Ok(Sent::Accepted(accepted))) => {
                let upstream_id = accepted.upstream_id.clone();
                let accept = Accept { attempt: lease.attempt.id, upstream_id, cost: accepted.cost };
                match tokio::join!(self.accept(accept), self.note_answered(&counted)).0 {
                    Ok(()) => self.poll(Polled::new(lease, provider, call, accepted.upstream_id, permit)),
                    Err(NotMine) => {
                        self.record_late(&lease.attempt, Some(accepted.upstream_id), accepted.cost).await
                    }
                }
            }
            Some(Err(failure)) => {
                self.note_answered(&counted).await;
                match failure.kind {
                    FailureKind::Unknown => self.unknown(lease, failure.wait(), permit).await,
                    _ => self.settle(&lease, self.failed(failure), permit).await,
                }
            }
            None => {
                self.note_answered(&counted).await;
                self.unknown(lease, None, permit).await;
            }
        }
    }

    /// A lease that was not sent: its key or server is gone or moved, its secret does not open, nobody speaks its
    /// protocol, or the store or the master key cannot be reached, which says nothing about the key.
    async fn settle_uncallable(self: &Arc<Self>, lease: &Lease, error: &Error, permit: OwnedSemaphorePermit) {
        if let Some(reason) = error.unreadable() {
            tracing::error!(%error, attempt = %lease.attempt.id, "the secret of a key does not open");
            return self.settle(lease, AttemptResult::Unreadable { reason }, permit).await;
        }
        let failure = match error {
            Error::Store(_) | Error::MasterKey(_) | Error::Closed => {
                tracing::warn!(%error, attempt = %lease.attempt.id, "a lease could not be called: giving it back");
                // Not at once: the next lease would meet the same trouble.
                self.clock.sleep(SETTLE_PAUSE).await;
                return self.settle(lease, AttemptResult::NotSent, permit).await;
            }
            // It was changed since the claim: the next one goes by what stands now.
            Error::NotFound { .. } | Error::KeyRemoved(_) | Error::KeySuspended { .. } => {
                return self.settle(lease, AttemptResult::NotSent, permit).await;
            }
            error => Failure::new(FailureKind::Unsupported, Reached::No, error.to_string()),
        };
        self.settle(lease, self.failed(failure), permit).await;
    }

    /// Sees an attempt of a dead worker through: polls for it, or waits until the upstream must have ended.
    pub(super) async fn resume(self: Arc<Self>, lease: Lease, permit: OwnedSemaphorePermit) {
        let Some(upstream_id) = lease.attempt.upstream_id().cloned() else {
            return self.wait_out(lease, permit).await;
        };
        loop {
            match self.call(&lease).await {
                Ok((provider, call)) => {
                    return self.poll(Polled::new(lease, provider, call, upstream_id, permit));
                }
                Err(error) if self.closing.is_cancelled() => {
                    tracing::warn!(%error, attempt = %lease.attempt.id, "closing: it will be taken over");
                    return;
                }
                Err(error @ (Error::Store(_) | Error::MasterKey(_))) => {
                    tracing::warn!(%error, attempt = %lease.attempt.id, "cannot be polled for yet: trying again");
                    self.clock.sleep(SETTLE_PAUSE).await;
                }
                // Its secret may come back while the upstream still works on it.
                Err(error @ (Error::Vault(_) | Error::KeySuspended { .. }))
                    if self.store_now() < lease.attempt.leased_at.plus(self.rules.call_max) =>
                {
                    tracing::warn!(%error, attempt = %lease.attempt.id, "cannot be polled for yet: trying again");
                    self.clock.sleep(SETTLE_PAUSE).await;
                }
                // It cannot be asked about any more, and may be done and charged all the same.
                Err(error) => {
                    tracing::warn!(%error, attempt = %lease.attempt.id, "its answer is lost");
                    return self.wait_out(lease, permit).await;
                }
            }
        }
    }

    /// The provider, and what it is to be called with.
    async fn call(&self, lease: &Lease) -> Result<(Arc<dyn Provider>, Call), Error> {
        let attempt = &lease.attempt;
        let (provider, base_url) = self.provider(&attempt.route.server)?;
        let key = self.key(attempt.key).await?;
        let secret = self.secret(&key).await?;
        let work = lease.work.naming(&lease.task.planned_route().known_as);
        let sink = match &self.settings.outputs {
            Outputs::Store => Sink::Memory { max_bytes: Outputs::STORE_BYTES_MAX },
            Outputs::Directory(path) => {
                Sink::Directory { path: path.clone(), max_bytes: Outputs::FILE_BYTES_MAX }
            }
        };
        let access = Access { route: attempt.route.clone(), base_url, secret };
        Ok((provider, Call { attempt: attempt.id, access, work, sink, pieces: None }))
    }

    /// The upstream took it; the store is told before the first poll, so that a crash resumes polling.
    async fn accept(&self, accept: Accept) -> Result<(), NotMine> {
        loop {
            match self.execute(Command::Accept(accept.clone())).await {
                Ok(Outcome::Accept(accepted)) => return accepted,
                Ok(other) => unreachable!("accepting answers whether it was accepted, not {other:?}"),
                Err(error) if matches!(error, Error::Closed) || self.closed.is_cancelled() => {
                    return Err(NotMine);
                }
                Err(error) => {
                    tracing::warn!(%error, "the upstream's id of an attempt could not be written: trying again");
                    self.clock.sleep(SETTLE_PAUSE).await;
                }
            }
        }
    }

    /// A failure as it is to be settled.
    pub(super) const fn failed(&self, failure: Failure) -> AttemptResult {
        AttemptResult::Failed { failure, policy: self.settings.unknown }
    }

    /// The answer is lost: the slots stay taken until the upstream must have ended.
    async fn unknown(
        self: Arc<Self>,
        mut lease: Lease,
        retry_after: Option<Duration>,
        permit: OwnedSemaphorePermit,
    ) {
        let waited = Waited::NotYet { retry_after };
        let result = AttemptResult::Unknown { waited, policy: self.settings.unknown };
        let until = lease.attempt.leased_at.plus(self.rules.call_max);
        lease.attempt.state = AttemptState::Unknown { until };
        if let Ended::Settled(_) = self.settle_once(&lease, &result).await {
            self.wait_out(lease, permit).await;
        }
    }

    /// Waits until the upstream must have ended, then settles a lost answer. Not waited for when closing.
    async fn wait_out(self: Arc<Self>, lease: Lease, permit: OwnedSemaphorePermit) {
        let until = match lease.attempt.state {
            AttemptState::Unknown { until } => until,
            _ => lease.attempt.leased_at.plus(self.rules.call_max),
        };
        let inner = Arc::clone(&self);
        self.loops.spawn(async move {
            tokio::select! {
                biased;
                () = inner.closing.cancelled() => return,
                () = inner.wait_until(until) => {}
            }
            let result = AttemptResult::Unknown { waited: Waited::Enough, policy: inner.settings.unknown };
            inner.settle(&lease, result, permit).await;
        });
    }

    /// Waits until the store's time is as late as that.
    pub(super) async fn wait_until(&self, until: Timestamp) {
        while self.store_now() < until {
            self.clock.sleep(until.since(self.store_now()).max(Duration::from_millis(1))).await;
        }
    }

    /// Settles an attempt, and does what follows from it.
    pub(super) async fn settle(
        self: &Arc<Self>,
        lease: &Lease,
        result: AttemptResult,
        permit: OwnedSemaphorePermit,
    ) {
        let settling = self.events.settling(lease.attempt.job);
        let mut result = result;
        let settled = loop {
            match self.settle_once(lease, &result).await {
                Ended::Settled(settled) => break Some(settled),
                Ended::OtherLayout(wanted) => result = self.fitted(lease, result, wanted).await,
                Ended::NotOurs => break None,
            }
        };
        drop(permit);
        let Some(settled) = settled else { return };
        self.tell_settled(&settled, &result);
        drop(settling);
        self.wake_served(PoolId::shared(&lease.attempt.route));
        if let Some(key) = lease.task.only_key {
            self.wake_served(PoolId::of_key(key));
        }
        if let Some(pool) = settled.requeued {
            self.wake(pool, settled.task.planned_route().route());
        }
        if let Some(key) = settled.check_key {
            let inner = Arc::clone(self);
            self.loops.spawn(async move {
                tokio::select! {
                    biased;
                    () = inner.closing.cancelled() => {}
                    () = inner.check_doubted(key) => {}
                }
            });
        }
    }

    /// Settles until the store answers, or the library is closed.
    async fn settle_once(&self, lease: &Lease, result: &AttemptResult) -> Ended {
        let attempt = &lease.attempt;
        loop {
            let settle = Settle::of(attempt, result.clone());
            match self.execute(Command::Settle(Box::new(settle))).await {
                Ok(Outcome::Settle(Ok(settled))) => return Ended::Settled(settled),
                Ok(Outcome::Settle(Err(Unsettled::OtherLayout { wanted }))) => {
                    return Ended::OtherLayout(wanted);
                }
                Ok(Outcome::Settle(Err(Unsettled::NotMine))) => {
                    let cost = match result {
                        AttemptResult::Done { cost, .. } => *cost,
                        _ => None,
                    };
                    self.record_late(attempt, None, cost).await;
                    return Ended::NotOurs;
                }
                Ok(other) => unreachable!("settling answers with what was settled, not {other:?}"),
                Err(error) if matches!(error, Error::Closed) || self.closed.is_cancelled() => {
                    return Ended::NotOurs;
                }
                Err(error) => {
                    tracing::warn!(%error, attempt = %attempt.id, "settling failed: trying again");
                    self.clock.sleep(SETTLE_PAUSE).await;
                }
            }
        }
    }

    /// This worker was taken for dead: what it learnt is recorded, and changes neither money nor task.
    async fn record_late(
        &self,
        attempt: &Attempt,
        upstream_id: Option<UpstreamId>,
        cost: Option<crate::upstream::UpstreamCredits>,
    ) {
        tracing::warn!(attempt = %attempt.id, "answer came after the attempt was taken over");
        let upstream_id = upstream_id.or_else(|| attempt.upstream_id().cloned());
        let late = LateAnswer { attempt: attempt.id, upstream_id, cost };
        if let Err(error) = self.execute(Command::RecordLate(late)).await {
            tracing::warn!(%error, "a late answer could not be recorded");
        }
    }

    fn tell_started(&self, lease: &Lease) {
        let (task, attempt) = (&lease.task, &lease.attempt);
        self.events.tell(task.job, || {
            let key = self.snapshot().keys.get(attempt.key).map(|key| key.mask.clone());
            JobEvent::TaskStarted {
                place: task.place,
                route: attempt.route.clone(),
                key: key.unwrap_or_default(),
                attempt: task.attempts,
            }
        });
    }

    fn tell_settled(&self, settled: &Settled, result: &AttemptResult) {
        let place = settled.task.place;
        self.events.tell(settled.job.id, || match &settled.task.state {
            TaskState::Done => JobEvent::TaskDone { place, charged: settled.charged },
            TaskState::Failed { error } => JobEvent::TaskFailed { place, error: error.clone() },
            TaskState::Cancelled => JobEvent::TaskCancelled { place },
            TaskState::Ready { .. } | TaskState::Delayed { .. } | TaskState::Running { .. } => {
                let reason = match result {
                    AttemptResult::Failed { failure, .. } => failure.to_string(),
                    AttemptResult::NotSent => "it could not be sent in time".into(),
                    AttemptResult::Unreadable { .. } => "the key's secret does not open".into(),
                    AttemptResult::Unknown { .. } => "its answer was lost".into(),
                    AttemptResult::Done { .. } => format!("{:?}", Ending::Done),
                };
                JobEvent::TaskWaits { place, reason }
            }
        });
        if settled.job.state.is_final() {
            self.tell_ended(&settled.job);
        }
    }
}
