//! Relations: which rows name which others, looked up over whole tables, so that rows are found whose other end is
//! gone.

/// Rows of one table that name rows of another.
pub(super) struct Relation {
    /// The table whose rows name others; `c` in the texts.
    pub(super) table: &'static str,
    /// What identifies its rows.
    pub(super) id: &'static str,
    /// The column that names others.
    pub(super) column: &'static str,
    /// Where what is named would be, as `p`.
    join: &'static str,
    /// How it is told that it is not there.
    when: &'static str,
    /// What must be there.
    pub(super) expected: &'static str,
}

impl Relation {
    /// The query of the rows that name nothing; `bounds` are conditions that go with the others.
    pub(super) fn strays(&self, bounds: &str) -> String {
        let Self { table, id, column, join, when, .. } = self;
        format!("SELECT {id}, c.{column} FROM {table} c {join} WHERE ({when}) {bounds}")
    }
}

/// All of them.
pub(super) const RELATIONS: &[Relation] = &[
    // A hold is the hold of its job.
    Relation {
        table: "kingcong_holds",
        id: "c.id",
        column: "job",
        join: "LEFT JOIN kingcong_jobs p ON p.id = c.job AND p.hold = c.id",
        when: "p.id IS NULL",
        expected: "a job that has this hold",
    },
    // A hold is on a wallet.
    Relation {
        table: "kingcong_holds",
        id: "c.id",
        column: "wallet",
        join: "LEFT JOIN kingcong_credits p ON p.id = c.wallet",
        when: "p.id IS NULL",
        expected: "a wallet",
    },
    // A task belongs to a job.
    Relation {
        table: "kingcong_tasks",
        id: "c.id",
        column: "job",
        join: "LEFT JOIN kingcong_jobs p ON p.id = c.job",
        when: "p.id IS NULL",
        expected: "a job",
    },
    // A waiting task waits in a pool.
    Relation {
        table: "kingcong_tasks",
        id: "c.id",
        column: "pool",
        join: "LEFT JOIN kingcong_pools p ON p.id = c.pool",
        when: "c.state IN ('ready', 'delayed') AND p.id IS NULL",
        expected: "a pool",
    },
    // A task that one key alone can do names a key.
    Relation {
        table: "kingcong_tasks",
        id: "c.id",
        column: "only_key",
        join: "LEFT JOIN kingcong_api_keys p ON p.id = c.only_key",
        when: "c.only_key IS NOT NULL AND p.id IS NULL",
        expected: "a key",
    },
    // An attempt is of a task, and of that task's job.
    Relation {
        table: "kingcong_attempts",
        id: "c.id",
        column: "task_id",
        join: "LEFT JOIN kingcong_tasks p ON p.id = c.task_id AND p.job = c.job",
        when: "p.id IS NULL",
        expected: "a task of its job",
    },
    // An attempt is with a key of its route.
    Relation {
        table: "kingcong_attempts",
        id: "c.id",
        column: "api_key_id",
        join: "LEFT JOIN kingcong_api_keys p ON p.id = c.api_key_id AND p.server = c.server AND p.service = \
               c.service",
        when: "p.id IS NULL",
        expected: "a key of its server and service",
    },
    // An attempt passed the limit of its key's account, when the key has one.
    Relation {
        table: "kingcong_attempts",
        id: "c.id",
        column: "account_limit",
        join: "JOIN kingcong_limits p ON p.id = c.api_key_id",
        when: "(p.account IS NULL) <> (c.account_limit IS NULL) OR p.account <> c.account_limit",
        expected: "its key's account",
    },
    // An attempt passed an address's limit.
    Relation {
        table: "kingcong_attempts",
        id: "c.id",
        column: "egress_limit",
        join: "LEFT JOIN kingcong_limits p ON p.id = c.egress_limit AND p.level = 'egress'",
        when: "c.egress_limit IS NOT NULL AND p.id IS NULL",
        expected: "a limit of an address",
    },
    // A result is of a task that is done.
    Relation {
        table: "kingcong_outputs",
        id: "c.task",
        column: "task",
        join: "LEFT JOIN kingcong_tasks p ON p.id = c.task AND p.state = 'done'",
        when: "p.id IS NULL",
        expected: "a task that is done",
    },
    // A voice is on the account of a key of its route.
    Relation {
        table: "kingcong_voices",
        id: "c.id",
        column: "api_key_id",
        join: "LEFT JOIN kingcong_api_keys p ON p.id = c.api_key_id AND p.server = c.server AND p.service = \
               c.service",
        when: "p.id IS NULL",
        expected: "a key of its server and service",
    },
    // An entry is on a wallet.
    Relation {
        table: "kingcong_transactions",
        id: "c.wallet, c.number",
        column: "wallet",
        join: "LEFT JOIN kingcong_credits p ON p.id = c.wallet",
        when: "p.id IS NULL",
        expected: "a wallet",
    },
    // An entry of a task is on the wallet that pays for its job.
    Relation {
        table: "kingcong_transactions",
        id: "c.wallet, c.number",
        column: "task_id",
        join: "LEFT JOIN kingcong_tasks t ON t.id = c.task_id LEFT JOIN kingcong_jobs p ON p.id = t.job AND \
               p.wallet = c.wallet",
        when: "c.task_id IS NOT NULL AND p.id IS NULL",
        expected: "a task that this wallet pays for",
    },
    // An entry that was asked for under an idempotency key names it.
    Relation {
        table: "kingcong_transactions",
        id: "c.wallet, c.number",
        column: "idempotency",
        join: "LEFT JOIN kingcong_idempotency p ON p.id = c.idempotency",
        when: "c.idempotency IS NOT NULL AND p.id IS NULL",
        expected: "an idempotency key",
    },
    // What archived entries add up to belongs to a wallet.
    Relation {
        table: "kingcong_openings",
        id: "c.wallet",
        column: "wallet",
        join: "LEFT JOIN kingcong_credits p ON p.id = c.wallet",
        when: "p.id IS NULL",
        expected: "a wallet",
    },
    // A key has a limit.
    Relation {
        table: "kingcong_api_keys",
        id: "c.id",
        column: "id",
        join: "LEFT JOIN kingcong_limits p ON p.id = c.id AND p.level = 'key'",
        when: "p.id IS NULL",
        expected: "a limit",
    },
    // A key's revision is one that was given.
    Relation {
        table: "kingcong_api_keys",
        id: "c.id",
        column: "revision",
        join: "LEFT JOIN kingcong_key_changes p ON p.revision >= c.revision AND c.revision > 0",
        when: "p.id IS NULL",
        expected: "a revision that a key was given",
    },
    // A key's limit belongs to a key.
    Relation {
        table: "kingcong_limits",
        id: "c.id",
        column: "id",
        join: "LEFT JOIN kingcong_api_keys p ON p.id = c.id",
        when: "c.level = 'key' AND p.id IS NULL",
        expected: "a key",
    },
    // A key's limit names its account's.
    Relation {
        table: "kingcong_limits",
        id: "c.id",
        column: "account",
        join: "LEFT JOIN kingcong_limits p ON p.id = c.account AND p.level = 'account'",
        when: "c.account IS NOT NULL AND p.id IS NULL",
        expected: "an account's limit",
    },
    // A user's reach is in a pool.
    Relation {
        table: "kingcong_flows",
        id: "c.pool, c.tenant, c.user_id",
        column: "pool",
        join: "LEFT JOIN kingcong_pools p ON p.id = c.pool",
        when: "p.id IS NULL",
        expected: "a pool",
    },
    // A pool of one key names a key.
    Relation {
        table: "kingcong_pools",
        id: "c.id",
        column: "only_key",
        join: "LEFT JOIN kingcong_api_keys p ON p.id = c.only_key AND p.server = c.server AND p.service = \
               c.service",
        when: "c.only_key IS NOT NULL AND p.id IS NULL",
        expected: "a key of its server and service",
    },
    // A price was made by a configuration that there was.
    Relation {
        table: "kingcong_pricing",
        id: "c.id",
        column: "version",
        join: "LEFT JOIN kingcong_config p ON p.version >= c.version",
        when: "p.id IS NULL",
        expected: "a configuration of that version or a later one",
    },
    // An entry repeats whose wallet it is on.
    Relation {
        table: "kingcong_transactions",
        id: "c.wallet, c.number",
        column: "user_id",
        join: "JOIN kingcong_credits p ON p.id = c.wallet",
        when: "COALESCE(c.user_id, '') <> COALESCE(p.user_id, '')",
        expected: "the user of its wallet",
    },
];
