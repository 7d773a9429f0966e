-- What is to be done at a time: tasks of a group, made by its owner or by its agent.
CREATE TABLE tasks (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    group_name TEXT NOT NULL REFERENCES groups (name) ON DELETE CASCADE,
    prompt     TEXT NOT NULL,
    -- A cron line, an interval in milliseconds, or a time of UTC's; and the time zone that it goes by.
    kind       TEXT NOT NULL CHECK (kind IN ('cron', 'interval', 'once')),
    schedule   TEXT NOT NULL,
    zone       TEXT NOT NULL,
    context    TEXT NOT NULL CHECK (context IN ('group', 'isolated')),
    missed     TEXT NOT NULL CHECK (missed IN ('skip', 'once', 'all')),
    -- A command that says whether there is anything to do.
    gate       TEXT,
    made_by    TEXT NOT NULL CHECK (made_by IN ('owner', 'agent')),
    state      TEXT NOT NULL CHECK (state IN ('active', 'paused', 'done', 'cancelled')),
    -- Why it is paused, if not by somebody's word.
    why        TEXT,
    -- How often in a row it has failed.
    failures   INTEGER NOT NULL DEFAULT 0,
    created_at INTEGER NOT NULL,
    -- Where intervals count from; when the next occurrence was found; the last that was due, and the next.
    anchor     INTEGER NOT NULL,
    planned_at INTEGER NOT NULL,
    last_due   INTEGER,
    next_due   INTEGER,
    ended_at   INTEGER
) STRICT;
CREATE INDEX tasks_of_group ON tasks (group_name, id);
CREATE INDEX tasks_planned ON tasks (next_due) WHERE state = 'active';

-- Occurrences that were due. Each is claimed here, once, before anything is done about it. The runs of one that is
-- carried out have its number, negative, for their rows: they deal with no message, and move no cursor.
CREATE TABLE firings (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    task       INTEGER NOT NULL REFERENCES tasks (id) ON DELETE CASCADE,
    group_name TEXT NOT NULL REFERENCES groups (name) ON DELETE CASCADE,
    due_at     INTEGER NOT NULL,
    claimed_at INTEGER NOT NULL,
    state      TEXT NOT NULL CHECK (state IN ('open', 'done', 'nothing', 'failed', 'stopped', 'missed')),
    -- Of one that is open: not to be tried before.
    not_before INTEGER NOT NULL DEFAULT 0,
    ended_at   INTEGER,
    -- How it ended, in words, if not as it should.
    outcome    TEXT
) STRICT;
CREATE INDEX firings_of_task ON firings (task, id);
CREATE INDEX firings_open ON firings (group_name, id) WHERE state = 'open';
