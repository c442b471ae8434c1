//! What protocols of voices share.

pub(crate) mod list;
pub(crate) mod srt;
pub(crate) mod vendor;
pub(crate) mod wav;
