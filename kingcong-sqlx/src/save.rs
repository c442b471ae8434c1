//! Saving: what a batch changed, table by table, in few statements.

use std::collections::BTreeMap;

use kingcong_core::{
    clock::Timestamp,
    id::{Route, TaskId, WalletId},
    keys::Limit,
    lane::Lane,
    ledger::{Entry, Owner},
    operation::Operation,
    pricing::Price,
    store::{
        AuditEntry, Change, Changes, Configuration, InputRow, SplitRow, StoreError, StoreErrorKind, Tables,
    },
    work::{Task, Work},
};

use crate::{
    rows::{
        ConfigurationRow, EntryRow, KeyLimitMirrors, LastKeyRevision, NewTask, ONLY_ROW, PackageRow,
        PriceRow, SplitState,
    },
    session::{Script, Transaction, load},
    table::Deed,
};

/// Takes what changed apart, so that no table is forgotten, and saves table by table in this order. A plain table is
/// its name; others say how they are saved, several at once where they are one table of the database.
macro_rules! save {
    ($script:ident, $changes:expr => { $($($table:ident)&+ $(=> $how:expr)?,)* }) => {
        let Changes { $($($table,)+)* } = $changes;
        $(save!(@one $script, $($table)&+ $(=> $how)?);)*
    };
    (@one $script:ident, $table:ident) => { $script.save(&$table) };
    (@one $script:ident, $($table:ident)&+ => $how:expr) => { $how };
}

/// The statements that write what a batch changed at `now`; `before` is the configuration that it started with.
pub(crate) fn save_changes(
    tables: &mut Tables,
    before: &Configuration,
    now: Timestamp,
) -> Result<Script, StoreError> {
    let mut script = Script::default();
    let owners: BTreeMap<WalletId, Owner> =
        tables.wallets.iter().map(|(id, wallet)| (*id, wallet.key.owner.clone())).collect();
    save!(script, tables.take_changes() => {
        configuration => save_configuration(&mut script, before, configuration, now),
        tenants,
        workers,
        idempotency,
        jobs,
        inputs & tasks => save_tasks(&mut script, &tasks, &inputs)?,
        attempts,
        holds,
        wallets,
        entries => save_entries(&mut script, &entries, &owners),
        splits => save_splits(&mut script, &splits),
        keys,
        key_limits & account_limits & egress_limits => {
            save_limits(&mut script, key_limits, [account_limits, egress_limits]);
        },
        pools,
        flows,
        data_keys,
        voices,
        outputs,
        audits => script.insert(Deed::Insert, &audits.into_iter().map(AuditEntry::from).collect::<Vec<_>>()),
        late_answers => script.insert(Deed::InsertIfAbsent, late_answers.into_iter().map(|(late, _)| late)),
        duties,
    });
    Ok(script)
}

/// Gives the keys that a batch changed their revisions, when all else of it is written: whoever locks the last revision
/// waits for nothing any more, and holds it until the commit.
pub(crate) async fn save_key_revisions(
    transaction: &mut dyn Transaction,
    tables: &mut Tables,
) -> Result<(), StoreError> {
    if !tables.has_changed_keys() {
        return Ok(());
    }
    let last = locked_key_revision(transaction).await?;
    let revisions = tables.take_key_revisions(last);
    let last = revisions.last().map_or(last, |changed| changed.revision);
    let mut script = Script::default();
    script.update(&revisions);
    script.update([&LastKeyRevision(last)]);
    transaction.run(script).await
}

async fn locked_key_revision(transaction: &mut dyn Transaction) -> Result<i64, StoreError> {
    if let Some(LastKeyRevision(last)) = load(transaction, vec![ONLY_ROW.into()]).await?.pop() {
        return Ok(last);
    }
    // Nobody changed a key before; of two that do so now one makes the row that both lock.
    let mut script = Script::default();
    script.insert(Deed::InsertIfAbsent, [&LastKeyRevision(0)]);
    transaction.run(script).await?;
    let made = load(transaction, vec![ONLY_ROW.into()]).await?.pop();
    Ok(made.map_or(0, |LastKeyRevision(last)| last))
}

fn save_tasks(
    script: &mut Script,
    tasks: &[(&Task, Change)],
    inputs: &[(&InputRow, Change)],
) -> Result<(), StoreError> {
    let works: BTreeMap<TaskId, &Work> = inputs.iter().map(|(input, _)| (input.task, &*input.work)).collect();
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

/// Saves the limits of keys, which their keys repeat, with those that are shared.
fn save_limits(script: &mut Script, of_keys: Vec<(&Limit, Change)>, shared: [Vec<(&Limit, Change)>; 2]) {
    let mirrors: Vec<_> = of_keys.iter().map(|(limit, _)| KeyLimitMirrors::from(*limit)).collect();
    let mut limits = of_keys;
    limits.extend(shared.into_iter().flatten());
    script.save(&limits);
    script.update(&mirrors);
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
    changed: Option<(&Configuration, Change)>,
    now: Timestamp,
) {
    let Some((after, change)) = changed else { return };
    let row = ConfigurationRow { version: after.version, system: after.system.clone(), updated_at: now };
    script.save(&[(&row, change)]);

    let (old, new) = (in_force(before), in_force(after));
    for (_, price) in old.iter().filter(|(place, price)| new.get(*place) != Some(price)) {
        let sql = "UPDATE kingcong_pricing SET in_force = 0 \
                   WHERE server = ? AND service_type = ? AND operation = ? AND model = ? AND lane = ? \
                   AND since = ? AND in_force = 1";
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

/// What there is one price for.
type Place<'a> = (&'a Route, Operation, Option<&'a str>, Lane, Timestamp);

/// The prices by what there is one for.
fn in_force(configuration: &Configuration) -> BTreeMap<Place<'_>, &Price> {
    configuration
        .prices
        .iter()
        .map(|price| {
            let model = price.model.as_deref();
            ((&price.route, price.operation, model, price.lane, price.since), price)
        })
        .collect()
}
