-- One row per event. `record` is what the chain protects; the columns below it are
-- read out of it, so they can never say anything else.
CREATE TABLE events (
    seq        INTEGER PRIMARY KEY,
    at_ms      INTEGER NOT NULL,
    kind       TEXT NOT NULL CHECK (kind IN ('decision', 'outcome', 'notice')),
    about      INTEGER,
    record     TEXT NOT NULL,
    hash       BLOB NOT NULL,
    group_name TEXT    GENERATED ALWAYS AS (record ->> 'group') VIRTUAL,
    host       TEXT    GENERATED ALWAYS AS (record ->> 'host') VIRTUAL,
    method     TEXT    GENERATED ALWAYS AS (record ->> 'method') VIRTUAL,
    verdict    TEXT    GENERATED ALWAYS AS (record ->> 'verdict') VIRTUAL,
    code       TEXT    GENERATED ALWAYS AS (record ->> 'code') VIRTUAL,
    run        INTEGER GENERATED ALWAYS AS (record ->> 'run') VIRTUAL
) STRICT;

-- No index that a commit would have to pay for without need: each costs a page.
CREATE INDEX outcomes ON events (about) WHERE about IS NOT NULL;
CREATE INDEX notices ON events (seq) WHERE kind = 'notice';
CREATE INDEX decisions_of_run ON events (run) WHERE run IS NOT NULL;

CREATE TRIGGER append_only_update BEFORE UPDATE ON events
BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END;
CREATE TRIGGER append_only_delete BEFORE DELETE ON events
BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END;
