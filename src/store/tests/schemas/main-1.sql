CREATE TABLE groups (
    name       TEXT PRIMARY KEY,
    channel    TEXT NOT NULL,
    chat       TEXT NOT NULL,
    agent      TEXT NOT NULL,
    is_main    INTEGER NOT NULL CHECK (is_main IN (0, 1)),
    -- The last message row that a run which ended has dealt with.
    cursor     INTEGER NOT NULL DEFAULT 0,
    created_at INTEGER NOT NULL,
    UNIQUE (channel, chat)
) STRICT;
CREATE UNIQUE INDEX one_main_group ON groups (is_main) WHERE is_main = 1;

-- AUTOINCREMENT: ids outlive the rows of a removed group (in the audit log, in
-- channels) and must not come to mean something else.
CREATE TABLE messages (
    row_id      INTEGER PRIMARY KEY AUTOINCREMENT,
    group_name  TEXT NOT NULL REFERENCES groups (name) ON DELETE CASCADE,
    id          TEXT NOT NULL,
    sender_id   TEXT NOT NULL,
    sender_name TEXT NOT NULL,
    text        TEXT NOT NULL,
    at          INTEGER NOT NULL,
    received_at INTEGER NOT NULL,
    UNIQUE (group_name, id)
) STRICT;
CREATE INDEX messages_in_order ON messages (group_name, row_id);

CREATE TABLE runs (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    group_name TEXT NOT NULL REFERENCES groups (name) ON DELETE CASCADE,
    first_row  INTEGER NOT NULL,
    last_row   INTEGER NOT NULL,
    state      TEXT NOT NULL CHECK (state IN ('running', 'done', 'failed')),
    sandbox    TEXT NOT NULL,
    attempt    INTEGER NOT NULL,
    started_at INTEGER NOT NULL,
    ended_at   INTEGER,
    error      TEXT
) STRICT;
CREATE INDEX runs_of_group ON runs (group_name, first_row);
CREATE INDEX runs_under_way ON runs (id) WHERE state = 'running';

CREATE TABLE outbox (
    id              INTEGER PRIMARY KEY AUTOINCREMENT,
    group_name      TEXT NOT NULL REFERENCES groups (name) ON DELETE CASCADE,
    run             INTEGER REFERENCES runs (id) ON DELETE SET NULL,
    kind            TEXT NOT NULL CHECK (kind IN ('reply', 'done', 'notice', 'failure')),
    text            TEXT NOT NULL,
    in_reply_to     TEXT,
    state           TEXT NOT NULL CHECK (state IN ('queued', 'sent', 'failed')),
    attempts        INTEGER NOT NULL DEFAULT 0,
    next_attempt_at INTEGER NOT NULL,
    created_at      INTEGER NOT NULL,
    ended_at        INTEGER,
    error           TEXT
) STRICT;
CREATE INDEX outbox_of_group ON outbox (group_name);
CREATE INDEX outbox_of_run ON outbox (run);
CREATE INDEX outbox_queued ON outbox (group_name, id) WHERE state = 'queued';
