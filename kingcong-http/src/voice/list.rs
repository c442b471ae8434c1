//! Lists of voices: every upstream names the same few facts differently, and pages differently.

use std::fmt;

use kingcong_core::{
    failure::{Failure, FailureKind},
    provider::{Voice, VoiceOrigin},
};
use serde_json::Value;

use crate::wire::{
    http::Exchange,
    lenient::{field, short_text},
};

/// How many voices are asked for at once.
pub(crate) const VOICES_PER_PAGE: &str = "100";
/// Most voices that are kept of one page.
const VOICES_MAX: usize = 10_000;
/// Longest id of a voice, in bytes.
const VOICE_ID_BYTES_MAX: usize = 256;
/// Longest page token, in bytes.
const PAGE_TOKEN_BYTES_MAX: usize = 1000;

/// Where in an upstream's lists a page lies; printed as [`kingcong_core::provider::VoicePage::next`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Page {
    /// The account's own voices, from this token of the upstream on.
    Own(Option<String>),
    /// This page of the library.
    Library(u32),
}

impl Page {
    /// Reads a page's name; none is `start`.
    pub(crate) fn parse(exchange: &Exchange<'_>, page: Option<&str>, start: Self) -> Result<Self, Failure> {
        let Some(name) = page else { return Ok(start) };
        let page = match name.split_once(':') {
            Some(("own", token)) => Some(Self::Own(Some(token.to_owned()).filter(|token| !token.is_empty()))),
            Some(("library", number)) => number.parse().ok().map(Self::Library),
            _ => None,
        };
        page.ok_or_else(|| {
            exchange.refuses(FailureKind::BadRequest, "no list of voices has a page of this name")
        })
    }

    /// The page after this one of a library that is paged by number.
    pub(crate) fn next(number: u32) -> Option<String> {
        number.checked_add(1).map(|number| Self::Library(number).to_string())
    }

    /// The page of the account's own voices that an answer's token names.
    pub(crate) fn own_after(answer: &Value) -> Option<String> {
        short_text(answer, &["next_page_token"])
            .filter(|token| token.len() <= PAGE_TOKEN_BYTES_MAX)
            .map(|token| Self::Own(Some(token)).to_string())
    }
}

impl fmt::Display for Page {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Own(token) => write!(f, "own:{}", token.as_deref().unwrap_or_default()),
            Self::Library(number) => write!(f, "library:{number}"),
        }
    }
}

/// The voices of a list; entries without an id are left out.
pub(crate) fn voices(list: Option<&Value>, origin: VoiceOrigin) -> Vec<Voice> {
    let entries = list.and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    entries.iter().filter_map(|entry| voice(entry, origin)).take(VOICES_MAX).collect()
}

fn voice(entry: &Value, origin: VoiceOrigin) -> Option<Voice> {
    let voice =
        short_text(entry, &["voice_id", "canonical_voice_id"]).filter(|id| id.len() <= VOICE_ID_BYTES_MAX)?;
    let fact = |name| short_text(entry, &[name]).or_else(|| short_text(field(entry, "labels")?, &[name]));
    Some(Voice {
        name: short_text(entry, &["name", "voice_name"]).unwrap_or_else(|| voice.clone()),
        language: fact("language"),
        gender: fact("gender"),
        preview_url: short_text(entry, &["preview_url", "sample_audio"]),
        origin: match short_text(entry, &["category"]).as_deref() {
            Some("cloned") => VoiceOrigin::Cloned,
            _ => origin,
        },
        voice,
    })
}
