//! Voices, the upstreams' and the cloned ones.

use kingcong_core::{
    provider::{Voice, VoiceOrigin, VoicePage},
    store::VoiceRow,
};
use serde::{Deserialize, Serialize};

use crate::{
    answer::{Instant, all},
    door::{At, Door, Group, Listed},
    problem::Problem,
};

pub(crate) const GROUP: Group = Group {
    name: "Voices",
    docs: "Voices, the upstreams' and the cloned ones.",
    doors: &[Listed::of::<Offered>(), Listed::of::<Cloned>()],
};

/// Whether an upstream offers a voice to everybody, or its account made it.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "description", derive(schemars::JsonSchema), schemars(inline))]
#[serde(rename_all = "snake_case")]
enum VoiceOriginView {
    Library,
    Cloned,
}

impl From<VoiceOrigin> for VoiceOriginView {
    fn from(origin: VoiceOrigin) -> Self {
        match origin {
            VoiceOrigin::Library => Self::Library,
            VoiceOrigin::Cloned => Self::Cloned,
        }
    }
}

/// A voice that an upstream offers.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "description", derive(schemars::JsonSchema))]
struct VoiceView {
    voice: String,
    name: String,
    language: Option<String>,
    gender: Option<String>,
    preview_url: Option<String>,
    origin: VoiceOriginView,
}

impl From<Voice> for VoiceView {
    fn from(voice: Voice) -> Self {
        let Voice { voice, name, language, gender, preview_url, origin } = voice;
        Self { voice, name, language, gender, preview_url, origin: origin.into() }
    }
}

/// Voices, and what to ask for next; `next` is none on the last page.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "description", derive(schemars::JsonSchema))]
struct VoicePageView {
    voices: Vec<VoiceView>,
    next: Option<String>,
}

impl From<VoicePage> for VoicePageView {
    fn from(page: VoicePage) -> Self {
        Self { voices: page.voices.into_iter().map(VoiceView::from).collect(), next: page.next }
    }
}

/// A voice that a user cloned; it lives on the account that made it.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "description", derive(schemars::JsonSchema))]
struct ClonedVoiceView {
    id: String,
    user: String,
    name: String,
    server: String,
    service: String,
    created_at: Instant,
}

impl From<&VoiceRow> for ClonedVoiceView {
    fn from(voice: &VoiceRow) -> Self {
        Self {
            id: voice.id.to_string(),
            user: voice.user.to_string(),
            name: voice.name.clone(),
            server: voice.route.server.to_string(),
            service: voice.route.service.to_string(),
            created_at: Instant(voice.created_at),
        }
    }
}

/// A page of the voices that a route offers, asked of its upstream; `page` is the last answer's `next`.
///
/// What users cloned on the key's account is listed too, with the origin `cloned`: show other users only the library's
/// voices.
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "description", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
struct Offered {
    server: String,
    service: String,
    page: Option<String>,
}

impl Door for Offered {
    const NAME: &'static str = "voices.offered";
    const BY_PLACE: usize = 2;
    type Answer = VoicePageView;

    async fn knock(self, at: &mut At<'_>) -> Result<VoicePageView, Problem> {
        let Self { server, service, page } = self;
        Ok(at.kc.voices().offered(&server, &service, page.as_deref()).await?.into())
    }
}

/// The voices that a user cloned.
///
/// ```python
/// >>> from kingcong import KingCong
/// >>> with KingCong.open("memory:", preset="kingcong") as kc:
/// ...     kc.voices.cloned("user-1")
/// ()
/// ```
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "description", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
struct Cloned {
    user: String,
}

impl Door for Cloned {
    const NAME: &'static str = "voices.cloned";
    const BY_PLACE: usize = 1;
    type Answer = Vec<ClonedVoiceView>;

    async fn knock(self, at: &mut At<'_>) -> Result<Self::Answer, Problem> {
        Ok(all(&at.kc.voices().cloned(&self.user).await?))
    }
}
