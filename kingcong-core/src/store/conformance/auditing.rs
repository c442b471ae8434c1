//! Laws of the audit: each row says who, in which role, where, on what and with what result, and is read by its scope.

use super::fixtures::{Scene, TestClock, audit, user};
use crate::{
    access::{RoleName, Scope},
    clock::Clock,
    id::TenantId,
    store::{AuditEntry, AuditOf, AuditOutcome, Command, NewAudit, Outcome, Store},
};

/// Rows to write: done and refused, of two tenants and of none, in every role.
fn rows(scene: &Scene<'_>) -> Vec<NewAudit> {
    let tenants = [None, Some("acme"), Some("umbra")];
    let roles = RoleName::ALL.iter().copied().cycle().take(9);
    let outcomes = AuditOutcome::ALL.into_iter().cycle();
    roles
        .zip(outcomes)
        .zip(tenants.into_iter().cycle())
        .map(|((role, outcome), tenant)| NewAudit {
            tenant: tenant.map(|name| TenantId::new(name).expect("the name is legal")),
            role,
            outcome,
            target: (outcome == AuditOutcome::Done).then(|| "wallet of Người 'Dùng' in credit".to_owned()),
            ..audit(&scene.ids, "wallets.adjust")
        })
        .collect()
}

/// A row is written by itself, as a refused access is, and every column is read as it was written.
pub(super) async fn every_column_of_the_audit_is_read_as_it_was_written(
    store: &dyn Store,
    clock: &TestClock,
) {
    let scene = Scene::empty(store, clock);
    let worker = scene.worker().await;
    let rows = rows(&scene);
    let commands = rows.iter().cloned().map(|row| Command::Audit(Box::new(row))).collect();
    let outcomes = worker.write(commands).await;
    assert_eq!(outcomes, vec![Outcome::Done; rows.len()]);
    let expected: Vec<AuditEntry> = rows
        .into_iter()
        .rev()
        .map(|NewAudit { id, tenant, actor, role, door, target, outcome, detail }| AuditEntry {
            id,
            tenant,
            actor,
            role,
            door: door.to_owned(),
            target,
            outcome,
            detail,
            at: clock.now(),
        })
        .collect();
    assert_eq!(store.audit(&AuditOf::ALL, None, 100).await.expect("the store can be read"), expected);
}

/// A tenant's rows are told to those who may see that tenant, and the rows of no tenant to those who may see them all.
/// A user is told none. Pages are those of the scope.
pub(super) async fn audit_rows_are_found_by_scope(store: &dyn Store, clock: &TestClock) {
    let scene = Scene::empty(store, clock);
    let worker = scene.worker().await;
    let commands = rows(&scene).into_iter().map(|row| Command::Audit(Box::new(row))).collect();
    worker.write(commands).await;
    let whole = store.audit(&AuditOf::ALL, None, 100).await.expect("the store can be read");
    let [acme, nobody] = ["acme", "nobody"].map(|name| TenantId::new(name).expect("the name is legal"));
    for of in [
        AuditOf::ALL,
        AuditOf::Shared,
        AuditOf::Scope(Scope::Tenant(acme.clone())),
        AuditOf::Scope(Scope::Tenant(nobody)),
        AuditOf::Scope(Scope::User(acme, user("user-1"))),
    ] {
        let expected: Vec<&AuditEntry> = whole.iter().filter(|row| of.covers(row.tenant.as_ref())).collect();
        let (mut found, mut before) = (Vec::new(), None);
        loop {
            let page = store.audit(&of, before, 2).await.expect("the store can be read");
            assert!(page.len() <= 2);
            let Some(last) = page.last() else { break };
            before = Some(last.id);
            found.extend(page);
        }
        assert_eq!(found.iter().collect::<Vec<_>>(), expected, "{of:?}");
    }
}
