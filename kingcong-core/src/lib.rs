//! KingCong lets a backend resell AI work that it buys from several upstream servers.
//!
//! It lives inside the backend, on the backend's own database, and answers three questions as one decision, all or
//! nothing: **which server and key does this task go to, may it start now, and can the user pay for it?** Then it
//! does the work, settles the exact price, and can say afterwards why it did each thing.
//!
//! This crate is the whole of it but for two adapters: `kingcong-sqlx` keeps it on a database, `kingcong-http` speaks
//! the upstreams' protocols. In between stand the ports [`store::Store`] and [`provider::Provider`], so a host can
//! bring its own of either.
//!
//! ```
//! use kingcong_core::{KingCong, NewKey, Preset, Request, vault::{KeyBytes, StaticMasterKey}};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! // In memory, and without providers: nothing is sent. A real host adds `.store(…)` and `.providers(…)`.
//! let kc = KingCong::builder()
//!     .preset(Preset::kingcong()?)
//!     .master_key(StaticMasterKey::new(KeyBytes::new(&[7; 32])))
//!     .start()
//!     .await?;
//! kc.keys().add(NewKey::shared("ai33", "elevenlabs", "sk-a-secret-of-the-upstream")).await?;
//! kc.wallets().purchase("user-1", "package-1", "order-991").await?;
//!
//! let request = Request::speech("user-1", "Xin chào!").service("elevenlabs").voice("21m00Tcm4TlvDq8ikWAM");
//! let job = kc.submit(request).await?;
//! assert_eq!(job.status().await?.job.held.get(), 9); // 9 characters at 1 credit
//!
//! job.cancel().await?;
//! let wallet = kc.wallets().get("user-1").await?;
//! assert_eq!((wallet.balance.get(), wallet.held.get()), (1_000_000, 0));
//! assert!(kc.verify().await?.is_sound());
//! kc.close().await;
//! # Ok(())
//! # }
//! ```
//!
//! Where to go from here: [`engine`] for the doors, [`work::Request`] for what can be asked, [`store`] and [`provider`]
//! to write an adapter. The domain ([`money`], [`measure`], [`routing`], [`keys`], [`pricing`], [`ledger`], [`vault`],
//! [`usage`], [`access`], [`tenants`], [`work`]) is pure: no async, no clock, no I/O, no randomness. Below it lie small
//! words that several rooms share: [`operation`], [`label`], [`lane`], [`failure`], [`upstream`],
//! [`switch`].

pub mod access;
pub mod clock;
pub mod engine;
pub mod error;
pub mod failure;
pub mod id;
pub mod keys;
pub mod label;
pub mod lane;
pub mod ledger;
pub mod measure;
pub mod message;
pub mod money;
pub mod operation;
pub mod preset;
pub mod pricing;
pub mod provider;
pub mod routing;
pub mod store;
pub mod switch;
pub mod tenants;
pub mod upstream;
pub mod usage;
pub mod vault;
pub mod work;

pub use engine::{Builder, JobHandle, KingCong, NewKey, Settings};
pub use error::{Error, OutputError, RetryError};
pub use preset::Preset;
pub use work::Request;
