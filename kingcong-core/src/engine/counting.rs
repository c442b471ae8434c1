//! Calls that count against a limit: counted before they are sent, and once more where their answer came late.

use std::time::Duration;

use super::{Inner, Settings, write_lane::Executed};
use crate::{
    clock::Timestamp,
    error::Error,
    id::{KeyId, LimitId},
    keys::Counted,
    store::{Command, CountLate, Lease, Outcome, Poll},
};

/// The pause before a call is counted again that was counted too long ago.
pub(super) const UNCOUNTED_PAUSE: Duration = Duration::from_secs(1);

/// A call that is counted and may be made at once.
pub(super) struct CountedCall {
    call: Counted,
    key: KeyId,
    account_limit: Option<LimitId>,
    egress_limit: Option<LimitId>,
    counted_at: Timestamp,
    /// An instant of this process before that.
    decided: Duration,
}

impl CountedCall {
    /// The call that a lease is for.
    pub(super) fn of_lease(lease: &Lease, decided: Duration) -> Self {
        let attempt = &lease.attempt;
        Self {
            call: Counted::Start,
            key: attempt.key,
            account_limit: attempt.account_limit,
            egress_limit: attempt.egress_limit,
            counted_at: attempt.leased_at,
            decided,
        }
    }
}

impl Inner {
    /// Has the store count a call that asks its upstream something, which is to be made at once; or says when it may
    /// be.
    pub(super) async fn count_call(&self, poll: Poll) -> Result<Result<CountedCall, Timestamp>, Error> {
        let Executed { outcome, decided, .. } = self.executed(Command::Poll(poll)).await?;
        let Outcome::Poll(counted) = outcome else {
            unreachable!("counting a call answers whether it was, not {outcome:?}")
        };
        let Poll { key, account_limit, egress_limit, .. } = poll;
        Ok(match counted {
            // What was counted long ago would reach the upstream in another window.
            Ok(_) if self.clock.elapsed().saturating_sub(decided) >= Settings::SEND_SLACK => {
                Err(self.store_now().plus(UNCOUNTED_PAUSE))
            }
            Ok(counted_at) => {
                Ok(CountedCall { call: Counted::Poll, key, account_limit, egress_limit, counted_at, decided })
            }
            Err(refused) => Err(refused.until),
        })
    }

    /// To be called when a call's answer came. Where that took longer than the guard, as it does when a connection has
    /// to be made first or the machine is busy, the upstream may have counted the call as late as now: then it counts
    /// from now on, so that no later call follows it too soon.
    pub(super) async fn note_answered(&self, counted: &CountedCall) {
        let took = self.clock.elapsed().saturating_sub(counted.decided);
        if took <= self.rules.guard {
            return;
        }
        let &CountedCall { call, key, account_limit, egress_limit, counted_at, .. } = counted;
        let late = CountLate { call, key, account_limit, egress_limit, counted_at, took };
        if let Err(error) = self.execute(Command::CountLate(late)).await {
            tracing::warn!(%error, %key, "a call that was answered late could not be counted anew");
        }
    }
}
