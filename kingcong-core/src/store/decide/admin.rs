//! What administrators do: each act that was done leaves its audit row.

use super::{configure, credit, keys, replay::replay, tenants, write_audit};
use crate::{
    clock::Timestamp,
    store::{Admin, AdminAct, AdminAnswer, NotCredited, Tables},
};

pub(super) fn admin(tables: &mut Tables, Admin { audit, act }: &Admin, now: Timestamp) -> AdminAnswer {
    if let Some(answer) = replayed(tables, act) {
        return answer;
    }
    let answer = match act {
        AdminAct::Credit(act) => AdminAnswer::Credit(credit::credit(tables, act, now)),
        AdminAct::Configure(act) => AdminAnswer::Configure(configure::configure(tables, act, now)),
        AdminAct::SetTenant(act) => AdminAnswer::SetTenant(tenants::set(tables, act, now)),
        AdminAct::AddKey(act) => AdminAnswer::AddKey(keys::add(tables, act, now)),
        AdminAct::ChangeKey(act) => AdminAnswer::ChangeKey(keys::change(tables, act, now)),
        AdminAct::ChangeAccount(act) => AdminAnswer::ChangeAccount(keys::change_account(tables, act, now)),
    };
    if is_done(&answer) {
        write_audit(tables, audit, now);
    }
    answer
}

/// The answer of an act that was done before, under the same idempotency key.
fn replayed(tables: &Tables, act: &AdminAct) -> Option<AdminAnswer> {
    match act {
        AdminAct::Credit(act) => {
            let answer = replay(tables, act.idempotency.as_ref()).map_err(NotCredited::from);
            answer.transpose().map(AdminAnswer::Credit)
        }
        AdminAct::Configure(_)
        | AdminAct::SetTenant(_)
        | AdminAct::AddKey(_)
        | AdminAct::ChangeKey(_)
        | AdminAct::ChangeAccount(_) => None,
    }
}

/// Whether the act was done, and not refused.
const fn is_done(answer: &AdminAnswer) -> bool {
    match answer {
        AdminAnswer::Credit(answer) => answer.is_ok(),
        AdminAnswer::Configure(answer) => answer.is_ok(),
        AdminAnswer::SetTenant(_) => true,
        AdminAnswer::AddKey(answer) | AdminAnswer::ChangeKey(answer) => answer.is_ok(),
        AdminAnswer::ChangeAccount(answer) => answer.is_some(),
    }
}
