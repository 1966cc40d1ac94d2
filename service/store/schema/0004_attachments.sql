-- What is known of the files that users attach. Not history: the message that a file came with keeps a copy.

CREATE TABLE attachments (
    shard smallint NOT NULL,
    user_id text NOT NULL,
    id text NOT NULL,
    conversation_id uuid,
    payload bytea NOT NULL,
    saved_at timestamptz NOT NULL,
    PRIMARY KEY (shard, user_id, id)
);
CREATE INDEX attachments_conversation ON attachments (shard, conversation_id)
    WHERE conversation_id IS NOT NULL;
COMMENT ON COLUMN attachments.conversation_id IS 'NULL until the message that it belongs to is sent.';
COMMENT ON COLUMN attachments.payload IS 'As ChatKit gave it, as JSON in UTF-8.';
