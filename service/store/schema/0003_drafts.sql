-- Replies that are being produced. Not history: what becomes of them is in the log.

CREATE TABLE drafts (
    shard smallint NOT NULL,
    conversation_id uuid NOT NULL,
    reply_id text NOT NULL,
    user_id text NOT NULL,
    in_reply_to text NOT NULL,
    is_fortune boolean NOT NULL,
    content bytea NOT NULL DEFAULT '',
    process_id uuid NOT NULL,
    lease_until timestamptz NOT NULL,
    stop_wanted boolean NOT NULL DEFAULT false,
    started_at timestamptz NOT NULL,
    PRIMARY KEY (shard, conversation_id)
);
COMMENT ON TABLE drafts IS 'One running reply a conversation: the key sees to it, whichever process would start another.';
COMMENT ON COLUMN drafts.content IS 'The text so far, in UTF-8, saved once a second.';
COMMENT ON COLUMN drafts.lease_until IS 'The process that produces the reply moves it on; past it, whoever finds the draft ends it.';
