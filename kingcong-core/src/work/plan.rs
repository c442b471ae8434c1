//! The plan: gate, cut, routes, quote. From a checked request and a configuration to tasks with frozen prices and
//! the amount to hold, or the reason why not. Pure; nothing is touched.

use std::{
    collections::{BTreeMap, BTreeSet},
    num::NonZeroU32,
    ops::Range,
    sync::Arc,
};

use super::{
    Abbreviations, CheckedRequest, CutError, TaskRoute, VoiceChoice,
    kinds::{Cutting, Uncut},
};
use crate::{
    clock::Timestamp,
    id::{KeyId, Route, ServerId, ServiceId, VoiceId},
    lane::Lane,
    measure::Quantities,
    message::Message,
    money::{Amount, Unit},
    operation::Operation,
    pricing::{PriceError, PriceList, RoutePrice, common_denominator, hold_amount},
    routing::{System, Unavailable},
    work::{Ability, Capabilities, Mp3Layout, Work},
};

/// What a plan is made with.
#[derive(Clone, Copy, Debug)]
pub struct PlanBasis<'a> {
    /// Servers, services, routes, weights, maintenance.
    pub system: &'a System,
    /// The prices.
    pub prices: &'a PriceList,
    /// The instant whose prices are meant.
    pub at: Timestamp,
    /// The routes that have a usable key.
    pub keyed: &'a BTreeSet<Route>,
    /// What can be done on which route; everything on one that is not there.
    pub capabilities: &'a BTreeMap<Route, Capabilities>,
    /// Most characters in one task.
    pub task_characters_max: NonZeroU32,
    /// Words whose full stop ends no sentence, besides those that the library knows.
    pub abbreviations: &'a Abbreviations,
}

/// A cloned voice that a request names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownVoice {
    /// The key whose account has it.
    pub key: KeyId,
    /// That key's route.
    pub route: Route,
    /// The upstream's id.
    pub upstream_voice: Arc<str>,
}

/// Tasks with frozen prices, and what to hold for them.
#[derive(Clone, Debug)]
pub struct Plan {
    /// What is done.
    pub operation: Operation,
    /// The unit of its prices.
    pub unit: Unit,
    /// The eligible servers with their weights.
    pub shares: BTreeMap<ServerId, u32>,
    /// The one key that can do it.
    pub only_key: Option<KeyId>,
    /// Its tasks, in order.
    pub tasks: Vec<PlannedTask>,
    /// What to hold: enough whatever route each task takes.
    pub held: Amount,
    /// The common denominator of the prices.
    pub denominator: i64,
    /// While the prices are these.
    pub prices_during: Range<Timestamp>,
}

/// A task of a plan.
#[derive(Clone, Debug)]
pub struct PlannedTask {
    /// What to do; its voice is that of the route that does it.
    pub work: Arc<Work>,
    /// How much of each measure it has.
    pub quantities: Quantities,
    /// Where it may be done, in server order.
    pub routes: Arc<[TaskRoute]>,
}

/// Why there is no plan.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PlanError {
    /// Maintenance, an unknown service, or no route on.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
    /// No eligible server can do what is asked.
    #[error("{} cannot be done on {}: {}", list(.asked), list(.routes), elsewhere(.able))]
    Incapable {
        /// What of the request cannot be done.
        asked: Vec<Ability>,
        /// The routes that are on.
        routes: Vec<Route>,
        /// The configured routes that can do all that the request asks for.
        able: Vec<Route>,
    },
    /// Routes are on, and none has a usable key.
    #[error("no usable key on {}: add one, or enable one", list(.routes))]
    NoKey {
        /// The routes that are on.
        routes: Vec<Route>,
    },
    /// The voice is known on no eligible server.
    #[error("voice {voice:?} has no id on {}: name its id on one of these servers", list(.servers))]
    VoiceNowhere {
        /// One of the ids that it was given.
        voice: String,
        /// The eligible servers.
        servers: Vec<ServerId>,
    },
    /// No such voice of that user.
    #[error("there is no cloned voice {voice} of this user: name one that the user cloned")]
    UnknownVoice {
        /// The voice.
        voice: VoiceId,
    },
    /// The route of the account that has the voice is off.
    #[error("the voice lives on {route}, which is off or in maintenance: wait, or name another voice")]
    VoiceRouteOff {
        /// The route.
        route: Route,
    },
    /// A price is missing or does not fit.
    #[error(transparent)]
    Price(#[from] PriceError),
    /// The text cannot be cut as asked.
    #[error(transparent)]
    Cut(#[from] CutError),
}

impl From<Uncut> for PlanError {
    fn from(error: Uncut) -> Self {
        match error {
            Uncut::Cut(error) => Self::Cut(error),
            Uncut::Price(error) => Self::Price(error),
        }
    }
}

fn list<T: ToString>(items: &[T]) -> String {
    items.iter().map(T::to_string).collect::<Vec<_>>().join(", ")
}

/// What to do where no route can.
fn elsewhere(able: &[Route]) -> String {
    if able.is_empty() {
        "leave it out".into()
    } else {
        format!("leave it out, or ask for it on {}", list(able))
    }
}

impl PlanError {
    /// What the user may be told.
    #[must_use]
    pub fn message(&self, system: &System) -> Message {
        let service = |route: Option<&Route>| {
            let id = route.map(|route| &route.service);
            let name = id.and_then(|id| system.services.get(id)).map(|service| service.name.clone());
            name.or_else(|| id.map(ToString::to_string)).unwrap_or_default()
        };
        match self {
            Self::Unavailable(unavailable) => system.message(unavailable),
            Self::NoKey { routes } => Message::NoRoute { service: service(routes.first()) },
            Self::VoiceRouteOff { route } => Message::NoRoute { service: service(Some(route)) },
            Self::VoiceNowhere { voice, .. } => Message::VoiceUnavailable { voice: voice.clone() },
            Self::UnknownVoice { voice } => Message::VoiceUnavailable { voice: voice.to_string() },
            Self::Price(PriceError::NotFound { route, .. }) => {
                Message::NoPrice { service: service(Some(route)) }
            }
            Self::Incapable { .. } | Self::Price(_) | Self::Cut(_) => Message::BadRequest,
        }
    }
}

impl Plan {
    /// The plan for a request; `voice` is the cloned voice that it names, if it names one and there is one.
    ///
    /// # Errors
    /// Maintenance, no route, no key, no voice, no price, or a text that cannot be cut as asked.
    pub fn new(
        request: &CheckedRequest,
        basis: PlanBasis<'_>,
        voice: Option<&KnownVoice>,
    ) -> Result<Self, PlanError> {
        let (mut shares, mut places, only_key) = places(request, basis, voice)?;
        let operation = request.ask.operation();
        let PlanBasis { task_characters_max, abbreviations, .. } = basis;
        let works = request.ask.works(Cutting { task_characters_max, abbreviations })?;
        if works.len() > 1 && request.ask.wants_one_layout() {
            keep_one_layout(basis.capabilities, &mut shares, &mut places);
        }
        let mut quoted = Quoted::default();
        let mut planned = |(work, quantities): (Work, Quantities)| {
            let routes = quoted.routes(request, basis, operation, &places, &quantities)?;
            Ok(PlannedTask { work: Arc::new(work), quantities, routes })
        };
        let tasks = works.into_iter().map(&mut planned).collect::<Result<Vec<PlannedTask>, PlanError>>()?;
        let prices = tasks.iter().map(|task| task.routes.iter().map(|route| &route.card));
        let held = hold_amount(prices.clone())?;
        let all: Vec<&RoutePrice> = prices.flatten().collect();
        let denominator = common_denominator(&all)?;
        let unit = all.first().map_or(Unit::CREDIT, |price| price.unit());
        let prices_during = basis.prices.unchanged_around(basis.at);
        Ok(Self { operation, unit, shares, only_key, tasks, held, denominator, prices_during })
    }
}

/// The quote of tasks that were admitted before, as far as it tells whether they may be done now.
#[derive(Clone, Copy, Debug)]
pub struct FrozenQuote<'a> {
    /// On which service.
    pub service: &'a ServiceId,
    /// What is done.
    pub operation: Operation,
    /// The upstream's model that was asked for.
    pub model: Option<&'a str>,
    /// Where it may be done.
    pub routes: &'a [TaskRoute],
    /// The one key that can do it.
    pub only_key: Option<KeyId>,
}

impl FrozenQuote<'_> {
    /// The servers of the quote that may do it now, with their weights; at least one.
    ///
    /// # Errors
    /// As [`Plan::new`]: maintenance, no route of the quote, no key, or no price. What it costs is what was quoted.
    pub fn shares(
        &self,
        system: &System,
        prices: &PriceList,
        keyed: &BTreeSet<Route>,
        at: Timestamp,
    ) -> Result<BTreeMap<ServerId, u32>, PlanError> {
        let mut shares = system.eligible(self.service)?;
        let routes = || self.routes.iter().map(TaskRoute::route);
        let on: Vec<&Route> = routes().filter(|route| shares.contains_key(&route.server)).collect();
        if on.is_empty() {
            return Err(match (self.only_key, routes().next()) {
                (Some(_), Some(route)) => PlanError::VoiceRouteOff { route: route.clone() },
                _ => Unavailable::NoRoute(self.service.clone()).into(),
            });
        }
        let usable: BTreeSet<&Route> = on.iter().copied().filter(|route| keyed.contains(*route)).collect();
        if usable.is_empty() {
            return Err(PlanError::NoKey { routes: on.into_iter().cloned().collect() });
        }
        for route in &usable {
            prices.find(route, self.model, self.operation, Lane::Shared, at)?;
        }
        shares.retain(|server, _| usable.iter().any(|route| route.server == *server));
        Ok(shares)
    }
}

/// The routes of the last quantities that were quoted: pieces of one text are often of one length.
#[derive(Default)]
struct Quoted {
    last: Option<(Quantities, Arc<[TaskRoute]>)>,
}

impl Quoted {
    fn routes(
        &mut self,
        request: &CheckedRequest,
        basis: PlanBasis<'_>,
        operation: Operation,
        places: &[Place],
        quantities: &Quantities,
    ) -> Result<Arc<[TaskRoute]>, PlanError> {
        if let Some((last, routes)) = &self.last
            && last == quantities
        {
            return Ok(Arc::clone(routes));
        }
        let quote = |place: &Place| {
            let model = request.ask.model();
            let price = basis.prices.find(&place.route, model, operation, Lane::Shared, basis.at)?;
            Ok(TaskRoute {
                card: price.quote(quantities)?,
                lane: Lane::Shared,
                known_as: Arc::clone(&place.known_as),
            })
        };
        let routes: Arc<[TaskRoute]> =
            places.iter().map(quote).collect::<Result<Vec<_>, PlanError>>()?.into();
        self.last = Some((quantities.clone(), Arc::clone(&routes)));
        Ok(routes)
    }
}

/// A route that may do the request, and what the voice that it names is known as there.
struct Place {
    route: Route,
    known_as: Arc<str>,
}

type Places = (BTreeMap<ServerId, u32>, Vec<Place>, Option<KeyId>);

/// The eligible servers with their weights, the same as places in the order of their ids, and the one key that can
/// do it.
fn places(
    request: &CheckedRequest,
    basis: PlanBasis<'_>,
    known: Option<&KnownVoice>,
) -> Result<Places, PlanError> {
    let mut shares = basis.system.eligible(&request.service)?;
    let upstream: Arc<str> = match request.ask.voice() {
        Some(VoiceChoice::Upstream(voice)) => voice.as_str().into(),
        Some(VoiceChoice::PerServer(_) | VoiceChoice::Cloned(_)) | None => "".into(),
    };
    let voice_on = |server: &ServerId| -> Option<Arc<str>> {
        match request.ask.voice() {
            Some(VoiceChoice::Upstream(_)) | None => Some(Arc::clone(&upstream)),
            Some(VoiceChoice::PerServer(voices)) => voices.get(server).map(|voice| voice.as_str().into()),
            Some(VoiceChoice::Cloned(_)) => {
                let known = known.filter(|known| known.route.server == *server)?;
                Some(Arc::clone(&known.upstream_voice))
            }
        }
    };
    let only_key = match (request.ask.voice(), known) {
        (Some(VoiceChoice::Cloned(voice)), None) => return Err(PlanError::UnknownVoice { voice: *voice }),
        (Some(VoiceChoice::Cloned(_)), Some(known)) => {
            if known.route.service != request.service || !shares.contains_key(&known.route.server) {
                return Err(PlanError::VoiceRouteOff { route: known.route.clone() });
            }
            Some(known.key)
        }
        _ => None,
    };
    let mut places: Vec<Place> = shares
        .keys()
        .filter_map(|server| {
            let route = Route::new(server.clone(), request.service.clone());
            Some(Place { route, known_as: voice_on(server)? })
        })
        .collect();
    if places.is_empty() {
        let voice = match request.ask.voice() {
            Some(VoiceChoice::PerServer(voices)) => voices.values().next().cloned().unwrap_or_default(),
            Some(VoiceChoice::Upstream(voice)) => voice.clone(),
            Some(VoiceChoice::Cloned(voice)) => voice.to_string(),
            None => String::new(),
        };
        return Err(PlanError::VoiceNowhere { voice, servers: shares.into_keys().collect() });
    }
    keep_capable(request, basis, &mut places)?;
    if !places.iter().any(|place| basis.keyed.contains(&place.route)) {
        return Err(PlanError::NoKey { routes: places.into_iter().map(|place| place.route).collect() });
    }
    places.retain(|place| basis.keyed.contains(&place.route));
    shares.retain(|server, _| places.iter().any(|place| place.route.server == *server));
    Ok((shares, places, only_key))
}

/// Keeps the places that can do what the request asks for.
fn keep_capable(
    request: &CheckedRequest,
    basis: PlanBasis<'_>,
    places: &mut Vec<Place>,
) -> Result<(), PlanError> {
    let asked = request.ask.asks_for();
    let has = |route: &Route, ability: Ability| {
        basis.capabilities.get(route).is_none_or(|capabilities| capabilities.has(ability))
    };
    let can = |route: &Route| asked.iter().all(|ability| has(route, *ability));
    if places.iter().any(|place| can(&place.route)) {
        places.retain(|place| can(&place.route));
        return Ok(());
    }
    let routes: Vec<Route> = places.iter().map(|place| place.route.clone()).collect();
    let lacks = |route: &Route, ability: &Ability| !has(route, *ability);
    let nowhere = asked.iter().filter(|ability| routes.iter().all(|route| lacks(route, ability)));
    let mut lacking: Vec<Ability> = nowhere.copied().collect();
    // Each can be done somewhere, and all of them nowhere.
    if lacking.is_empty() {
        let somewhere = asked.iter().filter(|ability| routes.iter().any(|route| lacks(route, ability)));
        lacking = somewhere.copied().collect();
    }
    let able = basis.system.routes.keys().filter(|route| can(route)).cloned().collect();
    Err(PlanError::Incapable { asked: lacking, routes, able })
}

/// Keeps the places whose MP3s can be joined, as far as their layouts are known: of several known layouts that whose
/// servers weigh most together, or, of equal weights, that of the first server. A place of unknown layout stays.
fn keep_one_layout(
    capabilities: &BTreeMap<Route, Capabilities>,
    shares: &mut BTreeMap<ServerId, u32>,
    places: &mut Vec<Place>,
) {
    let layout = |place: &Place| capabilities.get(&place.route)?.mp3();
    let weight = |wanted: Mp3Layout| -> u64 {
        let alike = places.iter().filter(|place| layout(place) == Some(wanted));
        alike.filter_map(|place| shares.get(&place.route.server)).map(|&weight| u64::from(weight)).sum()
    };
    // Of equal keys `max_by_key` takes the last.
    let Some(kept) = places.iter().rev().filter_map(layout).max_by_key(|&layout| weight(layout)) else {
        return;
    };
    places.retain(|place| layout(place).is_none_or(|layout| layout == kept));
    shares.retain(|server, _| places.iter().any(|place| place.route.server == *server));
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Of servers whose layouts are known, those of one layout stay: the one that weighs most. All others stay.
        #[test]
        fn servers_of_one_job_have_one_layout_as_far_as_it_is_known(
            servers in prop::collection::vec((0u32..4, prop::option::of(0usize..3)), 1..7),
        ) {
            let layouts = [(44_100, 1), (24_000, 1), (44_100, 2)];
            let layouts = layouts.map(|(rate, channels)| Mp3Layout::new(rate, channels).unwrap());
            let route = |server: usize| {
                Route::new(ServerId::new(format!("s{server}")).unwrap(), crate::id::ServiceId::new("tts").unwrap())
            };
            let known = |server: usize| servers[server].1.map(|layout| layouts[layout]);
            let all = 0..servers.len();
            let mut places: Vec<Place> =
                all.clone().map(|server| Place { route: route(server), known_as: "".into() }).collect();
            let mut shares: BTreeMap<ServerId, u32> =
                all.clone().map(|server| (route(server).server, servers[server].0)).collect();
            let capabilities: BTreeMap<Route, Capabilities> = all
                .clone()
                .filter_map(|server| Some((route(server), Capabilities::all().with_mp3(known(server)?))))
                .collect();
            keep_one_layout(&capabilities, &mut shares, &mut places);

            let weight = |layout: Mp3Layout| -> u32 {
                all.clone().filter(|&it| known(it) == Some(layout)).map(|it| servers[it].0).sum()
            };
            let kept: Vec<usize> =
                all.clone().filter(|&it| places.iter().any(|place| place.route == route(it))).collect();
            let of_kept: Option<Mp3Layout> = kept.iter().find_map(|&it| known(it));
            prop_assert_eq!(of_kept.is_some(), all.clone().any(|it| known(it).is_some()));
            for server in all.clone() {
                let stays = known(server).is_none() || known(server) == of_kept;
                prop_assert_eq!(kept.contains(&server), stays, "s{}", server);
                prop_assert_eq!(shares.contains_key(&route(server).server), stays, "s{}", server);
                if let (Some(layout), Some(of_kept)) = (known(server), of_kept) {
                    prop_assert!(weight(layout) <= weight(of_kept));
                }
            }
        }
    }
}
