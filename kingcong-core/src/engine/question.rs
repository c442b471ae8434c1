//! Questions: calls that ask an upstream something and do no work, such as a key's balance. Where an upstream counts
//! polls it counts them too, so they take a call of the same window first. None is asked while the upstream wants to be
//! left alone.

use std::{future::Future, sync::Arc};

use super::{Inner, counting::CountedCall, waits::Waits};
use crate::{
    clock::Timestamp,
    error::Error,
    failure::{Failure, FailureKind, Reached},
    keys::{Key, Limit, PollNeed, PollsCount},
    provider::{Access, Provider},
    store::Poll,
};

impl Inner {
    /// Asks a question with a key, if that may be done now: what the upstream answers, or fails with.
    ///
    /// # Errors
    /// [`Error::Upstream`] when the limit leaves no call for it now or the upstream wants to be left alone; or when
    /// nobody speaks with the server, the secret cannot be had, or the store fails.
    pub(super) async fn question<T, Answer>(
        &self,
        key: &Key,
        need: PollNeed,
        ask: impl FnOnce(Arc<dyn Provider>, Access) -> Answer,
    ) -> Result<Result<T, Failure>, Error>
    where
        Answer: Future<Output = Result<T, Failure>> + Send,
    {
        let (provider, base_url) = self.provider(&key.route.server)?;
        let secret = self.secret(key).await?;
        let (place, now) = (Waits::place_of(key), self.store_now());
        if let Some(until) = self.waits.until(place, now) {
            return Err(Error::Upstream(left_alone(key, until, now)));
        }
        let counted = self.count_question(key, need).await?;
        let answer = ask(provider, Access { route: key.route.clone(), base_url, secret }).await;
        if let Some(counted) = &counted {
            self.note_answered(counted).await;
        }
        if let Err(failure) = &answer {
            self.waits.note(place, failure, self.store_now());
        }
        Ok(answer)
    }

    /// Has the store count a question about a key, where its upstream counts it.
    async fn count_question(&self, key: &Key, need: PollNeed) -> Result<Option<CountedCall>, Error> {
        let server = &key.route.server;
        if self.polls_of(&key.route) == PollsCount::Free {
            return Ok(None);
        }
        let account_limit = key.account.as_deref().map(|account| Limit::id_of_account(server, account));
        let egress_limit = Some(Limit::id_of_egress(server, &self.settings.egress));
        let poll = Poll { key: key.id, account_limit, egress_limit, need };
        let counted = self.count_call(poll).await?;
        counted.map(Some).map_err(|until| Error::Upstream(no_call_left(key, until, self.store_now())))
    }
}

/// The failure of a question that may not be asked before `until`.
fn no_call_left(key: &Key, until: Timestamp, now: Timestamp) -> Failure {
    let (whose, route) = (whose(key), &key.route);
    let message =
        format!("the limit of {whose} on {route} leaves no call for a question now: try again later");
    let wait = (until < Timestamp::FAR).then(|| until.since(now));
    Failure::new(FailureKind::Busy, Reached::No, message).with_retry_after(wait)
}

/// The failure of a question to an upstream that said it is not to be asked before `until`.
fn left_alone(key: &Key, until: Timestamp, now: Timestamp) -> Failure {
    let wait = until.since(now);
    let (whose, route, seconds) = (whose(key), &key.route, wait.as_millis().div_ceil(1_000));
    let message = format!("{route} asked not to be called for {whose}: try again in {seconds} s");
    Failure::new(FailureKind::Busy, Reached::No, message).with_retry_after(Some(wait))
}

fn whose(key: &Key) -> String {
    match &key.account {
        Some(account) => format!("account {account:?}"),
        None => format!("key {}", key.mask),
    }
}
