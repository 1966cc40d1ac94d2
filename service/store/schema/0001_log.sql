-- The log of events, and what is needed to append to it.
--
-- Every table that grows starts its primary key with shard, so that it can be distributed by it.
-- Tables without shard are small, the same everywhere, and change rarely.

CREATE TABLE lanes (
    shard smallint PRIMARY KEY,
    lane smallint NOT NULL
);
COMMENT ON TABLE lanes IS
    'One row a shard, never updated: whoever appends locks the first row of the lane. Its count is N, fixed for ever.';

CREATE TABLE events (
    shard smallint NOT NULL,
    conversation_id uuid NOT NULL,
    version bigint NOT NULL,
    position bigint NOT NULL,
    topic text NOT NULL,
    message_id text,
    state bytea,
    state_salt bytea,
    state_digest bytea NOT NULL,
    user_id text,
    actor text,
    person_salt bytea,
    person_digest bytea NOT NULL,
    request_id text,
    command_id uuid,
    command_digest bytea,
    command_size integer,
    recorded_at timestamptz NOT NULL,
    digest bytea NOT NULL,
    PRIMARY KEY (shard, conversation_id, version)
);
CREATE UNIQUE INDEX events_position ON events (shard, position);
CREATE UNIQUE INDEX events_command ON events (shard, command_id) WHERE command_id IS NOT NULL;
CREATE INDEX events_message ON events (shard, conversation_id, message_id, version) WHERE message_id IS NOT NULL;
CREATE INDEX events_user ON events (shard, user_id) WHERE version = 1;

COMMENT ON TABLE events IS 'The truth. Rows are inserted and never changed; only erasing and anonymising empty columns of it.';
COMMENT ON COLUMN events.version IS 'Place in the conversation: 1, 2, 3, … without a gap.';
COMMENT ON COLUMN events.position IS 'Place in the shard: 1, 2, 3, … without a gap, in the order of commits.';
COMMENT ON COLUMN events.state IS 'The event as JSON in UTF-8: SELECT convert_from(state, ''UTF8''). NULL once it is erased.';
COMMENT ON COLUMN events.message_id IS 'The message that the event is about, so that one message can be found without reading the others; goes with the state.';
COMMENT ON COLUMN events.command_id IS 'On the first event of an append that named one; command_size says how many events belong to it.';
COMMENT ON COLUMN events.digest IS 'SHA-256 over the digest before it in the conversation and over this row.';

CREATE TABLE snapshots (
    shard smallint NOT NULL,
    conversation_id uuid NOT NULL,
    version bigint NOT NULL,
    shape text NOT NULL,
    state bytea NOT NULL,
    PRIMARY KEY (shard, conversation_id)
);
COMMENT ON TABLE snapshots IS 'A conversation folded up to a version; can be thrown away at any time.';

-- Projections: which builds there are, how far each has come, and what each could not take.

CREATE TABLE generations (
    projection text NOT NULL,
    generation integer NOT NULL,
    version text NOT NULL,
    stage text NOT NULL CHECK (stage IN ('building', 'live', 'retired')),
    started_at timestamptz NOT NULL,
    PRIMARY KEY (projection, generation)
);
CREATE UNIQUE INDEX generations_live ON generations (projection, version) WHERE stage = 'live';
COMMENT ON TABLE generations IS 'One physical build of a projection: its tables end in _g<generation>. Each version of the code has one live.';

CREATE TABLE checkpoints (
    shard smallint NOT NULL,
    projection text NOT NULL,
    generation integer NOT NULL,
    position bigint,
    PRIMARY KEY (shard, projection, generation)
);
COMMENT ON COLUMN checkpoints.position IS 'The last event that is in the tables. NULL: in step, written together with every append.';

CREATE TABLE parked (
    shard smallint NOT NULL,
    projection text NOT NULL,
    generation integer NOT NULL,
    conversation_id uuid NOT NULL,
    position bigint NOT NULL,
    error text NOT NULL,
    parked_at timestamptz NOT NULL,
    PRIMARY KEY (shard, projection, generation, conversation_id)
);
COMMENT ON TABLE parked IS 'Conversations that a projection could not go on with: nothing of them from position on is in its tables.';

CREATE TABLE deferred (
    shard smallint NOT NULL,
    projection text NOT NULL,
    generation integer NOT NULL,
    position bigint NOT NULL,
    PRIMARY KEY (shard, projection, generation, position)
);
COMMENT ON TABLE deferred IS 'Events that a build under way applies once its tables have their indexes.';
