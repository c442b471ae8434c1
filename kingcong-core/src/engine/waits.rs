//! What upstreams answered to polls and questions: not to be asked again before an instant. It holds for all polls
//! and questions of the account, or of the key where it has none. Each process keeps what it was told; what starts
//! were told stands in the store.

use std::collections::BTreeMap;

use parking_lot::Mutex;

use crate::{
    clock::Timestamp,
    failure::Failure,
    id::LimitId,
    keys::{Key, Limit},
};

/// Until when accounts, and keys without one, are left alone.
#[derive(Debug, Default)]
pub(super) struct Waits(Mutex<BTreeMap<LimitId, Timestamp>>);

impl Waits {
    /// The account of a key, or the key where it has none.
    pub(super) fn place_of(key: &Key) -> LimitId {
        let account = key.account.as_deref();
        account.map_or(Limit::id_of_key(key.id), |account| Limit::id_of_account(&key.route.server, account))
    }

    /// Keeps how long a failed poll or question asks to wait, if it does. Forgets what is over, so that there is no
    /// more than one for each account and key.
    pub(super) fn note(&self, place: LimitId, failure: &Failure, now: Timestamp) {
        let Some(wait) = failure.wait() else { return };
        let mut waits = self.0.lock();
        waits.retain(|_, until| *until > now);
        let until = waits.entry(place).or_insert(now);
        *until = now.plus(wait).max(*until);
    }

    /// When it may be asked again, if it may not be now.
    pub(super) fn until(&self, place: LimitId, now: Timestamp) -> Option<Timestamp> {
        self.0.lock().get(&place).copied().filter(|until| *until > now)
    }
}
