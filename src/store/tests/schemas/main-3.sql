-- What agents asked their owner to be allowed; one row for each different request.
CREATE TABLE access_requests (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    group_name TEXT NOT NULL REFERENCES groups (name) ON DELETE CASCADE,
    authority  TEXT NOT NULL,
    method     TEXT NOT NULL,
    path       TEXT NOT NULL,
    -- The agent's words, the latest ones.
    why        TEXT NOT NULL,
    asked      INTEGER NOT NULL DEFAULT 1,
    first_at   INTEGER NOT NULL,
    last_at    INTEGER NOT NULL,
    UNIQUE (group_name, authority, method, path)
) STRICT;
