//! Voices that requests name by an upstream's id. One that another user cloned is not found: an id that somebody got to
//! know is no permission to speak with it.

use std::{collections::BTreeMap, time::Duration};

use parking_lot::Mutex;

use super::Inner;
use crate::{
    access::Scope,
    error::Error,
    id::ServiceId,
    work::{CheckedRequest, VoiceChoice},
};

/// Most ids that a process remembers as cloned by nobody; then it forgets them all.
const REMEMBERED_MAX: usize = 10_000;
/// So long an id counts as cloned by nobody without being looked up again.
const REMEMBERED_FOR: Duration = Duration::from_secs(60);

/// Upstreams' ids that nobody had cloned when they were looked up, with the process's time of that.
#[derive(Debug, Default)]
pub(super) struct ClonedByNobody(Mutex<BTreeMap<(ServiceId, String), Duration>>);

impl ClonedByNobody {
    fn has(&self, voice: &(ServiceId, String), now: Duration) -> bool {
        self.0.lock().get(voice).is_some_and(|at| now.saturating_sub(*at) < REMEMBERED_FOR)
    }

    fn remember(&self, voice: (ServiceId, String), now: Duration) {
        let mut known = self.0.lock();
        if known.len() >= REMEMBERED_MAX {
            known.clear();
        }
        known.insert(voice, now);
    }
}

impl Inner {
    /// Refuses a request that names a voice which another user cloned.
    ///
    /// # Errors
    /// [`Error::NotFound`] for such a voice, or a store that fails.
    pub(super) async fn check_voice(&self, request: &CheckedRequest) -> Result<(), Error> {
        match request.ask.voice() {
            None | Some(VoiceChoice::Cloned(_)) => {}
            Some(VoiceChoice::Upstream(voice)) => self.check_named(request, voice).await?,
            Some(VoiceChoice::PerServer(voices)) => {
                for voice in voices.values() {
                    self.check_named(request, voice).await?;
                }
            }
        }
        Ok(())
    }

    async fn check_named(&self, request: &CheckedRequest, voice: &str) -> Result<(), Error> {
        let (named, now) = ((request.service.clone(), voice.to_owned()), self.clock.elapsed());
        if self.cloned_by_nobody.has(&named, now) {
            return Ok(());
        }
        let cloned = self.store.voices_known_as(voice).await?;
        let mut cloned = cloned.iter().filter(|row| row.route.service == request.service).peekable();
        if cloned.peek().is_none() {
            self.cloned_by_nobody.remember(named, now);
            return Ok(());
        }
        let own = Scope::User(request.tenant.clone(), request.user.clone());
        if cloned.any(|row| own.covers(&row.tenant, &row.user)) {
            return Ok(());
        }
        Err(Error::NotFound { what: "voice", name: voice.to_owned() })
    }
}
