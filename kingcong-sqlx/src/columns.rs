//! The columns that this release uses, and the check that a database which is opened has them.
//!
//! Whoever alters a table by hand is told so at once, and not by a batch that fails some day.

use crate::ConnectError;

/// What a column holds. Every database has its own names for these.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Int,
    Id,
    Bytes,
    Text,
}

/// A table's columns by what they hold, apart from those that the database computes.
struct Columns {
    table: &'static str,
    ids: &'static str,
    ints: &'static str,
    texts: &'static str,
    bytes: &'static str,
}

const COLUMNS: [Columns; 25] = [
    Columns {
        table: "kingcong_credits",
        ids: "id",
        ints: "created_at balance held debt total_purchased total_spent total_refunded last_entry \
               updated_at",
        texts: "tenant user_id unit",
        bytes: "",
    },
    Columns {
        table: "kingcong_transactions",
        ids: "wallet task_id",
        ints: "number amount balance_after debt_change debt_after created_at",
        texts: "type server service reference user_id",
        bytes: "idempotency",
    },
    Columns {
        table: "kingcong_openings",
        ids: "wallet",
        ints: "number balance debt purchased spent refunded",
        texts: "",
        bytes: "",
    },
    Columns {
        table: "kingcong_config",
        ids: "",
        ints: "id version updated_at ai33_elevenlabs_active ai33_minimax_active ai84_elevenlabs_active \
               ai84_minimax_active task_split_ratio_ai33 task_split_ratio_ai84",
        texts: "document maintenance_mode",
        bytes: "",
    },
    Columns {
        table: "kingcong_pricing",
        ids: "",
        ints: "version in_force is_active updated_at",
        texts: "server service_type operation model document service_name credits_per_character \
               credits_per_second",
        bytes: "",
    },
    Columns {
        table: "kingcong_packages",
        ids: "",
        ints: "credits price is_active",
        texts: "id unit price_unit label",
        bytes: "",
    },
    Columns {
        table: "kingcong_api_keys",
        ids: "id",
        ints: "created_at used_before secret_version needed balance checked_at current_usage max_threads \
               rate_limit_per_min last_used",
        texts: "server service tenant account label mask switch phase reason",
        bytes: "fingerprint envelope",
    },
    Columns {
        table: "kingcong_limits",
        ids: "id account pool",
        ints: "max_in_flight per_window in_flight polls_kept polls_kept_until cooling_until doubts turn",
        texts: "level starts",
        bytes: "",
    },
    Columns {
        table: "kingcong_pools",
        ids: "id only_key",
        ints: "virtual_time sequence waiting",
        texts: "server service health",
        bytes: "",
    },
    Columns { table: "kingcong_flows", ids: "pool", ints: "finish", texts: "tenant user_id", bytes: "" },
    Columns { table: "kingcong_splits", ids: "id", ints: "", texts: "service carry", bytes: "" },
    Columns {
        table: "kingcong_tenants",
        ids: "",
        ints: "created_at version updated_at",
        texts: "id name state",
        bytes: "",
    },
    Columns {
        table: "kingcong_jobs",
        ids: "id wallet hold",
        ints: "tasks total_den created_at held retries open_tasks failed_tasks charged deadline finished_at \
               archived_attempts",
        texts: "tenant user_id operation service model unit state layout total_sum total_overrun",
        bytes: "idempotency retried_under",
    },
    Columns {
        table: "kingcong_tasks",
        ids: "id job only_key pool attempt",
        ints: "place characters weight created_at tag until planned reached attempts reached_before \
               attempts_before unfit_routes credits_cost refunded completed_at",
        texts: "tenant user_id routes state error cause doubt input_data",
        bytes: "tried",
    },
    Columns {
        table: "kingcong_attempts",
        ids: "id task_id job api_key_id account_limit egress_limit open_worker",
        ints: "leased_at unknown_until ended_at cost charged over_hold",
        texts: "tenant user_id operation model unit lane cause key_tenant server service doubt state \
               upstream_id failure_kind failure_code failure_message measured",
        bytes: "",
    },
    Columns {
        table: "kingcong_holds",
        ids: "id wallet job",
        ints: "amount opened_at captured closed_at released",
        texts: "",
        bytes: "",
    },
    Columns {
        table: "kingcong_idempotency",
        ids: "",
        ints: "created_at",
        texts: "answer",
        bytes: "id payload",
    },
    Columns {
        table: "kingcong_outputs",
        ids: "task voice",
        ints: "bytes",
        texts: "kind sound srt path upstream_voice name",
        bytes: "body",
    },
    Columns {
        table: "kingcong_voices",
        ids: "id api_key_id",
        ints: "created_at",
        texts: "tenant user_id server service upstream_voice name",
        bytes: "",
    },
    Columns {
        table: "kingcong_workers",
        ids: "id",
        ints: "dead_after batch_no beat",
        texts: "life",
        bytes: "",
    },
    Columns {
        table: "kingcong_rules",
        ids: "",
        ints: "id window_length guard call_max",
        texts: "",
        bytes: "",
    },
    Columns { table: "kingcong_late_answers", ids: "attempt", ints: "cost", texts: "upstream_id", bytes: "" },
    Columns {
        table: "kingcong_data_keys",
        ids: "id",
        ints: "version created_at",
        texts: "used_for tenant master_key",
        bytes: "wrapped",
    },
    Columns {
        table: "kingcong_audit",
        ids: "id",
        ints: "created_at",
        texts: "tenant actor role door target outcome detail",
        bytes: "",
    },
    Columns { table: "kingcong_monitors", ids: "", ints: "next_at", texts: "name", bytes: "" },
];

impl Columns {
    fn with_kinds(&self) -> impl Iterator<Item = (&'static str, Kind)> {
        let groups = [
            (self.ids, Kind::Id),
            (self.ints, Kind::Int),
            (self.texts, Kind::Text),
            (self.bytes, Kind::Bytes),
        ];
        groups.into_iter().flat_map(|(names, kind)| names.split_whitespace().map(move |name| (name, kind)))
    }
}

/// A column as a database has it.
#[derive(Clone, Debug)]
pub(crate) struct Column {
    pub(crate) table: String,
    pub(crate) name: String,
    /// Its type, as the database calls it.
    pub(crate) is: String,
}

/// Checks that a database has every column, with a type that `holds` what the column is for.
pub(crate) fn check(found: &[Column], holds: impl Fn(&str, Kind) -> bool) -> Result<(), ConnectError> {
    for columns in &COLUMNS {
        for (name, kind) in columns.with_kinds() {
            let column = found.iter().find(|it| it.table == columns.table && it.name == name);
            if !column.is_some_and(|column| holds(&column.is, kind)) {
                return Err(ConnectError::AlteredTable {
                    table: columns.table,
                    column: name,
                    found: column.map(|column| column.is.clone()),
                });
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::COLUMNS;
    use crate::{
        rows::{
            ConfigurationRow, DutyRow, EntryRow, KEY_LIMIT_MIRRORS, PackageRow, PriceRow, SplitState,
            TaskWithWork,
        },
        table::{Record, Table},
    };
    use kingcong_core::{
        keys::{Flow, Key, Limit, Pool, Rules},
        ledger::{Hold, Opening, Wallet},
        store::{AuditEntry, IdempotencyRow, LateAnswer, OutputRow, VoiceRow, Worker},
        tenants::Tenant,
        vault::DataKey,
        work::{Attempt, Job},
    };

    const TABLES: [Table; 26] = [
        Wallet::TABLE,
        EntryRow::TABLE,
        Opening::TABLE,
        ConfigurationRow::TABLE,
        PriceRow::TABLE,
        PackageRow::TABLE,
        Key::TABLE,
        KEY_LIMIT_MIRRORS,
        Limit::TABLE,
        Pool::TABLE,
        Flow::TABLE,
        SplitState::TABLE,
        Tenant::TABLE,
        Job::TABLE,
        TaskWithWork::TABLE,
        Attempt::TABLE,
        Hold::TABLE,
        IdempotencyRow::TABLE,
        OutputRow::TABLE,
        VoiceRow::TABLE,
        Worker::TABLE,
        Rules::TABLE,
        LateAnswer::TABLE,
        DataKey::TABLE,
        AuditEntry::TABLE,
        DutyRow::TABLE,
    ];

    /// The columns that statements name.
    fn named(tables: &[Table]) -> BTreeSet<(&'static str, &'static str)> {
        let of = |table: &Table| -> Vec<_> {
            let columns = table.fixed.iter().chain(table.mutable).chain(table.mirrors);
            columns.map(|column| (table.name, *column)).collect()
        };
        tables.iter().flat_map(of).collect()
    }

    #[test]
    fn every_column_that_statements_name_is_checked_and_no_other() {
        let checked: BTreeSet<_> = COLUMNS
            .iter()
            .flat_map(|columns| columns.with_kinds().map(|(name, _)| (columns.table, name)))
            .collect();
        assert_eq!(named(&TABLES), checked);
    }
}
