//! Voice doors.

use super::KingCong;
use crate::{
    access::Door,
    error::Error,
    id::{Route, ServerId, ServiceId, UserId},
    keys::PollNeed,
    provider::VoicePage,
    store::VoiceRow,
};

/// Voices, the upstreams' and the cloned ones.
#[derive(Clone, Debug)]
pub struct VoiceDoors {
    pub(super) kc: KingCong,
}

impl VoiceDoors {
    /// A page of the voices that a route offers, asked of its upstream with one of its usable keys. `page` is `None`
    /// first, then the last answer's `next`.
    ///
    /// What users cloned on the key's account is listed too, with [`VoiceOrigin::Cloned`]: show other users only the
    /// library's voices.
    ///
    /// [`VoiceOrigin::Cloned`]: crate::provider::VoiceOrigin::Cloned
    ///
    /// # Errors
    /// An unknown server, no usable key, a limit that leaves no call for it now where the upstream counts it, an
    /// upstream that wants to be left alone, or one that fails.
    pub async fn offered(&self, server: &str, service: &str, page: Option<&str>) -> Result<VoicePage, Error> {
        self.enter(Door::VoicesOffered).await?;
        let route = Route::new(ServerId::new(server)?, ServiceId::new(service)?);
        let inner = self.inner();
        // A server that is not there is told as such, and not as one without keys.
        inner.provider(&route.server)?;
        let snapshot = inner.snapshot();
        let usable = snapshot.keys.iter().filter(|key| key.route == route && key.is_usable());
        let key = usable.min_by_key(|key| key.id);
        let key =
            key.ok_or_else(|| Error::NotFound { what: "usable key on route", name: route.to_string() })?;
        let asked = inner
            .question(key, PollNeed::Asked, async |provider, access| provider.voices(&access, page).await);
        Ok(asked.await??)
    }

    /// The voices that a user of the handle's tenant cloned.
    ///
    /// # Errors
    /// A user id that cannot be one or that the role does not reach, a handle that asks for every tenant, or a store
    /// that fails.
    pub async fn cloned(&self, user: &str) -> Result<Vec<VoiceRow>, Error> {
        let entered = self.enter(Door::VoicesCloned).await?;
        let own = entered.user(&UserId::new(user)?)?;
        Ok(self.inner().store.voices(&own).await?)
    }
}
