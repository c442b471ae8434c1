//! Registering, changing and checking keys. A key serves its route's pool exactly while it is usable.

use crate::{
    clock::Timestamp,
    id::KeyId,
    keys::{KeyStatus, KeyWithLimits, Limit, PoolId, Verdict},
    store::{AddKey, AuditRow, ChangeKey, KeyChange, NotChanged, Tables},
};

pub(super) fn add(tables: &mut Tables, add: &AddKey, now: Timestamp) -> Result<KeyWithLimits, NotChanged> {
    let key = &add.key;
    if !tables.configuration.system.routes.contains_key(&key.route) {
        return Err(NotChanged::UnknownRoute(key.route.clone()));
    }
    let twins = tables.keys.iter().map(|(_, other)| other).filter(|other| {
        other.route.server == key.route.server
            && other.fingerprint == key.fingerprint
            && other.status != KeyStatus::Removed
    });
    for twin in twins {
        if twin.route == key.route {
            return Err(NotChanged::Duplicate(twin.id));
        }
        if twin.account.is_none() || twin.account != key.account {
            return Err(NotChanged::OtherAccount(twin.id));
        }
    }
    if let Some(account) = &add.account_limit {
        match tables.account_limits.get_mut(&account.id) {
            // The account is known: its state stays, its bounds are what was said last.
            Some(known) => {
                (known.max_in_flight, known.per_window) = (account.max_in_flight, account.per_window);
            }
            None => tables.insert_limit(account.clone()),
        }
    }
    let mut limit = add.limit.clone();
    let limits = limit.limits();
    limit.pool = key.is_usable().then(|| PoolId::shared(&key.route));
    tables.insert_limit(limit);
    tables.keys.insert(key.id, key.clone());
    tables.audits.push(AuditRow { audit: add.audit.clone(), at: now });
    Ok(KeyWithLimits { key: key.clone(), limits })
}

pub(super) fn change(
    tables: &mut Tables,
    change: &ChangeKey,
    now: Timestamp,
) -> Result<KeyWithLimits, NotChanged> {
    let key = tables.keys.get_mut(&change.key).ok_or(NotChanged::NotFound)?;
    if key.status == KeyStatus::Removed {
        return Err(NotChanged::Removed);
    }
    match &change.change {
        KeyChange::Switch(switch) => key.switch = *switch,
        KeyChange::Remove => {
            key.status = KeyStatus::Removed;
            key.envelope = None;
        }
        KeyChange::SetLimit { max_in_flight, per_window } => {
            let (max_in_flight, per_window) = (*max_in_flight, *per_window);
            tables.change_limits(Limit::id_of_key(change.key), None, None, |chain| {
                (chain.key.max_in_flight, chain.key.per_window) = (max_in_flight, per_window);
                // The new bounds decide from now on: the next claim finds the key's turn anew.
                chain.key.turn = now;
            });
        }
    }
    tables.audits.push(AuditRow { audit: change.audit.clone(), at: now });
    follow_usability(tables, change.key).ok_or(NotChanged::NotFound)
}

pub(super) fn check(
    tables: &mut Tables,
    key: KeyId,
    verdict: &Verdict,
    now: Timestamp,
) -> Result<KeyWithLimits, NotChanged> {
    tables.keys.get_mut(&key).ok_or(NotChanged::NotFound)?.checked(verdict, now);
    follow_usability(tables, key).ok_or(NotChanged::NotFound)
}

/// Puts the key's limit into its pool, or takes it out.
fn follow_usability(tables: &mut Tables, id: KeyId) -> Option<KeyWithLimits> {
    let key = tables.keys.get(&id)?.clone();
    let pool = key.is_usable().then(|| PoolId::shared(&key.route));
    let limits = tables.change_limits(Limit::id_of_key(id), None, None, |chain| {
        chain.key.pool = pool;
        chain.key.limits()
    })?;
    Some(KeyWithLimits { key, limits })
}
