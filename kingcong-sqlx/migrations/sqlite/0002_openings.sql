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
