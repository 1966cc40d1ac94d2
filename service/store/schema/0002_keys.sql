-- The keys of trusted backends. The key itself is nowhere: only its digest, which cannot be turned back.

CREATE TABLE service_keys (
    name text PRIMARY KEY,
    digest bytea NOT NULL UNIQUE,
    scope text NOT NULL CHECK (scope IN ('read', 'write', 'audit', 'admin')),
    made_at timestamptz NOT NULL,
    revoked_at timestamptz
);
