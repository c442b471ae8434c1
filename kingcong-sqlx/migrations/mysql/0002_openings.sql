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
