//! The decisions of a batch: commands over loaded rows, outcomes out. Pure, and the same for every store.
//!
//! Each command changes everything that it should or nothing: it checks first and changes then.

mod admin;
mod admit;
mod adopt;
mod claim;
mod configure;
mod credit;
mod data_keys;
mod keys;
mod queue;
pub(crate) mod replay;
mod retry;
mod settle;
mod stop;
mod tenants;

use super::{AuditRow, Batch, Command, Duty, DutyRow, NewAudit, Outcome, TakeDuty, tables::Tables};
use crate::{clock::Timestamp, id::JobId, money::Amount};

/// Executes a batch's commands in order over the rows that they need, at the store's time `now`, which is read
/// after the rows were locked.
pub fn decide(tables: &mut Tables, batch: &Batch, now: Timestamp) -> Vec<Outcome> {
    batch.commands.iter().map(|command| decide_one(tables, batch, command, now)).collect()
}

fn decide_one(tables: &mut Tables, batch: &Batch, command: &Command, now: Timestamp) -> Outcome {
    match command {
        Command::Admit(admit) => Outcome::Admit(admit::admit(tables, admit, now)),
        Command::Claim(claim) => Outcome::Claim(claim::claim(tables, claim, batch, now)),
        Command::Poll(poll) => Outcome::Poll(claim::poll(tables, *poll, batch, now)),
        Command::CountLate(late) => {
            claim::count_late(tables, late, batch, now);
            Outcome::Done
        }
        Command::Accept(accept) => Outcome::Accept(settle::accept(tables, accept, batch.worker)),
        Command::Settle(settle) => Outcome::Settle(settle::settle(tables, settle, batch, now).map(Box::new)),
        Command::Stop(stop) => Outcome::Stop(stop::stop(tables, stop, now)),
        Command::Retry(retry) => Outcome::Retry(retry::retry(tables, retry, now)),
        Command::Promote(promote) => Outcome::Moved(queue::promote(tables, *promote, now)),
        Command::Replan(replan) => Outcome::Moved(queue::replan(tables, replan)),
        Command::Adopt(adopt) => Outcome::Adopt(adopt::adopt(tables, *adopt, batch, now)),
        Command::Beat => Outcome::Done,
        Command::TakeDuty(duty) => Outcome::TakeDuty(take_duty(tables, *duty, now)),
        Command::Admin(admin) => Outcome::Admin(admin::admin(tables, admin, now)),
        Command::CheckKey { key, verdict } => Outcome::Key(keys::check(tables, *key, verdict, now)),
        Command::AddDataKey(key) => Outcome::DataKey(data_keys::add(tables, key)),
        Command::RecordLate(late) => {
            if tables.late_answers.get(&late.attempt).is_none() {
                tables.late_answers.insert(late.attempt, late.clone());
            }
            Outcome::Done
        }
        Command::Audit(audit) => {
            write_audit(tables, audit, now);
            Outcome::Done
        }
    }
}

/// Writes an audit row.
fn write_audit(tables: &mut Tables, audit: &NewAudit, now: Timestamp) {
    tables.audits.push(AuditRow { audit: audit.clone(), at: now });
}

fn take_duty(tables: &mut Tables, duty: TakeDuty, now: Timestamp) -> Duty {
    let name = duty.name.to_owned();
    match tables.duties.get(&name) {
        Some(row) if row.next_at > now => Duty::NotBefore(row.next_at),
        Some(_) | None => {
            let next_at = now.plus(duty.every);
            tables.duties.insert(name.clone(), DutyRow { name, next_at });
            Duty::Mine
        }
    }
}

/// Closes the hold of a job that has ended; what that released.
fn close_hold_if_ended(tables: &mut Tables, job: JobId, now: Timestamp) -> Amount {
    let Some(job) = tables.jobs.get(&job).filter(|job| job.state.is_final()) else { return Amount::ZERO };
    let (hold, wallet) = (job.hold, job.wallet);
    let hold = tables.holds.get_mut(&hold).expect("a job's hold is loaded with it");
    let wallet = tables.wallets.get_mut(&wallet).expect("a hold's wallet is loaded with it");
    let closed = wallet.close(hold, now);
    if let Some(entry) = closed.payment {
        tables.entries.insert((entry.wallet, entry.number), entry);
    }
    closed.released
}
