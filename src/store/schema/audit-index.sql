-- Derived from the journal; see src/store/ledger/reading/.
-- Entries, many in a row: blocks.rs writes and reads them. The columns say which rows need not be looked into.
CREATE TABLE blocks (
    -- The numbers of the first and the last of them, and how many they are.
    first       INTEGER PRIMARY KEY,
    last        INTEGER NOT NULL,
    count       INTEGER NOT NULL,
    -- The earliest and the latest moment.
    since       INTEGER NOT NULL,
    until       INTEGER NOT NULL,
    lowest_run  INTEGER,
    highest_run INTEGER,
    -- How many are events, alarms, and what an agent asks at each of its starts.
    events      INTEGER NOT NULL,
    alarms      INTEGER NOT NULL,
    routine     INTEGER NOT NULL,
    entries     BLOB NOT NULL
) STRICT;

-- Sums of an hour (of UTC), by group, host or kind of event, why it was refused ('' for not at all), and credential
-- ('' for none).
CREATE TABLE sums (
    hour       INTEGER NOT NULL,
    event      INTEGER NOT NULL,
    group_name TEXT NOT NULL,
    what       TEXT NOT NULL,
    reason     TEXT NOT NULL,
    credential TEXT NOT NULL,
    times      INTEGER NOT NULL,
    up         INTEGER NOT NULL,
    down       INTEGER NOT NULL,
    alarms     INTEGER NOT NULL,
    open       INTEGER NOT NULL,
    abandoned  INTEGER NOT NULL,
    PRIMARY KEY (hour, event, group_name, what, reason, credential)
) STRICT, WITHOUT ROWID;

-- What models used up: of a request that may have one use something, what it reserved until it had ended, and then what
-- its answer came to.
CREATE TABLE tokens (
    seq         INTEGER PRIMARY KEY,
    at_ms       INTEGER NOT NULL,
    group_name  TEXT NOT NULL,
    -- Empty where nobody named it.
    model       TEXT NOT NULL,
    input       INTEGER NOT NULL,
    cache_read  INTEGER NOT NULL,
    cache_write INTEGER NOT NULL,
    output      INTEGER NOT NULL,
    estimated   INTEGER NOT NULL
) STRICT;
CREATE INDEX tokens_by_time ON tokens (at_ms);

-- How far it has come. One row.
CREATE TABLE reached (
    one     INTEGER PRIMARY KEY CHECK (one = 1),
    seq     INTEGER NOT NULL,
    chain   TEXT NOT NULL,
    segment INTEGER NOT NULL,
    offset  INTEGER NOT NULL,
    length  INTEGER NOT NULL,
    opened  INTEGER NOT NULL
) STRICT;
