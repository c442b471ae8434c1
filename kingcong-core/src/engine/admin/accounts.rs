//! Account doors.

use super::KingCong;
use crate::{
    access::{Door, Target},
    error::Error,
    id::ServerId,
    keys::{Account, KeyWithLimits, Limits, LimitsChange},
    store::ChangeAccount,
};

/// Upstream accounts that several keys share. One is known once a key is registered under its name.
#[derive(Clone, Debug)]
pub struct AccountDoors {
    pub(super) kc: KingCong,
}

/// An upstream account, what it allows and how much of that is used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountReport {
    /// The server that counts its calls.
    pub server: ServerId,
    /// Its name, which the operator chose.
    pub name: String,
    /// What its keys may do together.
    pub limits: Limits,
    /// Calls in flight now.
    pub in_flight: u32,
    /// Calls of the last window: starts, and polls where the upstream counts them.
    pub used_in_window: u32,
    /// The keys that were registered under it and not removed.
    pub keys: Vec<KeyWithLimits>,
}

impl AccountDoors {
    /// Every account that a key was registered under, by server and name; also those whose keys were all removed, since
    /// they keep their limits for the next.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn list(&self) -> Result<Vec<AccountReport>, Error> {
        self.enter(Door::AccountsList).await?;
        self.reports().await
    }

    async fn reports(&self) -> Result<Vec<AccountReport>, Error> {
        let inner = self.inner();
        let accounts = inner.store.accounts().await?;
        let keys = inner.store.keys().await?;
        let now = inner.store_now();
        let report = |Account { server, name, limit }: Account| {
            let is_its =
                |key: &&KeyWithLimits| key.route.server == server && key.account.as_ref() == Some(&name);
            AccountReport {
                limits: limit.limits(),
                in_flight: limit.in_flight,
                used_in_window: limit.used(now, &inner.rules),
                keys: keys.iter().filter(is_its).cloned().collect(),
                server,
                name,
            }
        };
        Ok(accounts.into_iter().map(report).collect())
    }

    /// Changes an account's limits; what is not named stays. Every process keeps them from its next claim on; calls
    /// under way end as ever.
    ///
    /// # Errors
    /// When no key was ever registered under that name, or the store fails.
    pub async fn set_limits(
        &self,
        server: &str,
        account: &str,
        change: impl Into<LimitsChange>,
    ) -> Result<AccountReport, Error> {
        let inner = self.inner();
        inner.check_open()?;
        let entered = self.enter(Door::AccountsSetLimits).await?;
        let (server, change) = (ServerId::new(server)?, change.into());
        let target = Target::Account { server: server.clone(), account: account.to_owned() };
        let audit = inner.audit(&entered, &target, &change);
        let act = ChangeAccount { server: server.clone(), account: account.to_owned(), change };
        let unknown = || Error::NotFound { what: "account", name: format!("{account} of {server}") };
        match inner.administer(audit, act).await? {
            Some(_) => {
                inner.wake_waiting();
                let mut accounts = self.reports().await?.into_iter();
                accounts.find(|known| known.server == server && known.name == account).ok_or_else(unknown)
            }
            None => Err(unknown()),
        }
    }
}
