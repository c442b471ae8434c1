//! Registering, changing and checking keys. A key serves its route's pool exactly while it is usable.

use crate::{
    clock::Timestamp,
    id::{KeyId, LimitId},
    keys::{Key, KeyStatus, KeyWithLimits, Level, Limit, Limits, LimitsChange, PoolId, Verdict},
    store::{AddKey, ChangeAccount, ChangeKey, KeyChange, NotChanged, Tables},
};

pub(super) fn add(tables: &mut Tables, add: &AddKey, now: Timestamp) -> Result<KeyWithLimits, NotChanged> {
    let key = &add.key;
    if !tables.configuration.system.routes.contains_key(&key.route) {
        return Err(NotChanged::UnknownRoute(key.route.clone()));
    }
    let server = tables.configuration.system.servers.get(&key.route.server);
    if server.is_none_or(|server| server.base_url.origin() != add.origin) {
        return Err(NotChanged::Moved);
    }
    let mut again = None;
    let twins = tables.keys().iter().map(|(_, other)| other).filter(|other| {
        other.tenant == key.tenant
            && other.route.server == key.route.server
            && other.fingerprint == key.fingerprint
            && other.status != KeyStatus::Removed
    });
    for twin in twins {
        if twin.route == key.route {
            if twin.id != key.id || !twin.may_be_registered_again() {
                return Err(NotChanged::Duplicate(twin.id));
            }
            if twin.account != key.account {
                return Err(NotChanged::OtherAccount(twin.id));
            }
            again = Some(twin.clone());
        } else if twin.account.is_none() || twin.account != key.account {
            return Err(NotChanged::OtherAccount(twin.id));
        }
    }
    if let Some(account) = add.limit.account {
        match (tables.account_limits.get(&account).map(Limit::limits), add.account_limits) {
            (Some(kept), Some(named)) if kept != named => {
                return Err(NotChanged::OtherAccountLimits { kept });
            }
            (Some(_), _) => {}
            (None, Some(Limits { max_in_flight, per_minute })) => {
                tables.insert_limit(Limit::new(account, Level::Account, max_in_flight, per_minute));
            }
            (None, None) => return Err(NotChanged::NoAccountLimits),
        }
    }
    if let Some(before) = again {
        return register_again(tables, add, before, now).ok_or(NotChanged::NotFound);
    }
    let mut limit = add.limit.clone();
    let limits = limit.limits();
    limit.pool = key.is_usable().then(|| PoolId::shared(&key.route));
    tables.insert_limit(limit);
    tables.insert_key(key.clone());
    Ok(KeyWithLimits { key: key.clone(), limits })
}

/// Puts a secret that was given again in place of the stored one. What the key did stays: its calls under way, its
/// window, its voices, and the administrator's switch.
fn register_again(tables: &mut Tables, add: &AddKey, before: Key, now: Timestamp) -> Option<KeyWithLimits> {
    let Key { switch, last_used, created_at, .. } = before;
    let key = Key { switch, last_used, created_at, ..add.key.clone() };
    let id = key.id;
    set_limits(tables, Limit::id_of_key(id), add.limit.limits().into(), now);
    tables.change_key(id, |row| *row = key)?;
    follow_usability(tables, id)
}

/// The new bounds decide from now on: the next claim finds the key's turn anew.
fn set_limits(tables: &mut Tables, key: LimitId, change: LimitsChange, now: Timestamp) {
    tables.change_limits(key, None, None, |chain| {
        chain.key.set_limits(chain.key.limits().changed(change));
        chain.key.turn = now;
    });
}

/// Sets an account's limits. Keys that wait for the account are looked at again by the next claim.
pub(super) fn change_account(tables: &mut Tables, change: &ChangeAccount, now: Timestamp) -> Option<Limits> {
    let id = Limit::id_of_account(&change.server, &change.account);
    let account = tables.account_limits.get_mut(&id)?;
    let limits = account.limits().changed(change.change);
    account.set_limits(limits);
    let of_account = tables.key_limits().iter().filter(|(_, limit)| limit.account == Some(id));
    let keys: Vec<LimitId> = of_account.map(|(key, _)| *key).collect();
    for key in keys {
        tables.change_limits(key, None, None, |chain| chain.key.turn = now);
    }
    Some(limits)
}

pub(super) fn change(
    tables: &mut Tables,
    change: &ChangeKey,
    now: Timestamp,
) -> Result<KeyWithLimits, NotChanged> {
    let id = change.key;
    if tables.keys().get(&id).ok_or(NotChanged::NotFound)?.status == KeyStatus::Removed {
        return Err(NotChanged::Removed);
    }
    match &change.change {
        KeyChange::Switch(switch) => {
            tables.change_key(id, |key| key.switch = *switch);
        }
        KeyChange::Remove => {
            tables.change_key(id, |key| (key.status, key.envelope) = (KeyStatus::Removed, None));
        }
        KeyChange::SetLimits(limits) => {
            set_limits(tables, Limit::id_of_key(id), *limits, now);
            tables.note_changed_key(id);
        }
    }
    follow_usability(tables, id).ok_or(NotChanged::NotFound)
}

pub(super) fn check(
    tables: &mut Tables,
    key: KeyId,
    verdict: &Verdict,
    now: Timestamp,
) -> Result<KeyWithLimits, NotChanged> {
    tables.change_key(key, |key| key.checked(verdict, now)).ok_or(NotChanged::NotFound)?;
    follow_usability(tables, key).ok_or(NotChanged::NotFound)
}

/// Writes down what became known of a key that was not removed, and takes it out of its pool unless that is good.
pub(super) fn set_status(tables: &mut Tables, id: KeyId, status: KeyStatus) {
    if tables.change_key(id, |key| key.status = status).is_some() {
        follow_usability(tables, id);
    }
}

/// Puts the key's limit into its pool, or takes it out.
fn follow_usability(tables: &mut Tables, id: KeyId) -> Option<KeyWithLimits> {
    let key = tables.keys().get(&id)?.clone();
    let pool = key.is_usable().then(|| PoolId::shared(&key.route));
    let limits = tables.change_limits(Limit::id_of_key(id), None, None, |chain| {
        chain.key.pool = pool;
        chain.key.limits()
    })?;
    Some(KeyWithLimits { key, limits })
}
