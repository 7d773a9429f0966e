-- Members who want nothing of theirs kept.
CREATE TABLE not_kept (
    group_name TEXT NOT NULL REFERENCES groups (name) ON DELETE CASCADE,
    sender_id  TEXT NOT NULL,
    since      INTEGER NOT NULL,
    PRIMARY KEY (group_name, sender_id)
) STRICT, WITHOUT ROWID;

-- The numbers of those who wrote in a group, for stand-ins: a number stays whose it was, also when they are forgotten.
CREATE TABLE people (
    group_name TEXT NOT NULL REFERENCES groups (name) ON DELETE CASCADE,
    number     INTEGER NOT NULL,
    sender_id  TEXT,
    name       TEXT NOT NULL,
    PRIMARY KEY (group_name, number),
    UNIQUE (group_name, sender_id)
) STRICT, WITHOUT ROWID;

-- Whether a chat of several people has heard what is read in it, and kept.
ALTER TABLE groups ADD COLUMN told INTEGER NOT NULL DEFAULT 0 CHECK (told IN (0, 1));
