//! What every protocol over HTTP shares: a request and its fate, what refusals mean, and where results go.

pub(crate) mod download;
pub(crate) mod http;
pub(crate) mod lenient;
pub(crate) mod reach;
pub(crate) mod refusal;
pub(crate) mod sink;
pub(crate) mod tar;
pub(crate) mod wait;
