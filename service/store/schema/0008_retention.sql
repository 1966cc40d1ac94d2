-- When retention was seen to: once a day, by whichever process, however often each is restarted.

CREATE TABLE retention_runs (
    begun_at timestamptz PRIMARY KEY,
    finished_at timestamptz NOT NULL,
    counts json NOT NULL
);
COMMENT ON TABLE retention_runs IS 'Runs that came to their end; one that was cut off is begun again. Not history: may be thrown away.';
