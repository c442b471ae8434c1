//! Keys: upstream credentials, the limits that their calls must pass, and the pools that tasks queue for.
//!
//! A call passes every limit on its chain: its key's, its account's (keys of one upstream account share one) and
//! its server's as seen from our address. The state of a limit lives in its row: calls in flight, the calls of
//! the last window, and until when it cools. [`Chain`] decides over locked rows whether a call may start, and whether
//! a poll may be made that the upstream counts.

mod account;
mod key;
mod limit;
mod pool;
mod window;

pub use account::Account;
pub use key::{Key, KeyStatus, KeyWithLimits, Verdict};
pub use limit::{Chain, Level, Limit, Limits, LimitsChange, PollNeed, PollsCount, Rules};
pub use pool::{Flow, Passage, Place, Pool, PoolId, RouteHealth, TAG_STEP};
pub use window::{BUCKET_MICROS, Counted, EXACT_STARTS_MAX, InvalidWindow, Window};
