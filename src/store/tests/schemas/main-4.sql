-- Whether a run may have changed something outside of its sandbox: 1 is on the disk before
-- the first such request is sent. NULL: a run of an older Doorward, of which the audit log knows.
ALTER TABLE runs ADD COLUMN wrote INTEGER CHECK (wrote IN (0, 1));

-- What a chat gets in the place of a text that could not be delivered. The text stays.
ALTER TABLE outbox ADD COLUMN instead TEXT;
CREATE INDEX outbox_undelivered ON outbox (id) WHERE instead IS NOT NULL OR state = 'failed';

-- The audit log that was written beside this database: how far it had come, at least. One row.
CREATE TABLE audit_log (
    one  INTEGER PRIMARY KEY CHECK (one = 1),
    seen INTEGER NOT NULL
) STRICT;
