-- KingCong's tables on MySQL 8 and MariaDB.
--
-- Times are microseconds since 1970 in UTC, amounts are whole smallest steps of their unit, ids are 16 bytes,
-- exact numbers beyond 64 bits are text. A column whose comment says "mirror" repeats for people and other programs
-- what other columns decide; KingCong never reads it. Most mirrors are computed by the database and so cannot be wrong.
--
-- No foreign keys: rows that many batches change at once would lock their parents out of order. A column named
-- "…_or_null" stands in for the condition of an index, which these databases lack.
--
-- Every statement may be run again: the database commits after each, and a process may stop between two.

-- Wallets.
CREATE TABLE IF NOT EXISTS kingcong_credits (
    id              BINARY(16) NOT NULL PRIMARY KEY,
    tenant          VARCHAR(190) NOT NULL,
    user_id         VARCHAR(190),               -- none: the tenant's own wallet
    unit            VARCHAR(32) NOT NULL,
    created_at      BIGINT NOT NULL,
    balance         BIGINT NOT NULL,            -- includes what is held
    held            BIGINT NOT NULL,
    debt            BIGINT NOT NULL,
    total_purchased BIGINT NOT NULL,
    total_spent     BIGINT NOT NULL,
    total_refunded  BIGINT NOT NULL,
    last_entry      BIGINT NOT NULL,            -- the newest number in kingcong_transactions
    updated_at      BIGINT NOT NULL,
    KEY kingcong_credits_tenant (tenant, id),
    CHECK (held >= 0 AND debt >= 0)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- Ledger entries: append-only, numbered within their wallet without a gap. Every unique rule has the instant, so that the
-- table can be partitioned by month; the wallet's row guards the number.
CREATE TABLE IF NOT EXISTS kingcong_transactions (
    id            BIGINT NOT NULL AUTO_INCREMENT,
    wallet        BINARY(16) NOT NULL,
    number        BIGINT NOT NULL,
    type          VARCHAR(32) NOT NULL,         -- purchase, usage, refund, adjustment, debt_payment
    amount        BIGINT NOT NULL,
    balance_after BIGINT NOT NULL,
    debt_change   BIGINT NOT NULL,
    debt_after    BIGINT NOT NULL,
    server        VARCHAR(32),
    service       VARCHAR(32),
    task_id       BINARY(16),
    reference     MEDIUMTEXT,
    idempotency   BINARY(32),                   -- the key that it was asked for under, hashed
    created_at    BIGINT NOT NULL,
    user_id       VARCHAR(190),                 -- mirror of the wallet's
    service_used  VARCHAR(65) AS (CONCAT(server, '_', service)) VIRTUAL, -- mirror
    PRIMARY KEY (id, created_at),
    UNIQUE KEY kingcong_transactions_number (wallet, number, created_at),
    KEY kingcong_transactions_task (task_id)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- What the archived entries of a wallet add up to: where those that are kept begin.
CREATE TABLE IF NOT EXISTS kingcong_openings (
    wallet    BINARY(16) NOT NULL PRIMARY KEY,
    number    BIGINT NOT NULL,                  -- of the last archived entry
    balance   BIGINT NOT NULL,                  -- after it
    debt      BIGINT NOT NULL,                  -- after it
    purchased BIGINT NOT NULL,                  -- sums, from here on
    spent     BIGINT NOT NULL,
    refunded  BIGINT NOT NULL
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- What is configured: one row. Prices and packages have tables of their own, under the same version.
CREATE TABLE IF NOT EXISTS kingcong_config (
    id                     BIGINT NOT NULL PRIMARY KEY,
    version                BIGINT NOT NULL,
    document               LONGTEXT NOT NULL,   -- servers, services, routes, weights, maintenance as JSON
    updated_at             BIGINT NOT NULL,
    ai33_elevenlabs_active BIGINT NOT NULL,     -- mirrors, from here on
    ai33_minimax_active    BIGINT NOT NULL,
    ai84_elevenlabs_active BIGINT NOT NULL,
    ai84_minimax_active    BIGINT NOT NULL,
    maintenance_mode       MEDIUMTEXT NOT NULL,
    task_split_ratio_ai33  BIGINT NOT NULL,
    task_split_ratio_ai84  BIGINT NOT NULL,
    CHECK (id = 1)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- Prices: a row never changes but for whether it is in force.
CREATE TABLE IF NOT EXISTS kingcong_pricing (
    id                    BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
    server                VARCHAR(32) NOT NULL,
    service_type          VARCHAR(32) NOT NULL,
    operation             VARCHAR(32) NOT NULL,
    model                 VARCHAR(190) NOT NULL, -- empty: any
    lane                  VARCHAR(32) NOT NULL,
    since                 BIGINT NOT NULL,
    version               BIGINT NOT NULL,
    document              LONGTEXT NOT NULL,    -- the price as JSON
    in_force              BIGINT NOT NULL CHECK (in_force IN (0, 1)), -- 1: in force, or to come
    in_force_or_null      BIGINT AS (CASE in_force WHEN 1 THEN 1 END) STORED,
    service_name          MEDIUMTEXT NOT NULL,  -- mirrors, from here on
    credits_per_character VARCHAR(64),
    credits_per_second    VARCHAR(64),
    is_active             BIGINT NOT NULL,
    updated_at            BIGINT NOT NULL,
    UNIQUE KEY kingcong_pricing_in_force (server, service_type, operation, model, lane, since, in_force_or_null)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- Packages of credits.
CREATE TABLE IF NOT EXISTS kingcong_packages (
    id         VARCHAR(190) NOT NULL PRIMARY KEY,
    credits    BIGINT NOT NULL,
    unit       VARCHAR(32) NOT NULL,
    price      BIGINT NOT NULL,
    price_unit VARCHAR(32) NOT NULL,
    label      MEDIUMTEXT NOT NULL,
    is_active  BIGINT NOT NULL CHECK (is_active IN (0, 1))
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- Upstream credentials, encrypted.
CREATE TABLE IF NOT EXISTS kingcong_api_keys (
    id                 BINARY(16) NOT NULL PRIMARY KEY,
    server             VARCHAR(32) NOT NULL,
    service            VARCHAR(32) NOT NULL,
    tenant             VARCHAR(190) NOT NULL,
    fingerprint        BINARY(32) NOT NULL,
    account            MEDIUMTEXT,
    created_at         BIGINT NOT NULL,
    used_before        BIGINT,                  -- when it was last used before it was registered
    label              MEDIUMTEXT NOT NULL,
    mask               MEDIUMTEXT NOT NULL,
    secret_version     BIGINT NOT NULL,
    envelope           MEDIUMBLOB,              -- none: the key was removed
    switch             VARCHAR(32) NOT NULL,    -- on, off
    phase              VARCHAR(32) NOT NULL,    -- active, doubtful, dead, out_of_credit, unreadable,
                                            -- suspended, removed
    phase_or_null      BIGINT AS (CASE WHEN phase <> 'removed' THEN 1 END) STORED,
    reason             MEDIUMTEXT,              -- why it is dead or unreadable; suspended: its origin
    needed             BIGINT,                  -- out of credit: thousandths that it needs
    balance            BIGINT,                  -- thousandths
    checked_at         BIGINT,
    revision           BIGINT NOT NULL DEFAULT 0, -- of its last change, among those of all keys
    api_key            MEDIUMTEXT AS (mask) VIRTUAL, -- mirrors, from here on
    is_active          BIGINT NOT NULL,
    current_usage      BIGINT NOT NULL DEFAULT 0,
    max_threads        BIGINT NOT NULL DEFAULT 0,
    rate_limit_per_min BIGINT NOT NULL DEFAULT 0,
    last_used          BIGINT,
    UNIQUE KEY kingcong_api_keys_fingerprint (tenant, server, fingerprint, service, phase_or_null),
    KEY kingcong_api_keys_revision (revision)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- The last revision that any key got: one row, locked by whoever changes keys until that is committed. So revisions are
-- committed in their order.
CREATE TABLE IF NOT EXISTS kingcong_key_changes (
    id       BIGINT NOT NULL PRIMARY KEY CHECK (id = 1),
    revision BIGINT NOT NULL
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- Most calls in flight and most starts per window: of keys, accounts, and servers seen from our addresses.
CREATE TABLE IF NOT EXISTS kingcong_limits (
    id            BINARY(16) NOT NULL PRIMARY KEY,
    level         VARCHAR(32) NOT NULL,         -- key, account, egress
    account       BINARY(16),
    pool          BINARY(16),                   -- the pool that the key serves now
    max_in_flight BIGINT NOT NULL,
    per_window    BIGINT NOT NULL,
    in_flight     BIGINT NOT NULL,
    starts        MEDIUMTEXT NOT NULL,          -- of the last window
    polls_kept    BIGINT NOT NULL,              -- calls of a window that starts leave to polls
    polls_kept_until BIGINT NOT NULL,
    cooling_until BIGINT NOT NULL,
    doubts        BIGINT NOT NULL,              -- of the key, in a row
    turn          BIGINT NOT NULL,              -- keys are tried in this order
    KEY kingcong_limits_turn (pool, turn, id)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- Where tasks wait for keys.
CREATE TABLE IF NOT EXISTS kingcong_pools (
    id           BINARY(16) NOT NULL PRIMARY KEY,
    server       VARCHAR(32) NOT NULL,
    service      VARCHAR(32) NOT NULL,
    only_key     BINARY(16),
    virtual_time BIGINT NOT NULL,
    sequence     BIGINT NOT NULL,
    waiting      BIGINT NOT NULL,
    waiting_or_null BIGINT AS (CASE WHEN waiting > 0 THEN 1 END) STORED,
    health       MEDIUMTEXT NOT NULL,           -- JSON
    KEY kingcong_pools_waiting (waiting_or_null)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- How far a user's orders reach in a pool's virtual time.
CREATE TABLE IF NOT EXISTS kingcong_flows (
    pool    BINARY(16) NOT NULL,
    tenant  VARCHAR(190) NOT NULL,
    user_id VARCHAR(190) NOT NULL,
    finish  BIGINT NOT NULL,
    PRIMARY KEY (pool, tenant, user_id)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- How far the splits between servers are.
CREATE TABLE IF NOT EXISTS kingcong_splits (
    id      BINARY(16) NOT NULL PRIMARY KEY,
    service VARCHAR(32) NOT NULL,
    carry   MEDIUMTEXT NOT NULL                 -- JSON
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- What is said of tenants; one of which nothing was ever said has no row.
CREATE TABLE IF NOT EXISTS kingcong_tenants (
    id         VARCHAR(190) NOT NULL PRIMARY KEY,
    created_at BIGINT NOT NULL,
    name       VARCHAR(190) NOT NULL,
    state      VARCHAR(32) NOT NULL,            -- active, suspended
    version    BIGINT NOT NULL,                 -- the number of the change, among those of all tenants
    updated_at BIGINT NOT NULL,
    UNIQUE KEY kingcong_tenants_version (version)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- Requests.
CREATE TABLE IF NOT EXISTS kingcong_jobs (
    id            BINARY(16) NOT NULL PRIMARY KEY,
    tenant        VARCHAR(190) NOT NULL,
    user_id       VARCHAR(190) NOT NULL,
    operation     VARCHAR(32) NOT NULL,
    service       VARCHAR(32) NOT NULL,
    model         MEDIUMTEXT,                       -- none: the upstream's default
    unit          VARCHAR(32) NOT NULL,
    wallet        BINARY(16) NOT NULL,
    hold          BINARY(16) NOT NULL,
    tasks         BIGINT NOT NULL,
    total_den     BIGINT NOT NULL,
    idempotency   BINARY(32),                       -- the key that it was admitted under, hashed
    created_at    BIGINT NOT NULL,
    held          BIGINT NOT NULL,
    retries       BIGINT NOT NULL,
    retried_under BINARY(32),                       -- the key of its last retry, hashed
    state         VARCHAR(32) NOT NULL,
    open_tasks    BIGINT NOT NULL,
    failed_tasks  BIGINT NOT NULL,
    layout        MEDIUMTEXT,                 -- of its audio, from its first part on, as JSON
    total_sum     VARCHAR(64) NOT NULL,         -- the exact price so far, over total_den
    total_overrun VARCHAR(64) NOT NULL,         -- what of it may be beyond the hold
    charged       BIGINT NOT NULL,
    deadline      BIGINT NOT NULL,
    finished_at   BIGINT,
    archived_attempts BIGINT NOT NULL,
    KEY kingcong_jobs_tenant (tenant, id),
    KEY kingcong_jobs_user (tenant, user_id, id),
    KEY kingcong_jobs_open (tenant, user_id, state, id),
    KEY kingcong_jobs_deadline (state, deadline),
    KEY kingcong_jobs_state (state, id)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- Their tasks.
CREATE TABLE IF NOT EXISTS kingcong_tasks (
    id           BINARY(16) NOT NULL PRIMARY KEY,
    job          BINARY(16) NOT NULL,
    tenant       VARCHAR(190) NOT NULL,
    user_id      VARCHAR(190) NOT NULL,
    place        BIGINT NOT NULL,
    routes       LONGTEXT NOT NULL,             -- where it may be done and at which frozen prices, as JSON
    only_key     BINARY(16),
    quantities   MEDIUMTEXT NOT NULL,           -- how much of each measure it has, as JSON
    weight       BIGINT NOT NULL,
    created_at   BIGINT NOT NULL,
    state        VARCHAR(32) NOT NULL,          -- ready, delayed, running, done, failed, cancelled
    pool         BINARY(16),                    -- ready and delayed
    tag          BIGINT,                        -- ready
    until        BIGINT,                        -- delayed
    attempt      BINARY(16),                    -- running
    error        MEDIUMTEXT,                    -- failed, as JSON
    planned      BIGINT NOT NULL,
    cause        VARCHAR(32) NOT NULL,          -- of planned: planned, moved
    reached      BIGINT NOT NULL,
    attempts     BIGINT NOT NULL,
    reached_before BIGINT NOT NULL,           -- of reached, before its last retry
    attempts_before BIGINT NOT NULL,           -- of attempts, before its last retry
    tried        BLOB NOT NULL,                 -- ids of keys, one after the other
    unfit_routes BIGINT NOT NULL,
    doubt        VARCHAR(32) NOT NULL,
    credits_cost BIGINT NOT NULL,               -- what was charged
    refunded     BIGINT NOT NULL,
    completed_at BIGINT,
    input_data   LONGTEXT NOT NULL,             -- what to do, as JSON
    -- Mirrors, from here on.
    status       VARCHAR(32) NOT NULL,          -- of state: pending, processing, completed, failed
    assigned_to  VARCHAR(32) NOT NULL,          -- the server of the planned route, and its service
    service      VARCHAR(32) NOT NULL,
    api_key_id   BINARY(16),                    -- the last that was tried
    output_data  VARCHAR(64),                   -- done: where its result is
    KEY kingcong_tasks_job (job, place),
    KEY kingcong_tasks_ready (pool, state, tag, id),
    KEY kingcong_tasks_delayed (state, until, id)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- Tries of tasks: lease, recovery record and usage record in one.
CREATE TABLE IF NOT EXISTS kingcong_attempts (
    id              BINARY(16) NOT NULL PRIMARY KEY,
    task_id         BINARY(16) NOT NULL,
    job             BINARY(16) NOT NULL,
    tenant          VARCHAR(190) NOT NULL,
    user_id         VARCHAR(190) NOT NULL,
    operation       VARCHAR(32) NOT NULL,
    model           MEDIUMTEXT,                 -- none: the upstream's default
    unit            VARCHAR(32) NOT NULL,       -- of charged and over_hold
    lane            VARCHAR(32) NOT NULL,       -- whose keys: shared
    cause           VARCHAR(32) NOT NULL,       -- of the route: planned, moved
    key_tenant      VARCHAR(190),               -- none: the operator's
    server          VARCHAR(32) NOT NULL,
    service         VARCHAR(32) NOT NULL,
    api_key_id      BINARY(16) NOT NULL,
    account_limit   BINARY(16),
    egress_limit    BINARY(16),
    leased_at       BIGINT NOT NULL,
    doubt           VARCHAR(32) NOT NULL,
    open_worker     BINARY(16),                 -- who works on it; none when it has ended
    state           VARCHAR(32) NOT NULL,       -- leased, accepted, unknown, done, not_sent, failed, lost
    error_or_null   BIGINT AS (CASE WHEN state IN ('failed', 'lost') THEN 1 END) STORED,
    upstream_id     MEDIUMTEXT,
    unknown_until   BIGINT,
    failure_kind    VARCHAR(64),
    failure_code    MEDIUMTEXT,
    failure_message MEDIUMTEXT,
    ended_at        BIGINT,
    cost            BIGINT,                     -- the upstream's own credits, in thousandths
    charged         BIGINT NOT NULL,
    over_hold       BIGINT NOT NULL,            -- the price beyond the job's hold, not charged
    measured        MEDIUMTEXT,                 -- what was counted and how it was served, as JSON; none when nothing was
    usage_check     VARCHAR(32) NOT NULL,       -- what is to be said of that: within, over_bound, missing, ...
    KEY kingcong_attempts_open (open_worker, id),
    KEY kingcong_attempts_tenant (tenant, id),
    KEY kingcong_attempts_job (job, id),
    KEY kingcong_attempts_key (api_key_id, id),
    KEY kingcong_attempts_errors (error_or_null, id)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- Credits set aside for jobs.
CREATE TABLE IF NOT EXISTS kingcong_holds (
    id        BINARY(16) NOT NULL PRIMARY KEY,
    wallet    BINARY(16) NOT NULL,
    job       BINARY(16) NOT NULL,
    amount    BIGINT NOT NULL,
    opened_at BIGINT NOT NULL,
    captured  BIGINT NOT NULL,
    closed_at BIGINT,                           -- none: open
    released  BIGINT,
    CHECK (captured <= amount),
    KEY kingcong_holds_wallet (wallet, id)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- Answers that idempotency keys were given.
CREATE TABLE IF NOT EXISTS kingcong_idempotency (
    id         BINARY(32) NOT NULL PRIMARY KEY, -- the key, hashed with its scope
    payload    BINARY(32) NOT NULL,             -- the payload, hashed
    answer     MEDIUMTEXT NOT NULL,             -- JSON
    created_at BIGINT NOT NULL
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- Results.
CREATE TABLE IF NOT EXISTS kingcong_outputs (
    task         BINARY(16) NOT NULL PRIMARY KEY,
    made         LONGTEXT NOT NULL,             -- what is known of it, by its kind, as JSON
    text         LONGTEXT,                      -- beside the bytes, such as subtitles
    path         MEDIUMTEXT,                    -- of bytes in a file
    bytes        BIGINT,
    body         LONGBLOB
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- Cloned voices.
CREATE TABLE IF NOT EXISTS kingcong_voices (
    id             BINARY(16) NOT NULL PRIMARY KEY,
    tenant         VARCHAR(190) NOT NULL,
    user_id        VARCHAR(190) NOT NULL,
    api_key_id     BINARY(16) NOT NULL,
    server         VARCHAR(32) NOT NULL,
    service        VARCHAR(32) NOT NULL,
    upstream_voice MEDIUMTEXT NOT NULL,
    name           MEDIUMTEXT NOT NULL,
    created_at     BIGINT NOT NULL,
    KEY kingcong_voices_user (tenant, user_id, id),
    KEY kingcong_voices_upstream (upstream_voice(64))
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- Opened processes. The number of the last batch is fence, heartbeat and receipt in one.
CREATE TABLE IF NOT EXISTS kingcong_workers (
    id         BINARY(16) NOT NULL PRIMARY KEY,
    dead_after BIGINT NOT NULL,                 -- microseconds
    batch_no   BIGINT NOT NULL,
    beat       BIGINT NOT NULL,
    life       VARCHAR(32) NOT NULL,            -- alive, buried, gone
    KEY kingcong_workers_life (life, id)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- How windows are counted, in microseconds: one row, kept from the first opening on.
CREATE TABLE IF NOT EXISTS kingcong_rules (
    id            BIGINT NOT NULL PRIMARY KEY CHECK (id = 1),
    window_length BIGINT NOT NULL,
    guard         BIGINT NOT NULL,
    call_max      BIGINT NOT NULL
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- Answers that came after their attempt was taken over.
CREATE TABLE IF NOT EXISTS kingcong_late_answers (
    attempt     BINARY(16) NOT NULL PRIMARY KEY,
    upstream_id MEDIUMTEXT,
    cost        BIGINT
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- The vault's data keys, wrapped by a master key.
CREATE TABLE IF NOT EXISTS kingcong_data_keys (
    id         BINARY(16) NOT NULL PRIMARY KEY,
    used_for   VARCHAR(32) NOT NULL,            -- tenant, fingerprints
    tenant     VARCHAR(190) NOT NULL,           -- empty for fingerprints
    version    BIGINT NOT NULL,
    master_key MEDIUMTEXT NOT NULL,
    wrapped    MEDIUMBLOB NOT NULL,
    created_at BIGINT NOT NULL,
    UNIQUE KEY kingcong_data_keys_version (used_for, tenant, version)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- Who did what by an admin door.
CREATE TABLE IF NOT EXISTS kingcong_audit (
    number     BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
    id         BINARY(16) NOT NULL UNIQUE,
    tenant     VARCHAR(190),                    -- whose rows it concerns; NULL: what all tenants share
    actor      VARCHAR(190) NOT NULL,
    role       VARCHAR(16) NOT NULL,
    door       VARCHAR(190) NOT NULL,
    target     TEXT,                            -- on what, as text
    outcome    VARCHAR(16) NOT NULL,            -- done, refused
    detail     LONGTEXT NOT NULL,               -- JSON
    created_at BIGINT NOT NULL,
    KEY kingcong_audit_tenant (tenant, number)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- When periodic duties are due next.
CREATE TABLE IF NOT EXISTS kingcong_monitors (
    name    VARCHAR(190) NOT NULL PRIMARY KEY,
    next_at BIGINT NOT NULL
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
