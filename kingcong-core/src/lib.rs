//! KingCong lets a backend resell AI work that it buys from several upstream servers.
//!
//! It answers three questions as one decision, all or nothing: which server and key a task goes to, whether
//! it may start now, and whether the user can pay for it.

pub mod clock;
pub mod error;
pub mod id;
pub mod keys;
pub mod ledger;
pub mod message;
pub mod money;
pub mod pricing;
pub mod provider;
pub mod routing;
pub mod store;
pub mod usage;
pub mod vault;
pub mod work;
