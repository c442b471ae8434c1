-- What the archived entries of a wallet add up to: where those that are kept begin.
CREATE TABLE kingcong_openings (
    wallet    UUID NOT NULL PRIMARY KEY,
    number    BIGINT NOT NULL,                  -- of the last archived entry
    balance   BIGINT NOT NULL,                  -- after it
    debt      BIGINT NOT NULL,                  -- after it
    purchased BIGINT NOT NULL,                  -- sums, from here on
    spent     BIGINT NOT NULL,
    refunded  BIGINT NOT NULL
);
