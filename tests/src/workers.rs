//! Worker processes that tests kill: how they open the library, and the requests that they all make.
//!
//! Every request is a function of its number and has an idempotency key, so any process may make it again at any time.

use std::{collections::BTreeMap, error::Error, num::NonZeroU16, path::PathBuf, sync::Arc, time::Duration};

use kingcong_core::{
    Error as Refused, KingCong, NewKey, Preset, Request, Settings,
    keys::Rules,
    routing::{BaseUrl, Limits, System},
    store::Store,
    vault::StaticMasterKey,
    work::{Cut, Text},
};
use kingcong_http::Upstreams;
use kingcong_sqlx::SqlStore;
use serde::{Deserialize, Serialize};

/// Who asks.
pub const USER: &str = "user-1";
/// Tasks of a request.
pub const TASKS: NonZeroU16 = NonZeroU16::new(5).expect("5 is not zero");
/// The window that starts are counted in, by the library and by the simulated servers.
pub const WINDOW: Duration = Duration::from_secs(3);

const SERVICE: &str = "elevenlabs";

/// What a worker process is told.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Orders {
    /// The database's URL.
    pub database: String,
    /// The master key's file.
    pub master_key: PathBuf,
    /// The servers, by name.
    pub servers: BTreeMap<String, ServerOrders>,
    /// It makes the requests with numbers below this.
    pub requests: u32,
}

/// A server that is worked with.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ServerOrders {
    /// Where it is.
    pub url: String,
    /// The keys for it.
    pub keys: Vec<String>,
}

/// Settings under which everything goes fast enough to be killed often: what takes minutes in life takes seconds.
#[must_use]
pub fn settings() -> Settings {
    Settings {
        rules: Rules {
            window: WINDOW,
            // Room for a machine so busy that a call reaches the upstream late.
            guard: Duration::from_secs(2),
            call_max: Duration::from_secs(4),
        },
        dead_after: Duration::from_secs(2),
        poll_interval: Duration::from_millis(100),
        pulse_interval: Duration::from_millis(100),
        drain: Duration::from_secs(5),
        ..Settings::default()
    }
}

/// Opens the store, and the library on it; registers the keys that are not yet.
///
/// # Errors
/// When the database or the library cannot be opened.
pub async fn open(orders: &Orders) -> Result<(KingCong, Arc<dyn Store>), Box<dyn Error>> {
    let store: Arc<dyn Store> = Arc::new(SqlStore::connect(&orders.database).await?);
    let mut preset = Preset::kingcong()?;
    let system = &mut preset.configuration().system;
    for (name, server) in &orders.servers {
        let known = system.servers.values_mut().find(|known| known.protocol.as_str() == name);
        known.ok_or("no server of that name")?.base_url = BaseUrl::new(&server.url)?;
    }
    let kc = KingCong::builder()
        .shared_store(Arc::clone(&store))
        .providers(Upstreams::all()?)
        .preset(preset)
        .master_key(StaticMasterKey::from_file(&orders.master_key)?)
        .settings(settings())
        .start()
        .await?;
    for (name, server) in &orders.servers {
        for key in &server.keys {
            match kc.keys().add(NewKey::shared(name, SERVICE, key)).await {
                Ok(_) | Err(Refused::DuplicateKey { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
    Ok((kc, store))
}

/// The request of that number.
#[must_use]
pub fn request(number: u32) -> Request {
    Request::speech(USER, text(number))
        .service(SERVICE)
        .voice("21m00Tcm4TlvDq8ikWAM")
        .pieces(TASKS)
        .idempotency_key(format!("request-{number}"))
}

/// The texts of its tasks, in order; no other request has any of them.
#[must_use]
pub fn task_texts(number: u32) -> Vec<String> {
    let text = Text::new(text(number)).expect("the text is worth speaking");
    let cut = Cut::Pieces { count: TASKS, at_most: settings().task_characters_max };
    let pieces = text.cut(cut).expect("the text is long enough");
    pieces.iter().map(|piece| piece.as_str().to_owned()).collect()
}

fn text(number: u32) -> String {
    (1..=TASKS.get()).map(|task| format!("Đây là câu {task} của yêu cầu {number}. ")).collect()
}

/// The limits that the preset gives to a server's keys.
#[must_use]
pub fn key_limits(server: &str) -> Limits {
    let system = System::kingcong();
    let known = system.servers.iter().find(|(id, _)| id.as_str() == server);
    known.map(|(_, server)| server.defaults).expect("the preset has the server")
}
