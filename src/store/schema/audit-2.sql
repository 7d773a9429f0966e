-- What the log was at one record, signed with the installation's key. Removing old
-- records (`pruned`) goes up to a checkpoint and no further.
CREATE TABLE checkpoints (
    id        INTEGER PRIMARY KEY,
    seq       INTEGER NOT NULL,
    at_ms     INTEGER NOT NULL,
    hash      BLOB NOT NULL,
    pruned    INTEGER NOT NULL CHECK (pruned IN (0, 1)),
    key       BLOB NOT NULL,
    signature BLOB NOT NULL
) STRICT;

CREATE TRIGGER checkpoints_update BEFORE UPDATE ON checkpoints
BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END;
CREATE TRIGGER checkpoints_delete BEFORE DELETE ON checkpoints
BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END;

DROP TRIGGER append_only_delete;
CREATE TRIGGER append_only_delete BEFORE DELETE ON events
WHEN OLD.seq > coalesce((SELECT seq FROM checkpoints WHERE pruned = 1 ORDER BY id DESC LIMIT 1), 0)
BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END;
