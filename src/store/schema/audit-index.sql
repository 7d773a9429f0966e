-- Derived from the journal, record by record; see src/store/ledger/reading/.
CREATE TABLE entries (
    seq         INTEGER PRIMARY KEY,
    at_ms       INTEGER NOT NULL,
    -- Where its line stands, and that of its outcome.
    segment     INTEGER NOT NULL,
    offset      INTEGER NOT NULL,
    length      INTEGER NOT NULL,
    end_segment INTEGER,
    end_offset  INTEGER,
    end_length  INTEGER,
    -- Of an event alone: which kind.
    what        TEXT,
    group_name  TEXT NOT NULL,
    host        TEXT NOT NULL,
    -- Of a request alone.
    allowed     INTEGER,
    code        TEXT,
    ended_code  TEXT,
    credential  TEXT NOT NULL,
    run         INTEGER,
    operation   INTEGER NOT NULL,
    leaves      INTEGER NOT NULL,
    writes      INTEGER NOT NULL,
    by_wildcard INTEGER NOT NULL,
    -- Whether it ended without having reached its host.
    unreached   INTEGER NOT NULL,
    times       INTEGER NOT NULL,
    up          INTEGER NOT NULL,
    down        INTEGER NOT NULL,
    alarm       INTEGER NOT NULL,
    abandoned   INTEGER NOT NULL,
    -- Whether it is what an agent asks at each of its starts, and is refused.
    routine     INTEGER NOT NULL
) STRICT;
CREATE INDEX by_time ON entries (at_ms);
CREATE INDEX of_run ON entries (run) WHERE run IS NOT NULL;
CREATE INDEX events ON entries (seq) WHERE what IS NOT NULL;
CREATE INDEX alarms ON entries (seq) WHERE alarm;

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
