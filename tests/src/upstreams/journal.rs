//! The record of the latest submits, and from it which texts and which of the clients' identifiers came before. Both
//! are forgotten together with the submit, so the memory is bounded.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};

use super::report::{Counters, Outcome, SUBMITS_KEPT_MAX, Submit};

#[derive(Debug, Default)]
pub(super) struct Journal {
    submits: VecDeque<Submit>,
    texts: BTreeMap<u64, Times>,
    client_ids: BTreeMap<Arc<str>, ClientId>,
}

/// How often something came.
#[derive(Debug, Default)]
struct Times {
    submitted: u64,
    accepted: u64,
}

#[derive(Debug, Default)]
struct ClientId {
    times: Times,
    /// The latest task that was made for it.
    task: Option<u64>,
}

impl Journal {
    /// Submits, oldest first.
    pub(super) fn submits(&self) -> impl Iterator<Item = &Submit> {
        self.submits.iter()
    }

    /// How often tasks of each text were made, by its digest.
    pub(super) fn accepted(&self) -> impl Iterator<Item = (u64, u64)> {
        self.texts.iter().map(|(text, times)| (*text, times.accepted))
    }

    /// How many submits of a text there have been.
    pub(super) fn times_submitted(&self, digest: u64) -> u64 {
        self.texts.get(&digest).map_or(0, |times| times.submitted)
    }

    /// The task that was made for a client's identifier.
    pub(super) fn task_for(&self, client_id: &str) -> Option<u64> {
        self.client_ids.get(client_id)?.task
    }

    /// Enters a submit, with the task that it made.
    pub(super) fn enter(&mut self, submit: Submit, task: Option<u64>, counters: &mut Counters) {
        let accepted = u64::from(made_a_task(&submit));
        let text = self.texts.entry(submit.digest).or_default();
        counters.repeated_texts += u64::from(accepted > 0 && text.accepted > 0);
        text.submitted += 1;
        text.accepted += accepted;
        if let Some(id) = &submit.client_id {
            let known = self.client_ids.entry(Arc::clone(id)).or_default();
            counters.repeated_client_ids += u64::from(accepted > 0 && known.times.accepted > 0);
            known.times.submitted += 1;
            known.times.accepted += accepted;
            known.task = task.or(known.task);
        }
        self.submits.push_back(submit);
        if self.submits.len() > SUBMITS_KEPT_MAX
            && let Some(oldest) = self.submits.pop_front()
        {
            self.forget(&oldest);
        }
    }

    fn forget(&mut self, submit: &Submit) {
        let accepted = u64::from(made_a_task(submit));
        if let Some(text) = self.texts.get_mut(&submit.digest) {
            text.submitted -= 1;
            text.accepted -= accepted;
            if text.submitted == 0 {
                self.texts.remove(&submit.digest);
            }
        }
        if let Some(id) = &submit.client_id
            && let Some(known) = self.client_ids.get_mut(id)
        {
            known.times.submitted -= 1;
            known.times.accepted -= accepted;
            if known.times.submitted == 0 {
                self.client_ids.remove(id);
            }
        }
    }
}

/// Whether the submit made, and charged, a task of its own.
pub(super) fn made_a_task(submit: &Submit) -> bool {
    match submit.outcome {
        Outcome::Accepted { .. } | Outcome::AnswerLost { .. } => true,
        Outcome::Joined { .. } | Outcome::Refused(_) | Outcome::Broken(_) => false,
    }
}
