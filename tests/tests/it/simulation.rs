//! A few seeds of the deterministic simulation; `cargo xtask simulate` plays thousands.

use kingcong_tests::simulation::{Narration, Simulated, simulate};

fn failures_of(seeds: impl IntoIterator<Item = u64>) -> Vec<Simulated> {
    let played = seeds.into_iter().map(|seed| simulate(seed, Narration::Hashed));
    played.filter(|simulated| !simulated.failures.is_empty()).collect()
}

#[test]
fn no_seed_breaks_a_rule() {
    assert_eq!(failures_of(0..40), []);
}

#[test]
fn seeds_that_once_broke_a_rule_keep_them_all() {
    assert_eq!(failures_of([69, 108, 122, 131]), []);
}

#[test]
fn a_seed_is_the_same_run_event_for_event() {
    for seed in [0, 7, 21, 34] {
        let first = simulate(seed, Narration::Hashed);
        assert!(first.events > 100, "{first:?}");
        assert_eq!(simulate(seed, Narration::Hashed), first);
    }
}
