//! The keys that a process knows, and how far it has heard of their changes.
//!
//! A snapshot is replaced as a whole, and one change of ten thousand keys must not copy all of them. So they lie in
//! many small maps that snapshots share: a change copies the one map that its key is in.

use std::{collections::BTreeMap, sync::Arc};

use crate::{
    id::{KeyId, Route},
    keys::{Key, KeyStatus},
    store::ChangedKeys,
};

/// Into how many maps the keys are spread.
const MAPS: usize = 256;

/// The keys that were not removed, as they were when they changed last.
#[derive(Clone, Debug)]
pub(super) struct KnownKeys {
    /// The store's revision up to which every change is known.
    revision: i64,
    maps: Vec<Arc<BTreeMap<KeyId, Arc<Key>>>>,
    /// How many usable keys each route has, of those that have any.
    usable: BTreeMap<Route, u32>,
}

impl Default for KnownKeys {
    fn default() -> Self {
        Self { revision: 0, maps: vec![Arc::default(); MAPS], usable: BTreeMap::new() }
    }
}

impl KnownKeys {
    /// The store's revision up to which every change is known.
    pub(super) const fn revision(&self) -> i64 {
        self.revision
    }

    pub(super) fn get(&self, id: KeyId) -> Option<&Arc<Key>> {
        self.maps[place(id)].get(&id)
    }

    /// Every key, in no order that says anything.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Arc<Key>> {
        self.maps.iter().flat_map(|map| map.values())
    }

    /// The routes that have usable keys, with how many.
    pub(super) fn usable(&self) -> impl Iterator<Item = (&Route, u32)> {
        self.usable.iter().map(|(route, keys)| (route, *keys))
    }

    /// How many usable keys a route has.
    pub(super) fn usable_on(&self, route: &Route) -> u32 {
        self.usable.get(route).copied().unwrap_or(0)
    }

    /// Takes in what changed since an earlier look. An answer that tells less than is known by now changes nothing.
    pub(super) fn learn(&mut self, changed: &ChangedKeys) {
        if changed.revision <= self.revision {
            return;
        }
        self.revision = changed.revision;
        for key in &changed.keys {
            let map = Arc::make_mut(&mut self.maps[place(key.id)]);
            let before = match key.status {
                KeyStatus::Removed => map.remove(&key.id),
                _ => map.insert(key.id, Arc::new(key.clone())),
            };
            if let Some(before) = before.filter(|before| before.is_usable())
                && let Some(keys) = self.usable.get_mut(&before.route)
            {
                *keys -= 1;
                if *keys == 0 {
                    self.usable.remove(&before.route);
                }
            }
            if key.is_usable() {
                *self.usable.entry(key.route.clone()).or_default() += 1;
            }
        }
    }
}

fn place(id: KeyId) -> usize {
    let mixed = |mixed: u8, byte: &u8| mixed.wrapping_mul(31).wrapping_add(*byte);
    usize::from(id.as_uuid().as_bytes().iter().fold(0, mixed)) % MAPS
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use uuid::Uuid;

    use super::*;
    use crate::{
        clock::Timestamp,
        id::{ServerId, ServiceId, TenantId},
        switch::Switch,
        vault::{Fingerprint, SecretVersion},
    };

    fn key(id: u8, server: u8, switch: Switch, status: KeyStatus) -> Key {
        let server = ServerId::new(format!("s{server}")).unwrap();
        Key {
            id: KeyId::from_uuid(Uuid::from_u128(id.into())),
            route: Route::new(server, ServiceId::new("elevenlabs").unwrap()),
            tenant: TenantId::main(),
            label: String::new(),
            mask: String::new(),
            fingerprint: Fingerprint::from_bytes([id; 32]),
            secret_version: SecretVersion::FIRST,
            envelope: None,
            account: None,
            switch,
            status,
            balance: None,
            checked_at: None,
            last_used: None,
            created_at: Timestamp::EPOCH,
        }
    }

    fn any_key() -> impl Strategy<Value = Key> {
        let switch = prop_oneof![Just(Switch::On), Just(Switch::Off)];
        let status = prop_oneof![
            Just(KeyStatus::Active),
            Just(KeyStatus::Doubtful),
            Just(KeyStatus::Dead { reason: String::new() }),
            Just(KeyStatus::Removed),
        ];
        (0_u8..8, switch, status).prop_map(|(id, switch, status)| key(id, id % 3, switch, status))
    }

    proptest! {
        /// However changes are told, together or one by one, what is known is what the last of each key said.
        #[test]
        fn what_is_known_is_what_was_told_last(
            looks in prop::collection::vec(prop::collection::vec(any_key(), 0..6), 0..12),
        ) {
            let mut known = KnownKeys::default();
            let mut last = BTreeMap::new();
            let mut revision = 0;
            for keys in looks {
                revision += 1;
                last.extend(keys.iter().map(|key| (key.id, key.clone())));
                known.learn(&ChangedKeys { revision, keys });
            }
            last.retain(|_, key| key.status != KeyStatus::Removed);
            let found: BTreeMap<KeyId, Key> = known.iter().map(|key| (key.id, (**key).clone())).collect();
            prop_assert_eq!(&found, &last);
            let mut usable: BTreeMap<&Route, u32> = BTreeMap::new();
            for key in last.values().filter(|key| key.is_usable()) {
                *usable.entry(&key.route).or_default() += 1;
            }
            prop_assert_eq!(known.usable().collect::<BTreeMap<_, _>>(), usable);
            prop_assert_eq!(known.revision(), revision);
        }
    }

    #[test]
    fn an_older_answer_changes_nothing() {
        let mut known = KnownKeys::default();
        known.learn(&ChangedKeys { revision: 2, keys: vec![key(1, 0, Switch::Off, KeyStatus::Active)] });
        known.learn(&ChangedKeys { revision: 1, keys: vec![key(1, 0, Switch::On, KeyStatus::Active)] });
        assert_eq!((known.revision(), known.usable().count()), (2, 0));
    }

    #[test]
    fn a_change_copies_one_map() {
        let mut known = KnownKeys::default();
        let keys = (0..=255).map(|id| key(id, 0, Switch::On, KeyStatus::Active)).collect();
        known.learn(&ChangedKeys { revision: 1, keys });
        let before = known.clone();
        known.learn(&ChangedKeys { revision: 2, keys: vec![key(7, 0, Switch::Off, KeyStatus::Active)] });
        let copied =
            before.maps.iter().zip(&known.maps).filter(|(before, after)| !Arc::ptr_eq(before, after));
        assert_eq!(copied.count(), 1);
    }
}
