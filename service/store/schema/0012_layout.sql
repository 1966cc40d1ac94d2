-- Which shards lie together, where it can be read whatever has become of the place where they lie.
--
-- `lanes` lies with the shards themselves, since rows come in by way of it. Its own column `lane` is read by
-- processes of the version before this one alone.

CREATE TABLE layout (
    shard smallint PRIMARY KEY,
    lane smallint NOT NULL
);
COMMENT ON TABLE layout IS 'One row a shard: shards of one lane lie together, and whoever appends to one of them locks the lane. Its count is N, fixed for ever.';

INSERT INTO layout (shard, lane) SELECT shard, lane FROM lanes;
