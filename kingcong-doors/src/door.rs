//! What a door is, and the list of all of them: each is a type in the room of its group, with its name, what it takes
//! and what it answers.

use std::{fmt, pin::Pin, sync::LazyLock};

use bytes::Bytes;
use kingcong_core::KingCong;
use serde::{
    Deserialize, Deserializer, Serialize,
    de::{self, DeserializeOwned, IgnoredAny, Visitor},
};

use crate::{
    config, job, keys,
    library::{Answer, Library},
    packages, prices,
    problem::Problem,
    reading::{Names, read},
    reports, root, tenants, voices, wallets,
};

/// The doors, group by group.
static GROUPS: [Group; 11] = [
    root::GROUP,
    job::GROUP,
    wallets::GROUP,
    packages::GROUP,
    prices::GROUP,
    config::GROUP,
    keys::GROUP,
    keys::ACCOUNTS,
    tenants::GROUP,
    voices::GROUP,
    reports::GROUP,
];

/// Doors that belong together, as faces have them: each group is a class.
pub(crate) struct Group {
    #[cfg_attr(not(feature = "description"), expect(dead_code, reason = "only faces say it"))]
    pub(crate) name: &'static str,
    #[cfg_attr(not(feature = "description"), expect(dead_code, reason = "only faces say it"))]
    pub(crate) docs: &'static str,
    pub(crate) doors: &'static [Listed],
}

/// Every door.
fn doors() -> impl Iterator<Item = &'static Listed> {
    GROUPS.iter().flat_map(|group| group.doors)
}

/// A door: its fields are what it takes.
pub(crate) trait Door: DeserializeOwned + Described + Send + 'static {
    /// Its name, which is the same in every language.
    const NAME: &'static str;

    /// How many of its fields callers give by their place, the first ones; the others are given by name.
    const BY_PLACE: usize = 0;

    /// What it answers.
    type Answer: Serialize + Described;

    /// Does what the door does.
    fn knock(self, at: &mut At<'_>) -> impl Future<Output = Result<Self::Answer, Problem>> + Send;
}

/// What can be described for faces, where that is asked for.
#[cfg(feature = "description")]
pub(crate) use schemars::JsonSchema as Described;

/// What can be described for faces, where that is asked for.
#[cfg(not(feature = "description"))]
pub(crate) trait Described {}

#[cfg(not(feature = "description"))]
impl<T> Described for T {}

/// Where somebody knocks, and what comes and goes beside the JSON.
pub(crate) struct At<'a> {
    pub(crate) library: &'a Library,
    /// The doors of the core, as the caller sees them.
    pub(crate) kc: KingCong,
    /// What belongs to the question and is no JSON.
    pub(crate) sample: Option<Bytes>,
    /// What belongs to the answer and is no JSON.
    pub(crate) beside: Option<Bytes>,
}

/// A door as it stands in the list of its room.
pub(crate) struct Listed {
    name: &'static str,
    read: for<'a> fn(&str, Names, &'a Library) -> Result<Knock<'a>, Problem>,
    #[cfg(feature = "description")]
    describe: fn(&mut schemars::SchemaGenerator) -> crate::description::DescribedDoor,
}

/// A door with what it is given. What is left to say is who knocks, and what came beside the JSON.
pub(crate) type Knock<'a> = Box<dyn FnOnce(KingCong, Option<Bytes>) -> Answering<'a> + Send + 'a>;

type Answering<'a> = Pin<Box<dyn Future<Output = Result<Answer, Problem>> + Send + 'a>>;

impl Listed {
    /// The door as it is listed.
    pub(crate) const fn of<D: Door>() -> Self {
        Self {
            name: D::NAME,
            read: read_door::<D>,
            #[cfg(feature = "description")]
            describe: crate::description::of::<D>,
        }
    }
}

/// Every door, group by group, described for faces.
#[cfg(feature = "description")]
pub(crate) fn described(generator: &mut schemars::SchemaGenerator) -> Vec<crate::description::Described> {
    let mut described = Vec::new();
    for group in &GROUPS {
        let doors = group.doors.iter().map(|door| (door.describe)(generator)).collect();
        described.push(crate::description::Described { name: group.name, docs: group.docs, doors });
    }
    described
}

/// What a text asks: `{"door": "wallets.get", "with": {"user": "u", "unit": "credit"}}`.
pub(crate) fn asked<'a>(json: &str, names: Names, library: &'a Library) -> Result<Knock<'a>, Problem> {
    let Named { door: DoorName(door) } = read(json, names)?;
    (door.read)(json, names, library)
}

fn read_door<'a, D: Door>(json: &str, names: Names, library: &'a Library) -> Result<Knock<'a>, Problem> {
    let Asked { with, .. } = read::<Asked<D>>(json, names)?;
    Ok(Box::new(move |kc, sample| Box::pin(answer(with, At { library, kc, sample, beside: None }))))
}

async fn answer<D: Door>(door: D, mut at: At<'_>) -> Result<Answer, Problem> {
    let answer = door.knock(&mut at).await?;
    let json = serde_json::to_string(&answer).expect("answers are texts, numbers and lists of them");
    Ok(Answer { json, attachment: at.beside })
}

/// What is asked, as far as it names a door.
#[derive(Deserialize)]
struct Named {
    door: DoorName,
}

/// A door with what it is given.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked<D> {
    #[serde(rename = "door")]
    _door: IgnoredAny,
    with: D,
}

/// A door, found by its name.
struct DoorName(&'static Listed);

impl<'de> Deserialize<'de> for DoorName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(DoorVisitor)
    }
}

struct DoorVisitor;

impl Visitor<'_> for DoorVisitor {
    type Value = DoorName;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the name of a door")
    }

    fn visit_str<E: de::Error>(self, name: &str) -> Result<DoorName, E> {
        static NAMES: LazyLock<Vec<&'static str>> = LazyLock::new(|| doors().map(|door| door.name).collect());
        let found = doors().find(|door| door.name == name);
        found.map(DoorName).ok_or_else(|| E::unknown_variant(name, &NAMES))
    }
}
