-- KingCong's tables on SQLite.
--
-- Times are microseconds since 1970 in UTC, amounts are whole smallest steps of their unit, ids are 16 bytes,
-- exact numbers beyond 64 bits are text. A column whose comment says "mirror" repeats for people and other programs
-- what other columns decide; KingCong never reads it. Most mirrors are computed by SQLite and so cannot be wrong.
--
-- No foreign keys: rows that many batches change at once would lock their parents out of order.

-- Wallets.
CREATE TABLE kingcong_credits (
    id              BLOB NOT NULL PRIMARY KEY,
    tenant          TEXT NOT NULL,
    user_id         TEXT,                       -- none: the tenant's own wallet
    unit            TEXT NOT NULL,
    created_at      INTEGER NOT NULL,
    balance         INTEGER NOT NULL,           -- includes what is held
    held            INTEGER NOT NULL,
    debt            INTEGER NOT NULL,
    total_purchased INTEGER NOT NULL,
    total_spent     INTEGER NOT NULL,
    total_refunded  INTEGER NOT NULL,
    last_entry      INTEGER NOT NULL,           -- the newest number in kingcong_transactions
    updated_at      INTEGER NOT NULL,
    CHECK (held >= 0 AND debt >= 0)
) STRICT, WITHOUT ROWID;
CREATE INDEX kingcong_credits_tenant ON kingcong_credits (tenant, id);

-- Ledger entries: append-only, numbered within their wallet without a gap.
CREATE TABLE kingcong_transactions (
    id            INTEGER PRIMARY KEY AUTOINCREMENT,
    wallet        BLOB NOT NULL,
    number        INTEGER NOT NULL,
    type          TEXT NOT NULL,                -- purchase, usage, refund, adjustment, debt_payment
    amount        INTEGER NOT NULL,
    balance_after INTEGER NOT NULL,
    debt_change   INTEGER NOT NULL,
    debt_after    INTEGER NOT NULL,
    server        TEXT,
    service       TEXT,
    task_id       BLOB,
    reference     TEXT,
    idempotency   BLOB,                         -- the key that it was asked for under, hashed
    created_at    INTEGER NOT NULL,
    user_id       TEXT,                         -- mirror of the wallet's
    service_used  TEXT AS (server || '_' || service), -- mirror
    UNIQUE (wallet, number)
) STRICT;
CREATE INDEX kingcong_transactions_task ON kingcong_transactions (task_id) WHERE task_id IS NOT NULL;

-- What the archived entries of a wallet add up to: where those that are kept begin.
CREATE TABLE kingcong_openings (
    wallet    BLOB NOT NULL PRIMARY KEY,
    number    INTEGER NOT NULL,                 -- of the last archived entry
    balance   INTEGER NOT NULL,                 -- after it
    debt      INTEGER NOT NULL,                 -- after it
    purchased INTEGER NOT NULL,                 -- sums, from here on
    spent     INTEGER NOT NULL,
    refunded  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- What is configured: one row. Prices and packages have tables of their own, under the same version.
CREATE TABLE kingcong_config (
    id                     INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
    version                INTEGER NOT NULL,
    document               TEXT NOT NULL,       -- servers, services, routes, weights, maintenance as JSON
    updated_at             INTEGER NOT NULL,
    ai33_elevenlabs_active INTEGER NOT NULL,    -- mirrors, from here on
    ai33_minimax_active    INTEGER NOT NULL,
    ai84_elevenlabs_active INTEGER NOT NULL,
    ai84_minimax_active    INTEGER NOT NULL,
    maintenance_mode       TEXT NOT NULL,
    task_split_ratio_ai33  INTEGER NOT NULL,
    task_split_ratio_ai84  INTEGER NOT NULL
) STRICT;

-- Prices: a row never changes but for whether it is in force.
CREATE TABLE kingcong_pricing (
    id                    INTEGER PRIMARY KEY AUTOINCREMENT,
    server                TEXT NOT NULL,
    service_type          TEXT NOT NULL,
    operation             TEXT NOT NULL,
    model                 TEXT NOT NULL,        -- empty: any
    lane                  TEXT NOT NULL,
    since                 INTEGER NOT NULL,
    version               INTEGER NOT NULL,
    document              TEXT NOT NULL,        -- the price as JSON
    in_force              INTEGER NOT NULL CHECK (in_force IN (0, 1)), -- 1: in force, or to come
    service_name          TEXT NOT NULL,        -- mirrors, from here on
    credits_per_character TEXT,
    credits_per_second    TEXT,
    is_active             INTEGER NOT NULL,
    updated_at            INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX kingcong_pricing_in_force ON kingcong_pricing (server, service_type, operation, model, lane, since)
    WHERE in_force = 1;

-- Packages of credits.
CREATE TABLE kingcong_packages (
    id         TEXT NOT NULL PRIMARY KEY,
    credits    INTEGER NOT NULL,
    unit       TEXT NOT NULL,
    price      INTEGER NOT NULL,
    price_unit TEXT NOT NULL,
    label      TEXT NOT NULL,
    is_active  INTEGER NOT NULL CHECK (is_active IN (0, 1))
) STRICT, WITHOUT ROWID;

-- Upstream credentials, encrypted.
CREATE TABLE kingcong_api_keys (
    id                 BLOB NOT NULL PRIMARY KEY,
    server             TEXT NOT NULL,
    service            TEXT NOT NULL,
    tenant             TEXT NOT NULL,
    fingerprint        BLOB NOT NULL,
    account            TEXT,
    created_at         INTEGER NOT NULL,
    used_before        INTEGER,                 -- when it was last used before it was registered
    label              TEXT NOT NULL,
    mask               TEXT NOT NULL,
    secret_version     INTEGER NOT NULL,
    envelope           BLOB,                    -- none: the key was removed
    switch             TEXT NOT NULL,           -- on, off
    phase              TEXT NOT NULL,           -- active, doubtful, dead, out_of_credit, unreadable,
                                            -- suspended, removed
    reason             TEXT,                    -- why it is dead or unreadable; suspended: its origin
    needed             INTEGER,                 -- out of credit: thousandths that it needs
    balance            INTEGER,                 -- thousandths
    checked_at         INTEGER,
    revision           INTEGER NOT NULL DEFAULT 0, -- of its last change, among those of all keys
    api_key            TEXT AS (mask),          -- mirrors, from here on
    is_active          INTEGER NOT NULL,
    current_usage      INTEGER NOT NULL DEFAULT 0,
    max_threads        INTEGER NOT NULL DEFAULT 0,
    rate_limit_per_min INTEGER NOT NULL DEFAULT 0,
    last_used          INTEGER
) STRICT;
CREATE UNIQUE INDEX kingcong_api_keys_fingerprint ON kingcong_api_keys (tenant, server, fingerprint, service)
    WHERE phase <> 'removed';
CREATE INDEX kingcong_api_keys_revision ON kingcong_api_keys (revision);

-- The last revision that any key got: one row, locked by whoever changes keys until that is committed. So revisions are
-- committed in their order.
CREATE TABLE kingcong_key_changes (
    id       INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
    revision INTEGER NOT NULL
) STRICT;

-- Most calls in flight and most starts per window: of keys, accounts, and servers seen from our addresses.
CREATE TABLE kingcong_limits (
    id            BLOB NOT NULL PRIMARY KEY,
    level         TEXT NOT NULL,                -- key, account, egress
    account       BLOB,
    pool          BLOB,                         -- the pool that the key serves now
    max_in_flight INTEGER NOT NULL,
    per_window    INTEGER NOT NULL,
    in_flight     INTEGER NOT NULL,
    starts        TEXT NOT NULL,                -- of the last window
    polls_kept    INTEGER NOT NULL,             -- calls of a window that starts leave to polls
    polls_kept_until INTEGER NOT NULL,
    cooling_until INTEGER NOT NULL,
    doubts        INTEGER NOT NULL,             -- of the key, in a row
    turn          INTEGER NOT NULL              -- keys are tried in this order
) STRICT, WITHOUT ROWID;
CREATE INDEX kingcong_limits_turn ON kingcong_limits (pool, turn, id) WHERE pool IS NOT NULL;

-- Where tasks wait for keys.
CREATE TABLE kingcong_pools (
    id           BLOB NOT NULL PRIMARY KEY,
    server       TEXT NOT NULL,
    service      TEXT NOT NULL,
    only_key     BLOB,
    virtual_time INTEGER NOT NULL,
    sequence     INTEGER NOT NULL,
    waiting      INTEGER NOT NULL,
    waiting_or_null INTEGER AS (CASE WHEN waiting > 0 THEN 1 END),
    health       TEXT NOT NULL                  -- JSON
) STRICT, WITHOUT ROWID;
CREATE INDEX kingcong_pools_waiting ON kingcong_pools (waiting_or_null) WHERE waiting_or_null = 1;

-- How far a user's orders reach in a pool's virtual time.
CREATE TABLE kingcong_flows (
    pool    BLOB NOT NULL,
    tenant  TEXT NOT NULL,
    user_id TEXT NOT NULL,
    finish  INTEGER NOT NULL,
    PRIMARY KEY (pool, tenant, user_id)
) STRICT, WITHOUT ROWID;

-- How far the splits between servers are.
CREATE TABLE kingcong_splits (
    id      BLOB NOT NULL PRIMARY KEY,
    service TEXT NOT NULL,
    carry   TEXT NOT NULL                       -- JSON
) STRICT, WITHOUT ROWID;

-- What is said of tenants; one of which nothing was ever said has no row.
CREATE TABLE kingcong_tenants (
    id         TEXT NOT NULL PRIMARY KEY,
    created_at INTEGER NOT NULL,
    name       TEXT NOT NULL,
    state      TEXT NOT NULL,                   -- active, suspended
    version    INTEGER NOT NULL,                -- the number of the change, among those of all tenants
    updated_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX kingcong_tenants_version ON kingcong_tenants (version);

-- Requests.
CREATE TABLE kingcong_jobs (
    id           BLOB NOT NULL PRIMARY KEY,
    tenant       TEXT NOT NULL,
    user_id      TEXT NOT NULL,
    operation    TEXT NOT NULL,
    service      TEXT NOT NULL,
    model        TEXT,                        -- none: the upstream's default
    unit         TEXT NOT NULL,
    wallet       BLOB NOT NULL,
    hold         BLOB NOT NULL,
    tasks        INTEGER NOT NULL,
    total_den    INTEGER NOT NULL,
    idempotency  BLOB,                       -- the key that it was admitted under, hashed
    created_at   INTEGER NOT NULL,
    held         INTEGER NOT NULL,
    retries      INTEGER NOT NULL,
    retried_under BLOB,                       -- the key of its last retry, hashed
    state        TEXT NOT NULL,
    open_tasks   INTEGER NOT NULL,
    failed_tasks INTEGER NOT NULL,
    layout       TEXT,                       -- of its audio, from its first part on, as JSON
    total_sum    TEXT NOT NULL,                 -- the exact price so far, over total_den
    total_overrun TEXT NOT NULL,                -- what of it may be beyond the hold
    charged      INTEGER NOT NULL,
    deadline     INTEGER NOT NULL,
    finished_at  INTEGER,
    archived_attempts INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX kingcong_jobs_tenant ON kingcong_jobs (tenant, id);
CREATE INDEX kingcong_jobs_user ON kingcong_jobs (tenant, user_id, id);
CREATE INDEX kingcong_jobs_open ON kingcong_jobs (tenant, user_id, id) WHERE state = 'open';
CREATE INDEX kingcong_jobs_deadline ON kingcong_jobs (deadline) WHERE state = 'open';
CREATE INDEX kingcong_jobs_state ON kingcong_jobs (state, id) WHERE state NOT IN ('open', 'completed');

-- Their tasks.
CREATE TABLE kingcong_tasks (
    id           BLOB NOT NULL PRIMARY KEY,
    job          BLOB NOT NULL,
    tenant       TEXT NOT NULL,
    user_id      TEXT NOT NULL,
    place        INTEGER NOT NULL,
    routes       TEXT NOT NULL,                 -- where it may be done and at which frozen prices, as JSON
    only_key     BLOB,
    quantities   TEXT NOT NULL,                 -- how much of each measure it has, as JSON
    weight       INTEGER NOT NULL,
    created_at   INTEGER NOT NULL,
    state        TEXT NOT NULL,                 -- ready, delayed, running, done, failed, cancelled
    pool         BLOB,                          -- ready and delayed
    tag          INTEGER,                       -- ready
    until        INTEGER,                       -- delayed
    attempt      BLOB,                          -- running
    error        TEXT,                          -- failed, as JSON
    planned      INTEGER NOT NULL,
    cause        TEXT NOT NULL,                 -- of planned: planned, moved
    reached      INTEGER NOT NULL,
    attempts     INTEGER NOT NULL,
    reached_before INTEGER NOT NULL,           -- of reached, before its last retry
    attempts_before INTEGER NOT NULL,           -- of attempts, before its last retry
    tried        BLOB NOT NULL,                 -- ids of keys, one after the other
    unfit_routes INTEGER NOT NULL,
    doubt        TEXT NOT NULL,
    credits_cost INTEGER NOT NULL,              -- what was charged
    refunded     INTEGER NOT NULL,
    completed_at INTEGER,
    input_data   TEXT NOT NULL,                 -- what to do, as JSON
    -- Mirrors, from here on.
    status       TEXT NOT NULL,                 -- of state: pending, processing, completed, failed
    assigned_to  TEXT NOT NULL,                 -- the server of the planned route, and its service
    service      TEXT NOT NULL,
    api_key_id   BLOB,                          -- the last that was tried
    output_data  TEXT                           -- done: where its result is
) STRICT;
CREATE INDEX kingcong_tasks_job ON kingcong_tasks (job, place);
CREATE INDEX kingcong_tasks_ready ON kingcong_tasks (pool, tag, id) WHERE state = 'ready';
CREATE INDEX kingcong_tasks_delayed ON kingcong_tasks (until, id) WHERE state = 'delayed';

-- Tries of tasks: lease, recovery record and usage record in one.
CREATE TABLE kingcong_attempts (
    id              BLOB NOT NULL PRIMARY KEY,
    task_id         BLOB NOT NULL,
    job             BLOB NOT NULL,
    tenant          TEXT NOT NULL,
    user_id         TEXT NOT NULL,
    operation       TEXT NOT NULL,
    model           TEXT,                       -- none: the upstream's default
    unit            TEXT NOT NULL,              -- of charged and over_hold
    lane            TEXT NOT NULL,              -- whose keys: shared
    cause           TEXT NOT NULL,              -- of the route: planned, moved
    key_tenant      TEXT,                       -- none: the operator's
    server          TEXT NOT NULL,
    service         TEXT NOT NULL,
    api_key_id      BLOB NOT NULL,
    account_limit   BLOB,
    egress_limit    BLOB,
    leased_at       INTEGER NOT NULL,
    doubt           TEXT NOT NULL,
    open_worker     BLOB,                       -- who works on it; none when it has ended
    state           TEXT NOT NULL,              -- leased, accepted, unknown, done, not_sent, failed, lost
    upstream_id     TEXT,
    unknown_until   INTEGER,
    failure_kind    TEXT,
    failure_code    TEXT,
    failure_message TEXT,
    ended_at        INTEGER,
    cost            INTEGER,                    -- the upstream's own credits, in thousandths
    charged         INTEGER NOT NULL,
    over_hold       INTEGER NOT NULL,           -- the price beyond the job's hold, not charged
    measured        TEXT,                       -- what was counted and how it was served, as JSON; none when nothing was
    usage_check     TEXT NOT NULL               -- what is to be said of that: within, over_bound, missing, ...
) STRICT, WITHOUT ROWID;
CREATE INDEX kingcong_attempts_open ON kingcong_attempts (open_worker, id) WHERE open_worker IS NOT NULL;
CREATE INDEX kingcong_attempts_tenant ON kingcong_attempts (tenant, id);
CREATE INDEX kingcong_attempts_job ON kingcong_attempts (job, id);
CREATE INDEX kingcong_attempts_key ON kingcong_attempts (api_key_id, id);
CREATE INDEX kingcong_attempts_errors ON kingcong_attempts (id) WHERE state IN ('failed', 'lost');

-- Credits set aside for jobs.
CREATE TABLE kingcong_holds (
    id        BLOB NOT NULL PRIMARY KEY,
    wallet    BLOB NOT NULL,
    job       BLOB NOT NULL,
    amount    INTEGER NOT NULL,
    opened_at INTEGER NOT NULL,
    captured  INTEGER NOT NULL,
    closed_at INTEGER,                          -- none: open
    released  INTEGER,
    CHECK (captured <= amount)
) STRICT, WITHOUT ROWID;
CREATE INDEX kingcong_holds_wallet ON kingcong_holds (wallet, id);

-- Answers that idempotency keys were given.
CREATE TABLE kingcong_idempotency (
    id         BLOB NOT NULL PRIMARY KEY,       -- the key, hashed with its scope
    payload    BLOB NOT NULL,                   -- the payload, hashed
    answer     TEXT NOT NULL,                   -- JSON
    created_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Results.
CREATE TABLE kingcong_outputs (
    task         BLOB NOT NULL PRIMARY KEY,
    made         TEXT NOT NULL,                 -- what is known of it, by its kind, as JSON
    text         TEXT,                          -- beside the bytes, such as subtitles
    path         TEXT,                          -- of bytes in a file
    bytes        INTEGER,
    body         BLOB
) STRICT;

-- Cloned voices.
CREATE TABLE kingcong_voices (
    id             BLOB NOT NULL PRIMARY KEY,
    tenant         TEXT NOT NULL,
    user_id        TEXT NOT NULL,
    api_key_id     BLOB NOT NULL,
    server         TEXT NOT NULL,
    service        TEXT NOT NULL,
    upstream_voice TEXT NOT NULL,
    name           TEXT NOT NULL,
    created_at     INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX kingcong_voices_user ON kingcong_voices (tenant, user_id, id);
CREATE INDEX kingcong_voices_upstream ON kingcong_voices (upstream_voice);

-- Opened processes. The number of the last batch is fence, heartbeat and receipt in one.
CREATE TABLE kingcong_workers (
    id         BLOB NOT NULL PRIMARY KEY,
    dead_after INTEGER NOT NULL,                -- microseconds
    batch_no   INTEGER NOT NULL,
    beat       INTEGER NOT NULL,
    life       TEXT NOT NULL                    -- alive, buried, gone
) STRICT, WITHOUT ROWID;
CREATE INDEX kingcong_workers_life ON kingcong_workers (id) WHERE life <> 'gone';

-- How windows are counted, in microseconds: one row, kept from the first opening on.
CREATE TABLE kingcong_rules (
    id            INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
    window_length INTEGER NOT NULL,
    guard         INTEGER NOT NULL,
    call_max      INTEGER NOT NULL
) STRICT;

-- Answers that came after their attempt was taken over.
CREATE TABLE kingcong_late_answers (
    attempt     BLOB NOT NULL PRIMARY KEY,
    upstream_id TEXT,
    cost        INTEGER
) STRICT, WITHOUT ROWID;

-- The vault's data keys, wrapped by a master key.
CREATE TABLE kingcong_data_keys (
    id         BLOB NOT NULL PRIMARY KEY,
    used_for   TEXT NOT NULL,                   -- tenant, fingerprints
    tenant     TEXT NOT NULL,                   -- empty for fingerprints
    version    INTEGER NOT NULL,
    master_key TEXT NOT NULL,
    wrapped    BLOB NOT NULL,
    created_at INTEGER NOT NULL,
    UNIQUE (used_for, tenant, version)
) STRICT;

-- Who did what by an admin door.
CREATE TABLE kingcong_audit (
    number     INTEGER PRIMARY KEY AUTOINCREMENT,
    id         BLOB NOT NULL UNIQUE,
    tenant     TEXT,                            -- whose rows it concerns; NULL: what all tenants share
    actor      TEXT NOT NULL,
    role       TEXT NOT NULL,
    door       TEXT NOT NULL,
    target     TEXT,                            -- on what, as text
    outcome    TEXT NOT NULL,                   -- done, refused
    detail     TEXT NOT NULL,                   -- JSON
    created_at INTEGER NOT NULL
) STRICT;
CREATE INDEX kingcong_audit_tenant ON kingcong_audit (tenant, number);

-- When periodic duties are due next.
CREATE TABLE kingcong_monitors (
    name    TEXT NOT NULL PRIMARY KEY,
    next_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
