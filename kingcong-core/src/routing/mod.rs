//! Which server a task goes to.
//!
//! A [`System`] is the configuration: servers, services, the routes between them and what is under maintenance.
//! It changes by [`SystemCommand`]s only, and says for each service which servers are eligible. A [`Split`] then
//! deals the tasks out to the eligible servers by their weights. [`State`] sums the whole up for people; no
//! decision is made from it.

mod split;
mod state;
mod system;

pub use split::{InvalidCarry, Split, SplitId};
pub use state::{Explanation, Standing, State, Switches};
pub use system::{
    BASE_URL_BYTES_MAX, BaseUrl, EgressChange, InvalidBaseUrl, Maintenance, Origin, SERVERS_MAX,
    SERVICE_NAME_BYTES_MAX, SERVICES_MAX, Server, ServerChange, Service, System, SystemCommand, SystemError,
    Unavailable, WEIGHT_MAX,
};
