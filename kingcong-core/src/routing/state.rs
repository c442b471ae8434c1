//! The state of the whole, for people to read: which of the named cases the switches make, and what each service
//! says. Nothing is decided from it; work goes by [`System::eligible`] alone.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::{Maintenance, System};
use crate::{
    id::{Route, ServerId, ServiceId},
    message::Message,
    switch::Switch,
};

/// The state of the whole.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    /// What the switches make.
    pub switches: Switches,
    /// What is under maintenance, whatever the switches say.
    pub maintenance: Maintenance,
}

/// What the switches of all routes make together. Each combination is exactly one of these: the first that fits,
/// in this order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Switches {
    /// No route is on.
    AllOff,
    /// These services have no server; the others have one.
    Unserved(BTreeSet<ServiceId>),
    /// Every route is on: the servers share every service by their weights.
    AllOn,
    /// AI33 serves ElevenLabs and MiniMax, AI84 nothing.
    Case1,
    /// AI84 serves ElevenLabs and MiniMax, AI33 nothing.
    Case2,
    /// AI33 serves MiniMax, AI84 ElevenLabs.
    Case3,
    /// AI33 serves ElevenLabs, AI84 MiniMax.
    Case4,
    /// This server serves every service alone.
    OneServer(ServerId),
    /// Every service has exactly one server, not all the same.
    OneServerEach(BTreeMap<ServiceId, ServerId>),
    /// Every service has a server and some have several, but not every route is on.
    Mixed,
}

/// How the whole stands, and each service in it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Explanation {
    /// The configuration that is explained.
    pub version: u64,
    /// The state of the whole.
    pub state: State,
    /// How each service stands.
    pub services: BTreeMap<ServiceId, Standing>,
}

/// How a service stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// These servers share its work by these weights.
    Served(BTreeMap<ServerId, u32>),
    /// It takes no work; a user is told this.
    Refused(Message),
}

impl System {
    /// The state of the whole.
    #[must_use]
    pub fn classify(&self) -> State {
        State { switches: self.switches(), maintenance: self.maintenance.clone() }
    }

    /// The state of the whole, and for each service its servers or what a user is told.
    #[must_use]
    pub fn explain(&self) -> Explanation {
        let standing = |service: &ServiceId| match self.eligible(service) {
            Ok(servers) => Standing::Served(servers),
            Err(unavailable) => Standing::Refused(self.message(&unavailable)),
        };
        Explanation {
            version: self.version,
            state: self.classify(),
            services: self.services.keys().map(|service| (service.clone(), standing(service))).collect(),
        }
    }

    fn switches(&self) -> Switches {
        let on: BTreeSet<&Route> =
            self.routes.iter().filter(|(_, switch)| **switch == Switch::On).map(|(route, _)| route).collect();
        if on.is_empty() {
            return Switches::AllOff;
        }
        let served: BTreeSet<&ServiceId> = on.iter().map(|route| &route.service).collect();
        let unserved: BTreeSet<ServiceId> =
            self.services.keys().filter(|service| !served.contains(service)).cloned().collect();
        if !unserved.is_empty() {
            return Switches::Unserved(unserved);
        }
        if on.len() == self.routes.len() {
            return Switches::AllOn;
        }
        if let Some(case) = named_case(&on) {
            return case;
        }
        if on.len() > served.len() {
            return Switches::Mixed;
        }
        let servers: BTreeSet<&ServerId> = on.iter().map(|route| &route.server).collect();
        match servers.first() {
            Some(&server) if servers.len() == 1 => Switches::OneServer(server.clone()),
            _ => Switches::OneServerEach(
                on.iter().map(|route| (route.service.clone(), route.server.clone())).collect(),
            ),
        }
    }
}

/// The named case in which exactly these routes are on.
fn named_case(on: &BTreeSet<&Route>) -> Option<Switches> {
    let names: Vec<(&str, &str)> =
        on.iter().map(|route| (route.server.as_str(), route.service.as_str())).collect();
    match names[..] {
        [("ai33", "elevenlabs"), ("ai33", "minimax")] => Some(Switches::Case1),
        [("ai84", "elevenlabs"), ("ai84", "minimax")] => Some(Switches::Case2),
        [("ai33", "minimax"), ("ai84", "elevenlabs")] => Some(Switches::Case3),
        [("ai33", "elevenlabs"), ("ai84", "minimax")] => Some(Switches::Case4),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        message::Language,
        preset::kingcong,
        routing::{Server, Service, SystemCommand},
    };

    fn server(id: &str) -> ServerId {
        ServerId::new(id).unwrap()
    }

    fn service(id: &str) -> ServiceId {
        ServiceId::new(id).unwrap()
    }

    fn unserved(services: &[&str]) -> Switches {
        Switches::Unserved(services.iter().map(|id| service(id)).collect())
    }

    fn applied(system: &System, commands: &[SystemCommand]) -> System {
        commands.iter().fold(system.clone(), |system, command| system.apply(command).unwrap())
    }

    fn set_route(server_id: &str, service_id: &str, switch: Switch) -> SystemCommand {
        SystemCommand::SetRoute { route: Route::new(server(server_id), service(service_id)), switch }
    }

    fn maintenance_of(id: &str) -> Maintenance {
        Maintenance::Services(BTreeSet::from([service(id)]))
    }

    fn add_server(id: &str, services: &[&str]) -> SystemCommand {
        let like: Server = kingcong::system().servers[&server("ai33")].clone();
        let services = services.iter().map(|id| (service(id), Switch::On)).collect();
        SystemCommand::AddServer { id: server(id), server: like, services }
    }

    fn add_service(id: &str) -> SystemCommand {
        SystemCommand::AddService { id: service(id), service: Service { name: id.to_uppercase() } }
    }

    /// What a service says, as text: its servers with their weights, or the user's message.
    fn standing(explanation: &Explanation, id: &str) -> String {
        match &explanation.services[&service(id)] {
            Standing::Served(servers) => {
                let servers: Vec<_> = servers.iter().map(|(id, weight)| format!("{id}:{weight}")).collect();
                servers.join(" ")
            }
            Standing::Refused(message) => message.text(Language::Vietnamese),
        }
    }

    #[test]
    fn every_state_has_its_class_and_every_service_its_servers_or_message() {
        let (both, ai33, ai84) = ("ai33:70 ai84:30", "ai33:70", "ai84:30");
        let (el_none, mx_none) = ("ElevenLabs hiện không khả dụng", "Minimax hiện không khả dụng");
        let (el_down, mx_down) = ("ElevenLabs đang bảo trì", "Minimax đang bảo trì");
        let down = "Server KingCong đang bảo trì";
        // AI33 ElevenLabs, AI33 MiniMax, AI84 ElevenLabs, AI84 MiniMax; class; ElevenLabs and MiniMax when
        // nothing is under maintenance.
        let table = [
            ("0000", Switches::AllOff, el_none, mx_none),
            ("0001", unserved(&["elevenlabs"]), el_none, ai84),
            ("0010", unserved(&["minimax"]), ai84, mx_none),
            ("0011", Switches::Case2, ai84, ai84),
            ("0100", unserved(&["elevenlabs"]), el_none, ai33),
            ("0101", unserved(&["elevenlabs"]), el_none, both),
            ("0110", Switches::Case3, ai84, ai33),
            ("0111", Switches::Mixed, ai84, both),
            ("1000", unserved(&["minimax"]), ai33, mx_none),
            ("1001", Switches::Case4, ai33, ai84),
            ("1010", unserved(&["minimax"]), both, mx_none),
            ("1011", Switches::Mixed, both, ai84),
            ("1100", Switches::Case1, ai33, ai33),
            ("1101", Switches::Mixed, ai33, both),
            ("1110", Switches::Mixed, both, ai33),
            ("1111", Switches::AllOn, both, both),
        ];
        let mut states = 0;
        for (toggles, switches, el, mx) in table {
            let toggle = |i: usize| if &toggles[i..=i] == "1" { Switch::On } else { Switch::Off };
            for (maintenance, el, mx) in [
                (Maintenance::None, el, mx),
                (maintenance_of("elevenlabs"), el_down, mx),
                (maintenance_of("minimax"), el, mx_down),
                (Maintenance::Full, down, down),
            ] {
                let system = applied(
                    &kingcong::system(),
                    &[
                        set_route("ai33", "elevenlabs", toggle(0)),
                        set_route("ai33", "minimax", toggle(1)),
                        set_route("ai84", "elevenlabs", toggle(2)),
                        set_route("ai84", "minimax", toggle(3)),
                        SystemCommand::SetMaintenance(maintenance.clone()),
                    ],
                );
                let explanation = system.explain();
                let state = State { switches: switches.clone(), maintenance };
                assert_eq!(explanation.state, state, "{toggles}");
                assert_eq!(standing(&explanation, "elevenlabs"), el, "{toggles} {state:?}");
                assert_eq!(standing(&explanation, "minimax"), mx, "{toggles} {state:?}");
                states += 1;
            }
        }
        assert_eq!(states, 64);
    }

    #[test]
    fn systems_with_other_servers_and_services_have_a_class_too() {
        let third_server = applied(&kingcong::system(), &[add_server("ai99", &["elevenlabs", "minimax"])]);
        assert_eq!(third_server.classify().switches, Switches::AllOn);

        let old_off = ["ai33", "ai84"].map(|id| set_route(id, "elevenlabs", Switch::Off));
        let elevenlabs_moved = applied(&third_server, &old_off);
        assert_eq!(elevenlabs_moved.classify().switches, Switches::Mixed);

        let ai33_and_ai99 = applied(
            &elevenlabs_moved,
            &[set_route("ai84", "minimax", Switch::Off), set_route("ai99", "minimax", Switch::Off)],
        );
        assert_eq!(
            ai33_and_ai99.classify().switches,
            Switches::OneServerEach(BTreeMap::from([
                (service("elevenlabs"), server("ai99")),
                (service("minimax"), server("ai33")),
            ]))
        );

        let ai99_alone = applied(
            &elevenlabs_moved,
            &[set_route("ai33", "minimax", Switch::Off), set_route("ai84", "minimax", Switch::Off)],
        );
        assert_eq!(ai99_alone.classify().switches, Switches::OneServer(server("ai99")));

        let third_service = applied(&kingcong::system(), &[add_service("openai")]);
        assert_eq!(third_service.classify().switches, unserved(&["openai"]));
        // A server need not sell everything for everything to be on.
        let sold = applied(&third_service, &[add_server("ai99", &["openai"])]);
        assert_eq!(sold.classify().switches, Switches::AllOn);

        assert_eq!(System::default().classify().switches, Switches::AllOff);
    }

    #[test]
    fn a_third_server_that_is_off_leaves_the_named_cases_their_names() {
        let system = applied(
            &kingcong::system(),
            &[
                add_server("ai99", &["elevenlabs"]),
                set_route("ai99", "elevenlabs", Switch::Off),
                set_route("ai84", "elevenlabs", Switch::Off),
                set_route("ai84", "minimax", Switch::Off),
            ],
        );
        assert_eq!(system.classify().switches, Switches::Case1);
    }

    #[test]
    fn an_explanation_is_plain_data() {
        let json = serde_json::to_value(kingcong::system().explain()).unwrap();
        assert_eq!(
            json,
            serde_json::json!({
                "version": 1,
                "state": {"switches": "all_on", "maintenance": "none"},
                "services": {
                    "elevenlabs": {"served": {"ai33": 70, "ai84": 30}},
                    "minimax": {"served": {"ai33": 70, "ai84": 30}},
                },
            })
        );
    }
}
