//! The configuration and how it changes.
//!
//! A [`System`] is one versioned value: the servers, the services, the routes between them, each on or off, and
//! what is under maintenance. It is a pure state machine: [`System::apply`] takes a [`SystemCommand`] and gives
//! the next value or says why not. The switches are the administrator's; what the library finds out about a
//! route's health is kept elsewhere and never changes them.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use serde::{Deserialize, Serialize};

use crate::{
    id::{ProtocolId, Route, ServerId, ServiceId},
    keys::{Limits, LimitsChange, PollsCount},
    label::{InvalidLabel, Label},
    message::Message,
    switch::Switch,
};

/// Most servers in a system.
pub const SERVERS_MAX: usize = 64;
/// Most services in a system.
pub const SERVICES_MAX: usize = 64;
/// Largest weight of a server.
pub const WEIGHT_MAX: u32 = 1_000_000;
/// Longest base URL in bytes.
pub const BASE_URL_BYTES_MAX: usize = 512;
/// Longest name of a service in bytes.
pub const SERVICE_NAME_BYTES_MAX: usize = 64;

/// The whole configuration.
///
/// ```
/// use kingcong_core::{
///     id::{Route, ServerId, ServiceId},
///     preset::kingcong,
///     routing::{System, SystemCommand},
///     switch::Switch,
/// };
///
/// let system = kingcong::system();
/// let elevenlabs = ServiceId::new("elevenlabs")?;
/// assert_eq!(system.eligible(&elevenlabs)?.len(), 2);
///
/// let route = Route::new(ServerId::new("ai84")?, elevenlabs.clone());
/// let system = system.apply(&SystemCommand::SetRoute { route, switch: Switch::Off })?;
/// assert_eq!(system.eligible(&elevenlabs)?.len(), 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct System {
    /// How often it changed; larger is newer.
    pub version: u64,
    /// Where work is bought.
    pub servers: BTreeMap<ServerId, Server>,
    /// What is bought.
    pub services: BTreeMap<ServiceId, Service>,
    /// Which server sells which service, and whether that is used.
    #[serde(with = "routes_as_list")]
    pub routes: BTreeMap<Route, Switch>,
    /// What is under maintenance.
    pub maintenance: Maintenance,
}

/// An upstream gateway.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Server {
    /// What it speaks.
    pub protocol: ProtocolId,
    /// Where it is.
    pub base_url: BaseUrl,
    /// Its part of the tasks, relative to the weights of the others; at most [`WEIGHT_MAX`].
    pub weight: u32,
    /// Whether asking for a result counts against the account's limit.
    pub polls: PollsCount,
    /// The limits of keys that are added without any of their own.
    pub defaults: Limits,
    /// The limits of all calls from one egress address together, where the server counts by address.
    pub egress: Option<Limits>,
}

/// What is bought on a server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Service {
    /// Its name for users, in every language: 1 to [`SERVICE_NAME_BYTES_MAX`] bytes on one line.
    pub name: String,
}

/// What is under maintenance: takes no new work, while calls that already run may finish.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Maintenance {
    /// Nothing.
    #[default]
    None,
    /// These services on every server; the others work on.
    Services(BTreeSet<ServiceId>),
    /// Everything.
    Full,
}

/// A server's address: `https`, a host, perhaps a port and a path, and nothing else. Plain `http` shows secrets to the
/// network, and is taken only where there is none: `localhost`, 127.0.0.0/8 and `[::1]`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct BaseUrl(String);

/// Where a server is, as far as it tells who gets what is sent there: scheme, host in lower case, and port where it is
/// not the scheme's own. Two base URLs of one origin are one receiver of secrets; two origins may be two.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(from = "BaseUrl", into = "String")]
pub struct Origin(String);

/// What of a server changes; what is left out stays. Its protocol stays in any case: a server that speaks another is
/// another.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServerChange {
    /// Where it is. Another [`Origin`] suspends the server's keys until each is registered again.
    pub base_url: Option<BaseUrl>,
    /// Its part of the tasks.
    pub weight: Option<u32>,
    /// Whether asking for a result counts against the account's limit.
    pub polls: Option<PollsCount>,
    /// The limits of keys that are added from now on without any of their own.
    pub defaults: Option<Limits>,
    /// The limits of all calls from one egress address together.
    pub egress: Option<EgressChange>,
}

/// What becomes of the limits of all calls from one egress address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EgressChange {
    /// They are these.
    To(Limits),
    /// There are none any more.
    Lifted,
}

/// A change of the configuration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum SystemCommand {
    /// Switches a route; the server sells the service from now on if it did not.
    SetRoute {
        /// The route.
        route: Route,
        /// On or off.
        switch: Switch,
    },
    /// Says what is under maintenance, in place of what was.
    SetMaintenance(Maintenance),
    /// Gives these servers these weights; the others keep theirs.
    SetWeights(BTreeMap<ServerId, u32>),
    /// Adds a server.
    AddServer {
        /// Its id.
        id: ServerId,
        /// The server.
        server: Server,
        /// The services that it sells, each switched on or off.
        services: BTreeMap<ServiceId, Switch>,
    },
    /// Removes a server and its routes.
    RemoveServer(ServerId),
    /// Changes where a server is and how it counts.
    UpdateServer {
        /// Its id.
        id: ServerId,
        /// What changes.
        change: ServerChange,
    },
    /// Adds a service. No server sells it yet.
    AddService {
        /// Its id.
        id: ServiceId,
        /// The service.
        service: Service,
    },
}

/// Why the configuration was not changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SystemError {
    /// There is no such server.
    #[error("there is no server {server}: name one of {}, or add it first", list(.known))]
    UnknownServer {
        /// What was given.
        server: ServerId,
        /// The servers that there are.
        known: Vec<ServerId>,
    },
    /// There is no such service.
    #[error("there is no service {service}: name one of {}, or add it first", list(.known))]
    UnknownService {
        /// What was given.
        service: ServiceId,
        /// The services that there are.
        known: Vec<ServiceId>,
    },
    /// The id is taken.
    #[error("server {0} exists: change it with UpdateServer, or choose another id")]
    ServerExists(ServerId),
    /// The id is taken.
    #[error("service {0} exists: choose another id")]
    ServiceExists(ServiceId),
    /// There are [`SERVERS_MAX`] servers.
    #[error("server {0} would be one too many: at most {SERVERS_MAX} are possible, remove one first")]
    TooManyServers(ServerId),
    /// There are [`SERVICES_MAX`] services.
    #[error("service {0} would be one too many: at most {SERVICES_MAX} are possible")]
    TooManyServices(ServiceId),
    /// The weight is above [`WEIGHT_MAX`].
    #[error("weight {weight} of server {server} is too large: give 0 to {WEIGHT_MAX}")]
    WeightTooLarge {
        /// The server.
        server: ServerId,
        /// What was given.
        weight: u32,
    },
    /// Every server would have weight 0.
    #[error("every server would have weight 0: give at least one of them more, or switch routes off instead")]
    AllWeightsZero,
    /// Maintenance of no service at all.
    #[error("maintenance of services names none: name at least one, or set it to none")]
    MaintenanceOfNothing,
    /// The service's name is not fit to show.
    #[error(transparent)]
    InvalidServiceName(#[from] InvalidLabel),
}

/// Why a service takes no work now.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Unavailable {
    /// There is no such service.
    #[error("there is no service {service}: name one of {}, or add it first", list(.known))]
    UnknownService {
        /// What was asked for.
        service: ServiceId,
        /// The services that there are.
        known: Vec<ServiceId>,
    },
    /// The service is under maintenance.
    #[error("service {0} is under maintenance: ask again later, or have an administrator lift it")]
    ServiceMaintenance(ServiceId),
    /// The whole system is under maintenance.
    #[error("the whole system is under maintenance: ask again later, or have an administrator lift it")]
    FullMaintenance,
    /// No server is switched on for the service.
    #[error("no route to service {0} is on: have an administrator switch one on")]
    NoRoute(ServiceId),
}

impl System {
    /// The configuration after a change; its version is one higher. A command that changes nothing gives the same
    /// configuration with the same version.
    ///
    /// # Errors
    /// When the command names something that is not there, or breaks a rule of the configuration.
    pub fn apply(&self, command: &SystemCommand) -> Result<Self, SystemError> {
        let mut next = self.clone();
        match command {
            SystemCommand::SetRoute { route, switch } => {
                self.known_route(route)?;
                next.routes.insert(route.clone(), *switch);
            }
            SystemCommand::SetMaintenance(maintenance) => {
                if let Maintenance::Services(services) = maintenance {
                    if services.is_empty() {
                        return Err(SystemError::MaintenanceOfNothing);
                    }
                    services.iter().try_for_each(|service| self.known_service(service))?;
                }
                next.maintenance = maintenance.clone();
            }
            SystemCommand::SetWeights(weights) => {
                for (id, &weight) in weights {
                    allowed_weight(id, weight)?;
                    next.server_mut(id)?.weight = weight;
                }
                next.some_weight()?;
            }
            SystemCommand::AddServer { id, server, services } => {
                if self.servers.contains_key(id) {
                    return Err(SystemError::ServerExists(id.clone()));
                }
                if self.servers.len() >= SERVERS_MAX {
                    return Err(SystemError::TooManyServers(id.clone()));
                }
                allowed_weight(id, server.weight)?;
                next.servers.insert(id.clone(), server.clone());
                for (service, switch) in services {
                    self.known_service(service)?;
                    next.routes.insert(Route::new(id.clone(), service.clone()), *switch);
                }
            }
            SystemCommand::RemoveServer(id) => {
                self.known_server(id)?;
                next.servers.remove(id);
                next.routes.retain(|route, _| route.server != *id);
            }
            SystemCommand::UpdateServer { id, change } => {
                next.server_mut(id)?.change(id, change)?;
                if change.weight.is_some() {
                    next.some_weight()?;
                }
            }
            SystemCommand::AddService { id, service } => {
                if self.services.contains_key(id) {
                    return Err(SystemError::ServiceExists(id.clone()));
                }
                if self.services.len() >= SERVICES_MAX {
                    return Err(SystemError::TooManyServices(id.clone()));
                }
                Label::<SERVICE_NAME_BYTES_MAX>::new("service name", service.name.as_str())?;
                next.services.insert(id.clone(), service.clone());
            }
        }
        if next != *self {
            next.version += 1;
        }
        Ok(next)
    }

    /// The servers that are not where they were before `next`: moved to another [`Origin`], or gone; with where they
    /// were.
    #[must_use]
    pub fn moved(&self, next: &Self) -> BTreeMap<ServerId, Origin> {
        let stays = |id: &ServerId, origin: &Origin| {
            next.servers.get(id).is_some_and(|server| server.base_url.origin() == *origin)
        };
        let origins = self.servers.iter().map(|(id, server)| (id.clone(), server.base_url.origin()));
        origins.filter(|(id, origin)| !stays(id, origin)).collect()
    }

    /// Whether the service, or everything, is under maintenance.
    #[must_use]
    pub fn is_in_maintenance(&self, service: &ServiceId) -> bool {
        match &self.maintenance {
            Maintenance::None => false,
            Maintenance::Services(services) => services.contains(service),
            Maintenance::Full => true,
        }
    }

    /// Whether work may be sent on the route now: it is on, and not under maintenance.
    #[must_use]
    pub fn serves(&self, route: &Route) -> bool {
        self.routes.get(route) == Some(&Switch::On) && !self.is_in_maintenance(&route.service)
    }

    /// The servers that may do work of this service now, with their weights; at least one. Those of weight 0 are
    /// among them: a [`Split`](super::Split) plans nothing for them while another has more, but a task that cannot
    /// run where it was planned may move there.
    ///
    /// # Errors
    /// When there is none, and why.
    pub fn eligible(&self, service: &ServiceId) -> Result<BTreeMap<ServerId, u32>, Unavailable> {
        if !self.services.contains_key(service) {
            let known = self.services.keys().cloned().collect();
            return Err(Unavailable::UnknownService { service: service.clone(), known });
        }
        match &self.maintenance {
            Maintenance::Full => return Err(Unavailable::FullMaintenance),
            Maintenance::Services(services) if services.contains(service) => {
                return Err(Unavailable::ServiceMaintenance(service.clone()));
            }
            Maintenance::Services(_) | Maintenance::None => {}
        }
        let eligible: BTreeMap<_, _> = self
            .routes
            .iter()
            .filter(|(route, switch)| route.service == *service && **switch == Switch::On)
            .filter_map(|(route, _)| Some((route.server.clone(), self.servers.get(&route.server)?.weight)))
            .collect();
        if eligible.is_empty() { Err(Unavailable::NoRoute(service.clone())) } else { Ok(eligible) }
    }

    /// What a user is told of it.
    #[must_use]
    pub fn message(&self, unavailable: &Unavailable) -> Message {
        let name = |service: &ServiceId| match self.services.get(service) {
            Some(service) => service.name.clone(),
            None => service.to_string(),
        };
        match unavailable {
            Unavailable::UnknownService { service, .. } => Message::UnknownService { service: name(service) },
            Unavailable::ServiceMaintenance(service) => {
                Message::ServiceMaintenance { service: name(service) }
            }
            Unavailable::FullMaintenance => Message::FullMaintenance,
            Unavailable::NoRoute(service) => Message::NoRoute { service: name(service) },
        }
    }

    /// # Errors
    /// When the server or the service of the route is not there.
    pub(crate) fn known_route(&self, route: &Route) -> Result<(), SystemError> {
        self.known_server(&route.server)?;
        self.known_service(&route.service)
    }

    fn known_server(&self, id: &ServerId) -> Result<(), SystemError> {
        if self.servers.contains_key(id) {
            return Ok(());
        }
        let known = self.servers.keys().cloned().collect();
        Err(SystemError::UnknownServer { server: id.clone(), known })
    }

    fn known_service(&self, id: &ServiceId) -> Result<(), SystemError> {
        if self.services.contains_key(id) {
            return Ok(());
        }
        let known = self.services.keys().cloned().collect();
        Err(SystemError::UnknownService { service: id.clone(), known })
    }

    fn some_weight(&self) -> Result<(), SystemError> {
        if self.servers.values().all(|server| server.weight == 0) {
            return Err(SystemError::AllWeightsZero);
        }
        Ok(())
    }

    fn server_mut(&mut self, id: &ServerId) -> Result<&mut Server, SystemError> {
        self.known_server(id)?;
        Ok(self.servers.get_mut(id).expect("it is known"))
    }
}

impl Server {
    fn change(&mut self, id: &ServerId, change: &ServerChange) -> Result<(), SystemError> {
        let ServerChange { base_url, weight, polls, defaults, egress } = change;
        if let Some(weight) = weight {
            allowed_weight(id, *weight)?;
            self.weight = *weight;
        }
        if let Some(base_url) = base_url {
            self.base_url = base_url.clone();
        }
        self.polls = polls.unwrap_or(self.polls);
        self.defaults = defaults.unwrap_or(self.defaults);
        match egress {
            None => {}
            Some(EgressChange::To(limits)) => self.egress = Some(*limits),
            Some(EgressChange::Lifted) => self.egress = None,
        }
        Ok(())
    }
}

impl From<Limits> for LimitsChange {
    fn from(limits: Limits) -> Self {
        Self { max_in_flight: Some(limits.max_in_flight), per_minute: Some(limits.per_minute) }
    }
}

impl fmt::Display for Limits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} calls in flight and {} starts a minute", self.max_in_flight, self.per_minute)
    }
}

impl BaseUrl {
    /// The address with this text.
    ///
    /// # Errors
    /// When the text is not a base URL; see [`BaseUrl`].
    pub fn new(text: impl Into<String>) -> Result<Self, InvalidBaseUrl> {
        let text = text.into();
        match base_url_fault(&text) {
            None => Ok(Self(text)),
            Some(rule) => Err(InvalidBaseUrl { rule }),
        }
    }

    /// The address's text, without a slash at its end.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Who gets what is sent there.
    #[must_use]
    pub fn origin(&self) -> Origin {
        let (scheme, rest) = self.0.split_once("://").unwrap_or(("https", &self.0));
        let authority = rest.split('/').next().unwrap_or(rest);
        let (host, port) = host_and_port(authority);
        let host = match host.parse::<std::net::Ipv6Addr>() {
            Ok(six) => format!("[{six}]"),
            Err(_) => host.to_ascii_lowercase(),
        };
        let own = if scheme == "https" { 443 } else { 80 };
        Origin(match port.and_then(|port| port.parse::<u16>().ok()) {
            Some(port) if port != own => format!("{scheme}://{host}:{port}"),
            Some(_) | None => format!("{scheme}://{host}"),
        })
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<BaseUrl> for Origin {
    fn from(url: BaseUrl) -> Self {
        url.origin()
    }
}

impl From<Origin> for String {
    fn from(origin: Origin) -> Self {
        origin.0
    }
}

impl Origin {
    /// The origin's text, such as `https://api.example.com`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for BaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for BaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BaseUrl({:?})", self.0)
    }
}

impl TryFrom<String> for BaseUrl {
    type Error = InvalidBaseUrl;

    fn try_from(text: String) -> Result<Self, InvalidBaseUrl> {
        Self::new(text)
    }
}

impl From<BaseUrl> for String {
    fn from(url: BaseUrl) -> Self {
        url.0
    }
}

/// A text that is not a base URL. The text itself is not repeated: it may hold a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("base URL {rule}; give one such as https://api.example.com or http://127.0.0.1:8080/v1")]
pub struct InvalidBaseUrl {
    /// The rule that it breaks.
    pub rule: &'static str,
}

/// The rule of base URLs that the text breaks.
fn base_url_fault(text: &str) -> Option<&'static str> {
    if text.len() > BASE_URL_BYTES_MAX {
        return Some("must be at most 512 bytes");
    }
    let plain = text.strip_prefix("http://");
    let Some(rest) = text.strip_prefix("https://").or(plain) else {
        return Some("must start with https:// or http://");
    };
    if rest.contains('@') {
        return Some("must have no user name or password");
    }
    if rest.contains(['?', '#']) {
        return Some("must have no query or fragment");
    }
    if rest.ends_with('/') {
        return Some("must have no slash at its end");
    }
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    let (host, port) = host_and_port(authority);
    let host_is_valid = if authority.starts_with('[') {
        host.parse::<std::net::Ipv6Addr>().is_ok()
    } else {
        is_host_name(host)
    };
    if !host_is_valid {
        return Some("must have a host: a name in ASCII letters, digits, '-' and '.', or an IP address");
    }
    if port.is_some_and(|port| !port.bytes().all(|b| b.is_ascii_digit()) || port.parse::<u16>().is_err()) {
        return Some("must have a port from 0 to 65535, or none");
    }
    if plain.is_some() && !is_loopback(host) {
        return Some(
            "must start with https://: over http:// the network reads the keys, so it is taken only for localhost, \
             127.0.0.0/8 and [::1]",
        );
    }
    let path_is_plain = path.bytes().all(|b| b.is_ascii_alphanumeric() || b"/-._~%".contains(&b));
    let no_odd_segment = path.is_empty() || path.split('/').all(|part| !matches!(part, "" | "." | ".."));
    if !(path_is_plain && no_odd_segment) {
        return Some("must have a plain path, without spaces, '//' and '..'");
    }
    None
}

/// The host of an address, without the brackets of an IPv6 one, and the text of its port.
fn host_and_port(authority: &str) -> (&str, Option<&str>) {
    match authority.strip_prefix('[').and_then(|six| six.split_once(']')) {
        Some((six, "")) => (six, None),
        Some((six, port)) => (six, Some(port.strip_prefix(':').unwrap_or(""))),
        None => authority.split_once(':').map_or((authority, None), |(host, port)| (host, Some(port))),
    }
}

fn is_loopback(host: &str) -> bool {
    host.eq_ignore_ascii_case("localhost")
        || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

fn is_host_name(host: &str) -> bool {
    host.split('.').all(|label| {
        !label.is_empty() && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
    })
}

fn allowed_weight(server: &ServerId, weight: u32) -> Result<(), SystemError> {
    if weight > WEIGHT_MAX {
        return Err(SystemError::WeightTooLarge { server: server.clone(), weight });
    }
    Ok(())
}

/// The ids as an error shows them.
fn list<T: fmt::Display>(ids: &[T]) -> String {
    if ids.is_empty() {
        return "(there is none)".into();
    }
    ids.iter().map(T::to_string).collect::<Vec<_>>().join(", ")
}

/// JSON's keys are texts and a route is two, so routes are stored as a list.
mod routes_as_list {
    use std::collections::BTreeMap;

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use super::{Route, Switch};

    #[derive(Serialize, Deserialize)]
    struct Line {
        #[serde(flatten)]
        route: Route,
        switch: Switch,
    }

    pub(super) fn serialize<S: Serializer>(
        routes: &BTreeMap<Route, Switch>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(routes.iter().map(|(route, &switch)| Line { route: route.clone(), switch }))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<BTreeMap<Route, Switch>, D::Error> {
        let lines = Vec::<Line>::deserialize(deserializer)?;
        Ok(lines.into_iter().map(|line| (line.route, line.switch)).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::preset::kingcong;

    fn server_id(id: &str) -> ServerId {
        ServerId::new(id).unwrap()
    }

    fn service_id(id: &str) -> ServiceId {
        ServiceId::new(id).unwrap()
    }

    fn server(weight: u32) -> Server {
        Server { weight, ..kingcong::system().servers[&server_id("ai33")].clone() }
    }

    fn add_server(id: &str, weight: u32, services: &[&str]) -> SystemCommand {
        SystemCommand::AddServer {
            id: server_id(id),
            server: server(weight),
            services: services.iter().map(|service| (service_id(service), Switch::On)).collect(),
        }
    }

    fn add_service(id: &str, name: &str) -> SystemCommand {
        SystemCommand::AddService { id: service_id(id), service: Service { name: name.into() } }
    }

    fn set_route(server: &str, service: &str, switch: Switch) -> SystemCommand {
        SystemCommand::SetRoute { route: Route::new(server_id(server), service_id(service)), switch }
    }

    fn set_weights<const N: usize>(weights: [(&str, u32); N]) -> SystemCommand {
        SystemCommand::SetWeights(weights.map(|(id, weight)| (server_id(id), weight)).into())
    }

    fn maintenance_of<const N: usize>(services: [&str; N]) -> SystemCommand {
        SystemCommand::SetMaintenance(Maintenance::Services(services.map(service_id).into()))
    }

    fn applied(system: &System, commands: &[SystemCommand]) -> System {
        commands.iter().fold(system.clone(), |system, command| system.apply(command).unwrap())
    }

    fn eligible(system: &System, service: &str) -> Vec<(String, u32)> {
        let eligible = system.eligible(&service_id(service)).unwrap();
        eligible.into_iter().map(|(server, weight)| (server.into(), weight)).collect()
    }

    #[test]
    fn a_third_server_is_added_as_data_and_gets_its_part() {
        let system = applied(&kingcong::system(), &[add_server("ai99", 100, &["minimax"])]);
        assert_eq!(eligible(&system, "elevenlabs"), [("ai33".into(), 70), ("ai84".into(), 30)]);
        assert_eq!(
            eligible(&system, "minimax"),
            [("ai33".into(), 70), ("ai84".into(), 30), ("ai99".into(), 100)]
        );
    }

    #[test]
    fn a_new_service_is_sold_once_a_route_is_on_and_can_be_under_maintenance() {
        let openai = service_id("openai");
        let system = applied(&kingcong::system(), &[add_service("openai", "OpenAI")]);
        assert_eq!(system.eligible(&openai), Err(Unavailable::NoRoute(openai.clone())));

        let system = applied(&system, &[set_route("ai33", "openai", Switch::On)]);
        assert_eq!(eligible(&system, "openai"), [("ai33".into(), 70)]);

        let system = applied(&system, &[maintenance_of(["openai", "minimax"])]);
        assert_eq!(system.eligible(&openai), Err(Unavailable::ServiceMaintenance(openai.clone())));
        assert_eq!(eligible(&system, "elevenlabs").len(), 2);
    }

    #[test]
    fn a_removed_server_takes_its_routes_along() {
        let removed = applied(&kingcong::system(), &[SystemCommand::RemoveServer(server_id("ai33"))]);
        assert_eq!(eligible(&removed, "elevenlabs"), [("ai84".into(), 30)]);

        let back = applied(&removed, &[add_server("ai33", 70, &[])]);
        assert_eq!(eligible(&back, "elevenlabs"), [("ai84".into(), 30)]);
    }

    #[test]
    fn weights_change_only_for_the_servers_that_are_named() {
        let system = applied(&kingcong::system(), &[set_weights([("ai84", 0)])]);
        assert_eq!(eligible(&system, "minimax"), [("ai33".into(), 70), ("ai84".into(), 0)]);
    }

    #[test]
    fn an_updated_server_keeps_what_is_not_named() {
        let system = kingcong::system();
        let before = system.servers[&server_id("ai84")].clone();
        let (url, limits) = (BaseUrl::new("http://127.0.0.1:8080").unwrap(), Limits::new(7, 8).unwrap());
        let stays = ServerChange::default;
        let same = || before.clone();
        for (change, after) in [
            (stays(), same()),
            (
                ServerChange { base_url: Some(url.clone()), ..stays() },
                Server { base_url: url.clone(), ..same() },
            ),
            (ServerChange { weight: Some(5), ..stays() }, Server { weight: 5, ..same() }),
            (
                ServerChange { polls: Some(PollsCount::Counted), ..stays() },
                Server { polls: PollsCount::Counted, ..same() },
            ),
            (ServerChange { defaults: Some(limits), ..stays() }, Server { defaults: limits, ..same() }),
            (
                ServerChange { egress: Some(EgressChange::To(limits)), ..stays() },
                Server { egress: Some(limits), ..same() },
            ),
            (
                ServerChange { egress: Some(EgressChange::Lifted), ..stays() },
                Server { egress: None, ..same() },
            ),
        ] {
            let next = applied(&system, &[SystemCommand::UpdateServer { id: server_id("ai84"), change }]);
            assert_eq!(next.servers[&server_id("ai84")], after);
            assert_eq!(next.servers[&server_id("ai33")], system.servers[&server_id("ai33")]);
            assert_eq!(next.routes, system.routes);
        }
        let weigh = |id, weight| SystemCommand::UpdateServer {
            id: server_id(id),
            change: ServerChange { weight: Some(weight), ..stays() },
        };
        let one = applied(&system, &[weigh("ai33", 0)]);
        assert_eq!(one.apply(&weigh("ai84", 0)), Err(SystemError::AllWeightsZero));
        let too_large = SystemError::WeightTooLarge { server: server_id("ai84"), weight: WEIGHT_MAX + 1 };
        assert_eq!(system.apply(&weigh("ai84", WEIGHT_MAX + 1)), Err(too_large));
    }

    #[test]
    fn a_server_has_moved_when_its_scheme_host_or_port_is_another() {
        let at = |url: &str| {
            let change = ServerChange { base_url: Some(BaseUrl::new(url).unwrap()), ..Default::default() };
            SystemCommand::UpdateServer { id: server_id("ai33"), change }
        };
        for (from, to, has_moved) in [
            ("https://api.example.com", "https://api.example.com/v1/x", false),
            ("https://api.example.com", "https://API.Example.com:443", false),
            ("http://127.0.0.1", "http://127.0.0.1:80/v1", false),
            ("http://[::1]:9", "http://[0:0:0:0:0:0:0:1]:9", false),
            ("https://api.example.com", "https://api.example.com:8443", true),
            ("https://api.example.com", "https://example.com", true),
            ("https://api.example.com", "https://api.example.com.evil.example", true),
            ("https://localhost", "http://localhost:443", true),
            ("https://localhost:80", "http://localhost", true),
            ("http://127.0.0.1:1", "http://127.0.0.1:2", true),
        ] {
            let before = applied(&kingcong::system(), &[at(from)]);
            let moved = before.moved(&applied(&before, &[at(to)]));
            let origin = BaseUrl::new(from).unwrap().origin();
            let expected = has_moved.then(|| (server_id("ai33"), origin));
            assert_eq!(moved, expected.into_iter().collect(), "{from} to {to}");
        }
        let system = kingcong::system();
        let removed = applied(&system, &[SystemCommand::RemoveServer(server_id("ai33"))]);
        let origin = system.servers[&server_id("ai33")].base_url.origin();
        assert_eq!(system.moved(&removed), BTreeMap::from([(server_id("ai33"), origin)]));
        assert_eq!(removed.moved(&system), BTreeMap::new(), "a new server was nowhere before");
    }

    #[test]
    fn the_version_counts_changes() {
        let system = kingcong::system();
        let off = applied(&system, &[set_route("ai33", "minimax", Switch::Off)]);
        assert_eq!(off.version, system.version + 1);
        assert_eq!(applied(&off, &[set_route("ai33", "minimax", Switch::Off)]), off);
        assert_eq!(applied(&off, &[set_route("ai33", "minimax", Switch::On)]).version, off.version + 1);
    }

    #[test]
    fn a_wrong_command_is_refused_with_the_value_and_a_way_out() {
        for (command, error) in [
            (
                set_route("ai34", "minimax", Switch::On),
                "there is no server ai34: name one of ai33, ai84, or add it first",
            ),
            (
                set_route("ai33", "suno", Switch::On),
                "there is no service suno: name one of elevenlabs, minimax, or add it first",
            ),
            (
                maintenance_of(["minimax", "suno"]),
                "there is no service suno: name one of elevenlabs, minimax, or add it first",
            ),
            (maintenance_of([]), "maintenance of services names none: name at least one, or set it to none"),
            (
                set_weights([("ai33", 1), ("ai34", 1)]),
                "there is no server ai34: name one of ai33, ai84, or add it first",
            ),
            (
                set_weights([("ai33", 0), ("ai84", 0)]),
                "every server would have weight 0: give at least one of them more, or switch routes off instead",
            ),
            (
                set_weights([("ai33", 1_000_001)]),
                "weight 1000001 of server ai33 is too large: give 0 to 1000000",
            ),
            (
                add_server("ai99", 1_000_001, &[]),
                "weight 1000001 of server ai99 is too large: give 0 to 1000000",
            ),
            (
                add_server("ai33", 1, &[]),
                "server ai33 exists: change it with UpdateServer, or choose another id",
            ),
            (
                add_server("ai99", 1, &["suno"]),
                "there is no service suno: name one of elevenlabs, minimax, or add it first",
            ),
            (
                SystemCommand::RemoveServer(server_id("ai34")),
                "there is no server ai34: name one of ai33, ai84, or add it first",
            ),
            (add_service("minimax", "Minimax"), "service minimax exists: choose another id"),
            (
                add_service("suno", " Suno"),
                "service name \" Suno\" must be 1 to 64 bytes without control characters or surrounding spaces",
            ),
        ] {
            assert_eq!(kingcong::system().apply(&command).unwrap_err().to_string(), error);
        }
        let nothing = System::default().apply(&set_route("ai33", "minimax", Switch::On)).unwrap_err();
        assert_eq!(
            nothing.to_string(),
            "there is no server ai33: name one of (there is none), or add it first"
        );
    }

    #[test]
    fn servers_and_services_are_bounded() {
        let mut system = System::default();
        for i in 0..64 {
            system = applied(
                &system,
                &[add_server(&format!("s{i}"), 1, &[]), add_service(&format!("s{i}"), "a service")],
            );
        }
        let one_more = system.apply(&add_server("last", 1, &[]));
        assert_eq!(one_more, Err(SystemError::TooManyServers(server_id("last"))));
        let one_more = system.apply(&add_service("last", "the last"));
        assert_eq!(one_more, Err(SystemError::TooManyServices(service_id("last"))));
    }

    #[test]
    fn a_system_is_stored_as_json_and_comes_back_the_same() {
        let system = applied(
            &kingcong::system(),
            &[maintenance_of(["minimax"]), set_route("ai84", "elevenlabs", Switch::Off)],
        );
        let json = serde_json::to_string(&system).unwrap();
        assert!(json.contains(r#"{"server":"ai84","service":"elevenlabs","switch":"off"}"#), "{json}");
        assert_eq!(serde_json::from_str::<System>(&json).unwrap(), system);

        let command = add_server("ai99", 1, &["minimax"]);
        let json = serde_json::to_string(&command).unwrap();
        assert_eq!(serde_json::from_str::<SystemCommand>(&json).unwrap(), command);
    }

    #[test]
    fn a_base_url_is_a_plain_address() {
        for good in [
            "https://api.ai33.pro",
            "http://localhost",
            "http://127.0.0.1:8080",
            "http://127.9.9.9",
            "http://LocalHost:1/v1",
            "http://[::1]:9",
            "http://[::1]",
            "https://api.example.com/v1/x",
        ] {
            assert_eq!(BaseUrl::new(good).unwrap().as_str(), good);
        }
        for bad in [
            "",
            "api.ai33.pro",
            "ftp://api.ai33.pro",
            "http://api.ai33.pro",
            "http://10.0.0.1",
            "http://192.168.1.1:8080",
            "http://0.0.0.0",
            "http://128.0.0.1",
            "http://127.1",
            "http://127.0.0.1.example.com",
            "http://localhost.example.com",
            "http://[::2]",
            "http://[::ffff:10.0.0.1]",
            "HTTPS://api.ai33.pro",
            "https://",
            "https:///v1",
            "https://api.ai33.pro/",
            "https://api..pro",
            "https://user:password@api.ai33.pro",
            "https://api.ai33.pro?key=1",
            "https://api.ai33.pro#part",
            "https://api ai33.pro",
            "https://api.ai33.pro/a b",
            "https://api.ai33.pro/a//b",
            "https://api.ai33.pro/../b",
            "https://api.ai33.pro\\b",
            "https://api.ai33.pro:",
            "https://api.ai33.pro:port",
            "https://api.ai33.pro:+80",
            "https://api.ai33.pro:65536",
            "https://:80",
            "https://[::1",
            "https://[::1]80",
            "https://[name]",
            "https://ví-dụ.vn",
            &format!("https://{}", "a".repeat(512)),
        ] {
            let error = BaseUrl::new(bad).expect_err(bad).to_string();
            assert!(!error.contains("password@"), "{error}");
            assert!(serde_json::from_value::<BaseUrl>(bad.into()).is_err(), "{bad}");
        }
    }
}
