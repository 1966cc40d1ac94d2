-- Which past the log goes on from. After an older backup was restored, positions and versions are given once
-- more, to other events: whatever names one says of which incarnation it is.

CREATE TABLE incarnations (
    number integer PRIMARY KEY,
    tag text NOT NULL,
    begun_at timestamptz NOT NULL,
    reason text NOT NULL
);
COMMENT ON TABLE incarnations IS 'The last one is now. Only a restore begins another.';
COMMENT ON COLUMN incarnations.tag IS 'Random, for a backup may be restored more than once; that of the first is empty.';

INSERT INTO incarnations (number, tag, begun_at, reason) VALUES (1, '', now(), 'the log began');
