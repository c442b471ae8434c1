//! The doors of the library as data, for the faces in other languages.
//!
//! A face is thin: it turns what its language calls a door with into JSON, [knocks](Library::knock), and turns the
//! answer into its own types. So every language has the same doors, takes and gives the same fields, and fails in the
//! same ways; what is checked here is checked for all of them.
//!
//! Rooms: [`library`](self) opens and knocks, `caller` is who knocks, `door` what a door is and the list of all. The
//! doors stand in the rooms of their groups (`root`, `job`, `wallets`, `packages`, `prices`, `config`, `keys`,
//! `voices`, `reports`, `tenants`), each with what it takes, what it answers and how. They are made of what `answer`,
//! `asked`, `kinds` and `words` have. `description` says of all of them what `cargo xtask faces` writes the types of
//! faces from. `problem` is what goes wrong, and `host` lets the host's own functions be a provider or the master
//! key.
//!
//! Amounts are JSON numbers where the unit has whole steps only and fit 2^53, and decimal texts otherwise; instants are
//! microseconds since 1970; ids are texts.
//!
//! ```
//! use kingcong_doors::{Library, Names, OpenOptions};
//!
//! # tokio::runtime::Runtime::new()?.block_on(async {
//! let opening = r#"{"url": "memory:", "preset": "kingcong", "master_key": {"random": null}}"#;
//! let opening = OpenOptions::from_json(opening, Names::Python)?;
//! let library = Library::open(opening, Vec::new(), None).await?;
//! let bought = r#"{"door": "wallets.purchase", "with": {"user": "u", "package": "package-1", "order": "o-1"}}"#;
//! let told = r#"{"amount":1000000,"became_debt":0,"paid_debt":0,"balance_after":1000000}"#;
//! assert_eq!(library.knock(bought, None, None).await?.json, told);
//! library.close().await;
//! # Ok::<(), kingcong_doors::Problem>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod answer;
mod asked;
mod caller;
mod config;
#[cfg(feature = "description")]
mod description;
mod door;
mod host;
mod job;
mod keys;
mod kinds;
mod library;
mod opening;
mod packages;
mod prices;
mod problem;
mod reading;
mod reports;
mod root;
mod tenants;
mod voices;
mod wallets;
mod words;

#[cfg(feature = "description")]
pub use description::description;
pub use host::{
    HostCall, HostCalls, HostFailure, HostKeys, HostMasterKey, HostOffer, HostProvider, HostReply, KeyStep,
    scrubbed,
};
pub use library::{AT_ONCE_BYTES_MAX, Answer, Library};
pub use opening::{MasterKeySource, OpenOptions, PresetName};
pub use problem::{Code, Problem, ProblemDetail};
pub use reading::Names;
