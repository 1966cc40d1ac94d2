-- What was erased and anonymised: proof of it that names nobody, and what is still under way.

CREATE TABLE receipts (
    shard smallint NOT NULL,
    id uuid NOT NULL,
    action text NOT NULL CHECK (action IN ('erase', 'anonymise')),
    kind text NOT NULL CHECK (kind IN ('conversation', 'user', 'link')),
    salt bytea NOT NULL,
    digest bytea NOT NULL,
    wish bytea,
    requested_by text NOT NULL,
    reason text NOT NULL,
    command_id uuid,
    command_digest bytea,
    counts json NOT NULL DEFAULT '{}',
    version bigint,
    position bigint,
    requested_at timestamptz NOT NULL,
    finished_at timestamptz,
    PRIMARY KEY (shard, id)
);
CREATE UNIQUE INDEX receipts_command ON receipts (shard, command_id) WHERE command_id IS NOT NULL;
CREATE INDEX receipts_under_way ON receipts (shard) WHERE finished_at IS NULL;
COMMENT ON COLUMN receipts.digest IS 'Of the subject, salted: who knows it can find the receipt, and nobody can read it out of one.';
COMMENT ON COLUMN receipts.wish IS 'The subject itself, as JSON, while this is under way: whoever finds it can finish it. NULL from then on.';
COMMENT ON COLUMN receipts.position IS 'With version: of the last event that was added, as whoever asked was told.';

CREATE TABLE redactions (
    shard smallint NOT NULL,
    receipt_id uuid NOT NULL,
    of_shard smallint NOT NULL,
    conversation_id uuid NOT NULL,
    counts json NOT NULL,
    PRIMARY KEY (shard, receipt_id, of_shard, conversation_id)
);
COMMENT ON TABLE redactions IS 'The conversations of a receipt under way, noted before each is touched; gone when it is finished.';
COMMENT ON COLUMN redactions.counts IS 'What there was of it, counted before anything went.';
