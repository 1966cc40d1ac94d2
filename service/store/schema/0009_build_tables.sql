-- Which table is of which build. A comment on the table said it before, and a dump may leave comments out.

CREATE TABLE build_tables (
    name text PRIMARY KEY,
    projection text NOT NULL,
    generation integer NOT NULL
);
CREATE INDEX build_tables_of_build ON build_tables (projection, generation);
COMMENT ON TABLE build_tables IS 'The tables of each build; a row goes with its table.';

INSERT INTO build_tables (name, projection, generation)
SELECT c.relname, told[1], told[2]::integer
FROM pg_class AS c
CROSS JOIN LATERAL regexp_match(
    obj_description(c.oid, 'pg_class'), '^projection (\S+), generation (\d+)$') AS told
WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind IN ('r', 'p') AND told IS NOT NULL;

-- Where the comments are lost already: by the names that the released projections give to their tables.
INSERT INTO build_tables (name, projection, generation)
SELECT c.relname, g.projection, g.generation
FROM generations AS g
JOIN (VALUES ('history', 'history'), ('conversations', 'conversations'),
        ('conversations', 'conversation_links'), ('search', 'search'), ('usage', 'usage'))
    AS known (projection, name) USING (projection)
JOIN pg_class AS c ON c.relname = known.name || '_g' || g.generation
    AND c.relnamespace = current_schema()::regnamespace AND c.relkind IN ('r', 'p')
ON CONFLICT (name) DO NOTHING;
