-- The message that an outgoing sign is put on: its text is the sign.
ALTER TABLE outbox ADD COLUMN reacts_to TEXT;

-- A file that goes with an outgoing message. Its bytes leave when it was sent.
CREATE TABLE outbox_files (
    outbox INTEGER PRIMARY KEY REFERENCES outbox (id) ON DELETE CASCADE,
    name   TEXT NOT NULL,
    media  TEXT NOT NULL,
    size   INTEGER NOT NULL,
    bytes  BLOB
) STRICT;
