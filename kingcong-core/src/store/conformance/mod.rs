//! The laws that every store keeps, as functions that a store's own tests call.
//!
//! A [`Store`] is dumb, and yet there is much that it can do wrong: lose a row, load too few of them, read its clock
//! too early, execute a batch twice. Each [`Law`] is checked on a fresh store and the [`TestClock`] that it was opened
//! with; the check panics when the store breaks it. [`all`] checks every one:
//!
//! ```
//! use std::sync::Arc;
//!
//! use kingcong_core::store::{MemoryStore, Store, conformance};
//!
//! # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
//! conformance::all(|clock| async { Arc::new(MemoryStore::with_clock(clock)) as Arc<dyn Store> }).await;
//! # });
//! # Ok::<(), std::io::Error>(())
//! ```
//!
//! After each law everything in the store is recounted, see [`recount`]. [`fixtures`] are what laws are set up with.

mod admitting;
mod adopting;
mod auditing;
mod batches;
mod claiming;
mod configuring;
mod crediting;
pub mod fixtures;
mod keeping_keys;
mod moving;
mod racing;
mod reading;
mod recounting;
mod retrying;
mod scheduling;
mod settling;
mod stopping;
mod suspending;

use std::{fmt, future::Future, panic::AssertUnwindSafe, pin::Pin, sync::Arc};

use futures_util::FutureExt;

use self::fixtures::TestClock;
pub use self::recounting::recount;
use crate::{clock::Clock, store::Store};

/// A law's check under way.
type Check<'a> = Pin<Box<dyn Future<Output = ()> + Send + 'a>>;

/// One law.
#[derive(Clone, Copy)]
pub struct Law {
    /// What it says.
    pub name: &'static str,
    check: for<'a> fn(&'a dyn Store, &'a TestClock) -> Check<'a>,
}

impl fmt::Debug for Law {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

impl Law {
    /// Checks the law on a fresh store that runs on `clock`, and recounts the store afterwards.
    ///
    /// # Panics
    /// When the store breaks it.
    pub async fn check(&self, store: &dyn Store, clock: &TestClock) {
        (self.check)(store, clock).await;
        if store.pulse().await.is_ok() {
            recount(store).await;
        }
        store.close().await;
    }
}

macro_rules! laws {
    ($($room:ident: $($law:ident),+ $(,)?;)+) => {
        /// Every law.
        #[must_use]
        pub fn laws() -> Vec<Law> {
            vec![$($(
                Law { name: stringify!($law), check: |store, clock| Box::pin($room::$law(store, clock)) },
            )+)+]
        }
    };
}

laws! {
    batches:
        a_batch_is_executed_once,
        a_batch_out_of_turn_is_not_executed,
        an_unknown_worker_is_fenced,
        a_buried_worker_writes_nothing,
        a_batch_that_was_committed_before_its_worker_was_buried_is_known_as_such,
        registering_a_worker_again_changes_nothing,
        every_batch_is_a_heartbeat,
        how_windows_are_counted_is_kept_once,
        commands_of_a_batch_see_each_other,
        a_refused_command_does_not_hurt_its_batch,
        a_duty_is_taken_once_each_time_it_is_due,
        a_closed_store_does_nothing;
    admitting:
        an_admitted_job_is_held_for_and_queued,
        a_refused_job_leaves_nothing_but_the_refusal,
        an_idempotency_key_gives_the_same_answer_for_ever,
        an_idempotency_key_of_another_payload_is_a_conflict,
        two_commands_of_one_batch_under_one_key_are_one,
        a_plan_of_an_older_configuration_admits_nothing,
        a_full_queue_admits_nothing,
        a_hold_never_takes_what_is_not_there,
        a_wallet_in_debt_takes_no_hold,
        jobs_of_one_task_keep_the_ratio,
        each_set_of_shares_has_its_own_sequence,
        a_job_of_ten_thousand_tasks_is_like_any_other;
    suspending:
        what_is_said_of_tenants_is_kept_and_listed,
        a_suspended_tenant_orders_nothing,
        a_plan_of_an_older_tenant_admits_nothing,
        what_is_under_way_goes_on_when_its_tenant_is_suspended,
        a_tenant_is_suspended_beside_others_that_are_admitted;
    claiming:
        a_lease_joins_task_key_and_worker,
        an_attempt_tells_whose_it_is_and_what_is_bought,
        users_with_work_waiting_are_served_alike,
        a_weight_is_a_share_of_the_queue,
        keys_are_leased_least_recently_used_first,
        a_key_has_only_so_many_calls_in_flight,
        a_key_starts_only_so_many_calls_in_a_window,
        keys_of_one_account_share_its_limits,
        a_full_account_hides_no_other_key,
        keys_behind_one_address_share_its_limits,
        a_call_that_never_left_takes_up_nothing,
        a_call_given_back_late_opens_no_window,
        a_clock_that_steps_back_opens_no_window,
        a_clock_that_was_ahead_opens_no_window,
        large_limits_are_kept_too,
        a_key_with_its_own_queue_serves_it,
        an_outdated_configuration_claims_nothing,
        a_route_that_is_off_or_in_maintenance_is_paused,
        an_empty_pool_has_nothing_to_claim,
        a_poll_that_counts_takes_a_call_of_the_window,
        a_call_whose_answer_was_late_counts_from_its_answer,
        starts_leave_room_for_the_polls_that_they_need,
        a_poll_that_is_not_needed_leaves_the_room_to_starts;
    settling:
        a_result_is_stored_and_charged,
        the_route_that_did_it_sets_the_price,
        a_job_is_rounded_once_whatever_its_parts,
        a_job_is_charged_at_most_its_hold,
        an_overrun_is_taken_from_what_is_available_and_the_rest_is_owed,
        usage_that_was_not_told_is_charged_at_the_bound,
        what_a_job_costs_at_most_is_the_same_in_any_order,
        a_cloned_voice_belongs_to_its_user,
        an_attempt_is_settled_once,
        an_attempt_is_accepted_once,
        a_wrong_request_fails_and_punishes_nobody,
        a_key_that_fails_leaves_its_pool_until_it_is_checked,
        what_keys_may_not_do_punishes_none_of_them,
        a_key_in_doubt_rests_longer_each_time_and_is_tried_with_one_call,
        a_task_does_not_spend_its_tries_on_keys_in_doubt,
        a_route_is_left_alone_as_long_as_it_asks,
        what_may_have_been_done_is_tried_once_more_at_most,
        a_rate_limit_cools_what_it_is_of,
        a_cooling_limit_keeps_its_latest_deadline,
        a_hint_to_wait_is_capped,
        a_busy_route_is_left_for_another,
        a_task_comes_back_to_a_route_that_works,
        a_busy_route_without_another_is_tried_again_later,
        a_route_that_keeps_being_busy_cools_and_lets_one_call_probe,
        three_attempts_that_reached_an_upstream_are_enough,
        refusals_that_prove_nothing_was_done_do_not_count,
        keys_that_were_tried_come_last,
        unsupported_work_goes_to_another_route_or_fails,
        a_lost_answer_keeps_its_slot_until_the_upstream_must_have_ended,
        a_lost_answer_is_retried_once_and_recorded,
        a_lost_answer_fails_by_setting,
        an_unknown_failure_is_no_licence_to_send_again_and_again,
        a_late_answer_moves_no_money;
    stopping:
        a_cancelled_job_ends_what_waits_and_charges_what_ran,
        a_task_of_a_cancelled_job_is_not_queued_again,
        a_job_past_its_deadline_fails_what_waits,
        maintenance_gives_a_job_more_time,
        a_job_that_is_over_stays_as_it_is,
        cancelling_costs_no_turn,
        what_waits_behind_a_cancelled_order_moves_up,
        what_was_promoted_behind_a_later_order_moves_up_when_that_is_cancelled,
        what_was_tried_elsewhere_leaves_no_gap_when_it_is_cancelled,
        cancelling_wins_no_turn;
    retrying:
        failed_tasks_are_tried_again_and_the_others_are_not,
        a_retry_is_made_once,
        only_a_job_that_ended_with_failed_tasks_is_retried,
        a_retry_never_holds_what_is_not_there,
        a_retry_needs_a_route_a_key_and_a_price_and_costs_what_was_quoted,
        a_job_is_retried_only_so_often,
        what_may_have_been_done_is_retried_by_setting,
        a_retried_task_has_every_route_and_all_its_attempts_again,
        a_full_queue_retries_nothing,
        a_retried_job_ends_like_any_other,
        a_retried_task_that_is_cancelled_costs_no_turn,
        what_was_charged_beyond_the_hold_is_not_held_again,
        a_task_is_retried_in_the_batch_that_fails_it;
    scheduling:
        a_scheduled_job_is_held_for_and_waits_for_its_instant,
        an_instant_that_has_passed_is_now,
        scheduled_tasks_wait_their_turn,
        a_scheduled_job_is_cancelled_as_a_whole;
    moving:
        a_delayed_task_waits_for_its_instant,
        tasks_move_off_a_pool_in_the_ratio_of_the_weights,
        tasks_move_only_to_routes_that_they_were_admitted_for,
        moved_tasks_wait_their_turn;
    adopting:
        a_worker_that_beats_is_not_adopted_from,
        a_dead_workers_attempts_are_taken_over,
        attempts_are_taken_over_in_parts,
        adoptions_of_one_batch_forget_nothing,
        an_attempt_is_taken_over_by_one,
        a_probe_of_a_dead_worker_does_not_close_its_route;
    crediting:
        a_purchase_adds_what_was_bought,
        a_purchase_is_made_once,
        a_package_of_an_older_configuration_is_not_sold,
        credits_pay_debt_first,
        what_a_hold_releases_pays_debt,
        a_refund_is_at_most_what_was_charged,
        a_refund_goes_to_the_wallet_that_paid,
        a_correction_goes_both_ways,
        figures_that_do_not_fit_are_refused,
        every_movement_is_audited_and_no_refusal,
        a_large_wallet_is_added_up_once;
    auditing:
        every_column_of_the_audit_is_read_as_it_was_written,
        audit_rows_are_found_by_scope;
    configuring:
        a_preset_is_for_an_empty_store,
        a_price_to_come_is_in_force_from_its_instant_on,
        a_change_against_an_older_version_is_refused,
        changes_add_up_and_are_audited,
        an_illegal_change_changes_nothing,
        a_configuration_is_read_when_it_changed;
    keeping_keys:
        a_registered_key_serves_its_pool,
        only_keys_that_changed_are_told,
        leases_and_checks_are_no_changes_of_keys,
        a_secret_is_registered_once_per_route,
        a_key_of_an_unknown_route_is_refused,
        a_switched_off_key_serves_nothing,
        a_removed_key_is_gone_for_good,
        new_limits_hold_from_the_next_claim_on,
        a_check_never_overrides_the_switch,
        a_known_account_keeps_its_limits_and_its_state,
        new_limits_of_an_account_hold_from_the_next_claim_on,
        keys_stay_behind_when_their_server_moves,
        a_suspended_key_is_registered_again_as_it_was,
        a_secret_that_does_not_open_is_not_a_dead_key,
        a_data_key_is_stored_once_per_version,
        no_data_key_is_made_in_place_of_a_lost_one;
    reading:
        rows_read_back_as_they_were_written,
        jobs_are_found_by_user_and_state,
        what_lies_outside_of_a_scope_is_not_found,
        wallets_are_listed_by_scope_unit_and_debt,
        results_are_read_in_parts,
        attempts_are_found_by_job_key_route_and_failure,
        attempts_are_found_by_scope_and_time,
        long_lists_are_read_in_pages,
        what_is_not_there_is_not_found,
        the_pulse_tells_what_waits;
    racing:
        concurrent_jobs_never_overdraw,
        concurrent_first_credits_of_a_wallet_are_all_booked,
        concurrent_first_orders_are_all_admitted,
        concurrent_claims_keep_every_limit,
        concurrent_submits_under_one_key_are_one_job,
        concurrent_retries_of_a_job_are_one,
        the_last_two_tasks_end_their_job_once,
        concurrent_changes_of_the_configuration_are_ordered,
        concurrent_registrations_of_one_secret_are_one_key,
        concurrent_changes_of_keys_are_all_told,
        concurrent_splits_keep_the_ratio,
        a_duty_has_one_taker,
        a_dead_worker_has_one_undertaker;
}

/// Checks every law, each on a fresh store that `open` opens on the clock that it is given.
///
/// # Panics
/// When the store breaks laws, with their names; why stands in the panics before.
pub async fn all<O, F>(open: O)
where
    O: Fn(Arc<dyn Clock>) -> F,
    F: Future<Output = Arc<dyn Store>>,
{
    let mut broken = Vec::new();
    for law in laws() {
        let clock = Arc::new(TestClock::default());
        let check = async {
            let store = open(Arc::clone(&clock) as Arc<dyn Clock>).await;
            law.check(&*store, &clock).await;
        };
        if AssertUnwindSafe(check).catch_unwind().await.is_err() {
            broken.push(law.name);
        }
    }
    assert!(broken.is_empty(), "the store breaks {} laws: {}", broken.len(), broken.join(", "));
}
