//! What `verify` cannot find, and why.

/// What nothing else in a database repeats.
pub(super) struct Unfindable {
    pub(super) table: &'static str,
    /// The columns, with blanks between them.
    pub(super) columns: &'static str,
    /// The states of rows that it is so in, with blanks between them; empty for all.
    pub(super) states: &'static str,
    pub(super) why: &'static str,
}

const fn unfindable(
    table: &'static str,
    columns: &'static str,
    states: &'static str,
    why: &'static str,
) -> Unfindable {
    Unfindable { table, columns, states, why }
}

const TOLD: &str = "told once and for people; no decision reads it";
const TIME: &str = "a time that only this row has; clocks may be set back, so no order tells it";
const FAIR: &str = "how far a fair order is; any value is one that the order may have had";
const ASKED: &str = "what somebody asked for or set, and nobody else repeats";
const UPSTREAM: &str = "an upstream's word, told once";
const COUNTER: &str = "a number that a counter hands out, with gaps";

/// The columns, at least in some states of a row.
pub(super) const COLUMNS: &[Unfindable] = &[
    unfindable("kingcong_credits", "created_at updated_at", "", TIME),
    unfindable("kingcong_transactions", "reference", "", ASKED),
    unfindable("kingcong_transactions", "created_at", "purchase adjustment debt_payment refund", TIME),
    unfindable(
        "kingcong_transactions",
        "idempotency",
        "purchase adjustment debt_payment refund",
        "an entry that was asked for under no key may be given that of another",
    ),
    unfindable("kingcong_config", "version", "", COUNTER),
    unfindable("kingcong_config", "updated_at", "", TIME),
    unfindable("kingcong_pricing", "id", "", COUNTER),
    unfindable("kingcong_packages", "id credits unit price price_unit label is_active", "", ASKED),
    unfindable("kingcong_api_keys", "created_at used_before", "", TIME),
    unfindable("kingcong_api_keys", "label", "", TOLD),
    unfindable("kingcong_api_keys", "revision", "", COUNTER),
    unfindable("kingcong_key_changes", "revision", "", COUNTER),
    unfindable("kingcong_api_keys", "balance checked_at", "", UPSTREAM),
    unfindable(
        "kingcong_api_keys",
        "server service tenant fingerprint account mask secret_version envelope switch phase",
        "removed",
        "the secret is wiped, and nothing is bought with the key any more",
    ),
    unfindable("kingcong_limits", "max_in_flight per_window", "account egress", ASKED),
    unfindable(
        "kingcong_limits",
        "starts cooling_until doubts turn polls_kept polls_kept_until",
        "",
        "the recent past of a limit; it is over in a minute",
    ),
    unfindable("kingcong_pools", "virtual_time sequence health", "", FAIR),
    unfindable("kingcong_flows", "pool tenant user_id finish", "", FAIR),
    unfindable("kingcong_splits", "id service carry", "", FAIR),
    unfindable("kingcong_tenants", "id name state", "", ASKED),
    unfindable("kingcong_tenants", "version", "", COUNTER),
    unfindable("kingcong_tenants", "created_at updated_at", "", TIME),
    unfindable(
        "kingcong_jobs",
        "operation",
        "open cancelled",
        "what was never tried has no attempt that repeats what is done",
    ),
    unfindable(
        "kingcong_jobs",
        "model",
        "open cancelled archived_completed archived_retried_open",
        "only attempts repeat it, and there are none, or they went into the archive",
    ),
    unfindable("kingcong_jobs", "deadline", "", ASKED),
    unfindable(
        "kingcong_tasks",
        "id",
        "ready delayed cancelled",
        "nothing names a task that was never tried",
    ),
    unfindable(
        "kingcong_tasks",
        "routes",
        "ready delayed running failed cancelled",
        "prices that were not charged",
    ),
    unfindable("kingcong_tasks", "quantities weight input_data", "", ASKED),
    unfindable(
        "kingcong_tasks",
        "routes planned cause reached tried unfit_routes doubt credits_cost completed_at refunded",
        "archived_done archived_retried_ready",
        "what its attempts and entries told went with them into the archive",
    ),
    unfindable(
        "kingcong_tasks",
        "attempts_before reached_before",
        "retried_done retried_failed archived_retried_ready",
        "how far it was at the last retry, which only this row tells",
    ),
    unfindable(
        "kingcong_tasks",
        "routes",
        "retried_done",
        "less may have been held before a retry, so the sum of its job has a bound alone",
    ),
    unfindable("kingcong_tasks", "tag", "ready", FAIR),
    unfindable("kingcong_tasks", "until", "delayed", TIME),
    unfindable(
        "kingcong_tasks",
        "only_key",
        "running done failed cancelled",
        "of a job of one task, after its end",
    ),
    unfindable(
        "kingcong_tasks",
        "cause",
        "failed cancelled delayed",
        "whether it was moved after its last try",
    ),
    unfindable("kingcong_tasks", "reached doubt", "failed running ready delayed", UPSTREAM),
    unfindable("kingcong_tasks", "error", "failed", "reasons that no attempt tells: a deadline, no route"),
    unfindable(
        "kingcong_attempts",
        "id",
        "done failed lost not_sent",
        "nothing names an attempt that has ended",
    ),
    unfindable("kingcong_attempts", "cause", "failed", "whether its task was moved before it, or after it"),
    unfindable("kingcong_attempts", "egress_limit", "done failed lost not_sent", TOLD),
    unfindable("kingcong_attempts", "leased_at", "", TIME),
    unfindable("kingcong_attempts", "ended_at", "failed lost not_sent", TIME),
    unfindable("kingcong_attempts", "upstream_id", "accepted", UPSTREAM),
    unfindable("kingcong_attempts", "unknown_until", "unknown", TIME),
    unfindable("kingcong_attempts", "failure_kind failure_code failure_message", "failed", UPSTREAM),
    unfindable("kingcong_attempts", "cost measured", "", UPSTREAM),
    unfindable("kingcong_idempotency", "payload", "", "a hash of what was asked"),
    unfindable(
        "kingcong_idempotency",
        "id answer created_at",
        "refused",
        "a refusal made nothing that would name it",
    ),
    unfindable("kingcong_outputs", "text body path", "", "the result itself"),
    unfindable(
        "kingcong_workers",
        "dead_after batch_no beat",
        "",
        "how a process lives; the next heartbeat tells",
    ),
    unfindable("kingcong_workers", "id life", "gone", "a process that is over and holds nothing"),
    unfindable("kingcong_rules", "window_length guard call_max", "", ASKED),
    unfindable("kingcong_late_answers", "attempt upstream_id cost", "", "its attempt may be archived"),
    unfindable("kingcong_data_keys", "created_at", "", TIME),
    unfindable("kingcong_audit", "id tenant actor role door target outcome detail created_at", "", TOLD),
    unfindable("kingcong_monitors", "name next_at", "", "when a duty is due next; it is due again soon"),
];

/// The tables of which a row can vanish without a trace.
pub(super) const ROWS: &[Unfindable] = &[
    unfindable("kingcong_pricing", "", "", ASKED),
    unfindable("kingcong_packages", "", "", ASKED),
    unfindable("kingcong_flows", "", "", FAIR),
    unfindable("kingcong_tenants", "", "", ASKED),
    unfindable("kingcong_splits", "", "", FAIR),
    unfindable("kingcong_attempts", "", "not_sent", "what never left is taken back"),
    unfindable("kingcong_idempotency", "", "refused", "a refusal made nothing that would name it"),
    unfindable("kingcong_workers", "", "gone", "a process that is over and holds nothing"),
    unfindable("kingcong_rules", "", "", ASKED),
    unfindable("kingcong_late_answers", "", "", "told beside an attempt that does not know of it"),
    unfindable("kingcong_audit", "", "", "its numbers have gaps where a batch was undone"),
    unfindable("kingcong_monitors", "", "", "a duty that is not there is due"),
];
