//! Key doors.

use serde::Serialize;

use super::KingCong;
use crate::{
    access::{Door, Target},
    error::Error,
    id::{InvalidId, KeyId, Route, ServerId, ServiceId, TenantId},
    keys::{Key, KeyStatus, KeyWithLimits, Level, Limit, Limits, LimitsChange, PollNeed},
    label::{InvalidLabel, Label},
    store::{AddKey, ChangeKey, KeyChange, NotChanged},
    switch::Switch,
    vault::{InvalidSecret, Secret, SecretVersion},
};

/// Upstream keys. Their secrets go in and never come out.
#[derive(Clone, Debug)]
pub struct KeyDoors {
    pub(super) kc: KingCong,
}

/// A key to register.
#[derive(Clone, Debug)]
pub struct NewKey {
    server: Result<ServerId, InvalidId>,
    service: Result<ServiceId, InvalidId>,
    secret: Result<Secret, InvalidSecret>,
    label: String,
    limits: Option<Limits>,
    account: Option<(String, Option<Limits>)>,
}

impl NewKey {
    /// Longest label or account name in bytes.
    pub const NAME_BYTES_MAX: usize = 190;

    /// A key that all users share.
    #[must_use]
    pub fn shared(server: impl AsRef<str>, service: impl AsRef<str>, secret: impl AsRef<str>) -> Self {
        Self {
            server: ServerId::new(server),
            service: ServiceId::new(service),
            secret: Secret::parse(secret.as_ref()),
            label: String::new(),
            limits: None,
            account: None,
        }
    }

    /// Display name.
    #[must_use]
    pub fn label(mut self, label: impl Into<String>) -> Self {
        self.label = label.into();
        self
    }

    /// With these limits; the server's defaults when not said.
    #[must_use]
    pub const fn limits(mut self, limits: Limits) -> Self {
        self.limits = Some(limits);
        self
    }

    /// Of this upstream account, which has limits of its own that its keys share. Where the account is known already,
    /// they must be the ones that it has: the door to change them is [`AccountDoors`](super::AccountDoors).
    #[must_use]
    pub fn account(mut self, account: impl Into<String>, limits: Limits) -> Self {
        self.account = Some((account.into(), Some(limits)));
        self
    }

    /// Of this upstream account, which other keys were registered under: it keeps the limits that it has.
    #[must_use]
    pub fn known_account(mut self, account: impl Into<String>) -> Self {
        self.account = Some((account.into(), None));
        self
    }
}

/// What the audit says of a key that was registered: nothing of its secret but the mask.
#[derive(Serialize)]
struct AddDetail<'a> {
    route: &'a Route,
    label: &'a str,
    mask: &'a str,
    limits: Limits,
    account: Option<&'a str>,
    account_limits: Option<Limits>,
}

impl KeyDoors {
    /// Registers a key. Its secret is encrypted before it is written; nothing of it is in any answer or log.
    ///
    /// A key that is suspended or unreadable is the same key again when its secret is registered again, on the same
    /// route and under the same account: it keeps its id, its switch and the voices that were cloned with it.
    ///
    /// # Errors
    /// A secret that cannot be one, a route that is not configured, the same secret on the same route, or on another
    /// service without the same account, an account that has other limits than the named ones, or is new without any, a
    /// label or account name that is too long, a master key or store that fails.
    pub async fn add(&self, new: NewKey) -> Result<KeyWithLimits, Error> {
        let inner = self.inner();
        inner.check_open()?;
        let entered = self.enter(Door::KeysAdd).await?;
        let route = Route::new(new.server?, new.service?);
        let secret = new.secret?;
        check_name("label", &new.label)?;
        let snapshot = inner.refresh().await?;
        let server = snapshot.configuration.system.servers.get(&route.server);
        let server = server.ok_or_else(|| Error::UnknownRoute(route.clone()))?;
        let tenant = TenantId::main();
        let fingerprint = inner.fingerprint(&route.server, &secret).await?;
        let known = snapshot.keys.iter().find(|key| key.route == route && key.fingerprint == fingerprint);
        let id = match known.filter(|key| key.may_be_registered_again()) {
            Some(key) => key.id,
            None => KeyId::from_uuid(inner.ids.uuid()),
        };
        let origin = server.base_url.origin();
        let limits = new.limits.unwrap_or(server.defaults);
        let mut limit = Limit::new(Limit::id_of_key(id), Level::Key, limits.max_in_flight, limits.per_minute);
        if let Some((account, _)) = &new.account {
            if account.is_empty() {
                return Err(Error::NotFound { what: "account", name: String::new() });
            }
            check_name("account", account)?;
            limit.account = Some(Limit::id_of_account(&route.server, account));
        }
        let (account, account_limits) = new.account.unzip();
        let key = Key {
            id,
            tenant: tenant.clone(),
            label: new.label,
            mask: secret.mask(),
            fingerprint,
            secret_version: SecretVersion::FIRST,
            envelope: Some(inner.seal(&tenant, id, &secret).await?),
            account,
            switch: Switch::On,
            status: KeyStatus::Active,
            balance: None,
            checked_at: None,
            last_used: None,
            created_at: inner.store_now(),
            route,
        };
        let account_limits = account_limits.flatten();
        let detail = AddDetail {
            route: &key.route,
            label: &key.label,
            mask: &key.mask,
            limits,
            account: key.account.as_deref(),
            account_limits,
        };
        let audit = inner.audit(&entered, &Target::Key(id), &detail);
        let add = AddKey { key, origin, limit, account_limits };
        let (server, account) = (add.key.route.server.clone(), add.key.account.clone().unwrap_or_default());
        match inner.administer(audit, add).await? {
            Err(NotChanged::OtherAccountLimits { kept }) => {
                Err(Error::OtherAccountLimits { server, account, kept })
            }
            Err(NotChanged::NoAccountLimits) => Err(Error::NoAccountLimits { server, account }),
            added => self.changed(id, added).await,
        }
    }

    /// Every key that was not removed.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn list(&self) -> Result<Vec<KeyWithLimits>, Error> {
        self.enter(Door::KeysList).await?;
        Ok(self.inner().store.keys().await?)
    }

    /// A key.
    ///
    /// # Errors
    /// When there is none of that id, or the store fails.
    pub async fn get(&self, id: KeyId) -> Result<KeyWithLimits, Error> {
        self.enter(Door::KeysGet).await?;
        self.read(id).await
    }

    async fn read(&self, id: KeyId) -> Result<KeyWithLimits, Error> {
        let key = self.inner().store.key(id).await?;
        key.ok_or_else(|| Error::NotFound { what: "key", name: id.to_string() })
    }

    /// Changes a key's limits; what is not named stays.
    ///
    /// # Errors
    /// When there is none of that id, it was removed, or the store fails.
    pub async fn set_limits(
        &self,
        id: KeyId,
        change: impl Into<LimitsChange>,
    ) -> Result<KeyWithLimits, Error> {
        self.change(id, Door::KeysSetLimits, KeyChange::SetLimits(change.into())).await
    }

    /// Switches a key on. One that the library knows to be dead stays out of its pool until a check finds it alive.
    ///
    /// # Errors
    /// When there is none of that id, it was removed, or the store fails.
    pub async fn enable(&self, id: KeyId) -> Result<KeyWithLimits, Error> {
        self.change(id, Door::KeysEnable, KeyChange::Switch(Switch::On)).await
    }

    /// Switches a key off: it gets no new calls; those under way finish.
    ///
    /// # Errors
    /// When there is none of that id, it was removed, or the store fails.
    pub async fn disable(&self, id: KeyId) -> Result<KeyWithLimits, Error> {
        self.change(id, Door::KeysDisable, KeyChange::Switch(Switch::Off)).await
    }

    /// Removes a key for good: its secret is wiped, its history stays.
    ///
    /// # Errors
    /// When there is none of that id, it was removed already, or the store fails.
    pub async fn remove(&self, id: KeyId) -> Result<KeyWithLimits, Error> {
        self.change(id, Door::KeysRemove, KeyChange::Remove).await
    }

    /// Asks the upstream about a key, by a call that costs nothing.
    ///
    /// # Errors
    /// When there is none of that id, it is suspended, no provider speaks its server's protocol, its limit leaves no
    /// call for it now where the upstream counts it, or the master key or the store fails. An upstream that cannot be
    /// asked leaves the key as it was.
    pub async fn check(&self, id: KeyId) -> Result<KeyWithLimits, Error> {
        self.inner().check_open()?;
        self.enter(Door::KeysCheck).await?;
        self.inner().check_key(id, PollNeed::Asked).await
    }

    async fn change(&self, id: KeyId, door: Door, change: KeyChange) -> Result<KeyWithLimits, Error> {
        let inner = self.inner();
        inner.check_open()?;
        let entered = self.enter(door).await?;
        let audit = inner.audit(&entered, &Target::Key(id), &change);
        let changed = inner.administer(audit, ChangeKey { key: id, change }).await?;
        self.changed(id, changed).await
    }

    async fn changed(
        &self,
        id: KeyId,
        changed: Result<KeyWithLimits, NotChanged>,
    ) -> Result<KeyWithLimits, Error> {
        match changed {
            Ok(key) => {
                self.inner().refresh().await?;
                Ok(key)
            }
            Err(NotChanged::NotFound) => Err(Error::NotFound { what: "key", name: id.to_string() }),
            Err(NotChanged::Duplicate(key)) => {
                let route = self.read(key).await?.key.route;
                Err(Error::DuplicateKey { route, key })
            }
            Err(NotChanged::OtherAccount(key)) => {
                let route = self.read(key).await?.key.route;
                Err(Error::OtherAccount { route, key })
            }
            Err(NotChanged::Removed) => Err(Error::KeyRemoved(id)),
            Err(NotChanged::UnknownRoute(route)) => Err(Error::UnknownRoute(route)),
            Err(NotChanged::Moved) => Err(Error::Contended),
            Err(refused @ (NotChanged::OtherAccountLimits { .. } | NotChanged::NoAccountLimits)) => {
                unreachable!("limits of an account are named where a key is registered: {refused:?}")
            }
        }
    }
}

/// A label or an account's name; it may be left empty.
fn check_name(argument: &'static str, name: &str) -> Result<(), Error> {
    if name.is_empty() {
        return Ok(());
    }
    let bounds = "at most 190 bytes without control characters or surrounding spaces";
    match Label::<{ NewKey::NAME_BYTES_MAX }>::new(argument, name) {
        Ok(_) => Ok(()),
        Err(InvalidLabel { what, value, .. }) => Err(Error::Argument { argument: what, value, bounds }),
    }
}
