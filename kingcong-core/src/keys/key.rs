//! A key and its life.

use serde::{Deserialize, Serialize};

use crate::{
    clock::Timestamp,
    id::{KeyId, Route, TenantId},
    keys::Limits,
    routing::Origin,
    switch::Switch,
    upstream::UpstreamCredits,
    vault::{Envelope, Fingerprint, SecretVersion},
};

/// An upstream credential, without its secret in plain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    /// Its id.
    pub id: KeyId,
    /// The route that it buys on.
    pub route: Route,
    /// The tenant whose data key encrypts it.
    pub tenant: TenantId,
    /// What people call it.
    pub label: String,
    /// What of the secret may be shown.
    pub mask: String,
    /// The same for the same secret on the same server; says nothing about it otherwise.
    pub fingerprint: Fingerprint,
    /// The version of the secret.
    pub secret_version: SecretVersion,
    /// The encrypted secret; none once the key was removed.
    pub envelope: Option<Envelope>,
    /// The upstream account, as the operator names it, for keys that share one.
    pub account: Option<String>,
    /// The administrator's switch.
    pub switch: Switch,
    /// What the library knows of it.
    pub status: KeyStatus,
    /// The upstream balance when it was last seen.
    pub balance: Option<UpstreamCredits>,
    /// When that was.
    pub checked_at: Option<Timestamp>,
    /// When it was last leased.
    pub last_used: Option<Timestamp>,
    /// When it was registered.
    pub created_at: Timestamp,
}

/// A key with what it may do, which its [`Limit`](super::Limit) holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyWithLimits {
    /// The key.
    pub key: Key,
    /// How many calls it may have.
    pub limits: Limits,
}

impl std::ops::Deref for KeyWithLimits {
    type Target = Key;

    fn deref(&self) -> &Key {
        &self.key
    }
}

/// What the library knows of a key; apart from the administrator's switch, which it never overrides.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KeyStatus {
    /// It works, as far as known.
    Active,
    /// An upstream's answer may mean that it is dead: it rests, each time for twice as long, and is tried with one call
    /// after that; a free check may find it dead.
    Doubtful,
    /// The upstream does not know it.
    Dead {
        /// The upstream's words.
        reason: String,
    },
    /// Its account had not enough credit.
    OutOfCredit {
        /// What the call that failed would have needed, about; it works again above this balance.
        needed: UpstreamCredits,
    },
    /// Its secret does not open: the stored bytes were altered, or the data key that sealed it is lost. That says
    /// nothing about the upstream; once the secret opens again, a check brings it back.
    Unreadable {
        /// What the vault said.
        reason: String,
    },
    /// Its server is not where it was when the key was registered: the secret is sent nowhere until it is registered
    /// again.
    Suspended {
        /// Where the server was.
        registered_for: Origin,
    },
    /// Taken away by an administrator; its secret is gone.
    Removed,
}

/// What a free check of a key found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The upstream knows it; the balance where it tells.
    Alive(Option<UpstreamCredits>),
    /// The upstream does not know it.
    Dead {
        /// The upstream's words.
        reason: String,
    },
    /// The secret does not open, so the upstream was not asked.
    Unreadable {
        /// What the vault said.
        reason: String,
    },
    /// The check itself failed; nothing is known.
    Unclear,
}

impl Key {
    /// Whether it may be leased.
    #[must_use]
    pub fn is_usable(&self) -> bool {
        self.switch == Switch::On && matches!(self.status, KeyStatus::Active | KeyStatus::Doubtful)
    }

    /// Whether processes must be told that the key is this one now, and not `before` any more. What a check merely
    /// found again (when it was, and a balance) is no news: who asks for it reads the store.
    #[must_use]
    pub fn is_news_after(&self, before: &Self) -> bool {
        *self != Self { balance: self.balance, checked_at: self.checked_at, ..before.clone() }
    }

    /// Whether its secret may be given again, in place of what is stored.
    #[must_use]
    pub const fn may_be_registered_again(&self) -> bool {
        match self.status {
            KeyStatus::Suspended { .. } | KeyStatus::Unreadable { .. } => true,
            KeyStatus::Active
            | KeyStatus::Doubtful
            | KeyStatus::Dead { .. }
            | KeyStatus::OutOfCredit { .. }
            | KeyStatus::Removed => false,
        }
    }

    /// The key after a check at `now`.
    ///
    /// A doubtful key that turns out alive is active again; one out of credit when its balance covers what it
    /// lacked; a dead key that answers again is active again. An unreadable one whose secret opens is asked about like
    /// a doubtful one. A removed key stays removed, and a suspended one suspended.
    pub fn checked(&mut self, verdict: &Verdict, now: Timestamp) {
        let status = match (&self.status, verdict) {
            (KeyStatus::Removed | KeyStatus::Suspended { .. }, _) => return,
            (_, Verdict::Unreadable { reason }) => KeyStatus::Unreadable { reason: reason.clone() },
            (KeyStatus::Unreadable { .. }, Verdict::Unclear) => KeyStatus::Doubtful,
            (_, Verdict::Unclear) => return,
            (_, Verdict::Dead { reason }) => KeyStatus::Dead { reason: reason.clone() },
            (_, Verdict::Alive(Some(balance))) if balance.thousandths() <= 0 => {
                let needed = match self.status {
                    KeyStatus::OutOfCredit { needed } => needed,
                    _ => UpstreamCredits::whole(1),
                };
                KeyStatus::OutOfCredit { needed }
            }
            (KeyStatus::OutOfCredit { needed }, Verdict::Alive(Some(balance))) if balance < needed => {
                KeyStatus::OutOfCredit { needed: *needed }
            }
            // Where the upstream tells no balance, only the next call can find out.
            (_, Verdict::Alive(_)) => KeyStatus::Active,
        };
        self.status = status;
        self.checked_at = Some(now);
        if let Verdict::Alive(Some(balance)) = verdict {
            self.balance = Some(*balance);
        }
    }
}
