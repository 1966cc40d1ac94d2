-- How the service itself fares: replays that were started over HTTP, and what was appended in each minute.
-- Neither is history: both may be thrown away.

CREATE TABLE replays (
    id uuid PRIMARY KEY,
    kind text NOT NULL CHECK (kind IN ('replay', 'check')),
    projections text[] NOT NULL,
    started_by text NOT NULL,
    started_at timestamptz NOT NULL,
    lease_until timestamptz NOT NULL,
    stage text NOT NULL DEFAULT 'starting',
    done bigint NOT NULL DEFAULT 0,
    total bigint NOT NULL DEFAULT 0,
    per_second double precision NOT NULL DEFAULT 0,
    seconds_left double precision,
    ended_at timestamptz,
    outcome text CHECK (outcome IN ('done', 'differs', 'stopped', 'failed')),
    report text[] NOT NULL DEFAULT '{}'
);
CREATE UNIQUE INDEX replays_under_way ON replays ((outcome IS NULL)) WHERE outcome IS NULL;
COMMENT ON TABLE replays IS 'One is under way at a time; what it has to say is here, so that every worker can tell.';
COMMENT ON COLUMN replays.started_by IS 'As the log names who acts.';
COMMENT ON COLUMN replays.lease_until IS 'By then the process that runs it has said something again, or is gone.';
COMMENT ON COLUMN replays.report IS 'What came of it, in words; it names rows by shard, conversation and day, and quotes nothing.';

CREATE TABLE activity (
    minute timestamptz NOT NULL,
    process_id uuid NOT NULL,
    messages bigint NOT NULL,
    events bigint NOT NULL,
    appends bigint NOT NULL,
    latencies bigint[] NOT NULL,
    PRIMARY KEY (minute, process_id)
);
COMMENT ON TABLE activity IS 'What each process appended in each minute of the last day, by its own clock.';
COMMENT ON COLUMN activity.latencies IS 'How many appends took how long, from being asked for to being answered.';
