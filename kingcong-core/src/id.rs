//! Newtype ids. Rows that the library makes have UUIDv7 ids, made before the batch that writes them; things
//! that people name (servers, services, users, packages) have checked text ids.

use std::{borrow::Borrow, cmp::Ordering, fmt, marker::PhantomData, str::FromStr, sync::Arc};

use serde::{
    Deserialize, Deserializer, Serialize,
    de::{self, Visitor},
};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::{clock::Timestamp, label::Label};

/// Reads an id from its text, so that what is refused is told in the id's own words.
struct Parsed<T>(PhantomData<T>);

impl<T: FromStr<Err = InvalidId>> Visitor<'_> for Parsed<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a UUID as text")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<T, E> {
        text.parse().map_err(E::custom)
    }
}

macro_rules! uuid_ids {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize)]
        #[serde(transparent)]
        pub struct $name(Uuid);

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                if deserializer.is_human_readable() {
                    deserializer.deserialize_str(Parsed(PhantomData))
                } else {
                    Uuid::deserialize(deserializer).map(Self)
                }
            }
        }

        impl Ord for $name {
            /// In the order of the bytes, compared as one number: rows are looked up by ids all the time.
            fn cmp(&self, other: &Self) -> Ordering {
                self.0.as_u128().cmp(&other.0.as_u128())
            }
        }

        impl PartialOrd for $name {
            fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
                Some(self.cmp(other))
            }
        }

        impl $name {
            /// Before every other.
            pub const MIN: Self = Self(Uuid::nil());
            /// After every other.
            pub const MAX: Self = Self(Uuid::max());

            /// The id with these bytes.
            #[must_use]
            pub const fn from_uuid(uuid: Uuid) -> Self {
                Self(uuid)
            }

            /// The id's UUID.
            #[must_use]
            pub const fn as_uuid(self) -> Uuid {
                self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self.0)
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;

            fn from_str(text: &str) -> Result<Self, InvalidId> {
                Uuid::parse_str(text).map(Self).map_err(|_| InvalidId {
                    what: stringify!($name),
                    value: text.chars().take(64).collect(),
                    rule: "must be a UUID such as 01932c07-6f2a-7c40-8a3e-6d1f5b0c9e21",
                })
            }
        }
    )*};
}

uuid_ids! {
    /// A job: what one request became.
    JobId,
    /// One task of a job.
    TaskId,
    /// One try of one task with one key: lease, recovery record and usage record.
    AttemptId,
    /// Credits set aside for a job.
    HoldId,
    /// An upstream credential.
    KeyId,
    /// A row of limit state: a key's, an account's, or a server's as seen from one egress address.
    LimitId,
    /// A wallet; a function of its owner and unit, see [`crate::ledger::WalletKey::id`].
    WalletId,
    /// One opened process; new at every start.
    WorkerId,
    /// An audit row.
    AuditId,
    /// A voice that the library knows.
    VoiceId,
    /// A data key of the vault.
    DataKeyId,
}

/// A text id that breaks its rule.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what} {value:?} {rule}")]
pub struct InvalidId {
    /// Which id.
    pub what: &'static str,
    /// What was given, cut to 64 characters.
    pub value: String,
    /// The rule that it breaks.
    pub rule: &'static str,
}

macro_rules! text_ids {
    ($($(#[$doc:meta])* $name:ident: $check:ident, $rule:expr;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(Arc<str>);

        impl $name {
            /// The id with this text.
            ///
            /// # Errors
            /// When the text breaks the id's rule.
            pub fn new(text: impl AsRef<str>) -> Result<Self, InvalidId> {
                let text = text.as_ref();
                if $check(text) {
                    Ok(Self(text.into()))
                } else {
                    Err(InvalidId {
                        what: stringify!($name),
                        value: text.chars().take(64).collect(),
                        rule: $rule,
                    })
                }
            }

            /// The id's text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({:?})"), &*self.0)
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;

            fn from_str(text: &str) -> Result<Self, InvalidId> {
                Self::new(text)
            }
        }

        impl TryFrom<String> for $name {
            type Error = InvalidId;

            fn try_from(text: String) -> Result<Self, InvalidId> {
                Self::new(text)
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> Self {
                id.0.to_string()
            }
        }

        impl Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }
    )*};
}

const SLUG_RULE: &str =
    "must be 1 to 32 characters of a-z, 0-9, '-' and '_', starting with a letter or digit";
const NAME_RULE: &str = "must be 1 to 190 bytes without control characters or surrounding spaces";

/// Longest slug in bytes.
pub const SLUG_BYTES_MAX: usize = 32;
/// Longest host-given name in bytes: fits an indexed column on every database.
pub const NAME_BYTES_MAX: usize = 190;

fn is_slug(text: &str) -> bool {
    (1..=SLUG_BYTES_MAX).contains(&text.len())
        && text.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_'))
        && text.bytes().next().is_some_and(|b| b.is_ascii_alphanumeric())
}

fn is_name(text: &str) -> bool {
    Label::<NAME_BYTES_MAX>::fits(text)
}

text_ids! {
    /// An upstream gateway, such as `ai33`.
    ServerId: is_slug, SLUG_RULE;
    /// What is bought on a server, such as `elevenlabs`.
    ServiceId: is_slug, SLUG_RULE;
    /// A wire protocol that a [`crate::provider::Provider`] speaks, such as `ai33`.
    ProtocolId: is_slug, SLUG_RULE;
    /// A package of credits, such as `package-1`.
    PackageId: is_slug, SLUG_RULE;
    /// A customer organisation. Hosts without organisations use [`TenantId::main`].
    TenantId: is_name, NAME_RULE;
    /// What people call a customer organisation.
    TenantName: is_name, NAME_RULE;
    /// A user, as the host names it; compared by bytes.
    UserId: is_name, NAME_RULE;
    /// Who did something in an admin door, as the host names them.
    Actor: is_name, NAME_RULE;
    /// The address that upstreams see calls come from, as the operator names it.
    Egress: is_slug, SLUG_RULE;
}

impl AttemptId {
    /// How many random bits a UUIDv7 ends with.
    const TAIL_BITS: u32 = 62;

    /// The `n`th id after this one: one id is made at random for all attempts of a claim.
    ///
    /// ```
    /// use kingcong_core::id::AttemptId;
    ///
    /// let first: AttemptId = "01932c07-6f2a-7c40-bfff-ffffffffffff".parse()?;
    /// assert_eq!(first.nth(0), first);
    /// assert_eq!(first.nth(2), "01932c07-6f2a-7c40-8000-000000000001".parse()?);
    /// # Ok::<(), kingcong_core::id::InvalidId>(())
    /// ```
    #[must_use]
    pub const fn nth(self, n: usize) -> Self {
        let tail = (1_u128 << Self::TAIL_BITS) - 1;
        let id = self.0.as_u128();
        Self(Uuid::from_u128((id & !tail) | (id.wrapping_add(n as u128) & tail)))
    }

    /// How many bits come behind the milliseconds that a UUIDv7 begins with.
    pub(crate) const BEHIND_MILLIS_BITS: u32 = 80;
    /// The most milliseconds that fit before those.
    const MILLIS_MAX: u64 = (1 << (u128::BITS - Self::BEHIND_MILLIS_BITS)) - 1;

    /// This id with the milliseconds of an instant in front. A store gives attempts its own time this way, whatever the
    /// clock said of the process that made the id.
    ///
    /// ```
    /// use kingcong_core::{clock::Timestamp, id::AttemptId};
    ///
    /// let made: AttemptId = "01932c07-6f2a-7c40-8000-000000000001".parse()?;
    /// let leased_at = Timestamp::from_micros(1_000_999);
    /// assert_eq!(made.at(leased_at), "00000000-03e8-7c40-8000-000000000001".parse()?);
    /// # Ok::<(), kingcong_core::id::InvalidId>(())
    /// ```
    #[must_use]
    pub fn at(self, instant: Timestamp) -> Self {
        let behind = (1_u128 << Self::BEHIND_MILLIS_BITS) - 1;
        Self(Uuid::from_u128(Self::first_at(instant).0.as_u128() | (self.0.as_u128() & behind)))
    }

    /// The lowest id that an attempt of that instant's millisecond may have; before the epoch, that of the epoch.
    #[must_use]
    pub fn first_at(instant: Timestamp) -> Self {
        let millis = u64::try_from(instant.as_micros().div_euclid(1000)).unwrap_or(0).min(Self::MILLIS_MAX);
        Self(Uuid::from_u128(u128::from(millis) << Self::BEHIND_MILLIS_BITS))
    }
}

impl TenantId {
    /// The tenant of hosts that have only one.
    #[must_use]
    pub fn main() -> Self {
        Self("main".into())
    }
}

impl Actor {
    /// Who acts where the host names nobody.
    #[must_use]
    pub fn system() -> Self {
        Self("system".into())
    }
}

impl Egress {
    /// The egress of hosts that have only one.
    #[must_use]
    pub fn main() -> Self {
        Self("default".into())
    }
}

/// A (server, service) pair, printed as `ai33_elevenlabs`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Route {
    /// Where it is bought.
    pub server: ServerId,
    /// What is bought.
    pub service: ServiceId,
}

impl Route {
    /// The route to `service` on `server`.
    #[must_use]
    pub const fn new(server: ServerId, service: ServiceId) -> Self {
        Self { server, service }
    }
}

impl fmt::Display for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}_{}", self.server, self.service)
    }
}

/// The 16-byte id that is a function of these parts; parts are length-prefixed, so no two lists collide.
pub(crate) fn derived_uuid(domain: &str, parts: &[&str]) -> Uuid {
    let mut hash = Sha256::new();
    for part in std::iter::once(&domain).chain(parts) {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part.as_bytes());
    }
    let digest: [u8; 32] = hash.finalize().into();
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&digest[..16]);
    uuid::Builder::from_custom_bytes(bytes).into_uuid()
}

/// Port: where ids and keys get their randomness. Simulations give the engine a seeded one.
pub trait Entropy: Send + Sync + fmt::Debug + 'static {
    /// Fills `bytes` with unpredictable bytes.
    fn fill(&self, bytes: &mut [u8]);
}

/// The operating system's randomness.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemEntropy;

impl Entropy for SystemEntropy {
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the one place that asks the system for randomness"
    )]
    fn fill(&self, bytes: &mut [u8]) {
        getrandom::fill(bytes).expect("the operating system has randomness");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_ids_keep_their_rules() {
        for bad in ["", "A", "-a", "a b", "a/b", &"a".repeat(33)] {
            assert!(ServerId::new(bad).is_err(), "{bad:?}");
        }
        for bad in ["", " a", "a\n", "a\u{0}", &"é".repeat(96)] {
            assert!(UserId::new(bad).is_err(), "{bad:?}");
        }
        assert_eq!(UserId::new("người-dùng 1").unwrap().as_str(), "người-dùng 1");
    }

    #[test]
    fn ids_of_rows_are_read_from_texts_and_refused_in_their_own_words() {
        let id: JobId = "01932c07-6f2a-7c40-8a3e-6d1f5b0c9e21".parse().unwrap();
        let json = serde_json::to_string(&id).unwrap();
        assert_eq!(json, format!("\"{id}\""));
        assert_eq!(serde_json::from_str::<JobId>(&json).unwrap(), id);
        // Kept and borrowed texts alike, and as keys of maps.
        assert_eq!(serde_json::from_value::<JobId>(serde_json::json!(id)).unwrap(), id);
        let map = std::collections::BTreeMap::from([(id, 1)]);
        let json = serde_json::to_string(&map).unwrap();
        assert_eq!(serde_json::from_str::<std::collections::BTreeMap<JobId, i32>>(&json).unwrap(), map);
        for (json, told) in [
            (r#""abc""#, r#"JobId "abc" must be a UUID such as 0"#),
            ("5", "invalid type: integer `5`, expected a UUID as text"),
        ] {
            let error = serde_json::from_str::<JobId>(json).unwrap_err().to_string();
            assert!(error.starts_with(told), "{error}");
        }
    }

    #[test]
    fn derived_ids_differ_when_parts_are_cut_differently() {
        assert_ne!(derived_uuid("w", &["ab", "c"]), derived_uuid("w", &["a", "bc"]));
        assert_eq!(derived_uuid("w", &["ab", "c"]), derived_uuid("w", &["ab", "c"]));
    }
}
