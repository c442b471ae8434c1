//! Deterministic simulation: engines on virtual time, over one in-memory store and scripted upstreams, with chance and
//! trouble from a seed.
//!
//! A seed decides how many processes and users there are, what users order, and what goes wrong: connections that
//! fail before or after a commit, answers that are lost, processes that are killed or sleep for too long, keys that
//! die, administrators who change everything. [`simulate`] plays it within milliseconds, and gives what rules were
//! broken. The same seed is the same run, event for event, so a failing one can be looked at.
//!
//! | file | what it plays |
//! |---|---|
//! | `plan.rs` | what a seed does |
//! | `scenario.rs` | users, administrators, disasters, and the end |
//! | `process.rs` | a process's life and clock |
//! | `store.rs` | connections to the one store |
//! | `upstream.rs` | the upstreams, which count for themselves |
//! | `books.rs` | an independent account, and the rules that are checked |

mod books;
mod plan;
mod process;
mod scenario;
mod stage;
mod store;
mod upstream;

use std::{cell::RefCell, sync::Arc, sync::Once};

use self::{plan::Plan, scenario::Scenario, stage::Stage};
use crate::dice::Dice;

pub use stage::Narration;

/// What came of a seed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Simulated {
    /// The seed.
    pub seed: u64,
    /// The hash of all events with their instants: the same for every run of the seed.
    pub hash: u64,
    /// How many events there were.
    pub events: u64,
    /// How long it took, in virtual milliseconds.
    pub virtual_ms: u64,
    /// What rules were broken; none when all is well.
    pub failures: Vec<String>,
}

/// Plays a seed.
///
/// # Panics
/// When the machine has no resources for a runtime.
#[must_use]
pub fn simulate(seed: u64, narration: Narration) -> Simulated {
    let panics = Panics::watch();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime without threads and files can be had");
    let mut simulated = runtime.block_on(async {
        let stage = Arc::new(Stage::new(Plan::of(seed), Dice::new(seed), narration));
        Scenario::new(&stage).play().await;
        Simulated {
            seed,
            hash: stage.hash(),
            events: stage.events(),
            virtual_ms: stage.ms(),
            failures: stage.failures(),
        }
    });
    drop(runtime);
    simulated.failures.extend(panics.found());
    simulated
}

thread_local! {
    static PANICS: RefCell<Option<Vec<String>>> = const { RefCell::new(None) };
}

/// The panics of this thread while a seed is played: tokio keeps those of tasks for itself.
struct Panics;

impl Panics {
    fn watch() -> Self {
        static HOOK: Once = Once::new();
        HOOK.call_once(|| {
            let before = std::panic::take_hook();
            std::panic::set_hook(Box::new(move |info| {
                let watched = PANICS.with_borrow_mut(|panics| {
                    panics.as_mut().map(|panics| panics.push(format!("panicked: {info}"))).is_some()
                });
                if !watched {
                    before(info);
                }
            }));
        });
        PANICS.set(Some(Vec::new()));
        Self
    }

    fn found(self) -> Vec<String> {
        PANICS.take().unwrap_or_default()
    }
}
