//! Questions: calls that ask an upstream something and do no work, such as a key's balance. Where an upstream counts
//! polls it counts them too, so they take a call of the same window first.

use super::Inner;
use crate::{
    clock::Timestamp,
    error::Error,
    keys::{Key, Limit, PollNeed},
    provider::{Failure, FailureKind, Reached},
    routing::PollsCount,
    store::Poll,
};

impl Inner {
    /// Has the store count a question about a key, where its upstream counts it.
    ///
    /// # Errors
    /// [`Error::Upstream`] when the limit leaves no call for it now, or what the store fails with.
    pub(super) async fn count_question(&self, key: &Key, need: PollNeed) -> Result<(), Error> {
        let server = &key.route.server;
        if self.polls_of(&key.route) == PollsCount::Free {
            return Ok(());
        }
        let account_limit = key.account.as_deref().map(|account| Limit::id_of_account(server, account));
        let egress_limit = Some(Limit::id_of_egress(server, &self.settings.egress));
        let poll = Poll { key: key.id, account_limit, egress_limit, need };
        let counted = self.count_call(poll).await?;
        counted.map_err(|until| Error::Upstream(no_call_left(key, until, self.store_now())))
    }
}

/// The failure of a question that may not be asked before `until`.
fn no_call_left(key: &Key, until: Timestamp, now: Timestamp) -> Failure {
    let limit = match &key.account {
        Some(account) => format!("account {account:?}"),
        None => format!("key {}", key.mask),
    };
    let message =
        format!("the limit of {limit} on {} leaves no call for a question now: try again later", key.route);
    let wait = (until < Timestamp::FAR).then(|| until.since(now));
    Failure::new(FailureKind::Busy, Reached::No, message).with_retry_after(wait)
}
