-- The daily digest: the last day that had one, up to when it told, and whether its owner has said that they want none.
CREATE TABLE digests (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    day TEXT NOT NULL,
    at  INTEGER NOT NULL,
    off INTEGER NOT NULL CHECK (off IN (0, 1))
) STRICT;
