//! Making data keys. None is made in place of one that stored secrets need: what was sealed with the lost one would not
//! open with the new one, and the same secret would get another fingerprint.

use std::collections::BTreeSet;

use crate::{
    keys::{Key, KeyStatus},
    store::{DataKeyLost, Tables},
    vault::{DataKey, DataKeyUse, DataKeyVersion},
};

pub(super) fn add(tables: &mut Tables, new: &DataKey) -> Result<(), DataKeyLost> {
    let used_for = &new.context.used_for;
    let same_use =
        tables.data_keys.iter().map(|(_, key)| &key.context).filter(|key| key.used_for == *used_for);
    let known: BTreeSet<DataKeyVersion> = same_use.map(|key| key.version).collect();
    if known.contains(&new.context.version) {
        return Ok(());
    }
    let needed = tables.keys().iter().filter_map(|(_, key)| version_needed(key, used_for));
    let missing: Vec<DataKeyVersion> = needed.filter(|version| !known.contains(version)).collect();
    if let Some(&version) = missing.iter().min() {
        return Err(DataKeyLost { version, keys: missing.len() });
    }
    tables.data_keys.insert(new.context.id, new.clone());
    Ok(())
}

/// The version of a use's data key that a key needs: to be opened, or to be told from others.
fn version_needed(key: &Key, used_for: &DataKeyUse) -> Option<DataKeyVersion> {
    match used_for {
        DataKeyUse::Tenant(tenant) if key.tenant == *tenant => {
            key.envelope.as_ref().and_then(|envelope| envelope.data_key_version().ok())
        }
        DataKeyUse::Tenant(_) => None,
        DataKeyUse::Fingerprints => (key.status != KeyStatus::Removed).then_some(DataKeyVersion::FIRST),
    }
}
