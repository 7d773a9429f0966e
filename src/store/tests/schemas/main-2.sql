-- What a message is to the assistant: talk waits until somebody calls it.
ALTER TABLE messages ADD COLUMN means TEXT NOT NULL DEFAULT 'call' CHECK (means IN ('talk', 'call', 'stop'));
ALTER TABLE messages ADD COLUMN quote_id TEXT;
ALTER TABLE messages ADD COLUMN quote_sender TEXT;
ALTER TABLE messages ADD COLUMN quote_text TEXT;
CREATE INDEX messages_that_call ON messages (group_name, row_id) WHERE means <> 'talk';

-- The agent's session, to go on with in the next sandbox.
ALTER TABLE groups ADD COLUMN session TEXT;

-- The id that the channel's network gave an outgoing message.
ALTER TABLE outbox ADD COLUMN sent_as TEXT;
CREATE INDEX outbox_sent_as ON outbox (group_name, sent_as) WHERE sent_as IS NOT NULL;
