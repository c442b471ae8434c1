//! Upstream keys, and the accounts that several of them share.

use std::{fmt, num::NonZeroU32};

use kingcong_core::{
    Error, NewKey,
    engine::AccountReport,
    id::KeyId,
    keys::{KeyStatus, KeyWithLimits, Limits, LimitsChange},
    switch::Switch,
    upstream::UpstreamCredits,
};
use serde::{Deserialize, Serialize};

use crate::{
    answer::{AsText, DecimalText, Instant, Word, all},
    door::{At, Door, Group, Listed},
    problem::Problem,
};

pub(crate) const GROUP: Group = Group {
    name: "Keys",
    docs: "Upstream keys. Their secrets go in and never come out.",
    doors: &[
        Listed::of::<Add>(),
        Listed::of::<List>(),
        Listed::of::<Get>(),
        Listed::of::<SetLimits>(),
        Listed::of::<Enable>(),
        Listed::of::<Disable>(),
        Listed::of::<Remove>(),
        Listed::of::<Check>(),
    ],
};

pub(crate) const ACCOUNTS: Group = Group {
    name: "Accounts",
    docs: "Upstream accounts that several keys share. One is known once a key is registered under its name.",
    doors: &[Listed::of::<Accounts>(), Listed::of::<SetAccountLimits>()],
};

/// How many calls are allowed: at once, and started within any 60 seconds. Both at least 1.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "description", derive(schemars::JsonSchema))]
pub(crate) struct LimitsView {
    max_in_flight: NonZeroU32,
    per_minute: NonZeroU32,
}

impl From<Limits> for LimitsView {
    fn from(Limits { max_in_flight, per_minute }: Limits) -> Self {
        Self { max_in_flight, per_minute }
    }
}

/// What the library knows of a key; apart from the administrator's switch.
///
/// A key is `unreadable` when its stored secret does not open, and `suspended` when its server moved to another scheme,
/// host or port: both are mended by `keys.add` with the same secret.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "description", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
enum KeyStatusView {
    Active,
    Doubtful,
    Dead,
    OutOfCredit,
    Unreadable,
    Suspended,
    Removed,
}

/// An upstream key; of its secret only the mask.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "description", derive(schemars::JsonSchema))]
struct KeyView {
    id: String,
    server: String,
    service: String,
    tenant: String,
    label: String,
    mask: String,
    account: Option<String>,
    /// Its own, beside those of its account.
    limits: LimitsView,
    switch: Word<Switch>,
    status: KeyStatusView,
    is_usable: bool,
    reason: Option<String>,
    /// In the upstream's own credits.
    balance: Option<DecimalText<UpstreamCredits>>,
    checked_at: Option<Instant>,
    last_used: Option<Instant>,
    created_at: Instant,
}

impl From<&KeyWithLimits> for KeyView {
    fn from(key: &KeyWithLimits) -> Self {
        let (status, reason) = match &key.status {
            KeyStatus::Active => (KeyStatusView::Active, None),
            KeyStatus::Doubtful => (KeyStatusView::Doubtful, None),
            KeyStatus::Dead { reason } => (KeyStatusView::Dead, Some(reason.clone())),
            KeyStatus::OutOfCredit { needed } => {
                (KeyStatusView::OutOfCredit, Some(format!("{needed} upstream credits were needed")))
            }
            KeyStatus::Unreadable { reason } => (KeyStatusView::Unreadable, Some(reason.clone())),
            KeyStatus::Suspended { registered_for } => {
                let reason = format!(
                    "registered for {registered_for}, where its server is not any more: register it again"
                );
                (KeyStatusView::Suspended, Some(reason))
            }
            KeyStatus::Removed => (KeyStatusView::Removed, None),
        };
        Self {
            id: key.id.to_string(),
            server: key.route.server.to_string(),
            service: key.route.service.to_string(),
            tenant: key.tenant.to_string(),
            label: key.label.clone(),
            mask: key.mask.clone(),
            account: key.account.clone(),
            limits: key.limits.into(),
            switch: Word(key.switch),
            status,
            is_usable: key.is_usable(),
            reason,
            balance: key.balance.map(DecimalText),
            checked_at: key.checked_at.map(Instant),
            last_used: key.last_used.map(Instant),
            created_at: Instant(key.created_at),
        }
    }
}

/// An upstream account that keys share, with what they may do together.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "description", derive(schemars::JsonSchema))]
struct AccountView {
    server: String,
    account: String,
    limits: LimitsView,
    /// Calls in flight now.
    in_flight: u32,
    /// Calls of the last window: starts, and polls where the upstream counts them.
    used_in_window: u32,
    /// The keys that were registered under it and not removed.
    keys: Vec<KeyView>,
}

impl From<&AccountReport> for AccountView {
    fn from(account: &AccountReport) -> Self {
        Self {
            server: account.server.to_string(),
            account: account.name.clone(),
            limits: account.limits.into(),
            in_flight: account.in_flight,
            used_in_window: account.used_in_window,
            keys: all(&account.keys),
        }
    }
}

/// A secret that no `Debug` shows.
#[derive(Deserialize)]
#[cfg_attr(feature = "description", derive(schemars::JsonSchema), schemars(inline, extend("format" = "secret")))]
#[serde(transparent)]
struct AskedSecret(String);

impl fmt::Debug for AskedSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AskedSecret(…)")
    }
}

/// Registers a key that all users share; `limits` are the server's defaults when left out.
///
/// `account` names the upstream account that the key belongs to, whose own limits its keys share: `account_limits` are
/// needed with the account's first key, and may be left out with others. Fails with `key_refused` for the same secret
/// again, with the id of the key that has it in the field `key`, and for an account that has other limits, with these
/// in `max_in_flight` and `per_minute`; `accounts.set_limits` changes them. A key that is suspended or unreadable is
/// the same key again when its secret is registered again.
///
/// ```python
/// >>> from kingcong import KingCong
/// >>> with KingCong.open("memory:", preset="kingcong") as kc:
/// ...     kc.keys.add("ai33", "elevenlabs", "sk-a-secret-of-the-upstream").mask
/// 'sk-a…ream'
/// ```
///
/// ```ts
/// import { KingCong } from 'kingcong';
///
/// await using kc = await KingCong.open('memory:', { preset: 'kingcong' });
/// const key = await kc.keys.add('ai33', 'elevenlabs', 'sk-a-secret-of-the-upstream');
/// console.log(key.mask); // sk-a…ream
/// ```
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "description", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
struct Add {
    server: String,
    service: String,
    secret: AskedSecret,
    #[serde(default)]
    label: String,
    #[cfg_attr(feature = "description", schemars(with = "Option<LimitsView>"))]
    limits: Option<Limits>,
    account: Option<String>,
    #[cfg_attr(feature = "description", schemars(with = "Option<LimitsView>"))]
    account_limits: Option<Limits>,
}

impl Add {
    fn key(self) -> Result<NewKey, Problem> {
        let Self { server, service, secret, label, limits, account, account_limits } = self;
        let mut new = NewKey::shared(server, service, secret.0).label(label);
        if let Some(limits) = limits {
            new = new.limits(limits);
        }
        match (account, account_limits) {
            (None, None) => Ok(new),
            (Some(account), Some(limits)) => Ok(new.account(account, limits)),
            (Some(account), None) => Ok(new.known_account(account)),
            (None, Some(limits)) => {
                let (argument, value) = ("account", format!("none, with account_limits of {limits},"));
                let bounds = "the name of the account that has these limits";
                Err(Error::Argument { argument, value, bounds }.into())
            }
        }
    }
}

impl Door for Add {
    const NAME: &'static str = "keys.add";
    const BY_PLACE: usize = 3;
    type Answer = KeyView;

    async fn knock(self, at: &mut At<'_>) -> Result<KeyView, Problem> {
        Ok(KeyView::from(&at.kc.keys().add(self.key()?).await?))
    }
}

/// Every key that was not removed.
///
/// ```python
/// >>> from kingcong import KingCong
/// >>> with KingCong.open("memory:", preset="kingcong") as kc:
/// ...     _ = kc.keys.add("ai33", "elevenlabs", "sk-a-secret-of-the-upstream")
/// ...     [(key.server, key.status.value) for key in kc.keys.list()]
/// [('ai33', 'active')]
/// ```
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "description", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
struct List {}

impl Door for List {
    const NAME: &'static str = "keys.list";
    type Answer = Vec<KeyView>;

    async fn knock(self, at: &mut At<'_>) -> Result<Self::Answer, Problem> {
        Ok(all(&at.kc.keys().list().await?))
    }
}

/// A key by its id.
///
/// ```python
/// >>> from kingcong import KingCong
/// >>> with KingCong.open("memory:", preset="kingcong") as kc:
/// ...     key = kc.keys.add("ai33", "elevenlabs", "sk-a-secret-of-the-upstream")
/// ...     kc.keys.get(key.id) == key
/// True
/// ```
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "description", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
struct Get {
    key: AsText<KeyId>,
}

impl Door for Get {
    const NAME: &'static str = "keys.get";
    const BY_PLACE: usize = 1;
    type Answer = KeyView;

    async fn knock(self, at: &mut At<'_>) -> Result<KeyView, Problem> {
        Ok(KeyView::from(&at.kc.keys().get(self.key.0).await?))
    }
}

/// Changes a key's limits; what is not named stays.
///
/// ```python
/// >>> from kingcong import KingCong, Role
/// >>> with KingCong.open("memory:", preset="kingcong") as kc:
/// ...     key = kc.keys.add("ai33", "elevenlabs", "sk-a-secret-of-the-upstream")
/// ...     kc.acting("admin-7", Role.OPERATOR).keys.set_limits(key.id, per_minute=3).limits
/// Limits(max_in_flight=30, per_minute=3)
/// ```
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "description", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
struct SetLimits {
    key: AsText<KeyId>,
    max_in_flight: Option<NonZeroU32>,
    per_minute: Option<NonZeroU32>,
}

impl Door for SetLimits {
    const NAME: &'static str = "keys.set_limits";
    const BY_PLACE: usize = 1;
    type Answer = KeyView;

    async fn knock(self, at: &mut At<'_>) -> Result<KeyView, Problem> {
        let Self { key, max_in_flight, per_minute } = self;
        let change = LimitsChange { max_in_flight, per_minute };
        Ok(KeyView::from(&at.kc.keys().set_limits(key.0, change).await?))
    }
}

/// Switches a key on. One known to be dead stays out of its pool until a check finds it alive.
///
/// ```python
/// >>> from kingcong import KingCong
/// >>> with KingCong.open("memory:", preset="kingcong") as kc:
/// ...     key = kc.keys.add("ai33", "elevenlabs", "sk-a-secret-of-the-upstream")
/// ...     _ = kc.keys.disable(key.id)
/// ...     kc.keys.enable(key.id).is_usable
/// True
/// ```
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "description", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
struct Enable {
    key: AsText<KeyId>,
}

impl Door for Enable {
    const NAME: &'static str = "keys.enable";
    const BY_PLACE: usize = 1;
    type Answer = KeyView;

    async fn knock(self, at: &mut At<'_>) -> Result<KeyView, Problem> {
        Ok(KeyView::from(&at.kc.keys().enable(self.key.0).await?))
    }
}

/// Switches a key off: it gets no new calls; those under way finish.
///
/// ```python
/// >>> from kingcong import KingCong
/// >>> with KingCong.open("memory:", preset="kingcong") as kc:
/// ...     key = kc.keys.add("ai33", "elevenlabs", "sk-a-secret-of-the-upstream")
/// ...     kc.keys.disable(key.id).is_usable
/// False
/// ```
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "description", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
struct Disable {
    key: AsText<KeyId>,
}

impl Door for Disable {
    const NAME: &'static str = "keys.disable";
    const BY_PLACE: usize = 1;
    type Answer = KeyView;

    async fn knock(self, at: &mut At<'_>) -> Result<KeyView, Problem> {
        Ok(KeyView::from(&at.kc.keys().disable(self.key.0).await?))
    }
}

/// Removes a key for good: its secret is wiped, its history stays.
///
/// ```python
/// >>> from kingcong import KingCong, Role
/// >>> with KingCong.open("memory:", preset="kingcong") as kc:
/// ...     key = kc.keys.add("ai33", "elevenlabs", "sk-a-secret-of-the-upstream")
/// ...     _ = kc.acting("admin-7", Role.OPERATOR).keys.remove(key.id)
/// ...     kc.keys.list()
/// ()
/// ```
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "description", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
struct Remove {
    key: AsText<KeyId>,
}

impl Door for Remove {
    const NAME: &'static str = "keys.remove";
    const BY_PLACE: usize = 1;
    type Answer = KeyView;

    async fn knock(self, at: &mut At<'_>) -> Result<KeyView, Problem> {
        Ok(KeyView::from(&at.kc.keys().remove(self.key.0).await?))
    }
}

/// Asks the upstream about a key, by a call that costs nothing.
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "description", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
struct Check {
    key: AsText<KeyId>,
}

impl Door for Check {
    const NAME: &'static str = "keys.check";
    const BY_PLACE: usize = 1;
    type Answer = KeyView;

    async fn knock(self, at: &mut At<'_>) -> Result<KeyView, Problem> {
        Ok(KeyView::from(&at.kc.keys().check(self.key.0).await?))
    }
}

/// Every account that a key was registered under, by server and name, with its limits, what of them is used and its
/// keys. One whose keys were all removed keeps its limits for the next.
///
/// ```python
/// >>> from kingcong import KingCong, Limits
/// >>> with KingCong.open("memory:", preset="kingcong") as kc:
/// ...     secret, limits = "sk-a-secret-of-the-upstream", Limits(30, 10)
/// ...     _ = kc.keys.add("ai33", "elevenlabs", secret, account="us", account_limits=limits)
/// ...     [(account.account, account.limits.per_minute, len(account.keys)) for account in kc.accounts.list()]
/// [('us', 10, 1)]
/// ```
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "description", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
struct Accounts {}

impl Door for Accounts {
    const NAME: &'static str = "accounts.list";
    type Answer = Vec<AccountView>;

    async fn knock(self, at: &mut At<'_>) -> Result<Self::Answer, Problem> {
        Ok(all(&at.kc.accounts().list().await?))
    }
}

/// Changes an account's limits; what is not named stays. Every process keeps them from its next start of a call on, and
/// calls under way end as ever.
///
/// ```python
/// >>> from kingcong import KingCong, Limits, Role
/// >>> with KingCong.open("memory:", preset="kingcong") as kc:
/// ...     secret, limits = "sk-a-secret-of-the-upstream", Limits(30, 10)
/// ...     _ = kc.keys.add("ai33", "elevenlabs", secret, account="us", account_limits=limits)
/// ...     kc.acting("admin-7", Role.OPERATOR).accounts.set_limits("ai33", "us", per_minute=5).limits
/// Limits(max_in_flight=30, per_minute=5)
/// ```
///
/// ```ts
/// import { KingCong } from 'kingcong';
///
/// await using kc = await KingCong.open('memory:', { preset: 'kingcong' });
/// const of = { account: 'us', accountLimits: { maxInFlight: 30, perMinute: 10 } };
/// await kc.keys.add('ai33', 'elevenlabs', 'sk-a-secret-of-the-upstream', of);
/// const admin = kc.acting({ actor: 'admin-7', role: 'operator' });
/// const { limits } = await admin.accounts.setLimits('ai33', 'us', { perMinute: 5 });
/// console.log(limits.maxInFlight, limits.perMinute); // 30 5
/// ```
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "description", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
struct SetAccountLimits {
    server: String,
    account: String,
    max_in_flight: Option<NonZeroU32>,
    per_minute: Option<NonZeroU32>,
}

impl Door for SetAccountLimits {
    const NAME: &'static str = "accounts.set_limits";
    const BY_PLACE: usize = 2;
    type Answer = AccountView;

    async fn knock(self, at: &mut At<'_>) -> Result<AccountView, Problem> {
        let Self { server, account, max_in_flight, per_minute } = self;
        let change = LimitsChange { max_in_flight, per_minute };
        Ok(AccountView::from(&at.kc.accounts().set_limits(&server, &account, change).await?))
    }
}
