//! Saving: what a batch changed, table by table, in few statements.

use std::{collections::BTreeMap, sync::Arc};

use kingcong_core::{
    clock::Timestamp,
    id::{Route, TaskId, WalletId},
    keys::Level,
    ledger::{Entry, Owner},
    pricing::{Operation, Price},
    provider::Work,
    store::{AuditEntry, Change, Changes, Configuration, SplitRow, StoreError, StoreErrorKind, Tables},
    work::Task,
};

use crate::{
    rows::{ConfigurationRow, DutyRow, EntryRow, KeyLimitMirrors, NewTask, PackageRow, PriceRow, SplitState},
    session::Script,
    table::Deed,
};

/// The statements that write what a batch changed at `now`; `before` is the configuration that it started with.
pub(crate) fn save_changes(
    tables: &mut Tables,
    before: &Configuration,
    now: Timestamp,
) -> Result<Script, StoreError> {
    let mut script = Script::default();
    let owners: BTreeMap<WalletId, Owner> =
        tables.wallets.iter().map(|(id, wallet)| (*id, wallet.key.owner.clone())).collect();
    let Changes {
        configuration,
        tenants,
        workers,
        idempotency,
        jobs,
        inputs,
        tasks,
        attempts,
        holds,
        wallets,
        entries,
        splits,
        keys,
        limits,
        pools,
        flows,
        data_keys,
        voices,
        outputs,
        audits,
        late_answers,
        duties,
    } = tables.take_changes();
    if let Some((after, change)) = configuration {
        save_configuration(&mut script, before, after, change, now);
    }
    script.save(&tenants);
    script.save(&workers);
    script.save(&idempotency);
    script.save(&jobs);
    save_tasks(&mut script, &tasks, &inputs)?;
    script.save(&attempts);
    script.save(&holds);
    script.save(&wallets);
    save_entries(&mut script, &entries, &owners);
    save_splits(&mut script, &splits);
    script.save(&keys);
    script.save(&limits);
    let key_limits = limits.iter().map(|(limit, _)| *limit).filter(|limit| limit.level == Level::Key);
    script.update(&key_limits.map(KeyLimitMirrors::from).collect::<Vec<_>>());
    script.save(&pools);
    script.save(&flows);
    script.save(&data_keys);
    script.save(&voices);
    script.save(&outputs);
    let audits: Vec<AuditEntry> = audits.into_iter().map(AuditEntry::from).collect();
    script.insert(Deed::Insert, &audits);
    script.insert(Deed::InsertIfAbsent, late_answers.into_iter().map(|(late, _)| late));
    let duties: Vec<DutyRow> = duties.into_iter().map(|(next_at, name)| DutyRow { name, next_at }).collect();
    script.insert(Deed::Put, &duties);
    Ok(script)
}

fn save_tasks(
    script: &mut Script,
    tasks: &[(&Task, Change)],
    inputs: &[(TaskId, &Arc<Work>)],
) -> Result<(), StoreError> {
    let works: BTreeMap<TaskId, &Work> = inputs.iter().map(|(id, work)| (*id, &***work)).collect();
    let mut new = Vec::new();
    for &(task, change) in tasks {
        if change == Change::New {
            let work = works.get(&task.id).ok_or_else(|| {
                let message = format!("task {} was made without anything to do", task.id);
                StoreError::new(StoreErrorKind::Command, message)
            })?;
            new.push(NewTask { task, work });
        }
    }
    script.write(&NewTask::TABLE, Deed::Insert, &new, |new, cells| new.put(cells));
    script.update(tasks.iter().filter(|(_, change)| *change == Change::Updated).map(|(task, _)| *task));
    Ok(())
}

fn save_entries(script: &mut Script, entries: &[(&Entry, Change)], owners: &BTreeMap<WalletId, Owner>) {
    let entries: Vec<EntryRow> = entries
        .iter()
        .map(|&(entry, _)| {
            let user = match owners.get(&entry.wallet) {
                Some(Owner::User(user)) => Some(user.clone()),
                Some(Owner::Tenant) | None => None,
            };
            EntryRow { entry: entry.clone(), user }
        })
        .collect();
    script.insert(Deed::Insert, &entries);
}

fn save_splits(script: &mut Script, splits: &[(&SplitRow, Change)]) {
    let states: Vec<(SplitState, Change)> = splits
        .iter()
        .map(|(row, change)| {
            let (service, carry) = (row.service.clone(), row.split.carry().to_vec());
            (SplitState { id: row.id, service, carry }, *change)
        })
        .collect();
    script.save(&states.iter().map(|(state, change)| (state, *change)).collect::<Vec<_>>());
}

fn save_configuration(
    script: &mut Script,
    before: &Configuration,
    after: &Configuration,
    change: Change,
    now: Timestamp,
) {
    let row = ConfigurationRow { version: after.version, system: after.system.clone(), updated_at: now };
    script.save(&[(&row, change)]);

    let (old, new) = (in_force(before), in_force(after));
    for (_, price) in old.iter().filter(|(place, price)| new.get(*place) != Some(price)) {
        let sql = "UPDATE kingcong_pricing SET in_force = 0 \
                   WHERE server = ? AND service_type = ? AND operation = ? AND model = ? AND in_force = 1";
        script.add(sql, PriceRow::place(price));
    }
    let set = new.iter().filter(|(place, price)| old.get(*place) != Some(price));
    let set: Vec<PriceRow> = set.map(|(_, price)| PriceRow((*price).clone())).collect();
    script.insert(Deed::Insert, &set);

    for package in before.packages.iter() {
        if !after.packages.iter().any(|kept| kept.id == package.id) {
            script.add("DELETE FROM kingcong_packages WHERE id = ?", vec![package.id.as_str().into()]);
        }
    }
    let set = after.packages.iter().filter(|package| !before.packages.iter().any(|known| known == *package));
    let set: Vec<PackageRow> = set.cloned().map(PackageRow).collect();
    script.insert(Deed::Put, &set);
}

/// The prices by what there is one price for.
fn in_force(configuration: &Configuration) -> BTreeMap<(&Route, Operation, Option<&str>), &Price> {
    configuration
        .prices
        .iter()
        .map(|price| ((&price.route, price.operation, price.model.as_deref()), price))
        .collect()
}
