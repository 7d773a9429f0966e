-- Questions to the owner: requests that wait, or waited, for a yes. A question of a daemon that has ended is lost.
CREATE TABLE asks (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    -- What the owner names it by. No agent learns it.
    code        TEXT NOT NULL UNIQUE,
    group_name  TEXT NOT NULL REFERENCES groups (name) ON DELETE CASCADE,
    run         INTEGER,
    sandbox     TEXT NOT NULL,
    -- The request as it was shown, and by its hashes: with its body, and without.
    method      TEXT NOT NULL,
    authority   TEXT NOT NULL,
    path        TEXT NOT NULL,
    credential  TEXT,
    exact       TEXT NOT NULL,
    shape       TEXT NOT NULL,
    says        TEXT NOT NULL,
    state       TEXT NOT NULL CHECK (state IN ('waiting', 'gone', 'yes', 'no', 'lost')),
    -- once, answer, always, no, never.
    answer      TEXT,
    -- How it was answered: by a reply, a reaction, a code, a command; and by whom.
    how         TEXT,
    asked_at    INTEGER NOT NULL,
    answered_at INTEGER
) STRICT;
CREATE INDEX asks_of_group ON asks (group_name, id);
CREATE INDEX asks_open ON asks (id) WHERE state IN ('waiting', 'gone');

-- The messages that put questions, each one or several. They stay as long as the questions: a reply to one of
-- them is never an agent's to read.
CREATE TABLE ask_messages (
    outbox INTEGER NOT NULL,
    ask    INTEGER NOT NULL REFERENCES asks (id) ON DELETE CASCADE,
    PRIMARY KEY (outbox, ask)
) STRICT, WITHOUT ROWID;
CREATE INDEX ask_messages_of ON ask_messages (ask);

-- What a yes lets through, and how often.
CREATE TABLE grants (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    ask        INTEGER NOT NULL REFERENCES asks (id) ON DELETE CASCADE,
    kind       TEXT NOT NULL CHECK (kind IN ('once', 'answer')),
    group_name TEXT NOT NULL REFERENCES groups (name) ON DELETE CASCADE,
    -- The hash that a request must have: with its body for one of `once`, without for one of `answer`.
    matches    TEXT NOT NULL,
    -- Of one of `answer`: the run that it ends with.
    run        INTEGER,
    -- The chat it was given in; nothing where it was given on the machine.
    channel    TEXT,
    chat       TEXT,
    uses_left  INTEGER NOT NULL CHECK (uses_left >= 0),
    given_at   INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    -- Why it ended before it was used up.
    ended      TEXT
) STRICT;
CREATE INDEX grants_live ON grants (group_name, matches) WHERE uses_left > 0 AND ended IS NULL;
CREATE INDEX grants_of_ask ON grants (ask);
