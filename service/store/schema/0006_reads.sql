-- Who has read whose record. Not history: nothing of a conversation depends on it, and it may be thrown away.

CREATE TABLE reads (
    shard smallint NOT NULL,
    id uuid NOT NULL,
    user_id text,
    conversation_id uuid,
    reader text,
    operation text NOT NULL,
    request_id text,
    read_at timestamptz NOT NULL,
    PRIMARY KEY (shard, id)
);
CREATE INDEX reads_user ON reads (shard, user_id, id);
COMMENT ON TABLE reads IS 'Who has read whose record, in the shard of the one who was read. Ids are in order of time.';
COMMENT ON COLUMN reads.user_id IS 'Whose it was. NULL: everybody''s, in shard 0; or somebody''s who was erased since.';
COMMENT ON COLUMN reads.reader IS 'As the log names who acts: a user, or key:NAME. NULL where a user who read her own was erased.';
