-- The names that users' own applications give to their conversations.

CREATE TABLE names (
    shard smallint NOT NULL,
    user_id text NOT NULL,
    name text NOT NULL,
    conversation_id uuid NOT NULL,
    PRIMARY KEY (shard, user_id, name)
);
CREATE INDEX names_of_conversation ON names (shard, conversation_id);
COMMENT ON TABLE names IS 'Which conversation a user calls by which name. A row is written with the start of its conversation, and goes when that is erased or anonymised.';
