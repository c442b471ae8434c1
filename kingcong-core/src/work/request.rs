//! What a user asks for: what all kinds of work share.

use std::{num::NonZeroU32, time::Duration};

use serde::Serialize;

use super::{Ask, CheckedAsk, IdempotencyKey, InvalidIdempotencyKey, TextError};
use crate::{
    clock::Timestamp,
    id::{InvalidId, ServiceId, TenantId, UserId},
    label::InvalidLabel,
};

/// What a user asks for: of one kind while it is built, such as by [`Request::speech`] or [`Request::clone_voice`], and
/// of any kind when it is submitted. It is checked then.
///
/// ```
/// use kingcong_core::{id::TenantId, work::Request};
///
/// let request = Request::speech("user-1", "Xin chào các bạn.")
///     .service("elevenlabs")
///     .voice("21m00Tcm4TlvDq8ikWAM")
///     .idempotency_key("order-991");
/// assert!(request.check(TenantId::main()).is_ok());
/// ```
#[derive(Clone, Debug)]
pub struct Request<A = Ask> {
    user: Result<UserId, InvalidId>,
    service: Option<Result<ServiceId, InvalidId>>,
    pub(super) ask: A,
    terms: Terms,
    idempotency_key: Option<String>,
}

/// How it is to be done, whatever it is.
#[derive(Clone, Copy, Debug, Serialize)]
struct Terms {
    weight: NonZeroU32,
    deadline: Option<Duration>,
    payer: Payer,
    // Left out when absent: what requests without it hash to is the same for ever.
    #[serde(skip_serializing_if = "Option::is_none")]
    start_at: Option<Timestamp>,
}

/// Whose wallet pays.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub enum Payer {
    /// The user's own.
    #[default]
    User,
    /// The tenant's.
    Tenant,
}

/// A request that cannot be admitted as it stands.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RequestError {
    /// A name breaks its rule.
    #[error(transparent)]
    Id(#[from] InvalidId),
    /// The text cannot be spoken.
    #[error(transparent)]
    Text(#[from] TextError),
    /// The idempotency key cannot be one.
    #[error(transparent)]
    Idempotency(#[from] InvalidIdempotencyKey),
    /// A text is no clean line.
    #[error(transparent)]
    Label(#[from] InvalidLabel),
    /// Something that the request needs is absent.
    #[error("{0} is missing; {1}")]
    Missing(&'static str, &'static str),
    /// A value is outside of its bounds.
    #[error("{what} {value} must be {bounds}")]
    OutOfBounds {
        /// Which value.
        what: &'static str,
        /// What was given.
        value: String,
        /// What it must be.
        bounds: String,
    },
}

/// A request whose parts are checked.
#[derive(Clone, Debug)]
pub struct CheckedRequest {
    /// The user's tenant.
    pub tenant: TenantId,
    /// Who asks.
    pub user: UserId,
    /// On which service.
    pub service: ServiceId,
    /// What is to be done.
    pub ask: CheckedAsk,
    /// How heavy the user's orders weigh in the queue.
    pub weight: NonZeroU32,
    /// How long it may take.
    pub deadline: Option<Duration>,
    /// Not before then.
    pub start_at: Option<Timestamp>,
    /// Whose wallet pays.
    pub payer: Payer,
    /// The caller's key against doing it twice, with the hash of what it asked for.
    pub idempotency: Option<IdempotencyKey>,
}

impl<A> Request<A> {
    pub(super) fn new(user: &str, ask: A) -> Self {
        Self {
            user: UserId::new(user),
            service: None,
            ask,
            terms: Terms { weight: NonZeroU32::MIN, deadline: None, payer: Payer::default(), start_at: None },
            idempotency_key: None,
        }
    }

    /// The same, of any kind.
    pub(super) fn of_any_kind(self, kind: impl FnOnce(A) -> Ask) -> Request {
        let Self { user, service, ask, terms, idempotency_key } = self;
        Request { user, service, ask: kind(ask), terms, idempotency_key }
    }

    /// On this service. Needed.
    #[must_use]
    pub fn service(mut self, service: impl AsRef<str>) -> Self {
        self.service = Some(ServiceId::new(service));
        self
    }

    /// Weighing so much in the queue; 1 is usual, 2 is served twice as often.
    #[must_use]
    pub fn weight(mut self, weight: NonZeroU32) -> Self {
        self.terms.weight = weight;
        self
    }

    /// To be done within this time, 24 hours when not said, from when it may start; tasks that have not started by then
    /// fail uncharged.
    #[must_use]
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.terms.deadline = Some(deadline);
        self
    }

    /// Not before this instant, at most [`Request::AHEAD_MAX`] ahead; one that has passed is now. The prices are those
    /// of today and the money is held from now on; until then the job can be cancelled as a whole.
    #[must_use]
    pub fn start_at(mut self, at: Timestamp) -> Self {
        self.terms.start_at = Some(at);
        self
    }

    /// Paid from this wallet.
    #[must_use]
    pub fn payer(mut self, payer: Payer) -> Self {
        self.terms.payer = payer;
        self
    }

    /// With a key against doing it twice: the same key and request give the same job, for ever.
    #[must_use]
    pub fn idempotency_key(mut self, key: impl Into<String>) -> Self {
        self.idempotency_key = Some(key.into());
        self
    }
}

impl Request {
    /// Longest model, language or voice id in bytes.
    pub const FIELD_BYTES_MAX: usize = 200;
    /// Largest weight in the queue.
    pub const WEIGHT_MAX: u32 = 1000;
    /// Longest deadline: a week.
    pub const DEADLINE_MAX: Duration = Duration::from_secs(7 * 24 * 3600);
    /// How far ahead it may be scheduled: 366 days.
    pub const AHEAD_MAX: Duration = Duration::from_secs(366 * 24 * 3600);

    /// What the idempotency keys of requests are told from others by; retries of what was requested share it.
    pub(crate) const DOOR: &'static str = "submit";

    /// How many bytes its text or its recording has, in which checking it takes time.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.ask.bytes()
    }

    pub(crate) fn check_deadline(deadline: Duration) -> Result<(), RequestError> {
        if deadline < Duration::from_secs(1) || deadline > Self::DEADLINE_MAX {
            return Err(out_of_bounds("deadline", format!("{deadline:?}"), "1 s to 7 days".into()));
        }
        Ok(())
    }
}

impl<A> Request<A>
where
    Self: Into<Request>,
{
    /// Checks everything that can be checked without configuration or store, as a request of this tenant's user.
    ///
    /// # Errors
    /// The first thing that is wrong, with its value and what it must be.
    pub fn check(self, tenant: TenantId) -> Result<CheckedRequest, RequestError> {
        let Request { user, service, ask, terms, idempotency_key } = self.into();
        let user = user?;
        let service =
            service.ok_or(RequestError::Missing("service", "name one, such as \"elevenlabs\""))??;
        let Terms { weight, deadline, payer, start_at } = terms;
        if weight.get() > Request::WEIGHT_MAX {
            return Err(out_of_bounds("weight", weight, format!("1 to {}", Request::WEIGHT_MAX)));
        }
        deadline.map_or(Ok(()), Request::check_deadline)?;
        // Before its hash: what is too long is refused before any work.
        let checked = ask.check()?;
        let idempotency = idempotency_key
            .map(|key| {
                IdempotencyKey::new(Request::DOOR, &tenant, user.as_str(), &key, &(&service, &ask, terms))
            })
            .transpose()?;
        Ok(CheckedRequest {
            tenant,
            user,
            service,
            ask: checked,
            weight,
            deadline,
            start_at,
            payer,
            idempotency,
        })
    }
}

pub(super) fn out_of_bounds(what: &'static str, value: impl ToString, bounds: String) -> RequestError {
    RequestError::OutOfBounds { what, value: value.to_string(), bounds }
}

pub(super) fn check_field(what: &'static str, value: &str) -> Result<(), RequestError> {
    let fits = (1..=Request::FIELD_BYTES_MAX).contains(&value.len());
    if fits && !value.chars().any(|c| c.is_control() || c.is_whitespace() || c == '/' || c == '?') {
        return Ok(());
    }
    let shown: String = value.chars().take(64).collect();
    let bounds = format!("1 to {} bytes without spaces, controls, '/' or '?'", Request::FIELD_BYTES_MAX);
    Err(out_of_bounds(what, format!("{shown:?}"), bounds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_is_said_with_the_value_in_words_of_no_language() {
        let speech = || Request::speech("user-1", "Xin chào!");
        let whole = || speech().service("elevenlabs").voice("anna");
        for (request, words) in [
            (speech().voice("anna"), "service is missing; name one, such as \"elevenlabs\""),
            (speech().service("elevenlabs"), "voice is missing; name one, such as \"21m00Tcm4TlvDq8ikWAM\""),
            (whole().deadline(Duration::from_millis(500)), "deadline 500ms must be 1 s to 7 days"),
            (whole().deadline(Duration::from_secs(604_801)), "deadline 604801s must be 1 s to 7 days"),
        ] {
            assert_eq!(request.check(TenantId::main()).unwrap_err().to_string(), words);
        }
    }
}
