//! The configuration: servers, services, routes, weights, maintenance.

use std::{collections::BTreeMap, fmt};

use kingcong_core::{
    id::{ProtocolId, ServerId, ServiceId},
    keys::{Limits, PollsCount},
    routing::{
        BaseUrl, EgressChange, Explanation, Maintenance, Server, ServerChange, Standing, Switches, System,
    },
    switch::Switch,
};
use serde::{
    Deserialize, Deserializer, Serialize,
    de::{self, IntoDeserializer, MapAccess, Visitor, value::MapAccessDeserializer},
};

use crate::{
    answer::{AsText, MessageView, Word, all},
    asked::rows,
    door::{At, Door, Group, Listed},
    keys::LimitsView,
    problem::Problem,
    reports::AuditEntryView,
};

pub(crate) const GROUP: Group = Group {
    name: "Config",
    docs: "Servers, services, routes, weights, maintenance.\n\n\
           A change is acknowledged when it is durable; nothing starts against it after that, in any process.",
    doors: &[
        Listed::of::<Get>(),
        Listed::of::<Explain>(),
        Listed::of::<SetRoute>(),
        Listed::of::<SetMaintenance>(),
        Listed::of::<SetWeights>(),
        Listed::of::<AddServer>(),
        Listed::of::<UpdateServer>(),
        Listed::of::<RemoveServer>(),
        Listed::of::<AddService>(),
        Listed::of::<History>(),
    ],
};

/// What is under maintenance: everything, or these services.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "description", derive(schemars::JsonSchema))]
struct MaintenanceView {
    is_full: bool,
    services: Vec<String>,
}

impl From<&Maintenance> for MaintenanceView {
    fn from(maintenance: &Maintenance) -> Self {
        let services = match maintenance {
            Maintenance::None | Maintenance::Full => Vec::new(),
            Maintenance::Services(services) => services.iter().map(ToString::to_string).collect(),
        };
        Self { is_full: *maintenance == Maintenance::Full, services }
    }
}

/// A server of the configuration.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "description", derive(schemars::JsonSchema))]
struct ServerInfoView {
    id: String,
    protocol: String,
    base_url: String,
    weight: u32,
    polls: Word<PollsCount>,
    limits: LimitsView,
    egress: Option<LimitsView>,
}

impl From<(&ServerId, &Server)> for ServerInfoView {
    fn from((id, server): (&ServerId, &Server)) -> Self {
        Self {
            id: id.to_string(),
            protocol: server.protocol.to_string(),
            base_url: server.base_url.as_str().to_owned(),
            weight: server.weight,
            polls: Word(server.polls),
            limits: server.defaults.into(),
            egress: server.egress.map(LimitsView::from),
        }
    }
}

/// What is bought on a server, with its name for users.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "description", derive(schemars::JsonSchema))]
struct ServiceView {
    id: String,
    name: String,
}

/// A server's service, and whether it is used.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "description", derive(schemars::JsonSchema))]
struct RouteView {
    server: String,
    service: String,
    switch: Word<Switch>,
}

/// The configuration as it stands; `version` counts its changes.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "description", derive(schemars::JsonSchema))]
struct SystemView {
    version: u64,
    servers: Vec<ServerInfoView>,
    services: Vec<ServiceView>,
    routes: Vec<RouteView>,
    maintenance: MaintenanceView,
}

impl From<&System> for SystemView {
    fn from(system: &System) -> Self {
        Self {
            version: system.version,
            servers: system.servers.iter().map(ServerInfoView::from).collect(),
            services: system
                .services
                .iter()
                .map(|(id, service)| ServiceView { id: id.to_string(), name: service.name.clone() })
                .collect(),
            routes: system
                .routes
                .iter()
                .map(|(route, switch)| RouteView {
                    server: route.server.to_string(),
                    service: route.service.to_string(),
                    switch: Word(*switch),
                })
                .collect(),
            maintenance: (&system.maintenance).into(),
        }
    }
}

/// A server and the weight by which it shares work.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "description", derive(schemars::JsonSchema))]
struct ShareView {
    server: String,
    weight: u32,
}

/// How a service stands: the servers that share its work, or what its users are told.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "description", derive(schemars::JsonSchema))]
struct StandingView {
    service: String,
    servers: Vec<ShareView>,
    refused: Option<MessageView>,
}

/// The named case that the switches make (`all_on`, `case1` …), and how each service stands.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "description", derive(schemars::JsonSchema))]
pub(crate) struct ExplanationView {
    version: u64,
    state: &'static str,
    maintenance: MaintenanceView,
    services: Vec<StandingView>,
}

fn name_of(switches: &Switches) -> &'static str {
    match switches {
        Switches::AllOff => "all_off",
        Switches::Unserved(_) => "unserved",
        Switches::AllOn => "all_on",
        Switches::Case1 => "case1",
        Switches::Case2 => "case2",
        Switches::Case3 => "case3",
        Switches::Case4 => "case4",
        Switches::OneServer(_) => "one_server",
        Switches::OneServerEach(_) => "one_server_each",
        _ => "mixed",
    }
}

impl From<&Explanation> for ExplanationView {
    fn from(explanation: &Explanation) -> Self {
        let standing = |(service, standing): (&ServiceId, &Standing)| {
            let (servers, refused) = match standing {
                Standing::Served(servers) => {
                    let share = |(server, weight): (&ServerId, &u32)| ShareView {
                        server: server.to_string(),
                        weight: *weight,
                    };
                    (servers.iter().map(share).collect(), None)
                }
                Standing::Refused(message) => (Vec::new(), Some(MessageView::from(message))),
            };
            StandingView { service: service.to_string(), servers, refused }
        };
        Self {
            version: explanation.version,
            state: name_of(&explanation.state.switches),
            maintenance: (&explanation.state.maintenance).into(),
            services: explanation.services.iter().map(standing).collect(),
        }
    }
}

/// What is under maintenance: everything, or these services.
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "description", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
struct AskedMaintenance {
    #[serde(default)]
    is_full: bool,
    #[serde(default)]
    services: Vec<AsText<ServiceId>>,
}

impl From<AskedMaintenance> for Maintenance {
    fn from(AskedMaintenance { is_full, services }: AskedMaintenance) -> Self {
        match (is_full, services.is_empty()) {
            (true, _) => Self::Full,
            (false, true) => Self::None,
            (false, false) => Self::Services(services.into_iter().map(|service| service.0).collect()),
        }
    }
}

/// An upstream gateway to add.
///
/// `base_url` is `https`; plain `http` is taken on loopback alone. `limits` are those of keys added without any of
/// their own, `egress` those of all calls from one address, where the server counts by address.
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "description", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
struct AskedServer {
    protocol: String,
    base_url: String,
    weight: u32,
    #[cfg_attr(feature = "description", schemars(with = "LimitsView"))]
    limits: Limits,
    #[serde(default = "free")]
    polls: Word<PollsCount>,
    #[cfg_attr(feature = "description", schemars(with = "Option<LimitsView>"))]
    egress: Option<Limits>,
}

impl AskedServer {
    fn server(self) -> Result<Server, Problem> {
        Ok(Server {
            protocol: ProtocolId::new(self.protocol)?,
            base_url: base_url(&self.base_url)?,
            weight: self.weight,
            polls: self.polls.0,
            defaults: self.limits,
            egress: self.egress,
        })
    }
}

fn free() -> Word<PollsCount> {
    Word(PollsCount::Free)
}

/// What of a server changes; what is left out stays. Its protocol stays in any case.
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "description", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
struct AskedServerChange {
    base_url: Option<String>,
    weight: Option<u32>,
    #[cfg_attr(feature = "description", schemars(with = "Option<LimitsView>"))]
    limits: Option<Limits>,
    polls: Option<Word<PollsCount>>,
    /// `lifted`: none any more.
    egress: Option<AskedEgress>,
}

/// Says that there is no limit any more; what is left out stays.
#[derive(Clone, Copy, Debug, Deserialize)]
#[cfg_attr(feature = "description", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub(crate) enum Lifted {
    Lifted,
}

/// The limits of all calls from one address, or that there are none any more.
#[derive(Debug)]
pub(crate) struct AskedEgress(EgressChange);

impl<'de> Deserialize<'de> for AskedEgress {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(EgressVisitor)
    }
}

struct EgressVisitor;

impl<'de> Visitor<'de> for EgressVisitor {
    type Value = AskedEgress;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("limits, or 'lifted'")
    }

    fn visit_str<E: de::Error>(self, word: &str) -> Result<AskedEgress, E> {
        let Lifted::Lifted = Lifted::deserialize(word.into_deserializer())?;
        Ok(AskedEgress(EgressChange::Lifted))
    }

    fn visit_map<A: MapAccess<'de>>(self, limits: A) -> Result<AskedEgress, A::Error> {
        let limits = Limits::deserialize(MapAccessDeserializer::new(limits))?;
        Ok(AskedEgress(EgressChange::To(limits)))
    }
}

impl AskedServerChange {
    fn change(self) -> Result<ServerChange, Problem> {
        Ok(ServerChange {
            base_url: self.base_url.as_deref().map(base_url).transpose()?,
            weight: self.weight,
            polls: self.polls.map(|polls| polls.0),
            defaults: self.limits,
            egress: self.egress.map(|egress| egress.0),
        })
    }
}

fn base_url(text: &str) -> Result<BaseUrl, Problem> {
    BaseUrl::new(text).map_err(|error| Problem::invalid(&error))
}

/// The configuration as it stands.
///
/// ```python
/// >>> from kingcong import KingCong
/// >>> with KingCong.open("memory:", preset="kingcong") as kc:
/// ...     [server.id for server in kc.config.get().servers]
/// ['ai33', 'ai84']
/// ```
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "description", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
struct Get {}

impl Door for Get {
    const NAME: &'static str = "config.get";
    type Answer = SystemView;

    async fn knock(self, at: &mut At<'_>) -> Result<SystemView, Problem> {
        Ok(SystemView::from(&at.kc.config().get().await?))
    }
}

/// The classification of the whole and, per service, where it is served or what the user is told.
///
/// ```python
/// >>> from kingcong import KingCong
/// >>> with KingCong.open("memory:", preset="kingcong") as kc:
/// ...     kc.config.explain().state
/// 'all_on'
/// ```
///
/// ```ts
/// import { KingCong } from 'kingcong';
///
/// await using kc = await KingCong.open('memory:', { preset: 'kingcong' });
/// console.log((await kc.config.explain()).state); // all_on
/// ```
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "description", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
struct Explain {}

impl Door for Explain {
    const NAME: &'static str = "config.explain";
    type Answer = ExplanationView;

    async fn knock(self, at: &mut At<'_>) -> Result<ExplanationView, Problem> {
        Ok(ExplanationView::from(&at.kc.config().explain().await?))
    }
}

/// Switches a route on or off.
///
/// ```python
/// >>> from kingcong import KingCong, Role, Switch
/// >>> with KingCong.open("memory:", preset="kingcong") as kc:
/// ...     kc.acting("admin-7", Role.OPERATOR).config.set_route("ai84", "minimax", Switch.OFF)
/// ...     kc.config.explain().state
/// 'mixed'
/// ```
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "description", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
struct SetRoute {
    server: String,
    service: String,
    switch: Word<Switch>,
}

impl Door for SetRoute {
    const NAME: &'static str = "config.set_route";
    const BY_PLACE: usize = 3;
    type Answer = ();

    async fn knock(self, at: &mut At<'_>) -> Result<(), Problem> {
        let Self { server, service, switch } = self;
        Ok(at.kc.config().set_route(&server, &service, switch.0).await?)
    }
}

/// Puts services under maintenance, or everything, or nothing any more.
///
/// Running calls finish, queued tasks wait, and go on when it is lifted.
///
/// ```python
/// >>> from kingcong import KingCong, Maintenance, Role
/// >>> with KingCong.open("memory:", preset="kingcong") as kc:
/// ...     kc.acting("admin-7", Role.OPERATOR).config.set_maintenance(Maintenance(is_full=True))
/// ...     kc.config.explain().services[0].refused.en
/// 'Server KingCong is under maintenance'
/// ```
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "description", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
struct SetMaintenance {
    maintenance: AskedMaintenance,
}

impl Door for SetMaintenance {
    const NAME: &'static str = "config.set_maintenance";
    const BY_PLACE: usize = 1;
    type Answer = ();

    async fn knock(self, at: &mut At<'_>) -> Result<(), Problem> {
        Ok(at.kc.config().set_maintenance(self.maintenance.into()).await?)
    }
}

/// Sets the weights that tasks are split by, such as 70 for `ai33` and 30 for `ai84`; the next task follows.
///
/// ```python
/// >>> from kingcong import KingCong, Role
/// >>> with KingCong.open("memory:", preset="kingcong") as kc:
/// ...     kc.acting("admin-7", Role.OPERATOR).config.set_weights({"ai33": 20, "ai84": 80})
/// ...     [server.weight for server in kc.config.get().servers]
/// [20, 80]
/// ```
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "description", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
struct SetWeights {
    weights: BTreeMap<String, u32>,
}

impl Door for SetWeights {
    const NAME: &'static str = "config.set_weights";
    const BY_PLACE: usize = 1;
    type Answer = ();

    async fn knock(self, at: &mut At<'_>) -> Result<(), Problem> {
        let weights: Vec<_> =
            self.weights.iter().map(|(server, weight)| (server.as_str(), *weight)).collect();
        Ok(at.kc.config().set_weights(&weights).await?)
    }
}

/// Adds a server with the services that it sells. No code is needed when it speaks a known protocol.
///
/// ```python
/// >>> from kingcong import KingCong, Limits, Role, Server, Switch
/// >>> with KingCong.open("memory:", preset="kingcong") as kc:
/// ...     third = Server("ai33", "https://third.example", 10, Limits(30, 10))
/// ...     kc.acting("admin-7", Role.OPERATOR).config.add_server("third", third, services={"minimax": Switch.ON})
/// ...     [server.id for server in kc.config.get().servers]
/// ['ai33', 'ai84', 'third']
/// ```
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "description", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
struct AddServer {
    id: String,
    server: AskedServer,
    services: BTreeMap<String, Word<Switch>>,
}

impl Door for AddServer {
    const NAME: &'static str = "config.add_server";
    const BY_PLACE: usize = 2;
    type Answer = ();

    async fn knock(self, at: &mut At<'_>) -> Result<(), Problem> {
        let Self { id, server, services } = self;
        let services: Vec<_> =
            services.iter().map(|(service, switch)| (service.as_str(), switch.0)).collect();
        Ok(at.kc.config().add_server(&id, server.server()?, &services).await?)
    }
}

/// Changes a server; what is not named stays, its protocol in any case.
///
/// A base URL with another scheme, host or port suspends the server's keys, in every process: a secret is sent to
/// nobody but whom it was registered for. Each is used again once `keys.add` got its secret again.
///
/// ```python
/// >>> from kingcong import KingCong, Role, ServerChange
/// >>> with KingCong.open("memory:", preset="kingcong") as kc:
/// ...     admin = kc.acting("admin-7", Role.OPERATOR)
/// ...     admin.config.update_server("ai84", ServerChange(base_url="https://moved.example"))
/// ...     moved = kc.config.get().servers[1]
/// ...     moved.base_url, moved.weight, moved.egress.per_minute
/// ('https://moved.example', 30, 60)
/// ```
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "description", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
struct UpdateServer {
    id: String,
    change: AskedServerChange,
}

impl Door for UpdateServer {
    const NAME: &'static str = "config.update_server";
    const BY_PLACE: usize = 2;
    type Answer = ();

    async fn knock(self, at: &mut At<'_>) -> Result<(), Problem> {
        Ok(at.kc.config().update_server(&self.id, self.change.change()?).await?)
    }
}

/// Removes a server; tasks planned on it move to others that they were admitted for. Its keys are suspended.
///
/// ```python
/// >>> from kingcong import KingCong, Role
/// >>> with KingCong.open("memory:", preset="kingcong") as kc:
/// ...     kc.acting("admin-7", Role.OPERATOR).config.remove_server("ai84")
/// ...     [server.id for server in kc.config.get().servers]
/// ['ai33']
/// ```
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "description", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
struct RemoveServer {
    id: String,
}

impl Door for RemoveServer {
    const NAME: &'static str = "config.remove_server";
    const BY_PLACE: usize = 1;
    type Answer = ();

    async fn knock(self, at: &mut At<'_>) -> Result<(), Problem> {
        Ok(at.kc.config().remove_server(&self.id).await?)
    }
}

/// Adds a service, to be sold on routes; `name` is what users read.
///
/// ```python
/// >>> from kingcong import KingCong, Role
/// >>> with KingCong.open("memory:", preset="kingcong") as kc:
/// ...     kc.acting("admin-7", Role.OPERATOR).config.add_service("openai", "OpenAI")
/// ...     [service.name for service in kc.config.get().services]
/// ['ElevenLabs', 'Minimax', 'OpenAI']
/// ```
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "description", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
struct AddService {
    id: String,
    name: String,
}

impl Door for AddService {
    const NAME: &'static str = "config.add_service";
    const BY_PLACE: usize = 2;
    type Answer = ();

    async fn knock(self, at: &mut At<'_>) -> Result<(), Problem> {
        Ok(at.kc.config().add_service(&self.id, &self.name).await?)
    }
}

/// What was changed of all that tenants share (servers, prices, packages, keys and their accounts), newest first. It is
/// the part of `reports.audit` that is of no tenant.
///
/// ```python
/// >>> from kingcong import KingCong, Role
/// >>> with KingCong.open("memory:", preset="kingcong") as kc:
/// ...     kc.acting("admin-7", Role.OPERATOR).config.set_weights({"ai33": 1})
/// ...     kc.config.history(limit=1)[0].door
/// 'config.set_weights'
/// ```
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "description", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
struct History {
    #[serde(default = "rows")]
    limit: u32,
}

impl Door for History {
    const NAME: &'static str = "config.history";
    type Answer = Vec<AuditEntryView>;

    async fn knock(self, at: &mut At<'_>) -> Result<Self::Answer, Problem> {
        Ok(all(&at.kc.config().history(self.limit).await?))
    }
}
